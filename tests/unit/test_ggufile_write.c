#include "container/ggufile_write.h"

#include "base/le.h"
#include "container/ggufile_value.h"
#include "gguf_bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <ftw.h>

/* The header of a file that was read, written again. */
static void write_again(const struct ggufile *gguf, struct ggufile_writer *writer, struct text *header, uint64_t *file_bytes)
{
    struct err err = {0};
    struct ggufile_entry *entry = calloc(gguf->tensor_count + 1, sizeof *entry);
    assert_non_null(entry);
    for (size_t i = 0; i < gguf->value_count; i++)
        ggufile_write_value(writer, &gguf->value[i]);
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        const struct ggufile_tensor *tensor = &gguf->tensor[i];
        entry[i] = (struct ggufile_entry){.name = tensor->name, .rank = tensor->rank, .type = tensor->type};
        memcpy(entry[i].dims, tensor->dims, sizeof entry[i].dims);
    }
    if (ggufile_write_layout(writer, entry, gguf->tensor_count, header, file_bytes, &err) != STATUS_OK)
        fail_msg("%s: %s", err.where, err.what);
    for (size_t i = 0; i < gguf->tensor_count; i++)
        assert_int_equal(entry[i].bytes, gguf->tensor[i].bytes);
    for (size_t i = 0; i < gguf->tensor_count && gguf->version > 1; i++)
        assert_int_equal(entry[i].offset, gguf->tensor[i].offset);
    free(entry);
}

/* From every form into both byte orders, byte for byte what writing it by hand gives. */
static void every_form_becomes_version_3(void **state)
{
    (void)state;
    for (uint32_t version = 1; version <= 3; version++) {
        for (unsigned from = 0; from < 2; from++) {
            for (unsigned to = 0; to < 2; to++) {
                struct gguf_bytes source = {.big = from != 0}, wanted = {.big = to != 0};
                struct ggufile_writer writer = {.big_endian = to != 0};
                struct ggufile gguf;
                struct err err = {0};
                struct text header = {0};
                uint64_t file_bytes;
                put_everything(&source, version);
                put_everything(&wanted, 3);
                assert_int_equal(gguf_read_bytes(&source, false, &gguf, &err), STATUS_OK);
                write_again(&gguf, &writer, &header, &file_bytes);
                assert_int_equal(file_bytes, wanted.text.size);
                assert_int_equal(header.size, wanted.text.size - 128);
                assert_memory_equal(header.data, wanted.text.data, header.size);
                ggufile_free(&gguf);
                ggufile_write_free(&writer);
                text_free(&source.text);
                text_free(&wanted.text);
                text_free(&header);
            }
        }
    }
}

/* Reads what a writer made; data are zeros. */
static void read_back(struct text *header, uint64_t file_bytes, struct ggufile *gguf)
{
    struct gguf_bytes bytes = {.text = *header};
    struct err err = {0};
    put_zeros(&bytes, (size_t)file_bytes - header->size);
    *header = bytes.text;
    if (gguf_read_bytes(&bytes, false, gguf, &err) != STATUS_OK)
        fail_msg("%s: %s", err.where, err.what);
    assert_int_equal(gguf->trailing_bytes, 0);
}

static void add_pairs(struct ggufile_writer *writer)
{
    uint8_t numbers[12];
    for (unsigned i = 0; i < 3; i++)
        le_store32(numbers + 4 * i, 70000 + i);
    ggufile_write_u32(writer, "general.alignment", 64);
    ggufile_write_string(writer, "general.architecture", slice_of("llama"));
    ggufile_write_integer(writer, "minus", GGUFILE_I32, (uint64_t)(int64_t)-3);
    ggufile_write_f32(writer, "eps", 1e-5f);
    ggufile_write_bool(writer, "yes", true);
    ggufile_write_array(writer, "numbers", GGUFILE_U32, 3, numbers);
    ggufile_write_strings(writer, "tokens", 2);
    ggufile_write_item(writer, slice_of("<s>"));
    ggufile_write_item(writer, slice_of(""));
    ggufile_write_strings(writer, "none", 0);
}

static void check_pairs(const struct ggufile *gguf)
{
    struct err err = {0};
    struct ggufile_array array;
    struct slice string;
    int64_t integer;
    double number;
    bool truth = false;
    assert_int_equal(gguf->value_count, 8);
    assert_true(ggufile_value_string(gguf, "general.architecture", &string, NULL, &err) == STATUS_OK && slice_is(string, "llama"));
    assert_true(ggufile_value_i64(gguf, "minus", &integer, NULL, &err) == STATUS_OK && integer == -3);
    assert_true(ggufile_value_f64(gguf, "eps", &number, NULL, &err) == STATUS_OK && number == (double)1e-5f);
    assert_true(ggufile_value_bool(gguf, "yes", &truth, NULL, &err) == STATUS_OK && truth);
    assert_int_equal(ggufile_value_array(gguf, "numbers", GGUFILE_U32, &array, NULL, &err), STATUS_OK);
    assert_true(ggufile_value_integer(&array, 2, &integer) && integer == 70002);
    assert_int_equal(ggufile_value_array(gguf, "tokens", GGUFILE_STRING, &array, NULL, &err), STATUS_OK);
    assert_true(ggufile_value_next(&array, &string) && slice_is(string, "<s>") && ggufile_value_next(&array, &string) && string.size == 0);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (unsigned big = 0; big < 2; big++) {
        struct ggufile_writer writer = {.big_endian = big != 0};
        struct ggufile_entry entry[] = {
            {.name = "a", .dims = {32, 3}, .rank = 2, .type = GGML_Q4_0},
            {.name = "b", .rank = 0, .type = GGML_F32},
            {.name = "c", .dims = {5}, .rank = 1, .type = GGML_F16},
            {.name = "d", .dims = {0, 3, 1, 1}, .rank = 4, .type = GGML_F16},
        };
        struct text header = {0};
        struct ggufile gguf;
        struct err err = {0};
        uint64_t file_bytes;
        add_pairs(&writer);
        assert_int_equal(ggufile_write_layout(&writer, entry, 4, &header, &file_bytes, &err), STATUS_OK);
        assert_int_equal(entry[0].offset, header.size);
        assert_int_equal(header.size % 64, 0);
        assert_true(entry[0].bytes == 54 && entry[1].bytes == 4 && entry[2].bytes == 10 && entry[3].bytes == 0);
        assert_int_equal(file_bytes, header.size + 3 * 64);
        read_back(&header, file_bytes, &gguf);
        assert_true(gguf.big_endian == (big != 0) && gguf.alignment == 64 && gguf.version == 3);
        for (size_t i = 0; i < 4; i++)
            assert_true(gguf.tensor[i].offset == entry[i].offset && gguf.tensor[i].rank == entry[i].rank && gguf.tensor[i].type == entry[i].type);
        check_pairs(&gguf);
        ggufile_free(&gguf);
        ggufile_write_free(&writer);
        text_free(&header);
    }
}

static void files_without_tensors(void **state)
{
    (void)state;
    for (unsigned bare = 0; bare < 2; bare++) {
        struct ggufile_writer writer = {.bare = bare != 0};
        struct text header = {0};
        struct ggufile gguf;
        struct err err = {0};
        uint64_t file_bytes;
        ggufile_write_u32(&writer, "a", 1);
        assert_int_equal(ggufile_write_layout(&writer, NULL, 0, &header, &file_bytes, &err), STATUS_OK);
        assert_int_equal(header.size, bare != 0 ? 24 + 9 + 4 + 4 : 64);
        assert_int_equal(file_bytes, header.size);
        read_back(&header, file_bytes, &gguf);
        ggufile_free(&gguf);
        ggufile_write_free(&writer);
        text_free(&header);
    }
}

static enum status lay_out(struct ggufile_writer *writer, struct ggufile_entry *entry, size_t count, struct err *err)
{
    struct text header = {0};
    uint64_t file_bytes;
    const enum status status = ggufile_write_layout(writer, entry, count, &header, &file_bytes, err);
    text_free(&header);
    return status;
}

static void pairs_that_cannot_be(void **state)
{
    (void)state;
    static char key[65537];
    memset(key, 'k', sizeof key - 1);
    for (unsigned kind = 0; kind < 7; kind++) {
        struct ggufile_writer writer = {0};
        struct err err = {0};
        if (kind == 0) {
            ggufile_write_u32(&writer, "twice", 1);
            ggufile_write_string(&writer, "twice", slice_of("x"));
            ggufile_write_u32(&writer, "later", 1); /* nothing is done after a failure */
            ggufile_write_strings(&writer, "strings", 1);
            ggufile_write_item(&writer, slice_of("x"));
        } else if (kind == 1) {
            ggufile_write_bool(&writer, "", true);
        } else if (kind == 2) {
            ggufile_write_bool(&writer, key, true);
        } else if (kind == 3) {
            ggufile_write_u32(&writer, "general.alignment", 48);
        } else if (kind == 4) {
            ggufile_write_integer(&writer, "general.alignment", GGUFILE_U64, 32);
        } else if (kind == 5) {
            ggufile_write_string(&writer, "general.alignment", slice_of("32"));
        } else {
            ggufile_write_u32(&writer, "general.alignment", 0);
        }
        static const char *const words[] = {"twice twice", "key of 0 bytes", "key of 65536 bytes", "alignment 48",
                                            "of type u64", "of type string", "alignment 0"};
        assert_int_equal(lay_out(&writer, NULL, 0, &err), STATUS_UNREPRESENTABLE);
        assert_non_null(strstr(err.what, words[kind]));
        ggufile_write_free(&writer);
    }
}

static void tensors_that_cannot_be(void **state)
{
    (void)state;
    char name[65];
    memset(name, 'n', sizeof name);
    name[64] = '\0';
    const struct {
        struct ggufile_entry entry[2];
        const char *words;
    } rows[] = {
        {{{.name = name, .type = GGML_F32}, {.name = "b", .type = GGML_F32}}, "name of 64 bytes"},
        {{{.name = "", .type = GGML_F32}, {.name = "b", .type = GGML_F32}}, "name of 0 bytes"},
        {{{.name = "b", .type = GGML_F32}, {.name = "b", .type = GGML_F32}}, "twice"},
        {{{.name = "a", .type = GGML_F32}, {.name = "b", .dims = {33}, .rank = 1, .type = GGML_Q8_0}}, "multiple of 32 for Q8_0"},
        {{{.name = "a", .type = GGML_F32}, {.name = "b", .type = GGML_Q4_2}}, "Q4_2"},
        {{{.name = "a", .dims = {UINT64_C(1) << 62, 4}, .rank = 2, .type = GGML_F32}, {.name = "b", .type = GGML_F32}}, "2^63"},
        {{{.name = "a", .dims = {INT64_MAX - 63}, .rank = 1, .type = GGML_I8}, {.name = "b", .dims = {64}, .rank = 1, .type = GGML_I8}}, "2^63"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ggufile_writer writer = {0};
        struct ggufile_entry entry[2] = {rows[i].entry[0], rows[i].entry[1]};
        struct err err = {0};
        assert_int_equal(lay_out(&writer, entry, 2, &err), STATUS_UNREPRESENTABLE);
        if (strstr(err.what, rows[i].words) == NULL)
            fail_msg("found %s, expected %s", err.what, rows[i].words);
        ggufile_write_free(&writer);
    }
}

/* --- files that llama.cpp and gguf-py wrote, where they are ------------------------------------------------------------- */

static int rewrite_file(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)place;
    if (kind != FTW_F || !slice_ends(slice_of(path), ".gguf"))
        return 0;
    struct file file;
    struct ggufile gguf;
    struct err err = {0};
    struct text header = {0};
    uint64_t file_bytes;
    assert_int_equal(file_open_read(&file, &file_posix, path, &err), STATUS_OK);
    if (ggufile_read(&file, false, &gguf, &err) != STATUS_OK)
        fail_msg("%s: %s", err.where, err.what);
    struct ggufile_writer writer = {.big_endian = gguf.big_endian};
    write_again(&gguf, &writer, &header, &file_bytes);
    assert_true(header.size == gguf.data_offset && file_bytes == file.bytes);
    char *head = malloc(header.size);
    assert_non_null(head);
    assert_int_equal(file_read(&file, head, header.size, 0, &err), STATUS_OK);
    assert_memory_equal(head, header.data, header.size);
    free(head);
    text_free(&header);
    ggufile_write_free(&writer);
    ggufile_free(&gguf);
    file_drop(&file);
    return 0;
}

static void headers_of_llama_cpp_are_written_alike(void **state)
{
    (void)state;
    char folder[600];
    const char *golden = getenv("REPAQ_GOLDEN");
    if (golden == NULL)
        skip();
    (void)snprintf(folder, sizeof folder, "%s/gguf", golden);
    assert_int_equal(nftw(folder, rewrite_file, 8, FTW_PHYS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_becomes_version_3), cmocka_unit_test(what_is_written_is_read), cmocka_unit_test(files_without_tensors),
        cmocka_unit_test(pairs_that_cannot_be),         cmocka_unit_test(tensors_that_cannot_be),  cmocka_unit_test(headers_of_llama_cpp_are_written_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
