#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_lanes.h"

#include <math.h>

bool ggml_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2");
}

struct lanes {
    __m256 x[32], weights[32];
    __m256 sum; /* of weights */
};

AVX2 static void weigh(const struct ggml_avx2_eight *eight, struct lanes *lanes)
{
    const int count = eight->count;
    __m256 base = _mm256_setzero_ps();
    if (eight->weighing == GGML_K_WEIGH_SIZE && count == 32) {
        for (int i = 0; i < count; i++)
            base = _mm256_add_ps(base, _mm256_mul_ps(lanes->x[i], lanes->x[i]));
        base = _mm256_sqrt_ps(_mm256_div_ps(base, _mm256_set1_ps(32)));
    }
    if (eight->importance != NULL)
        load(eight->importance, eight->stride, count, lanes->weights);
    lanes->sum = _mm256_setzero_ps();
    for (int i = 0; i < count; i++) {
        const __m256 square = _mm256_mul_ps(lanes->x[i], lanes->x[i]);
        if (eight->weighing == GGML_K_WEIGH_SIZE)
            lanes->weights[i] = _mm256_add_ps(base, magnitude(lanes->x[i]));
        else if (eight->weighing == GGML_K_WEIGH_SQUARE)
            lanes->weights[i] = square;
        else if (eight->weighing == GGML_K_WEIGH_IMPORTANCE)
            lanes->weights[i] = _mm256_mul_ps(lanes->weights[i], _mm256_sqrt_ps(_mm256_add_ps(_mm256_set1_ps(eight->mean_square), square)));
        lanes->sum = _mm256_add_ps(lanes->sum, lanes->weights[i]);
    }
}

/* --- ggml_search_centred, eight at once ------------------------------------------------------------------------------------- */

struct sums {
    __m256 lx, l2;
};

AVX2 static inline struct sums centred_sums(const __m256 *x, const __m256 *weights, const __m256 *wx, int count, int half, __m256 inverse)
{
    struct sums sum = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < count; i++) {
        const __m256 code = _mm256_cvtepi32_ps(nearest_within(_mm256_mul_ps(inverse, x[i]), -half, half - 1));
        sum.lx = _mm256_add_ps(sum.lx, _mm256_mul_ps(wx[i], code));
        sum.l2 = _mm256_add_ps(sum.l2, _mm256_mul_ps(_mm256_mul_ps(weights[i], code), code));
    }
    return sum;
}

AVX2 void ggml_avx2_centred(const struct ggml_avx2_eight *eight, int half, struct ggml_avx2_found *found)
{
    struct lanes lanes;
    __m256 wx[32];
    load(eight->x, eight->stride, eight->count, lanes.x);
    weigh(eight, &lanes);
    for (int i = 0; i < eight->count; i++)
        wx[i] = _mm256_mul_ps(lanes.weights[i], lanes.x[i]);
    const __m256 zero = _mm256_setzero_ps(), top = extremes(lanes.x, eight->count);
    const __m256 tiny = _mm256_cmp_ps(magnitude(top), _mm256_set1_ps(GGML_SEARCH_TINY), _CMP_LT_OQ);
    __m256 chosen = _mm256_div_ps(_mm256_set1_ps((float)-half), top);
    struct sums sum = centred_sums(lanes.x, lanes.weights, wx, eight->count, half, chosen);
    __m256 scale = choose(_mm256_cmp_ps(sum.l2, zero, _CMP_NEQ_UQ), _mm256_div_ps(sum.lx, sum.l2), zero), best = _mm256_mul_ps(scale, sum.lx);
    for (int i = -9; i <= 9; i++) {
        if (i == 0)
            continue;
        const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(-((float)half + 0.1f * (float)i)), top);
        sum = centred_sums(lanes.x, lanes.weights, wx, eight->count, half, inverse);
        const __m256 better = _mm256_and_ps(greater(sum.l2, zero), greater(_mm256_mul_ps(sum.lx, sum.lx), _mm256_mul_ps(best, sum.l2)));
        if (_mm256_movemask_ps(better) == 0)
            continue;
        scale = choose(better, _mm256_div_ps(sum.lx, sum.l2), scale);
        best = choose(better, _mm256_mul_ps(scale, sum.lx), best);
        chosen = choose(better, inverse, chosen);
    }
    _mm256_storeu_ps(found->scale, _mm256_andnot_ps(tiny, scale));
    _mm256_storeu_ps(found->inverse, chosen);
    found->zeros = (unsigned)_mm256_movemask_ps(tiny);
    _mm256_storeu_ps(found->sum, lanes.sum);
    _mm256_storeu_ps(found->offset, zero);
    _mm256_storeu_ps(found->least, zero);
}

/* --- ggml_search_affine, eight at once -------------------------------------------------------------------------------------- */

struct affine {
    __m256 largest, w, x;            /* sums of weights, of weights * x */
    __m256 scale, least, error;      /* the best so far */
    __m256 code_inverse, code_least; /* what its codes are made with */
};

AVX2 static inline __m256 line_error(const struct ggml_search_affine *how, const struct lanes *lanes, const __m256 *codes, __m256 scale, __m256 least)
{
    __m256 error = _mm256_setzero_ps();
    for (int i = 0; i < how->count; i++) {
        const __m256 off = _mm256_sub_ps(_mm256_add_ps(_mm256_mul_ps(scale, codes[i]), least), lanes->x[i]);
        const __m256 counts = how->absolute ? magnitude(off) : _mm256_mul_ps(off, off);
        error = _mm256_add_ps(error, _mm256_mul_ps(lanes->weights[i], counts));
    }
    return error;
}

AVX2 static inline void try_affine(const struct ggml_search_affine *how, const struct lanes *lanes, __m256 inverse, struct affine *best)
{
    const __m256 zero = _mm256_setzero_ps(), from = best->least;
    __m256 codes[32], l = zero, l2 = zero, xl = zero;
    for (int i = 0; i < how->count; i++) {
        codes[i] = _mm256_cvtepi32_ps(nearest_within(_mm256_mul_ps(inverse, _mm256_sub_ps(lanes->x[i], from)), 0, how->most));
        const __m256 wl = _mm256_mul_ps(lanes->weights[i], codes[i]);
        l = _mm256_add_ps(l, wl);
        l2 = _mm256_add_ps(l2, _mm256_mul_ps(wl, codes[i]));
        xl = _mm256_add_ps(xl, _mm256_mul_ps(wl, lanes->x[i]));
    }
    const __m256 determinant = _mm256_sub_ps(_mm256_mul_ps(best->w, l2), _mm256_mul_ps(l, l));
    __m256 scale = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(best->w, xl), _mm256_mul_ps(best->x, l)), determinant);
    __m256 least = _mm256_div_ps(_mm256_sub_ps(_mm256_mul_ps(l2, best->x), _mm256_mul_ps(l, xl)), determinant);
    const __m256 above = greater(least, zero);
    if (_mm256_movemask_ps(above) != 0) {
        scale = choose(above, _mm256_div_ps(xl, l2), scale);
        least = _mm256_andnot_ps(above, least);
    }
    const __m256 error = line_error(how, lanes, codes, scale, least);
    const __m256 better = _mm256_and_ps(greater(determinant, zero), greater(best->error, error));
    best->error = choose(better, error, best->error);
    best->scale = choose(better, scale, best->scale);
    best->least = choose(better, least, best->least);
    best->code_inverse = choose(better, inverse, best->code_inverse);
    best->code_least = choose(better, from, best->code_least);
}

AVX2 static inline void affine(const struct ggml_avx2_eight *eight, const struct ggml_search_affine *how, struct ggml_avx2_found *found)
{
    struct lanes lanes;
    load(eight->x, eight->stride, how->count, lanes.x);
    weigh(eight, &lanes);
    const __m256 zero = _mm256_setzero_ps();
    struct affine best = {.largest = lanes.x[0], .least = lanes.x[0], .w = lanes.weights[0], .x = _mm256_mul_ps(lanes.weights[0], lanes.x[0])};
    for (int i = 1; i < how->count; i++) {
        best.least = _mm256_min_ps(lanes.x[i], best.least); /* the second one where the first is NaN or they are equal */
        best.largest = _mm256_max_ps(lanes.x[i], best.largest);
        best.w = _mm256_add_ps(best.w, lanes.weights[i]);
        best.x = _mm256_add_ps(best.x, _mm256_mul_ps(lanes.weights[i], lanes.x[i]));
    }
    best.least = _mm256_andnot_ps(greater(best.least, zero), best.least);
    const __m256 first_least = best.least, flat = _mm256_cmp_ps(best.largest, best.least, _CMP_LE_OQ), most = _mm256_set1_ps((float)how->most);
    best.code_inverse = _mm256_div_ps(most, _mm256_sub_ps(best.largest, best.least));
    best.code_least = best.least;
    best.scale = _mm256_div_ps(_mm256_set1_ps(1), best.code_inverse);
    __m256 codes[32];
    for (int i = 0; i < how->count; i++)
        codes[i] = _mm256_cvtepi32_ps(nearest_within(_mm256_mul_ps(best.code_inverse, _mm256_sub_ps(lanes.x[i], best.least)), 0, how->most));
    best.error = line_error(how, &lanes, codes, best.scale, best.least);
    for (int i = 0; i <= how->steps; i++)
        try_affine(how, &lanes,
                   _mm256_div_ps(_mm256_set1_ps(how->first + how->step * (float)i + (float)how->most), _mm256_sub_ps(best.largest, best.least)), &best);
    _mm256_storeu_ps(found->scale, _mm256_andnot_ps(flat, best.scale));
    _mm256_storeu_ps(found->offset, negative(choose(flat, first_least, best.least)));
    _mm256_storeu_ps(found->inverse, best.code_inverse);
    found->zeros = (unsigned)_mm256_movemask_ps(flat);
    _mm256_storeu_ps(found->least, best.code_least);
    _mm256_storeu_ps(found->sum, lanes.sum);
}

/* Once for each count, so that loops have a known length. */
AVX2 void ggml_avx2_affine(const struct ggml_avx2_eight *eight, const struct ggml_search_affine *how, struct ggml_avx2_found *found)
{
    struct ggml_search_affine own = *how;
    if (how->count == 16 && how->absolute) {
        own.count = 16, own.absolute = true;
        affine(eight, &own, found);
    } else if (how->count == 16) {
        own.count = 16, own.absolute = false;
        affine(eight, &own, found);
    } else {
        own.count = 32, own.absolute = false;
        affine(eight, &own, found);
    }
}

/* --- ggml_search_three, eight at once --------------------------------------------------------------------------------------- */

/* One element in each lane; true where a code changed. Codes are floats here. */
AVX2 static inline __m256 three_step(__m256 x, __m256 *code, struct sums *sum)
{
    const __m256 zero = _mm256_setzero_ps(), w = _mm256_mul_ps(x, x), wx = _mm256_mul_ps(w, x);
    __m256 lx = _mm256_sub_ps(sum->lx, _mm256_mul_ps(wx, *code)), l2 = _mm256_sub_ps(sum->l2, _mm256_mul_ps(_mm256_mul_ps(w, *code), *code));
    const __m256 open = greater(lx, zero);
    const __m256 other = _mm256_cvtepi32_ps(nearest_within(_mm256_div_ps(_mm256_mul_ps(x, l2), lx), -4, 3));
    lx = _mm256_add_ps(lx, _mm256_mul_ps(wx, other));
    l2 = _mm256_add_ps(l2, _mm256_mul_ps(_mm256_mul_ps(w, other), other));
    const __m256 helps = greater(_mm256_mul_ps(_mm256_mul_ps(lx, lx), sum->l2), _mm256_mul_ps(_mm256_mul_ps(sum->lx, sum->lx), l2));
    const __m256 differs = _mm256_cmp_ps(other, *code, _CMP_NEQ_OQ);
    const __m256 taken = _mm256_and_ps(_mm256_and_ps(open, differs), _mm256_and_ps(greater(l2, zero), helps));
    *code = choose(taken, other, *code);
    sum->lx = choose(taken, lx, sum->lx);
    sum->l2 = choose(taken, l2, sum->l2);
    return taken;
}

/* Sub-blocks of 16, side by side. */
AVX2 static void three(const float *from, float *scales, uint8_t *codes)
{
    __m256 x[16], code[16];
    load(from, 16, 16, x);
    const __m256 zero = _mm256_setzero_ps(), top = extremes(x, 16), inverse = _mm256_div_ps(_mm256_set1_ps(-4), top);
    const __m256 tiny = _mm256_cmp_ps(magnitude(top), _mm256_set1_ps(GGML_SEARCH_TINY), _CMP_LT_OQ);
    struct sums sum = {zero, zero};
    for (int i = 0; i < 16; i++) {
        const __m256 w = _mm256_mul_ps(x[i], x[i]);
        code[i] = _mm256_cvtepi32_ps(nearest_within(_mm256_mul_ps(inverse, x[i]), -4, 3));
        sum.lx = _mm256_add_ps(sum.lx, _mm256_mul_ps(_mm256_mul_ps(w, x[i]), code[i]));
        sum.l2 = _mm256_add_ps(sum.l2, _mm256_mul_ps(_mm256_mul_ps(w, code[i]), code[i]));
    }
    for (int pass = 0, changed = 1; pass < 5 && changed != 0; pass++) { /* a lane without change stays as it is */
        changed = 0;
        for (int i = 0; i < 16; i++)
            changed |= _mm256_movemask_ps(three_step(x[i], code + i, &sum));
    }
    const __m256 scale = _mm256_and_ps(greater(sum.l2, zero), _mm256_div_ps(sum.lx, sum.l2));
    _mm256_storeu_ps(scales, _mm256_andnot_ps(tiny, scale));
    int32_t lanes[8];
    for (int i = 0; i < 16; i++) {
        const __m256i shifted = _mm256_add_epi32(_mm256_cvttps_epi32(code[i]), _mm256_set1_epi32(4));
        _mm256_storeu_si256((__m256i *)(void *)lanes, _mm256_andnot_si256(_mm256_castps_si256(tiny), shifted));
        for (int j = 0; j < 8; j++)
            codes[16 * j + i] = (uint8_t)lanes[j];
    }
}

/* --- a super-block ---------------------------------------------------------------------------------------------------------- */

/* `count` codes as bytes: clamp(to_nearest(v), least, most) - least. v = (x + plus) / over, or times where over is none. */
AVX2 static inline void store_codes(__m256i a, __m256i b, int least, uint8_t *to)
{
    const __m256i shift = _mm256_set1_epi32(least);
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(_mm256_sub_epi32(a, shift), _mm256_sub_epi32(b, shift)), 0xd8);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1)));
}

/* Codes of lane j as the search left them: (x - least) * inverse. */
AVX2 static inline void codes_of(const struct ggml_avx2_eight *eight, const struct ggml_avx2_found *found, int j, const int bounds[2], uint8_t *codes)
{
    const float *x = eight->x + eight->stride * (size_t)j;
    const __m256 by = _mm256_set1_ps(found->inverse[j]), minus = _mm256_set1_ps(found->least[j]);
    if (found->zeros >> j & 1) {
        memset(codes, 0, (size_t)eight->count);
        return;
    }
    for (int i = 0; i < eight->count; i += 16) {
        const __m256 a = _mm256_mul_ps(by, _mm256_sub_ps(_mm256_loadu_ps(x + i), minus)),
                     b = _mm256_mul_ps(by, _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), minus));
        store_codes(nearest_within(a, bounds[0], bounds[1]), nearest_within(b, bounds[0], bounds[1]), bounds[0], codes + i);
    }
}

AVX2 static inline void again(const float *x, int count, float plus, float over, const int bounds[2], uint8_t *codes)
{
    const __m256 add = _mm256_set1_ps(plus), by = _mm256_set1_ps(over);
    for (int i = 0; i < count; i += 16) {
        const __m256 a = _mm256_div_ps(_mm256_add_ps(_mm256_loadu_ps(x + i), add), by),
                     b = _mm256_div_ps(_mm256_add_ps(_mm256_loadu_ps(x + i + 8), add), by);
        store_codes(nearest_within(a, bounds[0], bounds[1]), nearest_within(b, bounds[0], bounds[1]), bounds[0], codes + i);
    }
}

static struct ggml_avx2_eight eight_of(const float *x, const struct ggml_k_weights *weights, int count, int first)
{
    const float *importance = weights->importance != NULL ? weights->importance + first * count : NULL;
    return (struct ggml_avx2_eight){x + first * count, (size_t)count, count, weights->kind, importance, weights->mean_square};
}

AVX2 static void find_offset(const float *x, const struct ggml_k_weights *weights, const struct ggml_search_affine *how, struct ggml_k_found *found,
                             uint8_t *codes)
{
    for (int first = 0; first < GGML_SUPER / how->count; first += 8) {
        struct ggml_avx2_found lanes;
        const struct ggml_avx2_eight eight = eight_of(x, weights, how->count, first);
        ggml_avx2_affine(&eight, how, &lanes);
        memcpy(found->scales + first, lanes.scale, sizeof lanes.scale);
        memcpy(found->mins + first, lanes.offset, sizeof lanes.offset);
        memcpy(found->sums + first, lanes.sum, sizeof lanes.sum);
        for (int j = 0; j < 8; j++)
            codes_of(&eight, &lanes, j, (const int[2]){0, how->most}, codes + how->count * (first + j));
    }
}

AVX2 static void find_centred(const float *x, const struct ggml_k_weights *weights, int half, struct ggml_k_found *found, uint8_t *codes)
{
    for (int first = 0; first < 16; first += 8) {
        struct ggml_avx2_found lanes;
        const struct ggml_avx2_eight eight = eight_of(x, weights, 16, first);
        ggml_avx2_centred(&eight, half, &lanes);
        memcpy(found->scales + first, lanes.scale, sizeof lanes.scale);
        memcpy(found->sums + first, lanes.sum, sizeof lanes.sum);
        for (int j = 0; j < 8; j++)
            codes_of(&eight, &lanes, j, (const int[2]){-half, half - 1}, codes + 16 * (first + j));
    }
}

AVX2 static void find_three(const float *x, float *scales, uint8_t *codes)
{
    three(x, scales, codes);
    three(x + 128, scales + 8, codes + 128);
}

AVX2 static void again_offset(const struct ggml_k_stored *stored, int size, int most, const float *x, uint8_t *codes)
{
    for (int j = 0; j < GGML_SUPER / size; j++) {
        const float d = stored->d * (float)stored->scales[j];
        if (d != 0)
            again(x + size * j, size, stored->dmin * (float)stored->mins[j], d, (const int[2]){0, most}, codes + size * j);
    }
}

/* Adding 0 changes no quotient but that of -0, whose code is the same. */
AVX2 static void again_centred(float d, const int8_t *scales, int half, const float *x, uint8_t *codes)
{
    for (int j = 0; j < 16; j++) {
        const float step = d * (float)scales[j];
        if (step != 0)
            again(x + 16 * j, 16, 0, step, (const int[2]){-half, half - 1}, codes + 16 * j);
    }
}

static const struct ggml_k_search search = {find_offset, find_centred, find_three, again_offset, again_centred};

static uint64_t super_blocks(enum ggml_type type, const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    for (uint64_t at = 0; at < elements; at += GGML_SUPER, to += ggml_block_bytes(type)) {
        const struct ggml_part part = {.x = row->x + at, .weights = row->weights != NULL ? row->weights + at : NULL};
        ggml_k_encode(type, &search, &part, to);
    }
    return elements;
}

uint64_t ggml_avx2_q2_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return super_blocks(GGML_Q2_K, row, elements, to);
}

uint64_t ggml_avx2_q3_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return super_blocks(GGML_Q3_K, row, elements, to);
}

uint64_t ggml_avx2_q4_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return super_blocks(GGML_Q4_K, row, elements, to);
}

uint64_t ggml_avx2_q5_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return super_blocks(GGML_Q5_K, row, elements, to);
}

uint64_t ggml_avx2_q6_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return super_blocks(GGML_Q6_K, row, elements, to);
}
#endif
