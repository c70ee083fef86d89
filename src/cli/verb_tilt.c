/* likely tilt: rows of a model that a reward or observations make more or less likely. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"reward", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "EXPRESSION",
     "r of p(x) exp(r(x)), in the names of the features: + - * / ^, exp log sin cos tanh sqrt abs min max, comparisons, and or not"},
    {"observe", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE",
     "instead, a table of measurements A x + noise: columns value and sd, and coefficients of A under the features' names (those that are absent are 0)"},
    {"rows", LK_PARAMETER_INTEGER, "1000", 0, 1000000000.0, NULL, NULL, "how many rows to draw"},
    {"method", LK_PARAMETER_CHOICE, NULL, 0, 0, "exact,resample,smc,tree,pigdm,moments", NULL,
     "exact where model and reward allow it, else smc, if not given"},
    {"steps", LK_PARAMETER_INTEGER, NULL, 2, 100000.0, NULL, NULL, "noise levels of smc, pigdm and moments (100 if not given) or tree (20)"},
    {"sigma_max", LK_PARAMETER_REAL, NULL, 0.1, 10000, NULL, NULL, "the noise that they begin with, in standard deviations of each feature (20 if not given, of tree 5)"},
    {"rollouts", LK_PARAMETER_INTEGER, NULL, 1, 1000000000.0, NULL, NULL, "paths that the tree is built of; 10 a row if not given"},
    {"to", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "exact: also write the tilted distribution as a model"},
};

static const cli_example examples[] = {
    {"likely tilt faithful.lk --reward '-((waiting - 60) / 5)^2 / 2' -n 500", "eruptions whose waiting times are likely near an hour, exactly"},
    {"likely tilt faithful.lk --reward '3 * (eruptions > 4)' --method smc", "any reward, by particles, with their effective sample size"},
    {"likely tilt digits.lk --observe blurred.csv -n 100", "posterior draws given linear measurements with noise"},
    {NULL, NULL},
};

/* The measurements of a table; arrays are the caller's. */
typedef struct measurements {
    double *coefficients, *values, *sds;
    int64_t count;
} measurements;

static int gather(cli_command *command, const lk_model *model, const lk_table *table, measurements *m)
{
    const int64_t d = lk_model_dimension(model), n = lk_table_rows(table), columns = lk_table_columns(table);
    int64_t value = -1, sd = -1;
    m->count = n;
    m->coefficients = calloc((size_t)(n * d) + 1, sizeof *m->coefficients);
    m->values = calloc((size_t)n + 1, sizeof *m->values);
    m->sds = calloc((size_t)n + 1, sizeof *m->sds);
    double *column = calloc((size_t)n + 1, sizeof *column);
    lk_status status = m->coefficients == NULL || m->values == NULL || m->sds == NULL || column == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t c = 0; c < columns && status == LK_OK; c++) {
        const char *name = lk_table_name(table, c);
        int64_t j = 0;
        while (j < d && strcmp(name, lk_model_feature(model, j)) != 0) {
            j++;
        }
        if (lk_table_type(table, c) != LK_TYPE_REAL && lk_table_type(table, c) != LK_TYPE_INTEGER) {
            continue;
        }
        status = lk_table_gather(command->context, table, 0, n, &c, 1, column);
        value = strcmp(name, "value") == 0 && j == d ? c : value;
        sd = strcmp(name, "sd") == 0 && j == d ? c : sd;
        for (int64_t i = 0; i < n && status == LK_OK; i++) {
            if (j < d) {
                m->coefficients[i * d + j] = column[i];
            } else if (c == value) {
                m->values[i] = column[i];
            } else if (c == sd) {
                m->sds[i] = column[i];
            }
        }
    }
    free(column);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    return value >= 0 && sd >= 0 ? CLI_DONE
                                 : cli_error("%s: there must be the columns value and sd, beside coefficients under the names of features",
                                             cli_text(command, "observe"));
}

static int read_measurements(cli_command *command, const lk_model *model, measurements *m)
{
    int code;
    lk_table *table = NULL;
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_table_read(command->context, cli_text(command, "observe"), &reading, &table);
    code = status == LK_OK ? gather(command, model, table, m) : cli_fail(command, status);
    lk_table_free(table);
    return code;
}

static int write_rows(cli_command *command, const lk_model *model, const double *x, int64_t rows)
{
    const int64_t d = lk_model_dimension(model);
    lk_writer *writer = NULL;
    lk_column *columns = calloc((size_t)d, sizeof *columns);
    for (int64_t j = 0; columns != NULL && j < d; j++) {
        columns[j] = (lk_column){.name = lk_model_feature(model, j), .type = LK_TYPE_REAL};
    }
    lk_status status = columns == NULL ? LK_ERROR_MEMORY
                                       : lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), columns, d, &writer);
    if (status == LK_OK) {
        status = lk_writer_rows(command->context, writer, x, rows);
        if (status == LK_OK) {
            status = lk_writer_close(command->context, writer);
        } else {
            lk_writer_free(writer);
        }
    }
    free(columns);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* Fewer effective rows than this are not to be trusted. */
#define EFFECTIVE_LEAST 30.0

static int tell(const cli_command *command, const lk_tilt *tilt)
{
    lk_tilt_report r = {.size = sizeof r};
    char mean[48], effective[48];
    lk_tilt_tell(tilt, &r);
    if (isnan(r.effective)) {
        cli_remark(command, isnan(r.log_mean) ? "%s: biased where x0 given the noisy x is not normal%.0s" : "%s: log E[exp r] = %s", r.method,
                   cli_number(r.log_mean, mean, sizeof mean));
        return CLI_DONE;
    }
    cli_remark(command, "%s: log E[exp r] = %s as estimated, effective sample size %s", r.method, cli_number(r.log_mean, mean, sizeof mean),
               cli_number(r.effective, effective, sizeof effective));
    if (r.effective < EFFECTIVE_LEAST && r.effective < 0.5 * (double)r.rows) {
        fflush(stdout);
        cli_warning("not to be trusted: the effective sample size is below %g; more --rows%s, or smc, may help", EFFECTIVE_LEAST,
                    strcmp(r.method, "tree") == 0 ? " or --rollouts" : "");
        return CLI_DOUBTFUL;
    }
    return CLI_DONE;
}

static int draw(cli_command *command, const lk_model *model, lk_tilt *tilt)
{
    const int64_t rows = cli_integer(command, "rows");
    const char *to = cli_text(command, "to");
    lk_status status = LK_OK;
    if (to != NULL) {
        lk_model *exact = NULL;
        status = lk_tilt_model(command->context, tilt, &exact);
        status = status == LK_OK ? lk_model_save(command->context, exact, to) : status;
        lk_model_free(exact);
        if (status != LK_OK) {
            return cli_fail(command, status);
        }
    }
    double *x = malloc((size_t)(rows * lk_model_dimension(model)) * sizeof *x + 1);
    status = x == NULL ? LK_ERROR_MEMORY : lk_tilt_rows(command->context, tilt, rows, x);
    int code = status == LK_OK ? write_rows(command, model, x, rows) : cli_fail(command, status);
    free(x);
    return code == CLI_DONE ? tell(command, tilt) : code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_tilt *tilt = NULL;
    measurements m = {0};
    if (cli_given(command, "reward") == cli_given(command, "observe")) {
        return cli_usage_error(command, "'tilt' wants either --reward or --observe");
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    int code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    if (code == CLI_DONE && cli_given(command, "observe")) {
        code = read_measurements(command, model, &m);
    }
    if (code == CLI_DONE) {
        lk_tilt_options wanted = {.size = sizeof wanted, .reward = cli_text(command, "reward"), .coefficients = m.coefficients, .values = m.values,
                                  .sds = m.sds, .observations = m.count, .method = cli_text(command, "method"), .seed = cli_integer(command, "seed")};
        wanted.steps = cli_given(command, "steps") ? cli_integer(command, "steps") : 0;
        wanted.rollouts = cli_given(command, "rollouts") ? cli_integer(command, "rollouts") : 0;
        wanted.sigma_max = cli_given(command, "sigma_max") ? cli_real(command, "sigma_max") : 0;
        status = lk_tilt_new(command->context, model, &wanted, &tilt);
        code = status == LK_OK ? draw(command, model, tilt) : cli_fail(command, status);
    }
    free(m.coefficients);
    free(m.values);
    free(m.sds);
    lk_tilt_free(tilt);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_tilt;
const cli_verb cli_verb_tilt = {
    .name = "tilt",
    .summary = "rows of a model that a reward or observations make more likely",
    .operands = "MODEL",
    .description =
        "Draws rows with density proportional to p(x) exp(r(x)). r is --reward, or the log-likelihood of the measurements of --observe, which makes the rows "
        "posterior draws of x.\n\n"
        "exact is a closed form: mixtures of normal distributions, rewards of degree at most 2. resample weighs draws of the model; smc weighs and "
        "resamples while it denoises; tree builds a tree of denoising paths whose rewards are backed up. They take any reward, any model with smoothed "
        "scores, and are right in the limit of many rows or rollouts: standard error tells the effective sample size, and below 30 the exit code is 3. pigdm and "
        "moments guide each row by itself, and keep a bias where x0 given the noisy x is not normal.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS | CLI_READING,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
