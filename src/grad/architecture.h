/* How nets are built: the options of a description, and parameters by turns. */
#ifndef LIKELY_ARCHITECTURE_H
#define LIKELY_ARCHITECTURE_H

#include "grad/graph.h"
#include <likely/nets.h>

enum { LKI_NET_OPTIONS = 16 };

typedef struct lki_net_option {
    const char *name;
    int64_t value, low, high; /* default and range; a range from high to low has no default */
    const char *words;        /* of a choice, "silu relu", numbered from 0; NULL: a whole number */
} lki_net_option;

/* A parameter's shape, and its start: normal of this spread, or `constant` where the spread is 0. */
typedef struct lki_net_leaf {
    int axes;
    int64_t shape[LK_AXES_MAX];
    double spread, constant;
} lki_net_leaf;

typedef struct lki_architecture lki_architecture;

struct lk_net {
    lki_memory memory;
    const lki_architecture *kind;
    int64_t values[LKI_NET_OPTIONS];
    lki_net_leaf *leaves;
    size_t capacity;
    int count;
    char *description;
};

/* One building of a net: its parameters come by turns, always in the same order. The first one collects their shapes. */
typedef struct lki_builder {
    lk_graph *g;
    const lk_net *net;
    lk_net *collecting; /* NULL after the first building */
    const lk_node *parameters;
    int next;
} lki_builder;

/* A kind of net. `second`: it takes a time or a mask. */
struct lki_architecture {
    const char *name;
    const lki_net_option *options;
    int option_count;
    int (*shape)(const lk_net *net, int which, int64_t *shape); /* axes and shape[1..] of an input; 0: there is none */
    lk_node (*build)(lki_builder *b, lk_node x, lk_node second, lk_node *also);
    lk_node (*invert)(lki_builder *b, lk_node z, lk_node *also); /* NULL: not to be inverted */
};

int64_t lki_net_value(const lk_net *net, const char *option);

/* architecture_layers.c */
lk_node lki_net_parameter(lki_builder *b, int axes, const int64_t *shape, double spread, double constant);
lk_node lki_net_dense(lki_builder *b, lk_node x, int64_t to, double gain); /* over the last axis; spread sqrt(gain / from) */
lk_node lki_net_activate(lki_builder *b, lk_node x);                      /* the option `activation` */
lk_node lki_net_layer_norm(lki_builder *b, lk_node x);                    /* with gain and bias */
lk_node lki_net_time(lki_builder *b, lk_node t, int64_t width);           /* rows x width of sines and cosines, through a layer */
lk_node lki_net_count_up(lk_graph *g, int64_t n);                         /* 0, 1, ..., n - 1 */
int64_t lki_net_last(const lki_builder *b, lk_node x);                    /* length of the last axis; 1 after a mistake */
#define LKI_ACTIVATIONS "silu relu tanh gelu softplus"

extern const lki_architecture lki_mlp, lki_residual, lki_convex, lki_autoregressive, lki_unet, lki_attention, lki_coupling, lki_experts;

#endif
