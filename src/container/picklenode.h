/* The values of a pickle (container/pickle.h): nodes, referred to by index. */
#ifndef REPAQ_PICKLENODE_H
#define REPAQ_PICKLENODE_H

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "ir/dtype.h"

#include <stdbool.h>
#include <stdint.h>

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_STRING,  /* also a byte string of Python 2 */
    PICKLE_OPAQUE,  /* a value of no use here: floats, bytes, sets, integers beyond 64 bits */
    PICKLE_LIST,
    PICKLE_TUPLE,
    PICKLE_DICT,    /* also an OrderedDict; keys and values by turns */
    PICKLE_GLOBAL,  /* inert */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_REFUSED, /* a tensor of a kind that is not read; an error only where it is asked for */
};

struct pickle_node {
    enum pickle_kind kind;
    uint32_t a, b; /* STRING: offset and bytes in the text. LIST, TUPLE, DICT: first and last run. GLOBAL: row. STORAGE, TENSOR: index. REFUSED: reason */
    int64_t value; /* BOOL, INT; LIST, TUPLE, DICT: items */
};

/* Storage of elements: a file's bytes under a key. */
struct pickle_storage {
    const char *key;     /* in the arena; 1..64 of [0-9A-Za-z_.-] */
    enum dtype dtype;    /* DTYPE_NONE: bytes, which a tensor gives a dtype */
    uint64_t elements;   /* of dtype; of bytes where there is none */
    const char *refused; /* why its tensors are not read; NULL */
};

/* A tensor as a part of a storage, whose extent lies within it. */
struct pickle_tensor {
    uint32_t storage;
    enum dtype dtype;
    uint8_t rank;
    uint64_t offset;     /* elements of dtype from the start of the storage */
    const uint64_t *dim; /* [2 * rank]: shape, then strides in elements; in the arena */
};

/* A storage as a persistent id names it: all of it, or a part (files before torch 1.6). */
struct pickle_part {
    uint32_t storage;
    uint64_t offset, elements;
};

/* Zero-initialise; free with pickle_free. */
struct pickle {
    const char *where; /* borrowed; for messages */
    const uint8_t *text;
    size_t size, at;
    bool truncated; /* it was more bytes that were missing */
    struct arena arena;
    struct pickle_node *node; /* owned */
    uint32_t *slot;           /* owned; runs of items: [next run, count, items...]; run 0 is none */
    uint32_t *stack, *mark, *memo; /* owned; memo: node + 1, 0 unset */
    struct pickle_storage *storage; /* owned; in order of first use */
    struct pickle_tensor *tensor;   /* owned */
    struct pickle_part *part;       /* owned */
    size_t node_count, slot_count, depth, marks, memo_count, puts, storage_count, tensor_count, part_count;
    size_t node_capacity, slot_capacity, stack_capacity, mark_capacity, memo_capacity, storage_capacity, tensor_capacity, part_capacity;
    struct map storage_by_key;
    uint32_t root; /* the value */
};

enum status picklenode_add(struct pickle *pickle, struct pickle_node node, uint32_t *index, struct err *err) WARN_UNUSED;
/* CORRUPT, where = file and byte of the pickle. */
enum status picklenode_corrupt(const struct pickle *pickle, struct err *err, const char *format, ...) PRINTF_LIKE(3, 4);
/* LIMIT: more of `what` than are read. */
enum status picklenode_limit(const struct pickle *pickle, const char *what, struct err *err);
struct slice picklenode_string(const struct pickle *pickle, uint32_t node); /* empty for other kinds */
/* Items of a LIST, TUPLE or DICT, one by one: start with a zeroed struct; false at the end. */
struct pickle_items {
    uint32_t run, next; /* next: within the run */
};
bool picklenode_next(const struct pickle *pickle, uint32_t node, struct pickle_items *items, uint32_t *item);
/* Item `index` of a TUPLE, or UINT32_MAX where there is none. */
uint32_t picklenode_item(const struct pickle *pickle, uint32_t node, uint32_t index);
/* Appends items to a LIST, TUPLE or DICT. */
enum status picklenode_extend(struct pickle *pickle, uint32_t node, const uint32_t *item, uint32_t count, struct err *err) WARN_UNUSED;

#endif
