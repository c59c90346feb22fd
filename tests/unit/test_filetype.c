#include "ir/filetype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void names_in_any_case_and_aliases(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int filetype;
        enum ggml_type type;
    } rows[] = {
        {"F32", 0, GGML_F32},       {"f16", 1, GGML_F16},      {"bf16", 32, GGML_BF16},       {"q8_0", 7, GGML_Q8_0},   {"Q4_K_M", 15, GGML_Q4_K},
        {"q4_k", 15, GGML_Q4_K},    {"Q3_K", 12, GGML_Q3_K},   {"Q5_K", 17, GGML_Q5_K},       {"Q2_K_S", 21, GGML_Q2_K}, {"IQ3_XS", 22, GGML_IQ3_S},
        {"IQ2_S", 28, GGML_IQ2_XS}, {"iq2_m", 29, GGML_IQ2_S}, {"mxfp4_moe", 38, GGML_MXFP4}, {"TQ2_0", 37, GGML_TQ2_0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const enum filetype found = filetype_find(slice_of(rows[r].name));
        assert_int_equal(found, rows[r].filetype);
        assert_int_equal(filetype_type(found), rows[r].type);
    }
    assert_int_equal(filetype_find(slice_of("Q4_K_")), FILETYPE_NONE);
    assert_int_equal(filetype_find(slice_of("")), FILETYPE_NONE);
    assert_int_equal(filetype_type(FILETYPE_NONE), GGML_COUNT);
    assert_string_equal(filetype_name(FILETYPE_Q4_K_M), "Q4_K_M");
    assert_string_equal(filetype_name(FILETYPE_NONE), "none");
}

static void types_have_file_types(void **state)
{
    (void)state;
    assert_int_equal(filetype_of(GGML_Q6_K), FILETYPE_Q6_K);
    assert_int_equal(filetype_of(GGML_Q4_K), FILETYPE_Q4_K_S);
    assert_int_equal(filetype_of(GGML_MXFP4), FILETYPE_MXFP4_MOE);
    assert_int_equal(filetype_of(GGML_IQ2_S), FILETYPE_IQ2_S);
    assert_int_equal(filetype_of(GGML_I8), FILETYPE_NONE);
    for (int t = 0; t < GGML_COUNT; t++)
        if (ggml_kind((enum ggml_type)t) == GGML_KIND_BLOCK)
            assert_int_not_equal(filetype_of((enum ggml_type)t), FILETYPE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_any_case_and_aliases),
        cmocka_unit_test(types_have_file_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
