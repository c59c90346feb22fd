/* Binding stored tensors to weights by the suffix table of a format. */
#ifndef REPAQ_PARTS_H
#define REPAQ_PARTS_H

#include "formats/format.h"

/* Every tensor named NAME + suffix of the first part (the codes) becomes weight NAME; its siblings are claimed by the other rows. A missing required
 * part, or a tensor with a part's suffix whose codes are missing, is CORRUPT. */
enum status parts_bind(const struct part *part, size_t count, struct model *model, struct err *err) WARN_UNUSED;

/* Claims the siblings of weight `weight`, whose codes are bound, by the rows after the first. A missing required part is CORRUPT. */
enum status parts_siblings(const struct part *part, size_t count, struct model *model, uint32_t weight, struct err *err) WARN_UNUSED;
/* True if the model has a tensor module + suffix. */
bool parts_sibling(const struct model *model, struct slice module, const char *suffix, uint32_t *tensor);

/* True if a carried tensor is the weight of a float Linear layer: 2-D plain float, NAME.weight, and NAME is no embedding. `name` (of size bytes)
 * receives NAME. */
bool parts_dense_linear(const struct tensor *tensor, struct slice *module);

#endif
