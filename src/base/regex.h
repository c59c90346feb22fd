/* Regular expressions of configs and options (the only includer of PCRE2): Python's `re` and PCRE agree on what such files hold. */
#ifndef REPAQ_REGEX_H
#define REPAQ_REGEX_H

#include "base/err.h"
#include "base/slice.h"

#include <stdbool.h>

struct regex; /* a compiled pattern */

/* *regex is owned by the caller (regex_free). `where` names the option or file that holds the pattern; `status` is what a bad one means there
 * (USAGE, CORRUPT). */
enum status regex_compile(struct regex **regex, struct slice pattern, const char *where, enum status status, struct err *err) WARN_UNUSED;
/* As regex_compile, for cutting text into words: \s, \d and \w are Unicode's, ^ and $ stand at every line (Ruby's syntax, as tokenizer.json means it). */
enum status regex_compile_words(struct regex **regex, struct slice pattern, const char *where, enum status status, struct err *err) WARN_UNUSED;
void regex_free(struct regex *regex); /* NULL is nothing */
/* *found: the pattern matches somewhere in text, or, anchored, at its start (Python's re.search and re.match). A pattern that needs more than a
 * bounded number of steps is LIMIT. */
enum status regex_search(const struct regex *regex, struct slice text, bool *found, struct err *err) WARN_UNUSED;
enum status regex_match(const struct regex *regex, struct slice text, bool *found, struct err *err) WARN_UNUSED;

/* Bytes start..end-1 of a text. */
struct regex_span {
    size_t start, end;
};
/* The first match that begins at byte `from` or after it, which what stands before may influence. text is UTF-8 and `from` the beginning of a character.
 * Too many steps: LIMIT. */
enum status regex_find(const struct regex *regex, struct slice text, size_t from, struct regex_span *span, bool *found, struct err *err) WARN_UNUSED;

#endif
