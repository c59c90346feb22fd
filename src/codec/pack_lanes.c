#include "codec/pack_kernels.h"

/* Natural words along out, [out*bits/32][in] and, of 2 and 3 bits, [in][out*bits/32]: zero points. Neighbouring columns are lanes that need the same
 * shifts: 16 of them go through a run of rows together.
 *
 *     code[f][lane], f = 0..run-1  ->  word[w][lane] = sum of code[f][lane] << (f * bits - 32 * w), what sticks out goes to word w + 1 */

#define LANES 16
#define WORDS_MAX 7 /* words of a run: as many as bits, where they do not divide 32 */

/* Codes of a run: the least that fill whole words. Constant, as bits are. */
static inline unsigned run_of(unsigned bits)
{
    return bits % 2 == 1 ? 32 : bits == 6 ? 16 : 32 / bits;
}

/* Inlined with constant bits, as the next. */
static inline void close_lanes(const uint8_t *code, size_t stride, uint32_t word[][LANES], unsigned bits)
{
    for (unsigned w = 0; w < run_of(bits) * bits / 32; w++)
        for (unsigned lane = 0; lane < LANES; lane++)
            word[w][lane] = 0;
    for (unsigned f = 0; f < run_of(bits); f++) {
        const unsigned w = f * bits / 32, shift = f * bits % 32;
        for (unsigned lane = 0; lane < LANES; lane++)
            word[w][lane] |= (uint32_t)code[f * stride + lane] << shift;
        if (shift + bits <= 32)
            continue;
        for (unsigned lane = 0; lane < LANES; lane++)
            word[w + 1][lane] |= (uint32_t)code[f * stride + lane] >> (32 - shift);
    }
}

static inline void open_lanes(uint32_t word[][LANES], uint8_t *code, size_t stride, unsigned bits)
{
    const uint32_t mask = (UINT32_C(1) << bits) - 1;
    for (unsigned f = 0; f < run_of(bits); f++) {
        const unsigned w = f * bits / 32, shift = f * bits % 32;
        if (shift + bits <= 32) {
            for (unsigned lane = 0; lane < LANES; lane++)
                code[f * stride + lane] = (uint8_t)(word[w][lane] >> shift & mask);
        } else {
            for (unsigned lane = 0; lane < LANES; lane++)
                code[f * stride + lane] = (uint8_t)((word[w][lane] >> shift | word[w + 1][lane] << (32 - shift)) & mask);
        }
    }
}

/* Words of a run as stored: rows of 16 or, turned, 16 short rows. */
static inline void put_words(uint32_t word[][LANES], unsigned words, struct stored at, bool turned)
{
    for (unsigned w = 0; w < words; w++) {
        if (!turned)
            memcpy(at.data + w * at.stride, word[w], sizeof word[w]);
        for (unsigned lane = 0; turned && lane < LANES; lane++)
            memcpy(at.data + lane * at.stride + 4 * w, &word[w][lane], 4);
    }
}

static inline void get_words(struct stored at, unsigned words, uint32_t word[][LANES], bool turned)
{
    for (unsigned w = 0; w < words; w++) {
        if (!turned)
            memcpy(word[w], at.data + w * at.stride, sizeof word[w]);
        for (unsigned lane = 0; turned && lane < LANES; lane++)
            memcpy(&word[w][lane], at.data + lane * at.stride + 4 * w, 4);
    }
}

static inline struct stored words_at(struct stored stored, size_t word, size_t lane, bool turned)
{
    return (struct stored){stored.data + (turned ? lane * stored.stride + 4 * word : word * stored.stride + 4 * lane), stored.stride};
}

static inline void pack_lanes(struct codes codes, size_t out, size_t in, struct stored stored, unsigned bits, bool turned)
{
    uint32_t word[WORDS_MAX][LANES];
    const unsigned run = run_of(bits), words = run * bits / 32;
    for (size_t o = 0; o < out; o += run) {
        for (size_t i = 0; i < in; i += LANES) {
            close_lanes(codes.data + o * codes.stride + i, codes.stride, word, bits);
            put_words(word, words, words_at(stored, o / run * words, i, turned), turned);
        }
    }
}

static inline size_t unpack_lanes(struct stored stored, size_t out, size_t in, struct codes codes, unsigned bits, bool turned)
{
    uint32_t word[WORDS_MAX][LANES];
    const unsigned run = run_of(bits), words = run * bits / 32;
    for (size_t o = 0; o < out; o += run) {
        for (size_t i = 0; i < in; i += LANES) {
            get_words(words_at(stored, o / run * words, i, turned), words, word, turned);
            open_lanes(word, codes.data + o * codes.stride + i, codes.stride, bits);
        }
    }
    return 0;
}

/* X(name, bits, codes of a run, turned) */
#define KERNELS(X)                                                                                                                         \
    X(row_out1, 1, 32, false)                                                                                                              \
    X(row_out2, 2, 16, false)                                                                                                              \
    X(row_out3, 3, 32, false)                                                                                                              \
    X(row_out4, 4, 8, false)                                                                                                               \
    X(row_out5, 5, 32, false)                                                                                                              \
    X(row_out6, 6, 16, false)                                                                                                              \
    X(row_out7, 7, 32, false)                                                                                                              \
    X(row_out8, 8, 4, false)                                                                                                               \
    X(word_out2, 2, 16, true)                                                                                                              \
    X(word_out3, 3, 32, true)
#define X(name, bits, run, turned)                                                                                                         \
    static void pack_##name(struct codes codes, size_t out, size_t in, struct stored stored)                                               \
    {                                                                                                                                      \
        pack_lanes(codes, out, in, stored, bits, turned);                                                                                  \
    }                                                                                                                                      \
    static size_t unpack_##name(struct stored stored, size_t out, size_t in, struct codes codes)                                           \
    {                                                                                                                                      \
        return unpack_lanes(stored, out, in, codes, bits, turned);                                                                         \
    }                                                                                                                                      \
    const struct pack_kernel pack_lanes_##name = {pack_##name, unpack_##name, run, LANES};
KERNELS(X)
#undef X
#undef KERNELS
