#include "formats/tokencount.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#define PLACE "tokencount.dir"

static enum status count(const char *config, const char *name, const char *text, uint64_t *found)
{
    struct source source;
    struct jsondoc *document = NULL;
    struct err err = {0};
    const char *path = strcmp(name, "tokenizer.model") == 0 ? PLACE "/tokenizer.model" : PLACE "/tokenizer.json";
    (void)mkdir(PLACE, 0777);
    (void)unlink(PLACE "/tokenizer.model");
    (void)unlink(PLACE "/tokenizer.json");
    if (name[0] != '\0')
        assert_int_equal(file_spill(&file_posix, path, text, strlen(text), &err), STATUS_OK);
    assert_int_equal(jsondoc_parse("config.json", slice_of(config), &document, &err), STATUS_OK);
    assert_int_equal(source_open_plain(&source, &file_posix, PLACE, &err), STATUS_OK);
    const enum status status = tokencount_find(&source, NULL, document, found, &err);
    source_close(&source);
    jsondoc_free(document);
    return status;
}

#define GEMMA3 "{\"architectures\": [\"Gemma3ForCausalLM\"], \"vocab_size\": 40}"

static void tokens_are_counted(void **state)
{
    uint64_t found;
    (void)state;
    assert_int_equal(count(GEMMA3, "tokenizer.json",
                           "{\"added_tokens\": [{\"id\": 3, \"x\": [1, 2]}, {}], \"other\": {\"vocab\": {\"q\": 1}}, "
                           "\"model\": {\"merges\": [\"a b\"], \"vocab\": {\"a\": 0, \"b\": 1, \"ab\": 2}}, \"vocab\": {\"x\": 1}}",
                           &found),
                     STATUS_OK);
    assert_int_equal(found, 5);
    assert_int_equal(count(GEMMA3, "tokenizer.json", "{\"model\": {\"vocab\": [[\"a\", -1.0], [\"b\", -2.0]]}}", &found), STATUS_OK);
    assert_int_equal(found, 2);
    assert_int_equal(count(GEMMA3, "tokenizer.model", "anything", &found), STATUS_OK);
    assert_int_equal(found, 40);
    assert_int_equal(count(GEMMA3, "", "", &found), STATUS_OK);
    assert_int_equal(found, 0);
    assert_int_equal(count("{\"architectures\": [\"LlamaForCausalLM\"]}", "tokenizer.json", "no JSON", &found), STATUS_OK);
    assert_int_equal(found, 0); /* not asked for */
}

static void what_is_refused(void **state)
{
    static const char *const texts[] = {"[]", "{\"model\": {\"vocab\": 3}}", "{\"added_tokens\": \"many\"}", "{\"model\": {\"vocab\": {\"a\"", "{"};
    uint64_t found;
    (void)state;
    for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
        assert_int_equal(count(GEMMA3, "tokenizer.json", texts[t], &found), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_are_counted), cmocka_unit_test(what_is_refused)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(PLACE "/tokenizer.model");
    (void)unlink(PLACE "/tokenizer.json");
    (void)rmdir(PLACE);
    return failed;
}
