#include "formats/arrange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct given {
    struct model model;
    struct arrangement arrangement;
    struct jsondoc *config;
    struct err err;
};

static void start_in(struct given *g, const char *file, const char *config)
{
    memset(g, 0, sizeof *g);
    g->model.dir = "dir";
    assert_int_equal(jsondoc_parse("config.json", slice_of(config), &g->config, &g->err), STATUS_OK);
    assert_int_equal(model_add_file(&g->model, file, 1 << 20, NULL, &g->err), STATUS_OK);
}

/* In a file whose tensors are taken in their own order. */
static void start(struct given *g, const char *config)
{
    start_in(g, "pytorch_model.bin", config);
}

static void add(struct given *g, const char *name, uint64_t a, uint64_t b, uint64_t c)
{
    const uint64_t shape[] = {a, b, c};
    const struct tensor tensor = {.name = name, .shape = shape, .rank = c > 0 ? 3 : b > 0 ? 2 : 1, .dtype = DTYPE_BF16,
                                  .bytes = a * (b > 0 ? b : 1) * (c > 0 ? c : 1) * 2};
    assert_int_equal(model_add_tensor(&g->model, &tensor, NULL, &g->err), STATUS_OK);
}

/* A weight [out][in] whose codes are tensor NAME.qweight. */
static void add_weight(struct given *g, const char *name, uint64_t out, uint64_t in)
{
    char codes[128];
    uint32_t weight;
    (void)snprintf(codes, sizeof codes, "%s.qweight", name);
    add(g, codes, in / 8, out, 0);
    assert_int_equal(model_add_weight(&g->model, name, &weight, &g->err), STATUS_OK);
    g->model.weight[weight].out = out;
    g->model.weight[weight].in = in;
    model_claim(&g->model, weight, ROLE_CODES, model_find(&g->model, slice_of(codes)));
}

static enum status arrange_cut(struct given *g, const char *exclude, uint64_t tokens)
{
    struct regex *regex = NULL;
    if (exclude != NULL)
        assert_int_equal(regex_compile(&regex, slice_of(exclude), "--exclude", STATUS_USAGE, &g->err), STATUS_OK);
    const enum status status = arrange_make(&g->arrangement, &g->model, g->config, regex, tokens, &g->err);
    regex_free(regex);
    return status;
}

static enum status arrange(struct given *g, const char *exclude)
{
    return arrange_cut(g, exclude, 0);
}

static void done(struct given *g)
{
    arrange_free(&g->arrangement);
    model_free(&g->model);
    jsondoc_free(g->config);
}

#define LLAMA "{\"architectures\": [\"LlamaForCausalLM\"], \"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"num_key_value_heads\": 1}"
#define MIXTRAL                                                                                                                                    \
    "{\"architectures\": [\"MixtralForCausalLM\"], \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_key_value_heads\": 1, "                \
    "\"num_local_experts\": 2}"
#define MOE "{\"architectures\": [\"Qwen3MoeForCausalLM\"], \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"num_experts\": 2}"

static void tensors_of_safetensors_go_by_name(void **state)
{
    struct given g;
    (void)state;
    start_in(&g, "model.safetensors", LLAMA);
    add(&g, "model.norm.weight", 6, 0, 0);
    add(&g, "model.layers.1.mlp.up_proj.weight", 8, 6, 0);
    add(&g, "model.layers.0.mlp.up_proj.weight", 8, 6, 0);
    add(&g, "model.layers.0.mlp.down_proj.weight", 6, 8, 0);
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    static const char *const expected[] = {"blk.0.ffn_down.weight", "blk.0.ffn_up.weight", "blk.1.ffn_up.weight", "output_norm.weight"};
    assert_int_equal(g.arrangement.count, 4);
    for (size_t t = 0; t < 4; t++)
        assert_string_equal(g.arrangement.tensor[t].name, expected[t]);
    done(&g);
}

static void rows_turn_in_llama(void **state)
{
    struct given g;
    (void)state;
    start(&g, LLAMA);
    add(&g, "model.layers.0.self_attn.q_proj.weight", 8, 6, 0);
    add(&g, "model.layers.0.self_attn.k_proj.bias", 4, 0, 0);
    add(&g, "model.layers.0.self_attn.v_proj.weight", 4, 6, 0);
    add(&g, "model.norm.weight", 6, 0, 0);
    add_weight(&g, "model.layers.1.self_attn.k_proj", 4, 16);
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    const struct arranged *tensor = g.arrangement.tensor;
    assert_int_equal(g.arrangement.count, 5);
    assert_string_equal(tensor[0].name, "blk.0.attn_q.weight");
    const struct view *view = g.model.tensor[tensor[0].source].view;
    assert_int_equal(view->head, 4); /* 8 rows, 2 heads */
    assert_int_equal(view->turn, TURN_TO_PAIRS);
    assert_int_equal(view->piece_bytes, 12);
    assert_false(tensor[0].always_f32);
    view = g.model.tensor[tensor[1].source].view;
    assert_int_equal(view->head, 4);
    assert_int_equal(view->piece_bytes, 2);
    assert_true(tensor[1].always_f32);
    assert_null(g.model.tensor[tensor[2].source].view);
    assert_string_equal(tensor[3].name, "output_norm.weight");
    assert_true(tensor[3].always_f32);
    assert_int_equal(tensor[4].source, MODEL_NONE);
    assert_int_equal(tensor[4].head, 4);
    assert_int_equal(tensor[4].rank, 2);
    assert_int_equal(tensor[4].shape[1], 16);
    done(&g);
}

static void experts_are_stacked_when_the_last_has_come(void **state)
{
    struct given g;
    (void)state;
    start(&g, MIXTRAL);
    for (int e = 1; e >= 0; e--) {
        for (int w = 1; w <= 3; w++) {
            char name[128];
            (void)snprintf(name, sizeof name, "model.layers.0.block_sparse_moe.experts.%d.w%d.weight", e, w);
            add(&g, name, w == 2 ? 4 : 6, w == 2 ? 6 : 4, 0);
        }
    }
    add(&g, "model.layers.0.block_sparse_moe.gate.weight", 2, 4, 0);
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    assert_int_equal(g.arrangement.count, 4);
    static const char *const names[] = {"blk.0.ffn_gate_exps.weight", "blk.0.ffn_down_exps.weight", "blk.0.ffn_up_exps.weight", "blk.0.ffn_gate_inp.weight"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(g.arrangement.tensor[i].name, names[i]);
    const struct tensor *down = &g.model.tensor[g.arrangement.tensor[1].source];
    assert_int_equal(down->rank, 3);
    assert_int_equal(down->shape[0], 2);
    assert_int_equal(down->shape[1], 4);
    assert_int_equal(down->view->down, 2);
    assert_string_equal(g.model.tensor[down->view->piece[0].tensor].name, "model.layers.0.block_sparse_moe.experts.0.w2.weight");
    assert_true(g.arrangement.tensor[3].always_f32);
    done(&g);
}

static void stacks_that_are_there_already(void **state)
{
    struct given g;
    (void)state;
    start(&g, MOE);
    add(&g, "model.layers.0.mlp.experts.gate_up_proj", 2, 8, 6);
    add(&g, "model.layers.0.mlp.experts.down_proj", 2, 6, 4);
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    assert_int_equal(g.arrangement.count, 3);
    assert_string_equal(g.arrangement.tensor[1].name, "blk.0.ffn_up_exps.weight");
    const struct view *up = g.model.tensor[g.arrangement.tensor[1].source].view;
    assert_int_equal(up->rows, 4);
    assert_int_equal(up->piece[0].row0, 4);
    assert_int_equal(up->piece[1].row0, 12);
    assert_int_equal(up->piece_bytes, 12);
    assert_string_equal(g.arrangement.tensor[2].name, "blk.0.ffn_down_exps.weight");
    done(&g);
}

#define OSS "{\"architectures\": [\"GptOssForCausalLM\"], \"num_hidden_layers\": 1, \"num_local_experts\": 2}"

/* Stacks with suffixes; sinks without. */
static void stacks_with_biases(void **state)
{
    static const char *const projections[] = {"up_proj", "gate_proj", "down_proj"};
    struct given g;
    (void)state;
    for (int lack = 0; lack < 2; lack++) {
        start_in(&g, "model.safetensors", OSS);
        for (int p = 0; p < 3; p++) {
            char name[128];
            (void)snprintf(name, sizeof name, "model.layers.0.mlp.experts.%s.weight", projections[p]);
            add(&g, name, 2, 8, 6);
            (void)snprintf(name, sizeof name, "model.layers.0.mlp.experts.%s.bias", projections[p]);
            if (p > 0 || lack == 0)
                add(&g, name, 2, 8, 0);
        }
        add(&g, "model.layers.0.self_attn.sinks", 4, 0, 0);
        if (lack == 1) {
            assert_int_equal(arrange(&g, NULL), STATUS_CORRUPT);
            assert_non_null(strstr(g.err.what, "3 stacks of experts and 2 biases"));
            done(&g);
            break;
        }
        assert_int_equal(arrange(&g, NULL), STATUS_OK);
        static const char *const expected[] = {"blk.0.ffn_down_exps.bias", "blk.0.ffn_down_exps.weight", "blk.0.ffn_gate_exps.bias", "blk.0.ffn_gate_exps.weight",
                                               "blk.0.ffn_up_exps.bias",   "blk.0.ffn_up_exps.weight",   "blk.0.attn_sinks.weight"};
        assert_int_equal(g.arrangement.count, 7);
        for (size_t t = 0; t < 7; t++) {
            assert_string_equal(g.arrangement.tensor[t].name, expected[t]);
            assert_int_equal(g.arrangement.tensor[t].always_f32, t % 2 == 0);
        }
        done(&g);
    }
}

static void quantized_experts(void **state)
{
    struct given g;
    (void)state;
    start(&g, MOE);
    static const char *const projections[] = {"gate_proj", "up_proj", "down_proj"};
    for (int e = 0; e < 2; e++) {
        for (int p = 0; p < 3; p++) {
            char name[128];
            (void)snprintf(name, sizeof name, "model.layers.0.mlp.experts.%d.%s", e, projections[p]);
            add_weight(&g, name, 8, 16);
        }
    }
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    assert_int_equal(g.arrangement.count, 3);
    assert_int_equal(g.arrangement.tensor[0].weight_count, 2);
    assert_int_equal(g.arrangement.tensor[0].rank, 3);
    assert_string_equal(g.arrangement.tensor[0].name, "blk.0.ffn_down_exps.weight");
    assert_string_equal(g.model.weight[g.arrangement.tensor[0].weight[1]].name, "model.layers.0.mlp.experts.1.down_proj");
    done(&g);
}

static void what_gguf_does_not_want(void **state)
{
    struct given g;
    (void)state;
    start(&g, "{\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"text_config\": {\"num_hidden_layers\": 1}}");
    add(&g, "language_model.model.layers.0.input_layernorm.weight", 6, 0, 0);
    add(&g, "vision_tower.vision_model.embeddings.position_embedding.weight", 6, 6, 0);
    add(&g, "model.layers.0.self_attn.rotary_emb.inv_freq", 6, 0, 0);
    add(&g, "model.layers.0.mlp.up_proj.weight", 6, 6, 0);
    assert_int_equal(arrange(&g, "mlp"), STATUS_OK);
    assert_int_equal(g.arrangement.count, 1);
    assert_string_equal(g.arrangement.tensor[0].name, "blk.0.attn_norm.weight");
    assert_true(g.arrangement.tensor[0].plus_one);
    assert_int_equal(g.arrangement.left_count, 3);
    assert_string_equal(g.arrangement.left[0].why, "of the vision tower");
    assert_string_equal(g.arrangement.left[2].why, "excluded");
    done(&g);
}

#define GEMMA3 "{\"architectures\": [\"Gemma3ForCausalLM\"], \"num_hidden_layers\": 1}"

static void embeddings_end_with_the_tokens(void **state)
{
    struct given g;
    (void)state;
    start(&g, GEMMA3);
    add(&g, "model.embed_tokens.weight", 9, 4, 0);
    assert_int_equal(arrange_cut(&g, NULL, 7), STATUS_OK);
    assert_int_equal(g.arrangement.count, 1);
    assert_int_equal(g.arrangement.tensor[0].shape[0], 7);
    assert_int_equal(g.arrangement.tensor[0].shape[1], 4);
    assert_int_equal(g.model.tensor[g.arrangement.tensor[0].source].bytes, 7 * 4 * 2);
    done(&g);
    start(&g, GEMMA3);
    add(&g, "model.embed_tokens.weight", 9, 4, 0);
    assert_int_equal(arrange_cut(&g, NULL, 9), STATUS_OK);
    assert_int_equal(g.arrangement.tensor[0].shape[0], 9);
    done(&g);
    start(&g, GEMMA3);
    add_weight(&g, "model.embed_tokens", 16, 16);
    assert_int_equal(arrange_cut(&g, NULL, 15), STATUS_UNSUPPORTED);
    done(&g);
}

static void what_is_made_comes_first(void **state)
{
    struct given g;
    (void)state;
    start(&g, "{\"architectures\": [\"LlamaForCausalLM\"], \"num_hidden_layers\": 1, \"num_attention_heads\": 2, \"head_dim\": 16, "
              "\"rope_scaling\": {\"rope_type\": \"llama3\"}}");
    add(&g, "model.norm.weight", 6, 0, 0);
    assert_int_equal(arrange(&g, NULL), STATUS_OK);
    assert_int_equal(g.arrangement.count, 2);
    assert_string_equal(g.arrangement.tensor[0].name, "rope_freqs.weight");
    assert_int_equal(g.arrangement.tensor[0].shape[0], 8);
    assert_true(g.arrangement.tensor[0].always_f32);
    done(&g);
}

static void refused(const char *config, const char *name, uint64_t a, uint64_t b, enum status status, const char *what)
{
    struct given g;
    start(&g, config);
    add(&g, name, a, b, 0);
    assert_int_equal(arrange(&g, NULL), status);
    if (strstr(g.err.what, what) == NULL)
        fail_msg("found \"%s\", expected \"%s\"", g.err.what, what);
    done(&g);
}

static void what_is_refused(void **state)
{
    (void)state;
    refused(LLAMA, "model.layers.0.mystery.weight", 2, 2, STATUS_UNSUPPORTED, "have no name for");
    refused(LLAMA, "model.layers.0.self_attn.q_proj.weight", 7, 2, STATUS_CORRUPT, "7 rows, expected 2 heads");
    refused(LLAMA, "model.layers.0.self_attn.q_proj.weight", 6, 2, STATUS_CORRUPT, "an even number");
    refused(MIXTRAL, "model.layers.0.block_sparse_moe.experts.2.w1.weight", 2, 2, STATUS_CORRUPT, "expert 2, expected 1 layers of 2");
    refused(MIXTRAL, "model.layers.1.block_sparse_moe.experts.0.w1.weight", 2, 2, STATUS_CORRUPT, "layer 1");
    refused(MIXTRAL, "model.layers.0.block_sparse_moe.experts.0.w1.weight", 2, 2, STATUS_CORRUPT, "R-INCOMPLETE");
    refused(MIXTRAL, "model.layers.0.block_sparse_moe.experts.0.w1.bias", 2, 0, STATUS_UNSUPPORTED, "no matrix");
    refused(MOE, "model.layers.0.mlp.experts.down_proj", 2, 2, STATUS_CORRUPT, "no stack");
    refused(OSS, "model.layers.0.mlp.experts.down_proj.weight", 2, 2, STATUS_CORRUPT, "R-SHAPE");
    refused(OSS, "model.layers.0.mlp.experts.down_proj.bias", 3, 2, STATUS_CORRUPT, "R-SHAPE");
    refused(OSS, "model.layers.0.mlp.experts.gate_up_proj", 2, 2, STATUS_CORRUPT, "R-SHAPE");
    refused("{\"architectures\": [\"LlamaForCausalLM\"]}", "model.norm.weight", 2, 0, STATUS_CORRUPT, "number of layers");
    refused("{\"architectures\": [\"LlamaForCausalLM\"], \"num_hidden_layers\": 2}", "model.layers.0.self_attn.q_proj.weight", 2, 2, STATUS_CORRUPT,
            "num_attention_heads");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_of_safetensors_go_by_name),
        cmocka_unit_test(rows_turn_in_llama),
        cmocka_unit_test(experts_are_stacked_when_the_last_has_come),
        cmocka_unit_test(stacks_that_are_there_already),
        cmocka_unit_test(stacks_with_biases),
        cmocka_unit_test(quantized_experts),
        cmocka_unit_test(what_gguf_does_not_want),
        cmocka_unit_test(embeddings_end_with_the_tokens),
        cmocka_unit_test(what_is_made_comes_first),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
