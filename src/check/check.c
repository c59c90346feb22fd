#include "check/check.h"

#include "check/complete.h"

#define WARNINGS_MAX 8 /* modules that are named */

enum status check_run(struct subject *subject, const struct resources *resources, const char *path, struct err *err)
{
    TRY(subject_open(subject, resources, path, err));
    if (subject->encoding == ENCODING_COUNT && subject->settings != NULL && subject->read_error.status == STATUS_UNSUPPORTED) {
        *err = subject->read_error; /* a format that no table is about: neither accepted nor refused */
        return STATUS_UNSUPPORTED;
    }
    return rules_run(subject, err);
}

enum status check_constraints(enum engine_id engine, const char *format, struct engine_limits *limits, struct constraints *constraints, struct err *err)
{
    char formats[300];
    const struct acceptance *row = engines_accept(engine, engines_encoding(format));
    *constraints = (struct constraints){0};
    if (row == NULL || row->note_severity >= SEVERITY_FAIL) {
        (void)err_set(err, STATUS_UNSUPPORTED, engines_at(engine)->name, "found the format %s, which %s does not load, expected one of: %s", format,
                      engines_at(engine)->title, engines_formats(engine, formats, sizeof formats));
        return err_try(err, "repaq check SRC --for %s names one that holds these weights", engines_at(engine)->name);
    }
    engines_limits(engine, limits);
    *constraints = engines_limits_of(engine, row);
    constraints->other = limits->other;
    constraints->other_count = limits->count;
    return STATUS_OK;
}

static enum status refuse_finding(const struct subject *subject, struct err *err)
{
    const struct findings *findings = &subject->findings;
    for (size_t f = 0; f < findings->count; f++) {
        const struct remark *remark = &findings->remark[f];
        if (remark->severity < SEVERITY_FAIL)
            continue;
        (void)err_set(err, STATUS_UNREPRESENTABLE, remark->where, "what was written would be %s by %s: found %s, expected %s (%s)",
                      remark->severity == SEVERITY_SILENT ? "loaded wrongly" : "refused", subject->row->title, remark->found, remark->expected,
                      rules_at(remark->rule)->id);
        return remark->remedy == NULL ? STATUS_UNREPRESENTABLE : err_try(err, "%s", remark->remedy);
    }
    return STATUS_OK;
}

enum status check_written(const char *dir, const struct resources *resources, const void *context, struct err *err)
{
    struct subject subject = {.engine = *(const enum engine_id *)context};
    enum status status = check_run(&subject, resources, dir, err);
    if (status == STATUS_OK)
        status = refuse_finding(&subject, err);
    subject_free(&subject);
    return status;
}

static enum status warn_absent(struct plan *plan, const struct complete *complete, struct err *err)
{
    struct text names = {0};
    for (size_t i = 0; i < complete->count && i < WARNINGS_MAX; i++)
        text_format(&names, "%s%s", i == 0 ? "" : ", ", complete->absence[i].module);
    if (complete->count > WARNINGS_MAX)
        text_format(&names, " and %zu more", complete->count - WARNINGS_MAX);
    enum status status = text_check(&names, err);
    if (status == STATUS_OK && complete->count > 0)
        status = plan_warn(plan, err, "%s: found no tensor of %s, expected %s: a shard may be missing (E1)", names.data,
                           complete->count == 1 ? "this module" : "these modules", complete->absence[0].why);
    text_free(&names);
    return status;
}

enum status check_source(struct pipeline *pipeline, struct err *err)
{
    const struct source *source = &pipeline->source;
    struct complete complete = {0};
    if (source->gguf ? pipeline->gguf.copy != NULL : source->only != NULL)
        return STATUS_OK;
    const struct jsondoc *config = source->document != NULL ? source->document : pipeline->base.document;
    enum status status = complete_find(&complete, &pipeline->model, config, err);
    if (status == STATUS_OK)
        status = warn_absent(&pipeline->plan, &complete, err);
    complete_free(&complete);
    return status;
}
