#include "formats/arrange.h"

#include "base/limits.h"
#include "formats/hyper.h"
#include "formats/ropefactors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Experts of one layer and one row of the family's table, until all are there. */
struct stack {
    uint32_t *source; /* [experts] tensors, or weights; in the model's arena */
    uint32_t found;
    bool weights;
};

struct arranging {
    struct arrangement *arrangement;
    struct model *model;
    const struct jsondoc *config;
    const struct regex *exclude; /* NULL: none */
    uint64_t layers, experts; /* 0 experts: the config states none */
    uint64_t tokens;          /* rows of the embedding that are kept; 0: all */
    uint32_t kinds;           /* rows of the family's table that are stacked */
    struct stack *stack;      /* owned; [layers][kinds] */
};

/* Names that no text model has in GGUF: what other modalities bring along, and buffers that are computed (conversion/base.py, filter_tensors). */
static const struct {
    const char *text;
    enum { AT_START, AT_END, ANYWHERE } where;
    const char *why;
} strangers[] = {
    {".attention.masked_bias", AT_END, "a buffer that is computed"},
    {".attention.bias", AT_END, "a buffer that is computed"},
    {".rotary_emb.inv_freq", AT_END, "a buffer that is computed"},
    {"vision_tower.", ANYWHERE, "of the vision tower"},
    {"vision_model.", ANYWHERE, "of the vision tower"},
    {"visual.", ANYWHERE, "of the vision tower"},
    {"multi_modal_projector.", ANYWHERE, "of the vision tower"},
    {"audio_tower.", ANYWHERE, "of the audio tower"},
};

/* Names that are F32 in every file, without their suffix (conversion/base.py, prepare_tensors). */
static const char *const routers[] = {"ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight"};

static const char *why_left_out(const struct arch *arch, struct slice name)
{
    for (const char *const *left = arch->left_out; left != NULL && *left != NULL; left++)
        if (slice_is(name, *left))
            return "this family has none in GGUF";
    for (size_t s = 0; s < sizeof strangers / sizeof strangers[0]; s++) {
        const bool anywhere = strangers[s].where == ANYWHERE && memmem(name.data, name.size, strangers[s].text, strlen(strangers[s].text)) != NULL;
        if (anywhere || (strangers[s].where == AT_END && slice_ends(name, strangers[s].text)))
            return strangers[s].why;
    }
    return NULL;
}

static enum status leave_out(struct arrangement *arrangement, uint32_t tensor, const char *why, struct err *err)
{
    TRY(mem_grow((void **)&arrangement->left, &arrangement->left_capacity, arrangement->left_count + 1, sizeof *arrangement->left, err));
    arrangement->left[arrangement->left_count++] = (struct left_out){tensor, why};
    return STATUS_OK;
}

/* --- one tensor of the file ---------------------------------------------------------------------------------------------------- */

/* Rows of a head, of a matrix or a bias whose heads turn. */
static enum status head_of(const struct arranging *work, const struct arch_match *match, const char *name, uint64_t rows, uint64_t *head, struct err *err)
{
    uint64_t heads;
    const bool keys = match->row->change == ARCH_TURN_K;
    *head = 0;
    if (match->row->change != ARCH_TURN_Q && !keys)
        return STATUS_OK;
    const char *members = keys ? "num_key_value_heads|n_kv_heads|num_attention_heads|n_head|n_heads" : "num_attention_heads|n_head|n_heads";
    if (!hyper_count(work->arrangement->arch, work->config, members, &heads))
        return err_set(err, STATUS_CORRUPT, "config.json", "found no num_attention_heads, by which the rows of %.400s are ordered", name);
    if (rows % heads != 0 || rows / heads % 2 != 0)
        return err_set(err, STATUS_CORRUPT, name, "found %llu rows, expected %llu heads of an even number of rows", (unsigned long long)rows,
                       (unsigned long long)heads);
    *head = rows / heads;
    return STATUS_OK;
}

static enum status append(const struct arranging *work, const struct arch_match *match, const char *gguf, struct arranged *tensor, struct err *err)
{
    struct arrangement *arrangement = work->arrangement;
    char name[LIMIT_NAME_BYTES_MAX + 1];
    if (!arch_write(gguf, match, name, sizeof name))
        return err_set(err, STATUS_LIMIT, gguf, "found a name longer than %d bytes", LIMIT_NAME_BYTES_MAX);
    tensor->name = arena_copy(&work->model->arena, name, strlen(name), err);
    if (tensor->name == NULL)
        return STATUS_LIMIT;
    tensor->plus_one = match->row->change == ARCH_PLUS_ONE;
    tensor->always_f32 = tensor->rank <= 1 || slice_ends(slice_of(name), "_norm.weight") || !slice_ends(slice_of(name), ".weight");
    for (size_t r = 0; r < sizeof routers / sizeof routers[0]; r++)
        tensor->always_f32 = tensor->always_f32 || slice_ends(slice_of(name), routers[r]);
    TRY(mem_grow((void **)&arrangement->tensor, &arrangement->capacity, arrangement->count + 1, sizeof *arrangement->tensor, err));
    arrangement->tensor[arrangement->count++] = *tensor;
    return STATUS_OK;
}

/* The view `view` of shape [rank] under the name that the file has for it. */
static enum status append_view(const struct arranging *work, const struct arch_match *match, const char *gguf, const struct tensor *shape,
                               const struct view *view, struct err *err)
{
    char name[LIMIT_NAME_BYTES_MAX + 1];
    struct tensor gathered = *shape;
    struct arranged tensor = {.rank = shape->rank};
    if (!arch_write(gguf, match, name, sizeof name))
        return err_set(err, STATUS_LIMIT, gguf, "found a name longer than %d bytes", LIMIT_NAME_BYTES_MAX);
    gathered.name = name;
    gathered.view = NULL;
    TRY(model_add_view(work->model, &gathered, view, &tensor.source, err));
    work->model->tensor[tensor.source].fate = FATE_ARRANGED;
    for (uint32_t p = 0; p < view->down * view->across; p++)
        work->model->tensor[view->piece[p].tensor].fate = FATE_CARRY;
    tensor.shape = work->model->tensor[tensor.source].shape;
    return append(work, match, gguf, &tensor, err);
}

static bool is_cut(const struct arranging *work, const struct arch_match *match, uint64_t rows)
{
    return work->tokens != 0 && rows > work->tokens && strcmp(match->row->gguf, "token_embd") == 0;
}

/* A stack that is one tensor, or its bias: [expert][out][in], or [expert][out], and the experts of config.json. */
static enum status check_switched(const struct arranging *work, const struct arch_match *match, const char *name, const struct arranged *tensor,
                                  struct err *err)
{
    const bool bias = slice_is(match->suffix, ".bias");
    if (match->row->change != ARCH_SWITCHED || (tensor->rank == (bias ? 2 : 3) && tensor->shape[0] == work->experts))
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, name, "found %llu in front of %u dimensions, expected the %s of %llu experts (R-SHAPE)",
                   (unsigned long long)(tensor->rank == 0 ? 1 : tensor->shape[0]), tensor->rank, bias ? "biases" : "matrices",
                   (unsigned long long)work->experts);
}

/* A float tensor that becomes one of the file: as it is, or turned, or without its last rows. */
static enum status arrange_floats(const struct arranging *work, const struct arch_match *match, uint32_t index, struct err *err)
{
    const struct tensor stored = work->model->tensor[index];
    const uint64_t rows = stored.rank == 0 ? 1 : stored.shape[0];
    const bool cut = is_cut(work, match, rows) && stored.rank == 2;
    uint64_t head;
    struct arranged tensor = {.shape = stored.shape, .rank = stored.rank, .source = index};
    TRY(check_switched(work, match, stored.name, &tensor, err));
    TRY(head_of(work, match, stored.name, rows, &head, err));
    if (head == 0 && !cut)
        return append(work, match, match->row->gguf, &tensor, err);
    struct view_piece *piece = arena_alloc(&work->model->arena, 1, sizeof *piece, err);
    if (piece == NULL)
        return STATUS_LIMIT;
    *piece = (struct view_piece){index, 0};
    if (cut)
        TRY(model_add_note(work->model, err, "%s: the last %llu of %llu rows, beyond the tokenizer's %llu tokens, are left out", stored.name,
                           (unsigned long long)(rows - work->tokens), (unsigned long long)rows, (unsigned long long)work->tokens));
    const uint64_t shape[] = {work->tokens, cut ? stored.shape[1] : 0};
    const struct tensor kept = {.shape = cut ? shape : stored.shape, .rank = stored.rank, .dtype = stored.dtype};
    const struct view view = {.piece = piece, .down = 1, .across = 1, .rows = cut ? work->tokens : rows, .piece_bytes = stored.bytes / rows, .head = head,
                              .turn = head == 0 ? TURN_NONE : TURN_TO_PAIRS};
    return append_view(work, match, match->row->gguf, &kept, &view, err);
}

static enum status arrange_weight(const struct arranging *work, const struct arch_match *match, const uint32_t *weights, uint32_t count, struct err *err)
{
    const struct weight *first = &work->model->weight[weights[0]];
    const bool whole = first->spec.experts > 0; /* a stack already */
    const uint64_t experts = whole ? first->spec.experts : count;
    struct arranged tensor = {.rank = whole || strchr(match->row->hf, '@') != NULL ? 3 : 2, .source = MODEL_NONE, .weight = weights, .weight_count = count};
    if (is_cut(work, match, first->out))
        return err_set(err, STATUS_UNSUPPORTED, first->name, "found %llu rows that are quantized, more than the %llu tokens that GGUF keeps of this family",
                       (unsigned long long)first->out, (unsigned long long)work->tokens);
    uint64_t *shape = arena_alloc(&work->model->arena, 3, sizeof *shape, err);
    if (shape == NULL)
        return STATUS_LIMIT;
    shape[0] = experts;
    shape[1] = whole ? first->out / experts : first->out;
    shape[2] = first->in;
    tensor.shape = tensor.rank == 3 ? shape : shape + 1;
    TRY(check_switched(work, match, first->name, &tensor, err));
    TRY(head_of(work, match, first->name, first->out, &tensor.head, err));
    return append(work, match, match->row->gguf, &tensor, err);
}

/* --- experts ------------------------------------------------------------------------------------------------------------------ */

static uint32_t kind_of(const struct arch *arch, const struct arch_name *row)
{
    uint32_t kind = 0;
    for (const struct arch_name *at = arch->names; at != row; at++)
        kind += strchr(at->hf, '@') != NULL;
    return kind;
}

/* All experts of a layer are there: one tensor for each row of the table, in its order. */
static enum status arrange_stack(const struct arranging *work, const struct arch_match *match, const struct stack *stack, struct err *err)
{
    if (stack->weights) {
        for (uint64_t e = 1; e < work->experts; e++) {
            const struct weight *a = &work->model->weight[stack->source[0]], *b = &work->model->weight[stack->source[e]];
            if (a->out != b->out || a->in != b->in)
                return err_set(err, STATUS_CORRUPT, b->name, "found another shape than that of %.400s, which it is stacked with (R-SHAPE)", a->name);
        }
        return arrange_weight(work, match, stack->source, (uint32_t)work->experts, err);
    }
    const struct tensor first = work->model->tensor[stack->source[0]];
    struct view_piece *piece = arena_alloc(&work->model->arena, work->experts, sizeof *piece, err);
    uint64_t *shape = arena_alloc(&work->model->arena, 3, sizeof *shape, err);
    if (piece == NULL || shape == NULL)
        return STATUS_LIMIT;
    for (uint64_t e = 0; e < work->experts; e++) {
        const struct tensor *expert = &work->model->tensor[stack->source[e]];
        if (!model_is_2d(expert, first.shape[0], first.shape[1]) || expert->dtype != first.dtype)
            return err_set(err, STATUS_CORRUPT, expert->name, "found another shape or dtype than that of %.400s, which it is stacked with (R-SHAPE)",
                           first.name);
        piece[e] = (struct view_piece){stack->source[e], 0};
    }
    shape[0] = work->experts;
    shape[1] = first.shape[0];
    shape[2] = first.shape[1];
    const struct tensor whole = {.shape = shape, .rank = 3, .dtype = first.dtype};
    const struct view view = {.piece = piece, .down = (uint32_t)work->experts, .across = 1, .rows = first.shape[0],
                              .piece_bytes = first.bytes / first.shape[0]};
    return append_view(work, match, match->row->gguf, &whole, &view, err);
}

static enum status take_expert(const struct arranging *work, const struct arch_match *match, uint32_t source, bool weight, struct err *err)
{
    const char *name = weight ? work->model->weight[source].name : work->model->tensor[source].name;
    if (match->layer >= work->layers || match->expert >= work->experts)
        return err_set(err, STATUS_CORRUPT, name, "found layer %u, expert %u, expected %llu layers of %llu experts", match->layer, match->expert,
                       (unsigned long long)work->layers, (unsigned long long)work->experts);
    if (!slice_is(match->suffix, ".weight") || (!weight && work->model->tensor[source].rank != 2))
        return err_set(err, STATUS_UNSUPPORTED, name, "found a tensor of an expert that is no matrix of weights");
    struct stack *const layer = &work->stack[match->layer * work->kinds], *stack = &layer[kind_of(work->arrangement->arch, match->row)];
    if (stack->source == NULL) {
        stack->source = arena_alloc(&work->model->arena, work->experts, sizeof *stack->source, err);
        if (stack->source == NULL)
            return STATUS_LIMIT;
        memset(stack->source, 0xff, work->experts * sizeof *stack->source);
        stack->weights = weight;
    }
    if (stack->weights != weight)
        return err_set(err, STATUS_UNSUPPORTED, name, "found experts of one layer of which some are quantized and some are not");
    if (stack->source[match->expert] != MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, name, "found this expert twice");
    stack->source[match->expert] = source;
    stack->found++;
    bool complete = true;
    for (uint32_t k = 0; k < work->kinds; k++)
        complete = complete && layer[k].found == work->experts;
    struct arch_match each = *match;
    for (const struct arch_name *row = work->arrangement->arch->names; complete && row->hf != NULL; row++) {
        each.row = row;
        if (strchr(row->hf, '@') != NULL)
            TRY(arrange_stack(work, &each, &layer[kind_of(work->arrangement->arch, row)], err));
    }
    return STATUS_OK;
}

static enum status refuse_missing_experts(const struct arranging *work, struct err *err)
{
    for (uint64_t layer = 0; layer < work->layers && work->stack != NULL; layer++) {
        const struct stack *stack = &work->stack[layer * work->kinds];
        uint32_t found = 0;
        for (uint32_t k = 0; k < work->kinds; k++)
            found += stack[k].found;
        if (found != 0 && found != work->experts * work->kinds)
            return err_set(err, STATUS_CORRUPT, work->model->dir, "found %u weights of experts in layer %llu, expected %llu (R-INCOMPLETE)", found,
                           (unsigned long long)layer, (unsigned long long)(work->experts * work->kinds));
    }
    return STATUS_OK;
}

/* How many stacks a layer of the family has that are one tensor. */
static uint64_t stacks_of(const struct arch *arch)
{
    uint64_t stacks = 0;
    for (const struct arch_name *row = arch->names; row->hf != NULL; row++)
        stacks += row->change == ARCH_SWITCHED;
    return stacks;
}

/* They come with a bias each, in every layer. */
static enum status refuse_missing_stacks(const struct arranging *work, struct err *err)
{
    const struct arch *arch = work->arrangement->arch;
    uint64_t wanted = work->layers * stacks_of(arch), weights = 0, biases = 0;
    struct arch_match match;
    for (size_t t = 0; wanted > 0 && t < work->arrangement->count; t++) {
        if (!arch_match_gguf(arch, slice_of(work->arrangement->tensor[t].name), &match) || match.row->change != ARCH_SWITCHED)
            continue;
        weights += slice_is(match.suffix, ".weight");
        biases += slice_is(match.suffix, ".bias");
    }
    if ((weights == wanted && biases == wanted) || work->exclude != NULL)
        return STATUS_OK;
    (void)err_set(err, STATUS_CORRUPT, work->model->dir, "found %llu stacks of experts and %llu biases of such, expected %llu of each (R-INCOMPLETE)",
                  (unsigned long long)weights, (unsigned long long)biases, (unsigned long long)wanted);
    return err_try(err, "fetch the checkpoint again: a shard may be missing");
}

/* Stacks that are one tensor already: [expert][out][in], and [expert][gate and up][in], of which each half is a tensor of its own. */
static enum status arrange_stacked(const struct arranging *work, struct arch_match *match, uint32_t index, struct err *err)
{
    const struct tensor stored = work->model->tensor[index];
    const uint64_t parts = match->row->change == ARCH_SPLIT ? 2 : 1;
    if (stored.rank != 3 || stored.shape[0] == 0 || stored.shape[1] % parts != 0 || stored.shape[1] == 0 || stored.shape[2] == 0)
        return err_set(err, STATUS_CORRUPT, stored.name, "found no stack of matrices, expected [expert][out][in] (R-SHAPE)");
    match->suffix = slice_of(".weight");
    const uint64_t experts = stored.shape[0], rows = stored.shape[1] / parts;
    for (uint64_t half = 0; half < parts; half++) {
        struct view_piece *piece = arena_alloc(&work->model->arena, experts, sizeof *piece, err);
        uint64_t *shape = arena_alloc(&work->model->arena, 3, sizeof *shape, err);
        if (piece == NULL || shape == NULL)
            return STATUS_LIMIT;
        for (uint64_t e = 0; e < experts; e++)
            piece[e] = (struct view_piece){index, e * stored.shape[1] + half * rows};
        shape[0] = experts;
        shape[1] = rows;
        shape[2] = stored.shape[2];
        const struct tensor whole = {.shape = shape, .rank = 3, .dtype = stored.dtype};
        const struct view view = {.piece = piece, .down = (uint32_t)experts, .across = 1, .rows = rows,
                                  .piece_bytes = stored.bytes / stored.shape[0] / stored.shape[1]};
        TRY(append_view(work, match, match->row[half].gguf, &whole, &view, err));
    }
    return STATUS_OK;
}

/* --- the whole ---------------------------------------------------------------------------------------------------------------- */

/* Composite models keep their text model below "language_model." (conversion/base.py, ModelBase.filter_tensors). */
static struct slice without_prefix(struct slice name, char *buffer, size_t size)
{
    static const char inner[] = "language_model.";
    const char *found = memmem(name.data, name.size, inner, sizeof inner - 1);
    if (found == NULL || name.size >= size)
        return name;
    const size_t before = (size_t)(found - name.data), after = name.size - before - (sizeof inner - 1);
    memcpy(buffer, name.data, before);
    memcpy(buffer + before, found + sizeof inner - 1, after);
    buffer[before + after] = '\0';
    return (struct slice){buffer, before + after};
}

static enum status refuse_name(const struct arranging *work, uint32_t index, struct err *err)
{
    char where[700];
    const struct tensor *tensor = &work->model->tensor[index];
    (void)model_where(work->model, index, where, sizeof where);
    if (stacks_of(work->arrangement->arch) > 0 && strstr(tensor->name, ".mlp.experts.") != NULL)
        return err_set(err, STATUS_CORRUPT, where, "found it among experts, expected gate_up_proj of even rows, down_proj, and a bias of each (R-SHAPE)");
    (void)err_set(err, STATUS_UNSUPPORTED, where, "found a tensor that %s models have no name for in GGUF", work->arrangement->arch->name);
    return err_try(err, "--exclude with a pattern that names it, if it is not needed");
}

static enum status arrange_one(const struct arranging *work, uint32_t index, struct err *err)
{
    const struct tensor *tensor = &work->model->tensor[index];
    const struct weight *weight = tensor->fate == FATE_CLAIMED ? &work->model->weight[tensor->peer] : NULL;
    char whole[LIMIT_NAME_BYTES_MAX + 16], inner[sizeof whole];
    if (tensor->fate != FATE_CARRY && weight == NULL)
        return STATUS_OK;
    if (weight != NULL && index != weight->role[weight->role[ROLE_CODES] != MODEL_NONE ? ROLE_CODES : ROLE_DENSE])
        return STATUS_OK;
    (void)snprintf(whole, sizeof whole, "%s%s", weight != NULL ? weight->name : tensor->out_name, weight != NULL ? ".weight" : "");
    const char *why = why_left_out(work->arrangement->arch, slice_of(whole));
    bool excluded = false;
    if (work->exclude != NULL)
        TRY(regex_search(work->exclude, slice_of(whole), &excluded, err));
    why = excluded ? "excluded" : why;
    if (why != NULL)
        return leave_out(work->arrangement, index, why, err);
    struct arch_match match;
    if (!arch_match_hf(work->arrangement->arch, without_prefix(slice_of(whole), inner, sizeof inner), &match))
        return refuse_name(work, index, err);
    if (match.row->change == ARCH_BARE)
        match.suffix = slice_of(".weight");
    if (match.expert != UINT32_MAX)
        return take_expert(work, &match, weight != NULL ? tensor->peer : index, weight != NULL, err);
    if (weight == NULL && (match.row->change == ARCH_STACKED || match.row->change == ARCH_SPLIT))
        return arrange_stacked(work, &match, index, err);
    if (weight == NULL)
        return arrange_floats(work, &match, index, err);
    uint32_t *only = arena_alloc(&work->model->arena, 1, sizeof *only, err);
    if (only == NULL)
        return STATUS_LIMIT;
    *only = tensor->peer;
    return arrange_weight(work, &match, only, 1, err);
}

/* What is made of config.json, in front of everything. */
static enum status arrange_made(const struct arranging *work, struct err *err)
{
    uint32_t index[ROPEFACTORS_MAX], count;
    TRY(ropefactors_add(work->model, work->arrangement->arch, work->config, index, &count, err));
    for (uint32_t i = 0; i < count; i++) {
        const struct tensor *made = &work->model->tensor[index[i]];
        const struct arch_name row = {made->name, made->name, NULL, ARCH_SAME};
        const struct arch_match match = {.row = &row, .suffix = slice_of("")};
        TRY(append(work, &match, made->name, &(struct arranged){.shape = made->shape, .rank = made->rank, .source = index[i]}, err));
    }
    return STATUS_OK;
}

/* A stored tensor, or what was taken from one, and where its name stands. */
struct place {
    const char *name;
    uint32_t file, index;
    bool late; /* stacks of codes come first (conversion/gpt_oss.py, generate_extra_tensors) */
};

static int by_file_and_name(const void *a, const void *b)
{
    const struct place *left = a, *right = b;
    if (left->late != right->late)
        return left->late ? 1 : -1;
    if (left->file != right->file)
        return left->file < right->file ? -1 : 1;
    const int names = strcmp(left->name, right->name);
    return names != 0 ? names : left->index < right->index ? -1 : left->index > right->index;
}

static struct place place_of(const struct model *model, uint32_t index)
{
    const struct tensor *tensor = &model->tensor[index];
    const struct weight *weight = tensor->fate == FATE_CLAIMED ? &model->weight[tensor->peer] : NULL;
    const uint32_t scales = weight == NULL || weight->spec.experts == 0 || weight->role[ROLE_SCALES] == MODEL_NONE ? index : weight->role[ROLE_SCALES];
    return (struct place){tensor->part_of != NULL ? tensor->part_of : tensor->name, model->tensor[scales].file, index, scales == index};
}

/* llama.cpp's converter goes through a file of safetensors by name, and through others as they are (gguf-py/gguf/utility.py, SafetensorsLocal).
 * Of the first `count` tensors: what arranging adds comes behind them. */
static enum status arrange_all(struct arranging *work, size_t count, struct err *err)
{
    const struct model *model = work->model;
    struct place *place = mem_alloc(count + 1, sizeof *place, err);
    enum status status = place == NULL ? STATUS_LIMIT : STATUS_OK;
    bool sorted = true;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        place[i] = place_of(model, (uint32_t)i);
        const struct slice file = slice_of(model->file[place[i].file].name);
        sorted = sorted && (slice_ends(file, ".safetensors") || slice_ends(file, ".safetensors.zst"));
    }
    if (status == STATUS_OK && sorted && count > 1)
        qsort(place, count, sizeof *place, by_file_and_name);
    for (size_t i = 0; i < count && status == STATUS_OK; i++)
        status = arrange_one(work, place[i].index, err);
    free(place);
    return status;
}

enum status arrange_make(struct arrangement *arrangement, struct model *model, const struct jsondoc *config, const struct regex *exclude, uint64_t tokens,
                         struct err *err)
{
    struct arranging work = {.arrangement = arrangement, .model = model, .config = config, .exclude = exclude, .tokens = tokens};
    *arrangement = (struct arrangement){0};
    TRY(hyper_arch(config, &arrangement->arch, err));
    if (!hyper_count(arrangement->arch, config, "n_layers|num_hidden_layers|n_layer|num_layers", &work.layers) || work.layers > LIMIT_LAYERS_MAX)
        return err_set(err, STATUS_CORRUPT, "config.json", "found no number of layers between 1 and %d", LIMIT_LAYERS_MAX);
    if (hyper_count(arrangement->arch, config, "num_local_experts|num_experts|n_routed_experts", &work.experts) && work.experts > LIMIT_EXPERTS_MAX)
        return err_set(err, STATUS_LIMIT, "config.json", "found %llu experts, more than %d", (unsigned long long)work.experts, LIMIT_EXPERTS_MAX);
    for (const struct arch_name *row = arrangement->arch->names; row->hf != NULL; row++)
        work.kinds += strchr(row->hf, '@') != NULL;
    work.stack = mem_alloc(work.layers * work.kinds + 1, sizeof *work.stack, err);
    enum status status = work.stack == NULL ? STATUS_LIMIT : STATUS_OK;
    const size_t stored = model->tensor_count;
    if (status == STATUS_OK)
        status = arrange_made(&work, err);
    if (status == STATUS_OK)
        status = arrange_all(&work, stored, err);
    if (status == STATUS_OK)
        status = refuse_missing_experts(&work, err);
    if (status == STATUS_OK)
        status = refuse_missing_stacks(&work, err);
    free(work.stack);
    return status;
}

void arrange_free(struct arrangement *arrangement)
{
    free(arrangement->tensor);
    free(arrangement->left);
    *arrangement = (struct arrangement){0};
}
