/* Values of blocks, 32 codes at a time; layouts stand beside the plain code of each type. Each value is made by the operations of the plain code, in their
 * order: there are no sums here. */
#include "codec/ggml_avx2.h"
#include "codec/ggml_fp4.h"
#include "codec/ggml_iq4.h"

#if defined(__x86_64__)
#include "codec/ggml_lanes.h"

AVX2 static inline __m256i load_32(const uint8_t *from)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)from);
}

/* 16 bytes in either half. */
AVX2 static inline __m256i load_twice(const uint8_t *from)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)from));
}

AVX2 static inline __m256i bits(__m256i bytes, int shift, int mask)
{
    return _mm256_and_si256(_mm256_srl_epi16(bytes, _mm_cvtsi32_si128(shift)), _mm256_set1_epi8((char)mask));
}

/* Nibbles of 16 bytes: the low ones, then the high ones. */
AVX2 static inline __m256i nibbles(const uint8_t *from)
{
    const __m256i both = load_twice(from);
    return _mm256_and_si256(_mm256_blend_epi32(both, _mm256_srli_epi16(both, 4), 0xf0), _mm256_set1_epi8(15));
}

/* 32 bits as bytes that are 0 or `one`. */
AVX2 static inline __m256i ones(uint32_t from, int one)
{
    const __m256i which = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201ULL);
    const __m256i spread = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)from), which), bit);
    return _mm256_and_si256(_mm256_cmpeq_epi8(spread, bit), _mm256_set1_epi8((char)one));
}

AVX2 static inline __m256i fives(const uint8_t *from)
{
    return _mm256_or_si256(nibbles(from + 4), ones(le_load32(from), 16));
}

/* Eight signed codes as floats: those of a quarter of the bytes. */
AVX2 static inline __m256 eight(__m256i codes, int quarter)
{
    __m128i half = quarter < 2 ? _mm256_castsi256_si128(codes) : _mm256_extracti128_si256(codes, 1);
    if (quarter % 2 != 0)
        half = _mm_srli_si128(half, 8);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half));
}

/* code * scale; one scale for each half of the codes. */
AVX2 static inline void times(__m256i codes, const float scale[2], float *x)
{
    for (int q = 0; q < 4; q++)
        _mm256_storeu_ps(x + 8 * q, _mm256_mul_ps(eight(codes, q), _mm256_set1_ps(scale[q / 2])));
}

AVX2 static inline void times_one(__m256i codes, float scale, float *x)
{
    times(codes, (const float[2]){scale, scale}, x);
}

/* code * scale + plus: with minus numbers for a subtraction, which is the same. */
AVX2 static inline void line(__m256i codes, const float scale[2], const float plus[2], float *x)
{
    for (int q = 0; q < 4; q++)
        _mm256_storeu_ps(x + 8 * q, _mm256_add_ps(_mm256_mul_ps(eight(codes, q), _mm256_set1_ps(scale[q / 2])), _mm256_set1_ps(plus[q / 2])));
}

AVX2 static inline void line_one(__m256i codes, float scale, float plus, float *x)
{
    line(codes, (const float[2]){scale, scale}, (const float[2]){plus, plus}, x);
}

AVX2 static inline __m256i centred(__m256i codes, int centre)
{
    return _mm256_sub_epi8(codes, _mm256_set1_epi8((char)centre));
}

AVX2 static inline float f16(const uint8_t *at)
{
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(le_load16(at))));
}

/* --- blocks of 32 ----------------------------------------------------------------------------------------------------------- */

AVX2 void ggml_avx2_decode_q8_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 32, blocks += 34)
        times_one(load_32(blocks + 2), f16(blocks), x + at);
}

AVX2 void ggml_avx2_decode_q4_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 32, blocks += 18)
        times_one(centred(nibbles(blocks + 2), 8), f16(blocks), x + at);
}

AVX2 void ggml_avx2_decode_q4_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 32, blocks += 20)
        line_one(nibbles(blocks + 4), f16(blocks), f16(blocks + 2), x + at);
}

AVX2 void ggml_avx2_decode_q5_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 32, blocks += 22)
        times_one(centred(fives(blocks + 2), 16), f16(blocks), x + at);
}

AVX2 void ggml_avx2_decode_q5_1(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += 32, blocks += 24)
        line_one(fives(blocks + 4), f16(blocks), f16(blocks + 2), x + at);
}

AVX2 static inline __m256i table_of(const int8_t *table)
{
    return load_twice((const uint8_t *)table);
}

AVX2 void ggml_avx2_decode_iq4_nl(const uint8_t *blocks, uint64_t elements, float *x)
{
    const __m256i table = table_of(ggml_iq4_table);
    for (uint64_t at = 0; at < elements; at += 32, blocks += 18)
        times_one(_mm256_shuffle_epi8(table, nibbles(blocks + 2)), f16(blocks), x + at);
}

AVX2 void ggml_avx2_decode_mxfp4(const uint8_t *blocks, uint64_t elements, float *x)
{
    const __m256i table = table_of(ggml_fp4_doubled);
    for (uint64_t at = 0; at < elements; at += 32, blocks += 17)
        times_one(_mm256_shuffle_epi8(table, nibbles(blocks + 1)), ggml_fp4_half_exponent(blocks[0]), x + at);
}

/* --- super-blocks ----------------------------------------------------------------------------------------------------------- */

AVX2 void ggml_avx2_decode_iq4_xs(const uint8_t *blocks, uint64_t elements, float *x)
{
    const __m256i table = table_of(ggml_iq4_table);
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 136) {
        const float d = f16(blocks);
        for (int b = 0; b < 8; b++)
            times_one(_mm256_shuffle_epi8(table, nibbles(blocks + 8 + 16 * b)), d * (float)(ggml_iq4_scale(blocks, b) - 32), x + at + 32 * b);
    }
}

AVX2 void ggml_avx2_decode_tq2_0(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 66)
        for (int t = 0; t < 8; t++)
            times_one(centred(bits(load_32(blocks + t / 4 * 32), t % 4 * 2, 3), 1), f16(blocks + 64), x + at + 32 * t);
}

AVX2 void ggml_avx2_decode_q2_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 84) {
        const float d = f16(blocks + 80), minus = -f16(blocks + 82);
        for (int t = 0; t < 8; t++) {
            const uint8_t *s = blocks + 2 * t;
            const float scale[2] = {d * (float)low(s[0]), d * (float)low(s[1])}, plus[2] = {minus * (float)high(s[0]), minus * (float)high(s[1])};
            line(bits(load_32(blocks + 16 + t / 4 * 32), t % 4 * 2, 3), scale, plus, x + at + 32 * t);
        }
    }
}

AVX2 void ggml_avx2_decode_q3_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 110) {
        const float d = f16(blocks + 108);
        uint8_t scales[16];
        ggml_k_sixteen(blocks + 96, scales);
        for (int t = 0; t < 8; t++) {
            const float scale[2] = {d * (float)(scales[2 * t] - 32), d * (float)(scales[2 * t + 1] - 32)};
            const __m256i third = _mm256_slli_epi16(bits(load_32(blocks), t, 1), 2);
            times(centred(_mm256_or_si256(bits(load_32(blocks + 32 + t / 4 * 32), t % 4 * 2, 3), third), 4), scale, x + at + 32 * t);
        }
    }
}

AVX2 static inline void decode_sixes(const uint8_t *block, const uint8_t *fifths, const uint8_t *nibble, float *x)
{
    const float d = f16(block), minus = -f16(block + 2);
    uint8_t scales[8], mins[8];
    ggml_k_sixes(block + 4, scales, mins);
    for (int t = 0; t < 8; t++) {
        __m256i codes = bits(load_32(nibble + t / 2 * 32), t % 2 * 4, 15);
        if (fifths != NULL)
            codes = _mm256_or_si256(codes, _mm256_slli_epi16(bits(load_32(fifths), t, 1), 4));
        line_one(codes, d * (float)scales[t], minus * (float)mins[t], x + 32 * t);
    }
}

AVX2 void ggml_avx2_decode_q4_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 144)
        decode_sixes(blocks, NULL, blocks + 16, x + at);
}

AVX2 void ggml_avx2_decode_q5_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 176)
        decode_sixes(blocks, blocks + 16, blocks + 48, x + at);
}

AVX2 void ggml_avx2_decode_q6_k(const uint8_t *blocks, uint64_t elements, float *x)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, blocks += 210) {
        const float d = f16(blocks + 208);
        for (int t = 0; t < 8; t++) {
            const int8_t *s = (const int8_t *)blocks + 192 + 2 * t;
            const float scale[2] = {d * (float)s[0], d * (float)s[1]};
            const __m256i lower = bits(load_32(blocks + t / 4 * 64 + t % 2 * 32), t % 4 / 2 * 4, 15);
            const __m256i upper = _mm256_slli_epi16(bits(load_32(blocks + 128 + t / 4 * 32), t % 4 * 2, 3), 4);
            times(centred(_mm256_or_si256(lower, upper), 32), scale, x + at + 32 * t);
        }
    }
}
#endif
