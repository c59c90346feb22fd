/* check: what an engine would refuse of a checkpoint, and what it would load wrongly without a word. */
#ifndef REPAQ_CHECK_H
#define REPAQ_CHECK_H

#include "check/rules.h"
#include "plan/pipeline.h"

/* Opens the checkpoint and runs every rule that applies to subject->engine, which the caller sets; the rest is zero. Findings are in subject->findings.
 * Errors: IO, LIMIT, UNSUPPORTED (no weights, or a format that no table is about), CORRUPT where a weight file's
 * header cannot be parsed. Free with subject_free, also after a failure. */
enum status check_run(struct subject *subject, const struct resources *resources, const char *path, struct err *err) WARN_UNUSED;

/* Holds a directory or file that was just written against *context, an enum engine_id: UNREPRESENTABLE with the first finding that would be refused or loaded
 * wrongly (pipeline.h: struct judge). */
enum status check_written(const char *dir, const struct resources *resources, const void *context, struct err *err) WARN_UNUSED;

/* Warns in the plan of modules that the source's architecture and config ask for and no tensor belongs to (E1). Nothing is asked of a single weight file, which
 * is a part, and of a GGUF file that is copied. */
enum status check_source(struct pipeline *pipeline, struct err *err) WARN_UNUSED;

/* What an engine takes of a format, for convert --for ENGINE; *constraints borrows *limits, which has what it takes of the others. UNSUPPORTED if it does
 * not load the format; the message names those that it does. */
enum status check_constraints(enum engine_id engine, const char *format, struct engine_limits *limits, struct constraints *constraints,
                              struct err *err) WARN_UNUSED;

#endif
