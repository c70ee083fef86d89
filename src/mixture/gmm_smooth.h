/* A Gaussian mixture with normal noise added, and the second derivatives of its log density. */
#ifndef LIKELY_GMM_SMOOTH_H
#define LIKELY_GMM_SMOOTH_H

#include "model/method.h"

/* lki_operations.smooth and .hessian. */
lk_status lki_gmm_smooth(lk_context *ctx, const void *state, const double *sigma, void **out) LK_NODISCARD;
lk_status lki_gmm_hessian(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out) LK_NODISCARD;

#endif
