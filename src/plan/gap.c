#include "plan/gap.h"

#include <stdio.h>

enum dtype gap_scale_dtype(const struct format *target, const struct options *options, enum dtype source)
{
    const uint32_t held = target->can.scale_dtypes;
    if (options->keep_scale_dtype)
        return source;
    if (options->dtype != DTYPE_NONE && (held >> options->dtype & 1))
        return options->dtype;
    /* F16 is every AWQ and GPTQ engine's own; a format that holds all three keeps the source's. */
    if (held >> DTYPE_F32 & 1)
        return source;
    return DTYPE_F16;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

int64_t gap_common_group(const struct model *model)
{
    uint64_t common = 0;
    bool grouped = false;
    for (size_t w = 0; w < model->weight_count; w++) {
        common = gcd(common, model->weight[w].spec.group);
        grouped = grouped || model->weight[w].groups > 1;
    }
    return model->weight_count == 0 ? 0 : grouped ? (int64_t)common : -1;
}

/* --- faults of the source ------------------------------------------------------------------------------------------------ */

static enum status check_finite(const struct weight *weight, const struct group_tally *groups, struct err *err)
{
    if (groups->bad_scales > 0)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %llu scales that are NaN or infinite in %llu groups, expected finite ones (R-NONFINITE)",
                       (unsigned long long)groups->bad_scales, (unsigned long long)groups->groups);
    if (groups->bad_zeros > 0)
        return err_set(err, STATUS_CORRUPT, weight->name,
                       "found %llu offsets that are NaN in groups whose scale is not 0, expected integers (R-NONFINITE)",
                       (unsigned long long)groups->bad_zeros);
    return STATUS_OK;
}

enum status gap_ambiguous(const char *weight, uint64_t count, struct err *err)
{
    (void)err_set(err, STATUS_CORRUPT, weight,
                  "found %llu zero points stored as all ones, which readers of GPTQ v1 decode differently, and no known writer (R-AMBIG-V1)",
                  (unsigned long long)count);
    return err_try(err, "--gptq-zeros word-add (GPTQModel, auto-round), field-mod (AutoGPTQ's AWQ import) or no-mask");
}

static enum status check_claim(const struct model *model, const struct weight *weight, const struct survey_weight *seen, struct err *err)
{
    const int64_t mid = INT64_C(1) << (weight->spec.bits - 1);
    const struct group_tally *groups = &seen->groups;
    if (seen->ambiguous > 0)
        return gap_ambiguous(weight->name, seen->ambiguous, err);
    if (model->claim != CLAIM_SYMMETRIC || groups->not_mid == 0)
        return STATUS_OK;
    const bool v1 = weight->spec.zero_rule != ZERO_PLAIN;
    (void)err_set(err, STATUS_CORRUPT, weight->name, "found zeros %lld..%lld read as %s, expected %lld everywhere: the config says sym: true (R-SYMFLAG)",
                  (long long)groups->zero_min, (long long)groups->zero_max, model->format, (long long)mid);
    const int64_t other = v1 ? mid + 1 : mid - 1; /* the mid zero, read by the wrong one of v1 and v2 */
    if (groups->zero_min == other && groups->zero_max == other)
        return err_try(err, "the zeros are stored as %s does: --from %s", v1 ? "gptq_v2" : "gptq", v1 ? "gptq_v2" : "gptq");
    return err_try(err, "--from %s takes the zeros as they are", model->format);
}

/* --- what the target cannot hold ------------------------------------------------------------------------------------------ */

static enum status choose_bits(const struct weight *weight, const struct format *target, const struct options *options, unsigned *bits,
                               struct err *err)
{
    char held[64];
    *bits = options->bits != 0 ? options->bits : weight->spec.bits;
    if (*bits < weight->spec.bits) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %u-bit codes, and %u bits were asked for: that would quantize again (R-BITS)",
                      weight->spec.bits, *bits);
        return err_try(err, "leave the width as it is: --bits %u (ms_to_vllm: --w_bit %u)", weight->spec.bits, weight->spec.bits);
    }
    if (registry_width(target, *bits) != NULL)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %u-bit codes, but %s holds %s bits (R-BITS)", *bits, target->name,
                  registry_bits(target, held, sizeof held));
    return err_try(err, "--to gptq");
}

static enum status check_order(const struct weight *weight, const struct survey_weight *seen, const struct format *target, struct err *err)
{
    if (seen->trivial_group_of || target->can.act_order)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found groups in activation order (g_idx), which %s cannot hold (R-ACTORDER)", target->name);
    return err_try(err, "--to gptq_v2");
}

/* The canonical zero moves with the codes when a code gets more bits: both are counted from the middle. */
static enum status check_zeros(const struct weight *weight, const struct group_tally *groups, unsigned bits, const struct format *target,
                               struct err *err)
{
    const int64_t add = (INT64_C(1) << (bits - 1)) - (INT64_C(1) << (weight->spec.bits - 1));
    const int64_t most = (INT64_C(1) << bits) - 1;
    if (groups->fractions > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %llu of %llu groups whose offset is no integer, expected integers (R-RANGE)",
                      (unsigned long long)groups->fractions, (unsigned long long)groups->groups);
        return err_try(err, "quantize with integer zero points");
    }
    if (groups->zero_min > groups->zero_max) /* no live group */
        return STATUS_OK;
    if (groups->zero_min + add < 0 || groups->zero_max + add > most) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                      "found %llu of %llu groups with a zero outside 0..%lld (zeros %lld..%lld, offsets %g..%g), which %s cannot hold (R-RANGE)",
                      (unsigned long long)(groups->below_zero + groups->above_code), (unsigned long long)groups->groups, (long long)most,
                      (long long)(groups->zero_min + add), (long long)(groups->zero_max + add), groups->offset_min, groups->offset_max, target->name);
        return err_try(err, "quantize so that each group's range includes 0 (w_sym=True, or the GPTQ or HQQ method)");
    }
    if (groups->zero_min + add == 0 && !target->can.zero_at_zero) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found %llu of %llu groups with zero 0, which GPTQ v1 cannot hold (R-ZERO-V1)",
                      (unsigned long long)groups->equal_zero, (unsigned long long)groups->groups);
        return err_try(err, weight->spec.bits == 4 ? "--to gptq_v2, or --to awq" : "--to gptq_v2");
    }
    return STATUS_OK;
}

static enum status choose_group(const struct weight *weight, const struct survey_weight *seen, int64_t group, struct spec *spec, struct err *err)
{
    spec->group = weight->spec.group;
    const uint64_t wanted = group > 0 && (uint64_t)group < weight->in ? (uint64_t)group : weight->in;
    if (group == 0 || wanted == spec->group || (group == -1 && weight->groups == 1))
        return STATUS_OK;
    if (wanted > spec->group || spec->group % wanted != 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found groups of %llu, which groups of %llu do not refine (R-GROUP)",
                      (unsigned long long)spec->group, (unsigned long long)wanted);
        return err_try(err, "--group-size with a divisor of %llu", (unsigned long long)spec->group);
    }
    if (!seen->trivial_group_of)
        return err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found groups in activation order, which cannot be refined (R-ACTORDER)");
    if (weight->in % wanted != 0)
        return err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found in_features %llu, which groups of %llu do not divide (R-GROUP)",
                       (unsigned long long)weight->in, (unsigned long long)wanted);
    spec->group = wanted;
    return STATUS_OK;
}

static enum status check_shape(const struct weight *weight, const struct spec *spec, const struct format *target, struct err *err)
{
    uint64_t rows, row_bytes;
    const uint64_t groups = (weight->in + spec->group - 1) / spec->group;
    const struct layout *codes = layout_row(spec->codes_layout), *zeros = layout_row(spec->zeros_layout);
    if (layout_size(codes, weight->out, weight->in, &rows, &row_bytes) && layout_size(zeros, weight->out, groups, &rows, &row_bytes) &&
        (target->can.act_order || weight->in % spec->group == 0))
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name, "found out_features %llu, in_features %llu in groups of %llu, which %s cannot pack (R-SHAPE)",
                  (unsigned long long)weight->out, (unsigned long long)weight->in, (unsigned long long)spec->group, target->name);
    const uint64_t out_run = layout_run(zeros), in_run = codes->pack == AXIS_IN ? layout_run(codes) : 1;
    return err_try(err, "%s needs out_features to be a multiple of %llu and in_features of %llu; leave this layer float when quantizing", target->name,
                   (unsigned long long)out_run, (unsigned long long)in_run);
}

static enum status check_cast(const char *where, const char *what, const struct cast_tally *cast, enum dtype to, bool exact, struct err *err)
{
    if (cast->overflow > 0 || cast->underflow > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, where, "found %llu of %llu %s that overflow and %llu that become zero as %s (R-SCALE)",
                      (unsigned long long)cast->overflow, (unsigned long long)cast->count, what, (unsigned long long)cast->underflow, dtype_name(to));
        return err_try(err, "--to gptq --dtype bf16 has the range of F32, where the loader takes BF16");
    }
    if (!exact || cast->inexact == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, where, "found %llu of %llu %s that %s rounds (largest relative error %.3g), and --exact was given (R-SCALE)",
                  (unsigned long long)cast->inexact, (unsigned long long)cast->count, what, dtype_name(to), cast->max_relative);
    return err_try(err, "leave --exact out: the %s are rounded once, and the largest error is reported", what);
}

enum status gap_weight(const struct gap *gap, uint32_t index, struct spec *spec, struct err *err)
{
    const struct model *model = gap->model;
    const struct format *target = gap->target;
    const struct options *options = gap->options;
    const struct weight *weight = &model->weight[index];
    const struct survey_weight *seen = &gap->survey->weight[index];
    unsigned bits;
    TRY(check_finite(weight, &seen->groups, err));
    TRY(check_claim(model, weight, seen, err));
    TRY(choose_bits(weight, target, options, &bits, err));
    TRY(check_order(weight, seen, target, err));
    TRY(check_zeros(weight, &seen->groups, bits, target, err));
    const struct width *width = registry_width(target, bits);
    *spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = (uint8_t)bits, .zero_kind = ZERO_CODES, .zero_rule = target->zero_rule,
                          .param_order = target->param_order, .scale_dtype = gap_scale_dtype(target, options, weight->spec.scale_dtype),
                          .codes_layout = (uint16_t)width->codes, .zeros_layout = (uint16_t)width->zeros};
    TRY(choose_group(weight, seen, gap->group, spec, err));
    TRY(check_shape(weight, spec, target, err));
    return check_cast(weight->name, "scales", &seen->scales, spec->scale_dtype, options->exact, err);
}

enum status gap_tensor(const struct gap *gap, uint32_t index, struct err *err)
{
    const struct model *model = gap->model;
    const struct options *options = gap->options;
    const struct tensor *tensor = &model->tensor[index];
    const struct survey_tensor *seen = &gap->survey->tensor[index];
    char where[700];
    if (tensor->fate == FATE_DROP_ZERO && seen->nonzero > 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, model_where(model, index, where, sizeof where),
                      "found %llu non-zero values in a norm bias, which the architecture has no place for (R-NORMBIAS)",
                      (unsigned long long)seen->nonzero);
        return err_try(err, "quantize without anti-outlier methods that shift (m2, m4), or with a symmetric one");
    }
    if (tensor->fate == FATE_DROP_TWIN && seen->first_difference != UINT64_MAX) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, model_where(model, index, where, sizeof where),
                      "found other values than in %s: layers left float need the one, quantized layers the other (R-NORMBIAS)",
                      model->tensor[tensor->peer].name);
        return err_try(err, "quantize again with a current msModelSlim");
    }
    if (tensor->fate == FATE_CARRY && seen->cast.count > 0)
        return check_cast(model_where(model, index, where, sizeof where), "values", &seen->cast, options->dtype, options->exact, err);
    return STATUS_OK;
}
