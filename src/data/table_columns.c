/* Tables over columns in the caller's memory, which are not copied. */
#include "data/table_impl.h"

#include "data/number.h"
#include <math.h>
#include <string.h>

/* Whether the columns are those of one matrix, row after row without gaps. */
static bool one_matrix(const lk_array_column *columns, int64_t count)
{
    for (int64_t c = 0; c < count; c++) {
        if (columns[c].stride != count || columns[c].values != columns[0].values + c) {
            return false;
        }
    }
    return true;
}

static lk_status take_levels(lk_context *ctx, lk_table *table, int64_t c, const lk_array_column *from)
{
    lki_table_column *column = &table->columns[c];
    for (int64_t i = 0; i < from->level_count; i++) {
        size_t number;
        const char *level = from->levels[i];
        LKI_TRY(lki_string_list_intern(ctx, &table->memory, &column->strings, level, strlen(level), &number));
        if (number != (size_t)i) {
            return lki_fail(ctx, LK_ERROR_DATA, "column '%s': levels %zu and %lld are both '%.100s'; every level needs a name of its own",
                            column->name, number + 1, (long long)i + 1, level);
        }
    }
    return LK_OK;
}

static lk_status fail_value(lk_context *ctx, const lk_table *table, int64_t c, int64_t row, double value, const char *right)
{
    char number[LKI_NUMBER_BYTES];
    lki_format_double(value, number);
    return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column '%s' is %s; %s", (long long)row + 1, table->columns[c].name, number, right);
}

static lk_status check_values(lk_context *ctx, const lk_table *table, int64_t c, const lk_array_column *from, int64_t rows)
{
    double most = from->type == LK_TYPE_CATEGORY ? (double)from->level_count - 1.0 : HUGE_VAL;
    for (int64_t r = 0; r < rows; r++) {
        double v = from->values[r * from->stride];
        if (isinf(v)) {
            return fail_value(ctx, table, c, r, v, "every value must be finite, or NaN where it is missing");
        }
        if (from->type != LK_TYPE_REAL && v != floor(v) && !isnan(v)) {
            return fail_value(ctx, table, c, r, v, "a column of integers or of a category holds whole numbers");
        }
        if (from->type == LK_TYPE_CATEGORY && (v < 0.0 || v > most)) {
            return fail_value(ctx, table, c, r, v, "the values of a category are numbers of its levels, counted from 0");
        }
    }
    return LK_OK;
}

static lk_status take_column(lk_context *ctx, lk_table *table, int64_t c, const lk_array_column *from, int64_t rows)
{
    if (from->type != LK_TYPE_REAL && from->type != LK_TYPE_INTEGER && from->type != LK_TYPE_CATEGORY) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "column %lld has type %d; it must be real, integer or category", (long long)c + 1,
                        (int)from->type);
    }
    if ((from->values == NULL && rows > 0) || from->level_count < 0 || (from->levels == NULL && from->level_count > 0)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "column %lld has no values or no levels", (long long)c + 1);
    }
    table->columns[c].type = from->type;
    LKI_TRY(lki_table_set_name(ctx, table, c, from->name, from->name == NULL ? 0 : strlen(from->name)));
    if (from->type == LK_TYPE_CATEGORY) {
        LKI_TRY(take_levels(ctx, table, c, from));
    }
    return check_values(ctx, table, c, from, rows);
}

lk_status lk_table_from_columns(lk_context *context, const lk_array_column *columns, int64_t count, int64_t rows, lk_table **out)
{
    lki_begin(context);
    if (rows < 0 || count < 1 || columns == NULL || out == NULL) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "a table of %lld rows and %lld columns; rows must be at least 0, columns at least 1",
                        (long long)rows, (long long)count);
    }
    lk_table *table = NULL;
    LKI_TRY(lki_table_new(context, count, &table));
    lk_status status = LK_OK;
    for (int64_t c = 0; c < count; c++) {
        LKI_GOTO(status, fail, take_column(context, table, c, &columns[c], rows));
        table->named = table->named || columns[c].name != NULL;
    }
    LKI_GOTO(status, fail, lki_table_check_names(context, table, "array"));
    table->rows = rows;
    if (one_matrix(columns, count) && rows > 0) {
        table->values = columns[0].values;
    } else {
        size_t bytes = lki_product((size_t)count, sizeof(lki_table_part));
        lki_table_part *parts = bytes == SIZE_MAX ? NULL : lki_memory_allocate(&table->memory, bytes);
        if (parts == NULL) {
            status = lki_fail(context, LK_ERROR_MEMORY, "out of memory: a table of %lld columns", (long long)count);
            goto fail;
        }
        for (int64_t c = 0; c < count; c++) {
            parts[c] = (lki_table_part){columns[c].values, columns[c].stride};
        }
        table->parts = parts;
    }
    *out = table;
    return LK_OK;
fail:
    lk_table_free(table);
    return status;
}
