#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_wide_decode.h"
#include "codec/ggml_wide_decode_k.h"
#include "codec/ggml_wide_points.h"

#define X(type, name) \
    AVX2 void ggml_avx2_decode_##name(const uint8_t *blocks, uint64_t elements, float *x) \
    { \
        decode_##name(blocks, elements, x); \
    }
GGML_FAST_DECODES(X)
#undef X
#endif
