/* Qwen2 and Qwen2.5 (ggml-org/llama.cpp:conversion/qwen.py, Qwen2Model). */
#include "formats/arch/arch.h"

static const struct arch_name names[] = {
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 32768, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "num_key_value_heads", 32, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_act", "silu", false}, {"use_sliding_window", NULL, false}, {NULL, NULL, false}};

static const char *const classes[] = {"Qwen2ForCausalLM", NULL};

const struct arch qwen2_arch = {
    .name = "qwen2",
    .classes = classes,
    .model_type = "qwen2",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .generic_keys = true,
};
