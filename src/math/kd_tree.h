/* A kd-tree of points in memory: full leaves of a few points each, boxes around all nodes, no pointers. */
#ifndef LIKELY_KD_TREE_H
#define LIKELY_KD_TREE_H

#include "core/core.h"

/* Points of a leaf; only the last leaf may have fewer. */
enum { LKI_KD_LEAF = 16, LKI_KD_DEPTH = 64 };

/* Nodes stand in preorder: a node over the leaves [first, end) with end - first > 1 has a left child, the node behind it, over [first, middle),
 * and a right one, 2 (middle - first) nodes behind it, over [middle, end), middle = (first + end + 1) / 2. Node 0 has all leaves. */
typedef struct lki_kd_tree {
    lki_memory memory;
    int64_t n, d, leaves, nodes;
    int64_t *order;  /* n: the row at each place; a leaf's rows ascend */
    double *points;  /* leaves x d x LKI_KD_LEAF: columns of each leaf; behind the last point, that point again */
    double *boxes;   /* nodes x d x 2: the least and greatest value of each column, exactly */
} lki_kd_tree;

/* The middle of a node's leaves, and its right child. */
static inline int64_t lki_kd_middle(int64_t first, int64_t end)
{
    return (first + end + 1) / 2;
}
static inline int64_t lki_kd_right(int64_t node, int64_t first, int64_t end)
{
    return node + 2 * (lki_kd_middle(first, end) - first);
}

/* A tree of the rows of x (n x d, finite, n >= 1, copied). A node is split at the median of the column that is widest in units of `scale`
 * (d values above 0; NULL = ones), ties by row number: the tree depends on the rows alone. Errors: LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: n log n times d; memory: 1.3 n d doubles. */
lk_status lki_kd_tree_new(lk_context *ctx, const double *x, int64_t n, int64_t d, const double *scale, lki_kd_tree **out) LK_NODISCARD;
void lki_kd_tree_free(const lki_memory *memory, lki_kd_tree *tree);

#endif
