/* Nets of dense layers: plain, residual with time, convex in their input, and masked so that each output depends on what is before it. */
#include "grad/architecture.h"

#include <math.h>

static int rows_shape(const lk_net *net, int which, int64_t *shape)
{
    shape[1] = lki_net_value(net, "inputs");
    return which == 0 ? 2 : 0;
}

/* ---- mlp: layers of W x + b and an activation ---- */

static lk_node mlp_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    (void)second, (void)also;
    lk_node h = x;
    for (int64_t l = 0; l < lki_net_value(b->net, "layers"); l++) {
        h = lki_net_activate(b, lki_net_dense(b, h, lki_net_value(b->net, "width"), 2));
    }
    return lki_net_dense(b, h, lki_net_value(b->net, "outputs"), 1);
}

static const lki_net_option mlp_options[] = {
    {"inputs", 0, 1, 1 << 20, NULL}, {"outputs", 1, 1, 1 << 20, NULL}, {"width", 64, 1, 1 << 16, NULL},
    {"layers", 2, 0, 64, NULL},      {"activation", 0, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_mlp = {.name = "mlp", .options = mlp_options, .option_count = 5, .shape = rows_shape, .build = mlp_build};

/* ---- residual: h += W act(W norm(h) + time) (He et al. 2016, arXiv:1603.05027; Ho, Jain and Abbeel 2020, arXiv:2006.11239) ---- */

static int residual_shape(const lk_net *net, int which, int64_t *shape)
{
    shape[1] = which == 0 ? lki_net_value(net, "inputs") : 1;
    return which == 0 || lki_net_value(net, "time") ? 2 : 0;
}

static lk_node residual_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    const int64_t width = lki_net_value(b->net, "width");
    (void)also;
    lk_node time = second < 0 ? -1 : lki_net_time(b, second, width), h = lki_net_dense(b, x, width, 1);
    for (int64_t l = 0; l < lki_net_value(b->net, "layers"); l++) {
        lk_node inner = lki_net_dense(b, lki_net_layer_norm(b, h), width, 2);
        inner = time < 0 ? inner : lk_graph_binary(b->g, LK_ADD, inner, lki_net_dense(b, time, width, 1));
        h = lk_graph_binary(b->g, LK_ADD, h, lki_net_dense(b, lki_net_activate(b, inner), width, 0.1));
    }
    return lki_net_dense(b, lki_net_activate(b, h), lki_net_value(b->net, "outputs"), 1);
}

static const lki_net_option residual_options[] = {
    {"inputs", 0, 1, 1 << 20, NULL}, {"outputs", 1, 1, 1 << 20, NULL},          {"width", 64, 1, 1 << 16, NULL},
    {"layers", 3, 0, 64, NULL},      {"activation", 0, 0, 4, LKI_ACTIVATIONS}, {"time", 0, 0, 1, NULL},
};
const lki_architecture lki_residual = {.name = "residual", .options = residual_options, .option_count = 6, .shape = residual_shape,
                                       .build = residual_build};

/* ---- convex: z = softplus(z |U| + x W + b), with weights of z at least 0 (Amos, Xu and Kolter 2017, arXiv:1609.07152) ---- */

static lk_node nonnegative(lki_builder *b, lk_node z, int64_t to)
{
    const int64_t shape[2] = {lki_net_last(b, z), to};
    lk_node raw = lki_net_parameter(b, 2, shape, 0.5, -1);
    return lk_graph_affine(b->g, lk_graph_matmul(b->g, z, lk_graph_unary(b->g, LK_SOFTPLUS, raw)), 1 / (double)shape[0], 0);
}

static lk_node convex_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    const int64_t width = lki_net_value(b->net, "width"), layers = lki_net_value(b->net, "layers");
    lk_node z = -1;
    (void)second, (void)also;
    for (int64_t l = 0; l <= layers; l++) {
        const int64_t to = l < layers ? width : 1;
        lk_node next = lki_net_dense(b, x, to, 1);
        next = z < 0 ? next : lk_graph_binary(b->g, LK_ADD, next, nonnegative(b, z, to));
        z = l < layers ? lk_graph_unary(b->g, LK_SOFTPLUS, next) : next;
    }
    return z;
}

static const lki_net_option convex_options[] = {
    {"inputs", 0, 1, 1 << 20, NULL}, {"width", 64, 1, 1 << 16, NULL}, {"layers", 3, 1, 64, NULL},
};
const lki_architecture lki_convex = {.name = "convex", .options = convex_options, .option_count = 3, .shape = rows_shape, .build = convex_build};

/* ---- autoregressive: outputs of dimension i depend on dimensions before i (Germain et al. 2015, arXiv:1502.03509) ---- */

/* Hidden unit j sees dimensions 0..s_j with s_j = floor(j (d - 1) / width); sum of steps, so exact. */
static lk_node sight(lk_graph *g, int64_t width, int64_t d)
{
    lk_node at = lk_graph_affine(g, lki_net_count_up(g, width), (double)(d - 1), 0.5), sum = lk_graph_affine(g, at, 0, 0);
    for (int64_t m = 1; m < d - 1; m++) {
        sum = lk_graph_binary(g, LK_ADD, sum, lk_graph_unary(g, LK_STEP, lk_graph_affine(g, at, 1, -(double)(m * width))));
    }
    return sum;
}

/* x times a matrix that is 0 where mask is. */
static lk_node masked(lki_builder *b, lk_node x, lk_node mask, int64_t to, double gain)
{
    const int64_t shape[2] = {lki_net_last(b, x), to};
    lk_node w = lki_net_parameter(b, 2, shape, sqrt(gain / (double)shape[0]), 0), bias = lki_net_parameter(b, 1, &to, 0, 0);
    return lk_graph_binary(b->g, LK_ADD, lk_graph_matmul(b->g, x, lk_graph_binary(b->g, LK_MULTIPLY, w, mask)), bias);
}

/* Not smaller than: 1 where a >= b, whole numbers. */
static lk_node at_least(lk_graph *g, lk_node a, lk_node b)
{
    return lk_graph_binary(g, LK_GREATER, lk_graph_affine(g, a, 1, 0.5), b);
}

static lk_node autoregressive_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    lk_graph *g = b->g;
    const int64_t d = lki_net_value(b->net, "inputs"), width = lki_net_value(b->net, "width"), outputs = lki_net_value(b->net, "outputs");
    (void)second, (void)also;
    lk_node seen = sight(g, width, d), column = lk_graph_reshape(g, seen, 2, (const int64_t[2]){width, 1});
    lk_node place = lki_net_count_up(g, d), before = lk_graph_reshape(g, place, 2, (const int64_t[2]){d, 1}), h = x;
    for (int64_t l = 0; l < lki_net_value(b->net, "layers"); l++) {
        lk_node mask = l == 0 ? at_least(g, seen, before) : at_least(g, seen, column);
        h = lki_net_activate(b, masked(b, h, mask, width, 2));
    }
    /* Output (i, o) takes units that see less than i: (width, d, outputs) flat. */
    lk_node late = lk_graph_binary(g, LK_GREATER, place, column);
    lk_node wide = lk_graph_expand(g, lk_graph_reshape(g, late, 3, (const int64_t[3]){width, d, 1}), 3, (const int64_t[3]){width, d, outputs});
    lk_node y = masked(b, h, lk_graph_reshape(g, wide, 2, (const int64_t[2]){width, d * outputs}), d * outputs, 0.1);
    int64_t shape[LK_AXES_MAX] = {1};
    lk_graph_shape(g, y, shape);
    return lk_graph_reshape(g, y, 3, (const int64_t[3]){shape[0], d, outputs});
}

static const lki_net_option autoregressive_options[] = {
    {"inputs", 0, 1, 1 << 12, NULL}, {"outputs", 2, 1, 1 << 12, NULL},         {"width", 64, 1, 1 << 16, NULL},
    {"layers", 2, 1, 64, NULL},      {"activation", 0, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_autoregressive = {.name = "autoregressive", .options = autoregressive_options, .option_count = 5, .shape = rows_shape,
                                             .build = autoregressive_build};
