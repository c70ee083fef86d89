/* Transforms of features before a fit, each with its inverse and Jacobian, so that densities stay in the data's own
 * units. */
#ifndef LIKELY_TRANSFORM_H
#define LIKELY_TRANSFORM_H

#include "core/core.h"

/* For each feature a chain of at most LKI_TRANSFORM_STEPS steps: standardize ((x - a) / b), log, logit, sqrt
 * (sign(x) sqrt |x|, so that it has an inverse everywhere), asinh; no step is the identity. Every step increases.
 * Immutable once made. */
enum { LKI_TRANSFORM_STEPS = 8 };
typedef struct lki_transform lki_transform;
struct lki_dataset;

/* Parses "log,standardize" or "log:price,standardize:age" for the dataset's d features of these names; standardize
 * takes its weighted mean and standard deviation (of the sum of weights) from the (still untransformed) dataset as the
 * steps before it leave it, without missing values; of a constant feature only the mean is taken away. Two passes for
 * each standardize.
 * Errors: LK_ERROR_ARGUMENT (a step or feature that is not known), LK_ERROR_DATA (outside a step's domain: row and
 * column). */
lk_status lki_transform_new(lk_context *ctx, const char *text, const char *const *names,
                            const struct lki_dataset *dataset, lki_transform **out) LK_NODISCARD;
/* The same from what lki_transform_json() wrote (a model file). */
lk_status lki_transform_parse(lk_context *ctx, const char *json, int64_t d, lki_transform **out) LK_NODISCARD;
lk_status lki_transform_json(lk_context *ctx, const lki_transform *t, char **out) LK_NODISCARD;
/* Those of some features only. */
lk_status lki_transform_select(lk_context *ctx, const lki_transform *t, const int64_t *features, int64_t count,
                               lki_transform **out) LK_NODISCARD;
void lki_transform_free(lki_transform *t);

/* z = t(x) for rows x d values (may be in place); values outside the domain become NaN and *bad (if not NULL)
 * receives the first such index, else -1; NaN stays NaN and is not bad. log_jacobian (rows, may be NULL) receives
 * sum_j log |dz_j/dx_j|. sqrt's density has no bound at 0: there z = 0 and the Jacobian is inf, but it counts as
 * outside for *bad. */
void lki_transform_apply(const lki_transform *t, const double *x, int64_t rows, double *z, double *log_jacobian,
                         int64_t *bad);
/* Why x is outside the domain of a feature's chain, such as "log takes values above 0"; static text. */
const char *lki_transform_domain(const lki_transform *t, int64_t feature, double x);
/* x with t(x) = z, kept inside the domain where rounding would leave it (logit of 40 is below 1). */
void lki_transform_invert(const lki_transform *t, const double *z, int64_t rows, double *x);
/* Mean and variance of x_feature where t(x_feature) is normal with that mean and standard deviation: closed forms for one step of log,
 * sqrt or asinh among standardizing ones, quadrature (to about 1e-12, sqrt among other curved steps to 1e-5) else. inf where
 * the tail within 38 standard deviations leaves none, or where it exceeds what a double holds. */
void lki_transform_moments(const lki_transform *t, int64_t feature, double mean, double sd, double *mean_out, double *variance_out);
/* Whether every feature's chain only shifts and scales. */
bool lki_transform_affine(const lki_transform *t);
/* log dz_j/dx_j of each value of rows x d; NaN outside the domain and for a missing value. */
void lki_transform_log_slopes(const lki_transform *t, const double *x, int64_t rows, double *out);
/* Whether a feature's chain is linear, x = location + scale z; then sets both. */
bool lki_transform_units(const lki_transform *t, int64_t feature, double *location, double *scale);
/* The same where t(x_feature) is uniform on [low, high], by Gauss-Legendre quadrature (to about 1e-12, sqrt among other curved steps to
 * 1e-5). */
void lki_transform_uniform_moments(const lki_transform *t, int64_t feature, double low, double high, double *mean_out,
                                   double *variance_out);
/* Turns a gradient in z (rows x d, in place) at x into that in x of log p(x) = log p_z(t(x)) + log |J|. */
void lki_transform_gradient(const lki_transform *t, const double *x, int64_t rows, double *gradient);

#endif
