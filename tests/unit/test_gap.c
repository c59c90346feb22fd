/* Every refusal of gap.c, from survey records made by hand. */
#include "plan/gap.h"
#include "plan/gap_source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* One weight and one tensor that every target can hold; a test changes one thing. */
struct given {
    struct model model;
    struct weight weight;
    struct tensor tensor[2];
    struct model_file file;
    struct survey survey;
    struct survey_weight seen;
    struct survey_tensor tensor_seen[2];
    struct options options;
    struct aims aims;
    struct aim_tensor tensors[4];
    struct aim aim;
    bool excluded[2];
    struct gap gap;
    struct spec spec;
    struct err err;
};

static struct given *good(struct given *g, const char *target)
{
    static const uint64_t shape[] = {64};
    memset(g, 0, sizeof *g);
    g->weight = (struct weight){.name = "model.layers.0.up", .out = 64, .in = 128, .groups = 4,
                                .spec = {.grid = GRID_AFFINE_ZERO, .bits = 4, .zero_kind = ZERO_CODES, .zero_rule = ZERO_PLAIN,
                                         .param_order = ORDER_GROUP_OUT, .scale_dtype = DTYPE_F16, .group = 32, .codes_layout = LAYOUT_WORD_IN4,
                                         .zeros_layout = LAYOUT_WORD_OUT4}};
    for (size_t r = 0; r < ROLE_COUNT; r++)
        g->weight.role[r] = MODEL_NONE;
    g->file = (struct model_file){"model.safetensors", 1000};
    for (uint32_t t = 0; t < 2; t++)
        g->tensor[t] = (struct tensor){.name = t == 0 ? "a" : "b", .out_name = t == 0 ? "a" : "b", .shape = shape, .rank = 1, .bytes = 128,
                                       .dtype = DTYPE_F16, .peer = MODEL_NONE};
    g->model = (struct model){.format = "gptq_v2", .weight = &g->weight, .weight_count = 1, .tensor = g->tensor, .tensor_count = 2, .file = &g->file,
                              .file_count = 1};
    g->seen.groups = (struct group_tally){.groups = 256, .zero_min = 3, .zero_max = 9, .not_mid = 250};
    g->seen.trivial_group_of = true;
    g->tensor_seen[0].first_difference = g->tensor_seen[1].first_difference = UINT64_MAX;
    g->survey = (struct survey){&g->seen, g->tensor_seen};
    g->options = (struct options){.dtype = DTYPE_NONE};
    g->aims = (struct aims){.weight = &g->aim, .excluded = g->excluded, .tensor = g->tensors};
    g->gap = (struct gap){&g->model, &g->survey, &g->aims, registry_find(target), &g->options, 0, UINT32_MAX};
    assert_non_null(g->gap.target);
    return g;
}

static enum status decide(struct given *g)
{
    struct aims made;
    memset(&g->err, 0, sizeof g->err);
    assert_int_equal(aim_make(&made, &g->model, g->gap.target, &g->options, DTYPE_F16, &g->err), STATUS_OK);
    g->aim = made.weight[0];
    aim_free(&made);
    return gap_weight(&g->gap, 0, &g->spec, &g->err);
}

/* The refusal, its rule, and words of its remedy (NULL: there is none). */
static void refused(struct given *g, enum status status, const char *rule, const char *remedy)
{
    assert_int_equal(decide(g), status);
    assert_int_equal(g->err.status, status);
    assert_string_equal(g->err.where, "model.layers.0.up");
    if (strstr(g->err.what, rule) == NULL)
        fail_msg("\"%s\" lacks %s", g->err.what, rule);
    if (remedy == NULL)
        assert_string_equal(g->err.remedy, "");
    else if (strstr(g->err.remedy, remedy) == NULL)
        fail_msg("\"%s\" lacks %s", g->err.remedy, remedy);
}

static void what_every_target_holds(void **state)
{
    static const struct {
        const char *target;
        enum layout_id codes, zeros;
        enum zero_rule rule;
    } rows[] = {{"awq", LAYOUT_AWQ_OUT4, LAYOUT_AWQ_OUT4, ZERO_PLAIN},
                {"gptq", LAYOUT_WORD_IN4, LAYOUT_WORD_OUT4, ZERO_FIELD_MOD},
                {"gptq_v2", LAYOUT_WORD_IN4, LAYOUT_WORD_OUT4, ZERO_PLAIN}};
    struct given g;
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(decide(good(&g, rows[i].target)), STATUS_OK);
        assert_int_equal(g.spec.grid, GRID_AFFINE_ZERO);
        assert_int_equal(g.spec.bits, 4);
        assert_int_equal(g.spec.zero_kind, ZERO_CODES);
        assert_int_equal(g.spec.zero_rule, rows[i].rule);
        assert_int_equal(g.spec.param_order, ORDER_GROUP_OUT);
        assert_int_equal(g.spec.scale_dtype, DTYPE_F16);
        assert_int_equal(g.spec.group, 32);
        assert_int_equal(g.spec.codes_layout, rows[i].codes);
        assert_int_equal(g.spec.zeros_layout, rows[i].zeros);
    }
}

static void faults_of_the_source(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->seen.groups.bad_scales = 2;
    refused(&g, STATUS_CORRUPT, "2 scales that are NaN or infinite in 256 groups", NULL);
    good(&g, "awq")->seen.groups.bad_zeros = 1;
    refused(&g, STATUS_CORRUPT, "R-NONFINITE", NULL);
    good(&g, "gptq_v2")->seen.ambiguous = 7;
    refused(&g, STATUS_CORRUPT, "R-AMBIG-V1", "--gptq-zeros word-add");
    assert_non_null(strstr(g.err.what, "7 zero points"));
}

static void claims_that_the_data_contradict(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->weight.claim = CLAIM_SYMMETRIC;
    refused(&g, STATUS_CORRUPT, "zeros 3..9 read as gptq_v2, expected 8 everywhere: the config says sym: true", "--from gptq_v2 takes the zeros as they are");
    good(&g, "awq")->weight.claim = CLAIM_SYMMETRIC; /* v1 fields under the label v2 */
    g.seen.groups.zero_min = g.seen.groups.zero_max = 7;
    refused(&g, STATUS_CORRUPT, "R-SYMFLAG", "--from gptq");
    assert_null(strstr(g.err.remedy, "gptq_v2"));
    good(&g, "awq")->weight.claim = CLAIM_SYMMETRIC; /* v2 fields under the label v1 */
    g.model.format = "gptq";
    g.weight.spec.zero_rule = ZERO_FIELD_MOD;
    g.seen.groups.zero_min = g.seen.groups.zero_max = 9;
    refused(&g, STATUS_CORRUPT, "R-SYMFLAG", "--from gptq_v2");
    good(&g, "awq")->weight.claim = CLAIM_SYMMETRIC; /* formats of one label name their own key, and themselves */
    g.model.format = "compressed-tensors";
    refused(&g, STATUS_CORRUPT, "the config says symmetric: true (R-SYMFLAG)", "--from compressed-tensors takes the zeros as they are");
    good(&g, "gptq_v2")->weight.claim = CLAIM_SYMMETRIC;
    g.model.format = "awq";
    g.seen.groups.zero_min = g.seen.groups.zero_max = 7;
    refused(&g, STATUS_CORRUPT, "the config says zero_point: false (R-SYMFLAG)", "--from awq takes the zeros as they are");
    good(&g, "awq")->weight.claim = CLAIM_SYMMETRIC; /* true */
    g.seen.groups.zero_min = g.seen.groups.zero_max = 8;
    g.seen.groups.not_mid = 0;
    assert_int_equal(decide(&g), STATUS_OK);
}

static void widths(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->weight.spec.bits = 8;
    refused(&g, STATUS_UNREPRESENTABLE, "found 8-bit codes, but awq holds 4 bits (R-BITS)", "--to msmodelslim, gptq, gptq_v2, compressed-tensors or hf");
    good(&g, "gptq")->options.bits = 5;
    refused(&g, STATUS_UNREPRESENTABLE, "found 5-bit codes, but gptq holds 2, 3, 4, 8 bits", "--bits with one of 2, 3, 4, 8, or leave it out");
    good(&g, "gptq")->options.bits = 300; /* no width at all */
    refused(&g, STATUS_UNREPRESENTABLE, "R-BITS", "--bits with one of 2, 3, 4, 8");
    good(&g, "gptq")->weight.spec.bits = 8;
    g.options.bits = 4;
    refused(&g, STATUS_UNREPRESENTABLE, "that would quantize again", "--bits 8");
    good(&g, "gptq")->options.bits = 8; /* wider: the zeros move with the middle */
    assert_int_equal(decide(&g), STATUS_OK);
    assert_int_equal(g.spec.bits, 8);
    assert_int_equal(g.spec.codes_layout, LAYOUT_WORD_IN8);
    assert_int_equal(g.spec.zeros_layout, LAYOUT_WORD_OUT8);
    good(&g, "gptq")->options.bits = 8;
    g.seen.groups.zero_min = -120;
    g.seen.groups.zero_max = 135;
    refused(&g, STATUS_UNREPRESENTABLE, "R-ZERO-V1", "--to msmodelslim or hf");
    good(&g, "gptq_v2")->options.bits = 8;
    g.seen.groups.zero_min = -120;
    g.seen.groups.zero_max = 135;
    assert_int_equal(decide(&g), STATUS_OK);
}

static void activation_order(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->seen.trivial_group_of = false;
    refused(&g, STATUS_UNREPRESENTABLE, "R-ACTORDER", "--to gptq, gptq_v2, compressed-tensors or hf");
    good(&g, "awq")->seen.trivial_group_of = false;
    g.seen.uneven_group_of = true; /* compressed-tensors has equal groups only */
    refused(&g, STATUS_UNREPRESENTABLE, "R-ACTORDER", "--to gptq, gptq_v2 or hf");
    good(&g, "gptq")->seen.trivial_group_of = false;
    assert_int_equal(decide(&g), STATUS_OK);
    g.gap.group = 16;
    refused(&g, STATUS_UNREPRESENTABLE, "activation order, which cannot be refined (R-ACTORDER)", "--to gptq_v2, compressed-tensors or hf");
}

static void zeros_out_of_range(void **state)
{
    static const struct {
        int64_t least, largest;
        bool v1, v2;
    } rows[] = {{1, 15, true, true}, {0, 15, false, true}, {-1, 4, false, false}, {1, 16, false, false}, {INT64_MAX, INT64_MIN, true, true}};
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        good(&g, "gptq");
        g.seen.groups.zero_min = rows[i].least;
        g.seen.groups.zero_max = rows[i].largest;
        assert_int_equal(decide(&g), rows[i].v1 ? STATUS_OK : STATUS_UNREPRESENTABLE);
        good(&g, "gptq_v2");
        g.seen.groups.zero_min = rows[i].least;
        g.seen.groups.zero_max = rows[i].largest;
        assert_int_equal(decide(&g), rows[i].v2 ? STATUS_OK : STATUS_UNREPRESENTABLE);
    }
    good(&g, "awq");
    g.seen.groups.zero_min = -3;
    g.seen.groups.below_zero = 5;
    refused(&g, STATUS_UNREPRESENTABLE, "5 of 256 groups with a zero outside 0..15 (zeros -3..9", "includes 0");
    assert_non_null(strstr(g.err.what, "R-RANGE"));
    good(&g, "gptq");
    g.seen.groups.zero_min = 0;
    g.seen.groups.equal_zero = 2;
    refused(&g, STATUS_UNREPRESENTABLE, "found 2 of 256 groups with zero 0, expected 1 or more: GPTQ v1 holds no other (R-ZERO-V1)", "--to msmodelslim, awq, gptq_v2, compressed-tensors or hf");
    good(&g, "awq")->seen.groups.fractions = 4;
    refused(&g, STATUS_UNREPRESENTABLE, "4 of 256 groups whose zero is no integer", "--allow-requantize");
}

static void group_sizes(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->gap.group = 16;
    assert_int_equal(decide(&g), STATUS_OK);
    assert_int_equal(g.spec.group, 16);
    good(&g, "awq")->gap.group = 64;
    refused(&g, STATUS_UNREPRESENTABLE, "found groups of 32, which groups of 64 do not refine (R-GROUP)", "a divisor of 32");
    good(&g, "awq")->gap.group = 24;
    refused(&g, STATUS_UNREPRESENTABLE, "R-GROUP", "a divisor of 32");
    good(&g, "awq")->gap.group = -1;
    refused(&g, STATUS_UNREPRESENTABLE, "groups of 128 do not refine", "a divisor of 32");
    good(&g, "awq")->gap.group = -1; /* already */
    g.weight.spec.group = 128;
    g.weight.groups = 1;
    assert_int_equal(decide(&g), STATUS_OK);
    assert_int_equal(g.spec.group, 128);
    good(&g, "awq")->gap.group = 1024; /* more than there are columns: per channel */
    g.weight.spec.group = 128;
    g.weight.groups = 1;
    assert_int_equal(decide(&g), STATUS_OK);
    assert_int_equal(g.spec.group, 128);
    good(&g, "gptq")->gap.group = 16; /* a partial last group of 8 columns */
    g.weight.in = 120;
    refused(&g, STATUS_UNREPRESENTABLE, "found in_features 120 in groups of 32, to become groups of 16: a last group that is shorter", "--keep");
}

static void shapes(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->weight.out = 60;
    refused(&g, STATUS_UNREPRESENTABLE, "out_features 60", "--keep with its name");
    assert_non_null(strstr(g.err.what, "found out_features 60 and in_features 128, expected a multiple of 8 and of 1: awq packs whole words"));
    good(&g, "gptq")->weight.out = 60;
    refused(&g, STATUS_UNREPRESENTABLE, "expected a multiple of 8 and of 8: gptq packs whole words (R-SHAPE)", "compressed-tensors");
    good(&g, "gptq")->weight.in = 124;
    refused(&g, STATUS_UNREPRESENTABLE, "in_features 124, expected a multiple of 8 and of 8", "--keep");
    good(&g, "gptq")->weight.in = 120; /* whole words, but a partial group: GPTQ's g_idx holds it */
    assert_int_equal(decide(&g), STATUS_OK);
    good(&g, "awq")->weight.in = 120;
    refused(&g, STATUS_UNREPRESENTABLE, "groups of 32, whose last group is 24 wide, expected whole groups: awq holds no short one (R-SHAPE)", "gptq");
    good(&g, "gptq")->weight.spec.bits = 8; /* 8-bit words hold four */
    g.weight.out = 60;
    g.weight.in = 124;
    assert_int_equal(decide(&g), STATUS_OK);
    good(&g, "gptq")->weight.spec.bits = 3; /* and 32 codes of 3 bits fill three */
    g.weight.out = 48;
    g.seen.groups.zero_max = 7;
    refused(&g, STATUS_UNREPRESENTABLE, "expected a multiple of 32 and of 32", "--keep");
}

static void scales(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->weight.spec.scale_dtype = DTYPE_F32;
    g.seen.scales = (struct cast_tally){.count = 256, .inexact = 9, .max_relative = 0.0004};
    assert_int_equal(decide(&g), STATUS_OK);
    assert_int_equal(g.spec.scale_dtype, DTYPE_F16);
    g.options.exact = true;
    refused(&g, STATUS_UNREPRESENTABLE, "9 of 256 scales that F16 rounds (largest relative error 0.0004)", "leave --exact out");
    g.seen.scales.inexact = 0;
    assert_int_equal(decide(&g), STATUS_OK);
    g.options.exact = false;
    g.seen.scales = (struct cast_tally){.count = 256, .overflow = 1};
    refused(&g, STATUS_UNREPRESENTABLE, "1 of 256 scales that overflow and 0 that become zero as F16 (R-SCALE)", "--dtype bf16");
    g.seen.scales = (struct cast_tally){.count = 256, .underflow = 3};
    refused(&g, STATUS_UNREPRESENTABLE, "0 of 256 scales that overflow and 3 that become zero", "--dtype bf16");
}

static void one_group_for_all(void **state)
{
    static const uint16_t sizes[] = {32, 64, 128, 0};
    const struct capability any = {.groups = GROUPS_SHARED}, spared = {.groups = GROUPS_SHARED_OR_CHANNEL}, held = {.groups = GROUPS_SHARED, .group_size = sizes};
    struct weight weight[3] = {{.groups = 4, .spec = {.group = 128}}, {.groups = 2, .spec = {.group = 48}}, {.groups = 1, .spec = {.group = 96}}};
    struct model model = {.weight = weight, .weight_count = 3};
    struct aim aim[3] = {{.bits = 4}, {.bits = 4}, {.bits = 4}};
    const struct aims aims = {.weight = aim};
    (void)state;
    assert_int_equal(gap_common_group(&model, &aims, &any), 16);
    assert_int_equal(gap_common_group(&model, &aims, &held), 0);
    aim[1].dense = true; /* what becomes floats, or is left out, has no say */
    assert_int_equal(gap_common_group(&model, &aims, &any), 32);
    aim[1] = (struct aim){.excluded = true};
    assert_int_equal(gap_common_group(&model, &aims, &held), 32);
    aim[1].excluded = false;
    weight[1].spec.group = 256;
    assert_int_equal(gap_common_group(&model, &aims, &any), 32);
    assert_int_equal(gap_common_group(&model, &aims, &spared), 128);
    assert_int_equal(gap_common_group(&model, &aims, &held), 32);
    model.weight_count = 1;
    assert_int_equal(gap_common_group(&model, &aims, &any), 128);
    weight[0].spec.group = 512;
    assert_int_equal(gap_common_group(&model, &aims, &held), 128);
    model.weight = weight + 2;
    assert_int_equal(gap_common_group(&model, &aims, &any), -1);
    assert_int_equal(gap_common_group(&model, &aims, &spared), 0);
    model.weight_count = 0;
    assert_int_equal(gap_common_group(&model, &aims, &any), 0);
}

static void tensors(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq");
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_OK);
    g.tensor_seen[0].nonzero = 3; /* of a carried tensor it means nothing */
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_OK);
    g.tensor[0].fate = FATE_DROP_ZERO;
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_UNREPRESENTABLE);
    assert_non_null(strstr(g.err.what, "3 non-zero values in a norm bias"));
    assert_non_null(strstr(g.err.where, "model.safetensors"));
    assert_non_null(strstr(g.err.remedy, "anti-outlier"));
    g.tensor_seen[0].nonzero = 0;
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_OK);
    g.tensor[0].fate = FATE_DROP_TWIN;
    g.tensor[0].peer = 1;
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_OK);
    g.tensor_seen[0].first_difference = 0;
    assert_int_equal(gap_tensor(&g.gap, 0, &g.err), STATUS_UNREPRESENTABLE);
    assert_non_null(strstr(g.err.what, "other values than in b"));
}

static void casts_of_tensors(void **state)
{
    struct given g;
    (void)state;
    good(&g, "awq")->options.dtype = DTYPE_F16;
    g.tensors[1].dtype = DTYPE_F16;
    g.tensor_seen[1].cast = (struct cast_tally){.count = 64, .inexact = 5, .max_relative = 1e-3};
    assert_int_equal(gap_tensor(&g.gap, 1, &g.err), STATUS_OK);
    g.options.exact = true;
    assert_int_equal(gap_tensor(&g.gap, 1, &g.err), STATUS_UNREPRESENTABLE);
    assert_non_null(strstr(g.err.what, "5 of 64 values that F16 rounds"));
    g.options.exact = false;
    g.tensor_seen[1].cast.overflow = 1;
    assert_int_equal(gap_tensor(&g.gap, 1, &g.err), STATUS_UNREPRESENTABLE);
    assert_non_null(strstr(g.err.what, "values that overflow"));
    g.excluded[1] = true; /* it is not written */
    assert_int_equal(gap_tensor(&g.gap, 1, &g.err), STATUS_OK);
    g.excluded[1] = false;
    g.tensor[1].fate = FATE_CLAIMED; /* a weight's: judged there */
    assert_int_equal(gap_tensor(&g.gap, 1, &g.err), STATUS_OK);
}

static void the_refusal_of_ambiguous_zeros(void **state)
{
    struct err err = {0};
    (void)state;
    assert_int_equal(gap_source_ambiguous("w", 12, &err), STATUS_CORRUPT);
    assert_string_equal(err.where, "w");
    assert_non_null(strstr(err.what, "12 zero points stored as all ones"));
    assert_int_equal(gap_source_ambiguous("w", 1, NULL), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_every_target_holds),
        cmocka_unit_test(faults_of_the_source),
        cmocka_unit_test(claims_that_the_data_contradict),
        cmocka_unit_test(widths),
        cmocka_unit_test(activation_order),
        cmocka_unit_test(zeros_out_of_range),
        cmocka_unit_test(group_sizes),
        cmocka_unit_test(shapes),
        cmocka_unit_test(scales),
        cmocka_unit_test(one_group_for_all),
        cmocka_unit_test(tensors),
        cmocka_unit_test(casts_of_tensors),
        cmocka_unit_test(the_refusal_of_ambiguous_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
