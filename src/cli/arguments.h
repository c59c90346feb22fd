/* The command line as a table: parsing, and the help text that follows from the same rows. */
#ifndef REPAQ_ARGUMENTS_H
#define REPAQ_ARGUMENTS_H

#include "base/err.h"
#include "formats/format.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum argument_kind {
    ARGUMENT_FLAG,   /* bool */
    ARGUMENT_STRING, /* const char * */
    ARGUMENT_COUNT,  /* unsigned, at least 1 */
    ARGUMENT_GROUP,  /* int64_t: -1 or at least 1 */
    ARGUMENT_BYTES,  /* uint64_t: "5GB" */
    ARGUMENT_DTYPE,  /* enum dtype: f32, f16, bf16 */
    ARGUMENT_ZEROS,  /* enum zero_rule: word-add, field-mod, no-mask */
    ARGUMENT_REAL,   /* double, at least 0 */
    ARGUMENT_LAYOUT, /* enum variant: packed, unpacked */
    ARGUMENT_LIST,   /* struct argument_list: may be repeated */
};

enum { ARGUMENT_WORDS_MAX = 256 };
struct argument_list {
    const char *word[ARGUMENT_WORDS_MAX]; /* borrowed from argv */
    const char *name[ARGUMENT_WORDS_MAX]; /* of the option: rows may share a list, which keeps their order */
    size_t count;
};

struct argument {
    const char *name;  /* "--threads" */
    enum argument_kind kind;
    void *value;       /* where it goes */
    const char *meta;  /* "N"; NULL for flags */
    const char *help;
};

struct arguments {
    const struct argument *row;
    size_t count;
    const char **positional; /* [positional_max], borrowed from argv */
    size_t positional_max;
    const char *usage;       /* "SRC DST --to FORMAT": for the remedy */
    bool last_counts;        /* of an option that is given several times, as in the programs that drop-ins replace; else that is refused */
};

/* Parses argv[0..argc) ("--name value" or "--name=value"; "--" ends options). *positionals is how many were found. USAGE names the offending word. */
enum status arguments_parse(const struct arguments *arguments, int argc, char **argv, size_t *positionals, struct err *err) WARN_UNUSED;
/* Prints one aligned line per row to stdout. */
void arguments_help(const struct argument *row, size_t count);

#endif
