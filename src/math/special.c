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

static double ratio(double x, const double *above, const double *below)
{
    double a = above[7], b = below[7];
    for (int i = 6; i >= 0; i--) {
        a = a * x + above[i];
        b = b * x + below[i];
    }
    return a / b;
}

/* M. J. Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988), 477-484: about 1 part in 10^16. */
double lki_normal_quantile(double p)
{
    static const double centre[2][8] = {
        {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
         4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3},
        {1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
         3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3}};
    static const double middle[2][8] = {
        {1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
         1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4},
        {1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
         1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9}};
    static const double tail[2][8] = {
        {6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
         2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7},
        {1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
         1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15}};
    if (!(p > 0.0 && p < 1.0)) {
        return p == 0.0 ? -(double)INFINITY : p == 1.0 ? (double)INFINITY : (double)NAN;
    }
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        return q * ratio(0.180625 - q * q, centre[0], centre[1]);
    }
    double r = sqrt(-log(q < 0.0 ? p : 1.0 - p));
    double x = r <= 5.0 ? ratio(r - 1.6, middle[0], middle[1]) : ratio(r - 5.0, tail[0], tail[1]);
    return q < 0.0 ? -x : x;
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
