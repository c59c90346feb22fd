#include "formats/hyperkeys.h"

#include "base/le.h"
#include "formats/ropefactors.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct setting {
    struct ggufile_writer *kv;
    const struct arch *arch;
    const struct jsondoc *config;
    uint32_t file_type;
};

/* "%s.block_count" with the architecture's name. */
static const char *full_key(const struct setting *setting, const char *key, char buffer[128])
{
    const char *rest = strncmp(key, "%s", 2) == 0 ? key + 2 : NULL;
    (void)snprintf(buffer, 128, "%s%s", rest == NULL ? key : setting->arch->name, rest == NULL ? "" : rest);
    return buffer;
}

static enum status refuse(const char *member, const char *what, struct err *err)
{
    char where[160];
    (void)snprintf(where, sizeof where, "config.json: %s", member);
    return err_set(err, STATUS_CORRUPT, where, "found %s", what);
}

/* --- rope ------------------------------------------------------------------------------------------------------------------------ */

const struct jsondoc *hyperkeys_rope(const struct jsondoc *config)
{
    const struct jsondoc *rope = hyper_find(config, "rope_parameters|rope_scaling"), *full = jsondoc_get(rope, "full_attention");
    return full != NULL ? full : rope;
}

const char *hyperkeys_rope_type(const struct jsondoc *config)
{
    const struct jsondoc *rope = hyperkeys_rope(config);
    const char *type = jsondoc_string(jsondoc_get(rope, "rope_type"));
    return type != NULL ? type : jsondoc_string(jsondoc_get(rope, "type"));
}

bool hyperkeys_rope_number(const struct arch *arch, const struct jsondoc *config, const char *member, double *value)
{
    static const char theta[] = "global_rope_theta|rope_global_theta|rope_theta_global|rope_theta|rotary_emb_base";
    if (jsondoc_double(jsondoc_get(hyperkeys_rope(config), member), value))
        return true;
    return hyper_number(arch, config, strcmp(member, "rope_theta") == 0 ? theta : member, value);
}

static void set_rope_f32(const struct setting *setting, const char *key, const char *member)
{
    char full[128];
    double value;
    if (jsondoc_double(jsondoc_get(hyperkeys_rope(setting->config), member), &value))
        ggufile_write_f32(setting->kv, full_key(setting, key, full), (float)value);
}

static enum status set_yarn(const struct setting *setting, struct err *err)
{
    char full[128];
    double context;
    if (!hyperkeys_rope_number(setting->arch, setting->config, "original_max_position_embeddings", &context) || context < 1 || context > UINT32_MAX)
        return refuse("rope_scaling", "yarn without original_max_position_embeddings", err);
    ggufile_write_u32(setting->kv, full_key(setting, "%s.rope.scaling.original_context_length", full), (uint32_t)context);
    set_rope_f32(setting, "%s.rope.scaling.yarn_ext_factor", "extrapolation_factor");
    const bool full_name = jsondoc_get(hyperkeys_rope(setting->config), "attention_factor") != NULL;
    set_rope_f32(setting, "%s.rope.scaling.yarn_attn_factor", full_name ? "attention_factor" : "attn_factor");
    set_rope_f32(setting, "%s.rope.scaling.yarn_beta_fast", "beta_fast");
    set_rope_f32(setting, "%s.rope.scaling.yarn_beta_slow", "beta_slow");
    return STATUS_OK;
}

static enum status set_rope(const struct setting *setting, struct err *err)
{
    const struct jsondoc *rope = hyper_find(setting->config, "rope_parameters|rope_scaling"), *local = jsondoc_get(rope, "sliding_attention");
    const char *type = hyperkeys_rope_type(setting->config);
    char full[128];
    double factor, theta;
    const bool scaled = jsondoc_double(jsondoc_get(hyperkeys_rope(setting->config), "factor"), &factor);
    const bool linear = type != NULL && strcmp(type, "linear") == 0 && scaled, yarn = type != NULL && strcmp(type, "yarn") == 0 && scaled;
    if (linear || yarn) {
        ggufile_write_string(setting->kv, full_key(setting, "%s.rope.scaling.type", full), slice_of(type));
        ggufile_write_f32(setting->kv, full_key(setting, "%s.rope.scaling.factor", full), (float)factor);
    }
    if (yarn)
        TRY(set_yarn(setting, err));
    if (type != NULL && (strcmp(type, "su") == 0 || strcmp(type, "longrope") == 0))
        ggufile_write_string(setting->kv, full_key(setting, "%s.rope.scaling.type", full), slice_of("longrope"));
    if (hyperkeys_rope_number(setting->arch, setting->config, "rope_theta", &theta))
        ggufile_write_f32(setting->kv, full_key(setting, "%s.rope.freq_base", full), (float)theta);
    if (jsondoc_double(jsondoc_get(local, "rope_theta"), &theta) ||
        (local == NULL && jsondoc_get(rope, "full_attention") == NULL &&
         hyper_number(setting->arch, setting->config, "local_rope_theta|rope_local_theta|rope_theta_local|swa_rope_theta|rope_local_base_freq", &theta)))
        ggufile_write_f32(setting->kv, full_key(setting, "%s.rope.freq_base_swa", full), (float)theta);
    return STATUS_OK;
}

/* --- other values ---------------------------------------------------------------------------------------------------------------- */

/* A list of integers becomes an array of i32 (layers that differ). */
static enum status set_list(const struct setting *setting, const struct arch_key *row, const struct jsondoc *list, struct err *err)
{
    enum { LIST_MAX = 1024 };
    uint8_t values[4 * LIST_MAX];
    char full[128];
    uint64_t count = 0;
    for (const struct jsondoc *at = jsondoc_first(list); at != NULL; at = jsondoc_next(at)) {
        int64_t value;
        if (count == LIST_MAX || !jsondoc_int(at, &value) || value < 0 || value > INT32_MAX)
            return refuse(row->member, "a list that is no list of at most 1024 counts", err);
        le_store32(values + 4 * count++, (uint32_t)value);
    }
    ggufile_write_array(setting->kv, full_key(setting, row->key, full), GGUFILE_I32, count, values);
    return STATUS_OK;
}

static enum status set_number(const struct setting *setting, const struct arch_key *row, struct err *err)
{
    char full[128];
    double value = row->fallback;
    const struct jsondoc *found = hyper_find(setting->config, row->member);
    if (found != NULL && jsondoc_kind(found) == JSONDOC_ARRAY && row->value != ARCH_F32)
        return set_list(setting, row, found, err);
    if (!hyper_number(setting->arch, setting->config, row->member, &value) && found != NULL)
        return refuse(row->member, "something else than a number", err);
    if (isnan(value))
        return row->required ? refuse(row->member, "nothing, expected a number", err) : STATUS_OK;
    if (row->value != ARCH_F32 && (value < 0 || value > UINT32_MAX || value != floor(value)))
        return refuse(row->member, "a number that is no count", err);
    if (row->value == ARCH_F32)
        ggufile_write_f32(setting->kv, full_key(setting, row->key, full), (float)value);
    else
        ggufile_write_u32(setting->kv, full_key(setting, row->key, full), (uint32_t)value);
    return STATUS_OK;
}

static enum status set_gating(const struct setting *setting, const struct arch_key *row, struct err *err)
{
    static const char *const names[] = {"softmax", "sigmoid"};
    const char *name = jsondoc_string(hyper_find(setting->config, row->member));
    char full[128];
    for (uint32_t i = 0; name != NULL && i < 2; i++) {
        if (strcmp(name, names[i]) == 0) {
            ggufile_write_u32(setting->kv, full_key(setting, row->key, full), i + 1);
            return STATUS_OK;
        }
    }
    return name == NULL ? STATUS_OK : refuse(row->member, "a gating function that is neither softmax nor sigmoid", err);
}

/* head_dim, or a part of it that rotates (Phi-3). */
static enum status set_rope_dim(const struct setting *setting, const struct arch_key *row, struct err *err)
{
    uint64_t head;
    char full[128];
    if (row->value == ARCH_ROPE_PART)
        TRY(ropefactors_part(setting->arch, setting->config, &head, err));
    else if (!hyper_head(setting->arch, setting->config, &head))
        return refuse("head_dim", "nothing, and no hidden_size and num_attention_heads", err);
    ggufile_write_u32(setting->kv, full_key(setting, row->key, full), (uint32_t)head);
    return STATUS_OK;
}

static enum status set_rope_part(const struct setting *setting, const struct arch_key *row, const char *member, struct err *err)
{
    double value = row->fallback;
    char full[128];
    if (!hyperkeys_rope_number(setting->arch, setting->config, member, &value) && isnan(value))
        return refuse(member, "nothing, expected a number", err);
    if (row->value == ARCH_ROPE_BASE)
        ggufile_write_f32(setting->kv, full_key(setting, row->key, full), (float)value);
    else if (value >= 1 && value <= UINT32_MAX)
        ggufile_write_u32(setting->kv, full_key(setting, row->key, full), (uint32_t)value);
    else
        return refuse(member, "a number that is no count", err);
    return STATUS_OK;
}

static enum status set_row(const struct setting *setting, const struct arch_key *row, struct err *err)
{
    char full[128];
    bool causal;
    int64_t pattern;
    switch (row->value) {
    case ARCH_U32:
    case ARCH_F32:
    case ARCH_BLOCK_COUNT:
        return set_number(setting, row, err);
    case ARCH_WINDOW:
        return jsondoc_int(hyper_find(setting->config, "sliding_window_pattern"), &pattern) && pattern == 1 ? STATUS_OK : set_number(setting, row, err);
    case ARCH_ROPE_SCALING:
        return set_rope(setting, err);
    case ARCH_ROPE_BASE:
        return set_rope_part(setting, row, "rope_theta", err);
    case ARCH_ROPE_CONTEXT:
        return set_rope_part(setting, row, "original_max_position_embeddings", err);
    case ARCH_ROPE_DIM:
    case ARCH_ROPE_PART:
        return set_rope_dim(setting, row, err);
    case ARCH_CAUSAL:
        if (jsondoc_bool(hyper_find(setting->config, row->member), &causal) && !causal)
            ggufile_write_bool(setting->kv, full_key(setting, row->key, full), false);
        return STATUS_OK;
    case ARCH_GATING:
        return set_gating(setting, row, err);
    case ARCH_FILE_TYPE:
        ggufile_write_u32(setting->kv, row->key, setting->file_type);
        return STATUS_OK;
    }
    return STATUS_OK;
}

/* What llama.cpp computes with, whatever the file says. */
static enum status check_built_in(const struct setting *setting, struct err *err)
{
    const struct arch *arch = setting->arch;
    const struct jsondoc *layers = hyper_find(setting->config, "layer_types");
    unsigned layer = 0;
    for (const struct arch_built_in *row = arch->built_in; row != NULL && row->member != NULL; row++) {
        const struct jsondoc *found = hyper_find(setting->config, row->member);
        char where[160];
        double value;
        (void)snprintf(where, sizeof where, "config.json: %s", row->member);
        if (found != NULL && (!jsondoc_double(found, &value) || value != row->value))
            return err_set(err, STATUS_UNSUPPORTED, where, "found another value than %g, which llama.cpp computes %s with", row->value, arch->name);
    }
    for (const struct jsondoc *at = jsondoc_first(layers); arch->full_every > 0 && at != NULL; at = jsondoc_next(at)) {
        const char *type = jsondoc_string(at), *wanted = ++layer % arch->full_every == 0 ? "full_attention" : "sliding_attention";
        if (type == NULL || strcmp(type, wanted) != 0)
            return err_set(err, STATUS_UNSUPPORTED, "config.json: layer_types", "found \"%.40s\" of layer %u, expected %s, which llama.cpp computes %s with",
                           type == NULL ? "" : type, layer - 1, wanted, arch->name);
    }
    if (arch->rope_stated && hyperkeys_rope(setting->config) == NULL) {
        (void)err_set(err, STATUS_CORRUPT, "config.json", "found neither rope_parameters nor rope_scaling, without which transformers scales %s by a default",
                      arch->name);
        return err_try(err, "a config.json that states them");
    }
    return STATUS_OK;
}

enum status hyperkeys_begin(struct ggufile_writer *kv, const struct arch *arch, const struct jsondoc *config, struct err *err)
{
    const struct setting setting = {kv, arch, config, 0};
    char full[128];
    double factor;
    TRY(ropefactors_attention(arch, config, &factor, err));
    if (!isnan(factor))
        ggufile_write_f32(kv, full_key(&setting, "%s.rope.scaling.attn_factor", full), (float)factor);
    return STATUS_OK;
}

enum status hyperkeys_set(struct ggufile_writer *kv, const struct arch *arch, const struct jsondoc *config, uint32_t file_type, struct err *err)
{
    const struct setting setting = {kv, arch, config, file_type};
    TRY(check_built_in(&setting, err));
    for (const struct arch_key *row = arch_keys; arch->generic_keys && row->key != NULL; row++) {
        const struct arch_key *own = arch_find_key(arch->keys, row->key);
        TRY(set_row(&setting, own != NULL ? own : row, err));
    }
    for (const struct arch_key *row = arch->keys; row != NULL && row->key != NULL; row++)
        if (!arch->generic_keys || arch_find_key(arch_keys, row->key) == NULL)
            TRY(set_row(&setting, row, err));
    return STATUS_OK;
}
