/* The median rule for the bandwidths of a kernel, and bandwidths as a user writes them. */
#ifndef LIKELY_MEDIAN_BANDWIDTH_H
#define LIKELY_MEDIAN_BANDWIDTH_H

#include "core/core.h"

/* Pairs are taken among so many rows at most. */
enum { LKI_MEDIAN_ROWS = 1000 };

/* Standard deviations of the columns of x (n x d), divided by n; 1 for a constant column. */
void lki_column_scales(const double *x, int64_t n, int64_t d, double *scale);

/* Distances, ascending, between the rows order[0], ..., order[m - 1] of x (n x d) in units of `scale` (NULL: one), m = min(n,
 * LKI_MEDIAN_ROWS); *count of them, squared. `order` is a permutation of the rows, so that the rows are any. Release *squares. */
lk_status lki_pair_distances(lk_context *ctx, const double *x, int64_t n, int64_t d, const double *scale, const int64_t *order,
                             double **squares, size_t *count) LK_NODISCARD;

/* The median rule: the standard deviation of each column times the median distance in units of them; `bandwidth` has d. */
lk_status lki_median_bandwidth(lk_context *ctx, const double *x, int64_t n, int64_t d, const int64_t *order,
                               double *bandwidth) LK_NODISCARD;

/* Numbers above 0 in a text: one for all d columns, or one for each, comma-separated. Errors: LK_ERROR_ARGUMENT, which says that the text
 * must be `rule` or such numbers. */
lk_status lki_bandwidth_read(lk_context *ctx, const char *text, const char *rule, int64_t d, double *bandwidth) LK_NODISCARD;

#endif
