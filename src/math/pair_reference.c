/* The pair engine by plain loops: every pair by itself, scalar kernels, compensated sums. */
#include "pair_impl.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* A sum with its rounding errors (Neumaier 1974). */
typedef struct exact {
    double sum, lost;
} exact;

static void exact_add(exact *e, double x)
{
    const double sum = e->sum + x;
    e->lost += fabs(e->sum) >= fabs(x) ? (e->sum - sum) + x : (x - sum) + e->sum;
    e->sum = sum;
}

/* One pair under one term: value, logarithm, and derivatives relative to the value (of kernels with a sign: as they are). */
typedef struct pair_value {
    double value, log;
    double *gradient, *bandwidth, *curvature; /* d each */
} pair_value;

/* A factor's argument and its derivatives by x: D = ds/dx, B = ds/dh, both d, zeros elsewhere; along = D t; own = (d2s/dx2) t. */
static double argument(const lki_pair_factor *f, int64_t d, const double *x, const double *y, const double *t, double *D, double *B,
                       double *own)
{
    const int64_t count = f->columns != NULL ? f->count : d;
    const lki_kernel_argument kind = lki_kernels[f->kernel].argument;
    double s = 0.0, xx = 0.0, yy = 0.0;
    memset(D, 0, (size_t)d * sizeof *D);
    memset(B, 0, (size_t)d * sizeof *B);
    memset(own, 0, (size_t)d * sizeof *own);
    for (int64_t c = 0; c < count; c++) {
        const int64_t j = f->columns != NULL ? f->columns[c] : c;
        const double h = f->bandwidth != NULL ? f->bandwidth[c] : 1.0;
        double u = (x[j] - y[j]) / h;
        switch (kind) {
        case LKI_ARGUMENT_SQUARE:
            if (f->metric == NULL) {
                s += u * u;
                D[j] += 2.0 * u / h;
                B[j] += -2.0 * u * u / h;
                own[j] += 2.0 * t[j] / (h * h);
                break;
            }
            u = 0.0;
            double mt = 0.0;
            for (int64_t k = 0; k < count; k++) {
                const int64_t l = f->columns != NULL ? f->columns[k] : k;
                u += f->metric[c * count + k] * (x[l] - y[l]);
                mt += f->metric[c * count + k] * t[l];
            }
            s += u * u;
            for (int64_t k = 0; k < count; k++) {
                const int64_t l = f->columns != NULL ? f->columns[k] : k;
                D[l] += 2.0 * u * f->metric[c * count + k];
                own[l] += 2.0 * mt * f->metric[c * count + k];
            }
            break;
        case LKI_ARGUMENT_ABSOLUTE:
            s += fabs(u);
            D[j] += (u > 0.0 ? 1.0 : u < 0.0 ? -1.0 : 0.0) / h;
            B[j] += -fabs(u) / h;
            break;
        case LKI_ARGUMENT_PRODUCT:
            s += x[j] * y[j] / (h * h);
            D[j] += y[j] / (h * h);
            B[j] += -2.0 * x[j] * y[j] / (h * h * h);
            break;
        default:
            xx += x[j] * x[j];
            yy += y[j] * y[j];
            s += x[j] * y[j];
        }
    }
    if (kind == LKI_ARGUMENT_DIRECTION) {
        const double length = sqrt(xx), other = sqrt(yy);
        s = length > 0.0 && other > 0.0 ? s / (length * other) : 0.0;
        for (int64_t c = 0; c < count && length > 0.0; c++) {
            const int64_t j = f->columns != NULL ? f->columns[c] : c;
            D[j] += ((other > 0.0 ? y[j] / other : 0.0) - x[j] / length * s) / length;
        }
    }
    return s;
}

/* One pair under one term. `work` holds 6 d. */
static void evaluate(const lki_pair_term *term, int64_t d, const double *x, const double *y, const double *t, pair_value *out, double *work)
{
    double *D = work, *B = work + d, *own = work + 2 * d, along = 0.0;
    const bool sign = lki_kernels[term->factors[0].kernel].has_sign;
    out->value = 1.0;
    out->log = 0.0;
    memset(out->gradient, 0, (size_t)(3 * d) * sizeof(double));
    for (int pass = 0; pass < 2; pass++) { /* curvature needs the whole gradient along t first */
        for (int64_t f = 0; f < term->count; f++) {
            const lki_pair_factor *factor = &term->factors[f];
            const double p = factor->parameter != 0.0 ? factor->parameter : lki_kernels[factor->kernel].usual;
            const double s = argument(factor, d, x, y, t, D, B, own);
            const lki_kernel_value k = lki_kernel_reference(factor->kernel, s, p, factor->offset);
            double b = 0.0;
            for (int64_t j = 0; j < d; j++) {
                b += D[j] * t[j];
            }
            for (int64_t j = 0; j < d && pass == 0; j++) {
                out->gradient[j] += k.first * D[j];
                out->bandwidth[j] += k.first * B[j];
            }
            for (int64_t j = 0; j < d && pass == 1; j++) {
                const double l = sign ? 0.0 : k.first;
                out->curvature[j] += (l * along + (k.second - l * l) * b) * D[j] + k.first * own[j];
            }
            out->value *= pass == 0 ? k.value : 1.0;
            out->log += pass == 0 ? k.log : 0.0;
        }
        for (int64_t j = 0; j < d && pass == 0; j++) {
            along += out->gradient[j] * t[j];
        }
    }
}

/* What a row's pairs are put together into. */
typedef struct row_sums {
    exact *values;  /* sides */
    exact *slope;   /* d */
    exact *gradient; /* d */
    exact sum;
    double largest;
    int64_t best;
} row_sums;

static void add_pair(const lki_pair_request *r, const lki_pair_term *term, const pair_value *p, double shift, int64_t j, int64_t d,
                     row_sums *sums)
{
    const bool logs = r->reduction == LKI_PAIR_LOG_SUM || r->reduction == LKI_PAIR_MEAN;
    const int64_t sides = r->sides > 1 ? r->sides : 1;
    const double w = r->weights != NULL ? r->weights[j] : 1.0;
    const bool counts = shift > -(double)INFINITY && w * term->coefficient > 0.0;
    const double value = !logs ? term->coefficient * p->value : counts ? w * term->coefficient * exp(p->log - shift) : 0.0;
    const bool sign = lki_kernels[term->factors[0].kernel].has_sign;
    const double e = logs ? value : (sign ? term->coefficient : value) * (r->v != NULL ? r->v[j * sides] : 1.0);
    exact_add(&sums->sum, value);
    for (int64_t k = 0; k < sides; k++) {
        exact_add(&sums->values[k], value * (r->v != NULL ? r->v[j * sides + k] : 1.0));
    }
    for (int64_t c = 0; c < d && r->derivative != LKI_PAIR_VALUE; c++) {
        const double *from = r->derivative == LKI_PAIR_GRADIENT ? p->gradient : r->derivative == LKI_PAIR_BANDWIDTH ? p->bandwidth : p->curvature;
        exact_add(&sums->slope[c], e != 0.0 ? e * from[c] : 0.0);
        exact_add(&sums->gradient[c], e != 0.0 ? e * p->gradient[c] : 0.0);
    }
}

static double total(exact e)
{
    return e.sum + e.lost;
}

static void finish(const lki_pair_request *r, int64_t i, int64_t d, const row_sums *sums, double shift, const double *t)
{
    const int64_t sides = r->sides > 1 ? r->sides : 1;
    const double sum = total(sums->sum), log_total = sum > 0.0 ? shift + log(sum) : -(double)INFINITY;
    switch (r->reduction) {
    case LKI_PAIR_LOG_SUM:
        r->out[i] = log_total;
        break;
    case LKI_PAIR_MAX:
        r->out[i] = sums->largest;
        if (r->index != NULL) {
            r->index[i] = sums->best;
        }
        break;
    case LKI_PAIR_VALUES:
    case LKI_PAIR_NEAREST:
        break;
    default:
        for (int64_t k = 0; k < sides; k++) {
            r->out[i * sides + k] = r->reduction == LKI_PAIR_MEAN ? total(sums->values[k]) / sum : total(sums->values[k]);
        }
        if (r->reduction == LKI_PAIR_MEAN && r->log_sum != NULL) {
            r->log_sum[i] = log_total;
        }
    }
    const double by = r->reduction == LKI_PAIR_LOG_SUM ? sum : 1.0;
    double along = 0.0;
    for (int64_t c = 0; c < d && r->derivative != LKI_PAIR_VALUE; c++) {
        along += total(sums->gradient[c]) / by * t[c];
    }
    for (int64_t c = 0; c < d && r->derivative != LKI_PAIR_VALUE; c++) {
        const bool curved = r->derivative == LKI_PAIR_CURVATURE && r->reduction == LKI_PAIR_LOG_SUM;
        r->slope[i * d + c] = total(sums->slope[c]) / by - (curved ? total(sums->gradient[c]) / by * along : 0.0);
    }
}

/* The smallest arguments by insertion. */
static void nearest_row(const lki_pair_term *term, const double *y, int64_t m, int64_t d, const lki_pair_request *r, int64_t i,
                        const double *t, double *work)
{
    double *best = r->out + i * r->nearest;
    int64_t kept = 0, *index = r->index + i * r->nearest;
    for (int64_t j = 0; j < m; j++) {
        if (r->own != NULL && r->own[i] == j) {
            continue;
        }
        const double s = fmin(argument(&term->factors[0], d, r->x + i * d, y + j * d, t, work, work + d, work + 2 * d), DBL_MAX);
        int64_t at = kept < r->nearest ? kept++ : r->nearest;
        for (; at > 0 && best[at - 1] > s; at--) {
            if (at < r->nearest) {
                best[at] = best[at - 1];
                index[at] = index[at - 1];
            }
        }
        if (at < r->nearest) {
            best[at] = s;
            index[at] = j;
        }
    }
}

static void one_row(const lki_pair_term *terms, int64_t count, const double *y, int64_t m, int64_t d, const lki_pair_request *r, int64_t i,
                    row_sums *sums, double *work)
{
    const bool logs = r->reduction == LKI_PAIR_LOG_SUM || r->reduction == LKI_PAIR_MEAN;
    pair_value p = {.gradient = work + 6 * d, .bandwidth = work + 7 * d, .curvature = work + 8 * d};
    const double *t = r->direction != NULL ? r->direction + i * d : work + 9 * d;
    double shift = logs ? -(double)INFINITY : 0.0;
    if (r->reduction == LKI_PAIR_NEAREST) {
        nearest_row(terms, y, m, d, r, i, t, work);
        return;
    }
    sums->largest = -(double)INFINITY;
    for (int pass = logs ? 0 : 1; pass < 2; pass++) {
        for (int64_t j = 0; j < m; j++) {
            double value = 0.0;
            const bool left_out = r->own != NULL && r->own[i] == j;
            for (int64_t k = 0; k < count && !left_out; k++) {
                evaluate(&terms[k], d, r->x + i * d, y + j * d, t, &p, work);
                if (pass == 0) {
                    shift = (r->weights == NULL || r->weights[j] > 0.0) && terms[k].coefficient > 0.0 ? fmax(shift, p.log) : shift;
                } else {
                    add_pair(r, &terms[k], &p, shift, j, d, sums);
                }
                value += terms[k].coefficient * p.value;
            }
            if (r->reduction == LKI_PAIR_VALUES) {
                r->out[i * m + j] = value;
            }
            if (!left_out && value > sums->largest) {
                sums->largest = value;
                sums->best = j;
            }
        }
    }
    finish(r, i, d, sums, shift, t);
}

lk_status lki_pair_reference(lk_context *ctx, const lki_pair_term *terms, int64_t count, const double *y, int64_t m, int64_t d,
                             const lki_pair_request *r)
{
    const size_t sides = r->sides > 1 ? (size_t)r->sides : 1;
    double *work = NULL;
    exact *all = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_zeros(ctx, (size_t)d, 10 * sizeof *work, &work));
    LKI_GOTO(status, done, lki_allocate(ctx, sides + 2 * (size_t)d, sizeof *all, &all));
    for (int64_t i = 0; i < r->rows; i++) {
        row_sums sums = {.values = all, .slope = all + sides, .gradient = all + sides + d};
        memset(all, 0, (sides + 2 * (size_t)d) * sizeof *all);
        one_row(terms, count, y, m, d, r, i, &sums, work);
    }
done:
    lki_release(ctx, work);
    lki_release(ctx, all);
    return status;
}
