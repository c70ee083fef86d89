/* Exact conversions between what nets of diffusions predict. All are linear in E[x0 | x] and E[n | x], which hang
 * together by x = alpha E[x0 | x] + sigma E[n | x] (Lai et al. 2025, The Principles of Diffusion Models,
 * arXiv:2510.21890, section 6). */
#include "score/schedule.h"

#include <math.h>

const char *const lki_prediction_names[LKI_PREDICTIONS] = {"noise", "data", "score", "velocity", "v", "edm"};

/* E[x0 | x] = data_x x + data_p p and E[n | x] = noise_x x + noise_p p of a prediction p. */
typedef struct reading {
    double data_x, data_p, noise_x, noise_p;
} reading;

static reading read_as(lki_path_point q, lki_prediction kind)
{
    const double a = q.alpha, s = q.sigma, ratio = s / a, root = sqrt(1.0 + ratio * ratio);
    const double turn = a * q.sigma_rate - s * q.alpha_rate, size = a * a + s * s;
    switch (kind) {
    case LKI_PREDICT_NOISE:
        return (reading){1.0 / a, -s / a, 0.0, 1.0};
    case LKI_PREDICT_DATA:
        return (reading){0.0, 1.0, 1.0 / s, -a / s};
    case LKI_PREDICT_SCORE:
        return (reading){1.0 / a, s * s / a, 0.0, -s};
    case LKI_PREDICT_VELOCITY:
        return (reading){q.sigma_rate / turn, -s / turn, -q.alpha_rate / turn, a / turn};
    case LKI_PREDICT_V:
        return (reading){a / size, -s / size, s / size, a / size};
    default:
        return (reading){1.0 / (a * root * root), ratio / root, ratio / (a * root * root), -1.0 / root};
    }
}

/* The prediction is data_part E[x0 | x] + noise_part E[n | x]. */
static void write_as(lki_path_point q, lki_prediction kind, double *data_part, double *noise_part)
{
    const double ratio = q.sigma / q.alpha, root = sqrt(1.0 + ratio * ratio);
    const double parts[LKI_PREDICTIONS][2] = {
        [LKI_PREDICT_NOISE] = {0.0, 1.0},
        [LKI_PREDICT_DATA] = {1.0, 0.0},
        [LKI_PREDICT_SCORE] = {0.0, -1.0 / q.sigma},
        [LKI_PREDICT_VELOCITY] = {q.alpha_rate, q.sigma_rate},
        [LKI_PREDICT_V] = {-q.sigma, q.alpha},
        [LKI_PREDICT_EDM] = {ratio / root, -1.0 / root},
    };
    *data_part = parts[kind][0];
    *noise_part = parts[kind][1];
}

lk_status lki_predict_as(lk_context *ctx, lki_path_point p, lki_prediction from_kind, lki_prediction kind, const double *x,
                         const double *from, int64_t values, double *to)
{
    const reading r = read_as(p, from_kind);
    double data_part, noise_part;
    write_as(p, kind, &data_part, &noise_part);
    const double of_x = data_part * r.data_x + noise_part * r.noise_x, of_p = data_part * r.data_p + noise_part * r.noise_p;
    if (!isfinite(of_x) || !isfinite(of_p)) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "at alpha %g and sigma %g a prediction of %s tells nothing of the %s", p.alpha, p.sigma,
                        lki_prediction_names[from_kind], lki_prediction_names[kind]);
    }
    for (int64_t i = 0; i < values; i++) {
        to[i] = from_kind == kind ? from[i] : of_x * x[i] + of_p * from[i];
    }
    return LK_OK;
}
