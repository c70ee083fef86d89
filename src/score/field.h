/* The score field: log density, score and divergence of a distribution with normal noise of any one size added. Every
 * sampler, schedule and flow of this room asks it, whatever stands behind: mixtures of normal distributions in closed
 * form in their eigenbasis, any model that can be smoothed, or a caller's own function.
 *
 * A field lives in units of its own, u = (z - centre) / scale with z the transformed features of the model, so that
 * noise is the same in every direction: what is asked for is x = u + sigma n with n standard normal. */
#ifndef LIKELY_FIELD_H
#define LIKELY_FIELD_H

#include "model/oracle.h"

#include <likely/score.h>

typedef struct lki_field lki_field;

/* A field at one noise. Start from all zeros; ready ones may be asked from many threads. */
typedef struct lki_level {
    const lki_field *field;
    double sigma;
    void *state; /* the field's own; NULL = none */
} lki_level;

/* What a kind of field does. `level` makes ready for one noise (state may stay NULL). `ask` takes at most
 * LKI_BLOCK_ROWS finite rows on the calling thread; any of the outputs may be NULL, and what a row gets does not depend
 * on the rows beside it. */
typedef struct lki_field_operations {
    lk_status (*level)(lk_context *ctx, const lki_field *field, double sigma, void **state);
    lk_status (*ask)(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *log_density,
                     double *score, double *divergence);
    void (*level_free)(lk_context *ctx, void *level);
    void (*free)(const lki_memory *memory, void *state);
} lki_field_operations;

struct lki_field {
    const lki_field_operations *operations;
    int64_t d;
    bool noisy;      /* noise above 0 may be asked for */
    bool clean;      /* noise 0 may be asked for */
    bool density;    /* log densities are known */
    bool divergence; /* divergences are known; else they are asked of lki_level_divergence() by differences */
    double *centre, *scale; /* d each */
    double log_scale;       /* sum log scale: log density in z = log density in u - log_scale */
    void *state;
};

/* The field of a model, borrowed. centre and scale: d values each, NULL = 0 and 1. A model of normal distributions is
 * asked in closed form, another by its smoothed versions. Runs threads of its own. Errors: LK_ERROR_UNSUPPORTED (no
 * score). */
lk_status lki_field_of_model(lk_context *ctx, const lk_model *model, const double *centre, const double *scale,
                             lki_field **out) LK_NODISCARD;
/* The field of a caller's function, which works in units of z. */
lk_status lki_field_of_function(lk_context *ctx, const lk_score_function *function, const double *centre,
                                const double *scale, lki_field **out) LK_NODISCARD;
/* The field of K normal distributions whose covariances are loadings_k loadings_k' + diag(diagonal_k) (K x d x rank and
 * K x d, at least 0; 0 = points, which have a score at noise above 0 alone): without d x d matrices. */
lk_status lki_field_of_factors(lk_context *ctx, int64_t K, int64_t d, int64_t rank, const double *weights,
                               const double *means, const double *loadings, const double *diagonal, const double *centre,
                               const double *scale, lki_field **out) LK_NODISCARD;
/* For kinds of fields that ask a model: an lki_oracle of it, with noise sigma scale_j on the features that are `noisy` (NULL = all), as a level's
 * state. */
lk_status lki_oracle_level(lk_context *ctx, const lk_model *model, const lki_field *field, double sigma, const bool *noisy,
                           void **state) LK_NODISCARD;
void lki_oracle_level_free(lk_context *ctx, void *level);
void lki_field_free(lk_context *ctx, lki_field *field);                   /* NULL is fine */
void lki_field_release(const lki_memory *memory, lki_field *field);        /* the same without a context */

/* Errors: LK_ERROR_UNSUPPORTED (this noise is none that the field has). Any noise from 0 to 1e6. */
lk_status lki_level_open(lk_context *ctx, const lki_field *field, double sigma, lki_level *out) LK_NODISCARD;
void lki_level_close(lk_context *ctx, lki_level *level);
/* At most LKI_BLOCK_ROWS rows in u; each output may be NULL. Divergences are exact: by second derivatives, where the
 * field has no closed form by differences of its score. */
lk_status lki_level_ask(lk_context *ctx, const lki_level *level, const double *u, int64_t rows, double *log_density,
                        double *score, double *divergence) LK_NODISCARD;
/* E[u0 | u0 + sigma n = u] = u + sigma^2 score (Tweedie); denoised may be u itself. */
lk_status lki_level_denoise(lk_context *ctx, const lki_level *level, const double *u, int64_t rows,
                            double *denoised) LK_NODISCARD;

/* For the kinds: a field without its state. field_normals.c: the fields of normal distributions. */
lk_status lki_field_new(lk_context *ctx, const lki_field_operations *operations, int64_t d, const double *centre,
                        const double *scale, lki_field **out) LK_NODISCARD;
/* *out = NULL where the model is none of well-conditioned normal distributions. */
lk_status lki_field_of_normals(lk_context *ctx, const lk_model *model, const double *centre, const double *scale,
                               lki_field **out) LK_NODISCARD;

#endif
