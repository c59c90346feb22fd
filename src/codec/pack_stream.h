/* Inside codec only: a row of codes as a stream of bits, eight codes (a 64-bit word of bytes) at a time.
 *
 *     bytes   ......cc ......dd ......ee ......ff ...    neighbours close up in three steps: pairs in 16 bits, fours in 32,
 *     stream  ffeeddcc ...                               eight in 64. The first code is the lowest. Unpacking goes backwards. */
#ifndef REPAQ_PACK_STREAM_H
#define REPAQ_PACK_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PACK_STREAM_LOW8 UINT64_C(0x00ff00ff00ff00ff)
#define PACK_STREAM_LOW16 UINT64_C(0x0000ffff0000ffff)
#define PACK_STREAM_LOW32 UINT64_C(0x00000000ffffffff)

/* Inlined with constant bits, as all of these. */
static inline uint64_t pack_stream_close(uint64_t x, unsigned bits)
{
    x = (x & PACK_STREAM_LOW8) | (x & ~PACK_STREAM_LOW8) >> (8 - bits);
    x = (x & PACK_STREAM_LOW16) | (x & ~PACK_STREAM_LOW16) >> 2 * (8 - bits);
    return (x & PACK_STREAM_LOW32) | (x & ~PACK_STREAM_LOW32) >> 4 * (8 - bits);
}

static inline uint64_t pack_stream_open(uint64_t x, unsigned bits)
{
    const uint64_t four = (UINT64_C(1) << 4 * bits) - 1;
    const uint64_t two = ((UINT64_C(1) << 2 * bits) - 1) * UINT64_C(0x0000000100000001), one = ((UINT64_C(1) << bits) - 1) * UINT64_C(0x0001000100010001);
    x = (x & four) | (x << 4 * (8 - bits) & four << 32);
    x = (x & two) | (x << 2 * (8 - bits) & two << 16);
    return (x & one) | (x << (8 - bits) & one << 8);
}

/* `count` codes, a multiple of 8, below 2^bits. Writes their bytes alone: eight at a time, where the next ones overwrite what is too much. */
static inline void pack_stream_row(const uint8_t *code, size_t count, uint8_t *to, unsigned bits)
{
    uint64_t x;
    size_t k = 0;
    for (; k + (64 + bits - 1) / bits <= count; k += 8, to += bits) { /* of what is left, at least 8 bytes */
        memcpy(&x, code + k, sizeof x);
        x = pack_stream_close(x, bits);
        memcpy(to, &x, sizeof x);
    }
    for (; k < count; k += 8, to += bits) {
        memcpy(&x, code + k, sizeof x);
        x = pack_stream_close(x, bits);
        memcpy(to, &x, bits);
    }
}

static inline void unpack_stream_row(const uint8_t *from, size_t count, uint8_t *code, unsigned bits)
{
    uint64_t x;
    size_t k = 0;
    for (; k + (64 + bits - 1) / bits <= count; k += 8, from += bits) {
        memcpy(&x, from, sizeof x);
        x = pack_stream_open(x, bits);
        memcpy(code + k, &x, sizeof x);
    }
    for (; k < count; k += 8, from += bits) {
        x = 0;
        memcpy(&x, from, bits);
        x = pack_stream_open(x, bits);
        memcpy(code + k, &x, sizeof x);
    }
}

#endif
