#include "base/crc32.h"
#include "container/overlay.h"
#include "container/zipentry.h"
#include "container/zipwrite.h"
#include "container/zstream.h"

#include "numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { CONTENT = 2 * ZSTREAM_FRAME_BYTES + 12345 };

static uint8_t *make_content(void)
{
    uint8_t *content = malloc(CONTENT);
    uint32_t state = 1;
    assert_non_null(content);
    for (size_t i = 0; i < CONTENT; i++) {
        state = state * 1664525 + 1013904223;
        content[i] = (uint8_t)(state >> 24 & 15);
    }
    return content;
}

static void write_file(const char *path, const void *data, size_t size)
{
    (void)unlink(path);
    assert_int_equal(file_spill(&file_posix, path, data, size, NULL), STATUS_OK);
}

/* content.bin as content.zst; returns the written sizes. */
static struct zstream_written compress(const uint8_t *content)
{
    struct file from, to;
    struct zstream_written written;
    write_file("content.bin", content, CONTENT);
    (void)unlink("content.zst");
    assert_int_equal(file_open_read(&from, &file_posix, "content.bin", NULL), STATUS_OK);
    assert_int_equal(file_create(&to, &file_posix, "content.zst", NULL), STATUS_OK);
    assert_int_equal(zstream_compress(&from, &to, 0, &written, NULL), STATUS_OK);
    file_drop(&from);
    file_drop(&to);
    return written;
}

static void the_check_value_of_crc32(void **state)
{
    (void)state;
    struct crc32 crc;
    crc32_start(&crc);
    crc32_add(&crc, "123456789", 9);
    assert_int_equal(crc32_end(&crc), 0xcbf43926);
    crc32_start(&crc); /* in other parts */
    crc32_add(&crc, "1", 1);
    crc32_add(&crc, "23456789", 8);
    assert_int_equal(crc32_end(&crc), 0xcbf43926);
}

static void a_stream_is_read_from_the_start_and_anywhere(void **state)
{
    (void)state;
    uint8_t *content = make_content(), *data = malloc(CONTENT);
    const struct zstream_written written = compress(content);
    struct file file, out;
    assert_int_equal(written.content, CONTENT);
    assert_int_equal(file_open_read(&file, &file_posix, "content.zst", NULL), STATUS_OK);
    assert_int_equal(file.bytes, written.stored);
    const struct zstream stream = {&file, 0, file.bytes};
    struct zstream_written again;
    (void)unlink("again.bin");
    assert_int_equal(file_create(&out, &file_posix, "again.bin", NULL), STATUS_OK);
    assert_int_equal(zstream_extract(&stream, &out, CONTENT, &again, NULL), STATUS_OK);
    assert_int_equal(again.content, CONTENT);
    assert_int_equal(again.crc, written.crc);
    assert_int_equal(file_read(&out, data, CONTENT, 0, NULL), STATUS_OK);
    assert_memory_equal(data, content, CONTENT);
    assert_int_equal(zstream_extract(&stream, &out, CONTENT - 1, &again, NULL), STATUS_CORRUPT); /* more than was promised */
    file_drop(&out);
    struct zstream_table table;
    bool seekable;
    assert_int_equal(zstream_seek_table(&stream, &table, &seekable, NULL), STATUS_OK);
    assert_true(seekable);
    assert_int_equal(table.frames, 3);
    assert_int_equal(zstream_find_frame(&table, ZSTREAM_FRAME_BYTES - 1), 0);
    assert_int_equal(zstream_find_frame(&table, ZSTREAM_FRAME_BYTES), 1);
    assert_int_equal(zstream_read_frame(&stream, &table, 2, data, NULL), STATUS_OK);
    assert_memory_equal(data, content + 2 * ZSTREAM_FRAME_BYTES, 12345);
    zstream_table_free(&table);
    file_drop(&file);
    free(content);
    free(data);
}

/* What is no table is passed over; what is cut or changed is corrupt. */
static void damage_is_seen(void **state)
{
    (void)state;
    uint8_t *content = make_content();
    const struct zstream_written written = compress(content);
    uint8_t *stored = malloc(written.stored);
    struct file file, out;
    assert_int_equal(file_open_read(&file, &file_posix, "content.zst", NULL), STATUS_OK);
    assert_int_equal(file_read(&file, stored, written.stored, 0, NULL), STATUS_OK);
    file_drop(&file);
    assert_true(zstream_probe(stored, 4));
    assert_false(zstream_probe("PK\3\4", 4));
    for (size_t cut = 1; cut < written.stored; cut += written.stored / 50) {
        struct zstream_written again;
        write_file("cut.zst", stored, cut);
        (void)unlink("again.bin");
        assert_int_equal(file_open_read(&file, &file_posix, "cut.zst", NULL), STATUS_OK);
        assert_int_equal(file_create(&out, &file_posix, "again.bin", NULL), STATUS_OK);
        const struct zstream stream = {&file, 0, file.bytes};
        const enum status status = zstream_extract(&stream, &out, CONTENT, &again, NULL);
        assert_true(status == STATUS_CORRUPT || again.content < CONTENT);
        struct zstream_table table;
        bool seekable;
        assert_int_equal(zstream_seek_table(&stream, &table, &seekable, NULL), STATUS_OK);
        assert_false(seekable);
        file_drop(&file);
        file_drop(&out);
    }
    free(stored);
    free(content);
}

static void names_that_lead_elsewhere(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "config.json", "a/b", ".gitattributes", "a..b", "..a"};
    static const char *const bad[] = {"", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/..", ".", "./a", "a\\b", "a\nb", "1/2/3/4/5/6/7/8/9"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(zipentry_is_path(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(zipentry_is_path(bad[i]));
}

/* An archive's entry under a path of its own reads as the file does, in any parts, and others pass through. */
static void an_overlay_reads_entries_in_place(void **state)
{
    (void)state;
    uint8_t *content = make_content(), *data = malloc(CONTENT);
    struct file from, to, read;
    struct zipwrite writing = {.to = &to};
    struct err err;
    write_file("content.bin", content, CONTENT);
    (void)unlink("bundle.zip");
    assert_int_equal(file_open_read(&from, &file_posix, "content.bin", NULL), STATUS_OK);
    assert_int_equal(file_create(&to, &file_posix, "bundle.zip", NULL), STATUS_OK);
    assert_int_equal(zipwrite_add(&writing, "a/content.bin", &from, NULL), STATUS_OK);
    from.bytes = 0;
    assert_int_equal(zipwrite_add(&writing, "empty", &from, NULL), STATUS_OK);
    assert_int_equal(zipwrite_end(&writing, NULL), STATUS_OK);
    zipwrite_free(&writing);
    file_drop(&from);
    file_drop(&to);
    struct overlay overlay = {0};
    const struct file *outer;
    struct zipfile zip;
    assert_int_equal(overlay_open(&overlay, &file_posix, ".", &err), STATUS_OK);
    assert_int_equal(overlay_outer(&overlay, "bundle.zip", &outer, &err), STATUS_OK);
    assert_int_equal(zipfile_open(&zip, outer, &err), STATUS_OK);
    assert_int_equal(zip.count, 2);
    assert_int_equal(overlay_add_entry(&overlay, "x/content.bin", &zip, zipfile_find(&zip, "a/content.bin"), &err), STATUS_OK);
    assert_int_equal(overlay_add_entry(&overlay, "x/empty", &zip, zipfile_find(&zip, "empty"), &err), STATUS_OK);
    zipfile_close(&zip);
    assert_int_equal(file_open_read(&read, &overlay.ops, "x/empty", &err), STATUS_OK);
    assert_int_equal(read.bytes, 0);
    file_drop(&read);
    assert_int_equal(file_open_read(&read, &overlay.ops, "x/content.bin", &err), STATUS_OK);
    assert_int_equal(read.bytes, CONTENT);
    for (size_t at = 0; at < CONTENT; at += 99991) {
        const size_t size = CONTENT - at < 1300000 ? CONTENT - at : 1300000;
        assert_int_equal(file_read(&read, data, size, at, &err), STATUS_OK);
        assert_memory_equal(data, content + at, size);
    }
    assert_int_equal(file_read(&read, data, 2, CONTENT - 1, &err), STATUS_CORRUPT);
    file_drop(&read);
    assert_int_equal(file_open_read(&read, &overlay.ops, "content.bin", &err), STATUS_OK);
    assert_int_equal(file_read(&read, data, 100, 1000, &err), STATUS_OK);
    assert_memory_equal(data, content + 1000, 100);
    file_drop(&read);
    assert_int_equal(file_open_read(&read, &overlay.ops, "x/absent", &err), STATUS_IO);
    overlay_close(&overlay);
    free(content);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_of_crc32),
        cmocka_unit_test(a_stream_is_read_from_the_start_and_anywhere),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(names_that_lead_elsewhere),
        cmocka_unit_test(an_overlay_reads_entries_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
