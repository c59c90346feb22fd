#include "formats/metatokens.h"

#include "formats/hfrebuild.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tiktoken.h"

#include <string.h>

static const char file_name[] = "tokenizer.model";

/* Settings that every LLaMA has: BOS in front, nothing behind. */
static enum status set_ends(struct vocabulary *vocabulary, int64_t bos, int64_t eos, struct arena *arena, struct err *err)
{
    if (bos >= 0 && bos < vocabulary->count)
        TRY(vocabulary_set_id(vocabulary, VOCABULARY_KEY_BOS_ID, (uint32_t)bos, arena, err));
    if (eos >= 0 && eos < vocabulary->count)
        TRY(vocabulary_set_id(vocabulary, VOCABULARY_KEY_EOS_ID, (uint32_t)eos, arena, err));
    TRY(vocabulary_set_flag(vocabulary, VOCABULARY_KEY_ADD_BOS, true, arena, err));
    return vocabulary_set_flag(vocabulary, VOCABULARY_KEY_ADD_EOS, false, arena, err);
}

/* SentencePiece's BPE, where nothing but blanks is changed before it: what a normalizer of tokenizer.json can do as well. */
static enum status take_sentencepiece(struct slice file, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    struct sentencepiece model;
    TRY(sentencepiece_read(file_name, file, arena, &model, err));
    if (model.model != SENTENCEPIECE_BPE || model.normalizes || model.remove_extra_whitespaces || !model.escape_whitespaces)
        return err_set(err, STATUS_UNSUPPORTED, file_name, "found %s, expected BPE of the text as it is, as LLaMA has it",
                       model.model != SENTENCEPIECE_BPE ? "another model than BPE"
                       : model.normalizes               ? "a table of characters that are replaced"
                       : model.remove_extra_whitespaces ? "that extra blanks are removed"
                                                        : "that blanks are not escaped");
    *vocabulary = (struct vocabulary){.kind = VOCABULARY_LLAMA, .pre = "default", .token = model.piece, .count = model.count, .scored = true};
    for (uint32_t i = 0; i < model.count; i++) {
        if (model.piece[i].type != VOCABULARY_USER_DEFINED)
            continue;
        model.piece[i].text = vocabulary_spaced(model.piece[i].text, arena, err);
        if (model.piece[i].text.data == NULL)
            return STATUS_LIMIT;
    }
    if (model.unk >= 0 && (uint32_t)model.unk < model.count)
        TRY(vocabulary_set_id(vocabulary, VOCABULARY_KEY_UNK_ID, (uint32_t)model.unk, arena, err));
    if (model.pad >= 0 && (uint32_t)model.pad < model.count)
        TRY(vocabulary_set_id(vocabulary, VOCABULARY_KEY_PAD_ID, (uint32_t)model.pad, arena, err));
    TRY(vocabulary_set_flag(vocabulary, VOCABULARY_KEY_ADD_SPACE_PREFIX, model.add_dummy_prefix, arena, err));
    return set_ends(vocabulary, model.bos, model.eos, arena, err);
}

/* Ranks, behind which the special tokens begin with BOS and EOS. */
static enum status take_ranks(struct slice file, const struct metaparams_version *version, struct arena *arena, struct vocabulary *vocabulary,
                              struct err *err)
{
    TRY(tiktoken_read(file_name, file, strcmp(version->name, "3") == 0, arena, vocabulary, err));
    const int64_t specials = (int64_t)vocabulary->count - TIKTOKEN_SPECIAL_TOKENS;
    return set_ends(vocabulary, specials, specials + 1, arena, err);
}

enum status metatokens_make(struct source *source, struct model *model, const struct metaparams_version *version, struct err *err)
{
    struct text text = {0};
    struct vocabulary vocabulary;
    struct err why = {0};
    if (!source_has(source, file_name) || source_has(source, "tokenizer.json"))
        return STATUS_OK;
    const char *const path = source_path(source, file_name, err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_slurp(source->ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &text, err));
    const struct slice file = {text.data == NULL ? "" : text.data, text.size};
    const bool ranks = tiktoken_probe(file);
    enum status status = ranks ? take_ranks(file, version, &source->arena, &vocabulary, &why) : take_sentencepiece(file, &source->arena, &vocabulary, &why);
    if (status == STATUS_OK)
        status = hfrebuild_files(source, &vocabulary, (struct hfrebuild_options){version->positions, true}, &why);
    text_free(&text);
    const uint32_t embedding = model_find(model, slice_of("model.embed_tokens.weight"));
    if (status == STATUS_OK && embedding != MODEL_NONE && vocabulary.count > model->tensor[embedding].shape[0])
        TRY(model_add_note(model, err, "tokenizer.model has %u tokens, and the embedding %llu rows: a text with one of the others cannot be run",
                           vocabulary.count, (unsigned long long)model->tensor[embedding].shape[0]));
    if (status == STATUS_UNSUPPORTED || status == STATUS_UNREPRESENTABLE || status == STATUS_CORRUPT)
        return model_add_note(model, err, "no tokenizer.json is made: %s: %s", why.where, why.what);
    if (status != STATUS_OK && err != NULL)
        *err = why;
    return status;
}
