/* A GGUF file as a checkpoint: tensors under Hugging Face's names, rows and experts in its order, metadata as config.json. */
#ifndef REPAQ_GGUFREAD_H
#define REPAQ_GGUFREAD_H

#include "formats/format.h"

/* source->only is the file. Blocks are weights of GRID_GGML_BLOCK. A family that is none of formats/arch keeps the file's names. Sets source's config. */
enum status ggufread_model(struct source *source, const struct read_options *options, struct model *model, struct err *err) WARN_UNUSED;

#endif
