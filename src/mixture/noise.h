/* The noise component: the box that it is uniform over, and a first guess of the rows that belong to it. */
#ifndef LIKELY_NOISE_H
#define LIKELY_NOISE_H

#include "em.h"

/* The smallest box that holds every row of positive weight, and the noise's box of `start` (NULL = none), to data->box. One pass.
 * Errors: LK_ERROR_DATA where a feature is constant: the box would have no volume. */
lk_status lki_noise_box(lk_context *ctx, const char *const *names, const lki_mixture *start, lki_em_data *data) LK_NODISCARD;

/* clutter[i] = 1 for the rows of low density: a mixture of two Poisson processes fitted to the distances of each row to its k-th
 * nearest neighbour (Byers and Raftery 1998, J. Am. Stat. Assoc. 93:577-584), k = 12, or fewer of few rows. values are rows x (d + 1)
 * without missing values, the last column not looked at. Beyond LKI_NOISE_REFERENCES rows, neighbours are sought among so many
 * chosen at random. Cost: rows x references x d. */
enum { LKI_NOISE_REFERENCES = 2000 };
lk_status lki_noise_guess(lk_context *ctx, const double *values, int64_t rows, int64_t d, uint64_t seed,
                          unsigned char *clutter) LK_NODISCARD;

#endif
