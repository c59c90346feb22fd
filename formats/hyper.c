#include "formats/hyper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum status hyper_arch(const struct jsondoc *config, const struct arch **arch, struct err *err)
{
    const struct jsondoc *classes = jsondoc_get(config, "architectures");
    const char *name = jsondoc_string(jsondoc_first(classes));
    *arch = NULL;
    if (name == NULL) {
        (void)err_set(err, STATUS_CORRUPT, "config.json", "found no \"architectures\", which names the model's family");
        return err_try(err, "--base DIR with the config.json of the float model");
    }
    *arch = arch_of_class(name);
    if (*arch != NULL)
        return STATUS_OK;
    char known[400];
    size_t used = 0;
    for (size_t f = 0; arch_at(f) != NULL && used < sizeof known; f++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", f == 0 ? "" : ", ", arch_at(f)->classes[0]);
    (void)err_set(err, STATUS_UNSUPPORTED, "config.json", "found architecture \"%s\", whose tensors this version cannot name in GGUF", name);
    return err_try(err, "one of the families of %s", known);
}

/* The next of "a|b|c" as a string in `name`; false at the end, or if it is longer than any member. */
static bool next_member(const char **members, char name[64])
{
    const size_t size = strcspn(*members, "|");
    if (size == 0 || size >= 64)
        return false;
    const size_t mark = **members == '!';
    memcpy(name, *members + mark, size - mark);
    name[size - mark] = '\0';
    *members += size + ((*members)[size] == '|');
    return true;
}

const struct jsondoc *hyper_find(const struct jsondoc *config, const char *members)
{
    const struct jsondoc *const places[] = {jsondoc_get(config, "text_config"), config};
    char name[64];
    while (next_member(&members, name)) {
        for (size_t p = 0; p < 2; p++) {
            const struct jsondoc *found = jsondoc_get(places[p], name);
            if (found != NULL && jsondoc_kind(found) != JSONDOC_NULL)
                return found;
        }
    }
    return NULL;
}

/* hidden_size / num_attention_heads. */
static bool divide_heads(const struct arch *arch, const struct jsondoc *config, double *value)
{
    double hidden, heads;
    if (!hyper_number(arch, config, "hidden_size|n_embd|dim", &hidden) ||
        !hyper_number(arch, config, "num_attention_heads|n_head|n_heads", &heads) || heads < 1)
        return false;
    *value = floor(hidden / heads);
    return true;
}

#define KEY_HEADS "num_key_value_heads"

/* Stated, and null. */
static bool is_null(const struct jsondoc *config, const char *member)
{
    return hyper_find(config, member) == NULL && (jsondoc_get(config, member) != NULL || jsondoc_get(jsondoc_get(config, "text_config"), member) != NULL);
}

static bool find_default(const struct arch *arch, const struct jsondoc *config, const char *member, double *value)
{
    const char *type = jsondoc_string(hyper_find(config, "model_type"));
    if (strcmp(member, KEY_HEADS) == 0 && is_null(config, member)) /* as every class that takes null does, whatever its default is */
        return hyper_number(arch, config, "num_attention_heads|n_head|n_heads", value);
    for (const struct arch_default *row = arch->defaults; row != NULL && row->member != NULL; row++) {
        if (strcmp(row->member, member) != 0 || (row->type != NULL && (type == NULL || strcmp(row->type, type) != 0)))
            continue;
        *value = row->value;
        return row->like == NULL || (strcmp(row->like, "head_dim") == 0 ? divide_heads(arch, config, value) : hyper_number(arch, config, row->like, value));
    }
    return false;
}

bool hyper_number(const struct arch *arch, const struct jsondoc *config, const char *members, double *value)
{
    char name[64];
    while (next_member(&members, name)) {
        const struct jsondoc *found = hyper_find(config, name);
        if (found != NULL)
            return jsondoc_double(found, value);
        if (find_default(arch, config, name, value))
            return true;
    }
    return false;
}

bool hyper_count(const struct arch *arch, const struct jsondoc *config, const char *members, uint64_t *count)
{
    double value;
    if (!hyper_number(arch, config, members, &value) || value < 1 || value > INT32_MAX || value != floor(value))
        return false;
    *count = (uint64_t)value;
    return true;
}

bool hyper_head(const struct arch *arch, const struct jsondoc *config, uint64_t *rows)
{
    double value;
    if (hyper_count(arch, config, "head_dim", rows))
        return true;
    if (!divide_heads(arch, config, &value) || value < 1)
        return false;
    *rows = (uint64_t)value;
    return true;
}

bool hyper_scale(const struct arch *arch, const struct jsondoc *config, double *scale)
{
    uint64_t layers, rows;
    if (arch->wide_layers == 0 || !hyper_count(arch, config, "n_layers|num_hidden_layers|n_layer|num_layers", &layers))
        return false;
    if (layers == arch->wide_layers)
        return divide_heads(arch, config, scale);
    const bool found = hyper_head(arch, config, &rows);
    *scale = found ? (double)rows : 0;
    return found;
}

/* Names of one function count as one: GELU's approximations among themselves, SiLU's two names. */
static bool is_as_fixed(const struct arch_fixed *fixed, const struct jsondoc *found)
{
    const char *text = jsondoc_string(found);
    bool truth;
    if (fixed->text == NULL)
        return !jsondoc_bool(found, &truth) || truth == fixed->truth;
    return text == NULL || strncmp(text, fixed->text, 4) == 0 || (strcmp(text, "swish") == 0 && strcmp(fixed->text, "silu") == 0);
}

/* The first number that config.json says is none, where llama.cpp has one: for transformers null is a feature that is off. */
static const struct arch_default *find_none(const struct arch *arch, const struct jsondoc *config)
{
    double value;
    for (const struct arch_default *row = arch->defaults; row != NULL && row->member != NULL; row++)
        if (row->like == NULL && strcmp(row->member, KEY_HEADS) != 0 && is_null(config, row->member) && find_default(arch, config, row->member, &value))
            return row;
    return NULL;
}

/* Mistral's and Mixtral's window of attention, narrower than the context: llama.cpp's llama has none. */
static bool has_window(const struct arch *arch, const struct jsondoc *config, double *window)
{
    const char *type = jsondoc_string(hyper_find(config, "model_type"));
    double context;
    return type != NULL && (strcmp(type, "mistral") == 0 || strcmp(type, "mixtral") == 0) && jsondoc_double(hyper_find(config, "sliding_window"), window) &&
           hyper_number(arch, config, "max_position_embeddings", &context) && *window < context;
}

bool hyper_unsaid(const struct arch *arch, const struct jsondoc *config, char *words, size_t size)
{
    double stated, scale, window;
    for (const struct arch_fixed *fixed = arch->fixed; fixed != NULL && fixed->member != NULL; fixed++) {
        const struct jsondoc *found = hyper_find(config, fixed->member);
        if (found == NULL || is_as_fixed(fixed, found))
            continue;
        const char *text = jsondoc_string(found);
        (void)snprintf(words, size, "%s %.40s, and llama.cpp takes %s", fixed->member, text != NULL ? text : fixed->truth ? "false" : "true",
                       fixed->text != NULL ? fixed->text : fixed->truth ? "true" : "false");
        return true;
    }
    const struct arch_default *none = find_none(arch, config);
    if (none != NULL) {
        (void)snprintf(words, size, "%s null, and llama.cpp takes %.9g", none->member, none->value);
        return true;
    }
    if (has_window(arch, config, &window)) {
        (void)snprintf(words, size, "sliding_window %g, and llama.cpp takes none", window);
        return true;
    }
    if (!jsondoc_double(hyper_find(config, "query_pre_attn_scalar"), &stated) || !hyper_scale(arch, config, &scale) || stated == scale)
        return false;
    (void)snprintf(words, size, "query_pre_attn_scalar %g, and llama.cpp takes %g", stated, scale);
    return true;
}
