#include "check/check.h"

enum status check_run(struct subject *subject, const struct resources *resources, const char *path, struct err *err)
{
    TRY(subject_open(subject, resources, path, err));
    if (subject->encoding == ENCODING_COUNT && subject->settings != NULL && subject->read_error.status == STATUS_UNSUPPORTED) {
        *err = subject->read_error; /* a format that no table is about: neither accepted nor refused */
        return STATUS_UNSUPPORTED;
    }
    return rules_run(subject, err);
}

enum status check_constraints(enum engine_id engine, const char *format, struct constraints *constraints, struct err *err)
{
    char formats[200];
    const struct acceptance *row = engines_accept(engine, engines_encoding(format));
    *constraints = (struct constraints){0};
    if (row == NULL || row->note_severity >= SEVERITY_FAIL) {
        (void)err_set(err, STATUS_UNSUPPORTED, engines_at(engine)->name, "found the format %s, which %s does not load", format, engines_at(engine)->title);
        return err_try(err, "--to one of: %s", engines_formats(engine, formats, sizeof formats));
    }
    *constraints = row->limits;
    constraints->engine = engines_at(engine)->name;
    return STATUS_OK;
}
