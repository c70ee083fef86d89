/* Means, standard deviations and extremes of the features of a dataset. */
#ifndef LIKELY_MOMENTS_H
#define LIKELY_MOMENTS_H

#include "dataset.h"

/* Of one feature over the rows of weight above 0 where it is not missing. */
typedef struct lki_moments {
    double weight;         /* their sum of weights */
    double mean;           /* 0 if there are none */
    double sd;             /* divided by the sum of weights; exactly 0 for a constant */
    double least, largest; /* NaN if there are none */
} lki_moments;

/* Fills out[d]. Mean and sd keep full precision whatever the offset or scale: the second pass works around the first
 * one's mean, scaled by a power of two. The same bits on any number of threads. */
lk_status lki_dataset_moments(lk_context *ctx, const lki_dataset *data, lki_moments *out) LK_NODISCARD;

#endif
