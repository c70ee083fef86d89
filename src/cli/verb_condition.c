/* likely condition: the distribution of the other features given values of some, as a model. */
#include "cli/cli.h"

static const lk_parameter options[] = {
    {"given", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST", "what is known, as in x=1.5,y=2, in the units of the data"},
};

static const cli_example examples[] = {
    {"likely condition faithful.lk --given eruptions=2 -o short.lk", "the waiting time after a short eruption"},
    {"likely condition m.lk --given 'x=1.5,y=2' -o - | likely sample - -n 5", "draws from it"},
    {NULL, NULL},
};

static int derive(cli_command *command, const lk_model *model)
{
    cli_features given = {0};
    lk_model *part = NULL;
    int code = cli_features_parse(command, model, "given", true, &given);
    if (code == CLI_DONE) {
        lk_status status = lk_model_condition(command->context, model, given.positions, given.values, given.count, &part);
        code = status == LK_OK ? cli_deliver_model(command, part, cli_text(command, "output")) : cli_fail(command, status);
    }
    cli_features_free(&given);
    lk_model_free(part);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    if (!cli_given(command, "given") || !cli_given(command, "output")) {
        return cli_usage_error(command, "'condition' wants --given NAME=VALUE,... and --output FILE");
    }
    int code = cli_check_model_output(command);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    code = status == LK_OK ? derive(command, model) : cli_fail(command, status);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_condition;
const cli_verb cli_verb_condition = {
    .name = "condition",
    .summary = "the distribution of the other features given values of some, as a model",
    .operands = "MODEL",
    .description = "Writes the conditional distribution p(others given values) to --output as a model of its own, which every "
                   "verb takes, and prints a summary. For a Gaussian mixture it is exact: a mixture again. Groups keep their "
                   "numbers. The values stand among the remarks that 'likely info' shows.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
