/* Vocabularies: padding, settings in their order, looks of special tokens, UTF-8. */
#include "tokenizer/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void padding(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct vocabulary vocabulary = {0};
    struct err err = {0};
    assert_int_equal(vocabulary_pad(&vocabulary, 12, &arena, &err), STATUS_OK);
    assert_int_equal(vocabulary.count, 12);
    assert_true(slice_is(vocabulary.token[11].text, "[PAD11]"));
    assert_int_equal(vocabulary.token[11].type, VOCABULARY_UNUSED);
    assert_true(vocabulary.token[11].score == -10000.0f);
    assert_int_equal(vocabulary_pad(&vocabulary, LIMIT_VOCABULARY_TOKENS_MAX + 1, &arena, &err), STATUS_LIMIT);
    arena_free(&arena);
}

static void settings(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct vocabulary vocabulary = {0};
    struct err err = {0};
    assert_null(vocabulary_find(&vocabulary, VOCABULARY_KEY_BOS_ID));
    assert_int_equal(vocabulary_set_id(&vocabulary, VOCABULARY_KEY_BOS_ID, 1, &arena, &err), STATUS_OK);
    assert_int_equal(vocabulary_set_flag(&vocabulary, VOCABULARY_KEY_ADD_BOS, true, &arena, &err), STATUS_OK);
    assert_int_equal(vocabulary_set_id(&vocabulary, VOCABULARY_KEY_BOS_ID, 7, &arena, &err), STATUS_OK); /* keeps its place */
    assert_int_equal(vocabulary.setting_count, 2);
    assert_int_equal(vocabulary.setting[0].id, 7);
    assert_true(vocabulary_find(&vocabulary, VOCABULARY_KEY_ADD_BOS)->flag);
    for (unsigned i = 0; i < 200; i++) { /* named templates are told apart by their names, and the list grows */
        const char *const name = arena_format(&arena, &err, "t%u", i % 100);
        const struct vocabulary_setting setting = {.key = VOCABULARY_KEY_TEMPLATE_NAMED, .name = slice_of(name), .text = slice_of("x")};
        assert_int_equal(vocabulary_set(&vocabulary, &setting, &arena, &err), STATUS_OK);
    }
    assert_int_equal(vocabulary.setting_count, 102);
    assert_string_equal(vocabulary_key_name(VOCABULARY_KEY_SEP_ID), "tokenizer.ggml.seperator_token_id");
    assert_int_equal(vocabulary_key_kind(VOCABULARY_KEY_TEMPLATE), VOCABULARY_TEXT);
    assert_string_equal(vocabulary_kind_name(VOCABULARY_LLAMA), "llama");
    assert_string_equal(vocabulary_kind_name(VOCABULARY_GPT2), "gpt2");
    arena_free(&arena);
}

static void tokens_without_a_place(void **state)
{
    (void)state;
    struct vocabulary vocabulary = {.count = 10};
    vocabulary_leave(&vocabulary, 12, slice_of("c"));
    vocabulary_leave(&vocabulary, 10, slice_of("a"));
    assert_int_equal(vocabulary.beyond, 3);
    assert_true(slice_is(vocabulary.lost, "c"));
}

static void looks(void **state)
{
    (void)state;
    static const char *const special[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]", "<|x|>", "<\xef\xbd\x9cx\xef\xbd\x9c>", "<unused7>"};
    static const char *const plain[] = {"<s>", "<|x>", "x|>", "unused", "", "<pad"};
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        assert_true(vocabulary_looks_special(slice_of(special[i])));
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        assert_false(vocabulary_looks_special(slice_of(plain[i])));
    struct arena arena = {0};
    struct err err = {0};
    assert_true(slice_is(vocabulary_spaced(slice_of("\xe2\x96\x81"
                                                    "a\xe2\x96\x81\xe2\x96"),
                                           &arena, &err),
                         " a \xe2\x96"));
    arena_free(&arena);
}

static void utf8(void **state)
{
    (void)state;
    static const char *const good[] = {"", "a", "\xc3\xa9", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",  "\xc1\x81", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                      "a\xc3", "\xe2\x96", "\xc3("};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(vocabulary_is_utf8(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(vocabulary_is_utf8(slice_of(bad[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(padding),
        cmocka_unit_test(settings),
        cmocka_unit_test(tokens_without_a_place),
        cmocka_unit_test(looks),
        cmocka_unit_test(utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
