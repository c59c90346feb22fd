/* A tree of cJSON nodes behind an opaque name. What cJSON does loosely is done here or by the scanner:
 *  - text: the scanner has checked it (UTF-8, numbers, escapes, depth, duplicates) before cJSON sees it;
 *  - numbers: every one is a cJSON_Raw node that holds its digits as written, so that 1.0 and 2^64-1 survive;
 *  - lookup: exact, case-sensitive;
 *  - printing: a walk of our own without recursion, as cJSON's layout is not Python's. */
#include "container/jsondoc.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/mem.h"
#include "container/json.h"
#include "container/jsonstyle.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTEGER_EXACT_MAX INT64_C(9007199254740992) /* 2^53 */

/* cJSON reads numbers through a buffer of 64 bytes. */
enum { NUMBER_BYTES_MAX = 63 };

/* valueint of an object or array under which an allocation failed; cJSON leaves it 0 there. */
enum { INCOMPLETE = 1 };

static const cJSON *node(const struct jsondoc *doc)
{
    return (const cJSON *)(const void *)doc;
}

static cJSON *mutable_node(struct jsondoc *doc)
{
    return (cJSON *)(void *)doc;
}

static struct jsondoc *doc_of(cJSON *item)
{
    return (struct jsondoc *)(void *)item;
}

static const struct jsondoc *const_doc_of(const cJSON *item)
{
    return (const struct jsondoc *)(const void *)item;
}

/* --- parsing ----------------------------------------------------------------------------------------------------------- */

/* All names of the document as "object number, name" in one map: a duplicate is found at once, whatever the sizes of the objects. */
struct names {
    struct arena arena; /* keys and unescaped strings */
    struct map seen;
    uint32_t object[LIMIT_JSON_DEPTH_MAX + 1]; /* number of the open object at a depth */
    uint32_t objects;
};

static enum status add_name(struct names *names, const struct json *json, const struct json_token *token, struct err *err)
{
    const char *name;
    size_t size;
    uint32_t existing;
    TRY(json_string(json, token, &names->arena, &name, &size, err));
    char *key = arena_alloc(&names->arena, size + sizeof(uint32_t), 1, err);
    if (key == NULL)
        return STATUS_LIMIT;
    memcpy(key, &names->object[json->depth], sizeof(uint32_t));
    memcpy(key + sizeof(uint32_t), name, size);
    TRY(map_add(&names->seen, (struct slice){key, size + sizeof(uint32_t)}, 0, &existing, err));
    if (existing != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found \"%s\" twice in one object", token->at, name);
    return STATUS_OK;
}

static enum status check_tokens(struct json *json, struct names *names, struct err *err)
{
    struct json_token token;
    do {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT)
            names->object[json->depth] = names->objects++;
        if (token.kind == JSON_KEY)
            TRY(add_name(names, json, &token, err));
        if (token.kind == JSON_NUMBER && token.text.size > NUMBER_BYTES_MAX)
            return err_set(err, STATUS_LIMIT, json->where, "JSON byte %zu: found a number of %zu characters, the most is %d", token.at,
                           token.text.size, NUMBER_BYTES_MAX);
        if (token.kind == JSON_STRING && memchr(token.text.data, '\\', token.text.size) != NULL) {
            const char *string; /* only for its check: cJSON would cut the string at a NUL */
            TRY(json_string(json, &token, &names->arena, &string, NULL, err));
        }
    } while (token.kind != JSON_END);
    return STATUS_OK;
}

static enum status check_text(const char *where, struct slice text, struct err *err)
{
    struct names names = {.objects = 0};
    struct json json = json_over(where, text);
    const enum status status = check_tokens(&json, &names, err);
    map_free(&names.seen);
    arena_free(&names.arena);
    return status;
}

static bool make_raw(cJSON *item, struct slice digits)
{
    char *copy = cJSON_malloc(digits.size + 1);
    if (copy == NULL)
        return false;
    memcpy(copy, digits.data, digits.size);
    copy[digits.size] = '\0';
    item->type = cJSON_Raw;
    item->valuestring = copy;
    return true;
}

/* Gives the number nodes their digits: the scanner and the tree go through the same values in the same order. */
static enum status keep_digits(const char *where, struct slice text, cJSON *root, struct err *err)
{
    struct json json = json_over(where, text);
    cJSON *next[LIMIT_JSON_DEPTH_MAX + 1] = {root}; /* the value to come at each depth */
    for (;;) {
        struct json_token token;
        TRY(json_next(&json, &token, err));
        if (token.kind == JSON_END)
            return STATUS_OK;
        if (token.kind == JSON_KEY || token.kind == JSON_OBJECT_END || token.kind == JSON_ARRAY_END)
            continue;
        const bool opens = token.kind == JSON_OBJECT || token.kind == JSON_ARRAY;
        const unsigned depth = json.depth - opens;
        cJSON *item = next[depth];
        if (item == NULL)
            return err_set(err, STATUS_CORRUPT, where, "JSON byte %zu: found a value that the tree lacks", token.at);
        next[depth] = item->next;
        if (opens)
            next[json.depth] = item->child;
        if (token.kind == JSON_NUMBER && !make_raw(item, token.text))
            return err_set(err, STATUS_LIMIT, where, "out of memory");
    }
}

enum status jsondoc_parse(const char *where, struct slice text, struct jsondoc **doc, struct err *err)
{
    *doc = NULL;
    if (text.size > LIMIT_JSON_DOCUMENT_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, where, "found a JSON document of %zu bytes, the most is %llu", text.size,
                       (unsigned long long)LIMIT_JSON_DOCUMENT_BYTES_MAX);
    TRY(check_text(where, text, err));
    cJSON *root = cJSON_ParseWithLength(text.data, text.size);
    if (root == NULL) /* the text is valid */
        return err_set(err, STATUS_LIMIT, where, "out of memory");
    const enum status status = keep_digits(where, text, root, err);
    if (status == STATUS_OK)
        *doc = doc_of(root);
    else
        cJSON_Delete(root);
    return status;
}

void jsondoc_free(struct jsondoc *doc)
{
    cJSON_Delete(mutable_node(doc));
}

/* --- looking ----------------------------------------------------------------------------------------------------------- */

enum jsondoc_kind jsondoc_kind(const struct jsondoc *doc)
{
    switch (doc == NULL ? cJSON_NULL : node(doc)->type & 0xff) {
    case cJSON_True:
    case cJSON_False:
        return JSONDOC_BOOL;
    case cJSON_Raw:
        return JSONDOC_NUMBER;
    case cJSON_String:
        return JSONDOC_STRING;
    case cJSON_Array:
        return JSONDOC_ARRAY;
    case cJSON_Object:
        return JSONDOC_OBJECT;
    default:
        return JSONDOC_NULL;
    }
}

const struct jsondoc *jsondoc_get(const struct jsondoc *doc, const char *name)
{
    if (jsondoc_kind(doc) != JSONDOC_OBJECT)
        return NULL;
    for (const cJSON *child = node(doc)->child; child != NULL; child = child->next)
        if (strcmp(child->string, name) == 0)
            return const_doc_of(child);
    return NULL;
}

const struct jsondoc *jsondoc_first(const struct jsondoc *doc)
{
    return doc == NULL ? NULL : const_doc_of(node(doc)->child);
}

const struct jsondoc *jsondoc_next(const struct jsondoc *doc)
{
    return doc == NULL ? NULL : const_doc_of(node(doc)->next);
}

const char *jsondoc_name(const struct jsondoc *doc)
{
    return doc == NULL ? NULL : node(doc)->string;
}

const char *jsondoc_string(const struct jsondoc *doc)
{
    return jsondoc_kind(doc) == JSONDOC_STRING ? node(doc)->valuestring : NULL;
}

bool jsondoc_double(const struct jsondoc *doc, double *value)
{
    if (jsondoc_kind(doc) != JSONDOC_NUMBER)
        return false;
    *value = strtod(node(doc)->valuestring, NULL);
    return isfinite(*value);
}

bool jsondoc_int(const struct jsondoc *doc, int64_t *value)
{
    if (jsondoc_kind(doc) != JSONDOC_NUMBER)
        return false;
    struct slice digits = slice_of(node(doc)->valuestring);
    const bool negative = slice_starts(digits, "-");
    digits.data += negative;
    digits.size -= negative;
    uint64_t whole;
    if (slice_u64(digits, &whole)) {
        if (whole > (uint64_t)INTEGER_EXACT_MAX)
            return false;
        *value = negative ? -(int64_t)whole : (int64_t)whole;
        return true;
    }
    const double number = strtod(node(doc)->valuestring, NULL); /* 4.0 and 1e2 are integers too */
    if (!(fabs(number) < (double)INTEGER_EXACT_MAX) || floor(number) != number)
        return false;
    *value = (int64_t)number;
    return true;
}

bool jsondoc_bool(const struct jsondoc *doc, bool *value)
{
    if (jsondoc_kind(doc) != JSONDOC_BOOL)
        return false;
    *value = (node(doc)->type & 0xff) == cJSON_True;
    return true;
}

/* --- building ---------------------------------------------------------------------------------------------------------- */

struct jsondoc *jsondoc_new_object(void)
{
    return doc_of(cJSON_CreateObject());
}

/* Hangs item (NULL: memory was out) below parent; the item, or NULL if that failed. */
static struct jsondoc *attach(struct jsondoc *parent, const char *name, cJSON *item)
{
    cJSON *into = mutable_node(parent);
    if (into == NULL) {
        cJSON_Delete(item);
        return NULL;
    }
    assert(cJSON_IsArray(into) == (name == NULL));
    const bool added = item != NULL && (name == NULL ? cJSON_AddItemToArray(into, item) : cJSON_AddItemToObject(into, name, item));
    if (added)
        return doc_of(item);
    into->valueint = INCOMPLETE;
    cJSON_Delete(item);
    return NULL;
}

struct jsondoc *jsondoc_add_object(struct jsondoc *parent, const char *name)
{
    return attach(parent, name, cJSON_CreateObject());
}

struct jsondoc *jsondoc_add_array(struct jsondoc *parent, const char *name)
{
    return attach(parent, name, cJSON_CreateArray());
}

void jsondoc_add_string(struct jsondoc *parent, const char *name, const char *value)
{
    (void)attach(parent, name, value == NULL ? cJSON_CreateNull() : cJSON_CreateString(value));
}

void jsondoc_add_u64(struct jsondoc *parent, const char *name, uint64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    (void)attach(parent, name, cJSON_CreateRaw(digits));
}

void jsondoc_add_int(struct jsondoc *parent, const char *name, int64_t value)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%lld", (long long)value);
    (void)attach(parent, name, cJSON_CreateRaw(digits));
}

/* As Python's repr: the fewest digits that read back, an exponent below 1e-4 and from 1e16 on, else a point. */
static void double_text(double value, char digits[40])
{
    int precision = 1;
    do
        (void)snprintf(digits, 40, "%.*e", precision - 1, value);
    while (strtod(digits, NULL) != value && precision++ < 17);
    const int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16)
        return;
    const int decimals = precision - 1 - exponent;
    (void)snprintf(digits, 40, "%.*f", decimals < 1 ? 1 : decimals, value);
}

void jsondoc_add_double(struct jsondoc *parent, const char *name, double value)
{
    char digits[40] = "null";
    if (isfinite(value))
        double_text(value, digits);
    (void)attach(parent, name, isfinite(value) ? cJSON_CreateRaw(digits) : cJSON_CreateNull());
}

void jsondoc_add_bool(struct jsondoc *parent, const char *name, bool value)
{
    (void)attach(parent, name, cJSON_CreateBool(value));
}

void jsondoc_add_null(struct jsondoc *parent, const char *name)
{
    (void)attach(parent, name, cJSON_CreateNull());
}

/* --- printing ---------------------------------------------------------------------------------------------------------- */

static bool is_container(const cJSON *item)
{
    return cJSON_IsObject(item) || cJSON_IsArray(item);
}

/* The value, of a container only the opening bracket. */
static void print_value(const cJSON *item, struct text *text)
{
    if (cJSON_IsString(item))
        json_quote(text, slice_of(item->valuestring));
    else
        text_string(text, cJSON_IsRaw(item)      ? item->valuestring
                          : cJSON_IsObject(item) ? "{"
                          : cJSON_IsArray(item)  ? "["
                          : cJSON_IsTrue(item)   ? "true"
                          : cJSON_IsFalse(item)  ? "false"
                                                 : "null");
}

/* The tree on one line. */
static enum status print_tree(const cJSON *root, struct text *text, struct err *err)
{
    const cJSON *open[LIMIT_JSON_DEPTH_MAX]; /* the containers around item */
    unsigned depth = 0;
    for (const cJSON *item = root;;) {
        print_value(item, text);
        const cJSON *next = item->next;
        if (is_container(item)) {
            if (item->valueint == INCOMPLETE)
                return err_set(err, STATUS_LIMIT, "memory", "out of memory");
            if (depth == LIMIT_JSON_DEPTH_MAX)
                return err_set(err, STATUS_LIMIT, "JSON output", "found nesting deeper than %d levels", LIMIT_JSON_DEPTH_MAX);
            open[depth++] = item;
            next = item->child;
        }
        while (depth > 0 && next == NULL) {
            depth--;
            text_string(text, cJSON_IsObject(open[depth]) ? "}" : "]");
            next = open[depth]->next;
        }
        if (depth == 0)
            return STATUS_OK;
        if (next != open[depth - 1]->child)
            text_string(text, ",");
        item = next;
        if (item->string != NULL) {
            json_quote(text, slice_of(item->string));
            text_string(text, ":");
        }
    }
}

enum status jsondoc_print(const struct jsondoc *doc, struct text *text, struct err *err)
{
    if (doc == NULL)
        return err_set(err, STATUS_LIMIT, "memory", "out of memory");
    struct text line = {0};
    enum status status = print_tree(node(doc), &line, err);
    if (status == STATUS_OK)
        status = text_check(&line, err);
    if (status == STATUS_OK) {
        const struct jsonstyle style = {.lines = true, .newline = slice_of("\n"), .unit = slice_of("  "), .colon = slice_of(": ")};
        jsonstyle_write((struct slice){line.data, line.size}, &style, text);
        status = text_check(text, err);
    }
    text_free(&line);
    return status;
}
