#include "codec/pack_kernels.h"
#include "codec/pack_stream.h"

/* Layouts whose stored rows run across the rows of codes. Source and target rows may be any power of two apart, where a cache holds
 * only a few of their lines at a time, so that both are read and written by whole lines of 64 bytes:
 *
 *     pack:   codes -> nibbles paired in a 4 KiB buffer -> turned 16 x 16 bytes (or 4 x 4 words) -> lines of the target
 *     unpack: the same steps backwards */

#define LINE 64
#define SIDE 16 /* rows and columns of bytes that are turned at once */

static size_t at_most(size_t value, size_t most)
{
    return value < most ? value : most;
}

/* --- turning --------------------------------------------------------------------------------------------------------------------- */

/* Interleaving row k with row k + 8 for all k moves the top bit of the row number to the bottom of the column number. */
static inline void turn_round(const vec8 *a, vec8 *b)
{
    b[0] = vec_low(a[0], a[8]), b[1] = vec_high(a[0], a[8]);
    b[2] = vec_low(a[1], a[9]), b[3] = vec_high(a[1], a[9]);
    b[4] = vec_low(a[2], a[10]), b[5] = vec_high(a[2], a[10]);
    b[6] = vec_low(a[3], a[11]), b[7] = vec_high(a[3], a[11]);
    b[8] = vec_low(a[4], a[12]), b[9] = vec_high(a[4], a[12]);
    b[10] = vec_low(a[5], a[13]), b[11] = vec_high(a[5], a[13]);
    b[12] = vec_low(a[6], a[14]), b[13] = vec_high(a[6], a[14]);
    b[14] = vec_low(a[7], a[15]), b[15] = vec_high(a[7], a[15]);
}

/* 16 x 16 bytes: four rounds exchange the four bits of rows and columns. Written out, so that the vectors stay in registers. */
static inline void turn_square(const uint8_t *from, size_t from_stride, uint8_t *to, size_t to_stride)
{
    const uint8_t *mid = from + 8 * from_stride;
    uint8_t *mid_to = to + 8 * to_stride;
    vec8 a[SIDE], b[SIDE];
    a[0] = vec_load(from), a[1] = vec_load(from + from_stride);
    a[2] = vec_load(from + 2 * from_stride), a[3] = vec_load(from + 3 * from_stride);
    a[4] = vec_load(from + 4 * from_stride), a[5] = vec_load(from + 5 * from_stride);
    a[6] = vec_load(from + 6 * from_stride), a[7] = vec_load(from + 7 * from_stride);
    a[8] = vec_load(mid), a[9] = vec_load(mid + from_stride);
    a[10] = vec_load(mid + 2 * from_stride), a[11] = vec_load(mid + 3 * from_stride);
    a[12] = vec_load(mid + 4 * from_stride), a[13] = vec_load(mid + 5 * from_stride);
    a[14] = vec_load(mid + 6 * from_stride), a[15] = vec_load(mid + 7 * from_stride);
    turn_round(a, b);
    turn_round(b, a);
    turn_round(a, b);
    turn_round(b, a);
    vec_store(to, a[0]), vec_store(to + to_stride, a[1]);
    vec_store(to + 2 * to_stride, a[2]), vec_store(to + 3 * to_stride, a[3]);
    vec_store(to + 4 * to_stride, a[4]), vec_store(to + 5 * to_stride, a[5]);
    vec_store(to + 6 * to_stride, a[6]), vec_store(to + 7 * to_stride, a[7]);
    vec_store(mid_to, a[8]), vec_store(mid_to + to_stride, a[9]);
    vec_store(mid_to + 2 * to_stride, a[10]), vec_store(mid_to + 3 * to_stride, a[11]);
    vec_store(mid_to + 4 * to_stride, a[12]), vec_store(mid_to + 5 * to_stride, a[13]);
    vec_store(mid_to + 6 * to_stride, a[14]), vec_store(mid_to + 7 * to_stride, a[15]);
}

/* Rows of `bytes` bytes, a multiple of 16: by vectors, as a call for each short row costs more than its bytes. */
static inline void copy_rows(const uint8_t *from, size_t from_stride, size_t rows, size_t bytes, uint8_t *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < bytes; i += sizeof(vec8))
            vec_store(to + row * to_stride + i, vec_load(from + row * from_stride + i));
}

/* rows x 16 bytes. */
static void turn_column(const uint8_t *from, size_t from_stride, size_t rows, uint8_t *to, size_t to_stride)
{
    size_t row = 0;
#if defined(__x86_64__)
    for (; pack_avx2_usable() && row + 2 * SIDE <= rows; row += 2 * SIDE)
        pack_avx2_turn(from + row * from_stride, from_stride, to + row, to_stride);
#endif
    for (; row < rows; row += SIDE)
        turn_square(from + row * from_stride, from_stride, to + row, to_stride);
}

/* rows x columns bytes, multiples of 16, at most 64 rows: writes each target row once. */
static void turn_out(const uint8_t *from, size_t from_stride, size_t rows, size_t columns, uint8_t *to, size_t to_stride)
{
    uint8_t line[SIDE * LINE];
    for (size_t column = 0; column < columns; column += SIDE) {
        turn_column(from + column, from_stride, rows, line, LINE);
        copy_rows(line, LINE, SIDE, rows, to + column * to_stride, to_stride);
    }
}

/* The same with at most 64 columns: reads each source row once. */
static void turn_in(const uint8_t *from, size_t from_stride, size_t rows, size_t columns, uint8_t *to, size_t to_stride)
{
    uint8_t line[LINE * LINE];
    for (size_t row = 0; row < rows; row += LINE) {
        const size_t band = at_most(rows - row, LINE);
        copy_rows(from + row * from_stride, from_stride, band, columns, line, LINE);
        for (size_t column = 0; column < columns; column += SIDE)
            turn_column(line + column, LINE, band, to + column * to_stride + row, to_stride);
    }
}

/* 4 x 4 words of 32 bits. */
static inline void turn_four(const uint8_t *from, size_t from_stride, uint8_t *to, size_t to_stride)
{
    const vec32 a = (vec32)vec_load(from), b = (vec32)vec_load(from + from_stride);
    const vec32 c = (vec32)vec_load(from + 2 * from_stride), d = (vec32)vec_load(from + 3 * from_stride);
    const vec32 ac = vec_low32(a, c), bd = vec_low32(b, d), ac_high = vec_high32(a, c), bd_high = vec_high32(b, d);
    vec_store(to, (vec8)vec_low32(ac, bd));
    vec_store(to + to_stride, (vec8)vec_high32(ac, bd));
    vec_store(to + 2 * to_stride, (vec8)vec_low32(ac_high, bd_high));
    vec_store(to + 3 * to_stride, (vec8)vec_high32(ac_high, bd_high));
}

/* rows x words of 32 bits, multiples of 4: four target rows at a time, along their lines. */
static void turn_words_out(const uint8_t *from, size_t from_stride, size_t rows, size_t words, uint8_t *to, size_t to_stride)
{
    for (size_t word = 0; word < words; word += 4)
        for (size_t row = 0; row < rows; row += 4)
            turn_four(from + row * from_stride + 4 * word, from_stride, to + word * to_stride + 4 * row, to_stride);
}

/* The same, four source rows at a time. */
static void turn_words_in(const uint8_t *from, size_t from_stride, size_t rows, size_t words, uint8_t *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row += 4)
        for (size_t word = 0; word < words; word += 4)
            turn_four(from + row * from_stride + 4 * word, from_stride, to + word * to_stride + 4 * row, to_stride);
}

/* --- words along out: byte b of a word pairs the rows order[2b] and order[2b + 1] of its eight -------------------------------------- */

static const uint8_t natural[8] = {0, 1, 2, 3, 4, 5, 6, 7}, awq[8] = {0, 2, 4, 6, 1, 3, 5, 7};

static void pack_out4(const uint8_t *order, struct codes codes, size_t out, size_t in, struct stored stored)
{
    uint8_t pairs[LINE * LINE];
    for (size_t o = 0; o < out; o += 2 * LINE) {
        const size_t rows = at_most(out - o, 2 * LINE) / 2;
        for (size_t i = 0; i < in; i += LINE) {
            const size_t columns = at_most(in - i, LINE);
            for (size_t row = 0; row < rows; row++) {
                const uint8_t *word = codes.data + (o + row / 4 * 8) * codes.stride + i;
                const uint8_t *low = word + order[row % 4 * 2] * codes.stride, *high = word + order[row % 4 * 2 + 1] * codes.stride;
                for (size_t k = 0; k < columns; k += sizeof(vec8))
                    vec_store(pairs + row * LINE + k, vec_nibbles(vec_load(low + k), vec_load(high + k)));
            }
            turn_out(pairs, LINE, rows, columns, stored.data + i * stored.stride + o / 2, stored.stride);
        }
    }
}

static size_t unpack_out4(const uint8_t *order, struct stored stored, size_t out, size_t in, struct codes codes)
{
    uint8_t pairs[LINE * LINE];
    for (size_t o = 0; o < out; o += 2 * LINE) {
        const size_t rows = at_most(out - o, 2 * LINE) / 2;
        for (size_t i = 0; i < in; i += LINE) {
            const size_t columns = at_most(in - i, LINE);
            turn_in(stored.data + i * stored.stride + o / 2, stored.stride, columns, rows, pairs, LINE);
            for (size_t row = 0; row < rows; row++) {
                uint8_t *word = codes.data + (o + row / 4 * 8) * codes.stride + i;
                uint8_t *low = word + order[row % 4 * 2] * codes.stride, *high = word + order[row % 4 * 2 + 1] * codes.stride;
                for (size_t k = 0; k < columns; k += sizeof(vec8)) {
                    const vec8 both = vec_load(pairs + row * LINE + k);
                    vec_store(low + k, vec_low_nibbles(both));
                    vec_store(high + k, vec_high_nibbles(both));
                }
            }
        }
    }
    return 0;
}

static void pack_awq_out4(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_out4(awq, codes, out, in, stored);
}

static size_t unpack_awq_out4(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_out4(awq, stored, out, in, codes);
}

static void pack_word_out4(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_out4(natural, codes, out, in, stored);
}

static size_t unpack_word_out4(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_out4(natural, stored, out, in, codes);
}

static void pack_word_out8(struct codes codes, size_t out, size_t in, struct stored stored)
{
    for (size_t o = 0; o < out; o += LINE)
        turn_out(codes.data + o * codes.stride, codes.stride, at_most(out - o, LINE), in, stored.data + o, stored.stride);
}

static size_t unpack_word_out8(struct stored stored, size_t out, size_t in, struct codes codes)
{
    for (size_t o = 0; o < out; o += LINE)
        turn_in(stored.data + o, stored.stride, in, at_most(out - o, LINE), codes.data + o * codes.stride, codes.stride);
    return 0;
}

/* --- words along in ------------------------------------------------------------------------------------------------------------------ */

#define BAND 64 /* rows of codes that are paired together: lines of 4 * 64 bytes in the target */

static void pack_word_in4(struct codes codes, size_t out, size_t in, struct stored stored)
{
    uint8_t pairs[BAND * LINE];
    for (size_t i = 0; i < in; i += 2 * LINE) {
        const size_t bytes = at_most(in - i, 2 * LINE) / 2;
        for (size_t o = 0; o < out; o += BAND) {
            const size_t rows = at_most(out - o, BAND);
            for (size_t row = 0; row < rows; row++) {
                const uint8_t *from = codes.data + (o + row) * codes.stride + i;
                for (size_t k = 0; k < bytes; k += sizeof(vec8))
                    vec_store(pairs + row * LINE + k, vec_pair_up(vec_load(from + 2 * k), vec_load(from + 2 * k + sizeof(vec8))));
            }
            turn_words_out(pairs, LINE, rows, bytes / 4, stored.data + i / 8 * stored.stride + 4 * o, stored.stride);
        }
    }
}

static size_t unpack_word_in4(struct stored stored, size_t out, size_t in, struct codes codes)
{
    uint8_t pairs[BAND * LINE];
    for (size_t i = 0; i < in; i += 2 * LINE) {
        const size_t bytes = at_most(in - i, 2 * LINE) / 2;
        for (size_t o = 0; o < out; o += BAND) {
            const size_t rows = at_most(out - o, BAND);
            turn_words_in(stored.data + i / 8 * stored.stride + 4 * o, stored.stride, bytes / 4, rows, pairs, LINE);
            for (size_t row = 0; row < rows; row++) {
                uint8_t *to = codes.data + (o + row) * codes.stride + i;
                for (size_t k = 0; k < bytes; k += sizeof(vec8)) {
                    const vec8 both = vec_load(pairs + row * LINE + k);
                    const vec8 even = vec_low_nibbles(both), odd = vec_high_nibbles(both);
                    vec_store(to + 2 * k, vec_low(even, odd));
                    vec_store(to + 2 * k + sizeof(vec8), vec_high(even, odd));
                }
            }
        }
    }
    return 0;
}

static void pack_word_in8(struct codes codes, size_t out, size_t in, struct stored stored)
{
    for (size_t o = 0; o < out; o += BAND)
        turn_words_out(codes.data + o * codes.stride, codes.stride, at_most(out - o, BAND), in / 4, stored.data + 4 * o, stored.stride);
}

static size_t unpack_word_in8(struct stored stored, size_t out, size_t in, struct codes codes)
{
    uint8_t band[BAND * LINE];
    for (size_t i = 0; i < in; i += LINE) {
        const size_t columns = at_most(in - i, LINE);
        for (size_t o = 0; o < out; o += BAND) {
            const size_t rows = at_most(out - o, BAND);
            turn_words_in(stored.data + i / 4 * stored.stride + 4 * o, stored.stride, columns / 4, rows, band, LINE);
            copy_rows(band, LINE, rows, columns, codes.data + o * codes.stride + i, codes.stride);
        }
    }
    return 0;
}

/* --- streams of 2 and 3 bits along in: 128 codes are 8 or 12 words ---------------------------------------------------------------- */

#define STREAM_IN 128

/* turn_words_out of any number of words. */
static void turn_streams_out(const uint8_t *from, size_t rows, size_t words, uint8_t *to, size_t to_stride)
{
    turn_words_out(from, LINE, rows, words / 4 * 4, to, to_stride);
    for (size_t word = words / 4 * 4; word < words; word++)
        for (size_t row = 0; row < rows; row++)
            memcpy(to + word * to_stride + 4 * row, from + row * LINE + 4 * word, 4);
}

static void turn_streams_in(const uint8_t *from, size_t from_stride, size_t words, size_t rows, uint8_t *to)
{
    turn_words_in(from, from_stride, words / 4 * 4, rows, to, LINE);
    for (size_t word = words / 4 * 4; word < words; word++)
        for (size_t row = 0; row < rows; row++)
            memcpy(to + row * LINE + 4 * word, from + word * from_stride + 4 * row, 4);
}

static inline void pack_stream_in(struct codes codes, size_t out, size_t in, struct stored stored, unsigned bits)
{
    uint8_t streams[BAND * LINE];
    for (size_t i = 0; i < in; i += STREAM_IN) {
        const size_t columns = at_most(in - i, STREAM_IN);
        for (size_t o = 0; o < out; o += BAND) {
            const size_t rows = at_most(out - o, BAND);
            for (size_t row = 0; row < rows; row++)
                pack_stream_row(codes.data + (o + row) * codes.stride + i, columns, streams + row * LINE, bits);
            turn_streams_out(streams, rows, columns * bits / 32, stored.data + i * bits / 32 * stored.stride + 4 * o, stored.stride);
        }
    }
}

static inline size_t unpack_stream_in(struct stored stored, size_t out, size_t in, struct codes codes, unsigned bits)
{
    uint8_t streams[BAND * LINE];
    for (size_t i = 0; i < in; i += STREAM_IN) {
        const size_t columns = at_most(in - i, STREAM_IN);
        for (size_t o = 0; o < out; o += BAND) {
            const size_t rows = at_most(out - o, BAND);
            turn_streams_in(stored.data + i * bits / 32 * stored.stride + 4 * o, stored.stride, columns * bits / 32, rows, streams);
            for (size_t row = 0; row < rows; row++)
                unpack_stream_row(streams + row * LINE, columns, codes.data + (o + row) * codes.stride + i, bits);
        }
    }
    return 0;
}

static void pack_word_in2(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_stream_in(codes, out, in, stored, 2);
}

static size_t unpack_word_in2(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_stream_in(stored, out, in, codes, 2);
}

static void pack_word_in3(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_stream_in(codes, out, in, stored, 3);
}

static size_t unpack_word_in3(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_stream_in(stored, out, in, codes, 3);
}

const struct pack_kernel pack_turn_awq_out4 = {pack_awq_out4, unpack_awq_out4, 32, 16};
const struct pack_kernel pack_turn_word_out4 = {pack_word_out4, unpack_word_out4, 32, 16};
const struct pack_kernel pack_turn_word_out8 = {pack_word_out8, unpack_word_out8, 16, 16};
const struct pack_kernel pack_turn_word_in4 = {pack_word_in4, unpack_word_in4, 4, 32};
const struct pack_kernel pack_turn_word_in8 = {pack_word_in8, unpack_word_in8, 4, 16};
const struct pack_kernel pack_turn_word_in2 = {pack_word_in2, unpack_word_in2, 4, 32};
const struct pack_kernel pack_turn_word_in3 = {pack_word_in3, unpack_word_in3, 4, 32};
