#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "formats/registry.h"
#include "plan/compare.h"
#include "plan/experts.h"
#include "plan/integrity.h"
#include "plan/reorder.h"

#include <stdio.h>

struct verify_options {
    bool exact, json;
    enum zero_rule zeros;
    double tolerance;
    unsigned threads;
};

#define VERIFY_ROWS(o) \
    { \
        {"--exact", ARGUMENT_FLAG, &(o)->exact, NULL, "rounded scales count as differences"}, \
        {"--tolerance", ARGUMENT_REAL, &(o)->tolerance, "REL", "values may differ by REL * max|a| of their tensor"}, \
        {"--gptq-zeros", ARGUMENT_ZEROS, &(o)->zeros, "RULE", "word-add, field-mod or no-mask: how an ambiguous GPTQ v1 zero is read"}, \
        {"--threads", ARGUMENT_COUNT, &(o)->threads, "N", "default: all processors (REPAQ_THREADS)"}, \
        {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the result as one JSON object on stdout"}, \
    }

void command_verify_help(void)
{
    struct verify_options options;
    const struct argument rows[] = VERIFY_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* One of the two checkpoints, open. */
struct checkpoint {
    struct source source;
    struct model model;
    struct bid bid;
    struct fetch fetch;
    struct integrity integrity;
};

static enum status open_checkpoint(struct checkpoint *checkpoint, const struct session *session, const struct verify_options *options,
                                   const char *path, struct err *err)
{
    TRY(source_open(&checkpoint->source, session->resources.ops, path, err));
    TRY(registry_read(&checkpoint->source, NULL, (struct read_options){.v1_rule = options->zeros}, &checkpoint->model, &checkpoint->bid, err));
    TRY(fetch_open(&checkpoint->fetch, session->resources.ops, &checkpoint->model, err));
    return integrity_check(&checkpoint->integrity, &checkpoint->fetch, &session->resources, err);
}

static void close_checkpoint(struct checkpoint *checkpoint)
{
    fetch_close(&checkpoint->fetch);
    model_free(&checkpoint->model);
    source_close(&checkpoint->source);
}

static void print_text(const struct checkpoint *side, const char *const *path, const struct comparison *comparison, size_t moved)
{
    for (size_t i = 0; i < 2; i++) {
        (void)printf("%c  %s (%s)", (char)('a' + (int)i), path[i], side[i].model.format);
        if (side[i].integrity.checked > 0)
            (void)printf(", %zu of %zu hashes of its manifest hold", side[i].integrity.checked - side[i].integrity.damaged, side[i].integrity.checked);
        (void)printf("\n");
    }
    (void)printf("%zu equal, %zu rounded, %zu different, %zu missing\n", comparison->count_of[VERDICT_EQUAL], comparison->count_of[VERDICT_ROUNDED],
                 comparison->count_of[VERDICT_DIFFERS], comparison->count_of[VERDICT_MISSING]);
    if (moved > 0)
        (void)printf("%zu weights have their inputs in activation order on one side, in the order of their groups on the other, and rows that follow\n", moved);
    if (comparison->count_of[VERDICT_ROUNDED] > 0)
        (void)printf("largest relative rounding error %.3g\n", comparison->max_relative);
    for (size_t i = 0; i < 2; i++)
        if (side[i].integrity.damaged > 0)
            (void)printf("%s: %s does not have the hash that its manifest lists\n", path[i], side[i].integrity.first);
    if (comparison->first == NULL)
        return;
    (void)printf("first difference: %s: %s\n", comparison->first->name, comparison->first->first);
    (void)printf("differences: %llu codes, %llu zeros, %llu scales, %llu values", (unsigned long long)comparison->codes,
                 (unsigned long long)comparison->zeros, (unsigned long long)comparison->scales, (unsigned long long)comparison->values);
    if (comparison->activations > 0)
        (void)printf(", %llu activation parameters", (unsigned long long)comparison->activations);
    (void)printf("\n");
}

static void emit_pair(struct emit *emit, const struct pair *pair)
{
    emit_object(emit, NULL, true);
    emit_string(emit, "name", pair->name);
    emit_string(emit, "verdict", compare_verdict_name(pair->verdict));
    emit_u64(emit, "codes", pair->codes);
    emit_u64(emit, "zeros", pair->zeros);
    emit_u64(emit, "scales", pair->scales);
    emit_u64(emit, "values", pair->values);
    emit_u64(emit, "activations", pair->activations);
    emit_double(emit, "max_relative_error", pair->max_relative);
    emit_string(emit, "first", pair->first[0] == '\0' ? NULL : pair->first);
    emit_end(emit, '}');
}

static void print_json(const struct checkpoint *side, const char *const *path, const struct comparison *comparison, size_t moved, bool equal)
{
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_bool(&emit, "equal", equal);
    emit_u64(&emit, "moved", moved);
    emit_array(&emit, "checkpoints", false);
    for (size_t i = 0; i < 2; i++) {
        emit_object(&emit, NULL, true);
        emit_string(&emit, "path", path[i]);
        emit_string(&emit, "format", side[i].model.format);
        emit_u64(&emit, "hashes_checked", side[i].integrity.checked);
        emit_u64(&emit, "hashes_wrong", side[i].integrity.damaged);
        emit_end(&emit, '}');
    }
    emit_end(&emit, ']');
    emit_object(&emit, "counts", true);
    for (int v = 0; v < VERDICT_COUNT; v++)
        emit_u64(&emit, compare_verdict_name((enum verdict)v), comparison->count_of[v]);
    emit_end(&emit, '}');
    emit_object(&emit, "differences", true);
    emit_u64(&emit, "codes", comparison->codes);
    emit_u64(&emit, "zeros", comparison->zeros);
    emit_u64(&emit, "scales", comparison->scales);
    emit_u64(&emit, "values", comparison->values);
    emit_u64(&emit, "activations", comparison->activations);
    emit_end(&emit, '}');
    emit_double(&emit, "max_relative_error", comparison->max_relative);
    emit_array(&emit, "pairs", false);
    for (size_t i = 0; i < comparison->count; i++)
        emit_pair(&emit, &comparison->pair[i]);
    emit_end(&emit, ']');
    emit_end(&emit, '}');
}

/* What one side has in another order than the other, though it is the same model. */
static enum status put_in_order(struct checkpoint side[2], size_t *moved, struct err *err)
{
    const struct reorder_side a = {&side[0].model, &side[0].fetch}, b = {&side[1].model, &side[1].fetch};
    size_t other;
    TRY(reorder_meet(a, b, moved, err));
    TRY(reorder_meet(b, a, &other, err));
    *moved += other;
    return STATUS_OK;
}

static enum status verify(struct session *session, const struct verify_options *options, const char *const *path, struct err *err)
{
    struct checkpoint side[2] = {0};
    struct comparison comparison = {0};
    const struct compare_options compare = {.exact = options->exact, .tolerance = options->tolerance};
    enum status status = STATUS_OK;
    size_t moved = 0;
    /* The second first: it is the one with a manifest, whose text is gone before the other model is read. */
    for (size_t i = 2; i > 0 && status == STATUS_OK; i--)
        status = open_checkpoint(&side[i - 1], session, options, path[i - 1], err);
    if (status == STATUS_OK && options->zeros != ZERO_PLAIN && registry_find(side[0].model.format)->zero_rule == ZERO_PLAIN &&
        registry_find(side[1].model.format)->zero_rule == ZERO_PLAIN) {
        (void)err_set(err, STATUS_USAGE, "--gptq-zeros", "found it with %s and %s, expected GPTQ v1: other zeros are stored in one way",
                      side[0].model.format, side[1].model.format);
        status = err_try(err, "leave it out");
    }
    if (status == STATUS_OK)
        status = experts_meet(&side[0].model, &side[1].model, err);
    if (status == STATUS_OK)
        status = put_in_order(side, &moved, err);
    if (status == STATUS_OK)
        status = compare_models(&comparison, &side[0].fetch, &side[1].fetch, &compare, &session->resources, err);
    if (status == STATUS_OK) {
        const bool equal = comparison.first == NULL && side[0].integrity.damaged + side[1].integrity.damaged == 0;
        if (options->json)
            print_json(side, path, &comparison, moved, equal);
        else
            print_text(side, path, &comparison, moved);
        status = equal ? STATUS_OK : STATUS_DIFFERS;
    }
    compare_free(&comparison);
    for (size_t i = 0; i < 2; i++)
        close_checkpoint(&side[i]);
    return status;
}

enum status command_verify(struct session *session, int argc, char **argv, struct err *err)
{
    struct verify_options options = {.tolerance = -1};
    const struct argument rows[] = VERIFY_ROWS(&options);
    const char *path[2];
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], path, 2, "repaq verify A B [--exact] [--tolerance REL] [--json]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (places < 2) {
        (void)err_set(err, STATUS_USAGE, "verify", "found %zu of two checkpoints", places);
        return err_try(err, "%s", arguments.usage);
    }
    if (options.threads > 0)
        session->resources.threads = options.threads;
    TRY(command_check_resources(session, "--threads", err));
    return verify(session, &options, path, err);
}
