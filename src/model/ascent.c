/* Ascent by Newton steps within a trust region. Directions in which the log density is convex are climbed by the size
 * of their curvature (Dauphin et al. 2014, Adv. Neural Inf. Process. Syst. 27), so that saddles repel; steps grow only
 * while the quadratic model is right (Nocedal and Wright 2006, chapter 4), so that an ascent stays in the basin where
 * it began. */
#include "model/ascent.h"
#include "math/cholesky.h"

#include <float.h>
#include <math.h>
#include <string.h>

lk_status lki_landscape_open(lk_context *ctx, const lk_model *model, const double *scale, lki_landscape *out)
{
    lki_landscape l = {.d = model->d};
    lk_status status = LK_OK;
    LKI_GOTO(status, failed, lki_oracle_open(ctx, model, NULL, &l.oracle));
    LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)l.d, sizeof *l.scale, &l.scale));
    memcpy(l.scale, scale, (size_t)l.d * sizeof *scale);
    if (model->transform != NULL && !lki_transform_affine(model->transform)) {
        l.curved = model->transform;
    }
    if (l.oracle.question.scale == NULL) { /* differences take their steps by it */
        LKI_GOTO(status, failed, lki_allocate(ctx, (size_t)l.d, sizeof *scale, &l.oracle.question.scale));
        memcpy(l.oracle.question.scale, scale, (size_t)l.d * sizeof *scale);
    }
    *out = l;
    return LK_OK;
failed:
    lki_landscape_close(ctx, &l);
    return status;
}

void lki_landscape_close(lk_context *ctx, lki_landscape *l)
{
    lki_oracle_close(ctx, &l->oracle);
    lki_release(ctx, l->scale);
    *l = (lki_landscape){0};
}

/* ---- value, gradient and second derivatives with the Jacobian of a curved transform ---- */

static lk_status landscape_value(lk_context *ctx, const lki_landscape *l, const double *z, double *slopes, double *out)
{
    int64_t d = l->d;
    LKI_TRY(lki_oracle_log_density(ctx, &l->oracle, z, 1, out));
    if (l->curved != NULL) {
        lki_transform_invert(l->curved, z, 1, slopes + d);
        lki_transform_log_slopes(l->curved, slopes + d, 1, slopes);
        for (int64_t j = 0; j < d; j++) {
            *out += slopes[j];
        }
    }
    return LK_OK;
}

/* d/dz of log p_z + log |dz/dx|: the gradient in x times dx/dz. */
static lk_status landscape_gradient(lk_context *ctx, void *state, const double *z, int64_t rows, double *out)
{
    const lki_landscape *l = state;
    int64_t d = l->d;
    LKI_TRY(lki_oracle_score(ctx, &l->oracle, z, rows, out));
    if (l->curved == NULL) {
        return LK_OK;
    }
    double *x;
    LKI_TRY(lki_allocate(ctx, 2, (size_t)d * sizeof *x, &x));
    double *slopes = x + d;
    for (int64_t i = 0; i < rows; i++) {
        lki_transform_invert(l->curved, z + i * d, 1, x);
        lki_transform_log_slopes(l->curved, x, 1, slopes);
        lki_transform_gradient(l->curved, x, 1, out + i * d);
        for (int64_t j = 0; j < d; j++) {
            out[i * d + j] *= exp(-slopes[j]);
        }
    }
    lki_release(ctx, x);
    return LK_OK;
}

lk_status lki_landscape_hessian(lk_context *ctx, const lki_landscape *l, const double *z, double *out)
{
    return l->curved == NULL ? lki_oracle_hessian(ctx, &l->oracle, z, 1, out)
                             : lki_derive_hessian(ctx, &l->oracle.question, landscape_gradient, (void *)l, z, 1, out);
}

/* ---- one ascent ---- */

/* At most so many steps; the first length of a step, and the longest, in spreads. */
enum { STEPS_MOST = 500, POLISHES_MOST = 6, KICKS_MOST = 3 };
#define RADIUS_FIRST 0.1
#define RADIUS_MOST 1e6
#define RADIUS_LEAST 1e-13
/* A step away from a saddle, in spreads. */
#define KICK 1e-3

typedef struct climb {
    const lki_landscape *l;
    double *z, *H;
    double *g, *vectors, *values, *along, *step, *trial, *slopes; /* d, d x d, d, d, d, d, 2 d */
    double value, decrement, top;                                 /* top: largest eigenvalue of the scaled H */
} climb;

size_t lki_ascent_work(int64_t d)
{
    return lki_product((size_t)d, (size_t)d + 8);
}

static climb climb_over(const lki_landscape *l, double *z, double *H, double *work)
{
    int64_t d = l->d;
    climb c = {.l = l, .z = z, .H = H, .g = work};
    c.values = c.g + d;
    c.along = c.values + d;
    c.step = c.along + d;
    c.trial = c.step + d;
    c.slopes = c.trial + d;
    c.vectors = c.slopes + 2 * d;
    return c;
}

/* Derivatives at z and the eigenvalues of S H S, S = diag(scale). Returns whether all is finite. */
static lk_status survey(lk_context *ctx, climb *c, bool *good)
{
    const lki_landscape *l = c->l;
    int64_t d = l->d;
    LKI_TRY(landscape_gradient(ctx, (void *)l, c->z, 1, c->g));
    LKI_TRY(lki_landscape_hessian(ctx, l, c->z, c->H));
    *good = true;
    for (int64_t i = 0; i < d * d; i++) {
        c->vectors[i] = c->H[i] * l->scale[i / d] * l->scale[i % d];
        *good = *good && isfinite(c->vectors[i]);
    }
    *good = *good && lki_symmetric_eigen(d, c->vectors, c->values, 1) == 0;
    double square = 0.0;
    for (int64_t k = 0; *good && k < d; k++) {
        double sum = 0.0;
        for (int64_t j = 0; j < d; j++) {
            sum += c->vectors[k * d + j] * c->g[j] * l->scale[j];
        }
        c->along[k] = sum;
        square += sum * sum / fmax(fabs(c->values[k]), DBL_MIN);
    }
    c->top = *good ? c->values[d - 1] : (double)NAN;
    c->decrement = sqrt(square);
    *good = *good && isfinite(square);
    return LK_OK;
}

/* The step with |S^-1 step| <= radius; returns the increase that the quadratic model promises. `bare`: Newton's step as
 * it is. */
static double propose(climb *c, double radius, bool bare)
{
    int64_t d = c->l->d;
    double length = 0.0, promise = 0.0, most = fmax(fabs(c->values[0]), fabs(c->values[d - 1]));
    for (int64_t k = 0; k < d; k++) {
        double s = c->along[k] / fmax(fabs(c->values[k]), 1e-14 * most + DBL_MIN);
        length += s * s;
    }
    length = sqrt(length);
    double share = !bare && length > radius ? radius / length : 1.0;
    memset(c->step, 0, (size_t)d * sizeof *c->step);
    for (int64_t k = 0; k < d; k++) {
        double s = share * c->along[k] / fmax(fabs(c->values[k]), 1e-14 * most + DBL_MIN);
        promise += s * (c->along[k] + 0.5 * c->values[k] * s);
        for (int64_t j = 0; j < d; j++) {
            c->step[j] += s * c->vectors[k * d + j] * c->l->scale[j];
        }
    }
    return promise;
}

static double step_length(const climb *c)
{
    double sum = 0.0;
    for (int64_t j = 0; j < c->l->d; j++) {
        sum += c->step[j] / c->l->scale[j] * (c->step[j] / c->l->scale[j]);
    }
    return sqrt(sum);
}

/* Off a saddle, along the direction that bends up most; its sign makes the largest entry positive. */
static void kick(climb *c)
{
    int64_t d = c->l->d, largest = 0;
    const double *v = c->vectors + (d - 1) * d;
    for (int64_t j = 1; j < d; j++) {
        largest = fabs(v[j]) > fabs(v[largest]) ? j : largest;
    }
    for (int64_t j = 0; j < d; j++) {
        c->z[j] += KICK * copysign(1.0, v[largest]) * v[j] * c->l->scale[j];
    }
}

/* Newton's own steps, whose gain is below the rounding of the log density, while they shorten the decrement. */
static lk_status polish(lk_context *ctx, climb *c)
{
    int64_t d = c->l->d;
    bool good = true;
    for (int turn = 0; turn < POLISHES_MOST && good; turn++) {
        double before = c->decrement;
        propose(c, 0.0, true);
        memcpy(c->trial, c->z, (size_t)d * sizeof *c->z);
        for (int64_t j = 0; j < d; j++) {
            c->z[j] += c->step[j];
        }
        LKI_TRY(survey(ctx, c, &good));
        if (!good || !(c->decrement < before) || !(c->top < 0.0)) {
            memcpy(c->z, c->trial, (size_t)d * sizeof *c->z);
            LKI_TRY(survey(ctx, c, &good));
            break;
        }
    }
    return LK_OK;
}

/* The largest eigenvalue of D H D with D scaling the diagonal to -1; of no maximum where a diagonal entry is not
 * negative. */
static double unit_curvature(climb *c)
{
    int64_t d = c->l->d;
    for (int64_t i = 0; i < d * d; i++) {
        c->vectors[i] = c->H[i] / sqrt(c->H[i / d * (d + 1)] * c->H[i % d * (d + 1)]);
        if (!(c->H[i / d * (d + 1)] < 0.0) || !isfinite(c->vectors[i])) {
            return (double)INFINITY;
        }
    }
    return lki_symmetric_eigen(d, c->vectors, c->values, 0) == 0 ? c->values[d - 1] : (double)NAN;
}

/* Up from z until the promised gain is below rounding at a maximum, or no step is found. */
static lk_status climb_up(lk_context *ctx, climb *c)
{
    int64_t d = c->l->d;
    double radius = RADIUS_FIRST;
    int kicks = 0;
    bool good;
    LKI_TRY(landscape_value(ctx, c->l, c->z, c->slopes, &c->value));
    LKI_TRY(survey(ctx, c, &good));
    for (int turn = 0; turn < STEPS_MOST && good && isfinite(c->value) && radius > RADIUS_LEAST; turn++) {
        double promise = propose(c, radius, false), value;
        if (promise <= 1e-14 * (1.0 + fabs(c->value))) {
            if (c->top < 0.0 || kicks == KICKS_MOST) {
                break;
            }
            kicks++;
            kick(c);
            radius = RADIUS_FIRST;
            LKI_TRY(landscape_value(ctx, c->l, c->z, c->slopes, &c->value));
            LKI_TRY(survey(ctx, c, &good));
            continue;
        }
        for (int64_t j = 0; j < d; j++) {
            c->trial[j] = c->z[j] + c->step[j];
        }
        LKI_TRY(landscape_value(ctx, c->l, c->trial, c->slopes, &value));
        double ratio = (value - c->value) / promise, length = step_length(c);
        if (!(ratio > 0.1)) {
            radius = 0.25 * length;
            continue;
        }
        if (ratio > 0.75 && ratio < 1.25 && length > 0.9 * radius) {
            radius = fmin(2.0 * radius, RADIUS_MOST);
        } else if (ratio < 0.5 || ratio > 2.0) {
            radius = 0.5 * length;
        }
        memcpy(c->z, c->trial, (size_t)d * sizeof *c->z);
        c->value = value;
        LKI_TRY(survey(ctx, c, &good));
    }
    return good && c->top < 0.0 && c->decrement < 1e-3 ? polish(ctx, c) : LK_OK;
}

lk_status lki_ascend(lk_context *ctx, const lki_landscape *l, double *z, double *H, double *work, lki_summit *out)
{
    climb c = climb_over(l, z, H, work);
    LKI_TRY(climb_up(ctx, &c));
    LKI_TRY(landscape_value(ctx, l, z, c.slopes, &out->log_density));
    out->decrement = c.decrement;
    out->curvature = unit_curvature(&c);
    out->certified = isfinite(out->log_density) && out->decrement <= LKI_DECREMENT_MOST && out->curvature < 0.0;
    return LK_OK;
}
