/* The inside of a sampler that asks the score oracle: what its two ways share. */
#ifndef LIKELY_SAMPLER_H
#define LIKELY_SAMPLER_H

#include "model/oracle.h"
#include "model/pooled.h"

#include <likely/derived.h>

typedef enum lki_sampling { LKI_SAMPLING_EXACT, LKI_SAMPLING_LANGEVIN, LKI_SAMPLING_FLOW } lki_sampling;

/* Noise levels of annealed chains, the last being 0. */
enum { LKI_LEVELS = 20 };

struct lk_sampler {
    lki_memory memory;
    const lk_model *model;
    lki_sampling method;
    uint64_t seed;
    int64_t d, steps, rows;      /* rows: drawn so far */
    double sigma_max, sigma_min; /* in spreads */
    double *centre, *scale;      /* d, d: in transformed units */
    /* Langevin: noise and squared step of each level, in spreads; the last is the model itself. */
    int levels;
    double noise[LKI_LEVELS + 1], squares[LKI_LEVELS + 1];
    double accepted, proposed; /* proposed 0 = none can be refused */
    double *halves, *chains;   /* d x LKI_POOLED: means of half chains, of chains */
    double *within;            /* d: sum of the variances within half chains */
    /* Probability flow: differences from draws with half the steps, in spreads. */
    double error_squares, error_count, error_most;
};

/* Noise of t spreads in each feature: sigma_j = t scale_j. */
lk_status lki_sampler_oracle(lk_context *ctx, const lk_sampler *s, double t, lki_oracle *out) LK_NODISCARD;

/* langevin.c: finds step sizes; then fills rows x d (transformed units) from chains of these row numbers. */
lk_status lki_langevin_prepare(lk_context *ctx, lk_sampler *s, double step_size) LK_NODISCARD;
lk_status lki_langevin_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *z) LK_NODISCARD;

/* probability_flow.c */
lk_status lki_flow_rows(lk_context *ctx, lk_sampler *s, int64_t first_row, int64_t rows, double *z) LK_NODISCARD;

#endif
