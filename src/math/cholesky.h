/* The Cholesky family: factor, inverse factor, log determinant, condition; extended precision where it is needed. */
#ifndef LIKELY_CHOLESKY_H
#define LIKELY_CHOLESKY_H

#include "core/core.h"

/* What is known about a positive definite matrix A = L L'. */
typedef struct lki_spd {
    double log_determinant; /* of A */
    double condition;       /* ratio of the extreme eigenvalues; inf if not positive definite */
} lki_spd;

/* Factors A (d x d, row-major, symmetric, both triangles given) and writes W = inverse(L) (d x d, lower triangle,
 * zeros above), so that x' inverse(A) x = |W x|^2. Above condition 1e6, or where a pivot fails in plain arithmetic,
 * the factorization is done in double-double arithmetic (some 32 digits) and rounded. `condition` comes from power
 * iterations on A and on W'W: never too large, and some percent too small where the extreme eigenvalues have close
 * neighbours. Returns 0, or the 1-based leading minor that is not positive; then only out->condition is set. `work`
 * holds 2 d x d doubles. L may be NULL, else receives the factor (zeros above). A, W, L and work do not overlap.
 * Cost: d^3 flops or so; 30 times more in double-double. */
int64_t lki_spd_factor(int64_t d, const double *A, double *W, double *L, lki_spd *out, double *work);

/* The same for a matrix whose condition is known to be at most `bound`, such as the condition of a matrix that it is a principal part
 * of (Cauchy's interlacing): where the bound is small enough it stands for the condition, and the power iterations, which cost the most
 * for small d, are left out. All else is the same bits. */
int64_t lki_spd_factor_within(int64_t d, const double *A, double bound, double *W, double *L, lki_spd *out, double *work);

/* Eigenvalues (ascending) of a symmetric matrix of d <= LKI_EIGEN_MAX; A is destroyed. Returns 0, or LAPACK's info
 * (positive: no convergence). If asked, the unit eigenvectors stand in A's rows, in the eigenvalues' order. Uses
 * BLAS: see blas.h. */
enum { LKI_EIGEN_MAX = 4096 };
int64_t lki_symmetric_eigen(int64_t d, double *A, double *values, int vectors);

#endif
