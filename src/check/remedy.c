#include "check/remedy.h"

#include "container/ggufile_value.h"
#include "formats/arch/arch.h"
#include "plan/offer.h"

#include <stdio.h>
#include <string.h>

/* The first format of codes that the engine takes, and a width of it, into which every weight can be rounded. */
static const char *round_all(const struct engine_limits *limits, const struct model *model, bool float_layers, char *buffer, size_t size)
{
    static const unsigned widths[] = {4, 8, 3, 2};
    for (size_t i = 0; i < limits->count; i++) {
        const struct constraints *own = &limits->other[i];
        const struct format *format = registry_find(own->format);
        if (format == NULL || format->form_count == 0 || own->no_linear || (float_layers && own->no_rules))
            continue;
        for (size_t b = 0; b < sizeof widths / sizeof widths[0]; b++) {
            bool fits = (own->bits == 0 || (own->bits >> widths[b] & 1) != 0) && (registry_widths(format) >> widths[b] & 1) != 0;
            for (size_t w = 0; fits && w < model->weight_count; w++)
                fits = offer_rounds(format, own, &model->weight[w], widths[b]);
            if (!fits)
                continue;
            (void)snprintf(buffer, size, "--to %s --bits %u", format->name, widths[b]);
            return buffer;
        }
    }
    return NULL;
}

/* --allow-requantize rounds codes of weights alone. */
static bool may_be_rounded(const struct model *model)
{
    for (size_t w = 0; w < model->weight_count; w++)
        if (model->weight[w].spec.activation != ACTIVATION_NONE || model->weight[w].spec.experts > 0)
            return false;
    return true;
}

/* Float Linear layers among the quantized ones of the blocks. */
static bool has_float_layers(const struct subject *subject)
{
    for (size_t m = 0; m < subject->module_count; m++)
        if (subject->module[m].weight == MODEL_NONE && strstr(subject->module[m].name, ".layers.") != NULL)
            return true;
    return false;
}

/* Engines of AWQ take a head for a float layer, whatever is stored. */
static bool has_head(const struct model *model)
{
    for (size_t w = 0; w < model->weight_count; w++)
        if (slice_ends(slice_of(model->weight[w].name), "lm_head"))
            return true;
    return false;
}

/* GGUF files whose data convert reads only when told so. */
static bool is_odd(const struct subject *subject)
{
    bool odd = false;
    for (size_t f = 0; f < subject->gguf.count; f++)
        odd = odd || subject->gguf.file[f].gguf.has_gaps || subject->gguf.file[f].gguf.is_reordered;
    return odd;
}

/* Tensors that convert takes to Hugging Face's format for none of the model's. */
static bool has_foreign(const struct model *model)
{
    bool foreign = false;
    for (size_t t = 0; t < model->tensor_count; t++)
        foreign = foreign || model->tensor[t].foreign;
    return foreign;
}

/* A GGUF file of floats becomes a directory of them, if its metadata say which model it is. */
static const char *convert_floats(struct subject *subject, struct err *err)
{
    const struct acceptance *row = engines_accept(subject->engine, ENCODING_HF);
    if (row == NULL || subject->model.config == NULL || subject->model.file_count != subject->gguf.count)
        return NULL;
    return subject_text(subject, err, "repaq convert SRC DST --to hf%s --for %s", is_odd(subject) ? " --lenient" : "", subject->row->name);
}

const char *remedy_convert(struct subject *subject, const char *from, struct err *err)
{
    char text[100];
    const bool gguf = subject->gguf.count > 0;
    if (gguf && has_foreign(&subject->model))
        return NULL;
    if (gguf && (subject->model.weight_count == 0 || subject->model.config == NULL || subject->model.file_count != subject->gguf.count))
        return convert_floats(subject, err);
    struct engine_limits limits;
    engines_limits(subject->engine, &limits);
    const struct constraints engine = {.other = limits.other, .other_count = limits.count};
    const bool floats = subject->model.weight_count == 0, left = !floats && has_float_layers(subject);
    const struct offer offer = {&subject->model, &subject->survey, 0, subject->model.weight_count, &engine, NULL, left};
    if (!subject->surveyed)
        return NULL;
    const bool exact = !floats && offer_first(&offer, text, sizeof text) != NULL;
    if (!exact && (!may_be_rounded(&subject->model) || round_all(&limits, &subject->model, left, text, sizeof text) == NULL))
        return NULL;
    return subject_text(subject, err, "repaq convert SRC DST %s%s%s%s%s%s%s --for %s%s", from == NULL ? "" : "--from ", from == NULL ? "" : from,
                        from == NULL ? "" : " ", text, exact || floats ? "" : " --allow-requantize",
                        strncmp(text, "--to awq", 8) == 0 && has_head(&subject->model) ? " --keep lm_head" : "", gguf && is_odd(subject) ? " --lenient" : "",
                        subject->row->name, exact ? "" : " (lossy)");
}

const char *remedy_rewrite(struct subject *subject, struct err *err)
{
    struct engine_limits limits;
    engines_limits(subject->engine, &limits);
    for (size_t i = 0; subject->surveyed && i < limits.count; i++) {
        const struct format *format = registry_find(limits.other[i].format);
        bool holds = format != NULL && strcmp(format->name, subject->model.format) == 0;
        for (size_t w = 0; holds && w < subject->model.weight_count; w++)
            holds = offer_holds(format, &limits.other[i], &subject->model.weight[w], &subject->survey.weight[w], subject->model.weight[w].spec.bits);
        if (holds && !(limits.other[i].no_rules && format->form_count > 0 && has_float_layers(subject)))
            return subject_text(subject, err, "repaq convert SRC DST --to %s%s --for %s", format->name,
                                strcmp(format->name, "awq") == 0 && has_head(&subject->model) ? " --keep lm_head" : "", subject->row->name);
    }
    return NULL;
}

const char *remedy_gguf(struct subject *subject, struct err *err)
{
    struct slice name;
    bool nested = false, present;
    for (size_t f = 0; f < subject->gguf.count; f++)
        nested = nested || subject->gguf.file[f].gguf.nested;
    if (!subject->gguf.is_whole || subject->gguf.count != 1 || nested ||
        ggufile_value_string(&subject->gguf.file[0].gguf, "general.architecture", &name, &present, NULL) != STATUS_OK || !present || arch_of_gguf(name) == NULL)
        return NULL;
    return subject_text(subject, err, "repaq convert SRC DST --to gguf --type COPY%s --for %s", is_odd(subject) ? " --lenient" : "", subject->row->name);
}
