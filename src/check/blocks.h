/* Tensor names by decoder block: "model.layers.3.mlp.up_proj.qweight" is the module mlp.up_proj of block 3. */
#ifndef REPAQ_BLOCKS_H
#define REPAQ_BLOCKS_H

#include "ir/model.h"

/* The module of a tensor that is a weight or one of its parameters, whatever the format calls it; "X.bias" is a name of its own. False for other
 * tensors. */
bool blocks_module(struct slice name, struct slice *module);

/* Zero-initialise; free with blocks_free. */
struct blocks {
    struct arena arena;
    const char *base;       /* "model.layers."; NULL: no numbered blocks */
    struct map module;      /* full module names; the values say nothing */
    const char **inner;     /* owned; [inner_count] "mlp.up_proj": every module that some block has, in the order of first sight */
    uint32_t *seen;         /* owned; [inner_count] blocks that have it */
    size_t inner_count, inner_capacity, seen_capacity;
    struct map inner_place; /* inner name -> its place */
    uint64_t blocks;        /* highest number + 1, at most LIMIT */
};

/* Of tensors by their out_name, without those that others are gathered from. The base is the numbered prefix with most of them outside vision and audio
 * towers. */
enum status blocks_collect(struct blocks *blocks, const struct model *model, struct err *err) WARN_UNUSED;
/* True if there is a module of this full name. */
bool blocks_has(const struct blocks *blocks, const char *module);
void blocks_free(struct blocks *blocks);

#endif
