/* ggml's block types on any floats: a quantizer ends, writes its blocks and no more, fast and plain code make the same, and where it and the
 * check call them sound, their values are numbers. Any bytes have values.
 *
 *     input: type | flags: 1 weights, 2 the input as blocks | bytes, as F32 of a row of one to four blocks, short input repeated */
#include "codec/ggml_codec.h"

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
    const bool done = ggml_codec_quantize(type, &row, &grids, blocks);
    ggml_codec_dequantize(type, blocks, elements, back);
    uint8_t *plain = malloc(bytes);
    need(plain != NULL, "out of memory");
    memset(plain, 0xa5, bytes);
    if (!any_nan(values, elements)) /* which of two NaN goes on is the compiler's choice */
        need(ggml_codec_quantize_reference(type, &row, &grids, plain) == done && (!done || memcmp(plain, blocks, bytes) == 0),
             "fast and plain code differ");
    free(plain);
    if (done && ggml_codec_valid(type, blocks, elements))
        need(values_are_numbers(type, back, elements), "what was made stands for no numbers");
    free(blocks);
    return 0;
}
