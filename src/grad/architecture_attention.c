/* The attention encoder: of sets, whose order does not matter, and of sequences. */
#include "grad/architecture.h"

/* h += W attention(norm(h)), h += W act(W norm(h)) (Vaswani et al. 2017, arXiv:1706.03762, norms first as in Xiong et al. 2020,
 * arXiv:2002.04745); without positions it treats a set (Lee et al. 2019, arXiv:1810.00825). */
static lk_node heads_of(lki_builder *b, lk_node x, int64_t heads)
{
    int64_t s[LK_AXES_MAX] = {1, 1, 1};
    lk_graph_shape(b->g, x, s);
    return lk_graph_reshape(b->g, x, 4, (const int64_t[4]){s[0], s[1], heads, s[2] / heads});
}

static lk_node attention_layer(lki_builder *b, lk_node h, lk_node mask, int causal)
{
    const int64_t width = lki_net_value(b->net, "width"), heads = lki_net_value(b->net, "heads");
    lk_node n = lki_net_layer_norm(b, h), part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = heads_of(b, lki_net_dense(b, n, width, 1), heads);
    }
    int64_t s[LK_AXES_MAX] = {1, 1};
    lk_graph_shape(b->g, h, s);
    lk_node seen = lk_graph_reshape(b->g, lk_graph_attention(b->g, part[0], part[1], part[2], mask, causal), 3, s);
    h = lk_graph_binary(b->g, LK_ADD, h, lki_net_dense(b, seen, width, 0.1));
    lk_node inner = lki_net_activate(b, lki_net_dense(b, lki_net_layer_norm(b, h), lki_net_value(b->net, "inner"), 2));
    return lk_graph_binary(b->g, LK_ADD, h, lki_net_dense(b, inner, width, 0.1));
}

/* The mean over the places that take part. */
static lk_node pooled(lki_builder *b, lk_node h, lk_node mask)
{
    int64_t s[LK_AXES_MAX] = {1, 1, 1};
    lk_graph_shape(b->g, h, s);
    if (mask < 0) {
        return lk_graph_reshape(b->g, lk_graph_mean(b->g, h, 2), 2, (const int64_t[2]){s[0], s[2]});
    }
    lk_node there = lk_graph_reshape(b->g, lk_graph_unary(b->g, LK_STEP, mask), 3, (const int64_t[3]){s[0], s[1], 1});
    lk_node count = lk_graph_binary(b->g, LK_MAXIMUM, lk_graph_sum(b->g, there, 2), lk_graph_constant(b->g, 1));
    lk_node sum = lk_graph_sum(b->g, lk_graph_binary(b->g, LK_MULTIPLY, h, there), 2);
    return lk_graph_reshape(b->g, lk_graph_binary(b->g, LK_DIVIDE, sum, count), 2, (const int64_t[2]){s[0], s[2]});
}

static lk_node attention_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    const int64_t width = lki_net_value(b->net, "width"), heads = lki_net_value(b->net, "heads"), places = lki_net_value(b->net, "places");
    (void)also;
    if (width % heads != 0) {
        return lki_graph_mistake(b->g, "attention: a width of %lld cannot be cut into %lld heads", (long long)width, (long long)heads);
    }
    lk_node h = lki_net_dense(b, x, width, 1);
    if (lki_net_value(b->net, "positions")) {
        h = lk_graph_binary(b->g, LK_ADD, h, lki_net_parameter(b, 2, (const int64_t[2]){places, width}, 0.1, 0));
    }
    for (int64_t l = 0; l < lki_net_value(b->net, "layers"); l++) {
        h = attention_layer(b, h, second, lki_net_value(b->net, "causal") != 0);
    }
    h = lki_net_layer_norm(b, h);
    h = lki_net_value(b->net, "pool") ? pooled(b, h, second) : h;
    return lki_net_dense(b, h, lki_net_value(b->net, "outputs"), 1);
}

static int attention_shape(const lk_net *net, int which, int64_t *shape)
{
    shape[1] = lki_net_value(net, "places");
    shape[2] = lki_net_value(net, "inputs");
    return which == 0 ? 3 : lki_net_value(net, "mask") ? 2 : 0;
}

static const lki_net_option options[] = {
    {"inputs", 0, 1, 1 << 20, NULL}, {"outputs", 1, 1, 1 << 20, NULL}, {"places", 0, 1, 1 << 20, NULL}, {"width", 64, 1, 1 << 14, NULL},
    {"heads", 4, 1, 1024, NULL},     {"inner", 128, 1, 1 << 16, NULL}, {"layers", 2, 1, 64, NULL},      {"positions", 0, 0, 1, NULL},
    {"causal", 0, 0, 1, NULL},       {"mask", 0, 0, 1, NULL},          {"pool", 0, 0, 1, NULL},         {"activation", 3, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_attention = {.name = "attention", .options = options, .option_count = 12, .shape = attention_shape, .build = attention_build};
