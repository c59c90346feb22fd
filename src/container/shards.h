/* Sets of weight files: single file, or shards with "<stem>.safetensors.index.json" or "pytorch_model.bin.index.json" (formats/safetensors.md section 6,
 * formats/pth.md section 7.3). */
#ifndef REPAQ_SHARDS_H
#define REPAQ_SHARDS_H

#include "base/file.h"
#include "base/tree.h"
#include "base/map.h"
#include "base/text.h"
#include "ir/model.h"

/* An index file: tensor -> shard. Names in the arena; tensors and files in file order. */
struct shards_index {
    const char **tensor;    /* [tensor_count] */
    uint32_t *file_of;      /* [tensor_count] index into file */
    size_t tensor_count;
    const char **file;      /* [file_count] in order of first mention */
    size_t file_count;
    bool has_total_size;
    uint64_t total_size;
    struct map by_name;     /* tensor -> its position; freed by shards_index_free */
};
/* Reads and checks an index: shard names that are absolute, have a drive, contain '/', '\\' or "..", or lack `suffix` are CORRUPT; duplicate keys too. */
enum status shards_index_read(const char *where, struct slice text, const char *suffix, struct arena *arena, struct shards_index *index,
                              struct err *err) WARN_UNUSED;
void shards_index_free(struct shards_index *index);

/* A kind of weight files: how they are named, where several lie in a directory, and who reads one. */
struct shards_kind {
    const char *prefix, *suffix; /* of weight files that no index names */
    const char *listed;          /* suffix of those that an index names */
    const char *index_suffix;    /* of an index */
    enum status (*read)(const struct file *file, uint32_t file_index, struct model *model, struct err *err);
};
extern const struct shards_kind shards_safetensors, shards_torch;

/* True for a top-level name that a file of this kind has where no index names it. */
bool shards_is_weight_file(const struct shards_kind *kind, const char *name);

/* How a directory's weight files were chosen. */
struct shards_source {
    const struct shards_kind *kind;
    const char *dir;
    const struct tree_list *list;   /* of dir */
    const char *index_name;         /* the index to follow, or NULL: all top-level files of this kind */
};
/* Opens every weight file of the set, reads headers into model (model.dir set by the caller), and checks them against the index: a named shard
 * that is missing or a mapped tensor that its shard lacks is CORRUPT; extra tensors and a wrong total_size become notes. Without index: one
 * file, or a complete 00001-of-0000N set (CORRUPT if incomplete); several unnumbered files are all read. */
enum status shards_read(const struct shards_source *source, const struct file_ops *ops, struct model *model, struct err *err) WARN_UNUSED;

/* "PREFIX-00002-of-00007.safetensors" (PREFIX.safetensors when count is 1 and `number_one` false) in the arena, or NULL with *err. */
char *shards_name(const char *prefix, size_t index, size_t count, bool number_one, struct arena *arena, struct err *err);
/* What an index is made of: names[i] lives in files[file_of[i]]. */
struct shards_map {
    const char *const *names; /* [count], sorted bytewise */
    const uint32_t *file_of;  /* [count] */
    const char *const *files;
    size_t count;
    uint64_t total_size;      /* bytes of all tensors */
};
/* Appends the index text in transformers' form: metadata.total_size, then weight_map in the order of names. */
enum status shards_index_text(const struct shards_map *map, struct text *text, struct err *err) WARN_UNUSED;

#endif
