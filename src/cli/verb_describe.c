/* likely describe: what the columns of a file hold. */
#include "cli/cli.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

enum { SHOWN_LEVELS = 20 };

static const cli_example examples[] = {
    {"likely describe iris.csv", "columns, types, ranges, what is missing"},
    {"likely describe iris.csv --json", "the same for machines"},
    {NULL, NULL},
};

static double number_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void add_count(cli_grid *grid, const char *mark, double value)
{
    char buffer[48];
    cli_grid_add(grid, "%s%s", isnan(value) ? "" : mark, isnan(value) ? "-" : cli_count(value, buffer, sizeof buffer));
}

/* A number of a column, empty for one that has none. */
static void add_number(cli_grid *grid, const json_t *value)
{
    if (json_is_number(value)) {
        cli_grid_number(grid, json_number_value(value));
    } else {
        cli_grid_add(grid, "%s", "");
    }
}

static void add_column(cli_grid *grid, const json_t *column)
{
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    const json_t *quartiles = json_object_get(column, "quartiles");
    cli_grid_add(grid, "%s", name == NULL ? "?" : name);
    cli_grid_add(grid, "%s", type == NULL ? "?" : type);
    add_count(grid, "", number_of(column, "missing"));
    bool estimated = json_is_true(json_object_get(column, "distinct_estimated"));
    add_count(grid, estimated ? "~" : "", number_of(column, "distinct"));
    add_number(grid, json_object_get(column, "min"));
    for (size_t q = 0; q < 3; q++) {
        add_number(grid, json_array_get(quartiles, q));
    }
    add_number(grid, json_object_get(column, "max"));
    add_number(grid, json_object_get(column, "mean"));
    add_number(grid, json_object_get(column, "sd"));
}

/* "Species: setosa 50, versicolor 50, ..." */
static void print_levels(FILE *out, const json_t *column)
{
    const json_t *levels = json_object_get(column, "levels");
    size_t count = json_array_size(levels);
    if (count == 0) {
        return;
    }
    fputs("levels of ", out);
    cli_print_clean(out, json_string_value(json_object_get(column, "name")));
    for (size_t i = 0; i < count && i < SHOWN_LEVELS; i++) {
        const json_t *level = json_array_get(levels, i);
        const char *text = json_string_value(json_object_get(level, "level"));
        fputs(i == 0 ? ": " : ", ", out);
        cli_print_clean(out, text == NULL ? "?" : text);
        fprintf(out, " %.0f", number_of(level, "count"));
    }
    if (count > SHOWN_LEVELS) {
        fprintf(out, ", and %zu more", count - SHOWN_LEVELS);
    }
    fputc('\n', out);
}

/* What would trouble a fit: columns that are constant, and columns with the same values. */
static void print_constants(FILE *out, const json_t *columns)
{
    bool any = false;
    for (size_t j = 0; j < json_array_size(columns); j++) {
        const json_t *column = json_array_get(columns, j);
        if (json_is_true(json_object_get(column, "constant"))) {
            fputs(any ? ", " : "constant: ", out);
            cli_print_clean(out, json_string_value(json_object_get(column, "name")));
            any = true;
        }
    }
    fputs(any ? "\n" : "", out);
}

static void print_twins(FILE *out, const json_t *column)
{
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *twin = json_string_value(json_object_get(column, "duplicate_of"));
    if (twin != NULL) {
        fputs("the same values twice: ", out);
        cli_print_clean(out, name);
        fputs(" and ", out);
        cli_print_clean(out, twin);
        fputc('\n', out);
    }
}

static void print_table(FILE *out, const json_t *answer)
{
    static const char *const heads[] = {"column", "type",   "missing", "distinct", "min", "25%",
                                        "median", "75%",    "max",     "mean",     "sd"};
    const json_t *columns = json_object_get(answer, "columns");
    size_t count = json_array_size(columns), head_count = sizeof heads / sizeof heads[0];
    double duplicates = number_of(answer, "duplicate_rows");
    cli_grid *grid = cli_grid_new((int)head_count);
    fprintf(out, "%.0f rows, %zu column%s, %.0f duplicate row%s%s\n\n", number_of(answer, "rows"), count,
            count == 1 ? "" : "s", duplicates, duplicates == 1 ? "" : "s",
            json_is_false(json_object_get(answer, "text_compared")) ? " (text columns not compared)" : "");
    for (size_t i = 0; i < head_count; i++) {
        cli_grid_add(grid, "%s", heads[i]);
    }
    for (size_t j = 0; j < count; j++) {
        add_column(grid, json_array_get(columns, j));
    }
    cli_grid_print(grid, out, "  ", "llr");
    fputc('\n', out);
    for (size_t j = 0; j < count; j++) {
        print_levels(out, json_array_get(columns, j));
    }
    print_constants(out, columns);
    for (size_t j = 0; j < count; j++) {
        print_twins(out, json_array_get(columns, j));
    }
}

static int print(cli_command *command, const char *json)
{
    json_t *answer = cli_flag(command, "json") ? NULL : json_loads(json, 0, NULL);
    cli_report report;
    FILE *out = cli_report_open(&report);
    if (out == NULL) {
        json_decref(answer);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        fprintf(out, "%s\n", json);
    } else {
        print_table(out, answer);
    }
    json_decref(answer);
    int code = cli_report_close(command, &report);
    return code;
}

static int run(cli_command *command)
{
    int code;
    char *json = NULL;
    lk_table *table = NULL;
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_table_read(command->context, command->operands[0], &reading, &table);
    if (status == LK_OK) {
        status = lk_table_describe(command->context, table, &json);
    }
    code = status == LK_OK ? print(command, json) : cli_fail(command, status);
    lk_free(command->context, json);
    lk_table_free(table);
    return code;
}

extern const cli_verb cli_verb_describe;
const cli_verb cli_verb_describe = {
    .name = "describe",
    .summary = "what the columns of a file hold",
    .operands = "DATA",
    .description = "Prints each column's name, type, missing values, range and levels, and how many rows are duplicates.",
    .operands_min = 1,
    .operands_max = 1,
    .groups = CLI_OUTPUT | CLI_JSON | CLI_READING,
    .examples = examples,
    .run = run,
};
