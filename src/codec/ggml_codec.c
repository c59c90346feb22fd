#include "codec/ggml_codec.h"

#include "codec/ggml_fast.h"
#include "codec/ggml_kernels.h"

#include <math.h>

/* --- plain floats, as blocks of one element --------------------------------------------------------------------------------- */

static void decode_f32(const uint8_t *block, float *x)
{
    *x = le_load_f32(block);
}

static bool encode_f32(const struct ggml_part *part, uint8_t *block)
{
    le_store_f32(block, *part->x);
    return true;
}

static void decode_f16(const uint8_t *block, float *x)
{
    *x = f16_at(block);
}

static bool encode_f16(const struct ggml_part *part, uint8_t *block)
{
    put_f16(block, *part->x);
    return true;
}

static void decode_bf16(const uint8_t *block, float *x)
{
    *x = half_from_bf16(le_load16(block));
}

static bool encode_bf16(const struct ggml_part *part, uint8_t *block)
{
    le_store16(block, half_to_bf16(*part->x));
    return true;
}

static const struct ggml_kernel plain_f32 = {decode_f32, encode_f32, false, false}, plain_f16 = {decode_f16, encode_f16, false, false},
                                plain_bf16 = {decode_bf16, encode_bf16, false, false};

/* --- the types -------------------------------------------------------------------------------------------------------------- */

/* Where scales are that must be finite. */
enum scale_kind {
    SCALE_F16,       /* F16 at each of two offsets, which may be the same */
    SCALE_F32,       /* of the value itself */
    SCALE_BF16,      /* likewise */
    SCALE_E8M0,      /* 255 is no number */
    SCALE_ANY,       /* every byte is a scale */
    SCALE_SCATTERED, /* IQ1_M */
    SCALE_F64,
    SCALE_UNKNOWN,   /* ggml does not look at the type, and refuses it */
};

static const struct type {
    const struct ggml_kernel *kernel;
    enum scale_kind kind;
    uint8_t first, second;
} types[GGML_COUNT] = {
    [GGML_F32] = {&plain_f32, SCALE_F32, 0, 0},
    [GGML_F16] = {&plain_f16, SCALE_F16, 0, 0},
    [GGML_BF16] = {&plain_bf16, SCALE_BF16, 0, 0},
    [GGML_Q4_0] = {&ggml_legacy_q4_0, SCALE_F16, 0, 0},
    [GGML_Q4_1] = {&ggml_legacy_q4_1, SCALE_F16, 0, 2},
    [GGML_Q5_0] = {&ggml_legacy_q5_0, SCALE_F16, 0, 0},
    [GGML_Q5_1] = {&ggml_legacy_q5_1, SCALE_F16, 0, 2},
    [GGML_Q8_0] = {&ggml_legacy_q8_0, SCALE_F16, 0, 0},
    [GGML_Q1_0] = {&ggml_legacy_q1_0, SCALE_F16, 0, 0},
    [GGML_Q2_0] = {&ggml_legacy_q2_0, SCALE_F16, 0, 0},
    [GGML_Q2_K] = {&ggml_k_q2, SCALE_F16, 80, 82},
    [GGML_Q3_K] = {&ggml_k_q3, SCALE_F16, 108, 108},
    [GGML_Q4_K] = {&ggml_k_q4, SCALE_F16, 0, 2},
    [GGML_Q5_K] = {&ggml_k_q5, SCALE_F16, 0, 2},
    [GGML_Q6_K] = {&ggml_k_q6, SCALE_F16, 208, 208},
    [GGML_IQ4_NL] = {&ggml_iq4_nl, SCALE_F16, 0, 0},
    [GGML_IQ4_XS] = {&ggml_iq4_xs, SCALE_F16, 0, 0},
    [GGML_IQ2_XXS] = {&ggml_iq2_xxs, SCALE_F16, 0, 0},
    [GGML_IQ2_XS] = {&ggml_iq2_xs, SCALE_F16, 0, 0},
    [GGML_IQ2_S] = {&ggml_iq2_s, SCALE_F16, 0, 0},
    [GGML_IQ3_XXS] = {&ggml_iq3_xxs, SCALE_F16, 0, 0},
    [GGML_IQ3_S] = {&ggml_iq3_s, SCALE_F16, 0, 0},
    [GGML_IQ1_S] = {&ggml_iq1_s, SCALE_F16, 0, 0},
    [GGML_IQ1_M] = {&ggml_iq1_m, SCALE_SCATTERED, 48, 48},
    [GGML_TQ1_0] = {&ggml_ternary_tq1_0, SCALE_F16, 52, 52},
    [GGML_TQ2_0] = {&ggml_ternary_tq2_0, SCALE_F16, 64, 64},
    [GGML_MXFP4] = {&ggml_fp4_mxfp4, SCALE_E8M0, 0, 0},
    [GGML_NVFP4] = {&ggml_fp4_nvfp4, SCALE_ANY, 0, 0},
    [GGML_I8] = {NULL, SCALE_ANY, 0, 0},
    [GGML_I16] = {NULL, SCALE_ANY, 0, 0},
    [GGML_I32] = {NULL, SCALE_ANY, 0, 0},
    [GGML_I64] = {NULL, SCALE_ANY, 0, 0},
    [GGML_F64] = {NULL, SCALE_F64, 0, 0},
    [GGML_Q8_K] = {NULL, SCALE_F32, 0, 0},
    [GGML_Q8_1] = {NULL, SCALE_UNKNOWN, 0, 0},
};

bool ggml_codec_has(enum ggml_type type)
{
    return (unsigned)type < GGML_COUNT && types[type].kernel != NULL;
}

bool ggml_codec_needs_weights(enum ggml_type type)
{
    return types[type].kernel->needs_weights;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

void ggml_codec_dequantize_with(const struct ggml_fast *fast, enum ggml_type type, const uint8_t *blocks, uint64_t elements, float *values)
{
    const struct ggml_kernel *kernel = types[type].kernel;
    const uint32_t size = ggml_block_elements(type), bytes = ggml_block_bytes(type);
    if (fast != NULL && fast->decode[type] != NULL) {
        fast->decode[type](blocks, elements, values);
        return;
    }
    for (uint64_t at = 0; at < elements; at += size, blocks += bytes)
        kernel->decode(blocks, values + at);
}

bool ggml_codec_quantize_with(const struct ggml_fast *fast, enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids,
                              uint8_t *blocks)
{
    const struct ggml_kernel *kernel = types[type].kernel;
    const uint32_t size = ggml_block_elements(type), bytes = ggml_block_bytes(type);
    struct ggml_part part = {.x = row->values, .weights = row->weights, .grids = grids};
    if (row->weights != NULL && kernel->needs_mean_square) {
        float sum = 0;
        for (uint64_t i = 0; i < row->elements; i++)
            sum += row->values[i] * row->values[i];
        part.mean_square = sum / (float)row->elements;
    }
    const uint64_t done = fast != NULL && fast->encode[type] != NULL ? fast->encode[type](&part, row->elements, blocks) : 0;
    blocks += done / size * bytes;
    for (uint64_t at = done; at < row->elements; at += size, blocks += bytes) {
        part.x = row->values + at;
        part.weights = row->weights != NULL ? row->weights + at : NULL;
        if (!kernel->encode(&part, blocks))
            return false;
    }
    return true;
}

void ggml_codec_dequantize(enum ggml_type type, const uint8_t *blocks, uint64_t elements, float *values)
{
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL && fast->decode[type] == NULL; s++)
        continue;
    ggml_codec_dequantize_with(fast, type, blocks, elements, values);
}

bool ggml_codec_quantize(enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids, uint8_t *blocks)
{
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL && fast->encode[type] == NULL; s++)
        continue;
    return ggml_codec_quantize_with(fast, type, row, grids, blocks);
}

/* --- what is no number ------------------------------------------------------------------------------------------------------ */

static bool finite_f32(uint32_t bits)
{
    return (bits & 0x7f800000u) != 0x7f800000u;
}

static bool finite_f16(uint16_t bits)
{
    return (bits & 0x7c00) != 0x7c00;
}

/* As an F32: ggml's own check narrows it. */
static bool finite_f64(const uint8_t *bytes)
{
    double value;
    memcpy(&value, bytes, sizeof value);
    return fabs(value) < 0x1.ffffffp127; /* what rounds to no more than the largest F32 */
}

static bool finite_plain(const float *values, uint64_t count)
{
    uint32_t special = 0; /* bit 31: an exponent of all ones was seen */
    for (uint64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        special |= (bits & 0x7f800000u) + 0x800000u;
    }
    return special >> 31 == 0;
}

bool ggml_codec_finite(const float *values, uint64_t count)
{
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL && fast->finite == NULL; s++)
        continue;
    return fast != NULL ? fast->finite(values, count) : finite_plain(values, count);
}

static bool valid_block(const struct type *type, const uint8_t *block)
{
    switch (type->kind) {
    case SCALE_F16:
        return finite_f16(le_load16(block + type->first)) && finite_f16(le_load16(block + type->second));
    case SCALE_F32:
        return finite_f32(le_load32(block));
    case SCALE_BF16:
        return finite_f32((uint32_t)le_load16(block) << 16);
    case SCALE_E8M0:
        return block[0] != 255;
    case SCALE_SCATTERED:
        return finite_f16(scattered_f16(block + type->first));
    case SCALE_F64:
        return finite_f64(block);
    case SCALE_UNKNOWN:
        return false;
    case SCALE_ANY:
        break;
    }
    return true;
}

/* Plain types of 16 bits, without a branch a value. */
static bool valid_halves(const uint8_t *data, uint64_t count, uint16_t exponent)
{
    unsigned special = 0;
    for (uint64_t i = 0; i < count; i++)
        special |= (le_load16(data + 2 * i) & exponent) == exponent;
    return special == 0;
}

bool ggml_codec_valid(enum ggml_type type, const uint8_t *blocks, uint64_t elements)
{
    const uint32_t size = ggml_block_elements(type), bytes = ggml_block_bytes(type);
    if (type == GGML_F16 || type == GGML_BF16)
        return valid_halves(blocks, elements, type == GGML_F16 ? 0x7c00 : 0x7f80);
    for (uint64_t at = 0; at < elements; at += size, blocks += bytes)
        if (!valid_block(types + type, blocks))
            return false;
    return true;
}
