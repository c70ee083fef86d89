/* Views of tensors (reshape, transpose, expand, slice) and their adjoints: sums over what was repeated, and padding. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <string.h>

lki_node lki_view_of(const lk_graph *g, lki_op_code op, lk_node x)
{
    lki_node node = g->nodes[x];
    node.op = op;
    node.input_count = 1;
    node.in[0] = x;
    node.view = true;
    node.kept = false;
    node.batched = false;
    memset(node.whole, 0, sizeof node.whole);
    return node;
}

static lk_node misshapen(lk_graph *g, const char *operation, const lki_node *from, const lki_node *to)
{
    char left[96], right[96];
    return lki_graph_mistake(g, "%s: shape %s cannot become %s", operation, lki_shape_text(from, left, sizeof left),
                             lki_shape_text(to, right, sizeof right));
}

/* A shape as a node, for comparisons; false where there are too many axes. */
static bool shape_node(lk_graph *g, const char *operation, int axes, const int64_t *shape, lki_node *out)
{
    *out = (lki_node){.axes = axes};
    if (axes < 0 || axes > LK_AXES_MAX) {
        lki_graph_mistake(g, "%s: %d axes; there may be up to %d", operation, axes, LK_AXES_MAX);
        return false;
    }
    for (int i = 0; i < axes; i++) {
        out->shape[i] = shape[i];
    }
    return true;
}

/* ---- reshape ---- */

lk_node lk_graph_reshape(lk_graph *g, lk_node x, int axes, const int64_t *shape)
{
    lki_node to;
    if (!lki_graph_has(g, "reshape", x) || !shape_node(g, "reshape", axes, shape, &to)) {
        return -1;
    }
    if (lki_same_shape(&g->nodes[x], &to)) {
        return x;
    }
    if (lki_node_count(&g->nodes[x]) != lki_node_count(&to)) {
        return misshapen(g, "reshape", &g->nodes[x], &to);
    }
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    lki_node node = lki_view_of(g, LKI_OP_RESHAPE, x);
    node.axes = axes;
    memcpy(node.shape, to.shape, sizeof node.shape);
    int64_t stride = 1;
    for (int i = axes - 1; i >= 0; i--) {
        node.stride[i] = stride;
        stride *= node.shape[i];
    }
    return lki_graph_node(g, &node);
}

static bool reshape_by_row(const lk_graph *g, const lki_node *node, int input)
{
    const lki_node *x = &g->nodes[node->in[input]];
    return x->axes > 0 && node->axes > 0 && x->shape[0] == node->shape[0];
}

static lk_node reshape_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lki_node x = g->nodes[g->nodes[y].in[input]];
    return lk_graph_reshape(g, gradient, x.axes, x.shape);
}

static lk_node reshape_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lki_node node = g->nodes[y];
    return lk_graph_reshape(g, tangents[0], node.axes, node.shape);
}

/* ---- transpose ---- */

lk_node lk_graph_transpose(lk_graph *g, lk_node x, const int *order)
{
    int exchange[LK_AXES_MAX] = {0, 1, 2, 3}, seen = 0;
    if (!lki_graph_has(g, "transpose", x)) {
        return -1;
    }
    int axes = g->nodes[x].axes;
    if (order == NULL) {
        if (axes < 2) {
            return lki_graph_mistake(g, "transpose: a tensor of %d axes has no two to exchange", axes);
        }
        exchange[axes - 2] = axes - 1;
        exchange[axes - 1] = axes - 2;
        order = exchange;
    }
    lki_node node = lki_view_of(g, LKI_OP_TRANSPOSE, x);
    for (int i = 0; i < axes; i++) {
        if (order[i] < 0 || order[i] >= axes || (seen >> order[i] & 1) != 0) {
            return lki_graph_mistake(g, "transpose: the order names axis %d; it names each of the %d axes once", order[i], axes);
        }
        seen |= 1 << order[i];
        node.whole[i] = order[i];
        node.shape[i] = g->nodes[x].shape[order[i]];
        node.stride[i] = g->nodes[x].stride[order[i]];
    }
    return lki_graph_node(g, &node);
}

static bool transpose_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)input;
    return node->whole[0] == 0;
}

static lk_node transpose_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    int inverse[LK_AXES_MAX] = {0};
    (void)input;
    for (int i = 0; i < g->nodes[y].axes; i++) {
        inverse[g->nodes[y].whole[i]] = i;
    }
    return lk_graph_transpose(g, gradient, inverse);
}

static lk_node transpose_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    int order[LK_AXES_MAX] = {0};
    for (int i = 0; i < g->nodes[y].axes; i++) {
        order[i] = (int)g->nodes[y].whole[i];
    }
    return lk_graph_transpose(g, tangents[0], order);
}

/* ---- expand ---- */

lk_node lki_graph_expand_to(lk_graph *g, lk_node x, const lki_node *shape)
{
    lki_node to = *shape, common = {0};
    if (!lki_graph_has(g, "expand", x)) {
        return -1;
    }
    if (lki_same_shape(&g->nodes[x], &to)) {
        return x;
    }
    if (!lki_shape_broadcast(&g->nodes[x], &to, &common) || !lki_same_shape(&common, &to)) {
        return misshapen(g, "expand", &g->nodes[x], &to);
    }
    lki_node node = lki_view_of(g, LKI_OP_EXPAND, x);
    int missing = to.axes - node.axes;
    node.axes = to.axes;
    memcpy(node.shape, to.shape, sizeof node.shape);
    for (int i = 0; i < to.axes; i++) {
        int from = i - missing;
        bool repeated = from < 0 || g->nodes[x].shape[from] != to.shape[i];
        node.stride[i] = repeated ? 0 : g->nodes[x].stride[from];
    }
    return lki_graph_node(g, &node);
}

lk_node lk_graph_expand(lk_graph *g, lk_node x, int axes, const int64_t *shape)
{
    lki_node to;
    return shape_node(g, "expand", axes, shape, &to) ? lki_graph_expand_to(g, x, &to) : -1;
}

static lk_node expand_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lki_node x = g->nodes[g->nodes[y].in[input]];
    return lki_graph_sum_to(g, gradient, &x);
}

static lk_node expand_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lki_node node = g->nodes[y];
    return lki_graph_expand_to(g, tangents[0], &node);
}

/* ---- alias and flip ---- */

lk_node lki_graph_alias(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "alias", x)) {
        return -1;
    }
    lki_node node = lki_view_of(g, LKI_OP_ALIAS, x);
    return lki_graph_node(g, &node);
}

static lk_node alias_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)g, (void)y, (void)input;
    return gradient;
}

static lk_node alias_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    (void)g, (void)y;
    return tangents[0];
}

lk_node lki_graph_flip(lk_graph *g, lk_node x, int axis)
{
    if (!lki_graph_has(g, "flip", x)) {
        return -1;
    }
    lki_node node = lki_view_of(g, LKI_OP_FLIP, x);
    node.offset += (node.shape[axis] - 1) * node.stride[axis];
    node.stride[axis] = -node.stride[axis];
    node.whole[0] = axis;
    return lki_graph_node(g, &node);
}

static lk_node flip_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    return lki_graph_flip(g, gradient, (int)g->nodes[y].whole[0]);
}

static lk_node flip_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_graph_flip(g, tangents[0], (int)g->nodes[y].whole[0]);
}

lk_node lki_graph_sum_to(lk_graph *g, lk_node x, const lki_node *shape)
{
    lki_node to = *shape;
    int axes = 0;
    if (!lki_graph_has(g, "sum", x)) {
        return -1;
    }
    int missing = g->nodes[x].axes - to.axes;
    for (int i = 0; i < g->nodes[x].axes; i++) {
        bool repeated = i < missing || (to.shape[i - missing] == 1 && g->nodes[x].shape[i] > 1);
        axes |= repeated ? 1 << i : 0;
    }
    x = axes != 0 ? lk_graph_sum(g, x, axes) : x;
    return x < 0 ? -1 : lk_graph_reshape(g, x, to.axes, to.shape);
}

/* ---- slice, and its adjoint pad ---- */

lk_node lk_graph_slice(lk_graph *g, lk_node x, int axis, int64_t start, int64_t length, int64_t step)
{
    if (!lki_graph_has(g, "slice", x)) {
        return -1;
    }
    int64_t there = axis >= 0 && axis < g->nodes[x].axes ? g->nodes[x].shape[axis] : 0;
    if (there == 0 || start < 0 || length < 1 || step < 1 || start >= there || (length - 1) > (there - 1 - start) / step) {
        char text[96];
        return lki_graph_mistake(g, "slice: %lld entries of axis %d from %lld by steps of %lld are not all in shape %s", (long long)length,
                                 axis, (long long)start, (long long)step, lki_shape_text(&g->nodes[x], text, sizeof text));
    }
    lki_node node = lki_view_of(g, LKI_OP_SLICE, x);
    node.offset += start * node.stride[axis];
    node.stride[axis] *= step;
    node.shape[axis] = length;
    node.whole[0] = axis;
    node.whole[1] = start;
    node.whole[2] = step;
    return lki_graph_node(g, &node);
}

static bool along_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)input;
    return node->whole[0] != 0;
}

static lk_node slice_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node *node = &g->nodes[y];
    int axis = (int)node->whole[0];
    return lki_graph_pad(g, gradient, axis, node->whole[1], node->whole[2], g->nodes[node->in[input]].shape[axis]);
}

static lk_node slice_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node *node = &g->nodes[y];
    return lk_graph_slice(g, tangents[0], (int)node->whole[0], node->whole[1], node->shape[node->whole[0]], node->whole[2]);
}

/* Zeros of `length` along an axis, with x at start, start + step, ... */
lk_node lki_graph_pad(lk_graph *g, lk_node x, int axis, int64_t start, int64_t step, int64_t length)
{
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_PAD, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes, .whole = {axis, start, step}};
    memcpy(node.shape, g->nodes[x].shape, sizeof node.shape);
    node.shape[axis] = length;
    return lki_graph_node(g, &node);
}

/* Lengths of what lies before and behind an axis, of the units first..last-1. */
static void around(const lki_node *node, int axis, const lki_work *w, int64_t *outer, int64_t *inner)
{
    *outer = axis > 0 ? w->last - w->first : 1;
    for (int i = 1; i < axis; i++) {
        *outer *= node->shape[i];
    }
    *inner = 1;
    for (int i = axis + 1; i < node->axes; i++) {
        *inner *= node->shape[i];
    }
}

/* Where the axis is the first, all of it is one unit. */
static int64_t along_units(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return node->whole[0] == 0 ? 1 : node->shape[0];
}

static lk_status pad_run(const lki_work *w)
{
    const lki_node *node = w->node, *x = &w->graph->nodes[node->in[0]];
    int axis = (int)node->whole[0];
    int64_t outer, inner, start = node->whole[1], step = node->whole[2], there = x->shape[axis], length = node->shape[axis];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    around(node, axis, w, &outer, &inner);
    const size_t bytes = w->graph->bytes;
    const char *from = lki_node_at(w->graph, x, axis > 0 ? w->first : 0);
    char *to = node->data + (size_t)(axis > 0 ? w->first * node->stride[0] : 0) * bytes;
    memset(to, 0, (size_t)(outer * length * inner) * bytes);
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < there; i++) {
            k->copy(inner, from + (size_t)((o * there + i) * inner) * bytes, 1,
                    to + (size_t)((o * length + start + i * step) * inner) * bytes);
        }
    }
    return LK_OK;
}

static lk_node pad_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node *node = &g->nodes[y];
    int axis = (int)node->whole[0];
    return lk_graph_slice(g, gradient, axis, node->whole[1], g->nodes[node->in[input]].shape[axis], node->whole[2]);
}

static lk_node pad_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node *node = &g->nodes[y];
    return lki_graph_pad(g, tangents[0], (int)node->whole[0], node->whole[1], node->whole[2], node->shape[node->whole[0]]);
}

/* ---- concat ---- */

lk_node lk_graph_concat(lk_graph *g, lk_node a, lk_node b, int axis)
{
    a = lki_graph_has(g, "concat", a) && lki_graph_has(g, "concat", b) ? lki_graph_contiguous(g, a) : -1;
    b = a < 0 ? -1 : lki_graph_contiguous(g, b);
    if (b < 0) {
        return -1;
    }
    const lki_node *left = &g->nodes[a], *right = &g->nodes[b];
    bool match = left->axes == right->axes && axis >= 0 && axis < left->axes;
    for (int i = 0; match && i < left->axes; i++) {
        match = i == axis || left->shape[i] == right->shape[i];
    }
    if (!match) {
        char s[96], t[96];
        return lki_graph_mistake(g, "concat: shapes %s and %s do not match beside axis %d", lki_shape_text(left, s, sizeof s),
                                 lki_shape_text(right, t, sizeof t), axis);
    }
    lki_node node = {.op = LKI_OP_CONCAT, .input_count = 2, .in = {a, b}, .axes = left->axes, .whole = {axis}};
    memcpy(node.shape, left->shape, sizeof node.shape);
    node.shape[axis] += right->shape[axis];
    return lki_graph_node(g, &node);
}

static lk_status concat_run(const lki_work *w)
{
    const lki_node *node = w->node;
    int axis = (int)node->whole[0];
    int64_t outer, inner, before = 0;
    around(node, axis, w, &outer, &inner);
    const size_t bytes = w->graph->bytes;
    char *to = node->data + (size_t)(axis > 0 ? w->first * node->stride[0] : 0) * bytes;
    for (int i = 0; i < 2; i++) {
        const lki_node *x = &w->graph->nodes[node->in[i]];
        const char *from = lki_node_at(w->graph, x, axis > 0 ? w->first : 0);
        size_t run = (size_t)(x->shape[axis] * inner) * bytes;
        for (int64_t o = 0; o < outer; o++) {
            memcpy(to + (size_t)((o * node->shape[axis] + before) * inner) * bytes, from + (size_t)o * run, run);
        }
        before += x->shape[axis];
    }
    return LK_OK;
}

static lk_node concat_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node *node = &g->nodes[y];
    int axis = (int)node->whole[0];
    int64_t before = input == 1 ? g->nodes[node->in[0]].shape[axis] : 0;
    return lk_graph_slice(g, gradient, axis, before, g->nodes[node->in[input]].shape[axis], 1);
}

static lk_node concat_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node part[2];
    for (int i = 0; i < 2; i++) {
        lki_node x = g->nodes[g->nodes[y].in[i]];
        part[i] = tangents[i] >= 0 ? tangents[i] : lki_graph_expand_to(g, lk_graph_constant(g, 0), &x);
    }
    return lk_graph_concat(g, part[0], part[1], (int)g->nodes[y].whole[0]);
}

extern const lki_op lki_reshape_op, lki_transpose_op, lki_expand_op, lki_alias_op, lki_flip_op, lki_slice_op, lki_pad_op, lki_concat_op;
const lki_op lki_reshape_op = {.name = "reshape", .by_row = reshape_by_row, .reverse = reshape_reverse, .forward = reshape_forward};
const lki_op lki_transpose_op = {.name = "transpose", .by_row = transpose_by_row, .reverse = transpose_reverse,
                                 .forward = transpose_forward};
const lki_op lki_expand_op = {.name = "expand", .by_row = lki_by_row_aligned, .reverse = expand_reverse, .forward = expand_forward};
const lki_op lki_alias_op = {.name = "alias", .by_row = lki_by_row_aligned, .reverse = alias_reverse, .forward = alias_forward};
const lki_op lki_flip_op = {.name = "flip", .by_row = along_by_row, .reverse = flip_reverse, .forward = flip_forward};
const lki_op lki_slice_op = {.name = "slice", .by_row = along_by_row, .reverse = slice_reverse, .forward = slice_forward};
const lki_op lki_pad_op = {.name = "pad", .run = pad_run, .by_row = along_by_row, .units = along_units, .reverse = pad_reverse,
                           .forward = pad_forward};
const lki_op lki_concat_op = {.name = "concat", .run = concat_run, .by_row = along_by_row, .units = along_units,
                              .reverse = concat_reverse, .forward = concat_forward};
