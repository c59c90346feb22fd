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
#define CASED(upper, lower, more) "[^\\r\\n\\p{L}\\p{N}]?" upper "*" lower "+" more "|[^\\r\\n\\p{L}\\p{N}]?" upper "+" lower "*" more
#define GPT4O(digits) CASED(UPPER, LOWER, CONTRACTIONS "?") "|" digits "|" MARKS_SLASH "|" BLANKS
#define HAN "\\p{Han}"
#define UPPER_OTHER "(?:(?!" HAN ")" UPPER ")"
#define LOWER_OTHER "(?:(?!" HAN ")" LOWER ")"
#define MARKS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define MARKS_SLASH " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define BLANKS "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN2 CONTRACTIONS "|" LETTERS "|\\p{N}|" MARKS "|" BLANKS
#define LLAMA3 CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}|" MARKS "|" BLANKS
#define CJK "[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-\xe3\x83\xbf]+"      /* U+4E00-9FA5, 3040-309F, 30A0-30FF */
#define CJK_WIDE "[\xe4\xb8\x80-\xe9\xbe\xa5\xe0\xa0\x80-\xe4\xb8\x80\xea\xb0\x80-\xed\x9f\xbf]+" /* U+4E00-9FA5, 0800-4E00, AC00-D7FF */
#define PUNCTUATED "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
#define DEEPSEEK PUNCTUATED "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
#define AFMOE PUNCTUATED "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" BLANKS
#define SPARK PUNCTUATED "|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+"
#define LINES "[^\\n]+|[\\n]+"
/* Letters that have an upper and a lower case. */
#define DEEPSEEK_LETTERS \
    "\\s?[A-Za-z\xc2\xb5\xc3\x80-\xc3\x96\xc3\x98-\xc3\xb6\xc3\xb8-\xc6\xba\xc6\xbc-\xc6\xbf\xc7\x84-\xca\x93" \
    "\xca\x95-\xca\xaf\xcd\xb0-\xcd\xb3\xcd\xb6\xcd\xb7\xcd\xbb-\xcd\xbd\xcd\xbf\xce\x86\xce\x88-\xce\x8a\xce\x8c" \
    "\xce\x8e-\xce\xa1\xce\xa3-\xcf\xb5\xcf\xb7-\xd2\x81\xd2\x8a-\xd4\xaf\xd4\xb1-\xd5\x96\xe1\x82\xa0-\xe1\x83\x85" \
    "\xe1\x8e\xa0-\xe1\x8f\xb5\xe1\x8f\xb8-\xe1\x8f\xbd\xe1\xb2\x90-\xe1\xb2\xba\xe1\xb2\xbd-\xe1\xb2\xbf" \
    "\xe1\xb4\x80-\xe1\xb4\xab\xe1\xb5\xab-\xe1\xb5\xb7\xe1\xb5\xb9-\xe1\xb6\x9a\xe1\xb8\x80-\xe1\xbc\x95" \
    "\xe1\xbc\x98-\xe1\xbc\x9d\xe1\xbc\xa0-\xe1\xbd\x85\xe1\xbd\x88-\xe1\xbd\x8d\xe1\xbd\x90-\xe1\xbd\x97" \
    "\xe1\xbd\x99\xe1\xbd\x9b\xe1\xbd\x9d\xe1\xbd\x9f-\xe1\xbd\xbd\xe1\xbe\x80-\xe1\xbe\xb4\xe1\xbe\xb6-" \
    "\xe1\xbe\xbc\xe1\xbe\xbe\xe1\xbf\x82-\xe1\xbf\x84\xe1\xbf\x86-\xe1\xbf\x8c\xe1\xbf\x90-\xe1\xbf\x93" \
    "\xe1\xbf\x96-\xe1\xbf\x9b\xe1\xbf\xa0-\xe1\xbf\xac\xe1\xbf\xb2-\xe1\xbf\xb4\xe1\xbf\xb6-\xe1\xbf\xbc" \
    "\xe2\x84\x82\xe2\x84\x87\xe2\x84\x8a-\xe2\x84\x93\xe2\x84\x95\xe2\x84\x99-\xe2\x84\x9d\xe2\x84\xa4\xe2\x84\xa6" \
    "\xe2\x84\xa8\xe2\x84\xaa-\xe2\x84\xad\xe2\x84\xaf-\xe2\x84\xb4\xe2\x84\xb9\xe2\x84\xbc-\xe2\x84\xbf" \
    "\xe2\x85\x85-\xe2\x85\x89\xe2\x85\x8e\xe2\x86\x83\xe2\x86\x84\xe2\xb0\x80-\xe2\xb1\xbb\xe2\xb1\xbe-" \
    "\xe2\xb3\xa4\xe2\xb3\xab-\xe2\xb3\xae\xe2\xb3\xb2\xe2\xb3\xb3\xea\x99\x80-\xea\x99\xad\xea\x9a\x80-" \
    "\xea\x9a\x9b\xea\x9c\xa2-\xea\x9d\xaf\xea\x9d\xb1-\xea\x9e\x87\xea\x9e\x8b-\xea\x9e\x8e\xea\xad\xb0-" \
    "\xea\xae\xbf\xef\xac\x80-\xef\xac\x86\xef\xac\x93-\xef\xac\x97\xef\xbc\xa1-\xef\xbc\xba\xef\xbd\x81-" \
    "\xef\xbd\x9a\xf0\x90\x90\x80-\xf0\x90\x91\x8f\xf0\x90\x92\xb0-\xf0\x90\x93\x93\xf0\x90\x93\x98-" \
    "\xf0\x90\x93\xbb\xf0\x90\xb2\x80-\xf0\x90\xb2\xb2\xf0\x90\xb3\x80-\xf0\x90\xb3\xb2\xf0\x91\xa2\xa0-" \
    "\xf0\x91\xa3\x9f\xf0\x9e\xa4\x80-\xf0\x9e\xa5\x83]+"
/* U+FF01-FF0F, FF1A-FF5E, 2018-201F, 3000-3002 */
#define DEEPSEEK_MARKS \
    "\\s?[!-/:-~\xef\xbc\x81-\xef\xbc\x8f\xef\xbc\x9a-\xef\xbd\x9e\xe2\x80\x98-\xe2\x80\x9f\xe3\x80\x80-" \
    "\xe3\x80\x82]+"
/* Han with extension A, kana, half-width katakana, Kangxi radicals, Thai, Lao, Khmer, Burmese, Hangul */
#define ASIAN \
    "[\xe4\xb8\x80-\xe9\xbf\xbf\xe3\x90\x80-\xe4\xb6\xbf\xe8\xb1\x88-\xef\xab\xbf\xe3\x81\x80-\xe3\x82\x9f" \
    "\xe3\x82\xa0-\xe3\x83\xbf\xef\xbd\xa5-\xef\xbe\x9f\xe2\xbc\x80-\xe2\xbf\x9f\xe0\xb9\x80-\xe0\xb9\xbf" \
    "\xe0\xba\x80-\xe0\xbb\xbf\xe1\x9e\x80-\xe1\x9f\xbf\xe1\x80\x80-\xe1\x82\x9f\xea\xa9\xa0-\xea\xa9\xbf" \
    "\xea\xa7\xa0-\xea\xa7\xbf\xea\xb0\x80-\xed\x9e\xaf\xe1\x84\x80-\xe1\x87\xbf]+"
/* Hangul; ! ... quotes, dash and : ; , full-width, U+3001-303F, FE30-FE4F; Bopomofo; CJK */
#define YOUTU \
    "[\xea\xb0\x80-\xed\x9e\xa3\xe3\x84\xb1-\xe3\x86\x8e]+|[\xef\xbc\x81\xe2\x80\xa6\xe2\x80\x9c\xe2\x80\x9d" \
    "\xe2\x80\x98\xe2\x80\x99\xe2\x80\x94\xef\xbc\x9a\xef\xbc\x9b\xef\xbc\x8c\xe3\x80\x81-\xe3\x80\xbf\xef\xb8\xb0-" \
    "\xef\xb9\x8f]+|[\xe3\x84\x85-\xe3\x84\xaf]+|[\xe4\xb8\x80-\xe9\xbe\xa5\xe3\x81\x80-\xe3\x82\x9f\xe3\x82\xa0-" \
    "\xe3\x83\xbf]+"
/* Sentence ends of several scripts: U+2026, 3002, FF0C, 3001, 0964, 06D4, 060C */
#define BLOOM " ?[^(\\s|.,!?\xe2\x80\xa6\xe3\x80\x82\xef\xbc\x8c\xe3\x80\x81\xe0\xa5\xa4\xdb\x94\xd8\x8c)]+"

/* The patterns as the families' tokenizer.json have them (where that is not known: as ggml-org/llama.cpp:src/llama-vocab.cpp has them). Of rows that are alike
 * the first is the name for a pre-tokenizer that is known by its patterns. */
static const struct prename_pattern patterns[] = {
    {"gpt-2", {SPLITTER_GPT2}, false, false, false},
    {"mpt", {SPLITTER_GPT2}, false, false, true},
    {"smollm", {"\\p{N}", SPLITTER_GPT2}, false, false, false},
    {"command-r", {"\\p{N}", SPLITTER_GPT2}, false, false, true},
    {"qwen2", {QWEN2}, false, false, true},
    {"deepseek-r1-qwen", {QWEN2}, false, false, false},
    {"llama-bpe", {LLAMA3}, true, true, false},
    {"smaug-bpe", {LLAMA3}, false, false, false},
    {"glm4", {LLAMA3}, true, false, false},
    {"qwen35", {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" BLANKS}, false, false, true},
    {"deepseek-v3", {"\\p{N}{1,3}", CJK, DEEPSEEK}, false, false, false},
    {"spark2_5", {"\\p{N}{1,3}", CJK, SPARK, "\\p{N}"}, false, false, false},
    {"afmoe", {"\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", ASIAN, AFMOE}, false, false, false},
    {"deepseek-llm", {"[\r\n]", DEEPSEEK_LETTERS, DEEPSEEK_MARKS, "\\s+$", CJK_WIDE, "\\p{N}+"}, false, false, false},
    {"deepseek-coder", {"[\r\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK_WIDE, "\\p{N}"}, false, false, false},
    {"falcon", {"[\\p{P}\\$\\+<=>\\^~\\|`]+", SPLITTER_GPT2, "[0-9][0-9][0-9]"}, false, false, false},
    {"default", {"[\\p{P}\\$\\+<=>\\^~\\|]+", SPLITTER_GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false, false},
    {"bloom", {BLOOM}, false, false, false},
    {"viking", {BLOOM, "\\p{N}"}, false, false, false},
    {"gpt-4o", {GPT4O("\\p{N}{1,3}")}, true, false, false},
    {"gpt-4o", {GPT4O("\\p{N}{1,3}")}, false, false, false},
    {"llama4", {GPT4O("\\p{N}{1,3}")}, false, false, false},
    {"tiny_aya", {"\\d{1,3}(?=(?:\\d{3})*\\b)", GPT4O("\\p{N}{1,3}")}, false, false, false},
    {"youtu", {YOUTU, GPT4O("\\p{N}")}, true, false, false},
    {"tekken", {CASED(UPPER, LOWER, "") "|\\p{N}|" MARKS_SLASH "|" BLANKS}, true, true, false},
    {"kimi-k2", {HAN "+|" CASED(UPPER_OTHER, LOWER_OTHER, CONTRACTIONS "?") "|\\p{N}{1,3}|" MARKS "|" BLANKS}, false, false, false},
    {"superbpe", {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}, false, false, false},
    {"seed-coder", {CONTRACTIONS "|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"}, false, false, false},
    {"minicpm5", {"\\p{N}{1,3}", CONTRACTIONS "|" LETTERS "|\\p{N}+|" MARKS "|" BLANKS}, true, false, false},
    {"bailingmoe",
     {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     false, false, false},
    {"ufakzeka", {LETTERS "|\\p{N}|" MARKS "|" BLANKS}, false, false, false},
    {"laguna", {LINES, QWEN2}, false, false, false},
    {"exaone-moe",
     {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"},
     false, false, false},
    {"jais-2",
     {CONTRACTIONS "|" LETTERS "|\\p{N}{1,3}|" MARKS "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)"
                   "|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"},
     false, false, false},
    {"chameleon",
     {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", SPLITTER_GPT2},
     false, true, false},
};

/* Names whose files have the patterns and the normalizer of another one's row, or that llama.cpp treats alike. */
static const char *const alike[][2] = {
    {"phi-2", "gpt-2"}, {"jina-es", "gpt-2"}, {"jina-de", "gpt-2"}, {"jina-v1-en", "gpt-2"}, {"jina-v2-es", "gpt-2"}, {"jina-v2-de", "gpt-2"},
    {"jina-v2-code", "gpt-2"}, {"roberta-bpe", "gpt-2"}, {"modern-bert", "gpt-2"}, {"gigachat", "gpt-2"}, {"a.x-4.0", "gpt-2"}, {"mellum", "gpt-2"},
    {"exaone4", "gpt-2"}, {"jais", "gpt-2"}, {"trillion", "gpt-2"}, {"granite-docling", "gpt-2"}, {"olmo", "mpt"}, {"starcoder", "smollm"},
    {"refact", "smollm"}, {"codeshell", "smollm"}, {"exaone", "smollm"}, {"minerva-7b", "smollm"}, {"mellum2", "smollm"}, {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"}, {"falcon3", "llama-bpe"}, {"falcon-h1", "llama-bpe"}, {"pixtral", "llama-bpe"}, {"midm-2.0", "llama-bpe"},
    {"lfm2", "llama-bpe"}, {"jina-v5-nano", "llama-bpe"}, {"glm5", "glm4"}, {"dbrx", "smaug-bpe"}, {"chatglm-bpe", "smaug-bpe"},
    {"grok-2", "deepseek-r1-qwen"}, {"kormo", "deepseek-r1-qwen"}, {"f2llmv2", "deepseek-r1-qwen"}, {"megrez", "deepseek-r1-qwen"},
    {"stablelm2", "deepseek-r1-qwen"}, {"hunyuan", "deepseek-r1-qwen"}, {"solar-open", "deepseek-r1-qwen"}, {"hunyuan-dense", "deepseek-v3"},
    {"joyai-llm", "deepseek-v3"}, {"hy_v4", "deepseek-v3"}, {"poro-chat", "bloom"}, {"gpt3-finnish", "bloom"}, {"kanana2", "llama4"}, {"talkie", "llama4"},
    {"minimax-m2", "llama4"}, {"granite-embed-multi-97m", "gpt-4o"}, {"cohere2moe", "tiny_aya"}, {"bailingmoe2", "bailingmoe"}, {"llada-moe", "bailingmoe"},
};

/* Names whose words stay UTF-8: what is merged is no byte-level alphabet, and blanks become U+2581 or are dropped. */
static const char *const plain_words[] = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"};

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

bool prename_is_plain(const char *name)
{
    for (size_t i = 0; i < sizeof plain_words / sizeof plain_words[0]; i++)
        if (strcmp(plain_words[i], name) == 0)
            return true;
    return false;
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
