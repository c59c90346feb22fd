/* Minifloats to F32, where every one of them is exact: the 8-bit floats, the exponents that scale blocks, and FP4.
 *
 *     F8_E4M3      s eeee fff   bias  7, to 448, no infinity, NaN 7F and FF             OCP 8-bit floats, "FN"
 *     F8_E5M2      s eeeee ff   bias 15, to 57344, infinity 7C, NaN 7D..7F              OCP 8-bit floats, as IEEE
 *     F8_E4M3FNUZ  s eeee fff   bias  8, to 240, NaN 80, so no -0                       torch.float8_e4m3fnuz
 *     F8_E5M2FNUZ  s eeeee ff   bias 16, to 57344, NaN 80, so no -0                     torch.float8_e5m2fnuz
 *     F8_E8M0      eeeeeeee     2^(e - 127), NaN FF, no zero                            OCP MX: the scale of a block
 *     F4           s ee f       bias  1, 0 .5 1 1.5 2 3 4 6, no infinity, no NaN        OCP MX: E2M1
 *
 * Exponent 0 is zero and the subnormals in all but F8_E8M0. A NaN is quiet; F8_E4M3 and F8_E5M2 keep its sign and
 * fraction, and are bit for bit what torch converts them to. */
#ifndef REPAQ_MINIFLOAT_H
#define REPAQ_MINIFLOAT_H

#include "ir/dtype.h"

#include <stddef.h>
#include <stdint.h>

/* The value of one code, below 16 for F4. dtype is one of the six above, here and below. */
float minifloat_value(enum dtype dtype, uint8_t code);
/* codes: count bytes, for F4 ceil(count / 2) with the first of two in the low nibble. Made for long runs: at least some hundred. */
void minifloat_load(enum dtype dtype, const uint8_t *codes, size_t count, float *values);

#define MINIFLOAT_MX_BLOCK 32 /* elements that share one exponent */
/* MXFP4: nibbles [blocks][16], low nibble first, exponents [blocks] F8_E8M0, values [blocks][32]. value = F4 * 2^(e - 127): exact, but
 * infinite from 2^128 on (e >= 252). e = 255 gives NaN (OCP MX), where transformers goes on with 2^128 and ggml with half of it. */
void minifloat_load_mxfp4(const uint8_t *nibbles, const uint8_t *exponents, size_t blocks, float *values);
/* MXFP4 as integers of 5 bits: each F4 code becomes 16 + twice its value (4..28; -0 as 0), in place; codes [count], one a byte, below 16. */
void minifloat_double_f4(uint8_t *codes, size_t count);
/* and their scales: scales[i] = 2^(e - 128), exact in F32 (and in BF16); e = 255 gives NaN. */
void minifloat_halve_e8m0(const uint8_t *exponents, size_t count, float *scales);

#endif
