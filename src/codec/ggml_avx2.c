#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_wide_k.h"

bool ggml_avx2_usable(void)
{
    return __builtin_cpu_supports("avx2");
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
