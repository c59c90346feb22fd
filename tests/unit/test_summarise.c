/* The summary that config.json is described from: majority, rules, layers left float, modules of a block. */
#include "plan/summarise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 80

/* A plan made by hand: weights sorted by name, and carried tensors. */
struct given {
    struct model model;
    struct weight weight[MOST];
    struct spec spec[MOST];
    struct tensor tensor[MOST];
    struct output_tensor output[MOST];
    struct aim aim[MOST];
    struct aims aims;
    struct survey_weight seen[MOST];
    struct survey survey;
    struct plan plan;
    struct summary summary;
};

static struct given *empty(struct given *g)
{
    memset(g, 0, sizeof *g);
    g->model = (struct model){.weight = g->weight, .tensor = g->tensor};
    g->aims = (struct aims){.weight = g->aim};
    g->survey = (struct survey){.weight = g->seen};
    g->plan = (struct plan){.model = &g->model, .spec = g->spec, .tensor = g->output, .aims = &g->aims, .survey = &g->survey, .target = registry_find("gptq")};
    return g;
}

/* group 0: per channel of 256 columns */
static void add_weight(struct given *g, const char *name, uint8_t bits, uint64_t group)
{
    const size_t w = g->model.weight_count++;
    assert_true(w < MOST);
    g->weight[w] = (struct weight){.name = name, .out = 64, .in = 256, .groups = group == 0 ? 1 : 256 / group};
    g->spec[w] = (struct spec){.bits = bits, .group = group == 0 ? 256 : group};
    g->plan.kept_count++;
}

static void add_tensor(struct given *g, const char *name, uint8_t rank, enum dtype dtype, enum step step)
{
    static const uint64_t shape[3] = {8, 8, 8};
    const uint32_t t = (uint32_t)g->model.tensor_count++;
    g->tensor[t] = (struct tensor){.name = name, .out_name = name, .shape = shape, .rank = rank, .dtype = dtype, .peer = MODEL_NONE};
    g->output[g->plan.tensor_count++] = (struct output_tensor){.name = name, .source = t, .step = step};
}

static struct summary *sum(struct given *g)
{
    struct err err = {0};
    assert_int_equal(summarise_plan(&g->plan, &g->summary, &err), STATUS_OK);
    return &g->summary;
}

static void drop(struct given *g)
{
    arena_free(&g->plan.arena);
}

static void flags(void **state)
{
    struct given g;
    (void)state;
    add_weight(empty(&g), "lm_head", 4, 64);
    g.plan.symmetric = true;
    assert_true(sum(&g)->lm_head);
    assert_true(g.summary.symmetric);
    assert_false(g.summary.act_order);
    drop(&g);
    add_weight(empty(&g), "model.language_model.lm_head", 4, 64);
    g.plan.act_order = true;
    assert_true(sum(&g)->lm_head);
    assert_false(g.summary.symmetric);
    assert_true(g.summary.act_order);
    drop(&g);
    add_weight(empty(&g), "my_lm_head", 4, 64);
    assert_false(sum(&g)->lm_head);
    drop(&g);
}

static void the_most_frequent_kind(void **state)
{
    struct given g;
    (void)state;
    empty(&g);
    add_weight(&g, "a", 8, 64);
    add_weight(&g, "b", 4, 128);
    add_weight(&g, "c", 4, 128);
    assert_int_equal(sum(&g)->bits, 4);
    assert_int_equal(g.summary.group, 128);
    assert_int_equal(g.summary.mixed_count, 1);
    assert_string_equal(g.summary.mixed[0].name, "a");
    assert_int_equal(g.summary.mixed[0].bits, 8);
    assert_int_equal(g.summary.mixed[0].group, 64);
    drop(&g);
    empty(&g); /* a tie: the first by name */
    add_weight(&g, "a", 4, 64);
    add_weight(&g, "b", 4, 128);
    assert_int_equal(sum(&g)->group, 64);
    assert_int_equal(g.summary.mixed_count, 1);
    assert_string_equal(g.summary.mixed[0].name, "b");
    drop(&g);
    assert_int_equal(sum(empty(&g))->bits, 0);
    assert_int_equal(g.summary.group, -1);
    assert_int_equal(g.summary.mixed_count, 0);
    drop(&g);
}

static void one_group_and_per_channel(void **state)
{
    struct given g;
    (void)state;
    empty(&g);
    add_weight(&g, "a", 4, 0);
    add_weight(&g, "b", 4, 0);
    assert_int_equal(sum(&g)->group, -1);
    assert_int_equal(g.summary.mixed_count, 0);
    drop(&g);
    empty(&g); /* small layers hold one group of 512: they do not outvote it */
    add_weight(&g, "a", 4, 0);
    add_weight(&g, "b", 4, 0);
    add_weight(&g, "c", 4, 512);
    g.weight[2].in = 1024;
    assert_int_equal(sum(&g)->group, 512);
    assert_int_equal(g.summary.mixed_count, 0);
    drop(&g);
    empty(&g); /* real per-channel layers do, and the grouped one needs a rule */
    add_weight(&g, "a", 4, 0);
    add_weight(&g, "b", 4, 0);
    add_weight(&g, "c", 4, 64);
    assert_int_equal(sum(&g)->group, -1);
    assert_int_equal(g.summary.mixed_count, 1);
    assert_string_equal(g.summary.mixed[0].name, "c");
    assert_int_equal(g.summary.mixed[0].group, 64);
    drop(&g);
    empty(&g); /* and the other way round */
    add_weight(&g, "a", 4, 0);
    add_weight(&g, "b", 4, 64);
    add_weight(&g, "c", 4, 64);
    assert_int_equal(sum(&g)->group, 64);
    assert_int_equal(g.summary.mixed_count, 1);
    assert_string_equal(g.summary.mixed[0].name, "a");
    assert_int_equal(g.summary.mixed[0].group, -1);
    drop(&g);
}

static void more_kinds_than_are_counted(void **state)
{
    struct given g;
    static char names[MOST][4];
    (void)state;
    empty(&g);
    for (size_t i = 0; i < 70; i++) {
        names[i][0] = 'w';
        names[i][1] = (char)('0' + i / 10);
        names[i][2] = (char)('0' + i % 10);
        add_weight(&g, names[i], 4, i + 1);
    }
    add_weight(&g, "x", 4, 1);
    assert_int_equal(sum(&g)->group, 1);
    assert_int_equal(g.summary.mixed_count, 69);
    drop(&g);
}

static void layers_left_float(void **state)
{
    static const struct {
        const char *name;
        uint8_t rank;
        enum dtype dtype;
        enum step step;
    } rows[] = {
        {"z.weight", 2, DTYPE_F16, STEP_COPY},         {"a.b.weight", 2, DTYPE_BF16, STEP_CAST}, {"norm.weight", 1, DTYPE_F16, STEP_COPY},
        {"embed_tokens.weight", 2, DTYPE_F16, STEP_COPY}, {"wte.weight", 2, DTYPE_F16, STEP_COPY}, {"m.wpe.weight", 2, DTYPE_F16, STEP_COPY},
        {"conv.weight", 3, DTYPE_F16, STEP_COPY},      {"ids.weight", 2, DTYPE_I64, STEP_COPY},  {"z.bias", 2, DTYPE_F16, STEP_COPY},
        {"q.weight", 2, DTYPE_F16, STEP_SCALES},       {"lm_head.weight", 2, DTYPE_F32, STEP_COPY},
    };
    static const char *const expected[] = {"a.b", "lm_head", "z"};
    struct given g;
    (void)state;
    empty(&g);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        add_tensor(&g, rows[i].name, rows[i].rank, rows[i].dtype, rows[i].step);
    assert_int_equal(sum(&g)->dense_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(g.summary.dense[i], expected[i]);
    assert_null(g.summary.block_module); /* nothing is quantized */
    drop(&g);
}

static void modules_of_every_block(void **state)
{
    struct given g;
    (void)state;
    empty(&g);
    add_weight(&g, "model.layers.0.mlp.up", 4, 64);
    add_weight(&g, "model.layers.0.self.q", 4, 64);
    add_weight(&g, "model.layers.1.mlp.up", 4, 64);
    add_weight(&g, "model.layers.1.self.q", 4, 64);
    assert_null(sum(&g)->block_module); /* no Linear of a block is float: nothing to be said */
    add_tensor(&g, "lm_head.weight", 2, DTYPE_F16, STEP_COPY);
    assert_null(sum(&g)->block_module);
    add_tensor(&g, "model.layers.0.mlp.down.weight", 2, DTYPE_F16, STEP_COPY);
    assert_non_null(sum(&g)->block_module);
    assert_int_equal(g.summary.block_module_count, 2);
    assert_string_equal(g.summary.block_module[0], "mlp.up");
    assert_string_equal(g.summary.block_module[1], "self.q");
    drop(&g);
}

static void blocks_that_differ(void **state)
{
    static const char *const sets[][3] = {
        {"model.layers.0.up", "model.layers.1.q", "model.layers.1.up"},     /* one block has more */
        {"merger", "model.layers.0.up", "model.layers.1.up"},               /* one is in no block */
        {"decoder.layers.0.up", "encoder.layers.0.up", "encoder.layers.1.up"}, /* two stacks */
        {"model.layers.0.up", "model.layers.2.up", "model.layers.3.up"},    /* one block has none */
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        empty(&g);
        for (size_t w = 0; w < 3; w++)
            add_weight(&g, sets[i][w], 4, 64);
        add_tensor(&g, "model.layers.0.down.weight", 2, DTYPE_F16, STEP_COPY);
        assert_null(sum(&g)->block_module);
        assert_int_equal(g.summary.block_module_count, 0);
        assert_int_equal(g.summary.dense_count, 1);
        drop(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags),
        cmocka_unit_test(the_most_frequent_kind),
        cmocka_unit_test(one_group_and_per_channel),
        cmocka_unit_test(more_kinds_than_are_counted),
        cmocka_unit_test(layers_left_float),
        cmocka_unit_test(modules_of_every_block),
        cmocka_unit_test(blocks_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
