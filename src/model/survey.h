/* One cheap pass over the features before a fit: what cannot be used is refused, what is odd is remarked. */
#ifndef LIKELY_SURVEY_H
#define LIKELY_SURVEY_H

#include "model/model_impl.h"

/* Refuses infinite values, and missing ones unless the method takes them (the first in row order is named), and data without a row of positive weight; remarks
 * constant columns and columns that repeat another one in `model`. The dataset has no transform. */
lk_status lki_survey(lk_context *ctx, const lki_dataset *dataset, const char *const *names, lk_model *model) LK_NODISCARD;
/* sum_i w_i log |dz/dx| of a transform over an untransformed dataset. */
lk_status lki_survey_jacobian(lk_context *ctx, const lki_dataset *dataset, const lki_transform *t, double *out) LK_NODISCARD;
/* LK_ERROR_DATA for the value of a feature in 0-based row `row`: missing, or infinite. */
lk_status lki_value_refused(lk_context *ctx, const char *name, int64_t row, bool infinite);

/* Scratch blocks, one a thread. */
lk_status lki_blocks_new(lk_context *ctx, lki_block **out) LK_NODISCARD;
void lki_blocks_free(lk_context *ctx, lki_block *blocks);

#endif
