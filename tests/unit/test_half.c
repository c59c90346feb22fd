/* F16, BF16 and F32: every half both ways, rounding against an independent definition, and what a cast changes. */
#include "codec/half.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* IEEE 754: what the bits of a small float mean, from its widths alone. */
static double value_of(uint32_t bits, int exponent_bits, int fraction_bits)
{
    const int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1)), bias = (1 << (exponent_bits - 1)) - 1;
    const uint32_t fraction = bits & ((1u << fraction_bits) - 1);
    const double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction != 0 ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (double)(1u << fraction_bits), exponent - bias - fraction_bits);
}

static void every_half_means_what_ieee_says(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const double half = value_of(bits, 5, 10), brain = value_of(bits, 8, 7);
        const float from_half = half_from_f16((uint16_t)bits), from_brain = half_from_bf16((uint16_t)bits);
        if (isnan(half))
            assert_true(isnan(from_half) && (bits_of(from_half) & 0x400000u) != 0 && bits_of(from_half) >> 31 == bits >> 15);
        else
            assert_true((double)from_half == half && bits_of(from_half) >> 31 == bits >> 15);
        assert_int_equal(bits_of(from_brain), bits << 16);
        assert_true(isnan(brain) ? isnan(from_brain) : (double)from_brain == brain);
    }
}

static void every_half_comes_back(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        const uint32_t quiet_half = (bits & 0x7fffu) > 0x7c00u ? bits | 0x200u : bits;
        const uint32_t quiet_brain = (bits & 0x7fffu) > 0x7f80u ? bits | 0x40u : bits;
        assert_int_equal(half_to_f16(half_from_f16((uint16_t)bits)), quiet_half);
        assert_int_equal(half_to_bf16(half_from_bf16((uint16_t)bits)), quiet_brain);
    }
}

/* Between neighbours a and b = a + 1 step: below the midpoint a, above it b, on it the even one; with both signs. */
static void midpoints_go_to_even(void **state)
{
    (void)state;
    for (uint32_t low = 0; low < 0x7c00u; low++) { /* b of the last one is infinity, whose midpoint is 65520 */
        const float a = half_from_f16((uint16_t)low), b = low == 0x7bffu ? 65536.0f : half_from_f16((uint16_t)(low + 1));
        const float middle = a + (b - a) / 2; /* exact: one bit more than a half */
        const uint16_t even = (uint16_t)(low % 2 == 0 ? low : low + 1);
        assert_int_equal(half_to_f16(middle), even);
        assert_int_equal(half_to_f16(-middle), even | 0x8000u);
        assert_int_equal(half_to_f16(nextafterf(middle, 0)), low);
        assert_int_equal(half_to_f16(nextafterf(middle, INFINITY)), low + 1);
        assert_int_equal(half_to_f16(-nextafterf(middle, INFINITY)), (low + 1) | 0x8000u);
    }
    for (uint32_t low = 0; low < 0x7f80u; low++) {
        const uint32_t middle = low << 16 | 0x8000u;
        const uint32_t even = low % 2 == 0 ? low : low + 1;
        assert_int_equal(half_to_bf16(float_of(middle)), even);
        assert_int_equal(half_to_bf16(float_of(middle | 0x80000000u)), even | 0x8000u);
        assert_int_equal(half_to_bf16(float_of(middle - 1)), low);
        assert_int_equal(half_to_bf16(float_of(middle + 1)), low + 1);
    }
}

static void extremes(void **state)
{
    (void)state;
    assert_int_equal(half_to_f16(65504.0f), 0x7bff);
    assert_int_equal(half_to_f16(65519.996f), 0x7bff);
    assert_int_equal(half_to_f16(65520.0f), 0x7c00);
    assert_int_equal(half_to_f16(-3e38f), 0xfc00);
    assert_int_equal(half_to_f16(INFINITY), 0x7c00);
    assert_int_equal(half_to_f16(0x1p-25f), 0);
    assert_int_equal(half_to_f16(float_of(1)), 0);
    assert_int_equal(half_to_f16(-0.0f), 0x8000);
    assert_int_equal(half_to_f16(float_of(0x7f800001u)), 0x7e00);
    assert_int_equal(half_to_f16(float_of(0xffc02000u)), 0xfe01);
    assert_int_equal(half_to_bf16(float_of(0x7f7fffffu)), 0x7f80);
    assert_int_equal(half_to_bf16(float_of(0x7f800001u)), 0x7fc0);
    assert_int_equal(half_to_bf16(float_of(0xffffffffu)), 0xffff);
    assert_int_equal(half_to_bf16(-INFINITY), 0xff80);
}

/* --- arrays ------------------------------------------------------------------------------------------------------------------ */

#define COUNT 5000

/* Every length of tail, every kind of value, at odd addresses: arrays give what single values give. */
static void arrays_are_the_single_values(void **state)
{
    (void)state;
    static float values[COUNT], wide[COUNT];
    static uint8_t bytes[4 * COUNT + 3];
    uint64_t seed = 42;
    for (size_t i = 0; i < COUNT; i++) {
        const uint32_t random = (uint32_t)(next_random(&seed) >> 16);
        const uint32_t near_half = (random & 0x80000fffu) | (bits_of(half_from_f16((uint16_t)(random >> 12))) & 0x7ffff000u);
        values[i] = float_of(i % 3 == 0 ? random : near_half);
    }
    for (size_t count = 0; count <= 600; count += count < 40 ? 1 : 37) {
        const float *from = values + count * 5;
        uint8_t *at = bytes + count % 3;
        memset(bytes, 0xa5, sizeof bytes);
        half_store(DTYPE_F16, from, count, at, NULL);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(at[2 * i] | at[2 * i + 1] << 8, half_to_f16(from[i]));
        assert_int_equal(at[2 * count], 0xa5);
        half_load(DTYPE_F16, at, count, wide);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(bits_of(wide[i]), bits_of(half_from_f16(half_to_f16(from[i]))));
        half_store(DTYPE_BF16, from, count, at, NULL);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(at[2 * i] | at[2 * i + 1] << 8, half_to_bf16(from[i]));
        assert_int_equal(at[2 * count], 0xa5);
        half_load(DTYPE_BF16, at, count, wide);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(bits_of(wide[i]), bits_of(half_from_bf16(half_to_bf16(from[i]))));
        half_store(DTYPE_F32, from, count, at, NULL);
        assert_memory_equal(at, from, 4 * count);
        assert_int_equal(at[4 * count], 0xa5);
        half_load(DTYPE_F32, at, count, wide);
        assert_memory_equal(wide, from, 4 * count);
    }
}

static void every_half_in_an_array(void **state)
{
    (void)state;
    uint16_t *halves = malloc(65536 * sizeof *halves), *back = malloc(65536 * sizeof *back);
    float *values = malloc(65536 * sizeof *values);
    assert_true(halves != NULL && back != NULL && values != NULL);
    for (uint32_t i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    half_load(DTYPE_F16, halves, 65536, values);
    for (uint32_t i = 0; i < 65536; i++)
        assert_int_equal(bits_of(values[i]), bits_of(half_from_f16((uint16_t)i)));
    struct cast_tally tally = {0};
    half_store(DTYPE_F16, values, 65536, back, &tally);
    for (uint32_t i = 0; i < 65536; i++)
        assert_int_equal(back[i], half_to_f16(values[i]));
    assert_int_equal(tally.count, 65536);
    assert_int_equal(tally.nonfinite, 2 * 1024);
    assert_int_equal(tally.inexact, 0);
    free(halves), free(back), free(values);
}

/* --- tallies ----------------------------------------------------------------------------------------------------------------- */

static struct cast_tally tally_of(enum dtype dtype, const float *values, size_t count)
{
    uint8_t stored[4 * COUNT];
    struct cast_tally tally = {0};
    half_store(dtype, values, count, stored, &tally);
    return tally;
}

static void each_kind_is_counted(void **state)
{
    (void)state;
    const float values[] = {1, -2, 0, -0.0f, 1.0f + 0x1p-11f, 70000, -1e30f, 1e-8f, 0x1p-24f, INFINITY, NAN, -NAN, 0x1p-25f, 3 * 0x1p-25f};
    const struct cast_tally tally = tally_of(DTYPE_F16, values, sizeof values / sizeof *values);
    assert_int_equal(tally.count, 14);
    assert_int_equal(tally.nonfinite, 3);
    assert_int_equal(tally.overflow, 2);
    assert_int_equal(tally.underflow, 2);
    assert_int_equal(tally.inexact, 6);
    assert_true(tally.max_relative == 1.0 / 3); /* 3 * 2^-25 becomes 2^-23 */
    const float brain[] = {1, 1.0f + 0x1p-8f, 0x1.fffffep127f, 0x1p-149f, NAN, 1.0f + 0x1p-7f};
    const struct cast_tally second = tally_of(DTYPE_BF16, brain, 6);
    assert_int_equal(second.count, 6);
    assert_int_equal(second.nonfinite, 1);
    assert_int_equal(second.overflow, 1);
    assert_int_equal(second.underflow, 1);
    assert_int_equal(second.inexact, 3);
    assert_true(second.max_relative == 0x1p-8 / (1 + 0x1p-8));
    const struct cast_tally same = tally_of(DTYPE_F32, values, sizeof values / sizeof *values);
    assert_int_equal(same.count, 14);
    assert_int_equal(same.nonfinite, 3);
    assert_int_equal(same.inexact, 0);
}

/* Every float is looked at alone here, by the definition; the sums must agree over any split. */
static void tallies_add_up(void **state)
{
    (void)state;
    static float values[COUNT];
    uint64_t seed = 3;
    for (size_t i = 0; i < COUNT; i++) {
        const uint32_t random = (uint32_t)(next_random(&seed) >> 16);
        values[i] = i % 7 == 0 ? float_of(random) : half_from_f16((uint16_t)random) * (i > 1500 && i < 2000 ? 1 : 1 + 0x1p-12f);
    }
    values[10] = -0x1.fffffep127f;
    values[4000] = 0x1p-149f;
    for (int kind = 0; kind < 2; kind++) {
        const enum dtype dtype = kind == 0 ? DTYPE_F16 : DTYPE_BF16;
        struct cast_tally expected = {0}, sum = {0};
        for (size_t i = 0; i < COUNT; i++) {
            const float cast = kind == 0 ? half_from_f16(half_to_f16(values[i])) : half_from_bf16(half_to_bf16(values[i]));
            const double value = (double)values[i], error = fabs((double)cast - value);
            expected.count++;
            expected.nonfinite += isfinite(values[i]) ? 0 : 1;
            if (!isfinite(values[i]) || cast == values[i])
                continue;
            expected.inexact++;
            expected.overflow += isinf(cast) ? 1 : 0;
            expected.underflow += cast == 0;
            if (isfinite(cast) && cast != 0 && error / fabs(value) > expected.max_relative)
                expected.max_relative = error / fabs(value);
        }
        assert_true(expected.inexact > 1000 && expected.overflow > 0 && expected.underflow > 0 && expected.nonfinite > 0);
        for (size_t at = 0; at < COUNT;) {
            const size_t part = next_random(&seed) % 700 + 1, count = at + part > COUNT ? COUNT - at : part;
            const struct cast_tally one = tally_of(dtype, values + at, count);
            half_tally_add(&sum, &one);
            at += count;
        }
        const struct cast_tally whole = tally_of(dtype, values, COUNT);
        const struct cast_tally *both[2] = {&sum, &whole};
        for (int i = 0; i < 2; i++) {
            assert_int_equal(both[i]->count, expected.count);
            assert_int_equal(both[i]->inexact, expected.inexact);
            assert_int_equal(both[i]->overflow, expected.overflow);
            assert_int_equal(both[i]->underflow, expected.underflow);
            assert_int_equal(both[i]->nonfinite, expected.nonfinite);
            assert_true(both[i]->max_relative == expected.max_relative);
        }
    }
}

/* --- vectors against the plain loops ---------------------------------------------------------------------------------------- */

static void same_tally(const struct cast_tally *a, const struct cast_tally *b)
{
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->inexact, b->inexact);
    assert_int_equal(a->overflow, b->overflow);
    assert_int_equal(a->underflow, b->underflow);
    assert_int_equal(a->nonfinite, b->nonfinite);
    assert_true(a->max_relative == b->max_relative);
}

/* Stores by both ways after a tally that may hold something, and loads what was stored. */
static void same_as_reference(enum dtype dtype, const float *values, size_t count, double max_relative)
{
    static uint8_t fast[4 * COUNT + 1], slow[4 * COUNT + 1];
    static float wide[COUNT], expected[COUNT];
    struct cast_tally tally = {.count = 7, .max_relative = max_relative}, reference = tally;
    memset(fast, 0xa5, sizeof fast), memset(slow, 0xa5, sizeof slow);
    half_store(dtype, values, count, fast + 1, &tally);
    half_store_reference(dtype, values, count, slow + 1, &reference);
    assert_memory_equal(fast, slow, sizeof fast);
    same_tally(&tally, &reference);
    half_store(dtype, values, count, slow + 1, NULL);
    assert_memory_equal(fast, slow, sizeof fast);
    half_load(dtype, fast + 1, count, wide);
    half_load_reference(dtype, fast + 1, count, expected);
    assert_memory_equal(wide, expected, count * sizeof *wide);
}

/* Sixteen upper bits of a float, whatever they mean, above lower bits that are zero, odd, just below, at and just above the middle, and all ones. */
static float edge_of(uint32_t upper, size_t kind)
{
    static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x0fff, 0x1000, 0x1001, 0x2000, 0x3000};
    return float_of(upper << 16 | lower[kind % (sizeof lower / sizeof *lower)]);
}

static void vectors_are_the_plain_loops(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F32};
    static float values[COUNT];
    uint64_t seed = 77;
    for (size_t kind = 0; kind < 3; kind++) {
        for (size_t at = 0; at < 11 * 65536; at += 4096 + at % 7) {
            for (size_t i = 0; i < 4096; i++)
                values[i] = edge_of((uint32_t)((at + i) / 11 & 0xffff), at + i);
            same_as_reference(dtypes[kind], values, 4096, 0);
        }
        for (size_t i = 0; i < 65536; i += 4096) { /* every half and all of its neighbours in the middle */
            for (size_t k = 0; k < 4096; k++)
                values[k] = half_from_f16((uint16_t)(i + k)) * (k % 3 == 0 ? 1 : k % 3 == 1 ? 1 + 0x1p-11f : 1 - 0x1p-12f);
            same_as_reference(dtypes[kind], values, 4096, 0);
        }
        for (size_t count = 0; count < 2000; count += count < 40 ? 1 : 97) {
            for (size_t i = 0; i < count; i++)
                values[i] = float_of((uint32_t)next_random(&seed));
            same_as_reference(dtypes[kind], values, count, count % 2 == 0 ? 0 : 0x1p-12);
        }
        for (size_t i = 0; i < COUNT; i++) /* an error that grows by the last bit of a double, and ties with the largest */
            values[i] = 1 + 0x1p-11f - (float)(COUNT - i) * 0x1p-23f;
        same_as_reference(dtypes[kind], values, COUNT, 0);
        same_as_reference(dtypes[kind], values, COUNT, 0x1p-11 / (1 + 0x1p-11));
        same_as_reference(dtypes[kind], values, COUNT, 0.75);
    }
}

/* exact-paths.md section 3: BF16 to F16 is exact for exponents -17..15, and not for all below. */
static void bf16_to_f16_edges(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7f80u; bits++) {
        const float value = half_from_bf16((uint16_t)bits);
        const int exponent = (int)(bits >> 7) - 127;
        const bool exact = half_from_f16(half_to_f16(value)) == value;
        if (exponent >= -17 && exponent <= 15)
            assert_true(exact);
        if (exponent > 15)
            assert_false(exact);
        if (exponent == -18)
            assert_int_equal(exact, bits % 2 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_means_what_ieee_says),
        cmocka_unit_test(every_half_comes_back),
        cmocka_unit_test(midpoints_go_to_even),
        cmocka_unit_test(extremes),
        cmocka_unit_test(arrays_are_the_single_values),
        cmocka_unit_test(every_half_in_an_array),
        cmocka_unit_test(each_kind_is_counted),
        cmocka_unit_test(tallies_add_up),
        cmocka_unit_test(vectors_are_the_plain_loops),
        cmocka_unit_test(bf16_to_f16_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
