#include "tokenizer/normalizer.h"

#include <stdlib.h>
#include <utf8proc.h>

#define CAPITAL_I_WITH_DOT 0x130 /* the one character whose lower case is two */

static enum status form(enum normalizer_kind kind, struct slice text, struct text *to, struct err *err)
{
    static const utf8proc_option_t option[] = {
        [NORMALIZER_NFC] = UTF8PROC_COMPOSE,
        [NORMALIZER_NFD] = UTF8PROC_DECOMPOSE,
        [NORMALIZER_NFKC] = UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [NORMALIZER_NFKD] = UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *made = NULL;
    const utf8proc_ssize_t size = utf8proc_map((const utf8proc_uint8_t *)text.data, (utf8proc_ssize_t)text.size, &made, UTF8PROC_STABLE | option[kind]);
    if (size < 0)
        return err_set(err, size == UTF8PROC_ERROR_NOMEM ? STATUS_LIMIT : STATUS_CORRUPT, "text", "cannot normalize it: %s", utf8proc_errmsg(size));
    text_add(to, (const char *)made, (size_t)size);
    free(made);
    return STATUS_OK;
}

static bool is_mark(utf8proc_int32_t c)
{
    const utf8proc_category_t category = utf8proc_category(c);
    return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC || category == UTF8PROC_CATEGORY_ME;
}

/* Character by character: lower case, or without marks. */
static enum status each(enum normalizer_kind kind, struct slice text, struct text *to, struct err *err)
{
    for (size_t at = 0; at < text.size;) {
        utf8proc_int32_t c;
        utf8proc_uint8_t bytes[4];
        const utf8proc_ssize_t size = utf8proc_iterate((const utf8proc_uint8_t *)text.data + at, (utf8proc_ssize_t)(text.size - at), &c);
        if (size <= 0)
            return err_set(err, STATUS_CORRUPT, "text", "found bytes that are no UTF-8 at %zu", at);
        at += (size_t)size;
        if (kind == NORMALIZER_LOWERCASE && c == CAPITAL_I_WITH_DOT)
            text_string(to, "i\xcc\x87");
        else if (kind == NORMALIZER_LOWERCASE || !is_mark(c))
            text_add(to, (const char *)bytes, (size_t)utf8proc_encode_char(kind == NORMALIZER_LOWERCASE ? utf8proc_tolower(c) : c, bytes));
    }
    return STATUS_OK;
}

static enum status replace(const struct normalizer_step *step, struct slice text, struct text *to, struct err *err)
{
    size_t from = 0;
    struct regex_span span;
    bool found = true;
    while (from < text.size) {
        TRY(regex_find(step->regex, text, from, &span, &found, err));
        if (!found)
            break;
        if (span.start == span.end)
            return err_set(err, STATUS_UNSUPPORTED, "normalizer",
                           "found a Replace whose pattern matches nothing at all, expected one that matches characters");
        text_add(to, text.data + from, span.start - from);
        text_add(to, step->content.data, step->content.size);
        from = span.end;
    }
    text_add(to, text.data + from, text.size - from);
    return STATUS_OK;
}

static enum status run(const struct normalizer_step *step, struct slice text, struct text *to, struct err *err)
{
    switch (step->kind) {
    case NORMALIZER_REPLACE:
        return replace(step, text, to, err);
    case NORMALIZER_PREPEND:
        if (text.size > 0)
            text_add(to, step->content.data, step->content.size);
        text_add(to, text.data, text.size);
        return STATUS_OK;
    case NORMALIZER_LOWERCASE:
    case NORMALIZER_STRIP_ACCENTS:
        return each(step->kind, text, to, err);
    default:
        return form(step->kind, text, to, err);
    }
}

enum status normalizer_apply(const struct normalizer_step *step, size_t steps, struct slice text, struct text *normalized, struct err *err)
{
    struct text turn[2] = {{0}, {0}}; /* of two buffers one is read while the other is written */
    struct slice now = text;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < steps && status == STATUS_OK; i++) {
        struct text *const to = &turn[i % 2];
        to->size = 0;
        status = run(&step[i], now, to, err);
        if (status == STATUS_OK)
            status = text_check(to, err);
        now = (struct slice){to->data == NULL ? "" : to->data, to->size};
    }
    if (status == STATUS_OK)
        text_add(normalized, now.data, now.size);
    text_free(&turn[0]);
    text_free(&turn[1]);
    return status;
}
