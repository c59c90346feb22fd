/* Comparing what two weights do to their activations: input scales and zeros, and msModelSlim's deq_scale and quant_bias. */
#ifndef REPAQ_CONTRAST_ACTIVATION_H
#define REPAQ_CONTRAST_ACTIVATION_H

#include "plan/contrast.h"

/* Two weights of one shape that have been compared otherwise. An input scale may be the other one rounded to nearest; input zeros are equal in value, and
 * one that is not stored is 0. deq_scale and quant_bias that both sides store are equal, or each is what the formula makes of its own side's tensors; one that
 * a side alone stores is held against the formula (formats/msmodelslim.md section 3.3): deq_scale = input_scale * scale in F32, or in the dtype of both
 * factors, or rounded to F16 or BF16 (`rounded`); quant_bias = rne(bias / deq_scale - input zero * sum of the row's codes), or what F32 makes of that
 * (`rounded`). Where scales are left out they follow from deq_scale, which is no further evidence. A side without activations, as of a weight-only format,
 * is not compared. */
enum status contrast_activation(const struct contrast *contrast, struct pair *pair, struct err *err) WARN_UNUSED;

#endif
