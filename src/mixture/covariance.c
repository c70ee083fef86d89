/* The covariance families of the Gaussian mixture: the 14 models of the eigen-decomposition family (Banfield and Raftery 1993; Celeux
 * and Govaert 1995), with the M-steps of those that have a closed form without shared parts, or with all of them shared. Spherical, diag,
 * tied and full are VII, VVI, EEE and VVV. The denominators under a prior are the modes of the normal-inverse-Wishart and
 * normal-inverse-gamma posteriors (Fraley and Raftery 2007, table 1). */
#include "covariance.h"
#include <math.h>
#include <string.h>

/* ---- full: covariance_k = (scatter_k + scale) / (n_k + nu + d + 2) ---- */

static int64_t full_length(int64_t K, int64_t d)
{
    return K * d * d;
}

static lk_status full_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)d + 2.0 : 0.0;
    (void)ctx;
    for (int64_t k = 0; k < K; k++) {
        const double inverse = 1.0 / (s->n[k] + extra);
        for (int64_t i = 0; i < d * d; i++) {
            const double scale = prior->kappa > 0.0 ? prior->scale[i] : 0.0;
            out[k * d * d + i] = (s->pairs[k * d * d + i] + scale) * inverse;
        }
    }
    return LK_OK;
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

static lk_status tied_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)(d + 1 + K) : 0.0;
    (void)ctx;
    for (int64_t i = 0; i < d * d; i++) {
        const double scale = prior->kappa > 0.0 ? prior->scale[i] : 0.0;
        out[i] = (s->pairs[i] + scale) / (s->total + extra);
    }
    return LK_OK;
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

static lk_status diag_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + 3.0 : 0.0;
    (void)ctx;
    for (int64_t k = 0; k < K; k++) {
        for (int64_t j = 0; j < d; j++) {
            const double scale = prior->kappa > 0.0 ? prior->scale[j * d + j] : 0.0;
            out[k * d + j] = (s->pairs[k * d + j] + scale) / (s->n[k] + extra);
        }
    }
    return LK_OK;
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

static double mean_scale(const lki_prior *prior, int64_t d)
{
    double sum = 0.0;
    for (int64_t j = 0; j < d; j++) {
        sum += prior->scale[j * d + j];
    }
    return sum / (double)d;
}

static lk_status spherical_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)d + 2.0 : 0.0;
    const double scale = prior->kappa > 0.0 ? mean_scale(prior, d) : 0.0;
    (void)ctx;
    for (int64_t k = 0; k < K; k++) {
        out[k] = (s->pairs[k] + scale) / (s->n[k] * (double)d + extra);
    }
    return LK_OK;
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

/* ---- EEI: variance_j = (sum_k squares_kj + scale_jj) / (n + nu + K + 2) ---- */

static lk_status eei_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)(K + 2) : 0.0;
    (void)ctx;
    for (int64_t j = 0; j < d; j++) {
        double sum = prior->kappa > 0.0 ? prior->scale[j * d + j] : 0.0;
        for (int64_t k = 0; k < K; k++) {
            sum += s->pairs[k * d + j];
        }
        for (int64_t k = 0; k < K; k++) {
            out[k * d + j] = sum / (s->total + extra);
        }
    }
    return LK_OK;
}

static double eei_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    double sum = 0.0;
    for (int64_t j = 0; j < m->d; j++) {
        const double v = m->covariances[j];
        double quadratic = prior->scale[j * m->d + j];
        for (int64_t k = 0; k < m->K; k++) {
            quadratic += prior->kappa * m->means[k * m->d + j] * m->means[k * m->d + j];
        }
        sum -= 0.5 * ((prior->nu + (double)(m->K + 2)) * log(v) + quadratic / v);
    }
    return sum;
}

/* ---- EII: variance = (sum_k total_k + mean of scale) / (d n + nu + d K + 2) ---- */

static lk_status eii_solve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out)
{
    const double extra = prior->kappa > 0.0 ? prior->nu + (double)(d * K + 2) : 0.0;
    double sum = prior->kappa > 0.0 ? mean_scale(prior, d) : 0.0;
    (void)ctx;
    for (int64_t k = 0; k < K; k++) {
        sum += s->pairs[k];
    }
    for (int64_t k = 0; k < K; k++) {
        out[k] = sum / (s->total * (double)d + extra);
    }
    return LK_OK;
}

static double eii_log_prior(const lki_mixture *m, const lki_prior *prior)
{
    const double v = m->covariances[0];
    double square = 0.0;
    for (int64_t i = 0; i < m->K * m->d; i++) {
        square += m->means[i] * m->means[i];
    }
    return -0.5 * ((prior->nu + (double)(m->d * m->K + 2)) * log(v) + (mean_scale(prior, m->d) + prior->kappa * square) / v);
}

/* ---- the table ---- */

static const lki_covariance covariances[] = {
    {"full", "VVV", LKI_FORM_FULL, 0, 1, full_length, full_solve, full_log_prior},
    {"tied", "EEE", LKI_FORM_TIED, 0, 1, tied_length, tied_solve, tied_log_prior},
    {"diag", "VVI", LKI_FORM_DIAG, 0, 1, diag_length, diag_solve, diag_log_prior},
    {"spherical", "VII", LKI_FORM_SPHERICAL, 1, 1, spherical_length, spherical_solve, spherical_log_prior},
    {"EII", "EII", LKI_FORM_SPHERICAL, 1, 1, spherical_length, eii_solve, eii_log_prior},
    {"EEI", "EEI", LKI_FORM_DIAG, 0, 1, diag_length, eei_solve, eei_log_prior},
    {"VEI", "VEI", LKI_FORM_DIAG, 0, 1, diag_length, lki_solve_vei, NULL},
    {"EVI", "EVI", LKI_FORM_DIAG, 0, 0, diag_length, lki_solve_evi, NULL},
    {"VEE", "VEE", LKI_FORM_FULL, 0, 1, full_length, lki_solve_vee, NULL},
    {"EVE", "EVE", LKI_FORM_FULL, 1, 0, full_length, lki_solve_eve, NULL},
    {"VVE", "VVE", LKI_FORM_FULL, 1, 0, full_length, lki_solve_vve, NULL},
    {"EEV", "EEV", LKI_FORM_FULL, 1, 0, full_length, lki_solve_eev, NULL},
    {"VEV", "VEV", LKI_FORM_FULL, 1, 0, full_length, lki_solve_vev, NULL},
    {"EVV", "EVV", LKI_FORM_FULL, 0, 0, full_length, lki_solve_evv, NULL},
};

const lki_covariance *lki_covariance_at(int index)
{
    return index >= 0 && index < (int)(sizeof covariances / sizeof *covariances) ? &covariances[index] : NULL;
}

const lki_covariance *lki_covariance_find(const char *name)
{
    for (int i = 0; lki_covariance_at(i) != NULL; i++) {
        if (strcmp(covariances[i].name, name) == 0 || strcmp(covariances[i].letters, name) == 0) {
            return &covariances[i];
        }
    }
    return NULL;
}

double lki_covariance_parameters(const lki_covariance *covariance, int64_t K, int64_t d)
{
    const char *l = covariance->letters;
    const double k = (double)K, shape = (double)(d - 1), orientation = (double)d * (double)(d - 1) / 2.0;
    return (l[0] == 'V' ? k : 1.0) + (l[1] == 'V' ? k * shape : l[1] == 'E' ? shape : 0.0) +
           (l[2] == 'V' ? k * orientation : l[2] == 'E' ? orientation : 0.0);
}

const lki_covariance *lki_covariance_plain(lki_form form)
{
    return lki_covariance_find(form == LKI_FORM_TIED        ? "tied"
                               : form == LKI_FORM_DIAG      ? "diag"
                               : form == LKI_FORM_SPHERICAL ? "spherical"
                                                            : "full");
}

const lki_covariance *lki_covariance_marginal(const lki_covariance *covariance)
{
    return covariance->closed ? covariance : lki_covariance_find(covariance->form == LKI_FORM_FULL ? "full" : "diag");
}

/* Covariances that conform are the M-step's answer to themselves as scatters of one row each. */
lk_status lki_covariance_conforms(lk_context *ctx, const lki_covariance *covariance, int64_t K, int64_t d, const double *given, int *out)
{
    const int64_t length = covariance->length(K, d), size = covariance->form == LKI_FORM_TIED ? length : length / K;
    const lki_prior none = {.kappa = 0.0};
    lk_status status = LK_OK;
    double *n = NULL, *pairs = NULL, *solved = NULL;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)K, sizeof(double), &n));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)length, sizeof(double), &pairs));
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)length, sizeof(double), &solved));
    for (int64_t k = 0; k < K; k++) {
        n[k] = 1.0;
    }
    const double rows = covariance->form == LKI_FORM_TIED ? (double)K : covariance->form == LKI_FORM_SPHERICAL ? (double)d : 1.0;
    for (int64_t i = 0; i < length; i++) {
        pairs[i] = given[i] * rows;
        solved[i] = given[i];
    }
    const lki_scatter scatter = {n, (double)K, pairs};
    LKI_GOTO(status, done, covariance->solve(ctx, &scatter, &none, K, d, solved));
    *out = 1;
    for (int64_t first = 0; first < length; first += size) {
        double top = 0.0, worst = 0.0;
        for (int64_t i = first; i < first + size; i++) {
            top = fmax(top, fabs(given[i]));
            worst = fmax(worst, fabs(solved[i] - given[i]));
        }
        *out = *out && worst <= 1e-6 * top;
    }
done:
    lki_release(ctx, n);
    lki_release(ctx, pairs);
    lki_release(ctx, solved);
    return status;
}
