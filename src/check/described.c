#include "check/described.h"

#include "base/limits.h"
#include "container/json.h"

#include <stdlib.h>
#include <string.h>

static const char PLAIN_NAME[] = "quant_model_description.json";

static enum status take_entry(struct described *described, const char *name, const char *type, struct err *err)
{
    uint32_t before;
    TRY(mem_grow((void **)&described->type, &described->type_capacity, described->count + 1, sizeof *described->type, err));
    TRY(mem_grow((void **)&described->tensor, &described->tensor_capacity, described->count + 1, sizeof *described->tensor, err));
    TRY(map_add(&described->by_tensor, slice_of(name), (uint32_t)described->count, &before, err));
    if (before != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, described->name, "found \"%s\" twice", name);
    described->tensor[described->count] = name;
    described->type[described->count++] = type;
    return STATUS_OK;
}

/* Members that describe the checkpoint; every other string is the type of a tensor. */
static bool take_member(struct described *described, const char *name, const char *value)
{
    static const char *const other[] = {"kv_cache_type", "kv_quant_type", "fa_quant_type", "reduce_quant_type", "indexer_quant_type", "hc_head_fn",
                                        "ascend_quant_method", "weight_strategy"};
    if (strcmp(name, "version") == 0)
        described->version = value;
    else if (strcmp(name, "model_quant_type") == 0)
        described->headline = value;
    else if (strchr(name, '.') == NULL) {
        for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
            if (strcmp(name, other[i]) == 0)
                return true;
        return false;
    } else
        return false;
    return true;
}

static enum status scan(struct described *described, struct json *json, struct err *err)
{
    struct json_token key, value;
    TRY(json_expect(json, JSON_OBJECT, &key, err));
    for (;;) {
        const char *name, *text;
        uint64_t group;
        TRY(json_next(json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            return json_expect(json, JSON_END, &key, err);
        TRY(json_string(json, &key, &described->arena, &name, NULL, err));
        TRY(json_next(json, &value, err));
        if (value.kind == JSON_NULL && described->null_member == NULL)
            described->null_member = name;
        if (value.kind == JSON_STRING) {
            TRY(json_string(json, &value, &described->arena, &text, NULL, err));
            if (!take_member(described, name, text))
                TRY(take_entry(described, name, text, err));
            continue;
        }
        if (strcmp(name, "group_size") == 0 && value.kind == JSON_NUMBER && slice_u64(value.text, &group) && group <= INT32_MAX) {
            described->has_group_size = true;
            described->group_size = (int64_t)group;
        }
        TRY(json_skip(json, &value, err));
    }
}

enum status described_read(struct described *described, struct source *source, struct err *err)
{
    described->name = source_has(source, PLAIN_NAME) ? PLAIN_NAME : source_match(source, "quant_model_description", ".json");
    if (described->name == NULL)
        return STATUS_OK;
    struct text text = {0};
    const char *path = source_path(source, described->name, err);
    enum status status = path == NULL ? STATUS_LIMIT : file_slurp(source->ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &text, err);
    if (status == STATUS_OK) {
        struct json json = json_over(described->name, (struct slice){text.data, text.size});
        status = scan(described, &json, err);
    }
    text_free(&text);
    return status;
}

const char *described_type(const struct described *described, const char *tensor)
{
    const uint32_t at = map_find(&described->by_tensor, slice_of(tensor));
    return at == MAP_NONE ? NULL : described->type[at];
}

void described_free(struct described *described)
{
    free(described->type);
    free(described->tensor);
    map_free(&described->by_tensor);
    arena_free(&described->arena);
    *described = (struct described){0};
}
