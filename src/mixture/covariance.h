/* M-steps of the eigen-decomposition family that iterate or share parts of a covariance between components. A covariance is volume x
 * orientation x shape x orientation': Sigma_k = lambda_k D_k A_k D_k' with |A_k| = 1 (Celeux and Govaert 1995, Pattern Recognition
 * 28:781-793). */
#ifndef LIKELY_COVARIANCE_H
#define LIKELY_COVARIANCE_H

#include "mixture.h"

/* lki_covariance.solve of the family in the name. A scatter that has collapsed gives a covariance near zero, never NaN. */
lk_status lki_solve_vei(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_evi(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_vee(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_evv(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_eev(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_vev(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_eve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;
lk_status lki_solve_vve(lk_context *ctx, const lki_scatter *s, const lki_prior *prior, int64_t K, int64_t d, double *out) LK_NODISCARD;

/* volume_k and the common shape (geometric mean 1) that minimize sum_k n_k d log volume_k + sum_kj squares_kj / (volume_k shape_j), a
 * convex problem in logarithms. `volume` holds a first guess up to a common factor; what is not positive is replaced. Cost: K d an
 * iteration. */
void lki_common_shape(int64_t K, int64_t d, const double *n, const double *squares, double *volume, double *shape);
/* Geometric mean of d numbers, each taken as at least `floor` > 0. */
double lki_geometric_mean(int64_t d, const double *values, int64_t stride, double floor);
/* Mean of the K scatters' diagonals over sum_k n_k: what is far below it has collapsed. `stride` = d x d for matrices, d for squares. */
double lki_scatter_size(const lki_scatter *s, int64_t K, int64_t d, int64_t stride);
/* out = sum_j values_j axis_j axis_j' with the axes in the rows of D. */
void lki_compose(int64_t d, const double *D, const double *values, double *out);

/* Shares of a typical variance below which a volume, or an entry of a shape, counts as collapsed. */
#define LKI_VOLUME_MIN 1e-30
#define LKI_SHAPE_MIN 1e-14

#endif
