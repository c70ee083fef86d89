/* A partition from a column: distinct values by one pass, then the group of each row by bisection. */
#include "partition.h"
#include "data/number.h"
#include <math.h>
#include <string.h>

/* The place of v among ascending values, or of the first above it. */
static int64_t place_of(const lki_partition *p, double v)
{
    int64_t low = 0, high = p->K;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (p->values[middle] < v) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static lk_status add_group(lk_context *ctx, const lki_dataset *rows, int64_t row, double v, lki_partition *p)
{
    const int64_t at = place_of(p, v);
    if (at < p->K && p->values[at] == v) {
        return LK_OK;
    }
    if (v != floor(v)) {
        char text[LKI_NUMBER_BYTES];
        lki_format_double(v, text);
        return lki_fail(ctx, LK_ERROR_DATA, "row %lld of column '%s' is %s; the groups of a partition are categories or whole numbers",
                        (long long)row + 1, lk_table_name(rows->table, p->column), text);
    }
    if (p->K == LKI_PARTITION_GROUPS) {
        return lki_fail(ctx, LK_ERROR_DATA, "column '%s' has more than %d groups; a partition has fewer", lk_table_name(rows->table, p->column),
                        (int)LKI_PARTITION_GROUPS);
    }
    memmove(p->values + at + 1, p->values + at, (size_t)(p->K - at) * sizeof(double));
    p->values[at] = v;
    p->K++;
    return LK_OK;
}

lk_status lki_partition_find(lk_context *ctx, const lki_dataset *rows, int64_t column, lki_partition *out)
{
    lki_block b = {0};
    double *values = NULL;
    lk_status status = LK_OK;
    *out = (lki_partition){.column = column};
    if (lk_table_type(rows->table, column) == LK_TYPE_TEXT) {
        return lki_fail(ctx, LK_ERROR_DATA, "column '%s' is text; the groups of a partition are categories or whole numbers (a column's type "
                                            "can be set: %s=category)", lk_table_name(rows->table, column), lk_table_name(rows->table, column));
    }
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_PARTITION_GROUPS, sizeof(double), &out->values));
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof(double), &values));
    for (int64_t index = 0; index < rows->blocks; index++) {
        LKI_GOTO(status, done, lki_cancelled(ctx));
        LKI_GOTO(status, done, lki_dataset_block(ctx, rows, index, &b));
        LKI_GOTO(status, done, lk_table_gather(ctx, rows->table, b.first_row, b.rows, &column, 1, values));
        for (int64_t i = 0; i < b.rows; i++) {
            if (!isnan(values[i]) && (b.w == NULL || b.w[i] > 0.0)) {
                LKI_GOTO(status, done, add_group(ctx, rows, b.first_row + i, values[i], out));
            }
        }
    }
    if (out->K == 0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "column '%s' has no value in any row of positive weight: it is no partition",
                          lk_table_name(rows->table, column));
    }
done:
    lki_block_free(ctx, &b);
    lki_release(ctx, values);
    if (status != LK_OK) {
        lki_partition_free(ctx, out);
    }
    return status;
}

void lki_partition_free(lk_context *ctx, lki_partition *p)
{
    lki_release(ctx, p->values);
    p->values = NULL;
}

lk_status lki_partition_labels(lk_context *ctx, const lki_partition *p, const lki_dataset *rows, const int64_t *numbers, int64_t count,
                               int32_t *labels)
{
    double *values;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof(double), &values));
    for (int64_t first = 0; first < count;) {
        const int64_t start = numbers[first], rest = rows->rows - start, many = rest < LKI_BLOCK_ROWS ? rest : LKI_BLOCK_ROWS;
        LKI_GOTO(status, done, lk_table_gather(ctx, rows->table, start, many, &p->column, 1, values));
        for (; first < count && numbers[first] < start + many; first++) {
            const double v = values[numbers[first] - start];
            labels[first] = isnan(v) ? -1 : (int32_t)place_of(p, v);
        }
    }
done:
    lki_release(ctx, values);
    return status;
}
