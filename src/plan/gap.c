#include "plan/gap.h"

#include "ir/ggml.h"
#include "plan/gap_mxfp4.h"
#include "plan/gap_source.h"
#include "plan/offer.h"

#include <stdio.h>
#include <string.h>

uint64_t gap_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* The largest size of the list that divides `group`; 0 if none does. */
static uint64_t largest_held(const uint16_t *size, uint64_t group)
{
    uint64_t held = 0;
    for (; *size != 0; size++)
        if (group % *size == 0)
            held = *size;
    return held;
}

int64_t gap_common_group(const struct model *model, const struct aims *aims, const struct capability *can)
{
    uint64_t common = 0;
    bool grouped = false;
    for (size_t w = 0; w < model->weight_count; w++) {
        const struct weight *weight = &model->weight[w];
        if (aims->weight[w].dense || aims->weight[w].excluded || weight->spec.grid == GRID_MINIFLOAT ||
            (can->groups == GROUPS_SHARED_OR_CHANNEL && weight->groups == 1))
            continue;
        common = gap_common_divisor(common, weight->spec.group);
        grouped = grouped || weight->groups > 1;
    }
    if (common == 0)
        return 0;
    if (can->group_size != NULL)
        return (int64_t)largest_held(can->group_size, common);
    return grouped ? (int64_t)common : -1;
}

/* --- faults of the source ------------------------------------------------------------------------------------------------ */

/* --- what the target cannot hold ------------------------------------------------------------------------------------------ */

/* "" where --allow-requantize would not do: activations, experts in one tensor, an engine without kernels for weights alone. */
static const char *try_rounding(const struct gap *gap, uint32_t index)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct constraints *engine = gap->options->constraints;
    const bool expert = strstr(weight->name, ".experts.") != NULL, lacks = engine != NULL && (expert ? engine->no_experts : engine->no_linear);
    const bool floats = weight->spec.grid == GRID_MINIFLOAT && weight->spec.activation == ACTIVATION_DYNAMIC;
    if (weight->origin != NULL || weight->spec.experts > 0 || lacks)
        return "";
    return weight->spec.activation == ACTIVATION_NONE || floats ? "--allow-requantize (lossy)" : "--allow-requantize --weights-only (lossy)";
}

enum status gap_try_others(const struct gap *gap, uint32_t index, const char *first, bool rounds, struct err *err)
{
    char text[200];
    const struct offer offer = {gap->model, gap->survey, index, 1, gap->options->constraints, gap->target->name, false};
    const char *others = offer_text(&offer, text, sizeof text);
    others = others == NULL ? "" : others;
    const bool alone = first[0] == '\0' && others[0] == '\0';
    const char *lossy = rounds || alone ? try_rounding(gap, index) : "";
    if (alone && lossy[0] == '\0')
        return err_try(err, "repaq check --engines: another engine takes other formats");
    return err_try(err, "%s%s%s%s%s", first, first[0] != '\0' && others[0] != '\0' ? ", or " : "", others, alone || lossy[0] == '\0' ? "" : ", or ", lossy);
}

/* The least wider width that a target holds: the move there is exact. 0: none. */
static unsigned wider_bits(const struct format *target, unsigned bits)
{
    for (unsigned wide = bits + 1; wide <= 8; wide++)
        if (registry_widths(target) >> wide & 1)
            return wide;
    return 0;
}

static enum status check_bits(const struct gap *gap, uint32_t index, struct err *err)
{
    char held[64];
    const struct weight *weight = &gap->model->weight[index];
    const struct aim *aim = &gap->aims->weight[index];
    const struct format *target = gap->target;
    if (aim->bits < weight->spec.bits) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %u-bit codes, and %u bits were asked for: that would quantize again (R-BITS)",
                      weight->spec.bits, aim->bits);
        return err_try(err, "leave the width as it is: --bits %u (ms_to_vllm: --w_bit %u), or --allow-requantize", weight->spec.bits, weight->spec.bits);
    }
    const bool weight_only = aim->bits <= 8 && (registry_widths(target) >> aim->bits & 1);
    const struct want want = {.bits = aim->bits, .activation = aim->activation, .per_channel = true};
    if (aim->activation == ACTIVATION_NONE ? weight_only : registry_form(target, &want) != NULL)
        return STATUS_OK;
    if (aim->activation != ACTIVATION_NONE && weight_only) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %s int8 activations%s, which %s cannot hold (R-ACTPARAM)",
                      spec_activation_name(aim->activation), weight->role[ROLE_INPUT_SCALE] == MODEL_NONE ? "" : " (input_scale and its kin)",
                      target->name);
        return gap_try_others(gap, index, "--weights-only drops them", false, err);
    }
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %u-bit codes, but %s holds %s bits (R-BITS)", aim->bits, target->name,
                  registry_bits(target, held, sizeof held));
    if (weight->origin != NULL || (aim->bits != weight->spec.bits && wider_bits(target, weight->spec.bits - 1u) != 0)) /* it was asked for */
        return err_try(err, "--bits with one of %s%s", held, weight->origin != NULL ? "" : ", or leave it out");
    if (aim->bits == weight->spec.bits && wider_bits(target, aim->bits) != 0)
        return err_try(err, "--bits %u, a wider container that is exact", wider_bits(target, aim->bits));
    return gap_try_others(gap, index, "", true, err);
}

static enum status check_order(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    const struct format *target = gap->target;
    if (seen->trivial_group_of || (target->can.act_order && !(seen->uneven_group_of && target->can.even_groups)))
        return STATUS_OK;
    if (target->can.act_order)
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found groups of unequal sizes in activation order (g_idx), expected g_idx[k] = k / group_size, or equal ones (R-ACTORDER)");
    else
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found groups in activation order (g_idx), expected g_idx[k] = k / group_size: %s holds no other (R-ACTORDER)", target->name);
    return gap_try_others(gap, index, "", false, err);
}

/* The canonical zero moves with the codes when a code gets more bits: both are counted from the middle. */
static int64_t middle_shift(const struct weight *weight, unsigned bits)
{
    return (INT64_C(1) << (bits - 1)) - (INT64_C(1) << (weight->spec.bits - 1));
}

static enum status check_fields(const struct gap *gap, uint32_t index, unsigned bits, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct group_tally *groups = &gap->survey->weight[index].groups;
    const struct format *target = gap->target;
    const int64_t add = middle_shift(weight, bits), most = (INT64_C(1) << bits) - 1;
    if (groups->zero_min + add < 0 || groups->zero_max + add > most) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found %llu of %llu groups with a zero outside 0..%lld (zeros %lld..%lld), expected zeros that %s can hold (R-RANGE)",
                      (unsigned long long)(groups->below_zero + groups->above_code), (unsigned long long)groups->groups, (long long)most,
                      (long long)(groups->zero_min + add), (long long)(groups->zero_max + add), target->name);
        return gap_try_others(gap, index, "quantize so that each group's range includes 0 (w_sym=True, or the GPTQ or HQQ method)", false, err);
    }
    if (groups->zero_min + add == 0 && !target->can.zero_at_zero) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found %llu of %llu groups with zero 0, expected 1 or more: GPTQ v1 holds no other (R-ZERO-V1)",
                      (unsigned long long)groups->equal_zero, (unsigned long long)groups->groups);
        return gap_try_others(gap, index, "", false, err);
    }
    return STATUS_OK;
}

static enum status refuse_bias(const struct gap *gap, uint32_t index, enum dtype dtype, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %llu of %llu groups whose bias -zero * scale is not exact in %s (R-BIAS)",
                  (unsigned long long)seen->zeros.inexact, (unsigned long long)seen->groups.groups, dtype_name(dtype));
    const bool widens = dtype != DTYPE_F32 && weight->spec.scale_dtype != DTYPE_F32;
    return gap_try_others(gap, index, widens ? "--dtype f32 holds scales and biases of 16-bit scales exactly" : "", false, err);
}

/* Zeros of `kind` in the target: each kind has its own range. */
static enum status check_zeros(const struct gap *gap, uint32_t index, const struct spec *spec, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    const struct group_tally *groups = &seen->groups;
    const bool same = spec->zero_kind == weight->spec.zero_kind;
    const bool offsets = same && spec->zero_kind == ZERO_OFFSET && spec->bits == weight->spec.bits;
    if (offsets && seen->zeros.inexact > 0) { /* an offset is a zero point: it is never rounded */
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %llu of %llu groups whose offset %s does not hold exactly (R-RANGE)",
                      (unsigned long long)seen->zeros.inexact, (unsigned long long)groups->groups, dtype_name(spec->scale_dtype));
        return err_try(err, "leave --dtype out, or --dtype f32");
    }
    if (offsets || (same && spec->zero_kind == ZERO_BETA)) /* floats that move: any value will do */
        return STATUS_OK;
    if (groups->fractions > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %llu of %llu groups whose zero is no integer, expected integers (R-RANGE)",
                      (unsigned long long)groups->fractions, (unsigned long long)groups->groups);
        return gap_try_others(gap, index, "", true, err);
    }
    if (groups->zero_min > groups->zero_max) /* no live group */
        return STATUS_OK;
    switch (spec->zero_kind) {
    case ZERO_CODES:
        return check_fields(gap, index, spec->bits, err);
    case ZERO_BETA:
        return seen->zeros.inexact == 0 ? STATUS_OK : refuse_bias(gap, index, spec->scale_dtype, err);
    case ZERO_OFFSET: /* an integer up to 256 is exact in every dtype of scales */
        if (groups->zero_min >= -128 && groups->zero_max <= 256)
            return STATUS_OK;
        break;
    default:
        if (groups->not_mid == 0)
            return STATUS_OK;
    }
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                  "found %llu of %llu groups with other zeros than %d (zeros %lld..%lld), expected zeros that %s can hold (R-RANGE)",
                  (unsigned long long)groups->not_mid, (unsigned long long)groups->groups, 1 << (weight->spec.bits - 1), (long long)groups->zero_min,
                  (long long)groups->zero_max, gap->target->name);
    return gap_try_others(gap, index, "", false, err);
}

static enum status refuse_refining(const struct gap *gap, const struct weight *weight, uint64_t wanted, const char *what, const char *rule, struct err *err)
{
    const uint32_t index = (uint32_t)(weight - gap->model->weight);
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found in_features %llu in groups of %llu, to become groups of %llu: %s (%s)",
                  (unsigned long long)weight->in, (unsigned long long)weight->spec.group, (unsigned long long)wanted, what, rule);
    return gap_try_others(gap, index, gap->options->group != 0 ? "leave --group-size out" : "--keep with its name leaves the layer float", false, err);
}

/* The sizes that the target holds, where one of them would do. */
static enum status refuse_group(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const uint64_t fit = largest_held(gap->target->can.group_size, weight->origin != NULL ? UINT64_C(1) << 12 : weight->spec.group);
    if (fit == 0)
        return gap_try_others(gap, index, "", false, err);
    return err_try(err, gap->options->group != 0 ? "--group-size %llu, or leave it out" : "--group-size %llu", (unsigned long long)fit);
}

static enum status choose_group(const struct gap *gap, const struct weight *weight, const struct survey_weight *seen, struct spec *spec, struct err *err)
{
    const struct capability *can = &gap->target->can;
    const bool spared = can->groups == GROUPS_SHARED_OR_CHANNEL && weight->groups == 1 && gap->options->group == 0;
    const int64_t group = spared ? 0 : gap->group;
    spec->group = weight->spec.group;
    const uint64_t wanted = group > 0 && (uint64_t)group < weight->in ? (uint64_t)group : group == 0 ? spec->group : weight->in;
    if (can->group_size != NULL && largest_held(can->group_size, wanted) != wanted) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found groups of %llu, which %s does not hold (R-GROUP)", (unsigned long long)wanted,
                      gap->target->name);
        return refuse_group(gap, (uint32_t)(weight - gap->model->weight), err);
    }
    if (wanted == spec->group || (group == -1 && weight->groups == 1))
        return STATUS_OK;
    if (wanted > spec->group || spec->group % wanted != 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found groups of %llu, which groups of %llu do not refine (R-GROUP)",
                      (unsigned long long)spec->group, (unsigned long long)wanted);
        return err_try(err, "--group-size with a divisor of %llu", (unsigned long long)spec->group);
    }
    if (!seen->trivial_group_of)
        return refuse_refining(gap, weight, wanted, "groups in activation order, which cannot be refined", "R-ACTORDER", err);
    if (weight->in % wanted != 0)
        return refuse_refining(gap, weight, wanted, "a last group that is shorter than the others, which cannot be refined", "R-GROUP", err);
    spec->group = wanted;
    return STATUS_OK;
}

static enum status check_shape(const struct gap *gap, uint32_t index, const struct spec *spec, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct format *target = gap->target;
    uint64_t rows, row_bytes;
    const uint64_t groups = (weight->in + spec->group - 1) / spec->group;
    const struct layout *codes = layout_row(spec->codes_layout), *zeros = layout_row(spec->zeros_layout);
    const bool fields = spec->zero_kind == ZERO_CODES;
    const bool words =
        layout_size(codes, weight->out, weight->in, &rows, &row_bytes) && (!fields || layout_size(zeros, weight->out, groups, &rows, &row_bytes));
    const uint64_t rest = weight->in % spec->group;
    if (words && (target->can.short_group || rest == 0))
        return STATUS_OK;
    if (words) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found in_features %llu in groups of %llu, whose last group is %llu wide, expected whole groups: %s holds no short one (R-SHAPE)",
                      (unsigned long long)weight->in, (unsigned long long)spec->group, (unsigned long long)rest, target->name);
        return weight->origin != NULL ? err_try(err, "--group-size with a divisor of in_features, or --keep with its name leaves the layer float")
                                      : gap_try_others(gap, index, "--keep with its name leaves the layer float", false, err);
    }
    const uint64_t of_codes = layout_align(codes, AXIS_OUT), of_zeros = fields ? layout_align(zeros, AXIS_OUT) : 1;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                  "found out_features %llu and in_features %llu, expected a multiple of %llu and of %llu: %s packs whole words (R-SHAPE)",
                  (unsigned long long)weight->out, (unsigned long long)weight->in, (unsigned long long)(of_codes > of_zeros ? of_codes : of_zeros),
                  (unsigned long long)layout_align(codes, AXIS_IN), target->name);
    return gap_try_others(gap, index, "--keep with its name leaves the layer float", false, err);
}

static enum status dequantize(const struct gap *gap, const struct weight *weight, const struct survey_weight *seen, const struct aim *aim,
                              struct spec *spec, struct err *err)
{
    *spec = (struct spec){.grid = GRID_DENSE, .scale_dtype = aim->dtype};
    if (weight->spec.switched && !gap->target->arranged)
        return gap_mxfp4_refuse_dense(weight, err);
    if (seen->values.nonfinite > 0)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %llu of %llu values that are NaN or infinite, expected finite ones (R-NONFINITE)",
                       (unsigned long long)seen->values.nonfinite, (unsigned long long)seen->values.count);
    return gap_source_cast((struct gap_source_cast){weight->name, "values", &seen->values, aim->dtype, gap->options->exact, true}, err);
}

/* What the engine of --for takes. Weights that differ from the first one need rules of their own. */
static enum status check_engine(const struct gap *gap, uint32_t index, const struct spec *spec, struct err *err)
{
    const struct weight *first = &gap->model->weight[0], *weight = &gap->model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    const struct group_tally *groups = &seen->groups;
    const struct constraints_facts facts = {
        .asymmetric = groups->not_mid > 0,
        .zero_at_zero = groups->zero_min <= groups->zero_max && groups->zero_min + middle_shift(weight, spec->bits) == 0,
        .negative_scales = groups->negative > 0,
        .act_order = !seen->trivial_group_of,
        .ruled = gap->aims->weight[0].bits != spec->bits || (gap->group == 0 && first->spec.group != weight->spec.group && weight->groups > 1),
    };
    if (constraints_check(gap->options->constraints, weight, spec, &facts, err) == STATUS_OK)
        return STATUS_OK;
    const struct offer offer = {gap->model, gap->survey, index, 1, gap->options->constraints, gap->target->name, false};
    return offer_for_engine(&offer, gap->options, gap->target, spec, err);
}

/* What rounding anew cannot do. */
static enum status check_rounding(const struct weight *weight, const struct round_tally *rounding, const struct options *options, struct err *err)
{
    if (rounding->nonfinite > 0)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %llu of %llu weights that are NaN or infinite, expected finite ones (R-NONFINITE)",
                       (unsigned long long)rounding->nonfinite, (unsigned long long)rounding->weights);
    if (rounding->overflow + rounding->underflow > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found scales of %llu groups that overflow and of %llu that become zero as %s (R-SCALE)",
                      (unsigned long long)rounding->overflow, (unsigned long long)rounding->underflow, dtype_name(weight->spec.scale_dtype));
        return err_try(err, "--dtype bf16 or f32 where the target holds it, or --keep for this layer");
    }
    if (!options->exact)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found codes that would be rounded anew, and --exact was given");
    return err_try(err, "leave --exact out: the largest error of each tensor is reported");
}

/* Codes that no integer grid holds: they move as they are into a form of their own grid, or become floats. */
static enum status move_floats(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err)
{
    const struct weight *weight = &gap->model->weight[index];
    const struct aim *aim = &gap->aims->weight[index];
    const struct want want = {.bits = aim->bits, .activation = aim->activation, .grid = GRID_MINIFLOAT};
    if (weight->spec.grid == GRID_CODEBOOK || weight->spec.grid == GRID_GGML_BLOCK) {
        const char *what = weight->spec.grid == GRID_CODEBOOK ? "codes of a table (NF4, FP4)" : ggml_name((enum ggml_type)weight->spec.block);
        (void)err_set(err, weight->spec.grid == GRID_CODEBOOK ? STATUS_UNSUPPORTED : STATUS_UNREPRESENTABLE, weight->name,
                      "found %s, which no integer grid holds (R-CODEBOOK)", what);
        return gap_try_others(gap, index, "--keep with a pattern that names it (floats)", true, err);
    }
    if (weight->spec.scale_dtype == DTYPE_F8_E8M0)
        return gap_mxfp4_move(gap, index, spec, err);
    const struct form *form = registry_form(gap->target, &want);
    const enum dtype dtype = gap->model->tensor[weight->role[ROLE_CODES]].dtype;
    if (form == NULL || form->part[0].dtype != dtype || !dtype_is_plain_float(weight->spec.scale_dtype)) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %s codes, which no integer grid holds, and %s has no place for (R-FP8)",
                      dtype_name(dtype), gap->target->name);
        return gap_try_others(gap, index, "", true, err);
    }
    *spec = weight->spec;
    spec->form = (uint8_t)(form - gap->target->form);
    return STATUS_OK;
}

/* Under a name that no loader knows a tensor is lost, whatever the model needs it for. */
static enum status refuse_foreign(const char *where, const char *name, struct err *err)
{
    (void)err_set(err, STATUS_UNSUPPORTED, where, "found a tensor that models of this family have no name for in Hugging Face's format");
    return err_try(err, "--exclude %s leaves it out; --to gguf keeps it", name);
}

enum status gap_weight(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err)
{
    const struct format *target = gap->target;
    const struct weight *weight = &gap->model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    const struct aim *aim = &gap->aims->weight[index];
    TRY(gap_source_check(gap->model, index, seen, err));
    if (weight->foreign && !target->arranged)
        return refuse_foreign(weight->name, weight->name, err);
    if (weight->origin != NULL)
        TRY(check_rounding(weight, &seen->rounding, gap->options, err));
    if (aim->dense)
        return dequantize(gap, weight, seen, aim, spec, err);
    if (weight->spec.switched && weight->spec.grid != GRID_MINIFLOAT)
        return gap_mxfp4_refuse_codes(gap, weight, err);
    if (weight->spec.grid == GRID_MINIFLOAT || weight->spec.grid == GRID_CODEBOOK || weight->spec.grid == GRID_GGML_BLOCK)
        return move_floats(gap, index, spec, err);
    TRY(check_bits(gap, index, err));
    TRY(check_order(gap, index, err));
    *spec = (struct spec){.grid = aim->zeros == ZERO_BETA ? GRID_AFFINE_BETA : GRID_AFFINE_ZERO,
                          .bits = aim->bits,
                          .zero_rule = target->zero_rule,
                          .scale_dtype = aim->dtype,
                          .activation = aim->activation};
    TRY(choose_group(gap, weight, seen, spec, err));
    const struct want want = {.bits = aim->bits, .activation = aim->activation, .per_channel = spec->group >= weight->in, .variant = gap->options->variant};
    const struct form *form = registry_form(target, &want);
    if (form == NULL) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %u-bit codes in groups of %llu with %s activations, which %s cannot hold (R-GROUP)",
                      aim->bits, (unsigned long long)spec->group, spec_activation_name(aim->activation), target->name);
        return gap_try_others(gap, index, "", false, err);
    }
    spec->form = (uint8_t)(form - target->form);
    spec->zero_kind = gap->asymmetric >> aim->bits & 1 ? form->asymmetric : form->symmetric;
    spec->param_order = form->order;
    spec->codes_layout = (uint16_t)form->codes;
    spec->zeros_layout = (uint16_t)form->zeros;
    TRY(check_zeros(gap, index, spec, err));
    TRY(check_shape(gap, index, spec, err));
    TRY(check_engine(gap, index, spec, err));
    struct gap_source_cast cast = {weight->name, "scales", &seen->scales, spec->scale_dtype, gap->options->exact, target->can.scale_dtypes >> DTYPE_F32 & 1};
    TRY(gap_source_cast(cast, err));
    cast.what = "biases";
    cast.tally = &seen->zeros;
    return spec->zero_kind == ZERO_BETA ? gap_source_cast(cast, err) : STATUS_OK;
}

enum status gap_tensor(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct model *model = gap->model;
    const struct tensor *tensor = &model->tensor[index];
    const struct survey_tensor *seen = &gap->survey->tensor[index];
    char where[700];
    if (tensor->fate == FATE_DROP_ZERO && seen->nonzero > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, model_where(model, index, where, sizeof where),
                      "found %llu non-zero values in a norm bias, which the architecture has no place for (R-NORMBIAS)", (unsigned long long)seen->nonzero);
        return err_try(err, "quantize without anti-outlier methods that shift (m2, m4), or with a symmetric one");
    }
    if (tensor->fate == FATE_DROP_TWIN && seen->first_difference != UINT64_MAX) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, model_where(model, index, where, sizeof where),
                      "found other values than in %s: float layers need the one, quantized layers the other (R-NORMBIAS)", model->tensor[tensor->peer].name);
        return err_try(err, "quantize again with a current msModelSlim");
    }
    if (tensor->switched && tensor->fate == FATE_CARRY && !gap->target->can.stacks && !gap->target->arranged && !gap->aims->excluded[index]) {
        (void)err_set(err, STATUS_UNSUPPORTED, model_where(model, index, where, sizeof where),
                      "found a stack of experts, gate and up apart, which no float checkpoint holds (R-EXPERTS)");
        return err_try(err, "the checkpoint that the file was made of");
    }
    if (tensor->foreign && tensor->fate == FATE_CARRY && !gap->target->arranged && !gap->aims->excluded[index])
        return refuse_foreign(model_where(model, index, where, sizeof where), tensor->name, err);
    if (seen->cast.count == 0 || tensor->fate == FATE_CLAIMED || gap->aims->excluded[index])
        return STATUS_OK;
    const enum dtype to = gap->aims->tensor[index].dtype;
    return gap_source_cast((struct gap_source_cast){model_where(model, index, where, sizeof where), "values", &seen->cast, to, gap->options->exact, true}, err);
}
