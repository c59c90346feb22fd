#include "cli/report_types.h"

#include "base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEMS_MAX 96   /* names without their layer, of one type; families have some 20 */
#define RANGES_MAX 512 /* bytes of "0-3,5" */
#define LINE_WIDTH 140

/* "blk.LAYER.STEM": the tensors of one type that differ in the layer only. */
struct stem {
    struct slice name;
    bool layered;
    uint64_t first, last;    /* layers of the range that is open */
    char ranges[RANGES_MAX]; /* those that are closed */
};

struct stems {
    struct stem stem[STEMS_MAX];
    size_t count;
    uint64_t left_out; /* tensors for which there was no room */
};

/* Splits a name; ".weight" goes without saying. */
static struct stem stem_of(const char *name)
{
    struct stem stem = {.name = slice_of(name)};
    char *end = NULL;
    if (strncmp(name, "blk.", 4) == 0 && isdigit((unsigned char)name[4])) {
        stem.first = stem.last = strtoull(name + 4, &end, 10);
        stem.layered = *end == '.';
        stem.name = stem.layered ? slice_of(end + 1) : stem.name;
    }
    if (slice_ends(stem.name, ".weight"))
        stem.name.size -= strlen(".weight");
    return stem;
}

static void close_range(struct stem *stem)
{
    const size_t used = strlen(stem->ranges);
    char range[48];
    if (stem->first == stem->last)
        (void)snprintf(range, sizeof range, "%s%llu", used > 0 ? "," : "", (unsigned long long)stem->first);
    else
        (void)snprintf(range, sizeof range, "%s%llu-%llu", used > 0 ? "," : "", (unsigned long long)stem->first, (unsigned long long)stem->last);
    if (used + strlen(range) + 4 < RANGES_MAX)
        memcpy(stem->ranges + used, range, strlen(range) + 1);
    else if (used + 4 < RANGES_MAX && strcmp(stem->ranges + used - 3, "...") != 0)
        memcpy(stem->ranges + used, "...", 4);
}

static void add(struct stems *stems, const char *name)
{
    const struct stem next = stem_of(name);
    for (size_t s = 0; s < stems->count; s++) {
        struct stem *stem = &stems->stem[s];
        if (stem->layered != next.layered || !slice_equal(stem->name, next.name))
            continue;
        if (next.first != stem->last + 1) {
            close_range(stem);
            stem->first = next.first;
        }
        stem->last = next.first;
        return;
    }
    if (stems->count == STEMS_MAX)
        stems->left_out++;
    else
        stems->stem[stems->count++] = next;
}

static int by_ranges_and_name(const void *a, const void *b)
{
    const struct stem *left = a, *right = b;
    if (left->layered != right->layered)
        return left->layered ? 1 : -1;
    const int ranges = strcmp(left->ranges, right->ranges);
    const size_t size = left->name.size < right->name.size ? left->name.size : right->name.size;
    const int name = memcmp(left->name.data, right->name.data, size);
    return ranges != 0 ? ranges : name != 0 ? name : left->name.size < right->name.size ? -1 : 1;
}

static void print_stems(struct stems *stems)
{
    int width = 0;
    for (size_t s = 0; s < stems->count; s++)
        if (stems->stem[s].layered)
            close_range(&stems->stem[s]);
    qsort(stems->stem, stems->count, sizeof stems->stem[0], by_ranges_and_name);
    for (size_t s = 0; s < stems->count; s++) {
        const struct stem *stem = &stems->stem[s], *before = s == 0 ? NULL : stem - 1;
        const bool same = before != NULL && before->layered == stem->layered && strcmp(before->ranges, stem->ranges) == 0;
        const bool fits = same && width + (int)stem->name.size + 2 <= LINE_WIDTH;
        if (fits)
            width += printf(", %.*s", (int)stem->name.size, stem->name.data);
        else {
            (void)printf("%s", s == 0 ? "" : same ? ",\n" : "\n");
            width = stem->layered && !same ? printf("          blk.%s: ", stem->ranges) : printf("          ");
            width += printf("%.*s", (int)stem->name.size, stem->name.data);
        }
    }
    (void)printf("\n");
    if (stems->left_out > 0)
        (void)printf("          and %llu more (--dry-run lists all)\n", (unsigned long long)stems->left_out);
}

/* What stands in another order than in the source: a line for inputs and one for the rows that make them. */
static void print_moved(const struct plan *plan, enum moved moved, const char *what)
{
    struct stems stems = {0};
    for (size_t t = 0; t < plan->tensor_count; t++)
        if (plan->tensor[t].moved == moved)
            add(&stems, plan->tensor[t].name);
    if (stems.count == 0)
        return;
    (void)printf("%s\n", what);
    print_stems(&stems);
}

void report_types_text(const struct plan *plan)
{
    char size[32];
    for (int type = 0; plan->arrangement != NULL && type < GGML_COUNT; type++) {
        struct stems stems = {0};
        uint64_t count = 0, bytes = 0;
        for (size_t t = 0; t < plan->tensor_count; t++) {
            if ((int)plan->tensor[t].type != type)
                continue;
            add(&stems, plan->tensor[t].name);
            bytes += plan->tensor[t].bytes;
            count++;
        }
        if (count == 0)
            continue;
        (void)printf("type      %-8s %llu tensor%s, %s\n", ggml_name((enum ggml_type)type), (unsigned long long)count, count == 1 ? "" : "s",
                     text_bytes(bytes, size));
        print_stems(&stems);
    }
    print_moved(plan, MOVED_INPUTS, "order     inputs in the order of their groups:");
    print_moved(plan, MOVED_ROWS, "          rows that make these inputs, in the same order:");
}
