/* Byte pair encoding: ranks, ties, bytes, unknown characters, damage, and long words. */
#include "tokenizer/bpe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T(text, id) \
    { \
        {text, sizeof text - 1}, id \
    }
#define M(left, right) \
    { \
        {left, sizeof left - 1}, \
        { \
            right, sizeof right - 1 \
        } \
    }

static const struct bpe_token tokens[] = {T("a", 0),  T("b", 1),     T("c", 2),      T("ab", 3),     T("bc", 4),  T("abc", 5),
                                          T("aa", 6), T("<unk>", 7), T("<0xC3>", 8), T("<0xA9>", 9), T("aab", 10)};
static const struct bpe_merge merges[] = {M("b", "c"), M("a", "b"), M("a", "bc"), M("a", "a")};
static const struct bpe_source plain = {"tokenizer.json", tokens, merges, 11, 4, {NULL, 0}, false, false, false};

/* The ids of a word as "1 2 3". */
static void encode(const struct bpe_source *source, const char *word, char list[200])
{
    struct bpe bpe;
    struct bpe_ids ids = {0};
    struct err err = {0};
    size_t used = 0;
    list[0] = '\0';
    assert_int_equal(bpe_open(source, &bpe, &err), STATUS_OK);
    assert_int_equal(bpe_encode(&bpe, slice_of(word), &ids, &err), STATUS_OK);
    for (size_t i = 0; i < ids.count; i++)
        used += (size_t)snprintf(list + used, 200 - used, i == 0 ? "%u" : " %u", ids.id[i]);
    free(ids.id);
    bpe_close(&bpe);
}

static void merging(void **state)
{
    (void)state;
    char list[200];
    encode(&plain, "abc", list); /* b c first, then a bc */
    assert_string_equal(list, "5");
    encode(&plain, "aaa", list); /* of equal ranks the leftmost */
    assert_string_equal(list, "6 0");
    encode(&plain, "aab", list); /* a b before a a; "aab" is a token that no merge makes */
    assert_string_equal(list, "0 3");
    encode(&plain, "", list);
    assert_string_equal(list, "");
    struct bpe_source whole = plain;
    whole.ignore_merges = true;
    encode(&whole, "aab", list);
    assert_string_equal(list, "10");
}

static void what_is_no_token(void **state)
{
    (void)state;
    char list[200];
    struct bpe_source source = plain;
    encode(&source, "axyb", list); /* dropped, and a and b are neighbours */
    assert_string_equal(list, "3");
    source.unknown = slice_of("<unk>");
    encode(&source, "axyb", list);
    assert_string_equal(list, "0 7 7 1");
    source.fuse_unknown = true;
    encode(&source, "axyb", list);
    assert_string_equal(list, "0 7 1");
    source.byte_fallback = true;
    encode(&source, "\xc3\xa9x", list); /* bytes where all of them are tokens */
    assert_string_equal(list, "8 9 7");
}

static void damage(void **state)
{
    (void)state;
    static const struct bpe_token twice[] = {T("a", 0), T("a", 1)};
    static const struct bpe_merge of_none[] = {M("a", "q")}, to_none[] = {M("c", "a")};
    struct bpe bpe;
    struct err err = {0};
    struct bpe_source source = {"tokenizer.json", twice, NULL, 2, 0, {NULL, 0}, false, false, false};
    assert_int_equal(bpe_open(&source, &bpe, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.what, "\"a\" twice"));
    source = plain;
    source.merge = of_none;
    source.merge_count = 1;
    assert_int_equal(bpe_open(&source, &bpe, &err), STATUS_CORRUPT);
    source.merge = to_none;
    assert_int_equal(bpe_open(&source, &bpe, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.what, "merge 0"));
}

/* A word of a million letters is merged in time that grows as n log n. */
static void long_words(void **state)
{
    (void)state;
    const size_t size = 1000000;
    char *const word = malloc(size);
    struct bpe bpe;
    struct bpe_ids ids = {0};
    struct err err = {0};
    assert_non_null(word);
    memset(word, 'a', size);
    assert_int_equal(bpe_open(&plain, &bpe, &err), STATUS_OK);
    assert_int_equal(bpe_encode(&bpe, (struct slice){word, size}, &ids, &err), STATUS_OK);
    assert_int_equal(ids.count, size / 2);
    assert_int_equal(bpe_encode(&bpe, (struct slice){word, (size_t)1 << 25}, &ids, &err), STATUS_LIMIT); /* before it is looked at */
    free(ids.id);
    free(word);
    bpe_close(&bpe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merging),
        cmocka_unit_test(what_is_no_token),
        cmocka_unit_test(damage),
        cmocka_unit_test(long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
