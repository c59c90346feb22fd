/* Normalizers, splitters and the whole encoder, on small texts. */
#include "tokenizer/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct regex *compiled(const char *pattern)
{
    struct regex *regex;
    struct err err = {0};
    assert_int_equal(regex_compile_words(&regex, slice_of(pattern), "tokenizer.json", STATUS_UNSUPPORTED, &err), STATUS_OK);
    return regex;
}

static void normalized_is(const struct normalizer_step *step, size_t steps, const char *from, const char *to)
{
    struct text text = {0};
    struct err err = {0};
    assert_int_equal(normalizer_apply(step, steps, slice_of(from), &text, &err), STATUS_OK);
    text_add(&text, "", 1);
    assert_string_equal(text.data, to);
    text_free(&text);
}

static void normalizers(void **state)
{
    (void)state;
    static const struct {
        enum normalizer_kind kind;
        const char *from, *to;
    } cases[] = {
        {NORMALIZER_NFC, "e\xcc\x81", "\xc3\xa9"},
        {NORMALIZER_NFD, "\xc3\xa9", "e\xcc\x81"},
        {NORMALIZER_NFKC, "\xef\xac\x81", "fi"},
        {NORMALIZER_NFC, "\xef\xac\x81", "\xef\xac\x81"},
        {NORMALIZER_NFKD, "\xef\xac\x81\xc3\xa9", "fie\xcc\x81"},
        {NORMALIZER_LOWERCASE,
         "\xc3\x89"
         "A\xc4\xb0",
         "\xc3\xa9"
         "ai\xcc\x87"},
        {NORMALIZER_STRIP_ACCENTS, "e\xcc\x81x", "ex"},
        {NORMALIZER_PREPEND, "", ""},
        {NORMALIZER_PREPEND, "a", "_a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct normalizer_step step = {.kind = cases[i].kind, .content = slice_of("_")};
        normalized_is(&step, 1, cases[i].from, cases[i].to);
    }
    struct regex *const blank = compiled(" "), *const nothing = compiled("x*");
    const struct normalizer_step sequence[] = {{.kind = NORMALIZER_PREPEND, .content = slice_of("_")},
                                               {.kind = NORMALIZER_REPLACE, .regex = blank, .content = slice_of("_")}};
    normalized_is(sequence, 2, "a b  c", "_a_b__c");
    normalized_is(NULL, 0, "a b", "a b");
    const struct normalizer_step empty = {.kind = NORMALIZER_REPLACE, .regex = nothing};
    struct text text = {0};
    struct err err = {0};
    assert_int_equal(normalizer_apply(&empty, 1, slice_of("a"), &text, &err), STATUS_UNSUPPORTED);
    const struct normalizer_step lower = {.kind = NORMALIZER_LOWERCASE};
    assert_int_equal(normalizer_apply(&lower, 1, slice_of("\xff"), &text, &err), STATUS_CORRUPT);
    const struct normalizer_step nfc = {.kind = NORMALIZER_NFC};
    assert_int_equal(normalizer_apply(&nfc, 1, slice_of("\xff"), &text, &err), STATUS_CORRUPT);
    text_free(&text);
    regex_free(blank);
    regex_free(nothing);
}

/* The words of a text as "[a][b]". */
static void cut_is(const struct splitter_step *step, size_t steps, bool first, const char *text, const char *expected)
{
    const struct splitter splitter = {(struct splitter_step *)step, steps};
    struct splitter_words words;
    struct arena arena = {0};
    struct text made = {0};
    struct err err = {0};
    assert_int_equal(splitter_cut(&splitter, slice_of(text), first, &arena, &words, &err), STATUS_OK);
    text_string(&made, "");
    for (size_t i = 0; i < words.count; i++)
        text_format(&made, "[%.*s]", (int)words.word[i].size, words.word[i].data);
    assert_string_equal(made.data == NULL ? "" : made.data, expected);
    text_free(&made);
    arena_free(&arena);
}

static void splitters(void **state)
{
    (void)state;
    struct regex *const blank = compiled(" "), *const letters = compiled("\\p{L}+"), *const ahead = compiled("(?=(\\d{3})+(?!\\d))");
    static const struct {
        enum splitter_behavior behavior;
        bool invert;
        const char *expected;
    } cases[] = {
        {SPLITTER_ISOLATED, false, "[a][ ][ ][b]"},
        {SPLITTER_REMOVED, false, "[a][b]"},
        {SPLITTER_REMOVED, true, "[ ][ ]"},
        {SPLITTER_CONTIGUOUS, false, "[a][  ][b]"},
        {SPLITTER_MERGED_WITH_PREVIOUS, false, "[a ][ ][b]"},
        {SPLITTER_MERGED_WITH_NEXT, false, "[a][ ][ b]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct splitter_step step = {.kind = SPLITTER_SPLIT, .behavior = cases[i].behavior, .invert = cases[i].invert, .regex = blank};
        cut_is(&step, 1, true, "a  b", cases[i].expected);
    }
    const struct splitter_step numbers = {.kind = SPLITTER_SPLIT, .regex = ahead};
    cut_is(&numbers, 1, true, "12345678", "[12][345][678]"); /* matches of nothing cut */
    cut_is(&numbers, 1, true, "", "");
    const struct splitter_step first = {.kind = SPLITTER_PREFIX_FIRST, .content = slice_of("_")},
                               each = {.kind = SPLITTER_PREFIX, .content = slice_of("_")};
    cut_is(&first, 1, true, "a", "[_a]");
    cut_is(&first, 1, false, "a", "[a]");
    cut_is(&each, 1, false, "a", "[_a]");
    cut_is(&each, 1, false, "_a", "[_a]");
    const struct splitter_step replace = {.kind = SPLITTER_REPLACE, .regex = letters, .content = slice_of("x")};
    cut_is(&replace, 1, true, "ab 1 cd", "[x 1 x]");
    const struct splitter_step chain[] = {{.kind = SPLITTER_SPLIT, .regex = letters}, {.kind = SPLITTER_BYTES}};
    cut_is(chain, 2, true, "a \xc3\xa9", "[a][\xc4\xa0][\xc3\x83\xc2\xa9]");
    regex_free(blank);
    regex_free(letters);
    regex_free(ahead);
}

static const struct bpe_token tokens[] = {{{"a", 1}, 0}, {{"b", 1}, 1}, {{" ", 1}, 2}, {{"ab", 2}, 3}, {{"_", 1}, 4}};
static const struct bpe_merge merges[] = {{{"a", 1}, {"b", 1}}};

static void encoded_is(const struct encoder *encoder, const char *text, const char *expected)
{
    struct bpe_ids ids = {0};
    struct err err = {0};
    char list[200] = "";
    size_t used = 0;
    assert_int_equal(encoder_encode(encoder, slice_of(text), &ids, &err), STATUS_OK);
    for (size_t i = 0; i < ids.count; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, i == 0 ? "%u" : " %u", ids.id[i]);
    assert_string_equal(list, expected);
    free(ids.id);
}

static void added_tokens(void **state)
{
    (void)state;
    static const struct encoder_added added[] = {
        {{"<x>", 3}, 10, .special = true},   {{"<x><y>", 6}, 11, .special = false}, {{"<l>", 3}, 12, .strip_left = true}, {{"<r>", 3}, 13, .strip_right = true},
        {{"b ", 2}, 14, .normalized = true}, /* looked for as "_b_", where a blank is "_" */
    };
    static const uint32_t before[] = {20, 21}, after[] = {22};
    const struct bpe_source source = {"tokenizer.json", tokens, merges, 5, 1, {NULL, 0}, false, false, false};
    struct regex *const blank = compiled(" ");
    struct normalizer_step steps[] = {{.kind = NORMALIZER_REPLACE, .regex = blank, .content = slice_of("_")}};
    struct bpe bpe;
    struct err err = {0};
    assert_int_equal(bpe_open(&source, &bpe, &err), STATUS_OK);
    struct encoder encoder = {.added = added, .added_count = 4, .bpe = &bpe};
    encoded_is(&encoder, "ab<x>ab", "3 10 3");
    encoded_is(&encoder, "<x><y>", "11"); /* the longest */
    encoded_is(&encoder, "a <l> b", "0 12 2 1");
    encoded_is(&encoder,
               "a <r> \xc2\xa0"
               "b",
               "0 2 13 1");
    encoded_is(&encoder, "a<x", "0");
    encoder.added_count = 5;
    encoder.normalizer = steps;
    encoder.normalizer_count = 1;
    encoded_is(&encoder, "ab a", "0 14 0"); /* found in the normalized text */
    encoder.before = before;
    encoder.before_count = 2;
    encoder.after = after;
    encoder.after_count = 1;
    encoded_is(&encoder, "ab", "20 21 3 22");
    encoded_is(&encoder, "", "20 21 22");
    const struct encoder_added lone = {{"q", 1}, 1, .single_word = true};
    encoder.added = &lone;
    encoder.added_count = 1;
    struct bpe_ids ids = {0};
    assert_int_equal(encoder_encode(&encoder, slice_of("a"), &ids, &err), STATUS_UNSUPPORTED);
    free(ids.id);
    bpe_close(&bpe);
    regex_free(blank);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalizers),
        cmocka_unit_test(splitters),
        cmocka_unit_test(added_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
