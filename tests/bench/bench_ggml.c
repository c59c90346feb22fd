/* Processor time of ggml's block types: this program's kernels against ggml's own in one run, one thread, alternating, and the bytes compared. LIBRARY is
 * libggml-base.so of a llama.cpp built with its default release options; without it the plain code of this program stands in its place.
 *
 *     cmake --build build --target repaq_lib
 *     gcc -O2 -std=c17 -D_GNU_SOURCE -Isrc tests/bench/bench_ggml.c build/librepaq.a -o /tmp/bench_ggml -ldl -lm
 *     /tmp/bench_ggml [LIBRARY [TYPE ...]]
 *
 * A type has three lines of work: quantize, quantize with importances, dequantize. Each is repeated in pairs until it has lasted a while; the ratio is the
 * median of those of the pairs, MB are F32 values a second of ours. Values are normally distributed, as weights of a model nearly are. */
#include "codec/ggml_codec.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define COLUMNS 4096
#define ROWS 24
#define ELEMENTS (COLUMNS * ROWS)
#define PAIRS_MAX 101

typedef size_t quantize_chunk(int type, const float *from, void *to, int64_t start, int64_t rows, int64_t columns, const float *importance);
typedef void dequantize_row(const void *from, float *to, int64_t elements);

struct theirs {
    void *library; /* NULL: the plain code */
    quantize_chunk *quantize;
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static float *values, *importance, *back[2];
static uint8_t *blocks[2];
static struct ggml_grids grids;

static float uniform(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (float)((*state >> 40) + 1) * 0x1p-24f;
}

static int prepare(void)
{
    uint64_t state = 1;
    values = malloc(ELEMENTS * sizeof *values);
    importance = malloc(COLUMNS * sizeof *importance);
    for (int side = 0; side < 2; side++) {
        blocks[side] = malloc(ELEMENTS * sizeof(float));
        back[side] = malloc(ELEMENTS * sizeof(float));
        if (blocks[side] == NULL || back[side] == NULL)
            return 0;
    }
    if (values == NULL || importance == NULL)
        return 0;
    for (int i = 0; i < ELEMENTS; i++)
        values[i] = 0.02f * sqrtf(-2 * logf(uniform(&state))) * cosf(6.2831853f * uniform(&state));
    for (int i = 0; i < COLUMNS; i++)
        importance[i] = -logf(uniform(&state));
    return 1;
}

/* --- one piece of work, by either side -------------------------------------------------------------------------------------- */

enum work { QUANTIZE, WEIGHTED, DEQUANTIZE, WORKS };

static int ours(enum ggml_type type, enum work work, bool plain, int side)
{
    uint64_t row_bytes;
    if (!ggml_row_bytes(type, COLUMNS, &row_bytes))
        return 0;
    if (work == DEQUANTIZE && plain)
        ggml_codec_dequantize_with(NULL, type, blocks[0], ELEMENTS, back[side]);
    else if (work == DEQUANTIZE)
        ggml_codec_dequantize(type, blocks[0], ELEMENTS, back[side]);
    for (int r = 0; r < ROWS && work != DEQUANTIZE; r++) {
        const struct ggml_codec_row row = {values + r * COLUMNS, work == WEIGHTED ? importance : NULL, COLUMNS};
        uint8_t *to = blocks[side] + (uint64_t)r * row_bytes;
        if (!(plain ? ggml_codec_quantize_with(NULL, type, &row, &grids, to) : ggml_codec_quantize(type, &row, &grids, to)))
            return 0;
    }
    return 1;
}

static int by_theirs(const struct theirs *theirs, enum ggml_type type, enum work work)
{
    if (theirs->library == NULL)
        return ours(type, work, true, 1);
    if (work != DEQUANTIZE)
        return theirs->quantize((int)type, values, blocks[1], 0, ROWS, COLUMNS, work == WEIGHTED ? importance : NULL) > 0;
    char name[64];
    snprintf(name, sizeof name, "dequantize_row_%s", ggml_name(type));
    for (char *at = name; *at != 0; at++)
        if (*at >= 'A' && *at <= 'Z' && !(at[0] == 'K' && at[1] == 0))
            *at = (char)(*at - 'A' + 'a');
    dequantize_row *dequantize;
    *(void **)&dequantize = dlsym(theirs->library, name);
    if (dequantize != NULL)
        dequantize(blocks[0], back[1], ELEMENTS);
    return dequantize != NULL;
}

static int compare(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

/* Prints ratio and rate, or that there are none. False where the bytes differ. */
static int measure(const struct theirs *theirs, enum ggml_type type, enum work work)
{
    uint64_t row_bytes;
    if ((work == QUANTIZE && ggml_codec_needs_weights(type)) || !ggml_row_bytes(type, COLUMNS, &row_bytes) || !ours(type, work, false, 0) ||
        !by_theirs(theirs, type, work)) {
        printf(" %17s |", "-");
        return 1;
    }
    const int same = work == DEQUANTIZE ? memcmp(back[0], back[1], ELEMENTS * sizeof(float)) == 0 : memcmp(blocks[0], blocks[1], row_bytes * ROWS) == 0;
    double ratios[PAIRS_MAX], best = 1e9, total = 0;
    int pairs = 0;
    while (pairs < PAIRS_MAX && (pairs < 3 || total < 0.4)) {
        const double start = now();
        ours(type, work, false, 0);
        const double middle = now();
        by_theirs(theirs, type, work);
        const double end = now();
        ratios[pairs++] = (end - middle) / (middle - start);
        best = middle - start < best ? middle - start : best;
        total += end - start;
    }
    qsort(ratios, (size_t)pairs, sizeof *ratios, compare);
    printf(" %7.2f %6.0f MB%s |", ratios[pairs / 2], (double)ELEMENTS * 4e-6 / best, same ? " " : "!");
    fflush(stdout);
    return same;
}

int main(int argc, char **argv)
{
    struct theirs theirs = {0};
    struct arena arena = {0};
    if (argc > 1) {
        theirs.library = dlopen(argv[1], RTLD_NOW);
        if (theirs.library != NULL)
            *(void **)&theirs.quantize = dlsym(theirs.library, "ggml_quantize_chunk");
        if (theirs.quantize == NULL) {
            fprintf(stderr, "bench_ggml: %s\n", dlerror());
            return 1;
        }
    }
    if (!prepare())
        return 1;
    int same = 1;
    printf(
        "| type    |     quantize      |  with importance  |    dequantize     |\n|---------|-------------------|-------------------|-------------------|\n");
    for (int t = 0; t < GGML_COUNT; t++) {
        const enum ggml_type type = (enum ggml_type)t;
        struct err err;
        int wanted = argc <= 2;
        for (int a = 2; a < argc; a++)
            wanted |= strcasecmp(argv[a], ggml_name(type)) == 0;
        if (!ggml_codec_has(type) || ggml_kind(type) != GGML_KIND_BLOCK || !wanted)
            continue;
        if (ggml_grid_build(&arena, type, &grids, &err) != STATUS_OK)
            return 1;
        printf("| %-7s |", ggml_name(type));
        for (int work = 0; work < WORKS; work++)
            same &= measure(&theirs, type, (enum work)work);
        printf("\n");
    }
    arena_free(&arena);
    return same ? 0 : 2;
}
