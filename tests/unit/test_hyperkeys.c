#include "formats/hyperkeys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct given {
    struct jsondoc *config;
    struct ggufile_writer kv;
    struct ggufile read; /* what was set, read back from a file without tensors */
    struct err err;
    enum status status;
};

static void read_back(struct given *g)
{
    struct text header = {0};
    struct file file;
    uint64_t bytes;
    assert_int_equal(ggufile_write_layout(&g->kv, NULL, 0, &header, &bytes, &g->err), STATUS_OK);
    (void)remove("hyperkeys.gguf");
    assert_int_equal(file_spill(&file_posix, "hyperkeys.gguf", header.data, header.size, &g->err), STATUS_OK);
    assert_int_equal(file_open_read(&file, &file_posix, "hyperkeys.gguf", &g->err), STATUS_OK);
    assert_int_equal(ggufile_read(&file, false, &g->read, &g->err), STATUS_OK);
    file_drop(&file);
    text_free(&header);
}

static void set(struct given *g, const char *config)
{
    const struct arch *arch;
    memset(g, 0, sizeof *g);
    assert_int_equal(jsondoc_parse("config.json", slice_of(config), &g->config, &g->err), STATUS_OK);
    g->status = hyper_arch(g->config, &arch, &g->err);
    if (g->status == STATUS_OK)
        g->status = hyperkeys_begin(&g->kv, arch, g->config, &g->err);
    if (g->status == STATUS_OK)
        g->status = hyperkeys_set(&g->kv, arch, g->config, 1, &g->err);
    if (g->status == STATUS_OK)
        read_back(g);
}

static void done(struct given *g)
{
    jsondoc_free(g->config);
    if (g->status == STATUS_OK)
        ggufile_free(&g->read);
    ggufile_write_free(&g->kv);
}

/* The value's bytes; NULL if there is no such key. */
static const char *value(const struct given *g, const char *key, enum ggufile_kind kind)
{
    const struct ggufile_value *found = ggufile_find(&g->read, key);
    if (found != NULL)
        assert_int_equal(found->kind, kind);
    return found == NULL ? NULL : (const char *)found->data;
}

static void is_u32(const struct given *g, const char *key, uint32_t expected)
{
    uint32_t found;
    const char *at = value(g, key, GGUFILE_U32);
    if (at == NULL)
        fail_msg("no %s", key);
    memcpy(&found, at, 4);
    assert_int_equal(found, expected);
}

static void is_f32(const struct given *g, const char *key, float expected)
{
    float found;
    const char *at = value(g, key, GGUFILE_F32);
    if (at == NULL)
        fail_msg("no %s", key);
    memcpy(&found, at, 4);
    assert_true(found == expected);
}

#define LLAMA                                                                                                                                        \
    "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"num_hidden_layers\": 2, \"hidden_size\": 64, \"num_attention_heads\": 4, " \
    "\"vocab_size\": 100, \"intermediate_size\": 96"

static void defaults_of_the_model_type(void **state)
{
    struct given g;
    (void)state;
    set(&g, LLAMA "}");
    assert_int_equal(g.status, STATUS_OK);
    is_u32(&g, "llama.block_count", 2);
    is_u32(&g, "llama.context_length", 2048);
    is_u32(&g, "llama.attention.head_count_kv", 4); /* as many as there are heads */
    is_u32(&g, "llama.attention.key_length", 16);   /* hidden_size / num_attention_heads */
    is_u32(&g, "llama.rope.dimension_count", 16);
    is_u32(&g, "llama.vocab_size", 100);
    is_u32(&g, "general.file_type", 1);
    is_f32(&g, "llama.attention.layer_norm_rms_epsilon", 1e-6f);
    is_f32(&g, "llama.rope.freq_base", 10000.0f);
    assert_null(value(&g, "llama.rope.scaling.type", GGUFILE_STRING));
    assert_null(value(&g, "llama.expert_count", GGUFILE_U32));
    done(&g);
    set(&g, "{\"architectures\": [\"Qwen3MoeForCausalLM\"], \"num_hidden_layers\": 1, \"hidden_size\": 64, \"num_attention_heads\": 4, \"head_dim\": 32}");
    is_u32(&g, "qwen3moe.expert_count", 128);
    is_u32(&g, "qwen3moe.attention.head_count_kv", 4);
    is_u32(&g, "qwen3moe.expert_feed_forward_length", 768);
    done(&g);
    set(&g, "{\"architectures\": [\"Qwen2ForCausalLM\"], \"num_hidden_layers\": 1, \"hidden_size\": 64, \"num_attention_heads\": 4, "
            "\"intermediate_size\": 96, \"num_key_value_heads\": null}");
    is_u32(&g, "qwen2.attention.head_count_kv", 4); /* absent it is 32 */
    done(&g);
}

static void rope_scaling(void **state)
{
    struct given g;
    (void)state;
    set(&g, LLAMA ", \"rope_theta\": 5e5, \"rope_scaling\": {\"type\": \"linear\", \"factor\": 4.0}}");
    assert_memory_equal(value(&g, "llama.rope.scaling.type", GGUFILE_STRING), "linear", 6);
    is_f32(&g, "llama.rope.scaling.factor", 4.0f);
    is_f32(&g, "llama.rope.freq_base", 5e5f);
    done(&g);
    set(&g, LLAMA ", \"original_max_position_embeddings\": 4096, \"rope_parameters\": {\"rope_type\": \"yarn\", \"factor\": 2.0, \"rope_theta\": 1e6, "
                  "\"attn_factor\": 0.5, \"beta_fast\": 32}}");
    assert_memory_equal(value(&g, "llama.rope.scaling.type", GGUFILE_STRING), "yarn", 4);
    is_u32(&g, "llama.rope.scaling.original_context_length", 4096);
    is_f32(&g, "llama.rope.scaling.yarn_attn_factor", 0.5f);
    is_f32(&g, "llama.rope.scaling.yarn_beta_fast", 32.0f);
    assert_null(value(&g, "llama.rope.scaling.yarn_beta_slow", GGUFILE_F32));
    is_f32(&g, "llama.rope.freq_base", 1e6f);
    done(&g);
    set(&g, LLAMA ", \"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 2.0}}");
    assert_int_equal(g.status, STATUS_CORRUPT);
    assert_non_null(strstr(g.err.what, "original_max_position_embeddings"));
    done(&g);
}

static void families_of_their_own(void **state)
{
    struct given g;
    (void)state;
    set(&g, "{\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"text_config\": {\"num_hidden_layers\": 3, \"hidden_size\": 64, \"sliding_window\": 512, "
            "\"rope_parameters\": {\"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": 1e6}, \"sliding_attention\": {\"rope_theta\": 1e4}}}}");
    assert_int_equal(g.status, STATUS_OK);
    is_u32(&g, "gemma3.block_count", 3);
    is_u32(&g, "gemma3.attention.key_length", 256);
    is_u32(&g, "gemma3.attention.sliding_window", 512);
    is_f32(&g, "gemma3.rope.freq_base", 1e6f);
    is_f32(&g, "gemma3.rope.freq_base_swa", 1e4f);
    assert_null(value(&g, "gemma3.final_logit_softcapping", GGUFILE_F32));
    done(&g);
    set(&g, "{\"architectures\": [\"Phi3ForCausalLM\"], \"num_hidden_layers\": 1, \"hidden_size\": 96, \"num_attention_heads\": 3, \"intermediate_size\": 64, "
            "\"partial_rotary_factor\": 0.75, \"sliding_window\": null}");
    assert_int_equal(g.status, STATUS_OK);
    is_u32(&g, "phi3.rope.dimension_count", 24); /* 0.75 * 96 / 3 */
    is_u32(&g, "phi3.rope.scaling.original_context_length", 4096);
    is_u32(&g, "phi3.attention.sliding_window", 0);
    is_u32(&g, "phi3.attention.head_count_kv", 3);
    done(&g);
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *config, *where, *what;
        enum status status;
    } rows[] = {
        {"{}", "config.json", "architectures", STATUS_CORRUPT},
        {"{\"architectures\": [\"BertModel\"]}", "config.json", "BertModel", STATUS_UNSUPPORTED},
        {"{\"architectures\": [\"Qwen2ForCausalLM\"]}", "num_hidden_layers", "expected a number", STATUS_CORRUPT},
        {LLAMA ", \"max_position_embeddings\": \"many\"}", "max_position_embeddings", "something else than a number", STATUS_CORRUPT},
        {LLAMA ", \"num_key_value_heads\": 1.5}", "num_key_value_heads", "no count", STATUS_CORRUPT},
        {LLAMA ", \"num_key_value_heads\": -1}", "num_key_value_heads", "no count", STATUS_CORRUPT},
        {LLAMA ", \"num_key_value_heads\": [1, -2]}", "num_key_value_heads", "a list", STATUS_CORRUPT},
        {LLAMA ", \"scoring_func\": \"argmax\"}", "scoring_func", "gating", STATUS_CORRUPT},
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct given g;
        set(&g, rows[r].config);
        assert_int_equal(g.status, rows[r].status);
        assert_non_null(strstr(g.err.where, rows[r].where));
        assert_non_null(strstr(g.err.what, rows[r].what));
        done(&g);
    }
}

static void lists_and_flags(void **state)
{
    struct given g;
    (void)state;
    set(&g, LLAMA ", \"num_key_value_heads\": [2, 4], \"is_causal\": false, \"scoring_func\": \"sigmoid\"}");
    assert_int_equal(g.status, STATUS_OK);
    assert_memory_equal(value(&g, "llama.attention.head_count_kv", GGUFILE_ARRAY), "\2\0\0\0\4\0\0\0", 8);
    assert_int_equal(*value(&g, "llama.attention.causal", GGUFILE_BOOL), 0);
    is_u32(&g, "llama.expert_gating_func", 2);
    done(&g);
}

/* What llama.cpp computes whatever config.json says. */
static void what_gguf_does_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *config, *wanted; /* NULL: nothing */
    } rows[] = {
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_act\": \"silu\"}", NULL},
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_act\": \"swish\"}", NULL},
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_act\": null}", NULL},
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_act\": \"gelu\"}", "hidden_act gelu, and llama.cpp takes silu"},
        {"{\"architectures\": [\"GemmaForCausalLM\"], \"hidden_act\": \"gelu\"}", NULL},
        {"{\"architectures\": [\"Qwen3MoeForCausalLM\"], \"norm_topk_prob\": false}", "norm_topk_prob false, and llama.cpp takes true"},
        {"{\"architectures\": [\"Qwen2MoeForCausalLM\"], \"norm_topk_prob\": true}", "norm_topk_prob true, and llama.cpp takes false"},
        {"{\"architectures\": [\"Gemma2ForCausalLM\"], \"num_hidden_layers\": 46, \"hidden_size\": 4608, \"num_attention_heads\": 32, \"head_dim\": 128, "
         "\"query_pre_attn_scalar\": 144}", NULL},
        {"{\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"text_config\": {\"num_hidden_layers\": 34, \"hidden_size\": 2560, "
         "\"num_attention_heads\": 8, \"head_dim\": 256, \"query_pre_attn_scalar\": 168}}", "query_pre_attn_scalar 168, and llama.cpp takes 256"},
        {"{\"architectures\": [\"Gemma2ForCausalLM\"], \"num_hidden_layers\": 26, \"query_pre_attn_scalar\": 256}", NULL},
        {"{\"architectures\": [\"Gemma2ForCausalLM\"], \"attn_logit_softcapping\": null}", "attn_logit_softcapping null, and llama.cpp takes 50"},
        {"{\"architectures\": [\"Gemma2ForCausalLM\"], \"final_logit_softcapping\": 20}", NULL},
        {"{\"architectures\": [\"MistralForCausalLM\"], \"model_type\": \"mistral\", \"sliding_window\": 4096, \"max_position_embeddings\": 32768}",
         "sliding_window 4096, and llama.cpp takes none"},
        {"{\"architectures\": [\"MistralForCausalLM\"], \"model_type\": \"mistral\", \"sliding_window\": 4096, \"max_position_embeddings\": 4096}", NULL},
        {"{\"architectures\": [\"MistralForCausalLM\"], \"model_type\": \"mistral\", \"sliding_window\": null}", NULL},
        {"{\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"text_config\": {\"sliding_window\": null}}",
         "sliding_window null, and llama.cpp takes 4096"},
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"head_dim\": null, \"num_key_value_heads\": null}", NULL},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        const struct arch *arch;
        struct jsondoc *config;
        struct err err = {0};
        char words[200] = "";
        assert_int_equal(jsondoc_parse("config.json", slice_of(rows[r].config), &config, &err), STATUS_OK);
        assert_int_equal(hyper_arch(config, &arch, &err), STATUS_OK);
        assert_int_equal(hyper_unsaid(arch, config, words, sizeof words), rows[r].wanted != NULL);
        assert_string_equal(words, rows[r].wanted == NULL ? "" : rows[r].wanted);
        jsondoc_free(config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_of_the_model_type), cmocka_unit_test(rope_scaling),    cmocka_unit_test(families_of_their_own),
        cmocka_unit_test(what_is_refused),            cmocka_unit_test(lists_and_flags),
        cmocka_unit_test(what_gguf_does_not_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
