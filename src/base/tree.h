/* Directory trees: listing and removing. Iterative: the depth is bounded by LIMIT_DIRECTORY_DEPTH_MAX, not by the stack. */
#ifndef REPAQ_TREE_H
#define REPAQ_TREE_H

#include "base/file.h"

/* One regular file below a directory. */
struct tree_entry {
    const char *name; /* relative, '/' between parts; in the arena */
    uint64_t bytes;
};
struct tree_list {
    struct tree_entry *entry; /* sorted bytewise by name; in the arena */
    size_t count;
    size_t hidden, strange, empty; /* what was left out: hidden names, sockets and the like, directories without anything else */
    const char *deep;              /* the first directory that was not entered, as it is too deep; NULL: none */
};
/* Regular files below dir (links followed; hidden names, sockets and FIFOs left out), at most LIMIT_DIRECTORY_DEPTH_MAX deep and
 * LIMIT_FILES_MAX many (LIMIT). A loop of links ends at the depth limit without an error. */
enum status tree_list(const char *dir, struct arena *arena, struct tree_list *list, struct err *err) WARN_UNUSED;

/* Removes a file or a whole tree without following links. Absent is no error. Directories nested deeper than 64 are LIMIT. */
enum status tree_remove(const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* Everything directly below dir, as paths "dir/name" in the arena, in no order. */
struct tree_names {
    const char **path; /* in the arena */
    size_t count;
};
enum status tree_names(const char *dir, struct arena *arena, struct tree_names *names, struct err *err) WARN_UNUSED;
/* Syncs every directory of a tree, the innermost first. */
enum status tree_sync(const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;

#endif
