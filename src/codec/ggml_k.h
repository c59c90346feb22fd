/* The parts of making a K super-block that have faster kernels. */
#ifndef REPAQ_GGML_K_H
#define REPAQ_GGML_K_H

#include "codec/ggml_kernels.h"
#include "codec/ggml_search.h"

enum ggml_k_weighing {
    GGML_K_WEIGH_SIZE,       /* |x|, in sub-blocks of 32 more by the root of their mean square */
    GGML_K_WEIGH_SQUARE,     /* x * x */
    GGML_K_WEIGH_IMPORTANCE, /* importance * sqrt(mean square of the super-block + x * x) */
    GGML_K_WEIGH_GIVEN,      /* importance */
};

/* What sub-blocks came to before their scales are rounded. */
struct ggml_k_found {
    float scales[16], mins[16]; /* value ~ scale * code - min */
    float sums[16];             /* of weights */
};

/* The scales that a block stores, with codes of each sub-block. */
struct ggml_k_stored {
    float d, dmin;
    uint8_t scales[16], mins[16];
};

struct ggml_k_weights {
    enum ggml_k_weighing kind;
    const float *importance; /* [256]; NULL where the kind needs none */
    float mean_square;
};

#define GGML_K_TOGETHER 4 /* super-blocks that are searched at once, at most; 1, 2 or 4 are */

/* The first three search `count` super-blocks that stand side by side: x and codes [count][256], weights and found [count]. */
struct ggml_k_search {
    /* Scale, min and codes of each sub-block of how->count; ggml_search_affine. */
    void (*offset)(unsigned count, const float *x, const struct ggml_k_weights *weights, const struct ggml_search_affine *how, struct ggml_k_found *found,
                   uint8_t *codes);
    /* Scale and codes of each of 16 sub-blocks; ggml_search_centred. */
    void (*centred)(unsigned count, const float *x, const struct ggml_k_weights *weights, int half, struct ggml_k_found *found, uint8_t *codes);
    /* The same; ggml_search_three. */
    void (*three)(unsigned count, const float *x, struct ggml_k_found *found, uint8_t *codes);
    /* Codes for the scales that are stored. A sub-block with scale 0 keeps the codes that it has. */
    void (*again_offset)(const struct ggml_k_stored *stored, int size, int most, const float *x, uint8_t *codes);
    void (*again_centred)(float d, const int8_t *scales, int half, const float *x, uint8_t *codes);
};

/* Scales of 6 bits: eight and eight mins of Q4_K and Q5_K, or sixteen of Q3_K. */
void ggml_k_sixes(const uint8_t *from, uint8_t *scales, uint8_t *mins);
void ggml_k_sixteen(const uint8_t *from, uint8_t *scales);

/* Makes `count` super-blocks of Q2_K..Q6_K, at most GGML_K_TOGETHER. */
void ggml_k_encode(enum ggml_type type, const struct ggml_k_search *search, const struct ggml_part *part, unsigned count, uint8_t *blocks);
/* All super-blocks of a row, as many at once as there are; see ggml_fast_encode. */
uint64_t ggml_k_row(enum ggml_type type, const struct ggml_k_search *search, const struct ggml_part *row, uint64_t elements, uint8_t *to);

#endif
