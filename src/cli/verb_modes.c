/* likely modes: where the density has its peaks, how sure that they are peaks, and what belongs to them. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"draws", LK_PARAMETER_INTEGER, "1000", 0, 100000000.0, NULL, NULL,
     "without DATA: how many draws of the model ascents begin from, beside the centres of its components"},
    {"project", LK_PARAMETER_INTEGER, NULL, 1, 1000000.0, NULL, "DIMENSIONS",
     "the highest mode alone, of a kernel density in many dimensions: sought in a random projection to so many (30, say), lifted and certified"},
    {"by_component", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "instead of the modes one row a component: columns component and mode, where the ascent from its mean ends"},
    {"by_row", LK_PARAMETER_FLAG, NULL, 0, 0, NULL, NULL,
     "instead of the modes one row of DATA a row: column mode, where its ascent ends; empty where at none"},
    {"sigma", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "SIGMA",
     "smooth first: the modes of the density of rows with normal noise of this standard deviation; " CLI_SIGMA_HELP},
};

static const cli_example examples[] = {
    {"likely modes faithful.lk", "the peaks, each with the share of the distribution that climbs to it"},
    {"likely modes faithful.lk --by-component", "which components make which peak"},
    {"likely modes faithful.lk faithful.csv --by-row", "groups of rows that climb to one peak"},
    {"likely modes faithful.lk --sigma eruptions=1,waiting=10", "the peaks that are left after smoothing"},
    {NULL, NULL},
};

/* Rows that ascents begin from: those of DATA, or draws. */
static int starts_of_data(cli_command *command, const lk_model *model, double **out, int64_t *rows)
{
    int code;
    lk_table *table = NULL;
    int64_t d = lk_model_dimension(model), *columns = calloc((size_t)d, sizeof *columns);
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        free(columns);
        return code;
    }
    lk_status status =
        columns == NULL ? LK_ERROR_MEMORY : lk_table_read(command->context, command->operands[1], &reading, &table);
    if (status == LK_OK) {
        status = lk_model_columns(command->context, model, table, columns);
    }
    if (status == LK_OK) {
        *rows = lk_table_rows(table);
        *out = *rows > (int64_t)(SIZE_MAX / sizeof **out) / d ? NULL : malloc((size_t)(*rows * d) * sizeof **out + 1);
        status = *out == NULL ? LK_ERROR_MEMORY : lk_table_gather(command->context, table, 0, *rows, columns, d, *out);
    }
    code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    lk_table_free(table);
    free(columns);
    return code;
}

static int starts_of_draws(cli_command *command, const lk_model *model, double **out, int64_t *rows)
{
    int64_t d = lk_model_dimension(model);
    *rows = cli_integer(command, "draws");
    *out = *rows > (int64_t)(SIZE_MAX / sizeof **out) / d ? NULL : malloc((size_t)(*rows * d) * sizeof **out + 1);
    lk_status status = *out == NULL ? LK_ERROR_MEMORY : LK_OK;
    if (status == LK_OK && *rows > 0) {
        status = lk_model_sample(command->context, model, cli_integer(command, "seed"), 0, *rows, *out);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int start_of_projection(cli_command *command, const lk_model *model, double **out, int64_t *rows)
{
    *rows = 1;
    *out = malloc((size_t)lk_model_dimension(model) * sizeof **out);
    const lk_status status =
        *out == NULL ? LK_ERROR_MEMORY : lk_model_peak(command->context, model, cli_integer(command, "project"), cli_integer(command, "seed"), *out);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* ---- output ---- */

/* Column names that the verb itself made. */
static const char *const fixed[] = {"log_density", "mass", "mass_se", "gradient", "curvature", "components"};

/* The table of modes holds a column for each feature beside its own. */
static int check_names(const cli_command *command, const lk_model *model)
{
    for (int64_t j = 0; j < lk_model_dimension(model); j++) {
        const char *name = lk_model_feature(model, j);
        bool taken = strcmp(name, "mode") == 0;
        for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
            taken = taken || strcmp(name, fixed[i]) == 0;
        }
        if (taken && !cli_flag(command, "by_row") && !cli_flag(command, "by_component")) {
            return cli_error("a feature is named %s, as a column of the results: fit the model with another name", name);
        }
    }
    return CLI_DONE;
}

static lk_status write_rows(cli_command *command, const lk_column *columns, int64_t width, const double *values,
                            int64_t rows)
{
    lk_writer *writer = NULL;
    lk_status status = lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command),
                                      columns, width, &writer);
    if (status == LK_OK) {
        status = lk_writer_rows(command->context, writer, values, rows);
        if (status == LK_OK) {
            return lk_writer_close(command->context, writer);
        }
        lk_writer_free(writer);
    }
    return status;
}

/* Where each component or row went: mode, with the component's number in front. */
static lk_status write_ends(cli_command *command, const int64_t *modes, int64_t count, bool numbered)
{
    const lk_column columns[] = {{.name = "component", .type = LK_TYPE_INTEGER},
                                 {.name = "mode", .type = LK_TYPE_INTEGER}};
    int64_t width = numbered ? 2 : 1;
    double *values = calloc((size_t)count + 1, (size_t)width * sizeof *values);
    if (values == NULL) {
        return LK_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < count; i++) {
        values[i * width] = (double)i;
        values[i * width + width - 1] = modes[i] < 0 ? (double)NAN : (double)modes[i];
    }
    lk_status status = write_rows(command, columns + 2 - width, width, values, count);
    free(values);
    return status;
}

static lk_status write_modes(cli_command *command, const lk_model *model, const lk_modes *m)
{
    int64_t d = lk_model_dimension(model), width = 1 + d + (m->groups > 0 ? 6 : 5);
    lk_column *columns = calloc((size_t)width, sizeof *columns);
    double *values = calloc((size_t)m->count + 1, (size_t)width * sizeof *values);
    lk_status status = columns == NULL || values == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t j = 0; status == LK_OK && j < width; j++) {
        columns[j].name = j == 0 ? "mode" : j <= d ? lk_model_feature(model, j - 1) : fixed[j - d - 1];
        columns[j].type = j == 0 || j == d + 6 ? LK_TYPE_INTEGER : LK_TYPE_REAL;
    }
    for (int64_t k = 0; status == LK_OK && k < m->count; k++) {
        double *row = values + k * width, *certificate = row + 1 + d;
        row[0] = (double)k;
        memcpy(row + 1, m->x + k * d, (size_t)d * sizeof *row);
        certificate[0] = m->log_density[k];
        certificate[1] = m->mass[k];
        certificate[2] = m->mass_error[k];
        certificate[3] = m->decrement[k];
        certificate[4] = m->curvature[k];
        for (int64_t g = 0; g < m->groups; g++) {
            certificate[5] += m->of_groups[g] == k ? 1 : 0;
        }
    }
    if (status == LK_OK) {
        status = write_rows(command, columns, width, values, m->count);
    }
    free(columns);
    free(values);
    return status;
}

static int tell(cli_command *command, const lk_model *model, const lk_modes *m)
{
    lk_status status = cli_flag(command, "by_component") ? write_ends(command, m->of_groups, m->groups, true)
                       : cli_flag(command, "by_row")     ? write_ends(command, m->of_rows, m->rows, false)
                                                         : write_modes(command, model, m);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    if (m->lost > 0) {
        fflush(stdout);
        cli_warning("not to be trusted: %lld of %lld ascents ended at no certified maximum", (long long)m->lost,
                    (long long)(m->rows + m->groups));
        return CLI_DOUBTFUL;
    }
    return CLI_DONE;
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_modes *modes = NULL;
    double *x = NULL;
    int64_t rows = 0;
    bool data = command->operand_count > 1;
    if (data && cli_given(command, "draws")) {
        return cli_usage_error(command, "ascents begin from the rows of DATA or from --draws, not from both");
    }
    if (cli_given(command, "project") && (data || cli_given(command, "draws") || cli_flag(command, "by_component"))) {
        return cli_usage_error(command, "--project finds its own start: it goes without DATA, --draws and --by-component");
    }
    if (!data && cli_flag(command, "by_row")) {
        return cli_usage_error(command, "--by-row wants DATA");
    }
    if (cli_flag(command, "by_row") && cli_flag(command, "by_component")) {
        return cli_usage_error(command, "--by-row and --by-component contradict each other");
    }
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    int code = check_names(command, model);
    code = code == CLI_DONE ? cli_smooth(command, &model) : code;
    if (code == CLI_DONE && cli_flag(command, "by_component") && (lk_model_groups(model) == 0 || lk_model_classes(model) != NULL)) {
        code = cli_usage_error(command, "--by-component: this %s model has %s", lk_model_method(model)->name,
                               lk_model_classes(model) != NULL ? "classes, each with components of its own" : "no components");
    }
    if (code == CLI_DONE) {
        code = cli_given(command, "project") ? start_of_projection(command, model, &x, &rows)
               : data                        ? starts_of_data(command, model, &x, &rows)
                                             : starts_of_draws(command, model, &x, &rows);
    }
    if (code == CLI_DONE) {
        status = lk_model_modes(command->context, model, x, rows, &modes);
        code = status == LK_OK ? tell(command, model, modes) : cli_fail(command, status);
    }
    lk_modes_free(modes);
    free(x);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_modes;
const cli_verb cli_verb_modes = {
    .name = "modes",
    .summary = "local maxima of the density, certified, with what belongs to them",
    .operands = "MODEL [DATA]",
    .description = "Writes one row a mode, from the highest down: mode (its number, from 0), its place in the columns "
                   "of the features, "
                   "log_density there, mass and mass_se (share of the ascents that end there, with its standard "
                   "error), gradient and "
                   "curvature, and components (how many components' means climb to it; --by-component says which).\n\n"
                   "gradient is the Newton decrement: how far the mode is from a point of vanishing gradient, in "
                   "standard deviations "
                   "of the normal that fits it; at most 1e-6. curvature is the largest eigenvalue of the second "
                   "derivatives, scaled to "
                   "a diagonal of -1: below 0 at a maximum, near 0 where it is nearly flat.\n\n"
                   "Ascents begin from the means of the components and from draws of the model, or from the rows of "
                   "DATA. A mode that "
                   "no ascent ends at is not found: of a basin that holds a share q of the starts, n starts miss all "
                   "with probability "
                   "(1 - q)^n. Ends closer than 1e-3 standard deviations are one mode. Where an ascent ends at no "
                   "certified maximum it "
                   "is said, and the exit code is 3.",
    .operands_min = 1,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
