/* Names of pre-tokenizers, as GGUF's tokenizer.ggml.pre has them: from the hash of what a tokenizer makes of a test text, and from its own patterns. */
#ifndef REPAQ_PRENAME_H
#define REPAQ_PRENAME_H

#include "base/text.h"
#include "tokenizer/encoder.h"

/* The test text whose token ids are hashed (ggml-org/llama.cpp:conversion/base.py, get_vocab_base_pre). */
struct slice prename_test_text(void);
/* SHA-256 of the ids as Python prints a list of them, "[1, 2, 3]": 64 hexadecimal digits. LIMIT "out of memory". */
enum status prename_hash(const uint32_t *id, size_t count, char hex[65], struct err *err) WARN_UNUSED;
/* The name that llama.cpp has for a hash; NULL if it is not known. */
const char *prename_of_hash(const char *hex);

/* A pipeline that a name stands for. Splits are all isolated; the byte-level alphabet follows. */
struct prename_pattern {
    const char *name;
    const char *pattern[7]; /* NULL after the last */
    bool ignore_merges;     /* of the family's tokenizer.json */
    bool adds_bos;          /* llama.cpp puts BOS before a text where the file does not say */
    bool nfc;               /* of the family's tokenizer.json; llama.cpp leaves it out */
};
/* The row of a name, or of one whose files are alike; NULL if there is none. */
const struct prename_pattern *prename_find(const char *name);
/* True for names of llama.cpp that byte-level BPE does not go with: its words are UTF-8. They have no row. */
bool prename_is_plain(const char *name);
/* The name whose patterns are those of a pre-tokenizer: the same ones in the same order, and the same ignore_merges. NULL: none. */
const char *prename_of_splitter(const struct splitter *splitter, bool ignore_merges);

/* True for names that llama.cpp knows. */
bool prename_known(const char *name);

#endif
