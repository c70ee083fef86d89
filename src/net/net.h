/* A net that gives the distribution of one real target given the other features: its shape, its weights, its answers. */
#ifndef LIKELY_NET_H
#define LIKELY_NET_H

#include "model/method.h"

/* Streams of a fit's random choices, beside those of core/philox.h. */
enum { LKI_STREAM_NET_SPLIT = 192, LKI_STREAM_NET_START, LKI_STREAM_NET_ORDER };

typedef enum lki_activation { LKI_NET_SILU, LKI_NET_RELU, LKI_NET_TANH, LKI_NET_GELU, LKI_NET_IDENTITY } lki_activation;

/* What a net is, apart from its weights. */
typedef struct lki_net_shape {
    int64_t inputs;  /* may be 0: one normal distribution a member */
    int64_t layers, width;
    lki_activation activation;
    bool residual;   /* a layer adds to what it is given, from the second one on */
    bool constant;   /* one spread for all rows */
    int64_t members; /* nets that answer together, as a mixture of equal parts */
} lki_net_shape;

/* Weights of a member, in this order: for each layer W (from x to) and b (to); then, where the spread varies, W (from x 2) and b (2), else
 * W (from x 1), b (1) and the raw spread s (1). With standardized values, mean = first output and sd = LEAST + softplus(raw). */
#define LKI_NET_LEAST_SD 1e-3

typedef struct lki_net {
    lki_net_shape shape;
    double *shift, *scale; /* inputs + 1: (x - shift) / scale is standardized; the last is the target's */
    double *weights;       /* members x lki_net_size() */
} lki_net;

int64_t lki_net_outputs(const lki_net_shape *shape); /* 1 or 2 */
int64_t lki_net_size(const lki_net_shape *shape);    /* weights of a member; -1 where they are too many */
lki_net_shape lki_net_shape_of(const lki_values *values, int64_t inputs);
lk_status lki_net_new(lk_context *ctx, const lki_net_shape *shape, lki_net **out) LK_NODISCARD;
void lki_net_free(const lki_memory *memory, void *state);

/* net_forward.c: mean and standard deviation of the standardized target of one row of standardized inputs. `work` has room for
 * 2 x width. A row's answer does not depend on any other. */
void lki_net_forward(const lki_net_shape *shape, const double *weights, const double *x, double *work, double *mean, double *sd);
double lki_net_log_density(double y, double mean, double sd);

/* net_fit.c */
lk_status lki_net_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report) LK_NODISCARD;

#endif
