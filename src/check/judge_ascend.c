/* E21, E22: msModelSlim directories for vLLM Ascend, MindIE and SGLang on NPUs. */
#include "base/limits.h"
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define VA (1u << ENGINE_VLLM_ASCEND)
#define MI (1u << ENGINE_MINDIE)
#define SG (1u << ENGINE_SGLANG)

static const struct ascend_scheme schemes[] = {
    {"W8A16", VA | MI, MI},
    {"W4A16", MI, MI}, /* vLLM Ascend has experts of this type from compressed-tensors only */
    {"W8A8", VA | MI | SG, MI | SG},
    {"W8A8_DYNAMIC", VA | MI | SG, VA | MI | SG},
    {"W8A8_MIX", VA | MI, 0},
    {"W8A8S", MI, 0},
    {"W8A8SC", MI, 0},
    {"W4A8_DYNAMIC", MI, VA | MI | SG},
    {"W4A4_DYNAMIC", VA | SG, 0},
    {"W4A4_FLATQUANT_DYNAMIC", VA, 0},
    {"W4A4_MXFP4", VA | SG, VA | SG},
    {"W4A8_MXFP", VA | SG, VA | SG},
    {"W8A8_MXFP8", VA | SG, VA | SG},
    {"W8A8FP8_DYNAMIC", VA, VA},
};

const struct ascend_scheme *judge_ascend_scheme(size_t index)
{
    return index < sizeof schemes / sizeof schemes[0] ? &schemes[index] : NULL;
}

static const char *description_of(const struct subject *subject)
{
    return subject->described.name;
}

static enum status report(struct subject *subject, enum severity severity, const char *where, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){severity, where, found, expected, NULL, 0}, err);
}

/* --- config and description ------------------------------------------------------------------------------------------------- */

static bool same_word(const char *a, const char *b, size_t size)
{
    return strlen(b) == size && strncasecmp(a, b, size) == 0;
}

/* MindIE looks for quant_model_description_<quantize>.json where the plain name is absent. */
static enum status judge_mindie_name(struct subject *subject, struct err *err)
{
    static const char prefix[] = "quant_model_description_";
    const char *quantize = jsondoc_string(jsondoc_get(subject->config, "quantize")), *name = description_of(subject);
    if (quantize == NULL)
        quantize = subject->described.headline;
    if (quantize == NULL)
        return report(subject, SEVERITY_FAIL, "config.json", "no \"quantize\", and no model_quant_type in the description", "one of them", err);
    if (strcmp(name, "quant_model_description.json") == 0 || (strncmp(name, prefix, sizeof prefix - 1) == 0 &&
        same_word(name + sizeof prefix - 1, quantize, strlen(name) - (sizeof prefix - 1) - strlen(".json"))))
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, name, subject_text(subject, err, "a description whose suffix is not \"%s\"", quantize),
        "quant_model_description.json", err);
}

enum status judge_ascend_config(struct subject *subject, struct err *err)
{
    if (description_of(subject) == NULL)
        return STATUS_OK;
    if (subject->engine == ENGINE_MINDIE)
        return judge_mindie_name(subject, err);
    const bool va = subject->engine == ENGINE_VLLM_ASCEND;
    if (strcmp(description_of(subject), "quant_model_description.json") != 0)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, description_of(subject), "a description with a suffix", "quant_model_description.json",
                           "rename it", 0}, err));
    if (va && subject->quant != NULL)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, "config.json", "a quantization_config, which is taken for the description", "none",
                           "remove the member", 0}, err));
    if (va && subject->described.null_member != NULL)
        TRY(report(subject, SEVERITY_FAIL, description_of(subject), subject_text(subject, err, "\"%s\": null, which counts as set",
                   subject->described.null_member),
                   "no members that are null", err));
    if (va && !subject->described.has_group_size)
        TRY(report(subject, SEVERITY_WARN, description_of(subject), "no \"group_size\"", "it: 0 for per channel", err));
    if (va && subject_is(subject->config, "model_type", "deepseekv2"))
        TRY(report(subject, SEVERITY_FAIL, "config.json", "model_type \"deepseekv2\"", "deepseek_v2", err));
    return STATUS_OK;
}

/* --- entries ---------------------------------------------------------------------------------------------------------------- */

static bool is_matrix(const struct tensor *tensor)
{
    return tensor->rank == 2 && slice_ends(slice_of(tensor->name), ".weight");
}

enum status judge_ascend_entries(struct subject *subject, struct err *err)
{
    struct spread unlisted = {0};
    const struct model *model = &subject->headers.model;
    if (description_of(subject) == NULL || subject->described_error.status != STATUS_OK)
        return STATUS_OK;
    for (size_t t = 0; t < model->tensor_count; t++)
        if (is_matrix(&model->tensor[t]) && described_type(&subject->described, model->tensor[t].name) == NULL)
            spread_add(&unlisted, model->tensor[t].name);
    for (size_t d = 0; d < subject->described.count && !subject->headers.damaged && subject->source.only == NULL; d++) {
        const char *name = subject->described.tensor[d];
        if (model_find(model, slice_of(name)) == MODEL_NONE)
            TRY(subject_report(subject, (struct remark){SEVERITY_SILENT, name, subject_text(subject, err, "an entry in %s, and no tensor (R-INCOMPLETE)",
                               description_of(subject)), "the tensor", "fetch the checkpoint again: a shard may be missing", 0}, err));
    }
    if (unlisted.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){subject->engine == ENGINE_VLLM_ASCEND ? SEVERITY_FAIL : SEVERITY_WARN, spread_text(&unlisted, subject, err),
                          subject_text(subject, err, "no entry in %s", description_of(subject)),
                          "one for every Linear layer, lm_head and embed_tokens: FLOAT if it is float",
                          "add the entries", 0}, err);
}

/* --- types ------------------------------------------------------------------------------------------------------------------ */

static bool has_scheme(const struct subject *subject, const char *type, bool expert)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (strcmp(schemes[i].type, type) == 0)
            return ((expert ? schemes[i].experts : schemes[i].linear) >> subject->engine & 1) != 0;
    return false;
}

static enum status judge_mates(struct subject *subject, const char *tensor, const char *type, struct err *err)
{
    char module[LIMIT_NAME_BYTES_MAX + 1], mate[LIMIT_NAME_BYTES_MAX + 32], name[LIMIT_NAME_BYTES_MAX + 64];
    const size_t size = strlen(tensor) - strlen(".weight");
    if (size > LIMIT_NAME_BYTES_MAX)
        return STATUS_OK;
    memcpy(module, tensor, size);
    module[size] = '\0';
    if (!judge_fused_mate(module, mate, sizeof mate))
        return STATUS_OK;
    (void)snprintf(name, sizeof name, "%s.weight", mate);
    const char *other = described_type(&subject->described, name);
    if (other == NULL || strcmp(other, type) == 0 || subject->read) /* then the rule on fused modules has looked at the weights */
        return STATUS_OK;
    return report(subject, SEVERITY_FAIL, tensor, subject_text(subject, err, "type %s", type), subject_text(subject, err, "%s, as %s has", other, name), err);
}

enum status judge_ascend_types(struct subject *subject, struct err *err)
{
    struct spread lacking = {0};
    const char *type = NULL;
    const struct described *described = &subject->described;
    if (subject->accepts == NULL || described->name == NULL)
        return STATUS_OK;
    for (size_t d = 0; d < described->count; d++) {
        const uint32_t tensor = model_find(&subject->headers.model, slice_of(described->tensor[d]));
        if (tensor == MODEL_NONE || !is_matrix(&subject->headers.model.tensor[tensor]))
            continue;
        TRY(judge_mates(subject, described->tensor[d], described->type[d], err));
        if (strcmp(described->type[d], "FLOAT") == 0 || has_scheme(subject, described->type[d], strstr(described->tensor[d], ".experts.") != NULL))
            continue;
        type = described->type[d];
        spread_add(&lacking, described->tensor[d]);
    }
    if (lacking.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, spread_text(&lacking, subject, err), subject_text(subject, err,
                          "type %s, which has no scheme in %s",
                          type, subject->row->title), "a type of the table in docs/engines.md",
                          remedy_convert(subject, NULL, err), 0}, err);
}

enum status judge_ascend_offsets(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    for (size_t w = 0; w < subject->model.weight_count; w++)
        if (subject->survey.weight[w].groups.not_mid + subject->survey.weight[w].groups.fractions > 0)
            spread_add(&wrong, subject->model.weight[w].name);
    if (wrong.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&wrong, subject, err),
                          "offsets that are not 0: they are passed with the wrong sign",
                          "symmetric weights", remedy_convert(subject, NULL, err), 0}, err);
}

/* --- side tensors ----------------------------------------------------------------------------------------------------------- */

/* What a scheme allocates beside the weight, and fills from the file if it is there. Those that have an entry are looked for by it. */
static const struct {
    const char *type;
    const char *side[4];
} sides[] = {
    {"W8A16", {".weight_scale", ".weight_offset"}},
    {"W4A16", {".weight_scale", ".weight_offset"}},
    {"W8A8_DYNAMIC", {".weight_scale", ".weight_offset"}},
    {"W4A4_DYNAMIC", {".weight_scale", ".weight_offset"}},
    {"W8A8", {".input_scale", ".input_offset", ".deq_scale", ".quant_bias"}},
};

static enum status judge_sides(struct subject *subject, const char *tensor, const char *type, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64];
    for (size_t s = 0; s < sizeof sides / sizeof sides[0]; s++)
        for (size_t i = 0; strcmp(sides[s].type, type) == 0 && i < 4 && sides[s].side[i] != NULL; i++) {
            (void)snprintf(name, sizeof name, "%.*s%s", (int)(strlen(tensor) - strlen(".weight")), tensor, sides[s].side[i]);
            if (model_find(&subject->headers.model, slice_of(name)) == MODEL_NONE && described_type(&subject->described, name) == NULL)
                TRY(report(subject, SEVERITY_SILENT, subject_text(subject, err, "%s", name), "no such tensor (R-INCOMPLETE)",
                           subject_text(subject, err, "one: %s is %s", tensor, type), err));
        }
    return STATUS_OK;
}

/* deq_scale is F32 in a bfloat16 model; of a float16 model its bits lie in an I64, for the kernel. */
static enum status judge_products(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    enum dtype found = DTYPE_NONE;
    const struct model *model = &subject->headers.model;
    const char *dtype = jsondoc_string(subject_member(subject->text_config, "torch_dtype", "dtype"));
    const bool half = dtype != NULL && strcmp(dtype, "float16") == 0, brain = dtype != NULL && strcmp(dtype, "bfloat16") == 0;
    for (size_t t = 0; t < model->tensor_count; t++)
        if (slice_ends(slice_of(model->tensor[t].name), ".deq_scale") &&
            ((half && model->tensor[t].dtype != DTYPE_I64) || (brain && model->tensor[t].dtype != DTYPE_F32))) {
            spread_add(&wrong, model->tensor[t].name);
            found = model->tensor[t].dtype;
        }
    if (wrong.count == 0)
        return STATUS_OK;
    return report(subject, SEVERITY_SILENT, spread_text(&wrong, subject, err),
                  subject_text(subject, err, "a deq_scale of %s in a model of %s: numbers are cast, not bits", dtype_name(found), dtype),
                  half ? "I64 with the bits of an F32" : "F32", err);
}

enum status judge_ascend_parts(struct subject *subject, struct err *err)
{
    const struct described *described = &subject->described;
    bool packs = false;
    for (size_t d = 0; d < described->count && !subject->headers.damaged && subject->source.only == NULL; d++) {
        const uint32_t tensor = model_find(&subject->headers.model, slice_of(described->tensor[d]));
        if (tensor == MODEL_NONE || !is_matrix(&subject->headers.model.tensor[tensor]))
            continue;
        packs = packs || strcmp(described->type[d], "W4A8_DYNAMIC") == 0;
        TRY(judge_sides(subject, described->tensor[d], described->type[d], err));
    }
    if (packs && subject->engine == ENGINE_VLLM_ASCEND && described->has_group_size && described->group_size != 0)
        TRY(report(subject, SEVERITY_FAIL, description_of(subject), subject_text(subject, err, "\"group_size\": %lld with W4A8_DYNAMIC",
                   (long long)described->group_size), "0: groups are no longer supported", err));
    return judge_products(subject, err);
}

/* --- E22 -------------------------------------------------------------------------------------------------------------------- */

/* What the rows of W4A16 codes must be, by the version and the scales' shape (formats/msmodelslim.md section 3.2). */
static bool fits_version(const struct tensor *codes, const struct tensor *scales, bool packed)
{
    const uint64_t rows = codes->shape[0], last = scales->rank == 0 ? 1 : scales->shape[scales->rank - 1];
    const uint64_t first = scales->rank == 0 ? 1 : scales->shape[0];
    if (packed && scales->rank == 2 && last > 1)
        return first == 2 * rows;
    return model_elements(scales) == 1 || (rows > 0 && first % rows == 0);
}

enum status judge_ascend_packing(struct subject *subject, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 32];
    struct spread wrong = {0};
    const struct described *described = &subject->described;
    const struct model *model = &subject->headers.model;
    const bool packed = described->version != NULL && strcmp(described->version, "1.0.0") == 0;
    for (size_t d = 0; d < described->count; d++) {
        const uint32_t codes = model_find(model, slice_of(described->tensor[d]));
        if (codes == MODEL_NONE || !is_matrix(&model->tensor[codes]) || strcmp(described->type[d], "W4A16") != 0 || model->tensor[codes].dtype != DTYPE_I8)
            continue;
        (void)snprintf(name, sizeof name, "%s_scale", described->tensor[d]);
        const uint32_t scales = model_find(model, slice_of(name));
        if (scales != MODEL_NONE && !fits_version(&model->tensor[codes], &model->tensor[scales], packed))
            spread_add(&wrong, described->tensor[d]);
    }
    if (described->version != NULL && !packed && strcmp(described->version, "0.0.0") != 0)
        TRY(report(subject, SEVERITY_FAIL, described->name, subject_text(subject, err, "version %s", described->version), "\"1.0.0\", \"0.0.0\" or none", err));
    if (wrong.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&wrong, subject, err),
                          packed ? "codes that are not packed two a byte, as version 1.0.0 says"
                          : "codes that are packed two a byte, but no version 1.0.0", "the description that was written with these weights", NULL, 0}, err);
}
