#include "formats/hfspecial.h"

#include <stdio.h>
#include <string.h>

/* In gguf-py's order. EOT and EOM take part only where a template moves the end of a text. */
enum type { BOS, EOS, UNK, SEP, PAD, CLS, MASK, EOT, EOM, TYPE_COUNT };
static const struct {
    const char *word;
    enum vocabulary_key key;
} types[TYPE_COUNT] = {
    {"bos", VOCABULARY_KEY_BOS_ID},   {"eos", VOCABULARY_KEY_EOS_ID}, {"unk", VOCABULARY_KEY_UNK_ID},
    {"sep", VOCABULARY_KEY_SEP_ID},   {"pad", VOCABULARY_KEY_PAD_ID}, {"cls", VOCABULARY_KEY_COUNT}, /* which gguf-py does not write */
    {"mask", VOCABULARY_KEY_MASK_ID}, {"eot", VOCABULARY_KEY_EOT_ID}, {"eom", VOCABULARY_KEY_EOM_ID},
};

/* tokenizer_config's "<type>_token": a string, or an object with `content`, which Python never finds equal to a string. */
struct word {
    const char *text; /* NULL: none */
    bool object;
};

struct flag {
    enum vocabulary_key key;
    bool truth;
};
struct run {
    const struct hfspecial *special;
    struct vocabulary *vocabulary;
    struct word word[TYPE_COUNT];
    bool used[TYPE_COUNT];
    bool known[TYPE_COUNT]; /* an id was found */
    struct vocabulary_setting id[TYPE_COUNT];
    size_t id_count;
    struct flag flag[3]; /* BOS, EOS and SEP in the order in which they were decided */
    size_t flag_count;
};

static bool equal(struct word word, const char *text)
{
    return word.text != NULL && !word.object && text != NULL && strcmp(word.text, text) == 0;
}

static void set_flag(struct run *run, enum vocabulary_key key, bool truth, bool replace)
{
    for (size_t i = 0; i < run->flag_count; i++)
        if (run->flag[i].key == key) {
            run->flag[i].truth = replace ? truth : run->flag[i].truth;
            return;
        }
    run->flag[run->flag_count++] = (struct flag){key, truth};
}

static const char *special_name(const struct jsondoc *piece)
{
    return jsondoc_string(jsondoc_get(jsondoc_get(piece, "SpecialToken"), "id"));
}

static bool is_sequence(const struct jsondoc *piece, const char *name)
{
    const char *const id = jsondoc_string(jsondoc_get(jsondoc_get(piece, "Sequence"), "id"));
    return id != NULL && strcmp(id, name) == 0;
}

static const struct jsondoc *last_of(const struct jsondoc *list)
{
    const struct jsondoc *last = NULL;
    for (const struct jsondoc *item = jsondoc_first(list); item != NULL; item = jsondoc_next(item))
        last = item;
    return last;
}

static void take_first(struct run *run, const char *first)
{
    if (first == NULL)
        return;
    const bool config = run->special->config != NULL;
    if (!config) {
        run->word[BOS] = (struct word){first, false};
    } else if (!equal(run->word[BOS], first) && !equal(run->word[CLS], first)) {
        if (run->word[BOS].text == NULL)
            run->word[BOS] = (struct word){first, false};
        if (run->word[CLS].text == NULL)
            run->word[CLS] = (struct word){first, false};
    }
    set_flag(run, VOCABULARY_KEY_ADD_BOS, equal(run->word[BOS], first) || equal(run->word[CLS], first), true);
}

/* A template that ends with another token than EOS makes that one EOS, and the old one EOT, or EOM. */
static void take_last(struct run *run, const char *last)
{
    if (last == NULL)
        return;
    if (run->special->config != NULL && !equal(run->word[EOS], last)) {
        const enum type moved = !run->used[EOT] ? EOT : !run->used[EOM] ? EOM : TYPE_COUNT;
        if (moved != TYPE_COUNT) {
            run->used[moved] = true;
            run->word[moved] = run->word[EOS];
        }
    }
    run->word[EOS] = (struct word){last, false};
    set_flag(run, VOCABULARY_KEY_ADD_EOS, true, true);
}

/* What stands between A and B of a pair decides whether a separator is added. */
static void take_pair(struct run *run, const struct jsondoc *pair, const char *first, const char *last)
{
    const struct jsondoc *piece[8]; /* more is no simple pair, and left alone */
    size_t count = 0;
    for (const struct jsondoc *item = jsondoc_first(pair); item != NULL; item = jsondoc_next(item)) {
        if (count == sizeof piece / sizeof piece[0])
            return;
        piece[count++] = item;
    }
    size_t start = 0;
    if (count > 0 && first != NULL && special_name(piece[0]) != NULL && strcmp(special_name(piece[0]), first) == 0)
        start = 1;
    if (count > 0 && last != NULL && special_name(piece[count - 1]) != NULL && strcmp(special_name(piece[count - 1]), last) == 0)
        count--;
    if (count <= start || !is_sequence(piece[start], "A") || !is_sequence(piece[count - 1], "B") || count - start < 3)
        return;
    const size_t inner = count - start - 2;
    const struct word sep = run->word[SEP], eos = run->word[EOS];
    const char *const one = special_name(piece[start + 1]), *const two = inner == 2 ? special_name(piece[start + 2]) : NULL;
    bool add = one != NULL && (equal(sep, one) || equal(eos, one)) && last == NULL;
    add = add || (two != NULL && (equal(sep, two) || equal(eos, two)));
    set_flag(run, VOCABULARY_KEY_ADD_SEP, add, true);
    if (add && sep.text == NULL)
        run->word[SEP] = eos;
}

static void take_processor(struct run *run, const struct jsondoc *processor)
{
    const char *const type = jsondoc_string(jsondoc_get(processor, "type"));
    if (type == NULL)
        return;
    if (strcmp(type, "ByteLevel") == 0) {
        set_flag(run, VOCABULARY_KEY_ADD_BOS, false, false);
        set_flag(run, VOCABULARY_KEY_ADD_EOS, false, false);
    } else if (strcmp(type, "RobertaProcessing") == 0) {
        static const enum vocabulary_key all[] = {VOCABULARY_KEY_ADD_BOS, VOCABULARY_KEY_ADD_EOS, VOCABULARY_KEY_ADD_SEP};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
            set_flag(run, all[i], true, true);
        const char *const cls = jsondoc_string(jsondoc_first(jsondoc_get(processor, "cls"))), *const sep = jsondoc_string(
                                                                                                  jsondoc_first(jsondoc_get(processor, "sep")));
        if (run->word[CLS].text == NULL)
            run->word[CLS] = cls != NULL ? (struct word){cls, false} : run->word[BOS];
        if (run->word[SEP].text == NULL)
            run->word[SEP] = sep != NULL ? (struct word){sep, false} : run->word[EOS];
    } else if (strcmp(type, "TemplateProcessing") == 0) {
        const struct jsondoc *const single = jsondoc_get(processor, "single"), *const first_piece = jsondoc_first(single);
        const bool several = first_piece != NULL && jsondoc_next(first_piece) != NULL;
        const char *const first = several ? special_name(first_piece) : NULL, *const last = several ? special_name(last_of(single)) : NULL;
        take_first(run, first);
        take_last(run, last);
        take_pair(run, jsondoc_get(processor, "pair"), first, last);
    }
}

static enum status set_id(struct run *run, enum type type, int64_t id, struct err *err)
{
    if (id < 0)
        return err_set(err, STATUS_CORRUPT, "config.json", "found %s_token_id %lld, expected an id", types[type].word, (long long)id);
    if (run->known[type] || id >= run->special->ids || id > UINT32_MAX || types[type].key == VOCABULARY_KEY_COUNT)
        return STATUS_OK;
    run->known[type] = true;
    run->id[run->id_count++] = (struct vocabulary_setting){.key = types[type].key, .id = (uint32_t)id};
    return STATUS_OK;
}

/* Ids by text, and flags, from tokenizer_config.json. */
static enum status take_config(struct run *run, struct err *err)
{
    static const struct {
        enum type type;
        const char *name;
        enum vocabulary_key key;
    } adds[] = {
        {BOS, "add_bos_token", VOCABULARY_KEY_ADD_BOS}, {EOS, "add_eos_token", VOCABULARY_KEY_ADD_EOS}, {SEP, "add_sep_token", VOCABULARY_KEY_ADD_SEP}};
    const struct hftokenizer *const tokenizer = run->special->tokenizer;
    for (unsigned type = 0; type < TYPE_COUNT; type++) {
        bool truth;
        if (!run->used[type])
            continue;
        for (size_t i = 0; i < sizeof adds / sizeof adds[0]; i++)
            if (adds[i].type == (enum type)type && jsondoc_bool(jsondoc_get(run->special->config, adds[i].name), &truth))
                set_flag(run, adds[i].key, truth, false);
        const char *const text = run->word[type].text;
        for (uint32_t i = 0; text != NULL && tokenizer != NULL && i < tokenizer->own_count; i++)
            if (slice_is(tokenizer->added[i].text, text)) {
                TRY(set_id(run, (enum type)type, tokenizer->added[i].declared, err));
                break;
            }
    }
    return STATUS_OK;
}

static enum status take_model_config(struct run *run, struct err *err)
{
    const struct jsondoc *const config = run->special->source->document;
    for (unsigned type = 0; type < TYPE_COUNT; type++) {
        char name[24];
        int64_t id;
        (void)snprintf(name, sizeof name, "%s_token_id", types[type].word);
        const struct jsondoc *value = jsondoc_get(config, name);
        if (value == NULL || jsondoc_kind(value) == JSONDOC_NULL)
            value = jsondoc_get(jsondoc_get(config, "text_config"), name);
        if (run->used[type] && jsondoc_int(value, &id))
            TRY(set_id(run, (enum type)type, id, err));
    }
    return STATUS_OK;
}

static enum status copy(struct run *run, struct slice from, struct slice *to, struct err *err)
{
    const char *const made = arena_copy(&run->special->source->arena, from.data, from.size, err);
    *to = (struct slice){made, from.size};
    return made == NULL ? STATUS_LIMIT : STATUS_OK;
}

/* One template; "default" is kept aside, as it comes last. */
static enum status add_template(struct run *run, struct slice name, struct slice text, struct slice *fallback, struct err *err)
{
    struct vocabulary_setting setting = {.key = VOCABULARY_KEY_TEMPLATE_NAMED};
    TRY(copy(run, text, &setting.text, err));
    TRY(copy(run, name, &setting.name, err));
    if (slice_is(name, "default")) {
        *fallback = setting.text;
        return STATUS_OK;
    }
    for (size_t i = 0; i < name.size; i++) {
        const char c = name.data[i];
        const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        ((char *)setting.name.data)[i] = plain ? c : '_';
    }
    return name.size == 0 ? STATUS_OK : vocabulary_set(run->vocabulary, &setting, &run->special->source->arena, err);
}

static enum status end_templates(struct run *run, struct slice fallback, struct err *err)
{
    struct arena *const arena = &run->special->source->arena;
    if (vocabulary_find(run->vocabulary, VOCABULARY_KEY_TEMPLATE_NAMED) != NULL)
        TRY(vocabulary_set(run->vocabulary, &(struct vocabulary_setting){.key = VOCABULARY_KEY_TEMPLATE_NAMES}, arena, err));
    if (fallback.data == NULL)
        return STATUS_OK;
    return vocabulary_set(run->vocabulary, &(struct vocabulary_setting){.key = VOCABULARY_KEY_TEMPLATE, .text = fallback}, arena, err);
}

static enum status slurp(struct run *run, const char *name, struct text *text, struct err *err)
{
    const char *const path = source_path(run->special->source, name, err);
    return path == NULL ? STATUS_LIMIT : file_slurp(run->special->source->ops, path, LIMIT_JSON_DOCUMENT_BYTES_MAX, text, err);
}

/* Ends of lines as Python reads them: "\r\n" and "\r" are "\n". */
static void unify_lines(struct text *text)
{
    size_t size = 0;
    for (size_t i = 0; i < text->size; i++) {
        const bool carriage = text->data[i] == '\r';
        text->data[size++] = carriage ? '\n' : text->data[i];
        i += carriage && i + 1 < text->size && text->data[i + 1] == '\n';
    }
    text->size = size;
}

static enum status slurp_template(struct run *run, const char *name, struct text *text, struct err *err)
{
    TRY(slurp(run, name, text, err));
    unify_lines(text);
    return STATUS_OK;
}

/* chat_template.jinja and additional_chat_templates/NAME.jinja. */
static enum status take_files(struct run *run, struct slice *fallback, struct err *err)
{
    static const char folder[] = "additional_chat_templates/", suffix[] = ".jinja";
    const struct tree_list *const list = &run->special->source->list;
    struct text text = {0};
    enum status status = slurp_template(run, "chat_template.jinja", &text, err);
    if (status == STATUS_OK)
        status = add_template(run, slice_of("default"), (struct slice){text.data == NULL ? "" : text.data, text.size}, fallback, err);
    for (size_t i = 0; i < list->count && status == STATUS_OK; i++) {
        struct slice name = slice_of(list->entry[i].name);
        if (!slice_starts(name, folder) || !slice_ends(name, suffix) || name.size < sizeof folder + sizeof suffix - 2)
            continue;
        name = (struct slice){name.data + sizeof folder - 1, name.size - (sizeof folder - 1) - (sizeof suffix - 1)};
        if (memchr(name.data, '/', name.size) != NULL)
            continue;
        status = slurp_template(run, list->entry[i].name, &text, err);
        if (status == STATUS_OK)
            status = add_template(run, name, (struct slice){text.data == NULL ? "" : text.data, text.size}, fallback, err);
    }
    text_free(&text);
    return status;
}

static enum status take_value(struct run *run, const struct jsondoc *value, struct slice *fallback, struct err *err)
{
    if (value != NULL && jsondoc_kind(value) == JSONDOC_STRING)
        return add_template(run, slice_of("default"), slice_of(jsondoc_string(value)), fallback, err);
    if (value == NULL || jsondoc_kind(value) != JSONDOC_ARRAY)
        return STATUS_OK;
    for (const struct jsondoc *item = jsondoc_first(value); item != NULL; item = jsondoc_next(item)) {
        const char *const name = jsondoc_string(jsondoc_get(item, "name")), *const text = jsondoc_string(jsondoc_get(item, "template"));
        if (name != NULL && text != NULL)
            TRY(add_template(run, slice_of(name), slice_of(text), fallback, err));
    }
    return STATUS_OK;
}

static enum status take_templates(struct run *run, struct err *err)
{
    struct source *const source = run->special->source;
    const struct jsondoc *const value = jsondoc_get(run->special->config, "chat_template");
    struct slice fallback = {0};
    if (value != NULL) {
        TRY(take_value(run, value, &fallback, err));
    } else if (source_has(source, "chat_template.jinja")) {
        TRY(take_files(run, &fallback, err));
    } else {
        struct jsondoc *doc = NULL;
        TRY(source_document(source, "chat_template.json", &doc, err));
        const enum status status = take_value(run, jsondoc_get(doc, "chat_template"), &fallback, err);
        jsondoc_free(doc);
        TRY(status);
    }
    return end_templates(run, fallback, err);
}

/* Lowercase and StripAccents, alone, in a BertNormalizer or in a sequence of them. */
static enum status take_normalizer(struct run *run, const struct jsondoc *doc, struct err *err)
{
    struct arena *const arena = &run->special->source->arena;
    const char *const type = jsondoc_string(jsondoc_get(doc, "type"));
    const bool bert = type != NULL && strcmp(type, "BertNormalizer") == 0;
    bool truth = true;
    if (type == NULL)
        return STATUS_OK;
    if (strcmp(type, "Lowercase") == 0 || (bert && jsondoc_bool(jsondoc_get(doc, "lowercase"), &truth)))
        TRY(vocabulary_set_flag(run->vocabulary, VOCABULARY_KEY_LOWERCASE, truth, arena, err));
    truth = true;
    if (strcmp(type, "StripAccents") == 0 || (bert && jsondoc_bool(jsondoc_get(doc, "strip_accents"), &truth)))
        TRY(vocabulary_set_flag(run->vocabulary, VOCABULARY_KEY_STRIP_ACCENTS, truth, arena, err));
    return STATUS_OK;
}

static void take_tokenizer(struct run *run)
{
    if (run->word[BOS].text == NULL)
        run->word[BOS] = run->word[CLS];
    if (run->word[EOS].text == NULL)
        run->word[EOS] = run->word[SEP];
    const struct jsondoc *const post = run->special->tokenizer->post_processor, *const list = jsondoc_get(post, "processors");
    if (list == NULL)
        take_processor(run, post);
    for (const struct jsondoc *item = jsondoc_first(list); item != NULL; item = jsondoc_next(item))
        take_processor(run, item);
}

static enum status set_all(struct run *run, struct err *err)
{
    const struct hftokenizer *const tokenizer = run->special->tokenizer;
    struct arena *const arena = &run->special->source->arena;
    for (size_t i = 0; i < run->id_count; i++)
        TRY(vocabulary_set(run->vocabulary, &run->id[i], arena, err));
    for (size_t i = 0; i < run->flag_count; i++)
        TRY(vocabulary_set_flag(run->vocabulary, run->flag[i].key, run->flag[i].truth, arena, err));
    if (run->special->config != NULL)
        TRY(take_templates(run, err));
    if (tokenizer == NULL || tokenizer->normalizer == NULL)
        return STATUS_OK;
    const struct jsondoc *const list = jsondoc_get(tokenizer->normalizer, "normalizers");
    TRY(take_normalizer(run, tokenizer->normalizer, err));
    for (const struct jsondoc *item = jsondoc_first(list); item != NULL; item = jsondoc_next(item))
        TRY(take_normalizer(run, item, err));
    return STATUS_OK;
}

enum status hfspecial_set(const struct hfspecial *special, struct vocabulary *vocabulary, struct err *err)
{
    struct run run = {.special = special, .vocabulary = vocabulary};
    for (unsigned type = 0; type < TYPE_COUNT; type++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%s_token", types[type].word);
        const struct jsondoc *const entry = jsondoc_get(special->config, name);
        const char *const plain = jsondoc_string(entry), *const content = jsondoc_string(jsondoc_get(entry, "content"));
        run.word[type] = (struct word){plain != NULL && plain[0] != '\0' ? plain : content, plain == NULL};
        run.used[type] = type < EOT;
    }
    if (special->tokenizer != NULL)
        take_tokenizer(&run);
    if (special->config != NULL)
        TRY(take_config(&run, err));
    TRY(take_model_config(&run, err));
    return set_all(&run, err);
}
