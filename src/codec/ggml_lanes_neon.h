/* Four lanes of NEON; see ggml_lanes.h. */
#ifndef REPAQ_GGML_LANES_NEON_H
#define REPAQ_GGML_LANES_NEON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__aarch64__)
#include <arm_neon.h>

#define WIDE
#define LANES 4

typedef float32x4_t vec;
typedef uint32x4_t truth;
typedef int32x4_t ivec;

static inline vec splat(float value)
{
    return vdupq_n_f32(value);
}

static inline vec load_vec(const float *x)
{
    return vld1q_f32(x);
}

static inline void store_vec(float *x, vec v)
{
    vst1q_f32(x, v);
}

static inline void load(const float *x, size_t stride, int count, vec *out)
{
    for (int i = 0; i < count; i += 4, x += 4) {
        const float32x4x2_t a = vtrnq_f32(vld1q_f32(x), vld1q_f32(x + stride)), b = vtrnq_f32(vld1q_f32(x + 2 * stride), vld1q_f32(x + 3 * stride));
        out[i] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
        out[i + 1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
        out[i + 2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
        out[i + 3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
    }
}

static inline truth greater(vec a, vec b)
{
    return vcgtq_f32(a, b);
}

static inline truth at_most(vec a, vec b)
{
    return vcleq_f32(a, b);
}

static inline truth differs(vec a, vec b)
{
    return vmvnq_u32(vceqq_f32(a, b));
}

static inline truth both(truth m, truth n)
{
    return vandq_u32(m, n);
}

static inline unsigned bits_of(truth m)
{
    const int32_t places[4] = {0, 1, 2, 3};
    return vaddvq_u32(vshlq_u32(vshrq_n_u32(m, 31), vld1q_s32(places)));
}

static inline vec choose(truth m, vec yes, vec no)
{
    return vbslq_f32(m, yes, no);
}

static inline vec keep(truth m, vec v)
{
    return vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(v)));
}

static inline vec drop(truth m, vec v)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), m));
}

/* Not vmaxq and vminq, which give NaN where one is NaN. */
static inline vec larger(vec a, vec b)
{
    return choose(vcgtq_f32(a, b), a, b);
}

static inline vec smaller(vec a, vec b)
{
    return choose(vcltq_f32(a, b), a, b);
}

static inline vec magnitude(vec v)
{
    return vabsq_f32(v);
}

static inline vec root(vec v)
{
    return vsqrtq_f32(v);
}

static inline ivec nearest(vec v)
{
    const ivec bits = vreinterpretq_s32_f32(vaddq_f32(v, splat(0x1.8p23f)));
    return vsubq_s32(vandq_s32(bits, vdupq_n_s32(0x7fffff)), vdupq_n_s32(0x400000));
}

static inline ivec whole(vec v)
{
    return vcvtq_s32_f32(v);
}

static inline ivec nearest_within(vec v, int least, int most)
{
    return vminq_s32(vmaxq_s32(nearest(v), vdupq_n_s32(least)), vdupq_n_s32(most));
}

static inline vec nearest_code(vec v, int least, int most)
{
    return vcvtq_f32_s32(nearest_within(v, least, most));
}

static inline void store_16(const vec *v, int least, int most, uint8_t *to)
{
    const ivec shift = vdupq_n_s32(least);
    int16x4_t words[4];
    for (int i = 0; i < 4; i++)
        words[i] = vmovn_s32(vsubq_s32(nearest_within(v[i], least, most), shift));
    vst1q_u8(to, vcombine_u8(vqmovun_s16(vcombine_s16(words[0], words[1])), vqmovun_s16(vcombine_s16(words[2], words[3]))));
}
#endif

#endif
