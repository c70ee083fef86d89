/* How sure: standard errors and intervals of a model's parameters. */
#ifndef LIKELY_UNCERTAINTY_H
#define LIKELY_UNCERTAINTY_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How intervals are made. Set `size` to sizeof(lk_interval_options); zero elsewhere means the default. */
typedef struct lk_interval_options {
    size_t size;        /**< sizeof(lk_interval_options) */
    const char *weight; /**< name of a weight column: a weight of 2 counts a row twice; NULL = none */
    double level;       /**< probability within (0, 1) that an interval shall cover; 0 = .95 */
} lk_interval_options;

/** One number that a model is described by, in the units that the model was fitted in (as transformed). */
typedef struct lk_interval {
    const char *name;      /**< "weight", "mean", "variance" or "covariance"; static text */
    int64_t group;         /**< its group, 0-based; -1 = shared by all */
    int64_t row;           /**< its feature, 0-based; of a covariance the first; -1 = none, or shared by all */
    int64_t column;        /**< of a covariance the second feature; of a variance as `row`; -1 otherwise */
    double estimate;       /**< what the model has */
    double standard_error; /**< of that estimate */
    double lower;          /**< lower end of its interval */
    double upper;          /**< upper end */
} lk_interval;

/** Intervals of all parameters. Set `size` to sizeof(lk_intervals) before the call. */
typedef struct lk_intervals {
    size_t size;        /**< sizeof(lk_intervals) */
    lk_interval *items; /**< `count` of them; given back by lk_free() */
    int64_t count;      /**< how many */
    int64_t parameters; /**< free parameters behind them */
    double condition;   /**< condition of the information, its diagonal scaled to one: above 1e8 the rows hardly tell some parameters apart */
    double distance;    /**< sqrt(g' inverse(information) g) with the gradient g of the log-likelihood: how far from the maximum
                             the model is, in standard errors; near 0 for the rows it was fitted to */
} lk_intervals;

/** Standard errors and intervals of a model's parameters by the observed information: the second derivatives of the log-likelihood of
 * the rows, exact, in the free parameters of the model's family, and the delta method from these to the parameters.
 *
 * For a Gaussian mixture the free parameters are the first K - 1 weights, the means, and of the covariances what the family has:
 * entries, or logarithms of volumes and shapes and rotations of the axes (Louis 1982, J. R. Stat. Soc. B 44:226-233; Boldea and
 * Magnus 2009, J. Am. Stat. Assoc. 104:1539-1549). Intervals are normal ones: of weights in logits, of variances in
 * logarithms, so that they stay where such a parameter can be.
 * @param context a context.
 * @param model a model whose method gives the information: gmm.
 * @param table the rows it was fitted to; missing values take no part.
 * @param options NULL for all defaults.
 * @param out receives the result.
 * Errors: LK_ERROR_UNSUPPORTED (a method without, or more than 1000 parameters), LK_ERROR_NUMERIC (the information is not positive
 * definite: no standard errors exist), LK_ERROR_ARGUMENT, LK_ERROR_DATA, LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: gmm: one pass of rows x P^2 / 2 multiply-adds and P^3, with P numbers of all components together. */
LK_API LK_NODISCARD lk_status lk_model_intervals(lk_context *context, const lk_model *model, const lk_table *table,
                                                 const lk_interval_options *options, lk_intervals *out);

#ifdef __cplusplus
}
#endif
#endif
