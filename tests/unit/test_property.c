/* Random models through every ordered pair of formats: each conversion gives exactly the values of the source, or refuses with the status, the rule and
 * the module that the data predicts and leaves nothing behind. Sources are written, and results read, by loops of the tests' own (checkpoint.h, view.h).
 *
 * REPAQ_SEED=n runs that seed alone; REPAQ_SEEDS=n runs that many. */
#include "base/tree.h"
#include "plan/pipeline.h"
#include "plan/tile.h"
#include "view.h"

#include <ctype.h>
#include <setjmp.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "property.tmp"
#define SEEDS 80

static void complain(const struct trial *trial, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    const struct options *options = &trial->options;
    print_error(
        "REPAQ_SEED=%llu: %s to %s (bits %u, group %lld, exact %d, dtype %s, layout %d, weights-only %d, keep %d, exclude %d, verify %d; v1 %d): %s\n",
        (unsigned long long)trial->seed, dialect_names[trial->c->dialect], dialect_names[trial->target], options->bits, (long long)options->group,
        options->exact, options->dtype == DTYPE_NONE ? "kept" : dtype_name(options->dtype), (int)options->variant, options->weights_only,
        options->keep != NULL, options->exclude != NULL, trial->verify, (int)trial->c->v1, text);
    fail();
    abort(); /* not reached */
}

/* --- running ------------------------------------------------------------------------------------------------------------------ */

static int no_fsync(void *context, int fd) /* durability is not what this test is about, and it is slow */
{
    (void)context;
    (void)fd;
    return 0;
}

static enum zero_rule asked_rule(const struct checkpoint *c)
{
    return c->v1 == V1_FIELD_MOD ? ZERO_FIELD_MOD : c->v1 == V1_WORD_ADD ? ZERO_WORD_ADD : c->v1 == V1_NO_MASK ? ZERO_NO_MASK : ZERO_PLAIN;
}

struct route {
    const char *source, *destination;
    enum dialect from, to;
    unsigned threads;
    uint64_t memory;
};

static struct request request_of(const struct trial *trial, struct route route)
{
    return (struct request){
        .source = route.source,
        .destination = route.destination,
        .target = registry_find(dialect_names[route.to]),
        .reading = {.v1_rule = route.from == DIALECT_GPTQ && trial->c->dialect == DIALECT_GPTQ ? asked_rule(trial->c) : ZERO_PLAIN},
        .options = trial->options,
        .verify = trial->verify,
        .directory = true,
    };
}

static enum status convert(const struct trial *trial, struct route route, size_t count_of[EXACTNESS_COUNT], struct err *err)
{
    struct file_ops ops = file_posix;
    struct pipeline pipeline;
    ops.fsync = no_fsync;
    const struct resources resources = {&ops, route.threads, route.memory, NULL};
    const struct request request = request_of(trial, route);
    *err = (struct err){0};
    enum status status = pipeline_plan(&pipeline, &request, &resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, err);
    for (size_t i = 0; i < EXACTNESS_COUNT && status == STATUS_OK; i++)
        count_of[i] = pipeline.plan.count_of[i];
    pipeline_free(&pipeline);
    return status;
}

/* A refusal names the tensor, one of the rules that forbid it, a number where there is one to name, and what would help. */
static void check_words(const struct trial *trial, const struct forecast *expected, const struct err *err)
{
    bool named = expected->rules == 0;
    for (size_t rule = 0; rule < RULE_COUNT; rule++)
        named = named || ((expected->rules >> rule & 1) != 0 && strstr(err->what, rule_names[rule]) != NULL);
    if (!named)
        complain(trial, "the message names no rule of %#x: %s: %s", expected->rules, err->where, err->what);
    if (expected->module != NULL && strstr(err->where, expected->module) == NULL)
        complain(trial, "the message is not about %s: %s: %s", expected->module, err->where, err->what);
    if (err->status == STATUS_UNREPRESENTABLE && err->remedy[0] == '\0')
        complain(trial, "a refusal without a remedy: %s: %s", err->where, err->what);
}

/* Runs and holds the status against the prediction; a refusal leaves neither a destination nor a staging area. */
static bool converted(const struct trial *trial, struct route route, struct forecast expected, size_t count_of[EXACTNESS_COUNT])
{
    struct err err;
    char staging[200];
    const enum status status = convert(trial, route, count_of, &err);
    if (status != expected.status)
        complain(trial, "%s gave status %d, expected %d (rules %#x): %s: %s", route.destination, (int)status, (int)expected.status, expected.rules,
                 err.where, err.what);
    (void)snprintf(staging, sizeof staging, PLACE "/.%s.repaq-staging", strrchr(route.destination, '/') + 1);
    if (file_stat(staging, NULL) != FILE_ABSENT || (status != STATUS_OK && file_stat(route.destination, NULL) != FILE_ABSENT))
        complain(trial, "status %d left something behind", (int)status);
    if (status != STATUS_OK && (err.status != status || err.what[0] == '\0' || err.where[0] == '\0'))
        complain(trial, "a refusal (%d) without words", (int)status);
    if (status != STATUS_OK)
        check_words(trial, &expected, &err);
    return status == STATUS_OK;
}

/* --- the same bytes ------------------------------------------------------------------------------------------------------------ */

static void check_same(const struct trial *trial, const char *a, const char *b)
{
    struct stored_files left, right;
    stored_open(&left, a);
    stored_open(&right, b);
    for (size_t f = 0; f < 2; f++)
        if (left.size[f] != right.size[f] || (left.size[f] > 0 && memcmp(left.data[f], right.data[f], left.size[f]) != 0))
            complain(trial, "other bytes at 8 threads than at 1");
    stored_close(&left);
    stored_close(&right);
    size_t size_a = 0, size_b = 0;
    uint8_t *manifest_a = slurp(a, "repaq-manifest.json", &size_a), *manifest_b = slurp(b, "repaq-manifest.json", &size_b);
    if (manifest_a == NULL || manifest_b == NULL || size_a != size_b || memcmp(manifest_a, manifest_b, size_a) != 0)
        complain(trial, "another manifest at 8 threads than at 1");
    free(manifest_a);
    free(manifest_b);
}

/* One output by tiles as small as its layout allows, against the bytes that a whole tile gave. */
static void check_tiles(const struct trial *trial, const struct pipeline *pipeline, const struct stored_files *files, uint32_t index, uint64_t budget)
{
    const struct output_tensor *output = &pipeline->plan.tensor[index];
    const struct stored_tensor whole = stored_find(files, output->name, "");
    const struct tile_maker maker = {&pipeline->plan, &pipeline->fetch, budget};
    const struct tile_cut cut = tile_cut(&pipeline->plan, output, budget);
    struct scratch scratch = {0};
    for (uint64_t row = 0; row < cut.rows && output->bytes > 0; row += cut.rows_max) {
        const struct tile tile = {index, 0, row, cut.rows - row < cut.rows_max ? cut.rows - row : cut.rows_max};
        struct err err = {0};
        uint8_t *data;
        if (tile_make(&maker, tile, &cut, &scratch, &data, &err) != STATUS_OK)
            complain(trial, "%s: a tile from row %llu on: %s", output->name, (unsigned long long)row, err.what);
        if (whole.data == NULL || memcmp(data, whole.data + row * cut.row_bytes, tile.rows * cut.row_bytes) != 0)
            complain(trial, "%s: other bytes in a tile of %llu rows from %llu on", output->name, (unsigned long long)tile.rows, (unsigned long long)row);
    }
    scratch_free(&scratch);
}

static void check_pieces(const struct trial *trial, const char *dir, uint64_t budget)
{
    struct file_ops ops = file_posix;
    struct pipeline pipeline;
    struct stored_files files;
    struct err err = {0};
    const struct resources resources = {&ops, 1, UINT64_C(1) << 30, NULL};
    const struct request request = request_of(trial, (struct route){PLACE "/source", PLACE "/pieces", trial->c->dialect, trial->target, 1, 0});
    stored_open(&files, dir);
    if (pipeline_plan(&pipeline, &request, &resources, &err) != STATUS_OK)
        complain(trial, "a second plan fails: %s", err.what);
    for (uint32_t t = 0; t < pipeline.plan.tensor_count; t++)
        check_tiles(trial, &pipeline, &files, t, budget);
    pipeline_free(&pipeline);
    stored_close(&files);
}

/* --- there and back ---------------------------------------------------------------------------------------------------------------- */

/* Zeros that stand in no field on the way, of dead groups, do not come back; nor what dead groups have for an offset. */
static bool zeros_come_back(const struct trial *trial, const struct layer *layer)
{
    const bool v1 = trial->target == DIALECT_GPTQ || trial->c->dialect == DIALECT_GPTQ;
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const int32_t mid = layer_mid(layer);
        if (layer_dead(layer, i) && (layer->offset[i] != (float)(layer->zero[i] - mid) || layer->zero[i] != mid))
            return false;
        if (layer->zero[i] < v1 || layer->zero[i] >= 1 << layer->bits)
            return false;
    }
    return true;
}

/* Stored as it would be written: no negative entries, and not "all zero" for groups in order. */
static bool order_comes_back(const struct layer *layer)
{
    for (uint32_t k = 0; k < layer->in; k++)
        if ((uint32_t)layer->group_of[k] != layer_group_of(layer, k))
            return false;
    return true;
}

/* A group size that the way back makes again. */
static bool group_stays(const struct trial *trial, const struct layer *layer)
{
    struct trial back = *trial;
    uint32_t rules = 0;
    back.target = trial->c->dialect;
    return target_group(trial, layer, &rules) == layer->group && target_group(&back, layer, &rules) == layer->group;
}

static void check_part(const struct trial *trial, const struct stored_files *files, const struct layer *layer, const char *suffix)
{
    const struct stored_tensor left = stored_find(&files[0], layer->name, suffix), right = stored_find(&files[1], layer->name, suffix);
    if (left.data == NULL)
        return;
    if (right.data == NULL || left.bytes != right.bytes || strcmp(left.dtype, right.dtype) != 0 || memcmp(left.data, right.data, left.bytes) != 0)
        complain(trial, "%s%s did not come back", layer->name, suffix);
}

/* Every stored part byte for byte, where the source was written as this program writes. */
static void check_layer_came_back(const struct trial *trial, const struct stored_files *files, const struct layer *layer)
{
    static const char *const codes[] = {".qweight", ".weight_packed", ".weight",      ".weight_shape",
                                        ".scales",  ".weight_scale",  ".input_scale", ".input_offset"};
    static const char *const zeros[] = {".qzeros", ".weight_offset", ".biases", ".weight_zero_point"};
    const bool ct = trial->c->dialect == DIALECT_CT,
               own = !ct || (!layer->spare && layer->points != POINTS_BYTES && layer->as_bytes == (layer->act != ACT_NONE));
    struct trial back = *trial;
    back.target = trial->c->dialect;
    if (!own || layer->shape == SHAPE_ONE || !group_stays(trial, layer) || target_real(&back, layer) != layer_real(trial->c, layer) ||
        target_real(trial, layer) != layer_real(trial->c, layer))
        return;
    for (size_t p = 0; p < sizeof codes / sizeof codes[0]; p++)
        check_part(trial, files, layer, codes[p]);
    for (size_t p = 0; p < 4 && zeros_come_back(trial, layer) && (!ct || width_is_asymmetric(trial, layer->bits)); p++)
        check_part(trial, files, layer, zeros[p]);
    if (layer->group_of != NULL && order_comes_back(layer) && trial->target != DIALECT_AWQ)
        check_part(trial, files, layer, ct && layer_ordered(layer) ? ".no" : ct ? ".weight_g_idx" : ".g_idx");
}

/* Both ends as F32, bit for bit. */
static void check_values_came_back(const struct trial *trial)
{
    struct trial floats = *trial;
    size_t count_of[EXACTNESS_COUNT];
    struct stored_files a, b;
    floats.target = DIALECT_HF;
    floats.options.dtype = DTYPE_F32;
    floats.options.exact = false;
    floats.options.variant = VARIANT_ANY;
    floats.verify = false;
    const struct forecast fine = {STATUS_OK, 0, NULL};
    (void)converted(&floats, (struct route){PLACE "/source", PLACE "/one32", trial->c->dialect, DIALECT_HF, 1, UINT64_C(1) << 30}, fine, count_of);
    (void)converted(&floats, (struct route){PLACE "/back", PLACE "/back32", DIALECT_COUNT, DIALECT_HF, 1, UINT64_C(1) << 30}, fine, count_of);
    stored_open(&a, PLACE "/one32");
    stored_open(&b, PLACE "/back32");
    for (size_t l = 0; l < LAYERS; l++)
        check_part(trial, (const struct stored_files[]){a, b}, &trial->c->layer[l], ".weight");
    stored_close(&a);
    stored_close(&b);
}

/* msModelSlim's offsets may be what its own files hold, but not what comes from other formats. */
static bool offsets_in_reach(const struct checkpoint *c)
{
    for (size_t l = 0; l < LAYERS; l++)
        for (size_t i = 0; i < (size_t)c->layer[l].out * c->layer[l].groups; i++)
            if (c->layer[l].zero[i] < -128 || c->layer[l].zero[i] > 256)
                return false;
    return true;
}

static void check_round_trip(const struct trial *trial)
{
    struct trial back = *trial;
    struct stored_files files[2];
    size_t count_of[EXACTNESS_COUNT];
    back.target = trial->c->dialect;
    back.options.variant = trial->c->dialect != DIALECT_MS ? VARIANT_ANY : trial->c->packed ? VARIANT_PACKED : VARIANT_UNPACKED;
    if (trial->c->dialect == DIALECT_MS && !offsets_in_reach(trial->c))
        return;
    if (!converted(&back, (struct route){PLACE "/one", PLACE "/back", trial->target, back.target, 2, UINT64_C(1) << 30}, forecast_of(&back), count_of))
        return;
    if (count_of[EXACTNESS_LOSSY] != 0)
        complain(trial, "the way back is lossy");
    stored_open(&files[0], PLACE "/source");
    stored_open(&files[1], PLACE "/back");
    for (size_t l = 0; l < LAYERS; l++)
        check_layer_came_back(trial, files, &trial->c->layer[l]);
    stored_close(&files[0]);
    stored_close(&files[1]);
    if (count_of[EXACTNESS_ROUNDED] == 0)
        check_values_came_back(trial);
}

/* --- trials ------------------------------------------------------------------------------------------------------------------------- */

static void clear(const char *path)
{
    assert_int_equal(tree_remove(&file_posix, path, NULL), STATUS_OK);
}

static bool run_trial(const struct trial *trial, struct rng *rng)
{
    size_t count_of[EXACTNESS_COUNT], other[EXACTNESS_COUNT];
    const enum dialect from = trial->c->dialect, to = trial->target;
    const struct options *options = &trial->options;
    const struct forecast expected = forecast_of(trial);
    const bool done = converted(trial, (struct route){PLACE "/source", PLACE "/one", from, to, 1, UINT64_C(1) << 30}, expected, count_of);
    if (done && options->exact && count_of[EXACTNESS_ROUNDED] + count_of[EXACTNESS_LOSSY] != 0)
        complain(trial, "--exact, and a part is rounded");
    if (done)
        check_written(trial, PLACE "/one");
    if (done && rng_one_in(rng, 2)) {
        (void)converted(trial, (struct route){PLACE "/source", PLACE "/eight", from, to, 8, UINT64_C(64) << 20}, expected, other);
        check_same(trial, PLACE "/one", PLACE "/eight");
    }
    if (done && rng_one_in(rng, 3))
        check_pieces(trial, PLACE "/one", 1 + rng_below(rng, 4000));
    const bool plain = options->bits == 0 && options->group == 0 && options->dtype == DTYPE_NONE && options->keep == NULL && options->exclude == NULL &&
                       !options->weights_only && to != DIALECT_HF && from != to;
    if (done && plain && count_of[EXACTNESS_ROUNDED] == 0)
        check_round_trip(trial);
    static const char *const made[] = {PLACE "/one", PLACE "/eight", PLACE "/back", PLACE "/one32", PLACE "/back32"};
    for (size_t i = 0; i < 5; i++)
        clear(made[i]);
    return done;
}

static struct trial random_trial(struct rng *rng, uint64_t seed, const struct checkpoint *c, enum dialect to)
{
    static const int64_t groups[] = {-1, 8, 16, 32, 48, 64};
    static const unsigned widths[] = {4, 8, 8, 3, 5, 6};
    static const enum dtype dtypes[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F32, DTYPE_F32};
    struct trial trial = {seed, c, to, {.dtype = DTYPE_NONE}, rng_one_in(rng, 3)};
    struct options *options = &trial.options;
    if (rng_one_in(rng, 6) && to != DIALECT_HF && c->dialect != DIALECT_HF)
        options->bits = widths[rng_below(rng, 6)];
    if (rng_one_in(rng, 6) && to != DIALECT_HF)
        options->group = groups[rng_below(rng, 6)];
    if (rng_one_in(rng, to == DIALECT_MLX || to == DIALECT_HF ? 2 : 6))
        options->dtype = dtypes[rng_below(rng, 4)];
    options->exact = rng_one_in(rng, 8);
    options->variant = to != DIALECT_MS ? VARIANT_ANY : rng_one_in(rng, 2) ? VARIANT_PACKED : VARIANT_UNPACKED;
    options->weights_only = rng_one_in(rng, 3);
    options->keep = rng_one_in(rng, 10) ? KEEP : NULL;
    options->exclude = rng_one_in(rng, 16) ? EXCLUDE : NULL;
    return trial;
}

/* Counts of trials that were converted and refused, for each pair. */
struct tallies {
    size_t done[DIALECT_COUNT][DIALECT_COUNT], refused[DIALECT_COUNT][DIALECT_COUNT];
};

static void run_seed(uint64_t seed, struct tallies *tallies)
{
    for (enum dialect from = DIALECT_MS; from < DIALECT_COUNT; from++) {
        struct checkpoint c;
        struct rng rng = {~seed};
        checkpoint_random(&c, from, seed);
        checkpoint_write(&c, PLACE "/source");
        for (enum dialect to = DIALECT_MS; to < DIALECT_COUNT; to++) {
            const struct trial trial = random_trial(&rng, seed, &c, to);
            size_t *tally = run_trial(&trial, &rng) ? &tallies->done[from][to] : &tallies->refused[from][to];
            (*tally)++;
        }
        checkpoint_free(&c);
        clear(PLACE "/source");
    }
}

static void every_pair_of_formats_keeps_every_value(void **state)
{
    (void)state;
    const char *one = getenv("REPAQ_SEED"), *many = getenv("REPAQ_SEEDS");
    const uint64_t count = many != NULL ? strtoull(many, NULL, 10) : SEEDS;
    struct tallies tallies = {0};
    clear(PLACE);
    assert_int_equal(mkdir(PLACE, 0777), 0);
    if (one != NULL) {
        run_seed(strtoull(one, NULL, 10), &tallies);
        return;
    }
    for (uint64_t seed = 1; seed <= count; seed++)
        run_seed(seed, &tallies);
    for (enum dialect from = DIALECT_MS; from < DIALECT_COUNT; from++) {
        for (enum dialect to = DIALECT_MS; to < DIALECT_COUNT; to++) {
            const size_t done = tallies.done[from][to], refused = tallies.refused[from][to];
            print_message("%s to %s: %zu converted, %zu refused\n", dialect_names[from], dialect_names[to], done, refused);
            if (count >= SEEDS && from != DIALECT_HF) { /* the generator makes both */
                assert_true(done > 0);
                assert_true(refused > 0);
            }
        }
    }
}

/* The helpers against the library's half.c would prove nothing here; against known values they do. */
static void the_rounding_of_this_test(void **state)
{
    (void)state;
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, 1.0f)), 0x3c00);
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, 65504.0f)), 0x7bff);
    assert_true(isinf(real_round(REAL_F16, 65520.0f)));
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, 65519.0f)), 0x7bff);
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, 0x1p-24f)), 1);
    assert_true(real_round(REAL_F16, 0x1p-25f) == 0.0f); /* a tie to even */
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, -0x1.8p-25f)), 0x8001);
    assert_int_equal(real_bits(REAL_F16, real_round(REAL_F16, 0.1f)), 0x2e66);
    assert_int_equal(real_bits(REAL_BF16, real_round(REAL_BF16, 0.1f)), 0x3dcd);
    for (uint32_t bits = 0; bits < 0x7c00; bits++)
        assert_int_equal(real_bits(REAL_F16, real_value(REAL_F16, bits)), bits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rounding_of_this_test),
        cmocka_unit_test(every_pair_of_formats_keeps_every_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
