/* The mean log density of a dataset's rows: what held-out rows and evaluations report. */
#ifndef LIKELY_ROW_MEAN_H
#define LIKELY_ROW_MEAN_H

#include "model/model_impl.h"

typedef struct lki_row_mean {
    double rows;             /* sum of weights */
    double mean_log_density; /* nats a row, data units; -inf where one row has density 0 */
    double standard_error;   /* NaN for fewer than 2 rows */
} lki_row_mean;

/* Over the rows of positive weight and of at least one value of an untransformed dataset of the model's features. A missing value is
 * LK_ERROR_DATA where the model has no marginals. */
lk_status lki_row_mean_of(lk_context *ctx, const lk_model *model, const lki_dataset *dataset, lki_row_mean *out) LK_NODISCARD;

#endif
