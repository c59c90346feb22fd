/* MXFP4 weights that become integers: which, and where they do not. */
#include "directory.h"
#include "plan/recode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "recode.tmp"

static const struct entry base[] = {
    {"m.a.weight", "U32", "4,8", {0}},   {"m.a.scales", "U8", "4,2", {0}},   {"m.b.weight", "U32", "4,8", {0}}, {"m.b.scales", "U8", "4,2", {0}},
    {"m.e.weight", "U32", "2,4,8", {0}}, {"m.e.scales", "U8", "2,4,2", {0}}, {NULL, NULL, NULL, {0}},
};
#define CONFIG "{\"quantization\": {\"group_size\": 32, \"bits\": 4, \"mode\": \"mxfp4\"}}"

static void which(void **state)
{
    static const struct {
        const char *target;
        struct options options;
        bool a, b;
    } rows[] = {
        {"gptq", {.bits = 8}, true, true},
        {"gptq", {.bits = 0}, false, false},
        {"gptq", {.bits = 4}, false, false},
        {"gptq", {.bits = 5}, false, false},
        {"mlx", {.bits = 5}, true, true},
        {"compressed-tensors", {.bits = 7}, true, true},
        {"awq", {.bits = 8}, false, false},
        {"hf", {.bits = 8}, false, false},
        {"gptq", {.bits = 8, .keep = "m.a"}, false, true},
        {"gptq", {.bits = 8, .keep = "b[.]weight$"}, true, false},
        {"gptq", {.bits = 40}, false, false},
    };
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        assert_int_equal(recode_weights(&o.model, registry_find(rows[i].target), &rows[i].options, &o.err), STATUS_OK);
        assert_int_equal(o.model.weight[0].spec.code_rule == CODE_F4_DOUBLED, rows[i].a);
        assert_int_equal(o.model.weight[1].spec.code_rule == CODE_F4_DOUBLED, rows[i].b);
        assert_int_equal(o.model.weight[2].spec.code_rule, CODE_STORED); /* a stack */
        directory_close(&o);
    }
}

static void what_they_become(void **state)
{
    const struct options options = {.bits = 8};
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(recode_weights(&o.model, registry_find("gptq"), &options, &o.err), STATUS_OK);
    const struct spec *spec = &o.model.weight[0].spec;
    assert_int_equal(spec->grid, GRID_AFFINE_ZERO);
    assert_int_equal(spec->bits, 5);
    assert_int_equal(spec->zero_kind, ZERO_MID);
    assert_int_equal(spec->group, 32);
    assert_int_equal(spec->scale_dtype, DTYPE_BF16);
    directory_close(&o);
}

static void with_activations(void **state)
{
    const struct options options[] = {{.bits = 8}, {.bits = 8, .weights_only = true}};
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(directory_read(&o, DIR), STATUS_OK);
        o.model.weight[0].spec.activation = ACTIVATION_DYNAMIC;
        assert_int_equal(recode_weights(&o.model, registry_find("compressed-tensors"), &options[i], &o.err), STATUS_OK);
        assert_int_equal(o.model.weight[0].spec.code_rule == CODE_F4_DOUBLED, options[i].weights_only);
        assert_int_equal(o.model.weight[0].spec.activation, options[i].weights_only ? ACTIVATION_NONE : ACTIVATION_DYNAMIC);
        directory_close(&o);
    }
}

static void a_bad_pattern(void **state)
{
    const struct options options = {.bits = 8, .keep = "("};
    struct opened o;
    (void)state;
    directory_write(DIR, base, NULL, CONFIG);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(recode_weights(&o.model, registry_find("gptq"), &options, &o.err), STATUS_USAGE);
    directory_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which),
        cmocka_unit_test(what_they_become),
        cmocka_unit_test(with_activations),
        cmocka_unit_test(a_bad_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
