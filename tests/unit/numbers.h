/* Numbers for tests, by plain arithmetic of their own: a seeded generator, and F16 and BF16 without the library's half.c. */
#ifndef REPAQ_TESTS_NUMBERS_H
#define REPAQ_TESTS_NUMBERS_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEED(condition)                                                                  \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);        \
            abort();                                                                     \
        }                                                                                \
    } while (0)

enum real { REAL_F16, REAL_BF16, REAL_F32 };

struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng) /* splitmix64 */
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    return (uint32_t)(rng_next(rng) >> 32) % bound;
}

static inline bool rng_one_in(struct rng *rng, uint32_t n)
{
    return rng_below(rng, n) == 0;
}

static inline uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To the nearest multiple of a quantum, ties to even: the value that F16 or BF16 has for it, by arithmetic alone. */
static inline float real_round(enum real real, float value)
{
    int exponent;
    if (real == REAL_F32 || value == 0.0f || !isfinite(value))
        return value;
    (void)frexp((double)value, &exponent);
    const int digits = real == REAL_F16 ? 11 : 8, least = real == REAL_F16 ? -24 : -133;
    const int quantum = exponent - digits < least ? least : exponent - digits;
    const double rounded = ldexp(nearbyint(ldexp((double)value, -quantum)), quantum);
    if (real == REAL_F16 && fabs(rounded) > 65504.0)
        return value < 0 ? -INFINITY : INFINITY;
    return (float)rounded;
}

static inline uint32_t real_size(enum real real)
{
    return real == REAL_F32 ? 4 : 2;
}

/* The bits of a value that the dtype holds exactly. */
static inline uint32_t real_bits(enum real real, float value)
{
    int exponent;
    if (real == REAL_F32)
        return bits_of(value);
    if (real == REAL_BF16)
        return bits_of(value) >> 16;
    const uint32_t sign = signbit(value) ? 0x8000u : 0;
    if (isnan(value))
        return sign | 0x7e00u;
    if (isinf(value))
        return sign | 0x7c00u;
    if (fabsf(value) < 0x1p-14f)
        return sign | (uint32_t)ldexp(fabs((double)value), 24);
    const double fraction = frexp(fabs((double)value), &exponent); /* [0.5, 1) */
    return sign | (uint32_t)(exponent + 14) << 10 | ((uint32_t)ldexp(fraction, 11) & 0x3ffu);
}

static inline float real_value(enum real real, uint32_t bits)
{
    if (real == REAL_F32)
        return float_of(bits);
    if (real == REAL_BF16)
        return float_of(bits << 16);
    const int exponent = (int)(bits >> 10 & 31), mantissa = (int)(bits & 0x3ff);
    const double size = exponent == 31 ? (mantissa != 0 ? (double)NAN : (double)INFINITY)
                        : exponent == 0 ? ldexp(mantissa, -24)
                                        : ldexp(mantissa + 1024, exponent - 25);
    return (float)(bits >> 15 != 0 ? -size : size);
}

static inline const char *real_name(enum real real)
{
    return real == REAL_F16 ? "F16" : real == REAL_BF16 ? "BF16" : "F32";
}

static inline void real_put(uint8_t *data, enum real real, size_t index, float value)
{
    const uint32_t bits = real_bits(real, value);
    for (uint32_t b = 0; b < real_size(real); b++)
        data[index * real_size(real) + b] = (uint8_t)(bits >> (8 * b));
}

static inline float real_at(const uint8_t *data, enum real real, size_t index)
{
    uint32_t bits = 0;
    for (uint32_t b = 0; b < real_size(real); b++)
        bits |= (uint32_t)data[index * real_size(real) + b] << (8 * b);
    return real_value(real, bits);
}

static inline uint32_t word_at(const uint8_t *data, size_t index)
{
    data += 4 * index;
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static inline void word_put(uint8_t *data, size_t index, uint32_t word)
{
    for (unsigned i = 0; i < 4; i++)
        data[4 * index + i] = (uint8_t)(word >> (8 * i));
}

#endif
