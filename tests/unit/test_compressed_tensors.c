/* compressed-tensors directories: what is read of them, and every error. */
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "compressed_tensors.tmp"

/* A packed weight of 4 x 64 in groups of 32 at 4 bits, and an 8-bit one per channel with its bias. */
static const struct entry packed[] = {
    {"a.weight_packed", "I32", "4,8", {0}},
    {"a.weight_scale", "F16", "4,2", {0}},
    {"a.weight_shape", "I64", "2", {4, 64}},
    {"norm.weight", "F16", "64", {0}},
    {NULL, NULL, NULL, {0}},
};
static const struct entry integers[] = {
    {"a.weight", "I8", "4,64", {0}},
    {"a.weight_scale", "F32", "4,1", {0}},
    {"a.bias", "F32", "4", {0}},
    {NULL, NULL, NULL, {0}},
};

#define HEAD(version) "{\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\", \"version\": \"" version "\", "
#define WITH(version, weights, input) \
    HEAD(version) "\"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {" weights "}, \"input_activations\": " input "}}}}"
#define CONFIG(weights) WITH("0.18.0", weights, "null")
#define GROUPS "\"num_bits\": 4, \"group_size\": 32"
#define ASYM GROUPS ", \"symmetric\": false"
#define CHANNEL "\"num_bits\": 8, \"strategy\": \"channel\""
#define FLOATS "\"type\": \"float\", \"strategy\": \"channel\""
#define DYNAMIC "{\"dynamic\": true, \"strategy\": \"token\"}"

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
struct good {
    const char *config;
    struct entry change[CHANGES_MAX];
    unsigned bits;
    uint64_t group, groups;
    enum layout_id codes, zeros;
    enum order order;
    enum zero_kind zero_kind;
};

static void take(const struct entry *base, const struct good *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct opened o;
        directory_write(DIR, base, rows[i].change, rows[i].config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.model.format, "compressed-tensors");
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = o.model.weight;
        assert_string_equal(weight->name, "a");
        assert_int_equal(weight->out, 4);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->spec.grid, GRID_AFFINE_ZERO);
        assert_true(weight->unset_group_of);
        if (weight->spec.bits != rows[i].bits || weight->spec.group != rows[i].group || weight->groups != rows[i].groups ||
            weight->spec.codes_layout != rows[i].codes || weight->spec.param_order != rows[i].order || weight->spec.zero_kind != rows[i].zero_kind)
            fail_msg("row %zu: %u bits, group %d, %d groups, layout %d, order %d, zeros %d", i, weight->spec.bits, (int)weight->spec.group,
                     (int)weight->groups, (int)weight->spec.codes_layout, (int)weight->spec.param_order, (int)weight->spec.zero_kind);
        if (rows[i].zero_kind == ZERO_CODES)
            assert_int_equal(weight->spec.zeros_layout, rows[i].zeros);
        directory_close(&o);
    }
}

static void packed_weights(void **state)
{
    static const struct good rows[] = {
        {CONFIG(GROUPS), NONE, 4, 32, 2, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG(GROUPS), {{"a.weight_shape", "I32", "2", {4, 64}}}, 4, 32, 2, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG(GROUPS), {{"a.weight_scale", "BF16", "4,2", {0}}}, 4, 32, 2, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 4, \"group_size\": 48"), NONE, 4, 48, 2, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 4, \"group_size\": 128"), {{"a.weight_scale", "F16", "4,1", {0}}}, 4, 64, 1, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 4, \"group_size\": -1"), {{"a.weight_scale", "F16", "4", {0}}}, 4, 64, 1, LAYOUT_ROW_IN4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 4"), {{"a.weight_scale", "F16", "1", {0}}}, 4, 64, 1, LAYOUT_ROW_IN4, 0, ORDER_ONE, ZERO_MID},
        {CONFIG("\"num_bits\": 4"), {{"a.weight_scale", "F16", "", {0}}}, 4, 64, 1, LAYOUT_ROW_IN4, 0, ORDER_ONE, ZERO_MID},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I32", "1,2", {0}}}, 4, 32, 2, LAYOUT_ROW_IN4, LAYOUT_ROW_OUT4, ORDER_OUT_GROUP, ZERO_CODES},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I8", "4,2", {0}}}, 4, 32, 2, LAYOUT_ROW_IN4, LAYOUT_BYTE_INT4, ORDER_OUT_GROUP, ZERO_CODES},
        {CONFIG(GROUPS), {{"a.weight_zero_point", "I32", "1,2", {0}}}, 4, 32, 2, LAYOUT_ROW_IN4, LAYOUT_ROW_OUT4, ORDER_OUT_GROUP, ZERO_CODES},
        {CONFIG("\"num_bits\": 4, \"symmetric\": false"),
         {{"a.weight_scale", "F16", "1", {0}}, {"a.weight_zero_point", "I8", "1", {0}}},
         4,
         64,
         1,
         LAYOUT_ROW_IN4,
         LAYOUT_BYTE_INT4,
         ORDER_ONE,
         ZERO_CODES},
        {CONFIG("\"num_bits\": 4, \"group_size\": -1, \"symmetric\": false"),
         {{"a.weight_scale", "F16", "4", {0}}, {"a.weight_zero_point", "I8", "4", {0}}},
         4,
         64,
         1,
         LAYOUT_ROW_IN4,
         LAYOUT_BYTE_INT4,
         ORDER_OUT_GROUP,
         ZERO_CODES},
        {CONFIG("\"num_bits\": 8, \"group_size\": 32, \"symmetric\": false"),
         {{"a.weight_packed", "I32", "4,16", {0}}, {"a.weight_zero_point", "I8", "4,2", {0}}},
         8,
         32,
         2,
         LAYOUT_ROW_IN8,
         LAYOUT_BYTE_INT8,
         ORDER_OUT_GROUP,
         ZERO_CODES},
        {CONFIG("\"num_bits\": 2, \"group_size\": 32, \"symmetric\": false"),
         {{"a.weight_packed", "I32", "4,4", {0}}, {"a.weight_zero_point", "I8", "4,2", {0}}},
         2,
         32,
         2,
         LAYOUT_ROW_IN2,
         LAYOUT_BYTE_INT8,
         ORDER_OUT_GROUP,
         ZERO_CODES},
        {CONFIG("\"num_bits\": 3, \"group_size\": 32"), {{"a.weight_packed", "I32", "4,6", {0}}}, 3, 32, 2, LAYOUT_ROW_IN3, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 3, \"group_size\": 32"), {{"a.weight_packed", "I32", "4,7", {0}}}, 3, 32, 2, LAYOUT_SPARE_IN3, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 5, \"group_size\": 32, \"symmetric\": false"),
         {{"a.weight_packed", "I32", "4,10", {0}}, {"a.weight_zero_point", "I32", "1,2", {0}}},
         5,
         32,
         2,
         LAYOUT_ROW_IN5,
         LAYOUT_ROW_OUT5,
         ORDER_OUT_GROUP,
         ZERO_CODES},
        {WITH("0.17.1", "\"num_bits\": 5, \"group_size\": 32, \"symmetric\": false", "null"),
         {{"a.weight_packed", "I32", "4,11", {0}}, {"a.weight_zero_point", "I32", "1,2", {0}}},
         5,
         32,
         2,
         LAYOUT_SPARE_IN5,
         LAYOUT_SPARE_OUT5,
         ORDER_OUT_GROUP,
         ZERO_CODES},
    };
    (void)state;
    take(packed, rows, sizeof rows / sizeof rows[0]);
}

/* Where dense and spare fields fill as many words, the version decides. */
static void the_version_decides(void **state)
{
    static const struct {
        const char *config;
        enum layout_id zeros;
    } rows[] = {
        {WITH("0.17.9", "\"num_bits\": 6, \"group_size\": 32, \"symmetric\": false", "null"), LAYOUT_SPARE_OUT6},
        {WITH("0.18.0", "\"num_bits\": 6, \"group_size\": 32, \"symmetric\": false", "null"), LAYOUT_ROW_OUT6},
        {WITH("1.2.0", "\"num_bits\": 6, \"group_size\": 32, \"symmetric\": false", "null"), LAYOUT_ROW_OUT6},
        {WITH("0.0", "\"num_bits\": 6, \"group_size\": 32, \"symmetric\": false", "null"), LAYOUT_ROW_OUT6},
    };
    static const struct entry change[] = {{"a.weight_packed", "I32", "4,12", {0}}, {"a.weight_zero_point", "I32", "1,2", {0}}, {NULL, NULL, NULL, {0}}};
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, packed, change, rows[i].config);
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        assert_int_equal(o.model.weight->spec.codes_layout, LAYOUT_ROW_IN6);
        assert_int_equal(o.model.weight->spec.zeros_layout, rows[i].zeros);
        directory_close(&o);
    }
}

static void integer_weights(void **state)
{
    static const struct good rows[] = {
        {CONFIG(CHANNEL), NONE, 8, 64, 1, LAYOUT_BYTE_INT8, 0, ORDER_OUT_GROUP, ZERO_MID},
        {WITH("0.18.0", CHANNEL, DYNAMIC), NONE, 8, 64, 1, LAYOUT_BYTE_INT8, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"num_bits\": 4, \"strategy\": \"channel\""), NONE, 4, 64, 1, LAYOUT_BYTE_INT4, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG("\"group_size\": 32"), {{"a.weight_scale", "F32", "4,2", {0}}}, 8, 32, 2, LAYOUT_BYTE_INT8, 0, ORDER_OUT_GROUP, ZERO_MID},
        {CONFIG(CHANNEL ", \"symmetric\": false"),
         {{"a.weight_zero_point", "I8", "4,1", {0}}},
         8,
         64,
         1,
         LAYOUT_BYTE_INT8,
         LAYOUT_BYTE_INT8,
         ORDER_OUT_GROUP,
         ZERO_CODES},
    };
    (void)state;
    take(integers, rows, sizeof rows / sizeof rows[0]);
}

static void roles_and_claims(void **state)
{
    static const struct entry change[] = {{"a.input_scale", "F32", "1", {0}}, {"a.input_zero_point", "I8", "1", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct entry order[] = {{"a.weight_g_idx", "I32", "64", {0}}, {NULL, NULL, NULL, {0}}};
    struct opened o;
    (void)state;
    directory_write(DIR, integers, change, WITH("0.18.0", CHANNEL, "{\"symmetric\": false}"));
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    const struct weight *weight = o.model.weight;
    assert_int_equal(weight->spec.activation, ACTIVATION_STATIC);
    assert_int_equal(weight->spec.scale_dtype, DTYPE_F32);
    assert_int_equal(weight->claim, CLAIM_SYMMETRIC);
    assert_int_equal(weight->role[ROLE_INPUT_SCALE], model_find(&o.model, slice_of("a.input_scale")));
    assert_int_equal(weight->role[ROLE_INPUT_ZERO], model_find(&o.model, slice_of("a.input_zero_point")));
    assert_int_equal(weight->role[ROLE_LAYER_BIAS], model_find(&o.model, slice_of("a.bias")));
    assert_int_equal(o.model.tensor[weight->role[ROLE_LAYER_BIAS]].fate, FATE_CARRY);
    directory_close(&o);
    directory_write(DIR, packed, change, WITH("0.18.0", GROUPS, "{\"symmetric\": false}"));
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight->role[ROLE_INPUT_SCALE], model_find(&o.model, slice_of("a.input_scale")));
    directory_close(&o);
    directory_write(DIR, packed, order, CONFIG(GROUPS));
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight->role[ROLE_GROUP_OF], model_find(&o.model, slice_of("a.weight_g_idx")));
    assert_int_equal(o.model.weight->role[ROLE_SHAPE], model_find(&o.model, slice_of("a.weight_shape")));
    assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("norm.weight"))].fate, FATE_CARRY);
    directory_close(&o);
    static const struct entry zeros[] = {{"a.weight_zero_point", "I32", "1,2", {0}}, {NULL, NULL, NULL, {0}}};
    directory_write(DIR, packed, zeros, CONFIG(ASYM));
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight->claim, CLAIM_NONE);
    directory_close(&o);
    /* a bias that is none of the layer's */
    static const struct entry other[] = {{"a.input_scale", "F32", "1", {0}}, {"a.bias", "F32", "5", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct entry bytes[] = {{"a.input_scale", "F32", "1", {0}}, {"a.bias", "I32", "4", {0}}, {NULL, NULL, NULL, {0}}};
    for (int i = 0; i < 2; i++) {
        directory_write(DIR, integers, i == 0 ? other : bytes, WITH("0.18.0", CHANNEL, "{}"));
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        assert_int_equal(o.model.weight->role[ROLE_LAYER_BIAS], MODEL_NONE);
        directory_close(&o);
    }
}

static void float_weights(void **state)
{
    static const struct entry channel[] = {{"a.weight", "F8_E4M3", "4,64", {0}}, {NULL, NULL, NULL, {0}}};
    static const struct entry blocks[] = {{"a.weight", "F8_E4M3", "4,64", {0}}, {"a.weight_scale", "F32", "2,4", {0}}, {NULL, NULL, NULL, {0}}};
    struct opened o;
    (void)state;
    for (int i = 0; i < 2; i++) {
        directory_write(DIR, integers, i == 0 ? channel : blocks,
                        i == 0 ? CONFIG(FLOATS) : CONFIG("\"type\": \"float\", \"strategy\": \"block\", \"block_structure\": [2, 16]"));
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %d: %s: %s", i, o.err.where, o.err.what);
        assert_int_equal(o.model.weight->spec.grid, GRID_MINIFLOAT);
        assert_int_equal(o.model.weight->spec.bits, 8);
        assert_int_equal(o.model.weight->spec.group, i == 0 ? 64 : 16);
        assert_int_equal(o.model.weight->out, 4);
        assert_int_equal(o.model.weight->in, 64);
        directory_close(&o);
    }
}

struct bad {
    const char *config;
    struct entry change[CHANGES_MAX];
    enum status status;
    const char *where, *what;
};

static void refuse(const struct entry *base, const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct opened o;
        directory_write(DIR, base, rows[i].change, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

static void broken_packed_weights(void **state)
{
    static const struct bad rows[] = {
        {CONFIG("\"num_bits\": 4.5"), NONE, STATUS_CORRUPT, "config.json", "num_bits"},
        {CONFIG(GROUPS), {{"a.weight_packed", "", "", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-INCOMPLETE"},
        {CONFIG(GROUPS), {{"a.weight_scale", "", "", {0}}}, STATUS_CORRUPT, "a", "no a.weight_scale"},
        {CONFIG(GROUPS), {{"a.weight_shape", "", "", {0}}}, STATUS_CORRUPT, "a", "no a.weight_shape"},
        {CONFIG(GROUPS), {{"b.weight_scale", "F16", "4", {0}}}, STATUS_CORRUPT, "b.weight_scale", "R-INCOMPLETE"},
        {CONFIG(GROUPS), {{"b.weight_zero_point", "I8", "4", {0}}}, STATUS_CORRUPT, "b.weight_zero_point", "R-INCOMPLETE"},
        {CONFIG(GROUPS), {{"b.weight_g_idx", "I32", "64", {0}}}, STATUS_CORRUPT, "b.weight_g_idx", "R-INCOMPLETE"},
        {CONFIG(GROUPS), {{"b.weight_shape", "I64", "2", {0}}}, STATUS_CORRUPT, "b.weight_shape", "R-INCOMPLETE"},
        {CONFIG(GROUPS), {{"a.weight", "I8", "4,64", {0}}}, STATUS_CORRUPT, "a.weight", "beside a.weight_packed"},
        {CONFIG(GROUPS), {{"a.weight_packed", "F32", "4,8", {0}}}, STATUS_CORRUPT, "a.weight_packed", "dtype F32, expected I32"},
        {CONFIG(GROUPS), {{"a.weight_packed", "I32", "4,7", {0}}}, STATUS_CORRUPT, "a.weight_packed", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_packed", "I32", "5,8", {0}}}, STATUS_CORRUPT, "a.weight_packed", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_packed", "I32", "4,8,1", {0}}}, STATUS_CORRUPT, "a.weight_packed", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_packed", "I32", "4", {0}}}, STATUS_CORRUPT, "a.weight_packed", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_shape", "F32", "2", {0}}}, STATUS_CORRUPT, "a.weight_shape", "two integers"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "3", {0}}}, STATUS_CORRUPT, "a.weight_shape", "two integers"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "2", {0, 64}}}, STATUS_CORRUPT, "a.weight_shape", "positive"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "2", {4, 0}}}, STATUS_CORRUPT, "a.weight_shape", "positive"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "2", {-4, 64}}}, STATUS_CORRUPT, "a.weight_shape", "positive"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "2", {4, INT64_MAX}}}, STATUS_CORRUPT, "a.weight_shape", "positive"},
        {CONFIG(GROUPS), {{"a.weight_shape", "I64", "2", {8, 64}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_scale", "I32", "4,2", {0}}}, STATUS_CORRUPT, "a.weight_scale", "dtype I32"},
        {CONFIG(GROUPS), {{"a.weight_scale", "F16", "4,3", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_scale", "F16", "8", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_scale", "F16", "4", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_scale", "F16", "1", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG("\"num_bits\": 4, \"group_size\": -1"), {{"a.weight_scale", "F16", "5", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(ASYM), NONE, STATUS_CORRUPT, "a", "no a.weight_zero_point"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I32", "2,2", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I32", "1,3", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I32", "2", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I16", "4,2", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I8", "4,1", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I8", "4", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(ASYM), {{"a.weight_zero_point", "I8", "1", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG("\"num_bits\": 4, \"symmetric\": false"),
         {{"a.weight_scale", "F16", "1", {0}}, {"a.weight_zero_point", "I32", "1,1", {0}}},
         STATUS_CORRUPT,
         "a.weight_zero_point",
         "R-SHAPE"},
        {CONFIG("\"num_bits\": 4, \"symmetric\": false"),
         {{"a.weight_scale", "F16", "1", {0}}, {"a.weight_zero_point", "I8", "4", {0}}},
         STATUS_CORRUPT,
         "a.weight_zero_point",
         "R-SHAPE"},
        {CONFIG(GROUPS), {{"a.weight_g_idx", "I64", "64", {0}}}, STATUS_CORRUPT, "a.weight_g_idx", "dtype I64"},
        {CONFIG(GROUPS), {{"a.weight_g_idx", "I32", "63", {0}}}, STATUS_CORRUPT, "a.weight_g_idx", "R-SHAPE"},
        {CONFIG("\"type\": \"float\""), NONE, STATUS_UNSUPPORTED, "a", "8-bit float weights (pack-quantized)"},
        {CONFIG("\"type\": \"float\""), {{"a.weight_packed", "F8_E4M3", "4,64", {0}}}, STATUS_UNSUPPORTED, "a", "8-bit float weights (pack-quantized)"},
        {CONFIG("\"strategy\": \"block\", \"block_structure\": [2, 2]"), NONE, STATUS_UNSUPPORTED, "a", "two-dimensional blocks"},
        {HEAD("0.18.0") "\"ignore\": [\"a\"], \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {" GROUPS "}}}}}", NONE, STATUS_CORRUPT,
         "a", "ignores this module (R-CONFLICT)"},
        {HEAD("0.18.0") "\"config_groups\": {\"g\": {\"targets\": [\"b\"], \"weights\": {" GROUPS "}}}}}", NONE, STATUS_CORRUPT, "a",
         "no group whose targets name this module (R-CONFLICT)"},
        {WITH("0.18.0", GROUPS, "{}"), NONE, STATUS_CORRUPT, "a", "no a.input_scale"},
    };
    (void)state;
    refuse(packed, rows, sizeof rows / sizeof rows[0]);
}

static void broken_integer_weights(void **state)
{
    static const struct bad rows[] = {
        {CONFIG(CHANNEL), {{"a.weight", "U8", "4,64", {0}}}, STATUS_UNSUPPORTED, "a.weight", "U8 codes, expected I8"},
        {CONFIG(CHANNEL), {{"a.weight", "F8_E4M3", "4,64", {0}}}, STATUS_CORRUPT, "a.weight", "dtype F8_E4M3, expected I8"}, /* of a config of integers */
        {CONFIG(FLOATS), NONE, STATUS_UNSUPPORTED, "a", "8-bit float weights"},
        {CONFIG(FLOATS ", \"num_bits\": 4"), {{"a.weight", "F8_E4M3", "4,64", {0}}}, STATUS_UNSUPPORTED, "a", "4-bit float weights"},
        {CONFIG(FLOATS), {{"a.weight", "F8_E4M3", "256", {0}}}, STATUS_CORRUPT, "a.weight", "two dimensions"},
        {CONFIG(FLOATS), {{"a.weight", "F8_E4M3", "4,0", {0}}}, STATUS_CORRUPT, "a.weight", "two dimensions"},
        {CONFIG(FLOATS),
         {{"a.weight", "F8_E4M3", "4,64", {0}}, {"a.weight_zero_point", "I8", "4,1", {0}}},
         STATUS_CORRUPT,
         "a.weight_zero_point",
         "of float codes"},
        {CONFIG(FLOATS), {{"a.weight", "F8_E4M3", "4,64", {0}}, {"a.weight_scale", "F32", "5,1", {0}}}, STATUS_CORRUPT, "a.weight_scale", ""},
        {CONFIG(FLOATS), {{"a.weight", "F8_E4M3", "4,64", {0}}, {"a.input_scale", "F32", "1", {0}}}, STATUS_CORRUPT, "a.input_scale", "R-CONFLICT"},
        {CONFIG(CHANNEL), {{"a.weight", "", "", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-INCOMPLETE"},
        {CONFIG(CHANNEL), {{"a.weight", "I8", "256", {0}}}, STATUS_CORRUPT, "a.weight", "two dimensions"},
        {CONFIG(CHANNEL), {{"a.weight", "I8", "4,0", {0}}}, STATUS_CORRUPT, "a.weight", "two dimensions"},
        {CONFIG(CHANNEL), {{"a.weight", "I8", "4,64,1", {0}}}, STATUS_CORRUPT, "a.weight", "two dimensions"},
        {CONFIG("\"num_bits\": 5"), NONE, STATUS_UNSUPPORTED, "a", "of 5 bits, expected 4 or 8"},
        {CONFIG(CHANNEL), {{"a.weight_scale", "F32", "5,1", {0}}}, STATUS_CORRUPT, "a.weight_scale", "R-SHAPE"},
        {CONFIG(CHANNEL), {{"a.weight_scale", "F64", "4,1", {0}}}, STATUS_CORRUPT, "a.weight_scale", "dtype F64"},
        {CONFIG(CHANNEL ", \"symmetric\": false"), {{"a.weight_zero_point", "I8", "4,2", {0}}}, STATUS_CORRUPT, "a.weight_zero_point", "R-SHAPE"},
        {CONFIG(CHANNEL ", \"symmetric\": false"), NONE, STATUS_CORRUPT, "a", "no a.weight_zero_point"},
        {CONFIG(CHANNEL), {{"a.weight_g_idx", "I32", "64", {0}}}, STATUS_CORRUPT, "a.weight_g_idx", "R-INCOMPLETE"},
        {CONFIG(CHANNEL), {{"a.input_scale", "F32", "1", {0}}}, STATUS_CORRUPT, "a.input_scale", "says none (R-CONFLICT)"},
        {WITH("0.18.0", CHANNEL, DYNAMIC), {{"a.input_scale", "F32", "1", {0}}}, STATUS_CORRUPT, "a.input_scale", "says dynamic ones (R-CONFLICT)"},
        {WITH("0.18.0", CHANNEL, DYNAMIC),
         {{"a.input_zero_point", "I8", "1", {0}}},
         STATUS_CORRUPT,
         "a.input_zero_point",
         "says dynamic ones (R-CONFLICT)"},
        {WITH("0.18.0", CHANNEL, "{}"), NONE, STATUS_CORRUPT, "a", "no a.input_scale"},
        {WITH("0.18.0", CHANNEL, "{}"), {{"a.input_scale", "I32", "1", {0}}}, STATUS_CORRUPT, "a.input_scale", "dtype I32"},
        {WITH("0.18.0", CHANNEL, "{}"), {{"a.input_scale", "F32", "2", {0}}}, STATUS_CORRUPT, "a.input_scale", "no single input scale"},
        {WITH("0.18.0", CHANNEL, "{}"),
         {{"a.input_scale", "F32", "1", {0}}, {"a.input_zero_point", "I8", "2", {0}}},
         STATUS_CORRUPT,
         "a.input_scale",
         "no single input scale"},
        {WITH("0.18.0", CHANNEL, "{}"),
         {{"a.input_scale", "F32", "1", {0}}, {"a.input_zero_point", "U8", "1", {0}}},
         STATUS_CORRUPT,
         "a.input_scale",
         "no single input scale"},
    };
    (void)state;
    refuse(integers, rows, sizeof rows / sizeof rows[0]);
}

static void who_bids(void **state)
{
    static const struct {
        const char *config;
        bool bids, unnamed;
    } rows[] = {
        {CONFIG(GROUPS), true, false},
        {"{\"text_config\": {\"quantization_config\": {\"quant_method\": \"compressed-tensors\", \"format\": \"pack-quantized\","
         " \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {" GROUPS "}}}}}}",
         true, false},
        {"{\"compression_config\": {\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {" GROUPS "}}}}}",
         true, false},
        {"{\"compression_config\": {\"format\": \"pack-quantized\"}}", false, false},
        {"{\"quantization_config\": {\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {" GROUPS "}}}}}",
         false, true}, /* --from must say it */
        {"{\"quantization_config\": {\"quant_method\": \"compressed\"}}", false, false},
        {"{}", false, false},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, packed, NULL, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != (rows[i].bids ? STATUS_OK : rows[i].unnamed ? STATUS_CORRUPT : STATUS_UNSUPPORTED))
            fail_msg("row %zu: status %d, %s: %s", i, (int)status, o.err.where, o.err.what);
        if (rows[i].bids)
            assert_non_null(strstr(o.bid.evidence, "compressed-tensors, format \"pack-quantized\""));
        directory_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_weights),         cmocka_unit_test(the_version_decides),
        cmocka_unit_test(integer_weights),        cmocka_unit_test(roles_and_claims),
        cmocka_unit_test(float_weights),          cmocka_unit_test(broken_packed_weights),
        cmocka_unit_test(broken_integer_weights), cmocka_unit_test(who_bids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
