/* What is recorded of a difference: the first place in words, how many, how far apart, and what a tolerance forgives. */
#include "plan/difference.h"

#include "numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void first_and_count(void **state)
{
    struct pair pair = {0};
    (void)state;
    difference_note(&pair, &pair.zeros, &(struct spot){"zero", 3, 4, 7, 8});
    assert_int_equal(pair.verdict, VERDICT_DIFFERS);
    assert_string_equal(pair.first, "zero of row 3, column 4: 7 and 8");
    difference_note(&pair, &pair.codes, &(struct spot){"code", 0, 0, 1, 2});
    difference_note(&pair, &pair.codes, &(struct spot){"code", 0, 1, 1, 2});
    assert_string_equal(pair.first, "zero of row 3, column 4: 7 and 8");
    assert_int_equal(pair.zeros, 1);
    assert_int_equal(pair.codes, 2);
    assert_int_equal(pair.scales + pair.values + pair.rounded, 0);
}

/* A rounding is described until something differs, and never after. */
static void rounding_gives_way(void **state)
{
    struct pair pair = {0};
    (void)state;
    difference_rounded(&pair, &(struct spot){"scale", 1, 2, 1.0, 1.25}, true);
    assert_int_equal(pair.verdict, VERDICT_ROUNDED);
    assert_string_equal(pair.first, "scale of row 1, column 2: 1 and 1.25");
    assert_true(pair.max_relative == 0.25);
    difference_rounded(&pair, &(struct spot){"scale", 5, 6, 1.0, 1.125}, true); /* smaller: counted only */
    assert_string_equal(pair.first, "scale of row 1, column 2: 1 and 1.25");
    assert_true(pair.max_relative == 0.25);
    difference_note(&pair, &pair.scales, &(struct spot){"scale", 9, 9, 1, 3});
    assert_string_equal(pair.first, "scale of row 9, column 9: 1 and 3");
    difference_rounded(&pair, &(struct spot){"scale", 7, 7, 4.0, 8.0}, false);
    assert_int_equal(pair.verdict, VERDICT_DIFFERS);
    assert_string_equal(pair.first, "scale of row 9, column 9: 1 and 3");
    assert_true(pair.max_relative == 0.5); /* of the wider one, which is b */
    assert_int_equal(pair.rounded, 3);
}

static void relative_to_nothing(void **state)
{
    struct pair pair = {0};
    (void)state;
    difference_rounded(&pair, &(struct spot){"scale", 0, 0, 0.0, -0.0}, true);
    assert_int_equal(pair.rounded, 1);
    assert_true(pair.max_relative == 0);
    difference_rounded(&pair, &(struct spot){"scale", 0, 0, 0x1p-149, 0.0}, true); /* the smallest F32 that F16 makes nothing of */
    assert_true(pair.max_relative == 1);
}

static void longest_words_fit(void **state)
{
    struct pair pair = {0};
    (void)state;
    const struct spot spot = {"activation parameter", UINT64_MAX, UINT64_MAX, -0x1.fffffep127, -0x1.fffffep-126};
    difference_note(&pair, &pair.values, &spot);
    assert_non_null(strstr(pair.first, "row 18446744073709551615, column 18446744073709551615: -3.4028234"));
    assert_true(strlen(pair.first) < sizeof pair.first);
    difference_of_shape(&pair, "shapes [2] and [3]");
    assert_string_equal(pair.first, "shapes [2] and [3]");
    assert_int_equal(pair.values, 2);
}

static void rounds_to(void **state)
{
    static const struct {
        float a;
        enum dtype dtype_a;
        float b;
        enum dtype dtype_b;
        bool rounds;
    } rows[] = {
        {1.0f, DTYPE_F32, 1.0f, DTYPE_F32, true},
        {1.0f, DTYPE_F32, 0x1.000002p0f, DTYPE_F32, false},
        {0x1.002p0f, DTYPE_F32, 1.0f, DTYPE_F16, true}, /* a tie goes to even */
        {0x1.002002p0f, DTYPE_F32, 1.0f, DTYPE_F16, false},
        {0x1.002002p0f, DTYPE_F32, 0x1.004p0f, DTYPE_F16, true},
        {0x1.006p0f, DTYPE_F32, 0x1.008p0f, DTYPE_F16, true},
        {0x1.004p0f, DTYPE_F16, 0x1.003p0f, DTYPE_F32, true}, /* whichever side is the wider */
        {0x1.01p0f, DTYPE_F32, 1.0f, DTYPE_BF16, true},
        {0x1.03p0f, DTYPE_F32, 0x1.04p0f, DTYPE_BF16, true},
        {0x1.03p0f, DTYPE_F32, 0x1.02p0f, DTYPE_BF16, false},
        {65519.0f, DTYPE_F32, 65504.0f, DTYPE_F16, true},
        {65520.0f, DTYPE_F32, INFINITY, DTYPE_F16, false}, /* an overflow is no rounding */
        {0x1p-25f, DTYPE_F32, 0.0f, DTYPE_F16, true},
        {0x1.000002p-25f, DTYPE_F32, 0x1p-24f, DTYPE_F16, true},
        {-0x1p-25f, DTYPE_F32, 0.0f, DTYPE_F16, false}, /* -0 is meant */
        {-0x1p-25f, DTYPE_F32, -0.0f, DTYPE_F16, true},
        {0x1.fffffep127f, DTYPE_F32, INFINITY, DTYPE_BF16, false},
        {NAN, DTYPE_F32, NAN, DTYPE_F32, false},
        {0x1.02p0f, DTYPE_BF16, 0x1.02p0f, DTYPE_F16, true}, /* of two of 16 bits, the second's is the narrower */
        {0x1.004p0f, DTYPE_F16, 1.0f, DTYPE_BF16, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (difference_rounds_to(rows[i].a, rows[i].dtype_a, rows[i].b, rows[i].dtype_b) != rows[i].rounds)
            fail_msg("row %d: %a and %a", (int)i, (double)rows[i].a, (double)rows[i].b);
}

/* Every F16 is what its own value rounds to, and its neighbour is not. */
static void every_half(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        const float half = real_value(REAL_F16, bits), next = real_value(REAL_F16, bits + 1);
        assert_true(difference_rounds_to(half, DTYPE_F32, half, DTYPE_F16));
        assert_false(difference_rounds_to(half, DTYPE_F32, next, DTYPE_F16));
    }
}

static struct pair cast(float exact, enum dtype dtype, float stored)
{
    struct pair pair = {0};
    difference_of_cast(&pair, &(struct spot){.what = "value", .out = 1, .in = 2}, exact, dtype, stored);
    return pair;
}

static void casts(void **state)
{
    (void)state;
    assert_int_equal(cast(1.0f, DTYPE_F16, 1.0f).verdict, VERDICT_EQUAL);
    struct pair pair = cast(0x1.001p0f, DTYPE_F16, 1.0f);
    assert_int_equal(pair.verdict, VERDICT_ROUNDED);
    assert_int_equal(pair.rounded, 1);
    pair = cast(0x1.001p0f, DTYPE_F16, 0x1.004p0f);
    assert_int_equal(pair.verdict, VERDICT_DIFFERS);
    assert_int_equal(pair.values, 1);
    assert_string_equal(pair.first, "value of row 1, column 2: 1.00024414 and 1.00097656");
    assert_int_equal(cast(-0.0f, DTYPE_F16, 0.0f).verdict, VERDICT_EQUAL); /* zeros of either sign */
    assert_int_equal(cast(0.0f, DTYPE_BF16, -0.0f).verdict, VERDICT_EQUAL);
    assert_int_equal(cast(-0x1p-30f, DTYPE_F16, 0.0f).verdict, VERDICT_ROUNDED);
    assert_int_equal(cast(0x1p-30f, DTYPE_F16, 0x1p-24f).verdict, VERDICT_DIFFERS);
    assert_int_equal(cast(1e6f, DTYPE_F16, 65504.0f).verdict, VERDICT_DIFFERS);
    assert_int_equal(cast(NAN, DTYPE_F32, 1.0f).verdict, VERDICT_DIFFERS);
    assert_int_equal(cast(1.0f, DTYPE_F32, NAN).verdict, VERDICT_DIFFERS);
    assert_int_equal(cast(INFINITY, DTYPE_F32, INFINITY).verdict, VERDICT_EQUAL);
}

static void spreads(void **state)
{
    struct spread spread = {0};
    (void)state;
    difference_widen(&spread, -4.0f, -3.5f);
    difference_widen(&spread, 1.0f, 1.25f);
    assert_true(spread.largest == 4.0 && spread.difference == 0.5);
    difference_widen(&spread, INFINITY, INFINITY); /* equal bits, and no measure of the others */
    assert_true(spread.largest == 4.0 && spread.difference == 0.5);
    difference_widen(&spread, 0.0f, -0.0f);
    assert_true(spread.difference == 0.5);
    difference_widen(&spread, 1.0f, NAN);
    assert_true(isinf(spread.difference));
    spread = (struct spread){0};
    difference_widen(&spread, NAN, NAN);
    assert_true(spread.difference == 0);
    difference_widen(&spread, 1.0f, INFINITY);
    assert_true(isinf(spread.difference));
    spread = (struct spread){0};
    difference_widen(&spread, 0x1.fffffep127f, -0x1.fffffep127f); /* twice the largest F32 is no overflow */
    assert_true(spread.difference == 2 * 0x1.fffffep127);
}

static void tolerances(void **state)
{
    static const struct {
        double tolerance, largest, difference;
        enum verdict verdict;
        double relative;
    } rows[] = {
        {0.5, 4, 2, VERDICT_ROUNDED, 0.5},
        {0.5, 4, 2.0000001, VERDICT_DIFFERS, 0},
        {0, 4, 0, VERDICT_ROUNDED, 0},
        {0, 4, 1e-300, VERDICT_DIFFERS, 0},
        {-1, 4, 0, VERDICT_DIFFERS, 0}, /* not asked for */
        {1e308, 4, (double)INFINITY, VERDICT_DIFFERS, 0},
        {1, 0, 0, VERDICT_ROUNDED, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair pair = {0};
        difference_note(&pair, &pair.values, &(struct spot){"value", 0, 0, 1, 2});
        pair.codes = pair.zeros = pair.scales = 3;
        difference_tolerate(&pair, rows[i].tolerance, &(struct spread){rows[i].largest, rows[i].difference});
        assert_int_equal(pair.verdict, rows[i].verdict);
        assert_true(pair.max_relative == rows[i].relative);
        assert_int_equal(pair.codes + pair.zeros + pair.scales + pair.values, rows[i].verdict == VERDICT_ROUNDED ? 0 : 10);
        assert_int_equal(pair.first[0] == '\0', rows[i].verdict == VERDICT_ROUNDED);
    }
    struct pair equal = {0};
    difference_tolerate(&equal, 1, &(struct spread){1, 1});
    assert_int_equal(equal.verdict, VERDICT_EQUAL); /* nothing to forgive */
}

static void bits(void **state)
{
    (void)state;
    assert_int_equal(difference_bits(1.0f), 0x3f800000);
    assert_int_equal(difference_bits(-0.0f), 0x80000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_count), cmocka_unit_test(rounding_gives_way), cmocka_unit_test(relative_to_nothing),
        cmocka_unit_test(longest_words_fit), cmocka_unit_test(rounds_to), cmocka_unit_test(every_half),
        cmocka_unit_test(casts), cmocka_unit_test(spreads), cmocka_unit_test(tolerances),
        cmocka_unit_test(bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
