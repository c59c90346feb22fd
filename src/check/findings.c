#include "check/findings.h"

#include <stdlib.h>

const char *findings_severity_name(enum severity severity)
{
    static const char *const names[] = {"pass", "warn", "fail", "silent"};
    _Static_assert(sizeof names / sizeof names[0] == SEVERITY_COUNT, "one name a severity");
    return names[severity];
}

enum status findings_add(struct findings *findings, struct remark remark, struct err *err)
{
    struct rule_result *result = &findings->result[findings->rule];
    if (remark.where == NULL || remark.found == NULL || remark.expected == NULL)
        return STATUS_LIMIT;
    findings->count_of[remark.severity]++;
    if (remark.severity > result->worst)
        result->worst = remark.severity;
    if (result->count++ >= FINDINGS_PER_RULE_MAX)
        return STATUS_OK;
    TRY(mem_grow((void **)&findings->remark, &findings->capacity, findings->count + 1, sizeof *findings->remark, err));
    remark.rule = findings->rule;
    findings->remark[findings->count++] = remark;
    return STATUS_OK;
}

bool findings_refuse(const struct findings *findings)
{
    return findings->count_of[SEVERITY_FAIL] + findings->count_of[SEVERITY_SILENT] > 0;
}

void findings_free(struct findings *findings)
{
    free(findings->remark);
    arena_free(&findings->arena);
    *findings = (struct findings){0};
}
