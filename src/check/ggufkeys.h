/* Keys of GGUF files as llama.cpp asks for them. */
#ifndef REPAQ_GGUFKEYS_H
#define REPAQ_GGUFKEYS_H

#include "check/ggufset.h"

#include <stdint.h>

#define GGUFKEYS_ARCH_BYTES_MAX 40
#define GGUFKEYS_LAYERS_MAX 512  /* LLAMA_MAX_LAYERS */
#define GGUFKEYS_EXPERTS_MAX 512 /* LLAMA_MAX_EXPERTS */
#define GGUFKEYS_UNKNOWN UINT64_MAX

/* Architectures whose keys and tensors the tables of judges know. */
enum ggufkeys_family {
    GGUFKEYS_LLAMA = 1 << 0, GGUFKEYS_QWEN2 = 1 << 1, GGUFKEYS_QWEN2MOE = 1 << 2, GGUFKEYS_QWEN3 = 1 << 3, GGUFKEYS_QWEN3MOE = 1 << 4,
    GGUFKEYS_GEMMA = 1 << 5, GGUFKEYS_GEMMA2 = 1 << 6, GGUFKEYS_GEMMA3 = 1 << 7, GGUFKEYS_PHI3 = 1 << 8, GGUFKEYS_GPTOSS = 1 << 9,
    GGUFKEYS_FAMILIES = (1 << 10) - 1,
    GGUFKEYS_SPARSE = GGUFKEYS_QWEN2MOE | GGUFKEYS_QWEN3MOE | GGUFKEYS_GPTOSS, /* experts in every layer; llama has them where expert_count says so */
};
/* The bit, or 0. */
unsigned ggufkeys_family(const char *arch);

/* The text of a string, cut off at size - 1; false if there is no string of this key. */
bool ggufkeys_text(const struct ggufset *set, const char *key, char *text, size_t size);
/* general.architecture; false for a file that is no model of a language: another general.type, no architecture, "clip", or no file at all. */
bool ggufkeys_model(const struct ggufset *set, char arch[GGUFKEYS_ARCH_BYTES_MAX]);
/* general.type says that this is an adapter, an importance matrix or a tower; its name is left in `type`. */
bool ggufkeys_other(const struct ggufset *set, char type[GGUFKEYS_ARCH_BYTES_MAX]);
/* The pair "ARCH.SUFFIX", or NULL. */
const struct ggufile_value *ggufkeys_find(const struct ggufset *set, const char *arch, const char *suffix);
/* Its number of type u32, which is what llama.cpp takes; `otherwise` where there is no such pair; UNKNOWN for any other type, so also one for each layer. */
uint64_t ggufkeys_number(const struct ggufset *set, const char *arch, const char *suffix, uint64_t otherwise);

#endif
