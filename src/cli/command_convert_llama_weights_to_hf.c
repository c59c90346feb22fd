/* The drop-in for huggingface/transformers:src/transformers/models/llama/convert_llama_weights_to_hf.py: same arguments, the tensors of the original, in
 * bfloat16 as there. */
#include "base/tree.h"
#include "check/check.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "formats/metaparams.h"

#include <stdio.h>
#include <string.h>

struct llama_options {
    const char *input, *size, *output, *version, *shards, *safe, *instruct;
};

#define LLAMA_ROWS(o) \
    { \
        {"--input_dir", ARGUMENT_STRING, &(o)->input, "DIR", "params.json, consolidated.*.pth and tokenizer.model, or a directory of such by model size"}, \
            {"--model_size", ARGUMENT_STRING, &(o)->size, "SIZE", "7B, 8B, 13B, 34B, 30B, 65B, 70B, ...: the number of files that it has is checked"}, \
            {"--output_dir", ARGUMENT_STRING, &(o)->output, "DIR", "made; an empty directory is replaced"}, \
            {"--llama_version", ARGUMENT_STRING, &(o)->version, "V", "1, 2, 3, 3.1, 3.2 or Guard-3; default: by params.json"}, \
            {"--num_shards", ARGUMENT_STRING, &(o)->shards, "N", "the number of files, where SIZE does not say it"}, \
            {"--safe_serialization", ARGUMENT_STRING, &(o)->safe, "BOOL", "True: safetensors are what is written"}, \
    }

void command_convert_llama_weights_to_hf_help(void)
{
    struct llama_options options;
    const struct argument rows[] = LLAMA_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* NUM_SHARDS of the original. */
static const struct {
    const char *size;
    unsigned shards;
} sizes[] = {{"7B", 1},  {"8B", 1},  {"8Bf", 1}, {"7Bf", 1}, {"1B", 1},   {"3B", 1},   {"13B", 2},       {"13Bf", 2},
             {"34B", 4}, {"30B", 4}, {"65B", 8}, {"70B", 8}, {"70Bf", 8}, {"405B", 8}, {"405B-MP16", 16}};

static enum status parse(int argc, char **argv, struct llama_options *options, struct err *err)
{
    const struct argument rows[] = LLAMA_ROWS(options);
    size_t places;
    char names[100];
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], NULL, 0,
                                        "repaq convert_llama_weights_to_hf --input_dir DIR --output_dir DIR", true};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (options->input == NULL || options->output == NULL) {
        (void)err_set(err, STATUS_USAGE, "convert_llama_weights_to_hf", "found no %s", options->input == NULL ? "--input_dir" : "--output_dir");
        return err_try(err, "%s", arguments.usage);
    }
    if (options->version != NULL && metaparams_version(options->version) == NULL) {
        (void)err_set(err, STATUS_USAGE, "--llama_version", "found \"%s\", expected a version", options->version);
        return err_try(err, "one of: %s", metaparams_versions(names, sizeof names));
    }
    if (options->safe != NULL && strcmp(options->safe, "True") != 0 && strcmp(options->safe, "true") != 0) {
        (void)err_set(err, STATUS_UNSUPPORTED, "--safe_serialization", "found \"%s\", expected True", options->safe);
        return err_try(err, "leave it out: safetensors are what is written");
    }
    return STATUS_OK;
}

/* The number of files that the arguments name; 0 where they name none. */
static enum status count_wanted(const struct llama_options *options, uint64_t *count, struct err *err)
{
    *count = 0;
    if (options->shards != NULL && (!slice_u64(slice_of(options->shards), count) || *count == 0))
        return err_set(err, STATUS_USAGE, "--num_shards", "found \"%s\", expected a positive integer", options->shards);
    if (options->size == NULL || options->shards != NULL)
        return STATUS_OK;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (strcmp(sizes[i].size, options->size) == 0)
            *count = sizes[i].shards;
    if (*count > 0)
        return STATUS_OK;
    (void)err_set(err, strcmp(options->size, "tokenizer_only") == 0 ? STATUS_UNSUPPORTED : STATUS_USAGE, "--model_size",
                  "found \"%s\", expected the size of a model", options->size);
    return err_try(err, "7B, 8B, 13B, 34B, 30B, 65B, 70B or 405B, or --num_shards N");
}

/* An empty directory, as scripts make it beforehand, may be replaced. */
static bool is_empty(const char *path)
{
    struct arena arena = {0};
    struct tree_names names;
    const bool empty = file_stat(path, NULL) == FILE_DIRECTORY && tree_names(path, &arena, &names, NULL) == STATUS_OK && names.count == 0;
    arena_free(&arena);
    return empty;
}

enum status command_convert_llama_weights_to_hf(struct session *session, int argc, char **argv, struct err *err)
{
    struct llama_options options = {0};
    struct pipeline pipeline = {0};
    struct arena arena = {0};
    uint64_t wanted;
    TRY(parse(argc, argv, &options, err));
    TRY(count_wanted(&options, &wanted, err));
    const char *below = options.size == NULL ? NULL : arena_format(&arena, err, "%s/%s", options.input, options.size);
    const bool nested = below != NULL && file_stat(below, NULL) == FILE_DIRECTORY; /* older releases: tokenizer.model above the sizes */
    const struct request request = {
        .source = nested ? below : options.input,
        .destination = options.output,
        .base = nested ? options.input : NULL,
        .from = meta_format.name,
        .target = &hf_format,
        .reading = {.llama_version = options.version},
        .options = {.dtype = DTYPE_BF16},
        .force = is_empty(options.output),
        .directory = true,
    };
    const double start = progress_seconds();
    enum status status = pipeline_plan(&pipeline, &request, &session->resources, err);
    if (status == STATUS_OK && wanted != 0 && wanted != pipeline.model.file_count)
        status = err_set(err, STATUS_USAGE, request.source, "found %zu files consolidated.*.pth, expected %llu for this model", pipeline.model.file_count,
                         (unsigned long long)wanted);
    if (status == STATUS_OK)
        status = check_source(&pipeline, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &session->resources, err);
    if (status == STATUS_OK)
        report_text(&(struct report){&pipeline, &request, progress_seconds() - start});
    pipeline_free(&pipeline);
    arena_free(&arena);
    return status;
}
