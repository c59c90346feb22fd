/* ggml's searches for a scale: what the last bits of a quantizer hang on. `weights` say how much an element's error counts. Read in
 * ggml-org/ggml:src/ggml-quants.c, whose names are given. */
#ifndef REPAQ_GGML_SEARCH_H
#define REPAQ_GGML_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#define GGML_SEARCH_TINY 1e-15f /* a block whose largest value is below is taken for zeros */

/* x ~ scale * (code - half), code in 0..2 half - 1. Returns the scale, which may be negative; 0 and codes 0 for zeros. make_qx_quants, rmse_type 1. */
float ggml_search_centred(int count, int half, const float *x, const float *weights, uint8_t *codes);
/* The same without trying other scales: codes are changed one by one as long as that helps; weights are x * x. 16 elements, half 4. make_q3_quants. */
float ggml_search_three(const float *x, uint8_t *codes);

struct ggml_search_affine {
    int count;         /* at most 32 */
    int most;          /* largest code */
    float first, step; /* scales tried are (largest - least) / (most + first + step * i), i in 0..steps */
    int steps;
    bool absolute; /* errors count by size, not squared */
};
/* x ~ scale * code - *offset, code in 0..most, *offset >= 0. Returns the scale. make_qkx2_quants and make_qkx3_quants. */
float ggml_search_affine(const struct ggml_search_affine *how, const float *x, const float *weights, uint8_t *codes, float *offset);

/* x ~ scale * code for x that are mostly not negative, code in 0..most (bytes of it for negative x). At most 32 elements. make_qp_quants. */
float ggml_search_positive(int count, int most, const float *x, const float *weights, uint8_t *codes);

#endif
