/* Vocabularies of directories: which file counts, added tokens, special ids and flags, templates, recognition of the pre-tokenizer. */
#include "formats/hfvocabulary.h"

#include "tokenizer/sentencepiece.h"
#include "tokenizer_files.h"

static const char folder[] = "vocabulary";

struct result {
    struct source source;
    struct vocabulary vocabulary;
    struct hfvocabulary_finding finding;
    struct err err;
};

/* Reads the folder; close with source_close. */
static enum status read_folder(const char *architecture, const char *pre, uint64_t tokens, struct result *result)
{
    const struct hfvocabulary_options options = {.architecture = architecture, .pre = pre, .tokens = tokens};
    *result = (struct result){0};
    assert_int_equal(source_open_plain(&result->source, &file_posix, folder, &result->err), STATUS_OK);
    return hfvocabulary_read(&result->source, &options, &result->vocabulary, &result->finding, &result->err);
}

static uint32_t id_of(const struct result *result, enum vocabulary_key key)
{
    const struct vocabulary_setting *const setting = vocabulary_find(&result->vocabulary, key);
    return setting == NULL ? UINT32_MAX : setting->id;
}

static int flag_of(const struct result *result, enum vocabulary_key key)
{
    const struct vocabulary_setting *const setting = vocabulary_find(&result->vocabulary, key);
    return setting == NULL ? -1 : setting->flag;
}

static void byte_level(void **state)
{
    (void)state;
    struct result result;
    fresh(folder);
    put_string_file(folder, "config.json",
                    "{\"bos_token_id\": 7, \"eos_token_id\": [7, 8], \"pad_token_id\": null, \"text_config\": {\"sep_token_id\": 1}}");
    put_string_file(folder, "tokenizer.json", TOKENIZER_JSON(PRE_QWEN2, POST_BYTES));
    put_string_file(folder, "tokenizer_config.json",
                    "{\"eos_token\": {\"content\": \"<|end|>\"}, \"pad_token\": \"<x>\", \"add_bos_token\": true, \"chat_template\": \"T\", "
                    "\"added_tokens_decoder\": {\"8\": {\"content\": \"<x>\"}, \"10\": {\"content\": \"\xe2\x96\x81q\", \"normalized\": true}}}");
    assert_int_equal(read_folder("qwen2", NULL, 12, &result), STATUS_OK);
    assert_string_equal(result.vocabulary.pre, "qwen2");
    assert_string_equal(result.finding.by, "patterns");
    assert_int_equal(strlen(result.finding.hash), 64);
    assert_int_equal(result.vocabulary.count, 12);
    assert_int_equal(result.vocabulary.token[4].type, VOCABULARY_NORMAL);
    assert_int_equal(result.vocabulary.token[7].type, VOCABULARY_CONTROL);
    assert_int_equal(result.vocabulary.token[8].type, VOCABULARY_USER_DEFINED);
    assert_true(slice_is(result.vocabulary.token[9].text, " q")); /* of tokenizer_config alone; 9 is the next id, as the tokenizers library counts */
    assert_int_equal(result.vocabulary.renumbered, 1);
    assert_true(slice_is(result.vocabulary.token[10].text, "[PAD10]"));
    assert_true(slice_is(result.vocabulary.merge[1], "\xc4\xa0 a"));
    assert_false(result.vocabulary.scored);
    static const enum vocabulary_key order[] = {VOCABULARY_KEY_EOS_ID,  VOCABULARY_KEY_PAD_ID,  VOCABULARY_KEY_BOS_ID,  VOCABULARY_KEY_SEP_ID,
                                                VOCABULARY_KEY_ADD_BOS, VOCABULARY_KEY_ADD_EOS, VOCABULARY_KEY_TEMPLATE};
    assert_int_equal(result.vocabulary.setting_count, sizeof order / sizeof order[0]);
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        assert_int_equal(result.vocabulary.setting[i].key, order[i]);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_BOS), 0); /* the post-processor's word counts */
    source_close(&result.source);
    assert_int_equal(read_folder("qwen2", NULL, 8, &result), STATUS_CORRUPT); /* id 9 */
    source_close(&result.source);
    assert_int_equal(read_folder("qwen2", "tekken", 12, &result), STATUS_OK);
    assert_string_equal(result.vocabulary.pre, "tekken");
    assert_string_equal(result.finding.by, "--pre");
    source_close(&result.source);
    assert_int_equal(read_folder("qwen2", "qwen", 12, &result), STATUS_USAGE);
    assert_true(result.err.remedy[0] != '\0');
    source_close(&result.source);
}

static void unknown_pre_tokenizers(void **state)
{
    (void)state;
    static const char *const json[] = {TOKENIZER_JSON("{\"type\": \"WhitespaceSplit\"}", POST_BYTES),
                                       TOKENIZER_JSON("{\"type\": \"UnicodeScripts\"}", POST_BYTES)};
    struct result result;
    for (size_t i = 0; i < 2; i++) {
        fresh(folder);
        put_string_file(folder, "tokenizer.json", json[i]);
        assert_int_equal(read_folder("qwen2", NULL, 0, &result), STATUS_UNSUPPORTED);
        assert_non_null(strstr(result.err.what, "R-PRE"));
        assert_non_null(strstr(result.err.what, i == 0 ? result.finding.hash : "UnicodeScripts"));
        assert_non_null(strstr(result.err.remedy, "--pre"));
        source_close(&result.source);
        assert_int_equal(read_folder("qwen2", "gpt-2", 0, &result), STATUS_OK);
        assert_int_equal(result.vocabulary.count, 9);
        source_close(&result.source);
    }
    fresh(folder);
    put_string_file(folder, "vocab.json", "{\"a\": 0, \"b\": 1, \"ab\": 2}");
    put_string_file(folder, "merges.txt", "a b\n");
    put_string_file(folder, "added_tokens.json", "{\"<z>\": 3}");
    assert_int_equal(read_folder("qwen2", NULL, 0, &result), STATUS_UNSUPPORTED);
    source_close(&result.source);
    assert_int_equal(read_folder("qwen2", "qwen2", 0, &result), STATUS_OK);
    assert_int_equal(result.vocabulary.count, 4);
    assert_int_equal(result.vocabulary.token[3].type, VOCABULARY_USER_DEFINED);
    assert_true(slice_is(result.vocabulary.merge[0], "a b"));
    source_close(&result.source);
}

/* Templates of post-processors: <s> A </s>, pairs with a separator, an end that moves EOS. */
static void processors(void **state)
{
    (void)state;
    static const char template[] =
        "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<x>\"}}, {\"Sequence\": {\"id\": \"A\"}}, "
        "{\"SpecialToken\": {\"id\": \"<|end|>\"}}], \"pair\": [{\"SpecialToken\": {\"id\": \"<x>\"}}, {\"Sequence\": {\"id\": \"A\"}}, "
        "{\"SpecialToken\": {\"id\": \"<|end|>\"}}, {\"SpecialToken\": {\"id\": \"<|end|>\"}}, {\"Sequence\": {\"id\": \"B\"}}, "
        "{\"SpecialToken\": {\"id\": \"<|end|>\"}}], \"special_tokens\": {}}";
    struct text json = {0};
    struct result result;
    text_format(&json, "{\"added_tokens\": [%s], \"pre_tokenizer\": %s, \"post_processor\": %s, \"model\": {\"vocab\": {%s}, \"merges\": []}}", ADDED_BYTES,
                PRE_QWEN2, template, TOKENS_BYTES);
    fresh(folder);
    put_string_file(folder, "tokenizer.json", json.data);
    put_string_file(folder, "tokenizer_config.json", "{\"eos_token\": \"<x>\"}");
    assert_int_equal(read_folder("qwen2", "gpt-2", 0, &result), STATUS_OK);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_BOS_ID), 8);
    assert_null(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_CLS_ID)); /* is read, and not written */
    assert_int_equal(id_of(&result, VOCABULARY_KEY_EOS_ID), 7); /* the template's end */
    assert_int_equal(id_of(&result, VOCABULARY_KEY_EOT_ID), 8); /* the old EOS */
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_BOS), 1);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_EOS), 1);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_SEP), 1);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_SEP_ID), 7);
    source_close(&result.source);
    text_free(&json);
    fresh(folder);
    put_string_file(folder, "tokenizer.json",
                    TOKENIZER_JSON(PRE_QWEN2, "{\"type\": \"RobertaProcessing\", \"cls\": [\"<x>\", 8], \"sep\": [\"<|end|>\", 7]}"));
    put_string_file(folder, "tokenizer_config.json", "{\"add_bos_token\": false}");
    assert_int_equal(read_folder("qwen2", "gpt-2", 0, &result), STATUS_OK);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_SEP_ID), 7);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_BOS), 1);
    source_close(&result.source);
}

static void templates(void **state)
{
    (void)state;
    struct result result;
    fresh(folder);
    assert_int_equal(mkdir("vocabulary/additional_chat_templates", 0777), 0);
    put_string_file(folder, "tokenizer.json", TOKENIZER_JSON(PRE_QWEN2, POST_BYTES));
    put_string_file(folder, "tokenizer_config.json", "{\"x\": 1}");
    put_string_file(folder, "chat_template.jinja", "ma\r\ni\rn\r\n");
    put_string_file(folder, "additional_chat_templates/tool-use.jinja", "tool");
    assert_int_equal(read_folder("qwen2", NULL, 0, &result), STATUS_OK);
    const struct vocabulary_setting *const named = vocabulary_find(&result.vocabulary, VOCABULARY_KEY_TEMPLATE_NAMED);
    assert_true(named != NULL && slice_is(named->name, "tool_use") && slice_is(named->text, "tool"));
    assert_non_null(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_TEMPLATE_NAMES));
    assert_true(slice_is(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_TEMPLATE)->text, "ma\ni\nn\n")); /* ends of lines as Python's */
    source_close(&result.source);
    put_string_file(folder, "chat_template.json", "{\"chat_template\": \"other\"}");
    assert_int_equal(remove("vocabulary/chat_template.jinja"), 0);
    assert_int_equal(read_folder("qwen2", NULL, 0, &result), STATUS_OK);
    assert_true(slice_is(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_TEMPLATE)->text, "other"));
    source_close(&result.source);
    assert_int_equal(remove("vocabulary/tokenizer_config.json"), 0);
    put_string_file(folder, "tokenizer_config.json",
                    "{\"chat_template\": [{\"name\": \"default\", \"template\": \"d\"}, {\"name\": \"a.b\", \"template\": \"e\"}]}");
    assert_int_equal(read_folder("qwen2", NULL, 0, &result), STATUS_OK);
    assert_true(slice_is(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_TEMPLATE_NAMED)->name, "a_b"));
    assert_int_equal(result.vocabulary.setting[result.vocabulary.setting_count - 1].key, VOCABULARY_KEY_TEMPLATE); /* after the names */
    source_close(&result.source);
}

static void put_model(void)
{
    struct vocabulary_token piece[] = {{{"<unk>", 5}, 0, VOCABULARY_UNKNOWN},
                                       {{"<s>", 3}, 0, VOCABULARY_CONTROL},
                                       {{"a", 1}, -1, VOCABULARY_NORMAL},
                                       {{"u", 1}, -2, VOCABULARY_USER_DEFINED},
                                       {{"<0x0A>", 6}, 0, VOCABULARY_BYTE}};
    const struct sentencepiece model = {.piece = piece, .count = 5, .model = SENTENCEPIECE_BPE};
    struct text text = {0};
    sentencepiece_write(&model, &text);
    put_text(folder, "tokenizer.model", text.data, text.size);
    text_free(&text);
}

static void sentencepiece_models(void **state)
{
    (void)state;
    struct result result;
    fresh(folder);
    put_model();
    put_string_file(
        folder, "tokenizer_config.json",
        "{\"add_prefix_space\": false, \"added_tokens_decoder\": {\"1\": {\"content\": \"<s>\", \"special\": true}, \"6\": {\"content\": \"\xe2\x96\x81x\"}, "
        "\"900\": {\"content\": \"far\"}}}");
    put_string_file(folder, "added_tokens.json", "{\"seven\": 7, \"far\": 900}");
    assert_int_equal(read_folder("llama", NULL, 8, &result), STATUS_OK);
    assert_int_equal(result.vocabulary.kind, VOCABULARY_LLAMA);
    assert_string_equal(result.vocabulary.pre, "default");
    assert_int_equal(result.vocabulary.leading, 1);
    assert_int_equal(result.vocabulary.setting[0].key, VOCABULARY_KEY_ADD_SPACE_PREFIX);
    assert_int_equal(result.vocabulary.token[3].type, VOCABULARY_NORMAL); /* user-defined is not asked for */
    assert_true(result.vocabulary.token[1].score == -1000.0f && result.vocabulary.token[2].score == -1.0f);
    assert_true(slice_is(result.vocabulary.token[5].text, "[PAD5]"));
    assert_true(slice_is(result.vocabulary.token[6].text, " x"));
    assert_int_equal(result.vocabulary.token[6].type, VOCABULARY_USER_DEFINED);
    assert_true(slice_is(result.vocabulary.token[7].text, "seven"));
    source_close(&result.source);
    assert_int_equal(read_folder("llama", NULL, 32016, &result), STATUS_OK);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_EOT_ID), 32010);
    assert_null(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_PREFIX_ID));
    source_close(&result.source);
    assert_int_equal(read_folder("llama", NULL, 49152, &result), STATUS_OK);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_BOS), 0);
    source_close(&result.source);
    assert_int_equal(read_folder("gemma", NULL, 200, &result), STATUS_OK);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_EOT_ID), 107);
    assert_null(vocabulary_find(&result.vocabulary, VOCABULARY_KEY_FIM_SEP_ID));
    assert_int_equal(result.vocabulary.setting[result.vocabulary.setting_count - 1].key, VOCABULARY_KEY_ADD_SPACE_PREFIX);
    source_close(&result.source);
    assert_int_equal(read_folder("gemma2", NULL, 0, &result), STATUS_OK);
    assert_int_equal(flag_of(&result, VOCABULARY_KEY_ADD_SPACE_PREFIX), 0);
    assert_int_equal(result.vocabulary.count, 5);
    source_close(&result.source);
    put_string_file(folder, "tokenizer.json", "{\"added_tokens\": [{\"id\": 5, \"content\": \"<|y|>\"}], \"model\": {}}");
    assert_int_equal(read_folder("phi3", NULL, 8, &result), STATUS_OK);
    assert_true(slice_is(result.vocabulary.token[5].text, "<|y|>"));
    assert_int_equal(result.vocabulary.token[5].type, VOCABULARY_USER_DEFINED); /* Phi-3 does not look at texts */
    source_close(&result.source);
    assert_int_equal(read_folder("qwen3moe", NULL, 8, &result), STATUS_UNSUPPORTED); /* byte-level BPE only */
    source_close(&result.source);
}

static void sentencepiece_in_json(void **state)
{
    (void)state;
    static const char head[] =
        "{\"decoder\": {\"type\": \"Sequence\", \"decoders\": []}, \"model\": {\"type\": \"BPE\", \"byte_fallback\": true, \"merges\": [], \"vocab\": "
        "{\"<unk>\": 0, \"<0x0A>\": 1, \"a\": 2}}, \"added_tokens\": [{\"id\": 2, \"content\": \"a\"}, {\"id\": 3, \"content\": \"</s>\", "
        "\"special\": true}, {\"id\": %d, \"content\": \"<|im|>\", \"special\": true}]}";
    struct result result;
    for (int last = 4; last < 6; last++) {
        char json[600];
        (void)snprintf(json, sizeof json, head, last);
        fresh(folder);
        put_string_file(folder, "tokenizer.json", json);
        put_string_file(folder, "tokenizer_config.json", "{\"unk_token\": \"<unk>\", \"eos_token\": \"</s>\"}");
        assert_int_equal(read_folder("llama", NULL, 0, &result), STATUS_OK);
        static const enum vocabulary_type types[] = {VOCABULARY_CONTROL, VOCABULARY_BYTE, VOCABULARY_NORMAL, VOCABULARY_CONTROL, VOCABULARY_USER_DEFINED};
        assert_int_equal(result.vocabulary.count, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(result.vocabulary.token[i].type, types[i]);
            assert_true(result.vocabulary.token[i].score == -1000.0f);
        }
        assert_int_equal(result.vocabulary.renumbered, last == 5); /* a gap */
        assert_int_equal(id_of(&result, VOCABULARY_KEY_EOS_ID), 3);
        source_close(&result.source);
    }
}

static void tiktoken_and_nothing(void **state)
{
    (void)state;
    struct result result;
    fresh(folder);
    put_string_file(folder, "config.json", "{\"eos_token_id\": 2}");
    put_string_file(folder, "tokenizer.model", "YQ== 0\nYg== 1\nYWI= 2\n");
    assert_int_equal(read_folder("llama", NULL, 259, &result), STATUS_OK);
    assert_string_equal(result.vocabulary.pre, "llama-bpe");
    assert_int_equal(id_of(&result, VOCABULARY_KEY_BOS_ID), 3);
    assert_int_equal(id_of(&result, VOCABULARY_KEY_EOS_ID), 2);
    source_close(&result.source);
    assert_int_equal(read_folder("llama", NULL, 300, &result), STATUS_CORRUPT);
    source_close(&result.source);
    fresh(folder);
    assert_int_equal(read_folder("llama", NULL, 300, &result), STATUS_UNSUPPORTED);
    assert_non_null(strstr(result.err.remedy, "--base"));
    source_close(&result.source);
    assert_int_equal(tree_remove(&file_posix, folder, &result.err), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level),           cmocka_unit_test(unknown_pre_tokenizers),
        cmocka_unit_test(processors),           cmocka_unit_test(templates),
        cmocka_unit_test(sentencepiece_models), cmocka_unit_test(sentencepiece_in_json),
        cmocka_unit_test(tiktoken_and_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
