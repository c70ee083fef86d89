/* Scores: what a model's log density says of which way is up, at any noise, and what follows from it. */
#ifndef LIKELY_SCORE_H
#define LIKELY_SCORE_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Experimental */

/** A distribution known by its score alone: a function of the caller's. Set `size` to sizeof(lk_score_function). */
typedef struct lk_score_function {
    size_t size;      /**< sizeof(lk_score_function) */
    int64_t features; /**< d, at least 1 */
    int noisy;        /**< 1 = sigma above 0 may be asked for; 0 = the distribution itself only */
    int density;      /**< 1 = log densities may be asked for */
    /** Fills in, for x = x0 + sigma_j n_j with n standard normal, the log density (rows values) and the score, its gradient (rows x d);
     * either may be NULL. sigma: d values, all 0 for the distribution itself. x: rows x d, row-major. Called from many threads at once;
     * what a row gets must not depend on the rows beside it. Returns 0, or anything else for a failure. */
    int (*ask)(void *state, const double *sigma, const double *x, int64_t rows, double *log_density, double *score);
    void *state; /**< handed to ask */
} lk_score_function;

#ifdef __cplusplus
}
#endif
#endif
