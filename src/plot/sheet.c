/* What a figure needs of the data, in two passes over its blocks: ranges and points, then histograms. */
#include "plot/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 16384, DRAWS = 4000, BINS_LEAST = 8, BINS_MOST = 80 };

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Where the columns to read stand: the drawn features, then the weight if there is one; then, where groups are asked for, all features. */
typedef struct scan {
    lk_context *context;
    const plot_request *request;
    plot_sheet *sheet;
    int64_t *columns;
    int64_t width;
    int64_t needed;         /* the first so many must not be missing */
    int64_t kept;           /* rows without a missing value so far */
    double total_weight;
} scan;

typedef void (*scan_row)(scan *s, const double *row, int64_t number);

static bool complete(const scan *s, const double *row)
{
    for (int64_t j = 0; j < s->needed; j++) {
        if (isnan(row[j])) {
            return false;
        }
    }
    return true;
}

static lk_status each_row(scan *s, scan_row visit)
{
    const lk_table *data = s->request->data;
    int64_t rows = lk_table_rows(data);
    lk_status status = LK_OK;
    double *block = malloc((size_t)(PIECE * s->width) * sizeof *block);
    if (block == NULL) {
        return LK_ERROR_MEMORY;
    }
    for (int64_t first = 0; first < rows && status == LK_OK; first += PIECE) {
        int64_t n = rows - first < PIECE ? rows - first : PIECE;
        status = lk_table_gather(s->context, data, first, n, s->columns, s->width, block);
        for (int64_t i = 0; status == LK_OK && i < n; i++) {
            visit(s, block + i * s->width, first + i);
        }
    }
    free(block);
    return status;
}

static void see_range(scan *s, const double *row, int64_t number)
{
    plot_sheet *sheet = s->sheet;
    if (!complete(s, row)) {
        sheet->notes.missing++;
        return;
    }
    for (int64_t j = 0; j < sheet->count; j++) {
        sheet->data_low[j] = fmin(sheet->data_low[j], row[j]);
        sheet->data_high[j] = fmax(sheet->data_high[j], row[j]);
    }
    if (number % sheet->notes.stride == 0) {
        memcpy(sheet->points + sheet->point_count * sheet->count, row, (size_t)sheet->count * sizeof *row);
        if (sheet->rows != NULL) {
            const int64_t d = s->width - s->needed;
            memcpy(sheet->rows + sheet->point_count * d, row + s->needed, (size_t)d * sizeof *row);
        }
        sheet->point_count++;
    }
}

static void see_bars(scan *s, const double *row, int64_t number)
{
    plot_sheet *sheet = s->sheet;
    (void)number;
    if (!complete(s, row)) {
        return;
    }
    double weight = s->needed > sheet->count ? row[sheet->count] : 1;
    s->total_weight += weight;
    for (int64_t j = 0; j < sheet->count; j++) {
        double share = (row[j] - sheet->data_low[j]) / (sheet->data_high[j] - sheet->data_low[j]);
        int64_t bin = (int64_t)(share * (double)sheet->bins[j]);
        sheet->bars[j][bin < sheet->bins[j] ? bin : sheet->bins[j] - 1] += weight;
    }
}

/* D. Freedman and P. Diaconis, On the histogram as a density estimator, 1981: width = 2 IQR n^(-1/3). */
static lk_status choose_bins(const scan *s, int64_t j)
{
    plot_sheet *sheet = s->sheet;
    int64_t n = sheet->point_count;
    double *sorted = malloc((size_t)n * sizeof *sorted + 1);
    if (sorted == NULL) {
        return LK_ERROR_MEMORY;
    }
    for (int64_t i = 0; i < n; i++) {
        sorted[i] = sheet->points[i * sheet->count + j];
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_numbers);
    double spread = n > 3 ? sorted[3 * n / 4] - sorted[n / 4] : 0;
    double rows = (double)(sheet->notes.rows - sheet->notes.missing);
    double wanted = spread > 0 ? (sheet->data_high[j] - sheet->data_low[j]) / (2 * spread / cbrt(rows)) : 20;
    wanted = s->request->bins > 0 ? (double)s->request->bins : fmin(fmax(ceil(wanted), BINS_LEAST), BINS_MOST);
    free(sorted);
    sheet->bins[j] = (int64_t)wanted;
    sheet->bars[j] = calloc((size_t)sheet->bins[j], sizeof **sheet->bars);
    return sheet->bars[j] == NULL ? LK_ERROR_MEMORY : LK_OK;
}

/* Both passes. d = features of the model. */
static lk_status scan_rows(scan *s, int64_t d)
{
    plot_sheet *sheet = s->sheet;
    const plot_request *request = s->request;
    sheet->notes.rows = lk_table_rows(request->data);
    sheet->notes.stride = (sheet->notes.rows + request->points - 1) / request->points;
    sheet->notes.stride = sheet->notes.stride < 1 ? 1 : sheet->notes.stride;
    int64_t most = sheet->notes.rows / sheet->notes.stride + 1;
    sheet->points = malloc((size_t)(most * sheet->count) * sizeof *sheet->points);
    if (s->width > s->needed) {
        sheet->rows = malloc((size_t)(most * d) * sizeof *sheet->rows);
    }
    lk_status status = sheet->points == NULL || (s->width > s->needed && sheet->rows == NULL) ? LK_ERROR_MEMORY : each_row(s, see_range);
    bool any = sheet->notes.rows > sheet->notes.missing;
    for (int64_t j = 0; status == LK_OK && any && j < sheet->count; j++) {
        if (sheet->data_low[j] == sheet->data_high[j]) { /* a constant column: one bar of some width */
            double half = fmax(fabs(sheet->data_low[j]) * 1e-3, 1e-300);
            sheet->data_low[j] -= half;
            sheet->data_high[j] += half;
        }
        status = choose_bins(s, j);
    }
    if (status == LK_OK && any) {
        status = each_row(s, see_bars);
    }
    for (int64_t j = 0; status == LK_OK && any && j < sheet->count; j++) {
        double width = (sheet->data_high[j] - sheet->data_low[j]) / (double)sheet->bins[j];
        for (int64_t b = 0; b < sheet->bins[j]; b++) {
            sheet->bars[j][b] /= s->total_weight * width;
        }
    }
    return status;
}

static lk_status scan_data(lk_context *context, const plot_request *request, plot_sheet *sheet)
{
    int64_t d = lk_model_dimension(request->model);
    int64_t *columns = malloc((size_t)(2 * d + PLOT_FEATURES_MAX + 1) * sizeof *columns);
    scan s = {.context = context, .request = request, .sheet = sheet, .columns = columns + d, .width = request->count};
    lk_status status = columns == NULL ? LK_ERROR_MEMORY
                                       : lk_model_columns(context, request->model, request->data, columns);
    for (int64_t j = 0; status == LK_OK && j < request->count; j++) {
        s.columns[j] = columns[request->features[j]];
    }
    if (status != LK_OK) {
        free(columns);
        return status;
    }
    if (request->weight >= 0) {
        s.columns[s.width++] = request->weight;
    }
    s.needed = s.width;
    if (request->kind != PLOT_DENSITY) {
        memcpy(s.columns + s.width, columns, (size_t)d * sizeof *columns);
        s.width += d;
    }
    status = scan_rows(&s, d);
    free(columns);
    return status;
}
/* The axes show all rows and the middle 99.8% of the model. */
static lk_status choose_axes(lk_context *context, const plot_request *request, plot_sheet *sheet)
{
    int64_t d = lk_model_dimension(request->model);
    double *draws = malloc((size_t)(DRAWS * d) * sizeof *draws), *sorted = malloc(sizeof *sorted * DRAWS);
    lk_status status = draws == NULL || sorted == NULL ? LK_ERROR_MEMORY : LK_OK;
    if (status == LK_OK) {
        status = lk_model_sample(context, request->model, request->seed, 0, DRAWS, draws);
    }
    for (int64_t j = 0; status == LK_OK && j < sheet->count; j++) {
        for (int64_t i = 0; i < DRAWS; i++) {
            sorted[i] = draws[i * d + request->features[j]];
        }
        qsort(sorted, DRAWS, sizeof *sorted, compare_numbers);
        double low = fmin(sheet->data_low[j], sorted[DRAWS / 1000]);
        double high = fmax(sheet->data_high[j], sorted[DRAWS - 1 - DRAWS / 1000]);
        double pad = 0.08 * (high - low);
        pad = pad > 0 ? pad : fmax(fabs(low), 1) * 0.05;
        sheet->low[j] = low - pad;
        sheet->high[j] = high + pad;
    }
    free(draws);
    free(sorted);
    return status;
}

lk_status plot_sheet_make(lk_context *context, const plot_request *request, plot_sheet *sheet)
{
    lk_status status = LK_OK;
    *sheet = (plot_sheet){.count = request->count, .notes = {.stride = 1}};
    for (int64_t j = 0; j < sheet->count; j++) {
        sheet->data_low[j] = (double)INFINITY;
        sheet->data_high[j] = (double)-INFINITY;
    }
    if (request->data != NULL) {
        status = scan_data(context, request, sheet);
    }
    if (status == LK_OK && sheet->rows != NULL) {
        sheet->groups = lk_model_groups(request->model);
        sheet->shares = malloc((size_t)(sheet->point_count * sheet->groups) * sizeof *sheet->shares + 1);
        status = sheet->shares == NULL ? LK_ERROR_MEMORY
                                       : lk_model_responsibilities(context, request->model, sheet->rows, sheet->point_count, sheet->shares);
    }
    return status == LK_OK ? choose_axes(context, request, sheet) : status;
}

void plot_sheet_free(plot_sheet *sheet)
{
    free(sheet->points);
    free(sheet->rows);
    free(sheet->shares);
    for (int64_t j = 0; j < PLOT_FEATURES_MAX; j++) {
        free(sheet->bars[j]);
    }
    *sheet = (plot_sheet){0};
}
