#include "plan/run.h"

#include "base/checked.h"
#include "base/pool.h"
#include "codec/ggml_swap.h"
#include "plan/tile.h"

#include <stdlib.h>
#include <string.h>

/* Of the memory budget, what is not tiles: the program, the bookkeeping, and the buffers that a tile needs beside its output. */
#define RUN_RESERVE_BYTES (UINT64_C(48) << 20)
#define RUN_TILE_BYTES_MIN (UINT64_C(8) << 20)  /* the smallest good tile */
#define RUN_TILE_BYTES_MAX (UINT64_C(32) << 20) /* larger ones gain nothing */
#define RUN_CHUNK_BYTES (UINT64_C(512) << 10)   /* of source read at a time; stays in the second-level cache */

/* An output tensor under way. */
struct work {
    struct tile_cut cut;
    size_t block0;        /* its first block in running.block */
    size_t tile0;         /* its first tile */
    atomic_size_t left;   /* tiles not yet written */
};

struct running {
    const struct plan *plan;
    struct tile_maker maker;
    struct file *file;       /* [plan->file_count] */
    struct work *work;       /* [plan->tensor_count] */
    struct tile *tile;
    size_t tile_count, tile_capacity;
    struct digest *block;    /* of all tensors, one after another */
    struct scratch *scratch; /* [workers] */
    struct digest *hash;
    struct progress *progress;
    struct arena paths;
};

uint64_t run_worker_bytes(const struct resources *resources)
{
    const uint64_t room = resources->memory_bytes > RUN_RESERVE_BYTES ? resources->memory_bytes - RUN_RESERVE_BYTES : 0;
    return room / run_workers(resources);
}

static uint64_t tile_budget(const struct resources *resources)
{
    /* Beside its output a tile holds a chunk, a block and, for parameters, wider copies that the cut accounts for: twice is ample. */
    const uint64_t budget = run_worker_bytes(resources) / 2;
    return budget < RUN_TILE_BYTES_MIN ? RUN_TILE_BYTES_MIN : budget > RUN_TILE_BYTES_MAX ? RUN_TILE_BYTES_MAX : budget;
}

unsigned run_workers(const struct resources *resources)
{
    const uint64_t room = resources->memory_bytes > RUN_RESERVE_BYTES ? resources->memory_bytes - RUN_RESERVE_BYTES : 0;
    const uint64_t most = room / (2 * RUN_TILE_BYTES_MIN);
    if (most <= 1)
        return 1;
    return most < resources->threads ? (unsigned)most : resources->threads;
}

/* --- preparing ---------------------------------------------------------------------------------------------------------------- */

static enum status cut_tensors(struct running *running, uint64_t budget, struct err *err)
{
    const struct plan *plan = running->plan;
    size_t blocks = 0;
    for (size_t t = 0; t < plan->tensor_count; t++) {
        struct work *work = &running->work[t];
        work->cut = tile_cut(plan, &plan->tensor[t], budget);
        work->block0 = blocks;
        work->tile0 = running->tile_count;
        blocks += (size_t)checked_div_up(plan->tensor[t].bytes, HASH_BLOCK_BYTES);
        for (uint64_t row = 0; row < work->cut.rows && plan->tensor[t].bytes > 0; row += work->cut.rows_max) {
            const uint64_t left = work->cut.rows - row;
            TRY(mem_grow((void **)&running->tile, &running->tile_capacity, running->tile_count + 1, sizeof *running->tile, err));
            running->tile[running->tile_count++] = (struct tile){(uint32_t)t, 0, row, left < work->cut.rows_max ? left : work->cut.rows_max};
        }
        atomic_init(&work->left, running->tile_count - work->tile0);
        if (running->tile_count == work->tile0)
            running->hash[t] = hash_tensor(NULL, 0);
    }
    running->block = mem_alloc(blocks + 1, sizeof *running->block, err);
    return running->block == NULL ? STATUS_LIMIT : STATUS_OK;
}

/* Writers of one file wait for each other in the kernel, so neighbouring tiles go to different files. */
static int by_turn(const void *a, const void *b)
{
    const struct tile *left = a, *right = b;
    if (left->turn != right->turn)
        return left->turn < right->turn ? -1 : 1;
    return left->output < right->output ? -1 : left->output > right->output;
}

static void take_turns(struct running *running)
{
    uint32_t turn = 0;
    for (size_t i = 0; i < running->tile_count; i++) {
        const uint32_t file = running->plan->tensor[running->tile[i].output].file;
        const bool same = i > 0 && running->plan->tensor[running->tile[i - 1].output].file == file;
        turn = same ? turn + 1 : 0;
        running->tile[i].turn = turn;
    }
    if (running->tile_count > 1 && running->plan->file_count > 1)
        qsort(running->tile, running->tile_count, sizeof *running->tile, by_turn);
}

static enum status create_files(struct running *running, struct staging *staging, struct err *err)
{
    const struct plan *plan = running->plan;
    for (size_t f = 0; f < plan->file_count; f++) {
        char *path = staging_path(staging, plan->file[f].name, &running->paths, err);
        if (path == NULL)
            return STATUS_LIMIT;
        TRY(file_create(&running->file[f], staging->ops, path, err));
        TRY(file_allocate(&running->file[f], plan->file[f].bytes, err)); /* what no tensor covers, stays zeros: padding between them, and behind the last */
        TRY(file_write(&running->file[f], plan->file[f].header.data, plan->file[f].header.size, 0, err));
    }
    return STATUS_OK;
}

/* --- hashing ------------------------------------------------------------------------------------------------------------------ */

/* Hashes the blocks that lie wholly inside bytes [first, first + size) of the tensor. */
static void hash_inner_blocks(const struct running *running, uint32_t output, uint64_t first, const uint8_t *data, uint64_t size)
{
    const uint64_t bytes = running->plan->tensor[output].bytes;
    for (uint64_t block = checked_div_up(first, HASH_BLOCK_BYTES); block * HASH_BLOCK_BYTES < first + size; block++) {
        const uint64_t start = block * HASH_BLOCK_BYTES, left = bytes - start;
        const uint64_t length = left < HASH_BLOCK_BYTES ? left : HASH_BLOCK_BYTES;
        if (start + length <= first + size)
            running->block[running->work[output].block0 + block] = hash_block(data + (start - first), (size_t)length);
    }
}

/* Blocks that a tile's edge cuts are read back when the last tile is written; the page cache still has them. */
static enum status hash_cut_blocks(const struct running *running, uint32_t output, struct scratch *scratch, struct err *err)
{
    const struct output_tensor *tensor = &running->plan->tensor[output];
    const struct work *work = &running->work[output];
    const uint64_t tile_bytes = work->cut.rows_max * work->cut.row_bytes;
    uint64_t done = UINT64_MAX;
    for (uint64_t edge = tile_bytes; edge < tensor->bytes; edge += tile_bytes) {
        const uint64_t block = edge / HASH_BLOCK_BYTES, start = block * HASH_BLOCK_BYTES;
        if (edge % HASH_BLOCK_BYTES == 0 || block == done)
            continue;
        const uint64_t length = tensor->bytes - start < HASH_BLOCK_BYTES ? tensor->bytes - start : HASH_BLOCK_BYTES;
        uint8_t *data = scratch_take(scratch, SCRATCH_STORE, length, err);
        if (data == NULL)
            return STATUS_LIMIT;
        TRY(file_read(&running->file[tensor->file], data, (size_t)length, tensor->offset + start, err));
        running->block[work->block0 + block] = hash_block(data, (size_t)length);
        done = block;
    }
    return STATUS_OK;
}

/* --- tiles -------------------------------------------------------------------------------------------------------------------- */

static enum status run_tile(void *opaque, size_t index, unsigned worker, struct err *err)
{
    struct running *running = opaque;
    const struct tile tile = running->tile[index];
    const struct output_tensor *output = &running->plan->tensor[tile.output];
    struct work *work = &running->work[tile.output];
    struct scratch *scratch = &running->scratch[worker];
    const uint64_t first = tile.row0 * work->cut.row_bytes, size = tile.rows * work->cut.row_bytes;
    uint8_t *data;
    TRY(tile_make(&running->maker, tile, &work->cut, scratch, &data, err));
    if (running->plan->big_endian && !ggml_swap(output->type, data, (size_t)size))
        return err_set(err, STATUS_UNSUPPORTED, output->name, "found %s, whose bytes have no other order", ggml_name(output->type));
    TRY(file_write(&running->file[output->file], data, (size_t)size, output->offset + first, err));
    file_begin_sync(&running->file[output->file], output->offset + first, size);
    hash_inner_blocks(running, tile.output, first, data, size);
    atomic_fetch_add(&running->progress->bytes, size);
    if (atomic_fetch_sub(&work->left, 1) != 1)
        return STATUS_OK;
    TRY(hash_cut_blocks(running, tile.output, scratch, err));
    running->hash[tile.output] = hash_tensor(running->block + work->block0, (size_t)checked_div_up(output->bytes, HASH_BLOCK_BYTES));
    atomic_fetch_add(&running->progress->tensors, 1);
    return STATUS_OK;
}

static enum status sync_file(void *opaque, size_t index, unsigned worker, struct err *err)
{
    (void)worker;
    struct running *running = opaque;
    TRY(file_sync(&running->file[index], err));
    return file_close(&running->file[index], err);
}

enum status run_plan(const struct plan *plan, const struct fetch *fetch, struct staging *staging, const struct resources *resources,
                     struct outcome outcome, struct err *err)
{
    const unsigned workers = run_workers(resources);
    struct running running = {.plan = plan, .maker = {plan, fetch, RUN_CHUNK_BYTES}, .hash = outcome.hash, .progress = outcome.progress};
    running.file = mem_alloc(plan->file_count, sizeof *running.file, err);
    for (size_t f = 0; running.file != NULL && f < plan->file_count; f++)
        running.file[f].fd = -1;
    running.work = mem_alloc(plan->tensor_count + 1, sizeof *running.work, err);
    running.scratch = mem_alloc(workers, sizeof *running.scratch, err);
    enum status status = running.file == NULL || running.work == NULL || running.scratch == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK)
        status = cut_tensors(&running, tile_budget(resources), err);
    if (status == STATUS_OK)
        take_turns(&running);
    if (status == STATUS_OK)
        status = create_files(&running, staging, err);
    if (status == STATUS_OK)
        status = pool_run(workers, running.tile_count, run_tile, &running, resources->cancel, err);
    for (unsigned w = 0; running.scratch != NULL && w < workers; w++)
        scratch_free(&running.scratch[w]);
    if (status == STATUS_OK)
        status = pool_run(workers, plan->file_count, sync_file, &running, resources->cancel, err);
    for (size_t f = 0; running.file != NULL && f < plan->file_count; f++)
        file_drop(&running.file[f]);
    arena_free(&running.paths);
    free(running.file);
    free(running.work);
    free(running.tile);
    free(running.block);
    free(running.scratch);
    return status;
}
