#include "formats/packing.h"

#include "base/limits.h"
#include "container/torchfile.h"
#include "container/zipentry.h"
#include "container/zstream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status start(struct source *source, struct err *err)
{
    TRY(overlay_open(&source->overlay, source->ops, source->spool != NULL ? source->spool : source->dir, err));
    source->ops = &source->overlay.ops;
    return STATUS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct tree_entry *)a)->name, ((const struct tree_entry *)b)->name);
}

/* --- bundles -------------------------------------------------------------------------------------------------------------------------- */

static bool is_hidden(const char *name)
{
    return name[0] == '.' || strstr(name, "/.") != NULL;
}

enum status packing_is_bundle(const struct file *file, bool *bundle, struct err *err)
{
    struct zipfile zip = {0};
    const enum status status = zipfile_open(&zip, file, err);
    *bundle = status == STATUS_OK;
    for (size_t i = 0; *bundle && i < zip.count; i++)
        *bundle = !slice_ends(slice_of(zip.entry[i].name), "/data.pkl");
    zipfile_close(&zip);
    return status;
}

static enum status add_entries(struct source *source, const struct zipfile *zip, struct err *err)
{
    source->list.count = 0;
    source->list.entry = arena_alloc(&source->arena, zip->count, sizeof *source->list.entry, err);
    if (source->list.entry == NULL)
        return STATUS_LIMIT;
    if (zip->count > LIMIT_FILES_MAX)
        return err_set(err, STATUS_LIMIT, source->path, "found more than %u files", LIMIT_FILES_MAX);
    for (uint32_t e = 0; e < zip->count; e++) {
        const struct zipfile_entry *entry = &zip->entry[e];
        if (zipentry_is_folder(entry))
            continue;
        if (!zipentry_is_path(entry->name))
            return err_set(err, STATUS_CORRUPT, source->path, "found an entry \"%.200s\", expected the name of a file below the directory", entry->name);
        if (is_hidden(entry->name)) /* as in a directory */
            continue;
        const char *name = arena_copy(&source->arena, entry->name, strlen(entry->name), err), *path = source_path(source, entry->name, err);
        if (name == NULL || path == NULL)
            return STATUS_LIMIT;
        TRY(overlay_add_entry(&source->overlay, path, zip, e, err));
        source->list.entry[source->list.count++] = (struct tree_entry){name, entry->bytes};
    }
    if (source->list.count > 1)
        qsort(source->list.entry, source->list.count, sizeof *source->list.entry, by_name);
    return STATUS_OK;
}

enum status packing_bundle(struct source *source, const char *path, struct err *err)
{
    const struct file *file;
    struct zipfile zip = {0};
    TRY(start(source, err));
    source->dir = arena_copy(&source->arena, path, strlen(path), err);
    if (source->dir == NULL)
        return STATUS_LIMIT;
    TRY(overlay_outer(&source->overlay, path, &file, err));
    enum status status = zipfile_open(&zip, file, err);
    if (status == STATUS_OK)
        status = add_entries(source, &zip, err);
    zipfile_close(&zip);
    return status;
}

/* --- compressed files --------------------------------------------------------------------------------------------------------------------- */

static bool is_compressed(const char *name)
{
    static const char *const suffixes[] = {".safetensors.zst", ".bin.zst", ".pth.zst", ".gguf.zst"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (slice_ends(slice_of(name), suffixes[i]))
            return strchr(name, '/') == NULL;
    return false;
}

static enum status unpack_stream(struct source *source, struct tree_entry *entry, struct err *err)
{
    const struct file *outer;
    TRY(start(source, err));
    const char *path = source_path(source, entry->name, err), *plain = arena_copy(&source->arena, entry->name, strlen(entry->name) - strlen(".zst"), err);
    const char *plain_path = path == NULL || plain == NULL ? NULL : source_path(source, plain, err);
    if (plain_path == NULL)
        return STATUS_LIMIT;
    TRY(overlay_outer(&source->overlay, path, &outer, err));
    TRY(overlay_add_zstd(&source->overlay, plain_path, outer, &entry->bytes, err));
    if (source->only != NULL && strcmp(source->only, entry->name) == 0)
        source->only = plain;
    entry->name = plain;
    return STATUS_OK;
}

enum status packing_streams(struct source *source, struct err *err)
{
    bool changed = false;
    for (size_t i = 0; i < source->list.count; i++) {
        struct tree_entry *entry = &source->list.entry[i];
        const bool asked =
            source->only == NULL ? is_compressed(entry->name) : strcmp(entry->name, source->only) == 0 && slice_ends(slice_of(entry->name), ".zst");
        if (!asked)
            continue;
        char plain[512];
        if ((size_t)snprintf(plain, sizeof plain, "%.*s", (int)(strlen(entry->name) - 4), entry->name) < sizeof plain && source_has(source, plain) &&
            source->only == NULL)
            continue;
        TRY(unpack_stream(source, entry, err));
        changed = true;
    }
    if (changed)
        qsort(source->list.entry, source->list.count, sizeof *source->list.entry, by_name);
    return STATUS_OK;
}

/* --- torch files that were packed again ------------------------------------------------------------------------------------------------------ */

/* Only what a reader takes is unpacked, and only where the sizes are those of the tensors; of any other file the reader's own message is the better one. */
static enum status expand(struct source *source, struct tree_entry *entry, const struct file *file, const char *path, struct err *err)
{
    struct zipfile zip = {0};
    bool deflated = false;
    enum status status = zipfile_open(&zip, file, err);
    bool *wanted = status == STATUS_OK ? mem_alloc(zip.count + 1, sizeof *wanted, err) : NULL;
    if (wanted != NULL && torchfile_wanted(file, &zip, wanted, err) == STATUS_OK)
        for (size_t e = 0; e < zip.count; e++)
            deflated = deflated || (wanted[e] && zip.entry[e].method == ZIPFILE_DEFLATED);
    status = deflated ? start(source, err) : STATUS_OK;
    if (deflated && status == STATUS_OK)
        status = overlay_add_expanded(&source->overlay, path, &zip, wanted, &entry->bytes, err);
    free(wanted);
    zipfile_close(&zip);
    return status;
}

enum status packing_torch(struct source *source, struct err *err)
{
    for (size_t i = 0; i < source->list.count; i++) {
        struct tree_entry *entry = &source->list.entry[i];
        const struct slice name = slice_of(entry->name);
        const bool weights = slice_ends(name, ".bin") || slice_ends(name, ".pth") || slice_ends(name, ".pt");
        if (source->only != NULL ? strcmp(source->only, entry->name) != 0 : !weights || strchr(entry->name, '/') != NULL)
            continue;
        const char *path = source_path(source, entry->name, err);
        struct file file;
        uint8_t head[4] = {0};
        if (path == NULL)
            return STATUS_LIMIT;
        TRY(file_open_read(&file, source->ops, path, err));
        enum status status = file.bytes < sizeof head ? STATUS_OK : file_read(&file, head, sizeof head, 0, err);
        if (status == STATUS_OK && zipfile_probe(head, sizeof head))
            status = expand(source, entry, &file, path, err);
        file_drop(&file);
        TRY(status);
    }
    return STATUS_OK;
}
