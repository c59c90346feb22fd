#include "ir/model.h"

#include "base/checked.h"
#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *model_role_name(enum role role)
{
    static const char *const names[] = {"codes", "scales",      "zeros",      "beta",      "group_of",   "shape",      "scales2", "table",
                                        "table2", "state", "input_scale", "input_zero", "deq_scale", "quant_bias", "layer_bias", "dense"};
    _Static_assert(sizeof names / sizeof names[0] == ROLE_COUNT, "one name a role");
    return (unsigned)role < ROLE_COUNT ? names[role] : "unknown";
}

void model_free(struct model *model)
{
    free(model->file);
    free(model->tensor);
    free(model->weight);
    free(model->note);
    map_free(&model->tensor_by_name);
    arena_free(&model->arena);
    *model = (struct model){0};
}

enum status model_add_file(struct model *model, const char *name, uint64_t bytes, uint32_t *index, struct err *err)
{
    if (model->file_count >= LIMIT_FILES_MAX)
        return err_set(err, STATUS_LIMIT, name, "found more than %u weight files", LIMIT_FILES_MAX);
    TRY(mem_grow((void **)&model->file, &model->file_capacity, model->file_count + 1, sizeof *model->file, err));
    const char *copy = arena_copy(&model->arena, name, strlen(name), err);
    if (copy == NULL)
        return STATUS_LIMIT;
    if (index != NULL)
        *index = (uint32_t)model->file_count;
    model->file[model->file_count++] = (struct model_file){copy, bytes};
    return STATUS_OK;
}

static enum status add_name(struct model *model, const struct tensor *tensor, const char *name, struct err *err)
{
    uint32_t before;
    TRY(map_add(&model->tensor_by_name, slice_of(name), (uint32_t)model->tensor_count, &before, err));
    if (before == MAP_NONE)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model->file[tensor->file].name, "found tensor %.500s again, which %s already holds", name,
                   model->file[model->tensor[before].file].name);
}

enum status model_add_tensor(struct model *model, const struct tensor *tensor, uint32_t *index, struct err *err)
{
    if (model->tensor_count >= LIMIT_TENSORS_MAX)
        return err_set(err, STATUS_LIMIT, model->file[tensor->file].name, "found more than %u tensors", LIMIT_TENSORS_MAX);
    if (strlen(tensor->name) > LIMIT_NAME_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, model->file[tensor->file].name, "found a tensor name longer than %d bytes", LIMIT_NAME_BYTES_MAX);
    TRY(mem_grow((void **)&model->tensor, &model->tensor_capacity, model->tensor_count + 1, sizeof *model->tensor, err));
    const char *name = model->name_prefix == NULL ? arena_copy(&model->arena, tensor->name, strlen(tensor->name), err)
                                                  : arena_format(&model->arena, err, "%s%s", model->name_prefix, tensor->name);
    uint64_t *shape = arena_alloc(&model->arena, tensor->rank, sizeof *shape, err);
    if (name == NULL || shape == NULL)
        return STATUS_LIMIT;
    TRY(add_name(model, tensor, name, err));
    if (tensor->rank > 0)
        memcpy(shape, tensor->shape, tensor->rank * sizeof *shape);
    struct tensor *added = &model->tensor[model->tensor_count];
    *added = *tensor;
    added->name = added->out_name = name;
    added->shape = shape;
    added->fate = FATE_CARRY;
    added->peer = MODEL_NONE;
    if (index != NULL)
        *index = (uint32_t)model->tensor_count;
    model->tensor_count++;
    return STATUS_OK;
}

/* A view's rows are whole rows of its pieces, and as many as its own shape has. */
static enum status check_view(const struct model *model, const struct tensor *tensor, const struct view *view, struct err *err)
{
    if (view->field_stride > 0) {
        const struct view_piece *piece = &view->piece[0];
        const uint64_t taken = view->unfold == UNFOLD_FIVE ? view->field_bytes / 32 * 20 : view->field_bytes;
        const bool inside = taken > 0 && taken <= view->field_stride && piece->row0 <= view->field_stride - taken;
        const uint64_t from = inside && piece->tensor < model->tensor_count && view->down == 1 && view->across == 1 ? model->tensor[piece->tensor].bytes : 0;
        if (from > 0 && from % view->field_stride == 0 && from / view->field_stride * view->field_bytes == tensor->bytes)
            return STATUS_OK;
        return err_set(err, STATUS_CORRUPT, tensor->name, "found fields of blocks that do not make up its %llu bytes", (unsigned long long)tensor->bytes);
    }
    uint64_t bytes = 0, line, lines;
    const bool turned = view->turn != TURN_NONE;
    bool fits = view->literal != NULL || (checked_mul(view->piece_bytes, view->across, &line) && checked_mul(view->rows, view->down, &lines) &&
                                          checked_mul(line, lines, &bytes) && bytes == tensor->bytes && bytes > 0);
    fits = fits && (!turned || (view->across == 1 && view->head > 0 && view->head % 2 == 0 && view->rows * view->down % view->head == 0));
    for (uint32_t p = 0; fits && view->literal == NULL && p < view->down * view->across; p++) {
        const struct view_piece *piece = &view->piece[p];
        uint64_t last;
        fits = piece->tensor < model->tensor_count && checked_add(piece->row0, view->rows, &last) && checked_mul(last, view->piece_bytes, &bytes) &&
               bytes <= model->tensor[piece->tensor].bytes;
    }
    return fits ? STATUS_OK : err_set(err, STATUS_CORRUPT, tensor->name, "found pieces that do not make up its %llu bytes", (unsigned long long)tensor->bytes);
}

enum status model_add_view(struct model *model, const struct tensor *tensor, const struct view *view, uint32_t *index, struct err *err)
{
    uint32_t added;
    struct tensor whole = *tensor;
    if (!checked_mul(model_elements(&whole), dtype_bits(whole.dtype) / 8, &whole.bytes))
        return err_set(err, STATUS_LIMIT, tensor->name, "found more than 2^64 bytes");
    TRY(check_view(model, &whole, view, err));
    whole.file = view->literal != NULL ? 0 : model->tensor[view->piece[0].tensor].file;
    struct view *copy = arena_alloc(&model->arena, 1, sizeof *copy, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    *copy = *view;
    TRY(model_add_tensor(model, &whole, &added, err));
    model->tensor[added].view = copy;
    for (uint32_t p = 0; view->literal == NULL && p < view->down * view->across; p++)
        model->tensor[view->piece[p].tensor].fate = FATE_PIECE;
    if (index != NULL)
        *index = added;
    return STATUS_OK;
}

enum status model_add_strided(struct model *model, const struct tensor *tensor, const struct view *view, struct err *err)
{
    uint32_t added;
    uint64_t last = 0, step, end;
    bool fits = true;
    for (unsigned d = 0; tensor->bytes > 0 && d < tensor->rank; d++)
        fits = fits && checked_mul(tensor->shape[d] - 1, view->stride[d], &step) && checked_add(last, step, &last);
    fits = fits && checked_add(last, 1, &last) && checked_mul(last, dtype_bits(tensor->dtype) / 8, &end) && checked_add(end, tensor->offset, &end);
    if (!fits || (tensor->bytes > 0 && end > model->file[tensor->file].bytes))
        return err_set(err, STATUS_CORRUPT, tensor->name, "found strides that lead beyond the end of the file");
    struct view *copy = arena_alloc(&model->arena, 1, sizeof *copy, err);
    uint64_t *stride = arena_alloc(&model->arena, tensor->rank, sizeof *stride, err);
    if (copy == NULL || stride == NULL)
        return STATUS_LIMIT;
    for (unsigned d = 0; d < tensor->rank; d++)
        stride[d] = view->stride[d];
    *copy = (struct view){.stride = stride, .swap = view->swap};
    TRY(model_add_tensor(model, tensor, &added, err));
    model->tensor[added].view = copy;
    return STATUS_OK;
}

enum status model_add_weight(struct model *model, const char *name, uint32_t *index, struct err *err)
{
    TRY(mem_grow((void **)&model->weight, &model->weight_capacity, model->weight_count + 1, sizeof *model->weight, err));
    struct weight *weight = &model->weight[model->weight_count];
    *weight = (struct weight){.name = arena_copy(&model->arena, name, strlen(name), err)};
    if (weight->name == NULL)
        return STATUS_LIMIT;
    for (int r = 0; r < ROLE_COUNT; r++)
        weight->role[r] = MODEL_NONE;
    *index = (uint32_t)model->weight_count++;
    return STATUS_OK;
}

enum status model_add_note(struct model *model, struct err *err, const char *format, ...)
{
    char text[1000];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    TRY(mem_grow((void **)&model->note, &model->note_capacity, model->note_count + 1, sizeof *model->note, err));
    const char *copy = arena_copy(&model->arena, text, strlen(text), err);
    if (copy == NULL)
        return STATUS_LIMIT;
    model->note[model->note_count++] = copy;
    return STATUS_OK;
}

uint32_t model_find(const struct model *model, struct slice name)
{
    return map_find(&model->tensor_by_name, name);
}

void model_claim(struct model *model, uint32_t weight, enum role role, uint32_t tensor)
{
    model->weight[weight].role[role] = tensor;
    model->tensor[tensor].fate = FATE_CLAIMED;
    model->tensor[tensor].peer = weight;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct weight *)a)->name, ((const struct weight *)b)->name);
}

void model_sort_weights(struct model *model)
{
    if (model->weight_count > 1)
        qsort(model->weight, model->weight_count, sizeof *model->weight, by_name);
    for (uint32_t w = 0; w < model->weight_count; w++)
        for (int r = 0; r < ROLE_COUNT; r++)
            if (model->weight[w].role[r] != MODEL_NONE && r != ROLE_LAYER_BIAS) /* which is carried beside its weight */
                model->tensor[model->weight[w].role[r]].peer = w;
}

char *model_path(struct model *model, uint32_t file, struct err *err)
{
    return arena_format(&model->arena, err, "%s/%s", model->dir, model->file[file].name);
}

const char *model_where(const struct model *model, uint32_t tensor, char *buffer, size_t size)
{
    const struct tensor *stored = &model->tensor[tensor];
    (void)snprintf(buffer, size, "%s: %s", model->file[stored->file].name, stored->name);
    return buffer;
}

uint64_t model_elements(const struct tensor *tensor)
{
    uint64_t elements = 1;
    for (unsigned d = 0; d < tensor->rank; d++)
        elements *= tensor->shape[d];
    return elements;
}

const char *model_shape_text(const struct tensor *tensor, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, "[");
    for (unsigned d = 0; d < tensor->rank && used < size; d++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%llu", d == 0 ? "" : ", ", (unsigned long long)tensor->shape[d]);
    if (used < size)
        (void)snprintf(buffer + used, size - used, "]");
    return buffer;
}

bool model_is_2d(const struct tensor *tensor, uint64_t a, uint64_t b)
{
    return tensor->rank == 2 && tensor->shape[0] == a && tensor->shape[1] == b;
}
