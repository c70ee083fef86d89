/* Laws of counts by their mean and standard deviation: negative binomial where sd^2 > mean, Poisson where they are equal. */
#ifndef LIKELY_COUNT_LAW_H
#define LIKELY_COUNT_LAW_H

#include <stdint.h>

/* mean > 0, sd^2 >= mean (an excess below 1e-12 of the mean counts as none). Error of the
 * logarithm and of P about 1e-14 (100 + mean + count). */
double lki_count_log_density(double count, double mean, double sd); /* of a whole number of at least 0 */
double lki_count_cdf(double count, double mean, double sd);         /* P(Y <= count), count a whole number; 0 below 0 */
double lki_count_quantile(double level, double mean, double sd);    /* the least count with P(Y <= count) >= level, 0 < level < 1 */

#endif
