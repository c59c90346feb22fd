/* The safetensors container.
 *
 *   0        8                 8 + n                                    end of file
 *   | u64 n  | JSON, n bytes   | tensor | tensor | ...                  |
 *
 *   {"__metadata__": {str: str}, "NAME": {"dtype": "F16", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *
 * Offsets count from byte 8 + n; the tensors tile the rest without hole, overlap or trailing bytes. Grammar and checks are those of the
 * reference, huggingface/safetensors:safetensors/src/tensor.rs, except that duplicate tensor names, which it accepts, are refused. */
#include "container/safetensors.h"

#include "base/checked.h"
#include "base/cursor.h"
#include "base/limits.h"
#include "base/mem.h"
#include "container/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char METADATA[] = "__metadata__";
enum { SCRATCH_BYTES_MAX = 1 << 20 };

/* --- reading ----------------------------------------------------------------------------------------------------------- */

struct reader {
    const struct file *file;
    struct model *model;
    struct json json;
    struct arena scratch; /* names, until the model has its copies */
    uint32_t file_index;
    uint64_t data; /* where tensor data begins in the file */
    char where[600]; /* "FILE: header" or "FILE: TENSOR"; json.where */
};

enum field { FIELD_DTYPE, FIELD_SHAPE, FIELD_OFFSETS, FIELD_COUNT };
static const char *const field_name[FIELD_COUNT] = {"dtype", "shape", "data_offsets"};

/* A tensor's header entry. */
struct entry {
    struct tensor tensor;
    uint64_t shape[LIMIT_RANK_MAX];
    uint64_t begin, end;
    bool seen[FIELD_COUNT];
};

static enum status read_dtype(struct reader *reader, struct entry *entry, struct err *err)
{
    struct json_token token;
    TRY(json_expect(&reader->json, JSON_STRING, &token, err));
    for (unsigned d = 0; d < DTYPE_COUNT; d++) {
        if (json_token_is(&token, dtype_name((enum dtype)d))) {
            entry->tensor.dtype = (enum dtype)d;
            return STATUS_OK;
        }
    }
    return err_set(err, STATUS_CORRUPT, reader->where, "found dtype %.*s, expected one that safetensors knows, as \"F16\"",
                   token.text.size < 40 ? (int)token.text.size : 40, token.text.data);
}

/* Numbers of an array up to its end; more than `most` is an error. */
static enum status read_numbers(struct reader *reader, uint64_t *number, unsigned most, unsigned *count, struct err *err)
{
    struct json_token token;
    TRY(json_expect(&reader->json, JSON_ARRAY, &token, err));
    for (*count = 0;; (*count)++) {
        TRY(json_next(&reader->json, &token, err));
        if (token.kind == JSON_ARRAY_END)
            return STATUS_OK;
        if (*count == most)
            break;
        TRY(json_u64(&reader->json, &token, &number[*count], err));
    }
    (*count)++;
    return STATUS_OK; /* the caller sees count > most, and its message */
}

static enum status read_shape(struct reader *reader, struct entry *entry, struct err *err)
{
    unsigned rank;
    TRY(read_numbers(reader, entry->shape, LIMIT_RANK_MAX, &rank, err));
    if (rank > LIMIT_RANK_MAX)
        return err_set(err, STATUS_LIMIT, reader->where, "found a shape of more than %d dimensions, the most that is read", LIMIT_RANK_MAX);
    entry->tensor.rank = (uint8_t)rank;
    return STATUS_OK;
}

static enum status read_offsets(struct reader *reader, struct entry *entry, struct err *err)
{
    uint64_t number[2] = {0, 0};
    unsigned count;
    TRY(read_numbers(reader, number, 2, &count, err));
    if (count != 2)
        return err_set(err, STATUS_CORRUPT, reader->where, "found data_offsets with %s than 2 numbers, expected [begin, end]",
                       count < 2 ? "less" : "more");
    entry->begin = number[0];
    entry->end = number[1];
    return STATUS_OK;
}

static enum status read_field(struct reader *reader, enum field field, struct entry *entry, struct err *err)
{
    if (entry->seen[field])
        return err_set(err, STATUS_CORRUPT, reader->where, "found \"%s\" twice", field_name[field]);
    entry->seen[field] = true;
    return field == FIELD_DTYPE   ? read_dtype(reader, entry, err)
           : field == FIELD_SHAPE ? read_shape(reader, entry, err)
                                  : read_offsets(reader, entry, err);
}

static enum status read_named_fields(struct reader *reader, struct entry *entry, struct err *err)
{
    for (;;) {
        struct json_token key, value;
        TRY(json_next(&reader->json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            break;
        unsigned field = 0;
        while (field < FIELD_COUNT && !json_token_is(&key, field_name[field]))
            field++;
        if (field < FIELD_COUNT) {
            TRY(read_field(reader, (enum field)field, entry, err));
        } else {
            TRY(json_next(&reader->json, &value, err));
            TRY(json_skip(&reader->json, &value, err));
        }
    }
    for (unsigned field = 0; field < FIELD_COUNT; field++)
        if (!entry->seen[field])
            return err_set(err, STATUS_CORRUPT, reader->where, "found no \"%s\", expected dtype, shape and data_offsets",
                           field_name[field]);
    return STATUS_OK;
}

/* Bytes of the shape, multiplied from the left as the reference does: [huge, 2, 0] overflows, [0, huge, 2] does not. */
static enum status check_size(const struct reader *reader, const struct entry *entry, struct err *err)
{
    const struct tensor *tensor = &entry->tensor;
    uint64_t product = 1, bits;
    bool fits = true;
    for (unsigned d = 0; d < tensor->rank; d++)
        fits = fits && checked_mul(product, entry->shape[d], &product);
    if (!fits || !checked_mul(product, dtype_bits(tensor->dtype), &bits))
        return err_set(err, STATUS_CORRUPT, reader->where, "found a shape whose size overflows 64 bits");
    if (bits % 8 != 0)
        return err_set(err, STATUS_CORRUPT, reader->where, "found %llu elements of %s, expected a number that fills whole bytes",
                       (unsigned long long)product, dtype_name(tensor->dtype));
    if (entry->end < entry->begin)
        return err_set(err, STATUS_CORRUPT, reader->where, "found data_offsets that end at %llu, before they begin at %llu",
                       (unsigned long long)entry->end, (unsigned long long)entry->begin);
    if (entry->end - entry->begin != bits / 8)
        return err_set(err, STATUS_CORRUPT, reader->where, "found data_offsets of %llu bytes, expected %llu for the shape in %s",
                       (unsigned long long)(entry->end - entry->begin), (unsigned long long)(bits / 8), dtype_name(tensor->dtype));
    return STATUS_OK;
}

static enum status read_tensor(struct reader *reader, const struct json_token *key, struct err *err)
{
    struct entry entry = {0};
    struct json_token token;
    if (key->text.size - 2 > LIMIT_NAME_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, reader->where, "found a tensor name of %zu bytes, the most is %d", key->text.size - 2,
                       LIMIT_NAME_BYTES_MAX);
    if (reader->scratch.bytes > SCRATCH_BYTES_MAX)
        arena_free(&reader->scratch);
    TRY(json_string(&reader->json, key, &reader->scratch, &entry.tensor.name, NULL, err));
    (void)snprintf(reader->where, sizeof reader->where, "%s: %s", reader->file->path, entry.tensor.name);
    TRY(json_next(&reader->json, &token, err));
    if (token.kind == JSON_OBJECT) {
        TRY(read_named_fields(reader, &entry, err));
    } else if (token.kind == JSON_ARRAY) {
        for (unsigned field = 0; field < FIELD_COUNT; field++)
            TRY(read_field(reader, (enum field)field, &entry, err));
        TRY(json_expect(&reader->json, JSON_ARRAY_END, &token, err));
    } else {
        return err_set(err, STATUS_CORRUPT, reader->where, "found a tensor that is no object, expected dtype, shape and data_offsets");
    }
    TRY(check_size(reader, &entry, err));
    if (!checked_add(reader->data, entry.end, &entry.end) || entry.end > reader->file->bytes)
        return err_set(err, STATUS_CORRUPT, reader->where, "truncated: found %llu bytes in the file, the tensor needs %llu",
                       (unsigned long long)reader->file->bytes, (unsigned long long)entry.end);
    entry.tensor.shape = entry.shape;
    entry.tensor.offset = reader->data + entry.begin;
    entry.tensor.bytes = entry.end - entry.tensor.offset;
    entry.tensor.file = reader->file_index;
    return model_add_tensor(reader->model, &entry.tensor, NULL, err);
}

/* null, or an object of strings; nothing of it is kept. */
static enum status read_metadata(struct reader *reader, struct err *err)
{
    struct json_token token;
    TRY(json_next(&reader->json, &token, err));
    if (token.kind == JSON_NULL)
        return STATUS_OK;
    if (token.kind != JSON_OBJECT)
        return err_set(err, STATUS_CORRUPT, reader->where, "found a __metadata__ that is no object");
    for (;;) {
        TRY(json_next(&reader->json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        TRY(json_next(&reader->json, &token, err));
        if (token.kind != JSON_STRING)
            return err_set(err, STATUS_CORRUPT, reader->where, "JSON byte %zu: found a value in __metadata__ that is no string", token.at);
    }
}

static enum status read_header(struct reader *reader, struct err *err)
{
    bool metadata = false;
    struct json_token key;
    TRY(json_expect(&reader->json, JSON_OBJECT, &key, err));
    for (;;) {
        (void)snprintf(reader->where, sizeof reader->where, "%s: header", reader->file->path);
        TRY(json_next(&reader->json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            return json_expect(&reader->json, JSON_END, &key, err);
        if (!json_token_is(&key, METADATA)) {
            TRY(read_tensor(reader, &key, err));
            continue;
        }
        if (metadata)
            return err_set(err, STATUS_CORRUPT, reader->where, "JSON byte %zu: found __metadata__ twice", key.at);
        metadata = true;
        TRY(read_metadata(reader, err));
    }
}

/* --- tiling ------------------------------------------------------------------------------------------------------------ */

struct extent {
    uint64_t begin, end; /* in the file */
    uint32_t tensor;
};

static int by_place(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1;
    return x->tensor < y->tensor ? -1 : 1;
}

static enum status check_extents(const struct reader *reader, const struct extent *extent, size_t count, struct err *err)
{
    uint64_t end = reader->data;
    for (size_t i = 0; i < count; i++) {
        if (extent[i].begin != end) {
            char where[600];
            (void)snprintf(where, sizeof where, "%s: %s", reader->file->path, reader->model->tensor[extent[i].tensor].name);
            return err_set(err, STATUS_CORRUPT, where, "found the tensor at byte %llu, expected byte %llu: tensors %s",
                           (unsigned long long)extent[i].begin, (unsigned long long)end,
                           extent[i].begin < end ? "overlap" : "leave a hole");
        }
        end = extent[i].end;
    }
    if (end != reader->file->bytes)
        return err_set(err, STATUS_CORRUPT, reader->file->path, "found %llu bytes after the last tensor ends at byte %llu, expected none",
                       (unsigned long long)(reader->file->bytes - end), (unsigned long long)end);
    return STATUS_OK;
}

static enum status check_tiling(const struct reader *reader, size_t first, struct err *err)
{
    const size_t count = reader->model->tensor_count - first;
    struct extent *extent = mem_alloc(count, sizeof *extent, err);
    if (extent == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < count; i++) {
        const struct tensor *tensor = &reader->model->tensor[first + i];
        extent[i] = (struct extent){tensor->offset, tensor->offset + tensor->bytes, (uint32_t)(first + i)};
    }
    qsort(extent, count, sizeof *extent, by_place);
    const enum status status = check_extents(reader, extent, count, err);
    free(extent);
    return status;
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static enum status check_length(const struct file *file, uint64_t length, struct err *err)
{
    const uint64_t left = file->bytes - 8;
    if (length > UINT32_MAX && length > left) /* the first bytes of some text, archive or GGUF */
        return err_set(err, STATUS_CORRUPT, file->path, "found a header length of %llu bytes in a file of %llu: no safetensors file",
                       (unsigned long long)length, (unsigned long long)file->bytes);
    if (length > LIMIT_SAFETENSORS_HEADER_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, file->path, "found a header of %llu bytes, the most is %llu", (unsigned long long)length,
                       (unsigned long long)LIMIT_SAFETENSORS_HEADER_BYTES_MAX);
    if (length > left) {
        (void)err_set(err, STATUS_CORRUPT, file->path, "truncated: found %llu bytes, the header needs %llu",
                      (unsigned long long)file->bytes, (unsigned long long)length + 8);
        return err_try(err, "download or copy the file again");
    }
    if (length < 2)
        return err_set(err, STATUS_CORRUPT, file->path, "found a header of %llu bytes, expected at least 2", (unsigned long long)length);
    return STATUS_OK;
}

enum status safetensors_read(const struct file *file, uint32_t file_index, struct model *model, struct err *err)
{
    uint8_t word[8];
    if (file->bytes < sizeof word) {
        (void)err_set(err, STATUS_CORRUPT, file->path, "truncated: found %llu bytes, the header needs at least 8",
                      (unsigned long long)file->bytes);
        return err_try(err, "download or copy the file again");
    }
    TRY(file_read(file, word, sizeof word, 0, err));
    struct cursor cursor = cursor_over(word, sizeof word);
    const uint64_t length = cursor_u64(&cursor);
    TRY(check_length(file, length, err));
    char *header = mem_alloc(length, 1, err);
    if (header == NULL)
        return STATUS_LIMIT;
    struct reader reader = {.file = file, .model = model, .file_index = file_index, .data = 8 + length};
    reader.json = json_over(reader.where, (struct slice){header, (size_t)length});
    (void)snprintf(reader.where, sizeof reader.where, "%s: header", file->path);
    const size_t first = model->tensor_count;
    enum status status = file_read(file, header, (size_t)length, 8, err);
    if (status == STATUS_OK)
        status = read_header(&reader, err);
    free(header);
    arena_free(&reader.scratch);
    return status == STATUS_OK ? check_tiling(&reader, first, err) : status;
}

bool safetensors_probe(const void *head, size_t head_bytes, uint64_t file_bytes)
{
    const char *byte = head;
    struct cursor cursor = cursor_over(head, head_bytes);
    const uint64_t length = cursor_u64(&cursor);
    if (cursor.failed || cursor_left(&cursor) == 0 || file_bytes < 10 || length < 2 || length > LIMIT_SAFETENSORS_HEADER_BYTES_MAX || length > file_bytes - 8)
        return false;
    size_t at = 8;
    while (at < head_bytes && at < 8 + length && (byte[at] == ' ' || byte[at] == '\t' || byte[at] == '\n' || byte[at] == '\r'))
        at++;
    return at < head_bytes && at < 8 + length && byte[at] == '{';
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

static int by_rank(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void add_entry(const struct safetensors_entry *entry, struct text *header)
{
    text_add(header, ",", 1);
    json_quote(header, slice_of(entry->name));
    text_format(header, ":{\"dtype\":\"%s\",\"shape\":[", dtype_name(entry->dtype));
    for (unsigned d = 0; d < entry->rank; d++)
        text_format(header, "%s%llu", d == 0 ? "" : ",", (unsigned long long)entry->shape[d]);
    text_format(header, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)entry->offset,
                (unsigned long long)(entry->offset + entry->bytes));
}

enum status safetensors_layout(struct safetensors_entry *entry, size_t count, const char *metadata, struct text *header, uint64_t *file_bytes, struct err *err)
{
    static const char blanks[] = "        ";
    qsort(entry, count, sizeof *entry, by_rank);
    text_free(header);
    text_add(header, blanks, 8);
    text_format(header, "{\"__metadata__\":{\"format\":\"%s\"}", metadata);
    uint64_t end = 0;
    for (size_t i = 0; i < count; i++) {
        entry[i].offset = end;
        if (strcmp(entry[i].name, METADATA) == 0) {
            (void)err_set(err, STATUS_UNSUPPORTED, METADATA, "found a tensor of this name, which is no tensor's in safetensors");
            return err_try(err, "--exclude %s leaves it out", METADATA);
        }
        if (!checked_add(end, entry[i].bytes, &end) || end > INT64_MAX)
            return err_set(err, STATUS_LIMIT, entry[i].name, "found tensors of more than 2^63 bytes for one file");
        add_entry(&entry[i], header);
        if (header->size > 8 + LIMIT_SAFETENSORS_HEADER_BYTES_MAX)
            break;
    }
    text_add(header, "}", 1);
    text_add(header, blanks, (8 - header->size % 8) % 8);
    TRY(text_check(header, err));
    const uint64_t length = header->size - 8;
    if (length > LIMIT_SAFETENSORS_HEADER_BYTES_MAX) {
        (void)err_set(err, STATUS_LIMIT, "safetensors header", "found %zu tensors whose header exceeds the limit of %llu bytes", count,
                      (unsigned long long)LIMIT_SAFETENSORS_HEADER_BYTES_MAX);
        return err_try(err, "write smaller shards (--max-shard-size)");
    }
    memcpy(header->data, &length, sizeof length);
    for (size_t i = 0; i < count; i++)
        entry[i].offset += header->size;
    *file_bytes = header->size + end;
    return STATUS_OK;
}
