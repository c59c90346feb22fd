/* Fields of ggml's blocks, against ggml's own reading of the blocks, and Q5_0's codes as 4-bit ones with a zero. */
#include "codec/ggml_codec.h"
#include "codec/ggml_embed.h"
#include "codec/ggml_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint32_t state_of_rng = 5;
static uint8_t any_byte(void)
{
    state_of_rng = state_of_rng * 1664525u + 1013904223u;
    return (uint8_t)(state_of_rng >> 24);
}

static void nibbles_go_there_and_back(void **state)
{
    (void)state;
    static const int doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    for (int round = 0; round < 200; round++) {
        uint8_t block[17], pairs[16], again[17];
        float values[32];
        block[0] = 128; /* 2^0 */
        for (int i = 1; i < 17; i++)
            block[i] = any_byte();
        ggml_field_pairs(block + 1, pairs);
        ggml_codec_dequantize(GGML_MXFP4, block, 32, values);
        for (int k = 0; k < 32; k++)
            assert_true(values[k] == (float)doubled[k % 2 ? pairs[k / 2] >> 4 : pairs[k / 2] & 15]);
        ggml_embed_mxfp4(pairs, block, 1, again);
        assert_memory_equal(block, again, sizeof block);
    }
}

static void five_bits(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        uint8_t block[24] = {0, 0x3c, 0, 0}, codes[32]; /* a scale of 1, a minimum of 0 */
        float values[32];
        for (int i = 4; i < 24; i++)
            block[i] = any_byte();
        ggml_field_five(block + 4, codes);
        ggml_codec_dequantize(GGML_Q5_1, block, 32, values);
        for (int k = 0; k < 32; k++)
            assert_true(values[k] == (float)codes[2 * (k % 16) + k / 16]);
    }
}

static void four_bits_of_five(void **state)
{
    (void)state;
    static const struct {
        uint8_t least, most, zero;
        bool fits;
    } rows[] = {
        {8, 23, 8, true},   {16, 16, 8, true},  {16, 23, 8, true}, {9, 12, 8, true},  {7, 20, 9, true},   {0, 15, 16, true}, {0, 0, 16, true},
        {1, 16, 15, true},  {9, 24, 7, true},   {10, 24, 7, true}, {16, 31, 0, true}, {31, 31, 0, true}, {8, 24, 8, false},  {0, 31, 8, false},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        uint8_t codes[32], narrow[32], zero = 99;
        for (int k = 0; k < 32; k++)
            codes[k] = (uint8_t)(k == 0 ? rows[r].most : k == 1 ? rows[r].least : rows[r].least + any_byte() % (rows[r].most - rows[r].least + 1));
        memcpy(narrow, codes, sizeof codes);
        assert_int_equal(ggml_field_zero(codes, &zero), rows[r].fits);
        assert_int_equal(zero, rows[r].zero);
        ggml_field_narrow(narrow);
        for (int k = 0; k < 32; k++) {
            assert_in_range(narrow[k], 0, 15);
            assert_true(!rows[r].fits || narrow[k] - zero == codes[k] - 16);
        }
    }
}

/* Every span of levels: the zero is the fitting one that is nearest to 8. */
static void the_zero_nearest_to_the_middle(void **state)
{
    (void)state;
    for (int least = 0; least < 32; least++) {
        for (int most = least; most < 32 && most - least <= 15; most++) {
            uint8_t codes[32], zero;
            int best = 99;
            memset(codes, least, sizeof codes);
            codes[7] = (uint8_t)most;
            for (int z = 0; z <= 16; z++)
                if (least - 16 + z >= 0 && most - 16 + z <= 15 && (best == 99 || (z - 8) * (z - 8) < (best - 8) * (best - 8)))
                    best = z;
            assert_true(ggml_field_zero(codes, &zero));
            assert_int_equal(zero, best);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nibbles_go_there_and_back),
        cmocka_unit_test(five_bits),
        cmocka_unit_test(four_bits_of_five),
        cmocka_unit_test(the_zero_nearest_to_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
