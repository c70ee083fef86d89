/* The log-likelihood of a Gaussian mixture to second order, and the standard errors that follow from it. */
#ifndef LIKELY_INFORMATION_H
#define LIKELY_INFORMATION_H

#include "data/dataset.h"
#include "model/method.h"
#include "mixture.h"

/* The coordinates of a component: its weight (as a free number), its mean, and its covariance: the entries i <= j row by row where the
 * mixture's form has them all, else the d variances. */
int64_t lki_mixture_pairs(const lki_mixture *m);       /* covariance entries of a component */
int64_t lki_mixture_coordinates(const lki_mixture *m); /* of all components */

/* Of this many coordinates the matrix of second derivatives is still made. */
enum { LKI_COORDINATES_MAX = 1000 };

/* Log-likelihood of the rows, its gradient (P) and second derivatives (P x P) with respect to the P coordinates; values that are
 * missing take no part. Rows are independent given the parameters, and the second derivative of a row's log density is, with r the
 * responsibilities and s_k the gradient of the log of term k, sum_k r_k (s_k' + s_k s_k^T) - (sum_k r_k s_k)(sum_k r_k s_k)^T (Louis
 * 1982, J. R. Stat. Soc. B 44:226-233). Cost: n P^2 / 2 multiply-adds. */
lk_status lki_mixture_second_order(lk_context *ctx, const lki_mixture *m, const lki_dataset *data, double *log_likelihood,
                                   double *gradient, double *hessian) LK_NODISCARD;

/* How coordinates depend on the free parameters of the mixture's family, to second order. */
typedef struct lki_free_parameters {
    int64_t P, p;
    double *jacobian;  /* P x p */
    double *curvature; /* p x p: sum_i gradient_i times the second derivatives of coordinate i */
} lki_free_parameters;

/* Weights: the first K - 1. Means: all. Covariances: their entries where the family is linear in them (EII, VII, EEI, VVI, EEE, VVV),
 * else logarithms of the variances along the axes, which part into volume and shape, and rotations of the axes. Errors:
 * LK_ERROR_NUMERIC where the components of a family of common axes have none. */
lk_status lki_free_parameters_new(lk_context *ctx, const lki_mixture *m, const double *gradient, lki_free_parameters *out) LK_NODISCARD;
void lki_free_parameters_free(lk_context *ctx, lki_free_parameters *f);

/* lki_operations.quantities, .quantity and .information of the gmm. */
int64_t lki_gmm_quantities(const void *state, lki_quantity *out);
double lki_gmm_quantity(const void *state, const lki_quantity *q);
lk_status lki_gmm_information(lk_context *ctx, const void *state, const lki_dataset *data, lki_information *out) LK_NODISCARD;

#endif
