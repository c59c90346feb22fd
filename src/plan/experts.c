#include "plan/experts.h"

#include <string.h>

static const char GATE_UP[] = "gate_up_proj", DOWN[] = "down_proj";

static bool is_stack(const struct weight *weight, const char *leaf)
{
    const struct slice name = slice_of(weight->name);
    const size_t size = strlen(leaf);
    return weight->spec.experts > 0 && !weight->spec.switched && slice_ends(name, leaf) && name.size > size && name.data[name.size - size - 1] == '.';
}

/* A tensor of rows [expert][2 * half] that take turns. */
struct turns {
    uint32_t tensor;
    uint64_t experts, half;
    uint64_t row_bytes;
};

/* All even rows of each expert before all odd ones. */
static enum status halves(struct model *model, const struct turns *turns, uint32_t *index, struct err *err)
{
    const struct tensor stored = model->tensor[turns->tensor];
    struct view_piece *piece = arena_alloc(&model->arena, 1, sizeof *piece, err);
    struct tensor whole = {
        .name = arena_format(&model->arena, err, "%s, gate before up", stored.name), .shape = stored.shape, .rank = stored.rank, .dtype = stored.dtype};
    if (piece == NULL || whole.name == NULL)
        return STATUS_LIMIT;
    piece->tensor = turns->tensor;
    const struct view view = {.piece = piece,
                              .down = 1,
                              .across = 1,
                              .rows = turns->experts * 2 * turns->half,
                              .piece_bytes = turns->row_bytes,
                              .head = 2 * turns->half,
                              .turn = TURN_TO_HALVES};
    return model_add_view(model, &whole, &view, index, err);
}

/* One half of each expert, as [expert][half]... */
static enum status take_half(struct model *model, const struct turns *turns, unsigned which, const char *name, uint32_t *index, struct err *err)
{
    const struct tensor stored = model->tensor[turns->tensor];
    struct view_piece *piece = arena_alloc(&model->arena, turns->experts, sizeof *piece, err);
    uint64_t *shape = arena_alloc(&model->arena, stored.rank, sizeof *shape, err);
    struct tensor half = {.name = name, .shape = shape, .rank = stored.rank, .dtype = stored.dtype};
    if (piece == NULL || shape == NULL)
        return STATUS_LIMIT;
    memcpy(shape, stored.shape, stored.rank * sizeof *shape);
    shape[1] = turns->half;
    for (uint64_t e = 0; e < turns->experts; e++)
        piece[e] = (struct view_piece){turns->tensor, (2 * e + which) * turns->half};
    const struct view view = {.piece = piece, .down = (uint32_t)turns->experts, .across = 1, .rows = turns->half, .piece_bytes = turns->row_bytes};
    return model_add_view(model, &half, &view, index, err);
}

static const char *const leaves[] = {"gate_proj", "up_proj"};

/* "X.gate_up_proj" -> "X.gate_proj" or "X.up_proj", and what follows. */
static const char *name_half(struct model *model, const char *stack, unsigned which, const char *suffix, struct err *err)
{
    return arena_format(&model->arena, err, "%.*s%s%s", (int)(strlen(stack) - strlen(GATE_UP)), stack, leaves[which], suffix);
}

/* The tensor `suffix` of stack, split into two of their names with `part`. */
static enum status split(struct model *model, const char *stack, struct turns turns, const char *part, uint32_t half[2], struct err *err)
{
    uint32_t turned;
    const char *stored = model->tensor[turns.tensor].name;
    TRY(halves(model, &turns, &turned, err));
    turns.tensor = turned;
    for (unsigned which = 0; which < 2; which++) {
        const char *name = name_half(model, stack, which, part, err);
        if (name == NULL)
            return STATUS_LIMIT;
        TRY(take_half(model, &turns, which, name, &half[which], err));
        model->tensor[half[which]].part_of = stored;
    }
    return STATUS_OK;
}

static uint32_t bias_of(const char *stack, struct model *model, struct err *err)
{
    const char *name = arena_format(&model->arena, err, "%s_bias", stack);
    const uint32_t found = name == NULL ? MODEL_NONE : model_find(model, slice_of(name));
    return found != MODEL_NONE && model->tensor[found].fate == FATE_CARRY ? found : MODEL_NONE;
}

static enum status split_gate_up(struct model *model, uint32_t index, struct err *err)
{
    const struct weight stack = model->weight[index];
    const uint64_t experts = stack.spec.experts, half = stack.out / experts / 2;
    const uint32_t codes = stack.role[ROLE_CODES], scales = stack.role[ROLE_SCALES], bias = bias_of(stack.name, model, err);
    uint32_t code[2], scale[2], biases[2], up;
    TRY(split(model, stack.name, (struct turns){codes, experts, half, stack.in / 2}, ".weight", code, err));
    TRY(split(model, stack.name, (struct turns){scales, experts, half, stack.groups}, ".scales", scale, err));
    if (bias != MODEL_NONE && model_is_2d(&model->tensor[bias], experts, 2 * half))
        TRY(split(model, stack.name, (struct turns){bias, experts, half, dtype_bits(model->tensor[bias].dtype) / 8}, ".bias", biases, err));
    TRY(model_add_weight(model, stack.name, &up, err));
    for (unsigned which = 0; which < 2; which++) {
        struct weight *weight = &model->weight[which == 0 ? index : up];
        *weight = stack;
        weight->name = name_half(model, stack.name, which, "", err);
        if (weight->name == NULL)
            return STATUS_LIMIT;
        weight->out = experts * half;
        weight->spec.switched = true;
        model_claim(model, which == 0 ? index : up, ROLE_CODES, code[which]);
        model_claim(model, which == 0 ? index : up, ROLE_SCALES, scale[which]);
    }
    return STATUS_OK;
}

static enum status rename_bias(struct model *model, uint32_t bias, const char *stack, struct err *err)
{
    model->tensor[bias].out_name = arena_format(&model->arena, err, "%s.bias", stack);
    return model->tensor[bias].out_name == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status rename_down(struct model *model, struct weight *weight, struct err *err)
{
    const uint32_t bias = bias_of(weight->name, model, err);
    weight->spec.switched = true;
    return bias == MODEL_NONE ? STATUS_OK : rename_bias(model, bias, weight->name, err);
}

enum status experts_split(struct model *model, struct err *err)
{
    const size_t count = model->weight_count;
    for (uint32_t w = 0; w < count; w++) {
        if (is_stack(&model->weight[w], DOWN))
            TRY(rename_down(model, &model->weight[w], err));
        else if (is_stack(&model->weight[w], GATE_UP) && model->weight[w].out / model->weight[w].spec.experts % 2 == 0)
            TRY(split_gate_up(model, w, err));
    }
    model_sort_weights(model);
    return STATUS_OK;
}

/* --- floats ---------------------------------------------------------------------------------------------------------------------- */

/* Where the elements of a float tensor of three dimensions stand; false for views that are gathered. */
static bool strides_of(const struct tensor *tensor, uint64_t stride[3])
{
    if (tensor->view != NULL && tensor->view->stride == NULL)
        return false;
    for (unsigned d = 0; d < 3; d++)
        stride[d] = tensor->view != NULL ? tensor->view->stride[d] : d == 0 ? tensor->shape[1] * tensor->shape[2] : d == 1 ? tensor->shape[2] : 1;
    return true;
}

/* Columns `first`, first + step, ... of each expert's matrix as rows, under `name`. */
struct columns {
    const char *name;
    uint32_t stack;
    uint64_t first, step;
};

static enum status turn_columns(struct model *model, const struct columns *columns, struct err *err)
{
    const struct tensor stored = model->tensor[columns->stack];
    uint64_t base[3];
    if (columns->name == NULL)
        return STATUS_LIMIT;
    if (!strides_of(&stored, base))
        return err_set(err, STATUS_UNSUPPORTED, stored.name, "found a stack of experts that is gathered from others");
    const uint64_t shape[] = {stored.shape[0], stored.shape[2] / columns->step, stored.shape[1]}, size = dtype_bits(stored.dtype) / 8;
    const uint64_t stride[] = {base[0], base[2] * columns->step, base[1]};
    const struct tensor turned = {.name = columns->name, .shape = shape, .rank = 3, .dtype = stored.dtype, .file = stored.file,
                                  .offset = stored.offset + columns->first * base[2] * size, .bytes = stored.bytes / columns->step, .part_of = stored.name,
                                  .switched = true};
    model->tensor[columns->stack].fate = FATE_PIECE;
    return model_add_strided(model, &turned, &(struct view){.stride = stride, .swap = stored.view != NULL && stored.view->swap}, err);
}

/* A float stack with `leaf` for the last part of its name, and its bias. */
static bool is_float_stack(const struct model *model, uint32_t index, const char *leaf, uint32_t bias)
{
    const struct tensor *tensor = &model->tensor[index];
    const struct slice name = slice_of(tensor->name);
    const size_t size = strlen(leaf);
    return tensor->fate == FATE_CARRY && tensor->rank == 3 && dtype_is_plain_float(tensor->dtype) && model_elements(tensor) > 0 && name.size > size &&
           slice_ends(name, leaf) && name.data[name.size - size - 1] == '.' && bias != MODEL_NONE &&
           model_is_2d(&model->tensor[bias], tensor->shape[0], tensor->shape[2]);
}

static enum status unfold_gate_up(struct model *model, uint32_t index, uint32_t bias, struct err *err)
{
    const struct tensor stack = model->tensor[index];
    const struct turns turns = {bias, stack.shape[0], stack.shape[2] / 2, dtype_bits(model->tensor[bias].dtype) / 8};
    uint32_t biases[2];
    for (unsigned which = 0; which < 2; which++)
        TRY(turn_columns(model, &(struct columns){name_half(model, stack.name, which, ".weight", err), index, which, 2}, err));
    return split(model, stack.name, turns, ".bias", biases, err);
}

enum status experts_unfold(struct model *model, struct err *err)
{
    const size_t count = model->tensor_count;
    for (uint32_t t = 0; t < count; t++) {
        const char *const name = model->tensor[t].name;
        if (model->tensor[t].rank != 3 || model->tensor[t].fate != FATE_CARRY)
            continue;
        const uint32_t bias = bias_of(name, model, err);
        if (is_float_stack(model, t, DOWN, bias)) {
            TRY(turn_columns(model, &(struct columns){arena_format(&model->arena, err, "%s.weight", name), t, 0, 1}, err));
            TRY(rename_bias(model, bias, name, err));
        } else if (is_float_stack(model, t, GATE_UP, bias) && model->tensor[t].shape[2] % 2 == 0) {
            TRY(unfold_gate_up(model, t, bias, err));
        }
    }
    return STATUS_OK;
}

/* --- two checkpoints ------------------------------------------------------------------------------------------------------------- */

static bool has_switched(const struct model *model)
{
    bool found = false;
    for (size_t t = 0; t < model->tensor_count && !found; t++)
        found = model->tensor[t].switched && model->tensor[t].fate == FATE_CARRY;
    for (size_t w = 0; w < model->weight_count && !found; w++)
        found = model->weight[w].spec.switched;
    return found;
}

enum status experts_meet(struct model *a, struct model *b, struct err *err)
{
    if (has_switched(a) == has_switched(b))
        return STATUS_OK;
    struct model *const other = has_switched(a) ? b : a;
    TRY(experts_split(other, err));
    return experts_unfold(other, err);
}
