/* What plain and faster code of MXFP4 and NVFP4 share. */
#ifndef REPAQ_GGML_FP4_H
#define REPAQ_GGML_FP4_H

#include "codec/ggml_kernels.h"

extern const int8_t ggml_fp4_doubled[16]; /* the values of E2M1, times 2 */

/* 2^(e - 128); 255 stands for no number, and is 2^127 here. */
float ggml_fp4_half_exponent(uint8_t e);

#endif
