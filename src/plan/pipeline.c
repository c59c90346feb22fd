#include "plan/pipeline.h"

#include "base/limits.h"
#include "base/regex.h"
#include "base/tree.h"
#include "formats/hyper.h"
#include "formats/tokencount.h"
#include "plan/ggufmix.h"
#include "plan/ggufplan.h"
#include "plan/derive.h"
#include "plan/directory.h"
#include "plan/experts.h"
#include "plan/gap.h"
#include "plan/narrow.h"
#include "plan/offer.h"
#include "plan/recode.h"
#include "plan/reorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status check_places(const struct request *request, struct err *err)
{
    if (file_same(request->source, request->destination))
        return err_set(err, STATUS_USAGE, request->destination, "found the source itself as the destination: the input is never written");
    if (request->directory && file_inside(request->destination, request->source))
        return err_set(err, STATUS_USAGE, request->destination, "found a destination inside the source: the input is never written");
    if (request->base != NULL && file_same(request->base, request->destination))
        return err_set(err, STATUS_USAGE, request->destination, "found --base itself as the destination: the input is never written");
    if (request->reading.description != NULL && file_same(request->reading.description, request->destination))
        return err_set(err, STATUS_USAGE, request->destination, "found the description itself as the destination: the input is never written");
    if (!request->directory && !request->folder && file_stat(request->destination, NULL) == FILE_DIRECTORY)
        return err_set(err, STATUS_USAGE, request->destination, "found a directory, expected the name of a file");
    return request->dry_run ? STATUS_OK : staging_check(request->destination, request->force, err);
}

static bool list_held(const char *dir, const struct tree_list *list, const char *target)
{
    char path[LIMIT_PATH_BYTES_MAX];
    for (size_t i = 0; i < list->count; i++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, list->entry[i].name) < sizeof path && file_held(path, target))
            return true;
    return false;
}

/* A destination that is there must not be, or hold, a file that is read: links may lead there. */
static enum status check_overlap(const struct pipeline *pipeline, const struct request *request, struct err *err)
{
    const char *target = request->destination;
    char path[LIMIT_PATH_BYTES_MAX];
    if (file_stat(target, NULL) == FILE_ABSENT)
        return STATUS_OK;
    bool held = file_held(request->source, target) || list_held(pipeline->source.dir, &pipeline->source.list, target);
    if (request->base != NULL)
        held = held || file_held(request->base, target) || list_held(pipeline->base.dir, &pipeline->base.list, target);
    for (size_t f = 0; f < pipeline->model.file_count && !held; f++)
        held = (size_t)snprintf(path, sizeof path, "%s/%s", pipeline->model.dir, pipeline->model.file[f].name) < sizeof path && file_held(path, target);
    if (!held)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, target, "found files of the source in the destination: the input is never written");
    return err_try(err, "another name");
}

static struct directory directory_of(struct pipeline *pipeline, const struct request *request)
{
    return (struct directory){.source = &pipeline->source, .base = request->base == NULL ? NULL : &pipeline->base};
}

/* Options that need codes, or several layouts, in the target. */
static enum status check_codes(const struct request *request, struct err *err)
{
    const struct options *options = &request->options;
    const struct format *target = request->target;
    bool layouts = options->variant == VARIANT_ANY;
    for (size_t f = 0; f < target->form_count && !layouts; f++)
        layouts = target->form[f].variant != VARIANT_ANY;
    if (!layouts) {
        (void)err_set(err, STATUS_USAGE, "--layout", "found it with --to %s, which has one layout", target->name);
        return err_try(err, "leave it out");
    }
    if (target->form_count > 0 || (options->bits == 0 && options->group == 0 && !options->asymmetric))
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, options->bits != 0 ? "--bits" : options->group != 0 ? "--group-size" : "--asym",
                  "found it with --to %s, which holds floats and no codes", target->name);
    return err_try(err, "--to with a quantized format, or leave it out");
}

/* --asym is about rounding: codes that move keep their zeros. */
static enum status check_asymmetric(const struct pipeline *pipeline, const struct request *request, struct err *err)
{
    if (!request->options.asymmetric || pipeline->model.weight_count == 0 || request->options.requantize)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, "--asym", "found it with a quantized source (%s), whose zeros move as they are", pipeline->model.format);
    return err_try(err, "leave it out, or --allow-requantize (lossy)");
}

/* Options about what this source does not have. */
static enum status check_idle(struct pipeline *pipeline, const struct request *request, struct err *err)
{
    const struct gguf_options *gguf = &request->gguf;
    const char *metadata = gguf->pre != NULL ? "--pre" : gguf->name != NULL ? "--model-name" : gguf->metadata != NULL ? "--metadata" : NULL;
    bool activations = false;
    if (request->reading.v1_rule != ZERO_PLAIN && registry_find(pipeline->model.format)->zero_rule == ZERO_PLAIN) {
        (void)err_set(err, STATUS_USAGE, "--gptq-zeros", "found it with a source of %s, expected GPTQ v1: other zeros are stored in one way",
                      pipeline->model.format);
        return err_try(err, "leave it out");
    }
    if (pipeline->source.gguf && request->target->arranged && metadata != NULL) {
        (void)err_set(err, STATUS_USAGE, metadata, "found it with a GGUF source, whose metadata pass through as they are");
        return err_try(err, "leave it out");
    }
    for (size_t w = 0; w < pipeline->model.weight_count && request->options.weights_only; w++)
        activations = activations || pipeline->model.weight[w].spec.activation != ACTIVATION_NONE;
    if (activations || !request->options.weights_only)
        return STATUS_OK;
    return model_add_note(&pipeline->model, err, "--weights-only: found no activation parameters to drop");
}

/* A float source becomes codes only where it is asked for. */
static enum status round_floats(struct pipeline *pipeline, const struct request *request, struct err *err)
{
    if (pipeline->model.weight_count > 0 || request->target->form_count == 0)
        return STATUS_OK;
    if (request->options.bits == 0) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, request->source, "found no quantized weights (%s), and %s holds codes: rounding to them is lossy",
                      pipeline->model.format, request->target->name);
        return offer_bits(request->target, request->options.constraints, err);
    }
    const char *type = jsondoc_string(jsondoc_get(pipeline->source.document, "model_type"));
    if (type != NULL && (strcmp(type, "gpt2") == 0 || strcmp(type, "openai-gpt") == 0 || strcmp(type, "imagegpt") == 0)) {
        (void)err_set(err, STATUS_UNSUPPORTED, request->source, "found model_type \"%s\", whose weights are [in][out] (Conv1D), expected [out][in]", type);
        return err_try(err, "--to hf");
    }
    TRY(derive_floats(&pipeline->model, request->target, &request->options, err));
    if (pipeline->model.weight_count > 0)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, request->source, "found no Linear layers in decoder blocks that --bits could be for");
    return err_try(err, "--to hf");
}

/* config.json's dtype, which dequantized weights take without --dtype; F16 where none is stated. */
static enum dtype stated_dtype(const struct pipeline *pipeline, const struct request *request)
{
    const struct source *places[] = {&pipeline->source, request->base == NULL ? &pipeline->source : &pipeline->base};
    static const char *const keys[] = {"torch_dtype", "dtype"};
    for (size_t p = 0; p < 2; p++) {
        const struct jsondoc *texts[] = {places[p]->document, jsondoc_get(places[p]->document, "text_config")};
        for (size_t k = 0; k < 4; k++) {
            const char *name = jsondoc_string(jsondoc_get(texts[k / 2], keys[k % 2]));
            const enum dtype dtype = name == NULL ? DTYPE_NONE : dtype_parse(slice_of(name));
            if (dtype != DTYPE_NONE && dtype_is_plain_float(dtype))
                return dtype;
        }
    }
    return DTYPE_F16;
}

/* The tensors as a GGUF file has them, where one is written. */
static enum status arrange(struct pipeline *pipeline, const struct request *request, struct err *err)
{
    struct regex *exclude = NULL;
    if (!request->target->arranged)
        return STATUS_OK;
    struct source *base = request->base == NULL ? NULL : &pipeline->base;
    const struct jsondoc *config = pipeline->source.document != NULL || base == NULL ? pipeline->source.document : base->document;
    const bool copy = pipeline->source.gguf;
    if (config == NULL && !copy) {
        (void)err_set(err, STATUS_USAGE, request->source, "found no config.json, which says what the tensors are");
        return err_try(err, "--base DIR with the float model's");
    }
    if (request->options.exclude != NULL)
        TRY(regex_compile(&exclude, slice_of(request->options.exclude), "--exclude", STATUS_USAGE, err));
    uint64_t tokens = 0;
    enum status status = STATUS_OK;
    if (copy)
        status = ggufcopy_open(&pipeline->copy, &pipeline->source, &request->gguf, request->reading.lenient, err);
    else
        status = tokencount_find(&pipeline->source, base, config, &tokens, err);
    if (status == STATUS_OK)
        status = copy ? ggufcopy_arrange(&pipeline->copy, &pipeline->model, exclude, &request->gguf.prune, &pipeline->arrangement, err)
                      : arrange_make(&pipeline->arrangement, &pipeline->model, config, exclude, tokens, err);
    regex_free(exclude);
    if (request->gguf.vocab_only)
        pipeline->arrangement.count = pipeline->arrangement.left_count = 0;
    pipeline->gguf = (struct gguf_input){&pipeline->arrangement, &pipeline->source, base, config, &request->gguf, copy ? &pipeline->copy : NULL};
    return status == STATUS_OK ? ggufmix_choose(&pipeline->arrangement, &pipeline->model, &pipeline->gguf, &request->options, err) : status;
}

static enum status survey_source(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err)
{
    TRY(aim_make(&pipeline->aims, &pipeline->model, request->target, &request->options, stated_dtype(pipeline, request), err));
    if (request->target->arranged)
        TRY(ggufplan_aim(&pipeline->aims, &pipeline->model, &pipeline->arrangement, &request->options, err));
    if (request->target->arranged)
        TRY(reorder_inputs(&pipeline->model, &pipeline->aims, &pipeline->fetch, pipeline->arrangement.imatrix != NULL, err));
    return survey_run(&pipeline->survey, &pipeline->fetch, &pipeline->aims, run_workers(resources), resources->cancel, err);
}

/* Weights that the target cannot hold as they are, where --allow-requantize says that their codes may be rounded anew. */
static enum status round_again(struct pipeline *pipeline, const struct request *request, bool *again, struct err *err)
{
    const struct plan_input input = {&pipeline->model, &pipeline->survey, &pipeline->aims, request->target, &request->options, NULL};
    const size_t count = pipeline->model.weight_count;
    bool *refused = mem_alloc(count + 1, sizeof *refused, err);
    if (refused == NULL)
        return STATUS_LIMIT;
    enum status status = plan_refused(&input, refused, err);
    for (uint32_t w = 0; status == STATUS_OK && w < count; w++) {
        if (!refused[w])
            continue;
        *again = true;
        status = derive_again(&pipeline->model, w, pipeline->survey.weight[w].zero_group_of, request->target, &request->options, err);
    }
    free(refused);
    return status;
}

/* Without --max-shard-size: the source's files, and of a GGUF file, whose policy is none, shards of 5GB. */
static struct options options_of(const struct pipeline *pipeline, const struct request *request)
{
    struct options options = request->options;
    if (pipeline->source.gguf && options.shard_bytes_max == 0 && !request->target->arranged)
        options.shard_bytes_max = UINT64_C(5000000000);
    return options;
}

/* The path of a file beside the destination, or in it where that is a directory of files. */
static const char *beside(struct pipeline *pipeline, const char *destination, const char *name, struct err *err)
{
    const char *slash = strrchr(destination, '/');
    return arena_format(&pipeline->arena, err, "%.*s%s", slash == NULL ? 0 : (int)(slash - destination) + 1, destination, name);
}

/* The directory of a destination; NULL where memory is out. */
static const char *parent_of(struct pipeline *pipeline, const char *destination)
{
    size_t size = strlen(destination);
    while (size > 1 && destination[size - 1] == '/')
        size--;
    while (size > 0 && destination[size - 1] != '/')
        size--;
    return size == 0 ? "." : arena_copy(&pipeline->arena, destination, size, NULL);
}

/* Everything that there is, as the target wants to see it. */
static enum status take_model(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err)
{
    TRY(source_open_at(&pipeline->source, resources->ops, request->source, parent_of(pipeline, request->destination), err));
    if (request->base != NULL)
        TRY(source_open_plain(&pipeline->base, resources->ops, request->base, err));
    struct read_options reading = request->reading;
    reading.as_stored = request->target->arranged && pipeline->source.gguf;
    TRY(registry_read(&pipeline->source, request->from, reading, &pipeline->model, &pipeline->bid, err));
    TRY(check_overlap(pipeline, request, err));
    TRY(check_asymmetric(pipeline, request, err));
    TRY(check_idle(pipeline, request, err));
    TRY(round_floats(pipeline, request, err));
    TRY(recode_weights(&pipeline->model, request->target, &request->options, err));
    if (request->target->can.stacks || request->target->arranged)
        TRY(experts_split(&pipeline->model, err));
    if (request->target->arranged)
        TRY(experts_unfold(&pipeline->model, err));
    return arrange(pipeline, request, err);
}

/* A GGUF that is only a vocabulary: a directory with a config.json need not have weights, and none are read. */
static enum status take_vocabulary(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err)
{
    TRY(source_open_plain(&pipeline->source, resources->ops, request->source, err));
    const struct jsondoc *config = pipeline->source.document;
    if (config == NULL) { /* it may be made of what is beside the weights (Meta's) */
        source_close(&pipeline->source);
        return take_model(pipeline, request, resources, err);
    }
    TRY(hyper_arch(config, &pipeline->arrangement.arch, err));
    pipeline->model.ops = resources->ops;
    pipeline->model.dir = pipeline->source.dir;
    pipeline->model.format = "hf";
    (void)snprintf(pipeline->bid.evidence, sizeof pipeline->bid.evidence, "its vocabulary only");
    pipeline->gguf = (struct gguf_input){&pipeline->arrangement, &pipeline->source, NULL, config, &request->gguf, NULL};
    return STATUS_OK;
}

enum status pipeline_plan(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err)
{
    *pipeline = (struct pipeline){0};
    TRY(check_codes(request, err));
    TRY(check_places(request, err));
    TRY(request->gguf.vocab_only ? take_vocabulary(pipeline, request, resources, err) : take_model(pipeline, request, resources, err));
    if (request->directory) {
        struct directory directory = directory_of(pipeline, request);
        struct slice config;
        TRY(directory_config(&directory, &config, err));
        directory_count(&directory);
        pipeline->carried = directory.carried;
        pipeline->left = directory.left;
    }
    TRY(fetch_open(&pipeline->fetch, resources->ops, &pipeline->model, err));
    TRY(narrow_weights(&pipeline->model, &pipeline->fetch, request->target, &request->options, resources, err));
    TRY(survey_source(pipeline, request, resources, err));
    bool again = false;
    if (request->options.requantize && !request->target->arranged)
        TRY(round_again(pipeline, request, &again, err));
    if (again) {
        survey_free(&pipeline->survey);
        aim_free(&pipeline->aims);
        TRY(survey_source(pipeline, request, resources, err));
    }
    const struct options options = options_of(pipeline, request);
    const struct gguf_input *gguf = request->target->arranged ? &pipeline->gguf : NULL;
    const struct plan_input input = {&pipeline->model, &pipeline->survey, &pipeline->aims, request->target, &options, gguf};
    TRY(plan_make(&pipeline->plan, &input, err));
    atomic_store(&pipeline->total_bytes, pipeline->plan.tensor_bytes);
    return STATUS_OK;
}

/* --- proof ---------------------------------------------------------------------------------------------------------------------- */

static enum status refuse_difference(const struct comparison *comparison, struct err *err)
{
    if (comparison->first == NULL)
        return STATUS_OK;
    return err_set(err, STATUS_DIFFERS, comparison->first->name, "what was written differs from the source: %s (%zu differ, %zu missing)",
                   comparison->first->first, comparison->count_of[VERDICT_DIFFERS], comparison->count_of[VERDICT_MISSING]);
}

/* Reads the staged directory as a stranger would, by its own config, and compares it with the source. */
static enum status prove(struct pipeline *pipeline, const struct request *request, struct staging *staging, const struct resources *resources,
                         struct err *err)
{
    struct source source;
    struct model model = {0};
    struct fetch fetch = {0};
    struct bid bid;
    struct rounding rounding;
    const bool lossy = request->target->arranged && pipeline->plan.count_of[EXACTNESS_LOSSY] > 0;
    if (lossy)
        TRY(rounding_make(&rounding, &pipeline->plan, &pipeline->arena, err));
    const struct compare_options options = {.exact = request->options.exact, .rounding = lossy ? &rounding : NULL, .aims = &pipeline->aims, .tolerance = -1};
    const char *place = request->directory ? staging->dir : staging_path(staging, pipeline->plan.file[0].name, &pipeline->arena, err);
    enum status status = place == NULL ? STATUS_LIMIT : source_open(&source, resources->ops, place, err);
    if (status == STATUS_OK)
        status = registry_read(&source, NULL, (struct read_options){.as_stored = pipeline->gguf.copy != NULL}, &model, &bid, err);
    if (status == STATUS_OK && strcmp(model.format, request->target->name) != 0)
        status = err_set(err, STATUS_DIFFERS, staging->dir, "what was written reads as %s, expected %s", model.format, request->target->name);
    if (status == STATUS_OK)
        status = fetch_open(&fetch, resources->ops, &model, err);
    if (status == STATUS_OK)
        status = compare_models(&pipeline->comparison, &pipeline->fetch, &fetch, &options, resources, err);
    if (status == STATUS_OK)
        status = refuse_difference(&pipeline->comparison, err);
    pipeline->comparison.first = NULL; /* names of the staged model go with it */
    fetch_close(&fetch);
    model_free(&model);
    source_close(&source);
    return status;
}

static enum status write_all(struct pipeline *pipeline, const struct request *request, struct staging *staging, const struct resources *resources,
                             struct err *err)
{
    const uint64_t available = file_free_bytes(staging->dir);
    if (available < pipeline->plan.file_bytes)
        return err_set(err, STATUS_IO, staging->dir, "found %llu bytes free, expected %llu for the output", (unsigned long long)available,
                       (unsigned long long)pipeline->plan.file_bytes);
    TRY(run_plan(&pipeline->plan, &pipeline->fetch, staging, resources, (struct outcome){&pipeline->progress, pipeline->hash}, err));
    plan_forget_headers(&pipeline->plan);
    if (!request->directory) {
        const char *file = staging_path(staging, pipeline->plan.file[0].name, &pipeline->arena, err);
        if (file == NULL)
            return STATUS_LIMIT;
        if (request->judge.judge != NULL)
            TRY(request->judge.judge(file, resources, request->judge.context, err));
        survey_free(&pipeline->survey);
        return request->verify ? prove(pipeline, request, staging, resources, err) : STATUS_OK;
    }
    const struct directory directory = directory_of(pipeline, request);
    TRY(directory_write(&directory, &pipeline->plan, staging, pipeline->hash, err));
    if (request->judge.judge != NULL)
        TRY(request->judge.judge(staging->dir, resources, request->judge.context, err));
    survey_free(&pipeline->survey); /* the plan has drawn its conclusions; the proof needs the room */
    return request->verify ? prove(pipeline, request, staging, resources, err) : STATUS_OK;
}

/* Files of a GGUF that have other names than the destination's: what is there already, and no source among it. */
static enum status check_files(struct pipeline *pipeline, const struct request *request, struct err *err)
{
    char source[LIMIT_PATH_BYTES_MAX];
    for (size_t f = 0; f < pipeline->plan.file_count; f++) {
        const char *path = beside(pipeline, request->destination, pipeline->plan.file[f].name, err);
        if (path == NULL)
            return STATUS_LIMIT;
        const enum file_kind kind = file_stat(path, NULL);
        if (kind == FILE_DIRECTORY)
            return err_set(err, STATUS_USAGE, path, "found a directory, expected the name of a file");
        for (uint32_t s = 0; kind != FILE_ABSENT && s < pipeline->model.file_count; s++) {
            const int length = snprintf(source, sizeof source, "%s/%s", pipeline->model.dir, pipeline->model.file[s].name);
            if (length > 0 && (size_t)length < sizeof source && file_same(source, path))
                return err_set(err, STATUS_USAGE, path, "found the source itself as the destination: the input is never written");
        }
        TRY(staging_check(path, request->force, err));
    }
    return STATUS_OK;
}

/* Files beside the destination, under names of their own. */
static bool is_set(const struct pipeline *pipeline, const struct request *request)
{
    const char *slash = strrchr(request->destination, '/');
    return !request->directory && !request->folder && strcmp(pipeline->plan.file[0].name, slash == NULL ? request->destination : slash + 1) != 0;
}

static enum status seal(struct pipeline *pipeline, const struct request *request, struct staging *staging, struct err *err)
{
    if (request->directory || request->folder)
        return staging_seal(staging, err);
    if (!is_set(pipeline, request))
        return staging_seal_file(staging, pipeline->plan.file[0].name, err);
    const char **name = arena_alloc(&pipeline->arena, pipeline->plan.file_count, sizeof *name, err);
    if (name == NULL)
        return STATUS_LIMIT;
    for (size_t f = 0; f < pipeline->plan.file_count; f++)
        name[f] = pipeline->plan.file[f].name;
    return staging_seal_files(staging, name, pipeline->plan.file_count, err);
}

enum status pipeline_run(struct pipeline *pipeline, const struct request *request, const struct resources *resources, struct err *err)
{
    struct staging staging;
    if (is_set(pipeline, request))
        TRY(check_files(pipeline, request, err));
    pipeline->hash = mem_alloc(pipeline->plan.tensor_count + 1, sizeof *pipeline->hash, err);
    if (pipeline->hash == NULL)
        return STATUS_LIMIT;
    TRY(staging_open(&staging, resources->ops, request->destination, request->force, &pipeline->arena, err));
    enum status status = write_all(pipeline, request, &staging, resources, err);
    if (status == STATUS_OK && resources->cancel != NULL && atomic_load(resources->cancel) != 0)
        status = err_set(err, STATUS_CANCELLED, "", "stopped by a signal");
    if (status == STATUS_OK)
        status = seal(pipeline, request, &staging, err);
    staging_drop(&staging);
    return status;
}

void pipeline_free(struct pipeline *pipeline)
{
    compare_free(&pipeline->comparison);
    plan_free(&pipeline->plan);
    survey_free(&pipeline->survey);
    aim_free(&pipeline->aims);
    arrange_free(&pipeline->arrangement);
    ggufcopy_free(&pipeline->copy);
    fetch_close(&pipeline->fetch);
    model_free(&pipeline->model);
    source_close(&pipeline->source);
    source_close(&pipeline->base);
    free(pipeline->hash);
    arena_free(&pipeline->arena);
}
