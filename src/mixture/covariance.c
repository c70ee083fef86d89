/* The covariance families of the Gaussian mixture: parameter counts and M-steps. Spherical, diag, tied and full are the models VII,
 * VVI, EEE and VVV of the eigen-decomposition family (Banfield and Raftery 1993; Celeux and Govaert 1995). The denominators under a
 * prior are the modes of the normal-inverse-Wishart and normal-inverse-gamma posteriors (Fraley and Raftery 2007, table 1). */
#include "mixture.h"
#include <math.h>
#include <string.h>

/* ---- full: covariance_k = (scatter_k + scale) / (n_k + nu + d + 2) ---- */

static int64_t full_length(int64_t K, int64_t d)
{
    return K * d * d;
}

static double full_parameters(int64_t K, int64_t d)
{
    return (double)K * (double)d * (double)(d + 1) / 2.0;
}

static void full_solve(const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)d + 2.0 : 0.0;
    for (int64_t k = 0; k < K; k++) {
        const double inverse = 1.0 / (s->n[k] + extra);
        for (int64_t i = 0; i < d * d; i++) {
            const double scale = prior->kappa > 0.0 ? prior->scale[i] : 0.0;
            out[k * d * d + i] = (s->pairs[k * d * d + i] + scale) * inverse;
        }
    }
}

/* tr(scale inverse(C)) + kappa mean' inverse(C) mean, by the inverse factor W: sums of squares need scale's own factor only for the
 * trace, which is sum_ij scale_ij (W'W)_ij. */
static double prior_quadratic(const lki_mixture *m, const double *W, const lki_prior *prior, int64_t mean_first,
                              int64_t mean_last)
{
    const int64_t d = m->d;
    double sum = 0.0;
    for (int64_t r = 0; r < d; r++) {
        for (int64_t i = 0; i <= r; i++) {
            for (int64_t j = 0; j <= r; j++) {
                sum += W[r * d + i] * prior->scale[i * d + j] * W[r * d + j];
            }
        }
        for (int64_t k = mean_first; k < mean_last; k++) {
            double y = 0.0;
            for (int64_t i = 0; i <= r; i++) {
                y += W[r * d + i] * m->means[k * d + i];
            }
            sum += prior->kappa * y * y;
        }
    }
    return sum;
}

static double full_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    double sum = 0.0;
    for (int64_t k = 0; k < m->K; k++) {
        sum -= 0.5 * ((prior->nu + (double)m->d + 2.0) * m->log_det[k] +
                      prior_quadratic(m, m->W + k * m->d * m->d, prior, k, k + 1));
    }
    return sum;
}

/* ---- tied: covariance = (sum_k scatter_k + scale) / (n + nu + d + 1 + K) ---- */

static int64_t tied_length(int64_t K, int64_t d)
{
    (void)K;
    return d * d;
}

static double tied_parameters(int64_t K, int64_t d)
{
    (void)K;
    return (double)d * (double)(d + 1) / 2.0;
}

static void tied_solve(const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)(d + 1 + K) : 0.0;
    for (int64_t i = 0; i < d * d; i++) {
        const double scale = prior->kappa > 0.0 ? prior->scale[i] : 0.0;
        out[i] = (s->pairs[i] + scale) / (s->total + extra);
    }
}

static double tied_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    return -0.5 * ((prior->nu + (double)(m->d + 1 + m->K)) * m->log_det[0] + prior_quadratic(m, m->W, prior, 0, m->K));
}

/* ---- diag: variance_kj = (squares_kj + scale_jj) / (n_k + nu + 3) ---- */

static int64_t diag_length(int64_t K, int64_t d)
{
    return K * d;
}

static double diag_parameters(int64_t K, int64_t d)
{
    return (double)(K * d);
}

static void diag_solve(const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + 3.0 : 0.0;
    for (int64_t k = 0; k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            const double scale = prior->kappa > 0.0 ? prior->scale[j * d + j] : 0.0;
            out[k * d + j] = (s->pairs[k * d + j] + scale) / (s->n[k] + extra);
        }
    }
}

static double diag_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    double sum = 0.0;
    for (int64_t k = 0; k < m->K; k++) {
        for (int64_t j = 0; j < m->d; j++) {
            const double v = m->covariances[k * m->d + j], mean = m->means[k * m->d + j];
            sum -= 0.5 * ((prior->nu + 3.0) * log(v) + (prior->scale[j * m->d + j] + prior->kappa * mean * mean) / v);
        }
    }
    return sum;
}

/* ---- spherical: variance_k = (total_k + mean of scale) / (d n_k + nu + d + 2) ---- */

static int64_t spherical_length(int64_t K, int64_t d)
{
    (void)d;
    return K;
}

static double spherical_parameters(int64_t K, int64_t d)
{
    (void)d;
    return (double)K;
}

static double mean_scale(const lki_prior *prior, int64_t d)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += prior->scale[j * d + j];
    }
    return sum / (double)d;
}

static void spherical_solve(const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)d + 2.0 : 0.0;
    const double scale = prior->kappa > 0.0 ? mean_scale(prior, d) : 0.0;
    for (int64_t k = 0; k < K; k++) {
        out[k] = (s->pairs[k] + scale) / (s->n[k] * (double)d + extra);
    }
}

static double spherical_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    double sum = 0.0;
    for (int64_t k = 0; k < m->K; k++) {
        double square = 0.0;
        for (int64_t j = 0; j < m->d; j++) {
            square += m->means[k * m->d + j] * m->means[k * m->d + j];
        }
        sum -= 0.5 * ((prior->nu + (double)m->d + 2.0) * log(m->covariances[k]) +
                      (mean_scale(prior, m->d) + prior->kappa * square) / m->covariances[k]);
    }
    return sum;
}

static const lki_covariance covariances[] = {
    {"full", LKI_FORM_FULL, full_length, full_parameters, full_solve, full_log_prior},
    {"tied", LKI_FORM_TIED, tied_length, tied_parameters, tied_solve, tied_log_prior},
    {"diag", LKI_FORM_DIAG, diag_length, diag_parameters, diag_solve, diag_log_prior},
    {"spherical", LKI_FORM_SPHERICAL, spherical_length, spherical_parameters, spherical_solve, spherical_log_prior},
};

const lki_covariance *lki_covariance_at(int index)
{
    return index >= 0 && index < (int)(sizeof covariances / sizeof *covariances) ? &covariances[index] : NULL;
}

const lki_covariance *lki_covariance_find(const char *name)
{
    for (int i = 0; lki_covariance_at(i) != NULL; i++) {
        if (strcmp(covariances[i].name, name) == 0) {
            return &covariances[i];
        }
    }
    return NULL;
}
