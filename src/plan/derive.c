#include "plan/derive.h"

#include "base/checked.h"
#include "base/regex.h"
#include "codec/group.h"
#include "codec/half.h"
#include "formats/parts.h"
#include "plan/values.h"

#include <ctype.h>
#include <string.h>

#define DERIVE_VALUES (UINT64_C(1) << 19) /* floats in flight */
#define DERIVE_ROWS UINT64_C(64)          /* whole runs of every stored layout */

/* --- which weights, and into what --------------------------------------------------------------------------------------------- */

static bool contains(struct slice text, const char *word)
{
    return memmem(text.data, text.size, word, strlen(word)) != NULL;
}

static struct slice leaf_of(struct slice module)
{
    const char *dot = memrchr(module.data, '.', module.size);
    return dot == NULL ? module : (struct slice){dot + 1, module.size - (size_t)(dot + 1 - module.data)};
}

/* A module inside a numbered block of a decoder: "model.layers.12.mlp.up_proj". */
static bool in_decoder_block(struct slice module)
{
    static const char *const others[] = {"visual", "vision", "audio", "encoder", "mm_projector", "lora_"};
    bool numbered = false;
    for (size_t i = 0; i + 1 < module.size && !numbered; i++) {
        size_t digits = 0;
        while (i + 1 + digits < module.size && isdigit((unsigned char)module.data[i + 1 + digits]))
            digits++;
        numbered = module.data[i] == '.' && digits > 0 && i + 1 + digits < module.size && module.data[i + 1 + digits] == '.';
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        numbered = numbered && !contains(module, others[i]);
    return numbered;
}

/* Routers choose experts by small differences and are tiny: every tool leaves them float. */
static bool is_router(struct slice leaf)
{
    return slice_is(leaf, "gate") || slice_is(leaf, "router") || slice_is(leaf, "shared_expert_gate") || slice_is(leaf, "wg");
}

static bool is_rounded(const struct tensor *tensor, struct slice *module)
{
    if (tensor->fate != FATE_CARRY || !parts_dense_linear(tensor, module) || model_elements(tensor) == 0 || !in_decoder_block(*module))
        return false;
    const struct slice leaf = leaf_of(*module);
    return !is_router(leaf) && !contains(leaf, "norm");
}

/* Group size where the user names none: 64 in MLX, as mlx_lm has it, else 128, as GPTQ and AWQ have it; with --for, one that the engine takes. */
static uint64_t default_group(const struct weight *weight, const struct format *target, const struct options *options)
{
    const uint64_t usual = target->can.grid == GRID_AFFINE_BETA ? 64 : 128;
    const int64_t group = constraints_default_group(options->constraints, target->can.group_size, usual);
    return group == -1 ? weight->in : (uint64_t)group;
}

static struct spec spec_of(const struct weight *origin, const struct format *target, const struct options *options, unsigned bits, uint64_t group)
{
    const bool beta = target->can.grid == GRID_AFFINE_BETA;
    return (struct spec){
        .grid = target->can.grid,
        .bits = (uint8_t)bits,
        .zero_kind = beta                  ? ZERO_BETA
                     : options->asymmetric ? ZERO_CODES
                                           : ZERO_MID,
        .param_order = ORDER_OUT_GROUP,
        .scale_dtype = aim_scale_dtype(target, options, origin->spec.scale_dtype),
        .group = group < origin->in ? group : origin->in,
    };
}

static enum status check_bits(const struct options *options, struct err *err)
{
    if (options->bits == 0 || (options->bits >= 2 && options->bits <= 8))
        return STATUS_OK;
    return err_set(err, STATUS_USAGE, "--bits", "found %u, expected 2 to 8: weights are rounded to no other width", options->bits);
}

static void set_origin(struct weight *weight, const struct weight *origin, struct spec spec)
{
    weight->origin = origin;
    weight->spec = spec;
    weight->groups = checked_div_up(weight->in, spec.group);
    weight->claim = CLAIM_NONE;
    weight->role[ROLE_GROUP_OF] = MODEL_NONE;
}

static enum status derive_tensor(struct model *model, uint32_t tensor, struct slice module, const struct format *target, const struct options *options,
                                 struct err *err)
{
    uint32_t index;
    char *name = arena_copy(&model->arena, module.data, module.size, err);
    struct weight *origin = arena_alloc(&model->arena, 1, sizeof *origin, err);
    if (name == NULL || origin == NULL)
        return STATUS_LIMIT;
    TRY(model_add_weight(model, name, &index, err));
    model_claim(model, index, ROLE_DENSE, tensor);
    struct weight *weight = &model->weight[index];
    weight->out = model->tensor[tensor].shape[0];
    weight->in = model->tensor[tensor].shape[1];
    weight->groups = 1;
    weight->spec = (struct spec){.grid = GRID_DENSE, .scale_dtype = model->tensor[tensor].dtype, .group = weight->in};
    *origin = *weight;
    const uint64_t group = options->group > 0 ? (uint64_t)options->group : options->group == -1 ? weight->in : default_group(weight, target, options);
    set_origin(weight, origin, spec_of(origin, target, options, options->bits, group));
    return STATUS_OK;
}

enum status derive_floats(struct model *model, const struct format *target, const struct options *options, struct err *err)
{
    struct regex *keep = NULL, *exclude = NULL;
    TRY(check_bits(options, err));
    enum status status = options->keep == NULL ? STATUS_OK : regex_compile(&keep, slice_of(options->keep), "--keep", STATUS_USAGE, err);
    if (status == STATUS_OK && options->exclude != NULL)
        status = regex_compile(&exclude, slice_of(options->exclude), "--exclude", STATUS_USAGE, err);
    for (uint32_t t = 0; status == STATUS_OK && t < model->tensor_count; t++) {
        struct slice module;
        bool kept = false, excluded = false;
        if (!is_rounded(&model->tensor[t], &module))
            continue;
        if (keep != NULL)
            status = regex_search(keep, slice_of(model->tensor[t].name), &kept, err);
        if (status == STATUS_OK && exclude != NULL)
            status = regex_search(exclude, slice_of(model->tensor[t].name), &excluded, err);
        if (status == STATUS_OK && !kept && !excluded)
            status = derive_tensor(model, t, module, target, options, err);
    }
    regex_free(keep);
    regex_free(exclude);
    if (status == STATUS_OK)
        model_sort_weights(model);
    return status;
}

/* The source's width where the target has it (and the engine of --for takes it), else the next narrower one, else the widest. */
static unsigned nearest_bits(const struct format *target, const struct options *options, unsigned bits)
{
    const uint32_t taken = options->constraints == NULL || options->constraints->bits == 0 ? UINT32_MAX : options->constraints->bits;
    const uint32_t widths = registry_widths(target) & taken;
    for (unsigned b = bits > 8 ? 8 : bits; b >= 2; b--)
        if (widths >> b & 1)
            return b;
    for (unsigned b = 8; b >= 2; b--)
        if (widths >> b & 1)
            return b;
    return 8;
}

static bool holds_group(const struct format *target, uint64_t group)
{
    const uint16_t *size = target->can.group_size;
    for (; size != NULL && *size != 0; size++)
        if (*size == group)
            return true;
    return size == NULL;
}

enum status derive_again(struct model *model, uint32_t weight, bool trivial, const struct format *target, const struct options *options, struct err *err)
{
    struct weight *own = &model->weight[weight], *origin = arena_alloc(&model->arena, 1, sizeof *origin, err);
    if (origin == NULL)
        return STATUS_LIMIT;
    TRY(check_bits(options, err));
    *origin = *own;
    if (trivial)
        origin->role[ROLE_GROUP_OF] = MODEL_NONE;
    const bool taken = options->constraints == NULL || constraints_group_fits(options->constraints, own->spec.group, false);
    const bool same = own->groups > 1 && holds_group(target, own->spec.group) && taken;
    const uint64_t usual = same ? own->spec.group : default_group(own, target, options);
    const uint64_t group = options->group > 0 ? (uint64_t)options->group : options->group == -1 ? own->in : usual;
    const unsigned bits = options->bits != 0 ? options->bits : nearest_bits(target, options, own->spec.bits == 0 ? 8 : own->spec.bits);
    set_origin(own, origin, spec_of(origin, target, options, bits, group));
    return STATUS_OK;
}

/* --- rounding --------------------------------------------------------------------------------------------------------------- */

/* Groups [group0, group0 + groups) of rows that are loaded; their codes and parameters go to their places. */
struct rounding {
    struct round_rule rule;
    uint64_t group0, groups;
    uint8_t *code; /* [rows][stride], from the first column of group0 on */
    size_t stride;
    struct round_params *param; /* [rows][groups] */
    struct round_tally *tally; /* NULL: not asked for */
};

static struct round_rule rule_of(const struct weight *weight)
{
    const struct spec *spec = &weight->spec;
    const enum round_grid grid = spec->zero_kind == ZERO_BETA ? ROUND_MLX : spec->zero_kind == ZERO_CODES ? ROUND_ASYMMETRIC : ROUND_SYMMETRIC;
    return (struct round_rule){grid, spec->bits, spec->scale_dtype};
}

/* mx.quantize sees weights of the scales' dtype. */
static void narrow(const struct weight *weight, float *values, size_t count, void *stored)
{
    half_store(weight->spec.scale_dtype, values, count, stored, NULL);
    half_load(weight->spec.scale_dtype, stored, count, values);
}

static void round_rows(const struct weight *weight, const float *values, uint64_t rows, struct rounding *rounding)
{
    const uint64_t group = weight->spec.group;
    for (uint64_t row = 0; row < rows; row++) {
        for (uint64_t g = 0; g < rounding->groups; g++) {
            const uint64_t first = (rounding->group0 + g) * group, count = weight->in - first < group ? weight->in - first : group;
            round_group(&rounding->rule, values + row * weight->in + first, (size_t)count, &rounding->param[row * rounding->groups + g],
                        rounding->code + row * rounding->stride + g * group, rounding->tally);
        }
    }
}

/* Loads rows [out0, out0 + rows) and rounds them. */
static enum status round_area(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct rounding *rounding,
                              struct err *err)
{
    float *values;
    TRY(values_load(fetch, weight->origin, (struct values_rows){area.out0, area.out, false, NULL, NULL}, scratch, &values, err));
    if (rounding->rule.grid == ROUND_MLX && weight->spec.scale_dtype != DTYPE_F32) {
        void *stored = scratch_take(scratch, SCRATCH_DENSE, area.out * weight->in * sizeof(float), err);
        if (stored == NULL)
            return STATUS_LIMIT;
        narrow(weight, values, (size_t)(area.out * weight->in), stored);
    }
    round_rows(weight, values, area.out, rounding);
    return STATUS_OK;
}

/* Rows at a time, so that neither the floats nor one group of them are too many. */
static uint64_t rows_at_once(const struct weight *weight)
{
    const uint64_t rows = DERIVE_VALUES / weight->in / DERIVE_ROWS * DERIVE_ROWS;
    return rows == 0 ? DERIVE_ROWS : rows;
}

enum status derive_params(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct params *params,
                          struct err *err)
{
    struct round_params *param = scratch_take(scratch, SCRATCH_PARAM, params->count * sizeof *param, err);
    const uint64_t step = rows_at_once(weight);
    if (param == NULL)
        return STATUS_LIMIT;
    for (uint64_t row = 0; row < area.out; row += step) {
        const struct area part = {area.out0 + row, area.out - row < step ? area.out - row : step, area.in0, area.in};
        struct rounding rounding = {.rule = rule_of(weight), .group0 = area.in0, .groups = area.in, .param = param + row * area.in, .tally = &params->rounding};
        rounding.code = scratch_take(scratch, SCRATCH_WIDE, part.out * area.in * weight->spec.group, err);
        rounding.stride = (size_t)(area.in * weight->spec.group);
        if (rounding.code == NULL)
            return STATUS_LIMIT;
        TRY(round_area(fetch, weight, part, scratch, &rounding, err));
    }
    params->scale = scratch_take(scratch, SCRATCH_SCALE, params->count * sizeof *params->scale, err);
    params->zero = scratch_take(scratch, SCRATCH_ZERO, params->count * sizeof *params->zero, err);
    float *beta = scratch_take(scratch, SCRATCH_OFFSET, params->count * sizeof *beta, err);
    if (params->scale == NULL || params->zero == NULL || beta == NULL)
        return STATUS_LIMIT;
    const int32_t middle = 1 << (weight->spec.bits - 1);
    for (size_t i = 0; i < params->count; i++) {
        params->scale[i] = param[i].scale;
        params->zero[i] = param[i].zero;
        beta[i] = param[i].beta;
    }
    params->beta = weight->spec.zero_kind == ZERO_BETA ? beta : NULL;
    if (params->beta != NULL)
        params->bad = group_zeros_from_betas(beta, params->scale, params->count, middle, params->zero);
    return STATUS_OK;
}

enum status derive_codes(const struct fetch *fetch, const struct weight *weight, struct area area, struct scratch *scratch, struct codes *codes,
                         struct err *err)
{
    const uint64_t group = weight->spec.group, group0 = area.in0 / group, end = checked_div_up(area.in0 + area.in, group), width = (end - group0) * group;
    const uint64_t step = rows_at_once(weight);
    uint8_t *whole = scratch_take(scratch, SCRATCH_WIDE, step * width, err);
    struct round_params *param = scratch_take(scratch, SCRATCH_PARAM, step * (end - group0) * sizeof *param, err);
    uint8_t *code = scratch_take(scratch, SCRATCH_DERIVED, area.out * area.in, err);
    if (whole == NULL || param == NULL || code == NULL)
        return STATUS_LIMIT;
    for (uint64_t row = 0; row < area.out; row += step) {
        const struct area part = {area.out0 + row, area.out - row < step ? area.out - row : step, group0, end - group0};
        struct rounding rounding = {
            .rule = rule_of(weight), .group0 = group0, .groups = end - group0, .code = whole, .stride = (size_t)width, .param = param};
        TRY(round_area(fetch, weight, part, scratch, &rounding, err));
        for (uint64_t r = 0; r < part.out; r++)
            memcpy(code + (row + r) * area.in, whole + r * width + (area.in0 - group0 * group), (size_t)area.in);
    }
    *codes = (struct codes){code, (size_t)area.in};
    return STATUS_OK;
}
