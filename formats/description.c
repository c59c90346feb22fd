#include "formats/description.h"

#include "base/limits.h"
#include "container/json.h"

#include <stdlib.h>
#include <string.h>

/* The values of entries that are read; others (W4A8_DYNAMIC, W8A8S, ...: formats/msmodelslim.md section 2) are UNSUPPORTED. */
static const struct {
    const char *name;
    enum quant_type type;
} types[] = {
    {"FLOAT", QUANT_FLOAT}, {"W4A16", QUANT_W4A16}, {"W8A16", QUANT_W8A16}, {"W8A8", QUANT_W8A8}, {"W8A8_DYNAMIC", QUANT_W8A8_DYNAMIC},
};

/* Members that describe the checkpoint and name no tensor. */
static const char *const reserved[] = {
    "model_quant_type", "version",  "group_size", "kv_cache_type", "kv_quant_type",    "fa_quant_type",       "reduce_quant_type", "indexer_quant_type",
    "metadata",         "optional", "hc_head_fn", "is_rot_used",   "max_supported_tp", "ascend_quant_method", "weight_strategy",
};

const char *description_type_name(enum quant_type type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (types[i].type == type)
            return types[i].name;
    return "unlisted";
}

static bool find_type(const struct json_token *token, enum quant_type *type)
{
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (!json_token_is(token, types[i].name))
            continue;
        *type = types[i].type;
        return true;
    }
    return false;
}

static bool is_reserved(const struct json_token *key)
{
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (json_token_is(key, reserved[i]))
            return true;
    /* "<layer>.quant_type" and "<x>.weight.outdim" are properties of a module. */
    const struct slice inner = {key->text.data, key->text.size - 1};
    return slice_ends(inner, ".quant_type") || slice_ends(inner, ".outdim");
}

/* One pass over the text; `headline` is model_quant_type. */
struct reading {
    struct json json;
    struct arena arena; /* unescaped names; freed with the reading */
    const struct model *model;
    struct description *description;
    const char *headline;
    size_t count_of[QUANT_COUNT]; /* entries of each enum quant_type */
    struct map keys;              /* names seen: duplicates are refused */
};

static enum status unsupported_type(const struct reading *reading, const char *tensor, const struct json_token *value, struct err *err)
{
    (void)err_set(err, STATUS_UNSUPPORTED, reading->description->where, "found type %.*s for %s, expected FLOAT, W4A16, W8A16, W8A8 or W8A8_DYNAMIC",
                  (int)value->text.size, value->text.data, tensor);
    return err_try(err, "msModelSlim's W4A16, W8A16, W8A8 and W8A8_DYNAMIC checkpoints can be converted");
}

static enum status take_entry(struct reading *reading, const struct json_token *key, const struct json_token *value, struct err *err)
{
    const char *name;
    size_t size;
    uint32_t before;
    enum quant_type type;
    TRY(json_string(&reading->json, key, &reading->arena, &name, &size, err));
    TRY(map_add(&reading->keys, (struct slice){name, size}, 0, &before, err));
    if (before != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, reading->description->where, "found \"%s\" twice", name);
    if (value->kind != JSON_STRING)
        return err_set(err, STATUS_CORRUPT, reading->description->where, "found a value of \"%s\" that is no string, expected a quantization type", name);
    if (!find_type(value, &type))
        return unsupported_type(reading, name, value, err);
    const uint32_t tensor = model_find(reading->model, (struct slice){name, size});
    if (tensor == MODEL_NONE) {
        (void)err_set(err, STATUS_CORRUPT, reading->description->where, "found %s, which no weight file holds (R-INCOMPLETE)", name);
        return err_try(err, "fetch the checkpoint again: a shard may be missing");
    }
    reading->description->type[tensor] = (uint8_t)type;
    reading->count_of[type]++;
    return STATUS_OK;
}

static enum status take_version(struct reading *reading, const struct json_token *value, struct err *err)
{
    if (json_token_is(value, "1.0.0")) {
        reading->description->packed = true;
        return STATUS_OK;
    }
    if (value->kind == JSON_STRING && json_token_is(value, "0.0.0"))
        return STATUS_OK;
    return err_set(err, STATUS_UNSUPPORTED, reading->description->where, "found version %.*s, expected \"1.0.0\", \"0.0.0\" or none", (int)value->text.size,
                   value->text.data);
}

static enum status take_group_size(struct reading *reading, const struct json_token *value, struct err *err)
{
    uint64_t group;
    if (value->kind == JSON_NULL)
        return STATUS_OK;
    if (value->kind != JSON_NUMBER || !slice_u64(value->text, &group) || group > INT32_MAX)
        return err_set(err, STATUS_CORRUPT, reading->description->where, "found group_size %.*s, expected a non-negative integer", (int)value->text.size,
                       value->text.data);
    reading->description->group_size = (int64_t)group;
    return STATUS_OK;
}

/* metadata and optional are {} or name the rotations that the run time must apply. */
static enum status take_nested(struct reading *reading, const struct json_token *first, struct err *err)
{
    struct json inside = reading->json;
    struct json_token token = *first;
    const unsigned depth = inside.depth;
    while (first->kind == JSON_OBJECT && inside.depth >= depth && token.kind != JSON_END) {
        TRY(json_next(&inside, &token, err));
        reading->description->rotated = reading->description->rotated || (token.kind == JSON_KEY && json_token_is(&token, "quarot"));
    }
    return json_skip(&reading->json, first, err);
}

static enum status take_reserved(struct reading *reading, const struct json_token *key, const struct json_token *value, struct err *err)
{
    if (json_token_is(key, "version"))
        return take_version(reading, value, err);
    if (json_token_is(key, "group_size"))
        return take_group_size(reading, value, err);
    if (json_token_is(key, "metadata") || json_token_is(key, "optional"))
        return take_nested(reading, value, err);
    if (json_token_is(key, "model_quant_type") && value->kind == JSON_STRING)
        return json_string(&reading->json, value, &reading->arena, &reading->headline, NULL, err);
    const bool cache = json_token_is(key, "kv_cache_type") || json_token_is(key, "kv_quant_type") || json_token_is(key, "fa_quant_type");
    if (cache && value->kind != JSON_NULL && !(value->kind == JSON_STRING && json_token_is(value, "")))
        return err_set(err, STATUS_UNSUPPORTED, reading->description->where, "found %.*s %.*s: a quantized cache is not read", (int)key->text.size,
                       key->text.data, (int)value->text.size, value->text.data);
    return json_skip(&reading->json, value, err);
}

/* The headline names the type of some weight; another one belongs to another checkpoint. */
static enum status check_headline(const struct reading *reading, struct err *err)
{
    if (reading->headline == NULL)
        return STATUS_OK;
    const char *listed = NULL;
    for (enum quant_type type = QUANT_W4A16; type < QUANT_COUNT; type++)
        listed = listed == NULL && reading->count_of[type] > 0 ? description_type_name(type) : listed;
    for (enum quant_type type = QUANT_W4A16; type < QUANT_COUNT && listed != NULL; type++) {
        if (strcmp(reading->headline, description_type_name(type)) != 0 || reading->count_of[type] > 0)
            continue;
        return err_set(err, STATUS_CORRUPT, reading->description->where, "found model_quant_type %s, but quantized tensors are listed as %s",
                       reading->headline, listed);
    }
    return STATUS_OK;
}

static enum status scan(struct reading *reading, struct err *err)
{
    struct json_token key, value;
    TRY(json_expect(&reading->json, JSON_OBJECT, &key, err));
    for (;;) {
        TRY(json_next(&reading->json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            break;
        TRY(json_next(&reading->json, &value, err));
        TRY(is_reserved(&key) ? take_reserved(reading, &key, &value, err) : take_entry(reading, &key, &value, err));
    }
    TRY(json_expect(&reading->json, JSON_END, &key, err));
    return check_headline(reading, err);
}

enum status description_read_file(const struct file_ops *ops, const char *path, const struct model *model, struct description *description, struct err *err)
{
    struct text text = {0};
    *description = (struct description){.where = path};
    description->type = mem_alloc(model->tensor_count + 1, sizeof *description->type, err);
    if (description->type == NULL)
        return STATUS_LIMIT;
    enum status status = file_slurp(ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &text, err);
    if (status == STATUS_OK) {
        struct reading reading = {.json = json_over(path, (struct slice){text.data, text.size}), .model = model, .description = description};
        status = scan(&reading, err);
        map_free(&reading.keys);
        arena_free(&reading.arena);
    }
    text_free(&text);
    return status;
}

enum status description_read(struct source *source, const char *name, const struct model *model, struct description *description, struct err *err)
{
    const char *path = source_path(source, name, err);
    if (path == NULL)
        return STATUS_LIMIT;
    return description_read_file(source->ops, path, model, description, err);
}

void description_free(struct description *description)
{
    free(description->type);
    description->type = NULL;
}
