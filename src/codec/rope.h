/* Frequencies of rotary embeddings: 1 / theta^(2i / head) for pair i of a head's dimensions. */
#ifndef REPAQ_ROPE_H
#define REPAQ_ROPE_H

#include "ir/dtype.h"

#include <stddef.h>

#define ROPE_PAIRS_MAX 1024

/* The first of `pairs` stored ones (F16, BF16 or F32, little-endian; at most ROPE_PAIRS_MAX) that is not theta's, to what BF16 holds; `pairs` if all are.
 * Only the first quarter is looked at, and two at least: scaling (LLaMA 3.1) changes those of long waves. *found and *expected are of the one that is
 * returned. */
size_t rope_first_other(enum dtype dtype, const void *stored, size_t pairs, double theta, double *found, double *expected);

#endif
