/* A growing text buffer, and byte counts as text. */
#ifndef REPAQ_TEXT_H
#define REPAQ_TEXT_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; free with text_free. data is NUL-terminated once anything was added. A failed allocation sticks in
 * `failed`; further calls do nothing, so test once with text_check. */
struct text {
    char *data; /* owned */
    size_t size;
    size_t capacity;
    bool failed;
};

void text_add(struct text *text, const char *data, size_t size);
void text_string(struct text *text, const char *string);
void text_format(struct text *text, const char *format, ...) PRINTF_LIKE(2, 3);
enum status text_check(const struct text *text, struct err *err) WARN_UNUSED; /* LIMIT "out of memory" if failed */
void text_free(struct text *text);

/* "1.2 GB", "768 KB", "12 B": decimal units, at most one decimal; buffer of 32 bytes. Returns buffer. */
const char *text_bytes(uint64_t bytes, char buffer[32]);
/* "5GB", "256MiB", "1000000", "1.5GB": decimal and binary units, case-insensitive. False if malformed, zero or too large. */
bool text_parse_bytes(const char *string, uint64_t *bytes);

#endif
