/* Tables: what every storage has in common, and the ones made from an array. */
#include "data/table_impl.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

lk_status lki_table_new(lk_context *ctx, int64_t columns, lk_table **out)
{
    lki_memory memory = lki_memory_of(ctx);
    lk_table *table = lki_memory_allocate(&memory, sizeof *table);
    if (table == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a table");
    }
    *table = (lk_table){.memory = memory, .column_count = columns, .owns_columns = true, .keeps_text = true};
    table->file.descriptor = -1;
    size_t bytes = lki_product((size_t)columns, sizeof *table->columns);
    table->columns = bytes == SIZE_MAX ? NULL : lki_memory_allocate(&memory, bytes > 0 ? bytes : 1);
    if (table->columns == NULL) {
        lki_memory_release(&memory, table);
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a table of %lld columns", (long long)columns);
    }
    memset(table->columns, 0, bytes);
    *out = table;
    return LK_OK;
}

lk_status lki_table_set_name(lk_context *ctx, lk_table *table, int64_t column, const char *name, size_t length)
{
    char made[32];
    if (name == NULL) {
        length = (size_t)snprintf(made, sizeof made, "x%lld", (long long)column + 1);
        name = made;
    }
    char *copy = lki_memory_allocate(&table->memory, length + 1);
    if (copy == NULL) {
        return lki_fail(ctx, LK_ERROR_MEMORY, "out of memory: a column's name of %zu bytes", length);
    }
    memcpy(copy, name, length);
    copy[length] = '\0';
    lki_memory_release(&table->memory, table->columns[column].name);
    table->columns[column].name = copy;
    return LK_OK;
}

lk_status lki_table_check_names(lk_context *ctx, const lk_table *table, const char *file)
{
    lki_string_list seen = {0};
    lk_status status = LK_OK;
    for (int64_t c = 0; c < table->column_count; c++) {
        const char *name = table->columns[c].name;
        size_t number;
        LKI_GOTO(status, done, lki_string_list_intern(ctx, &table->memory, &seen, name, strlen(name), &number));
        if (number != (size_t)c) {
            status = lki_fail(ctx, LK_ERROR_DATA, "%s: columns %zu and %lld are both named '%s'; every column needs a name of its own",
                              file, number + 1, (long long)c + 1, name);
            goto done;
        }
    }
done:
    lki_string_list_free(&table->memory, &seen);
    return status;
}

lk_status lk_table_from_array(lk_context *context, const double *values, int64_t rows, int64_t columns, const char *const *names,
                              lk_table **out)
{
    lki_begin(context);
    if (rows < 0 || columns < 1 || out == NULL || (values == NULL && rows > 0)) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "a table of %lld rows and %lld columns; rows must be at least 0, columns at least 1",
                        (long long)rows, (long long)columns);
    }
    lk_table *table = NULL;
    LKI_TRY(lki_table_new(context, columns, &table));
    lk_status status = LK_OK;
    for (int64_t c = 0; c < columns; c++) {
        const char *name = names == NULL ? NULL : names[c];
        LKI_GOTO(status, fail, lki_table_set_name(context, table, c, name, name == NULL ? 0 : strlen(name)));
    }
    LKI_GOTO(status, fail, lki_table_check_names(context, table, "array"));
    size_t count = lki_product((size_t)rows, (size_t)columns);
    size_t bytes = lki_product(count, sizeof(double));
    table->owned = bytes == SIZE_MAX ? NULL : lki_memory_allocate(&table->memory, bytes > 0 ? bytes : 1);
    if (table->owned == NULL) {
        status = lki_fail(context, LK_ERROR_MEMORY, "out of memory: a table of %lld rows and %lld columns", (long long)rows,
                          (long long)columns);
        goto fail;
    }
    size_t infinite = lki_find_infinity(values, count);
    if (infinite < count) {
        status = lki_fail_infinity(context, "array", (int64_t)(infinite / (size_t)columns), (int64_t)(infinite % (size_t)columns),
                                   values[infinite]);
        goto fail;
    }
    if (bytes > 0) {
        memcpy(table->owned, values, bytes);
    }
    table->values = table->owned;
    table->rows = rows;
    table->named = names != NULL;
    *out = table;
    return LK_OK;
fail:
    lk_table_free(table);
    return status;
}

void lk_table_free(lk_table *table)
{
    if (table == NULL) {
        return;
    }
    lki_memory memory = table->memory;
    if (table->owns_columns) {
        for (int64_t c = 0; c < table->column_count; c++) {
            lki_memory_release(&memory, table->columns[c].name);
            lki_string_list_free(&memory, &table->columns[c].strings);
        }
        lki_memory_release(&memory, table->columns);
    }
    lki_memory_release(&memory, table->owned);
    lki_memory_release(&memory, (void *)table->parts);
    if (table->mapping != NULL) {
        munmap(table->mapping, table->mapping_bytes);
    }
    if (table->file.descriptor >= 0) {
        close(table->file.descriptor);
    }
    lki_memory_release(&memory, table->file.name);
    lki_memory_release(&memory, table);
}

int64_t lk_table_rows(const lk_table *table)
{
    return table->rows;
}

int64_t lk_table_columns(const lk_table *table)
{
    return table->column_count;
}

static const lki_table_column *column_of(const lk_table *table, int64_t column)
{
    return column >= 0 && column < table->column_count ? &table->columns[column] : NULL;
}

const char *lk_table_name(const lk_table *table, int64_t column)
{
    const lki_table_column *c = column_of(table, column);
    return c == NULL ? NULL : c->name;
}

lk_type lk_table_type(const lk_table *table, int64_t column)
{
    const lki_table_column *c = column_of(table, column);
    return c == NULL ? LK_TYPE_REAL : c->type;
}

int64_t lk_table_levels(const lk_table *table, int64_t column)
{
    const lki_table_column *c = column_of(table, column);
    return c == NULL || c->type != LK_TYPE_CATEGORY ? 0 : (int64_t)c->strings.count;
}

const char *lk_table_level(const lk_table *table, int64_t column, int64_t level)
{
    return level < 0 || level >= lk_table_levels(table, column) ? NULL
                                                                : lki_string_list_at(&table->columns[column].strings, (size_t)level);
}

const char *lk_table_text(const lk_table *table, int64_t column, double value)
{
    const lki_table_column *c = column_of(table, column);
    if (c == NULL || c->type != LK_TYPE_TEXT || !table->keeps_text || !(value >= 0 && value < (double)c->strings.count)) {
        return NULL;
    }
    return lki_string_list_at(&c->strings, (size_t)value);
}

int lki_table_named(const lk_table *table)
{
    return table->named ? 1 : 0;
}

int lki_table_in_memory(const lk_table *table)
{
    return table->values != NULL || table->parts != NULL;
}

const double *lki_table_direct(const lk_table *table)
{
    return table->values;
}

/* The names there are, for an error text, cut with an ellipsis where they do not fit. */
static void list_names(const lk_table *table, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (int64_t c = 0; c < table->column_count; c++) {
        const char *name = table->columns[c].name == NULL ? "" : table->columns[c].name;
        size_t need = strlen(name) + 2;
        if (used + need + 8 > size) {
            snprintf(text + used, size - used, "%s...", used > 0 ? ", " : "");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
    }
}

/* Column by name[0..length), then by a 1-based position in digits; -1 if there is none. */
static int64_t find_column(const lk_table *table, const char *name, size_t length)
{
    for (int64_t c = 0; c < table->column_count; c++) {
        if (strlen(table->columns[c].name) == length && memcmp(table->columns[c].name, name, length) == 0) {
            return c;
        }
    }
    int64_t position = 0;
    for (size_t i = 0; i < length; i++) {
        if (name[i] < '0' || name[i] > '9' || position > table->column_count) {
            return -1;
        }
        position = position * 10 + (name[i] - '0');
    }
    return position >= 1 && position <= table->column_count ? position - 1 : -1;
}

static lk_status fail_no_column(lk_context *ctx, const lk_table *table, const char *name, size_t length)
{
    char names[512];
    list_names(table, names, sizeof names);
    int shown = length > 200 ? 200 : (int)length;
    return lki_fail(ctx, LK_ERROR_ARGUMENT, "there is no column '%.*s'; the columns are %s, or a position from 1 to %lld", shown, name,
                    names, (long long)table->column_count);
}

lk_status lk_table_find(lk_context *context, const lk_table *table, const char *name, int64_t *out)
{
    lki_begin(context);
    int64_t column = find_column(table, name, strlen(name));
    if (column < 0) {
        return fail_no_column(context, table, name, strlen(name));
    }
    *out = column;
    return LK_OK;
}

lk_status lki_table_find_list(lk_context *ctx, const lk_table *table, const char *list, int64_t *out, int64_t *count)
{
    /* A name that itself holds a comma can stand alone. */
    int64_t whole = find_column(table, list, strlen(list));
    if (whole >= 0) {
        out[0] = whole;
        *count = 1;
        return LK_OK;
    }
    int64_t found = 0;
    for (const char *p = list;;) {
        size_t length = strcspn(p, ",");
        int64_t column = find_column(table, p, length);
        if (column < 0) {
            return fail_no_column(ctx, table, p, length);
        }
        for (int64_t i = 0; i < found; i++) {
            if (out[i] == column) {
                return lki_fail(ctx, LK_ERROR_ARGUMENT, "column '%s' stands twice in '%s'", table->columns[column].name, list);
            }
        }
        out[found++] = column;
        if (p[length] == '\0') {
            break;
        }
        p += length + 1;
    }
    *count = found;
    return LK_OK;
}

static void gather_parts(const lk_table *table, int64_t first_row, int64_t rows, const int64_t *columns, int64_t count, double *out)
{
    for (int64_t i = 0; i < count; i++) {
        lki_table_part part = table->parts[columns[i]];
        const double *from = part.values + first_row * part.stride;
        for (int64_t r = 0; r < rows; r++) {
            out[r * count + i] = from[r * part.stride];
        }
    }
}

/* Whether the columns are all of the table's, in order: then rows are copied whole. */
static bool all_in_order(const lk_table *table, const int64_t *columns, int64_t count)
{
    if (count != table->column_count) {
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        if (columns[i] != i) {
            return false;
        }
    }
    return true;
}

lk_status lk_table_gather(lk_context *context, const lk_table *table, int64_t first_row, int64_t rows, const int64_t *columns,
                          int64_t count, double *out)
{
    if (first_row < 0 || rows < 0 || first_row > table->rows || rows > table->rows - first_row) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "rows %lld to %lld were asked for; the table has %lld", (long long)first_row + 1,
                        (long long)(first_row + rows), (long long)table->rows);
    }
    for (int64_t i = 0; i < count; i++) {
        if (columns[i] < 0 || columns[i] >= table->column_count) {
            return lki_fail(context, LK_ERROR_ARGUMENT, "column %lld was asked for; the table has %lld", (long long)columns[i] + 1,
                            (long long)table->column_count);
        }
    }
    if (rows == 0 || count <= 0) {
        return LK_OK;
    }
    if (table->parts != NULL) {
        gather_parts(table, first_row, rows, columns, count, out);
        return LK_OK;
    }
    bool whole = all_in_order(table, columns, count);
    if (table->values == NULL) {
        return lki_array_file_gather(context, &table->file, first_row, rows, whole ? NULL : columns, count, out);
    }
    const double *from = table->values + first_row * table->column_count;
    if (whole) {
        memcpy(out, from, (size_t)(rows * count) * sizeof *out);
        return LK_OK;
    }
    for (int64_t r = 0; r < rows; r++, from += table->column_count) {
        for (int64_t i = 0; i < count; i++) {
            *out++ = from[columns[i]];
        }
    }
    return LK_OK;
}
