/* Inside codec only: the loops of rounding over whole eights of weights, as reductions in eight lanes whose order is fixed. */
#ifndef REPAQ_ROUND_KERNELS_H
#define REPAQ_ROUND_KERNELS_H

#include "codec/round.h"

#include <stdbool.h>

#define ROUND_LANES 8
/* Adding 1.5 * 2^23 rounds what is below 2^22 to an integer, ties to even, and vectorizes where rintf does not. The bound is far enough out: no code
 * and no zero passes 255. A NaN (0 / 0, in an MLX group whose scale is 0) becomes -1024, and code 0. */
#define ROUND_MAGIC 0x1.8p23f
#define ROUND_BOUND 1024.0f

/* Begins with infinities. */
struct round_range {
    float least[ROUND_LANES], most[ROUND_LANES];
    uint32_t nonfinite[ROUND_LANES];
};
/* What the codes are computed with: q = clamp(rne((w - shift) / divisor) + zero, 0, code_max). */
struct round_divider {
    float divisor, shift;
    int32_t zero, code_max;
};
struct round_errors {
    double most[ROUND_LANES], squares[ROUND_LANES];
};

/* count is a multiple of ROUND_LANES. `divide` returns how many codes the range cut. */
struct round_kernels {
    void (*range)(const float *weight, size_t count, struct round_range *range);
    uint64_t (*divide)(const struct round_divider *by, const float *weight, size_t count, uint8_t *codes);
    void (*measure)(const struct round_params *params, const float *weight, size_t count, const uint8_t *codes, struct round_errors *errors);
};

#if defined(__x86_64__)
bool round_avx2_usable(void);
extern const struct round_kernels round_avx2_kernels;
#endif

#endif
