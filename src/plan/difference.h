/* What is recorded where two checkpoints differ: the first place, how many numbers, and how far apart. */
#ifndef REPAQ_DIFFERENCE_H
#define REPAQ_DIFFERENCE_H

#include "plan/compare.h"

/* One number of both sides, and where it stands. */
struct spot {
    const char *what; /* "scale" */
    uint64_t out, in;
    double a, b;
};

/* Keeps per-tensor largest values for --tolerance. */
struct spread {
    double largest, difference;
};

/* The first difference is described; a rounding that was described before it gives way. */
void difference_note(struct pair *pair, uint64_t *count, const struct spot *spot);
void difference_of_shape(struct pair *pair, const char *what);
/* a and b are one value in two dtypes; the wider is what was meant. */
void difference_rounded(struct pair *pair, const struct spot *spot, bool a_is_wider);
uint32_t difference_bits(float value);
/* Equal bits, or one is the other rounded to its own narrower dtype. */
bool difference_rounds_to(float a, enum dtype dtype_a, float b, enum dtype dtype_b);
/* A value and what a float tensor holds of it: equal, rounded once to `dtype`, or different. */
void difference_of_cast(struct pair *pair, const struct spot *place, float exact, enum dtype dtype, float stored);
/* A difference that is no number is larger than any tolerance. */
void difference_widen(struct spread *spread, float a, float b);
/* With --tolerance the bits do not matter as long as the largest difference is small. */
void difference_tolerate(struct pair *pair, double tolerance, const struct spread *spread);

#endif
