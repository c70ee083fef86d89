/* likely denoise: what each row was before noise of a known size was added to it. */
#include "cli/cli.h"

#include <stdlib.h>

static const lk_parameter options[] = {
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA", "standard deviation of the noise: " CLI_SIGMA_HELP},
};

static const cli_example examples[] = {
    {"likely denoise faithful.lk noisy.csv --sigma eruptions=.2,waiting=3", "posterior mean and sd of each value"},
    {"likely denoise digits.lk noisy.npy --sigma .5 -o clean.npy", "a Gaussian mixture as a denoiser"},
    {NULL, NULL},
};

static lk_status apply(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    int64_t d = lk_model_dimension(model);
    double *mean = malloc((size_t)(2 * rows * d) * sizeof *mean + 1), *sd = mean + rows * d;
    if (mean == NULL) {
        return LK_ERROR_MEMORY;
    }
    lk_status status = lk_model_denoise(command->context, model, command->state, x, rows, mean, sd);
    for (int64_t i = 0; status == LK_OK && i < rows * d; i++) {
        out[2 * i] = mean[i];
        out[2 * i + 1] = sd[i];
    }
    free(mean);
    return status;
}

/* NAME_mean and NAME_sd of each feature. */
static int stream(cli_command *command, const lk_model *model)
{
    int64_t d = lk_model_dimension(model), made = 0;
    lk_column *columns = calloc((size_t)d, 2 * sizeof *columns);
    char **names = calloc((size_t)d, 2 * sizeof *names);
    for (; columns != NULL && names != NULL && made < 2 * d; made++) {
        if (asprintf(&names[made], "%s_%s", lk_model_feature(model, made / 2), made % 2 == 0 ? "mean" : "sd") < 0) {
            names[made] = NULL;
            break;
        }
        columns[made] = (lk_column){.name = names[made], .type = LK_TYPE_REAL};
    }
    int code = made == 2 * d ? cli_stream(command, &(cli_row_stream){.model = model,
                                                                     .data = command->operands[1],
                                                                     .extra = columns,
                                                                     .extra_count = 2 * d,
                                                                     .apply = apply})
                             : cli_fail(command, LK_ERROR_MEMORY);
    for (int64_t j = 0; names != NULL && j < made; j++) {
        free(names[j]);
    }
    free(names);
    free(columns);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    double *sigma = NULL;
    if (!cli_given(command, "sigma")) {
        return cli_usage_error(command, "'denoise' wants --sigma, the standard deviation of the noise");
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    int code = cli_sigma_parse(command, model, &sigma);
    if (code == CLI_DONE) {
        command->state = sigma;
        code = stream(command, model);
    }
    free(sigma);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_denoise;
const cli_verb cli_verb_denoise = {
    .name = "denoise",
    .summary = "rows as they were before noise was added",
    .operands = "MODEL DATA",
    .description =
        "DATA are rows of MODEL with independent normal noise of standard deviation --sigma added. Writes for each "
        "feature NAME_mean and NAME_sd, mean and standard deviation of what it was before, given the whole noisy row: "
        "x + sigma^2 times the smoothed score at x, and its second order. Exact for a Gaussian mixture.\n\n"
        "DATA are streamed. A row with missing values gets empty results. Of a model that was fitted through a "
        "--transform "
        "other than standardize, the noise and the mean are those of the transformed features; the mean is turned "
        "back, "
        "and the sd by the slope there.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
