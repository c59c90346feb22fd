#include "check/check.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/quantize_words.h"
#include "cli/report.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Everything that the command line can set. */
struct convert_options {
    struct request request;
    const char *to, *progress, *engine, *type;
    struct quantize_words words;
    struct constraints constraints; /* of --for, as the next two */
    struct engine_limits limits;
    enum engine_id engine_id;
    unsigned threads;
    uint64_t memory;
    bool json;
};

#define CONVERT_ROWS(o) \
    { \
        {"--to", ARGUMENT_STRING, &(o)->to, "FORMAT", "the format to write: hf, msmodelslim, awq, gptq, gptq_v2, compressed-tensors, mlx, gguf"}, \
        {"--from", ARGUMENT_STRING, &(o)->request.from, "FORMAT", "the source's format, among those that its files allow"}, \
        {"--base", ARGUMENT_STRING, &(o)->request.base, "DIR", "the float model's directory: config.json and side files that SRC lacks"}, \
        {"--dtype", ARGUMENT_DTYPE, &(o)->request.options.dtype, "T", "f32, f16 or bf16 for float tensors, and for scales where FORMAT has a choice"}, \
        {"--type", ARGUMENT_STRING, &(o)->type, "T", "gguf: auto (default), F32, F16, BF16, Q8_0, or a mix of llama-quantize such as Q4_K_M"}, \
        QUANTIZE_WORDS_ROWS(&(o)->words), \
        {"--pre", ARGUMENT_STRING, &(o)->request.gguf.pre, "NAME", "gguf: the pre-tokenizer, where it is not recognised"}, \
        {"--model-name", ARGUMENT_STRING, &(o)->request.gguf.name, "NAME", "gguf: general.name; default: by README.md and the directory's name"}, \
        {"--metadata", ARGUMENT_STRING, &(o)->request.gguf.metadata, "FILE", "gguf: JSON of general.* values that go before all others"}, \
        {"--bigendian", ARGUMENT_FLAG, &(o)->request.gguf.big_endian, NULL, "gguf: every number in the other byte order"}, \
        {"--bits", ARGUMENT_COUNT, &(o)->request.options.bits, "N", "a wider container for the codes (4 -> 8); of a float SRC: round to nearest (lossy)"}, \
        {"--group-size", ARGUMENT_GROUP, &(o)->request.options.group, "N", "finer groups, a divisor of the source's; of a float SRC: any; -1 per channel"}, \
        {"--gptq-zeros", ARGUMENT_ZEROS, &(o)->request.reading.v1_rule, "RULE", "word-add, field-mod or no-mask: how an ambiguous GPTQ v1 zero is read"}, \
        {"--asym", ARGUMENT_FLAG, &(o)->request.options.asymmetric, NULL, "with --bits on floats: zero points for ranges that are not symmetric"}, \
        {"--allow-requantize", ARGUMENT_FLAG, &(o)->request.options.requantize, NULL, "codes that FORMAT cannot hold are rounded anew (lossy)"}, \
        {"--layout", ARGUMENT_LAYOUT, &(o)->request.options.variant, "WAY", "msmodelslim: packed (default, version 1.0.0) or unpacked"}, \
        {"--weights-only", ARGUMENT_FLAG, &(o)->request.options.weights_only, NULL, "drop activation parameters (W8A8) that FORMAT cannot hold"}, \
        {"--keep", ARGUMENT_STRING, &(o)->request.options.keep, "REGEX", "weights that become or stay float (searched in the full tensor name)"}, \
        {"--exclude", ARGUMENT_STRING, &(o)->request.options.exclude, "REGEX", "tensors to drop (searched in the full tensor name)"}, \
        {"--for", ARGUMENT_STRING, &(o)->engine, "ENGINE", "obey what an engine takes of FORMAT (repaq check --engines)"}, \
        {"--max-shard-size", ARGUMENT_BYTES, &(o)->request.options.shard_bytes_max, "SIZE", "5GB; default: one shard per source shard; gguf: one file"}, \
        {"--lenient", ARGUMENT_FLAG, &(o)->request.reading.lenient, NULL, "read GGUF files with gaps, or with tensors in another order than their list"}, \
        {"--exact", ARGUMENT_FLAG, &(o)->request.options.exact, NULL, "refuse even rounded scales"}, \
        {"--verify", ARGUMENT_FLAG, &(o)->request.verify, NULL, "read the result back and compare it with the source before it is put in place"}, \
        {"--dry-run", ARGUMENT_FLAG, &(o)->request.dry_run, NULL, "print the plan and stop"}, \
        {"--force", ARGUMENT_FLAG, &(o)->request.force, NULL, "replace DST (atomically)"}, \
        {"--threads", ARGUMENT_COUNT, &(o)->threads, "N", "default: all processors (REPAQ_THREADS)"}, \
        {"--memory", ARGUMENT_BYTES, &(o)->memory, "SIZE", "default: 256MiB (REPAQ_MEMORY)"}, \
        {"--progress", ARGUMENT_STRING, &(o)->progress, "WHEN", "auto, always, never or json; on stderr"}, \
        {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the result as one JSON object on stdout"}, \
    }

void command_convert_help(void)
{
    struct convert_options options;
    const struct argument rows[] = CONVERT_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

static enum status take_target(struct convert_options *options, struct err *err)
{
    char names[200];
    if (options->to == NULL) {
        (void)err_set(err, STATUS_USAGE, "--to", "found no target format");
        return err_try(err, "--to with one of: %s", registry_names(true, names, sizeof names));
    }
    options->request.target = registry_find(options->to);
    if (options->request.target == NULL) {
        (void)err_set(err, STATUS_USAGE, "--to", "found \"%s\", expected a format", options->to);
        return err_try(err, "one of: %s", registry_names(true, names, sizeof names));
    }
    if (!options->request.target->can.writes) {
        (void)err_set(err, STATUS_UNSUPPORTED, "--to", "found %s, which this version reads but does not write", options->to);
        return err_try(err, "repaq formats");
    }
    return STATUS_OK;
}

/* What only GGUF files have is refused elsewhere: nobody would see that it does nothing. */
static enum status check_gguf(const struct request *request, struct err *err)
{
    const struct {
        const char *name, *value;
    } rows[] = {{"--pre", request->gguf.pre}, {"--model-name", request->gguf.name}, {"--metadata", request->gguf.metadata}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && !request->target->arranged; i++) {
        if (rows[i].value == NULL)
            continue;
        (void)err_set(err, STATUS_USAGE, rows[i].name, "found it with --to %s, which writes no GGUF file", request->target->name);
        return err_try(err, "--to gguf, or leave it out");
    }
    return STATUS_OK;
}

/* How types differ from tensor to tensor. */
static enum status take_words(struct convert_options *options, const struct file_ops *ops, struct err *err)
{
    struct request *request = &options->request;
    const char *given = quantize_words_given(&options->words);
    if (given == NULL)
        return STATUS_OK;
    const char *idle = !request->target->arranged ? given : request->options.type == FILETYPE_NONE ? quantize_words_idle(&options->words) : NULL;
    if (idle != NULL) {
        (void)err_set(err, STATUS_USAGE, idle, "found it without a type of GGUF files to differ from");
        return err_try(err, "--to gguf --type with a type such as Q4_K_M, or leave it out");
    }
    TRY(quantize_words_take(&options->words, ops, &request->gguf, err));
    request->options.mix = &options->words.rules;
    return STATUS_OK;
}

/* --to gguf writes one file of the type that --type names. */
static enum status take_type(struct convert_options *options, struct err *err)
{
    struct request *request = &options->request;
    if (options->type != NULL && !request->target->arranged) {
        (void)err_set(err, STATUS_USAGE, "--type", "found it with --to %s, which has no such types", request->target->name);
        return err_try(err, "--to gguf, or leave it out");
    }
    if (options->type != NULL && strcasecmp(options->type, "auto") != 0 && strcasecmp(options->type, "COPY") != 0) {
        request->options.type = filetype_find(slice_of(options->type));
        if (request->options.type == FILETYPE_NONE) {
            (void)err_set(err, STATUS_USAGE, "--type", "found \"%s\", expected a type of GGUF files", options->type);
            return err_try(err, "auto, COPY, F32, F16, BF16, Q8_0, or a name that llama-quantize takes, such as Q4_K_M");
        }
    }
    if (request->gguf.big_endian && !request->target->arranged) {
        (void)err_set(err, STATUS_USAGE, "--bigendian", "found it with --to %s, which is little endian", request->target->name);
        return err_try(err, "--to gguf, or leave it out");
    }
    if (!request->target->arranged)
        return STATUS_OK;
    const char *slash = strrchr(request->destination, '/');
    request->directory = false;
    request->options.one_file = slash == NULL ? request->destination : slash + 1;
    request->options.verbatim = options->type == NULL || strcasecmp(options->type, "auto") == 0;
    request->folder = request->options.one_file[0] == '\0';
    if (request->options.shard_bytes_max > 0)
        request->options.split = (struct split){SPLIT_PADDED, {.bytes_max = request->options.shard_bytes_max}};
    return STATUS_OK;
}

/* --for ENGINE: the plan obeys what the engine takes of the target. */
static enum status take_engine(struct convert_options *options, struct err *err)
{
    char names[200];
    if (options->engine == NULL)
        return STATUS_OK;
    options->engine_id = engines_find(options->engine);
    if (options->engine_id == ENGINE_COUNT) {
        (void)err_set(err, STATUS_USAGE, "--for", "found \"%s\", expected an engine", options->engine);
        return err_try(err, "one of: %s", engines_names(names, sizeof names));
    }
    TRY(check_constraints(options->engine_id, options->request.target->name, &options->limits, &options->constraints, err));
    options->request.judge = (struct judge){check_written, &options->engine_id};
    options->request.options.constraints = &options->constraints;
    return STATUS_OK;
}

static enum status parse(struct session *session, int argc, char **argv, struct convert_options *options, struct err *err)
{
    const struct argument rows[] = CONVERT_ROWS(options);
    const char *place[2] = {NULL, NULL};
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], place, 2, "repaq convert SRC DST --to FORMAT [options]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (places < 2) {
        (void)err_set(err, STATUS_USAGE, "convert", "found %zu of two arguments, expected SRC and DST", places);
        return err_try(err, "%s", arguments.usage);
    }
    options->request.source = place[0];
    options->request.destination = place[1];
    if (options->threads > 0)
        session->resources.threads = options->threads;
    if (options->memory > 0)
        session->resources.memory_bytes = options->memory;
    TRY(command_check_resources(session, options->threads > LIMIT_THREADS_MAX ? "--threads" : "--memory", err));
    TRY(take_target(options, err));
    TRY(check_gguf(&options->request, err));
    TRY(take_type(options, err));
    TRY(take_words(options, session->resources.ops, err));
    return take_engine(options, err);
}

static enum status run(struct session *session, const struct convert_options *options, struct pipeline *pipeline, struct err *err)
{
    struct progress_printer printer;
    TRY(progress_start(&printer, pipeline, options->progress, err));
    const double start = progress_seconds();
    enum status status = pipeline_plan(pipeline, &options->request, &session->resources, err);
    if (status == STATUS_OK)
        status = check_source(pipeline, err);
    if (status == STATUS_OK && !options->request.dry_run)
        status = pipeline_run(pipeline, &options->request, &session->resources, err);
    progress_stop(&printer);
    TRY(status);
    const struct report report = {pipeline, &options->request, progress_seconds() - start};
    if (options->json)
        report_json(&report);
    else
        report_text(&report);
    return STATUS_OK;
}

enum status command_convert(struct session *session, int argc, char **argv, struct err *err)
{
    struct convert_options options = {.progress = "auto", .request = {.directory = true, .options = {.dtype = DTYPE_NONE, .type = FILETYPE_NONE}}};
    struct pipeline pipeline = {0};
    enum status status = parse(session, argc, argv, &options, err);
    if (status == STATUS_OK)
        status = run(session, &options, &pipeline, err);
    pipeline_free(&pipeline);
    quantize_words_free(&options.words);
    return status;
}
