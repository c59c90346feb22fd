#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void set_fills_every_field(void **state)
{
    (void)state;
    struct err err = {.remedy = "of an older error"};
    assert_int_equal(err_set(&err, STATUS_CORRUPT, "a.bin", "found %d, expected %s", 3, "4"), STATUS_CORRUPT);
    assert_int_equal(err.status, STATUS_CORRUPT);
    assert_string_equal(err.where, "a.bin");
    assert_string_equal(err.what, "found 3, expected 4");
    assert_string_equal(err.remedy, "");
    assert_int_equal(err_set(&err, STATUS_LIMIT, NULL, "x"), STATUS_LIMIT);
    assert_string_equal(err.where, "");
    assert_int_equal(err_set(NULL, STATUS_USAGE, "a", "%d", 1), STATUS_USAGE);
}

static void remedy_keeps_the_rest(void **state)
{
    (void)state;
    struct err err;
    (void)err_set(&err, STATUS_UNREPRESENTABLE, "w", "what");
    assert_int_equal(err_try(&err, "--%s", "force"), STATUS_UNREPRESENTABLE);
    assert_string_equal(err.where, "w");
    assert_string_equal(err.what, "what");
    assert_string_equal(err.remedy, "--force");
    assert_int_not_equal(err_try(NULL, "x"), STATUS_OK);
}

static void errno_appends_the_reason(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_errno(&err, "/tmp/a", ENOSPC, "cannot write %d bytes", 7), STATUS_IO);
    assert_int_equal(err.status, STATUS_IO);
    assert_string_equal(err.where, "/tmp/a");
    assert_string_equal(err.what, "cannot write 7 bytes: No space left on device");
    assert_int_equal(err_errno(NULL, "a", EIO, "x"), STATUS_IO);
}

static void over_long_text_is_cut_visibly(void **state)
{
    (void)state;
    static char longer[2000];
    struct err err;
    memset(longer, 'a', sizeof longer - 1);
    (void)err_set(&err, STATUS_IO, longer, "%s", longer);
    (void)err_try(&err, "%s", longer);
    assert_int_equal(strlen(err.where), sizeof err.where - 1);
    assert_int_equal(strlen(err.what), sizeof err.what - 1);
    assert_int_equal(strlen(err.remedy), sizeof err.remedy - 1);
    assert_string_equal(err.where + sizeof err.where - 5, "a...");
    assert_string_equal(err.what + sizeof err.what - 5, "a...");
    assert_string_equal(err.remedy + sizeof err.remedy - 5, "a...");
    /* One byte less than the field is whole. */
    longer[sizeof err.where - 1] = '\0';
    (void)err_set(&err, STATUS_IO, longer, "x");
    assert_string_equal(err.where, longer);
}

static void every_status_has_its_word(void **state)
{
    (void)state;
    assert_string_equal(err_word(STATUS_OK), "ok");
    assert_string_equal(err_word(STATUS_DIFFERS), "differs");
    assert_string_equal(err_word(STATUS_USAGE), "usage");
    assert_string_equal(err_word(STATUS_IO), "io");
    assert_string_equal(err_word(STATUS_CORRUPT), "corrupt");
    assert_string_equal(err_word(STATUS_UNSUPPORTED), "unsupported");
    assert_string_equal(err_word(STATUS_UNREPRESENTABLE), "unrepresentable");
    assert_string_equal(err_word(STATUS_LIMIT), "limit");
    assert_string_equal(err_word(STATUS_CANCELLED), "cancelled");
    assert_string_equal(err_word((enum status)99), "unknown");
}

static void check_format(const char *where, const char *what, const char *remedy, const char *expected)
{
    struct err err;
    char text[8000];
    (void)err_set(&err, STATUS_CORRUPT, where, "%s", what);
    if (remedy != NULL)
        (void)err_try(&err, "%s", remedy);
    assert_int_equal(err_format(&err, text, sizeof text), strlen(expected));
    assert_string_equal(text, expected);
}

static void format_writes_two_lines(void **state)
{
    (void)state;
    check_format("a", "b", NULL, "repaq: error: a: b\n");
    check_format("a", "b", "c", "repaq: error: a: b\n  try: c\n");
    check_format("", "b", NULL, "repaq: error: b\n");
}

/* What a terminal would act on, and what is not UTF-8, is shown by its bytes. */
static void format_escapes_hostile_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *shown;
    } cases[] = {
        {"plain ~ text", "plain ~ text"},
        {"\x1b[31m", "\\x1b[31m"},
        {"a\nb\r\t", "a\\x0ab\\x0d\\x09"},
        {"\x7f", "\\x7f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"}, /* e acute, euro, a face */
        {"\xc2\x9b" "1m", "\\xc2\\x9b1m"},                                                /* CSI as one code point */
        {"\x80", "\\x80"},
        {"\xff\xfe", "\\xff\\xfe"},
        {"\xc0\xaf", "\\xc0\\xaf"},                 /* overlong, 2 bytes */
        {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},        /* overlong, 3 */
        {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"}, /* overlong, 4 */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},        /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
        {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
        {"\xe2\x82", "\\xe2\\x82"},                 /* cut short */
        {"\xe2\x82z", "\\xe2\\x82z"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[200];
        (void)snprintf(expected, sizeof expected, "repaq: error: %s: %s\n  try: %s\n", cases[i].shown, cases[i].shown, cases[i].shown);
        check_format(cases[i].bytes, cases[i].bytes, cases[i].bytes, expected);
    }
}

/* A small buffer cuts the text, never runs over, and is always terminated. */
static void format_stays_in_its_buffer(void **state)
{
    (void)state;
    struct err err;
    (void)err_set(&err, STATUS_CORRUPT, "wh\x01re", "wh\xc3\xa9t");
    (void)err_try(&err, "rem\x02" "dy");
    for (size_t size = 0; size < 100; size++) {
        char text[101];
        memset(text, '#', sizeof text);
        const size_t length = err_format(&err, text, size);
        for (size_t i = size; i < sizeof text; i++)
            assert_int_equal(text[i], '#');
        if (size == 0) {
            assert_int_equal(length, 0);
            continue;
        }
        assert_true(length < size);
        assert_int_equal(text[length], '\0');
        assert_int_equal(strlen(text), length);
    }
}

static enum status first_or_second(enum status first, enum status second)
{
    TRY(first);
    return second;
}

static void try_returns_early(void **state)
{
    (void)state;
    assert_int_equal(first_or_second(STATUS_IO, STATUS_LIMIT), STATUS_IO);
    assert_int_equal(first_or_second(STATUS_OK, STATUS_LIMIT), STATUS_LIMIT);
    assert_int_equal(first_or_second(STATUS_OK, STATUS_OK), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_every_field),
        cmocka_unit_test(remedy_keeps_the_rest),
        cmocka_unit_test(errno_appends_the_reason),
        cmocka_unit_test(over_long_text_is_cut_visibly),
        cmocka_unit_test(every_status_has_its_word),
        cmocka_unit_test(format_writes_two_lines),
        cmocka_unit_test(format_escapes_hostile_bytes),
        cmocka_unit_test(format_stays_in_its_buffer),
        cmocka_unit_test(try_returns_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
