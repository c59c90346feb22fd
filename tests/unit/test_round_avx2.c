/* Rounding in vectors against the plain loops: the same codes, parameters and tallies, to the last bit. */
#include "codec/round.h"

#include "numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define COUNT_MAX 300

static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};

/* Groups of every kind: spread, one-sided, subnormal, full of ties, of zeros with signs, of a few numbers only. */
static void fill(struct rng *rng, uint32_t kind, float *w, size_t count)
{
    const float size = ldexpf(1, -(int)rng_below(rng, 9));
    for (size_t i = 0; i < count; i++) {
        const float value = ((float)rng_below(rng, 1u << 20) * 0x1p-19f - 1) * size;
        const float tie = (float)((int)rng_below(rng, 32) - 16) * 0.5f;
        const float kinds[] = {
            value, fabsf(value), -fabsf(value), value * 0x1p-130f, tie, rng_one_in(rng, 2) ? 0.0f : -0.0f, rng_one_in(rng, 20) ? size : 0, size};
        w[i] = kinds[kind % 8];
    }
    if (rng_one_in(rng, 90))
        w[rng_below(rng, (uint32_t)count)] = rng_one_in(rng, 2) ? NAN : -INFINITY;
    if (rng_one_in(rng, 40))
        w[rng_below(rng, (uint32_t)count)] = 0x1p127f * size;
}

static void same_group(const struct round_rule *rule, const float *w, size_t count, struct round_tally *tally, struct round_tally *reference)
{
    uint8_t codes[COUNT_MAX + 1], expected[COUNT_MAX + 1];
    struct round_params params, plain;
    codes[count] = expected[count] = 0xa5;
    round_group(rule, w, count, &params, codes, tally);
    round_group_reference(rule, w, count, &plain, expected, reference);
    assert_memory_equal(codes, expected, count + 1);
    assert_memory_equal(&params, &plain, sizeof params);
    memset(expected, 0x5a, count);
    round_group(rule, w, count, &plain, expected, NULL);
    assert_memory_equal(codes, expected, count + 1);
    assert_memory_equal(&params, &plain, sizeof params);
    assert_memory_equal(tally, reference, sizeof *tally); /* squares to the last bit: the lanes are added in the same order */
}

static void vectors_are_the_plain_loops(void **state)
{
    (void)state;
    struct rng rng = {11};
    for (unsigned grid = ROUND_SYMMETRIC; grid <= ROUND_MLX; grid++) {
        struct round_tally tally = {0}, reference = {0};
        for (unsigned round = 0; round < 20000; round++) {
            const struct round_rule rule = {(enum round_grid)grid, 2 + round % 7, dtypes[round % 3]};
            const size_t count = round % 5 == 0 ? 128 : 1 + rng_below(&rng, COUNT_MAX - 1);
            float w[COUNT_MAX];
            fill(&rng, rng_below(&rng, 8), w, count);
            same_group(&rule, w, count, &tally, &reference);
            if (round % 2000 == 1999) { /* else the largest error stays for good */
                assert_true(tally.nonfinite > 0 && tally.max_error > 0 && tally.squares > 0);
                tally = reference = (struct round_tally){0};
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_the_plain_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
