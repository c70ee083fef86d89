/* Whether two samples come from one mixture, by exact two-sample tests against draws of its own: Kolmogorov's distance of the log
 * densities under the mixture (how wide the sample is), of projections onto fixed random directions and of the features (where it is),
 * and the chi-squared statistic of the components that rows belong to (how much of it is where). */
#ifndef LIKELY_TWO_SAMPLE_H
#define LIKELY_TWO_SAMPLE_H

#include "gmm_check.h"

#include "math/special.h"

enum { TWO_SAMPLE_DIRECTIONS = 6, TWO_SAMPLE_MOST = 40000 };

CHECK_UNUSED static int two_sample_order(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* P(sup |F - G| at least what it is) for two samples of n, by Kolmogorov's law. Sorts them. */
CHECK_UNUSED static double two_sample_kolmogorov(double *x, double *y, int64_t n)
{
    double most = 0, p = 0;
    qsort(x, (size_t)n, sizeof *x, two_sample_order);
    qsort(y, (size_t)n, sizeof *y, two_sample_order);
    for (int64_t i = 0, j = 0; i < n && j < n;) {
        if (x[i] <= y[j]) {
            i++;
        } else {
            j++;
        }
        most = fmax(most, fabs((double)(i - j)) / (double)n);
    }
    const double t = most * sqrt((double)n / 2);
    for (int k = 1; k < 100; k++) {
        p += (k % 2 ? 2 : -2) * exp(-2.0 * k * k * t * t);
    }
    return t < 0.2 ? 1 : fmin(fmax(p, 0), 1);
}

/* The smallest p of all tests times their number (Bonferroni): a p-value. */
CHECK_UNUSED static double two_sample(lk_context *ctx, const lk_model *model, const double *a, const double *b, int64_t n)
{
    const int64_t d = model->d, K = gmm_mixture(model)->K;
    double *x = malloc((size_t)n * sizeof *x), *y = malloc((size_t)n * sizeof *y), *r = malloc((size_t)(n * K) * sizeof *r);
    double least = 1, chi = 0;
    int tests = 0, cells = 0;
    lki_stream s = gmm_stream(6200);
    assert_true(x != NULL && y != NULL && r != NULL);
    check_ok(ctx, lk_model_log_density(ctx, model, a, n, x));
    check_ok(ctx, lk_model_log_density(ctx, model, b, n, y));
    least = fmin(least, two_sample_kolmogorov(x, y, n));
    tests++;
    for (int64_t t = 0; t < TWO_SAMPLE_DIRECTIONS + (d < 8 ? d : 8); t++) {
        for (int64_t i = 0; i < n; i++) {
            x[i] = y[i] = 0;
        }
        for (int64_t j = 0; j < d; j++) {
            const double w = t < TWO_SAMPLE_DIRECTIONS ? lki_random_normal(&s) : j == t - TWO_SAMPLE_DIRECTIONS;
            for (int64_t i = 0; i < n; i++) {
                x[i] += w * a[i * d + j];
                y[i] += w * b[i * d + j];
            }
        }
        least = fmin(least, two_sample_kolmogorov(x, y, n));
        tests++;
    }
    double counts[2][64] = {{0}};
    for (int which = 0; which < 2; which++) {
        check_ok(ctx, lk_model_responsibilities(ctx, model, which ? b : a, n, r));
        for (int64_t i = 0; i < n; i++) {
            int64_t best = 0;
            for (int64_t k = 1; k < K; k++) {
                best = r[i * K + k] > r[i * K + best] ? k : best;
            }
            counts[which][best]++;
        }
    }
    for (int64_t k = 0; k < K; k++) {
        const double sum = counts[0][k] + counts[1][k], difference = counts[0][k] - counts[1][k];
        if (sum > 0) {
            chi += difference * difference / sum;
            cells++;
        }
    }
    if (cells > 1) { /* upper tail of chi-squared by Wilson and Hilferty, good to some percent of p */
        const double f = cells - 1, z = (cbrt(chi / f) - (1 - 2 / (9 * f))) / sqrt(2 / (9 * f));
        least = fmin(least, 0.5 * erfc(z / sqrt(2.0)));
        tests++;
    }
    free(x);
    free(y);
    free(r);
    return fmin(1, least * tests);
}

#endif
