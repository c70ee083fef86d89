/* likely impute: the input with its missing values filled, by conditional means or by conditional draws. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"draws", LK_PARAMETER_INTEGER, NULL, 1, 1000000, NULL, NULL,
     "instead of means, so many draws of each row: columns row and draw (both from 0) in front"},
    {"sampler", LK_PARAMETER_CHOICE, NULL, 0, 0, "dpm,heun,ddim,euler", NULL,
     "of draws (one if --draws is not given): by the score alone, along the flow of the missing features"},
    {"steps", LK_PARAMETER_INTEGER, NULL, 6, 100000000.0, NULL, NULL, "of --sampler; as of 'likely sample' if not given"},
};

static const cli_example examples[] = {
    {"likely impute faithful.lk gaps.csv -o whole.csv", "each gap by its mean given the rest of the row, and its sd"},
    {"likely impute faithful.lk gaps.csv --draws 20 -o twenty.csv", "twenty whole versions of each row"},
    {"likely impute faithful.lk gaps.csv --draws 20 --sampler dpm", "the same by the model's score alone"},
    {NULL, NULL},
};

/* One run: the output repeats the input's columns, after row and draw or before the sds. */
typedef struct filler {
    cli_command *command;
    const lk_model *model;
    lk_reader *reader;
    lk_writer *writer;
    int64_t d, inputs, draws, width; /* draws 0 = means */
    int64_t *features, *all;         /* positions of the features; 0, 1, .. of all columns */
    lk_column *columns;
    char **names;                    /* d: those of the sds */
    double *values, *x, *filled, *sd, *rows;
    int64_t capacity, next_row, changed, empty;
} filler;

static void release(filler *f)
{
    lk_writer_free(f->writer);
    lk_reader_free(f->reader);
    for (int64_t j = 0; f->names != NULL && j < f->d; j++) {
        free(f->names[j]);
    }
    free(f->names);
    free(f->features);
    free(f->all);
    free(f->columns);
    free(f->values);
    free(f->x);
    free(f->filled);
    free(f->sd);
    free(f->rows);
}

static bool resize(double **array, int64_t rows, int64_t columns)
{
    if (rows > (int64_t)(SIZE_MAX / sizeof(double) / 4) / (columns + 1)) {
        return false;
    }
    double *grown = realloc(*array, (size_t)(rows * columns) * sizeof(double) + 1);
    *array = grown == NULL ? *array : grown;
    return grown != NULL;
}

/* A piece holds so many rows that their draws take some MB. */
static int64_t piece_rows(const filler *f, int64_t rows)
{
    int64_t copies = f->draws > 0 ? f->draws : 1, piece = 1 + (1 << 20) / (copies * f->width);
    return piece < rows ? piece : rows;
}

static bool reserve(filler *f, int64_t rows)
{
    int64_t copies = f->draws > 0 ? f->draws : 1;
    if (rows <= f->capacity) {
        return true;
    }
    f->capacity = rows;
    return resize(&f->values, rows, f->inputs) && resize(&f->x, rows, f->d) && resize(&f->filled, rows, copies * f->d) &&
           resize(&f->sd, rows, f->d) && resize(&f->rows, rows, copies * f->width);
}

/* Output rows of one piece. */
static void arrange(filler *f, int64_t rows)
{
    int64_t copies = f->draws > 0 ? f->draws : 1, front = f->draws > 0 ? 2 : 0;
    for (int64_t i = 0; i < rows * copies; i++) {
        int64_t row = i / copies;
        double *out = f->rows + i * f->width;
        if (front > 0) {
            out[0] = (double)(f->next_row + row);
            out[1] = (double)(i % copies);
        }
        memcpy(out + front, f->values + row * f->inputs, (size_t)f->inputs * sizeof *out);
        for (int64_t j = 0; j < f->d; j++) {
            out[front + f->features[j]] = f->filled[i * f->d + j];
            if (front == 0) {
                out[f->inputs + j] = f->sd[i * f->d + j];
            }
        }
    }
}

static void count(filler *f, int64_t rows)
{
    int64_t copies = f->draws > 0 ? f->draws : 1;
    for (int64_t i = 0; i < rows * f->d; i++) {
        if (isnan(f->x[i])) {
            bool filled = !isnan(f->filled[i / f->d * copies * f->d + i % f->d]);
            f->changed += filled ? 1 : 0;
            f->empty += filled ? 0 : 1;
        }
    }
}

static lk_status one_piece(filler *f, const lk_table *block, int64_t first, int64_t rows)
{
    lk_context *context = f->command->context;
    lk_status status = reserve(f, rows) ? LK_OK : LK_ERROR_MEMORY;
    if (status == LK_OK) {
        status = lk_table_gather(context, block, first, rows, f->all, f->inputs, f->values);
    }
    for (int64_t i = 0; status == LK_OK && i < rows * f->d; i++) {
        f->x[i] = f->values[i / f->d * f->inputs + f->features[i % f->d]];
    }
    if (status == LK_OK) {
        const lk_sampler_options by_score = {.size = sizeof by_score, .method = cli_text(f->command, "sampler"),
                                             .steps = cli_given(f->command, "steps") ? cli_integer(f->command, "steps") : 0,
                                             .seed = cli_integer(f->command, "seed")};
        status = by_score.method != NULL
                     ? lk_model_impute_by_score(context, f->model, &by_score, f->x, rows, f->next_row, f->draws, f->filled)
                 : f->draws > 0 ? lk_model_impute_draws(context, f->model, f->x, rows, cli_integer(f->command, "seed"),
                                                      f->next_row, f->draws, f->filled)
                              : lk_model_impute(context, f->model, f->x, rows, f->filled, f->sd);
    }
    if (status != LK_OK) {
        return status;
    }
    arrange(f, rows);
    count(f, rows);
    f->next_row += rows;
    return lk_writer_rows(context, f->writer, f->rows, rows * (f->draws > 0 ? f->draws : 1));
}

static lk_status one_block(filler *f, const lk_table *block)
{
    int64_t rows = lk_table_rows(block), piece = piece_rows(f, rows), front = f->draws > 0 ? 2 : 0;
    lk_status status = LK_OK;
    for (int64_t j = 0; j < f->inputs; j++) {
        lk_type type = f->columns[front + j].type;
        if (type == LK_TYPE_CATEGORY || type == LK_TYPE_TEXT) {
            lk_writer_source(f->writer, front + j, block);
        }
    }
    for (int64_t first = 0; first < rows && status == LK_OK; first += piece) {
        status = cli_interrupted() ? LK_ERROR_CANCELLED : one_piece(f, block, first, rows - first < piece ? rows - first : piece);
    }
    return status;
}

static int pump(filler *f)
{
    const lk_table *block = NULL;
    lk_status status;
    while ((status = lk_reader_next(f->command->context, f->reader, &block)) == LK_OK && block != NULL) {
        status = one_block(f, block);
        if (status != LK_OK) {
            break;
        }
    }
    if (status == LK_OK) {
        lk_writer *writer = f->writer;
        f->writer = NULL;
        status = lk_writer_close(f->command->context, writer);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(f->command, status);
}

/* Columns of the output; an integer column that is filled holds means and becomes real. */
static int make_columns(filler *f, const lk_table *head)
{
    int64_t front = f->draws > 0 ? 2 : 0;
    for (int64_t c = 0; c < f->inputs; c++) {
        f->all[c] = c;
        f->columns[front + c] = (lk_column){lk_table_name(head, c), lk_table_type(head, c), head, c};
    }
    for (int64_t j = 0; j < f->d; j++) {
        f->columns[front + f->features[j]].type = LK_TYPE_REAL;
        if (front == 0) {
            if (asprintf(&f->names[j], "%s_sd", lk_table_name(head, f->features[j])) < 0) {
                f->names[j] = NULL;
                return cli_fail(f->command, LK_ERROR_MEMORY);
            }
            f->columns[f->inputs + j] = (lk_column){.name = f->names[j], .type = LK_TYPE_REAL};
        }
    }
    if (front > 0) {
        f->columns[0] = (lk_column){.name = "row", .type = LK_TYPE_INTEGER};
        f->columns[1] = (lk_column){.name = "draw", .type = LK_TYPE_INTEGER};
    }
    for (int64_t c = 0; c < f->width; c++) {
        for (int64_t k = c + 1; k < f->width; k++) {
            bool added = c < front || k >= front + f->inputs;
            if (added && strcmp(f->columns[c].name, f->columns[k].name) == 0) {
                return cli_error("the input already has a column named %s: rename it", f->columns[c].name);
            }
        }
    }
    return CLI_DONE;
}

static int fill(filler *f)
{
    const lk_table *head = lk_reader_columns(f->reader);
    f->inputs = lk_table_columns(head);
    f->width = f->inputs + (f->draws > 0 ? 2 : f->d);
    f->features = calloc((size_t)f->d, sizeof *f->features);
    f->all = calloc((size_t)f->inputs, sizeof *f->all);
    f->columns = calloc((size_t)f->width, sizeof *f->columns);
    f->names = calloc((size_t)f->d, sizeof *f->names);
    if (f->features == NULL || f->all == NULL || f->columns == NULL || f->names == NULL) {
        return cli_fail(f->command, LK_ERROR_MEMORY);
    }
    lk_status status = lk_model_columns(f->command->context, f->model, head, f->features);
    int code = status == LK_OK ? make_columns(f, head) : cli_fail(f->command, status);
    if (code == CLI_DONE) {
        status = lk_writer_open(f->command->context, cli_text(f->command, "output"), cli_output_format(f->command), f->columns,
                                f->width, &f->writer);
        code = status == LK_OK ? pump(f) : cli_fail(f->command, status);
    }
    if (code == CLI_DONE && f->empty > 0) {
        cli_remark(f->command, "%lld missing value%s left empty: another value of the row is outside the support",
                   (long long)f->empty, f->empty == 1 ? "" : "s");
    }
    if (code == CLI_DONE) {
        cli_remark(f->command, "%lld missing value%s filled", (long long)f->changed, f->changed == 1 ? "" : "s");
    }
    return code;
}

static int run(cli_command *command)
{
    int code;
    lk_model *model = NULL;
    lk_read_options options_of_reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    if (cli_given(command, "steps") && !cli_given(command, "sampler")) {
        return cli_usage_error(command, "--steps goes with --sampler");
    }
    filler f = {.command = command, .draws = cli_integer(command, "draws")};
    f.draws = f.draws == 0 && cli_given(command, "sampler") ? 1 : f.draws;
    lk_status status = lk_model_load(command->context, command->operands[0], &model);
    if (status == LK_OK) {
        status = lk_reader_open(command->context, command->operands[1], &options_of_reading, &f.reader);
    }
    if (status == LK_OK) {
        f.model = model;
        f.d = lk_model_dimension(model);
        code = fill(&f);
    } else {
        code = cli_fail(command, status);
    }
    release(&f);
    lk_model_free(model);
    return code;
}

extern const cli_verb cli_verb_impute;
const cli_verb cli_verb_impute = {
    .name = "impute",
    .summary = "fill missing values by what the rest of the row tells",
    .operands = "MODEL DATA",
    .description = "Writes all columns of DATA, with each missing value of a feature replaced by its conditional mean given the "
                   "values of its row that are there, and behind them a column NAME_sd for each feature: the conditional "
                   "standard deviation, 0 where the value was there. Those values stay as they are. A row that has none gets "
                   "the means of the model.\n\n"
                   "With --draws every row is written so many times, its missing values drawn from their joint conditional "
                   "distribution: what comes later can be repeated on each version, and its spread seen. A draw depends on "
                   "the seed, the number of the row and the number of the draw alone. DATA are streamed.",
    .operands_min = 2,
    .operands_max = 2,
    .groups = CLI_ROWS | CLI_READING,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
