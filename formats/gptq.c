/* gptq and gptq_v2: AutoGPTQ and GPTQModel, 4 and 8 bits. Read from AutoGPTQ/AutoGPTQ:auto_gptq/nn_modules/qlinear and
 * ModelCloud/GPTQModel:gptqmodel/nn_modules/qlinear/torch.py.
 *
 *   qweight I32 [in*bits/32][out]     words along in,  lowest bits first: 4-bit word = in 7 6 5 4 3 2 1 0 (of 8r + these)
 *   qzeros  I32 [group][out*bits/32]  words along out, lowest bits first; the field is zero - 1 (gptq) or zero (gptq_v2)
 *   scales  F16 [group][out]
 *   g_idx   I32 [in]                  the group of each input column; absent means k / group_size
 *
 *   weight = (code - zero) * scale. */
#include "base/limits.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/quantconfig.h"
#include "formats/shape.h"

#include <stdio.h>
#include <string.h>

static const struct part gptq_part[] = {
    {ROLE_CODES, ".qweight", true},
    {ROLE_ZEROS, ".qzeros", true},
    {ROLE_SCALES, ".scales", true},
    {ROLE_GROUP_OF, ".g_idx", false},
};
static const struct width gptq_width[] = {{4, LAYOUT_WORD_IN4, LAYOUT_WORD_OUT4}, {8, LAYOUT_WORD_IN8, LAYOUT_WORD_OUT8}};

static bool is_v2(const struct quantconfig *config)
{
    return strcmp(config->layout, "gptq_v2") == 0;
}

static void probe(const struct source *source, bool v2, struct bid *bid)
{
    struct quantconfig config;
    if (!quantconfig_peek(source, "gptq", &config))
        return;
    bid->score = is_v2(&config) == v2 ? 90 : 40;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "%s: GPTQ, checkpoint_format \"%s\"", config.where,
                   config.layout[0] == '\0' ? "gptq" : config.layout);
}

static void gptq_probe(const struct source *source, struct bid *bid)
{
    probe(source, false, bid);
}

static void gptq_v2_probe(const struct source *source, struct bid *bid)
{
    probe(source, true, bid);
}

static enum status check_config(const struct quantconfig *config, struct err *err)
{
    const bool known = config->layout[0] == '\0' || strcmp(config->layout, "gptq") == 0 || is_v2(config);
    if (!known)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found checkpoint_format \"%s\", expected gptq or gptq_v2", config->layout);
    if (config->rotated)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found \"rotation\": the weights need a transform at run time (R-ROT)");
    if (config->other_pack)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found a pack_dtype other than int32");
    if (config->bits != 4 && config->bits != 8)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found bits %lld; GPTQ is read at 4 and 8 bits", (long long)config->bits);
    return STATUS_OK;
}

/* The width of one weight shows in its shapes: qzeros has out * bits / 32 columns. It must be the config's, unless rules change it per module. */
static enum status weight_bits(const struct model *model, const struct weight *weight, const struct quantconfig *config, unsigned *bits,
                               struct err *err)
{
    char where[700];
    const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *zeros = &model->tensor[weight->role[ROLE_ZEROS]];
    *bits = (unsigned)config->bits;
    if (codes->rank != 2 || zeros->rank != 2 || codes->shape[1] == 0 || zeros->shape[1] > codes->shape[1])
        return STATUS_OK; /* shape_from_codes says what is wrong */
    const uint64_t shown = zeros->shape[1] * 32 / codes->shape[1];
    if (shown == *bits || zeros->shape[1] * 32 % codes->shape[1] != 0)
        return STATUS_OK;
    if (!config->dynamic)
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_ZEROS], where, sizeof where),
                       "found %llu-bit shapes, but %s says bits %u", (unsigned long long)shown, config->where, *bits);
    if (shown != 4 && shown != 8)
        return err_set(err, STATUS_UNSUPPORTED, weight->name, "found %llu bits; GPTQ is read at 4 and 8 bits", (unsigned long long)shown);
    *bits = (unsigned)shown;
    return STATUS_OK;
}

static enum status bind_weight(struct model *model, struct weight *weight, const struct quantconfig *config, enum zero_rule rule, struct err *err)
{
    unsigned bits;
    int64_t group = config->group;
    TRY(weight_bits(model, weight, config, &bits, err));
    const struct width *width = &gptq_width[bits == 8];
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = (uint8_t)bits, .zero_kind = ZERO_CODES, .zero_rule = rule,
                                 .param_order = ORDER_GROUP_OUT, .codes_layout = (uint16_t)width->codes, .zeros_layout = (uint16_t)width->zeros};
    if (config->dynamic) { /* a rule may set another group size: take it from the shapes where they divide */
        const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *scales = &model->tensor[weight->role[ROLE_SCALES]];
        const uint64_t in = codes->rank == 2 ? codes->shape[0] * (32 / bits) : 0;
        if (scales->rank == 2 && scales->shape[0] > 0 && in % scales->shape[0] == 0)
            group = (int64_t)(in / scales->shape[0]);
    }
    return shape_from_codes(model, weight, group, err);
}

static enum status read_as(const struct format *format, enum zero_rule rule, const struct quantconfig *config, struct source *source,
                           struct model *model, struct err *err)
{
    TRY(check_config(config, err));
    TRY(source_tensors(source, model, err));
    TRY(shape_refuse_suffix(model, ".act.scales", "an activation scale (R-ACTSCALE)", err));
    TRY(parts_bind(format, model, err));
    for (size_t w = 0; w < model->weight_count; w++)
        TRY(bind_weight(model, &model->weight[w], config, rule, err));
    return STATUS_OK;
}

/* FIELD_MOD and WORD_ADD agree unless a field below the top of its word is all ones. Then the writer decides (gptq.md section 4); if it is not
 * known, the survey refuses such a field. */
static enum status gptq_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct quantconfig config;
    TRY(quantconfig_read(source, "gptq", &config, err));
    model->v1_decided = options->v1_rule != ZERO_PLAIN || config.word_add;
    const enum zero_rule rule = options->v1_rule != ZERO_PLAIN ? options->v1_rule : config.word_add ? ZERO_WORD_ADD : ZERO_FIELD_MOD;
    model->claim = config.symmetric == 1 && !options->format_forced ? CLAIM_SYMMETRIC : CLAIM_NONE;
    return read_as(&gptq_format, rule, &config, source, model, err);
}

static enum status gptq_v2_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct quantconfig config;
    TRY(quantconfig_read(source, "gptq", &config, err));
    model->claim = config.symmetric == 1 && !options->format_forced ? CLAIM_SYMMETRIC : CLAIM_NONE;
    return read_as(&gptq_v2_format, ZERO_PLAIN, &config, source, model, err);
}

/* prefix and "^name$": a regular expression that matches exactly this module. */
static const char *module_pattern(const char *prefix, const char *name, char pattern[2 * LIMIT_NAME_BYTES_MAX + 8])
{
    size_t used = (size_t)sprintf(pattern, "%s^", prefix);
    for (size_t i = 0; name[i] != '\0' && i < LIMIT_NAME_BYTES_MAX; i++) {
        if (strchr("\\.^$|()[]{}*+?", name[i]) != NULL)
            pattern[used++] = '\\';
        pattern[used++] = name[i];
    }
    pattern[used++] = '$';
    pattern[used] = '\0';
    return pattern;
}

static void describe(const struct summary *summary, const char *checkpoint_format, struct jsondoc *config)
{
    jsondoc_add_int(config, "bits", summary->bits);
    jsondoc_add_int(config, "group_size", summary->group);
    jsondoc_add_bool(config, "desc_act", summary->act_order);
    jsondoc_add_bool(config, "sym", summary->symmetric);
    jsondoc_add_bool(config, "lm_head", summary->lm_head);
    jsondoc_add_string(config, "quant_method", "gptq");
    jsondoc_add_string(config, "checkpoint_format", checkpoint_format);
    jsondoc_add_string(config, "pack_dtype", "int32");
    if (summary->dense_count + summary->mixed_count > 0) {
        char pattern[2 * LIMIT_NAME_BYTES_MAX + 8];
        struct jsondoc *rules = jsondoc_add_object(config, "dynamic");
        for (size_t i = 0; i < summary->dense_count; i++) /* negatives first: vLLM takes the first rule that matches */
            (void)jsondoc_add_object(rules, module_pattern("-:", summary->dense[i], pattern));
        for (size_t i = 0; i < summary->mixed_count; i++) {
            struct jsondoc *rule = jsondoc_add_object(rules, module_pattern("+:", summary->mixed[i].name, pattern));
            jsondoc_add_int(rule, "bits", summary->mixed[i].bits);
            jsondoc_add_int(rule, "group_size", summary->mixed[i].group);
        }
    }
    if (summary->block_module != NULL) {
        struct jsondoc *blocks = jsondoc_add_array(config, "modules_in_block_to_quantize");
        struct jsondoc *modules = jsondoc_add_array(blocks, NULL);
        for (size_t i = 0; i < summary->block_module_count; i++)
            jsondoc_add_string(modules, NULL, summary->block_module[i]);
    }
}

static void gptq_describe(const struct summary *summary, struct jsondoc *config)
{
    describe(summary, "gptq", config);
}

static void gptq_v2_describe(const struct summary *summary, struct jsondoc *config)
{
    describe(summary, "gptq_v2", config);
}

/* What v1 and v2 share; they differ in the zero that a field stands for. */
#define GPTQ_COMMON \
    .width = gptq_width, .width_count = 2, .part = gptq_part, .part_count = 4, .param_order = ORDER_GROUP_OUT, \
    .side_file = "quantize_config.json", .stem = "model"
#define GPTQ_CAN \
    .reads = true, .writes = true, .asymmetric = true, .act_order = true, .mixed = true, .out_warn = 32, .in_warn = 32, \
    .scale_dtypes = 1u << DTYPE_F16 | 1u << DTYPE_BF16, .warn_why = "GPTQModel's packers and the exllama and triton kernels"

const struct format gptq_format = {
    .name = "gptq",
    .title = "AutoGPTQ, v1 zero points",
    .can = {GPTQ_CAN, .zero_at_zero = false, .warn_asymmetric = "GPTQModel and current vLLM refuse asymmetric GPTQ v1 files (--to gptq_v2 or awq are taken)"},
    GPTQ_COMMON,
    .zero_rule = ZERO_FIELD_MOD,
    .probe = gptq_probe,
    .read = gptq_read,
    .describe = gptq_describe,
};

const struct format gptq_v2_format = {
    .name = "gptq_v2",
    .title = "GPTQModel, v2 zero points",
    .can = {GPTQ_CAN, .zero_at_zero = true},
    GPTQ_COMMON,
    .zero_rule = ZERO_PLAIN,
    .probe = gptq_v2_probe,
    .read = gptq_v2_read,
    .describe = gptq_v2_describe,
};
