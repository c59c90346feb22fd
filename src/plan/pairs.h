/* Which weights and tensors of two checkpoints belong together, and what counts as no difference. */
#ifndef REPAQ_PAIRS_H
#define REPAQ_PAIRS_H

#include "plan/compare.h"

/* Fills comparison->pair with every weight and carried tensor of either side, by name: a quantized weight meets a weight of its name or
 * the float tensor NAME.weight. No pair is made for norm biases of zeros, twins, and a tied lm_head copy that one side lacks. */
enum status pairs_make(struct comparison *comparison, const struct fetch *a, const struct fetch *b, const struct aims *aims, struct err *err) WARN_UNUSED;

#endif
