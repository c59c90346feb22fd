/* Sets of GGUF files: PREFIX-00001-of-00003.gguf (formats/gguf.md section 1.7; ggml-org/llama.cpp:src/llama-model-loader.cpp, tools/gguf-split). */
#ifndef REPAQ_GGUFILE_SPLIT_H
#define REPAQ_GGUFILE_SPLIT_H

#include "container/ggufile.h"
#include "container/ggufile_write.h"

/* "PREFIX-00002-of-00003.gguf" taken apart; only names whose numbers have five digits at least and lie in 1..count. */
struct ggufile_split_part {
    struct slice prefix;    /* all before "-00002" */
    uint32_t number, count; /* number from 1 */
};
bool ggufile_split_parse(struct slice name, struct ggufile_split_part *part);
/* The name of shard `number` (from 1) in the arena, or NULL with *err. */
char *ggufile_split_name(struct slice prefix, uint32_t number, uint32_t count, struct arena *arena, struct err *err);

/* The headers of a set, or of one file. Zero-initialise; free with ggufile_split_free. */
struct ggufile_set {
    struct ggufile *file; /* [count], owned; the first has the metadata */
    size_t count;
    uint64_t tensor_count; /* of all files */
    size_t stray_count;    /* pairs of later files that are none of split.*: nothing reads them */
    struct arena arena;    /* paths */
};
/* Reads the set that a file belongs to, whichever of its shards `path` names; a file without split.count, or where that is at most 1, is a set of its own.
 * Errors: those of ggufile_read; CORRUPT for a shard that is missing (R-INCOMPLETE) or named otherwise than its split.* keys say, for keys of other types than
 * u16, u16 and i32, for a wrong number of tensors, a tensor in two shards, shards of different byte orders. On an error nothing is left to be freed. */
enum status ggufile_split_read(const char *path, const struct file_ops *ops, bool lenient, struct ggufile_set *set, struct err *err) WARN_UNUSED;
void ggufile_split_free(struct ggufile_set *set);

/* How tensors are dealt out to shards. */
struct ggufile_split_rule {
    uint64_t bytes_max;   /* of tensors without padding in one shard; 0: any number */
    uint64_t tensors_max; /* 0: any number */
    bool bare_first;      /* the first shard has no tensors (--no-tensor-first-split) */
};
/* shard_of[i] becomes the shard (from 0) of tensor i, of bytes[i] bytes: a new one begins before the tensor that would exceed the rule, and each has one at
 * least, as in ggml-org/llama.cpp:gguf-py/gguf/gguf_writer.py. More than 65535 shards is UNREPRESENTABLE. */
enum status ggufile_split_plan(const uint64_t *bytes, size_t count, const struct ggufile_split_rule *rule, uint32_t *shard_of, uint32_t *shards,
                               struct err *err) WARN_UNUSED;
/* What the keys of a shard say. */
struct ggufile_split_claim {
    uint32_t index, shards; /* index from 0 */
    uint32_t tensors;       /* of all shards */
    bool count_last;        /* split.count behind split.tensors.count, as llama-gguf-split has them; gguf-py and llama-quantize: between the other two */
};
/* Appends split.no, split.count and split.tensors.count. */
void ggufile_split_keys(struct ggufile_writer *writer, const struct ggufile_split_claim *claim);

#endif
