/* Models in the units of the data: features whose transforms only shift and scale. */
#ifndef LIKELY_AFFINE_H
#define LIKELY_AFFINE_H

#include "model/oracle.h"

/* x_j = shift_j + scale_j z_j with z the model's own units, and spread_j the standard deviation of x_j over draws (scale_j where the model has
 * no draws). One allocation: free shift. */
typedef struct lki_affine {
    double *shift, *scale, *centre, *spread; /* d each */
    double log_scale;                        /* sum log scale */
} lki_affine;

/* Errors: LK_ERROR_UNSUPPORTED, naming what wants it, where a transform is curved. */
lk_status lki_affine_new(lk_context *ctx, const lk_model *model, const char *what, lki_affine *out) LK_NODISCARD;
void lki_affine_free(lk_context *ctx, lki_affine *a);

/* The oracle at noise sigma_j = t spread_j in the units of the data, spread: d. */
lk_status lki_affine_oracle(lk_context *ctx, const lk_model *model, const lki_affine *a, double t, const double *spread,
                            lki_oracle *out) LK_NODISCARD;
void lki_affine_release_oracle(const lki_memory *memory, lki_oracle *o); /* closes without a context */
/* Scores by x at rows (at most LKI_BLOCK_ROWS) in the units of the data; z: rows x d of scratch, may not be x. */
lk_status lki_affine_score(lk_context *ctx, const lki_oracle *o, const lki_affine *a, const double *x, int64_t rows, double *z,
                           double *out) LK_NODISCARD;

/* A mixture of normal distributions in the units of the data. One allocation: free weights. */
typedef struct lki_normal_set {
    int64_t K, d;
    double *weights, *means, *covariances; /* K, K x d, K x d x d; weights sum to 1 */
} lki_normal_set;
/* *is = false where the model is none. */
lk_status lki_normal_set_new(lk_context *ctx, const lk_model *model, bool *is, lki_normal_set *out) LK_NODISCARD;

#endif
