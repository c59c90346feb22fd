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

/* The sets that this processor can run, the best first; NULL from the end on. */
const struct ggml_fast *ggml_fast_set(size_t index);

#endif
