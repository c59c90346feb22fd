/* The table of IQ4 (ggml_iq4_table) in eight lanes of AVX2; see ggml_wide_iq4.h. */
#ifndef REPAQ_GGML_TABLE_AVX2_H
#define REPAQ_GGML_TABLE_AVX2_H

#include "codec/ggml_lanes_avx2.h"

#if defined(__x86_64__)
/* The code of the nearest value of the table, by halves: above the middle between two neighbours the upper one is nearer, also as F32 subtracts. */
struct tables {
    vec seconds, fourths, eighths; /* middles that decide the second, third and last bit of a code, by the bits before */
    vec lower, upper;              /* the values */
};

WIDE static inline struct tables tables(void)
{
    return (struct tables){_mm256_setr_ps(-57, 45.5f, 0, 0, 0, 0, 0, 0), _mm256_setr_ps(-93.5f, -28.5f, 19, 79, 0, 0, 0, 0),
                           _mm256_setr_ps(-115.5f, -74, -42, -16, 7, 31.5f, 61, 101), _mm256_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10),
                           _mm256_setr_ps(1, 13, 25, 38, 53, 69, 89, 113)};
}

/* The code doubled, and 1 more where value is not below the middle; NaN is not. */
WIDE static inline __m256i next_bit(__m256i code, vec value, vec middle)
{
    return _mm256_sub_epi32(_mm256_add_epi32(code, code), _mm256_castps_si256(_mm256_cmp_ps(value, middle, _CMP_NLT_UQ)));
}

WIDE static inline __m256i table_code(const struct tables *t, vec value)
{
    __m256i code = next_bit(_mm256_setzero_si256(), value, splat(-4.5f));
    code = next_bit(code, value, _mm256_permutevar8x32_ps(t->seconds, code));
    code = next_bit(code, value, _mm256_permutevar8x32_ps(t->fourths, code));
    return next_bit(code, value, _mm256_permutevar8x32_ps(t->eighths, code));
}

/* The value of the table that is nearest. */
WIDE static inline vec table_value(const struct tables *t, vec value)
{
    const __m256i code = table_code(t, value);
    const vec is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
    return choose(is_upper, _mm256_permutevar8x32_ps(t->upper, code), _mm256_permutevar8x32_ps(t->lower, code));
}

/* See ggml_iq4_nibbles. */
WIDE static void table_nibbles(const float *x, float inverse, uint8_t *to)
{
    const struct tables t = tables();
    for (int i = 0; i < 16; i += 8) {
        const __m256i lower = table_code(&t, splat(inverse) * load_vec(x + i)), upper = table_code(&t, splat(inverse) * load_vec(x + i + 16));
        const __m256i each = _mm256_or_si256(lower, _mm256_slli_epi32(upper, 4));
        const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(each), _mm256_extracti128_si256(each, 1));
        _mm_storel_epi64((__m128i *)(void *)(to + i), _mm_packus_epi16(words, words));
    }
}
#endif

#endif
