/* E1: what architecture and config ask for. No loader of quantized models notices that a tensor is absent, so this is where it shows. */
#include "base/limits.h"
#include "check/blocks.h"
#include "check/rules.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MODULES_MAX 10

/* Families whose blocks are all alike: what one block has, every block has. */
struct family {
    const char *model_type;
    bool head;                        /* lm_head is asked for unless the config ties it */
    const char *module[MODULES_MAX];  /* of every block, however many lack it */
    const char *expert;               /* of expert number %u; NULL */
    const char *expert_count;         /* the config's key */
};

#define ATTENTION "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "input_layernorm", "post_attention_layernorm"
#define DENSE ATTENTION, "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"

static const struct family families[] = {
    {"llama", true, {DENSE}, NULL, NULL},
    {"mistral", true, {DENSE}, NULL, NULL},
    {"qwen2", true, {DENSE}, NULL, NULL},
    {"qwen3", true, {DENSE}, NULL, NULL},
    {"mixtral", true, {ATTENTION, "block_sparse_moe.gate"}, "block_sparse_moe.experts.%u.w1", "num_local_experts"},
    {"qwen3_moe", true, {ATTENTION}, "mlp.experts.%u.up_proj", "num_experts"},
    {"phi3", true, {"self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"}, NULL, NULL},
    {"gemma", false, {DENSE}, NULL, NULL},
    {"gemma2", false, {DENSE}, NULL, NULL},
    {"granite", false, {DENSE}, NULL, NULL},
    {"olmo2", false, {NULL}, NULL, NULL},
    {"starcoder2", false, {NULL}, NULL, NULL},
};

static const struct family *find_family(const struct subject *subject)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (subject_is(subject->text_config, "model_type", families[i].model_type))
            return &families[i];
    return NULL;
}

static enum status absent(struct subject *subject, const char *module, const char *why, struct err *err)
{
    const enum severity severity = (subject->row->traits & TRAIT_STRICT) != 0 ? SEVERITY_FAIL : SEVERITY_SILENT;
    return subject_report(subject, (struct remark){severity, subject_text(subject, err, "%s", module), "no tensor of this module", why,
                          "fetch the checkpoint again: a shard may be missing", 0}, err);
}

/* A sparse family with dense blocks among the others: mlp modules say nothing about their siblings. */
static bool is_mixed(const struct subject *subject, const char *inner)
{
    const bool sparse = jsondoc_first(jsondoc_get(subject->text_config, "mlp_only_layers")) != NULL ||
                        subject_int(subject->text_config, "decoder_sparse_step", 1) != 1;
    return sparse && strncmp(inner, "mlp.", 4) == 0;
}

static enum status judge_blocks(struct subject *subject, const struct blocks *blocks, const struct family *family, uint64_t count, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64];
    for (uint64_t block = 0; block < count; block++) {
        size_t here = 0;
        for (size_t i = 0; i < blocks->inner_count; i++) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64 ".%s", blocks->base, block, blocks->inner[i]);
            here += blocks_has(blocks, name);
        }
        if (here == 0) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64, blocks->base, block);
            TRY(absent(subject, name, "num_hidden_layers blocks", err));
            continue;
        }
        for (size_t i = 0; family != NULL && here < blocks->inner_count && i < blocks->inner_count; i++) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64 ".%s", blocks->base, block, blocks->inner[i]);
            if (!blocks_has(blocks, name) && !is_mixed(subject, blocks->inner[i]))
                TRY(absent(subject, name, "what the other blocks have", err));
        }
    }
    return STATUS_OK;
}

/* Experts as one tensor (MLX, transformers 5) instead of one a number. */
static bool has_stacked_experts(const struct model *model)
{
    static const char *const names[] = {".switch_mlp.", ".experts.gate_up_proj", ".experts.down_proj"};
    for (size_t t = 0; t < model->tensor_count; t++)
        for (size_t n = 0; n < sizeof names / sizeof names[0]; n++)
            if (strstr(model->tensor[t].name, names[n]) != NULL)
                return true;
    return false;
}

/* Modules of the family that no block has. */
static enum status judge_family(struct subject *subject, const struct blocks *blocks, const struct family *family, struct err *err)
{
    char name[200];
    for (size_t i = 0; i < MODULES_MAX && family->module[i] != NULL; i++)
        if (map_find(&blocks->inner_place, slice_of(family->module[i])) == MAP_NONE) {
            (void)snprintf(name, sizeof name, "%s*.%s", blocks->base, family->module[i]);
            TRY(absent(subject, name, subject_text(subject, err, "one in every block: model_type is %s", family->model_type), err));
        }
    const bool numbered = family->expert != NULL && !has_stacked_experts(&subject->headers.model);
    const int64_t experts = !numbered ? 0 : subject_int(subject->text_config, family->expert_count, 0);
    for (unsigned e = 0; e < (unsigned)(experts > 0 && experts < 4096 ? experts : 0); e++) {
        char inner[80];
        const char *number = strstr(family->expert, "%u");
        (void)snprintf(inner, sizeof inner, "%.*s%u%s", (int)(number - family->expert), family->expert, e, number + 2);
        if (map_find(&blocks->inner_place, slice_of(inner)) != MAP_NONE)
            continue;
        (void)snprintf(name, sizeof name, "%s*.%s", blocks->base, inner);
        TRY(absent(subject, name, family->expert_count, err));
    }
    return STATUS_OK;
}

/* Embedding, final norm and head: beside the blocks, under the prefix that they have. */
static enum status judge_ends(struct subject *subject, const struct blocks *blocks, const struct family *family, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64], head[LIMIT_NAME_BYTES_MAX + 64];
    static const char *const ends[] = {"embed_tokens", "norm"};
    const size_t size = strlen(blocks->base);
    const int prefix = size >= 7 && strcmp(blocks->base + size - 7, "layers.") == 0 ? (int)size - 7 : -1;
    if (prefix < 0)
        return STATUS_OK;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%.*s%s", prefix, blocks->base, ends[i]);
        if (!blocks_has(blocks, name))
            TRY(absent(subject, name, "an embedding, a final norm", err));
    }
    const int tied = subject_flag(subject->text_config, "tie_word_embeddings") >= 0 ? subject_flag(subject->text_config, "tie_word_embeddings")
                                                                                   : subject_flag(subject->config, "tie_word_embeddings");
    (void)snprintf(head, sizeof head, "%.*slm_head", prefix >= 6 ? prefix - 6 : 0, blocks->base); /* "model." goes */
    const bool stored = blocks_has(blocks, "lm_head") || blocks_has(blocks, head);
    if (tied == 1 && stored)
        return subject_report(subject, (struct remark){SEVERITY_WARN, "lm_head", "a head beside tie_word_embeddings: true: engines take either",
                              "one of the two",
                              "remove it if it equals the embedding", 0}, err);
    if (tied == 1 || (tied < 0 && !family->head) || stored)
        return STATUS_OK;
    return absent(subject, "lm_head", "one, as tie_word_embeddings is not true", err);
}

enum status judge_complete_names(struct subject *subject, struct err *err)
{
    struct blocks blocks = {0};
    const struct family *family = find_family(subject);
    int64_t count = subject_int(subject->text_config, "num_hidden_layers", -1);
    if (subject->headers.damaged || subject->source.only != NULL) /* what is listed is not all there is */
        return STATUS_OK;
    enum status status = blocks_collect(&blocks, &subject->headers.model, err);
    if (count > 4096)
        count = 4096;
    if (status == STATUS_OK && blocks.base != NULL && count > 0)
        status = judge_blocks(subject, &blocks, family, (uint64_t)count, err);
    if (status == STATUS_OK && blocks.base != NULL && family != NULL)
        status = judge_family(subject, &blocks, family, err);
    if (status == STATUS_OK && blocks.base != NULL && family != NULL)
        status = judge_ends(subject, &blocks, family, err);
    blocks_free(&blocks);
    return status;
}

/* --- parts of a weight ------------------------------------------------------------------------------------------------------ */

/* A tensor with the suffix needs its sibling, in the encodings of the mask. */
static const struct {
    uint32_t encodings;
    const char *suffix, *sibling;
} parts[] = {
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qweight", ".qzeros"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qweight", ".scales"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".qzeros", ".qweight"},
    {1u << ENCODING_AWQ | 1u << ENCODING_GPTQ | 1u << ENCODING_GPTQ_V2, ".scales", ".qweight"},
    {1u << ENCODING_CT, ".weight_packed", ".weight_scale"},
    {1u << ENCODING_CT, ".weight_packed", ".weight_shape"},
    {1u << ENCODING_CT, ".weight_zero_point", ".weight_scale"},
    {1u << ENCODING_MLX, ".scales", ".weight"},
    {1u << ENCODING_MLX, ".biases", ".scales"},
    {1u << ENCODING_MS, ".weight_scale", ".weight"},
    {1u << ENCODING_MS, ".weight_offset", ".weight_scale"},
};

enum status judge_complete_parts(struct subject *subject, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 64];
    const struct model *model = &subject->headers.model;
    for (size_t t = 0; t < model->tensor_count && !subject->headers.damaged; t++) {
        const struct slice own = slice_of(model->tensor[t].name);
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
            if ((parts[p].encodings >> subject->encoding & 1) == 0 || !slice_ends(own, parts[p].suffix) || slice_ends(own, "act.scales"))
                continue;
            (void)snprintf(name, sizeof name, "%.*s%s", (int)(own.size - strlen(parts[p].suffix)), own.data, parts[p].sibling);
            const bool float4 = strcmp(parts[p].sibling, ".weight_shape") == 0 && model->tensor[t].dtype == DTYPE_U8; /* nvfp4, mxfp4 */
            if (model_find(model, slice_of(name)) == MODEL_NONE && !float4)
                TRY(subject_report(subject, (struct remark){SEVERITY_SILENT, subject_text(subject, err, "%s", name), "no such tensor",
                                   subject_text(subject, err, "one beside %s", own.data), "fetch the checkpoint again: a shard may be missing", 0}, err));
        }
    }
    return STATUS_OK;
}

/* --- shapes ----------------------------------------------------------------------------------------------------------------- */

enum dim { DIM_HIDDEN, DIM_FFN, DIM_HEADS, DIM_KV, DIM_VOCAB, DIM_COUNT };

static const struct {
    const char *leaf;
    enum dim out, in;
} shapes[] = {
    {".self_attn.q_proj", DIM_HEADS, DIM_HIDDEN}, {".self_attn.k_proj", DIM_KV, DIM_HIDDEN}, {".self_attn.v_proj", DIM_KV, DIM_HIDDEN},
    {".self_attn.o_proj", DIM_HIDDEN, DIM_HEADS}, {".mlp.gate_proj", DIM_FFN, DIM_HIDDEN},   {".mlp.up_proj", DIM_FFN, DIM_HIDDEN},
    {".mlp.down_proj", DIM_HIDDEN, DIM_FFN},      {"lm_head", DIM_VOCAB, DIM_HIDDEN},
};

/* The config's dimensions; 0 where it does not say. */
static void read_dims(const struct jsondoc *config, uint64_t dim[DIM_COUNT])
{
    const int64_t hidden = subject_int(config, "hidden_size", 0), heads = subject_int(config, "num_attention_heads", 0);
    const int64_t kv = subject_int(config, "num_key_value_heads", heads);
    const int64_t size = subject_int(config, "head_dim", heads > 0 && hidden % heads == 0 ? hidden / heads : 0);
    const int64_t value[DIM_COUNT] = {hidden, subject_int(config, "intermediate_size", 0), heads, kv, subject_int(config, "vocab_size", 0)};
    for (int d = 0; d < DIM_COUNT; d++)
        dim[d] = value[d] > 0 && value[d] < INT32_MAX ? (uint64_t)value[d] : 0;
    dim[DIM_HEADS] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
    dim[DIM_KV] *= size > 0 && size < INT32_MAX ? (uint64_t)size : 0;
}

enum status judge_complete_shapes(struct subject *subject, struct err *err)
{
    uint64_t dim[DIM_COUNT];
    const struct family *family = find_family(subject);
    read_dims(subject->text_config, dim);
    for (size_t m = 0; family != NULL && family->head && m < subject->module_count; m++) {
        const struct module *module = &subject->module[m];
        const struct weight *weight = module->weight != MODEL_NONE ? &subject->model.weight[module->weight] : NULL;
        const uint64_t *dense = weight == NULL ? subject->model.tensor[module->tensor].shape : NULL;
        const uint64_t out = weight != NULL ? weight->out : dense[0], in = weight != NULL ? weight->in : dense[1];
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            const uint64_t rows = dim[shapes[s].out], columns = dim[shapes[s].in];
            if (!slice_ends(slice_of(module->name), shapes[s].leaf) || rows == 0 || columns == 0 || (rows == out && columns == in))
                continue;
            if (shapes[s].out == DIM_VOCAB && columns == in && out > rows) /* padded for tensor parallelism */
                continue;
            TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, module->name, subject_text(subject, err, "shape [%" PRIu64 ", %" PRIu64 "]", out, in),
                               subject_text(subject, err, "[%" PRIu64 ", %" PRIu64 "] by config.json", rows, columns),
                               "use the config.json that belongs to these weights", 0}, err));
        }
    }
    return STATUS_OK;
}
