#include "cli/quantize_pattern.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define DIGITS "0123456789"

/* All of these: bytes of what begins at `at` and has one meaning only; 0: none. */

static size_t escape_size(const char *at)
{
    const char c = at[1];
    if (c == 'x')
        return isxdigit((unsigned char)at[2]) && isxdigit((unsigned char)at[3]) ? 4 : 0;
    if (isdigit((unsigned char)c)) /* a group, or a zero byte; of more digits they make different numbers */
        return isdigit((unsigned char)at[2]) ? 0 : 2;
    return c == '\0' || c == 'c' || c == 'u' ? 0 : 2;
}

/* A backslash before a letter that means nothing more by it. */
static bool is_idle_escape(const char *at)
{
    return at[0] == '\\' && at[1] >= 'a' && at[1] <= 'z' && strchr("bcdfnrstuvwx", at[1]) == NULL;
}

static size_t class_part_size(const char *at)
{
    static const char *const names[] = {"alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "xdigit"};
    if (at[0] != '[' || strchr(".=:", at[1]) == NULL || at[1] == '\0')
        return 1;
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        const size_t size = strlen(names[n]);
        if (at[1] == ':' && strncmp(at + 2, names[n], size) == 0 && strncmp(at + 2 + size, ":]", 2) == 0)
            return size + 4;
    }
    return 0;
}

static size_t quantifier_size(const char *at)
{
    if (*at == '*' || *at == '+' || *at == '?')
        return 1;
    const size_t least = strspn(at + 1, DIGITS), comma = 1 + least;
    const size_t end = at[comma] == ',' ? comma + 1 + strspn(at + comma + 1, DIGITS) : comma;
    return least > 0 && at[end] == '}' ? end + 1 : 0;
}

/* A quantifier, and whether it is lazy. What stands after these is possessive to PCRE2. */
static size_t repeat_size(const char *at)
{
    size_t size = quantifier_size(at);
    size += size > 0 && at[size] == '?';
    return strchr("*+?{", at[size]) != NULL && at[size] != '\0' ? 0 : size;
}

static size_t part_size(const char *at)
{
    if (at[0] == '[') {
        const size_t size = at[1] == '^' ? 2 : 1;
        return at[size] == ']' ? 0 : size;
    }
    if (at[0] == '(' && at[1] == '?')
        return at[2] == ':' || at[2] == '=' || at[2] == '!' ? 3 : 0;
    if (at[0] == '(')
        return at[1] == '*' ? 0 : 1;
    return strchr("*+?{", at[0]) != NULL ? repeat_size(at) : 1;
}

enum status quantize_pattern_settle(const char *where, char *pattern, struct err *err)
{
    char *out = pattern;
    bool in_class = false;
    for (char *c = pattern; *c != '\0'; c++) /* names of tensors are lower case */
        *c = (char)tolower((unsigned char)*c);
    for (const char *at = pattern; *at != '\0';) {
        at += is_idle_escape(at);
        const size_t size = *at == '\\' ? escape_size(at) : in_class ? class_part_size(at) : part_size(at);
        if (size == 0) {
            (void)err_set(err, STATUS_USAGE, where, "found \"%s\" in a pattern, which llama-quantize refuses or reads in a way of its own", at);
            return err_try(err, "names of tensors, with . * + ? | ( ) [ ] ^ $ \\d and \\. in them");
        }
        in_class = *at == '\\' ? in_class : in_class ? size != 1 || *at != ']' : *at == '[';
        memmove(out, at, size);
        out += size;
        at += size;
    }
    *out = '\0';
    return STATUS_OK;
}
