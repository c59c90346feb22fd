#include "container/ggufile_split.h"

#include "base/checked.h"
#include "base/le.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char KEY_NUMBER[] = "split.no", KEY_COUNT[] = "split.count", KEY_TENSORS[] = "split.tensors.count";
static const char SUFFIX[] = ".gguf", INFIX[] = "-of-";
enum { DIGITS = 5, SHARDS_MAX = UINT16_MAX };

/* --- names ------------------------------------------------------------------------------------------------------------- */

/* Five digits, or as many as a larger number needs, at the end of *text, which is cut off there. */
static bool take_number(struct slice *text, uint32_t *number)
{
    uint64_t value;
    size_t digits = 0;
    while (digits < text->size && text->data[text->size - 1 - digits] >= '0' && text->data[text->size - 1 - digits] <= '9')
        digits++;
    if (digits < DIGITS || digits > 9)
        return false;
    text->size -= digits;
    struct slice number_text = {text->data + text->size, digits};
    while (number_text.size > 1 && number_text.data[0] == '0') {
        number_text.data++;
        number_text.size--;
    }
    if (number_text.size > DIGITS ? number_text.size != digits : digits != DIGITS)
        return false;
    if (!slice_u64(number_text, &value))
        return false;
    *number = (uint32_t)value;
    return true;
}

static bool take_end(struct slice *text, const char *end)
{
    if (!slice_ends(*text, end))
        return false;
    text->size -= strlen(end);
    return true;
}

bool ggufile_split_parse(struct slice name, struct ggufile_split_part *part)
{
    *part = (struct ggufile_split_part){.prefix = name};
    return take_end(&part->prefix, SUFFIX) && take_number(&part->prefix, &part->count) && take_end(&part->prefix, INFIX) &&
           take_number(&part->prefix, &part->number) && take_end(&part->prefix, "-") && part->number >= 1 && part->number <= part->count;
}

char *ggufile_split_name(struct slice prefix, uint32_t number, uint32_t count, struct arena *arena, struct err *err)
{
    return arena_format(arena, err, "%.*s-%0*u%s%0*u%s", (int)prefix.size, prefix.data, DIGITS, number, INFIX, DIGITS, count, SUFFIX);
}

/* --- reading ----------------------------------------------------------------------------------------------------------- */

/* What the keys of one file say. */
struct claim {
    uint32_t number, count; /* number from 0 */
    int64_t tensors;
};

/* A key of exactly this type. */
static enum status take_key(const struct ggufile *gguf, const char *key, enum ggufile_kind kind, uint32_t *bits, struct err *err)
{
    const struct ggufile_value *value = ggufile_find(gguf, key);
    if (value == NULL)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found no key %s, expected it in a shard", key);
    if (value->kind != kind)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found key %s of type %s, expected %s", key, ggufile_kind_name(value->kind),
                       ggufile_kind_name(kind));
    *bits = value->bytes == 4 ? le_load32(value->data) : le_load16(value->data);
    return STATUS_OK;
}

/* count is at most 1 where the file is no shard. */
static enum status take_claim(const struct ggufile *gguf, struct claim *claim, struct err *err)
{
    uint32_t tensors;
    *claim = (struct claim){0};
    if (ggufile_find(gguf, KEY_COUNT) == NULL)
        return STATUS_OK;
    TRY(take_key(gguf, KEY_COUNT, GGUFILE_U16, &claim->count, err));
    if (claim->count <= 1)
        return STATUS_OK;
    TRY(take_key(gguf, KEY_NUMBER, GGUFILE_U16, &claim->number, err));
    TRY(take_key(gguf, KEY_TENSORS, GGUFILE_I32, &tensors, err));
    claim->tensors = (int32_t)tensors;
    return STATUS_OK;
}

static enum status check_name(const char *path, const struct claim *claim, struct ggufile_split_part *part, struct err *err)
{
    if (ggufile_split_parse(slice_of(path), part) && part->number == claim->number + 1 && part->count == claim->count)
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, path, "found shard %u of %u by its keys, expected a name that ends in -%0*u%s%0*u%s", claim->number + 1,
                  claim->count, DIGITS, claim->number + 1, INFIX, DIGITS, claim->count, SUFFIX);
    return err_try(err, "give all shards of the model the names that they were written under");
}

static enum status read_one(struct ggufile_set *set, size_t index, const char *path, const struct file_ops *ops, bool lenient, struct err *err)
{
    struct file file;
    TRY(file_open_read(&file, ops, path, err));
    const enum status status = ggufile_read(&file, lenient, &set->file[index], err);
    file_drop(&file);
    return status;
}

static enum status read_shard(struct ggufile_set *set, const struct ggufile_split_part *part, size_t index, const struct file_ops *ops, bool lenient,
                              struct err *err)
{
    const char *path = ggufile_split_name(part->prefix, (uint32_t)index + 1, part->count, &set->arena, err);
    if (path == NULL)
        return STATUS_LIMIT;
    const enum status status = read_one(set, index, path, ops, lenient, err);
    if (status != STATUS_IO || file_stat(path, NULL) != FILE_ABSENT)
        return status;
    (void)err_set(err, STATUS_CORRUPT, path, "found no shard %zu of %u, expected all of the set (R-INCOMPLETE)", index + 1, part->count);
    return err_try(err, "download the missing shard");
}

static bool is_split_key(struct slice key)
{
    return slice_is(key, KEY_NUMBER) || slice_is(key, KEY_COUNT) || slice_is(key, KEY_TENSORS);
}

static enum status check_shard(struct ggufile_set *set, const struct claim *first, size_t index, struct err *err)
{
    const struct ggufile *gguf = &set->file[index];
    struct claim claim;
    TRY(take_claim(gguf, &claim, err));
    if (claim.number != index || claim.count != first->count)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found shard %u of %u by its keys, expected %zu of %u by its name", claim.number + 1, claim.count,
                       index + 1, first->count);
    if (claim.tensors != first->tensors)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found %s %lld, expected %lld as in the other shards", KEY_TENSORS, (long long)claim.tensors,
                       (long long)first->tensors);
    if (gguf->big_endian != set->file[0].big_endian)
        return err_set(err, STATUS_CORRUPT, gguf->path, "found a shard of another byte order than the first");
    for (size_t i = 0; index > 0 && i < gguf->value_count; i++)
        set->stray_count += !is_split_key(gguf->value[i].key);
    set->tensor_count += gguf->tensor_count;
    return STATUS_OK;
}

static enum status check_names(const struct ggufile_set *set, struct map *names, struct err *err)
{
    for (size_t f = 0; f < set->count; f++) {
        for (size_t i = 0; i < set->file[f].tensor_count; i++) {
            uint32_t existing;
            TRY(map_add(names, slice_of(set->file[f].tensor[i].name), (uint32_t)f, &existing, err));
            if (existing != MAP_NONE)
                return err_set(err, STATUS_CORRUPT, set->file[f].path, "found tensor %s, which is in shard %u as well", set->file[f].tensor[i].name,
                               existing + 1);
        }
    }
    return STATUS_OK;
}

/* The other shards; set->file[0] is the one that was named, and moves to its place. */
static enum status read_others(struct ggufile_set *set, const struct claim *claim, const struct file_ops *ops, bool lenient, struct err *err)
{
    struct ggufile_split_part part;
    TRY(check_name(set->file[0].path, claim, &part, err));
    void *array = set->file;
    size_t capacity = 1;
    TRY(mem_grow(&array, &capacity, claim->count, sizeof *set->file, err));
    set->file = array;
    set->count = claim->count;
    const struct ggufile named = set->file[0];
    set->file[0] = (struct ggufile){0};
    set->file[claim->number] = named;
    for (size_t i = 0; i < set->count; i++)
        if (i != claim->number)
            TRY(read_shard(set, &part, i, ops, lenient, err));
    for (size_t i = 0; i < set->count; i++)
        TRY(check_shard(set, claim, i, err));
    if (claim->tensors < 0 || (uint64_t)claim->tensors != set->tensor_count)
        return err_set(err, STATUS_CORRUPT, set->file[0].path, "found %llu tensors in %zu shards, expected %lld as %s says (R-INCOMPLETE)",
                       (unsigned long long)set->tensor_count, set->count, (long long)claim->tensors, KEY_TENSORS);
    struct map names = {0};
    const enum status status = check_names(set, &names, err);
    map_free(&names);
    return status;
}

static enum status read_set(const char *path, const struct file_ops *ops, bool lenient, struct ggufile_set *set, struct err *err)
{
    struct claim claim;
    const char *copy = arena_copy(&set->arena, path, strlen(path), err);
    set->file = copy == NULL ? NULL : mem_alloc(1, sizeof *set->file, err);
    if (set->file == NULL)
        return STATUS_LIMIT;
    set->count = 1;
    TRY(read_one(set, 0, copy, ops, lenient, err));
    TRY(take_claim(&set->file[0], &claim, err));
    if (claim.count > 1)
        return read_others(set, &claim, ops, lenient, err);
    set->tensor_count = set->file[0].tensor_count;
    return STATUS_OK;
}

enum status ggufile_split_read(const char *path, const struct file_ops *ops, bool lenient, struct ggufile_set *set, struct err *err)
{
    *set = (struct ggufile_set){0};
    const enum status status = read_set(path, ops, lenient, set, err);
    if (status != STATUS_OK)
        ggufile_split_free(set);
    return status;
}

void ggufile_split_free(struct ggufile_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        ggufile_free(&set->file[i]);
    free(set->file);
    arena_free(&set->arena);
    *set = (struct ggufile_set){0};
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

enum status ggufile_split_plan(const uint64_t *bytes, size_t count, const struct ggufile_split_rule *rule, uint32_t *shard_of, uint32_t *shards,
                               struct err *err)
{
    uint32_t shard = rule->bare_first && count > 0 ? 1 : 0;
    uint64_t held = 0, held_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t sum;
        const bool fits = checked_add(held_bytes, bytes[i], &sum) && (rule->bytes_max == 0 || sum <= rule->bytes_max);
        if (held > 0 && (!fits || (rule->tensors_max != 0 && held >= rule->tensors_max))) {
            shard++;
            held = 0;
            sum = bytes[i];
        }
        shard_of[i] = shard;
        held++;
        held_bytes = sum;
        if (shard >= SHARDS_MAX) {
            (void)err_set(err, STATUS_UNREPRESENTABLE, KEY_COUNT, "found more than %d shards, expected no more: it is of 16 bits", SHARDS_MAX);
            return err_try(err, "write larger shards (--max-shard-size)");
        }
    }
    *shards = shard + 1;
    return STATUS_OK;
}

void ggufile_split_keys(struct ggufile_writer *writer, const struct ggufile_split_claim *claim)
{
    ggufile_write_integer(writer, KEY_NUMBER, GGUFILE_U16, claim->index);
    if (!claim->count_last)
        ggufile_write_integer(writer, KEY_COUNT, GGUFILE_U16, claim->shards);
    ggufile_write_integer(writer, KEY_TENSORS, GGUFILE_I32, claim->tensors);
    if (claim->count_last)
        ggufile_write_integer(writer, KEY_COUNT, GGUFILE_U16, claim->shards);
}
