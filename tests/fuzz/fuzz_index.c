/* *.safetensors.index.json, over any bytes: accepted shard names stay in the directory, and names are found again. */
#include "container/shards.h"
#include "harness.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct shards_index index = {0};
    struct err err = {0};
    const enum status status = shards_index_read("fuzz.index.json", (struct slice){(const char *)data, size}, ".safetensors", &arena, &index, &err);
    harness_check(status, &err);
    for (size_t f = 0; status == STATUS_OK && f < index.file_count; f++)
        if (strchr(index.file[f], '/') != NULL || strchr(index.file[f], '\\') != NULL || strstr(index.file[f], "..") != NULL ||
            !slice_ends(slice_of(index.file[f]), ".safetensors"))
            abort();
    for (size_t t = 0; status == STATUS_OK && t < index.tensor_count; t++)
        if (index.file_of[t] >= index.file_count || map_find(&index.by_name, slice_of(index.tensor[t])) != t)
            abort();
    shards_index_free(&index);
    arena_free(&arena);
    return 0;
}
