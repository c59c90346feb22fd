#include "cli/report.h"

#include "cli/emit.h"
#include "cli/report_types.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

/* ru_maxrss outlives an exec, so it may be the peak of the program that started this one; VmHWM is of this program alone. */
uint64_t report_peak_memory(void)
{
    char line[256];
    uint64_t kib = 0;
    FILE *file = fopen("/proc/self/status", "re");
    while (file != NULL && kib == 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "VmHWM: %" SCNu64, &kib);
    if (file != NULL)
        (void)fclose(file);
    struct rusage usage;
    if (kib == 0 && getrusage(RUSAGE_SELF, &usage) == 0)
        kib = (uint64_t)usage.ru_maxrss;
    return kib * 1024;
}

static void tensor_shape(const struct output_tensor *output, char buffer[128])
{
    const struct tensor shape = {.shape = output->shape, .rank = output->rank};
    (void)model_shape_text(&shape, buffer, 128);
}

static const char *type_of(const struct plan *plan, const struct output_tensor *output)
{
    return plan->arrangement != NULL ? ggml_name(output->type) : dtype_name(output->dtype);
}

/* --- text --------------------------------------------------------------------------------------------------------------------- */

static void print_plan(const struct plan *plan)
{
    char bytes[32], shape[128];
    for (size_t t = 0, f = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        if (t == 0 || output->file != plan->tensor[t - 1].file) {
            f = output->file;
            (void)printf("%s  %s\n", plan->file[f].name, text_bytes(plan->file[f].bytes, bytes));
        }
        tensor_shape(output, shape);
        (void)printf("  %-56s %-5s %-16s %-8s %-7s %s\n", output->name, type_of(plan, output), shape, plan_step_name(output->step),
                     plan_exactness_name(output->exactness), text_bytes(output->bytes, bytes));
    }
    for (size_t d = 0; d < plan->dropped_count; d++)
        (void)printf("  %-56s dropped: %s\n", plan->model->tensor[plan->dropped[d].tensor].name, plan->dropped[d].why);
    (void)printf("disk needed: %s\n", text_bytes(plan->file_bytes, bytes));
}

static void print_notes(const struct pipeline *pipeline)
{
    for (size_t i = 0; i < pipeline->model.note_count; i++)
        (void)fprintf(stderr, "repaq: note: %s\n", pipeline->model.note[i]);
    for (size_t i = 0; i < pipeline->plan.warning_count; i++)
        (void)fprintf(stderr, "repaq: warning: %s\n", pipeline->plan.warning[i]);
}

static size_t count_carried(const struct plan *plan)
{
    size_t count = 0;
    for (size_t t = 0; t < plan->tensor_count; t++)
        count += plan->tensor[t].step == STEP_COPY || plan->tensor[t].step == STEP_CAST;
    return count;
}

static void print_classes(const struct plan *plan)
{
    (void)printf("tensors   ");
    for (int c = 0; c < EXACTNESS_COUNT; c++)
        if (plan->count_of[c] > 0 || c == EXACTNESS_BYTES)
            (void)printf("%s%zu %s", c == 0 ? "" : ", ", plan->count_of[c], plan_exactness_name((enum exactness)c));
    (void)printf(" (%zu weights, %zu carried, %zu dropped)\n", plan->model->weight_count, count_carried(plan), plan->dropped_count);
    if (plan->max_relative_of != NULL)
        (void)printf("rounding  largest relative error %.3g (%s)%s\n", plan->max_relative, plan->max_relative_of,
                     plan->kept_count > 0 && plan->count_of[EXACTNESS_LOSSY] == 0 ? "; codes and zeros are exact" : "");
    if (plan->zeroed > 0)
        (void)printf("          %llu values become zero, which counts as a relative error of 1\n", (unsigned long long)plan->zeroed);
}

static void print_losses(const struct plan *plan)
{
    struct round_tally all = {0};
    const char *worst = NULL;
    size_t count = 0;
    for (size_t w = 0; w < plan->model->weight_count; w++) {
        const struct round_tally *rounding = plan_rounding(plan, w);
        if (rounding == NULL)
            continue;
        if (worst == NULL || rounding->max_error > all.max_error)
            worst = plan->model->weight[w].name;
        round_tally_add(&all, rounding);
        count++;
    }
    if (count > 0)
        (void)printf("quantized %zu weights rounded to nearest: largest error %.3g (%s), root mean square %.3g\n", count, all.max_error, worst,
                     round_tally_rms(&all));
}

/* What is there in the end: the destination, or the first file of a set that lies in its place. */
static void print_destination(const struct report *report)
{
    const struct request *request = report->request;
    const char *slash = strrchr(request->destination, '/'), *name = slash == NULL ? request->destination : slash + 1;
    const struct plan *plan = &report->pipeline->plan;
    const bool set = !request->directory && name[0] != '\0' && strcmp(name, plan->file[0].name) != 0;
    (void)printf("%s %.*s%s", request->dry_run ? "would be " : "written  ", (int)(name - request->destination), request->destination,
                 set ? plan->file[0].name : name);
}

void report_text(const struct report *report)
{
    const struct pipeline *pipeline = report->pipeline;
    const struct plan *plan = &pipeline->plan;
    char bytes[32], memory[32];
    print_notes(pipeline);
    if (report->request->dry_run)
        print_plan(plan);
    (void)printf("source    %s (%s: %s)\n", report->request->source, pipeline->model.format, pipeline->bid.evidence);
    print_destination(report);
    (void)printf(" (%s), %zu weight file%s of %s, %zu side files carried, %zu left behind\n", plan->target->name, plan->file_count,
                 plan->file_count == 1 ? "" : "s", text_bytes(plan->file_bytes, bytes), pipeline->carried, pipeline->left);
    report_types_text(plan);
    print_classes(plan);
    print_losses(plan);
    if (report->request->dry_run)
        return;
    if (report->request->verify)
        (void)printf("verified  %zu equal, %zu rounded, 0 different\n", pipeline->comparison.count_of[VERDICT_EQUAL],
                     pipeline->comparison.count_of[VERDICT_ROUNDED]);
    (void)printf("time      %.2f s, %.2f GB/s, peak memory %s\n", report->seconds,
                 report->seconds > 0 ? (double)plan->tensor_bytes * 1e-9 / report->seconds : 0, text_bytes(report_peak_memory(), memory));
}

/* --- JSON --------------------------------------------------------------------------------------------------------------------- */

static void emit_files(struct emit *emit, const struct plan *plan)
{
    emit_array(emit, "files", false);
    for (size_t f = 0; f < plan->file_count; f++) {
        emit_object(emit, NULL, true);
        emit_string(emit, "name", plan->file[f].name);
        emit_u64(emit, "bytes", plan->file[f].bytes);
        emit_end(emit, '}');
    }
    emit_end(emit, ']');
}

static void emit_tensor(struct emit *emit, const struct plan *plan, const struct output_tensor *output)
{
    emit_object(emit, NULL, true);
    emit_string(emit, "name", output->name);
    emit_string(emit, "file", plan->file[output->file].name);
    emit_u64(emit, "offset", output->offset);
    emit_u64(emit, "bytes", output->bytes);
    emit_string(emit, "dtype", type_of(plan, output));
    emit_array(emit, "shape", true);
    for (unsigned d = 0; d < output->rank; d++)
        emit_u64(emit, NULL, output->shape[d]);
    emit_end(emit, ']');
    emit_string(emit, "step", plan_step_name(output->step));
    emit_string(emit, "class", plan_exactness_name(output->exactness));
    const struct round_tally *rounding = output->step == STEP_CODES ? plan_rounding(plan, output->source) : NULL;
    if (output->moved != MOVED_NONE)
        emit_string(emit, "moved", plan_moved_name(output->moved));
    if (output->zeroed > 0)
        emit_u64(emit, "zeroed", output->zeroed);
    if (output->max_relative > 0)
        emit_double(emit, "max_relative_error", output->max_relative);
    if (rounding != NULL || output->max_error > 0)
        emit_double(emit, "max_error", rounding != NULL ? rounding->max_error : output->max_error);
    if (rounding != NULL)
        emit_double(emit, "rms_error", round_tally_rms(rounding));
    emit_end(emit, '}');
}

static void emit_summary(struct emit *emit, const struct pipeline *pipeline)
{
    const struct plan *plan = &pipeline->plan;
    emit_object(emit, "classes", true);
    for (int c = 0; c < EXACTNESS_COUNT; c++)
        emit_u64(emit, plan_exactness_name((enum exactness)c), plan->count_of[c]);
    emit_end(emit, '}');
    if (plan->max_relative_of == NULL) {
        emit_null(emit, "rounding");
    } else {
        emit_object(emit, "rounding", true);
        emit_double(emit, "max_relative_error", plan->max_relative);
        emit_string(emit, "tensor", plan->max_relative_of);
        emit_u64(emit, "zeroed", plan->zeroed);
        emit_end(emit, '}');
    }
    emit_array(emit, "dropped", false);
    for (size_t d = 0; d < plan->dropped_count; d++) {
        emit_object(emit, NULL, true);
        emit_string(emit, "tensor", plan->model->tensor[plan->dropped[d].tensor].name);
        emit_string(emit, "why", plan->dropped[d].why);
        emit_end(emit, '}');
    }
    emit_end(emit, ']');
    emit_array(emit, "notes", false);
    for (size_t i = 0; i < pipeline->model.note_count; i++)
        emit_string(emit, NULL, pipeline->model.note[i]);
    emit_end(emit, ']');
    emit_array(emit, "warnings", false);
    for (size_t i = 0; i < plan->warning_count; i++)
        emit_string(emit, NULL, plan->warning[i]);
    emit_end(emit, ']');
}

void report_json(const struct report *report)
{
    const struct pipeline *pipeline = report->pipeline;
    const struct plan *plan = &pipeline->plan;
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_string(&emit, "source", report->request->source);
    emit_string(&emit, "source_format", pipeline->model.format);
    emit_string(&emit, "evidence", pipeline->bid.evidence);
    emit_string(&emit, "destination", report->request->destination);
    emit_string(&emit, "format", plan->target->name);
    emit_bool(&emit, "dry_run", report->request->dry_run);
    emit_files(&emit, plan);
    emit_u64(&emit, "disk_bytes", plan->file_bytes);
    emit_u64(&emit, "tensor_bytes", plan->tensor_bytes);
    emit_u64(&emit, "weights", plan->model->weight_count);
    emit_u64(&emit, "carried_tensors", count_carried(plan));
    emit_summary(&emit, pipeline);
    emit_array(&emit, "tensors", false);
    for (size_t t = 0; t < plan->tensor_count; t++)
        emit_tensor(&emit, plan, &plan->tensor[t]);
    emit_end(&emit, ']');
    if (!report->request->dry_run) {
        emit_u64(&emit, "side_files_carried", pipeline->carried);
        emit_u64(&emit, "side_files_left", pipeline->left);
        if (report->request->verify) {
            emit_object(&emit, "verified", true);
            emit_u64(&emit, "equal", pipeline->comparison.count_of[VERDICT_EQUAL]);
            emit_u64(&emit, "rounded", pipeline->comparison.count_of[VERDICT_ROUNDED]);
            emit_end(&emit, '}');
        } else {
            emit_null(&emit, "verified");
        }
        emit_double(&emit, "seconds", report->seconds);
        emit_u64(&emit, "peak_memory_bytes", report_peak_memory());
    }
    emit_end(&emit, '}');
}
