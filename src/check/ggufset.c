#include "check/ggufset.h"

#include "base/le.h"
#include "base/tree.h"

#include <stdlib.h>
#include <string.h>

static enum status read_file(struct ggufset *set, struct ggufset_file *file, struct source *source, struct err *err)
{
    struct file opened;
    struct err fault;
    const char *path = source_path(source, file->name, err);
    if (path == NULL)
        return STATUS_LIMIT;
    if (file_stat(path, NULL) == FILE_ABSENT)
        return STATUS_OK;
    TRY(file_open_read(&opened, source->ops, path, err));
    file->bytes = opened.bytes;
    const enum status status = ggufile_examine(&opened, &file->gguf, &fault, err);
    file_drop(&opened);
    TRY(status);
    file->present = true;
    if (fault.status == STATUS_OK)
        return STATUS_OK;
    struct err *copy = arena_alloc(&set->arena, 1, sizeof *copy, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    *copy = fault;
    file->fault = copy;
    return STATUS_OK;
}

/* Every file of the set by its name; the one that was read moves to its place. */
static enum status name_files(struct ggufset *set, const struct ggufile_split_part *part, struct err *err)
{
    struct ggufset_file *all = mem_alloc(part->count, sizeof *all, err);
    if (all == NULL)
        return STATUS_LIMIT;
    all[part->number - 1] = set->file[0];
    free(set->file);
    set->file = all;
    set->count = part->count;
    for (uint32_t f = 0; f < part->count; f++) {
        if (f + 1 != part->number)
            all[f].name = ggufile_split_name(part->prefix, f + 1, part->count, &set->arena, err);
        if (all[f].name == NULL)
            return STATUS_LIMIT;
    }
    return STATUS_OK;
}

enum status ggufset_read(struct ggufset *set, struct source *source, struct err *err)
{
    struct ggufile_split_part part = {.count = 1, .number = 1};
    set->file = mem_alloc(1, sizeof *set->file, err);
    if (set->file == NULL)
        return STATUS_LIMIT;
    set->count = 1;
    set->file[0].name = source->only;
    TRY(read_file(set, &set->file[0], source, err));
    const struct ggufile_value *count = ggufile_find(&set->file[0].gguf, "split.count");
    const bool claims = count != NULL && count->kind == GGUFILE_U16 && le_load16(count->data) > 1;
    const bool named = ggufile_split_parse(slice_of(source->only), &part) && part.count > 1 && part.count <= UINT16_MAX;
    set->split = claims || named;
    if (claims && named && source->overlay.below == NULL)
        TRY(name_files(set, &part, err));
    for (size_t f = 0; f < set->count; f++)
        if (!set->file[f].present)
            TRY(read_file(set, &set->file[f], source, err));
    set->is_whole = true;
    for (size_t f = 0; f < set->count; f++) {
        set->is_whole = set->is_whole && set->file[f].present && set->file[f].fault == NULL;
        set->tensors += set->file[f].gguf.tensor_count;
    }
    return STATUS_OK;
}

const char *ggufset_find(const char *directory, struct arena *arena, struct err *err)
{
    struct tree_list list = {0};
    struct ggufile_split_part first = {0}, part;
    const char *found = NULL;
    if (tree_list(directory, arena, &list, err) != STATUS_OK)
        return NULL;
    for (size_t i = 0; i < list.count; i++) {
        const struct slice name = slice_of(list.entry[i].name);
        if (!slice_ends(name, ".gguf") || memchr(name.data, '/', name.size) != NULL)
            continue;
        if (!ggufile_split_parse(name, &part) || (found != NULL && (!slice_equal(part.prefix, first.prefix) || part.count != first.count)))
            return NULL;
        if (found != NULL)
            continue;
        first = part;
        found = name.data;
    }
    return found;
}

const struct ggufile_value *ggufset_value(const struct ggufset *set, const char *key)
{
    return ggufile_find(&set->file[0].gguf, key);
}

const struct ggufile_tensor *ggufset_tensor(const struct ggufset *set, const char *name)
{
    const struct ggufile_tensor *found = NULL;
    for (size_t f = 0; f < set->count && found == NULL; f++)
        found = ggufile_find_tensor(&set->file[f].gguf, slice_of(name));
    return found;
}

void ggufset_free(struct ggufset *set)
{
    for (size_t f = 0; f < set->count; f++)
        ggufile_free(&set->file[f].gguf);
    free(set->file);
    arena_free(&set->arena);
    *set = (struct ggufset){0};
}
