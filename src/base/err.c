#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* `length` is what snprintf wanted to write: marks a cut with "...". */
static void mark_cut(char *buffer, size_t size, int length)
{
    if (length >= 0 && (size_t)length >= size)
        memcpy(buffer + size - 4, "...", 4);
}

PRINTF_LIKE(3, 0) static void print_cut(char *buffer, size_t size, const char *format, va_list arguments)
{
    mark_cut(buffer, size, vsnprintf(buffer, size, format, arguments));
}

enum status err_set(struct err *err, enum status status, const char *where, const char *format, ...)
{
    if (err == NULL)
        return status;
    va_list arguments;
    va_start(arguments, format);
    err->status = status;
    err->remedy[0] = '\0';
    mark_cut(err->where, sizeof err->where, snprintf(err->where, sizeof err->where, "%s", where == NULL ? "" : where));
    print_cut(err->what, sizeof err->what, format, arguments);
    va_end(arguments);
    return status;
}

enum status err_try(struct err *err, const char *format, ...)
{
    if (err == NULL)
        return STATUS_CORRUPT;
    va_list arguments;
    va_start(arguments, format);
    print_cut(err->remedy, sizeof err->remedy, format, arguments);
    va_end(arguments);
    return err->status;
}

enum status err_errno(struct err *err, const char *where, int error_number, const char *format, ...)
{
    char text[600], reason[128];
    va_list arguments;
    va_start(arguments, format);
    print_cut(text, sizeof text, format, arguments);
    va_end(arguments);
    return err_set(err, STATUS_IO, where, "%s: %s", text, strerror_r(error_number, reason, sizeof reason));
}

const char *err_word(enum status status)
{
    static const char *const words[] = {"ok", "differs", "usage", "io", "corrupt", "unsupported", "unrepresentable", "limit", "cancelled"};
    return (size_t)status < sizeof words / sizeof words[0] ? words[status] : "unknown";
}

/* Bytes of the valid UTF-8 sequence at text, or 0. Terminals act on control bytes, so those count as invalid. */
static size_t printable(const unsigned char *text)
{
    static const struct {
        unsigned char mask, lead, low, high;
    } forms[] = {{0x80, 0x00, 0x20, 0x7e}, {0xe0, 0xc0, 0xc2, 0xdf}, {0xf0, 0xe0, 0xe0, 0xef}, {0xf8, 0xf0, 0xf0, 0xf4}};
    for (size_t extra = 0; extra < 4; extra++) {
        if ((text[0] & forms[extra].mask) != forms[extra].lead)
            continue;
        if (text[0] < forms[extra].low || text[0] > forms[extra].high)
            return 0;
        for (size_t i = 1; i <= extra; i++)
            if ((text[i] & 0xc0) != 0x80)
                return 0;
        const bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
        const bool outside = (text[0] == 0xed && text[1] > 0x9f) || (text[0] == 0xf4 && text[1] > 0x8f);
        const bool control = text[0] == 0xc2 && text[1] < 0xa0; /* C1 controls */
        return overlong || outside || control ? 0 : extra + 1;
    }
    return 0;
}

static size_t add_escaped(char *target, size_t size, size_t used, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0';) {
        const size_t length = printable(at);
        if (used + 5 >= size)
            break;
        if (length == 0) {
            used += (size_t)sprintf(target + used, "\\x%02x", *at++);
            continue;
        }
        memcpy(target + used, at, length);
        used += length;
        at += length;
    }
    target[used] = '\0';
    return used;
}

size_t err_format(const struct err *err, char *text, size_t text_size)
{
    if (text_size == 0)
        return 0;
    size_t used = add_escaped(text, text_size, 0, "repaq: error: ");
    if (err->where[0] != '\0') {
        used = add_escaped(text, text_size, used, err->where);
        used = add_escaped(text, text_size, used, ": ");
    }
    used = add_escaped(text, text_size, used, err->what);
    if (used + 2 < text_size)
        text[used++] = '\n';
    text[used] = '\0';
    if (err->remedy[0] == '\0')
        return used;
    used = add_escaped(text, text_size, used, "  try: ");
    used = add_escaped(text, text_size, used, err->remedy);
    if (used + 2 < text_size)
        text[used++] = '\n';
    text[used] = '\0';
    return used;
}
