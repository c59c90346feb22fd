/* E23: GGUF files as containers (formats/gguf.md sections 1.2 to 1.7). */
#include "base/le.h"
#include "base/mem.h"
#include "base/pool.h"
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"
#include "codec/ggml_codec.h"
#include "codec/ggml_swap.h"
#include "container/ggufile_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAYERS_MAX 512 /* LLAMA_MAX_LAYERS */

enum status judge_gguf_header(struct subject *subject, struct err *err)
{
    for (size_t f = 0; f < subject->gguf.count; f++)
        if (subject->gguf.file[f].fault != NULL)
            TRY(subject_report_error(subject, subject->gguf.file[f].fault, SEVERITY_FAIL, err));
    return STATUS_OK;
}

/* --- form ------------------------------------------------------------------------------------------------------------------- */

static enum status judge_version(struct subject *subject, const struct ggufset_file *file, struct err *err)
{
    const struct gguf_reader *reader = subject->gguf_reader;
    if (file->gguf.version < reader->version_first)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, file->name, subject_text(subject, err, "version %u", file->gguf.version),
                           subject_text(subject, err, "version %u or 3%s", reader->version_first,
                                        subject->engine == ENGINE_OLLAMA ? ": of version 1 it reads lengths of 64 bits, which such files do not have" : ""),
                           remedy_gguf(subject, err), 0}, err));
    if (!file->gguf.big_endian || reader->big_endian == SEVERITY_PASS)
        return STATUS_OK;
    return subject_report(subject, (struct remark){reader->big_endian, file->name, reader->big_endian == SEVERITY_SILENT
                          ? "big endian: words inside blocks are not turned" : "big endian", "little endian", remedy_gguf(subject, err), 0}, err);
}

static enum status judge_places(struct subject *subject, const struct ggufset_file *file, struct err *err)
{
    const struct gguf_reader *reader = subject->gguf_reader;
    const struct ggufile *gguf = &file->gguf;
    const bool odd = file->fault == NULL && (gguf->has_gaps || gguf->is_reordered); /* a fault may be what moves the others */
    if (odd && reader->places != SEVERITY_PASS)
        TRY(subject_report(subject, (struct remark){reader->places, file->name, gguf->is_reordered ? "tensor data in another order than the table's"
                           : "gaps between the data of tensors", "data without gaps, in the order of the table", remedy_gguf(subject, err), 0}, err));
    if (file->fault == NULL && gguf->alignment != GGUFILE_ALIGNMENT_DEFAULT && reader->places != SEVERITY_PASS)
        TRY(subject_report(subject, (struct remark){SEVERITY_WARN, file->name, subject_text(subject, err, "general.alignment %u", gguf->alignment),
                           "32: llama-quantize and llama-gguf-split lay their output out by it, whatever the key says", remedy_gguf(subject, err), 0}, err));
    if (!gguf->nested || reader->nested)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, file->name, "an array of arrays among the values", "none", NULL, 0}, err);
}

enum status judge_gguf_form(struct subject *subject, struct err *err)
{
    for (size_t f = 0; f < subject->gguf.count; f++) {
        const struct ggufset_file *file = &subject->gguf.file[f];
        if (!file->present)
            continue;
        TRY(judge_version(subject, file, err));
        TRY(judge_places(subject, file, err));
    }
    return STATUS_OK;
}

/* --- sets ------------------------------------------------------------------------------------------------------------------- */

/* The number that a key of exactly this type has; -1: no such key; -2: another type. */
static int64_t key_of(const struct ggufile *gguf, const char *key, enum ggufile_kind kind)
{
    const struct ggufile_value *value = ggufile_find(gguf, key);
    if (value == NULL)
        return -1;
    return value->kind != kind ? -2 : kind == GGUFILE_U16 ? le_load16(value->data) : (int32_t)le_load32(value->data);
}

static enum status judge_keys(struct subject *subject, size_t index, struct err *err)
{
    const struct ggufset *set = &subject->gguf;
    const struct {
        const char *key;
        enum ggufile_kind kind;
        int64_t wanted;
    } keys[] = {{"split.no", GGUFILE_U16, (int64_t)index},
                {"split.count", GGUFILE_U16, (int64_t)set->count},
                {"split.tensors.count", GGUFILE_I32, (int64_t)set->tensors}};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const int64_t found = key_of(&set->file[index].gguf, keys[k].key, keys[k].kind);
        if (found == keys[k].wanted || (k == 2 && !set->is_whole)) /* then tensors are missing anyway */
            continue;
        const char *what = found == -1 ? "none" : found == -2 ? "another type" : subject_text(subject, err, "%" PRId64, found);
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, set->file[index].name, subject_text(subject, err, "%s: %s", keys[k].key, what),
                           subject_text(subject, err, "%" PRId64 " (%s)", keys[k].wanted, ggufile_kind_name(keys[k].kind)), NULL, 0}, err));
    }
    return STATUS_OK;
}

static enum status judge_twice(struct subject *subject, struct err *err)
{
    const struct ggufset *set = &subject->gguf;
    struct spread twice = {0};
    struct map names = {0};
    enum status status = STATUS_OK;
    for (size_t f = 0; f < set->count && status == STATUS_OK; f++)
        for (size_t t = 0; t < set->file[f].gguf.tensor_count && status == STATUS_OK; t++) {
            uint32_t before;
            status = map_add(&names, slice_of(set->file[f].gguf.tensor[t].name), (uint32_t)f, &before, err);
            if (status == STATUS_OK && before != MAP_NONE && before != f)
                spread_add(&twice, set->file[f].gguf.tensor[t].name);
        }
    map_free(&names);
    if (status != STATUS_OK || twice.count == 0)
        return status;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, spread_text(&twice, subject, err), "a tensor in two files of the set", "one", NULL, 0}, err);
}

enum status judge_gguf_split(struct subject *subject, struct err *err)
{
    const struct ggufset *set = &subject->gguf;
    if (!set->split)
        return STATUS_OK;
    if (!subject->gguf_reader->several)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, set->file[0].name, subject_text(subject, err, "a set of %zu files", set->count), "one file",
                           "merge them: llama-gguf-split --merge FIRST.gguf OUT.gguf", 0}, err));
    for (size_t f = 0; f < set->count; f++) {
        if (set->file[f].present)
            TRY(judge_keys(subject, f, err));
        else
            TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, set->file[f].name, "no such file (R-INCOMPLETE)",
                               subject_text(subject, err, "all %zu of the set", set->count), "download the missing file", 0}, err));
    }
    return judge_twice(subject, err);
}

/* --- types ------------------------------------------------------------------------------------------------------------------ */

static enum status report_types(struct subject *subject, const struct spread *spread, uint64_t types, bool recent, struct err *err)
{
    char list[200] = "";
    size_t used = 0;
    for (int t = 0; t < GGML_COUNT && used < sizeof list; t++)
        if ((types >> t & 1) != 0)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used == 0 ? "" : ", ", ggml_name((enum ggml_type)t));
    if (spread->count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){recent ? SEVERITY_WARN : SEVERITY_FAIL, spread_text(spread, subject, err),
                          subject_text(subject, err, "tensors of type %s", list),
                          recent ? "a build of 2026, or of late 2025 for MXFP4: older ones refuse them" : "types that the engine has kernels for",
                          NULL, 0}, err);
}

/* Values that `ollama create -q` would not write again. */
static enum status judge_kinds(struct subject *subject, struct err *err)
{
    const struct gguf_reader *reader = subject->gguf_reader;
    const struct ggufile *gguf = &subject->gguf.file[0].gguf;
    struct spread odd = {0};
    const struct ggufile_value *first = NULL;
    for (size_t i = 0; i < gguf->value_count && reader->kinds != 0; i++) {
        const struct ggufile_value *value = &gguf->value[i];
        const bool fits = value->kind == GGUFILE_ARRAY ? (reader->elements >> value->element & 1) != 0 : (reader->kinds >> value->kind & 1) != 0;
        if (fits)
            continue;
        first = first == NULL ? value : first;
        spread_add(&odd, subject_text(subject, err, "%.*s", value->key.size < 200 ? (int)value->key.size : 200, value->key.data));
    }
    if (first == NULL)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_WARN, spread_text(&odd, subject, err),
                          subject_text(subject, err, "a value of type %s%s", first->kind == GGUFILE_ARRAY ? "array of " : "",
                                       ggufile_kind_name(first->element)),
                          "u32, u64, f32, bool, string, or arrays of i32, u32, f32, string: `ollama create -q` writes no others", NULL, 0}, err);
}

enum status judge_gguf_types(struct subject *subject, struct err *err)
{
    const struct gguf_reader *reader = subject->gguf_reader;
    struct spread lacking = {0}, recent = {0};
    uint64_t lacking_types = 0, recent_types = 0;
    for (size_t f = 0; f < subject->gguf.count; f++)
        for (size_t t = 0; t < subject->gguf.file[f].gguf.tensor_count; t++) {
            const struct ggufile_tensor *tensor = &subject->gguf.file[f].gguf.tensor[t];
            const uint64_t bit = tensor->type < GGML_COUNT ? UINT64_C(1) << tensor->type : 0;
            if (bit != 0 && (reader->types & bit) == 0) {
                spread_add(&lacking, tensor->name);
                lacking_types |= bit;
            } else if ((reader->types_recent & bit) != 0) {
                spread_add(&recent, tensor->name);
                recent_types |= bit;
            }
        }
    TRY(report_types(subject, &lacking, lacking_types, false, err));
    TRY(report_types(subject, &recent, recent_types, true, err));
    return judge_kinds(subject, err);
}

/* --- fused members ---------------------------------------------------------------------------------------------------------- */

/* Members become one parameter of one dtype; blocks of any type are bytes. */
static bool is_of_kind(const struct ggufile_tensor *a, const struct ggufile_tensor *b)
{
    const bool blocks = ggml_kind(a->type) == GGML_KIND_BLOCK;
    return blocks == (ggml_kind(b->type) == GGML_KIND_BLOCK) && (blocks || a->type == b->type);
}

enum status judge_gguf_fused(struct subject *subject, struct err *err)
{
    static const char *const members[][2] = {{"attn_q", "attn_k"}, {"attn_q", "attn_v"}, {"ffn_gate", "ffn_up"}};
    char name[100], other[100];
    for (unsigned layer = 0; layer < LAYERS_MAX; layer++)
        for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
            (void)snprintf(name, sizeof name, "blk.%u.%s.weight", layer, members[m][0]);
            (void)snprintf(other, sizeof other, "blk.%u.%s.weight", layer, members[m][1]);
            const struct ggufile_tensor *a = ggufset_tensor(&subject->gguf, name), *b = ggufset_tensor(&subject->gguf, other);
            if (a == NULL || b == NULL || a->type >= GGML_COUNT || b->type >= GGML_COUNT || is_of_kind(a, b))
                continue;
            TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, b->name, subject_text(subject, err, "type %s", ggml_name(b->type)),
                               subject_text(subject, err, "%s, as %s has, or both of them blocks: the engine makes one parameter of them",
                                            ggml_name(a->type), a->name), NULL, 0}, err));
        }
    return STATUS_OK;
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

enum { VALUES_BYTES = 1 << 20 }; /* read at once; whole blocks of any type */

struct values {
    const struct file *file;
    const struct ggufile *gguf;
    uint8_t *wrong; /* [tensor_count] */
};

/* What ggml_validate_row_data says of one tensor. */
static enum status judge_data(void *context, size_t job, unsigned worker, struct err *err)
{
    const struct values *values = context;
    const struct ggufile_tensor *tensor = &values->gguf->tensor[job];
    (void)worker;
    if (!ggml_codec_has(tensor->type))
        return STATUS_OK;
    uint8_t *buffer = mem_alloc(VALUES_BYTES, 1, err);
    enum status status = buffer == NULL ? STATUS_LIMIT : STATUS_OK;
    const size_t block = ggml_block_bytes(tensor->type), step = VALUES_BYTES / block * block;
    for (uint64_t at = 0; at < tensor->bytes && status == STATUS_OK && values->wrong[job] == 0; at += step) {
        const size_t part = tensor->bytes - at < step ? (size_t)(tensor->bytes - at) : step;
        status = file_read(values->file, buffer, part, tensor->offset + at, err);
        if (status == STATUS_OK && values->gguf->big_endian)
            (void)ggml_swap(tensor->type, buffer, part);
        if (status == STATUS_OK)
            values->wrong[job] = !ggml_codec_valid(tensor->type, buffer, part / block * ggml_block_elements(tensor->type));
    }
    free(buffer);
    return status;
}

static enum status judge_values_of(struct subject *subject, const struct ggufset_file *file, struct spread *wrong, struct err *err)
{
    struct file opened;
    const char *path = source_path(&subject->source, file->name, err);
    if (path == NULL)
        return STATUS_LIMIT;
    TRY(file_open_read(&opened, subject->source.ops, path, err));
    struct values values = {&opened, &file->gguf, mem_alloc(file->gguf.tensor_count + 1, 1, err)};
    enum status status = values.wrong == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK)
        status = pool_run(run_workers(subject->resources), file->gguf.tensor_count, judge_data, &values, subject->resources->cancel, err);
    for (size_t t = 0; t < file->gguf.tensor_count && status == STATUS_OK; t++)
        if (values.wrong[t] != 0)
            spread_add(wrong, file->gguf.tensor[t].name);
    free(values.wrong);
    file_drop(&opened);
    return status;
}

enum status judge_gguf_values(struct subject *subject, struct err *err)
{
    struct spread wrong = {0};
    for (size_t f = 0; f < subject->gguf.count; f++) {
        const struct ggufset_file *file = &subject->gguf.file[f];
        if (file->present && file->fault == NULL)
            TRY(judge_values_of(subject, file, &wrong, err));
    }
    if (wrong.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_SILENT, spread_text(&wrong, subject, err),
                          "values or scales that are NaN or infinite (R-NONFINITE)",
                          "finite ones: llama-quantize and --check-tensors refuse them, others compute with them", NULL, 0}, err);
}
