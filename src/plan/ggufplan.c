#include "plan/ggufplan.h"

#include "base/checked.h"
#include "plan/gap.h"

#include <stdlib.h>

uint64_t ggufplan_columns(const struct output_tensor *output)
{
    return output->rank == 0 ? 1 : output->shape[output->rank - 1];
}

uint64_t ggufplan_rows(const struct output_tensor *output)
{
    uint64_t rows = 1;
    for (unsigned d = 0; d + 1 < output->rank; d++)
        rows *= output->shape[d]; /* a product of what was checked when it was read */
    return rows;
}

static uint64_t columns_of(const struct arranged *arranged)
{
    return arranged->rank == 0 ? 1 : arranged->shape[arranged->rank - 1];
}

/* The type of floats: the file's, but for what is F32 in every file; a row that is no whole blocks becomes F16 (gguf.md section 2.3). */
static enum ggml_type float_type(const struct arranged *arranged, const struct tensor *source, const struct options *options)
{
    uint64_t bytes;
    if (arranged->always_f32)
        return GGML_F32;
    if (options->type == FILETYPE_NONE)
        return ggml_of_dtype(source->dtype);
    return ggml_row_bytes(filetype_type(options->type), columns_of(arranged), &bytes) ? filetype_type(options->type) : GGML_F16;
}

/* The type that a weight's values are written in; GGML_COUNT: its codes are kept. */
static enum ggml_type value_type(const struct arranged *arranged, const struct options *options)
{
    uint64_t bytes;
    if (arranged->always_f32)
        return GGML_F32;
    const enum ggml_type type = filetype_type(options->type);
    return type == GGML_COUNT || ggml_row_bytes(type, columns_of(arranged), &bytes) ? type : GGML_F16;
}

enum status ggufplan_aim(struct aims *aims, const struct model *model, const struct arrangement *arrangement, const struct options *options, struct err *err)
{
    for (size_t i = 0; i < arrangement->count; i++) {
        const struct arranged *arranged = &arrangement->tensor[i];
        if (arranged->source != MODEL_NONE) {
            const struct tensor *source = &model->tensor[arranged->source];
            if (!dtype_is_plain_float(source->dtype)) {
                char where[700];
                return err_set(err, STATUS_UNSUPPORTED, model_where(model, arranged->source, where, sizeof where),
                               "found dtype %s, expected F32, F16 or BF16 in what becomes GGUF", dtype_name(source->dtype));
            }
            aims->tensor[arranged->source].dtype = ggml_dtype(float_type(arranged, source, options));
            aims->tensor[arranged->source].add = arranged->plus_one;
        }
        for (uint32_t w = 0; w < arranged->weight_count; w++) {
            struct aim *aim = &aims->weight[arranged->weight[w]];
            const enum ggml_type type = value_type(arranged, options);
            aim->dense = aim->dense || type != GGML_COUNT;
            aim->dtype = aim->dense && type != GGML_COUNT && ggml_kind(type) == GGML_KIND_FLOAT ? ggml_dtype(type) : aim->dense ? DTYPE_F32 : DTYPE_F16;
        }
    }
    return STATUS_OK;
}

/* --- outputs ------------------------------------------------------------------------------------------------------------------- */

static enum status append(struct plan *plan, struct output_tensor *output, enum ggml_type type, struct err *err)
{
    uint64_t row_bytes;
    output->type = type;
    output->dtype = ggml_dtype(type);
    if (!ggml_row_bytes(type, ggufplan_columns(output), &row_bytes)) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, output->name, "found rows of %llu, which are no whole blocks of %s (R-SHAPE)",
                      (unsigned long long)ggufplan_columns(output), ggml_name(type));
        return err_try(err, "--tensor-type %s=F16", output->name);
    }
    if (!checked_mul(row_bytes, ggufplan_rows(output), &output->bytes) || !checked_add(plan->tensor_bytes, output->bytes, &plan->tensor_bytes))
        return err_set(err, STATUS_LIMIT, output->name, "the output is larger than 2^64 bytes");
    TRY(mem_grow((void **)&plan->tensor, &plan->tensor_capacity, plan->tensor_count + 1, sizeof *plan->tensor, err));
    plan->tensor[plan->tensor_count++] = *output;
    return STATUS_OK;
}

static enum status add_floats(struct plan *plan, uint32_t index, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    const struct tensor *source = &plan->model->tensor[arranged->source];
    const enum ggml_type type = float_type(arranged, source, options);
    const bool block = ggml_kind(type) == GGML_KIND_BLOCK, same = ggml_dtype(type) == source->dtype && !arranged->plus_one;
    const struct cast_tally *cast = &plan->survey->tensor[arranged->source].cast;
    const struct gap gap = {plan->model, plan->survey, plan->aims, plan->target, options, 0, 0};
    TRY(gap_tensor(&gap, arranged->source, err));
    struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = arranged->source};
    output.step = block || arranged->plus_one ? STEP_BLOCKS : same ? STEP_COPY : STEP_CAST;
    output.exactness = block ? EXACTNESS_LOSSY : cast->inexact > 0 ? EXACTNESS_ROUNDED : same ? EXACTNESS_BYTES : EXACTNESS_EXACT;
    if (output.step == STEP_BLOCKS)
        output.source = index;
    return append(plan, &output, type, err);
}

static enum status add_values(struct plan *plan, uint32_t index, enum ggml_type type, const struct options *options, struct err *err)
{
    const struct arranged *arranged = &plan->arrangement->tensor[index];
    struct output_tensor output = {.name = arranged->name, .shape = arranged->shape, .rank = arranged->rank, .source = index, .step = STEP_BLOCKS};
    if (type == GGML_COUNT) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, output.name, "found codes, which this version does not move into blocks (R-CODEBOOK)");
        return err_try(err, "--type F16 makes them floats; --type Q4_K --allow-requantize rounds them anew (lossy)");
    }
    output.exactness = ggml_kind(type) == GGML_KIND_BLOCK ? EXACTNESS_LOSSY : EXACTNESS_EXACT;
    if (output.exactness == EXACTNESS_LOSSY && !options->requantize) {
        (void)err_set(err, STATUS_UNREPRESENTABLE, output.name, "found codes, and %s would round them anew", ggml_name(type));
        return err_try(err, "--type auto keeps them, --type F16 makes them floats, --allow-requantize rounds them");
    }
    for (uint32_t w = 0; w < arranged->weight_count; w++)
        if (plan->survey->weight[arranged->weight[w]].values.inexact > 0 && output.exactness == EXACTNESS_EXACT)
            output.exactness = EXACTNESS_ROUNDED;
    return append(plan, &output, type, err);
}

static enum status drop(struct plan *plan, uint32_t tensor, const char *why, struct err *err)
{
    TRY(mem_grow((void **)&plan->dropped, &plan->dropped_capacity, plan->dropped_count + 1, sizeof *plan->dropped, err));
    plan->dropped[plan->dropped_count++] = (struct dropped){tensor, why};
    return STATUS_OK;
}

enum status ggufplan_tensors(struct plan *plan, const struct options *options, struct err *err)
{
    const struct arrangement *arrangement = plan->arrangement;
    for (uint32_t i = 0; i < arrangement->count; i++) {
        const struct arranged *arranged = &arrangement->tensor[i];
        TRY(arranged->source != MODEL_NONE ? add_floats(plan, i, options, err) : add_values(plan, i, value_type(arranged, options), options, err));
    }
    for (size_t l = 0; l < arrangement->left_count; l++)
        TRY(drop(plan, arrangement->left[l].tensor, arrangement->left[l].why, err));
    return STATUS_OK;
}

/* --- the file ------------------------------------------------------------------------------------------------------------------ */

/* general.file_type: what was asked for, or else the type of most of the matrices, by bytes. */
static enum filetype file_type_of(const struct plan *plan, const struct options *options)
{
    uint64_t bytes[GGML_COUNT] = {0};
    enum ggml_type most = GGML_F32;
    if (options->type != FILETYPE_NONE)
        return options->type;
    for (size_t t = 0; t < plan->tensor_count; t++)
        if (plan->tensor[t].rank > 1)
            bytes[plan->tensor[t].type] += plan->tensor[t].bytes;
    for (int type = 0; type < GGML_COUNT; type++)
        most = bytes[type] > bytes[most] ? (enum ggml_type)type : most;
    return filetype_of(most);
}

enum status ggufplan_file(struct plan *plan, const struct gguf_input *gguf, const struct options *options, struct err *err)
{
    struct gguf_tensor *listed = mem_alloc(plan->tensor_count + 1, sizeof *listed, err);
    plan->file = mem_alloc(1, sizeof *plan->file, err);
    if (listed == NULL || plan->file == NULL) {
        free(listed);
        return STATUS_LIMIT;
    }
    plan->file_count = 1;
    plan->file[0].name = options->one_file;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        const struct output_tensor *output = &plan->tensor[t];
        listed[t] = (struct gguf_tensor){output->name, output->shape, output->rank, output->type, output->bytes, 0};
    }
    struct gguf_listing listing = {(uint32_t)file_type_of(plan, options), listed, plan->tensor_count, 0};
    const enum status status = gguf_head(gguf, &listing, &plan->file[0].header, err);
    for (size_t t = 0; t < plan->tensor_count && status == STATUS_OK; t++)
        plan->tensor[t].offset = listed[t].offset;
    plan->file[0].bytes = plan->file_bytes = listing.bytes;
    free(listed);
    return status;
}
