#include "plan/directory.h"

#include "container/json.h"
#include "container/shards.h"
#include "container/splice.h"
#include "plan/manifest.h"
#include "plan/summarise.h"

#include <stdlib.h>
#include <string.h>

/* Weights, and descriptions of the source's format: they never travel. */
static const struct {
    const char *prefix, *suffix;
} stays[] = {
    {"", ".safetensors"}, {"", ".index.json"}, {"", ".bin"}, {"", ".pth"}, {"", ".pt"}, {"", ".ckpt"}, {"", ".gguf"}, {"", ".npy"},
    {"", ".npz"}, {"", ".h5"}, {"", ".msgpack"}, {"", ".onnx"}, {"", ".onnx_data"}, {"", ".lock"},
    {"config.json", ""}, {"quantize_config.json", ""}, {"quant_config.json", ""}, {"hf_quant_config.json", ""},
    {"quant_model_description", ".json"}, {"repaq-manifest.json", ""}, {"params.json", ""}, {"checklist.chk", ""},
};

/* Keys of vendors' quantization in config.json that the output must not keep; "*_quantize" keys go as well. */
static const char *const vendor_keys[] = {"quantize", "quantization", "quantization_config", "compression_config", "text_config/quantization_config"};

static bool stays_behind(const char *name)
{
    const char *slash = strrchr(name, '/');
    const struct slice leaf = slice_of(slash == NULL ? name : slash + 1);
    for (size_t i = 0; i < sizeof stays / sizeof stays[0]; i++) {
        const bool whole = stays[i].suffix[0] == '\0';
        if (whole ? slice_is(leaf, stays[i].prefix) : slice_starts(leaf, stays[i].prefix) && slice_ends(leaf, stays[i].suffix))
            return true;
    }
    return false;
}

enum status directory_config(const struct directory *directory, struct slice *config, struct err *err)
{
    const struct source *from = directory->source->config.data != NULL ? directory->source : directory->base;
    if (from != NULL && from->config.data != NULL) {
        *config = (struct slice){from->config.data, from->config.size};
        return STATUS_OK;
    }
    (void)err_set(err, STATUS_USAGE, directory->source->path, "found no config.json, and a checkpoint to serve needs one");
    return err_try(err, "--base DIR with the float model's directory");
}

/* --- config.json ------------------------------------------------------------------------------------------------------------- */

static enum status splice(const char *path, const char *value, struct text *config, struct err *err)
{
    struct text edited = {0};
    const enum status status = splice_member("config.json", (struct slice){config->data, config->size}, path, value, &edited, err);
    if (status != STATUS_OK) {
        text_free(&edited);
        return status;
    }
    text_free(config);
    *config = edited;
    return STATUS_OK;
}

static enum status remove_vendor_keys(const struct directory *directory, struct text *config, struct err *err)
{
    const struct source *from = directory->source->config.data != NULL ? directory->source : directory->base;
    for (size_t i = 0; i < sizeof vendor_keys / sizeof vendor_keys[0]; i++)
        if (strchr(vendor_keys[i], '/') != NULL || jsondoc_get(from->document, vendor_keys[i]) != NULL)
            TRY(splice(vendor_keys[i], NULL, config, err));
    for (const struct jsondoc *member = jsondoc_first(from->document); member != NULL; member = jsondoc_next(member))
        if (slice_ends(slice_of(jsondoc_name(member)), "_quantize"))
            TRY(splice(jsondoc_name(member), NULL, config, err));
    return STATUS_OK;
}

static enum status spill(struct staging *staging, const char *name, const struct text *text, struct arena *arena, struct err *err)
{
    TRY(text_check(text, err));
    char *path = staging_path(staging, name, arena, err);
    if (path == NULL)
        return STATUS_LIMIT;
    return file_spill(staging->ops, path, text->data, text->size, err);
}

/* The float checkpoint says which dtype was written. */
static enum status set_torch_dtype(const struct directory *directory, const struct plan *plan, struct text *config, struct err *err)
{
    const struct source *from = directory->source->config.data != NULL ? directory->source : directory->base;
    static const char *const keys[] = {"torch_dtype", "dtype"};
    enum dtype dtype = DTYPE_NONE;
    for (size_t t = 0; t < plan->tensor_count; t++)
        if (plan->tensor[t].step == STEP_CAST || plan->tensor[t].step == STEP_DENSE)
            dtype = plan->tensor[t].dtype;
    if (dtype == DTYPE_NONE || plan->target->form_count > 0 || dtype_torch_name(dtype) == NULL)
        return STATUS_OK;
    for (size_t i = 0; i < 2; i++) {
        struct text value = {0};
        if (jsondoc_get(from->document, keys[i]) == NULL)
            continue;
        text_format(&value, "\"%s\"", dtype_torch_name(dtype));
        enum status status = text_check(&value, err);
        if (status == STATUS_OK)
            status = splice(keys[i], value.data, config, err);
        text_free(&value);
        TRY(status);
    }
    return STATUS_OK;
}

/* quantization_config, or the members that the target has in its place. */
static enum status set_quantization(const struct plan *plan, const char *value, struct text *config, struct err *err)
{
    static const char *const usual[] = {"quantization_config", NULL};
    for (const char *const *key = plan->target->config_keys != NULL ? plan->target->config_keys : usual; *key != NULL; key++)
        TRY(splice(*key, value, config, err));
    return STATUS_OK;
}

static enum status edit_config(const struct directory *directory, const struct plan *plan, const struct text *quantization, struct text *config,
                               struct err *err)
{
    TRY(remove_vendor_keys(directory, config, err));
    TRY(set_torch_dtype(directory, plan, config, err));
    return quantization->data == NULL ? STATUS_OK : set_quantization(plan, quantization->data, config, err);
}

/* --- the file that lists every tensor ---------------------------------------------------------------------------------------- */

static int by_tensor_name(const void *a, const void *b)
{
    return strcmp((*(const struct output_tensor *const *)a)->name, (*(const struct output_tensor *const *)b)->name);
}

static const struct output_tensor **sort_tensors(const struct plan *plan, struct err *err)
{
    const struct output_tensor **sorted = mem_alloc(plan->tensor_count + 1, sizeof *sorted, err);
    for (size_t t = 0; sorted != NULL && t < plan->tensor_count; t++)
        sorted[t] = &plan->tensor[t];
    if (sorted != NULL)
        qsort(sorted, plan->tensor_count, sizeof *sorted, by_tensor_name);
    return sorted;
}

static bool is_float(const struct output_tensor *output)
{
    return output->step == STEP_COPY || output->step == STEP_CAST || output->step == STEP_DENSE;
}

static enum status list_tensors(const struct plan *plan, const struct summary *summary, struct text *text, struct err *err)
{
    const struct output_tensor **sorted = sort_tensors(plan, err);
    const char **names = mem_alloc(plan->tensor_count + 1, sizeof *names, err);
    const struct form **forms = mem_alloc(plan->tensor_count + 1, sizeof *forms, err);
    enum status status = sorted == NULL || names == NULL || forms == NULL ? STATUS_LIMIT : STATUS_OK;
    for (size_t t = 0; status == STATUS_OK && t < plan->tensor_count; t++) {
        names[t] = sorted[t]->name;
        forms[t] = is_float(sorted[t]) ? NULL : plan_form(plan, sorted[t]->source);
    }
    if (status == STATUS_OK)
        status = plan->target->list(summary, &(struct tensor_list){names, forms, plan->tensor_count}, text, err);
    free(sorted);
    free(names);
    free(forms);
    return status == STATUS_OK ? text_check(text, err) : status;
}

/* --- configs ------------------------------------------------------------------------------------------------------------------- */

/* What describes the quantization: the object for config.json, and the text of the side file. Empty where there is none. */
static enum status describe(struct plan *plan, struct text *quantization, struct text *side, struct err *err)
{
    struct summary summary;
    if (plan->kept_count == 0 || (plan->target->describe == NULL && plan->target->list == NULL))
        return STATUS_OK;
    TRY(summarise_plan(plan, &summary, err));
    if (plan->target->describe != NULL) {
        struct jsondoc *object = jsondoc_new_object();
        plan->target->describe(&summary, object);
        const enum status status = jsondoc_print(object, quantization, err);
        jsondoc_free(object);
        TRY(status);
    }
    if (plan->target->list != NULL)
        return list_tensors(plan, &summary, side, err);
    text_add(side, quantization->data, quantization->size);
    return text_check(side, err);
}

/* config.json, and the side file: a copy of the same object, or the list of tensors. */
static enum status write_configs(const struct directory *directory, struct plan *plan, struct staging *staging, struct err *err)
{
    struct slice original = {0};
    struct text quantization = {0}, side = {0}, config = {0};
    TRY(directory_config(directory, &original, err));
    enum status status = describe(plan, &quantization, &side, err);
    text_add(&config, original.data, original.size);
    if (status == STATUS_OK)
        status = text_check(&config, err);
    if (status == STATUS_OK)
        status = edit_config(directory, plan, &quantization, &config, err);
    if (status == STATUS_OK)
        status = spill(staging, "config.json", &config, &plan->arena, err);
    if (status == STATUS_OK && plan->names.side_file != NULL && side.data != NULL)
        status = spill(staging, plan->names.side_file, &side, &plan->arena, err);
    text_free(&quantization);
    text_free(&side);
    text_free(&config);
    return status;
}

/* --- side files -------------------------------------------------------------------------------------------------------------- */

static enum status copy_stream(const struct file *from, struct file *to, struct err *err)
{
    enum { COPY_BYTES = 1 << 20 };
    uint8_t *buffer = mem_alloc(COPY_BYTES, 1, err);
    if (buffer == NULL)
        return STATUS_LIMIT;
    enum status status = STATUS_OK;
    for (uint64_t at = 0; at < from->bytes && status == STATUS_OK; at += COPY_BYTES) {
        const size_t size = from->bytes - at < COPY_BYTES ? (size_t)(from->bytes - at) : COPY_BYTES;
        status = file_read(from, buffer, size, at, err);
        if (status == STATUS_OK)
            status = file_write(to, buffer, size, at, err);
    }
    free(buffer);
    return status == STATUS_OK ? file_sync(to, err) : status;
}

static enum status copy_file(struct source *source, const char *name, struct staging *staging, struct arena *arena, struct err *err)
{
    const char *from_path = source_path(source, name, err);
    char *to_path = staging_path(staging, name, arena, err);
    struct file from = {.fd = -1}, to = {.fd = -1};
    if (from_path == NULL || to_path == NULL)
        return STATUS_LIMIT;
    TRY(file_open_read(&from, source->ops, from_path, err));
    enum status status = file_create(&to, staging->ops, to_path, err);
    if (status == STATUS_OK)
        status = copy_stream(&from, &to, err);
    if (status == STATUS_OK)
        status = file_close(&to, err);
    file_drop(&from);
    file_drop(&to);
    return status;
}

/* Side files travel from the source, and from the base those that the source lacks. */
static bool travels(const struct directory *directory, bool from_base, const char *name)
{
    bool there = source_has(directory->source, name);
    for (size_t m = 0; m < directory->source->made_count; m++)
        there = there || strcmp(directory->source->made[m].name, name) == 0;
    return !stays_behind(name) && !(from_base && there);
}

void directory_count(struct directory *directory)
{
    const struct source *places[] = {directory->source, directory->base};
    directory->carried = directory->source->made_count;
    directory->left = 0;
    for (size_t p = 0; p < 2; p++) {
        for (size_t i = 0; places[p] != NULL && i < places[p]->list.count; i++) {
            const char *name = places[p]->list.entry[i].name;
            directory->carried += travels(directory, p == 1, name);
            directory->left += p == 0 && stays_behind(name) && strcmp(name, "config.json") != 0;
        }
    }
}

static enum status carry_files(const struct directory *directory, struct staging *staging, struct arena *arena, struct err *err)
{
    struct source *places[] = {directory->source, directory->base};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; places[p] != NULL && i < places[p]->list.count; i++)
            if (travels(directory, p == 1, places[p]->list.entry[i].name))
                TRY(copy_file(places[p], places[p]->list.entry[i].name, staging, arena, err));
    for (size_t m = 0; m < directory->source->made_count; m++) {
        const struct source_made *made = &directory->source->made[m];
        char *path = staging_path(staging, made->name, arena, err);
        if (path == NULL)
            return STATUS_LIMIT;
        TRY(file_spill(staging->ops, path, made->text.data, made->text.size, err));
    }
    return STATUS_OK;
}

/* --- index -------------------------------------------------------------------------------------------------------------------- */

static enum status write_index(struct plan *plan, struct staging *staging, struct err *err)
{
    const size_t count = plan->tensor_count;
    const struct output_tensor **sorted = sort_tensors(plan, err);
    const char **names = mem_alloc(count, sizeof *names, err);
    uint32_t *file_of = mem_alloc(count, sizeof *file_of, err);
    const char **files = mem_alloc(plan->file_count, sizeof *files, err);
    struct text text = {0};
    enum status status = sorted == NULL || names == NULL || file_of == NULL || files == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK) {
        for (size_t t = 0; t < count; t++) {
            names[t] = sorted[t]->name;
            file_of[t] = sorted[t]->file;
        }
        for (size_t f = 0; f < plan->file_count; f++)
            files[f] = plan->file[f].name;
        status = shards_index_text(&(struct shards_map){names, file_of, files, count, plan->tensor_bytes}, &text, err);
    }
    if (status == STATUS_OK)
        status = spill(staging, plan->index_name, &text, &plan->arena, err);
    text_free(&text);
    free(sorted);
    free(names);
    free(file_of);
    free(files);
    return status;
}

enum status directory_write(const struct directory *directory, struct plan *plan, struct staging *staging, const struct digest *hash, struct err *err)
{
    TRY(carry_files(directory, staging, &plan->arena, err));
    TRY(write_configs(directory, plan, staging, err));
    if (plan->index_name != NULL)
        TRY(write_index(plan, staging, err));
    char *path = staging_path(staging, MANIFEST_NAME, &plan->arena, err);
    return path == NULL ? STATUS_LIMIT : manifest_write(plan, hash, staging->ops, path, err);
}
