#include "plan/ggufshards.h"

#include "base/checked.h"
#include "container/ggufile_split.h"
#include "formats/hyper.h"
#include "plan/constraints.h"

#include <stdlib.h>
#include <string.h>

/* --- names ----------------------------------------------------------------------------------------------------------------------- */

/* What the numbers go behind. gguf-py leaves out any suffix (pathlib's), llama-gguf-split that of GGUF, and llama-quantize as many bytes of a name that has
 * ".gguf" anywhere: "o.gguf.bin" is "o.ggu" (ggml-org/llama.cpp:tools/quantize/quantize.cpp, llama_quantize). */
static struct slice stem_of(const char *name, enum split_way way)
{
    const size_t suffix = sizeof ".gguf" - 1;
    struct slice stem = slice_of(name);
    const char *dot = strrchr(name, '.');
    if (way == SPLIT_STORED && dot != NULL && dot > name && dot[1] != '\0')
        stem.size = (size_t)(dot - name);
    else if (way == SPLIT_KEPT ? strstr(name, ".gguf") != NULL : way != SPLIT_STORED && slice_ends(stem, ".gguf") && stem.size > suffix)
        stem.size -= suffix;
    return stem;
}

enum status ggufshards_name(struct plan *plan, const char *name, const struct options *options, struct err *err)
{
    const bool numbered = plan->file_count > 1 || options->split.way == SPLIT_KEPT;
    for (size_t f = 0; f < plan->file_count; f++) {
        plan->file[f].name =
            numbered ? ggufile_split_name(stem_of(name, options->split.way), (uint32_t)f + 1, (uint32_t)plan->file_count, &plan->arena, err) : name;
        if (plan->file[f].name == NULL)
            return STATUS_LIMIT;
    }
    return STATUS_OK;
}

/* --- who goes where ---------------------------------------------------------------------------------------------------------------- */

/* Each tensor into the shard of the source that it comes from. */
static void keep_shards(struct plan *plan, uint32_t *shards)
{
    const struct model *model = plan->model;
    *shards = 1;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct arranged *arranged = &plan->arrangement->tensor[t];
        const uint32_t stored = arranged->source != MODEL_NONE ? arranged->source : model->weight[arranged->weight[0]].role[ROLE_CODES];
        plan->tensor[t].file = model->tensor[stored].file;
        *shards = plan->tensor[t].file >= *shards ? plan->tensor[t].file + 1 : *shards;
    }
}

/* Greedily, by number and bytes. */
static enum status deal_out(struct plan *plan, const struct options *options, uint32_t *shards, struct err *err)
{
    uint64_t *bytes = mem_alloc(plan->tensor_count + 1, sizeof *bytes, err);
    uint32_t *shard_of = mem_alloc(plan->tensor_count + 1, sizeof *shard_of, err);
    enum status status = bytes == NULL || shard_of == NULL ? STATUS_LIMIT : STATUS_OK;
    for (size_t t = 0; status == STATUS_OK && t < plan->tensor_count; t++) {
        bytes[t] = plan->tensor[t].bytes;
        if (options->split.way != SPLIT_PADDED)
            continue;
        const uint64_t units = checked_div_up(bytes[t], GGUFILE_ALIGNMENT_DEFAULT);
        if (!checked_mul(units, GGUFILE_ALIGNMENT_DEFAULT, &bytes[t]))
            status = err_set(err, STATUS_LIMIT, plan->tensor[t].name, "the output is larger than 2^64 bytes");
    }
    if (status == STATUS_OK)
        status = ggufile_split_plan(bytes, plan->tensor_count, &options->split.rule, shard_of, shards, err);
    for (size_t t = 0; status == STATUS_OK && t < plan->tensor_count; t++)
        plan->tensor[t].file = shard_of[t];
    free(bytes);
    free(shard_of);
    return status;
}

static enum status choose_shards(struct plan *plan, const struct options *options, uint32_t *shards, struct err *err)
{
    *shards = 1;
    if (options->split.way == SPLIT_KEPT)
        keep_shards(plan, shards);
    else if (options->split.way != SPLIT_NONE)
        return deal_out(plan, options, shards, err);
    return STATUS_OK;
}

/* --- headers ------------------------------------------------------------------------------------------------------------------------- */

/* Experts that came as one stack of MXFP4 and are one. */
static bool has_mxfp4_stacks(const struct plan *plan)
{
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        if (output->step == STEP_EMBED && output->type == GGML_MXFP4 &&
            plan->model->weight[plan->arrangement->tensor[output->source].weight[0]].spec.experts > 0)
            return true;
    }
    return false;
}

/* general.file_type: what was asked for, or else the type of most of the matrices, by bytes. With stacks of MXFP4 it is no longer the floats' type
 * (ggml-org/llama.cpp:conversion/base.py, ModelBase.prepare_metadata). */
static enum filetype file_type_of(const struct plan *plan, const struct options *options)
{
    uint64_t bytes[GGML_COUNT] = {0};
    enum ggml_type most = GGML_F32;
    const bool floats = options->type == FILETYPE_NONE || ggml_kind(filetype_type(options->type)) == GGML_KIND_FLOAT;
    if (floats && has_mxfp4_stacks(plan))
        return FILETYPE_MXFP4_MOE;
    if (options->type != FILETYPE_NONE)
        return options->type;
    for (size_t t = 0; t < plan->tensor_count; t++)
        if (plan->tensor[t].rank > 1)
            bytes[plan->tensor[t].type] += plan->tensor[t].bytes;
    for (int type = 0; type < GGML_COUNT; type++)
        most = bytes[type] > bytes[most] ? (enum ggml_type)type : most;
    return filetype_of(most);
}

static enum status warn(struct plan *plan, const struct gguf_input *gguf, const struct gguf_listing *listing, struct err *err)
{
    char unsaid[200];
    if (gguf->copy == NULL && hyper_unsaid(gguf->arrangement->arch, gguf->config, unsaid, sizeof unsaid))
        TRY(plan_warn(plan, err, "config.json: found %s: GGUF cannot say it, so that llama.cpp computes another model", unsaid));
    if (listing->left_tokens > 0)
        TRY(plan_warn(plan, err,
                      "the tokenizer has ids up to %llu, and config.json's vocab_size is %llu: tokens beyond it are left out, among them \"%.100s\"",
                      (unsigned long long)(listing->tokens + listing->left_tokens - 1), (unsigned long long)listing->tokens, listing->left_token));
    if (listing->renumbered_tokens > 0)
        TRY(plan_warn(plan, err, "%u added tokens have other ids than the tokenizer's files say: those that the tokenizers library gives them",
                      listing->renumbered_tokens));
    if (listing->no_vocabulary)
        TRY(plan_warn(plan, err, "found no tokenizer: llama.cpp does not run a file without one (--base DIR with the model's own)"));
    if (listing->unread[0] != '\0')
        TRY(plan_warn(plan, err, "README.md: of its front matter these are not read, and general.* lacks what they say: %s", listing->unread));
    if (gguf->arrangement->unweighed > 0)
        TRY(plan_warn(plan, err, "%zu of the tensors need an importance matrix, and are refused without (--imatrix FILE)", gguf->arrangement->unweighed));
    if (gguf->arrangement->unallowed > 0)
        TRY(plan_warn(plan, err, "%zu of the tensors are blocks that would be rounded anew, which is refused (--allow-requantize)",
                      gguf->arrangement->unallowed));
    return STATUS_OK;
}

/* The files' headers, and where their tensors lie; `listing` has all tensors. */
static enum status make_headers(struct plan *plan, const struct gguf_input *gguf, struct gguf_listing *listing, struct err *err)
{
    for (uint32_t f = 0; f < listing->claim.shards; f++) {
        listing->claim.index = f;
        listing->first += listing->held;
        listing->held = 0;
        while (listing->first + listing->held < plan->tensor_count && plan->tensor[listing->first + listing->held].file == f)
            listing->held++;
        TRY(gguf_head(gguf, listing, &plan->file[f].header, err));
        plan->file[f].bytes = listing->bytes;
        if (!checked_add(plan->file_bytes, listing->bytes, &plan->file_bytes))
            return err_set(err, STATUS_LIMIT, "plan", "the output is larger than 2^64 bytes");
    }
    return STATUS_OK;
}

/* What the engine of --for reads. */
static enum status check_reader(uint32_t shards, bool big_endian, const struct options *options, struct err *err)
{
    const struct constraints *engine = options->constraints;
    if (engine == NULL)
        return STATUS_OK;
    if (engine->little_endian && big_endian) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, "the output", "found --bigendian, expected little endian: %s reads nothing else", engine->engine);
        return err_try(err, "leave --bigendian out");
    }
    if (!engine->one_file || (shards == 1 && options->split.way != SPLIT_PADDED && options->split.way != SPLIT_KEPT))
        return STATUS_OK;
    (void)err_set(err, STATUS_UNREPRESENTABLE, "the output", "found a set of %u files, expected one file: %s reads no sets", shards, engine->engine);
    return err_try(err, "leave --max-shard-size out");
}

enum status ggufshards_files(struct plan *plan, const struct gguf_input *gguf, const struct options *options, struct err *err)
{
    uint32_t shards;
    TRY(choose_shards(plan, options, &shards, err));
    TRY(check_reader(shards, gguf->options->big_endian, options, err));
    struct gguf_tensor *listed = mem_alloc(plan->tensor_count + 1, sizeof *listed, err);
    plan->file = mem_alloc(shards, sizeof *plan->file, err);
    if (listed == NULL || plan->file == NULL) {
        free(listed);
        return STATUS_LIMIT;
    }
    const enum filetype own = gguf->copy != NULL ? options->type : file_type_of(plan, options);
    plan->file_count = shards;
    plan->file_type = own;
    plan->big_endian = gguf->options->big_endian;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        listed[t] = (struct gguf_tensor){output->name, output->shape, output->rank, output->type, output->bytes, 0};
    }
    struct gguf_listing listing = {.file_type = (uint32_t)own, .tensor = listed, .count = plan->tensor_count, .verbatim = options->verbatim};
    listing.claim = (struct ggufile_split_claim){0, shards, (uint32_t)plan->tensor_count, options->split.way == SPLIT_PADDED};
    enum status status = make_headers(plan, gguf, &listing, err);
    if (status == STATUS_OK)
        status = warn(plan, gguf, &listing, err);
    for (size_t t = 0; t < plan->tensor_count; t++)
        plan->tensor[t].offset = listed[t].offset;
    memcpy(plan->stem, listing.stem, sizeof plan->stem);
    free(listed);
    TRY(status);
    const char *name = options->one_file;
    if (name[0] == '\0') /* a directory */
        name = arena_format(&plan->arena, err, own == FILETYPE_NONE ? "%s.gguf" : "%s-%s.gguf", plan->stem, filetype_name(own));
    return name == NULL ? STATUS_LIMIT : ggufshards_name(plan, name, options, err);
}
