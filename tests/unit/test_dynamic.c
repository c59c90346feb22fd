/* GPTQModel's `dynamic`: which rule a module has, and every error. */
#include "container/jsondoc.h"
#include "formats/dynamic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct given {
    struct jsondoc *doc;
    struct dynamic dynamic;
    struct err err;
};

static enum status read_text(struct given *g, const char *text)
{
    memset(g, 0, sizeof *g);
    assert_int_equal(jsondoc_parse("text", slice_of(text), &g->doc, &g->err), STATUS_OK);
    return dynamic_read(&g->dynamic, g->doc, "quantize_config.json", &g->err);
}

static void drop(struct given *g)
{
    dynamic_free(&g->dynamic);
    dynamic_free(&g->dynamic); /* idempotent */
    jsondoc_free(g->doc);
}

static const struct dynamic_rule *find(const struct given *g, const char *module)
{
    const struct dynamic_rule *rule;
    struct err err = {0};
    assert_int_equal(dynamic_find(&g->dynamic, module, &rule, &err), STATUS_OK);
    return rule;
}

/* The bits that mark a rule in these tests; 0 if there is none. */
static int bits_of(const struct given *g, const char *module)
{
    const struct dynamic_rule *rule = find(g, module);
    return rule == NULL ? 0 : (int)rule->bits;
}

static void absent(void **state)
{
    static const char *const texts[] = {"{}", "{\"dynamic\": null}", "{\"dynamic\": {}}", "{\"dynamic\": {\"-:.*\": {}}}",
                                        "{\"dynamic\": {\"-:(\": {\"bits\": 99}}}"};
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_int_equal(read_text(&g, texts[i]), STATUS_OK);
        assert_int_equal(g.dynamic.count, 0);
        assert_null(find(&g, "a"));
        drop(&g);
    }
}

static void members(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, "{\"dynamic\": {\"+:^a$\": {\"bits\": 8, \"group_size\": -1, \"sym\": false, \"desc_act\": true, \"mse\": 2.4},"
                                   " \"^b$\": {\"bits\": 2, \"group_size\": 2147483647, \"sym\": true}, \"c\": {}}}"),
                     STATUS_OK);
    const struct dynamic_rule *rule = find(&g, "a");
    assert_int_equal(rule->bits, 8);
    assert_int_equal(rule->group, -1);
    assert_int_equal(rule->symmetric, 0);
    rule = find(&g, "b");
    assert_int_equal(rule->bits, 2);
    assert_int_equal(rule->group, INT32_MAX);
    assert_int_equal(rule->symmetric, 1);
    rule = find(&g, "c");
    assert_int_equal(rule->bits, 0);
    assert_int_equal(rule->group, 0);
    assert_int_equal(rule->symmetric, -1);
    drop(&g);
}

/* Names and patterns in one order: the file's. */
static void the_first_rule_that_matches(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(
        read_text(&g, "{\"dynamic\": {\"-:^x$\": {}, \"^model\\\\.a$\": {\"bits\": 2}, \"+:model\\\\.[ab]\": {\"bits\": 3},"
                      " \"^model\\\\.b$\": {\"bits\": 4}, \"+:^model\\\\.c$\": {\"bits\": 5}, \"model\": {\"bits\": 6}, \"^model\\\\.d$\": {\"bits\": 7},"
                      " \"^x$\": {\"bits\": 8}}}"),
        STATUS_OK);
    assert_int_equal(g.dynamic.count, 7);
    assert_int_equal(g.dynamic.pattern_count, 2);
    assert_int_equal(bits_of(&g, "model.a"), 2); /* a name before the patterns */
    assert_int_equal(bits_of(&g, "model.b"), 3); /* a pattern before the name */
    assert_int_equal(bits_of(&g, "model.c"), 5);
    assert_int_equal(bits_of(&g, "model.d"), 6);
    assert_int_equal(bits_of(&g, "model.a.b"), 3); /* a pattern needs no more than the start */
    assert_int_equal(bits_of(&g, "model.e"), 6);
    assert_int_equal(bits_of(&g, "a.model"), 0); /* but the start it needs */
    assert_int_equal(bits_of(&g, "x"), 8);
    drop(&g);
}

static void names_and_patterns(void **state)
{
    static const struct {
        const char *pattern; /* as JSON has it */
        bool name;
        const char *takes, *leaves;
    } rows[] = {
        {"^a\\\\.b$", true, "a.b", "axb"},   {"^a-b_c9$", true, "a-b_c9", "a"},
        {"^a\\\\-b$", true, "a-b", "a\\-b"}, {"^\\\\[\\\\]\\\\{\\\\}\\\\(\\\\)\\\\*\\\\+\\\\?\\\\|\\\\^\\\\$$", true, "[]{}()*+?|^$", "[]"},
        {"^a.b$", false, "axb", "ab"},       {"^a\\\\.b", false, "a.bc", "axb"},
        {"a\\\\.b$", false, "a.b", "a.bc"},  {"^a\\\\d$", false, "a1", "ad"},
        {"^a$|^b$", false, "b", "c"},        {"^(a)$", false, "a", "(a)"},
        {"^[ab]$", false, "b", "[ab]"},      {"^a{2}$", false, "aa", "a{2}"},
        {"^a*$", false, "aaa", "a*"},        {"^a+$", false, "aaa", "a+"},
        {"^ab?$", false, "a", "ab?"},        {"^^a$", false, "a", "^a"},
        {"^a$$", false, "a", "a$"},          {"", false, "anything", NULL},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[200];
        (void)snprintf(text, sizeof text, "{\"dynamic\": {\"%s\": {\"bits\": 4}}}", rows[i].pattern);
        assert_int_equal(read_text(&g, text), STATUS_OK);
        if ((g.dynamic.pattern_count == 0) != rows[i].name || bits_of(&g, rows[i].takes) != 4 ||
            (rows[i].leaves != NULL && bits_of(&g, rows[i].leaves) != 0))
            fail_msg("%s: %zu patterns, \"%s\" %d, \"%s\"", rows[i].pattern, g.dynamic.pattern_count, rows[i].takes, bits_of(&g, rows[i].takes),
                     rows[i].leaves == NULL ? "" : rows[i].leaves);
        drop(&g);
    }
    /* the same name twice, written in two ways: the first stands */
    assert_int_equal(read_text(&g, "{\"dynamic\": {\"^a\\\\-b$\": {\"bits\": 2}, \"+:^a-b$\": {\"bits\": 3}}}"), STATUS_OK);
    assert_int_equal(bits_of(&g, "a-b"), 2);
    drop(&g);
}

static void wrong_members(void **state)
{
    static const struct {
        const char *text, *what;
    } rows[] = {
        {"{\"dynamic\": []}", "\"dynamic\" that is no object"},
        {"{\"dynamic\": \"x\"}", "\"dynamic\" that is no object"},
        {"{\"dynamic\": {\"x\": []}}", "\"dynamic\"/\"x\" that is no object"},
        {"{\"dynamic\": {\"+:x\": null}}", "\"dynamic\"/\"+:x\" that is no object"},
        {"{\"dynamic\": {\"-:x\": 4}}", "\"dynamic\"/\"-:x\" that is no object"},
        {"{\"dynamic\": {\"x\": {\"bits\": 1}}}", "\"x\"/\"bits\""},
        {"{\"dynamic\": {\"x\": {\"bits\": 9}}}", "\"x\"/\"bits\""},
        {"{\"dynamic\": {\"x\": {\"bits\": \"4\"}}}", "\"x\"/\"bits\""},
        {"{\"dynamic\": {\"x\": {\"bits\": null}}}", "\"x\"/\"bits\""},
        {"{\"dynamic\": {\"x\": {\"group_size\": 0}}}", "\"x\"/\"group_size\""},
        {"{\"dynamic\": {\"x\": {\"group_size\": -2}}}", "\"x\"/\"group_size\""},
        {"{\"dynamic\": {\"x\": {\"group_size\": 1.5}}}", "\"x\"/\"group_size\""},
        {"{\"dynamic\": {\"x\": {\"group_size\": 2147483648}}}", "\"x\"/\"group_size\""},
        {"{\"dynamic\": {\"x\": {\"sym\": 1}}}", "\"x\"/\"sym\""},
        {"{\"dynamic\": {\"x\": {\"desc_act\": \"no\"}}}", "\"x\"/\"desc_act\""},
        {"{\"dynamic\": {\"(\": {}}}", "regular expression"},
        {"{\"dynamic\": {\"+:^a\\\\\": {}}}", "regular expression"},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum status status = read_text(&g, rows[i].text);
        if (status != STATUS_CORRUPT || strstr(g.err.what, rows[i].what) == NULL || strcmp(g.err.where, "quantize_config.json") != 0)
            fail_msg("%s: status %d, \"%s: %s\"", rows[i].text, (int)status, g.err.where, g.err.what);
        drop(&g);
    }
}

/* Patterns are bounded, names are not. */
static void bounds(void **state)
{
    (void)state;
    for (size_t count = 1024; count <= 1025; count++) {
        struct text text = {0};
        struct given g;
        text_format(&text, "{\"dynamic\": {");
        for (size_t i = 0; i < count; i++)
            text_format(&text, "\"x%zu\": {}, ", i);
        for (size_t i = 0; i < 2000; i++)
            text_format(&text, "\"^y%zu$\": {\"bits\": 8}%s", i, i < 1999 ? ", " : "");
        text_format(&text, "}}");
        assert_int_equal(read_text(&g, text.data), count > 1024 ? STATUS_LIMIT : STATUS_OK);
        if (count > 1024)
            assert_non_null(strstr(g.err.what, "more than 1024 patterns"));
        else
            assert_int_equal(bits_of(&g, "y1999"), 8);
        drop(&g);
        text_free(&text);
    }
}

static void slow_patterns(void **state)
{
    const struct dynamic_rule *rule;
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, "{\"dynamic\": {\"(a+)+$\": {}}}"), STATUS_OK);
    assert_int_equal(dynamic_find(&g.dynamic, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", &rule, &g.err), STATUS_LIMIT);
    drop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent),
        cmocka_unit_test(members),
        cmocka_unit_test(the_first_rule_that_matches),
        cmocka_unit_test(names_and_patterns),
        cmocka_unit_test(wrong_members),
        cmocka_unit_test(bounds),
        cmocka_unit_test(slow_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
