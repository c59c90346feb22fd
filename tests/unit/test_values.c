/* Weights as floats: every grid against its formula, written once more here, for all rows and for any range of them. */
#include "plan/values.h"

#include "codec/layout.h"
#include "ir/ggml.h"
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "values.tmp"
#define OUT 9u
#define IN 43u /* odd: halves of bytes and blocks cross rows */
#define VALUES_MAX 1024u

/* The rows of a weight and what they must be. */
struct expected {
    float value[VALUES_MAX];
    uint64_t inexact; /* of all rows; counted by `lose` */
    double max_relative;
};

static bool same(float a, float b)
{
    return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

/* What F32 made of an exact product. */
static void lose(struct expected *e, double exact, float value)
{
    if (!isfinite(exact) || exact == 0 || exact == (double)value)
        return;
    e->inexact++;
    e->max_relative = fmax(e->max_relative, fabs((double)value - exact) / fabs(exact));
}

static void check_rows(struct made *made, const struct expected *e, uint64_t out0, uint64_t out, bool trivial)
{
    float *values;
    const enum status status = values_load(&made->fetch, &made->weight, (struct values_rows){out0, out, trivial, NULL, NULL}, &made->scratch, &values, &made->err);
    if (status != STATUS_OK)
        fail_msg("rows %d + %d: %s: %s", (int)out0, (int)out, made->err.where, made->err.what);
    for (uint64_t i = 0; i < out * made->weight.in; i++)
        if (!same(values[i], e->value[out0 * made->weight.in + i]))
            fail_msg("rows %d + %d, element %d: %a, expected %a", (int)out0, (int)out, (int)i, (double)values[i],
                     (double)e->value[out0 * made->weight.in + i]);
}

/* Opens, compares all ranges of rows and the loss of all of them, and closes. */
static void check(struct made *made, const struct expected *e)
{
    const uint64_t rows = made->weight.out;
    struct affine_loss loss = {7, 0};
    float *values;
    made_open(made, DIR);
    for (uint64_t out0 = 0; out0 < rows; out0++)
        for (uint64_t out = 1; out0 + out <= rows; out++)
            check_rows(made, e, out0, out, false);
    assert_int_equal(values_load(&made->fetch, &made->weight, (struct values_rows){0, rows, false, &loss, NULL}, &made->scratch, &values, &made->err), STATUS_OK);
    if (loss.inexact != 7 + e->inexact || loss.max_relative != e->max_relative)
        fail_msg("lost %d and %a, expected %d and %a", (int)loss.inexact - 7, loss.max_relative, (int)e->inexact, e->max_relative);
    loss.max_relative = 0.5; /* a larger one stays */
    assert_int_equal(values_load(&made->fetch, &made->weight, (struct values_rows){0, rows, false, &loss, NULL}, &made->scratch, &values, &made->err), STATUS_OK);
    assert_int_equal(loss.inexact, 7 + 2 * e->inexact);
    assert_true(loss.max_relative == 0.5);
    made_close(made);
}

/* --- integers ---------------------------------------------------------------------------------------------------------------------- */

#define GROUP 16u
#define GROUPS 3u /* the last one is short */

struct integers {
    unsigned code[OUT][IN];
    float scale[OUT * GROUPS], second[OUT * GROUPS]; /* offset or beta */
    int zero[OUT][GROUPS];
};

/* Codes and scales of 4 bits; each scale has as many digits as the dtype has. Some are 0 and some negative. */
static void start_integers(struct made *made, struct integers *n, enum real real, enum zero_kind kind, struct rng *rng)
{
    made_start(made);
    made->weight.out = OUT;
    made->weight.in = IN;
    made->weight.groups = GROUPS;
    made->weight.spec = (struct spec){.grid = kind == ZERO_BETA ? GRID_AFFINE_BETA : GRID_AFFINE_ZERO, .bits = 4, .zero_kind = kind, .group = GROUP,
                                      .param_order = ORDER_OUT_GROUP, .scale_dtype = made_dtype(real), .codes_layout = LAYOUT_ROW_IN4};
    uint8_t *data = made_add(made, ROLE_CODES, "codes", "I32", "9,6", OUT * 24);
    for (unsigned o = 0; o < OUT; o++) {
        for (unsigned k = 0; k < IN; k++) {
            n->code[o][k] = rng_below(rng, 16);
            data[o * 24 + k / 2] |= (uint8_t)(n->code[o][k] << k % 2 * 4);
        }
    }
    for (unsigned i = 0; i < OUT * GROUPS; i++) {
        n->scale[i] = real_round(real, ldexpf((float)(1 + rng_below(rng, 1u << 23)), -26));
        n->scale[i] = i % 7 == 3 ? 0.0f : i % 7 == 5 ? -n->scale[i] : n->scale[i];
    }
    made_floats(made, ROLE_SCALES, "scales", real, n->scale, OUT * GROUPS);
}

static void zeros_of_all_kinds(void **state)
{
    static struct integers n;
    (void)state;
    struct rng rng = {1};
    for (int round = 0; round < 6; round++) {
        const enum real real = (enum real)(round % 3);
        struct made made;
        struct expected e = {0};
        start_integers(&made, &n, real, round < 3 ? ZERO_CODES : ZERO_MID, &rng);
        uint8_t *fields = round < 3 ? made_add(&made, ROLE_ZEROS, "zeros", "I32", "2,3", 24) : NULL; /* 8 channels a word, [out/8][group] */
        made.weight.spec.zeros_layout = LAYOUT_ROW_OUT4;
        for (unsigned o = 0; o < OUT; o++) {
            for (unsigned g = 0; g < GROUPS; g++) {
                n.zero[o][g] = round < 3 ? (int)rng_below(&rng, 16) : 8;
                if (fields != NULL)
                    fields[(o / 8 * GROUPS + g) * 4 + o % 8 / 2] |= (uint8_t)(n.zero[o][g] << o % 2 * 4);
            }
            for (unsigned k = 0; k < IN; k++) {
                const int difference = (int)n.code[o][k] - n.zero[o][k / GROUP];
                const float scale = n.scale[o * GROUPS + k / GROUP], value = scale == 0 ? 0 : (float)difference * scale;
                e.value[o * IN + k] = value;
                lose(&e, (double)difference * (double)scale, value);
            }
        }
        if (real == REAL_F32)
            assert_true(e.inexact > 10);
        else
            assert_int_equal(e.inexact, 0);
        check(&made, &e);
    }
}

/* Offsets count from the middle and may have fractions; those of dead groups may be anything. */
static void offsets(void **state)
{
    static struct integers n;
    (void)state;
    struct rng rng = {2};
    for (int round = 0; round < 3; round++) {
        const enum real real = (enum real)round;
        struct made made;
        struct expected e = {0};
        start_integers(&made, &n, real, ZERO_OFFSET, &rng);
        for (unsigned i = 0; i < OUT * GROUPS; i++)
            n.second[i] = n.scale[i] == 0 ? NAN : real_round(real, (float)((int)rng_below(&rng, 64) - 32) * (i % 4 == 0 ? 0.3f : 1.0f));
        made_floats(&made, ROLE_ZEROS, "offsets", real, n.second, OUT * GROUPS);
        for (unsigned o = 0; o < OUT; o++) {
            for (unsigned k = 0; k < IN; k++) {
                const size_t at = o * GROUPS + k / GROUP;
                const int signed_code = (int)n.code[o][k] - 8; /* (q - o) * s, as msModelSlim has it */
                const float value = n.scale[at] == 0 ? 0 : ((float)signed_code - n.second[at]) * n.scale[at];
                e.value[o * IN + k] = value;
                lose(&e, n.scale[at] == 0 ? 0 : (signed_code - (double)n.second[at]) * (double)n.scale[at], value);
            }
        }
        check(&made, &e);
    }
}

/* value = scale * code + beta, each step rounded to F32; that is what the numbers stand for, so nothing is lost. */
static void betas(void **state)
{
    static struct integers n;
    (void)state;
    struct rng rng = {3};
    for (int round = 0; round < 3; round++) {
        const enum real real = (enum real)round;
        struct made made;
        struct expected e = {0};
        start_integers(&made, &n, real, ZERO_BETA, &rng);
        for (unsigned i = 0; i < OUT * GROUPS; i++)
            n.second[i] = real_round(real, i % 3 == 0 ? -n.scale[i] * 4 : 0.3f - (float)i / 7);
        made_floats(&made, ROLE_BETA, "betas", real, n.second, OUT * GROUPS);
        for (unsigned o = 0; o < OUT; o++) {
            for (unsigned k = 0; k < IN; k++) {
                const size_t at = o * GROUPS + k / GROUP;
                const float product = n.scale[at] * (float)n.code[o][k];
                e.value[o * IN + k] = product + n.second[at];
            }
        }
        check(&made, &e);
    }
}

/* AWQ GEMV-fast: -(scale * zero) rounded stands for the zero, and for itself where there is none. */
static void scaled_zeros(void **state)
{
    static struct integers n;
    (void)state;
    struct rng rng = {4};
    struct made made;
    struct expected e = {0};
    start_integers(&made, &n, REAL_F16, ZERO_SCALED, &rng);
    for (unsigned o = 0; o < OUT; o++) {
        for (unsigned g = 0; g < GROUPS; g++) {
            const size_t at = o * GROUPS + g;
            n.zero[o][g] = (int)rng_below(&rng, 16);
            n.second[at] = real_round(REAL_F16, -(n.scale[at] * (float)n.zero[o][g]));
            if (at % 5 == 4 && n.scale[at] != 0) {
                n.second[at] = real_round(REAL_F16, n.scale[at] * 2.5f); /* a zero of -2.5 */
                n.zero[o][g] = -1;
            }
        }
        for (unsigned k = 0; k < IN; k++) {
            const size_t at = o * GROUPS + k / GROUP;
            const int zero = n.zero[o][k / GROUP];
            const float product = n.scale[at] * (float)n.code[o][k];
            e.value[o * IN + k] = zero < 0 ? product + n.second[at] : n.scale[at] == 0 ? 0 : (float)((int)n.code[o][k] - zero) * n.scale[at];
        }
    }
    made_floats(&made, ROLE_BETA, "betas", REAL_F16, n.second, OUT * GROUPS);
    check(&made, &e);
}

/* Columns of a group map, and the same map read as none. */
static void group_maps(void **state)
{
    static struct integers n;
    static const int group_of[] = {2, 0, -1, 1}; /* -1: the last one */
    (void)state;
    struct rng rng = {5};
    struct made made;
    struct expected e = {0}, trivial = {0};
    start_integers(&made, &n, REAL_F16, ZERO_MID, &rng);
    uint8_t *map = made_add(&made, ROLE_GROUP_OF, "g_idx", "I32", "43", 4 * IN);
    for (unsigned k = 0; k < IN; k++)
        word_put(map, k, (uint32_t)group_of[k % 4]);
    for (unsigned o = 0; o < OUT; o++) {
        for (unsigned k = 0; k < IN; k++) {
            const unsigned g = group_of[k % 4] < 0 ? GROUPS - 1 : (unsigned)group_of[k % 4];
            const float distance = (float)((int)n.code[o][k] - 8), a = n.scale[o * GROUPS + g], b = n.scale[o * GROUPS + k / GROUP];
            e.value[o * IN + k] = a == 0 ? 0 : distance * a;
            trivial.value[o * IN + k] = b == 0 ? 0 : distance * b;
        }
    }
    made_open(&made, DIR);
    check_rows(&made, &e, 0, OUT, false);
    check_rows(&made, &e, 3, 2, false);
    check_rows(&made, &trivial, 0, OUT, true);
    made_close(&made);
}

/* Words along in, whose rows run across those of the weight: all at once, or as many as some bytes hold. */
static void rows_read_ahead(void **state)
{
    enum { ROWS = 30, COLUMNS = 32, STEP = 4 };
    (void)state;
    struct rng rng = {6};
    for (uint64_t bytes_max = 1; bytes_max < 1024; bytes_max *= 3) {
        struct made made;
        static float expected[ROWS * COLUMNS];
        made_start(&made);
        made.weight.out = ROWS, made.weight.in = COLUMNS, made.weight.groups = 1;
        made.weight.spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = 4, .zero_kind = ZERO_MID, .group = COLUMNS, .param_order = ORDER_OUT_GROUP,
                                         .scale_dtype = DTYPE_F32, .codes_layout = LAYOUT_WORD_IN4};
        uint8_t *data = made_add(&made, ROLE_CODES, "codes", "I32", "4,30", COLUMNS / 8 * ROWS * 4);
        float scale[ROWS];
        for (unsigned o = 0; o < ROWS; o++) {
            scale[o] = (float)(o + 1);
            for (unsigned k = 0; k < COLUMNS; k++) {
                const unsigned code = rng_below(&rng, 16);
                data[(k / 8 * ROWS + o) * 4 + k % 8 / 2] |= (uint8_t)(code << k % 2 * 4);
                expected[o * COLUMNS + k] = ((float)code - 8) * scale[o];
            }
        }
        made_floats(&made, ROLE_SCALES, "scales", REAL_F32, scale, ROWS);
        made_open(&made, DIR);
        struct values_ahead ahead = {.step = STEP, .bytes_max = bytes_max};
        for (uint64_t out0 = 0; out0 < ROWS; out0 += STEP) {
            struct values_rows rows = {out0, ROWS - out0, false, NULL, &ahead};
            float *values;
            assert_int_equal(values_read_ahead(&made.fetch, &made.weight, rows, &made.scratch, &ahead, &made.err), STATUS_OK);
            assert_true(ahead.area.out <= (bytes_max * 2 / COLUMNS < STEP ? STEP : bytes_max * 2 / COLUMNS));
            rows.out = ROWS - out0 < STEP ? ROWS - out0 : STEP;
            assert_int_equal(values_load(&made.fetch, &made.weight, rows, &made.scratch, &values, &made.err), STATUS_OK);
            assert_memory_equal(values, expected + out0 * COLUMNS, rows.out * COLUMNS * sizeof *values);
        }
        assert_int_equal(ahead.area.out0 + ahead.area.out, ROWS);
        made_close(&made);
    }
}

/* Two products, each rounded; the loss is what they may be. */
static void int8_rows(void **state)
{
    (void)state;
    struct rng rng = {6};
    struct made made;
    struct expected e = {.inexact = OUT * IN, .max_relative = 0x1p-23};
    float absmax[OUT];
    made_start(&made);
    made.weight.out = OUT;
    made.weight.in = IN;
    made.weight.groups = 1;
    made.weight.spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = 8, .scale_rule = SCALE_ABSMAX, .scale_dtype = DTYPE_F32, .group = IN,
                                     .codes_layout = LAYOUT_BYTE_INT8};
    uint8_t *data = made_add(&made, ROLE_CODES, "codes", "I8", "9,43", OUT * IN);
    for (unsigned o = 0; o < OUT; o++) {
        absmax[o] = o == 2 ? 0 : ldexpf((float)(1 + rng_below(&rng, 1u << 24)), -22);
        for (unsigned k = 0; k < IN; k++) {
            const int code = k == 0 ? -128 : k == 1 ? 127 : (int)rng_below(&rng, 255) - 127;
            const float product = (float)code * absmax[o];
            data[o * IN + k] = (uint8_t)code;
            e.value[o * IN + k] = product * (float)(1.0 / 127);
        }
    }
    made_floats(&made, ROLE_SCALES, "absmax", REAL_F32, absmax, OUT);
    check(&made, &e);
}

/* --- floats ------------------------------------------------------------------------------------------------------------------------ */

static void dense(void **state)
{
    (void)state;
    struct rng rng = {7};
    for (int round = 0; round < 3; round++) {
        const enum real real = (enum real)round;
        struct made made;
        struct expected e = {0};
        made_start(&made);
        made.weight.out = OUT;
        made.weight.in = IN;
        made.weight.groups = 1;
        made.weight.spec = (struct spec){.grid = GRID_DENSE, .scale_dtype = made_dtype(real), .group = IN};
        for (unsigned i = 0; i < OUT * IN; i++)
            e.value[i] = real_round(real, ldexpf((float)((int)rng_below(&rng, 1u << 24) - (1 << 23)), -(int)rng_below(&rng, 40)));
        e.value[5] = -0.0f;
        e.value[6] = INFINITY;
        e.value[7] = NAN;
        made_floats(&made, ROLE_DENSE, "dense", real, e.value, OUT * IN);
        check(&made, &e);
    }
}

/* FP8 by its definition: sign, exponent and fraction; E4M3 has no infinity. */
static double fp8(unsigned code, bool e5m2)
{
    const int fraction_bits = e5m2 ? 2 : 3, bias = e5m2 ? 15 : 7, size = (int)(code & 127);
    const int exponent = size >> fraction_bits, fraction = size & ((1 << fraction_bits) - 1);
    if (e5m2 ? exponent == 31 : size == 127)
        return e5m2 && fraction == 0 ? (code > 127 ? -(double)INFINITY : (double)INFINITY) : (double)NAN;
    const double magnitude = exponent == 0 ? ldexp(fraction, 1 - bias - fraction_bits) : ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
    return code > 127 ? -magnitude : magnitude;
}

static void fp8_scales(void **state)
{
    static const struct {
        uint64_t rows, columns; /* of a block; 0 rows: each channel its own, 0 columns: one for all */
        enum real real;
        bool e5m2;
    } cases[] = {
        {0, 0, REAL_F32, false}, {0, 0, REAL_BF16, true},  {0, IN, REAL_F32, false}, {0, IN, REAL_F16, true},
        {4, 16, REAL_F32, false}, {4, 16, REAL_BF16, false}, {2, 50, REAL_F16, true},  {20, 5, REAL_F32, true}, {1, 1, REAL_F32, false},
    };
    (void)state;
    struct rng rng = {8};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool one = cases[i].columns == 0, channels = cases[i].rows == 0;
        const uint64_t high = channels ? 1 : cases[i].rows, wide = one ? IN : cases[i].columns, groups = (IN + wide - 1) / wide;
        struct made made;
        struct expected e = {0};
        float scale[OUT * IN];
        const size_t count = one ? 1 : (size_t)((OUT + high - 1) / high * groups);
        for (size_t s = 0; s < count; s++)
            scale[s] = real_round(cases[i].real, ldexpf((float)(1 + rng_below(&rng, 1u << 24)), -24));
        made_start(&made);
        made.weight.out = OUT;
        made.weight.in = IN;
        made.weight.groups = groups;
        made.weight.spec = (struct spec){.grid = GRID_MINIFLOAT, .bits = 8, .scale_dtype = made_dtype(cases[i].real), .rows = cases[i].rows, .group = wide,
                                         .param_order = one ? ORDER_ONE : ORDER_OUT_GROUP, .codes_layout = LAYOUT_BYTE_INT8};
        uint8_t *data = made_add(&made, ROLE_CODES, "codes", cases[i].e5m2 ? "F8_E5M2" : "F8_E4M3", "9,43", OUT * IN);
        for (unsigned k = 0; k < OUT * IN; k++) {
            const unsigned code = (k * 7 + 3) % 256;
            const float own = one ? scale[0] : scale[k / IN / high * groups + k % IN / wide];
            data[k] = (uint8_t)code;
            e.value[k] = (float)fp8(code, cases[i].e5m2) * own;
            lose(&e, fp8(code, cases[i].e5m2) * (double)own, e.value[k]);
        }
        made_floats(&made, ROLE_SCALES, "scales", cases[i].real, scale, count);
        check(&made, &e);
    }
}

/* Blocks of 32 with an exponent each: 0 is 2^-127, 254 is 2^127 and 255 is no number. */
static void mxfp4(void **state)
{
    static const double e2m1[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
    static const unsigned exponents[] = {0, 1, 127, 126, 130, 251, 252, 253, 254, 255};
    (void)state;
    struct made made;
    struct expected e = {0};
    made_start(&made);
    made.weight.out = 5;
    made.weight.in = 64;
    made.weight.groups = 2;
    made.weight.spec = (struct spec){.grid = GRID_MINIFLOAT, .bits = 4, .scale_dtype = DTYPE_F8_E8M0, .group = 32, .codes_layout = LAYOUT_ROW_IN4};
    uint8_t *data = made_add(&made, ROLE_CODES, "blocks", "U8", "1,5,2,16", 160);
    for (unsigned i = 0; i < 320; i++) {
        const unsigned code = (i * 5 + i / 32) % 16, exponent = exponents[i / 32];
        const double value = exponent == 255 ? (double)NAN : ldexp(e2m1[code & 7], (int)exponent - 127);
        data[i / 2] |= (uint8_t)(code << i % 2 * 4);
        e.value[i] = value >= 0x1p128 ? INFINITY : (float)value;
        e.value[i] = code > 7 ? -e.value[i] : e.value[i];
    }
    data = made_add(&made, ROLE_SCALES, "scales", "U8", "1,5,2", 10);
    for (unsigned i = 0; i < 10; i++)
        data[i] = (uint8_t)exponents[i];
    check(&made, &e);
}

/* --- tables ------------------------------------------------------------------------------------------------------------------------ */

#define BLOCK 32u
#define BLOCKS ((OUT * IN + BLOCK - 1) / BLOCK)
#define NEST 4u /* absmax that share one of their own */

/* Blocks run over the rows; the first of two elements is the high nibble. */
static void start_table(struct made *made, struct expected *e, const float table[16], const float absmax[BLOCKS], struct rng *rng)
{
    made_start(made);
    made->weight.out = OUT;
    made->weight.in = IN;
    made->weight.groups = 1;
    made->weight.spec = (struct spec){.grid = GRID_CODEBOOK, .bits = 4, .scale_dtype = DTYPE_F32, .group = BLOCK, .codes_layout = LAYOUT_ROW_IN4};
    *e = (struct expected){.inexact = OUT * IN, .max_relative = 0x1p-24}; /* what one product may lose */
    uint8_t *data = made_add(made, ROLE_CODES, "codes", "U8", "194,1", 194);
    data[193] = 0x0f; /* of no element */
    for (unsigned i = 0; i < OUT * IN; i++) {
        const unsigned code = rng_below(rng, 16);
        data[i / 2] |= (uint8_t)(code << (i % 2 == 0 ? 4 : 0));
        e->value[i] = table[code] * absmax[i / BLOCK];
    }
    made_floats(made, ROLE_TABLE, "table", REAL_F32, table, 16);
}

static void tables(void **state)
{
    static const float nf4[16] = {-1.0f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
                                  -0.09105003625154495f, 0.0f, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
                                  0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1.0f};
    static const float twelfths[8] = {0, 0.0625f, 8, 12, 4, 6, 2, 3};
    (void)state;
    struct rng rng = {9};
    for (int round = 0; round < 4; round++) {
        struct made made;
        struct expected e;
        float table[16], absmax[BLOCKS], table2[256], absmax2[(BLOCKS + NEST - 1) / NEST];
        uint8_t coded[BLOCKS];
        for (unsigned code = 0; code < 16; code++)
            table[code] = round % 2 == 0 ? nf4[code] : twelfths[code & 7] / (code < 8 ? 12.0f : -12.0f);
        for (unsigned i = 0; i < 256; i++)
            table2[i] = ldexpf((float)((int)rng_below(&rng, 1u << 24) - (1 << 23)), -23);
        for (unsigned i = 0; i < sizeof absmax2 / sizeof absmax2[0]; i++)
            absmax2[i] = ldexpf((float)(1 + rng_below(&rng, 1u << 23)), -25);
        for (unsigned i = 0; i < BLOCKS; i++) {
            coded[i] = (uint8_t)rng_below(&rng, 256);
            const float product = table2[coded[i]] * absmax2[i / NEST];
            absmax[i] = round < 2 ? ldexpf((float)rng_below(&rng, 1u << 24), -25) : product + 0.0703125f;
        }
        start_table(&made, &e, table, absmax, &rng);
        if (round < 2) {
            made_floats(&made, ROLE_SCALES, "absmax", REAL_F32, absmax, BLOCKS);
        } else {
            made.weight.spec.scale_rule = SCALE_CODED;
            made.weight.spec.scale_group = NEST;
            made.weight.spec.scale_offset = 0.0703125f;
            memcpy(made_add(&made, ROLE_SCALES, "absmax", "U8", "13", BLOCKS), coded, BLOCKS);
            made_floats(&made, ROLE_SCALES2, "absmax2", REAL_F32, absmax2, sizeof absmax2 / sizeof absmax2[0]);
            made_floats(&made, ROLE_TABLE2, "table2", REAL_F32, table2, 256);
        }
        check(&made, &e);
    }
}

/* --- refusals ---------------------------------------------------------------------------------------------------------------------- */

static void refusals(void **state)
{
    struct made made;
    float *values, one = 1;
    (void)state;
    made_start(&made);
    made_floats(&made, ROLE_DENSE, "dense", REAL_F32, &one, 1);
    made_open(&made, DIR);
    made.weight.out = made.weight.in = made.weight.groups = 1;
    const struct weight origin = made.weight;
    made.weight.origin = &origin;
    assert_int_equal(values_load(&made.fetch, &made.weight, (struct values_rows){0, 1, false, NULL, NULL}, &made.scratch, &values, &made.err), STATUS_UNSUPPORTED);
    assert_string_equal(made.err.where, "w");
    assert_non_null(strstr(made.err.what, "rounded anew"));
    made.weight.origin = NULL;
    assert_int_equal(values_load(&made.fetch, &made.weight, (struct values_rows){0, 1, false, NULL, NULL}, &made.scratch, &values, &made.err), STATUS_OK);
    made.weight.spec.grid = GRID_GGML_BLOCK;
    made.weight.spec.block = GGML_Q4_2; /* removed upstream */
    assert_int_equal(values_load(&made.fetch, &made.weight, (struct values_rows){0, 1, false, NULL, NULL}, &made.scratch, &values, &made.err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(made.err.what, "blocks of Q4_2"));
    made_close(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_of_all_kinds), cmocka_unit_test(offsets), cmocka_unit_test(betas),      cmocka_unit_test(scaled_zeros),
        cmocka_unit_test(group_maps), cmocka_unit_test(rows_read_ahead),         cmocka_unit_test(int8_rows), cmocka_unit_test(dense),      cmocka_unit_test(fp8_scales),
        cmocka_unit_test(mxfp4),              cmocka_unit_test(tables),  cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
