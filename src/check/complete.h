/* Modules that architecture and config ask for and that no tensor belongs to. */
#ifndef REPAQ_COMPLETE_H
#define REPAQ_COMPLETE_H

#include "container/jsondoc.h"
#include "ir/model.h"

#define COMPLETE_ABSENCES_MAX 1000 /* that are kept */

struct absence {
    const char *module; /* "model.layers.0.mlp.down_proj"; "model.layers.*.mlp.down_proj": of every block */
    const char *why;    /* what was expected */
};

/* Zero-initialise; free with complete_free. */
struct complete {
    struct arena arena;
    struct absence *absence; /* owned; [count] */
    size_t count, capacity;
    bool spare_head; /* an lm_head beside tie_word_embeddings: true */
};

/* Names are those of Hugging Face: tensors by their out_name, without those that others are gathered from. `config` is config.json; NULL: nothing is asked
 * for. What one block has, all num_hidden_layers blocks must have where the family is one whose blocks are all alike. */
enum status complete_find(struct complete *complete, const struct model *model, const struct jsondoc *config, struct err *err) WARN_UNUSED;
void complete_free(struct complete *complete);

/* True if the family is known, and has an lm_head of its own. */
bool complete_has_head(const struct jsondoc *config);

#endif
