/* Normalizer, pre-tokenizer and post-processor of a tokenizer.json as steps (huggingface/tokenizers:tokenizers/src/{normalizers,pre_tokenizers,processors}). */
#include "formats/hftokenizer.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 64, NESTING_MAX = 4, AROUND_MAX = 64 };
#define METASPACE "\xe2\x96\x81"

static enum status unsupported(const struct hftokenizer *tokenizer, const char *part, const struct jsondoc *doc, struct err *err)
{
    const char *const type = jsondoc_string(jsondoc_get(doc, "type"));
    return err_set(err, STATUS_UNSUPPORTED, tokenizer->where, "found the %s \"%.100s\", which cannot be followed", part, type == NULL ? "" : type);
}

static bool is_type(const struct jsondoc *doc, const char *type)
{
    const char *const found = jsondoc_string(jsondoc_get(doc, "type"));
    return found != NULL && strcmp(found, type) == 0;
}

static bool is_true(const struct jsondoc *doc, const char *name, bool absent)
{
    bool truth = absent;
    (void)jsondoc_bool(jsondoc_get(doc, name), &truth);
    return truth;
}

static const char *string_or(const struct jsondoc *doc, const char *name, const char *absent)
{
    const char *const string = jsondoc_string(jsondoc_get(doc, name));
    return string == NULL ? absent : string;
}

/* Compiles a pattern; the tokenizer owns it. */
static enum status compile(struct hftokenizer *tokenizer, struct slice pattern, struct regex **regex, struct err *err)
{
    if (tokenizer->regex_count == (size_t)2 * STEPS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %d patterns", 2 * STEPS_MAX);
    TRY(regex_compile_words(regex, pattern, tokenizer->where, STATUS_UNSUPPORTED, err));
    tokenizer->regex[tokenizer->regex_count++] = *regex;
    return STATUS_OK;
}

/* A literal text as a pattern: punctuation escaped. */
static enum status literal(struct hftokenizer *tokenizer, struct slice text, struct slice *pattern, struct err *err)
{
    char *const made = arena_alloc(&tokenizer->arena, (uint64_t)text.size * 2 + 1, 1, err);
    size_t size = 0;
    if (made == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < text.size; i++) {
        if (strchr("\\^$.|?*+()[]{}-#", text.data[i]) != NULL)
            made[size++] = '\\';
        made[size++] = text.data[i];
    }
    *pattern = (struct slice){made, size};
    return STATUS_OK;
}

/* {"String": "text"} or {"Regex": "pattern"} */
static enum status take_pattern(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct slice *pattern, struct err *err)
{
    const struct jsondoc *const holder = jsondoc_get(doc, "pattern");
    const char *const text = jsondoc_string(jsondoc_get(holder, "String")), *const regex = jsondoc_string(jsondoc_get(holder, "Regex"));
    if (regex != NULL) {
        *pattern = slice_of(regex);
        return STATUS_OK;
    }
    if (text == NULL || text[0] == '\0')
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found a step without a pattern");
    return literal(tokenizer, slice_of(text), pattern, err);
}

static enum status add_normalizer(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    static const struct {
        const char *type;
        enum normalizer_kind kind;
    } plain[] = {{"NFC", NORMALIZER_NFC},
                 {"NFD", NORMALIZER_NFD},
                 {"NFKC", NORMALIZER_NFKC},
                 {"NFKD", NORMALIZER_NFKD},
                 {"Lowercase", NORMALIZER_LOWERCASE},
                 {"StripAccents", NORMALIZER_STRIP_ACCENTS}};
    if (tokenizer->step_count == STEPS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %d normalizers", STEPS_MAX);
    struct normalizer_step *const step = &tokenizer->step[tokenizer->step_count];
    const bool replaces = is_type(doc, "Replace");
    if (replaces || is_type(doc, "Prepend")) {
        struct slice pattern;
        *step = (struct normalizer_step){.kind = replaces ? NORMALIZER_REPLACE : NORMALIZER_PREPEND,
                                         .content = slice_of(string_or(doc, replaces ? "content" : "prepend", ""))};
        if (replaces) {
            TRY(take_pattern(tokenizer, doc, &pattern, err));
            TRY(compile(tokenizer, pattern, &step->regex, err));
        }
        tokenizer->step_count++;
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
        if (is_type(doc, plain[i].type)) {
            tokenizer->step[tokenizer->step_count++] = (struct normalizer_step){.kind = plain[i].kind};
            return STATUS_OK;
        }
    return unsupported(tokenizer, "normalizer", doc, err);
}

static enum status add_step(struct hftokenizer *tokenizer, const struct splitter_step *from, struct err *err)
{
    struct splitter *const splitter = &tokenizer->splitter;
    if (splitter->count == STEPS_MAX)
        return err_set(err, STATUS_LIMIT, tokenizer->where, "found more than %d pre-tokenizers", STEPS_MAX);
    splitter->step[splitter->count] = *from;
    if (from->kind == SPLITTER_SPLIT || from->kind == SPLITTER_REPLACE) /* an empty pattern is one as well */
        TRY(compile(tokenizer, from->pattern, &splitter->step[splitter->count].regex, err));
    splitter->count++;
    return STATUS_OK;
}

static enum status add_split(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    static const char *const names[] = {"Isolated", "Removed", "Contiguous", "MergedWithPrevious", "MergedWithNext"}; /* as enum splitter_behavior */
    struct splitter_step step = {.kind = SPLITTER_SPLIT, .invert = is_true(doc, "invert", false)};
    const char *const behavior = string_or(doc, "behavior", "");
    size_t i = 0;
    while (i < sizeof names / sizeof names[0] && strcmp(names[i], behavior) != 0)
        i++;
    if (i == sizeof names / sizeof names[0])
        return err_set(err, STATUS_UNSUPPORTED, tokenizer->where, "found the behavior \"%.100s\", which cannot be followed", behavior);
    step.behavior = (enum splitter_behavior)i;
    TRY(take_pattern(tokenizer, doc, &step.pattern, err));
    return add_step(tokenizer, &step, err);
}

static enum status add_byte_level(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    if (is_true(doc, "add_prefix_space", true))
        TRY(add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_PREFIX, .content = slice_of(" ")}, err));
    if (is_true(doc, "use_regex", true))
        TRY(add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_SPLIT, .pattern = slice_of(SPLITTER_GPT2)}, err));
    return add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_BYTES}, err);
}

static enum status add_metaspace(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    const struct slice content = slice_of(string_or(doc, "replacement", METASPACE));
    const char *const scheme = string_or(doc, "prepend_scheme", is_true(doc, "add_prefix_space", true) ? "always" : "never");
    struct slice pattern;
    TRY(add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_REPLACE, .pattern = slice_of(" "), .content = content}, err));
    if (strcmp(scheme, "never") != 0)
        TRY(add_step(tokenizer, &(struct splitter_step){.kind = strcmp(scheme, "first") == 0 ? SPLITTER_PREFIX_FIRST : SPLITTER_PREFIX, .content = content},
                     err));
    if (!is_true(doc, "split", true) || content.size == 0)
        return STATUS_OK;
    TRY(literal(tokenizer, content, &pattern, err));
    return add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_SPLIT, .behavior = SPLITTER_MERGED_WITH_NEXT, .pattern = pattern}, err);
}

static enum status add_pre_tokenizer(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    static const struct {
        const char *type, *pattern;
        enum splitter_behavior behavior;
        bool invert;
    } fixed[] = {
        {"Whitespace", "\\w+|[^\\w\\s]+", SPLITTER_REMOVED, true},
        {"WhitespaceSplit", "\\s+", SPLITTER_REMOVED, false},
    };
    if (is_type(doc, "Split"))
        return add_split(tokenizer, doc, err);
    if (is_type(doc, "ByteLevel"))
        return add_byte_level(tokenizer, doc, err);
    if (is_type(doc, "Metaspace"))
        return add_metaspace(tokenizer, doc, err);
    if (is_type(doc, "Digits"))
        return add_step(
            tokenizer,
            &(struct splitter_step){.kind = SPLITTER_SPLIT, .pattern = slice_of(is_true(doc, "individual_digits", false) ? "\\p{N}" : "\\p{N}+")}, err);
    if (is_type(doc, "Punctuation") && strcmp(string_or(doc, "behavior", "Isolated"), "Isolated") == 0)
        return add_step(tokenizer, &(struct splitter_step){.kind = SPLITTER_SPLIT, .pattern = slice_of("[\\p{P}!-/:-@\\[-`{-~]")}, err);
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (is_type(doc, fixed[i].type))
            return add_step(tokenizer,
                            &(struct splitter_step){
                                .kind = SPLITTER_SPLIT, .behavior = fixed[i].behavior, .invert = fixed[i].invert, .pattern = slice_of(fixed[i].pattern)},
                            err);
    return unsupported(tokenizer, "pre-tokenizer", doc, err);
}

typedef enum status add_function(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err);

/* A step, or the steps of a Sequence, whose list has this name; sequences nest at most NESTING_MAX deep. */
static enum status each_step(struct hftokenizer *tokenizer, const struct jsondoc *doc, const char *list, add_function *add, struct err *err)
{
    const struct jsondoc *outer[NESTING_MAX];
    size_t depth = 0;
    const struct jsondoc *now = doc;
    while (now != NULL) {
        if (is_type(now, "Sequence")) {
            if (depth == NESTING_MAX)
                return unsupported(tokenizer, "too deeply nested step", now, err);
            const struct jsondoc *const first = jsondoc_first(jsondoc_get(now, list));
            outer[depth++] = now;
            if (first != NULL) {
                now = first;
                continue;
            }
            now = outer[--depth];
        } else {
            TRY(add(tokenizer, now, err));
        }
        const struct jsondoc *next = depth > 0 ? jsondoc_next(now) : NULL;
        while (next == NULL && depth > 0) {
            now = outer[--depth];
            next = depth > 0 ? jsondoc_next(now) : NULL;
        }
        now = next;
    }
    return STATUS_OK;
}

static enum status add_around(struct hftokenizer *tokenizer, bool after, const struct jsondoc *number, struct err *err)
{
    int64_t id;
    uint32_t *const count = after ? &tokenizer->after_count : &tokenizer->before_count;
    if (!jsondoc_int(number, &id) || id < 0 || id >= LIMIT_VOCABULARY_TOKENS_MAX || *count == AROUND_MAX)
        return err_set(err, STATUS_CORRUPT, tokenizer->where, "found a post-processor with a token that has no valid id, or more than %d of them",
                       AROUND_MAX);
    (after ? tokenizer->after : tokenizer->before)[(*count)++] = (uint32_t)id;
    return STATUS_OK;
}

static enum status add_template(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    bool after = false;
    for (const struct jsondoc *piece = jsondoc_first(jsondoc_get(doc, "single")); piece != NULL; piece = jsondoc_next(piece)) {
        const char *const name = jsondoc_string(jsondoc_get(jsondoc_get(piece, "SpecialToken"), "id"));
        after = after || jsondoc_get(piece, "Sequence") != NULL;
        if (name == NULL)
            continue;
        const struct jsondoc *const ids = jsondoc_get(jsondoc_get(jsondoc_get(doc, "special_tokens"), name), "ids");
        for (const struct jsondoc *id = jsondoc_first(ids); id != NULL; id = jsondoc_next(id))
            TRY(add_around(tokenizer, after, id, err));
    }
    return STATUS_OK;
}

static enum status add_processor(struct hftokenizer *tokenizer, const struct jsondoc *doc, struct err *err)
{
    if (is_type(doc, "ByteLevel"))
        return STATUS_OK;
    if (is_type(doc, "TemplateProcessing"))
        return add_template(tokenizer, doc, err);
    if (!is_type(doc, "RobertaProcessing") && !is_type(doc, "BertProcessing"))
        return unsupported(tokenizer, "post-processor", doc, err);
    TRY(add_around(tokenizer, false, jsondoc_next(jsondoc_first(jsondoc_get(doc, "cls"))), err)); /* ["text", id] */
    return add_around(tokenizer, true, jsondoc_next(jsondoc_first(jsondoc_get(doc, "sep"))), err);
}

enum status hftokenizer_pipeline(struct hftokenizer *tokenizer, struct err *err)
{
    struct arena *const arena = &tokenizer->arena;
    if (tokenizer->type != NULL && strcmp(tokenizer->type, "BPE") != 0)
        return err_set(err, STATUS_UNSUPPORTED, tokenizer->where, "found a model of type \"%.100s\", expected BPE", tokenizer->type);
    if (tokenizer->has_affixes || tokenizer->has_dropout)
        return err_set(err, STATUS_UNSUPPORTED, tokenizer->where, "found a model with %s, which cannot be followed",
                       tokenizer->has_dropout ? "dropout" : "continuing_subword_prefix or end_of_word_suffix");
    tokenizer->step = arena_alloc(arena, STEPS_MAX, sizeof *tokenizer->step, err);
    tokenizer->splitter.step = arena_alloc(arena, STEPS_MAX, sizeof *tokenizer->splitter.step, err);
    tokenizer->regex = arena_alloc(arena, (uint64_t)2 * STEPS_MAX, sizeof *tokenizer->regex, err);
    tokenizer->before = arena_alloc(arena, AROUND_MAX, sizeof *tokenizer->before, err);
    tokenizer->after = arena_alloc(arena, AROUND_MAX, sizeof *tokenizer->after, err);
    if (tokenizer->step == NULL || tokenizer->splitter.step == NULL || tokenizer->regex == NULL || tokenizer->before == NULL || tokenizer->after == NULL)
        return STATUS_LIMIT;
    TRY(each_step(tokenizer, tokenizer->normalizer, "normalizers", add_normalizer, err));
    TRY(each_step(tokenizer, tokenizer->pre_tokenizer, "pretokenizers", add_pre_tokenizer, err));
    return each_step(tokenizer, tokenizer->post_processor, "processors", add_processor, err);
}
