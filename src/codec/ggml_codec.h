/* ggml's block types: floats to blocks and back, with the bytes of ggml (x86-64, built without FMA: what llama.cpp's releases are). Pure functions; layouts and
 * rules stand beside the code of each type. Every type of files is here, F32, F16 and BF16 among them, but no integers and no F64.
 * Facts: ggml-org/ggml:src/ggml-quants.c, src/ggml-common.h, src/ggml-impl.h (0.25.3). */
#ifndef REPAQ_GGML_CODEC_H
#define REPAQ_GGML_CODEC_H

#include "codec/ggml_grid.h"
#include "ir/ggml.h"

#include <stdbool.h>
#include <stdint.h>

/* One row of a tensor. Rows are independent of each other, but blocks of a row are not (a quantizer with weights looks at the whole row). */
struct ggml_codec_row {
    const float *values;  /* [elements]: finite, see ggml_codec_finite */
    const float *weights; /* [elements]: importance of each column (imatrix), finite and not negative; NULL for none */
    uint64_t elements;    /* whole blocks of the type */
};

bool ggml_codec_has(enum ggml_type type);           /* false: no type of blocks or floats; the functions below must not be called with it */
bool ggml_codec_needs_weights(enum ggml_type type); /* ggml_codec_quantize needs weights: IQ2_XXS, IQ2_XS, IQ1_S */

/* values[elements] of blocks; elements are whole blocks. Any bytes have values (infinite or NaN where a scale is). */
void ggml_codec_dequantize(enum ggml_type type, const uint8_t *blocks, uint64_t elements, float *values);
/* Blocks of a row. grids holds the type's (ggml_grid_build); may be NULL for types without. False where ggml aborts: values so large or weights so odd that a
 * scale is no number. What it wrote may still be no sound row: see ggml_codec_valid. */
bool ggml_codec_quantize(enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids, uint8_t *blocks);
/* The same by the kernels of one set (ggml_fast_set), or by plain code alone, block by block, with NULL: that is what sets are held against. */
struct ggml_fast;
bool ggml_codec_quantize_with(const struct ggml_fast *fast, enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids,
                              uint8_t *blocks);
void ggml_codec_dequantize_with(const struct ggml_fast *fast, enum ggml_type type, const uint8_t *blocks, uint64_t elements, float *values);

/* True where all values are finite: what llama-quantize demands of a tensor that it reads. */
bool ggml_codec_finite(const float *values, uint64_t count);
/* ggml_validate_row_data: true where all scales (of plain types: all values) are finite. elements are whole blocks of any type that has some, integers, F64 and
 * Q8_K among them; of Q8_1 ggml takes none. */
bool ggml_codec_valid(enum ggml_type type, const uint8_t *blocks, uint64_t elements);

#endif
