/* Streams rows of a file through a model, block by block, and writes what comes back; the file is never held whole. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cli_output_format(const cli_command *command)
{
    const char *format = cli_text(command, "format");
    return format == NULL && cli_flag(command, "json") ? "jsonl" : format;
}

typedef struct row_stream {
    cli_command *command;
    const lk_model *model;
    cli_apply apply;
    lk_reader *reader;
    lk_writer *writer;
    int64_t d, kept, extra;    /* features, repeated input columns, result columns */
    int64_t *features;         /* d positions, -1 = the data lack it */
    int64_t *found;            /* those that the data have */
    int64_t *positions;        /* of the repeated columns */
    lk_column *columns;        /* kept + extra */
    double *x, *inputs, *results, *rows;
    int64_t capacity;          /* rows that the arrays hold */
    int64_t missing, empty;    /* rows with a missing feature; those of them without any result */
} row_stream;

static void release(row_stream *s)
{
    lk_writer_free(s->writer);
    lk_reader_free(s->reader);
    free(s->features);
    free(s->found);
    free(s->positions);
    free(s->columns);
    free(s->x);
    free(s->inputs);
    free(s->results);
    free(s->rows);
}

static bool resize(double **array, int64_t rows, int64_t columns)
{
    if (columns > 0 && rows > (int64_t)(SIZE_MAX / sizeof(double) / 4) / columns) {
        return false;
    }
    double *grown = realloc(*array, (size_t)(rows * columns) * sizeof(double) + 1);
    if (grown == NULL) {
        return false;
    }
    *array = grown;
    return true;
}

static bool reserve(row_stream *s, int64_t rows)
{
    if (rows <= s->capacity) {
        return true;
    }
    s->capacity = rows;
    return resize(&s->x, rows, s->d) && resize(&s->inputs, rows, s->kept) && resize(&s->results, rows, s->extra) &&
           resize(&s->rows, rows, s->kept + s->extra);
}

static bool name_taken(const row_stream *s, const char *name)
{
    for (int64_t j = s->kept; j < s->kept + s->extra; j++) {
        if (strcmp(s->columns[j].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Which input columns stand in front: all with --keep, those of --id otherwise. */
static int choose_kept(row_stream *s, const lk_table *head, const lk_column *extra)
{
    int64_t columns = lk_table_columns(head);
    s->positions = calloc((size_t)columns, sizeof *s->positions);
    s->columns = calloc((size_t)(columns + s->extra), sizeof *s->columns);
    if (s->positions == NULL || s->columns == NULL) {
        return cli_fail(s->command, LK_ERROR_MEMORY);
    }
    const char *ids = cli_text(s->command, "id");
    if (cli_flag(s->command, "keep")) {
        for (int64_t j = 0; j < columns; j++) {
            s->positions[s->kept++] = j;
        }
    } else if (ids != NULL) {
        char *list = strdup(ids), *rest = NULL;
        lk_status status = list == NULL ? LK_ERROR_MEMORY : LK_OK;
        for (char *name = list == NULL ? NULL : strtok_r(list, ",", &rest); name != NULL && status == LK_OK;
             name = strtok_r(NULL, ",", &rest)) {
            if (s->kept == columns) {
                free(list);
                return cli_usage_error(s->command, "--id names more columns than the %lld there are",
                                       (long long)columns);
            }
            status = lk_table_find(s->command->context, head, name, &s->positions[s->kept]);
            s->kept += status == LK_OK ? 1 : 0;
        }
        free(list);
        if (status != LK_OK) {
            return cli_fail(s->command, status);
        }
    }
    for (int64_t j = 0; j < s->extra; j++) {
        s->columns[s->kept + j] = extra[j];
    }
    for (int64_t j = 0; j < s->kept; j++) {
        const char *name = lk_table_name(head, s->positions[j]);
        if (name_taken(s, name)) {
            return cli_error("the input already has a column named %s: leave out --keep, or rename it", name);
        }
        s->columns[j] = (lk_column){name, lk_table_type(head, s->positions[j]), head, s->positions[j]};
    }
    return CLI_DONE;
}

static void count_missing(row_stream *s, int64_t row)
{
    bool missing = false, empty = true;
    for (int64_t j = 0; j < s->d; j++) {
        missing = missing || (s->features[j] >= 0 && isnan(s->x[row * s->d + j]));
    }
    for (int64_t j = 0; j < s->extra; j++) {
        empty = empty && isnan(s->results[row * s->extra + j]);
    }
    s->missing += missing ? 1 : 0;
    s->empty += missing && empty ? 1 : 0;
}

/* Values of the features in a block; NaN of those that the data lack. */
static lk_status gather(row_stream *s, const lk_table *block, int64_t n)
{
    int64_t found = 0;
    for (int64_t j = 0; j < s->d; j++) {
        if (s->features[j] >= 0) {
            s->found[found++] = s->features[j];
        }
    }
    lk_status status = found > 0 ? lk_table_gather(s->command->context, block, 0, n, s->found, found, s->x) : LK_OK;
    for (int64_t i = n - 1; status == LK_OK && found < s->d && i >= 0; i--) { /* spreads rows from the last on: in place */
        for (int64_t j = s->d - 1, f = found - 1; j >= 0; j--) {
            s->x[i * s->d + j] = s->features[j] >= 0 ? s->x[i * found + f--] : (double)NAN;
        }
    }
    return status;
}

static lk_status one_block(row_stream *s, const lk_table *block)
{
    lk_context *context = s->command->context;
    int64_t n = lk_table_rows(block), width = s->kept + s->extra;
    lk_status status = reserve(s, n) ? LK_OK : LK_ERROR_MEMORY;
    if (status == LK_OK) {
        status = gather(s, block, n);
    }
    if (status == LK_OK) {
        status = s->apply(s->command, s->model, s->x, n, s->results);
    }
    if (status == LK_OK && s->kept > 0) {
        status = lk_table_gather(context, block, 0, n, s->positions, s->kept, s->inputs);
    }
    if (status != LK_OK) {
        return status;
    }
    for (int64_t i = 0; i < n; i++) {
        count_missing(s, i);
        for (int64_t j = 0; j < s->kept; j++) {
            s->rows[i * width + j] = s->inputs[i * s->kept + j];
        }
        for (int64_t j = 0; j < s->extra; j++) {
            s->rows[i * width + s->kept + j] = s->results[i * s->extra + j];
        }
    }
    for (int64_t j = 0; j < s->kept; j++) {
        if (s->columns[j].type == LK_TYPE_CATEGORY || s->columns[j].type == LK_TYPE_TEXT) {
            lk_writer_source(s->writer, j, block);
        }
    }
    return lk_writer_rows(context, s->writer, s->rows, n);
}

static int pump(row_stream *s)
{
    const lk_table *block = NULL;
    lk_status status; /* the reader itself shows progress */
    while ((status = lk_reader_next(s->command->context, s->reader, &block)) == LK_OK && block != NULL) {
        status = cli_interrupted() ? LK_ERROR_CANCELLED : one_block(s, block);
        if (status != LK_OK) {
            break;
        }
    }
    if (status == LK_OK) {
        lk_writer *writer = s->writer;
        s->writer = NULL;
        status = lk_writer_close(s->command->context, writer);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(s->command, status);
}

/* lk_model_columns() where some features may be lacking: then by name alone. */
int cli_find_columns(const cli_command *command, const lk_model *model, const lk_table *head, const bool *partial,
                     const bool *unused, int64_t *out)
{
    int64_t d = lk_model_dimension(model), columns = lk_table_columns(head), found = 0;
    lk_status status = lk_model_columns(command->context, model, head, out);
    for (int64_t j = 0; status == LK_OK && unused != NULL && j < d; j++) {
        out[j] = unused[j] ? -1 : out[j];
    }
    if (status == LK_OK || partial == NULL) {
        return status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    for (int64_t j = 0; j < d; j++) {
        const char *name = lk_model_feature(model, j);
        int64_t c = 0;
        while (c < columns && strcmp(lk_table_name(head, c), name) != 0) {
            c++;
        }
        bool used = unused == NULL || !unused[j], here = c < columns && used;
        if (here && lk_table_type(head, c) != LK_TYPE_REAL && lk_table_type(head, c) != LK_TYPE_INTEGER) {
            return cli_fail(command, status); /* which says so */
        }
        if (!here && !partial[j]) {
            return cli_fail(command, status);
        }
        out[j] = here ? c : -1;
        found += here ? 1 : 0;
    }
    for (int64_t j = 0; found > 0 && j < d; j++) {
        if (out[j] < 0 && (unused == NULL || !unused[j])) {
            cli_remark(command, "feature %s is not among the columns: its values count as missing", lk_model_feature(model, j));
        }
    }
    return found > 0 ? CLI_DONE : cli_fail(command, status);
}

static int remark_missing(const row_stream *s)
{
    int64_t answered = s->missing - s->empty;
    if (answered > 0) {
        cli_remark(s->command, "%lld row%s with a missing value: answered by the values that are there", (long long)answered,
                   answered == 1 ? "" : "s");
    }
    if (s->empty > 0) {
        cli_remark(s->command, "%lld row%s with a missing value: %s result is left empty", (long long)s->empty,
                   s->empty == 1 ? "" : "s", s->empty == 1 ? "its" : "their");
    }
    return CLI_DONE;
}

int cli_stream(cli_command *command, const cli_row_stream *stream)
{
    row_stream s = {.command = command, .model = stream->model, .apply = stream->apply, .d = lk_model_dimension(stream->model),
                    .extra = stream->extra_count};
    int code;
    const char *output = cli_text(command, "output");
    lk_read_options options = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_reader_open(command->context, stream->data, &options, &s.reader);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    const lk_table *head = lk_reader_columns(s.reader);
    s.features = calloc((size_t)s.d, sizeof *s.features);
    s.found = calloc((size_t)s.d, sizeof *s.found);
    code = s.features == NULL || s.found == NULL
               ? cli_fail(command, LK_ERROR_MEMORY)
               : cli_find_columns(command, stream->model, head, stream->partial, stream->unused, s.features);
    code = code == CLI_DONE ? choose_kept(&s, head, stream->extra) : code;
    if (code == CLI_DONE) {
        status = lk_writer_open(command->context, output, cli_output_format(command), s.columns, s.kept + s.extra,
                                &s.writer);
        code = status == LK_OK ? pump(&s) : cli_fail(command, status);
    }
    if (code == CLI_DONE) {
        code = remark_missing(&s);
    }
    release(&s);
    return code;
}
