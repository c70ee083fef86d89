/* How well a model with classes tells them: what fits, held-out rows and evaluations report. */
#ifndef LIKELY_CLASS_QUALITY_H
#define LIKELY_CLASS_QUALITY_H

#include "model/model_impl.h"

/* A probability of the log loss is at least this: one that underflows does not make it infinite. */
#define LKI_LEAST_PROBABILITY 1e-300

typedef struct lki_class_quality {
    double rows;     /* sum of weights of the labelled rows */
    double accuracy; /* share of them whose most probable class is theirs */
    double log_loss; /* mean of - log p(class | row), nats */
    double standard_error; /* of it; NaN for fewer than 2 rows, and after a merge */
    double brier;    /* mean of sum_c (p(c | row) - [c is the class])^2 / 2, within [0, 1] */
} lki_class_quality;

/* Over the rows of positive weight of an untransformed dataset of the model's features; rows without a label are left out. Errors:
 * LK_ERROR_DATA naming the row whose label is none of the model's classes. */
lk_status lki_class_quality_of(lk_context *ctx, const lk_model *model, const lki_dataset *dataset, const lki_labels *labels,
                               lki_class_quality *out) LK_NODISCARD;
/* Means over the rows of both. */
void lki_class_quality_merge(lki_class_quality *into, const lki_class_quality *other);
/* {"rows", "accuracy", "log_loss", "brier"}; NULL if out of memory. */
json_t *lki_class_quality_json(const lki_class_quality *quality);

#endif
