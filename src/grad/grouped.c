/* Grouped products: each row by the matrix of its group, where the rows of a group stand together; no padding. */
#include "grad/graph.h"

#include <string.h>

/* y_i = x_i W[group_i] with groups ascending: a product for each run of equal groups (the grouped product of mixtures of experts: Gale
 * et al. 2022, arXiv:2211.15841). x (n, in), W (groups, in, out), y (n, out). Its adjoints are the same with W transposed, and
 * sum_i x_i' g_i over each group. */

static double number_at(const lk_graph *g, const lki_node *x, int64_t i)
{
    const char *at = x->data + (size_t)(i * x->stride[0]) * g->bytes;
    return g->precision == LK_FLOAT32 ? (double)*(const float *)(const void *)at : *(const double *)(const void *)at;
}

/* Where the run of row `first` ends, and its group; LK_ERROR_DATA where groups are not whole, ascending and below `groups`. */
static lk_status run_of(const lki_work *w, const lki_node *index, int64_t first, int64_t last, int64_t groups, int64_t *group, int64_t *end)
{
    double value = number_at(w->graph, index, first);
    if (!(value >= 0 && value < (double)groups) || value != (double)(int64_t)value) {
        return lki_fail(w->ctx, LK_ERROR_DATA, "grouped_matmul: group %lld is %g; it is a whole number from 0 to %lld", (long long)first, value,
                        (long long)groups - 1);
    }
    int64_t i = first + 1;
    while (i < last && number_at(w->graph, index, i) == value) {
        i++;
    }
    if (i < index->shape[0] && number_at(w->graph, index, i) < value) {
        return lki_fail(w->ctx, LK_ERROR_DATA, "grouped_matmul: group %lld is %g after %g; groups are ascending", (long long)i,
                        number_at(w->graph, index, i), value);
    }
    *group = (int64_t)value;
    *end = i;
    return LK_OK;
}

/* ---- rows by matrices ---- */

static lk_node grouped_node(lk_graph *g, lk_node x, lk_node weights, lk_node index, bool transposed)
{
    x = lki_graph_contiguous(g, x);
    weights = x < 0 ? -1 : lki_graph_contiguous(g, weights);
    if (weights < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_GROUPED, .code = transposed, .input_count = 3, .in = {x, weights, index}, .axes = 2,
                     .shape = {g->nodes[x].shape[0], g->nodes[weights].shape[transposed ? 1 : 2]}};
    return lki_graph_node(g, &node);
}

static lk_status grouped_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node, *x = &g->nodes[node->in[0]], *weights = &g->nodes[node->in[1]], *index = &g->nodes[node->in[2]];
    const int64_t in = x->shape[1], out = node->shape[1], size = weights->shape[1] * weights->shape[2];
    for (int64_t i = w->first, end = 0; i < w->last; i = end) {
        int64_t group = 0;
        LKI_TRY(run_of(w, index, i, w->last, weights->shape[0], &group, &end));
        lki_product_run(g->precision, end - i, out, in, 1, (lki_factor){x->data + (size_t)(i * in) * g->bytes, in, false},
                        (lki_factor){weights->data + (size_t)(group * size) * g->bytes, weights->shape[2], node->code != 0}, 0,
                        node->data + (size_t)(i * out) * g->bytes, out);
    }
    return LK_OK;
}

static double grouped_work(const lk_graph *g, const lki_node *node)
{
    return 2.0 * (double)lki_node_count(node) * (double)g->nodes[node->in[0]].shape[1];
}

static bool grouped_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)node;
    return input != 1;
}

/* ---- the gradient by the matrices ---- */

static lk_node weight_node(lk_graph *g, lk_node x, lk_node y, lk_node index, int64_t groups)
{
    x = lki_graph_contiguous(g, x);
    y = x < 0 ? -1 : lki_graph_contiguous(g, y);
    if (y < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_GROUPED_WEIGHT, .input_count = 3, .in = {x, y, index}, .axes = 3,
                     .shape = {groups, g->nodes[x].shape[1], g->nodes[y].shape[1]}};
    return lki_graph_node(g, &node);
}

/* Units are groups; each finds its rows, by halving. */
static int64_t first_at_least(const lk_graph *g, const lki_node *index, double group)
{
    int64_t low = 0, high = index->shape[0];
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (number_at(g, index, middle) < group) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static lk_status weight_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node, *x = &g->nodes[node->in[0]], *y = &g->nodes[node->in[1]], *index = &g->nodes[node->in[2]];
    const int64_t in = node->shape[1], out = node->shape[2];
    for (int64_t group = w->first; group < w->last; group++) {
        int64_t first = first_at_least(g, index, (double)group), end = first_at_least(g, index, (double)group + 1);
        char *to = node->data + (size_t)(group * in * out) * g->bytes;
        if (end == first) {
            memset(to, 0, (size_t)(in * out) * g->bytes);
        } else {
            lki_product_run(g->precision, in, out, end - first, 1, (lki_factor){x->data + (size_t)(first * in) * g->bytes, in, true},
                            (lki_factor){y->data + (size_t)(first * out) * g->bytes, out, false}, 0, to, out);
        }
    }
    return LK_OK;
}

static double weight_work(const lk_graph *g, const lki_node *node)
{
    return 2.0 * (double)lki_node_count(&g->nodes[node->in[0]]) * (double)node->shape[2];
}

/* ---- derivatives: each of the two is linear in its first two inputs ---- */

static lk_node grouped_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node node = g->nodes[y];
    const int64_t groups = g->nodes[node.in[1]].shape[0];
    if (input == 0) {
        return grouped_node(g, gradient, node.in[1], node.in[2], node.code == 0);
    }
    return input == 2 ? -1 : node.code ? weight_node(g, gradient, node.in[0], node.in[2], groups) : weight_node(g, node.in[0], gradient, node.in[2], groups);
}

static lk_node sum_of(lk_graph *g, lk_node a, lk_node b)
{
    return a < 0 ? b : b < 0 ? a : lk_graph_binary(g, LK_ADD, a, b);
}

static lk_node grouped_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node node = g->nodes[y];
    lk_node left = tangents[0] < 0 ? -1 : grouped_node(g, tangents[0], node.in[1], node.in[2], node.code != 0);
    return sum_of(g, left, tangents[1] < 0 ? -1 : grouped_node(g, node.in[0], tangents[1], node.in[2], node.code != 0));
}

static lk_node weight_reverse(lk_graph *g, lk_node w, int input, lk_node gradient)
{
    const lki_node node = g->nodes[w];
    return input == 2 ? -1 : grouped_node(g, node.in[1 - input], gradient, node.in[2], input == 0);
}

static lk_node weight_forward(lk_graph *g, lk_node w, const lk_node *tangents)
{
    const lki_node node = g->nodes[w];
    lk_node left = tangents[0] < 0 ? -1 : weight_node(g, tangents[0], node.in[1], node.in[2], node.shape[0]);
    return sum_of(g, left, tangents[1] < 0 ? -1 : weight_node(g, node.in[0], tangents[1], node.in[2], node.shape[0]));
}

lk_node lk_graph_grouped_matmul(lk_graph *g, lk_node x, lk_node weights, lk_node index)
{
    if (!lki_graph_has(g, "grouped_matmul", x) || !lki_graph_has(g, "grouped_matmul", weights) || !lki_graph_has(g, "grouped_matmul", index)) {
        return -1;
    }
    const lki_node *a = &g->nodes[x], *b = &g->nodes[weights], *c = &g->nodes[index];
    if (a->axes != 2 || b->axes != 3 || c->axes != 1 || a->shape[1] != b->shape[1] || a->shape[0] != c->shape[0]) {
        char s[96], t[96], u[96];
        return lki_graph_mistake(g, "grouped_matmul: shapes %s, %s and %s do not match; they are (n, in), (groups, in, out) and (n)",
                                 lki_shape_text(a, s, sizeof s), lki_shape_text(b, t, sizeof t), lki_shape_text(c, u, sizeof u));
    }
    return grouped_node(g, x, weights, index, false);
}

extern const lki_op lki_grouped_op, lki_grouped_weight_op;
const lki_op lki_grouped_op = {.name = "grouped_matmul", .run = grouped_run, .by_row = grouped_by_row, .work = grouped_work,
                               .reverse = grouped_reverse, .forward = grouped_forward};
const lki_op lki_grouped_weight_op = {.name = "grouped_weight", .run = weight_run, .work = weight_work, .reverse = weight_reverse,
                                      .forward = weight_forward};
