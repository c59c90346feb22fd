#include "check/blocks.h"

#include <stdlib.h>
#include <string.h>

#define BASES_MAX 16
#define BLOCKS_MAX 4096

/* Longest first where one ends another. */
static const char *const suffixes[] = {
    ".module.weight", ".weight", ".qweight", ".qzeros", ".scales", ".g_idx", ".biases", ".weight_packed", ".weight_scale", ".weight_offset",
    ".weight_zero_point", ".weight_shape", ".weight_g_idx", ".weight_scale_second", ".weight_offset_second", ".scale_bias", ".deq_scale",
    ".quant_bias", ".input_scale", ".input_offset", ".weight_global_scale", ".input_global_scale", ".weight_scale_inv",
    "_blocks", "_scales", ".SCB", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map",
    ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4",
};

bool blocks_module(struct slice name, struct slice *module)
{
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        if (!slice_ends(name, suffixes[i]))
            continue;
        *module = (struct slice){name.data, name.size - strlen(suffixes[i])};
        return true;
    }
    *module = name;
    return slice_ends(name, ".bias") && !slice_ends(name, ".module.bias");
}

/* Splits "model.layers.3.mlp" at its first number: base "model.layers.", block 3, inner "mlp". */
static bool split(struct slice name, struct slice *base, uint64_t *block, struct slice *inner)
{
    for (size_t at = 0; at < name.size;) {
        const char *dot = memchr(name.data + at, '.', name.size - at);
        const size_t end = dot == NULL ? name.size : (size_t)(dot - name.data);
        if (at > 0 && dot != NULL && slice_u64((struct slice){name.data + at, end - at}, block) && *block < BLOCKS_MAX) {
            *base = (struct slice){name.data, at};
            *inner = (struct slice){dot + 1, name.size - end - 1};
            return true;
        }
        at = end + 1;
    }
    return false;
}

static bool is_tower(struct slice base)
{
    static const char *const words[] = {"visi", "visual", "audio", "image", "encoder"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (memmem(base.data, base.size, words[i], strlen(words[i])) != NULL)
            return true;
    return false;
}

static enum status find_base(struct blocks *blocks, const struct model *model, struct err *err)
{
    struct slice seen[BASES_MAX], base, inner;
    size_t count[BASES_MAX] = {0}, bases = 0, best = 0;
    uint64_t block;
    for (size_t t = 0; t < model->tensor_count; t++) {
        if (model->tensor[t].fate == FATE_PIECE || !split(slice_of(model->tensor[t].out_name), &base, &block, &inner) || is_tower(base))
            continue;
        size_t b = 0;
        while (b < bases && !slice_equal(seen[b], base))
            b++;
        if (b == bases && bases < BASES_MAX)
            seen[bases++] = base;
        if (b < BASES_MAX)
            count[b]++;
    }
    for (size_t b = 1; b < bases; b++)
        best = count[b] > count[best] ? b : best;
    if (bases == 0)
        return STATUS_OK;
    blocks->base = arena_copy(&blocks->arena, seen[best].data, seen[best].size, err);
    return blocks->base == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status take_inner(struct blocks *blocks, struct slice inner, struct err *err)
{
    uint32_t place = map_find(&blocks->inner_place, inner);
    if (place == MAP_NONE) {
        char *copy = arena_copy(&blocks->arena, inner.data, inner.size, err);
        if (copy == NULL)
            return STATUS_LIMIT;
        TRY(mem_grow((void **)&blocks->inner, &blocks->inner_capacity, blocks->inner_count + 1, sizeof *blocks->inner, err));
        TRY(mem_grow((void **)&blocks->seen, &blocks->seen_capacity, blocks->inner_count + 1, sizeof *blocks->seen, err));
        place = (uint32_t)blocks->inner_count++;
        blocks->inner[place] = copy;
        blocks->seen[place] = 0;
        uint32_t before;
        TRY(map_add(&blocks->inner_place, slice_of(copy), place, &before, err));
    }
    blocks->seen[place]++;
    return STATUS_OK;
}

enum status blocks_collect(struct blocks *blocks, const struct model *model, struct err *err)
{
    TRY(find_base(blocks, model, err));
    for (size_t t = 0; t < model->tensor_count; t++) {
        struct slice module, base, inner;
        uint32_t before;
        uint64_t block;
        if (model->tensor[t].fate == FATE_PIECE || !blocks_module(slice_of(model->tensor[t].out_name), &module))
            continue;
        TRY(map_add(&blocks->module, module, (uint32_t)t, &before, err)); /* the key lives as long as the model's names do */
        if (before != MAP_NONE || blocks->base == NULL || !split(module, &base, &block, &inner) || !slice_is(base, blocks->base))
            continue;
        blocks->blocks = block + 1 > blocks->blocks ? block + 1 : blocks->blocks;
        TRY(take_inner(blocks, inner, err));
    }
    return STATUS_OK;
}

bool blocks_has(const struct blocks *blocks, const char *module)
{
    return map_find(&blocks->module, slice_of(module)) != MAP_NONE;
}

void blocks_free(struct blocks *blocks)
{
    free(blocks->inner);
    free(blocks->seen);
    map_free(&blocks->module);
    map_free(&blocks->inner_place);
    arena_free(&blocks->arena);
    *blocks = (struct blocks){0};
}
