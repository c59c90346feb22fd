#include "formats/authorship.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { NAME_NONE = -1 };

/* Keys of one text, in the order of the file. `card`: members of the model card, the first that is a text. `name`: where it stands in struct modelname. */
static const struct {
    const char *key, *card;
    int name;
    bool fixed; /* the overrides have no say */
} rows[] = {
    {"general.name", "name|model_name", offsetof(struct modelname, title), false},
    {"general.author", "author|model_author|model_creator", NAME_NONE, false},
    {"general.version", "version|model_version", offsetof(struct modelname, version), false},
    {"general.organization", "organization|model_organization", offsetof(struct modelname, organization), false},
    {"general.finetune", "finetune|model_finetune", offsetof(struct modelname, finetune), false},
    {"general.basename", "basename|model_basename|model_type", offsetof(struct modelname, basename), false},
    {"general.description", "description|model_description", NAME_NONE, false},
    {"general.quantized_by", "", NAME_NONE, false},
    {"general.size_label", "size_label|model_size_label", offsetof(struct modelname, size_label), false},
    {"general.license", "license", NAME_NONE, true},
    {"general.license.name", "license_name", NAME_NONE, false},
    {"general.license.link", "license_link", NAME_NONE, false},
    {"general.url", "", NAME_NONE, false},
    {"general.doi", "", NAME_NONE, false},
    {"general.uuid", "", NAME_NONE, false},
    {"general.repo_url", "", NAME_NONE, false},
    {"general.source.url", "url|model_url", NAME_NONE, false},
    {"general.source.doi", "doi|model_doi", NAME_NONE, false},
    {"general.source.uuid", "uuid|model_uuid", NAME_NONE, false},
    {"general.source.repo_url", "repo_url|model_repo_url", NAME_NONE, false},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* Members of the card that are lists, or may be; of origins the first that is there counts, of lists all. */
static const char *const origins[2][3] = {{"base_model", "base_models", "base_model_sources"}, {"datasets", "dataset", "dataset_sources"}};
static const char *const lists[2][2] = {{"tags", "pipeline_tag"}, {"languages", "language"}};

static bool is_one_of(const char *members, const char *member)
{
    const size_t size = strlen(member);
    for (const char *at = members; *at != '\0'; at += strcspn(at, "|"), at += *at == '|')
        if (strcspn(at, "|") == size && strncmp(at, member, size) == 0)
            return true;
    return false;
}

bool authorship_takes(const char *member)
{
    bool takes = false;
    for (size_t r = 0; r < ROWS; r++)
        takes = takes || is_one_of(rows[r].card, member);
    for (size_t k = 0; k < 2; k++) {
        for (size_t m = 0; m < 3; m++)
            takes = takes || strcmp(origins[k][m], member) == 0;
        for (size_t m = 0; m < 2; m++)
            takes = takes || strcmp(lists[k][m], member) == 0;
    }
    return takes;
}

/* The first of "a|b|c" that the card has as a text. */
static const char *card_text(const struct jsondoc *card, const char *members)
{
    char name[64];
    while (*members != '\0') {
        const size_t size = strcspn(members, "|");
        (void)snprintf(name, sizeof name, "%.*s", (int)size, members);
        const char *found = jsondoc_string(jsondoc_get(card, name));
        if (found != NULL)
            return found;
        members += size + (members[size] == '|');
    }
    return NULL;
}

static const char *row_text(const struct authorship *authorship, size_t r)
{
    if (strcmp(rows[r].key, "general.name") == 0 && authorship->stated != NULL)
        return authorship->stated;
    const char *text = rows[r].fixed ? NULL : jsondoc_string(jsondoc_get(authorship->overrides, rows[r].key));
    if (text == NULL)
        text = card_text(authorship->card, rows[r].card);
    if (text == NULL && rows[r].name != NAME_NONE)
        memcpy(&text, (const char *)&authorship->names + rows[r].name, sizeof text);
    return text;
}

const char *authorship_text(const struct authorship *authorship, const char *key)
{
    for (size_t r = 0; r < ROWS; r++)
        if (strcmp(rows[r].key, key) == 0)
            return row_text(authorship, r);
    return NULL;
}

/* --- models and datasets that it comes from -------------------------------------------------------------------------------------- */

static void set_part(struct ggufile_writer *kv, const char *kind, size_t index, const char *part, const char *value)
{
    char key[128];
    (void)snprintf(key, sizeof key, "general.%s.%zu.%s", kind, index, part);
    if (value != NULL)
        ggufile_write_string(kv, key, slice_of(value));
}

/* "org/name", or an address, at whose end there may be one. */
static enum status set_id(struct ggufile_writer *kv, const char *kind, size_t index, const char *id, uint64_t parameters, struct err *err)
{
    static const char hub[] = "https://huggingface.co/";
    struct arena arena = {0};
    struct modelname names = {0};
    const bool address = strncmp(id, "http://", 7) == 0 || strncmp(id, "https://", 8) == 0 || strncmp(id, "ssh://", 6) == 0;
    const char *hosted = strncmp(id, hub, sizeof hub - 1) == 0 ? id + sizeof hub - 1 : strncmp(id, "http://huggingface.co/", 22) == 0 ? id + 22 : NULL;
    const char *name = address ? hosted : id, *slash = name == NULL ? NULL : strchr(name, '/');
    if (address && (slash == NULL || slash == name || slash[1] == '\0' || strchr(slash + 1, '/') != NULL))
        name = NULL;
    enum status status = name == NULL ? STATUS_OK : modelname_parse(name, parameters, &arena, &names, err);
    if (status == STATUS_OK) {
        const char *url = address ? id : names.organization == NULL ? NULL : arena_format(&arena, err, "%s%s", hub, id);
        set_part(kv, kind, index, "name", names.title);
        set_part(kv, kind, index, "version", names.version);
        set_part(kv, kind, index, "organization", names.organization);
        set_part(kv, kind, index, "repo_url", url);
    }
    arena_free(&arena);
    return status;
}

static enum status set_origins(struct ggufile_writer *kv, const struct authorship *authorship, const char *kind, const char *const members[3],
                               const char *override, struct err *err)
{
    static const char *const parts[] = {"name", "author", "version", "organization", "description", "url", "doi", "uuid", "repo_url"};
    const struct jsondoc *given = jsondoc_get(authorship->overrides, override), *value = given;
    for (size_t m = 0; m < 3 && value == NULL; m++)
        value = jsondoc_get(authorship->card, members[m]);
    if (value == NULL || (given != NULL && jsondoc_kind(given) != JSONDOC_ARRAY))
        return STATUS_OK;
    const struct jsondoc *first = jsondoc_kind(value) == JSONDOC_STRING ? value : jsondoc_first(value);
    const bool one = first == value;
    uint32_t count = 0;
    char key[64];
    for (const struct jsondoc *at = first; at != NULL; at = one ? NULL : jsondoc_next(at))
        count++;
    (void)snprintf(key, sizeof key, "general.%s.count", kind);
    ggufile_write_u32(kv, key, count);
    size_t index = 0;
    for (const struct jsondoc *at = first; at != NULL; at = one ? NULL : jsondoc_next(at), index++) {
        if (jsondoc_string(at) != NULL)
            TRY(set_id(kv, kind, index, jsondoc_string(at), authorship->parameters, err));
        for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
            set_part(kv, kind, index, parts[p], jsondoc_string(jsondoc_get(at, parts[p])));
    }
    return STATUS_OK;
}

/* --- lists ------------------------------------------------------------------------------------------------------------------------ */

/* The texts of both members, or those of the override; with kv NULL they are only counted. */
static uint64_t each_text(struct ggufile_writer *kv, const struct jsondoc *const values[2])
{
    uint64_t count = 0;
    for (size_t l = 0; l < 2; l++) {
        const bool one = jsondoc_string(values[l]) != NULL;
        for (const struct jsondoc *at = one ? values[l] : jsondoc_first(values[l]); at != NULL; at = one ? NULL : jsondoc_next(at)) {
            if (jsondoc_string(at) == NULL)
                continue;
            count++;
            if (kv != NULL)
                ggufile_write_item(kv, slice_of(jsondoc_string(at)));
        }
    }
    return count;
}

static void set_list(struct ggufile_writer *kv, const struct authorship *authorship, const char *key, const char *const members[2])
{
    const struct jsondoc *given = jsondoc_get(authorship->overrides, key);
    const struct jsondoc *const values[2] = {given != NULL ? given : jsondoc_get(authorship->card, members[0]),
                                             given != NULL ? NULL : jsondoc_get(authorship->card, members[1])};
    const uint64_t count = each_text(NULL, values);
    if (count == 0)
        return;
    ggufile_write_strings(kv, key, count);
    (void)each_text(kv, values);
}

/* A list of licences is one text with commas. */
static enum status set_licenses(struct ggufile_writer *kv, const struct jsondoc *list, struct err *err)
{
    struct text text = {0};
    for (const struct jsondoc *at = jsondoc_first(list); at != NULL; at = jsondoc_next(at))
        text_format(&text, "%s%s", text.size > 0 ? "," : "", jsondoc_string(at) == NULL ? "" : jsondoc_string(at));
    const enum status status = text_check(&text, err);
    if (status == STATUS_OK && text.size > 0)
        ggufile_write_string(kv, "general.license", (struct slice){text.data, text.size});
    text_free(&text);
    return status;
}

enum status authorship_set(struct ggufile_writer *kv, const struct authorship *authorship, const char *size_label, struct err *err)
{
    for (size_t r = 0; r < ROWS; r++) {
        const char *text = row_text(authorship, r);
        if (text == NULL && strcmp(rows[r].key, "general.size_label") == 0)
            text = size_label;
        if (text == NULL && strcmp(rows[r].key, "general.license") == 0)
            TRY(set_licenses(kv, jsondoc_get(authorship->card, "license"), err));
        if (text != NULL && text[0] != '\0')
            ggufile_write_string(kv, rows[r].key, slice_of(text));
    }
    TRY(set_origins(kv, authorship, "base_model", origins[0], "general.base_models", err));
    TRY(set_origins(kv, authorship, "dataset", origins[1], "general.datasets", err));
    set_list(kv, authorship, "general.tags", lists[0]);
    set_list(kv, authorship, "general.languages", lists[1]);
    return STATUS_OK;
}
