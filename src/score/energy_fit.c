/* The method `energy`: the parameters of an unnormalized model without its normalizing constant (score matching, sliced), with it as one more parameter
 * (noise-contrastive estimation), or with it estimated inside the likelihood (compositional). */
#include "score/energy.h"

#include "core/philox.h"
#include "data/json_text.h"
#include "math/cholesky.h"
#include "math/lbfgs.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

/* The noise is normal, with the data's mean and covariance, this much wider. */
#define NOISE_WIDTH 1.2
#define RIDGE 1e-12

typedef struct fitting {
    const lki_fit_task *task;
    lki_energy *e;
    lki_block *blocks;   /* one a thread */
    double *scratch;     /* one a thread: scratch_size */
    size_t scratch_size;
    int64_t slices;      /* 0 = exact score matching */
    double n;
    double *L, *W;       /* d x d: of the noise in units of u */
    double log_det;      /* of L L' */
    int64_t noise;       /* rows of it */
    double *F;           /* noise x terms: features of the noise */
    double *log_q;       /* noise */
    double *means;       /* terms: means of f over the data */
    const double *at;    /* theta, and the constant of noise-contrastive estimation */
    double *values;      /* noise: log weights; then weights */
    double effective;
} fitting;

typedef lk_status (*block_sums)(lk_context *ctx, void *state, int thread, int64_t index, double *sums);

static lk_status over_rows(lk_context *ctx, fitting *f, size_t length, block_sums block, double *sums)
{
    lki_reduction reduction = {.blocks = f->task->data->blocks, .length = length, .block = block, .state = f};
    return lki_reduce(ctx, &reduction, sums);
}

static lk_status over_noise(lk_context *ctx, fitting *f, size_t length, block_sums block, double *sums)
{
    lki_reduction reduction = {.blocks = (f->noise + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, .length = length, .block = block, .state = f};
    return lki_reduce(ctx, &reduction, sums);
}

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

/* ---- where the data are ---- */

/* Weights, sums, products of pairs. */
static lk_status place_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const int64_t d = f->e->d;
    lki_block *block = &f->blocks[thread];
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = block->w != NULL ? block->w[i] : 1.0, *x = block->x + i * d;
        sums[0] += w;
        for (int64_t j = 0; j < d && w > 0.0; j++) {
            const double c = x[j] - f->e->centre[j];
            sums[1 + j] += w * c;
            for (int64_t k = 0; k <= j; k++) {
                sums[1 + d + j * d + k] += w * c * (x[k] - f->e->centre[k]);
            }
        }
    }
    return LK_OK;
}

/* Centre and scale of the data, and the noise's factors in units of u. sums: 1 + d + d d; twice, so that the second pass is centred. */
static lk_status place(lk_context *ctx, fitting *f, double *sums)
{
    lki_energy *e = f->e;
    const int64_t d = e->d;
    double *C = sums + 1 + d;
    for (int pass = 0; pass < 2; pass++) {
        LKI_TRY(over_rows(ctx, f, (size_t)(1 + d + d * d), place_block, sums));
        f->n = sums[0];
        for (int64_t j = 0; j < d; j++) {
            e->centre[j] += sums[1 + j] / f->n;
        }
    }
    for (int64_t j = 0; j < d; j++) {
        e->scale[j] = sqrt(C[j * d + j] / f->n);
        if (!(e->scale[j] > 0.0) || !isfinite(e->scale[j])) {
            return lki_fail(ctx, LK_ERROR_DATA, "column %s does not vary", f->task->names[j]);
        }
    }
    for (int64_t j = 0; j < d; j++) {
        for (int64_t k = 0; k <= j; k++) {
            const double c = NOISE_WIDTH * NOISE_WIDTH * (C[j * d + k] / f->n / (e->scale[j] * e->scale[k]) + (j == k ? 1e-9 : 0.0));
            C[j * d + k] = C[k * d + j] = c;
        }
    }
    double *work;
    LKI_TRY(lki_allocate(ctx, (size_t)d, 2 * (size_t)d * sizeof *work, &work));
    lki_spd spd;
    const bool fine = lki_spd_factor(d, C, f->W, f->L, &spd, work) == 0;
    lki_release(ctx, work);
    f->log_det = spd.log_determinant;
    return fine ? LK_OK : lki_fail(ctx, LK_ERROR_DATA, "some columns are linear functions of others: leave them out");
}

static void standardized(const lki_energy *e, const double *x, double *u)
{
    for (int64_t j = 0; j < e->d; j++) {
        u[j] = (x[j] - e->centre[j]) / e->scale[j];
    }
}

/* ---- score matching ---- */

/* G = mean of D D' and c of the curvatures: D = gradients of f, all of them (Hyvarinen 2005, J. Mach. Learn. Res. 6:695-709), or along random directions v
 * with E v v' = I (Song, Garg, Shi and Ermon 2020, arXiv:1905.07088). Sums: G (lower triangle), c. */
static lk_status match_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const lki_energy *e = f->e;
    const int64_t d = e->d, T = e->terms, times = f->slices > 0 ? f->slices : 1;
    lki_block *block = &f->blocks[thread];
    double *u = f->scratch + (size_t)thread * f->scratch_size, *v = u + d, *g = v + d, *c = g + T * d, *along = c + T, *G = sums, *right = sums + T * T;
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = (block->w != NULL ? block->w[i] : 1.0) / (double)times;
        lki_stream s = lki_stream_new(f->task->seed, LKI_STREAM_ENERGY, (uint64_t)(block->first_row + i));
        if (!(w > 0.0)) {
            continue;
        }
        standardized(e, block->x + i * d, u);
        for (int64_t slice = 0; slice < times; slice++) {
            for (int64_t j = 0; j < d && f->slices > 0; j++) {
                v[j] = lki_random_bits(&s) >> 63 ? 1.0 : -1.0;
            }
            lki_energy_features(e, u, NULL, g, f->slices > 0 ? v : NULL, c);
            for (int64_t t = 0; t < T; t++) {
                along[t] = f->slices > 0 ? dot(d, g + t * d, v) : 0.0;
                right[t] += w * c[t];
                for (int64_t r = 0; r <= t; r++) {
                    G[t * T + r] += w * (f->slices > 0 ? along[t] * along[r] : dot(d, g + t * d, g + r * d));
                }
            }
        }
    }
    return LK_OK;
}

/* theta minimizes theta' G theta / 2 + c' theta. */
static lk_status match_scores(lk_context *ctx, fitting *f, lki_report *report)
{
    const int64_t T = f->e->terms;
    double *sums, trace = 0.0;
    lk_status status = LK_OK;
    LKI_TRY(lki_allocate(ctx, (size_t)T, (4 * (size_t)T + 1) * sizeof *sums, &sums));
    double *right = sums + T * T, *W = right + T;
    LKI_GOTO(status, done, over_rows(ctx, f, (size_t)(T * T + T), match_block, sums));
    for (int64_t t = 0; t < T; t++) {
        trace += sums[t * T + t];
        for (int64_t r = 0; r < t; r++) {
            sums[r * T + t] = sums[t * T + r];
        }
    }
    for (int64_t t = 0; t < T; t++) {
        sums[t * T + t] += RIDGE * trace;
    }
    lki_spd spd;
    if (lki_spd_factor(T, sums, W, NULL, &spd, W + T * T) != 0) {
        status = lki_fail(ctx, LK_ERROR_DATA, "the rows are too few to tell the %lld terms apart", (long long)T);
        goto done;
    }
    for (int64_t t = 0; t < T; t++) {
        f->e->theta[t] = 0.0;
    }
    for (int64_t a = 0; a < T; a++) {
        const double half = dot(a + 1, W + a * T, right);
        for (int64_t t = 0; t <= a; t++) {
            f->e->theta[t] -= W[a * T + t] * half;
        }
    }
    report->iterations = -1;
    report->converged = -1;
done:
    lki_release(ctx, sums);
    return status;
}

/* ---- noise ---- */

static lk_status noise_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const fitting *f = state;
    const int64_t d = f->e->d, first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < f->noise ? first + LKI_BLOCK_ROWS : f->noise;
    double *u = f->scratch + (size_t)thread * f->scratch_size, *z = u + d;
    LKI_TRY(lki_cancelled(ctx));
    for (int64_t i = first; i < end; i++) {
        lki_stream s = lki_stream_new(f->task->seed, LKI_STREAM_ENERGY, (uint64_t)i + (1ull << 42));
        double square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            z[j] = lki_random_normal(&s);
            square += z[j] * z[j];
        }
        for (int64_t j = 0; j < d; j++) {
            u[j] = dot(j + 1, f->L + j * d, z);
        }
        lki_energy_features(f->e, u, f->F + i * f->e->terms, NULL, NULL, NULL);
        f->log_q[i] = -0.5 * ((double)d * LKI_LOG_2PI + f->log_det + square);
    }
    return LK_OK;
}

/* Means of f over the data: sums of weights times f. */
static lk_status mean_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const lki_energy *e = f->e;
    lki_block *block = &f->blocks[thread];
    double *u = f->scratch + (size_t)thread * f->scratch_size, *g = u + 2 * e->d;
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = block->w != NULL ? block->w[i] : 1.0;
        if (w > 0.0) {
            standardized(e, block->x + i * e->d, u);
            lki_energy_features(e, u, g, NULL, NULL, NULL);
            for (int64_t t = 0; t < e->terms; t++) {
                sums[t] += w * g[t];
            }
        }
    }
    return LK_OK;
}

/* ---- compositional likelihood ---- */

/* Sums of values x f over a block of the noise. */
static lk_status weighted_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const int64_t T = f->e->terms, first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < f->noise ? first + LKI_BLOCK_ROWS : f->noise;
    (void)ctx;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        for (int64_t t = 0; t < T; t++) {
            sums[t] += f->values[i] * f->F[i * T + t];
        }
    }
    return LK_OK;
}

static lk_status log_weight_block(lk_context *ctx, void *state, int thread, int64_t index)
{
    const fitting *f = state;
    const int64_t T = f->e->terms, first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < f->noise ? first + LKI_BLOCK_ROWS : f->noise;
    (void)ctx;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        f->values[i] = dot(T, f->F + i * T, f->at) - f->log_q[i];
    }
    return LK_OK;
}

/* - theta' mean f + log mean of exp(theta' f) / q over the noise (Jiang, Qin, Wu, Chen, Yang and Zhang 2023, arXiv:2306.07485): the negative
 * log-likelihood with its constant estimated inside. All noise takes part in each step, so that no average over steps has to stand for it. */
static lk_status composition(lk_context *ctx, void *state, const double *theta, double *value, double *gradient)
{
    fitting *f = state;
    const int64_t T = f->e->terms;
    double most = -(double)INFINITY, sum = 0.0, squares = 0.0;
    f->at = theta;
    LKI_TRY(lki_parallel(ctx, (f->noise + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, log_weight_block, f));
    for (int64_t i = 0; i < f->noise; i++) {
        most = fmax(most, f->values[i]);
    }
    for (int64_t i = 0; i < f->noise; i++) {
        f->values[i] = exp(f->values[i] - most);
        sum += f->values[i];
        squares += f->values[i] * f->values[i];
    }
    f->effective = sum * sum / squares;
    for (int64_t i = 0; i < f->noise; i++) {
        f->values[i] /= sum;
    }
    LKI_TRY(over_noise(ctx, f, (size_t)T, weighted_block, gradient));
    *value = most + log(sum / (double)f->noise) - dot(T, theta, f->means);
    for (int64_t t = 0; t < T; t++) {
        gradient[t] -= f->means[t];
    }
    return LK_OK;
}

/* ---- noise-contrastive estimation ---- */

/* log (1 + exp(a)). */
static double softplus(double a)
{
    return a > 0.0 ? a + log1p(exp(-a)) : log1p(exp(a));
}

/* Of a row with log odds g: data want softplus(-g), noise softplus(g), with the derivatives by g. Sums: loss, by theta, by the constant. */
static void contrast(double g, bool data, double w, const double *features, int64_t T, double *sums)
{
    const double by_g = data ? -1.0 / (1.0 + exp(g)) : 1.0 / (1.0 + exp(-g));
    sums[0] += w * softplus(data ? -g : g);
    for (int64_t t = 0; t < T; t++) {
        sums[1 + t] += w * by_g * features[t];
    }
    sums[1 + T] += w * by_g;
}

static lk_status contrast_rows(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const lki_energy *e = f->e;
    const int64_t d = e->d, T = e->terms;
    lki_block *block = &f->blocks[thread];
    double *u = f->scratch + (size_t)thread * f->scratch_size, *g = u + 2 * d;
    const double log_ratio = log((double)f->noise / f->n);
    LKI_TRY(lki_dataset_block(ctx, f->task->data, index, block));
    for (int64_t i = 0; i < block->rows; i++) {
        const double w = block->w != NULL ? block->w[i] : 1.0;
        double square = 0.0;
        if (!(w > 0.0)) {
            continue;
        }
        standardized(e, block->x + i * d, u);
        lki_energy_features(e, u, g, NULL, NULL, NULL);
        for (int64_t j = 0; j < d; j++) {
            const double z = dot(j + 1, f->W + j * d, u);
            square += z * z;
        }
        const double log_q = -0.5 * ((double)d * LKI_LOG_2PI + f->log_det + square);
        contrast(dot(T, g, f->at) + f->at[T] - log_q - log_ratio, true, w, g, T, sums);
    }
    return LK_OK;
}

static lk_status contrast_noise(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const fitting *f = state;
    const int64_t T = f->e->terms, first = index * LKI_BLOCK_ROWS, end = first + LKI_BLOCK_ROWS < f->noise ? first + LKI_BLOCK_ROWS : f->noise;
    const double log_ratio = log((double)f->noise / f->n);
    (void)ctx;
    (void)thread;
    for (int64_t i = first; i < end; i++) {
        const double *g = f->F + i * T;
        contrast(dot(T, g, f->at) + f->at[T] - f->log_q[i] - log_ratio, false, 1.0, g, T, sums);
    }
    return LK_OK;
}

/* Logistic regression of data against noise, with - log Z one more parameter (Gutmann and Hyvarinen 2012, J. Mach. Learn. Res. 13:307-361). */
static lk_status contrasts(lk_context *ctx, void *state, const double *at, double *value, double *gradient)
{
    fitting *f = state;
    const int64_t T = f->e->terms;
    double *sums;
    f->at = at;
    LKI_TRY(lki_allocate(ctx, 2, (size_t)(T + 2) * sizeof *sums, &sums));
    lk_status status = over_rows(ctx, f, (size_t)(T + 2), contrast_rows, sums);
    status = status == LK_OK ? over_noise(ctx, f, (size_t)(T + 2), contrast_noise, sums + T + 2) : status;
    *value = (sums[0] + sums[T + 2]) / f->n;
    for (int64_t t = 0; t <= T; t++) {
        gradient[t] = (sums[1 + t] + sums[T + 3 + t]) / f->n;
    }
    lki_release(ctx, sums);
    return status;
}

/* ---- the fit ---- */

/* Where both begin: the normal distribution of the data's own moments. */
static void start(const fitting *f, double *at)
{
    const lki_energy *e = f->e;
    const int64_t d = e->d;
    for (int64_t t = 0; t < e->terms; t++) {
        const lki_monomial *m = &e->monomials[t];
        at[t] = 0.0;
        if (m->degree == 2) {
            const int64_t i = m->var[0], j = m->count == 2 ? m->var[1] : i;
            double p = 0.0;
            for (int64_t a = 0; a < d; a++) {
                p += f->W[a * d + i] * f->W[a * d + j];
            }
            at[t] = (i == j ? -0.5 : -1.0) * p * NOISE_WIDTH * NOISE_WIDTH;
        }
    }
    at[e->terms] = -0.5 * ((double)d * LKI_LOG_2PI + f->log_det - 2.0 * (double)d * log(NOISE_WIDTH));
}

static lk_status by_noise(lk_context *ctx, fitting *f, bool contrastive, lki_report *report)
{
    const int64_t T = f->e->terms;
    double *at;
    lki_minimum found = {0};
    lk_status status = LK_OK;
    f->noise = lki_value_integer(f->task->values, "noise");
    LKI_TRY(lki_allocate(ctx, 2 * (size_t)T + 1, sizeof *at, &at));
    f->means = at + T + 1;
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product((size_t)f->noise, (size_t)T + 2), sizeof *f->F, &f->F));
    f->log_q = f->F + f->noise * T;
    f->values = f->log_q + f->noise;
    LKI_GOTO(status, done, lki_parallel(ctx, (f->noise + LKI_BLOCK_ROWS - 1) / LKI_BLOCK_ROWS, noise_block, f));
    LKI_GOTO(status, done, over_rows(ctx, f, (size_t)T, mean_block, f->means));
    for (int64_t t = 0; t < T; t++) {
        f->means[t] /= f->n;
    }
    start(f, at);
    lki_descent descent = {.n = contrastive ? T + 1 : T, .max_iter = lki_value_integer(f->task->values, "max_iter"), .tolerance = 1e-9,
                           .fall = lki_value_real(f->task->values, "tol"), .objective = contrastive ? contrasts : composition, .state = f, .stage = "energy"};
    LKI_GOTO(status, done, lki_minimize(ctx, &descent, at, &found));
    memcpy(f->e->theta, at, (size_t)T * sizeof *at);
    report->iterations = found.iterations;
    report->converged = found.converged ? 1 : 0;
done:
    lki_release(ctx, at);
    lki_release(ctx, f->F);
    f->F = NULL;
    return status;
}

static lk_status finish(lk_context *ctx, fitting *f, lki_report *report)
{
    lki_energy *e = f->e;
    double log_z = 0.0, error, effective, log_likelihood = 0.0;
    const char *problem;
    LKI_TRY(lki_energy_normalize(ctx, e, f->L, f->W, f->task->seed, &log_z, &error, &effective, &problem));
    if (problem != NULL) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "%s; another --estimator, --degree 2 or more rows may help", problem);
    }
    e->log_z[0] = log_z;
    for (int64_t j = 0; j < e->d; j++) {
        e->log_z[0] += log(e->scale[j]);
    }
    double *sums;
    LKI_TRY(lki_allocate(ctx, (size_t)e->terms, sizeof *sums, &sums));
    lk_status status = over_rows(ctx, f, (size_t)e->terms, mean_block, sums);
    log_likelihood = dot(e->terms, sums, e->theta) - f->n * e->log_z[0];
    lki_release(ctx, sums);
    LKI_TRY(status);
    report->n = f->n;
    report->log_likelihood = log_likelihood;
    report->free_parameters = (double)e->terms;
    report->entropy = 0.0;
    if (effective < 100.0) {
        snprintf(report->degenerate, sizeof report->degenerate, "the normalizing constant rests on an effective sample of %.3g draws", effective);
    }
    report->extra = json_object();
    if (report->extra == NULL) {
        return lki_json_memory(ctx);
    }
    LKI_TRY(lki_json_set(ctx, report->extra, "log_normalizer_error", lki_json_number(error)));
    LKI_TRY(lki_json_set(ctx, report->extra, "normalizer_effective", lki_json_number(effective)));
    return f->effective > 0.0 ? lki_json_set(ctx, report->extra, "noise_effective", lki_json_number(f->effective)) : LK_OK;
}

static lk_status fit_all(lk_context *ctx, fitting *f, lki_report *report)
{
    const char *estimator = lki_value_text(f->task->values, "estimator");
    const int64_t d = f->e->d;
    double *sums;
    LKI_TRY(lki_allocate(ctx, (size_t)(1 + d + d * d), sizeof *sums, &sums));
    lk_status status = place(ctx, f, sums);
    lki_release(ctx, sums);
    LKI_TRY(status);
    f->slices = strcmp(estimator, "sliced") == 0 ? lki_value_integer(f->task->values, "slices") : 0;
    if (strcmp(estimator, "score-matching") == 0 || f->slices > 0) {
        LKI_TRY(match_scores(ctx, f, report));
    } else {
        LKI_TRY(by_noise(ctx, f, strcmp(estimator, "nce") == 0, report));
    }
    return finish(ctx, f, report);
}

static lk_status energy_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report)
{
    fitting f = {.task = task};
    const int64_t d = task->data->d, degree = strcmp(lki_value_text(task->values, "degree"), "2") == 0 ? 2 : 4;
    const size_t threads = (size_t)lki_threads(ctx);
    lki_memory memory = lki_memory_of(ctx);
    lk_status status = LK_OK;
    LKI_TRY(lki_energy_new(ctx, d, degree, &f.e));
    f.scratch_size = (size_t)(2 * d + f.e->terms * (d + 2));
    LKI_GOTO(status, done, lki_zeros(ctx, threads, sizeof *f.blocks, &f.blocks));
    LKI_GOTO(status, done, lki_allocate(ctx, lki_product(threads, f.scratch_size), sizeof *f.scratch, &f.scratch));
    LKI_GOTO(status, done, lki_allocate(ctx, 2, (size_t)(d * d) * sizeof *f.L, &f.L));
    f.W = f.L + d * d;
    LKI_GOTO(status, done, fit_all(ctx, &f, report));
    *state = f.e;
    f.e = NULL;
done:
    for (size_t i = 0; f.blocks != NULL && i < threads; i++) {
        lki_block_free(ctx, &f.blocks[i]);
    }
    lki_release(ctx, f.blocks);
    lki_release(ctx, f.scratch);
    lki_release(ctx, f.L);
    lki_energy_free(&memory, f.e);
    return status;
}

/* ---- the descriptor ---- */

static const lk_parameter parameters[] = {
    {.name = "degree", .type = LK_PARAMETER_CHOICE, .value = "4", .choices = "2,4", .summary = "monomials of the features up to this degree make up the energy"},
    {.name = "estimator", .type = LK_PARAMETER_CHOICE, .value = "score-matching", .choices = "score-matching,sliced,likelihood,nce",
     .summary = "score matching, exact or along random directions, in closed form; likelihood with its constant estimated inside (compositional); or "
                "noise-contrastive estimation"},
    {.name = "slices", .type = LK_PARAMETER_INTEGER, .value = "4", .low = 1, .high = 10000, .summary = "random directions a row, of sliced"},
    {.name = "noise", .type = LK_PARAMETER_INTEGER, .value = "20000", .low = 100, .high = 1e8,
     .summary = "draws of a normal distribution as wide as the data, of likelihood and nce"},
    {.name = "max_iter", .type = LK_PARAMETER_INTEGER, .value = "1000", .low = 1, .high = 1e9, .summary = "most steps of L-BFGS, of likelihood and nce"},
    {.name = "tol", .type = LK_PARAMETER_REAL, .value = "1e-8", .low = 0, .high = 1, .summary = "ends where ten steps lower the objective by less (nats a row)"},
};

LKI_METHOD(energy, 65) = {
    .public = {.name = "energy", .summary = "Unnormalized model: exp of a polynomial, by score matching, likelihood or noise contrast",
               .citation = "Hyvarinen 2005, J. Mach. Learn. Res. 6:695-709; Jiang et al. 2023, arXiv:2306.07485",
               .parameters = parameters, .parameter_count = sizeof parameters / sizeof parameters[0], .roles = "features,weight",
               .operations = LK_OPERATION_LOG_DENSITY | LK_OPERATION_SCORE},
    .operations = &lki_energy_operations, .fit = energy_fit,
};
