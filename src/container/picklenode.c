#include "container/picklenode.h"

#include "base/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status picklenode_corrupt(const struct pickle *pickle, struct err *err, const char *format, ...)
{
    char where[600], what[700];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    (void)snprintf(where, sizeof where, "%.500s: pickle byte %zu", pickle->where, pickle->at);
    return err_set(err, STATUS_CORRUPT, where, "%s", what);
}

enum status picklenode_limit(const struct pickle *pickle, const char *what, struct err *err)
{
    return err_set(err, STATUS_LIMIT, pickle->where, "found a pickle of more than %u %s, the most that is read", LIMIT_PICKLE_NODES_MAX, what);
}

enum status picklenode_add(struct pickle *pickle, struct pickle_node node, uint32_t *index, struct err *err)
{
    if (pickle->node_count >= LIMIT_PICKLE_NODES_MAX)
        return picklenode_limit(pickle, "values", err);
    TRY(mem_grow((void **)&pickle->node, &pickle->node_capacity, pickle->node_count + 1, sizeof node, err));
    *index = (uint32_t)pickle->node_count;
    pickle->node[pickle->node_count++] = node;
    return STATUS_OK;
}

struct slice picklenode_string(const struct pickle *pickle, uint32_t node)
{
    if (node >= pickle->node_count || pickle->node[node].kind != PICKLE_STRING)
        return (struct slice){0};
    return (struct slice){(const char *)pickle->text + pickle->node[node].a, pickle->node[node].b};
}

bool picklenode_next(const struct pickle *pickle, uint32_t node, struct pickle_items *items, uint32_t *item)
{
    if (items->run == 0 && items->next == 0)
        items->run = pickle->node[node].a;
    else if (items->next == pickle->slot[items->run + 1]) {
        items->run = pickle->slot[items->run];
        items->next = 0;
    }
    if (items->run == 0)
        return false;
    *item = pickle->slot[items->run + 2 + items->next++];
    return true;
}

uint32_t picklenode_item(const struct pickle *pickle, uint32_t node, uint32_t index)
{
    const struct pickle_node *tuple = &pickle->node[node];
    return tuple->kind == PICKLE_TUPLE && index < tuple->value ? pickle->slot[tuple->a + 2 + index] : UINT32_MAX;
}

enum status picklenode_extend(struct pickle *pickle, uint32_t node, const uint32_t *item, uint32_t count, struct err *err)
{
    if (count == 0)
        return STATUS_OK;
    if (pickle->slot_count == 0)
        pickle->slot_count = 1; /* run 0 is none */
    if (pickle->slot_count + count > 4 * (size_t)LIMIT_PICKLE_NODES_MAX)
        return picklenode_limit(pickle, "values in lists", err);
    TRY(mem_grow((void **)&pickle->slot, &pickle->slot_capacity, pickle->slot_count + count + 2, sizeof *pickle->slot, err));
    const uint32_t run = (uint32_t)pickle->slot_count;
    struct pickle_node *into = &pickle->node[node];
    pickle->slot[run] = 0;
    pickle->slot[run + 1] = count;
    memcpy(&pickle->slot[run + 2], item, count * sizeof *item);
    pickle->slot_count += (size_t)count + 2;
    if (into->a == 0)
        into->a = run;
    else
        pickle->slot[into->b] = run;
    into->b = run;
    into->value += count;
    return STATUS_OK;
}
