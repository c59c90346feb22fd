#include "cli/arguments.h"

#include "base/limits.h"
#include "ir/dtype.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status bad_value(const struct argument *row, const char *value, const char *expected, struct err *err)
{
    return err_set(err, STATUS_USAGE, row->name, "found \"%s\", expected %s", value, expected);
}

static enum status take_count(const struct argument *row, const char *value, struct err *err)
{
    uint64_t count;
    if (!slice_u64(slice_of(value), &count) || count == 0 || count > UINT32_MAX)
        return bad_value(row, value, "a positive integer", err);
    *(unsigned *)row->value = (unsigned)count;
    return STATUS_OK;
}

static enum status take_group(const struct argument *row, const char *value, struct err *err)
{
    uint64_t group = 0;
    const bool per_channel = strcmp(value, "-1") == 0;
    if (!per_channel && (!slice_u64(slice_of(value), &group) || group == 0 || group > INT32_MAX))
        return bad_value(row, value, "-1 (per channel) or a positive integer", err);
    *(int64_t *)row->value = per_channel ? -1 : (int64_t)group;
    return STATUS_OK;
}

static enum status take_real(const struct argument *row, const char *value, struct err *err)
{
    char *end;
    errno = 0;
    const double real = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0 || !isfinite(real) || real < 0)
        return bad_value(row, value, "a number that is not negative", err);
    *(double *)row->value = real;
    return STATUS_OK;
}

static enum status take_zeros(const struct argument *row, const char *value, struct err *err)
{
    static const struct {
        const char *name;
        enum zero_rule rule;
    } rules[] = {{"word-add", ZERO_WORD_ADD}, {"field-mod", ZERO_FIELD_MOD}, {"no-mask", ZERO_NO_MASK}};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (strcmp(value, rules[i].name) != 0)
            continue;
        *(enum zero_rule *)row->value = rules[i].rule;
        return STATUS_OK;
    }
    return bad_value(row, value, "word-add, field-mod or no-mask", err);
}

static enum status take_layout(const struct argument *row, const char *value, struct err *err)
{
    const bool packed = strcmp(value, "packed") == 0;
    if (!packed && strcmp(value, "unpacked") != 0)
        return bad_value(row, value, "packed or unpacked", err);
    *(enum variant *)row->value = packed ? VARIANT_PACKED : VARIANT_UNPACKED;
    return STATUS_OK;
}

static enum status take_word(const struct argument *row, const char *value, struct err *err)
{
    struct argument_list *list = row->value;
    if (value[0] == '\0')
        return bad_value(row, value, "a value that is not empty", err);
    if (list->count == ARGUMENT_WORDS_MAX)
        return err_set(err, STATUS_LIMIT, row->name, "found it more than %d times", ARGUMENT_WORDS_MAX);
    list->name[list->count] = row->name;
    list->word[list->count++] = value;
    return STATUS_OK;
}

static enum status take_value(const struct argument *row, const char *value, struct err *err)
{
    switch (row->kind) {
    case ARGUMENT_FLAG:
        return bad_value(row, value, "no value", err);
    case ARGUMENT_STRING:
        if (value[0] == '\0')
            return bad_value(row, value, "a value that is not empty", err);
        *(const char **)row->value = value;
        return STATUS_OK;
    case ARGUMENT_COUNT:
        return take_count(row, value, err);
    case ARGUMENT_GROUP:
        return take_group(row, value, err);
    case ARGUMENT_BYTES:
        return text_parse_bytes(value, row->value) ? STATUS_OK : bad_value(row, value, "a size such as 5GB or 256MiB", err);
    case ARGUMENT_DTYPE:
        *(enum dtype *)row->value = dtype_parse(slice_of(value));
        return *(enum dtype *)row->value != DTYPE_NONE ? STATUS_OK : bad_value(row, value, "f32, f16 or bf16", err);
    case ARGUMENT_ZEROS:
        return take_zeros(row, value, err);
    case ARGUMENT_REAL:
        return take_real(row, value, err);
    case ARGUMENT_LAYOUT:
        return take_layout(row, value, err);
    case ARGUMENT_LIST:
        return take_word(row, value, err);
    }
    return bad_value(row, value, "something else", err);
}

/* A value that is given once more: which one is meant? Bit i of *seen: row i has one. */
static enum status see(const struct arguments *arguments, size_t index, uint64_t *seen, struct err *err)
{
    const struct argument *row = &arguments->row[index];
    const uint64_t bit = UINT64_C(1) << index % 64;
    assert(arguments->count <= 64);
    if (row->kind == ARGUMENT_FLAG || row->kind == ARGUMENT_LIST || arguments->last_counts)
        return STATUS_OK;
    if ((*seen & bit) != 0) {
        (void)err_set(err, STATUS_USAGE, row->name, "found it twice, expected one %s", row->meta);
        return err_try(err, "leave all but one out");
    }
    *seen |= bit;
    return STATUS_OK;
}

static enum status take_option(const struct arguments *arguments, int argc, char **argv, int *at, uint64_t *seen, struct err *err)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    const size_t size = equals == NULL ? strlen(word) : (size_t)(equals - word);
    for (size_t i = 0; i < arguments->count; i++) {
        const struct argument *row = &arguments->row[i];
        if (strlen(row->name) != size || strncmp(row->name, word, size) != 0)
            continue;
        TRY(see(arguments, i, seen, err));
        if (equals != NULL)
            return take_value(row, equals + 1, err);
        if (row->kind == ARGUMENT_FLAG) {
            *(bool *)row->value = true;
            return STATUS_OK;
        }
        if (*at + 1 >= argc)
            return err_set(err, STATUS_USAGE, row->name, "found no value, expected %s", row->meta);
        return take_value(row, argv[++*at], err);
    }
    (void)err_set(err, STATUS_USAGE, word, "found an unknown option");
    return err_try(err, "%s", arguments->usage);
}

enum status arguments_parse(const struct arguments *arguments, int argc, char **argv, size_t *positionals, struct err *err)
{
    bool options = true;
    uint64_t seen = 0;
    *positionals = 0;
    for (int at = 0; at < argc; at++) {
        if (options && strcmp(argv[at], "--") == 0) {
            options = false;
        } else if (options && argv[at][0] == '-' && argv[at][1] != '\0') {
            TRY(take_option(arguments, argc, argv, &at, &seen, err));
        } else if (argv[at][0] == '\0') {
            (void)err_set(err, STATUS_USAGE, "\"\"", "found an empty argument");
            return err_try(err, "%s", arguments->usage);
        } else if (*positionals < arguments->positional_max) {
            arguments->positional[(*positionals)++] = argv[at];
        } else {
            (void)err_set(err, STATUS_USAGE, argv[at], "found an argument too many");
            return err_try(err, "%s", arguments->usage);
        }
    }
    return STATUS_OK;
}

void arguments_help(const struct argument *row, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char head[64];
        (void)snprintf(head, sizeof head, "%s%s%s", row[i].name, row[i].meta == NULL ? "" : " ", row[i].meta == NULL ? "" : row[i].meta);
        (void)printf("  %-24s %s\n", head, row[i].help);
    }
}
