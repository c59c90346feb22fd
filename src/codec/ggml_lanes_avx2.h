/* Eight lanes of AVX2; see ggml_lanes.h. */
#ifndef REPAQ_GGML_LANES_AVX2_H
#define REPAQ_GGML_LANES_AVX2_H

#include "codec/ggml_turn.h"

#if defined(__x86_64__)
#define WIDE AVX2
#define LANES 8

typedef __m256 vec;
typedef __m256 truth;
typedef int32_t ivec __attribute__((vector_size(32)));

WIDE static inline vec splat(float value)
{
    return _mm256_set1_ps(value);
}

WIDE static inline vec load_vec(const float *x)
{
    return _mm256_loadu_ps(x);
}

WIDE static inline void store_vec(float *x, vec v)
{
    _mm256_storeu_ps(x, v);
}

WIDE static inline void load(const float *x, size_t stride, int count, vec *out)
{
    for (int i = 0; i < count; i += 8)
        turn(x + i, stride, out + i);
}

WIDE static inline vec larger(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}

WIDE static inline vec smaller(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

WIDE static inline vec magnitude(vec v)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
}

WIDE static inline vec root(vec v)
{
    return _mm256_sqrt_ps(v);
}

WIDE static inline truth greater(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}

WIDE static inline truth at_most(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}

WIDE static inline truth differs(vec a, vec b)
{
    return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}

WIDE static inline truth both(truth m, truth n)
{
    return _mm256_and_ps(m, n);
}

WIDE static inline unsigned bits_of(truth m)
{
    return (unsigned)_mm256_movemask_ps(m);
}

WIDE static inline vec choose(truth m, vec yes, vec no)
{
    return _mm256_blendv_ps(no, yes, m);
}

WIDE static inline vec keep(truth m, vec v)
{
    return _mm256_and_ps(m, v);
}

WIDE static inline vec drop(truth m, vec v)
{
    return _mm256_andnot_ps(m, v);
}

WIDE static inline ivec nearest(vec v)
{
    const ivec bits = (ivec)(v + splat(0x1.8p23f));
    return (bits & 0x7fffff) - 0x400000;
}

WIDE static inline ivec whole(vec v)
{
    return (ivec)_mm256_cvttps_epi32(v);
}

WIDE static inline __m256i nearest_within(vec v, int least, int most)
{
    return _mm256_min_epi32(_mm256_max_epi32((__m256i)nearest(v), _mm256_set1_epi32(least)), _mm256_set1_epi32(most));
}

WIDE static inline vec nearest_code(vec v, int least, int most)
{
    return _mm256_cvtepi32_ps(nearest_within(v, least, most));
}

WIDE static inline void store_16(const vec *v, int least, int most, uint8_t *to)
{
    const __m256i shift = _mm256_set1_epi32(least), a = _mm256_sub_epi32(nearest_within(v[0], least, most), shift);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, _mm256_sub_epi32(nearest_within(v[1], least, most), shift)), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}
#endif

#endif
