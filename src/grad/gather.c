/* Rows of a table by number, and its adjoint: sums, or largest values, of rows that have the same number. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <math.h>
#include <string.h>

/* The number at `place` of an index tensor; LK_ERROR_DATA unless it is whole and below `rows`. */
static lk_status index_at(const lki_work *w, const lki_node *index, int64_t place, int64_t rows, int64_t *out)
{
    const char *at = index->data + (size_t)(place * index->stride[0]) * w->graph->bytes;
    double value = w->graph->precision == LK_FLOAT32 ? (double)*(const float *)(const void *)at : *(const double *)(const void *)at;
    if (!(value >= 0.0 && value < (double)rows) || value != (double)(int64_t)value) {
        return lki_fail(w->ctx, LK_ERROR_DATA, "%s: index %lld is %g; it is a whole number from 0 to %lld", lki_ops[w->node->op]->name,
                        (long long)place, value, (long long)rows - 1);
    }
    *out = (int64_t)value;
    return LK_OK;
}

static bool index_good(lk_graph *g, const char *operation, lk_node matrix, lk_node index)
{
    if (!lki_graph_has(g, operation, matrix) || !lki_graph_has(g, operation, index)) {
        return false;
    }
    if (g->nodes[matrix].axes != 2 || g->nodes[index].axes != 1) {
        char s[96], t[96];
        lki_graph_mistake(g, "%s: shapes %s and %s; there must be a matrix and an index of one axis", operation,
                          lki_shape_text(&g->nodes[matrix], s, sizeof s), lki_shape_text(&g->nodes[index], t, sizeof t));
        return false;
    }
    return true;
}

lk_node lk_graph_gather(lk_graph *g, lk_node table, lk_node index)
{
    table = index_good(g, "gather", table, index) ? lki_graph_contiguous(g, table) : -1;
    if (table < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_GATHER, .input_count = 2, .in = {table, index}, .axes = 2};
    node.shape[0] = g->nodes[index].shape[0];
    node.shape[1] = g->nodes[table].shape[1];
    return lki_graph_node(g, &node);
}

static lk_status gather_run(const lki_work *w)
{
    const lki_node *table = &w->graph->nodes[w->node->in[0]], *index = &w->graph->nodes[w->node->in[1]];
    const size_t row = (size_t)table->shape[1] * w->graph->bytes;
    for (int64_t i = w->first; i < w->last; i++) {
        int64_t from = 0;
        LKI_TRY(index_at(w, index, i, table->shape[0], &from));
        memcpy(w->node->data + (size_t)i * row, table->data + (size_t)from * row, row);
    }
    return LK_OK;
}

/* Of the index alone: the table is needed whole. */
static bool gather_by_row(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)node;
    return input == 1;
}

static lk_node gather_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node *node = &g->nodes[y];
    return input == 1 ? -1 : lk_graph_scatter_add(g, gradient, node->in[1], g->nodes[node->in[0]].shape[0]);
}

static lk_node gather_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return tangents[0] < 0 ? -1 : lk_graph_gather(g, tangents[0], g->nodes[y].in[1]);
}

/* What comes together in a row is added (code 0), or the largest of it is kept (code 1). */
static lk_node scatter_node(lk_graph *g, const char *name, int code, lk_node x, lk_node index, int64_t rows)
{
    x = index_good(g, name, x, index) ? lki_graph_contiguous(g, x) : -1;
    if (x < 0) {
        return -1;
    }
    if (g->nodes[x].shape[0] != g->nodes[index].shape[0]) {
        return lki_graph_mistake(g, "%s: %lld rows and %lld indices; there must be one for each", name, (long long)g->nodes[x].shape[0],
                                 (long long)g->nodes[index].shape[0]);
    }
    lki_node node = {.op = LKI_OP_SCATTER, .code = code, .input_count = 2, .in = {x, index}, .axes = 2, .shape = {rows, g->nodes[x].shape[1]}};
    return lki_graph_node(g, &node);
}

lk_node lk_graph_scatter_add(lk_graph *g, lk_node x, lk_node index, int64_t rows)
{
    return scatter_node(g, "scatter_add", 0, x, index, rows);
}

lk_node lk_graph_segment_max(lk_graph *g, lk_node x, lk_node index, int64_t segments)
{
    return scatter_node(g, "segment_max", 1, x, index, segments);
}

/* One unit: sums come in the order of the rows. */
static int64_t scatter_units(const lk_graph *g, const lki_node *node)
{
    (void)g, (void)node;
    return 1;
}

static lk_status scatter_run(const lki_work *w)
{
    const lki_node *x = &w->graph->nodes[w->node->in[0]], *index = &w->graph->nodes[w->node->in[1]];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const size_t row = (size_t)x->shape[1] * w->graph->bytes;
    const char *empty = w->graph->precision == LK_FLOAT32 ? (const char *)&(const float){-INFINITY} : (const char *)&(const double){-(double)INFINITY};
    if (w->node->code) {
        k->copy(w->node->shape[0] * x->shape[1], empty, 0, w->node->data);
    } else {
        memset(w->node->data, 0, (size_t)w->node->shape[0] * row);
    }
    for (int64_t i = 0; i < x->shape[0]; i++) {
        int64_t to = 0;
        LKI_TRY(index_at(w, index, i, w->node->shape[0], &to));
        (w->node->code ? k->most : k->add)(x->shape[1], x->data + (size_t)i * row, w->node->data + (size_t)to * row);
    }
    return LK_OK;
}

/* The share of each entry in the largest of its segment: 1 / (how many are tied), else 0. */
static lk_node share_of(lk_graph *g, lk_node y)
{
    const lki_node node = g->nodes[y];
    lk_node mask = lk_graph_binary(g, LK_EQUAL, node.in[0], lk_graph_gather(g, y, node.in[1]));
    lk_node tied = lk_graph_scatter_add(g, mask, node.in[1], node.shape[0]);
    return lk_graph_binary(g, LK_DIVIDE, mask, lk_graph_gather(g, tied, node.in[1]));
}

static lk_node scatter_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lk_node rows = input == 1 ? -1 : lk_graph_gather(g, gradient, g->nodes[y].in[1]);
    return rows < 0 || g->nodes[y].code == 0 ? rows : lk_graph_binary(g, LK_MULTIPLY, share_of(g, y), rows);
}

static lk_node scatter_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node node = g->nodes[y];
    lk_node t = tangents[0] < 0 || node.code == 0 ? tangents[0] : lk_graph_binary(g, LK_MULTIPLY, share_of(g, y), tangents[0]);
    return t < 0 ? -1 : lk_graph_scatter_add(g, t, node.in[1], node.shape[0]);
}

extern const lki_op lki_gather_op, lki_scatter_op;
const lki_op lki_gather_op = {.name = "gather", .run = gather_run, .by_row = gather_by_row, .reverse = gather_reverse,
                              .forward = gather_forward};
const lki_op lki_scatter_op = {.name = "scatter_add", .run = scatter_run, .units = scatter_units, .reverse = scatter_reverse,
                               .forward = scatter_forward};
