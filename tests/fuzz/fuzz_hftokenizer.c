/* tokenizer.json over any bytes: what is read can be followed, encodes a text to ids of its tokens, and decodes one, or says why not. */
#include "base/limits.h"
#include "formats/hftokenizer.h"
#include "harness.h"

static void encode(const struct hftokenizer *tokenizer)
{
    static const char text[] = "ab <x> 1234 \xc3\xa9\n a_b  \xe2\x96\x81";
    struct bpe_ids ids = {0};
    struct err err = {0};
    const enum status status = hftokenizer_encode(tokenizer, (struct slice){text, sizeof text - 1}, &ids, &err);
    harness_check(status, &err);
    for (size_t i = 0; status == STATUS_OK && i < ids.count; i++)
        if (ids.id[i] >= LIMIT_VOCABULARY_TOKENS_MAX)
            abort();
    free(ids.id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hftokenizer tokenizer;
    struct slice decoded;
    struct err err = {0};
    enum status status = hftokenizer_read("fuzz", (struct slice){(const char *)data, size}, &tokenizer, &err);
    harness_check(status, &err);
    if (status != STATUS_OK)
        return 0;
    status = hftokenizer_decode(&tokenizer, slice_of("\xe2\x96\x81<x> "), &decoded, &err);
    harness_check(status, &err);
    status = hftokenizer_pipeline(&tokenizer, &err);
    harness_check(status, &err);
    if (status == STATUS_OK)
        encode(&tokenizer);
    hftokenizer_close(&tokenizer);
    return 0;
}
