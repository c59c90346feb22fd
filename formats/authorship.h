/* What a GGUF file says of its authors, licence and origin: the model card's words, and those of --metadata, which win. */
#ifndef REPAQ_AUTHORSHIP_H
#define REPAQ_AUTHORSHIP_H

#include "container/ggufile_write.h"
#include "container/jsondoc.h"
#include "formats/modelname.h"

struct authorship {
    const struct jsondoc *card;      /* the front matter of README.md; NULL: none */
    const struct jsondoc *overrides; /* --metadata: an object of full keys; NULL: none */
    struct modelname names;          /* what else is known of the model's name */
    const char *stated;              /* --model-name; NULL: none */
    uint64_t parameters;
};

/* The text of one key, "general.author": that of the overrides, of the card, of the names. NULL if there is none. */
const char *authorship_text(const struct authorship *authorship, const char *key);
/* True for members of the card that become keys. */
bool authorship_takes(const char *member);
/* Sets the keys from general.name to general.languages in the order of gguf-py/gguf/metadata.py, Metadata.set_gguf_meta_model; `size_label` where no source has
 * one (NULL: none). */
enum status authorship_set(struct ggufile_writer *kv, const struct authorship *authorship, const char *size_label, struct err *err) WARN_UNUSED;

#endif
