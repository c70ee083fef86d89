/* Replicates of a table's rows and the fits to them, side by side over threads. */
#include "model/replicate.h"
#include "core/philox.h"
#include "math/assignment.h"
#include "model/survey.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows are drawn one by one: a total weight beyond this would take too long, and is no number of rows. */
static const double total_most = 2147483647.0;

/* ---- rows ---- */

typedef struct counting {
    const lki_dataset *data;
    lki_block *blocks;
    int gaps;
} counting;

/* Sums: weight of the rows that have a value; 1-based row and column of the first value that is refused, whether it is infinite. */
static lk_status count_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const counting *c = state;
    lki_block *b = &c->blocks[thread];
    const int64_t d = c->data->d;
    LKI_TRY(lki_dataset_block(ctx, c->data, index, b));
    for (int64_t i = 0; i < b->rows; i++) {
        const double w = b->w != NULL ? b->w[i] : 1.0;
        int64_t there = 0;
        for (int64_t j = 0; j < d && w > 0.0; j++) {
            const double x = b->x[i * d + j];
            there += !isnan(x);
            if ((isinf(x) || (isnan(x) && !c->gaps)) && sums[1] == 0.0) {
                sums[1] = (double)(b->first_row + i + 1);
                sums[2] = (double)j;
                sums[3] = isinf(x) ? 1.0 : 0.0;
            }
        }
        sums[0] += there > 0 ? w : 0.0;
    }
    return LK_OK;
}

static void count_combine(void *state, double *left, const double *right)
{
    (void)state;
    left[0] += right[0];
    for (int i = 1; left[1] == 0.0 && i < 4; i++) {
        left[i] = right[i];
    }
}

static lk_status count_rows(lk_context *ctx, const lk_model *model, lki_rows *rows)
{
    counting c = {.data = &rows->data, .gaps = model->method->gaps};
    double sums[4] = {0};
    LKI_TRY(lki_blocks_new(ctx, &c.blocks));
    const lki_reduction reduction = {.blocks = rows->data.blocks, .length = 4, .block = count_block, .combine = count_combine, .state = &c};
    lk_status status = lki_reduce(ctx, &reduction, sums);
    lki_blocks_free(ctx, c.blocks);
    LKI_TRY(status);
    if (sums[1] > 0.0) {
        return lki_value_refused(ctx, model->names[(int64_t)sums[2]], (int64_t)sums[1] - 1, sums[3] > 0.0);
    }
    if (!(sums[0] > 0.0)) {
        return lki_fail(ctx, LK_ERROR_DATA, "%s", rows->data.rows == 0 ? "there are no rows" : "no row has a positive weight and a value");
    }
    rows->total = sums[0];
    return LK_OK;
}

lk_status lki_rows_open(lk_context *ctx, const lk_model *model, const lk_table *table, const char *weight, lki_rows *out)
{
    const int64_t rows = lk_table_rows(table);
    lki_rows fresh = {.data = {.table = table, .d = model->d, .weight = -1, .transform = model->transform, .rows = rows,
                               .blocks = (rows + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS}};
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)model->d, sizeof *fresh.features, &fresh.features));
    LKI_GOTO(status, failed, lki_model_match(ctx, model, table, fresh.features));
    if (weight != NULL) {
        LKI_GOTO(status, failed, lk_table_find(ctx, table, weight, &fresh.data.weight));
    }
    fresh.data.features = fresh.features;
    LKI_GOTO(status, failed, count_rows(ctx, model, &fresh));
    *out = fresh;
    return LK_OK;
failed:
    lki_rows_close(ctx, &fresh);
    return status;
}

void lki_rows_close(lk_context *ctx, lki_rows *rows)
{
    lki_release(ctx, rows->features);
    *rows = (lki_rows){0};
}

/* ---- replicates ---- */

/* What one thread works with. */
typedef struct worker {
    lk_context *ctx;
    double *weights;   /* of the replicate */
    lki_block block;
    lki_scratch mine, other;
    double *x;         /* responsibilities of a block under the model, then under the fit */
    double *overlap;   /* K x K, then scratch of the assignment */
    int64_t *order;    /* K, then scratch of the assignment */
} worker;

typedef struct replicating {
    const lki_replication *r;
    int64_t K;
    double *base;        /* weights of the rows; 0 for those without any value */
    double *cumulative;  /* their running sum; NULL where all are equal to 1 */
    lki_question groups; /* responsibilities of the model; K > 1 only */
    worker *workers;
    lki_replicated counts; /* atomic */
    int64_t done;          /* atomic */
} replicating;

static lk_status base_weights(lk_context *ctx, replicating *s)
{
    const lki_dataset *data = &s->r->rows->data;
    lki_block block = {0};
    lk_status status = LK_OK;
    bool equal = true;
    LKI_TRY(lki_allocate(ctx, (size_t)data->rows, sizeof *s->base, &s->base));
    for (int64_t b = 0; b < data->blocks && status == LK_OK; b++) {
        status = lki_dataset_block(ctx, data, b, &block);
        for (int64_t i = 0; status == LK_OK && i < block.rows; i++) {
            bool there = false;
            for (int64_t j = 0; j < data->d; j++) {
                there = there || !isnan(block.x[i * data->d + j]);
            }
            const double w = !there ? 0.0 : block.w != NULL ? block.w[i] : 1.0;
            s->base[block.first_row + i] = w;
            equal = equal && w == 1.0;
        }
    }
    lki_block_free(ctx, &block);
    LKI_TRY(status);
    if (equal) {
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)data->rows, sizeof *s->cumulative, &s->cumulative));
    double sum = 0.0;
    for (int64_t i = 0; i < data->rows; i++) {
        s->cumulative[i] = sum += s->base[i];
    }
    return LK_OK;
}

static void draw_rows(const replicating *s, lki_stream *stream, double *weights)
{
    const int64_t rows = s->r->rows->data.rows, draws = llround(s->r->rows->total);
    const double each = s->r->rows->total / (double)draws;
    memset(weights, 0, (size_t)rows * sizeof *weights);
    for (int64_t i = 0; i < draws; i++) {
        const int64_t row = s->cumulative == NULL ? lki_random_below(stream, rows) : lki_random_categorical(stream, s->cumulative, rows);
        weights[row] += 1.0;
    }
    for (int64_t i = 0; i < rows; i++) {
        weights[i] *= each;
    }
}

static void draw_weights(const replicating *s, lki_stream *stream, double *weights)
{
    const int64_t rows = s->r->rows->data.rows;
    double sum = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        weights[i] = s->base[i] > 0.0 ? lki_random_gamma(stream, s->base[i]) : 0.0;
        sum += weights[i];
    }
    for (int64_t i = 0; i < rows; i++) {
        weights[i] *= s->r->rows->total / sum;
    }
}

/* Selection sampling (Fan, Muller and Rezucha 1962): each row with the probability of what is still wanted among what is left. */
static void draw_part(const replicating *s, lki_stream *stream, double *weights)
{
    const int64_t rows = s->r->rows->data.rows;
    int64_t left = 0;
    for (int64_t i = 0; i < rows; i++) {
        left += s->base[i] > 0.0;
    }
    int64_t wanted = (int64_t)ceil(s->r->share * (double)left);
    for (int64_t i = 0; i < rows; i++) {
        weights[i] = 0.0;
        if (s->base[i] > 0.0) {
            if (lki_random_below(stream, left) < wanted) {
                weights[i] = s->base[i];
                wanted--;
            }
            left--;
        }
    }
}

/* The best assignment of the fit's groups to the model's, into w->order. */
static lk_status match_groups(const replicating *s, worker *w, const lk_model *fit)
{
    const int64_t K = s->K, KK = K * K;
    lki_dataset raw = s->r->rows->data;
    lki_question theirs;
    raw.transform = NULL;
    raw.weight = -1;
    raw.weights = s->base;
    memset(w->overlap, 0, (size_t)KK * sizeof *w->overlap);
    LKI_TRY(lki_question_open(w->ctx, fit, LK_OPERATION_RESPONSIBILITIES, &theirs));
    lk_status status = LK_OK;
    for (int64_t b = 0; b < raw.blocks && status == LK_OK; b++) {
        double *mine = w->x, *other = w->x + LKI_BLOCK_ROWS * K;
        LKI_GOTO(status, done, lki_dataset_block(w->ctx, &raw, b, &w->block));
        LKI_GOTO(status, done, lki_question_block(w->ctx, &s->groups, &w->mine, w->block.x, w->block.rows, mine));
        LKI_GOTO(status, done, lki_question_block(w->ctx, &theirs, &w->other, w->block.x, w->block.rows, other));
        for (int64_t i = 0; i < w->block.rows; i++) {
            for (int64_t k = 0; w->block.w[i] > 0.0 && k < KK; k++) {
                w->overlap[k] -= w->block.w[i] * mine[i * K + k / K] * other[i * K + k % K];
            }
        }
    }
    const int64_t noise = fit->operations.noise_group != NULL ? fit->operations.noise_group(fit->state) : -1;
    if (noise >= 0) { /* noise stays noise, whatever the rows say */
        w->overlap[noise * (K + 1)] -= 2.0 * (double)K * s->r->rows->total;
    }
    lki_assign(K, w->overlap, w->order, w->overlap + KK, w->order + K);
done:
    lki_question_close(w->ctx, &theirs);
    lki_scratch_free(w->ctx, &w->other); /* it may hold marginals of this fit */
    return status;
}

static lk_status worker_reserve(lk_context *ctx, const replicating *s, worker *w)
{
    const size_t K = (size_t)s->K;
    if (w->ctx == NULL) {
        LKI_TRY(lki_context_worker(ctx, &w->ctx));
    }
    if (w->weights == NULL) {
        LKI_TRY(lki_allocate(ctx, (size_t)s->r->rows->data.rows, sizeof *w->weights, &w->weights));
    }
    if (K > 1 && w->x == NULL) {
        LKI_TRY(lki_allocate(ctx, lki_product(2 * LKI_BLOCK_ROWS, K), sizeof *w->x, &w->x));
    }
    if (K > 1 && w->overlap == NULL) {
        LKI_TRY(lki_allocate(ctx, K * K + 3 * (K + 1), sizeof *w->overlap, &w->overlap));
    }
    if (w->order == NULL) {
        LKI_TRY(lki_zeros(ctx, K + 3 * (K + 1), sizeof *w->order, &w->order));
    }
    return LK_OK;
}

/* Fits the rows of w->weights and hands the fit on. */
static lk_status replicate_fit(replicating *s, worker *w, int thread, int64_t number, uint64_t seed)
{
    const lk_model *model = s->r->model;
    lki_dataset data = s->r->rows->data;
    lk_model fit = *model; /* all but the state and the report is the model's own */
    lk_status status = LK_OK;
    data.weight = -1;
    data.weights = w->weights;
    fit.report = lki_report_unknown();
    fit.state = NULL;
    const lki_fit_task task = {.data = &data, .names = (const char *const *)model->names, .values = model->values,
                               .start = model->state, .refit = s->r->refit, .seed = seed};
    LKI_GOTO(status, done, model->method->fit(w->ctx, &task, &fit.state, &fit.report));
    if (fit.report.degenerate[0] != '\0') {
        __atomic_fetch_add(&s->counts.left_out, 1, __ATOMIC_RELAXED);
        goto done;
    }
    if (s->K > 1) {
        LKI_GOTO(status, done, match_groups(s, w, &fit));
    }
    const lki_replicate replicate = {.number = number, .thread = thread, .weights = w->weights, .fit = &fit,
                                     .order = s->K > 0 ? w->order : NULL};
    LKI_GOTO(status, done, s->r->take(w->ctx, s->r->state, &replicate));
    __atomic_fetch_add(&s->counts.used, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&s->counts.unconverged, fit.report.converged == 0, __ATOMIC_RELAXED);
done:
    json_decref(fit.report.extra);
    if (fit.state != NULL) {
        const lki_memory memory = lki_memory_of(w->ctx);
        model->operations.free(&memory, fit.state);
    }
    return status;
}

static lk_status replicate_one(lk_context *ctx, void *state, int thread, int64_t number)
{
    replicating *s = state;
    worker *w = &s->workers[thread];
    LKI_TRY(worker_reserve(ctx, s, w));
    lki_stream stream = lki_stream_new(s->r->seed, LKI_STREAM_BOOTSTRAP, (uint64_t)number);
    if (s->r->resampling == LKI_RESAMPLE_ROWS) {
        draw_rows(s, &stream, w->weights);
    } else if (s->r->resampling == LKI_RESAMPLE_WEIGHTS) {
        draw_weights(s, &stream, w->weights);
    } else {
        draw_part(s, &stream, w->weights);
    }
    lki_begin(w->ctx);
    lk_status status = replicate_fit(s, w, thread, number, lki_random_bits(&stream) >> 1);
    if (status == LK_ERROR_DATA || status == LK_ERROR_NUMERIC) {
        __atomic_fetch_add(&s->counts.left_out, 1, __ATOMIC_RELAXED);
        status = LK_OK;
    }
    const int64_t done = __atomic_add_fetch(&s->done, 1, __ATOMIC_RELAXED);
    lki_progress(ctx, s->r->stage, (double)done, (double)s->r->draws, "");
    return lki_pass_on(ctx, w->ctx, status);
}

static void release(lk_context *ctx, replicating *s)
{
    for (int t = 0; s->workers != NULL && t < lki_threads(ctx); t++) {
        worker *w = &s->workers[t];
        if (w->ctx != NULL) {
            lki_block_free(w->ctx, &w->block);
            lki_scratch_free(w->ctx, &w->mine);
            lki_scratch_free(w->ctx, &w->other);
        }
        lki_release(ctx, w->weights);
        lki_release(ctx, w->x);
        lki_release(ctx, w->overlap);
        lki_release(ctx, w->order);
        lk_context_free(w->ctx);
    }
    lki_release(ctx, s->workers);
    lki_release(ctx, s->base);
    lki_release(ctx, s->cumulative);
    if (s->K > 1) {
        lki_question_close(ctx, &s->groups);
    }
}

static lk_status replicable(lk_context *ctx, const lki_replication *r)
{
    if (r->model->values == NULL || r->model->operations.free != r->model->method->operations->free) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED, "this %s model is no single fit of its method: it cannot be fitted again to replicates of rows",
                        r->model->method->public.name);
    }
    if (!(r->rows->total >= 2.0 && r->rows->total <= total_most)) {
        return lki_fail(ctx, LK_ERROR_DATA, "the weights sum to %g; they count rows, of which there must be from 2 to %.0f", r->rows->total,
                        total_most);
    }
    return LK_OK;
}

lk_status lki_replicate_fits(lk_context *ctx, const lki_replication *replication, lki_replicated *out)
{
    LKI_TRY(replicable(ctx, replication));
    replicating s = {.r = replication, .K = lk_model_groups(replication->model)};
    lk_status status = LK_OK;
    if (s.K > 1) {
        LKI_TRY(lki_question_open(ctx, replication->model, LK_OPERATION_RESPONSIBILITIES, &s.groups));
    }
    LKI_GOTO(status, done, base_weights(ctx, &s));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof *s.workers, &s.workers));
    LKI_GOTO(status, done, lki_parallel(ctx, replication->draws, replicate_one, &s));
    *out = s.counts;
done:
    release(ctx, &s);
    return status;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void lki_sort_ascending(double *values, int64_t n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
}

double lki_sorted_quantile(const double *sorted, int64_t n, double p)
{
    const double at = p * (double)(n - 1);
    const int64_t low = (int64_t)floor(at), high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}
