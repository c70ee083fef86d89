/* Unnormalized models of the exponential family, p(x) = exp(theta' f(u) - log Z) over u = (x - centre) / scale, with f all monomials of u of degree
 * 1 to 2 or 4: their state, and what fits and asks them. */
#ifndef LIKELY_ENERGY_H
#define LIKELY_ENERGY_H

#include "model/method.h"

enum { LKI_ENERGY_DEGREE = 4, LKI_ENERGY_TERMS = 1000 };

/* A monomial: the product of u[var] ^ power, different variables, ascending. */
typedef struct lki_monomial {
    int count, degree;
    int64_t var[LKI_ENERGY_DEGREE];
    int power[LKI_ENERGY_DEGREE];
} lki_monomial;

typedef struct lki_energy {
    int64_t d, degree, terms;
    lki_monomial *monomials; /* terms */
    double *theta;           /* terms */
    double *centre, *scale;  /* d each */
    double *log_z;           /* 1: in units of x */
    lki_memory memory;
} lki_energy;

/* How many monomials there are; -1 = more than LKI_ENERGY_TERMS. */
int64_t lki_energy_terms(int64_t d, int64_t degree);
lk_status lki_energy_new(lk_context *ctx, int64_t d, int64_t degree, lki_energy **out) LK_NODISCARD;
void lki_energy_free(const lki_memory *memory, void *state);
/* At u: f (terms), gradients (terms x d), and v' (second derivatives of f) v for a direction v (terms; v NULL = laplacians). Each may be NULL. */
void lki_energy_features(const lki_energy *e, const double *u, double *f, double *gradients, const double *v, double *curvatures);

/* energy_normalizer.c: log Z in units of u: in closed form for degree 2, by quadrature in one dimension, else by importance sampling from a normal law (W: its
 * inverse factor, L: its factor; d x d) with the standard error and effective sample size that it has (0 and inf where exact). *problem: why there is none. */
lk_status lki_energy_normalize(lk_context *ctx, const lki_energy *e, const double *L, const double *W, uint64_t seed, double *log_z, double *error,
                               double *effective, const char **problem) LK_NODISCARD;

extern const lki_operations lki_energy_operations;

#endif
