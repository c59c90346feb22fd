/* gguf: llama.cpp's single file of metadata and tensors; the container is container/ggufile*.
 *
 *     metadata (general.*, <architecture>.*, tokenizer.*) | tensors, each on 32 bytes, in the converter's order
 *
 * ggml-org/llama.cpp:convert_hf_to_gguf.py, conversion/, gguf-py/. */
#include "formats/gguf.h"

#include "formats/format.h"
#include "formats/general.h"
#include "formats/gguf_vocabulary.h"
#include "formats/ggufcopy.h"
#include "formats/ggufread.h"
#include "formats/hfvocabulary.h"
#include "formats/hyperkeys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tensors as the container lists them: the innermost dimension first. */
static void list_tensors(const struct gguf_listing *listing, struct ggufile_entry *entry)
{
    for (size_t t = 0; t < listing->held; t++) {
        const struct gguf_tensor *tensor = &listing->tensor[listing->first + t];
        entry[t] = (struct ggufile_entry){.name = tensor->name, .rank = tensor->rank, .type = tensor->type};
        for (unsigned d = 0; d < tensor->rank && d < GGUFILE_DIMS_MAX; d++)
            entry[t].dims[d] = tensor->shape[tensor->rank - 1 - d];
    }
}

/* True if the directory has what a tokenizer is read from. */
static bool has_tokenizer(const struct source *source)
{
    static const char *const names[] = {"tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json"};
    for (size_t n = 0; source != NULL && n < sizeof names / sizeof names[0]; n++)
        if (source_has(source, names[n]))
            return true;
    return false;
}

static enum status add_vocabulary(const struct gguf_input *input, struct gguf_listing *listing, struct ggufile_writer *writer, struct err *err)
{
    struct source *place = has_tokenizer(input->source) ? input->source : has_tokenizer(input->base) ? input->base : NULL;
    struct vocabulary vocabulary;
    struct hfvocabulary_finding finding;
    struct hfvocabulary_options options = {.architecture = input->arrangement->arch->name, .pre = input->options->pre};
    static const char *const pieces[] = {"gemma", "gemma2", "phi3"}; /* made of a tokenizer.model only */
    for (size_t p = 0; place != NULL && p < sizeof pieces / sizeof pieces[0]; p++)
        if (strcmp(input->arrangement->arch->name, pieces[p]) == 0 && !source_has(place, "tokenizer.model"))
            place = NULL;
    listing->no_vocabulary = place == NULL;
    if (place == NULL && input->options->vocab_only) {
        (void)err_set(err, STATUS_UNSUPPORTED, input->source == NULL ? "--vocab-only" : input->source->dir, "found no tokenizer that %s can be made of",
                      input->arrangement->arch->name);
        return err_try(err, "put the tokenizer's files of the original model there (of SentencePiece: tokenizer.model)");
    }
    if (place == NULL)
        return STATUS_OK;
    (void)hyper_count(input->arrangement->arch, input->config, "vocab_size", &options.tokens);
    TRY(hfvocabulary_read(place, &options, &vocabulary, &finding, err));
    listing->tokens = vocabulary.count;
    listing->left_tokens = vocabulary.beyond;
    listing->renumbered_tokens = vocabulary.renumbered;
    (void)snprintf(listing->left_token, sizeof listing->left_token, "%.*s", vocabulary.lost.size < 100 ? (int)vocabulary.lost.size : 100,
                   vocabulary.lost.data == NULL ? "" : vocabulary.lost.data);
    gguf_vocabulary_write(&vocabulary, &place->arena, writer);
    return STATUS_OK;
}

/* Metadata that follow from a checkpoint's config and side files. */
static enum status set_pairs(const struct gguf_input *input, struct gguf_listing *listing, struct ggufile_writer *writer, struct err *err)
{
    const struct arch *arch = input->arrangement->arch;
    const struct general_size size = general_measure(listing->tensor, listing->count);
    ggufile_write_string(writer, "general.architecture", slice_of(arch->name));
    TRY(hyperkeys_begin(writer, arch, input->config, err));
    TRY(general_set(writer, input, &size, listing, err));
    TRY(hyperkeys_set(writer, arch, input->config, listing->file_type, err));
    ggufile_write_u32(writer, "general.quantization_version", 2);
    return add_vocabulary(input, listing, writer, err);
}

static enum status set_metadata(const struct gguf_input *input, struct gguf_listing *listing, struct ggufile_writer *writer, struct err *err)
{
    if (listing->claim.index == 0)
        TRY(input->copy != NULL ? ggufcopy_head(input, listing, writer, err) : set_pairs(input, listing, writer, err));
    if (listing->claim.shards > 1)
        ggufile_split_keys(writer, &listing->claim);
    return STATUS_OK;
}

enum status gguf_head(const struct gguf_input *input, struct gguf_listing *listing, struct text *header, struct err *err)
{
    struct ggufile_writer writer = {.big_endian = input->options->big_endian, .bare = input->options->vocab_only};
    struct ggufile_entry *entry = mem_alloc(listing->held + 1, sizeof *entry, err);
    enum status status = entry == NULL ? STATUS_LIMIT : set_metadata(input, listing, &writer, err);
    if (status == STATUS_OK) {
        list_tensors(listing, entry);
        status = ggufile_write_layout(&writer, entry, listing->held, header, &listing->bytes, err);
    }
    for (size_t t = 0; t < listing->held && status == STATUS_OK; t++)
        listing->tensor[listing->first + t].offset = entry[t].offset;
    ggufile_write_free(&writer);
    free(entry);
    return status;
}

static void gguf_probe(const struct source *source, struct bid *bid)
{
    if (!source->gguf)
        return;
    *bid = (struct bid){.score = 100};
    (void)snprintf(bid->evidence, sizeof bid->evidence, "a GGUF file");
}

const struct format gguf_format = {
    .name = "gguf",
    .title = "llama.cpp's GGUF, one file or a set of shards",
    .can = {.reads = true, .writes = true, .blocks = true, .grid = GRID_DENSE, .scale_dtypes = 1u << DTYPE_F16},
    .names = {.stem = "model"},
    .arranged = true,
    .probe = gguf_probe,
    .read = ggufread_model,
};
