/* Names of pre-tokenizers: hashes, patterns, known names. */
#include "tokenizer/prename.h"

#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void hashes(void **state)
{
    (void)state;
    static const uint32_t ids[] = {1, 2, 3};
    char hex[65];
    struct err err = {0};
    assert_int_equal(prename_hash(ids, 3, hex, &err), STATUS_OK); /* of "[1, 2, 3]" */
    assert_string_equal(hex, "a36b1f2c3f84522dd1005145646617d7054c0851e97c72a039c0bdfac9fa07f3");
    assert_string_equal(prename_of_hash("0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5"), "llama-bpe");
    assert_string_equal(prename_of_hash("e636dc30a262dcc0d8c323492e32ae2b70728f4df7dfe9737d9f920a282b8aea"), "qwen2");
    assert_string_equal(prename_of_hash("b6dc8df998e1cfbdc4eac8243701a65afe638679230920b50d6f17d81c098166"), "olmo");       /* not mpt */
    assert_string_equal(prename_of_hash("0876d13b50744004aa9aeae05e7b0647eac9d801b5ba4668afc01e709c15e19f"), "jina-v2-en"); /* not bert-bge */
    assert_null(prename_of_hash("48060938aee57bb1a772e599fcf14a70a4c38c42219f1d85454976110865c190"));
    sha256_hex(prename_test_text().data, prename_test_text().size, hex);
    assert_string_equal(hex, "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da");
}

static void known(void **state)
{
    (void)state;
    static const char *const names[] = {"llama-bpe", "qwen2", "default", "gpt-4o", "laguna", "whitespace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_true(prename_known(names[i]));
    assert_false(prename_known("qwen"));
    assert_false(prename_known(""));
}

/* Each row's patterns lead back to a row with the same patterns. */
static void patterns(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2",  "smollm",     "qwen2",      "llama-bpe", "smaug-bpe",    "qwen35",         "deepseek-v3", "gpt-4o",
                                        "tekken", "seed-coder", "minicpm5",   "spark2_5",  "deepseek-llm", "deepseek-coder", "falcon",      "default",
                                        "bloom",  "viking",     "tiny_aya",   "youtu",     "kimi-k2",      "superbpe",       "bailingmoe",  "ufakzeka",
                                        "laguna", "afmoe",      "exaone-moe", "jais-2",    "chameleon"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct prename_pattern *const row = prename_find(names[i]);
        struct splitter_step step[7] = {{0}};
        size_t count = 0;
        struct regex *regex;
        struct err err = {0};
        assert_non_null(row);
        assert_true(prename_known(row->name));
        for (; row->pattern[count] != NULL; count++) {
            step[count] = (struct splitter_step){.kind = SPLITTER_SPLIT, .pattern = slice_of(row->pattern[count])};
            assert_int_equal(regex_compile_words(&regex, step[count].pattern, "row", STATUS_UNSUPPORTED, &err), STATUS_OK);
            regex_free(regex);
        }
        assert_null(prename_of_splitter(&(struct splitter){step, count}, row->ignore_merges)); /* no alphabet */
        step[count] = (struct splitter_step){.kind = SPLITTER_BYTES};
        assert_string_equal(prename_of_splitter(&(struct splitter){step, count + 1}, row->ignore_merges), names[i]);
        step[0].behavior = SPLITTER_REMOVED;
        assert_null(prename_of_splitter(&(struct splitter){step, count + 1}, row->ignore_merges));
        step[0].invert = true; /* what is no match is removed: the same words */
        assert_string_equal(prename_of_splitter(&(struct splitter){step, count + 1}, row->ignore_merges), names[i]);
        step[0].pattern = slice_of("x");
        assert_null(prename_of_splitter(&(struct splitter){step, count + 1}, row->ignore_merges));
    }
    assert_string_equal(prename_find("llama3")->name, "llama-bpe");
    assert_true(prename_find("command-r")->nfc && !prename_find("refact")->nfc);
    assert_true(prename_find("glm4")->ignore_merges && !prename_find("glm4")->adds_bos);
    assert_null(prename_find("bert-bge-large"));
}

/* Every name that llama.cpp takes has a row, or is known to have none. */
static void rows(void **state)
{
    (void)state;
    static const char *const names[] = {
        "a.x-4.0",
        "afmoe",
        "bailingmoe",
        "bailingmoe2",
        "bloom",
        "chameleon",
        "chatglm-bpe",
        "codeshell",
        "cohere2moe",
        "command-r",
        "dbrx",
        "deepseek-coder",
        "deepseek-llm",
        "deepseek-r1-qwen",
        "deepseek-v3",
        "default",
        "exaone",
        "exaone-moe",
        "exaone4",
        "f2llmv2",
        "falcon",
        "falcon-h1",
        "falcon3",
        "gigachat",
        "glm4",
        "glm5",
        "gpt-2",
        "gpt-4o",
        "gpt3-finnish",
        "granite-docling",
        "granite-embed-multi-97m",
        "grok-2",
        "hunyuan",
        "hunyuan-dense",
        "hy_v4",
        "jais",
        "jais-2",
        "jina-de",
        "jina-es",
        "jina-v1-en",
        "jina-v2-code",
        "jina-v2-de",
        "jina-v2-es",
        "jina-v5-nano",
        "joyai-llm",
        "kanana2",
        "kimi-k2",
        "kormo",
        "laguna",
        "lfm2",
        "llada-moe",
        "llama-bpe",
        "llama-v3",
        "llama3",
        "llama4",
        "megrez",
        "mellum",
        "mellum2",
        "midm-2.0",
        "minerva-7b",
        "minicpm5",
        "minimax-m2",
        "modern-bert",
        "mpt",
        "olmo",
        "phi-2",
        "pixtral",
        "poro-chat",
        "qwen2",
        "qwen35",
        "refact",
        "roberta-bpe",
        "seed-coder",
        "smaug-bpe",
        "smollm",
        "solar-open",
        "spark2_5",
        "stablelm2",
        "starcoder",
        "superbpe",
        "talkie",
        "tekken",
        "tiny_aya",
        "trillion",
        "ufakzeka",
        "viking",
        "youtu",
    };
    static const char *const plain[] = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_true(prename_known(names[i]));
        assert_non_null(prename_find(names[i]));
        assert_false(prename_is_plain(names[i]));
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        assert_true(prename_known(plain[i]) && prename_is_plain(plain[i]));
        assert_null(prename_find(plain[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),
        cmocka_unit_test(known),
        cmocka_unit_test(patterns),
        cmocka_unit_test(rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
