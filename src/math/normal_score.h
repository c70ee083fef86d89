/* Log density, score and its divergence of a mixture of normal distributions, fused: one pass over the components for
 * each row, without storing what a component is to a row. */
#ifndef LIKELY_NORMAL_SCORE_H
#define LIKELY_NORMAL_SCORE_H

#include <stddef.h>
#include <stdint.h>

/* K normal distributions over d features. The precision (inverse covariance) of component k is
 *   P_k = diag(across_k) + B_k' diag(along_k) B_k
 * with B_k = axes_k of rank x d: of a covariance in its eigenbasis the rank is d, along 1 / eigenvalue, across none; of
 * independent features the rank is 0; of a low-rank part plus a diagonal along is -1 (Woodbury). */
typedef struct lki_normal_terms {
    int64_t K, d, rank;
    const double *means;  /* K x d */
    const double *axes;   /* K x rank x d */
    const double *along;  /* K x rank */
    const double *across; /* K x d; NULL = none */
    const double *log_c;  /* K: log weight - (d log 2 pi + log det covariance) / 2 */
    const double *trace;  /* K: of P_k; for the divergence */
    /* K x d x d: P_k themselves, in whose place axes, along and across are not asked; NULL = none. Half the cost, but squares lose the digits
     * that the condition of P_k has. */
    const double *precision;
} lki_normal_terms;

/* Doubles of scratch that a call needs, 64-byte aligned. */
size_t lki_normal_scratch(const lki_normal_terms *terms);

/* For rows of x (rows x d, finite): log_density (rows), score (rows x d) = grad log p and divergence (rows) = the trace
 * of its derivative; each may be NULL. A row gets the same bits whatever stands beside it. Components whose share of a
 * row is below e^-50 of the largest one's may have none. Cost: K rank d twice a row, less where components have no share; with
 * precisions K d d. */
void lki_normal_score(const lki_normal_terms *terms, const double *x, int64_t rows, double *scratch, double *log_density,
                      double *score, double *divergence);

/* The same by plain scalar loops in log space, from axes, along and across alone: what the kernel is tested against. */
void lki_normal_score_reference(const lki_normal_terms *terms, const double *x, int64_t rows, double *scratch,
                                double *log_density, double *score, double *divergence);

/* One for each instruction set. */
typedef struct lki_normal_kernel {
    int64_t tile; /* rows at a time */
    void (*score)(const lki_normal_terms *terms, const double *x, int64_t rows, double *scratch, double *log_density,
                  double *score, double *divergence);
} lki_normal_kernel;
extern const lki_normal_kernel lki_normal_kernel_portable;
#if defined(__x86_64__)
extern const lki_normal_kernel lki_normal_kernel_avx2;
extern const lki_normal_kernel lki_normal_kernel_avx512;
#endif

#endif
