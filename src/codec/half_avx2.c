#include "codec/half_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

#define EIGHT 8
#define TALLY_MAX (EIGHT << 20) /* values before the counts of lanes go into those of the tally */

bool half_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2"); /* Clang 14 cannot ask for f16c; every processor with AVX2 has it */
}

#define AVX2 __attribute__((target("avx2,f16c")))

/* --- eight values -------------------------------------------------------------------------------------------------------------- */

AVX2 static inline __m256i bits_of(__m256 v)
{
    return _mm256_castps_si256(v);
}

AVX2 static inline __m256 magnitude(__m256 v)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
}

AVX2 static inline __m128i load_halves(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

AVX2 static inline __m256 widen_bf16(__m128i halves)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

AVX2 static inline __m128i narrow_bf16(__m256 v)
{
    const __m256i bits = bits_of(v), top = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
    const __m256i nan = _mm256_cmpgt_epi32(bits_of(magnitude(v)), _mm256_set1_epi32(0x7f800000));
    const __m256i words = _mm256_blendv_epi8(rounded, _mm256_or_si256(top, _mm256_set1_epi32(0x40)), nan);
    return _mm256_castsi256_si128(_mm256_permute4x64_epi64(_mm256_packus_epi32(words, words), 0x08));
}

/* Inlined with a constant dtype. Returns the values as cast. */
AVX2 static inline __m256 store_eight(enum dtype dtype, __m256 v, uint8_t *target)
{
    if (dtype == DTYPE_F32) {
        _mm256_storeu_si256((__m256i *)(void *)target, bits_of(v));
        return v;
    }
    const __m128i halves = dtype == DTYPE_BF16 ? narrow_bf16(v) : _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(void *)target, halves);
    return dtype == DTYPE_BF16 ? widen_bf16(halves) : _mm256_cvtph_ps(halves);
}

/* --- what the casts did -------------------------------------------------------------------------------------------------------- */

/* Counts are in 32-bit lanes, as masks are taken off them. */
struct lanes {
    __m256i finite, inexact, overflow, underflow;
    float bound; /* at most max_relative: an error of fewer times its value is not the largest */
    double max_relative;
};

AVX2 static inline __m256d quotients(__m128 error, __m128 size, __m128i ordinary)
{
    return _mm256_and_pd(_mm256_div_pd(_mm256_cvtps_pd(error), _mm256_cvtps_pd(size)), _mm256_castsi256_pd(_mm256_cvtepi32_epi64(ordinary)));
}

/* The largest float that is not above. */
static float at_most(double value)
{
    const float near = (float)value;
    return (double)near > value ? nextafterf(near, 0.0f) : near;
}

/* Divides: seldom, as most errors are below the bound. */
AVX2 static void measure_eight(struct lanes *lanes, __m256 error, __m256 size, __m256i ordinary)
{
    double most[4];
    const __m256d low = quotients(_mm256_castps256_ps128(error), _mm256_castps256_ps128(size), _mm256_castsi256_si128(ordinary));
    const __m256d high = quotients(_mm256_extractf128_ps(error, 1), _mm256_extractf128_ps(size, 1), _mm256_extracti128_si256(ordinary, 1));
    _mm256_storeu_pd(most, _mm256_max_pd(low, high));
    for (size_t i = 0; i < 4; i++)
        lanes->max_relative = fmax(lanes->max_relative, most[i]);
    lanes->bound = at_most(lanes->max_relative);
}

/* A value and its cast are within a factor of two of each other, so that F32 holds their difference; rounding the product with the bound never passes
 * an error that is larger. */
AVX2 static inline void tally_eight(struct lanes *lanes, __m256 value, __m256 cast)
{
    const __m256i infinity = _mm256_set1_epi32(0x7f800000);
    const __m256 size = magnitude(value);
    const __m256i finite = _mm256_cmpgt_epi32(infinity, bits_of(size));
    const __m256i changed = _mm256_andnot_si256(bits_of(_mm256_cmp_ps(value, cast, _CMP_EQ_OQ)), finite);
    lanes->finite = _mm256_sub_epi32(lanes->finite, finite);
    if (_mm256_testz_si256(changed, changed))
        return;
    const __m256i cast_size = bits_of(magnitude(cast));
    const __m256i over = _mm256_and_si256(changed, _mm256_cmpeq_epi32(cast_size, infinity));
    const __m256i under = _mm256_and_si256(changed, _mm256_cmpeq_epi32(cast_size, _mm256_setzero_si256()));
    const __m256i ordinary = _mm256_andnot_si256(_mm256_or_si256(over, under), changed);
    lanes->inexact = _mm256_sub_epi32(lanes->inexact, changed);
    lanes->overflow = _mm256_sub_epi32(lanes->overflow, over);
    lanes->underflow = _mm256_sub_epi32(lanes->underflow, under);
    const __m256 error = magnitude(_mm256_sub_ps(cast, value));
    const __m256i large = bits_of(_mm256_cmp_ps(error, _mm256_mul_ps(size, _mm256_set1_ps(lanes->bound)), _CMP_GE_OQ));
    if (!_mm256_testz_si256(large, ordinary))
        measure_eight(lanes, error, size, ordinary);
}

AVX2 static uint64_t sum_of(__m256i v)
{
    uint32_t lane[EIGHT];
    uint64_t sum = 0;
    _mm256_storeu_si256((__m256i *)(void *)lane, v);
    for (size_t i = 0; i < EIGHT; i++)
        sum += lane[i];
    return sum;
}

/* --- arrays -------------------------------------------------------------------------------------------------------------------- */

AVX2 void half_avx2_load(enum dtype dtype, const uint8_t *source, size_t count, float *values)
{
    if (dtype == DTYPE_F32) {
        memcpy(values, source, count * sizeof *values);
    } else if (dtype == DTYPE_BF16) {
        for (size_t i = 0; i < count; i += EIGHT)
            _mm256_storeu_ps(values + i, widen_bf16(load_halves(source + 2 * i)));
    } else {
        for (size_t i = 0; i < count; i += EIGHT)
            _mm256_storeu_ps(values + i, _mm256_cvtph_ps(load_halves(source + 2 * i)));
    }
}

/* Inlined with a constant dtype. */
AVX2 static inline void store_eights(enum dtype dtype, const float *values, size_t count, uint8_t *target)
{
    const size_t size = dtype == DTYPE_F32 ? 4 : 2;
    for (size_t i = 0; i < count; i += EIGHT)
        (void)store_eight(dtype, _mm256_loadu_ps(values + i), target + i * size);
}

AVX2 static inline void store_and_tally(enum dtype dtype, const float *values, size_t count, uint8_t *target, struct cast_tally *tally)
{
    const size_t size = dtype == DTYPE_F32 ? 4 : 2;
    const __m256i none = _mm256_setzero_si256();
    struct lanes lanes = {none, none, none, none, at_most(tally->max_relative), tally->max_relative};
    for (size_t i = 0; i < count; i += EIGHT) {
        const __m256 value = _mm256_loadu_ps(values + i);
        tally_eight(&lanes, value, store_eight(dtype, value, target + i * size));
    }
    tally->count += count;
    tally->nonfinite += count - sum_of(lanes.finite);
    tally->inexact += sum_of(lanes.inexact);
    tally->overflow += sum_of(lanes.overflow);
    tally->underflow += sum_of(lanes.underflow);
    tally->max_relative = lanes.max_relative;
}

AVX2 void half_avx2_store(enum dtype dtype, const float *values, size_t count, uint8_t *target, struct cast_tally *tally)
{
    const size_t size = dtype == DTYPE_F32 ? 4 : 2;
    for (size_t at = 0; at < count; at += TALLY_MAX) {
        const size_t part = count - at < TALLY_MAX ? count - at : TALLY_MAX;
        const float *from = values + at;
        uint8_t *to = target + at * size;
        if (tally == NULL && dtype == DTYPE_F16)
            store_eights(DTYPE_F16, from, part, to);
        else if (tally == NULL && dtype == DTYPE_BF16)
            store_eights(DTYPE_BF16, from, part, to);
        else if (tally == NULL)
            memcpy(to, from, part * sizeof *from);
        else if (dtype == DTYPE_F16)
            store_and_tally(DTYPE_F16, from, part, to, tally);
        else if (dtype == DTYPE_BF16)
            store_and_tally(DTYPE_BF16, from, part, to, tally);
        else
            store_and_tally(DTYPE_F32, from, part, to, tally);
    }
}

#endif
