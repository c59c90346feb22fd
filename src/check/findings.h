/* What a check found, rule by rule. */
#ifndef REPAQ_FINDINGS_H
#define REPAQ_FINDINGS_H

#include "base/mem.h"

#include <stdbool.h>

#define FINDINGS_RULES_MAX 64
#define FINDINGS_PER_RULE_MAX 1000 /* kept of one rule; all are counted */

/* Ordered: the worse is the greater. */
enum severity {
    SEVERITY_PASS,
    SEVERITY_WARN,   /* it loads, but not everywhere or not at its best */
    SEVERITY_FAIL,   /* the engine refuses it */
    SEVERITY_SILENT, /* the engine loads it and computes something else */
    SEVERITY_COUNT,
};
const char *findings_severity_name(enum severity severity); /* "silent" */

/* Strings live in the arena of the findings, or forever. */
struct remark {
    enum severity severity;
    const char *where;    /* file, tensor, module or config key */
    const char *found;
    const char *expected;
    const char *remedy;   /* NULL: none */
    size_t rule;          /* row of the rule table; set by findings_add */
};

/* What one rule came to. */
struct rule_result {
    bool ran;             /* it applies to this engine and format, and what it looks at is there */
    enum severity worst;
    uint64_t count;
};

/* Zero-initialise; free with findings_free. */
struct findings {
    struct arena arena;
    struct remark *remark; /* owned; in the order of rules */
    size_t count, capacity;
    uint64_t count_of[SEVERITY_COUNT];
    size_t rule;             /* the one at work */
    struct rule_result result[FINDINGS_RULES_MAX];
};

/* Adds a finding of the rule at work. A NULL where, found or expected is an allocation that failed: LIMIT, *err is already filled. */
enum status findings_add(struct findings *findings, struct remark remark, struct err *err) WARN_UNUSED;
/* True if something would be refused or loaded wrongly. */
bool findings_refuse(const struct findings *findings);
void findings_free(struct findings *findings);

#endif
