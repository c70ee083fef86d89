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

/* 1 / sd of feature j under component k. */
static double inverse_sd(const lki_mixture_plan *plan, int64_t k, int64_t j)
{
    return plan->form == LKI_FORM_DIAG ? plan->W[k * plan->d + j] : plan->W[k];
}

void lki_gaps_close_diagonal(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, double *log_term)
{
    for (int64_t i = 0; i < gaps->lanes; i++) {
        const int64_t m = gaps->count[i];
        const int32_t *M = gaps->index + i * plan->d;
        double log_det = 0.0;
        for (int64_t a = 0; a < m; a++) {
            log_det += 2.0 * log(inverse_sd(plan, k, M[a]));
        }
        log_term[i] = 0.5 * ((double)m * LKI_LOG_2PI - log_det);
    }
}

void lki_gaps_variances(const lki_gaps *gaps, const lki_mixture_plan *plan, int64_t k, const double *r, double *statistics)
{
    double *squares = statistics + 1 + plan->d;
    for (int64_t i = 0; i < gaps->lanes; i++) {
        const int32_t *M = gaps->index + i * plan->d;
        for (int64_t a = 0; a < gaps->count[i] && r[i] >= LKI_GAPS_NEGLIGIBLE; a++) {
            const double w = inverse_sd(plan, k, M[a]);
            squares[plan->form == LKI_FORM_DIAG ? M[a] : 0] += r[i] / (w * w);
        }
    }
}
