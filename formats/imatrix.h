/* Importance matrices: how much each column of a weight counts, as llama-imatrix measures it; in a GGUF file or in the older form
 *
 *     entries i32 | entries x { bytes i32, name | calls i32 | values i32, values x F32 } | chunks i32 | bytes i32, name of the data (these two may be missing)
 *
 * (ggml-org/llama.cpp:common/imatrix-loader.cpp, tools/quantize/quantize.cpp). Values stay in the file until they are asked for. */
#ifndef REPAQ_IMATRIX_H
#define REPAQ_IMATRIX_H

#include "base/arena.h"
#include "base/file.h"
#include "base/map.h"

/* The columns of one tensor, of all its matrices. */
struct imatrix_entry {
    const char *name;    /* of the tensor: "blk.0.attn_q.weight" */
    uint64_t offset;     /* of the sums in the file: F32 [values] */
    uint64_t values;
    const float *counts; /* [parts]: what the sums of each part are divided by; 0: see imatrix.ones */
    uint64_t parts;      /* divides values */
    bool dropped;        /* by imatrix_drop */
};

/* Zero-initialise; free with imatrix_free. */
struct imatrix {
    struct file file;
    struct arena arena;
    struct imatrix_entry *entry; /* owned */
    size_t count, capacity;
    uint64_t counts;             /* of all entries */
    struct map name;             /* -> index of entry */
    bool open;
    bool ones;                   /* a part that was never counted is ones; else its sums as they are */
    const char *dataset;         /* the first that it was measured on; NULL: not stated */
    int64_t chunks;              /* of the data; 0: not stated */
};

/* Reads names and counts. A GGUF file whose sums and counts do not belong together is CORRUPT, as is a count that is no number. */
enum status imatrix_open(struct imatrix *imatrix, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* Drops the entries in whose name one of words [count] is found, or, with `keep`, all others. */
void imatrix_drop(struct imatrix *imatrix, const char *const *word, size_t count, bool keep);
/* Looks at all values of the entries that are left: one that is no number is CORRUPT. */
enum status imatrix_check(const struct imatrix *imatrix, struct err *err) WARN_UNUSED;
/* Entries that are left. */
size_t imatrix_left(const struct imatrix *imatrix);
/* NULL if there is none. */
const struct imatrix_entry *imatrix_find(const struct imatrix *imatrix, const char *name);
/* The importance of columns [first, first + count) of the entry's values; any thread may ask. */
enum status imatrix_load(const struct imatrix *imatrix, const struct imatrix_entry *entry, uint64_t first, uint64_t count, float *importance,
                         struct err *err) WARN_UNUSED;
void imatrix_free(struct imatrix *imatrix);

#endif
