#include "base/tree.h"

#include "base/limits.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* --- listing ------------------------------------------------------------------------------------------------------------------ */

struct listing {
    const char *root;
    struct arena *arena;
    struct tree_entry *entry; /* owned; moved into the arena at the end */
    size_t count, capacity;
    const char **todo;        /* owned; directories to visit, relative; "" is the root */
    size_t todo_count, todo_capacity;
    struct tree_list *list;   /* what is counted on the way */
};

static size_t depth_of(const char *name)
{
    size_t depth = name[0] == '\0' ? 0 : 1;
    for (; *name != '\0'; name++)
        depth += *name == '/';
    return depth;
}

static enum status add_entry(struct listing *listing, const char *name, const struct stat *info, struct err *err)
{
    if (S_ISDIR(info->st_mode) && depth_of(name) <= LIMIT_DIRECTORY_DEPTH_MAX) {
        TRY(mem_grow((void **)&listing->todo, &listing->todo_capacity, listing->todo_count + 1, sizeof *listing->todo, err));
        listing->todo[listing->todo_count++] = name;
    }
    if (S_ISDIR(info->st_mode) && depth_of(name) > LIMIT_DIRECTORY_DEPTH_MAX && listing->list->deep == NULL)
        listing->list->deep = name;
    if (listing->todo_count + listing->count > LIMIT_FILES_MAX)
        return err_set(err, STATUS_LIMIT, listing->root, "found more than %u files", LIMIT_FILES_MAX);
    listing->list->strange += !S_ISREG(info->st_mode) && !S_ISDIR(info->st_mode);
    if (!S_ISREG(info->st_mode))
        return STATUS_OK;
    TRY(mem_grow((void **)&listing->entry, &listing->capacity, listing->count + 1, sizeof *listing->entry, err));
    listing->entry[listing->count++] = (struct tree_entry){name, (uint64_t)info->st_size};
    return STATUS_OK;
}

/* Leaving it out would be a missing shard or side file that nobody hears of. */
static enum status refuse_link(const char *path, struct err *err)
{
    (void)err_set(err, STATUS_IO, path, "found a symbolic link to nothing, expected a file");
    return err_try(err, "fetch what it leads to again, or remove the link");
}

static enum status visit(struct listing *listing, const char *name, struct err *err)
{
    const char *path = name[0] == '\0' ? listing->root : arena_format(listing->arena, err, "%s/%s", listing->root, name);
    if (path == NULL)
        return STATUS_LIMIT;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return err_errno(err, path, errno, "cannot list");
    enum status status = STATUS_OK;
    size_t inside = 0;
    for (const struct dirent *found = readdir(dir); found != NULL && status == STATUS_OK; found = readdir(dir)) {
        struct stat info;
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        inside++;
        listing->list->hidden += found->d_name[0] == '.';
        if (found->d_name[0] == '.')
            continue;
        const char *child = name[0] == '\0' ? arena_copy(listing->arena, found->d_name, strlen(found->d_name), err)
                                            : arena_format(listing->arena, err, "%s/%s", name, found->d_name);
        const char *full = child == NULL ? NULL : arena_format(listing->arena, err, "%s/%s", listing->root, child);
        if (full == NULL)
            status = STATUS_LIMIT;
        else if (stat(full, &info) == 0)
            status = add_entry(listing, child, &info, err);
        else if (lstat(full, &info) == 0) /* not one that was removed just now */
            status = refuse_link(full, err);
    }
    (void)closedir(dir);
    listing->list->empty += inside == 0 && name[0] != '\0';
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tree_entry *)a)->name, ((const struct tree_entry *)b)->name);
}

enum status tree_list(const char *dir, struct arena *arena, struct tree_list *list, struct err *err)
{
    struct listing listing = {.root = dir, .arena = arena, .list = list};
    *list = (struct tree_list){0};
    enum status status = mem_grow((void **)&listing.todo, &listing.todo_capacity, 1, sizeof *listing.todo, err);
    if (status == STATUS_OK)
        listing.todo[listing.todo_count++] = "";
    for (size_t next = 0; status == STATUS_OK && next < listing.todo_count; next++)
        status = visit(&listing, listing.todo[next], err);
    if (status == STATUS_OK && listing.count > 0) {
        list->entry = arena_alloc(arena, listing.count, sizeof *list->entry, err);
        if (list->entry == NULL) {
            status = STATUS_LIMIT;
        } else {
            memcpy(list->entry, listing.entry, listing.count * sizeof *list->entry);
            list->count = listing.count;
            qsort(list->entry, list->count, sizeof *list->entry, by_name);
        }
    }
    free(listing.entry);
    free(listing.todo);
    return status;
}

/* --- walking without following links ------------------------------------------------------------------------------------------- */

#define TREE_DEPTH_MAX 64

/* Called for every directory after all that it holds, and, if `files` is set, for every other entry. */
struct walk {
    const struct file_ops *ops;
    struct arena arena;
    bool files;
    enum status (*leave)(const struct file_ops *ops, const char *path, bool directory, struct err *err);
};

static enum status walk_entry(struct walk *walk, const char *path, DIR **deeper, struct err *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? STATUS_OK : err_errno(err, path, errno, "cannot look at");
    if (!S_ISDIR(info.st_mode))
        return walk->files ? walk->leave(walk->ops, path, false, err) : STATUS_OK;
    *deeper = opendir(path);
    return *deeper == NULL ? err_errno(err, path, errno, "cannot list") : STATUS_OK;
}

static enum status walk_tree(struct walk *walk, const char *root, struct err *err)
{
    DIR *dir[TREE_DEPTH_MAX];
    const char *path[TREE_DEPTH_MAX];
    size_t depth = 0;
    DIR *deeper = NULL;
    enum status status = walk_entry(walk, root, &deeper, err);
    if (deeper != NULL) {
        dir[depth] = deeper;
        path[depth++] = root;
    }
    while (status == STATUS_OK && depth > 0) {
        const struct dirent *found = readdir(dir[depth - 1]);
        if (found == NULL) {
            (void)closedir(dir[--depth]);
            status = walk->leave(walk->ops, path[depth], true, err);
            continue;
        }
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        const char *child = arena_format(&walk->arena, err, "%s/%s", path[depth - 1], found->d_name);
        deeper = NULL;
        status = child == NULL ? STATUS_LIMIT : walk_entry(walk, child, &deeper, err);
        if (deeper != NULL && depth == TREE_DEPTH_MAX) {
            (void)closedir(deeper);
            status = err_set(err, STATUS_LIMIT, child, "found directories nested deeper than %d", TREE_DEPTH_MAX);
        } else if (deeper != NULL) {
            dir[depth] = deeper;
            path[depth++] = child;
        }
    }
    while (depth > 0)
        (void)closedir(dir[--depth]);
    arena_free(&walk->arena);
    return status;
}

static enum status remove_entry(const struct file_ops *ops, const char *path, bool directory, struct err *err)
{
    const int result = directory ? ops->rmdir(ops->context, path) : ops->unlink(ops->context, path);
    return result != 0 && errno != ENOENT ? err_errno(err, path, errno, "cannot remove") : STATUS_OK;
}

enum status tree_remove(const struct file_ops *ops, const char *path, struct err *err)
{
    struct walk walk = {.ops = ops, .files = true, .leave = remove_entry};
    return walk_tree(&walk, path, err);
}

static enum status sync_entry(const struct file_ops *ops, const char *path, bool directory, struct err *err)
{
    (void)directory;
    return file_sync_dir(ops, path, err);
}

enum status tree_sync(const struct file_ops *ops, const char *path, struct err *err)
{
    struct walk walk = {.ops = ops, .leave = sync_entry};
    return walk_tree(&walk, path, err);
}

enum status tree_names(const char *dir, struct arena *arena, struct tree_names *names, struct err *err)
{
    const char **path = NULL;
    size_t capacity = 0;
    *names = (struct tree_names){0};
    DIR *open_dir = opendir(dir);
    if (open_dir == NULL)
        return err_errno(err, dir, errno, "cannot list");
    enum status status = STATUS_OK;
    for (const struct dirent *found = readdir(open_dir); found != NULL && status == STATUS_OK; found = readdir(open_dir)) {
        if (strcmp(found->d_name, ".") == 0 || strcmp(found->d_name, "..") == 0)
            continue;
        status = mem_grow((void **)&path, &capacity, names->count + 1, sizeof *path, err);
        if (status != STATUS_OK)
            break;
        path[names->count] = arena_format(arena, err, "%s/%s", dir, found->d_name);
        status = path[names->count++] == NULL ? STATUS_LIMIT : STATUS_OK;
    }
    (void)closedir(open_dir);
    names->path = status == STATUS_OK ? arena_alloc(arena, names->count, sizeof *path, err) : NULL;
    if (status == STATUS_OK && names->path == NULL)
        status = STATUS_LIMIT;
    if (status == STATUS_OK && names->count > 0)
        memcpy(names->path, path, names->count * sizeof *path);
    free(path);
    return status;
}
