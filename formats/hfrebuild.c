#include "formats/hfrebuild.h"

#include "container/json.h"
#include "formats/hfmerges.h"
#include "tokenizer/prename.h"
#include "tokenizer/sentencepiece.h"

#include <string.h>

#define METASPACE "\xe2\x96\x81"

/* Special tokens that have a name in tokenizer_config.json. */
static const struct {
    enum vocabulary_key key;
    const char *name;
} names[] = {
    {VOCABULARY_KEY_BOS_ID, "bos_token"},   {VOCABULARY_KEY_EOS_ID, "eos_token"}, {VOCABULARY_KEY_UNK_ID, "unk_token"},
    {VOCABULARY_KEY_SEP_ID, "sep_token"},   {VOCABULARY_KEY_PAD_ID, "pad_token"}, {VOCABULARY_KEY_CLS_ID, "cls_token"},
    {VOCABULARY_KEY_MASK_ID, "mask_token"},
};

static bool is_set(const struct vocabulary *vocabulary, enum vocabulary_key key, bool absent)
{
    const struct vocabulary_setting *const setting = vocabulary_find(vocabulary, key);
    return setting == NULL ? absent : setting->flag;
}

/* The token whose id is set under a key; NULL if there is none. */
static const struct vocabulary_token *token_of(const struct vocabulary *vocabulary, enum vocabulary_key key)
{
    const struct vocabulary_setting *const setting = vocabulary_find(vocabulary, key);
    return setting == NULL || setting->id >= vocabulary->count ? NULL : &vocabulary->token[setting->id];
}

static bool is_added(const struct vocabulary_token *token)
{
    return token->type == VOCABULARY_CONTROL || token->type == VOCABULARY_USER_DEFINED || token->type == VOCABULARY_UNKNOWN;
}

/* Where a file does not say whether BOS comes first, llama.cpp decides by the tokenizer. */
static bool adds_bos(const struct vocabulary *vocabulary)
{
    const struct prename_pattern *const row = vocabulary->pre == NULL ? NULL : prename_find(vocabulary->pre);
    const bool absent = vocabulary->kind == VOCABULARY_LLAMA || (row != NULL && row->adds_bos);
    return is_set(vocabulary, VOCABULARY_KEY_ADD_BOS, absent) && token_of(vocabulary, VOCABULARY_KEY_BOS_ID) != NULL;
}

static bool adds_eos(const struct vocabulary *vocabulary)
{
    return is_set(vocabulary, VOCABULARY_KEY_ADD_EOS, false) && token_of(vocabulary, VOCABULARY_KEY_EOS_ID) != NULL;
}

static void put_string(struct text *text, const char *before, struct slice string)
{
    text_string(text, before);
    json_quote(text, string);
}

static void put_added(const struct vocabulary *vocabulary, struct text *text)
{
    const char *comma = "";
    text_string(text, "  \"added_tokens\": [");
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        const struct vocabulary_token *const token = &vocabulary->token[i];
        if (!is_added(token))
            continue;
        text_format(text, "%s\n    {\"id\": %u, ", comma, i);
        put_string(text, "\"content\": ", token->text);
        text_format(text, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": %s, \"normalized\": false, \"special\": %s}",
                    vocabulary_strips(vocabulary, token) ? "true" : "false", token->type == VOCABULARY_USER_DEFINED ? "false" : "true");
        comma = ",";
    }
    text_string(text, "\n  ],\n");
}

static void put_template_part(const struct vocabulary *vocabulary, const char *sequence, unsigned number, struct text *text)
{
    const struct vocabulary_token *const bos = token_of(vocabulary, VOCABULARY_KEY_BOS_ID), *const eos = token_of(vocabulary, VOCABULARY_KEY_EOS_ID);
    if (adds_bos(vocabulary)) {
        put_string(text, "{\"SpecialToken\": {\"id\": ", bos->text);
        text_format(text, ", \"type_id\": %u}}, ", number);
    }
    text_format(text, "{\"Sequence\": {\"id\": \"%s\", \"type_id\": %u}}", sequence, number);
    if (adds_eos(vocabulary)) {
        put_string(text, ", {\"SpecialToken\": {\"id\": ", eos->text);
        text_format(text, ", \"type_id\": %u}}", number);
    }
}

static void put_special(const struct vocabulary *vocabulary, enum vocabulary_key key, const char *comma, struct text *text)
{
    const struct vocabulary_token *const token = token_of(vocabulary, key);
    put_string(text, comma, token->text);
    put_string(text, ": {\"id\": ", token->text);
    text_format(text, ", \"ids\": [%u], ", vocabulary_find(vocabulary, key)->id);
    put_string(text, "\"tokens\": [", token->text);
    text_string(text, "]}");
}

static void put_processor(const struct vocabulary *vocabulary, struct text *text)
{
    const bool bos = adds_bos(vocabulary), eos = adds_eos(vocabulary);
    if (!bos && !eos && vocabulary->kind == VOCABULARY_GPT2) {
        text_string(text, "  \"post_processor\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": false, \"use_regex\": false},\n");
        return;
    }
    text_string(text, "  \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [");
    put_template_part(vocabulary, "A", 0, text);
    text_string(text, "], \"pair\": [");
    put_template_part(vocabulary, "A", 0, text);
    text_string(text, ", ");
    put_template_part(vocabulary, "B", 1, text);
    text_string(text, "], \"special_tokens\": {");
    if (bos)
        put_special(vocabulary, VOCABULARY_KEY_BOS_ID, "", text);
    if (eos && !(bos && vocabulary_find(vocabulary, VOCABULARY_KEY_BOS_ID)->id == vocabulary_find(vocabulary, VOCABULARY_KEY_EOS_ID)->id))
        put_special(vocabulary, VOCABULARY_KEY_EOS_ID, bos ? ", " : "", text);
    text_string(text, "}},\n");
}

/* True if added tokens follow on the model's own without a gap, so that they need not stand in the model: they get the next ids. */
static bool added_follow(const struct vocabulary *vocabulary)
{
    uint32_t own = 0, end = vocabulary->count;
    while (end > 0 && vocabulary->token[end - 1].type == VOCABULARY_UNUSED)
        end--;
    while (own < end && !is_added(&vocabulary->token[own]) && vocabulary->token[own].type != VOCABULARY_UNUSED)
        own++;
    while (own < end && is_added(&vocabulary->token[own]))
        own++;
    return vocabulary->kind == VOCABULARY_GPT2 && own == end;
}

static void put_vocabulary(const struct vocabulary *vocabulary, struct text *text)
{
    const bool without = added_follow(vocabulary);
    const char *comma = "";
    text_string(text, "    \"vocab\": {");
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        const struct vocabulary_token *const token = &vocabulary->token[i];
        if (token->type == VOCABULARY_UNUSED || (without && is_added(token)))
            continue;
        text_format(text, "%s\n      ", comma);
        json_quote(text, token->text);
        text_format(text, ": %u", i);
        comma = ",";
    }
    text_string(text, "\n    },\n");
}

static void put_merge(struct text *text, const char *comma, struct slice left, struct slice right)
{
    text_format(text, "%s\n      [", comma);
    json_quote(text, left);
    put_string(text, ", ", right);
    text_string(text, "]");
}

static enum status put_merges(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err)
{
    struct hfmerges derived = {0};
    text_string(text, "    \"merges\": [");
    if (vocabulary->kind == VOCABULARY_LLAMA)
        TRY(hfmerges_derive(vocabulary, arena, &derived, err));
    for (uint32_t i = 0; i < derived.count; i++)
        put_merge(text, i == 0 ? "" : ",", derived.merge[i].left, derived.merge[i].right);
    for (uint32_t i = 0; i < vocabulary->merge_count && vocabulary->kind == VOCABULARY_GPT2; i++) {
        const struct slice merge = vocabulary->merge[i];
        const char *const blank = merge.size < 3 ? NULL : memchr(merge.data + 1, ' ', merge.size - 2);
        const size_t left = blank == NULL ? 0 : (size_t)(blank - merge.data);
        put_merge(text, i == 0 ? "" : ",", (struct slice){merge.data, left}, (struct slice){merge.data + left + 1, merge.size - left - 1});
    }
    text_string(text, "\n    ]\n  }\n}\n");
    return STATUS_OK;
}

/* Normalizer, pre-tokenizer, decoder and the beginning of the model of SentencePiece's BPE, as transformers writes them for LLaMA. */
static enum status put_sentencepiece(const struct vocabulary *vocabulary, struct text *text, struct err *err)
{
    const struct vocabulary_token *const unknown = token_of(vocabulary, VOCABULARY_KEY_UNK_ID);
    const bool prefix = is_set(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, true);
    bool bytes = false, differ = false;
    float score = 0;
    uint32_t normal = 0;
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        bytes = bytes || vocabulary->token[i].type == VOCABULARY_BYTE;
        if (vocabulary->token[i].type != VOCABULARY_NORMAL)
            continue;
        differ = differ || (normal > 0 && vocabulary->token[i].score != score);
        score = vocabulary->token[i].score;
        normal++;
    }
    if (!differ && normal > 1)
        return err_set(err, STATUS_UNSUPPORTED, "tokenizer.ggml.scores",
                       "found one score for all tokens, from which no merges follow, expected SentencePiece's");
    text_string(text, "  \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    if (prefix)
        text_string(text, "{\"type\": \"Prepend\", \"prepend\": \"" METASPACE "\"}, ");
    text_string(text, "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" METASPACE "\"}]},\n  \"pre_tokenizer\": null,\n");
    put_processor(vocabulary, text);
    text_string(text, "  \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"" METASPACE
                      "\"}, \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}");
    if (prefix)
        text_string(text, ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}");
    text_string(text, "]},\n  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": ");
    if (unknown == NULL)
        text_string(text, "null");
    else
        json_quote(text, unknown->text);
    text_format(text,
                ",\n    \"continuing_subword_prefix\": null,\n    \"end_of_word_suffix\": null,\n    \"fuse_unk\": true,\n    \"byte_fallback\": %s,\n"
                "    \"ignore_merges\": false,\n",
                bytes ? "true" : "false");
    return STATUS_OK;
}

static enum status put_byte_level(const struct vocabulary *vocabulary, struct text *text, struct err *err)
{
    const struct prename_pattern *const row = vocabulary->pre == NULL ? NULL : prename_find(vocabulary->pre);
    if (vocabulary->pre == NULL)
        return err_set(err, STATUS_UNSUPPORTED, "tokenizer.ggml.pre",
                       "found none, as in older files, whose text llama.cpp cuts by a default that the model was not made with");
    if (row == NULL)
        return err_set(err, STATUS_UNSUPPORTED, "tokenizer.ggml.pre", "found \"%.100s\", a pre-tokenizer %s", vocabulary->pre,
                       prename_is_plain(vocabulary->pre) ? "whose words are no bytes' letters" : "whose patterns are not known");
    text_format(text, "  \"normalizer\": %s,\n", row->nfc ? "{\"type\": \"NFC\"}" : "null");
    text_string(text, "  \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [");
    for (size_t i = 0; i < sizeof row->pattern / sizeof row->pattern[0] && row->pattern[i] != NULL; i++) {
        put_string(text, "\n    {\"type\": \"Split\", \"pattern\": {\"Regex\": ", slice_of(row->pattern[i]));
        text_string(text, "}, \"behavior\": \"Isolated\", \"invert\": false},");
    }
    text_string(text, "\n    {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}]},\n");
    put_processor(vocabulary, text);
    text_format(text,
                "  \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, \"use_regex\": true},\n"
                "  \"model\": {\n    \"type\": \"BPE\",\n    \"dropout\": null,\n    \"unk_token\": null,\n    \"continuing_subword_prefix\": null,\n"
                "    \"end_of_word_suffix\": null,\n    \"fuse_unk\": false,\n    \"byte_fallback\": false,\n    \"ignore_merges\": %s,\n",
                row->ignore_merges ? "true" : "false");
    return STATUS_OK;
}

enum status hfrebuild_tokenizer(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err)
{
    text_string(text, "{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n");
    put_added(vocabulary, text);
    TRY(vocabulary->kind == VOCABULARY_LLAMA ? put_sentencepiece(vocabulary, text, err) : put_byte_level(vocabulary, text, err));
    put_vocabulary(vocabulary, text);
    TRY(put_merges(vocabulary, arena, text, err));
    return text_check(text, err);
}

/* One template as a string, several as a list of names and templates. */
static void put_templates(const struct vocabulary *vocabulary, struct text *text)
{
    const struct vocabulary_setting *const plain = vocabulary_find(vocabulary, VOCABULARY_KEY_TEMPLATE);
    const char *comma = "";
    if (vocabulary_find(vocabulary, VOCABULARY_KEY_TEMPLATE_NAMED) == NULL) {
        if (plain != NULL)
            put_string(text, ",\n  \"chat_template\": ", plain->text);
        return;
    }
    text_string(text, ",\n  \"chat_template\": [");
    for (uint32_t i = 0; i < vocabulary->setting_count; i++) {
        const struct vocabulary_setting *const setting = &vocabulary->setting[i];
        if (setting->key != VOCABULARY_KEY_TEMPLATE && setting->key != VOCABULARY_KEY_TEMPLATE_NAMED)
            continue;
        text_format(text, "%s\n    {\"name\": ", comma);
        json_quote(text, setting->key == VOCABULARY_KEY_TEMPLATE ? slice_of("default") : setting->name);
        put_string(text, ", \"template\": ", setting->text);
        text_string(text, "}");
        comma = ",";
    }
    text_string(text, "\n  ]");
}

/* What convert_hf_to_gguf took from added_tokens_decoder, by the score that it gives such tokens: it stands there again, so that it is taken again. */
static void put_decoder(const struct vocabulary *vocabulary, struct text *text)
{
    const char *comma = "";
    for (uint32_t i = 0; i < vocabulary->count; i++) {
        const struct vocabulary_token *const token = &vocabulary->token[i];
        const bool control = token->type == VOCABULARY_CONTROL;
        if (!vocabulary->scored || token->score != VOCABULARY_ADDED_SCORE || !(control || token->type == VOCABULARY_USER_DEFINED))
            continue;
        text_format(text, "%s\n    \"%u\": {", comma[0] == '\0' ? ",\n  \"added_tokens_decoder\": {" : comma, i);
        put_string(text, "\"content\": ", token->text);
        text_format(text, ", \"lstrip\": false, \"normalized\": false, \"rstrip\": %s, \"single_word\": false, \"special\": %s}",
                    vocabulary_strips(vocabulary, token) ? "true" : "false", control ? "true" : "false");
        comma = ",";
    }
    text_string(text, comma[0] == '\0' ? "" : "\n  }");
}

enum status hfrebuild_config(const struct vocabulary *vocabulary, struct hfrebuild_options options, struct text *text, struct err *err)
{
    const bool pieces = vocabulary->kind == VOCABULARY_LLAMA, llama = pieces && !options.plain;
    text_format(text, "{\n  \"add_bos_token\": %s,\n  \"add_eos_token\": %s", adds_bos(vocabulary) ? "true" : "false",
                adds_eos(vocabulary) ? "true" : "false");
    if (llama && vocabulary_find(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX) != NULL)
        text_format(text, ",\n  \"add_prefix_space\": %s", is_set(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, true) ? "true" : "false");
    text_string(text, llama ? ",\n  \"legacy\": false" : "");
    if (pieces)
        put_decoder(vocabulary, text);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct vocabulary_token *const token = token_of(vocabulary, names[i].key);
        text_format(text, ",\n  \"%s\": ", names[i].name);
        if (token == NULL)
            text_string(text, "null");
        else
            json_quote(text, token->text);
    }
    put_templates(vocabulary, text);
    text_string(text, ",\n  \"clean_up_tokenization_spaces\": false");
    if (options.tokens_max > 0)
        text_format(text, ",\n  \"model_max_length\": %llu", (unsigned long long)options.tokens_max);
    text_format(text, ",\n  \"tokenizer_class\": \"%s\"\n}\n", llama ? "LlamaTokenizer" : "PreTrainedTokenizerFast");
    return text_check(text, err);
}

enum status hfrebuild_special(const struct vocabulary *vocabulary, struct text *text, struct err *err)
{
    const char *comma = "";
    text_string(text, "{");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct vocabulary_token *const token = token_of(vocabulary, names[i].key);
        if (token == NULL)
            continue;
        text_format(text, "%s\n  \"%s\": ", comma, names[i].name);
        json_quote(text, token->text);
        comma = ",";
    }
    text_string(text, "\n}\n");
    return text_check(text, err);
}

/* A piece of SentencePiece's file: the unknown token by its id, control tokens with score 0, blanks as U+2581. */
static enum status make_piece(const struct vocabulary *vocabulary, uint32_t id, bool unknown, struct arena *arena, struct vocabulary_token *piece,
                              struct err *err)
{
    *piece = vocabulary->token[id];
    if (unknown)
        piece->type = VOCABULARY_UNKNOWN;
    else if (piece->type == VOCABULARY_UNKNOWN) /* there is one */
        piece->type = VOCABULARY_CONTROL;
    if (piece->type == VOCABULARY_UNKNOWN || piece->type == VOCABULARY_CONTROL)
        piece->score = 0;
    if (piece->type != VOCABULARY_USER_DEFINED)
        return STATUS_OK;
    char *const made = arena_alloc(arena, (uint64_t)piece->text.size * 3 + 1, 1, err);
    size_t size = 0;
    if (made == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < piece->text.size; i++) {
        const bool blank = piece->text.data[i] == ' ';
        memcpy(made + size, blank ? METASPACE : &piece->text.data[i], blank ? 3 : 1);
        size += blank ? 3 : 1;
    }
    piece->text = (struct slice){made, size};
    return STATUS_OK;
}

static int32_t id_of(const struct vocabulary *vocabulary, enum vocabulary_key key)
{
    const struct vocabulary_setting *const setting = vocabulary_find(vocabulary, key);
    return setting == NULL ? -1 : (int32_t)setting->id;
}

enum status hfrebuild_model(const struct vocabulary *vocabulary, struct arena *arena, struct text *text, struct err *err)
{
    struct sentencepiece model = {.model = SENTENCEPIECE_BPE,
                                  .bos = id_of(vocabulary, VOCABULARY_KEY_BOS_ID),
                                  .eos = id_of(vocabulary, VOCABULARY_KEY_EOS_ID),
                                  .unk = id_of(vocabulary, VOCABULARY_KEY_UNK_ID),
                                  .pad = id_of(vocabulary, VOCABULARY_KEY_PAD_ID),
                                  .escape_whitespaces = true};
    model.add_dummy_prefix = is_set(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, true);
    model.remove_extra_whitespaces = is_set(vocabulary, VOCABULARY_KEY_REMOVE_WHITESPACES, false);
    model.count = vocabulary->count;
    while (model.count > 0 && vocabulary->token[model.count - 1].type == VOCABULARY_UNUSED)
        model.count--;
    for (uint32_t i = 0; i < model.count && model.unk < 0; i++)
        model.unk = vocabulary->token[i].type == VOCABULARY_UNKNOWN ? (int32_t)i : -1;
    if (model.unk < 0 || (uint32_t)model.unk >= model.count)
        return err_set(err, STATUS_UNREPRESENTABLE, "tokenizer.model", "found no unknown token, which SentencePiece needs");
    model.piece = arena_alloc(arena, model.count, sizeof *model.piece, err);
    if (model.piece == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < model.count; i++) {
        TRY(make_piece(vocabulary, i, i == (uint32_t)model.unk, arena, &model.piece[i], err));
        model.byte_fallback = model.byte_fallback || model.piece[i].type == VOCABULARY_BYTE;
    }
    sentencepiece_write(&model, text);
    return text_check(text, err);
}

enum status hfrebuild_files(struct source *source, const struct vocabulary *vocabulary, struct hfrebuild_options options, struct err *err)
{
    static const char *const names_of[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"};
    struct text text[3] = {{0}};
    enum status status = hfrebuild_tokenizer(vocabulary, &source->arena, &text[0], err);
    if (status == STATUS_OK)
        status = hfrebuild_config(vocabulary, options, &text[1], err);
    if (status == STATUS_OK)
        status = hfrebuild_special(vocabulary, &text[2], err);
    for (size_t t = 0; t < 3; t++) {
        if (status == STATUS_OK)
            status = source_make(source, names_of[t], &text[t], err);
        text_free(&text[t]);
    }
    return status;
}
