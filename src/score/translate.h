/* The inside of a translator: what its three ways share. */
#ifndef LIKELY_TRANSLATE_H
#define LIKELY_TRANSLATE_H

#include "score/affine.h"
#include "score/bridge.h"

#include <likely/transfer.h>

typedef enum lki_translation { LKI_TRANSLATE_BRIDGE, LKI_TRANSLATE_LATENT, LKI_TRANSLATE_INTERPOLANT } lki_translation;

struct lki_interpolant;
struct lk_translator {
    lki_memory memory;
    lki_translation method;
    const lk_model *from, *to;
    int64_t d, steps, columns; /* columns of an answer: d, one more with a density */
    double noise, sigma_max;
    uint64_t seed;
    lki_affine a, b;                  /* latent and interpolant; a alone of a bridge: the transforms of its source and target */
    lki_oracle *oracles_a, *oracles_b; /* latent: steps, at the noise of step 1, 2, ... */
    struct lki_interpolant *interpolant;
    double cost, count;
    int64_t rows;
};

/* bridge_path.c: at most LKI_BLOCK_ROWS rows of x0 and their numbers, in the bridge's units, to x1. */
lk_status lki_bridge_rows(lk_context *ctx, const lki_bridge *b, int64_t steps, uint64_t seed, const double *x0, int64_t first_row,
                          int64_t rows, double *x1) LK_NODISCARD;
/* The drift at time t within [0, 1) of a centred x. M (K x m x m) and log_det (K) are of lki_bridge_slice(); work: K (m + 1) + 2 m. */
lk_status lki_bridge_slice(lk_context *ctx, const lki_bridge *b, double t, double *M, double *log_det) LK_NODISCARD;
void lki_bridge_drift(const lki_bridge *b, double t, const double *M, const double *log_det, const double *x, double *drift, double *work);

/* latent.c: opens the oracles of all noises; translates at most LKI_BLOCK_ROWS rows. */
lk_status lki_latent_prepare(lk_context *ctx, lk_translator *t) LK_NODISCARD;
double lki_latent_noise(const lk_translator *t, int64_t step); /* of step 0 (none) to steps (sigma_max), in spreads */
lk_status lki_latent_rows(lk_context *ctx, const lk_translator *t, const double *x, int64_t first_row, int64_t rows, double *out) LK_NODISCARD;

/* interpolant.c: x_t = (1 - t) x0 + t x1 + gamma(t) z, gamma^2 = t (1 - t) spread^2, between two mixtures. */
typedef struct lki_interpolant lki_interpolant;
/* Takes both over, where it succeeds. */
lk_status lki_interpolant_new(lk_context *ctx, const lki_normal_set *from, const lki_normal_set *to, const double *spread, int64_t steps,
                              lki_interpolant **out) LK_NODISCARD;
void lki_interpolant_free(const lki_memory *memory, lki_interpolant *p);
/* The law at one time: any number of rows may be asked of it. */
typedef struct lki_slice lki_slice;
lk_status lki_slice_new(lk_context *ctx, const lki_interpolant *p, double t, lki_slice **out) LK_NODISCARD;
void lki_slice_free(const lki_memory *memory, lki_slice *s);
/* Velocity E[dx_t/dt | x_t = x], score, divergence of the velocity, log density; any may be NULL. work: lki_slice_work(). */
int64_t lki_slice_work(const lki_slice *s);
void lki_slice_ask(const lki_slice *s, const double *x, double *velocity, double *score, double *divergence, double *log_density,
                   double *work);
lk_status lki_interpolant_rows(lk_context *ctx, const lk_translator *t, int64_t first_row, int64_t rows, double *x,
                               double *log_density) LK_NODISCARD;

#endif
