/* Is a row strange: its score -log p(x), and its rank among reference rows as a p-value. */
#include "core/philox.h"
#include "math/blas.h"
#include "model/model_impl.h"
#include "model/patterns.h"
#include <likely/judge.h>

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Reference rows are made and asked in pieces of so many; their number of draws where nothing else is said. */
enum { PIECE = 16 * LKI_BLOCK_ROWS, DEFAULT_DRAWS = 100000 };

/* Log densities of reference rows, ascending; -inf among them. */
typedef struct ranking {
    int64_t count;
    double values[];
} ranking;

struct lk_detector {
    const lk_model *model;
    lk_reference kind;
    const lk_table *table; /* of LK_REFERENCE_ROWS */
    int64_t *columns;      /* d: those of the features */
    int64_t rows;          /* of the reference, before those that lack a value are left out */
    int64_t seed;
    double *draws;         /* rows x d: those of the model, once an incomplete row wants them; NULL = made anew each time */
    ranking *complete;     /* of the rows that have all features */
    lki_patterns patterns; /* their answers: rankings by the features that are there */
};

static void ranking_release(lk_context *ctx, void *answer)
{
    lki_release(ctx, answer);
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* (1 + #{reference <= v}) / (m + 1). */
static double p_value(const ranking *r, double v)
{
    int64_t low = 0, high = r->count;
    while (low < high) { /* values[0..low) <= v < values[high..) */
        int64_t middle = low + (high - low) / 2;
        if (r->values[middle] <= v) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (double)(low + 1) / (double)(r->count + 1);
}

/* Hides what the pattern lacks, and drops the rows that lack what it has; returns how many are left. */
static int64_t restrict_rows(double *x, int64_t rows, int64_t d, const unsigned char *missing)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < rows; i++) {
        bool usable = true;
        for (int64_t j = 0; j < d; j++) {
            double v = x[i * d + j];
            bool hidden = missing != NULL && missing[j] != 0;
            usable = usable && (hidden || !isnan(v));
            x[kept * d + j] = hidden ? (double)NAN : v;
        }
        kept += usable ? 1 : 0;
    }
    return kept;
}

/* Keeps the draws where they are small beside the memory at hand: they are the same however often they are made. */
static lk_status draws_keep(lk_context *ctx, lk_detector *r)
{
    size_t values = lki_product((size_t)r->rows, (size_t)r->model->d);
    double *draws;
    if (r->kind != LK_REFERENCE_DRAWS || r->draws != NULL || 8.0 * (double)values > 0.125 * (double)lki_memory_limit(ctx)) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, values, sizeof *draws, &draws));
    lk_status status = lk_model_sample(ctx, r->model, r->seed, 0, r->rows, draws);
    if (status != LK_OK) {
        lki_release(ctx, draws);
        return status;
    }
    r->draws = draws;
    return LK_OK;
}

/* Reference rows first..first + rows. */
static lk_status reference_rows(lk_context *ctx, const lk_detector *r, int64_t first, int64_t rows, double *x)
{
    if (r->draws != NULL) {
        memcpy(x, r->draws + first * r->model->d, (size_t)(rows * r->model->d) * sizeof *x);
        return LK_OK;
    }
    return r->table != NULL ? lk_table_gather(ctx, r->table, first, rows, r->columns, r->model->d, x)
                            : lk_model_sample(ctx, r->model, r->seed, first, rows, x);
}

/* The reference by the features that `missing` (d flags; NULL = none) leaves. */
static lk_status ranking_new(lk_context *ctx, const lk_detector *r, const unsigned char *missing, ranking **out)
{
    lk_status status = LK_OK;
    int64_t d = r->model->d;
    double *x = NULL;
    ranking *made = NULL;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(PIECE, (size_t)d), sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)r->rows + 1, sizeof(double), &made)); /* the count takes one's place */
    made->count = 0;
    for (int64_t first = 0; first < r->rows; first += PIECE) {
        int64_t rows = r->rows - first < PIECE ? r->rows - first : PIECE;
        lki_progress(ctx, "reference", (double)first, (double)r->rows, "");
        LKI_GOTO(status, done, reference_rows(ctx, r, first, rows, x));
        rows = restrict_rows(x, rows, d, missing);
        LKI_GOTO(status, done, lk_model_log_density(ctx, r->model, x, rows, made->values + made->count));
        made->count += rows;
    }
    qsort(made->values, (size_t)made->count, sizeof(double), compare_doubles);
    *out = made;
    made = NULL;
done:
    lki_release(ctx, x);
    lki_release(ctx, made);
    return status;
}

/* The log densities that the model keeps, as a ranking. */
static lk_status ranking_kept(lk_context *ctx, const lki_calibration *kept, ranking **out)
{
    ranking *made = NULL;
    LKI_TRY(lki_allocate(ctx, (size_t)(kept->outside + kept->count) + 1, sizeof(double), &made));
    made->count = kept->outside + kept->count;
    for (int64_t i = 0; i < kept->outside; i++) {
        made->values[i] = -(double)INFINITY;
    }
    memcpy(made->values + kept->outside, kept->values, (size_t)kept->count * sizeof(double));
    *out = made;
    return LK_OK;
}

static lk_status options_check(lk_context *ctx, const lk_detect_options *given, lk_detect_options *options)
{
    if (given == NULL) {
        return LK_OK;
    }
    if (given->size < offsetof(lk_detect_options, seed) + sizeof given->seed) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_detect_options.size is %zu; set it to sizeof(lk_detect_options)", given->size);
    }
    memcpy(options, given, given->size < sizeof *options ? given->size : sizeof *options);
    if (options->draws < 0 || options->seed < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "draws is %lld, seed %lld; each must be at least 0", (long long)options->draws,
                        (long long)options->seed);
    }
    if (options->draws > 0 && options->calibrate != NULL) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "rows to calibrate by and %lld draws are both given; give one of them",
                        (long long)options->draws);
    }
    return LK_OK;
}

/* Which rows the detector refers to, and those of them that are complete. */
static lk_status refer(lk_context *ctx, lk_detector *r, const lk_detect_options *options)
{
    const lk_model *model = r->model;
    if (options->calibrate != NULL) {
        r->kind = LK_REFERENCE_ROWS;
        r->table = options->calibrate;
        r->rows = lk_table_rows(r->table);
        LKI_TRY(lki_allocate(ctx, (size_t)model->d, sizeof *r->columns, &r->columns));
        LKI_TRY(lki_model_match(ctx, model, r->table, r->columns));
    } else if (options->draws == 0 && model->calibration != NULL) {
        r->kind = LK_REFERENCE_KEPT;
        return ranking_kept(ctx, model->calibration, &r->complete);
    } else {
        /* Draws of a stream of their own: a sample of the same seed that the user scores is not among them. */
        lki_stream stream = lki_stream_new((uint64_t)options->seed, LKI_STREAM_REFERENCE, 0);
        LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_SAMPLE));
        r->kind = LK_REFERENCE_DRAWS;
        r->rows = options->draws > 0 ? options->draws : DEFAULT_DRAWS;
        r->seed = (int64_t)(lki_random_bits(&stream) >> 1);
    }
    LKI_TRY(ranking_new(ctx, r, NULL, &r->complete));
    if (r->complete->count == 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "none of the %lld rows to calibrate by has all %lld features", (long long)r->rows,
                        (long long)model->d);
    }
    return LK_OK;
}

lk_status lk_detector_new(lk_context *ctx, const lk_model *model, const lk_detect_options *given, lk_detector **out)
{
    lk_detect_options options = {0};
    lk_detector *r = NULL;
    lk_status status = LK_OK;
    lki_begin(ctx);
    LKI_TRY(options_check(ctx, given, &options));
    LKI_TRY(lki_model_supports(ctx, model, LK_OPERATION_LOG_DENSITY));
    lki_blas_enter();
    LKI_GOTO(status, done, lki_zeros(ctx, 1, sizeof *r, &r));
    r->model = model;
    LKI_GOTO(status, done, refer(ctx, r, &options));
    r->patterns.d = model->d;
    r->patterns.release = ranking_release;
    r->patterns.bytes = 8.0 * (double)r->rows;
    r->patterns.bytes_most = 0.25 * (double)lki_memory_limit(ctx);
    *out = r;
    r = NULL;
done:
    lki_blas_leave();
    lk_detector_free(ctx, r);
    return status;
}

void lk_detector_free(lk_context *ctx, lk_detector *r)
{
    if (r != NULL) {
        lki_patterns_free(ctx, &r->patterns);
        lki_release(ctx, r->complete);
        lki_release(ctx, r->draws);
        lki_release(ctx, r->columns);
        lki_release(ctx, r);
    }
}

lk_reference lk_detector_reference(const lk_detector *r, int64_t *rows)
{
    if (rows != NULL) {
        *rows = r->complete->count;
    }
    return r->kind;
}

/* p-values of the incomplete rows: each among the reference by the features that it has. */
static lk_status incomplete_rows(lk_context *ctx, lk_detector *r, const double *x, int64_t rows, const double *score, double *p)
{
    LKI_TRY(lki_patterns_group(ctx, &r->patterns, x, rows, NULL, true));
    for (int64_t m = 0; m < r->patterns.met_count; m++) {
        lki_pattern *pattern = r->patterns.met[m];
        bool answered = r->kind != LK_REFERENCE_KEPT && !isnan(score[pattern->rows[0]]);
        if (answered && pattern->answer == NULL) {
            ranking *made;
            LKI_TRY(draws_keep(ctx, r));
            LKI_TRY(ranking_new(ctx, r, pattern->missing, &made));
            lki_patterns_keep(ctx, &r->patterns, pattern, made);
        }
        for (int64_t i = 0; i < pattern->count; i++) {
            p[pattern->rows[i]] = answered ? p_value(pattern->answer, -score[pattern->rows[i]]) : (double)NAN;
        }
    }
    return LK_OK;
}

lk_status lk_detector_rows(lk_context *ctx, lk_detector *r, const double *x, int64_t rows, double *score, double *p)
{
    int64_t d = r->model->d;
    bool incomplete = false;
    LKI_TRY(lk_model_log_density(ctx, r->model, x, rows, score));
    for (int64_t i = 0; i < rows; i++) {
        p[i] = p_value(r->complete, score[i]);
        score[i] = 0.0 - score[i]; /* no -0 */
        for (int64_t j = 0; j < d; j++) {
            incomplete = incomplete || isnan(x[i * d + j]);
        }
    }
    lki_blas_enter();
    lk_status status = incomplete ? incomplete_rows(ctx, r, x, rows, score, p) : LK_OK;
    lki_blas_leave();
    return status;
}

lk_status lk_false_discovery_threshold(lk_context *ctx, const double *p, int64_t count, double rate, double *out)
{
    double *sorted;
    int64_t n = 0;
    double threshold = 0.0;
    lki_begin(ctx);
    if (!(rate > 0.0 && rate < 1.0) || count < 0) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "the rate of false discoveries is %g; it must be above 0 and below 1", rate);
    }
    LKI_TRY(lki_allocate(ctx, (size_t)count, sizeof *sorted, &sorted));
    for (int64_t i = 0; i < count; i++) {
        if (p[i] < 0.0 || p[i] > 1.0) {
            lki_release(ctx, sorted);
            return lki_fail(ctx, LK_ERROR_ARGUMENT, "p-value %lld is %g; it must be from 0 to 1", (long long)i + 1, p[i]);
        }
        if (!isnan(p[i])) {
            sorted[n++] = p[i];
        }
    }
    qsort(sorted, (size_t)n, sizeof *sorted, compare_doubles);
    for (int64_t k = n; k > 0 && threshold == 0.0; k--) {
        threshold = sorted[k - 1] <= (double)k * rate / (double)n ? sorted[k - 1] : 0.0;
    }
    lki_release(ctx, sorted);
    *out = threshold;
    return LK_OK;
}
