#include "tokenizer/tiktoken.h"

#include "base/map.h"
#include "base/mem.h"
#include "tokenizer/bytelevel.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES_MAX = 1024 };

/* The special tokens that have a name; the others are reserved ones, numbered through. */
struct named {
    unsigned at;
    const char *name;
};
static const struct named names_first[] = {
    {0, "<|begin_of_text|>"}, {1, "<|end_of_text|>"}, {6, "<|start_header_id|>"}, {7, "<|end_header_id|>"}, {9, "<|eot_id|>"},
};
static const struct named names_later[] = {
    {0, "<|begin_of_text|>"}, {1, "<|end_of_text|>"}, {4, "<|finetune_right_pad_id|>"}, {6, "<|start_header_id|>"}, {7, "<|end_header_id|>"},
    {8, "<|eom_id|>"},        {9, "<|eot_id|>"},      {10, "<|python_tag|>"},
};

/* A token's bytes. */
struct raw {
    struct slice bytes;
};
struct run {
    const char *where;
    struct arena *arena;
    struct raw *raw; /* [count], by rank */
    uint32_t count;
    struct map rank; /* bytes -> rank */
    struct vocabulary *vocabulary;
};
/* A split of one token. */
struct cut {
    uint32_t left, right;
};

static int base64_value(char c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes of canonical base64 with padding. False if it is none, or longer than a token may be. */
static bool decode(struct slice text, char bytes[TOKEN_BYTES_MAX], size_t *size)
{
    const size_t padding = slice_ends(text, "==") ? 2 : slice_ends(text, "=") ? 1 : 0;
    uint32_t bits = 0;
    unsigned have = 0;
    *size = 0;
    if (text.size == 0 || text.size % 4 != 0 || text.size / 4 * 3 > TOKEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.size - padding; i++) {
        const int value = base64_value(text.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            bytes[(*size)++] = (char)(bits >> have & 255);
            bits &= (1u << have) - 1;
        }
    }
    return bits == 0;
}

/* Takes the next line apart. False at the end; `line` is where it began. */
static bool next_line(struct slice file, size_t *at, struct slice *line)
{
    if (*at >= file.size)
        return false;
    const char *const end = memchr(file.data + *at, '\n', file.size - *at);
    const size_t size = end == NULL ? file.size - *at : (size_t)(end - file.data) - *at;
    *line = (struct slice){file.data + *at, size};
    *at += size + 1;
    return true;
}

static bool parse_line(struct slice line, char bytes[TOKEN_BYTES_MAX], size_t *size, uint64_t *rank)
{
    const char *const blank = memchr(line.data, ' ', line.size);
    if (blank == NULL)
        return false;
    const size_t left = (size_t)(blank - line.data);
    return decode((struct slice){line.data, left}, bytes, size) && slice_u64((struct slice){blank + 1, line.size - left - 1}, rank);
}

bool tiktoken_probe(struct slice file)
{
    char bytes[TOKEN_BYTES_MAX];
    struct slice line;
    size_t at = 0, size;
    uint64_t rank;
    return next_line(file, &at, &line) && parse_line(line, bytes, &size, &rank);
}

static enum status read_ranks(struct run *run, struct slice file, struct err *err)
{
    struct slice line;
    size_t at = 0, lines = 0;
    while (next_line(file, &at, &line))
        lines += line.size > 0;
    if (lines == 0 || lines > LIMIT_VOCABULARY_TOKENS_MAX)
        return err_set(err, lines == 0 ? STATUS_CORRUPT : STATUS_LIMIT, run->where, "found %zu lines, expected 1 to %u", lines,
                       LIMIT_VOCABULARY_TOKENS_MAX);
    run->raw = arena_alloc(run->arena, lines, sizeof *run->raw, err);
    if (run->raw == NULL)
        return STATUS_LIMIT;
    run->count = (uint32_t)lines;
    at = 0;
    for (size_t number = 1; next_line(file, &at, &line); number++) {
        char bytes[TOKEN_BYTES_MAX];
        size_t size;
        uint64_t rank;
        uint32_t existing = MAP_NONE;
        if (line.size == 0)
            continue;
        if (!parse_line(line, bytes, &size, &rank) || size == 0 || rank >= lines || run->raw[rank].bytes.data != NULL)
            return err_set(err, STATUS_CORRUPT, run->where, "found line %zu \"%.*s\", expected a token in base64, a blank and a rank below %zu, each once",
                           number, (int)(line.size < 100 ? line.size : 100), line.data, lines);
        const char *const copy = arena_copy(run->arena, bytes, size, err);
        if (copy == NULL)
            return STATUS_LIMIT;
        run->raw[rank].bytes = (struct slice){copy, size};
        TRY(map_add(&run->rank, run->raw[rank].bytes, (uint32_t)rank, &existing, err));
        if (existing != MAP_NONE)
            return err_set(err, STATUS_CORRUPT, run->where, "found the token of line %zu twice (ranks %u and %llu)", number, existing,
                           (unsigned long long)rank);
    }
    return STATUS_OK;
}

static int by_rank(const void *a, const void *b)
{
    const struct cut *const left = a, *const right = b;
    if (left->left != right->left)
        return left->left < right->left ? -1 : 1;
    return left->right < right->right ? -1 : left->right > right->right;
}

static enum status add_merge(struct run *run, struct slice left, struct slice right, struct err *err)
{
    struct vocabulary *const vocabulary = run->vocabulary;
    char *const made = arena_alloc(run->arena, (uint64_t)left.size + right.size + 2, 1, err);
    if (made == NULL)
        return STATUS_LIMIT;
    memcpy(made, left.data, left.size);
    made[left.size] = ' ';
    memcpy(made + left.size + 1, right.data, right.size);
    if (vocabulary->merge_count == LIMIT_VOCABULARY_MERGES_MAX)
        return err_set(err, STATUS_LIMIT, run->where, "found more than %u merges", LIMIT_VOCABULARY_MERGES_MAX);
    vocabulary->merge[vocabulary->merge_count++] = (struct slice){made, left.size + 1 + right.size};
    return STATUS_OK;
}

/* The splits of one token into two, in the array; returns how many. */
static size_t find_cuts(const struct run *run, struct slice bytes, struct cut cut[TOKEN_BYTES_MAX])
{
    size_t cuts = 0;
    for (size_t at = 1; at < bytes.size; at++) {
        const uint32_t left = map_find(&run->rank, (struct slice){bytes.data, at});
        const uint32_t right = map_find(&run->rank, (struct slice){bytes.data + at, bytes.size - at});
        if (left != MAP_NONE && right != MAP_NONE)
            cut[cuts++] = (struct cut){left, right};
    }
    return cuts;
}

static enum status make_merges(struct run *run, struct err *err)
{
    struct cut cut[TOKEN_BYTES_MAX];
    uint64_t total = 0;
    for (uint32_t i = 0; i < run->count; i++)
        total += find_cuts(run, run->raw[i].bytes, cut);
    if (total > LIMIT_VOCABULARY_MERGES_MAX)
        return err_set(err, STATUS_LIMIT, run->where, "found %llu merges, expected at most %u", (unsigned long long)total, LIMIT_VOCABULARY_MERGES_MAX);
    run->vocabulary->merge = arena_alloc(run->arena, total, sizeof *run->vocabulary->merge, err);
    if (run->vocabulary->merge == NULL)
        return STATUS_LIMIT;
    for (uint32_t i = 0; i < run->count; i++) {
        const size_t cuts = find_cuts(run, run->raw[i].bytes, cut);
        if (cuts > 0)
            qsort(cut, cuts, sizeof cut[0], by_rank);
        for (size_t k = 0; k < cuts; k++)
            TRY(add_merge(run, run->vocabulary->token[cut[k].left].text, run->vocabulary->token[cut[k].right].text, err));
    }
    return STATUS_OK;
}

static enum status set_text(struct run *run, uint32_t id, const struct text *text, enum vocabulary_type type, struct err *err)
{
    TRY(text_check(text, err));
    const char *const copy = arena_copy(run->arena, text->data, text->size, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    run->vocabulary->token[id] = (struct vocabulary_token){{copy, text->size}, 0, type};
    return STATUS_OK;
}

static enum status make_tokens(struct run *run, bool first, struct text *text, struct err *err)
{
    const struct named *const named = first ? names_first : names_later;
    const size_t named_count = first ? sizeof names_first / sizeof names_first[0] : sizeof names_later / sizeof names_later[0];
    TRY(vocabulary_pad(run->vocabulary, (uint64_t)run->count + TIKTOKEN_SPECIAL_TOKENS, run->arena, err));
    for (uint32_t i = 0; i < run->count; i++) {
        text->size = 0;
        bytelevel_encode(run->raw[i].bytes, text);
        TRY(set_text(run, i, text, VOCABULARY_NORMAL, err));
    }
    unsigned reserved = 0;
    size_t next = 0;
    for (uint32_t i = 0; i < TIKTOKEN_SPECIAL_TOKENS; i++) {
        text->size = 0;
        if (next < named_count && named[next].at == i)
            text_string(text, named[next++].name);
        else
            text_format(text, "<|reserved_special_token_%u|>", reserved++);
        TRY(set_text(run, run->count + i, text, VOCABULARY_CONTROL, err));
    }
    return STATUS_OK;
}

enum status tiktoken_read(const char *where, struct slice file, bool first, struct arena *arena, struct vocabulary *vocabulary, struct err *err)
{
    struct run run = {.where = where, .arena = arena, .vocabulary = vocabulary};
    struct text text = {0};
    *vocabulary = (struct vocabulary){.kind = VOCABULARY_GPT2, .pre = "llama-bpe"};
    enum status status = read_ranks(&run, file, err);
    if (status == STATUS_OK)
        status = make_tokens(&run, first, &text, err);
    if (status == STATUS_OK)
        status = make_merges(&run, err);
    map_free(&run.rank);
    text_free(&text);
    return status;
}
