#include "codec/ggml_fast.h"

#include "codec/ggml_avx2.h"
#include "codec/ggml_avx512.h"
#include "codec/ggml_neon.h"

#if defined(__x86_64__)
static const struct ggml_fast avx2 = {
    .name = "AVX2",
    .usable = ggml_avx2_usable,
    .finite = ggml_avx2_finite,
    .encode = {[GGML_Q8_0] = ggml_avx2_legacy_q8_0,
               [GGML_Q4_0] = ggml_avx2_legacy_q4_0,
               [GGML_Q4_1] = ggml_avx2_legacy_q4_1,
               [GGML_Q5_0] = ggml_avx2_legacy_q5_0,
               [GGML_Q5_1] = ggml_avx2_legacy_q5_1,
               [GGML_Q2_K] = ggml_avx2_q2_k,
               [GGML_Q3_K] = ggml_avx2_q3_k,
               [GGML_Q4_K] = ggml_avx2_q4_k,
               [GGML_Q5_K] = ggml_avx2_q5_k,
               [GGML_Q6_K] = ggml_avx2_q6_k,
               [GGML_IQ4_NL] = ggml_avx2_iq4_nl,
               [GGML_IQ4_XS] = ggml_avx2_iq4_xs,
               [GGML_IQ1_S] = ggml_avx2_iq_1s,
               [GGML_IQ1_M] = ggml_avx2_iq_1m,
               [GGML_IQ2_XXS] = ggml_avx2_iq_2xxs,
               [GGML_IQ2_XS] = ggml_avx2_iq_2xs,
               [GGML_IQ2_S] = ggml_avx2_iq_2s,
               [GGML_IQ3_XXS] = ggml_avx2_iq_3xxs,
               [GGML_IQ3_S] = ggml_avx2_iq_3s,
               [GGML_MXFP4] = ggml_avx2_fp4_mx,
               [GGML_NVFP4] = ggml_avx2_fp4_nv,
               [GGML_Q2_0] = ggml_avx2_legacy_q2_0},
#define X(type, name) [type] = ggml_avx2_decode_##name,
    .decode = {GGML_FAST_DECODES(X)},
#undef X
};

static const struct ggml_fast avx512 = {
    .name = "AVX-512",
    .usable = ggml_avx512_usable,
    .encode = {[GGML_Q2_K] = ggml_avx512_q2_k,
               [GGML_Q3_K] = ggml_avx512_q3_k,
               [GGML_Q4_K] = ggml_avx512_q4_k,
               [GGML_Q5_K] = ggml_avx512_q5_k,
               [GGML_Q6_K] = ggml_avx512_q6_k,
               [GGML_Q4_0] = ggml_avx512_q4_0,
               [GGML_Q4_1] = ggml_avx512_q4_1,
               [GGML_Q5_0] = ggml_avx512_q5_0,
               [GGML_Q5_1] = ggml_avx512_q5_1,
               [GGML_IQ4_NL] = ggml_avx512_iq4_nl,
               [GGML_IQ4_XS] = ggml_avx512_iq4_xs},
};

static const struct ggml_fast *const sets[] = {&avx512, &avx2};
#define SETS (sizeof sets / sizeof sets[0])
#elif defined(__aarch64__)
static const struct ggml_fast neon = {
    .name = "NEON",
    .usable = ggml_neon_usable,
    .encode = {[GGML_Q8_0] = ggml_neon_q8_0,
               [GGML_Q4_0] = ggml_neon_q4_0,
               [GGML_Q4_1] = ggml_neon_q4_1,
               [GGML_Q5_0] = ggml_neon_q5_0,
               [GGML_Q5_1] = ggml_neon_q5_1,
               [GGML_Q2_K] = ggml_neon_q2_k,
               [GGML_Q3_K] = ggml_neon_q3_k,
               [GGML_Q4_K] = ggml_neon_q4_k,
               [GGML_Q5_K] = ggml_neon_q5_k,
               [GGML_Q6_K] = ggml_neon_q6_k,
               [GGML_IQ4_NL] = ggml_neon_iq4_nl,
               [GGML_IQ4_XS] = ggml_neon_iq4_xs},
#define X(type, name) [type] = ggml_neon_decode_##name,
    .decode = {GGML_FAST_DECODES(X)},
#undef X
};

static const struct ggml_fast *const sets[] = {&neon};
#define SETS (sizeof sets / sizeof sets[0])
#else
static const struct ggml_fast *const sets[1] = {NULL};
#define SETS 0
#endif

const struct ggml_fast *ggml_fast_set(size_t index)
{
    for (size_t s = 0; s < SETS; s++)
        if (sets[s]->usable() && index-- == 0)
            return sets[s];
    return NULL;
}
