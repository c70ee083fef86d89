/* Gradient and second derivatives of a Gaussian mixture's log-likelihood, exactly, in one pass over the rows. */
#include "information.h"
#include "core/reduce.h"
#include "math/cholesky.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

/* What a row needs to know of a component. */
typedef struct term {
    double *covariance; /* d x d */
    double *W;          /* d x d: inverse of the lower factor */
    double *precision;  /* d x d */
    double log_det, condition;
} term;

/* What one thread works with. */
typedef struct worker {
    lki_block block;
    double *v;         /* K x d: precision (x - mean) */
    double *logs;      /* K: log weight + log density, then responsibilities */
    double *s;         /* P: gradient of the log of each term */
    double *precision; /* K x d x d: of the features that a row has */
    double *matrix;    /* 4 x d x d */
    int64_t *present;  /* d: those features */
} worker;

typedef struct pass {
    const lki_mixture *m;
    const lki_dataset *data;
    int64_t d, K, pairs, size, P; /* size: coordinates of a component */
    int along;                    /* covariances have variances only */
    term *terms;
    worker *workers;
} pass;

/* Sums of a block: log-likelihood, gradient, the upper triangle of the second derivatives by rows; then of each component, over its
 * complete rows, sum r, sum r v and sum r v v'. */
static size_t sums_length(const pass *p)
{
    return 1 + (size_t)(p->P + p->P * (p->P + 1) / 2 + p->K * (1 + p->d + p->d * p->d));
}

int64_t lki_mixture_pairs(const lki_mixture *m)
{
    const lki_form form = m->covariance->form;
    return form == LKI_FORM_FULL || form == LKI_FORM_TIED ? m->d * (m->d + 1) / 2 : m->d;
}

int64_t lki_mixture_coordinates(const lki_mixture *m)
{
    return m->K * (1 + m->d + lki_mixture_pairs(m));
}

/* Row `a` of the upper triangle, so that [b] is entry (a, b) for b >= a. */
static double *upper_row(const pass *p, double *upper, int64_t a)
{
    return upper + a * p->P - a * (a - 1) / 2 - a;
}

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

/* v = W'W u; returns u' W'W u. y: d. */
static double solve(int64_t d, const double *W, const double *u, double *y, double *v)
{
    double square = 0.0;
    memset(v, 0, (size_t)d * sizeof(double));
    for (int64_t i = 0; i < d; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j <= i; j++) {
            sum += W[i * d + j] * u[j];
        }
        y[i] = sum;
        square += sum * sum;
    }
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            v[j] += W[i * d + j] * y[i];
        }
    }
    return square;
}

/* ---- one row ---- */

static void term_complete(const pass *p, worker *w, const double *x, int64_t k)
{
    const int64_t d = p->d;
    const double *mean = p->m->means + k * d;
    double *u = w->matrix, *y = u + d;
    for (int64_t j = 0; j < d; j++) {
        u[j] = x[j] - mean[j];
    }
    const double square = solve(d, p->terms[k].W, u, y, w->v + k * d);
    w->logs[k] = log(p->m->weights[k]) - 0.5 * ((double)d * LKI_LOG_2PI + p->terms[k].log_det + square);
}

/* The marginal of the `count` features that are there: v and the precision are zero at the others. */
static lk_status term_incomplete(lk_context *ctx, const pass *p, worker *w, const double *x, int64_t count, int64_t k)
{
    const int64_t d = p->d, c = count;
    const term *t = &p->terms[k];
    double *part = w->matrix, *W = part + c * c, *work = W + c * c, *P = w->precision + k * d * d, *v = w->v + k * d;
    lki_spd spd;
    for (int64_t a = 0; a < c; a++) {
        for (int64_t b = 0; b < c; b++) {
            part[a * c + b] = t->covariance[w->present[a] * d + w->present[b]];
        }
    }
    if (lki_spd_factor_within(c, part, t->condition, W, NULL, &spd, work) != 0) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "a part of the covariance of component %lld is not positive definite", (long long)k);
    }
    precision_of(c, W, part);
    memset(P, 0, (size_t)(d * d) * sizeof(double));
    memset(v, 0, (size_t)d * sizeof(double));
    for (int64_t a = 0; a < c; a++) {
        for (int64_t b = 0; b < c; b++) {
            P[w->present[a] * d + w->present[b]] = part[a * c + b];
        }
        work[a] = x[w->present[a]] - p->m->means[k * d + w->present[a]];
    }
    const double square = solve(c, W, work, work + c, part); /* the precision is where it belongs: part is free */
    for (int64_t a = 0; a < c; a++) {
        v[w->present[a]] = part[a];
    }
    w->logs[k] = log(p->m->weights[k]) - 0.5 * ((double)c * LKI_LOG_2PI + spd.log_determinant + square);
    return LK_OK;
}

/* Turns logs into responsibilities; returns the log density. */
static double responsibilities(int64_t K, double *logs)
{
    double top = logs[0], sum = 0.0;
    for (int64_t k = 1; k < K; k++) {
        top = fmax(top, logs[k]);
    }
    for (int64_t k = 0; k < K; k++) {
        logs[k] = exp(logs[k] - top);
        sum += logs[k];
    }
    for (int64_t k = 0; k < K; k++) {
        logs[k] /= sum;
    }
    return top + log(sum);
}

/* s of component k: 1 / weight, v, and (v v' - P) / 2, twice so for an entry that stands for two. */
static void gradient_of_term(const pass *p, const double *v, const double *P, int64_t k, double *s)
{
    const int64_t d = p->d;
    double *out = s + 1 + d;
    s[0] = 1.0 / p->m->weights[k];
    memcpy(s + 1, v, (size_t)d * sizeof(double));
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < (p->along ? i + 1 : d); j++) {
            *out++ = (i == j ? 0.5 : 1.0) * (v[i] * v[j] - P[i * d + j]);
        }
    }
}

/* Adds w (sum_k r_k s_k s_k' - g g') with g = sum_k r_k s_k; within a component r - r^2 is taken as r times the others' sum. */
static void add_outer_products(const pass *p, const double *r, double w, double *s, double *gradient, double *upper)
{
    const int64_t size = p->size, P = p->P;
    for (int64_t k = 0; k < p->K; k++) {
        double others = 0.0;
        for (int64_t l = 0; l < p->K; l++) {
            others += l == k ? 0.0 : r[l];
        }
        const double within = w * r[k] * others;
        double *sk = s + k * size;
        for (int64_t a = 0; within != 0.0 && a < size; a++) {
            double *row = upper_row(p, upper, k * size + a) + k * size;
            const double f = within * sk[a];
            for (int64_t b = a; b < size; b++) {
                row[b] += f * sk[b];
            }
        }
    }
    for (int64_t i = 0; i < P; i++) {
        s[i] *= r[i / size];
        gradient[i] += w * s[i];
    }
    for (int64_t a = 0; a < P - size; a++) {
        double *row = upper_row(p, upper, a);
        const double f = w * s[a];
        for (int64_t b = (a / size + 1) * size; f != 0.0 && b < P; b++) {
            row[b] -= f * s[b];
        }
    }
}

/* Adds sum r s' of component k, where the rows of precision P have sums n = sum r, first = sum r v, second = sum r v v': minus the
 * second derivatives of one Gaussian's log density are P, P F v and v'E P F v - tr(P E P F) / 2 along directions E, F. */
static void add_curvature(const pass *p, int64_t k, const double *P, double n, const double *first, const double *second, double *upper)
{
    const int64_t d = p->d, base = k * p->size;
    upper_row(p, upper, base)[base] -= n / (p->m->weights[k] * p->m->weights[k]);
    for (int64_t a = 0; a < d; a++) {
        double *row = upper_row(p, upper, base + 1 + a) + base + 1;
        for (int64_t b = a; b < d; b++) {
            row[b] -= n * P[a * d + b];
        }
        double *out = row + d;
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = i; j < (p->along ? i + 1 : d); j++) {
                *out++ -= (i == j ? 0.5 : 1.0) * (P[a * d + i] * first[j] + P[a * d + j] * first[i]);
            }
        }
    }
    int64_t entry = base + 1 + d;
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < (p->along ? i + 1 : d); j++, entry++) {
            double *out = upper_row(p, upper, entry) + entry;
            for (int64_t g = i; g < d; g++) {
                for (int64_t h = g == i ? j : g; h < (p->along ? g + 1 : d); h++) {
                    const double both = n * (P[i * d + g] * P[j * d + h] + P[i * d + h] * P[j * d + g]);
                    const double square = second[i * d + h] * P[j * d + g] + second[i * d + g] * P[j * d + h] +
                                          second[j * d + h] * P[i * d + g] + second[j * d + g] * P[i * d + h];
                    *out++ += (i == j ? 0.5 : 1.0) * (g == h ? 0.5 : 1.0) * (both - square);
                }
            }
        }
    }
}

static lk_status add_row(lk_context *ctx, const pass *p, worker *w, const double *x, double weight, double *sums)
{
    const int64_t d = p->d, K = p->K;
    double *gradient = sums + 1, *upper = gradient + p->P, *moments = upper + p->P * (p->P + 1) / 2;
    int64_t count = 0;
    for (int64_t j = 0; j < d; j++) {
        if (!isnan(x[j])) {
            w->present[count++] = j;
        }
    }
    if (count == 0) {
        return LK_OK;
    }
    for (int64_t k = 0; k < K; k++) {
        if (count == d) {
            term_complete(p, w, x, k);
        } else {
            LKI_TRY(term_incomplete(ctx, p, w, x, count, k));
        }
    }
    sums[0] += weight * responsibilities(K, w->logs);
    for (int64_t k = 0; k < K; k++) {
        const double r = weight * w->logs[k], *v = w->v + k * d;
        const double *P = count == d ? p->terms[k].precision : w->precision + k * d * d;
        double *n = count == d ? moments + k * (1 + d + d * d) : w->matrix, *first = n + 1, *second = first + d;
        gradient_of_term(p, v, P, k, w->s + k * p->size);
        if (count < d) {
            memset(n, 0, (size_t)(1 + d + d * d) * sizeof(double));
        }
        *n += r;
        for (int64_t i = 0; i < d; i++) {
            first[i] += r * v[i];
            for (int64_t j = 0; j < d; j++) {
                second[i * d + j] += r * v[i] * v[j];
            }
        }
        if (count < d) {
            add_curvature(p, k, P, *n, first, second, upper);
        }
    }
    add_outer_products(p, w->logs, weight, w->s, gradient, upper);
    return LK_OK;
}

/* ---- the pass ---- */

static lk_status worker_reserve(lk_context *ctx, const pass *p, worker *w)
{
    const size_t d = (size_t)p->d, K = (size_t)p->K;
    if (w->v == NULL) {
        LKI_TRY(lki_allocate(ctx, K * d + K + (size_t)p->P + K * d * d + 4 * d * d + 2 * d + 1, sizeof(double), &w->v));
        w->logs = w->v + K * d;
        w->s = w->logs + K;
        w->precision = w->s + p->P;
        w->matrix = w->precision + K * d * d;
    }
    return w->present != NULL ? LK_OK : lki_allocate(ctx, d, sizeof *w->present, &w->present);
}

static lk_status add_block(lk_context *ctx, void *state, int thread, int64_t index, double *sums)
{
    const pass *p = state;
    worker *w = &p->workers[thread];
    LKI_TRY(lki_cancelled(ctx));
    LKI_TRY(worker_reserve(ctx, p, w));
    LKI_TRY(lki_dataset_block(ctx, p->data, index, &w->block));
    for (int64_t i = 0; i < w->block.rows; i++) {
        const double weight = w->block.w != NULL ? w->block.w[i] : 1.0;
        if (weight > 0.0) {
            LKI_TRY(add_row(ctx, p, w, w->block.x + i * p->d, weight, sums));
        }
    }
    return LK_OK;
}

static lk_status terms_new(lk_context *ctx, pass *p)
{
    const size_t dd = (size_t)(p->d * p->d);
    LKI_TRY(lki_zeros(ctx, (size_t)p->K, sizeof *p->terms, &p->terms));
    for (int64_t k = 0; k < p->K; k++) {
        term *t = &p->terms[k];
        lki_spd spd;
        LKI_TRY(lki_allocate(ctx, 5 * dd, sizeof(double), &t->covariance));
        t->W = t->covariance + dd;
        t->precision = t->W + dd;
        lki_mixture_covariance(p->m, k, t->covariance);
        if (lki_spd_factor(p->d, t->covariance, t->W, NULL, &spd, t->precision + dd) != 0) {
            return lki_fail(ctx, LK_ERROR_NUMERIC, "the covariance of component %lld is not positive definite", (long long)k);
        }
        precision_of(p->d, t->W, t->precision);
        t->log_det = spd.log_determinant;
        t->condition = spd.condition;
    }
    return LK_OK;
}

static void release(lk_context *ctx, pass *p)
{
    for (int64_t k = 0; p->terms != NULL && k < p->K; k++) {
        lki_release(ctx, p->terms[k].covariance);
    }
    for (int t = 0; p->workers != NULL && t < lki_threads(ctx); t++) {
        lki_block_free(ctx, &p->workers[t].block);
        lki_release(ctx, p->workers[t].v);
        lki_release(ctx, p->workers[t].present);
    }
    lki_release(ctx, p->terms);
    lki_release(ctx, p->workers);
}

lk_status lki_mixture_second_order(lk_context *ctx, const lki_mixture *m, const lki_dataset *data, double *log_likelihood,
                                   double *gradient, double *hessian)
{
    pass p = {.m = m, .data = data, .d = m->d, .K = m->K, .pairs = lki_mixture_pairs(m), .P = lki_mixture_coordinates(m)};
    double *sums = NULL;
    lk_status status = LK_OK;
    p.size = 1 + p.d + p.pairs;
    p.along = p.pairs == p.d;
    LKI_GOTO(status, done, terms_new(ctx, &p));
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)lki_threads(ctx), sizeof *p.workers, &p.workers));
    LKI_GOTO(status, done, lki_allocate(ctx, sums_length(&p), sizeof(double), &sums));
    const lki_reduction reduction = {.blocks = data->blocks, .length = sums_length(&p), .block = add_block, .state = &p,
                                     .stage = "information", .work = LKI_BLOCK_ROWS * (double)(p.P * p.P)};
    LKI_GOTO(status, done, lki_reduce(ctx, &reduction, sums));
    double *upper = sums + 1 + p.P;
    const double *moments = upper + p.P * (p.P + 1) / 2;
    for (int64_t k = 0; k < p.K; k++, moments += 1 + p.d + p.d * p.d) {
        add_curvature(&p, k, p.terms[k].precision, moments[0], moments + 1, moments + 1 + p.d, upper);
    }
    *log_likelihood = sums[0];
    memcpy(gradient, sums + 1, (size_t)p.P * sizeof(double));
    for (int64_t a = 0; a < p.P; a++) {
        const double *row = upper_row(&p, upper, a);
        for (int64_t b = a; b < p.P; b++) {
            hessian[a * p.P + b] = hessian[b * p.P + a] = row[b];
        }
    }
done:
    release(ctx, &p);
    lki_release(ctx, sums);
    return status;
}
