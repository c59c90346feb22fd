/* bitsandbytes: blocks over a flattened tensor from any element on, nested absmax, int8 rows, and values that bitsandbytes itself gave. */
#include "codec/codebook.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define GUARD 12345.0f

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static float random_float(uint64_t *seed)
{
    return (float)((int64_t)(next_random(seed) % 2000001) - 1000000) * 0x1.23456p-20f;
}

/* The literals of bitsandbytes 0.50.2, functional.py get_4bit_type; FP4's are divided by their largest, 12. */
static void the_tables_of_bitsandbytes(void **state)
{
    (void)state;
    static const float nf4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f,
                                  -0.18477343022823334f, -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f,
                                  0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
    static const float fp4[8] = {0, 0.0625f, 8, 12, 4, 6, 2, 3};
    for (int code = 0; code < 16; code++)
        assert_int_equal(bits_of(codebook_nf4[code]), bits_of(nf4[code]));
    for (int code = 0; code < 8; code++) {
        assert_int_equal(bits_of(codebook_fp4[code]), bits_of(fp4[code] / 12));
        assert_int_equal(bits_of(codebook_fp4[code + 8]), bits_of(code == 0 ? 0.0f : -fp4[code] / 12));
    }
}

/* bitsandbytes 0.50.2, quantize_4bit of randn(1, 40) / 20 with blocks of 32, and the F32 that _dequantize_4bit_compute gives back. */
static void values_as_bitsandbytes_gives_them(void **state)
{
    (void)state;
    static const struct {
        const float *table;
        uint8_t nibbles[20];
        float absmax[2], values[40];
    } golden[] = {
        {codebook_nf4,
         {0x49, 0xb2, 0x68, 0x43, 0xb5, 0x25, 0xac, 0x8c, 0x16, 0xe6, 0x8b, 0xc4, 0x6b, 0xae, 0xf2, 0xb3, 0x08, 0xa1, 0x69, 0xb6},
         {0x1.01302ap-3f, 0x1.4f4310p-4f},
         {-0x1.249eacp-5f, 0x1.4b1d5ep-6f, 0x1.5ba194p-5f, -0x1.0e15cap-4f, -0x1.76abfep-7f, 0x1.477948p-7f, -0x1.249eacp-5f,
             -0x1.9645bap-5f, 0x1.5ba194p-5f, -0x1.7c2c1ap-6f, -0x1.0e15cap-4f, -0x1.7c2c1ap-6f, 0x1.fa6098p-6f, 0x1.c561a2p-5f,
             0x1.477948p-7f, 0x1.c561a2p-5f, -0x1.661ae6p-4f, -0x1.76abfep-7f, 0x1.73df32p-4f, -0x1.76abfep-7f, 0x1.477948p-7f,
             0x1.5ba194p-5f, 0x1.c561a2p-5f, -0x1.249eacp-5f, -0x1.76abfep-7f, 0x1.5ba194p-5f, 0x1.fa6098p-6f, 0x1.73df32p-4f,
             0x1.01302ap-3f, -0x1.0e15cap-4f, 0x1.5ba194p-5f, -0x1.9645bap-5f, -0x1.4f4310p-4f, 0x1.aae24cp-8f, 0x1.4a0c62p-6f,
             -0x1.d2d05ep-5f, -0x1.e868eap-8f, 0x1.afa154p-7f, 0x1.c52918p-6f, -0x1.e868eap-8f}},
        {codebook_fp4,
         {0xed, 0x6e, 0xf6, 0xa9, 0x49, 0x22, 0xcd, 0x96, 0x27, 0xfb, 0xec, 0x71, 0xf4, 0x5d, 0x19, 0xe7, 0x63, 0xa3, 0x79, 0x7a},
         {0x1.d422bep-4f, 0x1.87b1b2p-4f},
         {-0x1.38172ap-6f, -0x1.d422bep-5f, 0x1.38172ap-6f, -0x1.38172ap-6f, -0x1.d422bep-6f, 0x1.38172ap-6f, -0x1.38172ap-4f,
             -0x1.38172ap-11f, 0x1.38172ap-5f, -0x1.38172ap-11f, 0x1.38172ap-4f, 0x1.38172ap-4f, -0x1.38172ap-5f, -0x1.d422bep-5f,
             -0x1.38172ap-11f, 0x1.38172ap-6f, 0x1.38172ap-4f, 0x1.d422bep-6f, -0x1.d422bep-6f, -0x1.d422bep-4f, -0x1.38172ap-6f,
             -0x1.38172ap-5f, 0x1.d422bep-6f, 0x1.38172ap-11f, -0x1.d422bep-6f, 0x1.38172ap-5f, 0x1.d422bep-5f, -0x1.d422bep-5f,
             0x1.38172ap-11f, -0x1.38172ap-11f, -0x1.38172ap-6f, 0x1.d422bep-6f, 0x1.052122p-6f, 0x1.87b1b2p-4f, -0x1.052122p-4f,
             0x1.87b1b2p-4f, 0x1.87b1b2p-6f, -0x1.052122p-11f, 0x1.87b1b2p-6f, -0x1.052122p-4f}},
    };
    for (size_t g = 0; g < sizeof golden / sizeof golden[0]; g++) {
        float values[40];
        const struct codebook book = {golden[g].table, golden[g].absmax, 32};
        codebook_load(&book, golden[g].nibbles, 0, 40, values);
        for (size_t i = 0; i < 40; i++)
            assert_int_equal(bits_of(values[i]), bits_of(golden[g].values[i]));
    }
}

/* --- every start, length and block size -------------------------------------------------------------------------------------- */

#define ELEMENTS 700

static void every_range_is_the_formula(void **state)
{
    (void)state;
    static const size_t blocks[] = {32, 64, 256, 4096, 1, 2, 5};
    uint64_t seed = 5;
    static uint8_t nibbles[ELEMENTS / 2];
    static float table[16], absmax[ELEMENTS], values[ELEMENTS + 1];
    for (size_t i = 0; i < sizeof nibbles; i++)
        nibbles[i] = (uint8_t)next_random(&seed);
    for (size_t i = 0; i < ELEMENTS; i++)
        absmax[i] = random_float(&seed);
    for (size_t i = 0; i < 16; i++)
        table[i] = random_float(&seed);
    for (int round = 0; round < 3000; round++) {
        const size_t block = blocks[round % 7], first = next_random(&seed) % ELEMENTS, count = next_random(&seed) % (ELEMENTS - first + 1);
        const struct codebook book = {table, absmax + first / block, block};
        values[count] = GUARD;
        codebook_load(&book, nibbles + first / 2, first, count, values);
        for (size_t i = 0; i < count; i++) {
            const size_t at = first + i;
            const int code = at % 2 == 0 ? nibbles[at / 2] >> 4 : nibbles[at / 2] & 15;
            const float expected = table[code] * absmax[at / block];
            assert_int_equal(bits_of(values[i]), bits_of(expected));
        }
        assert_true(values[count] == GUARD);
    }
}

static void all_code_pairs(void **state)
{
    (void)state;
    uint8_t nibbles[256];
    float values[512];
    const float absmax[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < 256; i++)
        nibbles[i] = (uint8_t)i;
    const struct codebook book = {codebook_nf4, absmax, 32};
    codebook_load(&book, nibbles, 0, 512, values);
    for (size_t i = 0; i < 256; i++) {
        assert_true(values[2 * i] == codebook_nf4[i / 16]);
        assert_true(values[2 * i + 1] == codebook_nf4[i % 16]);
    }
}

/* --- nested absmax ----------------------------------------------------------------------------------------------------------- */

/* bitsandbytes 0.50.2: quantize_4bit(compress_statistics=True) of six blocks; dequantize_blockwise, then += offset. */
static void nested_absmax_as_bitsandbytes_gives_it(void **state)
{
    (void)state;
    static const uint8_t codes[6] = {214, 194, 48, 255, 21, 31};
    static const float expected[6] = {0x1.6af906p-3f, 0x1.4c88e0p-3f, 0x1.19f93ep-3f, 0x1.a89c20p-3f, 0x1.e1c3b0p-4f, 0x1.0019eap-3f};
    float table[256] = {0}, absmax[6];
    const float nested_absmax[1] = {0x1.b0e5b0p-5f};
    table[214] = 0x1.b8ccccp-2f;
    table[194] = 0x1.31999ap-3f;
    table[48] = -0x1.459998p-2f;
    table[255] = 1;
    table[21] = -0x1.653334p-1f;
    table[31] = -0x1.1d3334p-1f;
    const struct codebook_nested nested = {table, nested_absmax, 256, 0x1.3c62b4p-3f};
    codebook_load_absmax(&nested, codes, 0, 6, absmax);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(bits_of(absmax[i]), bits_of(expected[i]));
}

static void every_range_of_nested_absmax(void **state)
{
    (void)state;
    uint64_t seed = 9;
    static uint8_t codes[ELEMENTS];
    static float table[256], nested_absmax[ELEMENTS], absmax[ELEMENTS + 1];
    for (size_t i = 0; i < ELEMENTS; i++) {
        codes[i] = (uint8_t)next_random(&seed);
        nested_absmax[i] = random_float(&seed);
    }
    for (size_t i = 0; i < 256; i++)
        table[i] = random_float(&seed);
    for (int round = 0; round < 1000; round++) {
        const size_t block = round % 4 == 0 ? 7 : 256, first = next_random(&seed) % ELEMENTS, count = next_random(&seed) % (ELEMENTS - first + 1);
        const struct codebook_nested nested = {table, nested_absmax + first / block, block, random_float(&seed)};
        absmax[count] = GUARD;
        codebook_load_absmax(&nested, codes + first, first, count, absmax);
        for (size_t i = 0; i < count; i++) {
            const float product = table[codes[first + i]] * nested_absmax[(first + i) / block], sum = product + nested.offset;
            assert_int_equal(bits_of(absmax[i]), bits_of(sum));
        }
        assert_true(absmax[count] == GUARD);
    }
}

/* --- int8 -------------------------------------------------------------------------------------------------------------------- */

/* bitsandbytes 0.50.2: int8_vectorwise_dequant with SCB 0.3. */
static void int8_as_bitsandbytes_gives_it(void **state)
{
    (void)state;
    static const int8_t codes[12] = {-127, -100, -77, -1, 0, 1, 3, 50, 99, 127, -128, 13};
    static const float expected[12] = {-0x1.333334p-2f, -0x1.e3c792p-3f, -0x1.7482a0p-3f, -0x1.359e70p-9f, 0.0f, 0x1.359e70p-9f,
                                       0x1.d06daap-8f, 0x1.e3c792p-4f, 0x1.def116p-3f, 0x1.333334p-2f, -0x1.359e70p-2f, 0x1.f72176p-6f};
    float values[12];
    codebook_load_int8(codes, 0.3f, 12, values);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(bits_of(values[i]), bits_of(expected[i]));
}

/* All codes: two F32 products in this order, and not the two that look alike. */
static void int8_is_two_products(void **state)
{
    (void)state;
    uint64_t seed = 21;
    int8_t codes[256];
    float values[257];
    size_t unlike_quotient = 0, unlike_scale = 0;
    for (int i = 0; i < 256; i++)
        codes[i] = (int8_t)(i - 128);
    for (int round = 0; round < 200; round++) {
        const float scb = random_float(&seed);
        const size_t count = round < 20 ? (size_t)round : 256;
        values[count] = GUARD;
        codebook_load_int8(codes, scb, count, values);
        for (size_t i = 0; i < count; i++) {
            const float product = (float)codes[i] * scb, expected = product * 0x1.020408p-7f, quotient = product / 127, scale = scb / 127;
            assert_int_equal(bits_of(values[i]), bits_of(expected));
            unlike_quotient += expected != quotient;
            unlike_scale += expected != (float)codes[i] * scale;
        }
        assert_true(values[count] == GUARD);
    }
    assert_true(unlike_quotient > 1000 && unlike_scale > 5000);
}

static void tables_that_are_known(void **state)
{
    float table[16];
    (void)state;
    assert_true(codebook_is_known(codebook_nf4));
    assert_true(codebook_is_known(codebook_fp4));
    for (size_t i = 0; i < 16; i++) {
        memcpy(table, codebook_nf4, sizeof table);
        table[i] += 0.25f;
        assert_false(codebook_is_known(table));
    }
    memcpy(table, codebook_fp4, sizeof table);
    table[8] = -0.0f;
    assert_true(codebook_is_known(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_that_are_known),
        cmocka_unit_test(the_tables_of_bitsandbytes),   cmocka_unit_test(values_as_bitsandbytes_gives_them),
        cmocka_unit_test(every_range_is_the_formula),   cmocka_unit_test(all_code_pairs),
        cmocka_unit_test(nested_absmax_as_bitsandbytes_gives_it), cmocka_unit_test(every_range_of_nested_absmax),
        cmocka_unit_test(int8_as_bitsandbytes_gives_it), cmocka_unit_test(int8_is_two_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
