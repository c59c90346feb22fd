#include "container/ggufile_value.h"

#include "base/cursor.h"
#include "base/le.h"
#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* --- numbers ----------------------------------------------------------------------------------------------------------- */

/* One number of an integer type or bool as a value of 64 bits; *negative: read it as signed. False for other types. */
static bool integer_at(enum ggufile_kind kind, const uint8_t *data, uint64_t *bits, bool *negative)
{
    int64_t number = 0;
    switch (kind) {
    case GGUFILE_U8:
    case GGUFILE_BOOL:
        number = *data;
        break;
    case GGUFILE_I8:
        number = (int8_t)*data;
        break;
    case GGUFILE_U16:
        number = le_load16(data);
        break;
    case GGUFILE_I16:
        number = (int16_t)le_load16(data);
        break;
    case GGUFILE_U32:
        number = le_load32(data);
        break;
    case GGUFILE_I32:
        number = (int32_t)le_load32(data);
        break;
    case GGUFILE_I64:
        number = (int64_t)le_load64(data);
        break;
    case GGUFILE_U64:
        *bits = le_load64(data);
        *negative = false;
        return true;
    default:
        return false;
    }
    *bits = (uint64_t)number;
    *negative = number < 0;
    return true;
}

static bool float_at(enum ggufile_kind kind, const uint8_t *data, double *number)
{
    if (kind == GGUFILE_F32)
        *number = (double)le_load_f32(data);
    else if (kind == GGUFILE_F64)
        memcpy(number, data, sizeof *number);
    return kind == GGUFILE_F32 || kind == GGUFILE_F64;
}

/* --- values by key ----------------------------------------------------------------------------------------------------- */

/* *value is NULL where the key is absent and may be. */
static enum status look_up(const struct ggufile *gguf, const char *key, const struct ggufile_value **value, bool *present, struct err *err)
{
    *value = ggufile_find(gguf, key);
    if (present != NULL)
        *present = *value != NULL;
    if (*value == NULL && present == NULL)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found no key %s, expected it", key);
    return STATUS_OK;
}

static enum status wrong_type(const struct ggufile *gguf, const struct ggufile_value *value, const char *wanted, struct err *err)
{
    char where[600];
    const bool array = value->kind == GGUFILE_ARRAY;
    (void)snprintf(where, sizeof where, "%s: key %.*s", gguf->path, value->key.size < 200 ? (int)value->key.size : 200, value->key.data);
    return err_set(err, STATUS_CORRUPT, where, "found %s%s, expected %s", array ? "an array of " : "a value of type ", ggufile_kind_name(value->element),
                   wanted);
}

enum status ggufile_value_u64(const struct ggufile *gguf, const char *key, uint64_t *number, bool *present, struct err *err)
{
    const struct ggufile_value *value;
    uint64_t bits;
    bool negative;
    TRY(look_up(gguf, key, &value, present, err));
    if (value == NULL)
        return STATUS_OK;
    if (value->kind == GGUFILE_BOOL || !integer_at(value->kind, value->data, &bits, &negative))
        return wrong_type(gguf, value, "an integer", err);
    if (negative)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found %lld in key %s, expected no negative number", (long long)bits, key);
    *number = bits;
    return STATUS_OK;
}

enum status ggufile_value_u32(const struct ggufile *gguf, const char *key, uint32_t *number, bool *present, struct err *err)
{
    uint64_t wide = *number;
    TRY(ggufile_value_u64(gguf, key, &wide, present, err));
    if (wide > UINT32_MAX)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found %llu in key %s, expected at most %u", (unsigned long long)wide, key, UINT32_MAX);
    *number = (uint32_t)wide;
    return STATUS_OK;
}

enum status ggufile_value_i64(const struct ggufile *gguf, const char *key, int64_t *number, bool *present, struct err *err)
{
    const struct ggufile_value *value;
    uint64_t bits;
    bool negative;
    TRY(look_up(gguf, key, &value, present, err));
    if (value == NULL)
        return STATUS_OK;
    if (value->kind == GGUFILE_BOOL || !integer_at(value->kind, value->data, &bits, &negative))
        return wrong_type(gguf, value, "an integer", err);
    if (!negative && bits > INT64_MAX)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found %llu in key %s, expected less than 2^63", (unsigned long long)bits, key);
    *number = (int64_t)bits;
    return STATUS_OK;
}

enum status ggufile_value_f64(const struct ggufile *gguf, const char *key, double *number, bool *present, struct err *err)
{
    const struct ggufile_value *value;
    TRY(look_up(gguf, key, &value, present, err));
    if (value != NULL && !float_at(value->kind, value->data, number))
        return wrong_type(gguf, value, "f32 or f64", err);
    return STATUS_OK;
}

enum status ggufile_value_bool(const struct ggufile *gguf, const char *key, bool *truth, bool *present, struct err *err)
{
    const struct ggufile_value *value;
    TRY(look_up(gguf, key, &value, present, err));
    if (value != NULL && value->kind != GGUFILE_BOOL)
        return wrong_type(gguf, value, "bool", err);
    if (value != NULL)
        *truth = *value->data != 0;
    return STATUS_OK;
}

enum status ggufile_value_string(const struct ggufile *gguf, const char *key, struct slice *string, bool *present, struct err *err)
{
    const struct ggufile_value *value;
    TRY(look_up(gguf, key, &value, present, err));
    if (value != NULL && value->kind != GGUFILE_STRING)
        return wrong_type(gguf, value, "string", err);
    if (value != NULL)
        *string = (struct slice){(const char *)value->data, value->bytes};
    return STATUS_OK;
}

/* --- arrays ------------------------------------------------------------------------------------------------------------ */

enum status ggufile_value_array(const struct ggufile *gguf, const char *key, enum ggufile_kind element, struct ggufile_array *array, bool *present,
                                struct err *err)
{
    const struct ggufile_value *value;
    char wanted[40];
    TRY(look_up(gguf, key, &value, present, err));
    if (value == NULL)
        return STATUS_OK;
    (void)snprintf(wanted, sizeof wanted, "an array%s%s", element == GGUFILE_KIND_COUNT ? "" : " of ",
                   element == GGUFILE_KIND_COUNT ? "" : ggufile_kind_name(element));
    if (value->kind != GGUFILE_ARRAY || (element != GGUFILE_KIND_COUNT && value->element != element))
        return wrong_type(gguf, value, wanted, err);
    *array = (struct ggufile_array){.element = value->element, .count = value->count, .data = value->data, .bytes = value->bytes};
    return STATUS_OK;
}

static struct cursor at_next(const struct ggufile_array *array)
{
    struct cursor cursor = cursor_over(array->data, array->bytes);
    cursor.at = array->at;
    return cursor;
}

bool ggufile_value_next(struct ggufile_array *array, struct slice *string)
{
    if (array->element != GGUFILE_STRING || array->at >= array->bytes)
        return false;
    struct cursor cursor = at_next(array);
    const uint64_t size = cursor_u64(&cursor);
    const uint8_t *data = cursor_bytes(&cursor, size);
    if (data == NULL)
        return false;
    *string = (struct slice){(const char *)data, (size_t)size};
    array->at = cursor.at;
    return true;
}

/* Steps over an array, whose type and count come next. */
static void step_over(struct cursor *cursor)
{
    uint64_t left[LIMIT_GGUF_ARRAY_DEPTH_MAX + 1];
    unsigned depth = 0;
    for (left[depth++] = 1; depth > 0 && !cursor->failed;) {
        if (left[depth - 1] == 0) {
            depth--;
            continue;
        }
        left[depth - 1]--;
        const enum ggufile_kind element = (enum ggufile_kind)cursor_u32(cursor);
        const uint64_t count = cursor_u64(cursor);
        if (element == GGUFILE_ARRAY && depth <= LIMIT_GGUF_ARRAY_DEPTH_MAX)
            left[depth++] = count;
        for (uint64_t i = 0; element == GGUFILE_STRING && i < count && !cursor->failed; i++)
            (void)cursor_bytes(cursor, cursor_u64(cursor));
        (void)cursor_bytes(cursor, count * ggufile_kind_bytes(element));
    }
}

bool ggufile_value_next_array(struct ggufile_array *array, struct ggufile_array *inner)
{
    if (array->element != GGUFILE_ARRAY || array->at >= array->bytes)
        return false;
    struct cursor cursor = at_next(array);
    struct cursor head = cursor;
    step_over(&cursor);
    *inner = (struct ggufile_array){.element = (enum ggufile_kind)cursor_u32(&head), .count = cursor_u64(&head)};
    inner->data = head.data + head.at;
    inner->bytes = cursor.at - head.at;
    array->at = cursor.at;
    return !cursor.failed;
}

bool ggufile_value_integer(const struct ggufile_array *array, uint64_t index, int64_t *number)
{
    uint64_t bits;
    bool negative;
    if (index >= array->count || !integer_at(array->element, array->data + index * ggufile_kind_bytes(array->element), &bits, &negative) ||
        (!negative && bits > INT64_MAX))
        return false;
    *number = (int64_t)bits;
    return true;
}

bool ggufile_value_float(const struct ggufile_array *array, uint64_t index, double *number)
{
    return index < array->count && float_at(array->element, array->data + index * ggufile_kind_bytes(array->element), number);
}

/* --- other forms ------------------------------------------------------------------------------------------------------- */

struct recoder {
    struct cursor cursor;
    struct ggufile_form from;
    bool big_endian;
    struct text *text;
};

static uint64_t take(struct recoder *recoder, bool wide)
{
    if (!wide) {
        const uint32_t word = cursor_u32(&recoder->cursor);
        return recoder->from.big_endian ? __builtin_bswap32(word) : word;
    }
    const uint64_t word = cursor_u64(&recoder->cursor);
    return recoder->from.big_endian ? __builtin_bswap64(word) : word;
}

static void put_u32(struct recoder *recoder, uint32_t word)
{
    char bytes[4];
    le_store32(bytes, recoder->big_endian ? __builtin_bswap32(word) : word);
    text_add(recoder->text, bytes, sizeof bytes);
}

static void put_u64(struct recoder *recoder, uint64_t word)
{
    char bytes[8];
    le_store64(bytes, recoder->big_endian ? __builtin_bswap64(word) : word);
    text_add(recoder->text, bytes, sizeof bytes);
}

static void recode_numbers(struct recoder *recoder, enum ggufile_kind kind, uint64_t count)
{
    const unsigned size = ggufile_kind_bytes(kind);
    const char *data = (const char *)cursor_bytes(&recoder->cursor, count * size);
    if (data == NULL)
        return;
    if (recoder->from.big_endian == recoder->big_endian || size == 1) {
        text_add(recoder->text, data, (size_t)(count * size));
        return;
    }
    for (uint64_t i = 0; i < count; i++, data += size) {
        char turned[8];
        for (unsigned b = 0; b < size; b++)
            turned[b] = data[size - 1 - b];
        text_add(recoder->text, turned, size);
    }
}

static void recode_elements(struct recoder *recoder, enum ggufile_kind element, uint64_t count)
{
    if (element != GGUFILE_STRING) {
        recode_numbers(recoder, element, count);
        return;
    }
    for (uint64_t i = 0; i < count && !recoder->cursor.failed; i++) {
        const uint64_t size = take(recoder, !recoder->from.narrow);
        const char *data = (const char *)cursor_bytes(&recoder->cursor, size);
        put_u64(recoder, size);
        if (data != NULL)
            text_add(recoder->text, data, (size_t)size);
    }
}

void ggufile_value_recode(const struct ggufile_value *value, struct ggufile_form from, bool big_endian, struct text *text)
{
    struct recoder recoder = {cursor_over(value->data, value->bytes), from, big_endian, text};
    uint64_t left[LIMIT_GGUF_ARRAY_DEPTH_MAX];
    unsigned depth = 0;
    if (value->kind == GGUFILE_STRING)
        text_add(text, (const char *)value->data, value->bytes);
    else if (value->element != GGUFILE_ARRAY)
        recode_elements(&recoder, value->element, value->count);
    else
        left[depth++] = value->count;
    while (depth > 0 && !recoder.cursor.failed) {
        if (left[depth - 1] == 0) {
            depth--;
            continue;
        }
        left[depth - 1]--;
        const enum ggufile_kind element = (enum ggufile_kind)take(&recoder, false);
        const uint64_t count = take(&recoder, !from.narrow);
        put_u32(&recoder, (uint32_t)element);
        put_u64(&recoder, count);
        if (element != GGUFILE_ARRAY)
            recode_elements(&recoder, element, count);
        else if (depth < LIMIT_GGUF_ARRAY_DEPTH_MAX)
            left[depth++] = count;
    }
}
