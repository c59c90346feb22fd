#include "formats/ggufconfig.h"

#include "container/jsondoc.h"
#include "formats/ggufrope.h"
#include "formats/hyper.h"
#include "ir/filetype.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct making {
    const struct ggufile *gguf;
    const struct arch *arch;
    struct jsondoc *config;
};

static const char *full_key(const struct arch *arch, const char *key, char buffer[128])
{
    const bool own = strncmp(key, "%s", 2) == 0;
    (void)snprintf(buffer, 128, "%s%s", own ? arch->name : key, own ? key + 2 : "");
    return buffer;
}

/* The member that transformers writes: the marked one of "a|!b|c", or the first. */
static const char *member_of(const char *members, char buffer[64])
{
    const char *mark = strchr(members, '!'), *first = mark == NULL ? members : mark + 1;
    const size_t size = strcspn(first, "|");
    (void)snprintf(buffer, 64, "%.*s", (int)size, first);
    return buffer;
}

const char *ggufconfig_class(const struct ggufile *gguf, const struct arch *arch)
{
    char key[128];
    const bool experts = ggufile_find(gguf, full_key(arch, "%s.expert_count", key)) != NULL;
    return strcmp(arch->name, "llama") == 0 && experts ? "MixtralForCausalLM" : arch->classes[0];
}

/* An integer, a float, or a list of integers, under the member's name; nothing where the file has no such key. */
static enum status add_value(const struct making *making, const char *key, const char *member, struct err *err)
{
    const struct ggufile_value *value = ggufile_find(making->gguf, key);
    if (value == NULL)
        return STATUS_OK;
    int64_t whole;
    double number;
    if (value->kind == GGUFILE_F32 || value->kind == GGUFILE_F64) {
        char text[40];
        TRY(ggufile_value_f64(making->gguf, key, &number, NULL, err));
        if (!isfinite(number))
            return err_set(err, STATUS_CORRUPT, making->gguf->path, "found %s that is NaN or infinite", key);
        (void)snprintf(text, sizeof text, "%.*g", value->kind == GGUFILE_F32 ? 7 : 17, number); /* 1e-05, where the float is 9.99999975e-06 */
        float back;
        if (value->kind == GGUFILE_F32 && (sscanf(text, "%f", &back) != 1 || back != (float)number))
            (void)snprintf(text, sizeof text, "%.9g", number);
        (void)sscanf(text, "%lf", &number);
        jsondoc_add_double(making->config, member, number);
        return STATUS_OK;
    }
    if (value->kind != GGUFILE_ARRAY) {
        TRY(ggufile_value_i64(making->gguf, key, &whole, NULL, err));
        jsondoc_add_int(making->config, member, whole);
        return STATUS_OK;
    }
    struct ggufile_array array;
    TRY(ggufile_value_array(making->gguf, key, GGUFILE_KIND_COUNT, &array, NULL, err));
    struct jsondoc *list = jsondoc_add_array(making->config, member);
    for (uint64_t i = 0; i < array.count; i++) {
        if (!ggufile_value_integer(&array, i, &whole))
            return err_set(err, STATUS_CORRUPT, making->gguf->path, "found %s with elements that are no integers", key);
        jsondoc_add_int(list, NULL, whole);
    }
    return STATUS_OK;
}

/* --- rope ------------------------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *key, *member;
} rope_keys[] = {
    {"%s.rope.scaling.factor", "factor"},
    {"%s.rope.scaling.original_context_length", "original_max_position_embeddings"},
    {"%s.rope.scaling.yarn_ext_factor", "extrapolation_factor"},
    {"%s.rope.scaling.yarn_attn_factor", "attention_factor"},
    {"%s.rope.scaling.yarn_beta_fast", "beta_fast"},
    {"%s.rope.scaling.yarn_beta_slow", "beta_slow"},
};

static enum status add_rope(const struct making *making, struct err *err)
{
    struct slice type = {NULL, 0};
    char key[128], text[32];
    bool present;
    TRY(add_value(making, full_key(making->arch, "%s.rope.freq_base", key), "rope_theta", err));
    TRY(add_value(making, full_key(making->arch, "%s.rope.freq_base_swa", key), "rope_local_base_freq", err));
    TRY(ggufile_value_string(making->gguf, full_key(making->arch, "%s.rope.scaling.type", key), &type, &present, err));
    if (!present || slice_is(type, "none") || type.size >= sizeof text)
        return STATUS_OK;
    (void)snprintf(text, sizeof text, "%.*s", (int)type.size, type.data);
    const struct making inner = {making->gguf, making->arch, jsondoc_add_object(making->config, "rope_scaling")};
    jsondoc_add_string(inner.config, "rope_type", text);
    for (size_t r = 0; r < sizeof rope_keys / sizeof rope_keys[0]; r++)
        TRY(add_value(&inner, full_key(making->arch, rope_keys[r].key, key), rope_keys[r].member, err));
    return STATUS_OK;
}

/* The shortest partial_rotary_factor of which the converter, and transformers, make this number of rows (formats/ropefactors.c). */
static enum status add_rope_part(const struct making *making, const char *key, struct err *err)
{
    uint32_t rows;
    bool present;
    double hidden, heads, part = 1;
    TRY(ggufile_value_u32(making->gguf, key, &rows, &present, err));
    if (!present || !jsondoc_double(jsondoc_get(making->config, "hidden_size"), &hidden) ||
        !jsondoc_double(jsondoc_get(making->config, "num_attention_heads"), &heads) || heads < 1 || floor(hidden / heads) == (double)rows)
        return STATUS_OK;
    for (int digits = 1; digits <= 17; digits++) {
        char text[40];
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)rows * heads / hidden);
        if (sscanf(text, "%lf", &part) == 1 && floor(trunc(part * hidden) / heads) == (double)rows && trunc(part * floor(hidden / heads)) == (double)rows)
            break;
    }
    jsondoc_add_double(making->config, "partial_rotary_factor", part);
    return STATUS_OK;
}

/* --- the table's rows -------------------------------------------------------------------------------------------------------------- */

static enum status add_row(const struct making *making, const struct arch_key *row, struct err *err)
{
    char key[128], member[64];
    uint32_t number;
    bool present, truth;
    (void)full_key(making->arch, row->key, key);
    switch (row->value) {
    case ARCH_U32:
    case ARCH_F32:
    case ARCH_BLOCK_COUNT:
    case ARCH_WINDOW:
        (void)member_of(row->member, member);
        if (jsondoc_get(making->config, member) != NULL) /* value_length is head_dim again */
            return STATUS_OK;
        if (row->fallback == 0.0 && ggufile_find(making->gguf, key) != NULL && ggufile_value_u32(making->gguf, key, &number, &present, NULL) == STATUS_OK &&
            number == 0) { /* what it is where config.json says null: Phi-4's window */
            jsondoc_add_null(making->config, member);
            return STATUS_OK;
        }
        return add_value(making, key, member, err);
    case ARCH_ROPE_SCALING:
        return add_rope(making, err);
    case ARCH_ROPE_BASE:
        return jsondoc_get(making->config, "rope_theta") != NULL ? STATUS_OK : add_value(making, key, "rope_theta", err);
    case ARCH_ROPE_CONTEXT:
        return add_value(making, key, "original_max_position_embeddings", err);
    case ARCH_CAUSAL:
        TRY(ggufile_value_bool(making->gguf, key, &truth, &present, err));
        if (present)
            jsondoc_add_bool(making->config, "is_causal", truth);
        return STATUS_OK;
    case ARCH_GATING:
        TRY(ggufile_value_u32(making->gguf, key, &number, &present, err));
        if (present && number >= 1 && number <= 2)
            jsondoc_add_string(making->config, "scoring_func", number == 1 ? "softmax" : "sigmoid");
        return STATUS_OK;
    case ARCH_ROPE_DIM: /* follows from head_dim, or says it where key_length does not */
        return jsondoc_get(making->config, "head_dim") != NULL ? STATUS_OK : add_value(making, key, "head_dim", err);
    case ARCH_ROPE_PART:
        return add_rope_part(making, key, err);
    case ARCH_FILE_TYPE:
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* --- what is no hyper-parameter ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *key, *member;
} ids[] = {
    {"tokenizer.ggml.bos_token_id", "bos_token_id"},
    {"tokenizer.ggml.eos_token_id", "eos_token_id"},
    {"tokenizer.ggml.padding_token_id", "pad_token_id"},
};

/* The rows of the embedding; 0: no file of the set has one. */
static uint64_t embedding_rows(const struct ggufile_set *set)
{
    for (size_t f = 0; f < set->count; f++) {
        const struct ggufile_tensor *embedding = ggufile_find_tensor(&set->file[f], slice_of("token_embd.weight"));
        if (embedding != NULL)
            return embedding->dims[1];
    }
    return 0;
}

static enum status add_vocabulary(const struct making *making, struct err *err)
{
    char key[128];
    struct ggufile_array tokens;
    bool present = false;
    if (jsondoc_get(making->config, "vocab_size") == NULL)
        TRY(add_value(making, full_key(making->arch, "%s.vocab_size", key), "vocab_size", err));
    TRY(ggufile_value_array(making->gguf, "tokenizer.ggml.tokens", GGUFILE_STRING, &tokens, &present, err));
    if (present && jsondoc_get(making->config, "vocab_size") == NULL)
        jsondoc_add_u64(making->config, "vocab_size", tokens.count);
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        TRY(add_value(making, ids[i].key, ids[i].member, err));
    if (jsondoc_get(making->config, "pad_token_id") == NULL) /* transformers' own default may be beyond the vocabulary */
        jsondoc_add_null(making->config, "pad_token_id");
    return STATUS_OK;
}

/* The dtype that the file's floats were: of blocks nobody knows, and F16 is what is usual. */
static const char *dtype_of(const struct ggufile *gguf)
{
    enum ggml_type type = GGML_F16;
    for (size_t t = 0; t < gguf->tensor_count; t++) {
        if (gguf->tensor[t].rank < 2)
            continue;
        type = gguf->tensor[t].type;
        if (type == GGML_F16 || type == GGML_BF16)
            break;
    }
    const char *name = dtype_torch_name(ggml_dtype(type));
    return name == NULL ? "float16" : name;
}

static void add_fixed(struct jsondoc *config, const struct arch *arch)
{
    const struct arch_fixed *fixed = arch->fixed;
    double scale;
    if (hyper_scale(arch, config, &scale))
        jsondoc_add_int(config, "query_pre_attn_scalar", (int64_t)scale);
    for (; fixed != NULL && fixed->member != NULL; fixed++) {
        if (fixed->text != NULL)
            jsondoc_add_string(config, fixed->member, fixed->text);
        else
            jsondoc_add_bool(config, fixed->member, fixed->truth);
    }
}

/* Biases that a family's models may have or not; Qwen2's always have those of q, k and v. */
static void add_biases(const struct making *making, const struct ggufile_set *set)
{
    static const struct {
        const char *tensor, *member;
    } biases[] = {{"blk.0.attn_q.bias", "attention_bias"}, {"blk.0.ffn_gate.bias", "mlp_bias"}};
    for (size_t b = 0; b < sizeof biases / sizeof biases[0]; b++) {
        bool found = false;
        for (size_t f = 0; f < set->count && !(b == 0 && slice_starts(slice_of(making->arch->model_type), "qwen2")); f++)
            found = found || ggufile_find_tensor(&set->file[f], slice_of(biases[b].tensor)) != NULL;
        if (found)
            jsondoc_add_bool(making->config, biases[b].member, true);
    }
}

enum status ggufconfig_make(const struct ggufile_set *set, const struct file_ops *ops, const struct arch *arch, struct text *text, struct err *err)
{
    const struct ggufile *gguf = &set->file[0];
    struct making making = {gguf, arch, jsondoc_new_object()};
    const char *class = ggufconfig_class(gguf, arch);
    jsondoc_add_string(jsondoc_add_array(making.config, "architectures"), NULL, class);
    jsondoc_add_string(making.config, "model_type", strcmp(class, "MixtralForCausalLM") == 0 ? "mixtral" : arch->model_type);
    const uint64_t rows = embedding_rows(set); /* whatever the metadata say: the model must take the tensor */
    if (rows > 0)
        jsondoc_add_u64(making.config, "vocab_size", rows);
    enum status status = STATUS_OK;
    const struct arch_key *const tables[] = {arch->generic_keys ? arch_keys : NULL, arch->keys};
    for (size_t t = 0; t < 2; t++)
        for (const struct arch_key *row = tables[t]; status == STATUS_OK && row != NULL && row->key != NULL; row++)
            if (t == 1 || arch_find_key(arch->keys, row->key) == NULL)
                status = add_row(&making, row, err);
    if (status == STATUS_OK)
        status = add_vocabulary(&making, err);
    if (status == STATUS_OK)
        status = ggufrope_add(set, ops, arch, making.config, err);
    add_fixed(making.config, arch);
    add_biases(&making, set);
    jsondoc_add_bool(making.config, "tie_word_embeddings", ggufile_find_tensor(gguf, slice_of("output.weight")) == NULL);
    jsondoc_add_string(making.config, "torch_dtype", dtype_of(gguf));
    if (status == STATUS_OK)
        status = jsondoc_print(making.config, text, err);
    text_string(text, "\n");
    jsondoc_free(making.config);
    return status == STATUS_OK ? text_check(text, err) : status;
}

enum status ggufconfig_generation(const struct ggufile *gguf, struct text *text, struct err *err)
{
    static const struct {
        const char *key, *member;
    } sampling[] = {
        {"general.sampling.top_k", "top_k"},       {"general.sampling.top_p", "top_p"}, {"general.sampling.min_p", "min_p"},
        {"general.sampling.temp", "temperature"}, {"general.sampling.penalty_repeat", "repetition_penalty"},
    };
    const struct making making = {gguf, NULL, jsondoc_new_object()};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0] && status == STATUS_OK; i++)
        status = add_value(&making, ids[i].key, ids[i].member, err);
    bool sampled = false;
    for (size_t s = 0; s < sizeof sampling / sizeof sampling[0] && status == STATUS_OK; s++) {
        sampled = sampled || ggufile_find(gguf, sampling[s].key) != NULL;
        status = add_value(&making, sampling[s].key, sampling[s].member, err);
    }
    if (sampled)
        jsondoc_add_bool(making.config, "do_sample", true);
    if (status == STATUS_OK && jsondoc_first(making.config) != NULL) {
        status = jsondoc_print(making.config, text, err);
        text_string(text, "\n");
    }
    jsondoc_free(making.config);
    return status == STATUS_OK ? text_check(text, err) : status;
}
