#include "container/statedict.h"

#include "base/limits.h"
#include "container/torchcall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NESTING_MAX = 64 };
enum { SEEN = 1, HOLDS = 2, TAKEN = 4 };

struct frame {
    uint32_t node;
    struct pickle_items items;
    const char *prefix; /* of names in it */
};

struct walk {
    struct statedict *state;
    const struct pickle *pickle;
    uint8_t *mark;       /* owned; [node_count] */
    struct frame *frame; /* owned */
    size_t depth, capacity;
};

static bool is_container(const struct walk *walk, uint32_t node)
{
    const enum pickle_kind kind = walk->pickle->node[node].kind;
    return kind == PICKLE_DICT || kind == PICKLE_LIST || kind == PICKLE_TUPLE;
}

static bool is_tensor(const struct walk *walk, uint32_t node)
{
    return walk->pickle->node[node].kind == PICKLE_TENSOR || walk->pickle->node[node].kind == PICKLE_REFUSED;
}

static enum status enter(struct walk *walk, uint32_t node, const char *prefix, struct err *err)
{
    TRY(mem_grow((void **)&walk->frame, &walk->capacity, walk->depth + 1, sizeof *walk->frame, err));
    walk->frame[walk->depth++] = (struct frame){.node = node, .prefix = prefix};
    return STATUS_OK;
}

/* Marks every container that holds a tensor, however deep. What refers back to a container that is still open adds nothing to it. */
static enum status mark_holders(struct walk *walk, struct err *err)
{
    uint32_t item;
    walk->mark[walk->pickle->root] |= SEEN;
    TRY(enter(walk, walk->pickle->root, "", err));
    while (walk->depth > 0) {
        struct frame *top = &walk->frame[walk->depth - 1];
        if (!is_container(walk, top->node) || !picklenode_next(walk->pickle, top->node, &top->items, &item)) {
            walk->depth--;
            if (walk->depth > 0 && (walk->mark[top->node] & HOLDS) != 0)
                walk->mark[walk->frame[walk->depth - 1].node] |= HOLDS;
            continue;
        }
        if (is_tensor(walk, item) || (walk->mark[item] & HOLDS) != 0)
            walk->mark[top->node] |= HOLDS;
        if (!is_container(walk, item) || (walk->mark[item] & SEEN) != 0)
            continue;
        walk->mark[item] |= SEEN;
        TRY(enter(walk, item, "", err));
    }
    return STATUS_OK;
}

static bool is_wrapper(struct slice name)
{
    static const char *const names[] = {"state_dict", "model_state_dict", "model", "module", "net", "weights", "params_ema", "params", "ema"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

/* What a dict without tensors of its own holds: how many dicts with tensors, and how many of these have a wrapper's name. */
struct children {
    size_t holders, wrappers;
    uint32_t holder, wrapper, holder_key, wrapper_key, beside_key;
    bool tensors;
};

static struct children look(const struct walk *walk, uint32_t dict)
{
    struct children found = {.beside_key = UINT32_MAX};
    struct pickle_items items = {0};
    uint32_t key, value;
    while (picklenode_next(walk->pickle, dict, &items, &key) && picklenode_next(walk->pickle, dict, &items, &value)) {
        found.tensors = found.tensors || is_tensor(walk, value);
        if (walk->pickle->node[value].kind != PICKLE_DICT || (walk->mark[value] & HOLDS) == 0)
            continue;
        found.holders++;
        found.holder = value;
        found.holder_key = key;
        if (is_wrapper(picklenode_string(walk->pickle, key))) {
            found.wrappers++;
            found.wrapper = value;
            found.wrapper_key = key;
        } else if (found.beside_key == UINT32_MAX) {
            found.beside_key = key;
        }
    }
    return found;
}

static enum status take_name(struct walk *walk, uint32_t key, const char **name, struct err *err)
{
    const struct slice text = picklenode_string(walk->pickle, key);
    *name = arena_copy(&walk->state->arena, text.data == NULL ? "?" : text.data, text.data == NULL ? 1 : text.size, err);
    return *name == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status choose(struct walk *walk, uint32_t *dict, struct err *err)
{
    const char *where = walk->pickle->where;
    *dict = walk->pickle->root;
    if (walk->pickle->node[*dict].kind != PICKLE_DICT)
        return err_set(err, STATUS_UNSUPPORTED, where, "found a pickle of something else than a dict, expected a state dict of tensors");
    for (int level = 0; level < NESTING_MAX; level++) {
        const struct children found = look(walk, *dict);
        if (found.tensors)
            return STATUS_OK;
        if (found.holders == 0)
            return err_set(err, STATUS_UNSUPPORTED, where, "found no tensors in its dicts, expected a state dict");
        if (found.holders > 1 && found.wrappers != 1) {
            (void)err_set(err, STATUS_UNSUPPORTED, where, "found %zu dicts with tensors, expected one, or one by the name of state_dict or model",
                          found.holders);
            return err_try(err, "save the one that is meant with torch.save(..., FILE)");
        }
        if (found.holders > 1 && found.beside_key != UINT32_MAX && walk->state->beside == NULL)
            TRY(take_name(walk, found.beside_key, &walk->state->beside, err));
        TRY(take_name(walk, found.holders > 1 ? found.wrapper_key : found.holder_key, &walk->state->wrapper, err));
        *dict = found.holders > 1 ? found.wrapper : found.holder;
    }
    return err_set(err, STATUS_LIMIT, where, "found dicts in dicts more than %d deep", NESTING_MAX);
}

/* Names are text that any header can hold. */
static bool is_text(struct slice name)
{
    const uint8_t *at = (const uint8_t *)name.data, *end = at + name.size;
    while (at < end) {
        const unsigned more = *at < 0x80 ? 0 : (*at & 0xe0u) == 0xc0 ? 1 : (*at & 0xf0u) == 0xe0 ? 2 : (*at & 0xf8u) == 0xf0 ? 3 : 4;
        if (more == 4 || *at < 0x20 || *at == 0x7f || (size_t)(end - at) <= more)
            return false;
        uint32_t code = more == 0 ? *at : *at & (0x3fu >> more);
        for (unsigned i = 1; i <= more; i++) {
            if ((at[i] & 0xc0u) != 0x80)
                return false;
            code = code << 6 | (at[i] & 0x3fu);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (code < least[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
            return false;
        at += more + 1;
    }
    return name.size > 0;
}

static enum status refuse(const struct walk *walk, enum status status, const char *name, const char *what, struct err *err)
{
    char where[700];
    (void)snprintf(where, sizeof where, "%.300s%s%.300s", walk->pickle->where, name[0] == '\0' ? "" : ": ", name); /* no name: the whole */
    return err_set(err, status, where, "%s", what);
}

static enum status take_tensor(struct walk *walk, const char *name, uint32_t value, struct err *err)
{
    struct statedict *state = walk->state;
    if (walk->pickle->node[value].kind == PICKLE_REFUSED) {
        char what[200];
        (void)snprintf(what, sizeof what, "found %s, which is not read", torchcall_reason(walk->pickle, value));
        return refuse(walk, STATUS_UNSUPPORTED, name, what, err);
    }
    if (state->count >= LIMIT_TENSORS_MAX)
        return err_set(err, STATUS_LIMIT, walk->pickle->where, "found more than %u tensors", LIMIT_TENSORS_MAX);
    TRY(mem_grow((void **)&state->entry, &state->capacity, state->count + 1, sizeof *state->entry, err));
    state->entry[state->count++] = (struct statedict_entry){name, walk->pickle->node[value].a};
    return STATUS_OK;
}

static enum status take_value(struct walk *walk, const char *prefix, uint32_t key, uint32_t value, struct err *err)
{
    struct statedict *state = walk->state;
    const bool dict = walk->pickle->node[value].kind == PICKLE_DICT, holds = (walk->mark[value] & HOLDS) != 0;
    const struct slice text = picklenode_string(walk->pickle, key);
    if (!is_tensor(walk, value) && !holds) {
        state->others++;
        return state->other == NULL ? take_name(walk, key, &state->other, err) : STATUS_OK;
    }
    if (text.size > LIMIT_NAME_BYTES_MAX || strlen(prefix) > LIMIT_NAME_BYTES_MAX)
        return refuse(walk, STATUS_LIMIT, prefix, "found a tensor name that is too long", err);
    if (!is_text(text))
        return refuse(walk, STATUS_CORRUPT, prefix, "found a tensor under a key that is no text", err);
    const char *name = arena_format(&state->arena, err, "%s%s%.*s", prefix, prefix[0] == '\0' ? "" : ".", (int)text.size, text.data);
    if (name == NULL)
        return STATUS_LIMIT;
    if (is_tensor(walk, value))
        return take_tensor(walk, name, value, err);
    if (!dict)
        return refuse(walk, STATUS_UNSUPPORTED, name, "found tensors in a list, expected them under names", err);
    if ((walk->mark[value] & TAKEN) != 0 || walk->depth >= NESTING_MAX)
        return refuse(walk, STATUS_UNSUPPORTED, name, "found a dict that stands in several places, or too deep, expected each tensor once", err);
    walk->mark[value] |= TAKEN;
    return enter(walk, value, name, err);
}

static enum status flatten(struct walk *walk, uint32_t dict, struct err *err)
{
    uint32_t key, value;
    walk->depth = 0;
    walk->mark[dict] |= TAKEN;
    TRY(enter(walk, dict, "", err));
    while (walk->depth > 0) {
        struct frame *top = &walk->frame[walk->depth - 1];
        if (picklenode_next(walk->pickle, top->node, &top->items, &key) && picklenode_next(walk->pickle, top->node, &top->items, &value))
            TRY(take_value(walk, top->prefix, key, value, err));
        else
            walk->depth--;
    }
    return STATUS_OK;
}

enum status statedict_find(struct statedict *state, const struct pickle *pickle, struct err *err)
{
    struct walk walk = {.state = state, .pickle = pickle, .mark = mem_alloc(pickle->node_count, 1, err)};
    uint32_t dict;
    enum status status = walk.mark == NULL ? STATUS_LIMIT : mark_holders(&walk, err);
    if (status == STATUS_OK)
        status = choose(&walk, &dict, err);
    if (status == STATUS_OK)
        status = flatten(&walk, dict, err);
    free(walk.mark);
    free(walk.frame);
    return status;
}

void statedict_free(struct statedict *state)
{
    free(state->entry);
    arena_free(&state->arena);
    *state = (struct statedict){0};
}
