#include "base/checked.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void add(void **state)
{
    (void)state;
    uint64_t sum;
    assert_true(checked_add(2, 3, &sum));
    assert_int_equal(sum, 5);
    assert_true(checked_add(UINT64_MAX - 1, 1, &sum));
    assert_true(sum == UINT64_MAX);
    assert_true(checked_add(UINT64_MAX, 0, &sum));
    assert_false(checked_add(UINT64_MAX, 1, &sum));
    assert_false(checked_add(UINT64_C(1) << 63, UINT64_C(1) << 63, &sum));
}

static void multiply(void **state)
{
    (void)state;
    uint64_t product;
    assert_true(checked_mul(6, 7, &product));
    assert_int_equal(product, 42);
    assert_true(checked_mul(UINT64_MAX, 1, &product));
    assert_true(product == UINT64_MAX);
    assert_true(checked_mul(UINT64_MAX, 0, &product));
    assert_int_equal(product, 0);
    assert_true(checked_mul(UINT64_C(0xffffffff), UINT64_C(0x100000001), &product)); /* (2^32 - 1)(2^32 + 1) = 2^64 - 1 */
    assert_true(product == UINT64_MAX);
    assert_false(checked_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &product));
    assert_false(checked_mul(UINT64_MAX, 2, &product));
}

static void divide_up(void **state)
{
    (void)state;
    assert_int_equal(checked_div_up(0, 8), 0);
    assert_int_equal(checked_div_up(1, 8), 1);
    assert_int_equal(checked_div_up(8, 8), 1);
    assert_int_equal(checked_div_up(9, 8), 2);
    assert_true(checked_div_up(UINT64_MAX, 1) == UINT64_MAX);
    assert_true(checked_div_up(UINT64_MAX, 2) == UINT64_C(1) << 63); /* a + b - 1 would overflow */
    assert_int_equal(checked_div_up(UINT64_MAX, UINT64_MAX), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(add), cmocka_unit_test(multiply), cmocka_unit_test(divide_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
