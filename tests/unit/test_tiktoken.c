/* LLaMA 3's text form of a tokenizer.model. */
#include "tokenizer/tiktoken.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum status read_text(const char *text, bool first, struct vocabulary *vocabulary, struct arena *arena, struct err *err)
{
    return tiktoken_read("tokenizer.model", slice_of(text), first, arena, vocabulary, err);
}

static void tokens_and_merges(void **state)
{
    (void)state;
    struct vocabulary vocabulary;
    struct arena arena = {0};
    struct err err = {0};
    /* "a", "b", " ", "ab", " a", " ab" */
    static const char text[] = "YQ== 0\nYg== 1\nIA== 2\nYWI= 3\nIGE= 4\nIGFi 5\n";
    assert_true(tiktoken_probe(slice_of(text)));
    assert_int_equal(read_text(text, false, &vocabulary, &arena, &err), STATUS_OK);
    assert_int_equal(vocabulary.kind, VOCABULARY_GPT2);
    assert_string_equal(vocabulary.pre, "llama-bpe");
    assert_int_equal(vocabulary.count, 6 + 256);
    assert_true(slice_is(vocabulary.token[5].text, "\xc4\xa0"
                                                   "ab"));
    assert_int_equal(vocabulary.merge_count, 4); /* of " ab" both splits, by the rank of the left part */
    assert_true(slice_is(vocabulary.merge[0], "a b"));
    assert_true(slice_is(vocabulary.merge[1], "\xc4\xa0 a"));
    assert_true(slice_is(vocabulary.merge[2], "\xc4\xa0 ab"));
    assert_true(slice_is(vocabulary.merge[3], "\xc4\xa0"
                                              "a b"));
    assert_true(slice_is(vocabulary.token[6].text, "<|begin_of_text|>"));
    assert_int_equal(vocabulary.token[6].type, VOCABULARY_CONTROL);
    assert_true(slice_is(vocabulary.token[6 + 4].text, "<|finetune_right_pad_id|>"));
    assert_true(slice_is(vocabulary.token[6 + 5].text, "<|reserved_special_token_2|>"));
    assert_true(slice_is(vocabulary.token[6 + 9].text, "<|eot_id|>"));
    assert_true(slice_is(vocabulary.token[6 + 255].text, "<|reserved_special_token_247|>"));
    assert_int_equal(read_text(text, true, &vocabulary, &arena, &err), STATUS_OK);
    assert_true(slice_is(vocabulary.token[6 + 4].text, "<|reserved_special_token_2|>"));
    assert_true(slice_is(vocabulary.token[6 + 8].text, "<|reserved_special_token_4|>"));
    assert_true(slice_is(vocabulary.token[6 + 255].text, "<|reserved_special_token_250|>"));
    arena_free(&arena);
}

static void damage(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",                 /* no line */
        "YQ==\n",           /* no rank */
        "YQ== x\n",         /* no number */
        "YQ== 1\n",         /* a rank beyond the lines */
        "YQ== 0\nYg== 0\n", /* a rank twice */
        "YQ== 0\nYQ== 1\n", /* a token twice */
        "Y!== 0\n",
        "YQ= 0\n",  /* no base64 */
        "YR== 0\n", /* bits that are no byte's */
        " 0\n",     /* an empty token */
    };
    struct vocabulary vocabulary;
    struct arena arena = {0};
    struct err err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(read_text(bad[i], false, &vocabulary, &arena, &err), STATUS_CORRUPT);
        assert_string_equal(err.where, "tokenizer.model");
    }
    assert_false(tiktoken_probe(slice_of("\x0a\x07\x0a\x05<unk>")));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_and_merges),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
