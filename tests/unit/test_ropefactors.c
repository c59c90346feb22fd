#include "formats/ropefactors.h"

#include "base/le.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct given {
    struct model model;
    struct jsondoc *config;
    const struct arch *arch;
    uint32_t index[ROPEFACTORS_MAX], count;
    struct err err;
};

static enum status make(struct given *g, const char *config)
{
    memset(g, 0, sizeof *g);
    g->model.dir = "dir";
    assert_int_equal(jsondoc_parse("config.json", slice_of(config), &g->config, &g->err), STATUS_OK);
    assert_int_equal(hyper_arch(g->config, &g->arch, &g->err), STATUS_OK);
    return ropefactors_add(&g->model, g->arch, g->config, g->index, &g->count, &g->err);
}

static void done(struct given *g)
{
    model_free(&g->model);
    jsondoc_free(g->config);
}

static void is(const struct given *g, uint32_t which, const char *name, const float *expected, uint64_t rows)
{
    const struct tensor *tensor = &g->model.tensor[g->index[which]];
    assert_string_equal(tensor->name, name);
    assert_int_equal(tensor->rank, 1);
    assert_int_equal(tensor->shape[0], rows);
    for (uint64_t i = 0; i < rows; i++) {
        const uint32_t bits = le_load32((const uint8_t *)tensor->view->literal + 4 * i);
        float found;
        memcpy(&found, &bits, 4);
        if (memcmp(&found, &expected[i], 4) != 0)
            fail_msg("%s: factor %d is %a, expected %a", name, (int)i, (double)found, (double)expected[i]);
    }
}

#define LLAMA "{\"architectures\": [\"LlamaForCausalLM\"], \"num_attention_heads\": 4, \"hidden_size\": 64"
#define PHI3 "{\"architectures\": [\"Phi3ForCausalLM\"], \"num_attention_heads\": 4, \"hidden_size\": 16, \"max_position_embeddings\": 512"

/* The numbers are those of torch 2.13, by the converter's expression. */
static void llama3(void **state)
{
    static const float first[] = {1, 1, 1, 1, 0x1.58e65cp+1f, 8, 8, 8};
    static const float middle[] = {1, 0x1.38f85ep+0f, 0x1.d9af7ep+0f, 0x1.812988p+1f, 0x1.6b1804p+2f, 0x1.0e20e2p+4f, 32};
    struct given g;
    (void)state;
    assert_int_equal(make(&g, LLAMA ", \"rope_parameters\": {\"rope_type\": \"llama3\", \"rope_theta\": 500000.0}}"), STATUS_OK);
    assert_int_equal(g.count, 1);
    is(&g, 0, "rope_freqs.weight", first, 8);
    done(&g);
    assert_int_equal(make(&g, LLAMA ", \"head_dim\": 64, \"rope_theta\": 10000, \"rope_scaling\": {\"type\": \"LLAMA3\", \"factor\": 32, "
                                    "\"original_max_position_embeddings\": 512}}"),
                     STATUS_OK);
    assert_int_equal(g.model.tensor[g.index[0]].shape[0], 32);
    const struct tensor *tensor = &g.model.tensor[g.index[0]];
    for (int k = 10; k < 17; k++) {
        const uint32_t bits = le_load32((const uint8_t *)tensor->view->literal + 4 * k);
        assert_memory_equal(&bits, &middle[k - 10], 4);
    }
    done(&g);
}

static void phi3(void **state)
{
    static const float longer[] = {1.5f, 2.1f}, shorter[] = {1, 1.01f};
    struct given g;
    double factor;
    (void)state;
    assert_int_equal(make(&g, PHI3 ", \"original_max_position_embeddings\": 128, \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1.5, 2.1], "
                                   "\"short_factor\": [1, 1.01]}}"),
                     STATUS_OK);
    assert_int_equal(g.count, 2);
    is(&g, 0, "rope_factors_long.weight", longer, 2);
    is(&g, 1, "rope_factors_short.weight", shorter, 2);
    assert_int_equal(ropefactors_attention(g.arch, g.config, &factor, &g.err), STATUS_OK);
    assert_true(factor == sqrt(1 + log(4) / log(128)));
    done(&g);
    assert_int_equal(make(&g, PHI3 ", \"rope_parameters\": {\"rope_type\": \"yarn\", \"long_factor\": [1, 2], \"short_factor\": [1, 2], "
                                   "\"original_max_position_embeddings\": 512}}"),
                     STATUS_OK);
    assert_int_equal(ropefactors_attention(g.arch, g.config, &factor, &g.err), STATUS_OK);
    assert_true(factor == 1.0);
    done(&g);
}

static void nothing_to_make(void **state)
{
    static const char *const configs[] = {LLAMA "}", LLAMA ", \"rope_parameters\": {\"rope_type\": \"linear\", \"factor\": 2}}", PHI3 "}",
                                          PHI3 ", \"rope_scaling\": {\"long_factor\": []}}",
                                          "{\"architectures\": [\"Qwen2ForCausalLM\"], \"rope_scaling\": {\"rope_type\": \"llama3\"}}"};
    (void)state;
    for (size_t c = 0; c < sizeof configs / sizeof configs[0]; c++) {
        struct given g;
        double factor;
        assert_int_equal(make(&g, configs[c]), STATUS_OK);
        assert_int_equal(g.count, 0);
        assert_int_equal(ropefactors_attention(g.arch, g.config, &factor, &g.err), STATUS_OK);
        assert_true(isnan(factor));
        done(&g);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *config, *what;
    } rows[] = {
        {"{\"architectures\": [\"LlamaForCausalLM\"], \"rope_scaling\": {\"rope_type\": \"llama3\"}}", "no size of a head"},
        {LLAMA ", \"head_dim\": 2000000000, \"rope_scaling\": {\"rope_type\": \"llama3\"}}", "no size of a head"},
        {LLAMA ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"factor\": 0}}", "not positive"},
        {LLAMA ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"low_freq_factor\": -1}}", "not positive"},
        {LLAMA ", \"rope_scaling\": {\"rope_type\": \"llama3\", \"high_freq_factor\": 1e300}}", "not positive"},
        {PHI3 ", \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1], \"short_factor\": [1, 2]}}", "fewer numbers"},
        {PHI3 ", \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1, 2, 3], \"short_factor\": [1, 2]}}", "as many numbers"},
        {PHI3 ", \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1, \"2\"], \"short_factor\": [1, 2]}}", "as many numbers"},
        {PHI3 ", \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1, 1e300], \"short_factor\": [1, 2]}}", "finite"},
        {PHI3 ", \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1, 2]}}", "fewer numbers"},
        {PHI3 ", \"partial_rotary_factor\": 1e9, \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1]}}", "no size between"},
    };
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct given g;
        assert_int_equal(make(&g, rows[r].config), STATUS_CORRUPT);
        if (strstr(g.err.what, rows[r].what) == NULL)
            fail_msg("found \"%s\", expected \"%s\"", g.err.what, rows[r].what);
        done(&g);
    }
    struct given g;
    double factor;
    assert_int_equal(make(&g, PHI3 ", \"rope_scaling\": {\"type\": \"mystery\", \"long_factor\": [1, 2], \"short_factor\": [1, 2]}}"), STATUS_OK);
    assert_int_equal(ropefactors_attention(g.arch, g.config, &factor, &g.err), STATUS_CORRUPT);
    done(&g);
    assert_int_equal(make(&g, PHI3 ", \"original_max_position_embeddings\": 1, \"rope_scaling\": {\"type\": \"su\", \"long_factor\": [1, 2], "
                                   "\"short_factor\": [1, 2]}}"),
                     STATUS_OK);
    assert_int_equal(ropefactors_attention(g.arch, g.config, &factor, &g.err), STATUS_CORRUPT);
    done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(llama3), cmocka_unit_test(phi3), cmocka_unit_test(nothing_to_make),
                                       cmocka_unit_test(what_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
