/* Qwen1.5-MoE and Qwen2-MoE (ggml-org/llama.cpp:conversion/qwen.py, Qwen2MoeModel). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.layers.#.mlp.gate", "blk.#.ffn_gate_inp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.down_proj", "blk.#.ffn_down_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.gate_proj", "blk.#.ffn_gate_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.@.up_proj", "blk.#.ffn_up_exps", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", NULL, ARCH_STACKED},
    {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", NULL, ARCH_SPLIT},
    {"model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_up_exps", NULL, ARCH_SPLIT},
    {"model.layers.#.mlp.shared_expert.gate_proj", "blk.#.ffn_gate_shexp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.shared_expert.down_proj", "blk.#.ffn_down_shexp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.shared_expert.up_proj", "blk.#.ffn_up_shexp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp", NULL, ARCH_SAME},
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
    {NULL, "num_key_value_heads", 16, NULL},
    {NULL, "num_experts", 60, NULL},
    {NULL, "num_experts_per_tok", 4, NULL},
    {NULL, "moe_intermediate_size", 1408, NULL},
    {NULL, "shared_expert_intermediate_size", 5632, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {
    {"hidden_act", "silu", false},
    {"use_sliding_window", NULL, false},
    {"norm_topk_prob", NULL, false},
    {NULL, NULL, false},
};

static const char *const classes[] = {"Qwen2MoeForCausalLM", NULL};

const struct arch qwen2_moe_arch = {
    .name = "qwen2moe",
    .classes = classes,
    .model_type = "qwen2_moe",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .generic_keys = true,
    .keys = keys,
};
