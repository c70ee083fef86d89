/* The U-Net for pictures: residual blocks at several sizes, each size joined to itself on the way back. */
#include "grad/architecture.h"

#include <math.h>

/* Ronneberger, Fischer and Brox 2015 (arXiv:1505.04597), with the residual blocks and the time of Ho, Jain and Abbeel 2020
 * (arXiv:2006.11239, appendix B): norm, activation, 3 x 3 convolution, twice. Sizes are halved by means of 2 x 2 and doubled by repeating. */

static lk_node convolve(lki_builder *b, lk_node x, int64_t to, double gain)
{
    const int64_t from = lki_net_last(b, x), shape[4] = {3, 3, from, to};
    lk_node w = lki_net_parameter(b, 4, shape, sqrt(gain / (9 * (double)from)), 0), bias = lki_net_parameter(b, 1, &to, 0, 0);
    return lk_graph_binary(b->g, LK_ADD, lk_graph_convolution(b->g, x, w, 1, 1, 1), bias);
}

static lk_node normed(lki_builder *b, lk_node x)
{
    const int64_t channels = lki_net_last(b, x);
    int64_t groups = 8;
    while (channels % groups != 0) {
        groups /= 2;
    }
    lk_node gain = lki_net_parameter(b, 1, &channels, 0, 1), bias = lki_net_parameter(b, 1, &channels, 0, 0);
    lk_node y = lk_graph_group_norm(b->g, x, groups, 1e-5);
    return lki_net_activate(b, lk_graph_binary(b->g, LK_ADD, lk_graph_binary(b->g, LK_MULTIPLY, y, gain), bias));
}

static lk_node block(lki_builder *b, lk_node x, lk_node time, int64_t to)
{
    lk_node h = convolve(b, normed(b, x), to, 2);
    if (time >= 0) {
        int64_t shape[LK_AXES_MAX] = {1};
        lk_graph_shape(b->g, h, shape);
        lk_node shift = lki_net_dense(b, time, to, 1);
        h = lk_graph_binary(b->g, LK_ADD, h, lk_graph_reshape(b->g, shift, 4, (const int64_t[4]){shape[0], 1, 1, to}));
    }
    h = convolve(b, normed(b, h), to, 0.1);
    return lk_graph_binary(b->g, LK_ADD, lki_net_last(b, x) == to ? x : lki_net_dense(b, x, to, 1), h);
}

enum { LEVELS_MOST = 6 };

static lk_node unet_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    const int64_t channels = lki_net_value(b->net, "channels"), levels = lki_net_value(b->net, "levels");
    const int64_t side = (int64_t)1 << (levels - 1);
    lk_node kept[LEVELS_MOST];
    (void)also;
    if (lki_net_value(b->net, "height") % side != 0 || lki_net_value(b->net, "width") % side != 0) {
        return lki_graph_mistake(b->g, "unet: %lld x %lld pixels cannot be halved %lld times", (long long)lki_net_value(b->net, "height"),
                                 (long long)lki_net_value(b->net, "width"), (long long)levels - 1);
    }
    lk_node time = second < 0 ? -1 : lki_net_time(b, second, 2 * channels), h = convolve(b, x, channels, 1);
    for (int64_t l = 0; l < levels; l++) {
        h = kept[l] = block(b, h, time, l == 0 ? channels : 2 * channels);
        h = l < levels - 1 ? lk_graph_halve(b->g, h) : h;
    }
    h = block(b, h, time, levels == 1 ? channels : 2 * channels);
    for (int64_t l = levels - 1; l >= 0; l--) {
        h = block(b, lk_graph_concat(b->g, h, kept[l], 3), time, l == 0 ? channels : 2 * channels);
        h = l > 0 ? lk_graph_double(b->g, h) : h;
    }
    return convolve(b, normed(b, h), lki_net_value(b->net, "outputs"), 0.1);
}

static int unet_shape(const lk_net *net, int which, int64_t *shape)
{
    if (which == 1) {
        shape[1] = 1;
        return lki_net_value(net, "time") ? 2 : 0;
    }
    shape[1] = lki_net_value(net, "height");
    shape[2] = lki_net_value(net, "width");
    shape[3] = lki_net_value(net, "inputs");
    return 4;
}

static const lki_net_option options[] = {
    {"inputs", 1, 1, 1 << 12, NULL},  {"outputs", 1, 1, 1 << 12, NULL},      {"height", 28, 1, 1 << 12, NULL}, {"width", 28, 1, 1 << 12, NULL},
    {"channels", 32, 1, 4096, NULL}, {"levels", 3, 1, LEVELS_MOST, NULL}, {"time", 1, 0, 1, NULL},          {"activation", 0, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_unet = {.name = "unet", .options = options, .option_count = 8, .shape = unet_shape, .build = unet_build};
