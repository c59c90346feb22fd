/* Qwen3: norms of q and k (ggml-org/llama.cpp:conversion/qwen.py, Qwen3Model). */
#include "formats/arch/arch.h"

static const struct arch_name names[] = {
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", NULL, ARCH_SAME},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", NULL, ARCH_SAME},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 32768, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "num_key_value_heads", 32, NULL},
    {NULL, "head_dim", 128, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_act", "silu", false}, {"use_sliding_window", NULL, false}, {NULL, NULL, false}};

static const char *const classes[] = {"Qwen3ForCausalLM", NULL};

const struct arch qwen3_arch = {
    .name = "qwen3",
    .classes = classes,
    .model_type = "qwen3",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .generic_keys = true,
};
