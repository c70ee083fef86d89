/* Starting centres: k-means++ seeding with several candidates, then Lloyd's iterations. */
#ifndef LIKELY_CENTRES_H
#define LIKELY_CENTRES_H

#include "core/philox.h"
#include "em.h"

/* K centres (K x d) among in-memory rows (rows x (d + 1), the last column being the weight), by k-means++ (Arthur and Vassilvitskii
 * 2007) where each new centre is the best of 2 + log K candidates. *distinct receives how many distinct rows were found, at most K; with
 * fewer than K the rest are repeats. Cost: rows x d x K (2 + log K). */
lk_status lki_centres_seed(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, lki_stream *stream,
                           double *centres, int64_t *distinct) LK_NODISCARD;

/* Lloyd's iterations from these centres until the inertia falls by less than 1e-4 of itself, at most `most` passes; then, `swaps`
 * times, a random centre is moved to a random row and kept where that lowers the inertia (Fraenti 2018, random swap). */
lk_status lki_centres_refine(lk_context *ctx, const lki_em_data *data, const double *values, int64_t rows, int64_t K, int64_t most,
                             int64_t swaps, lki_stream *stream, double *centres, double *inertia) LK_NODISCARD;

/* labels[i] = the nearest of the K centres to each row. */
lk_status lki_centres_assign(lk_context *ctx, const double *values, int64_t rows, int64_t d, int64_t K, const double *centres,
                             int32_t *labels) LK_NODISCARD;

#endif
