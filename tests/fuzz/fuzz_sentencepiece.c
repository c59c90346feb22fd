/* tokenizer.model over any bytes, in both forms: what is read is in bounds, and what is written of it is read back equal. */
#include "harness.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/tiktoken.h"

#include <string.h>

static void write_back(const struct sentencepiece *model, struct arena *arena)
{
    struct text text = {0};
    struct sentencepiece back;
    struct err err = {0};
    sentencepiece_write(model, &text);
    if (text_check(&text, &err) != STATUS_OK || sentencepiece_read("again", (struct slice){text.data, text.size}, arena, &back, &err) != STATUS_OK ||
        back.count != model->count || back.unk != model->unk || back.pad != model->pad || back.model != model->model)
        abort();
    for (uint32_t i = 0; i < back.count; i++)
        if (!slice_equal(back.piece[i].text, model->piece[i].text) || memcmp(&back.piece[i].score, &model->piece[i].score, sizeof(float)) != 0 ||
            back.piece[i].type != model->piece[i].type)
            abort();
    text_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice file = {(const char *)data, size};
    struct arena arena = {0};
    struct sentencepiece model;
    struct vocabulary vocabulary;
    struct err err = {0};
    (void)sentencepiece_probe(file);
    enum status status = sentencepiece_read("fuzz", file, &arena, &model, &err);
    harness_check(status, &err);
    if (status == STATUS_OK)
        write_back(&model, &arena);
    const bool probed = tiktoken_probe(file);
    err = (struct err){0};
    status = tiktoken_read("fuzz", file, (size & 1) != 0, &arena, &vocabulary, &err);
    harness_check(status, &err);
    if (status == STATUS_OK && !probed && size > 0 && data[0] != '\n')
        abort();
    arena_free(&arena);
    return 0;
}
