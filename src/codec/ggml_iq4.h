/* How blocks of IQ4_NL and IQ4_XS are stored once scales are found; for the plain code and for faster kernels. */
#ifndef REPAQ_GGML_IQ4_H
#define REPAQ_GGML_IQ4_H

#include "codec/ggml_kernels.h"

extern const int8_t ggml_iq4_table[16];

/* The scale of the sub-block b of IQ4_XS, plus 32. */
int ggml_iq4_scale(const uint8_t *block, int b);

/* The codes nearest to inverse * x of 32 elements, as 16 bytes: elements j and j + 16 in one. */
typedef void ggml_iq4_nibbles(const float *x, float inverse, uint8_t *to);

void ggml_iq4_store_nl(const float *x, float scale, ggml_iq4_nibbles *nibbles, uint8_t *block);
/* scales: of eight sub-blocks. */
void ggml_iq4_store_xs(const float *x, const float *scales, ggml_iq4_nibbles *nibbles, uint8_t *block);

#endif
