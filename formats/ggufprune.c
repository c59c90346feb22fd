#include "formats/ggufprune.h"

#include "base/limits.h"

#include <string.h>

static const char PREFIX[] = "blk.";

/* The number behind `at`, which is followed by a dot; LIMIT_LAYERS_MAX where there is none that a model has. *end is the dot. */
static uint32_t layer_at(const char *at, const char **end)
{
    const size_t digits = strspn(at, "0123456789");
    uint64_t number;
    *end = at + digits;
    if (digits == 0 || at[digits] != '.' || (digits > 1 && at[0] == '0') || !slice_u64((struct slice){at, digits}, &number))
        return LIMIT_LAYERS_MAX;
    return number < LIMIT_LAYERS_MAX ? (uint32_t)number : LIMIT_LAYERS_MAX;
}

/* The layer that a tensor belongs to; LIMIT_LAYERS_MAX: to none. */
static enum status find_layer(const char *name, uint32_t *layer, struct err *err)
{
    const char *end, *found = strstr(name, PREFIX);
    *layer = found == NULL ? LIMIT_LAYERS_MAX : layer_at(found + strlen(PREFIX), &end);
    if (found == NULL || (found == name && *layer < LIMIT_LAYERS_MAX))
        return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, name, "found a layer that --prune-layers does not count, expected names as blk.0.attn_q.weight");
    return err_try(err, "leave --prune-layers out");
}

/* Values of each layer in the metadata: llama-quantize leaves them, and llama.cpp does not load what it writes. */
static enum status check_keys(const struct ggufile *file, uint64_t layers, struct err *err)
{
    for (size_t v = 0; v < file->value_count; v++) {
        const struct ggufile_value *value = &file->value[v];
        if (value->kind != GGUFILE_ARRAY || value->count != layers || slice_starts(value->key, "tokenizer.") || slice_starts(value->key, "general."))
            continue;
        (void)err_set(err, STATUS_UNSUPPORTED, file->path, "found key %.*s with a value for each layer, which --prune-layers does not thin out",
                      (int)(value->key.size < 200 ? value->key.size : 200), value->key.data);
        return err_try(err, "leave --prune-layers out");
    }
    return STATUS_OK;
}

static bool is_listed(const struct ggufprune_list *list, uint32_t layer)
{
    for (size_t l = 0; l < list->count; l++)
        if (list->layer[l] == layer)
            return true;
    return false;
}

/* number[]: GONE for layers that no tensor names, else 0. */
static enum status find_layers(struct ggufprune *prune, const struct ggufile_set *set, struct err *err)
{
    for (size_t f = 0; f < set->count; f++) {
        for (size_t t = 0; t < set->file[f].tensor_count; t++) {
            uint32_t layer;
            TRY(find_layer(set->file[f].tensor[t].name, &layer, err));
            if (layer == LIMIT_LAYERS_MAX)
                continue;
            prune->number[layer] = 0;
            prune->layers = layer >= prune->layers ? layer + 1 : prune->layers;
        }
    }
    return STATUS_OK;
}

enum status ggufprune_make(struct ggufprune *prune, const struct ggufile_set *set, const struct ggufprune_list *list, uint64_t layers, struct arena *arena,
                           struct err *err)
{
    *prune = (struct ggufprune){0};
    if (list->count == 0)
        return STATUS_OK;
    TRY(check_keys(&set->file[0], layers, err));
    prune->number = arena_alloc(arena, LIMIT_LAYERS_MAX, sizeof *prune->number, err);
    if (prune->number == NULL)
        return STATUS_LIMIT;
    for (uint32_t layer = 0; layer < LIMIT_LAYERS_MAX; layer++)
        prune->number[layer] = GGUFPRUNE_GONE;
    TRY(find_layers(prune, set, err));
    for (size_t l = 0; l < list->count; l++)
        if (prune->number[list->layer[l]] == GGUFPRUNE_GONE)
            return err_set(err, STATUS_USAGE, "--prune-layers", "found layer %u, which the model does not have (its last is %u)", list->layer[l],
                           prune->layers == 0 ? 0 : prune->layers - 1);
    for (uint32_t layer = 0; layer < prune->layers; layer++) {
        if (prune->number[layer] == GGUFPRUNE_GONE)
            continue;
        const bool gone = is_listed(list, layer);
        const bool before = layer < list->layer[0]; /* those keep their number, whatever is missing among them */
        prune->number[layer] = gone ? GGUFPRUNE_GONE : before ? layer : prune->left;
        prune->left = gone ? prune->left : prune->number[layer] + 1;
    }
    return STATUS_OK;
}

enum status ggufprune_name(const struct ggufprune *prune, const char *name, struct arena *arena, const char **renamed, struct err *err)
{
    uint32_t layer;
    *renamed = name;
    if (prune->number == NULL)
        return STATUS_OK;
    TRY(find_layer(name, &layer, err));
    if (layer == LIMIT_LAYERS_MAX)
        return STATUS_OK;
    *renamed = NULL;
    if (prune->number[layer] == GGUFPRUNE_GONE)
        return STATUS_OK;
    const char *end;
    (void)layer_at(name + strlen(PREFIX), &end);
    *renamed = arena_format(arena, err, "%s%u%s", PREFIX, prune->number[layer], end);
    return *renamed == NULL ? STATUS_LIMIT : STATUS_OK;
}
