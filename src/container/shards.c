#include "container/shards.h"

#include "base/limits.h"
#include "base/mem.h"
#include "container/json.h"
#include "container/safetensors.h"
#include "container/torchfile.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SUFFIX[] = ".safetensors"; /* of what is written */

const struct shards_kind shards_safetensors = {"", ".safetensors", ".safetensors", ".safetensors.index.json", safetensors_read};
const struct shards_kind shards_torch = {"pytorch_model", ".bin", "", ".bin.index.json", torchfile_read};

/* --- index: reading ---------------------------------------------------------------------------------------------------- */

struct indexer {
    struct json json;
    const char *suffix;
    struct arena *arena;
    struct shards_index *index;
    size_t room;            /* tensors that index->tensor can hold */
    size_t file_capacity;
    const char **file;      /* owned until it is copied into the arena */
    struct map file_by_name; /* also by escaped spelling, which holds a backslash, as no name does */
    bool has_map, has_metadata;
};

/* Windows path rules on every system, so that a checkpoint means the same everywhere. */
static enum status check_shard_name(const struct indexer *indexer, const char *name, size_t at, struct err *err)
{
    const struct slice slice = slice_of(name);
    const bool letter = (name[0] >= 'a' && name[0] <= 'z') || (name[0] >= 'A' && name[0] <= 'Z');
    const char *wrong = strchr(name, '/') != NULL || strchr(name, '\\') != NULL ? "with a directory"
                        : letter && name[1] == ':'                             ? "with a drive"
                        : strstr(name, "..") != NULL                            ? "with \"..\""
                        : slice.size > 255                                      ? "of more than 255 bytes"
                        : !slice_ends(slice, indexer->suffix)                   ? "without the suffix"
                                                                                : NULL;
    if (wrong == NULL)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, indexer->json.where, "JSON byte %zu: found shard \"%s\" %s, expected a plain file name *%s", at,
                   name, wrong, indexer->suffix);
}

static enum status add_file(struct indexer *indexer, const struct json_token *token, struct slice raw, uint32_t *file, struct err *err)
{
    struct shards_index *index = indexer->index;
    const char *name;
    size_t size;
    uint32_t existing;
    TRY(json_string(&indexer->json, token, indexer->arena, &name, &size, err));
    TRY(check_shard_name(indexer, name, token->at, err));
    *file = map_find(&indexer->file_by_name, (struct slice){name, size});
    if (*file == MAP_NONE) {
        if (index->file_count >= LIMIT_FILES_MAX)
            return err_set(err, STATUS_LIMIT, indexer->json.where, "found more than %u shards, the most that is read", LIMIT_FILES_MAX);
        void *array = indexer->file;
        TRY(mem_grow(&array, &indexer->file_capacity, index->file_count + 1, sizeof *indexer->file, err));
        indexer->file = array;
        *file = (uint32_t)index->file_count;
        indexer->file[index->file_count++] = name;
        TRY(map_add(&indexer->file_by_name, (struct slice){name, size}, *file, &existing, err));
    }
    return map_add(&indexer->file_by_name, raw, *file, &existing, err);
}

static enum status take_entry(struct indexer *indexer, const struct json_token *key, struct err *err)
{
    struct shards_index *index = indexer->index;
    struct json_token value;
    const char *name;
    size_t size;
    uint32_t file, existing;
    assert(index->tensor_count < indexer->room);
    TRY(json_string(&indexer->json, key, indexer->arena, &name, &size, err));
    TRY(json_expect(&indexer->json, JSON_STRING, &value, err));
    const struct slice raw = {value.text.data + 1, value.text.size - 2};
    file = map_find(&indexer->file_by_name, raw);
    if (file == MAP_NONE)
        TRY(add_file(indexer, &value, raw, &file, err));
    TRY(map_add(&index->by_name, (struct slice){name, size}, (uint32_t)index->tensor_count, &existing, err));
    if (existing != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, indexer->json.where, "JSON byte %zu: found tensor %s twice in weight_map", key->at, name);
    index->tensor[index->tensor_count] = name;
    index->file_of[index->tensor_count++] = file;
    return STATUS_OK;
}

/* Members of the object that was just opened, on a copy of the scanner: exact arrays cost less than growing ones. */
static enum status count_members(struct json json, size_t *count, struct err *err)
{
    struct json_token token;
    for (*count = 0;; (*count)++) {
        TRY(json_next(&json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        TRY(json_next(&json, &token, err));
        TRY(json_skip(&json, &token, err));
    }
}

static enum status read_weight_map(struct indexer *indexer, struct err *err)
{
    struct shards_index *index = indexer->index;
    struct json_token token;
    if (indexer->has_map)
        return err_set(err, STATUS_CORRUPT, indexer->json.where, "JSON byte %zu: found weight_map twice", indexer->json.at);
    indexer->has_map = true;
    TRY(json_expect(&indexer->json, JSON_OBJECT, &token, err));
    TRY(count_members(indexer->json, &indexer->room, err));
    if (indexer->room > LIMIT_TENSORS_MAX)
        return err_set(err, STATUS_LIMIT, indexer->json.where, "found %zu tensors, the most is %u", indexer->room, LIMIT_TENSORS_MAX);
    index->tensor = arena_alloc(indexer->arena, indexer->room, sizeof *index->tensor, err);
    index->file_of = index->tensor == NULL ? NULL : arena_alloc(indexer->arena, indexer->room, sizeof *index->file_of, err);
    if (index->file_of == NULL)
        return STATUS_LIMIT;
    for (;;) {
        TRY(json_next(&indexer->json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        TRY(take_entry(indexer, &token, err));
    }
}

/* Informative only: anything that is no object with a plain total_size counts as absent. */
static enum status read_metadata(struct indexer *indexer, struct err *err)
{
    struct json *json = &indexer->json;
    struct json_token token, value;
    bool seen = false;
    if (indexer->has_metadata)
        return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found metadata twice", json->at);
    indexer->has_metadata = true;
    TRY(json_next(json, &token, err));
    if (token.kind != JSON_OBJECT)
        return json_skip(json, &token, err);
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            return STATUS_OK;
        const bool total = json_token_is(&token, "total_size");
        if (total && seen)
            return err_set(err, STATUS_CORRUPT, json->where, "JSON byte %zu: found total_size twice", token.at);
        seen = seen || total;
        TRY(json_next(json, &value, err));
        if (total && value.kind == JSON_NUMBER)
            indexer->index->has_total_size = slice_u64(value.text, &indexer->index->total_size);
        TRY(json_skip(json, &value, err));
    }
}

static enum status read_index(struct indexer *indexer, struct err *err)
{
    struct json *json = &indexer->json;
    struct json_token token, value;
    TRY(json_expect(json, JSON_OBJECT, &token, err));
    for (;;) {
        TRY(json_next(json, &token, err));
        if (token.kind == JSON_OBJECT_END)
            break;
        if (json_token_is(&token, "weight_map")) {
            TRY(read_weight_map(indexer, err));
        } else if (json_token_is(&token, "metadata")) {
            TRY(read_metadata(indexer, err));
        } else {
            TRY(json_next(json, &value, err));
            TRY(json_skip(json, &value, err));
        }
    }
    TRY(json_expect(json, JSON_END, &token, err));
    if (indexer->index->tensor_count == 0)
        return err_set(err, STATUS_CORRUPT, json->where, "found %s, expected {\"weight_map\": {TENSOR: FILE, ...}}",
                       indexer->has_map ? "an empty weight_map" : "no weight_map");
    indexer->index->file = arena_alloc(indexer->arena, indexer->index->file_count, sizeof *indexer->index->file, err);
    if (indexer->index->file == NULL)
        return STATUS_LIMIT;
    memcpy(indexer->index->file, indexer->file, indexer->index->file_count * sizeof *indexer->file);
    return STATUS_OK;
}

enum status shards_index_read(const char *where, struct slice text, const char *suffix, struct arena *arena, struct shards_index *index,
                              struct err *err)
{
    *index = (struct shards_index){0};
    struct indexer indexer = {.json = json_over(where, text), .suffix = suffix, .arena = arena, .index = index};
    const enum status status = read_index(&indexer, err);
    map_free(&indexer.file_by_name);
    free(indexer.file);
    if (status != STATUS_OK)
        shards_index_free(index);
    return status;
}

void shards_index_free(struct shards_index *index)
{
    map_free(&index->by_name);
    *index = (struct shards_index){0};
}

/* --- the files of a directory ------------------------------------------------------------------------------------------ */

static int by_file_name(const void *name, const void *entry)
{
    return strcmp(name, ((const struct tree_entry *)entry)->name);
}

static bool has_file(const struct shards_source *source, const char *name)
{
    const struct tree_list *list = source->list;
    return list->count > 0 && bsearch(name, list->entry, list->count, sizeof *list->entry, by_file_name) != NULL;
}

bool shards_is_weight_file(const struct shards_kind *kind, const char *name)
{
    const struct slice slice = slice_of(name);
    return strchr(name, '/') == NULL && slice.size >= strlen(kind->prefix) + strlen(kind->suffix) && slice_starts(slice, kind->prefix) &&
           slice_ends(slice, kind->suffix);
}

static enum status read_file(const struct shards_source *source, const char *name, const struct file_ops *ops, struct model *model,
                             struct err *err)
{
    struct file file;
    uint32_t index;
    const char *path = arena_format(&model->arena, err, "%s/%s", source->dir, name);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_open_read(&file, ops, path, err));
    enum status status = model_add_file(model, name, file.bytes, &index, err);
    if (status == STATUS_OK)
        status = source->kind->read(&file, index, model, err);
    file_drop(&file);
    return status;
}

/* --- through an index -------------------------------------------------------------------------------------------------- */

/* A shard of the index and its place in order of first mention. */
struct shard {
    const char *name;
    uint32_t mention;
};

/* The set that an index names, while it is read. */
struct set {
    const struct shards_source *source;
    const char *where; /* the index's path */
    struct arena arena; /* of the index; freed before the caller goes on */
    struct shards_index index;
    struct shard *shard; /* [index.file_count], sorted by name; in the arena */
    size_t first_tensor, first_file; /* of the set in the model */
};

static int by_shard_name(const void *a, const void *b)
{
    return strcmp(((const struct shard *)a)->name, ((const struct shard *)b)->name);
}

static enum status load_index(struct set *set, const struct file_ops *ops, struct err *err)
{
    struct text text = {0};
    enum status status = file_slurp(ops, set->where, LIMIT_JSON_TEXT_BYTES_MAX, &text, err);
    if (status == STATUS_OK)
        status = shards_index_read(set->where, (struct slice){text.data, text.size}, set->source->kind->listed, &set->arena, &set->index, err);
    text_free(&text);
    TRY(status);
    map_free(&set->index.by_name); /* the model's own map answers from here on */
    set->shard = arena_alloc(&set->arena, set->index.file_count, sizeof *set->shard, err);
    if (set->shard == NULL)
        return STATUS_LIMIT;
    for (size_t i = 0; i < set->index.file_count; i++)
        set->shard[i] = (struct shard){set->index.file[i], (uint32_t)i};
    qsort(set->shard, set->index.file_count, sizeof *set->shard, by_shard_name);
    return STATUS_OK;
}

static enum status check_shards_present(const struct set *set, struct err *err)
{
    for (size_t i = 0; i < set->index.file_count; i++) {
        if (has_file(set->source, set->shard[i].name))
            continue;
        size_t t = 0; /* a shard is in the index because a tensor is in it */
        while (set->index.file_of[t] != set->shard[i].mention)
            t++;
        (void)err_set(err, STATUS_CORRUPT, set->where, "found no shard %s, expected it to hold %s", set->shard[i].name,
                      set->index.tensor[t]);
        return err_try(err, "download the missing shard; %zu are named by the index", set->index.file_count);
    }
    return STATUS_OK;
}

/* Every mapped tensor is in its shard; mark[i] is set for tensor first_tensor + i of the model. */
static enum status check_map(const struct set *set, const struct model *model, uint8_t *mark, struct err *err)
{
    for (size_t i = 0; i < set->index.tensor_count; i++) {
        const char *name = set->index.tensor[i], *shard = set->index.file[set->index.file_of[i]];
        const uint32_t t = model_find(model, slice_of(name));
        if (t == MODEL_NONE) {
            (void)err_set(err, STATUS_CORRUPT, set->where, "found no tensor %s in shard %s, expected it there", name, shard);
            return err_try(err, "the index does not belong to these shards: download both again");
        }
        const size_t file = model->tensor[t].file;
        if (file < set->first_file || set->shard[file - set->first_file].mention != set->index.file_of[i]) {
            (void)err_set(err, STATUS_CORRUPT, set->where, "found tensor %s in %s, expected it in shard %s", name, model->file[file].name,
                          shard);
            return err_try(err, "the index does not belong to these shards: download both again");
        }
        mark[t - set->first_tensor] = 1;
    }
    return STATUS_OK;
}

/* "STEM-00002-of-00007.safetensors" taken apart. */
struct number {
    size_t at;    /* of the first number */
    size_t width; /* its digits */
    uint64_t index, count;
};

/* The number that ends before `end`, at most 9 digits; 0 digits if there is none. */
static size_t number_before(const char *name, size_t end, uint64_t *value)
{
    size_t start = end;
    uint64_t scale = 1;
    for (*value = 0; start > 0 && end - start < 9 && name[start - 1] >= '0' && name[start - 1] <= '9'; start--, scale *= 10)
        *value += (uint64_t)(name[start - 1] - '0') * scale;
    return end - start;
}

static bool is_numbered(const struct shards_kind *kind, const char *name, struct number *number)
{
    const size_t suffix = strlen(kind->suffix), size = strlen(name);
    if (size < suffix || strcmp(name + size - suffix, kind->suffix) != 0)
        return false;
    const size_t end = size - suffix;
    const size_t digits = number_before(name, end, &number->count);
    const size_t dash = end - digits;
    if (digits == 0 || dash < 4 || memcmp(name + dash - 4, "-of-", 4) != 0)
        return false;
    number->width = number_before(name, dash - 4, &number->index);
    number->at = dash - 4 - number->width;
    return number->width > 0 && number->at > 0 && name[number->at - 1] == '-';
}

/* A file of the index's own numbered set that the index does not name: its tensors would be lost. */
static enum status refuse_forgotten(const struct set *set, const char *name, struct err *err)
{
    struct number own, other;
    for (size_t i = 0; is_numbered(set->source->kind, name, &own) && i < set->index.file_count; i++) {
        const char *shard = set->shard[i].name;
        if (!is_numbered(set->source->kind, shard, &other) || own.at != other.at || own.count != other.count || memcmp(name, shard, own.at) != 0)
            continue;
        (void)err_set(err, STATUS_CORRUPT, set->where, "found no tensor of %s, expected all %llu shards of the set to be named (R-INCOMPLETE)", name,
                      (unsigned long long)own.count);
        return err_try(err, "repaq index --write makes the index anew");
    }
    return STATUS_OK;
}

static enum status note_extras(const struct set *set, struct model *model, const uint8_t *mark, struct err *err)
{
    const char *first = NULL;
    size_t extras = 0;
    uint64_t bytes = 0;
    for (size_t t = set->first_tensor; t < model->tensor_count; t++) {
        bytes += model->tensor[t].bytes;
        if (mark[t - set->first_tensor] != 0)
            continue;
        first = first == NULL ? model->tensor[t].name : first;
        extras++;
    }
    if (extras > 0)
        TRY(model_add_note(model, err, "%s: %zu tensors are in the shards but not in the index (first: %s); they are read",
                           set->source->index_name, extras, first));
    if (set->index.has_total_size && set->index.total_size != bytes)
        TRY(model_add_note(model, err, "%s: found total_size %llu, expected %llu; ignored", set->source->index_name,
                           (unsigned long long)set->index.total_size, (unsigned long long)bytes));
    first = NULL;
    extras = 0;
    for (size_t i = 0; i < set->source->list->count; i++) {
        const struct shard file = {.name = set->source->list->entry[i].name};
        if (!shards_is_weight_file(set->source->kind, file.name) || bsearch(&file, set->shard, set->index.file_count, sizeof file, by_shard_name) != NULL)
            continue;
        TRY(refuse_forgotten(set, file.name, err));
        first = first == NULL ? file.name : first;
        extras++;
    }
    if (extras == 0)
        return STATUS_OK;
    return model_add_note(model, err, "%s: %zu *%s files are not named by the index and not read (first: %s)", set->source->index_name,
                          extras, set->source->kind->suffix, first);
}

static enum status read_set(struct set *set, const struct file_ops *ops, struct model *model, struct err *err)
{
    TRY(load_index(set, ops, err));
    TRY(check_shards_present(set, err));
    for (size_t i = 0; i < set->index.file_count; i++)
        TRY(read_file(set->source, set->shard[i].name, ops, model, err));
    uint8_t *mark = mem_alloc(model->tensor_count - set->first_tensor, sizeof *mark, err);
    if (mark == NULL)
        return STATUS_LIMIT;
    enum status status = check_map(set, model, mark, err);
    if (status == STATUS_OK)
        status = note_extras(set, model, mark, err);
    free(mark);
    return status;
}

static enum status read_indexed(const struct shards_source *source, const struct file_ops *ops, struct model *model, struct err *err)
{
    struct set set = {.source = source, .first_tensor = model->tensor_count, .first_file = model->file_count};
    set.where = arena_format(&model->arena, err, "%s/%s", source->dir, source->index_name);
    if (set.where == NULL)
        return STATUS_LIMIT;
    model->sharded = true;
    const enum status status = read_set(&set, ops, model, err);
    shards_index_free(&set.index);
    arena_free(&set.arena);
    return status;
}

/* --- without an index -------------------------------------------------------------------------------------------------- */

/* A set is complete if each member has its neighbours up to both ends. */
static enum status check_number(const struct shards_source *source, const char *name, const struct number *number, struct err *err)
{
    char other[512];
    if (number->index == 0 || number->index > number->count)
        return err_set(err, STATUS_CORRUPT, source->dir, "found shard %s, expected a number from 1 to %llu", name,
                       (unsigned long long)number->count);
    for (uint64_t index = number->index - 1; index <= number->index + 1; index += 2) {
        if (index == 0 || index > number->count)
            continue;
        (void)snprintf(other, sizeof other, "%.*s%0*llu%s", (int)number->at, name, (int)number->width, (unsigned long long)index,
                       name + number->at + number->width);
        if (has_file(source, other))
            continue;
        (void)err_set(err, STATUS_CORRUPT, source->dir, "found %s but no %s, expected all %llu shards", name, other,
                      (unsigned long long)number->count);
        return err_try(err, "download the missing shard");
    }
    return STATUS_OK;
}

static enum status read_all(const struct shards_source *source, const struct file_ops *ops, struct model *model, struct err *err)
{
    size_t files = 0;
    for (size_t i = 0; i < source->list->count; i++) {
        struct number number;
        const char *name = source->list->entry[i].name;
        if (!shards_is_weight_file(source->kind, name))
            continue;
        files++;
        if (!is_numbered(source->kind, name, &number))
            continue;
        model->sharded = true;
        TRY(check_number(source, name, &number, err));
    }
    if (files == 0)
        return err_set(err, STATUS_CORRUPT, source->dir, "found no %s*%s file, expected at least one", source->kind->prefix, source->kind->suffix);
    for (size_t i = 0; i < source->list->count; i++)
        if (shards_is_weight_file(source->kind, source->list->entry[i].name))
            TRY(read_file(source, source->list->entry[i].name, ops, model, err));
    return STATUS_OK;
}

enum status shards_read(const struct shards_source *source, const struct file_ops *ops, struct model *model, struct err *err)
{
    return source->index_name != NULL ? read_indexed(source, ops, model, err) : read_all(source, ops, model, err);
}

/* --- writing ----------------------------------------------------------------------------------------------------------- */

char *shards_name(const char *prefix, size_t index, size_t count, bool number_one, struct arena *arena, struct err *err)
{
    if (count == 1 && !number_one)
        return arena_format(arena, err, "%s%s", prefix, SUFFIX);
    return arena_format(arena, err, "%s-%05zu-of-%05zu%s", prefix, index, count, SUFFIX);
}

enum status shards_index_text(const struct shards_map *map, struct text *text, struct err *err)
{
    text_format(text, "{\n  \"metadata\": {\n    \"total_size\": %llu\n  },\n  \"weight_map\": {", (unsigned long long)map->total_size);
    for (size_t i = 0; i < map->count; i++) {
        text_string(text, i == 0 ? "\n    " : ",\n    ");
        json_quote(text, slice_of(map->names[i]));
        text_string(text, ": ");
        json_quote(text, slice_of(map->files[map->file_of[i]]));
    }
    text_string(text, map->count == 0 ? "}\n}\n" : "\n  }\n}\n");
    return text_check(text, err);
}
