/* Vectorized exp, log and log-sum-exp, each with a scalar reference that it is tested against. Any length, any alignment. */
#ifndef LIKELY_ELEMENTARY_H
#define LIKELY_ELEMENTARY_H

#include <stdint.h>

/* y = exp(x), at most 1 ulp from the exact value; 0 below -745.2, inf above 709.8, NaN for NaN. x and y may be the same. */
void lki_vexp(int64_t n, const double *x, double *y);
/* y = log(x), at most 1 ulp; -inf for 0, NaN below 0. */
void lki_vlog(int64_t n, const double *x, double *y);
/* log sum exp(x_i); -inf for n = 0 or all -inf. */
double lki_log_sum_exp(int64_t n, const double *x);
/* The name of the instruction set in use: "avx512", "avx2", "portable". LIKELY_ISA=avx2|portable in the environment of a
 * test lowers it. */
const char *lki_isa(void);

#endif
