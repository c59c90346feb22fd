#include "formats/general.h"

#include "base/limits.h"
#include "formats/authorship.h"
#include "formats/modelcard.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- size ------------------------------------------------------------------------------------------------------------------------ */

struct general_size general_measure(const struct gguf_tensor *tensor, size_t count)
{
    struct general_size size = {0};
    uint64_t experts = 0, stacks = 0;
    for (size_t t = 0; t < count; t++) {
        uint64_t elements = 1;
        for (unsigned d = 0; d < tensor[t].rank; d++)
            elements *= tensor[t].shape[d];
        size.total += elements;
        if (strstr(tensor[t].name, "_exps.") != NULL && tensor[t].rank >= 3) {
            size.expert += elements / tensor[t].shape[tensor[t].rank - 3];
            experts += tensor[t].shape[tensor[t].rank - 3];
            stacks++;
        } else {
            size.shared += elements;
        }
    }
    size.expert_count = stacks == 0 ? 0 : experts / stacks;
    return size;
}

/* --- sampling --------------------------------------------------------------------------------------------------------------------- */

/* Members of generation_config.json, in the file's order (gguf-py/gguf/metadata.py, Metadata.load). */
static const struct {
    const char *key, *member, *other;
    enum ggufile_kind type;
} sampling[] = {
    {"general.sampling.sequence", "sequence", NULL, GGUFILE_STRING},
    {"general.sampling.top_k", "top_k", NULL, GGUFILE_I32},
    {"general.sampling.top_p", "top_p", NULL, GGUFILE_F32},
    {"general.sampling.min_p", "min_p", NULL, GGUFILE_F32},
    {"general.sampling.xtc_probability", "xtc_probability", NULL, GGUFILE_F32},
    {"general.sampling.xtc_threshold", "xtc_threshold", NULL, GGUFILE_F32},
    {"general.sampling.temp", "temperature", NULL, GGUFILE_F32},
    {"general.sampling.penalty_last_n", "penalty_last_n", NULL, GGUFILE_I32},
    {"general.sampling.penalty_repeat", "penalty_repeat", "repetition_penalty", GGUFILE_F32},
    {"general.sampling.mirostat", "mirostat", NULL, GGUFILE_I32},
    {"general.sampling.mirostat_tau", "mirostat_tau", NULL, GGUFILE_F32},
    {"general.sampling.mirostat_eta", "mirostat_eta", NULL, GGUFILE_F32},
};

static void set_sampling(struct ggufile_writer *kv, const struct jsondoc *generation, const struct jsondoc *overrides)
{
    for (size_t s = 0; s < sizeof sampling / sizeof sampling[0]; s++) {
        const struct jsondoc *value = jsondoc_get(generation, sampling[s].member);
        double number;
        int64_t whole;
        if (value == NULL && sampling[s].other != NULL)
            value = jsondoc_get(generation, sampling[s].other);
        if (jsondoc_get(overrides, sampling[s].key) != NULL)
            value = jsondoc_get(overrides, sampling[s].key);
        if (sampling[s].type == GGUFILE_STRING && jsondoc_string(value) != NULL)
            ggufile_write_string(kv, sampling[s].key, slice_of(jsondoc_string(value)));
        else if (sampling[s].type == GGUFILE_F32 && jsondoc_double(value, &number))
            ggufile_write_f32(kv, sampling[s].key, (float)number);
        else if (sampling[s].type == GGUFILE_I32 && jsondoc_int(value, &whole) && whole >= INT32_MIN && whole <= INT32_MAX)
            ggufile_write_integer(kv, sampling[s].key, GGUFILE_I32, (uint64_t)whole);
    }
}

/* --- names ------------------------------------------------------------------------------------------------------------------------ */

/* What an earlier source left open. */
static void fill(struct modelname *parts, const struct modelname *more)
{
    const char **const mine[] = {&parts->title, &parts->organization, &parts->basename, &parts->finetune, &parts->version, &parts->size_label};
    const char *const theirs[] = {more->title, more->organization, more->basename, more->finetune, more->version, more->size_label};
    for (size_t i = 0; i < sizeof mine / sizeof mine[0]; i++)
        *mine[i] = *mine[i] == NULL ? theirs[i] : *mine[i];
}

/* The directory's own name, also of "." and "a/", and that of a bundle without its suffix. */
static const char *directory_name(const struct source *source, struct arena *arena, struct err *err)
{
    char *whole = realpath(source->dir, NULL);
    const char *text = whole == NULL ? source->dir : whole, *slash = strrchr(text, '/');
    struct slice last = slice_of(slash == NULL ? text : slash + 1);
    if (slice_ends(last, ".zip") && last.size > 4 && file_stat(text, NULL) == FILE_REGULAR)
        last.size -= 4;
    const char *name = arena_copy(arena, last.data, last.size, err);
    free(whole);
    return name;
}

static enum status name_model(const struct gguf_input *input, const struct general_size *size, struct arena *arena, struct modelname *parts, struct err *err)
{
    struct modelname more;
    const char *stated = jsondoc_string(jsondoc_get(input->config, "_name_or_path"));
    const char *slash = stated == NULL ? NULL : strchr(stated, '/');
    if (stated != NULL && (slash == NULL || strchr(slash + 1, '/') == NULL)) { /* a name, and no path of some computer */
        TRY(modelname_parse(stated, size->total, arena, &more, err));
        fill(parts, &more);
    }
    const char *directory = directory_name(input->source, arena, err);
    if (directory == NULL)
        return STATUS_LIMIT;
    TRY(modelname_parse(directory, size->total, arena, &more, err));
    fill(parts, &more);
    return STATUS_OK;
}

/* The parts that are there, joined by '-'; blanks and slashes become '-' (gguf-py/gguf/utility.py, naming_convention). */
static void name_file(const char *const parts[4], char stem[256])
{
    size_t used = 0;
    for (size_t p = 0; p < 4; p++) {
        if (parts[p] != NULL && parts[p][0] != '\0' && used < 256)
            used += (size_t)snprintf(stem + used, 256 - used, "%s%s", used > 0 ? "-" : "", parts[p]);
    }
    for (char *at = stem; *at != '\0'; at++)
        *at = *at == ' ' || *at == '/' ? '-' : *at;
}

/* README.md's front matter, of the source or else of the base; what is not read of it is named in `unread`. */
static enum status read_card(const struct gguf_input *input, struct jsondoc **card, struct text *unread, struct err *err)
{
    struct source *const source = source_has(input->source, "README.md") || input->base == NULL ? input->source : input->base;
    struct text text = {0};
    *card = NULL;
    if (!source_has(source, "README.md"))
        return STATUS_OK;
    const char *path = source_path(source, "README.md", err);
    if (path == NULL)
        return STATUS_LIMIT;
    enum status status = file_slurp(source->ops, path, LIMIT_JSON_DOCUMENT_BYTES_MAX, &text, err);
    if (status == STATUS_OK)
        status = modelcard_parse((struct slice){text.data, text.size}, card, unread, err);
    text_free(&text);
    return status;
}

static enum status read_overrides(const struct gguf_input *input, struct jsondoc **overrides, struct err *err)
{
    struct text text = {0};
    *overrides = NULL;
    if (input->options->metadata == NULL)
        return STATUS_OK;
    enum status status = file_slurp(input->source->ops, input->options->metadata, LIMIT_JSON_DOCUMENT_BYTES_MAX, &text, err);
    if (status == STATUS_OK)
        status = jsondoc_parse(input->options->metadata, (struct slice){text.data, text.size}, overrides, err);
    text_free(&text);
    if (status == STATUS_OK && jsondoc_kind(*overrides) != JSONDOC_OBJECT) {
        (void)err_set(err, STATUS_USAGE, input->options->metadata, "found JSON that is no object, expected one of general.* values");
        status = err_try(err, "{\"general.name\": \"Name\"}");
    }
    return status;
}

/* Of the names in `unread`, those that would have become keys. */
static void name_unread(struct text *unread, char names[256])
{
    size_t used = 0;
    names[0] = '\0';
    for (char *at = unread->size == 0 ? NULL : unread->data, *comma; at != NULL; at = comma == NULL ? NULL : comma + 2) {
        comma = strstr(at, ", ");
        if (comma != NULL)
            *comma = '\0';
        if (authorship_takes(at) && used < 256)
            used += (size_t)snprintf(names + used, 256 - used, "%s%s", used > 0 ? ", " : "", at);
    }
}

static enum status set_all(struct ggufile_writer *kv, const struct authorship *authorship, const struct general_size *size, const struct jsondoc *generation,
                           char stem[256], struct err *err)
{
    char label[64];
    const char *own = authorship_text(authorship, "general.size_label"), *base = authorship_text(authorship, "general.basename");
    const char *counted = size->total > 0 ? modelname_size(size->total, size->shared, size->expert, size->expert_count, label) : NULL;
    stem[0] = '\0';
    name_file((const char *const[]){base != NULL ? base : authorship_text(authorship, "general.name"),
                                    size->total == 0 ? NULL : own != NULL ? own : counted, /* a vocabulary has no size */
                                    authorship_text(authorship, "general.finetune"), authorship_text(authorship, "general.version")},
              stem);
    ggufile_write_string(kv, "general.type", slice_of("model"));
    set_sampling(kv, generation, authorship->overrides);
    return authorship_set(kv, authorship, counted, err);
}

enum status general_set(struct ggufile_writer *kv, const struct gguf_input *input, const struct general_size *size, struct gguf_listing *listing,
                        struct err *err)
{
    struct jsondoc *generation = NULL, *card = NULL, *overrides = NULL;
    struct arena arena = {0};
    struct text unread = {0};
    struct authorship authorship = {.stated = input->options->name, .parameters = size->total};
    enum status status = source_document(input->source, "generation_config.json", &generation, err);
    if (status == STATUS_OK && generation == NULL && input->base != NULL)
        status = source_document(input->base, "generation_config.json", &generation, err);
    if (status == STATUS_OK)
        status = read_card(input, &card, &unread, err);
    if (status == STATUS_OK)
        status = read_overrides(input, &overrides, err);
    if (status == STATUS_OK)
        status = name_model(input, size, &arena, &authorship.names, err);
    authorship.card = card;
    authorship.overrides = overrides;
    if (status == STATUS_OK)
        status = set_all(kv, &authorship, size, generation, listing->stem, err);
    name_unread(&unread, listing->unread);
    text_free(&unread);
    jsondoc_free(generation);
    jsondoc_free(card);
    jsondoc_free(overrides);
    arena_free(&arena);
    return status;
}
