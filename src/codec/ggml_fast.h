/* Faster kernels of ggml's types, in sets: what one kind of processor runs. A set need not have every type. The same bits as the plain code's, always. */
#ifndef REPAQ_GGML_FAST_H
#define REPAQ_GGML_FAST_H

#include "codec/ggml_kernels.h"
#include "ir/ggml.h"

/* As many blocks of a row as it can, from the first on; returns the elements done. row->x and row->weights are those of the whole row. */
typedef uint64_t ggml_fast_encode(const struct ggml_part *row, uint64_t elements, uint8_t *to);
/* All of the blocks. */
typedef void ggml_fast_decode(const uint8_t *blocks, uint64_t elements, float *x);

struct ggml_fast {
    const char *name;
    bool (*usable)(void); /* by this processor under this system */
    ggml_fast_encode *encode[GGML_COUNT];
    ggml_fast_decode *decode[GGML_COUNT];
    bool (*finite)(const float *values, uint64_t count); /* ggml_codec_finite */
};

/* X(type, name) of the types whose values the sets of AVX2 and of NEON make: one layout for both (ggml_codes.h). */
#define GGML_FAST_DECODES(X) \
    X(GGML_Q8_0, q8_0) \
    X(GGML_Q4_0, q4_0) \
    X(GGML_Q4_1, q4_1) \
    X(GGML_Q5_0, q5_0) \
    X(GGML_Q5_1, q5_1) \
    X(GGML_Q1_0, q1_0) \
    X(GGML_Q2_0, q2_0) \
    X(GGML_Q2_K, q2_k) \
    X(GGML_Q3_K, q3_k) \
    X(GGML_Q4_K, q4_k) \
    X(GGML_Q5_K, q5_k) \
    X(GGML_Q6_K, q6_k) \
    X(GGML_IQ1_S, iq1_s) \
    X(GGML_IQ1_M, iq1_m) \
    X(GGML_IQ2_XXS, iq2_xxs) \
    X(GGML_IQ2_XS, iq2_xs) \
    X(GGML_IQ2_S, iq2_s) \
    X(GGML_IQ3_XXS, iq3_xxs) \
    X(GGML_IQ3_S, iq3_s) \
    X(GGML_IQ4_NL, iq4_nl) \
    X(GGML_IQ4_XS, iq4_xs) \
    X(GGML_TQ1_0, tq1_0) \
    X(GGML_TQ2_0, tq2_0) \
    X(GGML_MXFP4, mxfp4)

/* The sets that this processor can run, the best first; NULL from the end on. */
const struct ggml_fast *ggml_fast_set(size_t index);

#endif
