#include "container/json.h"

#include <assert.h>
#include <string.h>

/* What may come next. */
enum expect {
    EXPECT_VALUE,        /* at the top, after a colon, after a comma in an array */
    EXPECT_VALUE_OR_END, /* after '[' */
    EXPECT_KEY,          /* after a comma in an object */
    EXPECT_KEY_OR_END,   /* after '{' */
    EXPECT_COMMA_OR_END, /* after a value in a container */
    EXPECT_NOTHING,      /* after the top-level value */
};

struct json json_over(const char *where, struct slice text)
{
    if (text.data == NULL)
        text = slice_of("");
    return (struct json){.where = where, .text = text, .expect = EXPECT_VALUE};
}

/* --- bytes and messages ------------------------------------------------------------------------------------------------ */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool in_object(const struct json *json)
{
    return json->depth > 0 && (json->in_object[(json->depth - 1) / 64] >> ((json->depth - 1) % 64) & 1) != 0;
}

static void skip_blanks(struct json *json)
{
    while (json->at < json->text.size && is_blank(json->text.data[json->at]))
        json->at++;
}

/* "JSON byte 12: found X, expected Y", where X is the byte there. */
static enum status found(const struct json *json, size_t at, const char *expected, struct err *err)
{
    if (at >= json->text.size)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found the end of the text, expected %s", at, expected);
    const unsigned char byte = (unsigned char)json->text.data[at];
    if (byte > 0x20 && byte < 0x7f)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found '%c', expected %s", at, byte, expected);
    return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found byte 0x%02x, expected %s", at, byte, expected);
}

static const char *expect_text(const struct json *json)
{
    switch ((enum expect)json->expect) {
    case EXPECT_VALUE:
        return "a value";
    case EXPECT_VALUE_OR_END:
        return "a value or ']'";
    case EXPECT_KEY:
        return "a quoted name";
    case EXPECT_KEY_OR_END:
        return "a quoted name or '}'";
    case EXPECT_COMMA_OR_END:
        return in_object(json) ? "',' or '}'" : "',' or ']'";
    case EXPECT_NOTHING:
        break;
    }
    return "the end of the text";
}

/* --- strings ----------------------------------------------------------------------------------------------------------- */

/* The value of four hexadecimal digits, or UINT32_MAX. */
static uint32_t hex4(const char *at, size_t left)
{
    uint32_t value = 0;
    if (left < 4)
        return UINT32_MAX;
    for (size_t i = 0; i < 4; i++) {
        const char c = at[i];
        const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0)
            return UINT32_MAX;
        value = value << 4 | (uint32_t)digit;
    }
    return value;
}

/* Decodes the escape at `at` (a backslash): its length in the text and the code point; length 0 if it is not valid. */
static size_t escape(const char *at, size_t left, uint32_t *code)
{
    static const char letter[] = "\"\\/bfnrt", value[] = "\"\\/\b\f\n\r\t";
    if (left < 2)
        return 0;
    const char *plain = at[1] == '\0' ? NULL : strchr(letter, at[1]);
    if (plain != NULL) {
        *code = (unsigned char)value[plain - letter];
        return 2;
    }
    if (at[1] != 'u' || (*code = hex4(at + 2, left - 2)) == UINT32_MAX || (*code >= 0xdc00 && *code <= 0xdfff))
        return 0;
    if (*code < 0xd800 || *code > 0xdbff)
        return 6;
    const uint32_t low = left >= 12 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8, left - 8) : 0;
    if (low < 0xdc00 || low > 0xdfff)
        return 0;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return 12;
}

static size_t utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0) | code);
    return length;
}

static enum status scan_string(struct json *json, struct err *err)
{
    const char *data = json->text.data;
    const size_t size = json->text.size;
    size_t at = json->at + 1;
    while (at < size && data[at] != '"') {
        const unsigned char byte = (unsigned char)data[at];
        size_t length = 1;
        uint32_t code;
        if (byte < 0x20)
            return found(json, at, "an escape, as control characters may not stand in a string", err);
        if (byte == '\\') {
            length = escape(data + at, size - at, &code);
            if (length == 0)
                return err_set(err, STATUS_CORRUPT, json->where,
                               "JSON byte %zu: found a bad escape, expected one of JSON's, surrogates in pairs", at);
        } else if (byte >= 0x80) {
            length = slice_utf8((struct slice){data + at, size - at});
            if (length == 0)
                return found(json, at, "valid UTF-8", err);
        }
        at += length;
    }
    if (at >= size)
        return found(json, size, "'\"' at the end of a string", err);
    json->at = at + 1;
    return STATUS_OK;
}

/* --- the other tokens -------------------------------------------------------------------------------------------------- */

static size_t digits(const struct json *json, size_t at)
{
    while (at < json->text.size && is_digit(json->text.data[at]))
        at++;
    return at;
}

static enum status scan_number(struct json *json, struct err *err)
{
    const char *data = json->text.data;
    const size_t size = json->text.size;
    size_t at = json->at + (data[json->at] == '-');
    if (at >= size || !is_digit(data[at]))
        return found(json, at, "a digit", err);
    const size_t whole = at;
    at = digits(json, at);
    if (data[whole] == '0' && at > whole + 1)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found a number with a leading zero", whole);
    if (at < size && data[at] == '.') {
        const size_t fraction = at + 1;
        at = digits(json, fraction);
        if (at == fraction)
            return found(json, at, "a digit", err);
    }
    if (at < size && (data[at] == 'e' || data[at] == 'E')) {
        at++;
        at += at < size && (data[at] == '+' || data[at] == '-');
        const size_t exponent = at;
        at = digits(json, exponent);
        if (at == exponent)
            return found(json, at, "a digit", err);
    }
    json->at = at;
    return STATUS_OK;
}

static enum status scan_word(struct json *json, struct json_token *token, struct err *err)
{
    static const struct {
        const char *word;
        enum json_kind kind;
    } known[] = {{"true", JSON_TRUE}, {"false", JSON_FALSE}, {"null", JSON_NULL}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const size_t length = strlen(known[i].word);
        if (json->text.size - json->at >= length && memcmp(json->text.data + json->at, known[i].word, length) == 0) {
            token->kind = known[i].kind;
            json->at += length;
            return STATUS_OK;
        }
    }
    return found(json, json->at, expect_text(json), err);
}

static enum status open_container(struct json *json, bool object, struct err *err)
{
    if (json->depth == LIMIT_JSON_DEPTH_MAX)
        return err_set(err, STATUS_LIMIT, json->where, "JSON byte %zu: found nesting deeper than %d levels, the most that is read",
                       json->at, LIMIT_JSON_DEPTH_MAX);
    const uint64_t bit = UINT64_C(1) << (json->depth % 64);
    uint64_t *word = &json->in_object[json->depth / 64];
    *word = object ? *word | bit : *word & ~bit;
    json->depth++;
    json->expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    json->at++;
    return STATUS_OK;
}

static void value_done(struct json *json)
{
    json->expect = json->depth == 0 ? EXPECT_NOTHING : EXPECT_COMMA_OR_END;
}

static enum status scan_key(struct json *json, struct json_token *token, struct err *err)
{
    token->kind = JSON_KEY;
    TRY(scan_string(json, err));
    token->text.size = json->at - token->at;
    skip_blanks(json);
    if (json->at >= json->text.size || json->text.data[json->at] != ':')
        return found(json, json->at, "':'", err);
    json->at++;
    json->expect = EXPECT_VALUE;
    return STATUS_OK;
}

static enum status scan_value(struct json *json, struct json_token *token, struct err *err)
{
    const char c = json->text.data[json->at];
    if (c == '{' || c == '[') {
        token->kind = c == '{' ? JSON_OBJECT : JSON_ARRAY;
        return open_container(json, c == '{', err);
    }
    if (c == '"') {
        token->kind = JSON_STRING;
        TRY(scan_string(json, err));
    } else if (c == '-' || is_digit(c)) {
        token->kind = JSON_NUMBER;
        TRY(scan_number(json, err));
    } else {
        TRY(scan_word(json, token, err));
    }
    value_done(json);
    return STATUS_OK;
}

/* The end of the container that is open; false if it is not what stands here. */
static bool scan_end(struct json *json, struct json_token *token)
{
    if (json->expect != EXPECT_VALUE_OR_END && json->expect != EXPECT_KEY_OR_END && json->expect != EXPECT_COMMA_OR_END)
        return false;
    const bool object = in_object(json);
    if (json->text.data[json->at] != (object ? '}' : ']'))
        return false;
    token->kind = object ? JSON_OBJECT_END : JSON_ARRAY_END;
    json->at++;
    json->depth--;
    value_done(json);
    return true;
}

enum status json_next(struct json *json, struct json_token *token, struct err *err)
{
    skip_blanks(json);
    if (json->expect == EXPECT_COMMA_OR_END && json->at < json->text.size && json->text.data[json->at] == ',') {
        json->expect = in_object(json) ? EXPECT_KEY : EXPECT_VALUE;
        json->at++;
        skip_blanks(json);
    }
    *token = (struct json_token){JSON_END, json->at, {json->text.data + json->at, 0}};
    if (json->at >= json->text.size)
        return json->expect == EXPECT_NOTHING ? STATUS_OK : found(json, json->at, expect_text(json), err);
    const enum expect expect = (enum expect)json->expect;
    if (scan_end(json, token)) {
        token->text.size = 1;
        return STATUS_OK;
    }
    if ((expect == EXPECT_KEY || expect == EXPECT_KEY_OR_END) && json->text.data[json->at] == '"')
        return scan_key(json, token, err);
    if (expect != EXPECT_VALUE && expect != EXPECT_VALUE_OR_END)
        return found(json, json->at, expect_text(json), err);
    TRY(scan_value(json, token, err));
    token->text.size = json->at - token->at;
    return STATUS_OK;
}

enum status json_expect(struct json *json, enum json_kind kind, struct json_token *token, struct err *err)
{
    static const char *const name[] = {"an object", "the end of an object", "an array", "the end of an array", "a name",        "a string",
                                       "a number",  "true",                 "false",    "null",                "the end of the text"};
    TRY(json_next(json, token, err));
    if (token->kind == kind)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found %s, expected %s", token->at, name[token->kind], name[kind]);
}

enum status json_skip(struct json *json, const struct json_token *first, struct err *err)
{
    if (first->kind != JSON_OBJECT && first->kind != JSON_ARRAY)
        return STATUS_OK;
    const unsigned depth = json->depth;
    struct json_token token;
    while (json->depth >= depth)
        TRY(json_next(json, &token, err));
    return STATUS_OK;
}

/* --- values of tokens -------------------------------------------------------------------------------------------------- */

/* The next character of a scanned string: bytes in out, return its length in the text. */
static size_t decode(const char *at, size_t left, char out[4], size_t *out_size)
{
    uint32_t code;
    if (*at != '\\') {
        out[0] = *at;
        *out_size = 1;
        return 1;
    }
    const size_t length = escape(at, left, &code);
    assert(length > 0); /* the scanner saw it */
    *out_size = utf8_encode(code, out);
    return length;
}

static struct slice inside_quotes(const struct json_token *token)
{
    assert(token->kind == JSON_KEY || token->kind == JSON_STRING);
    return (struct slice){token->text.data + 1, token->text.size - 2};
}

enum status json_string(const struct json *json, const struct json_token *token, struct arena *arena, const char **string, size_t *size,
                        struct err *err)
{
    const struct slice raw = inside_quotes(token);
    char *copy = arena_copy(arena, raw.data, raw.size, err); /* an escape is never shorter than what it stands for */
    if (copy == NULL)
        return STATUS_LIMIT;
    size_t length = raw.size;
    if (memchr(raw.data, '\\', raw.size) != NULL) {
        length = 0;
        for (size_t at = 0, part; at < raw.size; length += part) {
            at += decode(raw.data + at, raw.size - at, copy + length, &part);
            if (copy[length] == '\0')
                return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found a string with a NUL character", token->at);
        }
        copy[length] = '\0';
    }
    *string = copy;
    if (size != NULL)
        *size = length;
    return STATUS_OK;
}

enum status json_u64(const struct json *json, const struct json_token *token, uint64_t *value, struct err *err)
{
    if (token->kind == JSON_NUMBER && slice_u64(token->text, value))
        return STATUS_OK;
    const int shown = token->text.size < 40 ? (int)token->text.size : 40;
    return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found %.*s, expected a plain integer from 0 to 2^64-1", token->at,
                   shown, token->text.data);
}

bool json_token_is(const struct json_token *token, const char *string)
{
    if (token->kind != JSON_KEY && token->kind != JSON_STRING)
        return false;
    const struct slice raw = inside_quotes(token);
    size_t at = 0;
    while (at < raw.size && *string != '\0') {
        char out[4];
        size_t size;
        at += decode(raw.data + at, raw.size - at, out, &size);
        if (size != 1 || out[0] != *string)
            return false;
        string++;
    }
    return at == raw.size && *string == '\0';
}

void json_quote(struct text *text, struct slice string)
{
    static const char letter[] = "\b\f\n\r\t\"\\", name[] = "bfnrt\"\\";
    if (string.data == NULL)
        string = slice_of("");
    text_add(text, "\"", 1);
    size_t start = 0;
    for (size_t at = 0, length; at < string.size; at += length) {
        const unsigned char byte = (unsigned char)string.data[at];
        length = slice_utf8((struct slice){string.data + at, string.size - at});
        if (length > 0 && byte >= 0x20 && byte != '"' && byte != '\\')
            continue;
        text_add(text, string.data + start, at - start);
        const char *plain = byte == '\0' ? NULL : strchr(letter, byte);
        if (length == 0) {
            text_string(text, "\xef\xbf\xbd"); /* U+FFFD: a file name, say, that is no UTF-8 */
            length = 1;
        } else if (plain != NULL) {
            text_format(text, "\\%c", name[plain - letter]);
        } else {
            text_format(text, "\\u%04x", byte);
        }
        start = at + length;
    }
    text_add(text, string.data + start, string.size - start);
    text_add(text, "\"", 1);
}
