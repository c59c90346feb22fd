/* Rows of floats become columns, in registers of AVX2. */
#ifndef REPAQ_GGML_TURN_H
#define REPAQ_GGML_TURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,f16c"))) /* every processor with AVX2 has F16C */

/* Eight rows of eight, turned. */
AVX2 static inline void turn(const float *x, size_t stride, __m256 *out)
{
    __m256 a[8], b[8];
    for (size_t r = 0; r < 8; r++)
        a[r] = _mm256_loadu_ps(x + r * stride);
    for (int r = 0; r < 4; r++) {
        b[2 * r] = _mm256_unpacklo_ps(a[2 * r], a[2 * r + 1]);
        b[2 * r + 1] = _mm256_unpackhi_ps(a[2 * r], a[2 * r + 1]);
    }
    for (int h = 0; h < 2; h++) {
        a[4 * h] = _mm256_shuffle_ps(b[4 * h], b[4 * h + 2], 0x44);
        a[4 * h + 1] = _mm256_shuffle_ps(b[4 * h], b[4 * h + 2], 0xee);
        a[4 * h + 2] = _mm256_shuffle_ps(b[4 * h + 1], b[4 * h + 3], 0x44);
        a[4 * h + 3] = _mm256_shuffle_ps(b[4 * h + 1], b[4 * h + 3], 0xee);
    }
    for (int c = 0; c < 4; c++) {
        out[c] = _mm256_permute2f128_ps(a[c], a[c + 4], 0x20);
        out[c + 4] = _mm256_permute2f128_ps(a[c], a[c + 4], 0x31);
    }
}
#endif

#endif
