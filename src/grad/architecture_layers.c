/* Layers that nets share: parameters, dense layers, norms, embeddings of time. */
#include "grad/architecture.h"

#include <math.h>
#include <string.h>

lk_node lki_net_parameter(lki_builder *b, int axes, const int64_t *shape, double spread, double constant)
{
    if (b->collecting == NULL) {
        return b->next < b->net->count ? b->parameters[b->next++] : -1;
    }
    lk_net *net = b->collecting;
    lk_node p = lk_graph_parameter(b->g, axes, shape);
    if (p < 0) {
        return -1;
    }
    lk_status status = lki_grow(b->g->building, &net->leaves, &net->capacity, (size_t)net->count + 1, sizeof *net->leaves);
    if (status != LK_OK) {
        lki_graph_mistake(b->g, "%s", lk_status_text(status));
        b->g->status = status;
        return -1;
    }
    lki_net_leaf *leaf = &net->leaves[net->count++];
    *leaf = (lki_net_leaf){.axes = axes, .spread = spread, .constant = constant};
    memcpy(leaf->shape, shape, (size_t)axes * sizeof *shape);
    return p;
}

int64_t lki_net_last(const lki_builder *b, lk_node x)
{
    int64_t shape[LK_AXES_MAX];
    int axes = lk_graph_shape(b->g, x, shape);
    return axes > 0 ? shape[axes - 1] : 1;
}

lk_node lki_net_dense(lki_builder *b, lk_node x, int64_t to, double gain)
{
    const int64_t shape[2] = {lki_net_last(b, x), to};
    lk_node w = lki_net_parameter(b, 2, shape, sqrt(gain / (double)shape[0]), 0), bias = lki_net_parameter(b, 1, &to, 0, 0);
    return lk_graph_binary(b->g, LK_ADD, lk_graph_matmul(b->g, x, w), bias);
}

lk_node lki_net_activate(lki_builder *b, lk_node x)
{
    static const lk_unary functions[] = {LK_SILU, LK_RELU, LK_TANH, LK_GELU, LK_SOFTPLUS};
    return lk_graph_unary(b->g, functions[lki_net_value(b->net, "activation")], x);
}

lk_node lki_net_layer_norm(lki_builder *b, lk_node x)
{
    const int64_t width = lki_net_last(b, x);
    lk_node gain = lki_net_parameter(b, 1, &width, 0, 1), bias = lki_net_parameter(b, 1, &width, 0, 0);
    return lk_graph_binary(b->g, LK_ADD, lk_graph_binary(b->g, LK_MULTIPLY, lk_graph_layer_norm(b->g, x, 1e-5), gain), bias);
}

lk_node lki_net_count_up(lk_graph *g, int64_t n)
{
    return lk_graph_affine(g, lk_graph_cumulative_sum(g, lk_graph_expand(g, lk_graph_constant(g, 1), 1, &n)), 1, -1);
}

/* Sines and cosines of 1000 t at frequencies from 1 down to 1 / 10000 (Vaswani et al. 2017, arXiv:1706.03762, section 3.5). */
lk_node lki_net_time(lki_builder *b, lk_node t, int64_t width)
{
    const int64_t half = 16;
    lk_graph *g = b->g;
    lk_node frequency = lk_graph_unary(g, LK_EXP, lk_graph_affine(g, lki_net_count_up(g, half), -log(10000) / (double)half, log(1000)));
    lk_node angle = lk_graph_binary(g, LK_MULTIPLY, t, frequency);
    lk_node wave = lk_graph_concat(g, lk_graph_unary(g, LK_SIN, angle), lk_graph_unary(g, LK_COS, angle), 1);
    return lki_net_activate(b, lki_net_dense(b, wave, width, 2));
}
