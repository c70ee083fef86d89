/* likely density: the log density of each row. */
#include "cli/cli.h"

static const lk_parameter options[] = {
    {"per_dim", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "divide by the number of features: column log_density_per_dim, nats a dimension"},
};

static const cli_example examples[] = {
    {"likely density faithful.lk faithful.csv", "one number a row"},
    {"likely density faithful.lk new.csv --keep -o new.jsonl", "beside the columns it belongs to"},
    {"zcat big.csv.gz | likely density m.lk - -o big.npy", "a stream of any length"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    lk_status status = lk_model_log_density(command->context, model, x, rows, out);
    if (status == LK_OK && cli_flag(command, "per_dim")) {
        for (int64_t i = 0; i < rows; i++) {
            out[i] /= (double)lk_model_dimension(model);
        }
    }
    return status;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    lk_column column = {.name = cli_flag(command, "per_dim") ? "log_density_per_dim" : "log_density",
                        .type = LK_TYPE_REAL};
    int code = cli_stream(command, model, command->operands[1], &column, 1, apply);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_density;
const cli_verb cli_verb_density = {
    .name = "density",
    .summary = "log density of each row",
    .operands = "MODEL DATA",
    .description = "Writes one column, log_density: log p(x) in nats and in the units of the data, -inf outside the "
                   "support. The columns of DATA are found by their names, or by their order where DATA has no names. "
                   "DATA is streamed: memory does not grow with it. A row with a missing value gets an empty result.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
