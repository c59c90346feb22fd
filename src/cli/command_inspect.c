#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "ir/ggml.h"
#include "formats/registry.h"
#include "plan/digests.h"

#include <stdio.h>
#include <stdlib.h>

struct inspect_options {
    bool tensors, hash, json;
    const char *from;
};

#define INSPECT_ROWS(o) \
    { \
        {"--tensors", ARGUMENT_FLAG, &(o)->tensors, NULL, "list every weight with its roles, and every other tensor"}, \
            {"--hash", ARGUMENT_FLAG, &(o)->hash, NULL, "with the XXH3-128 of every tensor (reads all of it); implies --tensors"}, \
            {"--from", ARGUMENT_STRING, &(o)->from, "FORMAT", "the format, among those that the files allow"}, \
            {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the result as one JSON object on stdout"}, \
    }

void command_inspect_help(void)
{
    struct inspect_options options;
    const struct argument rows[] = INSPECT_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

struct inspection {
    struct source source;
    struct model model;
    struct bid bid;
    struct digest *hash; /* owned; [model.tensor_count], NULL without --hash */
};

static uint64_t tensor_bytes(const struct model *model)
{
    uint64_t sum = 0;
    for (size_t t = 0; t < model->tensor_count; t++)
        sum += model->tensor[t].fate == FATE_PIECE ? 0 : model->tensor[t].bytes; /* what it is a piece of is counted */
    return sum;
}

/* How the codes are stored, in words. */
static const char *codes_text(const struct spec *spec)
{
    switch (spec->grid) {
    case GRID_GGML_BLOCK:
        return "[out][blocks], each with its own scales";
    case GRID_CODEBOOK:
        return "entries of a table, two in a byte, the high one first";
    case GRID_MINIFLOAT:
        return spec->bits == 4 ? "E2M1, two in a byte, the low one first" : "E4M3, [out][in]";
    default:
        return layout_row(spec->codes_layout)->text;
    }
}

/* How many weights share a scale. */
static void group_text(const struct weight *weight, char *buffer, size_t size)
{
    const struct spec *spec = &weight->spec;
    if (spec->param_order == ORDER_ONE)
        (void)snprintf(buffer, size, "per tensor");
    else if (spec->rows > 0)
        (void)snprintf(buffer, size, "blocks of %llu x %llu", (unsigned long long)spec->rows, (unsigned long long)spec->group);
    else if (weight->groups > 1 || spec->grid == GRID_CODEBOOK)
        (void)snprintf(buffer, size, "%s of %llu", spec->grid == GRID_CODEBOOK ? "runs" : "groups", (unsigned long long)spec->group);
    else
        (void)snprintf(buffer, size, "per channel");
}

/* "4-bit, groups of 128, zeros as offsets, scales F32": what all weights share, or "mixed". */
static void spec_text(const struct weight *weight, char *buffer, size_t size)
{
    static const char *const zeros[] = {"no zeros, ", "packed zeros, ", "zeros as offsets, ", "zeros as biases, ", "zeros times scales, ", "no zeros, "};
    const struct spec *spec = &weight->spec;
    const bool affine = spec->grid == GRID_AFFINE_ZERO || spec->grid == GRID_AFFINE_BETA;
    char group[64];
    group_text(weight, group, sizeof group);
    if (spec->grid == GRID_GGML_BLOCK) {
        (void)snprintf(buffer, size, "%s, blocks of %llu, %s", ggml_name((enum ggml_type)spec->block), (unsigned long long)spec->group, codes_text(spec));
        return;
    }
    (void)snprintf(buffer, size, "%u-bit, %s, %sscales %s, %s", spec->bits, group, affine ? zeros[spec->zero_kind] : "", dtype_name(spec->scale_dtype),
                   codes_text(spec));
}

static const char *fate_text(enum fate fate)
{
    static const char *const names[] = {"carried", "claimed", "part of others", "arranged", "norm bias, dropped if zero", "copy, dropped if identical"};
    return names[fate];
}

/* --- text --------------------------------------------------------------------------------------------------------------------- */

static void print_tensor(const struct inspection *inspection, uint32_t index, const char *lead)
{
    const struct tensor *tensor = &inspection->model.tensor[index];
    char shape[128], hex[33] = "";
    if (inspection->hash != NULL)
        hash_hex(inspection->hash[index], hex);
    (void)printf("  %-10s %s %s %s%s%s\n", lead, tensor->name, dtype_name(tensor->dtype), model_shape_text(tensor, shape, sizeof shape),
                 inspection->hash == NULL ? "" : " ", hex);
}

static void print_tensors(const struct inspection *inspection)
{
    const struct model *model = &inspection->model;
    for (size_t w = 0; w < model->weight_count; w++) {
        const struct weight *weight = &model->weight[w];
        char spec[200];
        spec_text(weight, spec, sizeof spec);
        (void)printf("weight %s [%llu, %llu] %s\n", weight->name, (unsigned long long)weight->out, (unsigned long long)weight->in, spec);
        for (int r = 0; r < ROLE_COUNT; r++)
            if (weight->role[r] != MODEL_NONE)
                print_tensor(inspection, weight->role[r], model_role_name((enum role)r));
    }
    for (uint32_t t = 0; t < model->tensor_count; t++)
        if (model->tensor[t].fate != FATE_CLAIMED && model->tensor[t].fate != FATE_PIECE)
            print_tensor(inspection, t, fate_text(model->tensor[t].fate));
}

static void print_specs(const struct model *model)
{
    /* Weights are sorted by name; a line for each spec in the order of first sight, as long as there are few. */
    enum { SPECS_MAX = 16 };
    char seen[SPECS_MAX][200], spec[200];
    size_t count[SPECS_MAX] = {0}, kinds = 0, other = 0;
    for (size_t w = 0; w < model->weight_count; w++) {
        spec_text(&model->weight[w], spec, sizeof spec);
        size_t k = 0;
        while (k < kinds && !slice_is(slice_of(seen[k]), spec))
            k++;
        if (k == kinds && kinds < SPECS_MAX)
            (void)snprintf(seen[kinds++], sizeof seen[0], "%s", spec);
        if (k < SPECS_MAX)
            count[k]++;
        else
            other++;
    }
    for (size_t k = 0; k < kinds; k++)
        (void)printf("          %zu: %s\n", count[k], seen[k]);
    if (other > 0)
        (void)printf("          %zu: other\n", other);
}

static void print_text(const struct inspection *inspection, const struct inspect_options *options, const char *path)
{
    const struct model *model = &inspection->model;
    char bytes[32];
    size_t claimed = 0, whole = 0;
    for (size_t t = 0; t < model->tensor_count; t++) {
        claimed += model->tensor[t].fate == FATE_CLAIMED;
        whole += model->tensor[t].fate != FATE_PIECE;
    }
    (void)printf("path      %s\n", path);
    (void)printf("format    %s (%s)\n", model->format, inspection->bid.evidence);
    (void)printf("files     %zu of weights, %zu tensors, %s\n", model->file_count, whole, text_bytes(tensor_bytes(model), bytes));
    (void)printf("weights   %zu quantized, of %zu tensors; %zu other tensors\n", model->weight_count, claimed, whole - claimed);
    print_specs(model);
    for (size_t i = 0; i < model->note_count; i++)
        (void)printf("note      %s\n", model->note[i]);
    if (options->tensors || options->hash)
        print_tensors(inspection);
}

/* --- JSON --------------------------------------------------------------------------------------------------------------------- */

static void emit_tensor(struct emit *emit, const struct inspection *inspection, uint32_t index, const char *name)
{
    const struct tensor *tensor = &inspection->model.tensor[index];
    emit_object(emit, name, true);
    emit_string(emit, "name", tensor->name);
    emit_string(emit, "file", inspection->model.file[tensor->file].name);
    emit_string(emit, "dtype", dtype_name(tensor->dtype));
    emit_array(emit, "shape", true);
    for (unsigned d = 0; d < tensor->rank; d++)
        emit_u64(emit, NULL, tensor->shape[d]);
    emit_end(emit, ']');
    emit_u64(emit, "bytes", tensor->bytes);
    if (tensor->fate != FATE_CLAIMED)
        emit_string(emit, "fate", fate_text(tensor->fate));
    if (inspection->hash != NULL) {
        char hex[33];
        hash_hex(inspection->hash[index], hex);
        emit_string(emit, "xxh3_128", hex);
    }
    emit_end(emit, '}');
}

static void emit_weight(struct emit *emit, const struct inspection *inspection, const struct weight *weight)
{
    emit_object(emit, NULL, false);
    emit_string(emit, "name", weight->name);
    emit_u64(emit, "out", weight->out);
    emit_u64(emit, "in", weight->in);
    emit_string(emit, "grid", spec_grid_name(weight->spec.grid));
    emit_u64(emit, "bits", weight->spec.bits);
    emit_i64(emit, "group", weight->groups == 1 && weight->spec.grid != GRID_CODEBOOK ? -1 : (int64_t)weight->spec.group);
    emit_string(emit, "scale_dtype", dtype_name(weight->spec.scale_dtype));
    emit_string(emit, "layout", codes_text(&weight->spec));
    emit_object(emit, "roles", false);
    for (int r = 0; r < ROLE_COUNT; r++)
        if (weight->role[r] != MODEL_NONE)
            emit_tensor(emit, inspection, weight->role[r], model_role_name((enum role)r));
    emit_end(emit, '}');
    emit_end(emit, '}');
}

static void print_json(const struct inspection *inspection, const char *path)
{
    const struct model *model = &inspection->model;
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_string(&emit, "path", path);
    emit_string(&emit, "format", model->format);
    emit_string(&emit, "evidence", inspection->bid.evidence);
    emit_array(&emit, "files", false);
    for (size_t f = 0; f < model->file_count; f++) {
        emit_object(&emit, NULL, true);
        emit_string(&emit, "name", model->file[f].name);
        emit_u64(&emit, "bytes", model->file[f].bytes);
        emit_end(&emit, '}');
    }
    emit_end(&emit, ']');
    emit_u64(&emit, "tensor_bytes", tensor_bytes(model));
    emit_array(&emit, "notes", false);
    for (size_t i = 0; i < model->note_count; i++)
        emit_string(&emit, NULL, model->note[i]);
    emit_end(&emit, ']');
    emit_array(&emit, "weights", false);
    for (size_t w = 0; w < model->weight_count; w++)
        emit_weight(&emit, inspection, &model->weight[w]);
    emit_end(&emit, ']');
    emit_array(&emit, "tensors", false);
    for (uint32_t t = 0; t < model->tensor_count; t++)
        if (model->tensor[t].fate != FATE_CLAIMED && model->tensor[t].fate != FATE_PIECE)
            emit_tensor(&emit, inspection, t, NULL);
    emit_end(&emit, ']');
    emit_end(&emit, '}');
}

static enum status inspect(const struct session *session, const struct inspect_options *options, const char *path, struct err *err)
{
    struct inspection inspection = {0};
    enum status status = source_open(&inspection.source, session->resources.ops, path, err);
    if (status == STATUS_OK)
        status = registry_read(&inspection.source, options->from, (struct read_options){.as_stored = true}, &inspection.model, &inspection.bid, err);
    if (status == STATUS_OK && options->hash)
        status = digests_make(&inspection.model, &session->resources, &inspection.hash, err);
    if (status == STATUS_OK && options->json)
        print_json(&inspection, path);
    else if (status == STATUS_OK)
        print_text(&inspection, options, path);
    free(inspection.hash);
    model_free(&inspection.model);
    source_close(&inspection.source);
    return status;
}

enum status command_inspect(struct session *session, int argc, char **argv, struct err *err)
{
    struct inspect_options options = {0};
    const struct argument rows[] = INSPECT_ROWS(&options);
    const char *path[1];
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], path, 1, "repaq inspect SRC [--tensors] [--hash] [--json]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (places < 1) {
        (void)err_set(err, STATUS_USAGE, "inspect", "found no SRC");
        return err_try(err, "%s", arguments.usage);
    }
    return inspect(session, &options, path[0], err);
}
