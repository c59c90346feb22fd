/* repaq: the program. Finds the command, runs it, prints its error, and maps statuses to exit codes. */
#include "base/limits.h"
#include "base/pool.h"
#include "cli/command.h"
#include "cli/emit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct command commands[] = {
#define X(symbol, name, usage, summary, json) {name, usage, summary, command_##symbol, command_##symbol##_help, json},
    COMMAND_TABLE(X)
#undef X
};
#define COMMANDS (sizeof commands / sizeof commands[0])

/* A signal asks for a stop; the workers see it between tiles. The one piece of state that a handler can reach. */
static atomic_int stop_signal;

static void on_signal(int number)
{
    atomic_store(&stop_signal, number);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND}; /* a second signal ends the program at once */
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    struct sigaction before;
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN) /* nohup */
        (void)sigaction(SIGHUP, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that leaves is a failed write, not a death */
    (void)signal(SIGXFSZ, SIG_IGN); /* likewise a file that grows beyond `ulimit -f` */
}

enum status command_check_resources(const struct session *session, const char *where, struct err *err)
{
    if (session->resources.threads > LIMIT_THREADS_MAX)
        return err_set(err, STATUS_USAGE, where, "found %u threads, expected 1..%d", session->resources.threads, LIMIT_THREADS_MAX);
    if (session->resources.memory_bytes < LIMIT_MEMORY_BYTES_MIN)
        return err_set(err, STATUS_LIMIT, where, "found %llu bytes, expected at least %llu", (unsigned long long)session->resources.memory_bytes,
                       (unsigned long long)LIMIT_MEMORY_BYTES_MIN);
    return STATUS_OK;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* The command that replaces a program of this name, as the program was called at any time. */
static const struct command *find_drop_in(const char *name)
{
    static const struct {
        const char *name, *command;
    } names[] = {{"ms_to_vllm", "ms_to_vllm"},
                 {"convert_llama_weights_to_hf", "convert_llama_weights_to_hf"},
                 {"convert_hf_to_gguf", "convert_hf_to_gguf"},
                 {"convert-hf-to-gguf", "convert_hf_to_gguf"},
                 {"convert.py", "convert_hf_to_gguf"},
                 {"llama-quantize", "llama-quantize"},
                 {"quantize", "llama-quantize"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const size_t size = strlen(names[i].name);
        if (strncmp(name, names[i].name, size) == 0 && (name[size] == '\0' || strcmp(name + size, ".py") == 0))
            return find_command(names[i].command);
    }
    return NULL;
}

static void print_help(void)
{
    (void)printf("repaq %s: moves LLM weights between tools without quantizing them again\n\nusage:\n", REPAQ_VERSION);
    for (size_t i = 0; i < COMMANDS; i++)
        (void)printf("  repaq %-11s %s\n  %17s %s\n", commands[i].name, commands[i].usage, "", commands[i].summary);
    (void)printf("  repaq --version | --help | help COMMAND\n\n"
                 "exit codes: 0 done, equal; 1 differs; 2 usage; 3 I/O; 4 corrupt input; 5 unsupported; 6 unrepresentable; 7 a limit\n");
}

static void print_command_help(const struct command *command)
{
    (void)printf("usage: repaq %s %s\n\n%s\n\n", command->name, command->usage, command->summary);
    command->help();
}

static enum status help(int argc, char **argv, struct err *err)
{
    if (argc == 0) {
        print_help();
        return STATUS_OK;
    }
    const struct command *command = find_command(argv[0]);
    if (command == NULL) {
        (void)err_set(err, STATUS_USAGE, argv[0], "found an unknown command");
        return err_try(err, "repaq --help");
    }
    print_command_help(command);
    return STATUS_OK;
}

static enum status read_environment(struct session *session, struct err *err)
{
    const char *threads = getenv("REPAQ_THREADS"), *memory = getenv("REPAQ_MEMORY");
    uint64_t count;
    if (threads != NULL && threads[0] != '\0') {
        if (!slice_u64(slice_of(threads), &count) || count == 0 || count > LIMIT_THREADS_MAX)
            return err_set(err, STATUS_USAGE, "REPAQ_THREADS", "found \"%s\", expected 1..%d", threads, LIMIT_THREADS_MAX);
        session->resources.threads = (unsigned)count;
    }
    if (memory != NULL && memory[0] != '\0' && !text_parse_bytes(memory, &session->resources.memory_bytes))
        return err_set(err, STATUS_USAGE, "REPAQ_MEMORY", "found \"%s\", expected a size such as 256MiB", memory);
    return command_check_resources(session, "REPAQ_MEMORY", err);
}

static void print_error(const struct err *err, bool json)
{
    char text[2400];
    (void)err_format(err, text, sizeof text);
    (void)fflush(stdout);
    (void)fputs(text, stderr);
    if (!json)
        return;
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_object(&emit, "error", false);
    emit_string(&emit, "status", err_word(err->status));
    emit_u64(&emit, "exit", (uint64_t)err->status);
    emit_string(&emit, "where", err->where);
    emit_string(&emit, "what", err->what);
    emit_string(&emit, "try", err->remedy[0] == '\0' ? NULL : err->remedy);
    emit_end(&emit, '}');
    emit_end(&emit, '}');
}

/* Thousands of shards need as many descriptors. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* --help anywhere, and --json before anything else can fail. */
static enum status run_command(struct session *session, const struct command *command, int argc, char **argv, bool *json, struct err *err)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_command_help(command);
            return STATUS_OK;
        }
        *json = *json || (command->prints_json && strcmp(argv[i], "--json") == 0);
    }
    return command->run(session, argc, argv, err);
}

static enum status dispatch(struct session *session, int argc, char **argv, bool *json, struct err *err)
{
    const char *slash = strrchr(argv[0], '/'), *own = slash == NULL ? argv[0] : slash + 1;
    const struct command *drop_in = find_drop_in(own); /* a link of that name */
    if (drop_in != NULL)
        return run_command(session, drop_in, argc - 1, argv + 1, json, err);
    if (argc < 2) {
        print_help();
        return err_set(err, STATUS_USAGE, "repaq", "found no command");
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)printf("repaq %s\n", REPAQ_VERSION);
        return STATUS_OK;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return help(argc - 2, argv + 2, err);
    const struct command *command = find_command(argv[1]);
    if (command == NULL)
        command = find_drop_in(argv[1]);
    if (command == NULL) {
        (void)err_set(err, STATUS_USAGE, argv[1], "found an unknown command");
        return err_try(err, "repaq --help");
    }
    return run_command(session, command, argc - 2, argv + 2, json, err);
}

int main(int argc, char **argv)
{
    struct err err = {0};
    const char *terminal = getenv("TERM"), *no_color = getenv("NO_COLOR");
    bool json = false;
    struct session session = {
        .resources = {&file_posix, pool_processors(), LIMIT_MEMORY_BYTES_DEFAULT, &stop_signal},
        .color = isatty(STDERR_FILENO) && (no_color == NULL || no_color[0] == '\0') && terminal != NULL && strcmp(terminal, "dumb") != 0,
    };
    catch_signals();
    raise_file_limit();
    enum status status = read_environment(&session, &err);
    if (status == STATUS_OK)
        status = dispatch(&session, argc, argv, &json, &err);
    if (status != STATUS_OK && err.status != STATUS_OK && status != STATUS_CANCELLED)
        print_error(&err, json);
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == STATUS_OK) {
        (void)fputs("repaq: error: stdout: cannot write\n", stderr);
        status = STATUS_IO;
    }
    const int number = atomic_load(&stop_signal);
    if (status == STATUS_CANCELLED)
        _exit(128 + number);
    return (int)status;
}
