#include "plan/digests.h"

#include "base/checked.h"
#include "base/pool.h"

#include <stdlib.h>

struct digesting {
    const struct fetch *fetch;
    struct scratch *scratch; /* [workers] */
    struct digest *hash;
};

enum status digests_tensor(const struct fetch *fetch, uint32_t tensor, struct scratch *scratch, struct digest *digest, struct err *err)
{
    const uint64_t bytes = fetch->model->tensor[tensor].bytes, blocks = checked_div_up(bytes, HASH_BLOCK_BYTES);
    struct digest *block = scratch_take(scratch, SCRATCH_FIELD, blocks * sizeof *block, err);
    uint8_t *data = scratch_take(scratch, SCRATCH_RAW, bytes < HASH_BLOCK_BYTES ? bytes : HASH_BLOCK_BYTES, err);
    if (block == NULL || data == NULL)
        return STATUS_LIMIT;
    for (uint64_t b = 0; b < blocks; b++) {
        const uint64_t start = b * HASH_BLOCK_BYTES, size = bytes - start < HASH_BLOCK_BYTES ? bytes - start : HASH_BLOCK_BYTES;
        TRY(fetch_bytes(fetch, tensor, start, data, size, err));
        block[b] = hash_block(data, (size_t)size);
    }
    *digest = hash_tensor(block, (size_t)blocks);
    return STATUS_OK;
}

static enum status digest_job(void *opaque, size_t index, unsigned worker, struct err *err)
{
    const struct digesting *digesting = opaque;
    if (digesting->fetch->model->tensor[index].fate == FATE_PIECE) /* nobody asks for it */
        return STATUS_OK;
    return digests_tensor(digesting->fetch, (uint32_t)index, &digesting->scratch[worker], &digesting->hash[index], err);
}

enum status digests_make(const struct model *model, const struct resources *resources, struct digest **hash, struct err *err)
{
    const unsigned workers = run_workers(resources);
    struct fetch fetch;
    struct digesting digesting = {&fetch, mem_alloc(workers, sizeof *digesting.scratch, err), mem_alloc(model->tensor_count + 1, sizeof **hash, err)};
    *hash = NULL;
    enum status status = digesting.scratch == NULL || digesting.hash == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK) {
        status = fetch_open(&fetch, resources->ops, model, err);
        if (status == STATUS_OK)
            status = pool_run(workers, model->tensor_count, digest_job, &digesting, resources->cancel, err);
        fetch_close(&fetch);
    }
    for (unsigned w = 0; digesting.scratch != NULL && w < workers; w++)
        scratch_free(&digesting.scratch[w]);
    free(digesting.scratch);
    if (status == STATUS_OK)
        *hash = digesting.hash;
    else
        free(digesting.hash);
    return status;
}
