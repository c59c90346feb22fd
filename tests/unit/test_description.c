/* quant_model_description*.json: what is taken from it, and every error. */
#include "base/tree.h"
#include "formats/description.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define PLACE "description.tmp"
#define FILE_NAME "quant_model_description.json"
#define PATH PLACE "/" FILE_NAME

/* Tensors "a", "b", "c" and what a text says of them. */
struct given {
    struct model model;
    struct description description;
    struct err err;
};

static int clear_place(void **state)
{
    (void)state;
    return tree_remove(&file_posix, PLACE, NULL) == STATUS_OK && mkdir(PLACE, 0777) == 0 ? 0 : -1;
}

static void open_model(struct model *model)
{
    static const char *const names[] = {"a", "b", "c"};
    static const uint64_t shape[] = {4};
    struct err err = {0};
    *model = (struct model){0};
    assert_int_equal(model_add_file(model, "w.safetensors", 1000, NULL, &err), STATUS_OK);
    for (size_t i = 0; i < 3; i++) {
        const struct tensor tensor = {.name = names[i], .shape = shape, .rank = 1, .bytes = 4, .dtype = DTYPE_I8};
        assert_int_equal(model_add_tensor(model, &tensor, NULL, &err), STATUS_OK);
    }
}

static enum status read_text(struct given *given, const char *text)
{
    memset(given, 0, sizeof *given);
    assert_int_equal(clear_place(NULL), 0);
    assert_int_equal(file_spill(&file_posix, PATH, text, strlen(text), &given->err), STATUS_OK);
    open_model(&given->model);
    return description_read_file(&file_posix, PATH, &given->model, &given->description, &given->err);
}

static void drop(struct given *given)
{
    description_free(&given->description);
    description_free(&given->description); /* idempotent */
    model_free(&given->model);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(description_type_name(QUANT_FLOAT), "FLOAT");
    assert_string_equal(description_type_name(QUANT_W4A16), "W4A16");
    assert_string_equal(description_type_name(QUANT_W8A16), "W8A16");
    assert_string_equal(description_type_name(QUANT_UNLISTED), "unlisted");
}

static void what_is_taken(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, "{\"model_quant_type\": \"W4A16\", \"version\": \"1.0.0\", \"group_size\": 64, \"a\": \"W4A16\", \"c\": \"FLOAT\"}"),
                     STATUS_OK);
    assert_string_equal(g.description.where, PATH);
    assert_true(g.description.packed);
    assert_false(g.description.rotated);
    assert_int_equal(g.description.group_size, 64);
    assert_int_equal(g.description.type[0], QUANT_W4A16);
    assert_int_equal(g.description.type[1], QUANT_UNLISTED);
    assert_int_equal(g.description.type[2], QUANT_FLOAT);
    drop(&g);
    assert_int_equal(read_text(&g, "{\"a\": \"W8A16\", \"\\u0062\": \"W8A16\"}"), STATUS_OK); /* an escaped name is the name */
    assert_false(g.description.packed);
    assert_int_equal(g.description.group_size, 0);
    assert_int_equal(g.description.type[1], QUANT_W8A16);
    drop(&g);
    assert_int_equal(read_text(&g, "{}"), STATUS_OK);
    drop(&g);
}

static void members_that_name_no_tensor(void **state)
{
    struct given g;
    (void)state;
    assert_int_equal(read_text(&g, "{\"version\": \"0.0.0\", \"group_size\": null, \"metadata\": {}, \"optional\": {\"x\": [1, {\"y\": 2}]}, \"weight_strategy\": {},"
                                   " \"kv_cache_type\": \"\", \"kv_quant_type\": null, \"is_rot_used\": true, \"max_supported_tp\": 8, \"model.layers.0.quant_type\": "
                                   "\"W4A8\", \"x.weight.outdim\": 3, \"model_quant_type\": null}"),
                     STATUS_OK);
    assert_false(g.description.packed);
    assert_false(g.description.rotated);
    assert_int_equal(g.description.group_size, 0);
    drop(&g);
}

static void rotations(void **state)
{
    static const char *const texts[] = {"{\"metadata\": {\"quarot\": {}}}", "{\"optional\": {\"a\": {\"b\": [{\"quarot\": 1}]}}}"};
    struct given g;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_text(&g, texts[i]), STATUS_OK);
        assert_true(g.description.rotated);
        drop(&g);
    }
    assert_int_equal(read_text(&g, "{\"metadata\": {\"x\": \"quarot\"}}"), STATUS_OK); /* a value, no key */
    assert_false(g.description.rotated);
    drop(&g);
}

static void headlines(void **state)
{
    static const struct {
        const char *text;
        enum status status;
    } rows[] = {
        {"{\"model_quant_type\": \"W8A16\", \"a\": \"W4A16\"}", STATUS_CORRUPT}, {"{\"a\": \"W8A16\", \"model_quant_type\": \"W4A16\"}", STATUS_CORRUPT},
        {"{\"model_quant_type\": \"W8A16\", \"a\": \"W4A16\", \"b\": \"W8A16\"}", STATUS_OK}, {"{\"model_quant_type\": \"W8A16\", \"a\": \"FLOAT\"}", STATUS_OK},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(read_text(&g, rows[i].text), rows[i].status);
        if (rows[i].status != STATUS_OK)
            assert_non_null(strstr(g.err.what, "quantized tensors are listed as"));
        drop(&g);
    }
}

static void errors(void **state)
{
    static const struct {
        const char *text;
        enum status status;
        const char *says;
    } rows[] = {
        {"{\"a\": \"W4A8_DYNAMIC\"}", STATUS_UNSUPPORTED, "found type \"W4A8_DYNAMIC\" for a"},
        {"{\"a\": \"w4a16\"}", STATUS_UNSUPPORTED, "for a"},
        {"{\"zz\": \"W4A16\"}", STATUS_CORRUPT, "found zz, which no weight file holds (R-INCOMPLETE)"},
        {"{\"zz\": \"FLOAT\"}", STATUS_CORRUPT, "R-INCOMPLETE"},
        {"{\"a\": \"FLOAT\", \"a\": \"FLOAT\"}", STATUS_CORRUPT, "found \"a\" twice"},
        {"{\"a\": 4}", STATUS_CORRUPT, "a value of \"a\" that is no string"},
        {"{\"a\": {}}", STATUS_CORRUPT, "no string"},
        {"{\"version\": \"2.0.0\"}", STATUS_UNSUPPORTED, "found version"},
        {"{\"version\": 1}", STATUS_UNSUPPORTED, "found version"},
        {"{\"group_size\": -1}", STATUS_CORRUPT, "found group_size -1"},
        {"{\"group_size\": \"64\"}", STATUS_CORRUPT, "found group_size"},
        {"{\"group_size\": 1.5}", STATUS_CORRUPT, "found group_size"},
        {"{\"group_size\": 99999999999}", STATUS_CORRUPT, "found group_size"},
        {"{\"kv_cache_type\": \"C8\"}", STATUS_UNSUPPORTED, "a quantized cache is not read"},
        {"{\"kv_quant_type\": \"C8\"}", STATUS_UNSUPPORTED, "a quantized cache is not read"},
        {"{\"fa_quant_type\": \"FAQuant\"}", STATUS_UNSUPPORTED, "a quantized cache is not read"},
        {"[]", STATUS_CORRUPT, ""},
        {"", STATUS_CORRUPT, ""},
        {"{\"a\": \"FLOAT\"", STATUS_CORRUPT, ""},
        {"{} x", STATUS_CORRUPT, ""},
        {"{\"a\": \"FLOAT\",}", STATUS_CORRUPT, ""},
    };
    struct given g;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const enum status status = read_text(&g, rows[i].text);
        if (status != rows[i].status || g.err.status != status || strstr(g.err.what, rows[i].says) == NULL || strstr(g.err.where, PATH) == NULL)
            fail_msg("%s: status %d, \"%s: %s\"", rows[i].text, (int)status, g.err.where, g.err.what);
        drop(&g);
    }
}

static void files(void **state)
{
    struct given g;
    struct source source;
    (void)state;
    memset(&g, 0, sizeof g);
    open_model(&g.model);
    assert_int_equal(description_read_file(&file_posix, PLACE "/absent.json", &g.model, &g.description, &g.err), STATUS_IO);
    drop(&g);
    assert_int_equal(read_text(&g, "{\"b\": \"FLOAT\"}"), STATUS_OK);
    drop(&g);
    memset(&g, 0, sizeof g);
    open_model(&g.model);
    assert_int_equal(source_open_plain(&source, &file_posix, PLACE, &g.err), STATUS_OK);
    assert_int_equal(description_read(&source, FILE_NAME, &g.model, &g.description, &g.err), STATUS_OK);
    assert_string_equal(g.description.where, PATH);
    assert_int_equal(g.description.type[1], QUANT_FLOAT);
    drop(&g);
    source_close(&source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(names, clear_place),
        cmocka_unit_test_setup(what_is_taken, clear_place),
        cmocka_unit_test_setup(members_that_name_no_tensor, clear_place),
        cmocka_unit_test_setup(rotations, clear_place),
        cmocka_unit_test_setup(headlines, clear_place),
        cmocka_unit_test_setup(errors, clear_place),
        cmocka_unit_test_setup(files, clear_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
