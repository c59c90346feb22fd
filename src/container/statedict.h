/* The tensors of a checkpoint within its pickle: the dict that holds them, flattened, with names joined by dots. */
#ifndef REPAQ_STATEDICT_H
#define REPAQ_STATEDICT_H

#include "container/picklenode.h"

struct statedict_entry {
    const char *name; /* in the arena */
    uint32_t tensor;  /* index into pickle.tensor */
};

/* Zero-initialise; free with statedict_free. */
struct statedict {
    struct arena arena;
    struct statedict_entry *entry; /* owned; in the pickle's order */
    size_t count, capacity;
    const char *wrapper;           /* the key that holds the tensors ("state_dict"), or NULL: they stand at the top */
    const char *beside;            /* first other key at the top that holds tensors, and is not read (an optimizer); NULL */
    size_t others;                 /* values among the tensors that are none (numbers, texts) */
    const char *other;             /* the name of the first */
};

/* A dict with tensors is taken; else the only dict in it that holds some, however deep; else, of several, the one that trainers name so (state_dict, model,
 * module, ...). Errors: UNSUPPORTED (no dict, several, a tensor of a kind that is not read, tensors in a list, one dict in two places), CORRUPT (names),
 * LIMIT. */
enum status statedict_find(struct statedict *state, const struct pickle *pickle, struct err *err) WARN_UNUSED;
void statedict_free(struct statedict *state);

#endif
