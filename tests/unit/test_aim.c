/* What weights and tensors are to become: dtypes, widths, --keep, --exclude and --weights-only. */
#include "plan/aim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Two weights and two carried tensors. */
struct given {
    struct model model;
    struct weight weight[2];
    struct tensor tensor[4];
    struct options options;
    struct aims aims;
    struct err err;
};

static struct given *given(struct given *g)
{
    memset(g, 0, sizeof *g);
    for (uint32_t w = 0; w < 2; w++) {
        g->weight[w] = (struct weight){.name = w == 0 ? "model.layers.0.up_proj" : "model.layers.1.down_proj", .out = 64, .in = 64, .groups = 1,
                                       .spec = {.grid = GRID_AFFINE_ZERO, .bits = 4, .scale_dtype = DTYPE_BF16, .group = 64}};
        for (int r = 0; r < ROLE_COUNT; r++)
            g->weight[w].role[r] = MODEL_NONE;
        g->weight[w].role[ROLE_CODES] = w;
    }
    g->tensor[0] = (struct tensor){.name = "model.layers.0.up_proj.qweight", .fate = FATE_CLAIMED};
    g->tensor[1] = (struct tensor){.name = "model.layers.1.down_proj.qweight", .fate = FATE_CLAIMED};
    g->tensor[2] = (struct tensor){.name = "model.norm.weight", .fate = FATE_CARRY};
    g->tensor[3] = (struct tensor){.name = "visual.proj.weight", .fate = FATE_CARRY};
    g->model = (struct model){.weight = g->weight, .weight_count = 2, .tensor = g->tensor, .tensor_count = 4};
    g->options.dtype = DTYPE_NONE;
    return g;
}

static void made(struct given *g, const char *target)
{
    aim_free(&g->aims);
    assert_int_equal(aim_make(&g->aims, &g->model, registry_find(target), &g->options, DTYPE_F32, &g->err), STATUS_OK);
}

static enum dtype scales(struct given *g, const char *target, enum dtype source)
{
    g->weight[0].spec.scale_dtype = source;
    made(g, target);
    return g->aims.weight[0].dtype;
}

static void dtypes_of_scales(void **state)
{
    struct given g;
    (void)state;
    given(&g);
    assert_int_equal(scales(&g, "awq", DTYPE_F32), DTYPE_F16);
    assert_int_equal(scales(&g, "gptq", DTYPE_BF16), DTYPE_F16);
    assert_int_equal(scales(&g, "compressed-tensors", DTYPE_BF16), DTYPE_BF16);
    g.options.dtype = DTYPE_BF16;
    assert_int_equal(g.aims.floats, DTYPE_NONE);
    assert_int_equal(scales(&g, "awq", DTYPE_F32), DTYPE_F16); /* its only one */
    assert_int_equal(scales(&g, "gptq", DTYPE_F32), DTYPE_BF16);
    assert_int_equal(g.aims.floats, DTYPE_BF16);
    g.options.keep_scale_dtype = true;
    assert_int_equal(scales(&g, "awq", DTYPE_F32), DTYPE_F32);
    aim_free(&g.aims);
}

static void floats_and_widths(void **state)
{
    struct given g;
    (void)state;
    made(given(&g), "hf");
    assert_true(g.aims.weight[0].dense && g.aims.weight[1].dense);
    assert_int_equal(g.aims.weight[0].dtype, DTYPE_F32); /* what the config says */
    g.options.dtype = DTYPE_F16;
    made(&g, "hf");
    assert_int_equal(g.aims.weight[0].dtype, DTYPE_F16);
    g.options.bits = 8;
    made(&g, "gptq");
    assert_false(g.aims.weight[0].dense);
    assert_int_equal(g.aims.weight[0].bits, 8);
    assert_int_equal(g.aims.weight[0].zeros, ZERO_CODES);
    made(&g, "mlx");
    assert_int_equal(g.aims.weight[0].zeros, ZERO_BETA);
    aim_free(&g.aims);
}

static void kept_and_excluded(void **state)
{
    struct given g;
    (void)state;
    given(&g)->options.keep = "down_proj\\.weight$";
    g.options.exclude = "^visual\\.|up_proj";
    made(&g, "gptq");
    assert_true(g.aims.weight[1].dense);
    assert_int_equal(g.aims.weight[1].dtype, DTYPE_F32);
    assert_int_equal(g.aims.weight[1].zeros, ZERO_MID);
    assert_false(g.aims.weight[0].dense);
    assert_true(g.aims.weight[0].excluded);
    assert_false(g.aims.weight[1].excluded);
    assert_true(g.aims.excluded[3]);
    assert_false(g.aims.excluded[2]);
    g.options.keep = "up_proj.qweight"; /* the stored name is one as well */
    made(&g, "gptq");
    assert_true(g.aims.weight[0].dense);
    aim_free(&g.aims);
    g.options.keep = "(";
    assert_int_equal(aim_make(&g.aims, &g.model, registry_find("gptq"), &g.options, DTYPE_F32, &g.err), STATUS_USAGE);
    assert_string_equal(g.err.where, "--keep");
    aim_free(&g.aims);
}

static void activations(void **state)
{
    struct given g;
    (void)state;
    given(&g)->weight[0].spec.bits = 8;
    g.weight[0].spec.activation = ACTIVATION_DYNAMIC;
    made(&g, "gptq");
    assert_int_equal(g.aims.weight[0].activation, ACTIVATION_DYNAMIC); /* the plan refuses it */
    g.options.weights_only = true;
    made(&g, "gptq");
    assert_int_equal(g.aims.weight[0].activation, ACTIVATION_NONE);
    made(&g, "compressed-tensors"); /* nothing needs to be dropped */
    assert_int_equal(g.aims.weight[0].activation, ACTIVATION_DYNAMIC);
    aim_free(&g.aims);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dtypes_of_scales),
        cmocka_unit_test(floats_and_widths),
        cmocka_unit_test(kept_and_excluded),
        cmocka_unit_test(activations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
