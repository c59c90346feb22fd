/* awq: AutoAWQ GEMM, 4 bits. Read from casper-hansen/AutoAWQ:awq/modules/linear/gemm.py.
 *
 *   qweight I32 [in][out/8]     one word holds eight output channels of one input column:
 *   qzeros  I32 [group][out/8]
 *                               bits 31..28 27..24 23..20 19..16 15..12 11..8  7..4  3..0
 *                               out     7      5      3      1      6      4      2     0      (8c + these)
 *   scales  F16 [group][out]
 *
 *   weight = (code - zero) * scale, zero as stored (0..15). */
#include "formats/format.h"
#include "formats/parts.h"
#include "formats/quantconfig.h"
#include "formats/shape.h"

#include <stdio.h>
#include <string.h>

static const struct part awq_part[] = {
    {ROLE_CODES, ".qweight", true, WHEN_ALWAYS, DTYPE_I32},
    {ROLE_ZEROS, ".qzeros", true, WHEN_ALWAYS, DTYPE_I32},
    {ROLE_SCALES, ".scales", true, WHEN_ALWAYS, DTYPE_NONE},
};
static const struct form awq_form[] = {
    {.name = "gemm",
     .bits = 4,
     .codes = LAYOUT_AWQ_OUT4,
     .zeros = LAYOUT_AWQ_OUT4,
     .symmetric = ZERO_CODES,
     .asymmetric = ZERO_CODES,
     .order = ORDER_GROUP_OUT,
     .part = awq_part,
     .part_count = 3},
};

static void awq_probe(const struct source *source, struct bid *bid)
{
    struct quantconfig config;
    if (!quantconfig_peek(source, "awq", &config))
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "%s: AWQ, version \"%s\"", config.where, config.layout[0] == '\0' ? "gemm" : config.layout);
}

static enum status awq_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    struct quantconfig config;
    TRY(quantconfig_read(source, "awq", &config, err));
    if (config.layout[0] != '\0' && strcmp(config.layout, "gemm") != 0) {
        (void)err_set(err, STATUS_UNSUPPORTED, config.where, "found AWQ version \"%s\", expected \"gemm\"", config.layout);
        return err_try(err, "save it with AutoAWQ's GEMM version");
    }
    if (config.bits != 4)
        return err_set(err, STATUS_CORRUPT, config.where, "found bits %lld, expected 4: AWQ GEMM has no other width", (long long)config.bits);
    TRY(source_tensors(source, model, err));
    TRY(shape_refuse_suffix(model, ".act.scales", "an AWQ activation scale (R-ACTSCALE)", err));
    TRY(shape_refuse_suffix(model, ".gelu_impl.scales", "an AWQ activation scale (R-ACTSCALE)", err));
    TRY(parts_bind(awq_part, 3, model, err));
    for (size_t w = 0; w < model->weight_count; w++) {
        struct weight *weight = &model->weight[w];
        weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                     .bits = 4,
                                     .zero_kind = ZERO_CODES,
                                     .param_order = ORDER_GROUP_OUT,
                                     .codes_layout = LAYOUT_AWQ_OUT4,
                                     .zeros_layout = LAYOUT_AWQ_OUT4};
        TRY(shape_from_codes(model, weight, config.group, err));
    }
    return STATUS_OK;
}

static void awq_describe(const struct summary *summary, struct jsondoc *config)
{
    jsondoc_add_string(config, "quant_method", "awq");
    jsondoc_add_int(config, "bits", 4);
    jsondoc_add_int(config, "group_size", summary->group);
    jsondoc_add_bool(config, "zero_point", true);
    jsondoc_add_string(config, "version", "gemm");
    struct jsondoc *dense = jsondoc_add_array(config, "modules_to_not_convert");
    bool lm_head = false;
    for (size_t i = 0; i < summary->dense_count; i++) {
        jsondoc_add_string(dense, NULL, summary->dense[i]);
        lm_head = lm_head || strcmp(summary->dense[i], "lm_head") == 0;
    }
    if (!lm_head && !summary->lm_head)
        jsondoc_add_string(dense, NULL, "lm_head");
}

const struct format awq_format = {
    .name = "awq",
    .title = "AutoAWQ GEMM",
    .can = {.grid = GRID_AFFINE_ZERO,
            .reads = true,
            .writes = true,
            .zero_at_zero = true,
            .groups = GROUPS_SHARED,
            .scale_dtypes = 1u << DTYPE_F16,
            .out_warn = 64,
            .in_warn = 32,
            .warn_why = "AutoAWQ's CUDA kernels"},
    .form = awq_form,
    .form_count = 1,
    .zero_rule = ZERO_PLAIN,
    .names = {.stem = "model"},
    .probe = awq_probe,
    .read = awq_read,
    .describe = awq_describe,
};
