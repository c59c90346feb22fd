#include "formats/modelcard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void card_is(const char *text, const char *printed, const char *unread)
{
    struct jsondoc *card;
    struct text left = {0}, out = {0};
    struct err err = {0};
    assert_int_equal(modelcard_parse(slice_of(text), &card, &left, &err), STATUS_OK);
    if (printed == NULL) {
        assert_null(card);
    } else {
        assert_int_equal(jsondoc_print(card, &out, &err), STATUS_OK);
        char flat[2000] = "";
        size_t used = 0;
        for (size_t i = 0; i < out.size; i++)
            if (out.data[i] != '\n' && !(out.data[i] == ' ' && i > 0 && (out.data[i - 1] == '\n' || out.data[i - 1] == ' ')))
                flat[used++] = out.data[i];
        flat[used] = '\0';
        assert_string_equal(flat, printed);
    }
    assert_string_equal(left.data == NULL ? "" : left.data, unread);
    jsondoc_free(card);
    text_free(&left);
    text_free(&out);
}

static void what_is_read(void **state)
{
    (void)state;
    card_is(
        "---\nlicense: apache-2.0\nlanguage:\n- en\n- \"no\"\n  - fr # French\ntags: [a, 'b c',d]\nname: 'It is: so'\nempty:\n# comment\n---\ntext: 1\n",
        "{\"license\": \"apache-2.0\",\"language\": [\"en\",\"no\",\"fr\"],\"tags\": [\"a\",\"b c\",\"d\"],\"name\": \"It is: so\",\"empty\": null}", "");
    card_is("---\r\nurl: http://x/y#z\r\n---\r\n", "{\"url\": \"http://x/y#z\"}", "");
    card_is("---\na: 1.0", "{\"a\": \"1.0\"}", "");
    card_is("no card\n---\na: b\n", NULL, "");
    card_is("", NULL, "");
    card_is("---", "{}", "");
}

static void what_is_not_read(void **state)
{
    (void)state;
    card_is(
        "---\nmodel-index:\n- name: x\n  results:\n  - a\nlicense: mit\ntext: |\n  line\n  more\nq: \"a\\n\"\nflow: {a: b}\nlist: [a, [b]]\nlicense: other\nanchor: &x y\n---\n",
        "{\"license\": \"mit\"}", "model-index, text, q, flow, list, license, anchor");
    card_is("---\na: b\n  goes on\nc: d\n---\n", "{\"c\": \"d\"}", "a");
    card_is("---\nstray\n- item\n  : x\na: b\n---\n", "{\"a\": \"b\"}", "");
}

static void too_much(void **state)
{
    static char text[40000] = "---\n";
    struct jsondoc *card;
    struct text left = {0};
    struct err err = {0};
    (void)state;
    size_t used = strlen(text);
    for (int i = 0; i < 1500; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "k%d: v\n", i);
    assert_int_equal(modelcard_parse((struct slice){text, used}, &card, &left, &err), STATUS_LIMIT);
    assert_null(card);
    text_free(&left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_read), cmocka_unit_test(what_is_not_read), cmocka_unit_test(too_much)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
