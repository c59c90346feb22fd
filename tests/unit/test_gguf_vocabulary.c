/* A vocabulary as pairs of a GGUF file and back, and the files that are rebuilt from it. */
#include "formats/gguf_vocabulary.h"
#include "formats/hfmerges.h"
#include "formats/hfrebuild.h"
#include "formats/hfvocabulary.h"

#include "tokenizer/sentencepiece.h"
#include "tokenizer_files.h"

/* A header in memory of one vocabulary, read again. */
struct round {
    struct ggufile_writer writer;
    struct ggufile gguf;
    struct text header;
    struct arena arena;
    struct vocabulary back;
    struct err err;
};

static enum status go_round_as(const struct vocabulary *vocabulary, const char *name, struct round *round)
{
    static const char path[] = "vocabulary.gguf";
    struct file file;
    uint64_t bytes;
    *round = (struct round){.writer = {.bare = true}};
    if (name != NULL)
        ggufile_write_string(&round->writer, "general.name", slice_of(name));
    gguf_vocabulary_write(vocabulary, &round->arena, &round->writer);
    assert_int_equal(ggufile_write_layout(&round->writer, NULL, 0, &round->header, &bytes, &round->err), STATUS_OK);
    (void)remove(path);
    put_text(".", path, round->header.data, round->header.size);
    assert_int_equal(file_open_read(&file, &file_posix, path, &round->err), STATUS_OK);
    assert_int_equal(ggufile_read(&file, false, &round->gguf, &round->err), STATUS_OK);
    file_drop(&file);
    return gguf_vocabulary_read(&round->gguf, &round->arena, &round->back, &round->err);
}

static enum status go_round(const struct vocabulary *vocabulary, struct round *round)
{
    return go_round_as(vocabulary, NULL, round);
}

static void end_round(struct round *round)
{
    ggufile_write_free(&round->writer);
    ggufile_free(&round->gguf);
    text_free(&round->header);
    arena_free(&round->arena);
}

#define TOKEN(text, score, type) \
    { \
        {text, sizeof text - 1}, score, VOCABULARY_##type \
    }
static struct vocabulary_token llama_tokens[] = {TOKEN("<unk>", -1000, CONTROL),   TOKEN("<s>", -1000, CONTROL),    TOKEN("</s>", -1000, CONTROL),
                                                 TOKEN("<0x0A>", 0, BYTE),         TOKEN("a", -3, NORMAL),          TOKEN("b", -4, NORMAL),
                                                 TOKEN("ab", -1, NORMAL),          TOKEN("aab", -2, NORMAL),        TOKEN("aa", -2, NORMAL),
                                                 TOKEN(" x", -1000, USER_DEFINED), TOKEN("[PAD10]", -10000, UNUSED)};
static struct vocabulary_setting llama_settings[] = {{.key = VOCABULARY_KEY_ADD_SPACE_PREFIX, .flag = false},
                                                     {.key = VOCABULARY_KEY_BOS_ID, .id = 1},
                                                     {.key = VOCABULARY_KEY_UNK_ID, .id = 0},
                                                     {.key = VOCABULARY_KEY_ADD_BOS, .flag = true},
                                                     {.key = VOCABULARY_KEY_TEMPLATE_NAMED, .name = {"tool", 4}, .text = {"T", 1}},
                                                     {.key = VOCABULARY_KEY_TEMPLATE_NAMES},
                                                     {.key = VOCABULARY_KEY_TEMPLATE, .text = {"{{x}}", 5}}};
static const struct vocabulary llama = {.kind = VOCABULARY_LLAMA,
                                        .pre = "default",
                                        .token = llama_tokens,
                                        .count = 11,
                                        .scored = true,
                                        .setting = llama_settings,
                                        .setting_count = 7,
                                        .leading = 1};

static void pairs(void **state)
{
    (void)state;
    static const char *const order[] = {
        "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.model",         "tokenizer.ggml.pre",          "tokenizer.ggml.tokens",
        "tokenizer.ggml.scores",           "tokenizer.ggml.token_type",    "tokenizer.ggml.bos_token_id", "tokenizer.ggml.unknown_token_id",
        "tokenizer.ggml.add_bos_token",    "tokenizer.chat_template.tool", "tokenizer.chat_templates",    "tokenizer.chat_template"};
    static const enum ggufile_kind kinds[] = {GGUFILE_BOOL, GGUFILE_STRING, GGUFILE_STRING, GGUFILE_ARRAY,  GGUFILE_ARRAY, GGUFILE_ARRAY,
                                              GGUFILE_U32,  GGUFILE_U32,    GGUFILE_BOOL,   GGUFILE_STRING, GGUFILE_ARRAY, GGUFILE_STRING};
    struct round round;
    assert_int_equal(go_round(&llama, &round), STATUS_OK);
    assert_int_equal(round.gguf.value_count, sizeof order / sizeof order[0]);
    for (size_t i = 0; i < round.gguf.value_count; i++) {
        assert_true(slice_is(round.gguf.value[i].key, order[i]));
        assert_int_equal(round.gguf.value[i].kind, kinds[i]);
    }
    assert_int_equal(round.gguf.value[4].element, GGUFILE_F32);
    assert_int_equal(round.gguf.value[5].element, GGUFILE_I32);
    assert_int_equal(round.back.count, llama.count);
    for (uint32_t i = 0; i < llama.count; i++) {
        assert_true(slice_equal(round.back.token[i].text, llama.token[i].text));
        assert_true(round.back.token[i].score == llama.token[i].score && round.back.token[i].type == llama.token[i].type);
    }
    assert_int_equal(round.back.setting_count, 7);
    assert_true(slice_is(vocabulary_find(&round.back, VOCABULARY_KEY_TEMPLATE_NAMED)->name, "tool"));
    end_round(&round);
}

/* Special tokens of a model with such a name take the blanks behind them, but three. */
static void stripping(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool strips;
    } rows[] = {{"Phi-3-mini", true}, {"my PHI3", true}, {"Phi 3.5", false}, {"phi-", false}, {"", false}};
    struct round round;
    struct text text = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(go_round_as(&llama, rows[i].name, &round), STATUS_OK);
        assert_int_equal(round.back.strips, rows[i].strips);
        assert_int_equal(vocabulary_strips(&round.back, &round.back.token[2]), rows[i].strips);
        assert_false(vocabulary_strips(&round.back, &round.back.token[1])); /* <s> */
        text.size = 0;
        assert_int_equal(hfrebuild_tokenizer(&round.back, &round.arena, &text, &round.err), STATUS_OK);
        text_string(&text, "");
        assert_int_equal(strstr(text.data, "\"rstrip\": true") != NULL, rows[i].strips);
        text.size = 0;
        assert_int_equal(hfrebuild_config(&round.back, (struct hfrebuild_options){.plain = true}, &text, &round.err), STATUS_OK);
        assert_int_equal(strstr(text.data, "\"rstrip\": true") != NULL, rows[i].strips);
        assert_non_null(strstr(text.data, "PreTrainedTokenizerFast"));
        end_round(&round);
    }
    text_free(&text);
}

static void damaged_pairs(void **state)
{
    (void)state;
    struct vocabulary_setting far = {.key = VOCABULARY_KEY_BOS_ID, .id = 11};
    struct vocabulary_token token[2] = {TOKEN("a", 0, NORMAL), TOKEN("\xff", 0, NORMAL)};
    struct slice merge[1] = {{"ab", 2}};
    struct vocabulary broken = llama;
    struct round round;
    broken.setting = &far;
    broken.setting_count = 1;
    broken.leading = 0;
    assert_int_equal(go_round(&broken, &round), STATUS_CORRUPT);
    end_round(&round);
    broken.setting_count = 0;
    broken.token = token;
    broken.count = 2;
    assert_int_equal(go_round(&broken, &round), STATUS_CORRUPT); /* no UTF-8 */
    end_round(&round);
    broken.count = 1;
    token[0].type = (enum vocabulary_type)7;
    assert_int_equal(go_round(&broken, &round), STATUS_CORRUPT);
    end_round(&round);
    token[0].type = VOCABULARY_NORMAL;
    broken.merge = merge;
    broken.merge_count = 1;
    assert_int_equal(go_round(&broken, &round), STATUS_CORRUPT);
    end_round(&round);
}

static void derived_merges(void **state)
{
    (void)state;
    struct hfmerges merges;
    struct arena arena = {0};
    struct err err = {0};
    assert_int_equal(hfmerges_derive(&llama, &arena, &merges, &err), STATUS_OK);
    static const char *const expected[][2] = {
        {"a", "b"}, {"aa", "b"}, {"a", "ab"}, {"a", "a"}}; /* score; then the longer left part, the longer right part */
    assert_int_equal(merges.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_true(slice_is(merges.merge[i].left, expected[i][0]));
        assert_true(slice_is(merges.merge[i].right, expected[i][1]));
    }
    arena_free(&arena);
}

static void rebuilt_sentencepiece(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct text text = {0};
    struct sentencepiece model;
    struct jsondoc *doc;
    struct err err = {0};
    assert_int_equal(hfrebuild_tokenizer(&llama, &arena, &text, &err), STATUS_OK);
    assert_int_equal(jsondoc_parse("tokenizer.json", (struct slice){text.data, text.size}, &doc, &err), STATUS_OK);
    assert_string_equal(jsondoc_string(jsondoc_get(jsondoc_get(doc, "model"), "unk_token")), "<unk>");
    assert_string_equal(jsondoc_string(jsondoc_get(jsondoc_get(doc, "post_processor"), "type")), "TemplateProcessing");
    assert_null(strstr(text.data, "Prepend")); /* add_space_prefix is false */
    assert_null(strstr(text.data, "[PAD"));
    jsondoc_free(doc);
    text.size = 0;
    assert_int_equal(hfrebuild_config(&llama, (struct hfrebuild_options){.tokens_max = 4096}, &text, &err), STATUS_OK);
    assert_int_equal(jsondoc_parse("tokenizer_config.json", (struct slice){text.data, text.size}, &doc, &err), STATUS_OK);
    assert_string_equal(jsondoc_string(jsondoc_get(doc, "bos_token")), "<s>");
    assert_int_equal(jsondoc_kind(jsondoc_get(doc, "eos_token")), JSONDOC_NULL);
    assert_string_equal(jsondoc_string(jsondoc_get(jsondoc_first(jsondoc_get(doc, "chat_template")), "name")), "tool");
    jsondoc_free(doc);
    text.size = 0;
    assert_int_equal(hfrebuild_special(&llama, &text, &err), STATUS_OK);
    assert_string_equal(text.data, "{\n  \"bos_token\": \"<s>\",\n  \"unk_token\": \"<unk>\"\n}\n");
    text.size = 0;
    assert_int_equal(hfrebuild_model(&llama, &arena, &text, &err), STATUS_OK);
    assert_int_equal(sentencepiece_read("tokenizer.model", (struct slice){text.data, text.size}, &arena, &model, &err), STATUS_OK);
    assert_int_equal(model.count, 10); /* without padding */
    assert_int_equal(model.piece[0].type, VOCABULARY_UNKNOWN);
    assert_true(model.piece[1].score == 0);
    assert_true(slice_is(model.piece[9].text, "\xe2\x96\x81x"));
    assert_true(model.byte_fallback && !model.add_dummy_prefix);
    assert_int_equal(model.eos, -1);
    text_free(&text);
    arena_free(&arena);
}

static void what_cannot_be_rebuilt(void **state)
{
    (void)state;
    struct vocabulary_token same[] = {TOKEN("a", -1000, NORMAL), TOKEN("b", -1000, NORMAL)};
    struct vocabulary vocabulary = {.kind = VOCABULARY_LLAMA, .token = same, .count = 2};
    struct arena arena = {0};
    struct text text = {0};
    struct err err = {0};
    assert_int_equal(hfrebuild_tokenizer(&vocabulary, &arena, &text, &err), STATUS_UNSUPPORTED);
    assert_int_equal(hfrebuild_model(&vocabulary, &arena, &text, &err), STATUS_UNREPRESENTABLE);
    vocabulary.kind = VOCABULARY_GPT2;
    assert_int_equal(hfrebuild_tokenizer(&vocabulary, &arena, &text, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "found none"));
    vocabulary.pre = "gemma4";
    assert_int_equal(hfrebuild_tokenizer(&vocabulary, &arena, &text, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "gemma4"));
    assert_non_null(strstr(err.what, "bytes' letters"));
    vocabulary.pre = "unheard";
    assert_int_equal(hfrebuild_tokenizer(&vocabulary, &arena, &text, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.what, "not known"));
    text_free(&text);
    arena_free(&arena);
}

/* A directory becomes pairs, the pairs a directory, and that one the same pairs. */
static void byte_level_there_and_back(void **state)
{
    (void)state;
    static const char folder[] = "rebuilt";
    const struct hfvocabulary_options options = {.architecture = "qwen2", .tokens = 12};
    struct hfvocabulary_finding finding;
    struct vocabulary vocabulary;
    struct source source;
    struct round round, again;
    struct text text = {0};
    struct err err = {0};
    fresh(folder);
    put_string_file(folder, "tokenizer.json", TOKENIZER_JSON(PRE_QWEN2, POST_BYTES));
    put_string_file(folder, "tokenizer_config.json", "{\"eos_token\": \"<|end|>\", \"chat_template\": \"T\"}");
    assert_int_equal(source_open_plain(&source, &file_posix, folder, &err), STATUS_OK);
    assert_int_equal(hfvocabulary_read(&source, &options, &vocabulary, &finding, &err), STATUS_OK);
    assert_int_equal(go_round(&vocabulary, &round), STATUS_OK);
    fresh(folder);
    assert_int_equal(hfrebuild_tokenizer(&round.back, &round.arena, &text, &err), STATUS_OK);
    put_text(folder, "tokenizer.json", text.data, text.size);
    text.size = 0;
    assert_int_equal(hfrebuild_config(&round.back, (struct hfrebuild_options){.plain = false}, &text, &err), STATUS_OK);
    put_text(folder, "tokenizer_config.json", text.data, text.size);
    source_close(&source);
    assert_int_equal(source_open_plain(&source, &file_posix, folder, &err), STATUS_OK);
    assert_int_equal(hfvocabulary_read(&source, &options, &vocabulary, &finding, &err), STATUS_OK);
    assert_int_equal(go_round(&vocabulary, &again), STATUS_OK);
    assert_int_equal(again.header.size, round.header.size);
    assert_memory_equal(again.header.data, round.header.data, round.header.size);
    end_round(&again);
    end_round(&round);
    source_close(&source);
    text_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs),
        cmocka_unit_test(stripping),
        cmocka_unit_test(damaged_pairs),
        cmocka_unit_test(derived_merges),
        cmocka_unit_test(rebuilt_sentencepiece),
        cmocka_unit_test(what_cannot_be_rebuilt),
        cmocka_unit_test(byte_level_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
