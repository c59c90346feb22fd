#include "base/text.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- growing text ------------------------------------------------------------------------------------------------------------ */

static bool reserve(struct text *text, size_t more)
{
    void *data = text->data;
    if (text->failed || more > SIZE_MAX / 2 - text->size ||
        mem_grow(&data, &text->capacity, text->size + more + 1, 1, NULL) != STATUS_OK)
        text->failed = true;
    else
        text->data = data;
    return !text->failed;
}

void text_add(struct text *text, const char *data, size_t size)
{
    if (!reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, data, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void text_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

void text_format(struct text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length))
        text->size += (size_t)vsnprintf(text->data + text->size, (size_t)length + 1, format, again);
    va_end(again);
}

enum status text_check(const struct text *text, struct err *err)
{
    return text->failed ? err_set(err, STATUS_LIMIT, "memory", "out of memory") : STATUS_OK;
}

void text_free(struct text *text)
{
    free(text->data);
    *text = (struct text){0};
}

/* --- byte counts ------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint64_t bytes;
} units[] = {
    {"B", 1}, {"KB", UINT64_C(1000)}, {"MB", UINT64_C(1000000)}, {"GB", UINT64_C(1000000000)}, {"TB", UINT64_C(1000000000000)},
    {"KiB", UINT64_C(1) << 10}, {"MiB", UINT64_C(1) << 20}, {"GiB", UINT64_C(1) << 30}, {"TiB", UINT64_C(1) << 40}, {"", 1},
};
#define UNITS_DECIMAL 5

__extension__ typedef unsigned __int128 wide; /* products of two 64-bit counts */

const char *text_bytes(uint64_t bytes, char buffer[32])
{
    size_t unit = 0;
    while (unit + 1 < UNITS_DECIMAL && bytes >= units[unit + 1].bytes)
        unit++;
    const uint64_t tenths = (bytes % units[unit].bytes) / (units[unit].bytes < 10 ? 1 : units[unit].bytes / 10);
    if (unit == 0 || tenths == 0)
        (void)snprintf(buffer, 32, "%llu %s", (unsigned long long)(bytes / units[unit].bytes), units[unit].name);
    else
        (void)snprintf(buffer, 32, "%llu.%llu %s", (unsigned long long)(bytes / units[unit].bytes), (unsigned long long)tenths, units[unit].name);
    return buffer;
}

bool text_parse_bytes(const char *string, uint64_t *bytes)
{
    size_t digits = strspn(string, "0123456789"), fraction = 0;
    const char *unit = string + digits;
    if (*unit == '.') {
        fraction = strspn(unit + 1, "0123456789");
        unit += fraction + 1;
    }
    if (digits == 0 || digits > 18 || fraction > 9 || (string[digits] == '.' && fraction == 0))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(unit, units[i].name) != 0)
            continue;
        wide sum = (wide)strtoull(string, NULL, 10) * units[i].bytes;
        uint64_t part = units[i].bytes; /* decimal places, each a tenth of the one before, in bytes */
        wide scaled = 0, scale = 1;
        for (size_t f = 0; f < fraction; f++) {
            scaled = scaled * 10 + (unsigned)(string[digits + 1 + f] - '0');
            scale *= 10;
        }
        sum += scaled * part / scale;
        if (sum == 0 || sum > UINT64_MAX / 4)
            return false;
        *bytes = (uint64_t)sum;
        return true;
    }
    return false;
}
