#include "container/pickle.h"

#include "base/le.h"
#include "base/limits.h"
#include "container/torchcall.h"

#include <stdlib.h>
#include <string.h>

/* --- text, stack, marks, memo ------------------------------------------------------------------------------------------------ */

static enum status take(struct pickle *pickle, uint64_t size, const uint8_t **bytes, struct err *err)
{
    pickle->truncated = size > pickle->size - pickle->at;
    if (pickle->truncated)
        return picklenode_corrupt(pickle, err, "truncated: found %zu bytes, expected %llu more", pickle->size - pickle->at, (unsigned long long)size);
    *bytes = pickle->text + pickle->at;
    pickle->at += (size_t)size;
    return STATUS_OK;
}

/* A little-endian number of 1, 2, 4 or 8 bytes. */
static enum status take_number(struct pickle *pickle, unsigned width, uint64_t *number, struct err *err)
{
    const uint8_t *bytes = NULL;
    TRY(take(pickle, width, &bytes, err));
    *number = width == 1 ? bytes[0] : width == 2 ? le_load16(bytes) : width == 4 ? le_load32(bytes) : le_load64(bytes);
    return STATUS_OK;
}

static enum status take_line(struct pickle *pickle, struct slice *line, struct err *err)
{
    const uint8_t *from = pickle->text + pickle->at, *end = memchr(from, '\n', pickle->size - pickle->at);
    pickle->truncated = end == NULL;
    if (end == NULL)
        return picklenode_corrupt(pickle, err, "truncated: found no end of a line");
    *line = (struct slice){(const char *)from, (size_t)(end - from)};
    pickle->at += line->size + 1;
    return STATUS_OK;
}

static enum status push(struct pickle *pickle, uint32_t node, struct err *err)
{
    if (pickle->depth >= LIMIT_PICKLE_NODES_MAX)
        return picklenode_limit(pickle, "values on its stack", err);
    TRY(mem_grow((void **)&pickle->stack, &pickle->stack_capacity, pickle->depth + 1, sizeof *pickle->stack, err));
    pickle->stack[pickle->depth++] = node;
    return STATUS_OK;
}

static enum status push_new(struct pickle *pickle, struct pickle_node node, struct err *err)
{
    uint32_t index;
    TRY(picklenode_add(pickle, node, &index, err));
    return push(pickle, index, err);
}

/* The stack above the last mark has `count` values. */
static enum status need(const struct pickle *pickle, size_t count, struct err *err)
{
    const size_t floor = pickle->marks == 0 ? 0 : pickle->mark[pickle->marks - 1];
    return pickle->depth - floor >= count ? STATUS_OK : picklenode_corrupt(pickle, err, "found too few values on the stack");
}

/* Ends the last mark: its values are stack[*first..depth). */
static enum status end_mark(struct pickle *pickle, size_t *first, struct err *err)
{
    if (pickle->marks == 0)
        return picklenode_corrupt(pickle, err, "found no mark, expected one");
    *first = pickle->mark[--pickle->marks];
    return STATUS_OK;
}

static enum status put(struct pickle *pickle, uint64_t index, struct err *err)
{
    TRY(need(pickle, 1, err));
    if (index > pickle->puts + 1024) /* picklers count on, from 0 or 1 */
        return picklenode_corrupt(pickle, err, "found memo entry %llu after %zu, expected them to count on", (unsigned long long)index, pickle->puts);
    if (index >= LIMIT_PICKLE_NODES_MAX)
        return picklenode_limit(pickle, "values in its memo", err);
    TRY(mem_grow((void **)&pickle->memo, &pickle->memo_capacity, (size_t)index + 1, sizeof *pickle->memo, err));
    if (index >= pickle->memo_count)
        pickle->memo_count = (size_t)index + 1;
    pickle->memo[index] = pickle->stack[pickle->depth - 1] + 1;
    pickle->puts++;
    return STATUS_OK;
}

static enum status get(struct pickle *pickle, uint64_t index, struct err *err)
{
    if (index >= pickle->memo_count || pickle->memo[index] == 0)
        return picklenode_corrupt(pickle, err, "found memo entry %llu, which was never set", (unsigned long long)index);
    return push(pickle, pickle->memo[index] - 1, err);
}

/* --- opcodes: values ----------------------------------------------------------------------------------------------------------- */

/* What the argument of an opcode means is said by each. */
typedef enum status (*op_main)(struct pickle *pickle, unsigned arg, struct err *err);

static enum status op_proto(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t protocol;
    (void)arg;
    if (pickle->at != 1)
        return picklenode_corrupt(pickle, err, "found a protocol number within the pickle");
    TRY(take_number(pickle, 1, &protocol, err));
    return protocol <= 5 ? STATUS_OK : picklenode_corrupt(pickle, err, "found protocol %llu, expected 0 to 5", (unsigned long long)protocol);
}

static enum status op_frame(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t size;
    (void)arg;
    TRY(take_number(pickle, 8, &size, err));
    pickle->truncated = size > pickle->size - pickle->at;
    return !pickle->truncated ? STATUS_OK
                              : picklenode_corrupt(pickle, err, "truncated: found %zu bytes, expected a frame of %llu", pickle->size - pickle->at,
                                                   (unsigned long long)size);
}

/* arg: the kind. */
static enum status op_new(struct pickle *pickle, unsigned arg, struct err *err)
{
    return push_new(pickle, (struct pickle_node){.kind = (enum pickle_kind)arg}, err);
}

static enum status op_bool(struct pickle *pickle, unsigned arg, struct err *err)
{
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_BOOL, .value = arg}, err);
}

/* arg: bytes; 4 are signed. */
static enum status op_int(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t number;
    TRY(take_number(pickle, arg, &number, err));
    const int64_t value = arg == 4 ? (int32_t)(uint32_t)number : (int64_t)number;
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_INT, .value = value}, err);
}

/* arg: bytes of the length. Two's complement, little-endian; beyond 64 bits it is of no use here. */
static enum status op_long(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t size, value = 0;
    const uint8_t *bytes = NULL;
    TRY(take_number(pickle, arg, &size, err));
    if (arg == 4 && size > INT32_MAX)
        return picklenode_corrupt(pickle, err, "found a negative length");
    TRY(take(pickle, size, &bytes, err));
    if (size > 8)
        return push_new(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, err);
    for (uint64_t i = 0; i < size; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    if (size > 0 && size < 8 && bytes[size - 1] >= 0x80)
        value |= UINT64_MAX << (8 * size);
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_INT, .value = (int64_t)value}, err);
}

/* arg: bytes that follow. */
static enum status op_opaque(struct pickle *pickle, unsigned arg, struct err *err)
{
    const uint8_t *bytes = NULL;
    TRY(take(pickle, arg, &bytes, err));
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, err);
}

/* arg: bytes of the length, and 16 for bytes instead of text. */
static enum status op_string(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t size;
    const uint8_t *bytes = NULL;
    TRY(take_number(pickle, arg & 15u, &size, err));
    TRY(take(pickle, size, &bytes, err));
    if ((arg & 16u) != 0)
        return push_new(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, err);
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_STRING, .a = (uint32_t)(bytes - pickle->text), .b = (uint32_t)size}, err);
}

/* A number as text (protocol 0 and 1): "01" and "00" of `I` are booleans; longs may end with `L`. arg: 1 for longs. */
static enum status op_text_int(struct pickle *pickle, unsigned arg, struct err *err)
{
    struct slice line = {0};
    TRY(take_line(pickle, &line, err));
    if (arg == 0 && (slice_is(line, "00") || slice_is(line, "01")))
        return op_bool(pickle, line.data[1] == '1', err);
    if (arg == 1 && line.size > 0 && line.data[line.size - 1] == 'L')
        line.size--;
    const bool negative = line.size > 0 && line.data[0] == '-';
    uint64_t value = 0;
    bool digits = line.size > negative, fits = true;
    for (size_t i = negative; i < line.size; i++) {
        const char digit = line.data[i];
        digits = digits && digit >= '0' && digit <= '9';
        fits = fits && value <= (INT64_MAX - 9) / 10;
        value = fits ? value * 10 + (uint64_t)(digit - '0') : 0;
    }
    if (!digits)
        return picklenode_corrupt(pickle, err, "found no number, expected one");
    if (!fits)
        return push_new(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, err);
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_INT, .value = negative ? -(int64_t)value : (int64_t)value}, err);
}

/* arg: a quoted string; or a float, of no use here. */
static enum status op_text(struct pickle *pickle, unsigned arg, struct err *err)
{
    struct slice line = {0};
    TRY(take_line(pickle, &line, err));
    if (arg == 'F')
        return push_new(pickle, (struct pickle_node){.kind = PICKLE_OPAQUE}, err);
    if (arg == 'S') {
        if (line.size < 2 || (line.data[0] != '\'' && line.data[0] != '"') || line.data[line.size - 1] != line.data[0])
            return picklenode_corrupt(pickle, err, "found a string without quotes");
        line = (struct slice){line.data + 1, line.size - 2};
    }
    if (memchr(line.data, '\\', line.size) != NULL)
        return err_set(err, STATUS_UNSUPPORTED, pickle->where, "found a string with escapes in a pickle of protocol 0, which is not read");
    const uint32_t at = (uint32_t)((const uint8_t *)line.data - pickle->text);
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_STRING, .a = at, .b = (uint32_t)line.size}, err);
}

/* --- opcodes: containers ------------------------------------------------------------------------------------------------------- */

static enum status op_mark(struct pickle *pickle, unsigned arg, struct err *err)
{
    (void)arg;
    if (pickle->marks >= LIMIT_PICKLE_NODES_MAX)
        return picklenode_limit(pickle, "marks", err);
    TRY(mem_grow((void **)&pickle->mark, &pickle->mark_capacity, pickle->marks + 1, sizeof *pickle->mark, err));
    pickle->mark[pickle->marks++] = (uint32_t)pickle->depth;
    return STATUS_OK;
}

/* The values from stack[first] on become one of this kind. */
static enum status gather(struct pickle *pickle, enum pickle_kind kind, size_t first, struct err *err)
{
    uint32_t node;
    if (kind == PICKLE_DICT && (pickle->depth - first) % 2 != 0)
        return picklenode_corrupt(pickle, err, "found a key without a value");
    TRY(picklenode_add(pickle, (struct pickle_node){.kind = kind}, &node, err));
    if (kind != PICKLE_OPAQUE && pickle->depth > first) /* there may be no stack yet */
        TRY(picklenode_extend(pickle, node, pickle->stack + first, (uint32_t)(pickle->depth - first), err));
    pickle->depth = first;
    return push(pickle, node, err);
}

static enum status op_tuple(struct pickle *pickle, unsigned arg, struct err *err)
{
    TRY(need(pickle, arg, err));
    return gather(pickle, PICKLE_TUPLE, pickle->depth - arg, err);
}

/* arg: the kind. */
static enum status op_to_mark(struct pickle *pickle, unsigned arg, struct err *err)
{
    size_t first = 0;
    TRY(end_mark(pickle, &first, err));
    return gather(pickle, (enum pickle_kind)arg, first, err);
}

/* The values from stack[first] on go into the one below them, which is of this kind. */
static enum status into_below(struct pickle *pickle, enum pickle_kind kind, size_t first, struct err *err)
{
    if (first == 0)
        return picklenode_corrupt(pickle, err, "found too few values on the stack");
    const uint32_t node = pickle->stack[first - 1], count = (uint32_t)(pickle->depth - first);
    if (pickle->node[node].kind != kind)
        return picklenode_corrupt(pickle, err, "found items for something that is no %s",
                                  kind == PICKLE_LIST   ? "list"
                                  : kind == PICKLE_DICT ? "dict"
                                                        : "set");
    if (kind == PICKLE_DICT && count % 2 != 0)
        return picklenode_corrupt(pickle, err, "found a key without a value");
    if (kind != PICKLE_OPAQUE)
        TRY(picklenode_extend(pickle, node, pickle->stack + first, count, err));
    pickle->depth = first;
    return STATUS_OK;
}

/* arg: the kind of the container. */
static enum status op_append(struct pickle *pickle, unsigned arg, struct err *err)
{
    const size_t count = arg == PICKLE_DICT ? 2 : 1;
    TRY(need(pickle, count + 1, err));
    return into_below(pickle, (enum pickle_kind)arg, pickle->depth - count, err);
}

static enum status op_appends(struct pickle *pickle, unsigned arg, struct err *err)
{
    size_t first = 0;
    TRY(end_mark(pickle, &first, err));
    const size_t floor = pickle->marks == 0 ? 0 : pickle->mark[pickle->marks - 1];
    if (first == floor)
        return picklenode_corrupt(pickle, err, "found too few values on the stack");
    return into_below(pickle, (enum pickle_kind)arg, first, err);
}

/* --- opcodes: stack and memo --------------------------------------------------------------------------------------------------- */

/* arg: bytes of the index; 0: a line; 16: the next one. */
static enum status memo_index(struct pickle *pickle, unsigned arg, uint64_t *index, struct err *err)
{
    struct slice line = {0};
    *index = pickle->puts;
    if (arg == 16)
        return STATUS_OK;
    if (arg > 0)
        return take_number(pickle, arg, index, err);
    TRY(take_line(pickle, &line, err));
    return slice_u64(line, index) ? STATUS_OK : picklenode_corrupt(pickle, err, "found no number, expected a memo entry");
}

static enum status op_put(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t index;
    TRY(memo_index(pickle, arg, &index, err));
    return put(pickle, index, err);
}

static enum status op_get(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint64_t index;
    TRY(memo_index(pickle, arg, &index, err));
    return get(pickle, index, err);
}

/* --- opcodes: what they name --------------------------------------------------------------------------------------------------- */

static enum status push_global(struct pickle *pickle, struct slice module, struct slice name, struct err *err)
{
    uint32_t row;
    TRY(torchcall_find(pickle, module, name, &row, err));
    return push_new(pickle, (struct pickle_node){.kind = PICKLE_GLOBAL, .a = row}, err);
}

static enum status op_global(struct pickle *pickle, unsigned arg, struct err *err)
{
    struct slice module = {0}, name = {0};
    (void)arg;
    TRY(take_line(pickle, &module, err));
    TRY(take_line(pickle, &name, err));
    return push_global(pickle, module, name, err);
}

static enum status op_stack_global(struct pickle *pickle, unsigned arg, struct err *err)
{
    (void)arg;
    TRY(need(pickle, 2, err));
    const uint32_t module = pickle->stack[pickle->depth - 2], name = pickle->stack[pickle->depth - 1];
    if (pickle->node[module].kind != PICKLE_STRING || pickle->node[name].kind != PICKLE_STRING)
        return picklenode_corrupt(pickle, err, "found a global whose names are no strings");
    pickle->depth -= 2;
    return push_global(pickle, picklenode_string(pickle, module), picklenode_string(pickle, name), err);
}

static enum status op_persistent(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint32_t node;
    (void)arg;
    TRY(need(pickle, 1, err));
    TRY(torchcall_storage(pickle, pickle->stack[pickle->depth - 1], &node, err));
    pickle->stack[pickle->depth - 1] = node;
    return STATUS_OK;
}

static enum status op_call(struct pickle *pickle, unsigned arg, struct err *err)
{
    uint32_t node;
    (void)arg;
    TRY(need(pickle, 2, err));
    TRY(torchcall_call(pickle, pickle->stack[pickle->depth - 2], pickle->stack[pickle->depth - 1], &node, err));
    pickle->depth--;
    pickle->stack[pickle->depth - 1] = node;
    return STATUS_OK;
}

/* State of an object: an OrderedDict's attributes (state_dict()'s _metadata) and a parameter's are of no use here; anything else has none. */
static enum status op_build(struct pickle *pickle, unsigned arg, struct err *err)
{
    (void)arg;
    TRY(need(pickle, 2, err));
    const enum pickle_kind kind = pickle->node[pickle->stack[pickle->depth - 2]].kind;
    if (kind != PICKLE_DICT && kind != PICKLE_OPAQUE)
        return picklenode_corrupt(pickle, err, "found a state for something that takes none");
    pickle->depth--;
    return STATUS_OK;
}

/* arg: the opcode's name follows from the byte. */
static enum status op_refused(struct pickle *pickle, unsigned arg, struct err *err)
{
    (void)arg;
    (void)err_set(err, STATUS_UNSUPPORTED, pickle->where, "found pickle opcode 0x%02x at byte %zu, which makes objects or names what lies outside",
                  pickle->text[pickle->at - 1], pickle->at - 1);
    return err_try(err, "save the state dict with torch.save(model.state_dict(), FILE)");
}

/* --- the machine ----------------------------------------------------------------------------------------------------------------- */

/* POP, POP_MARK and DUP, which torch never writes, are not here: a value that is made and thrown away has a use for attacks only. */
static const struct op {
    op_main run;
    unsigned arg;
} ops[256] = {
    /* clang-format off */
    [0x80] = {op_proto, 0}, [0x95] = {op_frame, 0}, ['('] = {op_mark, 0}, ['N'] = {op_new, PICKLE_NONE}, [0x88] = {op_bool, 1}, [0x89] = {op_bool, 0},
    ['K'] = {op_int, 1}, ['M'] = {op_int, 2}, ['J'] = {op_int, 4}, [0x8a] = {op_long, 1}, [0x8b] = {op_long, 4}, ['G'] = {op_opaque, 8},
    ['I'] = {op_text_int, 0}, ['L'] = {op_text_int, 1}, ['F'] = {op_text, 'F'}, ['S'] = {op_text, 'S'}, ['V'] = {op_text, 'V'}, ['X'] = {op_string, 4},
    ['U'] = {op_string, 1}, ['T'] = {op_string, 4}, [0x8c] = {op_string, 1}, [0x8d] = {op_string, 8}, ['C'] = {op_string, 1 | 16},
    ['B'] = {op_string, 4 | 16}, [0x8e] = {op_string, 8 | 16}, [0x96] = {op_string, 8 | 16}, ['}'] = {op_new, PICKLE_DICT}, [']'] = {op_new, PICKLE_LIST},
    [')'] = {op_new, PICKLE_TUPLE}, [0x8f] = {op_new, PICKLE_OPAQUE}, ['t'] = {op_to_mark, PICKLE_TUPLE}, [0x85] = {op_tuple, 1}, [0x86] = {op_tuple, 2},
    [0x87] = {op_tuple, 3}, ['l'] = {op_to_mark, PICKLE_LIST}, ['d'] = {op_to_mark, PICKLE_DICT}, [0x91] = {op_to_mark, PICKLE_OPAQUE},
    ['a'] = {op_append, PICKLE_LIST}, ['e'] = {op_appends, PICKLE_LIST}, ['s'] = {op_append, PICKLE_DICT}, ['u'] = {op_appends, PICKLE_DICT},
    [0x90] = {op_appends, PICKLE_OPAQUE}, ['q'] = {op_put, 1}, ['r'] = {op_put, 4}, [0x94] = {op_put, 16}, ['p'] = {op_put, 0}, ['h'] = {op_get, 1},
    ['j'] = {op_get, 4}, ['g'] = {op_get, 0}, ['c'] = {op_global, 0}, [0x93] = {op_stack_global, 0}, ['Q'] = {op_persistent, 0}, ['R'] = {op_call, 0},
    [0x81] = {op_call, 0}, ['b'] = {op_build, 0}, ['P'] = {op_refused, 0}, ['0'] = {op_refused, 0}, ['1'] = {op_refused, 0}, ['2'] = {op_refused, 0},
    ['i'] = {op_refused, 0}, ['o'] = {op_refused, 0}, [0x82] = {op_refused, 0}, [0x83] = {op_refused, 0}, [0x84] = {op_refused, 0},
    [0x92] = {op_refused, 0}, [0x97] = {op_refused, 0}, [0x98] = {op_refused, 0},
    /* clang-format on */
};

enum status pickle_read(struct pickle *pickle, const char *where, struct slice text, size_t *used, struct err *err)
{
    *pickle = (struct pickle){.where = where, .text = (const uint8_t *)text.data, .size = text.size};
    if (text.size > LIMIT_PICKLE_BYTES_MAX)
        return err_set(err, STATUS_LIMIT, where, "found a pickle of %zu bytes, the most is %llu", text.size, (unsigned long long)LIMIT_PICKLE_BYTES_MAX);
    for (;;) {
        const uint8_t *byte = NULL;
        TRY(take(pickle, 1, &byte, err));
        if (*byte == '.')
            break;
        if (ops[*byte].run == NULL)
            return picklenode_corrupt(pickle, err, "found byte 0x%02x, expected an opcode", *byte);
        TRY(ops[*byte].run(pickle, ops[*byte].arg, err));
    }
    if (pickle->depth != 1 || pickle->marks != 0)
        return picklenode_corrupt(pickle, err, "found %zu values and %zu marks at the end, expected one value", pickle->depth, pickle->marks);
    if (used == NULL && pickle->at != text.size)
        return picklenode_corrupt(pickle, err, "found %zu bytes after the end, expected none", text.size - pickle->at);
    if (used != NULL)
        *used = pickle->at;
    pickle->root = pickle->stack[0];
    return STATUS_OK;
}

void pickle_free(struct pickle *pickle)
{
    free(pickle->node);
    free(pickle->slot);
    free(pickle->stack);
    free(pickle->mark);
    free(pickle->memo);
    free(pickle->storage);
    free(pickle->tensor);
    free(pickle->part);
    map_free(&pickle->storage_by_key);
    arena_free(&pickle->arena);
    *pickle = (struct pickle){0};
}
