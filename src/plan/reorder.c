#include "plan/reorder.h"

#include "base/limits.h"
#include "codec/ggml_embed.h"
#include "codec/half.h"
#include "plan/survey_blocks.h"
#include "plan/values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLLOWERS_MAX 4 /* two matrices and their biases */
#define PROBED_ROWS 64  /* whole runs of every layout */

/* By their last names: what has inputs, and what makes them; several times its rows: one part below the other. */
static const struct maker {
    const char *input, *output[2];
    uint64_t parts;
} makers[] = {
    {"down_proj", {"gate_proj", "up_proj"}, 1},
    {"down_proj", {"gate_up_proj", NULL}, 2},
    {"w2", {"w1", "w3"}, 1},
};

static const char no_blocks[] = ", in activation order (R-ACTORDER), some of which are no whole blocks even in order";
static const char no_makers[] = ", in activation order (R-ACTORDER), while ffn_gate and ffn_up, whose rows are its inputs, cannot follow";
static const char counted[] = ", in activation order (R-ACTORDER), which is that of the importance matrix as well";
static const char too_many[] = ", in activation order (R-ACTORDER), after more inputs than are put in order at once";

struct follower {
    bool weight; /* else a tensor */
    uint32_t index;
};

/* A layer whose inputs may move. */
struct layer {
    uint32_t weight;
    uint64_t parts;
    struct follower follower[FOLLOWERS_MAX];
    size_t count;
};

/* --- who follows ------------------------------------------------------------------------------------------------------------------ */

static int by_name(const void *key, const void *weight)
{
    return strcmp(key, ((const struct weight *)weight)->name);
}

static const struct weight *find_weight(const struct model *model, const char *name)
{
    return model->weight_count == 0 ? NULL : bsearch(name, model->weight, model->weight_count, sizeof *model->weight, by_name);
}

/* Zeros that are codes, or in the middle, and nothing that depends on where a row stands: what plan/ordered gathers. */
static bool has_movable_rows(const struct weight *weight, uint64_t rows)
{
    const struct spec *spec = &weight->spec;
    const bool plain = spec->grid == GRID_AFFINE_ZERO && spec->code_rule == CODE_STORED && spec->scale_rule == SCALE_STORED && spec->experts == 0;
    return plain && weight->out == rows && weight->origin == NULL && weight->row_order == NULL && weight->column_order == NULL &&
           weight->role[ROLE_SCALES] != MODEL_NONE && (spec->zero_kind == ZERO_CODES || spec->zero_kind == ZERO_MID || spec->zero_kind == ZERO_NEVER);
}

static bool has_rows(const struct tensor *tensor, unsigned rank, uint64_t rows)
{
    return tensor->rank == rank && tensor->shape[0] == rows && rows > 0 && tensor->bytes > 0 && dtype_is_plain_float(tensor->dtype) &&
           tensor->order == NULL;
}

/* "PREFIXleaf" as a weight or as a float matrix, and its bias. */
static bool find_follower(const struct model *model, struct slice prefix, const char *leaf, uint64_t rows, struct layer *layer)
{
    char name[LIMIT_NAME_BYTES_MAX + 16];
    (void)snprintf(name, sizeof name, "%.*s%s", (int)prefix.size, prefix.data, leaf);
    const struct weight *weight = find_weight(model, name);
    if (weight != NULL && !has_movable_rows(weight, rows))
        return false;
    (void)snprintf(name, sizeof name, "%.*s%s.weight", (int)prefix.size, prefix.data, leaf);
    const uint32_t floats = weight != NULL ? MODEL_NONE : model_find(model, slice_of(name));
    if (weight == NULL && (floats == MODEL_NONE || model->tensor[floats].fate != FATE_CARRY || !has_rows(&model->tensor[floats], 2, rows)))
        return false;
    layer->follower[layer->count++] = (struct follower){weight != NULL, weight != NULL ? (uint32_t)(weight - model->weight) : floats};
    (void)snprintf(name, sizeof name, "%.*s%s.bias", (int)prefix.size, prefix.data, leaf);
    const uint32_t bias = model_find(model, slice_of(name));
    if (bias == MODEL_NONE)
        return true;
    layer->follower[layer->count++] = (struct follower){false, bias};
    return has_rows(&model->tensor[bias], 1, rows);
}

/* True if the name is that of a layer whose inputs others make; *layer->count is 0 where these cannot follow. */
static bool find_layer(const struct model *model, uint32_t index, struct layer *layer)
{
    const struct weight *weight = &model->weight[index];
    const struct slice name = slice_of(weight->name);
    bool known = false;
    for (size_t m = 0; m < sizeof makers / sizeof makers[0]; m++) {
        const size_t size = strlen(makers[m].input);
        if (!slice_ends(name, makers[m].input) || name.size == size || name.data[name.size - size - 1] != '.')
            continue;
        const struct slice prefix = {name.data, name.size - size};
        bool all = true;
        known = true;
        *layer = (struct layer){.weight = index, .parts = makers[m].parts};
        for (size_t o = 0; o < 2 && makers[m].output[o] != NULL && all; o++)
            all = find_follower(model, prefix, makers[m].output[o], makers[m].parts * weight->in, layer);
        if (all)
            return true;
        layer->count = 0;
    }
    return known;
}

/* --- the order -------------------------------------------------------------------------------------------------------------------- */

/* Columns by group, and in a group as they stand. */
struct sorted {
    uint32_t *order; /* [parts * in]: of each part of the rows that follow; in SCRATCH_RUN */
    bool whole;      /* groups are whole blocks then */
};

static enum status sort_columns(const uint32_t *group_of, const struct weight *weight, uint64_t parts, struct scratch *scratch, struct sorted *sorted,
                                struct err *err)
{
    uint64_t *first = scratch_take(scratch, SCRATCH_OTHER, (weight->groups + 1) * sizeof *first, err);
    *sorted = (struct sorted){scratch_take(scratch, SCRATCH_RUN, parts * weight->in * sizeof *sorted->order, err), true};
    if (first == NULL || sorted->order == NULL)
        return STATUS_LIMIT;
    memset(first, 0, (size_t)(weight->groups + 1) * sizeof *first);
    for (uint64_t k = 0; k < weight->in; k++)
        first[group_of[k] + 1]++;
    for (uint64_t g = 0; g < weight->groups; g++) {
        sorted->whole = sorted->whole && first[g + 1] % GGML_EMBED_COLUMNS_MIN == 0;
        first[g + 1] += first[g];
    }
    for (uint64_t k = 0; k < weight->in; k++)
        sorted->order[first[group_of[k]]++] = (uint32_t)k;
    for (uint64_t k = weight->in; k < parts * weight->in; k++)
        sorted->order[k] = (uint32_t)(sorted->order[k - weight->in] + weight->in);
    return STATUS_OK;
}

/* Whether groups lie apart, in pieces that are no blocks. An all-zero map with several groups is none. */
static bool lies_apart(const uint32_t *group_of, const struct weight *weight)
{
    bool zero = true;
    for (uint64_t k = 0; k < weight->in && zero; k++)
        zero = group_of[k] == 0;
    return !zero && survey_blocks_run(group_of, weight->in) % GGML_EMBED_COLUMNS_MIN != 0;
}

/* Whether the layer's order fits into the bytes that are left. */
static bool has_room(const struct model *model, const struct layer *layer, uint64_t left)
{
    return model->weight[layer->weight].in <= left / sizeof(uint32_t) / layer->parts;
}

/* Takes its bytes from *left: has_room. */
static enum status give_order(struct model *model, const struct layer *layer, const uint32_t *order, uint64_t *left, struct err *err)
{
    struct weight *weight = &model->weight[layer->weight];
    const uint64_t count = layer->parts * weight->in;
    *left -= count * sizeof *order;
    uint32_t *kept = arena_alloc(&model->arena, count, sizeof *kept, err);
    if (kept == NULL)
        return STATUS_LIMIT;
    memcpy(kept, order, (size_t)count * sizeof *kept);
    weight->column_order = kept;
    for (size_t f = 0; f < layer->count; f++) {
        const struct follower *follower = &layer->follower[f];
        if (follower->weight)
            model->weight[follower->index].row_order = kept;
        else
            model->tensor[follower->index].order = kept;
    }
    return STATUS_OK;
}

/* --- into blocks ------------------------------------------------------------------------------------------------------------------ */

struct reordering {
    struct model *model;
    const struct fetch *fetch;
    struct scratch scratch;
    uint64_t left; /* bytes that orders may take yet */
    bool importance;
};

static enum status reorder_one(struct reordering *work, uint32_t index, const char **stuck, struct err *err)
{
    const struct weight *weight = &work->model->weight[index];
    uint32_t *group_of;
    struct layer layer;
    struct sorted sorted;
    if (weight->role[ROLE_GROUP_OF] == MODEL_NONE || weight->groups == 1 || !find_layer(work->model, index, &layer))
        return STATUS_OK;
    TRY(decode_group_of(work->fetch, weight, false, &work->scratch, &group_of, err));
    if (!lies_apart(group_of, weight))
        return STATUS_OK;
    *stuck = layer.count == 0 ? no_makers : work->importance ? counted : !has_room(work->model, &layer, work->left) ? too_many : NULL;
    if (*stuck != NULL)
        return STATUS_OK;
    TRY(sort_columns(group_of, weight, layer.parts, &work->scratch, &sorted, err));
    *stuck = sorted.whole ? NULL : no_blocks;
    if (*stuck != NULL)
        return STATUS_OK;
    return give_order(work->model, &layer, sorted.order, &work->left, err);
}

enum status reorder_inputs(struct model *model, struct aims *aims, const struct fetch *fetch, bool importance, struct err *err)
{
    struct reordering work = {.model = model, .fetch = fetch, .left = LIMIT_ORDER_BYTES_MAX, .importance = importance};
    enum status status = STATUS_OK;
    for (uint32_t w = 0; w < model->weight_count && status == STATUS_OK; w++)
        if (aims->weight[w].blocks && !aims->weight[w].excluded)
            status = reorder_one(&work, w, &aims->weight[w].stuck, err);
    scratch_free(&work.scratch);
    return status;
}

/* --- in a comparison -------------------------------------------------------------------------------------------------------------- */

/* Values of the first rows of what the other side has under that name, F32 [rows][in]; NULL if it has nothing like that. */
static enum status probe(struct reorder_side side, const struct weight *like, uint64_t rows, struct scratch *scratch, float **values, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 16];
    const struct weight *weight = find_weight(side.model, like->name);
    *values = NULL;
    if (weight != NULL) {
        if (weight->in != like->in || weight->out != like->out)
            return STATUS_OK;
        return values_load(side.fetch, weight, (struct values_rows){.out = rows}, scratch, values, err);
    }
    (void)snprintf(name, sizeof name, "%s.weight", like->name);
    const uint32_t index = model_find(side.model, slice_of(name));
    if (index == MODEL_NONE || !model_is_2d(&side.model->tensor[index], like->out, like->in) || !dtype_is_plain_float(side.model->tensor[index].dtype))
        return STATUS_OK;
    const struct tensor *tensor = &side.model->tensor[index];
    const uint64_t size = rows * like->in * dtype_bits(tensor->dtype) / 8;
    uint8_t *raw = scratch_take(scratch, SCRATCH_RAW, size, err);
    float *loaded = scratch_take(scratch, SCRATCH_VALUE, rows * like->in * sizeof *loaded, err);
    if (raw == NULL || loaded == NULL)
        return STATUS_LIMIT;
    TRY(fetch_bytes(side.fetch, index, 0, raw, size, err));
    half_load(tensor->dtype, raw, (size_t)(rows * like->in), loaded);
    *values = loaded;
    return STATUS_OK;
}

/* Whether the other side's columns are nearer to these in order than to these as they stand. */
static bool stands_in_order(const float *own, const float *other, const uint32_t *order, uint64_t rows, uint64_t in)
{
    double apart = 0, apart_in_order = 0;
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t k = 0; k < in; k++) {
            const double found = (double)other[row * in + k], a = (double)own[row * in + k] - found, b = (double)own[row * in + order[k]] - found;
            apart += a * a;
            apart_in_order += b * b;
        }
    }
    return apart_in_order < apart;
}

struct meeting {
    struct reorder_side a, b;
    struct scratch scratch[2];
    uint64_t left; /* as in struct reordering */
    size_t moved;
};

static enum status meet_one(struct meeting *meeting, uint32_t index, struct err *err)
{
    const struct reorder_side a = meeting->a;
    struct scratch *scratch = meeting->scratch;
    const struct weight *weight = &a.model->weight[index];
    const uint64_t rows = weight->out < PROBED_ROWS ? weight->out : PROBED_ROWS;
    float *own, *other;
    uint32_t *group_of;
    struct layer layer;
    struct sorted sorted;
    if (weight->role[ROLE_GROUP_OF] == MODEL_NONE || weight->groups == 1 || !find_layer(a.model, index, &layer) || layer.count == 0)
        return STATUS_OK;
    TRY(probe(meeting->b, weight, rows, &scratch[1], &other, err));
    if (other == NULL)
        return STATUS_OK;
    TRY(values_load(a.fetch, weight, (struct values_rows){.out = rows}, &scratch[0], &own, err));
    TRY(decode_group_of(a.fetch, weight, false, &scratch[0], &group_of, err));
    if (!lies_apart(group_of, weight) || !has_room(a.model, &layer, meeting->left))
        return STATUS_OK;
    TRY(sort_columns(group_of, weight, layer.parts, &scratch[0], &sorted, err));
    if (!sorted.whole || !stands_in_order(own, other, sorted.order, rows, weight->in))
        return STATUS_OK;
    meeting->moved++;
    return give_order(a.model, &layer, sorted.order, &meeting->left, err);
}

enum status reorder_meet(struct reorder_side a, struct reorder_side b, size_t *moved, struct err *err)
{
    struct meeting meeting = {.a = a, .b = b, .left = LIMIT_ORDER_BYTES_MAX};
    enum status status = STATUS_OK;
    for (uint32_t w = 0; w < a.model->weight_count && status == STATUS_OK; w++)
        status = meet_one(&meeting, w, err);
    scratch_free(&meeting.scratch[0]);
    scratch_free(&meeting.scratch[1]);
    *moved = meeting.moved;
    return status;
}
