/* Replays a corpus through one harness in an ordinary program: every argument is a file or a directory of files.
 *
 *   fuzz_json CORPUS-DIR [FILE...]        prints "N passed, N failed"; an input that breaks the harness ends the program by a signal
 *
 * The name of the input is printed before it is run, so that the last line names the culprit. */
#include "harness.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX (16 << 20)

static bool replay(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(INPUT_BYTES_MAX);
    if (file == NULL || data == NULL) {
        fprintf(stderr, "cannot read %s\n", path);
        if (file != NULL)
            (void)fclose(file);
        free(data);
        return false;
    }
    const size_t size = fread(data, 1, INPUT_BYTES_MAX, file);
    const bool whole = feof(file) != 0 && ferror(file) == 0;
    (void)fclose(file);
    uint8_t *exact = realloc(data, size > 0 ? size : 1); /* so that a sanitizer sees a read past the end */
    printf("%s\n", path);
    (void)fflush(stdout);
    if (exact != NULL && whole)
        (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return exact != NULL && whole;
}

static void replay_all(const char *path, unsigned *passed, unsigned *failed)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) {
        ++*(replay(path) ? passed : failed);
        return;
    }
    struct dirent **entry;
    const int count = scandir(path, &entry, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        char inner[4096];
        const bool fits = snprintf(inner, sizeof inner, "%s/%s", path, entry[i]->d_name) < (int)sizeof inner;
        if (entry[i]->d_name[0] != '.')
            ++*(fits && replay(inner) ? passed : failed);
        free(entry[i]);
    }
    if (count >= 0)
        free(entry);
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    for (int i = 1; i < argc; i++)
        replay_all(argv[i], &passed, &failed);
    if (passed + failed == 0) {
        fprintf(stderr, "no input in the corpus\n");
        failed = 1;
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
