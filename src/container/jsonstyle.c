#include "container/jsonstyle.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void line(const struct jsonstyle *style, size_t depth, struct text *text)
{
    if (!style->lines)
        return;
    text_add(text, style->newline.data, style->newline.size);
    text_add(text, style->base.data, style->base.size);
    for (size_t i = 0; i < depth; i++)
        text_add(text, style->unit.data, style->unit.size);
}

/* The end of the string or scalar that begins at `at`. */
static size_t token_end(struct slice value, size_t at)
{
    if (value.data[at] != '"') {
        while (at < value.size && value.data[at] != ',' && value.data[at] != '}' && value.data[at] != ']' && !is_blank(value.data[at]))
            at++;
        return at;
    }
    for (at++; at < value.size && value.data[at] != '"'; at++)
        at += value.data[at] == '\\';
    return at < value.size ? at + 1 : value.size;
}

/* Layout needs no grammar: in valid JSON the six punctuation bytes outside strings say it all. */
void jsonstyle_write(struct slice value, const struct jsonstyle *style, struct text *text)
{
    size_t depth = 0;
    bool opened = false; /* the last token was '{' or '[' */
    for (size_t at = 0; at < value.size;) {
        const char c = value.data[at];
        if (is_blank(c)) {
            at++;
            continue;
        }
        const bool closes = c == '}' || c == ']';
        depth -= closes && depth > 0;
        if (opened != closes)
            line(style, depth, text);
        opened = c == '{' || c == '[';
        size_t end = at + 1;
        if (c == ',') {
            const struct slice comma = style->lines ? slice_of(",") : style->comma;
            text_add(text, comma.data, comma.size);
            line(style, depth, text);
        } else if (c == ':') {
            text_add(text, style->colon.data, style->colon.size);
        } else {
            end = opened || closes ? end : token_end(value, at);
            text_add(text, value.data + at, end - at);
            depth += opened;
        }
        at = end;
    }
}
