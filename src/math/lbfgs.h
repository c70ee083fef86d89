/* Minimizing a smooth function of many variables by its gradient: limited-memory BFGS. */
#ifndef LIKELY_LBFGS_H
#define LIKELY_LBFGS_H

#include "core/core.h"

/* Value and gradient (n) at x. A value that is not finite is a step too far. */
typedef lk_status (*lki_objective)(lk_context *ctx, void *state, const double *x, double *value, double *gradient);

typedef struct lki_descent {
    int64_t n, max_iter;
    double tolerance; /* ends where the largest entry of the gradient is at most this, in units of max(1, |value|) */
    double fall;      /* or where the value fell by at most this in 10 steps; 0 = never */
    lki_objective objective;
    void *state;
    const char *stage; /* for progress; NULL = silent */
} lki_descent;

typedef struct lki_minimum {
    double value, slope; /* slope: the largest entry of the gradient */
    int64_t iterations;
    bool converged;      /* by either of the two, or because no step within rounding lowers the value */
} lki_minimum;

/* Descends from x, which receives the end. Nocedal 1980, Math. Comp. 35:773-782, with 10 pairs; steps by bisection to the weak Wolfe
 * conditions (Lewis and Overton 2013, Math. Program. 141:135-163). Errors: those of the objective, LK_ERROR_NUMERIC where it is not
 * finite at the start, LK_ERROR_MEMORY, LK_ERROR_CANCELLED. */
lk_status lki_minimize(lk_context *ctx, const lki_descent *descent, double *x, lki_minimum *out) LK_NODISCARD;

#endif
