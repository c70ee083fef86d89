/* Discrete optimal transport: the cheapest way to bring given masses to given places. */
#ifndef LIKELY_TRANSPORT_H
#define LIKELY_TRANSPORT_H

#include "core/core.h"

/* Minimizes sum_ij plan_ij cost_ij over plans (n x m, row-major, at least 0) with row sums `supply` and column sums `demand`, each of
 * n (m) positive masses; both are scaled to the sum 1 and rounded to multiples of 2^-50, so that the arithmetic of masses is exact.
 * Successive shortest paths with potentials (Edmonds and Karp 1972): an optimal vertex. *dual receives the value of the dual
 * program at the potentials, which equals *total but for rounding.
 * Errors: LK_ERROR_MEMORY, LK_ERROR_CANCELLED. Cost: about n + m searches of n m steps each. */
lk_status lki_transport(lk_context *ctx, int64_t n, int64_t m, const double *supply, const double *demand, const double *cost,
                        double *plan, double *total, double *dual) LK_NODISCARD;

#endif
