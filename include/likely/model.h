/* Models: fit a distribution to a table, keep it in a file, ask it. Densities are in nats and in the data's units. */
#ifndef LIKELY_MODEL_H
#define LIKELY_MODEL_H

#include <likely/context.h>
#include <likely/registry.h>
#include <likely/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A fitted distribution over named columns (its features). Immutable; may be shared between contexts. */
typedef struct lk_model lk_model;

/** One parameter of a method by name, as text; a list of them ends with a NULL name. */
typedef struct lk_setting {
    const char *name;  /**< as in lk_parameter.name */
    const char *value; /**< as on the command line */
} lk_setting;

/** How a model is fitted. Set `size` to sizeof(lk_fit_options); zero elsewhere means the default. */
typedef struct lk_fit_options {
    size_t size;                /**< sizeof(lk_fit_options) */
    const lk_setting *settings; /**< the method's parameters, ended by a NULL name; NULL = all defaults */
    const lk_roles *roles;      /**< which columns play which part; NULL = every numeric column is a feature */
    const char *transform;      /**< comma-separated, applied in order to every feature, or as name:column to one:
                                   standardize, log, logit, sqrt, asinh; NULL = none, or that of `start`. Its Jacobian
                                   enters densities */
    const lk_model *start;      /**< warm start from a model of the same method and features; borrowed; NULL = none */
    double holdout;             /**< share of rows, within (0, 1), held out to report their likelihood; 0 = none */
    int64_t folds;              /**< number of cross-validation folds, at least 2, that report likelihood; 0 = none */
    int64_t seed;               /**< non-negative seed of every random choice; the default 0 is as good as any */
    double calibrate;           /**< share of rows, within (0, 1), that the model is not fitted to and whose log densities it keeps,
                                   for lk_detector_new(); 0 = none. Not together with holdout, folds or a weight column */
    const char *priors;         /**< with a label, the probabilities of the classes: "data" (or NULL: shares of the weights), "equal",
                                   or a list of numbers in the order of the classes or of NAME=number, which sum to 1 */
    const char *target;         /**< for a method of the role target, and only there: the feature that is predicted from the others.
                                   It becomes the last feature of the model, whose log density is that of the target given the others */
} lk_fit_options;

/** Fits a distribution to the rows of a table. With a label in the roles it is p(row, class) = p(class) p(row | class), each class
 * fitted to its own rows: see lk_model_classes(). Rows without a label are left out, with a remark. A fit that did not converge
 * or is degenerate still gives a model; ask lk_model_trusted().
 * @param context a context.
 * @param method a method's name ("gmm"); NULL = the first of the registry.
 * @param table the rows; on disk or in memory, the result is the same bits, on any number of threads.
 * @param options NULL for all defaults.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_ARGUMENT (a setting that is not known or out of range), LK_ERROR_DATA (naming row and column, and the class
 * whose rows are too few), LK_ERROR_MEMORY, LK_ERROR_IO, LK_ERROR_CANCELLED.
 * Cost: the method's; some passes over the table in blocks. */
LK_API LK_NODISCARD lk_status lk_model_fit(lk_context *context, const char *method, const lk_table *table,
                                           const lk_fit_options *options, lk_model **out);

/** Builds a model from given parameters instead of data.
 * @param context a context.
 * @param method a method's name; NULL = the first of the registry.
 * @param json the parameters; for gmm an object with weights (K), means (K x d) and covariances (K x d x d, or K x d
 * for diag, K for spherical, d x d for tied), optionally columns (d names) and covariance (the family's name or its three letters,
 * such as VEV, laid out as the one of these forms that it belongs to) and noise, an object with weight, low (d) and high (d): a
 * component uniform over that box.
 * @param settings as in lk_fit_options; may be NULL.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_FORMAT (the offending key), LK_ERROR_DATA (not positive definite: which component), LK_ERROR_MEMORY.
 * Cost: one factorization a component. */
LK_API LK_NODISCARD lk_status lk_model_build(lk_context *context, const char *method, const char *json,
                                             const lk_setting *settings, lk_model **out);

/** Frees a model.
 * @param model NULL is fine. */
LK_API void lk_model_free(lk_model *model);

/** Writes a model file (safetensors layout) that appears whole or not at all. The bytes depend on the data, the method,
 * its parameters and the seed alone.
 * @param context a context.
 * @param model a model.
 * @param path a file; "-" is standard output.
 * Errors: LK_ERROR_IO, LK_ERROR_MEMORY.
 * Cost: linear in the model's size; one sync. */
LK_API LK_NODISCARD lk_status lk_model_save(lk_context *context, const lk_model *model, const char *path);

/** Reads a model file. Anything malformed is refused; nothing in it is executed.
 * @param context a context.
 * @param path a file; "-" is standard input.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_IO, LK_ERROR_FORMAT (what is wrong at which byte or key), LK_ERROR_MEMORY.
 * Cost: linear in the file's size. */
LK_API LK_NODISCARD lk_status lk_model_load(lk_context *context, const char *path, lk_model **out);

/** Writes a model into memory: the bytes of its file.
 * @param context a context.
 * @param model a model.
 * @param bytes receives them; give them back by lk_free().
 * @param size receives how many.
 * Errors: LK_ERROR_MEMORY, LK_ERROR_UNSUPPORTED.
 * Cost: linear in the model's size. */
LK_API LK_NODISCARD lk_status lk_model_pack(lk_context *context, const lk_model *model, char **bytes, size_t *size);

/** Reads a model from memory. Anything malformed is refused; nothing in it is executed.
 * @param context a context.
 * @param bytes what lk_model_pack() gave, or a model file's content; not needed afterwards.
 * @param size how many.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_FORMAT (what is wrong at which byte or key), LK_ERROR_MEMORY.
 * Cost: linear in the size. */
LK_API LK_NODISCARD lk_status lk_model_unpack(lk_context *context, const char *bytes, size_t size, lk_model **out);

/** All that is known about a model, as JSON: method, parameters, n, d, log_likelihood, bic, icl, aic, free_parameters,
 * converged, iterations, degenerate, components, columns.
 * @param context a context.
 * @param model a model.
 * @param out receives the text; give it back by lk_free().
 * Errors: LK_ERROR_MEMORY.
 * Cost: linear in the model's size. */
LK_API LK_NODISCARD lk_status lk_model_info(lk_context *context, const lk_model *model, char **out);

/** Whether a model's fit may be relied on.
 * @param model a model.
 * @return 1, or 0 if it did not converge or is degenerate; lk_model_info() says why. */
LK_API int lk_model_trusted(const lk_model *model);

/** The method that made a model.
 * @param model a model.
 * @return its static descriptor. */
LK_API const lk_method *lk_model_method(const lk_model *model);

/** The operations that a model offers, its own and derived.
 * @param model a model.
 * @return sum of lk_operation. */
LK_API unsigned lk_model_operations(const lk_model *model);

/** The number of features d.
 * @param model a model.
 * @return at least 1. */
LK_API int64_t lk_model_dimension(const lk_model *model);

/** The number of groups K that lk_model_responsibilities() tells apart.
 * @param model a model.
 * @return 0 if it has none. */
LK_API int64_t lk_model_groups(const lk_model *model);

/** Which of the groups is noise: rows spread over the whole range that belong to no cluster.
 * @param model a model.
 * @return 0-based group, below lk_model_groups(); -1 if there is none. */
LK_API int64_t lk_model_noise_group(const lk_model *model);

/** The classes of a model that was fitted with a label. Its groups are then the classes, in this order, and
 * lk_model_responsibilities() gives their posterior probabilities; densities are those of the rows without their class.
 * @param model a model.
 * @return borrowed table without rows, whose one column is named as the label and is a category with the classes as levels; NULL if
 * the model has no classes. */
LK_API const lk_table *lk_model_classes(const lk_model *model);

/** The feature that a model predicts from all the others, where its method does (the role target): it tells only of that one.
 * @param model a model.
 * @return its 0-based position, the last one; -1 for a model of the distribution of all features. */
LK_API int64_t lk_model_target(const lk_model *model);

/** The name of a feature.
 * @param model a model.
 * @param feature 0-based, below d.
 * @return borrowed text. */
LK_API const char *lk_model_feature(const lk_model *model, int64_t feature);

/** Finds the columns of a table that hold a model's features: by name, or in order where none of the table's columns
 * was named in its file and there are exactly d.
 * @param context a context.
 * @param model a model.
 * @param table a table or the columns of a reader.
 * @param out receives d 0-based positions.
 * Errors: LK_ERROR_DATA, naming a feature that is missing or not numeric.
 * Cost: d times the number of columns. */
LK_API LK_NODISCARD lk_status lk_model_columns(lk_context *context, const lk_model *model, const lk_table *table,
                                               int64_t *out);

/** Log density of rows, in nats and the data's units. A row's value is the same bits alone or among others.
 * @param context a context.
 * @param model a model.
 * @param x rows x d, row-major. NaN is a missing value: where the model offers marginals, such a row's value is the log
 * density of the values that are there (0 where none is), otherwise NaN.
 * @param rows at least 0.
 * @param out receives rows values; -inf outside the support.
 * Errors: LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: gmm: rows x K x d^2 / 2 multiply-adds (full); a marginal for each pattern of missing values. */
LK_API LK_NODISCARD lk_status lk_model_log_density(lk_context *context, const lk_model *model, const double *x,
                                                   int64_t rows, double *out);

/** Gradient of the log density with respect to the row.
 * @param context a context.
 * @param model a model.
 * @param x rows x d, row-major; NaN is a missing value.
 * @param rows at least 0.
 * @param out receives rows x d values, row-major, in nats a unit of each column. Of an incomplete row, the gradient of the log
 * density of the values that are there, and NaN for the others; NaN throughout where the model has no marginals or its
 * score is derived.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: about twice the log density's; 22 d times where it is derived by differences (52 d without a sampler). */
LK_API LK_NODISCARD lk_status lk_model_score(lk_context *context, const lk_model *model, const double *x,
                                             int64_t rows, double *out);

/** Draws rows. Row i of a seed is the same draw whatever is drawn beside it.
 * @param context a context.
 * @param model a model.
 * @param seed non-negative.
 * @param first_row number of the first draw, from 0: a long sample may be drawn in pieces.
 * @param rows at least 0.
 * @param out receives rows x d values, row-major.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: gmm: rows x d^2 / 2 multiply-adds. */
LK_API LK_NODISCARD lk_status lk_model_sample(lk_context *context, const lk_model *model, int64_t seed,
                                              int64_t first_row, int64_t rows, double *out);

/** The classes of the rows that lk_model_sample() draws.
 * @param context a context.
 * @param model a model with classes.
 * @param seed as there.
 * @param first_row as there.
 * @param rows as there.
 * @param out receives rows numbers of classes, from 0.
 * Errors: LK_ERROR_UNSUPPORTED (a model without classes), LK_ERROR_ARGUMENT, LK_ERROR_MEMORY.
 * Cost: linear in rows. */
LK_API LK_NODISCARD lk_status lk_model_sample_classes(lk_context *context, const lk_model *model, int64_t seed,
                                                      int64_t first_row, int64_t rows, int64_t *out);

/** Posterior probabilities of the groups given each row.
 * @param context a context.
 * @param model a model with lk_model_groups() > 0.
 * @param x rows x d, row-major; NaN is a missing value.
 * @param rows at least 0.
 * @param out receives rows x K values, row-major; each row sums to 1. Of an incomplete row, the probabilities given the values
 * that are there; NaN where the model has no marginals.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: as the log density. */
LK_API LK_NODISCARD lk_status lk_model_responsibilities(lk_context *context, const lk_model *model, const double *x,
                                                        int64_t rows, double *out);

/** Marginal distribution functions: P(X_j <= x_j) for each feature by itself.
 * @param context a context.
 * @param model a model.
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param out receives rows x d values within [0, 1]; a missing value makes that value alone NaN. Derived from 10 000 draws
 * (error at most .0136 in 95 of 100 models) where the model has a sampler and no distribution functions.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: gmm: rows x K x d calls of the normal distribution function. */
LK_API LK_NODISCARD lk_status lk_model_cdf(lk_context *context, const lk_model *model, const double *x, int64_t rows,
                                           double *out);

/** The distribution of some of the features, as a model of its own.
 * @param context a context.
 * @param model a model.
 * @param features 0-based positions, distinct.
 * @param count 1..d.
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY.
 * Cost: one factorization a component. */
LK_API LK_NODISCARD lk_status lk_model_marginal(lk_context *context, const lk_model *model, const int64_t *features,
                                                int64_t count, lk_model **out);

/** The distribution of the other features given values of some, as a model of its own.
 * @param context a context.
 * @param model a model.
 * @param features 0-based positions of the given features, distinct.
 * @param values their values, in the data's units.
 * @param count 1..d-1.
 * @param out receives the model, over the other features in their order; free it by lk_model_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (a value that is missing, infinite or outside the support, with its feature),
 * LK_ERROR_MEMORY.
 * Cost: gmm: one factorization a component. */
LK_API LK_NODISCARD lk_status lk_model_condition(lk_context *context, const lk_model *model, const int64_t *features,
                                                 const double *values, int64_t count, lk_model **out);

/** Mean, standard deviation and quantiles of features given the others, row by row. Values of the targets themselves are not
 * looked at; each target is predicted by itself, from the values of a row that are there and are no targets.
 * @param context a context.
 * @param model a model that offers condition.
 * @param x rows x d, row-major; NaN is a missing value.
 * @param rows at least 0.
 * @param targets 0-based positions of the features to predict, distinct.
 * @param target_count 1..d.
 * @param levels probabilities within (0, 1) of the quantiles; NULL if there are none.
 * @param level_count how many of them.
 * @param out receives rows x target_count x (2 + level_count) values: mean, standard deviation, then the quantiles; NaN for a
 * row with a value that is infinite or outside the support. A mean that does not exist is infinite.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: gmm: rows x K x d^2 / 2 multiply-adds; a factorization a component for each pattern of missing values. */
LK_API LK_NODISCARD lk_status lk_model_predict(lk_context *context, const lk_model *model, const double *x, int64_t rows,
                                               const int64_t *targets, int64_t target_count, const double *levels,
                                               int64_t level_count, double *out);

/** Fills missing values by their conditional means given the other values of the row.
 * @param context a context.
 * @param model a model that offers condition.
 * @param x rows x d, row-major; NaN is a missing value.
 * @param rows at least 0.
 * @param mean receives rows x d values: what is there unchanged, what is missing by its conditional mean; may be x itself.
 * @param sd receives rows x d conditional standard deviations, 0 for what is there; may be NULL.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: as lk_model_predict(). */
LK_API LK_NODISCARD lk_status lk_model_impute(lk_context *context, const lk_model *model, const double *x, int64_t rows,
                                              double *mean, double *sd);

/** Fills missing values by draws from their joint conditional distribution given the other values of the row.
 * @param context a context.
 * @param model a model that offers condition.
 * @param x rows x d, row-major; NaN is a missing value.
 * @param rows at least 0.
 * @param seed non-negative. The draws of a row depend on the seed and the row's number alone.
 * @param first_row the number of the first row, from 0: a long table may be filled in pieces.
 * @param draws how many of each row, at least 1; draw i is the same however many there are.
 * @param out receives rows x draws x d values.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: as lk_model_predict(), and draws x d^2 / 2 multiply-adds a row. */
LK_API LK_NODISCARD lk_status lk_model_impute_draws(lk_context *context, const lk_model *model, const double *x, int64_t rows,
                                                    int64_t seed, int64_t first_row, int64_t draws, double *out);

/** How well a model predicts rows. Set `size` to sizeof(lk_evaluation) before the call. */
typedef struct lk_evaluation {
    size_t size;              /**< sizeof(lk_evaluation) */
    double rows;              /**< sum of weights */
    double mean_log_density;  /**< nats a row */
    double standard_error;    /**< of that mean; NaN for fewer than 2 rows */
    double coverage_50;       /**< share of complete rows inside the model's own 50% highest-density region; NaN = no sampler, no such row */
    double coverage_90;       /**< and inside its 90% region */
    double *pit_ks;           /**< d values: Kolmogorov distance of u_j = P(X_j <= x_j) from uniform, over complete rows; NULL = none. Exact
                                 up to 2^21 values, above to within 2^-16, or 2 d / 2^22 for d > 64 */
    double *pit_mean;         /**< d values: mean of u_j, 1/2 where calibrated */
    double *pit_sd;           /**< d values: standard deviation of u_j, .2887 where calibrated */
    double labelled;          /**< with classes: sum of weights of the rows that have a label; 0 = none, or no such column */
    double accuracy;          /**< share of these whose most probable class is theirs; here and below NaN = none */
    double log_loss;          /**< their mean of -log p(class | row), nats; probabilities below 1e-300 count as 1e-300 */
    double brier;             /**< their mean of sum_c (p(c | row) - [c is the class])^2 / 2, within [0, 1] */
    double complete;          /**< sum of weights of the rows without a missing value */
} lk_evaluation;

/** Evaluates a model on the rows of a table.
 * @param context a context.
 * @param model a model.
 * @param table rows with the model's features; of a model with classes also the label, if that column is there. A row with missing
 *              values has the marginal density of those that are there, one without any is left out; a model without
 *              marginals refuses both.
 * @param weight name of a weight column; NULL = none.
 * @param out receives the result; its arrays are given back by lk_free() each.
 * Errors: LK_ERROR_DATA (also for a label that is none of the model's classes, with its row), LK_ERROR_MEMORY, LK_ERROR_IO,
 * LK_ERROR_CANCELLED.
 * Cost: one pass of the log density, and of the distribution functions where there are some; 10 000 draws. */
LK_API LK_NODISCARD lk_status lk_model_evaluate(lk_context *context, const lk_model *model, const lk_table *table,
                                                const char *weight, lk_evaluation *out);

#ifdef __cplusplus
}
#endif
#endif
