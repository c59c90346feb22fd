#include "plan/bundle.h"

#include "base/limits.h"
#include "base/staging.h"
#include "base/tree.h"
#include "container/zipentry.h"
#include "container/zipwrite.h"

#include <stdio.h>
#include <string.h>

static enum status check_cancel(const struct resources *resources, struct err *err)
{
    if (resources->cancel == NULL || atomic_load(resources->cancel) == 0)
        return STATUS_OK;
    return err_set(err, STATUS_CANCELLED, "", "stopped by a signal");
}

/* --- packing ------------------------------------------------------------------------------------------------------------------------- */

static enum status list(struct bundle *bundle, const char *dir, struct arena *arena, struct tree_list *files, struct err *err)
{
    bool adapter = false, config = false;
    if (file_stat(dir, NULL) != FILE_DIRECTORY)
        return err_set(err, STATUS_IO, dir, "found no such directory");
    TRY(tree_list(dir, arena, files, err));
    bundle->hidden = files->hidden;
    bundle->strange = files->strange;
    bundle->empty = files->empty;
    if (files->deep != NULL)
        return err_set(err, STATUS_LIMIT, dir, "found the directory \"%.200s\", which is nested deeper than %d", files->deep, LIMIT_DIRECTORY_DEPTH_MAX);
    for (size_t i = 0; i < files->count; i++) {
        config = config || strcmp(files->entry[i].name, "adapter_config.json") == 0;
        adapter = adapter || slice_starts(slice_of(files->entry[i].name), "adapter_model");
    }
    if (config && adapter) {
        (void)err_set(err, STATUS_UNSUPPORTED, dir, "found a LoRA adapter, expected a whole checkpoint");
        return err_try(err, "merge the adapter into its base model first");
    }
    return files->count > 0 ? STATUS_OK : err_set(err, STATUS_UNSUPPORTED, dir, "found no files");
}

struct packer {
    struct bundle *bundle;
    const struct resources *resources;
    const char *dir, *archive;
    struct tree_list files;
};

static enum status pack_files(const struct packer *packer, const struct file *to, struct err *err)
{
    const struct resources *resources = packer->resources;
    const struct tree_list *files = &packer->files;
    const char *dir = packer->dir;
    struct bundle *bundle = packer->bundle;
    struct zipwrite zip = {.to = to};
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < files->count; i++) {
        char path[4096];
        struct file from = {.fd = -1};
        if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, files->entry[i].name) >= sizeof path)
            status = err_set(err, STATUS_LIMIT, dir, "found a path that is too long");
        if (status == STATUS_OK && !zipentry_is_path(files->entry[i].name)) {
            (void)err_set(err, STATUS_UNSUPPORTED, path,
                          "found a name that no archive can hold everywhere (a backslash, a control byte, or more than %d parts)",
                          LIMIT_DIRECTORY_DEPTH_MAX);
            status = err_try(err, "rename the file, or move it up");
        }
        if (status == STATUS_OK && file_same(path, packer->archive)) /* by a link */
            status = err_set(err, STATUS_USAGE, packer->archive, "found a file of the source as the destination: the input is never written");
        if (status == STATUS_OK)
            status = file_open_read(&from, resources->ops, path, err);
        if (status == STATUS_OK)
            status = zipwrite_add(&zip, files->entry[i].name, &from, err);
        bundle->content += from.bytes;
        file_drop(&from);
        if (status == STATUS_OK)
            status = check_cancel(resources, err);
    }
    if (status == STATUS_OK)
        status = zipwrite_end(&zip, err);
    bundle->files = files->count;
    bundle->stored = zip.end;
    zipwrite_free(&zip);
    return status;
}

static enum status pack(const struct packer *packer, struct staging *staging, struct arena *arena, struct err *err)
{
    static const char name[] = "bundle.zip";
    struct file to = {.fd = -1};
    char *path = staging_path(staging, name, arena, err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_create(&to, packer->resources->ops, path, err));
    enum status status = pack_files(packer, &to, err);
    if (status == STATUS_OK)
        status = file_sync(&to, err);
    if (status == STATUS_OK)
        status = file_close(&to, err);
    file_drop(&to);
    return status == STATUS_OK ? staging_seal_file(staging, name, err) : status;
}

enum status bundle_pack(struct bundle *bundle, const struct resources *resources, const char *dir, const char *archive, bool force, struct err *err)
{
    struct arena arena = {0};
    struct packer packer = {.bundle = bundle, .resources = resources, .dir = dir, .archive = archive};
    struct staging staging;
    *bundle = (struct bundle){0};
    enum status status = list(bundle, dir, &arena, &packer.files, err);
    if (status == STATUS_OK && file_inside(archive, dir))
        status = err_set(err, STATUS_USAGE, archive, "found a destination inside the source: the input is never written");
    if (status == STATUS_OK && file_stat(archive, NULL) == FILE_DIRECTORY)
        status = err_set(err, STATUS_USAGE, archive, "found a directory, expected the name of a file");
    if (status == STATUS_OK)
        status = staging_check(archive, force, err);
    if (status == STATUS_OK) {
        status = staging_open(&staging, resources->ops, archive, force, &arena, err);
        if (status == STATUS_OK) {
            status = pack(&packer, &staging, &arena, err);
            staging_drop(&staging);
        }
    }
    arena_free(&arena);
    return status;
}

/* --- unpacking --------------------------------------------------------------------------------------------------------------------------- */

static enum status unpack_entry(const struct zipfile *zip, uint32_t entry, const struct resources *resources, struct staging *staging, struct arena *arena,
                                struct err *err)
{
    struct file to = {.fd = -1};
    char *path = staging_path(staging, zip->entry[entry].name, arena, err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_create(&to, resources->ops, path, err));
    enum status status = zipentry_extract(zip, entry, &to, err);
    if (status == STATUS_OK)
        status = file_sync(&to, err);
    if (status == STATUS_OK)
        status = file_close(&to, err);
    file_drop(&to);
    return status;
}

static enum status unpack(struct bundle *bundle, const struct zipfile *zip, const struct resources *resources, struct staging *staging, struct arena *arena,
                          struct err *err)
{
    for (uint32_t e = 0; e < zip->count; e++) {
        TRY(check_cancel(resources, err));
        if (zipentry_is_folder(&zip->entry[e])) /* made with the files in it */
            continue;
        if (zip->entry[e].link) {
            (void)err_set(err, STATUS_UNSUPPORTED, zip->file->path, "found the symbolic link \"%.200s\", expected files only", zip->entry[e].name);
            return err_try(err, "pack again with the files that links lead to");
        }
        TRY(unpack_entry(zip, e, resources, staging, arena, err));
        bundle->files++;
        bundle->content += zip->entry[e].bytes;
    }
    return staging_seal(staging, err);
}

/* No name is that of a file and of a folder in another's. */
static enum status check_folders(const struct zipfile *zip, const char *name, struct err *err)
{
    char folder[LIMIT_PATH_BYTES_MAX];
    for (const char *slash = strchr(name, '/'); slash != NULL && slash[1] != '\0'; slash = strchr(slash + 1, '/')) {
        if ((size_t)(slash - name) >= sizeof folder)
            return err_set(err, STATUS_LIMIT, zip->file->path, "found an entry with a name of %zu bytes", strlen(name));
        (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        if (zipfile_find(zip, folder) != MAP_NONE)
            return err_set(err, STATUS_CORRUPT, zip->file->path, "found a file \"%.200s\" and an entry \"%.200s\" below it", folder, name);
    }
    return STATUS_OK;
}

/* Entries for folders in which no file is. */
static enum status count_empty(struct bundle *bundle, const struct zipfile *zip, struct arena *arena, struct err *err)
{
    bool *const used = arena_alloc(arena, zip->count, sizeof *used, err);
    char folder[LIMIT_PATH_BYTES_MAX];
    if (used == NULL)
        return STATUS_LIMIT;
    memset(used, 0, zip->count * sizeof *used);
    for (size_t e = 0; e < zip->count; e++)
        for (const char *slash = strchr(zip->entry[e].name, '/'); slash != NULL && slash[1] != '\0'; slash = strchr(slash + 1, '/')) {
            (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - zip->entry[e].name) + 1, zip->entry[e].name); /* check_folders held the length */
            const uint32_t found = zipfile_find(zip, folder);
            if (found != MAP_NONE && !zipentry_is_folder(&zip->entry[e]))
                used[found] = true;
        }
    for (size_t e = 0; e < zip->count; e++)
        bundle->empty += zipentry_is_folder(&zip->entry[e]) && !used[e];
    return STATUS_OK;
}

/* Every name before anything is written. */
static enum status check_names(const struct zipfile *zip, struct err *err)
{
    if (zip->count == 0)
        return err_set(err, STATUS_UNSUPPORTED, zip->file->path, "found an archive without files");
    for (size_t e = 0; e < zip->count; e++) {
        if (!zipentry_is_path(zip->entry[e].name) && !zipentry_is_folder(&zip->entry[e]))
            return err_set(err, STATUS_CORRUPT, zip->file->path, "found an entry \"%.200s\", expected the name of a file below the directory",
                           zip->entry[e].name);
        TRY(check_folders(zip, zip->entry[e].name, err));
    }
    return STATUS_OK;
}

enum status bundle_unpack(struct bundle *bundle, const struct resources *resources, const char *archive, const char *dir, bool force, struct err *err)
{
    struct arena arena = {0};
    struct zipfile zip = {0};
    struct staging staging;
    struct file file;
    *bundle = (struct bundle){0};
    if (file_held(archive, dir))
        return err_set(err, STATUS_USAGE, dir, "found the archive in the destination: the input is never written");
    TRY(file_open_read(&file, resources->ops, archive, err));
    bundle->stored = file.bytes;
    enum status status = zipfile_open(&zip, &file, err);
    if (status == STATUS_OK)
        status = check_names(&zip, err);
    if (status == STATUS_OK)
        status = count_empty(bundle, &zip, &arena, err);
    if (status == STATUS_OK)
        status = staging_check(dir, force, err);
    if (status == STATUS_OK) {
        status = staging_open(&staging, resources->ops, dir, force, &arena, err);
        if (status == STATUS_OK) {
            status = unpack(bundle, &zip, resources, &staging, &arena, err);
            staging_drop(&staging);
        }
    }
    zipfile_close(&zip);
    file_drop(&file);
    arena_free(&arena);
    return status;
}
