/* The normal distribution function and the multivariate gamma function. */
#include "special.h"
#include <math.h>

/* Phi(x) = erfc(-x / sqrt 2) / 2. The argument's rounding error would be magnified 2 z^2 times in the tails, so it is
 * carried along to first order: erfc(z + e) = erfc(z) - 2 / sqrt(pi) exp(-z^2) e. */
double lki_normal_cdf(double x)
{
    const double root_high = 0.70710678118654752440;
    const double root_low = -4.833646656726457e-17; /* sqrt(1/2) - root_high */
    double z = -x * root_high;
    if (!(fabs(z) < 40)) {
        return isnan(x) ? x : x > 0;
    }
    double error = fma(-x, root_high, -z) - x * root_low;
    return 0.5 * (erfc(z) - 1.12837916709551257390 * exp(-z * z) * error);
}

/* log Gamma_d(a) = d (d - 1) / 4 log(pi) + sum_{j=0}^{d-1} log Gamma(a - j / 2). */
double lki_multivariate_log_gamma(int64_t d, double a)
{
    double sum = 0.25 * (double)d * ((double)d - 1) * 1.14472988584940017414;
    for (int64_t j = 0; j < d; j++) {
        int sign;
        sum += lgamma_r(a - 0.5 * (double)j, &sign);
    }
    return sum;
}
