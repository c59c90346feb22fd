/* Minifloats: every code of every dtype against the definition of its bits, whole arrays, and MXFP4 blocks of every exponent. */
#include "codec/minifloat.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* --- what the bits mean, from widths and bias alone --------------------------------------------------------------------------- */

struct form {
    enum dtype dtype;
    int exponent_bits, fraction_bits, bias;
    int infinity, nan_from; /* codes without sign, 256 for none */
    bool only_nan_is_80;
};

static const struct form forms[] = {
    {DTYPE_F8_E4M3, 4, 3, 7, 256, 0x7f, false},    {DTYPE_F8_E5M2, 5, 2, 15, 0x7c, 0x7d, false}, {DTYPE_F8_E4M3FNUZ, 4, 3, 8, 256, 256, true},
    {DTYPE_F8_E5M2FNUZ, 5, 2, 16, 256, 256, true}, {DTYPE_F4, 2, 1, 1, 256, 256, false},
};
#define FORMS (sizeof forms / sizeof forms[0])

static double meaning(const struct form *form, int code)
{
    const int bits = form->exponent_bits + form->fraction_bits, size = code % (1 << bits);
    const double sign = code >> bits != 0 ? -1 : 1;
    const int exponent = size >> form->fraction_bits, fraction = size % (1 << form->fraction_bits);
    if (form->only_nan_is_80 && code == 0x80)
        return NAN;
    if (size == form->infinity)
        return sign * INFINITY;
    if (size >= form->nan_from)
        return NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - form->bias - form->fraction_bits);
    return sign * ldexp((1 << form->fraction_bits) + fraction, exponent - form->bias - form->fraction_bits);
}

static void every_code_means_what_its_bits_say(void **state)
{
    (void)state;
    for (size_t f = 0; f < FORMS; f++) {
        for (int code = 0; code < (forms[f].dtype == DTYPE_F4 ? 16 : 256); code++) {
            const double expected = meaning(&forms[f], code);
            const float value = minifloat_value(forms[f].dtype, (uint8_t)code);
            if (isnan(expected)) {
                assert_true(isnan(value) && (bits_of(value) & 0x400000u) != 0);
            } else {
                assert_true((double)value == expected);
                assert_int_equal(signbit(value) != 0, signbit(expected) != 0);
            }
        }
    }
}

static void every_exponent_is_a_power_of_two(void **state)
{
    (void)state;
    for (int code = 0; code < 255; code++)
        assert_true((double)minifloat_value(DTYPE_F8_E8M0, (uint8_t)code) == ldexp(1, code - 127));
    assert_int_equal(bits_of(minifloat_value(DTYPE_F8_E8M0, 255)), 0x7fc00000u);
}

/* torch 2.13.0 (CPU): tensor.view(torch.float8_...).float(), as bits. Its NaNs of the FNUZ dtypes and of E8M0 signal (7f800001): ours are quiet. */
static void bits_as_torch_gives_them(void **state)
{
    (void)state;
    static const struct {
        enum dtype dtype;
        uint8_t code;
        uint32_t bits;
    } golden[] = {
        {DTYPE_F8_E4M3, 0x01, 0x3b000000},     {DTYPE_F8_E4M3, 0x7e, 0x43e00000},     {DTYPE_F8_E4M3, 0x7f, 0x7ff00000},
        {DTYPE_F8_E4M3, 0x80, 0x80000000},     {DTYPE_F8_E4M3, 0xff, 0xfff00000},     {DTYPE_F8_E5M2, 0x01, 0x37800000},
        {DTYPE_F8_E5M2, 0x7c, 0x7f800000},     {DTYPE_F8_E5M2, 0x7d, 0x7fe00000},     {DTYPE_F8_E5M2, 0x7e, 0x7fc00000},
        {DTYPE_F8_E5M2, 0x7f, 0x7fe00000},     {DTYPE_F8_E5M2, 0x80, 0x80000000},     {DTYPE_F8_E5M2, 0xfd, 0xffe00000},
        {DTYPE_F8_E5M2, 0xfe, 0xffc00000},     {DTYPE_F8_E4M3FNUZ, 0x01, 0x3a800000}, {DTYPE_F8_E4M3FNUZ, 0x7f, 0x43700000},
        {DTYPE_F8_E4M3FNUZ, 0x7c, 0x43400000}, {DTYPE_F8_E5M2FNUZ, 0x01, 0x37000000}, {DTYPE_F8_E5M2FNUZ, 0x7c, 0x47000000},
        {DTYPE_F8_E5M2FNUZ, 0x7f, 0x47600000}, {DTYPE_F8_E4M3FNUZ, 0x80, 0x7fc00000}, {DTYPE_F8_E5M2FNUZ, 0x80, 0x7fc00000},
        {DTYPE_F8_E8M0, 0x00, 0x00400000},     {DTYPE_F8_E8M0, 0x01, 0x00800000},     {DTYPE_F8_E8M0, 0x7f, 0x3f800000},
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        assert_int_equal(bits_of(minifloat_value(golden[i].dtype, golden[i].code)), golden[i].bits);
}

/* --- arrays ------------------------------------------------------------------------------------------------------------------ */

#define COUNT 1000
#define GUARD 12345.0f

static void arrays_are_the_single_values(void **state)
{
    (void)state;
    static const enum dtype dtypes[] = {DTYPE_F8_E4M3, DTYPE_F8_E5M2, DTYPE_F8_E4M3FNUZ, DTYPE_F8_E5M2FNUZ, DTYPE_F8_E8M0};
    uint8_t codes[COUNT];
    float values[COUNT + 1];
    for (size_t i = 0; i < COUNT; i++)
        codes[i] = (uint8_t)(i * 7);
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        for (size_t count = 0; count <= COUNT; count += count < 20 ? 1 : 98) {
            values[count] = GUARD;
            minifloat_load(dtypes[d], codes, count, values);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(bits_of(values[i]), bits_of(minifloat_value(dtypes[d], codes[i])));
            assert_true(values[count] == GUARD);
        }
    }
}

static void fp4_begins_in_the_low_nibble(void **state)
{
    (void)state;
    uint8_t codes[256];
    float values[513];
    for (size_t i = 0; i < 256; i++)
        codes[i] = (uint8_t)i;
    for (size_t count = 0; count <= 512; count += count < 20 ? 1 : 123) {
        values[count] = GUARD;
        minifloat_load(DTYPE_F4, codes, count, values);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(bits_of(values[i]), bits_of(minifloat_value(DTYPE_F4, i % 2 == 0 ? codes[i / 2] & 15 : codes[i / 2] >> 4)));
        assert_true(values[count] == GUARD);
    }
}

/* Equal to transformers 5.23.0 convert_moe_packed_tensors (F32, BF16, F16; torch 2.13.0) for all 256 exponents but 255. */
/* (code - 16) * 2^(e - 128) is the value of every code under every exponent. */
static void mxfp4_is_made_of_integers(void **state)
{
    static const int doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    uint8_t codes[16], exponents[256];
    float scales[256];
    (void)state;
    for (int i = 0; i < 16; i++)
        codes[i] = (uint8_t)i;
    for (int e = 0; e < 256; e++)
        exponents[e] = (uint8_t)e;
    minifloat_double_f4(codes, 16);
    minifloat_halve_e8m0(exponents, 256, scales);
    for (int i = 0; i < 16; i++)
        assert_int_equal(codes[i] - 16, doubled[i]);
    for (int e = 0; e < 255; e++)
        assert_true(scales[e] == ldexpf(1.0f, e - 128));
    assert_true(isnan(scales[255]));
}

static void every_block_of_mxfp4(void **state)
{
    (void)state;
    static uint8_t nibbles[256 * 16], exponents[256];
    static float values[256 * MINIFLOAT_MX_BLOCK + 1];
    for (int e = 0; e < 256; e++) {
        exponents[e] = (uint8_t)e;
        for (int i = 0; i < 16; i++)
            nibbles[e * 16 + i] = (uint8_t)(i | ((i + e) % 16) << 4);
    }
    values[256 * MINIFLOAT_MX_BLOCK] = GUARD;
    minifloat_load_mxfp4(nibbles, exponents, 256, values);
    for (int i = 0; i < 256 * MINIFLOAT_MX_BLOCK; i++) {
        const int e = i / MINIFLOAT_MX_BLOCK, code = i % 2 == 0 ? nibbles[i / 2] & 15 : nibbles[i / 2] >> 4;
        const double expected = ldexp(meaning(&forms[FORMS - 1], code), e - 127);
        if (e == 255) {
            assert_int_equal(bits_of(values[i]), 0x7fc00000u);
        } else {
            assert_true((double)values[i] == (fabs(expected) < 0x1p128 ? expected : copysign(INFINITY, expected)));
            assert_int_equal(signbit(values[i]) != 0, code >= 8);
        }
    }
    assert_true(values[256 * MINIFLOAT_MX_BLOCK] == GUARD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_means_what_its_bits_say), cmocka_unit_test(every_exponent_is_a_power_of_two),
        cmocka_unit_test(bits_as_torch_gives_them),           cmocka_unit_test(arrays_are_the_single_values),
        cmocka_unit_test(fp4_begins_in_the_low_nibble),       cmocka_unit_test(every_block_of_mxfp4),
        cmocka_unit_test(mxfp4_is_made_of_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
