/* Weighted mean and sum of squared deviations that merge without loss (Chan, Golub and LeVeque, Am. Stat. 37, 1983, 242). */
#ifndef LIKELY_POOLED_H
#define LIKELY_POOLED_H

#include <math.h>
#include <stdint.h>

/* Three neighbouring doubles of a reduction's sums; all zeros = nothing yet. */
enum { LKI_POOLED_WEIGHT, LKI_POOLED_MEAN, LKI_POOLED_SQUARES, LKI_POOLED };

static inline void lki_pooled_merge(double *left, const double *right)
{
    double weight = left[LKI_POOLED_WEIGHT] + right[LKI_POOLED_WEIGHT];
    if (!(right[LKI_POOLED_WEIGHT] > 0.0)) {
        return;
    }
    double step = right[LKI_POOLED_MEAN] - left[LKI_POOLED_MEAN], share = right[LKI_POOLED_WEIGHT] / weight;
    left[LKI_POOLED_SQUARES] += right[LKI_POOLED_SQUARES] + step * step * left[LKI_POOLED_WEIGHT] * share;
    left[LKI_POOLED_MEAN] = left[LKI_POOLED_WEIGHT] > 0.0 ? left[LKI_POOLED_MEAN] + step * share : right[LKI_POOLED_MEAN];
    left[LKI_POOLED_WEIGHT] = weight;
}

/* Moments of count values v[0], v[stride], ... of positive weights w (NULL = all one). */
static inline void lki_pooled_of(double *out, const double *v, int64_t stride, const double *w, int64_t count)
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
    out[LKI_POOLED_WEIGHT] = weight;
    out[LKI_POOLED_MEAN] = mean;
    out[LKI_POOLED_SQUARES] = squares;
}

/* The standard error of the mean where a weight counts repeated rows; NaN below two of them. */
static inline double lki_pooled_error(const double *m)
{
    double weight = m[LKI_POOLED_WEIGHT];
    return weight > 1.0 ? sqrt(m[LKI_POOLED_SQUARES] / (weight - 1.0) / weight) : (double)NAN;
}

#endif
