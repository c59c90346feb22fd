/* The GGUF files of a checkpoint, read one by one, so that what is missing or amiss in one does not end the check. */
#ifndef REPAQ_GGUFSET_H
#define REPAQ_GGUFSET_H

#include "container/ggufile_split.h"
#include "formats/source.h"

struct ggufset_file {
    const char *name;    /* in the source's directory */
    bool present;        /* false: nothing more is known */
    uint64_t bytes;      /* of the file */
    struct ggufile gguf;
    const struct err *fault; /* of a header that can be parsed (ggufile_examine); NULL: none */
};

/* Zero-initialise; free with ggufset_free. */
struct ggufset {
    struct arena arena;
    struct ggufset_file *file; /* owned; [count]; the first has the metadata */
    size_t count;
    uint64_t tensors;          /* of all files that are present */
    bool split;                /* a set, by the file's name or its split.count */
    bool is_whole;             /* every file is there and has no fault */
};

/* Reads the file that source->only names, and the other shards where it is one of a set. CORRUPT: a header that cannot be parsed. */
enum status ggufset_read(struct ggufset *set, struct source *source, struct err *err) WARN_UNUSED;
/* Of a directory without other weights whose GGUF files are all of one set: the name of one of them, in the arena; else NULL, with *err filled where memory is
 * out. */
const char *ggufset_find(const char *directory, struct arena *arena, struct err *err);
/* The first file's pair, or NULL. */
const struct ggufile_value *ggufset_value(const struct ggufset *set, const char *key);
/* A tensor of any file, or NULL. */
const struct ggufile_tensor *ggufset_tensor(const struct ggufset *set, const char *name);
void ggufset_free(struct ggufset *set);

#endif
