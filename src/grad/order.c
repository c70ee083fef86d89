/* Order and place: the permutation that sorts, running sums, triangles; and what is made of them and of gather: sort, segments, norms. */
#include "grad/graph.h"

#include <math.h>
#include <string.h>

/* A node over the contiguous x of its shape. */
static lk_node over(lk_graph *g, lki_op_code op, int code, lk_node x)
{
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    lki_node node = {.op = op, .code = code, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes};
    memcpy(node.shape, g->nodes[x].shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

/* ---- the permutation that sorts one axis: stable, NaN last ---- */

static bool after(double a, double b)
{
    return a > b || (isnan(a) && !isnan(b));
}

/* Merges ever longer runs from one buffer to the other. */
static lk_status order_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const char *x = g->nodes[w->node->in[0]].data;
    const int64_t n = w->node->shape[0];
    int64_t *from = (int64_t *)(void *)w->scratch, *to = from + n;
    for (int64_t i = 0; i < n; i++) {
        from[i] = i;
    }
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t start = 0; start < n; start += 2 * run) {
            int64_t middle = start + run < n ? start + run : n, end = middle + run < n ? middle + run : n, i = start, j = middle;
            for (int64_t k = start; k < end; k++) {
                bool right = i == middle || (j < end && after(lki_number_at(g, x, from[i]), lki_number_at(g, x, from[j])));
                to[k] = right ? from[j++] : from[i++];
            }
        }
        int64_t *other = from;
        from = to;
        to = other;
    }
    for (int64_t i = 0; i < n; i++) {
        lki_number_put(g, w->node->data, i, (double)from[i]);
    }
    return LK_OK;
}

static int64_t one_unit(const lk_graph *g, const lki_node *node)
{
    (void)g, (void)node;
    return 1;
}

static int64_t order_scratch(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return 2 * node->shape[0] * (int64_t)sizeof(int64_t);
}

lk_node lk_graph_order(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "order", x)) {
        return -1;
    }
    if (g->nodes[x].axes != 1 || (g->precision == LK_FLOAT32 && g->nodes[x].shape[0] > 1 << 24)) {
        char s[96];
        return lki_graph_mistake(g, "order: shape %s; there must be one axis, of up to 2^24 entries for floats", lki_shape_text(&g->nodes[x], s, sizeof s));
    }
    return over(g, LKI_OP_ORDER, 0, x);
}

lk_node lk_graph_sort(lk_graph *g, lk_node x)
{
    lk_node order = lk_graph_order(g, x);
    if (order < 0) {
        return -1;
    }
    const int64_t n = g->nodes[x].shape[0];
    lk_node sorted = lk_graph_gather(g, lk_graph_reshape(g, x, 2, (const int64_t[2]){n, 1}), order);
    return lk_graph_reshape(g, sorted, 1, &n);
}

/* ---- running sums along the last axis; code 1: from the end ---- */

static lk_status cumulate_run(const lki_work *w)
{
    const lki_node *node = w->node;
    const lk_graph *g = w->graph;
    const int64_t length = node->axes > 0 ? node->shape[node->axes - 1] : 1;
    const int64_t unit = node->axes > 1 ? node->stride[0] : length, lines = (w->last - w->first) * unit / length;
    const size_t at = (size_t)(w->first * unit) * g->bytes;
    const char *x = g->nodes[node->in[0]].data + at;
    char *y = node->data + at;
    for (int64_t l = 0; l < lines; l++) {
        double sum = 0;
        for (int64_t i = 0; i < length; i++) {
            int64_t k = l * length + (node->code ? length - 1 - i : i);
            sum += lki_number_at(g, x, k);
            lki_number_put(g, y, k, sum);
        }
    }
    return LK_OK;
}

static int64_t line_units(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return node->axes > 1 ? node->shape[0] : 1;
}

static bool but_last_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)input;
    return node->axes > 1;
}

static lk_node cumulate_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    return over(g, LKI_OP_CUMULATE, !g->nodes[y].code, gradient);
}

static lk_node cumulate_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return over(g, LKI_OP_CUMULATE, g->nodes[y].code, tangents[0]);
}

lk_node lk_graph_cumulative_sum(lk_graph *g, lk_node x)
{
    return lki_graph_has(g, "cumulative_sum", x) ? over(g, LKI_OP_CUMULATE, 0, x) : -1;
}

/* ---- triangles: zeros above diagonal whole[0], real[0] times what is on it ---- */

static lk_status triangle_run(const lki_work *w)
{
    const lki_node *node = w->node;
    const lk_graph *g = w->graph;
    const int64_t rows = node->shape[node->axes - 2], columns = node->shape[node->axes - 1];
    const int64_t unit = node->stride[0], first = w->first * unit / columns, last = w->last * unit / columns;
    const char *x = g->nodes[node->in[0]].data;
    for (int64_t r = first; r < last; r++) {
        int64_t diagonal = r % rows + node->whole[0];
        for (int64_t j = 0; j < columns; j++) {
            double v = j > diagonal ? 0 : lki_number_at(g, x, r * columns + j) * (j == diagonal ? node->real[0] : 1);
            lki_number_put(g, node->data, r * columns + j, v);
        }
    }
    return LK_OK;
}

static bool matrix_by_row(const lk_graph *g, const lki_node *node, int input)
{
    return node->axes > 2 && lki_by_place(g, node, input);
}

lk_node lki_graph_triangle(lk_graph *g, lk_node x, int64_t offset, double diagonal)
{
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_TRIANGLE, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes, .whole = {offset}, .real = {diagonal}};
    memcpy(node.shape, g->nodes[x].shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

static lk_node triangle_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    return lki_graph_triangle(g, gradient, g->nodes[y].whole[0], g->nodes[y].real[0]);
}

static lk_node triangle_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_graph_triangle(g, tangents[0], g->nodes[y].whole[0], g->nodes[y].real[0]);
}

lk_node lk_graph_lower_triangle(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "lower_triangle", x)) {
        return -1;
    }
    return g->nodes[x].axes >= 2 ? lki_graph_triangle(g, x, 0, 1) : lki_graph_mistake(g, "lower_triangle: there must be two axes");
}

extern const lki_op lki_order_op, lki_cumulate_op, lki_triangle_op;
const lki_op lki_order_op = {.name = "order", .run = order_run, .units = one_unit, .scratch = order_scratch};
const lki_op lki_cumulate_op = {.name = "cumulative_sum", .run = cumulate_run, .by_row = but_last_by_row, .units = line_units,
                                .reverse = cumulate_reverse, .forward = cumulate_forward};
const lki_op lki_triangle_op = {.name = "triangle", .run = triangle_run, .by_row = matrix_by_row, .reverse = triangle_reverse,
                                .forward = triangle_forward};
