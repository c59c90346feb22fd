/* The buffers of one worker: each slot grows to the largest request and is reused. */
#ifndef REPAQ_SCRATCH_H
#define REPAQ_SCRATCH_H

#include "base/hash.h"
#include "base/mem.h"

enum scratch_slot {
    SCRATCH_RAW,    /* stored bytes as read */
    SCRATCH_TURNED, /* stored parameters, transposed */
    SCRATCH_CODES,  /* canonical codes */
    SCRATCH_OTHER,  /* canonical codes of the other side in a comparison */
    SCRATCH_SCALE,
    SCRATCH_OFFSET,
    SCRATCH_ZERO,
    SCRATCH_FIELD,
    SCRATCH_GROUP_OF,
    SCRATCH_RUN,    /* of columns that share a group */
    SCRATCH_AHEAD,  /* stored codes of rows to come */
    SCRATCH_VALUE,  /* weights as floats */
    SCRATCH_DENSE,  /* stored bytes of float weights */
    SCRATCH_PARAM,  /* of groups that are rounded, as the next two */
    SCRATCH_WIDE,
    SCRATCH_DERIVED,
    SCRATCH_IMPORTANCE, /* of the columns of one matrix */
    SCRATCH_ORDERED, /* what is gathered in another order, until it takes the place of what it was gathered from */
    SCRATCH_ORDERED_PARAMS,
    SCRATCH_SUMS,   /* of the codes of rows, and the biases of their channels */
    SCRATCH_STORE,  /* bytes to be written */
    SCRATCH_COUNT,
};

struct scratch {
    void *data[SCRATCH_COUNT]; /* owned */
    size_t size[SCRATCH_COUNT];
};

/* At least `size` bytes, contents undefined; NULL with *err filled. Valid until the next take of the same slot. */
void *scratch_take(struct scratch *scratch, enum scratch_slot slot, uint64_t size, struct err *err);
/* What was taken of the first slot becomes the second's, to be kept while others take the first; both buffers stay to be reused. */
void scratch_swap(struct scratch *scratch, enum scratch_slot a, enum scratch_slot b);
void scratch_free(struct scratch *scratch);

#endif
