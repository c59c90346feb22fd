/* A GGUF file that is made of a GGUF file: its tensors under their own names, its metadata as llama-quantize passes them on
 * (ggml-org/llama.cpp:src/llama-quant.cpp, src/llama-model-loader.cpp). */
#ifndef REPAQ_GGUFCOPY_H
#define REPAQ_GGUFCOPY_H

#include "base/regex.h"
#include "container/ggufile_split.h"
#include "formats/gguf.h"
#include "formats/ggufprune.h"

/* The source's headers. Zero-initialise; free with ggufcopy_free. */
struct ggufcopy {
    struct ggufile_set set;
    struct gguf_hyper hyper;
    struct ggufprune prune;
};

/* Reads the headers of the set that source->only belongs to; architecture and counts that options set count instead of the file's (options: borrowed). */
enum status ggufcopy_open(struct ggufcopy *copy, struct source *source, const struct gguf_options *options, bool lenient, struct err *err) WARN_UNUSED;
/* The tensors of a model that was read as it is stored, in the order of the files; outer dimensions of 1 are dropped, as llama.cpp's writer does. What
 * `exclude` (NULL: none) names is left out, and so are the layers of `prune`. */
enum status ggufcopy_arrange(struct ggufcopy *copy, struct model *model, const struct regex *exclude, const struct ggufprune_list *prune,
                             struct arrangement *arrangement, struct err *err) WARN_UNUSED;
/* gguf_head for such a file. listing->file_type FILETYPE_NONE: the source's, or what most of its tensors are, marked as a guess. */
enum status ggufcopy_head(const struct gguf_input *input, struct gguf_listing *listing, struct ggufile_writer *writer, struct err *err) WARN_UNUSED;
void ggufcopy_free(struct ggufcopy *copy);

#endif
