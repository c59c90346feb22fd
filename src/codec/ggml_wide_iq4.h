/* The searches of IQ4_NL and IQ4_XS (ggml_iq4.c), LANES sub-blocks of 32 at once. */
#ifndef REPAQ_GGML_WIDE_IQ4_H
#define REPAQ_GGML_WIDE_IQ4_H

#include "codec/ggml_iq4.h"
#include "codec/ggml_lanes.h"
#include "codec/ggml_search.h"

#if defined(LANES)
#if defined(__aarch64__)
#include "codec/ggml_table_neon.h"
#elif defined(GGML_LANES_AVX512)
#include "codec/ggml_table_avx512.h"
#else
#include "codec/ggml_table_avx2.h"
#endif

#define IQ4_SUB 32

struct iq4_lanes {
    vec x[IQ4_SUB], weights[IQ4_SUB];
};

struct iq4_sums {
    vec qx, q2;
};

WIDE static inline struct iq4_sums table_sums(const struct tables *t, const struct iq4_lanes *lanes, vec inverse)
{
    struct iq4_sums sum = {splat(0), splat(0)};
    for (int i = 0; i < IQ4_SUB; i++) {
        const vec q = table_value(t, inverse * lanes->x[i]), wq = lanes->weights[i] * q;
        sum.qx = sum.qx + wq * lanes->x[i];
        sum.q2 = sum.q2 + wq * q;
    }
    return sum;
}

WIDE static inline void iq4_find(const struct iq4_lanes *lanes, float *scales)
{
    const struct tables t = tables();
    const vec zero = splat(0), top = extremes(lanes->x, IQ4_SUB);
    const truth tiny = greater(splat(GGML_SEARCH_TINY), magnitude(top));
    struct iq4_sums sum = table_sums(&t, lanes, splat(1) / (negative(top) / splat(-127)));
    vec scale = keep(greater(sum.q2, zero), sum.qx / sum.q2), best = scale * sum.qx;
    for (int i = -7; i <= 7; i++) {
        sum = table_sums(&t, lanes, splat((float)i - 127.0f) / top);
        const truth better = both(greater(sum.q2, zero), greater(sum.qx * sum.qx, best * sum.q2));
        scale = choose(better, sum.qx / sum.q2, scale);
        best = choose(better, scale * sum.qx, best);
    }
    store_vec(scales, drop(tiny, scale));
}

/* Scales of LANES sub-blocks from `at` on. Values weigh by the mean square of their sub-block, or of the `many` that belong together. */
WIDE static inline void iq4_scales(const struct ggml_part *row, uint64_t at, int many, float *scales)
{
    struct iq4_lanes lanes;
    float sums[LANES];
    vec square = splat(0);
    load(row->x + at, IQ4_SUB, IQ4_SUB, lanes.x);
    for (int i = 0; i < IQ4_SUB && row->weights != NULL && many == 1; i++)
        square = square + lanes.x[i] * lanes.x[i];
    store_vec(sums, square);
    for (int j = 0; j < LANES && row->weights != NULL && many != 1; j++) {
        const uint64_t first = (at / IQ4_SUB + (uint64_t)j) / (uint64_t)many * (uint64_t)many * IQ4_SUB;
        const bool known = j > 0 && first < at + (uint64_t)(IQ4_SUB * j);
        sums[j] = known ? sums[j - 1] : 0;
        for (uint64_t i = first; i < first + (uint64_t)(IQ4_SUB * many) && !known; i++)
            sums[j] += row->x[i] * row->x[i];
    }
    const vec mean = load_vec(sums) * splat(2.0f / (float)(IQ4_SUB * many));
    if (row->weights != NULL)
        load(row->weights + at, IQ4_SUB, IQ4_SUB, lanes.weights);
    for (int i = 0; i < IQ4_SUB; i++) {
        const vec own = lanes.x[i] * lanes.x[i];
        if (row->weights != NULL)
            lanes.weights[i] = lanes.weights[i] * root(mean + own);
        else
            lanes.weights[i] = own;
    }
    iq4_find(&lanes, scales);
}

/* A row of at least LANES blocks: the last lanes may make blocks again that there are. Returns the elements done. */
WIDE static uint64_t wide_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    const uint64_t step = IQ4_SUB * LANES;
    for (uint64_t at = 0; at < elements && elements >= step; at += step) {
        const uint64_t from = at + step <= elements ? at : elements - step;
        float scales[LANES];
        iq4_scales(row, from, 1, scales);
        for (uint64_t j = 0; j < LANES; j++)
            ggml_iq4_store_nl(row->x + from + IQ4_SUB * j, scales[j], table_nibbles, to + (from / IQ4_SUB + j) * 18);
    }
    return elements >= step ? elements : 0;
}

/* Super-blocks while there are LANES sub-blocks of them, and eight at least. */
WIDE static uint64_t wide_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    enum { MANY = LANES < 8 ? 8 : LANES };
    const uint64_t step = IQ4_SUB * MANY;
    uint64_t at = 0;
    for (; at + step <= elements; at += step) {
        float scales[MANY];
        for (uint64_t j = 0; j < MANY; j += LANES)
            iq4_scales(row, at + IQ4_SUB * j, 8, scales + j);
        for (uint64_t j = 0; j < MANY; j += 8, to += 136)
            ggml_iq4_store_xs(row->x + at + IQ4_SUB * j, scales + j, table_nibbles, to);
    }
    return at;
}
#endif

#endif
