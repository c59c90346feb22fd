#include "codec/round_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>

/* Operand for operand what round.c's loops do: of two that do not compare, as with a NaN, a minimum or maximum is the second. */

bool round_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2");
}

#define AVX2 __attribute__((target("avx2")))

AVX2 static void range_of(const float *weight, size_t count, struct round_range *range)
{
    const __m256 infinity = _mm256_set1_ps(INFINITY), magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 least = _mm256_loadu_ps(range->least), most = _mm256_loadu_ps(range->most);
    __m256i odd = _mm256_loadu_si256((const __m256i *)(const void *)range->nonfinite);
    for (size_t i = 0; i < count; i += ROUND_LANES) {
        const __m256 w = _mm256_loadu_ps(weight + i);
        least = _mm256_min_ps(w, least);
        most = _mm256_max_ps(w, most);
        odd = _mm256_sub_epi32(odd, _mm256_castps_si256(_mm256_cmp_ps(_mm256_and_ps(w, magnitude), infinity, _CMP_NLT_UQ)));
    }
    _mm256_storeu_ps(range->least, least);
    _mm256_storeu_ps(range->most, most);
    _mm256_storeu_si256((__m256i *)(void *)range->nonfinite, odd);
}

AVX2 static uint64_t divide(const struct round_divider *by, const float *weight, size_t count, uint8_t *codes)
{
    const __m256 divisor = _mm256_set1_ps(by->divisor), shift = _mm256_set1_ps(by->shift);
    const __m256 magic = _mm256_set1_ps(ROUND_MAGIC), bound = _mm256_set1_ps(ROUND_BOUND), below = _mm256_set1_ps(-ROUND_BOUND);
    const __m256i zero = _mm256_set1_epi32(by->zero), code_max = _mm256_set1_epi32(by->code_max), none = _mm256_setzero_si256();
    uint32_t lane[ROUND_LANES];
    uint64_t clamped = count;
    __m256i same = none;
    for (size_t i = 0; i < count; i += ROUND_LANES) {
        const __m256 value = _mm256_div_ps(_mm256_sub_ps(_mm256_loadu_ps(weight + i), shift), divisor);
        const __m256 near = _mm256_sub_ps(_mm256_add_ps(_mm256_min_ps(_mm256_max_ps(value, below), bound), magic), magic);
        const __m256i code = _mm256_add_epi32(_mm256_cvttps_epi32(near), zero);
        const __m256i within = _mm256_min_epi32(_mm256_max_epi32(code, none), code_max);
        same = _mm256_sub_epi32(same, _mm256_cmpeq_epi32(code, within));
        const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(within), _mm256_extracti128_si256(within, 1));
        _mm_storel_epi64((__m128i *)(void *)(codes + i), _mm_packus_epi16(words, words));
    }
    _mm256_storeu_si256((__m256i *)(void *)lane, same);
    for (size_t i = 0; i < ROUND_LANES; i++)
        clamped -= lane[i];
    return clamped;
}

AVX2 static inline __m256d error_of(const struct round_params *params, __m128 weight, __m128i distance)
{
    const __m256d product = _mm256_mul_pd(_mm256_cvtepi32_pd(distance), _mm256_set1_pd((double)params->scale));
    return _mm256_sub_pd(_mm256_cvtps_pd(weight), _mm256_add_pd(product, _mm256_set1_pd((double)params->beta)));
}

AVX2 static inline __m256d larger(__m256d error, __m256d most)
{
    return _mm256_max_pd(_mm256_andnot_pd(_mm256_set1_pd(-0.0), error), most);
}

AVX2 static void measure(const struct round_params *params, const float *weight, size_t count, const uint8_t *codes, struct round_errors *errors)
{
    const __m256i zero = _mm256_set1_epi32(params->zero);
    __m256d most = _mm256_loadu_pd(errors->most), most_high = _mm256_loadu_pd(errors->most + 4);
    __m256d squares = _mm256_loadu_pd(errors->squares), squares_high = _mm256_loadu_pd(errors->squares + 4);
    for (size_t i = 0; i < count; i += ROUND_LANES) {
        const __m256i code = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(codes + i)));
        const __m256i distance = _mm256_sub_epi32(code, zero);
        const __m256d low = error_of(params, _mm_loadu_ps(weight + i), _mm256_castsi256_si128(distance));
        const __m256d high = error_of(params, _mm_loadu_ps(weight + i + 4), _mm256_extracti128_si256(distance, 1));
        most = larger(low, most);
        most_high = larger(high, most_high);
        squares = _mm256_add_pd(squares, _mm256_mul_pd(low, low));
        squares_high = _mm256_add_pd(squares_high, _mm256_mul_pd(high, high));
    }
    _mm256_storeu_pd(errors->most, most);
    _mm256_storeu_pd(errors->most + 4, most_high);
    _mm256_storeu_pd(errors->squares, squares);
    _mm256_storeu_pd(errors->squares + 4, squares_high);
}

const struct round_kernels round_avx2_kernels = {range_of, divide, measure};

#endif
