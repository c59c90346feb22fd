/* awq: AutoAWQ's four layouts of 4 bits. GEMM is read and written; GEMV, GEMV_FAST and llm-awq are read. From
 * casper-hansen/AutoAWQ:awq/modules/linear/{gemm,gemv,gemv_fast}.py and mit-han-lab/llm-awq:awq/quantize/qmodule.py.
 *
 * GEMM       qweight I32 [in][out/8]     one word holds eight output channels of one input column:
 *            qzeros  I32 [group][out/8]
 *                                        bits 31..28 27..24 23..20 19..16 15..12 11..8  7..4  3..0
 *                                        out     7      5      3      1      6      4     2     0      (8c + these)
 *            scales  F16 [group][out]
 *
 * GEMV       qweight I32 [out][in/8]     natural order, lowest bits first; qzeros alike along groups, Z words a row
 *            qzeros  I32 [out][Z]
 *            scales  F16 [out][8Z]       beyond the groups: zeros that mean nothing
 *
 * GEMV_FAST  qweight I16 [out/4][in]     four output channels take turns of 16 words, which hold 64 input columns:
 *                                        bits 15..12 11..8  7..4  3..0
 *                                        in     24     16     8     0   (word 0; in the words 1 to 7 one more each)
 *                                        in     56     48    40    32   (word 8, and so on)
 *            scales  F16 [8Z][out]
 *            qzeros  F16 [8Z][out]       -(scale * zero), rounded; llm-awq calls it scaled_zeros, and may have BF16
 *
 * weight = (code - zero) * scale, zero as stored (0..15). */
#include "base/checked.h"
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
static const struct part fast_part[] = {
    {ROLE_CODES, ".qweight", true, WHEN_NEVER, DTYPE_I16},
    {ROLE_BETA, ".qzeros", true, WHEN_NEVER, DTYPE_NONE},
    {ROLE_SCALES, ".scales", true, WHEN_NEVER, DTYPE_NONE},
};
static const struct part llm_part[] = {
    {ROLE_CODES, ".qweight", true, WHEN_NEVER, DTYPE_I16},
    {ROLE_BETA, ".scaled_zeros", true, WHEN_NEVER, DTYPE_NONE},
    {ROLE_SCALES, ".scales", true, WHEN_NEVER, DTYPE_NONE},
};
/* What is written. */
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

/* What is read, by the name that a config gives it. */
struct kind {
    const char *version;
    const struct part *part; /* [3]; the codes first */
    enum dtype codes;
    enum layout_id layout;   /* of codes, and of zeros where they are fields */
    enum zero_kind zeros;
    enum order order;
};
enum { GEMM, GEMV, FAST, LLM, KINDS };
static const struct kind kinds[KINDS] = {
    [GEMM] = {"gemm", awq_part, DTYPE_I32, LAYOUT_AWQ_OUT4, ZERO_CODES, ORDER_GROUP_OUT},
    [GEMV] = {"gemv", awq_part, DTYPE_I32, LAYOUT_ROW_IN4, ZERO_CODES, ORDER_OUT_GROUP},
    [FAST] = {"gemv_fast", fast_part, DTYPE_I16, LAYOUT_AWQ_FAST4, ZERO_SCALED, ORDER_GROUP_OUT},
    [LLM] = {"llm-awq", llm_part, DTYPE_I16, LAYOUT_AWQ_FAST4, ZERO_SCALED, ORDER_GROUP_OUT},
};

/* --- which of them -------------------------------------------------------------------------------------------------------------- */

/* transformers writes its default version beside backend: "llm-awq", where it says nothing. */
static bool is_llm(const struct quantconfig *config)
{
    return strcmp(config->backend, kinds[LLM].version) == 0;
}

static const char *stated_text(const struct quantconfig *config, char buffer[96])
{
    if (is_llm(config))
        (void)snprintf(buffer, 96, "backend \"%s\"", config->backend);
    else if (config->layout[0] == '\0')
        (void)snprintf(buffer, 96, "no version");
    else
        (void)snprintf(buffer, 96, "version \"%s\"", config->layout);
    return buffer;
}

static void awq_probe(const struct source *source, struct bid *bid)
{
    struct quantconfig config;
    char stated[96];
    if (quantconfig_unnamed(source, bid) || !quantconfig_peek(source, "awq", &config))
        return;
    bid->score = 90;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "%s: AWQ, %s", config.where, stated_text(&config, stated));
}

/* The weights are of another kind than the config says. */
static enum status conflict(const struct model *model, uint32_t tensor, const char *shown, const struct quantconfig *config, struct err *err)
{
    char where[700], shape[128], stated[96];
    (void)err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found %s %s, as %s has it, but %s says %s (R-CONFLICT)",
                  dtype_name(model->tensor[tensor].dtype), model_shape_text(&model->tensor[tensor], shape, sizeof shape), shown, config->where,
                  stated_text(config, stated));
    return err_try(err, "the config does not belong to these weights: put their own beside them");
}

static uint32_t first_with(const struct model *model, const char *suffix)
{
    for (uint32_t i = 0; i < model->tensor_count; i++)
        if (slice_ends(slice_of(model->tensor[i].name), suffix))
            return i;
    return MODEL_NONE;
}

static enum status stated_kind(const struct quantconfig *config, size_t *kind, struct err *err)
{
    char stated[96];
    for (*kind = 0; *kind < KINDS && strcmp(config->layout, kinds[*kind].version) != 0;)
        ++*kind;
    if (is_llm(config))
        *kind = LLM;
    if (*kind < KINDS || config->layout[0] == '\0')
        return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, config->where, "found AWQ %s, expected gemm, gemv, gemv_fast or llm-awq", stated_text(config, stated));
    return err_try(err, "save it with AutoAWQ's GEMM version");
}

/* The kind that the config states, held against the names of the tensors; without a version they alone decide. */
static enum status choose_kind(const struct model *model, const struct quantconfig *config, size_t *kind, struct err *err)
{
    const uint32_t codes = first_with(model, ".qweight"), zeros = first_with(model, ".qzeros"), scaled = first_with(model, ".scaled_zeros");
    TRY(stated_kind(config, kind, err));
    if (*kind == KINDS)
        *kind = scaled != MODEL_NONE ? LLM : codes != MODEL_NONE && model->tensor[codes].dtype == DTYPE_I16 ? FAST : GEMM;
    if (*kind == FAST && scaled != MODEL_NONE) /* the same words */
        *kind = LLM;
    if (*kind != LLM && scaled != MODEL_NONE)
        return conflict(model, scaled, "llm-awq", config, err);
    if (*kind == LLM && zeros != MODEL_NONE)
        return conflict(model, zeros, "AutoAWQ", config, err);
    return STATUS_OK;
}

/* --- shapes --------------------------------------------------------------------------------------------------------------------- */

/* The groups that a row of scales has room for: AutoAWQ pads words of zeros to 1, 2 or 4 in groups of 128, 64 or 32. */
static enum status padded_groups(const struct model *model, struct weight *weight, int64_t group, uint64_t *padded, struct err *err)
{
    const uint64_t size = group > 0 && (uint64_t)group < weight->in ? (uint64_t)group : weight->in;
    const uint64_t multiple = size >= 128 ? 1 : size == 64 ? 2 : size == 32 ? 4 : 0;
    const uint32_t codes = weight->role[ROLE_CODES];
    char where[700];
    if (weight->in % size != 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where),
                       "found in_features %llu in groups of %llu, expected whole groups (R-SHAPE)", (unsigned long long)weight->in, (unsigned long long)size);
    if (multiple == 0)
        return err_set(err, STATUS_UNSUPPORTED, model_where(model, codes, where, sizeof where),
                       "found groups of %llu, expected 32, 64, or 128 and more: this layout of AutoAWQ has no others (R-GROUP)", (unsigned long long)size);
    weight->spec.group = size;
    weight->groups = weight->in / size;
    *padded = checked_div_up(checked_div_up(weight->groups, 8), multiple) * multiple * 8;
    return STATUS_OK;
}

static enum status check_matrix(const struct model *model, uint32_t tensor, struct err *err)
{
    char where[700], shape[128];
    if (model->tensor[tensor].rank == 2 && model_elements(&model->tensor[tensor]) > 0)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found shape %s, expected two dimensions (R-SHAPE)",
                   model_shape_text(&model->tensor[tensor], shape, sizeof shape));
}

static enum status shape_gemv(const struct model *model, struct weight *weight, int64_t group, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES], zeros = weight->role[ROLE_ZEROS];
    uint64_t padded;
    TRY(check_matrix(model, codes, err));
    weight->out = model->tensor[codes].shape[0];
    weight->in = model->tensor[codes].shape[1] * 8;
    TRY(padded_groups(model, weight, group, &padded, err));
    TRY(shape_expect_float(model, scales, err));
    TRY(shape_expect(model, scales, weight->out, padded, err));
    TRY(shape_expect_dtype(model, zeros, DTYPE_I32, err));
    return shape_expect(model, zeros, weight->out, padded / 8, err);
}

static enum status shape_fast(const struct model *model, struct weight *weight, int64_t group, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES], scales = weight->role[ROLE_SCALES], zeros = weight->role[ROLE_BETA];
    const enum dtype dtype = model->tensor[scales].dtype;
    char where[700], shape[128];
    uint64_t padded;
    TRY(check_matrix(model, codes, err));
    weight->out = model->tensor[codes].shape[0] * 4;
    weight->in = model->tensor[codes].shape[1];
    if (weight->out % 8 != 0 || weight->in % 64 != 0)
        return err_set(err, STATUS_CORRUPT, model_where(model, codes, where, sizeof where),
                       "found shape %s, expected [out/4, in] where out is a multiple of 8 and in of 64 (R-SHAPE)",
                       model_shape_text(&model->tensor[codes], shape, sizeof shape));
    TRY(padded_groups(model, weight, group, &padded, err));
    if (dtype != DTYPE_F16 && dtype != DTYPE_BF16)
        return err_set(err, STATUS_CORRUPT, model_where(model, scales, where, sizeof where), "found dtype %s, expected F16 or BF16", dtype_name(dtype));
    TRY(shape_expect(model, scales, padded, weight->out, err));
    TRY(shape_expect_dtype(model, zeros, dtype, err));
    return shape_expect(model, zeros, padded, weight->out, err);
}

static enum status shape_as(const struct model *model, struct weight *weight, size_t kind, int64_t group, struct err *err)
{
    weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO,
                                 .bits = 4,
                                 .zero_kind = kinds[kind].zeros,
                                 .param_order = kinds[kind].order,
                                 .scale_dtype = model->tensor[weight->role[ROLE_SCALES]].dtype,
                                 .codes_layout = (uint16_t)kinds[kind].layout,
                                 .zeros_layout = (uint16_t)kinds[kind].layout};
    if (kind == GEMM)
        return shape_from_codes(model, weight, group, err);
    return kind == GEMV ? shape_gemv(model, weight, group, err) : shape_fast(model, weight, group, err);
}

/* GPTQ packs along in_features: as many columns of codes as of scales, and a group map. */
static enum status refuse_gptq(const struct model *model, const struct weight *weight, const struct quantconfig *config, struct err *err)
{
    const struct tensor *codes = &model->tensor[weight->role[ROLE_CODES]], *scales = &model->tensor[weight->role[ROLE_SCALES]];
    if (codes->dtype != DTYPE_I32 || codes->rank != 2 || scales->rank != 2 || codes->shape[1] != scales->shape[1] || codes->shape[1] == 0)
        return STATUS_OK;
    const enum status status = conflict(model, weight->role[ROLE_CODES], "GPTQ", config, err);
    if (status == STATUS_OK)
        return status;
    return err_try(err, "\"quant_method\": \"gptq\" in config.json, with its desc_act and sym, if the tensors are GPTQ's");
}

/* Where shapes contradict the config's version, and another has them, both are named. */
static enum status bind_weight(const struct model *model, struct weight *weight, size_t kind, const struct quantconfig *config, struct err *err)
{
    const uint32_t codes = weight->role[ROLE_CODES];
    const enum dtype dtype = model->tensor[codes].dtype;
    const size_t other = kind == GEMM ? GEMV : GEMM;
    if (dtype != kinds[kind].codes && dtype == DTYPE_I16)
        return conflict(model, codes, kinds[FAST].version, config, err);
    if (dtype != kinds[kind].codes && dtype == DTYPE_I32)
        return conflict(model, codes, "gemm or gemv", config, err);
    TRY(shape_expect_dtype(model, codes, kinds[kind].codes, err));
    if (kind == GEMM)
        TRY(refuse_gptq(model, weight, config, err));
    if (dtype == DTYPE_I32) {
        struct weight mine = *weight, others = *weight;
        if (shape_as(model, &mine, kind, config->group, NULL) != STATUS_OK && shape_as(model, &others, other, config->group, NULL) == STATUS_OK)
            return conflict(model, codes, kinds[other].version, config, err);
    }
    return shape_as(model, weight, kind, config->group, err);
}

static enum status awq_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    (void)options;
    struct quantconfig config;
    size_t kind;
    TRY(quantconfig_read(source, "awq", &config, err));
    TRY(stated_kind(&config, &kind, err));
    if (config.bits != 4)
        return err_set(err, STATUS_CORRUPT, config.where, "found bits %lld, expected 4: AWQ has no other width", (long long)config.bits);
    TRY(source_tensors(source, model, err));
    TRY(shape_refuse_suffix(model, ".act.scales", "an AWQ activation scale (R-ACTSCALE)", err));
    TRY(shape_refuse_suffix(model, ".gelu_impl.scales", "an AWQ activation scale (R-ACTSCALE)", err));
    TRY(choose_kind(model, &config, &kind, err));
    TRY(parts_bind(kinds[kind].part, 3, model, err));
    for (size_t w = 0; w < model->weight_count; w++) {
        TRY(bind_weight(model, &model->weight[w], kind, &config, err));
        model->weight[w].claim = config.zero_point == 0 ? CLAIM_SYMMETRIC : CLAIM_NONE;
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
    .title = "AutoAWQ GEMM; GEMV, GEMV_FAST and llm-awq are read",
    .can = {.grid = GRID_AFFINE_ZERO,
            .reads = true,
            .writes = true,
            .zero_at_zero = true,
            .groups = GROUPS_SHARED,
            .scale_dtypes = 1u << DTYPE_F16,
            .reencoded = "zeros of GEMV_FAST and llm-awq, and llm-awq's scales of BF16",
            .out_warn = 64,
            .in_warn = 32,
            .warn_why = "AutoAWQ's CUDA kernels"},
    .form = awq_form,
    .form_count = 1,
    .zero_rule = ZERO_PLAIN,
    .claim = "zero_point: false",
    .names = {.stem = "model"},
    .probe = awq_probe,
    .read = awq_read,
    .describe = awq_describe,
};
