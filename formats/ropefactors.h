/* Tensors and keys of rotary embeddings that no checkpoint holds: they follow from config.json, and a GGUF file begins with them. */
#ifndef REPAQ_ROPEFACTORS_H
#define REPAQ_ROPEFACTORS_H

#include "formats/hyper.h"
#include "ir/model.h"

enum { ROPEFACTORS_MAX = 2, ROPEFACTORS_ROWS_MAX = 65536 };

/* Adds what the family and config.json ask for as views of made bytes, F32 [rows of a head / 2], in the file's order: LLaMA 3's "rope_freqs.weight", Phi-3's
 * "rope_factors_long.weight" and "rope_factors_short.weight". index[0 .. *count) are the tensors, named as in the file. Numbers that are missing or make no
 * finite factors are CORRUPT. (ggml-org/llama.cpp:conversion/llama.py and conversion/phi.py, generate_extra_tensors) */
enum status ropefactors_add(struct model *model, const struct arch *arch, const struct jsondoc *config, uint32_t index[ROPEFACTORS_MAX], uint32_t *count,
                            struct err *err) WARN_UNUSED;
/* LLaMA 3's scaling: frequencies whose waves are longer than context / low are divided by factor, those shorter than context / high stay. */
struct ropefactors_llama3 {
    float base, factor, low, high, context;
};
/* What the frequency base^-exponent is divided by, with the bits that torch gives it. */
float ropefactors_llama3(const struct ropefactors_llama3 *rope, float exponent);
/* max_position_embeddings / original_max_position_embeddings; NAN where config.json lacks one, or the latter is not above 1. */
double ropefactors_scale(const struct arch *arch, const struct jsondoc *config, double *context);
/* attn_factor of a kind of long_factor ("longrope", "su", "yarn") by that quotient; NAN for other kinds. */
double ropefactors_attention_by(const char *type, double scale, double context);
/* rope.scaling.attn_factor; NAN where the file has none. */
enum status ropefactors_attention(const struct arch *arch, const struct jsondoc *config, double *factor, struct err *err) WARN_UNUSED;
/* Rows of a head that turn (Phi-3): partial_rotary_factor * hidden_size / num_attention_heads. */
enum status ropefactors_part(const struct arch *arch, const struct jsondoc *config, uint64_t *rows, struct err *err) WARN_UNUSED;

#endif
