/* What the tree sums' files share: the nodes' series, and the loops of an instruction set. */
#ifndef LIKELY_TREE_SUM_IMPL_H
#define LIKELY_TREE_SUM_IMPL_H

#include "tree_sum.h"

/* Degrees of a series are below this; lanes of a row of it come in eights. */
enum { LKI_SERIES_DEGREES = 16, LKI_SERIES_LANES = 8, LKI_SERIES_ROWS = 256 };

/* A series in d columns: row r is a monomial of columns 1.. (the product of that of `parent` and column `column`), times each power of column
 * 0 below degrees - degree[r]. Rows ascend by degree, so that a shorter series is its first rows. */
typedef struct lki_series {
    int degrees, rows;
    int rows_below[LKI_SERIES_DEGREES + 2]; /* rows of degree below p */
    int parent[LKI_SERIES_ROWS], column[LKI_SERIES_ROWS], degree[LKI_SERIES_ROWS];
    int offset[LKI_SERIES_ROWS], vectors[LKI_SERIES_ROWS]; /* in doubles; of LKI_SERIES_LANES */
    double inverse[LKI_SERIES_ROWS];       /* 1 / (exponent of `column` in this row) */
    double cost[LKI_SERIES_DEGREES + 1];   /* of a series below degree p, in points that are summed one by one */
    int size;                              /* doubles */
} lki_series;

struct lki_tree_sum {
    lki_memory memory;
    lki_kd_tree *tree;       /* of (y - centre) / bandwidth */
    lki_series series;
    double *centre, *bandwidth; /* d */
    double *weights;         /* leaves x LKI_KD_LEAF, 0 behind the last point */
    double *log_weight;      /* nodes: log of the sum of weights */
    double *middles;         /* nodes x (d + 1): centre and radius */
    int64_t *place;          /* nodes: where the series is, -1 = none */
    double *moments;         /* sum_j w_j exp(-|D|^2 / 2) D^e / e! */
    int64_t *listed;         /* nodes that have series: number, first leaf, end */
    int64_t count;           /* of these */
    double rtol;
    double log_tolerance;    /* log (rtol share / sum of weights) */
};

typedef struct lki_tree_sum_kernel {
    /* The moments of a node over the leaves [first, end). */
    void (*moments)(const lki_tree_sum *t, int64_t node, int64_t first, int64_t end, double *out);
    /* x: a row, centred and scaled. A leaf near it, and the logarithm of its sum, with what that cost by the model. */
    int64_t (*near_leaf)(const lki_tree_sum *t, const double *x);
    double (*log_sum)(const lki_tree_sum *t, const double *x, double *cost);
} lki_tree_sum_kernel;
extern const lki_tree_sum_kernel lki_tree_sum_kernel_portable;
#if defined(__x86_64__)
extern const lki_tree_sum_kernel lki_tree_sum_kernel_avx2;
extern const lki_tree_sum_kernel lki_tree_sum_kernel_avx512;
#endif

#endif
