/* Inside codec only: the fast kernels that pack.c chooses from, and the vectors they are made of.
 *
 * The vectors are those of GCC and Clang: 16 bytes are SSE2 on every x86-64 and NEON on every AArch64, and interleaving two vectors
 * is one instruction on both. */
#ifndef REPAQ_PACK_KERNELS_H
#define REPAQ_PACK_KERNELS_H

#include "codec/pack.h"

#include <string.h>

/* Both directions of one layout, for regions of whole steps: out % out_step == 0 and in % in_step == 0. */
struct pack_kernel {
    void (*pack)(struct codes codes, size_t out, size_t in, struct stored stored);
    size_t (*unpack)(struct stored stored, size_t out, size_t in, struct codes codes); /* returns the bad fields, as pack_unpack does */
    size_t out_step, in_step; /* whole runs, at most PACK_STEP_MAX */
};
#define PACK_STEP_MAX 32

/* Layouts whose stored rows run along the rows of codes, and those that turn them. */
extern const struct pack_kernel pack_rows_byte_int4, pack_rows_byte_int8, pack_rows_nibble_out, pack_rows_nibble_in, pack_rows_row_in4, pack_rows_row_in8;
extern const struct pack_kernel pack_rows_row_in1, pack_rows_row_in2, pack_rows_row_in3, pack_rows_row_in5, pack_rows_row_in6, pack_rows_row_in7;
extern const struct pack_kernel pack_turn_awq_out4, pack_turn_word_out4, pack_turn_word_out8;
extern const struct pack_kernel pack_turn_word_in2, pack_turn_word_in3, pack_turn_word_in4, pack_turn_word_in8;
/* Words along out, of as many columns as a vector has lanes. */
extern const struct pack_kernel pack_lanes_row_out1, pack_lanes_row_out2, pack_lanes_row_out3, pack_lanes_row_out4, pack_lanes_row_out5;
extern const struct pack_kernel pack_lanes_row_out6, pack_lanes_row_out7, pack_lanes_row_out8, pack_lanes_word_out2, pack_lanes_word_out3;

/* 32 x 16 bytes turned into 16 x 32, where the processor has AVX2. */
#if defined(__x86_64__)
bool pack_avx2_usable(void);
void pack_avx2_turn(const uint8_t *from, size_t from_stride, uint8_t *to, size_t to_stride);
#endif

typedef uint8_t vec8 __attribute__((vector_size(16)));
typedef uint16_t vec16 __attribute__((vector_size(16)));
typedef uint32_t vec32 __attribute__((vector_size(16)));

static inline vec8 vec_load(const uint8_t *at)
{
    vec8 v;
    memcpy(&v, at, sizeof v);
    return v;
}

static inline void vec_store(uint8_t *at, vec8 v)
{
    memcpy(at, &v, sizeof v);
}

static inline vec8 vec_of(unsigned byte)
{
    const uint8_t b = (uint8_t)byte;
    return (vec8){b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b};
}

/* a0 b0 a1 b1 ... of the lower halves, and of the upper ones. */
static inline vec8 vec_low(vec8 a, vec8 b)
{
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

static inline vec8 vec_high(vec8 a, vec8 b)
{
    return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

static inline vec16 vec_low16(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
}

static inline vec16 vec_high16(vec16 a, vec16 b)
{
    return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
}

static inline vec32 vec_low32(vec32 a, vec32 b)
{
    return __builtin_shufflevector(a, b, 0, 4, 1, 5);
}

static inline vec32 vec_high32(vec32 a, vec32 b)
{
    return __builtin_shufflevector(a, b, 2, 6, 3, 7);
}

/* Codes below 16 as the lower and the upper nibbles of bytes: shifted as 16-bit lanes, which bytes below 16 never leave. */
static inline vec8 vec_nibbles(vec8 low, vec8 high)
{
    return low | (vec8)((vec16)high << 4);
}

static inline vec8 vec_low_nibbles(vec8 v)
{
    return v & vec_of(15);
}

static inline vec8 vec_high_nibbles(vec8 v)
{
    return (vec8)((vec16)v >> 4) & vec_of(15);
}

/* 32 codes below 16, in order, as 16 bytes of two. */
static inline vec8 vec_pair_up(vec8 first, vec8 second)
{
    const vec16 a = (vec16)first, b = (vec16)second;
    const vec8 low = (vec8)(a | a >> 4), high = (vec8)(b | b >> 4);
    return __builtin_shufflevector(low, high, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
}

#endif
