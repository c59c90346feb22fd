#include "codec/ggml_neon.h"

#if defined(__aarch64__)
#include "codec/ggml_wide_decode.h"
#include "codec/ggml_wide_decode_k.h"
#include "codec/ggml_wide_points.h"

#define X(type, name) \
    void ggml_neon_decode_##name(const uint8_t *blocks, uint64_t elements, float *x) \
    { \
        decode_##name(blocks, elements, x); \
    }
GGML_FAST_DECODES(X)
#undef X
#endif
