/* M-steps of the families along the axes: VEI, by alternating volumes and the common shape, and EVI, by geometric means. */
#include "covariance.h"
#include <math.h>

enum { ALTERNATIONS = 2000 };
#define ALTERNATION_TOL 1e-12

double lki_geometric_mean(int64_t d, const double *values, int64_t stride, double floor)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += log(fmax(values[j * stride], floor));
    }
    return exp(sum / (double)d);
}

double lki_scatter_size(const lki_scatter *s, int64_t K, int64_t d, int64_t stride)
{
    const int64_t step = stride == d ? 1 : d + 1;
    double sum = 0.0, n = 0.0;
    for (int64_t k = 0; k < K; k++) {
        n += s->n[k];
        for (int64_t j = 0; j < d; j++) {
            sum += fmax(s->pairs[k * stride + j * step], 0.0);
        }
    }
    return sum / (n * (double)d);
}

/* shape = sum_k squares_k / volume_k, scaled to geometric mean 1. */
static void shape_of(int64_t K, int64_t d, const double *squares, const double *volume, double *shape)
{
    double top = 0.0;
    for (int64_t j = 0; j < d; j++) {
        shape[j] = 0.0;
        for (int64_t k = 0; k < K; k++) {
            shape[j] += fmax(squares[k * d + j], 0.0) / volume[k];
        }
        top = fmax(top, shape[j]);
    }
    for (int64_t j = 0; j < d; j++) {
        shape[j] = top > 0.0 ? fmax(shape[j] / top, LKI_SHAPE_MIN) : 1.0;
    }
    const double mean = lki_geometric_mean(d, shape, 1, LKI_SHAPE_MIN);
    for (int64_t j = 0; j < d; j++) {
        shape[j] /= mean;
    }
}

void lki_common_shape(int64_t K, int64_t d, const double *n, const double *squares, double *volume, double *shape)
{
    const lki_scatter s = {n, 0.0, squares};
    const double size = lki_scatter_size(&s, K, d, d);
    double mean = 0.0, weight = 0.0;
    for (int64_t k = 0; k < K; k++) { /* the guess enters relative to its mean, so that its floor means the same */
        mean += n[k] * (volume[k] > 0.0 ? volume[k] : 0.0);
        weight += n[k];
    }
    mean /= weight;
    for (int64_t k = 0; k < K; k++) {
        volume[k] = volume[k] > 0.0 && isfinite(mean) ? fmax(volume[k] / mean, LKI_VOLUME_MIN) : 1.0;
    }
    if (!(size > 0.0)) {
        for (int64_t i = 0; i < K + d; i++) {
            *(i < K ? &volume[i] : &shape[i - K]) = i < K ? 0.0 : 1.0;
        }
        return;
    }
    for (int64_t k = 0; k < K; k++) {
        volume[k] *= size;
    }
    double change = 1.0;
    for (int turn = 0; turn < ALTERNATIONS && change > ALTERNATION_TOL; turn++) {
        shape_of(K, d, squares, volume, shape);
        change = 0.0;
        for (int64_t k = 0; k < K; k++) {
            double sum = 0.0;
            for (int64_t j = 0; j < d; j++) {
                sum += fmax(squares[k * d + j], 0.0) / shape[j];
            }
            const double next = fmin(fmax(sum / ((double)d * n[k]), LKI_VOLUME_MIN * size), size / LKI_VOLUME_MIN);
            change = fmax(change, fabs(next - volume[k]) / next);
            volume[k] = next;
        }
    }
}

/* VEI: the covariances given serve as the guess of the volumes, through their traces. */
lk_status lki_solve_vei(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    double *volume;
    (void)prior;
    LKI_TRY(lki_zeros(ctx, (size_t)(K + d), sizeof(double), &volume));
    double *shape = volume + K;
    for (int64_t k = 0; k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            volume[k] += out[k * d + j];
        }
    }
    lki_common_shape(K, d, s->n, s->pairs, volume, shape);
    for (int64_t i = 0; i < K * d; i++) {
        out[i] = volume[i / d] * shape[i % d];
    }
    lki_release(ctx, volume);
    return LK_OK;
}

/* EVI: volume = sum_k |diag W_k|^(1/d) / n, shape_k = diag W_k / |diag W_k|^(1/d). */
lk_status lki_solve_evi(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double size = lki_scatter_size(s, K, d, d);
    double volume = 0.0, n = 0.0;
    (void)ctx;
    (void)prior;
    for (int64_t k = 0; k < K; k++) {
        const double floor = fmax(LKI_SHAPE_MIN * size * s->n[k], 1e-300), mean = lki_geometric_mean(d, s->pairs + k * d, 1, floor);
        for (int64_t j = 0; j < d; j++) {
            out[k * d + j] = fmax(s->pairs[k * d + j], floor) / mean;
        }
        volume += mean;
        n += s->n[k];
    }
    for (int64_t i = 0; i < K * d; i++) {
        out[i] *= volume / n;
    }
    return LK_OK;
}
