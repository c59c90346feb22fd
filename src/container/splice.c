#include "container/splice.h"

#include "base/mem.h"
#include "container/json.h"
#include "container/jsonstyle.h"

#include <stdlib.h>
#include <string.h>

/* Where one member is, or would be, in an object of the text; all byte offsets. */
struct site {
    size_t open, close;     /* the braces */
    size_t members;
    size_t first_key;       /* members > 0 */
    size_t last_end;        /* members > 0: end of the last value */
    bool blank_after_colon; /* of the first member */
    bool blank_after_comma; /* of the second member; else as after the colon */
    bool found;
    size_t key, value, end; /* found: of the member's name, of its value, and after it */
    size_t before;          /* found: end of the value before it, or after the brace */
    size_t after;           /* found: key of the member after it, 0 if it is the last */
    struct json inside;     /* found and an object: the scanner after its brace */
    bool is_object;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static enum status take_member(struct json *json, const struct json_token *key, const char *name, struct site *site, struct err *err)
{
    const bool match = json_token_is(key, name);
    const bool blank = json->at < json->text.size && is_blank(json->text.data[json->at]);
    if (match && site->found)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found \"%s\" twice in one object", key->at, name);
    if (site->found && site->after == 0)
        site->after = key->at;
    if (site->members == 0) {
        site->first_key = key->at;
        site->blank_after_colon = site->blank_after_comma = blank;
    } else if (site->members == 1) {
        site->blank_after_comma = is_blank(json->text.data[key->at - 1]);
    }
    struct json_token value;
    TRY(json_next(json, &value, err));
    if (match) {
        site->found = true;
        site->key = key->at;
        site->value = value.at;
        site->before = site->members == 0 ? site->open + 1 : site->last_end;
        site->is_object = value.kind == JSON_OBJECT;
        site->inside = *json;
    }
    TRY(json_skip(json, &value, err));
    site->last_end = json->at;
    if (match)
        site->end = json->at;
    site->members++;
    return STATUS_OK;
}

/* Walks the object whose brace was just scanned. */
static enum status find(struct json *json, size_t open, const char *name, struct site *site, struct err *err)
{
    *site = (struct site){.open = open};
    struct json_token token;
    TRY(json_next(json, &token, err));
    while (token.kind == JSON_KEY) {
        TRY(take_member(json, &token, name, site, err));
        TRY(json_next(json, &token, err));
    }
    site->close = token.at;
    return STATUS_OK;
}

/* The indentation of the line on which `at` is the first thing; false if something else stands before it there. */
static bool indentation(struct slice text, size_t at, struct slice *indent)
{
    size_t start = at;
    while (start > 0 && (text.data[start - 1] == ' ' || text.data[start - 1] == '\t'))
        start--;
    *indent = (struct slice){text.data + start, at - start};
    return start > 0 && text.data[start - 1] == '\n';
}

/* How a member of the object is laid out. */
struct look {
    struct jsonstyle style; /* of the member's value */
    struct text base;       /* owned; what style.base shows */
    struct slice outside;   /* indentation of the line with the object's opening brace */
};

/* The document's look at a member of the object `site`, whose own key is at parent_key (0: it is the document). */
static struct look look_at(struct slice text, const struct site *top, const struct site *site, size_t parent_key)
{
    struct look look = {.outside = {text.data, 0}};
    struct slice unit, indent;
    if (top->members == 0 || !indentation(text, top->first_key, &unit) || unit.size == 0)
        unit = slice_of("  ");
    const bool indented = parent_key > 0 && indentation(text, parent_key, &indent);
    if (indented)
        look.outside = indent;
    bool lines;
    if (site->members > 0) {
        lines = indentation(text, site->found ? site->key : site->first_key, &indent);
        text_add(&look.base, indent.data, indent.size);
    } else {
        lines = indented || memchr(text.data + site->open, '\n', site->close - site->open) != NULL;
        text_add(&look.base, look.outside.data, look.outside.size);
        text_add(&look.base, unit.data, unit.size);
    }
    const struct site *model = site->members > 0 ? site : top;
    const char *feed = memchr(text.data, '\n', text.size);
    look.style = (struct jsonstyle){
        .lines = lines,
        .newline = slice_of(feed != NULL && feed > text.data && feed[-1] == '\r' ? "\r\n" : "\n"),
        .base = {look.base.data, look.base.size},
        .unit = unit,
        .comma = slice_of(model->blank_after_comma ? ", " : ","),
        .colon = slice_of(model->blank_after_colon || (lines && model->members == 0) ? ": " : ":"),
    };
    return look;
}

static void add_line(const struct look *look, struct slice indent, struct text *text)
{
    text_add(text, look->style.newline.data, look->style.newline.size);
    text_add(text, indent.data, indent.size);
}

static void append(struct slice text, const struct site *site, const struct look *look, const char *name, const char *value,
                   struct text *out)
{
    const struct jsonstyle *style = &look->style;
    const bool empty = site->members == 0;
    text_add(out, text.data, empty ? site->open + 1 : site->last_end);
    if (!empty)
        text_add(out, style->lines ? "," : style->comma.data, style->lines ? 1 : style->comma.size);
    if (style->lines)
        add_line(look, style->base, out);
    json_quote(out, slice_of(name));
    text_add(out, style->colon.data, style->colon.size);
    jsonstyle_write(slice_of(value), style, out);
    if (empty && style->lines)
        add_line(look, look->outside, out);
    const size_t rest = empty ? site->close : site->last_end;
    text_add(out, text.data + rest, text.size - rest);
}

static void replace(struct slice text, const struct site *site, const struct jsonstyle *style, const char *value, struct text *out)
{
    text_add(out, text.data, site->value);
    jsonstyle_write(slice_of(value), style, out);
    text_add(out, text.data + site->end, text.size - site->end);
}

/* With one comma, and so that the members around it keep their places. */
static void drop(struct slice text, const struct site *site, struct text *out)
{
    const bool only = site->members == 1, last = site->after == 0;
    const size_t from = only ? site->open + 1 : last ? site->before : site->key;
    const size_t to = only ? site->close : last ? site->end : site->after;
    text_add(out, text.data, from);
    text_add(out, text.data + to, text.size - to);
}

static enum status check_value(const char *value, struct err *err)
{
    struct json json = json_over("new JSON value", slice_of(value));
    struct json_token token;
    do
        TRY(json_next(&json, &token, err));
    while (token.kind != JSON_END);
    return STATUS_OK;
}

/* Cuts the path after its first name and returns the rest, NULL after the last. */
static char *cut(char *path)
{
    char *slash = strchr(path, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

/* `path` is cut to pieces. */
static enum status edit(struct json json, char *path, const char *value, struct text *edited, struct err *err)
{
    const struct slice text = json.text;
    struct json_token token;
    struct site top, site;
    const char *name = path;
    char *rest = cut(path);
    size_t parent_key = 0;
    bool missing = false;
    TRY(json_expect(&json, JSON_OBJECT, &token, err));
    TRY(find(&json, token.at, name, &top, err));
    TRY(json_expect(&json, JSON_END, &token, err)); /* the whole text is valid */
    for (site = top; rest != NULL;) {
        missing = !site.found || !site.is_object;
        if (missing)
            break;
        parent_key = site.key;
        name = rest;
        rest = cut(rest);
        struct json inside = site.inside;
        TRY(find(&inside, inside.at - 1, name, &site, err));
    }
    struct look look = look_at(text, &top, &site, parent_key);
    struct text out = {.failed = look.base.failed};
    if (missing || (value == NULL && !site.found))
        text_add(&out, text.data, text.size);
    else if (value == NULL)
        drop(text, &site, &out);
    else if (site.found)
        replace(text, &site, &look.style, value, &out);
    else
        append(text, &site, &look, name, value, &out);
    text_free(&look.base);
    const enum status status = text_check(&out, err);
    if (status != STATUS_OK) {
        text_free(&out);
        return status;
    }
    text_free(edited);
    *edited = out;
    return STATUS_OK;
}

enum status splice_member(const char *where, struct slice text, const char *path, const char *value, struct text *edited, struct err *err)
{
    if (value != NULL)
        TRY(check_value(value, err));
    char *pieces = mem_alloc(strlen(path) + 1, 1, err);
    if (pieces == NULL)
        return STATUS_LIMIT;
    memcpy(pieces, path, strlen(path));
    const enum status status = edit(json_over(where, text), pieces, value, edited, err);
    free(pieces);
    return status;
}
