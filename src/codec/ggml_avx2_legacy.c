#include "codec/ggml_avx2.h"
#include "codec/ggml_kernels.h"

#if defined(__x86_64__)
#include <float.h>
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,f16c")))
#define BLOCK 32

AVX2 static inline __m256 magnitude(__m256 value)
{
    return _mm256_and_ps(value, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff)));
}

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

/* --- with weights: a lane a block ------------------------------------------------------------------------------------------- */

static const struct ggml_search_affine how_4_1 = {.count = BLOCK, .most = 15, .first = -0.9f, .step = 0.05f, .steps = 36};
static const struct ggml_search_affine how_5_1 = {.count = BLOCK, .most = 31, .first = -0.9f, .step = 0.05f, .steps = 36};

/* The codes of one lane. */
AVX2 static inline __m256i codes_found(const float *x, const struct ggml_avx2_found *found, int lane, int least, int most)
{
    __m256i codes[4];
    const __m256 by = _mm256_set1_ps(found->inverse[lane]), minus = _mm256_set1_ps(found->least[lane]);
    if (found->zeros >> lane & 1)
        return _mm256_setzero_si256();
    for (int i = 0; i < 4; i++) {
        const __m256 value = _mm256_mul_ps(by, _mm256_sub_ps(_mm256_loadu_ps(x + 8 * i), minus));
        const __m256i bits = _mm256_castps_si256(_mm256_add_ps(value, _mm256_set1_ps(0x1.8p23f)));
        const __m256i code = _mm256_sub_epi32(_mm256_and_si256(bits, _mm256_set1_epi32(0x7fffff)), _mm256_set1_epi32(0x400000));
        codes[i] = _mm256_sub_epi32(_mm256_min_epi32(_mm256_max_epi32(code, _mm256_set1_epi32(least)), _mm256_set1_epi32(most)), _mm256_set1_epi32(least));
    }
    return low_bytes(codes);
}

/* Eight blocks with weights; bytes of a block tell the type: 18, 20, 22 or 24. */
AVX2 static void eight_weighted(const struct ggml_part *row, uint64_t at, uint32_t bytes, uint8_t *to)
{
    const struct ggml_avx2_eight eight = {row->x + at, BLOCK, BLOCK, GGML_K_WEIGH_IMPORTANCE, row->weights + at, row->mean_square};
    const bool five = bytes >= 22, offset = bytes == 20 || bytes == 24;
    const int half = five ? 16 : 8;
    struct ggml_avx2_found found;
    if (offset)
        ggml_avx2_affine(&eight, five ? &how_5_1 : &how_4_1, &found);
    else
        ggml_avx2_centred(&eight, half, &found);
    for (int j = 0; j < 8; j++, to += bytes) {
        uint8_t *after = to + (offset ? 4 : 2);
        const __m256i codes = codes_found(eight.x + BLOCK * j, &found, j, offset ? 0 : -half, offset ? 2 * half - 1 : half - 1);
        store_f16(to, found.scale[j]);
        if (offset)
            store_f16(to + 2, -found.offset[j]);
        if (five)
            put_fives(codes, after);
        else
            put_nibbles(codes, after);
    }
}

static uint64_t whole_eights(const struct ggml_part *row, uint64_t elements, uint32_t bytes, uint8_t *to)
{
    uint64_t at = 0;
    for (; at + 8 * BLOCK <= elements; at += 8 * BLOCK)
        eight_weighted(row, at, bytes, to + at / BLOCK * bytes);
    return at;
}

/* --- rows ------------------------------------------------------------------------------------------------------------------- */

AVX2 uint64_t ggml_avx2_legacy_q8_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 34)
        block_q8_0(row->x + at, to);
    return elements;
}

AVX2 uint64_t ggml_avx2_legacy_q4_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return whole_eights(row, elements, 18, to);
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 18)
        put_nibbles(codes_centred(row->x + at, 8, to), to + 2);
    return elements;
}

AVX2 uint64_t ggml_avx2_legacy_q4_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return whole_eights(row, elements, 20, to);
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 20)
        put_nibbles(codes_offset(row->x + at, 15, to), to + 4);
    return elements;
}

AVX2 uint64_t ggml_avx2_legacy_q5_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return whole_eights(row, elements, 22, to);
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 22)
        put_fives(codes_centred(row->x + at, 16, to), to + 2);
    return elements;
}

AVX2 uint64_t ggml_avx2_legacy_q5_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights != NULL)
        return whole_eights(row, elements, 24, to);
    for (uint64_t at = 0; at < elements; at += BLOCK, to += 24)
        put_fives(codes_offset(row->x + at, 31, to), to + 4);
    return elements;
}
#endif
