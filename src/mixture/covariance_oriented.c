/* M-steps of the families with oriented ellipsoids: VEE and EVV by determinants, EEV and VEV by the eigenvectors of each scatter. */
#include "covariance.h"
#include "math/blas.h"
#include "math/cholesky.h"
#include <math.h>
#include <string.h>

enum { ALTERNATIONS = 500 };
#define ALTERNATION_TOL 1e-11

static double trace(int64_t d, const double *A)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += A[j * (d + 1)];
    }
    return sum;
}

void lki_compose(int64_t d, const double *D, const double *values, double *out)
{
    for (int64_t i = 0; i < d; i++) {
        for (int64_t j = i; j < d; j++) {
            double sum = 0.0;
            for (int64_t a = 0; a < d; a++) {
                sum += values[a] * D[a * d + i] * D[a * d + j];
            }
            out[i * d + j] = sum;
            out[j * d + i] = sum;
        }
    }
}

static void set_identity(int64_t d, double *A)
{
    memset(A, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t j = 0; j < d; j++) {
        A[j * (d + 1)] = 1.0;
    }
}

/* A /= |A|^(1/d), with as large a ridge as it takes to be positive definite; W receives the inverse factor of the result. Returns
 * |A|^(1/d). A matrix of zeros becomes the identity. work: 2 d x d. */
static double unit_determinant(int64_t d, double *A, double *W, double *work)
{
    lki_spd spd;
    const double size = trace(d, A) / (double)d;
    double ridge = size > 0.0 && isfinite(size) ? LKI_SHAPE_MIN : 1.0;
    for (int64_t i = 0; i < d * d; i++) {
        A[i] /= size;
    }
    while (ridge < 1.0 && (lki_spd_factor(d, A, W, NULL, &spd, work) != 0 || !(spd.condition < 1.0 / LKI_SHAPE_MIN))) {
        for (int64_t j = 0; j < d; j++) {
            A[j * (d + 1)] += ridge;
        }
        ridge *= 16.0;
    }
    if (!(ridge < 1.0)) {
        set_identity(d, A);
        set_identity(d, W);
        return 0.0;
    }
    const double root = exp(spd.log_determinant / (double)d);
    for (int64_t i = 0; i < d * d; i++) {
        A[i] /= root;
        W[i] *= sqrt(root);
    }
    return size * root;
}

/* P = W'W with W lower triangular. */
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

/* VEE: volume_k = tr(W_k C^-1) / (d n_k) and C = sum_k W_k / volume_k scaled to |C| = 1, in turn; geodesically convex. */
lk_status lki_solve_vee(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const int64_t dd = d * d;
    const double size = lki_scatter_size(s, K, d, dd);
    double *volume;
    (void)prior;
    if (!(size > 0.0)) {
        memset(out, 0, (size_t)(K * dd) * sizeof(double));
        return LK_OK;
    }
    LKI_TRY(lki_allocate(ctx, (size_t)(K + 5 * dd), sizeof(double), &volume));
    double *C = volume + K, *W = C + dd, *P = W + dd, *work = P + dd, change = 1.0, mean = 0.0, n = 0.0;
    for (int64_t k = 0; k < K; k++) {
        volume[k] = trace(d, out + k * dd);
        mean += s->n[k] * (volume[k] > 0.0 ? volume[k] : 0.0);
        n += s->n[k];
    }
    for (int64_t k = 0; k < K; k++) {
        volume[k] = size * (volume[k] > 0.0 && isfinite(mean) ? fmax(volume[k] * n / mean, LKI_VOLUME_MIN) : 1.0);
    }
    for (int turn = 0; turn < ALTERNATIONS && change > ALTERNATION_TOL; turn++) {
        for (int64_t i = 0; i < dd; i++) {
            C[i] = 0.0;
            for (int64_t k = 0; k < K; k++) {
                C[i] += s->pairs[k * dd + i] / volume[k];
            }
        }
        unit_determinant(d, C, W, work);
        precision_of(d, W, P);
        change = 0.0;
        for (int64_t k = 0; k < K; k++) {
            double sum = 0.0;
            for (int64_t i = 0; i < dd; i++) {
                sum += s->pairs[k * dd + i] * P[i];
            }
            const double next = fmin(fmax(sum / ((double)d * s->n[k]), LKI_VOLUME_MIN * size), size / LKI_VOLUME_MIN);
            change = fmax(change, fabs(next - volume[k]) / next);
            volume[k] = next;
        }
    }
    for (int64_t i = 0; i < K * dd; i++) {
        out[i] = volume[i / dd] * C[i % dd];
    }
    lki_release(ctx, volume);
    return LK_OK;
}

/* EVV: volume = sum_k |W_k|^(1/d) / n, the rest W_k / |W_k|^(1/d). */
lk_status lki_solve_evv(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const int64_t dd = d * d;
    double *work, volume = 0.0, n = 0.0;
    (void)prior;
    LKI_TRY(lki_allocate(ctx, (size_t)(3 * dd), sizeof(double), &work));
    for (int64_t k = 0; k < K; k++) {
        memcpy(out + k * dd, s->pairs + k * dd, (size_t)dd * sizeof(double));
        volume += unit_determinant(d, out + k * dd, work, work + dd);
        n += s->n[k];
    }
    for (int64_t i = 0; i < K * dd; i++) {
        out[i] *= volume / n;
    }
    lki_release(ctx, work);
    return LK_OK;
}

/* axes (K x d x d, in rows) and eigenvalues (K x d, ascending, none negative) of each scatter. */
static lk_status axes_of(lk_context *ctx, const lki_scatter *s, int64_t K, int64_t d, double *axes, double *values)
{
    lk_status status = LK_OK;
    memcpy(axes, s->pairs, (size_t)(K * d * d) * sizeof(double));
    lki_blas_enter();
    for (int64_t k = 0; k < K && status == LK_OK; k++) {
        if (lki_symmetric_eigen(d, axes + k * d * d, values + k * d, 1) != 0) {
            status = lki_fail(ctx, LK_ERROR_NUMERIC, "the scatter of component %lld has no eigen-decomposition; scale or check the data",
                              (long long)k);
        }
        for (int64_t j = 0; j < d; j++) {
            values[k * d + j] = fmax(values[k * d + j], 0.0);
        }
    }
    lki_blas_leave();
    return status;
}

/* EEV: D_k = eigenvectors of W_k, volume x shape = sum_k eigenvalues_k / n. */
lk_status lki_solve_eev(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    double *axes, n = 0.0;
    lk_status status = LK_OK;
    (void)prior;
    LKI_TRY(lki_zeros(ctx, (size_t)(d + K * d + K * d * d), sizeof(double), &axes));
    double *values = axes + K * d * d, *mean = values + K * d;
    LKI_GOTO(status, done, axes_of(ctx, s, K, d, axes, values));
    for (int64_t k = 0; k < K; k++) {
        n += s->n[k];
        for (int64_t j = 0; j < d; j++) {
            mean[j] += values[k * d + j];
        }
    }
    for (int64_t j = 0; j < d; j++) {
        mean[j] /= n;
    }
    for (int64_t k = 0; k < K; k++) {
        lki_compose(d, axes + k * d * d, mean, out + k * d * d);
    }
done:
    lki_release(ctx, axes);
    return status;
}

/* VEV: D_k = eigenvectors of W_k; volumes and the common shape are those of VEI on the eigenvalues. */
lk_status lki_solve_vev(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    double *axes;
    lk_status status = LK_OK;
    (void)prior;
    LKI_TRY(lki_zeros(ctx, (size_t)(K + d + K * d + K * d * d), sizeof(double), &axes));
    double *values = axes + K * d * d, *volume = values + K * d, *shape = volume + K;
    LKI_GOTO(status, done, axes_of(ctx, s, K, d, axes, values));
    for (int64_t k = 0; k < K; k++) {
        volume[k] = trace(d, out + k * d * d);
    }
    lki_common_shape(K, d, s->n, values, volume, shape);
    for (int64_t k = 0; k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            values[j] = volume[k] * shape[j];
        }
        lki_compose(d, axes + k * d * d, values, out + k * d * d);
    }
done:
    lki_release(ctx, axes);
    return status;
}
