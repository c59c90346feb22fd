/* Weights that are rounded anew: which of a model become some, with which width and groups, and that any area of their codes and parameters is what rounding
 * group by group gives. */
#include "plan/derive.h"

#include "codec/round.h"
#include "directory.h"
#include "made.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "derive.tmp"

/* --- which ------------------------------------------------------------------------------------------------------------------- */

static const struct entry names[] = {
    {"model.embed_tokens.weight", "F16", "8,64", {0}},
    {"model.layers.0.input_layernorm.weight", "F16", "64", {0}},
    {"model.layers.0.mlp.down_proj.bias", "F16", "8", {0}},
    {"model.layers.0.mlp.down_proj.weight", "F16", "8,64", {0}},
    {"model.layers.0.mlp.experts.3.w1.weight", "BF16", "8,64", {0}},
    {"model.layers.0.mlp.gate.weight", "F16", "8,64", {0}},
    {"model.layers.0.mlp.gate_proj.weight", "F32", "8,64", {0}},
    {"model.layers.0.mlp.router.weight", "F16", "8,64", {0}},
    {"model.layers.0.mlp.shared_expert_gate.weight", "F16", "1,64", {0}},
    {"model.layers.0.self_attn.q_norm.weight", "F16", "8,64", {0}},
    {"model.layers.0.self_attn.qkv.weight", "F16", "8,64,1", {0}},
    {"model.layers.10.block_sparse_moe.wg.weight", "F16", "8,64", {0}},
    {"model.layers.10.mlp.empty.weight", "F16", "0,64", {0}},
    {"model.layers.11x.mlp.up_proj.weight", "F16", "8,64", {0}},
    {"model.layers.7.mlp.ids.weight", "I32", "8,64", {0}},
    {"model.norm.weight", "F16", "64", {0}},
    {"model.vision_tower.layers.0.mlp.fc1.weight", "F16", "8,64", {0}},
    {"lm_head.weight", "F16", "8,64", {0}},
    {NULL, NULL, NULL, {0}},
};
#define FLOATS "{\"architectures\": [\"X\"], \"torch_dtype\": \"float16\"}"

static void which(void **state)
{
    static const char *const expected[] = {"model.layers.0.mlp.down_proj", "model.layers.0.mlp.experts.3.w1", "model.layers.0.mlp.gate_proj"};
    const struct options options = {.bits = 4};
    struct opened o;
    (void)state;
    directory_write(DIR, names, NULL, FLOATS);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(derive_floats(&o.model, registry_find("gptq"), &options, &o.err), STATUS_OK);
    assert_int_equal(o.model.weight_count, 3);
    for (size_t w = 0; w < 3; w++) {
        const struct weight *weight = &o.model.weight[w];
        assert_string_equal(weight->name, expected[w]);
        assert_non_null(weight->origin);
        assert_int_equal(weight->origin->spec.grid, GRID_DENSE);
        assert_int_equal(weight->out, 8);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->groups, 1); /* 128 does not fit into 64 */
        assert_int_equal(weight->spec.group, 64);
        assert_int_equal(o.model.tensor[weight->role[ROLE_DENSE]].fate, FATE_CLAIMED);
    }
    directory_close(&o);
}

static void patterns(void **state)
{
    static const struct {
        struct options options;
        enum status status;
        size_t count;
    } rows[] = {
        {{.bits = 4, .keep = "gate"}, STATUS_OK, 2},
        {{.bits = 4, .exclude = "experts[.]3"}, STATUS_OK, 2},
        {{.bits = 4, .keep = "^model[.]layers[.]0[.]mlp[.]down_proj[.]weight$", .exclude = "w1"}, STATUS_OK, 1},
        {{.bits = 4, .keep = "."}, STATUS_OK, 0},
        {{.bits = 4, .keep = ""}, STATUS_OK, 0}, /* found everywhere */
        {{.bits = 4, .keep = "("}, STATUS_USAGE, 0},
        {{.bits = 4, .exclude = "[z-a]"}, STATUS_USAGE, 0},
        {{.bits = 1}, STATUS_USAGE, 0},
        {{.bits = 9}, STATUS_USAGE, 0},
        {{.bits = UINT32_MAX}, STATUS_USAGE, 0},
        {{.bits = 2}, STATUS_OK, 3},
        {{.bits = 8}, STATUS_OK, 3},
    };
    (void)state;
    directory_write(DIR, names, NULL, FLOATS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct opened o;
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        const enum status status = derive_floats(&o.model, registry_find("gptq"), &rows[i].options, &o.err);
        if (status != rows[i].status || (status == STATUS_OK && o.model.weight_count != rows[i].count))
            fail_msg("row %d: status %d, %d weights", (int)i, (int)status, (int)o.model.weight_count);
        if (status == STATUS_USAGE)
            assert_true(strncmp(o.err.where, "--", 2) == 0);
        directory_close(&o);
    }
}

/* Width, groups, zeros and dtypes by target and options, of 640 columns. */
static void into_what(void **state)
{
    static const struct entry wide[] = {{"m.layers.0.a.weight", "BF16", "8,640", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct constraints only32 = {.engine = "x", .groups = 32};
    static const struct {
        const char *target;
        struct options options;
        uint64_t group, groups;
        enum zero_kind kind;
        enum dtype dtype;
    } rows[] = {
        {"gptq", {.bits = 4}, 128, 5, ZERO_MID, DTYPE_F16},
        {"gptq", {.bits = 4, .asymmetric = true}, 128, 5, ZERO_CODES, DTYPE_F16},
        {"gptq", {.bits = 4, .dtype = DTYPE_BF16}, 128, 5, ZERO_MID, DTYPE_BF16},
        {"gptq", {.bits = 4, .group = 7}, 7, 92, ZERO_MID, DTYPE_F16}, /* a short last group */
        {"gptq", {.bits = 4, .group = 1}, 1, 640, ZERO_MID, DTYPE_F16},
        {"gptq", {.bits = 4, .group = -1}, 640, 1, ZERO_MID, DTYPE_F16},
        {"gptq", {.bits = 4, .group = 641}, 640, 1, ZERO_MID, DTYPE_F16},
        {"gptq", {.bits = 4, .group = INT64_MAX}, 640, 1, ZERO_MID, DTYPE_F16},
        {"gptq", {.bits = 4, .constraints = &only32}, 32, 20, ZERO_MID, DTYPE_F16},
        {"mlx", {.bits = 4}, 64, 10, ZERO_BETA, DTYPE_BF16},
        {"mlx", {.bits = 4, .group = 32, .asymmetric = true}, 32, 20, ZERO_BETA, DTYPE_BF16},
        {"compressed-tensors", {.bits = 8, .dtype = DTYPE_F32}, 128, 5, ZERO_MID, DTYPE_F32},
        {"awq", {.bits = 4, .dtype = DTYPE_F32}, 128, 5, ZERO_MID, DTYPE_F16}, /* it has no other */
    };
    (void)state;
    directory_write(DIR, wide, NULL, FLOATS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct opened o;
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        assert_int_equal(derive_floats(&o.model, registry_find(rows[i].target), &rows[i].options, &o.err), STATUS_OK);
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = &o.model.weight[0];
        if (weight->spec.group != rows[i].group || weight->groups != rows[i].groups || weight->spec.zero_kind != rows[i].kind ||
            weight->spec.scale_dtype != rows[i].dtype || weight->spec.bits != rows[i].options.bits)
            fail_msg("row %d: %d groups of %d, zeros %d, scales %s", (int)i, (int)weight->groups, (int)weight->spec.group, (int)weight->spec.zero_kind,
                     dtype_name(weight->spec.scale_dtype));
        directory_close(&o);
    }
}

/* --- quantized ones again ------------------------------------------------------------------------------------------------------- */

/* 3 bits in groups of 32 with a group map, as a reader leaves it. */
static void again(void **state)
{
    static const struct constraints no32 = {.engine = "x", .bits = 1u << 8, .groups = 128};
    static const struct {
        const char *target;
        struct options options;
        unsigned bits;
        uint64_t group;
    } rows[] = {
        {"gptq", {.bits = 0}, 3, 32},
        {"awq", {.bits = 0}, 4, 32},     /* the only width there is */
        {"mlx", {.bits = 0}, 3, 32},
        {"msmodelslim", {.bits = 0}, 8, 32}, /* nothing narrower: the widest */
        {"gptq", {.bits = 2, .group = -1}, 2, 640},
        {"gptq", {.bits = 8, .group = 16}, 8, 16},
        {"mlx", {.bits = 4, .group = 64}, 4, 64},
        {"gptq", {.bits = 0, .constraints = &no32}, 8, 128},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int trivial = 0; trivial < 2; trivial++) {
            struct model model = {0};
            struct err err = {0};
            uint32_t index;
            assert_int_equal(model_add_weight(&model, "m.layers.0.a", &index, &err), STATUS_OK);
            struct weight *weight = &model.weight[index];
            weight->out = 8;
            weight->in = 640;
            weight->groups = 20;
            weight->claim = CLAIM_SYMMETRIC;
            weight->role[ROLE_GROUP_OF] = 5;
            weight->spec = (struct spec){.grid = GRID_AFFINE_ZERO, .bits = 3, .zero_kind = ZERO_CODES, .scale_dtype = DTYPE_F16, .group = 32};
            assert_int_equal(derive_again(&model, index, trivial, registry_find(rows[i].target), &rows[i].options, &err), STATUS_OK);
            if (weight->spec.bits != rows[i].bits || weight->spec.group != rows[i].group)
                fail_msg("row %d: %d bits in groups of %d", (int)i, weight->spec.bits, (int)weight->spec.group);
            assert_int_equal(weight->groups, 640 / rows[i].group);
            assert_int_equal(weight->claim, CLAIM_NONE);
            assert_int_equal(weight->role[ROLE_GROUP_OF], MODEL_NONE);
            assert_int_equal(weight->origin->role[ROLE_GROUP_OF], trivial ? MODEL_NONE : 5);
            assert_int_equal(weight->origin->spec.bits, 3);
            model_free(&model);
        }
    }
}

static void again_refuses(void **state)
{
    struct model model = {0};
    struct err err = {0};
    uint32_t index;
    (void)state;
    assert_int_equal(model_add_weight(&model, "m.layers.0.a", &index, &err), STATUS_OK);
    model.weight[index].out = model.weight[index].in = 8;
    model.weight[index].spec = (struct spec){.grid = GRID_CODEBOOK, .bits = 4, .group = 8};
    assert_int_equal(derive_again(&model, index, true, registry_find("gptq"), &(struct options){.bits = 1}, &err), STATUS_USAGE);
    assert_string_equal(err.where, "--bits");
    assert_null(model.weight[index].origin);
    model_free(&model);
}

/* --- what they are --------------------------------------------------------------------------------------------------------------- */

#define OUT 70u /* more than the rows that are loaded at once, where these are many columns */
#define IN 43u

static struct weight dense; /* the origin */

static void start(struct made *made, const float *values, enum real real, struct spec spec, uint64_t in)
{
    made_start(made);
    made->weight.out = OUT;
    made->weight.in = in;
    made_floats(made, ROLE_DENSE, "dense", real, values, OUT * in);
    made_open(made, DIR);
    dense = made->weight;
    dense.groups = 1;
    dense.spec = (struct spec){.grid = GRID_DENSE, .scale_dtype = made_dtype(real), .group = in};
    made->weight.origin = &dense;
    made->weight.spec = spec;
    made->weight.groups = (in + spec.group - 1) / spec.group;
}

/* Areas of codes and parameters against one group at a time. */
static void check(struct made *made, const float *values, const struct round_rule *rule)
{
    const struct weight *weight = &made->weight;
    struct rng rng = {weight->in + weight->spec.group};
    for (int round = 0; round < 40; round++) {
        const uint64_t out0 = round == 0 ? 0 : rng_below(&rng, OUT), out = round == 0 ? OUT : 1 + rng_below(&rng, (uint32_t)(OUT - out0));
        const uint64_t in0 = round == 0 ? 0 : rng_below(&rng, (uint32_t)weight->in);
        const uint64_t in = round == 0 ? weight->in : 1 + rng_below(&rng, (uint32_t)(weight->in - in0));
        const uint64_t g0 = in0 / weight->spec.group, groups = (in0 + in - 1) / weight->spec.group - g0 + 1;
        struct codes codes;
        struct params params;
        struct round_tally tally = {0};
        if (derive_codes(&made->fetch, weight, (struct area){out0, out, in0, in}, &made->scratch, &codes, &made->err) != STATUS_OK)
            fail_msg("%s: %s", made->err.where, made->err.what);
        for (uint64_t o = 0; o < out; o++) {
            for (uint64_t k = 0; k < in; k++) {
                const uint64_t g = (in0 + k) / weight->spec.group, first = g * weight->spec.group;
                const uint64_t count = weight->in - first < weight->spec.group ? weight->in - first : weight->spec.group;
                uint8_t code[64];
                struct round_params one;
                round_group_reference(rule, values + (out0 + o) * weight->in + first, (size_t)count, &one, code, NULL);
                assert_int_equal(codes.data[o * codes.stride + k], code[in0 + k - first]);
            }
        }
        assert_int_equal(params_load(&made->fetch, weight, (struct area){out0, out, g0, groups}, &made->scratch, &params, &made->err), STATUS_OK);
        for (uint64_t o = 0; o < out; o++) {
            for (uint64_t g = 0; g < groups; g++) {
                const uint64_t first = (g0 + g) * weight->spec.group, count = weight->in - first < weight->spec.group ? weight->in - first : weight->spec.group;
                uint8_t code[64];
                struct round_params one;
                round_group_reference(rule, values + (out0 + o) * weight->in + first, (size_t)count, &one, code, &tally);
                assert_int_equal(bits_of(params.scale[o * groups + g]), bits_of(one.scale));
                if (rule->grid != ROUND_MLX)
                    assert_int_equal(params.zero[o * groups + g], one.zero);
                else
                    assert_int_equal(bits_of(params.beta[o * groups + g]), bits_of(one.beta));
            }
        }
        assert_int_equal(params.rounding.groups, tally.groups);
        assert_int_equal(params.rounding.nonfinite, tally.nonfinite);
        assert_int_equal(params.rounding.overflow, tally.overflow);
        assert_int_equal(params.rounding.underflow, tally.underflow);
        if (params.rounding.max_error != tally.max_error)
            fail_msg("%d bits, grid %d: largest error %a, expected %a", (int)rule->bits, (int)rule->grid, params.rounding.max_error, tally.max_error);
    }
}

static void fill(float *values, enum real real, struct rng *rng)
{
    static const float extremes[] = {0.0f, -0.0f, 65504.0f, -65504.0f, 0x1p-24f, -0x1p-24f, 1.0f, 0.5f};
    for (unsigned i = 0; i < OUT * IN; i++) {
        values[i] = real_round(real, ldexpf((float)rng_below(rng, 1u << 24) - 0x1p23f, -24));
        if (i / IN % 9 == 4)
            values[i] = 0.0f;
        if (i / IN % 9 == 5)
            values[i] = real_round(real, extremes[rng_below(rng, 8)]);
    }
}

static void codes_and_params(void **state)
{
    static float values[OUT * IN];
    static const enum zero_kind kinds[] = {ZERO_MID, ZERO_CODES, ZERO_BETA};
    struct rng rng = {11};
    (void)state;
    for (int round = 0; round < 3 * 3 * 4; round++) {
        static const uint64_t sizes[] = {43, 16, 1, 7};
        const enum zero_kind kind = kinds[round % 3];
        const enum real real = (enum real)(round / 3 % 3);
        const unsigned bits = 2 + (unsigned)round % 7;
        const struct spec spec = {.grid = kind == ZERO_BETA ? GRID_AFFINE_BETA : GRID_AFFINE_ZERO, .bits = (uint8_t)bits, .zero_kind = kind,
                                  .scale_dtype = made_dtype(real), .group = sizes[round / 9]};
        const struct round_rule rule = {kind == ZERO_BETA ? ROUND_MLX : kind == ZERO_CODES ? ROUND_ASYMMETRIC : ROUND_SYMMETRIC, bits, spec.scale_dtype};
        struct made made;
        fill(values, real, &rng);
        start(&made, values, real, spec, IN);
        check(&made, values, &rule);
        made_close(&made);
    }
}

/* NaN, infinity and what overflows its scale's dtype are counted, for the caller to refuse; their neighbours are what they would be. */
static void what_cannot_be_rounded(void **state)
{
    static float values[OUT * IN];
    const struct spec spec = {.grid = GRID_AFFINE_ZERO, .bits = 4, .zero_kind = ZERO_MID, .scale_dtype = DTYPE_F16, .group = 16};
    struct rng rng = {12};
    struct made made;
    struct params params;
    (void)state;
    fill(values, REAL_F32, &rng);
    values[0] = NAN;
    values[IN * 2 + 16] = -INFINITY;
    values[IN * 3 + 1] = 0x1.fffffep127f; /* its scale is no F16 */
    for (unsigned k = 0; k < IN; k++)
        values[IN * 6 + k] = k == 0 ? 0x1p-30f : 0.0f; /* nor is this one's, but 0 */
    start(&made, values, REAL_F32, spec, IN);
    assert_int_equal(params_load(&made.fetch, &made.weight, (struct area){0, OUT, 0, 3}, &made.scratch, &params, &made.err), STATUS_OK);
    assert_int_equal(params.rounding.nonfinite, 2);
    assert_int_equal(params.rounding.overflow, 1);
    assert_int_equal(params.rounding.underflow, 1);
    assert_int_equal(params.rounding.groups, OUT * 3);
    assert_true(params.scale[0] == 0.0f && params.scale[1] > 0.0f);
    made_close(&made);
}

/* MLX rounds weights of the scales' dtype: floats of 32 bits are cast first. */
static void mlx_casts_first(void **state)
{
    static float values[OUT * IN], cast[OUT * IN];
    const struct spec spec = {.grid = GRID_AFFINE_BETA, .bits = 4, .zero_kind = ZERO_BETA, .scale_dtype = DTYPE_BF16, .group = 16};
    const struct round_rule rule = {ROUND_MLX, 4, DTYPE_BF16};
    struct rng rng = {13};
    struct made made;
    (void)state;
    fill(values, REAL_F32, &rng);
    for (unsigned i = 0; i < OUT * IN; i++)
        cast[i] = real_round(REAL_BF16, values[i]);
    start(&made, values, REAL_F32, spec, IN);
    check(&made, cast, &rule);
    made_close(&made);
}

/* Rows so long that they are loaded in several steps. */
static void long_rows(void **state)
{
    const uint64_t in = 1 << 14;
    const struct spec spec = {.grid = GRID_AFFINE_ZERO, .bits = 3, .zero_kind = ZERO_CODES, .scale_dtype = DTYPE_F32, .group = 64};
    const struct round_rule rule = {ROUND_ASYMMETRIC, 3, DTYPE_F32};
    float *values = malloc(OUT * in * sizeof *values);
    struct rng rng = {14};
    struct made made;
    (void)state;
    assert_non_null(values);
    for (size_t i = 0; i < OUT * in; i++)
        values[i] = ldexpf((float)rng_below(&rng, 1u << 16) - 0x1p15f, -16);
    start(&made, values, REAL_F32, spec, in);
    struct codes codes;
    assert_int_equal(derive_codes(&made.fetch, &made.weight, (struct area){0, OUT, 100, 200}, &made.scratch, &codes, &made.err), STATUS_OK);
    for (uint64_t o = 0; o < OUT; o++) {
        for (uint64_t k = 100; k < 300; k++) {
            uint8_t code[64];
            struct round_params one;
            round_group_reference(&rule, values + o * in + k / 64 * 64, 64, &one, code, NULL);
            assert_int_equal(codes.data[o * codes.stride + k - 100], code[k % 64]);
        }
    }
    made_close(&made);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which),           cmocka_unit_test(patterns),
        cmocka_unit_test(into_what),       cmocka_unit_test(again),
        cmocka_unit_test(again_refuses),   cmocka_unit_test(codes_and_params),
        cmocka_unit_test(mlx_casts_first), cmocka_unit_test(what_cannot_be_rounded),
        cmocka_unit_test(long_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
