/* gpt-oss: sinks of attention, every layer of experts, which are stacks with biases (ggml-org/llama.cpp:conversion/gpt_oss.py, src/models/openai-moe.cpp).
 *
 * Hugging Face keeps gate and up in one, their rows taking turns, and turns the matrices of a float checkpoint; plan/experts.h takes both apart before names
 * are looked for here. */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", NULL, ARCH_SAME},
    {"model.layers.#.self_attn.sinks", "blk.#.attn_sinks", NULL, ARCH_BARE},
    {"model.layers.#.mlp.router", "blk.#.ffn_gate_inp", NULL, ARCH_SAME},
    {"model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", NULL, ARCH_SWITCHED},
    {"model.layers.#.mlp.experts.gate_proj", "blk.#.ffn_gate_exps", NULL, ARCH_SWITCHED},
    {"model.layers.#.mlp.experts.up_proj", "blk.#.ffn_up_exps", NULL, ARCH_SWITCHED},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.attention.sliding_window", ARCH_U32, "sliding_window", true, NAN},
    {"%s.expert_feed_forward_length", ARCH_U32, "intermediate_size", true, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

/* Not of sliding_window, whose null is another thing than its absence. */
static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 131072, NULL},
    {NULL, "hidden_size", 2880, NULL},
    {NULL, "intermediate_size", 2880, NULL},
    {NULL, "num_hidden_layers", 36, NULL},
    {NULL, "num_attention_heads", 64, NULL},
    {NULL, "num_key_value_heads", 8, NULL},
    {NULL, "head_dim", 64, NULL},
    {NULL, "rms_norm_eps", 1e-5, NULL},
    {NULL, "num_local_experts", 128, NULL},
    {NULL, "num_experts_per_tok", 4, NULL},
    {NULL, "rope_theta", 150000, NULL},
    {NULL, NULL, 0, NULL},
};

/* ggml-org/llama.cpp:src/llama-graph.cpp, LLM_FFN_SWIGLU_OAI_MOE. */
static const struct arch_built_in built_in[] = {{"swiglu_alpha", 1.702}, {"swiglu_limit", 7}, {NULL, 0}};

static const struct arch_fixed fixed[] = {{"hidden_act", "silu", false}, {NULL, NULL, false}};

static const char *const classes[] = {"GptOssForCausalLM", NULL};

const struct arch gptoss_arch = {
    .name = "gpt-oss",
    .classes = classes,
    .model_type = "gpt_oss",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .built_in = built_in,
    .full_every = 2,
    .rope_stated = true,
    .generic_keys = true,
    .keys = keys,
};
