/* Expectation-maximization: accumulate over row blocks, reduce in the fixed tree, solve for weights, means and covariances. */
#include "em.h"
#include "core/reduce.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* The expanded form is taken while its cancellation costs less than this many nats a row on average, and for full covariances while
 * phi, which grows with d^2, stays in cache. */
#define EXPANDED_ERROR_MAX 1e-9
enum { EXPANDED_FULL_D_MAX = 40 };
/* Iterations that a degenerate run is given to recover before it is given up. */
enum { GIVE_UP_AFTER = 20 };

/* Everything that the iterations of one run share. */
typedef struct em_work {
    const lki_em_data *data;
    const lki_mixture_kernel *kernel;
    lki_mixture_plan plan;
    double *theta, *packed;
    double *precision;     /* with gaps, full and tied: W'W of every matrix */
    double *sums;          /* LKI_SUM_HEAD + K x statistics */
    double *n;             /* K effective sizes */
    double *pairs;         /* scatter, laid out as lki_scatter says */
    double *matrix;        /* 3 d x d */
    double **scratch;      /* one a thread */
    lki_block *blocks;     /* one a thread */
    int threads;
    size_t sums_length;
    int floored;           /* 1-based component whose covariance is held at the floor, 0 = none */
    double floored_rcond, floored_variance; /* the one that fell below its bound; NaN = the other did */
} em_work;

static void work_free(lk_context *ctx, em_work *w)
{
    for (int t = 0; t < w->threads; t++) {
        lki_release(ctx, w->scratch != NULL ? w->scratch[t] : NULL);
        if (w->blocks != NULL) {
            lki_block_free(ctx, &w->blocks[t]);
        }
    }
    lki_release(ctx, w->scratch);
    lki_release(ctx, w->blocks);
    lki_release(ctx, w->theta);
    lki_release(ctx, w->packed);
    lki_release(ctx, w->precision);
    lki_release(ctx, w->sums);
    lki_release(ctx, w->n);
    lki_release(ctx, w->pairs);
    lki_release(ctx, w->matrix);
}

/* The plans of both ways, so that scratch fits either. */
static lki_mixture_plan plan_of(const lki_em_data *data, const lki_mixture *m, int factored)
{
    lki_mixture_plan plan = lki_mixture_factored_plan(m);
    plan.factored = factored;
    plan.statistics = lki_statistics(plan.form, factored, m->d);
    plan.centre = data->centre;
    plan.scale = data->scale;
    plan.gaps = factored && data->gaps;
    return plan;
}

static int can_expand(const lki_em_data *data, const lki_mixture *m)
{
    /* Expanded sums of the tied form pool the scatter of all rows, of which noise has a share that is not known. */
    const int pooled = m->covariance->form == LKI_FORM_TIED && m->noise;
    return !data->gaps && !pooled && (m->covariance->form != LKI_FORM_FULL || m->d <= EXPANDED_FULL_D_MAX);
}

static lk_status work_new(lk_context *ctx, const lki_em_data *data, const lki_mixture *m, em_work *w)
{
    const int64_t K = m->K, d = m->d;
    memset(w, 0, sizeof *w);
    w->data = data;
    w->kernel = lki_mixture_kernel_best();
    const int may_expand = can_expand(data, m);
    const lki_mixture_plan expanded = plan_of(data, m, 0), factored = plan_of(data, m, 1);
    const size_t packed[2] = {w->kernel->packed_length(&factored), may_expand ? w->kernel->packed_length(&expanded) : 0};
    const int64_t rows = data->rows->rows < LKI_BLOCK_ROWS ? data->rows->rows : LKI_BLOCK_ROWS;
    const size_t scratch[2] = {w->kernel->scratch_length(&factored, rows), may_expand ? w->kernel->scratch_length(&expanded, rows) : 0};
    const int64_t statistics = factored.statistics > expanded.statistics ? factored.statistics : expanded.statistics;
    w->sums_length = LKI_SUM_HEAD + lki_product((size_t)K, (size_t)statistics);
    lk_status status = LK_OK;
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof *w->scratch, &w->scratch));
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof *w->blocks, &w->blocks));
    w->threads = lki_threads(ctx);
    /* A data set of few blocks never uses the other threads' scratch. */
    const int used = data->rows->blocks < w->threads ? (int)(data->rows->blocks > 0 ? data->rows->blocks : 1) : w->threads;
    for (int t = 0; t < used; t++) {
        LKI_GOTO(status, fail, lki_allocate(ctx, scratch[0] > scratch[1] ? scratch[0] : scratch[1], sizeof(double), &w->scratch[t]));
    }
    if (may_expand) {
        LKI_GOTO(status, fail, lki_allocate(ctx, lki_product((size_t)K, (size_t)expanded.terms), sizeof(double), &w->theta));
    }
    if (data->gaps && (m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED)) {
        LKI_GOTO(status, fail, lki_allocate(ctx, (size_t)m->covariance->length(K, d), sizeof(double), &w->precision));
    }
    LKI_GOTO(status, fail, lki_allocate(ctx, packed[0] > packed[1] ? packed[0] : packed[1], sizeof(double), &w->packed));
    LKI_GOTO(status, fail, lki_allocate(ctx, w->sums_length, sizeof(double), &w->sums));
    LKI_GOTO(status, fail, lki_allocate(ctx, (size_t)K, sizeof(double), &w->n));
    LKI_GOTO(status, fail, lki_zeros(ctx, (size_t)m->covariance->length(K, d), sizeof(double), &w->pairs));
    LKI_GOTO(status, fail, lki_allocate(ctx, (size_t)(3 * d), (size_t)d * sizeof(double), &w->matrix));
    return LK_OK;
fail:
    work_free(ctx, w);
    return status;
}

/* ---- E-step: theta, then one pass ---- */

/* P = W'W. */
static void precision_of(int64_t d, const double *W, double *P)
{
    memset(P, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t r = 0; r < d; r++) {
        for (int64_t i = 0; i <= r; i++) {
            for (int64_t j = 0; j <= r; j++) {
                P[i * d + j] += W[r * d + i] * W[r * d + j];
            }
        }
    }
}

/* b = W'W mean; returns mean' W'W mean. */
static double weighted_mean(int64_t d, const double *W, const double *mean, double *b)
{
    double quadratic = 0.0;
    memset(b, 0, (size_t)d * sizeof(double));
    for (int64_t r = 0; r < d; r++) {
        double y = 0.0;
        for (int64_t i = 0; i <= r; i++) {
            y += W[r * d + i] * mean[i];
        }
        for (int64_t i = 0; i <= r; i++) {
            b[i] += W[r * d + i] * y;
        }
        quadratic += y * y;
    }
    return quadratic;
}

/* Writes theta and returns a bound of the rounding error of the expanded log density, in nats a row on average: each term of
 * theta . phi(z) is rounded relative to its own size, which under component k is at most s_i s_j with s_i^2 = E z_i^2. */
static double expand(const lki_mixture *m, double *matrix, double *theta)
{
    const int64_t d = m->d, terms = lki_terms(m->covariance->form, d);
    const lki_form form = m->covariance->form;
    double *P = matrix, *b = matrix + d * d, *s = matrix + 2 * d * d;
    double bound = 0.0;
    for (int64_t k = 0; k < m->K; k++) {
        const double *mean = m->means + k * d;
        double *row = theta + k * terms, quadratic = 0.0, size;
        for (int64_t i = 0; i < d; i++) {
            const double variance = form == LKI_FORM_SPHERICAL ? m->covariances[k]
                                    : form == LKI_FORM_DIAG    ? m->covariances[k * d + i]
                                                               : m->covariances[lki_mixture_matrix(m, k) * d * d + i * d + i];
            s[i] = sqrt(mean[i] * mean[i] + variance);
        }
        if (form == LKI_FORM_FULL || form == LKI_FORM_TIED) {
            const double *W = m->W + lki_mixture_matrix(m, k) * d * d;
            if (k == 0 || form == LKI_FORM_FULL) {
                precision_of(d, W, P);
            }
            quadratic = weighted_mean(d, W, mean, b);
        } else {
            for (int64_t i = 0; i < d; i++) {
                const double w = form == LKI_FORM_DIAG ? m->W[k * d + i] : m->W[k];
                P[i] = w * w;
                b[i] = P[i] * mean[i];
                quadratic += b[i] * mean[i];
            }
        }
        row[0] = m->log_c[k] - 0.5 * quadratic;
        size = fabs(row[0]);
        for (int64_t i = 0; i < d; i++) {
            row[1 + i] = b[i];
            size += fabs(b[i]) * s[i];
        }
        double *out = row + 1 + d;
        switch (form) {
        case LKI_FORM_FULL:
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = i; j < d; j++, out++) {
                    *out = i == j ? -0.5 * P[i * d + i] : -P[i * d + j];
                    size += fabs(*out) * s[i] * s[j];
                }
            }
            break;
        case LKI_FORM_TIED: /* one |Wz|^2 for all components, cancelled by the linear terms */
            *out = -0.5;
            for (int64_t i = 0; i < d; i++) {
                for (int64_t j = 0; j < d; j++) {
                    size += 0.5 * fabs(P[i * d + j]) * s[i] * s[j];
                }
            }
            break;
        case LKI_FORM_DIAG:
            for (int64_t i = 0; i < d; i++) {
                out[i] = -0.5 * P[i];
                size += 0.5 * P[i] * s[i] * s[i];
            }
            break;
        default:
            *out = -0.5 * P[0];
            for (int64_t i = 0; i < d; i++) {
                size += 0.5 * P[0] * s[i] * s[i];
            }
            break;
        }
        bound += m->weights[k] * size * DBL_EPSILON;
    }
    return bound;
}

static lk_status em_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    em_work *w = state;
    lki_block *b = &w->blocks[thread];
    if (w->scratch[thread] == NULL) {
        LKI_TRY(lki_allocate(ctx, w->kernel->scratch_length(&w->plan, LKI_BLOCK_ROWS), sizeof(double), &w->scratch[thread]));
    }
    LKI_TRY(lki_dataset_block(ctx, w->data->rows, index, b));
    w->kernel->block(&w->plan, b->x, b->w, b->rows, w->scratch[thread], sums, NULL, NULL);
    return LK_OK;
}

static lk_status reduce_rows(lk_context *ctx, em_work *w)
{
    const lki_reduction reduction = {.blocks = w->data->rows->blocks,
                                     .length = LKI_SUM_HEAD + (size_t)(w->plan.K * w->plan.statistics),
                                     .block = em_block,
                                     .state = w,
                                     .work = 4.0 * LKI_BLOCK_ROWS * (double)(w->plan.K * (w->plan.statistics + 8))};
    return lki_reduce(ctx, &reduction, w->sums);
}

static lk_status e_step(lk_context *ctx, em_work *w, const lki_mixture *m)
{
    int factored = 1;
    if (can_expand(w->data, m)) {
        factored = !(expand(m, w->matrix, w->theta) <= EXPANDED_ERROR_MAX);
    }
    w->plan = plan_of(w->data, m, factored);
    w->plan.theta = w->theta;
    w->plan.packed = w->packed;
    w->plan.precision = w->precision;
    for (int64_t k = 0; w->precision != NULL && k < lki_mixture_matrices(m); k++) {
        precision_of(m->d, m->W + k * m->d * m->d, w->precision + k * m->d * m->d);
    }
    w->kernel->pack(&w->plan);
    LKI_TRY(reduce_rows(ctx, w));
    if (!isfinite(w->sums[LKI_SUM_OBJECTIVE])) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the log-likelihood left the range of numbers: some row lies too far from every "
                                               "component; scale or check the data");
    }
    return LK_OK;
}

/* ---- M-step ---- */

static int64_t pair_at(int64_t d, int64_t i, int64_t j) /* i <= j, within the statistics of one component */
{
    return 1 + d + i * d - i * (i - 1) / 2 + j - i;
}

/* Scatter about the new mean from sums about `c`: S - m1 delta' - delta m1' + n delta delta' with delta = mean - c; the prior adds
 * kappa mean mean'. Writes into `out` (a d x d matrix, d squares, or one total), adding where `pooled`. */
static void scatter_of(const em_work *w, const lki_mixture *m, const lki_prior *prior, const double *S, const double *delta,
                       const double *mean, double *out, int pooled)
{
    const int64_t d = m->d;
    const lki_form form = m->covariance->form;
    const double n = S[0], *m1 = S + 1, kappa = prior->kappa;
    if (form == LKI_FORM_DIAG || form == LKI_FORM_SPHERICAL) {
        double total = form == LKI_FORM_SPHERICAL ? S[1 + d] : 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double shift = delta[j] * (n * delta[j] - 2.0 * m1[j]) + kappa * mean[j] * mean[j];
            if (form == LKI_FORM_DIAG) {
                const double square = S[1 + d + j] + shift;
                out[j] = square > 0.0 ? square : 0.0;
            } else {
                total += shift;
            }
        }
        if (form == LKI_FORM_SPHERICAL) {
            *out = total > 0.0 ? total : 0.0;
        }
        return;
    }
    const int has_pairs = form == LKI_FORM_FULL || w->plan.factored;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < d; j++) {
            double v = has_pairs ? S[pair_at(d, i, j)] : 0.0;
            v += n * delta[i] * delta[j] - m1[i] * delta[j] - delta[i] * m1[j] + kappa * mean[i] * mean[j];
            v += pooled ? out[i * d + j] : 0.0;
            out[i * d + j] = v;
            out[j * d + i] = v;
        }
    }
}

/* Holds every covariance at or above the floor; frozen ones are kept as they are, and only named. */
static lk_status factor_all(lk_context *ctx, em_work *w, unsigned freeze, lki_mixture *m)
{
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    const int64_t size = m->covariance->length(m->K, d) / matrices;
    w->floored = 0;
    for (int64_t k = 0; k < matrices; k++) {
        double *C = m->covariances + k * size;
        const int singular = lki_mixture_factor_one(m, k, w->matrix) != 0;
        const double rcond = singular ? 0.0 : 1.0 / m->condition[k], variance = singular ? 0.0 : m->smallest[k];
        const int narrow = !(variance >= LKI_VARIANCE_MIN), ill = !(rcond >= LKI_RCOND_MIN);
        if (!narrow && !ill) {
            continue;
        }
        w->floored = (int)k + 1;
        w->floored_rcond = ill && !(narrow && size == 1) ? rcond : __builtin_nan("");
        w->floored_variance = variance;
        if ((freeze & LKI_FREEZE_COVARIANCES) && !singular) {
            continue;
        }
        double top = 0.0;
        const int64_t stride = size == d * d ? d + 1 : 1, count = size == d * d ? d : size;
        for (int64_t j = 0; j < count; j++) {
            top = fmax(top, C[j * stride]);
        }
        /* The smallest variance is known up to a factor of d. A mean that has just moved far leaves rounding in the scatter that may
         * exceed the floor and not be positive definite: then the floor rises until it is. */
        int64_t minor = 1;
        for (double floor = 2.0 * (double)d * fmax(LKI_RCOND_MIN * top, LKI_VARIANCE_MIN); minor != 0 && floor < 1e3 * fmax(top, 1.0);
             floor *= 16.0) {
            for (int64_t j = 0; j < count; j++) {
                C[j * stride] = size == d * d ? C[j * stride] + floor : fmax(C[j * stride], floor);
            }
            minor = lki_mixture_factor_one(m, k, w->matrix);
        }
        if (minor != 0) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld is not finite; scale or check the data",
                            (long long)k);
        }
    }
    lki_mixture_normalize(m);
    return LK_OK;
}

static lk_status m_step(lk_context *ctx, em_work *w, const lki_em_options *o, lki_mixture *m)
{
    const int64_t d = m->d, K = m->K, size = m->covariance->length(K, d) / lki_mixture_matrices(m);
    const int tied = m->covariance->form == LKI_FORM_TIED;
    const double noise = m->noise ? w->sums[LKI_SUM_NOISE] : 0.0;
    if (m->noise && !(o->freeze & LKI_FREEZE_WEIGHTS)) {
        *m->uniform = noise / w->data->total;
    }
    if (tied) {
        const size_t bytes = (size_t)(d * d) * sizeof(double);
        if (w->plan.factored) {
            memset(w->pairs, 0, bytes);
        } else {
            memcpy(w->pairs, w->data->scatter, bytes);
        }
    }
    double *mean_new = w->matrix, *delta = w->matrix + d;
    for (int64_t k = 0; k < K; k++) {
        const double *S = w->sums + LKI_SUM_HEAD + k * w->plan.statistics;
        double *mean = m->means + k * d;
        const double n = fmax(S[0], DBL_MIN);
        w->n[k] = n;
        for (int64_t j = 0; j < d; j++) {
            const double c = w->plan.factored ? mean[j] : 0.0;
            double value = c + S[1 + j] / n;
            if (o->prior.kappa > 0.0) {
                value *= n / (n + o->prior.kappa);
            }
            if ((o->freeze & LKI_FREEZE_MEANS) || !(n > 1e-200)) {
                value = mean[j];
            }
            mean_new[j] = value;
            delta[j] = value - c;
        }
        scatter_of(w, m, &o->prior, S, delta, mean_new, w->pairs + (tied ? 0 : k * size), tied);
        memcpy(mean, mean_new, (size_t)d * sizeof(double));
        if (!(o->freeze & LKI_FREEZE_WEIGHTS)) {
            m->weights[k] = n / w->data->total;
        }
    }
    if (!(o->freeze & LKI_FREEZE_COVARIANCES)) {
        const lki_scatter scatter = {w->n, w->data->total - noise, w->pairs};
        LKI_TRY(m->covariance->solve(ctx, &scatter, &o->prior, K, d, m->covariances));
    }
    return factor_all(ctx, w, o->freeze, m);
}

/* ---- the run ---- */

static int64_t small_component(const em_work *w, const lki_mixture *m, double *size)
{
    for (int64_t k = 0; k < m->K; k++) {
        const double n = w->sums[LKI_SUM_HEAD + k * w->plan.statistics];
        if (!(n >= (double)(m->d + 1))) {
            *size = n;
            return k;
        }
    }
    return -1;
}

/* Aitken: with rises a then b, the ratio b / a estimates the rate, and b rate / (1 - rate) what is still to come. */
static int settled(double before, double last, double now, double tol)
{
    const double a = last - before, b = now - last, scale = 1.0 + fabs(now);
    if (fabs(b) <= 4.0 * DBL_EPSILON * scale) {
        return 1;
    }
    if (!(a > 0.0) || b < 0.0) {
        return fabs(b) <= 0.01 * tol * scale;
    }
    const double rate = b / a;
    return rate < 1.0 && b + b * rate / (1.0 - rate) <= tol * scale;
}

lk_status lki_em_run(lk_context *ctx, const lki_em_data *data, const lki_em_options *o, lki_mixture *m, lki_em_result *result)
{
    em_work w;
    LKI_TRY(work_new(ctx, data, m, &w));
    lk_status status = LK_OK;
    double before = __builtin_nan(""), last = __builtin_nan(""), objective = __builtin_nan("");
    int64_t iteration = 0;
    int converged = 0, degenerate_for = 0;
    LKI_GOTO(status, done, factor_all(ctx, &w, o->freeze, m));
    for (;;) {
        LKI_GOTO(status, done, e_step(ctx, &w, m));
        objective = w.sums[LKI_SUM_OBJECTIVE];
        if (o->prior.kappa > 0.0) {
            objective += m->covariance->log_prior(m, &o->prior);
        }
        double size = __builtin_nan("");
        degenerate_for = w.floored != 0 || small_component(&w, m, &size) >= 0 ? degenerate_for + 1 : 0;
        if (o->tol > 0.0 && iteration >= 2) {
            converged = settled(before, last, objective, o->tol);
        }
        if (o->freeze == (LKI_FREEZE_WEIGHTS | LKI_FREEZE_MEANS | LKI_FREEZE_COVARIANCES)) {
            converged = 1;
        }
        if (converged || iteration >= o->max_iter || (o->give_up && degenerate_for >= GIVE_UP_AFTER)) {
            break;
        }
        char detail[96];
        snprintf(detail, sizeof detail, "%lld components, log-likelihood %.6g", (long long)m->K,
                 objective + data->log_jacobian);
        lki_progress(ctx, o->stage, (double)iteration, (double)o->max_iter, detail);
        LKI_GOTO(status, done, m_step(ctx, &w, o, m));
        iteration++;
        before = last;
        last = objective;
    }
    memset(result, 0, sizeof *result);
    result->log_likelihood = w.sums[LKI_SUM_OBJECTIVE] + data->log_jacobian;
    result->objective = objective;
    result->entropy = fmax(w.sums[LKI_SUM_ENTROPY], 0.0);
    result->iterations = iteration;
    result->converged = converged || (o->tol == 0.0 && iteration >= 2 && settled(before, last, objective, LKI_TOL_DEFAULT));
    result->defect_size = __builtin_nan("");
    result->defect_rcond = __builtin_nan("");
    result->defect_variance = __builtin_nan("");
    result->defect = small_component(&w, m, &result->defect_size);
    if (result->defect < 0 && w.floored != 0) {
        result->defect = w.floored - 1;
        result->defect_rcond = w.floored_rcond;
        result->defect_variance = w.floored_variance;
    }
done:
    work_free(ctx, &w);
    return status;
}

/* The sums of the factored way about each cluster's own mean. */
static void partition_sums(em_work *w, lki_mixture *m, const double *values, const int32_t *labels, int64_t rows)
{
    const int64_t d = m->d, S = w->plan.statistics;
    double *sums = w->sums + LKI_SUM_HEAD;
    memset(w->sums, 0, w->sums_length * sizeof(double));
    memset(m->means, 0, (size_t)(m->K * d) * sizeof(double));
    for (int64_t i = 0; i < rows; i++) {
        const double *z = values + i * (d + 1), weight = z[d];
        if (labels[i] < 0) {
            continue;
        }
        sums[labels[i] * S] += weight;
        for (int64_t j = 0; j < d; j++) {
            m->means[labels[i] * d + j] += weight * z[j];
        }
    }
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t j = 0; j < d; j++) {
            m->means[k * d + j] /= fmax(sums[k * S], DBL_MIN);
        }
    }
    const int pairs = m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED;
    for (int64_t i = 0; i < rows; i++) {
        if (labels[i] < 0) {
            continue;
        }
        const double *z = values + i * (d + 1), weight = z[d], *mean = m->means + labels[i] * d;
        double *out = sums + labels[i] * S + 1 + d;
        for (int64_t j = 0; j < d; j++) {
            const double c = weight * (z[j] - mean[j]);
            if (pairs) {
                for (int64_t l = j; l < d; l++) {
                    *out++ += c * (z[l] - mean[l]);
                }
            } else {
                out[m->covariance->form == LKI_FORM_DIAG ? j : 0] += c * (z[j] - mean[j]);
            }
        }
    }
}

lk_status lki_em_from_partition(lk_context *ctx, const lki_em_data *data, const double *values, const int32_t *labels, int64_t rows,
                                const lki_prior *prior, lki_mixture *m)
{
    em_work w;
    lki_em_data part = *data;
    double left_out = 0.0;
    for (int64_t i = 0; i < rows; i++) {
        left_out += labels[i] < 0 ? values[i * (data->d + 1) + data->d] : 0.0;
    }
    part.total -= left_out;
    LKI_TRY(work_new(ctx, &part, m, &w));
    const lki_em_options options = {.prior = *prior};
    w.plan = plan_of(&part, m, 1);
    partition_sums(&w, m, values, labels, rows);
    const lk_status status = m_step(ctx, &w, &options, m);
    work_free(ctx, &w);
    return status;
}

lk_status lki_em_log_likelihood(lk_context *ctx, const lki_em_data *data, const lki_mixture *m, double *out)
{
    em_work w;
    LKI_TRY(work_new(ctx, data, m, &w));
    const lk_status status = e_step(ctx, &w, m);
    if (status == LK_OK) {
        *out = w.sums[LKI_SUM_OBJECTIVE] + data->log_jacobian;
    }
    work_free(ctx, &w);
    return status;
}
