#include "formats/modelname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Expectations from gguf-py's Metadata.get_model_id_components and id_to_title, run on these names. */
static const struct {
    const char *name;
    uint64_t parameters;
    const char *title, *organization, *basename, *finetune, *version, *size;
} rows[] = {
    {"llama-tiny", 2600000, "Llama Tiny", NULL, NULL, NULL, NULL, NULL},
    {"Mixtral-8x7B-Instruct-v0.1", 0, "Mixtral 8x7B Instruct v0.1", NULL, "Mixtral", "Instruct", "v0.1", "8x7B"},
    {"mistralai/Mistral-7B-v0.1", 7000000000, "Mistral 7B v0.1", "Mistralai", "Mistral", NULL, "v0.1", "7B"},
    {"NousResearch/Meta-Llama-3-8B", 0, "Meta Llama 3 8B", "NousResearch", "Meta-Llama-3", NULL, NULL, "8B"},
    {"bloom-7b1-petals", 0, "Bloom 7b1 Petals", NULL, "bloom", "petals", NULL, "7.1B"},
    {"crestf411/daybreak-kunoichi-2dpo-7b", 0, "Daybreak Kunoichi 2dpo 7b", "Crestf411", "daybreak-kunoichi", "2dpo", NULL, "7B"},
    {"Llama-3-Instruct-abliteration-LoRA-8B", 0, "Llama 3 Instruct Abliteration LoRA 8B", NULL, "Llama-3", "Instruct-abliteration-LoRA", NULL, "8B"},
    {"Qwen1.5-MoE-A2.7B-Chat", 14000000000, "Qwen1.5 MoE A2.7B Chat", NULL, "Qwen1.5-MoE", "Chat", NULL, "A2.7B"},
    {"Phi-3-mini-4k-instruct", 3800000000, "Phi 3 Mini 4k Instruct", NULL, "Phi-3", "4k-instruct", NULL, "mini"},
    {"delta-vector/Hamanasu-7B-Base-FP16", 0, "Hamanasu 7B Base FP16", "Delta Vector", "Hamanasu", "Base", NULL, "7B"},
    {"a model of mine", 0, "A Model Of Mine", NULL, NULL, NULL, NULL, NULL},
    {"./x-2b", 0, "X 2b", NULL, "x", NULL, NULL, "2B"},
};

static void same(const char *found, const char *expected, const char *name)
{
    if (expected == NULL ? found != NULL : found == NULL || strcmp(found, expected) != 0)
        fail_msg("%s: found %s, expected %s", name, found == NULL ? "nothing" : found, expected == NULL ? "nothing" : expected);
}

static void names_are_taken_apart(void **state)
{
    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct arena arena = {0};
        struct modelname parts;
        struct err err;
        assert_int_equal(modelname_parse(rows[r].name, rows[r].parameters, &arena, &parts, &err), STATUS_OK);
        same(parts.title, rows[r].title, rows[r].name);
        same(parts.organization, rows[r].organization, rows[r].name);
        same(parts.basename, rows[r].basename, rows[r].name);
        same(parts.finetune, rows[r].finetune, rows[r].name);
        same(parts.version, rows[r].version, rows[r].name);
        same(parts.size_label, rows[r].size, rows[r].name);
        arena_free(&arena);
    }
}

static void sizes_have_two_digits(void **state)
{
    (void)state;
    char buffer[64];
    assert_string_equal(modelname_size(2625792, 2625792, 0, 0, buffer), "2.6M");
    assert_string_equal(modelname_size(134515008, 134515008, 0, 0, buffer), "135M");
    assert_string_equal(modelname_size(UINT64_C(7241732096), UINT64_C(7241732096), 0, 0, buffer), "7.2B");
    assert_string_equal(modelname_size(UINT64_C(46702792704), 1605000000, UINT64_C(5640000000), 8, buffer), "8x7.2B");
    assert_string_equal(modelname_size(999, 999, 0, 0, buffer), "1.0K");
    assert_string_equal(modelname_size(499, 499, 0, 0, buffer), "0.50K"); /* rounds to no digit at all */
    assert_string_equal(modelname_size(UINT64_C(1026000000000), 0, 0, 0, buffer), "1.0T");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(sizes_have_two_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
