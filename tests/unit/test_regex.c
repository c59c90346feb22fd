/* Regular expressions: search, match, bad patterns, and patterns that would run for ever. */
#include "base/regex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bool found(const char *pattern, const char *text, bool anchored)
{
    struct regex *regex;
    struct err err = {0};
    bool result = false;
    assert_int_equal(regex_compile(&regex, slice_of(pattern), "--keep", STATUS_USAGE, &err), STATUS_OK);
    assert_int_equal(anchored ? regex_match(regex, slice_of(text), &result, &err) : regex_search(regex, slice_of(text), &result, &err), STATUS_OK);
    regex_free(regex);
    return result;
}

static void search_and_match(void **state)
{
    (void)state;
    assert_true(found("down_proj", "model.layers.0.mlp.down_proj", false));
    assert_false(found("down_proj", "model.layers.0.mlp.down_proj", true));
    assert_true(found(".*down_proj", "model.layers.0.mlp.down_proj.weight", true)); /* a prefix is enough */
    assert_false(found(".*down_proj$", "model.layers.0.mlp.down_proj.weight", true));
    assert_true(found("^model\\.layers\\.(?!0\\.)", "model.layers.1.x", true));
    assert_false(found("^model\\.layers\\.(?!0\\.)", "model.layers.0.x", true));
    assert_true(found("", "anything", true));
    assert_true(found("\xc3\xa9+$", "caf\xc3\xa9", false));
}

static void bad_patterns(void **state)
{
    (void)state;
    struct regex *regex;
    struct err err = {0};
    assert_int_equal(regex_compile(&regex, slice_of("(a"), "config.json", STATUS_CORRUPT, &err), STATUS_CORRUPT);
    assert_null(regex);
    assert_string_equal(err.where, "config.json");
    assert_non_null(strstr(err.what, "\"(a\""));
    assert_int_equal(regex_compile(&regex, slice_of("[z-a]"), "--keep", STATUS_USAGE, &err), STATUS_USAGE);
    assert_int_equal(regex_compile(&regex, slice_of("\xff"), "--keep", STATUS_USAGE, &err), STATUS_USAGE); /* no UTF-8 */
    static char large[70000];
    memset(large, 'a', sizeof large - 1);
    assert_int_equal(regex_compile(&regex, slice_of(large), "--keep", STATUS_USAGE, &err), STATUS_LIMIT);
    regex_free(NULL);
}

static void steps_are_bounded(void **state)
{
    (void)state;
    struct regex *regex;
    struct err err = {0};
    bool result;
    assert_int_equal(regex_compile(&regex, slice_of("^(a+)+$"), "config.json", STATUS_CORRUPT, &err), STATUS_OK);
    assert_int_equal(regex_match(regex, slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"), &result, &err), STATUS_LIMIT);
    assert_string_equal(err.where, "config.json");
    assert_int_equal(regex_match(regex, slice_of("\xff\xfe"), &result, &err), STATUS_LIMIT); /* text that is no UTF-8 */
    regex_free(regex);
}

/* Appends "start-end " for each match. */
static void list_matches(const char *pattern, const char *text, char *list, size_t size)
{
    struct regex *regex;
    struct err err = {0};
    struct regex_span span;
    bool there = true;
    size_t from = 0, used = 0;
    list[0] = '\0';
    assert_int_equal(regex_compile_words(&regex, slice_of(pattern), "tokenizer.json", STATUS_UNSUPPORTED, &err), STATUS_OK);
    while (from <= strlen(text)) {
        assert_int_equal(regex_find(regex, slice_of(text), from, &span, &there, &err), STATUS_OK);
        if (!there)
            break;
        used += (size_t)snprintf(list + used, size - used, "%zu-%zu ", span.start, span.end);
        from = span.end > span.start ? span.end : span.end + 1;
    }
    regex_free(regex);
}

static void matches_one_after_another(void **state)
{
    (void)state;
    char list[200];
    list_matches("\\p{L}+", "ab \xc3\xa9t\xc3\xa9, \xe4\xb8\xad", list, sizeof list);
    assert_string_equal(list, "0-2 3-8 10-13 ");
    list_matches("\\s+(?!\\S)|\\s+", "a  b", list, sizeof list); /* the last blank belongs to the word */
    assert_string_equal(list, "1-2 2-3 ");
    list_matches("\\s", "a\xe3\x80\x80" "b\xc2\xa0", list, sizeof list); /* Unicode's blanks */
    assert_string_equal(list, "1-4 5-7 ");
    list_matches("^b|a$", "a\nb", list, sizeof list); /* at every line */
    assert_string_equal(list, "0-1 2-3 ");
    list_matches("(?<=a)b", "ab", list, sizeof list);
    assert_string_equal(list, "1-2 ");
}

static void bad_word_patterns(void **state)
{
    (void)state;
    struct regex *regex;
    struct err err = {0};
    assert_int_equal(regex_compile_words(&regex, slice_of("["), "tokenizer.json", STATUS_UNSUPPORTED, &err), STATUS_UNSUPPORTED);
    assert_null(regex);
    assert_string_equal(err.where, "tokenizer.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(search_and_match),
        cmocka_unit_test(bad_patterns),
        cmocka_unit_test(steps_are_bounded),
        cmocka_unit_test(matches_one_after_another),
        cmocka_unit_test(bad_word_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
