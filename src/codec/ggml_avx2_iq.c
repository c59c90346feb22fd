/* IQ1: splits in lanes. IQ2 and IQ3: the scales that are tried in lanes. Of all the neighbours of a point, eight at a time. Each lane does what the plain code
 * does, in its order (ggml_iq1.c, ggml_iq_search.c). */
#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_iq1.h"
#include "codec/ggml_iq_search.h"
#include "codec/ggml_lanes.h"

#include <float.h>

enum { TRIES_MAX = 32 };

/* --- neighbours --------------------------------------------------------------------------------------------------------------- */

/* The least of all lanes, in each. */
AVX2 static inline vec least_of(vec v)
{
    v = smaller(v, _mm256_permute2f128_ps(v, v, 1));
    v = smaller(v, _mm256_shuffle_ps(v, v, 0x4e));
    return smaller(v, _mm256_shuffle_ps(v, v, 0xb1));
}

AVX2 static inline int least_number(__m256i v)
{
    __m128i half = _mm_min_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    half = _mm_min_epi32(half, _mm_shuffle_epi32(half, 0x4e));
    return _mm_cvtsi128_si32(_mm_min_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

/* The neighbour whose sum of errors is least, eight at a time, and of equal ones the first: its packed digits; -1 where none is a number. A digit is looked up
 * by the lowest three bits of a lane: where it has two bits, errors stand twice. */
AVX2 static inline int least_listed(const uint16_t *list, const vec *errors, int digits)
{
    const int count = list[0], bits = digits == 8 ? 2 : 3;
    vec least = splat(FLT_MAX);
    __m256i where = _mm256_setzero_si256(), number = _mm256_setr_epi32(1, 2, 3, 4, 5, 6, 7, 8);
    for (int n = 0; n < count; n += 8, number = _mm256_add_epi32(number, _mm256_set1_epi32(8))) {
        const __m256i packed = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(list + 1 + n)));
        vec error = _mm256_permutevar8x32_ps(errors[0], packed);
        for (int i = 1; i < digits; i++)
            error = error + _mm256_permutevar8x32_ps(errors[i], _mm256_srli_epi32(packed, bits * i));
        const truth listed = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count + 1), number));
        const truth better = both(greater(least, error), listed);
        least = choose(better, error, least);
        where = _mm256_blendv_epi8(where, number, _mm256_castps_si256(better));
    }
    const vec best = least_of(least);
    if (!(_mm256_cvtss_f32(best) < FLT_MAX))
        return -1;
    const __m256i apart = _mm256_castps_si256(_mm256_cmp_ps(least, best, _CMP_NEQ_UQ));
    return list[least_number(_mm256_or_si256(where, _mm256_srli_epi32(apart, 1)))];
}

AVX2 static inline int nearest_listed(const struct ggml_iq_sub *sub, int first, const uint16_t *list, float scale, int digits)
{
    const vec twos = _mm256_setr_ps(1, 3, 5, 7, 1, 3, 5, 7), threes = _mm256_setr_ps(1, 3, 5, 7, 9, 11, 13, 15);
    const vec values = splat(scale) * (digits == 8 ? twos : threes);
    vec errors[8];
    for (int i = 0; i < digits; i++) {
        const vec off = values - splat(sub->x[first + i]);
        errors[i] = splat(sub->roots[first + i]) * off * off;
    }
    return least_listed(list, errors, digits);
}

AVX2 static int find_nearest(const struct ggml_iq_sub *sub, int first, const uint16_t *list, float scale)
{
    return sub->rule->digits == 8 ? nearest_listed(sub, first, list, scale, 8) : nearest_listed(sub, first, list, scale, 4);
}

/* --- scales ------------------------------------------------------------------------------------------------------------------- */

/* A lane is a scale. */
struct tries {
    int count, lanes; /* lanes: count, filled up with the last one */
    float inverse[TRIES_MAX], scale[TRIES_MAX], qx[TRIES_MAX], q2[TRIES_MAX];
    uint32_t packed[8][TRIES_MAX]; /* digits of each point */
    uint32_t off[TRIES_MAX];       /* bit k: those of point k were not on the grid */
};

AVX2 static inline __m256i load_packed(const uint32_t *packed)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)packed);
}

AVX2 static inline void start_tries(const struct ggml_iq_rule *rule, float largest, struct tries *tries)
{
    tries->count = 2 * rule->tries + 1;
    tries->lanes = (tries->count + LANES - 1) / LANES * LANES;
    for (int t = 0; t < tries->lanes; t++) {
        const int step = (t < tries->count ? t : tries->count - 1) - rule->tries;
        tries->inverse[t] = ((float)(2 * rule->levels - 1) + (float)step * rule->step) / largest;
        tries->scale[t] = 1 / tries->inverse[t];
        tries->off[t] = 0;
    }
}

AVX2 static inline void round_point(const struct ggml_iq_sub *sub, int k, int digits, struct tries *tries)
{
    const int bits = digits == 8 ? 2 : 3, most = digits == 8 ? 2 : 7;
    for (int t = 0; t < tries->lanes; t += LANES) {
        const vec inverse = load_vec(tries->inverse + t);
        __m256i packed = _mm256_setzero_si256();
        for (int i = 0; i < digits; i++) {
            const vec value = splat(0.5f) * (inverse * splat(sub->x[digits * k + i]) - splat(1));
            packed = _mm256_or_si256(packed, _mm256_slli_epi32(nearest_within(value, 0, most), bits * i));
        }
        _mm256_storeu_si256((__m256i *)(void *)(tries->packed[k] + t), packed);
    }
}

/* False if there is no point. */
AVX2 static inline bool settle_point(const struct ggml_iq_sub *sub, int k, int digits, struct tries *tries)
{
    for (int t = 0; t < tries->count; t++) {
        const int point = sub->grid->map[tries->packed[k][t]];
        if (point >= 0)
            continue;
        const int found = nearest_listed(sub, digits * k, sub->grid->neighbours - 1 - point, tries->scale[t], digits);
        if (found < 0)
            return false;
        tries->packed[k][t] = (uint32_t)found;
        tries->off[t] |= 1u << k;
    }
    return true;
}

AVX2 static inline void sum_up(const struct ggml_iq_sub *sub, int digits, struct tries *tries)
{
    const int bits = digits == 8 ? 2 : 3;
    const __m256i mask = _mm256_set1_epi32((1 << bits) - 1), one = _mm256_set1_epi32(1);
    for (int t = 0; t < tries->lanes; t += LANES) {
        vec qx = splat(0), q2 = splat(0);
        for (int k = 0, e = 0; e < sub->rule->size; k++) {
            const __m256i packed = load_packed(tries->packed[k] + t);
            for (int i = 0; i < digits; i++, e++) {
                const __m256i digit = _mm256_and_si256(_mm256_srli_epi32(packed, bits * i), mask);
                const vec q = _mm256_cvtepi32_ps(_mm256_or_si256(_mm256_add_epi32(digit, digit), one));
                qx = qx + splat(sub->weights[e] * sub->x[e]) * q;
                q2 = q2 + splat(sub->weights[e]) * q * q;
            }
        }
        store_vec(tries->qx + t, qx);
        store_vec(tries->q2 + t, q2);
    }
}

AVX2 static inline bool try_all(const struct ggml_iq_sub *sub, float largest, float *scale, struct ggml_iq_choice *chosen, int digits)
{
    struct tries tries;
    const int points = sub->rule->size / digits;
    start_tries(sub->rule, largest, &tries);
    for (int k = 0; k < points; k++) {
        round_point(sub, k, digits, &tries);
        if (!settle_point(sub, k, digits, &tries))
            return false;
    }
    sum_up(sub, digits, &tries);
    float best = 0;
    int taken = -1;
    for (int t = 0; t < tries.count; t++)
        if (tries.q2[t] > 0 && tries.qx[t] * tries.qx[t] > best * tries.q2[t]) {
            *scale = tries.qx[t] / tries.q2[t];
            best = *scale * tries.qx[t];
            taken = t;
        }
    for (int k = 0; k < points && taken >= 0; k++) {
        chosen->points[k] = (uint16_t)sub->grid->map[tries.packed[k][taken]];
        chosen->on_grid[k] = (tries.off[taken] >> k & 1) == 0;
    }
    return true;
}

AVX2 static bool try_scales(const struct ggml_iq_sub *sub, float largest, float *scale, struct ggml_iq_choice *chosen)
{
    return sub->rule->digits == 8 ? try_all(sub, largest, scale, chosen, 8) : try_all(sub, largest, scale, chosen, 4);
}

/* --- splits of IQ1 ------------------------------------------------------------------------------------------------------------ */

AVX2 static int nearest_of_one(const struct ggml_iq1_sub *sub, int first, const uint16_t *list, float scale, const float *q)
{
    const vec values = splat(scale) * _mm256_setr_ps(q[0], q[1], q[2], 0, q[0], q[1], q[2], 0);
    vec errors[8];
    for (int i = 0; i < 8; i++) {
        const vec off = values - splat(sub->x[first + i]);
        errors[i] = splat(sub->weights[first + i]) * off * off;
    }
    return least_listed(list, errors, 8);
}

/* Sums of LANES splits that end at b and behind it, for each way of sides. */
struct sides {
    vec qx[4], q2[4];
};

/* Where one of them is better, all are considered in their order: a new score may be less by rounding, so that others pass that did not. */
AVX2 static inline void consider_lanes(struct ggml_iq1_split *best, const struct sides *sums, int ways, int a, int b, int last)
{
    unsigned better = 0;
    for (int s = 0; s < ways; s++) {
        const truth more = greater(sums->qx[s] * sums->qx[s], splat(best->score) * sums->q2[s]);
        better |= bits_of(both(greater(sums->q2[s], splat(0)), more));
    }
    const int lanes = last - b + 1 < LANES ? last - b + 1 : LANES;
    if ((better & ((1u << lanes) - 1)) == 0)
        return;
    float qx[4][LANES], q2[4][LANES];
    for (int s = 0; s < ways; s++) {
        store_vec(qx[s], sums->qx[s]);
        store_vec(q2[s], sums->q2[s]);
    }
    for (int j = 0; j < lanes; j++)
        for (int s = 0; s < ways; s++)
            ggml_iq1_consider(best, qx[s][j], q2[s][j], a, b + j, s);
}

AVX2 static struct ggml_iq1_split split_s(const struct ggml_iq1_sub *sub)
{
    enum { N = 32 };
    struct ggml_iq1_sums sums;
    struct ggml_iq1_split best = {.score = -FLT_MAX};
    ggml_iq1_sum(sub, &sums);
    for (int a = 0; a <= N; a++)
        for (int b = a; b <= N; b += LANES) {
            const vec x = load_vec(sums.x + b), w = load_vec(sums.w + b);
            struct sides sides;
            for (int s = 0; s < 2; s++) {
                const float *q = ggml_iq1_levels[s];
                const vec q1 = splat(q[1]), q2 = splat(q[2]);
                const float x0 = (sums.x[a] - sums.x[0]) * q[0], w0 = (sums.w[a] - sums.w[0]) * q[0] * q[0];
                sides.qx[s] = splat(x0) + (x - splat(sums.x[a])) * q1 + (splat(sums.x[N]) - x) * q2;
                sides.q2[s] = splat(w0) + (w - splat(sums.w[a])) * q1 * q1 + (splat(sums.w[N]) - w) * q2 * q2;
            }
            consider_lanes(&best, &sides, 2, a, b, N);
        }
    return best;
}

AVX2 static struct ggml_iq1_split split_m(const struct ggml_iq1_sub *sub)
{
    enum { N = 16 };
    struct ggml_iq1_sums half[2];
    struct ggml_iq1_split best = {.score = -FLT_MAX};
    ggml_iq1_sum_half(sub, 0, half);
    ggml_iq1_sum_half(sub, 1, half + 1);
    for (int a = 0; a <= N; a++)
        for (int b = a; b <= N; b += LANES) {
            vec qx[2][2], q2[2][2]; /* half, side */
            struct sides sides;
            for (int h = 0; h < 2; h++)
                for (int s = 0; s < 2; s++) {
                    const float *q = ggml_iq1_levels[s], *x = half[h].x, *w = half[h].w;
                    const float whole = w[N] * q[2] * q[2] + w[a] * (q[0] * q[0] - q[1] * q[1]);
                    qx[h][s] = splat(x[N] * q[2]) - (splat(x[a]) + load_vec(x + b));
                    q2[h][s] = splat(whole) + load_vec(w + b) * splat(q[1] * q[1] - q[2] * q[2]);
                }
            for (int s = 0; s < 4; s++) {
                sides.qx[s] = qx[0][s >> 1] + qx[1][s & 1];
                sides.q2[s] = q2[0][s >> 1] + q2[1][s & 1];
            }
            consider_lanes(&best, &sides, 4, a, b, N);
        }
    return best;
}

/* --- rows --------------------------------------------------------------------------------------------------------------------- */

/* Super-blocks until one that ggml aborts at, which is left to the plain code. */
static uint64_t make_row(const struct ggml_part *row, uint64_t elements, ggml_iq_encode *encode, size_t bytes, uint8_t *to)
{
    static const struct ggml_iq_tools tools = {try_scales, find_nearest};
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, to += bytes) {
        const struct ggml_part part = {.x = row->x + at, .weights = row->weights == NULL ? NULL : row->weights + at, .grids = row->grids};
        if (!encode(&part, &tools, to))
            return at;
    }
    return elements;
}

uint64_t ggml_avx2_iq_2xxs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(row, elements, ggml_iq2_make_xxs, 66, to);
}

uint64_t ggml_avx2_iq_2xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(row, elements, ggml_iq2_make_xs, 74, to);
}

uint64_t ggml_avx2_iq_2s(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(row, elements, ggml_iq2_make_s, 82, to);
}

uint64_t ggml_avx2_iq_3xxs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(row, elements, ggml_iq3_make_xxs, 98, to);
}

uint64_t ggml_avx2_iq_3s(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return make_row(row, elements, ggml_iq3_make_s, 110, to);
}

static const struct ggml_iq1_tools ones = {split_s, split_m, nearest_of_one};

uint64_t ggml_avx2_iq_1s(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, to += 50)
        if (!ggml_iq1_make_s(&(struct ggml_part){.x = row->x + at, .weights = row->weights + at, .grids = row->grids}, &ones, to))
            return at;
    return elements;
}

uint64_t ggml_avx2_iq_1m(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, to += 56) {
        const struct ggml_part part = {.x = row->x + at, .weights = row->weights == NULL ? NULL : row->weights + at, .grids = row->grids};
        if (!ggml_iq1_make_m(&part, &ones, to))
            return at;
    }
    return elements;
}
#endif
