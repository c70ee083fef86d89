/* Reductions over segments of rows, and norms by groups: all made of other operations. */
#include "grad/graph.h"

#include <math.h>

/* ---- segments: rows that have the same number ---- */

lk_node lk_graph_segment_mean(lk_graph *g, lk_node x, lk_node index, int64_t segments)
{
    lk_node sum = lk_graph_scatter_add(g, x, index, segments);
    if (sum < 0) {
        return -1;
    }
    lk_node ones = lk_graph_expand(g, lk_graph_constant(g, 1), 2, (const int64_t[2]){g->nodes[index].shape[0], 1});
    lk_node count = lk_graph_scatter_add(g, ones, index, segments);
    return lk_graph_binary(g, LK_DIVIDE, sum, lk_graph_binary(g, LK_MAXIMUM, count, lk_graph_constant(g, 1)));
}

/* Each segment's own largest value is subtracted, as a constant. */
lk_node lk_graph_segment_softmax(lk_graph *g, lk_node x, lk_node index, int64_t segments)
{
    if (!lki_graph_has(g, "segment_softmax", x) || !lki_graph_has(g, "segment_softmax", index)) {
        return -1;
    }
    lk_node most = lk_graph_gather(g, lk_graph_stop(g, lk_graph_segment_max(g, x, index, segments)), index);
    lk_node part = lk_graph_unary(g, LK_EXP, lk_graph_binary(g, LK_SUBTRACT, x, most));
    return lk_graph_binary(g, LK_DIVIDE, part, lk_graph_gather(g, lk_graph_scatter_add(g, part, index, segments), index));
}

/* ---- norms ---- */

lk_node lk_graph_rms_norm(lk_graph *g, lk_node x, double epsilon)
{
    if (!lki_graph_has(g, "rms_norm", x)) {
        return -1;
    }
    if (g->nodes[x].axes < 1 || !(epsilon > 0.0) || !isfinite(epsilon)) {
        return lki_graph_mistake(g, "rms_norm: %d axes and epsilon %g; there is at least one axis, and epsilon is above 0", g->nodes[x].axes, epsilon);
    }
    lk_node mean = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, x), 1 << (g->nodes[x].axes - 1));
    return lk_graph_binary(g, LK_DIVIDE, x, lk_graph_unary(g, LK_SQRT, lk_graph_affine(g, mean, 1, epsilon)));
}

lk_node lk_graph_group_norm(lk_graph *g, lk_node x, int64_t groups, double epsilon)
{
    if (!lki_graph_has(g, "group_norm", x)) {
        return -1;
    }
    const lki_node shape = g->nodes[x];
    if (shape.axes < 2 || groups < 1 || shape.shape[shape.axes - 1] % groups != 0 || !(epsilon > 0.0) || !isfinite(epsilon)) {
        char s[96];
        return lki_graph_mistake(g, "group_norm: shape %s, %lld groups, epsilon %g; the last axis is cut into equal groups, epsilon is above 0",
                                 lki_shape_text(&shape, s, sizeof s), (long long)groups, epsilon);
    }
    const int64_t n = shape.shape[0], channels = shape.shape[shape.axes - 1], places = lki_node_count(&shape) / (n * channels);
    lk_node parts = lk_graph_reshape(g, x, 4, (const int64_t[4]){n, places, groups, channels / groups});
    lk_node centred = lk_graph_binary(g, LK_SUBTRACT, parts, lk_graph_mean(g, parts, 2 | 8));
    lk_node variance = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, centred), 2 | 8);
    lk_node normed = lk_graph_binary(g, LK_DIVIDE, centred, lk_graph_unary(g, LK_SQRT, lk_graph_affine(g, variance, 1, epsilon)));
    return lk_graph_reshape(g, normed, shape.axes, shape.shape);
}
