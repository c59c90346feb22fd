/* gptq and gptq_v2: AutoGPTQ and GPTQModel, 2, 3, 4 and 8 bits. Read from AutoGPTQ/AutoGPTQ:auto_gptq/nn_modules/qlinear and
 * ModelCloud/GPTQModel:gptqmodel/nn_modules/qlinear/torch.py.
 *
 *   qweight I32 [in*bits/32][out]     words along in,  lowest bits first: 4-bit word = in 7 6 5 4 3 2 1 0 (of 8r + these)
 *   qzeros  I32 [group][out*bits/32]  words along out, lowest bits first; the field is zero - 1 (gptq) or zero (gptq_v2)
 *   scales  F16 [group][out]
 *   g_idx   I32 [in]                  the group of each input column; absent means k / group_size
 *
 *   weight = (code - zero) * scale. */
#include "base/limits.h"
#include "formats/dynamic.h"
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/quantconfig.h"
#include "formats/shape.h"

#include <stdio.h>
#include <string.h>

static const struct part gptq_part[] = {
    {ROLE_CODES, ".qweight", true, WHEN_ALWAYS, DTYPE_I32},
    {ROLE_ZEROS, ".qzeros", true, WHEN_ALWAYS, DTYPE_I32},
    {ROLE_SCALES, ".scales", true, WHEN_ALWAYS, DTYPE_NONE},
    {ROLE_GROUP_OF, ".g_idx", false, WHEN_ALWAYS, DTYPE_I32},
};
#define GPTQ_FORM(width) \
    { \
        .name = #width "-bit", .bits = width, .codes = LAYOUT_WORD_IN##width, .zeros = LAYOUT_WORD_OUT##width, .symmetric = ZERO_CODES, \
        .asymmetric = ZERO_CODES, .order = ORDER_GROUP_OUT, .part = gptq_part, .part_count = 4 \
    }
static const struct form gptq_form[] = {GPTQ_FORM(2), GPTQ_FORM(3), GPTQ_FORM(4), GPTQ_FORM(8)};

static bool is_v2(const struct quantconfig *config)
{
    return strcmp(config->layout, "gptq_v2") == 0 || strcmp(config->layout, "gptq_p") == 0; /* planar files have v2 zeros */
}

static void probe(const struct source *source, bool v2, struct bid *bid)
{
    struct quantconfig config;
    if (quantconfig_unnamed(source, bid) || !quantconfig_peek(source, "gptq", &config))
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

/* GPTQModel's planar files: 2, 4 and 8 bits lie there as everywhere, with v2 zeros; the other widths do not (gptq.md section 7). */
static bool is_planar(const struct quantconfig *config)
{
    return strcmp(config->layout, "gptq_p") == 0;
}

static const struct form *form_of(unsigned bits)
{
    for (size_t f = 0; f < sizeof gptq_form / sizeof gptq_form[0]; f++)
        if (gptq_form[f].bits == bits)
            return &gptq_form[f];
    return NULL;
}

/* `where` is a weight, or the config of all. */
static enum status choose_form(const char *where, const struct quantconfig *config, int64_t bits, const struct form **form, struct err *err)
{
    *form = form_of((unsigned)bits);
    if (*form != NULL && !(bits == 3 && is_planar(config)))
        return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, where, "found %lld bits%s; GPTQ is read at 2, 3, 4 and 8 bits", (long long)bits,
                  bits == 3 ? " in planes (gptq_p)" : "");
    return err_try(err, "save it with GPTQModel as gptq_v2 in one of these widths");
}

static enum status check_config(const struct quantconfig *config, struct err *err)
{
    const bool known = config->layout[0] == '\0' || strcmp(config->layout, "gptq") == 0 || is_v2(config) || is_planar(config);
    if (!known) {
        (void)err_set(err, STATUS_UNSUPPORTED, config->where, "found checkpoint_format \"%s\", expected gptq, gptq_v2 or gptq_p", config->layout);
        return err_try(err, "save it with GPTQModel as gptq or gptq_v2: files packed for one kernel (Marlin) are not read");
    }
    if (config->rotated)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found \"rotation\": the weights need a transform at run time (R-ROT)");
    if (config->other_pack)
        return err_set(err, STATUS_UNSUPPORTED, config->where, "found a pack_dtype other than int32");
    const struct form *form;
    return choose_form(config->where, config, config->bits, &form, err);
}

/* The width of one weight shows in its shapes: qzeros has out * bits / 32 columns. It must be the config's, or that of the rule for this
 * module. */
static enum status weight_bits(const struct model *model, const struct weight *weight, const struct quantconfig *config, unsigned *bits, struct err *err)
{
    char where[700];
    const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *zeros = &model->tensor[weight->role[ROLE_ZEROS]];
    if (codes->rank != 2 || zeros->rank != 2 || codes->shape[1] == 0 || zeros->shape[1] > codes->shape[1])
        return STATUS_OK; /* shape_from_codes says what is wrong */
    const uint64_t shown = zeros->shape[1] * 32 / codes->shape[1];
    if (shown == *bits || zeros->shape[1] * 32 % codes->shape[1] != 0)
        return STATUS_OK;
    if (!config->dynamic)
        return err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_ZEROS], where, sizeof where), "found %llu-bit shapes, but %s says bits %u",
                       (unsigned long long)shown, config->where, *bits);
    *bits = (unsigned)shown;
    return STATUS_OK;
}

/* The group size that scales and columns show where they divide; a rule's, or the config's, where not. */
static int64_t weight_group(const struct model *model, const struct weight *weight, unsigned bits, int64_t stated)
{
    const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *scales = &model->tensor[weight->role[ROLE_SCALES]];
    const uint64_t in = codes->rank == 2 ? codes->shape[0] * 32 / bits : 0;
    if (scales->rank != 2 || scales->shape[0] == 0 || in == 0)
        return stated;
    const uint64_t group = stated > 0 && (uint64_t)stated < in ? (uint64_t)stated : in;
    if ((in + group - 1) / group == scales->shape[0] || in % scales->shape[0] != 0)
        return stated;
    return (int64_t)(in / scales->shape[0]);
}

/* What is said of all weights, and of some. */
struct stated {
    const struct quantconfig *config;
    const struct dynamic *dynamic;
    enum zero_rule rule;
};

/* AWQ packs along out_features: eight columns of scales for one of codes, and the columns of zeros are as many as those of codes. */
static enum status refuse_awq(const struct model *model, const struct weight *weight, const struct quantconfig *config, struct err *err)
{
    const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *scales = &model->tensor[weight->role[ROLE_SCALES]];
    const struct tensor *zeros = &model->tensor[weight->role[ROLE_ZEROS]];
    char where[700], shape[128];
    if (codes->rank != 2 || scales->rank != 2 || zeros->rank != 2 || codes->shape[1] == 0 || scales->shape[1] / 8 != codes->shape[1] ||
        zeros->shape[1] != codes->shape[1])
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, model_where(model, weight->role[ROLE_CODES], where, sizeof where),
                  "found I32 %s beside %llu columns of scales, as AWQ has it, but %s says GPTQ (R-CONFLICT)", model_shape_text(codes, shape, sizeof shape),
                  (unsigned long long)scales->shape[1], config->where);
    return err_try(err, "\"quant_method\": \"awq\" in config.json, with its zero_point, if the tensors are AWQ's");
}

static enum status bind_weight(struct model *model, struct weight *weight, const struct stated *all, struct err *err)
{
    const struct quantconfig *config = all->config;
    const struct dynamic_rule *own;
    const struct form *form;
    TRY(dynamic_find(all->dynamic, weight->name, &own, err));
    unsigned bits = own != NULL && own->bits > 0 ? (unsigned)own->bits : (unsigned)config->bits;
    const int64_t stated = own != NULL && own->group != 0 ? own->group : config->group;
    const int symmetric = own != NULL && own->symmetric >= 0 ? own->symmetric : config->symmetric;
    TRY(refuse_awq(model, weight, config, err));
    TRY(weight_bits(model, weight, config, &bits, err));
    TRY(choose_form(weight->name, config, bits, &form, err));
    weight->claim = symmetric == 1 ? CLAIM_SYMMETRIC : CLAIM_NONE;
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                 .bits = (uint8_t)bits,
                                 .zero_kind = ZERO_CODES,
                                 .zero_rule = all->rule,
                                 .param_order = ORDER_GROUP_OUT,
                                 .codes_layout = (uint16_t)form->codes,
                                 .zeros_layout = (uint16_t)form->zeros};
    if (bits == 3 && all->rule == ZERO_WORD_ADD) /* its fields straddle words, so every writer shifts them one by one */
        weight->spec.zero_rule = ZERO_FIELD_MOD;
    return shape_from_codes(model, weight, config->dynamic ? weight_group(model, weight, bits, stated) : stated, err);
}

static enum status bind_weights(struct source *source, struct model *model, struct stated *all, struct err *err)
{
    struct dynamic dynamic = {0};
    struct jsondoc *side = NULL;
    const bool main = strcmp(all->config->where, "config.json") == 0;
    enum status status = main ? STATUS_OK : source_document(source, all->config->where, &side, err);
    if (status == STATUS_OK)
        status = dynamic_read(&dynamic, main ? source_quantization(source) : side, all->config->where, err);
    all->dynamic = &dynamic;
    for (size_t w = 0; status == STATUS_OK && w < model->weight_count; w++)
        status = bind_weight(model, &model->weight[w], all, err);
    dynamic_free(&dynamic);
    jsondoc_free(side);
    return status;
}

static enum status read_as(struct source *source, const struct read_options *options, enum zero_rule rule, struct model *model, struct err *err)
{
    struct quantconfig config;
    TRY(quantconfig_read(source, "gptq", &config, err));
    TRY(check_config(&config, err));
    if (rule == ZERO_FIELD_MOD && (options->v1_rule != ZERO_PLAIN || config.word_add)) {
        model->v1_decided = true;
        rule = options->v1_rule != ZERO_PLAIN ? options->v1_rule : ZERO_WORD_ADD;
    }
    TRY(source_tensors(source, model, err));
    TRY(shape_refuse_suffix(model, ".act.scales", "an activation scale (R-ACTSCALE)", err));
    TRY(parts_bind(gptq_part, sizeof gptq_part / sizeof gptq_part[0], model, err));
    return bind_weights(source, model, &(struct stated){.config = &config, .rule = rule}, err);
}

/* FIELD_MOD and WORD_ADD agree unless a field below the top of its word is all ones. Then the writer decides (gptq.md section 4); if it is
 * not known, the survey refuses such a field. */
static enum status gptq_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    return read_as(source, options, ZERO_FIELD_MOD, model, err);
}

static enum status gptq_v2_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    return read_as(source, options, ZERO_PLAIN, model, err);
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
#define GPTQ_COMMON .claim = "sym: true", .form = gptq_form, .form_count = 4, .names = {.stem = "model", .side_file = "quantize_config.json"}
#define GPTQ_CAN \
    .grid = GRID_AFFINE_ZERO, .reads = true, .writes = true, .act_order = true, .short_group = true, .mixed_bits = true, .groups = GROUPS_EACH, \
    .out_warn = 32, .in_warn = 32, .scale_dtypes = 1u << DTYPE_F16 | 1u << DTYPE_BF16, \
    .warn_why = "GPTQModel's packers and the exllama and triton kernels", \
    .warn_short = "vLLM, exllama and Marlin want in_features to be whole groups; GPTQModel's and AutoGPTQ's torch kernels read it"

const struct format gptq_format = {
    .name = "gptq",
    .title = "AutoGPTQ, v1 zero points",
    .can = {GPTQ_CAN, .zero_at_zero = false, .reencoded = "zeros of writers that shift whole words (GPTQModel, auto-round)",
            .warn_asymmetric = "GPTQModel and current vLLM refuse asymmetric GPTQ v1 files (--to gptq_v2 or awq are taken)"},
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
