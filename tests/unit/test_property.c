/* Random models through every pair of formats: each conversion gives exactly the values of the source, or refuses with the status that the data
 * predicts and leaves nothing behind. Sources are written, and results read, by checkpoint.h's own loops.
 *
 * REPAQ_SEED=n runs that seed alone; REPAQ_SEEDS=n runs that many. */
#include "base/tree.h"
#include "checkpoint.h"
#include "plan/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define PLACE "property.tmp"
#define SEEDS 60

/* One conversion of one model. */
struct trial {
    uint64_t seed;
    const struct checkpoint *c;
    enum dialect target;
    struct options options;
    bool verify;
};

static void complain(const struct trial *trial, const char *format, ...) PRINTF_LIKE(2, 3);
static void complain(const struct trial *trial, const char *format, ...)
{
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    print_error("REPAQ_SEED=%llu: %s to %s (bits %u, group %lld, exact %d, dtype %s, verify %d; v1 %d): %s\n", (unsigned long long)trial->seed,
                dialect_names[trial->c->dialect], dialect_names[trial->target], trial->options.bits, (long long)trial->options.group,
                trial->options.exact, trial->options.dtype == DTYPE_NONE ? "kept" : dtype_name(trial->options.dtype), trial->verify, (int)trial->c->v1, text);
    fail();
}

/* --- what the data predicts ---------------------------------------------------------------------------------------------------- */

static enum real target_real(const struct trial *trial)
{
    return trial->options.dtype == DTYPE_BF16 && trial->target != DIALECT_AWQ ? REAL_BF16 : REAL_F16;
}

static uint32_t target_bits(const struct trial *trial, const struct layer *layer)
{
    return trial->options.bits != 0 ? trial->options.bits : layer->bits;
}

static bool is_corrupt(const struct checkpoint *c, const struct layer *layer)
{
    const uint32_t per = 32 / layer->bits;
    for (uint32_t o = 0; o < layer->out; o++) {
        for (uint32_t g = 0; g < layer->groups; g++) {
            const size_t at = (size_t)o * layer->groups + g;
            if (!isfinite(layer->scale[at]))
                return true;
            if (c->dialect == DIALECT_MS && !layer_dead(layer, at) && isnan(layer->offset[at]))
                return true;
            if (c->dialect == DIALECT_GPTQ && c->v1 == V1_SILENT && layer->zero[at] == 0 && o % per != per - 1)
                return true;
            if (c->sym && !layer_dead(layer, at) && layer->zero[at] != layer_mid(layer))
                return true;
        }
    }
    return false;
}

/* True if the zero of a pair, moved to the target's width, has a field there. */
static bool zero_fits(const struct trial *trial, const struct layer *layer, size_t at)
{
    const int32_t bits = (int32_t)target_bits(trial, layer), zero = layer->zero[at] + (1 << (bits - 1)) - layer_mid(layer);
    return zero >= (trial->target == DIALECT_GPTQ ? 1 : 0) && zero < 1 << bits;
}

static uint32_t common_group(const struct checkpoint *c)
{
    uint32_t common = 0;
    bool grouped = false;
    for (size_t l = 0; l < LAYERS; l++) {
        uint32_t a = c->layer[l].group, b = common;
        while (a != 0) {
            const uint32_t rest = b % a;
            b = a;
            a = rest;
        }
        common = b;
        grouped = grouped || c->layer[l].groups > 1;
    }
    return grouped ? common : 0;
}

/* The group size of a layer in the target; 0: it has none. */
static uint32_t target_group(const struct trial *trial, const struct layer *layer)
{
    const int64_t asked = trial->options.group != 0 ? trial->options.group : trial->target == DIALECT_AWQ ? common_group(trial->c) : 0;
    const uint32_t wanted = asked > 0 && asked < layer->in ? (uint32_t)asked : layer->in;
    if (asked == 0 || wanted == layer->group)
        return layer->group;
    return layer->group % wanted == 0 && layer_ordered(layer) && layer->in % wanted == 0 ? wanted : 0;
}

static bool scales_fit(const struct trial *trial, const struct layer *layer)
{
    const enum real to = target_real(trial);
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const float rounded = real_round(to, layer->scale[i]);
        if (isinf(rounded) || (rounded == 0.0f && layer->scale[i] != 0.0f) || (trial->options.exact && rounded != layer->scale[i]))
            return false;
    }
    return true;
}

static bool is_held(const struct trial *trial, const struct layer *layer)
{
    const uint32_t bits = target_bits(trial, layer), group = target_group(trial, layer);
    const bool awq = trial->target == DIALECT_AWQ;
    if (bits < layer->bits || (awq && (bits != 4 || !layer_ordered(layer))) || group == 0)
        return false;
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++) {
        const bool whole = trial->c->dialect != DIALECT_MS || (isfinite(layer->offset[i]) && layer->offset[i] == floorf(layer->offset[i]));
        if (!layer_dead(layer, i) && (!whole || !zero_fits(trial, layer, i)))
            return false;
    }
    if (layer->out % (32 / bits) != 0 || (awq ? layer->in % group != 0 : layer->in % (32 / bits) != 0))
        return false;
    return scales_fit(trial, layer);
}

static enum status predict(const struct trial *trial)
{
    for (size_t l = 0; l < LAYERS; l++) {
        if (is_corrupt(trial->c, &trial->c->layer[l]))
            return STATUS_CORRUPT;
        if (!is_held(trial, &trial->c->layer[l]))
            return STATUS_UNREPRESENTABLE;
    }
    return STATUS_OK;
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
};

static enum status convert(const struct trial *trial, struct route route, size_t count_of[EXACTNESS_COUNT], struct err *err)
{
    struct file_ops ops = file_posix;
    struct pipeline pipeline;
    ops.fsync = no_fsync;
    const struct resources resources = {&ops, route.threads, UINT64_C(1) << 30, NULL};
    const struct request request = {
        .source = route.source,
        .destination = route.destination,
        .target = registry_find(dialect_names[route.to]),
        .reading = {.v1_rule = route.from == DIALECT_GPTQ && trial->c->dialect == DIALECT_GPTQ ? asked_rule(trial->c) : ZERO_PLAIN},
        .options = trial->options,
        .verify = trial->verify,
        .directory = true,
    };
    *err = (struct err){0};
    enum status status = pipeline_plan(&pipeline, &request, &resources, err);
    if (status == STATUS_OK)
        status = pipeline_run(&pipeline, &request, &resources, err);
    for (size_t i = 0; i < EXACTNESS_COUNT && status == STATUS_OK; i++)
        count_of[i] = pipeline.plan.count_of[i];
    pipeline_free(&pipeline);
    return status;
}

/* Runs and holds the status against the prediction; a refusal leaves neither a destination nor a staging area. */
static bool converted(const struct trial *trial, struct route route, enum status expected, size_t count_of[EXACTNESS_COUNT])
{
    struct err err;
    char staging[200];
    const enum status status = convert(trial, route, count_of, &err);
    if (status != expected)
        complain(trial, "%s gave status %d, expected %d: %s: %s", route.destination, (int)status, (int)expected, err.where, err.what);
    (void)snprintf(staging, sizeof staging, PLACE "/.%s.repaq-staging", strrchr(route.destination, '/') + 1);
    if (file_stat(staging, NULL) != FILE_ABSENT || (status != STATUS_OK && file_stat(route.destination, NULL) != FILE_ABSENT))
        complain(trial, "status %d left something behind", (int)status);
    if (status != STATUS_OK && (err.status != status || err.what[0] == '\0' || err.where[0] == '\0'))
        complain(trial, "a refusal (%d) without words", (int)status);
    return status == STATUS_OK;
}

/* --- what was written ------------------------------------------------------------------------------------------------------------ */

struct written {
    struct stored_tensor codes, zeros, scales, group_of;
    uint32_t bits, group, groups;
};

static struct written find_layer(const struct trial *trial, const struct stored_files *files, const struct layer *layer)
{
    const uint32_t bits = target_bits(trial, layer), group = target_group(trial, layer), groups = (layer->in + group - 1) / group, per = 32 / bits;
    const struct written w = {stored_find(files, layer->name, ".qweight"), stored_find(files, layer->name, ".qzeros"),
                              stored_find(files, layer->name, ".scales"), stored_find(files, layer->name, ".g_idx"), bits, group, groups};
    const bool awq = trial->target == DIALECT_AWQ;
    if (w.codes.data == NULL || w.zeros.data == NULL || w.scales.data == NULL || (w.group_of.data == NULL) != awq)
        complain(trial, "%s: tensors are missing or too many", layer->name);
    const uint64_t rows = awq ? layer->in : layer->in / per, columns = awq ? layer->out / per : layer->out;
    if (w.codes.shape[0] != rows || w.codes.shape[1] != columns || w.zeros.shape[0] != groups || w.zeros.shape[1] != layer->out / per ||
        w.scales.shape[0] != groups || w.scales.shape[1] != layer->out || stored_real(&w.scales) != target_real(trial) ||
        (!awq && (w.group_of.rank != 1 || w.group_of.shape[0] != layer->in)))
        complain(trial, "%s: shapes or dtypes are not the expected ones", layer->name);
    return w;
}

static uint32_t code_at(const struct trial *trial, const struct written *w, const struct layer *layer, uint32_t o, uint32_t k)
{
    const uint32_t per = 32 / w->bits;
    if (trial->target == DIALECT_AWQ)
        return out_field_at(w->codes.data + (size_t)k * layer->out / 2, DIALECT_AWQ, 4, o);
    return word_at(w->codes.data, (size_t)(k / per) * layer->out + o) >> (k % per * w->bits) & ((1u << w->bits) - 1);
}

static int32_t zero_at(const struct trial *trial, const struct written *w, const struct layer *layer, uint32_t o, uint32_t g)
{
    const uint32_t field = out_field_at(w->zeros.data + (size_t)g * layer->out * w->bits / 8, trial->target, w->bits, o);
    return (int32_t)(trial->target == DIALECT_GPTQ ? (field + 1) & ((1u << w->bits) - 1) : field);
}

/* The group of column k in the target, by its own g_idx. */
static uint32_t written_group(const struct trial *trial, const struct written *w, const struct layer *layer, uint32_t k)
{
    const uint32_t group = w->group_of.data == NULL ? k / w->group : word_at(w->group_of.data, k);
    if (group >= w->groups)
        complain(trial, "%s: column %u has group %u of %u", layer->name, k, group, w->groups);
    return group;
}

static void check_value(const struct trial *trial, const struct written *w, const struct layer *layer, uint32_t o, uint32_t k)
{
    const size_t at = (size_t)o * layer->groups + layer_group_of(layer, k);
    const uint32_t group = written_group(trial, w, layer, k), code = layer->code[(size_t)o * layer->in + k], found = code_at(trial, w, layer, o, k);
    const int32_t zero = zero_at(trial, w, layer, o, group), add = (1 << (w->bits - 1)) - layer_mid(layer);
    const float scale = real_at(w->scales.data, target_real(trial), (size_t)group * layer->out + o), kept = real_round(target_real(trial), layer->scale[at]);
    if (bits_of(scale) != bits_of(kept))
        complain(trial, "%s (%u, %u): scale %a, expected %a", layer->name, o, k, (double)scale, (double)kept);
    if ((int32_t)found != (int32_t)code + add)
        complain(trial, "%s (%u, %u): code %u, expected %d", layer->name, o, k, found, (int32_t)code + add);
    /* A zero of a dead group that has no field becomes the middle. */
    const int32_t expected = zero_fits(trial, layer, at) ? layer->zero[at] + add : 1 << (w->bits - 1);
    if (zero != expected)
        complain(trial, "%s (%u, %u): zero %d, expected %d (scale %a)", layer->name, o, k, zero, expected, (double)scale);
    const float value = (float)((int32_t)found - zero) * scale, source = (float)((int32_t)code - layer->zero[at]) * kept;
    if (!layer_dead(layer, at) && bits_of(value) != bits_of(source))
        complain(trial, "%s (%u, %u): value %a, expected %a", layer->name, o, k, (double)value, (double)source);
}

static void check_floats(const struct trial *trial, const struct stored_files *files)
{
    const struct stored_tensor norm = stored_find(files, "model.norm", ".weight"), embed = stored_find(files, "model.embed_tokens", ".weight");
    if (norm.data == NULL || embed.data == NULL || norm.rank != 1 || embed.rank != 2)
        complain(trial, "a float tensor is missing");
    for (size_t i = 0; i < FLOATS; i++)
        if (bits_of(real_at(norm.data, stored_real(&norm), i)) != bits_of(0.125f * (float)(i + 1)) ||
            bits_of(real_at(embed.data, stored_real(&embed), i)) != bits_of(0.25f * (float)i - 3.0f))
            complain(trial, "value %zu of a float tensor", i);
    if (trial->options.dtype == DTYPE_NONE && (stored_real(&norm) != REAL_F32 || stored_real(&embed) != REAL_BF16))
        complain(trial, "a float tensor has another dtype");
}

static void check_written(const struct trial *trial, const char *dir)
{
    struct stored_files files;
    stored_open(&files, dir, "model");
    check_floats(trial, &files);
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        const struct written w = find_layer(trial, &files, layer);
        for (uint32_t o = 0; o < layer->out; o++)
            for (uint32_t k = 0; k < layer->in; k++)
                check_value(trial, &w, layer, o, k);
    }
    stored_close(&files);
}

static void check_same(const struct trial *trial, const char *a, const char *b)
{
    struct stored_files left, right;
    stored_open(&left, a, "model");
    stored_open(&right, b, "model");
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

/* --- there and back ---------------------------------------------------------------------------------------------------------------- */

/* Zeros that v1 cannot store, in dead groups, do not come back. */
static bool zeros_come_back(const struct trial *trial, const struct layer *layer)
{
    const bool v1 = trial->target == DIALECT_GPTQ || trial->c->dialect == DIALECT_GPTQ;
    for (size_t i = 0; i < (size_t)layer->out * layer->groups; i++)
        if (layer->zero[i] < v1 || layer->zero[i] >= 1 << layer->bits)
            return false;
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

static void check_part(const struct trial *trial, const struct stored_files *a, const struct stored_files *b, const char *layer, const char *suffix)
{
    const struct stored_tensor left = stored_find(a, layer, suffix), right = stored_find(b, layer, suffix);
    if (left.data == NULL || right.data == NULL || left.bytes != right.bytes || strcmp(left.dtype, right.dtype) != 0 ||
        memcmp(left.data, right.data, left.bytes) != 0)
        complain(trial, "%s%s did not come back", layer, suffix);
}

static void check_round_trip(const struct trial *trial)
{
    struct trial back = *trial;
    struct stored_files a, b;
    size_t count_of[EXACTNESS_COUNT];
    back.target = trial->c->dialect;
    const enum status expected = predict(&back);
    if (!converted(trial, (struct route){PLACE "/one", PLACE "/back", trial->target, back.target, 2}, expected, count_of))
        return;
    if (count_of[EXACTNESS_ROUNDED] + count_of[EXACTNESS_LOSSY] != 0)
        complain(trial, "the way back rounds");
    stored_open(&a, PLACE "/source", "model");
    stored_open(&b, PLACE "/back", "model");
    for (size_t l = 0; l < LAYERS; l++) {
        const struct layer *layer = &trial->c->layer[l];
        if (target_group(trial, layer) != layer->group || target_group(&back, layer) != layer->group) /* refined on the way */
            continue;
        check_part(trial, &a, &b, layer->name, ".qweight");
        check_part(trial, &a, &b, layer->name, ".scales");
        if (zeros_come_back(trial, layer))
            check_part(trial, &a, &b, layer->name, ".qzeros");
        if (layer->group_of != NULL && order_comes_back(layer) && trial->target != DIALECT_AWQ)
            check_part(trial, &a, &b, layer->name, ".g_idx");
    }
    stored_close(&a);
    stored_close(&b);
}

/* --- trials ------------------------------------------------------------------------------------------------------------------------- */

static void clear(const char *path)
{
    assert_int_equal(tree_remove(&file_posix, path, NULL), STATUS_OK);
}

static bool run_trial(const struct trial *trial)
{
    size_t count_of[EXACTNESS_COUNT];
    const enum status expected = predict(trial);
    const bool done = converted(trial, (struct route){PLACE "/source", PLACE "/one", trial->c->dialect, trial->target, 1}, expected, count_of);
    if (done) {
        check_written(trial, PLACE "/one");
        (void)converted(trial, (struct route){PLACE "/source", PLACE "/eight", trial->c->dialect, trial->target, 8}, expected, count_of);
        check_same(trial, PLACE "/one", PLACE "/eight");
    }
    const bool plain = trial->options.bits == 0 && trial->options.group == 0 && trial->options.dtype == DTYPE_NONE;
    if (done && plain && trial->c->dialect != DIALECT_MS && trial->c->dialect != trial->target && trial->c->real == REAL_F16)
        check_round_trip(trial);
    clear(PLACE "/one");
    clear(PLACE "/eight");
    clear(PLACE "/back");
    return done;
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
        for (enum dialect to = DIALECT_AWQ; to < DIALECT_COUNT; to++) {
            static const int64_t groups[] = {-1, 8, 16, 32, 48};
            static const enum dtype dtypes[] = {DTYPE_F16, DTYPE_BF16};
            struct trial trial = {seed, &c, to, {.dtype = DTYPE_NONE}, rng_one_in(&rng, 2)};
            if (rng_one_in(&rng, 6))
                trial.options.bits = rng_one_in(&rng, 2) ? 4 : 8;
            if (rng_one_in(&rng, 6))
                trial.options.group = groups[rng_below(&rng, 5)];
            if (rng_one_in(&rng, 6))
                trial.options.dtype = dtypes[rng_below(&rng, 2)];
            trial.options.exact = rng_one_in(&rng, 8);
            size_t *tally = run_trial(&trial) ? &tallies->done[from][to] : &tallies->refused[from][to];
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
        for (enum dialect to = DIALECT_AWQ; to < DIALECT_COUNT; to++) {
            print_message("%s to %s: %zu converted, %zu refused\n", dialect_names[from], dialect_names[to], tallies.done[from][to],
                          tallies.refused[from][to]);
            if (count >= SEEDS) { /* the generator makes both */
                assert_true(tallies.done[from][to] > 0);
                assert_true(tallies.refused[from][to] > 0);
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
