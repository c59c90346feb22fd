/* text, and the slices that text.h brings along. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* --- slices -------------------------------------------------------------------------------------------------------------------- */

static void slices_compare_by_bytes(void **state)
{
    (void)state;
    const struct slice empty = slice_of(NULL), word = slice_of("model.layers"), part = {"model.layers.0", 12};
    assert_int_equal(empty.size, 0);
    assert_true(slice_equal(empty, slice_of("")));
    assert_true(slice_equal(word, part));
    assert_false(slice_equal(word, slice_of("model.layerz")));
    assert_false(slice_equal(word, slice_of("model.layer")));
    assert_true(slice_equal((struct slice){"a\0b", 3}, (struct slice){"a\0b", 3}));
    assert_false(slice_equal((struct slice){"a\0b", 3}, (struct slice){"a\0c", 3}));
    assert_true(slice_is(part, "model.layers"));
    assert_false(slice_is(part, "model.layers.0"));
    assert_false(slice_is((struct slice){"a\0", 2}, "a"));
    assert_true(slice_is(empty, ""));
}

static void slices_start_and_end(void **state)
{
    (void)state;
    const struct slice name = {"proj.qweight!", 12};
    assert_true(slice_starts(name, "proj."));
    assert_true(slice_starts(name, "proj.qweight"));
    assert_true(slice_starts(name, ""));
    assert_false(slice_starts(name, "proj.qweight!"));
    assert_false(slice_starts(name, "qweight"));
    assert_true(slice_ends(name, ".qweight"));
    assert_true(slice_ends(name, ""));
    assert_false(slice_ends(name, "!"));
    assert_false(slice_ends(name, "xproj.qweight"));
    assert_true(slice_starts(slice_of(NULL), "") && slice_ends(slice_of(NULL), ""));
    assert_false(slice_starts(slice_of(NULL), "a") || slice_ends(slice_of(NULL), "a"));
}

static void slices_know_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "\xc3\xa9.txt", "\xe2\x82\xac", "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\x7f"};
    static const char *const bad[] = {"\x80", "a\xff", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "\xe2\x82", "\xe2\x28\xa1", "\xf0\x90\x80\x41"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(slice_is_utf8(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(slice_is_utf8(slice_of(bad[i])));
    assert_true(slice_is_utf8((struct slice){"a\0b", 3}));
    assert_int_equal(slice_utf8((struct slice){"\xf0\x90\x80\x80", 3}), 0); /* the rest is not its own */
}

static void slices_read_plain_decimals(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "01", "00", "0x1", "1.0", "1e3", "18446744073709551616",
                                      "99999999999999999999", "\xd9\xa1"};
    uint64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(slice_u64(slice_of(bad[i]), &value));
    assert_int_equal(value, 7);
    assert_true(slice_u64(slice_of("0"), &value));
    assert_int_equal(value, 0);
    assert_true(slice_u64((struct slice){"1234", 2}, &value));
    assert_int_equal(value, 12);
    assert_true(slice_u64(slice_of("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
}

/* --- growing text -------------------------------------------------------------------------------------------------------------- */

static void text_grows(void **state)
{
    (void)state;
    struct text text = {0};
    struct err err;
    assert_int_equal(text_check(&text, &err), STATUS_OK);
    text_string(&text, "");
    assert_string_equal(text.data, "");
    text_add(&text, "abXX", 2);
    text_string(&text, "cd");
    text_format(&text, "%d%s", 5, "f");
    assert_string_equal(text.data, "abcd5f");
    assert_int_equal(text.size, 6);
    text_add(&text, "\0z", 2);
    assert_int_equal(text.size, 8);
    assert_memory_equal(text.data, "abcd5f\0z", 9);
    text_free(&text);
    assert_null(text.data);
    assert_int_equal(text.size + text.capacity, 0);
    for (int i = 0; i < 20000; i++)
        text_format(&text, "%05d", i);
    assert_int_equal(text.size, 100000);
    assert_int_equal(text.data[100000], '\0');
    assert_memory_equal(text.data + 5 * 12345, "12345", 5);
    assert_int_equal(text_check(&text, &err), STATUS_OK);
    text_free(&text);
}

static void text_failure_sticks(void **state)
{
    (void)state;
    struct text text = {0};
    struct err err = {0};
    volatile size_t too_much = SIZE_MAX - 2;
    text_string(&text, "kept");
    text_add(&text, "x", too_much);
    assert_true(text.failed);
    text_string(&text, "more");
    text_add(&text, "more", 4);
    text_format(&text, "%d", 4);
    assert_string_equal(text.data, "kept");
    assert_int_equal(text.size, 4);
    assert_int_equal(text_check(&text, &err), STATUS_LIMIT);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.what, "out of memory");
    text_free(&text);
    assert_int_equal(text_check(&text, &err), STATUS_OK);
}

/* --- byte counts --------------------------------------------------------------------------------------------------------------- */

static void bytes_are_written_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"}, {12, "12 B"}, {999, "999 B"}, {1000, "1 KB"}, {1200, "1.2 KB"}, {768000, "768 KB"}, {1000000, "1 MB"},
        {1200000000, "1.2 GB"}, {5000000000, "5 GB"}, {UINT64_C(1500000000000), "1.5 TB"}, {UINT64_C(2000000000000000), "2000 TB"},
        {999999, "999.9 KB"}, /* never rounded up into "1000 KB" */
        {UINT64_MAX, "18446744 TB"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char buffer[32];
        assert_ptr_equal(text_bytes(cases[i].bytes, buffer), buffer);
        assert_string_equal(buffer, cases[i].text);
    }
}

static void bytes_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } cases[] = {
        {"1", 1}, {"1000000", 1000000}, {"12B", 12}, {"5GB", 5000000000}, {"5gb", 5000000000}, {"256MiB", 268435456}, {"256mib", 268435456},
        {"1KB", 1000}, {"1kB", 1000}, {"1KiB", 1024}, {"1TB", UINT64_C(1000000000000)}, {"1TiB", UINT64_C(1099511627776)},
        {"1GiB", 1073741824},
        {"1.5GB", 1500000000}, {"0.5KiB", 512}, {"2.25MB", 2250000}, {"1.000000001GB", 1000000001},
        {"999999999999999999", UINT64_C(999999999999999999)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t bytes = 0;
        const bool parsed = text_parse_bytes(cases[i].text, &bytes);
        if (!parsed || bytes != cases[i].bytes)
            print_error("%s: parsed %d, %llu\n", cases[i].text, parsed, (unsigned long long)bytes);
        assert_true(parsed && bytes == cases[i].bytes);
    }
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "GB", "0", "0GB", "0.0GB", "-1", "+1", "-5GB", " 5GB", "5 GB", "5GB ", "5XB", "5GBs", "5.GB",
                                      ".5GB", "5..1GB",
                                      "5,0GB", "1e9", "0x10", "inf", "nan", "99999999999999999999", "9999999999999999999999TB",
                                          "5000000TiB"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = 7;
        if (text_parse_bytes(bad[i], &bytes) || bytes != 7)
            print_error("\"%s\" gives %llu\n", bad[i], (unsigned long long)bytes);
        assert_false(text_parse_bytes(bad[i], &bytes));
        assert_int_equal(bytes, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices_compare_by_bytes),
        cmocka_unit_test(slices_start_and_end),
        cmocka_unit_test(slices_know_utf8),
        cmocka_unit_test(slices_read_plain_decimals),
        cmocka_unit_test(text_grows),
        cmocka_unit_test(text_failure_sticks),
        cmocka_unit_test(bytes_are_written_for_people),
        cmocka_unit_test(bytes_are_parsed),
        cmocka_unit_test(malformed_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
