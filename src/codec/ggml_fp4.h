/* What plain and faster code of MXFP4 and NVFP4 share. */
#ifndef REPAQ_GGML_FP4_H
#define REPAQ_GGML_FP4_H

#include "codec/ggml_kernels.h"

extern const int8_t ggml_fp4_doubled[16]; /* the values of E2M1, times 2 */

/* 2^(e - 128); 255 stands for no number, and is 2^127 here. */
float ggml_fp4_half_exponent(uint8_t e);
/* That of MXFP4 for the largest size in a block: its exponent, less that of 4..6, by log2f: just below a power of two it rounds up. */
uint8_t ggml_fp4_exponent(float most);

/* Half of a scale of NVFP4, and the code for a scale: ties away from zero, 448 at most; below the smallest normal in steps of 2^-9. */
float ggml_fp4_half_scale(uint8_t code);
uint8_t ggml_fp4_scale_code(float value);

/* Codes of 2 * half elements at a scale, elements j and j + half in one byte. */
void ggml_fp4_nibbles(const float *x, int half, float d, uint8_t *to);

#endif
