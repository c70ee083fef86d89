/* Weighted mean and sum of squared deviations that merge without loss (Chan, Golub and LeVeque, Am. Stat. 37, 1983, 242). */
#ifndef LIKELY_MOMENTS_H
#define LIKELY_MOMENTS_H

#include <math.h>
#include <stdint.h>

/* Three neighbouring doubles of a reduction's sums; all zeros = nothing yet. */
enum { LKI_MOMENT_WEIGHT, LKI_MOMENT_MEAN, LKI_MOMENT_SQUARES, LKI_MOMENTS };

static inline void lki_moments_merge(double *left, const double *right)
{
    double weight = left[LKI_MOMENT_WEIGHT] + right[LKI_MOMENT_WEIGHT];
    if (!(right[LKI_MOMENT_WEIGHT] > 0.0)) {
        return;
    }
    double step = right[LKI_MOMENT_MEAN] - left[LKI_MOMENT_MEAN], share = right[LKI_MOMENT_WEIGHT] / weight;
    left[LKI_MOMENT_SQUARES] += right[LKI_MOMENT_SQUARES] + step * step * left[LKI_MOMENT_WEIGHT] * share;
    left[LKI_MOMENT_MEAN] = left[LKI_MOMENT_WEIGHT] > 0.0 ? left[LKI_MOMENT_MEAN] + step * share : right[LKI_MOMENT_MEAN];
    left[LKI_MOMENT_WEIGHT] = weight;
}

/* Moments of count values v[0], v[stride], ... of positive weights w (NULL = all one). */
static inline void lki_moments_of(double *out, const double *v, int64_t stride, const double *w, int64_t count)
{
    double weight = 0.0, sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < count; i++) {
        double wi = w != NULL ? w[i] : 1.0;
        weight += wi;
        sum += wi * v[i * stride];
    }
    double mean = weight > 0.0 ? sum / weight : 0.0;
    for (int64_t i = 0; i < count; i++) {
        double step = v[i * stride] - mean;
        squares += (w != NULL ? w[i] : 1.0) * step * step;
    }
    out[LKI_MOMENT_WEIGHT] = weight;
    out[LKI_MOMENT_MEAN] = mean;
    out[LKI_MOMENT_SQUARES] = squares;
}

/* The standard error of the mean where a weight counts repeated rows; NaN below two of them. */
static inline double lki_moments_error(const double *m)
{
    double weight = m[LKI_MOMENT_WEIGHT];
    return weight > 1.0 ? sqrt(m[LKI_MOMENT_SQUARES] / (weight - 1.0) / weight) : (double)NAN;
}

#endif
