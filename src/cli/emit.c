#include "cli/emit.h"

#include "container/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void put_quoted(struct emit *emit, const char *string)
{
    struct text quoted = {0};
    json_quote(&quoted, slice_of(string));
    (void)fputs(quoted.failed || quoted.data == NULL ? "\"\"" : quoted.data, emit->out);
    text_free(&quoted);
}

static void line(struct emit *emit)
{
    (void)fputc('\n', emit->out);
    for (unsigned i = 0; i < emit->depth; i++)
        (void)fputs("  ", emit->out);
}

/* The comma, line and name before a value. */
static void lead(struct emit *emit, const char *name)
{
    if (emit->depth > 0) {
        if (emit->filled[emit->depth - 1])
            (void)fputs(emit->flat[emit->depth - 1] ? ", " : ",", emit->out);
        if (!emit->flat[emit->depth - 1])
            line(emit);
        emit->filled[emit->depth - 1] = true;
    }
    if (name == NULL)
        return;
    put_quoted(emit, name);
    (void)fputs(": ", emit->out);
}

static void open_container(struct emit *emit, const char *name, char bracket, bool flat)
{
    lead(emit, name);
    (void)fputc(bracket, emit->out);
    if (emit->depth + 1 >= EMIT_DEPTH_MAX)
        abort(); /* our own nesting, never the input's */
    emit->filled[emit->depth] = false;
    emit->flat[emit->depth] = flat || (emit->depth > 0 && emit->flat[emit->depth - 1]);
    emit->depth++;
}

void emit_object(struct emit *emit, const char *name, bool flat)
{
    open_container(emit, name, '{', flat);
}

void emit_array(struct emit *emit, const char *name, bool flat)
{
    open_container(emit, name, '[', flat);
}

void emit_end(struct emit *emit, char bracket)
{
    emit->depth--;
    if (emit->filled[emit->depth] && !emit->flat[emit->depth])
        line(emit);
    (void)fputc(bracket, emit->out);
    if (emit->depth == 0)
        (void)fputc('\n', emit->out);
}

void emit_string(struct emit *emit, const char *name, const char *value)
{
    if (value == NULL) {
        emit_null(emit, name);
        return;
    }
    lead(emit, name);
    put_quoted(emit, value);
}

void emit_u64(struct emit *emit, const char *name, uint64_t value)
{
    lead(emit, name);
    (void)fprintf(emit->out, "%" PRIu64, value);
}

void emit_i64(struct emit *emit, const char *name, int64_t value)
{
    lead(emit, name);
    (void)fprintf(emit->out, "%" PRId64, value);
}

void emit_double(struct emit *emit, const char *name, double value)
{
    if (!isfinite(value)) {
        emit_null(emit, name);
        return;
    }
    lead(emit, name);
    (void)fprintf(emit->out, "%.9g", value);
}

void emit_bool(struct emit *emit, const char *name, bool value)
{
    lead(emit, name);
    (void)fputs(value ? "true" : "false", emit->out);
}

void emit_null(struct emit *emit, const char *name)
{
    lead(emit, name);
    (void)fputs("null", emit->out);
}
