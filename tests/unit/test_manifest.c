/* repaq-manifest.json: the text that is written, and what is read back of good and broken ones. */
#include "base/tree.h"
#include "plan/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLACE "manifest.tmp"
#define PATH PLACE "/" MANIFEST_NAME

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

#define TENSORS 6

/* One msModelSlim weight and one norm on their way to GPTQ; a bias that is dropped. */
struct given {
    struct model model;
    struct tensor tensor[5];
    struct weight weight;
    struct output_file file[2];
    struct output_tensor output[TENSORS];
    struct dropped dropped;
    struct spec spec; /* of the weight in the target */
    struct plan plan;
    struct digest hash[TENSORS];
};

static struct given *fill(struct given *g)
{
    static const char *const names[] = {"w.weight", "w.weight_scale", "w.weight_offset", "no\"rm", "norm.bias"};
    memset(g, 0, sizeof *g);
    for (size_t t = 0; t < 5; t++)
        g->tensor[t] = (struct tensor){.name = names[t], .out_name = names[t]};
    g->weight = (struct weight){.name = "w", .spec = {.zero_kind = ZERO_OFFSET}};
    for (size_t r = 0; r < ROLE_COUNT; r++)
        g->weight.role[r] = MODEL_NONE;
    g->weight.role[ROLE_CODES] = 0;
    g->weight.role[ROLE_SCALES] = 1;
    g->weight.role[ROLE_ZEROS] = 2;
    g->model = (struct model){.format = "msmodelslim", .tensor = g->tensor, .tensor_count = 5, .weight = &g->weight, .weight_count = 1};
    g->file[0].name = "model-00001-of-00002.safetensors";
    g->file[1].name = "model-00002-of-00002.safetensors";
    g->output[0] = (struct output_tensor){.name = "w.qzeros", .step = STEP_ZEROS, .exactness = EXACTNESS_EXACT};
    g->output[1] = (struct output_tensor){.name = "w.qweight", .step = STEP_CODES, .exactness = EXACTNESS_BYTES};
    g->output[2] = (struct output_tensor){.name = "w.scales", .step = STEP_SCALES, .exactness = EXACTNESS_ROUNDED};
    g->output[3] = (struct output_tensor){.name = "w.g_idx", .step = STEP_GROUP_OF, .exactness = EXACTNESS_EXACT, .file = 1};
    g->output[4] = (struct output_tensor){.name = "no\"rm", .step = STEP_COPY, .source = 3, .file = 1};
    g->output[5] = (struct output_tensor){.name = "a", .step = STEP_CAST, .source = 4, .exactness = EXACTNESS_LOSSY, .file = 1};
    for (size_t t = 0; t < TENSORS; t++)
        for (size_t b = 0; b < 16; b++)
            g->hash[t].byte[b] = (uint8_t)(16 * t + b);
    g->dropped = (struct dropped){4, "norm bias of zeros"};
    g->plan = (struct plan){.model = &g->model, .target = &gptq_format, .tensor = g->output, .tensor_count = TENSORS, .file = g->file, .file_count = 2,
                            .dropped = &g->dropped, .dropped_count = 1, .spec = &g->spec};
    return g;
}

static const char expected[] =
    "{\n"
    "  \"repaq\": \"" REPAQ_VERSION "\",\n"
    "  \"source_format\": \"msmodelslim\",\n"
    "  \"format\": \"gptq\",\n"
    "  \"tensors\": {\n"
    "    \"a\": {\"file\": \"model-00002-of-00002.safetensors\", \"source\": [\"norm.bias\"], \"step\": \"cast\", \"class\": \"lossy\", \"xxh3_128\": "
    "\"505152535455565758595a5b5c5d5e5f\"},\n"
    "    \"no\\\"rm\": {\"file\": \"model-00002-of-00002.safetensors\", \"source\": [\"no\\\"rm\"], \"step\": \"copy\", \"class\": \"bytes\", \"xxh3_128\": "
    "\"404142434445464748494a4b4c4d4e4f\"},\n"
    "    \"w.g_idx\": {\"file\": \"model-00002-of-00002.safetensors\", \"source\": [], \"step\": \"group_of\", \"class\": \"exact\", \"xxh3_128\": "
    "\"303132333435363738393a3b3c3d3e3f\"},\n"
    "    \"w.qweight\": {\"file\": \"model-00001-of-00002.safetensors\", \"source\": [\"w.weight\"], \"step\": \"codes\", \"class\": \"bytes\", \"xxh3_128\": "
    "\"101112131415161718191a1b1c1d1e1f\"},\n"
    "    \"w.qzeros\": {\"file\": \"model-00001-of-00002.safetensors\", \"source\": [\"w.weight_scale\", \"w.weight_offset\"], \"step\": \"zeros\", \"class\": "
    "\"exact\", \"xxh3_128\": \"000102030405060708090a0b0c0d0e0f\"},\n"
    "    \"w.scales\": {\"file\": \"model-00001-of-00002.safetensors\", \"source\": [\"w.weight_scale\"], \"step\": \"scales\", \"class\": \"rounded\", "
    "\"xxh3_128\": \"202122232425262728292a2b2c2d2e2f\"}\n"
    "  },\n"
    "  \"dropped\": [\n"
    "    {\"tensor\": \"norm.bias\", \"why\": \"norm bias of zeros\"}\n"
    "  ]\n"
    "}\n";

static void what_is_written(void **state)
{
    struct given g;
    struct err err = {0};
    struct text text = {0};
    (void)state;
    fill(&g);
    assert_int_equal(manifest_write(&g.plan, g.hash, &file_posix, PATH, &err), STATUS_OK);
    assert_int_equal(file_slurp(&file_posix, PATH, 1 << 20, &text, &err), STATUS_OK);
    assert_string_equal(text.data, expected);
    text_free(&text);
    assert_int_equal(manifest_write(&g.plan, g.hash, &file_posix, PATH, &err), STATUS_IO); /* never over a file */
    assert_int_equal(clear_place(NULL), 0);
    g.weight.spec.zero_kind = ZERO_CODES; /* these do not depend on the scales */
    g.plan.dropped_count = 0;
    assert_int_equal(manifest_write(&g.plan, g.hash, &file_posix, PATH, &err), STATUS_OK);
    assert_int_equal(file_slurp(&file_posix, PATH, 1 << 20, &text, &err), STATUS_OK);
    assert_non_null(strstr(text.data, "\"source\": [\"w.weight_offset\"], \"step\": \"zeros\""));
    assert_non_null(strstr(text.data, "\"dropped\": []\n}\n"));
    text_free(&text);
}

static void what_is_read_back(void **state)
{
    struct given g;
    struct manifest manifest;
    struct err err = {0};
    (void)state;
    fill(&g);
    assert_int_equal(manifest_write(&g.plan, g.hash, &file_posix, PATH, &err), STATUS_OK);
    assert_int_equal(manifest_read(&manifest, &file_posix, PLACE, &err), STATUS_OK);
    assert_int_equal(manifest.count, TENSORS);
    for (size_t t = 0; t < TENSORS; t++) {
        const uint32_t at = map_find(&manifest.by_name, slice_of(g.output[t].name));
        assert_true(at < TENSORS);
        assert_memory_equal(&manifest.hash[at], &g.hash[t], sizeof g.hash[t]);
    }
    assert_int_equal(map_find(&manifest.by_name, slice_of("norm.bias")), MAP_NONE);
    manifest_free(&manifest);
    assert_int_equal(manifest.count, 0);
}

static enum status read_text(struct manifest *manifest, const char *text, struct err *err)
{
    *err = (struct err){0};
    assert_int_equal(clear_place(NULL), 0);
    assert_int_equal(file_spill(&file_posix, PATH, text, strlen(text), err), STATUS_OK);
    return manifest_read(manifest, &file_posix, PLACE, err);
}

#define HEX "0123456789abcdef0123456789abcdef"

static void manifests_of_others(void **state)
{
    static const struct {
        const char *text;
        size_t count;
    } rows[] = {
        {"{}", 0},
        {"{\"tensors\": {}}", 0},
        {"{\"tensors\": []}", 0},
        {"{\"x\": {\"tensors\": {\"a\": 1}}, \"tensors\": {\"a\": {\"xxh3_128\": \"" HEX "\", \"more\": {\"deep\": []}}}, \"y\": 1}", 1},
    };
    struct manifest manifest;
    struct err err = {0};
    (void)state;
    assert_int_equal(manifest_read(&manifest, &file_posix, PLACE, &err), STATUS_OK); /* there is none */
    assert_int_equal(manifest.count, 0);
    manifest_free(&manifest);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_text(&manifest, rows[i].text, &err), STATUS_OK);
        assert_int_equal(manifest.count, rows[i].count);
        manifest_free(&manifest);
    }
}

static void broken_manifests(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", ""},
        {"[]", ""},
        {"{\"tensors\": {\"a\": 1}}", ""},
        {"{\"tensors\": {\"a\": {}}}", "no xxh3_128 of 32 hexadecimal digits for a"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": 1}}}", "no xxh3_128"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"" HEX "0\"}}}", "no xxh3_128"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"0123456789abcdef0123456789abcde\"}}}", "no xxh3_128"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"0123456789ABCDEF0123456789abcdef\"}}}", "no xxh3_128"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"" HEX "\"}, \"a\": {\"xxh3_128\": \"" HEX "\"}}}", "found a twice"},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"" HEX "\"}}} x", ""},
        {"{\"tensors\": {\"a\": {\"xxh3_128\": \"" HEX "\"}", ""},
    };
    struct manifest manifest;
    struct err err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum status status = read_text(&manifest, rows[i].text, &err);
        if (status != STATUS_CORRUPT || strstr(err.what, rows[i].says) == NULL || strstr(err.where, MANIFEST_NAME) == NULL)
            fail_msg("%s: status %d, \"%s: %s\"", rows[i].text, (int)status, err.where, err.what);
        manifest_free(&manifest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_written, clear_place),
        cmocka_unit_test_setup(what_is_read_back, clear_place),
        cmocka_unit_test_setup(manifests_of_others, clear_place),
        cmocka_unit_test_setup(broken_manifests, clear_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
