/* index: what an index file says against what the shards hold, and the index that would be right. */
#ifndef REPAQ_INVENTORY_H
#define REPAQ_INVENTORY_H

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

enum finding_kind {
    FINDING_NO_INDEX,       /* several shards and no index */
    FINDING_MISSING_SHARD,  /* the index names a file that is not there */
    FINDING_STALE,          /* the index names a tensor that no shard holds */
    FINDING_WRONG_SHARD,    /* it is in another shard */
    FINDING_UNLISTED,       /* a shard holds a tensor that the index does not name */
    FINDING_DUPLICATE,      /* two shards hold a tensor of one name */
    FINDING_TOTAL_SIZE,     /* metadata.total_size is absent or wrong */
    FINDING_COUNT,
};
const char *inventory_finding_name(enum finding_kind kind); /* "wrong-shard" */

struct finding {
    enum finding_kind kind;
    const char *what; /* tensor or shard */
    const char *text; /* the difference in words */
    bool left_out;    /* UNLISTED: no tensor of its shard is listed, so that who goes by the index never opens it */
};

struct inventory {
    struct arena arena;
    const char *index_name;    /* the index there is, or the one that --write makes */
    bool has_index;
    size_t shards, tensors;
    uint64_t total_size;       /* bytes of all tensors */
    struct finding *finding;   /* owned */
    size_t finding_count, finding_capacity;
    struct text right;         /* the index text as it should be, other members kept */
};

/* Reads the headers of all top-level *.safetensors files of dir and its index. Free with inventory_free, also after a failure. */
enum status inventory_make(struct inventory *inventory, const struct file_ops *ops, const char *dir, struct err *err) WARN_UNUSED;
/* Puts inventory->right in place of the index, atomically. A tensor in two shards is CORRUPT: no index can say which one is meant. */
enum status inventory_write(const struct inventory *inventory, const struct file_ops *ops, const char *dir, struct err *err) WARN_UNUSED;
void inventory_free(struct inventory *inventory);

#endif
