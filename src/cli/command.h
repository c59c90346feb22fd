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

/* Runs with the arguments after the command's name. The status is the exit code; *err is filled when it is none of OK and DIFFERS. */
typedef enum status (*command_main)(struct session *session, int argc, char **argv, struct err *err);

struct command {
    const char *name;
    const char *usage;   /* "SRC DST --to FORMAT [options]" */
    const char *summary;
    command_main run;
    void (*help)(void);  /* prints the options */
    bool prints_json;    /* --json: results, and errors too, are JSON on stdout */
};

/* X(symbol, name, usage, summary, prints JSON) in the order of the help text. */
#define COMMAND_TABLE(X) \
    X(convert, "convert", "SRC DST --to FORMAT [options]", "move a checkpoint into another format, without quantizing again", true) \
    X(inspect, "inspect", "SRC [--tensors] [--hash] [--json]", "say what a checkpoint is", true) \
    X(verify, "verify", "A B [--exact] [--tolerance REL] [--json]", "compare two checkpoints of any two formats", true) \
    X(check, "check", "SRC --for ENGINE [--json]", "say what an engine would refuse, and what it would load wrongly without a word", true) \
    X(index, "index", "DIR [--check | --write] [--json]", "hold model.safetensors.index.json against the shards, or rewrite it", true) \
    X(formats, "formats", "[--from A --to B] [--json]", "print what each format can hold, or what a pair can exchange exactly", true) \
    X(bundle, "bundle", "DIR FILE.zip [--force]", "pack a model directory into one zip of zstd entries, which is a SRC itself", false) \
    X(unbundle, "unbundle", "FILE.zip DIR [--force]", "unpack such an archive, byte for byte", false) \
    X(ms_to_vllm, "ms_to_vllm", "--model W.safetensors --json D.json [options]", "drop-in for msModelSlim's ms_to_vllm.py", false) \
    X(llama_quantize, "llama-quantize", "[options] IN.gguf [OUT.gguf] TYPE [NTHREADS]", "drop-in for llama.cpp's llama-quantize", false) \
    X(convert_hf_to_gguf, "convert_hf_to_gguf", "MODEL_DIR [--outfile F] [--outtype T] [options]", "drop-in for llama.cpp's converter", false) \
    X(convert_llama_weights_to_hf, "convert_llama_weights_to_hf", "--input_dir DIR --output_dir DIR", "drop-in for transformers' script", false)

#define X(symbol, name, usage, summary, json) \
    enum status command_##symbol(struct session *session, int argc, char **argv, struct err *err) WARN_UNUSED; \
    void command_##symbol##_help(void);
COMMAND_TABLE(X)
#undef X

/* Threads and memory within their limits; `where` is what set them. USAGE, LIMIT. */
enum status command_check_resources(const struct session *session, const char *where, struct err *err) WARN_UNUSED;

#endif
