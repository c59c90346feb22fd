/* Which tensor of a GGUF file went into which type, in a few lines. */
#ifndef REPAQ_REPORT_TYPES_H
#define REPAQ_REPORT_TYPES_H

#include "plan/plan.h"

/* Prints a line for each type, with its tensors and bytes, and below it their names; names of layers once, for ranges of them:
 *
 *     type      Q4_0     20 tensors, 1.2 MB
 *               blk.0-1: attn_k, attn_q, ffn_down
 *               blk.2: attn_k, ffn_down
 *
 * and where inputs stand in the order of their groups, which tensors those are, and whose rows follow (plan/reorder.h).
 * Nothing where the plan makes no GGUF file. */
void report_types_text(const struct plan *plan);

#endif
