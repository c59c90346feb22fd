/* Kernels for NEON, which every 64-bit Arm has. */
#ifndef REPAQ_GGML_NEON_H
#define REPAQ_GGML_NEON_H

#include "codec/ggml_fast.h"

#if defined(__aarch64__)
bool ggml_neon_usable(void);

ggml_fast_encode ggml_neon_q8_0, ggml_neon_q4_0, ggml_neon_q4_1, ggml_neon_q5_0, ggml_neon_q5_1;
ggml_fast_encode ggml_neon_q2_k, ggml_neon_q3_k, ggml_neon_q4_k, ggml_neon_q5_k, ggml_neon_q6_k, ggml_neon_iq4_nl, ggml_neon_iq4_xs;
#define X(type, name) ggml_fast_decode ggml_neon_decode_##name;
GGML_FAST_DECODES(X)
#undef X
#endif

#endif
