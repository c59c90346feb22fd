#include "container/ggufile_write.h"

#include "base/checked.h"
#include "base/le.h"
#include "base/limits.h"
#include "container/ggufile_value.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum { VERSION = 3 };

/* --- words ------------------------------------------------------------------------------------------------------------- */

static void put_word(struct text *text, uint64_t word, unsigned size, bool big_endian)
{
    char bytes[8];
    le_store64(bytes, big_endian ? __builtin_bswap64(word) : word);
    text_add(text, bytes + (big_endian ? 8 - size : 0), size);
}

static void put_string(struct text *text, struct slice string, bool big_endian)
{
    put_word(text, string.size, 8, big_endian);
    text_add(text, string.data, string.size);
}

/* --- pairs ------------------------------------------------------------------------------------------------------------- */

static bool failed(const struct ggufile_writer *writer)
{
    return writer->err.status != STATUS_OK;
}

/* Key and type of a pair; false if the writer has failed. */
static bool begin(struct ggufile_writer *writer, struct slice key, enum ggufile_kind kind)
{
    struct err *err = &writer->err;
    uint32_t existing;
    assert(writer->items == 0 && "strings are missing");
    if (failed(writer))
        return false;
    const char *copy = arena_copy(&writer->arena, key.data, key.size, err);
    if (copy == NULL || map_add(&writer->key, (struct slice){copy, key.size}, 0, &existing, err) != STATUS_OK)
        return false;
    const int shown = key.size < 200 ? (int)key.size : 200;
    if (existing != MAP_NONE)
        (void)err_set(err, STATUS_UNREPRESENTABLE, "GGUF header", "found key %.*s twice, expected it once", shown, key.data);
    else if (key.size == 0 || key.size > LIMIT_GGUF_KEY_BYTES_MAX)
        (void)err_set(err, STATUS_UNREPRESENTABLE, "GGUF header", "found a key of %zu bytes, expected 1 to %d: %.*s", key.size, LIMIT_GGUF_KEY_BYTES_MAX,
                      shown, key.data);
    if (failed(writer))
        return false;
    writer->count++;
    put_string(&writer->text, key, writer->big_endian);
    put_word(&writer->text, (uint64_t)kind, 4, writer->big_endian);
    return true;
}

/* general.alignment says where tensors lie. */
static void note_alignment(struct ggufile_writer *writer, struct slice key, enum ggufile_kind kind, uint64_t bits)
{
    if (!slice_is(key, "general.alignment"))
        return;
    if (kind != GGUFILE_U32 || bits == 0 || bits > UINT32_MAX || (bits & (bits - 1)) != 0)
        (void)err_set(&writer->err, STATUS_UNREPRESENTABLE, "GGUF header", "found general.alignment %llu of type %s, expected a power of two of type u32",
                      (unsigned long long)bits, ggufile_kind_name(kind));
    else
        writer->alignment = (uint32_t)bits;
}

void ggufile_write_integer(struct ggufile_writer *writer, const char *key, enum ggufile_kind kind, uint64_t bits)
{
    assert(ggufile_kind_bytes(kind) != 0);
    if (!begin(writer, slice_of(key), kind))
        return;
    put_word(&writer->text, bits, ggufile_kind_bytes(kind), writer->big_endian);
    note_alignment(writer, slice_of(key), kind, bits);
}

void ggufile_write_u32(struct ggufile_writer *writer, const char *key, uint32_t number)
{
    ggufile_write_integer(writer, key, GGUFILE_U32, number);
}

void ggufile_write_f32(struct ggufile_writer *writer, const char *key, float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    ggufile_write_integer(writer, key, GGUFILE_F32, bits);
}

void ggufile_write_bool(struct ggufile_writer *writer, const char *key, bool truth)
{
    ggufile_write_integer(writer, key, GGUFILE_BOOL, truth ? 1 : 0);
}

void ggufile_write_string(struct ggufile_writer *writer, const char *key, struct slice string)
{
    if (begin(writer, slice_of(key), GGUFILE_STRING))
        put_string(&writer->text, string, writer->big_endian);
    note_alignment(writer, slice_of(key), GGUFILE_STRING, 0);
}

/* Values in the form that reading gives. */
static void add_value(struct ggufile_writer *writer, const struct ggufile_value *value)
{
    if (!begin(writer, value->key, value->kind))
        return;
    if (value->kind == GGUFILE_ARRAY)
        put_word(&writer->text, (uint64_t)value->element, 4, writer->big_endian);
    if (value->kind == GGUFILE_ARRAY || value->kind == GGUFILE_STRING)
        put_word(&writer->text, value->kind == GGUFILE_ARRAY ? value->count : value->bytes, 8, writer->big_endian);
    ggufile_value_recode(value, (struct ggufile_form){false, false}, writer->big_endian, &writer->text);
}

void ggufile_write_array(struct ggufile_writer *writer, const char *key, enum ggufile_kind element, uint64_t count, const void *data)
{
    const unsigned size = ggufile_kind_bytes(element);
    assert(size != 0);
    add_value(writer, &(struct ggufile_value){
                          .key = slice_of(key), .kind = GGUFILE_ARRAY, .element = element, .count = count, .data = data, .bytes = (size_t)(count * size)});
}

void ggufile_write_strings(struct ggufile_writer *writer, const char *key, uint64_t count)
{
    if (!begin(writer, slice_of(key), GGUFILE_ARRAY))
        return;
    put_word(&writer->text, GGUFILE_STRING, 4, writer->big_endian);
    put_word(&writer->text, count, 8, writer->big_endian);
    writer->items = count;
}

void ggufile_write_item(struct ggufile_writer *writer, struct slice string)
{
    if (failed(writer))
        return;
    assert(writer->items > 0 && "more strings than were said");
    writer->items--;
    put_string(&writer->text, string, writer->big_endian);
}

void ggufile_write_value(struct ggufile_writer *writer, const struct ggufile_value *value)
{
    add_value(writer, value);
    note_alignment(writer, value->key, value->kind, value->bytes == 4 ? le_load32(value->data) : 0);
}

/* --- tensors ----------------------------------------------------------------------------------------------------------- */

static bool padded(uint64_t *place, uint32_t alignment)
{
    const uint64_t mask = (uint64_t)alignment - 1;
    if (!checked_add(*place, mask, place))
        return false;
    *place &= ~mask;
    return *place <= INT64_MAX;
}

static enum status measure(struct ggufile_entry *entry, struct map *names, struct err *err)
{
    const size_t size = strlen(entry->name);
    uint32_t existing;
    bool fits = true;
    assert(entry->rank <= GGUFILE_DIMS_MAX);
    if (size == 0 || size > GGUFILE_NAME_BYTES_MAX)
        return err_set(err, STATUS_UNREPRESENTABLE, entry->name, "found a tensor name of %zu bytes, expected 1 to %d in GGUF", size,
                       GGUFILE_NAME_BYTES_MAX);
    TRY(map_add(names, slice_of(entry->name), 0, &existing, err));
    if (existing != MAP_NONE)
        return err_set(err, STATUS_UNREPRESENTABLE, entry->name, "found the tensor twice, expected it once");
    fits = ggml_row_bytes(entry->type, entry->rank == 0 ? 1 : entry->dims[0], &entry->bytes);
    for (unsigned d = 1; d < entry->rank; d++)
        fits = fits && checked_mul(entry->bytes, entry->dims[d], &entry->bytes);
    if (!fits || entry->bytes > INT64_MAX)
        return err_set(err, STATUS_UNREPRESENTABLE, entry->name, "found rows of %llu elements, expected a multiple of %u for %s, and less than 2^63 bytes",
                       (unsigned long long)(entry->rank == 0 ? 1 : entry->dims[0]), ggml_block_elements(entry->type), ggml_name(entry->type));
    return STATUS_OK;
}

static void put_entry(const struct ggufile_entry *entry, bool big_endian, struct text *header)
{
    put_string(header, slice_of(entry->name), big_endian);
    put_word(header, entry->rank, 4, big_endian);
    for (unsigned d = 0; d < entry->rank; d++)
        put_word(header, entry->dims[d], 8, big_endian);
    put_word(header, (uint64_t)entry->type, 4, big_endian);
    put_word(header, entry->offset, 8, big_endian);
}

static enum status put_table(const struct ggufile_writer *writer, struct ggufile_entry *entry, size_t count, struct text *header, uint64_t *end,
                             struct err *err)
{
    const uint32_t alignment = writer->alignment == 0 ? GGUFILE_ALIGNMENT_DEFAULT : writer->alignment;
    struct map names = {0};
    enum status status = STATUS_OK;
    *end = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        status = measure(&entry[i], &names, err);
        entry[i].offset = *end;
        if (status == STATUS_OK && (!checked_add(*end, entry[i].bytes, end) || !padded(end, alignment)))
            status = err_set(err, STATUS_UNREPRESENTABLE, entry[i].name, "found tensors of more than 2^63 bytes for one file");
        if (status == STATUS_OK)
            put_entry(&entry[i], writer->big_endian, header);
    }
    map_free(&names);
    TRY(status);
    while ((count > 0 || !writer->bare) && header->size % alignment != 0 && !header->failed)
        text_add(header, "", 1);
    return STATUS_OK;
}

enum status ggufile_write_layout(struct ggufile_writer *writer, struct ggufile_entry *entry, size_t count, struct text *header, uint64_t *file_bytes,
                                 struct err *err)
{
    uint64_t end;
    assert(writer->items == 0 && "strings are missing");
    if (failed(writer)) {
        *err = writer->err;
        return err->status;
    }
    TRY(text_check(&writer->text, err));
    if (count > LIMIT_TENSORS_MAX || writer->count > LIMIT_GGUF_PAIRS_MAX)
        return err_set(err, STATUS_LIMIT, "GGUF header", "found %zu tensors and %zu pairs, the most are %u and %u", count, writer->count, LIMIT_TENSORS_MAX,
                       LIMIT_GGUF_PAIRS_MAX);
    text_free(header);
    text_add(header, "GGUF", 4);
    put_word(header, VERSION, 4, writer->big_endian);
    put_word(header, count, 8, writer->big_endian);
    put_word(header, writer->count, 8, writer->big_endian);
    text_add(header, writer->text.data, writer->text.size);
    TRY(put_table(writer, entry, count, header, &end, err));
    TRY(text_check(header, err));
    if (header->size > LIMIT_GGUF_HEADER_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, "GGUF header", "found %zu bytes, the most is %llu", header->size,
                       (unsigned long long)LIMIT_GGUF_HEADER_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        entry[i].offset += header->size;
    *file_bytes = header->size + end;
    return STATUS_OK;
}

void ggufile_write_free(struct ggufile_writer *writer)
{
    text_free(&writer->text);
    map_free(&writer->key);
    arena_free(&writer->arena);
    *writer = (struct ggufile_writer){0};
}
