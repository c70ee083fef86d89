/* Special functions that densities need. Relative error at most 1e-13 unless said otherwise. */
#ifndef LIKELY_SPECIAL_H
#define LIKELY_SPECIAL_H

#include <stdint.h>

#define LKI_LOG_2PI 1.8378770664093454835606594728112

double lki_normal_cdf(double x);                        /* Phi(x), accurate in both tails */
double lki_normal_quantile(double p);                   /* the x with Phi(x) = p; -inf and inf at 0 and 1 */
double lki_multivariate_log_gamma(int64_t d, double a); /* log Gamma_d(a), a > (d - 1) / 2 */

#endif
