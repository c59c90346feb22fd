#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"
#include "plan/inventory.h"

#include <inttypes.h>
#include <stdio.h>

struct index_options {
    bool check, write, json;
};

#define INDEX_ROWS(o) \
    { \
        {"--check", ARGUMENT_FLAG, &(o)->check, NULL, "compare and exit 1 on any difference (the default)"}, \
        {"--write", ARGUMENT_FLAG, &(o)->write, NULL, "rewrite the index atomically; its other members are kept"}, \
        {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the result as one JSON object on stdout"}, \
    }

void command_index_help(void)
{
    struct index_options options;
    const struct argument rows[] = INDEX_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

static void print_text(const struct inventory *inventory, bool written)
{
    for (size_t f = 0; f < inventory->finding_count; f++)
        (void)printf("%-13s %s: %s\n", inventory_finding_name(inventory->finding[f].kind), inventory->finding[f].what, inventory->finding[f].text);
    (void)printf("%s: %zu tensors in %zu shards, %" PRIu64 " bytes, %zu differences%s\n", inventory->index_name, inventory->tensors, inventory->shards,
                 inventory->total_size, inventory->finding_count, written ? "; written" : "");
}

static void print_json(const struct inventory *inventory, bool written)
{
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_string(&emit, "index", inventory->index_name);
    emit_bool(&emit, "present", inventory->has_index);
    emit_u64(&emit, "shards", inventory->shards);
    emit_u64(&emit, "tensors", inventory->tensors);
    emit_u64(&emit, "total_size", inventory->total_size);
    emit_bool(&emit, "written", written);
    emit_array(&emit, "findings", false);
    for (size_t f = 0; f < inventory->finding_count; f++) {
        emit_object(&emit, NULL, true);
        emit_string(&emit, "kind", inventory_finding_name(inventory->finding[f].kind));
        emit_string(&emit, "what", inventory->finding[f].what);
        emit_string(&emit, "text", inventory->finding[f].text);
        emit_end(&emit, '}');
    }
    emit_end(&emit, ']');
    emit_end(&emit, '}');
}

enum status command_index(struct session *session, int argc, char **argv, struct err *err)
{
    struct index_options options = {0};
    const struct argument rows[] = INDEX_ROWS(&options);
    const char *path[1];
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], path, 1, "repaq index DIR [--check | --write]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (places < 1 || (options.check && options.write)) {
        (void)err_set(err, STATUS_USAGE, "index", places < 1 ? "found no DIR" : "found both --check and --write");
        return err_try(err, "%s", arguments.usage);
    }
    struct inventory inventory;
    enum status status = inventory_make(&inventory, session->resources.ops, path[0], err);
    if (status == STATUS_OK && options.write)
        status = inventory_write(&inventory, session->resources.ops, path[0], err);
    if (status == STATUS_OK) {
        if (options.json)
            print_json(&inventory, options.write);
        else
            print_text(&inventory, options.write);
        status = inventory.finding_count > 0 && !options.write ? STATUS_DIFFERS : STATUS_OK;
    }
    inventory_free(&inventory);
    return status;
}
