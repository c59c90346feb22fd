/* E20: compressed-tensors. */
#include "check/listing.h"
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"
#include "formats/parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define GROUPS_MAX 64 /* schemes that are looked at: each may look at every module */

static enum status report(struct subject *subject, enum severity severity, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){severity, subject->settings_where, found, expected, remedy_rewrite(subject, err), 0}, err);
}

static bool is_known(const char *name, const char *const *list)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* --- keys ------------------------------------------------------------------------------------------------------------------- */

static enum status judge_keys(struct subject *subject, const struct jsondoc *object, const char *const *known, const char *what, struct err *err)
{
    for (const struct jsondoc *member = jsondoc_first(object); member != NULL; member = jsondoc_next(member))
        if (jsondoc_name(member) != NULL && !is_known(jsondoc_name(member), known))
            TRY(report(subject, SEVERITY_FAIL, subject_text(subject, err, "the key \"%s\" in %s", jsondoc_name(member), what),
                "known keys only: others are an error", err));
    return STATUS_OK;
}

static enum status judge_arguments(struct subject *subject, const struct jsondoc *weights, const char *name, struct err *err)
{
    static const char *const known[] = {"num_bits", "type", "symmetric", "strategy", "group_size", "block_structure", "dynamic", "actorder", "scale_dtype",
                                        "zp_dtype", "observer", "observer_kwargs", NULL};
    const char *strategy = jsondoc_string(jsondoc_get(weights, "strategy"));
    const int64_t group = subject_int(weights, "group_size", 0);
    TRY(judge_keys(subject, weights, known, name, err));
    if (strategy == NULL)
        return STATUS_OK;
    const bool grouped = strcmp(strategy, "group") == 0 || strcmp(strategy, "tensor_group") == 0;
    if (grouped == (group > 0))
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, subject_text(subject, err, "strategy %s with group_size %" PRId64 " in %s", strategy, group, name),
                  grouped ? "a positive group_size" : "no group_size", err);
}

enum status judge_ct_config(struct subject *subject, struct err *err)
{
    static const char *const scheme_keys[] = {"targets", "weights", "input_activations", "output_activations", "format", NULL};
    const char *version = jsondoc_string(jsondoc_get(subject->settings, "version"));
    const char *format = jsondoc_string(jsondoc_get(subject->settings, "format"));
    const struct jsondoc *groups = jsondoc_get(subject->settings, "config_groups"), *transform = jsondoc_get(subject->settings, "transform_config");
    if (version == NULL)
        TRY(report(subject, SEVERITY_WARN, "no \"version\"", "the library's version: layouts of 3, 5, 6 and 7 bits and of zeros depend on it", err));
    if (format != NULL && strcmp(format, "mxfp4-pack-quantized") == 0 && version != NULL && strncmp(version, "0.13.0", 6) == 0)
        TRY(report(subject, SEVERITY_SILENT, "mxfp4 scales of version 0.13.0, which are a quarter of what they should be", "0.14.0 or later", err));
    if (format != NULL && (strcmp(format, "marlin-24") == 0 || strstr(format, "bitmask") != NULL))
        TRY(report(subject, SEVERITY_FAIL, subject_text(subject, err, "format %s", format), "one that current versions read", err));
    if (jsondoc_first(transform) != NULL && subject->engine != ENGINE_VLLM && subject->engine != ENGINE_SGLANG && subject->engine != ENGINE_TRANSFORMERS)
        TRY(report(subject, SEVERITY_SILENT, "a transform_config: the weights need a rotation at run time (R-ROT)", "none", err));
    for (const struct jsondoc *group = jsondoc_first(groups); group != NULL; group = jsondoc_next(group)) {
        const char *name = jsondoc_name(group) == NULL ? "config_groups" : jsondoc_name(group);
        if (jsondoc_kind(group) != JSONDOC_OBJECT) /* a preset and its targets */
            continue;
        TRY(judge_keys(subject, group, scheme_keys, name, err));
        TRY(judge_arguments(subject, jsondoc_get(group, "weights"), name, err));
    }
    return STATUS_OK;
}

/* --- schemes ---------------------------------------------------------------------------------------------------------------- */

static enum status judge_llama(struct subject *subject, const struct jsondoc *groups, struct err *err)
{
    const struct jsondoc *first = jsondoc_first(groups), *weights = jsondoc_get(first, "weights");
    const char *strategy = jsondoc_string(jsondoc_get(weights, "strategy")), *format = jsondoc_string(jsondoc_get(subject->settings, "format"));
    if (first != NULL && jsondoc_next(first) != NULL)
        TRY(report(subject, SEVERITY_FAIL, "several config_groups", "exactly one", err));
    const bool packed = format != NULL && strcmp(format, "pack-quantized") == 0;
    const bool fits = strategy == NULL || (packed ? strcmp(strategy, "group") == 0 : strcmp(strategy, "channel") == 0 || strcmp(strategy, "block") == 0);
    if (fits)
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, subject_text(subject, err, "strategy %s in format %s", strategy, format == NULL ? "fakequant" : format),
                  packed ? "strategy group" : "strategy channel or block", err);
}

/* Weight-only integers are experts' there; a dense layer has no kernel. */
static enum status judge_npu(struct subject *subject, const struct jsondoc *group, struct err *err)
{
    const struct jsondoc *activations = subject_member(group, "input_activations", NULL);
    const int64_t bits = subject_int(jsondoc_get(group, "weights"), "num_bits", 8);
    if (activations != NULL || subject_is(jsondoc_get(group, "weights"), "type", "float"))
        return STATUS_OK;
    for (size_t m = 0; m < subject->module_count; m++) {
        const struct module *module = &subject->module[m];
        if (module->weight == MODEL_NONE || (bits == 4 && strstr(module->name, ".experts.") != NULL))
            continue;
        return subject_report(subject, (struct remark){SEVERITY_FAIL, module->name, subject_text(subject, err, "%" PRId64 " bits, weights only", bits),
                              "W8A8, or W4A16 in experts", remedy_convert(subject, NULL, err), 0}, err);
    }
    if (subject->read)
        return STATUS_OK;
    return report(subject, SEVERITY_WARN, subject_text(subject, err, "%" PRId64 " bits, weights only", bits), "W8A8, or W4A16 in experts", err);
}

enum status judge_ct_groups(struct subject *subject, struct err *err)
{
    char list[100];
    const struct jsondoc *groups = jsondoc_get(subject->settings, "config_groups");
    const struct constraints *limits = subject->accepts == NULL ? NULL : &subject->accepts->limits;
    size_t seen = 0;
    if (subject->engine == ENGINE_LLAMA_CPP)
        TRY(judge_llama(subject, groups, err));
    for (const struct jsondoc *group = jsondoc_first(groups); group != NULL && limits != NULL && seen++ < GROUPS_MAX; group = jsondoc_next(group)) {
        const struct jsondoc *weights = jsondoc_get(group, "weights");
        const int64_t bits = subject_int(weights, "num_bits", 8), size = subject_int(weights, "group_size", -1);
        const bool is_int = !subject_is(weights, "type", "float");
        const enum severity severity = subject->accepts->misfit == SEVERITY_PASS ? SEVERITY_FAIL : subject->accepts->misfit;
        if (is_int && !subject->read && bits > 0 && bits < 32 && limits->bits != 0 && (limits->bits >> bits & 1) == 0)
            TRY(report(subject, severity, subject_text(subject, err, "%" PRId64 " bits", bits), subject_text(subject, err, "%s",
                       constraints_bits_text(limits->bits, list, sizeof list)), err));
        if (is_int && !subject->read && !constraints_group_fits(limits, size > 0 ? (uint64_t)size : 0, size <= 0))
            TRY(report(subject, severity, subject_text(subject, err, "groups of %" PRId64, size), subject_text(subject, err, "%s",
                       constraints_groups_text(limits->groups, list, sizeof list)), err));
        if (limits->no_act_order && subject_is(weights, "actorder", "group"))
            TRY(report(subject, SEVERITY_FAIL, "actorder group: weight_g_idx permutes", "no activation order", err));
        if (limits->symmetric_only && !subject->read && subject_flag(weights, "symmetric") == 0)
            TRY(report(subject, severity, "symmetric: false", "symmetric weights", err));
        if (subject->engine == ENGINE_VLLM_ASCEND)
            TRY(judge_npu(subject, group, err));
    }
    return STATUS_OK;
}

/* --- float layers ----------------------------------------------------------------------------------------------------------- */

static bool targets_linear(const struct jsondoc *groups)
{
    for (const struct jsondoc *group = jsondoc_first(groups); group != NULL; group = jsondoc_next(group)) {
        const struct jsondoc *targets = jsondoc_kind(group) == JSONDOC_ARRAY ? group : jsondoc_get(group, "targets");
        for (const struct jsondoc *target = jsondoc_first(targets); target != NULL; target = jsondoc_next(target))
            if (jsondoc_string(target) != NULL && strcmp(jsondoc_string(target), "Linear") == 0)
                return true;
    }
    return false;
}

enum status judge_ct_ignore(struct subject *subject, struct err *err)
{
    struct listing ignore = {0};
    struct spread unlisted = {0};
    const struct model *model = &subject->headers.model;
    enum status status = STATUS_OK;
    if (!targets_linear(jsondoc_get(subject->settings, "config_groups")))
        return STATUS_OK;
    status = listing_add_ignore(&ignore, jsondoc_get(subject->settings, "ignore"), err);
    for (size_t t = 0; t < model->tensor_count && status == STATUS_OK; t++) {
        struct slice module;
        if (!parts_dense_linear(&model->tensor[t], &module))
            continue;
        const char *name = subject_text(subject, err, "%.*s", (int)module.size, module.data);
        const bool head = name != NULL && slice_ends(module, "lm_head") && subject->engine != ENGINE_TRANSFORMERS; /* no Linear elsewhere */
        if (name == NULL)
            status = STATUS_LIMIT;
        else if (!head && !listing_covers(&ignore, name))
            spread_add(&unlisted, name);
    }
    listing_free(&ignore);
    if (status != STATUS_OK || unlisted.count == 0)
        return status;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, spread_text(&unlisted, subject, err), "a float Linear layer that \"ignore\" does not name",
                          "every one: the target is Linear", remedy_rewrite(subject, err), 0}, err);
}
