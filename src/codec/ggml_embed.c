#include "codec/ggml_embed.h"

#include "base/le.h"
#include "codec/ggml_field.h"
#include "codec/half.h"

#include <string.h>

/* What a type can hold, by bits a weight, then by id. K types have one scale for 256 columns here: all inner scales are 1. */
static const struct ggml_embed_holder holders[] = {
    {GGML_Q2_K, 2, GGML_EMBED_ZERO, 0, 15},
    {GGML_Q3_K, 3, GGML_EMBED_RANGE, -4, 3},
    {GGML_Q4_0, 4, GGML_EMBED_RANGE, -8, 7},
    {GGML_Q4_K, 4, GGML_EMBED_ZERO, 0, 63},
    {GGML_Q4_1, 4, GGML_EMBED_MINIMUM, 0, 0},
    {GGML_Q5_0, 5, GGML_EMBED_RANGE, -16, 15},
    {GGML_Q5_K, 5, GGML_EMBED_ZERO, 0, 63},
    {GGML_Q5_1, 5, GGML_EMBED_MINIMUM, 0, 0},
    {GGML_Q6_K, 6, GGML_EMBED_RANGE, -32, 31},
    {GGML_Q8_0, 8, GGML_EMBED_RANGE, -128, 127},
};

static bool holds(const struct ggml_embed_holder *holder, const struct ggml_embed_facts *facts)
{
    const uint32_t block = ggml_block_elements(holder->type);
    if (facts->columns % block != 0 || (facts->group < facts->columns && facts->group % block != 0))
        return false;
    if (facts->betas)
        return holder->how == GGML_EMBED_MINIMUM && facts->bits <= holder->bits && !facts->loose[holder->bits - 4];
    switch (holder->how) {
    case GGML_EMBED_RANGE:
        return facts->low >= holder->low && facts->high <= holder->high;
    case GGML_EMBED_ZERO:
        return facts->bits <= holder->bits && facts->zero_low >= holder->low && facts->zero_high <= holder->high;
    case GGML_EMBED_MINIMUM:
        return facts->bits <= holder->bits && !facts->loose[holder->bits - 4];
    }
    return false;
}

const struct ggml_embed_holder *ggml_embed_holder_at(size_t index)
{
    return index < sizeof holders / sizeof holders[0] ? &holders[index] : NULL;
}

bool ggml_embed_holds(enum ggml_type type, const struct ggml_embed_facts *facts)
{
    for (size_t h = 0; h < sizeof holders / sizeof holders[0]; h++)
        if (holders[h].type == type)
            return holds(&holders[h], facts);
    return false;
}

enum ggml_type ggml_embed_choose(const struct ggml_embed_facts *facts)
{
    for (size_t h = 0; h < sizeof holders / sizeof holders[0]; h++)
        if (holds(&holders[h], facts))
            return holders[h].type;
    return GGML_COUNT;
}

static bool is_f16(float value)
{
    return half_from_f16(half_to_f16(value)) == value;
}

bool ggml_embed_minimum(float scale, int32_t zero, int32_t most, struct ggml_embed_minimum *found)
{
    const float direct = -(float)zero * scale, turned = (float)(most - zero) * scale; /* at most 11 and 9 bits: exact */
    const bool fits = is_f16(direct);
    *found = fits ? (struct ggml_embed_minimum){scale, direct, false} : (struct ggml_embed_minimum){-scale, turned, true};
    return fits || is_f16(turned);
}

/* --- blocks -------------------------------------------------------------------------------------------------------------------- */

/* One block's part of a row, and what all blocks of its group have. */
struct block {
    const uint8_t *codes;
    uint16_t scale, minimum; /* F16; the minimum of types that have one */
    int32_t zero;            /* in a group of zeros: such that codes stay in range */
    bool turned, dead;       /* codes are counted from the top; the scale is 0 */
};

/* code - zero + middle, in a group of zeros the middle. */
static unsigned centred(const struct block *block, unsigned j, int32_t middle)
{
    return (unsigned)(block->dead ? middle : block->codes[j] - block->zero + middle);
}

/* Bit 4 of each of 32 bytes, the first byte's lowest: the product puts that of byte i of eight at bit 56 + i, and no two bits at one place. */
static uint32_t fifth_bits(const uint8_t code[32])
{
    uint32_t word = 0;
    for (unsigned k = 0; k < 4; k++) {
        const uint64_t eight = le_load64(code + 8 * k) >> 4 & UINT64_C(0x0101010101010101);
        word |= (uint32_t)(eight * UINT64_C(0x0102040810204080) >> 56) << (8 * k);
    }
    return word;
}

/* Nibbles j and j + 16 share byte j; the fifth bits of 5-bit codes are the bits of a word. */
static void put_halves(const uint8_t code[32], uint8_t *nibbles, uint8_t *fifth)
{
    for (unsigned j = 0; j < 16; j += 8) {
        const uint64_t low = le_load64(code + j) & UINT64_C(0x0f0f0f0f0f0f0f0f), high = le_load64(code + j + 16) & UINT64_C(0x0f0f0f0f0f0f0f0f);
        le_store64(nibbles + j, low | high << 4);
    }
    if (fifth != NULL)
        le_store32(fifth, fifth_bits(code));
}

static void put_range32(enum ggml_type type, const struct block *block, uint8_t *at)
{
    const int32_t middle = type == GGML_Q4_0 ? 8 : type == GGML_Q5_0 ? 16 : 0;
    const uint8_t shift = (uint8_t)(middle - block->zero);
    uint8_t code[32];
    if (block->dead)
        memset(code, middle, sizeof code);
    for (unsigned j = 0; j < 32 && !block->dead; j++)
        code[j] = (uint8_t)(block->codes[j] + shift); /* code - zero + middle, which is a byte */
    le_store16(at, block->scale);
    if (type == GGML_Q8_0)
        memcpy(at + 2, code, 32);
    else
        put_halves(code, at + (type == GGML_Q5_0 ? 6 : 2), type == GGML_Q5_0 ? at + 2 : NULL);
}

static void put_minimum32(enum ggml_type type, const struct block *block, uint8_t *at)
{
    const uint8_t most = type == GGML_Q4_1 ? 15 : 31;
    uint8_t code[32];
    for (unsigned j = 0; j < 32; j++)
        code[j] = (uint8_t)(block->turned ? most - block->codes[j] : block->codes[j]);
    le_store16(at, block->scale);
    le_store16(at + 2, block->minimum);
    put_halves(code, at + (type == GGML_Q5_1 ? 8 : 4), type == GGML_Q5_1 ? at + 4 : NULL);
}

/* Q4_K, Q5_K: all eight scales 1, all eight minima `zero` (6 bits each, in 12 bytes); codes of 64 columns in 32 bytes, the first 32 low. */
static void put_zero256(enum ggml_type type, const struct block *block, uint8_t *at)
{
    const unsigned zero = block->dead ? 0 : (unsigned)block->zero;
    uint8_t *const scales = at + 4, *const high = at + 16, *const low = at + (type == GGML_Q5_K ? 48 : 16);
    le_store16(at, block->scale);
    le_store16(at + 2, block->scale);
    for (unsigned k = 0; k < 4; k++) {
        scales[k] = 1;                                                  /* scale k; above it bits 5 4 of scale k + 4, which are 0 */
        scales[k + 4] = (uint8_t)(zero | (zero >> 4) << 6);             /* minimum k, and bits 5 4 of minimum k + 4 */
        scales[k + 8] = (uint8_t)(1 | (zero & 15) << 4);                /* low nibbles of scale and minimum k + 4 */
    }
    if (type == GGML_Q5_K)
        memset(high, 0, 32);
    for (unsigned g = 0; g < 4; g++) {
        for (unsigned l = 0; l < 32; l++) {
            const unsigned a = block->codes[64 * g + l], b = block->codes[64 * g + 32 + l];
            low[32 * g + l] = (uint8_t)((a & 15) | (b & 15) << 4);
            if (type == GGML_Q5_K)
                high[l] = (uint8_t)(high[l] | (a >> 4 & 1) << (2 * g) | (b >> 4 & 1) << (2 * g + 1));
        }
    }
}

/* Q2_K: scales 1 and minima `zero` in nibbles; codes of 128 columns in 32 bytes, 32 columns a pair of bits. */
static void put_q2_k(const struct block *block, uint8_t *at)
{
    const unsigned zero = block->dead ? 0 : (unsigned)block->zero;
    memset(at, (int)(1 | zero << 4), 16);
    memset(at + 16, 0, 64);
    for (unsigned e = 0; e < 256; e++)
        at[16 + e / 128 * 32 + e % 32] |= (uint8_t)((block->codes[e] & 3) << (e % 128 / 32 * 2));
    le_store16(at + 80, block->scale);
    le_store16(at + 82, block->scale);
}

/* Q3_K: high bits, pairs of low bits as in Q2_K, scales 33 (1, less 32) of 6 bits in 12 bytes. */
static void put_q3_k(const struct block *block, uint8_t *at)
{
    memset(at, 0, 110);
    for (unsigned e = 0; e < 256; e++) {
        const unsigned code = centred(block, e, 4);
        at[e % 32] |= (uint8_t)((code >> 2 & 1) << (e / 32));
        at[32 + e / 128 * 32 + e % 32] |= (uint8_t)((code & 3) << (e % 128 / 32 * 2));
    }
    memset(at + 96, 0x11, 8); /* low nibbles of all sixteen */
    memset(at + 104, 0xaa, 4); /* bits 5 4: 2 */
    le_store16(at + 108, block->scale);
}

/* Q6_K: low nibbles, pairs of high bits, sixteen scales of 1. */
static void put_q6_k(const struct block *block, uint8_t *at)
{
    memset(at, 0, 192);
    for (unsigned e = 0; e < 256; e++) {
        const unsigned code = centred(block, e, 32), half = e / 128, quarter = e % 128 / 32, l = e % 32;
        at[64 * half + quarter % 2 * 32 + l] |= (uint8_t)((code & 15) << (quarter / 2 * 4));
        at[128 + 32 * half + l] |= (uint8_t)((code >> 4 & 3) << (2 * quarter));
    }
    memset(at + 192, 1, 16);
    le_store16(at + 208, block->scale);
}

static void put_block(enum ggml_type type, const struct block *block, uint8_t *at)
{
    switch (type) {
    case GGML_Q4_1:
    case GGML_Q5_1:
        put_minimum32(type, block, at);
        return;
    case GGML_Q4_K:
    case GGML_Q5_K:
        put_zero256(type, block, at);
        return;
    case GGML_Q2_K:
        put_q2_k(block, at);
        return;
    case GGML_Q3_K:
        put_q3_k(block, at);
        return;
    case GGML_Q6_K:
        put_q6_k(block, at);
        return;
    default:
        put_range32(type, block, at);
    }
}

/* Group `group` of the row as blocks of the type have it. */
static struct block block_of(enum ggml_type type, const struct ggml_embed_row *row, uint64_t group)
{
    const uint16_t scale = half_to_f16(row->scale[group]);
    const bool dead = row->scale[group] == 0.0f;
    struct block block = {.scale = scale, .zero = row->zero[group], .dead = dead};
    if (type != GGML_Q4_1 && type != GGML_Q5_1)
        return block;
    struct ggml_embed_minimum found = {half_from_f16(scale), row->beta == NULL ? 0 : row->beta[group], false};
    if (row->beta == NULL)
        (void)ggml_embed_minimum(found.scale, dead ? 0 : block.zero, type == GGML_Q4_1 ? 15 : 31, &found);
    block.scale = half_to_f16(found.scale);
    block.minimum = half_to_f16(found.minimum);
    block.turned = found.turned;
    return block;
}

void ggml_embed_row(enum ggml_type type, const struct ggml_embed_row *row, uint8_t *blocks)
{
    const uint32_t elements = ggml_block_elements(type), bytes = ggml_block_bytes(type);
    struct block block = {0};
    for (uint64_t first = 0; first < row->columns; first += elements, blocks += bytes) {
        if (first == 0 || row->group_of[first] != row->group_of[first - elements])
            block = block_of(type, row, row->group_of[first]);
        block.codes = row->codes + first;
        put_block(type, &block, blocks);
    }
}

void ggml_embed_mxfp4(const uint8_t *nibbles, const uint8_t *exponents, uint64_t blocks, uint8_t *data)
{
    for (uint64_t b = 0; b < blocks; b++) {
        data[17 * b] = exponents[b];
        ggml_field_halves(nibbles + 16 * b, data + 17 * b + 1);
    }
}
