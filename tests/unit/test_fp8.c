/* FP8 directories: which scales are read, and every refusal. */
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "fp8.tmp"
#define CHANGES_MAX 4

/* 10 x 12 with one scale for the whole. */
static const struct entry one[] = {
    {"m.a.weight", "F8_E4M3", "10,12", {0}}, {"m.a.weight_scale", "F32", "1", {0}}, {"norm.weight", "F16", "64", {0}}, {NULL, NULL, NULL, {0}},
};
#define NONE \
    { \
        { \
            NULL, NULL, NULL, \
            { \
                0 \
            } \
        } \
    }
#define METHOD(method, members) "{\"quantization_config\": {\"quant_method\": \"" method "\"" members "}}"
#define PLAIN METHOD("fp8", "")
#define BLOCKS(sizes) METHOD("fp8", ", \"weight_block_size\": " sizes)
#define SCALE(dtype, shape) {{"m.a.weight_scale", dtype, shape, {0}}}

static void scales(void **state)
{
    static const struct {
        const char *config;
        struct entry change[CHANGES_MAX];
        uint64_t rows, group, groups;
        enum order order;
        enum dtype dtype;
    } rows[] = {
        {PLAIN, NONE, 0, 12, 1, ORDER_ONE, DTYPE_F32},
        {PLAIN, SCALE("BF16", ""), 0, 12, 1, ORDER_ONE, DTYPE_BF16},
        {PLAIN, SCALE("F16", "1,1"), 0, 12, 1, ORDER_ONE, DTYPE_F16},
        {PLAIN, SCALE("F32", "10"), 0, 12, 1, ORDER_OUT_GROUP, DTYPE_F32},
        {PLAIN, SCALE("BF16", "10,1"), 0, 12, 1, ORDER_OUT_GROUP, DTYPE_BF16},
        {BLOCKS("null"), SCALE("F32", "10"), 0, 12, 1, ORDER_OUT_GROUP, DTYPE_F32},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,3"), 4, 5, 3, ORDER_OUT_GROUP, DTYPE_F32}, /* edges of both sides */
        {BLOCKS("[5, 4]"), SCALE("F16", "2,3"), 5, 4, 3, ORDER_OUT_GROUP, DTYPE_F16},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,1,3,1"), 4, 5, 3, ORDER_OUT_GROUP, DTYPE_F32}, /* ModelOpt's FP8_PB_WO */
        {BLOCKS("[1, 1]"), SCALE("F32", "10,12"), 1, 1, 12, ORDER_OUT_GROUP, DTYPE_F32},
        {BLOCKS("[4.0, 1e1]"), SCALE("F32", "3,2"), 4, 10, 2, ORDER_OUT_GROUP, DTYPE_F32},
        {BLOCKS("[128, 128]"), NONE, 0, 12, 1, ORDER_ONE, DTYPE_F32}, /* one block */
        {BLOCKS("[4, 5]"), SCALE("F32", "10,1"), 0, 12, 1, ORDER_OUT_GROUP, DTYPE_F32}, /* some layers may differ from the config */
        {BLOCKS("[9007199254740991, 5]"), SCALE("F32", "1,3"), 9007199254740991, 5, 3, ORDER_OUT_GROUP, DTYPE_F32},
        /* a single channel */
        {PLAIN, {{"m.a.weight", "F8_E4M3", "1,12", {0}}}, 0, 12, 1, ORDER_OUT_GROUP, DTYPE_F32},
        {PLAIN, {{"m.a.weight", "F8_E4M3", "1,12", {0}}, {"m.a.weight_scale", "F32", "", {0}}}, 0, 12, 1, ORDER_ONE, DTYPE_F32},
        {PLAIN, {{"m.a.weight", "F8_E5M2", "10,12", {0}}}, 0, 12, 1, ORDER_ONE, DTYPE_F32},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, one, rows[i].change, rows[i].config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.model.format, "fp8");
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = o.model.weight;
        const uint32_t codes = model_find(&o.model, slice_of("m.a.weight"));
        assert_string_equal(weight->name, "m.a");
        assert_int_equal(weight->out, o.model.tensor[codes].shape[0]);
        assert_int_equal(weight->in, 12);
        if (weight->groups != rows[i].groups || weight->spec.group != rows[i].group || weight->spec.rows != rows[i].rows ||
            weight->spec.param_order != rows[i].order || weight->spec.scale_dtype != rows[i].dtype)
            fail_msg("row %zu: %d groups of %d, rows %d, order %d, %s", i, (int)weight->groups, (int)weight->spec.group, (int)weight->spec.rows,
                     (int)weight->spec.param_order, dtype_name(weight->spec.scale_dtype));
        assert_int_equal(weight->spec.grid, GRID_MINIFLOAT);
        assert_int_equal(weight->spec.bits, 8);
        assert_int_equal(weight->spec.zero_kind, ZERO_MID);
        assert_int_equal(weight->spec.codes_layout, LAYOUT_BYTE_INT8);
        assert_int_equal(weight->spec.activation, ACTIVATION_DYNAMIC);
        assert_int_equal(weight->role[ROLE_CODES], codes);
        assert_int_equal(weight->role[ROLE_SCALES], model_find(&o.model, slice_of("m.a.weight_scale")));
        assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("norm.weight"))].fate, FATE_CARRY);
        directory_close(&o);
    }
}

/* The scale under each of its names, and the scale of static activations. */
static void siblings(void **state)
{
    static const struct entry rows[][CHANGES_MAX] = {
        {{"m.a.weight_scale", "", "", {0}}, {"m.a.weight_scale_inv", "F32", "1", {0}}, {NULL, NULL, NULL, {0}}},
        {{"m.a.weight_scale", "", "", {0}}, {"m.a.scale", "F32", "1", {0}}, {NULL, NULL, NULL, {0}}},
        {{"m.a.scale", "F32", "9", {0}}, {"m.a.input_scale", "F32", "1", {0}}, {NULL, NULL, NULL, {0}}}, /* some other scale */
    };
    static const char *const names[] = {"m.a.weight_scale_inv", "m.a.scale", "m.a.weight_scale"};
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, one, rows[i], PLAIN);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        const struct weight *weight = o.model.weight;
        assert_string_equal(o.model.tensor[weight->role[ROLE_SCALES]].name, names[i]);
        assert_int_equal(weight->role[ROLE_INPUT_SCALE], model_find(&o.model, slice_of("m.a.input_scale")));
        assert_int_equal(weight->spec.activation, i == 2 ? ACTIVATION_STATIC : ACTIVATION_DYNAMIC);
        directory_close(&o);
    }
    static const struct entry floats[] = {{"m.a.weight", "BF16", "10,12", {0}}, {"m.a.weight_scale", "", "", {0}}, {NULL, NULL, NULL, {0}}};
    directory_write(DIR, one, floats, PLAIN);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight_count, 0); /* nothing was quantized */
    directory_close(&o);
}

static void errors(void **state)
{
    static const struct {
        const char *config;
        struct entry change[CHANGES_MAX];
        enum status status;
        const char *where, *what;
    } rows[] = {
        {BLOCKS("[4]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\", expected two positive integers"},
        {BLOCKS("[]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[4, 5, 6]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[0, 5]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[4, 0]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[-4, 5]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[4, -1]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[4.5, 5]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[4, \"5\"]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("[9007199254740993, 5]"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("4"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {BLOCKS("{\"rows\": 4, \"columns\": 5}"), NONE, STATUS_CORRUPT, "config.json", "\"weight_block_size\""},
        {PLAIN, {{"m.a.weight_scale", "", "", {0}}}, STATUS_CORRUPT, "m.a.weight", "found FP8 codes without a scale (R-INCOMPLETE)"},
        {PLAIN, {{"m.b", "F8_E4M3", "4,4", {0}}}, STATUS_UNSUPPORTED, "safetensors: m.b", "under a name that is no \".weight\" (fused experts)"},
        {PLAIN, {{"m.experts.up_proj", "F8_E5M2", "2,4,4", {0}}}, STATUS_UNSUPPORTED, "m.experts.up_proj", "(fused experts)"},
        {PLAIN, {{"m.a.weight", "F8_E4M3", "2,5,12", {0}}}, STATUS_UNSUPPORTED, "m.a.weight", "found shape [2, 5, 12], expected two dimensions (R-SHAPE)"},
        {PLAIN, {{"m.a.weight", "F8_E4M3", "120", {0}}}, STATUS_CORRUPT, "m.a.weight", "found shape [120], expected two dimensions (R-SHAPE)"},
        {PLAIN, {{"m.a.weight", "F8_E4M3", "10,0", {0}}}, STATUS_CORRUPT, "m.a.weight", "found shape [10, 0], expected two dimensions (R-SHAPE)"},
        {PLAIN, {{"m.a.weight", "F8_E4M3", "0,12", {0}}}, STATUS_CORRUPT, "m.a.weight", "found shape [0, 12], expected two dimensions (R-SHAPE)"},
        {PLAIN, {{"m.a.weight", "I8", "10,12", {0}}}, STATUS_CORRUPT, "m.a.weight_scale", "found a scale without FP8 codes (R-INCOMPLETE)"},
        {PLAIN, {{"m.b.weight_scale", "F32", "1", {0}}}, STATUS_CORRUPT, "m.b.weight_scale", "found a scale without FP8 codes (R-INCOMPLETE)"},
        {PLAIN, {{"m.b.weight_scale_inv", "F32", "1", {0}}}, STATUS_CORRUPT, "m.b.weight_scale_inv", "found a scale without FP8 codes (R-INCOMPLETE)"},
        {PLAIN, {{"m.a.weight_scale_inv", "F32", "1", {0}}}, STATUS_CORRUPT, "m.a.weight_scale", "found a scale without FP8 codes"}, /* two of them */
        {PLAIN, {{"m.a.weight_scale_2", "F32", "1", {0}}}, STATUS_UNSUPPORTED, "m.a.weight_scale_2", "found a scale of NVFP4 or AWQ, expected FP8 alone"},
        {PLAIN, {{"m.a.pre_quant_scale", "F32", "12", {0}}}, STATUS_UNSUPPORTED, "m.a.pre_quant_scale", "found a scale of NVFP4 or AWQ, expected FP8 alone"},
        {PLAIN, SCALE("F64", "1"), STATUS_CORRUPT, "m.a.weight_scale", "found dtype F64, expected F16, BF16 or F32"},
        {PLAIN, SCALE("U8", "1"), STATUS_CORRUPT, "m.a.weight_scale", "found dtype U8"},
        {PLAIN, SCALE("F8_E8M0", "1"), STATUS_CORRUPT, "m.a.weight_scale", "found dtype F8_E8M0"},
        {PLAIN, SCALE("F32", "0"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [0], which is no scale of 10 x 12 per tensor or per channel, and no block size in config.json (R-SHAPE)"},
        {PLAIN, SCALE("F32", "9"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [9], which is no scale of 10 x 12 per tensor or per channel, and no block size in config.json (R-SHAPE)"},
        {PLAIN, SCALE("F32", "1,10"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [1, 10]"},
        {PLAIN, SCALE("F32", "10,1,1"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [10, 1, 1]"},
        {PLAIN, SCALE("F32", "3,3"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [3, 3]"}, /* nobody says of which blocks */
        {BLOCKS("[4, 5]"), SCALE("F32", "2,3"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [2, 3], which is no scale of 10 x 12 in blocks of 4 x 5"},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,2"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [3, 2]"},
        {BLOCKS("[4, 5]"), SCALE("F32", "9"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [9]"},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,1,3,2"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [3, 1, 3, 2]"},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,2,3,1"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [3, 2, 3, 1]"},
        {BLOCKS("[4, 5]"), SCALE("F32", "2,1,3,1"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [2, 1, 3, 1]"},
        {BLOCKS("[4, 5]"), SCALE("F32", "3,1,2,1"), STATUS_CORRUPT, "m.a.weight_scale", "found shape [3, 1, 2, 1]"},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, one, rows[i].change, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

static void who_bids(void **state)
{
    static const struct {
        const char *config, *evidence; /* NULL: not this format's */
    } rows[] = {
        {PLAIN, "config.json: quant_method \"fp8\""},
        {METHOD("fbgemm_fp8", ", \"activation_scale_ub\": 1200.0"), "config.json: quant_method \"fbgemm_fp8\""},
        {METHOD("modelopt", ", \"quant_algo\": \"FP8\""), "config.json: quant_method \"modelopt\""},
        {METHOD("modelopt", ", \"quant_algo\": \"fp8_pb_wo\""), "config.json: quant_method \"modelopt\""},
        {METHOD("modelopt", ", \"quant_algo\": \"NVFP4\""), NULL},
        {METHOD("modelopt", ", \"quant_algo\": 8"), NULL},
        {METHOD("modelopt", ""), NULL},
        {METHOD("fp8_e5m2", ""), NULL},
        {"{\"quantization_config\": {\"quant_algo\": \"FP8\"}}", NULL},
        {"{}", NULL},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, one, NULL, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != (rows[i].evidence != NULL ? STATUS_OK : STATUS_UNSUPPORTED))
            fail_msg("row %zu: status %d, %s: %s", i, (int)status, o.err.where, o.err.what);
        if (rows[i].evidence != NULL) {
            assert_int_equal(o.bid.score, 90);
            assert_string_equal(o.bid.evidence, rows[i].evidence);
        }
        directory_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales),
        cmocka_unit_test(siblings),
        cmocka_unit_test(errors),
        cmocka_unit_test(who_bids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
