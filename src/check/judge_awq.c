/* E13 to E15: AWQ's config, the list of float layers, and activation scales. */
#include "base/limits.h"
#include "check/listing.h"
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum status judge_awq_config(struct subject *subject, struct err *err)
{
    const struct jsondoc *settings = subject->settings;
    int64_t bits = 4;
    const bool given = jsondoc_int(subject_member(settings, "bits", "w_bit"), &bits);
    const char *version = jsondoc_string(subject_member(settings, "version", "backend"));
    if (given && bits != 4)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, subject->settings_where, subject_text(subject, err, "bits %" PRId64, bits),
                           "4: AWQ has no other",
                           NULL, 0}, err));
    if (version != NULL && strcasecmp(version, "gemm") != 0)
        TRY(subject_report(subject, (struct remark){subject->engine == ENGINE_AUTOAWQ ? SEVERITY_WARN : SEVERITY_FAIL, subject->settings_where,
                           subject_text(subject, err, "version \"%s\"", version), "\"gemm\", which every engine reads",
                           remedy_convert(subject, NULL, err), 0}, err));
    if (subject_flag(settings, "zero_point") == 0)
        TRY(subject_report(subject, (struct remark){subject->engine == ENGINE_AUTOAWQ ? SEVERITY_FAIL : SEVERITY_WARN, subject->settings_where,
                           "zero_point: false",
                           "true: Marlin and CPU kernels need it", "set zero_point: true if the zeros are stored", 0}, err));
    return STATUS_OK;
}

/* --- E14 -------------------------------------------------------------------------------------------------------------------- */

/* What the config says of layers: which stay float, and (GPTQ) which are quantized, if it names them. */
struct lists {
    struct listing floats, quantized;
};

static enum status read_lists(const struct subject *subject, struct lists *lists, struct err *err)
{
    if (subject->encoding == ENCODING_AWQ)
        return listing_add_words(&lists->floats, jsondoc_get(subject->settings, "modules_to_not_convert"), err);
    if ((subject->row->traits & TRAIT_BLOCK_LIST) != 0)
        TRY(listing_add_words(&lists->quantized, jsondoc_get(subject->settings, "modules_in_block_to_quantize"), err));
    if (subject->accepts != NULL && subject->accepts->limits.no_rules) /* not read */
        return STATUS_OK;
    return listing_add_rules(&lists->floats, jsondoc_get(subject->settings, "dynamic"), err);
}

/* True if the engine would leave this module float. */
static bool left_float(const struct subject *subject, const struct lists *lists, const char *name)
{
    if (slice_ends(slice_of(name), "lm_head")) /* quantized only where the config says so, and never by optimum */
        return subject_flag(subject->settings, "lm_head") != 1 || subject->engine == ENGINE_TRANSFORMERS;
    if (subject->encoding != ENCODING_AWQ && strstr(name, ".layers.") == NULL)
        return true; /* GPTQ: blocks only */
    if (lists->quantized.count > 0 && !listing_covers(&lists->quantized, name))
        return true;
    return listing_covers(&lists->floats, name);
}

static enum severity unlisted_severity(const struct subject *subject)
{
    if (subject->encoding == ENCODING_AWQ || subject->engine == ENGINE_AUTOGPTQ || subject->engine == ENGINE_TRANSFORMERS)
        return SEVERITY_FAIL;
    return SEVERITY_WARN; /* current versions look at the tensors */
}

/* What would make the engine leave a layer float. */
static struct remark unlisted_remark(struct subject *subject, struct err *err)
{
    const bool rules = subject->accepts == NULL || !subject->accepts->limits.no_rules;
    struct remark remark = {unlisted_severity(subject), NULL, "a float Linear layer that the config does not leave out", NULL,
                            rules ? remedy_rewrite(subject, err) : remedy_convert(subject, NULL, err), 0};
    if (subject->encoding == ENCODING_AWQ)
        remark.expected = "its full name in modules_to_not_convert";
    else if (rules)
        remark.expected = "a rule -: in dynamic, or its absence from modules_in_block_to_quantize";
    else
        remark.expected = (subject->row->traits & TRAIT_BLOCK_LIST) != 0 ? "its absence from modules_in_block_to_quantize" : "all layers of blocks quantized";
    return remark;
}

static enum status judge_lists(struct subject *subject, const struct lists *lists, struct err *err)
{
    const bool awq = subject->encoding == ENCODING_AWQ;
    struct spread unlisted = {0}, listed = {0};
    for (size_t m = 0; m < subject->module_count; m++) {
        const struct module *module = &subject->module[m];
        const bool leaves = left_float(subject, lists, module->name);
        if (module->weight == MODEL_NONE && !leaves)
            spread_add(&unlisted, module->name);
        if (module->weight != MODEL_NONE && leaves)
            spread_add(&listed, module->name);
    }
    if (unlisted.count > 0) {
        struct remark remark = unlisted_remark(subject, err);
        remark.where = spread_text(&unlisted, subject, err);
        TRY(subject_report(subject, remark, err));
    }
    if (listed.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&listed, subject, err),
                          "a quantized layer that the engine makes a float one by the config",
                          awq ? "modules_to_not_convert with full names: a part of a name matches its namesakes" : "a config that quantizes it",
                          remedy_rewrite(subject, err), 0}, err);
}

enum status judge_awq_listed(struct subject *subject, struct err *err)
{
    struct lists lists = {0};
    if ((subject->row->traits & TRAIT_LISTED_FLOATS) == 0)
        return STATUS_OK;
    enum status status = read_lists(subject, &lists, err);
    if (status == STATUS_OK)
        status = judge_lists(subject, &lists, err);
    listing_free(&lists.floats);
    listing_free(&lists.quantized);
    return status;
}

enum status judge_awq_stray(struct subject *subject, struct err *err)
{
    static const char *const suffixes[] = {".g_idx", ".qzeros", ".scales"};
    char name[LIMIT_NAME_BYTES_MAX + 32];
    const struct model *model = &subject->headers.model;
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct slice own = slice_of(model->tensor[t].name);
        for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++) {
            if (!slice_ends(own, suffixes[s]))
                continue;
            const int size = (int)(own.size - strlen(suffixes[s]));
            (void)snprintf(name, sizeof name, "%.*s.weight", size, own.data);
            if (model_find(model, slice_of(name)) != MODEL_NONE)
                TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, own.data, subject_text(subject, err, "a tensor of a quantized layer beside %s",
                                   name),
                                   "none: engines take the layer for a quantized one", "remove the tensor: no codes belong to it", 0}, err));
        }
    }
    return STATUS_OK;
}

/* --- E15 -------------------------------------------------------------------------------------------------------------------- */

enum status judge_awq_act_scales(struct subject *subject, struct err *err)
{
    static const char *const suffixes[] = {"act.scales", "gelu_impl.scales", ".pre_quant_scale", ".div.mul_scale"};
    struct spread found = {0};
    const struct model *model = &subject->headers.model;
    for (size_t t = 0; t < model->tensor_count; t++)
        for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++)
            if (slice_ends(slice_of(model->tensor[t].name), suffixes[s]) && !(s < 2 && (subject->row->traits & TRAIT_ACT_SCALES) != 0))
                spread_add(&found, model->tensor[t].name);
    if (found.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&found, subject, err), "an activation scale (R-ACTSCALE)",
                          "none: the engine does not apply it", "serve it with the tool that wrote it", 0}, err);
}
