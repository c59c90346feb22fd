/* The XXH3-128 of every stored tensor of a model (base/hash.h). */
#ifndef REPAQ_DIGESTS_H
#define REPAQ_DIGESTS_H

#include "base/hash.h"
#include "plan/run.h"
#include "plan/scratch.h"

/* The hash of one tensor, streamed by blocks. */
enum status digests_tensor(const struct fetch *fetch, uint32_t tensor, struct scratch *scratch, struct digest *digest, struct err *err) WARN_UNUSED;
/* All of them, on worker threads. *hash is the caller's (free), [model->tensor_count]. */
enum status digests_make(const struct model *model, const struct resources *resources, struct digest **hash, struct err *err) WARN_UNUSED;

#endif
