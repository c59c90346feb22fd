/* Stacks of experts, from the rows of gpt-oss to those of MLX and GGUF. */
#ifndef REPAQ_EXPERTS_H
#define REPAQ_EXPERTS_H

#include "formats/format.h"

/* gpt-oss's stacks as mlx-lm names them (ml-explore/mlx-lm:mlx_lm/models/gpt_oss.py, sanitize): of X.gate_up_proj, whose rows take turns, the even ones
 * become X.gate_proj and the odd ones X.up_proj, with their biases; X.down_proj stays, and its bias is X.down_proj.bias. Stacks of other names are left. */
enum status experts_split(struct model *model, struct err *err) WARN_UNUSED;
/* The same of floats, whose matrices lie turned: X.gate_up_proj [expert][in][2 * out] becomes X.gate_proj.weight and X.up_proj.weight [expert][out][in],
 * X.down_proj becomes X.down_proj.weight. Those are meant that have an X.gate_up_proj_bias or X.down_proj_bias beside them: other families' stacks lie
 * as they are used, and have none. */
enum status experts_unfold(struct model *model, struct err *err) WARN_UNUSED;
/* Where one of the two has stacks as MLX names them, the other's are split alike, floats and all. */
enum status experts_meet(struct model *a, struct model *b, struct err *err) WARN_UNUSED;

#endif
