#include "base/regex.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define STEPS_MAX 1000000u /* of one match */
#define HEAP_KIB_MAX 16384u
#define PATTERN_BYTES_MAX ((size_t)1 << 16)

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
    char where[64];
};

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    pcre2_match_context_free(regex->context);
    pcre2_match_data_free(regex->data);
    pcre2_code_free(regex->code);
    free(regex);
}

/* `more`: options of PCRE2 beside those that all patterns have. */
static enum status compile(struct regex **regex, struct slice pattern, uint32_t more, const char *where, enum status status, struct err *err)
{
    int number;
    PCRE2_SIZE offset;
    *regex = NULL;
    if (pattern.size > PATTERN_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, where, "found a pattern of %zu bytes, expected at most %zu", pattern.size, PATTERN_BYTES_MAX);
    struct regex *made = mem_alloc(1, sizeof *made, err);
    if (made == NULL)
        return STATUS_LIMIT;
    (void)snprintf(made->where, sizeof made->where, "%s", where);
    made->code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | more, &number, &offset, NULL);
    if (made->code == NULL) {
        PCRE2_UCHAR text[128] = {0};
        (void)pcre2_get_error_message(number, text, sizeof text);
        regex_free(made);
        return err_set(err, status, where, "found the pattern \"%.*s\", expected a regular expression: %s at %zu",
                       (int)(pattern.size < 200 ? pattern.size : 200), pattern.data, (const char *)text, (size_t)offset);
    }
    made->data = pcre2_match_data_create(1, NULL);
    made->context = pcre2_match_context_create(NULL);
    if (made->data == NULL || made->context == NULL) {
        regex_free(made);
        return err_set(err, STATUS_LIMIT, where, "out of memory");
    }
    (void)pcre2_set_match_limit(made->context, STEPS_MAX);
    (void)pcre2_set_heap_limit(made->context, HEAP_KIB_MAX);
    *regex = made;
    return STATUS_OK;
}

enum status regex_compile(struct regex **regex, struct slice pattern, const char *where, enum status status, struct err *err)
{
    return compile(regex, pattern, 0, where, status, err);
}

enum status regex_compile_words(struct regex **regex, struct slice pattern, const char *where, enum status status, struct err *err)
{
    return compile(regex, pattern, PCRE2_UCP | PCRE2_MULTILINE, where, status, err);
}

static enum status run(const struct regex *regex, struct slice text, size_t from, uint32_t options, bool *found, struct err *err)
{
    const int result = pcre2_match(regex->code, (PCRE2_SPTR)text.data, text.size, from, options, regex->data, regex->context);
    *found = result >= 0;
    if (result >= 0 || result == PCRE2_ERROR_NOMATCH)
        return STATUS_OK;
    PCRE2_UCHAR why[128] = {0};
    (void)pcre2_get_error_message(result, why, sizeof why);
    return err_set(err, STATUS_LIMIT, regex->where, "found a pattern that cannot be held against \"%.*s\": %s", (int)(text.size < 200 ? text.size : 200),
                   text.data, (const char *)why);
}

enum status regex_search(const struct regex *regex, struct slice text, bool *found, struct err *err)
{
    return run(regex, text, 0, 0, found, err);
}

enum status regex_match(const struct regex *regex, struct slice text, bool *found, struct err *err)
{
    return run(regex, text, 0, PCRE2_ANCHORED, found, err);
}

enum status regex_find(const struct regex *regex, struct slice text, size_t from, struct regex_span *span, bool *found, struct err *err)
{
    TRY(run(regex, text, from, 0, found, err));
    if (*found) {
        const PCRE2_SIZE *const at = pcre2_get_ovector_pointer(regex->data);
        /* \K may put the start behind the end, or before `from` */
        if (at[0] > at[1] || at[0] < from)
            return err_set(err, STATUS_UNSUPPORTED, regex->where, "found a pattern whose match begins elsewhere than it is found (\\K), expected none");
        *span = (struct regex_span){at[0], at[1]};
    }
    return STATUS_OK;
}
