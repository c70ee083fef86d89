/* What follows from the score of a model: noise added and taken away again. */
#ifndef LIKELY_DERIVED_H
#define LIKELY_DERIVED_H

#include <likely/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A model of the rows with independent normal noise added: its log density and score are the smoothed ones. Every question that the
 * model answers, the noisy one does.
 * @param context a context.
 * @param model a model that offers smooth.
 * @param sigma d standard deviations of the noise, each from 0 (none) to 1e150, in the units that the model works in: those of the
 * data, or of the transformed features where it was fitted through a transform (standard deviations after standardize, factors
 * after log).
 * @param out receives the model; free it by lk_model_free().
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT (naming the feature), LK_ERROR_MEMORY.
 * Cost: gmm: one factorization a component. */
LK_API LK_NODISCARD lk_status lk_model_smooth(lk_context *context, const lk_model *model, const double *sigma, lk_model **out);

/** What rows were before noise was added to them: mean and standard deviation of p(x0 given x = x0 + sigma z), by Tweedie's formula
 * (Robbins 1956; Efron 2011, J. Am. Stat. Assoc. 106, 1602) and its second order. Exact where the model's smoothed score is.
 * @param context a context.
 * @param model a model of the clean rows that offers smooth.
 * @param sigma d standard deviations of the noise, as in lk_model_smooth().
 * @param x rows x d, row-major.
 * @param rows at least 0.
 * @param mean receives rows x d posterior means; NaN for a row with a value that is missing, infinite or outside the support. After a
 * transform that is not linear, the inverse of the mean of the transformed features; may be x itself.
 * @param sd receives rows x d posterior standard deviations; after such a transform by its slope at the mean, right to first
 * order; NULL = none wanted.
 * Errors: LK_ERROR_UNSUPPORTED, LK_ERROR_ARGUMENT, LK_ERROR_MEMORY, LK_ERROR_CANCELLED.
 * Cost: a score of the smoothed model a row; with sd, its second derivatives too: gmm rows x K x d^2, derived 22 d scores a row. */
LK_API LK_NODISCARD lk_status lk_model_denoise(lk_context *context, const lk_model *model, const double *sigma, const double *x,
                                               int64_t rows, double *mean, double *sd);

#ifdef __cplusplus
}
#endif
#endif
