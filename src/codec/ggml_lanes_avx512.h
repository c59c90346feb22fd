/* Sixteen lanes of AVX-512; see ggml_lanes.h. */
#ifndef REPAQ_GGML_LANES_AVX512_H
#define REPAQ_GGML_LANES_AVX512_H

#include "codec/ggml_turn.h"

#if defined(__x86_64__)
#define WIDE __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512dq,avx512vl")))
#define LANES 16

typedef __m512 vec;
typedef __mmask16 truth;
typedef int32_t ivec __attribute__((vector_size(64)));

WIDE static inline vec splat(float value)
{
    return _mm512_set1_ps(value);
}

WIDE static inline vec load_vec(const float *x)
{
    return _mm512_loadu_ps(x);
}

WIDE static inline void store_vec(float *x, vec v)
{
    _mm512_storeu_ps(x, v);
}

WIDE static inline void load(const float *x, size_t stride, int count, vec *out)
{
    for (int i = 0; i < count; i += 8) {
        __m256 first[8], last[8];
        turn(x + i, stride, first);
        turn(x + i + 8 * stride, stride, last);
        for (int k = 0; k < 8; k++)
            out[i + k] = _mm512_insertf32x8(_mm512_castps256_ps512(first[k]), last[k], 1);
    }
}

WIDE static inline vec larger(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}

WIDE static inline vec smaller(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

WIDE static inline vec magnitude(vec v)
{
    return (vec)((ivec)v & 0x7fffffff);
}

WIDE static inline vec root(vec v)
{
    return _mm512_sqrt_ps(v);
}

WIDE static inline truth greater(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

WIDE static inline truth at_most(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}

WIDE static inline truth differs(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}

WIDE static inline truth both(truth m, truth n)
{
    return (truth)(m & n);
}

WIDE static inline unsigned bits_of(truth m)
{
    return m;
}

WIDE static inline vec choose(truth m, vec yes, vec no)
{
    return _mm512_mask_blend_ps(m, no, yes);
}

WIDE static inline vec keep(truth m, vec v)
{
    return _mm512_maskz_mov_ps(m, v);
}

WIDE static inline vec drop(truth m, vec v)
{
    return _mm512_maskz_mov_ps((truth)~m, v);
}

WIDE static inline ivec nearest(vec v)
{
    const ivec bits = (ivec)(v + splat(0x1.8p23f));
    return (bits & 0x7fffff) - 0x400000;
}

WIDE static inline ivec whole(vec v)
{
    return (ivec)_mm512_cvttps_epi32(v);
}

WIDE static inline __m512i nearest_within(vec v, int least, int most)
{
    return _mm512_min_epi32(_mm512_max_epi32((__m512i)nearest(v), _mm512_set1_epi32(least)), _mm512_set1_epi32(most));
}

WIDE static inline vec nearest_code(vec v, int least, int most)
{
    return _mm512_cvtepi32_ps(nearest_within(v, least, most));
}

WIDE static inline void store_16(const vec *v, int least, int most, uint8_t *to)
{
    const __m512i code = _mm512_sub_epi32(nearest_within(*v, least, most), _mm512_set1_epi32(least));
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(code));
}
#endif

#endif
