/* The searches of K super-blocks (ggml_k.h), LANES sub-blocks at once. The including source makes its ggml_k_search of them. */
#ifndef REPAQ_GGML_WIDE_K_H
#define REPAQ_GGML_WIDE_K_H

#include "codec/ggml_wide_affine.h"
#include "codec/ggml_wide_three.h"

#if defined(LANES)
/* LANES sub-blocks of `size` from number `first` on. */
WIDE static inline struct wide_given sub_blocks(const float *x, const struct ggml_k_weights *weights, int size, int first)
{
    float mean_square[LANES];
    for (int j = 0; j < LANES; j++)
        mean_square[j] = weights[(first + j) * size / GGML_SUPER].mean_square;
    const float *importance = weights->importance != NULL ? weights->importance + first * size : NULL;
    return (struct wide_given){x + first * size, (size_t)size, size, weights->kind, importance, load_vec(mean_square)};
}

/* Results of lanes to their places, and the codes of each as the search left them. */
WIDE static inline void keep_found(const struct wide_given *given, const struct wide_found *lanes, int first, const int bounds[2],
                                   struct ggml_k_found *found, uint8_t *codes)
{
    const int subs = GGML_SUPER / given->count;
    for (int j = 0; j < LANES; j++) {
        struct ggml_k_found *place = found + (first + j) / subs;
        const int at = (first + j) % subs;
        const float *x = given->x + given->stride * (size_t)j;
        uint8_t *to = codes + (first + j) * given->count;
        place->scales[at] = lanes->scale[j], place->mins[at] = lanes->offset[j], place->sums[at] = lanes->sum[j];
        const vec by = splat(lanes->inverse[j]), minus = splat(lanes->least[j]);
        for (int i = 0; i < given->count; i += 16) {
            vec v[16 / LANES];
            for (int k = 0; k < 16 / LANES; k++)
                v[k] = by * (load_vec(x + i + LANES * k) - minus);
            store_16(v, bounds[0], bounds[1], to + i);
        }
        if (lanes->zeros >> j & 1)
            memset(to, 0, (size_t)given->count);
    }
}

WIDE static void wide_k_offset(unsigned count, const float *x, const struct ggml_k_weights *weights, const struct ggml_search_affine *how,
                               struct ggml_k_found *found, uint8_t *codes)
{
    const int subs = (int)count * GGML_SUPER / how->count;
    for (int first = 0, groups; first < subs; first += groups * LANES) {
        struct wide_found lanes[WIDE_LINES];
        struct wide_given given[WIDE_LINES];
        groups = first + WIDE_LINES * LANES <= subs ? WIDE_LINES : 1;
        for (int g = 0; g < groups; g++)
            given[g] = sub_blocks(x, weights, how->count, first + LANES * g);
        wide_affine(groups, given, how, lanes);
        for (int g = 0; g < groups; g++)
            keep_found(given + g, lanes + g, first + LANES * g, (const int[2]){0, how->most}, found, codes);
    }
}

WIDE static void wide_k_centred(unsigned count, const float *x, const struct ggml_k_weights *weights, int half, struct ggml_k_found *found, uint8_t *codes)
{
    for (int first = 0; first < (int)count * 16; first += LANES) {
        struct wide_found lanes;
        const struct wide_given given = sub_blocks(x, weights, 16, first);
        wide_centred(&given, half, &lanes);
        keep_found(&given, &lanes, first, (const int[2]){-half, half - 1}, found, codes);
    }
}

WIDE static void wide_k_three(unsigned count, const float *x, struct ggml_k_found *found, uint8_t *codes)
{
    float scales[16 * GGML_K_TOGETHER];
    for (int first = 0; first < (int)count * 16; first += LANES)
        wide_three(x + 16 * first, scales + first, codes + 16 * first);
    for (unsigned s = 0; s < count; s++)
        memcpy(found[s].scales, scales + 16 * s, sizeof found[s].scales);
}

WIDE static inline void codes_again(const float *x, int count, float plus, float over, const int bounds[2], uint8_t *codes)
{
    const vec add = splat(plus), by = splat(over);
    for (int i = 0; i < count; i += 16) {
        vec v[16 / LANES];
        for (int k = 0; k < 16 / LANES; k++)
            v[k] = (load_vec(x + i + LANES * k) + add) / by;
        store_16(v, bounds[0], bounds[1], codes + i);
    }
}

WIDE static void wide_k_again_offset(const struct ggml_k_stored *stored, int size, int most, const float *x, uint8_t *codes)
{
    for (int j = 0; j < GGML_SUPER / size; j++) {
        const float d = stored->d * (float)stored->scales[j];
        if (d != 0)
            codes_again(x + size * j, size, stored->dmin * (float)stored->mins[j], d, (const int[2]){0, most}, codes + size * j);
    }
}

/* Adding 0 changes no quotient but that of -0, whose code is the same. */
WIDE static void wide_k_again_centred(float d, const int8_t *scales, int half, const float *x, uint8_t *codes)
{
    for (int j = 0; j < 16; j++) {
        const float step = d * (float)scales[j];
        if (step != 0)
            codes_again(x + 16 * j, 16, 0, step, (const int[2]){-half, half - 1}, codes + 16 * j);
    }
}
#endif

#endif
