#include "codec/pack_kernels.h"
#include "codec/pack_stream.h"

/* Layouts without a turn: a stored row holds one row of codes, or two. Signed codes differ from canonical ones in the top bit. */

/* --- one int8 a byte ------------------------------------------------------------------------------------------------------------ */

static void flip_rows(const uint8_t *from, size_t from_stride, size_t rows, size_t bytes, uint8_t *to, size_t to_stride)
{
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < bytes; i += sizeof(vec8))
            vec_store(to + row * to_stride + i, vec_load(from + row * from_stride + i) ^ vec_of(0x80));
}

static void pack_row_in8(struct codes codes, size_t out, size_t in, struct stored stored)
{
    for (size_t row = 0; row < out; row++)
        memcpy(stored.data + row * stored.stride, codes.data + row * codes.stride, in);
}

static size_t unpack_row_in8(struct stored stored, size_t out, size_t in, struct codes codes)
{
    for (size_t row = 0; row < out; row++)
        memcpy(codes.data + row * codes.stride, stored.data + row * stored.stride, in);
    return 0;
}

static void pack_byte_int8(struct codes codes, size_t out, size_t in, struct stored stored)
{
    flip_rows(codes.data, codes.stride, out, in, stored.data, stored.stride);
}

static size_t unpack_byte_int8(struct stored stored, size_t out, size_t in, struct codes codes)
{
    flip_rows(stored.data, stored.stride, out, in, codes.data, codes.stride);
    return 0;
}

/* --- one int4 a byte ------------------------------------------------------------------------------------------------------------ */

static void pack_byte_int4(struct codes codes, size_t out, size_t in, struct stored stored)
{
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i += sizeof(vec8))
            vec_store(stored.data + o * stored.stride + i, vec_load(codes.data + o * codes.stride + i) - vec_of(8));
}

static size_t count_bad(const uint8_t *row, size_t in)
{
    size_t bad = 0;
    for (size_t i = 0; i < in; i++)
        bad += (uint8_t)(row[i] + 8) > 15;
    return bad;
}

static size_t unpack_byte_int4(struct stored stored, size_t out, size_t in, struct codes codes)
{
    size_t bad = 0;
    for (size_t o = 0; o < out; o++) {
        const uint8_t *row = stored.data + o * stored.stride;
        vec8 all = vec_of(0);
        for (size_t i = 0; i < in; i += sizeof(vec8)) {
            const vec8 code = vec_load(row + i) + vec_of(8);
            all |= code;
            vec_store(codes.data + o * codes.stride + i, code & vec_of(15));
        }
        uint64_t high[2];
        memcpy(high, &all, sizeof high);
        if (((high[0] | high[1]) & UINT64_C(0xf0f0f0f0f0f0f0f0)) != 0) /* bad files are rare: look again instead of counting always */
            bad += count_bad(row, in);
    }
    return bad;
}

/* --- two int4 a byte ------------------------------------------------------------------------------------------------------------ */

static void pack_nibble_out(struct codes codes, size_t out, size_t in, struct stored stored)
{
    for (size_t o = 0; o < out; o += 2) {
        const uint8_t *row = codes.data + o * codes.stride;
        for (size_t i = 0; i < in; i += sizeof(vec8)) {
            const vec8 low = vec_load(row + i), high = vec_load(row + codes.stride + i);
            vec_store(stored.data + o / 2 * stored.stride + i, vec_nibbles(low, high) ^ vec_of(0x88));
        }
    }
}

static size_t unpack_nibble_out(struct stored stored, size_t out, size_t in, struct codes codes)
{
    for (size_t o = 0; o < out; o += 2) {
        uint8_t *row = codes.data + o * codes.stride;
        for (size_t i = 0; i < in; i += sizeof(vec8)) {
            const vec8 both = vec_load(stored.data + o / 2 * stored.stride + i) ^ vec_of(0x88);
            vec_store(row + i, vec_low_nibbles(both));
            vec_store(row + codes.stride + i, vec_high_nibbles(both));
        }
    }
    return 0;
}

/* Two codes a byte along a row; `flip` makes signed nibbles of canonical codes. Inlined with a constant. */
static inline void pack_pairs(struct codes codes, size_t out, size_t in, struct stored stored, unsigned flip)
{
    for (size_t o = 0; o < out; o++) {
        const uint8_t *row = codes.data + o * codes.stride;
        for (size_t i = 0; i < in; i += 2 * sizeof(vec8))
            vec_store(stored.data + o * stored.stride + i / 2, vec_pair_up(vec_load(row + i), vec_load(row + i + sizeof(vec8))) ^ vec_of(flip));
    }
}

static inline size_t unpack_pairs(struct stored stored, size_t out, size_t in, struct codes codes, unsigned flip)
{
    for (size_t o = 0; o < out; o++) {
        uint8_t *row = codes.data + o * codes.stride;
        for (size_t i = 0; i < in; i += 2 * sizeof(vec8)) {
            const vec8 both = vec_load(stored.data + o * stored.stride + i / 2) ^ vec_of(flip);
            const vec8 even = vec_low_nibbles(both), odd = vec_high_nibbles(both);
            vec_store(row + i, vec_low(even, odd));
            vec_store(row + i + sizeof(vec8), vec_high(even, odd));
        }
    }
    return 0;
}

static void pack_nibble_in(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_pairs(codes, out, in, stored, 0x88);
}

static size_t unpack_nibble_in(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_pairs(stored, out, in, codes, 0x88);
}

static void pack_row_in4(struct codes codes, size_t out, size_t in, struct stored stored)
{
    pack_pairs(codes, out, in, stored, 0);
}

static size_t unpack_row_in4(struct stored stored, size_t out, size_t in, struct codes codes)
{
    return unpack_pairs(stored, out, in, codes, 0);
}

/* --- streams of other widths ---------------------------------------------------------------------------------------------------- */

#define STREAM(bits)                                                                                                                       \
    static void pack_row_in##bits(struct codes codes, size_t out, size_t in, struct stored stored)                                         \
    {                                                                                                                                      \
        for (size_t o = 0; o < out; o++)                                                                                                   \
            pack_stream_row(codes.data + o * codes.stride, in, stored.data + o * stored.stride, bits);                                     \
    }                                                                                                                                      \
    static size_t unpack_row_in##bits(struct stored stored, size_t out, size_t in, struct codes codes)                                     \
    {                                                                                                                                      \
        for (size_t o = 0; o < out; o++)                                                                                                   \
            unpack_stream_row(stored.data + o * stored.stride, in, codes.data + o * codes.stride, bits);                                   \
        return 0;                                                                                                                          \
    }                                                                                                                                      \
    const struct pack_kernel pack_rows_row_in##bits = {pack_row_in##bits, unpack_row_in##bits, 1, 32};
STREAM(1)
STREAM(2)
STREAM(3)
STREAM(5)
STREAM(6)
STREAM(7)
#undef STREAM

const struct pack_kernel pack_rows_byte_int4 = {pack_byte_int4, unpack_byte_int4, 1, sizeof(vec8)};
const struct pack_kernel pack_rows_byte_int8 = {pack_byte_int8, unpack_byte_int8, 1, sizeof(vec8)};
const struct pack_kernel pack_rows_nibble_out = {pack_nibble_out, unpack_nibble_out, 2, sizeof(vec8)};
const struct pack_kernel pack_rows_nibble_in = {pack_nibble_in, unpack_nibble_in, 1, 2 * sizeof(vec8)};
const struct pack_kernel pack_rows_row_in4 = {pack_row_in4, unpack_row_in4, 1, 2 * sizeof(vec8)};
const struct pack_kernel pack_rows_row_in8 = {pack_row_in8, unpack_row_in8, 1, sizeof(vec8)};
