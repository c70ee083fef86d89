/* likely score: the gradient of the log density at each row. */
#include "cli/cli.h"

#include <stdlib.h>

static const lk_parameter options[] = {
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA",
     "smooth first: the score of rows with normal noise of this standard deviation; " CLI_SIGMA_HELP},
    {"as", LK_PARAMETER_CHOICE, NULL, 0, 0, "noise,data,score,velocity,v,edm", NULL,
     "rows are points x = alpha x0 + sigma n of a schedule's path: what a net would be trained to predict there"},
    {"time", LK_PARAMETER_REAL, NULL, 0, 1, NULL, NULL, "of --as: where on the path, between 0 (data) and 1 (noise)"},
    {"schedule", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "NAME", "of --as: edm if not given; 'likely help sample' lists them"},
};

static const cli_example examples[] = {
    {"likely score faithful.lk faithful.csv", "which way is up, at each row"},
    {"likely score faithful.lk noisy.csv --sigma eruptions=.2,waiting=3", "which way is up among noisy rows"},
    {"likely score faithful.lk noisy.csv --as velocity --schedule flow --time .3", "where the flow carries noisy rows"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return lk_model_score(command->context, model, x, rows, out);
}

static lk_status apply_path(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    const lk_path_options place = {.size = sizeof place, .schedule = cli_text(command, "schedule"), .time = cli_real(command, "time")};
    return lk_model_path_prediction(command->context, model, &place, cli_text(command, "as"), x, rows, out);
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    const char *as = cli_text(command, "as");
    if (as != NULL ? !cli_given(command, "time") : cli_given(command, "time") || cli_given(command, "schedule")) {
        return cli_usage_error(command, as != NULL ? "--as wants --time" : "--time and --schedule go with --as");
    }
    if (as != NULL && cli_given(command, "sigma")) {
        return cli_usage_error(command, "--sigma does not go with --as: the schedule says how much noise there is");
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
    int64_t d = lk_model_dimension(model), made = 0;
    lk_column *columns = calloc((size_t)d, sizeof *columns);
    char **names = calloc((size_t)d, sizeof *names);
    for (; columns != NULL && names != NULL && made < d; made++) {
        if (asprintf(&names[made], "%s_%s", as != NULL ? as : "d", lk_model_feature(model, made)) < 0) {
            names[made] = NULL;
            break;
        }
        columns[made] = (lk_column){.name = names[made], .type = LK_TYPE_REAL};
    }
    code = made == d ? cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns,
                                                             .extra_count = d, .apply = as != NULL ? apply_path : apply})
                     : cli_fail(command, LK_ERROR_MEMORY);
    for (int64_t j = 0; names != NULL && j < made; j++) {
        free(names[j]);
    }
    free(names);
    free(columns);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_score;
const cli_verb cli_verb_score = {
    .name = "score",
    .summary = "gradient of the log density at each row",
    .operands = "MODEL DATA",
    .description = "Writes one column a feature, d_NAME: the derivative of log p(x) with respect to NAME, in nats a unit "
                   "of that column. DATA is streamed. A row with missing values gets the gradient of the log density "
                   "of the values that are there, where the model has marginals and a score of its own; else empty results.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
