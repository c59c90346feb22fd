/* libzip's own checks are ZIP_CHECKCONS's: the directory agrees with each local header, no name twice, nothing behind the end. What it does not look for
 * (nih-at/libzip:lib/zip_open.c compares only the least and the greatest offset) is looked for here: entries that overlap, or archives behind each other. */
#include "container/zipfile.h"

#include "base/checked.h"
#include "base/le.h"
#include "base/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

enum { STREAM_BYTES = 1 << 20, LOCAL_BYTES = 30, END_BYTES_MAX = 22 + 65535 + 20 };

/* --- libzip's view of the file ------------------------------------------------------------------------------------------------- */

static zip_int64_t give(struct zipfile *zip, void *data, zip_uint64_t size)
{
    const uint64_t left = zip->file->bytes - zip->position, part = size < left ? size : left;
    zip->last_read = zip->position;
    if (part > INT32_MAX || file_read(zip->file, data, (size_t)part, zip->position, NULL) != STATUS_OK)
        return -1;
    zip->position += part;
    return (zip_int64_t)part;
}

static zip_int64_t source_call(void *context, void *data, zip_uint64_t size, zip_source_cmd_t command)
{
    struct zipfile *zip = context;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        zip->position = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return give(zip, data, size);
    case ZIP_SOURCE_SEEK: {
        const zip_int64_t to = zip_source_seek_compute_offset(zip->position, zip->file->bytes, data, size, NULL);
        if (to < 0)
            return -1;
        zip->position = (uint64_t)to;
        return 0;
    }
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)zip->position;
    case ZIP_SOURCE_STAT: {
        zip_stat_t *stat = data;
        zip_stat_init(stat);
        stat->size = zip->file->bytes;
        stat->valid |= ZIP_STAT_SIZE;
        return sizeof *stat;
    }
    case ZIP_SOURCE_ERROR: {
        const int pair[2] = {ZIP_ER_READ, 0};
        memcpy(data, pair, sizeof pair);
        return sizeof pair;
    }
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, -1);
    default:
        return command == ZIP_SOURCE_CLOSE || command == ZIP_SOURCE_FREE ? 0 : -1;
    }
}

static enum status say(const struct zipfile *zip, const char *doing, zip_error_t *error, struct err *err)
{
    const int code = zip_error_code_zip(error);
    const enum status status = code == ZIP_ER_MEMORY ? STATUS_LIMIT : STATUS_CORRUPT;
    return err_set(err, status, zip->file->path, "%s: %s", doing, zip_error_strerror(error));
}

static enum status open_archive(struct zipfile *zip, struct err *err)
{
    zip_error_t error;
    zip_error_init(&error);
    enum status status = STATUS_OK;
    zip_source_t *source = zip_source_function_create(source_call, zip, &error);
    if (source != NULL)
        zip->archive = zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error);
    if (zip->archive == NULL) {
        status = say(zip, "found no sound zip archive", &error, err);
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return status;
}

/* --- entries ------------------------------------------------------------------------------------------------------------------- */

static enum status refuse(const struct zipfile *zip, const char *name, const char *what, enum status status, struct err *err)
{
    char where[700];
    (void)snprintf(where, sizeof where, "%.300s: %.300s", zip->file->path, name);
    return err_set(err, status, where, "%s", what);
}

/* Where the entry's bytes begin: where libzip reads first to give its first byte. */
static enum status find_offset(struct zipfile *zip, uint64_t index, struct zipfile_entry *entry, struct err *err)
{
    uint8_t byte;
    uint64_t end;
    zip_file_t *stream = zip_fopen_index(zip->archive, index, ZIP_FL_COMPRESSED);
    if (stream == NULL)
        return say(zip, entry->name, zip_get_error(zip->archive), err);
    const bool read = entry->stored == 0 || zip_fread(stream, &byte, 1) == 1;
    (void)zip_fclose(stream);
    entry->offset = entry->stored == 0 ? 0 : zip->last_read;
    if (!read || !checked_add(entry->offset, entry->stored, &end) || end > zip->file->bytes)
        return refuse(zip, entry->name, "truncated: found an entry that reaches beyond the end of the archive", STATUS_CORRUPT, err);
    return STATUS_OK;
}

/* By the mode, which systems of Unix's kind keep in the upper half of the external attributes (APPNOTE 4.4.2.2 and 4.4.15). */
static bool is_link(const struct zipfile *zip, uint64_t index)
{
    zip_uint8_t system = ZIP_OPSYS_DOS;
    zip_uint32_t attributes = 0;
    return zip_file_get_external_attributes(zip->archive, index, 0, &system, &attributes) == 0 && (system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X) &&
           (attributes >> 16 & 0170000) == 0120000;
}

static enum status take_entry(struct zipfile *zip, uint64_t index, struct err *err)
{
    struct zipfile_entry *entry = &zip->entry[index];
    const uint64_t all = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_CRC | ZIP_STAT_COMP_METHOD;
    zip_stat_t stat;
    uint32_t before;
    if (zip_stat_index(zip->archive, index, ZIP_FL_ENC_RAW, &stat) != 0)
        return say(zip, "found no directory entry", zip_get_error(zip->archive), err);
    if ((stat.valid & all) != all)
        return err_set(err, STATUS_CORRUPT, zip->file->path, "found a directory entry without its sizes");
    *entry = (struct zipfile_entry){
        arena_copy(&zip->arena, stat.name, strlen(stat.name), err), stat.size, stat.comp_size, 0, stat.crc, stat.comp_method, is_link(zip, index)};
    if (entry->name == NULL)
        return STATUS_LIMIT;
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE)
        return refuse(zip, entry->name, "found an encrypted entry, which is not read", STATUS_UNSUPPORTED, err);
    if (entry->method != ZIPFILE_STORED && entry->method != ZIPFILE_DEFLATED && entry->method != ZIPFILE_ZSTD)
        return refuse(zip, entry->name, "found a compression that is not read, expected stored, deflated or zstd", STATUS_UNSUPPORTED, err);
    if (entry->method == ZIPFILE_STORED && entry->bytes != entry->stored)
        return refuse(zip, entry->name, "found a stored entry whose two sizes differ", STATUS_CORRUPT, err);
    if (entry->bytes / 1040 > entry->stored && entry->method == ZIPFILE_DEFLATED) /* deflate makes at most 1032 of one */
        return refuse(zip, entry->name, "found a size that its compressed bytes cannot make", STATUS_CORRUPT, err);
    TRY(map_add(&zip->by_name, slice_of(entry->name), (uint32_t)index, &before, err));
    if (before != MAP_NONE)
        return refuse(zip, entry->name, "found the name twice, expected one entry", STATUS_CORRUPT, err);
    return find_offset(zip, index, entry, err);
}

/* The directory ends where the end records begin, so that nothing lies between them: no second archive, whose directory names the first one's entries.
 *
 *   | entries | directory | [zip64 end record | its locator, 20 bytes |] end record, 22 bytes | comment |                       (APPNOTE 4.3.14 to 4.3.16)
 */
static enum status check_end(const struct zipfile *zip, struct err *err)
{
    const uint64_t size = zip->file->bytes, most = size < END_BYTES_MAX ? size : END_BYTES_MAX;
    uint8_t *tail = mem_alloc(most, 1, err), record[56];
    if (tail == NULL)
        return STATUS_LIMIT;
    enum status status = file_read(zip->file, tail, (size_t)most, size - most, err);
    uint64_t at = most < 22 ? 0 : most - 22;
    while (status == STATUS_OK && at > 0 && !(memcmp(tail + at, "PK\5\6", 4) == 0 && at + 22 + le_load16(tail + at + 20) == most))
        at--;
    uint64_t end = size - most + at, directory = (uint64_t)le_load32(tail + at + 12) + le_load32(tail + at + 16);
    if (status == STATUS_OK && at >= 20 && memcmp(tail + at - 20, "PK\6\7", 4) == 0) {
        end = le_load64(tail + at - 12);
        status = end > size - sizeof record ? err_set(err, STATUS_CORRUPT, zip->file->path, "found no zip64 end record where its locator says")
                                            : file_read(zip->file, record, sizeof record, end, err);
        if (status == STATUS_OK)
            directory = le_load64(record + 40) + le_load64(record + 48);
    }
    free(tail);
    if (status == STATUS_OK && (at == 0 || directory != end))
        return err_set(err, STATUS_CORRUPT, zip->file->path,
                       "found bytes between the zip directory and its end record, expected one archive and nothing else");
    return status;
}

static int by_offset(const void *a, const void *b)
{
    const struct zipfile_entry *x = *(const struct zipfile_entry *const *)a, *y = *(const struct zipfile_entry *const *)b;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : x->stored != y->stored ? (x->stored < y->stored ? -1 : 1) : 0;
}

/* Entries lie apart, each behind a local header of its own; the first header is the file's first bytes. */
static enum status check_places(const struct zipfile *zip, const struct zipfile_entry **sorted, struct err *err)
{
    uint8_t local[LOCAL_BYTES];
    uint64_t end = 0;
    TRY(file_read(zip->file, local, sizeof local, 0, err));
    const uint64_t first = LOCAL_BYTES + (uint64_t)le_load16(local + 26) + le_load16(local + 28);
    size_t i = 0;
    while (i < zip->count && sorted[i]->stored == 0)
        i++;
    if (i == 0 && zip->count > 0 && sorted[0]->offset != first)
        return refuse(zip, sorted[0]->name, "found bytes before the first entry, expected one archive and nothing else", STATUS_CORRUPT, err);
    for (; i < zip->count; i++) {
        if (sorted[i]->offset < end + (end > 0 ? LOCAL_BYTES : 0))
            return refuse(zip, sorted[i]->name, "found an entry that overlaps another", STATUS_CORRUPT, err);
        end = sorted[i]->offset + sorted[i]->stored;
    }
    return STATUS_OK;
}

static enum status list_entries(struct zipfile *zip, struct err *err)
{
    const zip_int64_t count = zip_get_num_entries(zip->archive, 0);
    if (count < 0 || count > (zip_int64_t)LIMIT_TENSORS_MAX)
        return err_set(err, STATUS_LIMIT, zip->file->path, "found an archive of more than %u entries", LIMIT_TENSORS_MAX);
    zip->count = (size_t)count;
    zip->entry = arena_alloc(&zip->arena, zip->count, sizeof *zip->entry, err);
    const struct zipfile_entry **sorted = mem_alloc(zip->count + 1, sizeof *sorted, err);
    enum status status = zip->entry == NULL || sorted == NULL ? STATUS_LIMIT : STATUS_OK;
    for (uint64_t i = 0; status == STATUS_OK && i < zip->count; i++) {
        sorted[i] = &zip->entry[i];
        status = take_entry(zip, i, err);
    }
    if (status == STATUS_OK) {
        qsort(sorted, zip->count, sizeof *sorted, by_offset);
        status = check_places(zip, sorted, err);
    }
    free(sorted);
    return status;
}

bool zipfile_probe(const void *head, size_t head_bytes)
{
    return head_bytes >= 4 && memcmp(head, "PK\3\4", 4) == 0;
}

enum status zipfile_open(struct zipfile *zip, const struct file *file, struct err *err)
{
    uint8_t head[LOCAL_BYTES] = {0};
    *zip = (struct zipfile){.file = file};
    if (file->bytes < sizeof head)
        return err_set(err, STATUS_CORRUPT, file->path, "found %llu bytes, expected a zip archive", (unsigned long long)file->bytes);
    TRY(file_read(file, head, sizeof head, 0, err));
    if (!zipfile_probe(head, sizeof head))
        return err_set(err, STATUS_CORRUPT, file->path, "found other first bytes than a zip archive's");
    TRY(open_archive(zip, err));
    TRY(check_end(zip, err));
    return list_entries(zip, err);
}

void zipfile_close(struct zipfile *zip)
{
    if (zip->archive != NULL)
        zip_discard(zip->archive);
    map_free(&zip->by_name);
    arena_free(&zip->arena);
    *zip = (struct zipfile){0};
}

uint32_t zipfile_find(const struct zipfile *zip, const char *name)
{
    return map_find(&zip->by_name, slice_of(name));
}

/* --- content ------------------------------------------------------------------------------------------------------------------- */

struct sink {
    struct text *text; /* NULL: the file */
    const struct file *to;
    uint64_t at; /* of the file */
};

/* Exactly the content, in parts. Behind it libzip must find the end, and the CRC that the directory states; one of 0 was never computed. */
static enum status pump(const struct zipfile *zip, const struct zipfile_entry *entry, zip_file_t *from, const struct sink *sink, struct err *err)
{
    char *part = mem_alloc(STREAM_BYTES, 1, err);
    enum status status = part == NULL ? STATUS_LIMIT : STATUS_OK;
    for (uint64_t done = 0; status == STATUS_OK && done < entry->bytes;) {
        const uint64_t left = entry->bytes - done;
        const zip_int64_t got = zip_fread(from, part, left < STREAM_BYTES ? left : STREAM_BYTES);
        if (got <= 0)
            status = refuse(zip, entry->name, "found an entry that ends early, or whose compressed bytes are damaged", STATUS_CORRUPT, err);
        else if (sink->text != NULL)
            text_add(sink->text, part, (size_t)got);
        else
            status = file_write(sink->to, part, (size_t)got, sink->at + done, err);
        done += status == STATUS_OK ? (uint64_t)got : 0;
    }
    if (status == STATUS_OK) {
        const zip_int64_t more = zip_fread(from, part, 1);
        if (more != 0 && !(more < 0 && entry->crc == 0))
            status = refuse(zip, entry->name, more > 0 ? "found more content than its size says" : "found content that its CRC does not fit",
                            STATUS_CORRUPT, err);
    }
    free(part);
    return status;
}

static enum status draw(const struct zipfile *zip, uint32_t index, const struct sink *sink, struct err *err)
{
    const struct zipfile_entry *entry = &zip->entry[index];
    if (entry->method == ZIPFILE_ZSTD)
        return refuse(zip, entry->name, "found an entry compressed with zstd where none is expected", STATUS_UNSUPPORTED, err);
    zip_file_t *from = zip_fopen_index(zip->archive, index, 0);
    if (from == NULL)
        return say(zip, entry->name, zip_get_error(zip->archive), err);
    const enum status status = pump(zip, entry, from, sink, err);
    (void)zip_fclose(from);
    return status;
}

enum status zipfile_slurp(const struct zipfile *zip, uint32_t entry, uint64_t bytes_max, struct text *text, struct err *err)
{
    if (zip->entry[entry].bytes > bytes_max)
        return refuse(zip, zip->entry[entry].name, "found an entry larger than what is read of its kind", STATUS_LIMIT, err);
    text_free(text);
    TRY(draw(zip, entry, &(struct sink){.text = text}, err));
    return text_check(text, err);
}

enum status zipfile_extract(const struct zipfile *zip, uint32_t entry, const struct file *to, uint64_t at, struct err *err)
{
    return draw(zip, entry, &(struct sink){.to = to, .at = at}, err);
}
