/* Which bytes of a block are numbers of several bytes, as ggml's own C code loads them (ggml-org/ggml:src/ggml-common.h, src/ggml-quants.c), so that a
 * big-endian build of it reads what was turned. For example Q4_K:
 *
 *   0     2     4                16                             144
 *   | d   | dmin| scales, 6 bits | codes, 4 bits                |
 *   ^^^^^^^^^^^^^ two F16: turned; the rest are bytes
 *
 * The qh of Q5_0 and Q5_1, declared as bytes, is copied into a u32, and so are the signs of IQ2_XXS and IQ3_XXS; the grid indices of IQ2_XXS, declared as
 * u16, are read byte by byte. ggml-org/llama.cpp:gguf-py/gguf/scripts/gguf_convert_endian.py turns Q4_0, Q8_0, Q4_K, Q6_K and MXFP4 likewise, and no other
 * blocks. */
#include "codec/ggml_swap.h"

#include <assert.h>
#include <stdint.h>

/* `count` words of `width` bytes, the first at byte `at`, each `stride` bytes after the one before. */
struct words {
    uint16_t at;
    uint8_t width, count, stride;
};

enum { WORDS_MAX = 3 };

/* Types that are not here are bytes throughout. */
static const struct words words[GGML_COUNT][WORDS_MAX] = {
    [GGML_F32] = {{0, 4, 1, 4}},
    [GGML_F16] = {{0, 2, 1, 2}},
    [GGML_BF16] = {{0, 2, 1, 2}},
    [GGML_F64] = {{0, 8, 1, 8}},
    [GGML_I16] = {{0, 2, 1, 2}},
    [GGML_I32] = {{0, 4, 1, 4}},
    [GGML_I64] = {{0, 8, 1, 8}},
    [GGML_Q4_0] = {{0, 2, 1, 2}},                   /* d */
    [GGML_Q4_1] = {{0, 2, 2, 2}},                   /* d, m */
    [GGML_Q5_0] = {{0, 2, 1, 2}, {2, 4, 1, 4}},     /* d; qh */
    [GGML_Q5_1] = {{0, 2, 2, 2}, {4, 4, 1, 4}},     /* d, m; qh */
    [GGML_Q8_0] = {{0, 2, 1, 2}},                   /* d */
    [GGML_Q8_1] = {{0, 2, 2, 2}},                   /* d, s */
    [GGML_Q2_K] = {{80, 2, 2, 2}},                  /* d, dmin, after scales[16] and qs[64] */
    [GGML_Q3_K] = {{108, 2, 1, 2}},                 /* d, after hmask[32], qs[64] and scales[12] */
    [GGML_Q4_K] = {{0, 2, 2, 2}},                   /* d, dmin */
    [GGML_Q5_K] = {{0, 2, 2, 2}},                   /* d, dmin */
    [GGML_Q6_K] = {{208, 2, 1, 2}},                 /* d, after ql[128], qh[64] and scales[16] */
    [GGML_Q8_K] = {{0, 4, 1, 4}, {260, 2, 16, 2}},  /* d as F32; bsums[16], after qs[256] */
    [GGML_IQ2_XXS] = {{0, 2, 1, 2}, {6, 4, 8, 8}},  /* d; signs and scale, after every 4 grid indices */
    [GGML_IQ2_XS] = {{0, 2, 33, 2}},                /* d, qs[32] */
    [GGML_IQ2_S] = {{0, 2, 1, 2}},                  /* d */
    [GGML_IQ3_XXS] = {{0, 2, 1, 2}, {66, 4, 8, 4}}, /* d; signs and scales, after 64 grid indices */
    [GGML_IQ3_S] = {{0, 2, 1, 2}},                  /* d */
    [GGML_IQ1_S] = {{0, 2, 1, 2}, {34, 2, 8, 2}},   /* d; qh[8], after qs[32] */
    [GGML_IQ1_M] = {{48, 2, 4, 2}},                 /* scales, after qs[32] and qh[16] */
    [GGML_IQ4_NL] = {{0, 2, 1, 2}},                 /* d */
    [GGML_IQ4_XS] = {{0, 2, 2, 2}},                 /* d, scales_h */
    [GGML_TQ1_0] = {{52, 2, 1, 2}},                 /* d, after qs[48] and qh[4] */
    [GGML_TQ2_0] = {{64, 2, 1, 2}},                 /* d, after qs[64] */
    [GGML_Q1_0] = {{0, 2, 1, 2}},                   /* d */
    [GGML_Q2_0] = {{0, 2, 1, 2}},                   /* d */
};

static void turn(uint8_t *at, unsigned width)
{
    for (unsigned low = 0, high = width - 1; low < high; low++, high--) {
        const uint8_t byte = at[low];
        at[low] = at[high];
        at[high] = byte;
    }
}

bool ggml_swap(enum ggml_type type, void *data, size_t bytes)
{
    const size_t block = ggml_block_bytes(type);
    if (block == 0)
        return false;
    assert(bytes % block == 0);
    for (unsigned w = 0; w < WORDS_MAX && words[type][w].count > 0; w++) {
        const struct words row = words[type][w];
        for (uint8_t *at = (uint8_t *)data + row.at, *end = (uint8_t *)data + bytes; at < end; at += block)
            for (unsigned i = 0; i < row.count; i++)
                turn(at + (size_t)i * row.stride, row.width);
    }
    return true;
}
