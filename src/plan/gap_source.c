#include "plan/gap_source.h"

#include "formats/registry.h"
#include "plan/gap.h"

#include <string.h>

static enum status check_finite(const struct weight *weight, const struct group_tally *groups, struct err *err)
{
    if (groups->bad_scales > 0)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %llu scales that are NaN or infinite in %llu groups, expected finite ones (R-NONFINITE)",
                       (unsigned long long)groups->bad_scales, (unsigned long long)groups->groups);
    const bool scaled = weight->spec.zero_kind == ZERO_SCALED;
    if (groups->bad_zeros > 0)
        return err_set(err, STATUS_CORRUPT, weight->name, "found %llu %s, expected %s (R-NONFINITE)", (unsigned long long)groups->bad_zeros,
                       scaled ? "scaled zeros that are NaN or infinite" : "offsets that are NaN in groups whose scale is not 0",
                       scaled ? "-(scale * zero)" : "integers");
    if (!scaled || groups->fractions == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, weight->name,
                  "found %llu of %llu groups whose scaled zero is -(scale * zero), rounded, of no integer zero in 0..%d (R-RANGE)",
                  (unsigned long long)groups->fractions, (unsigned long long)groups->groups, (1 << weight->spec.bits) - 1);
    return err_try(err, "fetch the checkpoint again, or quantize anew with AutoAWQ's GEMM version");
}

enum status gap_source_ambiguous(const char *weight, uint64_t count, struct err *err)
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
        return gap_source_ambiguous(weight->name, seen->ambiguous, err);
    if (seen->uneven_group_of && weight->unset_group_of) /* compressed-tensors cuts the sorted columns into equal groups */
        return err_set(err, STATUS_CORRUPT, weight->name, "found a g_idx whose groups do not have %llu columns each (R-SHAPE)",
                       (unsigned long long)weight->spec.group);
    if (weight->claim != CLAIM_SYMMETRIC || groups->not_mid == 0)
        return STATUS_OK;
    const struct format *format = registry_find(model->format);
    const bool v1 = weight->spec.zero_rule != ZERO_PLAIN, gptq = v1 || strcmp(model->format, "gptq_v2") == 0;
    (void)err_set(err, STATUS_CORRUPT, weight->name, "found zeros %lld..%lld read as %s, expected %lld everywhere: the config says %s (R-SYMFLAG)",
                  (long long)groups->zero_min, (long long)groups->zero_max, model->format, (long long)mid,
                  format == NULL || format->claim == NULL ? "so" : format->claim);
    const int64_t other = v1 ? mid + 1 : mid - 1; /* the mid zero, read by the wrong one of v1 and v2 */
    if (gptq && groups->zero_min == other && groups->zero_max == other)
        return err_try(err, "the zeros are stored as %s does: --from %s", v1 ? "gptq_v2" : "gptq", v1 ? "gptq_v2" : "gptq");
    if (!gptq)
        return err_try(err, "--from %s takes the zeros as they are", model->format);
    return err_try(err, "--from gptq (zeros stored less 1) or --from gptq_v2 takes the zeros as they are");
}

enum status gap_source_check(const struct model *model, uint32_t weight, const struct survey_weight *seen, struct err *err)
{
    TRY(check_finite(&model->weight[weight], &seen->groups, err));
    if (seen->strange_deqs > 0) {
        (void)err_set(err, STATUS_CORRUPT, model->weight[weight].name, "found %llu of %llu deq_scales that are not input_scale * weight_scale (R-CONFLICT)",
                      (unsigned long long)seen->strange_deqs, (unsigned long long)model->weight[weight].out);
        return err_try(err, "fetch the checkpoint again: one of them belongs to other weights");
    }
    if (seen->strange_biases > 0) {
        (void)err_set(err, STATUS_CORRUPT, model->weight[weight].name,
                      "found %llu of %llu quant_biases that are not bias / deq_scale - input_offset * sum of the row's codes (R-CONFLICT)",
                      (unsigned long long)seen->strange_biases, (unsigned long long)model->weight[weight].out);
        return err_try(err, "fetch the checkpoint again: codes or quant_bias belong to other weights");
    }
    return check_claim(model, &model->weight[weight], seen, err);
}

/* A value that becomes zero is rounded like others; a scale that does loses its whole group. */
enum status gap_source_cast(struct gap_source_cast change, struct err *err)
{
    const struct cast_tally *cast = change.tally;
    const char *where = change.where, *what = change.what;
    const enum dtype to = change.to;
    if (cast->overflow > 0 || (cast->underflow > 0 && strcmp(what, "values") != 0)) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, where, "found %llu of %llu %s that overflow and %llu that become zero as %s (R-SCALE)",
                      (unsigned long long)cast->overflow, (unsigned long long)cast->count, what, (unsigned long long)cast->underflow, dtype_name(to));
        return err_try(err, change.widens ? "--dtype f32 holds them all, and bf16 has its range"
                                          : "--to compressed-tensors keeps their dtype; --to gptq --dtype bf16 has the range of F32");
    }
    if (!change.exact || cast->inexact == 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, where, "found %llu of %llu %s that %s rounds (largest relative error %.3g), and --exact was given (R-SCALE)",
                  (unsigned long long)cast->inexact, (unsigned long long)cast->count, what, dtype_name(to), cast->max_relative);
    return err_try(err, "leave --exact out: the %s are rounded once, and the largest error is reported", what);
}
