#include "formats/ctconfig.h"

#include <stdio.h>
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

/* --- arguments of one scheme --------------------------------------------------------------------------------------------------- */

static enum status take_strategy(const struct jsondoc *weights, struct ct_scheme *scheme, struct err *err)
{
    static const char *const names[] = {"tensor", "channel", "group", "block"};
    const struct jsondoc *group = jsondoc_get(weights, "group_size"), *strategy = jsondoc_get(weights, "strategy");
    if (given(group) && (!jsondoc_int(group, &scheme->group) || scheme->group < -1 || scheme->group == 0))
        return wrong(scheme->name, "group_size", "-1 or a positive integer", err);
    scheme->strategy = scheme->group > 0 ? CT_GROUP : scheme->group == -1 ? CT_CHANNEL : CT_TENSOR;
    if (!given(strategy))
        return STATUS_OK;
    const char *text = jsondoc_string(strategy);
    for (size_t i = 0; text != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        scheme->strategy = (enum ct_strategy)i;
        if ((scheme->strategy == CT_GROUP) != (scheme->group > 0))
            return wrong(scheme->name, "group_size", "a positive integer with strategy group, and only there", err);
        return STATUS_OK;
    }
    if (text != NULL && scheme->floats) /* tensor_group of NVFP4 */
        return STATUS_OK;
    return wrong(scheme->name, "strategy", "tensor, channel, group or block", err);
}

/* [rows, columns], or the older "128x128". */
static enum status take_block(const struct jsondoc *weights, struct ct_scheme *scheme, struct err *err)
{
    const struct jsondoc *block = jsondoc_get(weights, "block_structure"), *first = jsondoc_first(block), *second = first == NULL ? NULL : jsondoc_next(first);
    const char *text = jsondoc_string(block);
    unsigned rows, columns;
    if (text != NULL && sscanf(text, "%9ux%9u", &rows, &columns) == 2) {
        scheme->block[0] = rows;
        scheme->block[1] = columns;
    } else if (!jsondoc_int(first, &scheme->block[0]) || !jsondoc_int(second, &scheme->block[1]) || jsondoc_next(second) != NULL) {
        return wrong(scheme->name, "block_structure", "two positive integers", err);
    }
    return scheme->block[0] > 0 && scheme->block[1] > 0 ? STATUS_OK : wrong(scheme->name, "block_structure", "two positive integers", err);
}

static enum status take_weights(const struct jsondoc *weights, struct ct_scheme *scheme, struct err *err)
{
    const struct jsondoc *bits = jsondoc_get(weights, "num_bits"), *type = jsondoc_get(weights, "type"), *symmetric = jsondoc_get(weights, "symmetric");
    int64_t value = 8;
    if (!given(weights) || jsondoc_kind(weights) != JSONDOC_OBJECT)
        return wrong(scheme->name, "weights", "an object", err);
    if (given(bits) && (!jsondoc_int(bits, &value) || value < 1 || value > 32))
        return wrong(scheme->name, "num_bits", "an integer from 1 to 32", err);
    scheme->bits = (unsigned)value;
    if (given(type) && (jsondoc_string(type) == NULL || (strcmp(jsondoc_string(type), "int") != 0 && strcmp(jsondoc_string(type), "float") != 0)))
        return wrong(scheme->name, "type", "int or float", err);
    scheme->floats = given(type) && strcmp(jsondoc_string(type), "float") == 0;
    scheme->symmetric = true;
    if (given(symmetric) && !jsondoc_bool(symmetric, &scheme->symmetric))
        return wrong(scheme->name, "symmetric", "true or false", err);
    TRY(take_strategy(weights, scheme, err));
    return scheme->strategy == CT_BLOCK ? take_block(weights, scheme, err) : STATUS_OK;
}

/* Integer activations of 8 bits are a property of the weight; others change what the engine computes in ways that no target here holds. */
static enum status take_activations(const struct jsondoc *group, struct ct_scheme *scheme, struct err *err)
{
    const struct jsondoc *input = jsondoc_get(group, "input_activations"), *dynamic = jsondoc_get(input, "dynamic"), *type = jsondoc_get(input, "type");
    bool is_dynamic = false;
    int64_t bits = 8;
    if (given(jsondoc_get(group, "output_activations")))
        return unsupported("output_activations", err);
    if (!given(input))
        return STATUS_OK;
    if (jsondoc_kind(input) != JSONDOC_OBJECT)
        return wrong(scheme->name, "input_activations", "an object or null", err);
    if (given(jsondoc_get(input, "num_bits")) && !jsondoc_int(jsondoc_get(input, "num_bits"), &bits))
        return wrong(scheme->name, "num_bits", "an integer", err);
    if (given(dynamic) && !jsondoc_bool(dynamic, &is_dynamic) && jsondoc_string(dynamic) == NULL)
        return wrong(scheme->name, "dynamic", "true, false or \"local\"", err);
    if (!scheme->floats && (bits != 8 || (jsondoc_string(type) != NULL && strcmp(jsondoc_string(type), "int") != 0)))
        return unsupported("input_activations that are not int8", err);
    scheme->activation = is_dynamic ? ACTIVATION_DYNAMIC : ACTIVATION_STATIC;
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

/* *scheme is MAP_NONE if nothing matches. */
static enum status find_name(const struct ct_names *names, const char *module, uint32_t *scheme, struct err *err)
{
    *scheme = map_find(&names->exact, slice_of(module));
    for (size_t i = 0; *scheme == MAP_NONE && i < names->pattern_count; i++) {
        bool found;
        TRY(regex_match(names->pattern[i].regex, slice_of(module), &found, err));
        if (found)
            *scheme = names->pattern[i].scheme;
    }
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
    const struct jsondoc *transform = jsondoc_get(config, "transform_config"), *sparsity = jsondoc_get(config, "sparsity_config");
    if (jsondoc_first(jsondoc_get(transform, "config_groups")) != NULL)
        return unsupported("a transform_config (R-ROT)", err);
    const char *format = jsondoc_string(jsondoc_get(sparsity, "format"));
    if (format != NULL && strcmp(format, "dense") != 0)
        return unsupported("a sparsity_config", err);
    return STATUS_OK;
}

enum status ctconfig_read(struct source *source, struct ctconfig *config, struct err *err)
{
    const struct jsondoc *stated = source_quantization(source);
    const struct jsondoc *groups = jsondoc_get(stated, "config_groups");
    const char *version = jsondoc_string(jsondoc_get(stated, "version")), *format = jsondoc_string(jsondoc_get(stated, "format"));
    if (version != NULL && sscanf(version, "%u.%u.%u", &config->version[0], &config->version[1], &config->version[2]) < 2)
        return wrong("quantization_config", "version", "a version such as 0.18.0", err);
    TRY(refuse_extras(stated, err));
    if (groups == NULL || jsondoc_kind(groups) != JSONDOC_OBJECT || jsondoc_first(groups) == NULL)
        return wrong("quantization_config", "config_groups", "an object with at least one group", err);
    for (const struct jsondoc *group = jsondoc_first(groups); group != NULL; group = jsondoc_next(group))
        TRY(take_group(config, group, format, err));
    const struct jsondoc *ignore = jsondoc_get(stated, "ignore");
    return given(ignore) ? take_names(&config->ignore, ignore, "ignore", 0, err) : STATUS_OK;
}

/* Exact names first, then patterns, then the class: as vLLM and compressed-tensors order them. */
enum status ctconfig_find(const struct ctconfig *config, const char *module, const struct ct_scheme **scheme, bool *ignored, struct err *err)
{
    uint32_t found;
    TRY(find_name(&config->ignore, module, &found, err));
    *ignored = found != MAP_NONE;
    TRY(find_name(&config->targets, module, &found, err));
    if (found == MAP_NONE)
        found = map_find(&config->targets.exact, slice_of("Linear"));
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
