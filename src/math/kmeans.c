/* The public call: checks, starts, and the best of them. */
#include "lloyd.h"
#include <math.h>
#include <string.h>

enum { RESTARTS = 10, MAX_ITER = 300 };

/* Rows and weights as the caller holds them. */
typedef struct caller {
    const double *x, *w;
    int64_t n, d;
} caller;

static lk_status caller_block(lk_context *ctx, void *state, int thread, int64_t b, lki_kmeans_block *out)
{
    const caller *c = state;
    const int64_t first = b * LKI_BLOCK_ROWS, left = c->n - first;
    (void)ctx;
    (void)thread;
    *out = (lki_kmeans_block){.x = c->x + first * c->d, .w = c->w != NULL ? c->w + first : NULL,
                              .rows = left < LKI_BLOCK_ROWS ? left : LKI_BLOCK_ROWS, .stride = c->d, .weight_stride = 1};
    return LK_OK;
}

static lk_status check(lk_context *ctx, const caller *c, int64_t K, const lk_kmeans_options *o)
{
    double total = 0.0;
    if (c->n < 1 || c->d < 1 || K < 1 || K > c->n || K > INT32_MAX) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "%lld centres of %lld rows with %lld columns; there must be 1 to as many centres as rows",
                        (long long)K, (long long)c->n, (long long)c->d);
    }
    if (o != NULL && (o->size != sizeof *o || o->restarts < 0 || o->max_iter < 0 || o->batch < 0 || o->seed < 0 || isnan(o->tol))) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "lk_kmeans: %s", o->size != sizeof *o ? "options->size is not sizeof(lk_kmeans_options)"
                                                                 : isnan(o->tol)      ? "tol is NaN"
                                                                                      : "restarts, max_iter, batch and seed must be at least 0");
    }
    for (int64_t i = 0; i < c->n; i++) {
        for (int64_t j = 0; j < c->d; j++) {
            if (!isfinite(c->x[i * c->d + j])) {
                return lki_fail(ctx, LK_ERROR_DATA, "row %lld, column %lld is %g; k-means needs finite numbers", (long long)i + 1,
                                (long long)j + 1, c->x[i * c->d + j]);
            }
        }
        if (c->w != NULL && !(c->w[i] >= 0.0 && isfinite(c->w[i]))) {
            return lki_fail(ctx, LK_ERROR_DATA, "the weight of row %lld is %g; it must be a number of at least 0", (long long)i + 1, c->w[i]);
        }
        total += c->w != NULL ? c->w[i] : 1.0;
    }
    return total > 0.0 ? LK_OK : lki_fail(ctx, LK_ERROR_DATA, "no row has a weight above 0");
}

/* One start, run to its end. */
static lk_status run_once(lk_context *ctx, const lki_kmeans_rows *rows, int64_t K, const lk_kmeans_options *o, lki_kmeans_run *run,
                          double *centres, double *sizes)
{
    lki_kmeans *km = NULL;
    if (o != NULL && o->batch > 0) {
        return lki_kmeans_batches(ctx, rows, K, o->batch, (uint64_t)o->seed, run, centres, sizes);
    }
    LKI_TRY(lki_kmeans_new(ctx, rows, K, true, &km));
    const lk_status status = lki_kmeans_lloyd(ctx, km, run, centres, sizes);
    lki_kmeans_free(ctx, km);
    return status;
}

static lk_status best_of_starts(lk_context *ctx, const caller *c, const lki_kmeans_rows *rows, int64_t K, const lk_kmeans_options *o,
                                lki_kmeans_run *best, double *centres)
{
    const int64_t restarts = o != NULL && o->start != NULL ? 1 : o != NULL && o->restarts > 0 ? o->restarts : RESTARTS;
    const size_t size = lki_product((size_t)K, (size_t)c->d);
    double *values = NULL, *trial = NULL, *sizes = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, size, sizeof(double), &trial));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)K, sizeof(double), &sizes));
    if (o == NULL || o->start == NULL) {
        LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)c->n, (size_t)c->d + 1), sizeof(double), &values));
        for (int64_t i = 0; i < c->n; i++) {
            memcpy(values + i * (c->d + 1), c->x + i * c->d, (size_t)c->d * sizeof(double));
            values[i * (c->d + 1) + c->d] = c->w != NULL ? c->w[i] : 1.0;
        }
    }
    for (int64_t r = 0; r < restarts; r++) {
        lki_kmeans_run run = {.tol = o == NULL || o->tol == 0.0 ? 1e-4 : fmax(o->tol, 0.0),
                              .max_iter = o != NULL && o->max_iter > 0 ? o->max_iter : MAX_ITER};
        if (values != NULL) {
            lki_stream stream = lki_stream_new(o != NULL ? (uint64_t)o->seed : 0, LKI_STREAM_START, (uint64_t)r);
            int64_t distinct;
            LKI_GOTO(status, done, lki_kmeans_seed(ctx, values, c->n, c->d, K, &stream, trial, &distinct));
            if (distinct < K) {
                status = lki_fail(ctx, LK_ERROR_DATA, "%lld centres, but the rows have only %lld distinct values; ask for at most that many",
                                  (long long)K, (long long)distinct);
                goto done;
            }
        } else {
            memcpy(trial, o->start, size * sizeof(double));
        }
        LKI_GOTO(status, done, run_once(ctx, rows, K, o, &run, trial, sizes));
        if (r == 0 || run.inertia < best->inertia) {
            *best = run;
            memcpy(centres, trial, size * sizeof(double));
        }
    }
done:
    lki_release(ctx, values);
    lki_release(ctx, trial);
    lki_release(ctx, sizes);
    return status;
}

lk_status lk_kmeans(lk_context *context, const double *x, int64_t n, int64_t d, int64_t K, const lk_kmeans_options *options,
                    double *centres, int64_t *labels, lk_kmeans_result *result)
{
    lki_begin(context);
    caller c = {x, options != NULL ? options->weights : NULL, n, d};
    const lki_kmeans_rows rows = {.rows = n, .blocks = (n + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .d = d, .block = caller_block, .state = &c};
    lki_kmeans_run best = {.inertia = 0.0};
    int32_t *label = NULL;
    double *found = NULL;
    lk_status status = LK_OK;
    if (x == NULL || centres == NULL || (result != NULL && result->size != sizeof *result)) {
        return lki_fail(context, LK_ERROR_ARGUMENT, "lk_kmeans: %s", x == NULL ? "x is NULL" : centres == NULL ? "centres is NULL"
                                                    : "result->size is not sizeof(lk_kmeans_result)");
    }
    LKI_TRY(check(context, &c, K, options));
    LKI_GOTO(status, done, lki_allocate(context, lki_product((size_t)K, (size_t)d), sizeof(double), &found));
    LKI_GOTO(status, done, best_of_starts(context, &c, &rows, K, options, &best, found));
    if (labels != NULL) {
        LKI_GOTO(status, done, lki_allocate(context, (size_t)n, sizeof(int32_t), &label));
        LKI_GOTO(status, done, lki_kmeans_assign(context, x, d, n, d, K, found, label));
        for (int64_t i = 0; i < n; i++) {
            labels[i] = label[i];
        }
    }
    memcpy(centres, found, (size_t)(K * d) * sizeof(double));
    if (result != NULL) {
        *result = (lk_kmeans_result){sizeof *result, best.inertia, best.iterations, best.moved, best.converged};
    }
done:
    lki_release(context, label);
    lki_release(context, found);
    return status;
}
