/* FP4 blocks. Read in ggml-org/ggml:src/ggml-common.h, src/ggml-quants.c and src/ggml-impl.h.
 *
 *     MXFP4   e | 16 bytes of nibbles              32 elements, j and j + 16 in one byte      value[code] * 2^(e - 128)
 *     NVFP4   4 scales | 4 x 8 bytes of nibbles    4 x 16 elements, j and j + 8 in one byte   value[code] * scale / 2
 *
 * The values are those of E2M1 doubled, so the scales are halved. A scale of NVFP4 is E4M3 without sign: e e e e m m m, bias 7. The factor of a whole
 * NVFP4 tensor is a tensor of its own. */
#include "codec/ggml_fp4.h"

#include <math.h>

const int8_t ggml_fp4_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

float ggml_fp4_half_exponent(uint8_t e)
{
    const uint32_t bits = e < 2 ? 0x200000u << e : (uint32_t)(e - 1) << 23;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float ggml_fp4_half_scale(uint8_t code)
{
    const int exponent = code >> 3 & 15, fraction = code & 7;
    if (code == 0 || code == 0x7f)
        return 0;
    return (exponent == 0 ? ldexpf((float)fraction, -9) : ldexpf(1.0f + (float)fraction / 8.0f, exponent - 7)) * 0.5f;
}

uint8_t ggml_fp4_scale_code(float value)
{
    if (!(value > 0))
        return 0;
    const float bounded = value > 448.0f ? 448.0f : value;
    uint32_t bits;
    memcpy(&bits, &bounded, sizeof bits);
    const int exponent = (int)(bits >> 23) - 127 + 7;
    if (exponent <= 0) {
        const int fraction = (int)(bounded * 512.0f + 0.5f);
        return (uint8_t)(fraction < 7 ? fraction : 7);
    }
    const int code = (exponent << 3 | (int)(bits >> 20 & 7)) + (int)(bits >> 19 & 1); /* a carry reaches the exponent by itself */
    return (uint8_t)(code < 0x78 ? code : 0x7e);
}

static uint8_t nearest_value(float x, float d)
{
    uint8_t nearest = 0;
    float least = fabsf((float)ggml_fp4_doubled[0] * d - x);
    for (uint8_t i = 1; i < 16; i++) {
        const float error = fabsf((float)ggml_fp4_doubled[i] * d - x);
        if (error < least)
            least = error, nearest = i;
    }
    return nearest;
}

/* 2 * half elements whose nibbles are half elements apart. */
static void decode_nibbles(const uint8_t *from, int half, float d, float *x)
{
    for (int j = 0; j < half; j++)
        x[j] = (float)ggml_fp4_doubled[low(from[j])] * d, x[j + half] = (float)ggml_fp4_doubled[high(from[j])] * d;
}

void ggml_fp4_nibbles(const float *x, int half, float d, uint8_t *to)
{
    for (int j = 0; j < half; j++)
        to[j] = (uint8_t)(nearest_value(x[j], d) | nearest_value(x[j + half], d) << 4);
}

static void decode_mxfp4(const uint8_t *block, float *x)
{
    decode_nibbles(block + 1, 16, ggml_fp4_half_exponent(block[0]), x);
}

uint8_t ggml_fp4_exponent(float most)
{
    return most > 0 ? (uint8_t)to_truncated(floorf(log2f(most)) - 2 + 127) : 0;
}

static bool encode_mxfp4(const struct ggml_part *part, uint8_t *block)
{
    block[0] = ggml_fp4_exponent(fabsf(extreme(part->x, 32)));
    ggml_fp4_nibbles(part->x, 16, ggml_fp4_half_exponent(block[0]), block + 1);
    return true;
}

static void decode_nvfp4(const uint8_t *block, float *x)
{
    for (int s = 0; s < 4; s++)
        decode_nibbles(block + 4 + 8 * s, 8, ggml_fp4_half_scale(block[s]), x + 16 * s);
}

static bool encode_nvfp4(const struct ggml_part *part, uint8_t *block)
{
    for (int s = 0; s < 4; s++) {
        block[s] = ggml_fp4_scale_code(fabsf(extreme(part->x + 16 * s, 16)) / 6.0f);
        ggml_fp4_nibbles(part->x + 16 * s, 8, ggml_fp4_half_scale(block[s]), block + 4 + 8 * s);
    }
    return true;
}

const struct ggml_kernel ggml_fp4_mxfp4 = {decode_mxfp4, encode_mxfp4, false, false}, ggml_fp4_nvfp4 = {decode_nvfp4, encode_nvfp4, false, false};
