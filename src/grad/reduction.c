/* Sums and largest values over axes, and what is made of them: means, log-sum-exp, softmax, layer norm. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <math.h>
#include <string.h>

/* A node reduces one axis; whole[0] is it. What lies before it is `outer`, behind it `inner`. */
static int64_t inner_of(const lki_node *x, int axis)
{
    int64_t inner = 1;
    for (int i = axis + 1; i < x->axes; i++) {
        inner *= x->shape[i];
    }
    return inner;
}

/* Along the first axis the units are columns, so that threads can share the work. */
static int64_t reduce_units(const lk_graph *g, const lki_node *node)
{
    return node->whole[0] == 0 ? inner_of(&g->nodes[node->in[0]], 0) : node->shape[0];
}

static bool reduce_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)input;
    return node->whole[0] != 0;
}

static double reduce_work(const lk_graph *g, const lki_node *node)
{
    return (double)lki_node_count(&g->nodes[node->in[0]]);
}

static lk_status reduce_run(const lki_work *w)
{
    const lki_node *node = w->node, *x = &w->graph->nodes[node->in[0]];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const int axis = (int)node->whole[0];
    const bool sum = node->op == LKI_OP_SUM;
    const size_t bytes = w->graph->bytes;
    const int64_t inner = inner_of(x, axis), length = x->shape[axis];
    if (axis == 0) {
        const char *from = x->data + (size_t)w->first * bytes;
        char *to = node->data + (size_t)w->first * bytes;
        if (inner == 1) {
            (sum ? k->row_sum : k->row_max)(length, from, to);
        } else {
            (sum ? k->column_sum : k->column_max)(length, inner, w->last - w->first, from, to);
        }
        return LK_OK;
    }
    int64_t outer = w->last - w->first;
    for (int i = 1; i < axis; i++) {
        outer *= x->shape[i];
    }
    const char *from = lki_node_at(w->graph, x, w->first);
    char *to = node->data + (size_t)(w->first * node->stride[0]) * bytes;
    for (int64_t o = 0; o < outer; o++, from += (size_t)(length * inner) * bytes, to += (size_t)inner * bytes) {
        if (inner == 1) {
            (sum ? k->row_sum : k->row_max)(length, from, to);
        } else {
            (sum ? k->column_sum : k->column_max)(length, inner, inner, from, to);
        }
    }
    return LK_OK;
}

static lk_node reduce_axis(lk_graph *g, lki_op_code op, lk_node x, int axis)
{
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    lki_node node = {.op = op, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes, .whole = {axis}};
    memcpy(node.shape, g->nodes[x].shape, sizeof node.shape);
    node.shape[axis] = 1;
    return lki_graph_node(g, &node);
}

/* One axis after the other, from the last: rows first, so that only the rest is across rows. */
static lk_node reduce(lk_graph *g, lki_op_code op, lk_node x, int axes)
{
    const char *name = lki_ops[op]->name;
    if (!lki_graph_has(g, name, x)) {
        return -1;
    }
    int all = g->nodes[x].axes;
    if (axes != -1 && (axes < 1 || axes >= 1 << all)) {
        return lki_graph_mistake(g, "%s: the set of axes is %d; it is -1, or the sum of 1 << axis of some of the %d axes", name, axes, all);
    }
    for (int axis = all - 1; axis >= 0; axis--) {
        if ((axes == -1 || (axes >> axis & 1) != 0) && x >= 0 && g->nodes[x].shape[axis] > 1) {
            x = reduce_axis(g, op, x, axis);
        }
    }
    return axes == -1 && x >= 0 ? lk_graph_reshape(g, x, 0, NULL) : x;
}

lk_node lk_graph_sum(lk_graph *g, lk_node x, int axes)
{
    return reduce(g, LKI_OP_SUM, x, axes);
}

lk_node lk_graph_max(lk_graph *g, lk_node x, int axes)
{
    return reduce(g, LKI_OP_MAX, x, axes);
}

static lk_node sum_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lki_node x = g->nodes[g->nodes[y].in[input]];
    return lki_graph_expand_to(g, gradient, &x);
}

static lk_node sum_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return reduce_axis(g, LKI_OP_SUM, tangents[0], (int)g->nodes[y].whole[0]);
}

/* The share of each entry in its maximum: 1 / (how many are tied) there, else 0. Its own derivative is 0. */
static lk_node max_share(lk_graph *g, lk_node y)
{
    lk_node x = g->nodes[y].in[0];
    int axis = (int)g->nodes[y].whole[0];
    lk_node mask = lk_graph_binary(g, LK_EQUAL, x, y);
    return mask < 0 ? -1 : lk_graph_binary(g, LK_DIVIDE, mask, reduce_axis(g, LKI_OP_SUM, mask, axis));
}

static lk_node max_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    return lk_graph_binary(g, LK_MULTIPLY, max_share(g, y), gradient);
}

static lk_node max_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node part = lk_graph_binary(g, LK_MULTIPLY, max_share(g, y), tangents[0]);
    return reduce_axis(g, LKI_OP_SUM, part, (int)g->nodes[y].whole[0]);
}

/* ---- made of these ---- */

lk_node lk_graph_mean(lk_graph *g, lk_node x, int axes)
{
    lk_node sum = lk_graph_sum(g, x, axes);
    if (sum < 0) {
        return -1;
    }
    double share = (double)lki_node_count(&g->nodes[sum]) / (double)lki_node_count(&g->nodes[x]);
    return lk_graph_affine(g, sum, share, 0);
}

/* m + log sum exp(x - m) with the largest m, taken as a constant: the value does not depend on it. A largest value that is
 * infinite is taken as 0, so that it is told and not NaN. */
lk_node lk_graph_log_sum_exp(lk_graph *g, lk_node x, int axes)
{
    if (!lki_graph_has(g, "log_sum_exp", x)) {
        return -1;
    }
    lk_node most = lk_graph_stop(g, lk_graph_max(g, x, axes));
    lk_node size = lk_graph_unary(g, LK_ABS, most), zero = lk_graph_constant(g, 0);
    lk_node limit = lk_graph_constant(g, g->precision == LK_FLOAT32 ? 0x1.fffffep127 : 0x1.fffffffffffffp1023);
    lk_node shift = lk_graph_stop(g, lk_graph_select(g, lk_graph_binary(g, LK_GREATER, size, limit), zero, most));
    lk_node sum = lk_graph_sum(g, lk_graph_unary(g, LK_EXP, lk_graph_binary(g, LK_SUBTRACT, x, shift)), axes);
    return lk_graph_binary(g, LK_ADD, lk_graph_unary(g, LK_LOG, sum), shift);
}

lk_node lk_graph_softmax(lk_graph *g, lk_node x, int axis)
{
    if (!lki_graph_has(g, "softmax", x)) {
        return -1;
    }
    if (axis < 0 || axis >= g->nodes[x].axes) {
        return lki_graph_mistake(g, "softmax: axis is %d; the tensor has %d axes", axis, g->nodes[x].axes);
    }
    lk_node most = lk_graph_stop(g, lk_graph_max(g, x, 1 << axis));
    lk_node part = lk_graph_unary(g, LK_EXP, lk_graph_binary(g, LK_SUBTRACT, x, most));
    return lk_graph_binary(g, LK_DIVIDE, part, lk_graph_sum(g, part, 1 << axis));
}

lk_node lk_graph_layer_norm(lk_graph *g, lk_node x, double epsilon)
{
    if (!lki_graph_has(g, "layer_norm", x)) {
        return -1;
    }
    if (g->nodes[x].axes < 1 || !(epsilon > 0.0) || !isfinite(epsilon)) {
        return lki_graph_mistake(g, "layer_norm: %d axes and epsilon %g; there is at least one axis, and epsilon is above 0",
                                 g->nodes[x].axes, epsilon);
    }
    int last = 1 << (g->nodes[x].axes - 1);
    lk_node centred = lk_graph_binary(g, LK_SUBTRACT, x, lk_graph_mean(g, x, last));
    lk_node variance = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, centred), last);
    return lk_graph_binary(g, LK_DIVIDE, centred, lk_graph_unary(g, LK_SQRT, lk_graph_affine(g, variance, 1, epsilon)));
}

extern const lki_op lki_sum_op, lki_max_op;
const lki_op lki_sum_op = {.name = "sum", .run = reduce_run, .by_row = reduce_by_row, .units = reduce_units, .work = reduce_work,
                           .reverse = sum_reverse, .forward = sum_forward};
const lki_op lki_max_op = {.name = "max", .run = reduce_run, .by_row = reduce_by_row, .units = reduce_units, .work = reduce_work,
                           .reverse = max_reverse, .forward = max_forward};
