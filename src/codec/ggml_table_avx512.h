/* The table of IQ4 (ggml_iq4_table) in sixteen lanes of AVX-512; see ggml_wide_iq4.h. */
#ifndef REPAQ_GGML_TABLE_AVX512_H
#define REPAQ_GGML_TABLE_AVX512_H

#include "codec/ggml_lanes_avx512.h"

#if defined(__x86_64__)
/* Middles between neighbours as a tree: those of node n are nodes 2 n and 2 n + 1, and leaf 16 + c is code c. */
struct tables {
    vec middles, values;
};

WIDE static inline struct tables tables(void)
{
    return (struct tables){_mm512_setr_ps(0, -4.5f, -57, 45.5f, -93.5f, -28.5f, 19, 79, -115.5f, -74, -42, -16, 7, 31.5f, 61, 101),
                           _mm512_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)};
}

/* The leaf of each value: a value that is not below the middle goes up; NaN is not. */
WIDE static inline __m512i table_leaf(const struct tables *t, vec value)
{
    const __m512i one = _mm512_set1_epi32(1);
    __m512i node = one;
    for (int bit = 0; bit < 4; bit++) {
        const __mmask16 up = _mm512_cmp_ps_mask(value, _mm512_permutexvar_ps(node, t->middles), _CMP_NLT_UQ);
        node = _mm512_add_epi32(node, node);
        node = _mm512_mask_add_epi32(node, up, node, one);
    }
    return node;
}

/* The value of the table that is nearest. */
WIDE static inline vec table_value(const struct tables *t, vec value)
{
    return _mm512_permutexvar_ps(table_leaf(t, value), t->values); /* by the low four bits */
}

/* See ggml_iq4_nibbles. */
WIDE static void table_nibbles(const float *x, float inverse, uint8_t *to)
{
    const struct tables t = tables();
    const __m512i lower = table_leaf(&t, splat(inverse) * load_vec(x)), upper = table_leaf(&t, splat(inverse) * load_vec(x + 16));
    const __m512i code = _mm512_and_si512(lower, _mm512_set1_epi32(15));
    _mm_storeu_si128((__m128i *)(void *)to, _mm512_cvtepi32_epi8(_mm512_or_si512(code, _mm512_slli_epi32(upper, 4))));
}
#endif

#endif
