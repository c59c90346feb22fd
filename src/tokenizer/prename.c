#include "tokenizer/prename.h"

#include "base/sha256.h"

#include <string.h>

/* Blanks of all kinds, emoji, digits, Khmer, Chinese, Cyrillic, punctuation, contractions: what pre-tokenizers treat differently. */
static const char test_text[] =
    "\n \n\n \n\n\n \t \t\t \t\n  \n   \n    \n     \n\xf0\x9f\x9a\x80 (normal) \xf0\x9f\x98\xb6\xe2\x80\x8d\xf0\x9f\x8c\xab\xef\xb8\x8f (multipl"
    "e emojis concatenated) \xe2\x9c\x85 \xf0\x9f\xa6\x99\xf0\x9f\xa6\x99 3 33 333 3333 33333 333333 3333333 33333333 3.3 3..3 3...3 \xe1\x9e\x80"
    "\xe1\x9e\xb6\xe1\x9e\x93\xe1\x9f\x8b\xe1\x9e\x8f\xe1\x9f\x82\xe1\x9e\x96\xe1\x9e\xb7\xe1\x9e\x9f\xe1\x9f\x81\xe1\x9e\x9f\xe1\x9e\xa2\xe1\x9e"
    "\xb6\xe1\x9e\x85\xf0\x9f\x98\x81 \?\xe6\x88\x91\xe6\x83\xb3\xe5\x9c\xa8"
    "apple\xe5\xb7\xa5\xe4\xbd\x9c"
    "1314151\xe5\xa4\xa9\xef\xbd\x9e ----"
    "--======= \xd0\xbd\xd0\xb5\xd1\x89\xd0\xbe \xd0\xbd\xd0\xb0 \xd0\x91\xd1\x8a\xd0\xbb\xd0\xb3\xd0\xb0\xd1\x80\xd1\x81\xd0\xba\xd0\xb8 ''''''`"
    "``````\"\"\"\"......!!!!!!\?\?\?\?\?\? I've been 'told he's there, 'RE you sure\? 'M not sure I'll make it, 'D you like some tea\? We'Ve a'l"
    "L";

static const struct {
    const char *hash, *name;
} hashes[] = {
#define X(hash, name) {hash, name},
#include "tokenizer/prename.def"
#undef X
};

/* Names of llama.cpp that no hash leads to (ggml-org/llama.cpp:src/llama-vocab.cpp, load). */
static const char *const others[] = {"default", "glm5", "jina-de", "jina-es", "llada-moe", "llama-v3", "llama3", "mpt", "whitespace"};

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(more) "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" more "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" more
#define MARKS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define MARKS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CJK "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+" /* U+4E00-9FA5, 3040-309F, 30A0-30FF */
#define CJK_WIDE "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+" /* U+4E00-9FA5, 0800-4E00, AC00-D7FF */
#define DEEPSEEK \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*" \
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"

/* The patterns as the families' tokenizer.json have them. Of rows that are alike the first is the name for a pre-tokenizer that is known by its patterns. */
static const struct prename_pattern patterns[] = {
    {"gpt-2", {SPLITTER_GPT2}, false, false, false},
    {"smollm", {"\\p{N}", SPLITTER_GPT2}, false, false, false},
    {"qwen2", {CONTRACTIONS "|" LETTERS "|\\p{N}|" MARKS "|" BLANKS}, false, false, true},
    {"deepseek-r1-qwen", {CONTRACTIONS "|" LETTERS "|\\p{N}|" MARKS "|" BLANKS}, false, false, false},
    {"llama-bpe", {CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}|" MARKS "|" BLANKS}, true, true, false},
    {"smaug-bpe", {CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}|" MARKS "|" BLANKS}, false, false, false},
    {"qwen35", {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANKS}, false, false, true},
    {"deepseek-v3", {"\\p{N}{1,3}", CJK, DEEPSEEK}, false, false, false},
    {"deepseek-coder", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_WIDE, "\\p{N}"}, false, false, false},
    {"gpt-4o", {CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" MARKS_SLASH "|" BLANKS}, true, false, false},
    {"gpt-4o", {CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" MARKS_SLASH "|" BLANKS}, false, false, false},
    {"tekken", {CASED("") "|\\p{N}|" MARKS_SLASH "|" BLANKS}, true, true, false},
    {"seed-coder", {CONTRACTIONS "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}, false, false, false},
    {"minicpm5", {"\\p{N}{1,3}", CONTRACTIONS "|" LETTERS "|\\p{N}+|" MARKS "|" BLANKS}, true, false, false},
};

/* Names whose files have the patterns and the normalizer of another one's row. */
static const char *const alike[][2] = {
    {"phi-2", "gpt-2"}, {"starcoder", "smollm"}, {"llama3", "llama-bpe"}, {"llama-v3", "llama-bpe"}, {"dbrx", "smaug-bpe"}, {"grok-2", "deepseek-r1-qwen"},
};

struct slice prename_test_text(void)
{
    return (struct slice){test_text, sizeof test_text - 1};
}

enum status prename_hash(const uint32_t *id, size_t count, char hex[65], struct err *err)
{
    struct text text = {0};
    text_string(&text, "[");
    for (size_t i = 0; i < count; i++)
        text_format(&text, i == 0 ? "%u" : ", %u", id[i]);
    text_string(&text, "]");
    const enum status status = text_check(&text, err);
    if (status == STATUS_OK)
        sha256_hex(text.data, text.size, hex);
    text_free(&text);
    return status;
}

const char *prename_of_hash(const char *hex)
{
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        if (strcmp(hashes[i].hash, hex) == 0)
            return hashes[i].name;
    return NULL;
}

const struct prename_pattern *prename_find(const char *name)
{
    for (size_t i = 0; i < sizeof alike / sizeof alike[0]; i++)
        if (strcmp(alike[i][0], name) == 0)
            name = alike[i][1];
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return &patterns[i];
    return NULL;
}

/* True if the steps that split are these patterns. Removing what stands between matches isolates the matches, where the pattern leaves nothing out. */
static bool same_patterns(const struct prename_pattern *row, const struct splitter *splitter)
{
    size_t next = 0;
    bool bytes = false;
    for (size_t i = 0; i < splitter->count; i++) {
        const struct splitter_step *const step = &splitter->step[i];
        bytes = bytes || step->kind == SPLITTER_BYTES;
        if (step->kind == SPLITTER_BYTES)
            continue;
        const bool isolated = step->behavior == SPLITTER_ISOLATED || (step->behavior == SPLITTER_REMOVED && step->invert);
        if (step->kind != SPLITTER_SPLIT || !isolated || row->pattern[next] == NULL || !slice_is(step->pattern, row->pattern[next]))
            return false;
        next++;
    }
    return bytes && row->pattern[next] == NULL;
}

const char *prename_of_splitter(const struct splitter *splitter, bool ignore_merges)
{
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (patterns[i].ignore_merges == ignore_merges && same_patterns(&patterns[i], splitter))
            return patterns[i].name;
    return NULL;
}

bool prename_known(const char *name)
{
    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        if (strcmp(hashes[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(others[i], name) == 0)
            return true;
    return false;
}
