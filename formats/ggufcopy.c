#include "formats/ggufcopy.h"

#include "container/ggufile_value.h"
#include "ir/filetype.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUANTIZATION_VERSION = 2, GUESSED = 1024 };

/* --- hyper-parameters ---------------------------------------------------------------------------------------------------------------- */

/* The last pair that the user sets under a key; NULL if there is none. */
static const struct gguf_pair *find_pair(const struct gguf_options *options, const char *key, enum ggufile_kind kind)
{
    for (size_t p = options->pair_count; p > 0; p--)
        if (strcmp(options->pair[p - 1].key, key) == 0)
            return options->pair[p - 1].kind == kind ? &options->pair[p - 1] : NULL;
    return NULL;
}

/* A count by "<architecture>.NAME", of the first layer where each has its own; 0 where there is none. What the user sets counts instead of a number
 * (ggml-org/llama.cpp:src/llama-model-loader.cpp, GGUFMeta::GKV::set). */
static enum status take_count(const struct ggufcopy *copy, const char *name, const struct gguf_options *options, uint64_t *count, struct err *err)
{
    const struct ggufile *file = &copy->set.file[0];
    char key[128];
    struct ggufile_array array;
    int64_t first = 0;
    bool present;
    (void)snprintf(key, sizeof key, "%.*s.%s", (int)(copy->hyper.arch.size < 64 ? copy->hyper.arch.size : 64), copy->hyper.arch.data, name);
    const struct ggufile_value *value = ggufile_find(file, key);
    *count = 0;
    const struct gguf_pair *pair = find_pair(options, key, GGUFILE_U32);
    if (pair != NULL && (value == NULL || value->kind != GGUFILE_ARRAY)) {
        *count = pair->bits;
        return STATUS_OK;
    }
    if (value == NULL)
        return STATUS_OK;
    if (value->kind != GGUFILE_ARRAY)
        return ggufile_value_u64(file, key, count, &present, err);
    TRY(ggufile_value_array(file, key, GGUFILE_KIND_COUNT, &array, &present, err));
    if (!ggufile_value_integer(&array, 0, &first) || first < 0)
        return err_set(err, STATUS_CORRUPT, file->path, "found %s without a count for the first layer", key);
    *count = (uint64_t)first;
    return STATUS_OK;
}

/* Keys begin with the architecture: one that the user sets must have keys of its own, as readers look for no others. */
static enum status check_arch(const struct ggufcopy *copy, const struct gguf_options *options, struct err *err)
{
    const struct slice arch = copy->hyper.arch;
    static const char *const needed[] = {"block_count", "context_length", "embedding_length"};
    for (size_t n = 0; n < sizeof needed / sizeof needed[0]; n++) {
        char key[128];
        (void)snprintf(key, sizeof key, "%.*s.%s", (int)(arch.size < 64 ? arch.size : 64), arch.data, needed[n]);
        if (ggufile_find(&copy->set.file[0], key) != NULL || find_pair(options, key, GGUFILE_U32) != NULL)
            continue;
        (void)err_set(err, STATUS_USAGE, "--override-kv", "found general.architecture \"%.*s\" and no %s, without which nobody reads the file",
                      (int)arch.size, arch.data, key);
        return err_try(err, "leave general.architecture as it is, or --override-kv %s=int:N and the other keys as well", key);
    }
    return STATUS_OK;
}

static enum status take_hyper(struct ggufcopy *copy, const struct gguf_options *options, struct err *err)
{
    struct gguf_hyper *hyper = &copy->hyper;
    bool present;
    TRY(ggufile_value_string(&copy->set.file[0], "general.architecture", &hyper->arch, &present, err));
    const struct gguf_pair *arch = find_pair(options, "general.architecture", GGUFILE_STRING);
    if (arch != NULL)
        hyper->arch = slice_of(arch->text);
    if (!present && arch == NULL)
        return err_set(err, STATUS_CORRUPT, copy->set.file[0].path, "found no general.architecture");
    if (arch != NULL)
        TRY(check_arch(copy, options, err));
    TRY(take_count(copy, "block_count", options, &hyper->layers, err));
    TRY(take_count(copy, "attention.head_count", options, &hyper->heads, err));
    TRY(take_count(copy, "attention.head_count_kv", options, &hyper->key_heads, err));
    TRY(take_count(copy, "expert_count", options, &hyper->experts, err));
    char key[128];
    (void)snprintf(key, sizeof key, "%.*s.attention.head_count_kv", (int)(hyper->arch.size < 64 ? hyper->arch.size : 64), hyper->arch.data);
    if (ggufile_find(&copy->set.file[0], key) == NULL && find_pair(options, key, GGUFILE_U32) == NULL)
        hyper->key_heads = hyper->heads;
    return STATUS_OK;
}

enum status ggufcopy_open(struct ggufcopy *copy, struct source *source, const struct gguf_options *options, bool lenient, struct err *err)
{
    const char *path = source_path(source, source->only, err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(ggufile_split_read(path, source->ops, lenient, &copy->set, err));
    return take_hyper(copy, options, err);
}

void ggufcopy_free(struct ggufcopy *copy)
{
    ggufile_split_free(&copy->set);
    *copy = (struct ggufcopy){0};
}

/* --- tensors ------------------------------------------------------------------------------------------------------------------------- */

static enum status add_tensor(struct model *model, const struct ggufile_tensor *tensor, uint32_t index, struct arrangement *arrangement, struct err *err)
{
    struct arranged arranged = {.name = model->tensor[index].name, .rank = GGUFILE_DIMS_MAX, .source = index};
    while (arranged.rank > 1 && tensor->dims[arranged.rank - 1] == 1)
        arranged.rank--;
    uint64_t *shape = arena_alloc(&model->arena, arranged.rank, sizeof *shape, err);
    uint32_t *weight = arena_alloc(&model->arena, 1, sizeof *weight, err);
    if (shape == NULL || weight == NULL)
        return STATUS_LIMIT;
    for (unsigned d = 0; d < arranged.rank; d++)
        shape[d] = tensor->dims[arranged.rank - 1 - d];
    arranged.shape = shape;
    if (model->tensor[index].fate == FATE_CLAIMED) {
        *weight = model->tensor[index].peer;
        arranged.source = MODEL_NONE;
        arranged.weight = weight;
        arranged.weight_count = 1;
    }
    TRY(mem_grow((void **)&arrangement->tensor, &arrangement->capacity, arrangement->count + 1, sizeof *arrangement->tensor, err));
    arrangement->tensor[arrangement->count++] = arranged;
    return STATUS_OK;
}

static enum status leave_out(struct arrangement *arrangement, uint32_t index, const char *why, struct err *err)
{
    TRY(mem_grow((void **)&arrangement->left, &arrangement->left_capacity, arrangement->left_count + 1, sizeof *arrangement->left, err));
    arrangement->left[arrangement->left_count++] = (struct left_out){index, why};
    return STATUS_OK;
}

static enum status arrange_one(const struct ggufcopy *copy, struct model *model, const struct ggufile_tensor *tensor, const struct regex *exclude,
                               struct arrangement *arrangement, struct err *err)
{
    const uint32_t index = model_find(model, slice_of(tensor->name));
    bool excluded = false;
    const char *name;
    if (index == MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, model->dir, "found tensor %s only when it was read again", tensor->name);
    if (exclude != NULL)
        TRY(regex_search(exclude, slice_of(tensor->name), &excluded, err));
    TRY(ggufprune_name(&copy->prune, model->tensor[index].name, &model->arena, &name, err));
    if (excluded || name == NULL)
        return leave_out(arrangement, index, excluded ? "excluded" : "of a layer that is left out", err);
    TRY(add_tensor(model, tensor, index, arrangement, err));
    struct arranged *added = &arrangement->tensor[arrangement->count - 1];
    added->counted_as = added->name;
    added->name = name;
    return STATUS_OK;
}

enum status ggufcopy_arrange(struct ggufcopy *copy, struct model *model, const struct regex *exclude, const struct ggufprune_list *prune,
                             struct arrangement *arrangement, struct err *err)
{
    TRY(ggufprune_make(&copy->prune, &copy->set, prune, copy->hyper.layers, &model->arena, err));
    for (size_t f = 0; f < copy->set.count; f++)
        for (size_t t = 0; t < copy->set.file[f].tensor_count; t++)
            TRY(arrange_one(copy, model, &copy->set.file[f].tensor[t], exclude, arrangement, err));
    return STATUS_OK;
}

/* --- metadata ------------------------------------------------------------------------------------------------------------------------ */

/* The type of most tensors, the first to reach their number, as llama.cpp's loader guesses it where general.file_type is missing. */
static uint32_t guess_type(const struct gguf_listing *listing)
{
    static const struct {
        enum ggml_type type;
        enum filetype filetype;
    } others[] = {{GGML_Q3_K, FILETYPE_Q3_K_M}, {GGML_Q4_K, FILETYPE_Q4_K_M}, {GGML_Q5_K, FILETYPE_Q5_K_M}, {GGML_MXFP4, FILETYPE_F32}};
    size_t count[GGML_COUNT] = {0}, most = 0;
    enum ggml_type type = GGML_F32;
    for (size_t t = 0; t < listing->count; t++) {
        if (++count[listing->tensor[t].type] <= most)
            continue;
        type = listing->tensor[t].type;
        most = count[type];
    }
    enum filetype filetype = ggml_kind(type) == GGML_KIND_INTEGER || type == GGML_F64 ? FILETYPE_F32 : filetype_of(type);
    for (size_t o = 0; o < sizeof others / sizeof others[0]; o++)
        if (others[o].type == type)
            filetype = others[o].filetype;
    return (uint32_t)filetype | GUESSED;
}

static void write_pair(struct ggufile_writer *writer, const struct gguf_pair *pair)
{
    if (pair->kind == GGUFILE_STRING)
        ggufile_write_string(writer, pair->key, slice_of(pair->text));
    else
        ggufile_write_integer(writer, pair->key, pair->kind, pair->bits);
}

static bool is_split(struct slice key)
{
    return slice_is(key, "split.no") || slice_is(key, "split.count") || slice_is(key, "split.tensors.count");
}

/* True if one of pairs [first, count) sets the key. */
static bool is_set(const struct gguf_pair *const *pair, size_t first, size_t count, struct slice key)
{
    for (size_t p = first; p < count; p++)
        if (slice_is(key, pair[p]->key))
            return true;
    return false;
}

/* The source's name, without the suffix and the numbers of a shard. */
static void take_stem(const char *path, char stem[256])
{
    const char *slash = strrchr(path, '/');
    struct slice name = slice_of(slash == NULL ? path : slash + 1);
    struct ggufile_split_part part;
    if (ggufile_split_parse(name, &part))
        name = part.prefix;
    else if (slice_ends(name, ".gguf"))
        name.size -= sizeof ".gguf" - 1;
    (void)snprintf(stem, 256, "%.*s", (int)(name.size < 255 ? name.size : 255), name.data);
}

enum status ggufcopy_head(const struct gguf_input *input, struct gguf_listing *listing, struct ggufile_writer *writer, struct err *err)
{
    const struct ggufile *file = &input->copy->set.file[0];
    const struct gguf_options *options = input->options;
    uint32_t file_type = listing->file_type;
    bool present = true;
    take_stem(file->path, listing->stem);
    for (size_t v = 0; v < file->value_count && listing->verbatim; v++)
        if (!is_split(file->value[v].key))
            ggufile_write_value(writer, &file->value[v]);
    if (listing->verbatim)
        return STATUS_OK;
    if (file_type == FILETYPE_NONE)
        TRY(ggufile_value_u32(file, "general.file_type", &file_type, &present, err));
    const struct gguf_pair own[] = {
        {"general.quantization_version", GGUFILE_U32, QUANTIZATION_VERSION, NULL},
        {"general.file_type", GGUFILE_U32, present ? file_type : guess_type(listing), NULL},
    };
    char block_count[128];
    (void)snprintf(block_count, sizeof block_count, "%.*s.block_count", (int)(input->copy->hyper.arch.size < 64 ? input->copy->hyper.arch.size : 64),
                   input->copy->hyper.arch.data);
    const struct gguf_pair blocks = {block_count, GGUFILE_U32, input->copy->prune.left, NULL};
    const bool pruned = input->copy->prune.number != NULL;
    const size_t count = 2 + options->pair_count + pruned; /* what is set, comes last, and once */
    const struct gguf_pair **pair = mem_alloc(count, sizeof *pair, err);
    if (pair == NULL)
        return STATUS_LIMIT;
    for (size_t p = 0; p < count; p++)
        pair[p] = p < 2 ? &own[p] : p - 2 < options->pair_count ? &options->pair[p - 2] : &blocks;
    for (size_t v = 0; v < file->value_count; v++)
        if (!is_split(file->value[v].key) && !is_set(pair, 0, count, file->value[v].key))
            ggufile_write_value(writer, &file->value[v]);
    for (size_t p = 0; p < count; p++)
        if (!is_set(pair, p + 1, count, slice_of(pair[p]->key)))
            write_pair(writer, pair[p]);
    free(pair);
    return STATUS_OK;
}
