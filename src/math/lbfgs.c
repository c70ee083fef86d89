/* Limited-memory BFGS: a two-loop recursion for the direction, bisection for the step. */
#include "lbfgs.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { PAIRS = 10, TRIALS = 60 };

typedef struct memory {
    int64_t n, count; /* pairs so far; pair i stands at i % PAIRS */
    double *s, *y;    /* PAIRS x n */
    double inverse[PAIRS]; /* 1 / s'y */
    double past[PAIRS];    /* values of the last steps, by step % PAIRS */
} memory;

static double dot(int64_t n, const double *a, const double *b)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += a[i] * b[i];
    }
    return sum;
}

static double largest(int64_t n, const double *a)
{
    double most = 0.0;
    for (int64_t i = 0; i < n; i++) {
        most = fmax(most, fabs(a[i]));
    }
    return most;
}

/* direction = - H gradient. */
static void direct(const memory *m, const double *gradient, double *direction)
{
    const int64_t n = m->n, first = m->count > PAIRS ? m->count - PAIRS : 0;
    double a[PAIRS];
    for (int64_t i = 0; i < n; i++) {
        direction[i] = -gradient[i];
    }
    for (int64_t p = m->count - 1; p >= first; p--) {
        const int64_t k = p % PAIRS;
        a[k] = m->inverse[k] * dot(n, m->s + k * n, direction);
        for (int64_t i = 0; i < n; i++) {
            direction[i] -= a[k] * m->y[k * n + i];
        }
    }
    if (m->count > 0) {
        const int64_t k = (m->count - 1) % PAIRS;
        const double scale = 1.0 / (m->inverse[k] * dot(n, m->y + k * n, m->y + k * n));
        for (int64_t i = 0; i < n; i++) {
            direction[i] *= scale;
        }
    }
    for (int64_t p = first; p < m->count; p++) {
        const int64_t k = p % PAIRS;
        const double b = m->inverse[k] * dot(n, m->y + k * n, direction);
        for (int64_t i = 0; i < n; i++) {
            direction[i] += (a[k] - b) * m->s[k * n + i];
        }
    }
}

/* A pair that is not positive in curvature says nothing. */
static void remember(memory *m, const double *old_x, const double *x, const double *old_gradient, const double *gradient)
{
    const int64_t n = m->n, k = m->count % PAIRS;
    double *s = m->s + k * n, *y = m->y + k * n;
    for (int64_t i = 0; i < n; i++) {
        s[i] = x[i] - old_x[i];
        y[i] = gradient[i] - old_gradient[i];
    }
    const double curvature = dot(n, s, y);
    if (curvature > DBL_EPSILON * dot(n, y, y)) {
        m->inverse[k] = 1.0 / curvature;
        m->count++;
    }
}

typedef struct point {
    double *x, *gradient, value;
} point;

/* A step along the direction to where the value fell enough and the slope rose enough; *moved = false where there is none. */
static lk_status search(lk_context *ctx, const lki_descent *d, const point *from, const double *direction, double step, point *to,
                        bool *moved)
{
    const double slope = dot(d->n, from->gradient, direction);
    double low = 0.0, high = (double)INFINITY;
    *moved = false;
    for (int trial = 0; trial < TRIALS; trial++) {
        for (int64_t i = 0; i < d->n; i++) {
            to->x[i] = from->x[i] + step * direction[i];
        }
        LKI_TRY(d->objective(ctx, d->state, to->x, &to->value, to->gradient));
        const double there = dot(d->n, to->gradient, direction);
        if (!isfinite(to->value) || !isfinite(there) || to->value > from->value + 1e-4 * step * slope) {
            high = step;
        } else if (there < 0.9 * slope) {
            low = step;
        } else {
            *moved = true;
            return LK_OK;
        }
        step = isfinite(high) ? 0.5 * (low + high) : 2.0 * low;
    }
    /* Bisected to nothing, or forever downhill: what fell is kept if it fell. */
    *moved = isfinite(to->value) && to->value < from->value;
    return LK_OK;
}

static lk_status descend(lk_context *ctx, const lki_descent *d, memory *m, point *now, point *next, double *direction, lki_minimum *out)
{
    const int64_t n = d->n;
    LKI_TRY(d->objective(ctx, d->state, now->x, &now->value, now->gradient));
    if (!isfinite(now->value) || !isfinite(largest(n, now->gradient))) {
        return lki_fail(ctx, LK_ERROR_NUMERIC, "the objective is not finite where the descent begins");
    }
    for (out->iterations = 0;; out->iterations++) {
        out->value = now->value;
        out->slope = largest(n, now->gradient);
        double *past = &m->past[out->iterations % PAIRS];
        out->converged = out->slope <= d->tolerance * fmax(1.0, fabs(now->value)) ||
                         (d->fall > 0.0 && out->iterations >= PAIRS && *past - now->value <= d->fall);
        *past = now->value;
        if (out->converged || out->iterations == d->max_iter) {
            return LK_OK;
        }
        LKI_TRY(lki_cancelled(ctx));
        direct(m, now->gradient, direction);
        if (!(dot(n, now->gradient, direction) < 0.0)) {
            m->count = 0;
            direct(m, now->gradient, direction);
        }
        bool moved;
        const double first = m->count > 0 ? 1.0 : fmin(1.0, 1.0 / sqrt(dot(n, now->gradient, now->gradient)));
        LKI_TRY(search(ctx, d, now, direction, first, next, &moved));
        if (!moved && m->count == 0) {
            out->converged = out->slope <= sqrt(d->tolerance) * fmax(1.0, fabs(now->value));
            return LK_OK;
        }
        if (!moved) {
            m->count = 0;
            continue;
        }
        remember(m, now->x, next->x, now->gradient, next->gradient);
        const point old = *now;
        *now = *next;
        *next = old;
        if (d->stage != NULL) {
            lki_progress(ctx, d->stage, (double)out->iterations, (double)d->max_iter, "");
        }
    }
}

lk_status lki_minimize(lk_context *ctx, const lki_descent *d, double *x, lki_minimum *out)
{
    double *work;
    const size_t n = (size_t)d->n;
    LKI_TRY(lki_zeros(ctx, lki_product(n, 2 * PAIRS + 5), sizeof *work, &work));
    memory m = {.n = d->n, .s = work, .y = work + PAIRS * n};
    double *rest = work + 2 * PAIRS * n;
    point now = {.x = rest, .gradient = rest + n}, next = {.x = rest + 2 * n, .gradient = rest + 3 * n};
    lki_minimum found = {0};
    memcpy(now.x, x, n * sizeof *x);
    lk_status status = descend(ctx, d, &m, &now, &next, rest + 4 * n, &found);
    if (status == LK_OK) {
        memcpy(x, now.x, n * sizeof *x);
        *out = found;
    }
    lki_release(ctx, work);
    return status;
}
