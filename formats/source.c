#include "formats/source.h"

#include "base/limits.h"
#include "container/ggufile_split.h"
#include "container/safetensors.h"
#include "container/torchfile.h"
#include "container/zstream.h"
#include "formats/packing.h"

#include <stdio.h>
#include <string.h>

/* In the order of preference. */
static const struct shards_kind *const kinds[] = {&shards_safetensors, &shards_torch};
enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

const char *source_path(struct source *source, const char *name, struct err *err)
{
    return arena_format(&source->arena, err, "%s/%s", source->dir, name);
}

bool source_has(const struct source *source, const char *name)
{
    size_t low = 0, high = source->list.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(source->list.entry[middle].name, name);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

const char *source_match(const struct source *source, const char *prefix, const char *suffix)
{
    for (size_t i = 0; i < source->list.count; i++) {
        const struct slice name = slice_of(source->list.entry[i].name);
        if (memchr(name.data, '/', name.size) == NULL && name.size >= strlen(prefix) + strlen(suffix) && slice_starts(name, prefix) &&
            slice_ends(name, suffix))
            return name.data;
    }
    return NULL;
}

/* Splits the path of a file into dir and name. */
static enum status split(struct source *source, const char *path, const char **name, struct err *err)
{
    const char *slash = strrchr(path, '/');
    *name = slash == NULL ? path : slash + 1;
    source->dir = slash == NULL   ? "."
                  : slash == path ? "/"
                                  : arena_copy(&source->arena, path, (size_t)(slash - path), err);
    return source->dir == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status open_file(struct source *source, const char *path, struct err *err)
{
    const char *name;
    TRY(split(source, path, &name, err));
    const struct slice slice = slice_of(name);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        if (slice_ends(slice, kinds[k]->index_suffix)) {
            source->index_name = name;
            source->kind = kinds[k];
            return STATUS_OK;
        }
    }
    source->only = name;
    return STATUS_OK;
}

/* The kind of the one file that is named, by its content; a bundle becomes a directory. */
static enum status look_into(struct source *source, const char *path, struct err *err)
{
    struct file file;
    uint8_t head[TORCHFILE_HEAD_BYTES] = {0};
    bool bundle = false;
    TRY(file_open_read(&file, source->ops, path, err));
    const size_t head_bytes = file.bytes < sizeof head ? (size_t)file.bytes : sizeof head;
    enum status status = file_read(&file, head, head_bytes, 0, err);
    const uint64_t bytes = file.bytes;
    if (status == STATUS_OK && zipfile_probe(head, head_bytes))
        status = packing_is_bundle(&file, &bundle, err);
    file_drop(&file);
    TRY(status);
    if (bundle) {
        source->only = NULL;
        return packing_bundle(source, source->path, err);
    }
    source->gguf = ggufile_probe(head, head_bytes);
    if (source->gguf)
        return STATUS_OK;
    if (torchfile_probe(head, head_bytes))
        source->kind = &shards_torch;
    else if (slice_ends(slice_of(source->only), ".safetensors") || safetensors_probe(head, head_bytes, bytes))
        source->kind = &shards_safetensors;
    if (source->kind != NULL)
        return STATUS_OK;
    (void)err_set(err, STATUS_UNSUPPORTED, path, "found a file that is no safetensors and no GGUF file, and none of torch.save's");
    return err_try(err, "name a checkpoint directory, a .safetensors, .gguf, .bin or .pth file or an *.index.json");
}

/* The one file that is named, after it was unpacked if it is compressed. */
static enum status open_only(struct source *source, struct err *err)
{
    if (!slice_ends(slice_of(source->only), ".zst"))
        return look_into(source, source->path, err);
    TRY(packing_streams(source, err));
    const char *path = source_path(source, source->only, err);
    return path == NULL ? STATUS_LIMIT : look_into(source, path, err);
}

/* The index that rules the directory's weights of the chosen kind: the only one there is. */
static enum status find_index(struct source *source, struct err *err)
{
    size_t found = 0;
    for (size_t i = 0; i < source->list.count; i++) {
        const char *name = source->list.entry[i].name;
        if (strchr(name, '/') != NULL || !slice_ends(slice_of(name), source->kind->index_suffix))
            continue;
        source->index_name = name;
        found++;
    }
    if (found <= 1)
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, source->path, "found %zu files *%s, expected one", found, source->kind->index_suffix);
    return err_try(err, "name the right one instead of the directory");
}

/* The GGUF file of a directory that has no other weights, or any shard of its only set. */
static enum status find_ggufs(struct source *source, struct err *err)
{
    struct ggufile_split_part first = {0}, part;
    size_t ggufs = 0;
    bool set = true;
    for (size_t i = 0; i < source->list.count; i++) {
        const char *name = source->list.entry[i].name;
        if (!slice_ends(slice_of(name), ".gguf") || strchr(name, '/') != NULL)
            continue;
        set = set && ggufile_split_parse(slice_of(name), &part) && (ggufs == 0 || (part.count == first.count && slice_equal(part.prefix, first.prefix)));
        first = ggufs == 0 ? part : first;
        source->only = name;
        ggufs++;
    }
    source->gguf = ggufs == 1 || (ggufs > 1 && set);
    if (source->gguf || ggufs == 0)
        return STATUS_OK;
    source->only = NULL;
    (void)err_set(err, STATUS_UNSUPPORTED, source->path, "found %zu GGUF files, expected one checkpoint", ggufs);
    return err_try(err, "name the file instead of the directory");
}

static enum status check_weights(struct source *source, struct err *err)
{
    if (source_has(source, "adapter_config.json") && source_match(source, "adapter_model", "") != NULL) {
        (void)err_set(err, STATUS_UNSUPPORTED, source->path, "found a LoRA adapter, expected a whole checkpoint");
        return err_try(err, "merge the adapter into its base model first");
    }
    for (size_t k = 0; k < KIND_COUNT; k++) {
        source->kind = kinds[k];
        if (source_match(source, "", kinds[k]->index_suffix) != NULL || source_match(source, kinds[k]->prefix, kinds[k]->suffix) != NULL)
            return STATUS_OK;
    }
    if (source_match(source, "consolidated", ".pth") != NULL)
        return STATUS_OK;
    TRY(find_ggufs(source, err));
    if (source->gguf) {
        source->kind = NULL;
        return STATUS_OK;
    }
    static const char *const other[] = {".npy", ".bin", ".pth", ".pt"};
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++) {
        const char *name = source_match(source, "", other[i]);
        if (name == NULL)
            continue;
        (void)err_set(err, STATUS_UNSUPPORTED, source->path, "found %s, expected *.safetensors, pytorch_model*.bin or consolidated*.pth", name);
        return err_try(err, strcmp(other[i], ".npy") == 0 ? "save with save_type ascendV1 or safe_tensor instead of numpy"
                                                          : "name the file itself instead of the directory, if it holds the weights");
    }
    return err_set(err, STATUS_UNSUPPORTED, source->path, "found no weights, expected *.safetensors");
}

static enum status read_config(struct source *source, struct err *err)
{
    if (!source_has(source, "config.json"))
        return STATUS_OK;
    const char *path = source_path(source, "config.json", err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_slurp(source->ops, path, LIMIT_JSON_DOCUMENT_BYTES_MAX, &source->config, err));
    TRY(jsondoc_parse(path, (struct slice){source->config.data, source->config.size}, &source->document, err));
    if (jsondoc_kind(source->document) != JSONDOC_OBJECT)
        return err_set(err, STATUS_CORRUPT, path, "found a JSON value that is no object");
    return STATUS_OK;
}

static enum status take_directory(struct source *source, const char *path, struct err *err)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    source->dir = arena_copy(&source->arena, path, size, err);
    return source->dir == NULL ? STATUS_LIMIT : STATUS_OK;
}

enum status source_open_plain(struct source *source, const struct file_ops *ops, const char *path, struct err *err)
{
    *source = (struct source){.ops = ops, .path = path, .kind = &shards_safetensors};
    if (file_stat(path, NULL) != FILE_DIRECTORY)
        return err_set(err, STATUS_IO, path, "found no such directory");
    TRY(take_directory(source, path, err));
    TRY(tree_list(source->dir, &source->arena, &source->list, err));
    return read_config(source, err);
}

enum status source_open_at(struct source *source, const struct file_ops *ops, const char *path, const char *spool, struct err *err)
{
    *source = (struct source){.ops = ops, .path = path, .spool = spool};
    const enum file_kind kind = file_stat(path, NULL);
    if (kind == FILE_ABSENT)
        return err_set(err, STATUS_IO, path, "cannot open: no such file or directory");
    if (kind == FILE_OTHER)
        return err_set(err, STATUS_IO, path, "found a special file, expected a directory or a regular file");
    TRY(kind == FILE_REGULAR ? open_file(source, path, err) : take_directory(source, path, err));
    const bool packed = source->only != NULL && slice_ends(slice_of(source->only), ".zst");
    if (source->only != NULL && !packed)
        TRY(open_only(source, err));
    if (source->gguf) /* what else is in the directory does not belong to it */
        return STATUS_OK;
    if (source->list.entry == NULL) /* a bundle has a list of its own */
        TRY(tree_list(source->dir, &source->arena, &source->list, err));
    if (packed)
        TRY(open_only(source, err));
    if (source->only == NULL && source->index_name == NULL) {
        TRY(packing_streams(source, err));
        TRY(check_weights(source, err));
        if (!source->gguf)
            TRY(find_index(source, err));
    }
    if (source->gguf) {
        source->list.count = 0;
        return STATUS_OK;
    }
    if (source->kind == &shards_torch)
        TRY(packing_torch(source, err));
    return read_config(source, err);
}

enum status source_open(struct source *source, const struct file_ops *ops, const char *path, struct err *err)
{
    return source_open_at(source, ops, path, NULL, err);
}

void source_close(struct source *source)
{
    jsondoc_free(source->document);
    text_free(&source->config);
    if (source->overlay.below != NULL)
        overlay_close(&source->overlay);
    arena_free(&source->arena);
    *source = (struct source){0};
}

const struct jsondoc *source_quantization(const struct source *source)
{
    const struct jsondoc *place[] = {source->document, jsondoc_get(source->document, "text_config")};
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        const struct jsondoc *found = jsondoc_get(place[i], "quantization_config");
        if (found != NULL && jsondoc_kind(found) == JSONDOC_OBJECT)
            return found;
    }
    const struct jsondoc *old = jsondoc_get(source->document, "compression_config");
    return old != NULL && jsondoc_kind(old) == JSONDOC_OBJECT ? old : NULL;
}

enum status source_document(struct source *source, const char *name, struct jsondoc **doc, struct err *err)
{
    *doc = NULL;
    if (!source_has(source, name))
        return STATUS_OK;
    const char *path = source_path(source, name, err);
    if (path == NULL)
        return STATUS_LIMIT;
    struct text text = {0};
    enum status status = file_slurp(source->ops, path, LIMIT_JSON_DOCUMENT_BYTES_MAX, &text, err);
    if (status == STATUS_OK)
        status = jsondoc_parse(path, (struct slice){text.data, text.size}, doc, err);
    text_free(&text);
    if (status == STATUS_OK && jsondoc_kind(*doc) != JSONDOC_OBJECT) {
        jsondoc_free(*doc);
        *doc = NULL;
        return err_set(err, STATUS_CORRUPT, path, "found a JSON value that is no object");
    }
    return status;
}

enum status source_tensors_of(struct source *source, const char *name, const char *prefix, struct model *model, struct err *err)
{
    const char *path = source_path(source, name, err);
    struct file file;
    uint32_t index;
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_open_read(&file, source->ops, path, err));
    enum status status = model_add_file(model, name, file.bytes, &index, err);
    model->name_prefix = prefix;
    if (status == STATUS_OK)
        status = source->kind->read(&file, index, model, err);
    model->name_prefix = NULL;
    file_drop(&file);
    return status;
}

enum status source_tensor(struct source *source, const struct model *model, uint32_t tensor, void *data, size_t size, struct err *err)
{
    const struct tensor *stored = &model->tensor[tensor];
    char path[LIMIT_PATH_BYTES_MAX], where[700];
    struct file file;
    if (stored->view != NULL)
        return err_set(err, STATUS_UNSUPPORTED, model_where(model, tensor, where, sizeof where), "found a small tensor whose elements are out of order");
    if (stored->bytes < size)
        return err_set(err, STATUS_CORRUPT, model_where(model, tensor, where, sizeof where), "found %llu bytes, expected at least %zu",
                       (unsigned long long)stored->bytes, size);
    if ((size_t)snprintf(path, sizeof path, "%s/%s", model->dir, model->file[stored->file].name) >= sizeof path)
        return err_set(err, STATUS_LIMIT, model->file[stored->file].name, "found a path longer than %d bytes", LIMIT_PATH_BYTES_MAX);
    TRY(file_open_read(&file, source->ops, path, err));
    const enum status status = file_read(&file, data, size, stored->offset, err);
    file_drop(&file);
    return status;
}

enum status source_make(struct source *source, const char *name, const struct text *text, struct err *err)
{
    TRY(text_check(text, err));
    if (source_has(source, name))
        return STATUS_OK;
    if (source->made_count == SOURCE_MADE_MAX)
        return err_set(err, STATUS_LIMIT, name, "found more than %d side files to make", SOURCE_MADE_MAX);
    const char *copy = arena_copy(&source->arena, text->data, text->size, err), *own = arena_copy(&source->arena, name, strlen(name), err);
    if (copy == NULL || own == NULL)
        return STATUS_LIMIT;
    source->made[source->made_count++] = (struct source_made){own, {copy, text->size}};
    return STATUS_OK;
}

enum status source_make_config(struct source *source, struct model *model, const struct text *text, struct err *err)
{
    if (source->config.data != NULL)
        return STATUS_OK;
    text_add(&source->config, text->data, text->size);
    TRY(text_check(&source->config, err));
    TRY(jsondoc_parse("config.json", (struct slice){source->config.data, source->config.size}, &source->document, err));
    return source_take(source, model, err);
}

enum status source_take(const struct source *source, struct model *model, struct err *err)
{
    model->ops = source->ops;
    model->dir = arena_copy(&model->arena, source->dir, strlen(source->dir), err);
    if (model->dir == NULL)
        return STATUS_LIMIT;
    if (source->config.data != NULL) {
        model->config = arena_copy(&model->arena, source->config.data, source->config.size, err);
        model->config_bytes = source->config.size;
        if (model->config == NULL)
            return STATUS_LIMIT;
    }
    return STATUS_OK;
}

enum status source_tensors(struct source *source, struct model *model, struct err *err)
{
    TRY(source_take(source, model, err));
    if (source->only != NULL)
        return source_tensors_of(source, source->only, NULL, model, err);
    const struct shards_source shards = {.kind = source->kind, .dir = source->dir, .list = &source->list, .index_name = source->index_name};
    return shards_read(&shards, source->ops, model, err);
}
