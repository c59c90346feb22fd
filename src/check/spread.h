/* What weights have in common is one finding: the first of them, and how many more. */
#ifndef REPAQ_SPREAD_H
#define REPAQ_SPREAD_H

#include "check/subject.h"

struct spread {
    const char *first; /* borrowed */
    uint64_t count;
};

void spread_add(struct spread *spread, const char *name);
/* "model.layers.0.mlp.up_proj and 20 more" in the arena of findings; NULL with *err filled if memory is out. */
const char *spread_text(const struct spread *spread, struct subject *subject, struct err *err);

#endif
