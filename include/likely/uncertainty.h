/* How sure: standard errors and intervals of a model's parameters, tests for the number of components, stability of a partition. */
#ifndef LIKELY_UNCERTAINTY_H
#define LIKELY_UNCERTAINTY_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where standard errors and intervals come from. */
typedef enum lk_interval_method {
    LK_INTERVALS_INFORMATION = 0, /**< second derivatives of the log-likelihood of the rows */
    LK_INTERVALS_BOOTSTRAP = 1,   /**< fits to as many rows, drawn with replacement (Efron 1979, Ann. Stat. 7:1-26) */
    LK_INTERVALS_WEIGHTED = 2     /**< fits to all rows with random weights, n times a Dirichlet(1, ..., 1) draw, in which no row is lost
                                       (Newton and Raftery 1994, J. R. Stat. Soc. B 56:3-48; O'Hagan et al. 2019, Comput. Stat. 34:1779-1813) */
} lk_interval_method;

/** How intervals are made. Set `size` to sizeof(lk_interval_options); zero elsewhere means the default. */
typedef struct lk_interval_options {
    size_t size;        /**< sizeof(lk_interval_options) */
    const char *weight; /**< name of a weight column: a weight of 2 counts a row twice; NULL = none */
    double level;       /**< probability within (0, 1) that an interval shall cover; 0 = .95 */
    lk_interval_method method; /**< where they come from */
    int64_t draws;      /**< fits of a bootstrap, at least 2; 0 = 999 */
    int64_t seed;       /**< non-negative; draw b of a seed is the same however many there are */
} lk_interval_options;

/** One number that a model is described by, in the units that the model was fitted in (as transformed). */
typedef struct lk_interval {
    const char *name;      /**< "weight", "noise" (the weight of the noise), "mean", "variance" or "covariance"; static text */
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
    int64_t parameters; /**< free parameters behind them; 0 for a bootstrap */
    double condition;   /**< condition of the information, its diagonal scaled to one: above 1e8 the rows hardly tell some parameters apart; NaN for a bootstrap */
    double distance;    /**< sqrt(g' inverse(information) g) with the gradient g of the log-likelihood: how far from the maximum
                             the model is, in standard errors; near 0 for the rows it was fitted to; NaN for a bootstrap */
    int64_t used;       /**< bootstrap: fits that the intervals rest on */
    int64_t unconverged; /**< bootstrap: how many of these did not converge */
    int64_t left_out;   /**< bootstrap: fits that are not used, being degenerate or impossible */
} lk_intervals;

/** Standard errors and intervals of a model's parameters.
 *
 * By the observed information: the second derivatives of the log-likelihood of the rows, exact, in the free parameters of the model's family, and the delta method from these to the parameters.
 *
 * For a Gaussian mixture the free parameters are the first K - 1 weights, the means, and of the covariances what the family has:
 * entries, or logarithms of volumes and shapes and rotations of the axes (Louis 1982, J. R. Stat. Soc. B 44:226-233; Boldea and
 * Magnus 2009, J. Am. Stat. Assoc. 104:1539-1549). Intervals are normal ones: of weights in logits, of variances in
 * logarithms, so that they stay where such a parameter can be.
 *
 * By a bootstrap: each fit begins at the model, and its groups are matched to the model's so that the responsibilities of the rows
 * agree best. Standard errors are standard deviations over the fits, intervals their quantiles.
 * @param context a context.
 * @param model a model whose method tells its parameters: gmm.
 * @param table the rows it was fitted to; missing values take no part.
 * @param options NULL for all defaults.
 * @param out receives the result.
 * Errors: LK_ERROR_UNSUPPORTED (a method without, or more than 1000 parameters), LK_ERROR_NUMERIC (the information is not positive
 * definite: no standard errors exist; or fewer than 2 fits of a bootstrap can be used), LK_ERROR_ARGUMENT, LK_ERROR_DATA, LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: gmm: one pass of rows x P^2 / 2 multiply-adds and P^3, with P numbers of all components together; or `draws` fits, side by side, from
 * the model. */
LK_API LK_NODISCARD lk_status lk_model_intervals(lk_context *context, const lk_model *model, const lk_table *table,
                                                 const lk_interval_options *options, lk_intervals *out);

/** How a likelihood-ratio test is made. Set `size` to sizeof(lk_ratio_options); zero elsewhere means the default. */
typedef struct lk_ratio_options {
    size_t size;   /**< sizeof(lk_ratio_options) */
    int64_t draws; /**< data sets drawn from each smaller model, at least 1; 0 = 999 */
    double alpha;  /**< significance level within (0, 1): the first step with a p-value above it is the last; 0 = .05 */
} lk_ratio_options;

/** One step: some number of components against the next. */
typedef struct lk_ratio_step {
    int64_t components;                /**< of the smaller model */
    int64_t alternative;               /**< of the larger one */
    double log_likelihood;             /**< of the smaller model, nats, in the data's units */
    double log_likelihood_alternative; /**< of the larger one */
    double statistic;                  /**< twice the difference */
    double p_value;                    /**< (1 + draws with a statistic at least as large) / (1 + draws used) */
    int64_t used;                      /**< draws whose two fits can be used */
    int64_t left_out;                  /**< draws of which a fit is degenerate or impossible */
    int64_t unconverged;               /**< used draws of which a fit did not converge */
} lk_ratio_step;

/** A sequence of tests. Set `size` to sizeof(lk_ratio_test) before the call. */
typedef struct lk_ratio_test {
    size_t size;          /**< sizeof(lk_ratio_test) */
    lk_ratio_step *steps; /**< `count` of them; given back by lk_free() */
    int64_t count;        /**< how many were made */
    int64_t components;   /**< the number of components that was not rejected; of the largest asked for if all were */
    int ended;            /**< 1 = a step was not significant; 0 = all steps asked for are: there may be more components */
    int trusted;          /**< 0 = a fit to the rows themselves is degenerate or did not converge, so that its step is not to be trusted; a
                               degenerate larger model ends the sequence, without a p-value */
} lk_ratio_test;

/** Tests each number of components against the next by the likelihood ratio, whose law is found by drawing data sets from the smaller
 * model and fitting both to each (parametric bootstrap: McLachlan 1987, J. R. Stat. Soc. C 36:318-324). The chi-squared law does not
 * hold for mixtures. Steps go up until one is not significant.
 * @param context a context.
 * @param method a method with the parameter components; NULL = the first of the registry.
 * @param table the rows. Weights must be whole numbers: a row of weight 2 stands for two.
 * @param fit as in lk_model_fit(); the setting components says which numbers, such as "1..4" (at least two, without gaps). The covariance
 * family and all that is no number of components must be settled: one test compares one kind of model. start, holdout, folds and
 * a label must not be set. Drawn data sets have the missing values of the rows.
 * @param options NULL for all defaults.
 * @param out receives the result.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_UNSUPPORTED (a method without components or draws), LK_ERROR_DATA (also weights that are not whole),
 * LK_ERROR_NUMERIC (no draw can be used), LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: each step two searches a draw, side by side; memory of the drawn rows a thread. */
LK_API LK_NODISCARD lk_status lk_model_ratio_test(lk_context *context, const char *method, const lk_table *table,
                                                  const lk_fit_options *fit, const lk_ratio_options *options, lk_ratio_test *out);

/** How the stability of a partition is measured. Set `size` to sizeof(lk_stability_options); zero elsewhere means the default. */
typedef struct lk_stability_options {
    size_t size;        /**< sizeof(lk_stability_options) */
    const char *weight; /**< name of a weight column; NULL = none */
    double share;       /**< share of the rows within (0, 1) that a draw takes, without replacement; 0 = as many rows as there are, with
                             replacement */
    int64_t draws;      /**< fits, at least 1; 0 = 100 */
    int64_t seed;       /**< non-negative; draw b of a seed is the same however many there are */
} lk_stability_options;

/** How stable one group is. */
typedef struct lk_group_stability {
    double size;       /**< weight of the rows that the model puts into it */
    double jaccard;    /**< mean over draws of its largest Jaccard coefficient with a group of the draw's fit: within [0, 1] */
    int64_t recovered; /**< draws in which that is at least .75 */
    int64_t dissolved; /**< draws in which that is below .5 */
    int64_t draws;     /**< draws used that hold a row of it */
} lk_group_stability;

/** How stable a partition is. Set `size` to sizeof(lk_stability) before the call. */
typedef struct lk_stability {
    size_t size;                /**< sizeof(lk_stability) */
    lk_group_stability *groups; /**< `count` of them; given back by lk_free() */
    int64_t count;              /**< the model's groups */
    double rand_mean;           /**< mean over draws of the adjusted Rand index between the model's partition and the fit's: 1 = the same, 0 = by
                                     chance */
    double rand_low;            /**< its 5% quantile over draws */
    double rand_median;         /**< its median */
    double rand_high;           /**< its 95% quantile */
    int64_t used;               /**< fits that this rests on */
    int64_t unconverged;        /**< how many of these did not converge */
    int64_t left_out;           /**< fits that are not used, being degenerate or impossible */
} lk_stability;

/** How stable the partition of rows into a model's groups is: the model's shape (number of groups, family) is fitted anew, by the method's own
 * search, to replicates of the rows, and the most probable groups of a replicate's rows under both models are compared (Hennig 2007,
 * Comput. Stat. Data Anal. 52:258-271). By Hennig's rule of thumb a group with a mean Jaccard coefficient of .75 or more is stable, one
 * below .5 is no group that the data hold.
 * @param context a context.
 * @param model a fitted model with at least 2 groups.
 * @param table the rows it was fitted to.
 * @param options NULL for all defaults.
 * @param out receives the result.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (one group only), LK_ERROR_DATA, LK_ERROR_NUMERIC (no fit can be used), LK_ERROR_MEMORY,
 * LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: `draws` searches, side by side. */
LK_API LK_NODISCARD lk_status lk_model_stability(lk_context *context, const lk_model *model, const lk_table *table,
                                                 const lk_stability_options *options, lk_stability *out);

#ifdef __cplusplus
}
#endif
#endif
