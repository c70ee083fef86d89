/* Mean and variance, in the data's units, of a feature that is normal or uniform in transformed units. */
#include "math/special.h"
#include "transform_impl.h"

#include <float.h>
#include <math.h>

/* x = shift + slope y for the standardizing steps below `count`, undone from the last to the first. */
static void undo_standardize(const lki_chain *c, int from, int count, double *shift, double *slope)
{
    *shift = 0.0;
    *slope = 1.0;
    for (int i = count - 1; i >= from; i--) {
        if (c->steps[i].kind == LKI_STEP_STANDARDIZE) {
            *shift = c->steps[i].a + c->steps[i].b * *shift;
            *slope *= c->steps[i].b;
        }
    }
}

static bool is_linear(const lki_step *s)
{
    return s->kind == LKI_STEP_STANDARDIZE || s->kind == LKI_STEP_IDENTITY;
}

bool lki_transform_units(const lki_transform *t, int64_t feature, double *location, double *scale)
{
    const lki_chain *c = &t->chains[feature];
    for (int i = 0; i < c->count; i++) {
        if (!is_linear(&c->steps[i])) {
            return false;
        }
    }
    undo_standardize(c, 0, c->count, location, scale);
    return true;
}

/* Of y = z |z|, z ~ N(m, s^2); beyond 9 standard deviations from 0 the sign is certain and y is z^2. */
static void signed_square(double m, double s, double *mean, double *variance)
{
    double t = m / s, square = m * m + s * s;
    if (fabs(t) > 9.0) {
        *mean = copysign(square, m);
        *variance = s * s * (4.0 * m * m + 2.0 * s * s);
        return;
    }
    *mean = square * (2.0 * lki_normal_cdf(t) - 1.0) + 2.0 * m * s * exp(-0.5 * (t * t + LKI_LOG_2PI));
    *variance = fmax(m * m * m * m + 6.0 * m * m * s * s + 3.0 * s * s * s * s - *mean * *mean, 0.0);
}

/* The trapezoidal rule on u in [-reach, reach] of g(mean + sd u) phi(u) with g = (x - shift)^power: for analytic g it converges as
 * exp(-2 pi a / step), a being the distance of the nearest pole (Trefethen and Weideman 2014). Where the largest term lies more than
 * 20 standard deviations out or x is beyond numbers, the integrand grows again: inf. */
static double quadrature(const lki_chain *c, int count, double mean, double sd, double step, double reach, double shift, int power)
{
    int64_t steps = (int64_t)ceil(reach / step);
    double total = 0.0, sum = 0.0, most = 0.0, place = 0.0;
    for (int64_t i = -steps; i <= steps; i++) {
        double u = (double)i * step, weight = exp(-0.5 * u * u), x = lki_chain_invert(c, count, mean + sd * u) - shift;
        double term = fabs(x) < 0.5 * DBL_MAX ? weight * x * (power == 2 ? x : 1.0) : (double)INFINITY;
        total += weight;
        sum += term;
        if (!(fabs(term) <= most)) {
            most = fabs(term);
            place = fabs(u);
        }
    }
    return !isfinite(sum) || place > 20.0 ? (double)INFINITY : sum / total;
}

static void integrate(const lki_chain *c, int count, double mean, double sd, double step, double reach, double *m, double *v)
{
    *m = quadrature(c, count, mean, sd, step, reach, 0.0, 1);
    *v = isfinite(*m) ? quadrature(c, count, mean, sd, step, reach, *m, 2) : (double)INFINITY;
}

void lki_transform_moments(const lki_transform *t, int64_t feature, double mean, double sd, double *m, double *v)
{
    const lki_chain *c = &t->chains[feature];
    int last = c->count;
    while (last > 0 && is_linear(&c->steps[last - 1])) {
        last--;
    }
    double shift, slope, omega;
    undo_standardize(c, last, c->count, &shift, &slope);
    mean = shift + slope * mean;
    sd *= slope;
    *m = mean;
    *v = sd * sd;
    if (last == 0) {
        return;
    }
    int other = last - 1;
    while (other > 0 && is_linear(&c->steps[other - 1])) {
        other--;
    }
    lki_step_kind kind = other == 0 ? c->steps[last - 1].kind : LKI_STEP_IDENTITY;
    switch (kind) {
    case LKI_STEP_LOG:
        *m = exp(mean + 0.5 * sd * sd);
        *v = *m * *m * expm1(sd * sd);
        break;
    case LKI_STEP_ASINH: /* Johnson's SU distribution (Johnson 1949) */
        omega = exp(sd * sd);
        *m = sinh(mean) * sqrt(omega);
        *v = 0.5 * expm1(sd * sd) * (omega * cosh(2.0 * mean) + 1.0);
        break;
    case LKI_STEP_SQRT:
        signed_square(mean, sd, m, v);
        break;
    case LKI_STEP_LOGIT: /* poles pi / sd away */
        integrate(c, last, mean, sd, fmin(0.5, 0.5 / sd), 9.0, m, v);
        return;
    case LKI_STEP_IDENTITY:
    case LKI_STEP_STANDARDIZE:
        integrate(c, last, mean, sd, 1.0 / 16.0, 38.0, m, v);
        return;
    }
    undo_standardize(c, 0, last - 1, &shift, &slope);
    *m = shift + slope * *m;
    *v *= slope * slope;
}

/* The sum over [low, high] of (x - shift)^power by 32 panels of Gauss-Legendre's rule of 8 points, divided by their width in all. */
static double uniform_moment(const lki_chain *c, double low, double high, double shift, int power)
{
    static const double nodes[4] = {0.18343464249564980, 0.52553240991632899, 0.79666647741362674, 0.96028985649753623};
    static const double weights[4] = {0.36268378337836198, 0.31370664587788729, 0.22238103445337447, 0.10122853629037626};
    enum { PANELS = 32 };
    const double half = 0.5 * (high - low) / PANELS;
    double sum = 0.0;
    for (int panel = 0; panel < PANELS; panel++) {
        const double middle = low + (2 * panel + 1) * half;
        for (int i = 0; i < 8; i++) {
            const double z = middle + (i < 4 ? -half : half) * nodes[i % 4];
            const double x = lki_chain_invert(c, c->count, z) - shift;
            sum += weights[i % 4] * x * (power == 2 ? x : 1.0);
        }
    }
    return sum / (2.0 * PANELS);
}

void lki_transform_uniform_moments(const lki_transform *t, int64_t feature, double low, double high, double *m, double *v)
{
    const lki_chain *c = &t->chains[feature];
    /* A square root's inverse z |z| bends at 0: there the interval is cut. */
    double cut = low, shift, slope;
    int i = c->count - 1;
    while (i >= 0 && is_linear(&c->steps[i])) {
        i--;
    }
    if (i >= 0 && c->steps[i].kind == LKI_STEP_SQRT) {
        undo_standardize(c, i, c->count, &shift, &slope);
        cut = fmin(fmax(-shift / slope, low), high);
    }
    const double share = (cut - low) / (high - low);
    *m = (1.0 - share) * uniform_moment(c, cut, high, 0.0, 1);
    *m += share > 0.0 ? share * uniform_moment(c, low, cut, 0.0, 1) : 0.0;
    *v = (1.0 - share) * uniform_moment(c, cut, high, *m, 2);
    *v += share > 0.0 ? share * uniform_moment(c, low, cut, *m, 2) : 0.0;
}
