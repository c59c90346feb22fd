/* Key-value pairs of a GGUF header, by key and type. */
#ifndef REPAQ_GGUFILE_VALUE_H
#define REPAQ_GGUFILE_VALUE_H

#include "base/text.h"
#include "container/ggufile.h"

/* Each gives the value of a key. Where there is no such key: *present is false and the result unchanged, or, with present NULL, CORRUPT. A value of another
 * type, or one that does not fit, is CORRUPT and names key, type and file. */
enum status ggufile_value_u32(const struct ggufile *gguf, const char *key, uint32_t *number, bool *present, struct err *err) WARN_UNUSED; /* any integer type */
enum status ggufile_value_u64(const struct ggufile *gguf, const char *key, uint64_t *number, bool *present, struct err *err) WARN_UNUSED;
enum status ggufile_value_i64(const struct ggufile *gguf, const char *key, int64_t *number, bool *present, struct err *err) WARN_UNUSED;
enum status ggufile_value_f64(const struct ggufile *gguf, const char *key, double *number, bool *present, struct err *err) WARN_UNUSED; /* f32 or f64 */
enum status ggufile_value_bool(const struct ggufile *gguf, const char *key, bool *truth, bool *present, struct err *err) WARN_UNUSED;
enum status ggufile_value_string(const struct ggufile *gguf, const char *key, struct slice *string, bool *present, struct err *err) WARN_UNUSED;

/* Elements of an array, as ggufile_value.data has them. */
struct ggufile_array {
    enum ggufile_kind element;
    uint64_t count;
    const uint8_t *data; /* [bytes] */
    size_t bytes;
    size_t at;           /* where the next string or array begins */
};
/* An array whose elements are of this type; GGUFILE_KIND_COUNT takes any. */
enum status ggufile_value_array(const struct ggufile *gguf, const char *key, enum ggufile_kind element, struct ggufile_array *array, bool *present,
                                struct err *err) WARN_UNUSED;
/* The next string of an array of strings, from the first on; false after the last, or if there are no strings in it. */
bool ggufile_value_next(struct ggufile_array *array, struct slice *string);
/* The next array of an array of arrays, likewise. */
bool ggufile_value_next_array(struct ggufile_array *array, struct ggufile_array *inner);
/* Element `index` of an array of any integer type or bools; false if there is none, or it is no integer of 64 bits with a sign. */
bool ggufile_value_integer(const struct ggufile_array *array, uint64_t index, int64_t *number);
/* Element `index` of an array of f32 or f64. */
bool ggufile_value_float(const struct ggufile_array *array, uint64_t index, double *number);

/* How a file writes numbers, and lengths among them. */
struct ggufile_form {
    bool big_endian;
    bool narrow; /* version 1: counts and lengths of 32 bits */
};
/* Appends the data of a value, which are in the form `from` and were read before, to text in the form of version 2 and 3 with this byte order. */
void ggufile_value_recode(const struct ggufile_value *value, struct ggufile_form from, bool big_endian, struct text *text);

#endif
