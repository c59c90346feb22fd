/* Comparing one pair of weights or tensors while both sides are decoded, tile by tile. */
#ifndef REPAQ_CONTRAST_H
#define REPAQ_CONTRAST_H

#include "plan/compare.h"
#include "plan/scratch.h"

struct contrast {
    const struct fetch *a, *b;
    struct scratch *scratch_a, *scratch_b;
    const struct compare_options *options;
    uint64_t bytes; /* that both sides may hold together */
};

/* Two quantized weights: codes and zeros must be equal, a scale may be the other one rounded to nearest. Group maps are compared column by column, so a
 * refined group or a written-out trivial g_idx is no difference. Codes and zeros of dead groups (scale 0) are not compared. */
enum status contrast_weights(const struct contrast *contrast, struct pair *pair, struct err *err) WARN_UNUSED;
/* A quantized weight and a float tensor: (code - zero) * scale in F32, rounded once to the tensor's dtype, bits compared. */
enum status contrast_with_float(const struct contrast *contrast, struct pair *pair, struct err *err) WARN_UNUSED;
/* Two stored tensors: bytes; plain floats of different dtypes are equal when the narrower is the wider rounded to nearest. */
enum status contrast_tensors(const struct contrast *contrast, struct pair *pair, struct err *err) WARN_UNUSED;

#endif
