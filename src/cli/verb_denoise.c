/* likely denoise: what each row was before noise of a known size was added to it. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA", "standard deviation of the noise: " CLI_SIGMA_HELP},
    {"noise", LK_PARAMETER_CHOICE, NULL, 0, 0, "normal,poisson,gamma", NULL,
     "MODEL is of the noisy rows, and the noise is normal (with --sigma), or of counts (with --gain), or a gamma distributed factor (with --shape)"},
    {"gain", LK_PARAMETER_REAL, "1", 1e-300, 1e300, NULL, NULL, "poisson: what one count adds to the value"},
    {"shape", LK_PARAMETER_REAL, NULL, 1, 1e9, NULL, NULL, "gamma: shape of the factor, which has mean 1 and variance 1 / shape; above 1"},
};

static const cli_example examples[] = {
    {"likely denoise faithful.lk noisy.csv --sigma eruptions=.2,waiting=3", "posterior mean and sd of each value"},
    {"likely denoise digits.lk noisy.npy --sigma .5 -o clean.npy", "a Gaussian mixture as a denoiser"},
    {"likely denoise counts.lk counts.csv --noise poisson", "means of counts from a model of the counts themselves: no clean rows are needed"},
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

/* Of a model of noisy rows: NAME_mean alone. */
static lk_status apply_marginal(cli_command *command, const lk_model *model, const double *x, int64_t rows, double *out)
{
    return lk_model_denoise_marginal(command->context, model, cli_text(command, "noise"), command->state, x, rows, out);
}

/* NAME_mean and NAME_sd of each feature. */
static int stream(cli_command *command, const lk_model *model)
{
    const bool marginal = cli_given(command, "noise");
    const int64_t d = lk_model_dimension(model), each = marginal ? 1 : 2;
    int64_t made = 0;
    lk_column *columns = calloc((size_t)d, 2 * sizeof *columns);
    char **names = calloc((size_t)d, 2 * sizeof *names);
    for (; columns != NULL && names != NULL && made < each * d; made++) {
        if (asprintf(&names[made], "%s_%s", lk_model_feature(model, made / each), made % each == 0 ? "mean" : "sd") < 0) {
            names[made] = NULL;
            break;
        }
        columns[made] = (lk_column){.name = names[made], .type = LK_TYPE_REAL};
    }
    int code = made == each * d ? cli_stream(command, &(cli_row_stream){.model = model,
                                                                     .data = command->operands[1],
                                                                     .extra = columns,
                                                                     .extra_count = each * d,
                                                                     .apply = marginal ? apply_marginal : apply})
                             : cli_fail(command, LK_ERROR_MEMORY);
    for (int64_t j = 0; names != NULL && j < made; j++) {
        free(names[j]);
    }
    free(names);
    free(columns);
    return code;
}

/* One parameter of the noise for each feature: --gain or --shape. */
static int parameter_of(const cli_command *command, const lk_model *model, const char *name, double **out)
{
    const int64_t d = lk_model_dimension(model);
    *out = malloc((size_t)d * sizeof **out);
    for (int64_t j = 0; *out != NULL && j < d; j++) {
        (*out)[j] = cli_real(command, name);
    }
    return *out == NULL ? cli_fail(command, LK_ERROR_MEMORY) : CLI_DONE;
}

/* Which parameters go with which noise. */
static int check(const cli_command *command)
{
    const char *noise = cli_text(command, "noise");
    const bool counts = noise != NULL && strcmp(noise, "poisson") == 0, factor = noise != NULL && strcmp(noise, "gamma") == 0;
    if (!counts && !factor && !cli_given(command, "sigma")) {
        return cli_usage_error(command, "'denoise' wants --sigma, the standard deviation of the noise");
    }
    if ((counts || factor) && cli_given(command, "sigma")) {
        return cli_usage_error(command, "--sigma is about normal noise; %s noise takes --%s", noise, counts ? "gain" : "shape");
    }
    if ((cli_given(command, "gain") && !counts) || (cli_given(command, "shape") && !factor)) {
        return cli_usage_error(command, "--gain goes with --noise poisson, --shape with --noise gamma");
    }
    return factor && !cli_given(command, "shape") ? cli_usage_error(command, "--noise gamma wants --shape") : CLI_DONE;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    double *parameter = NULL;
    int code = check(command);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    code = cli_given(command, "sigma")   ? cli_sigma_parse(command, model, &parameter)
           : cli_given(command, "shape") ? parameter_of(command, model, "shape", &parameter)
                                         : parameter_of(command, model, "gain", &parameter);
    if (code == CLI_DONE) {
        command->state = parameter;
        code = stream(command, model);
    }
    free(parameter);
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
        "and the sd by the slope there.\n\n"
        "With --noise MODEL is fitted to the noisy rows themselves, and nothing else is known: the mean follows from its density (Robbins, Tweedie), for gamma "
        "noise that of 1 / value, turned back.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING | CLI_ID | CLI_KEEP,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
