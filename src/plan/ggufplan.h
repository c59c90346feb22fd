/* The plan of a GGUF file: what type each of its tensors gets, and by which step. */
#ifndef REPAQ_GGUFPLAN_H
#define REPAQ_GGUFPLAN_H

#include "plan/plan.h"

/* Before the survey: what casts it is to tally, and which weights become floats. */
enum status ggufplan_aim(struct aims *aims, const struct model *model, const struct arrangement *arrangement, const struct options *options,
                       struct err *err) WARN_UNUSED;
/* Appends the arrangement's tensors to the plan, in its order, and all that is left out. A type that cannot hold a tensor is UNREPRESENTABLE. */
enum status ggufplan_tensors(struct plan *plan, const struct options *options, struct err *err) WARN_UNUSED;
/* What casting did to the worst of the weights (or to the tensor) that an output of STEP_EMBED or STEP_BLOCKS is made of. */
const struct cast_tally *ggufplan_cast(const struct plan *plan, const struct output_tensor *output);
/* Elements of a row of an output in blocks, and its rows. */
uint64_t ggufplan_columns(const struct output_tensor *output);
uint64_t ggufplan_rows(const struct output_tensor *output);

#endif
