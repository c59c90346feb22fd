/* 32 codes of ggml's types, a byte each, and the values that they stand for. Layouts (ggml_wide_decode.h, ggml_wide_decode_k.h, ggml_wide_points.h) are written
 * once, over these. Each value is made by the operations of the plain code, in their order: there are no sums here. What the two kinds define, AVX2 and NEON:
 *
 *     load_codes(from)                   32 bytes
 *     bits(c, shift, mask)               c >> shift & mask, of which no byte takes bits of its neighbour
 *     joined(a, b, shift)                a | b << shift; what leaves a byte must be 0
 *     nibbles(from)                      of 16 bytes: the low ones, then the high ones
 *     flags(set, one)                    `one` where the bit of 32 is set, else 0
 *     digits_2(word)                     32 numbers of 2 bits, the first lowest
 *     digits_3(first, second)            8 words of 16 bits with 4 numbers of 3 bits each, the first lowest
 *     fractions(c)                       3 * c / 256, less 1: -1, 0 or 1
 *     plus(a, b), centred(c, centre)     a + b, c - centre
 *     looked_up(c, table)                of 16 bytes
 *     negated(c, signs)                  -c where the bit is set
 *     times(c, scale, x)                 x = c * scale, signed; one scale for each half of the codes
 *     line(c, scale, plus, x)            x = c * scale + plus: with minus numbers for a subtraction, which is the same
 *     half_at(from)                      F16 */
#ifndef REPAQ_GGML_CODES_H
#define REPAQ_GGML_CODES_H

#include "codec/ggml_kernels.h"
#include "codec/ggml_lanes.h"

#if defined(__x86_64__)
#include "codec/ggml_codes_avx2.h"
#elif defined(__aarch64__)
#include "codec/ggml_codes_neon.h"
#endif

#if defined(LANES)
WIDE static inline void times_one(codes c, float scale, float *x)
{
    times(c, (const float[2]){scale, scale}, x);
}

WIDE static inline void line_one(codes c, float scale, float plus_one, float *x)
{
    line(c, (const float[2]){scale, scale}, (const float[2]){plus_one, plus_one}, x);
}
#endif

#endif
