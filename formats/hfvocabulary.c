#include "formats/hfvocabulary.h"

#include "formats/hfspecial.h"
#include "formats/hftokens.h"
#include "tokenizer/prename.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tiktoken.h"

#include <stdlib.h>
#include <string.h>

/* What an architecture's set_vocab tries, in this order, and what it does beside it. */
enum {
    TRIES_SPM = 1,    /* tokenizer.model */
    TRIES_HF = 2,     /* a tokenizer.json that is SentencePiece's BPE */
    TRIES_BPE = 4,    /* byte-level BPE */
    SAYS_PREFIX = 8,  /* tokenizer_config's add_prefix_space, before everything else */
    CODE_LLAMA = 16,  /* an end of infilling where there are 32016 tokens; no BOS where there are 49152 */
    CODE_GEMMA = 32,  /* an end of infilling */
    NO_PREFIX = 64,   /* add_space_prefix false, after a tokenizer.model */
    MORE_ADDED = 128, /* added tokens of tokenizer.json as well; byte-level BPE where the class is GPT2Tokenizer */
};
static const struct {
    const char *architecture;
    unsigned does;
} rules[] = {
    {"llama", TRIES_SPM | TRIES_HF | TRIES_BPE | SAYS_PREFIX | CODE_LLAMA},
    {"qwen2", TRIES_SPM | TRIES_BPE},
    {"qwen3", TRIES_SPM | TRIES_BPE},
    {"gemma", TRIES_SPM | CODE_GEMMA | NO_PREFIX},
    {"gemma2", TRIES_SPM | NO_PREFIX},
    {"gemma3", TRIES_SPM | TRIES_BPE | NO_PREFIX},
    {"phi3", TRIES_SPM | MORE_ADDED},
};
enum { OTHERS_DO = TRIES_BPE, CODE_LLAMA_TOKENS = 32016, NO_BOS_TOKENS = 49152, CODE_LLAMA_END = 32010, CODE_GEMMA_END = 107 };

struct run {
    struct source *source;
    const struct hfvocabulary_options *options;
    struct vocabulary *vocabulary;
    struct hfvocabulary_finding *finding;
    unsigned does;
    struct jsondoc *config;       /* tokenizer_config.json; owned */
    struct hftokenizer tokenizer; /* owned */
    bool has_json;                /* the tokenizer is tokenizer.json's */
    bool open;                    /* the tokenizer was read */
};

static enum status slurp(struct run *run, const char *name, struct text *text, struct err *err)
{
    const char *const path = source_path(run->source, name, err);
    return path == NULL ? STATUS_LIMIT : file_slurp(run->source->ops, path, LIMIT_JSON_TEXT_BYTES_MAX, text, err);
}

static struct slice bytes_of(const struct text *text)
{
    return (struct slice){text->data == NULL ? "" : text->data, text->size};
}

/* tokenizer.json, or vocab.json with merges.txt. run->open stays false if there is neither. */
static enum status open_tokenizer(struct run *run, struct err *err)
{
    struct text text = {0}, merges = {0};
    enum status status = STATUS_OK;
    if (run->open)
        return STATUS_OK;
    run->has_json = source_has(run->source, "tokenizer.json");
    if (run->has_json) {
        status = slurp(run, "tokenizer.json", &text, err);
        if (status == STATUS_OK)
            status = hftokenizer_read("tokenizer.json", bytes_of(&text), &run->tokenizer, err);
        run->open = status == STATUS_OK;
    } else if (source_has(run->source, "vocab.json") && source_has(run->source, "merges.txt")) {
        status = slurp(run, "vocab.json", &text, err);
        if (status == STATUS_OK)
            status = slurp(run, "merges.txt", &merges, err);
        if (status == STATUS_OK)
            status = hftokenizer_read_old(bytes_of(&text), bytes_of(&merges), &run->tokenizer, err);
        run->open = status == STATUS_OK;
    }
    text_free(&text);
    text_free(&merges);
    return status;
}

static enum status set_special(struct run *run, uint32_t ids, struct err *err)
{
    const struct hfspecial special = {run->source, run->has_json && run->open ? &run->tokenizer : NULL, run->config, ids};
    return hfspecial_set(&special, run->vocabulary, err);
}

/* --- SentencePiece --- */

static enum status take_model(struct run *run, const struct text *file, struct err *err)
{
    struct arena *const arena = &run->source->arena;
    struct vocabulary *const vocabulary = run->vocabulary;
    struct sentencepiece model;
    const char *const copy = arena_copy(arena, file->data, file->size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(sentencepiece_read("tokenizer.model", (struct slice){copy, file->size}, arena, &model, err));
    vocabulary->kind = VOCABULARY_LLAMA;
    vocabulary->pre = "default";
    vocabulary->scored = true;
    TRY(vocabulary_pad(vocabulary, run->options->tokens > 0 ? run->options->tokens : model.count, arena, err));
    for (uint32_t i = 0; i < model.count && i < vocabulary->count; i++) {
        vocabulary->token[i] = model.piece[i];
        if (model.piece[i].type == VOCABULARY_USER_DEFINED) /* the converter does not ask for these */
            vocabulary->token[i].type = VOCABULARY_NORMAL;
    }
    if (model.count > vocabulary->count) {
        vocabulary_leave(vocabulary, vocabulary->count, model.piece[vocabulary->count].text);
        vocabulary_leave(vocabulary, model.count - 1, model.piece[model.count - 1].text);
    }
    TRY(hftokens_replace(run->source, run->config, run->does & MORE_ADDED ? &run->tokenizer : NULL, vocabulary, err));
    TRY(set_special(run, vocabulary->count, err));
    run->finding->by = "SentencePiece";
    return run->does & NO_PREFIX && !(run->does & CODE_GEMMA) ? vocabulary_set_flag(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, false, arena, err)
                                                              : STATUS_OK;
}

/* --- byte-level BPE --- */

static bool is_class(const struct jsondoc *config, const char *name)
{
    const char *const found = jsondoc_string(jsondoc_get(config, "tokenizer_class"));
    return found != NULL && strcmp(found, name) == 0;
}

/* An id of tokenizer_config's token of this name; false if there is none. */
static bool find_token(const struct run *run, const char *name, uint32_t *id)
{
    const struct jsondoc *const value = jsondoc_get(run->config, name), *const content = jsondoc_get(value, "content");
    const char *const text = jsondoc_string(content != NULL ? content : value);
    for (uint32_t i = 0; text != NULL && i < run->tokenizer.added_count; i++)
        if (slice_is(run->tokenizer.added[i].text, text)) {
            *id = run->tokenizer.added[i].id;
            return true;
        }
    return false;
}

/* Classes that put BOS and EOS around a text as tokenizer_config.json asks, whatever the post-processor says: llama.cpp's hashes were made so
 * (huggingface/transformers v4:src/transformers/models/llama/tokenization_llama_fast.py, update_post_processor). */
static void put_around(struct run *run)
{
    static const char *const classes[] = {"LlamaTokenizer",     "LlamaTokenizerFast", "GemmaTokenizer",
                                          "GemmaTokenizerFast", "CohereTokenizer",    "CohereTokenizerFast"};
    bool listed = false, bos = true, eos = false;
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        listed = listed || is_class(run->config, classes[i]);
    if (!listed)
        return;
    (void)jsondoc_bool(jsondoc_get(run->config, "add_bos_token"), &bos);
    (void)jsondoc_bool(jsondoc_get(run->config, "add_eos_token"), &eos);
    run->tokenizer.before_count = bos && find_token(run, "bos_token", &run->tokenizer.before[0]);
    run->tokenizer.after_count = eos && find_token(run, "eos_token", &run->tokenizer.after[0]);
}

static enum status find_hash(struct run *run, struct err *err)
{
    struct bpe_ids ids = {0};
    put_around(run);
    enum status status = hftokenizer_encode(&run->tokenizer, prename_test_text(), &ids, err);
    if (status == STATUS_OK)
        status = prename_hash(ids.id, ids.count, run->finding->hash, err);
    free(ids.id);
    return status;
}

/* Recognises the pre-tokenizer: --pre, the hash, the patterns; else a refusal (R-PRE). */
static enum status find_pre(struct run *run, struct err *err)
{
    struct hfvocabulary_finding *const finding = run->finding;
    struct vocabulary *const vocabulary = run->vocabulary;
    if (run->options->pre != NULL) {
        vocabulary->pre = run->options->pre;
        finding->by = "--pre";
        return STATUS_OK;
    }
    enum status status = run->has_json
                             ? hftokenizer_pipeline(&run->tokenizer, &finding->why_none)
                             : err_set(&finding->why_none, STATUS_UNSUPPORTED, "vocab.json", "found no tokenizer.json, which says how text is cut");
    const bool cuts = status == STATUS_OK;
    if (cuts)
        status = find_hash(run, &finding->why_none);
    if (status != STATUS_OK && status != STATUS_UNSUPPORTED) {
        *err = finding->why_none;
        return status;
    }
    vocabulary->pre = status == STATUS_OK ? prename_of_hash(finding->hash) : NULL;
    finding->by = "hash";
    if (vocabulary->pre == NULL && cuts) {
        vocabulary->pre = prename_of_splitter(&run->tokenizer.splitter, run->tokenizer.ignore_merges);
        finding->by = "patterns";
    }
    if (vocabulary->pre != NULL)
        return STATUS_OK;
    finding->by = NULL;
    if (status == STATUS_OK)
        (void)err_set(err, STATUS_UNSUPPORTED, run->tokenizer.where,
                      "found a pre-tokenizer that is known neither by its patterns nor by the hash of llama.cpp's test text, %s (R-PRE)", finding->hash);
    else
        (void)err_set(err, STATUS_UNSUPPORTED, finding->why_none.where, "cannot recognise the pre-tokenizer: %.600s (R-PRE)", finding->why_none.what);
    return err_try(err, "--pre NAME with the name of llama.cpp's pre-tokenizer that cuts text as this one does");
}

static enum status take_bpe(struct run *run, struct err *err)
{
    if (run->tokenizer.type != NULL && strcmp(run->tokenizer.type, "BPE") != 0)
        return err_set(err, STATUS_UNSUPPORTED, run->tokenizer.where, "found a tokenizer of the type %.100s, expected BPE", run->tokenizer.type);
    TRY(hftokens_add_missing(run->source, run->config, !run->has_json, &run->tokenizer, err));
    TRY(find_pre(run, err));
    TRY(hftokens_fill(run->source, &run->tokenizer, run->options->tokens, run->vocabulary, err));
    return set_special(run, UINT32_MAX, err);
}

/* A tokenizer.json whose BPE is SentencePiece's (gguf-py's LlamaHfVocab). */
static bool is_sentencepiece(const struct hftokenizer *tokenizer)
{
    const char *const decoder = jsondoc_string(jsondoc_get(tokenizer->decoder, "type"));
    return tokenizer->type != NULL && strcmp(tokenizer->type, "BPE") == 0 && tokenizer->byte_fallback && decoder != NULL &&
           strcmp(decoder, "Sequence") == 0;
}

static enum status take_hf(struct run *run, struct err *err)
{
    TRY(hftokens_add_missing(run->source, run->config, false, &run->tokenizer, err));
    TRY(hftokens_fill_sentencepiece(run->source, run->config, &run->tokenizer, run->vocabulary, err));
    run->finding->by = "SentencePiece";
    return set_special(run, run->vocabulary->count, err);
}

static enum status take_tiktoken(struct run *run, const struct text *file, struct err *err)
{
    struct arena *const arena = &run->source->arena;
    struct vocabulary *const vocabulary = run->vocabulary;
    const struct vocabulary before = *vocabulary;
    TRY(tiktoken_read("tokenizer.model", bytes_of(file), run->options->first_llama3, arena, vocabulary, err));
    vocabulary->setting = before.setting;
    vocabulary->setting_count = before.setting_count;
    vocabulary->setting_capacity = before.setting_capacity;
    vocabulary->leading = before.leading;
    if (run->options->pre != NULL)
        vocabulary->pre = run->options->pre;
    run->finding->by = run->options->pre != NULL ? "--pre" : "patterns";
    if (run->options->tokens > 0 && run->options->tokens != vocabulary->count)
        return err_set(err, STATUS_CORRUPT, "tokenizer.model", "found %u tokens with the special ones, expected vocab_size %llu", vocabulary->count,
                       (unsigned long long)run->options->tokens);
    TRY(set_special(run, vocabulary->count, err));
    const uint32_t specials = vocabulary->count - TIKTOKEN_SPECIAL_TOKENS;
    if (vocabulary_find(vocabulary, VOCABULARY_KEY_BOS_ID) == NULL)
        TRY(vocabulary_set_id(vocabulary, VOCABULARY_KEY_BOS_ID, specials, arena, err));
    return vocabulary_find(vocabulary, VOCABULARY_KEY_EOS_ID) != NULL ? STATUS_OK
                                                                      : vocabulary_set_id(vocabulary, VOCABULARY_KEY_EOS_ID, specials + 1, arena, err);
}

/* --- which of them --- */

/* The ids of other tokens for infilling are in the converter, but gguf-py writes none of them. */
static enum status set_quirks(struct run *run, struct err *err)
{
    struct arena *const arena = &run->source->arena;
    if (run->does & CODE_LLAMA && run->options->tokens == CODE_LLAMA_TOKENS)
        TRY(vocabulary_set_id(run->vocabulary, VOCABULARY_KEY_EOT_ID, CODE_LLAMA_END, arena, err));
    if (run->does & CODE_LLAMA && run->options->tokens == NO_BOS_TOKENS)
        TRY(vocabulary_set_flag(run->vocabulary, VOCABULARY_KEY_ADD_BOS, false, arena, err));
    if (run->does & CODE_GEMMA) {
        TRY(vocabulary_set_id(run->vocabulary, VOCABULARY_KEY_EOT_ID, CODE_GEMMA_END, arena, err));
        TRY(vocabulary_set_flag(run->vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, false, arena, err));
    }
    return STATUS_OK;
}

static enum status choose(struct run *run, struct text *model, struct err *err)
{
    const bool has_model = source_has(run->source, "tokenizer.model");
    if (has_model)
        TRY(slurp(run, "tokenizer.model", model, err));
    const bool is_tiktoken = has_model && tiktoken_probe(bytes_of(model));
    if (has_model && !is_tiktoken && run->does & TRIES_SPM) {
        TRY(open_tokenizer(run, err));
        return take_model(run, model, err);
    }
    TRY(open_tokenizer(run, err));
    if (run->open && run->has_json && run->does & TRIES_HF && is_sentencepiece(&run->tokenizer))
        return take_hf(run, err);
    if (run->open && run->does & TRIES_BPE)
        return take_bpe(run, err);
    if (is_tiktoken && run->does & TRIES_BPE)
        return take_tiktoken(run, model, err);
    (void)err_set(err, STATUS_UNSUPPORTED, run->source->dir, "found no tokenizer that %s can be made of, expected %s%s", run->options->architecture,
                  run->does & TRIES_SPM ? "tokenizer.model" : "tokenizer.json, or vocab.json and merges.txt",
                  (run->does & (TRIES_SPM | TRIES_BPE)) == (TRIES_SPM | TRIES_BPE) ? ", tokenizer.json, or vocab.json and merges.txt" : "");
    return err_try(err, "--base DIR with the directory of the original model, which has it");
}

static enum status read_all(struct run *run, struct err *err)
{
    struct text model = {0};
    bool prefix;
    TRY(source_document(run->source, "tokenizer_config.json", &run->config, err));
    if (run->does & MORE_ADDED && is_class(run->config, "GPT2Tokenizer"))
        run->does = TRIES_BPE;
    if (run->does & SAYS_PREFIX && jsondoc_bool(jsondoc_get(run->config, "add_prefix_space"), &prefix)) {
        TRY(vocabulary_set_flag(run->vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, prefix, &run->source->arena, err));
        run->vocabulary->leading = run->vocabulary->setting_count;
    }
    const enum status status = choose(run, &model, err);
    text_free(&model);
    return status == STATUS_OK ? set_quirks(run, err) : status;
}

enum status hfvocabulary_read(struct source *source, const struct hfvocabulary_options *options, struct vocabulary *vocabulary,
                              struct hfvocabulary_finding *finding, struct err *err)
{
    struct run run = {.source = source, .options = options, .vocabulary = vocabulary, .finding = finding, .does = OTHERS_DO};
    *vocabulary = (struct vocabulary){0};
    *finding = (struct hfvocabulary_finding){0};
    if (options->pre != NULL && !prename_known(options->pre)) {
        (void)err_set(err, STATUS_USAGE, "--pre", "found \"%.100s\", expected a name of llama.cpp's pre-tokenizers", options->pre);
        return err_try(err, "a name such as llama-bpe, qwen2, gpt-2, deepseek-v3, gpt-4o or tekken");
    }
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (strcmp(rules[i].architecture, options->architecture) == 0)
            run.does = rules[i].does;
    const enum status status = read_all(&run, err);
    jsondoc_free(run.config);
    if (run.open)
        hftokenizer_close(&run.tokenizer);
    return status;
}
