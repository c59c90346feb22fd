/* The type of a GGUF tensor, by the type of its file, where no mix chose one. */
#ifndef REPAQ_GGUFTYPE_H
#define REPAQ_GGUFTYPE_H

#include "formats/gguf.h"
#include "plan/options.h"

uint64_t gguftype_columns(const struct arranged *arranged); /* 1 of a scalar */
/* FP8 weights that are asked for as Q8_0 (--fp8-as-q8). */
bool gguftype_is_q8(const struct model *model, const struct arranged *arranged, const struct options *options);
/* The type of floats: the file's, but for what is F32 in every file; a row that is no whole blocks becomes F16 (gguf.md section 2.3). */
enum ggml_type gguftype_floats(const struct arranged *arranged, const struct tensor *source, const struct options *options);
/* The type that a weight's values are written in; GGML_COUNT: its codes are kept. */
enum ggml_type gguftype_values(const struct model *model, const struct arranged *arranged, const struct options *options);

#endif
