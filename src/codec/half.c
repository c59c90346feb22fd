#include "codec/half.h"

#include "base/le.h"
#include "codec/half_kernels.h"

#include <math.h>

#define CHUNK 256 /* values that are cast, and looked at again, while they are in cache */

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

/* --- one value: what the hardware's conversions give, NaN payloads included ------------------------------------------------ */

float half_from_f16(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, fraction = bits & 0x3ffu;
    if (exponent == 0) /* zero and subnormals: whole multiples of 2^-24 */
        return float_of(sign | bits_of((float)fraction * 0x1p-24f));
    if (exponent == 31)
        return float_of(sign | 0x7f800000u | (fraction != 0 ? 0x400000u : 0) | fraction << 13);
    return float_of(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

float half_from_bf16(uint16_t bits)
{
    return float_of((uint32_t)bits << 16);
}

uint16_t half_to_f16(float value)
{
    const uint32_t bits = bits_of(value), size = bits & 0x7fffffffu;
    const uint32_t sign = bits >> 16 & 0x8000u;
    if (size > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= bits_of(65536.0f))
        return (uint16_t)(sign | 0x7c00u);
    if (size < bits_of(0x1p-14f)) /* subnormal: floats next to 0.5 are 2^-24 apart, so the addition rounds to whole steps */
        return (uint16_t)(sign | (bits_of(float_of(size) + 0.5f) - bits_of(0.5f)));
    const uint32_t biased = size - ((127u - 15u) << 23);
    return (uint16_t)(sign | (biased + 0xfffu + (biased >> 13 & 1u)) >> 13); /* a carry reaches the exponent, and infinity, by itself */
}

uint16_t half_to_bf16(float value)
{
    const uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

/* --- arrays ----------------------------------------------------------------------------------------------------------------- */

void half_load_reference(enum dtype dtype, const void *source, size_t count, float *values)
{
    const uint8_t *at = source;
    if (dtype == DTYPE_F32) {
        memcpy(values, source, count * sizeof *values);
    } else if (dtype == DTYPE_BF16) {
        for (size_t i = 0; i < count; i++)
            values[i] = half_from_bf16(le_load16(at + 2 * i));
    } else {
        for (size_t i = 0; i < count; i++)
            values[i] = half_from_f16(le_load16(at + 2 * i));
    }
}

static void narrow(enum dtype dtype, const float *values, size_t count, uint8_t *target)
{
    if (dtype == DTYPE_F32) {
        memcpy(target, values, count * sizeof *values);
    } else if (dtype == DTYPE_BF16) {
        for (size_t i = 0; i < count; i++)
            le_store16(target + 2 * i, half_to_bf16(values[i]));
    } else {
        for (size_t i = 0; i < count; i++)
            le_store16(target + 2 * i, half_to_f16(values[i]));
    }
}

void half_tally_add(struct cast_tally *sum, const struct cast_tally *part)
{
    sum->count += part->count;
    sum->inexact += part->inexact;
    sum->overflow += part->overflow;
    sum->underflow += part->underflow;
    sum->nonfinite += part->nonfinite;
    sum->max_relative = fmax(sum->max_relative, part->max_relative);
}

/* True if every cast has its value's bits and all are finite: the common case, in a loop that vectorizes. */
static bool all_exact(const float *values, const float *casts, size_t count)
{
    uint32_t changed = 0, special = 0;
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = bits_of(values[i]);
        changed |= bits ^ bits_of(casts[i]);
        special |= ((bits & 0x7f800000u) + 0x800000u) & 0x80000000u;
    }
    return (changed | special) == 0;
}

static void tally_one(double value, double cast, struct cast_tally *tally)
{
    if (!isfinite(value)) {
        tally->nonfinite++;
        return;
    }
    if (value == cast)
        return;
    tally->inexact++;
    if (isinf(cast)) {
        tally->overflow++;
    } else if (cast == 0) {
        tally->underflow++;
    } else {
        const double error = fabs(cast - value), size = fabs(value); /* exact: both are floats of about the same size */
        if (error > tally->max_relative * size * (1 - 0x1p-50)) /* divisions are slow, and most are not the largest */
            tally->max_relative = fmax(tally->max_relative, error / size);
    }
}

void half_store_reference(enum dtype dtype, const float *values, size_t count, void *target, struct cast_tally *tally)
{
    uint8_t *to = target;
    const size_t size = dtype == DTYPE_F32 ? 4 : 2;
    float casts[CHUNK];
    for (size_t at = 0; at < count; at += CHUNK) {
        const size_t part = count - at < CHUNK ? count - at : CHUNK;
        narrow(dtype, values + at, part, to + at * size);
        if (tally == NULL)
            continue;
        tally->count += part;
        half_load_reference(dtype, to + at * size, part, casts);
        if (all_exact(values + at, casts, part))
            continue;
        for (size_t i = 0; i < part; i++)
            tally_one((double)values[at + i], (double)casts[i], tally);
    }
}

/* --- dispatch: whole eights by the processor's vectors, the rest one by one -------------------------------------------------- */

static size_t fast_part(size_t count)
{
#if defined(__x86_64__)
    return half_avx2_usable() ? count / 8 * 8 : 0;
#else
    (void)count;
    return 0;
#endif
}

void half_load(enum dtype dtype, const void *source, size_t count, float *values)
{
    const size_t fast = fast_part(count);
#if defined(__x86_64__)
    if (fast > 0)
        half_avx2_load(dtype, source, fast, values);
#endif
    half_load_reference(dtype, (const uint8_t *)source + fast * (dtype == DTYPE_F32 ? 4 : 2), count - fast, values + fast);
}

void half_store(enum dtype dtype, const float *values, size_t count, void *target, struct cast_tally *tally)
{
    const size_t fast = fast_part(count);
#if defined(__x86_64__)
    if (fast > 0)
        half_avx2_store(dtype, values, fast, target, tally);
#endif
    half_store_reference(dtype, values + fast, count - fast, (uint8_t *)target + fast * (dtype == DTYPE_F32 ? 4 : 2), tally);
}
