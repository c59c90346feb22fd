/* The table of IQ4 (ggml_iq4_table) in four lanes of NEON; see ggml_wide_iq4.h. */
#ifndef REPAQ_GGML_TABLE_NEON_H
#define REPAQ_GGML_TABLE_NEON_H

#include "codec/ggml_lanes_neon.h"

#if defined(__aarch64__)
/* Middles between neighbours as a tree: those of node n are nodes 2 n and 2 n + 1, and leaf 16 + c is code c. Sixteen floats each, as bytes. */
struct tables {
    uint8x16x4_t middles, values;
};

static inline uint8x16x4_t floats(const float *from)
{
    uint8x16x4_t bytes;
    for (int i = 0; i < 4; i++)
        bytes.val[i] = vreinterpretq_u8_f32(vld1q_f32(from + 4 * i));
    return bytes;
}

static inline struct tables tables(void)
{
    static const float middles[16] = {0, -4.5f, -57, 45.5f, -93.5f, -28.5f, 19, 79, -115.5f, -74, -42, -16, 7, 31.5f, 61, 101};
    static const float values[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    return (struct tables){floats(middles), floats(values)};
}

/* table[index], four times; indices are below 16. */
static inline vec pick(uint8x16x4_t table, uint32x4_t index)
{
    const uint32x4_t bytes = vaddq_u32(vmulq_n_u32(index, 0x04040404u), vdupq_n_u32(0x03020100u));
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_u32(bytes)));
}

/* The code of each value: a value that is not below the middle goes up; NaN is not. */
static inline uint32x4_t table_code(const struct tables *t, vec value)
{
    uint32x4_t node = vdupq_n_u32(1);
    for (int bit = 0; bit < 4; bit++) {
        const uint32x4_t up = vmvnq_u32(vcltq_f32(value, pick(t->middles, node)));
        node = vsubq_u32(vaddq_u32(node, node), up);
    }
    return vandq_u32(node, vdupq_n_u32(15));
}

/* The value of the table that is nearest. */
static inline vec table_value(const struct tables *t, vec value)
{
    return pick(t->values, table_code(t, value));
}

/* See ggml_iq4_nibbles. */
static void table_nibbles(const float *x, float inverse, uint8_t *to)
{
    const struct tables t = tables();
    for (int i = 0; i < 16; i += 8) {
        uint16x4_t words[2];
        for (int h = 0; h < 2; h++) {
            const float *at = x + i + 4 * h;
            const uint32x4_t lower = table_code(&t, splat(inverse) * load_vec(at)), upper = table_code(&t, splat(inverse) * load_vec(at + 16));
            words[h] = vmovn_u32(vorrq_u32(lower, vshlq_n_u32(upper, 4)));
        }
        vst1_u8(to + i, vmovn_u16(vcombine_u16(words[0], words[1])));
    }
}
#endif

#endif
