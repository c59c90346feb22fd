#include "check/subject.h"

#include "formats/parts.h"
#include "formats/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const side_names[SUBJECT_SIDE_FILES] = {"quantize_config.json", "quant_config.json"};

const char *subject_side_name(size_t side)
{
    return side_names[side];
}

/* --- members of configs ----------------------------------------------------------------------------------------------------- */

static bool given(const struct jsondoc *value)
{
    return value != NULL && jsondoc_kind(value) != JSONDOC_NULL;
}

const struct jsondoc *subject_member(const struct jsondoc *doc, const char *name, const char *synonym)
{
    const struct jsondoc *found = jsondoc_get(doc, name);
    if (!given(found) && synonym != NULL)
        found = jsondoc_get(doc, synonym);
    return given(found) ? found : NULL;
}

int subject_flag(const struct jsondoc *doc, const char *name)
{
    bool value;
    return jsondoc_bool(jsondoc_get(doc, name), &value) ? value : -1;
}

int64_t subject_int(const struct jsondoc *doc, const char *name, int64_t otherwise)
{
    int64_t value;
    return jsondoc_int(jsondoc_get(doc, name), &value) ? value : otherwise;
}

bool subject_is(const struct jsondoc *doc, const char *name, const char *text)
{
    const char *value = jsondoc_string(jsondoc_get(doc, name));
    return value != NULL && strcasecmp(value, text) == 0;
}

bool subject_is_gptq(const struct subject *subject)
{
    return subject->encoding == ENCODING_GPTQ || subject->encoding == ENCODING_GPTQ_V2;
}

/* --- findings --------------------------------------------------------------------------------------------------------------- */

enum status subject_report(struct subject *subject, struct remark remark, struct err *err)
{
    return findings_add(&subject->findings, remark, err);
}

const char *subject_found(const char *what)
{
    static const char found[] = "found ";
    return strncmp(what, found, sizeof found - 1) == 0 ? what + sizeof found - 1 : what;
}

enum status subject_report_error(struct subject *subject, const struct err *why, enum severity severity, struct err *err)
{
    static const char expected[] = ", expected ";
    if (why->status == STATUS_OK)
        return STATUS_OK;
    const char *text = subject_found(why->what);
    const char *cut = strstr(text, expected);
    const char *found = subject_text(subject, err, "%.*s", (int)(cut == NULL ? strlen(text) : (size_t)(cut - text)), text);
    const char *wanted = subject_text(subject, err, "%s", cut == NULL ? "what repaq convert can read" : cut + sizeof expected - 1);
    const char *where = subject_text(subject, err, "%s", why->where), *remedy = subject_text(subject, err, "%s", why->remedy);
    if (found == NULL || wanted == NULL || where == NULL || remedy == NULL)
        return STATUS_LIMIT;
    return subject_report(subject, (struct remark){severity, where, found, wanted, remedy[0] != '\0' ? remedy : NULL, 0}, err);
}

const char *subject_text(struct subject *subject, struct err *err, const char *format, ...)
{
    char text[1500];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return arena_copy(&subject->findings.arena, text, strlen(text), err);
}

/* --- opening ---------------------------------------------------------------------------------------------------------------- */

/* A status that ends the check; the others are what the check is for. */
static bool is_fatal(enum status status)
{
    return status != STATUS_OK && status != STATUS_CORRUPT && status != STATUS_UNSUPPORTED && status != STATUS_USAGE;
}

/* A directory with two indexes or a broken config.json is still looked at. */
static enum status open_source(struct subject *subject, const struct file_ops *ops, const char *path, struct err *err)
{
    enum status status = source_open(&subject->source, ops, path, &subject->open_error);
    if (status == STATUS_UNSUPPORTED && file_stat(path, NULL) == FILE_DIRECTORY) {
        const char *set = ggufset_find(path, &subject->findings.arena, err), *first = set == NULL ? NULL : subject_text(subject, err, "%s/%s", path, set);
        if (first != NULL) {
            source_close(&subject->source);
            subject->open_error = (struct err){0};
            status = source_open(&subject->source, ops, first, &subject->open_error);
        }
    }
    if (status == STATUS_CORRUPT && file_stat(path, NULL) == FILE_DIRECTORY) {
        source_close(&subject->source);
        const enum status plain = source_open_plain(&subject->source, ops, path, &subject->config_error);
        if (plain == STATUS_CORRUPT) /* then the first error may have been this one */
            subject->open_error = (struct err){0};
        else if (plain != STATUS_OK) {
            *err = subject->config_error;
            return plain;
        }
    } else if (status == STATUS_CORRUPT && subject->source.config.data != NULL) {
        subject->config_error = subject->open_error;
        subject->open_error = (struct err){0};
    } else if (status != STATUS_OK) {
        *err = subject->open_error;
        return status;
    }
    for (size_t i = 0; i < subject->source.list.count; i++) {
        const char *name = subject->source.list.entry[i].name;
        subject->index_count += strchr(name, '/') == NULL && slice_ends(slice_of(name), ".safetensors.index.json");
    }
    return STATUS_OK;
}

static enum status open_documents(struct subject *subject, struct err *err)
{
    struct source *source = &subject->source;
    subject->config = source->document;
    const struct jsondoc *inner = jsondoc_get(source->document, "text_config");
    subject->text_config = inner != NULL && jsondoc_kind(inner) == JSONDOC_OBJECT ? inner : source->document;
    subject->quant = source_quantization(source);
    for (size_t i = 0; i < SUBJECT_SIDE_FILES; i++) {
        const enum status status = source_document(source, side_names[i], &subject->side[i], &subject->side_error[i]);
        if (is_fatal(status)) {
            *err = subject->side_error[i];
            return status;
        }
    }
    subject->settings = subject->quant;
    subject->settings_where = "config.json";
    for (size_t i = SUBJECT_SIDE_FILES; i-- > 0;) {
        if (subject->side[i] == NULL || (subject->quant != NULL && (subject->row->traits & TRAIT_SIDE_FILE_WINS) == 0))
            continue;
        subject->settings = subject->side[i];
        subject->settings_where = side_names[i];
    }
    const enum status status = described_read(&subject->described, source, &subject->described_error);
    if (is_fatal(status))
        *err = subject->described_error;
    return is_fatal(status) ? status : STATUS_OK;
}

/* --- weights ---------------------------------------------------------------------------------------------------------------- */

static enum status read_weights(struct subject *subject, const struct resources *resources, struct err *err)
{
    struct err *why = &subject->read_error;
    const struct read_options options = {.lenient = subject->gguf.count > 0};
    enum status status = registry_read(&subject->source, NULL, options, &subject->model, &subject->bid, why);
    if (status == STATUS_OK)
        status = fetch_open(&subject->fetch, resources->ops, &subject->model, why);
    subject->read = status == STATUS_OK;
    if (status == STATUS_OK) {
        why = &subject->survey_error;
        status = survey_run(&subject->survey, &subject->fetch, NULL, run_workers(resources), resources->cancel, why);
        subject->surveyed = status == STATUS_OK;
    }
    if (is_fatal(status)) {
        *err = *why;
        return status;
    }
    return STATUS_OK;
}

static enum status add_module(struct subject *subject, struct module module, struct err *err)
{
    uint32_t before;
    TRY(mem_grow((void **)&subject->module, &subject->module_capacity, subject->module_count + 1, sizeof *subject->module, err));
    TRY(map_add(&subject->module_by_name, slice_of(module.name), (uint32_t)subject->module_count, &before, err));
    if (before == MAP_NONE)
        subject->module[subject->module_count++] = module;
    return STATUS_OK;
}

static enum status list_modules(struct subject *subject, struct err *err)
{
    struct model *model = &subject->model;
    for (uint32_t w = 0; w < model->weight_count; w++)
        TRY(add_module(subject, (struct module){model->weight[w].name, w, MODEL_NONE}, err));
    for (uint32_t t = 0; t < model->tensor_count; t++) {
        struct slice name;
        if (model->tensor[t].fate != FATE_CARRY || !parts_dense_linear(&model->tensor[t], &name))
            continue;
        const char *copy = arena_copy(&subject->findings.arena, name.data, name.size, err);
        if (copy == NULL)
            return STATUS_LIMIT;
        TRY(add_module(subject, (struct module){copy, MODEL_NONE, t}, err));
    }
    return STATUS_OK;
}

/* Formats with a quant_method of their own. */
static const struct {
    const char *method;
    enum encoding encoding;
} methods[] = {{"awq", ENCODING_AWQ}, {"compressed-tensors", ENCODING_CT}, {"bitsandbytes", ENCODING_BNB}, {"fp8", ENCODING_FP8},
               {"fbgemm_fp8", ENCODING_FP8}, {"mxfp4", ENCODING_MXFP4}};

/* How the engine would take it, where repaq itself could not read it. */
static enum encoding guess_encoding(const struct subject *subject)
{
    const struct jsondoc *settings = subject->settings, *mlx = jsondoc_get(subject->config, "quantization");
    if (subject->described.name != NULL)
        return ENCODING_MS;
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++)
        if (subject_is(settings, "quant_method", methods[m].method))
            return methods[m].encoding;
    if (mlx != NULL && jsondoc_get(mlx, "group_size") != NULL && jsondoc_get(settings, "quant_method") == NULL)
        return ENCODING_MLX;
    if (subject_is(settings, "quant_method", "gptq") || (jsondoc_get(settings, "quant_method") == NULL && jsondoc_get(settings, "desc_act") != NULL))
        return subject_is(settings, "checkpoint_format", "gptq_v2") ? ENCODING_GPTQ_V2 : ENCODING_GPTQ;
    return settings == NULL && subject->read_error.status == STATUS_CORRUPT ? ENCODING_HF : ENCODING_COUNT;
}

/* A file that the engine reads is judged by its header; one that it does not is read for what can be made of it. */
static enum status open_gguf(struct subject *subject, const struct resources *resources, struct err *err)
{
    TRY(ggufset_read(&subject->gguf, &subject->source, err));
    subject->encoding = ENCODING_GGUF;
    subject->accepts = engines_accept(subject->engine, ENCODING_GGUF);
    subject->gguf_reader = engines_gguf_reader(subject->engine);
    if (subject->accepts != NULL || !subject->gguf.is_whole)
        return STATUS_OK;
    TRY(read_weights(subject, resources, err));
    return subject->read ? list_modules(subject, err) : STATUS_OK;
}

enum status subject_open(struct subject *subject, const struct resources *resources, const char *path, struct err *err)
{
    subject->row = engines_at(subject->engine);
    subject->resources = resources;
    TRY(open_source(subject, resources->ops, path, err));
    if (subject->source.gguf)
        return open_gguf(subject, resources, err);
    TRY(open_documents(subject, err));
    TRY(headers_read(&subject->headers, &subject->source, err));
    TRY(read_weights(subject, resources, err));
    subject->encoding = subject->read ? engines_encoding(subject->model.format) : guess_encoding(subject);
    subject->accepts = engines_accept(subject->engine, subject->encoding);
    return subject->read ? list_modules(subject, err) : STATUS_OK;
}

void subject_free(struct subject *subject)
{
    for (size_t i = 0; i < SUBJECT_SIDE_FILES; i++)
        jsondoc_free(subject->side[i]);
    free(subject->module);
    map_free(&subject->module_by_name);
    survey_free(&subject->survey);
    fetch_close(&subject->fetch);
    model_free(&subject->model);
    described_free(&subject->described);
    headers_free(&subject->headers);
    ggufset_free(&subject->gguf);
    source_close(&subject->source);
    findings_free(&subject->findings);
    *subject = (struct subject){0};
}
