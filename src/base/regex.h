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
void regex_free(struct regex *regex); /* NULL is nothing */
/* *found: the pattern matches somewhere in text, or, anchored, at its start (Python's re.search and re.match). A pattern that needs more than a
 * bounded number of steps is LIMIT. */
enum status regex_search(const struct regex *regex, struct slice text, bool *found, struct err *err) WARN_UNUSED;
enum status regex_match(const struct regex *regex, struct slice text, bool *found, struct err *err) WARN_UNUSED;

#endif
