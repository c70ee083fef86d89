/* Nearest neighbours: the k points of a table that are closest to each row, exactly. */
#ifndef LIKELY_NEIGHBOURS_H
#define LIKELY_NEIGHBOURS_H

#include <likely/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** Points made ready to be searched. Immutable; may be shared between contexts. */
typedef struct lk_neighbours lk_neighbours;

/** How points are searched. Set `size` to sizeof(lk_neighbours_options); zero elsewhere means the default. */
typedef struct lk_neighbours_options {
    size_t size;        /**< sizeof(lk_neighbours_options) */
    const char *method; /**< "tree" = a kd-tree; "products" = all distances, sieved by matrix products; NULL or "auto" = by a fixed model of
                             what either costs. All give the same bits */
} lk_neighbours_options;

/** Makes points ready.
 *
 *     lk_neighbours_new(context, points, n, d, NULL, &neighbours);
 *     lk_neighbours_find(context, neighbours, x, rows, 5, NULL, distances, indices);
 *
 * @param context a context.
 * @param points n x d, row-major, finite, in comparable units: distances are Euclidean. Copied.
 * @param n at least 1.
 * @param d at least 1.
 * @param options NULL for all defaults.
 * @param out receives the points; free them by lk_neighbours_free().
 * Errors: LK_ERROR_ARGUMENT (n, d, the method), LK_ERROR_DATA (a value that is not finite, by row and column), LK_ERROR_MEMORY,
 * LK_ERROR_CANCELLED.
 * Cost: n log n times d; memory: some 2 n d numbers. */
LK_API LK_NODISCARD lk_status lk_neighbours_new(lk_context *context, const double *points, int64_t n, int64_t d,
                                                const lk_neighbours_options *options, lk_neighbours **out);

/** The k nearest points of each row, from the nearest; among equally far ones the lowest index comes first. Exact: a distance is the root
 * of the sum of squared differences, column after column; beyond 1e154 it is inf. The answer of a row does not depend on the method, the
 * threads or the other rows.
 * @param context a context.
 * @param neighbours the points.
 * @param x rows x d, row-major, finite.
 * @param rows at least 0.
 * @param k 1 to n; to n - 1 with `own`.
 * @param own rows indices of a point that is left out of each row's answer, -1 = none, such as the row itself where rows are points;
 * NULL = none.
 * @param distances receives rows x k distances; may be NULL.
 * @param indices receives rows x k indices of points, from 0; may be NULL.
 * Errors: LK_ERROR_ARGUMENT (k), LK_ERROR_DATA (a value that is not finite, by row and column), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: tree: a row some 2^d log n distances where rows fill d dimensions, fewer where they do not; products: a row n d multiply-adds at the rate of matrix products. */
LK_API LK_NODISCARD lk_status lk_neighbours_find(lk_context *context, const lk_neighbours *neighbours, const double *x, int64_t rows,
                                                 int64_t k, const int64_t *own, double *distances, int64_t *indices);

/** What was chosen and why.
 * @param neighbours the points.
 * @return a text such as "tree: ..." or "products: ...", which lives as long as they do. */
LK_API const char *lk_neighbours_method(const lk_neighbours *neighbours);

/** Frees points.
 * @param context a context with the allocator of the one that made them.
 * @param neighbours NULL is fine. */
LK_API void lk_neighbours_free(lk_context *context, lk_neighbours *neighbours);

#ifdef __cplusplus
}
#endif
#endif
