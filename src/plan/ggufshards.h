/* The files of a GGUF plan: one, or a set of shards. */
#ifndef REPAQ_GGUFSHARDS_H
#define REPAQ_GGUFSHARDS_H

#include "plan/plan.h"

/* Deals the plan's tensors out to files as options->split says, lays them out, and makes the headers. The files are named after options->one_file. */
enum status ggufshards_files(struct plan *plan, const struct gguf_input *gguf, const struct options *options, struct err *err) WARN_UNUSED;
/* Names the files anew: `name`, if there is but one, else by its stem, "STEM-00001-of-00003.gguf". */
enum status ggufshards_name(struct plan *plan, const char *name, const struct options *options, struct err *err) WARN_UNUSED;

#endif
