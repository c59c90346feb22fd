/* Zip archives (PKWARE's APPNOTE): what they hold and where. libzip reads the directory; bytes are then read at their own place in the outer file, or
 * streamed where they are compressed. */
#ifndef REPAQ_ZIPFILE_H
#define REPAQ_ZIPFILE_H

#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"

enum zipfile_method { ZIPFILE_STORED = 0, ZIPFILE_DEFLATED = 8, ZIPFILE_ZSTD = 93 };

struct zipfile_entry {
    const char *name;  /* in the arena; UTF-8 or not, without NUL */
    uint64_t bytes;    /* of the content */
    uint64_t stored;   /* of what the file holds of it */
    uint64_t offset;   /* of these in the file; within it, and apart from those of every other entry */
    uint32_t crc;      /* 0: not computed */
    uint16_t method;
    bool link;         /* a symbolic link of Unix, whose content is where it leads */
};

/* Zero-initialise; free with zipfile_close. */
struct zipfile {
    const struct file *file; /* borrowed */
    struct arena arena;
    struct zipfile_entry *entry; /* in the arena; in the order of the directory */
    size_t count;
    struct map by_name;
    struct zip *archive;
    uint64_t last_read; /* where libzip read last */
    uint64_t position;  /* of libzip */
};

/* True if the first bytes are those of a zip archive. */
bool zipfile_probe(const void *head, size_t head_bytes);
/* Lists and checks the archive: the directory against every local header, one entry for a name, no encryption, extents inside the file that do not overlap,
 * the first of them at its start, methods stored, deflated or zstd. CORRUPT, UNSUPPORTED (method, encryption), LIMIT, IO. */
enum status zipfile_open(struct zipfile *zip, const struct file *file, struct err *err) WARN_UNUSED;
void zipfile_close(struct zipfile *zip);
/* Index of the entry, or MAP_NONE. */
uint32_t zipfile_find(const struct zipfile *zip, const char *name);
/* The content of a stored or deflated entry, of at most bytes_max (LIMIT), into text (replaced). Exactly its size must come, with its CRC. */
enum status zipfile_slurp(const struct zipfile *zip, uint32_t entry, uint64_t bytes_max, struct text *text, struct err *err) WARN_UNUSED;
/* The same into a file, from byte `at` of it on. */
enum status zipfile_extract(const struct zipfile *zip, uint32_t entry, const struct file *to, uint64_t at, struct err *err) WARN_UNUSED;

#endif
