/* How far to trust a model in a report: likelihood, probability integral transform, quantiles, classes, standard errors. */
#include "data/json_text.h"
#include "model/model_impl.h"
#include "report/page.h"

#include <likely/uncertainty.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Bars of a histogram of the probability integral transform, bins of the probability of a class, classes of a table of confusions. */
enum { PIT_BARS = 20, CLASS_BINS = 10, CONFUSED = 20 };
/* Multiply-adds that standard errors may take. */
static const double INTERVALS_WORK = 3e10;

/* ---- likelihood ---- */

/* The sampled rows as a table, where the model takes too long over all. */
static lk_status sample_table(lk_context *ctx, const lki_page *page, const lki_page_rows *rows, lk_table **out)
{
    const char **names;
    LKI_TRY(lki_allocate(ctx, (size_t)page->d, sizeof *names, &names));
    for (int64_t j = 0; j < page->d; j++) {
        names[j] = lk_model_feature(page->model, j);
    }
    lk_status status = lk_table_from_array(ctx, rows->x, rows->count, page->d, names, out);
    lki_release(ctx, names);
    return status;
}

static lk_status tell_evaluation(lk_context *ctx, const lk_evaluation *e, json_t *out)
{
    LKI_TRY(lki_json_set(ctx, out, "rows", lki_json_number(e->rows)));
    LKI_TRY(lki_json_set(ctx, out, "complete", lki_json_number(e->complete)));
    LKI_TRY(lki_json_set(ctx, out, "mean_log_density", lki_json_number(e->mean_log_density)));
    LKI_TRY(lki_json_set(ctx, out, "impossible", json_boolean(e->mean_log_density == -(double)INFINITY)));
    LKI_TRY(lki_json_set(ctx, out, "standard_error", lki_json_number(e->standard_error)));
    LKI_TRY(lki_json_set(ctx, out, "coverage_50", lki_json_number(e->coverage_50)));
    LKI_TRY(lki_json_set(ctx, out, "coverage_90", lki_json_number(e->coverage_90)));
    LKI_TRY(lki_json_set(ctx, out, "labelled", lki_json_number(e->labelled)));
    LKI_TRY(lki_json_set(ctx, out, "accuracy", lki_json_number(e->accuracy)));
    LKI_TRY(lki_json_set(ctx, out, "log_loss", lki_json_number(e->log_loss)));
    return lki_json_set(ctx, out, "brier", lki_json_number(e->brier));
}

/* P(sup |F_n - F| >= distance) for n independent rows, n -> inf with the correction of Stephens (1970, J. R. Stat. Soc. B 32:115-122). */
static double kolmogorov_p(double distance, double n)
{
    double root = sqrt(n), t = (root + 0.12 + 0.11 / root) * distance, sum = 0.0;
    if (t < 0.3) {
        return 1.0;
    }
    for (int k = 1; k <= 100; k++) {
        double term = exp(-2.0 * (double)k * (double)k * t * t);
        sum += k % 2 == 1 ? term : -term;
    }
    return fmin(1.0, fmax(0.0, 2.0 * sum));
}

/* Evaluates rows; their Kolmogorov distances go to `pit` (NULL = not wanted). */
static lk_status evaluate(lk_context *ctx, const lki_page *page, const lki_page_rows *rows, json_t *out, json_t *pit)
{
    lk_evaluation e = {.size = sizeof e};
    lk_table *own = NULL;
    lk_status status = LK_OK;
    if (page->sampled) {
        LKI_TRY(sample_table(ctx, page, rows, &own));
    }
    const char *weight = own == NULL && rows->weight >= 0 ? page->options.weight : NULL; /* sampled rows are chosen by their weights */
    LKI_GOTO(status, done, lk_model_evaluate(ctx, page->model, own != NULL ? own : rows->table, weight, &e));
    LKI_GOTO(status, done, tell_evaluation(ctx, &e, out));
    for (int64_t s = 0; pit != NULL && e.pit_ks != NULL && e.complete > 0 && s < page->shown_count; s++) {
        json_t *item = json_object();
        double distance = e.pit_ks[page->shown[s]];
        LKI_GOTO(status, done, lki_json_append(ctx, pit, item));
        LKI_GOTO(status, done, lki_json_set(ctx, item, "distance", lki_json_number(distance)));
        LKI_GOTO(status, done, lki_json_set(ctx, item, "p", lki_json_number(kolmogorov_p(distance, e.complete))));
    }
done:
    lk_free(ctx, e.pit_ks);
    lk_free(ctx, e.pit_mean);
    lk_free(ctx, e.pit_sd);
    lk_table_free(own);
    return status;
}

/* Whether the data are the rows of the fit: as many, and of the log-likelihood that the fit reports. NULL = it cannot be told. */
static json_t *same_rows(const lki_page *page, const json_t *evaluation)
{
    const json_t *total = json_object_get(page->info, "log_likelihood"), *n = json_object_get(page->info, "n");
    double rows = json_number_value(json_object_get(evaluation, "rows"));
    double mean = json_number_value(json_object_get(evaluation, "mean_log_density"));
    if (!json_is_number(n) || !(fabs(json_number_value(n) - rows) <= 1e-9 * rows)) { /* sums of weights may be rounded otherwise */
        return json_false();
    }
    if (!json_is_number(total) || lk_model_classes(page->model) != NULL || page->sampled) {
        return json_null();
    }
    double wanted = json_number_value(total);
    return json_boolean(fabs(mean * rows - wanted) <= 1e-6 * fmax(fabs(wanted), rows));
}

/* ---- probability integral transform and quantiles ---- */

/* Pairs of a row's value and a kernel point that the histograms may take, and rows that they have at least. */
static const double PIT_PAIRS = 3e7;
enum { PIT_LEAST = 500 };

/* The judged rows, fewer, evenly, where each takes long. */
static lk_status pit_histograms(lk_context *ctx, const lki_page *page, json_t *pit)
{
    const lki_page_rows *rows = page->judged;
    int64_t d = page->d, count = rows->count;
    double *u;
    if (page->points > 0.0) {
        count = (int64_t)fmin((double)count, fmax(PIT_LEAST, PIT_PAIRS / (page->points * (double)d)));
    }
    LKI_TRY(lki_allocate(ctx, lki_product(2 * (size_t)count, (size_t)d), sizeof *u, &u));
    double *x = u + count * d;
    for (int64_t i = 0; i < count; i++) {
        memcpy(x + i * d, rows->x + i * rows->count / count * d, (size_t)d * sizeof *x);
    }
    lk_status status = lk_model_cdf(ctx, page->model, x, count, u);
    for (int64_t s = 0; s < page->shown_count && status == LK_OK; s++) {
        int64_t counts[PIT_BARS] = {0};
        json_t *list = json_array();
        for (int64_t i = 0; i < count; i++) {
            double v = u[i * d + page->shown[s]];
            if (!isnan(v)) {
                counts[v < 1.0 ? (int64_t)(v * PIT_BARS) : PIT_BARS - 1]++;
            }
        }
        status = lki_json_set(ctx, json_array_get(pit, (size_t)s), "counts", list);
        for (int64_t b = 0; b < PIT_BARS && status == LK_OK; b++) {
            status = lki_json_append(ctx, list, json_integer((json_int_t)counts[b]));
        }
    }
    lki_release(ctx, u);
    return status;
}

/* Linear between order statistics, of which the i-th (from 0) stands for the share (i + 1/2) / n (Hyndman and Fan 1996, type 5). */
static double quantile(const double *sorted, int64_t n, double p)
{
    double at = fmin(fmax(p * (double)n - 0.5, 0.0), (double)(n - 1));
    int64_t i = (int64_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* Quantiles of one feature among n rows and m draws, with the band that holds 95% of such quantiles where the model is right. */
static lk_status quantiles_of(lk_context *ctx, const double *rows, int64_t n, const double *draws, int64_t m, json_t *out)
{
    static const double shares[] = {.001, .0025, .005, .01, .02, .035, .05, .075, .1, .15, .2, .25, .3, .35, .4, .45, .5,
                                    .55, .6, .65, .7, .75, .8, .85, .9, .925, .95, .965, .98, .99, .995, .9975, .999};
    json_t *list = json_array();
    LKI_TRY(lki_json_set(ctx, out, "places", list));
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double p = shares[i], reach = 1.96 * sqrt(p * (1 - p) * (1.0 / (double)n + 1.0 / (double)m));
        if (p * (double)n < 0.5 || (1 - p) * (double)n < 0.5) {
            continue;
        }
        const double item[5] = {p, quantile(rows, n, p), quantile(draws, m, p), quantile(draws, m, p - reach), quantile(draws, m, p + reach)};
        LKI_TRY(lki_json_append(ctx, list, lki_page_rounded_list(item, 5, 1)));
    }
    return LK_OK;
}

static lk_status quantiles(lk_context *ctx, const lki_page *page, json_t *trust)
{
    const lki_page_rows *rows = page->judged;
    int64_t d = page->d, draws = 4000000 / d < LKI_PAGE_DRAWS ? 4000000 / d : LKI_PAGE_DRAWS;
    json_t *list = json_array();
    double *x = NULL, *a = NULL, *b = NULL;
    lk_status status = LK_OK;
    lki_page_rows drawn = {.count = draws};
    LKI_TRY(lki_json_set(ctx, trust, "quantiles", list));
    LKI_TRY(lki_json_set(ctx, trust, "draws", json_integer((json_int_t)draws)));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)draws, (size_t)d), sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)draws, sizeof *b, &b));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows->count, sizeof *a, &a));
    LKI_GOTO(status, done, lk_model_sample(ctx, page->model, page->options.seed, 0, draws, x));
    drawn.x = x;
    for (int64_t s = 0; s < page->shown_count; s++) {
        json_t *item = json_object();
        int64_t n = lki_page_sorted(rows, d, page->shown[s], a), m = lki_page_sorted(&drawn, d, page->shown[s], b);
        LKI_GOTO(status, done, lki_json_append(ctx, list, item));
        if (n > 0 && m > 0) {
            LKI_GOTO(status, done, quantiles_of(ctx, a, n, b, m, item));
        }
    }
done:
    lki_release(ctx, x);
    lki_release(ctx, a);
    lki_release(ctx, b);
    return status;
}

/* ---- classes: how often the most probable one is right, by its probability ---- */

typedef struct class_bins {
    int64_t rows[CLASS_BINS], right[CLASS_BINS], confusion[CONFUSED * CONFUSED], count;
    double sum[CLASS_BINS];
} class_bins;

static void count_classes(const lki_page_rows *rows, const double *p, int64_t groups, class_bins *bins)
{
    for (int64_t i = 0; i < rows->count; i++) {
        const double *row = p + i * groups;
        int64_t best = 0;
        if (isnan(rows->classes[i]) || isnan(row[0])) {
            continue;
        }
        for (int64_t g = 1; g < groups; g++) {
            best = row[g] > row[best] ? g : best;
        }
        int64_t bin = row[best] < 1.0 ? (int64_t)(row[best] * CLASS_BINS) : CLASS_BINS - 1, class = (int64_t)rows->classes[i];
        bins->count++;
        bins->rows[bin]++;
        bins->sum[bin] += row[best];
        bins->right[bin] += best == class ? 1 : 0;
        if (groups <= CONFUSED) {
            bins->confusion[class * groups + best]++;
        }
    }
}

static lk_status tell_classes(lk_context *ctx, const class_bins *bins, int64_t groups, json_t *trust)
{
    json_t *classes = json_object(), *list = json_array(), *confusion = json_array();
    LKI_TRY(lki_json_set(ctx, trust, "classes", classes));
    LKI_TRY(lki_json_set(ctx, classes, "bins", list));
    LKI_TRY(lki_json_set(ctx, classes, "confusion", confusion));
    LKI_TRY(lki_json_set(ctx, classes, "rows", json_integer((json_int_t)bins->count)));
    for (int b = 0; b < CLASS_BINS; b++) {
        if (bins->rows[b] > 0) {
            const double n = (double)bins->rows[b], item[3] = {n, bins->sum[b] / n, (double)bins->right[b] / n};
            LKI_TRY(lki_json_append(ctx, list, lki_page_rounded_list(item, 3, 1)));
        }
    }
    for (int64_t c = 0; groups <= CONFUSED && c < groups * groups; c++) {
        LKI_TRY(lki_json_append(ctx, confusion, json_integer((json_int_t)bins->confusion[c])));
    }
    return LK_OK;
}

static lk_status classes(lk_context *ctx, const lki_page *page, json_t *trust)
{
    const lki_page_rows *rows = page->judged;
    int64_t groups = lk_model_groups(page->model);
    class_bins bins = {.count = 0};
    double *p;
    if (rows->classes == NULL) {
        return lki_page_leave_out(ctx, page, "classes", "the rows have no column of the label");
    }
    LKI_TRY(lki_allocate(ctx, lki_product((size_t)rows->count, (size_t)groups), sizeof *p, &p));
    lk_status status = lk_model_responsibilities(ctx, page->model, rows->x, rows->count, p);
    if (status == LK_OK) {
        count_classes(rows, p, groups, &bins);
        status = bins.count > 0 ? tell_classes(ctx, &bins, groups, trust) : lki_page_leave_out(ctx, page, "classes", "no row has a label that the model knows");
    }
    lki_release(ctx, p);
    return status;
}

/* ---- standard errors ---- */

static int64_t shown_place(const lki_page *page, int64_t feature)
{
    for (int64_t s = 0; s < page->shown_count; s++) {
        if (page->shown[s] == feature) {
            return s;
        }
    }
    return -1;
}

/* Those of weights and of the means of the shown features. */
static lk_status tell_intervals(lk_context *ctx, const lki_page *page, const lk_intervals *all, json_t *trust)
{
    json_t *intervals = json_object(), *list = json_array();
    LKI_TRY(lki_json_set(ctx, trust, "intervals", intervals));
    LKI_TRY(lki_json_set(ctx, intervals, "parameters", json_integer((json_int_t)all->parameters)));
    LKI_TRY(lki_json_set(ctx, intervals, "condition", lki_page_rounded(all->condition)));
    LKI_TRY(lki_json_set(ctx, intervals, "distance", lki_page_rounded(all->distance)));
    LKI_TRY(lki_json_set(ctx, intervals, "items", list));
    for (int64_t i = 0; i < all->count; i++) {
        const lk_interval *item = &all->items[i];
        int64_t place = strcmp(item->name, "mean") == 0 ? shown_place(page, item->row) : -1;
        if (place < 0 && strcmp(item->name, "weight") != 0) {
            continue;
        }
        json_t *told = json_object();
        LKI_TRY(lki_json_append(ctx, list, told));
        LKI_TRY(lki_json_set(ctx, told, "group", json_integer((json_int_t)item->group)));
        LKI_TRY(lki_json_set(ctx, told, "feature", place < 0 ? json_null() : json_integer((json_int_t)place)));
        LKI_TRY(lki_json_set(ctx, told, "standard_error", lki_page_rounded(item->standard_error)));
        LKI_TRY(lki_json_set(ctx, told, "low", lki_page_rounded(item->lower)));
        LKI_TRY(lki_json_set(ctx, told, "high", lki_page_rounded(item->upper)));
    }
    return LK_OK;
}

static lk_status intervals(lk_context *ctx, const lki_page *page, json_t *trust)
{
    lk_intervals all = {.size = sizeof all};
    const lk_interval_options options = {.size = sizeof options, .weight = page->options.weight};
    double free_parameters = json_number_value(json_object_get(page->info, "free_parameters"));
    bool gives = page->model->operations.information != NULL; /* else the refusal tells why, whatever the rows */
    if (gives && !page->same_rows) {
        return lki_page_leave_out(ctx, page, "intervals", "standard errors come from the rows that the model was fitted to");
    }
    if (gives && free_parameters * free_parameters * (double)page->rows.all > INTERVALS_WORK) {
        return lki_page_leave_out(ctx, page, "intervals", "standard errors of so many parameters take long: likely intervals MODEL DATA");
    }
    lk_status status = lk_model_intervals(ctx, page->model, page->rows.table, &options, &all);
    status = status == LK_OK ? tell_intervals(ctx, page, &all, trust) : status;
    lk_free(ctx, all.items);
    return lki_page_refused(ctx, page, "intervals", status);
}

/* ---- all of it ---- */

static lk_status likelihood(lk_context *ctx, lki_page *page, json_t *trust, json_t *pit)
{
    json_t *data = json_object_get(trust, "data"), *held_out = json_object_get(trust, "held_out");
    bool other = page->held_out.count > 0;
    LKI_TRY(evaluate(ctx, page, &page->rows, data, other ? NULL : pit));
    LKI_TRY(lki_json_set(ctx, trust, "same_rows", same_rows(page, data)));
    page->same_rows = json_is_true(json_object_get(trust, "same_rows"));
    return other ? evaluate(ctx, page, &page->held_out, held_out, pit) : LK_OK;
}

lk_status lki_page_trust(lk_context *ctx, lki_page *page)
{
    json_t *trust = json_object(), *pit = json_array();
    LKI_TRY(lki_json_set(ctx, page->root, "trust", trust));
    LKI_TRY(lki_json_set(ctx, trust, "pit", pit));
    LKI_TRY(lki_json_set(ctx, trust, "data", json_object()));
    LKI_TRY(lki_json_set(ctx, trust, "held_out", json_object()));
    LKI_TRY(lki_json_set(ctx, trust, "sampled", json_boolean(page->sampled)));
    LKI_TRY(lki_json_set(ctx, trust, "judged", json_string(page->held_out.count > 0 ? "held_out" : "data")));
    LKI_TRY(lki_json_set(ctx, trust, "judged_rows", json_integer((json_int_t)page->judged->count)));
    if ((page->operations & LK_OPERATION_LOG_DENSITY) != 0) {
        LKI_TRY(lki_page_refused(ctx, page, "likelihood", likelihood(ctx, page, trust, pit)));
    } else {
        LKI_TRY(lki_page_leave_out(ctx, page, "likelihood", "the model offers no density"));
    }
    if (json_array_size(pit) > 0) {
        LKI_TRY(lki_page_refused(ctx, page, "pit", pit_histograms(ctx, page, pit)));
    } else {
        LKI_TRY(lki_page_leave_out(ctx, page, "pit", page->target >= 0 ? "the model predicts one feature: see the calibration of its predictions"
                                                                       : "the model has no distribution functions, or no row is complete"));
    }
    if ((page->operations & LK_OPERATION_SAMPLE) != 0) {
        LKI_TRY(lki_page_refused(ctx, page, "quantiles", quantiles(ctx, page, trust)));
    } else {
        LKI_TRY(lki_page_leave_out(ctx, page, "quantiles", "the model offers no draws to compare with"));
    }
    if (lk_model_classes(page->model) != NULL) {
        LKI_TRY(lki_page_refused(ctx, page, "classes", classes(ctx, page, trust)));
    }
    LKI_TRY(lki_page_predictions(ctx, page, trust));
    return intervals(ctx, page, trust);
}
