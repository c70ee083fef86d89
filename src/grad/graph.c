/* The graph as it is built: nodes with their shapes, leaves, outputs, and the first mistake that was made. */
#include "grad/graph.h"

#include <stdio.h>
#include <string.h>

lk_status lk_graph_new(lk_context *ctx, lk_precision precision, lk_graph **out)
{
    lk_graph *g;
    lki_begin(ctx);
    if (precision != LK_FLOAT32 && precision != LK_FLOAT64) {
        return lki_fail(ctx, LK_ERROR_ARGUMENT, "precision is %d; it is LK_FLOAT32 or LK_FLOAT64", (int)precision);
    }
    LKI_TRY(lki_zeros(ctx, 1, sizeof *g, &g));
    g->memory = lki_memory_of(ctx);
    g->building = ctx;
    g->precision = precision;
    g->bytes = precision == LK_FLOAT32 ? sizeof(float) : sizeof(double);
    *out = g;
    return LK_OK;
}

void lk_graph_free(lk_graph *g)
{
    if (g == NULL) {
        return;
    }
    lki_memory memory = g->memory;
    lki_memory_release(&memory, g->nodes);
    lki_memory_release(&memory, g->phases);
    lki_memory_release(&memory, g->order);
    lki_memory_release(&memory, g->arena);
    lki_memory_release(&memory, g->scratch);
    lki_memory_release(&memory, g->alone);
    for (int t = 0; g->copies != NULL && t < g->threads; t++) {
        lki_memory_release(&memory, g->copies[t].nodes);
    }
    lki_memory_release(&memory, g->copies);
    lki_memory_release(&memory, g);
}

lk_node lki_graph_mistake(lk_graph *g, const char *format, ...)
{
    if (g->status == LK_OK) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(g->mistake, sizeof g->mistake, format, arguments);
        va_end(arguments);
        g->status = LK_ERROR_ARGUMENT;
    }
    return -1;
}

bool lki_graph_has(lk_graph *g, const char *operation, lk_node x)
{
    if (g->status != LK_OK) {
        return false;
    }
    if (g->building == NULL) {
        lki_graph_mistake(g, "%s: the graph is planned already", operation);
        return false;
    }
    if (x < 0 || x >= g->count) {
        lki_graph_mistake(g, "%s: %d is no tensor of this graph", operation, (int)x);
        return false;
    }
    return true;
}

const char *lki_shape_text(const lki_node *node, char *buffer, size_t size)
{
    size_t used = (size_t)snprintf(buffer, size, "(");
    for (int i = 0; i < node->axes && used < size; i++) {
        used += (size_t)snprintf(buffer + used, size - used, "%s%lld", i > 0 ? ", " : "", (long long)node->shape[i]);
    }
    if (used < size) {
        snprintf(buffer + used, size - used, ")");
    }
    return buffer;
}

int64_t lki_node_count(const lki_node *node)
{
    int64_t count = 1;
    for (int i = 0; i < node->axes; i++) {
        count *= node->shape[i];
    }
    return count;
}

static void contiguous_strides(lki_node *node)
{
    int64_t stride = 1;
    for (int i = node->axes - 1; i >= 0; i--) {
        node->stride[i] = stride;
        stride *= node->shape[i];
    }
}

bool lki_node_contiguous(const lki_node *node)
{
    lki_node plain = *node;
    contiguous_strides(&plain);
    for (int i = 0; i < node->axes; i++) {
        if (node->shape[i] > 1 && node->stride[i] != plain.stride[i]) {
            return false;
        }
    }
    return true;
}

bool lki_same_shape(const lki_node *a, const lki_node *b)
{
    return a->axes == b->axes && memcmp(a->shape, b->shape, (size_t)a->axes * sizeof *a->shape) == 0;
}

bool lki_by_row_aligned(const lk_graph *g, const lki_node *node, int input)
{
    const lki_node *x = &g->nodes[node->in[input]];
    return x->axes == node->axes && x->axes > 0 && x->shape[0] == node->shape[0];
}

bool lki_by_place(const lk_graph *g, const lki_node *node, int input)
{
    const lki_node *x = &g->nodes[node->in[input]];
    return x->axes > 0 && x->shape[0] == node->shape[0];
}

bool lki_by_first(const lk_graph *g, const lki_node *node, int input)
{
    (void)g, (void)node;
    return input == 0;
}

/* Rows are batched where some input gives its rows one by one and no other needs to be there whole. */
static bool is_batched(const lk_graph *g, const lki_node *node)
{
    const lki_op *op = lki_ops[node->op];
    bool any = false;
    if (node->axes == 0 || g->rows == 0 || node->shape[0] != g->rows) {
        return false;
    }
    if (node->op == LKI_OP_RANDOM) {
        return true;
    }
    for (int i = 0; i < node->input_count; i++) {
        if (g->nodes[node->in[i]].batched) {
            if (op->by_row == NULL || !op->by_row(g, node, i)) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

static bool shape_good(lk_graph *g, const char *operation, int axes, const int64_t *shape)
{
    double count = 1.0;
    if (axes < 0 || axes > LK_AXES_MAX) {
        lki_graph_mistake(g, "%s: a tensor of %d axes; there may be up to %d", operation, axes, LK_AXES_MAX);
        return false;
    }
    for (int i = 0; i < axes; i++) {
        count *= (double)shape[i];
        if (shape[i] < 1 || count > 0x1p46) {
            lki_graph_mistake(g, "%s: axis %d has length %lld; a length is at least 1 and the tensor holds at most 2^46 numbers",
                              operation, i, (long long)shape[i]);
            return false;
        }
    }
    return true;
}

/* How far back a node is looked for that is the same already: derivatives ask for many twice. */
enum { LOOK_BACK = 400 };

static bool same_node(const lki_node *a, const lki_node *b)
{
    bool same = a->op == b->op && a->code == b->code && a->axes == b->axes && a->input_count == b->input_count && a->view == b->view &&
                a->real[0] == b->real[0] && a->real[1] == b->real[1] && a->function == b->function && a->state == b->state;
    same = same && memcmp(a->in, b->in, (size_t)a->input_count * sizeof *a->in) == 0 && memcmp(a->whole, b->whole, sizeof a->whole) == 0;
    return same && memcmp(a->shape, b->shape, (size_t)a->axes * sizeof *a->shape) == 0 &&
           (!a->view || (a->offset == b->offset && memcmp(a->stride, b->stride, (size_t)a->axes * sizeof *a->stride) == 0));
}

static lk_node find_same(const lk_graph *g, const lki_node *node)
{
    for (lk_node n = g->count - 1; n >= 0 && n >= g->count - LOOK_BACK; n--) {
        if (same_node(&g->nodes[n], node)) {
            return n;
        }
    }
    return -1;
}

lk_node lki_graph_node(lk_graph *g, const lki_node *given)
{
    const char *name = lki_ops[given->op]->name;
    if (g->status != LK_OK || !shape_good(g, name, given->axes, given->shape)) {
        return -1;
    }
    if (g->count == INT32_MAX - 1) {
        return lki_graph_mistake(g, "%s: there are too many tensors", name);
    }
    lk_node there = given->op > LKI_OP_CONSTANT && given->op != LKI_OP_RANDOM ? find_same(g, given) : -1;
    if (there >= 0) {
        return there;
    }
    lk_status status = lki_grow(g->building, &g->nodes, &g->capacity, (size_t)g->count + 1, sizeof *g->nodes);
    if (status != LK_OK) {
        lki_graph_mistake(g, "%s", lk_status_text(status));
        g->status = status;
        return -1;
    }
    lki_node *node = &g->nodes[g->count];
    *node = *given;
    if (!node->view) {
        contiguous_strides(node);
        node->base = g->count;
    } else {
        node->base = g->nodes[node->in[0]].base;
    }
    node->phase = -1;
    node->batched = node->batched || is_batched(g, node);
    return g->count++;
}

static lk_node leaf(lk_graph *g, lki_op_code op, int axes, const int64_t *shape, bool batched)
{
    lki_node node = {.op = op, .axes = axes, .kept = true, .batched = batched};
    if (g->building == NULL) {
        return lki_graph_mistake(g, "%s: the graph is planned already", lki_ops[op]->name);
    }
    if (!shape_good(g, lki_ops[op]->name, axes, shape)) {
        return -1;
    }
    for (int i = 0; i < axes; i++) {
        node.shape[i] = shape[i];
    }
    return lki_graph_node(g, &node);
}

lk_node lk_graph_input(lk_graph *g, int axes, const int64_t *shape)
{
    return leaf(g, LKI_OP_INPUT, axes, shape, false);
}

lk_node lk_graph_rows(lk_graph *g, int axes, const int64_t *shape)
{
    if (axes < 1) {
        return lki_graph_mistake(g, "rows: there must be an axis of rows");
    }
    if (g->rows != 0 && shape[0] != g->rows) {
        return lki_graph_mistake(g, "rows: there are %lld rows here and %lld in another input", (long long)shape[0], (long long)g->rows);
    }
    lk_node x = leaf(g, LKI_OP_INPUT, axes, shape, true);
    g->rows = x >= 0 ? shape[0] : g->rows;
    return x;
}

lk_node lk_graph_parameter(lk_graph *g, int axes, const int64_t *shape)
{
    return leaf(g, LKI_OP_PARAMETER, axes, shape, false);
}

lk_node lk_graph_constant(lk_graph *g, double value)
{
    lki_node node = {.op = LKI_OP_CONSTANT, .kept = true, .real = {value}};
    if (g->building == NULL) {
        return lki_graph_mistake(g, "constant: the graph is planned already");
    }
    return lki_graph_node(g, &node);
}

lk_node lk_graph_output(lk_graph *g, lk_node x)
{
    if (!lki_graph_has(g, "output", x)) {
        return -1;
    }
    if (g->nodes[x].view || g->nodes[x].op < LKI_OP_UNARY) {
        lki_node copy = {.op = LKI_OP_COPY, .input_count = 1, .in = {x}, .axes = g->nodes[x].axes};
        memcpy(copy.shape, g->nodes[x].shape, sizeof copy.shape);
        x = lki_graph_node(g, &copy);
    }
    if (x >= 0) {
        g->nodes[x].kept = true;
    }
    return x;
}

void *lk_graph_values(const lk_graph *g, lk_node x)
{
    return x >= 0 && x < g->count && g->nodes[x].kept ? g->nodes[x].data : NULL;
}

int lk_graph_shape(const lk_graph *g, lk_node x, int64_t *shape)
{
    if (x < 0 || x >= g->count) {
        return -1;
    }
    if (shape != NULL) {
        memcpy(shape, g->nodes[x].shape, (size_t)g->nodes[x].axes * sizeof *shape);
    }
    return g->nodes[x].axes;
}

int64_t lk_graph_bytes(const lk_graph *g)
{
    return g->arena_bytes + g->threads * (g->alone_bytes + g->scratch_bytes);
}

void lk_graph_run_number(lk_graph *g, int64_t run)
{
    g->run_number = run;
}

/* ---- the table of operations ---- */

static const lki_op input_op = {.name = "input"}, parameter_op = {.name = "parameter"}, constant_op = {.name = "constant"};
extern const lki_op lki_unary_op, lki_binary_op, lki_affine_op, lki_select_op, lki_copy_op, lki_stop_op, lki_sum_op, lki_max_op,
    lki_reshape_op, lki_transpose_op, lki_expand_op, lki_alias_op, lki_flip_op, lki_slice_op, lki_pad_op, lki_concat_op, lki_matmul_op,
    lki_grouped_op, lki_grouped_weight_op, lki_convolution_op, lki_convolution_weight_op, lki_norm_op, lki_norm_gradient_op, lki_resize_op,
    lki_attention_op, lki_attention_gradient_op,
    lki_gather_op, lki_scatter_op, lki_order_op, lki_cumulate_op, lki_triangle_op, lki_cholesky_op, lki_solve_op, lki_eigen_op,
    lki_fixed_point_op, lki_checkpoint_op, lki_random_op;

const lki_op *const lki_ops[LKI_OP_COUNT] = {
    [LKI_OP_INPUT] = &input_op,
    [LKI_OP_PARAMETER] = &parameter_op,
    [LKI_OP_CONSTANT] = &constant_op,
    [LKI_OP_UNARY] = &lki_unary_op,
    [LKI_OP_BINARY] = &lki_binary_op,
    [LKI_OP_AFFINE] = &lki_affine_op,
    [LKI_OP_SELECT] = &lki_select_op,
    [LKI_OP_COPY] = &lki_copy_op,
    [LKI_OP_STOP] = &lki_stop_op,
    [LKI_OP_SUM] = &lki_sum_op,
    [LKI_OP_MAX] = &lki_max_op,
    [LKI_OP_RESHAPE] = &lki_reshape_op,
    [LKI_OP_TRANSPOSE] = &lki_transpose_op,
    [LKI_OP_EXPAND] = &lki_expand_op,
    [LKI_OP_ALIAS] = &lki_alias_op,
    [LKI_OP_FLIP] = &lki_flip_op,
    [LKI_OP_SLICE] = &lki_slice_op,
    [LKI_OP_PAD] = &lki_pad_op,
    [LKI_OP_CONCAT] = &lki_concat_op,
    [LKI_OP_MATMUL] = &lki_matmul_op,
    [LKI_OP_GROUPED] = &lki_grouped_op,
    [LKI_OP_GROUPED_WEIGHT] = &lki_grouped_weight_op,
    [LKI_OP_CONVOLUTION] = &lki_convolution_op,
    [LKI_OP_CONVOLUTION_WEIGHT] = &lki_convolution_weight_op,
    [LKI_OP_NORM] = &lki_norm_op,
    [LKI_OP_NORM_GRADIENT] = &lki_norm_gradient_op,
    [LKI_OP_RESIZE] = &lki_resize_op,
    [LKI_OP_ATTENTION] = &lki_attention_op,
    [LKI_OP_ATTENTION_GRADIENT] = &lki_attention_gradient_op,
    [LKI_OP_GATHER] = &lki_gather_op,
    [LKI_OP_SCATTER] = &lki_scatter_op,
    [LKI_OP_ORDER] = &lki_order_op,
    [LKI_OP_CUMULATE] = &lki_cumulate_op,
    [LKI_OP_TRIANGLE] = &lki_triangle_op,
    [LKI_OP_CHOLESKY] = &lki_cholesky_op,
    [LKI_OP_SOLVE] = &lki_solve_op,
    [LKI_OP_EIGEN] = &lki_eigen_op,
    [LKI_OP_FIXED_POINT] = &lki_fixed_point_op,
    [LKI_OP_CHECKPOINT] = &lki_checkpoint_op,
    [LKI_OP_RANDOM] = &lki_random_op,
};
