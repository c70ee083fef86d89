/* The pair engine: out_i = reduce_j k(x_i, y_j) v_j over all pairs of rows, tile by tile, without the matrix. */
#ifndef LIKELY_PAIR_H
#define LIKELY_PAIR_H

#include "core/core.h"
#include "pair_kernels.h"

/* One kernel of some columns, with a bandwidth for each of them or a metric. */
typedef struct lki_pair_factor {
    lki_kernel_id kernel;
    double parameter;         /* of kernels that have one; 0 = the usual value */
    double offset;            /* polynomial: (s + offset)^degree */
    const int64_t *columns;   /* which; NULL = all */
    int64_t count;            /* how many of them; 0 with NULL */
    const double *bandwidth;  /* one a column, above 0; NULL = 1. Direction kernels take none */
    const double *metric;     /* count x count, M with u = M (x - y), in place of bandwidths; kernels of the square only; NULL = none */
} lki_pair_factor;

/* coefficient times the product of the factors. A kernel is the sum of its terms. */
typedef struct lki_pair_term {
    double coefficient;
    const lki_pair_factor *factors;
    int64_t count;
} lki_pair_term;

typedef enum lki_pair_reduction {
    LKI_PAIR_SUM,     /* sum_j k(x_i, y_j) v_jr for each right-hand side r */
    LKI_PAIR_LOG_SUM, /* log sum_j w_j k(x_i, y_j), without under- or overflow; kernels above 0, coefficients and weights at least 0 */
    LKI_PAIR_MEAN,    /* sum_j p_ij v_jr with p_ij = w_j k_ij / sum_l w_l k_il: the softmax of log k; NaN where all k are 0 */
    LKI_PAIR_MAX,     /* the largest k(x_i, y_j) and the first j that has it */
    LKI_PAIR_VALUES,  /* the values k(x_i, y_j) themselves: for few rows */
    LKI_PAIR_NEAREST  /* the `nearest` smallest arguments s(x_i, y_j), ascending, the first j first among equals; one kernel of the square */
} lki_pair_reduction;

/* What is differentiated: the sum (one right-hand side), or log sum. By y: sum_i u_i k(x_i, y_j) is a sum over i, with x and y in
 * each other's place, since every kernel is symmetric. */
typedef enum lki_pair_derivative {
    LKI_PAIR_VALUE,     /* nothing */
    LKI_PAIR_GRADIENT,  /* by x_i: rows x d */
    LKI_PAIR_BANDWIDTH, /* by the bandwidths, rows x d; what several factors have for a column is added up; no metric */
    LKI_PAIR_CURVATURE  /* the Hessian by x_i times direction t_i: rows x d; no direction kernels */
} lki_pair_derivative;

/* One question about rows of x. Unused fields are zero. */
typedef struct lki_pair_request {
    lki_pair_reduction reduction;
    lki_pair_derivative derivative;
    const double *x;       /* rows x d, finite; derivatives want squares of differences to be finite too */
    int64_t rows;
    const double *v;       /* m x sides; NULL = ones (sides 1) */
    int64_t sides;         /* right-hand sides; 0 = 1 */
    const double *weights; /* m, at least 0, of LOG_SUM and MEAN; NULL = ones */
    const int64_t *own;    /* rows: a j that is left out for row i, -1 = none; NULL = none */
    const double *direction; /* rows x d, of CURVATURE */
    int64_t nearest;       /* of NEAREST: 1..m, less 1 where a j is left out */
    double *out;           /* rows x sides, or rows (LOG_SUM, MAX), rows x m (VALUES), or rows x nearest */
    double *log_sum;       /* rows, of MEAN: log sum_j w_j k_ij; may be NULL */
    double *slope;         /* rows x d, of a derivative */
    int64_t *index;        /* rows, or rows x nearest; may be NULL */
} lki_pair_request;

/* Points y (m x d, finite, m >= 1) made ready to be paired with any rows. Immutable; may be shared between threads. */
typedef struct lki_pair lki_pair;

/* Makes y ready. Squares over LKI_PAIR_PRODUCTS columns and more are formed as |x|^2 + |y|^2 - 2 x.y of centred rows, for each row x whose
 * sums that changes by at most 1e-9 relative (by the kernel's slope, see pair_kernels.h); all else is differences.
 * Errors: LK_ERROR_ARGUMENT (what does not go together, by name), LK_ERROR_MEMORY. Memory: m x columns doubles a factor, twice that with
 * products. */
enum { LKI_PAIR_PRODUCTS = 12 };
lk_status lki_pair_new(lk_context *ctx, const lki_pair_term *terms, int64_t count, const double *y, int64_t m, int64_t d,
                       lki_pair **out) LK_NODISCARD;
void lki_pair_free(const lki_memory *memory, lki_pair *pair);

/* Answers one request over the context's threads. A row's answer is the same bits whatever rows, and however many, stand beside it, and on
 * any number of threads: the j of a row are added up in their order, 64 at a time. Cost: rows x m times the kernel (bench/results.csv);
 * memory: some 100 KB a thread. Errors: LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
lk_status lki_pair_run(lk_context *ctx, const lki_pair *pair, const lki_pair_request *request) LK_NODISCARD;

/* sum_j k(x_i, y_j) v_j with differences and exponentials in single precision and sums in double (8 terms at a time in single): out has
 * `rows` values. The kernel is one factor of squares or absolute values with bandwidths. Values are off by some 1e-7 (1 + |u| |x - centre| / h)
 * relative, and are 0 below 1e-38. v may be NULL (ones). The bits do not depend on threads or neighbours. Errors: LK_ERROR_ARGUMENT (another
 * kind of kernel), LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
lk_status lki_pair_sum_single(lk_context *ctx, const lki_pair *pair, const double *x, int64_t rows, const double *v,
                              double *out) LK_NODISCARD;

/* The same by plain loops over scalar kernels: what the engine is tested against. */
lk_status lki_pair_reference(lk_context *ctx, const lki_pair_term *terms, int64_t count, const double *y, int64_t m, int64_t d,
                             const lki_pair_request *request) LK_NODISCARD;

#endif
