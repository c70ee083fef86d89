/* The rows of a table as a model sees them. */
#ifndef LIKELY_REPLICATE_H
#define LIKELY_REPLICATE_H

#include "model/model_impl.h"

/* Rows of a table with the model's features, in its units, and weights. */
typedef struct lki_rows {
    lki_dataset data;
    int64_t *features; /* d positions */
    double total;      /* sum of weights of the rows with a value */
} lki_rows;

/* Finds the columns and sums the weights. Errors: LK_ERROR_DATA (a feature is missing, no row has a positive weight), LK_ERROR_ARGUMENT
 * (no such weight column). */
lk_status lki_rows_open(lk_context *ctx, const lk_model *model, const lk_table *table, const char *weight, lki_rows *out) LK_NODISCARD;
void lki_rows_close(lk_context *ctx, lki_rows *rows); /* fine on a zeroed one */

#endif
