/* Blocks of 256 whose sub-blocks have scales of their own, which are codes again: Q2_K, Q3_K, Q4_K, Q5_K, Q6_K. All fields are little-endian, d and dmin F16.
 * Read in ggml-org/ggml:src/ggml-common.h (block_*) and src/ggml-quants.c (quantize_row_*_ref, quantize_row_*_impl).
 *
 *     Q2_K   0 scales[16] | 16 twos[64] | 80 d | 82 dmin               sub-blocks of 16:  (d * scale) * code - dmin * min, scale and min nibbles of one byte
 *     Q3_K   0 ones[32] | 32 twos[64] | 96 scales[12] | 108 d          of 16:             (d * (scale - 32)) * (code - 4)
 *     Q4_K   0 d | 2 dmin | 4 scales[12] | 16 nibbles[128]             of 32:             (d * scale) * code - dmin * min
 *     Q5_K   0 d | 2 dmin | 4 scales[12] | 16 ones[32] | 48 nibbles[128]   of 32:         the same
 *     Q6_K   0 low nibbles[128] | 128 high twos[64] | 192 scales[16] signed | 208 d   of 16:   (d * scale) * (code - 32)
 *
 *     twos, byte 32 h + l:         7  6 | 5  4 | 3  2 | 1  0              element 128 h + 32 t + l in bits 2 t: two bits of it
 *     ones, byte l:                bit t: a bit of element 32 t + l
 *     nibbles of Q4_K, Q5_K, byte 32 g + l:  element 64 g + 32 + l | element 64 g + l
 *     nibbles of Q6_K, byte 64 h + l (l < 64):  element 128 h + 64 + l | element 128 h + l */
#include "codec/ggml_k.h"

#include <math.h>

/* --- codes in bytes --------------------------------------------------------------------------------------------------------- */

static void get_twos(const uint8_t *from, uint8_t *codes)
{
    for (int e = 0; e < GGML_SUPER; e++)
        codes[e] = from[e / 128 * 32 + e % 32] >> e % 128 / 32 * 2 & 3;
}

/* The lowest two bits of each code shifted by `shift`. */
static void put_twos(const uint8_t *codes, int shift, uint8_t *to)
{
    for (int h = 0; h < 2; h++, codes += 128)
        for (int l = 0; l < 32; l++)
            to[32 * h + l] = (uint8_t)((codes[l] >> shift & 3) | (codes[l + 32] >> shift & 3) << 2 | (codes[l + 64] >> shift & 3) << 4 |
                                       (codes[l + 96] >> shift & 3) << 6);
}

/* Adds bit `bit` of each code. */
static void get_ones(const uint8_t *from, int bit, uint8_t *codes)
{
    for (int t = 0; t < 8; t++, codes += 32)
        for (int l = 0; l < 32; l++)
            codes[l] |= (uint8_t)((from[l] >> t & 1) << bit);
}

static void put_ones(const uint8_t *codes, int bit, uint8_t *to)
{
    memset(to, 0, 32);
    for (int t = 0; t < 8; t++, codes += 32)
        for (int l = 0; l < 32; l++)
            to[l] |= (uint8_t)((codes[l] >> bit & 1) << t);
}

/* Nibbles that stand `apart` elements from each other: 32 or 64. */
static void get_nibbles(const uint8_t *from, int apart, uint8_t *codes)
{
    for (int g = 0; g < GGML_SUPER; g += 2 * apart, from += apart)
        for (int l = 0; l < apart; l++)
            codes[g + l] = (uint8_t)low(from[l]), codes[g + apart + l] = (uint8_t)high(from[l]);
}

static void put_nibbles(const uint8_t *codes, int apart, uint8_t *to)
{
    for (int g = 0; g < GGML_SUPER; g += 2 * apart, to += apart)
        for (int l = 0; l < apart; l++)
            to[l] = (uint8_t)((codes[g + l] & 15) | codes[g + apart + l] << 4);
}

/* Eight scales and eight mins of 6 bits in 12 bytes:
 *
 *     byte k      : 7 6 scale k+4, bits 5 4 | 5..0 scale k          k in 0..3
 *     byte k + 4  : 7 6 min k+4, bits 5 4   | 5..0 min k
 *     byte k + 8  : min k+4, bits 3..0      | scale k+4, bits 3..0 */
void ggml_k_sixes(const uint8_t *from, uint8_t *scales, uint8_t *mins)
{
    for (int k = 0; k < 4; k++) {
        scales[k] = from[k] & 63;
        mins[k] = from[k + 4] & 63;
        scales[k + 4] = (uint8_t)(low(from[k + 8]) | from[k] >> 6 << 4);
        mins[k + 4] = (uint8_t)(high(from[k + 8]) | from[k + 4] >> 6 << 4);
    }
}

static void put_sixes(const uint8_t *scales, const uint8_t *mins, uint8_t *to)
{
    for (int k = 0; k < 4; k++) {
        to[k] = (uint8_t)(scales[k] | scales[k + 4] >> 4 << 6);
        to[k + 4] = (uint8_t)(mins[k] | mins[k + 4] >> 4 << 6);
        to[k + 8] = (uint8_t)((scales[k + 4] & 15) | mins[k + 4] << 4);
    }
}

/* Sixteen scales of 6 bits in 12 bytes: the low nibbles of scales j and j + 8 in byte j, then bits 5 4 of scale j in bits 2 (j / 4) of byte 8 + j % 4. */
void ggml_k_sixteen(const uint8_t *from, uint8_t *scales)
{
    for (int j = 0; j < 16; j++)
        scales[j] = (uint8_t)((j < 8 ? low(from[j]) : high(from[j - 8])) | (from[8 + j % 4] >> 2 * (j / 4) & 3) << 4);
}

static void put_sixteen(const uint8_t *scales, uint8_t *to)
{
    memset(to, 0, 12);
    for (int j = 0; j < 16; j++) {
        to[j % 8] |= (uint8_t)((scales[j] & 15) << (j < 8 ? 0 : 4));
        to[8 + j % 4] |= (uint8_t)((scales[j] >> 4) << 2 * (j / 4));
    }
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

static void decode_offset(const struct ggml_k_stored *stored, int size, const uint8_t *codes, float *x)
{
    for (int e = 0; e < GGML_SUPER; e++) {
        const int j = e / size;
        x[e] = stored->d * (float)stored->scales[j] * (float)codes[e] - stored->dmin * (float)stored->mins[j];
    }
}

static void decode_q2(const uint8_t *block, float *x)
{
    struct ggml_k_stored stored = {f16_at(block + 80), f16_at(block + 82), {0}, {0}};
    for (int j = 0; j < 16; j++)
        stored.scales[j] = (uint8_t)low(block[j]), stored.mins[j] = (uint8_t)high(block[j]);
    uint8_t codes[GGML_SUPER];
    get_twos(block + 16, codes);
    decode_offset(&stored, 16, codes, x);
}

static void decode_q3(const uint8_t *block, float *x)
{
    uint8_t codes[GGML_SUPER], scales[16];
    get_twos(block + 32, codes);
    get_ones(block, 2, codes);
    ggml_k_sixteen(block + 96, scales);
    const float d = f16_at(block + 108);
    for (int e = 0; e < GGML_SUPER; e++)
        x[e] = d * (float)(scales[e / 16] - 32) * (float)(codes[e] - 4);
}

static void decode_q4(const uint8_t *block, float *x)
{
    struct ggml_k_stored stored = {f16_at(block), f16_at(block + 2), {0}, {0}};
    uint8_t codes[GGML_SUPER];
    ggml_k_sixes(block + 4, stored.scales, stored.mins);
    get_nibbles(block + 16, 32, codes);
    decode_offset(&stored, 32, codes, x);
}

static void decode_q5(const uint8_t *block, float *x)
{
    struct ggml_k_stored stored = {f16_at(block), f16_at(block + 2), {0}, {0}};
    uint8_t codes[GGML_SUPER];
    ggml_k_sixes(block + 4, stored.scales, stored.mins);
    get_nibbles(block + 48, 32, codes);
    get_ones(block + 16, 4, codes);
    decode_offset(&stored, 32, codes, x);
}

static void decode_q6(const uint8_t *block, float *x)
{
    uint8_t codes[GGML_SUPER], tops[GGML_SUPER];
    get_nibbles(block, 64, codes);
    get_twos(block + 128, tops);
    const float d = f16_at(block + 208);
    for (int e = 0; e < GGML_SUPER; e++)
        x[e] = d * (float)(int8_t)block[192 + e / 16] * (float)((codes[e] | tops[e] << 4) - 32);
}

/* --- codes of values -------------------------------------------------------------------------------------------------------- */

static float sum_of_squares(const float *x, int count)
{
    float sum = 0;
    for (int i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sum;
}

static void again_offset(const struct ggml_k_stored *stored, int size, int most, const float *x, uint8_t *codes)
{
    for (int j = 0; j < GGML_SUPER / size; j++) {
        const float d = stored->d * (float)stored->scales[j];
        if (d == 0)
            continue;
        const float min = stored->dmin * (float)stored->mins[j];
        for (int e = size * j; e < size * (j + 1); e++)
            codes[e] = (uint8_t)clamp(to_nearest((x[e] + min) / d), 0, most);
    }
}

static void again_centred(float d, const int8_t *scales, int half, const float *x, uint8_t *codes)
{
    for (int j = 0; j < 16; j++) {
        const float step = d * (float)scales[j];
        if (step == 0)
            continue;
        for (int e = 16 * j; e < 16 * (j + 1); e++)
            codes[e] = (uint8_t)(clamp(to_nearest(x[e] / step), -half, half - 1) + half);
    }
}

/* Weights of `size` elements from element `at` on, and their sum. */
static float weigh(const struct ggml_k_weights *how, const float *x, int at, int size, float *weights)
{
    const float base = how->kind == GGML_K_WEIGH_SIZE && size == 32 ? sqrtf(sum_of_squares(x, 32) / 32.0f) : 0;
    float sum = 0;
    for (int i = 0; i < size; i++) {
        if (how->kind == GGML_K_WEIGH_SIZE)
            weights[i] = base + fabsf(x[i]);
        else if (how->kind == GGML_K_WEIGH_SQUARE)
            weights[i] = x[i] * x[i];
        else if (how->kind == GGML_K_WEIGH_IMPORTANCE)
            weights[i] = how->importance[at + i] * sqrtf(how->mean_square + x[i] * x[i]);
        else
            weights[i] = how->importance[at + i];
        sum += weights[i];
    }
    return sum;
}

static void find_offset(unsigned count, const float *x, const struct ggml_k_weights *how_much, const struct ggml_search_affine *how,
                        struct ggml_k_found *found, uint8_t *codes)
{
    float weights[32];
    for (unsigned s = 0; s < count; s++, x += GGML_SUPER, codes += GGML_SUPER)
        for (int j = 0, at = 0; at < GGML_SUPER; j++, at += how->count) {
            found[s].sums[j] = weigh(how_much + s, x + at, at, how->count, weights);
            found[s].scales[j] = ggml_search_affine(how, x + at, weights, codes + at, found[s].mins + j);
        }
}

static void find_centred(unsigned count, const float *x, const struct ggml_k_weights *how_much, int half, struct ggml_k_found *found, uint8_t *codes)
{
    float weights[16];
    for (unsigned s = 0; s < count; s++, x += GGML_SUPER, codes += GGML_SUPER)
        for (int j = 0, at = 0; at < GGML_SUPER; j++, at += 16) {
            found[s].sums[j] = weigh(how_much + s, x + at, at, 16, weights);
            found[s].scales[j] = ggml_search_centred(16, half, x + at, weights, codes + at);
        }
}

static void find_three(unsigned count, const float *x, struct ggml_k_found *found, uint8_t *codes)
{
    for (unsigned s = 0; s < count; s++, x += GGML_SUPER, codes += GGML_SUPER)
        for (int j = 0; j < 16; j++)
            found[s].scales[j] = ggml_search_three(x + 16 * j, codes + 16 * j);
}

static const struct ggml_k_search plain = {find_offset, find_centred, find_three, again_offset, again_centred};

/* d and codes of `count` numbers against the largest of them, which becomes `most`; codes are bytes of what rounding gives. */
static float against_largest(int count, int most, const float *numbers, uint8_t *codes)
{
    float largest = 0;
    for (int j = 0; j < count; j++)
        largest = numbers[j] > largest ? numbers[j] : largest;
    const float inverse = largest > 0 ? (float)most / largest : 0;
    for (int j = 0; j < count; j++)
        codes[j] = (uint8_t)to_nearest(inverse * numbers[j]);
    return largest / (float)most;
}

/* The scales and mins of sub-blocks as codes up to `most`: with weights by a search of their own. */
static void round_scales(const struct ggml_k_found *found, bool weighted, int count, int most, struct ggml_k_stored *stored)
{
    if (weighted) {
        stored->d = ggml_search_positive(count, most, found->scales, found->sums, stored->scales);
        stored->dmin = ggml_search_positive(count, most, found->mins, found->sums, stored->mins);
    } else {
        stored->d = against_largest(count, most, found->scales, stored->scales);
        stored->dmin = against_largest(count, most, found->mins, stored->mins);
    }
}

static const struct ggml_search_affine weighted_q2 = {.count = 16, .most = 3, .first = -0.9f, .step = 0.05f, .steps = 36};
static const struct ggml_search_affine plain_q2 = {.count = 16, .most = 3, .first = -0.5f, .step = 0.1f, .steps = 15, .absolute = true};
static const struct ggml_search_affine weighted_q4 = {.count = 32, .most = 15, .first = -0.9f, .step = 0.05f, .steps = 36};
static const struct ggml_search_affine plain_q4 = {.count = 32, .most = 15, .first = -1.0f, .step = 0.1f, .steps = 20};
static const struct ggml_search_affine weighted_q5 = {.count = 32, .most = 31, .first = -0.9f, .step = 0.05f, .steps = 36};
static const struct ggml_search_affine plain_q5 = {.count = 32, .most = 31, .first = -0.5f, .step = 0.1f, .steps = 15};

static void end_q2(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block)
{
    struct ggml_k_stored stored;
    round_scales(found, part->weights != NULL, 16, 15, &stored);
    put_f16(block + 80, stored.d);
    put_f16(block + 82, stored.dmin);
    stored.d = f16_at(block + 80), stored.dmin = f16_at(block + 82);
    for (int j = 0; j < 16; j++) {
        block[j] = (uint8_t)(stored.scales[j] | stored.mins[j] << 4);
        stored.scales[j] = (uint8_t)low(block[j]), stored.mins[j] = (uint8_t)high(block[j]);
    }
    search->again_offset(&stored, 16, 3, part->x, codes);
    put_twos(codes, 0, block + 16);
}

/* Scales and codes of Q4_K and Q5_K; the first 16 bytes of the block. */
static void end_sixes(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, int most, uint8_t *codes,
                      uint8_t *block)
{
    struct ggml_k_stored stored;
    round_scales(found, part->weights != NULL, 8, 63, &stored);
    for (int j = 0; j < 8 && (most == 31 || part->weights == NULL); j++) { /* negative numbers became large bytes */
        stored.scales[j] = (uint8_t)clamp(stored.scales[j], 0, 63);
        stored.mins[j] = (uint8_t)clamp(stored.mins[j], 0, 63);
    }
    put_f16(block, stored.d);
    put_f16(block + 2, stored.dmin);
    put_sixes(stored.scales, stored.mins, block + 4);
    stored.d = f16_at(block), stored.dmin = f16_at(block + 2);
    ggml_k_sixes(block + 4, stored.scales, stored.mins);
    search->again_offset(&stored, 32, most, part->x, codes);
}

static void end_q4(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block)
{
    end_sixes(search, part, found, 15, codes, block);
    put_nibbles(codes, 32, block + 16);
}

static void end_q5(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block)
{
    end_sixes(search, part, found, 31, codes, block);
    put_ones(codes, 4, block + 16);
    put_nibbles(codes, 32, block + 48);
}

/* The scales of Q3_K as codes -32..31 of d: with weights by a search, without by the extreme one, which becomes -32. */
static float q3_scales(const struct ggml_k_found *found, bool weighted, uint8_t *stored)
{
    if (weighted)
        return ggml_search_centred(16, 32, found->scales, found->sums, stored);
    const float top = extreme(found->scales, 16);
    memset(stored, 0, 16);
    if (top == 0)
        return 0;
    const float iscale = -32.0f / top;
    for (int j = 0; j < 16; j++)
        stored[j] = (uint8_t)(clamp((int8_t)to_nearest(iscale * found->scales[j]), -32, 31) + 32);
    return 1 / iscale;
}

static void end_q3(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block)
{
    uint8_t stored[16];
    int8_t steps[16];
    put_f16(block + 108, q3_scales(found, part->weights != NULL, stored));
    put_sixteen(stored, block + 96);
    for (int j = 0; j < 16; j++)
        steps[j] = (int8_t)(stored[j] - 32);
    search->again_centred(f16_at(block + 108), steps, 4, part->x, codes);
    put_ones(codes, 2, block);
    put_twos(codes, 0, block + 32);
}

static void end_q6(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block)
{
    int8_t steps[16];
    const float top = extreme(found->scales, 16);
    if (fabsf(top) < GGML_SEARCH_TINY) {
        memset(block, 0, 210);
        return;
    }
    const float iscale = -128.0f / top;
    put_f16(block + 208, 1 / iscale);
    for (int j = 0; j < 16; j++) {
        const int32_t step = to_nearest(iscale * found->scales[j]);
        steps[j] = (int8_t)(step < 127 ? step : 127);
        block[192 + j] = (uint8_t)steps[j];
    }
    search->again_centred(f16_at(block + 208), steps, 32, part->x, codes);
    put_nibbles(codes, 64, block);
    put_twos(codes, 4, block + 128);
}

/* How a type's sub-blocks are searched, without and with weights, and what is made of that. */
static const struct making {
    const struct ggml_search_affine *plain, *weighted; /* NULL: around a centre */
    int half;
    bool three;                    /* without weights by ggml_search_three */
    enum ggml_k_weighing weighing; /* without weights */
    float times;                   /* with weights the mean square of a super-block counts so often; 0: weights count as they are */
    void (*end)(const struct ggml_k_search *search, const struct ggml_part *part, const struct ggml_k_found *found, uint8_t *codes, uint8_t *block);
} makings[GGML_COUNT] = {
    [GGML_Q2_K] = {&plain_q2, &weighted_q2, 0, false, GGML_K_WEIGH_SIZE, 1, end_q2},
    [GGML_Q3_K] = {NULL, NULL, 4, true, GGML_K_WEIGH_SQUARE, 2, end_q3},
    [GGML_Q4_K] = {&plain_q4, &weighted_q4, 0, false, GGML_K_WEIGH_SIZE, 2, end_q4},
    [GGML_Q5_K] = {&plain_q5, &weighted_q5, 0, false, GGML_K_WEIGH_SIZE, 2, end_q5},
    [GGML_Q6_K] = {NULL, NULL, 32, false, GGML_K_WEIGH_SQUARE, 0, end_q6},
};

/* With importance, large values of a super-block count more as well. */
static struct ggml_k_weights weights_of(const struct making *making, const struct ggml_part *part, size_t at)
{
    if (part->weights == NULL)
        return (struct ggml_k_weights){making->weighing, NULL, 0};
    if (making->times == 0)
        return (struct ggml_k_weights){GGML_K_WEIGH_GIVEN, part->weights + at, 0};
    return (struct ggml_k_weights){GGML_K_WEIGH_IMPORTANCE, part->weights + at, making->times * sum_of_squares(part->x + at, GGML_SUPER) / 256.0f};
}

void ggml_k_encode(enum ggml_type type, const struct ggml_k_search *search, const struct ggml_part *part, unsigned count, uint8_t *blocks)
{
    const struct making *making = makings + type;
    struct ggml_k_weights weights[GGML_K_TOGETHER];
    struct ggml_k_found found[GGML_K_TOGETHER];
    uint8_t codes[GGML_K_TOGETHER][GGML_SUPER];
    for (unsigned s = 0; s < count; s++)
        weights[s] = weights_of(making, part, (size_t)GGML_SUPER * s);
    if (making->plain != NULL)
        search->offset(count, part->x, weights, part->weights != NULL ? making->weighted : making->plain, found, codes[0]);
    else if (making->three && part->weights == NULL)
        search->three(count, part->x, found, codes[0]);
    else
        search->centred(count, part->x, weights, making->half, found, codes[0]);
    for (unsigned s = 0; s < count; s++) {
        const struct ggml_part one = {.x = part->x + GGML_SUPER * s, .weights = part->weights};
        making->end(search, &one, found + s, codes[s], blocks + ggml_block_bytes(type) * s);
    }
}

uint64_t ggml_k_row(enum ggml_type type, const struct ggml_k_search *search, const struct ggml_part *row, uint64_t elements, uint8_t *to)
{
    unsigned count = GGML_K_TOGETHER;
    for (uint64_t at = 0; at < elements; at += count * GGML_SUPER, to += count * ggml_block_bytes(type)) {
        while (count > (elements - at) / GGML_SUPER)
            count /= 2;
        const struct ggml_part part = {.x = row->x + at, .weights = row->weights != NULL ? row->weights + at : NULL};
        ggml_k_encode(type, search, &part, count, to);
    }
    return elements;
}

static bool encode_q2(const struct ggml_part *part, uint8_t *block)
{
    ggml_k_encode(GGML_Q2_K, &plain, part, 1, block);
    return true;
}

static bool encode_q3(const struct ggml_part *part, uint8_t *block)
{
    ggml_k_encode(GGML_Q3_K, &plain, part, 1, block);
    return true;
}

static bool encode_q4(const struct ggml_part *part, uint8_t *block)
{
    ggml_k_encode(GGML_Q4_K, &plain, part, 1, block);
    return true;
}

static bool encode_q5(const struct ggml_part *part, uint8_t *block)
{
    ggml_k_encode(GGML_Q5_K, &plain, part, 1, block);
    return true;
}

static bool encode_q6(const struct ggml_part *part, uint8_t *block)
{
    ggml_k_encode(GGML_Q6_K, &plain, part, 1, block);
    return true;
}

const struct ggml_kernel ggml_k_q2 = {decode_q2, encode_q2, false, false}, ggml_k_q3 = {decode_q3, encode_q3, false, false},
                         ggml_k_q4 = {decode_q4, encode_q4, false, false}, ggml_k_q5 = {decode_q5, encode_q5, false, false},
                         ggml_k_q6 = {decode_q6, encode_q6, false, false};
