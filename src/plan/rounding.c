#include "plan/rounding.h"

/* A view is made of pieces of equal rows, one below the other; views of views are followed. */
static void place_tensor(struct rounding_place *place, const struct model *model, uint32_t tensor, struct rounding_place own)
{
    const struct view *view = model->tensor[tensor].view;
    place[tensor] = own;
    if (view == NULL || view->piece == NULL)
        return;
    for (uint32_t p = 0; p < view->down * view->across; p++) {
        const uint64_t row = p / view->across * view->rows;
        place_tensor(place, model, view->piece[p].tensor, (struct rounding_place){own.entry, own.matrix + row / own.rows, own.rows});
    }
}

enum status rounding_make(struct rounding *rounding, const struct plan *plan, struct arena *arena, struct err *err)
{
    const struct arrangement *arrangement = plan->arrangement;
    const struct model *model = plan->model;
    *rounding = (struct rounding){.grids = &plan->grids, .imatrix = arrangement->imatrix};
    if (arrangement->imatrix == NULL)
        return STATUS_OK;
    struct rounding_place *tensor = arena_alloc(arena, (uint64_t)model->tensor_count + 1, sizeof *tensor, err);
    struct rounding_place *weight = arena_alloc(arena, (uint64_t)model->weight_count + 1, sizeof *weight, err);
    if (tensor == NULL || weight == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < arrangement->count; i++) {
        const struct arranged *arranged = &arrangement->tensor[i];
        const struct rounding_place place = {arranged->importance, 0, arranged->rank < 2 ? 0 : arranged->shape[arranged->rank - 2]};
        if (place.entry == NULL || place.rows == 0)
            continue;
        if (arranged->source != MODEL_NONE)
            place_tensor(tensor, model, arranged->source, place);
        for (uint32_t w = 0; w < arranged->weight_count; w++) {
            const uint64_t row = w * model->weight[arranged->weight[w]].out;
            weight[arranged->weight[w]] = (struct rounding_place){place.entry, row / place.rows, place.rows};
        }
    }
    rounding->tensor = tensor;
    rounding->weight = weight;
    return STATUS_OK;
}

const struct rounding_place *rounding_place_of(const struct rounding *rounding, bool weight, uint32_t index)
{
    const struct rounding_place *place = weight ? rounding->weight : rounding->tensor;
    return place == NULL || place[index].entry == NULL ? NULL : &place[index];
}
