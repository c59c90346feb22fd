/* Merges that stand for the scores of a SentencePiece vocabulary. */
#ifndef REPAQ_HFMERGES_H
#define REPAQ_HFMERGES_H

#include "tokenizer/bpe.h"
#include "tokenizer/vocabulary.h"

struct hfmerges {
    struct bpe_merge *merge; /* [count], in the arena */
    uint32_t count;
};

/* Every split of a normal token into two normal tokens, by the score of the whole, the highest first; of equal scores the longest left part, then the longest
 * right one, then by the ids of whole, left and right (huggingface/transformers:src/transformers/convert_slow_tokenizer.py, generate_merges). */
enum status hfmerges_derive(const struct vocabulary *vocabulary, struct arena *arena, struct hfmerges *merges, struct err *err) WARN_UNUSED;

#endif
