#include "container/jsondoc.h"

#include "base/limits.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct jsondoc *parse(const char *text)
{
    struct jsondoc *doc;
    struct err err = {0};
    if (jsondoc_parse("doc", slice_of(text), &doc, &err) != STATUS_OK)
        fail_msg("%s: %s", text, err.what);
    return doc;
}

static void check_print(const struct jsondoc *doc, const char *expected)
{
    struct text text = {0};
    struct err err = {0};
    if (jsondoc_print(doc, &text, &err) != STATUS_OK)
        fail_msg("%s", err.what);
    assert_string_equal(text.data, expected);
    text_free(&text);
}

static void reads(void **state)
{
    (void)state;
    struct jsondoc *doc = parse(" {\"Bits\": 8, \"bits\": 4, \"sym\": true, \"desc\": false, \"none\": null, \"name\": \"g\\u00e9\", \"list\": [1, \"x\"], \"o\": {\"a\": 1}} ");
    int64_t whole;
    bool flag;
    assert_int_equal(jsondoc_kind(doc), JSONDOC_OBJECT);
    assert_true(jsondoc_int(jsondoc_get(doc, "bits"), &whole)); /* not "Bits" */
    assert_int_equal(whole, 4);
    assert_null(jsondoc_get(doc, "BITS"));
    assert_null(jsondoc_get(doc, "bit"));
    assert_true(jsondoc_bool(jsondoc_get(doc, "sym"), &flag) && flag);
    assert_true(jsondoc_bool(jsondoc_get(doc, "desc"), &flag) && !flag);
    assert_false(jsondoc_bool(jsondoc_get(doc, "bits"), &flag));
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "sym")), JSONDOC_BOOL);
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "none")), JSONDOC_NULL);
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "bits")), JSONDOC_NUMBER);
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "list")), JSONDOC_ARRAY);
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "name")), JSONDOC_STRING);
    assert_string_equal(jsondoc_string(jsondoc_get(doc, "name")), "g\xc3\xa9");
    assert_null(jsondoc_string(jsondoc_get(doc, "bits")));
    const struct jsondoc *item = jsondoc_first(jsondoc_get(doc, "list"));
    assert_true(jsondoc_int(item, &whole));
    assert_null(jsondoc_name(item));
    item = jsondoc_next(item);
    assert_string_equal(jsondoc_string(item), "x");
    assert_null(jsondoc_next(item));
    item = jsondoc_first(doc);
    assert_string_equal(jsondoc_name(item), "Bits");
    assert_null(jsondoc_get(jsondoc_get(doc, "list"), "a"));
    jsondoc_free(doc);
}

static void absent_values(void **state)
{
    (void)state;
    int64_t whole;
    bool flag;
    assert_null(jsondoc_get(NULL, "a"));
    assert_null(jsondoc_first(NULL));
    assert_null(jsondoc_next(NULL));
    assert_null(jsondoc_name(NULL));
    assert_null(jsondoc_string(NULL));
    assert_false(jsondoc_int(NULL, &whole));
    assert_false(jsondoc_bool(NULL, &flag));
    assert_int_equal(jsondoc_kind(NULL), JSONDOC_NULL);
    jsondoc_free(NULL);
}

static void integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-128", true, -128},
        {"9007199254740992", true, INT64_C(9007199254740992)},
        {"-9007199254740992", true, -INT64_C(9007199254740992)},
        {"9007199254740993", false, 0},
        {"-9007199254740993", false, 0},
        {"18446744073709551616", false, 0},
        {"4.0", true, 4},
        {"1e2", true, 100},
        {"4.5", false, 0},
        {"1e300", false, 0},
        {"1e999", false, 0},
        {"9007199254740993.0", false, 0},
        {"\"4\"", false, 0},
        {"true", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jsondoc *doc = parse(cases[i].text);
        int64_t value = 0;
        if (jsondoc_int(doc, &value) != cases[i].good || value != cases[i].value)
            fail_msg("%s gave %lld", cases[i].text, (long long)value);
        jsondoc_free(doc);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        enum status status;
    } cases[] = {
        {"", "byte 0", STATUS_CORRUPT},
        {"{\"a\": 1,}", "byte 8", STATUS_CORRUPT},
        {"{\"a\": 1} x", "byte 9", STATUS_CORRUPT},
        {"\xef\xbb\xbf{}", "byte 0", STATUS_CORRUPT},
        {"{\"a\": \"\xff\"}", "UTF-8", STATUS_CORRUPT},
        {"{\"a\": 1, \"b\": 2, \"a\": 1}", "byte 17: found \"a\" twice", STATUS_CORRUPT},
        {"{\"x\": [{\"a\": 1, \"\\u0061\": 1}]}", "\"a\" twice", STATUS_CORRUPT},
        {"{\"\": 1, \"\": 1}", "\"\" twice", STATUS_CORRUPT},
        {"{\"a\": \"x\\u0000y\"}", "NUL", STATUS_CORRUPT},
        {"{\"a\\u0000\": 1}", "NUL", STATUS_CORRUPT},
        {"[1234567890123456789012345678901234567890123456789012345678901234]", "64 characters", STATUS_LIMIT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jsondoc *doc;
        struct err err = {0};
        if (jsondoc_parse("doc", slice_of(cases[i].text), &doc, &err) != cases[i].status || strstr(err.what, cases[i].message) == NULL)
            fail_msg("%s: %s", cases[i].text, err.what);
        assert_null(doc);
        assert_string_equal(err.where, "doc");
    }
}

static void bounds(void **state)
{
    (void)state;
    struct jsondoc *doc;
    struct err err;
    char *text = malloc(LIMIT_JSON_DOCUMENT_BYTES_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', LIMIT_JSON_DOCUMENT_BYTES_MAX + 1);
    memcpy(text, "{}", 2);
    assert_int_equal(jsondoc_parse("doc", (struct slice){text, LIMIT_JSON_DOCUMENT_BYTES_MAX}, &doc, &err), STATUS_OK);
    jsondoc_free(doc);
    assert_int_equal(jsondoc_parse("doc", (struct slice){text, LIMIT_JSON_DOCUMENT_BYTES_MAX + 1}, &doc, &err), STATUS_LIMIT);
    memset(text, '[', 200);
    memset(text + 200, ']', 200);
    assert_int_equal(jsondoc_parse("doc", (struct slice){text, 400}, &doc, &err), STATUS_LIMIT);
    memset(text + LIMIT_JSON_DEPTH_MAX, ']', LIMIT_JSON_DEPTH_MAX);
    assert_int_equal(jsondoc_parse("doc", (struct slice){text, 2 * LIMIT_JSON_DEPTH_MAX}, &doc, &err), STATUS_OK);
    struct text printed = {0};
    assert_int_equal(jsondoc_print(doc, &printed, &err), STATUS_OK);
    text_free(&printed);
    jsondoc_free(doc);
    free(text);
}

/* One object of 200,000 names, and the same names in objects of their own. */
static void many_names(void **state)
{
    (void)state;
    struct text text = {0};
    for (unsigned objects = 0; objects < 2; objects++) {
        text.size = 0;
        text_string(&text, objects ? "[{\"x\":0}" : "{\"y\":0");
        for (unsigned i = 0; i < 200000; i++)
            text_format(&text, objects ? ",{\"n\":%u}" : ",\"n%u\":0", i);
        text_string(&text, objects ? "]" : "}");
        struct jsondoc *doc;
        assert_int_equal(jsondoc_parse("doc", (struct slice){text.data, text.size}, &doc, NULL), STATUS_OK);
        jsondoc_free(doc);
    }
    text_free(&text);
}

static void prints_what_it_read(void **state)
{
    (void)state;
    struct jsondoc *doc = parse("{\"f\":1.0,\"big\":18446744073709551615,\"e\":1E5,\"t\":[true,false,null,[],{},[1,[2]]],\"s\":\"\\u00e9\\n\\u0001\",\"o\":{\"k\":-0}}");
    check_print(doc, "{\n  \"f\": 1.0,\n  \"big\": 18446744073709551615,\n  \"e\": 1E5,\n  \"t\": [\n    true,\n    false,\n    null,\n    [],\n    {},\n    [\n"
                     "      1,\n      [\n        2\n      ]\n    ]\n  ],\n  \"s\": \"\xc3\xa9\\n\\u0001\",\n  \"o\": {\n    \"k\": -0\n  }\n}");
    check_print(jsondoc_get(doc, "o"), "{\n  \"k\": -0\n}");
    check_print(jsondoc_get(doc, "f"), "1.0");
    jsondoc_free(doc);
    static const char *const scalars[] = {"12", "\"x\"", "null", "true", "[]", "{}"};
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        doc = parse(scalars[i]);
        check_print(doc, scalars[i]);
        jsondoc_free(doc);
    }
}

static void builds(void **state)
{
    (void)state;
    struct jsondoc *doc = jsondoc_new_object();
    jsondoc_add_string(doc, "name", "a \"b\"");
    jsondoc_add_u64(doc, "u", UINT64_MAX);
    jsondoc_add_int(doc, "i", INT64_MIN);
    jsondoc_add_double(doc, "d", 0.1);
    jsondoc_add_bool(doc, "yes", true);
    jsondoc_add_bool(doc, "no", false);
    jsondoc_add_null(doc, "none");
    jsondoc_add_string(doc, "nothing", NULL);
    jsondoc_add_string(doc, "bytes", "\xff");
    struct jsondoc *list = jsondoc_add_array(doc, "list");
    jsondoc_add_string(list, NULL, "x");
    jsondoc_add_u64(list, NULL, 7);
    jsondoc_add_double(jsondoc_add_object(list, NULL), "nan", NAN);
    (void)jsondoc_add_array(list, NULL);
    (void)jsondoc_add_object(doc, "empty");
    check_print(doc, "{\n  \"name\": \"a \\\"b\\\"\",\n  \"u\": 18446744073709551615,\n  \"i\": -9223372036854775808,\n  \"d\": 0.1,\n  \"yes\": true,\n"
                     "  \"no\": false,\n  \"none\": null,\n  \"nothing\": null,\n  \"bytes\": \"\xef\xbf\xbd\",\n  \"list\": [\n    \"x\",\n    7,\n    {\n"
                     "      \"nan\": null\n    },\n    []\n  ],\n  \"empty\": {}\n}");
    int64_t whole;
    assert_true(jsondoc_int(jsondoc_next(jsondoc_first(list)), &whole) && whole == 7);
    jsondoc_free(doc);
}

static void doubles(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"}, {-0.0, "-0.0"}, {1, "1.0"}, {0.1, "0.1"}, {-2.5, "-2.5"}, {100000, "100000.0"}, {1e15, "1000000000000000.0"}, {1e16, "1e+16"},
        {123456789.125, "123456789.125"}, {0.0001, "0.0001"}, {0.00001, "1e-05"}, {1.0 / 3, "0.3333333333333333"}, {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"}, {9007199254740993.0, "9007199254740992.0"}, {0.0009765625, "0.0009765625"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jsondoc *doc = jsondoc_new_object();
        char expected[80];
        jsondoc_add_double(doc, "d", cases[i].value);
        (void)snprintf(expected, sizeof expected, "{\n  \"d\": %s\n}", cases[i].text);
        check_print(doc, expected);
        assert_true(strtod(cases[i].text, NULL) == cases[i].value);
        jsondoc_free(doc);
    }
    const unsigned seed = 7;
    srand(seed);
    for (int i = 0; i < 2000; i++) {
        const double value = ldexp((double)rand() / RAND_MAX - 0.5, rand() % 200 - 100);
        struct jsondoc *doc = jsondoc_new_object();
        struct text text = {0};
        jsondoc_add_double(doc, "d", value);
        assert_int_equal(jsondoc_print(doc, &text, NULL), STATUS_OK);
        if (strtod(text.data + strlen("{\n  \"d\": "), NULL) != value)
            fail_msg("seed %u, round %d: %a printed as %s", seed, i, value, text.data);
        text_free(&text);
        jsondoc_free(doc);
    }
}

static void absent_parents(void **state)
{
    (void)state;
    struct text text = {0};
    struct err err;
    assert_null(jsondoc_add_object(NULL, "a"));
    assert_null(jsondoc_add_array(NULL, NULL));
    jsondoc_add_string(NULL, "a", "b");
    jsondoc_add_u64(NULL, "a", 1);
    jsondoc_add_int(NULL, "a", 1);
    jsondoc_add_double(NULL, "a", 1);
    jsondoc_add_bool(NULL, "a", true);
    jsondoc_add_null(NULL, "a");
    assert_int_equal(jsondoc_print(NULL, &text, &err), STATUS_LIMIT);
    assert_string_equal(err.what, "out of memory");
    struct jsondoc *doc = jsondoc_new_object(), *inner = doc;
    for (int i = 0; i < LIMIT_JSON_DEPTH_MAX; i++)
        inner = jsondoc_add_object(inner, "d");
    assert_int_equal(jsondoc_print(doc, &text, &err), STATUS_LIMIT);
    assert_non_null(strstr(err.what, "128"));
    jsondoc_free(doc);
    text_free(&text);
}

static void mutations(void **state)
{
    (void)state;
    static const char good[] = "{\"a\\u0041\": [1, -2.5e+3, \"x\\ud83d\\ude00\", {\"b\": null, \"c\": [true, false]}], \"d\": {}}";
    const unsigned seed = 99;
    srand(seed);
    for (int i = 0; i < 5000; i++) {
        char copy[sizeof good];
        memcpy(copy, good, sizeof good);
        for (int flips = rand() % 3 + 1; flips > 0; flips--)
            copy[(size_t)rand() % (sizeof good - 1)] ^= (char)(1 << rand() % 8);
        struct jsondoc *doc;
        struct err err = {0};
        struct text text = {0};
        const enum status status = jsondoc_parse("doc", (struct slice){copy, sizeof good - 1}, &doc, &err);
        if (status != STATUS_OK && status != STATUS_CORRUPT)
            fail_msg("seed %u, round %d: status %d: %s", seed, i, status, err.what);
        if (status == STATUS_OK)
            assert_int_equal(jsondoc_print(doc, &text, NULL), STATUS_OK);
        text_free(&text);
        jsondoc_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),      cmocka_unit_test(absent_values),       cmocka_unit_test(integers), cmocka_unit_test(refuses), cmocka_unit_test(bounds),
        cmocka_unit_test(many_names), cmocka_unit_test(prints_what_it_read), cmocka_unit_test(builds),   cmocka_unit_test(doubles),
        cmocka_unit_test(absent_parents), cmocka_unit_test(mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
