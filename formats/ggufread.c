#include "formats/ggufread.h"

#include "base/limits.h"
#include "container/ggufile_split.h"
#include "formats/arch/arch.h"
#include "formats/gguf_vocabulary.h"
#include "formats/ggufconfig.h"
#include "formats/ggufrope.h"
#include "formats/hfrebuild.h"
#include "formats/hyper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    struct source *source;
    struct model *model;
    const struct ggufile_set *set;
    const struct ggufile *gguf; /* the file of the set that has the metadata */
    const struct arch *arch; /* NULL: none of ours */
    bool as_stored;          /* names, rows and stacks of the file */
    uint32_t file;           /* whose tensors are being read */
    uint64_t heads, key_heads;
    size_t strange;          /* tensors without a name in Hugging Face's */
    const char *stranger;    /* the first of them */
    uint32_t layers;         /* the largest number of one, and 1 */
};

/* --- one tensor ------------------------------------------------------------------------------------------------------------------ */

/* The tensor as the file has it: numbers, or rows of blocks as bytes. */
static enum status add_stored(struct reading *reading, const struct ggufile_tensor *tensor, uint32_t *index, struct err *err)
{
    uint64_t shape[GGUFILE_DIMS_MAX];
    const enum dtype dtype = ggml_dtype(tensor->type);
    for (unsigned d = 0; d < tensor->rank; d++)
        shape[d] = tensor->dims[tensor->rank - 1 - d];
    if (dtype == DTYPE_NONE && tensor->rank > 0 && !ggml_row_bytes(tensor->type, tensor->dims[0], &shape[tensor->rank - 1]))
        return err_set(err, STATUS_CORRUPT, tensor->name, "found rows that are no whole blocks of %s", ggml_name(tensor->type));
    const struct tensor stored = {.name = tensor->name, .shape = shape, .rank = tensor->rank, .dtype = dtype == DTYPE_NONE ? DTYPE_U8 : dtype,
                                  .offset = tensor->offset, .bytes = tensor->bytes, .file = reading->file,
                                  .swapped = reading->gguf->big_endian ? (uint8_t)(tensor->type + 1) : 0};
    return model_add_tensor(reading->model, &stored, index, err);
}

/* What one part of a tensor of the file becomes: a tensor or a weight of its own, under Hugging Face's name. */
struct share {
    const char *name;     /* in the model's arena */
    uint32_t stored;
    uint64_t row0, rows;  /* of the stored tensor's rows, a vector's elements among them */
    uint64_t head;        /* rows of a head that turn back; 0: none */
    uint32_t experts;     /* a stack of so many, that stays one; 0: none */
    bool whole;           /* all of the stored tensor, in its order */
};

/* A tensor for the part: the stored one renamed, or a view of it. */
static enum status add_share(struct reading *reading, const struct share *share, const char *name, uint32_t *index, struct err *err)
{
    const struct tensor stored = reading->model->tensor[share->stored];
    if (share->whole) {
        reading->model->tensor[share->stored].out_name = name;
        *index = share->stored;
        return STATUS_OK;
    }
    struct view_piece *piece = arena_alloc(&reading->model->arena, 1, sizeof *piece, err);
    if (piece == NULL)
        return STATUS_LIMIT;
    *piece = (struct view_piece){share->stored, share->row0};
    uint64_t rows = 1, shape[2] = {share->rows, stored.rank < 2 ? 0 : stored.shape[stored.rank - 1]};
    for (unsigned d = 0; d + (stored.rank > 1) < stored.rank; d++)
        rows *= stored.shape[d];
    const struct tensor gathered = {.name = name, .shape = shape, .rank = stored.rank < 2 ? 1 : 2, .dtype = stored.dtype};
    const struct view view = {.piece = piece, .down = 1, .across = 1, .rows = share->rows, .piece_bytes = stored.bytes / rows, .head = share->head,
                              .turn = share->head == 0 ? TURN_NONE : TURN_TO_HALVES};
    return model_add_view(reading->model, &gathered, &view, index, err);
}

static const struct ggufread_fields fields_of[] = {
    {GGML_Q4_0, GRID_AFFINE_ZERO, DTYPE_F16, 4, 16, LAYOUT_BLOCK_IN4, UNFOLD_NONE},
    {GGML_Q4_1, GRID_AFFINE_BETA, DTYPE_F16, 4, 16, LAYOUT_BLOCK_IN4, UNFOLD_NONE},
    {GGML_Q5_0, GRID_AFFINE_ZERO, DTYPE_F16, 5, 32, LAYOUT_BLOCK_IN5, UNFOLD_FIVE},
    {GGML_Q5_1, GRID_AFFINE_BETA, DTYPE_F16, 5, 32, LAYOUT_BLOCK_IN5, UNFOLD_FIVE},
    {GGML_Q8_0, GRID_AFFINE_ZERO, DTYPE_F16, 8, 32, LAYOUT_BYTE_INT8, UNFOLD_NONE},
    {GGML_MXFP4, GRID_MINIFLOAT, DTYPE_F8_E8M0, 4, 16, LAYOUT_ROW_IN4, UNFOLD_NIBBLES},
};

const struct ggufread_fields *ggufread_fields_at(size_t index)
{
    return index < sizeof fields_of / sizeof fields_of[0] ? &fields_of[index] : NULL;
}

/* A field of the weight's blocks as a tensor of its own: bytes [skip, skip + take) of each. */
struct field {
    enum role role;
    const char *suffix;
    enum dtype dtype;
    uint64_t skip, take;
    enum unfold unfold;
};

static enum status add_field(struct reading *reading, uint32_t index, uint32_t blocks, const struct field *field, struct err *err)
{
    struct model *model = reading->model;
    const struct weight *weight = &model->weight[index];
    const uint64_t shape[] = {weight->out, weight->groups * field->take * 8 / dtype_bits(field->dtype)};
    const char *name = arena_format(&model->arena, err, "%s%s", weight->name, field->suffix);
    struct view_piece *piece = arena_alloc(&model->arena, 1, sizeof *piece, err);
    if (name == NULL || piece == NULL)
        return STATUS_LIMIT;
    *piece = (struct view_piece){blocks, field->skip};
    const struct tensor tensor = {.name = name, .shape = shape, .rank = 2, .dtype = field->dtype};
    const struct view view = {.piece = piece, .down = 1, .across = 1, .field_stride = model->tensor[blocks].bytes / (weight->out * weight->groups),
                              .field_bytes = field->take, .unfold = field->unfold};
    uint32_t added;
    TRY(model_add_view(model, &tensor, &view, &added, err));
    model_claim(model, index, field->role, added);
    return STATUS_OK;
}

/* The weight's fields, in the place of its blocks. */
static enum status add_fields(struct reading *reading, uint32_t index, uint32_t blocks, const struct ggufread_fields *row, struct err *err)
{
    struct spec *spec = &reading->model->weight[index].spec;
    const uint64_t scale = dtype_bits(row->scales) / 8, beta = row->grid == GRID_AFFINE_BETA ? 2 : 0;
    spec->grid = row->grid;
    spec->bits = row->bits;
    spec->zero_kind = row->grid == GRID_AFFINE_BETA ? ZERO_BETA : ZERO_MID;
    spec->scale_dtype = row->scales;
    spec->codes_layout = (uint16_t)row->layout;
    TRY(add_field(reading, index, blocks, &(struct field){ROLE_CODES, ".codes", DTYPE_U8, scale + beta, row->take, row->unfold}, err));
    TRY(add_field(reading, index, blocks, &(struct field){ROLE_SCALES, ".scales", row->scales, 0, scale, UNFOLD_NONE}, err));
    if (beta == 0)
        return STATUS_OK;
    return add_field(reading, index, blocks, &(struct field){ROLE_BETA, ".biases", DTYPE_F16, scale, 2, UNFOLD_NONE}, err);
}

/* Blocks are the codes of a weight named without ".weight". */
static enum status add_weight(struct reading *reading, const struct share *share, const struct ggufile_tensor *tensor, struct err *err)
{
    uint32_t codes, index;
    const size_t size = strlen(share->name), suffix = sizeof ".weight" - 1;
    if (!slice_ends(slice_of(share->name), ".weight"))
        return err_set(err, STATUS_UNSUPPORTED, tensor->name, "found blocks of %s in a tensor that is no .weight", ggml_name(tensor->type));
    const char *name = arena_copy(&reading->model->arena, share->name, size - suffix, err);
    if (name == NULL)
        return STATUS_LIMIT;
    TRY(add_share(reading, share, share->name, &codes, err));
    TRY(model_add_weight(reading->model, name, &index, err));
    struct weight *weight = &reading->model->weight[index];
    weight->out = share->rows;
    weight->in = tensor->dims[0];
    weight->groups = weight->in / ggml_block_elements(tensor->type);
    weight->spec = (struct spec){.grid = GRID_GGML_BLOCK,
                                 .bits = (uint8_t)(ggml_block_bytes(tensor->type) * 8 / ggml_block_elements(tensor->type)),
                                 .block = (uint8_t)tensor->type,
                                 .scale_dtype = DTYPE_F16,
                                 .group = ggml_block_elements(tensor->type),
                                 .experts = share->experts,
                                 .switched = share->experts > 0};
    for (size_t f = 0; f < sizeof fields_of / sizeof fields_of[0] && !reading->as_stored; f++)
        if (fields_of[f].type == tensor->type)
            return add_fields(reading, index, codes, &fields_of[f], err);
    model_claim(reading->model, index, ROLE_CODES, codes);
    return STATUS_OK;
}

static enum status add_named(struct reading *reading, struct share *share, const struct ggufile_tensor *tensor, const struct arch_match *match, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 1];
    uint32_t index;
    if (!arch_write(match->row->hf, match, name, sizeof name))
        return err_set(err, STATUS_LIMIT, tensor->name, "found a name longer than %d bytes", LIMIT_NAME_BYTES_MAX);
    share->name = arena_copy(&reading->model->arena, name, strlen(name), err);
    if (share->name == NULL)
        return STATUS_LIMIT;
    if (ggml_kind(tensor->type) == GGML_KIND_BLOCK)
        return add_weight(reading, share, tensor, err);
    TRY(add_share(reading, share, share->name, &index, err));
    reading->model->tensor[index].switched = share->experts > 0;
    reading->model->tensor[index].shortened = reading->arch->cut_embedding && strcmp(match->row->gguf, "token_embd") == 0;
    reading->model->tensor[index].shift = match->row->change == ARCH_PLUS_ONE ? -1 : 0;
    return STATUS_OK;
}

/* One tensor for each expert of a stack. */
static enum status add_experts(struct reading *reading, uint32_t stored, const struct ggufile_tensor *tensor, struct arch_match *match, struct err *err)
{
    if (tensor->rank != 3 || tensor->dims[2] > LIMIT_EXPERTS_MAX)
        return err_set(err, STATUS_CORRUPT, tensor->name, "found no stack of at most %d matrices", LIMIT_EXPERTS_MAX);
    for (match->expert = 0; match->expert < tensor->dims[2]; match->expert++) {
        struct share share = {.stored = stored, .row0 = match->expert * tensor->dims[1], .rows = tensor->dims[1]};
        TRY(add_named(reading, &share, tensor, match, err));
    }
    return STATUS_OK;
}

/* As the file has it, under its own name; stacks of blocks are one weight of all their rows. */
static enum status add_own(struct reading *reading, uint32_t stored, const struct ggufile_tensor *tensor, struct err *err)
{
    const bool foreign = !reading->as_stored && reading->arch != NULL;
    reading->model->tensor[stored].foreign = foreign;
    if (ggml_kind(tensor->type) != GGML_KIND_BLOCK)
        return STATUS_OK;
    const struct share share = {.name = reading->model->tensor[stored].name, .stored = stored,
                                .rows = tensor->dims[1] * tensor->dims[2] * tensor->dims[3], .whole = true};
    TRY(add_weight(reading, &share, tensor, err));
    reading->model->weight[reading->model->weight_count - 1].foreign = foreign;
    return STATUS_OK;
}

static enum status add_tensor(struct reading *reading, const struct ggufile_tensor *tensor, struct err *err)
{
    struct arch_match match;
    uint32_t stored;
    TRY(add_stored(reading, tensor, &stored, err));
    if (reading->as_stored)
        return add_own(reading, stored, tensor, err);
    if (ggufrope_is(tensor->name)) { /* config.json says it */
        reading->model->tensor[stored].fate = FATE_PIECE;
        return STATUS_OK;
    }
    if (reading->arch == NULL || !arch_match_gguf(reading->arch, slice_of(tensor->name), &match)) {
        if (reading->strange++ == 0)
            reading->stranger = tensor->name;
        if (reading->arch != NULL && (slice_ends(slice_of(tensor->name), ".scale") || slice_ends(slice_of(tensor->name), ".input_scale"))) {
            (void)err_set(err, STATUS_UNSUPPORTED, tensor->name,
                          "found a scale that is applied at run time (R-ACTSCALE), which Hugging Face's %s has no place for", reading->arch->classes[0]);
            return err_try(err, "--to gguf keeps it");
        }
        return add_own(reading, stored, tensor, err);
    }
    if (match.layer != UINT32_MAX && match.layer >= reading->layers)
        reading->layers = match.layer + 1;
    if (strchr(match.row->hf, '@') != NULL && match.expert == UINT32_MAX)
        return add_experts(reading, stored, tensor, &match, err);
    const uint64_t rows = tensor->rank < 2 ? tensor->dims[0] : tensor->dims[1];
    const uint64_t heads = match.row->change == ARCH_TURN_Q ? reading->heads : match.row->change == ARCH_TURN_K ? reading->key_heads : 0;
    if (heads > 0 && (rows % heads != 0 || rows / heads % 2 != 0))
        return err_set(err, STATUS_CORRUPT, tensor->name, "found %llu rows, expected %llu heads of an even number of rows", (unsigned long long)rows,
                       (unsigned long long)heads);
    struct share share = {.stored = stored, .rows = rows, .head = heads == 0 ? 0 : rows / heads, .whole = heads == 0};
    if (match.row->change == ARCH_BARE)
        match.suffix = slice_of("");
    if (match.row->change == ARCH_SWITCHED && slice_is(match.suffix, ".weight")) {
        if (tensor->rank != 3 || tensor->dims[2] > LIMIT_EXPERTS_MAX)
            return err_set(err, STATUS_CORRUPT, tensor->name, "found no stack of at most %d matrices", LIMIT_EXPERTS_MAX);
        share.experts = (uint32_t)tensor->dims[2];
        share.rows *= tensor->dims[2];
    }
    if (ggml_kind(tensor->type) == GGML_KIND_BLOCK && tensor->rank != (share.experts > 0 ? 3 : 2))
        return err_set(err, STATUS_UNSUPPORTED, tensor->name, "found blocks of %s in a tensor of %u dimensions", ggml_name(tensor->type), tensor->rank);
    return add_named(reading, &share, tensor, &match, err);
}

/* --- the file -------------------------------------------------------------------------------------------------------------------- */

static enum status find_arch(struct reading *reading, struct err *err)
{
    struct slice name;
    char key[128];
    uint32_t heads = 0, key_heads = 0;
    bool present;
    TRY(ggufile_value_string(reading->gguf, "general.architecture", &name, &present, err));
    reading->arch = present ? arch_of_gguf(name) : NULL;
    if (reading->arch == NULL && !reading->as_stored)
        return model_add_note(reading->model, err, "architecture \"%.*s\": its tensors keep the names of GGUF", present ? (int)name.size : 0,
                              present ? name.data : "");
    if (reading->as_stored)
        return STATUS_OK;
    (void)snprintf(key, sizeof key, "%s.attention.head_count", reading->arch->name);
    const struct ggufile_value *value = ggufile_find(reading->gguf, key);
    if (value != NULL && value->kind != GGUFILE_ARRAY)
        TRY(ggufile_value_u32(reading->gguf, key, &heads, NULL, err));
    (void)snprintf(key, sizeof key, "%s.attention.head_count_kv", reading->arch->name);
    value = ggufile_find(reading->gguf, key);
    if (value != NULL && value->kind != GGUFILE_ARRAY)
        TRY(ggufile_value_u32(reading->gguf, key, &key_heads, NULL, err));
    reading->heads = heads;
    reading->key_heads = key_heads == 0 ? heads : key_heads;
    return STATUS_OK;
}

/* What config.json will say of sizes is what the tensors show. Files that hold a vocabulary alone have none. */
static enum status check_sizes(const struct reading *reading, struct err *err)
{
    const struct ggufile_tensor *embedding = NULL;
    for (size_t f = 0; f < reading->set->count && embedding == NULL; f++)
        embedding = ggufile_find_tensor(&reading->set->file[f], slice_of("token_embd.weight"));
    const struct {
        const char *key;
        uint64_t shown; /* 0: by nothing, but 0 is no such number */
        const char *what;
    } rows[] = {{"block_count", reading->layers, "blocks with tensors"},
                {"embedding_length", embedding == NULL ? 0 : embedding->dims[0], "columns of token_embd.weight"},
                {"attention.head_count", 0, NULL}};
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        char key[128];
        uint32_t stated;
        bool present;
        (void)snprintf(key, sizeof key, "%s.%s", reading->arch->name, rows[r].key);
        const struct ggufile_value *value = ggufile_find(reading->gguf, key);
        if (value == NULL || value->kind == GGUFILE_ARRAY) /* some have a number for each layer */
            continue;
        TRY(ggufile_value_u32(reading->gguf, key, &stated, &present, err));
        if (stated == 0)
            return err_set(err, STATUS_CORRUPT, reading->gguf->path, "found %s 0, expected a positive number", key);
        if (rows[r].shown != 0 && stated != rows[r].shown)
            return err_set(err, STATUS_CORRUPT, reading->gguf->path, "found %s %u, but %llu %s (R-INCOMPLETE)", key, stated, (unsigned long long)rows[r].shown,
                           rows[r].what);
    }
    return STATUS_OK;
}

/* What a reader of the file should know of it. */
static enum status note_oddities(const struct reading *reading, struct err *err)
{
    const struct ggufile *first = reading->gguf;
    bool nested = false, has_gaps = false, is_reordered = false;
    for (size_t f = 0; f < reading->set->count; f++) {
        const struct ggufile *gguf = &reading->set->file[f];
        nested = nested || gguf->nested;
        has_gaps = has_gaps || gguf->has_gaps;
        is_reordered = is_reordered || gguf->is_reordered;
    }
    const struct {
        bool is;
        const char *what;
    } notes[] = {
        {first->version == 1, "version 1, which llama.cpp no longer reads"},
        {first->big_endian, "big endian, which llama.cpp does not read"},
        {nested, "arrays of arrays, which llama.cpp does not read"},
        {has_gaps, "gaps between tensors, which llama.cpp refuses"},
        {is_reordered, "tensors in another order than their list, which llama.cpp refuses"},
    };
    for (size_t n = 0; n < sizeof notes / sizeof notes[0]; n++)
        if (notes[n].is)
            TRY(model_add_note(reading->model, err, "the file has %s", notes[n].what));
    if (reading->set->stray_count > 0)
        TRY(model_add_note(reading->model, err, "%zu pairs of metadata stand in later shards, where nothing reads them", reading->set->stray_count));
    if (reading->strange > 0 && reading->arch != NULL)
        TRY(model_add_note(reading->model, err, "%zu tensors have no name in Hugging Face's %s (first: %.200s)", reading->strange,
                           reading->arch->classes[0], reading->stranger));
    return STATUS_OK;
}

/* The tokenizer files. What cannot be rebuilt is told, and hinders nothing else. */
static enum status make_tokenizer(struct reading *reading, struct err *err)
{
    struct source *source = reading->source;
    struct vocabulary vocabulary;
    struct text model = {0};
    struct err why = {0};
    uint64_t context = 0;
    /* What transformers 5 takes for Phi-3 whatever the class is, and without config.json as well. */
    const bool plain = strcmp(reading->arch->name, "phi3") == 0;
    if (ggufile_find(reading->gguf, GGUF_VOCABULARY_MODEL) == NULL)
        return STATUS_OK;
    (void)hyper_count(reading->arch, source->document, "max_position_embeddings", &context);
    enum status status = gguf_vocabulary_read(reading->gguf, &source->arena, &vocabulary, &why);
    if (status == STATUS_OK && vocabulary.kind == VOCABULARY_LLAMA)
        status = hfrebuild_model(&vocabulary, &source->arena, &model, &why);
    if (status == STATUS_OK)
        status = hfrebuild_files(source, &vocabulary, (struct hfrebuild_options){.tokens_max = context, .plain = plain}, &why);
    if (status == STATUS_OK && vocabulary.kind == VOCABULARY_LLAMA)
        status = source_make(source, "tokenizer.model", &model, &why);
    text_free(&model);
    if (status == STATUS_UNSUPPORTED || status == STATUS_UNREPRESENTABLE)
        return model_add_note(reading->model, err, "no tokenizer files are made: %s: %s", why.where, why.what);
    if (status != STATUS_OK && err != NULL)
        *err = why;
    return status;
}

/* The file's metadata as the documents of a checkpoint directory. */
static enum status make_documents(struct reading *reading, struct err *err)
{
    struct text config = {0}, generation = {0};
    if (reading->arch == NULL || reading->as_stored)
        return STATUS_OK;
    enum status status = ggufconfig_make(reading->set, reading->source->ops, reading->arch, &config, err);
    if (status == STATUS_OK)
        status = source_make_config(reading->source, reading->model, &config, err);
    if (status == STATUS_OK)
        status = ggufconfig_generation(reading->gguf, &generation, err);
    if (status == STATUS_OK && generation.size > 0)
        status = source_make(reading->source, "generation_config.json", &generation, err);
    if (status == STATUS_OK)
        status = make_tokenizer(reading, err);
    text_free(&config);
    text_free(&generation);
    return status;
}

static enum status add_file(struct reading *reading, const struct ggufile *gguf, struct err *err)
{
    const char *slash = strrchr(gguf->path, '/');
    const char *name = slash == NULL ? gguf->path : slash + 1;
    TRY(model_add_file(reading->model, name, gguf->file_bytes, &reading->file, err));
    for (size_t t = 0; t < gguf->tensor_count; t++)
        TRY(add_tensor(reading, &gguf->tensor[t], err));
    return STATUS_OK;
}

static enum status read_set(struct reading *reading, struct err *err)
{
    reading->model->sharded = reading->set->count > 1;
    TRY(find_arch(reading, err));
    for (size_t f = 0; f < reading->set->count; f++)
        TRY(add_file(reading, &reading->set->file[f], err));
    if (reading->arch != NULL && reading->layers > 0)
        TRY(check_sizes(reading, err));
    TRY(make_documents(reading, err));
    return note_oddities(reading, err);
}

enum status ggufread_model(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct ggufile_set set;
    const char *path = source_path(source, source->only, err);
    model->ops = source->ops;
    model->dir = arena_copy(&model->arena, source->dir, strlen(source->dir), err);
    if (path == NULL || model->dir == NULL)
        return STATUS_LIMIT;
    TRY(ggufile_split_read(path, source->ops, options->lenient, &set, err));
    struct reading reading = {.source = source, .model = model, .set = &set, .gguf = &set.file[0], .as_stored = options->as_stored};
    const enum status status = read_set(&reading, err);
    ggufile_split_free(&set);
    return status;
}
