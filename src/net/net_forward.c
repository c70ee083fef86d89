/* A net's answer to one row, in double precision and always in the same order. */
#include "net/net.h"

#include "math/count_law.h"
#include "math/elementary.h"
#include "math/special.h"
#include <math.h>
#include <string.h>

static double activate(lki_activation f, double x)
{
    switch (f) {
    case LKI_NET_SILU:
        return x / (1.0 + exp(-x));
    case LKI_NET_RELU:
        return x > 0.0 ? x : 0.0;
    case LKI_NET_TANH:
        return tanh(x);
    case LKI_NET_GELU:
        return 0.5 * x * (1.0 + erf(x * M_SQRT1_2));
    case LKI_NET_IDENTITY:
        break;
    }
    return x;
}

static double softplus(double x)
{
    return fmax(x, 0.0) + log1p(exp(-fabs(x)));
}

/* out = x W + b; returns what follows b. */
static const double *affine(const double *w, int64_t from, int64_t to, const double *x, double *out)
{
    memcpy(out, w + from * to, (size_t)to * sizeof *out);
    for (int64_t i = 0; i < from; i++) {
        const double *row = w + i * to;
        for (int64_t j = 0; j < to; j++) {
            out[j] += x[i] * row[j];
        }
    }
    return w + (from + 1) * to;
}

void lki_net_forward(const lki_net_shape *shape, const double *weights, const double *x, double *work, double *raw)
{
    const double *w = weights, *in = x;
    double *next = work, *other = work + shape->width;
    int64_t from = shape->inputs;
    for (int64_t l = 0; l < shape->layers; l++) {
        w = affine(w, from, shape->width, in, next);
        for (int64_t j = 0; j < shape->width; j++) {
            next[j] = activate(shape->activation, next[j]) + (shape->residual && l > 0 ? in[j] : 0.0);
        }
        in = next;
        next = other;
        other = next == work ? work + shape->width : work;
        from = shape->width;
    }
    w = affine(w, from, lki_net_outputs(shape), in, raw);
    if (lki_net_raw(shape) > lki_net_outputs(shape)) {
        raw[1] = *w;
    }
}

void lki_net_moments(const lki_net_shape *shape, double temperature, const double *raw, double *mean, double *sd)
{
    if (shape->law == LKI_NET_NORMAL) {
        *mean = raw[0];
        *sd = temperature * (LKI_NET_LEAST_SPREAD + softplus(raw[1]));
        return;
    }
    const double m = fmin(fmax(exp(raw[0]), 1e-150), 1e150);
    *mean = m;
    *sd = sqrt(shape->law == LKI_NET_POISSON ? m : m + (LKI_NET_LEAST_SPREAD + softplus(raw[1])) * m * m);
}

double lki_net_log_density(lki_net_law law, double y, double mean, double sd)
{
    if (law == LKI_NET_NORMAL) {
        double z = (y - mean) / sd;
        return -0.5 * (z * z + LKI_LOG_2PI) - log(sd);
    }
    return y >= 0.0 && y == floor(y) ? lki_count_log_density(y, mean, sd) : -(double)INFINITY;
}

void lki_net_log_classes(const lki_net_shape *shape, double temperature, const double *raw, double *out)
{
    for (int64_t k = 0; k < shape->classes; k++) {
        out[k] = raw[k] / temperature;
    }
    const double all = lki_log_sum_exp(shape->classes, out);
    for (int64_t k = 0; k < shape->classes; k++) {
        out[k] -= all;
    }
}

double lki_net_log_mean(const double *terms, int64_t count)
{
    return lki_log_sum_exp(count, terms) - log((double)count);
}

double lki_net_log_row(const lki_net *net, const double *weights, int64_t members, double temperature, const double *x, double *work)
{
    const lki_net_shape *s = &net->shape;
    const double y = x[s->inputs];
    double *terms = work + 2 * s->width, *raw = terms + members;
    for (int64_t m = 0; m < members; m++) {
        lki_net_forward(s, weights + m * lki_net_size(s), x, work, raw);
        if (s->law == LKI_NET_CLASSES) {
            lki_net_log_classes(s, temperature, raw, raw);
            terms[m] = raw[(int64_t)y];
        } else {
            double mean, sd;
            lki_net_moments(s, temperature, raw, &mean, &sd);
            terms[m] = lki_net_log_density(s->law, y, mean, sd);
        }
    }
    return lki_net_log_mean(terms, members);
}
