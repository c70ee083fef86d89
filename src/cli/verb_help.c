/* likely help: about the command, a verb or a method; manual pages and shell completion. */
#include "cli/cli.h"

#include <string.h>

static const lk_parameter options[] = {
    {"man", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL, "print the manual page in roff: of VERB, or of likely itself"},
    {"completion", LK_PARAMETER_CHOICE, NULL, 0, 0, "bash,zsh,fish", NULL, "print the completion of a shell"},
};

static const cli_example examples[] = {
    {"likely help fit", "all options of fit"},
    {"likely help gmm", "the parameters of a method"},
    {"likely help --man density | man -l -", "a manual page"},
    {"likely help --completion bash > /etc/bash_completion.d/likely", "completion by the tab key"},
    {NULL, NULL},
};

static int unknown_topic(const cli_command *command, const char *topic)
{
    cli_nearest nearest = {topic, NULL, 0};
    for (size_t i = 0; cli_verbs[i] != NULL; i++) {
        cli_nearest_try(&nearest, cli_verbs[i]->name);
    }
    for (int64_t i = 0; i < lk_method_count(); i++) {
        cli_nearest_try(&nearest, lk_method_at(i)->name);
    }
    const char *best = cli_nearest_name(&nearest);
    return cli_usage_error(command, "no verb and no method is called '%s'%s%s%s", topic,
                           best == NULL ? "" : ": did you mean ", best == NULL ? "" : best, best == NULL ? "" : "?");
}

static int run(cli_command *command)
{
    const char *topic = command->operand_count > 0 ? command->operands[0] : NULL;
    if (cli_given(command, "completion")) {
        return cli_print_completion(stdout, cli_text(command, "completion"));
    }
    if (topic == NULL || strcmp(topic, "likely") == 0) {
        if (cli_flag(command, "man")) {
            cli_print_manual(stdout, NULL);
        } else {
            cli_print_overview(stdout);
        }
        return CLI_DONE;
    }
    const cli_verb *verb = cli_verb_find(topic);
    const lk_method *method = lk_method_find(topic);
    if (verb != NULL && cli_flag(command, "man")) {
        cli_print_manual(stdout, verb);
    } else if (verb != NULL) {
        cli_print_help(stdout, verb, NULL);
    } else if (method != NULL && !cli_flag(command, "man")) {
        cli_print_method(stdout, method);
    } else {
        return unknown_topic(command, topic);
    }
    return CLI_DONE;
}

extern const cli_verb cli_verb_help;
const cli_verb cli_verb_help = {
    .name = "help",
    .summary = "explain the command, a verb or a method",
    .operands = "[VERB | METHOD]",
    .description = "Prints what a verb does, its options and examples, or what a method is and its parameters.",
    .operands_max = 1,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
