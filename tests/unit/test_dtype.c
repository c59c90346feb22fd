#include "ir/dtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void table_is_that_of_safetensors(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        const char *name;
        unsigned bits;
        bool is_float;
    } rows[] = {
        {DTYPE_BOOL, "BOOL", 8, false}, {DTYPE_F4, "F4", 4, true}, {DTYPE_F6_E2M3, "F6_E2M3", 6, true}, {DTYPE_F6_E3M2, "F6_E3M2", 6, true},
        {DTYPE_U8, "U8", 8, false}, {DTYPE_I8, "I8", 8, false}, {DTYPE_F8_E5M2, "F8_E5M2", 8, true}, {DTYPE_F8_E4M3, "F8_E4M3", 8, true},
        {DTYPE_F8_E8M0, "F8_E8M0", 8, true}, {DTYPE_F8_E4M3FNUZ, "F8_E4M3FNUZ", 8, true}, {DTYPE_F8_E5M2FNUZ, "F8_E5M2FNUZ", 8, true},
        {DTYPE_I16, "I16", 16, false}, {DTYPE_U16, "U16", 16, false}, {DTYPE_F16, "F16", 16, true}, {DTYPE_BF16, "BF16", 16, true},
        {DTYPE_I32, "I32", 32, false}, {DTYPE_U32, "U32", 32, false}, {DTYPE_F32, "F32", 32, true}, {DTYPE_C64, "C64", 64, true},
        {DTYPE_F64, "F64", 64, true}, {DTYPE_I64, "I64", 64, false}, {DTYPE_U64, "U64", 64, false},
    };
    assert_int_equal(sizeof rows / sizeof rows[0], DTYPE_COUNT);
    for (size_t i = 0; i < DTYPE_COUNT; i++) {
        assert_int_equal(rows[i].dtype, i);
        assert_string_equal(dtype_name(rows[i].dtype), rows[i].name);
        assert_int_equal(dtype_bits(rows[i].dtype), rows[i].bits);
        assert_int_equal(dtype_is_float(rows[i].dtype), rows[i].is_float);
        assert_int_equal(dtype_is_plain_float(rows[i].dtype),
                         rows[i].dtype == DTYPE_F16 || rows[i].dtype == DTYPE_BF16 || rows[i].dtype == DTYPE_F32);
        assert_int_equal(dtype_find(slice_of(rows[i].name)), rows[i].dtype);
    }
}

static void none_is_no_dtype(void **state)
{
    (void)state;
    assert_string_equal(dtype_name(DTYPE_NONE), "none");
    assert_int_equal(dtype_bits(DTYPE_NONE), 0);
    assert_false(dtype_is_float(DTYPE_NONE));
    assert_false(dtype_is_plain_float(DTYPE_NONE));
    assert_null(dtype_torch_name(DTYPE_NONE));
}

static void find_is_exact(void **state)
{
    (void)state;
    static const char *const unknown[] = {"", "f16", "F1", "F166", "F16 ", "float16", "none", "F128"};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        assert_int_equal(dtype_find(slice_of(unknown[i])), DTYPE_NONE);
    assert_int_equal(dtype_find((struct slice){"F16x", 3}), DTYPE_F16);
}

static void parse_knows_options_and_configs(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum dtype dtype;
    } cases[] = {
        {"f16", DTYPE_F16}, {"F16", DTYPE_F16}, {"float16", DTYPE_F16}, {"torch.float16", DTYPE_F16}, {"bf16", DTYPE_BF16},
        {"BFloat16", DTYPE_BF16},
        {"torch.bfloat16", DTYPE_BF16}, {"f32", DTYPE_F32}, {"float32", DTYPE_F32}, {"torch.float32", DTYPE_F32}, {"", DTYPE_NONE},
        {"torch.", DTYPE_NONE},
        {"auto", DTYPE_NONE}, {"int8", DTYPE_NONE}, {"float64", DTYPE_NONE}, {"float16 ", DTYPE_NONE}, {"float1", DTYPE_NONE},
        {"torch.torch.f16", DTYPE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(dtype_parse(slice_of(cases[i].text)), cases[i].dtype);
    assert_int_equal(dtype_parse(slice_of(NULL)), DTYPE_NONE);
    assert_int_equal(dtype_parse((struct slice){"f16x", 3}), DTYPE_F16);
}

static void torch_names_parse_back(void **state)
{
    (void)state;
    assert_string_equal(dtype_torch_name(DTYPE_F16), "float16");
    assert_string_equal(dtype_torch_name(DTYPE_BF16), "bfloat16");
    assert_string_equal(dtype_torch_name(DTYPE_F32), "float32");
    for (int d = 0; d < DTYPE_COUNT; d++) {
        const char *name = dtype_torch_name((enum dtype)d);
        assert_int_equal(name != NULL, dtype_is_plain_float((enum dtype)d));
        if (name != NULL)
            assert_int_equal(dtype_parse(slice_of(name)), d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_is_that_of_safetensors),
        cmocka_unit_test(none_is_no_dtype),
        cmocka_unit_test(find_is_exact),
        cmocka_unit_test(parse_knows_options_and_configs),
        cmocka_unit_test(torch_names_parse_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
