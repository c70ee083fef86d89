/* The parameters of a Gaussian mixture: storage, factors, normalization. */
#include "mixture.h"
#include "math/cholesky.h"
#include "math/elementary.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

lk_status lki_mixture_new(lk_context *ctx, int64_t K, int64_t d, const lki_covariance *covariance, lki_mixture **out)
{
    const size_t k = (size_t)K, length = (size_t)covariance->length(K, d);
    lki_mixture *m;
    double *block;
    LKI_TRY(lki_zeros(ctx, 1, sizeof *m, &m));
    lk_status status = lki_zeros(ctx, 6 * k + k * (size_t)d + 3 * length + 3 * (size_t)d + 1, sizeof(double), &block);
    if (status != LK_OK) {
        lki_release(ctx, m);
        return status;
    }
    m->K = K;
    m->d = d;
    m->covariance = covariance;
    m->memory = lki_memory_of(ctx);
    m->weights = block;
    m->log_c = block + k;
    m->log_det = block + 2 * k;
    m->smallest = block + 3 * k;
    m->condition = block + 4 * k;
    m->means = block + 6 * k;
    m->covariances = m->means + k * (size_t)d;
    m->W = m->covariances + length;
    m->L = m->W + length;
    m->low = m->L + length;
    m->high = m->low + d;
    m->log_range = m->high + d;
    m->uniform = m->log_range + d;
    *out = m;
    return LK_OK;
}

void lki_mixture_free(lki_mixture *m)
{
    if (m != NULL) {
        const lki_memory memory = m->memory;
        lki_memory_release(&memory, m->weights);
        lki_memory_release(&memory, m);
    }
}

void lki_mixture_copy(lki_mixture *to, const lki_mixture *from)
{
    const size_t k = (size_t)from->K, length = (size_t)from->covariance->length(from->K, from->d);
    memcpy(to->weights, from->weights, (6 * k + k * (size_t)from->d + 3 * length + 3 * (size_t)from->d + 1) * sizeof(double));
    to->noise = from->noise;
}

void lki_mixture_set_noise(lki_mixture *m, double weight, const double *low, const double *high)
{
    m->noise = 1;
    *m->uniform = weight;
    for (int64_t j = 0; j < m->d; j++) {
        m->low[j] = low[j];
        m->high[j] = high[j];
        m->log_range[j] = log(high[j] - low[j]);
    }
}

int64_t lki_mixture_groups(const lki_mixture *m)
{
    return m->K + m->noise;
}

int64_t lki_mixture_matrix(const lki_mixture *m, int64_t k)
{
    return m->covariance->form == LKI_FORM_TIED ? 0 : k;
}

int64_t lki_mixture_matrices(const lki_mixture *m)
{
    return m->covariance->form == LKI_FORM_TIED ? 1 : m->K;
}

/* diag (count = d) and spherical (count = 1, standing for d equal ones). */
static int64_t factor_variances(lki_mixture *m, int64_t k, int64_t count)
{
    double low = __builtin_inf(), high = 0.0, log_det = 0.0;
    for (int64_t j = 0; j < count; j++) {
        const double v = m->covariances[k * count + j];
        if (!(v > 0.0) || !isfinite(v)) {
            return j + 1;
        }
        m->L[k * count + j] = sqrt(v);
        m->W[k * count + j] = 1.0 / sqrt(v);
        log_det += log(v);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    m->log_det[k] = count == m->d ? log_det : (double)m->d * log_det;
    m->smallest[k] = low;
    m->condition[k] = high / low;
    return 0;
}

int64_t lki_mixture_factor_one(lki_mixture *m, int64_t k, double *work)
{
    return lki_mixture_factor_within(m, k, __builtin_inf(), work);
}

int64_t lki_mixture_factor_within(lki_mixture *m, int64_t k, double bound, double *work)
{
    const int64_t d = m->d, dd = d * d;
    if (m->covariance->form == LKI_FORM_DIAG) {
        return factor_variances(m, k, d);
    }
    if (m->covariance->form == LKI_FORM_SPHERICAL) {
        return factor_variances(m, k, 1);
    }
    lki_spd spd;
    const int64_t minor = lki_spd_factor_within(d, m->covariances + k * dd, bound, m->W + k * dd, m->L + k * dd, &spd, work);
    if (minor != 0) {
        return minor;
    }
    double trace = 0.0; /* of the inverse: at least 1 / smallest eigenvalue, at most d times that */
    for (int64_t i = 0; i < dd; i++) {
        trace += m->W[k * dd + i] * m->W[k * dd + i];
    }
    if (!isfinite(trace)) {
        return d;
    }
    const int64_t last = m->covariance->form == LKI_FORM_TIED ? m->K : k + 1;
    for (int64_t i = k; i < last; i++) {
        m->log_det[i] = spd.log_determinant;
        m->smallest[i] = 1.0 / trace;
        m->condition[i] = spd.condition;
    }
    return 0;
}

void lki_mixture_normalize(lki_mixture *m)
{
    for (int64_t k = 0; k < m->K; k++) {
        m->log_c[k] = log(m->weights[k]) - 0.5 * ((double)m->d * LKI_LOG_2PI + m->log_det[k]);
    }
}

void lki_mixture_covariance(const lki_mixture *m, int64_t k, double *out)
{
    const int64_t d = m->d;
    if (m->covariance->form == LKI_FORM_FULL || m->covariance->form == LKI_FORM_TIED) {
        memcpy(out, m->covariances + lki_mixture_matrix(m, k) * d * d, (size_t)(d * d) * sizeof(double));
        return;
    }
    memset(out, 0, (size_t)(d * d) * sizeof(double));
    for (int64_t j = 0; j < d; j++) {
        out[j * d + j] = m->covariance->form == LKI_FORM_DIAG ? m->covariances[k * d + j] : m->covariances[k];
    }
}

double lki_mixture_free_parameters(const lki_mixture *m)
{
    return (double)(m->K - 1 + m->noise + m->K * m->d) + lki_covariance_parameters(m->covariance, m->K, m->d);
}

lki_mixture_plan lki_mixture_factored_plan(const lki_mixture *m)
{
    return (lki_mixture_plan){
        .form = m->covariance->form, .factored = 1, .K = m->K, .d = m->d, .W = m->W, .means = m->means, .log_c = m->log_c,
        .noise = m->noise, .log_noise = m->noise ? log(*m->uniform) : 0.0, .low = m->low, .high = m->high, .log_range = m->log_range,
        .terms = lki_terms(m->covariance->form, m->d), .statistics = lki_statistics(m->covariance->form, 1, m->d)};
}

int64_t lki_terms(lki_form form, int64_t d)
{
    switch (form) {
    case LKI_FORM_SPHERICAL:
    case LKI_FORM_TIED:
        return 2 + d;
    case LKI_FORM_DIAG:
        return 1 + 2 * d;
    case LKI_FORM_FULL:
        break;
    }
    return 1 + d + d * (d + 1) / 2;
}

int64_t lki_statistics(lki_form form, int factored, int64_t d)
{
    if (form == LKI_FORM_TIED) {
        return factored ? lki_terms(LKI_FORM_FULL, d) : 1 + d;
    }
    return lki_terms(form, d);
}

const lki_mixture_kernel *lki_mixture_kernel_best(void)
{
#if defined(__x86_64__)
    if (lki_isa_level() == 2) {
        return &lki_mixture_kernel_avx512;
    }
    if (lki_isa_level() == 1) {
        return &lki_mixture_kernel_avx2;
    }
#endif
    return &lki_mixture_kernel_portable;
}
