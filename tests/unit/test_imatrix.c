#include "base/limits.h"
#include "formats/imatrix.h"
#include "gguf_bytes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Writes the bytes as a file, opens it and looks at all values; what is returned is to be freed. */
static enum status look(const struct gguf_bytes *bytes, struct imatrix *imatrix, struct err *err)
{
    *imatrix = (struct imatrix){0};
    FILE *file = fopen("made.imatrix", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes->text.data, 1, bytes->text.size, file), bytes->text.size);
    assert_int_equal(fclose(file), 0);
    TRY(imatrix_open(imatrix, &file_posix, "made.imatrix", err));
    return imatrix_check(imatrix, err);
}

static void expect(struct gguf_bytes *bytes, enum status status, const char *words)
{
    struct imatrix imatrix;
    struct err err = {0};
    const enum status found = look(bytes, &imatrix, &err);
    if (found != status || (words != NULL && strstr(err.what, words) == NULL))
        fail_msg("found %d: %s: %s, expected %d: %s", found, err.where, err.what, status, words == NULL ? "" : words);
    assert_true(found == STATUS_OK || (err.where[0] != '\0' && err.status == status));
    imatrix_free(&imatrix);
    text_free(&bytes->text);
}

static void put_float(struct gguf_bytes *bytes, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_word(bytes, bits, 4);
}

static void assert_close(const float *found, const float *expected, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (found[i] != expected[i])
            fail_msg("found %g as value %zu, expected %g", (double)found[i], i, (double)expected[i]);
}

/* --- the older form ---------------------------------------------------------------------------------------------------- */

static void put_old(struct gguf_bytes *bytes, const char *name, uint32_t calls, const float *values, uint32_t count)
{
    put_word(bytes, strlen(name), 4);
    text_string(&bytes->text, name);
    put_word(bytes, calls, 4);
    put_word(bytes, count, 4);
    for (uint32_t i = 0; i < count; i++)
        put_float(bytes, values[i]);
}

static const float FOUR[] = {1, 2, 3, 4};

/* Two entries, 7 chunks, "wiki"; the second entry was never counted. */
static void put_two(struct gguf_bytes *bytes)
{
    put_word(bytes, 2, 4);
    put_old(bytes, "blk.0.attn_q.weight", 2, FOUR, 4);
    put_old(bytes, "blk.1.attn_q.weight", 0, FOUR, 3);
    put_word(bytes, 7, 4);
    put_word(bytes, 4, 4);
    text_string(&bytes->text, "wiki");
}

static void older_form(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct imatrix imatrix;
    struct err err = {0};
    float values[4];
    put_two(&b);
    assert_int_equal(look(&b, &imatrix, &err), STATUS_OK);
    assert_int_equal(imatrix.count, 2);
    assert_int_equal(imatrix.chunks, 7);
    assert_string_equal(imatrix.dataset, "wiki");
    assert_null(imatrix_find(&imatrix, "blk.2.attn_q.weight"));
    const struct imatrix_entry *entry = imatrix_find(&imatrix, "blk.0.attn_q.weight");
    assert_non_null(entry);
    assert_int_equal(entry->values, 4);
    assert_int_equal(imatrix_load(&imatrix, entry, 0, 4, values, &err), STATUS_OK);
    assert_close(values, (float[]){0.5f, 1, 1.5f, 2}, 4);
    assert_int_equal(imatrix_load(&imatrix, entry, 2, 2, values, &err), STATUS_OK);
    assert_close(values, (float[]){1.5f, 2}, 2);
    entry = imatrix_find(&imatrix, "blk.1.attn_q.weight"); /* its sums stay as they are: tools/quantize/quantize.cpp, load_imatrix */
    assert_int_equal(imatrix_load(&imatrix, entry, 0, 3, values, &err), STATUS_OK);
    assert_close(values, FOUR, 3);
    imatrix_free(&imatrix);
    text_free(&b.text);
}

static void older_form_without_its_end(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    put_two(&b);
    const size_t whole = b.text.size;
    for (size_t cut = 0; cut <= whole; cut++) { /* upstream takes a file without chunks, and one without a name of its data */
        put_two(&b);
        b.text.size = cut;
        const bool optional = cut >= whole - 12 && cut < whole - 4;
        expect(&b, optional || cut == whole ? STATUS_OK : STATUS_CORRUPT, NULL);
    }
}

static void older_form_broken(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    static const struct {
        uint32_t entries, name, calls, values;
        enum status status;
        const char *words;
    } rows[] = {
        {0, 1, 1, 4, STATUS_CORRUPT, "0 entries"},
        {UINT32_MAX, 1, 1, 4, STATUS_CORRUPT, "-1 entries"},
        {INT32_MAX, 1, 1, 4, STATUS_CORRUPT, "2147483647 at byte 0"},
        {2, 1, 1, 4, STATUS_CORRUPT, "end of the file"},
        {1, UINT32_MAX, 1, 4, STATUS_CORRUPT, "text of -1 bytes"},
        {1, INT32_MAX, 1, 4, STATUS_CORRUPT, "2147483647 at byte 4"},
        {1, 4000, 1, 4, STATUS_CORRUPT, "text of 4000 bytes"},
        {1, 1, 1, 0, STATUS_CORRUPT, "0 values"},
        {1, 1, 1, UINT32_MAX, STATUS_CORRUPT, "-1 values"},
        {1, 1, 1, INT32_MAX, STATUS_CORRUPT, "2147483647 values"},
        {1, 1, 1, 5, STATUS_CORRUPT, "5 values"},
        {1, 1, UINT32_MAX, 4, STATUS_OK, NULL}, /* fewer calls than none: sums as they are */
        {1, 1, INT32_MAX, 4, STATUS_OK, NULL},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        text_free(&b.text);
        put_word(&b, rows[r].entries, 4);
        put_word(&b, rows[r].name, 4);
        text_string(&b.text, "a");
        put_word(&b, rows[r].calls, 4);
        put_word(&b, rows[r].values, 4);
        for (size_t i = 0; i < 4; i++)
            put_float(&b, FOUR[i]);
        expect(&b, rows[r].status, rows[r].words);
    }
    text_add(&b.text, "abc", 3);
    expect(&b, STATUS_CORRUPT, "3 bytes");
    put_word(&b, 1, 4);
    put_old(&b, "a", 1, FOUR, 4);
    put_word(&b, 1, 4);
    put_word(&b, INT32_MAX, 4);
    expect(&b, STATUS_CORRUPT, "expected at most 4096");
}

static void twice(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct imatrix imatrix;
    struct err err = {0};
    float values[2];
    put_word(&b, 2, 4);
    put_old(&b, "a", 1, FOUR, 4);
    put_old(&b, "a", 2, FOUR + 1, 2);
    assert_int_equal(look(&b, &imatrix, &err), STATUS_OK); /* upstream's map keeps the last as well */
    assert_int_equal(imatrix.count, 1);
    const struct imatrix_entry *entry = imatrix_find(&imatrix, "a");
    assert_int_equal(entry->values, 2);
    assert_int_equal(imatrix_load(&imatrix, entry, 0, 2, values, &err), STATUS_OK);
    assert_close(values, (float[]){1, 1.5f}, 2);
    imatrix_free(&imatrix);
    text_free(&b.text);
}

static void no_numbers(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct imatrix imatrix;
    struct err err = {0};
    static const char *const words[] = {"b"};
    const float odd[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        const float values[] = {1, odd[i]};
        put_word(&b, 2, 4);
        put_old(&b, "a", 1, FOUR, 4);
        put_old(&b, "b", 1, values, 2);
        assert_int_equal(look(&b, &imatrix, &err), STATUS_CORRUPT);
        assert_non_null(strstr(err.what, "as the importance of column 1 of b (R-NONFINITE)"));
        imatrix_drop(&imatrix, words, 1, false); /* what is left out may be anything */
        assert_int_equal(imatrix_check(&imatrix, &err), STATUS_OK);
        imatrix_free(&imatrix);
        text_free(&b.text);
    }
    const float negative[] = {-1, -0.0f};
    put_word(&b, 1, 4);
    put_old(&b, "a", 1, negative, 2);
    expect(&b, STATUS_OK, NULL); /* upstream takes them */
}

/* --- GGUF --------------------------------------------------------------------------------------------------------------- */

enum { DATASETS = 1, CHUNKS = 2, SIZE = 4, ALL = 7 };

static void put_metadata(struct gguf_bytes *b, uint64_t tensors, unsigned which)
{
    put_start(b, 3, tensors, (which & 1) + (which >> 1 & 1) + (which >> 2));
    if ((which & DATASETS) != 0) {
        put_key(b, "imatrix.datasets", GGUFILE_ARRAY);
        put_array(b, GGUFILE_STRING, 2);
        put_string(b, "wiki");
        put_string(b, "more");
    }
    if ((which & CHUNKS) != 0)
        put_u32_pair(b, "imatrix.chunk_count", 9);
    if ((which & SIZE) != 0)
        put_u32_pair(b, "imatrix.chunk_size", 512);
}

/* Sums [parts][columns] 1, 2, ... of "a", and counts. */
static void put_sums(struct gguf_bytes *b, uint64_t columns, const float *counts, uint64_t parts, uint64_t sums)
{
    put_metadata(b, 2, ALL);
    put_tensor(b, "a.in_sum2", 2, (uint64_t[]){columns, sums / columns}, GGML_F32, 0);
    put_tensor(b, "a.counts", 2, (uint64_t[]){1, parts}, GGML_F32, (sums * 4 + 31) / 32 * 32);
    put_data(b, 32, 0);
    for (uint64_t i = 0; i < sums; i++)
        put_float(b, (float)(i + 1));
    put_data(b, 32, 0);
    for (uint64_t p = 0; p < parts; p++)
        put_float(b, counts[p]);
    put_data(b, 32, 0);
}

static void gguf_form(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct imatrix imatrix;
    struct err err = {0};
    float values[8];
    put_sums(&b, 2, (float[]){2, 0, -1, 3.7f}, 4, 8);
    assert_int_equal(look(&b, &imatrix, &err), STATUS_OK);
    assert_int_equal(imatrix.count, 1);
    assert_int_equal(imatrix.chunks, 9);
    assert_string_equal(imatrix.dataset, "wiki");
    const struct imatrix_entry *entry = imatrix_find(&imatrix, "a");
    assert_non_null(entry);
    assert_int_equal(imatrix_load(&imatrix, entry, 0, 8, values, &err), STATUS_OK);
    assert_close(values, (float[]){0.5f, 1, 1, 1, 1, 1, 7.0f / 4, 8.0f / 4}, 8); /* never counted: ones; counts are rounded to integers */
    assert_int_equal(imatrix_load(&imatrix, entry, 5, 2, values, &err), STATUS_OK);
    assert_close(values, (float[]){1, 7.0f / 4}, 2);
    imatrix_free(&imatrix);
    text_free(&b.text);
}

static void gguf_form_broken(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    for (unsigned which = 0; which < ALL; which++) { /* "missing imatrix metadata" */
        put_metadata(&b, 1, which);
        put_tensor(&b, "a.in_sum2", 1, (uint64_t[]){8}, GGML_F32, 0);
        put_data(&b, 32, 32);
        expect(&b, STATUS_CORRUPT, "imatrix.");
    }
    static const struct {
        const char *name;
        enum ggml_type type;
        const char *words;
    } lone[] = {
        {"a.in_sum2", GGML_F32, "no a.counts beside it"},
        {"a.counts", GGML_F32, "no a.in_sum2 beside it"},
        {".in_sum2", GGML_F32, "no .counts beside it"},
        {"a.weight", GGML_F32, "no entries"},
    };
    for (size_t i = 0; i < sizeof lone / sizeof lone[0]; i++) {
        put_metadata(&b, 1, ALL);
        put_tensor(&b, lone[i].name, 1, (uint64_t[]){8}, lone[i].type, 0);
        put_data(&b, 32, 32);
        expect(&b, STATUS_CORRUPT, lone[i].words);
    }
    for (unsigned half = 0; half < 2; half++) {
        put_metadata(&b, 2, ALL);
        put_tensor(&b, "a.in_sum2", 1, (uint64_t[]){8}, half == 0 ? GGML_F16 : GGML_F32, 0);
        put_tensor(&b, "a.counts", 1, (uint64_t[]){8}, half == 1 ? GGML_F16 : GGML_F32, 32);
        put_data(&b, 32, 64);
        expect(&b, STATUS_CORRUPT, "both F32");
    }
    put_sums(&b, 4, (float[]){1, 1, 1}, 3, 8);
    expect(&b, STATUS_CORRUPT, "8 sums of 3 matrices");
    put_metadata(&b, 0, ALL);
    put_data(&b, 32, 0);
    expect(&b, STATUS_CORRUPT, "no entries");
    b.big = true;
    put_sums(&b, 4, (float[]){1}, 1, 8);
    expect(&b, STATUS_UNSUPPORTED, "big-endian");
    b.big = false;
}

static void counts_that_are_none(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    const float odd[] = {NAN, INFINITY, -INFINITY, 0x1p62f};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        put_sums(&b, 4, odd + i, 1, 8);
        expect(&b, STATUS_CORRUPT, "a count that is no number");
    }
    put_metadata(&b, 2, ALL); /* nothing is as long as the counts say, and no memory is asked for */
    put_tensor(&b, "a.in_sum2", 1, (uint64_t[]){8}, GGML_F32, 0);
    put_tensor(&b, "a.counts", 1, (uint64_t[]){UINT64_C(1) << 40}, GGML_F32, 32);
    put_data(&b, 32, 64);
    expect(&b, STATUS_CORRUPT, NULL);
    const uint64_t many = LIMIT_IMATRIX_COUNTS_MAX + UINT64_C(1);
    put_metadata(&b, 2, ALL);
    put_tensor(&b, "a.in_sum2", 1, (uint64_t[]){8}, GGML_F32, 0);
    put_tensor(&b, "a.counts", 1, &many, GGML_F32, 32);
    put_data(&b, 32, 32 + 4 * (size_t)many);
    put_data(&b, 32, 0);
    expect(&b, STATUS_LIMIT, "expected at most 4000000 in a file");
}

static void which_entries(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct imatrix imatrix;
    struct err err = {0};
    static const char *const words[] = {"attn_q", "blk.1."};
    for (unsigned keep = 0; keep < 2; keep++) {
        put_word(&b, 3, 4);
        put_old(&b, "blk.0.attn_q.weight", 1, FOUR, 4);
        put_old(&b, "blk.1.ffn_up.weight", 1, FOUR, 4);
        put_old(&b, "blk.0.ffn_up.weight", 1, FOUR, 4);
        assert_int_equal(look(&b, &imatrix, &err), STATUS_OK);
        imatrix_drop(&imatrix, words, 2, keep == 1);
        assert_int_equal(imatrix_left(&imatrix), keep == 1 ? 2 : 1);
        assert_int_equal(imatrix_find(&imatrix, "blk.0.attn_q.weight") != NULL, keep == 1);
        assert_int_equal(imatrix_find(&imatrix, "blk.0.ffn_up.weight") != NULL, keep == 0);
        imatrix_free(&imatrix);
        text_free(&b.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(older_form),
        cmocka_unit_test(older_form_without_its_end),
        cmocka_unit_test(older_form_broken),
        cmocka_unit_test(twice),
        cmocka_unit_test(no_numbers),
        cmocka_unit_test(gguf_form),
        cmocka_unit_test(gguf_form_broken),
        cmocka_unit_test(counts_that_are_none),
        cmocka_unit_test(which_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
