/* The plug-in bandwidth of Sheather and Jones: the h that solves the equation of the asymptotically best one. */
#include "kde.h"

#include <math.h>
#include <string.h>

enum { BINS = LKI_SHEATHER_JONES_BINS };

/* How much weight pairs of rows carry at each distance, a whole number of bins. */
typedef struct distances {
    const double *count; /* BINS, ordered pairs */
    double width, n;
} distances;

/* Estimates of the integral of f'' ^2 (order 4) or - f''' ^2 (order 6) by a normal kernel of bandwidth h: the mean over pairs of the
 * kernel's derivative of that order. */
static double functional(const distances *d, int order, double h)
{
    double sum = 0.0;
    for (int k = 0; k < BINS; k++) {
        const double u = (double)k * d->width / h, s = u * u;
        if (s > 1000.0) {
            break;
        }
        const double hermite = order == 4 ? s * s - 6.0 * s + 3.0 : ((s - 15.0) * s + 45.0) * s - 15.0;
        sum += d->count[k] * exp(-0.5 * s) * hermite;
    }
    return sum / (d->n * (d->n - 1.0) * pow(h, order + 1) * sqrt(2.0 * M_PI));
}

static double excess(const distances *d, double ratio, double h)
{
    const double curvature = functional(d, 4, ratio * pow(h, 5.0 / 7.0));
    return pow(1.0 / (2.0 * sqrt(M_PI) * d->n * curvature), 0.2) - h;
}

/* Bins the values, then counts pairs by distance. Same-bin pairs are at distance 0, as a value and itself. */
static distances count_pairs(const double *x, int64_t stride, const double *w, int64_t n, double total, double *work)
{
    double least = x[0], greatest = x[0], *bins = work, *count = work + BINS;
    memset(work, 0, 2 * BINS * sizeof *work);
    for (int64_t i = 0; i < n; i++) {
        least = fmin(least, x[i * stride]);
        greatest = fmax(greatest, x[i * stride]);
    }
    const double width = (greatest - least) / (BINS - 1);
    for (int64_t i = 0; i < n; i++) {
        bins[(int64_t)((x[i * stride] - least) / width + 0.5)] += w[i];
    }
    for (int a = 0; a < BINS; a++) {
        for (int b = 0; bins[a] != 0.0 && b <= a; b++) {
            count[a - b] += (a == b ? 1.0 : 2.0) * bins[a] * bins[b];
        }
    }
    return (distances){count, width, total};
}

/* Pilot bandwidths 1.24 and 1.23 times the scale and the constant 1.357 as in Sheather and Jones (1991), section 3. */
double lki_sheather_jones(const double *x, int64_t stride, const double *w, int64_t n, double total, double scale, double *work)
{
    const distances d = count_pairs(x, stride, w, n, total, work);
    const double fourth = functional(&d, 4, 1.24 * scale * pow(total, -1.0 / 7.0));
    const double sixth = -functional(&d, 6, 1.23 * scale * pow(total, -1.0 / 9.0));
    const double ratio = 1.357 * pow(fourth / sixth, 1.0 / 7.0), most = 1.144 * scale * pow(total, -0.2);
    double low = 0.1 * most, high = most;
    if (!(ratio > 0.0)) {
        return 0.0;
    }
    for (int i = 0; i < 100 && excess(&d, ratio, low) < 0.0; i++) {
        low /= 1.2;
    }
    for (int i = 0; i < 100 && excess(&d, ratio, high) > 0.0; i++) {
        high *= 1.2;
    }
    for (int i = 0; i < 100 && high - low > 1e-13 * high; i++) {
        const double middle = 0.5 * (low + high);
        if (excess(&d, ratio, middle) > 0.0) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low > 2.0 * d.width ? 0.5 * (low + high) : 0.0;
}
