/* The drop-in for llama.cpp's llama-quantize: same arguments, same bytes (ggml-org/llama.cpp:tools/quantize/quantize.cpp). */
#include "base/limits.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/quantize_words.h"
#include "cli/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct llama_quantize_options {
    struct request request;
    struct quantize_words words;
    bool keep_split;
    struct argument_list prune;
    struct arena arena;
    unsigned buffer; /* --max-buffer-size: nothing grows with a tensor here */
    struct text place; /* of the output where none is named */
};

#define LLAMA_QUANTIZE_ROWS(o) \
    { \
        {"--allow-requantize", ARGUMENT_FLAG, &(o)->request.options.requantize, NULL, "round blocks of a quantized source anew (lossy)"}, \
        {"--leave-output-tensor", ARGUMENT_FLAG, &(o)->words.leave_output, NULL, "output.weight stays as it is"}, \
        {"--pure", ARGUMENT_FLAG, &(o)->words.pure, NULL, "no mix: TYPE for all tensors that are quantized"}, \
        {"--imatrix", ARGUMENT_STRING, &(o)->words.matrix, "FILE", "how much each column counts, from llama-imatrix (GGUF or .dat)"}, \
        {"--include-weights", ARGUMENT_LIST, &(o)->words.include, "WORD", "only entries of the importance matrix with this in their name; may be repeated"}, \
        {"--exclude-weights", ARGUMENT_LIST, &(o)->words.exclude, "WORD", "all entries but those; may be repeated"}, \
        {"--output-tensor-type", ARGUMENT_STRING, &(o)->words.output, "T", "the type of output.weight"}, \
        {"--token-embedding-type", ARGUMENT_STRING, &(o)->words.embedding, "T", "the type of the token embeddings"}, \
        {"--tensor-type", ARGUMENT_LIST, &(o)->words.type, "REGEX=T", "a type for what the pattern is found in; may be repeated, the first that fits counts"}, \
        {"--tensor-type-file", ARGUMENT_LIST, &(o)->words.type, "FILE", "such patterns, one after another"}, \
        {"--override-kv", ARGUMENT_LIST, &(o)->words.pair, "K=T:V", "set a pair of the metadata; T is int, float, bool or str; may be repeated"}, \
        {"--keep-split", ARGUMENT_FLAG, &(o)->keep_split, NULL, "as many shards as the source has, named OUT-00001-of-0000N.gguf"}, \
        {"--prune-layers", ARGUMENT_LIST, &(o)->prune, "N,N", "layers to leave out; the others move up; may be repeated"}, \
        {"--dry-run", ARGUMENT_FLAG, &(o)->request.dry_run, NULL, "print types and sizes, and stop"}, \
        {"--max-buffer-size", ARGUMENT_COUNT, &(o)->buffer, "MIB", "taken, and without effect: memory does not grow with a tensor"}, \
    }

static const char usage[] = "repaq llama-quantize [options] IN.gguf [OUT.gguf] TYPE [NTHREADS]";

void command_llama_quantize_help(void)
{
    struct llama_quantize_options options;
    const struct argument rows[] = LLAMA_QUANTIZE_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* The words before the first that is no option or its value. */
static int count_options(const struct argument *row, size_t count, int argc, char **argv)
{
    int at = 0;
    while (at < argc && strncmp(argv[at], "--", 2) == 0) {
        bool flag = strchr(argv[at], '=') != NULL;
        for (size_t r = 0; r < count; r++)
            flag = flag || (row[r].kind == ARGUMENT_FLAG && strcmp(row[r].name, argv[at]) == 0);
        at += flag ? 1 : 2;
    }
    return at < argc ? at : argc;
}

/* "DIR/ggml-model-Q4_K_M.gguf", beside the input. */
static enum status default_place(struct llama_quantize_options *options, const char *name, struct err *err)
{
    const char *source = options->request.source, *slash = strrchr(source, '/');
    text_add(&options->place, source, slash == NULL ? 0 : (size_t)(slash - source) + 1);
    text_format(&options->place, "ggml-model-%s.gguf", name);
    options->request.destination = options->place.data;
    return text_check(&options->place, err);
}

/* IN [OUT] TYPE [NTHREADS] */
static enum status take_places(struct session *session, int argc, char **argv, struct llama_quantize_options *options, struct err *err)
{
    enum filetype *type = &options->request.options.type;
    const char *name;
    if (argc < 2) {
        (void)err_set(err, STATUS_USAGE, "llama-quantize", "found %d of the arguments IN.gguf and TYPE", argc);
        return err_try(err, "%s", usage);
    }
    options->request.source = argv[0];
    int at = 1;
    const bool named = !quantize_words_file_type(argv[at], type, &name);
    if (named) {
        options->request.destination = argv[at++];
        if (at == argc || !quantize_words_file_type(argv[at], type, &name)) {
            (void)err_set(err, STATUS_USAGE, "TYPE", "found \"%s\", expected a type of GGUF files", at == argc ? "" : argv[at]);
            return err_try(err, "a name such as Q4_K_M, its number, or COPY");
        }
    } else {
        TRY(default_place(options, name, err));
    }
    if (++at < argc) {
        char *end;
        const long threads = strtol(argv[at], &end, 10);
        if (end == argv[at])
            return err_set(err, STATUS_USAGE, "NTHREADS", "found \"%s\", expected a number", argv[at]);
        if (threads > 0) /* more change nothing: a script's `nproc` of a large machine is no error */
            session->resources.threads = threads < LIMIT_THREADS_MAX ? (unsigned)threads : LIMIT_THREADS_MAX;
    }
    return STATUS_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

/* "0,3,4" */
static enum status take_layers_of(struct llama_quantize_options *options, const char *word, uint32_t *layer, struct err *err)
{
    struct ggufprune_list *list = &options->request.gguf.prune;
    for (const char *at = word;; at++) {
        const size_t size = strcspn(at, ",");
        uint64_t number;
        if (!slice_u64((struct slice){at, size}, &number) || number >= LIMIT_LAYERS_MAX)
            return err_set(err, STATUS_USAGE, "--prune-layers", "found \"%s\", expected numbers of layers with commas between them", word);
        layer[list->count++] = (uint32_t)number;
        at += size;
        if (*at == '\0')
            return STATUS_OK;
    }
}

static enum status take_layers(struct llama_quantize_options *options, struct err *err)
{
    struct ggufprune_list *list = &options->request.gguf.prune;
    const struct argument_list *words = &options->prune;
    size_t most = 0;
    for (size_t w = 0; w < words->count; w++)
        most += strlen(words->word[w]) + 1;
    if (most == 0)
        return STATUS_OK;
    uint32_t *layer = arena_alloc(&options->arena, most, sizeof *layer, err);
    if (layer == NULL)
        return STATUS_LIMIT;
    list->layer = layer;
    for (size_t w = 0; w < words->count; w++)
        TRY(take_layers_of(options, words->word[w], layer, err));
    qsort(layer, list->count, sizeof *layer, by_number);
    return STATUS_OK;
}

static enum status parse(struct session *session, int argc, char **argv, struct llama_quantize_options *options, struct err *err)
{
    const struct argument rows[] = LLAMA_QUANTIZE_ROWS(options);
    const size_t count = sizeof rows / sizeof rows[0];
    const int words = count_options(rows, count, argc, argv);
    const struct arguments arguments = {rows, count, NULL, 0, usage, true};
    size_t places;
    TRY(arguments_parse(&arguments, words, argv, &places, err));
    TRY(take_places(session, argc - words, argv + words, options, err));
    TRY(quantize_words_take(&options->words, session->resources.ops, &options->request.gguf, err));
    TRY(take_layers(options, err));
    struct request *request = &options->request;
    request->options.split.way = options->keep_split ? SPLIT_KEPT : SPLIT_NONE;
    const char *slash = strrchr(request->destination, '/');
    options->words.rules.strict = true;
    request->options.sizes_only = request->dry_run;
    request->options.mix = &options->words.rules;
    request->options.one_file = slash == NULL ? request->destination : slash + 1;
    return STATUS_OK;
}

enum status command_llama_quantize(struct session *session, int argc, char **argv, struct err *err)
{
    struct llama_quantize_options options = {
        .request = {.target = registry_find("gguf"), .from = "gguf", .force = true, .options = {.dtype = DTYPE_NONE, .type = FILETYPE_NONE}},
    };
    struct pipeline pipeline = {0};
    enum status status = parse(session, argc, argv, &options, err);
    const double start = progress_seconds();
    if (status == STATUS_OK)
        status = pipeline_plan(&pipeline, &options.request, &session->resources, err);
    if (status == STATUS_OK && !options.request.dry_run)
        status = pipeline_run(&pipeline, &options.request, &session->resources, err);
    if (status == STATUS_OK)
        report_text(&(struct report){&pipeline, &options.request, progress_seconds() - start});
    pipeline_free(&pipeline);
    quantize_words_free(&options.words);
    text_free(&options.place);
    arena_free(&options.arena);
    return status;
}
