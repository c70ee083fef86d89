/* Two models as mixtures of normal distributions side by side, and how near their components are, pair by pair. */
#ifndef LIKELY_NORMALS_H
#define LIKELY_NORMALS_H

#include "model/model_impl.h"

/* Powers r of the Chernoff coefficients that lower bounds are taken from. */
enum { LKI_CHERNOFF_POWERS = 4 };
/* Pairs are looked at up to so many components of the two models together. */
enum { LKI_NORMALS_MOST = 512 };

/* Components 0..Ka-1 are those of the first model, Ka..N-1 those of the second; data units, the features in the first one's order. */
typedef struct lki_normals {
    int64_t d, Ka, Kb, N;
    double *weights;     /* N: of the first model, then of the second, each summing to 1 */
    double *means;       /* N x d */
    double *covariances; /* N x d x d */
    double *L, *W;       /* N x d x d: covariance = L L', W = inverse of L */
    double *log_det;     /* N */
    double *condition;   /* N */
} lki_normals;

/* *reason receives why there is no such view (static text), or NULL and then *out the view. order: the second model's position of each
 * feature of the first. */
lk_status lki_normals_new(lk_context *ctx, const lk_model *a, const lk_model *b, const int64_t *order, lki_normals **out,
                          const char **reason) LK_NODISCARD;
void lki_normals_free(lk_context *ctx, lki_normals *n);

/* N x N each. */
typedef struct lki_pairs {
    double *kl;       /* KL(i || j) */
    double *overlap;  /* log of the integral of the product of the two densities */
    double *chernoff[LKI_CHERNOFF_POWERS]; /* - log of the integral of density_i^(1 - r) density_j^r; r = lki_chernoff_powers[.] */
    double *distance; /* Ka x Kb: squared Bures-Wasserstein distance */
} lki_pairs;
extern const double lki_chernoff_powers[LKI_CHERNOFF_POWERS]; /* the first is 1/2 */

/* Fills the pairs, over threads; `finite` says whether all of them are numbers. */
lk_status lki_pairs_new(lk_context *ctx, const lki_normals *n, lki_pairs *pairs, bool *finite) LK_NODISCARD;
void lki_pairs_free(lk_context *ctx, lki_pairs *pairs);

/* bounds.c: closed bounds of KL(f || g), both mixtures of the N components with weights f and g (N each, sum 1). */
lk_status lki_kl_bounds(lk_context *ctx, const lki_normals *n, const lki_pairs *pairs, const double *f, const double *g, double *lower,
                        double *upper) LK_NODISCARD;

#endif
