/* Weights of a float grid whose every value is an integer times the scale: they may become integer codes, exactly. */
#ifndef REPAQ_RECODE_H
#define REPAQ_RECODE_H

#include "formats/registry.h"
#include "plan/options.h"
#include "plan/survey.h"

/* MXFP4 weights, where --bits asks for more than their 4 bits and the target has integers of that width: F4 is a multiple of 1/2 from -6 to 6, so the code
 * is twice that, the scale half of 2^(e - 127), and the group 32. They look like stored integers to everything that decodes (spec.code_rule). What --keep
 * names stays as it is, and so do stacks of experts, and weights with activations that --weights-only does not drop. */
enum status recode_weights(struct model *model, const struct format *target, const struct options *options, struct err *err) WARN_UNUSED;
/* True if an MXFP4 weight can become integers of `bits` bits in the format: it is one layer's, every exponent is a number, and the dtype of scales holds
 * 2^(e - 128). */
bool recode_holds(const struct format *format, const struct weight *weight, const struct survey_weight *seen, const struct options *options, unsigned bits);

#endif
