#include "ir/ggml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Sizes from the fields of each block: halves, packed scales, packed codes. */
static void blocks_are_their_fields(void **state)
{
    (void)state;
    static const struct {
        enum ggml_type type;
        uint32_t elements, bytes;
    } rows[] = {
        {GGML_Q4_0, 32, 2 + 16},
        {GGML_Q4_1, 32, 2 + 2 + 16},
        {GGML_Q5_0, 32, 2 + 4 + 16},
        {GGML_Q5_1, 32, 2 + 2 + 4 + 16},
        {GGML_Q8_0, 32, 2 + 32},
        {GGML_Q8_1, 32, 2 + 2 + 32},
        {GGML_Q2_K, 256, 16 + 64 + 2 + 2},
        {GGML_Q3_K, 256, 32 + 64 + 12 + 2},
        {GGML_Q4_K, 256, 2 + 2 + 12 + 128},
        {GGML_Q5_K, 256, 2 + 2 + 12 + 32 + 128},
        {GGML_Q6_K, 256, 128 + 64 + 16 + 2},
        {GGML_Q8_K, 256, 4 + 256 + 32},
        {GGML_IQ2_XXS, 256, 2 + 64},
        {GGML_IQ2_XS, 256, 2 + 64 + 8},
        {GGML_IQ3_XXS, 256, 2 + 64 + 32},
        {GGML_IQ1_S, 256, 2 + 32 + 16},
        {GGML_IQ4_NL, 32, 2 + 16},
        {GGML_IQ3_S, 256, 2 + 64 + 8 + 32 + 4},
        {GGML_IQ2_S, 256, 2 + 64 + 8 + 8},
        {GGML_IQ4_XS, 256, 2 + 2 + 4 + 128},
        {GGML_IQ1_M, 256, 32 + 16 + 8},
        {GGML_TQ1_0, 256, 48 + 4 + 2},
        {GGML_TQ2_0, 256, 64 + 2},
        {GGML_MXFP4, 32, 1 + 16},
        {GGML_NVFP4, 64, 4 + 32},
        {GGML_Q1_0, 128, 2 + 16},
        {GGML_Q2_0, 64, 2 + 16},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ggml_block_elements(rows[i].type), rows[i].elements);
        assert_int_equal(ggml_block_bytes(rows[i].type), rows[i].bytes);
        assert_int_equal(ggml_find(slice_of(ggml_name(rows[i].type))), rows[i].type);
        assert_int_equal(ggml_dtype(rows[i].type), DTYPE_NONE);
    }
}

static void ids_and_kinds(void **state)
{
    (void)state;
    assert_int_equal(GGML_COUNT, 43);
    size_t of_kind[5] = {0};
    for (int t = 0; t < GGML_COUNT; t++)
        of_kind[ggml_kind((enum ggml_type)t)]++;
    assert_int_equal(of_kind[GGML_KIND_FLOAT], 4);
    assert_int_equal(of_kind[GGML_KIND_INTEGER], 4);
    assert_int_equal(of_kind[GGML_KIND_GONE], 8);
    assert_int_equal(of_kind[GGML_KIND_INNER], 2);
    assert_int_equal(of_kind[GGML_KIND_BLOCK], 25);
    assert_int_equal(ggml_kind(GGML_COUNT), GGML_KIND_GONE);
    assert_int_equal(ggml_find(slice_of("q4_k")), GGML_Q4_K);
    assert_int_equal(ggml_find(slice_of("Q4_")), GGML_COUNT);
    assert_string_equal(ggml_name(GGML_COUNT), "none");
}

static void plain_numbers_have_the_width_of_their_dtype(void **state)
{
    (void)state;
    for (int t = 0; t < GGML_COUNT; t++) {
        const enum dtype dtype = ggml_dtype((enum ggml_type)t);
        const enum ggml_kind kind = ggml_kind((enum ggml_type)t);
        assert_int_equal(dtype != DTYPE_NONE, kind == GGML_KIND_FLOAT || kind == GGML_KIND_INTEGER);
        if (dtype == DTYPE_NONE)
            continue;
        assert_int_equal(ggml_block_bytes((enum ggml_type)t) * 8, dtype_bits(dtype));
        assert_int_equal(ggml_of_dtype(dtype), t);
        assert_string_equal(ggml_name((enum ggml_type)t), dtype_name(dtype));
    }
    assert_int_equal(ggml_of_dtype(DTYPE_U8), GGML_COUNT);
}

static void rows_are_whole_blocks(void **state)
{
    (void)state;
    uint64_t bytes = 0;
    assert_true(ggml_row_bytes(GGML_Q6_K, 512, &bytes));
    assert_int_equal(bytes, 420);
    assert_true(ggml_row_bytes(GGML_BF16, 7, &bytes));
    assert_int_equal(bytes, 14);
    assert_true(ggml_row_bytes(GGML_Q4_0, 0, &bytes));
    assert_int_equal(bytes, 0);
    assert_false(ggml_row_bytes(GGML_Q6_K, 128, &bytes));
    assert_false(ggml_row_bytes(GGML_Q4_2, 32, &bytes));
    assert_false(ggml_row_bytes(GGML_COUNT, 32, &bytes));
    assert_false(ggml_row_bytes(GGML_F64, UINT64_MAX / 4, &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_their_fields),
        cmocka_unit_test(ids_and_kinds),
        cmocka_unit_test(plain_numbers_have_the_width_of_their_dtype),
        cmocka_unit_test(rows_are_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
