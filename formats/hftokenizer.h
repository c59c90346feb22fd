/* tokenizer.json (huggingface/tokenizers), and the older vocab.json with merges.txt: what byte pair encoding needs of it. */
#ifndef REPAQ_HFTOKENIZER_H
#define REPAQ_HFTOKENIZER_H

#include "container/jsondoc.h"
#include "formats/source.h"
#include "tokenizer/encoder.h"

/* Free with hftokenizer_close. */
struct hftokenizer {
    const char *where; /* file name, for messages */
    struct arena arena;
    struct bpe_token *token;     /* [token_count], in the order of the file; ids are each there once */
    struct bpe_merge *merge;     /* [merge_count] */
    struct encoder_added *added; /* [added_count] */
    uint32_t token_count, merge_count, added_count;
    uint32_t own_count; /* added tokens that the file itself has: the first ones */
    size_t token_capacity, merge_capacity, added_capacity;
    const char *type;    /* of the model: "BPE"; NULL if it does not say */
    const char *unknown; /* NULL: none */
    bool ignore_merges, byte_fallback, fuse_unknown;
    bool says_fallback; /* byte_fallback is there */
    bool has_affixes, has_dropout;
    struct jsondoc *normalizer, *pre_tokenizer, *post_processor, *decoder; /* owned; NULL where null or absent */
    /* by hftokenizer_pipeline */
    struct normalizer_step *step; /* [step_count] */
    size_t step_count;
    struct splitter splitter;
    struct regex **regex; /* [regex_count], owned */
    size_t regex_count;
    uint32_t *before, *after; /* [before_count], [after_count] */
    uint32_t before_count, after_count;
};

/* Reads the text of a tokenizer.json. CORRUPT, LIMIT; a model of another type than BPE is no error. On an error nothing is left to be freed. */
enum status hftokenizer_read(const char *where, struct slice text, struct hftokenizer *tokenizer, struct err *err) WARN_UNUSED;
/* Reads the texts of vocab.json and merges.txt. Lines of merges.txt that are no two words are left out, as gguf-py does. */
enum status hftokenizer_read_old(struct slice vocabulary, struct slice merges, struct hftokenizer *tokenizer, struct err *err) WARN_UNUSED;
void hftokenizer_close(struct hftokenizer *tokenizer);
/* Adds an added token that stands elsewhere than in the file. */
enum status hftokenizer_add(struct hftokenizer *tokenizer, const struct encoder_added *added, struct err *err) WARN_UNUSED;

/* Makes normalizer, pre-tokenizer and post-processor steps (hftokenizer_pipeline.c). UNSUPPORTED names the type that is not known. */
enum status hftokenizer_pipeline(struct hftokenizer *tokenizer, struct err *err) WARN_UNUSED;
/* The ids of a text, with the tokens around it; needs the pipeline. */
enum status hftokenizer_encode(const struct hftokenizer *tokenizer, struct slice text, struct bpe_ids *ids, struct err *err) WARN_UNUSED;
/* What the decoder makes of one added token (hftokenizer_decode.c); in the arena. */
enum status hftokenizer_decode(struct hftokenizer *tokenizer, struct slice token, struct slice *decoded, struct err *err) WARN_UNUSED;

#endif
