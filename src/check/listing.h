/* Lists of module names in configs, matched as engines do: a word that is part of a name covers it. */
#ifndef REPAQ_LISTING_H
#define REPAQ_LISTING_H

#include "check/subject.h"

#define LISTING_PARTS_MAX 1024 /* words that are looked for inside names; the rest only as whole names, so that long lists cost no more */

/* Zero-initialise; free with listing_free. */
struct listing {
    struct arena arena;
    struct map whole;   /* every word */
    const char **word;  /* owned; [count] the first LISTING_PARTS_MAX */
    size_t count, capacity;
};

/* Adds the strings of an array, also of arrays inside it. */
enum status listing_add_words(struct listing *listing, const struct jsondoc *list, struct err *err) WARN_UNUSED;
/* Adds what the "-:" rules of `dynamic` skip, as text: of a pattern such as "-:^model\.layers\.0\.mlp\.down_proj$" its longest plain run. */
enum status listing_add_rules(struct listing *listing, const struct jsondoc *dynamic, struct err *err) WARN_UNUSED;
/* Adds the strings of compressed-tensors' ignore: whole names, and of "re:PATTERN" its longest plain run. */
enum status listing_add_ignore(struct listing *listing, const struct jsondoc *ignore, struct err *err) WARN_UNUSED;
bool listing_covers(const struct listing *listing, const char *name);
void listing_free(struct listing *listing);

#endif
