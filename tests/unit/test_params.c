/* Stored scales and zeros in the canonical form: orders, rules of packed zeros, floats that stand for zeros, and areas of all of them. */
#include "plan/params.h"

#include "codec/group.h"
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "params.tmp"
#define OUT 16u
#define GROUPS 3u
#define GROUP 32u

static void start(struct made *made, unsigned bits, enum zero_kind kind, enum order order)
{
    made_start(made);
    made->weight.out = OUT;
    made->weight.in = GROUPS * GROUP;
    made->weight.groups = GROUPS;
    made->weight.spec = (struct spec){
        .grid = GRID_AFFINE_ZERO, .bits = (uint8_t)bits, .zero_kind = kind, .param_order = order, .scale_dtype = DTYPE_F32, .group = GROUP};
}

static struct params load(struct made *made, struct area area)
{
    struct params params;
    if (params_load(&made->fetch, &made->weight, area, &made->scratch, &params, &made->err) != STATUS_OK)
        fail_msg("%s: %s", made->err.where, made->err.what);
    assert_int_equal(params.count, area.out * area.in);
    return params;
}

/* All areas of a weight against whole matrices [out][group]. */
static void check(struct made *made, const float *scale, const int32_t *zero)
{
    for (uint64_t o = 0; o < OUT; o++)
        for (uint64_t n = 1; o + n <= OUT; n++)
            for (uint64_t g = 0; g < GROUPS; g++)
                for (uint64_t m = 1; g + m <= GROUPS; m++) {
                    const struct params params = load(made, (struct area){o, n, g, m});
                    for (uint64_t i = 0; i < n * m; i++) {
                        const uint64_t at = (o + i / m) * GROUPS + g + i % m;
                        if (bits_of(params.scale[i]) != bits_of(scale[at]) || params.zero[i] != zero[at])
                            fail_msg("area %d+%d, %d+%d: %a and %d, expected %a and %d", (int)o, (int)n, (int)g, (int)m, (double)params.scale[i],
                                     (int)params.zero[i], (double)scale[at], (int)zero[at]);
                    }
                }
}

static const int32_t *all(int32_t value)
{
    static int32_t zero[OUT * GROUPS];
    for (size_t i = 0; i < OUT * GROUPS; i++)
        zero[i] = value;
    return zero;
}

/* Extremes of each dtype among them. */
static void fill_scales(enum real real, float *scale)
{
    const float most[] = {65504.0f, 0x1.fep127f, 0x1.fffffep127f}, least[] = {0x1p-24f, 0x1p-133f, 0x1p-149f};
    for (size_t i = 0; i < OUT * GROUPS; i++)
        scale[i] = real_round(real, ldexpf((float)(i * 37 % 101) - 50.0f, -7));
    scale[0] = most[real];
    scale[1] = least[real];
    scale[2] = -0.0f;
    scale[3] = -most[real];
    scale[4] = INFINITY;
}

/* --- scales ---------------------------------------------------------------------------------------------------------------- */

static void orders_of_scales(void **state)
{
    (void)state;
    for (int round = 0; round < 9; round++) {
        const enum real real = (enum real)(round % 3);
        const enum order order = (enum order)(round / 3);
        float scale[OUT * GROUPS], stored[OUT * GROUPS];
        struct made made;
        start(&made, 4, ZERO_MID, order);
        fill_scales(real, scale);
        for (size_t i = 0; i < OUT * GROUPS; i++)
            stored[order == ORDER_GROUP_OUT ? i % GROUPS * OUT + i / GROUPS : i] = scale[i];
        made_floats(&made, ROLE_SCALES, "scales", real, stored, order == ORDER_ONE ? 1 : OUT * GROUPS);
        for (size_t i = 0; order == ORDER_ONE && i < OUT * GROUPS; i++)
            scale[i] = stored[0];
        made_open(&made, DIR);
        check(&made, scale, all(8));
        made_close(&made);
    }
}

/* AWQ GEMV pads rows of scales beyond the groups. */
static void padded_rows(void **state)
{
    float scale[OUT * GROUPS], stored[OUT * 8];
    struct made made;
    (void)state;
    start(&made, 4, ZERO_MID, ORDER_OUT_GROUP);
    fill_scales(REAL_F16, scale);
    for (size_t i = 0; i < OUT * 8; i++)
        stored[i] = i % 8 < GROUPS ? scale[i / 8 * GROUPS + i % 8] : 777.0f;
    made_floats(&made, ROLE_SCALES, "scales", REAL_F16, stored, OUT * 8);
    made_open(&made, DIR);
    check(&made, scale, all(8));
    made_close(&made);
}

static void rules_of_scales(void **state)
{
    const float stored[OUT * GROUPS] = {127.0f, 1.0f, 0.0f, 0x1.fffffep127f};
    struct made made;
    (void)state;
    start(&made, 8, ZERO_MID, ORDER_OUT_GROUP);
    made.weight.spec.scale_rule = SCALE_ABSMAX;
    made_floats(&made, ROLE_SCALES, "scales", REAL_F32, stored, OUT * GROUPS);
    made_open(&made, DIR);
    const struct params params = load(&made, (struct area){0, OUT, 0, GROUPS});
    for (size_t i = 0; i < OUT * GROUPS; i++)
        assert_int_equal(bits_of(params.scale[i]), bits_of(stored[i] * 0x1.020408p-7f));
    assert_int_equal(params.zero[0], 128);
    made_close(&made);

    start(&made, 5, ZERO_MID, ORDER_OUT_GROUP); /* exponents of MXFP4: half of 2^(e - 127) */
    made.weight.spec.code_rule = CODE_F4_DOUBLED;
    uint8_t *exponent = made_add(&made, ROLE_SCALES, "scales", "U8", "16,3", OUT * GROUPS);
    for (unsigned i = 0; i < OUT * GROUPS; i++)
        exponent[i] = (uint8_t)(i == 0 ? 254 : i == 1 ? 0 : 100 + i);
    made_open(&made, DIR);
    const struct params halves = load(&made, (struct area){0, OUT, 0, GROUPS});
    assert_true(halves.scale[0] == 0x1p126f && halves.scale[1] == 0x1p-128f && halves.scale[27] == 0x1p-1f);
    assert_int_equal(halves.zero[0], 16);
    made_close(&made);
}

/* Static W8A8 without scales: deq_scale / input scale, of an F32 or of an I64 that holds its bits. */
static void quotients(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        struct made made;
        const float tenth = 0.1f;
        start(&made, 8, ZERO_MID, ORDER_OUT_GROUP);
        made.weight.groups = 1;
        made.weight.spec.group = made.weight.in;
        uint8_t *deq = made_add(&made, ROLE_DEQ_SCALE, "deq", wide ? "I64" : "F32", "16", OUT * (wide ? 8 : 4));
        for (unsigned o = 0; o < OUT; o++)
            word_put(deq, wide ? 2 * o : o, bits_of(o == 3 ? 0.0f : 0x1p-9f * (float)(o + 1)));
        made_floats(&made, ROLE_INPUT_SCALE, "input", REAL_F32, &tenth, 1);
        made_open(&made, DIR);
        const struct params params = load(&made, (struct area){2, OUT - 2, 0, 1});
        for (unsigned o = 2; o < OUT; o++)
            assert_int_equal(bits_of(params.scale[o - 2]), bits_of((o == 3 ? 0.0f : 0x1p-9f * (float)(o + 1)) / tenth));
        made_close(&made);
    }
}

static void no_input_scale_to_divide_by(void **state)
{
    const float deq[OUT] = {0.5f, 0.0f, -1.0f}, zero = 0.0f;
    struct made made;
    (void)state;
    start(&made, 8, ZERO_MID, ORDER_OUT_GROUP);
    made_floats(&made, ROLE_DEQ_SCALE, "deq", REAL_F32, deq, OUT);
    made_floats(&made, ROLE_INPUT_SCALE, "input", REAL_F32, &zero, 1);
    made_open(&made, DIR);
    const struct params params = load(&made, (struct area){0, OUT, 0, 1});
    assert_true(isinf(params.scale[0]) && isnan(params.scale[1]) && isinf(params.scale[2])); /* what the survey refuses */
    made_close(&made);
}

/* --- packed zeros ------------------------------------------------------------------------------------------------------------- */

/* GPTQ's zeros [group][out * bits / 32] of these fields [out][group]. */
static void put_fields(struct made *made, unsigned bits, const uint8_t *field)
{
    char shape[16];
    const size_t words = OUT * bits / 32 == 0 ? 1 : OUT * bits / 32;
    (void)snprintf(shape, sizeof shape, "3,%zu", words);
    uint8_t *data = made_add(made, ROLE_ZEROS, "zeros", "I32", shape, GROUPS * words * 4);
    for (unsigned g = 0; g < GROUPS; g++)
        for (unsigned o = 0; o < OUT; o++)
            for (unsigned b = 0; b < bits; b++)
                data[g * words * 4 + (o * bits + b) / 8] |= (uint8_t)((field[o * GROUPS + g] >> b & 1) << (o * bits + b) % 8);
}

static void start_fields(struct made *made, unsigned bits, enum zero_rule rule, const uint8_t *field)
{
    static const enum layout_id layouts[] = {[2] = LAYOUT_WORD_OUT2, [4] = LAYOUT_WORD_OUT4, [8] = LAYOUT_WORD_OUT8};
    static const float ones[OUT * GROUPS];
    start(made, bits, ZERO_CODES, ORDER_OUT_GROUP);
    made->weight.spec.zeros_layout = (uint16_t)layouts[bits];
    made->weight.spec.zero_rule = rule;
    made_floats(made, ROLE_SCALES, "scales", REAL_F32, ones, OUT * GROUPS);
    put_fields(made, bits, field);
    made_open(made, DIR);
}

/* Every field, all ones among them, at every place of its word and by every rule. */
static void rules_of_fields(void **state)
{
    static const float ones[OUT * GROUPS];
    static const unsigned widths[] = {2, 4, 8};
    (void)state;
    for (int round = 0; round < 3 * 3 * 8; round++) {
        const unsigned bits = widths[round % 3], mask = (1u << bits) - 1, per = 32 / bits, shift = (unsigned)(round / 9) * (mask / 8 + 1);
        const enum zero_rule rule = round / 3 % 3 == 0 ? ZERO_PLAIN : round / 3 % 3 == 1 ? ZERO_FIELD_MOD : ZERO_NO_MASK;
        uint8_t field[OUT * GROUPS];
        int32_t zero[OUT * GROUPS];
        struct made made;
        for (unsigned i = 0; i < OUT * GROUPS; i++) {
            field[i] = (uint8_t)(i % per == per - 1 ? mask : (i * 5 + shift) & mask);
            zero[i] = rule == ZERO_PLAIN ? field[i] : rule == ZERO_NO_MASK ? field[i] + 1 : (int32_t)((field[i] + 1u) & mask);
        }
        start_fields(&made, bits, rule, field);
        check(&made, ones, zero);
        made_close(&made);
    }
}

/* GPTQModel adds one to all fields of a word at once: 15 carries into its neighbour, and the last one falls out. */
static void carries(void **state)
{
    uint8_t field[OUT * GROUPS];
    int32_t zero[OUT * GROUPS];
    static const float ones[OUT * GROUPS];
    struct made made;
    (void)state;
    for (unsigned g = 0; g < GROUPS; g++) {
        unsigned carry = 0;
        for (unsigned o = 0; o < OUT; o++) {
            const unsigned value = g == 0 ? 15 : g == 1 ? (o % 2 ? 7 : 15) : o;
            carry = o % 8 == 0 ? 0 : carry;
            field[o * GROUPS + g] = (uint8_t)value;
            zero[o * GROUPS + g] = (int32_t)((value + 1 + carry) & 15);
            carry = (value + 1 + carry) >> 4;
        }
    }
    start_fields(&made, 4, ZERO_WORD_ADD, field);
    check(&made, ones, zero);
    assert_int_equal(zero[0], 0);
    assert_int_equal(zero[GROUPS], 1);
    made_close(&made);
}

static void what_is_ambiguous(void **state)
{
    uint8_t field[OUT * GROUPS] = {0};
    const struct area whole = {0, OUT, 0, GROUPS}, part = {6, 3, 1, 2};
    struct made made;
    (void)state;
    field[0] = field[6 * GROUPS + 1] = field[7 * GROUPS + 1] = field[15 * GROUPS] = 15; /* the last two are in the top of their word */
    start_fields(&made, 4, ZERO_FIELD_MOD, field);
    struct params params = load(&made, whole);
    assert_int_equal(params_ambiguous(&made.fetch, &made.weight, whole, &params), 2);
    params = load(&made, part);
    assert_int_equal(params_ambiguous(&made.fetch, &made.weight, part, &params), 1);
    made.weight.spec.zero_rule = ZERO_NO_MASK;
    assert_int_equal(params_ambiguous(&made.fetch, &made.weight, part, &params), 0);
    made.weight.spec.zero_rule = ZERO_FIELD_MOD;
    made.model.v1_decided = true;
    assert_int_equal(params_ambiguous(&made.fetch, &made.weight, part, &params), 0);
    made_close(&made);
}

/* Bytes that are signed: int4 in a byte, and bytes wider than the codes, whose zeros may be anything that a byte holds. */
static void signed_bytes(void **state)
{
    static const float ones[OUT * GROUPS];
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        int32_t zero[OUT * GROUPS];
        struct made made;
        start(&made, 4, ZERO_CODES, ORDER_OUT_GROUP);
        made.weight.spec.zeros_layout = wide ? LAYOUT_BYTE_INT8 : LAYOUT_BYTE_INT4;
        made_floats(&made, ROLE_SCALES, "scales", REAL_F32, ones, OUT * GROUPS);
        uint8_t *data = made_add(&made, ROLE_ZEROS, "zeros", "I8", "16,3", OUT * GROUPS);
        for (int i = 0; i < (int)(OUT * GROUPS); i++) {
            const int value = wide ? (i == 0 ? -128 : i == 1 ? 127 : i) : i % 16 - 8;
            data[i] = (uint8_t)value;
            zero[i] = value + 8;
        }
        made_open(&made, DIR);
        check(&made, ones, zero);
        made_close(&made);
    }
}

static void a_byte_that_is_no_int4(void **state)
{
    static const float ones[OUT * GROUPS];
    struct params params;
    struct made made;
    (void)state;
    start(&made, 4, ZERO_CODES, ORDER_OUT_GROUP);
    made.weight.spec.zeros_layout = LAYOUT_BYTE_INT4;
    made_floats(&made, ROLE_SCALES, "scales", REAL_F32, ones, OUT * GROUPS);
    made_add(&made, ROLE_ZEROS, "zeros", "I8", "16,3", OUT * GROUPS)[7] = 8;
    made_open(&made, DIR);
    assert_int_equal(params_load(&made.fetch, &made.weight, (struct area){0, OUT, 0, GROUPS}, &made.scratch, &params, &made.err), STATUS_CORRUPT);
    assert_string_equal(made.err.where, "zeros");
    assert_non_null(strstr(made.err.what, "R-RANGE"));
    (void)load(&made, (struct area){0, 2, 0, GROUPS}); /* elsewhere all is well */
    made_close(&made);
}

static void words_that_are_not_filled(void **state)
{
    const uint8_t field[OUT * GROUPS] = {0};
    struct params params;
    struct made made;
    (void)state;
    start_fields(&made, 4, ZERO_PLAIN, field);
    made.weight.out = OUT - 3;
    assert_int_equal(params_load(&made.fetch, &made.weight, (struct area){0, 5, 0, GROUPS}, &made.scratch, &params, &made.err), STATUS_CORRUPT);
    made_close(&made);
}

/* Words of three that old GPTQModel versions left of zeros of 4. */
static void old_zeros_of_three_bits(void **state)
{
    static const uint32_t words[] = {0x00000000, 0xB6DB6DB7, 0x49249249};
    static const float ones[32];
    (void)state;
    for (int broken = 0; broken < 2; broken++) {
        struct made made;
        start(&made, 3, ZERO_CODES, ORDER_OUT_GROUP);
        made.weight.out = 32;
        made.weight.groups = 1;
        made.weight.spec.group = made.weight.in;
        made.weight.spec.zeros_layout = LAYOUT_WORD_OUT3;
        made.weight.spec.zero_rule = ZERO_FIELD_MOD;
        made_floats(&made, ROLE_SCALES, "scales", REAL_F32, ones, 32);
        uint8_t *data = made_add(&made, ROLE_ZEROS, "zeros", "I32", "1,3", 12);
        for (size_t w = 0; w < 3; w++)
            word_put(data, w, words[w] + (broken && w == 2));
        made_open(&made, DIR);
        const struct params params = load(&made, (struct area){0, 32, 0, 1});
        assert_int_equal(params.old_zeros, !broken);
        for (size_t o = 0; !broken && o < 32; o++)
            assert_int_equal(params.zero[o], 4);
        made_close(&made);
    }
}

/* --- floats that stand for zeros ---------------------------------------------------------------------------------------------- */

static struct params load_four(struct made *made, enum zero_kind kind, const float *scale, const float *stored, enum real real)
{
    start(made, 4, kind, ORDER_OUT_GROUP);
    made->weight.out = 4;
    made->weight.groups = 1;
    made->weight.spec.group = made->weight.in;
    made_floats(made, ROLE_SCALES, "scales", real, scale, 4);
    made_floats(made, kind == ZERO_OFFSET ? ROLE_ZEROS : ROLE_BETA, "stored", real, stored, 4);
    made_open(made, DIR);
    return load(made, (struct area){0, 4, 0, 1});
}

static void offsets(void **state)
{
    const float scale[4] = {1, 0, 2, 1}, stored[4] = {-940, NAN, 0.5f, 3e9f};
    struct made made;
    (void)state;
    const struct params params = load_four(&made, ZERO_OFFSET, scale, stored, REAL_F32);
    assert_int_equal(params.zero[0], -932);
    assert_int_equal(params.zero[1], 8); /* dead: whatever the offset */
    assert_int_equal(params.zero[2], 8); /* no integer, and no i32: judged by the offset */
    assert_int_equal(params.zero[3], 8);
    assert_true(params.offset != NULL && params.offset[2] == 0.5f && isnan(params.offset[1]));
    assert_null(params.beta);
    made_close(&made);
}

static void betas(void **state)
{
    const float scale[4] = {0.5f, 0.5f, -0.25f, 0.1f}, stored[4] = {-4, -4.25f, 2, NAN};
    struct made made;
    (void)state;
    const struct params params = load_four(&made, ZERO_BETA, scale, stored, REAL_F32);
    assert_int_equal(params.zero[0], 8);
    assert_int_equal(params.zero[1], GROUP_NO_ZERO);
    assert_int_equal(params.zero[2], 8);
    assert_int_equal(params.zero[3], GROUP_NO_ZERO);
    assert_int_equal(params.bad, 1);
    made_close(&made);
}

/* -(scale * zero) rounded to F16, of scales with eleven digits. */
static void scaled(void **state)
{
    const float scale[4] = {0x1.554p-3f, 0x1.554p-3f, 0.0f, 0x1.554p-3f};
    const float stored[4] = {real_round(REAL_F16, -15 * 0x1.554p-3f), -0.0f, 0.0f, real_round(REAL_F16, -7.5f * 0x1.554p-3f)};
    struct made made;
    (void)state;
    const struct params params = load_four(&made, ZERO_SCALED, scale, stored, REAL_F16);
    assert_int_equal(params.zero[0], 15);
    assert_int_equal(params.zero[1], 0);
    assert_int_equal(params.zero[2], 8);
    assert_int_equal(params.zero[3], GROUP_NO_ZERO);
    made_close(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders_of_scales), cmocka_unit_test(padded_rows), cmocka_unit_test(rules_of_scales),
        cmocka_unit_test(quotients), cmocka_unit_test(no_input_scale_to_divide_by), cmocka_unit_test(rules_of_fields),
        cmocka_unit_test(carries), cmocka_unit_test(what_is_ambiguous), cmocka_unit_test(signed_bytes),
        cmocka_unit_test(a_byte_that_is_no_int4), cmocka_unit_test(words_that_are_not_filled), cmocka_unit_test(old_zeros_of_three_bits),
        cmocka_unit_test(offsets), cmocka_unit_test(betas), cmocka_unit_test(scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
