#include "check/check.h"
#include "cli/arguments.h"
#include "cli/command.h"
#include "cli/emit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINES_PER_RULE 8 /* of text; --json has up to FINDINGS_PER_RULE_MAX */

struct check_options {
    const char *engine;
    unsigned threads;
    bool engines, json;
};

#define CHECK_ROWS(o) \
    { \
        {"--for", ARGUMENT_STRING, &(o)->engine, "ENGINE", "who is to load it; required. --engines lists them"}, \
        {"--engines", ARGUMENT_FLAG, &(o)->engines, NULL, "print what each engine takes, and the rules, and stop"}, \
        {"--threads", ARGUMENT_COUNT, &(o)->threads, "N", "default: all processors (REPAQ_THREADS)"}, \
        {"--json", ARGUMENT_FLAG, &(o)->json, NULL, "the result as one JSON object on stdout"}, \
    }

void command_check_help(void)
{
    struct check_options options;
    const struct argument rows[] = CHECK_ROWS(&options);
    arguments_help(rows, sizeof rows / sizeof rows[0]);
}

/* --- tables ----------------------------------------------------------------------------------------------------------------- */

static void print_acceptance(const struct engine *engine, const struct acceptance *row)
{
    char bits[100], groups[100], more[300] = "";
    const struct constraints *limits = &row->limits;
    const struct {
        bool is;
        const char *text;
    } words[] = {{limits->symmetric_only, "symmetric only"}, {limits->no_act_order, "no act-order"}, {limits->no_rules, "no rules for modules"},
                 {limits->no_negative_scales, "no negative scales"},
                 {limits->no_linear && limits->no_experts, "with int8 activations only"},
                 {limits->no_linear && !limits->no_experts, "without int8 activations in experts only"},
                 {!limits->no_linear && limits->no_experts, "without int8 activations in Linear layers only"}, {row->note != NULL, row->note}};
    size_t used = 0;
    if (limits->out_multiple != 0)
        used += (size_t)snprintf(more + used, sizeof more - used, "out %% %u", limits->out_multiple);
    for (size_t i = 0; i < sizeof words / sizeof words[0] && used < sizeof more; i++)
        if (words[i].is)
            used += (size_t)snprintf(more + used, sizeof more - used, "%s%s", used == 0 ? "" : "; ", words[i].text);
    const bool is_float = row->encoding == ENCODING_HF, is_gguf = row->encoding == ENCODING_GGUF;
    (void)printf("| %s | %s | %s | %s | %s |\n", engine->name, engines_encoding_name(row->encoding),
                 is_float ? "float" : is_gguf ? "below" : constraints_bits_text(limits->bits, bits, sizeof bits),
                 is_float || is_gguf ? "-" : constraints_groups_text(limits->groups, groups, sizeof groups), used == 0 ? "-" : more);
}

static const char *engines_text(uint32_t engines, char *buffer, size_t size)
{
    size_t used = 0;
    buffer[0] = '\0';
    for (int e = 0; e < ENGINE_COUNT && used < size; e++)
        if ((engines >> e & 1) != 0)
            used += (size_t)snprintf(buffer + used, size - used, "%s%s", used == 0 ? "" : ", ", engines_at((enum engine_id)e)->name);
    return used == 0 ? "-" : buffer;
}

static void print_types(uint64_t types)
{
    const char *gap = "";
    for (int t = 0; t < GGML_COUNT; t++)
        if ((types >> t & 1) != 0) {
            (void)printf("%s%s", gap, ggml_name((enum ggml_type)t));
            gap = ", ";
        }
}

static void print_readers(void)
{
    static const char *const big[] = {"read", "read", "refused", "read wrongly"};
    (void)printf("\n| engine | GGUF versions | big endian | gaps, other orders | sets of files | types of tensors |\n|---|---|---|---|---|---|\n");
    for (int e = 0; e < ENGINE_COUNT; e++) {
        const struct gguf_reader *reader = engines_gguf_reader((enum engine_id)e);
        if (reader == NULL)
            continue;
        (void)printf("| %s | %u to 3 | %s | %s | %s | ", engines_at((enum engine_id)e)->name, reader->version_first, big[reader->big_endian],
                     big[reader->places], reader->several ? "read" : "refused");
        print_types(reader->types & ~reader->types_recent);
        if (reader->types_recent != 0)
            (void)printf("; recent builds only: ");
        print_types(reader->types_recent);
        (void)printf(" |\n");
    }
}

static void print_engines(void)
{
    char linear[200], experts[200];
    (void)printf("| engine | what | version read |\n|---|---|---|\n");
    for (int e = 0; e < ENGINE_COUNT; e++)
        (void)printf("| `%s` | %s | %s |\n", engines_at((enum engine_id)e)->name, engines_at((enum engine_id)e)->title, engines_at((enum engine_id)e)->read);
    (void)printf("\n| engine | format | bits | group sizes | else |\n|---|---|---|---|---|\n");
    for (int e = 0; e < ENGINE_COUNT; e++)
        for (int c = 0; c < ENCODING_COUNT; c++)
            if (engines_accept((enum engine_id)e, (enum encoding)c) != NULL)
                print_acceptance(engines_at((enum engine_id)e), engines_accept((enum engine_id)e, (enum encoding)c));
    print_readers();
    (void)printf("\n| msModelSlim type | Linear layers | experts |\n|---|---|---|\n");
    for (size_t s = 0; judge_ascend_scheme(s) != NULL; s++)
        (void)printf("| %s | %s | %s |\n", judge_ascend_scheme(s)->type, engines_text(judge_ascend_scheme(s)->linear, linear, sizeof linear),
                     engines_text(judge_ascend_scheme(s)->experts, experts, sizeof experts));
    (void)printf("\n| rule | what holds where it passes |\n|---|---|\n");
    for (size_t r = 0; r < rules_count(); r++)
        (void)printf("| %s | %s |\n", rules_at(r)->id, rules_at(r)->title);
}

/* --- results ---------------------------------------------------------------------------------------------------------------- */

static void print_text(const struct subject *subject)
{
    static const char *const words[] = {"PASS", "WARN", "FAIL", "SILENT"};
    const struct findings *findings = &subject->findings;
    size_t passed = 0, shown = 0;
    for (size_t f = 0; f < findings->count; f++) {
        const struct remark *remark = &findings->remark[f];
        shown = f == 0 || findings->remark[f - 1].rule != remark->rule ? 0 : shown;
        if (shown++ < LINES_PER_RULE)
            (void)printf("%-6s %-3s %s: found %s, expected %s%s%s\n", words[remark->severity], rules_at(remark->rule)->id, remark->where, remark->found,
                         remark->expected, remark->remedy == NULL ? "" : "; try: ", remark->remedy == NULL ? "" : remark->remedy);
        else if (shown == LINES_PER_RULE + 1)
            (void)printf("...    %-3s %" PRIu64 " more of this rule\n", rules_at(remark->rule)->id, findings->result[remark->rule].count - LINES_PER_RULE);
    }
    for (size_t r = 0; r < rules_count(); r++)
        passed += findings->result[r].ran && findings->result[r].count == 0;
    (void)printf("%s, %s: %s (%" PRIu64 " silent, %" PRIu64 " fail, %" PRIu64 " warn; %zu rules passed)\n", subject->row->name,
                 engines_encoding_name(subject->encoding), findings_refuse(findings) ? "refused" : "accepted", findings->count_of[SEVERITY_SILENT],
                 findings->count_of[SEVERITY_FAIL], findings->count_of[SEVERITY_WARN], passed);
}

static void print_json(const struct subject *subject, const char *path)
{
    const struct findings *findings = &subject->findings;
    struct emit emit = {.out = stdout};
    emit_object(&emit, NULL, false);
    emit_string(&emit, "path", path);
    emit_string(&emit, "engine", subject->row->name);
    emit_string(&emit, "format", subject->encoding == ENCODING_COUNT ? NULL : engines_encoding_name(subject->encoding));
    emit_bool(&emit, "accepted", !findings_refuse(findings));
    emit_object(&emit, "counts", true);
    for (int s = SEVERITY_WARN; s < SEVERITY_COUNT; s++)
        emit_u64(&emit, findings_severity_name((enum severity)s), findings->count_of[s]);
    emit_end(&emit, '}');
    emit_array(&emit, "findings", false);
    for (size_t f = 0; f < findings->count; f++) {
        const struct remark *remark = &findings->remark[f];
        emit_object(&emit, NULL, true);
        emit_string(&emit, "rule", rules_at(remark->rule)->id);
        emit_string(&emit, "severity", findings_severity_name(remark->severity));
        emit_string(&emit, "where", remark->where);
        emit_string(&emit, "found", remark->found);
        emit_string(&emit, "expected", remark->expected);
        emit_string(&emit, "try", remark->remedy);
        emit_end(&emit, '}');
    }
    emit_end(&emit, ']');
    emit_array(&emit, "rules", false);
    for (size_t r = 0; r < rules_count(); r++) {
        emit_object(&emit, NULL, true);
        emit_string(&emit, "rule", rules_at(r)->id);
        emit_string(&emit, "title", rules_at(r)->title);
        emit_string(&emit, "result", findings->result[r].ran ? findings_severity_name(findings->result[r].worst) : "skipped");
        emit_u64(&emit, "findings", findings->result[r].count);
        emit_end(&emit, '}');
    }
    emit_end(&emit, ']');
    emit_end(&emit, '}');
}

static enum status check(const struct session *session, const struct check_options *options, const char *path, struct err *err)
{
    char names[200];
    struct subject subject = {.engine = engines_find(options->engine)};
    if (subject.engine == ENGINE_COUNT) {
        (void)err_set(err, STATUS_USAGE, "--for", "found \"%s\", expected an engine", options->engine);
        return err_try(err, "one of: %s", engines_names(names, sizeof names));
    }
    enum status status = check_run(&subject, &session->resources, path, err);
    if (status == STATUS_OK) {
        if (options->json)
            print_json(&subject, path);
        else
            print_text(&subject);
        status = findings_refuse(&subject.findings) ? STATUS_DIFFERS : STATUS_OK;
    }
    subject_free(&subject);
    return status;
}

enum status command_check(struct session *session, int argc, char **argv, struct err *err)
{
    struct check_options options = {.threads = session->resources.threads};
    const struct argument rows[] = CHECK_ROWS(&options);
    const char *path[1];
    size_t places;
    const struct arguments arguments = {rows, sizeof rows / sizeof rows[0], path, 1, "repaq check SRC --for ENGINE [--json]", false};
    TRY(arguments_parse(&arguments, argc, argv, &places, err));
    if (options.engines) {
        print_engines();
        return STATUS_OK;
    }
    if (places < 1 || options.engine == NULL) {
        (void)err_set(err, STATUS_USAGE, "check", places < 1 ? "found no SRC" : "found no --for ENGINE");
        return err_try(err, "%s", arguments.usage);
    }
    session->resources.threads = options.threads;
    TRY(command_check_resources(session, "--threads", err));
    return check(session, &options, path[0], err);
}
