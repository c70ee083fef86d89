/* likely cluster: the most probable group of each row. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>

static const lk_parameter options[] = {
    {"proba", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "add the posterior probability of each group: columns p0, p1, ..., and p_noise where the model has noise"},
};

static const cli_example examples[] = {
    {"likely cluster faithful.lk faithful.csv --keep", "the group of each row, beside the row"},
    {"likely cluster faithful.lk faithful.csv --proba -o groups.npy", "with probabilities"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    int64_t groups = lk_model_groups(model), noise = lk_model_noise_group(model);
    bool all = cli_flag(command, "proba");
    double *p = malloc((size_t)(rows * groups) * sizeof *p + 1);
    if (p == NULL) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_model_responsibilities(command->context, model, x, rows, p);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        const double *row = p + i * groups;
        double *result = out + i * (all ? groups + 1 : 1);
        int64_t best = 0; /* ties go to the lower number */
        for (int64_t k = 1; k < groups; k++) {
            best = row[k] > row[best] ? k : best;
        }
        result[0] = isnan(row[0]) ? (double)NAN : best == noise ? -1.0 : (double)best;
        for (int64_t k = 0; all && k < groups; k++) {
            result[1 + k] = row[k];
        }
    }
    free(p);
    return status;
}

static int stream(cli_command *command, const lk_model *model, int64_t groups)
{
    int64_t noise = lk_model_noise_group(model);
    int64_t count = cli_flag(command, "proba") ? groups + 1 : 1;
    lk_column *columns = calloc((size_t)count, sizeof *columns);
    char(*names)[24] = calloc((size_t)count, sizeof *names);
    if (columns == NULL || names == NULL) {
        free(columns);
        free(names);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    columns[0] = (lk_column){.name = "cluster", .type = LK_TYPE_INTEGER};
    for (int64_t k = 1; k < count; k++) {
        snprintf(names[k], sizeof names[k], k - 1 == noise ? "p_noise" : "p%lld", (long long)(k - 1));
        columns[k] = (lk_column){.name = names[k], .type = LK_TYPE_REAL};
    }
    int code = cli_stream(command, &(cli_row_stream){.model = model, .data = command->operands[1], .extra = columns,
                                                     .extra_count = count, .apply = apply});
    free(columns);
    free(names);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    int64_t groups = lk_model_groups(model);
    int code = groups > 0 ? stream(command, model, groups)
                          : cli_error("%s: a model of the method %s tells no groups apart", command->operands[0],
                                      lk_model_method(model)->name);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_cluster;
const cli_verb cli_verb_cluster = {
    .name = "cluster",
    .summary = "most probable group of each row",
    .operands = "MODEL DATA",
    .description = "Writes one column, cluster: the group with the largest posterior probability given the row, counted "
                   "from 0 in the order of 'likely info'; the lower number where two tie; -1 for noise, of a model that has it. DATA is streamed. A row with "
                   "missing values is grouped by those that are there, where the model has marginals; else its result is "
                   "empty.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
