/* One JSON value on stdout, written as it is made: memory does not grow with the number of tensors. */
#ifndef REPAQ_EMIT_H
#define REPAQ_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define EMIT_DEPTH_MAX 16

struct emit {
    FILE *out;
    unsigned depth;
    bool filled[EMIT_DEPTH_MAX]; /* the container at this depth has a member */
    bool flat[EMIT_DEPTH_MAX];   /* and is written on one line */
};

/* `name` is NULL in arrays and at the top. A flat container keeps its members on one line. */
void emit_object(struct emit *emit, const char *name, bool flat);
void emit_array(struct emit *emit, const char *name, bool flat);
/* Closes the innermost container; the outermost ends the line. */
void emit_end(struct emit *emit, char bracket);
void emit_string(struct emit *emit, const char *name, const char *value); /* null if value is NULL */
void emit_u64(struct emit *emit, const char *name, uint64_t value);
void emit_i64(struct emit *emit, const char *name, int64_t value);
void emit_double(struct emit *emit, const char *name, double value); /* null if not finite */
void emit_bool(struct emit *emit, const char *name, bool value);
void emit_null(struct emit *emit, const char *name);

#endif
