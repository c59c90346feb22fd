/* E7 to E12: what the config of GPTQ (and AWQ, and compressed-tensors) claims, against the data. */
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"
#include "formats/registry.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int64_t mid_of(const struct weight *weight)
{
    return INT64_C(1) << (weight->spec.bits - 1);
}

static bool is_v1(const struct subject *subject)
{
    return subject->encoding == ENCODING_GPTQ;
}

/* The constant that mid zeros are read as under the other label. */
static bool is_other_constant(const struct subject *subject, const struct weight *weight, const struct group_tally *groups)
{
    const int64_t other = is_v1(subject) ? mid_of(weight) + 1 : mid_of(weight) - 1;
    return groups->zero_min == other && groups->zero_max == other;
}

/* --- E7, E8 ----------------------------------------------------------------------------------------------------------------- */

/* The config says that the weight's zeros are all 2^(bits-1): as the reader has it, or what the engine goes by. */
static bool is_claimed(const struct subject *subject, const struct weight *weight)
{
    if (weight->claim == CLAIM_SYMMETRIC)
        return true;
    if (subject->encoding == ENCODING_AWQ)
        return subject_flag(subject->settings, "zero_point") == 0;
    return subject_is_gptq(subject) && subject_flag(subject->settings, "sym") == 1;
}

enum status judge_gptq_flag(struct subject *subject, struct err *err)
{
    const struct format *format = registry_find(subject->model.format);
    struct spread wrong = {0};
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        const struct weight *weight = &subject->model.weight[w];
        const struct group_tally *groups = &subject->survey.weight[w].groups;
        if (!is_claimed(subject, weight) || groups->not_mid == 0)
            continue;
        if (subject_is_gptq(subject) && is_other_constant(subject, weight, groups)) /* that is a wrong label: E8 */
            continue;
        spread_add(&wrong, weight->name);
        low = groups->zero_min < low ? groups->zero_min : low;
        high = groups->zero_max > high ? groups->zero_max : high;
    }
    if (wrong.count == 0)
        return STATUS_OK;
    const char *claim = format == NULL || format->claim == NULL ? "so" : format->claim;
    return subject_report(
        subject,
        (struct remark){(subject->row->traits & TRAIT_IGNORES_ZEROS) != 0 ? SEVERITY_SILENT : SEVERITY_FAIL, spread_text(&wrong, subject, err),
                        subject_text(subject, err, "zeros %" PRId64 "..%" PRId64 ", but %s says %s (R-SYMFLAG)", low, high, subject->settings_where, claim),
                        "2^(bits-1) everywhere",
                        subject->encoding == ENCODING_AWQ ? "set zero_point: true" : remedy_convert(subject, subject->model.format, err), 0},
        err);
}

static enum status report_zero(struct subject *subject, const struct spread *zero, uint64_t groups, bool ambiguous, struct err *err)
{
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(zero, subject, err),
                          subject_text(subject, err, "%" PRIu64 " zero points stored as all ones: engines read them as 0 or as 2^bits (%s)", groups,
                                       ambiguous ? "R-AMBIG-V1" : "R-ZERO-V1"),
                          "none in GPTQ v1",
                          ambiguous ? "repaq convert SRC DST --to gptq_v2 --gptq-zeros word-add, field-mod or no-mask, as the writer stored them"
                                    : remedy_convert(subject, NULL, err), 0}, err);
}

enum status judge_gptq_label(struct subject *subject, struct err *err)
{
    struct spread label = {0}, zero = {0};
    uint64_t zeros = 0;
    bool ambiguous = false;
    for (size_t w = 0; w < subject->model.weight_count; w++) {
        const struct weight *weight = &subject->model.weight[w];
        const struct survey_weight *seen = &subject->survey.weight[w];
        const uint64_t ones = is_v1(subject) ? seen->groups.equal_zero + seen->groups.above_code : 0;
        if (is_other_constant(subject, weight, &seen->groups))
            spread_add(&label, weight->name);
        if (ones + seen->ambiguous == 0)
            continue;
        spread_add(&zero, weight->name);
        ambiguous = ambiguous || seen->ambiguous > 0;
        zeros += ones > seen->ambiguous ? ones : seen->ambiguous;
    }
    if (label.count > 0)
        TRY(subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&label, subject, err),
                           subject_text(subject, err, "zeros that are all 2^(bits-1)%s1 when read as %s (R-SYMFLAG)", is_v1(subject) ? "+" : "-",
                                        engines_encoding_name(subject->encoding)),
                           subject_text(subject, err, "the label %s: then they are 2^(bits-1)", is_v1(subject) ? "gptq_v2" : "gptq"),
                           subject_text(subject, err, "repaq convert SRC DST --from %s --to gptq --for %s", is_v1(subject) ? "gptq_v2" : "gptq",
                                        subject->row->name), 0}, err));
    return zero.count == 0 ? STATUS_OK : report_zero(subject, &zero, zeros, ambiguous, err);
}

/* --- E9 --------------------------------------------------------------------------------------------------------------------- */

/* "gptqmodel:0.9.0" and later. */
static bool is_gated_version(const char *quantizer)
{
    static const char prefix[] = "gptqmodel:";
    if (quantizer == NULL || strncmp(quantizer, prefix, sizeof prefix - 1) != 0)
        return false;
    char *end;
    const unsigned long major = strtoul(quantizer + sizeof prefix - 1, &end, 10);
    const unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
    return major > 0 || minor >= 9;
}

static bool has_provenance(const struct jsondoc *settings)
{
    const struct jsondoc *quantizer = jsondoc_get(jsondoc_get(settings, "meta"), "quantizer");
    bool found = is_gated_version(jsondoc_string(quantizer));
    for (const struct jsondoc *item = jsondoc_first(quantizer); item != NULL; item = jsondoc_next(item))
        found = found || is_gated_version(jsondoc_string(item));
    return found;
}

enum status judge_gptq_gate(struct subject *subject, struct err *err)
{
    if ((subject->row->traits & TRAIT_QUANTIZER_GATE) == 0 || has_provenance(subject->settings))
        return STATUS_OK;
    bool asymmetric = subject_flag(subject->settings, "sym") == 0;
    for (size_t w = 0; w < subject->model.weight_count; w++)
        asymmetric = asymmetric || (subject->survey.weight[w].groups.not_mid > 0 && subject_flag(subject->settings, "sym") != 1);
    if (!asymmetric)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, subject->settings_where, "asymmetric zeros in format gptq (v1)",
                          "meta.quantizer gptqmodel:0.9.0 or later",
                          subject_text(subject, err, "repaq convert SRC DST --to gptq_v2 --for %s", subject->row->name), 0}, err);
}

/* --- E10 -------------------------------------------------------------------------------------------------------------------- */

/* What one weight's g_idx comes to under the config's desc_act. */
enum ordering { ORDERING_GOOD, ORDERING_ABSENT, ORDERING_UNREAD, ORDERING_ALL_ZERO, ORDERING_COUNT };

static enum ordering order_of(const struct subject *subject, size_t w, bool desc_act)
{
    const struct weight *weight = &subject->model.weight[w];
    const struct survey_weight *seen = &subject->survey.weight[w];
    if (weight->role[ROLE_GROUP_OF] == MODEL_NONE)
        return desc_act || (subject->row->traits & TRAIT_NEEDS_GROUP_OF) != 0 ? ORDERING_ABSENT : ORDERING_GOOD;
    if (seen->zero_group_of)
        return ORDERING_ALL_ZERO;
    return !seen->trivial_group_of && !desc_act && (subject->row->traits & TRAIT_FLAG_ORDERS) != 0 ? ORDERING_UNREAD : ORDERING_GOOD;
}

enum status judge_gptq_group_of(struct subject *subject, struct err *err)
{
    const bool desc_act = subject_flag(subject->settings, "desc_act") == 1, flag = (subject->row->traits & TRAIT_FLAG_ORDERS) != 0;
    const bool needs = (subject->row->traits & TRAIT_NEEDS_GROUP_OF) != 0;
    const struct remark remarks[ORDERING_COUNT] = {
        [ORDERING_ABSENT] = {needs ? SEVERITY_FAIL : flag ? SEVERITY_SILENT : SEVERITY_WARN, NULL,
                             needs ? "no g_idx" : "desc_act: true and no g_idx: the engine reads what memory holds", "g_idx",
                             remedy_rewrite(subject, err), 0},
        [ORDERING_UNREAD] = {SEVERITY_SILENT, NULL, "a g_idx that permutes, but desc_act is not true: kernels do not read it", "desc_act: true",
                             "set desc_act: true", 0},
        [ORDERING_ALL_ZERO] = {desc_act || needs ? SEVERITY_SILENT : SEVERITY_WARN, NULL, "a g_idx of zeros though there are several groups",
                               "k / group_size", remedy_rewrite(subject, err), 0},
    };
    struct spread spread[ORDERING_COUNT] = {{0}};
    for (size_t w = 0; w < subject->model.weight_count; w++)
        spread_add(&spread[order_of(subject, w, desc_act)], subject->model.weight[w].name);
    for (int o = ORDERING_ABSENT; o < ORDERING_COUNT; o++) {
        struct remark remark = remarks[o];
        if (spread[o].count == 0)
            continue;
        remark.where = spread_text(&spread[o], subject, err);
        TRY(subject_report(subject, remark, err));
    }
    return STATUS_OK;
}

/* --- E11, E12 --------------------------------------------------------------------------------------------------------------- */

/* Rules that only skip modules: whether the engine would do without them shows in the layers (E14). */
static bool is_harmless(const struct subject *subject, const struct jsondoc *rules)
{
    for (const struct jsondoc *rule = jsondoc_first(rules); rule != NULL; rule = jsondoc_next(rule))
        if (jsondoc_name(rule) == NULL || strncmp(jsondoc_name(rule), "-:", 2) != 0)
            return false;
    return subject->read;
}

enum status judge_gptq_dynamic(struct subject *subject, struct err *err)
{
    const struct jsondoc *rules = jsondoc_get(subject->settings, "dynamic");
    const char *first = jsondoc_name(jsondoc_first(rules));
    if (first == NULL || subject->accepts == NULL || !subject->accepts->limits.no_rules || is_harmless(subject, rules))
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, subject->settings_where,
                          subject_text(subject, err, "\"dynamic\" with rules such as %s, which %s does not read", first, subject->row->title),
                          "one width and group size for all quantized layers, named in modules_in_block_to_quantize", NULL, 0}, err);
}

enum status judge_gptq_format(struct subject *subject, struct err *err)
{
    const char *format = jsondoc_string(subject_member(subject->settings, "checkpoint_format", "format"));
    const bool known = format == NULL || strcasecmp(format, "gptq") == 0 || strcasecmp(format, "gptq_v2") == 0;
    const bool planar = format != NULL && strcasecmp(format, "gptq_p") == 0 && subject->engine == ENGINE_GPTQMODEL;
    if (known || planar)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, subject->settings_where, subject_text(subject, err, "checkpoint_format \"%s\"", format),
                          "gptq or gptq_v2", "save it with GPTQModel in format gptq or gptq_v2", 0}, err);
}
