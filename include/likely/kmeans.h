/* k-means: groups of rows around centres, by the least sum of squared distances. */
#ifndef LIKELY_KMEANS_H
#define LIKELY_KMEANS_H

#include <likely/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** How lk_kmeans() works. Set `size` to sizeof(lk_kmeans_options); zero elsewhere means the default. */
typedef struct lk_kmeans_options {
    size_t size;           /**< sizeof(lk_kmeans_options) */
    const double *weights; /**< n weights of the rows, at least 0; NULL = ones */
    const double *start;   /**< K x d centres to begin from; NULL = k-means++ */
    int64_t restarts;      /**< starts by k-means++ of which the best is kept; 0 = 10 */
    int64_t max_iter;      /**< passes over the rows at most; 0 = 300 */
    double tol;            /**< converged when the squares of all moves of a pass sum to at most tol times the mean variance of a feature;
                                0 = 1e-4, negative = when nothing moves */
    int64_t batch;         /**< rows of a mini-batch, rounded up to multiples of 1024; 0 = all rows at once (Lloyd's iterations) */
    int64_t seed;          /**< non-negative seed of starts and batches */
} lk_kmeans_options;

/** What lk_kmeans() found. Set `size` to sizeof(lk_kmeans_result) before the call. */
typedef struct lk_kmeans_result {
    size_t size;        /**< sizeof(lk_kmeans_result) */
    double inertia;     /**< sum of weight times squared distance to the nearest centre */
    int64_t iterations; /**< passes, or epochs of mini-batches, of the start that was kept */
    int64_t moved;      /**< how often an empty centre was moved to the row farthest from its own */
    int converged;      /**< 1 or 0 */
} lk_kmeans_result;

/** k-means of rows in memory: k-means++ with 2 + log K candidates a centre (Arthur and Vassilvitskii 2007), then Lloyd's iterations in which
 * bounds spare most distances (Hamerly 2010) without a change in the result, or mini-batches (Sculley 2010).
 * @param context a context.
 * @param x n x d, row-major, finite.
 * @param n at least 1.
 * @param d at least 1.
 * @param K 1 to n.
 * @param options NULL for all defaults.
 * @param centres receives K x d.
 * @param labels receives n labels from 0, the nearest centre of each row, the first of equally near ones; may be NULL.
 * @param result receives the rest; may be NULL.
 * Errors: LK_ERROR_ARGUMENT (n, d, K, an option), LK_ERROR_DATA (a value that is not finite or a negative weight, by row; no weight above
 * 0; without a start, fewer distinct rows than K), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a start n d K (2 + log K); the first pass n d K, later ones n d and d K a row that may change its centre. Memory: 20 n bytes. */
LK_API LK_NODISCARD lk_status lk_kmeans(lk_context *context, const double *x, int64_t n, int64_t d, int64_t K,
                                        const lk_kmeans_options *options, double *centres, int64_t *labels, lk_kmeans_result *result);

#ifdef __cplusplus
}
#endif
#endif
