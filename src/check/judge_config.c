/* E4, E5, E24: config.json and the side files of older tools. */
#include "check/remedy.h"
#include "check/rules.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

/* --- E4 --------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *synonym;
    const char *otherwise; /* what an absent string stands for; NULL: absent agrees with everything */
} compared[] = {
    {"bits", "w_bit", NULL},      {"group_size", "q_group_size", NULL}, {"sym", NULL, NULL},         {"zero_point", NULL, NULL},
    {"desc_act", NULL, NULL},     {"quant_method", NULL, NULL},         {"checkpoint_format", "format", "gptq"}, {"version", NULL, NULL},
    {"pack_dtype", NULL, "int32"},
};

/* A scalar as text; NULL for anything else. */
static const char *scalar(struct subject *subject, const struct jsondoc *value, struct err *err)
{
    int64_t number;
    bool flag;
    if (jsondoc_string(value) != NULL)
        return jsondoc_string(value);
    if (jsondoc_int(value, &number))
        return subject_text(subject, err, "%" PRId64, number);
    return jsondoc_bool(value, &flag) ? (flag ? "true" : "false") : NULL;
}

static enum status compare_side(struct subject *subject, size_t side, struct err *err)
{
    const bool wins = (subject->row->traits & TRAIT_SIDE_FILE_WINS) != 0;
    for (size_t i = 0; i < sizeof compared / sizeof compared[0]; i++) {
        const char *a = scalar(subject, subject_member(subject->quant, compared[i].name, compared[i].synonym), err);
        const char *b = scalar(subject, subject_member(subject->side[side], compared[i].name, compared[i].synonym), err);
        const bool gptq = subject_is(subject->quant, "quant_method", "gptq");
        a = a == NULL && gptq ? compared[i].otherwise : a;
        b = b == NULL && gptq ? compared[i].otherwise : b;
        if (a == NULL || b == NULL || strcasecmp(a, b) == 0)
            continue;
        TRY(subject_report(subject, (struct remark){wins ? SEVERITY_SILENT : SEVERITY_FAIL, subject_side_name(side),
                           subject_text(subject, err, "%s %s, but config.json says %s (R-CONFLICT)%s", compared[i].name, b, a,
                                        wins ? "; the engine takes this file" : ""),
                           "the same in both", "remove the file that does not belong to these weights", 0}, err));
    }
    return STATUS_OK;
}

static bool is_packed(const struct model *model)
{
    for (size_t t = 0; t < model->tensor_count; t++)
        if (slice_ends(slice_of(model->tensor[t].name), ".qweight"))
            return true;
    return false;
}

enum status judge_config_side_files(struct subject *subject, struct err *err)
{
    for (size_t i = 0; i < SUBJECT_SIDE_FILES; i++) {
        if (subject->side[i] == NULL)
            continue;
        if (subject->quant != NULL) {
            TRY(compare_side(subject, i, err));
        } else if (!is_packed(&subject->headers.model)) {
            TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, subject_side_name(i), "a quantization config beside weights that it does not describe",
                               "none", "remove the file", 0}, err));
        }
    }
    return STATUS_OK;
}

/* --- E5 --------------------------------------------------------------------------------------------------------------------- */

static const struct {
    enum encoding encoding;
    const char *name, *synonym;
} keys[] = {
    {ENCODING_GPTQ, "bits", NULL},         {ENCODING_GPTQ, "group_size", NULL},    {ENCODING_GPTQ, "desc_act", NULL},
    {ENCODING_GPTQ, "sym", NULL},          {ENCODING_GPTQ_V2, "bits", NULL},       {ENCODING_GPTQ_V2, "group_size", NULL},
    {ENCODING_GPTQ_V2, "desc_act", NULL},  {ENCODING_GPTQ_V2, "sym", NULL},        {ENCODING_AWQ, "bits", "w_bit"},
    {ENCODING_AWQ, "group_size", "q_group_size"}, {ENCODING_AWQ, "zero_point", NULL},
};

enum status judge_config_keys(struct subject *subject, struct err *err)
{
    if ((subject->row->traits & TRAIT_CONFIG_ONLY) != 0 && subject->quant == NULL)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, "config.json", subject_text(subject, err, "no quantization_config, only %s",
                           subject->settings_where),
                           "it: the engine reads no other file", "copy the object into config.json", 0}, err));
    if ((subject->row->traits & TRAIT_NEEDS_KEYS) == 0)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (keys[i].encoding != subject->encoding || subject_member(subject->settings, keys[i].name, keys[i].synonym) != NULL)
            continue;
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, subject->settings_where, subject_text(subject, err, "no \"%s\"", keys[i].name),
                           "it: the engine has no default", remedy_rewrite(subject, err), 0}, err));
    }
    return STATUS_OK;
}

/* --- E24 -------------------------------------------------------------------------------------------------------------------- */

enum status judge_config_nested(struct subject *subject, struct err *err)
{
    if ((subject->row->traits & TRAIT_TOP_CONFIG) == 0 || jsondoc_get(subject->config, "quantization_config") != NULL ||
        jsondoc_get(jsondoc_get(subject->config, "text_config"), "quantization_config") == NULL)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_WARN, "config.json", "quantization_config only inside text_config",
                          "it at the top: some versions look nowhere else", "copy it to the top level", 0}, err);
}
