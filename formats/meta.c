/* meta: Meta's own LLaMA checkpoints: params.json, consolidated.00.pth .. consolidated.NN.pth, tokenizer.model.
 *
 * Each file is the part of one rank of model parallelism. The whole tensors are views of the parts:
 *
 *   axis 0 (output channels)   wq wk wv w1 w3 output              [ 00 ]        axis 1 (input channels)   wo w2     [ 00 | 01 ]
 *                                                                 [ 01 ]
 *   everywhere the same        attention_norm ffn_norm norm       [ 00 ]        the embedding: axis 1 in LLaMA 1 and 2, axis 0 in LLaMA 3
 *
 * Rotary embeddings pair rows 2i and 2i + 1 of a head here and rows i and i + n/2 in Hugging Face's model, so wq and wk are turned (ir/view.h).
 * (meta-llama/llama:llama/model.py, huggingface/transformers:src/transformers/models/llama/convert_llama_weights_to_hf.py) */
#include "codec/rope.h"
#include "formats/format.h"
#include "formats/metaparams.h"
#include "formats/metatokens.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum placing { PLACE_OUT, PLACE_IN, PLACE_SAME, PLACE_EMBEDDING, PLACE_DROP };
enum heads { HEADS_NONE, HEADS_ALL, HEADS_KV };

/* % stands for the number of a layer. */
static const struct row {
    const char *meta, *hf;
    enum placing placing;
    enum heads heads;
} rows[] = {
    {"tok_embeddings.weight", "model.embed_tokens.weight", PLACE_EMBEDDING, HEADS_NONE},
    {"layers.%.attention.wq.weight", "model.layers.%.self_attn.q_proj.weight", PLACE_OUT, HEADS_ALL},
    {"layers.%.attention.wk.weight", "model.layers.%.self_attn.k_proj.weight", PLACE_OUT, HEADS_KV},
    {"layers.%.attention.wv.weight", "model.layers.%.self_attn.v_proj.weight", PLACE_OUT, HEADS_NONE},
    {"layers.%.attention.wo.weight", "model.layers.%.self_attn.o_proj.weight", PLACE_IN, HEADS_NONE},
    {"layers.%.feed_forward.w1.weight", "model.layers.%.mlp.gate_proj.weight", PLACE_OUT, HEADS_NONE},
    {"layers.%.feed_forward.w2.weight", "model.layers.%.mlp.down_proj.weight", PLACE_IN, HEADS_NONE},
    {"layers.%.feed_forward.w3.weight", "model.layers.%.mlp.up_proj.weight", PLACE_OUT, HEADS_NONE},
    {"layers.%.attention_norm.weight", "model.layers.%.input_layernorm.weight", PLACE_SAME, HEADS_NONE},
    {"layers.%.ffn_norm.weight", "model.layers.%.post_attention_layernorm.weight", PLACE_SAME, HEADS_NONE},
    {"norm.weight", "model.norm.weight", PLACE_SAME, HEADS_NONE},
    {"output.weight", "lm_head.weight", PLACE_OUT, HEADS_NONE},
    {"rope.freqs", NULL, PLACE_DROP, HEADS_NONE}, /* 1 / theta^(2i / head): models compute it */
    {"layers.%.attention.inner_attention.rope.freqs", NULL, PLACE_DROP, HEADS_NONE},
};
enum { ROW_COUNT = sizeof rows / sizeof rows[0], SHARDS_MAX = 64, NAME_BYTES = 200 };
#define SHARD_BYTES UINT64_C(5000000000) /* as transformers and cli.md have it */

/* A checkpoint while it is read. */
struct meta {
    struct source *source;
    struct model *model;
    struct metaparams params;
    const char *shard[SHARDS_MAX]; /* names in the listing, in order */
    uint32_t shards;
    size_t dropped;
};

static bool is_shard(const char *name)
{
    const struct slice slice = slice_of(name);
    return strchr(name, '/') == NULL && slice_starts(slice, "consolidated") && slice_ends(slice, ".pth");
}

static void meta_probe(const struct source *source, struct bid *bid)
{
    size_t shards = 0;
    for (size_t i = 0; source->kind == &shards_torch && source->index_name == NULL && i < source->list.count; i++)
        shards += is_shard(source->list.entry[i].name);
    if (shards == 0 || (source->only != NULL && (!is_shard(source->only) || !source_has(source, "params.json"))))
        return;
    bid->score = 60;
    (void)snprintf(bid->evidence, sizeof bid->evidence, "consolidated.*.pth");
}

/* --- shards and names -------------------------------------------------------------------------------------------------------------- */

/* consolidated.00.pth and so on without a gap, or consolidated.pth alone. */
static enum status find_shards(struct meta *meta, struct err *err)
{
    const struct source *source = meta->source;
    for (size_t i = 0; i < source->list.count; i++) {
        const char *name = source->list.entry[i].name;
        char expected[64];
        if (!is_shard(name))
            continue;
        (void)snprintf(expected, sizeof expected, "consolidated.%02" PRIu32 ".pth", meta->shards);
        if (meta->shards == SHARDS_MAX)
            return err_set(err, STATUS_LIMIT, source->path, "found more than %d shards", SHARDS_MAX);
        if (strcmp(name, expected) != 0 && !(meta->shards == 0 && strcmp(name, "consolidated.pth") == 0)) {
            (void)err_set(err, STATUS_CORRUPT, source->path, "found %s but no %s, expected all shards from 00 on", name, expected);
            return err_try(err, "download the missing shard");
        }
        meta->shard[meta->shards++] = name;
    }
    return STATUS_OK;
}

/* Fits a name to a pattern; *layer is its digits (empty without one). */
static bool fits(const char *pattern, struct slice name, struct slice *layer)
{
    const char *mark = strchr(pattern, '%');
    *layer = (struct slice){name.data, 0};
    if (mark == NULL)
        return slice_is(name, pattern);
    const size_t before = (size_t)(mark - pattern), after = strlen(mark + 1);
    uint64_t number;
    if (name.size <= before + after || memcmp(name.data, pattern, before) != 0 || memcmp(name.data + name.size - after, mark + 1, after) != 0)
        return false;
    *layer = (struct slice){name.data + before, name.size - before - after};
    return slice_u64(*layer, &number);
}

static const struct row *find_row(struct slice name, struct slice *layer)
{
    for (size_t i = 0; i < ROW_COUNT; i++)
        if (fits(rows[i].meta, name, layer))
            return &rows[i];
    return NULL;
}

static void fill_name(const char *pattern, struct slice layer, char name[NAME_BYTES])
{
    const char *mark = strchr(pattern, '%');
    if (mark == NULL)
        (void)snprintf(name, NAME_BYTES, "%s", pattern);
    else
        (void)snprintf(name, NAME_BYTES, "%.*s%.*s%s", (int)(mark - pattern), pattern, layer.size < 20 ? (int)layer.size : 20, layer.data, mark + 1);
}

static enum status say(const struct meta *meta, uint32_t tensor, enum status status, const char *what, struct err *err)
{
    char where[700];
    return err_set(err, status, model_where(meta->model, tensor, where, sizeof where), "%s", what);
}

/* --- tensors of all shards ----------------------------------------------------------------------------------------------------------- */

/* The tensor of this name in every shard, all of one shape and dtype. */
static enum status find_parts(const struct meta *meta, uint32_t first, struct view_piece part[SHARDS_MAX], struct err *err)
{
    const struct tensor *one = &meta->model->tensor[first];
    const char *name = one->name + strlen(meta->shard[0]) + 1;
    for (uint32_t s = 0; s < meta->shards; s++) {
        char full[NAME_BYTES + 256];
        (void)snprintf(full, sizeof full, "%s/%s", meta->shard[s], name);
        const uint32_t found = model_find(meta->model, slice_of(full));
        if (found == MODEL_NONE) {
            char what[400];
            (void)snprintf(what, sizeof what, "found no such tensor in %.200s, expected it in every shard", meta->shard[s]);
            return say(meta, first, STATUS_CORRUPT, what, err);
        }
        const struct tensor *other = &meta->model->tensor[found];
        bool same = other->dtype == one->dtype && other->rank == one->rank;
        for (unsigned d = 0; same && d < one->rank; d++)
            same = other->shape[d] == one->shape[d];
        if (!same)
            return say(meta, found, STATUS_CORRUPT, "found another shape or dtype than in the first shard", err);
        part[s] = (struct view_piece){found, 0};
    }
    return STATUS_OK;
}

/* Replicated tensors are small; one that differs means shards of two models. */
static enum status check_same(const struct meta *meta, const struct view_piece *part, struct err *err)
{
    const struct model *model = meta->model;
    const uint64_t bytes = model->tensor[part[0].tensor].bytes;
    uint8_t *first = mem_alloc(bytes, 1, err), *other = mem_alloc(bytes, 1, err);
    enum status status = first == NULL || other == NULL ? STATUS_LIMIT : source_tensor(meta->source, model, part[0].tensor, first, (size_t)bytes, err);
    for (uint32_t s = 1; status == STATUS_OK && s < meta->shards; s++) {
        status = source_tensor(meta->source, model, part[s].tensor, other, (size_t)bytes, err);
        if (status == STATUS_OK && memcmp(first, other, (size_t)bytes) != 0)
            status = say(meta, part[s].tensor, STATUS_CORRUPT, "found other values than in the first shard, expected the same in all", err);
    }
    free(first);
    free(other);
    return status;
}

/* Of rope.freqs: Meta's own loader leaves them aside for params.json's theta, and so do others; where they are another's, somebody should look. */
static enum status compare_turns(const struct meta *meta, uint32_t index, struct err *err)
{
    const struct tensor *tensor = &meta->model->tensor[index];
    const uint64_t pairs = meta->params.dim / meta->params.heads / 2;
    uint8_t stored[ROPE_PAIRS_MAX * 4];
    char shape[128];
    double found, expected;
    if (tensor->rank != 1 || !dtype_is_plain_float(tensor->dtype) || tensor->shape[0] != pairs || pairs > ROPE_PAIRS_MAX)
        return model_add_note(meta->model, err, "%s: found %s %s, expected a float for each of %" PRIu64 " pairs of a head's dimensions", tensor->name,
                              dtype_name(tensor->dtype), model_shape_text(tensor, shape, sizeof shape), pairs);
    TRY(source_tensor(meta->source, meta->model, index, stored, (size_t)tensor->bytes, err));
    const size_t at = rope_first_other(tensor->dtype, stored, (size_t)pairs, meta->params.rope_theta, &found, &expected);
    if (at == pairs)
        return STATUS_OK;
    return model_add_note(meta->model, err, "%s: found %.6g at %zu, where rope_theta %g gives %.6g: is params.json this model's?", tensor->name, found, at,
                          meta->params.rope_theta, expected);
}

/* How the parts make up the whole: shape[2] is that of a part before and of the whole after. */
static enum status place(const struct meta *meta, const struct row *row, uint32_t first, uint64_t shape[2], struct view *view, struct err *err)
{
    const struct metaparams *params = &meta->params;
    const struct tensor *one = &meta->model->tensor[first];
    const unsigned rank = row->placing == PLACE_SAME ? 1 : 2;
    if (one->rank != rank || one->bytes == 0 || !dtype_is_float(one->dtype))
        return say(meta, first, STATUS_CORRUPT, rank == 1 ? "found no vector of floats, expected one" : "found no matrix of floats, expected one", err);
    shape[0] = one->shape[0];
    shape[1] = rank == 2 ? one->shape[1] : 1;
    const bool wide = row->placing == PLACE_IN || (row->placing == PLACE_EMBEDDING && shape[1] != params->dim);
    const uint32_t parts = row->placing == PLACE_SAME ? 1 : meta->shards;
    *view = (struct view){.down = wide ? 1 : parts, .across = wide ? parts : 1, .rows = shape[0], .piece_bytes = one->bytes / shape[0]};
    shape[0] *= view->down;
    shape[1] *= view->across;
    const uint64_t head = params->dim / params->heads, kv = head * params->kv_heads;
    const uint64_t out = row->heads == HEADS_KV ? kv : params->dim;
    if (row->heads != HEADS_NONE) {
        view->turn = TURN_TO_HALVES;
        view->head = head;
    }
    /* wq, wk: [heads * head][dim]; wo, w2: [dim][...]; the others: [...][dim]; vectors: [dim] */
    const bool right = rank == 1                  ? shape[0] == params->dim
                       : row->heads != HEADS_NONE ? shape[0] == out && shape[1] == params->dim
                       : row->placing == PLACE_IN ? shape[0] == params->dim
                                                  : shape[1] == params->dim;
    if (right)
        return STATUS_OK;
    char what[300];
    (void)snprintf(what, sizeof what,
                   "found [%" PRIu64 ", %" PRIu64 "] in all %" PRIu32 " shards, which does not fit dim %" PRIu64 ", %" PRIu64 " heads and %" PRIu64
                   " kv heads of params.json",
                   shape[0], shape[1], meta->shards, params->dim, params->heads, params->kv_heads);
    return say(meta, first, STATUS_CORRUPT, what, err);
}

static enum status add_whole(struct meta *meta, uint32_t first, struct err *err)
{
    struct model *model = meta->model;
    const struct slice name = slice_of(model->tensor[first].name + strlen(meta->shard[0]) + 1);
    struct slice layer;
    struct view_piece *part = arena_alloc(&model->arena, SHARDS_MAX, sizeof *part, err);
    struct view view;
    uint64_t shape[2];
    char whole[NAME_BYTES];
    const struct row *row = find_row(name, &layer);
    if (part == NULL)
        return STATUS_LIMIT;
    if (row == NULL)
        return say(meta, first, STATUS_UNSUPPORTED, "found a tensor that LLaMA 1 to 3 do not have in this layout", err);
    TRY(find_parts(meta, first, part, err));
    if (row->placing == PLACE_DROP) {
        if (meta->dropped == 0)
            TRY(compare_turns(meta, first, err));
        for (uint32_t s = 0; s < meta->shards; s++)
            model->tensor[part[s].tensor].fate = FATE_PIECE;
        meta->dropped++;
        return STATUS_OK;
    }
    TRY(place(meta, row, first, shape, &view, err));
    if (row->placing == PLACE_SAME)
        TRY(check_same(meta, part, err));
    view.piece = part;
    fill_name(row->hf, layer, whole);
    const struct tensor tensor = {.name = whole, .shape = shape, .rank = row->placing == PLACE_SAME ? 1 : 2, .dtype = model->tensor[first].dtype};
    for (uint32_t s = 0; s < meta->shards; s++)
        model->tensor[part[s].tensor].fate = FATE_PIECE;
    return model_add_view(model, &tensor, &view, NULL, err);
}

/* A tensor in a later shard that the first does not have would be lost. */
static enum status check_later(const struct meta *meta, size_t count, struct err *err)
{
    for (uint32_t t = 0; t < count; t++)
        if (meta->model->tensor[t].fate != FATE_PIECE)
            return say(meta, t, STATUS_CORRUPT, "found a tensor that the first shard does not have", err);
    return STATUS_OK;
}

/* --- what the tensors and params.json say together --------------------------------------------------------------------------------------- */

static enum status find_needed(const struct meta *meta, const char *name, const struct tensor **tensor, struct err *err)
{
    const uint32_t found = model_find(meta->model, slice_of(name));
    if (found == MODEL_NONE)
        return err_set(err, STATUS_CORRUPT, meta->source->path, "found no tensor for %s (R-INCOMPLETE)", name);
    *tensor = &meta->model->tensor[found];
    return STATUS_OK;
}

/* Every tensor of every layer is there, and no layer too much. */
static enum status check_complete(const struct meta *meta, size_t whole, struct err *err)
{
    const struct tensor *tensor;
    size_t expected = 0;
    for (size_t r = 0; r < ROW_COUNT; r++) {
        const bool layered = strchr(rows[r].meta, '%') != NULL;
        for (uint64_t layer = 0; rows[r].hf != NULL && layer < (layered ? meta->params.layers : 1); layer++) {
            char digits[24], name[NAME_BYTES];
            (void)snprintf(digits, sizeof digits, "%" PRIu64, layer);
            fill_name(rows[r].hf, slice_of(digits), name);
            TRY(find_needed(meta, name, &tensor, err));
            expected++;
        }
    }
    if (whole == expected)
        return STATUS_OK;
    return err_set(err, STATUS_CORRUPT, meta->source->path, "found %zu tensors, expected the %zu of %" PRIu64 " layers", whole, expected,
                   meta->params.layers);
}

static enum status note_vocab(const struct meta *meta, const struct metaparams_found *found, struct err *err)
{
    if (meta->params.vocab == (int64_t)found->vocab)
        return STATUS_OK;
    return model_add_note(meta->model, err, "params.json: vocab_size %" PRId64 "%s; the embedding has %" PRIu64 " rows, which is what is written",
                          meta->params.vocab, meta->params.vocab < 0 ? " leaves it to the tokenizer" : " is not the embedding's", found->vocab);
}

static enum status describe(struct meta *meta, const char *wanted, struct err *err)
{
    struct model *model = meta->model;
    const struct tensor *embedding = NULL, *head = NULL, *gate = NULL;
    const char *why = "asked for";
    struct text config = {0}, generation = {0};
    TRY(find_needed(meta, "model.embed_tokens.weight", &embedding, err));
    TRY(find_needed(meta, "lm_head.weight", &head, err));
    TRY(find_needed(meta, "model.layers.0.mlp.gate_proj.weight", &gate, err));
    const struct metaparams_found found = {embedding->shape[0], gate->shape[0], embedding->dtype};
    if (head->shape[0] != found.vocab)
        return err_set(err, STATUS_CORRUPT, meta->source->path, "found %" PRIu64 " rows of output.weight and %" PRIu64 " of tok_embeddings.weight",
                       head->shape[0], found.vocab);
    const struct metaparams_version *version = wanted != NULL ? metaparams_version(wanted) : metaparams_guess(&meta->params, found.vocab, &why);
    if (version != NULL && version->bos == 1 && meta->params.rope_theta > 10000) /* also where 1 or 2 was asked for */
        version = metaparams_version("code");
    if (version == NULL)
        return err_set(err, STATUS_USAGE, "--llama_version", "found \"%s\", which is none", wanted);
    TRY(model_add_note(model, err, "taken for LLaMA %s (%s): %" PRIu64 " positions, bos %" PRId64 ", eos %" PRId64, version->name, why, version->positions,
                       version->bos, version->eos));
    TRY(note_vocab(meta, &found, err));
    if (version->tied) { /* the copy goes, if it is one */
        const uint32_t copy = model_find(model, slice_of("lm_head.weight"));
        model->tensor[copy].fate = FATE_DROP_TWIN;
        model->tensor[copy].peer = model_find(model, slice_of("model.embed_tokens.weight"));
    }
    if (metaparams_hidden(&meta->params) != found.hidden)
        TRY(model_add_note(model, err, "params.json: its formula gives %" PRIu64 " hidden rows; w1 has %" PRIu64 ", which is what is written",
                           metaparams_hidden(&meta->params), found.hidden));
    if (meta->dropped > 0)
        TRY(model_add_note(model, err, "dropped: %zu tensors rope.freqs, which models compute from rope_theta", meta->dropped));
    enum status status = metaparams_config(&meta->params, version, &found, &config, err);
    if (status == STATUS_OK)
        status = metaparams_generation(version, &generation, err);
    if (status == STATUS_OK)
        status = source_make_config(meta->source, model, &config, err);
    if (status == STATUS_OK)
        status = source_make(meta->source, "generation_config.json", &generation, err);
    if (status == STATUS_OK)
        status = metatokens_make(meta->source, model, version, err);
    text_free(&config);
    text_free(&generation);
    return status;
}

static enum status meta_read(struct source *source, const struct read_options *options, struct model *model, struct err *err)
{
    struct meta meta = {.source = source, .model = model};
    struct jsondoc *document;
    TRY(find_shards(&meta, err));
    TRY(source_document(source, "params.json", &document, err));
    if (document == NULL) {
        (void)err_set(err, STATUS_CORRUPT, source->path, "found %s but no params.json", meta.shard[0]);
        return err_try(err, "download params.json to the same directory");
    }
    const enum status status = metaparams_read(&meta.params, "params.json", document, err);
    jsondoc_free(document);
    TRY(status);
    if (meta.params.kv_heads % meta.shards != 0)
        return err_set(err, STATUS_UNSUPPORTED, source->path, "found %" PRIu32 " shards of %" PRIu64 " kv heads, expected a number that divides them",
                       meta.shards, meta.params.kv_heads);
    TRY(source_take(source, model, err));
    model->shard_bytes = SHARD_BYTES; /* the parts say nothing of how the wholes should be cut */
    for (uint32_t s = 0; s < meta.shards; s++) {
        const char *prefix = arena_format(&model->arena, err, "%s/", meta.shard[s]);
        if (prefix == NULL)
            return STATUS_LIMIT;
        TRY(source_tensors_of(source, meta.shard[s], prefix, model, err));
    }
    const size_t count = model->tensor_count;
    for (uint32_t t = 0; t < count && model->tensor[t].file == 0; t++)
        TRY(add_whole(&meta, t, err));
    TRY(check_later(&meta, count, err));
    TRY(check_complete(&meta, model->tensor_count - count, err));
    return describe(&meta, options->llama_version, err);
}

const struct format meta_format = {
    .name = "meta",
    .title = "Meta's LLaMA checkpoints (consolidated.*.pth)",
    .can = {.reads = true},
    .names = {.stem = "model"},
    .probe = meta_probe,
    .read = meta_read,
};
