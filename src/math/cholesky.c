/* Cholesky factors with their inverses, in double and where that is not enough in double-double arithmetic. */
#include "cholesky.h"
#include "double_double.h"
#include <math.h>
#include <string.h>

/* Above it plain arithmetic would cost more than 1e-10 of relative accuracy. */
static const double CONDITION_PLAIN = 1e6;
enum { POWER_STEPS_LEAST = 6, POWER_STEPS = 64 };
static const double POWER_TOLERANCE = 1e-4;

/* L in the lower triangle, row by row (Cholesky-Banachiewicz). Returns 0 or the failing minor. */
static int64_t factor_plain(int64_t d, const double *A, double *L)
{
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double sum = A[i * d + j];
            for (int64_t k = 0; k < j; k++) {
                sum -= L[i * d + k] * L[j * d + k];
            }
            if (j < i) {
                L[i * d + j] = sum / L[j * d + j];
            } else if (sum > 0 && sum < (double)INFINITY) {
                L[i * d + i] = sqrt(sum);
            } else {
                return i + 1;
            }
        }
    }
    return 0;
}

/* W = inverse(L) by rows: W_i = (e_i - sum_{k<i} L_ik W_k) / L_ii, whose inner loop runs along rows of W. */
static void invert_plain(int64_t d, const double *L, double *W)
{
    for (int64_t i = 0; i < d; i++) {
        double *row = W + i * d;
        memset(row, 0, (size_t)d * sizeof *row);
        for (int64_t k = 0; k < i; k++) {
            double factor = L[i * d + k];
            for (int64_t j = 0; j <= k; j++) {
                row[j] -= factor * W[k * d + j];
            }
        }
        for (int64_t j = 0; j < i; j++) {
            row[j] /= L[i * d + i];
        }
        row[i] = 1 / L[i * d + i];
    }
}

/* The same in double-double: (high, low) hold L in their lower triangles. */
static int64_t factor_extended(int64_t d, const double *A, double *high, double *low)
{
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = 0; j <= i; j++) {
            lki_dd sum = {A[i * d + j], 0};
            for (int64_t k = 0; k < j; k++) {
                lki_dd a = {high[i * d + k], low[i * d + k]};
                lki_dd b = {high[j * d + k], low[j * d + k]};
                sum = lki_dd_subtract(sum, lki_dd_multiply(a, b));
            }
            if (j < i) {
                sum = lki_dd_divide(sum, (lki_dd){high[j * d + j], low[j * d + j]});
            } else if (sum.high > 0 && sum.high < (double)INFINITY) {
                sum = lki_dd_root(sum);
            } else {
                return i + 1;
            }
            high[i * d + j] = sum.high;
            low[i * d + j] = sum.low;
        }
    }
    return 0;
}

/* W = inverse(L) by columns, rounded. Column j's double-double values stand in row j of the unused upper triangles. */
static void invert_extended(int64_t d, double *high, double *low, double *W)
{
    memset(W, 0, (size_t)d * (size_t)d * sizeof *W);
    for (int64_t j = 0; j < d; j++) {
        lki_dd first = lki_dd_divide((lki_dd){1, 0}, (lki_dd){high[j * d + j], low[j * d + j]});
        W[j * d + j] = first.high;
        for (int64_t i = j + 1; i < d; i++) {
            lki_dd sum = lki_dd_multiply((lki_dd){high[i * d + j], low[i * d + j]}, first);
            for (int64_t k = j + 1; k < i; k++) {
                lki_dd a = {high[i * d + k], low[i * d + k]};
                lki_dd b = {high[j * d + k], low[j * d + k]};
                sum = lki_dd_add(sum, lki_dd_multiply(a, b));
            }
            sum = lki_dd_divide(sum, (lki_dd){high[i * d + i], low[i * d + i]});
            high[j * d + i] = -sum.high;
            low[j * d + i] = -sum.low;
            W[i * d + j] = -sum.high;
        }
    }
}

/* y = A x, or y = W' (W x) where W is lower triangular. */
static void apply(int64_t d, const double *A, const double *W, const double *x, double *y)
{
    if (A != NULL) {
        for (int64_t i = 0; i < d; i++) {
            double sum = 0;
            for (int64_t j = 0; j < d; j++) {
                sum += A[i * d + j] * x[j];
            }
            y[i] = sum;
        }
        return;
    }
    memset(y, 0, (size_t)d * sizeof *y);
    for (int64_t i = 0; i < d; i++) {
        double sum = 0;
        for (int64_t j = 0; j <= i; j++) {
            sum += W[i * d + j] * x[j];
        }
        for (int64_t j = 0; j <= i; j++) {
            y[j] += W[i * d + j] * sum;
        }
    }
}

/* |x|, and x /= |x|, without overflow. */
static double normalize(int64_t d, double *x)
{
    double largest = 0;
    for (int64_t i = 0; i < d; i++) {
        largest = fabs(x[i]) > largest ? fabs(x[i]) : largest;
    }
    if (!(largest > 0 && largest < (double)INFINITY)) {
        return largest > 0 ? (double)INFINITY : 0;
    }
    double square = 0;
    for (int64_t i = 0; i < d; i++) {
        x[i] /= largest;
        square += x[i] * x[i];
    }
    double root = sqrt(square);
    for (int64_t i = 0; i < d; i++) {
        x[i] /= root;
    }
    return largest * root;
}

/* The largest eigenvalue of A, or of W'W, by power iteration: |A x| for unit x grows towards it from below. The start
 * has uneven parts of every axis, so that it meets every eigenvector. `work` holds 2 d doubles. */
static double largest_eigenvalue(int64_t d, const double *A, const double *W, double *work)
{
    double *x = work;
    double *y = work + d;
    for (int64_t i = 0; i < d; i++) {
        double phase = (double)(i + 1) * 0.6180339887498949; /* multiples of the golden ratio spread evenly modulo 1 */
        x[i] = 0.5 + (phase - floor(phase));
    }
    normalize(d, x);
    double value = 0;
    for (int step = 0; step < POWER_STEPS; step++) {
        double before = value;
        apply(d, A, W, x, y);
        value = normalize(d, y);
        if (!(value > 0 && value < (double)INFINITY) ||
            (step >= POWER_STEPS_LEAST && value - before <= POWER_TOLERANCE * value)) {
            break;
        }
        double *t = x;
        x = y;
        y = t;
    }
    return value;
}

/* Ratio of the extreme eigenvalues of A = inverse(W'W). */
static double condition_of(int64_t d, const double *A, const double *W, double *work)
{
    if (d == 1) {
        return 1;
    }
    double condition = largest_eigenvalue(d, A, NULL, work) * largest_eigenvalue(d, NULL, W, work);
    return condition > 1 ? condition : 1;
}

/* L (if asked for) from the lower triangle of `factor`; twice the sum of the logarithms of its diagonal, `low` being
 * its second half in double-double (NULL = none). */
static double factor_finish(int64_t d, const double *factor, const double *low, double *L)
{
    double sum = 0;
    for (int64_t i = 0; i < d; i++) {
        double pivot = factor[i * d + i];
        sum += log(pivot) + (low != NULL ? low[i * d + i] / pivot : 0);
        if (L != NULL) {
            memcpy(L + i * d, factor + i * d, (size_t)(i + 1) * sizeof *L);
            memset(L + i * d + i + 1, 0, (size_t)(d - i - 1) * sizeof *L);
        }
    }
    return 2 * sum;
}

int64_t lki_spd_factor(int64_t d, const double *A, double *W, double *L, lki_spd *out, double *work)
{
    return lki_spd_factor_within(d, A, (double)INFINITY, W, L, out, work);
}

int64_t lki_spd_factor_within(int64_t d, const double *A, double bound, double *W, double *L, lki_spd *out, double *work)
{
    int64_t minor = factor_plain(d, A, work);
    if (minor == 0) {
        invert_plain(d, work, W);
        out->log_determinant = factor_finish(d, work, NULL, L);
        /* A bound that comes from power iterations may itself be somewhat small. */
        out->condition = bound <= 0.5 * CONDITION_PLAIN ? bound : condition_of(d, A, W, work);
        if (out->condition <= CONDITION_PLAIN) {
            return 0;
        }
    }
    double *low = work + d * d;
    minor = factor_extended(d, A, work, low);
    if (minor != 0) {
        out->condition = (double)INFINITY;
        return minor;
    }
    out->log_determinant = factor_finish(d, work, low, L);
    invert_extended(d, work, low, W);
    out->condition = condition_of(d, A, W, work);
    return 0;
}
