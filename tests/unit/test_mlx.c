/* MLX directories: what is read of them, and every error. */
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "mlx.tmp"

/* A weight of 4 x 64 in groups of 32 at 4 bits. */
static const struct entry affine[] = {
    {"m.a.weight", "U32", "4,8", {0}}, {"m.a.scales", "F16", "4,2", {0}}, {"m.a.biases", "F16", "4,2", {0}},
    {"norm.weight", "F16", "64", {0}}, {NULL, NULL, NULL, {0}},
};
#define CHANGES_MAX 4
#define NONE \
    { \
        { \
            NULL, NULL, NULL, \
            { \
                0 \
            } \
        } \
    }
#define CONFIG(members) "{\"quantization\": {" members "}}"
#define PLAIN CONFIG("\"group_size\": 32, \"bits\": 4")
#define ENTRY(name, entry) CONFIG("\"group_size\": 32, \"bits\": 4, \"" name "\": " entry)

static void weights(void **state)
{
    static const struct {
        const char *config;
        struct entry change[CHANGES_MAX];
        unsigned bits;
        uint64_t group;
        enum layout_id codes;
        enum dtype dtype;
    } rows[] = {
        {PLAIN, NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"affine\""), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {"{\"quantization_config\": {\"group_size\": 32, \"bits\": 4}}", NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {"{\"quantization\": {}, \"quantization_config\": {\"group_size\": 32, \"bits\": 4}}", NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {"{\"quantization\": {\"group_size\": 32, \"bits\": 4}, \"quantization_config\": {\"group_size\": 32, \"bits\": 4}}", NONE, 4, 32, LAYOUT_ROW_IN4,
         DTYPE_F16},
        {PLAIN, {{"m.a.scales", "BF16", "4,2", {0}}, {"m.a.biases", "BF16", "4,2", {0}}}, 4, 32, LAYOUT_ROW_IN4, DTYPE_BF16},
        {CONFIG("\"group_size\": 64, \"bits\": 4"),
         {{"m.a.scales", "F32", "4,1", {0}}, {"m.a.biases", "F32", "4,1", {0}}},
         4,
         64,
         LAYOUT_ROW_IN4,
         DTYPE_F32},
        {CONFIG("\"group_size\": 32, \"bits\": 2"), {{"m.a.weight", "U32", "4,4", {0}}}, 2, 32, LAYOUT_ROW_IN2, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 3"), {{"m.a.weight", "U32", "4,6", {0}}}, 3, 32, LAYOUT_ROW_IN3, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 5"), {{"m.a.weight", "U32", "4,10", {0}}}, 5, 32, LAYOUT_ROW_IN5, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 6"), {{"m.a.weight", "U32", "4,12", {0}}}, 6, 32, LAYOUT_ROW_IN6, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 8"), {{"m.a.weight", "U32", "4,16", {0}}}, 8, 32, LAYOUT_ROW_IN8, DTYPE_F16},
        {ENTRY("m.a", "{\"bits\": 8}"), {{"m.a.weight", "U32", "4,16", {0}}}, 8, 32, LAYOUT_ROW_IN8, DTYPE_F16},
        {ENTRY("m.a", "{\"group_size\": 16}"), {{"m.a.scales", "F16", "4,4", {0}}, {"m.a.biases", "F16", "4,4", {0}}}, 4, 16, LAYOUT_ROW_IN4, DTYPE_F16},
        {ENTRY("m.a", "true"), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {ENTRY("norm", "{\"bits\": 8}"), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16}, /* its weight is a float */
        {ENTRY("m", "{\"bits\": 8}"), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {ENTRY("lm_head", "false"), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {ENTRY("note", "\"of no module\""), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp4\", \"m.a\": {\"mode\": \"affine\"}"), NONE, 4, 32, LAYOUT_ROW_IN4, DTYPE_F16},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, affine, rows[i].change, rows[i].config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.model.format, "mlx");
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = o.model.weight;
        assert_string_equal(weight->name, "m.a");
        assert_int_equal(weight->out, 4);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->groups, 64 / rows[i].group);
        assert_int_equal(weight->spec.grid, GRID_AFFINE_BETA);
        assert_int_equal(weight->spec.zero_kind, ZERO_BETA);
        assert_int_equal(weight->spec.param_order, ORDER_OUT_GROUP);
        assert_int_equal(weight->spec.bits, rows[i].bits);
        assert_int_equal(weight->spec.group, rows[i].group);
        assert_int_equal(weight->spec.codes_layout, rows[i].codes);
        assert_int_equal(weight->spec.scale_dtype, rows[i].dtype);
        assert_int_equal(weight->role[ROLE_CODES], model_find(&o.model, slice_of("m.a.weight")));
        assert_int_equal(weight->role[ROLE_SCALES], model_find(&o.model, slice_of("m.a.scales")));
        assert_int_equal(weight->role[ROLE_BETA], model_find(&o.model, slice_of("m.a.biases")));
        assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("norm.weight"))].fate, FATE_CARRY);
        directory_close(&o);
    }
}

/* Each weight has its own entry, whatever the order. */
static void several_weights(void **state)
{
    static const struct entry more[] = {
        {"b.weight", "U32", "2,16", {0}}, {"b.scales", "F16", "2,2", {0}},  {"b.biases", "F16", "2,2", {0}}, {"ab.weight", "U32", "2,6", {0}},
        {"ab.scales", "F16", "2,4", {0}}, {"ab.biases", "F16", "2,4", {0}}, {NULL, NULL, NULL, {0}},
    };
    struct opened o;
    (void)state;
    directory_write(DIR, affine, more, CONFIG("\"b\": {\"bits\": 8}, \"group_size\": 32, \"bits\": 4, \"ab\": {\"bits\": 3, \"group_size\": 16}"));
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight_count, 3);
    assert_string_equal(o.model.weight[0].name, "ab");
    assert_int_equal(o.model.weight[0].spec.bits, 3);
    assert_int_equal(o.model.weight[0].spec.group, 16);
    assert_string_equal(o.model.weight[1].name, "b");
    assert_int_equal(o.model.weight[1].spec.bits, 8);
    assert_int_equal(o.model.weight[1].spec.group, 32);
    assert_int_equal(o.model.weight[2].spec.bits, 4);
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
        {CONFIG("\"bits\": 4"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in quantization"},
        {CONFIG("\"group_size\": 32"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": null"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": \"4\""), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 1"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 7"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 9"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in quantization"},
        {CONFIG("\"group_size\": null, \"bits\": 4"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in quantization"},
        {CONFIG("\"group_size\": 0, \"bits\": 4"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in quantization"},
        {CONFIG("\"group_size\": -1, \"bits\": 4"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in quantization"},
        {CONFIG("\"group_size\": 2147483648, \"bits\": 4"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": 1"), NONE, STATUS_CORRUPT, "config.json", "\"mode\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": null"), NONE, STATUS_CORRUPT, "config.json", "\"mode\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"nf4\""), NONE, STATUS_CORRUPT, "config.json", "\"mode\" in quantization"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp4\""), NONE, STATUS_CORRUPT, "m.a", "in groups of 32 and biases"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp8\""), NONE, STATUS_UNSUPPORTED, "m.a", "mode mxfp8, expected affine or mxfp4"},
        {CONFIG("\"group_size\": 32, \"bits\": 4, \"mode\": \"nvfp4\""), NONE, STATUS_UNSUPPORTED, "m.a", "mode nvfp4, expected affine or mxfp4"},
        {ENTRY("m.a", "{\"mode\": \"mxfp4\"}"), NONE, STATUS_CORRUPT, "m.a", "found mode mxfp4 with 4 bits in groups of 32 and biases"},
        {ENTRY("m.a", "{\"mode\": \"fp\"}"), NONE, STATUS_CORRUPT, "config.json", "\"mode\" in m.a"},
        {ENTRY("m.a", "{\"bits\": 7}"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in m.a"},
        {ENTRY("m.a", "{\"group_size\": 0}"), NONE, STATUS_CORRUPT, "config.json", "\"group_size\" in m.a"},
        {ENTRY("other", "{\"bits\": 7}"), NONE, STATUS_CORRUPT, "config.json", "\"bits\" in other"}, /* of a module that is not there */
        {ENTRY("m.z", "4"), NONE, STATUS_CORRUPT, "config.json", "\"m.z\" in quantization"},
        {ENTRY("m.z", "null"), NONE, STATUS_CORRUPT, "config.json", "\"m.z\" in quantization"},
        {ENTRY("lm_head", "\"no\""), NONE, STATUS_CORRUPT, "config.json", "\"lm_head\" in quantization"},
        {"{\"quantization\": {\"group_size\": 32, \"bits\": 4}, \"quantization_config\": {\"group_size\": 64, \"bits\": 2}}", NONE, STATUS_CORRUPT,
         "quantization_config", "2 bits in groups of 64, but \"quantization\" says 4 bits in groups of 32 (R-CONFLICT)"},
        {ENTRY("m.a", "false"), NONE, STATUS_CORRUPT, "m.a", "says false for this module (R-CONFLICT)"},
        {ENTRY("m.a", "{\"bits\": 8}"), NONE, STATUS_CORRUPT, "m.a.scales", "32 columns in groups of 32 (R-SHAPE)"},
        {PLAIN, {{"m.a.weight", "", "", {0}}}, STATUS_CORRUPT, "m.a", "no m.a.weight (R-INCOMPLETE)"},
        {PLAIN, {{"m.a.biases", "", "", {0}}}, STATUS_CORRUPT, "m.a", "no m.a.biases (R-INCOMPLETE)"},
        {PLAIN, {{"m.a.scales", "", "", {0}}}, STATUS_CORRUPT, "m.a.", "without its scales (R-INCOMPLETE)"},
        {PLAIN, {{"b.biases", "F16", "4,2", {0}}}, STATUS_CORRUPT, "b.biases", "without its scales (R-INCOMPLETE)"},
        {PLAIN, {{"b", "U32", "4", {0}}}, STATUS_CORRUPT, "model.safetensors: b", "without its scales (R-INCOMPLETE)"},
        {PLAIN, {{"m.a.weight", "I32", "4,8", {0}}}, STATUS_CORRUPT, "m.a.weight", "dtype I32, expected U32"},
        {PLAIN, {{"m.a.scales", "U8", "4,2", {0}}}, STATUS_CORRUPT, "m.a.scales", "dtype U8"},
        {PLAIN, {{"m.a.biases", "F32", "4,2", {0}}}, STATUS_CORRUPT, "m.a.biases", "dtype F32, expected F16"},
        {PLAIN, {{"m.a.weight", "U32", "32", {0}}}, STATUS_CORRUPT, "m.a.weight", "two dimensions"},
        {PLAIN, {{"m.a.weight", "U32", "0,8", {0}}}, STATUS_CORRUPT, "m.a.weight", "two dimensions"},
        {PLAIN, {{"m.a.weight", "U32", "2,4,8", {0}}}, STATUS_UNSUPPORTED, "m.a.weight", "two dimensions"},
        {PLAIN, {{"m.a.scales", "F16", "4", {0}}}, STATUS_CORRUPT, "m.a.weight", "two dimensions"},
        {PLAIN, {{"m.a.scales", "F16", "4,3", {0}}}, STATUS_CORRUPT, "m.a.scales", "64 columns in groups of 32 (R-SHAPE)"},
        {PLAIN, {{"m.a.scales", "F16", "5,2", {0}}}, STATUS_CORRUPT, "m.a.scales", "expected [4, 2] (R-SHAPE)"},
        {PLAIN, {{"m.a.biases", "F16", "4,1", {0}}}, STATUS_CORRUPT, "m.a.biases", "expected [4, 2] (R-SHAPE)"},
        {CONFIG("\"group_size\": 48, \"bits\": 4"), {{"m.a.scales", "F16", "4,1", {0}}}, STATUS_CORRUPT, "m.a.scales", "64 columns in groups of 48"},
        {CONFIG("\"group_size\": 32, \"bits\": 3"), {{"m.a.weight", "U32", "4,7", {0}}}, STATUS_CORRUPT, "m.a.scales", "74 columns in groups of 32"},
        /* 7 * 32 / 3 is no whole number of columns, though what is left of it fills its groups */
        {CONFIG("\"group_size\": 2, \"bits\": 3"),
         {{"m.a.weight", "U32", "4,7", {0}}, {"m.a.scales", "F16", "4,37", {0}}, {"m.a.biases", "F16", "4,37", {0}}},
         STATUS_CORRUPT,
         "m.a.scales",
         "74 columns in groups of 2"},
        {PLAIN, {{".scales", "F16", "4,2", {0}}}, STATUS_OK, "", ""},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, affine, rows[i].change, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || (status != STATUS_OK && (strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)))
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

/* What is not MLX's must not pass for a float checkpoint either. */
static void who_bids(void **state)
{
    static const struct {
        const char *config, *what;
    } rows[] = {
        {"{}", "no quantization_config"},
        {"{\"quantization\": null}", "no quantization_config"},
        {"{\"quantization\": [4]}", "no quantization_config"},
        {"{\"quantization\": {\"mode\": \"affine\"}}", "no quantization_config"},
        {"{\"quantization_config\": {\"bits\": 4}}", "a quantization_config without \"quant_method\""},
        {"{\"quantization_config\": {\"bits\": 4, \"group_size\": 32, \"sym\": true}}", "a quantization_config without \"quant_method\""},
        {"{\"quantization_config\": {\"group_size\": 32}}", "no description that a format recognises"},
        {"{\"quantization_config\": {\"group_size\": 32, \"bits\": 4, \"quant_method\": \"metal\"}}", "quant_method \"metal\""},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, affine, NULL, rows[i].config);
        if (directory_read(&o, DIR) == STATUS_OK || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        directory_close(&o);
    }
    directory_write(DIR, affine, NULL, PLAIN);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.bid.score, 80);
    assert_string_equal(o.bid.evidence, "config.json: MLX quantization");
    directory_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights),
        cmocka_unit_test(several_weights),
        cmocka_unit_test(errors),
        cmocka_unit_test(who_bids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
