/* The classes that a label column names. */
#ifndef LIKELY_LABELS_H
#define LIKELY_LABELS_H

#include "core/core.h"
#include "data/dataset.h"

/* Which values of a column stand for which class. Free by lki_labels_free(). */
typedef struct lki_labels {
    int64_t column; /* of the table */
    int64_t count;  /* classes */
    char **names;   /* count: levels of a category; the shortest decimals of a numeric column */
    int64_t *order; /* count: classes by ascending value */
    double *values; /* count: their values in that order */
    double missing; /* sum of weights of the rows without a label */
} lki_labels;

/* Different numbers that a numeric label may have. */
enum { LKI_LABELS_MOST = 10000 };

/* The classes of the rows of positive weight, in ascending order of their numbers or names (by bytes). `weight` is a position, -1 =
 * none. Errors: LK_ERROR_DATA (text; too many numbers; no labelled row), LK_ERROR_IO, LK_ERROR_MEMORY, LK_ERROR_CANCELLED. Cost: one
 * pass over the column. */
lk_status lki_labels_find(lk_context *ctx, const lk_table *table, int64_t column, int64_t weight, lki_labels *out) LK_NODISCARD;
/* The classes of these names in a column of another table, which may lack some and have others. */
lk_status lki_labels_match(lk_context *ctx, const lk_table *table, int64_t column, const lk_table *classes, lki_labels *out) LK_NODISCARD;
/* The class of a value of the column; -1 where it is missing, -2 where it is none of the classes. */
int64_t lki_labels_class(const lki_labels *labels, double value);
void lki_labels_free(lk_context *ctx, lki_labels *labels); /* fine on a zeroed one */

/* Where the rows of each class go: lki_labels_part() writes here. */
typedef struct lki_class_rows {
    lk_table *table; /* the features, then the weights where there are some; NULL for a class without rows */
    int64_t rows;
    double weight;   /* their sum */
} lki_class_rows;

/* Rows of positive weight of an untransformed dataset, class by class and in their order, as `labels.count` tables: in memory where
 * they fit into the context's, else in unnamed temporary files. Columns keep their names. Errors: LK_ERROR_IO, LK_ERROR_MEMORY,
 * LK_ERROR_CANCELLED. Cost: two passes. */
lk_status lki_labels_part(lk_context *ctx, const lki_dataset *dataset, const lki_labels *labels, lki_class_rows *out) LK_NODISCARD;

#endif
