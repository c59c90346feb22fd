/* Gemma 2: norms before and behind both halves of a layer (ggml-org/llama.cpp:conversion/gemma.py, Gemma2Model). */
#include "formats/arch/arch.h"

#include <math.h>

static const struct arch_name names[] = {
    {"model.norm", "output_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm", NULL, ARCH_PLUS_ONE},
    {"model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm", NULL, ARCH_PLUS_ONE},
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
    {"%s.attn_logit_softcapping", ARCH_F32, "attn_logit_softcapping", true, NAN},
    {"%s.final_logit_softcapping", ARCH_F32, "final_logit_softcapping", true, NAN},
    {"%s.attention.sliding_window", ARCH_U32, "sliding_window", true, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

static const char *const left_out[] = {"lm_head.weight", NULL};

static const struct arch_default defaults[] = {
    {NULL, "max_position_embeddings", 8192, NULL},
    {NULL, "rms_norm_eps", 1e-6, NULL},
    {NULL, "num_key_value_heads", 4, NULL},
    {NULL, "head_dim", 256, NULL},
    {NULL, "sliding_window", 4096, NULL},
    {NULL, "attn_logit_softcapping", 50, NULL},
    {NULL, "final_logit_softcapping", 30, NULL},
    {NULL, NULL, 0, NULL},
};

static const struct arch_fixed fixed[] = {{"hidden_activation", "gelu_pytorch_tanh", false}, {NULL, NULL, false}};

static const char *const classes[] = {"Gemma2ForCausalLM", NULL};

const struct arch gemma2_arch = {
    .name = "gemma2",
    .classes = classes,
    .model_type = "gemma2",
    .names = names,
    .defaults = defaults,
    .fixed = fixed,
    .wide_layers = 46,
    .keys = keys,
    .left_out = left_out,
};
