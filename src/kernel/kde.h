/* A kernel density: its state and what the family's files share. */
#ifndef LIKELY_KDE_H
#define LIKELY_KDE_H

#include "kernel_law.h"
#include "math/pair.h"
#include "math/tree_sum.h"
#include "model/method.h"

/* p(x) = sum_i w_i prod_j k((x_j - y_ij) / h_j) / h_j. */
typedef struct lki_kde {
    lki_memory memory;
    const lki_kernel_law *law;
    bool linear;       /* what depends on what is known is fitted by local lines, not constants */
    int64_t n, d;
    double *points;    /* n x d */
    double *weights;   /* n, above 0, sum 1 */
    double *bandwidth; /* d, above 0 */
    double log_scale;  /* what the logarithm of the kernel sum lacks: - sum_j log(h_j integral) */
    double *matrix;    /* d x d: covariance of a normal kernel, bandwidth the roots of its diagonal; NULL = product kernels */
    double *inverse, *root; /* d x d: lower triangular, inverse'inverse = inverse of the matrix = (root root')^-1; one block of memory */
    double *low, *high; /* d, within which kernels are reflected, infinite = no end; NULL = no ends at all */
    double *kept_bounds; /* d x 4, as they stand in a file; one block of memory with low and high */
    lki_pair *pair;    /* of the points, with their images where there are ends */
    double *pair_weights; /* of those; `weights` where there are none */
    double rtol;          /* log densities are within it of the sum; 0 = exact */
    double by_tree, by_pairs; /* what a row costs by the tree and by all pairs, see tree_sum.h; 0 with rtol 0 */
    lki_tree_sum *tree;   /* NULL = all pairs */
} lki_kde;

/* What a kernel density is made of beside its points. */
typedef struct lki_kde_shape {
    const lki_kernel_law *law;
    bool linear;
    const double *bandwidth;  /* d; not looked at where there is a matrix */
    const double *matrix;     /* NULL = none */
    const double *low, *high; /* NULL = none */
} lki_kde_shape;
static inline lki_kde_shape lki_kde_shape_of(const lki_kde *k)
{
    return (lki_kde_shape){k->law, k->linear, k->bandwidth, k->matrix, k->low, k->high};
}

/* kde_shape.c. Inverse factor and factor of a covariance; *inverse owns both. Errors: LK_ERROR_DATA (not positive definite). */
lk_status lki_kde_factor(lk_context *ctx, const double *matrix, int64_t d, double **inverse, double **root, double *log_determinant) LK_NODISCARD;
/* Mirror images of a point in one feature, itself first; at most LKI_KDE_IMAGES. */
enum { LKI_KDE_MIRRORS = 8, LKI_KDE_IMAGES = 4 * LKI_KDE_MIRRORS + 2 };
int64_t lki_kde_images(const lki_kde *k, int64_t j, double y, double *out);
bool lki_kde_inside(const lki_kde *k, const double *x);
double lki_kde_fold(const lki_kde *k, int64_t j, double x);
lk_status lki_kde_reflect(lk_context *ctx, const lki_kde *k, double **points, double **weights, int64_t *count) LK_NODISCARD;
lk_status lki_kde_check_bounds(lk_context *ctx, const lki_kernel_law *law, const double *bandwidth, const double *low, const double *high, const char *const *names,
                               int64_t d) LK_NODISCARD;

/* Takes copies. Weights need not sum to 1; points of weight 0 are left out. Errors: LK_ERROR_MEMORY. */
lk_status lki_kde_new(lk_context *ctx, const lki_kde_shape *shape, const double *points, const double *weights, int64_t n, int64_t d,
                      lki_kde **out) LK_NODISCARD;
/* Lets log densities be off by rtol of themselves (0 = exact), by a tree where the cost model says that it is cheaper. Errors:
 * LK_ERROR_ARGUMENT (a kernel that is not normal), LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
lk_status lki_kde_tolerate(lk_context *ctx, lki_kde *kde, double rtol) LK_NODISCARD;
void lki_kde_free(const lki_memory *memory, void *state);

/* The product kernel of d columns, as pairs with points; freed by lki_pair_free(). */
lk_status lki_kde_pair(lk_context *ctx, const lki_kernel_law *law, const double *points, int64_t n, const double *bandwidth, int64_t d,
                       lki_pair **out) LK_NODISCARD;

/* Rows in memory with weights above 0, for the choice of bandwidths. */
typedef struct lki_kde_rows {
    const double *x, *w; /* n x d, n */
    const char *const *names;
    int64_t n, d;
    double total;        /* sum of w: how many rows they count as */
} lki_kde_rows;

/* Rows with a weight above 0, in memory; x and w are released by lki_release(). `ends` (2 d: lower, then upper; NULL = none) must hold them.
 * Errors: LK_ERROR_DATA (no such row, or one outside), those of reading. */
typedef struct lki_kde_gathered {
    double *x, *w;
    size_t x_capacity, w_capacity;
    int64_t n;
    double total;
} lki_kde_gathered;
lk_status lki_kde_gather(lk_context *ctx, const lki_fit_task *task, const double *ends, lki_kde_gathered *g) LK_NODISCARD;

/* What a rule found. */
typedef struct lki_kde_choice {
    double *bandwidth;      /* d */
    double leave_one_out;   /* mean log density of rows left out one by one; NaN = not computed */
    char degenerate[256];
} lki_kde_choice;

/* Numbers ("0.5", "0.5,2") or a rule of LKI_BANDWIDTH_RULES; out->bandwidth has room for d. Errors: LK_ERROR_ARGUMENT (neither), LK_ERROR_DATA
 * (a column that is constant, or has a resolution that the rule cannot do with), LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
#define LKI_BANDWIDTH_RULES "scott, silverman, nrd0, sheather_jones, lcv, lscv, kl, full"
lk_status lki_kde_bandwidth(lk_context *ctx, const lki_kernel_law *law, const char *text, const lki_kde_rows *rows,
                            lki_kde_choice *out) LK_NODISCARD;
/* The rule "full", or d x d numbers: *out receives the covariance of the kernel (d x d, by lki_allocate); untouched for any other text. */
lk_status lki_kde_matrix(lk_context *ctx, const lki_kernel_law *law, const char *text, const lki_kde_rows *rows, double **out) LK_NODISCARD;
/* Mean log density of the rows, each left out of its own density. */
lk_status lki_kde_leave_one_out(lk_context *ctx, const lki_kernel_law *law, const lki_kde_rows *rows, const double *bandwidth,
                                double *out) LK_NODISCARD;
/* The bandwidth of Sheather and Jones (1991), "solve the equation", of one column with its scale min(sd, IQR / 1.349); 0 where it is below
 * the resolution. work: LKI_SHEATHER_JONES_BINS * 2 doubles. */
enum { LKI_SHEATHER_JONES_BINS = 8192 };
double lki_sheather_jones(const double *x, int64_t stride, const double *w, int64_t n, double total, double scale, double *work);
/* Multiplies the bandwidth by the factor within [1/50, 5] that is best by cross-validation. */
lk_status lki_kde_cross_validate(lk_context *ctx, const lki_kernel_law *law, bool squares, const lki_kde_rows *rows,
                                 lki_kde_choice *out) LK_NODISCARD;

/* Where a bandwidth stands between its regimes in high dimensions, as factors of it (regime.c). */
typedef struct lki_kde_regime {
    double alpha;         /* log(effective points) / d */
    double central_limit; /* above this factor of the bandwidth sums of kernels at a row are normal */
    double extreme;       /* below it the nearest points alone count */
    double kl;            /* at it the Kullback-Leibler divergence is least */
    double tail_index;    /* of the stable law of the sums: 2 and more = normal, below 1 = extreme */
    double participation; /* how many points speak for a row that is left out, on average: 1 / sum of squared shares */
} lki_kde_regime;
/* For normal data of these variances in units of the squared bandwidth; all but participation. */
void lki_kde_thresholds(const double *variances, int64_t d, double alpha, lki_kde_regime *out);
/* Of the normal law with the points' covariance. Known for the normal kernel, more than two points and at most 512 features. */
lk_status lki_kde_regime_of(lk_context *ctx, const lki_kde *k, bool *known, lki_kde_regime *out) LK_NODISCARD;
/* Multiplies `bandwidth` (on entry a scale of each column) by the factor of least divergence in high dimensions. */
lk_status lki_kde_kl_bandwidth(lk_context *ctx, const lki_kde_rows *rows, double *bandwidth) LK_NODISCARD;

/* A place near the highest mode, sought in `dimensions` random ones and lifted; with `finish` climbed to its top by mean shift. Kernel gaussian. Cost:
 * n^2 dimensions, then n d for each of at most 300 shifts. */
lk_status lki_kde_peak(lk_context *ctx, const void *state, int64_t dimensions, uint64_t seed, bool finish, double *x) LK_NODISCARD;

extern const lki_conditional_operations lki_kde_conditional;
lk_status lki_kde_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count,
                            void **out) LK_NODISCARD;
extern const lki_operations lki_kde_operations;

#endif
