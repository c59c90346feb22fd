/* | local header, name, zip64 field | stream | ... | directory | zip64 end record | its locator | end record |        (APPNOTE 4.3)
 *
 * A local header is written again when the sizes are known. Sizes and offsets always stand in zip64 fields, so that there is one form for all lengths. */
#include "container/zipwrite.h"

#include "base/le.h"
#include "container/zstream.h"

#include <string.h>

enum { VERSION = 63, UTF8 = 1 << 11, DATE_1980 = 0x21, LOCAL = 30, CENTRAL = 46, LOCAL_EXTRA = 20, CENTRAL_EXTRA = 28, NAME_MAX_BYTES = 65535 };

/* What local and central headers have in common: version needed, flags, method, time, date, crc and both sizes, lengths of the name and of the field. A
 * name that is no UTF-8 must not be called so: readers refuse it. */
static void put_common(uint8_t *at, const char *name, uint16_t method, uint32_t crc, uint16_t extra)
{
    le_store16(at, VERSION);
    le_store16(at + 2, slice_is_utf8(slice_of(name)) ? UTF8 : 0);
    le_store16(at + 4, method);
    le_store16(at + 6, 0);
    le_store16(at + 8, DATE_1980);
    le_store32(at + 10, crc);
    le_store32(at + 14, UINT32_MAX);
    le_store32(at + 18, UINT32_MAX);
    le_store16(at + 22, (uint16_t)strlen(name));
    le_store16(at + 24, extra);
}

static void put_zip64(uint8_t *at, uint16_t size, const struct zstream_written *written)
{
    le_store16(at, 1);
    le_store16(at + 2, (uint16_t)(size - 4));
    le_store64(at + 4, written->content);
    le_store64(at + 12, written->stored);
}

static enum status write_local(const struct zipwrite *zip, const char *name, uint16_t method, const struct zstream_written *written, struct err *err)
{
    uint8_t local[LOCAL], extra[LOCAL_EXTRA];
    const size_t size = strlen(name);
    memcpy(local, "PK\3\4", 4);
    put_common(local + 4, name, method, written->crc, LOCAL_EXTRA);
    put_zip64(extra, LOCAL_EXTRA, written);
    TRY(file_write(zip->to, local, sizeof local, zip->at, err));
    TRY(file_write(zip->to, name, size, zip->at + LOCAL, err));
    return file_write(zip->to, extra, sizeof extra, zip->at + LOCAL + size, err);
}

/* The local header before the data that was written, and the entry's record of the directory. */
static enum status add(struct zipwrite *zip, const char *name, uint16_t method, const struct zstream_written *written, struct err *err)
{
    const size_t size = strlen(name);
    uint8_t central[CENTRAL] = {0}, extra[CENTRAL_EXTRA];
    TRY(write_local(zip, name, method, written, err));
    memcpy(central, "PK\1\2", 4);
    le_store16(central + 4, 3 << 8 | VERSION); /* made on Unix */
    put_common(central + 6, name, method, written->crc, CENTRAL_EXTRA);
    le_store32(central + 38, UINT32_C(0100644) << 16);
    le_store32(central + 42, UINT32_MAX);
    put_zip64(extra, CENTRAL_EXTRA, written);
    le_store64(extra + 20, zip->at);
    text_add(&zip->directory, (const char *)central, sizeof central);
    text_add(&zip->directory, name, size);
    text_add(&zip->directory, (const char *)extra, sizeof extra);
    zip->at += LOCAL + size + LOCAL_EXTRA + written->stored;
    zip->count++;
    return text_check(&zip->directory, err);
}

enum status zipwrite_add(struct zipwrite *zip, const char *name, const struct file *from, struct err *err)
{
    struct zstream_written written;
    if (strlen(name) > NAME_MAX_BYTES)
        return err_set(err, STATUS_LIMIT, name, "found a name longer than %d bytes", NAME_MAX_BYTES);
    TRY(zstream_compress(from, zip->to, zip->at + LOCAL + strlen(name) + LOCAL_EXTRA, &written, err));
    return add(zip, name, ZIPFILE_ZSTD, &written, err);
}

enum status zipwrite_copy(struct zipwrite *zip, const struct zipfile *from, uint32_t entry, struct err *err)
{
    const struct zipfile_entry *copied = &from->entry[entry];
    const struct zstream_written written = {copied->bytes, copied->bytes, copied->crc};
    TRY(zipfile_extract(from, entry, zip->to, zip->at + LOCAL + strlen(copied->name) + LOCAL_EXTRA, err));
    return add(zip, copied->name, ZIPFILE_STORED, &written, err);
}

enum status zipwrite_end(struct zipwrite *zip, struct err *err)
{
    uint8_t record[56] = {0}, locator[20] = {0}, end[22] = {0};
    const uint64_t start = zip->at, size = zip->directory.size;
    memcpy(record, "PK\6\6", 4);
    le_store64(record + 4, sizeof record - 12);
    le_store16(record + 12, 3 << 8 | VERSION);
    le_store16(record + 14, VERSION);
    le_store64(record + 24, zip->count);
    le_store64(record + 32, zip->count);
    le_store64(record + 40, size);
    le_store64(record + 48, start);
    memcpy(locator, "PK\6\7", 4);
    le_store64(locator + 8, start + size);
    le_store32(locator + 16, 1);
    memcpy(end, "PK\5\6", 4);
    le_store16(end + 8, zip->count < UINT16_MAX ? (uint16_t)zip->count : UINT16_MAX);
    le_store16(end + 10, zip->count < UINT16_MAX ? (uint16_t)zip->count : UINT16_MAX);
    le_store32(end + 12, size < UINT32_MAX ? (uint32_t)size : UINT32_MAX);
    le_store32(end + 16, start < UINT32_MAX ? (uint32_t)start : UINT32_MAX);
    if (size > 0)
        TRY(file_write(zip->to, zip->directory.data, (size_t)size, start, err));
    TRY(file_write(zip->to, record, sizeof record, start + size, err));
    TRY(file_write(zip->to, locator, sizeof locator, start + size + sizeof record, err));
    zip->end = start + size + sizeof record + sizeof locator + sizeof end;
    return file_write(zip->to, end, sizeof end, zip->end - sizeof end, err);
}

void zipwrite_free(struct zipwrite *zip)
{
    text_free(&zip->directory);
}
