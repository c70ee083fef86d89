/* Finds the classes of a label column, and parts the rows of a table by them. */
#include "data/labels.h"

#include "data/number.h"
#include "data/table_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void lki_labels_free(lk_context *ctx, lki_labels *labels)
{
    for (int64_t k = 0; labels->names != NULL && k < labels->count; k++) {
        lki_release(ctx, labels->names[k]);
    }
    lki_release(ctx, labels->names);
    lki_release(ctx, labels->order);
    lki_release(ctx, labels->values);
    *labels = (lki_labels){0};
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int64_t lki_labels_class(const lki_labels *labels, double value)
{
    if (isnan(value)) {
        return -1;
    }
    const double *found = bsearch(&value, labels->values, (size_t)labels->count, sizeof value, compare_doubles);
    return found != NULL ? labels->order[found - labels->values] : -2;
}

/* A class while the order is made. */
typedef struct entry {
    double value;
    int64_t class;
    const char *name;
} entry;

static int compare_values(const void *a, const void *b)
{
    const entry *p = a, *q = b;
    return (p->value > q->value) - (p->value < q->value);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

/* Makes room for `count` classes and takes over the entries, which become ordered by value. */
static lk_status take_entries(lk_context *ctx, entry *entries, int64_t count, lki_labels *out)
{
    LKI_TRY(lki_zeros(ctx, (size_t)count, sizeof *out->names, &out->names));
    out->count = count;
    for (int64_t k = 0; k < count; k++) {
        char number[LKI_NUMBER_BYTES];
        if (entries[k].name == NULL) {
            lki_format_double(entries[k].value, number);
        }
        LKI_TRY(lki_copy_text(ctx, entries[k].name != NULL ? entries[k].name : number, &out->names[k]));
        entries[k].class = k;
    }
    qsort(entries, (size_t)count, sizeof *entries, compare_values);
    LKI_TRY(lki_allocate(ctx, (size_t)count, sizeof *out->order, &out->order));
    LKI_TRY(lki_allocate(ctx, (size_t)count, sizeof *out->values, &out->values));
    for (int64_t k = 0; k < count; k++) {
        out->order[k] = entries[k].class;
        out->values[k] = entries[k].value;
    }
    return LK_OK;
}

/* ---- the classes there are ---- */

/* Distinct values, ascending. */
typedef struct distinct {
    double *values;
    int64_t count;
} distinct;

static lk_status note_value(lk_context *ctx, distinct *seen, double v, const char *column)
{
    int64_t low = 0, high = seen->count;
    v += 0.0; /* -0 is 0 */
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (seen->values[middle] < v) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < seen->count && seen->values[low] == v) {
        return LK_OK;
    }
    if (seen->count == LKI_LABELS_MOST) {
        return lki_fail(ctx, LK_ERROR_DATA, "column '%s' has more than %d different values; a label names classes", column,
                        (int)LKI_LABELS_MOST);
    }
    memmove(seen->values + low + 1, seen->values + low, (size_t)(seen->count - low) * sizeof v);
    seen->values[low] = v;
    seen->count++;
    return LK_OK;
}

/* The column alone, as the only feature of a dataset. */
static lk_status scan_column(lk_context *ctx, const lk_table *table, int64_t column, int64_t weight, distinct *seen, double *missing)
{
    int64_t rows = lk_table_rows(table);
    const lki_dataset data = {.table = table, .features = &column, .d = 1, .weight = weight, .rows = rows,
                              .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS};
    lki_block block = {0};
    lk_status status = LK_OK;
    *missing = 0.0;
    for (int64_t b = 0; b < data.blocks && status == LK_OK; b++) {
        status = lki_cancelled(ctx);
        status = status == LK_OK ? lki_dataset_block(ctx, &data, b, &block) : status;
        for (int64_t i = 0; status == LK_OK && i < block.rows; i++) {
            double w = block.w != NULL ? block.w[i] : 1.0;
            if (w > 0.0 && isnan(block.x[i])) {
                *missing += w;
            } else if (w > 0.0) {
                status = note_value(ctx, seen, block.x[i], lk_table_name(table, column));
            }
        }
    }
    lki_block_free(ctx, &block);
    return status;
}

lk_status lki_labels_find(lk_context *ctx, const lk_table *table, int64_t column, int64_t weight, lki_labels *out)
{
    const char *name = lk_table_name(table, column);
    const bool category = lk_table_type(table, column) == LK_TYPE_CATEGORY;
    distinct seen = {0};
    entry *entries = NULL;
    lki_labels labels = {.column = column};
    lk_status status = LK_OK;
    if (lk_table_type(table, column) == LK_TYPE_TEXT) {
        return lki_fail(ctx, LK_ERROR_DATA, "column '%s' is text, whose values hardly repeat; a label names classes (a column's type can be "
                        "set: %s=category)", name, name);
    }
    const int64_t levels = lk_table_levels(table, column);
    LKI_TRY(lki_allocate(ctx, (size_t)(category && levels > LKI_LABELS_MOST ? levels : LKI_LABELS_MOST), sizeof *seen.values, &seen.values));
    LKI_GOTO(status, done, scan_column(ctx, table, column, weight, &seen, &labels.missing));
    if (seen.count == 0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "no row with a positive weight has a label in column '%s'", name);
        goto done;
    }
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)seen.count, sizeof *entries, &entries));
    for (int64_t k = 0; k < seen.count; k++) {
        entries[k] = (entry){.value = seen.values[k], .name = category ? lk_table_level(table, column, (int64_t)seen.values[k]) : NULL};
    }
    if (category) {
        qsort(entries, (size_t)seen.count, sizeof *entries, compare_names);
    }
    LKI_GOTO(status, done, take_entries(ctx, entries, seen.count, &labels));
    *out = labels;
    labels = (lki_labels){0};
done:
    lki_labels_free(ctx, &labels);
    lki_release(ctx, entries);
    lki_release(ctx, seen.values);
    return status;
}

/* The value that stands for a class in a column; NaN where the column has none. */
static double value_of(const lk_table *table, int64_t column, const char *name)
{
    const char *end = name + strlen(name);
    double v;
    switch (lk_table_type(table, column)) {
    case LK_TYPE_CATEGORY:
        for (int64_t i = 0; i < lk_table_levels(table, column); i++) {
            if (strcmp(lk_table_level(table, column, i), name) == 0) {
                return (double)i;
            }
        }
        return (double)NAN;
    case LK_TYPE_REAL:
    case LK_TYPE_INTEGER:
        return lki_parse_double(name, end, &v) == end ? v : (double)NAN;
    case LK_TYPE_TEXT:
        break;
    }
    return (double)NAN;
}

lk_status lki_labels_match(lk_context *ctx, const lk_table *table, int64_t column, const lk_table *classes, lki_labels *out)
{
    int64_t count = lk_table_levels(classes, 0);
    entry *entries = NULL;
    lki_labels labels = {.column = column};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)count, sizeof *entries, &entries));
    for (int64_t k = 0; k < count; k++) {
        const char *name = lk_table_level(classes, 0, k);
        double v = value_of(table, column, name);
        /* A class that the column lacks stands beyond every value that it can have. */
        entries[k] = (entry){.value = isfinite(v) ? v : (double)INFINITY, .name = name};
    }
    LKI_GOTO(status, done, take_entries(ctx, entries, count, &labels));
    *out = labels;
    labels = (lki_labels){0};
done:
    lki_labels_free(ctx, &labels);
    lki_release(ctx, entries);
    return status;
}

/* ---- rows by class ---- */

/* One block, its labels, and its rows ordered by class. */
typedef struct parting {
    const lki_dataset *dataset;
    const lki_labels *labels;
    int64_t columns; /* d, and one for the weights */
    lki_block block;
    double *label;   /* LKI_BLOCK_ROWS */
    int64_t *class;  /* LKI_BLOCK_ROWS; below 0 = takes no part */
    int64_t *start;  /* classes + 1: where each class begins in `sorted` */
    double *sorted;  /* LKI_BLOCK_ROWS x columns */
} parting;

static lk_status read_block(lk_context *ctx, parting *p, int64_t b)
{
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(lki_dataset_block(ctx, p->dataset, b, &p->block));
    LKI_TRY(lk_table_gather(ctx, p->dataset->table, p->block.first_row, p->block.rows, &p->labels->column, 1, p->label));
    for (int64_t i = 0; i < p->block.rows; i++) {
        bool used = p->block.w == NULL || p->block.w[i] > 0.0;
        p->class[i] = used ? lki_labels_class(p->labels, p->label[i]) : -1;
    }
    return LK_OK;
}

/* The block's rows by class, in their order within each. */
static void sort_block(parting *p)
{
    int64_t d = p->dataset->d, count = p->labels->count, rows = 0;
    memset(p->start, 0, (size_t)(count + 1) * sizeof *p->start);
    for (int64_t i = 0; i < p->block.rows; i++) {
        p->start[p->class[i] < 0 ? count : p->class[i]]++;
    }
    for (int64_t k = 0; k <= count; k++) {
        int64_t here = p->start[k];
        p->start[k] = rows;
        rows += here;
    }
    for (int64_t i = 0; i < p->block.rows; i++) {
        if (p->class[i] >= 0) {
            double *row = p->sorted + p->start[p->class[i]]++ * p->columns;
            memcpy(row, p->block.x + i * d, (size_t)d * sizeof *row);
            if (p->columns > d) {
                row[d] = p->block.w[i];
            }
        }
    }
    memmove(p->start + 1, p->start, (size_t)count * sizeof *p->start); /* each class now ends where the next begins */
    p->start[0] = 0;
}

/* A table for the rows of a class, to be filled; on disk where `spooled`. */
static lk_status open_table(lk_context *ctx, const parting *p, lki_class_rows *c, bool spooled)
{
    const lki_dataset *data = p->dataset;
    LKI_TRY(lki_table_new(ctx, p->columns, &c->table));
    for (int64_t j = 0; j < p->columns; j++) {
        const char *name = lk_table_name(data->table, j < data->d ? data->features[j] : data->weight);
        LKI_TRY(lki_table_set_name(ctx, c->table, j, name, strlen(name)));
    }
    c->table->named = true;
    c->table->rows = c->rows;
    if (spooled) {
        LKI_TRY(lki_spool_open(ctx, &c->table->file.descriptor));
        c->table->file.rows = c->rows;
        c->table->file.columns = p->columns;
        c->table->file.element = LKI_ELEMENT_F64;
        c->table->file.element_bytes = sizeof(double);
        c->table->file.trusted = true;
        return lki_copy_text(ctx, "the rows of a class", &c->table->file.name);
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)c->rows, (size_t)p->columns), sizeof(double), &c->table->owned));
    c->table->values = c->table->owned;
    return LK_OK;
}

/* Appends the block's rows to the tables; `filled` counts those already there. */
static lk_status append_block(lk_context *ctx, const parting *p, lki_class_rows *out, int64_t *filled)
{
    for (int64_t k = 0; k < p->labels->count; k++) {
        int64_t rows = p->start[k + 1] - p->start[k];
        const double *from = p->sorted + p->start[k] * p->columns;
        size_t bytes = (size_t)(rows * p->columns) * sizeof *from;
        if (rows > 0 && out[k].table->owned == NULL) {
            LKI_TRY(lki_spool_write(ctx, out[k].table->file.descriptor, from, bytes));
        } else if (rows > 0) {
            memcpy(out[k].table->owned + filled[k] * p->columns, from, bytes);
        }
        filled[k] += rows;
    }
    return LK_OK;
}

/* How many rows each class has, and their weight. */
static lk_status count_rows(lk_context *ctx, parting *p, lki_class_rows *out)
{
    for (int64_t b = 0; b < p->dataset->blocks; b++) {
        LKI_TRY(read_block(ctx, p, b));
        for (int64_t i = 0; i < p->block.rows; i++) {
            if (p->class[i] >= 0) {
                out[p->class[i]].rows++;
                out[p->class[i]].weight += p->block.w != NULL ? p->block.w[i] : 1.0;
            }
        }
    }
    return LK_OK;
}

static lk_status part(lk_context *ctx, parting *p, lki_class_rows *out, int64_t *filled)
{
    int64_t total = 0;
    LKI_TRY(count_rows(ctx, p, out));
    for (int64_t k = 0; k < p->labels->count; k++) {
        total += out[k].rows;
    }
    size_t bytes = lki_product(lki_product((size_t)total, (size_t)p->columns), sizeof(double));
    for (int64_t k = 0; k < p->labels->count; k++) {
        if (out[k].rows > 0) {
            LKI_TRY(open_table(ctx, p, &out[k], bytes > (size_t)lki_memory_limit(ctx)));
        }
    }
    for (int64_t b = 0; b < p->dataset->blocks; b++) {
        LKI_TRY(read_block(ctx, p, b));
        sort_block(p);
        LKI_TRY(append_block(ctx, p, out, filled));
    }
    return LK_OK;
}

lk_status lki_labels_part(lk_context *ctx, const lki_dataset *dataset, const lki_labels *labels, lki_class_rows *out)
{
    parting p = {.dataset = dataset, .labels = labels, .columns = dataset->d + (dataset->weight >= 0 ? 1 : 0)};
    int64_t *filled = NULL;
    lk_status status = LK_OK;
    memset(out, 0, (size_t)labels->count * sizeof *out);
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof *p.label, &p.label));
    LKI_GOTO(status, done, lki_allocate(ctx, LKI_BLOCK_ROWS, sizeof *p.class, &p.class));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)labels->count + 1, sizeof *p.start, &p.start));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(LKI_BLOCK_ROWS, (size_t)p.columns), sizeof *p.sorted, &p.sorted));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)labels->count, sizeof *filled, &filled));
    status = part(ctx, &p, out, filled);
done:
    for (int64_t k = 0; status != LK_OK && k < labels->count; k++) {
        lk_table_free(out[k].table);
        out[k].table = NULL;
    }
    lki_release(ctx, filled);
    lki_release(ctx, p.sorted);
    lki_release(ctx, p.start);
    lki_release(ctx, p.class);
    lki_release(ctx, p.label);
    lki_block_free(ctx, &p.block);
    return status;
}
