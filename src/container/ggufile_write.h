/* Headers of GGUF files of version 3, in either byte order. */
#ifndef REPAQ_GGUFILE_WRITE_H
#define REPAQ_GGUFILE_WRITE_H

#include "base/text.h"
#include "container/ggufile.h"

/* Zero-initialise, set the first two, add pairs in the order of the file, lay out, free with ggufile_write_free. A failure sticks: later calls do nothing and
 * ggufile_write_layout returns it. A key twice, an empty or overlong one are UNREPRESENTABLE. A pair general.alignment (u32) sets the alignment. */
struct ggufile_writer {
    bool big_endian;
    bool bare;          /* without tensors nothing pads the header, as gguf-py writes a file that is only a vocabulary */
    struct text text;   /* owned; the pairs */
    size_t count;       /* of pairs */
    uint64_t items;     /* strings of the last array that are still to come */
    uint32_t alignment; /* 0: none was given, 32 */
    struct map key;
    struct arena arena; /* keys */
    struct err err;     /* status OK: nothing has failed */
};
/* An integer of any type or a bool; the low bytes of `bits`. */
void ggufile_write_integer(struct ggufile_writer *writer, const char *key, enum ggufile_kind kind, uint64_t bits);
void ggufile_write_u32(struct ggufile_writer *writer, const char *key, uint32_t number);
void ggufile_write_f32(struct ggufile_writer *writer, const char *key, float number);
void ggufile_write_bool(struct ggufile_writer *writer, const char *key, bool truth);
void ggufile_write_string(struct ggufile_writer *writer, const char *key, struct slice string);
/* An array of numbers or bools; data: count of them, little endian. */
void ggufile_write_array(struct ggufile_writer *writer, const char *key, enum ggufile_kind element, uint64_t count, const void *data);
/* An array of strings: `count` calls of ggufile_write_item must follow, before the next key. */
void ggufile_write_strings(struct ggufile_writer *writer, const char *key, uint64_t count);
void ggufile_write_item(struct ggufile_writer *writer, struct slice string);
/* A pair of a file that was read, of any type and from any form, under its own key. */
void ggufile_write_value(struct ggufile_writer *writer, const struct ggufile_value *value);

/* A tensor to be written. */
struct ggufile_entry {
    const char *name;                /* 1 to 63 bytes */
    uint64_t dims[GGUFILE_DIMS_MAX]; /* innermost first; [rank], the others are not looked at */
    uint8_t rank;                    /* 0..4, written as it is: gguf-py states all dimensions, llama.cpp drops outer ones of 1 */
    enum ggml_type type;
    uint64_t bytes;                  /* out: without padding */
    uint64_t offset;                 /* out: from the start of the file */
};
/* Makes the header with its padding, so that its size is where tensor data begin. Tensors lie one after another, each padded to the alignment, the last as
 * well; *file_bytes is the whole file. Names that do not fit or are there twice, shapes that are no whole blocks: UNREPRESENTABLE. A header that no reader of
 * this kind would take is LIMIT. */
enum status ggufile_write_layout(struct ggufile_writer *writer, struct ggufile_entry *entry, size_t count, struct text *header, uint64_t *file_bytes,
                                 struct err *err) WARN_UNUSED;
void ggufile_write_free(struct ggufile_writer *writer);

#endif
