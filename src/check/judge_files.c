/* E0, E1 (damage), E2, E3, E25: what lies in the directory. */
#include "check/remedy.h"
#include "check/rules.h"
#include "check/spread.h"
#include "plan/gap_source.h"
#include "plan/inventory.h"

#include <string.h>

enum status judge_files_format(struct subject *subject, struct err *err)
{
    char formats[200];
    const struct acceptance *accepts = subject->accepts;
    const char *name = engines_encoding_name(subject->encoding);
    if (subject->encoding == ENCODING_COUNT) /* judge_files_readable says why */
        return STATUS_OK;
    if (accepts != NULL && accepts->note_severity == SEVERITY_PASS)
        return STATUS_OK;
    const char *expected = subject_text(subject, err, "one of: %s", engines_formats(subject->engine, formats, sizeof formats));
    if (accepts == NULL)
        return subject_report(subject, (struct remark){SEVERITY_FAIL, subject->source.path,
                              subject_text(subject, err, "%s, which %s does not load", name, subject->row->title), expected,
                              remedy_convert(subject, NULL, err), 0}, err);
    return subject_report(subject, (struct remark){accepts->note_severity, subject->source.path,
                          subject_text(subject, err, "%s, which %s loads thus: it %s", name, subject->row->title, accepts->note), expected,
                          accepts->note_severity >= SEVERITY_FAIL ? remedy_convert(subject, NULL, err) : NULL, 0}, err);
}

enum status judge_files_damage(struct subject *subject, struct err *err)
{
    const struct headers *headers = &subject->headers;
    for (size_t f = 0; f < headers->model.file_count; f++) {
        if (headers->file[f].damage == NULL)
            continue;
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, headers->file[f].name, subject_text(subject, err, "damage: %s",
                           headers->file[f].damage->what),
                           "a whole file", "download or copy the file again", 0}, err));
    }
    return STATUS_OK;
}

/* --- E2 --------------------------------------------------------------------------------------------------------------------- */

#define UNREAD FINDING_COUNT /* UNLISTED, and its shard is not listed either */

/* By what the engine does with an index (formats/engines.md sections 1.1, 3.3 and 5). */
static const struct {
    enum severity severity[INDEX_HABIT_COUNT];
    const char *expected;
} index_verdicts[] = {
    [FINDING_NO_INDEX] = {{SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL}, "an index of the shards"},
    [FINDING_MISSING_SHARD] = {{SEVERITY_SILENT, SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL}, "the file that the index names"},
    [FINDING_STALE] = {{SEVERITY_SILENT, SEVERITY_SILENT, SEVERITY_FAIL, SEVERITY_FAIL}, "every listed tensor in its shard"},
    [FINDING_WRONG_SHARD] = {{SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL}, "the shard that holds it"},
    [FINDING_UNLISTED] = {{SEVERITY_WARN, SEVERITY_WARN, SEVERITY_FAIL, SEVERITY_WARN}, "every tensor in the index"},
    [FINDING_DUPLICATE] = {{SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL, SEVERITY_FAIL}, "one place for every tensor: loaders take either"},
    [FINDING_TOTAL_SIZE] = {{SEVERITY_WARN, SEVERITY_WARN, SEVERITY_WARN, SEVERITY_WARN}, "the sum of all tensors"},
    [UNREAD] = {{SEVERITY_SILENT, SEVERITY_SILENT, SEVERITY_FAIL, SEVERITY_WARN},
                "every tensor in the index: loaders that go by it never open this shard"},
};
_Static_assert(sizeof index_verdicts / sizeof index_verdicts[0] == FINDING_COUNT + 1, "a verdict a kind");

static enum status report_unlisted(struct subject *subject, const struct inventory *inventory, const struct spread *spread, int kind, struct err *err)
{
    if (spread->count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){index_verdicts[kind].severity[subject->row->index], spread_text(spread, subject, err),
                          subject_text(subject, err, "a tensor that %s does not list", inventory->index_name), index_verdicts[kind].expected,
                          "repaq index DIR --write", 0}, err);
}

static enum status judge_index(struct subject *subject, const struct inventory *inventory, struct err *err)
{
    struct spread unlisted = {0}, unread = {0};
    for (size_t f = 0; f < inventory->finding_count; f++) {
        const struct finding *finding = &inventory->finding[f];
        const bool lost = finding->kind == FINDING_MISSING_SHARD || finding->kind == FINDING_STALE;
        if (finding->kind == FINDING_UNLISTED) {
            struct spread *spread = finding->left_out ? &unread : &unlisted;
            spread_add(spread, spread->count == 0 ? subject_text(subject, err, "%s", finding->what) : NULL);
            continue;
        }
        TRY(subject_report(subject, (struct remark){index_verdicts[finding->kind].severity[subject->row->index],
                           subject_text(subject, err, "%s", finding->what),
                           subject_text(subject, err, "%s (%s in %s)", subject_found(finding->text), inventory_finding_name(finding->kind),
                           inventory->index_name),
                           index_verdicts[finding->kind].expected, lost ? "fetch the checkpoint again" : "repaq index DIR --write", 0}, err));
    }
    TRY(report_unlisted(subject, inventory, &unlisted, FINDING_UNLISTED, err));
    return report_unlisted(subject, inventory, &unread, UNREAD, err);
}

enum status judge_files_index(struct subject *subject, struct err *err)
{
    struct err why = {0};
    struct inventory inventory;
    if (subject->open_error.status != STATUS_OK)
        return subject_report(subject, (struct remark){SEVERITY_FAIL, subject->source.path, subject_found(subject->open_error.what), "one index",
            "remove the stale one", 0},
            err);
    if (subject->source.only != NULL || subject->index_count > 1 || subject->headers.damaged || subject->source.kind != &shards_safetensors ||
        subject->source.overlay.below != NULL)
        return STATUS_OK; /* an index of torch files, or of a bundle, was held against them when they were read */
    enum status status = inventory_make(&inventory, subject->source.ops, subject->source.dir, &why);
    if (status == STATUS_OK)
        status = judge_index(subject, &inventory, err);
    else if (status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED)
        status = subject_report(subject, (struct remark){SEVERITY_FAIL, subject_text(subject, err, "%s", why.where), subject_text(subject, err, "%s",
                                subject_found(why.what)),
                                "an index that names the shards beside it", "repaq index DIR --write", 0}, err);
    else
        *err = why;
    inventory_free(&inventory);
    return status;
}

enum status judge_files_names(struct subject *subject, struct err *err)
{
    const struct engine *row = subject->row;
    const struct headers *headers = &subject->headers;
    if (row->stem == NULL || subject->source.kind != &shards_safetensors)
        return STATUS_OK;
    for (size_t f = 0; f < headers->model.file_count; f++) {
        const struct slice name = slice_of(headers->file[f].name);
        if (slice_starts(name, row->stem) || (row->other_stem != NULL && slice_starts(name, row->other_stem)))
            continue;
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, headers->file[f].name, subject_text(subject, err, "a name that %s does not look for",
                           row->title),
                           subject_text(subject, err, "%s*.safetensors%s%s%s", row->stem, row->other_stem == NULL ? "" : " or ",
                                        row->other_stem == NULL ? "" : row->other_stem, row->other_stem == NULL ? "" : "*.safetensors"),
                           "rename the file, and in the index as well", 0}, err));
    }
    return STATUS_OK;
}

/* --- E3 --------------------------------------------------------------------------------------------------------------------- */

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

enum status judge_files_metadata(struct subject *subject, struct err *err)
{
    static const char *const known[] = {"pt", "tf", "flax", "mlx"};
    const struct headers *headers = &subject->headers;
    const bool accelerate = (subject->row->traits & TRAIT_METADATA_PT) != 0;
    if (!accelerate && (subject->row->traits & TRAIT_METADATA_KNOWN) == 0)
        return STATUS_OK;
    const char *expected = accelerate ? "\"pt\"" : "\"pt\", or none";
    for (size_t f = 0; f < headers->model.file_count; f++) {
        const char *format = headers->file[f].format;
        const bool good = format == NULL ? !accelerate : accelerate ? strcmp(format, "pt") == 0 : is_one_of(format, known, 4);
        if (good || headers->file[f].damage != NULL)
            continue;
        const char *found = format == NULL ? "no __metadata__.format" : subject_text(subject, err, "__metadata__.format \"%s\"", format);
        TRY(subject_report(subject, (struct remark){format == NULL ? SEVERITY_WARN : SEVERITY_FAIL, headers->file[f].name, found, expected,
                           remedy_rewrite(subject, err), 0}, err));
    }
    return STATUS_OK;
}

enum status judge_files_dtypes(struct subject *subject, struct err *err)
{
    static const enum dtype unknown[] = {DTYPE_F64, DTYPE_F8_E5M2, DTYPE_F4, DTYPE_F6_E2M3, DTYPE_F6_E3M2};
    struct spread found = {0};
    const struct model *model = &subject->headers.model;
    for (size_t t = 0; t < model->tensor_count; t++)
        for (size_t d = 0; d < sizeof unknown / sizeof unknown[0]; d++)
            if (model->tensor[t].dtype == unknown[d])
                spread_add(&found, model->tensor[t].name);
    if (found.count == 0)
        return STATUS_OK;
    return subject_report(subject, (struct remark){SEVERITY_FAIL, spread_text(&found, subject, err), "a dtype that the reader throws at",
                          "no F64, F8_E5M2, F6 or F4", subject->model.weight_count > 0 ? remedy_convert(subject, NULL, err) : NULL, 0}, err);
}

/* --- E25 -------------------------------------------------------------------------------------------------------------------- */

static enum status want_file(struct subject *subject, const char *found, const char *expected, struct err *err)
{
    return subject_report(subject, (struct remark){SEVERITY_WARN, subject->source.path, found, expected, "copy it from the float model", 0}, err);
}

/* "module--File.Class" or "file.Class" names file.py. */
static enum status want_code(struct subject *subject, const char *entry, struct err *err)
{
    const char *dot = strchr(entry, '.');
    if (dot == NULL || strstr(entry, "--") != NULL) /* of another repository */
        return STATUS_OK;
    const char *file = subject_text(subject, err, "%.*s.py", (int)(dot - entry), entry);
    if (file == NULL || source_has(&subject->source, file))
        return file == NULL ? STATUS_LIMIT : STATUS_OK;
    return want_file(subject, subject_text(subject, err, "no %s, which auto_map names", file), "the model's code", err);
}

enum status judge_files_side(struct subject *subject, struct err *err)
{
    static const char *const tokenizers[] = {"tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "tiktoken.model", "spiece.model"};
    const struct source *source = &subject->source;
    bool tokenizer = (subject->row->traits & TRAIT_TOKENIZER) == 0;
    for (size_t i = 0; i < sizeof tokenizers / sizeof tokenizers[0]; i++)
        tokenizer = tokenizer || source_has(source, tokenizers[i]) || source_match(source, "", ".tiktoken") != NULL;
    if (subject->config == NULL && subject->config_error.status == STATUS_OK)
        TRY(subject_report(subject, (struct remark){SEVERITY_FAIL, source->path, "no config.json", "the model's config.json", "copy it from the float model",
            0}, err));
    if (!tokenizer)
        TRY(want_file(subject, "no tokenizer files", "tokenizer.json, tokenizer.model or vocab.json", err));
    else if ((subject->row->traits & TRAIT_TOKENIZER) != 0 && !source_has(source, "tokenizer_config.json"))
        TRY(want_file(subject, "no tokenizer_config.json", "the tokenizer's settings and chat template", err));
    const struct jsondoc *map = jsondoc_get(subject->config, "auto_map");
    for (const struct jsondoc *entry = jsondoc_first(map); entry != NULL; entry = jsondoc_next(entry)) {
        if (jsondoc_string(entry) != NULL)
            TRY(want_code(subject, jsondoc_string(entry), err));
        for (const struct jsondoc *item = jsondoc_first(entry); item != NULL; item = jsondoc_next(item))
            if (jsondoc_string(item) != NULL)
                TRY(want_code(subject, jsondoc_string(item), err));
    }
    return STATUS_OK;
}

/* --- E0 --------------------------------------------------------------------------------------------------------------------- */

/* Another rule has reported the refusal by its id: "(R-CONFLICT)". */
static bool is_reported(const struct findings *findings, const struct err *why)
{
    char id[40];
    const char *at = strstr(why->what, "(R-"), *end = at == NULL ? NULL : strchr(at, ')');
    if (end == NULL || (size_t)(end - at) + 2 > sizeof id)
        return false;
    memcpy(id, at, (size_t)(end - at) + 1);
    id[end - at + 1] = '\0';
    for (size_t f = 0; f < findings->count; f++)
        if (strstr(findings->remark[f].found, id) != NULL)
            return true;
    return false;
}

/* What a conversion refuses of a weight's parameters and no rule has named: they contradict the config, or themselves. */
static enum status report_contradictions(struct subject *subject, struct err *err)
{
    for (uint32_t w = 0; subject->surveyed && w < subject->model.weight_count; w++) {
        struct err why = {0};
        if (gap_source_check(&subject->model, w, &subject->survey.weight[w], &why) != STATUS_CORRUPT || is_reported(&subject->findings, &why))
            continue;
        TRY(subject_report_error(subject, &why, SEVERITY_FAIL, err));
    }
    return STATUS_OK;
}

enum status judge_files_readable(struct subject *subject, struct err *err)
{
    /* Where another rule has named the fault, or the format is one that repaq only knows by name, this is no more than the reason why weights were not
     * looked at. */
    const bool named = findings_refuse(&subject->findings) || subject->read_error.status == STATUS_UNSUPPORTED;
    TRY(subject_report_error(subject, &subject->config_error, SEVERITY_FAIL, err));
    for (size_t i = 0; i < SUBJECT_SIDE_FILES; i++)
        TRY(subject_report_error(subject, &subject->side_error[i], SEVERITY_FAIL, err));
    TRY(subject_report_error(subject, &subject->described_error, SEVERITY_FAIL, err));
    const bool undescribed = subject->encoding == ENCODING_COUNT && subject->settings == NULL;
    if (!named || !is_reported(&subject->findings, &subject->read_error))
        TRY(subject_report_error(subject, &subject->read_error, named && !undescribed ? SEVERITY_WARN : SEVERITY_FAIL, err));
    TRY(subject_report_error(subject, &subject->survey_error, SEVERITY_FAIL, err));
    return report_contradictions(subject, err);
}
