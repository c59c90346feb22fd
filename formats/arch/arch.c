#include "formats/arch/arch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define X(symbol) extern const struct arch symbol##_arch;
#include "formats/arch/arch.def"
#undef X

static const struct arch *const families[] = {
#define X(symbol) &symbol##_arch,
#include "formats/arch/arch.def"
#undef X
};

const struct arch_name arch_names[] = {
    {"model.embed_tokens", "token_embd", "tok_embeddings", ARCH_SAME},
    {"model.norm", "output_norm", "norm", ARCH_SAME},
    {"lm_head", "output", "output", ARCH_SAME},
    {"model.layers.#.input_layernorm", "blk.#.attn_norm", "layers.#.attention_norm", ARCH_SAME},
    {"model.layers.#.self_attn.q_proj", "blk.#.attn_q", "layers.#.attention.wq", ARCH_SAME},
    {"model.layers.#.self_attn.k_proj", "blk.#.attn_k", "layers.#.attention.wk", ARCH_SAME},
    {"model.layers.#.self_attn.v_proj", "blk.#.attn_v", "layers.#.attention.wv", ARCH_SAME},
    {"model.layers.#.self_attn.o_proj", "blk.#.attn_output", "layers.#.attention.wo", ARCH_SAME},
    {"model.layers.#.post_attention_layernorm", "blk.#.ffn_norm", "layers.#.ffn_norm", ARCH_SAME},
    {"model.layers.#.mlp.gate_proj", "blk.#.ffn_gate", "layers.#.feed_forward.w1", ARCH_SAME},
    {"model.layers.#.mlp.down_proj", "blk.#.ffn_down", "layers.#.feed_forward.w2", ARCH_SAME},
    {"model.layers.#.mlp.up_proj", "blk.#.ffn_up", "layers.#.feed_forward.w3", ARCH_SAME},
    {NULL, NULL, NULL, ARCH_SAME},
};

/* ggml-org/llama.cpp:conversion/base.py, TextModel.set_gguf_parameters, in its order. */
const struct arch_key arch_keys[] = {
    {"%s.block_count", ARCH_BLOCK_COUNT, "n_layers|!num_hidden_layers|n_layer|num_layers", true, NAN},
    {"%s.context_length", ARCH_U32, "!max_position_embeddings|n_ctx|n_positions|max_length|max_sequence_length|model_max_length", false, NAN},
    {"%s.embedding_length", ARCH_U32, "!hidden_size|n_embd|dim", false, NAN},
    {"%s.feed_forward_length", ARCH_U32, "prefix_dense_intermediate_size|dense_intermediate_size|!intermediate_size|n_inner|hidden_dim", false, NAN},
    {"%s.attention.head_count", ARCH_U32, "!num_attention_heads|n_head|n_heads", false, NAN},
    {"%s.attention.head_count_kv", ARCH_U32, "!num_key_value_heads|n_kv_heads", false, NAN},
    {"%s.attention.causal", ARCH_CAUSAL, "is_causal", false, NAN},
    {"%s.rope.scaling", ARCH_ROPE_SCALING, NULL, false, NAN},
    {"%s.attention.layer_norm_rms_epsilon", ARCH_F32, "!rms_norm_eps|norm_eps", false, NAN},
    {"%s.attention.layer_norm_epsilon", ARCH_F32, "!layer_norm_eps|layer_norm_epsilon|norm_epsilon", false, NAN},
    {"%s.expert_count", ARCH_U32, "num_local_experts|num_experts|n_routed_experts", false, NAN},
    {"%s.expert_used_count", ARCH_U32, "!num_experts_per_tok|num_experts_per_token|top_k_experts", false, NAN},
    {"%s.expert_group_count", ARCH_U32, "n_group", false, NAN},
    {"%s.expert_group_used_count", ARCH_U32, "topk_group", false, NAN},
    {"%s.expert_gating_func", ARCH_GATING,
     "score_function|scoring_func|score_func|moe_router_activation|moe_router_activation_func|expert_selection_fn", false, NAN},
    {"%s.attention.key_length", ARCH_U32, "head_dim", false, NAN},
    {"%s.attention.value_length", ARCH_U32, "head_dim", false, NAN},
    {"general.file_type", ARCH_FILE_TYPE, NULL, true, NAN},
    {NULL, ARCH_U32, NULL, false, NAN},
};

const struct arch *arch_at(size_t index)
{
    return index < sizeof families / sizeof families[0] ? families[index] : NULL;
}

const struct arch *arch_of_class(const char *name)
{
    for (size_t f = 0; arch_at(f) != NULL; f++)
        for (const char *const *class = families[f]->classes; *class != NULL; class++)
            if (strcmp(*class, name) == 0)
                return families[f];
    return NULL;
}

const struct arch *arch_of_gguf(struct slice name)
{
    for (size_t f = 0; arch_at(f) != NULL; f++)
        if (slice_is(name, families[f]->name))
            return families[f];
    return NULL;
}

const struct arch_key *arch_find_key(const struct arch_key *table, const char *key)
{
    for (; table != NULL && table->key != NULL; table++)
        if (strcmp(table->key, key) == 0)
            return table;
    return NULL;
}

/* Digits without leading zeros, at most 99999. */
static bool take_number(struct slice *rest, uint32_t *number)
{
    size_t digits = 0;
    uint64_t value;
    while (digits < rest->size && rest->data[digits] >= '0' && rest->data[digits] <= '9')
        digits++;
    if (digits == 0 || digits > 5 || !slice_u64((struct slice){rest->data, digits}, &value))
        return false;
    *number = (uint32_t)value;
    *rest = (struct slice){rest->data + digits, rest->size - digits};
    return true;
}

static bool matches(const char *pattern, struct slice name, struct arch_match *match)
{
    match->layer = match->expert = UINT32_MAX;
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '#' || *pattern == '@') {
            if (!take_number(&name, *pattern == '#' ? &match->layer : &match->expert))
                return false;
        } else if (name.size == 0 || name.data[0] != *pattern) {
            return false;
        } else {
            name = (struct slice){name.data + 1, name.size - 1};
        }
    }
    match->suffix = name;
    return name.size == 0 || slice_is(name, ".weight") || slice_is(name, ".bias");
}

static bool match_rows(const struct arch *arch, struct slice name, bool gguf, struct arch_match *match)
{
    const struct arch_name *const tables[] = {arch->names, arch_names, gguf ? arch->older : NULL};
    for (size_t t = 0; t < 3; t++) {
        for (const struct arch_name *row = tables[t]; row != NULL && row->hf != NULL; row++) {
            if (matches(gguf ? row->gguf : row->hf, name, match)) {
                match->row = row;
                return true;
            }
        }
    }
    return false;
}

bool arch_match_hf(const struct arch *arch, struct slice name, struct arch_match *match)
{
    return match_rows(arch, name, false, match);
}

bool arch_match_gguf(const struct arch *arch, struct slice name, struct arch_match *match)
{
    return match_rows(arch, name, true, match);
}

bool arch_write(const char *pattern, const struct arch_match *match, char *buffer, size_t size)
{
    size_t used = 0;
    for (; *pattern != '\0' && used < size; pattern++) {
        if (*pattern == '#' || *pattern == '@')
            used += (size_t)snprintf(buffer + used, size - used, "%u", (unsigned)(*pattern == '#' ? match->layer : match->expert));
        else
            buffer[used++] = *pattern;
    }
    if (used < size)
        used += (size_t)snprintf(buffer + used, size - used, "%.*s", (int)match->suffix.size, match->suffix.data);
    return used < size;
}
