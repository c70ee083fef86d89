/* The command `likely`: finds the verb, parses its line, runs it. */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

/* The one list of verbs, in the order of the help. */
#define VERBS(X) \
    X(fit) \
    X(info) \
    X(plot) \
    X(report) \
    X(density) \
    X(score) \
    X(sample) \
    X(schedule) \
    X(cluster) \
    X(predict) \
    X(impute) \
    X(condition) \
    X(modes) \
    X(marginal) \
    X(export) \
    X(denoise) \
    X(translate) \
    X(tilt) \
    X(push) \
    X(detect) \
    X(select) \
    X(flow) \
    X(similarity) \
    X(importance) \
    X(evaluate) \
    X(intervals) \
    X(lrt) \
    X(stability) \
    X(compare) \
    X(diagnose) \
    X(describe) \
    X(convert) \
    X(models) \
    X(help)

#define DECLARED(name) extern const cli_verb cli_verb_##name;
VERBS(DECLARED)

#define LISTED(name) &cli_verb_##name,
const cli_verb *const cli_verbs[] = {VERBS(LISTED) NULL};

const cli_verb *cli_verb_find(const char *name)
{
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        if (strcmp(cli_verbs[i]->name, name) == 0) {
            return cli_verbs[i];
        }
    }
    return NULL;
}

static int unknown_verb(const char *typed)
{
    if (typed[0] == '-') {
        return cli_usage_error(NULL, "the verb comes first: likely VERB [options] ...; got '%s'", typed);
    }
    cli_nearest nearest = {typed, NULL, 0};
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        cli_nearest_try(&nearest, cli_verbs[i]->name);
    }
    const char *best = cli_nearest_name(&nearest);
    return cli_usage_error(NULL, "unknown verb '%s'%s%s%s", typed, best == NULL ? "" : ": did you mean ",
                           best == NULL ? "" : best, best == NULL ? "" : "?");
}

/* A full disk behind standard output shows only here. */
static int finish(int code)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        int reason = errno;
        if (code == CLI_DONE || code == CLI_DOUBTFUL) {
            code = cli_error("standard output: cannot write: %s", strerror(reason));
        }
    }
    return code;
}

int main(int argc, char **argv)
{
    /* A reader that went away ends the command quietly, whatever the parent process had set. */
    signal(SIGPIPE, SIG_DFL);
    if (argc < 2) {
        cli_print_overview(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("likely %s\n", lk_version());
        return finish(CLI_DONE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_print_overview(stdout);
        return finish(CLI_DONE);
    }
    cli_command command = {.verb = cli_verb_find(argv[1])};
    if (command.verb == NULL) {
        return unknown_verb(argv[1]);
    }
    int code = cli_parse(&command, argc - 2, argv + 2);
    if (code != CLI_DONE) {
        return code;
    }
    if (cli_flag(&command, "help")) {
        cli_print_help(stdout, command.verb, command.method);
        return finish(CLI_DONE);
    }
    code = cli_session_begin(&command);
    if (code == CLI_DONE) {
        code = command.verb->run(&command);
    }
    cli_session_end(&command);
    return finish(code);
}
