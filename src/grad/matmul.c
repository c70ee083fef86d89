/* Matrix products by BLAS, over the last two axes, with any axes in front. */
#include "grad/graph.h"

#include <cblas.h>
#include <string.h>

/* How BLAS reads the last two axes: row-major as they lie, or as the transpose of what lies there. */
typedef struct layout {
    bool transposed;
    int leading;
    bool fits;
} layout;

static layout layout_of(const lki_node *x)
{
    int64_t rows = x->shape[x->axes - 2], columns = x->shape[x->axes - 1];
    int64_t down = x->stride[x->axes - 2], across = x->stride[x->axes - 1];
    if ((across == 1 || columns == 1) && (down >= columns || rows == 1)) {
        return (layout){false, (int)(rows == 1 ? columns : down), true};
    }
    if ((down == 1 || rows == 1) && (across >= rows || columns == 1)) {
        return (layout){true, (int)(columns == 1 ? rows : across), true};
    }
    return (layout){.fits = false};
}

/* Largest length that BLAS takes. */
static const int64_t LENGTH_MOST = INT32_MAX;

static lk_node readable(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "matmul", x)) {
        return -1;
    }
    const lki_node *node = &g->nodes[x];
    if (node->axes < 2) {
        char text[96];
        return lki_graph_mistake(g, "matmul: a tensor of shape %s is no matrix", lki_shape_text(node, text, sizeof text));
    }
    for (int i = 0; i < node->axes; i++) {
        if (node->shape[i] > LENGTH_MOST || node->stride[i] > LENGTH_MOST) {
            return lki_graph_mistake(g, "matmul: axis %d is too long for BLAS, which takes up to %lld", i, (long long)LENGTH_MOST);
        }
    }
    if (layout_of(node).fits) {
        return x;
    }
    lki_node copy = {.op = LKI_OP_COPY, .input_count = 1, .in = {x}, .axes = node->axes};
    memcpy(copy.shape, node->shape, sizeof copy.shape);
    return lki_graph_node(g, &copy);
}

lk_node lk_graph_matmul(lk_graph *g, lk_node a, lk_node b)
{
    a = readable(g, a);
    b = a < 0 ? -1 : readable(g, b);
    if (b < 0) {
        return -1;
    }
    const lki_node *left = &g->nodes[a], *right = &g->nodes[b];
    lki_node fronts[2] = {*left, *right}, front = {0};
    fronts[0].axes -= 2;
    fronts[1].axes -= 2;
    if (left->shape[left->axes - 1] != right->shape[right->axes - 2] || !lki_shape_broadcast(&fronts[0], &fronts[1], &front)) {
        char s[96], t[96];
        return lki_graph_mistake(g, "matmul: shapes %s and %s do not match", lki_shape_text(left, s, sizeof s),
                                 lki_shape_text(right, t, sizeof t));
    }
    lki_node node = {.op = LKI_OP_MATMUL, .input_count = 2, .in = {a, b}, .axes = front.axes + 2};
    memcpy(node.shape, front.shape, sizeof node.shape);
    node.shape[front.axes] = left->shape[left->axes - 2];
    node.shape[front.axes + 1] = right->shape[right->axes - 1];
    return lki_graph_node(g, &node);
}

void lki_product_run(lk_precision precision, int64_t m, int64_t n, int64_t k, double scale, lki_factor a, lki_factor b, double keep,
                     void *c, int64_t ldc)
{
    const CBLAS_TRANSPOSE ta = a.transposed ? CblasTrans : CblasNoTrans, tb = b.transposed ? CblasTrans : CblasNoTrans;
    if (precision == LK_FLOAT32) {
        cblas_sgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, (float)scale, a.at, (int)a.leading, b.at, (int)b.leading, (float)keep, c,
                    (int)ldc);
    } else {
        cblas_dgemm(CblasRowMajor, ta, tb, (int)m, (int)n, (int)k, scale, a.at, (int)a.leading, b.at, (int)b.leading, keep, c, (int)ldc);
    }
}

static void multiply(const lk_graph *g, int64_t m, int64_t n, int64_t k, const char *a, layout la, const char *b, layout lb, char *c)
{
    lki_product_run(g->precision, m, n, k, 1, (lki_factor){a, la.leading, la.transposed}, (lki_factor){b, lb.leading, lb.transposed}, 0, c, n);
}

/* Where the matrix stands whose place in the axes in front of the output is `index`. */
static const char *front_at(const lki_work *w, const lki_node *x, const int64_t *index)
{
    int64_t offset = 0;
    int missing = w->node->axes - x->axes;
    for (int i = 0; i < w->node->axes - 2; i++) {
        if (i >= missing && x->shape[i - missing] > 1) {
            offset += index[i] * x->stride[i - missing];
        }
    }
    return x->data + (size_t)offset * w->graph->bytes;
}

static lk_status matmul_run(const lki_work *w)
{
    const lki_node *node = w->node, *a = &w->graph->nodes[node->in[0]], *b = &w->graph->nodes[node->in[1]];
    const int fronts = node->axes - 2;
    const int64_t m = node->shape[fronts], n = node->shape[fronts + 1], k = a->shape[a->axes - 1];
    const layout la = layout_of(a), lb = layout_of(b);
    const size_t bytes = w->graph->bytes;
    char *out = node->data + (size_t)(w->first * node->stride[0]) * bytes;
    if (fronts == 0) {
        int64_t step = la.transposed ? 1 : la.leading;
        multiply(w->graph, w->last - w->first, n, k, a->data + (size_t)(w->first * step) * bytes, la, b->data, lb, out);
        return LK_OK;
    }
    if (b->axes == 2 && lki_node_contiguous(a)) { /* all matrices in front as one */
        const int64_t rows = m * (node->stride[0] / (m * n)) * (w->last - w->first);
        multiply(w->graph, rows, n, k, lki_node_at(w->graph, a, w->first), la, b->data, lb, out);
        return LK_OK;
    }
    int64_t index[LK_AXES_MAX] = {w->first};
    for (; index[0] < w->last; out += (size_t)(m * n) * bytes) {
        multiply(w->graph, m, n, k, front_at(w, a, index), la, front_at(w, b, index), lb, out);
        int i = fronts - 1;
        while (i > 0 && ++index[i] == node->shape[i]) {
            index[i--] = 0;
        }
        index[0] += i == 0;
    }
    return LK_OK;
}

/* A factor that stands in front of all of the other's matrices is needed whole. */
static bool matmul_by_row(const lk_graph *g, const lki_node *node, int input)
{
    return (input == 0 || node->axes > 2) && lki_by_row_aligned(g, node, input);
}

static double matmul_work(const lk_graph *g, const lki_node *node)
{
    const lki_node *a = &g->nodes[node->in[0]];
    return 2.0 * (double)lki_node_count(node) * (double)a->shape[a->axes - 1];
}

/* All rows of the axes in front as the rows of one matrix. */
static lk_node flat(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "matmul", x)) {
        return -1;
    }
    int64_t columns = g->nodes[x].shape[g->nodes[x].axes - 1];
    return lk_graph_reshape(g, x, 2, (const int64_t[2]){lki_node_count(&g->nodes[x]) / columns, columns});
}

/* C = A B: the gradient of A is G B', that of B is A' G. */
static lk_node matmul_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lk_node a = g->nodes[y].in[0], b = g->nodes[y].in[1], result;
    if (input == 0) {
        result = lk_graph_matmul(g, gradient, lk_graph_transpose(g, b, NULL));
    } else if (g->nodes[b].axes == 2 && g->nodes[a].axes > 2) {
        result = lk_graph_matmul(g, lk_graph_transpose(g, flat(g, a), NULL), flat(g, gradient));
    } else {
        result = lk_graph_matmul(g, lk_graph_transpose(g, a, NULL), gradient);
    }
    return lki_graph_sum_to(g, result, &g->nodes[input == 0 ? a : b]);
}

static lk_node matmul_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node a = g->nodes[y].in[0], b = g->nodes[y].in[1];
    lk_node left = tangents[0] >= 0 ? lk_graph_matmul(g, tangents[0], b) : -1;
    lk_node right = tangents[1] >= 0 ? lk_graph_matmul(g, a, tangents[1]) : -1;
    return left < 0 ? right : right < 0 ? left : lk_graph_binary(g, LK_ADD, left, right);
}

extern const lki_op lki_matmul_op;
const lki_op lki_matmul_op = {.name = "matmul", .run = matmul_run, .by_row = matmul_by_row, .work = matmul_work,
                              .reverse = matmul_reverse, .forward = matmul_forward};
