/* Zip archives and zstd streams, as bundles and .zst files are: what an entry holds is the same whether it is unpacked or read in place, in any order, and
 * a whole archive with every entry stored holds the same again. The file is a bundle, or, where it begins as one, a zstd stream. */
#include "base/text.h"
#include "container/overlay.h"
#include "container/zipentry.h"
#include "container/zstream.h"
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CONTENT_MAX (UINT64_C(4) << 20) /* of all entries: larger ones say nothing new */

static struct file memory_file(const char *name, char *path, size_t path_bytes)
{
    const int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0)
        abort();
    (void)snprintf(path, path_bytes, "/proc/self/fd/%d", fd);
    return (struct file){.ops = &file_posix, .path = path, .fd = fd};
}

/* Reads `path` through the overlay: whole, and in parts of odd sizes from its end; both are `expected`, or fail. */
static void check_reading(const struct overlay *overlay, const char *path, const uint8_t *expected, uint64_t bytes)
{
    struct file file;
    struct err err = {0};
    uint8_t *whole = malloc(bytes + 1), *parts = malloc(bytes + 1);
    if (whole == NULL || parts == NULL || file_open_read(&file, &overlay->ops, path, &err) != STATUS_OK || file.bytes != bytes)
        abort();
    enum status status = file_read(&file, whole, bytes, 0, &err);
    harness_check(status, &err);
    if (status == STATUS_OK && expected != NULL && memcmp(whole, expected, bytes) != 0)
        abort();
    enum status odd = STATUS_OK;
    for (uint64_t left = bytes, size = 1; left > 0 && odd == STATUS_OK; size = size * 3 % 65537) {
        const uint64_t part = size < left ? size : left;
        left -= part;
        odd = file_read(&file, parts + left, part, left, &err);
    }
    harness_check(odd, &err);
    if (status != odd || (status == STATUS_OK && memcmp(whole, parts, bytes) != 0))
        abort();
    free(whole);
    free(parts);
    file_drop(&file);
}

/* The content of an entry as it is unpacked, or NULL if that fails. */
static uint8_t *unpack(const struct zipfile *zip, uint32_t entry)
{
    char path[64];
    struct err err = {0};
    const struct file to = memory_file("content", path, sizeof path);
    const enum status status = zipentry_extract(zip, entry, &to, &err);
    const uint64_t bytes = zip->entry[entry].bytes;
    uint8_t *content = NULL;
    harness_check(status, &err);
    if (status == STATUS_OK) {
        content = malloc(bytes + 1);
        if (content == NULL || pread(to.fd, content, bytes, 0) != (ssize_t)bytes || pread(to.fd, content + bytes, 1, (off_t)bytes) != 0)
            abort();
    }
    (void)close(to.fd);
    return content;
}

static void check_expanded(struct overlay *overlay, const struct zipfile *zip)
{
    struct err err = {0};
    struct file file;
    struct zipfile again;
    uint64_t bytes = 0;
    enum status status = overlay_add_expanded(overlay, "expanded", zip, NULL, &bytes, &err);
    harness_check(status, &err);
    if (status != STATUS_OK)
        return;
    if (file_open_read(&file, &overlay->ops, "expanded", &err) != STATUS_OK || file.bytes != bytes)
        abort();
    status = zipfile_open(&again, &file, &err);
    if (status != STATUS_OK || again.count != zip->count)
        abort();
    for (uint32_t e = 0; e < zip->count; e++) {
        uint8_t *a = unpack(zip, e), *b = unpack(&again, e);
        if (a == NULL || b == NULL || again.entry[e].bytes != zip->entry[e].bytes || memcmp(a, b, zip->entry[e].bytes) != 0)
            abort();
        free(a);
        free(b);
    }
    zipfile_close(&again);
    file_drop(&file);
}

static void check_entries(struct overlay *overlay, const struct zipfile *zip)
{
    bool sound = true;
    uint64_t content = 0;
    for (uint32_t e = 0; e < zip->count && content <= CONTENT_MAX; e++)
        content = zip->entry[e].bytes > CONTENT_MAX ? UINT64_MAX : content + zip->entry[e].bytes;
    if (content > CONTENT_MAX || zip->count > 200)
        return;
    for (uint32_t e = 0; e < zip->count; e++) {
        char path[64];
        struct err err = {0};
        (void)zipentry_is_path(zip->entry[e].name);
        uint8_t *expected = unpack(zip, e);
        (void)snprintf(path, sizeof path, "entry/%u", e);
        const enum status status = overlay_add_entry(overlay, path, zip, e, &err);
        harness_check(status, &err);
        if (status == STATUS_OK)
            check_reading(overlay, path, expected, zip->entry[e].bytes);
        sound = sound && expected != NULL;
        free(expected);
    }
    if (sound && zip->count > 0)
        check_expanded(overlay, zip);
}

static void check_stream(struct overlay *overlay, const struct file *outer)
{
    struct err err = {0};
    char path[64];
    uint64_t bytes = 0;
    struct zstream_written written;
    const struct file to = memory_file("content", path, sizeof path);
    const enum status limited = zstream_extract(&(struct zstream){outer, 0, outer->bytes}, &to, CONTENT_MAX, &written, &err);
    (void)close(to.fd);
    harness_check(limited, &err);
    if (limited != STATUS_OK)
        return; /* damaged, or a bomb */
    const enum status status = overlay_add_zstd(overlay, "stream", outer, &bytes, &err);
    harness_check(status, &err);
    if (status == STATUS_OK && bytes <= CONTENT_MAX)
        check_reading(overlay, "stream", NULL, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct overlay overlay = {0};
    struct zipfile zip = {0};
    struct err err = {0};
    const struct file *outer;
    char path[64];
    const char *spool = getenv("TMPDIR");
    const struct file in = memory_file("input", path, sizeof path);
    if (write(in.fd, data, size) != (ssize_t)size || overlay_open(&overlay, &file_posix, spool == NULL ? "/tmp" : spool, &err) != STATUS_OK ||
        overlay_outer(&overlay, path, &outer, &err) != STATUS_OK)
        abort();
    if (zstream_probe(data, size)) {
        check_stream(&overlay, outer);
    } else {
        const enum status status = zipfile_open(&zip, outer, &err);
        harness_check(status, &err);
        if (status == STATUS_OK)
            check_entries(&overlay, &zip);
        zipfile_close(&zip);
    }
    overlay_close(&overlay);
    (void)close(in.fd);
    return 0;
}
