#include "formats/authorship.h"

#include "container/ggufile_value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* The keys in the file's order, with a blank behind each; the file is read back into *read. */
static void keys_of(const char *card, const char *overrides, const char *stated, char keys[2000], struct ggufile *read)
{
    struct jsondoc *first = NULL, *second = NULL;
    struct ggufile_writer kv = {0};
    struct text header = {0};
    struct file file;
    struct err err = {0};
    uint64_t bytes;
    assert_int_equal(jsondoc_parse("card", slice_of(card), &first, &err), STATUS_OK);
    assert_int_equal(jsondoc_parse("overrides", slice_of(overrides), &second, &err), STATUS_OK);
    const struct authorship authorship = {first, second, {.title = "Title", .version = "v1"}, stated, 1000};
    assert_int_equal(authorship_set(&kv, &authorship, "1K", &err), STATUS_OK);
    assert_int_equal(ggufile_write_layout(&kv, NULL, 0, &header, &bytes, &err), STATUS_OK);
    (void)remove("authorship.gguf");
    assert_int_equal(file_spill(&file_posix, "authorship.gguf", header.data, header.size, &err), STATUS_OK);
    assert_int_equal(file_open_read(&file, &file_posix, "authorship.gguf", &err), STATUS_OK);
    assert_int_equal(ggufile_read(&file, false, read, &err), STATUS_OK);
    file_drop(&file);
    text_free(&header);
    ggufile_write_free(&kv);
    jsondoc_free(first);
    jsondoc_free(second);
    (void)remove("authorship.gguf");
    keys[0] = '\0';
    for (size_t v = 0, used = 0; v < read->value_count; v++)
        used += (size_t)snprintf(keys + used, 2000 - used, "%.*s ", (int)(read->value[v].key.size - 8), read->value[v].key.data + 8);
}

static void is(const struct ggufile *read, const char *key, const char *expected)
{
    struct slice found;
    struct err err = {0};
    bool present;
    assert_int_equal(ggufile_value_string(read, key, &found, &present, &err), STATUS_OK);
    assert_true(present);
    assert_int_equal(found.size, strlen(expected));
    assert_memory_equal(found.data, expected, found.size);
}

static void card_and_names(void **state)
{
    struct ggufile read;
    char keys[2000];
    (void)state;
    keys_of("{\"license\": [\"mit\", \"x\"], \"version\": \"v7\", \"tags\": [\"a\"], \"pipeline_tag\": \"b\", \"base_model\": \"org/base-v2\", "
            "\"datasets\": null, \"model_creator\": \"me\"}",
            "{}", NULL, keys, &read);
    assert_string_equal(keys, "name author version size_label license base_model.count base_model.0.name base_model.0.version base_model.0.organization "
                              "base_model.0.repo_url dataset.count tags ");
    is(&read, "general.name", "Title");
    is(&read, "general.version", "v7");
    is(&read, "general.license", "mit,x");
    is(&read, "general.size_label", "1K");
    is(&read, "general.base_model.0.repo_url", "https://huggingface.co/org/base-v2");
    ggufile_free(&read);
}

static void overrides_win(void **state)
{
    struct ggufile read;
    char keys[2000];
    (void)state;
    keys_of(
        "{\"author\": \"card\", \"license\": \"mit\", \"tags\": \"t\"}",
        "{\"general.author\": \"file\", \"general.license\": \"no say\", \"general.tags\": [], \"general.datasets\": [{\"url\": \"u\", \"name\": \"n\"}, 3], "
        "\"general.name\": \"file\"}",
        "stated", keys, &read);
    assert_string_equal(keys, "name author version size_label license dataset.count dataset.0.name dataset.0.url ");
    is(&read, "general.name", "stated");
    is(&read, "general.author", "file");
    is(&read, "general.license", "mit");
    ggufile_free(&read);
}

static void members_that_become_keys(void **state)
{
    (void)state;
    static const char *const taken[] = {"license", "license_name", "model_creator", "base_model", "dataset_sources", "pipeline_tag", "language"};
    static const char *const others[] = {"model-index", "widget", "extra_gated_prompt", "model", "base", "", "name|model_name"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++)
        assert_true(authorship_takes(taken[i]));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(authorship_takes(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(card_and_names), cmocka_unit_test(overrides_win), cmocka_unit_test(members_that_become_keys)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
