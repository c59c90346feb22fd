/* repaq bundle: see plan/bundle.h. */
#include "cli/arguments.h"
#include "cli/command.h"
#include "plan/bundle.h"

#include <stdio.h>

struct bundle_options {
    bool force;
};

#define ROWS(o) \
    { \
        {"--force", ARGUMENT_FLAG, &(o)->force, NULL, "replace what is there (atomically)"}, \
    }

void command_bundle_help(void)
{
    struct bundle_options options;
    const struct argument rows[] = ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

enum status command_bundle(struct session *session, int argc, char **argv, struct err *err)
{
    struct bundle_options options = {0};
    const struct argument rows[] = ROWS(&options);
    const char *places[2];
    size_t count;
    struct bundle bundle;
    char content[32], stored[32];
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], places, 2, "repaq bundle DIR FILE.zip", false};
    TRY(arguments_parse(&arguments, argc, argv, &count, err));
    if (count != 2) {
        (void)err_set(err, STATUS_USAGE, "bundle", "found %zu names, expected two", count);
        return err_try(err, "%s", arguments.usage);
    }
    TRY(bundle_pack(&bundle, &session->resources, places[0], places[1], options.force, err));
    (void)printf("written   %s: %zu files of %s, %s in the archive\n", places[1], bundle.files, text_bytes(bundle.content, content),
                 text_bytes(bundle.stored, stored));
    if (bundle.hidden > 0)
        (void)fprintf(stderr, "repaq: note: %zu hidden names stay behind\n", bundle.hidden);
    if (bundle.empty > 0)
        (void)fprintf(stderr, "repaq: note: %zu empty directories stay behind\n", bundle.empty);
    if (bundle.strange > 0)
        (void)fprintf(stderr, "repaq: note: %zu names that are no files (sockets, pipes, devices) stay behind\n", bundle.strange);
    return STATUS_OK;
}
