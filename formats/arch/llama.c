/* LLaMA 1 to 3, Mistral, Mixtral, SmolLM: rows of q and k in pairs (ggml-org/llama.cpp:conversion/llama.py). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "layers.#.attention.wq", ARCH_TURN_Q},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "layers.#.attention.wk", ARCH_TURN_K},
    {"model.layers.#.block_sparse_moe.gate", "blk.#.ffn_gate_inp", NULL, ARCH_SAME},
    {"model.layers.#.block_sparse_moe.experts.@.w1", "blk.#.ffn_gate_exps", NULL, ARCH_SAME},
    {"model.layers.#.block_sparse_moe.experts.@.w2", "blk.#.ffn_down_exps", NULL, ARCH_SAME},
    {"model.layers.#.block_sparse_moe.experts.@.w3", "blk.#.ffn_up_exps", NULL, ARCH_SAME},
    {NULL, NULL, NULL, ARCH_SAME},
};

/* Experts one by one, until April 2024 (ggml-org/llama.cpp#6387). */
static const struct arch_name older[] = {
    {"model.layers.#.block_sparse_moe.experts.@.w1", "blk.#.ffn_gate.@", NULL, ARCH_SAME},
    {"model.layers.#.block_sparse_moe.experts.@.w2", "blk.#.ffn_down.@", NULL, ARCH_SAME},
    {"model.layers.#.block_sparse_moe.experts.@.w3", "blk.#.ffn_up.@", NULL, ARCH_SAME},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.vocab_size", ARCH_U32, "vocab_size", true, NAN},
    {"%s.rope.dimension_count", ARCH_ROPE_DIM, NULL, true, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const struct arch_default defaults[] = {
    {"llama", "max_position_embeddings", 2048, NULL},
    {"llama", "rms_norm_eps", 1e-6, NULL},
    {"llama", "num_key_value_heads", 0, "num_attention_heads"},
    {"llama", "head_dim", 0, "head_dim"},
    {"mistral", "max_position_embeddings", 131072, NULL},
    {"mistral", "rms_norm_eps", 1e-6, NULL},
    {"mistral", "num_key_value_heads", 8, NULL},
    {"mistral", "head_dim", 0, "head_dim"},
    {"mixtral", "max_position_embeddings", 131072, NULL},
    {"mixtral", "rms_norm_eps", 1e-5, NULL},
    {"mixtral", "num_key_value_heads", 8, NULL},
    {"mixtral", "num_local_experts", 8, NULL},
    {"mixtral", "num_experts_per_tok", 2, NULL},
    {"mixtral", "rope_theta", 1000000, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_act", "silu", false}, {NULL, NULL, false}};

static const char *const classes[] = {"LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM", "MixtralForCausalLM", NULL};

const struct arch llama_arch = {
    .name = "llama",
    .classes = classes,
    .model_type = "llama",
    .names = names,
    .older = older,
    .defaults = defaults,
    .fixed = fixed,
    .generic_keys = true,
    .keys = keys,
    .rope_freqs = true,
};
