/* GGUF out of GGUF, as llama-quantize makes it: the input is `how` and a GGUF file.
 *
 * how: bits 0..5 the type of file (none of that number: COPY), 6 --allow-requantize, 7 --pure and a pair that is set.
 *
 * What was written is read again; nothing is left where it was refused. Works in a directory of its own below $TMPDIR; nothing is synced. */
#include "base/tree.h"
#include "codec/ggml_codec.h"
#include "harness.h"
#include "plan/mix.h"
#include "plan/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int no_fsync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static enum status quantize(const char *source, const char *out, uint8_t how, const struct file_ops *ops, struct err *err)
{
    struct mix_rules rules = {.output = GGML_COUNT, .embedding = GGML_COUNT, .pure = how >> 7 != 0, .strict = true};
    const struct gguf_pair pair = {"general.alignment", GGUFILE_U32, 64, NULL};
    const enum filetype type = (enum filetype)(how & 63);
    struct request request = {.source = source, .destination = out, .from = "gguf", .target = registry_find("gguf"),
                              .options = {.dtype = DTYPE_NONE, .one_file = strrchr(out, '/') + 1}};
    struct pipeline pipeline;
    request.options.type = type < FILETYPE_NONE && filetype_type(type) != GGML_COUNT && ggml_codec_has(filetype_type(type)) ? type : FILETYPE_NONE;
    request.options.requantize = (how >> 6 & 1) != 0;
    request.options.mix = &rules;
    request.gguf.pair = &pair;
    request.gguf.pair_count = how >> 7;
    const struct resources resources = {ops, 1, UINT64_C(64) << 20, NULL};
    enum status status = pipeline_plan(&pipeline, &request, &resources, err);
    if (status == STATUS_OK && pipeline.plan.file_bytes > 1 << 26)
        status = err_set(err, STATUS_LIMIT, "fuzz", "found a large output");
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, err);
    pipeline_free(&pipeline);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *temporary = getenv("TMPDIR");
    char dir[1024], source[1200], out[1200], again[1200], staging[1200];
    struct file_ops ops = file_posix;
    struct err err = {0};
    ops.fsync = no_fsync;
    if (size < 1)
        return 0;
    (void)snprintf(dir, sizeof dir, "%s/repaq-fuzz-copy-%ld", temporary == NULL ? "/tmp" : temporary, (long)getpid());
    (void)snprintf(source, sizeof source, "%s/in.gguf", dir);
    (void)snprintf(out, sizeof out, "%s/out.gguf", dir);
    (void)snprintf(again, sizeof again, "%s/again.gguf", dir);
    (void)snprintf(staging, sizeof staging, "%s/.out.gguf.repaq-staging", dir);
    (void)mkdir(dir, 0700);
    if (file_spill(&ops, source, (const char *)data + 1, size - 1, &err) != STATUS_OK)
        abort();
    const enum status status = quantize(source, out, data[0], &ops, &err);
    harness_check(status, &err);
    if (file_stat(staging, NULL) != FILE_ABSENT || (status == STATUS_OK) != (file_stat(out, NULL) == FILE_REGULAR))
        abort();
    if (status == STATUS_OK && quantize(out, again, 63, &ops, &err) != STATUS_OK) /* COPY takes what was written */
        abort();
    if (tree_remove(&file_posix, dir, NULL) != STATUS_OK)
        abort();
    return 0;
}
