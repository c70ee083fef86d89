/* Derivatives as nodes of the same graph: reverse accumulation, and forward accumulation of one direction. */
#include "grad/graph.h"

#include <string.h>

static lk_node sum_of(lk_graph *g, lk_node a, lk_node b)
{
    return a < 0 ? b : b < 0 ? a : lk_graph_binary(g, LK_ADD, a, b);
}

static lk_node zeros_like(lk_graph *g, lk_node x)
{
    lki_node shape = g->nodes[x];
    return lki_graph_expand_to(g, lk_graph_constant(g, 0), &shape);
}

/* Marks the nodes up to y that depend on one of x: only these have derivatives worth building. */
static void mark_dependents(const lk_graph *g, lk_node y, const lk_node *x, int count, unsigned char *depends)
{
    for (int i = 0; i < count; i++) {
        if (x[i] <= y) {
            depends[x[i]] = 1;
        }
    }
    for (lk_node n = 0; n <= y; n++) {
        const lki_op *op = lki_ops[g->nodes[n].op];
        for (int i = 0; op->reverse != NULL && i < g->nodes[n].input_count; i++) {
            depends[n] = (unsigned char)(depends[n] | depends[g->nodes[n].in[i]]);
        }
    }
}

/* From y down: node n hands its gradient, which is complete by then, to each input. */
static void accumulate(lk_graph *g, lk_node y, const unsigned char *depends, lk_node *gradient)
{
    for (lk_node n = y; n >= 0 && g->status == LK_OK; n--) {
        const lki_op *op = lki_ops[g->nodes[n].op];
        if (gradient[n] < 0 || !depends[n] || op->reverse == NULL) {
            continue;
        }
        for (int i = 0; i < g->nodes[n].input_count; i++) {
            lk_node input = g->nodes[n].in[i];
            if (depends[input]) {
                gradient[input] = sum_of(g, gradient[input], op->reverse(g, n, i, gradient[n]));
            }
        }
    }
}

static bool all_there(lk_graph *g, const char *operation, lk_node y, const lk_node *x, int count)
{
    bool there = lki_graph_has(g, operation, y);
    for (int i = 0; there && i < count; i++) {
        there = lki_graph_has(g, operation, x[i]);
    }
    return there;
}

/* Scratch of one number and one mark for each node up to y; a failure is the graph's mistake. */
static lk_node *scratch_new(lk_graph *g, lk_node y, unsigned char **marks)
{
    size_t n = (size_t)y + 1;
    lk_node *list = NULL;
    lk_status status = lki_allocate(g->building, n, sizeof *list + 1, &list);
    if (status != LK_OK) {
        lki_graph_mistake(g, "%s", lk_status_text(status));
        g->status = status;
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        list[i] = -1;
    }
    *marks = (unsigned char *)(list + n);
    memset(*marks, 0, n);
    return list;
}

void lk_graph_vjp(lk_graph *g, lk_node y, lk_node v, const lk_node *x, int count, lk_node *out)
{
    unsigned char *depends = NULL;
    for (int i = 0; i < count; i++) {
        out[i] = -1;
    }
    if (!all_there(g, "gradient", y, x, count) || !lki_graph_has(g, "gradient", v)) {
        return;
    }
    if (!lki_same_shape(&g->nodes[v], &g->nodes[y])) {
        char s[96], t[96];
        lki_graph_mistake(g, "vjp: the vector has shape %s and the tensor %s", lki_shape_text(&g->nodes[v], s, sizeof s),
                          lki_shape_text(&g->nodes[y], t, sizeof t));
        return;
    }
    lk_node *gradient = scratch_new(g, y, &depends);
    if (gradient == NULL) {
        return;
    }
    mark_dependents(g, y, x, count, depends);
    gradient[y] = v;
    accumulate(g, y, depends, gradient);
    for (int i = 0; i < count; i++) {
        out[i] = x[i] <= y && gradient[x[i]] >= 0 ? gradient[x[i]] : zeros_like(g, x[i]);
    }
    lki_release(g->building, gradient);
}

void lk_graph_gradient(lk_graph *g, lk_node y, const lk_node *x, int count, lk_node *out)
{
    lk_node one = -1;
    if (lki_graph_has(g, "gradient", y)) {
        lki_node shape = g->nodes[y];
        one = lki_graph_expand_to(g, lk_graph_constant(g, 1), &shape);
    }
    lk_graph_vjp(g, y, one, x, count, out);
}

/* From the first node up: each that depends on some x gets the tangent that its inputs' tangents give it. */
static void push_forward(lk_graph *g, lk_node y, const unsigned char *depends, lk_node *tangent)
{
    for (lk_node n = 0; n <= y && g->status == LK_OK; n++) {
        const lki_op *op = lki_ops[g->nodes[n].op];
        lk_node of_inputs[LKI_INPUTS_MAX];
        bool any = false;
        for (int i = 0; i < g->nodes[n].input_count; i++) {
            of_inputs[i] = tangent[g->nodes[n].in[i]];
            any = any || of_inputs[i] >= 0;
        }
        if (depends[n] && op->forward != NULL && any && tangent[n] < 0) {
            tangent[n] = op->forward(g, n, of_inputs);
        }
    }
}

lk_node lk_graph_jvp(lk_graph *g, lk_node y, const lk_node *x, const lk_node *tangents, int count)
{
    unsigned char *depends = NULL;
    if (!all_there(g, "jvp", y, x, count) || !all_there(g, "jvp", y, tangents, count)) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (!lki_same_shape(&g->nodes[x[i]], &g->nodes[tangents[i]])) {
            char s[96], t[96];
            return lki_graph_mistake(g, "jvp: tangent %d has shape %s and its tensor %s", i,
                                     lki_shape_text(&g->nodes[tangents[i]], s, sizeof s),
                                     lki_shape_text(&g->nodes[x[i]], t, sizeof t));
        }
    }
    lk_node *tangent = scratch_new(g, y, &depends);
    if (tangent == NULL) {
        return -1;
    }
    mark_dependents(g, y, x, count, depends);
    for (int i = 0; i < count; i++) {
        if (x[i] <= y) {
            tangent[x[i]] = tangents[i];
        }
    }
    push_forward(g, y, depends, tangent);
    lk_node result = tangent[y] >= 0 ? tangent[y] : zeros_like(g, y);
    lki_release(g->building, tangent);
    return g->status == LK_OK ? result : -1;
}
