/* MXFP4 and NVFP4. The plain code takes the first of the values that err least. Of two neighbours a and b, F32 says exactly which is nearer, since both
 * differences are exact, or one is and the other cannot fall below it; so the middle between them decides, and a value there goes to the smaller one. That
 * needs products of value and scale that are finite, and differences that are seen: scales so large, or so small for the values, are left to the plain code. */
#include "codec/ggml_avx2.h"
#include "codec/ggml_fp4.h"

#if defined(__x86_64__)
#include "codec/ggml_lanes.h"

#include <float.h>

/* Eight codes: how many middles the size is above, and 8 more for what is below 0. */
WIDE static inline ivec code_of(vec x, float d)
{
    static const float middles[7] = {0.5f, 1.5f, 2.5f, 3.5f, 5, 7, 10};
    const vec size = magnitude(x);
    ivec code = (ivec)splat(0);
    for (int k = 0; k < 7; k++)
        code -= (ivec)greater(size, splat(middles[k] * d));
    const ivec minus = (ivec)both(greater(splat(0), x), greater(size, splat(middles[0] * d)));
    return code | (minus & 8);
}

/* Sixteen elements in eight bytes, those of a half in the low nibbles. */
WIDE static inline void eight_bytes(ivec lower, ivec upper, uint8_t *to)
{
    const __m256i each = (__m256i)(lower | upper << 4);
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(each), _mm256_extracti128_si256(each, 1));
    _mm_storel_epi64((__m128i *)(void *)to, _mm_packus_epi16(words, words));
}

WIDE static inline float largest_size(const float *x, int count)
{
    vec most = splat(0);
    for (int i = 0; i < count; i += 8)
        most = larger(magnitude(load_vec(x + i)), most);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}

static inline bool sound(float d, float most)
{
    return d > 0 && d <= FLT_MAX / 16 && most <= d * 0x1p16f;
}

WIDE uint64_t ggml_avx2_fp4_mx(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += 32, to += 17) {
        const float *x = row->x + at, most = largest_size(x, 32);
        const uint8_t exponent = ggml_fp4_exponent(most);
        const float d = ggml_fp4_half_exponent(exponent);
        if (!sound(d, most)) {
            ggml_fp4_mxfp4.encode(&(const struct ggml_part){.x = x}, to);
            continue;
        }
        to[0] = exponent;
        for (int i = 0; i < 16; i += 8)
            eight_bytes(code_of(load_vec(x + i), d), code_of(load_vec(x + i + 16), d), to + 1 + i);
    }
    return elements;
}

WIDE uint64_t ggml_avx2_fp4_nv(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += 16, to += at % 64 == 0 ? 36 : 0) {
        const float *x = row->x + at, most = largest_size(x, 16);
        const uint64_t s = at % 64 / 16;
        to[s] = ggml_fp4_scale_code(most / 6.0f);
        const float d = ggml_fp4_half_scale(to[s]);
        if (sound(d, most))
            eight_bytes(code_of(load_vec(x), d), code_of(load_vec(x + 8), d), to + 4 + 8 * s);
        else
            ggml_fp4_nibbles(x, 8, d, to + 4 + 8 * s);
    }
    return elements;
}
#endif
