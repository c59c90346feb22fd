/* AWQ directories: which of AutoAWQ's layouts is read, and every refusal. */
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "awq.tmp"
#define CHANGES_MAX 5

/* 8 x 128 in groups of 64 in each layout; where rows of parameters are padded, to 16. */
static const struct entry gemm[] = {
    {"m.qweight", "I32", "128,1", {0}}, {"m.qzeros", "I32", "2,1", {0}}, {"m.scales", "F16", "2,8", {0}},
    {"norm.weight", "F16", "64", {0}},  {NULL, NULL, NULL, {0}},
};
static const struct entry gemv[] = {
    {"m.qweight", "I32", "8,16", {0}}, {"m.qzeros", "I32", "8,2", {0}}, {"m.scales", "F16", "8,16", {0}},
    {"norm.weight", "F16", "64", {0}}, {NULL, NULL, NULL, {0}},
};
static const struct entry fast[] = {
    {"m.qweight", "I16", "2,128", {0}}, {"m.qzeros", "F16", "16,8", {0}}, {"m.scales", "F16", "16,8", {0}},
    {"norm.weight", "F16", "64", {0}},  {NULL, NULL, NULL, {0}},
};
static const struct entry llm[] = {
    {"m.qweight", "I16", "2,128", {0}}, {"m.scaled_zeros", "F16", "16,8", {0}}, {"m.scales", "F16", "16,8", {0}},
    {"norm.weight", "F16", "64", {0}},  {NULL, NULL, NULL, {0}},
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
#define CONFIG(members) "{\"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 4, \"zero_point\": true, " members "}}"
#define G64(members) CONFIG("\"group_size\": 64" members)
#define VERSION(name) G64(", \"version\": \"" name "\"")
#define BACKEND(name) G64(", \"backend\": \"llm-awq\", \"version\": \"" name "\"")
#define WORDS(codes, zeros, scales) {{"m.qweight", "I32", codes, {0}}, {"m.qzeros", "I32", zeros, {0}}, {"m.scales", "F16", scales, {0}}}
#define TURNS(codes, params) {{"m.qweight", "I16", codes, {0}}, {"m.qzeros", "F16", params, {0}}, {"m.scales", "F16", params, {0}}}

static void read_one(struct opened *o, const struct entry *base, const struct entry *change, const char *config, size_t row)
{
    directory_write(DIR, base, change, config);
    if (directory_read(o, DIR) != STATUS_OK)
        fail_msg("row %zu: %s: %s", row, o->err.where, o->err.what);
    assert_string_equal(o->model.format, "awq");
    assert_int_equal(o->model.weight_count, 1);
}

static void which_layout(void **state)
{
    static const struct {
        const struct entry *base;
        const char *config;
        struct entry change[CHANGES_MAX];
        enum layout_id codes;
    } rows[] = {
        {gemm, VERSION("gemm"), NONE, LAYOUT_AWQ_OUT4},
        {gemm, VERSION("GEMM"), NONE, LAYOUT_AWQ_OUT4},
        {gemm, G64(""), NONE, LAYOUT_AWQ_OUT4},
        {gemm, G64(", \"version\": null"), NONE, LAYOUT_AWQ_OUT4},
        {gemm, G64(", \"format\": \"gemm\", \"checkpoint_format\": \"gemm\""), NONE, LAYOUT_AWQ_OUT4},
        {gemm, VERSION("gemm\", \"backend\": \"autoawq"), NONE, LAYOUT_AWQ_OUT4},
        {gemv, VERSION("gemv"), NONE, LAYOUT_ROW_IN4},
        {gemv, VERSION("GEMV"), NONE, LAYOUT_ROW_IN4},
        {gemv, VERSION("gemv"), {{"m.scales", "BF16", "8,16", {0}}}, LAYOUT_ROW_IN4},
        {fast, VERSION("gemv_fast"), NONE, LAYOUT_AWQ_FAST4},
        {fast, VERSION("GEMV_Fast"), NONE, LAYOUT_AWQ_FAST4},
        {fast, G64(""), NONE, LAYOUT_AWQ_FAST4}, /* its words can be no other's */
        {llm, VERSION("llm-awq"), NONE, LAYOUT_AWQ_FAST4},
        {llm, VERSION("gemv_fast"), NONE, LAYOUT_AWQ_FAST4},
        {llm, G64(", \"format\": \"llm-awq\""), NONE, LAYOUT_AWQ_FAST4},
        {llm, BACKEND("gemm"), NONE, LAYOUT_AWQ_FAST4}, /* transformers' default version says nothing */
        {llm, G64(", \"backend\": \"LLM-AWQ\""), NONE, LAYOUT_AWQ_FAST4},
        {llm, G64(""), NONE, LAYOUT_AWQ_FAST4},
        {llm, VERSION("llm-awq"), {{"m.scaled_zeros", "BF16", "16,8", {0}}, {"m.scales", "BF16", "16,8", {0}}}, LAYOUT_AWQ_FAST4},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const bool turns = rows[i].codes == LAYOUT_AWQ_FAST4;
        read_one(&o, rows[i].base, rows[i].change, rows[i].config, i);
        const struct weight *weight = o.model.weight;
        assert_string_equal(weight->name, "m");
        assert_int_equal(weight->out, 8);
        assert_int_equal(weight->in, 128);
        assert_int_equal(weight->groups, 2);
        assert_int_equal(weight->spec.group, 64);
        assert_int_equal(weight->spec.grid, GRID_AFFINE_ZERO);
        assert_int_equal(weight->spec.bits, 4);
        assert_int_equal(weight->spec.codes_layout, rows[i].codes);
        assert_int_equal(weight->spec.zero_kind, turns ? ZERO_SCALED : ZERO_CODES);
        assert_int_equal(weight->spec.zero_rule, ZERO_PLAIN);
        if (!turns)
            assert_int_equal(weight->spec.zeros_layout, rows[i].codes);
        assert_int_equal(weight->spec.param_order, rows[i].codes == LAYOUT_ROW_IN4 ? ORDER_OUT_GROUP : ORDER_GROUP_OUT);
        assert_int_equal(weight->role[ROLE_SCALES], model_find(&o.model, slice_of("m.scales")));
        assert_int_equal(weight->spec.scale_dtype, o.model.tensor[weight->role[ROLE_SCALES]].dtype);
        assert_int_equal(weight->role[turns ? ROLE_BETA : ROLE_ZEROS], model_find(&o.model, slice_of(rows[i].base == llm ? "m.scaled_zeros" : "m.qzeros")));
        assert_int_equal(weight->role[turns ? ROLE_ZEROS : ROLE_BETA], MODEL_NONE);
        assert_int_equal(o.model.tensor[model_find(&o.model, slice_of("norm.weight"))].fate, FATE_CARRY);
        directory_close(&o);
    }
}

/* Rows of parameters are padded to words of eight groups, in groups of 64 to two words, in groups of 32 to four. */
static void padded_rows(void **state)
{
    static const struct {
        const struct entry *base;
        const char *config;
        struct entry change[CHANGES_MAX];
        uint64_t in, groups;
    } rows[] = {
        {gemv, CONFIG("\"group_size\": 128, \"version\": \"gemv\""), WORDS("8,16", "8,1", "8,8"), 128, 1},
        {gemv, CONFIG("\"group_size\": 128, \"version\": \"gemv\""), WORDS("8,144", "8,2", "8,16"), 1152, 9},
        {gemv, CONFIG("\"group_size\": 256, \"version\": \"gemv\""), WORDS("8,64", "8,1", "8,8"), 512, 2},
        {gemv, CONFIG("\"group_size\": 64, \"version\": \"gemv\""), WORDS("8,136", "8,4", "8,32"), 1088, 17},
        {gemv, CONFIG("\"group_size\": 32, \"version\": \"gemv\""), WORDS("8,16", "8,4", "8,32"), 128, 4},
        {gemv, CONFIG("\"group_size\": 32, \"version\": \"gemv\""), WORDS("8,132", "8,8", "8,64"), 1056, 33},
        {gemv, CONFIG("\"group_size\": -1, \"version\": \"gemv\""), WORDS("3,20", "3,1", "3,8"), 160, 1}, /* channels in any number */
        {gemv, CONFIG("\"group_size\": -1, \"version\": \"gemv\""), WORDS("8,8", "8,2", "8,16"), 64, 1},
        {fast, CONFIG("\"group_size\": 128, \"version\": \"gemv_fast\""), TURNS("2,128", "8,8"), 128, 1},
        {fast, CONFIG("\"group_size\": 128, \"version\": \"gemv_fast\""), TURNS("2,1152", "16,8"), 1152, 9},
        {fast, CONFIG("\"group_size\": 32, \"version\": \"gemv_fast\""), TURNS("2,64", "32,8"), 64, 2},
        {fast, CONFIG("\"group_size\": -1, \"version\": \"gemv_fast\""), TURNS("2,192", "8,8"), 192, 1},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        read_one(&o, rows[i].base, rows[i].change, rows[i].config, i);
        assert_int_equal(o.model.weight->in, rows[i].in);
        assert_int_equal(o.model.weight->groups, rows[i].groups);
        assert_int_equal(o.model.weight->spec.group, rows[i].in / rows[i].groups);
        directory_close(&o);
    }
}

struct refused {
    const struct entry *base;
    const char *config;
    struct entry change[CHANGES_MAX];
    enum status status;
    const char *where, *what;
};

static void refuse(const struct refused *rows, size_t count)
{
    struct opened o;
    for (size_t i = 0; i < count; i++) {
        directory_write(DIR, rows[i].base, rows[i].change, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

/* Both what the tensors show and what the config says are named. */
static void contradictions(void **state)
{
    static const struct refused rows[] = {
        {gemm, VERSION("gemv"), NONE, STATUS_CORRUPT, "m.qweight", "as gemm has it, but config.json says version \"gemv\" (R-CONFLICT)"},
        {gemm, VERSION("gemv_fast"), NONE, STATUS_CORRUPT, "m.qweight", "I32 [128, 1], as gemm or gemv has it, but config.json says version \"gemv_fast\""},
        {gemm, VERSION("llm-awq"), NONE, STATUS_CORRUPT, "m.qzeros", "as AutoAWQ has it, but config.json says version \"llm-awq\""},
        {gemm, BACKEND("gemm"), NONE, STATUS_CORRUPT, "m.qzeros", "but config.json says backend \"llm-awq\""},
        {gemv, VERSION("GEMM"), WORDS("8,136", "8,4", "8,32"), STATUS_CORRUPT, "m.qweight", "as gemv has it, but config.json says version \"gemm\""},
        {gemv, G64(""), WORDS("8,136", "8,4", "8,32"), STATUS_CORRUPT, "m.qweight", "as gemv has it, but config.json says no version"},
        {gemv, VERSION("GEMM"), NONE, STATUS_CORRUPT, "m.qweight", "as GPTQ has it"}, /* as many words as padded groups: groups of 8 there */
        {gemv, VERSION("gemv_fast"), NONE, STATUS_CORRUPT, "m.qweight", "as gemm or gemv has it"},
        {fast, VERSION("gemm"), NONE, STATUS_CORRUPT, "m.qweight", "I16 [2, 128], as gemv_fast has it, but config.json says version \"gemm\""},
        {fast, VERSION("gemv"), NONE, STATUS_CORRUPT, "m.qweight", "as gemv_fast has it, but config.json says version \"gemv\""},
        {fast, VERSION("llm-awq"), NONE, STATUS_CORRUPT, "m.qzeros", "as AutoAWQ has it"},
        {llm, VERSION("gemm"), NONE, STATUS_CORRUPT, "m.scaled_zeros", "as llm-awq has it, but config.json says version \"gemm\""},
        {llm, VERSION("gemv"), NONE, STATUS_CORRUPT, "m.scaled_zeros", "as llm-awq has it"},
        {llm, VERSION("llm-awq"), {{"m.qweight", "I32", "2,128", {0}}}, STATUS_CORRUPT, "m.qweight", "as gemm or gemv has it"},
        {llm, VERSION("llm-awq"), {{"m.qzeros", "F16", "16,8", {0}}}, STATUS_CORRUPT, "m.qzeros", "as AutoAWQ has it"}, /* both */
        {fast, G64(""), {{"a.qweight", "I32", "128,1", {0}}, {"a.qzeros", "I32", "2,1", {0}}, {"a.scales", "F16", "2,8", {0}}}, STATUS_CORRUPT, "qweight",
         "(R-CONFLICT)"}, /* one of each */
    };
    (void)state;
    refuse(rows, sizeof rows / sizeof rows[0]);
}

static void errors(void **state)
{
    static const struct refused rows[] = {
        {gemm, VERSION("marlin"), NONE, STATUS_UNSUPPORTED, "config.json", "AWQ version \"marlin\", expected gemm, gemv, gemv_fast or llm-awq"},
        {gemm, VERSION("Marlin"), NONE, STATUS_UNSUPPORTED, "config.json", "\"marlin\""},
        {gemm, VERSION("exllama"), NONE, STATUS_UNSUPPORTED, "config.json", "\"exllama\""},
        {gemm, G64(", \"version\": 1"), NONE, STATUS_CORRUPT, "config.json", "\"version\", expected a string"},
        {gemm, G64(", \"version\": \"gemm\", \"format\": \"gemv\""), NONE, STATUS_CORRUPT, "config.json", "R-CONFLICT"},
        {gemm, "{\"quantization_config\": {\"quant_method\": \"awq\", \"bits\": 8, \"group_size\": 64}}", NONE, STATUS_CORRUPT, "config.json", "bits 8"},
        {gemv, VERSION("gemv"), {{"m.qzeros", "", "", {0}}}, STATUS_CORRUPT, "m", "no m.qzeros"},
        {fast, VERSION("gemv_fast"), {{"m.scales", "", "", {0}}}, STATUS_CORRUPT, "m", "no m.scales"},
        {llm, VERSION("llm-awq"), {{"m.qweight", "", "", {0}}}, STATUS_CORRUPT, "m.", "no m.qweight"},
        {llm, VERSION("llm-awq"), {{"m.scaled_zeros", "", "", {0}}}, STATUS_CORRUPT, "m", "no m.scaled_zeros"},
        {gemv, VERSION("gemv"), {{"m.act.scales", "F16", "8", {0}}}, STATUS_UNSUPPORTED, "m.act.scales", "R-ACTSCALE"},
        {fast, VERSION("gemv_fast"), {{"m.gelu_impl.scales", "F16", "8", {0}}}, STATUS_UNSUPPORTED, "m.gelu_impl.scales", "R-ACTSCALE"},
        {gemv, VERSION("gemv"), {{"m.qweight", "U8", "8,16", {0}}}, STATUS_CORRUPT, "m.qweight", "dtype U8, expected I32"},
        {gemv, VERSION("gemv"), {{"m.qweight", "I32", "8,0", {0}}}, STATUS_CORRUPT, "m.qweight", "two dimensions"},
        {gemv, VERSION("gemv"), {{"m.qweight", "I32", "8,16,1", {0}}}, STATUS_CORRUPT, "m.qweight", "two dimensions"},
        {gemv, VERSION("gemv"), {{"m.scales", "F16", "8,2", {0}}}, STATUS_CORRUPT, "m.scales", "expected [8, 16] (R-SHAPE)"},
        {gemv, VERSION("gemv"), {{"m.scales", "F16", "128", {0}}}, STATUS_CORRUPT, "m.scales", "expected [8, 16] (R-SHAPE)"},
        {gemv, VERSION("gemv"), {{"m.scales", "U8", "8,16", {0}}}, STATUS_CORRUPT, "m.scales", "dtype U8"},
        {gemv, VERSION("gemv"), {{"m.qzeros", "I32", "8,1", {0}}}, STATUS_CORRUPT, "m.qzeros", "expected [8, 2] (R-SHAPE)"},
        {gemv, VERSION("gemv"), {{"m.qzeros", "F16", "8,16", {0}}}, STATUS_CORRUPT, "m.qzeros", "dtype F16, expected I32"},
        {gemv, CONFIG("\"group_size\": 96, \"version\": \"gemv\""), NONE, STATUS_CORRUPT, "m.qweight", "128 in groups of 96"},
        {gemv, CONFIG("\"group_size\": 16, \"version\": \"gemv\""), NONE, STATUS_UNSUPPORTED, "m.qweight", "groups of 16, expected 32, 64, or 128"},
        {gemv, CONFIG("\"group_size\": 96, \"version\": \"gemv\""), WORDS("8,24", "8,2", "8,16"), STATUS_UNSUPPORTED, "m.qweight", "(R-GROUP)"},
        {gemv, CONFIG("\"group_size\": 32, \"version\": \"gemv\""), NONE, STATUS_CORRUPT, "m.scales", "expected [8, 32] (R-SHAPE)"},
        {fast, VERSION("gemv_fast"), {{"m.qweight", "U8", "2,128", {0}}}, STATUS_CORRUPT, "m.qweight", "dtype U8, expected I16"},
        {fast, VERSION("gemv_fast"), {{"m.qweight", "I16", "256", {0}}}, STATUS_CORRUPT, "m.qweight", "two dimensions"},
        {fast, VERSION("gemv_fast"), {{"m.qweight", "I16", "0,128", {0}}}, STATUS_CORRUPT, "m.qweight", "two dimensions"},
        {fast, VERSION("gemv_fast"), {{"m.qweight", "I16", "3,128", {0}}}, STATUS_CORRUPT, "m.qweight", "out is a multiple of 8 and in of 64 (R-SHAPE)"},
        {fast, CONFIG("\"group_size\": 32, \"version\": \"gemv_fast\""), TURNS("2,96", "32,8"), STATUS_CORRUPT, "m.qweight", "and in of 64 (R-SHAPE)"},
        {fast, CONFIG("\"group_size\": 192, \"version\": \"gemv_fast\""), TURNS("2,320", "8,8"), STATUS_CORRUPT, "m.qweight", "320 in groups of 192"},
        {fast, VERSION("gemv_fast"), {{"m.scales", "F16", "2,8", {0}}}, STATUS_CORRUPT, "m.scales", "expected [16, 8] (R-SHAPE)"},
        {fast, VERSION("gemv_fast"), {{"m.qzeros", "F16", "8,8", {0}}}, STATUS_CORRUPT, "m.qzeros", "expected [16, 8] (R-SHAPE)"},
        {fast, VERSION("gemv_fast"), {{"m.qzeros", "BF16", "16,8", {0}}}, STATUS_CORRUPT, "m.qzeros", "dtype BF16, expected F16"},
        {fast, VERSION("gemv_fast"), {{"m.qzeros", "I32", "16,8", {0}}}, STATUS_CORRUPT, "m.qzeros", "dtype I32, expected F16"},
        {fast, VERSION("gemv_fast"), {{"m.scales", "F32", "16,8", {0}}}, STATUS_CORRUPT, "m.scales", "dtype F32, expected F16 or BF16"},
        {llm, VERSION("llm-awq"), {{"m.scales", "BF16", "16,8", {0}}}, STATUS_CORRUPT, "m.scaled_zeros", "dtype F16, expected BF16"},
    };
    (void)state;
    refuse(rows, sizeof rows / sizeof rows[0]);
}

/* Files of AutoAWQ and llm-awq before config.json held a quantization_config: its members have other names in quant_config.json. */
static void side_file_alone(void **state)
{
    static const struct {
        const struct entry *base;
        const char *text, *evidence;
    } rows[] = {
        {gemm, "{\"zero_point\": true, \"q_group_size\": 64, \"w_bit\": 4, \"version\": \"GEMM\"}", "quant_config.json: AWQ, version \"gemm\""},
        {gemv, "{\"zero_point\": true, \"q_group_size\": 64, \"w_bit\": 4, \"version\": \"GEMV\"}", "quant_config.json: AWQ, version \"gemv\""},
        {llm, "{\"zero_point\": true, \"q_group_size\": 64, \"w_bit\": 4}", "quant_config.json: AWQ, no version"},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        directory_write(DIR, rows[i].base, NULL, "{\"model_type\": \"llama\"}");
        spill(DIR, "quant_config.json", rows[i].text, strlen(rows[i].text));
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.bid.evidence, rows[i].evidence);
        assert_int_equal(o.model.weight->spec.group, 64);
        directory_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_layout), cmocka_unit_test(padded_rows), cmocka_unit_test(contradictions), cmocka_unit_test(errors),
        cmocka_unit_test(side_file_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
