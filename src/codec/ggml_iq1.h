/* The searches of IQ1_S and IQ1_M, of which there are faster ones. */
#ifndef REPAQ_GGML_IQ1_H
#define REPAQ_GGML_IQ1_H

#include "codec/ggml_kernels.h"

/* One sub-block of 32 (IQ1_S) or 16 (IQ1_M) elements. */
struct ggml_iq1_sub {
    const struct ggml_grid *grid;
    const float *x;
    int size;
    float weights[32];
    int order[32]; /* of elements by value, equal ones as they stand (the reference's qsort is a merge sort) */
};

/* Elements before `first` in order take code 0, those before `second` code 1, the others 2. */
struct ggml_iq1_split {
    float score, scale;
    int first, second, sides; /* sides: bit 0 the last half's, bit 1 the first half's; of IQ1_S bit 0 */
    bool found;
};

/* Weighted sums of values, and of weights, over what comes before in order: [size + 1], and zeros that may be read. */
struct ggml_iq1_sums {
    float x[48], w[48];
};

/* The three values of a code, moved to the plus side and to the minus side. */
extern const float ggml_iq1_levels[2][3];

/* Of all elements, or of one half of them only, for which the others count nothing. */
void ggml_iq1_sum(const struct ggml_iq1_sub *sub, struct ggml_iq1_sums *sums);
void ggml_iq1_sum_half(const struct ggml_iq1_sub *sub, int half, struct ggml_iq1_sums *sums);

static inline void ggml_iq1_consider(struct ggml_iq1_split *best, float qx, float q2, int first, int second, int sides)
{
    if (!(q2 > 0 && qx * qx > best->score * q2))
        return;
    const float scale = qx / q2;
    *best = (struct ggml_iq1_split){scale * qx, scale, first, second, sides, true};
}

struct ggml_iq1_tools {
    /* The best of all splits, for 32 elements and for two halves of 8. */
    struct ggml_iq1_split (*split_s)(const struct ggml_iq1_sub *sub);
    struct ggml_iq1_split (*split_m)(const struct ggml_iq1_sub *sub);
    /* Of the points in `list` (ggml_grid.neighbours) the one that errs least, of 8 elements from `first` on, by scale and values of codes: its packed digits.
       -1 where no error is a number: ggml then looks at the whole grid, and reads beyond its rows. */
    int (*nearest)(const struct ggml_iq1_sub *sub, int first, const uint16_t *list, float scale, const float *q);
};
extern const struct ggml_iq1_tools ggml_iq1_plain;

/* See ggml_kernel.encode. */
bool ggml_iq1_make_s(const struct ggml_part *part, const struct ggml_iq1_tools *tools, uint8_t *block);
bool ggml_iq1_make_m(const struct ggml_part *part, const struct ggml_iq1_tools *tools, uint8_t *block);

#endif
