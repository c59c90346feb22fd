/* A bounded pull scanner for JSON (RFC 8259) in memory: offset and token, no tree, no recursion, no allocation. Strict: valid UTF-8, no raw control
 * characters, no trailing commas or garbage, no lone surrogates, depth at most LIMIT_JSON_DEPTH_MAX. */
#ifndef REPAQ_JSON_H
#define REPAQ_JSON_H

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum json_kind {
    JSON_OBJECT, JSON_OBJECT_END, JSON_ARRAY, JSON_ARRAY_END,
    JSON_KEY, /* a member's name, with its quotes; the colon is consumed */
    JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL,
    JSON_END, /* after the one top-level value and blanks */
};

struct json_token {
    enum json_kind kind;
    size_t at;         /* byte offset of the token in the text */
    struct slice text; /* its bytes as written, strings with their quotes */
};

struct json {
    const char *where;  /* file name for messages; borrowed */
    struct slice text;  /* borrowed */
    size_t at;
    unsigned depth;
    uint8_t expect;     /* scanner state */
    uint64_t in_object[(LIMIT_JSON_DEPTH_MAX + 63) / 64]; /* bit d: the container at depth d is an object */
};

struct json json_over(const char *where, struct slice text);
/* The next token. A violation is CORRUPT and names the byte offset. Depth beyond the limit is LIMIT. */
enum status json_next(struct json *json, struct json_token *token, struct err *err) WARN_UNUSED;
/* json_next that must give `kind`; else CORRUPT "found X, expected Y". */
enum status json_expect(struct json *json, enum json_kind kind, struct json_token *token, struct err *err) WARN_UNUSED;
/* Skips the rest of a value whose first token was just returned (a no-op for scalars). */
enum status json_skip(struct json *json, const struct json_token *first, struct err *err) WARN_UNUSED;
/* The unescaped, NUL-terminated text of a KEY or STRING token in the arena; *size may be NULL. A \u0000 inside is CORRUPT. */
enum status json_string(const struct json *json, const struct json_token *token, struct arena *arena, const char **string, size_t *size,
                        struct err *err) WARN_UNUSED;
/* A number token that is a plain non-negative integer (digits only); else CORRUPT. */
enum status json_u64(const struct json *json, const struct json_token *token, uint64_t *value, struct err *err) WARN_UNUSED;
/* True if a KEY or STRING token, unescaped, equals this ASCII string. */
bool json_token_is(const struct json_token *token, const char *string);

/* Adds string as a quoted JSON string. Bytes that are no UTF-8 become U+FFFD. */
void json_quote(struct text *text, struct slice string);

#endif
