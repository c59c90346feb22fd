/* Layers whose groups were formed in activation order, and that may have their inputs in the order of these groups, because what makes the inputs can follow:
 *
 *     down(act(gate(x)) * up(x)): column k of down meets row k of gate and of up, and nothing else sees that order.
 *
 * The order is a stable sort of the group map; rows keep their values, as no group runs across them. A model is changed by giving it orders (ir/model.h). */
#ifndef REPAQ_REORDER_H
#define REPAQ_REORDER_H

#include "plan/aim.h"
#include "plan/fetch.h"

/* Of a model whose quantized weights go into blocks (aim.blocks) and have groups of a few columns that lie apart: puts their inputs in order, or says why not
 * (aim.stuck). `importance`: an importance matrix is given, whose columns are the source's, and nothing is moved. */
enum status reorder_inputs(struct model *model, struct aims *aims, const struct fetch *fetch, bool importance, struct err *err) WARN_UNUSED;

/* A model and what reads it, on one side of a comparison. */
struct reorder_side {
    struct model *model;
    const struct fetch *fetch;
};
/* Where b has such inputs in the order of a's groups, and not in a's: gives a the order. By the values of the first rows, to which one of both is nearer.
 * *moved: how many were given one. */
enum status reorder_meet(struct reorder_side a, struct reorder_side b, size_t *moved, struct err *err) WARN_UNUSED;

#endif
