#include "codec/ggml_avx2.h"
#include "codec/ggml_iq4.h"

#if defined(__x86_64__)
#include "codec/ggml_lanes.h"

#define SUB 32
#define EIGHT (8 * SUB)

/* The code of the nearest value of the table, by halves: above the middle between two neighbours the upper one is nearer, also as F32 subtracts. */
struct tables {
    __m256 seconds, fourths, eighths; /* middles that decide the second, third and last bit of a code, by the bits before */
    __m256 lower, upper;              /* the values */
};

AVX2 static inline struct tables tables(void)
{
    return (struct tables){_mm256_setr_ps(-57, 45.5f, 0, 0, 0, 0, 0, 0), _mm256_setr_ps(-93.5f, -28.5f, 19, 79, 0, 0, 0, 0),
                           _mm256_setr_ps(-115.5f, -74, -42, -16, 7, 31.5f, 61, 101), _mm256_setr_ps(-127, -104, -83, -65, -49, -35, -22, -10),
                           _mm256_setr_ps(1, 13, 25, 38, 53, 69, 89, 113)};
}

/* The code doubled, and 1 more where value is not below the middle; NaN is not. */
AVX2 static inline __m256i next_bit(__m256i code, __m256 value, __m256 middle)
{
    return _mm256_sub_epi32(_mm256_add_epi32(code, code), _mm256_castps_si256(_mm256_cmp_ps(value, middle, _CMP_NLT_UQ)));
}

AVX2 static inline __m256i nearest_code(const struct tables *t, __m256 value)
{
    __m256i code = next_bit(_mm256_setzero_si256(), value, _mm256_set1_ps(-4.5f));
    code = next_bit(code, value, _mm256_permutevar8x32_ps(t->seconds, code));
    code = next_bit(code, value, _mm256_permutevar8x32_ps(t->fourths, code));
    return next_bit(code, value, _mm256_permutevar8x32_ps(t->eighths, code));
}

AVX2 static inline __m256 value_of(const struct tables *t, __m256i code)
{
    const __m256 is_upper = _mm256_castsi256_ps(_mm256_slli_epi32(code, 28));
    return choose(is_upper, _mm256_permutevar8x32_ps(t->upper, code), _mm256_permutevar8x32_ps(t->lower, code));
}

AVX2 static void nibbles(const float *x, float inverse, uint8_t *to)
{
    const struct tables t = tables();
    const __m256 by = _mm256_set1_ps(inverse);
    for (int i = 0; i < SUB / 2; i += 8) {
        const __m256i lower = nearest_code(&t, _mm256_mul_ps(by, _mm256_loadu_ps(x + i)));
        const __m256i upper = nearest_code(&t, _mm256_mul_ps(by, _mm256_loadu_ps(x + i + SUB / 2)));
        const __m256i both = _mm256_or_si256(lower, _mm256_slli_epi32(upper, 4));
        const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
        _mm_storel_epi64((__m128i *)(void *)(to + i), _mm_packus_epi16(words, words));
    }
}

struct lanes {
    __m256 x[SUB], weights[SUB];
};

struct sums {
    __m256 qx, q2;
};

AVX2 static inline struct sums table_sums(const struct tables *t, const struct lanes *lanes, __m256 inverse)
{
    struct sums sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < SUB; i++) {
        const __m256 q = value_of(t, nearest_code(t, _mm256_mul_ps(inverse, lanes->x[i]))), wq = _mm256_mul_ps(lanes->weights[i], q);
        sum.qx = _mm256_add_ps(sum.qx, _mm256_mul_ps(wq, lanes->x[i]));
        sum.q2 = _mm256_add_ps(sum.q2, _mm256_mul_ps(wq, q));
    }
    return sum;
}

/* find_scale of ggml_iq4.c, eight at once. */
AVX2 static void find_scales(const struct lanes *lanes, float *scales)
{
    const struct tables t = tables();
    const __m256 zero = _mm256_setzero_ps(), top = extremes(lanes->x, SUB);
    const __m256 tiny = _mm256_cmp_ps(magnitude(top), _mm256_set1_ps(GGML_SEARCH_TINY), _CMP_LT_OQ);
    struct sums sum = table_sums(&t, lanes, _mm256_div_ps(_mm256_set1_ps(1), _mm256_div_ps(negative(top), _mm256_set1_ps(-127))));
    __m256 scale = _mm256_and_ps(greater(sum.q2, zero), _mm256_div_ps(sum.qx, sum.q2)), best = _mm256_mul_ps(scale, sum.qx);
    for (int i = -7; i <= 7; i++) {
        sum = table_sums(&t, lanes, _mm256_div_ps(_mm256_set1_ps((float)i - 127.0f), top));
        const __m256 better = _mm256_and_ps(greater(sum.q2, zero), greater(_mm256_mul_ps(sum.qx, sum.qx), _mm256_mul_ps(best, sum.q2)));
        scale = choose(better, _mm256_div_ps(sum.qx, sum.q2), scale);
        best = choose(better, _mm256_mul_ps(scale, sum.qx), best);
    }
    _mm256_storeu_ps(scales, _mm256_andnot_ps(tiny, scale));
}

/* Eight sub-blocks; mean_square of each, or of all together where it is given. */
AVX2 static void eight_scales(const struct ggml_part *row, uint64_t at, const float *mean_square, float *scales)
{
    struct lanes lanes;
    __m256 mean = _mm256_setzero_ps();
    load(row->x + at, SUB, SUB, lanes.x);
    for (int i = 0; i < SUB && mean_square == NULL; i++)
        mean = _mm256_add_ps(mean, _mm256_mul_ps(lanes.x[i], lanes.x[i]));
    mean = mean_square != NULL ? _mm256_set1_ps(*mean_square) : _mm256_mul_ps(mean, _mm256_set1_ps(2.0f / SUB));
    if (row->weights != NULL)
        load(row->weights + at, SUB, SUB, lanes.weights);
    for (int i = 0; i < SUB; i++) {
        const __m256 square = _mm256_mul_ps(lanes.x[i], lanes.x[i]);
        lanes.weights[i] = row->weights != NULL ? _mm256_mul_ps(lanes.weights[i], _mm256_sqrt_ps(_mm256_add_ps(mean, square))) : square;
    }
    find_scales(&lanes, scales);
}

uint64_t ggml_avx2_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    uint64_t at = 0;
    for (; at + EIGHT <= elements; at += EIGHT) {
        float scales[8];
        eight_scales(row, at, NULL, scales);
        for (int j = 0; j < 8; j++, to += 18)
            ggml_iq4_store_nl(row->x + at + SUB * j, scales[j], nibbles, to);
    }
    return at;
}

uint64_t ggml_avx2_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += EIGHT, to += 136) {
        float scales[8], mean_square = 0;
        for (int i = 0; i < EIGHT && row->weights != NULL; i++)
            mean_square += row->x[at + (uint64_t)i] * row->x[at + (uint64_t)i];
        mean_square *= 2.0f / EIGHT;
        eight_scales(row, at, &mean_square, scales);
        ggml_iq4_store_xs(row->x + at, scales, nibbles, to);
    }
    return elements;
}
#endif
