#include "formats/quantconfig.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* AutoGPTQ and GPTQModel read the side files first, vLLM and transformers config.json: so all of them must say the same. */
static const char *const side_files[] = {"quantize_config.json", "quant_config.json"};

static void lower(const char *text, char *out, size_t size)
{
    size_t i = 0;
    for (; text != NULL && text[i] != '\0' && i + 1 < size; i++)
        out[i] = (char)tolower((unsigned char)text[i]);
    out[i] = '\0';
}

static bool given(const struct jsondoc *value)
{
    return value != NULL && jsondoc_kind(value) != JSONDOC_NULL;
}

/* A member under one of its two names; null counts as absent. */
static const struct jsondoc *member(const struct jsondoc *doc, const char *name, const char *synonym)
{
    const struct jsondoc *found = jsondoc_get(doc, name);
    return given(found) ? found : jsondoc_get(doc, synonym);
}

static enum status wrong(const struct quantconfig *config, const char *name, const char *expected, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, config->where, "found a wrong value of \"%s\", expected %s", name, expected);
}

static enum status take_int(const struct quantconfig *config, const struct jsondoc *value, const char *name, int64_t *out, struct err *err)
{
    if (value == NULL || jsondoc_kind(value) == JSONDOC_NULL)
        return STATUS_OK;
    return jsondoc_int(value, out) ? STATUS_OK : wrong(config, name, "an integer", err);
}

static enum status take_bool(const struct quantconfig *config, const struct jsondoc *doc, const char *name, int *out, struct err *err)
{
    const struct jsondoc *value = jsondoc_get(doc, name);
    bool flag;
    if (value == NULL || jsondoc_kind(value) == JSONDOC_NULL)
        return STATUS_OK;
    if (!jsondoc_bool(value, &flag))
        return wrong(config, name, "true or false", err);
    *out = flag;
    return STATUS_OK;
}

static enum status take_string(const struct quantconfig *config, const struct jsondoc *value, const char *name, char *out, size_t size,
                               struct err *err)
{
    if (value == NULL || jsondoc_kind(value) == JSONDOC_NULL)
        return STATUS_OK;
    if (jsondoc_string(value) == NULL)
        return wrong(config, name, "a string", err);
    lower(jsondoc_string(value), out, size);
    return STATUS_OK;
}

/* An array of strings, or of such arrays, that only informs: which weights are quantized shows in the tensors. Its kind is checked all the same. */
static enum status check_names(const struct quantconfig *config, const struct jsondoc *doc, const char *name, bool nested, struct err *err)
{
    const struct jsondoc *value = jsondoc_get(doc, name);
    bool right = !given(value) || jsondoc_kind(value) == JSONDOC_ARRAY;
    for (const struct jsondoc *item = right ? jsondoc_first(value) : NULL; item != NULL; item = jsondoc_next(item)) {
        right = right && (nested ? jsondoc_kind(item) == JSONDOC_ARRAY : jsondoc_string(item) != NULL);
        for (const struct jsondoc *leaf = nested && right ? jsondoc_first(item) : NULL; leaf != NULL; leaf = jsondoc_next(leaf))
            right = right && jsondoc_string(leaf) != NULL;
    }
    return right ? STATUS_OK : wrong(config, name, nested ? "arrays of names" : "an array of names", err);
}

static enum status check_informative(const struct quantconfig *config, const struct jsondoc *doc, struct err *err)
{
    int ignored = 0;
    if (strcmp(config->method, "awq") == 0)
        return check_names(config, doc, "modules_to_not_convert", false, err);
    TRY(take_bool(config, doc, "lm_head", &ignored, err));
    if (given(jsondoc_get(doc, "meta")) && jsondoc_kind(jsondoc_get(doc, "meta")) != JSONDOC_OBJECT)
        return wrong(config, "meta", "an object", err);
    return check_names(config, doc, "modules_in_block_to_quantize", true, err);
}

static bool mentions(const struct jsondoc *value, const char *word)
{
    char text[64];
    if (jsondoc_string(value) != NULL) {
        lower(jsondoc_string(value), text, sizeof text);
        return strncmp(text, word, strlen(word)) == 0;
    }
    for (const struct jsondoc *child = jsondoc_first(value); child != NULL; child = jsondoc_next(child)) {
        lower(jsondoc_string(child), text, sizeof text);
        if (strncmp(text, word, strlen(word)) == 0)
            return true;
    }
    return false;
}

/* Who wrote it decides how a v1 zero of 0 was stored (formats/gptq.md section 4, decode rule 2). */
static bool shifts_words(const struct jsondoc *doc)
{
    const struct jsondoc *meta = jsondoc_get(doc, "meta");
    return mentions(jsondoc_get(meta, "quantizer"), "gptqmodel:") || mentions(jsondoc_get(meta, "quantizer"), "auto-round") ||
           mentions(jsondoc_get(doc, "provider"), "auto-round") || jsondoc_get(doc, "autoround_version") != NULL;
}

/* The layout has up to three names in files of different ages; those that are there must agree. */
static enum status take_layout(const struct jsondoc *doc, struct quantconfig *config, struct err *err)
{
    static const char *const names[] = {"checkpoint_format", "format", "version"};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char layout[sizeof config->layout] = "";
        TRY(take_string(config, jsondoc_get(doc, names[i]), names[i], layout, sizeof layout, err));
        if (layout[0] == '\0')
            continue;
        if (first != NULL && strcmp(layout, config->layout) != 0)
            return err_set(err, STATUS_CORRUPT, config->where, "found %s \"%s\" and %s \"%s\", expected the same (R-CONFLICT)", first, config->layout, names[i],
                           layout);
        first = first == NULL ? names[i] : first;
        memcpy(config->layout, layout, sizeof layout);
    }
    return STATUS_OK;
}

static enum status take(const struct jsondoc *doc, const char *where, struct quantconfig *config, struct err *err)
{
    *config = (struct quantconfig){.symmetric = -1, .zero_point = -1, .act_order = -1};
    (void)snprintf(config->where, sizeof config->where, "%s", where);
    char pack[32] = "";
    TRY(take_string(config, jsondoc_get(doc, "quant_method"), "quant_method", config->method, sizeof config->method, err));
    TRY(take_layout(doc, config, err));
    lower(jsondoc_string(jsondoc_get(doc, "backend")), config->backend, sizeof config->backend);
    TRY(take_int(config, member(doc, "bits", "w_bit"), "bits", &config->bits, err));
    TRY(take_int(config, member(doc, "group_size", "q_group_size"), "group_size", &config->group, err));
    TRY(take_bool(config, doc, "sym", &config->symmetric, err));
    TRY(take_bool(config, doc, "zero_point", &config->zero_point, err));
    TRY(take_bool(config, doc, "desc_act", &config->act_order, err));
    TRY(take_string(config, jsondoc_get(doc, "pack_dtype"), "pack_dtype", pack, sizeof pack, err));
    TRY(check_informative(config, doc, err));
    if (config->group < -1 || config->group > INT32_MAX)
        return wrong(config, "group_size", "-1 or a positive integer", err);
    if (config->bits < 0 || config->bits > 32)
        return wrong(config, "bits", "an integer from 1 to 32", err);
    config->dynamic = jsondoc_first(jsondoc_get(doc, "dynamic")) != NULL;
    config->word_add = shifts_words(doc);
    const struct jsondoc *rotation = jsondoc_get(doc, "rotation");
    config->rotated = rotation != NULL && jsondoc_kind(rotation) != JSONDOC_NULL;
    config->other_pack = pack[0] != '\0' && strcmp(pack, "int32") != 0;
    return STATUS_OK;
}

bool quantconfig_peek(const struct source *source, const char *method, struct quantconfig *config)
{
    const struct jsondoc *main = source_quantization(source);
    if (main != NULL) { /* whose it is shows even where another member is wrong: then its reader says so */
        const enum status ignored = take(main, "config.json", config, NULL);
        (void)ignored;
        return strcmp(config->method, method) == 0;
    }
    for (size_t i = 0; i < sizeof side_files / sizeof side_files[0]; i++) {
        struct source view = *source; /* a probe keeps nothing: the path it makes dies with its own arena */
        struct jsondoc *doc = NULL;
        view.arena = (struct arena){0};
        bool named = false;
        if (source_document(&view, side_files[i], &doc, NULL) == STATUS_OK && doc != NULL && take(doc, side_files[i], config, NULL) == STATUS_OK) {
            /* AutoAWQ's quant_config.json and old quantize_config.json files name no method: their own keys tell. */
            const bool awq = jsondoc_get(doc, "w_bit") != NULL || jsondoc_get(doc, "zero_point") != NULL;
            named = config->method[0] != '\0' ? strcmp(config->method, method) == 0 : strcmp(method, awq ? "awq" : "gptq") == 0;
        }
        jsondoc_free(doc);
        arena_free(&view.arena);
        if (named)
            return true;
    }
    return false;
}

bool quantconfig_unnamed(const struct source *source, struct bid *bid)
{
    const struct jsondoc *main = source_quantization(source);
    const bool named = given(jsondoc_get(main, "quant_method")) || given(jsondoc_get(source->document, "quantization"));
    if (main == NULL || named || !given(member(main, "bits", "w_bit")))
        return false;
    *bid = (struct bid){.score = BID_ASKED};
    (void)snprintf(bid->evidence, sizeof bid->evidence, "config.json: a quantization_config without quant_method");
    return true;
}

static enum status conflict(const struct quantconfig *a, const struct quantconfig *b, const char *member_name, struct err *err)
{
    (void)err_set(err, STATUS_CORRUPT, b->where, "found another \"%s\" than in %s, expected the same (R-CONFLICT)", member_name, a->where);
    return err_try(err, "remove the file that does not belong to these weights");
}

static const char *layout_or_default(const struct quantconfig *config)
{
    return config->layout[0] == '\0' ? "gptq" : config->layout;
}

static enum status agree(const struct quantconfig *a, const struct quantconfig *b, bool gptq, struct err *err)
{
    if (a->bits != b->bits)
        return conflict(a, b, "bits", err);
    if (a->group != b->group)
        return conflict(a, b, "group_size", err);
    if (a->symmetric >= 0 && b->symmetric >= 0 && a->symmetric != b->symmetric)
        return conflict(a, b, "sym", err);
    if (!gptq && a->zero_point >= 0 && b->zero_point >= 0 && a->zero_point != b->zero_point)
        return conflict(a, b, "zero_point", err);
    if (a->act_order >= 0 && b->act_order >= 0 && a->act_order != b->act_order)
        return conflict(a, b, "desc_act", err);
    if (a->method[0] != '\0' && b->method[0] != '\0' && strcmp(a->method, b->method) != 0)
        return conflict(a, b, "quant_method", err);
    if (a->rotated != b->rotated)
        return conflict(a, b, "rotation", err);
    if (a->other_pack != b->other_pack)
        return conflict(a, b, "pack_dtype", err);
    if (gptq && strcmp(layout_or_default(a), layout_or_default(b)) != 0)
        return conflict(a, b, "checkpoint_format", err);
    if (!gptq && a->layout[0] != '\0' && b->layout[0] != '\0' && strcmp(a->layout, b->layout) != 0)
        return conflict(a, b, "version", err);
    return STATUS_OK;
}

enum status quantconfig_read(struct source *source, const char *method, struct quantconfig *config, struct err *err)
{
    const struct jsondoc *main = source_quantization(source);
    const struct jsondoc *stated = jsondoc_get(source->document, "quantization_config");
    *config = (struct quantconfig){.symmetric = -1, .zero_point = -1, .act_order = -1};
    if (given(stated) && jsondoc_kind(stated) != JSONDOC_OBJECT)
        return err_set(err, STATUS_CORRUPT, "config.json", "found a quantization_config that is no object");
    if (main != NULL)
        TRY(take(main, "config.json", config, err));
    for (size_t i = 0; i < sizeof side_files / sizeof side_files[0]; i++) {
        struct jsondoc *doc;
        struct quantconfig side;
        TRY(source_document(source, side_files[i], &doc, err));
        if (doc == NULL)
            continue;
        const enum status status = take(doc, side_files[i], &side, err);
        jsondoc_free(doc);
        TRY(status);
        if (config->where[0] == '\0')
            *config = side;
        else
            TRY(agree(config, &side, strcmp(method, "gptq") == 0, err));
    }
    if (config->bits == 0)
        return wrong(config, "bits", "an integer", err);
    if (config->group == 0)
        return wrong(config, "group_size", "-1 or a positive integer", err);
    return STATUS_OK;
}
