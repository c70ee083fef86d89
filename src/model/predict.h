/* Where rows' own values lie in what the other values tell of them. */
#ifndef LIKELY_PREDICT_H
#define LIKELY_PREDICT_H

#include "core/core.h"

#include <likely/model.h>

/* out: rows x 3: mean and standard deviation of the target given the row's other values, as lk_model_predict gives them, and P(Y < y) of the
 * row's own value y: y is at most the quantile of a level exactly where that is below the level. NaN where there is no answer. One evaluation of
 * the distribution function a row; a quantile takes about ten. */
lk_status lki_model_place(lk_context *ctx, const lk_model *model, const double *x, int64_t rows, int64_t target, double *out) LK_NODISCARD;

#endif
