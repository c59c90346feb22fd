#include "formats/ctconfig.h"

#include <stdlib.h>
#include <string.h>

#define PATTERNS_MAX 1024 /* each may be held against every module */

static const char WHERE[] = "config.json";

static enum status wrong(const char *scheme, const char *member, const char *expected, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, WHERE, "found a wrong value of \"%s\" in %s, expected %s", member, scheme, expected);
}

static enum status unsupported(const char *what, struct err *err)
{
    return err_set(err, STATUS_UNSUPPORTED, WHERE, "found %s in quantization_config, which this version does not read", what);
}

static bool given(const struct jsondoc *value)
{
    return value != NULL && jsondoc_kind(value) != JSONDOC_NULL;
}

/* --- kinds of members ------------------------------------------------------------------------------------------------------------ */

#define KIND(kind) (1u << JSONDOC_##kind)
struct member {
    const char *name;
    unsigned kinds; /* null is always taken and counts as absent */
    const char *expected;
};

static const struct member config_member[] = {
    {"format", KIND(STRING), "a string"},
    {"quantization_status", KIND(STRING), "a string"},
    {"version", KIND(STRING), "a version such as 0.18.0"},
    {"kv_cache_scheme", KIND(OBJECT), "an object or null"},
    {"global_compression_ratio", KIND(NUMBER), "a number or null"},
    {"sparsity_config", KIND(OBJECT), "an object"},
    {"transform_config", KIND(OBJECT), "an object"},
};
static const struct member args_member[] = {
    {"type", KIND(STRING), "int or float"},
    {"strategy", KIND(STRING), "a string"},
    {"symmetric", KIND(BOOL), "true or false"},
    {"dynamic", KIND(BOOL) | KIND(STRING), "true, false or \"local\""},
    {"actorder", KIND(BOOL) | KIND(STRING), "group, weight or null"},
    {"block_structure", KIND(ARRAY) | KIND(STRING), "two integers"},
    {"observer", KIND(STRING), "a string"},
    {"observer_kwargs", KIND(OBJECT), "an object"},
    {"scale_dtype", KIND(STRING), "a string"},
    {"zp_dtype", KIND(STRING), "a string"},
};

static enum status check_kinds(const struct jsondoc *object, const char *scheme, const struct member *member, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct jsondoc *value = jsondoc_get(object, member[i].name);
        if (given(value) && !(member[i].kinds >> jsondoc_kind(value) & 1))
            return wrong(scheme, member[i].name, member[i].expected, err);
    }
    return STATUS_OK;
}

/* True if text is one of the names, which NULL ends. */
static bool one_of(const char *text, const char *const *names)
{
    while (*names != NULL && strcmp(text, *names) != 0)
        names++;
    return *names != NULL;
}

/* --- arguments of one scheme --------------------------------------------------------------------------------------------------- */

/* QuantizationArgs: of weights, or of activations. */
struct args {
    int64_t bits, group; /* group 0: not stated */
    bool floats, symmetric, dynamic, local;
    const char *strategy; /* NULL: not stated */
};

static enum status take_args(const struct jsondoc *object, const char *member, const char *scheme, struct args *args, struct err *err)
{
    static const char *const strategies[] = {"tensor", "channel", "group", "block", "token", "tensor_group", "attn_head", NULL};
    static const char *const orders[] = {"group", "weight", "dynamic", "static", NULL};
    const struct jsondoc *bits = jsondoc_get(object, "num_bits"), *group = jsondoc_get(object, "group_size");
    const char *type = jsondoc_string(jsondoc_get(object, "type")), *order = jsondoc_string(jsondoc_get(object, "actorder"));
    const char *dynamic = jsondoc_string(jsondoc_get(object, "dynamic"));
    *args = (struct args){.bits = 8, .symmetric = true, .strategy = jsondoc_string(jsondoc_get(object, "strategy"))};
    if (jsondoc_kind(object) != JSONDOC_OBJECT)
        return wrong(scheme, member, "an object", err);
    TRY(check_kinds(object, scheme, args_member, sizeof args_member / sizeof args_member[0], err));
    if (given(bits) && (!jsondoc_int(bits, &args->bits) || args->bits < 1 || args->bits > 32))
        return wrong(scheme, "num_bits", "an integer from 1 to 32", err);
    if (given(group) && (!jsondoc_int(group, &args->group) || args->group < -1 || args->group == 0 || args->group > INT32_MAX))
        return wrong(scheme, "group_size", "-1 or a positive integer", err);
    if (type != NULL && strcmp(type, "int") != 0 && strcmp(type, "float") != 0)
        return wrong(scheme, "type", "int or float", err);
    if (args->strategy != NULL && !one_of(args->strategy, strategies))
        return wrong(scheme, "strategy", "tensor, channel, group, block, token, tensor_group or attn_head", err);
    if (order != NULL && !one_of(order, orders))
        return wrong(scheme, "actorder", "group, weight or null", err);
    if (dynamic != NULL && strcmp(dynamic, "local") != 0)
        return wrong(scheme, "dynamic", "true, false or \"local\"", err);
    args->floats = type != NULL && strcmp(type, "float") == 0;
    args->local = dynamic != NULL;
    (void)jsondoc_bool(jsondoc_get(object, "symmetric"), &args->symmetric);
    (void)jsondoc_bool(jsondoc_get(object, "dynamic"), &args->dynamic);
    return STATUS_OK;
}

/* [rows, columns], or the older "128x128". */
static enum status take_block(const struct jsondoc *weights, struct ct_scheme *scheme, struct err *err)
{
    const struct jsondoc *block = jsondoc_get(weights, "block_structure"), *first = jsondoc_first(block),
                         *second = first == NULL ? NULL : jsondoc_next(first);
    const char *text = jsondoc_string(block), *cross = text == NULL ? NULL : strchr(text, 'x');
    uint64_t rows, columns;
    bool read = jsondoc_int(first, &scheme->block[0]) && jsondoc_int(second, &scheme->block[1]) && jsondoc_next(second) == NULL;
    if (cross != NULL && slice_u64((struct slice){text, (size_t)(cross - text)}, &rows) && slice_u64(slice_of(cross + 1), &columns)) {
        read = true;
        scheme->block[0] = rows <= INT32_MAX ? (int64_t)rows : 0;
        scheme->block[1] = columns <= INT32_MAX ? (int64_t)columns : 0;
    }
    read = read && scheme->block[0] > 0 && scheme->block[0] <= INT32_MAX && scheme->block[1] > 0 && scheme->block[1] <= INT32_MAX;
    return read ? STATUS_OK : wrong(scheme->name, "block_structure", "two positive integers", err);
}

static enum status take_strategy(const struct args *weights, struct ct_scheme *scheme, struct err *err)
{
    static const char *const names[] = {"tensor", "channel", "group", "block"}; /* enum ct_strategy */
    scheme->group = weights->group;
    scheme->strategy = weights->group > 0 ? CT_GROUP : weights->group == -1 ? CT_CHANNEL : CT_TENSOR;
    if (weights->strategy == NULL)
        return STATUS_OK;
    size_t found = 0;
    while (found < sizeof names / sizeof names[0] && strcmp(weights->strategy, names[found]) != 0)
        found++;
    const bool floats = weights->floats && strcmp(weights->strategy, "tensor_group") == 0; /* of NVFP4 */
    if (found == sizeof names / sizeof names[0] && !floats)
        return wrong(scheme->name, "strategy", "tensor, channel, group or block", err);
    scheme->strategy = floats ? CT_GROUP : (enum ct_strategy)found;
    if ((scheme->strategy == CT_GROUP) != (weights->group > 0))
        return wrong(scheme->name, "group_size", "a positive integer with strategy group, and only there", err);
    return STATUS_OK;
}

static enum status take_weights(const struct jsondoc *object, struct ct_scheme *scheme, struct err *err)
{
    struct args weights;
    TRY(take_args(object, "weights", scheme->name, &weights, err));
    if (weights.bits > 8)
        return unsupported("weights of more than 8 bits", err);
    if (weights.dynamic || weights.local)
        return unsupported("weights with scales of the run time (\"dynamic\")", err);
    scheme->bits = (unsigned)weights.bits;
    scheme->floats = weights.floats;
    scheme->symmetric = weights.symmetric;
    TRY(take_strategy(&weights, scheme, err));
    return scheme->strategy == CT_BLOCK ? take_block(object, scheme, err) : STATUS_OK;
}

bool ctconfig_is_mxfp4(const struct ct_scheme *scheme)
{
    return scheme->floats && scheme->bits == 4 && scheme->group == 32 && strcmp(scheme->format, "mxfp4-pack-quantized") == 0;
}

/* Integer activations of 8 bits, for each token at run time or with one scale that is stored, are a property of the weight; others change what
 * the engine computes in ways that no target here holds. */
static enum status take_activations(const struct jsondoc *group, struct ct_scheme *scheme, struct err *err)
{
    const struct jsondoc *object = jsondoc_get(group, "input_activations");
    struct args input;
    if (given(jsondoc_get(group, "output_activations")))
        return unsupported("output_activations", err);
    if (!given(object))
        return STATUS_OK;
    TRY(take_args(object, "input_activations", scheme->name, &input, err));
    scheme->activation = input.dynamic ? ACTIVATION_DYNAMIC : ACTIVATION_STATIC;
    if (ctconfig_is_mxfp4(scheme) && (!input.dynamic || !input.floats || input.bits != 4 || input.group != 32))
        return unsupported("input_activations of MXFP4 weights that are not MXFP4, dynamic", err);
    if (scheme->floats)
        return STATUS_OK;
    if (input.bits != 8 || input.floats || input.local)
        return unsupported("input_activations that are not int8", err);
    if (input.dynamic && (input.strategy == NULL || strcmp(input.strategy, "token") != 0 || !input.symmetric))
        return unsupported("dynamic input_activations that are not symmetric, one scale for each token", err);
    if (!input.dynamic && (input.group != 0 || (input.strategy != NULL && strcmp(input.strategy, "tensor") != 0)))
        return unsupported("static input_activations with more than one scale", err);
    return STATUS_OK;
}

/* --- targets ------------------------------------------------------------------------------------------------------------------- */

static enum status take_names(struct ct_names *names, const struct jsondoc *list, const char *member, uint32_t scheme, struct err *err)
{
    if (jsondoc_kind(list) != JSONDOC_ARRAY)
        return wrong("quantization_config", member, "an array", err);
    for (const struct jsondoc *value = jsondoc_first(list); value != NULL; value = jsondoc_next(value)) {
        const char *text = jsondoc_string(value);
        uint32_t before;
        if (text == NULL)
            return wrong("quantization_config", member, "strings", err);
        if (strncmp(text, "re:", 3) != 0) {
            TRY(map_add(&names->exact, slice_of(text), scheme, &before, err)); /* the first one stands */
            continue;
        }
        if (names->pattern_count == PATTERNS_MAX)
            return err_set(err, STATUS_LIMIT, WHERE, "found more than %d patterns in \"%s\"", PATTERNS_MAX, member);
        TRY(mem_grow((void **)&names->pattern, &names->pattern_capacity, names->pattern_count + 1, sizeof *names->pattern, err));
        struct ct_pattern *pattern = &names->pattern[names->pattern_count];
        *pattern = (struct ct_pattern){.scheme = scheme};
        TRY(regex_compile(&pattern->regex, slice_of(text + 3), WHERE, STATUS_CORRUPT, err));
        names->pattern_count++;
    }
    return STATUS_OK;
}

/* Exact names first, then patterns, then the class: as vLLM and compressed-tensors order them. *scheme is MAP_NONE if nothing matches. */
static enum status find_name(const struct ct_names *names, const char *module, uint32_t *scheme, struct err *err)
{
    *scheme = map_find(&names->exact, slice_of(module));
    for (size_t i = 0; *scheme == MAP_NONE && i < names->pattern_count; i++) {
        bool found;
        TRY(regex_match(names->pattern[i].regex, slice_of(module), &found, err));
        if (found)
            *scheme = names->pattern[i].scheme;
    }
    if (*scheme == MAP_NONE)
        *scheme = map_find(&names->exact, slice_of("Linear"));
    return STATUS_OK;
}

static void free_names(struct ct_names *names)
{
    for (size_t i = 0; i < names->pattern_count; i++)
        regex_free(names->pattern[i].regex);
    free(names->pattern);
    map_free(&names->exact);
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------ */

/* What a group may be compressed as; "mixed-precision" leaves it to the groups. */
static const char *const formats[] = {"pack-quantized",       "int-quantized",        "naive-quantized", "float-quantized",
                                      "nvfp4-pack-quantized", "mxfp4-pack-quantized", "mxfp8-quantized", NULL};

/* compressed-tensors writes the groups' own format at the top, or "mixed-precision" where they differ; "naive-quantized" is an older name of two. */
static enum status check_formats(const struct ct_scheme *scheme, const char *all, struct err *err)
{
    if (all == NULL || strcmp(scheme->format, all) == 0 || !one_of(all, formats) || strcmp(all, "naive-quantized") == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, WHERE, "found format \"%.60s\" of %.100s, but \"%.60s\" of all, expected the same or \"mixed-precision\" (R-CONFLICT)",
                  scheme->format, scheme->name, all);
    return err_try(err, "the config.json that was written with these weights");
}

static enum status take_group(struct ctconfig *config, const struct jsondoc *group, const char *format, struct err *err)
{
    struct ct_scheme scheme = {.name = jsondoc_name(group), .format = format};
    if (jsondoc_kind(group) != JSONDOC_OBJECT)
        return err_set(err, STATUS_UNSUPPORTED, WHERE, "found the config group \"%.100s\" as a list of targets of a preset, expected an object",
                       scheme.name);
    if (given(jsondoc_get(group, "format")))
        scheme.format = jsondoc_string(jsondoc_get(group, "format"));
    if (scheme.format == NULL)
        return wrong(scheme.name, "format", "a string", err);
    if (!one_of(scheme.format, formats))
        return err_set(err, STATUS_UNSUPPORTED, WHERE, "found format \"%.60s\" of %.100s, expected pack-quantized or int-quantized", scheme.format,
                       scheme.name);
    TRY(check_formats(&scheme, format, err));
    TRY(take_weights(jsondoc_get(group, "weights"), &scheme, err));
    TRY(take_activations(group, &scheme, err));
    TRY(mem_grow((void **)&config->scheme, &config->scheme_capacity, config->scheme_count + 1, sizeof scheme, err));
    config->scheme[config->scheme_count++] = scheme;
    if (!given(jsondoc_get(group, "targets")))
        return wrong(scheme.name, "targets", "an array", err);
    return take_names(&config->targets, jsondoc_get(group, "targets"), "targets", (uint32_t)(config->scheme_count - 1), err);
}

/* A transform at run time means that the weights stand in another basis; a sparsity, that some are not stored. */
static enum status refuse_extras(const struct jsondoc *config, struct err *err)
{
    if (given(jsondoc_get(config, "kv_cache_scheme")))
        return unsupported("a kv_cache_scheme (quantized key-value cache)", err);
    const struct jsondoc *transform = jsondoc_get(config, "transform_config"), *sparsity = jsondoc_get(config, "sparsity_config");
    if (jsondoc_first(jsondoc_get(transform, "config_groups")) != NULL)
        return unsupported("a transform_config (R-ROT)", err);
    const char *format = jsondoc_string(jsondoc_get(sparsity, "format"));
    if (format != NULL && strcmp(format, "dense") != 0)
        return unsupported("a sparsity_config", err);
    return STATUS_OK;
}

/* "0.18.0", "0.18.0.dev1", "0.18rc1": two numbers at least, and what follows. */
static bool take_version(const char *text, unsigned version[3])
{
    for (size_t part = 0; part < 3; part++, text++) {
        size_t digits = 0;
        for (; *text >= '0' && *text <= '9'; text++) {
            if (digits++ == 9)
                return false;
            version[part] = version[part] * 10 + (unsigned)(*text - '0');
        }
        if (digits == 0 || *text != '.')
            return part >= 1 && (digits > 0 || part == 2);
    }
    return true;
}

enum status ctconfig_read(struct source *source, struct ctconfig *config, struct err *err)
{
    const struct jsondoc *stated = source_quantization(source);
    const struct jsondoc *groups = jsondoc_get(stated, "config_groups");
    const char *version = jsondoc_string(jsondoc_get(stated, "version")), *format = jsondoc_string(jsondoc_get(stated, "format"));
    TRY(check_kinds(stated, "quantization_config", config_member, sizeof config_member / sizeof config_member[0], err));
    if (version != NULL && !take_version(version, config->version))
        return wrong("quantization_config", "version", "a version such as 0.18.0", err);
    TRY(refuse_extras(stated, err));
    if (jsondoc_kind(groups) != JSONDOC_OBJECT || jsondoc_first(groups) == NULL)
        return wrong("quantization_config", "config_groups", "an object with at least one group", err);
    for (const struct jsondoc *group = jsondoc_first(groups); group != NULL; group = jsondoc_next(group))
        TRY(take_group(config, group, format, err));
    const struct jsondoc *ignore = jsondoc_get(stated, "ignore");
    return given(ignore) ? take_names(&config->ignore, ignore, "ignore", 0, err) : STATUS_OK;
}

enum status ctconfig_find(const struct ctconfig *config, const char *module, const struct ct_scheme **scheme, bool *ignored, struct err *err)
{
    uint32_t found;
    TRY(find_name(&config->ignore, module, &found, err));
    *ignored = found != MAP_NONE;
    TRY(find_name(&config->targets, module, &found, err));
    *scheme = found == MAP_NONE ? NULL : &config->scheme[found];
    return STATUS_OK;
}

void ctconfig_free(struct ctconfig *config)
{
    free_names(&config->targets);
    free_names(&config->ignore);
    free(config->scheme);
    *config = (struct ctconfig){0};
}
