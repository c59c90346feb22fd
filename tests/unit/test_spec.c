#include "ir/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_grid_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(spec_grid_name(GRID_DENSE), "dense");
    assert_string_equal(spec_grid_name(GRID_AFFINE_ZERO), "affine-zero");
    assert_string_equal(spec_grid_name(GRID_AFFINE_BETA), "affine-beta");
    assert_string_equal(spec_grid_name(GRID_MINIFLOAT), "minifloat");
    assert_string_equal(spec_grid_name(GRID_CODEBOOK), "codebook");
    assert_string_equal(spec_grid_name(GRID_GGML_BLOCK), "ggml-block");
    assert_string_equal(spec_grid_name(GRID_COUNT), "unknown");
}

static void every_activation_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(spec_activation_name(ACTIVATION_NONE), "none");
    assert_string_equal(spec_activation_name(ACTIVATION_DYNAMIC), "dynamic");
    assert_string_equal(spec_activation_name(ACTIVATION_STATIC), "static");
    assert_string_equal(spec_activation_name((enum activation)3), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_grid_has_its_name), cmocka_unit_test(every_activation_has_its_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
