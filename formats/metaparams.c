#include "formats/metaparams.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* huggingface/transformers:src/transformers/models/llama/convert_llama_weights_to_hf.py: CONTEXT_LENGTH_FOR_VERSION and the ids beside it. */
static const struct metaparams_version versions[] = {
    {"1", 2048, 1, 2, 0, false},
    {"2", 4096, 1, 2, 0, false},
    {"code", 16384, 1, 2, 0, false},
    {"3", 8192, 128000, 128001, 0, false},
    {"3.1", 131072, 128000, 128001, 8, false},
    {"3.2", 131072, 128000, 128001, 32, true},
    {"Guard-3", 131072, 128000, 128001, 8, false},
};
enum { VERSION_COUNT = sizeof versions / sizeof versions[0] };

const struct metaparams_version *metaparams_version(const char *name)
{
    for (size_t i = 0; i < VERSION_COUNT; i++)
        if (slice_is(slice_of(name), versions[i].name))
            return &versions[i];
    return NULL;
}

const char *metaparams_versions(char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < VERSION_COUNT && used < size; i++)
        used += (size_t)snprintf(buffer + used, size - used, "%s%s", i == 0 ? "" : ", ", versions[i].name);
    return buffer;
}

/* --- reading --------------------------------------------------------------------------------------------------------------------- */

static enum status take_count(const char *where, const struct jsondoc *document, const char *name, uint64_t missing, uint64_t *count, struct err *err)
{
    const struct jsondoc *member = jsondoc_get(document, name);
    int64_t value;
    *count = missing;
    if (member == NULL || jsondoc_kind(member) == JSONDOC_NULL)
        return missing != 0 ? STATUS_OK : err_set(err, STATUS_CORRUPT, where, "found no %s", name);
    if (!jsondoc_int(member, &value) || value <= 0 || value > 1 << 30)
        return err_set(err, STATUS_CORRUPT, where, "found %s that is no whole number from 1 to 2^30", name);
    *count = (uint64_t)value;
    return STATUS_OK;
}

static enum status take_double(const char *where, const struct jsondoc *document, const char *name, double *value, struct err *err)
{
    const struct jsondoc *member = jsondoc_get(document, name);
    if (member == NULL || jsondoc_kind(member) == JSONDOC_NULL)
        return STATUS_OK;
    if (!jsondoc_double(member, value) || *value <= 0 || *value > 1e12)
        return err_set(err, STATUS_CORRUPT, where, "found %s that is no number above 0", name);
    return STATUS_OK;
}

/* Parameters that name another architecture, or weights that are no floats. */
static enum status refuse_others(const char *where, const struct jsondoc *document, struct err *err)
{
    static const char *const others[] = {"quantization_args", "lora_args", "moe", "moe_args", "sliding_window", "hidden_dim"};
    for (const struct jsondoc *member = jsondoc_first(document); member != NULL; member = jsondoc_next(member)) {
        const char *name = jsondoc_name(member);
        bool other = slice_starts(slice_of(name), "vision_");
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            other = other || strcmp(name, others[i]) == 0;
        if (other && jsondoc_kind(member) != JSONDOC_NULL)
            return err_set(err, STATUS_UNSUPPORTED, where, "found the parameter %.100s, expected a text model of LLaMA 1 to 3 in floats", name);
    }
    return STATUS_OK;
}

enum status metaparams_read(struct metaparams *params, const char *where, const struct jsondoc *document, struct err *err)
{
    const struct jsondoc *inner = jsondoc_get(document, "model");
    if (inner != NULL && jsondoc_kind(inner) == JSONDOC_OBJECT)
        document = inner;
    *params = (struct metaparams){.vocab = -1, .norm_eps = 1e-5, .rope_theta = 10000};
    TRY(refuse_others(where, document, err));
    TRY(take_count(where, document, "dim", 0, &params->dim, err));
    TRY(take_count(where, document, "n_layers", 0, &params->layers, err));
    TRY(take_count(where, document, "n_heads", 0, &params->heads, err));
    TRY(take_count(where, document, "n_kv_heads", params->heads, &params->kv_heads, err));
    TRY(take_count(where, document, "multiple_of", 256, &params->multiple_of, err));
    TRY(take_double(where, document, "ffn_dim_multiplier", &params->multiplier, err));
    TRY(take_double(where, document, "norm_eps", &params->norm_eps, err));
    TRY(take_double(where, document, "rope_theta", &params->rope_theta, err));
    (void)jsondoc_bool(jsondoc_get(document, "use_scaled_rope"), &params->scaled_rope);
    if (jsondoc_get(document, "vocab_size") != NULL && !jsondoc_int(jsondoc_get(document, "vocab_size"), &params->vocab))
        return err_set(err, STATUS_CORRUPT, where, "found vocab_size that is no whole number");
    if (params->dim % params->heads != 0 || params->dim / params->heads % 2 != 0 || params->heads % params->kv_heads != 0)
        return err_set(err, STATUS_CORRUPT, where,
                       "found dim %llu, %llu heads and %llu kv heads, expected each to divide the one before, and heads of even size",
                       (unsigned long long)params->dim, (unsigned long long)params->heads, (unsigned long long)params->kv_heads);
    return STATUS_OK;
}

const struct metaparams_version *metaparams_guess(const struct metaparams *params, uint64_t vocab, const char **why)
{
    const char *name = "1";
    *why = "norm_eps other than 1e-05";
    if (params->scaled_rope) {
        const bool small = params->dim == 2048 || params->dim == 3072;
        name = small ? "3.2" : "3.1";
        *why = small ? "use_scaled_rope, and the size of 3.2's models" : "use_scaled_rope";
    } else if (vocab >= 128000) {
        name = "3";
        *why = "the size of its vocabulary";
    } else if (params->rope_theta > 10000) {
        name = "code";
        *why = "rope_theta";
    } else if (params->norm_eps > 0.99e-5 && params->norm_eps < 1.01e-5) {
        name = "2";
        *why = "norm_eps 1e-05";
    }
    return metaparams_version(name);
}

uint64_t metaparams_hidden(const struct metaparams *params)
{
    double hidden = floor(2.0 * (double)(4 * params->dim) / 3.0);
    if (params->multiplier > 0)
        hidden = floor(params->multiplier * hidden);
    return hidden > 1e15 ? 0 : ((uint64_t)hidden + params->multiple_of - 1) / params->multiple_of * params->multiple_of;
}

/* --- writing --------------------------------------------------------------------------------------------------------------------- */

static void add_rope(struct jsondoc *config, const struct metaparams *params, const struct metaparams_version *version)
{
    jsondoc_add_double(config, "rope_theta", params->rope_theta);
    if (!(params->scaled_rope && version->rope_factor > 0)) {
        jsondoc_add_null(config, "rope_scaling");
        return;
    }
    struct jsondoc *scaling = jsondoc_add_object(config, "rope_scaling");
    jsondoc_add_double(scaling, "factor", version->rope_factor);
    jsondoc_add_double(scaling, "high_freq_factor", 4);
    jsondoc_add_double(scaling, "low_freq_factor", 1);
    jsondoc_add_u64(scaling, "original_max_position_embeddings", 8192);
    jsondoc_add_string(scaling, "rope_type", "llama3");
}

static enum status print(struct jsondoc *document, struct text *text, struct err *err)
{
    enum status status = jsondoc_print(document, text, err);
    jsondoc_free(document);
    text_string(text, "\n");
    return status == STATUS_OK ? text_check(text, err) : status;
}

enum status metaparams_config(const struct metaparams *params, const struct metaparams_version *version, const struct metaparams_found *found,
                              struct text *text, struct err *err)
{
    struct jsondoc *config = jsondoc_new_object();
    jsondoc_add_string(jsondoc_add_array(config, "architectures"), NULL, "LlamaForCausalLM");
    jsondoc_add_bool(config, "attention_bias", false);
    jsondoc_add_int(config, "bos_token_id", version->bos);
    jsondoc_add_int(config, "eos_token_id", version->eos);
    jsondoc_add_u64(config, "head_dim", params->dim / params->heads);
    jsondoc_add_string(config, "hidden_act", "silu");
    jsondoc_add_u64(config, "hidden_size", params->dim);
    jsondoc_add_double(config, "initializer_range", 0.02);
    jsondoc_add_u64(config, "intermediate_size", found->hidden);
    jsondoc_add_u64(config, "max_position_embeddings", version->positions);
    jsondoc_add_bool(config, "mlp_bias", false);
    jsondoc_add_string(config, "model_type", "llama");
    jsondoc_add_u64(config, "num_attention_heads", params->heads);
    jsondoc_add_u64(config, "num_hidden_layers", params->layers);
    jsondoc_add_u64(config, "num_key_value_heads", params->kv_heads);
    jsondoc_add_double(config, "rms_norm_eps", params->norm_eps);
    add_rope(config, params, version);
    jsondoc_add_bool(config, "tie_word_embeddings", version->tied);
    if (dtype_torch_name(found->dtype) != NULL)
        jsondoc_add_string(config, "torch_dtype", dtype_torch_name(found->dtype));
    jsondoc_add_bool(config, "use_cache", true);
    jsondoc_add_u64(config, "vocab_size", found->vocab);
    return print(config, text, err);
}

enum status metaparams_generation(const struct metaparams_version *version, struct text *text, struct err *err)
{
    struct jsondoc *generation = jsondoc_new_object();
    jsondoc_add_int(generation, "bos_token_id", version->bos);
    jsondoc_add_bool(generation, "do_sample", true);
    jsondoc_add_int(generation, "eos_token_id", version->eos);
    jsondoc_add_double(generation, "temperature", 0.6);
    jsondoc_add_double(generation, "top_p", 0.9);
    return print(generation, text, err);
}
