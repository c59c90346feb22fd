/* The GGUF header, over any bytes as a file in memory: tensors of what is accepted lie in the file and do not overlap, every value can be walked, and what
 * is written again from it reads back the same. */
#include "base/limits.h"
#include "container/ggufile_value.h"
#include "container/ggufile_write.h"
#include "harness.h"

#include <string.h>

struct memory {
    const uint8_t *data;
    size_t size;
};

static ssize_t memory_pread(void *context, int fd, void *data, size_t size, off_t offset)
{
    (void)fd;
    const struct memory *memory = context;
    if (offset < 0 || (size_t)offset >= memory->size)
        return 0;
    const size_t left = memory->size - (size_t)offset, part = size < left ? size : left;
    memcpy(data, memory->data + offset, part);
    return (ssize_t)part;
}

static void require(bool truth)
{
    if (!truth)
        abort();
}

static enum status read_memory(struct memory *memory, bool lenient, struct ggufile *gguf)
{
    struct file_ops ops = file_posix;
    ops.context = memory;
    ops.pread = memory_pread;
    const struct file file = {.ops = &ops, .path = "fuzz.gguf", .fd = 0, .bytes = memory->size};
    struct err err = {0};
    const enum status status = ggufile_read(&file, lenient, gguf, &err);
    harness_check(status, &err);
    return status;
}

static void walk_value(const struct ggufile_value *value)
{
    struct ggufile_array array = {.element = value->element, .count = value->count, .data = value->data, .bytes = value->bytes}, inner;
    struct slice string;
    uint64_t count = 0;
    int64_t integer;
    double number;
    require(value->key.size > 0 && value->data != NULL);
    if (value->kind != GGUFILE_ARRAY)
        return;
    while (value->element == GGUFILE_STRING ? ggufile_value_next(&array, &string) : ggufile_value_next_array(&array, &inner))
        count++;
    const bool packed = ggufile_kind_bytes(value->element) != 0;
    require(packed ? value->bytes == value->count * ggufile_kind_bytes(value->element) : count == value->count && array.at == array.bytes);
    for (uint64_t i = value->count < 4 ? 0 : value->count - 4; packed && i < value->count; i++)
        require(ggufile_value_integer(&array, i, &integer) || ggufile_value_float(&array, i, &number) || value->element == GGUFILE_U64);
}

static void check_file(const struct ggufile *gguf, size_t size, bool lenient)
{
    require(lenient || (!gguf->has_gaps && !gguf->is_reordered));
    for (size_t i = 0; i < gguf->value_count; i++)
        walk_value(&gguf->value[i]);
    uint64_t bytes = 0;
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        const struct ggufile_tensor *tensor = &gguf->tensor[i];
        require(tensor->offset <= size && tensor->bytes <= size - tensor->offset && tensor->offset >= gguf->header_bytes);
        require(tensor->rank <= GGUFILE_DIMS_MAX && ggufile_find_tensor(gguf, slice_of(tensor->name)) == tensor);
        bytes += tensor->bytes;
    }
    require(bytes <= size && gguf->trailing_bytes <= size);
}

static bool same_values(const struct ggufile *a, const struct ggufile *b)
{
    bool same = a->value_count == b->value_count && a->tensor_count == b->tensor_count;
    for (size_t i = 0; same && i < a->value_count; i++) {
        const struct ggufile_value *x = &a->value[i], *y = &b->value[i];
        same = slice_equal(x->key, y->key) && x->kind == y->kind && x->element == y->element && x->count == y->count && x->bytes == y->bytes &&
               memcmp(x->data, y->data, x->bytes) == 0;
    }
    for (size_t i = 0; same && i < a->tensor_count; i++)
        same = strcmp(a->tensor[i].name, b->tensor[i].name) == 0 && a->tensor[i].bytes == b->tensor[i].bytes && a->tensor[i].type == b->tensor[i].type;
    return same;
}

/* Written in the other byte order, padded with zeros, read. */
static void write_again(const struct ggufile *gguf)
{
    struct ggufile_writer writer = {.big_endian = !gguf->big_endian};
    struct text text = {0};
    struct err err = {0};
    struct ggufile again;
    uint64_t file_bytes = 0;
    struct ggufile_entry *entry = calloc(gguf->tensor_count + 1, sizeof *entry);
    require(entry != NULL);
    for (size_t i = 0; i < gguf->value_count; i++)
        ggufile_write_value(&writer, &gguf->value[i]);
    for (size_t i = 0; i < gguf->tensor_count; i++) {
        entry[i] = (struct ggufile_entry){.name = gguf->tensor[i].name, .rank = gguf->tensor[i].rank, .type = gguf->tensor[i].type};
        memcpy(entry[i].dims, gguf->tensor[i].dims, sizeof entry[i].dims);
    }
    const enum status status = ggufile_write_layout(&writer, entry, gguf->tensor_count, &text, &file_bytes, &err);
    harness_check(status, &err);
    require(status == STATUS_OK);
    if (file_bytes <= 1 << 24 && gguf->alignment <= 1 << 20) {
        while (text.size < file_bytes)
            text_add(&text, "", 1);
        struct memory memory = {(const uint8_t *)text.data, text.size};
        require(read_memory(&memory, false, &again) == STATUS_OK && same_values(gguf, &again));
        ggufile_free(&again);
    }
    free(entry);
    text_free(&text);
    ggufile_write_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct memory memory = {data, size};
    struct ggufile gguf;
    (void)ggufile_probe(data, size < 64 ? size : 64);
    const bool strict = read_memory(&memory, false, &gguf) == STATUS_OK;
    if (strict) {
        check_file(&gguf, size, false);
        ggufile_free(&gguf);
    }
    if (read_memory(&memory, true, &gguf) != STATUS_OK) {
        require(!strict); /* lenient reading takes all that strict reading takes */
        return 0;
    }
    check_file(&gguf, size, true);
    if (gguf.alignment <= 1 << 20)
        write_again(&gguf);
    ggufile_free(&gguf);
    return 0;
}
