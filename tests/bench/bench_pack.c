/* Codes a second of every layout, by the reference and by the fast kernels: 256 x 512 blocks out of a 4096 x 4096 matrix.
 *
 * gcc -O2 -std=c17 -D_GNU_SOURCE -ffp-contract=off -Isrc tests/bench/bench_pack.c src/codec/{layout,pack*}.c -o /tmp/bench_pack && /tmp/bench_pack */
#include "codec/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SIDE ((size_t)4096)
#define BLOCK_OUT ((size_t)256)
#define BLOCK_IN ((size_t)512)

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

struct way {
    const char *name;
    void (*pack)(const struct layout *layout, struct codes codes, size_t out, size_t in, struct stored stored);
    size_t (*unpack)(const struct layout *layout, struct stored stored, size_t out, size_t in, struct codes codes);
    int rounds;
};

/* Goes once over the whole matrix. */
static size_t sweep(const struct way *way, const struct layout *layout, struct stored stored, struct codes block, int unpack)
{
    size_t bad = 0;
    for (size_t o = 0; o < SIDE; o += BLOCK_OUT) {
        for (size_t i = 0; i < SIDE; i += BLOCK_IN) {
            const struct layout_rect at = layout_rect(layout, o, BLOCK_OUT, i, BLOCK_IN);
            const struct stored place = {stored.data + at.row0 * stored.stride + at.byte0, stored.stride};
            if (unpack)
                bad += way->unpack(layout, place, BLOCK_OUT, BLOCK_IN, block);
            else
                way->pack(layout, block, BLOCK_OUT, BLOCK_IN, place);
        }
    }
    return bad;
}

int main(void)
{
    static const struct way ways[2] = {{"reference", pack_codes_reference, pack_unpack_reference, 1}, {"fast", pack_codes, pack_unpack, 15}};
    uint8_t *data = malloc(SIDE * SIDE * 2), *block = malloc(BLOCK_OUT * BLOCK_IN);
    if (data == NULL || block == NULL)
        return 1;
    memset(data, 1, SIDE * SIDE * 2);
    for (size_t i = 0; i < BLOCK_OUT * BLOCK_IN; i++)
        block[i] = (uint8_t)(i * 7 % 16);
    printf("%-44s %10s %10s %10s %10s   Gcodes/s\n", "", "pack ref", "pack", "unpack ref", "unpack");
    for (int id = 0; id < LAYOUT_COUNT; id++) {
        const struct layout *layout = layout_row((enum layout_id)id);
        uint64_t rows, row_bytes;
        if (!layout_size(layout, SIDE, SIDE, &rows, &row_bytes))
            return 1;
        printf("%-44s", layout->text);
        for (int unpack = 0; unpack < 2; unpack++) {
            for (int w = 0; w < 2; w++) {
                double best = 1e9;
                for (int round = 0; round < ways[w].rounds; round++) {
                    const double start = now();
                    if (sweep(&ways[w], layout, (struct stored){data, (size_t)row_bytes}, (struct codes){block, BLOCK_IN}, unpack) != 0)
                        return 1;
                    best = now() - start < best ? now() - start : best;
                }
                printf(" %10.2f", (double)(SIDE * SIDE) / best * 1e-9);
            }
        }
        printf("\n");
    }
    free(data);
    free(block);
    return 0;
}
