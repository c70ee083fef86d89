/* likely compare of tables: makes a test, and prints what it found from its JSON. */
#include "cli/cli.h"
#include "cli/compare.h"

#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the tables for people. */
enum { SHOWN_FEATURES = 12, SHOWN_VALUES = 6 };

#define SUMMARY(id, name, summary) {name, summary},
static const struct {
    const char *name, *summary;
} summaries[] = {LK_TWO_SAMPLE_TEST_LIST(SUMMARY) LK_INDEPENDENCE_TEST_LIST(SUMMARY) LK_MODEL_TEST_LIST(SUMMARY)};
#undef SUMMARY

static const char *summary_of(const char *test)
{
    for (size_t i = 0; i < sizeof summaries / sizeof *summaries; i++) {
        if (strcmp(summaries[i].name, test) == 0) {
            return summaries[i].summary;
        }
    }
    return "";
}

static double number_of(const json_t *info, const char *key)
{
    const json_t *value = json_object_get(info, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static void print_number(FILE *out, const char *label, double value, const char *rest)
{
    char buffer[48];
    fprintf(out, "%-18s %s%s\n", label, cli_number(value, buffer, sizeof buffer), rest);
}

static void print_table(FILE *out, const char *name, const char *path, const json_t *info, size_t index)
{
    char rows[48], left[48];
    const json_t *list = json_object_get(info, "rows"), *missing = json_object_get(info, "left_out");
    const double without = json_number_value(json_array_get(missing, index));
    fprintf(out, "%s  ", name);
    cli_print_clean(out, path);
    if (index >= json_array_size(list)) { /* a model */
        fputc('\n', out);
        return;
    }
    fprintf(out, "   %s rows", cli_count(json_number_value(json_array_get(list, index)), rows, sizeof rows));
    if (without > 0) {
        fprintf(out, " (%s with missing values left out)", cli_count(without, left, sizeof left));
    }
    fputc('\n', out);
}

/* How p came about. */
static void law_of(const json_t *info, char *text, size_t size)
{
    const char *law = json_string_value(json_object_get(info, "law"));
    law = law != NULL ? law : "";
    if (strcmp(law, "permutations") == 0) {
        snprintf(text, size, "   (%lld permutations)", (long long)json_integer_value(json_object_get(info, "permutations")));
    } else if (strcmp(law, "bootstrap") == 0) {
        snprintf(text, size, "   (%lld bootstrap draws)", (long long)json_integer_value(json_object_get(info, "permutations")));
    } else if (strcmp(law, "refits") == 0) {
        snprintf(text, size, "   (%lld fits to draws of the model)", (long long)json_integer_value(json_object_get(info, "permutations")));
    } else {
        snprintf(text, size, "   (%s)", law);
    }
}

static void print_result(FILE *out, const json_t *info)
{
    char text[160], buffer[48];
    const char *test = json_string_value(json_object_get(info, "test")), *kernel = json_string_value(json_object_get(info, "kernel"));
    const json_t *bandwidth = json_object_get(info, "bandwidth");
    fprintf(out, "\n%-18s ", "test");
    snprintf(text, sizeof text, "%s:", test);
    fprintf(out, "%s ", text);
    cli_print_wrapped(out, summary_of(test), 19, 100);
    if (kernel != NULL) {
        fprintf(out, "%-18s %s, bandwidth", "kernel", kernel);
        for (size_t j = 0; j < json_array_size(bandwidth) && j < SHOWN_VALUES; j++) {
            fprintf(out, " %s", cli_number(json_number_value(json_array_get(bandwidth, j)), buffer, sizeof buffer));
        }
        fprintf(out, "%s\n", json_array_size(bandwidth) > SHOWN_VALUES ? " ..." : "");
    }
    if (json_object_get(info, "boundary") != NULL) {
        fprintf(out, "%-18s %lld points\n", "boundary", (long long)json_integer_value(json_object_get(info, "boundary")));
    }
    print_number(out, "statistic", number_of(info, "statistic"), "");
    if (!isnan(number_of(info, "standard_error"))) {
        print_number(out, "standard error", number_of(info, "standard_error"), "");
    }
    if (!isnan(number_of(info, "block_mean"))) {
        snprintf(text, sizeof text, " +- %s   (%lld blocks)", cli_number(number_of(info, "block_error"), buffer, sizeof buffer),
                 (long long)json_integer_value(json_object_get(info, "blocks")));
        print_number(out, "mean of blocks", number_of(info, "block_mean"), text);
    }
    if (!isnan(number_of(info, "slice_error"))) {
        snprintf(text, sizeof text, "   (of %lld directions)", (long long)json_integer_value(json_object_get(info, "slices")));
        print_number(out, "error of slices", number_of(info, "slice_error"), text);
    }
    if (!isnan(number_of(info, "z"))) {
        print_number(out, "z", number_of(info, "z"), "   (standard normal if there is no difference)");
    }
    if (!isnan(number_of(info, "effect"))) {
        print_number(out, "effect", number_of(info, "effect"), "   (0: the same, 1: the most there can be)");
    }
    law_of(info, text, sizeof text);
    print_number(out, "p", number_of(info, "p"), text);
}

static int by_energy(const void *a, const void *b)
{
    const double x = number_of(*(json_t *const *)a, "energy"), y = number_of(*(json_t *const *)b, "energy");
    return (x < y) - (x > y);
}

static void print_features(FILE *out, const json_t *info)
{
    const json_t *list = json_object_get(info, "by_feature");
    const size_t count = json_array_size(list), shown = count < SHOWN_FEATURES ? count : SHOWN_FEATURES;
    json_t **order = calloc(count + 1, sizeof(json_t *)); /* the entries, largest difference first */
    cli_grid *grid = cli_grid_new(5);
    for (size_t i = 0; order != NULL && i < count; i++) {
        order[i] = json_array_get(list, i);
    }
    if (order != NULL) {
        qsort(order, count, sizeof *order, by_energy);
    }
    fputs("\nby feature, B against A\n", out);
    cli_grid_add(grid, "feature");
    cli_grid_add(grid, "mean, in sd");
    cli_grid_add(grid, "ratio of sd");
    cli_grid_add(grid, "effect");
    cli_grid_add(grid, "p");
    for (size_t i = 0; order != NULL && i < shown; i++) {
        cli_grid_add(grid, "%s", json_string_value(json_object_get(order[i], "feature")));
        cli_grid_number(grid, number_of(order[i], "difference"));
        cli_grid_number(grid, number_of(order[i], "sd_ratio"));
        cli_grid_number(grid, number_of(order[i], "energy"));
        cli_grid_number(grid, number_of(order[i], "p"));
    }
    cli_grid_print(grid, out, "  ", "lrrrr");
    if (count > shown) {
        fprintf(out, "  and %zu with smaller effects: --json shows all\n", count - shown);
    }
    free(order);
}

static void print_witness(FILE *out, const json_t *info)
{
    const json_t *list = json_object_get(info, "witness"), *features = json_object_get(info, "features");
    const size_t d = json_array_size(features), shown = d < SHOWN_VALUES ? d : SHOWN_VALUES;
    if (json_array_size(list) == 0) {
        return;
    }
    cli_grid *grid = cli_grid_new(3 + (int)shown);
    char alignment[4 + SHOWN_VALUES] = "lrr";
    fputs("\nrows where their table has most more than the other\n", out);
    cli_grid_add(grid, "table");
    cli_grid_add(grid, "row");
    cli_grid_add(grid, "witness");
    for (size_t j = 0; j < shown; j++) {
        cli_grid_add(grid, "%s", json_string_value(json_array_get(features, j)));
        alignment[3 + j] = 'r';
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        cli_grid_add(grid, "%s", json_string_value(json_object_get(row, "table")));
        cli_grid_add(grid, "%lld", (long long)json_integer_value(json_object_get(row, "row")));
        cli_grid_number(grid, number_of(row, "witness"));
        for (size_t j = 0; j < shown; j++) {
            cli_grid_number(grid, json_number_value(json_array_get(json_object_get(row, "values"), j)));
        }
    }
    cli_grid_print(grid, out, "  ", alignment);
}

int cli_tell_test(cli_command *command, const lk_test *test, cli_compared compared)
{
    cli_report report;
    char *text = NULL;
    const lk_status status = lk_test_info(command->context, test, &text);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    json_t *info = json_loads(text, 0, NULL);
    lk_free(command->context, text);
    FILE *out = info != NULL ? cli_report_open(&report) : NULL;
    if (out == NULL) {
        json_decref(info);
        return cli_fail(command, LK_ERROR_MEMORY);
    }
    if (cli_flag(command, "json")) {
        for (int i = 0; i < 2; i++) {
            char key[16];
            snprintf(key, sizeof key, "%s", compared.name[i]);
            key[0] = (char)tolower((unsigned char)key[0]);
            json_object_set_new(info, key, compared.path[i] != NULL ? json_string(compared.path[i]) : json_null());
        }
        json_dumpf(info, out, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
        fputc('\n', out);
    } else {
        for (size_t i = 0; i < 2 && compared.path[i] != NULL; i++) {
            print_table(out, compared.name[i], compared.path[i], info, i);
        }
        print_result(out, info);
        if (json_object_get(info, "by_feature") != NULL) {
            print_features(out, info);
            print_witness(out, info);
        }
    }
    json_decref(info);
    return cli_report_close(command, &report);
}

lk_test_options cli_test_options(const cli_command *command)
{
    return (lk_test_options){.size = sizeof(lk_test_options),
                             .test = cli_text(command, "test"),
                             .kernel = cli_text(command, "kernel"),
                             .bandwidth = cli_given(command, "bandwidth") ? cli_text(command, "bandwidth") : NULL,
                             .features = cli_text(command, "features"),
                             .ignore = cli_text(command, "ignore"),
                             .unscaled = cli_flag(command, "unscaled"),
                             .permutations = cli_integer(command, "permutations"),
                             .slices = cli_integer(command, "slices"),
                             .blocks = cli_integer(command, "blocks"),
                             .seed = cli_integer(command, "seed"),
                             .refit = cli_flag(command, "refit")};
}

int cli_compare_tables(cli_command *command, const lk_table *a, const lk_table *b)
{
    const lk_test_options how = cli_test_options(command);
    lk_test *test = NULL;
    const lk_status status = lk_test_two_samples(command->context, a, b, &how, &test);
    const int code = status == LK_OK ? cli_tell_test(command, test, (cli_compared){{"A", "B"}, {command->operands[0], command->operands[1]}}) : cli_fail(command, status);
    lk_test_free(command->context, test);
    return code;
}

int cli_compare_model(cli_command *command, const lk_model *model, const lk_table *table)
{
    int code;
    const lk_read_options reading = cli_read_options(command, &code);
    const lk_test_options how = cli_test_options(command);
    const char *path = cli_text(command, "boundary");
    lk_table *boundary = NULL;
    lk_test *test = NULL;
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = path != NULL ? lk_table_read(command->context, path, &reading, &boundary) : LK_OK;
    status = status == LK_OK ? lk_test_model(command->context, model, table, boundary, &how, &test) : status;
    code = status == LK_OK ? cli_tell_test(command, test, (cli_compared){{"data", "model"}, {command->operands[1], command->operands[0]}}) : cli_fail(command, status);
    lk_test_free(command->context, test);
    lk_table_free(boundary);
    return code;
}

int cli_compare_columns(cli_command *command)
{
    int code;
    const lk_read_options reading = cli_read_options(command, &code);
    const lk_test_options how = cli_test_options(command);
    const char *text = cli_text(command, "independence"), *bar = strchr(text, '|');
    if (code != CLI_DONE) {
        return code;
    }
    if (bar == NULL || bar == text || bar[1] == '\0' || strchr(bar + 1, '|') != NULL) {
        return cli_usage_error(command, "--independence is '%s'; it wants columns on both sides of one bar, as in 'x,y|z'", text);
    }
    char *left = strndup(text, (size_t)(bar - text));
    lk_table *table = NULL;
    lk_test *test = NULL;
    lk_status status = left != NULL ? lk_table_read(command->context, command->operands[0], &reading, &table) : LK_ERROR_MEMORY;
    status = status == LK_OK ? lk_test_independence(command->context, table, left, bar + 1, &how, &test) : status;
    code = status == LK_OK ? cli_tell_test(command, test, (cli_compared){{"A", "B"}, {command->operands[0], NULL}}) : cli_fail(command, status);
    lk_test_free(command->context, test);
    lk_table_free(table);
    free(left);
    return code;
}
