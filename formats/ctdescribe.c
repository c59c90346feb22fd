#include "formats/ctdescribe.h"

#include <stdio.h>
#include <string.h>

/* MXFP4: scales are exponents, of weights and activations alike. */
static bool has_exponents(const struct scheme *scheme)
{
    return scheme->form->grid == GRID_MINIFLOAT && scheme->form->bits == 4;
}

/* How scales are shared, in the words of compressed-tensors. */
static const char *strategy_of(const struct scheme *scheme)
{
    return scheme->one ? "tensor" : scheme->rows > 0 ? "block" : scheme->group == -1 ? "channel" : "group";
}

static void describe_weights(const struct scheme *scheme, struct jsondoc *group)
{
    struct jsondoc *weights = jsondoc_add_object(group, "weights");
    jsondoc_add_int(weights, "num_bits", scheme->form->bits);
    jsondoc_add_string(weights, "type", scheme->form->grid == GRID_MINIFLOAT ? "float" : "int");
    jsondoc_add_bool(weights, "symmetric", scheme->symmetric);
    jsondoc_add_string(weights, "strategy", strategy_of(scheme));
    if (strcmp(strategy_of(scheme), "group") == 0)
        jsondoc_add_int(weights, "group_size", scheme->group);
    else
        jsondoc_add_null(weights, "group_size");
    if (scheme->rows > 0) {
        struct jsondoc *block = jsondoc_add_array(weights, "block_structure");
        jsondoc_add_u64(block, NULL, scheme->rows);
        jsondoc_add_int(block, NULL, scheme->group);
    }
    if (scheme->act_order)
        jsondoc_add_string(weights, "actorder", "group");
    else
        jsondoc_add_null(weights, "actorder");
    jsondoc_add_bool(weights, "dynamic", false);
    if (has_exponents(scheme))
        jsondoc_add_string(weights, "scale_dtype", "torch.uint8");
}

static void describe_activations(const struct scheme *scheme, struct jsondoc *group)
{
    const bool dynamic = scheme->form->activation == ACTIVATION_DYNAMIC;
    if (scheme->form->activation == ACTIVATION_NONE) {
        jsondoc_add_null(group, "input_activations");
        return;
    }
    struct jsondoc *input = jsondoc_add_object(group, "input_activations");
    const bool blocks = has_exponents(scheme) || (dynamic && scheme->rows > 0);
    jsondoc_add_int(input, "num_bits", has_exponents(scheme) ? 4 : 8);
    jsondoc_add_string(input, "type", scheme->form->grid == GRID_MINIFLOAT ? "float" : "int");
    jsondoc_add_bool(input, "symmetric", !scheme->input_zero);
    jsondoc_add_string(input, "strategy", blocks ? "group" : dynamic ? "token" : "tensor");
    if (blocks)
        jsondoc_add_int(input, "group_size", scheme->group);
    jsondoc_add_bool(input, "dynamic", dynamic);
    if (has_exponents(scheme))
        jsondoc_add_string(input, "scale_dtype", "torch.uint8");
}

static void describe_group(const struct scheme *scheme, bool first, struct jsondoc *group)
{
    struct jsondoc *targets = jsondoc_add_array(group, "targets");
    if (first)
        jsondoc_add_string(targets, NULL, "Linear");
    for (size_t i = 0; !first && i < scheme->count; i++)
        jsondoc_add_string(targets, NULL, scheme->name[i]);
    describe_weights(scheme, group);
    describe_activations(scheme, group);
    jsondoc_add_null(group, "output_activations");
    jsondoc_add_string(group, "format", scheme->form->name);
}

/* The version says that fields cross words. */
void ctdescribe_config(const struct summary *summary, struct jsondoc *config)
{
    const char *format = summary->scheme[0].form->name;
    for (size_t s = 1; s < summary->scheme_count; s++)
        if (strcmp(summary->scheme[s].form->name, format) != 0)
            format = "mixed-precision";
    jsondoc_add_string(config, "quant_method", "compressed-tensors");
    jsondoc_add_string(config, "format", format);
    jsondoc_add_string(config, "quantization_status", "compressed");
    struct jsondoc *groups = jsondoc_add_object(config, "config_groups");
    for (size_t s = 0; s < summary->scheme_count; s++) {
        char name[32];
        (void)snprintf(name, sizeof name, "group_%zu", s);
        describe_group(&summary->scheme[s], s == 0, jsondoc_add_object(groups, name));
    }
    struct jsondoc *ignore = jsondoc_add_array(config, "ignore");
    bool lm_head = summary->lm_head;
    for (size_t i = 0; i < summary->dense_count; i++) {
        jsondoc_add_string(ignore, NULL, summary->dense[i]);
        lm_head = lm_head || strcmp(summary->dense[i], "lm_head") == 0;
    }
    if (!lm_head) /* tied to the embedding */
        jsondoc_add_string(ignore, NULL, "lm_head");
    jsondoc_add_null(config, "kv_cache_scheme");
    jsondoc_add_null(config, "global_compression_ratio");
    jsondoc_add_string(config, "version", summary->act_order ? "0.18.0" : "0.19.0"); /* from 0.19.0 on act-order is refused */
}
