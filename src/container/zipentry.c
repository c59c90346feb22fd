#include "container/zipentry.h"

#include "base/limits.h"
#include "container/zstream.h"

#include <stdio.h>
#include <string.h>

bool zipentry_is_path(const char *name)
{
    size_t depth = 0;
    if (strlen(name) > LIMIT_PATH_BYTES_MAX / 2)
        return false;
    for (const char *part = name;; part++) {
        const size_t size = strcspn(part, "/");
        if (size == 0 || size > 255 || (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.'))) || ++depth > LIMIT_DIRECTORY_DEPTH_MAX)
            return false;
        for (size_t i = 0; i < size; i++)
            if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f || part[i] == '\\')
                return false;
        part += size;
        if (*part == '\0')
            return true;
    }
}

bool zipentry_is_folder(const struct zipfile_entry *entry)
{
    char name[LIMIT_PATH_BYTES_MAX];
    const size_t size = strlen(entry->name);
    if (size < 2 || size >= sizeof name || entry->name[size - 1] != '/' || entry->bytes != 0)
        return false;
    memcpy(name, entry->name, size - 1);
    name[size - 1] = '\0';
    return zipentry_is_path(name);
}

enum status zipentry_extract(const struct zipfile *zip, uint32_t entry, const struct file *to, struct err *err)
{
    const struct zipfile_entry *from = &zip->entry[entry];
    struct zstream_written written;
    if (from->method != ZIPFILE_ZSTD)
        return zipfile_extract(zip, entry, to, 0, err);
    const struct zstream stream = {zip->file, from->offset, from->stored};
    TRY(zstream_extract(&stream, to, from->bytes, &written, err));
    if (written.content == from->bytes && (from->crc == 0 || written.crc == from->crc))
        return STATUS_OK;
    char where[700];
    (void)snprintf(where, sizeof where, "%.300s: %.300s", zip->file->path, from->name);
    return err_set(err, STATUS_CORRUPT, where, "found other content than its size and CRC say");
}
