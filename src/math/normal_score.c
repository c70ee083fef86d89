/* Chooses the kernel for scores of normal mixtures by what the processor offers; holds its scalar reference. */
#include "normal_score.h"
#include "elementary.h"

#include <math.h>

static const lki_normal_kernel *kernel(void)
{
#if defined(__x86_64__)
    static const lki_normal_kernel *const tables[] = {&lki_normal_kernel_portable, &lki_normal_kernel_avx2,
                                                      &lki_normal_kernel_avx512};
    return tables[lki_isa_level()];
#else
    return &lki_normal_kernel_portable;
#endif
}

size_t lki_normal_scratch(const lki_normal_terms *t)
{
    return (size_t)((4 * t->d + t->rank) * kernel()->tile);
}

void lki_normal_score(const lki_normal_terms *terms, const double *x, int64_t rows, double *scratch, double *log_density,
                      double *score, double *divergence)
{
    kernel()->score(terms, x, rows, scratch, log_density, score, divergence);
}

/* pull = P_k (x - mean_k); the result is the square (x - mean_k)' P_k (x - mean_k). */
static double component(const lki_normal_terms *t, int64_t k, const double *x, double *pull)
{
    const int64_t d = t->d;
    const double *mean = t->means + k * d;
    double square = 0.0;
    for (int64_t i = 0; i < d; i++) {
        pull[i] = t->across != NULL ? t->across[k * d + i] * (x[i] - mean[i]) : 0.0;
        square += pull[i] * (x[i] - mean[i]);
    }
    for (int64_t j = 0; j < t->rank; j++) {
        const double *axis = t->axes + (k * t->rank + j) * d;
        double y = 0.0;
        for (int64_t i = 0; i < d; i++) {
            y += axis[i] * (x[i] - mean[i]);
        }
        square += t->along[k * t->rank + j] * y * y;
        for (int64_t i = 0; i < d; i++) {
            pull[i] += t->along[k * t->rank + j] * y * axis[i];
        }
    }
    return square;
}

void lki_normal_score_reference(const lki_normal_terms *t, const double *x, int64_t rows, double *scratch,
                                double *log_density, double *score, double *divergence)
{
    const int64_t d = t->d;
    double *pull = scratch, *mean_pull = scratch + d;
    for (int64_t row = 0; row < rows; row++) {
        const double *at = x + row * d;
        double largest = -(double)INFINITY, sum = 0.0, excess = 0.0, squares = 0.0;
        for (int64_t k = 0; k < t->K; k++) {
            largest = fmax(largest, t->log_c[k] - 0.5 * component(t, k, at, pull));
        }
        for (int64_t i = 0; i < d; i++) {
            mean_pull[i] = 0.0;
        }
        for (int64_t k = 0; k < t->K; k++) {
            const double share = exp(t->log_c[k] - 0.5 * component(t, k, at, pull) - largest);
            double square = 0.0;
            for (int64_t i = 0; i < d; i++) {
                mean_pull[i] += share * pull[i];
                square += pull[i] * pull[i];
            }
            excess += share * (square - t->trace[k]);
            sum += share;
        }
        for (int64_t i = 0; i < d; i++) {
            mean_pull[i] /= sum;
            squares += mean_pull[i] * mean_pull[i];
            if (score != NULL) {
                score[row * d + i] = -mean_pull[i];
            }
        }
        if (log_density != NULL) {
            log_density[row] = largest + log(sum);
        }
        if (divergence != NULL) {
            divergence[row] = excess / sum - squares;
        }
    }
}
