/* The method `bridge`: minimizes mean log c(x0) - mean log v(x1) over weights, places and matrices of the potential, by L-BFGS on sums
 * over row blocks (Korotin, Gushchin and Burnaev 2023, arXiv:2310.01174, theorem 3.3: up to a constant, the KL divergence from the plan). */
#include "score/bridge.h"

#include "core/philox.h"
#include "data/json_text.h"
#include "math/cholesky.h"
#include "math/lbfgs.h"

#include <math.h>
#include <string.h>

/* A component is no narrower than this share of the target's mean variance, so that it cannot sink into a single row. */
#define LEAST_SHARE 1e-4
enum { START_ROWS = 4096 };

/* Free numbers of a component: log a_k, r_k, the lower triangle of L_k with logarithms on its diagonal; S_k = L_k L_k' + floor I. */
typedef struct fitting {
    const lki_fit_task *task;
    lki_block *blocks; /* one a thread */
    double *scratch;   /* one a thread: 2 K + 3 m */
    lki_bridge *b;
    double n0, n1, floor;
    double *sums;      /* what a pass over the rows adds up */
    double *work;      /* 3 m m */
} fitting;

static int64_t component_numbers(int64_t m)
{
    return 1 + m + m * (m + 1) / 2;
}

/* ---- the rows of a block ---- */

/* Whether the half of a row that begins at x is there: 1, 0, or -1 where some of it is missing. */
static int there(const double *x, int64_t m)
{
    int64_t missing = 0;
    for (int64_t j = 0; j < m; j++) {
        missing += isnan(x[j]);
    }
    return missing == 0 ? 1 : missing == m ? 0 : -1;
}

static lk_status halves(lk_context *ctx, const lki_block *block, int64_t i, int64_t m, int *source, int *target)
{
    *source = there(block->x + i * 2 * m, m);
    *target = there(block->x + i * 2 * m + m, m);
    if (*source < 0 || *target < 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "row %lld lacks some %s values: a row of a bridge holds a whole source (the first %lld features), "
                        "a whole target (the others), or both", (long long)(block->first_row + i) + 1, *source < 0 ? "source" : "target",
                        (long long)m);
    }
    return LK_OK;
}

/* Weights, sums and sums of squares of sources, then of targets: 2 x (1 + 2 m). */
static lk_status survey_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    lki_block *block = &f->blocks[thread];
    const int64_t m = f->task->data->d / 2;
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = block->w != NULL ? block->w[i] : 1.0;
        int is[2];
        LKI_TRY(halves(ctx, block, i, m, &is[0], &is[1]));
        for (int h = 0; h < 2 && w > 0.0; h++) {
            double *s = sums + h * (1 + 2 * m);
            const double *x = block->x + i * 2 * m + h * m;
            for (int64_t j = 0; is[h] == 1 && j < m; j++) {
                s[1 + j] += w * x[j];
                s[1 + m + j] += w * x[j] * x[j];
            }
            s[0] += is[h] == 1 ? w : 0.0;
        }
    }
    return LK_OK;
}

/* The sums of one half in component k: shares, shares x, shares x x' (the lower triangle). */
static void add_row(const double *log_shares, double total, double w, const double *x, int64_t K, int64_t m, double *sums)
{
    const int64_t width = 1 + m + m * m;
    for (int64_t k = 0; k < K; k++) {
        const double share = w * exp(log_shares[k] - total);
        double *s = sums + k * width;
        s[0] += share;
        for (int64_t i = 0; i < m; i++) {
            const double v = share * x[i];
            s[1 + i] += v;
            for (int64_t j = 0; j <= i; j++) {
                s[1 + m + i * m + j] += v * x[j];
            }
        }
    }
}

/* Sums: log c, log v, then those of sources, then those of targets. */
static lk_status sum_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const lki_bridge *b = f->b;
    lki_block *block = &f->blocks[thread];
    const int64_t m = b->m, K = b->K, width = K * (1 + m + m * m);
    double *terms = f->scratch + thread * (2 * K + 3 * m), *x = terms + K, *work = x + m;
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = block->w != NULL ? block->w[i] : 1.0, *row = block->x + i * 2 * m;
        if (!(w > 0.0)) {
            continue;
        }
        if (!isnan(row[0])) {
            for (int64_t j = 0; j < m; j++) {
                x[j] = row[j] - b->from[j];
            }
            sums[0] += w * lki_bridge_weights(b, x, terms);
            add_row(terms, 0.0, w, x, K, m, sums + 2);
        }
        if (!isnan(row[m])) {
            for (int64_t j = 0; j < m; j++) {
                x[j] = row[m + j] - b->to[j];
            }
            const double log_v = lki_bridge_potential(b, x, terms, work);
            sums[1] += w * log_v;
            add_row(terms, log_v, w, x, K, m, sums + 2 + width);
        }
    }
    return LK_OK;
}

static lk_status pass(lk_context *ctx, fitting *f, size_t length, lk_status (*block)(lk_context *, void *, int, int64_t, double *))
{
    const int64_t m = f->task->data->d / 2, K = f->b != NULL ? f->b->K : 1;
    lki_reduction reduction = {.blocks = f->task->data->blocks, .length = length, .block = block, .state = f,
                               .work = 20.0 * (double)(LKI_BLOCK_ROWS * K * m * (m + 4))};
    return lki_reduce(ctx, &reduction, f->sums);
}

/* ---- the objective ---- */

/* The bridge from the free numbers; false where a matrix is not positive definite, or out of range. */
static bool unpack(fitting *f, const double *free)
{
    lki_bridge *b = f->b;
    const int64_t m = b->m, K = b->K;
    double most = -(double)INFINITY, sum = 0.0;
    for (int64_t k = 0; k < K; k++) {
        most = fmax(most, free[k * component_numbers(m)]);
    }
    for (int64_t k = 0; k < K; k++) {
        const double *c = free + k * component_numbers(m), *l = c + 1 + m;
        double *S = b->S + k * m * m, *L = f->work;
        b->weights[k] = exp(c[0] - most);
        sum += b->weights[k];
        memcpy(b->r + k * m, c + 1, (size_t)m * sizeof *c);
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < m; j++) {
                L[i * m + j] = j > i ? 0.0 : j == i ? exp(*l) : *l;
                l += j <= i ? 1 : 0;
            }
        }
        for (int64_t i = 0; i < m; i++) {
            for (int64_t j = 0; j < m; j++) {
                double s = i == j ? f->floor : 0.0;
                for (int64_t p = 0; p <= (i < j ? i : j); p++) {
                    s += L[i * m + p] * L[j * m + p];
                }
                S[i * m + j] = s;
            }
        }
    }
    for (int64_t k = 0; k < K; k++) {
        b->weights[k] /= sum;
    }
    bool finite = isfinite(sum);
    for (int64_t i = 0; finite && i < K * m * m; i++) {
        finite = isfinite(b->S[i]) && fabs(b->S[i]) < 1e200;
    }
    return finite && lki_bridge_factor(b, f->work) < 0;
}

/* By S_k: x0 x0' / (2 epsilon) weighed by c, less half of S^-1 Q S^-1 / epsilon - S^-1 weighed by v, Q the squares about r. G: m x m. */
static void slope_of_matrix(const fitting *f, int64_t k, const double *source, const double *target, double *P, double *G)
{
    const lki_bridge *b = f->b;
    const int64_t m = b->m;
    const double *W = b->W + k * m * m, *r = b->r + k * m, e = b->epsilon[0];
    double *Q = f->work;
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < m; j++) {
            double p = 0.0;
            for (int64_t a = i > j ? i : j; a < m; a++) {
                p += W[a * m + i] * W[a * m + j];
            }
            P[i * m + j] = p; /* inverse of S */
            const double xx = j <= i ? target[1 + m + i * m + j] : target[1 + m + j * m + i];
            Q[i * m + j] = xx - r[i] * target[1 + j] - target[1 + i] * r[j] + target[0] * r[i] * r[j];
        }
    }
    for (int64_t i = 0; i < m; i++) { /* G = P Q */
        for (int64_t j = 0; j < m; j++) {
            double s = 0.0;
            for (int64_t a = 0; a < m; a++) {
                s += P[i * m + a] * Q[a * m + j];
            }
            G[i * m + j] = s;
        }
    }
    for (int64_t i = 0; i < m; i++) { /* Q = G P, then all together */
        for (int64_t j = 0; j < m; j++) {
            double s = 0.0;
            for (int64_t a = 0; a < m; a++) {
                s += G[i * m + a] * P[a * m + j];
            }
            Q[i * m + j] = s;
        }
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < m; j++) {
            const double xx = j <= i ? source[1 + m + i * m + j] : source[1 + m + j * m + i];
            G[i * m + j] = xx / (2.0 * e * f->n0) - 0.5 * (Q[i * m + j] / e - target[0] * P[i * m + j]) / f->n1;
        }
    }
}

static void slopes_of_component(const fitting *f, int64_t k, const double *free, const double *source, const double *target, double *slope)
{
    const lki_bridge *b = f->b;
    const int64_t m = b->m;
    const double *r = b->r + k * m, *l = free + 1 + m, e = b->epsilon[0];
    double *P = f->work + m * m, *G = P + m * m, *out = slope + 1 + m;
    slope[0] = source[0] / f->n0 - target[0] / f->n1;
    slope_of_matrix(f, k, source, target, P, G);
    for (int64_t i = 0; i < m; i++) {
        double s = 0.0;
        for (int64_t j = 0; j < m; j++) {
            s += P[i * m + j] * (target[1 + j] - target[0] * r[j]);
        }
        slope[1 + i] = (source[1 + i] / f->n0 - s / f->n1) / e;
    }
    /* By L: 2 G L, the lower triangle; on the diagonal by its logarithm. */
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double s = 0.0;
            const double *column = l;
            int64_t at = 0;
            for (int64_t a = 0; a < m; a++) { /* L_aj stands at a (a + 1) / 2 + j */
                at = a * (a + 1) / 2 + j;
                s += a >= j ? 2.0 * G[i * m + a] * (a == j ? exp(column[at]) : column[at]) : 0.0;
            }
            *out++ = i == j ? s * exp(l[i * (i + 1) / 2 + i]) : s;
        }
    }
}

static lk_status objective(lk_context *ctx, void *state, const double *free, double *value, double *gradient)
{
    fitting *f = state;
    const int64_t m = f->b->m, K = f->b->K, width = 1 + m + m * m, numbers = component_numbers(m);
    *value = (double)NAN;
    memset(gradient, 0, (size_t)(K * numbers) * sizeof *gradient);
    if (!unpack(f, free)) {
        return LK_OK;
    }
    LKI_TRY(pass(ctx, f, (size_t)(2 + 2 * K * width), sum_block));
    *value = f->sums[0] / f->n0 - f->sums[1] / f->n1;
    for (int64_t k = 0; k < K; k++) {
        slopes_of_component(f, k, free + k * numbers, f->sums + 2 + k * width, f->sums + 2 + (K + k) * width, gradient + k * numbers);
    }
    return LK_OK;
}

/* ---- the start ---- */

/* Rows of the target, at most START_ROWS of them evenly spaced, centred: *rows x m. */
static lk_status target_rows(lk_context *ctx, const fitting *f, double *out, int64_t *rows)
{
    const int64_t m = f->b->m, stride = 1 + (int64_t)(f->n1 / START_ROWS);
    int64_t seen = 0;
    *rows = 0;
    for (int64_t i = 0; i < f->task->data->blocks; i++) {
        lki_block *block = &f->blocks[0];
        LKI_TRY(lki_dataset_block(ctx, f->task->data, i, block));
        for (int64_t a = 0; a < block->rows; a++) {
            const double *y = block->x + a * 2 * m + m;
            if ((block->w != NULL && !(block->w[a] > 0.0)) || isnan(y[0]) || seen++ % stride != 0 || *rows == START_ROWS) {
                continue;
            }
            for (int64_t j = 0; j < m; j++) {
                out[*rows * m + j] = y[j] - f->b->to[j];
            }
            ++*rows;
        }
    }
    return LK_OK;
}

/* Places by k-means++ among rows of the target (Arthur and Vassilvitskii 2007), matrices as those of the transport between two normal
 * distributions with the tables' variances, narrower the more components there are: cov(x1 | k) = S A S + epsilon S. */
static lk_status start(lk_context *ctx, const fitting *f, const double *variance0, const double *variance1, double *free)
{
    const lki_bridge *b = f->b;
    const int64_t m = b->m, K = b->K;
    const double e = b->epsilon[0], share = pow((double)K, -2.0 / (double)m);
    double *rows, *near;
    int64_t count;
    LKI_TRY(lki_allocate(ctx, lki_product(START_ROWS, (size_t)m + 1), sizeof *rows, &rows));
    near = rows + START_ROWS * m;
    lk_status status = target_rows(ctx, f, rows, &count);
    lki_stream stream = lki_stream_new(f->task->seed, LKI_STREAM_START, 0);
    for (int64_t i = 0; status == LK_OK && i < count; i++) {
        near[i] = 1.0;
    }
    for (int64_t k = 0; status == LK_OK && k < K; k++) {
        double *c = free + k * component_numbers(m), *l = c + 1 + m, total = 0.0;
        for (int64_t i = 0; i < count; i++) {
            total += near[i];
        }
        double at = lki_random_uniform(&stream) * total;
        int64_t chosen = 0;
        while (chosen < count - 1 && (at -= near[chosen]) > 0.0) {
            chosen++;
        }
        c[0] = 0.0;
        for (int64_t j = 0; j < m; j++) {
            c[1 + j] = K == 1 ? 0.0 : rows[chosen * m + j];
        }
        for (int64_t i = 0; i < m; i++) {
            const double a = fmax(variance0[i], 1e-300), v = share * variance1[i];
            const double s = (sqrt(e * e / 4.0 + a * v) - e / 2.0) / a;
            for (int64_t j = 0; j <= i; j++) {
                *l++ = j == i ? 0.5 * log(fmax(s - f->floor, 0.1 * f->floor)) : 0.0;
            }
        }
        for (int64_t i = 0; i < count; i++) {
            double square = 0.0;
            for (int64_t j = 0; j < m; j++) {
                const double v = rows[i * m + j] - rows[chosen * m + j];
                square += v * v;
            }
            near[i] = k == 0 ? square : fmin(near[i], square);
        }
    }
    lki_release(ctx, rows);
    return status;
}

/* ---- the fit ---- */

/* Places and variances of both halves, and epsilon. */
static lk_status prepare(lk_context *ctx, fitting *f, double *variance0, double *variance1)
{
    lki_bridge *b = f->b;
    const int64_t m = b->m;
    LKI_TRY(pass(ctx, f, 2 * (size_t)(1 + 2 * m), survey_block));
    const double *s = f->sums, *t = s + 1 + 2 * m;
    double mean = 0.0;
    f->n0 = s[0];
    f->n1 = t[0];
    if (!(f->n0 > 0.0) || !(f->n1 > 0.0)) {
        return lki_fail(ctx, LK_ERROR_DATA, "there are no %s rows: the first %lld features are the source, the others the target",
                        f->n0 > 0.0 ? "target" : "source", (long long)m);
    }
    for (int64_t j = 0; j < m; j++) {
        b->from[j] = s[1 + j] / f->n0;
        b->to[j] = t[1 + j] / f->n1;
        variance0[j] = fmax(s[1 + m + j] / f->n0 - b->from[j] * b->from[j], 0.0);
        variance1[j] = fmax(t[1 + m + j] / f->n1 - b->to[j] * b->to[j], 0.0);
        mean += variance1[j] / (double)m;
    }
    if (!(mean > 0.0) || !isfinite(mean)) {
        return lki_fail(ctx, LK_ERROR_DATA, "the target does not vary: there is nothing to translate to");
    }
    b->epsilon[0] = lki_value_is_set(f->task->values, "epsilon") ? lki_value_real(f->task->values, "epsilon") : 0.1 * mean;
    f->floor = LEAST_SHARE * mean / b->epsilon[0];
    return LK_OK;
}

static lk_status report_fit(lk_context *ctx, const fitting *f, const lki_minimum *found, lki_report *report)
{
    const lki_bridge *b = f->b;
    report->n = f->n0 + f->n1;
    report->free_parameters = (double)(b->K * component_numbers(b->m) - 1);
    report->iterations = found->iterations;
    report->converged = found->converged ? 1 : 0;
    report->extra = json_object();
    if (report->extra == NULL) {
        return lki_json_memory(ctx);
    }
    LKI_TRY(lki_json_set(ctx, report->extra, "source_rows", lki_json_number(f->n0)));
    LKI_TRY(lki_json_set(ctx, report->extra, "target_rows", lki_json_number(f->n1)));
    LKI_TRY(lki_json_set(ctx, report->extra, "objective", lki_json_number(found->value)));
    return lki_json_set(ctx, report->extra, "slope", lki_json_number(found->slope));
}

static lk_status solve(lk_context *ctx, fitting *f, lki_report *report)
{
    lki_bridge *b = f->b;
    const int64_t m = b->m, n = b->K * component_numbers(m);
    double *free;
    lki_minimum found = {0};
    LKI_TRY(lki_zeros(ctx, (size_t)n + 2 * (size_t)m, sizeof *free, &free));
    lki_descent descent = {.n = n, .max_iter = lki_value_integer(f->task->values, "max_iter"), .objective = objective, .state = f,
                           .tolerance = 1e-10, .fall = lki_value_real(f->task->values, "tol"), .stage = "bridge"};
    lk_status status = LK_OK;
    LKI_GOTO(status, done, prepare(ctx, f, free + n, free + n + m));
    LKI_GOTO(status, done, start(ctx, f, free + n, free + n + m, free));
    LKI_GOTO(status, done, lki_minimize(ctx, &descent, free, &found));
    if (!unpack(f, free)) {
        status = lki_fail(ctx, LK_ERROR_NUMERIC, "the potential of the bridge is not positive definite");
        goto done;
    }
    status = report_fit(ctx, f, &found, report);
done:
    lki_release(ctx, free);
    return status;
}

static lk_status bridge_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    const int64_t K = lki_value_integer(task->values, "components"), m = task->data->d / 2, width = 1 + m + m * m;
    const size_t threads = (size_t)lki_threads(ctx);
    fitting f = {.task = task};
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    if (task->data->d % 2 != 0) {
        return lki_fail(ctx, LK_ERROR_DATA, "a bridge leads from the first half of the features to the second; %lld cannot be halved",
                        (long long)task->data->d);
    }
    LKI_GOTO(status, done, lki_bridge_new(ctx, K, m, m, &f.b));
    LKI_GOTO(status, done, lki_zeros(ctx, threads, sizeof *f.blocks, &f.blocks));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(threads, (size_t)(2 * K + 3 * m)), sizeof *f.scratch, &f.scratch));
    LKI_GOTO(status, done, lki_allocate(ctx, 4 + 2 * lki_product((size_t)K, (size_t)width), sizeof *f.sums, &f.sums));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)m, 3 * (size_t)m), sizeof *f.work, &f.work));
    LKI_GOTO(status, done, solve(ctx, &f, report));
    *state = f.b;
    f.b = NULL;
done:
    for (size_t i = 0; f.blocks != NULL && i < threads; i++) {
        lki_block_free(ctx, &f.blocks[i]);
    }
    lki_release(ctx, f.blocks);
    lki_release(ctx, f.scratch);
    lki_release(ctx, f.sums);
    lki_release(ctx, f.work);
    lki_bridge_free(&memory, f.b);
    return status;
}

/* ---- the descriptor ---- */

static const lk_parameter parameters[] = {
    {.name = "components", .type = LK_PARAMETER_INTEGER, .value = "20", .low = 1, .high = 10000, .summary = "components of the potential"},
    {.name = "epsilon", .type = LK_PARAMETER_REAL, .value = NULL, .low = 1e-300, .high = 1e300,
     .summary = "variance of the Brownian motion that the bridge is nearest to, in squared units of the features; a tenth of the target's "
                "mean variance if not given"},
    {.name = "max_iter", .type = LK_PARAMETER_INTEGER, .value = "1000", .low = 1, .high = 1e9, .summary = "most steps of L-BFGS"},
    {.name = "tol", .type = LK_PARAMETER_REAL, .value = "1e-5", .low = 0, .high = 1,
     .summary = "ends where ten steps lower the objective by less (nats a row)"},
};

LKI_METHOD(bridge, 60) = {
    .public = {.name = "bridge", .summary = "Light Schroedinger bridge: the second half of the features given the first",
               .citation = "Korotin, Gushchin and Burnaev 2023, arXiv:2310.01174",
               .parameters = parameters, .parameter_count = sizeof parameters / sizeof parameters[0], .roles = "features,weight",
               .operations = LK_OPERATION_CONDITION},
    .operations = &lki_bridge_operations, .gaps = 2, .fit = bridge_fit,
};
