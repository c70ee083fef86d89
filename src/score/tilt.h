/* The inside of a tilted model: what its ways of drawing share. */
#ifndef LIKELY_TILT_H
#define LIKELY_TILT_H

#include "core/philox.h"
#include "data/expression.h"
#include "score/affine.h"

#include <likely/transfer.h>

typedef enum lki_tilting { LKI_TILT_EXACT, LKI_TILT_RESAMPLE, LKI_TILT_SMC, LKI_TILT_TREE, LKI_TILT_PIGDM, LKI_TILT_MOMENTS } lki_tilting;

struct lk_tilt {
    lki_memory memory;
    const lk_model *model;
    lki_tilting method;
    int64_t d, steps, rollouts;
    double sigma_max;
    uint64_t seed;
    lki_expression *reward; /* NULL = the quadratic form alone */
    bool quadratic;         /* r(x) = constant + linear' x + x' square x / 2 */
    double constant, *linear, *square;
    lk_model *exact;        /* the tilted mixture, and its parameters as text */
    char *json;
    lki_affine a;
    lki_oracle *oracles;    /* steps: at noise of step 1, 2, ...; NULL = none */
    double log_mean, effective;
    int64_t rows;
};

/* r at a row in the units of the data. work: lki_tilt_work() doubles, of one thread. */
int64_t lki_tilt_work(const lk_tilt *t);
double lki_tilt_reward(const lk_tilt *t, const double *x, double *work);
double lki_tilt_noise(const lk_tilt *t, int64_t step); /* of step 0 (none) to steps (sigma_max), in spreads */
/* E[x0 | x] at noise of step n, at most LKI_BLOCK_ROWS rows; z: rows x d of scratch. Then a row moves on to noise of step n - 1. A start is a draw at
 * sigma_max. */
lk_status lki_tilt_denoise(lk_context *ctx, const lk_tilt *t, int64_t n, const double *x, int64_t rows, double *clean, double *z) LK_NODISCARD;
void lki_tilt_step(const lk_tilt *t, int64_t n, const double *clean, int64_t d, lki_stream *stream, double *x);
void lki_tilt_start(const lk_tilt *t, lki_stream *stream, double *x);
/* Rows by weights (logarithms), systematically: how often each is taken. Returns the logarithm of the mean weight, or -inf. */
double lki_tilt_resample(const double *log_weights, int64_t rows, double uniform, int64_t *parents, double *effective);

/* tilt_exact.c, tilt_particles.c, tilt_tree.c, tilt_guided.c */
lk_status lki_tilt_exact(lk_context *ctx, lk_tilt *t) LK_NODISCARD;
lk_status lki_tilt_weighted(lk_context *ctx, lk_tilt *t, int64_t rows, double *out) LK_NODISCARD;
lk_status lki_tilt_particles(lk_context *ctx, lk_tilt *t, int64_t rows, double *out) LK_NODISCARD;
lk_status lki_tilt_tree(lk_context *ctx, lk_tilt *t, int64_t rows, double *out) LK_NODISCARD;
lk_status lki_tilt_guided(lk_context *ctx, lk_tilt *t, int64_t rows, double *out) LK_NODISCARD;

#endif
