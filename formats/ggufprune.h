/* Layers of a GGUF model that are left out, and the numbers that the others get (ggml-org/llama.cpp:src/llama-quant.cpp, remap_layer). */
#ifndef REPAQ_GGUFPRUNE_H
#define REPAQ_GGUFPRUNE_H

#include "base/mem.h"
#include "container/ggufile_split.h"

struct ggufprune_list {
    const uint32_t *layer; /* [count], ascending; those that are left out */
    size_t count;          /* 0: none */
};

/* Zero-initialise. */
struct ggufprune {
    uint32_t *number; /* [layers]: of the layer in the output, or GGUFPRUNE_GONE; in the arena. NULL: nothing is left out */
    uint32_t layers, left;
};
#define GGUFPRUNE_GONE UINT32_MAX

/* Numbers the layers that the set's tensors name ("blk.7.") anew. Names with a layer in their middle, and keys of the architecture that have one value a layer,
 * are UNSUPPORTED: nothing would take those values out. `layers` is the model's number by its metadata. */
enum status ggufprune_make(struct ggufprune *prune, const struct ggufile_set *set, const struct ggufprune_list *list, uint64_t layers, struct arena *arena,
                           struct err *err) WARN_UNUSED;
/* *renamed: the tensor's name in the output, in the arena; NULL: it is left out. */
enum status ggufprune_name(const struct ggufprune *prune, const char *name, struct arena *arena, const char **renamed, struct err *err) WARN_UNUSED;

#endif
