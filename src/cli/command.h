/* The commands of the program, one source each. */
#ifndef REPAQ_COMMAND_H
#define REPAQ_COMMAND_H

#include "base/err.h"
#include "plan/run.h"

#include <stdbool.h>

/* What main hands to every command. */
struct session {
    struct resources resources; /* threads and memory from the environment; options override */
    bool color;                 /* stderr is a terminal that takes escapes */
};

/* Runs with the arguments after the command's name. The status is the exit code; *err is filled when it is none of OK and DIFFERS. `json` tells
 * main to print an error as JSON on stdout too. */
typedef enum status (*command_main)(struct session *session, int argc, char **argv, bool *json, struct err *err);

struct command {
    const char *name;
    const char *usage;   /* "SRC DST --to FORMAT [options]" */
    const char *summary;
    command_main run;
    void (*help)(void);  /* prints the options */
};

/* X(symbol, name, usage, summary) in the order of the help text. */
#define COMMAND_TABLE(X) \
    X(convert, "convert", "SRC DST --to FORMAT [options]", "move a checkpoint into another format, without quantizing again") \
    X(inspect, "inspect", "SRC [--tensors] [--hash] [--json]", "say what a checkpoint is") \
    X(verify, "verify", "A B [--exact] [--tolerance REL] [--json]", "compare two checkpoints of any two formats") \
    X(index, "index", "DIR [--check | --write] [--json]", "hold model.safetensors.index.json against the shards, or rewrite it") \
    X(formats, "formats", "[--from A --to B] [--json]", "print what each format can hold, or what a pair can exchange exactly") \
    X(ms_to_vllm, "ms_to_vllm", "--model W.safetensors --json D.json [options]", "drop-in for msModelSlim's ms_to_vllm.py")

#define X(symbol, name, usage, summary) \
    enum status command_##symbol(struct session *session, int argc, char **argv, bool *json, struct err *err) WARN_UNUSED; \
    void command_##symbol##_help(void);
COMMAND_TABLE(X)
#undef X

#endif
