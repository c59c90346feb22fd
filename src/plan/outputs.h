/* The output tensors and files of a plan: names, shapes, classes, byte offsets. */
#ifndef REPAQ_OUTPUTS_H
#define REPAQ_OUTPUTS_H

#include "plan/plan.h"

/* `tensor` belongs to a weight. With its first tensor (the codes) the tensors of the weight in the target are appended; one whose role the target does
 * not write is recorded as dropped. */
enum status outputs_claimed(struct plan *plan, uint32_t tensor, struct err *err) WARN_UNUSED;
/* Appends tensor `tensor`, carried or cast. */
enum status outputs_carry(struct plan *plan, uint32_t tensor, const struct options *options, struct err *err) WARN_UNUSED;
/* Records that tensor `tensor` is dropped. */
enum status outputs_drop(struct plan *plan, uint32_t tensor, struct err *err) WARN_UNUSED;
/* Names the files, lays the tensors out, makes the headers, and sorts plan->tensor by file and offset. Two tensors of one name are
 * CORRUPT. */
enum status outputs_files(struct plan *plan, const struct options *options, struct err *err) WARN_UNUSED;

#endif
