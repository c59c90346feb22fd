/* Qwen3-MoE (ggml-org/llama.cpp:conversion/qwen.py, Qwen3MoeModel). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", NULL, ARCH_SAME},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", NULL, ARCH_SAME},
    {"model.layers.#.mlp.gate", "blk.#.ffn_gate_inp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.down_proj", "blk.#.ffn_down_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.gate_proj", "blk.#.ffn_gate_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.up_proj", "blk.#.ffn_up_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", NULL, ARCH_STACKED},
    {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", NULL, ARCH_SPLIT},
    {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps", NULL, ARCH_SPLIT},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.expert_count", ARCH_U32, "num_local_experts|!num_experts|n_routed_experts", false, NAN},
    {"%s.expert_feed_forward_length", ARCH_U32, "moe_intermediate_size", false, NAN},
    {"%s.expert_shared_feed_forward_length", ARCH_U32, "shared_expert_intermediate_size", false, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 32768, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "num_key_value_heads", 4, NULL},
    {NULL, "num_experts", 128, NULL},
    {NULL, "num_experts_per_tok", 8, NULL},
    {NULL, "moe_intermediate_size", 768, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {
    {"hidden_act", "silu", false},
    {"use_sliding_window", NULL, false},
    {"norm_topk_prob", NULL, true},
    {NULL, NULL, false},
};

static const char *const classes[] = {"Qwen3MoeForCausalLM", NULL};

const struct arch qwen3_moe_arch = {
    .name = "qwen3moe",
    .classes = classes,
    .model_type = "qwen3_moe",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .generic_keys = true,
    .keys = keys,
};
