/* Elementwise operations on broadcast, strided tensors: functions of one and two tensors, affine, select, copy. */
#include "grad/graph.h"

#include "grad/elementwise_list.h"
#include "grad/tensor_kernel.h"
#include "math/elementary.h"
#include <math.h>
#include <string.h>

const lki_tensor_kernels *lki_tensor_kernels_of(lk_precision precision)
{
    int which = precision == LK_FLOAT64;
#if defined(__x86_64__)
    int level = lki_isa_level();
    if (level > 0) {
        return level == 2 ? &lki_tensor_kernels_avx512[which] : &lki_tensor_kernels_avx2[which];
    }
#endif
    return &lki_tensor_kernels_portable[which];
}

/* ---- one loop nest for all of them ---- */

/* An output block as nested loops of `length`, innermost last, with the strides of each input in elements. */
typedef struct nest {
    int loops;
    int64_t length[LK_AXES_MAX];
    int64_t stride[LKI_INPUTS_MAX][LK_AXES_MAX];
    const char *at[LKI_INPUTS_MAX];
} nest;

/* The strides of input i seen from the output's axes: 0 where it is repeated. */
static void input_strides(const lki_work *w, int i, nest *n, int64_t *stride)
{
    const lki_node *x = &w->graph->nodes[w->node->in[i]];
    int missing = w->node->axes - x->axes;
    for (int axis = 0; axis < w->node->axes; axis++) {
        int from = axis - missing;
        stride[axis] = from < 0 || (x->shape[from] == 1 && w->node->shape[axis] > 1) ? 0 : x->stride[from];
    }
    n->at[i] = x->data + (w->node->axes > 0 ? w->first * stride[0] * (int64_t)w->graph->bytes : 0); /* strides of flips are below 0 */
}

/* Joins neighbouring axes that one stride walks through in every input. */
static void nest_make(const lki_work *w, nest *n)
{
    int64_t stride[LKI_INPUTS_MAX][LK_AXES_MAX] = {{0}};
    const lki_node *node = w->node;
    for (int i = 0; i < node->input_count; i++) {
        input_strides(w, i, n, stride[i]);
    }
    n->loops = 0;
    for (int axis = 0; axis < node->axes; axis++) {
        int64_t length = axis == 0 ? w->last - w->first : node->shape[axis];
        bool join = n->loops > 0;
        for (int i = 0; join && i < node->input_count; i++) {
            join = n->stride[i][n->loops - 1] == stride[i][axis] * length;
        }
        n->loops += join ? 0 : 1;
        n->length[n->loops - 1] = (join ? n->length[n->loops - 1] : 1) * length;
        for (int i = 0; i < node->input_count; i++) {
            n->stride[i][n->loops - 1] = stride[i][axis];
        }
    }
    if (n->loops == 0) {
        n->length[n->loops++] = 1;
        for (int i = 0; i < node->input_count; i++) {
            n->stride[i][0] = 0;
        }
    }
}

static void innermost(const lki_work *w, int64_t n, const char *const *at, const int64_t *stride, char *out)
{
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const lki_node *node = w->node;
    switch (node->op) {
    case LKI_OP_UNARY:
        k->unary[node->code](n, at[0], stride[0], out);
        break;
    case LKI_OP_BINARY:
        k->binary[node->code](n, at[0], stride[0], at[1], stride[1], out);
        break;
    case LKI_OP_AFFINE:
        k->affine(n, at[0], stride[0], node->real[0], node->real[1], out);
        break;
    case LKI_OP_SELECT:
        k->select(n, at[0], stride[0], at[1], stride[1], at[2], stride[2], out);
        break;
    default:
        k->copy(n, at[0], stride[0], out);
        break;
    }
}

static lk_status run_elementwise(const lki_work *w)
{
    nest n = {0};
    int64_t index[LK_AXES_MAX] = {0}, stride[LKI_INPUTS_MAX];
    nest_make(w, &n);
    const size_t bytes = w->graph->bytes;
    const int inner = n.loops - 1;
    char *out = w->node->data + (size_t)(w->node->axes > 0 ? w->first * w->node->stride[0] : 0) * bytes;
    for (int i = 0; i < w->node->input_count; i++) {
        stride[i] = n.stride[i][inner];
    }
    for (;;) {
        const char *at[LKI_INPUTS_MAX] = {NULL};
        for (int i = 0; i < w->node->input_count; i++) {
            int64_t offset = 0;
            for (int l = 0; l < inner; l++) {
                offset += index[l] * n.stride[i][l];
            }
            at[i] = n.at[i] + offset * (int64_t)bytes;
        }
        innermost(w, n.length[inner], at, stride, out);
        out += (size_t)n.length[inner] * bytes;
        int l = inner - 1;
        while (l >= 0 && ++index[l] == n.length[l]) {
            index[l--] = 0;
        }
        if (l < 0) {
            return LK_OK;
        }
    }
}

/* ---- shapes ---- */

bool lki_shape_broadcast(const lki_node *a, const lki_node *b, lki_node *out)
{
    out->axes = a->axes > b->axes ? a->axes : b->axes;
    for (int axis = 0; axis < out->axes; axis++) {
        int i = axis - (out->axes - a->axes), j = axis - (out->axes - b->axes);
        int64_t m = i >= 0 ? a->shape[i] : 1, n = j >= 0 ? b->shape[j] : 1;
        if (m != n && m != 1 && n != 1) {
            return false;
        }
        out->shape[axis] = m == 1 ? n : m;
    }
    return true;
}

static lk_node mismatch(lk_graph *g, const char *operation, const lki_node *a, const lki_node *b)
{
    char left[96], right[96];
    return lki_graph_mistake(g, "%s: shapes %s and %s do not match; aligned at their last axes, lengths must be equal or 1", operation,
                             lki_shape_text(a, left, sizeof left), lki_shape_text(b, right, sizeof right));
}

/* A node of op over one input of the same shape. */
static lk_node same(lk_graph *g, lki_op_code op, int code, lk_node x, double a, double b)
{
    if (!lki_graph_has(g, lki_ops[op]->name, x)) {
        return -1;
    }
    lki_node node = {.op = op, .code = code, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes, .real = {a, b}};
    memcpy(node.shape, g->nodes[x].shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

#define UNARY_NAME(name, value, text) [value] = text,
static const char *const unary_names[] = {LK_UNARY_LIST(UNARY_NAME)};
#define BINARY_NAME(name, value, text) [value] = text,
static const char *const binary_names[] = {LK_BINARY_LIST(BINARY_NAME)};

lk_node lk_graph_unary(lk_graph *g, lk_unary f, lk_node x)
{
    if ((unsigned)f >= LKI_UNARY_COUNT) {
        return lki_graph_mistake(g, "unary: %d is no function of lk_unary", (int)f);
    }
    return lki_graph_has(g, unary_names[f], x) ? same(g, LKI_OP_UNARY, (int)f, x, 0, 0) : -1;
}

lk_node lk_graph_affine(lk_graph *g, lk_node x, double scale, double shift)
{
    if (scale == 1.0 && shift == 0.0 && lki_graph_has(g, "affine", x)) {
        return x;
    }
    return same(g, LKI_OP_AFFINE, 0, x, scale, shift);
}

static bool is_constant(const lk_graph *g, lk_node x, double *value)
{
    while (g->nodes[x].op == LKI_OP_EXPAND) {
        x = g->nodes[x].in[0];
    }
    *value = g->nodes[x].real[0];
    return g->nodes[x].op == LKI_OP_CONSTANT;
}

/* Products and sums with a number need no second tensor: the seeds of gradients are such. */
static lk_node simplified(lk_graph *g, lk_binary f, lk_node a, lk_node b, const lki_node *shape)
{
    double c;
    if (is_constant(g, b, &c) && lki_same_shape(&g->nodes[a], shape)) {
        switch (f) {
        case LK_ADD:
            return lk_graph_affine(g, a, 1, c);
        case LK_SUBTRACT:
            return lk_graph_affine(g, a, 1, -c);
        case LK_MULTIPLY:
            return lk_graph_affine(g, a, c, 0);
        default:
            return -1;
        }
    }
    if (is_constant(g, a, &c) && lki_same_shape(&g->nodes[b], shape)) {
        return f == LK_ADD ? lk_graph_affine(g, b, 1, c) : f == LK_MULTIPLY ? lk_graph_affine(g, b, c, 0)
             : f == LK_SUBTRACT ? lk_graph_affine(g, b, -1, c) : -1;
    }
    return -1;
}

lk_node lk_graph_binary(lk_graph *g, lk_binary f, lk_node a, lk_node b)
{
    lki_node node = {.op = LKI_OP_BINARY, .code = (int)f, .input_count = 2, .in = {a, b}};
    if ((unsigned)f >= LKI_BINARY_COUNT) {
        return lki_graph_mistake(g, "binary: %d is no function of lk_binary", (int)f);
    }
    if (!lki_graph_has(g, binary_names[f], a) || !lki_graph_has(g, binary_names[f], b)) {
        return -1;
    }
    if (!lki_shape_broadcast(&g->nodes[a], &g->nodes[b], &node)) {
        return mismatch(g, binary_names[f], &g->nodes[a], &g->nodes[b]);
    }
    lk_node simple = simplified(g, f, a, b, &node);
    return simple >= 0 ? simple : lki_graph_node(g, &node);
}

lk_node lk_graph_select(lk_graph *g, lk_node condition, lk_node a, lk_node b)
{
    lki_node pair = {0}, node = {.op = LKI_OP_SELECT, .input_count = 3, .in = {condition, a, b}};
    if (!lki_graph_has(g, "select", condition) || !lki_graph_has(g, "select", a) || !lki_graph_has(g, "select", b)) {
        return -1;
    }
    if (!lki_shape_broadcast(&g->nodes[a], &g->nodes[b], &pair)) {
        return mismatch(g, "select", &g->nodes[a], &g->nodes[b]);
    }
    if (!lki_shape_broadcast(&pair, &g->nodes[condition], &node)) {
        return mismatch(g, "select", &pair, &g->nodes[condition]);
    }
    return lki_graph_node(g, &node);
}

lk_node lki_graph_contiguous(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "copy", x)) {
        return -1;
    }
    return lki_node_contiguous(&g->nodes[x]) ? x : same(g, LKI_OP_COPY, 0, x, 0, 0);
}

lk_node lk_graph_stop(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "stop", x)) {
        return -1;
    }
    lki_node node = g->nodes[x];
    node.op = LKI_OP_STOP;
    node.input_count = 1;
    node.in[0] = x;
    node.view = true;
    node.kept = false;
    node.batched = false;
    return lki_graph_node(g, &node);
}

/* ---- slopes: t dy/dx as nodes ---- */

#define F(f, a) lk_graph_unary(g, f, a)
#define B(f, a, b) lk_graph_binary(g, f, a, b)
#define MUL(a, b) B(LK_MULTIPLY, a, b)
#define DIV(a, b) B(LK_DIVIDE, a, b)
#define AFFINE(a, scale, shift) lk_graph_affine(g, a, scale, shift)
/* d silu = s + y (1 - s) with s = sigmoid(x); d gelu = Phi(x) + x phi(x). */
#define SILU_SLOPE(s) silu_slope(g, y, s)
#define GELU_SLOPE() gelu_slope(g, x)

static lk_node silu_slope(lk_graph *g, lk_node y, lk_node s)
{
    return B(LK_ADD, s, MUL(y, AFFINE(s, -1, 1)));
}

static lk_node gelu_slope(lk_graph *g, lk_node x)
{
    lk_node below = AFFINE(F(LK_ERF, AFFINE(x, M_SQRT1_2, 0)), 0.5, 0.5);
    lk_node density = AFFINE(F(LK_EXP, AFFINE(F(LK_SQUARE, x), -0.5, 0)), 0.5 * M_2_SQRTPI * M_SQRT1_2, 0);
    return B(LK_ADD, below, MUL(x, density));
}

#define UNARY_SLOPE(name, value, slope) \
    case name:                          \
        return slope;
static lk_node unary_slope(lk_graph *g, lk_node y, lk_node t)
{
    lk_node x = g->nodes[y].in[0];
    switch ((lk_unary)g->nodes[y].code) {
        LKI_UNARY_FUNCTIONS(UNARY_SLOPE)
    }
    return -1;
}

#define BINARY_SLOPE(name, value, slope_a, slope_b) \
    case name:                                      \
        return input == 0 ? (slope_a) : (slope_b);
static lk_node binary_slope(lk_graph *g, lk_node y, int input, lk_node t)
{
    lk_node a = g->nodes[y].in[0], b = g->nodes[y].in[1];
    switch ((lk_binary)g->nodes[y].code) {
        LKI_BINARY_FUNCTIONS(BINARY_SLOPE)
    }
    return -1;
}

static lk_node slope(lk_graph *g, lk_node y, int input, lk_node t)
{
    switch (g->nodes[y].op) {
    case LKI_OP_UNARY:
        return unary_slope(g, y, t);
    case LKI_OP_BINARY:
        return binary_slope(g, y, input, t);
    case LKI_OP_AFFINE:
        return AFFINE(t, g->nodes[y].real[0], 0);
    case LKI_OP_SELECT: {
        lk_node condition = g->nodes[y].in[0], zero = lk_graph_constant(g, 0);
        return input == 0 ? -1 : lk_graph_select(g, condition, input == 1 ? t : zero, input == 1 ? zero : t);
    }
    default:
        return t;
    }
}

static lk_node reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    lk_node result = slope(g, y, input, gradient);
    return result < 0 ? -1 : lki_graph_sum_to(g, result, &g->nodes[g->nodes[y].in[input]]);
}

static lk_node forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node sum = -1;
    for (int i = 0; i < g->nodes[y].input_count; i++) {
        lk_node part = tangents[i] < 0 ? -1 : slope(g, y, i, tangents[i]);
        sum = part < 0 ? sum : sum < 0 ? part : B(LK_ADD, sum, part);
    }
    return sum < 0 ? -1 : lki_graph_expand_to(g, sum, &g->nodes[y]);
}

/* A transcendental function is worth about ten sums. */
static double work(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return (double)lki_node_count(node) * (node->op == LKI_OP_UNARY ? 10.0 : 1.0);
}

#define ELEMENTWISE(op_name) \
    {.name = op_name, .run = run_elementwise, .by_row = lki_by_row_aligned, .work = work, .reverse = reverse, .forward = forward}
extern const lki_op lki_unary_op, lki_binary_op, lki_affine_op, lki_select_op, lki_copy_op, lki_stop_op;
const lki_op lki_unary_op = ELEMENTWISE("unary");
const lki_op lki_binary_op = ELEMENTWISE("binary");
const lki_op lki_affine_op = ELEMENTWISE("affine");
const lki_op lki_select_op = ELEMENTWISE("select");
const lki_op lki_copy_op = ELEMENTWISE("copy");
const lki_op lki_stop_op = {.name = "stop", .by_row = lki_by_row_aligned};
