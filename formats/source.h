/* A checkpoint on disk as the formats see it: the listing, config.json and side documents. Nothing is loaded to find out what it is. */
#ifndef REPAQ_SOURCE_H
#define REPAQ_SOURCE_H

#include "base/file.h"
#include "base/tree.h"
#include "base/mem.h"
#include "container/jsondoc.h"
#include "container/overlay.h"
#include "container/shards.h"
#include "ir/model.h"

/* A side file that the source stands for and does not hold. */
struct source_made {
    const char *name;
    struct slice text; /* both in the source's arena */
};
enum { SOURCE_MADE_MAX = 8 };

struct source {
    const struct file_ops *ops; /* of its files; its overlay's where something is packed */
    struct overlay overlay; /* a source must not move */
    const char *spool;      /* where what is packed and cannot be read in place is unpacked, to a file without a name; NULL: beside it */
    struct arena arena;
    const char *path;       /* as the user gave it */
    const char *dir;        /* its directory */
    const struct shards_kind *kind; /* of the weight files */
    const char *only;       /* path names one weight file: its name in dir; else NULL */
    const char *index_name; /* the index to follow, relative to dir; else NULL */
    bool gguf;              /* `only` is a GGUF file: what else is in dir does not belong to it */
    struct tree_list list;  /* of dir; empty beside a GGUF file */
    struct text config;     /* config.json's text; data NULL if there is none */
    struct jsondoc *document; /* config.json parsed; NULL if there is none */
    struct source_made made[SOURCE_MADE_MAX]; /* that a reader has made: they travel as if the source had them */
    size_t made_count;
};

/* path is a directory, one .safetensors, .bin or .pth file (any of these as .zst), a bundle (repaq bundle), or an *.index.json. Of a directory with several
 * kinds of weights safetensors are taken. Absent or unreadable: IO. Several indexes of one kind: CORRUPT. A file of another kind, a directory without weights
 * or a LoRA adapter: UNSUPPORTED. Free with source_close, also after a failure. */
enum status source_open_at(struct source *source, const struct file_ops *ops, const char *path, const char *spool, struct err *err) WARN_UNUSED;
/* The same, with no other place to unpack to than beside the source. */
enum status source_open(struct source *source, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
/* A directory for its config and side files only (--base): weights are not asked for. */
enum status source_open_plain(struct source *source, const struct file_ops *ops, const char *path, struct err *err) WARN_UNUSED;
void source_close(struct source *source);

/* "dir/name" in the source's arena; NULL with *err filled. */
const char *source_path(struct source *source, const char *name, struct err *err);
/* True if the listing has this name. */
bool source_has(const struct source *source, const char *name);
/* The first listed top-level name (bytewise order) that starts and ends so; NULL if there is none. */
const char *source_match(const struct source *source, const char *prefix, const char *suffix);
/* config.json's quantization_config (also inside text_config, or the older compression_config); NULL if there is none. */
const struct jsondoc *source_quantization(const struct source *source);
/* Parses a small side document. *doc is the caller's. NULL without error if the file is absent. */
enum status source_document(struct source *source, const char *name, struct jsondoc **doc, struct err *err) WARN_UNUSED;
/* The first `size` bytes of a small tensor that describes a weight (its shape, its quantization). A shorter tensor is CORRUPT. */
enum status source_tensor(struct source *source, const struct model *model, uint32_t tensor, void *data, size_t size, struct err *err) WARN_UNUSED;
/* Adds a made side file (a copy of text), unless the listing has one of the name. */
enum status source_make(struct source *source, const char *name, const struct text *text, struct err *err) WARN_UNUSED;
/* The config.json that the source stands for, unless it has one: it is the source's and the model's from here on. */
enum status source_make_config(struct source *source, struct model *model, const struct text *text, struct err *err) WARN_UNUSED;
/* The beginning of source_tensors: directory and config. */
enum status source_take(const struct source *source, struct model *model, struct err *err) WARN_UNUSED;
/* Reads one weight file of the listing; `prefix` goes before the names of its tensors. */
enum status source_tensors_of(struct source *source, const char *name, const char *prefix, struct model *model, struct err *err) WARN_UNUSED;
/* Reads all weight files into the model: sets dir, config and the tensors. */
enum status source_tensors(struct source *source, struct model *model, struct err *err) WARN_UNUSED;

#endif
