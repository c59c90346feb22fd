#include "container/jsonstyle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char value[] = "{\"a\" :[1,  2,{}, [ ]],\n\"b\":{\"c\":\"x, {y}: \\\" [\",\"d\":\"\\\\\"},\"e\":-1.5e+3}";

static void check(const char *text, struct jsonstyle style, const char *expected)
{
    struct text out = {0};
    jsonstyle_write(slice_of(text), &style, &out);
    assert_string_equal(out.data, expected);
    text_free(&out);
}

static void lines(void **state)
{
    (void)state;
    struct jsonstyle style = {.lines = true, .newline = slice_of("\n"), .unit = slice_of("  "), .colon = slice_of(": ")};
    check(value, style,
          "{\n  \"a\": [\n    1,\n    2,\n    {},\n    []\n  ],\n  \"b\": {\n    \"c\": \"x, {y}: \\\" [\",\n    \"d\": \"\\\\\"\n  },\n  \"e\": -1.5e+3\n}");
    style.base = slice_of("\t");
    style.unit = slice_of("\t");
    style.newline = slice_of("\r\n");
    check("{\"a\":[1]}", style, "{\r\n\t\t\"a\": [\r\n\t\t\t1\r\n\t\t]\r\n\t}");
}

static void one_line(void **state)
{
    (void)state;
    struct jsonstyle style = {.comma = slice_of(","), .colon = slice_of(":")};
    check(value, style, "{\"a\":[1,2,{},[]],\"b\":{\"c\":\"x, {y}: \\\" [\",\"d\":\"\\\\\"},\"e\":-1.5e+3}");
    style.comma = slice_of(", ");
    style.colon = slice_of(": ");
    check(value, style, "{\"a\": [1, 2, {}, []], \"b\": {\"c\": \"x, {y}: \\\" [\", \"d\": \"\\\\\"}, \"e\": -1.5e+3}");
}

static void scalars(void **state)
{
    (void)state;
    const struct jsonstyle style = {.lines = true, .newline = slice_of("\n"), .unit = slice_of("  "), .colon = slice_of(": ")};
    check(" null ", style, "null");
    check("\"\"", style, "\"\"");
    check("12", style, "12");
    check("{ }", style, "{}");
    check("[\n]", style, "[]");
}

/* Not valid JSON, but the function must come to an end in its buffer. */
static void garbage(void **state)
{
    (void)state;
    const struct jsonstyle style = {.lines = true, .newline = slice_of("\n"), .unit = slice_of(" "), .colon = slice_of(":")};
    static const char *const texts[] = {"\"abc", "\"abc\\", "]]}}", "{[", ",:,", "a b"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct text out = {0};
        jsonstyle_write(slice_of(texts[i]), &style, &out);
        assert_false(out.failed);
        assert_true(out.size > 0);
        text_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines), cmocka_unit_test(one_line), cmocka_unit_test(scalars), cmocka_unit_test(garbage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
