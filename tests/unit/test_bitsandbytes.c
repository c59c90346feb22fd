/* bitsandbytes directories: what is read of NF4, FP4 and int8 weights, and every refusal. */
#include "codec/codebook.h"
#include "codec/layout.h"
#include "directory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define DIR "bitsandbytes.tmp"
#define CHANGES_MAX 5

/* A tensor and what is in it: zeros, or a built-in table ("@nf4", "@fp4", "@other"), or the text itself, with ' for " and the shape of its length. */
struct piece {
    const char *name; /* NULL ends a table */
    const char *dtype; /* "": the tensor is left out */
    const char *shape;
    const char *text;
};

#define STATE(members) "{'quant_type': 'nf4', 'dtype': 'bfloat16', " members "}"
#define SHAPED(shape) STATE("'blocksize': 64, 'shape': " shape)
#define PLAIN SHAPED("[4, 64]")
#define NESTED(members) STATE("'blocksize': 64, 'shape': [4, 64], " members)
#define NF4 "m.a.weight.quant_state.bitsandbytes__nf4"
#define FP4 "m.a.weight.quant_state.bitsandbytes__fp4"

/* 4 x 64 elements in four blocks. */
static const struct piece plain[] = {
    {"m.a.weight", "U8", "128,1", NULL}, {"m.a.weight.absmax", "F32", "4", NULL}, {"m.a.weight.quant_map", "F32", "16", "@nf4"},
    {NF4, "U8", "", PLAIN},              {"norm.weight", "F16", "64", NULL},      {NULL, NULL, NULL, NULL},
};
static const struct piece nested[] = {
    {"m.a.weight", "U8", "128,1", NULL},
    {"m.a.weight.absmax", "U8", "4", NULL},
    {"m.a.weight.quant_map", "F32", "16", "@nf4"},
    {"m.a.weight.nested_absmax", "F32", "1", NULL},
    {"m.a.weight.nested_quant_map", "F32", "256", NULL},
    {NF4, "U8", "", NESTED("'nested_blocksize': 256, 'nested_dtype': 'float32', 'nested_offset': 0.0625")},
    {NULL, NULL, NULL, NULL},
};
static const struct piece int8[] = {
    {"m.a.weight", "I8", "4,64", NULL}, {"m.a.SCB", "F32", "4", NULL}, {"m.a.weight_format", "U8", "", "\001"}, {NULL, NULL, NULL, NULL},
};

static void put(const struct piece *piece, struct shard *shard)
{
    const char *text = piece->text;
    char shape[32];
    if (text == NULL || text[0] == '@') {
        const struct entry entry = {piece->name, piece->dtype, piece->shape, {0}};
        uint8_t *data = shard_add(shard, piece->name, piece->dtype, piece->shape, entry_bytes(&entry));
        if (text != NULL)
            memcpy(data, strcmp(text, "@fp4") == 0 ? codebook_fp4 : codebook_nf4, sizeof codebook_nf4);
        if (text != NULL && strcmp(text, "@other") == 0)
            data[4 * 5] ^= 1; /* the last bit of one value */
        return;
    }
    const size_t size = strlen(text);
    (void)snprintf(shape, sizeof shape, "%zu", size);
    uint8_t *data = shard_add(shard, piece->name, piece->dtype, piece->shape[0] == '\0' ? shape : piece->shape, size);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(text[i] == '\'' ? '"' : text[i] == '\001' ? 0 : text[i]);
}

static const struct piece *changed(const struct piece *changes, const char *name)
{
    for (; changes != NULL && changes->name != NULL; changes++)
        if (strcmp(changes->name, name) == 0)
            return changes;
    return NULL;
}

/* directory_write with contents. */
static void write(const struct piece *base, const struct piece *changes, const char *config)
{
    struct shard shard = {0};
    NEED(tree_remove(&file_posix, DIR, NULL) == STATUS_OK && mkdir(DIR, 0777) == 0);
    for (const struct piece *piece = base; piece->name != NULL; piece++) {
        const struct piece *change = changed(changes, piece->name), *chosen = change == NULL ? piece : change;
        if (chosen->dtype[0] != '\0')
            put(chosen, &shard);
    }
    for (const struct piece *change = changes; change != NULL && change->name != NULL; change++)
        if (changed(base, change->name) == NULL)
            put(change, &shard);
    shard_write(&shard, DIR, "model.safetensors");
    spill(DIR, "config.json", config, strlen(config));
}

static const char config[] = "{\"quantization_config\": {\"quant_method\": \"bitsandbytes\", \"load_in_4bit\": true}}";

static uint32_t named(const struct opened *o, const char *name)
{
    return model_find(&o->model, slice_of(name));
}

/* --- what is read ------------------------------------------------------------------------------------------------------------------ */

static void four_bits(void **state)
{
    static const struct {
        struct piece change[CHANGES_MAX];
        uint64_t out, in, block;
    } rows[] = {
        {{{NULL, NULL, NULL, NULL}}, 4, 64, 64},
        {{{NF4, "", "", NULL}, {FP4, "U8", "", PLAIN}, {"m.a.weight.quant_map", "F32", "16", "@fp4"}}, 4, 64, 64},
        {{{NF4, "U8", "", SHAPED("[64.0, 4]")}}, 64, 4, 64},
        {{{NF4, "U8", "", SHAPED("[1, 256]")}}, 1, 256, 64},
        {{{NF4, "U8", "", STATE("'shape': [4, 64], 'blocksize': 32")}, {"m.a.weight.absmax", "F32", "8", NULL}}, 4, 64, 32},
        {{{NF4, "U8", "", STATE("'shape': [4, 64], 'blocksize': 4096")}, {"m.a.weight.absmax", "F32", "1", NULL}}, 4, 64, 4096},
        /* blocks run over the rows, the last one is short, and an odd count leaves half a byte */
        {{{NF4, "U8", "", SHAPED("[3, 43]")}, {"m.a.weight", "U8", "65,1", NULL}, {"m.a.weight.absmax", "F32", "3", NULL}}, 3, 43, 64},
        {{{"m.a.weight", "BF16", "64,1", NULL}}, 4, 64, 64}, /* bytes under another dtype */
        {{{"m.a.weight", "F32", "32", NULL}}, 4, 64, 64},
        {{{"m.a.weight.absmax", "F32", "2,2", NULL}}, 4, 64, 64},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write(plain, rows[i].change, config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        assert_string_equal(o.model.format, "bitsandbytes");
        assert_int_equal(o.model.weight_count, 1);
        const struct weight *weight = o.model.weight;
        assert_string_equal(weight->name, "m.a");
        assert_int_equal(weight->out, rows[i].out);
        assert_int_equal(weight->in, rows[i].in);
        assert_int_equal(weight->groups, 1);
        assert_int_equal(weight->spec.grid, GRID_CODEBOOK);
        assert_int_equal(weight->spec.bits, 4);
        assert_int_equal(weight->spec.zero_kind, ZERO_MID);
        assert_int_equal(weight->spec.group, rows[i].block);
        assert_int_equal(weight->spec.scale_rule, SCALE_STORED);
        assert_int_equal(weight->spec.scale_dtype, DTYPE_F32);
        assert_int_equal(weight->spec.activation, ACTIVATION_NONE);
        assert_int_equal(weight->role[ROLE_CODES], named(&o, "m.a.weight"));
        assert_int_equal(weight->role[ROLE_SCALES], named(&o, "m.a.weight.absmax"));
        assert_int_equal(weight->role[ROLE_TABLE], named(&o, "m.a.weight.quant_map"));
        assert_int_equal(weight->role[ROLE_STATE], named(&o, i == 1 ? FP4 : NF4));
        assert_int_equal(weight->role[ROLE_SCALES2], MODEL_NONE);
        assert_int_equal(weight->role[ROLE_TABLE2], MODEL_NONE);
        assert_int_equal(o.model.tensor[weight->role[ROLE_CODES]].fate, FATE_CLAIMED);
        assert_int_equal(o.model.tensor[named(&o, "norm.weight")].fate, FATE_CARRY);
        directory_close(&o);
    }
}

static void double_quantization(void **state)
{
    static const struct piece small[] = {
        {NF4, "U8", "", NESTED("'nested_offset': -1, 'nested_blocksize': 32")},
        {NULL, NULL, NULL, NULL},
    };
    static const struct piece many[] = {
        {NF4, "U8", "", STATE("'blocksize': 32, 'shape': [33, 64], 'nested_offset': 1e-3, 'nested_blocksize': 32")},
        {"m.a.weight", "U8", "1056,1", NULL},
        {"m.a.weight.absmax", "U8", "66", NULL},
        {"m.a.weight.nested_absmax", "F32", "3", NULL},
        {NULL, NULL, NULL, NULL},
    };
    static const struct {
        const struct piece *change;
        uint64_t out, group, scale_group;
        float offset;
    } rows[] = {{NULL, 4, 64, 256, 0.0625f}, {small, 4, 64, 32, -1.0f}, {many, 33, 32, 32, 1e-3f}};
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write(nested, rows[i].change, config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %zu: %s: %s", i, o.err.where, o.err.what);
        const struct weight *weight = o.model.weight;
        assert_int_equal(weight->out, rows[i].out);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->spec.scale_rule, SCALE_CODED);
        assert_int_equal(weight->spec.group, rows[i].group);
        assert_int_equal(weight->spec.scale_group, rows[i].scale_group);
        assert_true(weight->spec.scale_offset == rows[i].offset);
        assert_int_equal(weight->role[ROLE_SCALES2], named(&o, "m.a.weight.nested_absmax"));
        assert_int_equal(weight->role[ROLE_TABLE2], named(&o, "m.a.weight.nested_quant_map"));
        directory_close(&o);
    }
}

static void eight_bits(void **state)
{
    static const struct piece unsaid[] = {{"m.a.weight_format", "", "", NULL}, {NULL, NULL, NULL, NULL}};
    struct opened o;
    (void)state;
    for (int i = 0; i < 2; i++) {
        write(int8, i == 0 ? NULL : unsaid, config);
        if (directory_read(&o, DIR) != STATUS_OK)
            fail_msg("row %d: %s: %s", i, o.err.where, o.err.what);
        const struct weight *weight = o.model.weight;
        assert_string_equal(weight->name, "m.a");
        assert_int_equal(weight->out, 4);
        assert_int_equal(weight->in, 64);
        assert_int_equal(weight->groups, 1);
        assert_int_equal(weight->spec.grid, GRID_AFFINE_ZERO);
        assert_int_equal(weight->spec.bits, 8);
        assert_int_equal(weight->spec.group, 64);
        assert_int_equal(weight->spec.zero_kind, ZERO_MID);
        assert_int_equal(weight->spec.param_order, ORDER_OUT_GROUP);
        assert_int_equal(weight->spec.scale_rule, SCALE_ABSMAX);
        assert_int_equal(weight->spec.scale_dtype, DTYPE_F32);
        assert_int_equal(weight->spec.codes_layout, LAYOUT_BYTE_INT8);
        assert_int_equal(weight->role[ROLE_CODES], named(&o, "m.a.weight"));
        assert_int_equal(weight->role[ROLE_SCALES], named(&o, "m.a.SCB"));
        assert_int_equal(weight->role[ROLE_STATE], named(&o, "m.a.weight_format"));
        directory_close(&o);
    }
}

/* Both kinds in one file, each with its own shape; sorted by name. */
static void several_weights(void **state)
{
    static const struct piece more[] = {
        {"z.weight", "I8", "2,8", NULL},
        {"z.SCB", "F32", "2", NULL},
        {"b.weight", "U8", "32,1", NULL},
        {"b.weight.absmax", "F32", "1", NULL},
        {"b.weight.quant_map", "F32", "16", "@fp4"},
        {"b.weight.quant_state.bitsandbytes__fp4", "U8", "", SHAPED("[8, 8]")},
        {NULL, NULL, NULL, NULL},
    };
    struct opened o;
    (void)state;
    write(plain, more, config);
    assert_int_equal(directory_read(&o, DIR), STATUS_OK);
    assert_int_equal(o.model.weight_count, 3);
    assert_string_equal(o.model.weight[0].name, "b");
    assert_int_equal(o.model.weight[0].out, 8);
    assert_string_equal(o.model.weight[1].name, "m.a");
    assert_string_equal(o.model.weight[2].name, "z");
    assert_int_equal(o.model.weight[2].spec.grid, GRID_AFFINE_ZERO);
    assert_int_equal(o.model.tensor[named(&o, "b.weight.absmax")].peer, 0);
    directory_close(&o);
}

static void who_bids(void **state)
{
    static const struct {
        const char *config;
        enum status status;
    } rows[] = {
        {config, STATUS_OK},
        {"{\"text_config\": {\"quantization_config\": {\"quant_method\": \"bitsandbytes\"}}}", STATUS_OK},
        {"{\"quantization_config\": {\"quant_method\": \"bnb\"}}", STATUS_UNSUPPORTED},
        {"{\"quantization_config\": {\"load_in_4bit\": true}}", STATUS_UNSUPPORTED},
        {"{\"quantization_config\": {\"quant_method\": 4}}", STATUS_UNSUPPORTED},
    };
    struct opened o;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write(plain, NULL, rows[i].config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status)
            fail_msg("row %zu: status %d, %s: %s", i, (int)status, o.err.where, o.err.what);
        if (status == STATUS_OK) {
            assert_int_equal(o.bid.score, 90);
            assert_string_equal(o.bid.evidence, "config.json: bitsandbytes");
        }
        directory_close(&o);
    }
}

/* --- what is refused --------------------------------------------------------------------------------------------------------------- */

struct bad {
    struct piece change[CHANGES_MAX];
    enum status status;
    const char *where, *what;
};

static void refuse(const struct piece *base, const struct bad *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct opened o;
        write(base, rows[i].change, config);
        const enum status status = directory_read(&o, DIR);
        if (status != rows[i].status || strstr(o.err.where, rows[i].where) == NULL || strstr(o.err.what, rows[i].what) == NULL)
            fail_msg("row %zu: status %d, \"%s: %s\", expected \"%s: %s\"", i, (int)status, o.err.where, o.err.what, rows[i].where, rows[i].what);
        directory_close(&o);
    }
}

#define SAYS(text, member) \
    { \
        {{NF4, "U8", "", text}}, STATUS_CORRUPT, NF4, "wrong value of \"" member "\"" \
    }
#define BLOCK(size) SAYS(STATE("'shape': [4, 64], 'blocksize': " size), "blocksize")
#define SHAPE(shape) SAYS(SHAPED(shape), "shape")
#define UNREADABLE(text) \
    { \
        {{NF4, "U8", "", text}}, STATUS_CORRUPT, NF4, "" \
    }

static void broken_states(void **state)
{
    static const struct bad rows[] = {
        SAYS("{}", "blocksize"), SAYS("[64, 4, 64]", "blocksize"), SAYS("64", "blocksize"), SAYS("null", "blocksize"),
        SAYS(STATE("'shape': [4, 64]"), "blocksize"),
        BLOCK("0"), BLOCK("-64"), BLOCK("16"), BLOCK("48"), BLOCK("8192"), BLOCK("64.5"), BLOCK("'64'"), BLOCK("null"), BLOCK("9223372036854775808"),
        SAYS(STATE("'blocksize': 64"), "shape"), SHAPE("[]"), SHAPE("[256]"), SHAPE("[4, 64, 1]"), SHAPE("4"), SHAPE("null"), SHAPE("'4, 64'"), SHAPE("{'out': 4, 'in': 64}"),
        SHAPE("[0, 64]"),
        SHAPE("[4, 0]"), SHAPE("[-4, 64]"), SHAPE("[4, -64]"), SHAPE("[4.5, 64]"), SHAPE("['4', 64]"), SHAPE("[4, null]"), SHAPE("[4294967296, 1]"),
        SHAPE("[1, 4294967296]"), SHAPE("[9007199254740993, 1]"), UNREADABLE("{"), UNREADABLE(PLAIN "x"), UNREADABLE(SHAPED("[NaN, 64]")),
        UNREADABLE("{'blocksize': 64, 'blocksize': 64, 'shape': [4, 64]}"), UNREADABLE("\001"),
        {{{NF4, "U8", "0", NULL}}, STATUS_CORRUPT, NF4, ""},
        {{{NF4, "U8", "65537", NULL}}, STATUS_LIMIT, NF4, "found 65537 bytes, expected at most 65536"},
        {{{NF4, "U8", "65536", NULL}}, STATUS_CORRUPT, NF4, ""}, /* not JSON, but not too long */
        /* shapes that the tensors do not have */
        {{{NF4, "U8", "", SHAPED("[4, 65]")}}, STATUS_CORRUPT, "safetensors: m.a.weight", "found 128 bytes, expected 130 for 4 x 65 (R-SHAPE)"},
        {{{NF4, "U8", "", SHAPED("[3, 85]")}, {"m.a.weight", "U8", "127", NULL}}, STATUS_CORRUPT, "m.a.weight", "found 127 bytes, expected 128 for 3 x 85"},
        {{{NF4, "U8", "", SHAPED("[4294967295, 4294967295]")}}, STATUS_CORRUPT, "m.a.weight", "expected 9223372032559808513 for 4294967295 x 4294967295"},
        {{{"m.a.weight", "F32", "128,1", NULL}}, STATUS_CORRUPT, "m.a.weight", "found 512 bytes, expected 128"},
        {{{"m.a.weight", "U8", "0,1", NULL}}, STATUS_CORRUPT, "m.a.weight", "found 0 bytes, expected 128"},
    };
    (void)state;
    refuse(plain, rows, sizeof rows / sizeof rows[0]);
}

#define NESTED_SAYS(members, member) SAYS(NESTED(members), member)

static void broken_nested_states(void **state)
{
    static const struct bad rows[] = {
        NESTED_SAYS("'nested_offset': 0, 'nested_blocksize': 0", "nested_blocksize"),
        NESTED_SAYS("'nested_offset': 0, 'nested_blocksize': null", "nested_blocksize"),
        NESTED_SAYS("'nested_offset': 0, 'nested_blocksize': 255", "nested_blocksize"),
        NESTED_SAYS("'nested_offset': 0, 'nested_blocksize': '256'", "nested_blocksize"),
        NESTED_SAYS("'nested_offset': 0, 'nested_blocksize': 8192", "nested_blocksize"),
        NESTED_SAYS("'nested_blocksize': 256", "nested_offset"),
        NESTED_SAYS("'nested_blocksize': 256, 'nested_offset': null", "nested_offset"),
        NESTED_SAYS("'nested_blocksize': 256, 'nested_offset': '0'", "nested_offset"),
        NESTED_SAYS("'nested_blocksize': 256, 'nested_offset': 1e400", "nested_offset"),
        NESTED_SAYS("'nested_blocksize': 256, 'nested_offset': 1e39", "nested_offset"), /* infinite in the F32 that it is added in */
        NESTED_SAYS("'nested_blocksize': 256, 'nested_offset': -1e300", "nested_offset"),
        UNREADABLE(NESTED("'nested_blocksize': 256, 'nested_offset': NaN")), /* as Python writes it */
        UNREADABLE(NESTED("'nested_blocksize': 256, 'nested_offset': Infinity")),
        {{{"m.a.weight.nested_absmax", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found no scales2 of this weight (R-INCOMPLETE)"},
        {{{"m.a.weight.nested_quant_map", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found no table2 of this weight (R-INCOMPLETE)"},
        {{{"m.a.weight.nested_absmax", "F32", "2", NULL}}, STATUS_CORRUPT, "m.a.weight.nested_absmax", "found F32 [2], expected 1 elements of F32 (R-SHAPE)"},
        {{{"m.a.weight.nested_absmax", "F16", "1", NULL}}, STATUS_CORRUPT, "m.a.weight.nested_absmax", "found F16 [1], expected 1 elements of F32"},
        {{{"m.a.weight.nested_quant_map", "F32", "255", NULL}}, STATUS_CORRUPT, "m.a.weight.nested_quant_map", "expected 256 elements of F32 (R-SHAPE)"},
        {{{"m.a.weight.nested_quant_map", "I32", "256", NULL}}, STATUS_CORRUPT, "m.a.weight.nested_quant_map", "found I32 [256]"},
        {{{"m.a.weight.absmax", "F32", "4", NULL}}, STATUS_CORRUPT, "m.a.weight.absmax", "found F32 [4], expected 4 elements of U8 (R-SHAPE)"},
        {{{NF4, "U8", "", PLAIN}}, STATUS_CORRUPT, "m.a.weight.absmax", "found U8 [4], expected 4 elements of F32 (R-SHAPE)"},
    };
    (void)state;
    refuse(nested, rows, sizeof rows / sizeof rows[0]);
}

static void broken_siblings(void **state)
{
    static const struct bad rows[] = {
        {{{"m.a.weight", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found m.a.weight.quant_state but no m.a.weight (R-INCOMPLETE)"},
        {{{"m.a.weight.absmax", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found no scales of this weight (R-INCOMPLETE)"},
        {{{"m.a.weight.quant_map", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found no table of this weight (R-INCOMPLETE)"},
        {{{"m.a.weight.absmax", "F32", "5", NULL}}, STATUS_CORRUPT, "m.a.weight.absmax", "found F32 [5], expected 4 elements of F32 (R-SHAPE)"},
        {{{"m.a.weight.absmax", "F64", "4", NULL}}, STATUS_CORRUPT, "m.a.weight.absmax", "found F64 [4], expected 4 elements of F32 (R-SHAPE)"},
        {{{"m.a.weight.quant_map", "F32", "15", NULL}}, STATUS_CORRUPT, "m.a.weight.quant_map", "found F32 [15], expected 16 elements of F32"},
        {{{"m.a.weight.quant_map", "I32", "16", NULL}}, STATUS_CORRUPT, "m.a.weight.quant_map", "found I32 [16], expected 16 elements of F32"},
        {{{"m.a.weight.quant_map", "F32", "16", NULL}}, STATUS_UNSUPPORTED, "m.a.weight.quant_map", "neither NF4 nor FP4"}, /* all zeros */
        {{{"m.a.weight.quant_map", "F32", "16", "@other"}}, STATUS_UNSUPPORTED, "m.a.weight.quant_map", "(R-CODEBOOK)"},
        /* two descriptions of one weight */
        {{{FP4, "U8", "", PLAIN}}, STATUS_CORRUPT, "m.a.weight", "described twice (R-CONFLICT)"},
        {{{"m.a.SCB", "F32", "4", NULL}}, STATUS_CORRUPT, "m.a.weight", "described twice (R-CONFLICT)"},
        /* parts of weights that are not there */
        {{{NF4, "", "", NULL}}, STATUS_CORRUPT, "m.a.weight", "found a part of a quantized weight without its others (R-INCOMPLETE)"},
        {{{"b.weight", "U8", "4,4", NULL}}, STATUS_CORRUPT, "b.weight", "without its others (R-INCOMPLETE)"},
        {{{"b.weight", "I8", "4,4", NULL}}, STATUS_CORRUPT, "b.weight", "without its others (R-INCOMPLETE)"},
        {{{"b.weight.absmax", "F32", "4", NULL}}, STATUS_CORRUPT, "b.weight.absmax", "without its others (R-INCOMPLETE)"},
        {{{"b.weight.quant_map", "F32", "16", NULL}}, STATUS_CORRUPT, "b.weight.quant_map", "without its others (R-INCOMPLETE)"},
        {{{"b.weight.nested_absmax", "F32", "4", NULL}}, STATUS_CORRUPT, "b.weight.nested_absmax", "without its others (R-INCOMPLETE)"},
        {{{"b.weight.nested_quant_map", "F32", "4", NULL}}, STATUS_CORRUPT, "b.weight.nested_quant_map", "without its others (R-INCOMPLETE)"},
        {{{"b.weight_format", "U8", "1", NULL}}, STATUS_CORRUPT, "b.weight_format", "without its others (R-INCOMPLETE)"},
        {{{"b.SCB", "F32", "4", NULL}}, STATUS_CORRUPT, "b", "found b.SCB but no b.weight (R-INCOMPLETE)"},
        {{{"b.weight.quant_state.bitsandbytes__fp4", "U8", "1", NULL}}, STATUS_CORRUPT, "b", "found b.weight.quant_state but no b.weight (R-INCOMPLETE)"},
        /* floats that are to be quantized when they are loaded */
        {{{"m.a.weight", "F16", "4,64", NULL}, {"m.a.weight.absmax", "", "", NULL}, {"m.a.weight.quant_map", "", "", NULL}, {NF4, "", "", NULL}},
         STATUS_CORRUPT,
         "config.json",
         "no tensor with a quant_state or an SCB (R-CONFLICT)"},
    };
    (void)state;
    refuse(plain, rows, sizeof rows / sizeof rows[0]);
}

static void broken_int8(void **state)
{
    static const struct bad rows[] = {
        {{{"m.a.weight", "", "", NULL}}, STATUS_CORRUPT, "m.a", "found m.a.SCB but no m.a.weight (R-INCOMPLETE)"},
        {{{"m.a.SCB", "", "", NULL}}, STATUS_CORRUPT, "m.a.weight", "without its others (R-INCOMPLETE)"},
        {{{"m.a.weight", "U8", "4,64", NULL}}, STATUS_CORRUPT, "m.a.weight", "found dtype U8, expected I8"},
        {{{"m.a.weight", "F16", "4,64", NULL}}, STATUS_CORRUPT, "m.a.weight", "found dtype F16, expected I8"},
        {{{"m.a.weight", "I8", "256", NULL}}, STATUS_CORRUPT, "m.a.weight", "found shape [256], expected two dimensions (R-SHAPE)"},
        {{{"m.a.weight", "I8", "4,8,8", NULL}}, STATUS_CORRUPT, "m.a.weight", "found shape [4, 8, 8], expected two dimensions (R-SHAPE)"},
        {{{"m.a.weight", "I8", "4,0", NULL}}, STATUS_CORRUPT, "m.a.weight", "found shape [4, 0], expected two dimensions (R-SHAPE)"},
        {{{"m.a.SCB", "F32", "5", NULL}}, STATUS_CORRUPT, "m.a.SCB", "found F32 [5], expected 4 elements of F32 (R-SHAPE)"},
        {{{"m.a.SCB", "F16", "4", NULL}}, STATUS_CORRUPT, "m.a.SCB", "found F16 [4], expected 4 elements of F32 (R-SHAPE)"},
        {{{"m.a.weight_format", "U8", "", "\002"}}, STATUS_UNSUPPORTED, "m.a.weight_format", "found weight_format 2, expected 0 (rows)"},
        {{{"m.a.weight_format", "U8", "0", NULL}}, STATUS_CORRUPT, "m.a.weight_format", "found 0 bytes, expected at least 1"},
    };
    (void)state;
    refuse(int8, rows, sizeof rows / sizeof rows[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_bits),       cmocka_unit_test(double_quantization), cmocka_unit_test(eight_bits),
        cmocka_unit_test(several_weights), cmocka_unit_test(who_bids),            cmocka_unit_test(broken_states),
        cmocka_unit_test(broken_nested_states), cmocka_unit_test(broken_siblings), cmocka_unit_test(broken_int8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
