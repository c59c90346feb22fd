/* Blocks of 32 with importance (ggml_legacy.h), a block in each lane. */
#ifndef REPAQ_GGML_WIDE_LEGACY_H
#define REPAQ_GGML_WIDE_LEGACY_H

#include "codec/ggml_legacy.h"
#include "codec/ggml_wide_affine.h"

#if defined(LANES)
#define WIDE_BLOCK 32

/* The block of lane j. */
WIDE static inline void legacy_lane(const struct ggml_legacy_kind *kind, const struct wide_given *given, const struct wide_found *found, int j, uint8_t *to)
{
    const int least = kind->offset ? 0 : -kind->half, most = kind->offset ? 2 * kind->half - 1 : kind->half - 1;
    const float *x = given->x + WIDE_BLOCK * j;
    const vec by = splat(found->inverse[j]), minus = splat(found->least[j]);
    uint8_t codes[WIDE_BLOCK];
    for (int i = 0; i < WIDE_BLOCK; i += 16) {
        vec v[16 / LANES];
        for (int k = 0; k < 16 / LANES; k++)
            v[k] = by * (load_vec(x + i + LANES * k) - minus);
        store_16(v, least, most, codes + i);
    }
    if (found->zeros >> j & 1)
        memset(codes, 0, sizeof codes);
    ggml_legacy_store(kind, found->scale[j], -found->offset[j], codes, to);
}

/* `groups` of LANES blocks: 1, or WIDE_LINES. */
WIDE static inline void legacy_lanes(const struct ggml_legacy_kind *kind, const struct ggml_part *row, uint64_t at, int groups, uint8_t *to)
{
    struct wide_given given[WIDE_LINES];
    struct wide_found found[WIDE_LINES];
    for (int g = 0; g < groups; g++, at += WIDE_BLOCK * LANES)
        given[g] = (struct wide_given){row->x + at, WIDE_BLOCK, WIDE_BLOCK, GGML_K_WEIGH_IMPORTANCE, row->weights + at, splat(row->mean_square)};
    if (kind->offset)
        wide_affine(groups, given, &kind->search, found);
    for (int g = 0; g < groups; g++) {
        if (!kind->offset)
            wide_centred(given + g, kind->half, found + g);
        for (int j = 0; j < LANES; j++, to += kind->bytes)
            legacy_lane(kind, given + g, found + g, j, to);
    }
}

/* A row of at least LANES blocks: the last lanes may make blocks again that there are. Returns the elements done. */
WIDE static inline uint64_t wide_legacy(const struct ggml_legacy_kind *kind, const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    const uint64_t step = WIDE_BLOCK * LANES;
    if (elements < step)
        return 0;
    uint64_t at = 0;
    for (; at + WIDE_LINES * step <= elements; at += WIDE_LINES * step)
        legacy_lanes(kind, row, at, WIDE_LINES, to + at / WIDE_BLOCK * kind->bytes);
    for (; at < elements; at += step) {
        const uint64_t from = at + step <= elements ? at : elements - step;
        legacy_lanes(kind, row, from, 1, to + from / WIDE_BLOCK * kind->bytes);
    }
    return elements;
}
#endif

#endif
