/* Gemma: norms are stored less 1, and the head is the embedding (ggml-org/llama.cpp:conversion/gemma.py, GemmaModel). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.norm", "output_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", NULL, ARCH_PLUS_ONE},
    {NULL, NULL, NULL, ARCH_SAME},
};

static const struct arch_key keys[] = {
    {"%s.context_length", ARCH_U32, "max_position_embeddings", true, NAN},
    {"%s.embedding_length", ARCH_U32, "hidden_size", true, NAN},
    {"%s.block_count", ARCH_BLOCK_COUNT, "n_layers|!num_hidden_layers|n_layer|num_layers", true, NAN},
    {"%s.feed_forward_length", ARCH_U32, "intermediate_size", true, NAN},
    {"%s.attention.head_count", ARCH_U32, "num_attention_heads", true, NAN},
    {"%s.attention.head_count_kv", ARCH_U32, "!num_key_value_heads|num_attention_heads", true, NAN},
    {"%s.attention.layer_norm_rms_epsilon", ARCH_F32, "rms_norm_eps", true, NAN},
    {"%s.attention.key_length", ARCH_U32, "head_dim", true, NAN},
    {"%s.attention.value_length", ARCH_U32, "head_dim", true, NAN},
    {"general.file_type", ARCH_FILE_TYPE, NULL, true, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const char *const left_out[] = {"lm_head.weight", NULL};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 8192, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "num_key_value_heads", 16, NULL},
    {NULL, "head_dim", 256, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_act", "gelu_pytorch_tanh", false}, {NULL, NULL, false}};

static const char *const classes[] = {"GemmaForCausalLM", NULL};

const struct arch gemma_arch = {
    .name = "gemma",
    .classes = classes,
    .model_type = "gemma",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .keys = keys,
    .left_out = left_out,
};
