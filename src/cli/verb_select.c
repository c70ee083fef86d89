/* likely select: fewer rows with the same distribution. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, NULL, 1, 9007199254740991.0, NULL, NULL, "how many rows to choose; the square root of their number if not given"},
    {"method", LK_PARAMETER_CHOICE, "auto", 0, 0, "auto,kernel-thinning,compress,herding,stein,random,standard,stratified,sensitivity", NULL,
     "auto = kernel-thinning up to 20000 rows, compress beyond; standard = every k-th row; stein chooses towards a model"},
    {"towards", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "MODEL", "what the rows shall stand for instead of DATA: the model that --method stein thins towards, or uniform, the uniform law "
     "on the unit cube (kernel sobolev)"},
    {"kernel", LK_PARAMETER_CHOICE, "gaussian", 0, 0,
     "gaussian,laplace,matern12,matern32,matern52,inverse_multiquadric,cauchy,rational_quadratic,sobolev", NULL,
     "what the distance of distributions is measured by; sobolev (periodic, order 1) is for features within [0, 1]"},
    {"bandwidth", LK_PARAMETER_TEXT, "median", 0, 0, NULL, "LIST",
     "numbers in the units of the features, one for all or one for each; median = sd times the median distance in units of sd"},
    {"split", LK_PARAMETER_CHOICE, "target", 0, 0, "target,power,sum", NULL,
     "what halving balances: the kernel itself, a rougher power of it (gaussian, matern32, matern52), or their sum"},
    {"mmd", LK_PARAMETER_CHOICE, "auto", 0, 0, "auto,yes,no", NULL,
     "tell the discrepancy of the chosen rows from all; auto leaves it out where that costs more than the choice"},
    {"clusters", LK_PARAMETER_INTEGER, NULL, 1, 9007199254740991.0, NULL, NULL, "of --method sensitivity and stratified: how many; the square root of --rows if not given"},
    {"loss", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMN", "of --method sensitivity: each row's loss; only that of the rows nearest to the centres of the clusters is looked at"},
    {"lambda", LK_PARAMETER_REAL, NULL, 1e-300, 1e300, NULL, NULL, "of --method sensitivity: how fast the loss may grow with the squared distance from a centre, in units of --bandwidth; 1 if not given"},
    {"report", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "FILE", "write what was done and reached to this file, as JSON"},
};

static const cli_example examples[] = {
    {"likely select faithful.csv -n 16 -o few.csv", "sixteen rows that stand for all"},
    {"likely select big.npy -n 512 -o few.npy --report few.json", "near-linear time; the discrepancy reached stands in few.json"},
    {"likely select chain.csv -n 100 --method stein --towards posterior.lk", "rows of a chain that stand for a model"},
    {NULL, NULL},
};

/* Rows that are written at a time. */
enum { PIECE = 4096 };

typedef struct choice {
    cli_command *command;
    lk_table *table;
    lk_model *model;
    lk_selection *selection;
    const int64_t *rows;
    const double *weights;
    int64_t count, columns;
    bool weighted;
    lk_column *out;      /* columns, and the weight */
    int64_t *positions;
    double *values;      /* PIECE x (columns + 1) */
} choice;

/* Category and text columns of a table that had to stay on disk have no strings to write. */
static lk_status check_strings(choice *c)
{
    for (int64_t j = 0; j < c->columns; j++) {
        double value = (double)NAN;
        lk_status status = c->out[j].type == LK_TYPE_TEXT ? lk_table_gather(c->command->context, c->table, 0, 1, &j, 1, &value) : LK_OK;
        if (status != LK_OK) {
            return status;
        }
        if (!isnan(value) && lk_table_text(c->table, j, value) == NULL) {
            cli_error("column '%s' is text, and the data do not fit into memory with it: raise --memory, or convert DATA with --ignore '%s'",
                      c->out[j].name, c->out[j].name);
            return LK_ERROR_MEMORY;
        }
    }
    return LK_OK;
}

static lk_status write_rows(choice *c, lk_writer *writer)
{
    lk_status status = LK_OK;
    const int64_t width = c->columns + (c->weighted ? 1 : 0);
    for (int64_t i = 0; i < c->count && status == LK_OK; i += PIECE) {
        const int64_t n = c->count - i < PIECE ? c->count - i : PIECE;
        for (int64_t r = 0; r < n && status == LK_OK; r++) {
            double *row = c->values + r * width;
            status = lk_table_gather(c->command->context, c->table, c->rows[i + r], 1, c->positions, c->columns, row);
            if (c->weighted) {
                row[c->columns] = c->weights[i + r];
            }
        }
        status = status == LK_OK ? lk_writer_rows(c->command->context, writer, c->values, n) : status;
    }
    return status;
}

static int deliver(choice *c)
{
    cli_command *command = c->command;
    lk_writer *writer = NULL;
    c->columns = lk_table_columns(c->table);
    c->count = lk_selection_rows(c->selection, &c->rows, &c->weights);
    for (int64_t i = 1; i < c->count; i++) {
        c->weighted = c->weighted || c->weights[i] != c->weights[0];
    }
    c->out = calloc((size_t)c->columns + 1, sizeof *c->out);
    c->positions = calloc((size_t)c->columns, sizeof *c->positions);
    c->values = calloc(PIECE, (size_t)(c->columns + 1) * sizeof *c->values);
    if (c->out == NULL || c->positions == NULL || c->values == NULL) {
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int64_t j = 0; j < c->columns; j++) {
        c->out[j] = (lk_column){lk_table_name(c->table, j), lk_table_type(c->table, j), c->table, j};
        c->positions[j] = j;
        if (c->weighted && strcmp(c->out[j].name, "weight") == 0) {
            return cli_error("DATA already has a column 'weight', which the chosen rows get; rename it");
        }
    }
    c->out[c->columns] = (lk_column){.name = "weight", .type = LK_TYPE_REAL};
    lk_status status = check_strings(c);
    if (status != LK_OK) {
        return CLI_FAILED;
    }
    status = lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), c->out,
                            c->columns + (c->weighted ? 1 : 0), &writer);
    status = status == LK_OK ? write_rows(c, writer) : status;
    if (status != LK_OK) {
        lk_writer_free(writer);
        return cli_fail(command, status);
    }
    status = lk_writer_close(command->context, writer);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* One line for people on standard error, and the whole of it in --report. */
static int tell(choice *c)
{
    cli_command *command = c->command;
    char *text = NULL, mmd[48], independent[48], ksd[48];
    lk_status status = lk_selection_info(command->context, c->selection, &text);
    json_t *info = status == LK_OK ? json_loads(text, 0, NULL) : NULL;
    if (info == NULL) {
        lk_free(command->context, text);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    const json_t *reached = json_object_get(info, "mmd"), *from_model = json_object_get(info, "ksd");
    cli_number(json_number_value(reached), mmd, sizeof mmd);
    cli_number(json_number_value(json_object_get(info, "mmd_independent")), independent, sizeof independent);
    cli_number(json_number_value(from_model), ksd, sizeof ksd);
    cli_remark(command, "%lld of %lld rows by %s, kernel %s%s%s%s%s%s%s", (long long)c->count,
               (long long)json_integer_value(json_object_get(info, "rows")), json_string_value(json_object_get(info, "method")),
               json_string_value(json_object_get(info, "kernel")), json_is_number(reached) ? "; MMD " : "", json_is_number(reached) ? mmd : "",
               json_is_number(reached) ? ", independent rows " : "", json_is_number(reached) ? independent : "",
               json_is_number(from_model) ? "; Stein discrepancy from the model " : "", json_is_number(from_model) ? ksd : "");
    int code = CLI_DONE;
    const char *path = cli_text(command, "report");
    if (path != NULL) {
        code = cli_deliver_file(path, text);
    }
    json_decref(info);
    lk_free(command->context, text);
    return code;
}

static int choose(choice *c)
{
    cli_command *command = c->command;
    int code;
    const lk_read_options reading = cli_read_options(command, &code);
    const char *towards = cli_text(command, "towards"), *method = cli_text(command, "method"), *mmd = cli_text(command, "mmd");
    lk_select_options how = {.size = sizeof how,
                             .count = cli_given(command, "rows") ? cli_integer(command, "rows") : 0,
                             .method = method,
                             .kernel = cli_text(command, "kernel"),
                             .bandwidth = cli_given(command, "bandwidth") ? cli_text(command, "bandwidth") : NULL,
                             .split = cli_text(command, "split"),
                             .features = cli_text(command, "features"),
                             .clusters = cli_given(command, "clusters") ? cli_integer(command, "clusters") : 0,
                             .loss = cli_text(command, "loss"),
                             .lambda = cli_given(command, "lambda") ? cli_real(command, "lambda") : 0.0,
                             .seed = cli_integer(command, "seed")};
    if (code != CLI_DONE) {
        return code;
    }
    if (towards != NULL && strcmp(towards, "uniform") == 0) {
        how.uniform = 1;
        towards = NULL;
    }
    if ((strcmp(method, "stein") == 0) != (towards != NULL)) {
        return cli_usage_error(command, towards != NULL ? "--towards MODEL is for --method stein" : "--method stein wants --towards MODEL");
    }
    if (towards != NULL && how.features != NULL) {
        return cli_usage_error(command, "--features and --towards contradict each other: the model's features count");
    }
    how.discrepancy = strcmp(mmd, "yes") == 0 ? 1 : strcmp(mmd, "no") == 0 ? -1 : 0;
    lk_status status = towards != NULL ? lk_model_load(command->context, towards, &c->model) : LK_OK;
    how.model = c->model;
    status = status == LK_OK ? lk_table_read(command->context, command->operands[0], &reading, &c->table) : status;
    status = status == LK_OK ? lk_select(command->context, c->table, &how, &c->selection) : status;
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int run(cli_command *command)
{
    choice c = {.command = command};
    int code = choose(&c);
    code = code == CLI_DONE ? deliver(&c) : code;
    code = code == CLI_DONE ? tell(&c) : code;
    free(c.out);
    free(c.positions);
    free(c.values);
    lk_selection_free(command->context, c.selection);
    lk_model_free(c.model);
    lk_table_free(c.table);
    return code;
}

extern const cli_verb cli_verb_select;
const cli_verb cli_verb_select = {
    .name = "select",
    .summary = "fewer rows with the same distribution",
    .operands = "DATA",
    .description = "Chooses rows whose distribution is as close as possible to that of all rows, in the maximum mean discrepancy "
                   "(MMD) of a kernel, and writes them with all their columns, in their order. Kernel thinning reaches with n rows "
                   "what independent choice reaches with some n^2. The features are the numeric columns, or --features.\n\n"
                   "With --method stein the rows are chosen towards a model, by its score alone; a row that is chosen more than once "
                   "bears it in the column weight.\n\n"
                   "--method sensitivity draws rows whose weighted sum of losses is that of all rows without bias, few of them where rows are alike and more where they "
                   "are far from the centres of their clusters.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS | CLI_READING | CLI_FEATURES,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
