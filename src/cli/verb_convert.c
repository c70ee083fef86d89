/* likely convert: rows of any readable file in any output format. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static const lk_parameter options[] = {
    {"columns", LK_PARAMETER_TEXT, NULL, 0, 0, NULL, "COLUMNS",
     "the columns to write, in this order: comma-separated names, or positions from 1; all if not given"},
};

static const cli_example examples[] = {
    {"likely convert big.csv.gz -o big.npy", "numbers that load at once"},
    {"likely convert big.npy --format csv | head", "and back"},
    {"likely convert arrays.npz:X -o x.csv", "one array of an NPZ"},
    {"likely convert iris.csv --ignore Species -o iris.tsv", "without a column"},
    {NULL, NULL},
};

typedef struct conversion {
    cli_command *command;
    lk_reader *reader;
    lk_writer *writer;
    int64_t count;      /* of columns to write */
    int64_t *positions; /* in the input */
    lk_column *columns;
    double *values;
    int64_t capacity;
} conversion;

/* Positions named by a comma-separated list; *count in is the capacity. */
static lk_status find_columns(conversion *c, const lk_table *head, const char *names, int64_t *out, int64_t *count)
{
    char *list = strdup(names), *rest = NULL;
    int64_t capacity = *count;
    lk_status status = list == NULL ? LK_ERROR_MEMORY : LK_OK;
    *count = 0;
    for (char *name = list == NULL ? NULL : strtok_r(list, ",", &rest);
         name != NULL && status == LK_OK && *count < capacity; name = strtok_r(NULL, ",", &rest)) {
        status = lk_table_find(c->command->context, head, name, &out[*count]);
        *count += status == LK_OK ? 1 : 0;
    }
    free(list);
    return status;
}

static int choose_columns(conversion *c, const lk_table *head)
{
    int64_t total = lk_table_columns(head), ignored = total;
    const char *wanted = cli_text(c->command, "columns"), *ignore = cli_text(c->command, "ignore");
    c->positions = calloc((size_t)total, sizeof *c->positions);
    c->columns = calloc((size_t)total, sizeof *c->columns);
    int64_t *out = calloc((size_t)total, sizeof *out);
    lk_status status = c->positions == NULL || c->columns == NULL || out == NULL ? LK_ERROR_MEMORY : LK_OK;
    c->count = total;
    if (status == LK_OK && wanted != NULL) {
        status = find_columns(c, head, wanted, c->positions, &c->count);
    }
    for (int64_t j = 0; status == LK_OK && wanted == NULL && j < total; j++) {
        c->positions[j] = j;
    }
    if (status == LK_OK && ignore != NULL) {
        status = find_columns(c, head, ignore, out, &ignored);
    } else {
        ignored = 0;
    }
    int64_t kept = 0;
    for (int64_t j = 0; status == LK_OK && j < c->count; j++) {
        bool drop = false;
        for (int64_t i = 0; i < ignored; i++) {
            drop = drop || out[i] == c->positions[j];
        }
        if (!drop) {
            c->positions[kept++] = c->positions[j];
        }
    }
    free(out);
    c->count = kept;
    if (status == LK_OK && kept == 0) {
        return cli_usage_error(c->command, "--ignore leaves no column to write");
    }
    for (int64_t j = 0; status == LK_OK && j < kept; j++) {
        int64_t p = c->positions[j];
        c->columns[j] = (lk_column){lk_table_name(head, p), lk_table_type(head, p), head, p};
    }
    return status == LK_OK ? CLI_DONE : cli_fail(c->command, status);
}

/* An NPY holds numbers only: tells what it leaves out. */
static void tell_left_out(const conversion *c)
{
    const char *format = cli_output_format(c->command), *output = cli_text(c->command, "output");
    size_t length = output == NULL ? 0 : strlen(output);
    bool npy = format != NULL ? strcmp(format, "npy") == 0 : length > 4 && strcmp(output + length - 4, ".npy") == 0;
    char names[512] = "";
    int64_t left_out = 0;
    for (int64_t j = 0; npy && j < c->count; j++) {
        if (c->columns[j].type == LK_TYPE_CATEGORY || c->columns[j].type == LK_TYPE_TEXT) {
            size_t used = strlen(names);
            snprintf(names + used, sizeof names - used, "%s%s", left_out == 0 ? "" : ", ", c->columns[j].name);
            left_out++;
        }
    }
    if (left_out > 0) {
        cli_remark(c->command, "an NPY holds numbers only: left out %s", names);
    }
}

static lk_status one_block(conversion *c, const lk_table *block)
{
    int64_t n = lk_table_rows(block);
    if (n > c->capacity) {
        double *grown = n > INT64_MAX / 16 / c->count ? NULL
                                                      : realloc(c->values, (size_t)(n * c->count) * sizeof *grown);
        if (grown == NULL) {
            return LK_ERROR_MEMORY;
        }
        c->values = grown;
        c->capacity = n;
    }
    lk_status status = lk_table_gather(c->command->context, block, 0, n, c->positions, c->count, c->values);
    if (status != LK_OK) {
        return status;
    }
    for (int64_t j = 0; j < c->count; j++) {
        if (c->columns[j].type == LK_TYPE_CATEGORY || c->columns[j].type == LK_TYPE_TEXT) {
            lk_writer_source(c->writer, j, block);
        }
    }
    return lk_writer_rows(c->command->context, c->writer, c->values, n);
}

static int pump(conversion *c)
{
    const lk_table *block = NULL;
    lk_status status; /* the reader itself shows progress */
    while ((status = lk_reader_next(c->command->context, c->reader, &block)) == LK_OK && block != NULL) {
        status = cli_interrupted() ? LK_ERROR_CANCELLED : one_block(c, block);
        if (status != LK_OK) {
            break;
        }
    }
    if (status == LK_OK) {
        lk_writer *writer = c->writer;
        c->writer = NULL;
        status = lk_writer_close(c->command->context, writer);
    }
    return status == LK_OK ? CLI_DONE : cli_fail(c->command, status);
}

static int run(cli_command *command)
{
    int code;
    conversion c = {.command = command};
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_reader_open(command->context, command->operands[0], &reading, &c.reader);
    code = status == LK_OK ? choose_columns(&c, lk_reader_columns(c.reader)) : cli_fail(command, status);
    if (code == CLI_DONE) {
        status = lk_writer_open(command->context, cli_text(command, "output"), cli_output_format(command), c.columns,
                                c.count, &c.writer);
        code = status == LK_OK ? CLI_DONE : cli_fail(command, status);
    }
    if (code == CLI_DONE) {
        tell_left_out(&c);
        code = pump(&c);
    }
    lk_writer_free(c.writer);
    lk_reader_free(c.reader);
    free(c.positions);
    free(c.columns);
    free(c.values);
    return code;
}

extern const cli_verb cli_verb_convert;
const cli_verb cli_verb_convert = {
    .name = "convert",
    .summary = "any readable data in any output format",
    .operands = "DATA",
    .description = "Reads CSV, TSV, NPY, NPZ or IDX, also compressed by gzip or zstd, and writes CSV, TSV, JSON lines or "
                   "NPY. FILE.npz:NAME is one array of an NPZ. DATA is streamed. Numbers are the shortest that read back "
                   "to the same value.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_ROWS | CLI_READING | CLI_IGNORE,
    .options = options,
    .option_count = sizeof options / sizeof options[0],
    .examples = examples,
    .run = run,
};
