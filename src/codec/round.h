/* Round to nearest: a group of float weights becomes codes, a scale and a zero, or for MLX a bias. The one lossy step, always asked for.
 *
 *     ROUND_SYMMETRIC   s = max|w| / (2^(b-1) - 1),        z = 2^(b-1),                       value = (q - z) * s
 *     ROUND_ASYMMETRIC  s = (max - min) / (2^b - 1),       z = rne(-min / s), min <= 0 <= max, value = (q - z) * s
 *     ROUND_MLX         s, beta and q as mx.quantize,                                         value = q * s + beta
 *
 * The first two round s to its dtype before anything is divided by it, then q = clamp(rne(w / s) + z, 0, 2^b - 1), unsigned. MLX divides
 * by the unrounded s, and s may be negative (ml-explore/mlx:mlx/backend/cpu/quantized.cpp, quantize; its GPU kernels round ties away from
 * zero). All steps are F32, rounded one by one: the same codes with every compiler. */
#ifndef REPAQ_ROUND_H
#define REPAQ_ROUND_H

#include "ir/dtype.h"

#include <stddef.h>
#include <stdint.h>

enum round_grid { ROUND_SYMMETRIC, ROUND_ASYMMETRIC, ROUND_MLX };

struct round_rule {
    enum round_grid grid;
    unsigned bits;          /* 2..8 */
    enum dtype scale_dtype; /* of scale and beta: F16, BF16 or F32. mx.quantize has the dtype of the weights: cast these first */
};

struct round_params {
    float scale;  /* as rounded to the scale's dtype */
    float beta;   /* MLX: the bias, rounded likewise; else 0 */
    int32_t zero; /* MLX: 0; else 0..2^bits - 1 */
};

/* What rounding did. A group that is counted as bad gets scale 0 and beta 0, the codes of zero and no error: the caller refuses it. */
struct round_tally {
    uint64_t groups, weights;
    uint64_t nonfinite; /* NaN or infinite weights; their groups are bad */
    uint64_t overflow;  /* bad: the scale or bias is infinite in its dtype */
    uint64_t underflow; /* bad: the scale is not 0 before it is rounded to its dtype, and 0 after */
    uint64_t clamped;   /* codes and zeros that the range cut: only a scale that was rounded down, among subnormals, or an MLX edge */
    double max_error;   /* largest |w - value| */
    double squares, squares_low; /* sum of (w - value)^2 = squares + squares_low, twice the digits of a double */
};
/* Parts combine in any order: what is in squares does not depend on it, but for about the 100th bit. */
void round_tally_add(struct round_tally *sum, const struct round_tally *part);
/* Root mean square of the errors; 0 of no weights. */
double round_tally_rms(const struct round_tally *tally);

/* Rounds one group of count > 0 weights. codes: [count], a byte each. Adds to *tally, which may be NULL. A group of zeros gets scale 0, and codes and zero
 * 2^(bits-1); in MLX, scale -1e-7, bias 0 and codes 0. */
void round_group(const struct round_rule *rule, const float *weight, size_t count, struct round_params *params, uint8_t *codes,
                 struct round_tally *tally);
/* The same without the processor's vectors: the reference that tests compare with. */
void round_group_reference(const struct round_rule *rule, const float *weight, size_t count, struct round_params *params, uint8_t *codes,
                           struct round_tally *tally);

#endif
