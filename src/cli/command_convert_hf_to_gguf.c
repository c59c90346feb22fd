/* The drop-in for ggml-org/llama.cpp:convert_hf_to_gguf.py: same arguments, same names of files, a file that is there is replaced. */
#include "base/limits.h"
#include "check/check.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "formats/arch/arch.h"
#include "plan/ggufshards.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLASSES_MAX = 64 };

struct hf_options {
    const char *outfile, *outtype, *name, *metadata, *split_size, *split_tensors;
    bool big_endian, vocab_only, bare_first, dry_run, verbose, no_lazy, temp_file, requantize, verify, fp8_as_q8, supported;
    unsigned threads;
    uint64_t memory;
};

#define HF_ROWS(o) \
    { \
        {"--outfile", ARGUMENT_STRING, &(o)->outfile, "F", "a file, {ftype} in its name becoming the type, or a directory; default: MODEL_DIR"}, \
            {"--outtype", ARGUMENT_STRING, &(o)->outtype, "T", \
             "f32, f16, bf16, q8_0, tq1_0, tq2_0 or auto (default): bf16 or f16, by the first matrix that has either"}, \
            {"--fp8-as-q8", ARGUMENT_FLAG, &(o)->fp8_as_q8, NULL, "FP8 weights become Q8_0 instead of floats"}, \
            {"--model-name", ARGUMENT_STRING, &(o)->name, "NAME", "general.name; default: by the directory's name"}, \
            {"--metadata", ARGUMENT_STRING, &(o)->metadata, "F", "JSON of general.* values that go before all others"}, \
            {"--vocab-only", ARGUMENT_FLAG, &(o)->vocab_only, NULL, "metadata and vocabulary, no tensors; MODEL_DIR need not have weights"}, \
            {"--bigendian", ARGUMENT_FLAG, &(o)->big_endian, NULL, "every number in the other byte order, those inside blocks as well"}, \
            {"--split-max-size", ARGUMENT_STRING, &(o)->split_size, "N(K|M|G)", "shards of at most so many bytes of tensors (decimal); 0: one file"}, \
            {"--split-max-tensors", ARGUMENT_STRING, &(o)->split_tensors, "N", "shards of at most so many tensors; 0: one file"}, \
            {"--no-tensor-first-split", ARGUMENT_FLAG, &(o)->bare_first, NULL, "the first shard has metadata only"}, \
            {"--dry-run", ARGUMENT_FLAG, &(o)->dry_run, NULL, "print the plan and stop"}, \
            {"--allow-requantize", ARGUMENT_FLAG, &(o)->requantize, NULL, "with q8_0: a quantized model may be rounded anew (lossy)"}, \
            {"--verify", ARGUMENT_FLAG, &(o)->verify, NULL, "read the result back and compare it with the source before it is put in place"}, \
            {"--threads", ARGUMENT_COUNT, &(o)->threads, "N", "default: all processors (REPAQ_THREADS)"}, \
            {"--memory", ARGUMENT_BYTES, &(o)->memory, "SIZE", "default: 256MiB (REPAQ_MEMORY)"}, \
            {"--print-supported-models", ARGUMENT_FLAG, &(o)->supported, NULL, "print the architectures that are converted, and stop"}, \
            {"--verbose", ARGUMENT_FLAG, &(o)->verbose, NULL, "taken, and without effect"}, \
            {"--no-lazy", ARGUMENT_FLAG, &(o)->no_lazy, NULL, "likewise: memory is bounded anyway"}, \
            {"--use-temp-file", ARGUMENT_FLAG, &(o)->temp_file, NULL, "likewise"}, \
    }

void command_convert_hf_to_gguf_help(void)
{
    struct hf_options options;
    const struct argument rows[] = HF_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* Options of the original, or of its predecessors, that do nothing here. */
static const struct {
    const char *name, *remedy;
} strangers[] = {
    {"--awq-path", "give the AWQ checkpoint itself: repaq convert DIR OUT.gguf --to gguf"},
    {"--big-endian", "--bigendian"},
    {"--remote", "download the model first"},
    {"--mmproj", "llama.cpp's own converter for what is not the text model"},
    {"--mtp", "llama.cpp's own converter"},
    {"--no-nextn", "leave it out"},
    {"--no-mtp", "leave it out"},
    {"--dspark", "llama.cpp's own converter"},
    {"--target-model-dir", "llama.cpp's own converter for draft models"},
    {"--mistral-format", "give the checkpoint in Hugging Face's format"},
    {"--disable-mistral-community-chat-template", "give the checkpoint in Hugging Face's format"},
    {"--sentence-transformers-dense-modules", "llama.cpp's own converter"},
    {"--fuse-gate-up-exps", "leave it out: gate and up stay two tensors"},
    {"--fuse-qkv", "leave it out: q, k and v stay three tensors"},
    {"--vocab-type", "leave it out: the tokenizer's files say it"},
    {"--vocab-dir", "put the tokenizer's files beside the weights"},
    {"--no-vocab", "leave it out"},
    {"--pad-vocab", "leave it out"},
    {"--skip-unknown", "repaq convert DIR OUT.gguf --to gguf --exclude REGEX"},
    {"--ctx", "leave it out: config.json says it"},
    {"--concurrency", "--threads"},
    {"--dump", "repaq inspect"},
    {"--dump-single", "repaq inspect"},
};

static enum status refuse_strangers(int argc, char **argv, struct err *err)
{
    for (int a = 0; a < argc && strcmp(argv[a], "--") != 0; a++) {
        const size_t size = strcspn(argv[a], "=");
        for (size_t s = 0; s < sizeof strangers / sizeof strangers[0]; s++) {
            if (strncmp(argv[a], strangers[s].name, size) != 0 || strangers[s].name[size] != '\0' || size == 0)
                continue;
            (void)err_set(err, STATUS_UNSUPPORTED, strangers[s].name, "found an option that this version does not take");
            return err_try(err, "%s", strangers[s].remedy);
        }
    }
    return STATUS_OK;
}

static enum status parse(struct session *session, int argc, char **argv, struct hf_options *options, const char **directory, struct err *err)
{
    const struct argument rows[] = HF_ROWS(options);
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], directory, 1, "repaq convert_hf_to_gguf MODEL_DIR [--outfile F] [--outtype T]",
                                        true};
    TRY(refuse_strangers(argc, argv, err));
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (places < 1 && !options->supported) {
        (void)err_set(err, STATUS_USAGE, "convert_hf_to_gguf", "found no MODEL_DIR");
        return err_try(err, "%s", arguments.usage);
    }
    if (options->threads > 0)
        session->resources.threads = options->threads;
    if (options->memory > 0)
        session->resources.memory_bytes = options->memory;
    return command_check_resources(session, options->threads > LIMIT_THREADS_MAX ? "--threads" : "--memory", err);
}

/* True if the directory has anything that holds weights. */
static enum status has_weights(const struct session *session, const char *directory, bool *has, struct err *err)
{
    static const char *const suffixes[] = {".safetensors", ".bin", ".pth", ".zst", ".index.json"};
    struct source source;
    *has = file_stat(directory, NULL) != FILE_DIRECTORY;
    if (*has)
        return STATUS_OK;
    const enum status status = source_open_plain(&source, session->resources.ops, directory, err);
    for (size_t s = 0; status == STATUS_OK && s < sizeof suffixes / sizeof suffixes[0]; s++)
        *has = *has || source_match(&source, "", suffixes[s]) != NULL;
    source_close(&source);
    return status;
}

/* True for what the converter sees first: of safetensors by name, of others as they are stored, file by file. */
static bool is_before(const struct model *model, const struct tensor *a, const struct tensor *b)
{
    const char *const left = model->file[a->file].name, *const right = model->file[b->file].name;
    const int files = strcmp(left, right);
    return files != 0 ? files < 0 : slice_ends(slice_of(left), ".safetensors") && strcmp(a->name, b->name) < 0;
}

/* The type of --outtype auto: that of the first matrix which is BF16 or F16; F16 where there is none, also for a vocabulary without weights
 * (conversion/base.py, ModelBase.__init__ and index_tensors). */
static enum status guess_type(const struct session *session, const char *directory, bool vocab_only, enum filetype *type, struct err *err)
{
    struct source source;
    struct model model = {0};
    struct bid bid;
    bool has = true;
    *type = FILETYPE_F16;
    if (vocab_only)
        TRY(has_weights(session, directory, &has, err));
    if (!has)
        return STATUS_OK;
    enum status status = source_open(&source, session->resources.ops, directory, err);
    if (status == STATUS_OK)
        status = registry_read(&source, NULL, (struct read_options){0}, &model, &bid, err);
    const struct tensor *first = NULL;
    for (size_t t = 0; t < model.tensor_count && status == STATUS_OK; t++) {
        const struct tensor *const tensor = &model.tensor[t];
        const bool half = tensor->rank >= 2 && tensor->file < model.file_count && (tensor->dtype == DTYPE_BF16 || tensor->dtype == DTYPE_F16);
        if (half && (first == NULL || is_before(&model, tensor, first)))
            first = tensor;
    }
    if (first != NULL)
        *type = first->dtype == DTYPE_BF16 ? FILETYPE_BF16 : FILETYPE_F16;
    model_free(&model);
    source_close(&source);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As the original lists them. */
static enum status print_supported(struct err *err)
{
    const char *name[CLASSES_MAX];
    size_t count = 0;
    for (size_t a = 0; arch_at(a) != NULL; a++)
        for (const char *const *class = arch_at(a)->classes; *class != NULL && count < CLASSES_MAX; class ++)
            name[count++] = *class;
    qsort(name, count, sizeof name[0], by_text);
    bool written = puts("Supported models:\nTEXT models:") >= 0;
    for (size_t i = 0; i < count; i++)
        written = printf("  - %s\n", name[i]) > 0 && written;
    return written ? STATUS_OK : err_set(err, STATUS_IO, "standard output", "cannot be written");
}

static enum status take_type(const struct session *session, const struct hf_options *options, const char *directory, enum filetype *type, struct err *err)
{
    static const struct {
        const char *name;
        enum filetype type;
    } types[] = {{"f32", FILETYPE_F32},   {"f16", FILETYPE_F16},     {"bf16", FILETYPE_BF16},
                 {"q8_0", FILETYPE_Q8_0}, {"tq1_0", FILETYPE_TQ1_0}, {"tq2_0", FILETYPE_TQ2_0}};
    if (options->outtype == NULL || strcmp(options->outtype, "auto") == 0)
        return guess_type(session, directory, options->vocab_only, type, err);
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
        *type = types[t].type;
        if (strcmp(options->outtype, types[t].name) == 0)
            return STATUS_OK;
    }
    (void)err_set(err, STATUS_USAGE, "--outtype", "found \"%s\", expected a type", options->outtype);
    return err_try(err, "one of: f32, f16, bf16, q8_0, tq1_0, tq2_0, auto");
}

/* A number, with K, M or G behind it where `units` says so (convert_hf_to_gguf.py, split_str_to_n_bytes). */
static enum status take_limit(const char *name, const char *word, bool units, uint64_t *limit, struct err *err)
{
    static const char letters[] = "KMG";
    struct slice digits = slice_of(word == NULL ? "0" : word);
    uint64_t unit = 1;
    const char *letter = digits.size > 1 && units ? strchr(letters, digits.data[digits.size - 1]) : NULL;
    for (ptrdiff_t l = 0; letter != NULL && l <= letter - letters; l++)
        unit *= 1000;
    digits.size -= letter != NULL;
    if (slice_u64(digits, limit) && *limit <= UINT64_MAX / 4 / unit) {
        *limit *= unit;
        return STATUS_OK;
    }
    (void)err_set(err, STATUS_USAGE, name, "found \"%s\", expected a number%s", word, units ? ", which K, M or G may follow" : "");
    return err_try(err, units ? "2G" : "128");
}

static enum status take_split(const struct hf_options *options, struct split *split, struct err *err)
{
    TRY(take_limit("--split-max-size", options->split_size, true, &split->rule.bytes_max, err));
    TRY(take_limit("--split-max-tensors", options->split_tensors, false, &split->rule.tensors_max, err));
    split->rule.bare_first = options->bare_first;
    if (options->bare_first || split->rule.bytes_max > 0 || split->rule.tensors_max > 0)
        split->way = SPLIT_STORED;
    if (!options->vocab_only || split->way == SPLIT_NONE)
        return STATUS_OK;
    (void)err_set(err, STATUS_USAGE, "--vocab-only", "found shards asked for as well: a vocabulary is one file");
    return err_try(err, "leave out --split-max-size, --split-max-tensors and --no-tensor-first-split");
}

static void fold(char *text, int (*letter)(int))
{
    for (; *text != '\0'; text++)
        *text = (char)letter((unsigned char)*text);
}

/* {ftype} and {outtype} become the type, {FTYPE} and {OUTTYPE} in capitals, doubled braces one (gguf-py/gguf/utility.py, fill_templated_filename). */
static enum status fill_template(struct text *name, const char *pattern, enum filetype type, struct err *err)
{
    static const char *const fields[] = {"{}", "{ftype}", "{outtype}", "{FTYPE}", "{OUTTYPE}"};
    enum { CAPITALS = 3, FIELDS = 5 };
    char label[32];
    while (*pattern != '\0') {
        size_t f = 0;
        if ((pattern[0] == '{' || pattern[0] == '}') && pattern[1] == pattern[0]) { /* stands for one */
            text_add(name, pattern, 1);
            pattern += 2;
            continue;
        }
        while (f < FIELDS && strncmp(pattern, fields[f], strlen(fields[f])) != 0)
            f++;
        if (f == FIELDS && (*pattern == '{' || *pattern == '}')) {
            (void)err_set(err, STATUS_USAGE, "--outfile", "found \"%s\" in the name, expected {ftype}", pattern);
            return err_try(err, "{ftype}, {outtype}, {FTYPE} or {OUTTYPE}");
        }
        (void)snprintf(label, sizeof label, "%s", filetype_name(type));
        fold(label, f < CAPITALS ? tolower : toupper);
        text_add(name, f == FIELDS ? pattern : label, f == FIELDS ? 1 : strlen(label));
        pattern += f == FIELDS ? 1 : strlen(fields[f]);
    }
    return STATUS_OK;
}

/* How a file is called in a directory, but for its type. */
struct naming {
    const char *stem;
    enum filetype type;
    bool vocab_only;
};

/* Where the file goes. */
static enum status name_file(const char *outfile, const struct naming *naming, struct text *path, struct err *err)
{
    const char *slash = strrchr(outfile, '/');
    const size_t before = slash == NULL ? 0 : (size_t)(slash - outfile) + 1;
    text_free(path);
    if (file_stat(outfile, NULL) == FILE_DIRECTORY) {
        text_format(path, "%s%s%s-%s.gguf", outfile, before == strlen(outfile) ? "" : "/", naming->stem,
                    naming->vocab_only ? "vocab" : filetype_name(naming->type));
    } else {
        text_add(path, outfile, before);
        TRY(fill_template(path, outfile + before, naming->type, err));
    }
    return text_check(path, err);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Plans under a name for the time being, and writes under the model's. */
static enum status convert(struct session *session, const struct hf_options *options, struct request *request, const char *outfile, struct text *path,
                           struct err *err)
{
    struct pipeline pipeline = {0};
    const double start = progress_seconds();
    struct naming naming = {"model", request->options.type, request->gguf.vocab_only};
    enum status status = name_file(outfile, &naming, path, err);
    if (status == STATUS_OK) {
        request->destination = path->data;
        request->options.one_file = last_part(path->data);
        status = pipeline_plan(&pipeline, request, &session->resources, err);
    }
    if (status == STATUS_OK) {
        naming.stem = pipeline.plan.stem;
        naming.type = pipeline.plan.file_type;
        status = name_file(outfile, &naming, path, err);
    }
    if (status == STATUS_OK) {
        request->destination = path->data;
        status = ggufshards_name(&pipeline.plan, last_part(path->data), &request->options, err);
        if (status == STATUS_OK && file_stat(path->data, NULL) == FILE_DIRECTORY)
            status = err_set(err, STATUS_USAGE, path->data, "found a directory, expected the name of a file");
    }
    if (status == STATUS_OK)
        status = check_source(&pipeline, err);
    if (status == STATUS_OK && !options->dry_run)
        status = pipeline_run(&pipeline, request, &session->resources, err);
    if (status == STATUS_OK)
        report_text(&(struct report){&pipeline, request, progress_seconds() - start});
    pipeline_free(&pipeline);
    return status;
}

enum status command_convert_hf_to_gguf(struct session *session, int argc, char **argv, struct err *err)
{
    struct hf_options options = {0};
    const char *directory = NULL;
    struct text path = {0};
    TRY(parse(session, argc, argv, &options, &directory, err));
    if (options.supported)
        return print_supported(err);
    struct request request = {
        .source = directory,
        .target = &gguf_format,
        .options = {.dtype = DTYPE_NONE, .requantize = options.requantize, .converter = true, .fp8_as_q8 = options.fp8_as_q8},
        .gguf = {.name = options.name, .metadata = options.metadata, .big_endian = options.big_endian, .vocab_only = options.vocab_only},
        .dry_run = options.dry_run,
        .verify = options.verify,
        .force = true,
    };
    TRY(take_split(&options, &request.options.split, err));
    TRY(take_type(session, &options, directory, &request.options.type, err));
    const enum status status = convert(session, &options, &request, options.outfile != NULL ? options.outfile : directory, &path, err);
    text_free(&path);
    return status;
}
