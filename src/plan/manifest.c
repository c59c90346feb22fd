#include "plan/manifest.h"

#include "base/limits.h"
#include "container/json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

/* The source tensors that an output is made from: its own for a copy, else the roles that its step reads. */
static void add_sources(const struct plan *plan, const struct output_tensor *output, struct text *text)
{
    static const uint32_t roles[STEP_COUNT] = {
        [STEP_CODES] = 1u << ROLE_CODES,
        [STEP_SCALES] = 1u << ROLE_SCALES,
        [STEP_ZEROS] = 1u << ROLE_ZEROS | 1u << ROLE_BETA,
        [STEP_BETA] = 1u << ROLE_ZEROS | 1u << ROLE_BETA,
        [STEP_GROUP_OF] = 1u << ROLE_GROUP_OF,
        [STEP_SHAPE] = 1u << ROLE_SHAPE,
        [STEP_DENSE] = UINT32_MAX & ~(1u << ROLE_LAYER_BIAS),
        [STEP_INPUT_SCALE] = 1u << ROLE_INPUT_SCALE,
        [STEP_INPUT_ZERO] = 1u << ROLE_INPUT_ZERO,
        [STEP_DEQ_SCALE] = 1u << ROLE_SCALES | 1u << ROLE_INPUT_SCALE,
        [STEP_QUANT_BIAS] = 1u << ROLE_CODES | 1u << ROLE_SCALES | 1u << ROLE_INPUT_SCALE | 1u << ROLE_INPUT_ZERO | 1u << ROLE_LAYER_BIAS,
    };
    const bool carried = output->step == STEP_COPY || output->step == STEP_CAST;
    const struct weight *weight = carried ? NULL : &plan->model->weight[output->source];
    uint32_t wanted = roles[output->step];
    /* Dead groups are known by their scale, and a beta is in units of it. */
    if ((output->step == STEP_ZEROS || output->step == STEP_BETA) &&
        (weight->spec.zero_kind != ZERO_CODES || plan->spec[output->source].zero_kind == ZERO_BETA))
        wanted |= 1u << ROLE_SCALES;
    const enum role stored = output->step == STEP_DEQ_SCALE ? ROLE_DEQ_SCALE : ROLE_QUANT_BIAS;
    if ((output->step == STEP_DEQ_SCALE || output->step == STEP_QUANT_BIAS) && weight->role[stored] != MODEL_NONE)
        wanted = 1u << stored; /* only moved */
    if (output->step == STEP_SCALES && weight->role[ROLE_SCALES] == MODEL_NONE && weight->role[ROLE_DEQ_SCALE] != MODEL_NONE)
        wanted = 1u << ROLE_DEQ_SCALE | 1u << ROLE_INPUT_SCALE; /* their quotient */
    size_t named = 0;
    text_string(text, "\"source\": [");
    if (carried)
        json_quote(text, slice_of(plan->model->tensor[output->source].name));
    for (int role = 0; !carried && role < ROLE_COUNT; role++) {
        if (!(wanted >> role & 1) || weight->role[role] == MODEL_NONE)
            continue;
        text_string(text, named++ > 0 ? ", " : "");
        json_quote(text, slice_of(plan->model->tensor[weight->role[role]].name));
    }
    text_string(text, "]");
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct output_tensor *const *)a)->name, (*(const struct output_tensor *const *)b)->name);
}

static void add_tensor(const struct plan *plan, const struct output_tensor *output, struct digest digest, struct text *text)
{
    char hex[33];
    hash_hex(digest, hex);
    text_string(text, "    ");
    json_quote(text, slice_of(output->name));
    text_string(text, ": {\"file\": ");
    json_quote(text, slice_of(plan->file[output->file].name));
    text_string(text, ", ");
    add_sources(plan, output, text);
    text_format(text, ", \"step\": \"%s\", \"class\": \"%s\"", plan_step_name(output->step), plan_exactness_name(output->exactness));
    const struct round_tally *rounding = output->step == STEP_CODES ? plan_rounding(plan, output->source) : NULL;
    if (output->zeroed > 0)
        text_format(text, ", \"zeroed\": %" PRIu64, output->zeroed);
    if (output->max_relative > 0)
        text_format(text, ", \"max_relative_error\": %.9g", output->max_relative);
    if (rounding != NULL || output->max_error > 0)
        text_format(text, ", \"max_error\": %.9g", rounding != NULL ? rounding->max_error : output->max_error);
    if (rounding != NULL)
        text_format(text, ", \"rms_error\": %.9g", round_tally_rms(rounding));
    text_format(text, ", \"xxh3_128\": \"%s\"}", hex);
}

/* Text on its way to a file: a large checkpoint's manifest is larger than its weights' bookkeeping. */
struct writer {
    struct file file;
    struct text text;
    uint64_t at;
};

#define FLUSH_BYTES ((size_t)1 << 20)

static enum status flush(struct writer *writer, size_t keep_below, struct err *err)
{
    TRY(text_check(&writer->text, err));
    if (writer->text.size < keep_below)
        return STATUS_OK;
    TRY(file_write(&writer->file, writer->text.data, writer->text.size, writer->at, err));
    writer->at += writer->text.size;
    writer->text.size = 0;
    return STATUS_OK;
}

static enum status write_members(const struct plan *plan, const struct digest *hash, const struct output_tensor *const *sorted, struct writer *writer,
                                 struct err *err)
{
    struct text *text = &writer->text;
    text_format(text, "{\n  \"repaq\": \"%s\",\n  \"source_format\": \"%s\",\n  \"format\": \"%s\",\n  \"tensors\": {\n", REPAQ_VERSION,
                plan->model->format, plan->target->name);
    for (size_t t = 0; t < plan->tensor_count; t++) {
        add_tensor(plan, sorted[t], hash[sorted[t] - plan->tensor], text);
        text_string(text, t + 1 < plan->tensor_count ? ",\n" : "\n");
        TRY(flush(writer, FLUSH_BYTES, err));
    }
    text_string(text, "  },\n  \"dropped\": [");
    for (size_t d = 0; d < plan->dropped_count; d++) {
        text_string(text, d == 0 ? "\n    {\"tensor\": " : ",\n    {\"tensor\": ");
        json_quote(text, slice_of(plan->model->tensor[plan->dropped[d].tensor].name));
        text_string(text, ", \"why\": ");
        json_quote(text, slice_of(plan->dropped[d].why));
        text_string(text, "}");
        TRY(flush(writer, FLUSH_BYTES, err));
    }
    text_string(text, plan->dropped_count > 0 ? "\n  ]\n}\n" : "]\n}\n");
    return flush(writer, 0, err);
}

enum status manifest_write(const struct plan *plan, const struct digest *hash, const struct file_ops *ops, const char *path, struct err *err)
{
    struct writer writer = {0};
    TRY(file_create(&writer.file, ops, path, err));
    const struct output_tensor **sorted = mem_alloc(plan->tensor_count + 1, sizeof *sorted, err);
    enum status status = sorted == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK) {
        for (size_t t = 0; t < plan->tensor_count; t++)
            sorted[t] = &plan->tensor[t];
        qsort(sorted, plan->tensor_count, sizeof *sorted, by_name);
        status = write_members(plan, hash, sorted, &writer, err);
    }
    if (status == STATUS_OK)
        status = file_sync(&writer.file, err);
    if (status == STATUS_OK)
        status = file_close(&writer.file, err);
    file_drop(&writer.file);
    text_free(&writer.text);
    free(sorted);
    return status;
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static bool parse_hex(struct slice quoted, struct digest *digest)
{
    static const char digits[] = "0123456789abcdef";
    if (quoted.size != 2 * sizeof digest->byte + 2)
        return false;
    for (size_t i = 0; i < 2 * sizeof digest->byte; i++) {
        const char *found = memchr(digits, quoted.data[1 + i], 16);
        if (found == NULL)
            return false;
        const unsigned value = (unsigned)(found - digits);
        digest->byte[i / 2] = (uint8_t)(i % 2 == 0 ? value << 4 : digest->byte[i / 2] | value);
    }
    return true;
}

static enum status read_tensor(struct manifest *manifest, struct json *json, const struct json_token *key, struct err *err)
{
    const char *name;
    size_t size;
    uint32_t before;
    struct json_token token;
    struct digest digest;
    bool hashed = false;
    TRY(json_string(json, key, &manifest->arena, &name, &size, err));
    TRY(json_expect(json, JSON_OBJECT, &token, err));
    for (;;) {
        struct json_token member;
        TRY(json_next(json, &member, err));
        if (member.kind == JSON_OBJECT_END)
            break;
        TRY(json_next(json, &token, err));
        if (json_token_is(&member, "xxh3_128"))
            hashed = token.kind == JSON_STRING && parse_hex(token.text, &digest);
        TRY(json_skip(json, &token, err));
    }
    if (!hashed)
        return err_set(err, STATUS_CORRUPT, json->where, "found no xxh3_128 of 32 hexadecimal digits for %s", name);
    TRY(mem_grow((void **)&manifest->hash, &manifest->capacity, manifest->count + 1, sizeof *manifest->hash, err));
    TRY(map_add(&manifest->by_name, (struct slice){name, size}, (uint32_t)manifest->count, &before, err));
    if (before != MAP_NONE)
        return err_set(err, STATUS_CORRUPT, json->where, "found %s twice", name);
    manifest->hash[manifest->count++] = digest;
    return STATUS_OK;
}

static enum status read_text(struct manifest *manifest, struct json *json, struct err *err)
{
    struct json_token key, value;
    TRY(json_expect(json, JSON_OBJECT, &key, err));
    for (;;) {
        TRY(json_next(json, &key, err));
        if (key.kind == JSON_OBJECT_END)
            break;
        TRY(json_next(json, &value, err));
        if (!json_token_is(&key, "tensors") || value.kind != JSON_OBJECT) {
            TRY(json_skip(json, &value, err));
            continue;
        }
        for (;;) {
            TRY(json_next(json, &key, err));
            if (key.kind == JSON_OBJECT_END)
                break;
            TRY(read_tensor(manifest, json, &key, err));
        }
    }
    return json_expect(json, JSON_END, &key, err);
}

enum status manifest_read(struct manifest *manifest, const struct file_ops *ops, const char *dir, struct err *err)
{
    *manifest = (struct manifest){0};
    const char *path = arena_format(&manifest->arena, err, "%s/%s", dir, MANIFEST_NAME);
    if (path == NULL)
        return STATUS_LIMIT;
    if (file_stat(path, NULL) != FILE_REGULAR)
        return STATUS_OK;
    struct text text = {0};
    enum status status = file_slurp(ops, path, LIMIT_JSON_TEXT_BYTES_MAX, &text, err);
    if (status == STATUS_OK) {
        struct json json = json_over(path, (struct slice){text.data, text.size});
        status = read_text(manifest, &json, err);
    }
    text_free(&text);
    return status;
}

void manifest_free(struct manifest *manifest)
{
    map_free(&manifest->by_name);
    free(manifest->hash);
    arena_free(&manifest->arena);
    *manifest = (struct manifest){0};
}
