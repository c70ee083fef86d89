/* The energy distance along one direction, by sorting. With directions uniform on the sphere, |x| = c E |<xi, x>|, so that energy distances and their
 * gradients are c times means over directions of those of the projections. */
#ifndef LIKELY_SLICES_H
#define LIKELY_SLICES_H

#include "core/core.h"
#include "core/philox.h"

enum { LKI_SLICE_WIDTH = 64 };

/* c = sqrt(pi) Gamma((d + 1) / 2) / Gamma(d / 2). */
double lki_slice_constant(int64_t d);
void lki_slice_direction(lki_stream *s, int64_t d, double *out);

/* out[i] = N times the derivative by the projection of particle i of 1/N sum_ab |x_a - y_b| / n - 1 / (2 N^2) sum_aa' |x_a - x_a'|, for `count` particles of
 * which the first `crowd` (= N) are the x: mean sign of x_i - y less mean sign of x_i - x. Cost: (n + count) log. */
lk_status lki_sliced_force(lk_context *ctx, const double *direction, int64_t d, const double *data, int64_t n, const double *particles, int64_t crowd,
                           int64_t count, double *out) LK_NODISCARD;

/* 2 E |x - y| - E |x - x'| - E |y - y'| of the projections, = 2 integral (F - G)^2; and E |y - y'|. */
lk_status lki_sliced_energy(lk_context *ctx, const double *direction, int64_t d, const double *data, int64_t n, const double *particles, int64_t count,
                            double *out, double *within) LK_NODISCARD;

#endif
