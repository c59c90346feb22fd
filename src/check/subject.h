/* A checkpoint as the rules look at it: everything that could be read of it, and whose eyes it is seen with. */
#ifndef REPAQ_SUBJECT_H
#define REPAQ_SUBJECT_H

#include "check/described.h"
#include "check/engines.h"
#include "check/ggufset.h"
#include "check/headers.h"
#include "plan/run.h"
#include "plan/survey.h"

#define SUBJECT_SIDE_FILES 2

/* A Linear layer, quantized or float. */
struct module {
    const char *name;
    uint32_t weight; /* index into model.weight; MODEL_NONE: float */
    uint32_t tensor; /* the float tensor; MODEL_NONE: quantized */
};

/* Zero-initialise; free with subject_free. */
struct subject {
    enum engine_id engine;
    const struct engine *row;
    const struct resources *resources; /* borrowed */
    enum encoding encoding;
    const struct acceptance *accepts;  /* NULL: the engine does not load this encoding */
    struct source source;
    struct headers headers;
    struct ggufset gguf;               /* count 0: the source is no GGUF file */
    const struct gguf_reader *gguf_reader; /* what the engine takes of GGUF files; NULL: it reads none */
    const struct jsondoc *config;      /* config.json; NULL if there is none */
    const struct jsondoc *text_config; /* its text_config, or config itself */
    const struct jsondoc *quant;       /* quantization_config, also from inside text_config; NULL */
    struct jsondoc *side[SUBJECT_SIDE_FILES]; /* owned; subject_side_name; NULL: absent or broken */
    const struct jsondoc *settings;    /* what the engine goes by: quant, or the side file that wins; NULL: none */
    const char *settings_where;        /* its file */
    struct described described;
    struct err open_error, config_error, side_error[SUBJECT_SIDE_FILES], described_error, read_error, survey_error; /* OK: it was read */
    size_t index_count;                /* *.safetensors.index.json files in the directory */
    struct bid bid;
    struct model model;
    struct fetch fetch;
    struct survey survey;
    bool read, surveyed;
    struct module *module;             /* owned; quantized ones first, each by name */
    size_t module_count, module_capacity;
    struct map module_by_name;
    struct findings findings;
};

const char *subject_side_name(size_t side); /* "quantize_config.json" */

/* Reads what can be read of the checkpoint. What a conversion would refuse stays in the *_error records; IO, LIMIT, UNSUPPORTED of the path itself,
 * and CORRUPT of a weight file's header are errors. */
enum status subject_open(struct subject *subject, const struct resources *resources, const char *path, struct err *err) WARN_UNUSED;
void subject_free(struct subject *subject);

/* Adds a finding of the rule at work. */
enum status subject_report(struct subject *subject, struct remark remark, struct err *err) WARN_UNUSED;
/* "found X, expected Y" without its first word. */
const char *subject_found(const char *what);
/* Adds an error that says "found X, expected Y" as a finding, which has both apart; nothing if its status is OK. *why outlives the findings. */
enum status subject_report_error(struct subject *subject, const struct err *why, enum severity severity, struct err *err) WARN_UNUSED;
/* Text for a finding, in its arena; NULL with *err filled if memory is out. */
const char *subject_text(struct subject *subject, struct err *err, const char *format, ...) PRINTF_LIKE(3, 4);

/* A member of a quantization object under one of its two names; NULL if absent or null. */
const struct jsondoc *subject_member(const struct jsondoc *doc, const char *name, const char *synonym);
/* The flag's value, or -1 if it is absent or no boolean. */
int subject_flag(const struct jsondoc *doc, const char *name);
/* An integer member, or `otherwise`. */
int64_t subject_int(const struct jsondoc *doc, const char *name, int64_t otherwise);
/* True if the string member equals text, letters of any case. */
bool subject_is(const struct jsondoc *doc, const char *name, const char *text);
/* True if the encoding is one of GPTQ's. */
bool subject_is_gptq(const struct subject *subject);

#endif
