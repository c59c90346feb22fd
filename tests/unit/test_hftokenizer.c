/* tokenizer.json: tokens, merges, added tokens, steps, decoders; and what is broken in it. */
#include "formats/hftokenizer.h"

#include "tokenizer_files.h"

static enum status read_json(const char *json, struct hftokenizer *tokenizer, struct err *err)
{
    return hftokenizer_read("tokenizer.json", slice_of(json), tokenizer, err);
}

static void encoded_is(const struct hftokenizer *tokenizer, const char *text, const char *expected)
{
    struct bpe_ids ids = {0};
    struct err err = {0};
    char list[200] = "";
    size_t used = 0;
    assert_int_equal(hftokenizer_encode(tokenizer, slice_of(text), &ids, &err), STATUS_OK);
    for (size_t i = 0; i < ids.count; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, i == 0 ? "%u" : " %u", ids.id[i]);
    assert_string_equal(list, expected);
    free(ids.id);
}

static void reading(void **state)
{
    (void)state;
    struct hftokenizer tokenizer;
    struct err err = {0};
    assert_int_equal(read_json(TOKENIZER_JSON(PRE_QWEN2, POST_BYTES), &tokenizer, &err), STATUS_OK);
    assert_int_equal(tokenizer.token_count, 7);
    assert_int_equal(tokenizer.merge_count, 2);
    assert_int_equal(tokenizer.added_count, 2);
    assert_int_equal(tokenizer.own_count, 2);
    assert_true(slice_is(tokenizer.token[5].text, "\xc4\xa0"
                                                  "a"));
    assert_true(slice_is(tokenizer.merge[1].left, "\xc4\xa0"));
    assert_true(tokenizer.added[0].special && !tokenizer.added[1].special);
    assert_int_equal(hftokenizer_pipeline(&tokenizer, &err), STATUS_OK);
    encoded_is(&tokenizer, "ab ab<|end|>11", "4 3 4 7 6 6");
    hftokenizer_close(&tokenizer);
}

/* The text of a tokenizer.json with this member more. */
static void pipeline_is(const char *member, enum status expected, const char *words)
{
    struct hftokenizer tokenizer;
    struct err err = {0};
    struct text json = {0};
    text_format(&json,
                "{%s, \"model\": {\"vocab\": {\"a\": 0, \"\xe2\x96\x81\": 1, \"\xe2\x96\x81"
                "a\": 2}, \"merges\": [\"\xe2\x96\x81 a\"]}}",
                member);
    assert_int_equal(read_json(json.data, &tokenizer, &err), STATUS_OK);
    assert_int_equal(hftokenizer_pipeline(&tokenizer, &err), expected);
    if (words != NULL && expected != STATUS_OK)
        assert_non_null(strstr(err.what, words));
    else if (words != NULL)
        encoded_is(&tokenizer, "a a", words);
    hftokenizer_close(&tokenizer);
    text_free(&json);
}

static void steps(void **state)
{
    (void)state;
    pipeline_is("\"normalizer\": {\"type\": \"Precompiled\"}", STATUS_UNSUPPORTED, "Precompiled");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"UnicodeScripts\"}", STATUS_UNSUPPORTED, "UnicodeScripts");
    pipeline_is("\"post_processor\": {\"type\": \"Strange\"}", STATUS_UNSUPPORTED, "Strange");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"(\"}, \"behavior\": \"Isolated\"}", STATUS_UNSUPPORTED,
                "regular expression");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"a\"}, \"behavior\": \"Eaten\"}", STATUS_UNSUPPORTED, "Eaten");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"Isolated\"}", STATUS_CORRUPT, "without a pattern");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"\"}, \"behavior\": \"MergedWithNext\"}", STATUS_OK, "0 0");
    pipeline_is("\"post_processor\": {\"type\": \"BertProcessing\", \"cls\": [\"a\"]}", STATUS_CORRUPT, "no valid id");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"always\"}", STATUS_OK, "2 2");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"never\"}", STATUS_OK, "0 2");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Metaspace\", \"prepend_scheme\": \"first\", \"split\": false}", STATUS_OK, "2 2");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"WhitespaceSplit\"}", STATUS_OK, "0 0");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Whitespace\"}", STATUS_OK, "0 0");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Digits\", \"individual_digits\": true}", STATUS_OK, "0 0");
    pipeline_is("\"pre_tokenizer\": {\"type\": \"Punctuation\"}", STATUS_OK, "0 0");
    pipeline_is(
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Sequence\", \"normalizers\": []}, {\"type\": \"Prepend\", \"prepend\": \"_\"}, "
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xe2\x96\x81\"}]}",
        STATUS_OK, "0 2");
    pipeline_is("\"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"a\", 5], \"sep\": [\"b\", 6]}", STATUS_OK, "5 0 0 6");
    pipeline_is("\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"s\"}}, {\"Sequence\": {\"id\": \"A\"}}, "
                "{\"SpecialToken\": {\"id\": \"s\"}}], \"special_tokens\": {\"s\": {\"ids\": [9]}}}",
                STATUS_OK, "9 0 0 9");
    pipeline_is(
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Sequence\", \"normalizers\": "
        "[{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}]}]}]}]}]}",
        STATUS_UNSUPPORTED, "nested");
}

static void models(void **state)
{
    (void)state;
    static const char *const unsupported[] = {"\"type\": \"Unigram\", \"vocab\": [[\"a\", 0.5]]", "\"dropout\": 0.1",
                                              "\"continuing_subword_prefix\": \"##\"", "\"end_of_word_suffix\": \"</w>\""};
    struct hftokenizer tokenizer;
    struct err err = {0};
    for (size_t i = 0; i < sizeof unsupported / sizeof unsupported[0]; i++) {
        struct text json = {0};
        text_format(&json, "{\"model\": {%s}}", unsupported[i]);
        assert_int_equal(read_json(json.data, &tokenizer, &err), STATUS_OK);
        assert_int_equal(hftokenizer_pipeline(&tokenizer, &err), STATUS_UNSUPPORTED);
        hftokenizer_close(&tokenizer);
        text_free(&json);
    }
}

static void damage(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum status status;
    } cases[] = {
        {"", STATUS_CORRUPT},
        {"[]", STATUS_CORRUPT},
        {"{\"model\": []}", STATUS_CORRUPT},
        {"{\"model\": {\"vocab\": {\"a\": -1}}}", STATUS_CORRUPT},
        {"{\"model\": {\"vocab\": {\"a\": \"1\"}}}", STATUS_CORRUPT},
        {"{\"model\": {\"vocab\": {\"\": 1}}}", STATUS_CORRUPT},
        {"{\"model\": {\"vocab\": {\"a\": 1000000}}}", STATUS_LIMIT},
        {"{\"model\": {\"merges\": [\"ab\"]}}", STATUS_CORRUPT},
        {"{\"model\": {\"merges\": [\"a b c\"]}}", STATUS_CORRUPT},
        {"{\"model\": {\"merges\": [\" b\"]}}", STATUS_CORRUPT},
        {"{\"model\": {\"merges\": [[\"a\"]]}}", STATUS_CORRUPT},
        {"{\"model\": {\"merges\": [[\"a\", \"b\", \"c\"]]}}", STATUS_CORRUPT},
        {"{\"model\": {\"merges\": [1]}}", STATUS_CORRUPT},
        {"{\"added_tokens\": [1]}", STATUS_CORRUPT},
        {"{\"added_tokens\": [{\"id\": 1}]}", STATUS_CORRUPT},
        {"{\"added_tokens\": [{\"content\": \"a\"}]}", STATUS_CORRUPT},
        {"{\"added_tokens\": {}}", STATUS_CORRUPT},
        {"{\"model\": {}} x", STATUS_CORRUPT},
        {"{\"normalizer\": {\"a\": 1, \"a\": 2}}", STATUS_CORRUPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct hftokenizer tokenizer;
        struct err err = {0};
        assert_int_equal(read_json(cases[i].json, &tokenizer, &err), cases[i].status);
        assert_null(tokenizer.token);
    }
}

static void old_files(void **state)
{
    (void)state;
    static const char vocabulary[] = "{\"a\": 0, \"b\": 1, \"ab\": 2}";
    struct hftokenizer tokenizer;
    struct err err = {0};
    assert_int_equal(hftokenizer_read_old(slice_of(vocabulary), slice_of("#version: 0.2\na b\n\nodd\nb  a \n"), &tokenizer, &err), STATUS_OK);
    assert_int_equal(tokenizer.merge_count, 2);
    assert_true(slice_is(tokenizer.merge[1].left, "b") && slice_is(tokenizer.merge[1].right, "a"));
    hftokenizer_close(&tokenizer);
    assert_int_equal(hftokenizer_read_old(slice_of("{\"a\": 0"), slice_of(""), &tokenizer, &err), STATUS_CORRUPT);
}

static void decoded_is(const char *decoder, const char *token, const char *expected)
{
    struct hftokenizer tokenizer;
    struct slice decoded;
    struct err err = {0};
    struct text json = {0};
    text_format(&json, "{\"decoder\": %s}", decoder);
    assert_int_equal(read_json(json.data, &tokenizer, &err), STATUS_OK);
    const enum status status = hftokenizer_decode(&tokenizer, slice_of(token), &decoded, &err);
    assert_int_equal(status, expected == NULL ? STATUS_UNSUPPORTED : STATUS_OK);
    if (expected != NULL)
        assert_true(slice_is(decoded, expected));
    hftokenizer_close(&tokenizer);
    text_free(&json);
}

static void decoders(void **state)
{
    (void)state;
    static const char llama[] =
        "{\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\xe2\x96\x81\"}, \"content\": \" \"}, "
        "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}, {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 1}]}";
    decoded_is("null", "\xe2\x96\x81x", "\xe2\x96\x81x");
    decoded_is("{\"type\": \"ByteLevel\"}", "\xc4\xa0x", " x");
    decoded_is("{\"type\": \"ByteLevel\"}", "<\xef\xbd\x9c x>", "<\xef\xbd\x9c x>"); /* not of the alphabet */
    decoded_is(llama, "\xe2\x96\x81\xe2\x96\x81x ", " x");
    decoded_is(llama, "<0x0a>", "\n");
    decoded_is(llama, "<0xC3>", "\xef\xbf\xbd");
    decoded_is(llama, "<0xG0>", "<0xG0>");
    decoded_is("{\"type\": \"WordPiece\"}", "x", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading), cmocka_unit_test(steps),     cmocka_unit_test(models),
        cmocka_unit_test(damage),  cmocka_unit_test(old_files), cmocka_unit_test(decoders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
