#include "codec/minifloat.h"

#include "base/le.h"

#include <stdbool.h>

#define CODES 256
#define F4_CODES 16
#define QUIET_NAN 0x7fc00000u

/* How the bits of a float with a sign are read. Sizes are codes without their sign. */
struct form {
    uint8_t exponent_bits, fraction_bits, bias;
    uint8_t first_special; /* the least size that is no number: infinity where its fraction is 0, else NaN */
    bool nan_is_minus_zero;
};

#define NO_SPECIAL 0xff
static const struct form forms[DTYPE_COUNT] = {
    [DTYPE_F8_E4M3]     = {4, 3,  7, 0x7f,       false},
    [DTYPE_F8_E5M2]     = {5, 2, 15, 0x7c,       false},
    [DTYPE_F8_E4M3FNUZ] = {4, 3,  8, NO_SPECIAL, true},
    [DTYPE_F8_E5M2FNUZ] = {5, 2, 16, NO_SPECIAL, true},
    [DTYPE_F4]          = {2, 1,  1, NO_SPECIAL, false},
};

static float float_of(uint32_t bits)
{
    return le_load_f32(&bits);
}

static float e8m0_value(uint32_t code)
{
    if (code == 0)
        return 0x1p-127f; /* subnormal */
    return float_of(code == 0xff ? QUIET_NAN : code << 23);
}

static float form_value(const struct form *form, uint32_t code)
{
    const unsigned size_bits = form->exponent_bits + form->fraction_bits, widening = 23u - form->fraction_bits;
    const uint32_t size = code & ((1u << size_bits) - 1), sign = (code >> size_bits & 1u) << 31;
    const uint32_t exponent = size >> form->fraction_bits, fraction = size & ((1u << form->fraction_bits) - 1);
    if (form->nan_is_minus_zero && size == 0 && sign != 0)
        return float_of(QUIET_NAN);
    if (size >= form->first_special)
        return float_of(sign | (fraction == 0 ? 0x7f800000u : QUIET_NAN) | fraction << widening);
    if (exponent == 0) { /* whole multiples of the least subnormal */
        const float step = float_of((127u + 1u - form->bias - form->fraction_bits) << 23);
        return sign != 0 ? -((float)fraction * step) : (float)fraction * step;
    }
    return float_of(sign | (exponent + 127u - form->bias) << 23 | fraction << widening);
}

float minifloat_value(enum dtype dtype, uint8_t code)
{
    return dtype == DTYPE_F8_E8M0 ? e8m0_value(code) : form_value(&forms[dtype], code);
}

/* Two codes a byte, the first in the low nibble. */
static void load_pairs(const float table[F4_CODES], const uint8_t *nibbles, size_t count, float *values)
{
    for (size_t i = 0; i < count / 2; i++) {
        const unsigned pair = nibbles[i];
        values[2 * i] = table[pair & 15];
        values[2 * i + 1] = table[pair >> 4];
    }
    if (count % 2 != 0)
        values[count - 1] = table[nibbles[count / 2] & 15];
}

/* The values of the codes of dtype, in code order. */
static void fill(enum dtype dtype, unsigned codes, float *table)
{
    for (unsigned code = 0; code < codes; code++)
        table[code] = minifloat_value(dtype, (uint8_t)code);
}

void minifloat_load(enum dtype dtype, const uint8_t *codes, size_t count, float *values)
{
    float table[CODES];
    if (dtype == DTYPE_F4) {
        fill(dtype, F4_CODES, table);
        load_pairs(table, codes, count, values);
        return;
    }
    fill(dtype, CODES, table);
    for (size_t i = 0; i < count; i++)
        values[i] = table[codes[i]];
}

void minifloat_load_mxfp4(const uint8_t *nibbles, const uint8_t *exponents, size_t blocks, float *values)
{
    float table[F4_CODES], scaled[F4_CODES]; /* the same products as those of the elements, once for each code */
    fill(DTYPE_F4, F4_CODES, table);
    for (size_t block = 0; block < blocks; block++) {
        const float scale = e8m0_value(exponents[block]);
        for (int code = 0; code < F4_CODES; code++)
            scaled[code] = table[code] * scale;
        load_pairs(scaled, nibbles + block * (MINIFLOAT_MX_BLOCK / 2), MINIFLOAT_MX_BLOCK, values + block * MINIFLOAT_MX_BLOCK);
    }
}

void minifloat_double_f4(uint8_t *codes, size_t count)
{
    uint8_t table[F4_CODES];
    for (int code = 0; code < F4_CODES; code++)
        table[code] = (uint8_t)(16 + (int)(2.0f * minifloat_value(DTYPE_F4, (uint8_t)code)));
    for (size_t i = 0; i < count; i++)
        codes[i] = table[codes[i] & 15];
}

void minifloat_halve_e8m0(const uint8_t *exponents, size_t count, float *scales)
{
    for (size_t i = 0; i < count; i++)
        scales[i] = e8m0_value(exponents[i]) * 0.5f;
}
