/* The pickle machine and the search for the state dict, over any bytes: whatever is built refers to what is there. */
#include "container/pickle.h"
#include "container/statedict.h"
#include "harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pickle pickle;
    struct statedict state = {0};
    struct err err = {0};
    size_t used = 0;
    enum status status = pickle_read(&pickle, "fuzz.pkl", (struct slice){(const char *)data, size}, &used, &err);
    harness_check(status, &err);
    if (status == STATUS_OK) {
        if (used == 0 || used > size || pickle.root >= pickle.node_count)
            abort();
        status = statedict_find(&state, &pickle, &err);
        harness_check(status, &err);
    }
    for (size_t i = 0; status == STATUS_OK && i < state.count; i++)
        if (state.entry[i].tensor >= pickle.tensor_count || pickle.tensor[state.entry[i].tensor].storage >= pickle.storage_count)
            abort();
    if (pickle.node_count > size || pickle.depth > 2 * size + 1) /* memory grows with the bytes, and with nothing else */
        abort();
    statedict_free(&state);
    pickle_free(&pickle);
    return 0;
}
