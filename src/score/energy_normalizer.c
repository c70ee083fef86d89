/* The normalizing constant of an energy model: a closed form, quadrature, or importance sampling with its error. */
#include "score/energy.h"

#include "core/philox.h"
#include "math/cholesky.h"
#include "math/elementary.h"
#include "math/special.h"

#include <math.h>
#include <string.h>

enum { DRAWS = 65536, DIRECTIONS = 4096, NODES = 20001 };

static double energy_at(const lki_energy *e, const double *u, double *f)
{
    double sum = 0.0;
    lki_energy_features(e, u, f, NULL, NULL, NULL);
    for (int64_t t = 0; t < e->terms; t++) {
        sum += e->theta[t] * f[t];
    }
    return sum;
}

/* Degree 2: theta' f = b' u - u' P u / 2, log Z = d log(2 pi) / 2 - log det P / 2 + b' P^-1 b / 2. */
static lk_status closed_form(lk_context *ctx, const lki_energy *e, double *log_z, const char **problem)
{
    const int64_t d = e->d;
    double *P;
    LKI_TRY(lki_zeros(ctx, (size_t)d, (4 * (size_t)d + 1) * sizeof *P, &P));
    double *W = P + d * d, *work = W + d * d, *b = work + 2 * d * d, square = 0.0;
    for (int64_t t = 0; t < e->terms; t++) {
        const lki_monomial *m = &e->monomials[t];
        if (m->degree == 1) {
            b[m->var[0]] = e->theta[t];
        } else {
            const int64_t i = m->var[0], j = m->count == 2 ? m->var[1] : i;
            P[i * d + j] = P[j * d + i] = i == j ? -2.0 * e->theta[t] : -e->theta[t];
        }
    }
    lki_spd spd;
    if (lki_spd_factor(d, P, W, NULL, &spd, work) != 0) {
        *problem = "the energy has no finite integral: its quadratic form is not negative definite";
    } else {
        for (int64_t i = 0; i < d; i++) {
            double s = 0.0;
            for (int64_t j = 0; j <= i; j++) {
                s += W[i * d + j] * b[j];
            }
            square += s * s;
        }
        *log_z = 0.5 * ((double)d * LKI_LOG_2PI - spd.log_determinant + square);
    }
    lki_release(ctx, P);
    return LK_OK;
}

/* Whether the terms of degree 4 fall in every direction, as far as so many show. */
static bool falls(const lki_energy *e, uint64_t seed, double *u, double *f)
{
    for (int64_t i = 0; i < DIRECTIONS; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_ENERGY, (uint64_t)i + (1ull << 40));
        double sum = 0.0;
        for (int64_t j = 0; j < e->d; j++) {
            u[j] = i < 2 * e->d ? (i / 2 == j ? (i % 2 == 0 ? 1.0 : -1.0) : 0.0) : lki_random_normal(&s);
        }
        lki_energy_features(e, u, f, NULL, NULL, NULL);
        for (int64_t t = 0; t < e->terms; t++) {
            sum += e->monomials[t].degree == 4 ? e->theta[t] * f[t] : 0.0;
        }
        if (!(sum < 0.0)) {
            return false;
        }
    }
    return true;
}

/* One dimension: the trapezoidal rule where the integrand is above e^-50 of its largest value, found from a wide grid. */
static lk_status quadrature(lk_context *ctx, const lki_energy *e, double *f, double *log_z)
{
    double *values, low = -60.0, high = 60.0;
    LKI_TRY(lki_allocate(ctx, NODES, sizeof *values, &values));
    for (int round = 0; round < 3; round++) {
        const double h = (high - low) / (NODES - 1);
        double most = -(double)INFINITY;
        for (int64_t i = 0; i < NODES; i++) {
            const double u = low + (double)i * h;
            values[i] = energy_at(e, &u, f);
            most = fmax(most, values[i]);
        }
        *log_z = lki_log_sum_exp(NODES, values) + log(h);
        int64_t first = 0, last = NODES - 1;
        while (first < last && values[first] < most - 50.0) {
            first++;
        }
        while (last > first && values[last] < most - 50.0) {
            last--;
        }
        high = low + fmin((double)last + 1.0, NODES - 1.0) * h;
        low += fmax((double)first - 1.0, 0.0) * h;
    }
    lki_release(ctx, values);
    return LK_OK;
}

/* log Z = log E_q[exp(energy) / q], q normal about 0. */
static lk_status importance(lk_context *ctx, const lki_energy *e, const double *L, const double *W, uint64_t seed, double *f, double *log_z, double *error,
                            double *effective)
{
    const int64_t d = e->d;
    double *weights, log_det = 0.0, sum = 0.0, squares = 0.0;
    LKI_TRY(lki_allocate(ctx, DRAWS + 2 * (size_t)d, sizeof *weights, &weights));
    double *z = weights + DRAWS, *u = z + d;
    lk_status status = LK_OK;
    for (int64_t j = 0; j < d; j++) {
        log_det -= log(W[j * d + j]);
    }
    for (int64_t i = 0; i < DRAWS && status == LK_OK; i++) {
        lki_stream s = lki_stream_new(seed, LKI_STREAM_ENERGY, (uint64_t)i + (1ull << 41));
        double square = 0.0;
        for (int64_t j = 0; j < d; j++) {
            z[j] = lki_random_normal(&s);
            square += z[j] * z[j];
        }
        for (int64_t j = 0; j < d; j++) {
            u[j] = 0.0;
            for (int64_t k = 0; k <= j; k++) {
                u[j] += L[j * d + k] * z[k];
            }
        }
        weights[i] = energy_at(e, u, f) + 0.5 * ((double)d * LKI_LOG_2PI + square) + log_det;
        status = i % 4096 == 0 ? lki_cancelled(ctx) : LK_OK;
    }
    *log_z = lki_log_sum_exp(DRAWS, weights) - log((double)DRAWS);
    for (int64_t i = 0; i < DRAWS; i++) {
        const double w = exp(weights[i] - *log_z);
        sum += w;
        squares += w * w;
    }
    *effective = sum * sum / squares;
    *error = sqrt(fmax(squares / DRAWS - 1.0, 0.0) / DRAWS);
    lki_release(ctx, weights);
    return status;
}

lk_status lki_energy_normalize(lk_context *ctx, const lki_energy *e, const double *L, const double *W, uint64_t seed, double *log_z, double *error,
                               double *effective, const char **problem)
{
    double *f;
    *problem = NULL;
    *error = 0.0;
    *effective = (double)INFINITY;
    if (e->degree == 2) {
        return closed_form(ctx, e, log_z, problem);
    }
    LKI_TRY(lki_allocate(ctx, (size_t)(e->terms + e->d), sizeof *f, &f));
    lk_status status = LK_OK;
    if (!falls(e, seed, f + e->terms, f)) {
        *problem = "the energy has no finite integral: its terms of degree 4 grow in some direction";
    } else {
        status = e->d == 1 ? quadrature(ctx, e, f, log_z) : importance(ctx, e, L, W, seed, f, log_z, error, effective);
    }
    lki_release(ctx, f);
    return status;
}
