/* Stacks of experts, from the rows of gpt-oss to those of MLX. */
#ifndef REPAQ_EXPERTS_H
#define REPAQ_EXPERTS_H

#include "formats/format.h"

/* gpt-oss's stacks as mlx-lm names them (ml-explore/mlx-lm:mlx_lm/models/gpt_oss.py, sanitize): of X.gate_up_proj, whose rows take turns, the even ones
 * become X.gate_proj and the odd ones X.up_proj, with their biases; X.down_proj stays, and its bias is X.down_proj.bias. Stacks of other names are left. */
enum status experts_split(struct model *model, struct err *err) WARN_UNUSED;
/* Where one of the two has stacks as MLX names them, the other's are split alike. */
enum status experts_meet(struct model *a, struct model *b, struct err *err) WARN_UNUSED;

#endif
