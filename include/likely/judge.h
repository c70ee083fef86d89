/* Judgements about data and models: is a row strange, and how far apart are two models. */
#ifndef LIKELY_JUDGE_H
#define LIKELY_JUDGE_H

#include <likely/context.h>
#include <likely/model.h>
#include <likely/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Scores rows and ranks them among reference rows. It keeps what it has made ready, so that one context at a time may use it. */
typedef struct lk_detector lk_detector;

/** What rows are ranked among. */
typedef enum lk_reference {
    LK_REFERENCE_ROWS = 0, /**< rows of a table that the model was not fitted to */
    LK_REFERENCE_KEPT = 1, /**< rows held out when the model was fitted, whose log densities it keeps */
    LK_REFERENCE_DRAWS = 2 /**< draws of the model itself */
} lk_reference;

/** What a detector refers to. Set `size` to sizeof(lk_detect_options); zero elsewhere means the default. */
typedef struct lk_detect_options {
    size_t size;               /**< sizeof(lk_detect_options) */
    const lk_table *calibrate; /**< rows that the model was not fitted to, with its features; borrowed by the detector */
    int64_t draws;             /**< draws of the model instead; with neither, what the model keeps, else 100 000 draws */
    int64_t seed;              /**< non-negative seed of the draws */
} lk_detect_options;

/** Makes a detector. Its p-values are p = (1 + the number of reference rows whose log density is at most the row's) / (m + 1) for
 * m reference rows (Vovk, Gammerman and Shafer 2005): a row that is exchangeable with rows the model was not fitted to has
 * P(p <= a) <= a for every a, whatever the model. Against draws of the model that holds only as far as the model is right.
 * @param context a context.
 * @param model a model; borrowed until the detector is freed.
 * @param options NULL for all defaults.
 * @param out receives the detector; free it by lk_detector_free().
 * Errors: LK_ERROR_ARGUMENT (both a table and draws, a number out of its range), LK_ERROR_DATA (a feature that the table lacks, no
 * reference row that has all features), LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: the log densities of m rows and a sort; 8 m bytes. */
LK_API LK_NODISCARD lk_status lk_detector_new(lk_context *context, const lk_model *model, const lk_detect_options *options,
                                              lk_detector **out);

/** Frees a detector.
 * @param context a context with the allocator of the one that made it.
 * @param detector NULL is fine. */
LK_API void lk_detector_free(lk_context *context, lk_detector *detector);

/** What a detector ranks rows among.
 * @param detector a detector.
 * @param rows receives m, the number of reference rows that have all features; may be NULL.
 * @return the kind of reference. */
LK_API lk_reference lk_detector_reference(const lk_detector *detector, int64_t *rows);

/** Scores and p-values of rows. A row's answer is the same bits alone or among others.
 * @param context a context.
 * @param detector a detector.
 * @param x rows x d in the order of the model's features, row-major. NaN is a missing value: such a row is compared by the values that
 * are there, with the reference rows that have all of these, by the marginal of the same features.
 * @param rows at least 0.
 * @param score receives rows values -log p(x), nats; inf outside the support; NaN where the model cannot answer an incomplete row.
 * @param p receives rows values within (0, 1]; NaN where there is no score, and for an incomplete row where the reference is what the
 * model keeps (log densities of complete rows).
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: the log density and a binary search a row; for each pattern of missing values the log densities of m rows once more. */
LK_API LK_NODISCARD lk_status lk_detector_rows(lk_context *context, lk_detector *detector, const double *x, int64_t rows,
                                               double *score, double *p);

/** The threshold of Benjamini and Hochberg (1995): flagging the rows with p at most this bounds the expected share of false ones among the
 * flagged by `rate`, for independent p-values and for those of a detector with reference rows (Bates, Candes, Lei, Romano and
 * Sesia, Ann. Stat. 51, 2023, theorem 2: they depend positively on one another).
 * @param context a context.
 * @param p count p-values; NaN is left out.
 * @param count at least 0.
 * @param rate within (0, 1).
 * @param out receives the largest p_(k) <= k rate / n; 0 where there is none, so that nothing is flagged.
 * Errors: LK_ERROR_ARGUMENT (a rate or p-value out of its range), LK_ERROR_MEMORY.
 * Cost: a sort. */
LK_API LK_NODISCARD lk_status lk_false_discovery_threshold(lk_context *context, const double *p, int64_t count, double rate,
                                                           double *out);

/** How a comparison is made. Set `size` to sizeof(lk_compare_options); zero elsewhere means the default. */
typedef struct lk_compare_options {
    size_t size;   /**< sizeof(lk_compare_options) */
    int64_t draws; /**< of each model, for the Monte Carlo estimates; 0 = 100 000 */
    int64_t seed;  /**< non-negative seed of the draws */
} lk_compare_options;

/** A divergence, in nats. */
typedef struct lk_divergence {
    double estimate; /**< by Monte Carlo: unbiased, so that it may fall below 0 by its error; inf where a draw of the one has density 0
                        under the other */
    double error;    /**< its standard error; NaN beside inf */
    double lower;    /**< the divergence is at least this; NaN = not known */
    double upper;    /**< and at most this; where both are equal it is exact */
} lk_divergence;

/** How far apart two models are. Set `size` to sizeof(lk_comparison) before the call. What is closed form needs models that are mixtures
 * of normal distributions in the units of the data, of at most 512 components together. */
typedef struct lk_comparison {
    size_t size;               /**< sizeof(lk_comparison) */
    int64_t draws;             /**< of each model */
    lk_divergence kl;          /**< Kullback-Leibler, from the first model to the second: mean of log a(x) - log b(x) over x of the first */
    lk_divergence kl_reverse;  /**< from the second to the first */
    lk_divergence js;          /**< Jensen-Shannon: the mean of the divergences of both from their half-and-half mixture; at most log 2 */
    double l2;                 /**< root of the integral of (a(x) - b(x))^2; NaN = not known */
    double l2_relative;        /**< l2 over the root of the integrals of a(x)^2 and b(x)^2: within [0, 1], without units */
    double wasserstein;        /**< 2-Wasserstein distance over couplings that are mixtures of normal distributions (Delon and Desolneux
                                  2020), in the units of the data: at least the 2-Wasserstein distance, and that distance for two normal
                                  distributions; NaN = not known */
    int64_t components_a;      /**< of the first model; 0 where the closed forms are not known */
    int64_t components_b;      /**< of the second */
    double *plan;              /**< components_a x components_b: mass that the optimal coupling moves; NULL = not known */
    double *distances;         /**< components_a x components_b: 2-Wasserstein distances of the components; NULL = not known */
    const char *unavailable;   /**< why the closed forms are not known, static text; NULL where they are */
} lk_comparison;

/** Compares two models over the same features, which may stand in another order. Divergences come by Monte Carlo, with closed bounds for
 * mixtures of normal distributions: from below by Jensen's inequality and variational entropies (Durrieu, Thiran and Kelly 2012) and
 * Chernoff coefficients, from above by those (Kolchinsky and Tracey 2017) and by joint variational weights (Hershey and Olsen 2007).
 * @param context a context.
 * @param a a model.
 * @param b a model of any method.
 * @param options NULL for all defaults.
 * @param out receives the result; its arrays are given back by lk_free() each.
 * Errors: LK_ERROR_ARGUMENT, LK_ERROR_DATA (a feature that only one of them has), LK_ERROR_UNSUPPORTED (no sampler or no density),
 * LK_ERROR_NUMERIC, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: draws and log densities of both models; five factorizations (d^3) a pair of components. */
LK_API LK_NODISCARD lk_status lk_model_compare(lk_context *context, const lk_model *a, const lk_model *b,
                                               const lk_compare_options *options, lk_comparison *out);

/** What one feature is worth to a prediction. */
typedef struct lk_importance {
    int64_t feature;       /**< 0-based position in the model */
    double drop;           /**< nats a row by which log p(outcome | features) falls, on average, where its values are exchanged among the rows */
    double standard_error; /**< of that mean over rows; NaN for a sum of weights of at most 1 */
} lk_importance;

/** How importance is found. Set `size` to sizeof(lk_importance_options); zero elsewhere means the default. */
typedef struct lk_importance_options {
    size_t size;        /**< sizeof(lk_importance_options) */
    const char *target; /**< a feature, or the label's name; NULL = the class of a model with classes, else the model's own target */
    const char *weight; /**< name of a weight column; NULL = none */
    int64_t repeats;    /**< random exchanges of each feature, 1..1e6; 0 = 10 */
    int64_t seed;       /**< non-negative seed of the exchanges */
} lk_importance_options;

/** Permutation importance of each feature for what a model predicts (Breiman, Machine Learning 45, 2001, section 10; Fisher, Rudin and Dominici
 * 2019, arXiv:1801.01489), by the logarithmic score: log p(class | row) of a model with classes, log p(target | others) else. Features that tell
 * the same share their worth.
 * @param context a context.
 * @param model a model with classes, with a target, or with marginals.
 * @param table rows with the model's features, and the label where a class is told; rows that lack one of them are left out.
 * @param options NULL for all defaults.
 * @param out receives an array in the order of the features, without the target; give it back by lk_free().
 * @param count receives its length.
 * Errors: LK_ERROR_ARGUMENT (nothing to tell, a number out of its range), LK_ERROR_DATA (a column that is not there, a class that is none of the
 * model's, fewer than 2 whole rows), LK_ERROR_UNSUPPORTED (no marginals), LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: (d repeats + 1) evaluations of every row (twice, of a model without a target); 2 n (d + 3) doubles. */
LK_API LK_NODISCARD lk_status lk_model_importance(lk_context *context, const lk_model *model, const lk_table *table,
                                                  const lk_importance_options *options, lk_importance **out, int64_t *count);

/** A vector field that may be a score: `rows` values at rows of x (rows x d, the units of the data), with noise of sigma spreads, to `out` (rows x d). It is
 * called from several threads. */
typedef lk_status (*lk_field_function)(lk_context *context, void *state, const double *x, int64_t rows, double sigma, double *out);

/** How a field is diagnosed. Set `size` to sizeof(lk_diagnose_options); zero elsewhere means the default. */
typedef struct lk_diagnose_options {
    size_t size;                /**< sizeof(lk_diagnose_options) */
    double sigma;               /**< noise in spreads of each feature (standard deviations of the model's draws); 0 = none */
    const char *field;          /**< lines "NAME' = EXPRESSION" in the features and sigma, instead of the model's score; NULL = none */
    lk_field_function function; /**< or a function; NULL = none */
    void *state;                /**< of the function */
    const double *points;       /**< point_count x d: rows of the distribution without noise; NULL = draws of the model */
    int64_t point_count;        /**< of the points, or of the draws; 0 = 2000 */
    int64_t features;           /**< random waves among the test functions; 0 = 100 */
    int64_t seed;               /**< non-negative */
    double *each;               /**< receives what each point tells, point_count x (2 d + 2): where it stands, its noise added, and the field there, both in units of the
                                   data; the antisymmetric share of the Jacobian there; the local dimension, NaN without noise. NULL = not wanted */
} lk_diagnose_options;

/** What a score field must be, and how far this one is from it; all but the dimension in units where features have spread 1. NaN where there is no answer. */
typedef struct lk_diagnosis {
    size_t size;              /**< sizeof(lk_diagnosis), set before the call */
    double asymmetry;         /**< antisymmetric share of the Jacobian, root mean square, within [0, 1]: 0 for a gradient */
    double circulation;       /**< integral around circles over that of the field's length, root mean square: 0 for a gradient */
    double scale;             /**< - E[v . (x - E x)] / d, which Stein's identity makes 1 */
    double scale_error;       /**< its standard error */
    double fokker_planck;     /**< d v / d sigma^2 against grad (div v + |v|^2) / 2, relative root mean square; NaN without noise */
    double gauge;             /**< share of E |v|^2 that is no gradient: what is left of the best gradient of the test functions */
    double transport;         /**< share of E |score|^2 by which v moves mass wrongly: the gradient part of v less the score */
    double dimension;         /**< local dimension of the distribution at this noise: features less directions that noise fills, mean over points */
    double dimension_sd;      /**< its standard deviation over points */
    int64_t points;           /**< how many */
    int against_density;      /**< 1 = gauge and transport rest on the model's log density too; 0 = on test functions alone, whose finite number leaves some gauge */
} lk_diagnosis;

/** Tells how far a vector field is from being the score of a model (or of given points) at one noise.
 *
 * A field v is the score of p where it is a gradient and E_p[grad f . (v - score)] = 0 for every f. The first fails by curl: asymmetry of the Jacobian and
 * integrals around loops (Chao et al. and Wasserstein gradient flow matching, arXiv:2509.00336). It may fail harmlessly: what is orthogonal to all
 * gradients moves no mass (Horvat and Pfister 2024, arXiv:2402.03845), so that v is split into a gradient and a gauge part. Over noise, a score solves
 * the Fokker-Planck equation (Deveney et al. 2023, arXiv:2311.15996).
 * @param context a context.
 * @param model a model with a score, and for noise a smoothed one; borrowed.
 * @param options NULL for all defaults.
 * @param out receives the diagnosis; its size is set before.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (the field, with line and place), LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: points x (12 d + 70) evaluations of the field; points x waves^2 x d multiply-adds. */
LK_API LK_NODISCARD lk_status lk_model_diagnose(lk_context *context, const lk_model *model, const lk_diagnose_options *options,
                                                lk_diagnosis *out);

#ifdef __cplusplus
}
#endif
#endif
