#include "formats/arch/arch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void families_are_found(void **state)
{
    (void)state;
    size_t count = 0;
    while (arch_at(count) != NULL) {
        const struct arch *arch = arch_at(count++);
        for (const char *const *class = arch->classes; *class != NULL; class++)
            assert_ptr_equal(arch_of_class(*class), arch);
        assert_ptr_equal(arch_of_gguf(slice_of(arch->name)), arch);
        assert_true(arch->generic_keys || arch->keys != NULL);
    }
    assert_int_equal(count, 10);
    assert_null(arch_of_class("BertModel"));
    assert_null(arch_of_gguf(slice_of("llam")));
    assert_string_equal(arch_of_class("MixtralForCausalLM")->name, "llama");
}

static void gguf_of(const char *class, const char *hf, const char *expected)
{
    struct arch_match match;
    char name[128] = "nothing";
    if (arch_match_hf(arch_of_class(class), slice_of(hf), &match))
        assert_true(arch_write(match.row->gguf, &match, name, sizeof name));
    assert_string_equal(name, expected);
}

static void names_of_tensors(void **state)
{
    (void)state;
    gguf_of("LlamaForCausalLM", "model.embed_tokens.weight", "token_embd.weight");
    gguf_of("LlamaForCausalLM", "model.layers.12.self_attn.q_proj.weight", "blk.12.attn_q.weight");
    gguf_of("Qwen2ForCausalLM", "model.layers.0.self_attn.k_proj.bias", "blk.0.attn_k.bias");
    gguf_of("LlamaForCausalLM", "model.layers.3.block_sparse_moe.experts.7.w2.weight", "blk.3.ffn_down_exps.weight");
    gguf_of("Qwen3MoeForCausalLM", "model.layers.3.mlp.experts.100.up_proj.weight", "blk.3.ffn_up_exps.weight");
    gguf_of("Qwen2MoeForCausalLM", "model.layers.3.mlp.shared_expert_gate.weight", "blk.3.ffn_gate_inp_shexp.weight");
    gguf_of("Gemma2ForCausalLM", "model.layers.1.post_attention_layernorm.weight", "blk.1.post_attention_norm.weight"); /* its own before the common one */
    gguf_of("GemmaForCausalLM", "model.layers.1.post_attention_layernorm.weight", "blk.1.ffn_norm.weight");
    gguf_of("Phi3ForCausalLM", "model.layers.1.mlp.gate_up_proj.weight", "blk.1.ffn_up.weight");
    gguf_of("GptOssForCausalLM", "model.layers.1.post_attention_layernorm.weight", "blk.1.post_attention_norm.weight");
    gguf_of("GptOssForCausalLM", "model.layers.35.mlp.experts.up_proj.bias", "blk.35.ffn_up_exps.bias");
    gguf_of("GptOssForCausalLM", "model.layers.1.mlp.experts.gate_up_proj", "nothing"); /* plan/experts.h takes it apart */
    gguf_of("Qwen2ForCausalLM", "model.layers.1.self_attn.q_norm.weight", "nothing");
    gguf_of("LlamaForCausalLM", "model.layers.01.self_attn.q_proj.weight", "nothing");
    gguf_of("LlamaForCausalLM", "model.layers..self_attn.q_proj.weight", "nothing");
    gguf_of("LlamaForCausalLM", "model.layers.1234567.self_attn.q_proj.weight", "nothing");
    gguf_of("LlamaForCausalLM", "model.layers.1.self_attn.q_proj.weights", "nothing");
    gguf_of("LlamaForCausalLM", "model.layers.1.self_attn.q_proj", "blk.1.attn_q");
}

/* Every row is found again by its GGUF name, but for rows that only read what others write. */
static void names_and_back(void **state)
{
    (void)state;
    for (size_t f = 0; arch_at(f) != NULL; f++) {
        const struct arch *arch = arch_at(f);
        const struct arch_name *const tables[] = {arch->names, arch_names};
        for (size_t t = 0; t < 2; t++) {
            for (const struct arch_name *row = tables[t]; row->hf != NULL; row++) {
                struct arch_match match = {row, 5, 6, slice_of(".weight")}, back;
                char hf[128], gguf[128];
                assert_true(arch_write(row->hf, &match, hf, sizeof hf) && arch_write(row->gguf, &match, gguf, sizeof gguf));
                assert_true(arch_match_hf(arch, slice_of(hf), &back));
                assert_true(arch_match_gguf(arch, slice_of(gguf), &back));
                assert_int_equal(back.layer, strchr(row->gguf, '#') == NULL ? UINT32_MAX : 5);
                assert_int_equal(back.expert, UINT32_MAX);
                assert_true(slice_is(back.suffix, ".weight"));
            }
        }
    }
}

/* Experts of Mixtral one by one are known in files, and never written. */
static void names_of_older_files(void **state)
{
    (void)state;
    const struct arch *const llama = arch_of_gguf(slice_of("llama"));
    struct arch_match match;
    char name[128];
    assert_true(arch_match_gguf(llama, slice_of("blk.3.ffn_down.7.weight"), &match) && arch_write(match.row->hf, &match, name, sizeof name));
    assert_string_equal(name, "model.layers.3.block_sparse_moe.experts.7.w2.weight");
    assert_true(arch_match_hf(llama, slice_of(name), &match));
    assert_string_equal(match.row->gguf, "blk.#.ffn_down_exps");
    assert_false(arch_match_gguf(arch_of_gguf(slice_of("qwen2")), slice_of("blk.3.ffn_down.7.weight"), &match));
}

static void a_buffer_that_is_too_small(void **state)
{
    (void)state;
    const struct arch_match match = {arch_names, 7, 0, slice_of(".weight")};
    char buffer[16];
    assert_true(arch_write("blk.#.x", &match, buffer, sizeof buffer));
    assert_string_equal(buffer, "blk.7.x.weight");
    assert_false(arch_write("blk.#.x", &match, buffer, 14));
    assert_false(arch_write("blk.#.x", &match, buffer, 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_found),
        cmocka_unit_test(names_of_tensors),
        cmocka_unit_test(names_and_back),
        cmocka_unit_test(a_buffer_that_is_too_small),
        cmocka_unit_test(names_of_older_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
