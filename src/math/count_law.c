/* Negative binomial and Poisson laws. The negative binomial of mean m and variance m + m^2 / r has p(k) = Gamma(r + k) / (Gamma(r) k!)
 * p^r q^k with p = r / (r + m), q = m / (r + m); P(Y <= k) = I_p(r, k + 1). Of a Poisson law P(Y <= k) = Q(k + 1, m). Both incomplete
 * functions by their continued fractions or series (Abramowitz and Stegun 1964, 26.5.8, 6.5.29, 6.5.31), whose leading factor is the
 * density, so that nothing cancels where r or k is large. */
#include "count_law.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>

enum { TERMS = 1000000 };

/* Stirling's series behind (x - 1/2) log x - x + log(2 pi) / 2; below 1e-13 wrong for x >= 16. */
static double stirling(double x)
{
    double y = 1.0 / (x * x);
    return (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))) / x;
}

/* log Gamma(r + k) - log Gamma(r) - k log(r + m), for k >= 0: by recurrence to r + 16, then differences of Stirling's formula. */
static double rising(double r, double k, double m)
{
    double sum = 0.0, s = r;
    for (; s < 16.0; s += 1.0) {
        sum -= log1p(k / s);
    }
    return sum + (s - 0.5) * log1p(k / s) - k + stirling(s + k) - stirling(s) + k * (log1p((k - m + (s - r)) / (r + m)));
}

/* The size r of the negative binomial law; infinite for a Poisson law. */
static double size_of(double mean, double sd)
{
    double excess = sd * sd - mean;
    return excess > 1e-12 * mean ? mean / excess * mean : (double)INFINITY;
}

static double log_factorial(double k)
{
    int sign;
    return lgamma_r(k + 1.0, &sign);
}

double lki_count_log_density(double k, double mean, double sd)
{
    double r = size_of(mean, sd);
    if (isinf(r)) {
        return k * log(mean) - mean - log_factorial(k);
    }
    return rising(r, k, mean) - log_factorial(k) - r * log1p(mean / r) + k * log(mean);
}

/* The continued fraction of I_x(a, b) x a B(a, b) / (x^a (1 - x)^b), by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
    double c = 1.0, d = 1.0 - (a + b) * x / (a + 1.0);
    d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
    double f = d;
    for (int i = 1; i < TERMS; i++) {
        const double m = i, even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        for (int part = 0; part < 2; part++) {
            const double step = part == 0 ? even : odd;
            d = 1.0 + step * d;
            c = 1.0 + step / c;
            d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
            c = fabs(c) < DBL_MIN ? DBL_MIN : c;
            f *= c * d;
        }
        if (fabs(c * d - 1.0) < DBL_EPSILON) {
            break;
        }
    }
    return f;
}

/* Q(a, x), or 1 - Q where `lower`, over the factor x^a exp(-x) / Gamma(a). */
static double gamma_part(double a, double x, bool lower)
{
    if (lower) {
        double sum = 1.0 / a, term = sum;
        for (int i = 1; i < TERMS && term > DBL_EPSILON * sum; i++) {
            term *= x / (a + i);
            sum += term;
        }
        return sum;
    }
    double b = x + 1.0 - a, c = 1.0 / DBL_MIN, d = 1.0 / b, f = d;
    for (int i = 1; i < TERMS; i++) {
        const double step = -i * (i - a);
        b += 2.0;
        d = step * d + b;
        c = b + step / c;
        d = 1.0 / (fabs(d) < DBL_MIN ? DBL_MIN : d);
        c = fabs(c) < DBL_MIN ? DBL_MIN : c;
        f *= c * d;
        if (fabs(c * d - 1.0) < DBL_EPSILON) {
            break;
        }
    }
    return f;
}

double lki_count_cdf(double k, double mean, double sd)
{
    if (!(k >= 0.0)) {
        return isnan(k) ? k : 0.0;
    }
    if (isinf(k)) {
        return 1.0;
    }
    const double r = size_of(mean, sd), density = exp(lki_count_log_density(k, mean, sd));
    if (isinf(r)) {
        const bool lower = mean < k + 2.0;
        const double part = density * mean * gamma_part(k + 1.0, mean, lower);
        return lower ? 1.0 - part : part;
    }
    const double p = r / (r + mean), q = mean / (r + mean), factor = density * q * (r + k);
    return p < (r + 1.0) / (r + k + 3.0) ? factor / r * beta_fraction(r, k + 1.0, p) : 1.0 - factor / (k + 1.0) * beta_fraction(k + 1.0, r, q);
}

double lki_count_quantile(double level, double mean, double sd)
{
    double low = -1.0, high = ceil(mean + sd); /* P(Y <= low) < level <= P(Y <= high) */
    while (lki_count_cdf(high, mean, sd) < level && high < 1e300) {
        low = high;
        high = 2.0 * high + 1.0;
    }
    while (high - low > 1.0) {
        double middle = floor(low + 0.5 * (high - low));
        if (middle <= low || middle >= high) {
            break; /* beyond 2^53 whole numbers are further apart than 1 */
        }
        *(lki_count_cdf(middle, mean, sd) < level ? &low : &high) = middle;
    }
    return high;
}
