/* Which points of a kernel density speak for a row in high dimensions (Biroli and Mezard 2024): many, a heavy-tailed few, or the nearest alone;
 * and the bandwidth that is best there.
 *
 * With n = exp(alpha d) points the sum of their normal kernels at a row is the partition function of a random energy model: lambda =
 * 1 / h^2, energies |x - y|^2 / 2. For normal data with variances l_k (in units of the present bandwidth) and a typical row, x_k^2 = l_k, the
 * share of points at the distances that dominate at lambda is exp(-d I(lambda)) with, by Legendre transform of (1/d) log E exp(-lambda |x - y|^2 / 2) =
 * -1/2 mean_k [log(1 + lambda l_k) + lambda l_k / (1 + lambda l_k)],
 *   I(lambda) = 1/2 mean_k [log(1 + lambda l_k) - lambda l_k / (1 + lambda l_k)^2].
 * I(lambda_G) = alpha ends the entropy: at smaller h the nearest points alone count. The square of a kernel is the kernel at 2 lambda, so that the
 * variance is that of a sum, and the central limit theorem holds, up to lambda_G / 2 only; between, sums are stable with the index lambda_G / lambda. Below
 * h_G the density of a row is that of its nearest point, at the squared distance d s, s = mean_k [l_k / (1 + lambda_G l_k) + l_k / (1 + lambda_G l_k)^2];
 * - log h - s / (2 h^2) is greatest at h^2 = s, which is always below h_G^2: the least Kullback-Leibler divergence. */
#include "kde.h"
#include "math/cholesky.h"

#include <math.h>
#include <string.h>

/* Points that the covariance is taken from, and rows that are left out, at most; and the greatest d. */
enum { COVARIANCE_POINTS = 20000, LEFT_OUT = 256, DIMENSIONS = 512 };

static double entropy(const double *l, int64_t d, double lambda)
{
    double sum = 0.0;
    for (int64_t k = 0; k < d; k++) {
        const double t = lambda * fmax(l[k], 0.0);
        sum += log1p(t) - t / ((1.0 + t) * (1.0 + t));
    }
    return 0.5 * sum / (double)d;
}

/* I increases from 0 without bound: dI/dt = (t^2 + 3 t) / (2 (1 + t)^3). */
static double solve_entropy(const double *l, int64_t d, double alpha)
{
    double low = -200.0, high = 200.0;
    for (int i = 0; i < 200; i++) {
        const double middle = 0.5 * (low + high);
        if (entropy(l, d, exp(middle)) < alpha) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return exp(0.5 * (low + high));
}

void lki_kde_thresholds(const double *variances, int64_t d, double alpha, lki_kde_regime *out)
{
    const double lambda = solve_entropy(variances, d, alpha);
    double nearest = 0.0;
    for (int64_t k = 0; k < d; k++) {
        const double t = 1.0 + lambda * fmax(variances[k], 0.0);
        nearest += fmax(variances[k], 0.0) * (1.0 / t + 1.0 / (t * t)) / (double)d;
    }
    out->alpha = alpha;
    out->extreme = 1.0 / sqrt(lambda);
    out->central_limit = M_SQRT2 * out->extreme;
    out->kl = sqrt(nearest);
    out->tail_index = lambda;
}

/* Eigenvalues of the points' covariance in units of the bandwidths; false where they are beyond numbers, or all 0. */
static bool variances_of(const lki_kde *k, double *S, double *mean, double *values)
{
    const int64_t d = k->d, step = (k->n + COVARIANCE_POINTS - 1) / COVARIANCE_POINTS;
    double total = 0.0;
    memset(mean, 0, (size_t)d * sizeof *mean);
    memset(S, 0, (size_t)(d * d) * sizeof *S);
    for (int64_t i = 0; i < k->n; i += step) {
        total += k->weights[i];
        for (int64_t j = 0; j < d; j++) {
            mean[j] += k->weights[i] * (k->points[i * d + j] / k->bandwidth[j]);
        }
    }
    for (int64_t i = 0; i < k->n; i += step) {
        for (int64_t a = 0; a < d; a++) {
            const double u = k->weights[i] / total * (k->points[i * d + a] / k->bandwidth[a] - mean[a] / total);
            for (int64_t b = 0; b <= a; b++) {
                S[a * d + b] += u * (k->points[i * d + b] / k->bandwidth[b] - mean[b] / total);
            }
        }
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b < a; b++) {
            S[b * d + a] = S[a * d + b];
        }
    }
    for (int64_t i = 0; i < d * d; i++) {
        if (!isfinite(S[i])) {
            return false;
        }
    }
    return lki_symmetric_eigen(d, S, values, 0) == 0 && values[d - 1] > 0.0;
}

/* The mean over some points, each left out, of 1 / sum_j p_j^2, p_j its share in the density there: (sum w k)^2 / sum w^2 k^2, where k^2 is the
 * kernel of bandwidth h / sqrt(2). */
static lk_status participation(lk_context *ctx, const lki_kde *k, double *out)
{
    const lki_memory memory = lki_memory_of(ctx);
    const int64_t d = k->d, step = (k->n + LEFT_OUT - 1) / LEFT_OUT, rows = (k->n + step - 1) / step;
    double *x = NULL, *narrow = NULL, *squares = NULL, *logs[2] = {NULL, NULL}, sum = 0.0;
    int64_t *own = NULL;
    lki_pair *pair = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, (size_t)d * sizeof *x, &x));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)d, sizeof *narrow, &narrow));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)k->n, sizeof *squares, &squares));
    LKI_GOTO(status, done, lki_allocate(ctx, 2 * (size_t)rows, sizeof **logs, &logs[0]));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)rows, sizeof *own, &own));
    logs[1] = logs[0] + rows;
    for (int64_t i = 0; i < rows; i++) {
        own[i] = i * step;
        memcpy(x + i * d, k->points + own[i] * d, (size_t)d * sizeof *x);
    }
    for (int64_t i = 0; i < k->n; i++) {
        squares[i] = k->weights[i] * k->weights[i];
    }
    for (int64_t j = 0; j < d; j++) {
        narrow[j] = k->bandwidth[j] * M_SQRT1_2;
    }
    for (int power = 0; power < 2; power++) {
        const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .x = x, .rows = rows, .own = own, .weights = power == 0 ? k->weights : squares, .out = logs[power]};
        LKI_GOTO(status, done, lki_kde_pair(ctx, k->law, k->points, k->n, power == 0 ? k->bandwidth : narrow, d, &pair));
        LKI_GOTO(status, done, lki_pair_run(ctx, pair, &r));
        lki_pair_free(&memory, pair);
        pair = NULL;
    }
    for (int64_t i = 0; i < rows; i++) {
        sum += isfinite(logs[0][i]) ? exp(2.0 * logs[0][i] - logs[1][i]) : 1.0;
    }
    *out = sum / (double)rows;
done:
    lki_pair_free(&memory, pair);
    lki_release(ctx, x);
    lki_release(ctx, narrow);
    lki_release(ctx, squares);
    lki_release(ctx, logs[0]);
    lki_release(ctx, own);
    return status;
}

lk_status lki_kde_regime_of(lk_context *ctx, const lki_kde *k, bool *known, lki_kde_regime *out)
{
    double *S = NULL, squares = 0.0;
    lk_status status = LK_OK;
    const size_t d = (size_t)k->d;
    *known = k->law->kernel == LKI_KERNEL_gaussian && k->matrix == NULL && k->low == NULL && k->n > 2 && k->d <= DIMENSIONS;
    if (!*known) {
        return LK_OK;
    }
    for (int64_t i = 0; i < k->n; i++) {
        squares += k->weights[i] * k->weights[i];
    }
    LKI_TRY(lki_allocate(ctx, d * d + 2 * d, sizeof *S, &S));
    *known = variances_of(k, S, S + d * d, S + d * d + d);
    if (*known) {
        lki_kde_thresholds(S + d * d + d, k->d, log(1.0 / squares) / (double)k->d, out);
        status = participation(ctx, k, &out->participation);
    }
    lki_release(ctx, S);
    return status;
}

/* The root of the mean squared distance to the nearest other row, over d: what h^2 = s is for data of any law. */
lk_status lki_kde_kl_bandwidth(lk_context *ctx, const lki_kde_rows *r, double *bandwidth)
{
    const lki_memory memory = lki_memory_of(ctx);
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian, .bandwidth = bandwidth};
    const lki_pair_term term = {1.0, &factor, 1};
    double *nearest = NULL, sum = 0.0;
    int64_t *own = NULL;
    lki_pair *pair = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)r->n, sizeof *nearest, &nearest));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)r->n, sizeof *own, &own));
    for (int64_t i = 0; i < r->n; i++) {
        own[i] = i;
    }
    LKI_GOTO(status, done, lki_pair_new(ctx, &term, 1, r->x, r->n, r->d, &pair));
    const lki_pair_request request = {.reduction = LKI_PAIR_NEAREST, .x = r->x, .rows = r->n, .own = own, .nearest = 1, .out = nearest};
    LKI_GOTO(status, done, lki_pair_run(ctx, pair, &request));
    for (int64_t i = 0; i < r->n; i++) {
        sum += r->w[i] * nearest[i];
    }
    if (!(sum > 0.0)) {
        status = lki_fail(ctx, LK_ERROR_DATA, "bandwidth kl: every row has a twin, so that the distance to the nearest row is 0; use scott, or numbers");
        goto done;
    }
    for (int64_t j = 0; j < r->d; j++) {
        bandwidth[j] *= sqrt(sum / r->total / (double)r->d);
    }
done:
    lki_pair_free(&memory, pair);
    lki_release(ctx, nearest);
    lki_release(ctx, own);
    return status;
}
