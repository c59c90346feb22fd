/* Round to nearest: the formulas written down once more, groups that mx.quantize rounded, what is refused, and the errors that are reported. */
#include "codec/round.h"

#include "codec/half.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT_MAX 300

static const enum dtype dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* About -1..1, more often small. */
static float random_float(uint64_t *seed)
{
    const float a = (float)((int64_t)(next_random(seed) >> 20 & 0xfffff) - 0x80000) * 0x1p-19f;
    return a * (float)(next_random(seed) >> 20 & 0xfff) * 0x1p-12f;
}

static float cast(enum dtype dtype, float value)
{
    uint8_t stored[4];
    half_store(dtype, &value, 1, stored, NULL);
    half_load(dtype, stored, 1, &value);
    return value;
}

/* --- the formulas of the command line's contract, one value at a time --------------------------------------------------------- */

struct expected {
    float scale;
    int32_t zero;
    int code[COUNT_MAX];
    uint64_t clamped;
};

static float limit(float value, float top, uint64_t *clamped)
{
    *clamped += value < 0 || value > top ? 1 : 0;
    return value < 0 ? 0 : value > top ? top : value;
}

static void integer_by_hand(const struct round_rule *rule, const float *w, size_t count, struct expected *e)
{
    const float half = ldexpf(1, (int)rule->bits - 1), top = 2 * half - 1;
    float min = 0, max = 0, zero = half;
    for (size_t i = 0; i < count; i++) {
        min = fminf(min, w[i]);
        max = fmaxf(max, w[i]);
    }
    e->clamped = 0;
    e->scale = cast(rule->scale_dtype, rule->grid == ROUND_SYMMETRIC ? fmaxf(max, -min) / (half - 1) : (max - min) / top);
    if (rule->grid == ROUND_ASYMMETRIC && e->scale != 0)
        zero = limit(nearbyintf(-min / e->scale), top, &e->clamped);
    e->zero = (int32_t)zero;
    for (size_t i = 0; i < count; i++)
        e->code[i] = e->scale == 0 ? e->zero : (int)limit(nearbyintf(w[i] / e->scale) + zero, top, &e->clamped);
}

static void check_errors(const struct round_params *params, const float *w, size_t count, const uint8_t *codes, const struct round_tally *tally)
{
    double most = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        const double error = (double)w[i] - ((double)((int32_t)codes[i] - params->zero) * (double)params->scale + (double)params->beta);
        most = fmax(most, fabs(error));
        squares += error * error;
    }
    assert_true(tally->max_error == most);
    assert_true(fabs(tally->squares - squares) <= squares * 1e-13);
}

/* Groups of every kind: spread, one-sided, with one outlier, all equal, all but one zero. */
static void fill(uint64_t *seed, int kind, float *w, size_t count)
{
    const float size = ldexpf(1, -(int)(next_random(seed) % 9)), same = random_float(seed);
    for (size_t i = 0; i < count; i++) {
        const float value = random_float(seed) * size;
        w[i] = kind == 0 ? value : kind == 1 ? fabsf(value) : kind == 2 ? -fabsf(value) : kind == 3 ? same : 0;
    }
    if (kind >= 4)
        w[next_random(seed) % count] = same;
}

static void integers_by_the_formula(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (int round = 0; round < 9000; round++) {
        const struct round_rule rule = {round % 2 == 0 ? ROUND_SYMMETRIC : ROUND_ASYMMETRIC, 2 + (unsigned)(round / 2 % 7), dtypes[round % 3]};
        const size_t count = round % 5 == 0 ? 128 : 1 + next_random(&seed) % COUNT_MAX;
        float w[COUNT_MAX];
        uint8_t codes[COUNT_MAX + 1];
        struct round_params params;
        struct round_tally tally = {0};
        struct expected expected;
        fill(&seed, round / 7 % 5, w, count);
        codes[count] = 0xa5;
        round_group(&rule, w, count, &params, codes, &tally);
        integer_by_hand(&rule, w, count, &expected);
        assert_int_equal(bits_of(params.scale), bits_of(expected.scale));
        assert_int_equal(params.zero, expected.zero);
        assert_true(params.beta == 0);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(codes[i], expected.code[i]);
        assert_int_equal(codes[count], 0xa5);
        assert_int_equal(tally.groups, 1);
        assert_int_equal(tally.weights, count);
        assert_int_equal(tally.clamped, expected.clamped);
        assert_true(tally.nonfinite == 0 && tally.overflow == 0 && tally.underflow == 0);
        check_errors(&params, w, count, codes, &tally);
    }
}

/* What the codes stand for is at most half a step away, and a little more where the rounded scale cannot reach the edge. */
static void errors_stay_below_half_a_step(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 3000; round++) {
        const struct round_rule rule = {(enum round_grid)(round % 3), 2 + (unsigned)(round / 3 % 7), dtypes[round / 2 % 3]};
        float w[64];
        uint8_t codes[64];
        struct round_params params;
        struct round_tally tally = {0};
        fill(&seed, 0, w, 64);
        for (size_t i = 0; i < 64; i++)
            w[i] = cast(rule.scale_dtype, w[i]);
        round_group(&rule, w, 64, &params, codes, &tally);
        const double precision = rule.scale_dtype == DTYPE_BF16 ? 0x1p-9 : 0x1p-11, steps = ldexp(1, (int)rule.bits);
        const double slack = rule.grid == ROUND_MLX ? 0.5 : 0; /* a far edge that is half a step off the grid is cut */
        assert_true(tally.max_error <= fabs((double)params.scale) * (0.5 + slack + steps * precision * 1.01));
        check_errors(&params, w, 64, codes, &tally);
    }
}

static void ties_go_to_even(void **state)
{
    (void)state;
    const float w[8] = {7, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, -7};
    static const uint8_t symmetric[8] = {15, 8, 10, 10, 8, 6, 6, 1};
    const struct round_rule rule = {ROUND_SYMMETRIC, 4, DTYPE_F16};
    uint8_t codes[8];
    struct round_params params;
    struct round_tally tally = {0};
    round_group(&rule, w, 8, &params, codes, &tally);
    assert_true(params.scale == 1);
    assert_int_equal(params.zero, 8);
    assert_memory_equal(codes, symmetric, 8);
    assert_true(tally.max_error == 0.5 && tally.squares == 6 * 0.25);
    const float v[4] = {-2.5f, 12.5f, 0.5f, 1.5f}; /* s = 1, z = rne(2.5) = 2, and 12.5 is code 12 + 2 */
    static const uint8_t asymmetric[4] = {0, 14, 2, 4};
    const struct round_rule other = {ROUND_ASYMMETRIC, 4, DTYPE_F16};
    round_group(&other, v, 4, &params, codes, &tally);
    assert_true(params.scale == 1);
    assert_int_equal(params.zero, 2);
    assert_memory_equal(codes, asymmetric, 4);
}

static void zero_groups(void **state)
{
    (void)state;
    const float w[40] = {0, -0.0f};
    for (unsigned bits = 2; bits <= 8; bits++) {
        for (int grid = ROUND_SYMMETRIC; grid <= ROUND_ASYMMETRIC; grid++) {
            const struct round_rule rule = {(enum round_grid)grid, bits, DTYPE_F16};
            uint8_t codes[40];
            struct round_params params;
            struct round_tally tally = {0};
            round_group(&rule, w, 40, &params, codes, &tally);
            assert_int_equal(bits_of(params.scale), 0);
            assert_int_equal(params.zero, 1 << (bits - 1));
            for (size_t i = 0; i < 40; i++)
                assert_int_equal(codes[i], 1 << (bits - 1));
            assert_true(tally.max_error == 0 && tally.squares == 0 && tally.overflow == 0 && tally.underflow == 0 && tally.clamped == 0);
        }
    }
}

/* --- mx.quantize -------------------------------------------------------------------------------------------------------------- */

/* mlx[cpu] 0.32.4, x86-64: mx.quantize(w, group_size=32, bits=b) on the CPU; scale and bias as F32 bits. weights: F16 or BF16 bits as the dtype says;
 * for F32 they are BF16 bits, and the weight is that value * 1.1f. */
static const struct mlx_golden {
    const char *name;
    unsigned bits;
    enum dtype dtype;
    uint32_t scale, beta;
    uint16_t weight[32];
    uint8_t code[32];
} mlx_golden[] = {
    {"random", 4, DTYPE_F16, 0x3c44a000, 0xbdc4a000,
     {0x1701, 0x2c5a, 0x2bd7, 0xa688, 0xa3a1, 0xa6c0, 0x274b, 0x99be, 0x28c8, 0xade9, 0x2d03, 0x9cf0, 0x285b, 0x9efe, 0xa4da, 0x25ee,
      0x2947, 0xa12f, 0x9fd3, 0x2863, 0xa992, 0xacd9, 0x250e, 0xa84b, 0xae25, 0xa936, 0xa5fc, 0xaba3, 0xacc7, 0x1781, 0x29be, 0xa1f8},
     {8, 14, 13, 6, 7, 6, 10, 8, 11, 0, 15, 8, 11, 7, 6, 10, 11, 7, 7, 11, 4, 2, 10, 5, 0, 5, 6, 3, 2, 8, 12, 7}},
    {"random", 8, DTYPE_BF16, 0x3a220000, 0xbdb50000,
     {0xbd18, 0x3c9e, 0x3d13, 0xbc76, 0x3cdf, 0x3d56, 0xbc2a, 0xbd27, 0x3c8e, 0x3c4b, 0x3d61, 0xbd84, 0xbd07, 0xbd2c, 0xbdb2, 0x3bcf,
      0x3cd8, 0xbd17, 0x3d8e, 0x3d28, 0x3d00, 0x3ca5, 0x3d44, 0xbd88, 0x3cfb, 0x3cf7, 0xbdb5, 0x3c8e, 0xbc4d, 0x3d20, 0xbcb4, 0xba6f},
     {83, 174, 201, 119, 187, 228, 126, 77, 171, 163, 232, 39, 90, 75, 2, 153, 186, 83, 255, 209, 194, 176, 220, 36, 193, 192, 0, 171, 123, 206, 107, 142}},
    {"random", 3, DTYPE_F32, 0xbce3b334, 0x3de3b334,
     {0x3c8c, 0xbd33, 0x3cf5, 0xbbac, 0x3cca, 0xbcd6, 0x3d5e, 0x3cf8, 0xbc12, 0x3d01, 0x3d81, 0x3db7, 0xbda1, 0x3d35, 0x3cbe, 0xbb9a,
      0xbd4e, 0x3d81, 0xbd81, 0x3ce8, 0x3d85, 0xbda4, 0xbc78, 0xbd86, 0x3c48, 0x3d9b, 0x3dcf, 0xbdb6, 0xbceb, 0x3d10, 0x3da2, 0x3cad},
     {3, 6, 3, 4, 3, 5, 2, 3, 4, 3, 2, 0, 7, 2, 3, 4, 6, 2, 6, 3, 1, 7, 5, 7, 4, 1, 0, 7, 5, 3, 1, 3}},
    {"random", 6, DTYPE_F16, 0xbe03a000, 0x40a48000,
     {0xbdf8, 0x38c1, 0xa841, 0xb685, 0xbde0, 0x3a32, 0x38ed, 0xb1f3, 0xb718, 0xc124, 0xbbc7, 0x40d3, 0xb619, 0xc1c2, 0x4156, 0x3c3e,
      0x4437, 0x3000, 0xbb62, 0xc1ca, 0x414c, 0x4524, 0xbe91, 0xbd2d, 0x3cc5, 0xbea5, 0xb854, 0xb999, 0x3625, 0x4061, 0x29a6, 0x3f5a},
     {52, 35, 40, 43, 51, 34, 35, 41, 43, 60, 48, 21, 43, 62, 19, 32, 7, 39, 47, 63, 19, 0, 53, 50, 31, 53, 44, 45, 37, 23, 40, 26}},
    {"random", 5, DTYPE_BF16, 0x3aaf0000, 0xbcaf0000,
     {0xbb8a, 0x3b57, 0xbcaf, 0xbc6e, 0x3c02, 0xbbc1, 0x3bbe, 0x3bb2, 0x3c59, 0x3c05, 0x3c27, 0xba92, 0xbbe5, 0xbbf0, 0xbba0, 0xbc39,
      0xbbb3, 0xba73, 0x3b25, 0xbb5e, 0xbc9e, 0xba3d, 0x3b14, 0x3c32, 0x3bbd, 0xbbd3, 0xbbed, 0x3ca5, 0x3bf8, 0x3c96, 0x3cae, 0xbc06},
     {13, 18, 0, 5, 22, 12, 20, 20, 26, 22, 24, 15, 11, 11, 12, 8, 12, 15, 18, 13, 2, 15, 18, 24, 20, 11, 11, 31, 22, 30, 31, 10}},
    {"random", 2, DTYPE_F32, 0x3e7e199a, 0xbefe199a,
     {0x3ded, 0x3e0d, 0x3e2c, 0x3e26, 0x3d78, 0x3d56, 0xbee7, 0xbd4b, 0xbe66, 0x3d1b, 0xbe10, 0x3e3e, 0x3e7c, 0x3dbe, 0x3dc2, 0x3ce4,
      0xbe0a, 0xbd4a, 0xbe18, 0x3dee, 0x3b8b, 0x3e33, 0xbecc, 0x3e88, 0xbe6a, 0xbe62, 0xbd73, 0xbe2d, 0x3db3, 0xbe30, 0xbea4, 0xbe82},
     {3, 3, 3, 3, 2, 2, 0, 2, 1, 2, 1, 3, 3, 2, 2, 2, 1, 2, 1, 3, 2, 3, 0, 3, 1, 1, 2, 1, 2, 1, 1, 1}},
    {"constant", 4, DTYPE_F16, 0xb4000000, 0x3ebd8000,
     {0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec,
      0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec, 0x35ec},
     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"zero", 4, DTYPE_F16, 0xb4000000, 0x00000000,
     {0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000,
      0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000, 0x0000},
     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
    {"positive", 4, DTYPE_BF16, 0xbe1b0000, 0x40aa0000,
     {0x408a, 0x4043, 0x4085, 0x4041, 0x4092, 0x4099, 0x4091, 0x405f, 0x4063, 0x408e, 0x4053, 0x4080, 0x405e, 0x4051, 0x407d, 0x404a,
      0x4056, 0x4048, 0x4068, 0x407c, 0x4073, 0x4060, 0x4083, 0x4057, 0x4096, 0x407e, 0x4061, 0x406d, 0x405d, 0x4048, 0x4046, 0x40aa},
     {7, 15, 8, 15, 5, 4, 5, 12, 12, 6, 13, 9, 12, 13, 9, 14, 13, 14, 11, 9, 10, 12, 8, 13, 4, 9, 12, 11, 12, 14, 15, 0}},
    {"negative", 6, DTYPE_F32, 0x3b63b334, 0xbe63b334,
     {0xbc9d, 0xbdd3, 0xbd8f, 0xbe17, 0xbe1b, 0xbdc1, 0xbda9, 0xbe2b, 0xbb25, 0xbde0, 0xbcd8, 0xbe44, 0xbc76, 0xbd37, 0xbd30, 0xbcf8,
      0xbd6b, 0xbdb1, 0xbe17, 0xbcb5, 0xbcad, 0xbd10, 0xbdca, 0xbe31, 0xbd2b, 0xbd8f, 0xbdc1, 0xbd92, 0xbdd7, 0xbd1f, 0xbd98, 0xbe4f},
     {58, 31, 42, 17, 16, 34, 38, 11, 63, 29, 56, 3, 59, 50, 50, 54, 46, 37, 17, 57, 57, 53, 33, 9, 51, 42, 34, 41, 31, 52, 41, 0}},
    {"tiny", 4, DTYPE_F16, 0xb4000000, 0x35400000,
     {0x8001, 0x0001, 0x8002, 0x0001, 0x8002, 0x0001, 0x8005, 0x0004, 0x8002, 0x8005, 0x8001, 0x8001, 0x0001, 0x8004, 0x0001, 0x000c,
      0x8004, 0x0001, 0x8001, 0x0001, 0x8006, 0x8004, 0x0002, 0x8000, 0x0005, 0x8002, 0x0001, 0x000a, 0x8003, 0x8003, 0x8000, 0x8000},
     {8, 6, 8, 6, 8, 6, 10, 5, 8, 10, 8, 8, 6, 9, 6, 0, 9, 6, 8, 6, 10, 9, 6, 7, 4, 8, 6, 1, 9, 9, 7, 7}},
    {"tiny", 8, DTYPE_BF16, 0x34160000, 0xb4160000,
     {0x3335, 0x31df, 0xb323, 0x3236, 0x340e, 0x3389, 0xb415, 0xb1f4, 0xb33c, 0x3306, 0xb215, 0x33d0, 0x3348, 0x333f, 0x3220, 0xb10a,
      0x3292, 0x338b, 0x32e6, 0xb297, 0x3389, 0x3225, 0xb185, 0xb32a, 0xb2f3, 0xb309, 0xb416, 0x335a, 0x32f3, 0xb238, 0x3361, 0x32bc},
     {1, 1, 1, 1, 2, 1, 0, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1}},
    {"large", 2, DTYPE_F16, 0x468a4000, 0xc70a4000,
     {0x670a, 0x6b85, 0x7080, 0xf4a4, 0xf05b, 0xe58f, 0x75dd, 0xf852, 0x6e6f, 0xefe9, 0x6e52, 0xef35, 0x6d57, 0x75bb, 0x6d30, 0x6e59,
      0x6d76, 0xf17f, 0x6ff4, 0xea1b, 0xf1f2, 0xe084, 0xeaa9, 0x7185, 0xe105, 0xefc1, 0x7555, 0x733d, 0x74a6, 0x7073, 0xe66d, 0xee24},
     {2, 2, 3, 1, 1, 2, 3, 0, 2, 2, 2, 2, 2, 3, 2, 2, 2, 1, 2, 2, 1, 2, 2, 3, 2, 2, 3, 3, 3, 3, 2, 2}},
};

static void groups_as_mlx_rounds_them(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof mlx_golden / sizeof mlx_golden[0]; g++) {
        const struct mlx_golden *golden = &mlx_golden[g];
        const struct round_rule rule = {ROUND_MLX, golden->bits, golden->dtype};
        float w[32];
        uint8_t codes[32];
        struct round_params params;
        struct round_tally tally = {0};
        for (size_t i = 0; i < 32; i++)
            w[i] = golden->dtype == DTYPE_F16 ? half_from_f16(golden->weight[i])
                                              : half_from_bf16(golden->weight[i]) * (golden->dtype == DTYPE_F32 ? 1.1f : 1.0f);
        round_group(&rule, w, 32, &params, codes, &tally);
        assert_int_equal(bits_of(params.scale), golden->scale);
        assert_int_equal(bits_of(params.beta), golden->beta);
        assert_int_equal(params.zero, 0);
        assert_memory_equal(codes, golden->code, 32);
        assert_true(tally.nonfinite == 0 && tally.overflow == 0 && tally.underflow == 0);
        check_errors(&params, w, 32, codes, &tally);
    }
}

/* The same steps, one value at a time with the library's rint, for sizes and widths that the goldens do not have. */
static void mlx_by_the_steps(void **state)
{
    (void)state;
    uint64_t seed = 99;
    for (int round = 0; round < 6000; round++) {
        const struct round_rule rule = {ROUND_MLX, 2 + (unsigned)(round % 7), dtypes[round / 2 % 3]};
        const size_t count = round % 2 == 0 ? 128 : 1 + next_random(&seed) % COUNT_MAX;
        float w[COUNT_MAX];
        uint8_t codes[COUNT_MAX];
        struct round_params params;
        struct round_tally tally = {0};
        fill(&seed, round / 7 % 5, w, count);
        const float size = round % 11 == 0 ? 0x1p-23f : round % 13 == 0 ? 1000.0f : 1.0f, top = ldexpf(1, (int)rule.bits) - 1;
        float min = INFINITY, max = -INFINITY;
        uint64_t clamped = 0;
        for (size_t i = 0; i < count; i++) {
            w[i] = cast(rule.scale_dtype, w[i] * size);
            min = fminf(min, w[i]);
            max = fmaxf(max, w[i]);
        }
        const bool low = fabsf(min) > fabsf(max);
        float scale = fmaxf((max - min) / top, 1e-7f), beta = 0;
        scale = low ? scale : -scale;
        const float edge = low ? min : max, q0 = nearbyintf(edge / scale);
        if (q0 != 0) {
            scale = edge / q0;
            beta = edge;
        }
        round_group(&rule, w, count, &params, codes, &tally);
        assert_int_equal(bits_of(params.scale), bits_of(cast(rule.scale_dtype, scale)));
        assert_int_equal(bits_of(params.beta), bits_of(cast(rule.scale_dtype, beta)));
        for (size_t i = 0; i < count; i++)
            assert_int_equal(codes[i], (int)limit(nearbyintf((w[i] - beta) / scale), top, &clamped));
        assert_int_equal(tally.clamped, clamped);
    }
}

/* A constant so large that the quotient overflows: mlx 0.32.4 gives scale -0, the constant as bias and codes 0. */
static void mlx_constant_beyond_counting(void **state)
{
    (void)state;
    float w[32];
    for (size_t i = 0; i < 32; i++)
        w[i] = 0x1.2p+110f;
    const struct round_rule rule = {ROUND_MLX, 4, DTYPE_F32};
    uint8_t codes[32];
    struct round_params params;
    struct round_tally tally = {0};
    round_group(&rule, w, 32, &params, codes, &tally);
    assert_int_equal(bits_of(params.scale), 0x80000000u);
    assert_true(params.beta == w[0]);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(codes[i], 0);
    assert_true(tally.overflow == 0 && tally.underflow == 0 && tally.max_error == 0);
}

/* --- what is refused ---------------------------------------------------------------------------------------------------------- */

static void check_bad(const struct round_rule *rule, const float *w, size_t count, const struct round_tally *expected)
{
    uint8_t codes[64];
    struct round_params params;
    struct round_tally tally = {0};
    const int zero = rule->grid == ROUND_MLX ? 0 : 1 << (rule->bits - 1);
    round_group(rule, w, count, &params, codes, &tally);
    assert_int_equal(tally.nonfinite, expected->nonfinite);
    assert_int_equal(tally.overflow, expected->overflow);
    assert_int_equal(tally.underflow, expected->underflow);
    assert_true(tally.groups == 1 && tally.weights == count && tally.clamped == 0 && tally.max_error == 0 && tally.squares == 0);
    assert_true(bits_of(params.scale) == 0 && params.beta == 0);
    assert_int_equal(params.zero, zero);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(codes[i], zero);
}

static void nan_and_infinity_spoil_a_group(void **state)
{
    (void)state;
    const float odd[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (int grid = ROUND_SYMMETRIC; grid <= ROUND_MLX; grid++) {
        for (size_t at = 0; at < 37; at++) {
            const struct round_rule rule = {(enum round_grid)grid, 4, DTYPE_F32};
            float w[37];
            for (size_t i = 0; i < 37; i++)
                w[i] = (float)i - 9;
            w[at] = odd[at % 4];
            check_bad(&rule, w, 37, &(struct round_tally){.nonfinite = 1});
            w[36 - at] = odd[(at + 1) % 4];
            check_bad(&rule, w, 37, &(struct round_tally){.nonfinite = at == 18 ? 1 : 2});
        }
    }
}

static void scales_out_of_range(void **state)
{
    (void)state;
    static const struct {
        enum round_grid grid;
        enum dtype dtype;
        float low, high;
        struct round_tally tally;
    } cases[] = {
        {ROUND_SYMMETRIC, DTYPE_F16, 0, 7 * 65520.0f, {.overflow = 1}},
        {ROUND_SYMMETRIC, DTYPE_F16, 0, 7 * 0x1p-25f, {.underflow = 1}},
        {ROUND_SYMMETRIC, DTYPE_BF16, 0, 7 * 0x1p-135f, {.underflow = 1}},
        {ROUND_SYMMETRIC, DTYPE_F32, 0, -3 * 0x1p-149f, {.underflow = 1}},
        {ROUND_ASYMMETRIC, DTYPE_F16, 0, -15 * 65520.0f, {.overflow = 1}},
        {ROUND_ASYMMETRIC, DTYPE_F16, 0, 15 * 0x1p-25f, {.underflow = 1}},
        {ROUND_ASYMMETRIC, DTYPE_F32, -FLT_MAX, FLT_MAX, {.overflow = 1}},
        {ROUND_ASYMMETRIC, DTYPE_F32, 0, 0x1p-149f, {.underflow = 1}},
        {ROUND_MLX, DTYPE_F16, 0, 65520.0f, {.overflow = 1}},
        {ROUND_MLX, DTYPE_F32, -FLT_MAX, FLT_MAX, {.overflow = 1}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct round_rule rule = {cases[i].grid, 4, cases[i].dtype};
        const float w[5] = {0, cases[i].low, 0, cases[i].high, cases[i].low};
        check_bad(&rule, w, 5, &cases[i].tally);
    }
    const struct round_rule f16 = {ROUND_SYMMETRIC, 4, DTYPE_F16}; /* and just within it */
    const float largest[2] = {7 * 65504.0f, 0}, least[2] = {7 * 0x1.8p-25f, 0};
    uint8_t codes[2];
    struct round_params params;
    struct round_tally tally = {0};
    round_group(&f16, largest, 2, &params, codes, &tally);
    assert_true(params.scale == 65504.0f && codes[0] == 15);
    round_group(&f16, least, 2, &params, codes, &tally);
    assert_true(params.scale == 0x1p-24f && codes[0] == 13);
    assert_true(tally.overflow == 0 && tally.underflow == 0 && tally.clamped == 0);
}

/* A scale that rounds down among subnormals makes codes and zeros too large: cut, and counted. */
static void cut_codes_are_counted(void **state)
{
    (void)state;
    const float down = 1.4f * 0x1p-24f, w[3] = {7 * down, -7 * down, 0}, v[3] = {-15 * down, 0, -down};
    uint8_t codes[3];
    struct round_params params;
    struct round_tally tally = {0};
    round_group(&(struct round_rule){ROUND_SYMMETRIC, 4, DTYPE_F16}, w, 3, &params, codes, &tally);
    assert_true(params.scale == 0x1p-24f && codes[0] == 15 && codes[1] == 0 && codes[2] == 8);
    assert_int_equal(tally.clamped, 2);
    struct round_tally other = {0};
    round_group(&(struct round_rule){ROUND_ASYMMETRIC, 4, DTYPE_F16}, v, 3, &params, codes, &other);
    assert_true(params.scale == 0x1p-24f && params.zero == 15 && codes[0] == 0 && codes[1] == 15 && codes[2] == 14);
    assert_int_equal(other.clamped, 2);
}

/* --- sums ---------------------------------------------------------------------------------------------------------------------- */

#define PARTS 500

static void parts_add_up_in_any_order(void **state)
{
    (void)state;
    static struct round_tally part[PARTS];
    uint64_t seed = 31;
    struct round_tally forward = {0}, backward = {0}, halves[2] = {{0}, {0}}, running = {0};
    for (size_t p = 0; p < PARTS; p++) {
        const struct round_rule rule = {(enum round_grid)(p % 3), 2 + (unsigned)(p % 7), dtypes[p % 3]};
        float w[64];
        uint8_t codes[64];
        struct round_params params;
        fill(&seed, (int)(p % 5), w, 64);
        for (size_t i = 0; i < 64; i++)
            w[i] *= ldexpf(1, (int)(p % 8));
        if (p % 50 == 7)
            w[3] = NAN;
        part[p] = (struct round_tally){0};
        round_group(&rule, w, 64, &params, codes, &part[p]);
        round_group(&rule, w, 64, &params, codes, &running);
        round_tally_add(&forward, &part[p]);
        round_tally_add(&halves[p % 2], &part[p]);
    }
    for (size_t p = PARTS; p-- > 0;)
        round_tally_add(&backward, &part[p]);
    round_tally_add(&halves[0], &halves[1]);
    const struct round_tally *sums[] = {&backward, &halves[0], &running};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sums[i]->groups, PARTS);
        assert_int_equal(sums[i]->weights, 64 * PARTS);
        assert_int_equal(sums[i]->nonfinite, 10);
        assert_int_equal(sums[i]->clamped, forward.clamped);
        assert_true(sums[i]->max_error == forward.max_error && forward.max_error > 0);
        assert_true(sums[i]->squares == forward.squares && forward.squares > 0);
    }
    struct round_tally bad = {.overflow = 2, .underflow = 3, .squares = 1, .squares_low = 0x1p-60};
    round_tally_add(&bad, &(struct round_tally){.overflow = 5, .underflow = 7, .squares = 2, .squares_low = 0x1p-61});
    assert_true(bad.overflow == 7 && bad.underflow == 10 && bad.squares == 3 && bad.squares_low == 0x1.8p-60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_by_the_formula),
        cmocka_unit_test(errors_stay_below_half_a_step),
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(zero_groups),
        cmocka_unit_test(groups_as_mlx_rounds_them),
        cmocka_unit_test(mlx_by_the_steps),
        cmocka_unit_test(mlx_constant_beyond_counting),
        cmocka_unit_test(nan_and_infinity_spoil_a_group),
        cmocka_unit_test(scales_out_of_range),
        cmocka_unit_test(cut_codes_are_counted),
        cmocka_unit_test(parts_add_up_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
