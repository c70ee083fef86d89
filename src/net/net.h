/* A net that gives the distribution of one target given the other features: its shape, its weights, its answers. */
#ifndef LIKELY_NET_H
#define LIKELY_NET_H

#include "model/method.h"

/* Streams of a fit's random choices, beside those of core/philox.h. */
enum { LKI_STREAM_NET_SPLIT = 192, LKI_STREAM_NET_START, LKI_STREAM_NET_ORDER };

typedef enum lki_activation { LKI_NET_SILU, LKI_NET_RELU, LKI_NET_TANH, LKI_NET_GELU, LKI_NET_IDENTITY } lki_activation;

/* What the outputs say of the target. */
typedef enum lki_net_law { LKI_NET_NORMAL, LKI_NET_POISSON, LKI_NET_NEGATIVE_BINOMIAL, LKI_NET_CLASSES } lki_net_law;

/* What a net is, apart from its weights. */
typedef struct lki_net_shape {
    int64_t inputs;  /* may be 0: one distribution a member */
    int64_t layers, width;
    lki_activation activation;
    bool residual;   /* a layer adds to what it is given, from the second one on */
    lki_net_law law;
    int64_t classes; /* of LKI_NET_CLASSES; else 0 */
    bool constant;   /* one spread for all rows, where the law has a spread */
    int64_t members; /* nets that answer together, as a mixture of equal parts */
} lki_net_shape;

/* The raw numbers o that a member gives for a row, and what they say:
 *   normal              mean = o0, sd = T (LEAST + softplus(o1)), of the standardized target
 *   poisson             mean = exp(o0)
 *   negative_binomial   mean = exp(o0), variance = mean + (LEAST + softplus(o1)) mean^2
 *   classes             p(class k) = softmax(o / T)_k
 * T is the model's temperature. Weights of a member, in this order: for each layer W (from x to) and b (to); then W (from x outputs) and b
 * (outputs); then, where the spread is constant, its raw number. */
#define LKI_NET_LEAST_SPREAD 1e-3

typedef struct lki_net {
    lki_net_shape shape;
    double *shift, *scale; /* a column each: (x - shift) / scale is standardized; the last is the target's */
    double *weights;       /* members x lki_net_size() */
    double temperature;    /* 1 where none was fitted */
} lki_net;

int64_t lki_net_columns(const lki_net_shape *shape); /* features of the model: the inputs, and a target that is no class */
int64_t lki_net_raw(const lki_net_shape *shape);     /* numbers of a row: the outputs, and a constant spread */
int64_t lki_net_outputs(const lki_net_shape *shape);
int64_t lki_net_size(const lki_net_shape *shape);    /* weights of a member; -1 where they are too many */
lki_net_shape lki_net_shape_of(const lki_values *values, int64_t inputs, int64_t classes); /* classes = 0: a number is predicted */
lk_status lki_net_new(lk_context *ctx, const lki_net_shape *shape, lki_net **out) LK_NODISCARD;
void lki_net_free(const lki_memory *memory, void *state);

/* net_forward.c: the raw numbers of one row of standardized inputs. `work` has room for 2 x width. A row's answer does not depend on any
 * other. */
void lki_net_forward(const lki_net_shape *shape, const double *weights, const double *x, double *work, double *raw);
/* What raw numbers say of a target that is no class; of a normal law in standardized units. */
void lki_net_moments(const lki_net_shape *shape, double temperature, const double *raw, double *mean, double *sd);
/* log p of a target by mean and standard deviation in the same units. */
double lki_net_log_density(lki_net_law law, double y, double mean, double sd);
/* log p(class k) of all classes; may stand in place. */
void lki_net_log_classes(const lki_net_shape *shape, double temperature, const double *raw, double *out);
/* log of the mean of exp(terms). */
double lki_net_log_mean(const double *terms, int64_t count);
/* log p of the target by all members together: standardized inputs x, the target (standardized, a count or a class) behind them. `work` has
 * room for 2 x width + members + raw. */
double lki_net_log_row(const lki_net *net, const double *weights, int64_t members, double temperature, const double *x, double *work);

/* net_class.c: operations of a net that tells a class, and what it keeps in a file. */
extern const lki_operations lki_net_class_operations;
lk_status lki_net_info(lk_context *ctx, const void *state, json_t *info) LK_NODISCARD;
lk_status lki_net_save(lk_context *ctx, const void *state, lki_tensor *tensors, int *count) LK_NODISCARD;
/* classes = -1: as many as the weights have. */
lk_status lki_net_load(lk_context *ctx, const lki_values *values, int64_t d, int64_t classes, const lki_tensor *tensors, int count,
                       void **out) LK_NODISCARD;

/* net_fit.c */
lk_status lki_net_fit(lk_context *ctx, const lki_fit_task *task, void **state, lki_report *report) LK_NODISCARD;
/* net_temperature.c: the temperature at which the given rows (as lki_net_log_row(), `columns` apart) are most probable, and their mean log
 * probability there. */
typedef struct lki_net_rows {
    const double *values, *weights;
    int64_t columns;
    const int64_t *list; /* which of them */
    int64_t count;
} lki_net_rows;
lk_status lki_net_mean_log(lk_context *ctx, const lki_net *net, const double *weights, int64_t members, double temperature,
                           const lki_net_rows *rows, double *out) LK_NODISCARD;
lk_status lki_net_fit_temperature(lk_context *ctx, lki_net *net, const lki_net_rows *rows) LK_NODISCARD;

#endif
