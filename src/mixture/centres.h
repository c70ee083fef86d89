/* Starting centres of a mixture, after k-means++ (math/lloyd.h). */
#ifndef LIKELY_CENTRES_H
#define LIKELY_CENTRES_H

#include "math/lloyd.h"

/* Lloyd's iterations over rows in memory (rows x (d + 1), the last column being the weight) from these centres until the inertia falls by
 * less than 1e-4 of itself, at most `most` passes; then, `swaps` times, a random centre is moved to a random row and kept where that lowers
 * the inertia (Fraenti 2018, random swap). */
lk_status lki_centres_refine(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, int64_t most, int64_t swaps,
                             lki_stream *stream, double *centres, double *inertia) LK_NODISCARD;

#endif
