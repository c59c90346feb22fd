#include "formats/imatrix.h"

#include "base/le.h"
#include "base/limits.h"
#include "container/ggufile_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEP = 4096 }; /* values at a time */

static enum status add_entry(struct imatrix *imatrix, const struct imatrix_entry *entry, struct err *err)
{
    uint32_t existing;
    TRY(map_add(&imatrix->name, slice_of(entry->name), (uint32_t)imatrix->count, &existing, err));
    if (existing != MAP_NONE) {
        imatrix->entry[existing] = *entry; /* the last one counts */
        return STATUS_OK;
    }
    if (imatrix->count == LIMIT_TENSORS_MAX)
        return err_set(err, STATUS_LIMIT, imatrix->file.path, "found more than %u entries", LIMIT_TENSORS_MAX);
    TRY(mem_grow((void **)&imatrix->entry, &imatrix->capacity, imatrix->count + 1, sizeof *imatrix->entry, err));
    imatrix->entry[imatrix->count++] = *entry;
    return STATUS_OK;
}

/* --- GGUF ---------------------------------------------------------------------------------------------------------------------------- */

static enum status take_counts(struct imatrix *imatrix, const struct ggufile_tensor *tensor, struct imatrix_entry *entry, struct err *err)
{
    entry->parts = tensor->bytes / sizeof(float);
    if (entry->parts > LIMIT_IMATRIX_COUNTS_MAX - imatrix->counts)
        return err_set(err, STATUS_LIMIT, tensor->name, "found %llu counts after %llu, expected at most %u in a file", (unsigned long long)entry->parts,
                       (unsigned long long)imatrix->counts, LIMIT_IMATRIX_COUNTS_MAX);
    imatrix->counts += entry->parts;
    float *counts = arena_alloc(&imatrix->arena, entry->parts, sizeof *counts, err);
    if (counts == NULL)
        return STATUS_LIMIT;
    TRY(file_read(&imatrix->file, counts, tensor->bytes, tensor->offset, err));
    for (uint64_t p = 0; p < entry->parts; p++) {
        if (!(fabsf(counts[p]) < 0x1p62f))
            return err_set(err, STATUS_CORRUPT, tensor->name, "found a count that is no number (R-NONFINITE)");
        counts[p] = (float)llroundf(counts[p]);
    }
    entry->counts = counts;
    return STATUS_OK;
}

/* NAME.in_sum2 and NAME.counts */
static enum status take_pair(struct imatrix *imatrix, const struct ggufile *gguf, const struct ggufile_tensor *sums, struct err *err)
{
    const size_t size = strlen(sums->name) - (sizeof ".in_sum2" - 1);
    const char *name = arena_format(&imatrix->arena, err, "%.*s.counts", (int)size, sums->name);
    char *own = arena_copy(&imatrix->arena, sums->name, size, err);
    if (name == NULL || own == NULL)
        return STATUS_LIMIT;
    const struct ggufile_tensor *counts = ggufile_find_tensor(gguf, slice_of(name));
    struct imatrix_entry entry = {.name = own, .offset = sums->offset, .values = sums->bytes / sizeof(float)};
    if (counts == NULL || counts->type != GGML_F32 || sums->type != GGML_F32)
        return err_set(err, STATUS_CORRUPT, sums->name, "found no %s beside it, both F32", name);
    TRY(take_counts(imatrix, counts, &entry, err));
    if (entry.parts == 0 || entry.values == 0 || entry.values % entry.parts != 0)
        return err_set(err, STATUS_CORRUPT, sums->name, "found %llu sums of %llu matrices", (unsigned long long)entry.values, (unsigned long long)entry.parts);
    return add_entry(imatrix, &entry, err);
}

/* NAME.counts belongs to sums. */
static enum status check_counts(const struct ggufile *gguf, const struct ggufile_tensor *counts, struct err *err)
{
    char name[GGUFILE_NAME_BYTES_MAX + sizeof ".in_sum2"];
    const int size = (int)(strlen(counts->name) - (sizeof ".counts" - 1));
    (void)snprintf(name, sizeof name, "%.*s.in_sum2", size, counts->name);
    if (ggufile_find_tensor(gguf, slice_of(name)) != NULL)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, counts->name, "found no %s beside it", name);
}

static enum status take_metadata(struct imatrix *imatrix, const struct ggufile *gguf, struct err *err)
{
    struct ggufile_array array;
    struct slice first;
    uint32_t chunks, size;
    TRY(ggufile_value_array(gguf, "imatrix.datasets", GGUFILE_STRING, &array, NULL, err));
    TRY(ggufile_value_u32(gguf, "imatrix.chunk_count", &chunks, NULL, err));
    TRY(ggufile_value_u32(gguf, "imatrix.chunk_size", &size, NULL, err));
    imatrix->chunks = (int32_t)chunks;
    if (!ggufile_value_next(&array, &first))
        return STATUS_OK;
    imatrix->dataset = arena_copy(&imatrix->arena, first.data, first.size, err);
    return imatrix->dataset == NULL ? STATUS_LIMIT : STATUS_OK;
}

static enum status read_gguf(struct imatrix *imatrix, struct err *err)
{
    struct ggufile gguf;
    TRY(ggufile_read(&imatrix->file, false, &gguf, err));
    enum status status = take_metadata(imatrix, &gguf, err);
    if (status == STATUS_OK && gguf.big_endian)
        status = err_set(err, STATUS_UNSUPPORTED, imatrix->file.path, "found a big-endian file, expected little endian");
    for (size_t t = 0; status == STATUS_OK && t < gguf.tensor_count; t++) {
        if (slice_ends(slice_of(gguf.tensor[t].name), ".in_sum2"))
            status = take_pair(imatrix, &gguf, &gguf.tensor[t], err);
        else if (slice_ends(slice_of(gguf.tensor[t].name), ".counts"))
            status = check_counts(&gguf, &gguf.tensor[t], err);
    }
    imatrix->ones = true;
    ggufile_free(&gguf);
    return status;
}

/* --- the older form ------------------------------------------------------------------------------------------------------------------ */

static enum status take_i32(const struct imatrix *imatrix, uint64_t *at, int64_t most, int64_t *number, struct err *err)
{
    uint8_t bytes[4];
    if (imatrix->file.bytes - *at < sizeof bytes)
        return err_set(err, STATUS_CORRUPT, imatrix->file.path, "found the end of the file at %llu, expected a number", (unsigned long long)*at);
    TRY(file_read(&imatrix->file, bytes, sizeof bytes, *at, err));
    *number = (int32_t)le_load32(bytes);
    *at += sizeof bytes;
    if (*number <= most)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, imatrix->file.path, "found %lld at byte %llu, expected at most %lld", (long long)*number,
                   (unsigned long long)*at - 4, (long long)most);
}

/* A text of `size` bytes, up to its first NUL, in the arena. */
static enum status take_text(struct imatrix *imatrix, uint64_t *at, int64_t size, const char **text, struct err *err)
{
    if (size < 0 || (uint64_t)size > imatrix->file.bytes - *at)
        return err_set(err, STATUS_CORRUPT, imatrix->file.path, "found a text of %lld bytes at %llu, expected it within the file", (long long)size,
                       (unsigned long long)*at);
    char *copy = arena_alloc(&imatrix->arena, (uint64_t)size + 1, 1, err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(file_read(&imatrix->file, copy, (size_t)size, *at, err));
    *at += (uint64_t)size;
    *text = copy;
    return STATUS_OK;
}

static enum status read_old(struct imatrix *imatrix, struct err *err)
{
    uint64_t at = 0;
    int64_t entries = 0, number = 0, calls = 0, values = 0;
    TRY(take_i32(imatrix, &at, LIMIT_TENSORS_MAX, &entries, err));
    if (entries < 1)
        return err_set(err, STATUS_CORRUPT, imatrix->file.path, "found %lld entries, expected an importance matrix", (long long)entries);
    for (int64_t e = 0; e < entries; e++) {
        struct imatrix_entry entry = {.parts = 1};
        float *counts = arena_alloc(&imatrix->arena, 1, sizeof *counts, err);
        if (counts == NULL)
            return STATUS_LIMIT;
        TRY(take_i32(imatrix, &at, LIMIT_NAME_BYTES_MAX, &number, err));
        TRY(take_text(imatrix, &at, number, &entry.name, err));
        TRY(take_i32(imatrix, &at, INT32_MAX, &calls, err));
        TRY(take_i32(imatrix, &at, INT32_MAX, &values, err));
        if (values < 1 || (uint64_t)values > (imatrix->file.bytes - at) / sizeof(float))
            return err_set(err, STATUS_CORRUPT, entry.name, "found %lld values, expected them within the file", (long long)values);
        *counts = calls > 0 ? (float)calls : 0.0f;
        entry.counts = counts;
        entry.values = (uint64_t)values;
        entry.offset = at;
        at += entry.values * sizeof(float);
        TRY(add_entry(imatrix, &entry, err));
    }
    if (imatrix->file.bytes - at < 4)
        return STATUS_OK;
    TRY(take_i32(imatrix, &at, INT32_MAX, &imatrix->chunks, err));
    if (imatrix->file.bytes - at < 4)
        return STATUS_OK;
    TRY(take_i32(imatrix, &at, LIMIT_PATH_BYTES_MAX, &number, err));
    return number <= 0 ? STATUS_OK : take_text(imatrix, &at, number, &imatrix->dataset, err);
}

/* --- both ---------------------------------------------------------------------------------------------------------------------------- */

enum status imatrix_open(struct imatrix *imatrix, const struct file_ops *ops, const char *path, struct err *err)
{
    uint8_t magic[4] = {0};
    TRY(file_open_read(&imatrix->file, ops, path, err));
    imatrix->open = true;
    if (imatrix->file.bytes < sizeof magic)
        return err_set(err, STATUS_CORRUPT, path, "found %llu bytes, expected an importance matrix", (unsigned long long)imatrix->file.bytes);
    TRY(file_read(&imatrix->file, magic, sizeof magic, 0, err));
    TRY(memcmp(magic, "GGUF", 4) == 0 ? read_gguf(imatrix, err) : read_old(imatrix, err));
    if (imatrix->count == 0)
        return err_set(err, STATUS_CORRUPT, path, "found no entries, expected an importance matrix");
    return STATUS_OK;
}

enum status imatrix_check(const struct imatrix *imatrix, struct err *err)
{
    float values[STEP];
    for (size_t e = 0; e < imatrix->count; e++) {
        const struct imatrix_entry *entry = &imatrix->entry[e];
        for (uint64_t at = 0; !entry->dropped && at < entry->values; at += STEP) {
            const uint64_t count = entry->values - at < STEP ? entry->values - at : STEP;
            TRY(imatrix_load(imatrix, entry, at, count, values, err));
            for (uint64_t i = 0; i < count; i++)
                if (!isfinite(values[i]))
                    return err_set(err, STATUS_CORRUPT, imatrix->file.path, "found %g as the importance of column %llu of %s (R-NONFINITE)",
                                   (double)values[i], (unsigned long long)(at + i), entry->name);
        }
    }
    return STATUS_OK;
}

static bool has_word(const char *name, const char *const *word, size_t count)
{
    for (size_t w = 0; w < count; w++)
        if (strstr(name, word[w]) != NULL)
            return true;
    return false;
}

void imatrix_drop(struct imatrix *imatrix, const char *const *word, size_t count, bool keep)
{
    for (size_t e = 0; e < imatrix->count; e++)
        imatrix->entry[e].dropped = imatrix->entry[e].dropped || has_word(imatrix->entry[e].name, word, count) != keep;
}

size_t imatrix_left(const struct imatrix *imatrix)
{
    size_t left = 0;
    for (size_t e = 0; e < imatrix->count; e++)
        left += !imatrix->entry[e].dropped;
    return left;
}

const struct imatrix_entry *imatrix_find(const struct imatrix *imatrix, const char *name)
{
    const uint32_t index = map_find(&imatrix->name, slice_of(name));
    return index == MAP_NONE || imatrix->entry[index].dropped ? NULL : &imatrix->entry[index];
}

enum status imatrix_load(const struct imatrix *imatrix, const struct imatrix_entry *entry, uint64_t first, uint64_t count, float *importance, struct err *err)
{
    const uint64_t part = entry->values / entry->parts;
    TRY(file_read(&imatrix->file, importance, (size_t)(count * sizeof *importance), entry->offset + first * sizeof *importance, err));
    for (uint64_t i = 0; i < count; i++) {
        const float counted = entry->counts[(first + i) / part];
        if (counted > 0.0f)
            importance[i] /= counted;
        else if (imatrix->ones)
            importance[i] = 1.0f;
    }
    return STATUS_OK;
}

void imatrix_free(struct imatrix *imatrix)
{
    if (imatrix->open)
        file_drop(&imatrix->file);
    map_free(&imatrix->name);
    free(imatrix->entry);
    arena_free(&imatrix->arena);
    *imatrix = (struct imatrix){0};
}
