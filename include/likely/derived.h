/* What follows from the score of a model: noise added and taken away again, and modes. */
#ifndef LIKELY_DERIVED_H
#define LIKELY_DERIVED_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A model of the rows with independent normal noise added: its log density and score are the smoothed ones. Every
 * question that the
 * model answers, the noisy one does.
 * @param context a context.
 * @param model a model that offers smooth.
 * @param sigma d standard deviations of the noise, each from 0 (none) to 1e150, in the units that the model works in:
 * those of the
 * data, or of the transformed features where it was fitted through a transform (standard deviations after standardize,
 * factors
 * after log).
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (naming the feature), LK_ERROR_MEMORY.
 * Cost: gmm: one factorization a component. */
LK_API LK_NODISCARD lk_status lk_model_smooth(lk_context *context, const lk_model *model, const double *sigma,
                                              lk_model **out);

/** A place at the highest mode of a kernel density in many dimensions: sought in a random projection, where the mode's height is kept to 1 - epsilon
 * for broad kernels, lifted, and climbed by mean shift (Luo, Musco and Widdershoven 2023). lk_model_modes() from there certifies it.
 * @param context a context.
 * @param model a kde model with kernel gaussian.
 * @param dimensions of the projection, at least 1; from d on there is none.
 * @param seed non-negative seed of the projection.
 * @param x receives d values in the units of the data.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: n^2 dimensions, then n d a shift. */
LK_API LK_NODISCARD lk_status lk_model_peak(lk_context *context, const lk_model *model, int64_t dimensions, int64_t seed, double *x);

/** How similar rows are to the data that a model stands for: the mean, over these, of a kernel (1 where it is greatest) or of a distance.
 * @param context a context.
 * @param model kde: its kernel; private: what it was fitted to tell. Without classes.
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param out receives rows x 2: the mean, and its standard error by noise and random projections (0 = exact); NaN for a row with a value that is
 * missing, infinite or outside the support.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: kde rows x points, private rows x projections. */
LK_API LK_NODISCARD lk_status lk_model_similarity(lk_context *context, const lk_model *model, const double *x, int64_t rows, double *out);

/** What rows were before noise was added to them: mean and standard deviation of p(x0 given x = x0 + sigma z), by
 * Tweedie's formula
 * (Robbins 1956; Efron 2011, J. Am. Stat. Assoc. 106, 1602) and its second order. Exact where the model's smoothed
 * score is.
 * @param context a context.
 * @param model a model of the clean rows that offers smooth.
 * @param sigma d standard deviations of the noise, as in lk_model_smooth().
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param mean receives rows x d posterior means; NaN for a row with a value that is missing, infinite or outside the
 * support. After a
 * transform that is not linear, the inverse of the mean of the transformed features; may be x itself.
 * @param sd receives rows x d posterior standard deviations; after such a transform by its slope at the mean, right to
 * first
 * order; NULL = none wanted.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a score of the smoothed model a row; with sd, its second derivatives too: gmm rows x K x d^2, derived 22 d
 * scores a row. */
LK_API LK_NODISCARD lk_status lk_model_denoise(lk_context *context, const lk_model *model, const double *sigma,
                                               const double *x,
                                               int64_t rows, double *mean, double *sd);

/** The modes of a model. The caller frees it by lk_modes_free(); its arrays belong to it. */
typedef struct lk_modes {
    int64_t count;       /**< modes found, from the highest density down */
    int64_t rows;        /**< rows that ascents began from */
    int64_t groups;      /**< group centres that ascents began from as well */
    int64_t lost;        /**< ascents, of rows and groups, that ended at no certified maximum */
    double *x;           /**< count x d: where they are, in the units of the data */
    double *log_density; /**< count: nats, in the units of the data */
    double *mass;        /**< count: share of the rows whose ascent ends there; NaN without rows */
    double *mass_error;  /**< count: standard error of that share, sqrt(q (1 - q) / (n + 2)) with q = (h + 1) / (n + 2)
                            */
    double *decrement;   /**< count: certificate that the gradient g vanishes, sqrt(g' inverse(-H) g) <= 1e-6: how far
                            the mode is,
                            in standard deviations of the normal that fits it (Newton decrement) */
    double *curvature;   /**< count: certificate of a maximum: largest eigenvalue of the second derivatives H scaled to
                            a
                            diagonal of -1; below 0, and near 0 where the mode is nearly flat in some direction */
    int64_t *of_rows;    /**< rows: number of the mode that each row's ascent ends at, -1 = none */
    int64_t *of_groups;  /**< groups: that of each group's centre */
} lk_modes;

/** Finds modes: ascents of the log density from the centre of every group and from given rows, by Newton steps within
 * a trust region;
 * ends that are closer than 1e-3 standard deviations of the normal that fits a mode are one. A mode whose basin holds
 * a share q
 * of the rows' distribution is missed by n rows with probability (1 - q)^n.
 * @param context a context.
 * @param model a model with a log density.
 * @param x rows x d, row-major: where ascents begin, such as draws of the model; a row with a value that is missing or
 * outside the
 * support leads nowhere.
 * @param rows at least 0; at least 1 for a model without groups.
 * @param out receives the modes; free them by lk_modes_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (no start, more than 4096 features), LK_ERROR_MEMORY,
 * LK_ERROR_CANCELLED.
 * Cost: some 5 to 30 steps a start, each a log density, a score, second derivatives and the eigenvalues of a d x d
 * matrix. */
LK_API LK_NODISCARD lk_status lk_model_modes(lk_context *context, const lk_model *model, const double *x,
                                             int64_t rows, lk_modes **out);

/** Frees modes.
 * @param modes NULL is fine. */
LK_API void lk_modes_free(lk_modes *modes);

#ifdef __cplusplus
}
#endif
#endif
