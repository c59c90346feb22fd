/* Importance matrices of both forms: what is accepted has its values within the file, and finite. */
#include "harness.h"

#include "formats/imatrix.h"

#include <math.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static void look(const struct imatrix *imatrix)
{
    struct err err;
    float values[8];
    for (size_t e = 0; e < imatrix->count && e < 100; e++) {
        const struct imatrix_entry *entry = imatrix_find(imatrix, imatrix->entry[e].name);
        if (entry == NULL || entry->values == 0 || entry->parts == 0 || entry->values % entry->parts != 0)
            abort();
        const uint64_t count = entry->values < 8 ? entry->values : 8;
        if (imatrix_load(imatrix, entry, entry->values - count, count, values, &err) != STATUS_OK)
            abort();
        for (uint64_t i = 0; i < count; i++)
            if (!isfinite(values[i]))
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("input", MFD_CLOEXEC);
    char path[64];
    struct imatrix imatrix = {0};
    struct err err = {0};
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status status = imatrix_open(&imatrix, &file_posix, path, &err);
    if (status == STATUS_OK)
        status = imatrix_check(&imatrix, &err);
    harness_check(status, &err);
    if (status == STATUS_OK)
        look(&imatrix);
    imatrix_free(&imatrix);
    (void)close(fd);
    return 0;
}
