/* The method kmeans: centres by k-means, and the law of round normal groups of one variance around them. */
#include "data/json_text.h"
#include "gmm.h"
#include "math/lloyd.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rows on which starts are tried: at least so many, and so many for each centre. */
enum { SAMPLE_ROWS = 20000, SAMPLE_ROWS_A_CENTRE = 500 };

static const lk_parameter parameters[] = {
    {"components", LK_PARAMETER_RANGE, "1..9", 1, 100000, NULL, "K", "number of centres: 3, 1..9 or 2,4,8; the criterion chooses"},
    {"restarts", LK_PARAMETER_INTEGER, "10", 1, 100000, NULL, "N", "starts by k-means++, of which the best is kept"},
    {"max_iter", LK_PARAMETER_INTEGER, "300", 0, 1e9, NULL, "N", "passes over the rows at most, or epochs of mini-batches"},
    {"tol", LK_PARAMETER_REAL, "1e-4", 0, 1, NULL, "X",
     "converged when the squares of all moves of a pass sum to at most X times the mean variance of a feature"},
    {"batch", LK_PARAMETER_INTEGER, "0", 0, 1e9, NULL, "ROWS", "rows of a mini-batch, rounded up to multiples of 1024; 0 = all rows at once"},
    {"criterion", LK_PARAMETER_CHOICE, "icl", 0, 0, "bic,icl", NULL, "what chooses among numbers of centres, larger is better"},
};

/* ---- rows ---- */

typedef struct source {
    const lki_dataset *data;
    lki_block *blocks; /* one a thread */
} source;

static lk_status source_block(lk_context *ctx, void *state, int thread, int64_t b, lki_kmeans_block *out)
{
    const source *s = state;
    lki_block *block = &s->blocks[thread];
    LKI_TRY(lki_dataset_block(ctx, s->data, b, block));
    *out = (lki_kmeans_block){.x = block->x, .w = block->w, .rows = block->rows, .stride = s->data->d, .weight_stride = 1};
    return LK_OK;
}

typedef struct kmeans_fit_state {
    lk_context *ctx;
    const lki_fit_task *task;
    source source;
    lki_kmeans_rows rows;
    double *sample; /* sampled x (d + 1): rows of positive weight, the last column being it */
    int64_t sampled;
    double total, positive; /* sum of weights, rows with any */
    json_t *table;
} kmeans_fit_state;

/* Sum of weights and rows that have one; then the sample, each row by a draw of its own. */
static lk_status survey(kmeans_fit_state *f, int64_t most)
{
    const int64_t d = f->task->data->d;
    lki_kmeans_block b;
    size_t capacity = 0;
    for (int turn = 0; turn < 2; turn++) {
        const double share = (double)most / f->positive;
        for (int64_t index = 0; index < f->rows.blocks; index++) {
            LKI_TRY(lki_cancelled(f->ctx));
            LKI_TRY(source_block(f->ctx, &f->source, 0, index, &b));
            if (turn == 1) {
                LKI_TRY(lki_grow(f->ctx, &f->sample, &capacity, lki_product((size_t)(f->sampled + b.rows), (size_t)d + 1), sizeof(double)));
            }
            for (int64_t i = 0; i < b.rows; i++) {
                const double w = b.w != NULL ? b.w[i] : 1.0;
                lki_stream s = lki_stream_new(f->task->seed, LKI_STREAM_START, (uint64_t)(index * LKI_BLOCK_ROWS + i));
                if (turn == 0) {
                    f->total += w;
                    f->positive += w > 0.0;
                } else if (w > 0.0 && (share >= 1.0 || lki_random_uniform(&s) < share)) {
                    double *row = f->sample + f->sampled++ * (d + 1);
                    memcpy(row, b.x + i * d, (size_t)d * sizeof(double));
                    row[d] = w;
                }
            }
        }
        if (!(f->positive > 0.0)) {
            return lki_fail(f->ctx, LK_ERROR_DATA, "no row has a weight above 0");
        }
    }
    return LK_OK;
}

/* ---- one number of centres ---- */

typedef struct record {
    lki_mixture *mixture;
    lki_kmeans_run run;
    double log_likelihood, entropy, parameters, bic, icl;
    bool degenerate; /* rows stand on their centres */
} record;

/* The best start on the sample: centres (K x d). *distinct < K: there are not so many distinct rows. */
static lk_status start(kmeans_fit_state *f, int64_t K, const lki_kmeans_run *how, double *centres, int64_t *distinct)
{
    const int64_t d = f->task->data->d, restarts = lki_value_integer(f->task->values, "restarts");
    lki_kmeans_array array = {f->sample, f->sampled, d};
    const lki_kmeans_rows rows = lki_kmeans_rows_of(&array);
    double *trial = NULL, *sizes = NULL, best = (double)INFINITY;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(f->ctx, (size_t)K, (size_t)d * sizeof(double), &trial));
    LKI_GOTO(status, done, lki_allocate(f->ctx, (size_t)K, sizeof(double), &sizes));
    for (int64_t r = 0; r < restarts; r++) {
        lki_stream stream = lki_stream_new(f->task->seed, LKI_STREAM_START, ((uint64_t)1 << 40) + (uint64_t)r);
        lki_kmeans_run run = *how;
        lki_kmeans *km = NULL;
        LKI_GOTO(status, done, lki_kmeans_seed(f->ctx, f->sample, f->sampled, d, K, &stream, trial, distinct));
        if (*distinct < K) {
            break;
        }
        LKI_GOTO(status, done, lki_kmeans_new(f->ctx, &rows, K, true, &km));
        status = lki_kmeans_lloyd(f->ctx, km, &run, trial, sizes);
        lki_kmeans_free(f->ctx, km);
        LKI_GOTO(status, done, status);
        if (run.inertia < best) {
            best = run.inertia;
            memcpy(centres, trial, (size_t)(K * d) * sizeof(double));
        }
    }
done:
    lki_release(f->ctx, trial);
    lki_release(f->ctx, sizes);
    return status;
}

/* p(x) = sum_k (n_k / n) N(x; c_k, s I), s = inertia / (n d): the law whose classification likelihood k-means climbs, for groups of one
 * size (Celeux and Govaert 1992). */
static lk_status law(kmeans_fit_state *f, const double *sizes, record *r)
{
    lki_mixture *m = r->mixture;
    double variance = r->run.inertia / (f->total * (double)m->d), scale = 0.0;
    for (int64_t i = 0; i < m->K * m->d; i++) {
        scale = fmax(scale, fabs(m->means[i]));
    }
    const double least = fmax(1e-16 * scale * scale, 1e-280);
    r->degenerate = !(variance > least);
    variance = fmax(variance, least);
    if (!isfinite(variance)) {
        return lki_fail(f->ctx, LK_ERROR_DATA, "squared distances are beyond the range of numbers; use --transform standardize");
    }
    for (int64_t k = 0; k < m->K; k++) {
        m->weights[k] = sizes[k] / f->total;
        m->covariances[k] = variance;
    }
    return LK_OK;
}

typedef struct likelihood {
    const kmeans_fit_state *f;
    const lki_mixture_kernel *kernel;
    const lki_mixture_plan *plan;
    double *scratch; /* one a thread */
    size_t scratch_length;
} likelihood;

static lk_status likelihood_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const likelihood *l = state;
    lki_kmeans_block b;
    LKI_TRY(source_block(ctx, (void *)&l->f->source, thread, index, &b));
    l->kernel->block(l->plan, b.x, b.w, b.rows, l->scratch + (size_t)thread * l->scratch_length, sums, NULL, NULL);
    return LK_OK;
}

/* Log-likelihood and entropy of the law, and what follows. Takes a copy of the mixture for its factors. */
static lk_status judge(kmeans_fit_state *f, record *r)
{
    const lki_mixture *m = r->mixture;
    lki_mixture *copy;
    lki_gmm *g = NULL;
    likelihood l = {.f = f, .kernel = lki_mixture_kernel_best()};
    double *sums = NULL;
    lk_status status = LK_OK;
    LKI_TRY(lki_mixture_new(f->ctx, m->K, m->d, m->covariance, &copy));
    lki_mixture_copy(copy, m);
    LKI_TRY(lki_gmm_new(f->ctx, copy, &g));
    const size_t length = LKI_SUM_HEAD + (size_t)(m->K * g->plan.statistics);
    l.plan = &g->plan;
    l.scratch_length = (l.kernel->scratch_length(&g->plan, LKI_BLOCK_ROWS) + 7) & ~(size_t)7;
    LKI_GOTO(status, done, lki_allocate(f->ctx, lki_product((size_t)lki_threads(f->ctx), l.scratch_length), sizeof(double), &l.scratch));
    LKI_GOTO(status, done, lki_allocate(f->ctx, length, sizeof(double), &sums));
    const lki_reduction pass = {.blocks = f->rows.blocks, .length = length, .block = likelihood_block, .state = &l};
    LKI_GOTO(status, done, lki_reduce(f->ctx, &pass, sums));
    r->log_likelihood = sums[LKI_SUM_OBJECTIVE];
    r->entropy = sums[LKI_SUM_ENTROPY];
    r->parameters = (double)(m->K - 1 + m->K * m->d + 1);
    r->bic = 2.0 * r->log_likelihood - r->parameters * log(f->total);
    r->icl = r->bic - 2.0 * r->entropy;
done:
    lki_release(f->ctx, l.scratch);
    lki_release(f->ctx, sums);
    lki_gmm_free(&g->memory, g);
    return status;
}

static lk_status iterate(kmeans_fit_state *f, record *r, double *sizes)
{
    const lki_values *v = f->task->values;
    const int64_t batch = lki_value_integer(v, "batch");
    lki_kmeans *km = NULL;
    if (batch > 0) {
        return lki_kmeans_batches(f->ctx, &f->rows, r->mixture->K, batch, f->task->seed, &r->run, r->mixture->means, sizes);
    }
    LKI_TRY(lki_kmeans_new(f->ctx, &f->rows, r->mixture->K, true, &km));
    const lk_status status = lki_kmeans_lloyd(f->ctx, km, &r->run, r->mixture->means, sizes);
    lki_kmeans_free(f->ctx, km);
    return status;
}

/* One K, from the start model's centres where there is one. out->mixture stays NULL where the rows cannot carry so many. */
static lk_status fit_one(kmeans_fit_state *f, int64_t K, bool only, record *out)
{
    const lki_values *v = f->task->values;
    const lki_gmm *before = f->task->start;
    record r = {.run = {.tol = lki_value_real(v, "tol"), .max_iter = lki_value_integer(v, "max_iter")}};
    double *sizes = NULL;
    int64_t distinct = K;
    lk_status status = LK_OK;
    LKI_TRY(lki_mixture_new(f->ctx, K, f->task->data->d, lki_covariance_find("EII"), &r.mixture));
    LKI_GOTO(status, done, lki_allocate(f->ctx, (size_t)K, sizeof(double), &sizes));
    if (before != NULL) {
        memcpy(r.mixture->means, before->mixture->means, (size_t)(K * f->task->data->d) * sizeof(double));
    } else {
        LKI_GOTO(status, done, start(f, K, &r.run, r.mixture->means, &distinct));
    }
    if (distinct < K) {
        status = only ? lki_fail(f->ctx, LK_ERROR_DATA, "components = %lld, but the rows have only %lld distinct values; ask for at most that many",
                                 (long long)K, (long long)distinct)
                      : LK_OK;
        goto done;
    }
    LKI_GOTO(status, done, iterate(f, &r, sizes));
    LKI_GOTO(status, done, law(f, sizes, &r));
    LKI_GOTO(status, done, judge(f, &r));
    *out = r;
    r.mixture = NULL;
done:
    lki_mixture_free(r.mixture);
    lki_release(f->ctx, sizes);
    return status;
}

/* ---- the choice ---- */

static lk_status note(kmeans_fit_state *f, const record *r)
{
    const double jacobian = f->task->log_jacobian;
    json_t *row = json_pack("{s:I, s:f, s:f, s:f, s:f, s:b, s:b}", "components", (json_int_t)r->mixture->K, "inertia", r->run.inertia,
                            "log_likelihood", r->log_likelihood + jacobian, "bic", r->bic + 2.0 * jacobian, "icl", r->icl + 2.0 * jacobian,
                            "converged", r->run.converged, "degenerate", r->degenerate);
    return row == NULL || json_array_append_new(f->table, row) != 0 ? lki_json_memory(f->ctx) : LK_OK;
}

/* Keeps the better of two by the criterion; one that is not degenerate before one that is. */
static void keep_better(const kmeans_fit_state *f, record *best, record *r)
{
    const bool icl = strcmp(lki_value_text(f->task->values, "criterion"), "icl") == 0;
    const bool better = best->mixture == NULL || (best->degenerate && !r->degenerate) ||
                        (best->degenerate == r->degenerate && (icl ? r->icl > best->icl : r->bic > best->bic));
    lki_mixture_free(better ? best->mixture : r->mixture);
    if (better) {
        *best = *r;
    }
}

static lk_status report_best(kmeans_fit_state *f, const record *best, lki_report *report)
{
    report->n = f->total;
    report->log_likelihood = best->log_likelihood;
    report->free_parameters = best->parameters;
    report->entropy = best->entropy;
    report->iterations = best->run.iterations;
    report->converged = best->run.converged;
    if (best->degenerate) {
        snprintf(report->degenerate, sizeof report->degenerate, "every row stands on its centre: the variance is held at a floor");
    }
    report->extra = json_pack("{s:f, s:I}", "inertia", best->run.inertia, "centres_moved", (json_int_t)best->run.moved);
    if (report->extra == NULL || (json_array_size(f->table) > 1 && json_object_set(report->extra, "selection", f->table) != 0)) {
        return lki_json_memory(f->ctx);
    }
    return LK_OK;
}

static lk_status fit_all(kmeans_fit_state *f, record *best)
{
    const lki_gmm *before = f->task->start;
    int64_t count, own;
    const int64_t *K = lki_value_list(f->task->values, "components", &count);
    if (before != NULL) {
        own = before->mixture->K;
        if (lki_value_is_set(f->task->values, "components") && (count != 1 || K[0] != own)) {
            return lki_fail(f->ctx, LK_ERROR_ARGUMENT, "the start model has %lld centres, and components = %s is asked for; leave --components "
                                                       "out",
                            (long long)own, lki_value_text(f->task->values, "components"));
        }
        K = &own;
        count = 1;
    }
    const int64_t most = SAMPLE_ROWS_A_CENTRE * K[count - 1];
    LKI_TRY(survey(f, most > SAMPLE_ROWS ? most : SAMPLE_ROWS));
    if (lki_value_is_set(f->task->values, "components") && (double)K[count - 1] > f->positive) {
        return lki_fail(f->ctx, LK_ERROR_DATA, "components = %lld, but there are only %.0f rows; ask for at most that many",
                        (long long)K[count - 1], f->positive);
    }
    for (int64_t i = 0; i < count && (double)K[i] <= f->positive; i++) {
        record r = {.mixture = NULL};
        LKI_TRY(fit_one(f, K[i], count == 1, &r));
        if (r.mixture != NULL) {
            const lk_status status = note(f, &r);
            keep_better(f, best, &r);
            LKI_TRY(status);
        }
    }
    return best->mixture != NULL ? LK_OK : lki_fail(f->ctx, LK_ERROR_DATA, "no number of components asked for fits the rows; ask for fewer");
}

static lk_status kmeans_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    kmeans_fit_state f = {.ctx = ctx, .task = task, .source = {.data = task->data}, .table = json_array()};
    const size_t threads = (size_t)lki_threads(ctx);
    record best = {.mixture = NULL};
    lki_gmm *g;
    lk_status status = LK_OK;
    f.rows = (lki_kmeans_rows){.rows = task->data->rows, .blocks = task->data->blocks, .d = task->data->d, .block = source_block,
                               .state = &f.source};
    if (f.table == NULL) {
        return lki_json_memory(ctx);
    }
    LKI_GOTO(status, done, lki_zeros(ctx, threads, sizeof(lki_block), &f.source.blocks));
    LKI_GOTO(status, done, fit_all(&f, &best));
    LKI_GOTO(status, done, report_best(&f, &best, report));
    lki_mixture *mixture = best.mixture;
    best.mixture = NULL;
    LKI_GOTO(status, done, lki_gmm_new(ctx, mixture, &g));
    *state = g;
done:
    for (size_t i = 0; f.source.blocks != NULL && i < threads; i++) {
        lki_block_free(ctx, &f.source.blocks[i]);
    }
    lki_release(ctx, f.source.blocks);
    lki_release(ctx, f.sample);
    lki_mixture_free(best.mixture);
    json_decref(f.table);
    return status;
}

/* ---- the model ---- */

/* A row belongs to its nearest centre, wholly. */
lk_status lki_kmeans_responsibilities(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    int32_t *labels;
    LKI_TRY(lki_allocate(ctx, (size_t)rows, sizeof *labels, &labels));
    const lk_status status = lki_kmeans_assign(ctx, x, m->d, rows, m->d, m->K, m->means, labels);
    memset(out, 0, (size_t)(rows * m->K) * sizeof *out);
    for (int64_t i = 0; status == LK_OK && i < rows; i++) {
        out[i * m->K + labels[i]] = 1.0;
    }
    lki_release(ctx, labels);
    return status;
}

lk_status lki_kmeans_load(lk_context *ctx, const lki_values *values, int64_t d, const lki_tensor *tensors, int count, void **out)
{
    void *state;
    LKI_TRY(lki_gmm_load(ctx, values, d, tensors, count, &state));
    lki_gmm *g = state;
    if (g->mixture->noise || g->mixture->covariance->form != LKI_FORM_SPHERICAL) {
        lki_gmm_free(&g->memory, g);
        return lki_fail(ctx, LK_ERROR_FORMAT, "kmeans has the tensors weights, means and variances_EII alone");
    }
    *out = g;
    return LK_OK;
}

LKI_METHOD(kmeans, 5) = {
    .public = {.name = "kmeans",
               .summary = "k-means: each row to the nearest of K centres; density of round normal groups around them",
               .citation = "Lloyd 1982, IEEE Trans. Inf. Theory 28:129-137; Arthur and Vassilvitskii 2007, SODA; Hamerly 2010, SDM; "
                           "Sculley 2010, WWW",
               .parameters = parameters,
               .parameter_count = (int64_t)(sizeof parameters / sizeof *parameters),
               .roles = "features,weight",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_SCORE | LK_OPERATION_SAMPLE | LK_OPERATION_RESPONSIBILITIES |
                             LK_OPERATION_MARGINAL | LK_OPERATION_CDF | LK_OPERATION_CONDITION | LK_OPERATION_SMOOTH},
    .operations = &lki_kmeans_operations,
    .fit = kmeans_fit,
};
