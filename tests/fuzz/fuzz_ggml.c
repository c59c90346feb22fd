/* ggml's block types on any floats: a quantizer ends, writes its blocks and no more, fast and plain code make the same, and where it and the
 * check call them sound, their values are numbers. Any bytes have values.
 *
 *     input: type | flags: 1 weights, 2 the input as blocks | bytes, as F32 of a row of one to four blocks, short input repeated */
#include "codec/ggml_codec.h"
#include "codec/ggml_fast.h"

#include "harness.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ELEMENTS_MAX 1024
#define BYTES_MAX (4 * ELEMENTS_MAX)

static void fill(const uint8_t *data, size_t size, void *to, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        ((uint8_t *)to)[i] = size > 0 ? data[i % size] : 0;
}

static void need(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* The largest scale of MXFP4 is beyond F32 already. */
static bool values_are_numbers(enum ggml_type type, const float *values, uint64_t count)
{
    return type == GGML_MXFP4 || ggml_codec_finite(values, count);
}

static bool any_nan(const float *values, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

/* blocks: what plain code makes, NULL where it made none. Which of two NaN goes on is the compiler's choice, so that rows with NaN need only end. */
static bool quantizes_alike(const struct ggml_fast *fast, enum ggml_type type, const struct ggml_codec_row *row, const struct ggml_grids *grids,
                            const uint8_t *blocks)
{
    uint64_t bytes;
    need(ggml_row_bytes(type, row->elements, &bytes), "a row has no size");
    uint8_t *made = malloc(bytes);
    need(made != NULL, "out of memory");
    memset(made, 0xa5, bytes);
    const bool done = ggml_codec_quantize_with(fast, type, row, grids, made);
    const bool alike = done == (blocks != NULL) && (blocks == NULL || memcmp(made, blocks, bytes) == 0);
    free(made);
    return alike || any_nan(row->values, row->elements);
}

static bool dequantizes_alike(const struct ggml_fast *fast, enum ggml_type type, const uint8_t *blocks, uint64_t elements, const float *values)
{
    static float made[ELEMENTS_MAX];
    ggml_codec_dequantize_with(fast, type, blocks, elements, made);
    for (uint64_t i = 0; i < elements; i++)
        if (memcmp(made + i, values + i, sizeof *made) != 0 && !(isnan(made[i]) && isnan(values[i])))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena; /* the grids, made once */
    static struct ggml_grids grids;
    static float values[ELEMENTS_MAX], weights[ELEMENTS_MAX], back[ELEMENTS_MAX];
    if (size < 2)
        return 0;
    const enum ggml_type type = (enum ggml_type)(data[0] % GGML_COUNT);
    const bool weighted = (data[1] & 1) != 0;
    if (!ggml_codec_has(type))
        return 0;
    struct err err;
    need(ggml_grid_build(&arena, type, &grids, &err) == STATUS_OK, "no grid");
    const uint32_t block = ggml_block_elements(type);
    const uint64_t elements = block * (uint64_t)(1 + (data[1] >> 2 & 3));
    uint64_t bytes;
    need(ggml_row_bytes(type, elements, &bytes) && elements <= ELEMENTS_MAX && bytes <= BYTES_MAX, "a row does not fit");
    uint8_t *blocks = malloc(bytes); /* so that a sanitizer sees a write past the end */
    need(blocks != NULL, "out of memory");
    if ((data[1] & 2) != 0) {
        fill(data + 2, size - 2, blocks, bytes);
        ggml_codec_dequantize(type, blocks, elements, values);
        need(!ggml_codec_valid(type, blocks, elements) || values_are_numbers(type, values, elements), "sound blocks stand for no numbers");
    } else {
        fill(data + 2, size - 2, values, elements * sizeof *values);
    }
    for (uint64_t i = 0; i < elements; i++)
        weights[i] = isfinite(values[i]) ? fabsf(values[elements - 1 - i]) : 1;
    const struct ggml_codec_row row = {values, weighted || ggml_codec_needs_weights(type) ? weights : NULL, elements};
    memset(blocks, 0xa5, bytes);
    const bool done = ggml_codec_quantize_with(NULL, type, &row, &grids, blocks);
    ggml_codec_dequantize_with(NULL, type, blocks, elements, back);
    const struct ggml_fast *fast;
    for (size_t s = 0; (fast = ggml_fast_set(s)) != NULL; s++) {
        need(quantizes_alike(fast, type, &row, &grids, done ? blocks : NULL), "fast and plain code make other blocks");
        need(dequantizes_alike(fast, type, blocks, elements, back), "fast and plain code give other values");
    }
    if (done && ggml_codec_valid(type, blocks, elements))
        need(values_are_numbers(type, back, elements), "what was made stands for no numbers");
    free(blocks);
    return 0;
}
