/* The inside of a diagnosis of a vector field: what its two files share. */
#ifndef LIKELY_DIAGNOSE_H
#define LIKELY_DIAGNOSE_H

#include "data/expression.h"
#include "score/affine.h"

#include <likely/judge.h>

/* Points of one task: each costs some hundred evaluations. */
enum { LKI_DIAGNOSE_ROWS = 32 };

typedef struct lki_diagnosed {
    const lk_model *model;
    int64_t d, n, waves;
    uint64_t seed;
    lki_affine a;
    double sigma[3];          /* noise in spreads, a little more, a little less */
    lki_oracle oracles[3];    /* of the model at these; closed where the field is not the model's and no density is asked */
    lki_expression **rates;   /* d; NULL = none */
    lk_field_function function;
    void *state;
    bool dense;               /* the model's log density is what the points come from */
    double *u, *v, *mean;     /* n x d points with noise, the field there; d */
    double *each;             /* n x 2: antisymmetric share and dimension of each point */
} lki_diagnosed;

/* The field in units of u at rows of u (at most LKI_BLOCK_ROWS), at noise sigma[level]. */
lk_status lki_diagnosed_field(lk_context *ctx, const lki_diagnosed *g, int level, const double *u, int64_t rows, double *out) LK_NODISCARD;

/* diagnose_split.c */
lk_status lki_diagnose_split(lk_context *ctx, const lki_diagnosed *g, double *gauge, double *transport) LK_NODISCARD;

#endif
