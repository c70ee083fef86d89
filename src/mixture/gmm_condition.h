/* How some features of a Gaussian mixture depend on others. */
#ifndef LIKELY_GMM_CONDITION_H
#define LIKELY_GMM_CONDITION_H

#include "gmm.h"

extern const lki_conditional_operations lki_gmm_conditional;

/* lki_operations.condition of the gmm. */
lk_status lki_gmm_condition(lk_context *ctx, const void *state, const int64_t *given, const double *values, int64_t count,
                            void **out) LK_NODISCARD;

#endif
