/* Small JSON documents as a tree (the only includer of cJSON): configs and side files of at most LIMIT_JSON_DOCUMENT_BYTES_MAX, and the
 * printing of results. Lookup is case-sensitive, duplicate keys and invalid text are refused beforehand by the scanner, integers keep their digits. */
#ifndef REPAQ_JSONDOC_H
#define REPAQ_JSONDOC_H

#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

struct jsondoc; /* a value: object, array or scalar */

/* Parses text; *doc is owned by the caller (jsondoc_free). CORRUPT with the offset. */
enum status jsondoc_parse(const char *where, struct slice text, struct jsondoc **doc, struct err *err) WARN_UNUSED;
void jsondoc_free(struct jsondoc *doc);

enum jsondoc_kind { JSONDOC_NULL, JSONDOC_BOOL, JSONDOC_NUMBER, JSONDOC_STRING, JSONDOC_ARRAY, JSONDOC_OBJECT };
enum jsondoc_kind jsondoc_kind(const struct jsondoc *doc);
/* Member of an object by exact name; NULL if absent or doc is NULL or no object. */
const struct jsondoc *jsondoc_get(const struct jsondoc *doc, const char *name);
/* Iterate over the elements of an array or the members of an object: first child, then next sibling; NULL ends. */
const struct jsondoc *jsondoc_first(const struct jsondoc *doc);
const struct jsondoc *jsondoc_next(const struct jsondoc *doc);
const char *jsondoc_name(const struct jsondoc *doc);   /* the member's name, NULL for an element */
const char *jsondoc_string(const struct jsondoc *doc); /* NULL if doc is NULL or no string */
bool jsondoc_int(const struct jsondoc *doc, int64_t *value); /* false if no number, or not an integer up to 2^53 */
bool jsondoc_double(const struct jsondoc *doc, double *value); /* false if no number, or not finite */
bool jsondoc_bool(const struct jsondoc *doc, bool *value);

/* Building for output. A NULL parent, or memory running out, makes calls no-ops; jsondoc_print then fails once. `name` is NULL in arrays. */
struct jsondoc *jsondoc_new_object(void);
struct jsondoc *jsondoc_add_object(struct jsondoc *parent, const char *name);
struct jsondoc *jsondoc_add_array(struct jsondoc *parent, const char *name);
void jsondoc_add_string(struct jsondoc *parent, const char *name, const char *value);
void jsondoc_add_u64(struct jsondoc *parent, const char *name, uint64_t value); /* exact beyond 2^53 */
void jsondoc_add_int(struct jsondoc *parent, const char *name, int64_t value);
void jsondoc_add_double(struct jsondoc *parent, const char *name, double value); /* shortest text that reads back equal; null if not finite */
void jsondoc_add_bool(struct jsondoc *parent, const char *name, bool value);
void jsondoc_add_null(struct jsondoc *parent, const char *name);
/* Indented by two spaces, "key": value, as transformers writes config.json; no trailing newline. LIMIT if memory ran out while building. */
enum status jsondoc_print(const struct jsondoc *doc, struct text *text, struct err *err) WARN_UNUSED;

#endif
