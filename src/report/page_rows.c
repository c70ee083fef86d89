/* Rows of a table that stand for all in a report: chosen by seed, whatever holds the table. */
#include "core/philox.h"
#include "data/json_text.h"
#include "data/labels.h"
#include "report/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Values that the sampled rows may occupy. */
enum { SAMPLE_VALUES = 4000000, SAMPLE_LEAST = 2000 };

static int64_t label_column(const lki_page *page, const lk_table *table)
{
    const lk_table *classes = lk_model_classes(page->model);
    for (int64_t c = 0; classes != NULL && c < lk_table_columns(table); c++) {
        if (strcmp(lk_table_name(table, c), lk_table_name(classes, 0)) == 0) {
            return c;
        }
    }
    return -1;
}

/* The classes of the chosen rows. */
static lk_status choose_classes(lk_context *ctx, const lki_page *page, int64_t column, lki_page_rows *r)
{
    lki_labels labels = {0};
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)r->count, sizeof *r->classes, &r->classes));
    LKI_GOTO(status, done, lki_labels_match(ctx, r->table, column, lk_model_classes(page->model), &labels));
    for (int64_t i = 0; i < r->count; i++) {
        double value;
        LKI_GOTO(status, done, lk_table_gather(ctx, r->table, r->row[i], 1, &column, 1, &value));
        int64_t c = lki_labels_class(&labels, value);
        r->classes[i] = c < 0 ? (double)NAN : (double)c;
    }
done:
    lki_labels_free(ctx, &labels);
    return status;
}

/* The column of weights: of the data it must be there, of held-out rows it may. */
static lk_status find_weight(lk_context *ctx, const lki_page *page, const lk_table *table, int64_t *out)
{
    const char *name = page->options.weight;
    *out = -1;
    if (name != NULL && table != page->options.held_out) {
        return lk_table_find(ctx, table, name, out);
    }
    for (int64_t c = 0; name != NULL && c < lk_table_columns(table); c++) {
        *out = strcmp(lk_table_name(table, c), name) == 0 ? c : *out;
    }
    return LK_OK;
}

/* Walks over the weights: their sum to *total, and (after a first walk) the numbers of the rows at r->count places of it, one at random in each
 * of as many equal runs, so that a row is taken as often as its weight says. */
static lk_status walk_weights(lk_context *ctx, const lki_page *page, lki_page_rows *r, bool choose, double *total)
{
    double w[LKI_PAGE_PIECE / 8], sum = 0.0, next = 0.0;
    int64_t piece = (int64_t)(sizeof w / sizeof w[0]), taken = 0, last = -1;
    for (int64_t first = 0; first < r->all; first += piece) {
        int64_t count = r->all - first < piece ? r->all - first : piece;
        LKI_TRY(lki_cancelled(ctx));
        LKI_TRY(lk_table_gather(ctx, r->table, first, count, &r->weight, 1, w));
        for (int64_t i = 0; i < count; i++) {
            if (!(w[i] >= 0.0) || !isfinite(w[i])) {
                return lki_fail(ctx, LK_ERROR_DATA, "row %lld: the weight is %g; it must be a number that is at least 0", (long long)(first + i) + 1, w[i]);
            }
            sum += w[i];
            last = w[i] > 0.0 ? first + i : last;
            while (choose && taken < r->count) {
                lki_stream stream = lki_stream_new((uint64_t)page->options.seed, LKI_STREAM_REPORT, (uint64_t)taken);
                next = ((double)taken + lki_random_uniform(&stream)) / (double)r->count * *total;
                if (next >= sum) {
                    break;
                }
                r->row[taken++] = first + i;
            }
        }
    }
    while (choose && taken < r->count) { /* by rounding */
        r->row[taken++] = last;
    }
    *total = sum;
    return sum > 0.0 ? LK_OK : lki_fail(ctx, LK_ERROR_DATA, "no row has a weight above 0");
}

lk_status lki_page_rows_choose(lk_context *ctx, const lki_page *page, const lk_table *table, lki_page_rows *r)
{
    int64_t d = page->d, most = SAMPLE_VALUES / d;
    most = most < SAMPLE_LEAST ? SAMPLE_LEAST : most > LKI_PAGE_SAMPLE ? LKI_PAGE_SAMPLE : most;
    r->table = table;
    r->all = lk_table_rows(table);
    r->count = r->all < most ? r->all : most;
    LKI_TRY(find_weight(ctx, page, table, &r->weight));
    LKI_TRY(lki_allocate(ctx, (size_t)d, sizeof *r->columns, &r->columns));
    LKI_TRY(lk_model_columns(ctx, page->model, table, r->columns));
    LKI_TRY(lki_allocate(ctx, (size_t)r->count, sizeof *r->row, &r->row));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)r->count, (size_t)d), sizeof *r->x, &r->x));
    if (r->weight >= 0) {
        double total = 0.0;
        LKI_TRY(walk_weights(ctx, page, r, false, &total));
        LKI_TRY(walk_weights(ctx, page, r, true, &total));
    }
    for (int64_t i = 0; i < r->count; i++) {
        if (r->weight < 0) { /* one row of the i-th of `count` runs that together are the table */
            int64_t first = (int64_t)((__extension__(__int128) i) * r->all / r->count);
            int64_t last = (int64_t)((__extension__(__int128)(i + 1)) * r->all / r->count);
            lki_stream stream = lki_stream_new((uint64_t)page->options.seed, LKI_STREAM_REPORT, (uint64_t)i);
            r->row[i] = first + lki_random_below(&stream, last - first);
        }
        LKI_TRY(i % 256 == 0 ? lki_cancelled(ctx) : LK_OK);
        LKI_TRY(lk_table_gather(ctx, table, r->row[i], 1, r->columns, d, r->x + i * d));
    }
    int64_t label = label_column(page, table);
    return label < 0 ? LK_OK : choose_classes(ctx, page, label, r);
}

void lki_page_rows_free(lk_context *ctx, lki_page_rows *r)
{
    lki_release(ctx, r->columns);
    lki_release(ctx, r->row);
    lki_release(ctx, r->x);
    lki_release(ctx, r->classes);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int64_t lki_page_sorted(const lki_page_rows *rows, int64_t d, int64_t feature, double *out)
{
    int64_t count = 0;
    for (int64_t i = 0; i < rows->count; i++) {
        double v = rows->x[i * d + feature];
        if (isfinite(v)) {
            out[count++] = v;
        }
    }
    qsort(out, (size_t)count, sizeof *out, compare_doubles);
    return count;
}

lk_status lki_page_ranges(lk_context *ctx, lki_page *page)
{
    double *v;
    LKI_TRY(lki_allocate(ctx, (size_t)page->rows.count, sizeof *v, &v));
    for (int64_t s = 0; s < page->shown_count; s++) {
        int64_t n = lki_page_sorted(&page->rows, page->d, page->shown[s], v);
        double low = 0, high = 1;
        if (n > 0) {
            double a = v[n / 200], b = v[n - 1 - n / 200], reach = 0.35 * (b - a);
            low = fmax(v[0], a - reach);
            high = fmin(v[n - 1], b + reach);
            double margin = high > low ? 0.04 * (high - low) : fmax(fabs(high), 1.0) * 0.1;
            low -= margin;
            high += margin;
        }
        page->low[s] = low;
        page->high[s] = high;
    }
    lki_release(ctx, v);
    return LK_OK;
}

/* Groups of the points as the model sees them; NaN where it has none. */
static lk_status point_groups(lk_context *ctx, const lki_page *page, const double *x, int64_t count, json_t *points)
{
    int64_t groups = lk_model_groups(page->model);
    double *p;
    if (groups < 1 || (page->operations & LK_OPERATION_RESPONSIBILITIES) == 0) {
        return lki_json_set(ctx, points, "group", json_null());
    }
    json_t *list = json_array();
    LKI_TRY(lki_json_set(ctx, points, "group", list));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)count, (size_t)groups), sizeof *p, &p));
    lk_status status = lk_model_responsibilities(ctx, page->model, x, count, p);
    for (int64_t i = 0; i < count && status == LK_OK; i++) {
        int64_t best = 0;
        for (int64_t g = 1; g < groups; g++) {
            best = p[i * groups + g] > p[i * groups + best] ? g : best;
        }
        status = lki_json_append(ctx, list, isnan(p[i * groups]) ? json_null() : json_integer((json_int_t)best));
    }
    lki_release(ctx, p);
    return status;
}

lk_status lki_page_points(lk_context *ctx, const lki_page *page)
{
    const lki_page_rows *r = &page->rows;
    int64_t wanted = page->options.points, count = r->count < wanted ? r->count : wanted, d = page->d;
    json_t *points = json_object(), *values = json_array(), *rows = json_array(), *classes = json_array();
    double *x = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_json_set(ctx, page->root, "points", points));
    LKI_TRY(lki_json_set(ctx, points, "values", values));
    LKI_TRY(lki_json_set(ctx, points, "row", rows));
    LKI_TRY(lki_json_set(ctx, points, "class", classes));
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)count, (size_t)d), sizeof *x, &x));
    for (int64_t i = 0; i < count && status == LK_OK; i++) {
        int64_t from = i * r->count / count;
        memcpy(x + i * d, r->x + from * d, (size_t)d * sizeof *x);
        status = lki_json_append(ctx, rows, json_integer((json_int_t)r->row[from] + 1));
        if (status == LK_OK && r->classes != NULL) {
            status = lki_json_append(ctx, classes, isnan(r->classes[from]) ? json_null() : json_integer((json_int_t)r->classes[from]));
        }
    }
    for (int64_t s = 0; s < page->shown_count && status == LK_OK; s++) {
        status = lki_json_append(ctx, values, lki_page_rounded_list(x + page->shown[s], count, d));
    }
    status = status == LK_OK ? point_groups(ctx, page, x, count, points) : status;
    lki_release(ctx, x);
    return status;
}
