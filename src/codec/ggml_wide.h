/* ggml's searches for a scale (ggml_search.h) in LANES sub-blocks at once: each lane does what the plain code does, in its order. */
#ifndef REPAQ_GGML_WIDE_H
#define REPAQ_GGML_WIDE_H

#include "codec/ggml_k.h"
#include "codec/ggml_lanes.h"
#include "codec/ggml_search.h"

#if defined(LANES)
/* Sub-blocks of `count` elements, 16 or 32, which start `stride` floats apart. */
struct wide_given {
    const float *x;
    size_t stride;
    int count;
    enum ggml_k_weighing weighing;
    const float *importance; /* as x; for the weighings that need it */
    vec mean_square;
};

/* What lanes came to, and how to make their codes: clamp(to_nearest(inverse * (x - least)), ...). */
struct wide_found {
    float scale[LANES], offset[LANES], inverse[LANES], least[LANES], sum[LANES]; /* sum: of weights */
    unsigned zeros;                                                              /* bit j: lane j has nothing to search; its codes are 0 */
};

struct wide_values {
    vec x[32], weights[32], wx[32]; /* wx: weight * x */
    vec sum;                        /* of weights */
};

WIDE static inline void wide_load(int count, const struct wide_given *given, struct wide_values *values)
{
    load(given->x, given->stride, count, values->x);
    vec base = splat(0);
    if (given->weighing == GGML_K_WEIGH_SIZE && count == 32) {
        for (int i = 0; i < count; i++)
            base = base + values->x[i] * values->x[i];
        base = root(base / splat(32));
    }
    if (given->importance != NULL)
        load(given->importance, given->stride, count, values->weights);
    values->sum = splat(0);
    for (int i = 0; i < count; i++) {
        const vec square = values->x[i] * values->x[i];
        if (given->weighing == GGML_K_WEIGH_SIZE)
            values->weights[i] = base + magnitude(values->x[i]);
        else if (given->weighing == GGML_K_WEIGH_SQUARE)
            values->weights[i] = square;
        else if (given->weighing == GGML_K_WEIGH_IMPORTANCE)
            values->weights[i] = values->weights[i] * root(given->mean_square + square);
        values->sum = values->sum + values->weights[i];
        values->wx[i] = values->weights[i] * values->x[i];
    }
}

struct wide_sums {
    vec lx, l2;
};

/* --- ggml_search_centred ---------------------------------------------------------------------------------------------------- */

/* `small`: no product reaches 2^22, so that rounding is quick. */
WIDE static inline struct wide_sums centred_sums(const struct wide_values *values, int count, int half, vec inverse, bool small)
{
    struct wide_sums sum = {splat(0), splat(0)};
    for (int i = 0; i < count; i++) {
        const vec value = inverse * values->x[i], code = small ? quick_code(value, -half, half - 1) : nearest_code(value, -half, half - 1);
        sum.lx = sum.lx + values->wx[i] * code;
        sum.l2 = sum.l2 + values->weights[i] * code * code;
    }
    return sum;
}

/* No product is larger than that of the largest value. */
WIDE static inline struct wide_sums centred_try(const struct wide_values *values, int count, int half, vec inverse, vec top)
{
    if (!all_small(inverse * top))
        return centred_sums(values, count, half, inverse, false);
    return count == 16 ? centred_sums(values, 16, half, inverse, true) : centred_sums(values, 32, half, inverse, true);
}

WIDE static void wide_centred(const struct wide_given *given, int half, struct wide_found *found)
{
    struct wide_values values;
    wide_load(given->count, given, &values);
    const vec zero = splat(0), top = extremes(values.x, given->count);
    const truth tiny = greater(splat(GGML_SEARCH_TINY), magnitude(top));
    vec chosen = drop(tiny, splat((float)-half) / top);
    struct wide_sums sum = centred_try(&values, given->count, half, chosen, top);
    vec scale = keep(differs(sum.l2, zero), sum.lx / sum.l2), best = scale * sum.lx;
    for (int i = -9; i <= 9; i++) {
        if (i == 0)
            continue;
        const vec inverse = drop(tiny, splat(-((float)half + 0.1f * (float)i)) / top);
        sum = centred_try(&values, given->count, half, inverse, top);
        const truth better = both(greater(sum.l2, zero), greater(sum.lx * sum.lx, best * sum.l2));
        if (bits_of(better) == 0)
            continue;
        scale = choose(better, sum.lx / sum.l2, scale);
        best = choose(better, scale * sum.lx, best);
        chosen = choose(better, inverse, chosen);
    }
    store_vec(found->scale, drop(tiny, scale));
    store_vec(found->inverse, chosen);
    found->zeros = bits_of(tiny);
    store_vec(found->sum, values.sum);
    store_vec(found->offset, zero);
    store_vec(found->least, zero);
}
#endif

#endif
