#include "container/ggufile_value.h"
#include "gguf_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void expect_as(struct gguf_bytes *bytes, bool lenient, enum status status, const char *words)
{
    struct ggufile gguf;
    struct err err = {0};
    const enum status found = gguf_read_bytes(bytes, lenient, &gguf, &err);
    if (found != status || (words != NULL && strstr(err.what, words) == NULL))
        fail_msg("found %d: %s: %s, expected %d: %s", found, err.where, err.what, status, words == NULL ? "" : words);
    if (found == STATUS_OK)
        ggufile_free(&gguf);
    else
        assert_true(err.where[0] != '\0' && err.status == status);
    text_free(&bytes->text);
}

static void expect(struct gguf_bytes *bytes, enum status status, const char *words)
{
    expect_as(bytes, false, status, words);
}

/* --- what ggml-org/llama.cpp:tests/test-gguf.cpp has ------------------------------------------------------------------- */

static void headers(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    put_start(&b, 3, 0, 0);
    assert_int_equal(b.text.size, 24);
    expect(&b, STATUS_OK, NULL);
    put_start(&b, 3, 0, 0);
    b.text.data[3] = 'X';
    expect(&b, STATUS_CORRUPT, "no GGUF file");
    put_start(&b, 0, 0, 0);
    expect(&b, STATUS_CORRUPT, "version 0");
    put_start(&b, 4, 0, 0);
    expect(&b, STATUS_UNSUPPORTED, "version 4");
    put_start(&b, 0x10001, 0, 0);
    expect(&b, STATUS_CORRUPT, "version 65537");
    put_start(&b, 3, UINT64_MAX, 0);
    expect(&b, STATUS_CORRUPT, "18446744073709551615 tensors");
    put_start(&b, 3, 0, UINT64_MAX);
    expect(&b, STATUS_CORRUPT, "18446744073709551615 key-value pairs");
    put_start(&b, 3, 1, 0);
    expect(&b, STATUS_CORRUPT, "1 tensors");
    text_add(&b.text, "GGUF\3\0\0", 7);
    expect(&b, STATUS_CORRUPT, "truncated");
    for (unsigned big = 0; big < 2; big++) {
        for (uint32_t version = 1; version <= 3; version++) {
            b.big = big != 0;
            put_start(&b, version, 0, 0);
            expect(&b, STATUS_OK, NULL);
        }
    }
}

static void pairs(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    put_start(&b, 3, 0, 1);
    put_word(&b, UINT64_MAX, 8);
    put_zeros(&b, 20);
    expect(&b, STATUS_CORRUPT, "truncated");
    put_start(&b, 3, 0, 1);
    put_u32_pair(&b, "", 1);
    expect(&b, STATUS_CORRUPT, "empty key");
    put_start(&b, 3, 0, 1);
    put_key(&b, "a", 13);
    put_zeros(&b, 8);
    expect(&b, STATUS_CORRUPT, "type 13");
    put_start(&b, 3, 0, 1);
    put_key(&b, "a", GGUFILE_ARRAY);
    put_array(&b, 13, 0);
    expect(&b, STATUS_CORRUPT, "type 13");
    put_start(&b, 3, 0, 2);
    put_u32_pair(&b, "twice", 1);
    put_u32_pair(&b, "twice", 1);
    expect(&b, STATUS_CORRUPT, "key twice twice");
    static const uint32_t alignments[] = {0, 13, 48, UINT32_MAX};
    for (size_t i = 0; i < sizeof alignments / sizeof alignments[0]; i++) {
        put_start(&b, 3, 0, 1);
        put_u32_pair(&b, "general.alignment", alignments[i]);
        expect(&b, STATUS_CORRUPT, "expected a power of two");
    }
    put_start(&b, 3, 0, 1);
    put_key(&b, "general.alignment", GGUFILE_I32);
    put_word(&b, 32, 4);
    expect(&b, STATUS_CORRUPT, "of type i32, expected u32");
    put_start(&b, 3, 0, 1);
    put_key(&b, "truth", GGUFILE_BOOL);
    put_word(&b, 2, 1);
    put_zeros(&b, 7);
    expect(&b, STATUS_CORRUPT, "bool of 2");
    put_start(&b, 3, 0, 1);
    put_key(&b, "truths", GGUFILE_ARRAY);
    put_array(&b, GGUFILE_BOOL, 3);
    put_word(&b, 0xFF0100, 3);
    expect(&b, STATUS_CORRUPT, "bool of 255");
}

static void arrays_and_strings_beyond_the_file(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    static const uint32_t elements[] = {GGUFILE_U8, GGUFILE_U64, GGUFILE_STRING, GGUFILE_ARRAY};
    static const uint64_t counts[] = {UINT64_C(1) << 63, UINT64_MAX, (UINT64_C(1) << 61) + 1, 1 << 30, 1000};
    for (size_t e = 0; e < sizeof elements / sizeof elements[0]; e++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            put_start(&b, 3, 0, 1);
            put_key(&b, "a", GGUFILE_ARRAY);
            put_array(&b, elements[e], counts[c]);
            put_zeros(&b, 100);
            expect(&b, STATUS_CORRUPT, "bytes left can hold");
        }
    }
    put_start(&b, 3, 0, 1);
    put_key(&b, "a", GGUFILE_STRING);
    put_word(&b, UINT64_MAX, 8);
    expect(&b, STATUS_CORRUPT, "truncated");
    put_start(&b, 3, 0, 1);
    put_key(&b, "a", GGUFILE_ARRAY);
    put_array(&b, GGUFILE_STRING, 2);
    put_word(&b, 0, 8);
    put_word(&b, UINT64_C(1) << 63, 8);
    expect(&b, STATUS_CORRUPT, "truncated");
    put_start(&b, 1, 0, 1); /* the empty string of version 1 */
    put_key(&b, "a", GGUFILE_STRING);
    put_count(&b, 0);
    expect(&b, STATUS_OK, NULL);
}

static const uint64_t FOUR[4] = {32, 2, 1, 1};

static void tensor_rows(void **state)
{
    (void)state;
    static const struct {
        uint64_t dims[4];
        unsigned rank;
        uint32_t type;
        enum status status;
        const char *words;
    } rows[] = {
        {{32, 1}, 5, GGML_F32, STATUS_CORRUPT, "5 dimensions"},
        {{32, UINT64_MAX}, 2, GGML_F32, STATUS_CORRUPT, "shape"},
        {{UINT64_C(1) << 63}, 1, GGML_I8, STATUS_CORRUPT, "shape"},
        {{INT64_MAX, 2, 1, 1}, 4, GGML_I8, STATUS_CORRUPT, "shape"},
        {{INT64_MAX, 2, 0, 1}, 4, GGML_I8, STATUS_CORRUPT, "shape"},
        {{0, INT64_MAX, 2}, 3, GGML_I8, STATUS_CORRUPT, "shape"},
        {{UINT64_C(1) << 32, UINT64_C(1) << 32, 1, 1}, 4, GGML_I8, STATUS_CORRUPT, "shape"},
        {{INT64_MAX}, 1, GGML_F64, STATUS_CORRUPT, "more than 2^63 - 1 bytes"},
        {{32, 1, 1, 1}, 4, GGML_Q4_2, STATUS_UNSUPPORTED, "Q4_2"},
        {{32, 1, 1, 1}, 4, 36, STATUS_UNSUPPORTED, "I2_S"},
        {{32, 1, 1, 1}, 4, 43, STATUS_UNSUPPORTED, "type 43, expected"},
        {{32, 1, 1, 1}, 4, 139, STATUS_UNSUPPORTED, "ik_llama.cpp"},
        {{32, 1, 1, 1}, 4, 202, STATUS_UNSUPPORTED, "ik_llama.cpp"},
        {{32, 1, 1, 1}, 4, 99999, STATUS_CORRUPT, "type 99999"},
        {{32, 1, 1, 1}, 4, UINT32_MAX, STATUS_CORRUPT, "type 4294967295"},
        {{33, 1}, 1, GGML_Q4_0, STATUS_CORRUPT, "rows of 33 elements of Q4_0"},
        {{32, 8}, 2, GGML_Q4_K, STATUS_CORRUPT, "a multiple of 256"},
        {{0, 32}, 2, GGML_F32, STATUS_OK, NULL},
        {{32, 0}, 2, GGML_Q4_0, STATUS_OK, NULL},
        {{1}, 0, GGML_F32, STATUS_OK, NULL},
        {{32}, 1, GGML_F32, STATUS_OK, NULL},
        {{9, 1}, 1, GGML_F32, STATUS_CORRUPT, "padding after the last tensor"},
        {{512}, 1, GGML_F32, STATUS_CORRUPT, "truncated"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gguf_bytes b = {0};
        static const uint64_t five[5] = {1, 1, 1, 1, 1};
        const bool data = rows[i].rank < 2 && rows[i].dims[0] <= 32;
        put_start(&b, 3, 1, 0);
        put_tensor(&b, "t", rows[i].rank, rows[i].rank == 5 ? five : rows[i].dims, rows[i].type, 0);
        put_data(&b, 32, rows[i].dims[0] == 9 ? 36 : data ? (rows[i].rank == 0 ? 32 : 128) : 0);
        expect(&b, rows[i].status, rows[i].words);
    }
}

static void tensor_names(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    char name[65];
    for (size_t size = 62; size <= 64; size++) {
        memset(name, 'n', sizeof name);
        name[size] = '\0';
        put_start(&b, 3, 1, 0);
        put_tensor(&b, name, 1, FOUR, GGML_I8, 0);
        put_data(&b, 32, 32);
        expect(&b, size < 64 ? STATUS_OK : STATUS_CORRUPT, size < 64 ? NULL : "name of 64 bytes");
    }
    put_start(&b, 3, 1, 0);
    put_tensor(&b, "", 1, FOUR, GGML_I8, 0);
    put_data(&b, 32, 32);
    expect(&b, STATUS_CORRUPT, "name of 0 bytes");
    put_start(&b, 3, 1, 0);
    put_tensor(&b, "a", 1, FOUR, GGML_I8, 0);
    b.text.data[32] = '\0';
    put_data(&b, 32, 32);
    expect(&b, STATUS_CORRUPT, "NUL byte");
    put_start(&b, 3, 2, 0);
    put_tensor(&b, "twice", 1, FOUR, GGML_I8, 0);
    put_tensor(&b, "twice", 1, FOUR, GGML_I8, 32);
    put_data(&b, 32, 64);
    expect(&b, STATUS_CORRUPT, "tensor twice twice");
}

/* --- where data lie ---------------------------------------------------------------------------------------------------- */

/* Two tensors of `bytes` bytes each, at these offsets. */
static void two(struct gguf_bytes *b, uint64_t bytes, uint64_t first, uint64_t second, size_t data)
{
    put_start(b, 3, 2, 0);
    put_tensor(b, "a", 1, &bytes, GGML_I8, first);
    put_tensor(b, "b", 1, &bytes, GGML_I8, second);
    put_data(b, 32, data);
}

static void offsets(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    two(&b, 33, 0, 64, 128);
    expect(&b, STATUS_OK, NULL);
    two(&b, 33, 0, 33, 128);
    expect(&b, STATUS_CORRUPT, "multiple of the alignment, 32");
    two(&b, 33, 0, 32, 128);
    expect(&b, STATUS_CORRUPT, "overlap");
    two(&b, 33, 0, 32, 128);
    expect_as(&b, true, STATUS_CORRUPT, "overlap");
    two(&b, 33, 0, 0, 128);
    expect_as(&b, true, STATUS_CORRUPT, "overlap");
    two(&b, 33, 0, 96, 160);
    expect(&b, STATUS_UNSUPPORTED, "after a gap");
    two(&b, 33, 0, 96, 160);
    expect_as(&b, true, STATUS_OK, NULL);
    two(&b, 33, 64, 0, 128);
    expect(&b, STATUS_UNSUPPORTED, "in another order");
    two(&b, 33, 64, 0, 128);
    expect_as(&b, true, STATUS_OK, NULL);
    two(&b, 33, 0, 96, 128);
    expect_as(&b, true, STATUS_CORRUPT, "truncated");
    two(&b, 33, 0, UINT64_MAX - 31, 128);
    expect_as(&b, true, STATUS_CORRUPT, "overflow");
    two(&b, 33, 0, UINT64_C(1) << 63, 128);
    expect_as(&b, true, STATUS_CORRUPT, "truncated");
    two(&b, UINT64_C(0x7FFFFFFFFFFFFFC0), 0, UINT64_C(0x7FFFFFFFFFFFFFC0), 128);
    expect(&b, STATUS_CORRUPT, "truncated");
    two(&b, 33, 0, 64, 127);
    expect(&b, STATUS_CORRUPT, "padding");
    two(&b, 0, 0, 0, 0);
    expect(&b, STATUS_OK, NULL);
    two(&b, 33, 0, 64, 0);
    expect(&b, STATUS_CORRUPT, "truncated");
}

static void lenient_reading_says_what_it_met(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct ggufile gguf;
    struct err err = {0};
    two(&b, 33, 96, 0, 192);
    assert_int_equal(gguf_read_bytes(&b, true, &gguf, &err), STATUS_OK);
    assert_true(gguf.has_gaps && gguf.is_reordered);
    assert_int_equal(gguf.tensor[0].offset, gguf.data_offset + 96);
    assert_int_equal(gguf.trailing_bytes, 32);
    assert_string_equal(ggufile_find_tensor(&gguf, slice_of("b"))->name, "b");
    assert_null(ggufile_find_tensor(&gguf, slice_of("c")));
    ggufile_free(&gguf);
    text_free(&b.text);
}

static void alignments(void **state)
{
    (void)state;
    static const struct {
        uint32_t key, data, second;
        enum status status;
    } rows[] = {
        {1, 1, 33, STATUS_OK},       {64, 64, 64, STATUS_OK},      {32, 32, 64, STATUS_OK},
        {32, 1, 33, STATUS_CORRUPT}, {64, 32, 96, STATUS_CORRUPT}, {128, 128, 64, STATUS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gguf_bytes b = {0};
        const uint64_t bytes = 33;
        put_start(&b, 3, 2, 1);
        put_u32_pair(&b, "general.alignment", rows[i].key);
        put_tensor(&b, "a", 1, &bytes, GGML_I8, 0);
        put_tensor(&b, "b", 1, &bytes, GGML_I8, rows[i].second);
        put_data(&b, rows[i].data, 0);
        put_zeros(&b, rows[i].second + 33);
        put_data(&b, rows[i].data, 0);
        expect(&b, rows[i].status, rows[i].status == STATUS_OK ? NULL : "multiple of the alignment");
    }
}

/* --- values ------------------------------------------------------------------------------------------------------------ */

static void check_nested(const struct ggufile *gguf, struct err *err)
{
    struct ggufile_array outer, inner, deeper;
    struct slice string;
    int64_t number;
    assert_int_equal(ggufile_value_array(gguf, "nested", GGUFILE_ARRAY, &outer, NULL, err), STATUS_OK);
    assert_true(ggufile_value_next_array(&outer, &inner));
    assert_true(inner.element == GGUFILE_U16 && inner.count == 2 && ggufile_value_integer(&inner, 1, &number) && number == 8);
    assert_true(ggufile_value_next_array(&outer, &inner));
    assert_true(inner.element == GGUFILE_ARRAY && inner.count == 2);
    assert_true(ggufile_value_next_array(&inner, &deeper) && deeper.element == GGUFILE_STRING);
    assert_true(ggufile_value_next(&deeper, &string) && slice_is(string, "deep") && !ggufile_value_next(&deeper, &string));
    assert_true(ggufile_value_next_array(&inner, &deeper) && deeper.count == 0 && !ggufile_value_next_array(&inner, &deeper));
    assert_true(ggufile_value_next_array(&outer, &inner) && ggufile_value_integer(&inner, 0, &number) && number == 9);
    assert_false(ggufile_value_next_array(&outer, &inner));
}

static void check_everything(const struct ggufile *gguf)
{
    struct err err = {0};
    struct ggufile_array array;
    struct slice string;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    int64_t i64 = 0;
    double f64 = 0;
    bool truth = false, present = false;
    assert_true(ggufile_value_u32(gguf, "u8", &u32, NULL, &err) == STATUS_OK && u32 == 200);
    assert_true(ggufile_value_u32(gguf, "u16", &u32, NULL, &err) == STATUS_OK && u32 == 60000);
    assert_true(ggufile_value_u32(gguf, "u32", &u32, NULL, &err) == STATUS_OK && u32 == 4000000000);
    assert_true(ggufile_value_u64(gguf, "u64", &u64, &present, &err) == STATUS_OK && u64 == UINT64_MAX && present);
    static const char *const minus[] = {"i8", "i16", "i32"};
    for (size_t i = 0; i < 3; i++) {
        assert_true(ggufile_value_i64(gguf, minus[i], &i64, NULL, &err) == STATUS_OK && i64 == -2);
        assert_int_equal(ggufile_value_u32(gguf, minus[i], &u32, NULL, &err), STATUS_CORRUPT);
        assert_int_equal(ggufile_value_u64(gguf, minus[i], &u64, NULL, &err), STATUS_CORRUPT);
    }
    assert_true(ggufile_value_i64(gguf, "i64", &i64, NULL, &err) == STATUS_OK && i64 == -1);
    assert_true(ggufile_value_f64(gguf, "f32", &f64, NULL, &err) == STATUS_OK && f64 == 1.5);
    f64 = 0;
    assert_true(ggufile_value_f64(gguf, "f64", &f64, NULL, &err) == STATUS_OK && f64 == 1.5);
    assert_true(ggufile_value_bool(gguf, "bool", &truth, NULL, &err) == STATUS_OK && truth);
    assert_true(ggufile_value_string(gguf, "string", &string, NULL, &err) == STATUS_OK && slice_is(string, "text"));
    assert_true(ggufile_value_string(gguf, "empty", &string, NULL, &err) == STATUS_OK && string.size == 0);
    assert_int_equal(ggufile_value_array(gguf, "strings", GGUFILE_STRING, &array, NULL, &err), STATUS_OK);
    assert_true(array.count == 3 && ggufile_value_next(&array, &string) && slice_is(string, "one") && ggufile_value_next(&array, &string));
    assert_true(string.size == 0 && ggufile_value_next(&array, &string) && slice_is(string, "three") && !ggufile_value_next(&array, &string));
    assert_int_equal(ggufile_value_array(gguf, "none", GGUFILE_STRING, &array, NULL, &err), STATUS_OK);
    assert_true(array.count == 0 && !ggufile_value_next(&array, &string));
    assert_int_equal(ggufile_value_array(gguf, "numbers", GGUFILE_KIND_COUNT, &array, NULL, &err), STATUS_OK);
    assert_true(ggufile_value_integer(&array, 2, &i64) && i64 == -3 && !ggufile_value_integer(&array, 3, &i64));
    assert_int_equal(ggufile_value_array(gguf, "floats", GGUFILE_F32, &array, NULL, &err), STATUS_OK);
    assert_true(ggufile_value_float(&array, 1, &f64) && f64 == -1.5 && !ggufile_value_float(&array, 2, &f64));
    check_nested(gguf, &err);
    assert_true(gguf->nested && ggufile_find(gguf, "absent") == NULL && ggufile_find(gguf, "last")->bytes == 4);
}

static void values_of_every_form(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        for (unsigned big = 0; big < 2; big++) {
            struct gguf_bytes b = {.big = big != 0};
            struct ggufile gguf;
            struct err err = {0};
            put_everything(&b, version);
            if (gguf_read_bytes(&b, false, &gguf, &err) != STATUS_OK)
                fail_msg("%s: %s", err.where, err.what);
            assert_true(gguf.version == version && gguf.big_endian == (big != 0) && gguf.alignment == 32 && gguf.trailing_bytes == 0);
            assert_true(gguf.tensor[0].dims[0] == 16 && gguf.tensor[0].dims[1] == 2 && gguf.tensor[0].dims[3] == 1 && gguf.tensor[0].rank == 2);
            assert_true(gguf.tensor[0].bytes == 128 && gguf.tensor[0].offset == gguf.data_offset && gguf.data_offset % 32 == 0);
            check_everything(&gguf);
            ggufile_free(&gguf);
            text_free(&b.text);
        }
    }
}

static void values_of_the_wrong_type(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    struct ggufile gguf;
    struct err err = {0};
    struct ggufile_array array;
    struct slice string = {0};
    uint32_t u32 = 42;
    uint64_t u64 = 42;
    int64_t i64 = 42;
    double f64 = 42;
    bool truth = false, present = true;
    put_everything(&b, 3);
    assert_int_equal(gguf_read_bytes(&b, false, &gguf, &err), STATUS_OK);
    assert_int_equal(ggufile_value_u32(&gguf, "f32", &u32, NULL, &err), STATUS_CORRUPT);
    assert_string_equal(err.what, "found a value of type f32, expected an integer");
    assert_int_equal(ggufile_value_u32(&gguf, "u64", &u32, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_u32(&gguf, "bool", &u32, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_i64(&gguf, "u64", &i64, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_i64(&gguf, "string", &i64, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_u64(&gguf, "strings", &u64, NULL, &err), STATUS_CORRUPT);
    assert_string_equal(err.what, "found an array of string, expected an integer");
    assert_int_equal(ggufile_value_f64(&gguf, "u32", &f64, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_bool(&gguf, "u8", &truth, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_string(&gguf, "u8", &string, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_array(&gguf, "numbers", GGUFILE_STRING, &array, NULL, &err), STATUS_CORRUPT);
    assert_string_equal(err.what, "found an array of i16, expected an array of string");
    assert_int_equal(ggufile_value_array(&gguf, "u8", GGUFILE_KIND_COUNT, &array, NULL, &err), STATUS_CORRUPT);
    assert_int_equal(ggufile_value_u32(&gguf, "absent", &u32, NULL, &err), STATUS_CORRUPT);
    assert_string_equal(err.what, "found no key absent, expected it");
    assert_int_equal(ggufile_value_u32(&gguf, "absent", &u32, &present, &err), STATUS_OK);
    assert_true(!present && u32 == 42);
    assert_int_equal(ggufile_value_array(&gguf, "floats", GGUFILE_F32, &array, NULL, &err), STATUS_OK);
    assert_false(ggufile_value_integer(&array, 0, &i64) || ggufile_value_next(&array, &string) || ggufile_value_next_array(&array, &array));
    ggufile_free(&gguf);
    text_free(&b.text);
}

/* --- bounds ------------------------------------------------------------------------------------------------------------ */

static void every_prefix_is_refused(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    put_everything(&b, 3);
    const struct text whole = b.text;
    for (size_t size = 0; size < whole.size; size++) {
        struct ggufile gguf;
        struct err err = {0};
        b.text.size = size;
        assert_int_equal(gguf_read_bytes(&b, false, &gguf, &err), STATUS_CORRUPT);
    }
    text_free(&b.text);
}

static void depth_and_keys_are_bounded(void **state)
{
    (void)state;
    struct gguf_bytes b = {0};
    for (unsigned depth = 7; depth <= 9; depth++) {
        put_start(&b, 3, 0, 1);
        put_key(&b, "a", GGUFILE_ARRAY);
        for (unsigned d = 0; d < depth; d++)
            put_array(&b, GGUFILE_ARRAY, 1);
        put_array(&b, GGUFILE_U8, 0);
        expect(&b, depth <= 8 ? STATUS_OK : STATUS_LIMIT, depth <= 8 ? NULL : "nested more than 8 deep");
    }
    char *key = calloc(1, 65537);
    assert_non_null(key);
    memset(key, 'k', 65536);
    put_start(&b, 3, 0, 1);
    put_u32_pair(&b, key, 1);
    expect(&b, STATUS_LIMIT, "key of 65536 bytes");
    put_start(&b, 3, 0, 1);
    put_u32_pair(&b, key + 1, 1);
    expect(&b, STATUS_OK, NULL);
    free(key);
}

/* A file of which only the head is there, the rest zeros: counts that such a size allows meet the limits. */
static ssize_t zeros_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    (void)fd;
    const struct text *head = context;
    memset(data, 0, size);
    if ((size_t)offset < head->size)
        memcpy(data, head->data + offset, head->size - (size_t)offset < size ? head->size - (size_t)offset : size);
    return (ssize_t)size;
}

static void limits_hold_in_large_files(void **state)
{
    (void)state;
    static const struct {
        uint64_t tensors, pairs, string;
        const char *words;
    } rows[] = {{2000000, 0, 0, "2000000 tensors"}, {0, 200000, 0, "200000 key-value pairs"}, {0, 1, UINT64_C(1) << 31, "header of more than"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gguf_bytes b = {0};
        put_start(&b, 3, rows[i].tensors, rows[i].pairs);
        put_key(&b, "a", GGUFILE_STRING);
        put_word(&b, rows[i].string, 8);
        struct file_ops ops = file_posix;
        ops.context = &b.text;
        ops.pread = zeros_pread;
        const struct file file = {.ops = &ops, .path = "large.gguf", .fd = 0, .bytes = UINT64_C(1) << 40};
        struct ggufile gguf;
        struct err err = {0};
        assert_int_equal(ggufile_read(&file, false, &gguf, &err), STATUS_LIMIT);
        assert_non_null(strstr(err.what, rows[i].words));
        text_free(&b.text);
    }
}

static void probing(void **state)
{
    (void)state;
    assert_true(ggufile_probe("GGUF\3\0\0\0", 8));
    assert_false(ggufile_probe("GGUF\3\0\0\0", 7));
    assert_false(ggufile_probe("GGML\3\0\0\0", 8));
    assert_string_equal(ggufile_kind_name(GGUFILE_KIND_COUNT), "unknown");
    assert_int_equal(ggufile_kind_bytes(GGUFILE_KIND_COUNT), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers),
        cmocka_unit_test(pairs),
        cmocka_unit_test(arrays_and_strings_beyond_the_file),
        cmocka_unit_test(tensor_rows),
        cmocka_unit_test(tensor_names),
        cmocka_unit_test(offsets),
        cmocka_unit_test(lenient_reading_says_what_it_met),
        cmocka_unit_test(alignments),
        cmocka_unit_test(values_of_every_form),
        cmocka_unit_test(values_of_the_wrong_type),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(depth_and_keys_are_bounded),
        cmocka_unit_test(limits_hold_in_large_files),
        cmocka_unit_test(probing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
