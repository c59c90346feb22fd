/* How the blocks of a GGUF file were rounded from the source's values: what a proof needs to round them again. */
#ifndef REPAQ_ROUNDING_H
#define REPAQ_ROUNDING_H

#include "plan/plan.h"

/* The importance of the columns of a tensor or weight of the source. */
struct rounding_place {
    const struct imatrix_entry *entry; /* NULL: none */
    uint64_t matrix;                   /* of the entry's, that row 0 belongs to */
    uint64_t rows;                     /* of one matrix */
};

struct rounding {
    const struct ggml_grids *grids;
    const struct imatrix *imatrix;                          /* NULL: none, and so are the lists */
    const struct rounding_place *tensor, *weight; /* [tensor_count], [weight_count] of the source's model; in the arena */
};

/* As the plan's arrangement says; tensors are those that its views are made of. */
enum status rounding_make(struct rounding *rounding, const struct plan *plan, struct arena *arena, struct err *err) WARN_UNUSED;
/* NULL: the weight, or the tensor, was rounded without importance. */
const struct rounding_place *rounding_place_of(const struct rounding *rounding, bool weight, uint32_t index);

#endif
