/* k-means over rows of any size: k-means++ starts, Lloyd's iterations that bounds spare most distances, and mini-batches. */
#ifndef LIKELY_LLOYD_H
#define LIKELY_LLOYD_H

#include "core/philox.h"
#include "core/reduce.h"
#include <likely/kmeans.h>

/* Rows of one block of LKI_BLOCK_ROWS (the last may have fewer), finite. */
typedef struct lki_kmeans_block {
    const double *x, *w;     /* row i is x + i stride; its weight w[i weight_stride], at least 0; w NULL = ones */
    int64_t rows, stride, weight_stride;
} lki_kmeans_block;

/* Where rows come from. */
typedef struct lki_kmeans_rows {
    int64_t rows, blocks, d;
    /* Block b through worker `thread`; it lives until that worker asks again. */
    lk_status (*block)(lk_context *ctx, void *state, int thread, int64_t b, lki_kmeans_block *out);
    void *state;
} lki_kmeans_rows;

/* ---- starts ---- */

/* K centres (K x d) among rows in memory (rows x (d + 1), the last column being the weight), by k-means++ (Arthur and Vassilvitskii
 * 2007) where each new centre is the best of 2 + log K candidates. *distinct receives how many distinct rows were found, at most K; with
 * fewer than K the rest are repeats. Cost: rows x d x K (2 + log K). */
lk_status lki_kmeans_seed(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, lki_stream *stream, double *centres,
                          int64_t *distinct) LK_NODISCARD;

/* Rows in memory as above, as a source of blocks. */
typedef struct lki_kmeans_array {
    const double *values;
    int64_t rows, d;
} lki_kmeans_array;
lki_kmeans_rows lki_kmeans_rows_of(lki_kmeans_array *array);

/* ---- iterations ---- */

/* What passes over the same rows remember: the nearest centre of each row, how far it is at most, and how far the others are at least
 * (Hamerly 2010, SIAM Data Mining), 20 bytes a row; without `bounds`, or beyond the memory limit's quarter, they remember nothing and
 * compute all distances. Labels and sums are the same bits with and without: a distance is spared only where its outcome is certain
 * under rounding. Borrows the rows. */
typedef struct lki_kmeans lki_kmeans;
lk_status lki_kmeans_new(lk_context *ctx, const lki_kmeans_rows *rows, int64_t K, bool bounds, lki_kmeans **out) LK_NODISCARD;
void lki_kmeans_free(lk_context *ctx, lki_kmeans *km);

/* One pass: every row to its nearest centre (the first of equally near ones), then every centre to the mean of its rows, where it has
 * any. *inertia (may be NULL) = sum of w |x - centre|^2 to the centres that came in; sizes (K) = the weight of each. */
lk_status lki_kmeans_pass(lk_context *ctx, lki_kmeans *km, double *centres, double *inertia, double *sizes) LK_NODISCARD;

typedef struct lki_kmeans_run {
    double tol;           /* converged when the squares of all moves sum to at most tol times the mean variance of a feature */
    int64_t max_iter;
    double inertia;       /* results: of the centres given back */
    int64_t iterations, moved; /* passes; empty centres moved to the row farthest from its own */
    bool converged;
} lki_kmeans_run;

/* Passes until they converge, from K x d centres, which are replaced. A centre that loses its rows is moved to the row that is farthest from
 * its centre. sizes: K. */
lk_status lki_kmeans_lloyd(lk_context *ctx, lki_kmeans *km, lki_kmeans_run *run, double *centres, double *sizes) LK_NODISCARD;

/* Mini-batches (Sculley 2010, WWW): `batch` rows at a time, in whole blocks by a random order of each epoch; a centre is the mean of all rows
 * it was given so far. Ends as lki_kmeans_lloyd() does, by moves of an epoch; iterations counts epochs. */
lk_status lki_kmeans_batches(lk_context *ctx, const lki_kmeans_rows *rows, int64_t K, int64_t batch, uint64_t seed, lki_kmeans_run *run,
                             double *centres, double *sizes) LK_NODISCARD;

/* labels[i] = the nearest of the K centres to each of the rows in memory: stride and all as in a block. */
lk_status lki_kmeans_assign(lk_context *ctx, const double *x, int64_t stride, int64_t rows, int64_t d, int64_t K, const double *centres,
                            int32_t *labels) LK_NODISCARD;

/* ---- what is compiled for each instruction set ---- */

typedef struct lki_kmeans_plan {
    int64_t K, d;
    const double *centres; /* K x d */
    const double *theta;   /* K x (d + 1): the centre less the origin, and half its square */
    const double *origin;  /* d */
    double reach;          /* the greatest |centre - origin| */
    const double *shift;   /* K: how far each centre moved since the bounds were true */
    const double *half_gap; /* K: half the distance to the nearest other centre, or less */
    double most, next;     /* the two greatest shifts */
    int64_t mover;         /* which moved most */
    bool fresh;            /* there are no bounds yet */
    bool inertia, sums;    /* what is wanted */
} lki_kmeans_plan;

typedef struct lki_kmeans_kernel {
    size_t (*scratch)(int64_t d); /* doubles, for a block */
    /* Labels of a block's rows; sums: inertia, then K x (1 + d), added to. upper and lower NULL = no bounds. */
    void (*block)(const lki_kmeans_plan *plan, const lki_kmeans_block *block, int32_t *labels, double *upper, double *lower, double *scratch,
                  double *sums);
} lki_kmeans_kernel;
extern const lki_kmeans_kernel lki_kmeans_kernel_portable;
#if defined(__x86_64__)
extern const lki_kmeans_kernel lki_kmeans_kernel_avx2;
extern const lki_kmeans_kernel lki_kmeans_kernel_avx512;
#endif

#endif
