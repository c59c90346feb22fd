/* The rules as a table, and the run over it. */
#ifndef REPAQ_RULES_H
#define REPAQ_RULES_H

#include "check/subject.h"

/* What must be so before a rule can be judged: ALWAYS; the engine loads the encoding (NOTHING more); and the config, the weights' names and shapes, or
 * their parameters could be read. */
enum rule_need { RULE_NEED_ALWAYS, RULE_NEED_NOTHING, RULE_NEED_CONFIG, RULE_NEED_READ, RULE_NEED_SURVEY };

struct rule {
    const char *id;      /* "E5" (docs/engines.md) */
    const char *title;   /* what holds where it passes */
    uint32_t encodings;  /* bit e: enum encoding; bit ENCODING_COUNT: unknown */
    uint32_t engines;    /* bit e: enum engine_id */
    enum rule_need need;
    enum status (*judge)(struct subject *subject, struct err *err);
};

size_t rules_count(void);
const struct rule *rules_at(size_t index);
/* Runs every rule that applies; findings and results are in subject->findings. */
enum status rules_run(struct subject *subject, struct err *err) WARN_UNUSED;

#define X(id, judge, encodings, engines, need, title) enum status judge(struct subject *subject, struct err *err) WARN_UNUSED;
#include "check/rules.def"
#undef X

/* The engines that have a scheme for an msModelSlim type. */
struct ascend_scheme {
    const char *type;         /* "W8A8_DYNAMIC" */
    uint32_t linear, experts; /* bit e: enum engine_id */
};
/* NULL behind the last one. */
const struct ascend_scheme *judge_ascend_scheme(size_t index);

/* The module that `name` becomes one with (q_proj for k_proj) into mate; false if there is none, or no room for it. */
bool judge_fused_mate(const char *name, char *mate, size_t size);

#endif
