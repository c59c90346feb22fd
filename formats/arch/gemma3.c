/* Gemma 3, its text model (ggml-org/llama.cpp:conversion/gemma.py, Gemma3Model). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.norm", "output_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm", NULL, ARCH_PLUS_ONE},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.context_length", ARCH_U32, "max_position_embeddings", true, 131072},
    {"%s.attention.head_count", ARCH_U32, "num_attention_heads", true, 8},
    {"%s.attention.layer_norm_rms_epsilon", ARCH_F32, "rms_norm_eps", true, 1e-6},
    {"%s.attention.key_length", ARCH_U32, "head_dim", true, 256},
    {"%s.attention.value_length", ARCH_U32, "head_dim", true, 256},
    {"%s.final_logit_softcapping", ARCH_F32, "final_logit_softcapping", false, NAN},
    {"%s.attention.sliding_window", ARCH_WINDOW, "sliding_window", true, NAN},
    {"%s.attention.head_count_kv", ARCH_U32, "num_key_value_heads", true, 4},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const struct arch_default defaults[] = {
    {NULL, "num_attention_heads", 8, NULL},
    {NULL, "rope_theta", 1000000, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "max_position_embeddings", 131072, NULL},
    {NULL, "num_key_value_heads", 4, NULL},
    {NULL, "head_dim", 256, NULL},
    {NULL, "sliding_window", 4096, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_activation", "gelu_pytorch_tanh", false}, {NULL, NULL, false}};

static const char *const classes[] = {"Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", NULL};

const struct arch gemma3_arch = {
    .name = "gemma3",
    .classes = classes,
    .model_type = "gemma3_text",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .wide_layers = 62,
    .generic_keys = true,
    .keys = keys,
    .cut_embedding = true,
};
