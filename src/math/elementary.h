/* Vectorized exp, log and log-sum-exp, each with a scalar reference that it is tested against. Any length, any
 * alignment. */
#ifndef LIKELY_ELEMENTARY_H
#define LIKELY_ELEMENTARY_H

#include <stdint.h>

/* y = exp(x), at most 1 ulp from the exact value; 0 below -745.2, inf above 709.8, NaN for NaN. x and y may be the
 * same. */
void lki_vexp(int64_t n, const double *x, double *y);
/* y = log(x), at most 1 ulp; -inf for 0, NaN below 0. */
void lki_vlog(int64_t n, const double *x, double *y);
/* log sum exp(x_i); -inf for n = 0 or all -inf, inf if one is inf, NaN if one is NaN. */
double lki_log_sum_exp(int64_t n, const double *x);

/* The scalar references: the same formulas, one number at a time. The portable vectors give the same bits; those
 * with fused operations differ by at most 1 ulp. */
double lki_exp_reference(double x);
double lki_log_reference(double x);

/* The name of the instruction set in use: "avx512", "avx2", "portable". LIKELY_ISA=avx2|portable in the environment
 * of a test lowers it. */
const char *lki_isa(void);
/* The same as a number: 0 = portable, 1 = avx2, 2 = avx512. Kernels compiled with isa_flags are chosen by it. */
int lki_isa_level(void);

/* The kernels behind the calls above, one table for each instruction set: tables [0 .. lki_isa_level()] may be
 * called. */
typedef struct lki_elementary {
    void (*exp)(int64_t n, const double *x, double *y);
    void (*log)(int64_t n, const double *x, double *y);
    double (*log_sum_exp)(int64_t n, const double *x);
} lki_elementary;
extern const lki_elementary lki_elementary_portable;
#if defined(__x86_64__)
extern const lki_elementary lki_elementary_avx2;
extern const lki_elementary lki_elementary_avx512;
#endif

#endif
