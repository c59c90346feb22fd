#include "check/complete.h"

#include "base/limits.h"
#include "check/blocks.h"
#include "check/subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MODULES_MAX 10

/* Families whose blocks are all alike: what one block has, every block has. */
struct family {
    const char *model_type;
    bool head;                       /* lm_head is asked for unless the config ties it */
    const char *module[MODULES_MAX]; /* of every block, however many lack it */
    const char *expert;              /* of expert number %u; NULL */
    const char *expert_count;        /* the config's key */
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
    {"phi3",
     true,
     {"self_attn.qkv_proj", "self_attn.o_proj", "mlp.gate_up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm"},
     NULL,
     NULL},
    {"gemma", false, {DENSE}, NULL, NULL},
    {"gemma2", false, {DENSE}, NULL, NULL},
    {"granite", false, {DENSE}, NULL, NULL},
    {"gpt_oss", true, {NULL}, NULL, NULL},
    {"olmo2", false, {NULL}, NULL, NULL},
    {"starcoder2", false, {NULL}, NULL, NULL},
};

/* One judgement, and what it looks at. */
struct judging {
    struct complete *complete;
    const struct jsondoc *config, *text; /* config.json, and its text_config or itself */
    const struct family *family;         /* NULL: unknown */
    const struct model *model;
    struct blocks blocks;
};

static const struct jsondoc *text_of(const struct jsondoc *config)
{
    const struct jsondoc *inner = jsondoc_get(config, "text_config");
    return inner != NULL && jsondoc_kind(inner) == JSONDOC_OBJECT ? inner : config;
}

static const struct family *find_family(const struct jsondoc *text)
{
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        if (subject_is(text, "model_type", families[i].model_type))
            return &families[i];
    return NULL;
}

static enum status absent(struct judging *judging, const char *module, const char *why, struct err *err)
{
    struct complete *complete = judging->complete;
    if (complete->count == COMPLETE_ABSENCES_MAX)
        return STATUS_OK;
    TRY(mem_grow((void **)&complete->absence, &complete->capacity, complete->count + 1, sizeof *complete->absence, err));
    const struct absence absence = {arena_copy(&complete->arena, module, strlen(module), err), arena_copy(&complete->arena, why, strlen(why), err)};
    if (absence.module == NULL || absence.why == NULL)
        return STATUS_LIMIT;
    complete->absence[complete->count++] = absence;
    return STATUS_OK;
}

/* A sparse family with dense blocks among the others: mlp modules say nothing about their siblings. */
static bool is_mixed(const struct judging *judging, const char *inner)
{
    const bool sparse = jsondoc_first(jsondoc_get(judging->text, "mlp_only_layers")) != NULL || subject_int(judging->text, "decoder_sparse_step", 1) != 1;
    return sparse && strncmp(inner, "mlp.", 4) == 0;
}

static enum status judge_blocks(struct judging *judging, uint64_t count, struct err *err)
{
    const struct blocks *blocks = &judging->blocks;
    char name[LIMIT_NAME_BYTES_MAX + 64];
    for (uint64_t block = 0; block < count; block++) {
        size_t here = 0;
        for (size_t i = 0; i < blocks->inner_count; i++) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64 ".%s", blocks->base, block, blocks->inner[i]);
            here += blocks_has(blocks, name);
        }
        if (here == 0) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64, blocks->base, block);
            TRY(absent(judging, name, "num_hidden_layers blocks", err));
            continue;
        }
        for (size_t i = 0; judging->family != NULL && here < blocks->inner_count && i < blocks->inner_count; i++) {
            (void)snprintf(name, sizeof name, "%s%" PRIu64 ".%s", blocks->base, block, blocks->inner[i]);
            if (!blocks_has(blocks, name) && !is_mixed(judging, blocks->inner[i]))
                TRY(absent(judging, name, "what the other blocks have", err));
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
static enum status judge_family(struct judging *judging, struct err *err)
{
    const struct blocks *blocks = &judging->blocks;
    const struct family *family = judging->family;
    char name[LIMIT_NAME_BYTES_MAX + 64], why[80];
    (void)snprintf(why, sizeof why, "one in every block: model_type is %s", family->model_type);
    for (size_t i = 0; i < MODULES_MAX && family->module[i] != NULL; i++)
        if (map_find(&blocks->inner_place, slice_of(family->module[i])) == MAP_NONE) {
            (void)snprintf(name, sizeof name, "%s*.%s", blocks->base, family->module[i]);
            TRY(absent(judging, name, why, err));
        }
    const bool numbered = family->expert != NULL && !has_stacked_experts(judging->model);
    const int64_t experts = !numbered ? 0 : subject_int(judging->text, family->expert_count, 0);
    for (unsigned e = 0; e < (unsigned)(experts > 0 && experts < 4096 ? experts : 0); e++) {
        char inner[80];
        const char *number = strstr(family->expert, "%u");
        (void)snprintf(inner, sizeof inner, "%.*s%u%s", (int)(number - family->expert), family->expert, e, number + 2);
        if (map_find(&blocks->inner_place, slice_of(inner)) != MAP_NONE)
            continue;
        (void)snprintf(name, sizeof name, "%s*.%s", blocks->base, inner);
        TRY(absent(judging, name, family->expert_count, err));
    }
    return STATUS_OK;
}

/* Embedding, final norm and head: beside the blocks, under the prefix that they have. */
static enum status judge_ends(struct judging *judging, struct err *err)
{
    const struct blocks *blocks = &judging->blocks;
    char name[LIMIT_NAME_BYTES_MAX + 64], head[LIMIT_NAME_BYTES_MAX + 64];
    static const char *const ends[] = {"embed_tokens", "norm"};
    const size_t size = strlen(blocks->base);
    const int prefix = size >= 7 && strcmp(blocks->base + size - 7, "layers.") == 0 ? (int)size - 7 : -1;
    if (prefix < 0)
        return STATUS_OK;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%.*s%s", prefix, blocks->base, ends[i]);
        if (!blocks_has(blocks, name))
            TRY(absent(judging, name, "an embedding, a final norm", err));
    }
    const int tied = subject_flag(judging->text, "tie_word_embeddings") >= 0 ? subject_flag(judging->text, "tie_word_embeddings")
                                                                             : subject_flag(judging->config, "tie_word_embeddings");
    (void)snprintf(head, sizeof head, "%.*slm_head", prefix >= 6 ? prefix - 6 : 0, blocks->base); /* "model." goes */
    const bool stored = blocks_has(blocks, "lm_head") || blocks_has(blocks, head);
    judging->complete->spare_head = tied == 1 && stored;
    if (tied == 1 || (tied < 0 && !judging->family->head) || stored)
        return STATUS_OK;
    return absent(judging, "lm_head", "one, as tie_word_embeddings is not true", err);
}

enum status complete_find(struct complete *complete, const struct model *model, const struct jsondoc *config, struct err *err)
{
    const struct jsondoc *text = text_of(config);
    struct judging judging = {.complete = complete, .config = config, .text = text, .family = find_family(text), .model = model};
    int64_t count = subject_int(text, "num_hidden_layers", -1);
    if (count > 4096)
        count = 4096;
    enum status status = blocks_collect(&judging.blocks, model, err);
    if (status == STATUS_OK && judging.blocks.base != NULL && count > 0)
        status = judge_blocks(&judging, (uint64_t)count, err);
    if (status == STATUS_OK && judging.blocks.base != NULL && judging.family != NULL)
        status = judge_family(&judging, err);
    if (status == STATUS_OK && judging.blocks.base != NULL && judging.family != NULL)
        status = judge_ends(&judging, err);
    blocks_free(&judging.blocks);
    return status;
}

bool complete_has_head(const struct jsondoc *config)
{
    const struct family *family = find_family(text_of(config));
    return family != NULL && family->head;
}

void complete_free(struct complete *complete)
{
    free(complete->absence);
    arena_free(&complete->arena);
    *complete = (struct complete){0};
}
