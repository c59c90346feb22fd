#define GGML_LANES_AVX512
#include "codec/ggml_avx512.h"

#if defined(__x86_64__)
#include "codec/ggml_avx2.h"
#include "codec/ggml_wide_iq4.h"
#include "codec/ggml_wide_k.h"
#include "codec/ggml_wide_legacy.h"

/* The compiler's support asks the processor, and whether the system keeps the registers (XCR0). */
bool ggml_avx512_usable(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && ggml_avx2_usable();
}

/* A super-block of eight sub-blocks does not fill the lanes. */
static void find_offset(unsigned count, const float *x, const struct ggml_k_weights *weights, const struct ggml_search_affine *how,
                        struct ggml_k_found *found, uint8_t *codes)
{
    if ((int)count * GGML_SUPER / how->count < LANES)
        ggml_avx2_search.offset(count, x, weights, how, found, codes);
    else
        wide_k_offset(count, x, weights, how, found, codes);
}

static const struct ggml_k_search search = {find_offset, wide_k_centred, wide_k_three, wide_k_again_offset, wide_k_again_centred};

uint64_t ggml_avx512_q2_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q2_K, &search, row, elements, to);
}

uint64_t ggml_avx512_q3_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q3_K, &search, row, elements, to);
}

uint64_t ggml_avx512_q4_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q4_K, &search, row, elements, to);
}

uint64_t ggml_avx512_q5_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q5_K, &search, row, elements, to);
}

uint64_t ggml_avx512_q6_k(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return ggml_k_row(GGML_Q6_K, &search, row, elements, to);
}

/* Without weights the kernels of AVX2 wait for memory already; rows too short for sixteen blocks may be long enough for eight. */
static uint64_t legacy(const struct ggml_legacy_kind *kind, ggml_fast_encode *otherwise, const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    if (row->weights == NULL || elements < LANES * WIDE_BLOCK)
        return otherwise(row, elements, to);
    return wide_legacy(kind, row, elements, to);
}

uint64_t ggml_avx512_q4_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q4_0, ggml_avx2_legacy_q4_0, row, elements, to);
}

uint64_t ggml_avx512_q4_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q4_1, ggml_avx2_legacy_q4_1, row, elements, to);
}

uint64_t ggml_avx512_q5_0(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q5_0, ggml_avx2_legacy_q5_0, row, elements, to);
}

uint64_t ggml_avx512_q5_1(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return legacy(&ggml_legacy_kind_q5_1, ggml_avx2_legacy_q5_1, row, elements, to);
}

uint64_t ggml_avx512_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    const uint64_t done = wide_iq4_nl(row, elements, to);
    return done > 0 ? done : ggml_avx2_iq4_nl(row, elements, to);
}

/* An odd super-block is left. */
uint64_t ggml_avx512_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    const uint64_t done = wide_iq4_xs(row, elements, to);
    const struct ggml_part rest = {.x = row->x + done, .weights = row->weights != NULL ? row->weights + done : NULL};
    return done + ggml_avx2_iq4_xs(&rest, elements - done, to + done / GGML_SUPER * ggml_block_bytes(GGML_IQ4_XS));
}
#endif
