/* The GGUF container.
 *
 *   0       4         8             16        24
 *   | GGUF  | u32 3   | u64 tensors | u64 KVs | pairs ... | table of tensors ... | 0 .. | tensor | 0 .. | tensor | 0 .. |
 *                                                                                       ^ data_offset, a multiple of the alignment, as every tensor
 *   pair:    u64 n, n bytes of key | u32 type | value
 *   value:   number | u64 n, n bytes | u32 type of elements, u64 count, elements one after another
 *   tensor:  u64 n, n bytes of name | u32 rank | rank x u64, innermost first | u32 type | u64 offset from data_offset
 *
 * Version 1 has u32 for every u64 but the offset. Big-endian files turn the bytes of every number, and are known by a version whose low half is 0. Grammar and
 * checks are those of ggml-org/ggml:src/gguf.cpp (versions 2 and 3) and ggml-org/ggml:docs/gguf.md. */
#include "container/ggufile.h"

#include "base/checked.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/mem.h"
#include "container/ggufile_place.h"
#include "container/ggufile_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char MAGIC[4] = {'G', 'G', 'U', 'F'};
enum { VERSION_LAST = 3, PIECE_BYTES = 1 << 16 };

/* --- bytes of the header ----------------------------------------------------------------------------------------------- */

/* The header is read in pieces that double, so that a small header of a large file costs little. */
struct reader {
    const struct file *file;
    struct ggufile *gguf;
    void *data; /* the first `have` bytes of the file */
    size_t capacity, have;
    size_t at; /* bytes consumed; at <= have */
    struct ggufile_form form;
    struct err *fault; /* ggufile_examine's; NULL: whatever is wrong ends the reading */
    char where[600]; /* "FILE: header", "FILE: key KEY" or "FILE: tensor NAME" */
};

/* What is wrong and does not hinder reading on: the first is kept where the caller asks for it. */
static enum status amiss(const struct reader *reader, enum status status, const struct err *err)
{
    if (reader->fault == NULL || (status != STATUS_CORRUPT && status != STATUS_UNSUPPORTED))
        return status;
    if (reader->fault->status == STATUS_OK)
        *reader->fault = *err;
    return STATUS_OK;
}

static uint64_t bytes_left(const struct reader *reader)
{
    return reader->file->bytes - reader->at;
}

/* Has the next `size` bytes in memory. */
static enum status need(struct reader *reader, uint64_t size, struct err *err)
{
    if (size <= reader->have - reader->at)
        return STATUS_OK;
    if (size > bytes_left(reader)) {
        (void)err_set(err, STATUS_CORRUPT, reader->where, "truncated: found %llu bytes from byte %zu on, expected at least %llu",
                      (unsigned long long)bytes_left(reader), reader->at, (unsigned long long)size);
        return err_try(err, "download or copy the file again");
    }
    const uint64_t end = reader->at + size;
    if (end > LIMIT_GGUF_HEADER_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, reader->where, "found a header of more than %llu bytes, the most that is read",
                       (unsigned long long)LIMIT_GGUF_HEADER_BYTES_MAX);
    uint64_t want = reader->have < PIECE_BYTES / 2 ? PIECE_BYTES : (uint64_t)reader->have * 2;
    want = want < end ? end : want;
    want = want > reader->file->bytes ? reader->file->bytes : want;
    TRY(mem_grow(&reader->data, &reader->capacity, (size_t)want, 1, err));
    TRY(file_read(reader->file, (uint8_t *)reader->data + reader->have, (size_t)want - reader->have, reader->have, err));
    reader->have = (size_t)want;
    return STATUS_OK;
}

static const uint8_t *here(const struct reader *reader)
{
    return (const uint8_t *)reader->data + reader->at;
}

static enum status take_u32(struct reader *reader, uint32_t *word, struct err *err)
{
    TRY(need(reader, 4, err));
    *word = le_load32(here(reader));
    if (reader->form.big_endian)
        *word = __builtin_bswap32(*word);
    reader->at += 4;
    return STATUS_OK;
}

static enum status take_u64(struct reader *reader, uint64_t *word, struct err *err)
{
    TRY(need(reader, 8, err));
    *word = le_load64(here(reader));
    if (reader->form.big_endian)
        *word = __builtin_bswap64(*word);
    reader->at += 8;
    return STATUS_OK;
}

/* A count, a length or a dimension. */
static enum status take_count(struct reader *reader, uint64_t *count, struct err *err)
{
    uint32_t word;
    if (!reader->form.narrow)
        return take_u64(reader, count, err);
    TRY(take_u32(reader, &word, err));
    *count = word;
    return STATUS_OK;
}

static enum status skip(struct reader *reader, uint64_t size, struct err *err)
{
    TRY(need(reader, size, err));
    reader->at += (size_t)size;
    return STATUS_OK;
}

/* --- values ------------------------------------------------------------------------------------------------------------ */

static unsigned count_bytes(const struct reader *reader)
{
    return reader->form.narrow ? 4 : 8;
}

static enum status take_kind(struct reader *reader, enum ggufile_kind *kind, struct err *err)
{
    uint32_t word;
    TRY(take_u32(reader, &word, err));
    if (word >= GGUFILE_KIND_COUNT)
        return err_set(err, STATUS_CORRUPT, reader->where, "found a value of type %u, expected 0 to %d", word, GGUFILE_KIND_COUNT - 1);
    *kind = (enum ggufile_kind)word;
    return STATUS_OK;
}

/* Type and count of an array. A count is held against the bytes that its elements need at least. */
static enum status take_head(struct reader *reader, enum ggufile_kind *element, uint64_t *count, struct err *err)
{
    TRY(take_kind(reader, element, err));
    TRY(take_count(reader, count, err));
    uint64_t least = ggufile_kind_bytes(*element), bytes;
    if (least == 0)
        least = count_bytes(reader) + (*element == GGUFILE_ARRAY ? 4 : 0);
    if (!checked_mul(*count, least, &bytes) || bytes > bytes_left(reader))
        return err_set(err, STATUS_CORRUPT, reader->where, "found an array of %llu elements of type %s, expected no more than the %llu bytes left can hold",
                       (unsigned long long)*count, ggufile_kind_name(*element), (unsigned long long)bytes_left(reader));
    return STATUS_OK;
}

static enum status skip_numbers(struct reader *reader, enum ggufile_kind kind, uint64_t count, struct err *err)
{
    const uint64_t bytes = count * ggufile_kind_bytes(kind); /* checked in take_head */
    TRY(need(reader, bytes, err));
    for (uint64_t i = 0; kind == GGUFILE_BOOL && i < count; i++)
        if (here(reader)[i] > 1)
            return err_set(err, STATUS_CORRUPT, reader->where, "found a bool of %u, expected 0 or 1", here(reader)[i]);
    reader->at += (size_t)bytes;
    return STATUS_OK;
}

static enum status skip_string(struct reader *reader, struct err *err)
{
    uint64_t size;
    TRY(take_count(reader, &size, err));
    return skip(reader, size, err);
}

static enum status skip_elements(struct reader *reader, enum ggufile_kind element, uint64_t count, struct err *err)
{
    if (element != GGUFILE_STRING)
        return skip_numbers(reader, element, count, err);
    for (uint64_t i = 0; i < count; i++)
        TRY(skip_string(reader, err));
    return STATUS_OK;
}

static enum status scan_array(struct reader *reader, struct ggufile_value *value, struct err *err)
{
    uint64_t left[LIMIT_GGUF_ARRAY_DEPTH_MAX]; /* arrays that are still to come at each depth */
    unsigned depth = 0;
    TRY(take_head(reader, &value->element, &value->count, err));
    value->offset = reader->at;
    enum ggufile_kind element = value->element;
    uint64_t count = value->count;
    for (;;) {
        if (element != GGUFILE_ARRAY) {
            TRY(skip_elements(reader, element, count, err));
        } else if (depth < LIMIT_GGUF_ARRAY_DEPTH_MAX) {
            reader->gguf->nested = true;
            left[depth++] = count;
        } else {
            return err_set(err, STATUS_LIMIT, reader->where, "found arrays nested more than %d deep, the most that is read", LIMIT_GGUF_ARRAY_DEPTH_MAX);
        }
        while (depth > 0 && left[depth - 1] == 0)
            depth--;
        if (depth == 0)
            return STATUS_OK;
        left[depth - 1]--;
        TRY(take_head(reader, &element, &count, err));
    }
}

static enum status scan_value(struct reader *reader, struct ggufile_value *value, struct err *err)
{
    uint64_t size;
    TRY(take_kind(reader, &value->kind, err));
    value->element = value->kind;
    value->count = 1;
    value->offset = reader->at;
    if (value->kind == GGUFILE_ARRAY) {
        TRY(scan_array(reader, value, err));
    } else if (value->kind == GGUFILE_STRING) {
        TRY(take_count(reader, &size, err));
        value->offset = reader->at;
        TRY(skip(reader, size, err));
    } else {
        TRY(skip_numbers(reader, value->kind, 1, err));
    }
    value->bytes = reader->at - value->offset;
    return STATUS_OK;
}

static enum status scan_pair(struct reader *reader, struct ggufile_value *value, struct err *err)
{
    uint64_t size;
    (void)snprintf(reader->where, sizeof reader->where, "%s: header", reader->file->path);
    TRY(take_count(reader, &size, err));
    if (size == 0)
        return err_set(err, STATUS_CORRUPT, reader->where, "found an empty key before byte %zu", reader->at);
    value->key_offset = reader->at;
    value->key.size = (size_t)size;
    TRY(need(reader, size < LIMIT_GGUF_KEY_BYTES_MAX + 1 ? size : LIMIT_GGUF_KEY_BYTES_MAX + 1, err));
    if (size > LIMIT_GGUF_KEY_BYTES_MAX && size <= bytes_left(reader))
        return err_set(err, STATUS_LIMIT, reader->where, "found a key of %llu bytes, the most is %d", (unsigned long long)size, LIMIT_GGUF_KEY_BYTES_MAX);
    TRY(skip(reader, size, err));
    (void)snprintf(reader->where, sizeof reader->where, "%s: key %.*s", reader->file->path, size < 200 ? (int)size : 200,
                   (const char *)reader->data + value->key_offset);
    return scan_value(reader, value, err);
}

/* --- the table of tensors ---------------------------------------------------------------------------------------------- */

static enum status take_name(struct reader *reader, struct ggufile_tensor *tensor, struct err *err)
{
    uint64_t size;
    TRY(take_count(reader, &size, err));
    if (size == 0 || size > GGUFILE_NAME_BYTES_MAX)
        TRY(amiss(reader, err_set(err, STATUS_CORRUPT, reader->where, "found a tensor name of %llu bytes before byte %zu, expected 1 to %d",
                                  (unsigned long long)size, reader->at, GGUFILE_NAME_BYTES_MAX), err));
    TRY(need(reader, size, err));
    if (memchr(here(reader), '\0', (size_t)size) != NULL)
        return err_set(err, STATUS_CORRUPT, reader->where, "found a tensor name with a NUL byte at byte %zu", reader->at);
    memcpy(tensor->name, here(reader), size < GGUFILE_NAME_BYTES_MAX ? (size_t)size : GGUFILE_NAME_BYTES_MAX);
    reader->at += (size_t)size;
    return STATUS_OK;
}

static enum status scan_tensor(struct reader *reader, struct ggufile_tensor *tensor, struct err *err)
{
    uint32_t rank, type;
    uint64_t beyond;
    (void)snprintf(reader->where, sizeof reader->where, "%s: header", reader->file->path);
    TRY(take_name(reader, tensor, err));
    (void)snprintf(reader->where, sizeof reader->where, "%s: tensor %s", reader->file->path, tensor->name);
    TRY(take_u32(reader, &rank, err));
    if (rank > GGUFILE_DIMS_MAX)
        TRY(amiss(reader, err_set(err, STATUS_CORRUPT, reader->where, "found %u dimensions, expected at most %d", rank, GGUFILE_DIMS_MAX), err));
    tensor->rank = rank > GGUFILE_DIMS_MAX ? GGUFILE_DIMS_MAX : (uint8_t)rank;
    for (unsigned d = 0; d < GGUFILE_DIMS_MAX; d++) {
        tensor->dims[d] = 1;
        if (d < rank)
            TRY(take_count(reader, &tensor->dims[d], err));
    }
    for (uint32_t d = GGUFILE_DIMS_MAX; d < rank; d++)
        TRY(take_count(reader, &beyond, err));
    TRY(take_u32(reader, &type, err));
    TRY(take_u64(reader, &tensor->offset, err));
    return amiss(reader, ggufile_place_measure(tensor, type, reader->where, err), err);
}

/* --- the header -------------------------------------------------------------------------------------------------------- */

static enum status scan_version(struct reader *reader, struct err *err)
{
    struct ggufile *gguf = reader->gguf;
    TRY(need(reader, sizeof MAGIC, err));
    if (memcmp(here(reader), MAGIC, sizeof MAGIC) != 0)
        return err_set(err, STATUS_CORRUPT, reader->where, "found other bytes than \"GGUF\" at the start: no GGUF file");
    reader->at += sizeof MAGIC;
    TRY(take_u32(reader, &gguf->version, err));
    if (gguf->version != 0 && (gguf->version & 0xFFFF) == 0) {
        gguf->version = __builtin_bswap32(gguf->version);
        reader->form.big_endian = gguf->big_endian = true;
    }
    reader->form.narrow = gguf->version == 1;
    if (gguf->version == 0 || gguf->version > UINT16_MAX)
        return err_set(err, STATUS_CORRUPT, reader->where, "found version %u, expected 1 to %d", gguf->version, VERSION_LAST);
    if (gguf->version > VERSION_LAST)
        return amiss(reader, err_set(err, STATUS_UNSUPPORTED, reader->where, "found version %u of GGUF, expected 1 to %d", gguf->version, VERSION_LAST),
                     err);
    return STATUS_OK;
}

/* A number of things, of which each takes `least` bytes of the header at least. */
static enum status take_number(struct reader *reader, const char *what, uint64_t most, unsigned least, uint64_t *number, struct err *err)
{
    TRY(take_count(reader, number, err));
    if (*number > bytes_left(reader) / least) {
        (void)err_set(err, STATUS_CORRUPT, reader->where, "found %llu %s, expected no more than the %llu bytes left can hold", (unsigned long long)*number,
                      what, (unsigned long long)bytes_left(reader));
        return err_try(err, "download or copy the file again");
    }
    if (*number > most)
        return err_set(err, STATUS_LIMIT, reader->where, "found %llu %s, the most is %llu", (unsigned long long)*number, what, (unsigned long long)most);
    return STATUS_OK;
}

static enum status scan_header(struct reader *reader, struct err *err)
{
    struct ggufile *gguf = reader->gguf;
    uint64_t tensors, pairs;
    const unsigned wide = count_bytes(reader);
    TRY(take_number(reader, "tensors", LIMIT_TENSORS_MAX, wide + 1 + 4 + 4 + 8, &tensors, err));      /* name, rank, type, offset */
    TRY(take_number(reader, "key-value pairs", LIMIT_GGUF_PAIRS_MAX, wide + 1 + 4 + 1, &pairs, err)); /* key, type, value */
    gguf->value = mem_alloc(pairs, sizeof *gguf->value, err);
    gguf->tensor = gguf->value == NULL ? NULL : mem_alloc(tensors, sizeof *gguf->tensor, err);
    if (gguf->tensor == NULL)
        return STATUS_LIMIT;
    for (; gguf->value_count < pairs; gguf->value_count++)
        TRY(scan_pair(reader, &gguf->value[gguf->value_count], err));
    for (; gguf->tensor_count < tensors; gguf->tensor_count++)
        TRY(scan_tensor(reader, &gguf->tensor[gguf->tensor_count], err));
    gguf->header_bytes = reader->at;
    return STATUS_OK;
}

/* --- what the header means --------------------------------------------------------------------------------------------- */

/* Pointers, once the header no longer moves in memory; values of other forms are written anew. */
static enum status settle_values(struct reader *reader, struct err *err)
{
    struct ggufile *gguf = reader->gguf;
    const bool foreign = reader->form.big_endian || reader->form.narrow;
    const uint8_t *head = reader->data;
    struct text text = {0};
    for (size_t i = 0; i < gguf->value_count; i++) {
        struct ggufile_value *value = &gguf->value[i];
        const size_t start = text.size;
        value->key.data = (const char *)head + value->key_offset;
        value->data = head + value->offset;
        if (!foreign)
            continue;
        ggufile_value_recode(value, reader->form, false, &text);
        value->bytes = text.size - start;
    }
    gguf->head = reader->data; /* from here on ggufile_free frees both */
    reader->data = NULL;
    gguf->recoded = text.data;
    TRY(text_check(&text, err));
    size_t at = 0;
    for (size_t i = 0; foreign && i < gguf->value_count; i++) {
        gguf->value[i].data = text.data == NULL ? (const uint8_t *)"" : (const uint8_t *)text.data + at;
        at += gguf->value[i].bytes;
    }
    return STATUS_OK;
}

static enum status name_everything(struct reader *reader, struct err *err)
{
    struct ggufile *gguf = reader->gguf;
    uint32_t existing;
    for (size_t i = 0; i < gguf->value_count; i++) {
        const struct slice key = gguf->value[i].key;
        TRY(map_add(&gguf->key, key, (uint32_t)i, &existing, err));
        if (existing != MAP_NONE)
            TRY(amiss(reader, err_set(err, STATUS_CORRUPT, reader->file->path, "found key %.*s twice", key.size < 200 ? (int)key.size : 200, key.data), err));
    }
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        const char *name = gguf->tensor[i].name;
        TRY(map_add(&gguf->name, slice_of(name), (uint32_t)i, &existing, err));
        if (existing != MAP_NONE)
            TRY(amiss(reader, err_set(err, STATUS_CORRUPT, reader->file->path, "found tensor %s twice", name), err));
    }
    return STATUS_OK;
}

static enum status find_alignment(const struct reader *reader, struct err *err)
{
    struct ggufile *gguf = reader->gguf;
    const struct ggufile_value *value = ggufile_find(gguf, "general.alignment");
    gguf->alignment = GGUFILE_ALIGNMENT_DEFAULT;
    if (value == NULL)
        return STATUS_OK;
    if (value->kind != GGUFILE_U32)
        return err_set(err, STATUS_CORRUPT, reader->file->path, "found general.alignment of type %s, expected u32", ggufile_kind_name(value->kind));
    const uint32_t alignment = le_load32(value->data);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
        return err_set(err, STATUS_CORRUPT, reader->file->path, "found general.alignment %u, expected a power of two", alignment);
    if (alignment > LIMIT_GGUF_ALIGNMENT_MAX)
        return err_set(err, STATUS_LIMIT, reader->file->path, "found general.alignment %u, the most that is read is %u", alignment,
                       LIMIT_GGUF_ALIGNMENT_MAX);
    gguf->alignment = alignment;
    return STATUS_OK;
}

/* --- the file ---------------------------------------------------------------------------------------------------------- */

static enum status read_all(struct reader *reader, bool lenient, struct err *err)
{
    TRY(scan_version(reader, err));
    if (reader->gguf->version > VERSION_LAST)
        return STATUS_OK;
    TRY(scan_header(reader, err));
    TRY(settle_values(reader, err));
    TRY(name_everything(reader, err));
    TRY(amiss(reader, find_alignment(reader, err), err));
    return amiss(reader, ggufile_place(reader->gguf, reader->file->bytes, lenient, err), err);
}

static enum status read_header(const struct file *file, bool lenient, struct err *fault, struct ggufile *gguf, struct err *err)
{
    struct reader reader = {.file = file, .gguf = gguf, .fault = fault};
    *gguf = (struct ggufile){.path = file->path, .file_bytes = file->bytes};
    (void)snprintf(reader.where, sizeof reader.where, "%s: header", file->path);
    const enum status status = read_all(&reader, lenient, err);
    free(reader.data);
    if (status != STATUS_OK)
        ggufile_free(gguf);
    return status;
}

enum status ggufile_read(const struct file *file, bool lenient, struct ggufile *gguf, struct err *err)
{
    return read_header(file, lenient, NULL, gguf, err);
}

enum status ggufile_examine(const struct file *file, struct ggufile *gguf, struct err *fault, struct err *err)
{
    *fault = (struct err){0};
    return read_header(file, true, fault, gguf, err);
}

void ggufile_free(struct ggufile *gguf)
{
    map_free(&gguf->key);
    map_free(&gguf->name);
    free(gguf->value);
    free(gguf->tensor);
    free(gguf->head);
    free(gguf->recoded);
    *gguf = (struct ggufile){0};
}

bool ggufile_probe(const void *head, size_t head_bytes)
{
    return head_bytes >= 8 && memcmp(head, MAGIC, sizeof MAGIC) == 0;
}

const struct ggufile_value *ggufile_find(const struct ggufile *gguf, const char *key)
{
    const uint32_t at = map_find(&gguf->key, slice_of(key));
    return at == MAP_NONE ? NULL : &gguf->value[at];
}

const struct ggufile_tensor *ggufile_find_tensor(const struct ggufile *gguf, struct slice name)
{
    const uint32_t at = map_find(&gguf->name, name);
    return at == MAP_NONE ? NULL : &gguf->tensor[at];
}
