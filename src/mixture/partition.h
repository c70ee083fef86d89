/* A partition that a column gives: its groups, and the group of each row. */
#ifndef LIKELY_PARTITION_H
#define LIKELY_PARTITION_H

#include "data/dataset.h"

/* The groups are the distinct values of the column in rows of positive weight, ascending (levels in their order). */
typedef struct lki_partition {
    int64_t column;
    int64_t K;
    double *values; /* K */
} lki_partition;

/* One pass. Errors: LK_ERROR_DATA for text, for a value that is no whole number (row and column named), for a column without a value,
 * and beyond LKI_PARTITION_GROUPS groups. */
enum { LKI_PARTITION_GROUPS = 10000 };
lk_status lki_partition_find(lk_context *ctx, const lki_dataset *rows, int64_t column, lki_partition *out) LK_NODISCARD;
void lki_partition_free(lk_context *ctx, lki_partition *partition);

/* labels[i] = group 0..K-1 of row numbers[i] (ascending), -1 where the column has no value there. */
lk_status lki_partition_labels(lk_context *ctx, const lki_partition *partition, const lki_dataset *rows, const int64_t *numbers,
                               int64_t count, int32_t *labels) LK_NODISCARD;

#endif
