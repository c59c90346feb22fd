/* The config of compressed-tensors: what is taken, every error, and which scheme a module has. */
#include "base/tree.h"
#include "formats/ctconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLACE "ctconfig.tmp"

struct given {
    struct source source;
    struct ctconfig config;
    struct err err;
};

/* Reads config.json with this text as quantization_config; drop() ends it, whatever came of it. */
static enum status read_text(struct given *g, const char *text)
{
    struct text whole = {0};
    memset(g, 0, sizeof *g);
    assert_int_equal(tree_remove(&file_posix, PLACE, NULL), STATUS_OK);
    assert_int_equal(mkdir(PLACE, 0777), 0);
    text_format(&whole, "{\"quantization_config\": %s}", text);
    assert_int_equal(file_spill(&file_posix, PLACE "/config.json", whole.data, whole.size, &g->err), STATUS_OK);
    text_free(&whole);
    assert_int_equal(source_open_plain(&g->source, &file_posix, PLACE, &g->err), STATUS_OK);
    return ctconfig_read(&g->source, &g->config, &g->err);
}

static void drop(struct given *g)
{
    ctconfig_free(&g->config);
    ctconfig_free(&g->config); /* idempotent */
    source_close(&g->source);
}

static void everything(void **state)
{
    static const char text[] =
        "{\"quant_method\": \"compressed-tensors\", \"format\": \"mixed-precision\", \"quantization_status\": \"compressed\", \"version\": \"0.12.3\","
        " \"kv_cache_scheme\": null, \"global_compression_ratio\": 1.5, \"sparsity_config\": {\"format\": \"dense\"}, \"transform_config\":"
        " {\"config_groups\": {}}, \"ignore\": [\"lm_head\"], \"config_groups\": {"
        "\"a\": {\"targets\": [\"Linear\"], \"format\": \"pack-quantized\", \"weights\": {\"num_bits\": 4, \"type\": \"int\", \"symmetric\": false,"
        " \"strategy\": \"group\", \"group_size\": 64, \"actorder\": \"group\", \"dynamic\": false, \"observer\": \"minmax\", \"observer_kwargs\": {},"
        " \"block_structure\": null, \"scale_dtype\": \"torch.float16\", \"zp_dtype\": \"torch.int8\"}, \"input_activations\": null,"
        " \"output_activations\": null},"
        "\"b\": {\"targets\": [\"x\"], \"format\": \"int-quantized\", \"weights\": {\"strategy\": \"channel\", \"actorder\": true},"
        " \"input_activations\": {\"dynamic\": true, \"strategy\": \"token\"}},"
        "\"c\": {\"targets\": [\"y\"], \"format\": \"float-quantized\", \"weights\": {\"type\": \"float\", \"strategy\": \"block\", \"block_structure\":"
        " [128, 128]}, \"input_activations\": {\"type\": \"float\", \"dynamic\": \"local\", \"group_size\": 16}},"
        "\"d\": {\"targets\": [\"z\"], \"format\": \"nvfp4-pack-quantized\", \"weights\": {\"num_bits\": 4, \"type\": \"float\","
        " \"strategy\": \"tensor_group\", \"group_size\": 16}}}}";
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, text), STATUS_OK);
    assert_int_equal(g.config.version[0], 0);
    assert_int_equal(g.config.version[1], 12);
    assert_int_equal(g.config.version[2], 3);
    assert_int_equal(g.config.scheme_count, 4);
    const struct ct_scheme *scheme = g.config.scheme;
    assert_string_equal(scheme[0].name, "a");
    assert_string_equal(scheme[0].format, "pack-quantized");
    assert_int_equal(scheme[0].bits, 4);
    assert_false(scheme[0].floats);
    assert_false(scheme[0].symmetric);
    assert_int_equal(scheme[0].strategy, CT_GROUP);
    assert_int_equal(scheme[0].group, 64);
    assert_int_equal(scheme[0].activation, ACTIVATION_NONE);
    assert_string_equal(scheme[1].format, "int-quantized");
    assert_int_equal(scheme[1].bits, 8);
    assert_true(scheme[1].symmetric);
    assert_int_equal(scheme[1].strategy, CT_CHANNEL);
    assert_int_equal(scheme[1].activation, ACTIVATION_DYNAMIC);
    assert_true(scheme[2].floats);
    assert_int_equal(scheme[2].strategy, CT_BLOCK);
    assert_int_equal(scheme[3].strategy, CT_GROUP);
    assert_int_equal(scheme[3].group, 16);
    drop(&g);
}

#define CONFIG(members, group) "{\"format\": \"pack-quantized\"" members ", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"]" group "}}}"
#define WEIGHTS(args) CONFIG("", ", \"weights\": {" args "}")
#define INPUT(args) CONFIG("", ", \"weights\": {}, \"input_activations\": {" args "}")

#define BLOCK(block) WEIGHTS("\"strategy\": \"block\", \"block_structure\": " block)

/* What a strategy is where it is not stated, and what null stands for. */
static void defaults(void **state)
{
    static const struct {
        const char *text;
        enum ct_strategy strategy;
        int64_t group;
        enum activation activation;
    } rows[] = {
        {WEIGHTS(""), CT_TENSOR, 0, ACTIVATION_NONE},
        {WEIGHTS("\"num_bits\": null, \"type\": null, \"symmetric\": null, \"strategy\": null, \"group_size\": null, \"dynamic\": null"), CT_TENSOR, 0,
         ACTIVATION_NONE},
        {WEIGHTS("\"group_size\": -1"), CT_CHANNEL, -1, ACTIVATION_NONE},
        {WEIGHTS("\"group_size\": 1"), CT_GROUP, 1, ACTIVATION_NONE},
        {WEIGHTS("\"group_size\": 2147483647, \"strategy\": \"group\""), CT_GROUP, INT32_MAX, ACTIVATION_NONE},
        {WEIGHTS("\"group_size\": -1, \"strategy\": \"tensor\""), CT_TENSOR, -1, ACTIVATION_NONE},
        {WEIGHTS("\"strategy\": \"block\", \"block_structure\": [128, 64]"), CT_BLOCK, 0, ACTIVATION_NONE},
        {WEIGHTS("\"strategy\": \"block\", \"block_structure\": \"128x64\""), CT_BLOCK, 0, ACTIVATION_NONE},
        {INPUT(""), CT_TENSOR, 0, ACTIVATION_STATIC},
        {INPUT("\"strategy\": \"tensor\", \"symmetric\": false, \"dynamic\": false"), CT_TENSOR, 0, ACTIVATION_STATIC},
        {CONFIG(", \"ignore\": null, \"version\": null, \"sparsity_config\": null, \"transform_config\": null", ", \"weights\": {}, \"format\": null"),
         CT_TENSOR, 0, ACTIVATION_NONE},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (read_text(&g, rows[i].text) != STATUS_OK)
            fail_msg("%s: %s", rows[i].text, g.err.what);
        assert_int_equal(g.config.scheme[0].bits, 8);
        assert_true(g.config.scheme[0].symmetric);
        assert_int_equal(g.config.scheme[0].strategy, rows[i].strategy);
        assert_int_equal(g.config.scheme[0].group, rows[i].group);
        assert_int_equal(g.config.scheme[0].activation, rows[i].activation);
        assert_int_equal(g.config.scheme[0].block[0], rows[i].strategy == CT_BLOCK ? 128 : 0);
        assert_int_equal(g.config.scheme[0].block[1], rows[i].strategy == CT_BLOCK ? 64 : 0);
        assert_string_equal(g.config.scheme[0].format, "pack-quantized");
        drop(&g);
    }
}

static void versions(void **state)
{
    static const struct {
        const char *text;
        unsigned version[3]; /* 9 9 9: refused */
    } rows[] = {
        {"0.18.0", {0, 18, 0}},
        {"0.18", {0, 18, 0}},
        {"0.18.", {0, 18, 0}},
        {"0.18rc1", {0, 18, 0}},
        {"1.2.3.dev4+g5", {1, 2, 3}},
        {"0.9.4", {0, 9, 4}},
        {"10.20.30", {10, 20, 30}},
        {"999999999.0.0", {999999999, 0, 0}},
        {"", {9, 9, 9}},
        {"0", {9, 9, 9}},
        {"0.", {9, 9, 9}},
        {".1", {9, 9, 9}},
        {"v0.18", {9, 9, 9}},
        {" 0.18", {9, 9, 9}},
        {"-0.18", {9, 9, 9}},
        {"0.-18", {9, 9, 9}},
        {"1000000000.0", {9, 9, 9}},
        {"0.18.1000000000", {9, 9, 9}},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[300];
        (void)snprintf(text, sizeof text, CONFIG(", \"version\": \"%s\"", ", \"weights\": {}"), rows[i].text);
        const bool refused = rows[i].version[0] == 9 && rows[i].version[1] == 9 && rows[i].version[2] == 9;
        const enum status status = read_text(&g, text);
        if (status != (refused ? STATUS_CORRUPT : STATUS_OK) || (refused && strstr(g.err.what, "\"version\"") == NULL) ||
            (!refused && memcmp(g.config.version, rows[i].version, sizeof rows[i].version) != 0))
            fail_msg("%s: status %d, %u.%u.%u, %s", rows[i].text, (int)status, g.config.version[0], g.config.version[1], g.config.version[2], g.err.what);
        drop(&g);
    }
}

struct refused {
    const char *text, *what;
};

static void refuse(const struct refused *rows, size_t count, enum status expected)
{
    struct given g;
    for (size_t i = 0; i < count; i++) {
        const enum status status = read_text(&g, rows[i].text);
        if (status != expected || strstr(g.err.what, rows[i].what) == NULL || strcmp(g.err.where, "config.json") != 0)
            fail_msg("%s: status %d, \"%s: %s\", expected %s", rows[i].text, (int)status, g.err.where, g.err.what, rows[i].what);
        drop(&g);
    }
}

static void wrong_members(void **state)
{
    static const struct refused rows[] = {
        {"{}", "\"config_groups\""},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {}}", "\"config_groups\""},
        {"{\"format\": \"pack-quantized\", \"config_groups\": [{}]}", "\"config_groups\""},
        {"{\"config_groups\": {\"g\": {\"targets\": [], \"weights\": {}}}}", "\"format\""},
        {"{\"format\": 1, \"config_groups\": {\"g\": {\"format\": \"pack-quantized\", \"targets\": [], \"weights\": {}}}}", "\"format\""},
        {CONFIG("", ", \"weights\": {}, \"format\": 1"), "\"format\" in g"},
        {CONFIG(", \"quantization_status\": 1", ", \"weights\": {}"), "\"quantization_status\""},
        {CONFIG(", \"version\": 0.18", ", \"weights\": {}"), "\"version\""},
        {CONFIG(", \"kv_cache_scheme\": []", ", \"weights\": {}"), "\"kv_cache_scheme\""},
        {CONFIG(", \"global_compression_ratio\": \"1\"", ", \"weights\": {}"), "\"global_compression_ratio\""},
        {CONFIG(", \"sparsity_config\": \"dense\"", ", \"weights\": {}"), "\"sparsity_config\""},
        {CONFIG(", \"transform_config\": [1]", ", \"weights\": {}"), "\"transform_config\""},
        {CONFIG(", \"ignore\": \"lm_head\"", ", \"weights\": {}"), "\"ignore\""},
        {CONFIG(", \"ignore\": [1]", ", \"weights\": {}"), "\"ignore\""},
        {CONFIG(", \"ignore\": [\"re:(\"]", ", \"weights\": {}"), "regular expression"},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"weights\": {}}}}", "\"targets\" in g"},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"weights\": {}, \"targets\": null}}}", "\"targets\" in g"},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"weights\": {}, \"targets\": \"Linear\"}}}", "\"targets\""},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"weights\": {}, \"targets\": [null]}}}", "\"targets\""},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"g\": {\"weights\": {}, \"targets\": [\"re:[\"]}}}", "regular expression"},
        {CONFIG("", ""), "\"weights\" in g"},
        {CONFIG("", ", \"weights\": null"), "\"weights\" in g"},
        {CONFIG("", ", \"weights\": [4]"), "\"weights\" in g"},
        {WEIGHTS("\"num_bits\": \"4\""), "\"num_bits\" in g"},
        {WEIGHTS("\"num_bits\": 0"), "\"num_bits\""},
        {WEIGHTS("\"num_bits\": 33"), "\"num_bits\""},
        {WEIGHTS("\"num_bits\": 4.5"), "\"num_bits\""},
        {WEIGHTS("\"type\": 1"), "\"type\""},
        {WEIGHTS("\"type\": \"uint\""), "\"type\""},
        {WEIGHTS("\"symmetric\": 1"), "\"symmetric\""},
        {WEIGHTS("\"group_size\": 0"), "\"group_size\""},
        {WEIGHTS("\"group_size\": -2"), "\"group_size\""},
        {WEIGHTS("\"group_size\": \"64\""), "\"group_size\""},
        {WEIGHTS("\"group_size\": 2147483648"), "\"group_size\""},
        {WEIGHTS("\"strategy\": 1"), "\"strategy\""},
        {WEIGHTS("\"strategy\": \"groups\""), "\"strategy\""},
        {WEIGHTS("\"strategy\": \"token\""), "\"strategy\""},
        {WEIGHTS("\"strategy\": \"attn_head\""), "\"strategy\""},
        {WEIGHTS("\"strategy\": \"tensor_group\", \"group_size\": 16"), "\"strategy\""},
        {WEIGHTS("\"type\": \"float\", \"strategy\": \"token\""), "\"strategy\""},
        {WEIGHTS("\"type\": \"float\", \"strategy\": \"tensor_group\""), "\"group_size\""},
        {WEIGHTS("\"strategy\": \"group\""), "\"group_size\""},
        {WEIGHTS("\"strategy\": \"group\", \"group_size\": -1"), "\"group_size\""},
        {WEIGHTS("\"strategy\": \"channel\", \"group_size\": 64"), "\"group_size\""},
        {WEIGHTS("\"strategy\": \"tensor\", \"group_size\": 64"), "\"group_size\""},
        {WEIGHTS("\"strategy\": \"block\", \"group_size\": 64"), "\"group_size\""},
        {WEIGHTS("\"dynamic\": 1"), "\"dynamic\""},
        {WEIGHTS("\"dynamic\": \"global\""), "\"dynamic\""},
        {WEIGHTS("\"actorder\": 1"), "\"actorder\""},
        {WEIGHTS("\"actorder\": \"rows\""), "\"actorder\""},
        {WEIGHTS("\"block_structure\": 128"), "\"block_structure\""},
        {WEIGHTS("\"strategy\": \"block\""), "\"block_structure\""},
        {BLOCK("[128]"), "\"block_structure\""},
        {BLOCK("[128, 128, 1]"), "\"block_structure\""},
        {BLOCK("[0, 128]"), "\"block_structure\""},
        {BLOCK("[128, 0]"), "\"block_structure\""},
        {BLOCK("[2147483648, 1]"), "\"block_structure\""},
        {BLOCK("[1, 2147483648]"), "\"block_structure\""},
        {BLOCK("[\"1\", 1]"), "\"block_structure\""},
        {BLOCK("[1, \"1\"]"), "\"block_structure\""},
        {BLOCK("\"128\""), "\"block_structure\""},
        {BLOCK("\"-1x1\""), "\"block_structure\""},
        {BLOCK("\"1x-1\""), "\"block_structure\""},
        {BLOCK("\"0x1\""), "\"block_structure\""},
        {BLOCK("\"1x0\""), "\"block_structure\""},
        {BLOCK("\"4294967297x1\""), "\"block_structure\""},
        {BLOCK("\"1x4294967297\""), "\"block_structure\""},
        {WEIGHTS("\"observer\": 1"), "\"observer\""},
        {WEIGHTS("\"observer_kwargs\": []"), "\"observer_kwargs\""},
        {WEIGHTS("\"scale_dtype\": 16"), "\"scale_dtype\""},
        {WEIGHTS("\"zp_dtype\": 8"), "\"zp_dtype\""},
        {CONFIG("", ", \"weights\": {}, \"input_activations\": true"), "\"input_activations\" in g"},
        {INPUT("\"num_bits\": true"), "\"num_bits\""},
        {INPUT("\"type\": 8"), "\"type\""},
        {INPUT("\"strategy\": \"rows\""), "\"strategy\""},
        {INPUT("\"dynamic\": \"yes\""), "\"dynamic\""},
    };
    (void)state;
    refuse(rows, sizeof rows / sizeof rows[0], STATUS_CORRUPT);
}

static void unsupported_members(void **state)
{
    static const struct refused rows[] = {
        {CONFIG(", \"transform_config\": {\"config_groups\": {\"R1\": {}}}", ", \"weights\": {}"), "transform_config (R-ROT)"},
        {CONFIG(", \"sparsity_config\": {\"format\": \"sparse-24-bitmask\"}", ", \"weights\": {}"), "sparsity_config"},
        {"{\"format\": \"pack-quantized\", \"config_groups\": {\"W4A16\": [\"Linear\"]}}", "\"W4A16\" as a list"},
        {"{\"format\": \"marlin-24\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {}}}}", "format \"marlin-24\" of g"},
        {"{\"format\": \"mixed-precision\", \"config_groups\": {\"g\": {\"targets\": [\"Linear\"], \"weights\": {}}}}", "format \"mixed-precision\" of g"},
        {CONFIG("", ", \"weights\": {}, \"format\": \"dense\""), "format \"dense\""},
        {CONFIG("", ", \"weights\": {}, \"output_activations\": {}"), "output_activations"},
        {WEIGHTS("\"num_bits\": 9"), "more than 8 bits"},
        {WEIGHTS("\"num_bits\": 16, \"type\": \"float\""), "more than 8 bits"},
        {WEIGHTS("\"dynamic\": true"), "scales of the run time"},
        {WEIGHTS("\"dynamic\": \"local\""), "scales of the run time"},
        {INPUT("\"num_bits\": 4"), "not int8"},
        {INPUT("\"type\": \"float\""), "not int8"},
        {INPUT("\"dynamic\": \"local\""), "not int8"},
        {INPUT("\"dynamic\": true"), "one scale for each token"},
        {INPUT("\"dynamic\": true, \"strategy\": \"tensor\""), "one scale for each token"},
        {INPUT("\"dynamic\": true, \"strategy\": \"token\", \"symmetric\": false"), "one scale for each token"},
        {INPUT("\"strategy\": \"channel\""), "more than one scale"},
        {INPUT("\"group_size\": 128"), "more than one scale"},
    };
    (void)state;
    refuse(rows, sizeof rows / sizeof rows[0], STATUS_UNSUPPORTED);
}

#define IGNORED 100
/* The index of the scheme that a module has, -1 if none; IGNORED more if it is ignored. */
static int found(const struct given *g, const char *module)
{
    const struct ct_scheme *scheme;
    bool ignored;
    struct err err = {0};
    assert_int_equal(ctconfig_find(&g->config, module, &scheme, &ignored, &err), STATUS_OK);
    const int index = scheme == NULL ? -1 : (int)(scheme - g->config.scheme);
    return ignored ? IGNORED + index : index;
}

#define GROUP(name, targets) "\"" name "\": {\"weights\": {}, \"targets\": [" targets "]}"

static void names_then_patterns_then_classes(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(
        read_text(
            &g,
            "{\"format\": \"pack-quantized\", \"config_groups\": {" GROUP("class", "\"Linear\"") ", " GROUP(
                "first",
                "\"re:model.*q_proj$\", \"re:^b\"") ", " GROUP("second",
                                                               "\"re:model\", \"re:.*head\"") ", " GROUP("exact",
                                                                                                         "\"model.0.q_proj\", \"c\"") ", " GROUP("again",
                                                                                                                                                 "\"c\"") "}}"),
        STATUS_OK);
    assert_int_equal(found(&g, "model.0.q_proj"), 3); /* though both patterns match */
    assert_int_equal(found(&g, "model.1.q_proj"), 1); /* the first pattern, in the file's order */
    assert_int_equal(found(&g, "model.1.q_proj.x"), 2);
    assert_int_equal(found(&g, "lm_head"), 2); /* .* from the start */
    assert_int_equal(found(&g, "a.model"), 0); /* a pattern matches at the start only */
    assert_int_equal(found(&g, "ab"), 0);
    assert_int_equal(found(&g, "b.anything"), 1); /* a prefix is enough */
    assert_int_equal(found(&g, "c"), 3);          /* the first group that names it */
    assert_int_equal(found(&g, "c.d"), 0);        /* a name is no prefix */
    drop(&g);
}

static void ignored_modules(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, "{\"format\": \"pack-quantized\", \"ignore\": [\"lm_head\", \"re:.*gate\", \"Embedding\"], \"config_groups\": {" GROUP(
                                       "g", "\"re:model\"") "}}"),
                     STATUS_OK);
    assert_int_equal(found(&g, "lm_head"), IGNORED - 1);
    assert_int_equal(found(&g, "model.a"), 0);
    assert_int_equal(found(&g, "model.gate_proj"), IGNORED);
    assert_int_equal(found(&g, "a"), -1);
    drop(&g);
    assert_int_equal(read_text(&g, "{\"format\": \"pack-quantized\", \"ignore\": [\"lm_head\"], \"config_groups\": {" GROUP("g", "\"Linear\"") "}}"),
                     STATUS_OK);
    assert_int_equal(found(&g, "lm_head"), IGNORED);
    assert_int_equal(found(&g, "lm_head.a"), 0);
    drop(&g);
    assert_int_equal(read_text(&g, "{\"format\": \"pack-quantized\", \"ignore\": [\"Linear\"], \"config_groups\": {" GROUP("g", "\"Linear\"") "}}"),
                     STATUS_OK);
    assert_int_equal(found(&g, "a"), IGNORED);
    drop(&g);
}

static void bounds(void **state)
{
    static const char *const member[] = {"targets", "ignore"};
    (void)state;
    for (size_t m = 0; m < 2; m++) {
        for (size_t count = 1024; count <= 1025; count++) {
            struct given g;
            struct text text = {0};
            text_format(&text, "{\"format\": \"pack-quantized\", \"ignore\": [");
            for (size_t i = 0; m == 1 && i < count; i++)
                text_format(&text, "%s\"re:x%zu\"", i > 0 ? ", " : "", i);
            text_format(&text, "], \"config_groups\": {\"g\": {\"weights\": {}, \"targets\": [\"Linear\"");
            for (size_t i = 0; m == 0 && i < count; i++)
                text_format(&text, ", \"re:x%zu\"", i);
            text_format(&text, "]}}}");
            text_string(&text, "");
            assert_int_equal(read_text(&g, text.data), count > 1024 ? STATUS_LIMIT : STATUS_OK);
            if (count > 1024)
                assert_non_null(strstr(g.err.what, member[m]));
            else
                assert_int_equal(found(&g, "x1023"), m == 0 ? 0 : IGNORED);
            drop(&g);
            text_free(&text);
        }
    }
}

/* A pattern that would take for ever ends. */
static void slow_patterns(void **state)
{
    const struct ct_scheme *scheme;
    bool ignored;
    char module[64];
    struct given g;
    (void)state;
    memset(module, 'a', sizeof module - 1);
    module[sizeof module - 2] = 'b';
    module[sizeof module - 1] = '\0';
    static const char slow[] = "\"re:(a+)+$\"";
    char text[300];
    (void)snprintf(text, sizeof text, "{\"format\": \"pack-quantized\", \"config_groups\": {" GROUP("g", "%s") "}}", slow);
    assert_int_equal(read_text(&g, text), STATUS_OK);
    assert_int_equal(ctconfig_find(&g.config, module, &scheme, &ignored, &g.err), STATUS_LIMIT);
    drop(&g);
    (void)snprintf(text, sizeof text, "{\"format\": \"pack-quantized\", \"ignore\": [%s], \"config_groups\": {" GROUP("g", "\"Linear\"") "}}", slow);
    assert_int_equal(read_text(&g, text), STATUS_OK);
    assert_int_equal(ctconfig_find(&g.config, module, &scheme, &ignored, &g.err), STATUS_LIMIT);
    drop(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything),
        cmocka_unit_test(defaults),
        cmocka_unit_test(versions),
        cmocka_unit_test(wrong_members),
        cmocka_unit_test(unsupported_members),
        cmocka_unit_test(names_then_patterns_then_classes),
        cmocka_unit_test(ignored_modules),
        cmocka_unit_test(bounds),
        cmocka_unit_test(slow_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
