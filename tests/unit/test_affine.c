/* Values of codes: the formula for each kind, and vectors against the plain loops. */
#include "codec/affine.h"

#include "numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT 300

static void formulas(void **state)
{
    const uint8_t code[] = {0, 7, 8, 255};
    float value[4];
    (void)state;
    affine_values(&(struct affine){0.1f, 7, 0, 0}, code, 4, value);
    assert_true(value[0] == -7 * 0.1f && value[1] == 0 && value[2] == 0.1f && value[3] == 248 * 0.1f);
    affine_values(&(struct affine){0.0f, 9, 5, 0}, code, 4, value); /* dead: +0, whatever the sign of the distance */
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(bits_of(value[i]), 0);
    const float product = 0.1f * 255, sum = product + 0.3f; /* two roundings */
    affine_values(&(struct affine){0.1f, NAN, 0.3f, 0}, code, 4, value);
    assert_true(value[0] == 0.3f && value[3] == sum);
    affine_values(&(struct affine){0.0f, NAN, 0.3f, 0}, code, 4, value);
    assert_true(value[0] == 0.3f && value[3] == 0.3f);
}

static void losses(void **state)
{
    const uint8_t code[] = {8, 9, 11, 15};
    struct affine_loss loss = {2, 0.0};
    struct affine by = {1 + 0x1p-23f, 8, 0, 0};
    float value[4];
    (void)state;
    affine_values(&by, code, 4, value); /* 3 + 3 * 2^-23 is a tie; 7 times one, rounded to quanta of 2^-21, is 2^-23 off */
    affine_losses(&by, code, 4, value, &loss);
    assert_int_equal(loss.inexact, 4);
    assert_true(loss.max_relative == 0x1p-23 / (3 + 3 * 0x1p-23));
    by = (struct affine){NAN, 8, 0, 0};
    affine_values(&by, code, 4, value);
    affine_losses(&by, code, 4, value, &loss);
    by = (struct affine){0.3f, NAN, 0.1f, 0};
    affine_values(&by, code, 4, value);
    affine_losses(&by, code, 4, value, &loss);
    assert_int_equal(loss.inexact, 4); /* of what is no number, and of a beta, nothing is lost */
}

static float any_float(struct rng *rng, uint32_t kind)
{
    if (kind == 0)
        return float_of((uint32_t)rng_next(rng));
    if (kind == 1)
        return (float)((int)rng_below(rng, 40) - 12);
    return kind == 2 ? ldexpf((float)rng_below(rng, 1u << 24), -30) : kind == 3 ? NAN : 0.0f;
}

static void vectors_are_the_plain_loops(void **state)
{
    (void)state;
    struct rng rng = {3};
    struct affine_loss loss = {0}, reference = {0};
    uint8_t code[COUNT];
    float value[COUNT], expected[COUNT];
    for (int round = 0; round < 20000; round++) {
        const struct affine by = {any_float(&rng, rng_below(&rng, 12) == 0 ? rng_below(&rng, 5) : 2), any_float(&rng, rng_below(&rng, 5)),
                                  any_float(&rng, rng_below(&rng, 5)), round % 3 == 0 ? 8.0f : 0.0f};
        const size_t count = rng_below(&rng, round % 9 == 0 ? COUNT : 40);
        for (size_t i = 0; i < count; i++)
            code[i] = (uint8_t)rng_below(&rng, round % 2 == 0 ? 16 : 256);
        affine_values(&by, code, count, value);
        affine_values_reference(&by, code, count, expected);
        for (size_t i = 0; i < count; i++)
            assert_true(bits_of(value[i]) == bits_of(expected[i]) || (isnan(value[i]) && isnan(expected[i])));
        affine_losses(&by, code, count, value, &loss);
        affine_losses_reference(&by, code, count, value, &reference);
        assert_int_equal(loss.inexact, reference.inexact);
        assert_true(loss.max_relative == reference.max_relative);
        if (round % 100 == 99) /* else the largest stays for good */
            loss = reference = (struct affine_loss){0};
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas),
        cmocka_unit_test(losses),
        cmocka_unit_test(vectors_are_the_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
