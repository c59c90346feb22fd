/* Arithmetic on eight lanes of AVX2, for the sources of fast kernels of ggml's types. */
#ifndef REPAQ_GGML_LANES_H
#define REPAQ_GGML_LANES_H

#include <stddef.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,f16c"))) /* every processor with AVX2 has F16C */

/* to_nearest in each lane. */
AVX2 static inline __m256i nearest(__m256 value)
{
    const __m256i bits = _mm256_castps_si256(_mm256_add_ps(value, _mm256_set1_ps(0x1.8p23f)));
    return _mm256_sub_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff)), _mm256_set1_epi32(0x400000));
}

AVX2 static inline __m256i nearest_within(__m256 value, int least, int most)
{
    return _mm256_min_epi32(_mm256_max_epi32(nearest(value), _mm256_set1_epi32(least)), _mm256_set1_epi32(most));
}

AVX2 static inline __m256 magnitude(__m256 value)
{
    return _mm256_and_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
}

AVX2 static inline __m256 negative(__m256 value)
{
    return _mm256_xor_ps(value, _mm256_set1_ps(-0.0f));
}

AVX2 static inline __m256 greater(__m256 a, __m256 b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

/* `yes` where the mask is set. */
AVX2 static inline __m256 choose(__m256 mask, __m256 yes, __m256 no)
{
    return _mm256_blendv_ps(no, yes, mask);
}

/* Eight rows of eight, turned. */
AVX2 static inline void turn(const float *x, size_t stride, __m256 *out)
{
    __m256 a[8], b[8];
    for (size_t r = 0; r < 8; r++)
        a[r] = _mm256_loadu_ps(x + r * stride);
    for (int r = 0; r < 4; r++) {
        b[2 * r] = _mm256_unpacklo_ps(a[2 * r], a[2 * r + 1]);
        b[2 * r + 1] = _mm256_unpackhi_ps(a[2 * r], a[2 * r + 1]);
    }
    for (int h = 0; h < 2; h++) {
        a[4 * h] = _mm256_shuffle_ps(b[4 * h], b[4 * h + 2], 0x44);
        a[4 * h + 1] = _mm256_shuffle_ps(b[4 * h], b[4 * h + 2], 0xee);
        a[4 * h + 2] = _mm256_shuffle_ps(b[4 * h + 1], b[4 * h + 3], 0x44);
        a[4 * h + 3] = _mm256_shuffle_ps(b[4 * h + 1], b[4 * h + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        out[c] = _mm256_permute2f128_ps(a[c], a[c + 4], 0x20);
        out[c + 4] = _mm256_permute2f128_ps(a[c], a[c + 4], 0x31);
    }
}

AVX2 static inline void load(const float *x, size_t stride, int count, __m256 *out)
{
    for (int i = 0; i < count; i += 8)
        turn(x + i, stride, out + i);
}

/* The value whose size is largest, the first of them; what `extreme` gives. */
AVX2 static inline __m256 extremes(const __m256 *x, int count)
{
    __m256 most = _mm256_setzero_ps(), value = most;
    for (int i = 0; i < count; i++) {
        const __m256 size = magnitude(x[i]), larger = greater(size, most);
        most = choose(larger, size, most);
        value = choose(larger, x[i], value);
    }
    return value;
}
#endif

#endif
