#include "plan/mix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what stays as it is ------------------------------------------------------------------------------------------------------------ */

/* Parts of names of tensors that are never quantized; `arch`: only in this architecture. */
static const struct {
    const char *part, *arch;
} kept[] = {
    {"_norm.weight", NULL},
    {"ffn_gate_inp.weight", NULL},
    {"ffn_gate_tid2eid.weight", NULL},
    {"altup", NULL},
    {"laurel", NULL},
    {"per_layer_model_proj", NULL},
    {"ssm_conv1d", NULL},
    {"shortconv.conv.weight", NULL},
    {"indexer.k_proj.weight", NULL},
    {"indexer.q_proj.weight", NULL},
    {"time_mix_first.weight", NULL},
    {"time_mix_w0.weight", NULL},
    {"time_mix_w1.weight", NULL},
    {"time_mix_w2.weight", NULL},
    {"time_mix_v0.weight", NULL},
    {"time_mix_v1.weight", NULL},
    {"time_mix_v2.weight", NULL},
    {"time_mix_a0.weight", NULL},
    {"time_mix_a1.weight", NULL},
    {"time_mix_a2.weight", NULL},
    {"time_mix_g1.weight", NULL},
    {"time_mix_g2.weight", NULL},
    {"time_mix_decay_w1.weight", NULL},
    {"time_mix_decay_w2.weight", NULL},
    {"time_mix_lerp_fused.weight", NULL},
    {"attn_rel_b.weight", NULL},
    {".position_embd", NULL},
    {"sam.pos_embd", NULL},
    {"sam.neck.", NULL},
    {"sam.net_", NULL},
    {".rel_pos", NULL},
    {".patch_embd", NULL},
    {".patch_merger", NULL},
    {"a.rvq.codebook", NULL},
    {"mm.a.code_embd", NULL},
    {"hc_", "glm5-next"},
    {"indexer.attn_q_b", "glm5-next"},
    {"indexer.attn_k", "glm5-next"},
    {"indexer.proj", "glm5-next"},
    {"indexer_compressor_gate", "glm5-next"},
    {"indexer_compressor_ape", "glm5-next"},
    {"ssm_f_a.weight", "glm5-next"},
    {"ssm_f_b.weight", "glm5-next"},
    {"ssm_g_a.weight", "glm5-next"},
    {"ssm_g_b.weight", "glm5-next"},
    {"ssm_beta.weight", "glm5-next"},
    {"attn_kv_a_mqa.weight", "glm5-next"},
    {"attn_k_b.weight", "glm5-next"},
    {"attn_v_b.weight", "glm5-next"},
};

static bool is_arch(const struct gguf_hyper *hyper, const char *name)
{
    return slice_is(hyper->arch, name);
}

static bool may_quantize(const struct mix_rules *rules, const struct gguf_hyper *hyper, const struct mix_tensor *tensor)
{
    /* upstream compares where "weight" was last found, which is nowhere, -1, with the length less 6: a name of five letters passes */
    if (tensor->rank < 2 || (!slice_ends(slice_of(tensor->name), "weight") && strlen(tensor->name) != strlen("weight") - 1))
        return false;
    if (strcmp(tensor->name, "position_embd.weight") == 0 || strcmp(tensor->name, "token_types.weight") == 0)
        return false;
    if (rules->leave_output && strcmp(tensor->name, "output.weight") == 0)
        return false;
    for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
        if (strstr(tensor->name, kept[k].part) != NULL && (kept[k].arch == NULL || is_arch(hyper, kept[k].arch)))
            return false;
    return true;
}

/* --- the mixes ------------------------------------------------------------------------------------------------------------------------ */

enum category { OUTPUT, EMBD, V, K, Q, O, UP, GATE, DOWN, OTHER };

/* By the first of these that is the name, or part of it. */
static const struct {
    const char *text;
    bool whole;
    enum category category;
} categories[] = {
    {"output.weight", true, OUTPUT},
    {"token_embd.weight", true, EMBD},
    {"per_layer_token_embd.weight", true, EMBD},
    {"attn_qkv.weight", false, V},
    {"attn_kv_b.weight", false, V},
    {"attn_v.weight", false, V},
    {"attn_k.weight", false, K},
    {"attn_q.weight", false, Q},
    {"attn_output.weight", false, O},
    {"ffn_up", false, UP},
    {"ffn_gate", false, GATE},
    {"ffn_down", false, DOWN},
};

static enum category category_of(const char *name)
{
    for (size_t c = 0; c < sizeof categories / sizeof categories[0]; c++)
        if (categories[c].whole ? strcmp(name, categories[c].text) == 0 : strstr(name, categories[c].text) != NULL)
            return categories[c].category;
    return OTHER;
}

/* What rules ask for; of a tensor's layer i among n, and of the model. */
enum fact {
    FIRST2 = 1,       /* i < 2 */
    FIRST4 = 2,       /* i < 4 */
    EIGHTH = 4,       /* in the first eighth */
    SIXTEENTH = 8,    /* in the first sixteenth */
    MIDDLE = 16,      /* neither in the first nor in the last eighth */
    MORE = 32,        /* in the first or the last eighth, or each third one between */
    GQA4 = 64,        /* at least 4 heads share keys and values */
    E4 = 128,         /* at least 4 experts */
    E8 = 256,         /* 8 experts */
    NOT_E8 = 512,
    IM = 1024,        /* an importance matrix is given */
    NO_IM = 2048,
    FALCON = 4096,
    NOT_FALCON = 8192,
};

#define F(name) (UINT64_C(1) << FILETYPE_##name)
#define LOW (F(IQ1_S) | F(IQ1_M) | F(IQ2_XXS) | F(IQ2_XS) | F(IQ2_S) | F(IQ2_M))
#define HIGH (~LOW)

/* The first row of the tensor's category and the file's type whose facts all hold gives the type; without one it is the file's. */
static const struct {
    enum category category;
    uint64_t types; /* of the file */
    unsigned facts;
    enum ggml_type type;
} mixes[] = {
    {EMBD, F(IQ1_S) | F(IQ1_M) | F(IQ2_XXS) | F(IQ2_XS), 0, GGML_Q2_K},
    {EMBD, F(IQ2_S) | F(IQ2_M) | F(IQ3_XXS), 0, GGML_IQ3_S},
    {EMBD, F(TQ1_0) | F(TQ2_0) | F(Q2_0), 0, GGML_Q4_K},

    {V, LOW, GQA4, GGML_Q4_K},
    {V, LOW, E4, GGML_Q4_K},
    {V, F(IQ2_S) | F(IQ2_M), 0, GGML_IQ3_S},
    {V, LOW, 0, GGML_Q2_K},
    {V, F(Q2_K) | F(Q2_K_S) | F(IQ3_XXS) | F(IQ3_XS) | F(IQ3_S), GQA4, GGML_Q4_K},
    {V, F(Q2_K), 0, GGML_Q3_K},
    {V, F(IQ3_XXS), NO_IM, GGML_IQ3_S},
    {V, F(IQ3_M), 0, GGML_Q4_K},
    {V, F(Q3_K_M), FIRST2, GGML_Q5_K},
    {V, F(Q3_K_M), 0, GGML_Q4_K},
    {V, F(Q3_K_L), 0, GGML_Q5_K},
    {V, F(IQ4_NL) | F(IQ4_XS), GQA4, GGML_Q5_K},
    {V, F(Q4_K_M) | F(Q5_K_M), MORE, GGML_Q6_K},
    {V, F(Q4_K_S), FIRST4, GGML_Q5_K},

    {K, LOW, E8, GGML_Q4_K},
    {K, HIGH, E8, GGML_Q8_0},
    {K, F(IQ3_XS), 0, GGML_IQ3_XXS},
    {K, F(IQ3_XXS), 0, GGML_IQ2_S},
    {Q, F(IQ3_XS), 0, GGML_IQ3_XXS},
    {Q, F(IQ3_XXS), 0, GGML_IQ2_S},

    {DOWN, F(IQ2_S) | F(IQ2_M), EIGHTH, GGML_IQ3_S},
    {DOWN, LOW, EIGHTH, GGML_Q2_K},
    {DOWN, F(Q2_K), 0, GGML_Q3_K},
    {DOWN, F(Q2_K_S), EIGHTH, GGML_Q4_K},
    {DOWN, F(IQ3_XXS), NO_IM | EIGHTH, GGML_Q4_K},
    {DOWN, F(IQ3_XXS), NO_IM, GGML_Q3_K},
    {DOWN, F(Q3_K_M), SIXTEENTH, GGML_Q5_K},
    {DOWN, F(Q3_K_M), NOT_FALCON, GGML_Q4_K},
    {DOWN, F(Q3_K_M), MORE, GGML_Q4_K},
    {DOWN, F(IQ3_M), EIGHTH, GGML_Q4_K},
    {DOWN, F(IQ3_M), E8 | MORE, GGML_Q4_K},
    {DOWN, F(Q3_K_L), FALCON, GGML_Q4_K},
    {DOWN, F(Q3_K_L), 0, GGML_Q5_K},
    {DOWN, F(Q4_K_M), FALCON | SIXTEENTH, GGML_Q6_K},
    {DOWN, F(Q4_K_M), FALCON | MORE, GGML_Q5_K},
    {DOWN, F(Q4_K_M), FALCON, GGML_Q4_K},
    {DOWN, F(Q4_K_M) | F(Q5_K_M), MORE, GGML_Q6_K},
    {DOWN, F(IQ4_NL) | F(IQ4_XS), NO_IM | EIGHTH, GGML_Q5_K},
    {DOWN, F(Q4_K_S), NOT_FALCON | EIGHTH, GGML_Q5_K},
    {DOWN, F(Q4_0), IM | EIGHTH, GGML_Q4_1},
    {DOWN, F(Q5_0), IM | EIGHTH, GGML_Q5_1},

    {O, LOW, E8, GGML_Q5_K},
    {O, F(IQ1_S) | F(IQ1_M), 0, GGML_IQ2_XXS},
    {O, F(IQ2_S) | F(IQ2_M), 0, GGML_IQ3_S},
    {O, F(Q2_K) | F(Q3_K_S) | F(Q3_K_M) | F(Q4_K_S) | F(Q4_K_M) | F(IQ3_XS) | F(IQ3_XXS) | F(IQ3_S) | F(IQ3_M) | F(IQ4_NL) | F(IQ4_XS), E8 | NOT_FALCON,
     GGML_Q5_K},
    {O, F(Q2_K), NOT_E8 | NOT_FALCON, GGML_Q3_K},
    {O, F(IQ3_XXS), NOT_E8 | NOT_FALCON, GGML_IQ3_S},
    {O, F(Q3_K_M) | F(IQ3_M), NOT_E8 | NOT_FALCON, GGML_Q4_K},
    {O, F(Q3_K_L), NOT_E8 | NOT_FALCON, GGML_Q5_K},
    {O, F(Q3_K_L), FALCON, GGML_Q4_K},

    {GATE, F(IQ3_XS), MIDDLE, GGML_IQ3_XXS},
    {UP, F(IQ3_XS), MIDDLE, GGML_IQ3_XXS},
};

/* Where a choice is under way. */
struct choosing {
    const struct mix_rules *rules;
    const struct gguf_hyper *hyper;
    enum ggml_type type;       /* of the file */
    uint64_t values;           /* tensors of V */
    uint64_t seen[OTHER + 1];  /* tensors of each category that the mix has chosen for */
    bool tied;                 /* no output.weight: the embeddings are it */
};

static unsigned facts_of(const struct choosing *choosing, uint64_t i, uint64_t n)
{
    const struct gguf_hyper *hyper = choosing->hyper;
    const bool ends = i < n / 8 || i >= 7 * n / 8;
    const bool falcon = is_arch(hyper, "falcon");
    return (i < 2 ? FIRST2 : 0u) | (i < 4 ? FIRST4 : 0u) | (i < n / 8 ? EIGHTH : 0u) | (i < n / 16 ? SIXTEENTH : 0u) | (ends ? 0u : MIDDLE) |
           (ends || (i - n / 8) % 3 == 2 ? MORE : 0u) | (hyper->key_heads != 0 && hyper->heads / hyper->key_heads >= 4 ? GQA4 : 0u) |
           (hyper->experts >= 4 ? E4 : 0u) | (hyper->experts == 8 ? E8 : NOT_E8) | (choosing->rules->importance ? IM : NO_IM) |
           (falcon ? FALCON : NOT_FALCON);
}

/* Models that llama.cpp takes for a 70B, whose attn_v is small (ggml-org/llama.cpp:src/models). */
static bool is_70b(const struct gguf_hyper *hyper)
{
    static const struct {
        const char *arch;
        uint64_t layers;
    } rows[] = {{"llama", 80}, {"qwen2", 80}, {"deci", 80}, {"olmo", 80}, {"jais2", 68}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
        if (is_arch(hyper, rows[r].arch) && hyper->layers == rows[r].layers)
            return r > 0 || (hyper->heads != hyper->key_heads && hyper->experts != 8);
    return false;
}

/* The layer of a name; false if it has none. */
static bool layer_of(const char *name, uint64_t *layer)
{
    char *end;
    if (strncmp(name, "blk.", 4) != 0 || name[4] < '0' || name[4] > '9')
        return false;
    *layer = strtoull(name + 4, &end, 10);
    return *end == '.';
}

/* Where a tensor stands in the count of its category. Experts are counted by their layer, because a layer may have more than one tensor of them. */
static enum status place_of(const struct choosing *choosing, enum category category, const char *name, uint64_t *i, uint64_t *n, struct err *err)
{
    *i = choosing->seen[category];
    *n = category == V ? choosing->values : choosing->hyper->layers;
    const bool feed = category == DOWN || category == GATE || category == UP;
    if (!feed || choosing->hyper->experts <= 1 || (LOW >> choosing->rules->type & 1) != 0)
        return STATUS_OK;
    if (!layer_of(name, i) || *i >= *n)
        return err_set(err, STATUS_CORRUPT, name, "found no layer below %llu in the name, by which experts are counted", (unsigned long long)*n);
    return STATUS_OK;
}

/* output.weight, or the embeddings where they are it. */
static enum ggml_type output_type(const struct choosing *choosing, const struct mix_tensor *tensor)
{
    const enum filetype type = choosing->rules->type;
    if (choosing->rules->output != GGML_COUNT)
        return choosing->rules->output;
    if (type == FILETYPE_MXFP4_MOE || is_arch(choosing->hyper, "falcon") || tensor->shape[tensor->rank - 1] % ggml_block_elements(choosing->type) != 0)
        return GGML_Q8_0;
    if (((LOW | F(IQ3_XXS)) >> type & 1) != 0)
        return GGML_Q5_K;
    return choosing->type == GGML_Q8_0 ? GGML_Q8_0 : GGML_Q6_K;
}

static enum status mix_type(struct choosing *choosing, const struct mix_tensor *tensor, enum ggml_type *type, struct err *err)
{
    const enum category category = category_of(tensor->name);
    const struct gguf_hyper *hyper = choosing->hyper;
    const bool feed = category == UP || category == GATE || category == DOWN, low = (LOW >> choosing->rules->type & 1) != 0;
    uint64_t i, n;
    *type = choosing->type;
    if (is_arch(hyper, "glm5-next") &&
        (strstr(tensor->name, "attn_q_a") != NULL || strstr(tensor->name, "attn_q_b") != NULL || strstr(tensor->name, "nextn.eh_proj") != NULL)) {
        *type = GGML_Q8_0;
        return STATUS_OK;
    }
    if (category == OUTPUT || (category == EMBD && choosing->tied)) {
        *type = output_type(choosing, tensor);
        return STATUS_OK;
    }
    if (choosing->rules->type == FILETYPE_MXFP4_MOE) {
        const bool stack = tensor->rank > 2 && tensor->shape[tensor->rank - 3] > 1;
        *type = stack && (feed || !is_arch(hyper, "bailingmoe3")) ? GGML_MXFP4 : GGML_Q8_0;
        return STATUS_OK;
    }
    TRY(place_of(choosing, category, tensor->name, &i, &n, err));
    const unsigned facts = facts_of(choosing, i, n);
    for (size_t m = 0; m < sizeof mixes / sizeof mixes[0]; m++) {
        if (mixes[m].category != category || (mixes[m].types >> choosing->rules->type & 1) == 0 || (mixes[m].facts & ~facts) != 0)
            continue;
        *type = mixes[m].type;
        break;
    }
    if (category == V && !low && is_70b(hyper) && (*type == GGML_Q3_K || *type == GGML_Q4_K))
        *type = GGML_Q5_K;
    if (category == V && !low && hyper->experts == 8)
        *type = GGML_Q8_0;
    choosing->seen[category]++;
    return STATUS_OK;
}

/* --- shapes -------------------------------------------------------------------------------------------------------------------------- */

/* What takes the place of a type whose blocks do not fill rows. */
static const struct {
    enum ggml_type type, instead;
} fallbacks[] = {
    {GGML_IQ1_S, GGML_IQ4_NL},  {GGML_IQ1_M, GGML_IQ4_NL}, {GGML_IQ2_XXS, GGML_IQ4_NL}, {GGML_IQ2_XS, GGML_IQ4_NL}, {GGML_IQ2_S, GGML_IQ4_NL},
    {GGML_IQ3_XXS, GGML_IQ4_NL}, {GGML_IQ3_S, GGML_IQ4_NL}, {GGML_IQ4_XS, GGML_IQ4_NL},  {GGML_Q2_0, GGML_Q4_0},    {GGML_Q2_K, GGML_Q4_0},
    {GGML_Q3_K, GGML_Q4_0},     {GGML_TQ1_0, GGML_Q4_0},   {GGML_TQ2_0, GGML_Q4_0},     {GGML_Q4_K, GGML_Q5_0},    {GGML_Q5_K, GGML_Q5_1},
    {GGML_Q6_K, GGML_Q8_0},
};

static enum status fit(struct mix_tensor *tensor, struct err *err)
{
    const uint64_t columns = tensor->shape[tensor->rank - 1];
    const uint32_t block = ggml_block_elements(tensor->type);
    enum ggml_type instead = block <= 32 ? GGML_F16 : GGML_COUNT;
    if (columns % block == 0)
        return STATUS_OK;
    for (size_t f = 0; f < sizeof fallbacks / sizeof fallbacks[0]; f++)
        if (fallbacks[f].type == tensor->type)
            instead = fallbacks[f].instead;
    if (instead == GGML_COUNT) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, tensor->name, "found rows of %llu, which are no whole blocks of %s, and no type takes its place (R-SHAPE)",
                      (unsigned long long)columns, ggml_name(tensor->type));
        return err_try(err, "--tensor-type with another type for it");
    }
    tensor->fell_back = true;
    tensor->type = columns % ggml_block_elements(instead) == 0 ? instead : GGML_F16;
    return STATUS_OK;
}

/* --- one tensor ---------------------------------------------------------------------------------------------------------------------- */

static enum status find_override(const struct mix_rules *rules, const char *name, const struct mix_override **found, struct err *err)
{
    *found = NULL;
    for (size_t o = 0; o < rules->override_count; o++) {
        bool fits;
        TRY(regex_search(rules->override[o].pattern, slice_of(name), &fits, err));
        if (!fits)
            continue;
        *found = &rules->override[o];
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* What --token-embedding-type or --output-tensor-type says of it; GGML_COUNT: nothing. */
static enum ggml_type type_of_place(const struct mix_rules *rules, const struct mix_tensor *tensor, const struct mix_override *override)
{
    const enum category category = category_of(tensor->name);
    if (category == EMBD && (override == NULL || strcmp(tensor->name, "token_embd.weight") == 0))
        return rules->embedding;
    return category == OUTPUT ? rules->output : GGML_COUNT;
}

static enum status choose(struct choosing *choosing, struct mix_tensor *tensor, struct err *err)
{
    const struct mix_rules *rules = choosing->rules;
    const struct mix_override *override;
    tensor->type = tensor->stored;
    if (!may_quantize(rules, choosing->hyper, tensor))
        return STATUS_OK;
    TRY(find_override(rules, tensor->name, &override, err));
    tensor->type = type_of_place(rules, tensor, override);
    if (tensor->type != GGML_COUNT)
        return STATUS_OK;
    tensor->type = choosing->type;
    if (ggml_kind(choosing->type) != GGML_KIND_BLOCK)
        return STATUS_OK;
    if (override != NULL)
        tensor->type = override->type;
    else if (!rules->pure)
        TRY(mix_type(choosing, tensor, &tensor->type, err));
    return fit(tensor, err);
}

/* Types of so few bits that without an importance matrix they hold nothing of use. llama-quantize lets output and embeddings pass, and then ggml ends the
   program for the types that are marked here (ggml-org/llama.cpp:ggml/src/ggml.c, ggml_quantize_requires_imatrix). */
static bool needs_importance(const struct mix_rules *rules, const struct mix_tensor *tensor)
{
    static const struct {
        enum ggml_type type;
        bool everywhere;
    } needy[] = {{GGML_IQ3_XXS, false}, {GGML_IQ2_XXS, true}, {GGML_IQ2_XS, true}, {GGML_IQ2_S, false}, {GGML_IQ1_M, false}, {GGML_IQ1_S, true}};
    const enum category category = category_of(tensor->name);
    const bool inner = category != OUTPUT && category != EMBD;
    for (size_t t = 0; t < sizeof needy / sizeof needy[0]; t++)
        if (tensor->type == needy[t].type)
            return inner || needy[t].everywhere;
    if (!inner)
        return false;
    return tensor->type == GGML_Q2_K && rules->type == FILETYPE_Q2_K_S;
}

enum status mix_choose(const struct mix_rules *rules, const struct gguf_hyper *hyper, struct mix_tensor *tensor, size_t count, struct err *err)
{
    struct choosing choosing = {.rules = rules, .hyper = hyper, .type = filetype_type(rules->type), .tied = true};
    for (size_t t = 0; t < count; t++) {
        const enum category category = category_of(tensor[t].name);
        choosing.values += category == V;
        choosing.tied = choosing.tied && category != OUTPUT;
    }
    for (size_t t = 0; t < count; t++) {
        tensor[t].fell_back = false;
        TRY(choose(&choosing, &tensor[t], err));
        tensor[t].needs_importance = may_quantize(rules, hyper, &tensor[t]) && needs_importance(rules, &tensor[t]);
    }
    return STATUS_OK;
}

enum status mix_overrule(const struct mix_rules *rules, const struct gguf_hyper *hyper, struct mix_tensor *tensor, struct err *err)
{
    const struct mix_override *override;
    tensor->type = tensor->stored;
    tensor->fell_back = tensor->needs_importance = false;
    if (!may_quantize(rules, hyper, tensor))
        return STATUS_OK;
    TRY(find_override(rules, tensor->name, &override, err));
    const enum ggml_type type = type_of_place(rules, tensor, override);
    if (type == GGML_COUNT && override == NULL)
        return STATUS_OK;
    tensor->type = type != GGML_COUNT ? type : override->type;
    tensor->needs_importance = needs_importance(rules, tensor);
    return fit(tensor, err);
}

int mix_before(const char *a, const char *b)
{
    uint64_t left = 0, right = 0;
    const bool in_a = layer_of(a, &left), in_b = layer_of(b, &right);
    if (in_a != in_b)
        return in_a ? 1 : -1;
    return left != right ? (left < right ? -1 : 1) : strcmp(a, b);
}
