/* The tables of check: engines, acceptance, rules, and the constraints that a conversion gets from them; findings, blocks and described. */
#include "checked.h"
#include "check/blocks.h"
#include "check/listing.h"
#include "check/spread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PLACE "tables.tmp"

static void engines(void **state)
{
    static const char *const names[] = {"vllm",   "sglang",      "transformers", "autoawq", "gptqmodel", "autogptq", "llama.cpp",
                                        "ollama", "vllm-ascend", "mindie",       "mlx",     "lmdeploy"};
    char text[200];
    (void)state;
    assert_int_equal(sizeof names / sizeof names[0], ENGINE_COUNT);
    for (size_t i = 0; i < ENGINE_COUNT; i++) {
        assert_int_equal(engines_find(names[i]), i);
        assert_string_equal(engines_at((enum engine_id)i)->name, names[i]);
        assert_true(engines_formats((enum engine_id)i, text, sizeof text)[0] != '\0'); /* every engine loads something */
    }
    assert_int_equal(engines_find("exllama"), ENGINE_COUNT);
    assert_non_null(strstr(engines_names(text, sizeof text), "vllm, sglang"));
    assert_string_equal(engines_formats(ENGINE_MINDIE, text, sizeof text), "hf, msmodelslim");
    assert_string_equal(engines_formats(ENGINE_AUTOGPTQ, text, sizeof text), "gptq"); /* its import of AWQ is none */
}

static void encodings(void **state)
{
    (void)state;
    for (int e = 0; e < ENCODING_COUNT; e++)
        assert_int_equal(engines_encoding(engines_encoding_name((enum encoding)e)), e);
    assert_int_equal(engines_encoding("meta"), ENCODING_COUNT);
    assert_string_equal(engines_encoding_name(ENCODING_COUNT), "unknown");
}

static void acceptance(void **state)
{
    (void)state;
    for (int e = 0; e < ENGINE_COUNT; e++)
        for (int c = 0; c < ENCODING_COUNT; c++) {
            const struct acceptance *row = engines_accept((enum engine_id)e, (enum encoding)c);
            if (row == NULL)
                continue;
            assert_int_equal(row->engine, e);
            assert_int_equal(row->encoding, c);
            assert_true((row->note != NULL) == (row->note_severity != SEVERITY_PASS));
            assert_true((c == ENCODING_GGUF) == (c == ENCODING_GGUF && engines_gguf_reader((enum engine_id)e) != NULL));
            assert_true(c != ENCODING_AWQ || row->note_severity >= SEVERITY_FAIL || row->limits.bits == 1u << 4);
        }
}

static void constraints(void **state)
{
    struct constraints limits;
    struct engine_limits others;
    struct err err = {0};
    (void)state;
    assert_int_equal(check_constraints(ENGINE_VLLM, "gptq", &others, &limits, &err), STATUS_OK);
    assert_string_equal(limits.engine, "vllm");
    assert_true(limits.symmetric_only);
    assert_int_equal(limits.bits, 1u << 4 | 1u << 8);
    assert_int_equal(check_constraints(ENGINE_LMDEPLOY, "awq", &others, &limits, &err), STATUS_OK);
    assert_int_equal(limits.groups, 128);
    assert_int_equal(limits.other_count, 3);
    assert_string_equal(limits.other[1].format, "awq");
    assert_int_equal(limits.other[1].bits, 1u << 4);
    assert_int_equal(check_constraints(ENGINE_VLLM_ASCEND, "msmodelslim", &others, &limits, &err), STATUS_OK);
    assert_int_equal(limits.groups, CONSTRAINTS_PER_CHANNEL);
    assert_int_equal(check_constraints(ENGINE_OLLAMA, "awq", &others, &limits, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "expected one of: hf"));
    assert_non_null(strstr(err.remedy, "repaq check SRC --for ollama"));
    assert_int_equal(check_constraints(ENGINE_MLX, "gptq", &others, &limits, &err), STATUS_UNSUPPORTED);
    assert_int_equal(check_constraints(ENGINE_VLLM, "gguf", &others, &limits, &err), STATUS_OK);
    assert_int_equal(limits.bits, 0);
    assert_int_equal(check_constraints(ENGINE_MLX, "gguf", &others, &limits, &err), STATUS_UNSUPPORTED);
}

static void rules(void **state)
{
    (void)state;
    assert_true(rules_count() > 25 && rules_count() <= FINDINGS_RULES_MAX);
    for (unsigned number = 0; number <= 25; number++) {
        char id[8];
        bool found = false;
        (void)snprintf(id, sizeof id, "E%u", number);
        for (size_t r = 0; r < rules_count(); r++)
            found = found || strcmp(rules_at(r)->id, id) == 0;
        if (!found)
            fail_msg("no rule %s", id);
    }
    for (size_t r = 0; r < rules_count(); r++)
        assert_true(rules_at(r)->engines != 0 && rules_at(r)->encodings != 0 && rules_at(r)->judge != NULL);
}

static void findings(void **state)
{
    struct findings all = {.rule = 3};
    struct err err = {0};
    (void)state;
    assert_string_equal(findings_severity_name(SEVERITY_SILENT), "silent");
    assert_int_equal(findings_add(&all, (struct remark){SEVERITY_WARN, "a", "b", "c", NULL, 0}, &err), STATUS_OK);
    assert_false(findings_refuse(&all));
    assert_int_equal(findings_add(&all, (struct remark){SEVERITY_FAIL, "a", NULL, "c", NULL, 0}, &err), STATUS_LIMIT);
    for (size_t i = 0; i < FINDINGS_PER_RULE_MAX + 5; i++)
        assert_int_equal(findings_add(&all, (struct remark){SEVERITY_SILENT, "a", "b", "c", NULL, 0}, &err), STATUS_OK);
    assert_true(findings_refuse(&all));
    assert_int_equal(all.count, FINDINGS_PER_RULE_MAX);
    assert_int_equal(all.remark[0].rule, 3);
    assert_int_equal(all.result[3].count, FINDINGS_PER_RULE_MAX + 6);
    assert_int_equal(all.result[3].worst, SEVERITY_SILENT);
    findings_free(&all);
}

static void spreads(void **state)
{
    struct subject subject = {0};
    struct spread spread = {0};
    (void)state;
    spread_add(&spread, "x");
    assert_string_equal(spread_text(&spread, &subject, NULL), "x");
    spread_add(&spread, "y");
    spread_add(&spread, "z");
    assert_string_equal(spread_text(&spread, &subject, NULL), "x and 2 more");
    subject_free(&subject);
}

static void add_tensor(struct model *model, const char *name)
{
    static const uint64_t shape[1] = {1};
    const struct tensor tensor = {.name = name, .shape = shape, .rank = 1, .dtype = DTYPE_F16, .bytes = 2};
    assert_int_equal(model_add_tensor(model, &tensor, NULL, NULL), STATUS_OK);
}

static void names_by_block(void **state)
{
    static const char *const names[] = {"model.layers.0.mlp.up_proj.qweight", "model.layers.0.mlp.up_proj.qzeros", "model.layers.11.mlp.up_proj.weight",
                                        "visual.blocks.0.a.weight", "visual.blocks.0.b.weight", "visual.blocks.0.c.weight", "visual.blocks.0.d.weight",
                                        "model.layers.0.self_attn.q_proj.bias", "model.layers.0.rotary.inv_freq", "lm_head.weight"};
    struct model model = {0};
    struct blocks blocks = {0};
    struct slice module;
    (void)state;
    assert_int_equal(model_add_file(&model, "f", 8, NULL, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        add_tensor(&model, names[i]);
    assert_int_equal(blocks_collect(&blocks, &model, NULL), STATUS_OK);
    assert_string_equal(blocks.base, "model.layers.");
    assert_int_equal(blocks.blocks, 12);
    assert_int_equal(blocks.inner_count, 2);
    assert_string_equal(blocks.inner[0], "mlp.up_proj");
    assert_int_equal(blocks.seen[0], 2);
    assert_string_equal(blocks.inner[1], "self_attn.q_proj.bias");
    assert_true(blocks_has(&blocks, "lm_head"));
    assert_true(blocks_has(&blocks, "model.layers.11.mlp.up_proj"));
    assert_false(blocks_has(&blocks, "model.layers.1.mlp.up_proj"));
    blocks_free(&blocks);
    model_free(&model);
    assert_true(blocks_module(slice_of("a.norm.module.weight"), &module) && slice_is(module, "a.norm"));
    assert_true(blocks_module(slice_of("a.weight_zero_point"), &module) && slice_is(module, "a"));
    assert_false(blocks_module(slice_of("a.norm.module.bias"), &module));
    assert_false(blocks_module(slice_of("a.inv_freq"), &module));
}

static enum status describe(struct described *described, const char *text)
{
    struct source source;
    struct err err = {0};
    *described = (struct described){0};
    spill(PLACE, "quant_model_description.json", text, strlen(text));
    assert_int_equal(source_open(&source, &file_posix, PLACE, &err), STATUS_OK);
    const enum status status = described_read(described, &source, &err);
    source_close(&source);
    return status;
}

static void descriptions(void **state)
{
    struct described described;
    (void)state;
    llama_write(&(struct llama){.encoding = ENCODING_HF}, PLACE);
    assert_int_equal(describe(&described, "{\"a.weight\": \"W8A16\", \"b.weight\": \"FLOAT\", \"version\": \"1.0.0\", \"group_size\": 64, \"metadata\": {\"x\": [1]},"
                                          " \"model_quant_type\": \"W8A16\", \"fa_quant_type\": null, \"kv_quant_type\": \"\"}"), STATUS_OK);
    assert_int_equal(described.count, 2);
    assert_string_equal(described_type(&described, "a.weight"), "W8A16");
    assert_null(described_type(&described, "c.weight"));
    assert_string_equal(described.version, "1.0.0");
    assert_string_equal(described.headline, "W8A16");
    assert_string_equal(described.null_member, "fa_quant_type");
    assert_true(described.has_group_size && described.group_size == 64);
    described_free(&described);
    assert_int_equal(describe(&described, "{\"a.weight\": \"FLOAT\", \"a.weight\": \"FLOAT\"}"), STATUS_CORRUPT);
    described_free(&described);
    assert_int_equal(describe(&described, "[1]"), STATUS_CORRUPT);
    described_free(&described);
}

static void listings(void **state)
{
    struct listing listing = {0};
    struct jsondoc *doc = NULL;
    char text[40000] = "{\"l\": [\"mlp.gate\", [\"lm_head\"]", word[40];
    (void)state;
    for (int i = 0; i < 1100; i++) {
        (void)snprintf(word, sizeof word, ", \"model.layers.%d.x_proj\"", i);
        (void)strcat(text, word);
    }
    (void)strcat(text, "], \"d\": {\"-:^model\\\\.layers\\\\.7\\\\.q_proj$\": {}, \"+:up_proj\": {}, \"-:.*visual.*\": {}, \"-:\": {}}}");
    assert_int_equal(jsondoc_parse("t", slice_of(text), &doc, NULL), STATUS_OK);
    assert_int_equal(listing_add_words(&listing, jsondoc_get(doc, "l"), NULL), STATUS_OK);
    assert_int_equal(listing.count, LISTING_PARTS_MAX);
    assert_true(listing_covers(&listing, "model.layers.3.mlp.gate"));
    assert_true(listing_covers(&listing, "lm_head"));
    assert_true(listing_covers(&listing, "model.layers.1099.x_proj")); /* a whole name, however far down */
    assert_false(listing_covers(&listing, "model.layers.1099.x_proj.y"));
    assert_false(listing_covers(&listing, "model.layers.0.mlp.up_proj"));
    listing_free(&listing);
    assert_int_equal(listing_add_rules(&listing, jsondoc_get(doc, "d"), NULL), STATUS_OK);
    assert_int_equal(listing.count, 2);
    assert_true(listing_covers(&listing, "model.layers.7.q_proj"));
    assert_true(listing_covers(&listing, "model.visual.a"));
    assert_false(listing_covers(&listing, "model.layers.7.up_proj"));
    listing_free(&listing);
    jsondoc_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engines), cmocka_unit_test(encodings), cmocka_unit_test(acceptance),     cmocka_unit_test(constraints),  cmocka_unit_test(rules),
        cmocka_unit_test(findings), cmocka_unit_test(spreads),  cmocka_unit_test(names_by_block), cmocka_unit_test(descriptions), cmocka_unit_test(listings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
