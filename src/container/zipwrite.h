/* Writing zip archives whose entries are seekable zstd streams (method 93 of APPNOTE 6.3.7; zip64 throughout). libzip before 1.8 knows no zstd, and no libzip
 * writes frames that can be found again. */
#ifndef REPAQ_ZIPWRITE_H
#define REPAQ_ZIPWRITE_H

#include "base/file.h"
#include "base/text.h"
#include "container/zipfile.h"

/* An archive under way. Zero but for `to`; free with zipwrite_free. */
struct zipwrite {
    const struct file *to; /* borrowed */
    uint64_t at;           /* bytes written */
    uint64_t count;
    uint64_t end;          /* bytes of the whole archive, after zipwrite_end */
    struct text directory; /* what goes behind the entries */
};

/* Appends the file's content under this name (at most 65535 bytes, UTF-8 or not). */
enum status zipwrite_add(struct zipwrite *zip, const char *name, const struct file *from, struct err *err) WARN_UNUSED;
/* Appends an entry of another archive (stored or deflated), stored. */
enum status zipwrite_copy(struct zipwrite *zip, const struct zipfile *from, uint32_t entry, struct err *err) WARN_UNUSED;
/* Writes the directory. */
enum status zipwrite_end(struct zipwrite *zip, struct err *err) WARN_UNUSED;
void zipwrite_free(struct zipwrite *zip);

#endif
