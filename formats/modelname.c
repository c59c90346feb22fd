#include "formats/modelname.h"

#include "base/regex.h"
#include "base/text.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64 };
enum kind { KIND_VERSION = 1, KIND_TYPE = 2, KIND_SIZE = 4, KIND_FINETUNE = 8, KIND_BASE = 16 };

struct part {
    char text[96];
    unsigned kinds;
};

/* The patterns of a part of the name, whole and in any case. */
enum pattern { PATTERN_VERSION, PATTERN_TYPE, PATTERN_SIZE, PATTERN_FINETUNE, PATTERN_COUNT };
static const char *const patterns[PATTERN_COUNT] = {
    "(?i)(?:(?:v|iter)?\\d+(?:[.]\\d+)*)\\z",
    "(?i)(?:i?q\\d(?:_\\w)*|b?fp?(?:16|32))\\z",
    "(?i)(?:(?:[A]|\\d+[x])?\\d+(?:[._]\\d+)?[KMBT][\\d]?|small|mini|medium|large|x?xl)\\z",
    "(?i)(?:chat|instruct|vision|lora)\\z",
};

/* --- one part ------------------------------------------------------------------------------------------------------------------ */

/* "7b1" is 7.1B: a digit behind the suffix belongs before it. The suffix of a number is upper case. */
static void normalise_size(char *text)
{
    for (char *at = text; *at != '\0'; at++)
        *at = *at == '_' ? '.' : *at;
    size_t size = strlen(text);
    if (size >= 2 && isdigit((unsigned char)text[size - 1])) {
        const char digit = text[size - 1], suffix = text[size - 2];
        text[size - 2] = '.';
        text[size - 1] = digit;
        text[size] = suffix;
        text[size + 1] = '\0';
        size++;
    }
    if (size > 1 && isdigit((unsigned char)text[size - 2]) && strchr("kmbt", text[size - 1]) != NULL)
        text[size - 1] = (char)toupper((unsigned char)text[size - 1]);
}

/* A number far from the model's size is a context length, and names a finetune. */
static void judge_size(struct part *part, uint64_t parameters)
{
    char number[sizeof part->text], *end;
    const size_t size = strlen(part->text);
    memcpy(number, part->text, size);
    number[size - 1] = '\0';
    const char *const suffixes = " KMBT", *suffix = strchr(suffixes, part->text[size - 1]);
    const double value = strtod(number, &end);
    const bool is_number = size > 1 && *end == '\0' && isdigit((unsigned char)number[0]);
    if (parameters != 0 && is_number && suffix != NULL) {
        const double label = value * pow(1000, (double)(suffix - suffixes));
        if (fabs(label - (double)parameters) > (double)(7 * parameters / 8)) {
            part->kinds |= KIND_FINETUNE;
            part->text[size - 1] = (char)tolower((unsigned char)part->text[size - 1]);
        }
    }
    if (part->kinds == 0)
        part->kinds |= KIND_SIZE;
}

static enum status annotate(struct part *part, bool first, struct regex *const regex[PATTERN_COUNT], uint64_t parameters, struct err *err)
{
    bool is[PATTERN_COUNT];
    for (int p = 0; p < PATTERN_COUNT; p++)
        TRY(regex_match(regex[p], slice_of(part->text), &is[p], err));
    if (is[PATTERN_VERSION]) {
        part->kinds |= KIND_VERSION;
    } else if (is[PATTERN_TYPE]) {
        part->kinds |= KIND_TYPE;
        for (char *at = part->text; *at != '\0'; at++)
            *at = (char)toupper((unsigned char)*at);
    } else if (!first && is[PATTERN_SIZE]) {
        normalise_size(part->text);
        judge_size(part, parameters);
    } else if (!first && is[PATTERN_FINETUNE]) {
        part->kinds |= KIND_FINETUNE;
    }
    return STATUS_OK;
}

/* --- all parts ----------------------------------------------------------------------------------------------------------------- */

static bool has(const char *text, int (*test)(int))
{
    for (; *text != '\0'; text++)
        if (test((unsigned char)*text))
            return true;
    return false;
}

static void settle(struct part *part, size_t count)
{
    bool numbers = false, start = true;
    for (size_t i = 0; i < count; i++)
        numbers = numbers || ((part[i].kinds & KIND_SIZE) && has(part[i].text, isdigit));
    for (size_t i = 0; i < count; i++)
        if (numbers && (part[i].kinds & KIND_SIZE) && !has(part[i].text, isdigit)) /* words, where there are numbers */
            part[i].kinds &= ~(unsigned)KIND_SIZE;
    for (size_t i = 0; i < count; i++) {
        if (start && ((part[i].kinds == 0 && isalpha((unsigned char)part[i].text[0])) || (part[i].kinds & KIND_VERSION))) {
            part[i].kinds |= KIND_BASE;
        } else {
            start = false;
            part[i].kinds = part[i].kinds == 0 ? KIND_FINETUNE : part[i].kinds;
        }
    }
    for (size_t i = count; i-- > 0 && (part[i].kinds & KIND_BASE) && part[i].kinds != KIND_BASE;) /* a trailing version is none of the base */
        part[i].kinds &= ~(unsigned)KIND_BASE;
}

/* Parts of a kind, joined by '-'; NULL if there are none. Sizes once each; a version that is part of the base is none. */
static const char *join(const struct part *part, size_t count, enum kind kind, struct arena *arena, bool *failed)
{
    struct text text = {0};
    struct err err;
    for (size_t i = 0; i < count; i++) {
        bool taken = (part[i].kinds & kind) != 0 && !(kind == KIND_VERSION && (part[i].kinds & KIND_BASE));
        for (size_t j = 0; j < i && taken && kind == KIND_SIZE; j++)
            taken = !((part[j].kinds & kind) && strcmp(part[i].text, part[j].text) == 0);
        if (taken)
            text_format(&text, "%s%s", text.size == 0 ? "" : "-", part[i].text);
    }
    const char *joined = text.size == 0 ? NULL : arena_copy(arena, text.data, text.size, &err);
    *failed = *failed || text.failed || (text.size > 0 && joined == NULL);
    text_free(&text);
    return joined;
}

/* --- titles --------------------------------------------------------------------------------------------------------------------- */

/* Words in lower case get capitals where letters begin, but for versions and what begins with a digit. */
static void add_word(struct text *title, const char *word, size_t size)
{
    bool lower = false, upper = false, letter = false;
    for (size_t i = 0; i < size; i++) {
        lower = lower || islower((unsigned char)word[i]);
        upper = upper || isupper((unsigned char)word[i]);
    }
    size_t digits = 1;
    while (digits < size && (isdigit((unsigned char)word[digits]) || word[digits] == '.'))
        digits++;
    const bool numbered = word[0] == 'v' && size > 1 && isdigit((unsigned char)word[1]) && digits == size && word[size - 1] != '.';
    const bool version = isdigit((unsigned char)word[0]) || numbered;
    if (title->size > 0)
        text_string(title, " ");
    for (size_t i = 0; i < size; i++) {
        const bool turn = lower && !upper && !version && !letter;
        const char c = turn ? (char)toupper((unsigned char)word[i]) : word[i];
        letter = isalpha((unsigned char)word[i]) != 0;
        text_add(title, &c, 1);
    }
}

static const char *title_of(const char *name, struct arena *arena, bool *failed)
{
    struct text title = {0};
    struct err err;
    for (const char *at = name; *at != '\0';) {
        const size_t gap = strspn(at, "- \t\n"), size = strcspn(at + gap, "- \t\n");
        if (size > 0)
            add_word(&title, at + gap, size);
        at += gap + size;
    }
    const char *copy = arena_copy(arena, title.size == 0 ? "" : title.data, title.size, &err);
    *failed = *failed || title.failed || copy == NULL;
    text_free(&title);
    return copy;
}

/* --- the whole ------------------------------------------------------------------------------------------------------------------ */

static size_t cut(const char *name, struct part *part)
{
    size_t count = 0;
    for (const char *at = name; *at != '\0' && count < PARTS_MAX;) {
        const size_t size = strcspn(at, "-");
        if (size > 0 && size + 2 < sizeof part->text) {
            part[count] = (struct part){0};
            memcpy(part[count++].text, at, size);
        }
        at += size + (at[size] == '-');
    }
    return count;
}

enum status modelname_parse(const char *name, uint64_t parameters, struct arena *arena, struct modelname *parts, struct err *err)
{
    struct part part[PARTS_MAX];
    struct regex *regex[PATTERN_COUNT] = {NULL};
    bool failed = false;
    *parts = (struct modelname){0};
    if (strchr(name, ' ') != NULL) { /* a sentence of its own */
        parts->title = title_of(name, arena, &failed);
        return failed ? err_set(err, STATUS_LIMIT, name, "out of memory") : STATUS_OK;
    }
    const char *slash = strchr(name, '/'), *own = slash == NULL ? name : slash + 1;
    const size_t count = cut(own, part);
    enum status status = STATUS_OK;
    for (int p = 0; p < PATTERN_COUNT && status == STATUS_OK; p++)
        status = regex_compile(&regex[p], slice_of(patterns[p]), "model name", STATUS_LIMIT, err);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = annotate(&part[i], i == 0, regex, parameters, err);
    for (int p = 0; p < PATTERN_COUNT; p++)
        regex_free(regex[p]);
    TRY(status);
    settle(part, count);
    parts->title = title_of(own, arena, &failed);
    if (slash != NULL && slash != name && name[0] != '.') {
        const char *organization = arena_copy(arena, name, (size_t)(slash - name), err);
        parts->organization = organization == NULL ? NULL : title_of(organization, arena, &failed);
    }
    parts->basename = join(part, count, KIND_BASE, arena, &failed);
    parts->size_label = join(part, count, KIND_SIZE, arena, &failed);
    parts->finetune = join(part, count, KIND_FINETUNE, arena, &failed);
    parts->version = join(part, count, KIND_VERSION, arena, &failed);
    if (parts->size_label == NULL && parts->finetune == NULL && parts->version == NULL)
        parts->basename = NULL; /* too ambiguous */
    return failed ? err_set(err, STATUS_LIMIT, name, "out of memory") : STATUS_OK;
}

/* At least two digits: "2.6M", "135M", "7.2B". */
static void write_count(double count, char *buffer, size_t size)
{
    static const struct {
        double above, scale;
        char suffix;
    } rows[] = {{1e12, 1e-12, 'T'}, {1e9, 1e-9, 'B'}, {1e6, 1e-6, 'M'}, {-1, 1e-3, 'K'}};
    size_t r = 0;
    while (count <= rows[r].above)
        r++;
    const double scaled = count * rows[r].scale;
    char whole[32];
    (void)snprintf(whole, sizeof whole, "%.0f", nearbyint(scaled)); /* Python's round is to even, as this */
    const size_t digits = strcmp(whole, "0") == 0 ? 0 : strlen(whole);
    (void)snprintf(buffer, size, "%.*f%c", digits >= 2 ? 0 : (int)(2 - digits), scaled, rows[r].suffix);
}

const char *modelname_size(uint64_t total, uint64_t shared, uint64_t expert, uint64_t expert_count, char buffer[64])
{
    const int used = expert_count == 0 ? 0 : snprintf(buffer, 64, "%llux", (unsigned long long)expert_count);
    write_count(expert_count == 0 ? (double)total : (double)shared + (double)expert, buffer + used, 64 - (size_t)used);
    return buffer;
}
