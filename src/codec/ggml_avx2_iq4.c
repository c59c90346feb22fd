#include "codec/ggml_avx2.h"

#if defined(__x86_64__)
#include "codec/ggml_wide_iq4.h"

uint64_t ggml_avx2_iq4_nl(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return wide_iq4_nl(row, elements, to);
}

uint64_t ggml_avx2_iq4_xs(const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    return wide_iq4_xs(row, elements, to);
}
#endif
