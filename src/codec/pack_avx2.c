#include "codec/pack_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

bool pack_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2");
}

#define AVX2 __attribute__((target("avx2")))

/* One row in each half of a register: the halves are turned side by side. */
AVX2 static inline __m256i load_two(const uint8_t *at, size_t half)
{
    return _mm256_loadu2_m128i((const __m128i *)(const void *)(at + half), (const __m128i *)(const void *)at);
}

AVX2 static inline void store(uint8_t *at, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)at, v);
}

AVX2 static inline void turn_pair(const __m256i *a, __m256i *b, size_t k)
{
    b[2 * k] = _mm256_unpacklo_epi8(a[k], a[k + 8]);
    b[2 * k + 1] = _mm256_unpackhi_epi8(a[k], a[k + 8]);
}

AVX2 static inline void turn_round(const __m256i *a, __m256i *b)
{
    turn_pair(a, b, 0), turn_pair(a, b, 1), turn_pair(a, b, 2), turn_pair(a, b, 3);
    turn_pair(a, b, 4), turn_pair(a, b, 5), turn_pair(a, b, 6), turn_pair(a, b, 7);
}

AVX2 static inline void load_four(const uint8_t *from, size_t stride, __m256i *a)
{
    a[0] = load_two(from, 16 * stride), a[1] = load_two(from + stride, 16 * stride);
    a[2] = load_two(from + 2 * stride, 16 * stride), a[3] = load_two(from + 3 * stride, 16 * stride);
}

AVX2 static inline void store_four(uint8_t *to, size_t stride, const __m256i *a)
{
    store(to, a[0]), store(to + stride, a[1]), store(to + 2 * stride, a[2]), store(to + 3 * stride, a[3]);
}

AVX2 void pack_avx2_turn(const uint8_t *from, size_t from_stride, uint8_t *to, size_t to_stride)
{
    __m256i a[16], b[16];
    load_four(from, from_stride, a);
    load_four(from + 4 * from_stride, from_stride, a + 4);
    load_four(from + 8 * from_stride, from_stride, a + 8);
    load_four(from + 12 * from_stride, from_stride, a + 12);
    turn_round(a, b);
    turn_round(b, a);
    turn_round(a, b);
    turn_round(b, a);
    store_four(to, to_stride, a);
    store_four(to + 4 * to_stride, to_stride, a + 4);
    store_four(to + 8 * to_stride, to_stride, a + 8);
    store_four(to + 12 * to_stride, to_stride, a + 12);
}

#endif
