/* quantization_config and its side files: what is taken, wrong members, and documents that contradict each other. */
#include "base/tree.h"
#include "formats/quantconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLACE "quantconfig.tmp"

/* The texts of a directory; NULL: the file is absent. `main` is config.json's quantization_config alone. */
struct texts {
    const char *main, *quantize, *quant;
};

struct given {
    struct source source;
    struct quantconfig config;
    struct err err;
};

static void put(const char *name, const char *text)
{
    char path[200];
    struct err err = {0};
    (void)snprintf(path, sizeof path, PLACE "/%s", name);
    assert_int_equal(file_spill(&file_posix, path, text, strlen(text), &err), STATUS_OK);
}

static void open_texts(struct given *g, const struct texts *texts)
{
    memset(g, 0, sizeof *g);
    assert_int_equal(tree_remove(&file_posix, PLACE, NULL), STATUS_OK);
    assert_int_equal(mkdir(PLACE, 0777), 0);
    if (texts->main != NULL) {
        char text[1000];
        (void)snprintf(text, sizeof text, "{\"quantization_config\": %s}", texts->main);
        put("config.json", text);
    }
    if (texts->quantize != NULL)
        put("quantize_config.json", texts->quantize);
    if (texts->quant != NULL)
        put("quant_config.json", texts->quant);
    assert_int_equal(source_open_plain(&g->source, &file_posix, PLACE, &g->err), STATUS_OK);
}

static enum status read_as(struct given *g, const char *method, struct texts texts)
{
    open_texts(g, &texts);
    const enum status status = quantconfig_read(&g->source, method, &g->config, &g->err);
    source_close(&g->source);
    return status;
}

static bool peek_as(struct given *g, const char *method, struct texts texts)
{
    open_texts(g, &texts);
    const bool found = quantconfig_peek(&g->source, method, &g->config);
    source_close(&g->source);
    return found;
}

static void everything(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"quant_method\": \"GPTQ\", \"bits\": 4, \"group_size\": 128, \"sym\": true, \"desc_act\": false,"
                                                               " \"checkpoint_format\": \"gptq_V2\", \"dynamic\": {\"-:x\": {}}, \"pack_dtype\": \"int64\","
                                                               " \"rotation\": \"hadamard\"}"}),
                     STATUS_OK);
    assert_string_equal(g.config.where, "config.json");
    assert_string_equal(g.config.method, "gptq");
    assert_string_equal(g.config.layout, "gptq_v2");
    assert_int_equal(g.config.bits, 4);
    assert_int_equal(g.config.group, 128);
    assert_int_equal(g.config.symmetric, 1);
    assert_int_equal(g.config.act_order, 0);
    assert_true(g.config.dynamic);
    assert_true(g.config.rotated);
    assert_true(g.config.other_pack);
    assert_false(g.config.word_add);
}

static void absent_members(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 8, \"group_size\": -1, \"sym\": null, \"desc_act\": null, \"dynamic\": {},"
                                                               " \"pack_dtype\": \"int32\", \"rotation\": null}"}),
                     STATUS_OK);
    assert_string_equal(g.config.method, "");
    assert_string_equal(g.config.layout, "");
    assert_int_equal(g.config.bits, 8);
    assert_int_equal(g.config.group, -1);
    assert_int_equal(g.config.symmetric, -1);
    assert_int_equal(g.config.act_order, -1);
    assert_false(g.config.dynamic);
    assert_false(g.config.rotated);
    assert_false(g.config.other_pack);
    assert_int_equal(read_as(&g, "awq", (struct texts){.quant = "{\"w_bit\": 4, \"q_group_size\": 64, \"version\": \"GEMM\"}"}), STATUS_OK);
    assert_string_equal(g.config.where, "quant_config.json");
    assert_string_equal(g.config.layout, "gemm");
    assert_int_equal(g.config.bits, 4);
    assert_int_equal(g.config.group, 64);
}

/* AWQ alone has a backend that says anything; elsewhere it is whatever a tool left there. */
static void backends(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_as(&g, "awq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"backend\": \"LLM-AWQ\"}"}), STATUS_OK);
    assert_string_equal(g.config.backend, "llm-awq");
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"backend\": 7}"}), STATUS_OK);
    assert_string_equal(g.config.backend, "");
}

static void who_wrote_it(void **state)
{
    static const struct {
        const char *text;
        bool word_add;
    } rows[] = {
        {"{\"bits\": 4, \"group_size\": 32, \"meta\": {\"quantizer\": [\"gptqmodel:2.0\"]}}", true},
        {"{\"bits\": 4, \"group_size\": 32, \"meta\": {\"quantizer\": \"GPTQModel:2.0\"}}", true},
        {"{\"bits\": 4, \"group_size\": 32, \"meta\": {\"quantizer\": [\"optimum:1\", \"auto-round:0.4\"]}}", true},
        {"{\"bits\": 4, \"group_size\": 32, \"provider\": \"auto-round\"}", true},
        {"{\"bits\": 4, \"group_size\": 32, \"autoround_version\": \"0.5\"}", true},
        {"{\"bits\": 4, \"group_size\": 32, \"meta\": {\"quantizer\": [\"autogptq:0.7\"]}}", false},
        {"{\"bits\": 4, \"group_size\": 32, \"meta\": null}", false},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_as(&g, "gptq", (struct texts){.main = rows[i].text}), STATUS_OK);
        assert_int_equal(g.config.word_add, rows[i].word_add);
    }
}

static void wrong_members(void **state)
{
    static const struct {
        const char *text, *member;
    } rows[] = {
        {"{\"bits\": \"4\", \"group_size\": 32}", "bits"},
        {"{\"bits\": 4.5, \"group_size\": 32}", "bits"},
        {"{\"bits\": 64, \"group_size\": 32}", "bits"},
        {"{\"bits\": -4, \"group_size\": 32}", "bits"},
        {"{\"group_size\": 32}", "bits"},
        {"{\"bits\": 4}", "group_size"},
        {"{\"bits\": 4, \"group_size\": 0}", "group_size"},
        {"{\"bits\": 4, \"group_size\": -2}", "group_size"},
        {"{\"bits\": 4, \"group_size\": 2147483648}", "group_size"},
        {"{\"bits\": 4, \"group_size\": true}", "group_size"},
        {"{\"bits\": 4, \"group_size\": 32, \"sym\": 1}", "sym"},
        {"{\"bits\": 4, \"group_size\": 32, \"zero_point\": \"yes\"}", "zero_point"},
        {"{\"bits\": 4, \"group_size\": 32, \"desc_act\": []}", "desc_act"},
        {"{\"bits\": 4, \"group_size\": 32, \"quant_method\": 4}", "quant_method"},
        {"{\"bits\": 4, \"group_size\": 32, \"checkpoint_format\": {}}", "checkpoint_format"},
        {"{\"bits\": 4, \"group_size\": 32, \"version\": 1}", "version"},
        {"{\"bits\": 4, \"group_size\": 32, \"pack_dtype\": 32}", "pack_dtype"},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum status status = read_as(&g, "gptq", (struct texts){.main = rows[i].text});
        if (status != STATUS_CORRUPT || strstr(g.err.what, rows[i].member) == NULL || strcmp(g.err.where, "config.json") != 0)
            fail_msg("%s: status %d, \"%s: %s\"", rows[i].text, (int)status, g.err.where, g.err.what);
        assert_int_equal(read_as(&g, "gptq", (struct texts){.quantize = rows[i].text}), STATUS_CORRUPT);
    }
}

static void names_of_the_layout(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"format\": \"gptq_v2\"}"}), STATUS_OK);
    assert_string_equal(g.config.layout, "gptq_v2");
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"checkpoint_format\": null, \"format\": \"gptq_v2\"}"}),
                     STATUS_OK);
    assert_string_equal(g.config.layout, "gptq_v2");
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"checkpoint_format\": \"gptq\", \"format\": \"gptq\"}"}),
                     STATUS_OK);
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4, \"group_size\": 32, \"checkpoint_format\": \"gptq\", \"format\": \"gptq_v2\"}"}),
                     STATUS_CORRUPT);
    assert_non_null(strstr(g.err.what, "R-CONFLICT"));
    assert_non_null(strstr(g.err.what, "checkpoint_format \"gptq\" and format \"gptq_v2\""));
}

#define BASE "\"bits\": 4, \"group_size\": 32"

static void documents_that_contradict_each_other(void **state)
{
    static const struct {
        const char *main, *side, *member; /* member NULL: no conflict */
    } rows[] = {
        {"{" BASE ", \"sym\": true, \"desc_act\": true}", "{" BASE ", \"sym\": true, \"desc_act\": true}", NULL},
        {"{" BASE ", \"sym\": true, \"desc_act\": true}", "{" BASE "}", NULL}, /* silence is no conflict */
        {"{" BASE ", \"checkpoint_format\": \"gptq\"}", "{" BASE "}", NULL},   /* the default layout */
        {"{" BASE "}", "{\"bits\": 8, \"group_size\": 32}", "bits"},
        {"{" BASE "}", "{\"bits\": 4, \"group_size\": 64}", "group_size"},
        {"{" BASE "}", "{\"bits\": 4, \"group_size\": -1}", "group_size"},
        {"{" BASE ", \"sym\": true}", "{" BASE ", \"sym\": false}", "sym"},
        {"{" BASE ", \"desc_act\": true}", "{" BASE ", \"desc_act\": false}", "desc_act"},
        {"{" BASE ", \"checkpoint_format\": \"gptq_v2\"}", "{" BASE "}", "checkpoint_format"},
        {"{" BASE "}", "{" BASE ", \"checkpoint_format\": \"gptq_v2\"}", "checkpoint_format"},
        {"{" BASE ", \"quant_method\": \"gptq\"}", "{" BASE ", \"quant_method\": \"awq\"}", "quant_method"},
        {"{" BASE "}", "{" BASE ", \"rotation\": \"hadamard\"}", "rotation"},
        {"{" BASE ", \"pack_dtype\": \"int64\"}", "{" BASE "}", "pack_dtype"},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int which = 0; which < 2; which++) {
            const struct texts texts = {rows[i].main, which == 0 ? rows[i].side : NULL, which == 1 ? rows[i].side : NULL};
            const enum status status = read_as(&g, "gptq", texts);
            char member[64];
            if (rows[i].member == NULL) {
                assert_int_equal(status, STATUS_OK);
                continue;
            }
            (void)snprintf(member, sizeof member, "another \"%s\" than in config.json", rows[i].member);
            if (status != STATUS_CORRUPT || strstr(g.err.what, member) == NULL)
                fail_msg("%s with %s: status %d, \"%s: %s\"", rows[i].main, rows[i].side, (int)status, g.err.where, g.err.what);
            assert_string_equal(g.err.where, which == 0 ? "quantize_config.json" : "quant_config.json");
            assert_non_null(strstr(g.err.what, "R-CONFLICT"));
            assert_true(g.err.remedy[0] != '\0');
        }
    }
    /* AWQ has no default that a version in a side file could contradict: it is not GPTQ's checkpoint_format. */
    assert_int_equal(read_as(&g, "awq", (struct texts){"{" BASE "}", NULL, "{" BASE ", \"version\": \"GEMM\"}"}), STATUS_OK);
    assert_int_equal(read_as(&g, "awq", (struct texts){"{" BASE ", \"version\": \"gemm\"}", NULL, "{" BASE ", \"version\": \"GEMM\"}"}), STATUS_OK);
    assert_int_equal(read_as(&g, "awq", (struct texts){"{" BASE ", \"version\": \"gemm\"}", NULL, "{" BASE ", \"version\": \"GEMV\"}"}), STATUS_CORRUPT);
    assert_string_equal(g.err.where, "quant_config.json");
    assert_non_null(strstr(g.err.what, "another \"version\" than in config.json"));
    assert_int_equal(read_as(&g, "gptq", (struct texts){NULL, "{" BASE "}", "{\"bits\": 8, \"group_size\": 32}"}), STATUS_CORRUPT);
    assert_non_null(strstr(g.err.what, "than in quantize_config.json"));
}

static void side_documents_that_are_broken(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{" BASE "}", .quantize = "[]"}), STATUS_CORRUPT);
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "{" BASE "}", .quantize = "{"}), STATUS_CORRUPT);
    assert_int_equal(read_as(&g, "gptq", (struct texts){NULL, NULL, NULL}), STATUS_CORRUPT);
    assert_int_equal(read_as(&g, "gptq", (struct texts){.main = "[]", .quantize = "{" BASE "}"}), STATUS_CORRUPT);
    assert_non_null(strstr(g.err.what, "quantization_config that is no object"));
    assert_false(peek_as(&g, "gptq", (struct texts){.quantize = "{"})); /* a probe never fails */
}

static void probes(void **state)
{
    struct given g;
    (void)state;
    assert_true(peek_as(&g, "gptq", (struct texts){.main = "{\"quant_method\": \"gptq\"}"}));
    assert_false(peek_as(&g, "awq", (struct texts){.main = "{\"quant_method\": \"gptq\"}"}));
    assert_true(peek_as(&g, "awq", (struct texts){.main = "{\"quant_method\": \"AWQ\", \"bits\": \"four\"}"})); /* its reader says what is wrong */
    assert_false(peek_as(&g, "gptq", (struct texts){.main = "{\"bits\": 4}"}));
    assert_false(peek_as(&g, "gptq", (struct texts){NULL, NULL, NULL}));
    assert_true(peek_as(&g, "gptq", (struct texts){.quantize = "{" BASE "}"})); /* old files name no method: their keys tell */
    assert_false(peek_as(&g, "awq", (struct texts){.quantize = "{" BASE "}"}));
    assert_true(peek_as(&g, "awq", (struct texts){.quant = "{\"w_bit\": 4, \"q_group_size\": 64}"}));
    assert_true(peek_as(&g, "awq", (struct texts){.quant = "{" BASE ", \"zero_point\": true}"}));
    assert_string_equal(g.config.where, "quant_config.json");
    assert_false(peek_as(&g, "gptq", (struct texts){.quant = "{\"w_bit\": 4, \"q_group_size\": 64}"}));
    assert_true(peek_as(&g, "gptq", (struct texts){.quant = "{\"w_bit\": 4, \"quant_method\": \"gptq\"}"}));
    assert_false(peek_as(&g, "gptq", (struct texts){.main = "{\"quant_method\": \"awq\"}", .quantize = "{" BASE "}"})); /* config.json decides */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(absent_members),
        cmocka_unit_test(backends), cmocka_unit_test(who_wrote_it),
        cmocka_unit_test(wrong_members),
        cmocka_unit_test(names_of_the_layout),
        cmocka_unit_test(documents_that_contradict_each_other),
        cmocka_unit_test(side_documents_that_are_broken),
        cmocka_unit_test(probes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
