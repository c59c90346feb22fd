/* A GGUF file as a checkpoint: tensors under Hugging Face's names, rows and experts in its order, metadata as config.json. */
#ifndef REPAQ_GGUFREAD_H
#define REPAQ_GGUFREAD_H

#include "formats/format.h"
#include "ir/ggml.h"

/* Blocks whose fields are the parts of a weight of codes: a layout of their own, scales first, betas F16 after them. Others are blocks as a whole. */
struct ggufread_fields {
    enum ggml_type type;
    enum grid grid;
    enum dtype scales;
    uint8_t bits, take;   /* of a code; bytes that the codes of a block make */
    enum layout_id layout;
    enum unfold unfold;
};
/* NULL behind the last one. */
const struct ggufread_fields *ggufread_fields_at(size_t index);

/* source->only is the file. Blocks are weights of GRID_GGML_BLOCK. A family that is none of formats/arch keeps the file's names. Sets source's config. */
enum status ggufread_model(struct source *source, const struct read_options *options, struct model *model, struct err *err) WARN_UNUSED;

#endif
