/* Two tables as one: the features of a source and of a target side by side, each row with one half of them missing. */
#include "cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows are copied in pieces of so many. */
enum { PIECE = 4096 };

static bool numeric(const lk_table *table, int64_t column)
{
    return lk_table_type(table, column) == LK_TYPE_REAL || lk_table_type(table, column) == LK_TYPE_INTEGER;
}

/* The columns of --features of a table, or all that are numeric; the caller frees them. */
static int choose(const cli_command *command, const lk_table *table, const char *what, int64_t **out, int64_t *count)
{
    const int64_t columns = lk_table_columns(table);
    const char *names = cli_text(command, "features");
    int64_t *chosen = calloc((size_t)columns, sizeof *chosen);
    char *copy = strdup(names == NULL ? "" : names), *rest = NULL;
    int code = chosen == NULL || copy == NULL ? cli_fail(command, LK_ERROR_MEMORY) : CLI_DONE;
    *count = 0;
    for (int64_t j = 0; code == CLI_DONE && names == NULL && j < columns; j++) {
        if (numeric(table, j)) {
            chosen[(*count)++] = j;
        }
    }
    for (char *name = names == NULL || code != CLI_DONE ? NULL : strtok_r(copy, ",", &rest); name != NULL && code == CLI_DONE;
         name = strtok_r(NULL, ",", &rest)) {
        lk_status status = *count < columns ? lk_table_find(command->context, table, name, &chosen[*count]) : LK_ERROR_ARGUMENT;
        code = status == LK_OK                          ? CLI_DONE
               : *count == columns                      ? cli_usage_error(command, "--features names more columns than the %s has", what)
                                                        : cli_fail(command, status);
        if (code == CLI_DONE && !numeric(table, chosen[*count])) {
            code = cli_error("column %s of the %s is not numeric", name, what);
        }
        *count += code == CLI_DONE ? 1 : 0;
    }
    free(copy);
    if (code == CLI_DONE && *count == 0) {
        code = cli_error("the %s has no numeric column", what);
    }
    if (code != CLI_DONE) {
        free(chosen);
        return code;
    }
    *out = chosen;
    return CLI_DONE;
}

/* Rows of a table into one half of the columns of the values; the other half is missing. */
static lk_status copy_rows(const cli_command *command, const lk_table *table, const int64_t *columns, int64_t m, int half, double *values)
{
    double *piece = malloc((size_t)(PIECE * m) * sizeof *piece);
    const int64_t rows = lk_table_rows(table);
    lk_status status = piece == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t first = 0; first < rows && status == LK_OK; first += PIECE) {
        const int64_t n = rows - first < PIECE ? rows - first : PIECE;
        status = lk_table_gather(command->context, table, first, n, columns, m, piece);
        for (int64_t i = 0; i < n && status == LK_OK; i++) {
            for (int64_t j = 0; j < m; j++) {
                double *row = values + (first + i) * 2 * m;
                row[half * m + j] = piece[i * m + j];
                row[(1 - half) * m + j] = (double)NAN;
            }
        }
    }
    free(piece);
    return status;
}

/* NAME, or NAME_to where the source has a feature of that name. */
static char *target_name(const lk_table *source, const int64_t *columns, int64_t m, const char *name)
{
    char *out = NULL;
    bool taken = false;
    for (int64_t j = 0; j < m; j++) {
        taken = taken || strcmp(lk_table_name(source, columns[j]), name) == 0;
    }
    return asprintf(&out, taken ? "%s_to" : "%s", name) < 0 ? NULL : out;
}

static int join(const cli_command *command, const lk_table *source, const lk_table *target, const int64_t *a, const int64_t *b, int64_t m,
                lk_table **out)
{
    const int64_t n0 = lk_table_rows(source), n1 = lk_table_rows(target);
    double *values = malloc((size_t)((n0 + n1) * 2 * m) * sizeof *values + 1);
    char **names = calloc((size_t)(2 * m), sizeof *names);
    lk_status status = values == NULL || names == NULL ? LK_ERROR_MEMORY : LK_OK;
    for (int64_t j = 0; j < m && status == LK_OK; j++) {
        names[j] = strdup(lk_table_name(source, a[j]));
        names[m + j] = target_name(source, a, m, lk_table_name(target, b[j]));
        status = names[j] == NULL || names[m + j] == NULL ? LK_ERROR_MEMORY : LK_OK;
    }
    status = status == LK_OK ? copy_rows(command, source, a, m, 0, values) : status;
    status = status == LK_OK ? copy_rows(command, target, b, m, 1, values + n0 * 2 * m) : status;
    status = status == LK_OK ? lk_table_from_array(command->context, values, n0 + n1, 2 * m, (const char *const *)names, out) : status;
    for (int64_t j = 0; names != NULL && j < 2 * m; j++) {
        free(names[j]);
    }
    free(names);
    free(values);
    return status == LK_OK ? CLI_DONE : cli_fail(command, status);
}

int cli_stack_tables(const cli_command *command, const lk_table *source, const char *target_path, lk_table **out)
{
    lk_table *target = NULL;
    int64_t *a = NULL, *b = NULL, m = 0, n = 0;
    int code;
    lk_read_options reading = cli_read_options(command, &code);
    if (code != CLI_DONE) {
        return code;
    }
    lk_status status = lk_table_read(command->context, target_path, &reading, &target);
    if (status != LK_OK) {
        return cli_fail(command, status);
    }
    code = choose(command, source, "table", &a, &m);
    code = code == CLI_DONE ? choose(command, target, "target table", &b, &n) : code;
    if (code == CLI_DONE && m != n) {
        code = cli_error("the table has %lld numeric columns and the target table %lld; a bridge wants as many there as here: --features names them",
                         (long long)m, (long long)n);
    }
    code = code == CLI_DONE ? join(command, source, target, a, b, m, out) : code;
    free(a);
    free(b);
    lk_table_free(target);
    return code;
}
