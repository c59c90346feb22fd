#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_wide_k.h"

bool ggml_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2");
}

/* As the plain code: an exponent of all ones, and 1 more, reaches the sign. */
AVX2 bool ggml_avx2_finite(const float *values, uint64_t count)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000), one = _mm256_set1_epi32(0x800000);
    __m256i special = _mm256_setzero_si256();
    uint64_t at = 0;
    uint32_t rest = 0;
    for (; at + 32 <= count; at += 32)
        for (int v = 0; v < 4; v++) {
            const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)(values + at + 8 * v));
            special = _mm256_or_si256(special, _mm256_add_epi32(_mm256_and_si256(bits, exponent), one));
        }
    for (; at < count; at++)
        rest |= (le_load32(values + at) & 0x7f800000u) + 0x800000u;
    return _mm256_movemask_ps(_mm256_castsi256_ps(special)) == 0 && rest >> 31 == 0;
}

const struct ggml_k_search ggml_avx2_search = {wide_k_offset, wide_k_centred, wide_k_three, wide_k_again_offset, wide_k_again_centred};

uint64_t ggml_avx2_q2_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q2_K, &ggml_avx2_search, row, elements, to);
}

uint64_t ggml_avx2_q3_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q3_K, &ggml_avx2_search, row, elements, to);
}

uint64_t ggml_avx2_q4_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q4_K, &ggml_avx2_search, row, elements, to);
}

uint64_t ggml_avx2_q5_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q5_K, &ggml_avx2_search, row, elements, to);
}

uint64_t ggml_avx2_q6_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q6_K, &ggml_avx2_search, row, elements, to);
}
#endif
