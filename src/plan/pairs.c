#include "plan/pairs.h"

#include "base/limits.h"
#include "codec/half.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAIRS_BYTES (UINT64_C(1) << 16)

static enum status add(struct comparison *comparison, struct pair pair, struct err *err)
{
    TRY(mem_grow((void **)&comparison->pair, &comparison->capacity, comparison->count + 1, sizeof *comparison->pair, err));
    comparison->pair[comparison->count++] = pair;
    return STATUS_OK;
}

/* Weights and carried tensors of one side by the name that a conversion gives them; values: tensors as they are, weights from WEIGHT_BASE on. */
#define WEIGHT_BASE (UINT32_C(1) << 31)

static enum status index_side(struct map *names, const struct model *model, struct err *err)
{
    uint32_t before;
    for (uint32_t w = 0; w < model->weight_count; w++)
        TRY(map_add(names, slice_of(model->weight[w].name), WEIGHT_BASE + w, &before, err));
    for (uint32_t t = 0; t < model->tensor_count; t++)
        if (model->tensor[t].fate == FATE_CARRY)
            TRY(map_add(names, slice_of(model->tensor[t].out_name), t, &before, err));
    return STATUS_OK;
}

/* The weight `name`, or the tensor "name.weight". */
static uint32_t find_weight(const struct map *names, const char *name, bool *is_weight)
{
    char dense[LIMIT_NAME_BYTES_MAX + 16];
    uint32_t found = map_find(names, slice_of(name));
    *is_weight = found != MAP_NONE && found >= WEIGHT_BASE;
    if (*is_weight)
        return found - WEIGHT_BASE;
    if (found != MAP_NONE) /* stacked experts have no suffix */
        return found;
    (void)snprintf(dense, sizeof dense, "%s.weight", name);
    found = map_find(names, slice_of(dense));
    return found == MAP_NONE ? MODEL_NONE : found;
}

/* "NAME.weight" -> weight NAME on the other side. */
static uint32_t find_tensor(const struct map *names, const char *name, bool *is_weight)
{
    const struct slice whole = slice_of(name);
    *is_weight = false;
    if (slice_ends(whole, ".weight")) {
        const uint32_t found = map_find(names, (struct slice){whole.data, whole.size - strlen(".weight")});
        if (found != MAP_NONE && found >= WEIGHT_BASE) {
            *is_weight = true;
            return found - WEIGHT_BASE;
        }
    }
    const uint32_t found = map_find(names, whole);
    *is_weight = found != MAP_NONE && found >= WEIGHT_BASE;
    return found == MAP_NONE ? MODEL_NONE : *is_weight ? found - WEIGHT_BASE : found;
}

/* --- what counts as no difference ------------------------------------------------------------------------------------------- */

static enum status all_zero(const struct fetch *fetch, uint32_t tensor, bool *zero, struct err *err)
{
    const struct tensor *stored = &fetch->model->tensor[tensor];
    uint8_t data[4096];
    float values[sizeof data / 2];
    const uint64_t size = dtype_bits(stored->dtype) / 8;
    *zero = true;
    for (uint64_t at = 0; at < stored->bytes && *zero; at += sizeof data) {
        const size_t part = stored->bytes - at < sizeof data ? (size_t)(stored->bytes - at) : sizeof data;
        TRY(fetch_bytes(fetch, tensor, at, data, part, err));
        half_load(stored->dtype, data, part / size, values);
        for (size_t i = 0; i < part / size; i++)
            *zero = *zero && values[i] == 0.0f;
    }
    return STATUS_OK;
}

static enum status same_bytes(const struct fetch *fetch, uint32_t a, uint32_t b, bool *same, struct err *err)
{
    const struct tensor *left = &fetch->model->tensor[a], *right = &fetch->model->tensor[b];
    uint8_t *buffer = mem_alloc(2, PAIRS_BYTES, err);
    enum status status = buffer == NULL ? STATUS_LIMIT : STATUS_OK;
    *same = left->dtype == right->dtype && left->bytes == right->bytes;
    for (uint64_t at = 0; status == STATUS_OK && *same && at < left->bytes; at += PAIRS_BYTES) {
        const uint64_t part = left->bytes - at < PAIRS_BYTES ? left->bytes - at : PAIRS_BYTES;
        status = fetch_bytes(fetch, a, at, buffer, part, err);
        if (status == STATUS_OK)
            status = fetch_bytes(fetch, b, at, buffer + PAIRS_BYTES, part, err);
        *same = status == STATUS_OK && memcmp(buffer, buffer + PAIRS_BYTES, (size_t)part) == 0;
    }
    free(buffer);
    return status;
}

/* A tensor that the other side lacks is no difference if it is a norm bias of zeros or a tied copy of the embedding. */
static enum status harmless(const struct fetch *fetch, uint32_t tensor, bool *is_harmless, struct err *err)
{
    const struct tensor *stored = &fetch->model->tensor[tensor];
    const struct slice name = slice_of(stored->out_name);
    *is_harmless = false;
    if (stored->rank == 1 && dtype_is_plain_float(stored->dtype) && slice_ends(name, "norm.bias"))
        return all_zero(fetch, tensor, is_harmless, err);
    if (slice_is(name, "lm_head.weight")) {
        const uint32_t embedding = model_find(fetch->model, slice_of("model.embed_tokens.weight"));
        if (embedding != MODEL_NONE)
            return same_bytes(fetch, tensor, embedding, is_harmless, err);
    }
    return STATUS_OK;
}

/* A tensor that a conversion drops has nothing to be compared with; if it may not be dropped, it differs. */
static enum status add_unmatched(struct comparison *comparison, const struct fetch *fetch, uint32_t tensor, bool on_a, struct err *err)
{
    bool skip;
    TRY(harmless(fetch, tensor, &skip, err));
    if (skip)
        return STATUS_OK;
    const char *name = fetch->model->tensor[tensor].out_name;
    return add(comparison, (struct pair){.name = name, .a = on_a ? tensor : MODEL_NONE, .b = on_a ? MODEL_NONE : tensor}, err);
}

static enum status check_dropped(struct comparison *comparison, const struct fetch *fetch, const struct map *other, bool on_a, struct err *err)
{
    for (uint32_t t = 0; t < fetch->model->tensor_count; t++) {
        const struct tensor *tensor = &fetch->model->tensor[t];
        bool same = true;
        if (tensor->fate == FATE_DROP_ZERO)
            TRY(all_zero(fetch, t, &same, err));
        if (tensor->fate == FATE_DROP_TWIN)
            TRY(same_bytes(fetch, t, tensor->peer, &same, err));
        if (same)
            continue;
        const uint32_t found = map_find(other, slice_of(tensor->name)); /* another copy with the same leftovers */
        const uint32_t peer = found == MAP_NONE ? MODEL_NONE : found;
        TRY(add(comparison, (struct pair){.name = tensor->name, .a = on_a ? t : peer, .b = on_a ? peer : t}, err));
    }
    return STATUS_OK;
}

/* --- pairing ------------------------------------------------------------------------------------------------------------------ */

static enum status add_side_a(struct comparison *comparison, const struct fetch *a, const struct map *names_b, const struct aims *aims, struct err *err)
{
    bool is_weight;
    for (uint32_t w = 0; w < a->model->weight_count; w++) {
        if (aims != NULL && aims->weight[w].excluded)
            continue;
        const uint32_t peer = find_weight(names_b, a->model->weight[w].name, &is_weight);
        TRY(add(comparison, (struct pair){.name = a->model->weight[w].name, .a = w, .b = peer, .weight_a = true, .weight_b = is_weight}, err));
    }
    for (uint32_t t = 0; t < a->model->tensor_count; t++) {
        if (a->model->tensor[t].fate != FATE_CARRY || (aims != NULL && aims->excluded[t]))
            continue;
        const uint32_t peer = find_tensor(names_b, a->model->tensor[t].out_name, &is_weight);
        const struct pair pair = {.name = a->model->tensor[t].out_name, .a = t, .b = peer, .weight_b = is_weight};
        TRY(peer == MODEL_NONE ? add_unmatched(comparison, a, t, true, err) : add(comparison, pair, err));
    }
    return STATUS_OK;
}

static enum status add_side_b(struct comparison *comparison, const struct fetch *b, const struct map *names_a, struct err *err)
{
    bool is_weight;
    for (uint32_t w = 0; w < b->model->weight_count; w++)
        if (find_weight(names_a, b->model->weight[w].name, &is_weight) == MODEL_NONE)
            TRY(add(comparison, (struct pair){.name = b->model->weight[w].name, .a = MODEL_NONE, .b = w, .weight_b = true}, err));
    for (uint32_t t = 0; t < b->model->tensor_count; t++)
        if (b->model->tensor[t].fate == FATE_CARRY && find_tensor(names_a, b->model->tensor[t].out_name, &is_weight) == MODEL_NONE)
            TRY(add_unmatched(comparison, b, t, false, err));
    return STATUS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

enum status pairs_make(struct comparison *comparison, const struct fetch *a, const struct fetch *b, const struct aims *aims, struct err *err)
{
    struct map names_a = {0}, names_b = {0};
    enum status status = index_side(&names_a, a->model, err);
    if (status == STATUS_OK)
        status = index_side(&names_b, b->model, err);
    if (status == STATUS_OK)
        status = add_side_a(comparison, a, &names_b, aims, err);
    if (status == STATUS_OK)
        status = add_side_b(comparison, b, &names_a, err);
    if (status == STATUS_OK)
        status = check_dropped(comparison, a, &names_b, true, err);
    if (status == STATUS_OK)
        status = check_dropped(comparison, b, &names_a, false, err);
    map_free(&names_a);
    map_free(&names_b);
    if (status == STATUS_OK && comparison->count > 0)
        qsort(comparison->pair, comparison->count, sizeof *comparison->pair, by_name);
    return status;
}
