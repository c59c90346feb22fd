/* Kernels for AVX-512 (F, BW, DQ, VL), where they are quicker than those for AVX2. */
#ifndef REPAQ_GGML_AVX512_H
#define REPAQ_GGML_AVX512_H

#include "codec/ggml_fast.h"

#if defined(__x86_64__)
bool ggml_avx512_usable(void);

ggml_fast_encode ggml_avx512_q2_k, ggml_avx512_q3_k, ggml_avx512_q4_k, ggml_avx512_q5_k, ggml_avx512_q6_k;
ggml_fast_encode ggml_avx512_q4_0, ggml_avx512_q4_1, ggml_avx512_q5_0, ggml_avx512_q5_1, ggml_avx512_iq4_nl, ggml_avx512_iq4_xs;
#endif

#endif
