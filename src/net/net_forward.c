/* A net's answer to one row, in double precision and always in the same order. */
#include "net/net.h"

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

void lki_net_forward(const lki_net_shape *shape, const double *weights, const double *x, double *work, double *mean, double *sd)
{
    const double *w = weights, *in = x;
    double *next = work, *other = work + shape->width, out[2];
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
    w = affine(w, from, lki_net_outputs(shape), in, out);
    *mean = out[0];
    *sd = LKI_NET_LEAST_SD + softplus(shape->constant ? *w : out[1]);
}

double lki_net_log_density(double y, double mean, double sd)
{
    double z = (y - mean) / sd;
    return -0.5 * (z * z + LKI_LOG_2PI) - log(sd);
}
