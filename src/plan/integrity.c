#include "plan/integrity.h"

#include "base/pool.h"
#include "plan/digests.h"
#include "plan/manifest.h"

#include <stdlib.h>
#include <string.h>

struct checking {
    struct manifest manifest;
    const struct fetch *fetch;
    struct scratch *scratch; /* [workers] */
    uint8_t *damaged;        /* [model->tensor_count] */
};

static enum status check_tensor(void *opaque, size_t index, unsigned worker, struct err *err)
{
    const struct checking *checking = opaque;
    const struct tensor *tensor = &checking->fetch->model->tensor[index];
    const uint32_t listed = map_find(&checking->manifest.by_name, slice_of(tensor->name));
    if (listed == MAP_NONE)
        return STATUS_OK;
    struct digest digest;
    TRY(digests_tensor(checking->fetch, (uint32_t)index, &checking->scratch[worker], &digest, err));
    checking->damaged[index] = memcmp(&digest, &checking->manifest.hash[listed], sizeof digest) == 0 ? 1 : 2;
    return STATUS_OK;
}

static enum status check_all(struct integrity *integrity, struct checking *checking, const struct resources *resources, struct err *err)
{
    const unsigned workers = run_workers(resources);
    const struct model *model = checking->fetch->model;
    checking->scratch = mem_alloc(workers, sizeof *checking->scratch, err);
    checking->damaged = mem_alloc(model->tensor_count + 1, 1, err);
    enum status status = checking->scratch == NULL || checking->damaged == NULL ? STATUS_LIMIT : STATUS_OK;
    if (status == STATUS_OK)
        status = pool_run(workers, model->tensor_count, check_tensor, checking, resources->cancel, err);
    for (size_t t = 0; status == STATUS_OK && t < model->tensor_count; t++) {
        integrity->checked += checking->damaged[t] != 0;
        if (checking->damaged[t] == 2 && integrity->damaged++ == 0)
            integrity->first = model->tensor[t].name;
    }
    for (unsigned w = 0; checking->scratch != NULL && w < workers; w++)
        scratch_free(&checking->scratch[w]);
    free(checking->scratch);
    free(checking->damaged);
    return status;
}

enum status integrity_check(struct integrity *integrity, const struct fetch *fetch, const struct resources *resources, struct err *err)
{
    struct checking checking = {.fetch = fetch};
    *integrity = (struct integrity){0};
    enum status status = manifest_read(&checking.manifest, fetch->model->ops != NULL ? fetch->model->ops : resources->ops, fetch->model->dir, err);
    if (status == STATUS_OK && checking.manifest.count > 0)
        status = check_all(integrity, &checking, resources, err);
    manifest_free(&checking.manifest);
    return status;
}
