#include "plan/compare.h"

#include "base/pool.h"
#include "plan/contrast.h"
#include "plan/contrast_activation.h"
#include "plan/contrast_blocks.h"
#include "plan/pairs.h"

#include <stdio.h>
#include <stdlib.h>

struct comparing {
    struct comparison *comparison;
    const struct fetch *a, *b;
    const struct compare_options *options;
    struct scratch *scratch; /* [2 * workers]: one for each side */
    uint64_t bytes; /* that a worker may hold */
};

const char *compare_verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"equal", "rounded", "differs", "missing"};
    _Static_assert(sizeof names / sizeof names[0] == VERDICT_COUNT, "one name a verdict");
    return names[verdict];
}

static enum status contrast_coded(const struct contrast *contrast, struct pair *pair, struct err *err)
{
    TRY(contrast_weights(contrast, pair, err));
    return contrast_activation(contrast, pair, err);
}

static enum status compare_pair(void *opaque, size_t index, unsigned worker, struct err *err)
{
    const struct comparing *comparing = opaque;
    struct pair *pair = &comparing->comparison->pair[index];
    const struct contrast contrast = {comparing->a, comparing->b, &comparing->scratch[2 * worker], &comparing->scratch[2 * worker + 1],
                                      comparing->options, comparing->bytes};
    if (pair->a == MODEL_NONE || pair->b == MODEL_NONE) {
        pair->verdict = VERDICT_MISSING;
        (void)snprintf(pair->first, sizeof pair->first, "only in %s", pair->a == MODEL_NONE ? "the second" : "the first");
        return STATUS_OK;
    }
    if (contrast_blocks_meet(&contrast, pair))
        TRY(contrast_blocks(&contrast, pair, err));
    else if (pair->weight_a && pair->weight_b)
        TRY(contrast_coded(&contrast, pair, err));
    else if (pair->weight_a || pair->weight_b)
        TRY(contrast_with_float(&contrast, pair, err));
    else
        TRY(contrast_tensors(&contrast, pair, err));
    if (pair->verdict == VERDICT_ROUNDED && !comparing->options->exact)
        pair->first[0] = '\0';
    if (pair->verdict != VERDICT_ROUNDED || !comparing->options->exact)
        return STATUS_OK;
    pair->verdict = VERDICT_DIFFERS; /* what is only rounded differs as well when everything must be exact */
    *(pair->weight_a && pair->weight_b ? &pair->scales : &pair->values) += pair->rounded;
    pair->activations += pair->rounded_activations;
    return STATUS_OK;
}

static void sum_up(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->count; i++) {
        const struct pair *pair = &comparison->pair[i];
        comparison->count_of[pair->verdict]++;
        comparison->codes += pair->codes;
        comparison->zeros += pair->zeros;
        comparison->scales += pair->scales;
        comparison->values += pair->values;
        comparison->activations += pair->activations;
        if (pair->max_relative > comparison->max_relative)
            comparison->max_relative = pair->max_relative;
        if (comparison->first == NULL && pair->verdict >= VERDICT_DIFFERS)
            comparison->first = pair;
    }
}

enum status compare_models(struct comparison *comparison, const struct fetch *a, const struct fetch *b, const struct compare_options *options,
                           const struct resources *resources, struct err *err)
{
    const unsigned workers = run_workers(resources);
    *comparison = (struct comparison){0};
    TRY(pairs_make(comparison, a, b, options->aims, err));
    struct comparing comparing = {comparison, a, b, options, mem_alloc(2 * (uint64_t)workers, sizeof *comparing.scratch, err),
                                  run_worker_bytes(resources)};
    if (comparing.scratch == NULL)
        return STATUS_LIMIT;
    const enum status status = pool_run(workers, comparison->count, compare_pair, &comparing, resources->cancel, err);
    for (unsigned i = 0; i < 2 * workers; i++)
        scratch_free(&comparing.scratch[i]);
    free(comparing.scratch);
    if (status == STATUS_OK)
        sum_up(comparison);
    return status;
}

void compare_free(struct comparison *comparison)
{
    free(comparison->pair);
    arena_free(&comparison->arena);
    *comparison = (struct comparison){0};
}
