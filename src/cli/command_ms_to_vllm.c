/* The drop-in for Ascend/msmodelslim:example/ms_to_vllm.py: same arguments and defaults, one file out, the tensors of the original. */
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "cli/report.h"

#include <stdio.h>
#include <string.h>

struct ms_to_vllm_options {
    const char *model, *json, *save_path, *tool;
    unsigned bits;
};

#define MS_TO_VLLM_ROWS(o) \
    { \
        {"--model", ARGUMENT_STRING, &(o)->model, "W", "the weights, one .safetensors file"}, \
        {"--json", ARGUMENT_STRING, &(o)->json, "D", "the description, quant_model_description*.json"}, \
        {"--save_path", ARGUMENT_STRING, &(o)->save_path, "FILE", "default ./res.safetensors; replaced atomically; its folder must exist"}, \
        {"--w_bit", ARGUMENT_COUNT, &(o)->bits, "4|8", "default 4"}, \
        {"--target_tool", ARGUMENT_STRING, &(o)->tool, "awq|gptq", "default awq"}, \
    }

void command_ms_to_vllm_help(void)
{
    struct ms_to_vllm_options options;
    const struct argument rows[] = MS_TO_VLLM_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

static enum status parse(int argc, char **argv, struct ms_to_vllm_options *options, struct err *err)
{
    const struct argument rows[] = MS_TO_VLLM_ROWS(options);
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], NULL, 0, "repaq ms_to_vllm --model W.safetensors --json D.json", true};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (options->model == NULL || options->json == NULL) {
        (void)err_set(err, STATUS_USAGE, "ms_to_vllm", "found no %s", options->model == NULL ? "--model" : "--json");
        return err_try(err, "%s", arguments.usage);
    }
    if (options->bits != 4 && options->bits != 8)
        return err_set(err, STATUS_USAGE, "--w_bit", "found %u, expected 4 or 8", options->bits);
    if (strcmp(options->tool, "awq") != 0 && strcmp(options->tool, "gptq") != 0)
        return err_set(err, STATUS_USAGE, "--target_tool", "found \"%s\", expected awq or gptq", options->tool);
    if (file_stat(options->model, NULL) == FILE_DIRECTORY) {
        (void)err_set(err, STATUS_USAGE, "--model", "found a directory, expected one .safetensors file");
        return err_try(err, "repaq convert %s DST --to %s", options->model, options->tool);
    }
    return STATUS_OK;
}

enum status command_ms_to_vllm(struct session *session, int argc, char **argv, struct err *err)
{
    struct ms_to_vllm_options options = {.save_path = "./res.safetensors", .tool = "awq", .bits = 4};
    struct pipeline pipeline = {0};
    TRY(parse(argc, argv, &options, err));
    const char *slash = strrchr(options.save_path, '/');
    const struct request request = {
        .source = options.model,
        .destination = options.save_path,
        .from = msmodelslim_format.name,
        .target = registry_find(options.tool),
        .reading = {.description = options.json},
        .options = {.dtype = DTYPE_NONE, .bits = options.bits, .keep_scale_dtype = true, .no_group_of = true,
                    .one_file = slash == NULL ? options.save_path : slash + 1},
        .force = true,
    };
    const double start = progress_seconds();
    enum status status = pipeline_plan(&pipeline, &request, &session->resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &session->resources, err);
    if (status == STATUS_OK)
        report_text(&(struct report){&pipeline, &request, progress_seconds() - start});
    pipeline_free(&pipeline);
    return status;
}
