#include "check/headers.h"

#include "base/le.h"
#include "container/json.h"

#include <stdlib.h>
#include <string.h>

/* The member `format` of __metadata__, whose value begins at the scanner's place. */
static enum status scan_metadata(struct json *json, struct arena *arena, const char **format, struct err *err)
{
    struct json_token token;
    TRY(json_next(json, &token, err));
    if (token.kind != JSON_OBJECT)
        return json_skip(json, &token, err);
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        const bool wanted = json_token_is(&token, "format");
        TRY(json_next(json, &token, err));
        if (wanted && token.kind == JSON_STRING)
            TRY(json_string(json, &token, arena, format, NULL, err));
        else
            TRY(json_skip(json, &token, err));
    }
}

static enum status scan_text(struct json *json, struct arena *arena, const char **format, struct err *err)
{
    struct json_token token;
    TRY(json_expect(json, JSON_OBJECT, &token, err));
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return json_expect(json, JSON_END, &token, err);
        if (json_token_is(&token, "__metadata__")) {
            TRY(scan_metadata(json, arena, format, err));
            continue;
        }
        TRY(json_next(json, &token, err));
        TRY(json_skip(json, &token, err));
    }
}

/* Only the JSON of the header, whatever the file holds after it. */
static enum status scan_header(const struct file *file, struct arena *arena, const char **format, struct err *err)
{
    uint8_t word[8];
    TRY(file_read(file, word, sizeof word, 0, err));
    const uint64_t length = le_load64(word);
    if (length > LIMIT_SAFETENSORS_HEADER_BYTES_MAX)
        return err_set(err, STATUS_CORRUPT, file->path, "found a header of %llu bytes", (unsigned long long)length);
    char *text = mem_alloc(length, 1, err);
    if (text == NULL)
        return STATUS_LIMIT;
    enum status status = file_read(file, text, (size_t)length, sizeof word, err);
    if (status == STATUS_OK) {
        struct json json = json_over(file->path, (struct slice){text, (size_t)length});
        status = scan_text(&json, arena, format, err);
    }
    free(text);
    return status;
}

/* Copies what a header lists; a name that is there already stays where it was found first. */
static enum status take_tensors(struct headers *headers, const struct model *found, uint32_t file, struct err *err)
{
    for (size_t t = 0; t < found->tensor_count; t++) {
        struct tensor tensor = found->tensor[t];
        if (model_find(&headers->model, slice_of(tensor.name)) != MODEL_NONE)
            continue;
        uint64_t *shape = arena_alloc(&headers->model.arena, tensor.rank + 1u, sizeof *shape, err);
        tensor.name = arena_copy(&headers->model.arena, tensor.name, strlen(tensor.name), err);
        if (shape == NULL || tensor.name == NULL)
            return STATUS_LIMIT;
        memcpy(shape, tensor.shape, tensor.rank * sizeof *shape);
        tensor.shape = shape;
        tensor.file = file;
        TRY(model_add_tensor(&headers->model, &tensor, NULL, err));
    }
    return STATUS_OK;
}

static enum status note_damage(struct headers *headers, struct header_file *row, const struct err *why, struct err *err)
{
    struct err *copy = arena_alloc(&headers->arena, 1, sizeof *copy, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    *copy = *why;
    row->damage = copy;
    headers->damaged = true;
    return STATUS_OK;
}

static enum status read_one(struct headers *headers, const struct shards_kind *kind, const struct file *file, const char *name,
                            struct err *err)
{
    struct model found = {0};
    struct err why = {0};
    uint32_t own, index;
    TRY(mem_grow((void **)&headers->file, &headers->file_capacity, headers->model.file_count + 1, sizeof *headers->file, err));
    TRY(model_add_file(&headers->model, name, file->bytes, &index, err));
    struct header_file *row = &headers->file[index];
    row->name = name;
    enum status status = model_add_file(&found, name, file->bytes, &own, err);
    if (status == STATUS_OK) {
        const bool scanned = kind == &shards_safetensors;
        status = kind->read(file, own, &found, &why);
        struct err broken = {0};
        row->format = scanned ? NULL : "pt";
        const enum status scan = !scanned ? status
                                 : status == STATUS_OK || status == STATUS_CORRUPT ? scan_header(file, &headers->arena, &row->format, &broken) : status;
        if (status == STATUS_CORRUPT && scan == STATUS_OK)
            status = note_damage(headers, row, &why, err);
        else if (status != STATUS_OK || scan != STATUS_OK) {
            const bool first = status != STATUS_OK && (scan == STATUS_CORRUPT || scan == status); /* its message is the better one */
            if (err != NULL)
                *err = first ? why : broken;
            status = first ? status : scan;
        }
    }
    if (status == STATUS_OK)
        status = take_tensors(headers, &found, index, err);
    model_free(&found);
    return status;
}

enum status headers_read(struct headers *headers, struct source *source, struct err *err)
{
    for (size_t i = 0; i < source->list.count; i++) {
        const char *name = source->list.entry[i].name;
        const bool wanted = source->only != NULL ? strcmp(name, source->only) == 0 : shards_is_weight_file(source->kind, name);
        if (!wanted)
            continue;
        struct file file;
        const char *path = source_path(source, name, err);
        if (path == NULL)
            return STATUS_LIMIT;
        TRY(file_open_read(&file, source->ops, path, err));
        const enum status status = read_one(headers, source->kind, &file, name, err);
        file_drop(&file);
        TRY(status);
    }
    return STATUS_OK;
}

void headers_free(struct headers *headers)
{
    free(headers->file);
    model_free(&headers->model);
    arena_free(&headers->arena);
    *headers = (struct headers){0};
}
