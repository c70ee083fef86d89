/* Derivatives of what is built a second time: fused operations by their definitions, checkpoints, fixed points; and what is made of
 * gradients: Hessian-vector products, divergences. */
#include "grad/graph.h"

#include <string.h>

/* ---- fused operations ---- */

/* The inputs of y under other names, so that a derivative by one of them does not go on to what it was made of. */
static lk_node defined(lk_graph *g, lk_node y, lki_definition define, lk_node *leaf)
{
    const lki_node node = g->nodes[y];
    for (int i = 0; i < node.input_count; i++) {
        leaf[i] = lki_graph_alias(g, node.in[i]);
    }
    return g->status == LK_OK ? define(g, &node, leaf) : -1;
}

lk_node lki_defined_reverse(lk_graph *g, lk_node y, int input, lk_node gradient, lki_definition define)
{
    lk_node leaf[LKI_INPUTS_MAX] = {-1, -1, -1, -1, -1, -1}, out = -1, z = defined(g, y, define, leaf);
    if (z >= 0) {
        lk_graph_vjp(g, z, gradient, &leaf[input], 1, &out);
    }
    return out;
}

lk_node lki_defined_forward(lk_graph *g, lk_node y, const lk_node *tangents, lki_definition define)
{
    lk_node leaf[LKI_INPUTS_MAX] = {-1, -1, -1, -1, -1, -1}, x[LKI_INPUTS_MAX], t[LKI_INPUTS_MAX], z = defined(g, y, define, leaf);
    int count = 0;
    for (int i = 0; z >= 0 && i < g->nodes[y].input_count; i++) {
        if (tangents[i] >= 0) {
            x[count] = leaf[i];
            t[count++] = tangents[i];
        }
    }
    return z < 0 || count == 0 ? -1 : lk_graph_jvp(g, z, x, t, count);
}

/* ---- checkpoints ---- */

lk_node lk_graph_checkpoint(lk_graph *g, lk_function f, void *state, const lk_node *x, int count)
{
    if (f == NULL || count < 1 || count >= LKI_INPUTS_MAX) {
        return lki_graph_mistake(g, "checkpoint: a function of %d tensors; there may be 1 to %d", count, LKI_INPUTS_MAX - 1);
    }
    for (int i = 0; i < count; i++) {
        if (!lki_graph_has(g, "checkpoint", x[i])) {
            return -1;
        }
    }
    lk_node value = f(g, x, state);
    if (!lki_graph_has(g, "checkpoint", value)) {
        return -1;
    }
    lki_node node = lki_view_of(g, LKI_OP_CHECKPOINT, value);
    node.input_count = count + 1;
    for (int i = 0; i < count; i++) {
        node.in[i + 1] = x[i];
    }
    node.function = f;
    node.state = state;
    return lki_graph_node(g, &node);
}

static lk_node define_again(lk_graph *g, const lki_node *node, const lk_node *in)
{
    return node->function(g, in + 1, node->state);
}

static lk_node checkpoint_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    return input == 0 ? -1 : lki_defined_reverse(g, y, input, gradient, define_again);
}

/* The value was made as ever, and so is its tangent: from the inputs of the function. */
static lk_node checkpoint_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    (void)g, (void)y;
    return tangents[0];
}

/* ---- fixed points ---- */

/* f of z and of the inputs behind the first. */
static lk_node round_of(lk_graph *g, lk_function f, void *state, lk_node z, const lk_node *x, int count)
{
    lk_node in[LKI_INPUTS_MAX] = {z};
    for (int i = 0; i < count; i++) {
        in[i + 1] = x[i];
    }
    return z < 0 ? -1 : f(g, in, state);
}

/* whole[0] = rounds of the adjoint. */
lk_node lk_graph_fixed_point(lk_graph *g, lk_function f, void *state, lk_node start, const lk_node *x, int count, int64_t rounds,
                             int64_t adjoint_rounds)
{
    if (f == NULL || count < 0 || count >= LKI_INPUTS_MAX || rounds < 1 || adjoint_rounds < 1) {
        return lki_graph_mistake(g, "fixed_point: %d tensors, %lld rounds and %lld of the adjoint; there are up to %d tensors and at least 1 round "
                                 "of each", count, (long long)rounds, (long long)adjoint_rounds, LKI_INPUTS_MAX - 1);
    }
    lk_node z = lki_graph_has(g, "fixed_point", start) ? start : -1;
    for (int64_t i = 0; i < rounds && z >= 0; i++) {
        z = round_of(g, f, state, z, x, count);
    }
    if (!lki_graph_has(g, "fixed_point", z)) {
        return -1;
    }
    if (!lki_same_shape(&g->nodes[z], &g->nodes[start])) {
        return lki_graph_mistake(g, "fixed_point: the function changes the shape");
    }
    lki_node node = lki_view_of(g, LKI_OP_FIXED_POINT, z);
    node.input_count = count + 1;
    for (int i = 0; i < count; i++) {
        node.in[i + 1] = x[i];
    }
    node.function = f;
    node.state = state;
    node.whole[0] = adjoint_rounds;
    return lki_graph_node(g, &node);
}

/* f at the solution, all of whose inputs are leaves: leaf[0] is z. */
static lk_node at_solution(lk_graph *g, lk_node y, lk_node *leaf)
{
    const lki_node node = g->nodes[y];
    leaf[0] = lki_graph_alias(g, y);
    for (int i = 1; i < node.input_count; i++) {
        leaf[i] = lki_graph_alias(g, node.in[i]);
    }
    return round_of(g, node.function, node.state, leaf[0], leaf + 1, node.input_count - 1);
}

/* z = f(z, x): dz/dx = (1 - J)^-1 df/dx with J = df/dz, so w = (1 - J')^-1 gradient, by rounds of w = gradient + J' w, and then w' df/dx. */
static lk_node fixed_point_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lk_node leaf[LKI_INPUTS_MAX], w = gradient, back = -1, value = input == 0 ? -1 : at_solution(g, y, leaf);
    for (int64_t i = 0; value >= 0 && w >= 0 && i < g->nodes[y].whole[0]; i++) {
        lk_graph_vjp(g, value, w, &leaf[0], 1, &back);
        w = lk_graph_binary(g, LK_ADD, gradient, back);
    }
    if (value < 0 || w < 0) {
        return -1;
    }
    lk_graph_vjp(g, value, w, &leaf[input], 1, &back);
    return back;
}

/* t = J t + df/dx dx, by rounds. */
static lk_node fixed_point_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node leaf[LKI_INPUTS_MAX], x[LKI_INPUTS_MAX], dx[LKI_INPUTS_MAX], value = at_solution(g, y, leaf);
    int count = 0;
    for (int i = 1; i < g->nodes[y].input_count; i++) {
        if (tangents[i] >= 0) {
            x[count] = leaf[i];
            dx[count++] = tangents[i];
        }
    }
    if (value < 0 || count == 0) {
        return -1;
    }
    lk_node along = lk_graph_jvp(g, value, x, dx, count), t = along;
    for (int64_t i = 0; t >= 0 && i < g->nodes[y].whole[0]; i++) {
        t = lk_graph_binary(g, LK_ADD, along, lk_graph_jvp(g, value, &leaf[0], &t, 1));
    }
    return t;
}

extern const lki_op lki_checkpoint_op, lki_fixed_point_op;
const lki_op lki_checkpoint_op = {.name = "checkpoint", .by_row = lki_by_place, .reverse = checkpoint_reverse, .forward = checkpoint_forward};
const lki_op lki_fixed_point_op = {.name = "fixed_point", .by_row = lki_by_place, .reverse = fixed_point_reverse, .forward = fixed_point_forward};

/* ---- made of gradients ---- */

lk_node lk_graph_straight_through(lk_graph *g, lk_node x, lk_node y)
{
    lk_node apart = lk_graph_stop(g, lk_graph_binary(g, LK_SUBTRACT, y, x));
    return lk_graph_binary(g, LK_ADD, x, apart);
}

lk_node lk_graph_hessian_vector(lk_graph *g, lk_node y, lk_node x, lk_node v)
{
    lk_node gradient;
    lk_graph_gradient(g, y, &x, 1, &gradient);
    return gradient < 0 ? -1 : lk_graph_jvp(g, gradient, &x, &v, 1);
}

/* sum_i v_i (J v)_i of each row: with E v v' = 1 an estimate of the trace of J (Hutchinson 1989, Commun. Stat. Simul. 18, 1059-1076). */
static lk_node quadratic(lk_graph *g, lk_node field, lk_node x, lk_node v)
{
    lk_node along = lk_graph_jvp(g, field, &x, &v, 1);
    return lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, along, v), 2);
}

lk_node lk_graph_divergence(lk_graph *g, lk_node field, lk_node x, lk_node probe)
{
    if (!lki_graph_has(g, "divergence", field) || !lki_graph_has(g, "divergence", x)) {
        return -1;
    }
    const lki_node shape = g->nodes[x];
    if (shape.axes != 2 || !lki_same_shape(&shape, &g->nodes[field])) {
        char s[96], t[96];
        return lki_graph_mistake(g, "divergence: a field of shape %s at points of shape %s; both are rows x d", lki_shape_text(&g->nodes[field], s, sizeof s),
                                 lki_shape_text(&shape, t, sizeof t));
    }
    if (probe >= 0) {
        return quadratic(g, field, x, probe);
    }
    lk_node sum = -1;
    for (int64_t i = 0; i < shape.shape[1]; i++) { /* one direction an axis: exact */
        lk_node one = lki_graph_pad(g, lk_graph_expand(g, lk_graph_constant(g, 1), 2, (const int64_t[2]){1, 1}), 1, i, 1, shape.shape[1]);
        lk_node unit = lki_graph_expand_to(g, one, &shape);
        lk_node along = lk_graph_slice(g, lk_graph_jvp(g, field, &x, &unit, 1), 1, i, 1, 1);
        sum = sum < 0 ? along : lk_graph_binary(g, LK_ADD, sum, along);
    }
    return sum;
}
