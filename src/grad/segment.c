/* Reductions over segments of rows, and the norm by root mean squares: made of other operations. */
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
