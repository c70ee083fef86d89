/* likely marginal: the distribution of some of the features, as a model. */
#include "cli/cli.h"

static const lk_parameter options[] = {
    {"features", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FEATURES",
     "which features of the model stay, in this order: comma-separated names, or positions from 1"},
};

static const cli_example examples[] = {
    {"likely marginal iris.lk --features Petal.Length,Petal.Width -o petals.lk", "two features of four"},
    {NULL, NULL},
};

static int derive(cli_command *command, const lk_model *model)
{
    cli_features kept = {0};
    lk_model *part = NULL;
    int code = cli_features_parse(command, model, "features", false, &kept);
    if (code == CLI_DONE) {
        lk_status status = lk_model_marginal(command->context, model, kept.positions, kept.count, &part);
        code = status == LK_OK ? cli_deliver_model(command, part, cli_text(command, "output")) : cli_fail(command, status);
    }
    cli_features_free(&kept);
    lk_model_free(part);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    if (!cli_given(command, "features") || !cli_given(command, "output")) {
        return cli_usage_error(command, "'marginal' wants --features NAME,... and --output FILE");
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

extern const cli_verb cli_verb_marginal;
const cli_verb cli_verb_marginal = {
    .name = "marginal",
    .summary = "the distribution of some of the features, as a model",
    .operands = "MODEL",
    .description = "Writes the distribution of the named features alone to --output as a model of its own, which every verb takes, "
                   "and prints a summary.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
