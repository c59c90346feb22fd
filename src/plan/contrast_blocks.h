/* Comparing a weight or a tensor with ggml's blocks: by values. */
#ifndef REPAQ_CONTRAST_BLOCKS_H
#define REPAQ_CONTRAST_BLOCKS_H

#include "plan/contrast.h"

/* True if one side of the pair is a weight of a GGUF file and the other is not one, or one of other blocks that were rounded anew. */
bool contrast_blocks_meet(const struct contrast *contrast, const struct pair *pair);
/* The values of the blocks must be those of the other side's codes, whose scales (and betas) may be rounded to F16 on the way; or, where options->rounding says
 * that they were rounded anew, those that quantizing the other side's values gives. */
enum status contrast_blocks(const struct contrast *contrast, struct pair *pair, struct err *err) WARN_UNUSED;

#endif
