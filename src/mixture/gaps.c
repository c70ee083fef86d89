/* Missing values in a strip of rows; see gaps.h for the formulas. */
#include "gaps.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

void lki_gaps_find(lki_gaps *gaps, int64_t d, double *z)
{
    memset(gaps->count, 0, (size_t)gaps->lanes * sizeof *gaps->count);
    gaps->total = 0;
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < gaps->lanes; i++) {
            if (isnan(z[j * gaps->lanes + i])) {
                z[j * gaps->lanes + i] = 0.0;
                gaps->index[i * d + gaps->count[i]++] = (int32_t)j;
                gaps->total++;
            }
        }
    }
}

void lki_gaps_clear(const lki_gaps *gaps, int64_t d, double *centred)
{
    for (int64_t i = 0; i < gaps->lanes; i++) {
        for (int64_t a = 0; a < gaps->count[i]; a++) {
            centred[gaps->index[i * d + a] * gaps->lanes + i] = 0.0;
        }
    }
}

void lki_gaps_fill(const lki_gaps *gaps, int64_t d, const double *fill, double *centred)
{
    for (int64_t i = 0; i < gaps->lanes; i++) {
        for (int64_t a = 0; a < gaps->count[i]; a++) {
            centred[gaps->index[i * d + a] * gaps->lanes + i] = *fill++;
        }
    }
}

/* A responsibility below this adds nothing to sums of the size of a row. */
#define NEGLIGIBLE 1e-25
/* Determinants of 2 x 2 parts above this share of the diagonal's product have digits left. */
#define SOUND 1e-10

/* P of component k in the dense families; NULL where covariances are diagonal. */
static const double *precision_of(const lki_mixture_plan *plan, int64_t k)
{
    const int64_t dd = plan->d * plan->d;
    return plan->form == LKI_FORM_FULL ? plan->precision + k * dd : plan->form == LKI_FORM_TIED ? plan->precision : NULL;
}

/* 1 / sd of feature j under component k in the diagonal families. */
static double inverse_sd(const lki_mixture_plan *plan, int64_t k, int64_t j)
{
    return plan->form == LKI_FORM_DIAG ? plan->W[k * plan->d + j] : plan->W[k];
}

/* The lower Cholesky factor of P_MM (m x m), its diagonal inverted; P is positive definite, and a pivot that rounding spoils is held at
 * a tiny share. */
static void factor(const double *P, int64_t d, const int32_t *M, int64_t m, double *L)
{
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = P[M[i] * d + M[j]];
            for (int64_t c = 0; c < j; c++) {
                sum -= L[i * m + c] * L[j * m + c];
            }
            const double floor = 1e-14 * P[M[i] * d + M[i]];
            L[i * m + j] = i == j ? 1.0 / sqrt(sum > floor ? sum : floor) : sum * L[j * m + j];
        }
    }
}

/* One lane's row of P times its centred values; four sums keep the multiply-adds apart. */
static double row_product(const double *P, int64_t d, const double *centred, int64_t lanes)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    int64_t c = 0;
    for (; c + 4 <= d; c += 4) {
        sum[0] += P[c] * centred[c * lanes];
        sum[1] += P[c + 1] * centred[(c + 1) * lanes];
        sum[2] += P[c + 2] * centred[(c + 2) * lanes];
        sum[3] += P[c + 3] * centred[(c + 3) * lanes];
    }
    for (; c < d; c++) {
        sum[0] += P[c] * centred[c * lanes];
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* The conditional means of one lane and what they take from q; returns log det P_MM, with one logarithm for many pivots. */
static double close_dense(const double *P, int64_t d, const int32_t *M, int64_t m, const double *centred, int64_t lanes, double *q,
                          double *delta, double *L)
{
    double log_det = 0.0, product = 1.0;
    if (m == 1) { /* most rows with gaps have one or two: no factor, no root */
        const double p = P[M[0] * (d + 1)], g = row_product(P + M[0] * d, d, centred, lanes);
        delta[0] = -g / p;
        *q += g * delta[0];
        return log(p);
    }
    if (m == 2) {
        const double a = P[M[0] * (d + 1)], b = P[M[0] * d + M[1]], c = P[M[1] * (d + 1)], det = a * c - b * b;
        if (det > SOUND * a * c) {
            const double g = row_product(P + M[0] * d, d, centred, lanes), h = row_product(P + M[1] * d, d, centred, lanes);
            delta[0] = (b * h - c * g) / det;
            delta[1] = (b * g - a * h) / det;
            *q += g * delta[0] + h * delta[1];
            return log(det);
        }
    }
    factor(P, d, M, m, L);
    for (int64_t i = 0; i < m; i++) { /* y = inverse(L) g */
        double g = row_product(P + M[i] * d, d, centred, lanes);
        for (int64_t c = 0; c < i; c++) {
            g -= L[i * m + c] * delta[c];
        }
        delta[i] = g * L[i * m + i];
        *q -= delta[i] * delta[i];
        product *= L[i * m + i];
        if (!(product > 1e-100 && product < 1e100)) {
            log_det -= 2.0 * log(product);
            product = 1.0;
        }
    }
    log_det -= 2.0 * log(product);
    for (int64_t i = m - 1; i >= 0; i--) { /* delta = -inverse(L') y */
        double sum = -delta[i];
        for (int64_t c = i + 1; c < m; c++) {
            sum -= L[c * m + i] * delta[c];
        }
        delta[i] = sum * L[i * m + i];
    }
    return log_det;
}

void lki_gaps_close(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *centred, double *q, double *log_term,
                    double *fill, double *work)
{
    const int64_t d = plan->d;
    const double *P = precision_of(plan, k);
    for (int64_t i = 0; i < gaps->lanes; i++) {
        const int64_t m = gaps->count[i];
        const int32_t *M = gaps->index + i * d;
        double log_det = 0.0;
        if (m == 0) {
            continue;
        }
        if (P != NULL) {
            log_det = close_dense(P, d, M, m, centred + i, gaps->lanes, &q[i], fill, work);
            q[i] = q[i] > 0.0 ? q[i] : 0.0;
        } else {
            for (int64_t a = 0; a < m; a++) {
                log_det += 2.0 * log(inverse_sd(plan, k, M[a]));
                fill[a] = 0.0;
            }
        }
        log_term[i] += 0.5 * ((double)m * LKI_LOG_2PI - log_det);
        fill += m;
    }
}

/* The lower triangle of inverse(P_MM) (m x m), through the columns of inverse(L). work: 2 d d. */
static void inverse_part(const double *P, int64_t d, const int32_t *M, int64_t m, double *work, double *out)
{
    double *L = work, *inverse = work + d * d;
    if (m == 1) {
        out[0] = 1.0 / P[M[0] * (d + 1)];
        return;
    }
    if (m == 2) {
        const double a = P[M[0] * (d + 1)], b = P[M[0] * d + M[1]], c = P[M[1] * (d + 1)], det = a * c - b * b;
        if (det > SOUND * a * c) {
            out[0] = c / det;
            out[2] = -b / det;
            out[3] = a / det;
            return;
        }
    }
    factor(P, d, M, m, L);
    for (int64_t j = 0; j < m; j++) {
        for (int64_t i = 0; i < m; i++) {
            double sum = i == j ? 1.0 : 0.0;
            for (int64_t c = j; c < i; c++) {
                sum -= L[i * m + c] * inverse[c * m + j];
            }
            inverse[i * m + j] = i < j ? 0.0 : sum * L[i * m + i];
        }
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = 0.0;
            for (int64_t c = i; c < m; c++) {
                sum += inverse[c * m + i] * inverse[c * m + j];
            }
            out[i * m + j] = sum;
        }
    }
}

void lki_gaps_covariances(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *r, double *statistics,
                          double *work)
{
    const int64_t d = plan->d;
    const double *P = precision_of(plan, k);
    double *pairs = statistics + 1 + d, *C = work + 2 * d * d;
    for (int64_t i = 0; i < gaps->lanes; i++) {
        const int64_t m = gaps->count[i];
        const int32_t *M = gaps->index + i * d;
        if (m == 0 || r[i] < NEGLIGIBLE) {
            continue;
        }
        if (P == NULL) {
            for (int64_t a = 0; a < m; a++) {
                const double w = inverse_sd(plan, k, M[a]);
                pairs[plan->form == LKI_FORM_DIAG ? M[a] : 0] += r[i] / (w * w);
            }
            continue;
        }
        inverse_part(P, d, M, m, work, C);
        for (int64_t a = 0; a < m; a++) {
            for (int64_t b = 0; b <= a; b++) { /* M ascends: pair (M_b, M_a) of the upper triangle */
                pairs[M[b] * d - (int64_t)M[b] * (M[b] - 1) / 2 + M[a] - M[b]] += r[i] * C[a * m + b];
            }
        }
    }
}
