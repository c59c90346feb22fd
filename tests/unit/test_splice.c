#include "container/splice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct edit {
    const char *text, *path, *value, *expected;
};

static void check(const struct edit *edit, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct text edited = {0};
        struct err err = {0};
        const enum status status = splice_member("config.json", slice_of(edit[i].text), edit[i].path, edit[i].value, &edited, &err);
        if (status != STATUS_OK)
            fail_msg("%s: %s", edit[i].text, err.what);
        assert_string_equal(edited.data, edit[i].expected);
        text_free(&edited);
    }
}

static void replaces(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        {"{\n  \"a\" : 1.0,\n  \"q\": {\n    \"x\": 1\n  },\n\n  \"z\":2\n}\n", "q", "{\n  \"y\": [\n    1\n  ]\n}",
         "{\n  \"a\" : 1.0,\n  \"q\": {\n    \"y\": [\n      1\n    ]\n  },\n\n  \"z\":2\n}\n"},
        {"{\n    \"a\": 1,\n    \"q\": null\n}", "q", "{\n  \"y\": 1\n}", "{\n    \"a\": 1,\n    \"q\": {\n        \"y\": 1\n    }\n}"},
        {"{\n\t\"q\": null\n}", "q", "[1]", "{\n\t\"q\": [\n\t\t1\n\t]\n}"},
        {"{\r\n  \"q\": 0\r\n}\r\n", "q", "[1]", "{\r\n  \"q\": [\r\n    1\r\n  ]\r\n}\r\n"},
        {"{\"a\":1,\"q\":[2]}", "q", "{\n  \"y\": 1,\n  \"z\": 2\n}", "{\"a\":1,\"q\":{\"y\":1,\"z\":2}}"},
        {"{\"a\": 1, \"q\": [2]}", "q", "{\"y\":1,\"z\":2}", "{\"a\": 1, \"q\": {\"y\": 1, \"z\": 2}}"},
        {"{\"\\u0071\": 1}", "q", "2", "{\"\\u0071\": 2}"},
        {" {\"q\":\"x\"} ", "q", "\"a, b\"", " {\"q\":\"a, b\"} "},
        {"{\n  \"t\": {\n    \"u\": 1,\n    \"q\": 2\n  },\n  \"q\": 3\n}", "t/q", "{\"y\":1}",
         "{\n  \"t\": {\n    \"u\": 1,\n    \"q\": {\n      \"y\": 1\n    }\n  },\n  \"q\": 3\n}"},
        {"{\n  \"t\": {\"q\": 2}\n}", "t/q", "{\n  \"y\": 1\n}", "{\n  \"t\": {\"q\": {\"y\": 1}}\n}"},
    };
    check(edits, sizeof edits / sizeof edits[0]);
}

static void appends(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        {"{\n  \"a\": 1\n}\n", "q", "{\n  \"y\": 1\n}", "{\n  \"a\": 1,\n  \"q\": {\n    \"y\": 1\n  }\n}\n"},
        {"{\n    \"a\": {\n        \"q\": 1\n    }\n}", "q", "{\"y\":[]}", "{\n    \"a\": {\n        \"q\": 1\n    },\n    \"q\": {\n        \"y\": []\n    }\n}"},
        {"{\"a\":1}", "q", "{\n  \"y\": 1\n}", "{\"a\":1,\"q\":{\"y\":1}}"},
        {"{\"a\": 1}", "q", "[1, 2]", "{\"a\": 1, \"q\": [1, 2]}"},
        {"{\"a\": 1,\"b\": 2}", "q", "3", "{\"a\": 1,\"b\": 2,\"q\": 3}"},
        {"{}", "q", "{\"y\": 1}", "{\"q\":{\"y\":1}}"},
        {"{\n}\n", "q", "{\"y\":1}", "{\n  \"q\": {\n    \"y\": 1\n  }\n}\n"},
        {"{\n  \"t\": {},\n  \"u\": 1\n}", "t/q", "1", "{\n  \"t\": {\n    \"q\": 1\n  },\n  \"u\": 1\n}"},
        {"{\n\t\"t\": {\n\t\t\"u\": 1\n\t}\n}", "t/q", "[1]", "{\n\t\"t\": {\n\t\t\"u\": 1,\n\t\t\"q\": [\n\t\t\t1\n\t\t]\n\t}\n}"},
        {"{\n  \"a\":1\n}", "q", "{\"y\":1}", "{\n  \"a\":1,\n  \"q\":{\n    \"y\":1\n  }\n}"},
        {"{\n  \"a\": 1\n}", "say \"hi\"", "1", "{\n  \"a\": 1,\n  \"say \\\"hi\\\"\": 1\n}"},
    };
    check(edits, sizeof edits / sizeof edits[0]);
}

static void removes(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        {"{\n  \"q\": {\n    \"x\": 1\n  },\n  \"a\": 1\n}\n", "q", NULL, "{\n  \"a\": 1\n}\n"},
        {"{\n  \"a\": 1,\n  \"q\": [1, 2],\n  \"b\": 2\n}\n", "q", NULL, "{\n  \"a\": 1,\n  \"b\": 2\n}\n"},
        {"{\n  \"a\": 1,\n  \"q\": 2\n}\n", "q", NULL, "{\n  \"a\": 1\n}\n"},
        {"{\n  \"q\": 2\n}\n", "q", NULL, "{}\n"},
        {"{\"a\":1,\"q\":2}", "q", NULL, "{\"a\":1}"},
        {"{\"a\": 1, \"q\": 2, \"b\": 3}", "q", NULL, "{\"a\": 1, \"b\": 3}"},
        {"{\"a\" : 1 , \"q\" : 2 , \"b\" : 3 }", "q", NULL, "{\"a\" : 1 , \"b\" : 3 }"},
        {"{\"a\" : 1 , \"q\" : 2 }", "q", NULL, "{\"a\" : 1 }"},
        {"{\n  \"t\": {\n    \"q\": 1,\n    \"u\": 2\n  }\n}", "t/q", NULL, "{\n  \"t\": {\n    \"u\": 2\n  }\n}"},
    };
    check(edits, sizeof edits / sizeof edits[0]);
}

static void leaves_alone(void **state)
{
    (void)state;
    static const struct edit edits[] = {
        {"{\"a\": 1.0}", "q", NULL, "{\"a\": 1.0}"},
        {"{ }", "q", NULL, "{ }"},
        {"{\"a\": 1}", "t/q", "1", "{\"a\": 1}"},
        {"{\"a\": 1}", "t/q", NULL, "{\"a\": 1}"},
        {"{\"t\": null}", "t/q", "1", "{\"t\": null}"},
        {"{\"t\": [{\"q\": 1}]}", "t/q", NULL, "{\"t\": [{\"q\": 1}]}"},
        {"{\"t\": {\"u\": 1}}", "t/v/q", "1", "{\"t\": {\"u\": 1}}"},
        {"{\"Q\": 1}", "q", NULL, "{\"Q\": 1}"},
        {"{\"a\": 1, \"a\": 1}", "q", NULL, "{\"a\": 1, \"a\": 1}"}, /* not on the way */
    };
    check(edits, sizeof edits / sizeof edits[0]);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path, *value, *where, *message;
    } cases[] = {
        {"[]", "q", "1", "config.json", "expected an object"},
        {"{\"a\": 1,}", "q", "1", "config.json", "byte 8"},
        {"{\"q\": 1} x", "q", "1", "config.json", "the end of the text"},
        {"{\"q\": 1, \"q\": 2}", "q", "1", "config.json", "\"q\" twice"},
        {"{\"q\": 1, \"\\u0071\": 2}", "q", NULL, "config.json", "\"q\" twice"},
        {"{\"t\": {}, \"t\": {}}", "t/q", "1", "config.json", "\"t\" twice"},
        {"{\"t\": {\"q\": 1, \"q\": 2}}", "t/q", "1", "config.json", "\"q\" twice"},
        {"{}", "q", "{", "new JSON value", "end of the text"},
        {"{}", "q", "1, 2", "new JSON value", "','"},
        {"{}", "q", "", "new JSON value", "end of the text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text edited = {0};
        struct err err = {0};
        text_string(&edited, "before");
        assert_int_equal(splice_member("config.json", slice_of(cases[i].text), cases[i].path, cases[i].value, &edited, &err), STATUS_CORRUPT);
        assert_string_equal(err.where, cases[i].where);
        assert_non_null(strstr(err.what, cases[i].message));
        assert_string_equal(edited.data, "before");
        text_free(&edited);
    }
}

static void edits_its_own_text(void **state)
{
    (void)state;
    struct text text = {0};
    text_string(&text, "{\n  \"a\": 1\n}");
    assert_int_equal(splice_member("t", (struct slice){text.data, text.size}, "b", "2", &text, NULL), STATUS_OK);
    assert_int_equal(splice_member("t", (struct slice){text.data, text.size}, "a", NULL, &text, NULL), STATUS_OK);
    assert_string_equal(text.data, "{\n  \"b\": 2\n}");
    text_free(&text);
}

/* A path comes from a document's own member names too, which may be long. */
static void takes_long_names(void **state)
{
    (void)state;
    char name[5001], text[5100];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct text edited = {0};
    (void)snprintf(text, sizeof text, "{\"%s\": 1}", name);
    assert_int_equal(splice_member("t", slice_of(text), name, NULL, &edited, NULL), STATUS_OK);
    assert_string_equal(edited.data, "{}");
    text_free(&edited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces), cmocka_unit_test(appends),           cmocka_unit_test(removes),         cmocka_unit_test(leaves_alone),
        cmocka_unit_test(refuses),  cmocka_unit_test(edits_its_own_text), cmocka_unit_test(takes_long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
