/* LLaMA 3's tokenizer.model: text, a line a token, `base64(bytes) SP rank` (openai/tiktoken:tiktoken/load.py; the special tokens are
 * meta-llama/llama-models:models/llama3/tokenizer.py's). */
#ifndef REPAQ_TIKTOKEN_H
#define REPAQ_TIKTOKEN_H

#include "tokenizer/vocabulary.h"

enum { TIKTOKEN_SPECIAL_TOKENS = 256 }; /* that come behind the ranks */

/* True if the first line is one of a token. */
bool tiktoken_probe(struct slice file);
/* Tokens by rank and the 256 special tokens after them, in the byte-level alphabet, and the merges that stand for the ranks: every split of a token into two
 * tokens, by the ranks of left and right; tokens in the order of rank (as TikTokenConverter of
 * huggingface/transformers:src/transformers/convert_slow_tokenizer.py derives them). `first`: the special tokens of LLaMA 3.0,
 * else of 3.1 and later. Ranks must be 0..n-1, each once. Errors: CORRUPT, LIMIT. */
enum status tiktoken_read(const char *where, struct slice file, bool first, struct arena *arena, struct vocabulary *vocabulary,
                          struct err *err) WARN_UNUSED;

#endif
