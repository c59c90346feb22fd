#include "plan/inventory.h"

#include "base/limits.h"
#include "base/staging.h"
#include "base/tree.h"
#include "container/json.h"
#include "container/safetensors.h"
#include "container/shards.h"
#include "container/splice.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char SHARD_SUFFIX[] = ".safetensors", INDEX_SUFFIX[] = ".safetensors.index.json";

/* Every tensor of every shard; shards are read one by one, so that a name in two of them can be reported. */
struct holdings {
    const char **tensor;  /* owned; [count] */
    uint32_t *file_of;    /* owned; [count] */
    size_t count, tensor_capacity, file_capacity;
    const char **file;    /* owned; [files] */
    size_t files, files_capacity;
    struct map by_name;   /* tensor -> its first place */
};

const char *inventory_finding_name(enum finding_kind kind)
{
    static const char *const names[] = {"no-index", "missing-shard", "stale", "wrong-shard", "unlisted", "duplicate", "total-size"};
    _Static_assert(sizeof names / sizeof names[0] == FINDING_COUNT, "one name a kind");
    return names[kind];
}

static enum status add_finding(struct inventory *inventory, enum finding_kind kind, const char *what, const char *text, struct err *err)
{
    TRY(mem_grow((void **)&inventory->finding, &inventory->finding_capacity, inventory->finding_count + 1, sizeof *inventory->finding, err));
    if (what == NULL || text == NULL)
        return STATUS_LIMIT;
    inventory->finding[inventory->finding_count++] = (struct finding){kind, what, text, false};
    return STATUS_OK;
}

/* --- what the shards hold ------------------------------------------------------------------------------------------------------ */

static enum status hold_tensor(struct inventory *inventory, struct holdings *holdings, const char *name, uint32_t file, struct err *err)
{
    uint32_t before;
    const char *copy = arena_copy(&inventory->arena, name, strlen(name), err);
    if (copy == NULL)
        return STATUS_LIMIT;
    TRY(mem_grow((void **)&holdings->tensor, &holdings->tensor_capacity, holdings->count + 1, sizeof *holdings->tensor, err));
    TRY(mem_grow((void **)&holdings->file_of, &holdings->file_capacity, holdings->count + 1, sizeof *holdings->file_of, err));
    TRY(map_add(&holdings->by_name, slice_of(copy), (uint32_t)holdings->count, &before, err));
    if (before != MAP_NONE)
        return add_finding(inventory, FINDING_DUPLICATE, copy,
                           arena_format(&inventory->arena, err, "in %s and in %s", holdings->file[holdings->file_of[before]], holdings->file[file]), err);
    holdings->tensor[holdings->count] = copy;
    holdings->file_of[holdings->count++] = file;
    return STATUS_OK;
}

static enum status hold_shard(struct inventory *inventory, struct holdings *holdings, const struct file_ops *ops, const char *dir, const char *name,
                              struct err *err)
{
    struct model model = {0};
    struct file file;
    uint32_t index;
    const char *path = arena_format(&inventory->arena, err, "%s/%s", dir, name);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(mem_grow((void **)&holdings->file, &holdings->files_capacity, holdings->files + 1, sizeof *holdings->file, err));
    holdings->file[holdings->files] = name;
    TRY(file_open_read(&file, ops, path, err));
    enum status status = model_add_file(&model, name, file.bytes, &index, err);
    if (status == STATUS_OK)
        status = safetensors_read(&file, index, &model, err);
    file_drop(&file);
    for (size_t t = 0; t < model.tensor_count && status == STATUS_OK; t++) {
        inventory->total_size += model.tensor[t].bytes;
        status = hold_tensor(inventory, holdings, model.tensor[t].name, (uint32_t)holdings->files, err);
    }
    holdings->files++;
    model_free(&model);
    return status;
}

/* --- against the index --------------------------------------------------------------------------------------------------------- */

static bool holds_file(const struct holdings *holdings, const char *name)
{
    for (size_t f = 0; f < holdings->files; f++)
        if (strcmp(holdings->file[f], name) == 0)
            return true;
    return false;
}

static bool lists_file(const struct shards_index *index, const char *name)
{
    for (size_t f = 0; f < index->file_count; f++)
        if (strcmp(index->file[f], name) == 0)
            return true;
    return false;
}

static enum status compare_unlisted(struct inventory *inventory, const struct holdings *holdings, const struct shards_index *index, struct err *err)
{
    for (size_t t = 0; t < holdings->count; t++) {
        if (map_find(&index->by_name, slice_of(holdings->tensor[t])) != MAP_NONE)
            continue;
        const char *file = holdings->file[holdings->file_of[t]];
        TRY(add_finding(inventory, FINDING_UNLISTED, holdings->tensor[t], arena_format(&inventory->arena, err, "in %s, not in the index", file), err));
        inventory->finding[inventory->finding_count - 1].left_out = !lists_file(index, file);
    }
    return STATUS_OK;
}

static enum status compare_listed(struct inventory *inventory, const struct holdings *holdings, const struct shards_index *index, struct err *err)
{
    struct arena *arena = &inventory->arena;
    for (size_t f = 0; f < index->file_count; f++)
        if (!holds_file(holdings, index->file[f]))
            TRY(add_finding(inventory, FINDING_MISSING_SHARD, arena_copy(arena, index->file[f], strlen(index->file[f]), err), "no such file", err));
    for (size_t t = 0; t < index->tensor_count; t++) {
        const char *listed = index->file[index->file_of[t]];
        const uint32_t at = map_find(&holdings->by_name, slice_of(index->tensor[t]));
        if (at == MAP_NONE)
            TRY(add_finding(inventory, FINDING_STALE, index->tensor[t], arena_format(arena, err, "listed in %s, in no shard", listed), err));
        else if (strcmp(listed, holdings->file[holdings->file_of[at]]) != 0)
            TRY(add_finding(inventory, FINDING_WRONG_SHARD, index->tensor[t],
                            arena_format(arena, err, "listed in %s, found in %s", listed, holdings->file[holdings->file_of[at]]), err));
    }
    TRY(compare_unlisted(inventory, holdings, index, err));
    if (index->has_total_size && index->total_size == inventory->total_size)
        return STATUS_OK;
    return add_finding(inventory, FINDING_TOTAL_SIZE, "total_size",
                       index->has_total_size ? arena_format(arena, err, "found %" PRIu64 ", expected %" PRIu64, index->total_size, inventory->total_size)
                                             : arena_format(arena, err, "absent, expected %" PRIu64, inventory->total_size),
                       err);
}

/* --- the right index ------------------------------------------------------------------------------------------------------------ */

struct place {
    const char *tensor;
    uint32_t file;
};

static int by_tensor(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->tensor, ((const struct place *)b)->tensor);
}

static enum status fresh_index(const struct inventory *inventory, const struct holdings *holdings, struct text *text, struct err *err)
{
    struct place *place = mem_alloc(holdings->count, sizeof *place, err);
    const char **names = mem_alloc(holdings->count, sizeof *names, err);
    uint32_t *file_of = mem_alloc(holdings->count, sizeof *file_of, err);
    enum status status = place == NULL || names == NULL || file_of == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK) {
        for (size_t t = 0; t < holdings->count; t++)
            place[t] = (struct place){holdings->tensor[t], holdings->file_of[t]};
        qsort(place, holdings->count, sizeof *place, by_tensor);
        for (size_t t = 0; t < holdings->count; t++) {
            names[t] = place[t].tensor;
            file_of[t] = place[t].file;
        }
        const struct shards_map map = {names, file_of, holdings->file, holdings->count, inventory->total_size};
        status = shards_index_text(&map, text, err);
    }
    free(place);
    free(names);
    free(file_of);
    return status;
}

/* The value of a member of the fresh index, as text. Its members are ours, so their places are known. */
static enum status take_member(const struct text *fresh, const char *name, struct text *value, struct err *err)
{
    struct json json = json_over("index", (struct slice){fresh->data, fresh->size});
    struct json_token key, first;
    TRY(json_expect(&json, JSON_OBJECT, &key, err));
    for (;;) {
        TRY(json_next(&json, &key, err));
        if (key.kind != JSON_KEY)
            return err_set(err, STATUS_CORRUPT, "index", "found no member %s", name);
        TRY(json_next(&json, &first, err));
        const size_t start = first.at;
        TRY(json_skip(&json, &first, err));
        if (!json_token_is(&key, name))
            continue;
        text_add(value, fresh->data + start, json.at - start);
        return text_check(value, err);
    }
}

/* Other members of an existing index are kept: only weight_map and metadata.total_size are replaced. */
static enum status make_right(struct inventory *inventory, const struct holdings *holdings, const struct text *old, struct err *err)
{
    struct text fresh = {0}, map = {0}, size = {0}, object = {0};
    enum status status = fresh_index(inventory, holdings, &fresh, err);
    if (status == STATUS_OK && old->data == NULL) {
        inventory->right = fresh;
        return STATUS_OK;
    }
    text_format(&size, "%" PRIu64, inventory->total_size);
    text_format(&object, "{\"total_size\": %" PRIu64 "}", inventory->total_size);
    const struct slice text = {old->data, old->size};
    if (status == STATUS_OK)
        status = take_member(&fresh, "weight_map", &map, err);
    if (status == STATUS_OK)
        status = splice_member(inventory->index_name, text, "weight_map", map.data, &inventory->right, err);
    struct text before = {0};
    if (status == STATUS_OK) {
        text_add(&before, inventory->right.data, inventory->right.size);
        status = splice_member(inventory->index_name, (struct slice){before.data, before.size}, "metadata/total_size", size.data, &inventory->right, err);
    }
    if (status == STATUS_OK && slice_equal((struct slice){before.data, before.size}, (struct slice){inventory->right.data, inventory->right.size}) &&
        strstr(before.data, "\"total_size\"") == NULL) /* there was no metadata object to hold it */
        status = splice_member(inventory->index_name, (struct slice){before.data, before.size}, "metadata", object.data, &inventory->right, err);
    text_free(&fresh);
    text_free(&map);
    text_free(&size);
    text_free(&object);
    text_free(&before);
    return status;
}

static enum status judge(struct inventory *inventory, const struct holdings *holdings, const struct file_ops *ops, const char *dir, struct err *err)
{
    struct text old = {0};
    struct shards_index index = {0};
    enum status status = STATUS_OK;
    if (inventory->has_index) {
        const char *path = arena_format(&inventory->arena, err, "%s/%s", dir, inventory->index_name);
        status = path == NULL ? STATUS_LIMIT : file_slurp(ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &old, err);
        if (status == STATUS_OK)
            status = shards_index_read(path, (struct slice){old.data, old.size}, SHARD_SUFFIX, &inventory->arena, &index, err);
        if (status == STATUS_OK)
            status = compare_listed(inventory, holdings, &index, err);
    } else if (holdings->files > 1) {
        status = add_finding(inventory, FINDING_NO_INDEX, inventory->index_name, "several shards and no index", err);
    }
    if (status == STATUS_OK)
        status = make_right(inventory, holdings, &old, err);
    shards_index_free(&index);
    text_free(&old);
    return status;
}

enum status inventory_make(struct inventory *inventory, const struct file_ops *ops, const char *dir, struct err *err)
{
    struct tree_list list;
    struct holdings holdings = {0};
    *inventory = (struct inventory){.index_name = "model.safetensors.index.json"};
    if (file_stat(dir, NULL) != FILE_DIRECTORY)
        return err_set(err, STATUS_IO, dir, "found no such directory");
    TRY(tree_list(dir, &inventory->arena, &list, err));
    enum status status = STATUS_OK;
    for (size_t i = 0; i < list.count && status == STATUS_OK; i++) {
        const struct slice name = slice_of(list.entry[i].name);
        if (strchr(name.data, '/') != NULL)
            continue;
        if (slice_ends(name, INDEX_SUFFIX)) {
            if (inventory->has_index)
                status = err_set(err, STATUS_CORRUPT, dir, "found %s and %s, expected one index", inventory->index_name, name.data);
            inventory->index_name = name.data;
            inventory->has_index = true;
        } else if (slice_ends(name, SHARD_SUFFIX)) {
            status = hold_shard(inventory, &holdings, ops, dir, name.data, err);
        }
    }
    inventory->shards = holdings.files;
    inventory->tensors = holdings.count;
    if (status == STATUS_OK && holdings.files == 0)
        status = err_set(err, STATUS_UNSUPPORTED, dir, "found no *.safetensors files");
    if (status == STATUS_OK)
        status = judge(inventory, &holdings, ops, dir, err);
    map_free(&holdings.by_name);
    free(holdings.tensor);
    free(holdings.file_of);
    free(holdings.file);
    return status;
}

enum status inventory_write(const struct inventory *inventory, const struct file_ops *ops, const char *dir, struct err *err)
{
    for (size_t f = 0; f < inventory->finding_count; f++)
        if (inventory->finding[f].kind == FINDING_DUPLICATE)
            return err_set(err, STATUS_CORRUPT, inventory->finding[f].what, "found it %s: no index can say which one is meant", inventory->finding[f].text);
    struct staging staging;
    struct arena arena = {0};
    const char *target = arena_format(&arena, err, "%s/%s", dir, inventory->index_name);
    enum status status = target == NULL ? STATUS_LIMIT : staging_open(&staging, ops, target, true, &arena, err);
    if (status == STATUS_OK) {
        const char *path = staging_path(&staging, inventory->index_name, &arena, err);
        status = path == NULL ? STATUS_LIMIT : file_spill(ops, path, inventory->right.data, inventory->right.size, err);
        if (status == STATUS_OK)
            status = staging_seal_file(&staging, inventory->index_name, err);
        staging_drop(&staging);
    }
    arena_free(&arena);
    return status;
}

void inventory_free(struct inventory *inventory)
{
    free(inventory->finding);
    text_free(&inventory->right);
    arena_free(&inventory->arena);
    *inventory = (struct inventory){0};
}
