/* Sums over two rows side by side, one of them possibly in another order. */
#ifndef LIKELY_PAIRED_SUMS_H
#define LIKELY_PAIRED_SUMS_H

#include <stdint.h>

/* Of k and l (n): sums of k l, k^2, l^2, k and l, in this order. */
enum { LKI_PAIRED_SUMS = 5 };
void lki_paired_sums(const double *k, const double *l, int64_t n, double *sums);

/* sum_j k_j l_{order_j}: products in single precision, eight or more side by side, added up in double after every 64 of them. */
double lki_gathered_product(const float *k, const float *l, const int32_t *order, int64_t n);

/* The loops behind them, one table for each instruction set. */
typedef struct lki_paired_kernel {
    void (*sums)(const double *k, const double *l, int64_t n, double *sums);
    double (*gathered)(const float *k, const float *l, const int32_t *order, int64_t n);
} lki_paired_kernel;
extern const lki_paired_kernel lki_paired_kernel_portable, lki_paired_kernel_avx2, lki_paired_kernel_avx512;

#endif
