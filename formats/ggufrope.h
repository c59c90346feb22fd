/* Rotary scaling that a GGUF file keeps as tensors, in the words of config.json. */
#ifndef REPAQ_GGUFROPE_H
#define REPAQ_GGUFROPE_H

#include "container/ggufile_split.h"
#include "container/ggufile_value.h"
#include "container/jsondoc.h"
#include "formats/arch/arch.h"

/* True for the names of such tensors: "rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight". */
bool ggufrope_is(const char *name);
/* Adds rope_scaling to config: LLaMA 3's parameters, found by trying those that give the file's factors to the last bit, or Phi-3's two lists. The first file
 * of the set has the metadata. Factors that no parameters give are UNSUPPORTED, tensors of other shapes or dtypes CORRUPT. config has what the other keys
 * say. */
enum status ggufrope_add(const struct ggufile_set *set, const struct file_ops *ops, const struct arch *arch, struct jsondoc *config,
                         struct err *err) WARN_UNUSED;

#endif
