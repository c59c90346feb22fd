/* GGUF's Q5_0, whose codes have more bits than the integers that they may be made of: 4-bit codes with a zero a group. */
#ifndef REPAQ_NARROW_H
#define REPAQ_NARROW_H

#include "formats/registry.h"
#include "plan/fetch.h"
#include "plan/options.h"
#include "plan/run.h"

/* Weights of Q5_0 in which every group that is not of zeros spans at most 16 of the 32 levels become 4-bit codes with a zero (spec.code_rule), exactly: where
 * the target holds 4 bits and zeros as integers, or --bits 4 asks for it. All codes of such weights are read. Others stay 5-bit codes, and so do all where
 * --bits names another width, and where a zero of 16 is needed and the target holds 5 bits. */
enum status narrow_weights(struct model *model, const struct fetch *fetch, const struct format *target, const struct options *options,
                           const struct resources *resources, struct err *err) WARN_UNUSED;

#endif
