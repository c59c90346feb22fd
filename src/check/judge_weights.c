/* E6, E10 (act-order), E12 (bits), E16 to E19: weights against the limits of the engine's kernels. */
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct constraints no_limits;

static const struct constraints *limits_of(const struct subject *subject)
{
    return subject->accepts == NULL ? &no_limits : &subject->accepts->limits;
}

static enum severity misfit(const struct subject *subject)
{
    return subject->accepts == NULL || subject->accepts->misfit == SEVERITY_PASS ? SEVERITY_FAIL : subject->accepts->misfit;
}

/* Integers; floats of few bits have kernels of their own. */
static bool is_affine(const struct weight *weight)
{
    return weight->spec.grid == GRID_AFFINE_ZERO || weight->spec.grid == GRID_AFFINE_BETA;
}

/* One finding for all the weights of a spread; none if it is empty. */
static enum status report(struct subject *subject, const struct spread *spread, struct remark remark, struct err *err)
{
    if (spread->count == 0)
        return STATUS_OK;
    remark.where = spread_text(spread, subject, err);
    return subject_report(subject, remark, err);
}

/* --- E6, E10, E19: zeros, order, scales ------------------------------------------------------------------------------------- */

enum status judge_weights_symmetric(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    const int sym = subject_is_gptq(subject) ? subject_flag(subject->settings, "sym") : -1;
    if (!limits_of(subject)->symmetric_only || subject->encoding == ENCODING_MS) /* E21 looks at offsets */
        return STATUS_OK;
    if (sym == 0)
        return subject_report(subject, (struct remark){misfit(subject), subject->settings_where, "sym: false",
                              "sym: true: the engine has no asymmetric GPTQ kernels",
                              remedy_convert(subject, NULL, err), 0}, err);
    for (size_t w = 0; sym < 0 && w < subject->model.weight_count; w++)
        if (subject->survey.weight[w].groups.not_mid > 0)
            spread_add(&wrong, subject->model.weight[w].name);
    return report(subject, &wrong, (struct remark){misfit(subject), NULL, "zeros that are not 2^(bits-1)", "symmetric weights",
                  remedy_convert(subject, NULL, err), 0}, err);
}

enum status judge_weights_act_order(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    for (size_t w = 0; limits_of(subject)->no_act_order && w < subject->model.weight_count; w++)
        if (!subject->survey.weight[w].trivial_group_of)
            spread_add(&wrong, subject->model.weight[w].name);
    return report(subject, &wrong, (struct remark){SEVERITY_FAIL, NULL, "an activation order: g_idx permutes", "consecutive groups",
                  remedy_convert(subject, NULL, err), 0}, err);
}

enum status judge_weights_negative(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    uint64_t count = 0;
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        count += subject->survey.weight[w].groups.negative;
        if (subject->survey.weight[w].groups.negative > 0)
            spread_add(&wrong, subject->model.weight[w].name);
    }
    return report(subject, &wrong, (struct remark){limits_of(subject)->no_negative_scales ? SEVERITY_FAIL : SEVERITY_WARN, NULL,
                  subject_text(subject, err, "%" PRIu64 " negative scales", count), "positive ones: on NPUs codes are turned and clamped at 7",
                  "quantize with positive scales", 0}, err);
}

enum status judge_weights_finite(struct subject *subject, struct err *err)
{
    struct spread scales = {0}, zeros = {0};
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        if (subject->survey.weight[w].groups.bad_scales > 0)
            spread_add(&scales, subject->model.weight[w].name);
        if (subject->survey.weight[w].groups.bad_zeros > 0)
            spread_add(&zeros, subject->model.weight[w].name);
    }
    TRY(report(subject, &scales, (struct remark){SEVERITY_SILENT, NULL, "scales that are NaN or infinite (R-NONFINITE)", "finite ones", NULL, 0}, err));
    return report(subject, &zeros, (struct remark){SEVERITY_SILENT, NULL, "offsets that are NaN (R-NONFINITE)", "integers", NULL, 0}, err);
}

/* --- E12, E16: bits and groups ---------------------------------------------------------------------------------------------- */

static enum status judge_bits(struct subject *subject, struct err *err)
{
    char list[100];
    struct spread wrong = {0};
    int64_t found = 0;
    const uint32_t bits = limits_of(subject)->bits;
    if (bits == 0)
        return STATUS_OK;
    if (!subject->read) {
        found = subject_int(subject->settings, "bits", 0);
        if (found > 0 && found < 32 && (bits >> found & 1) == 0)
            spread_add(&wrong, subject->settings_where);
    }
    for (size_t w = 0; w < subject->model.weight_count && subject->read; w++) {
        if (!is_affine(&subject->model.weight[w]) || (bits >> subject->model.weight[w].spec.bits & 1) != 0)
            continue;
        found = subject->model.weight[w].spec.bits;
        spread_add(&wrong, subject->model.weight[w].name);
    }
    return report(subject, &wrong, (struct remark){misfit(subject), NULL, subject_text(subject, err, "%" PRId64 " bits", found),
                  subject_text(subject, err, "%s", constraints_bits_text(bits, list, sizeof list)), remedy_convert(subject, NULL, err), 0}, err);
}

enum status judge_weights_bits_gptq(struct subject *subject, struct err *err)
{
    struct spread bytes = {0};
    TRY(judge_bits(subject, err));
    for (size_t w = 0; subject->engine == ENGINE_AUTOGPTQ && w < subject->model.weight_count; w++)
        if (subject->model.weight[w].spec.bits == 8)
            spread_add(&bytes, subject->model.weight[w].name);
    return report(subject, &bytes, (struct remark){SEVERITY_WARN, NULL, "8 bits: its CUDA kernels keep 4 bits of every zero point",
        "4 bits, or the torch kernel", "serve it with GPTQModel", 0}, err);
}

enum status judge_weights_bits(struct subject *subject, struct err *err)
{
    return subject->encoding == ENCODING_MS ? STATUS_OK : judge_bits(subject, err); /* msModelSlim: E21's types */
}

enum status judge_weights_groups(struct subject *subject, struct err *err)
{
    char list[100], wanted[100];
    struct spread wrong = {0}, slow = {0};
    const struct constraints *limits = limits_of(subject);
    const struct constraints warn = {.groups = subject->accepts == NULL ? 0 : subject->accepts->groups_warn};
    uint64_t bad = 0, odd = 0;
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        const struct weight *weight = &subject->model.weight[w];
        if (!is_affine(weight))
            continue;
        const bool kept = subject->encoding == ENCODING_MS && limits->groups == CONSTRAINTS_PER_CHANNEL && weight->spec.bits == 4; /* E21 says it */
        if (!kept && !constraints_group_fits(limits, weight->spec.group, weight->groups == 1)) {
            bad = weight->spec.group;
            spread_add(&wrong, weight->name);
        } else if (!constraints_group_fits(&warn, weight->spec.group, weight->groups == 1)) {
            odd = weight->spec.group;
            spread_add(&slow, weight->name);
        }
    }
    TRY(report(subject, &wrong, (struct remark){misfit(subject), NULL, subject_text(subject, err, "groups of %" PRIu64, bad),
               subject_text(subject, err, "a group size of %s", constraints_groups_text(limits->groups, list, sizeof list)),
               remedy_convert(subject, NULL, err), 0}, err));
    return report(subject, &slow, (struct remark){SEVERITY_WARN, NULL, subject_text(subject, err, "groups of %" PRIu64, odd),
                  subject_text(subject, err, "a group size of %s, which all of its kernels take", constraints_groups_text(warn.groups, wanted, sizeof wanted)),
                  NULL, 0}, err);
}

/* --- E17: shapes ------------------------------------------------------------------------------------------------------------ */

static enum status judge_multiple(struct subject *subject, bool of_out, unsigned multiple, enum severity severity, struct err *err)
{
    struct spread wrong = {0};
    uint64_t found = 0;
    for (size_t w = 0; multiple > 1 && w < subject->model.weight_count; w++) {
        const uint64_t size = of_out ? subject->model.weight[w].out : subject->model.weight[w].in;
        if (size % multiple == 0)
            continue;
        found = size;
        spread_add(&wrong, subject->model.weight[w].name);
    }
    return report(subject, &wrong, (struct remark){severity, NULL, subject_text(subject, err, "%" PRIu64 " %s channels", found, of_out ? "output" : "input"),
                  subject_text(subject, err, "a multiple of %u%s", multiple, severity == SEVERITY_WARN ? ": some kernels take nothing else" : ""), NULL, 0},
                  err);
}

enum status judge_weights_shapes(struct subject *subject, struct err *err)
{
    struct spread ragged = {0};
    const struct acceptance *accepts = subject->accepts;
    if (accepts == NULL)
        return STATUS_OK;
    TRY(judge_multiple(subject, true, accepts->limits.out_multiple, SEVERITY_FAIL, err));
    TRY(judge_multiple(subject, false, accepts->limits.in_multiple, SEVERITY_FAIL, err));
    TRY(judge_multiple(subject, true, accepts->out_warn, SEVERITY_WARN, err));
    TRY(judge_multiple(subject, false, accepts->in_warn, SEVERITY_WARN, err));
    for (size_t w = 0; w < subject->model.weight_count; w++)
        if (subject->model.weight[w].spec.group > 0 && subject->model.weight[w].in % subject->model.weight[w].spec.group != 0)
            spread_add(&ragged, subject->model.weight[w].name);
    const bool torch = subject->engine == ENGINE_GPTQMODEL || subject->engine == ENGINE_AUTOGPTQ;
    return report(subject, &ragged, (struct remark){torch ? SEVERITY_WARN : SEVERITY_FAIL, NULL, "a last group that is short", "whole groups", NULL, 0}, err);
}

/* --- E18 -------------------------------------------------------------------------------------------------------------------- */

enum status judge_weights_scales(struct subject *subject, struct err *err)
{
    struct spread wrong = {0}, other = {0};
    const char *named = jsondoc_string(subject_member(subject->text_config, "torch_dtype", "dtype"));
    if (named == NULL)
        named = jsondoc_string(subject_member(subject->config, "torch_dtype", "dtype"));
    const enum dtype model = named == NULL ? DTYPE_NONE : dtype_parse(slice_of(named));
    const uint32_t taken = limits_of(subject)->scale_dtypes;
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        const enum dtype own = subject->model.weight[w].spec.scale_dtype;
        if ((subject->row->traits & TRAIT_MODEL_DTYPE) != 0 && model == DTYPE_BF16 && own == DTYPE_F16)
            spread_add(&wrong, subject->model.weight[w].name);
        if (taken != 0 && (taken >> own & 1) == 0)
            spread_add(&other, subject->model.weight[w].name);
    }
    TRY(report(subject, &wrong, (struct remark){SEVERITY_WARN, NULL, "scales of F16, but the model's dtype is bfloat16: they are rounded when loaded",
               "one dtype",
               "serve with --dtype float16, or convert with --dtype bf16 where the format has it", 0}, err));
    return report(subject, &other, (struct remark){SEVERITY_WARN, NULL, "scales of another dtype, which are cast when loaded", "F16",
        remedy_rewrite(subject, err), 0}, err);
}
