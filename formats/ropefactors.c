#include "formats/ropefactors.h"

#include "base/le.h"
#include "formats/hyperkeys.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static enum status refuse(const char *found, struct err *err)
{
    return err_set(err, STATUS_CORRUPT, "config.json: rope_parameters", "found %s", found);
}

static bool type_is(const struct jsondoc *config, const char *name)
{
    const char *type = hyperkeys_rope_type(config);
    for (; type != NULL && *type != '\0' && *name != '\0' && tolower((unsigned char)*type) == *name; type++)
        name++;
    return type != NULL && *type == *name;
}

/* F32 [rows] in the order given, under the name of the file. */
static enum status add(struct model *model, const char *name, const float *values, uint64_t rows, uint32_t *index, struct err *err)
{
    uint8_t *bytes = arena_alloc(&model->arena, rows * sizeof *values, 1, err);
    if (bytes == NULL)
        return STATUS_LIMIT;
    for (uint64_t i = 0; i < rows; i++) {
        uint32_t bits;
        if (!isfinite(values[i]))
            return refuse("numbers that make factors which are no finite F32", err);
        memcpy(&bits, &values[i], sizeof bits);
        le_store32(bytes + 4 * i, bits);
    }
    const struct tensor tensor = {.name = name, .shape = &rows, .rank = 1, .dtype = DTYPE_F32};
    const struct view view = {.literal = bytes};
    TRY(model_add_view(model, &tensor, &view, index, err));
    model->tensor[*index].fate = FATE_ARRANGED;
    return STATUS_OK;
}

/* --- LLaMA 3 ---------------------------------------------------------------------------------------------------------------------- */

static enum status read_llama3(const struct jsondoc *config, struct ropefactors_llama3 *rope, struct err *err)
{
    const struct {
        const char *member;
        double fallback;
        float *value;
    } members[] = {{"rope_theta", 10000, &rope->base},
                   {"factor", 8, &rope->factor},
                   {"low_freq_factor", 1, &rope->low},
                   {"high_freq_factor", 4, &rope->high},
                   {"original_max_position_embeddings", 8192, &rope->context}};
    for (size_t m = 0; m < sizeof members / sizeof members[0]; m++) {
        double value;
        const bool own = jsondoc_double(jsondoc_get(hyperkeys_rope(config), members[m].member), &value);
        if (!own && !jsondoc_double(hyper_find(config, members[m].member), &value))
            value = members[m].fallback;
        if (!(value > 0) || value > 1e30)
            return refuse("a number of llama3 scaling that is not positive", err);
        *members[m].value = (float)value;
    }
    return STATUS_OK;
}

/* Each step in F32, as torch takes it: a number divided by a tensor is the tensor's reciprocal times the number. */
float ropefactors_llama3(const struct ropefactors_llama3 *rope, float exponent)
{
    const float frequency = 1.0f / (float)pow((double)rope->base, (double)exponent);
    const float wavelength = 1.0f / frequency * (float)(2 * 3.14159265358979323846);
    if (wavelength < (float)((double)rope->context / (double)rope->high))
        return 1.0f;
    if (wavelength > (float)((double)rope->context / (double)rope->low))
        return rope->factor;
    const float smooth = (1.0f / wavelength * rope->context - rope->low) / (float)((double)rope->high - (double)rope->low);
    return 1.0f / ((1.0f - smooth) / rope->factor + smooth);
}

static enum status add_llama3(struct model *model, const struct arch *arch, const struct jsondoc *config, uint32_t *index, struct err *err)
{
    struct ropefactors_llama3 rope;
    uint64_t rows;
    if (!hyper_head(arch, config, &rows) || rows < 2 || rows > ROPEFACTORS_ROWS_MAX)
        return refuse("llama3 scaling, and no size of a head", err);
    TRY(read_llama3(config, &rope, err));
    float *values = arena_alloc(&model->arena, (rows + 1) / 2, sizeof *values, err);
    if (values == NULL)
        return STATUS_LIMIT;
    for (uint64_t k = 0; k < rows; k += 2)
        values[k / 2] = ropefactors_llama3(&rope, (float)k / (float)rows);
    return add(model, "rope_freqs.weight", values, (rows + 1) / 2, index, err);
}

/* --- Phi-3 ------------------------------------------------------------------------------------------------------------------------ */

enum status ropefactors_part(const struct arch *arch, const struct jsondoc *config, uint64_t *rows, struct err *err)
{
    double hidden, heads, part = 1.0;
    if (!hyper_number(arch, config, "hidden_size|n_embd", &hidden) || !hyper_number(arch, config, "num_attention_heads|n_head", &heads) || heads < 1)
        return err_set(err, STATUS_CORRUPT, "config.json: hidden_size", "found nothing, or no num_attention_heads");
    (void)hyperkeys_rope_number(arch, config, "partial_rotary_factor", &part);
    const double found = floor(trunc(part * hidden) / heads);
    if (!(found >= 1) || found > ROPEFACTORS_ROWS_MAX)
        return err_set(err, STATUS_CORRUPT, "config.json: hidden_size", "found heads of no size between 1 and %d", ROPEFACTORS_ROWS_MAX);
    *rows = (uint64_t)found;
    return STATUS_OK;
}

static const struct jsondoc *long_factors(const struct arch *arch, const struct jsondoc *config)
{
    const struct jsondoc *list = arch->rope_factors ? jsondoc_get(hyperkeys_rope(config), "long_factor") : NULL;
    return jsondoc_first(list) == NULL ? NULL : list;
}

static enum status add_list(struct model *model, const char *name, const struct jsondoc *list, uint64_t rows, uint32_t *index, struct err *err)
{
    float *values = arena_alloc(&model->arena, rows, sizeof *values, err);
    uint64_t count = 0;
    if (values == NULL)
        return STATUS_LIMIT;
    for (const struct jsondoc *at = jsondoc_first(list); at != NULL; at = jsondoc_next(at), count++) {
        double value;
        if (count == rows || !jsondoc_double(at, &value))
            return refuse("a long_factor or short_factor that is no list of as many numbers as half a head has rows", err);
        values[count] = (float)value;
    }
    if (count != rows)
        return refuse("a long_factor or short_factor of fewer numbers than half a head has rows", err);
    return add(model, name, values, rows, index, err);
}

double ropefactors_scale(const struct arch *arch, const struct jsondoc *config, double *context)
{
    double most;
    if (!hyper_number(arch, config, "n_positions|max_position_embeddings", &most) ||
        !hyperkeys_rope_number(arch, config, "original_max_position_embeddings", context) || !(*context > 1) || !(most > 0))
        return NAN;
    return most / *context;
}

double ropefactors_attention_by(const char *type, double scale, double context)
{
    if (strcmp(type, "su") == 0 || strcmp(type, "longrope") == 0)
        return scale > 1 ? sqrt(1 + log(scale) / log(context)) : 1;
    return strcmp(type, "yarn") == 0 ? (scale > 1 ? 0.1 * log(scale) + 1 : 1) : NAN;
}

enum status ropefactors_attention(const struct arch *arch, const struct jsondoc *config, double *factor, struct err *err)
{
    static const char *const types[] = {"su", "longrope", "yarn"};
    double context;
    *factor = NAN;
    if (long_factors(arch, config) == NULL)
        return STATUS_OK;
    const double scale = ropefactors_scale(arch, config, &context);
    if (isnan(scale))
        return refuse("long_factor, and no max_position_embeddings with an original_max_position_embeddings above 1", err);
    for (size_t t = 0; t < sizeof types / sizeof types[0] && isnan(*factor); t++)
        if (type_is(config, types[t]))
            *factor = ropefactors_attention_by(types[t], scale, context);
    return isnan(*factor) ? refuse("long_factor with a type that is neither longrope, su nor yarn", err) : STATUS_OK;
}

enum status ropefactors_add(struct model *model, const struct arch *arch, const struct jsondoc *config, uint32_t index[ROPEFACTORS_MAX], uint32_t *count,
                            struct err *err)
{
    uint64_t rows;
    *count = 0;
    if (arch->rope_freqs && type_is(config, "llama3")) {
        *count = 1;
        return add_llama3(model, arch, config, &index[0], err);
    }
    if (long_factors(arch, config) == NULL)
        return STATUS_OK;
    TRY(ropefactors_part(arch, config, &rows, err));
    if (rows % 2 != 0)
        return refuse("long_factor, and heads of an odd number of rows", err);
    *count = 2;
    TRY(add_list(model, "rope_factors_long.weight", long_factors(arch, config), rows / 2, &index[0], err));
    return add_list(model, "rope_factors_short.weight", jsondoc_get(hyperkeys_rope(config), "short_factor"), rows / 2, &index[1], err);
}
