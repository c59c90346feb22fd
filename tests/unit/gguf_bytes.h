/* GGUF files for tests, byte by byte, right and wrong. */
#ifndef REPAQ_TESTS_GGUF_BYTES_H
#define REPAQ_TESTS_GGUF_BYTES_H

#include "base/text.h"
#include "container/ggufile.h"

#include <string.h>

struct gguf_bytes {
    struct text text;
    bool big, narrow; /* big endian; version 1 */
};

static inline void put_word(struct gguf_bytes *file, uint64_t word, unsigned size)
{
    char bytes[8];
    for (unsigned b = 0; b < size; b++)
        bytes[file->big ? size - 1 - b : b] = (char)(word >> (8 * b));
    text_add(&file->text, bytes, size);
}

static inline void put_count(struct gguf_bytes *file, uint64_t count)
{
    put_word(file, count, file->narrow ? 4 : 8);
}

static inline void put_string(struct gguf_bytes *file, const char *string)
{
    put_count(file, strlen(string));
    text_string(&file->text, string);
}

static inline void put_start(struct gguf_bytes *file, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    text_free(&file->text);
    file->narrow = version == 1;
    text_add(&file->text, "GGUF", 4);
    put_word(file, version, 4);
    put_count(file, tensors);
    put_count(file, pairs);
}

static inline void put_key(struct gguf_bytes *file, const char *key, uint32_t kind)
{
    put_string(file, key);
    put_word(file, kind, 4);
}

static inline void put_u32_pair(struct gguf_bytes *file, const char *key, uint32_t value)
{
    put_key(file, key, GGUFILE_U32);
    put_word(file, value, 4);
}

static inline void put_array(struct gguf_bytes *file, uint32_t element, uint64_t count)
{
    put_word(file, element, 4);
    put_count(file, count);
}

/* A row of the table; dims outermost last, as many as rank. */
static inline void put_tensor(struct gguf_bytes *file, const char *name, unsigned rank, const uint64_t *dims, uint32_t type, uint64_t offset)
{
    put_string(file, name);
    put_word(file, rank, 4);
    for (unsigned d = 0; d < rank; d++)
        put_count(file, dims[d]);
    put_word(file, type, 4);
    put_word(file, offset, 8);
}

static inline void put_zeros(struct gguf_bytes *file, size_t size)
{
    for (size_t i = 0; i < size; i++)
        text_add(&file->text, "", 1);
}

/* Zeros up to a multiple of the alignment, and `data` more. */
static inline void put_data(struct gguf_bytes *file, size_t alignment, size_t data)
{
    put_zeros(file, (alignment - file->text.size % alignment) % alignment);
    put_zeros(file, data);
}

/* A file with one of every type of value, two dimensions and 128 bytes of data; its 19 pairs end where the header has no more of them. */
static inline void put_everything(struct gguf_bytes *b, uint32_t version)
{
    const uint64_t dims[2] = {16, 2};
    put_start(b, version, 1, 19);
    static const struct {
        const char *key;
        uint32_t kind;
        uint64_t word;
    } scalars[] = {
        {"u8", GGUFILE_U8, 200},
        {"i8", GGUFILE_I8, 0xFE},
        {"u16", GGUFILE_U16, 60000},
        {"i16", GGUFILE_I16, 0xFFFE},
        {"u32", GGUFILE_U32, 4000000000},
        {"i32", GGUFILE_I32, 0xFFFFFFFE},
        {"f32", GGUFILE_F32, 0x3FC00000},
        {"bool", GGUFILE_BOOL, 1},
        {"u64", GGUFILE_U64, UINT64_MAX},
        {"i64", GGUFILE_I64, UINT64_MAX},
        {"f64", GGUFILE_F64, UINT64_C(0x3FF8000000000000)},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        put_key(b, scalars[i].key, scalars[i].kind);
        put_word(b, scalars[i].word, ggufile_kind_bytes((enum ggufile_kind)scalars[i].kind));
    }
    put_key(b, "string", GGUFILE_STRING);
    put_string(b, "text");
    put_key(b, "empty", GGUFILE_STRING);
    put_string(b, "");
    put_key(b, "strings", GGUFILE_ARRAY);
    put_array(b, GGUFILE_STRING, 3);
    put_string(b, "one");
    put_string(b, "");
    put_string(b, "three");
    put_key(b, "none", GGUFILE_ARRAY);
    put_array(b, GGUFILE_STRING, 0);
    put_key(b, "numbers", GGUFILE_ARRAY);
    put_array(b, GGUFILE_I16, 3);
    for (unsigned i = 0; i < 3; i++)
        put_word(b, 0xFFFF - i, 2);
    put_key(b, "floats", GGUFILE_ARRAY);
    put_array(b, GGUFILE_F32, 2);
    put_word(b, 0x3FC00000, 4);
    put_word(b, 0xBFC00000, 4);
    put_key(b, "nested", GGUFILE_ARRAY);
    put_array(b, GGUFILE_ARRAY, 3);
    put_array(b, GGUFILE_U16, 2);
    put_word(b, 7, 2);
    put_word(b, 8, 2);
    put_array(b, GGUFILE_ARRAY, 2);
    put_array(b, GGUFILE_STRING, 1);
    put_string(b, "deep");
    put_array(b, GGUFILE_ARRAY, 0);
    put_array(b, GGUFILE_U64, 1);
    put_word(b, 9, 8);
    put_u32_pair(b, "last", 5);
    put_tensor(b, "t", 2, dims, GGML_F32, 0);
    put_data(b, 32, 128);
}

static inline ssize_t gguf_bytes_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    (void)fd;
    const struct text *text = context;
    const size_t at = (size_t)offset < text->size ? (size_t)offset : text->size, part = text->size - at < size ? text->size - at : size;
    memcpy(data, text->data + at, part);
    return (ssize_t)part;
}

/* Reads the bytes as a file. */
static inline enum status gguf_read_bytes(struct gguf_bytes *bytes, bool lenient, struct ggufile *gguf, struct err *err)
{
    struct file_ops ops = file_posix;
    ops.context = &bytes->text;
    ops.pread = gguf_bytes_pread;
    const struct file file = {.ops = &ops, .path = "made.gguf", .fd = 0, .bytes = bytes->text.size};
    return ggufile_read(&file, lenient, gguf, err);
}

#endif
