/* SentencePiece's tokenizer.model: a protobuf message ModelProto (google/sentencepiece:src/sentencepiece_model.proto).
 *
 *   1 pieces (message, repeated)   1 piece (string)  2 score (fixed32, float)  3 type (varint; absent: 1)
 *   2 trainer_spec (message)       3 model_type (1 unigram, 2 BPE)  35 byte_fallback  40 unk_id  41 bos_id  42 eos_id  43 pad_id
 *   3 normalizer_spec (message)    1 name  2 precompiled_charsmap  3 add_dummy_prefix  4 remove_extra_whitespaces  5 escape_whitespaces
 *
 * A field is a varint `number << 3 | wire` and its value: wire 0 a varint, 1 eight bytes, 2 a varint length and that many bytes, 5 four bytes. */
#ifndef REPAQ_SENTENCEPIECE_H
#define REPAQ_SENTENCEPIECE_H

#include "base/text.h"
#include "tokenizer/vocabulary.h"

enum sentencepiece_model { SENTENCEPIECE_UNIGRAM = 1, SENTENCEPIECE_BPE, SENTENCEPIECE_WORD, SENTENCEPIECE_CHAR };

struct sentencepiece {
    struct vocabulary_token *piece; /* [count], texts borrowed from the file; type as stored */
    uint32_t count;
    enum sentencepiece_model model; /* absent: unigram */
    int32_t unk, bos, eos, pad;     /* ids; negative: none */
    bool byte_fallback;             /* characters that are no piece become bytes */
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces;
    bool normalizes; /* has a precompiled_charsmap */
};

/* Reads the whole file `where`. Unknown fields are skipped, the last value of a field that is repeated without being one wins. Errors: CORRUPT (names the
 * offset), LIMIT. */
enum status sentencepiece_read(const char *where, struct slice file, struct arena *arena, struct sentencepiece *model, struct err *err) WARN_UNUSED;
/* True if the file begins as a ModelProto does: a piece as its first field. */
bool sentencepiece_probe(struct slice file);
/* Appends the file that sentencepiece_read gives `model` for. */
void sentencepiece_write(const struct sentencepiece *model, struct text *text);

#endif
