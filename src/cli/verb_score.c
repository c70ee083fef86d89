/* likely score: the gradient of the log density at each row. */
#include "cli/cli.h"

#include <stdlib.h>

static const lk_parameter options[] = {
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA",
     "smooth first: the score of rows with normal noise of this standard deviation; " CLI_SIGMA_HELP},
};

static const cli_example examples[] = {
    {"likely score faithful.lk faithful.csv", "which way is up, at each row"},
    {"likely score faithful.lk noisy.csv --sigma eruptions=.2,waiting=3", "which way is up among noisy rows"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return lk_model_score(command->context, model, x, rows, out);
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
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
        if (asprintf(&names[made], "d_%s", lk_model_feature(model, made)) < 0) {
            names[made] = NULL;
            break;
        }
        columns[made] = (lk_column){.name = names[made], .type = LK_TYPE_REAL};
    }
    code = made == d ? cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns,
                                                             .extra_count = d, .apply = apply})
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
