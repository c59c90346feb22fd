#include "codec/ggml_avx2.h"
#include "codec/ggml_kernels.h"

#if defined(__x86_64__)
#include "codec/ggml_wide_legacy.h"

#include <float.h>

#define BLOCK 32

AVX2 static inline void store_f16(uint8_t *to, float value)
{
    le_store16(to, (uint16_t)_mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT)));
}

AVX2 static inline float inverse(float d)
{
    return d != 0 ? 1.0f / d : 0.0f;
}

/* The largest, or smallest, of all lanes of four vectors and a start. Operands stand so that NaN are passed over. */
AVX2 static inline float largest_of(const __m256 *v, float start)
{
    __m256 most = _mm256_set1_ps(start);
    for (int i = 0; i < 4; i++)
        most = _mm256_max_ps(v[i], most);
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_shuffle_ps(m, m, 1)));
}

AVX2 static inline float smallest_of(const __m256 *v, float start)
{
    __m256 least = _mm256_set1_ps(start);
    for (int i = 0; i < 4; i++)
        least = _mm256_min_ps(v[i], least);
    __m128 m = _mm_min_ps(_mm256_castps256_ps128(least), _mm256_extractf128_ps(least, 1));
    m = _mm_min_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_min_ss(m, _mm_shuffle_ps(m, m, 1)));
}

/* The first element that equals `value` in `of`, from x: it may be another zero, or have another sign. `value` itself if there is none. */
AVX2 static inline float first_equal(const __m256 *of, float value, const float *x)
{
    const __m256 wanted = _mm256_set1_ps(value);
    unsigned mask = 0;
    for (int i = 0; i < 4; i++)
        mask |= (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(of[i], wanted, _CMP_EQ_OQ)) << 8 * i;
    return mask != 0 ? x[__builtin_ctz(mask)] : value;
}

/* The low bytes of four vectors of eight, in order. */
AVX2 static inline __m256i low_bytes(const __m256i *v)
{
    const __m256i byte = _mm256_set1_epi32(255);
    const __m256i a = _mm256_packus_epi32(_mm256_and_si256(v[0], byte), _mm256_and_si256(v[1], byte));
    const __m256i b = _mm256_packus_epi32(_mm256_and_si256(v[2], byte), _mm256_and_si256(v[3], byte));
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

AVX2 static inline void put_nibbles(__m256i codes, uint8_t *to)
{
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i lower = _mm_and_si128(_mm256_castsi256_si128(codes), nibble), upper = _mm_and_si128(_mm256_extracti128_si256(codes, 1), nibble);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_or_si128(lower, _mm_slli_epi16(upper, 4)));
}

AVX2 static inline void put_fives(__m256i codes, uint8_t *to)
{
    le_store32(to, (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(codes, 3)));
    put_nibbles(codes, to + 4);
}

AVX2 static inline void load_four(const float *x, __m256 *v)
{
    for (int i = 0; i < 4; i++)
        v[i] = _mm256_loadu_ps(x + 8 * i);
}

/* --- without weights -------------------------------------------------------------------------------------------------------- */

AVX2 static inline void block_q8_0(const float *x, uint8_t *to)
{
    __m256 v[4], sizes[4];
    __m256i codes[4];
    load_four(x, v);
    for (int i = 0; i < 4; i++)
        sizes[i] = magnitude(v[i]);
    const float d = largest_of(sizes, 0) / 127.0f;
    const __m256 by = _mm256_set1_ps(inverse(d)), one = _mm256_set1_ps(1), half = _mm256_set1_ps(0.5f), sign = _mm256_set1_ps(-0.0f);
    for (int i = 0; i < 4; i++) { /* halves away from zero: what is cut off is exact */
        const __m256 value = _mm256_mul_ps(v[i], by), whole = _mm256_round_ps(value, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
        const __m256 up = _mm256_cmp_ps(magnitude(_mm256_sub_ps(value, whole)), half, _CMP_GE_OQ);
        const __m256 more = _mm256_and_ps(up, _mm256_or_ps(_mm256_and_ps(value, sign), one));
        codes[i] = _mm256_cvttps_epi32(_mm256_add_ps(whole, more));
    }
    store_f16(to, d);
    _mm256_storeu_si256((__m256i *)(void *)(to + 2), low_bytes(codes));
}

AVX2 static inline __m256i codes_centred(const float *x, int half, uint8_t *to)
{
    __m256 v[4], sizes[4];
    __m256i codes[4];
    load_four(x, v);
    for (int i = 0; i < 4; i++)
        sizes[i] = magnitude(v[i]);
    const float most = largest_of(sizes, 0), top = most > 0 ? first_equal(sizes, most, x) : 0, d = top / (float)-half;
    const __m256 by = _mm256_set1_ps(inverse(d)), middle = _mm256_set1_ps((float)half + 0.5f);
    for (int i = 0; i < 4; i++) {
        const __m256i code = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(v[i], by), middle));
        codes[i] = _mm256_min_epi32(_mm256_srai_epi32(_mm256_slli_epi32(code, 24), 24), _mm256_set1_epi32(2 * half - 1)); /* as a signed byte */
    }
    store_f16(to, d);
    return low_bytes(codes);
}

AVX2 static inline __m256i codes_offset(const float *x, int most, uint8_t *to)
{
    __m256 v[4];
    __m256i codes[4];
    load_four(x, v);
    const float least = first_equal(v, smallest_of(v, FLT_MAX), x), largest = first_equal(v, largest_of(v, -FLT_MAX), x);
    const float d = (largest - least) / (float)most;
    const __m256 by = _mm256_set1_ps(inverse(d)), minus = _mm256_set1_ps(least), half = _mm256_set1_ps(0.5f);
    for (int i = 0; i < 4; i++)
        codes[i] = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(v[i], minus), by), half));
    store_f16(to, d);
    store_f16(to + 2, least);
    return low_bytes(codes);
}

/* --- eight blocks without weights ------------------------------------------------------------------------------------------- */

/* The largest and the smallest of each of eight blocks and a start, in lane j those of block j. NaN are passed over. */
struct ends {
    __m256 most, least;
};

AVX2 static inline struct ends ends_of(const float *x, float start)
{
    __m256 most[8], least[8];
    for (int j = 0; j < 8; j++, x += BLOCK) {
        most[j] = _mm256_set1_ps(-start), least[j] = _mm256_set1_ps(start);
        for (int i = 0; i < BLOCK; i += 8) {
            const __m256 v = _mm256_loadu_ps(x + i);
            most[j] = _mm256_max_ps(v, most[j]);
            least[j] = _mm256_min_ps(v, least[j]);
        }
    }
    for (int j = 0; j < 4; j++) {
        most[j] = _mm256_max_ps(_mm256_unpacklo_ps(most[2 * j], most[2 * j + 1]), _mm256_unpackhi_ps(most[2 * j], most[2 * j + 1]));
        least[j] = _mm256_min_ps(_mm256_unpacklo_ps(least[2 * j], least[2 * j + 1]), _mm256_unpackhi_ps(least[2 * j], least[2 * j + 1]));
    }
    for (int j = 0; j < 2; j++) {
        most[j] = _mm256_max_ps(_mm256_shuffle_ps(most[2 * j], most[2 * j + 1], 0x44), _mm256_shuffle_ps(most[2 * j], most[2 * j + 1], 0xee));
        least[j] = _mm256_min_ps(_mm256_shuffle_ps(least[2 * j], least[2 * j + 1], 0x44), _mm256_shuffle_ps(least[2 * j], least[2 * j + 1], 0xee));
    }
    return (struct ends){_mm256_max_ps(_mm256_permute2f128_ps(most[0], most[1], 0x20), _mm256_permute2f128_ps(most[0], most[1], 0x31)),
                         _mm256_min_ps(_mm256_permute2f128_ps(least[0], least[1], 0x20), _mm256_permute2f128_ps(least[0], least[1], 0x31))};
}

/* The scales of eight blocks. */
struct scales {
    float inverse[8], least[8];
    uint16_t d[8], m[8];
};

AVX2 static inline void store_halves(__m256 value, uint16_t *to)
{
    _mm_storeu_si128((__m128i *)(void *)to, _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
}

/* False where a block needs care: a scale so small or so large that codes may leave their range. */
AVX2 static inline bool scales_of(__m256 d, struct scales *scales)
{
    const __m256 size = magnitude(d), zero = _mm256_setzero_ps(), is_zero = _mm256_cmp_ps(size, zero, _CMP_EQ_OQ);
    const __m256 sound = _mm256_and_ps(_mm256_cmp_ps(size, _mm256_set1_ps(FLT_MIN), _CMP_GE_OQ), _mm256_cmp_ps(size, _mm256_set1_ps(FLT_MAX), _CMP_LE_OQ));
    if (_mm256_movemask_ps(_mm256_or_ps(sound, is_zero)) != 255)
        return false;
    _mm256_storeu_ps(scales->inverse, _mm256_andnot_ps(is_zero, _mm256_div_ps(_mm256_set1_ps(1), d)));
    store_halves(d, scales->d);
    return true;
}

/* Words of codes of a block, of elements j and j + 16: as packing leaves them, to be put in order at the end. */
struct words {
    __m256i first, last;
};

AVX2 static inline __m256i ordered_bytes(struct words codes)
{
    return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(codes.first, codes.last), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

AVX2 static inline void store_codes(struct words codes, bool five, uint8_t *to)
{
    if (five) {
        put_fives(ordered_bytes(codes), to);
        return;
    }
    const __m256i both = _mm256_permute4x64_epi64(_mm256_or_si256(codes.first, _mm256_slli_epi16(codes.last, 4)), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_packus_epi16(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)));
}

AVX2 static inline struct words words_of(const __m256i *codes)
{
    return (struct words){_mm256_packus_epi32(codes[0], codes[1]), _mm256_packus_epi32(codes[2], codes[3])};
}

AVX2 static inline bool eight_q8_0(struct ends ends, const float *x, uint8_t *to)
{
    struct scales scales;
    if (!scales_of(_mm256_div_ps(magnitude(_mm256_max_ps(ends.most, negative(ends.least))), _mm256_set1_ps(127)), &scales))
        return false;
    const __m256 below_half = _mm256_set1_ps(0x1.fffffep-2f), sign = _mm256_set1_ps(-0.0f);
    for (int j = 0; j < 8; j++, x += BLOCK, to += 34) {
        const __m256 by = _mm256_set1_ps(scales.inverse[j]);
        __m256i codes[4];
        for (int i = 0; i < 4; i++) { /* halves away from zero: the sum with a half reaches the next whole number by rounding */
            const __m256 value = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), by);
            codes[i] = _mm256_cvttps_epi32(_mm256_add_ps(value, _mm256_or_ps(_mm256_and_ps(value, sign), below_half)));
        }
        const __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(codes[0], codes[1]), _mm256_packs_epi32(codes[2], codes[3]));
        le_store16(to, scales.d[j]);
        _mm256_storeu_si256((__m256i *)(void *)(to + 2), _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    }
    return true;
}

AVX2 static inline bool eight_centred(struct ends ends, const float *x, bool five, uint8_t *to)
{
    const int half = five ? 16 : 8;
    struct scales scales;
    const __m256 below = negative(ends.least);
    if (_mm256_movemask_ps(_mm256_cmp_ps(ends.most, below, _CMP_EQ_OQ)) != 0) /* the first of both decides */
        return false;
    if (!scales_of(_mm256_div_ps(choose(greater(ends.most, below), ends.most, ends.least), _mm256_set1_ps((float)-half)), &scales))
        return false;
    const __m256 middle = _mm256_set1_ps((float)half + 0.5f);
    const __m256i limit = _mm256_set1_epi16((short)(2 * half - 1));
    for (int j = 0; j < 8; j++, x += BLOCK, to += five ? 22 : 18) {
        const __m256 by = _mm256_set1_ps(scales.inverse[j]);
        __m256i codes[4];
        for (int i = 0; i < 4; i++)
            codes[i] = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), by), middle));
        le_store16(to, scales.d[j]);
        const struct words words = words_of(codes);
        store_codes((struct words){_mm256_min_epi16(words.first, limit), _mm256_min_epi16(words.last, limit)}, five, to + 2);
    }
    return true;
}

AVX2 static inline bool eight_offset(struct ends ends, const float *x, bool five, uint8_t *to)
{
    const int most = five ? 31 : 15;
    struct scales scales;
    if (_mm256_movemask_ps(_mm256_cmp_ps(ends.least, _mm256_setzero_ps(), _CMP_EQ_OQ)) != 0) /* the first zero's sign is stored */
        return false;
    if (!scales_of(_mm256_div_ps(_mm256_sub_ps(ends.most, ends.least), _mm256_set1_ps((float)most)), &scales))
        return false;
    _mm256_storeu_ps(scales.least, ends.least);
    store_halves(ends.least, scales.m);
    const __m256 half = _mm256_set1_ps(0.5f);
    for (int j = 0; j < 8; j++, x += BLOCK, to += five ? 24 : 20) {
        const __m256 by = _mm256_set1_ps(scales.inverse[j]), minus = _mm256_set1_ps(scales.least[j]);
        __m256i codes[4];
        for (int i = 0; i < 4; i++)
            codes[i] = _mm256_cvttps_epi32(_mm256_add_ps(_mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + 8 * i), minus), by), half));
        le_store16(to, scales.d[j]);
        le_store16(to + 2, scales.m[j]);
        store_codes(words_of(codes), five, to + 4);
    }
    return true;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

AVX2 static inline void block_centred(const float *x, bool five, uint8_t *to)
{
    if (five)
        put_fives(codes_centred(x, 16, to), to + 2);
    else
        put_nibbles(codes_centred(x, 8, to), to + 2);
}

AVX2 static inline void block_offset(const float *x, bool five, uint8_t *to)
{
    if (five)
        put_fives(codes_offset(x, 31, to), to + 4);
    else
        put_nibbles(codes_offset(x, 15, to), to + 4);
}

enum without { Q8_0, CENTRED, OFFSET };

AVX2 static inline bool make_eight(enum without kind, struct ends ends, const float *x, bool five, uint8_t *to)
{
    return kind == Q8_0 ? eight_q8_0(ends, x, to) : kind == CENTRED ? eight_centred(ends, x, five, to) : eight_offset(ends, x, five, to);
}

AVX2 static inline void make_one(enum without kind, const float *x, bool five, uint8_t *to)
{
    if (kind == Q8_0)
        block_q8_0(x, to);
    else if (kind == CENTRED)
        block_centred(x, five, to);
    else
        block_offset(x, five, to);
}

/* The ends of the eight blocks that come next are found before those at hand are made, which wait for a division. */
AVX2 static inline uint64_t make_row(enum without kind, const float *x, uint64_t elements, bool five, uint8_t *to)
{
    const uint32_t bytes = kind == Q8_0 ? 34 : (uint32_t)(kind == CENTRED ? 18 : 20) + (five ? 4 : 0);
    const float start = kind == OFFSET ? FLT_MAX : 0;
    struct ends next = elements >= 8 * BLOCK ? ends_of(x, start) : (struct ends){_mm256_setzero_ps(), _mm256_setzero_ps()};
    uint64_t at = 0;
    for (; at + 8 * BLOCK <= elements; at += 8 * BLOCK, to += 8 * bytes) {
        const struct ends ends = next;
        if (at + 16 * BLOCK <= elements)
            next = ends_of(x + at + 8 * BLOCK, start);
        if (make_eight(kind, ends, x + at, five, to))
            continue;
        for (uint32_t j = 0; j < 8; j++)
            make_one(kind, x + at + BLOCK * j, five, to + bytes * j);
    }
    for (; at < elements; at += BLOCK, to += bytes)
        make_one(kind, x + at, five, to);
    return elements;
}

AVX2 uint64_t ggml_avx2_legacy_q8_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(Q8_0, row->x, elements, false, to);
}

AVX2 uint64_t ggml_avx2_legacy_q4_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return wide_legacy(&ggml_legacy_kind_q4_0, row, elements, to);
    return make_row(CENTRED, row->x, elements, false, to);
}

AVX2 uint64_t ggml_avx2_legacy_q4_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return wide_legacy(&ggml_legacy_kind_q4_1, row, elements, to);
    return make_row(OFFSET, row->x, elements, false, to);
}

AVX2 uint64_t ggml_avx2_legacy_q5_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return wide_legacy(&ggml_legacy_kind_q5_0, row, elements, to);
    return make_row(CENTRED, row->x, elements, true, to);
}

AVX2 uint64_t ggml_avx2_legacy_q5_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return wide_legacy(&ggml_legacy_kind_q5_1, row, elements, to);
    return make_row(OFFSET, row->x, elements, true, to);
}

/* 32 codes of Q2_0 as bytes: 0, 1 or 2, halves away from zero. */
AVX2 static inline __m256i trits(const float *x, __m256 by)
{
    const __m256 half = _mm256_set1_ps(0.5f);
    __m256i codes[4];
    for (int i = 0; i < 4; i++) {
        const __m256 value = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), by);
        const __m256i up = _mm256_castps_si256(_mm256_cmp_ps(value, half, _CMP_GE_OQ));
        const __m256i down = _mm256_castps_si256(_mm256_cmp_ps(value, negative(half), _CMP_LE_OQ));
        codes[i] = _mm256_add_epi32(_mm256_sub_epi32(down, up), _mm256_set1_epi32(1));
    }
    return low_bytes(codes);
}

/* Blocks of 64. */
AVX2 uint64_t ggml_avx2_legacy_q2_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += 2 * BLOCK, to += 18) {
        const float *x = row->x + at;
        __m256 sizes[4];
        for (int i = 0; i < 4; i++)
            sizes[i] = _mm256_max_ps(magnitude(_mm256_loadu_ps(x + 8 * i)), magnitude(_mm256_loadu_ps(x + 8 * i + BLOCK)));
        const float d = largest_of(sizes, 0);
        if (d != 0 && !(d >= FLT_MIN && d <= FLT_MAX)) { /* 1 / d may be none */
            ggml_legacy_q2_0.encode(&(const struct ggml_part){.x = x}, to);
            continue;
        }
        store_f16(to, d);
        for (int h = 0; h < 2; h++) { /* four codes a byte, the first lowest */
            const __m256i pairs = _mm256_maddubs_epi16(trits(x + BLOCK * h, _mm256_set1_ps(inverse(d))), _mm256_set1_epi16(0x401));
            const __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x100001));
            const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(fours), _mm256_extracti128_si256(fours, 1));
            _mm_storel_epi64((__m128i *)(void *)(to + 2 + 8 * h), _mm_packus_epi16(words, words));
        }
    }
    return elements;
}
#endif
