#include "formats/ggufrope.h"

#include "base/le.h"
#include "formats/hyper.h"
#include "formats/ropefactors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FREQS, LONG, SHORT, KIND_COUNT };
static const char *const names[KIND_COUNT] = {"rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"};

struct list {
    float *value; /* owned; NULL: the file has no such tensor */
    uint64_t count;
};

bool ggufrope_is(const char *name)
{
    for (size_t k = 0; k < KIND_COUNT; k++)
        if (strcmp(name, names[k]) == 0)
            return true;
    return false;
}

static enum status load_from(const struct ggufile *gguf, const struct file *file, const struct ggufile_tensor *tensor, struct list *list, struct err *err)
{
    if (tensor->type != GGML_F32 || tensor->rank != 1 || tensor->dims[0] == 0 || tensor->dims[0] > ROPEFACTORS_ROWS_MAX)
        return err_set(err, STATUS_CORRUPT, tensor->name, "found no list of at most %d F32", ROPEFACTORS_ROWS_MAX);
    list->value = mem_alloc(tensor->dims[0], sizeof *list->value, err);
    if (list->value == NULL)
        return STATUS_LIMIT;
    list->count = tensor->dims[0];
    TRY(file_read(file, list->value, list->count * 4, tensor->offset, err));
    for (uint64_t i = 0; i < list->count; i++) {
        uint32_t bits;
        memcpy(&bits, &list->value[i], sizeof bits);
        bits = gguf->big_endian ? __builtin_bswap32(bits) : bits;
        list->value[i] = le_load_f32(&bits);
        if (!isfinite(list->value[i]))
            return err_set(err, STATUS_CORRUPT, tensor->name, "found a value that is NaN or infinite");
    }
    return STATUS_OK;
}

static enum status load(const struct ggufile_set *set, const struct file_ops *ops, const char *name, struct list *list, struct err *err)
{
    const struct ggufile_tensor *tensor = NULL;
    struct file file;
    size_t f = 0;
    *list = (struct list){0};
    while (f < set->count && (tensor = ggufile_find_tensor(&set->file[f], slice_of(name))) == NULL)
        f++;
    if (tensor == NULL)
        return STATUS_OK;
    TRY(file_open_read(&file, ops, set->file[f].path, err));
    const enum status status = load_from(&set->file[f], &file, tensor, list, err);
    file_drop(&file);
    return status;
}

/* --- LLaMA 3 ------------------------------------------------------------------------------------------------------------------------ */

/* Parameters of published models: the lengths are powers of two, and the bounds 1 and 4. The last factor is the largest. */
static enum status add_llama3(const struct list *list, struct jsondoc *config, struct err *err)
{
    struct ropefactors_llama3 rope = {.base = 10000, .factor = list->value[list->count - 1], .low = 1, .high = 4};
    bool plain = true, found = false;
    double base;
    for (uint64_t i = 0; i < list->count; i++)
        plain = plain && list->value[i] == 1.0f;
    if (plain)
        return STATUS_OK;
    if (jsondoc_double(jsondoc_get(config, "rope_theta"), &base))
        rope.base = (float)base;
    for (unsigned bits = 9; bits <= 20 && !found; bits++) {
        rope.context = (float)(1u << bits);
        found = true;
        for (uint64_t k = 0; k < list->count && found; k++)
            found = ropefactors_llama3(&rope, (float)(2 * k) / (float)(2 * list->count)) == list->value[k];
    }
    if (!found) {
        (void)err_set(err, STATUS_UNSUPPORTED, names[FREQS],
                      "found factors that no llama3 scaling with bounds 1 and 4 gives, and config.json has no other place");
        return err_try(err, "--to gguf keeps them");
    }
    struct jsondoc *scaling = jsondoc_add_object(config, "rope_scaling");
    jsondoc_add_string(scaling, "rope_type", "llama3");
    jsondoc_add_double(scaling, "factor", (double)rope.factor);
    jsondoc_add_double(scaling, "low_freq_factor", (double)rope.low);
    jsondoc_add_double(scaling, "high_freq_factor", (double)rope.high);
    jsondoc_add_int(scaling, "original_max_position_embeddings", (int64_t)rope.context);
    return STATUS_OK;
}

/* --- Phi-3 -------------------------------------------------------------------------------------------------------------------------- */

/* The shortest decimal number that is this float. */
static double tidy(float value)
{
    char text[40];
    double number = (double)value;
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, (double)value);
        number = strtod(text, NULL);
        if ((float)number == value)
            break;
    }
    return number;
}

static void add_numbers(struct jsondoc *scaling, const char *member, const struct list *list)
{
    struct jsondoc *numbers = jsondoc_add_array(scaling, member);
    for (uint64_t i = 0; i < list->count; i++)
        jsondoc_add_double(numbers, NULL, tidy(list->value[i]));
}

static enum status add_longrope(const struct ggufile *gguf, const struct arch *arch, const struct list list[KIND_COUNT], struct jsondoc *config,
                                struct err *err)
{
    static const char *const types[] = {"longrope", "yarn"};
    char key[128];
    double stored = NAN, context = NAN;
    bool present;
    if (list[SHORT].count != list[LONG].count)
        return err_set(err, STATUS_CORRUPT, names[SHORT], "found %llu factors beside %llu of %s", (unsigned long long)list[SHORT].count,
                       (unsigned long long)list[LONG].count, names[LONG]);
    (void)snprintf(key, sizeof key, "%s.rope.scaling.attn_factor", arch->name);
    TRY(ggufile_value_f64(gguf, key, &stored, &present, err));
    const double scale = ropefactors_scale(arch, config, &context);
    size_t type = 0;
    while (type < 2 && present && (float)ropefactors_attention_by(types[type], scale, context) != (float)stored)
        type++;
    struct jsondoc *scaling = jsondoc_add_object(config, "rope_scaling");
    jsondoc_add_string(scaling, "rope_type", types[type == 2 ? 0 : type]);
    add_numbers(scaling, "long_factor", &list[LONG]);
    add_numbers(scaling, "short_factor", &list[SHORT]);
    if (type == 2)
        jsondoc_add_double(scaling, "attention_factor", tidy((float)stored));
    return STATUS_OK;
}

enum status ggufrope_add(const struct ggufile_set *set, const struct file_ops *ops, const struct arch *arch, struct jsondoc *config, struct err *err)
{
    struct list list[KIND_COUNT] = {{0}};
    enum status status = STATUS_OK;
    for (size_t k = 0; k < KIND_COUNT && status == STATUS_OK; k++)
        status = load(set, ops, names[k], &list[k], err);
    if (status == STATUS_OK && jsondoc_get(config, "rope_scaling") == NULL && list[FREQS].value != NULL)
        status = add_llama3(&list[FREQS], config, err);
    else if (status == STATUS_OK && jsondoc_get(config, "rope_scaling") == NULL && list[LONG].value != NULL)
        status = add_longrope(&set->file[0], arch, list, config, err);
    for (size_t k = 0; k < KIND_COUNT; k++)
        free(list[k].value);
    return status;
}
