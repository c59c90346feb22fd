/* MXFP4 directories (gpt-oss, compressed-tensors, MLX): what is read, and every refusal. */
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "mxfp4.tmp"
#define CHANGES_MAX 4
#define EXPERTS "model.layers.0.mlp.experts."

/* Two experts of 6 x 96, and of 10 x 32. */
static const struct entry base[] = {
    {EXPERTS "gate_up_proj_blocks", "U8", "2,6,3,16", {0}}, {EXPERTS "gate_up_proj_scales", "U8", "2,6,3", {0}},
    {EXPERTS "gate_up_proj_bias", "BF16", "2,6", {0}},      {EXPERTS "down_proj_blocks", "U8", "2,10,1,16", {0}},
    {EXPERTS "down_proj_scales", "U8", "2,10,1", {0}},      {NULL, NULL, NULL, {0}},
};
#define PLAIN "{\"quantization_config\": {\"quant_method\": \"mxfp4\", \"modules_to_not_convert\": [\"lm_head\"]}}"

static void weights(void **state)
{
    static const struct {
        const char *name, *codes, *scales;
        uint64_t out, in;
    } rows[] = {
        {EXPERTS "down_proj", EXPERTS "down_proj_blocks", EXPERTS "down_proj_scales", 20, 32},
        {EXPERTS "gate_up_proj", EXPERTS "gate_up_proj_blocks", EXPERTS "gate_up_proj_scales", 12, 96},
    };
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, PLAIN);
    if (directory_read(&o, DIR) != STATUS_OK)
        fail_msg("%s: %s", o.err.where, o.err.what);
    assert_string_equal(o.model.format, "mxfp4");
    assert_int_equal(o.bid.score, 90);
    assert_string_equal(o.bid.evidence, "config.json: MXFP4");
    assert_int_equal(o.model.weight_count, 2);
    for (uint32_t w = 0; w < 2; w++) {
        const struct weight *weight = &o.model.weight[w];
        assert_string_equal(weight->name, rows[w].name);
        assert_int_equal(weight->out, rows[w].out); /* all experts' */
        assert_int_equal(weight->in, rows[w].in);
        assert_int_equal(weight->groups, rows[w].in / 32);
        assert_int_equal(weight->spec.experts, 2);
        assert_int_equal(weight->spec.grid, GRID_MINIFLOAT);
        assert_int_equal(weight->spec.bits, 4);
        assert_int_equal(weight->spec.group, 32);
        assert_int_equal(weight->spec.rows, 0);
        assert_int_equal(weight->spec.zero_kind, ZERO_MID);
        assert_int_equal(weight->spec.param_order, ORDER_OUT_GROUP);
        assert_int_equal(weight->spec.scale_dtype, DTYPE_F8_E8M0);
        assert_int_equal(weight->spec.codes_layout, LAYOUT_ROW_IN4);
        assert_int_equal(weight->spec.activation, ACTIVATION_NONE);
        assert_int_equal(weight->role[ROLE_CODES], model_find(&o.model, slice_of(rows[w].codes)));
        assert_int_equal(weight->role[ROLE_SCALES], model_find(&o.model, slice_of(rows[w].scales)));
        assert_int_equal(o.model.tensor[weight->role[ROLE_CODES]].peer, w);
    }
    assert_int_equal(o.model.tensor[model_find(&o.model, slice_of(EXPERTS "gate_up_proj_bias"))].fate, FATE_CARRY);
    directory_close(&o);
}

/* --- the other encodings ---------------------------------------------------------------------------------------------------------- */

static const struct entry packed[] = {
    {"a.weight_packed", "U8", "4,32", {0}},
    {"a.weight_scale", "U8", "4,2", {0}},
    {"norm.weight", "F16", "64", {0}},
    {NULL, NULL, NULL, {0}},
};
#define CT_GROUP(version, format, weights, input) \
    "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"" format "\", \"version\": \"" version \
    "\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {\"type\": \"float\", " weights "}, \"input_activations\": " input "}}}}"
#define MX "\"num_bits\": 4, \"strategy\": \"group\", \"group_size\": 32"
#define CT(weights) CT_GROUP("0.14.0", "mxfp4-pack-quantized", weights, "null")
static const struct entry words[] = {
    {"a.weight", "U32", "4,8", {0}},
    {"a.scales", "U8", "4,2", {0}},
    {"norm.weight", "F16", "64", {0}},
    {NULL, NULL, NULL, {0}},
};
static const struct entry stack[] = {
    {"a.weight", "U32", "3,4,8", {0}},
    {"a.scales", "U8", "3,4,2", {0}},
    {NULL, NULL, NULL, {0}},
};
#define MLX(members) "{\"quantization\": {" members "}}"
#define MLX_MX "\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp4\""

static void other_encodings(void **state)
{
    static const struct {
        const struct entry *tensors;
        const char *config, *format;
        uint64_t out;
        uint32_t experts;
        enum activation activation;
    } rows[] = {
        {packed, CT(MX), "compressed-tensors", 4, 0, ACTIVATION_NONE},
        {packed, CT("\"num_bits\": 4, \"group_size\": 32, \"scale_dtype\": \"torch.uint8\""), "compressed-tensors", 4, 0, ACTIVATION_NONE},
        {packed, CT_GROUP("0.14.0", "mxfp4-pack-quantized", MX, "{\"type\": \"float\", " MX ", \"dynamic\": true}"), "compressed-tensors", 4, 0,
         ACTIVATION_DYNAMIC},
        {words, MLX(MLX_MX), "mlx", 4, 0, ACTIVATION_NONE},
        {words, MLX(MLX_MX ", \"a\": {\"group_size\": 32, \"bits\": 4}"), "mlx", 4, 0, ACTIVATION_NONE},
        {words, MLX("\"group_size\": 64, \"bits\": 8, \"a\": {" MLX_MX "}"), "mlx", 4, 0, ACTIVATION_NONE},
        {stack, MLX(MLX_MX), "mlx", 12, 3, ACTIVATION_NONE},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, rows[i].tensors, NULL, rows[i].config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.model.format, rows[i].format);
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = &o.model.weight[0];
        assert_int_equal(weight->out, rows[i].out);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->groups, 2);
        assert_int_equal(weight->spec.grid, GRID_MINIFLOAT);
        assert_int_equal(weight->spec.bits, 4);
        assert_int_equal(weight->spec.group, 32);
        assert_int_equal(weight->spec.scale_dtype, DTYPE_F8_E8M0);
        assert_int_equal(weight->spec.codes_layout, LAYOUT_ROW_IN4);
        assert_int_equal(weight->spec.code_rule, CODE_STORED);
        assert_int_equal(weight->spec.experts, rows[i].experts);
        assert_int_equal(weight->spec.switched, rows[i].experts > 0);
        assert_int_equal(weight->spec.activation, rows[i].activation);
        directory_close(&o);
    }
}

#define CT_SHAPE "expected U8 codes [out, in/2] with U8 scales [out, in/32] (R-SHAPE)"
#define MLX_SHAPE "expected codes [out, in/8] with scales [out, in/32], or stacks of them (R-SHAPE)"

static void other_errors(void **state)
{
    static const struct {
        const struct entry *tensors;
        const char *config;
        struct entry change[CHANGES_MAX];
        enum status status;
        const char *where, *what;
    } rows[] = {
        {packed, CT(MX), {{"a.weight_packed", "U8", "4,24", {0}}}, STATUS_CORRUPT, "a.weight_packed", "found U8 [4, 24], " CT_SHAPE},
        {packed, CT(MX), {{"a.weight_packed", "U8", "0,32", {0}}}, STATUS_CORRUPT, "a.weight_packed", "found U8 [0, 32], " CT_SHAPE},
        {packed, CT(MX), {{"a.weight_packed", "U8", "2,4,32", {0}}}, STATUS_CORRUPT, "a.weight_packed", "found U8 [2, 4, 32], " CT_SHAPE},
        {packed, CT(MX), {{"a.weight_scale", "U8", "4,1", {0}}}, STATUS_CORRUPT, "a.weight_scale", "found U8 [4, 1], " CT_SHAPE},
        {packed, CT(MX), {{"a.weight_scale", "F8_E8M0", "4,2", {0}}}, STATUS_CORRUPT, "a.weight_scale", "found F8_E8M0 [4, 2], " CT_SHAPE},
        {packed, CT(MX), {{"a.weight_scale", "", "", {0}}}, STATUS_CORRUPT, "a", "no a.weight_scale (R-INCOMPLETE)"},
        {packed, CT(MX), {{"a.weight_packed", "", "", {0}}}, STATUS_CORRUPT, "a.weight_scale", "without its codes (R-INCOMPLETE)"},
        {packed, CT(MX), {{"a.input_scale", "F32", "1", {0}}}, STATUS_CORRUPT, "a", "found input_scale of MXFP4 codes"},
        {packed, CT_GROUP("0.13.0", "mxfp4-pack-quantized", MX, "null"), {{NULL, NULL, NULL, {0}}}, STATUS_UNSUPPORTED, "a", "of compressed-tensors 0.13"},
        {packed, CT_GROUP("0.14.0", "nvfp4-pack-quantized", MX, "null"), {{NULL, NULL, NULL, {0}}}, STATUS_UNSUPPORTED, "a", "4-bit float weights (nvfp4"},
        {packed, CT("\"num_bits\": 4, \"group_size\": 16"), {{NULL, NULL, NULL, {0}}}, STATUS_UNSUPPORTED, "a", "4-bit float weights (mxfp4"},
        {packed,
         CT_GROUP("0.14.0", "mxfp4-pack-quantized", MX, "{\"num_bits\": 8, \"type\": \"float\", \"dynamic\": true, \"group_size\": 32}"),
         {{NULL, NULL, NULL, {0}}},
         STATUS_UNSUPPORTED,
         "config.json",
         "input_activations of MXFP4 weights"},
        {words, MLX(MLX_MX), {{"a.weight", "I32", "4,8", {0}}}, STATUS_CORRUPT, "a.weight", "dtype I32, expected U32"},
        {words, MLX(MLX_MX), {{"a.scales", "F16", "4,2", {0}}}, STATUS_CORRUPT, "a.scales", "dtype F16, expected U8"},
        {words, MLX(MLX_MX), {{"a.weight", "U32", "4,6", {0}}}, STATUS_CORRUPT, "a.weight", "found shape [4, 6], " MLX_SHAPE},
        {words, MLX(MLX_MX), {{"a.weight", "U32", "0,8", {0}}}, STATUS_CORRUPT, "a.weight", "found shape [0, 8], " MLX_SHAPE},
        {words, MLX(MLX_MX), {{"a.scales", "U8", "4,3", {0}}}, STATUS_CORRUPT, "a.scales", "found shape [4, 3], " MLX_SHAPE},
        {words, MLX(MLX_MX), {{"a.scales", "U8", "3,2", {0}}}, STATUS_CORRUPT, "a.scales", "found shape [3, 2], " MLX_SHAPE},
        {stack, MLX(MLX_MX), {{"a.scales", "U8", "12,2", {0}}}, STATUS_CORRUPT, "a.scales", "found shape [12, 2], " MLX_SHAPE},
        {stack, MLX(MLX_MX), {{"a.scales", "U8", "3,3,2", {0}}}, STATUS_CORRUPT, "a.scales", "found shape [3, 3, 2], " MLX_SHAPE},
        {words, MLX("\"group_size\": 16, \"bits\": 4, \"mode\": \"mxfp4\""), {{NULL, NULL, NULL, {0}}}, STATUS_CORRUPT, "a", "in groups of 16, expected"},
        {words, MLX("\"group_size\": 32, \"bits\": 8, \"mode\": \"mxfp4\""), {{NULL, NULL, NULL, {0}}}, STATUS_CORRUPT, "a", "with 8 bits in groups"},
        {words, MLX("\"group_size\": 32, \"bits\": 4"), {{NULL, NULL, NULL, {0}}}, STATUS_CORRUPT, "a", "no a.biases (R-INCOMPLETE)"},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, rows[i].tensors, rows[i].change, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

/* --- gpt-oss's errors ---------------------------------------------------------------------------------------------------------------- */

#define UP EXPERTS "gate_up_proj"
#define EXPECTED "expected U8 blocks [experts, out, in/32, 16] with scales [experts, out, in/32] (R-SHAPE)"

static void errors(void **state)
{
    static const struct {
        struct entry change[CHANGES_MAX];
        const char *where, *what;
    } rows[] = {
        {{{UP "_blocks", "I8", "2,6,3,16", {0}}}, UP "_blocks", "found I8 [2, 6, 3, 16], " EXPECTED},
        {{{UP "_blocks", "F16", "2,6,3,16", {0}}}, UP "_blocks", "found F16 [2, 6, 3, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "6,3,16", {0}}}, UP "_blocks", "found U8 [6, 3, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "2,6,3,1,16", {0}}}, UP "_blocks", "found U8 [2, 6, 3, 1, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "2,6,3,32", {0}}}, UP "_blocks", "found U8 [2, 6, 3, 32], " EXPECTED},
        {{{UP "_blocks", "U8", "2,6,3,15", {0}}}, UP "_blocks", "found U8 [2, 6, 3, 15], " EXPECTED},
        {{{UP "_blocks", "U8", "0,6,3,16", {0}}}, UP "_blocks", "found U8 [0, 6, 3, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "2,6,0,16", {0}}}, UP "_blocks", "found U8 [2, 6, 0, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "4294967296,0,3,16", {0}}}, UP "_blocks", "found U8 [4294967296, 0, 3, 16], " EXPECTED},
        {{{UP "_blocks", "U8", "3,6,3,16", {0}}}, UP "_scales", "found U8 [2, 6, 3], " EXPECTED},
        {{{UP "_scales", "U8", "2,5,3", {0}}}, UP "_scales", "found U8 [2, 5, 3], " EXPECTED},
        {{{UP "_scales", "U8", "2,6,2", {0}}}, UP "_scales", "found U8 [2, 6, 2], " EXPECTED},
        {{{UP "_scales", "U8", "2,6,3,1", {0}}}, UP "_scales", "found U8 [2, 6, 3, 1], " EXPECTED},
        {{{UP "_scales", "U8", "12,3", {0}}}, UP "_scales", "found U8 [12, 3], " EXPECTED},
        {{{UP "_scales", "U8", "", {0}}}, UP "_scales", "found U8 [], " EXPECTED},
        {{{UP "_scales", "F32", "2,6,3", {0}}}, UP "_scales", "found F32 [2, 6, 3], " EXPECTED},
        {{{UP "_scales", "F8_E8M0", "2,6,3", {0}}}, UP "_scales", "found F8_E8M0 [2, 6, 3], " EXPECTED},
        {{{UP "_scales", "", "", {0}}}, UP, "found " UP "_blocks but no " UP "_scales"},
        {{{UP "_blocks", "", "", {0}}}, UP "_scales", "found no " UP "_blocks beside it, expected the codes of this weight"},
        {{{"x_scales", "U8", "2,6,3", {0}}}, "x_scales", "found no x_blocks beside it"},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, base, rows[i].change, PLAIN);
        const enum status status = directory_read(&o, DIR);
        if (status != STATUS_CORRUPT || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

static void who_bids(void **state)
{
    static const char *const others[] = {
        "{\"quantization_config\": {\"quant_method\": \"mxfp8\"}}",
        "{\"quantization_config\": {\"quant_method\": \"MXFP4\"}}",
        "{\"quantization_config\": {\"quant_method\": 4}}",
        "{\"quantization_config\": {}}",
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        directory_write(DIR, base, NULL, others[i]);
        const enum status status = directory_read(&o, DIR);
        if (status != STATUS_UNSUPPORTED)
            fail_msg("row %zu: status %d, %s: %s", i, (int)status, o.err.where, o.err.what);
        directory_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights), cmocka_unit_test(errors), cmocka_unit_test(who_bids), cmocka_unit_test(other_encodings), cmocka_unit_test(other_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
