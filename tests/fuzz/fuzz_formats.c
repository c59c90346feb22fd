/* All formats of the registry: the input is a small checkpoint directory, and each format reads, surveys, plans and writes it.
 *
 *   u32 bytes of config.json | u32 bytes of quant_model_description.json | u32 bytes of quantize_config.json | u8 how | the three texts |
 *   the rest is model.safetensors                   (little-endian; 0 bytes: no such file)
 *
 * how: bits 0..3 the target's number in the registry, 4 --weights-only, 5 --dtype f32, 6 --exact, 7 --layout unpacked.
 *
 * Works in a directory of its own below $TMPDIR (best on tmpfs); nothing is synced. */
#include "base/tree.h"
#include "harness.h"
#include "plan/pipeline.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES 13

static int no_fsync(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static uint32_t load_u32(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

static void spill(const struct file_ops *ops, const char *dir, const char *name, const uint8_t *data, size_t size)
{
    char path[1200];
    struct err err;
    (void)snprintf(path, sizeof path, "%s/source/%s", dir, name);
    (void)unlink(path);
    if (size > 0 && file_spill(ops, path, (const char *)data, size, &err) != STATUS_OK)
        abort();
}

static bool lay_out(const struct file_ops *ops, const char *dir, const uint8_t *data, size_t size)
{
    static const char *const names[] = {"config.json", "quant_model_description.json", "quantize_config.json"};
    size_t at = HEAD_BYTES;
    if (size < HEAD_BYTES)
        return false;
    for (size_t i = 0; i < 3; i++) {
        const size_t part = load_u32(data + 4 * i);
        if (part > size - at)
            return false;
        spill(ops, dir, names[i], data + at, part);
        at += part;
    }
    spill(ops, dir, "model.safetensors", data + at, size - at);
    return true;
}

static void convert(const struct file_ops *ops, const char *dir, const struct format *from, uint8_t how)
{
    const struct format *target = registry_at((how & 15u) % registry_count());
    if (!target->can.writes)
        return;
    char source[1200], out[1200], staging[1200];
    struct pipeline pipeline;
    struct err err = {0};
    (void)snprintf(source, sizeof source, "%s/source", dir);
    (void)snprintf(out, sizeof out, "%s/out", dir);
    (void)snprintf(staging, sizeof staging, "%s/.out.repaq-staging", dir);
    const struct request request = {.source = source, .destination = out, .from = from->name, .target = target, .directory = true, .verify = true,
                                    .options = {.weights_only = (how >> 4 & 1) != 0,
                                                .dtype = (how >> 5 & 1) != 0 ? DTYPE_F32 : DTYPE_NONE,
                                                .exact = (how >> 6 & 1) != 0,
                                                .variant = (how >> 7 & 1) != 0 ? VARIANT_UNPACKED : VARIANT_ANY}};
    const struct resources resources = {ops, 1, UINT64_C(64) << 20, NULL};
    enum status status = pipeline_plan(&pipeline, &request, &resources, &err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, &err);
    pipeline_free(&pipeline);
    harness_check(status, &err);
    if (status == STATUS_DIFFERS || status == STATUS_CANCELLED) /* what was written is what was read, or it is refused */
        abort();
    if (file_stat(staging, NULL) != FILE_ABSENT || (status == STATUS_OK) != (file_stat(out, NULL) == FILE_DIRECTORY))
        abort();
    if (tree_remove(&file_posix, out, NULL) != STATUS_OK)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *temporary = getenv("TMPDIR");
    char dir[1024], source[1200];
    struct file_ops ops = file_posix;
    ops.fsync = no_fsync;
    (void)snprintf(dir, sizeof dir, "%s/repaq-fuzz-%ld", temporary == NULL ? "/tmp" : temporary, (long)getpid());
    (void)snprintf(source, sizeof source, "%s/source", dir);
    (void)mkdir(dir, 0700);
    (void)mkdir(source, 0700);
    if (lay_out(&ops, dir, data, size)) {
        for (size_t f = 0; f < registry_count(); f++)
            if (registry_at(f)->can.reads)
                convert(&ops, dir, registry_at(f), data[HEAD_BYTES - 1]);
    }
    if (tree_remove(&file_posix, dir, NULL) != STATUS_OK)
        abort();
    return 0;
}
