/* Groups: offsets to zeros, the tally that decides refusals, group_of, and transposes. */
#include "codec/group.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void zeros_come_from_offsets(void **state)
{
    (void)state;
    const float offset[] = {-8, 0, 7, -20, 100, 0.5f, NAN, INFINITY, 3, -INFINITY, -0.0f, 2147483520.0f, 1e20f, -2147483648.0f};
    const float scale[] = {1, 1, 1, -1, 1, 1, 1, 1, 0, -0.0f, 1, 1, 1, 1};
    const int32_t at4[] = {0, 8, 15, -12, 108, 8, 8, 8, 8, 8, 8, 2147483528, 8, -2147483640};
    int32_t zero[14];
    group_zeros_from_offsets(offset, scale, 14, 4, zero);
    for (size_t i = 0; i < 14; i++)
        assert_int_equal(zero[i], at4[i]);
    const float wide[] = {-128, 127, 0, 2147483520.0f};
    const float ones[] = {1, 1, 1, 1};
    group_zeros_from_offsets(wide, ones, 4, 8, zero);
    assert_int_equal(zero[0], 0);
    assert_int_equal(zero[1], 255);
    assert_int_equal(zero[2], 128);
    assert_int_equal(zero[3], 128); /* 2^31 is no i32 */
    struct group_tally tally = group_tally_start(); /* 8 + 2^-130 is 8 in double, and no integer all the same */
    const float small = 0x1p-130f;
    group_zeros_from_offsets(&small, ones, 1, 4, zero);
    group_measure(ones, &small, zero, 1, 4, &tally);
    assert_int_equal(tally.fractions, 1);
}

static void a_start_is_empty(void **state)
{
    (void)state;
    const struct group_tally tally = group_tally_start();
    assert_int_equal(tally.groups + tally.dead + tally.negative + tally.bad_scales + tally.bad_zeros + tally.fractions, 0);
    assert_int_equal(tally.not_mid + tally.below_zero + tally.equal_zero + tally.above_code, 0);
    assert_true(tally.zero_min > tally.zero_max);
    assert_true(tally.offset_min > tally.offset_max);
}

static void zeros_are_judged(void **state)
{
    (void)state;
    const float scale[] = {1, -1, 0, 1, 1, NAN, INFINITY, -0.0f, 2};
    const int32_t zero[] = {8, 0, 99, -3, 16, 8, 15, -99, 7};
    struct group_tally tally = group_tally_start();
    group_measure(scale, NULL, zero, 9, 4, &tally);
    assert_int_equal(tally.groups, 9);
    assert_int_equal(tally.dead, 2);
    assert_int_equal(tally.negative, 1);
    assert_int_equal(tally.bad_scales, 2);
    assert_int_equal(tally.bad_zeros, 0);
    assert_int_equal(tally.fractions, 0);
    assert_int_equal(tally.not_mid, 5);
    assert_int_equal(tally.below_zero, 1);
    assert_int_equal(tally.equal_zero, 1);
    assert_int_equal(tally.above_code, 1);
    assert_int_equal(tally.zero_min, -3);
    assert_int_equal(tally.zero_max, 16);
    assert_true(tally.offset_min > tally.offset_max);
}

static void offsets_are_judged(void **state)
{
    (void)state;
    const float scale[] = {1, 1, 0, 1, 1, 1, -2, 1, 0};
    const float offset[] = {0, -8, NAN, NAN, 0.5f, 1e20f, 8, -INFINITY, 1000};
    int32_t zero[9];
    struct group_tally tally = group_tally_start();
    group_zeros_from_offsets(offset, scale, 9, 4, zero);
    group_measure(scale, offset, zero, 9, 4, &tally);
    assert_int_equal(tally.groups, 9);
    assert_int_equal(tally.dead, 2);
    assert_int_equal(tally.negative, 1);
    assert_int_equal(tally.bad_scales, 0);
    assert_int_equal(tally.bad_zeros, 1);
    assert_int_equal(tally.fractions, 3);
    assert_int_equal(tally.not_mid, 6);
    assert_int_equal(tally.below_zero, 0);
    assert_int_equal(tally.equal_zero, 1);
    assert_int_equal(tally.above_code, 1);
    assert_int_equal(tally.zero_min, 0);
    assert_int_equal(tally.zero_max, 16);
    assert_true(tally.offset_min == -8);
    assert_true(tally.offset_max == (double)1e20f);
}

static void eight_bits_have_their_own_middle(void **state)
{
    (void)state;
    const float scale[] = {1, 1, 1, 1};
    const int32_t zero[] = {128, 255, 256, -1};
    struct group_tally tally = group_tally_start();
    group_measure(scale, NULL, zero, 4, 8, &tally);
    assert_int_equal(tally.not_mid, 3);
    assert_int_equal(tally.above_code, 1);
    assert_int_equal(tally.below_zero, 1);
}

static void same_tally(const struct group_tally *a, const struct group_tally *b)
{
    assert_int_equal(a->groups, b->groups);
    assert_int_equal(a->dead, b->dead);
    assert_int_equal(a->negative, b->negative);
    assert_int_equal(a->bad_scales, b->bad_scales);
    assert_int_equal(a->bad_zeros, b->bad_zeros);
    assert_int_equal(a->fractions, b->fractions);
    assert_int_equal(a->not_mid, b->not_mid);
    assert_int_equal(a->below_zero, b->below_zero);
    assert_int_equal(a->equal_zero, b->equal_zero);
    assert_int_equal(a->above_code, b->above_code);
    assert_int_equal(a->zero_min, b->zero_min);
    assert_int_equal(a->zero_max, b->zero_max);
    assert_true(a->offset_min == b->offset_min && a->offset_max == b->offset_max);
}

static void parts_add_up_in_any_order(void **state)
{
    (void)state;
    enum { COUNT = 600 };
    static const float scales[] = {0, 1, -1, 0.25f, NAN, 1}, offsets[] = {-9, -8, 0, 7, 8, 0.5f, NAN, 1e12f};
    float scale[COUNT], offset[COUNT];
    int32_t zero[COUNT];
    uint64_t seed = 11;
    for (size_t i = 0; i < COUNT; i++) {
        scale[i] = scales[next_random(&seed) % 6];
        offset[i] = offsets[next_random(&seed) % 8];
    }
    group_zeros_from_offsets(offset, scale, COUNT, 4, zero);
    struct group_tally whole = group_tally_start(), forward = group_tally_start(), backward = group_tally_start();
    group_measure(scale, offset, zero, COUNT, 4, &whole);
    struct group_tally part[6];
    for (size_t i = 0; i < 6; i++) {
        part[i] = group_tally_start();
        group_measure(scale + 100 * i, offset + 100 * i, zero + 100 * i, 100, 4, &part[i]);
    }
    for (size_t i = 0; i < 6; i++) {
        group_tally_add(&forward, &part[i]);
        group_tally_add(&backward, &part[5 - i]);
    }
    assert_int_equal(whole.groups, COUNT);
    assert_true(whole.dead > 0 && whole.fractions > 0 && whole.bad_zeros > 0);
    same_tally(&whole, &forward);
    same_tally(&whole, &backward);
}

static void trivial_group_of(void **state)
{
    (void)state;
    uint8_t bytes[4 * 100 + 1];
    for (uint32_t group = 1; group <= 128; group++) {
        for (uint32_t k = 0; k < 100; k++) {
            const uint32_t g = k / group;
            memcpy(bytes + 1 + 4 * k, &g, 4);
        }
        assert_true(group_of_is_trivial(bytes + 1, 100, group));
        for (uint32_t k = 0; k < 100; k++) { /* any one entry decides, in any byte */
            bytes[1 + 4 * k + k % 4] ^= 1;
            assert_false(group_of_is_trivial(bytes + 1, 100, group));
            bytes[1 + 4 * k + k % 4] ^= 1;
        }
    }
    assert_true(group_of_is_trivial(bytes + 1, 0, 128));
}

static void transposes(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (size_t round = 0; round < 120; round++) {
        const size_t size = (size_t)1 << round % 3, rows = next_random(&seed) % 70, columns = next_random(&seed) % 70;
        const size_t source_stride = columns + next_random(&seed) % 5, target_stride = rows + next_random(&seed) % 5;
        const size_t source_bytes = rows * source_stride * size, target_bytes = columns * target_stride * size;
        uint8_t *source = malloc(source_bytes + 1), *target = malloc(target_bytes + 1), *expected = malloc(target_bytes + 1);
        assert_true(source != NULL && target != NULL && expected != NULL);
        for (size_t i = 0; i < source_bytes; i++)
            source[i] = (uint8_t)next_random(&seed);
        memset(target, 0xa5, target_bytes + 1);
        memset(expected, 0xa5, target_bytes + 1);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < columns; c++)
                memcpy(expected + (c * target_stride + r) * size, source + (r * source_stride + c) * size, size);
        group_transpose((struct group_matrix){source, source_stride}, rows, columns, size, target, target_stride);
        assert_memory_equal(target, expected, target_bytes + 1);
        free(source), free(target), free(expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_come_from_offsets), cmocka_unit_test(a_start_is_empty),
        cmocka_unit_test(zeros_are_judged),        cmocka_unit_test(offsets_are_judged),
        cmocka_unit_test(eight_bits_have_their_own_middle), cmocka_unit_test(parts_add_up_in_any_order),
        cmocka_unit_test(trivial_group_of),        cmocka_unit_test(transposes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
