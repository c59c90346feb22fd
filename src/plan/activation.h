/* Static activations: what their stored parameters say of each other (formats/msmodelslim.md, section 3.3). Of an output channel with its scale and codes,
 *
 *     deq_scale  = input scale * scale
 *     quant_bias = round(bias / deq_scale - input zero * sum of (code - 2^(bits-1))) */
#ifndef REPAQ_ACTIVATION_H
#define REPAQ_ACTIVATION_H

#include "plan/decode.h"

/* The one value of a tensor, a float or an int8; 0 where the weight has no such part. */
enum status activation_value(const struct fetch *fetch, const struct weight *weight, enum role role, float *value, struct err *err) WARN_UNUSED;
/* bias [area.out]: the layer's own of these output channels; zeros where it has none. Takes SCRATCH_DENSE. */
enum status activation_layer_bias(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, float *bias,
                                  struct err *err) WARN_UNUSED;
/* sum [area.out] of code - 2^(bits-1) over the area's columns. Takes what decode_codes does. */
enum status activation_sums(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, int64_t *sum,
                            struct err *err) WARN_UNUSED;

/* A quant_bias by the formula, before it is rounded. */
struct activation_bias {
    double exact;
    double size; /* the magnitudes of its two terms, summed: what an error of the factors is relative to */
};
struct activation_bias activation_bias(float bias, float deq, float zero, int64_t sum);

/* Whether a stored one is what the formula says, of factors that may have been rounded to any dtype since: to 1 %. Others belong to other weights. */
bool activation_deq_follows(double product, double deq);
bool activation_bias_follows(struct activation_bias formula, double stored);

#endif
