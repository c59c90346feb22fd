/* The GGUF container: typed key-value pairs, a table of tensors, aligned data (formats/gguf.md section 1; ggml-org/ggml:docs/gguf.md). Read only here;
 * ggufile_value.h gives the pairs, ggufile_split.h sets of files, ggufile_write.h makes headers. */
#ifndef REPAQ_GGUFILE_H
#define REPAQ_GGUFILE_H

#include "base/err.h"
#include "base/file.h"
#include "base/map.h"
#include "base/slice.h"
#include "ir/ggml.h"

#include <stdbool.h>
#include <stdint.h>

enum { GGUFILE_DIMS_MAX = 4, GGUFILE_NAME_BYTES_MAX = 63, GGUFILE_ALIGNMENT_DEFAULT = 32 };

/* X(name, word, bytes): types of values by their number in the file; 0 bytes: of no fixed size. */
#define GGUFILE_KINDS(X)                                                                                                                             \
    X(U8, "u8", 1) X(I8, "i8", 1) X(U16, "u16", 2) X(I16, "i16", 2) X(U32, "u32", 4) X(I32, "i32", 4) X(F32, "f32", 4) X(BOOL, "bool", 1)            \
    X(STRING, "string", 0) X(ARRAY, "array", 0) X(U64, "u64", 8) X(I64, "i64", 8) X(F64, "f64", 8)
enum ggufile_kind {
#define X(name, word, bytes) GGUFILE_##name,
    GGUFILE_KINDS(X)
#undef X
        GGUFILE_KIND_COUNT
};
const char *ggufile_kind_name(enum ggufile_kind kind); /* "u32" */
unsigned ggufile_kind_bytes(enum ggufile_kind kind);   /* of one; 0 for strings and arrays */

/* One pair. Whatever the file's version and byte order, data is in the form of version 3, little endian:
 * a number's bytes; a string's text, without its length; an array's elements one after another, without the array's own type and count (strings among them as
 * u64 length and text, arrays as u32 type, u64 count and elements). */
struct ggufile_value {
    struct slice key;          /* never empty */
    enum ggufile_kind kind;
    enum ggufile_kind element; /* of an array; else kind */
    uint64_t count;            /* elements of an array; else 1 */
    const uint8_t *data;       /* [bytes] */
    size_t bytes;
    size_t key_offset, offset; /* of key and data in the file */
};

struct ggufile_tensor {
    char name[GGUFILE_NAME_BYTES_MAX + 1];
    uint64_t dims[GGUFILE_DIMS_MAX]; /* innermost first; those that the file leaves out are 1 */
    uint64_t offset;                 /* bytes from the start of the file */
    uint64_t bytes;                  /* without padding */
    enum ggml_type type;
    uint8_t rank;                    /* dimensions that the file states, 0..4 */
};

/* A header in memory. Free with ggufile_free. Names, keys and data live as long as it does. */
struct ggufile {
    const char *path;             /* borrowed from the file */
    struct ggufile_value *value;  /* owned; in the order of the file */
    size_t value_count;
    struct ggufile_tensor *tensor; /* owned; in the order of the file */
    size_t tensor_count;
    uint64_t file_bytes;
    uint64_t header_bytes;        /* up to the end of the table of tensors, before padding */
    uint64_t data_offset;         /* where tensor data begin; header_bytes if there are no tensors */
    uint64_t trailing_bytes;      /* of the file after the last tensor and its padding: nothing reads them */
    uint32_t alignment;
    uint32_t version;             /* 1, 2 or 3 */
    bool big_endian;              /* tensor data as well: codec/ggml_swap.h */
    bool nested;                  /* an array of arrays: llama.cpp refuses those */
    bool has_gaps, is_reordered;  /* only when read leniently: llama.cpp refuses both */
    struct map key, name;         /* -> index of value, of tensor */
    void *head, *recoded;         /* owned; the header's bytes, and the values again where the file is not in the form of version 3, little endian */
};

/* Reads the header of an open file, at most LIMIT_GGUF_HEADER_BYTES_MAX of it. Checks what ggml-org/ggml:src/gguf.cpp checks and that no tensor leaves the
 * file; version 1, big endian and nested arrays are read. Tensors that leave gaps or stand in another order than the table are UNSUPPORTED unless `lenient`;
 * those that overlap never pass. Errors: CORRUPT, UNSUPPORTED (a later version, a tensor type that is unknown or was removed), LIMIT. On an error nothing is
 * left to be freed. */
enum status ggufile_read(const struct file *file, bool lenient, struct ggufile *gguf, struct err *err) WARN_UNUSED;
/* The same, leniently, for who wants to know what readers refuse: the first thing that is wrong with a header which can be parsed is left in *fault (status
 * OK: nothing), and what was read is there. A type that is not known is GGML_COUNT. Of a later version there is no more than its number. Neither pointer may
 * be NULL. */
enum status ggufile_examine(const struct file *file, struct ggufile *gguf, struct err *fault, struct err *err) WARN_UNUSED;
void ggufile_free(struct ggufile *gguf);
/* True if the first bytes are GGUF's magic and any version. */
bool ggufile_probe(const void *head, size_t head_bytes);
/* NULL if there is none. */
const struct ggufile_value *ggufile_find(const struct ggufile *gguf, const char *key);
const struct ggufile_tensor *ggufile_find_tensor(const struct ggufile *gguf, struct slice name);

#endif
