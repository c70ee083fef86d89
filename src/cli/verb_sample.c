/* likely sample: new rows from the model. */
#include "cli/cli.h"

#include <stdlib.h>

static const lk_parameter options[] = {
    {"rows", LK_PARAMETER_INTEGER, "100", 0, 9007199254740991.0, NULL, NULL, "how many rows to draw"},
};

static const cli_example examples[] = {
    {"likely sample faithful.lk -n 1000 -o new.csv", "a thousand new rows"},
    {"likely sample faithful.lk -n 5 --seed 7", "the same five rows every time"},
    {NULL, NULL},
};

/* Draws in pieces of at most some MB; row i is the same draw whatever the pieces. */
static int draw(cli_command *command, const lk_model *model, lk_writer *writer)
{
    int64_t rows = cli_integer(command, "rows"), d = lk_model_dimension(model);
    int64_t piece = 1 + (int64_t)(1 << 20) / d;
    piece = piece < rows ? piece : rows;
    lk_status status = LK_OK;
    double *values = malloc((size_t)(piece * d) * sizeof *values + 1);
    if (values == NULL) {
        lk_writer_free(writer);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    for (int64_t first = 0; first < rows && status == LK_OK; first += piece) {
        int64_t n = rows - first < piece ? rows - first : piece;
        status = cli_interrupted() ? LK_ERROR_CANCELLED : LK_OK;
        if (status == LK_OK) {
            status = lk_model_sample(command->context, model, cli_integer(command, "seed"), first, n, values);
        }
        if (status == LK_OK) {
            status = lk_writer_rows(command->context, writer, values, n);
        }
        cli_progress_show("sample", (double)(first + n), (double)rows, "");
    }
    free(values);
    if (status != LK_OK) {
        lk_writer_free(writer);
        return cli_fail(command, status);
    }
    status = lk_writer_close(command->context, writer);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

static int run(cli_command *command)
{
    lk_model *model = NULL;
    lk_writer *writer = NULL;
    lk_column *columns = NULL;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    int64_t d = lk_model_dimension(model);
    columns = calloc((size_t)d, sizeof *columns);
    for (int64_t j = 0; columns != NULL && j < d; j++) {
        columns[j] = (lk_column){.name = lk_model_feature(model, j), .type = LK_TYPE_REAL};
    }
    status = columns == NULL ? LK_ERROR_MEMORY
                             : lk_writer_open(command->context, cli_text(command, "output"),
                                              cli_output_format(command), columns, d, &writer);
    int code = status == LK_OK ? draw(command, model, writer) : cli_fail(command, status);
    free(columns);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_sample;
const cli_verb cli_verb_sample = {
    .name = "sample",
    .summary = "new rows drawn from the model",
    .operands = "MODEL",
    .description = "Writes rows drawn from the distribution, with the names and units of the columns it was fitted to. "
                   "Row i of a seed is the same draw however many are drawn.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
