/* Which type each tensor of a quantized GGUF gets. The rows are llama-quantize's own choices, as its --dry-run prints them. */
#include "plan/mix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TENSORS_MAX = 64 };

struct listing {
    struct mix_tensor tensor[TENSORS_MAX];
    char name[TENSORS_MAX][64];
    uint64_t shape[TENSORS_MAX][3];
    size_t count;
};

static void add(struct listing *file, const char *name, uint64_t experts, uint64_t columns)
{
    const size_t t = file->count++;
    assert_true(t < TENSORS_MAX);
    (void)snprintf(file->name[t], sizeof file->name[t], "%s", name);
    memcpy(file->shape[t], (const uint64_t[]){experts, 512, columns}, sizeof file->shape[t]);
    const bool stack = experts > 1;
    file->tensor[t] = (struct mix_tensor){.name = file->name[t], .shape = file->shape[t] + (stack ? 0 : 1), .rank = stack ? 3 : 2, .stored = GGML_F16};
}

static void add_layers(struct listing *file, const char *leaf, uint64_t layers, uint64_t experts)
{
    for (uint64_t l = 0; l < layers; l++) {
        char name[64];
        (void)snprintf(name, sizeof name, "blk.%llu.%s", (unsigned long long)l, leaf);
        add(file, name, experts, 512);
    }
}

/* The types of all tensors, one letter a tensor: '2' Q2_K ... '6' Q6_K, '8' Q8_0, 'o' Q4_0, 'p' Q4_1, 'i' IQ3_S, 'x' IQ3_XXS, 's' IQ2_S, 'X' IQ4_XS,
 * 'N' IQ4_NL, 'h' F16. */
static void expect(struct listing *file, const struct mix_rules *rules, const struct gguf_hyper *hyper, const char *letters)
{
    static const struct {
        enum ggml_type type;
        char letter;
    } rows[] = {{GGML_Q2_K, '2'}, {GGML_Q3_K, '3'}, {GGML_Q4_K, '4'},  {GGML_Q5_K, '5'},    {GGML_Q6_K, '6'},  {GGML_Q8_0, '8'},   {GGML_Q4_0, 'o'},
                {GGML_Q4_1, 'p'}, {GGML_IQ3_S, 'i'}, {GGML_IQ3_XXS, 'x'}, {GGML_IQ2_S, 's'}, {GGML_IQ4_XS, 'X'}, {GGML_IQ4_NL, 'N'}, {GGML_F16, 'h'}};
    char found[TENSORS_MAX + 1] = {0};
    struct err err;
    assert_int_equal(mix_choose(rules, hyper, file->tensor, file->count, &err), STATUS_OK);
    for (size_t t = 0; t < file->count; t++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            if (rows[r].type == file->tensor[t].type)
                found[t] = rows[r].letter;
    assert_string_equal(found, letters);
}

static struct mix_rules rules_of(enum filetype type)
{
    return (struct mix_rules){.type = type, .output = GGML_COUNT, .embedding = GGML_COUNT};
}

static const struct gguf_hyper llama = {.arch = {"llama", 5}, .layers = 16, .heads = 16, .key_heads = 16};

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"abcde", "abcd", "abcdef", "weight", "x.weight", "x.weights", "x.bias"};
    struct listing file = {0};
    const struct mix_rules rules = rules_of(FILETYPE_Q4_0);
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
        add(&file, names[n], 1, 512);
    expect(&file, &rules, &llama, "ohhoohh"); /* five letters are taken as upstream takes them */
}

static void test_layers(void **state)
{
    (void)state;
    static const struct {
        enum filetype type;
        const char *leaf, *letters;
        uint64_t key_heads;
    } rows[] = {
        {FILETYPE_Q4_K_M, "attn_v.weight", "6644644644644666", 16}, {FILETYPE_Q4_K_M, "ffn_down.weight", "6644644644644666", 16},
        {FILETYPE_Q4_K_S, "attn_v.weight", "5555444444444444", 16}, {FILETYPE_Q4_K_S, "ffn_down.weight", "5544444444444444", 16},
        {FILETYPE_Q3_K_M, "attn_v.weight", "5544444444444444", 16}, {FILETYPE_Q3_K_M, "ffn_down.weight", "5444444444444444", 16},
        {FILETYPE_Q2_K, "attn_v.weight", "3333333333333333", 16},   {FILETYPE_Q2_K, "attn_v.weight", "4444444444444444", 4},
        {FILETYPE_IQ4_XS, "ffn_down.weight", "55XXXXXXXXXXXXXX", 16}, {FILETYPE_IQ3_XS, "ffn_up.weight", "iixxxxxxxxxxxxii", 16},
        {FILETYPE_Q3_K_L, "attn_output.weight", "5555555555555555", 16}, {FILETYPE_Q5_K_M, "attn_v.weight", "6655655655655666", 16},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct listing file = {0};
        const struct mix_rules rules = rules_of(rows[r].type);
        struct gguf_hyper hyper = llama;
        hyper.key_heads = rows[r].key_heads;
        add_layers(&file, rows[r].leaf, 16, 1);
        expect(&file, &rules, &hyper, rows[r].letters);
    }
}

static void test_ends(void **state)
{
    (void)state;
    struct listing file = {0}, tied = {0};
    struct mix_rules rules = rules_of(FILETYPE_Q4_0);
    add(&file, "output.weight", 1, 512);
    add(&file, "token_embd.weight", 1, 512);
    add(&file, "blk.0.attn_norm.weight", 1, 512);
    add(&file, "blk.0.ffn_gate_inp.weight", 1, 512);
    add(&file, "blk.0.attn_q.bias", 1, 512);
    expect(&file, &rules, &llama, "6ohhh");
    add(&tied, "token_embd.weight", 1, 512);
    expect(&tied, &rules, &llama, "6");
    rules.leave_output = true;
    expect(&file, &rules, &llama, "hohhh");
    rules = rules_of(FILETYPE_Q4_0);
    rules.output = GGML_Q8_0;
    rules.embedding = GGML_Q5_K;
    expect(&file, &rules, &llama, "85hhh");
    rules = rules_of(FILETYPE_Q4_0);
    rules.pure = true;
    expect(&file, &rules, &llama, "oohhh");
}

static void test_experts(void **state)
{
    (void)state;
    const struct gguf_hyper moe = {.arch = {"llama", 5}, .layers = 4, .heads = 8, .key_heads = 8, .experts = 8};
    struct listing file = {0};
    const struct mix_rules rules = rules_of(FILETYPE_Q4_K_M);
    struct err err;
    add(&file, "blk.0.attn_k.weight", 1, 512);
    add(&file, "blk.0.attn_output.weight", 1, 512);
    add(&file, "blk.0.attn_v.weight", 1, 512);
    add(&file, "blk.0.ffn_down_exps.weight", 8, 512);
    add(&file, "blk.3.ffn_down_exps.weight", 8, 512);
    expect(&file, &rules, &moe, "85846");
    add(&file, "blk.9.ffn_down_exps.weight", 8, 512);
    assert_int_equal(mix_choose(&rules, &moe, file.tensor, file.count, &err), STATUS_CORRUPT);
}

static void test_shapes(void **state)
{
    (void)state;
    struct listing file = {0}, odd = {0};
    struct err err;
    struct mix_rules rules = rules_of(FILETYPE_Q2_K);
    add(&file, "blk.0.attn_q.weight", 1, 288);
    add(&file, "blk.0.attn_k.weight", 1, 100);
    expect(&file, &rules, &llama, "oh");
    assert_true(file.tensor[0].fell_back && file.tensor[1].fell_back);
    rules = rules_of(FILETYPE_IQ4_XS);
    expect(&file, &rules, &llama, "Nh");
    rules = rules_of(FILETYPE_Q6_K);
    expect(&file, &rules, &llama, "8h");
    rules = rules_of(FILETYPE_Q1_0);
    add(&odd, "blk.0.attn_q.weight", 1, 96);
    assert_int_equal(mix_choose(&rules, &llama, odd.tensor, odd.count, &err), STATUS_UNREPRESENTABLE);
    assert_non_null(strstr(err.what, "R-SHAPE"));
}

/* A tensor that a pattern names is not counted: what follows gets other types than without it. */
static void test_overrides(void **state)
{
    (void)state;
    struct listing file = {0};
    struct mix_rules rules = rules_of(FILETYPE_Q4_K_M);
    struct mix_override override = {.type = GGML_Q5_K};
    struct gguf_hyper hyper = llama;
    struct err err;
    hyper.layers = 3;
    add_layers(&file, "ffn_down.weight", 3, 1);
    expect(&file, &rules, &hyper, "446");
    assert_int_equal(regex_compile(&override.pattern, slice_of("blk\\.[01]\\.ffn_down"), "test", STATUS_USAGE, &err), STATUS_OK);
    rules.override = &override;
    rules.override_count = 1;
    expect(&file, &rules, &hyper, "554");
    regex_free(override.pattern);
}

static void test_importance(void **state)
{
    (void)state;
    struct listing file = {0};
    struct err err;
    struct mix_rules rules = rules_of(FILETYPE_Q4_0);
    add_layers(&file, "ffn_down.weight", 16, 1);
    rules.importance = true;
    expect(&file, &rules, &llama, "ppoooooooooooooo");
    rules = rules_of(FILETYPE_Q2_K_S);
    assert_int_equal(mix_choose(&rules, &llama, file.tensor, file.count, &err), STATUS_OK);
    assert_true(file.tensor[15].needs_importance); /* Q2_K, of this type of file */
    assert_false(file.tensor[0].needs_importance); /* Q4_K */
}

static void test_importance_of_output(void **state)
{
    (void)state;
    struct listing file = {0};
    struct err err;
    add(&file, "output.weight", 1, 256);
    add(&file, "token_embd.weight", 1, 256);
    for (int t = 0; t < 2; t++) {
        struct mix_rules rules = rules_of(t == 0 ? FILETYPE_IQ1_S : FILETYPE_IQ3_XXS);
        rules.importance = rules.pure = true;
        assert_int_equal(mix_choose(&rules, &llama, file.tensor, file.count, &err), STATUS_OK);
        for (size_t k = 0; k < file.count; k++)
            assert_int_equal(file.tensor[k].needs_importance, t == 0); /* ggml ends the program for IQ1_S */
    }
}

static void test_order(void **state)
{
    (void)state;
    static const char *const names[] = {"output.weight", "token_embd.weight", "blk.0.attn_k.weight", "blk.0.ffn_up.weight", "blk.2.attn_k.weight",
                                        "blk.10.attn_k.weight"};
    for (size_t a = 0; a < sizeof names / sizeof names[0]; a++)
        for (size_t b = 0; b < sizeof names / sizeof names[0]; b++)
            assert_true((mix_before(names[a], names[b]) < 0) == (a < b) && (mix_before(names[a], names[b]) > 0) == (a > b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),  cmocka_unit_test(test_layers), cmocka_unit_test(test_ends), cmocka_unit_test(test_experts),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_overrides), cmocka_unit_test(test_importance), cmocka_unit_test(test_importance_of_output), cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
