/* The types of 32 elements with a scale, or a scale and a minimum, and 4 or 5 bits: Q4_0, Q4_1, Q5_0, Q5_1. */
#ifndef REPAQ_GGML_LEGACY_H
#define REPAQ_GGML_LEGACY_H

#include "codec/ggml_kernels.h"
#include "codec/ggml_search.h"

struct ggml_legacy_kind {
    uint32_t bytes;                   /* of a block */
    int half;                         /* codes are below twice that */
    bool offset;                      /* with a minimum; else -half is the code 0 */
    bool five;                        /* bits */
    struct ggml_search_affine search; /* with weights, where there is a minimum */
};
extern const struct ggml_legacy_kind ggml_legacy_kind_q4_0, ggml_legacy_kind_q4_1, ggml_legacy_kind_q5_0, ggml_legacy_kind_q5_1;

/* A block of 32 codes; least: the minimum, for kinds that have one. */
void ggml_legacy_store(const struct ggml_legacy_kind *kind, float d, float least, const uint8_t *codes, uint8_t *block);

#endif
