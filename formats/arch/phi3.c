/* Phi-3 and Phi-4: q, k and v in one matrix, gate and up in another, which stay so (ggml-org/llama.cpp:conversion/phi.py, Phi3MiniModel). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.layers.#.self_attn.qkv_proj", "blk.#.attn_qkv", NULL, ARCH_SAME},
    {"model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up", NULL, ARCH_SAME},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.context_length", ARCH_U32, "n_positions|!max_position_embeddings", true, NAN},
    {"%s.rope.scaling.original_context_length", ARCH_ROPE_CONTEXT, NULL, true, NAN},
    {"%s.embedding_length", ARCH_U32, "!hidden_size|n_embd", true, NAN},
    {"%s.feed_forward_length", ARCH_U32, "intermediate_size", true, NAN},
    {"%s.block_count", ARCH_BLOCK_COUNT, "n_layers|!num_hidden_layers|n_layer|num_layers", true, NAN},
    {"%s.attention.head_count", ARCH_U32, "!num_attention_heads|n_head", true, NAN},
    {"%s.attention.head_count_kv", ARCH_U32, "!num_key_value_heads|n_head_kv", true, NAN},
    {"%s.attention.layer_norm_rms_epsilon", ARCH_F32, "rms_norm_eps", true, NAN},
    {"%s.rope.dimension_count", ARCH_ROPE_PART, NULL, true, NAN},
    {"%s.rope.freq_base", ARCH_ROPE_BASE, NULL, true, NAN},
    {"general.file_type", ARCH_FILE_TYPE, NULL, true, NAN},
    {"%s.attention.sliding_window", ARCH_U32, "sliding_window", true, 0},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 4096, NULL},
    {NULL, "rms_norm_eps", 1e-5, NULL},
    {NULL, "num_key_value_heads", 0, "num_attention_heads"},
    {NULL, "original_max_position_embeddings", 4096, NULL},
    {NULL, "rope_theta", 10000, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_act", "silu", false}, {NULL, NULL, false}};

static const char *const classes[] = {"Phi3ForCausalLM", NULL};

const struct arch phi3_arch = {
    .name = "phi3",
    .classes = classes,
    .model_type = "phi3",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .keys = keys,
    .rope_factors = true,
};
