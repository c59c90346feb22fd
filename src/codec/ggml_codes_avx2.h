/* Codes in AVX2; see ggml_codes.h. */
#ifndef REPAQ_GGML_CODES_AVX2_H
#define REPAQ_GGML_CODES_AVX2_H

#include "base/le.h"
#include "codec/ggml_turn.h"

#if defined(__x86_64__)
typedef __m256i codes;

AVX2 static inline codes load_codes(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* 16 bytes in either half. */
AVX2 static inline codes load_twice(const uint8_t *from)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX2 static inline codes bits(codes c, int shift, int mask)
{
    return _mm256_and_si256(_mm256_srl_epi16(c, _mm_cvtsi32_si128(shift)), _mm256_set1_epi8((char)mask));
}

AVX2 static inline codes joined(codes a, codes b, int shift)
{
    return _mm256_or_si256(a, _mm256_sll_epi16(b, _mm_cvtsi32_si128(shift)));
}

AVX2 static inline codes nibbles(const uint8_t *from)
{
    const codes both = load_twice(from);
    return _mm256_and_si256(_mm256_blend_epi32(both, _mm256_srli_epi16(both, 4), 0xf0), _mm256_set1_epi8(15));
}

AVX2 static inline codes flags(uint32_t set, int one)
{
    const codes which = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const codes bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
    const codes spread = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)set), which), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(spread, bit), _mm256_set1_epi8((char)one));
}

AVX2 static inline codes looked_up(codes c, const int8_t *table)
{
    return _mm256_shuffle_epi8(load_twice((const uint8_t *)table), c);
}

/* Each byte keeps its own two bits of four, and those in the upper half come down: 0 1 2 3 or 0 4 8 12. */
AVX2 static inline codes digits_2(uint64_t word)
{
    static const int8_t digits[16] = {0, 1, 2, 3, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0};
    const codes which = _mm256_setr_epi8(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7);
    const codes own = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi64x((long long)word), which), _mm256_set1_epi32((int)0xc0300c03u));
    return looked_up(_mm256_and_si256(_mm256_or_si256(own, _mm256_srli_epi16(own, 4)), _mm256_set1_epi8(15)), digits);
}

AVX2 static inline codes digits_3(uint64_t first, uint64_t second)
{
    const codes words = _mm256_cvtepu16_epi32(_mm_set_epi64x((long long)second, (long long)first));
    const codes low_two =
        _mm256_or_si256(_mm256_and_si256(words, _mm256_set1_epi32(7)), _mm256_and_si256(_mm256_slli_epi32(words, 5), _mm256_set1_epi32(7 << 8)));
    const codes third = _mm256_and_si256(_mm256_slli_epi32(words, 10), _mm256_set1_epi32(7 << 16));
    return _mm256_or_si256(_mm256_or_si256(low_two, third), _mm256_and_si256(_mm256_slli_epi32(words, 15), _mm256_set1_epi32(7 << 24)));
}

AVX2 static inline codes at_least(codes c, int least)
{
    return _mm256_cmpeq_epi8(_mm256_max_epu8(c, _mm256_set1_epi8((char)least)), c);
}

AVX2 static inline codes fractions(codes c)
{
    return _mm256_sub_epi8(_mm256_set1_epi8(-1), _mm256_add_epi8(at_least(c, 86), at_least(c, 171)));
}

AVX2 static inline codes plus(codes a, codes b)
{
    return _mm256_add_epi8(a, b);
}

AVX2 static inline codes centred(codes c, int centre)
{
    return _mm256_sub_epi8(c, _mm256_set1_epi8((char)centre));
}

AVX2 static inline codes negated(codes c, uint32_t signs)
{
    const codes minus = flags(signs, -1);
    return _mm256_sub_epi8(_mm256_xor_si256(c, minus), minus);
}

/* Eight signed codes as floats: those of a quarter of the bytes. */
AVX2 static inline __m256 eight(codes c, int quarter)
{
    __m128i half = quarter < 2 ? _mm256_castsi256_si128(c) : _mm256_extracti128_si256(c, 1);
    if (quarter % 2 != 0)
        half = _mm_srli_si128(half, 8);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half));
}

AVX2 static inline void times(codes c, const float scale[2], float *x)
{
    for (int q = 0; q < 4; q++)
        _mm256_storeu_ps(x + 8 * q, _mm256_mul_ps(eight(c, q), _mm256_set1_ps(scale[q / 2])));
}

AVX2 static inline void line(codes c, const float scale[2], const float added[2], float *x)
{
    for (int q = 0; q < 4; q++)
        _mm256_storeu_ps(x + 8 * q, _mm256_add_ps(_mm256_mul_ps(eight(c, q), _mm256_set1_ps(scale[q / 2])), _mm256_set1_ps(added[q / 2])));
}

AVX2 static inline float half_at(const uint8_t *from)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(le_load16(from))));
}
#endif

#endif
