/* likely sample: new rows from the model. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, "100", 0, 9007199254740991.0, NULL, NULL, "how many rows to draw"},
    {"given", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "LIST",
     "draw the other features given these values, as in x=1.5,y=2; the given columns repeat them"},
};

static const cli_example examples[] = {
    {"likely sample faithful.lk -n 1000 -o new.csv", "a thousand new rows"},
    {"likely sample faithful.lk -n 5 --seed 7", "the same five rows every time"},
    {"likely sample faithful.lk -n 5 --given eruptions=2", "waiting times after an eruption of two minutes"},
    {NULL, NULL},
};

/* Draws in pieces of at most some MB; row i is the same draw whatever the pieces. */
typedef struct drawing {
    const lk_model *model;     /* what is drawn from */
    const cli_features *given; /* columns that stand beside the draws, count 0 = none */
    int64_t columns;
    double *rows;              /* piece x columns, and the class behind them where there are classes */
    int64_t *classes;          /* piece */
    bool labelled;
} drawing;

/* Puts the draws of the free features, rows x free at the start of g->rows, between the given values; from the last on, in place. */
static void spread(const drawing *g, int64_t rows)
{
    int64_t free_count = g->columns - g->given->count;
    for (int64_t i = rows - 1; i >= 0 && g->given->count > 0; i--) {
        for (int64_t j = g->columns - 1, from = free_count - 1; j >= 0; j--) {
            int64_t k = 0;
            while (k < g->given->count && g->given->positions[k] != j) {
                k++;
            }
            g->rows[i * g->columns + j] = k < g->given->count ? g->given->values[k] : g->rows[i * free_count + from--];
        }
    }
}

/* Puts the class behind each row; from the last on, in place. */
static lk_status label_rows(cli_command *command, const drawing *g, int64_t first, int64_t rows)
{
    int64_t d = g->columns;
    if (!g->labelled) {
        return LK_OK;
    }
    lk_status status = lk_model_sample_classes(command->context, g->model, cli_integer(command, "seed"), first, rows, g->classes);
    for (int64_t i = rows - 1; status == LK_OK && i >= 0; i--) {
        memmove(g->rows + i * (d + 1), g->rows + i * d, (size_t)d * sizeof *g->rows);
        g->rows[i * (d + 1) + d] = (double)g->classes[i];
    }
    return status;
}

static int draw(cli_command *command, drawing *g, lk_writer *writer)
{
    int64_t rows = cli_integer(command, "rows"), piece = 1 + (int64_t)(1 << 20) / g->columns;
    piece = piece < rows ? piece : rows;
    lk_status status = LK_OK;
    g->rows = malloc((size_t)(piece * (g->columns + 1)) * sizeof *g->rows + 1);
    g->classes = malloc((size_t)piece * sizeof *g->classes + 1);
    if (g->rows == NULL || g->classes == NULL) {
        free(g->rows);
        free(g->classes);
        lk_writer_free(writer);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int64_t first = 0; first < rows && status == LK_OK; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        status = cli_interrupted() ? LK_ERROR_CANCELLED : LK_OK;
        if (status == LK_OK) {
            status = lk_model_sample(command->context, g->model, cli_integer(command, "seed"), first, n, g->rows);
        }
        if (status == LK_OK) {
            spread(g, n);
            status = label_rows(command, g, first, n);
        }
        if (status == LK_OK) {
            status = lk_writer_rows(command->context, writer, g->rows, n);
        }
        cli_progress_show("sample", (double)(first + n), (double)rows, "");
    }
    free(g->rows);
    free(g->classes);
    if (status != LK_OK) {
        lk_writer_free(writer);
        return cli_fail(command, status);
    }
    status = lk_writer_close(command->context, writer);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

/* Columns are those of the whole model, whatever is drawn from. */
static int open_and_draw(cli_command *command, const lk_model *whole, drawing *g)
{
    lk_writer *writer = NULL;
    const lk_table *classes = lk_model_classes(whole);
    int64_t count = g->columns + (g->labelled ? 1 : 0);
    lk_column *columns = calloc((size_t)count, sizeof *columns);
    for (int64_t j = 0; columns != NULL && j < g->columns; j++) {
        columns[j] = (lk_column){.name = lk_model_feature(whole, j), .type = LK_TYPE_REAL};
    }
    if (columns != NULL && g->labelled) {
        columns[g->columns] = (lk_column){lk_table_name(classes, 0), LK_TYPE_CATEGORY, classes, 0};
    }
    lk_status status = columns == NULL ? LK_ERROR_MEMORY
                                       : lk_writer_open(command->context, cli_text(command, "output"),
                                                        cli_output_format(command), columns, count, &writer);
    int code = status == LK_OK ? draw(command, g, writer) : cli_fail(command, status);
    free(columns);
    return code;
}

static int run(cli_command *command)
{
    lk_model *model = NULL, *part = NULL;
    cli_features given = {0};
    int code = CLI_DONE;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    if (cli_given(command, "given")) {
        code = cli_features_parse(command, model, "given", true, &given);
        if (code == CLI_DONE) {
            status = lk_model_condition(command->context, model, given.positions, given.values, given.count, &part);
            code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
        }
    }
    if (code == CLI_DONE) {
        drawing g = {.model = part != NULL ? part : model, .given = &given, .columns = lk_model_dimension(model),
                     .labelled = lk_model_classes(model) != NULL};
        code = open_and_draw(command, model, &g);
    }
    cli_features_free(&given);
    lk_model_free(part);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_sample;
const cli_verb cli_verb_sample = {
    .name = "sample",
    .summary = "new rows drawn from the model",
    .operands = "MODEL",
    .description = "Writes rows drawn from the distribution, with the names and units of the columns it was fitted to. "
                   "Row i of a seed is the same draw however many are drawn. With --given the rows come from the "
                   "conditional distribution. A model with classes draws a class, then a row of it: the last column, named as the "
                   "label, is the class.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
