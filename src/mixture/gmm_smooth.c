/* A Gaussian mixture with normal noise added, which is a mixture again, and the second derivatives of its log density.
 */
#include "gmm_smooth.h"
#include "gmm.h"
#include <string.h>

/* The form that keeps C_k + diag(sigma^2): round components stay round under round noise only. */
static lki_form smoothed_form(const lki_mixture *m, const double *sigma)
{
    lki_form form = m->covariance->form;
    for (int64_t j = 1; j < m->d; j++) {
        form = form == LKI_FORM_SPHERICAL && sigma[j] != sigma[0] ? LKI_FORM_DIAG : form;
    }
    return form;
}

static void smoothed_covariances(const lki_mixture *m, const double *sigma, lki_mixture *out)
{
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    switch (out->covariance->form) {
    case LKI_FORM_FULL:
    case LKI_FORM_TIED:
        memcpy(out->covariances, m->covariances, (size_t)(matrices * d * d) * sizeof(double));
        for (int64_t k = 0; k < matrices; k++) {
            for (int64_t j = 0; j < d; j++) {
                out->covariances[k * d * d + j * (d + 1)] += sigma[j] * sigma[j];
            }
        }
        break;
    case LKI_FORM_DIAG:
        for (int64_t i = 0; i < m->K * d; i++) {
            const int round = m->covariance->form == LKI_FORM_SPHERICAL;
            out->covariances[i] = m->covariances[round ? i / d : i] + sigma[i % d] * sigma[i % d];
        }
        break;
    default:
        for (int64_t k = 0; k < m->K; k++) {
            out->covariances[k] = m->covariances[k] + sigma[0] * sigma[0];
        }
        break;
    }
}

lk_status lki_gmm_smooth(lk_context *ctx, const void *state, const double *sigma, void **out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    lki_mixture *noisy;
    lki_gmm *g;
    if (m->noise) {
        return lki_fail(ctx, LK_ERROR_UNSUPPORTED,
                        "a mixture with a noise component cannot be smoothed: a box with rounded edges is none");
    }
    LKI_TRY(lki_mixture_new(ctx, m->K, m->d, lki_covariance_plain(smoothed_form(m, sigma)), &noisy));
    memcpy(noisy->weights, m->weights, (size_t)m->K * sizeof(double));
    memcpy(noisy->means, m->means, (size_t)(m->K * m->d) * sizeof(double));
    smoothed_covariances(m, sigma, noisy);
    LKI_TRY(lki_gmm_new(ctx, noisy, &g)); /* takes noisy */
    *out = g;
    return LK_OK;
}

/* ---- second derivatives ---- */

/* Inverse covariances: K or 1 matrices d x d, or K x d numbers where they stand along the axes. */
static lk_status precisions(lk_context *ctx, const lki_mixture *m, double **out)
{
    const int64_t d = m->d, matrices = lki_mixture_matrices(m);
    const int whole = m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED;
    double *P;
    LKI_TRY(lki_zeros(ctx, (size_t)matrices, (size_t)(whole ? d * d : d) * sizeof(double), &P));
    for (int64_t i = 0; !whole && i < m->K * d; i++) {
        const double w = m->W[m->covariance->form == LKI_FORM_SPHERICAL ? i / d : i];
        P[i] = w * w;
    }
    for (int64_t k = 0; whole && k < matrices; k++) {
        const double *W = m->W + k * d * d;
        for (int64_t i = 0; i < d; i++) { /* W' W with W lower triangular */
            for (int64_t a = 0; a <= i; a++) {
                for (int64_t b = 0; b <= i; b++) {
                    P[(k * d + a) * d + b] += W[i * d + a] * W[i * d + b];
                }
            }
        }
    }
    *out = P;
    return LK_OK;
}

/* g = P_k (mean_k - x), the gradient of component k's log density. */
static void component_score(const lki_mixture *m, const double *P, int64_t k, const double *x, double *g)
{
    const int64_t d = m->d;
    const int whole = m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED;
    for (int64_t a = 0; a < d; a++) {
        const double *row = P + (lki_mixture_matrix(m, k) * d + a) * d;
        g[a] = whole ? 0.0 : P[k * d + a] * (m->means[k * d + a] - x[a]);
        for (int64_t b = 0; whole && b < d; b++) {
            g[a] += row[b] * (m->means[k * d + b] - x[b]);
        }
    }
}

/* Below this a component has no part in a row: its square overflows nothing that way. */
#define LEAST_RESPONSIBILITY 1e-300

/* H = sum_k r_k ((g_k - g) (g_k - g)' - P_k) with the score g = sum_k r_k g_k: no difference of large numbers. */
static void hessian_row(const lki_mixture *m, const double *P, const double *r, const double *x, double *scores,
                        double *H)
{
    const int64_t d = m->d;
    const int whole = m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED;
    double *g = scores + m->K * d;
    memset(g, 0, (size_t)d * sizeof(double));
    memset(H, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t k = 0; k < m->K; k++) {
        if (r[k] >= LEAST_RESPONSIBILITY) {
            component_score(m, P, k, x, scores + k * d);
            for (int64_t a = 0; a < d; a++) {
                g[a] += r[k] * scores[k * d + a];
            }
        }
    }
    for (int64_t k = 0; k < m->K; k++) {
        if (r[k] < LEAST_RESPONSIBILITY) {
            continue;
        }
        const double *s = scores + k * d, *matrix = P + lki_mixture_matrix(m, k) * d * d;
        for (int64_t a = 0; a < d; a++) {
            for (int64_t b = 0; b <= a; b++) {
                const double p = whole ? matrix[a * d + b] : a == b ? P[k * d + a] : 0.0;
                H[a * d + b] += r[k] * ((s[a] - g[a]) * (s[b] - g[b]) - p);
            }
        }
    }
    for (int64_t a = 0; a < d; a++) {
        for (int64_t b = 0; b <= a; b++) {
            H[a * d + b] += m->noise ? r[m->K] * g[a] * g[b] : 0.0; /* noise is flat */
            H[b * d + a] = H[a * d + b];
        }
    }
}

lk_status lki_gmm_hessian(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    const lki_mixture *m = ((const lki_gmm *)state)->mixture;
    const int64_t d = m->d, groups = lki_mixture_groups(m);
    double *P = NULL, *r = NULL;
    lk_status status = LK_OK;
    LKI_GOTO(status, done, lki_allocate(ctx, (size_t)(rows * groups + (m->K + 1) * d), sizeof(double), &r));
    LKI_GOTO(status, done, precisions(ctx, m, &P));
    LKI_GOTO(status, done, lki_gmm_operations.responsibilities(ctx, state, x, rows, r));
    for (int64_t i = 0; i < rows; i++) {
        hessian_row(m, P, r + i * groups, x + i * d, r + rows * groups, out + i * d * d);
    }
done:
    lki_release(ctx, P);
    lki_release(ctx, r);
    return status;
}
