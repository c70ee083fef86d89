/* likely flow: particles that are moved to a data set, or to the posterior that observations make of it. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, NULL, 1, 1099511627776.0, NULL, NULL, "how many particles; 1000, or the number of rows where that is less, if not given"},
    {"steps", LK_PARAMETER_INTEGER, "300", 1, 1000000000.0, NULL, NULL, "gradient steps, which shrink to 0"},
    {"directions", LK_PARAMETER_INTEGER, NULL, 1, 1000000000.0, NULL, NULL, "random directions a step; 24, or the number of features where that is more, if not given"},
    {"start", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "rows that the particles begin from, with the features as columns; normal draws if not given"},
    {"observe", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "the matrix A of observations y = A x + noise: a row an observation, a column a feature in their order; DATA are then draws "
     "from the prior, and particles flow to the posterior"},
    {"observed", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST", "the values of y that were observed, comma-separated"},
    {"noise", LK_PARAMETER_REAL, NULL, 1e-300, 1e300, NULL, NULL, "the standard deviation of their noise"},
};

static const cli_example examples[] = {
    {"likely flow big.npy -n 200 -o few.npy", "200 new rows that stand for all"},
    {"likely flow prior.csv --observe A.csv --observed 0.2,1.5 --noise .3 -n 500", "draws of x given y = A x + noise"},
    {NULL, NULL},
};

typedef struct flowing {
    cli_command *command;
    lk_table *table, *start, *matrix;
    int64_t *features, d;
    double *x, *start_x, *matrix_x, *observed, *out;
    int64_t observations, particles;
    lk_column *columns;
} flowing;

/* --features, or every numeric column. */
static int find_features(flowing *f)
{
    const char *text = cli_text(f->command, "features");
    const int64_t columns = lk_table_columns(f->table);
    f->features = calloc((size_t)columns + 1, sizeof *f->features);
    char *list = strdup(text != NULL ? text : ""), *rest = list;
    int code = f->features == NULL || list == NULL ? cli_fail(f->command, LK_ERROR_MEMORY) : CLI_DONE;
    for (char *name; code == CLI_DONE && text != NULL && (name = strsep(&rest, ",")) != NULL;) {
        int64_t at = -1;
        const lk_status status = lk_table_find(f->command->context, f->table, name, &at);
        code = status != LK_OK ? cli_fail(f->command, status) : CLI_DONE;
        for (int64_t i = 0; code == CLI_DONE && i < f->d; i++) {
            code = f->features[i] == at ? cli_usage_error(f->command, "--features names column '%s' twice", name) : CLI_DONE;
        }
        if (code == CLI_DONE) {
            f->features[f->d++] = at;
        }
    }
    for (int64_t j = 0; code == CLI_DONE && text == NULL && j < columns; j++) {
        const lk_type type = lk_table_type(f->table, j);
        if (type == LK_TYPE_REAL || type == LK_TYPE_INTEGER) {
            f->features[f->d++] = j;
        }
    }
    free(list);
    return code == CLI_DONE && f->d == 0 ? cli_error("DATA have no numeric column") : code;
}

static double *gather(flowing *f, const lk_table *table, const int64_t *columns, int64_t d, lk_status *status)
{
    const int64_t rows = lk_table_rows(table);
    double *out = rows > (int64_t)(SIZE_MAX / sizeof *out) / (d + 1) ? NULL : malloc((size_t)(rows * d) * sizeof *out + 1);
    *status = out == NULL ? LK_ERROR_MEMORY : lk_table_gather(f->command->context, table, 0, rows, columns, d, out);
    return out;
}

/* A table with one column for each feature: found by their names where all are there, else in order. */
static int read_beside(flowing *f, const char *option, lk_table **table, double **out)
{
    int64_t *columns = calloc((size_t)f->d, sizeof *columns);
    lk_status status = columns == NULL ? LK_ERROR_MEMORY : lk_table_read(f->command->context, cli_text(f->command, option), NULL, table);
    int code = status == LK_OK ? CLI_DONE : cli_fail(f->command, status);
    bool named = true;
    for (int64_t j = 0; code == CLI_DONE && j < f->d; j++) {
        const char *name = lk_table_name(f->table, f->features[j]);
        columns[j] = -1;
        for (int64_t c = 0; c < lk_table_columns(*table); c++) {
            columns[j] = strcmp(lk_table_name(*table, c), name) == 0 ? c : columns[j];
        }
        named = named && columns[j] >= 0;
    }
    if (code == CLI_DONE && !named && lk_table_columns(*table) != f->d) {
        code = cli_error("--%s has %lld columns for %lld features", option, (long long)lk_table_columns(*table), (long long)f->d);
    }
    for (int64_t j = 0; code == CLI_DONE && !named && j < f->d; j++) {
        columns[j] = j;
    }
    if (code == CLI_DONE) {
        *out = gather(f, *table, columns, f->d, &status);
        code = status == LK_OK ? CLI_DONE : cli_fail(f->command, status);
    }
    free(columns);
    return code;
}

static int read_observed(flowing *f)
{
    const char *at = cli_text(f->command, "observed");
    f->observations = lk_table_rows(f->matrix);
    f->observed = calloc((size_t)f->observations + 1, sizeof *f->observed);
    if (f->observed == NULL) {
        return cli_fail(f->command, LK_ERROR_MEMORY);
    }
    for (int64_t i = 0; i < f->observations; i++) {
        char *end;
        f->observed[i] = strtod(at, &end);
        if (end == at || *end != (i + 1 < f->observations ? ',' : '\0')) {
            return cli_usage_error(f->command, "--observed must be %lld numbers, one for each row of --observe, comma-separated", (long long)f->observations);
        }
        at = end + 1;
    }
    return CLI_DONE;
}

static int read_all(flowing *f)
{
    cli_command *command = f->command;
    int code;
    const lk_read_options reading = cli_read_options(command, &code);
    const bool observe = cli_given(command, "observe");
    if (code == CLI_DONE && (observe != cli_given(command, "observed") || observe != cli_given(command, "noise"))) {
        code = cli_usage_error(command, "--observe, --observed and --noise go together");
    }
    lk_status status = code == CLI_DONE ? lk_table_read(command->context, command->operands[0], &reading, &f->table) : LK_OK;
    code = status == LK_OK ? code : cli_fail(command, status);
    code = code == CLI_DONE ? find_features(f) : code;
    if (code == CLI_DONE) {
        f->x = gather(f, f->table, f->features, f->d, &status);
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    if (code == CLI_DONE && cli_given(command, "start")) {
        code = read_beside(f, "start", &f->start, &f->start_x);
    }
    if (code == CLI_DONE && observe) {
        code = read_beside(f, "observe", &f->matrix, &f->matrix_x);
        code = code == CLI_DONE ? read_observed(f) : code;
    }
    return code;
}

static int move(flowing *f, lk_flow_report *report)
{
    cli_command *command = f->command;
    lk_flow_options how = {.size = sizeof how,
                           .particles = cli_given(command, "rows") ? cli_integer(command, "rows") : 0,
                           .steps = cli_integer(command, "steps"),
                           .directions = cli_given(command, "directions") ? cli_integer(command, "directions") : 0,
                           .start = f->start_x,
                           .observations = f->observations,
                           .matrix = f->matrix_x,
                           .observed = f->observations > 0 ? f->observed : NULL,
                           .noise = f->observations > 0 ? cli_real(command, "noise") : 0.0,
                           .seed = cli_integer(command, "seed")};
    if (f->start != NULL && how.particles == 0) {
        how.particles = lk_table_rows(f->start);
    }
    f->particles = lk_flow_particles(&how, lk_table_rows(f->table));
    if (f->start != NULL && f->particles != lk_table_rows(f->start)) {
        return cli_usage_error(command, "--start has %lld rows for %lld particles", (long long)lk_table_rows(f->start), (long long)f->particles);
    }
    f->out = f->particles > (int64_t)(SIZE_MAX / sizeof *f->out) / f->d ? NULL : malloc((size_t)(f->particles * f->d) * sizeof *f->out);
    lk_status status = f->out == NULL ? LK_ERROR_MEMORY : lk_flow(command->context, f->x, lk_table_rows(f->table), f->d, &how, f->out, report);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int deliver(flowing *f)
{
    cli_command *command = f->command;
    lk_writer *writer = NULL;
    f->columns = calloc((size_t)f->d, sizeof *f->columns);
    if (f->columns == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int64_t j = 0; j < f->d; j++) {
        f->columns[j] = (lk_column){.name = lk_table_name(f->table, f->features[j]), .type = LK_TYPE_REAL};
    }
    lk_status status = lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), f->columns, f->d, &writer);
    if (status == LK_OK) {
        status = lk_writer_rows(command->context, writer, f->out, f->particles);
        if (status == LK_OK) {
            status = lk_writer_close(command->context, writer);
        } else {
            lk_writer_free(writer);
        }
    }
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int run(cli_command *command)
{
    flowing f = {.command = command};
    lk_flow_report report;
    int code = read_all(&f);
    code = code == CLI_DONE ? move(&f, &report) : code;
    code = code == CLI_DONE ? deliver(&f) : code;
    if (code == CLI_DONE) {
        char before[48], after[48], independent[48];
        cli_number(report.energy_start, before, sizeof before);
        cli_number(report.energy, after, sizeof after);
        cli_number(report.energy_independent, independent, sizeof independent);
        cli_remark(command, "energy distance %s %s, before %s, independent draws %s", f.observations > 0 ? "between simulated and moved pairs" : "from the data", after,
                   before, independent);
    }
    free(f.features);
    free(f.x);
    free(f.start_x);
    free(f.matrix_x);
    free(f.observed);
    free(f.out);
    free(f.columns);
    lk_table_free(f.table);
    lk_table_free(f.start);
    lk_table_free(f.matrix);
    return code;
}

extern const cli_verb cli_verb_flow;
const cli_verb cli_verb_flow = {
    .name = "flow",
    .summary = "new rows that are moved to a data set, or to a posterior",
    .operands = "DATA",
    .description = "Moves particles along the gradient of the energy distance to DATA, by sorting projections on random directions, and writes them: rows that are none of "
                   "DATA and stand for them far better than as many independent draws. The energy distance that was reached is told, in units where each feature has "
                   "standard deviation 1.\n\n"
                   "With --observe, --observed and --noise the rows of DATA are draws from a prior of x, and the particles become draws of x given y = A x + noise, of which "
                   "the prior's density need not be known.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS | CLI_READING | CLI_FEATURES,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
