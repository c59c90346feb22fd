#include "formats/parts.h"

#include "base/limits.h"

#include <string.h>

/* The weight whose codes are NAME + the codes' suffix. */
static uint32_t owner_of(const struct part *codes_part, const struct model *model, struct slice name, char *buffer, size_t size)
{
    const char *suffix = codes_part->suffix;
    if (name.size + strlen(suffix) >= size)
        return MODEL_NONE;
    memcpy(buffer, name.data, name.size);
    memcpy(buffer + name.size, suffix, strlen(suffix) + 1);
    const uint32_t codes = model_find(model, slice_of(buffer));
    return codes != MODEL_NONE && model->tensor[codes].fate == FATE_CLAIMED ? model->tensor[codes].peer : MODEL_NONE;
}

static enum status bind_codes(const struct part *part, struct model *model, struct err *err)
{
    const char *suffix = part->suffix;
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        const struct slice name = slice_of(model->tensor[i].name);
        if (!slice_ends(name, suffix) || name.size == strlen(suffix))
            continue;
        char *module = arena_copy(&model->arena, name.data, name.size - strlen(suffix), err);
        uint32_t weight;
        if (module == NULL)
            return STATUS_LIMIT;
        TRY(model_add_weight(model, module, &weight, err));
        model_claim(model, weight, part->role, i);
    }
    return STATUS_OK;
}

static enum status bind_sibling(const struct part *first, struct model *model, uint32_t tensor, const struct part *part, struct err *err)
{
    char where[700], codes[LIMIT_NAME_BYTES_MAX + 32];
    const struct slice name = slice_of(model->tensor[tensor].name);
    const struct slice module = {name.data, name.size - strlen(part->suffix)};
    const uint32_t weight = owner_of(first, model, module, codes, sizeof codes);
    if (weight == MODEL_NONE) {
        (void)err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where),
                      "found no %.*s%s beside it, expected the codes of this weight (R-INCOMPLETE)", (int)module.size, module.data, first->suffix);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    model_claim(model, weight, part->role, tensor);
    return STATUS_OK;
}

static enum status check_required(const struct part *part, size_t count, const struct model *model, struct err *err)
{
    for (size_t w = 0; w < model->weight_count; w++) {
        const char *name = model->weight[w].name;
        for (size_t p = 0; p < count; p++) {
            if (!part[p].required || model->weight[w].role[part[p].role] != MODEL_NONE)
                continue;
            (void)err_set(err, STATUS_CORRUPT, name, "found %s%s but no %s%s (R-INCOMPLETE)", name, part[0].suffix, name, part[p].suffix);
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
    }
    return STATUS_OK;
}

enum status parts_bind(const struct part *part, size_t count, struct model *model, struct err *err)
{
    TRY(bind_codes(part, model, err));
    for (uint32_t i = 0; i < model->tensor_count; i++) {
        for (size_t p = 1; p < count; p++) {
            const struct slice name = slice_of(model->tensor[i].name);
            if (slice_ends(name, part[p].suffix) && name.size > strlen(part[p].suffix))
                TRY(bind_sibling(part, model, i, &part[p], err));
        }
    }
    return check_required(part, count, model, err);
}

bool parts_sibling(const struct model *model, struct slice module, const char *suffix, uint32_t *tensor)
{
    char name[LIMIT_NAME_BYTES_MAX + 32];
    *tensor = MODEL_NONE;
    if (module.size + strlen(suffix) >= sizeof name)
        return false;
    memcpy(name, module.data, module.size);
    memcpy(name + module.size, suffix, strlen(suffix) + 1);
    *tensor = model_find(model, slice_of(name));
    return *tensor != MODEL_NONE;
}

enum status parts_siblings(const struct part *part, size_t count, struct model *model, uint32_t weight, struct err *err)
{
    const char *module = model->weight[weight].name;
    for (size_t p = 1; p < count; p++) {
        uint32_t tensor;
        if (parts_sibling(model, slice_of(module), part[p].suffix, &tensor))
            model_claim(model, weight, part[p].role, tensor);
        else if (part[p].required) {
            (void)err_set(err, STATUS_CORRUPT, module, "found %s%s but no %s%s (R-INCOMPLETE)", module, part[0].suffix, module, part[p].suffix);
            return err_try(err, "fetch the checkpoint again: a shard may be missing");
        }
    }
    return STATUS_OK;
}

bool parts_dense_linear(const struct tensor *tensor, struct slice *module)
{
    static const char suffix[] = ".weight";
    const struct slice name = slice_of(tensor->out_name);
    if (tensor->rank != 2 || !dtype_is_plain_float(tensor->dtype) || !slice_ends(name, suffix))
        return false;
    *module = (struct slice){name.data, name.size - (sizeof suffix - 1)};
    size_t last = module->size;
    while (last > 0 && module->data[last - 1] != '.')
        last--;
    const struct slice leaf = {module->data + last, module->size - last};
    if (slice_is(leaf, "wte") || slice_is(leaf, "wpe"))
        return false;
    return memmem(leaf.data, leaf.size, "embed", strlen("embed")) == NULL;
}
