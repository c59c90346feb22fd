/* constraints: every limit refuses what breaks it and takes what does not. */
#include "plan/constraints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct weight weight = {.name = "model.layers.0.mlp.up_proj", .out = 96, .in = 256, .groups = 2};
static const struct spec spec = {.bits = 4, .group = 128, .scale_dtype = DTYPE_F16};
static const struct constraints_facts plain = {.asymmetric = false};

static void refused(const struct constraints *limits, const struct constraints_facts *facts, const char *found, const char *expected)
{
    struct err err = {0};
    assert_int_equal(constraints_check(limits, &weight, &spec, facts, &err), STATUS_UNREPRESENTABLE);
    assert_string_equal(err.where, weight.name);
    assert_non_null(strstr(err.what, found));
    assert_non_null(strstr(err.what, expected));
    assert_non_null(strstr(err.what, "vllm takes nothing else"));
}

static void taken(const struct constraints *limits, const struct constraints_facts *facts)
{
    struct err err = {0};
    assert_int_equal(constraints_check(limits, &weight, &spec, facts, &err), STATUS_OK);
}

static void nothing_is_asked(void **state)
{
    const struct constraints none = {.engine = "vllm"};
    const struct constraints_facts all = {true, true, true, true, true};
    (void)state;
    taken(NULL, &all);
    taken(&none, &all);
}

static void numbers(void **state)
{
    (void)state;
    refused(&(struct constraints){.engine = "vllm", .bits = 1u << 8 | 1u << 3}, &plain, "4 bits", "3 or 8");
    taken(&(struct constraints){.engine = "vllm", .bits = 1u << 4}, &plain);
    refused(&(struct constraints){.engine = "vllm", .groups = CONSTRAINTS_PER_CHANNEL | 32 | 64}, &plain, "groups of 128", "-1, 32 or 64");
    taken(&(struct constraints){.engine = "vllm", .groups = 128}, &plain);
    refused(&(struct constraints){.engine = "vllm", .out_multiple = 64}, &plain, "96 output channels", "multiple of 64");
    taken(&(struct constraints){.engine = "vllm", .out_multiple = 32}, &plain);
    refused(&(struct constraints){.engine = "vllm", .in_multiple = 512}, &plain, "256 input channels", "multiple of 512");
    taken(&(struct constraints){.engine = "vllm", .in_multiple = 256}, &plain);
    refused(&(struct constraints){.engine = "vllm", .scale_dtypes = 1u << DTYPE_BF16}, &plain, "scales of F16", "another dtype");
    taken(&(struct constraints){.engine = "vllm", .scale_dtypes = 1u << DTYPE_F16}, &plain);
}

static void facts(void **state)
{
    (void)state;
    refused(&(struct constraints){.engine = "vllm", .symmetric_only = true}, &(struct constraints_facts){.asymmetric = true}, "asymmetric", "2^(bits-1)");
    refused(&(struct constraints){.engine = "vllm", .no_zero_at_zero = true}, &(struct constraints_facts){.zero_at_zero = true}, "zero of 0", "none");
    refused(&(struct constraints){.engine = "vllm", .no_negative_scales = true}, &(struct constraints_facts){.negative_scales = true}, "negative", "positive");
    refused(&(struct constraints){.engine = "vllm", .no_act_order = true}, &(struct constraints_facts){.act_order = true}, "g_idx", "consecutive");
    refused(&(struct constraints){.engine = "vllm", .no_rules = true}, &(struct constraints_facts){.ruled = true}, "rule", "one width");
    taken(&(struct constraints){.engine = "vllm", .symmetric_only = true, .no_zero_at_zero = true, .no_negative_scales = true, .no_act_order = true,
          .no_rules = true},
          &plain);
}

/* vLLM Ascend has no kernels for weights alone in the Linear layers of compressed-tensors, nor in experts of msModelSlim. */
static void weights_alone(void **state)
{
    const struct constraints linear = {.engine = "vllm", .no_linear = true}, experts = {.engine = "vllm", .no_experts = true};
    const struct spec activated = {.bits = 8, .group = 256, .activation = ACTIVATION_DYNAMIC, .scale_dtype = DTYPE_F16};
    struct weight expert = weight;
    (void)state;
    expert.name = "model.layers.0.mlp.experts.3.up_proj";
    refused(&linear, &plain, "without int8 activations", "W8A8");
    taken(&experts, &plain);
    assert_int_equal(constraints_check(&linear, &weight, &activated, &plain, NULL), STATUS_OK);
    assert_int_equal(constraints_check(&linear, &expert, &spec, &plain, NULL), STATUS_OK);
    assert_int_equal(constraints_check(&experts, &expert, &spec, &plain, NULL), STATUS_UNREPRESENTABLE);
    assert_int_equal(constraints_check(&experts, &expert, &activated, &plain, NULL), STATUS_OK);
}

static void groups(void **state)
{
    const struct constraints limits = {.groups = CONSTRAINTS_PER_CHANNEL | 64}, grouped = {.groups = 64}, any = {0};
    (void)state;
    assert_true(constraints_group_fits(&limits, 4096, true));
    assert_false(constraints_group_fits(&limits, 4096, false));
    assert_true(constraints_group_fits(&limits, 64, false));
    assert_false(constraints_group_fits(&limits, 96, false)); /* 96 shares a bit with 64 */
    assert_false(constraints_group_fits(&limits, 1, false));
    assert_false(constraints_group_fits(&limits, UINT64_C(64) << 32, false));
    assert_true(constraints_group_fits(&grouped, 64, true)); /* one group of 64 in a row of 64 */
    assert_false(constraints_group_fits(&grouped, 128, true));
    assert_true(constraints_group_fits(&any, 7, false));
}

static void default_groups(void **state)
{
    static const uint16_t held[] = {32, 64, 128, 0};
    const struct constraints any = {0}, marlin = {.groups = CONSTRAINTS_PER_CHANNEL | 32 | 64 | 128}, small = {.groups = 16 | 32}, large = {.groups = 256 | 512},
                             channel = {.groups = CONSTRAINTS_PER_CHANNEL}, tiny = {.groups = 16};
    (void)state;
    assert_int_equal(constraints_default_group(NULL, NULL, 128), 128);
    assert_int_equal(constraints_default_group(&any, held, 64), 64);
    assert_int_equal(constraints_default_group(&marlin, NULL, 128), 128);
    assert_int_equal(constraints_default_group(&marlin, held, 64), 64);
    assert_int_equal(constraints_default_group(&small, NULL, 128), 32);
    assert_int_equal(constraints_default_group(&large, NULL, 128), 256);
    assert_int_equal(constraints_default_group(&channel, NULL, 128), -1);
    assert_int_equal(constraints_default_group(&tiny, held, 64), -1); /* the target has no 16 */
}

static void lists(void **state)
{
    char text[100];
    (void)state;
    assert_string_equal(constraints_bits_text(0, text, sizeof text), "any");
    assert_string_equal(constraints_bits_text(1u << 4, text, sizeof text), "4");
    assert_string_equal(constraints_bits_text(1u << 2 | 1u << 3 | 1u << 8, text, sizeof text), "2, 3 or 8");
    assert_string_equal(constraints_groups_text(0, text, sizeof text), "any");
    assert_string_equal(constraints_groups_text(CONSTRAINTS_PER_CHANNEL | 32 | 128, text, sizeof text), "-1, 32 or 128");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_asked), cmocka_unit_test(numbers), cmocka_unit_test(facts), cmocka_unit_test(weights_alone), cmocka_unit_test(groups),
                                       cmocka_unit_test(default_groups),
                                       cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
