/* GPTQModel's `dynamic`: rules per module, by regular expressions (formats/gptq.md section 5). */
#ifndef REPAQ_DYNAMIC_H
#define REPAQ_DYNAMIC_H

#include "base/map.h"
#include "base/regex.h"
#include "formats/source.h"

/* What the first positive rule that matches a module says. */
struct dynamic_rule {
    struct regex *regex;  /* owned; NULL: the pattern names one module, which the map holds */
    int64_t bits, group;  /* 0: not stated; group -1: per channel */
    int symmetric;        /* -1: not stated */
};

/* Zero-initialise; free with dynamic_free, also after a failure. */
struct dynamic {
    struct dynamic_rule *rule; /* owned */
    size_t count, capacity;
    size_t pattern_count;      /* rules with a regex */
    struct map names;          /* module -> rule, of patterns "^NAME$" */
    struct arena arena;
};

/* Reads the member `dynamic` of a quantization config that stands in file `where`. Rules that skip modules ("-:") are not kept: the tensors show which
 * modules are quantized. A pattern that is none, or a wrong member, is CORRUPT; too many patterns are LIMIT. */
enum status dynamic_read(struct dynamic *dynamic, const struct jsondoc *config, const char *where, struct err *err) WARN_UNUSED;
/* *rule is the first that matches at the start of the module's name, NULL if none does. */
enum status dynamic_find(const struct dynamic *dynamic, const char *module, const struct dynamic_rule **rule, struct err *err) WARN_UNUSED;
void dynamic_free(struct dynamic *dynamic);

#endif
