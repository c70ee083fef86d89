/* likely density: the log density of each row. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>

static const lk_parameter options[] = {
    {"per_dim", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "divide by the number of values in the row: column log_density_per_dim, nats a dimension"},
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA",
     "smooth first: the density of rows with normal noise of this standard deviation; " CLI_SIGMA_HELP},
    {"by_flow", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "by the score alone: the divergence of the probability flow from each row to noise; column log_density_error says how exactly"},
    {"probes", LK_PARAMETER_INTEGER, NULL, 1, 64, NULL, NULL,
     "of --by-flow: estimate divergences by so many random probes a row (Hutchinson) instead of exactly"},
    {"tolerance", LK_PARAMETER_REAL, NULL, 1e-12, 1, NULL, NULL, "of --by-flow: error of the steps in nats; 1e-5 if not given"},
};

static const cli_example examples[] = {
    {"likely density faithful.lk faithful.csv", "one number a row"},
    {"likely density faithful.lk new.csv --keep -o new.jsonl", "beside the columns it belongs to"},
    {"likely density faithful.lk faithful.csv --sigma eruptions=.2,waiting=3", "of the rows as a noisy clock would show them"},
    {"likely density faithful.lk faithful.csv --by-flow", "by the score alone, with an error of its own"},
    {"zcat big.csv.gz | likely density m.lk - -o big.npy", "a stream of any length"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    lk_status status = lk_model_log_density(command->context, model, x, rows, out);
    if (status == LK_OK && cli_flag(command, "per_dim")) {
        int64_t d = lk_model_dimension(model);
        for (int64_t i = 0; i < rows; i++) {
            int64_t known = 0;
            for (int64_t j = 0; j < d; j++) {
                known += isnan(x[i * d + j]) ? 0 : 1;
            }
            out[i] = known > 0 ? out[i] / (double)known : (double)NAN;
        }
    }
    return status;
}

/* Log density and its error, side by side. `state` counts rows, by which probes are drawn. */
static lk_status apply_flow(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    int64_t *next = command->state;
    const lk_flow_density_options how = {.size = sizeof options, .seed = cli_integer(command, "seed"),
                                             .probes = cli_given(command, "probes") ? cli_integer(command, "probes") : 0,
                                             .tolerance = cli_given(command, "tolerance") ? cli_real(command, "tolerance") : 0};
    double *values = malloc((size_t)(2 * rows) * sizeof *values + 1);
    if (values == NULL) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_model_flow_density(command->context, model, &how, x, *next, rows, values, values + rows);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        out[2 * i] = values[i];
        out[2 * i + 1] = values[rows + i];
    }
    *next += rows;
    free(values);
    return status;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    if (cli_flag(command, "by_flow") && cli_flag(command, "per_dim")) {
        return cli_usage_error(command, "--per-dim does not go with --by-flow");
    }
    if (!cli_flag(command, "by_flow") && (cli_given(command, "probes") || cli_given(command, "tolerance"))) {
        return cli_usage_error(command, "--probes and --tolerance go with --by-flow");
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    int code = cli_smooth(command, &model);
    if (code != CLI_DONE) {
        lk_model_free(model);
        return code;
    }
    const bool flow = cli_flag(command, "by_flow");
    int64_t next = 0;
    const lk_column columns[] = {{.name = cli_flag(command, "per_dim") ? "log_density_per_dim" : "log_density", .type = LK_TYPE_REAL},
                                 {.name = "log_density_error", .type = LK_TYPE_REAL}};
    command->state = &next;
    code = cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns,
                                                 .extra_count = flow ? 2 : 1, .apply = flow ? apply_flow : apply});
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
                   "DATA is streamed: memory does not grow with it.\n\n"
                   "A row with missing values gets the log density of the values that are there (0 where none is), where "
                   "the model has marginals; else its result is empty.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
