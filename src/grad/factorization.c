/* Gradients through factorizations: Cholesky, triangular solves, log-determinants, symmetric eigenvalues; matrices over any axes in front. */
#include "grad/graph.h"

#include "math/cholesky.h"
#include <math.h>
#include <string.h>

/* The last two axes are a matrix; units are places of the first axis, or the one matrix. */
static int64_t matrix_units(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return node->axes > 2 ? node->shape[0] : 1;
}

static bool matrix_by_row(const lk_graph *g, const lki_node *node, int input)
{
    return node->axes > 2 && lki_by_place(g, node, input);
}

static int64_t matrices_of(const lki_node *node, int64_t units)
{
    int64_t count = units;
    for (int i = 1; i < node->axes - 2; i++) {
        count *= node->shape[i];
    }
    return count;
}

static double cube_work(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return (double)lki_node_count(node) * (double)node->shape[node->axes - 2];
}

static bool square(lk_graph *g, const char *name, lk_node a)
{
    if (!lki_graph_has(g, name, a)) {
        return false;
    }
    const lki_node *node = &g->nodes[a];
    if (node->axes < 2 || node->shape[node->axes - 1] != node->shape[node->axes - 2] || node->shape[node->axes - 1] > LKI_EIGEN_MAX) {
        char s[96];
        lki_graph_mistake(g, "%s: shape %s; the last two axes are a square of up to %d rows", name, lki_shape_text(node, s, sizeof s), LKI_EIGEN_MAX);
        return false;
    }
    return true;
}

static lk_node transposed(lk_graph *g, lk_node x)
{
    return lk_graph_transpose(g, x, NULL);
}

/* ---- Cholesky: A = L L', from A's lower triangle ---- */

static lk_status cholesky_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node;
    const int64_t d = node->shape[node->axes - 1], all = matrices_of(node, w->last - w->first);
    const size_t at = node->axes > 2 ? (size_t)(w->first * node->stride[0]) * g->bytes : 0;
    const char *a = g->nodes[node->in[0]].data + at;
    char *out = node->data + at;
    double *l = (double *)(void *)w->scratch;
    for (int64_t m = 0; m < all; m++, a += (size_t)(d * d) * g->bytes, out += (size_t)(d * d) * g->bytes) {
        for (int64_t i = 0; i < d; i++) {
            for (int64_t j = 0; j <= i; j++) {
                double v = lki_number_at(g, a, i * d + j);
                for (int64_t k = 0; k < j; k++) {
                    v -= l[i * d + k] * l[j * d + k];
                }
                if (i == j && !(v > 0)) {
                    return lki_fail(w->ctx, LK_ERROR_NUMERIC, "cholesky: matrix %lld is not positive definite: pivot %lld is %g", (long long)m,
                                    (long long)i, v);
                }
                l[i * d + j] = i == j ? sqrt(v) : v / l[j * d + j];
            }
        }
        for (int64_t i = 0; i < d * d; i++) {
            lki_number_put(g, out, i, i % d > i / d ? 0 : l[i]);
        }
    }
    return LK_OK;
}

static int64_t square_scratch(const lk_graph *g, const lki_node *node)
{
    const lki_node *a = &g->nodes[node->in[0]];
    int64_t d = a->shape[a->axes - 1];
    return (d * d + d) * (int64_t)sizeof(double);
}

/* Phi: the lower triangle with half the diagonal. */
static lk_node phi(lk_graph *g, lk_node x)
{
    return lki_graph_triangle(g, x, 0, 0.5);
}

/* With G the gradient of L and S = L'^-1 Phi(L' G) L^-1: that of A is Phi(S + S') (Murray 2016, arXiv:1602.07527), in the lower
 * triangle alone, which is all that is read. */
static lk_node cholesky_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    lk_node p = phi(g, lk_graph_matmul(g, transposed(g, y), gradient));
    lk_node left = lk_graph_solve_triangular(g, y, p, true);                              /* L'^-1 P */
    lk_node s = transposed(g, lk_graph_solve_triangular(g, y, transposed(g, left), true)); /* (L'^-1 (L'^-1 P)')' */
    return phi(g, lk_graph_binary(g, LK_ADD, s, transposed(g, s)));
}

/* dL = L Phi(L^-1 dA L'^-1). */
static lk_node cholesky_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node lower = lki_graph_triangle(g, tangents[0], 0, 0.5);
    lk_node both = lk_graph_binary(g, LK_ADD, lower, transposed(g, lower));
    lk_node left = lk_graph_solve_triangular(g, y, both, false);
    lk_node s = lk_graph_solve_triangular(g, y, transposed(g, left), false);
    return lk_graph_matmul(g, y, phi(g, s));
}

lk_node lk_graph_cholesky(lk_graph *g, lk_node a)
{
    a = square(g, "cholesky", a) ? lki_graph_contiguous(g, a) : -1;
    if (a < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_CHOLESKY, .input_count = 1, .in = {a}, .axes = g->nodes[a].axes};
    memcpy(node.shape, g->nodes[a].shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

/* ---- triangular solves: L^-1 B, or L'^-1 B (code 1), of the lower triangle of L ---- */

static lk_status solve_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node;
    const int64_t d = node->shape[node->axes - 2], n = node->shape[node->axes - 1], all = matrices_of(node, w->last - w->first);
    const int64_t first = node->axes > 2 ? w->first * node->stride[0] / (d * n) : 0;
    const char *l = g->nodes[node->in[0]].data + (size_t)(first * d * d) * g->bytes, *b = g->nodes[node->in[1]].data + (size_t)(first * d * n) * g->bytes;
    char *out = node->data + (size_t)(first * d * n) * g->bytes;
    double *row = (double *)(void *)w->scratch;
    for (int64_t m = 0; m < all; m++, l += (size_t)(d * d) * g->bytes, b += (size_t)(d * n) * g->bytes, out += (size_t)(d * n) * g->bytes) {
        for (int64_t s = 0; s < d; s++) {
            const int64_t i = node->code ? d - 1 - s : s;
            for (int64_t j = 0; j < n; j++) {
                row[j] = lki_number_at(g, b, i * n + j);
            }
            for (int64_t k = node->code ? i + 1 : 0; k < (node->code ? d : i); k++) {
                double factor = lki_number_at(g, l, node->code ? k * d + i : i * d + k);
                for (int64_t j = 0; j < n; j++) {
                    row[j] -= factor * lki_number_at(g, out, k * n + j);
                }
            }
            for (int64_t j = 0; j < n; j++) {
                lki_number_put(g, out, i * n + j, row[j] / lki_number_at(g, l, i * d + i));
            }
        }
    }
    return LK_OK;
}

static int64_t row_scratch(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return node->shape[node->axes - 1] * (int64_t)sizeof(double);
}

/* X = T^-1 B with T = L or L': the gradient H of B is T'^-1 G, that of T is -H X'. */
static lk_node solve_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node node = g->nodes[y];
    lk_node h = lk_graph_solve_triangular(g, node.in[0], gradient, node.code == 0);
    if (input == 1) {
        return h;
    }
    lk_node product = node.code ? lk_graph_matmul(g, y, transposed(g, h)) : lk_graph_matmul(g, h, transposed(g, y));
    return lk_graph_affine(g, lki_graph_triangle(g, product, 0, 1), -1, 0);
}

/* dX = T^-1 (dB - dT X). */
static lk_node solve_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node node = g->nodes[y];
    lk_node right = tangents[1];
    if (tangents[0] >= 0) {
        lk_node t = lki_graph_triangle(g, tangents[0], 0, 1);
        lk_node moved = lk_graph_affine(g, lk_graph_matmul(g, node.code ? transposed(g, t) : t, y), -1, 0);
        right = right < 0 ? moved : lk_graph_binary(g, LK_ADD, right, moved);
    }
    return right < 0 ? -1 : lk_graph_solve_triangular(g, node.in[0], right, node.code != 0);
}

lk_node lk_graph_solve_triangular(lk_graph *g, lk_node l, lk_node b, int transpose)
{
    l = square(g, "solve_triangular", l) && lki_graph_has(g, "solve_triangular", b) ? lki_graph_contiguous(g, l) : -1;
    b = l < 0 ? -1 : lki_graph_contiguous(g, b);
    if (b < 0) {
        return -1;
    }
    const lki_node *left = &g->nodes[l], *right = &g->nodes[b];
    bool good = left->axes == right->axes && left->shape[left->axes - 1] == right->shape[right->axes - 2];
    for (int i = 0; good && i < left->axes - 2; i++) {
        good = left->shape[i] == right->shape[i];
    }
    if (!good) {
        char s[96], t[96];
        return lki_graph_mistake(g, "solve_triangular: shapes %s and %s do not match", lki_shape_text(left, s, sizeof s),
                                 lki_shape_text(right, t, sizeof t));
    }
    lki_node node = {.op = LKI_OP_SOLVE, .code = transpose != 0, .input_count = 2, .in = {l, b}, .axes = right->axes};
    memcpy(node.shape, right->shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

/* The diagonal of the last two axes, of one axis less. */
static lk_node diagonal(lk_graph *g, lk_node a)
{
    a = lki_graph_contiguous(g, a);
    if (a < 0) {
        return -1;
    }
    const lki_node node = g->nodes[a];
    const int64_t d = node.shape[node.axes - 1], matrices = lki_node_count(&node) / (d * d);
    lk_node flat = lk_graph_slice(g, lk_graph_reshape(g, a, 2, (const int64_t[2]){matrices, d * d}), 1, 0, d, d + 1);
    return lk_graph_reshape(g, flat, node.axes - 1, node.shape);
}

lk_node lk_graph_log_determinant(lk_graph *g, lk_node l)
{
    if (!square(g, "log_determinant", l)) {
        return -1;
    }
    const lki_node node = g->nodes[l];
    lk_node logs = lk_graph_unary(g, LK_LOG, diagonal(g, l));
    lk_node sum = lk_graph_sum(g, logs, 1 << (node.axes - 2));
    return lk_graph_affine(g, lk_graph_reshape(g, sum, node.axes - 2, node.shape), 2, 0);
}

/* ---- symmetric eigenvalues: rows 0..d-1 are unit vectors v_i, row d the values, ascending ---- */

static lk_status eigen_run(const lki_work *w)
{
    const lk_graph *g = w->graph;
    const lki_node *node = w->node;
    const int64_t d = node->shape[node->axes - 1], all = matrices_of(node, w->last - w->first);
    const int64_t first = node->axes > 2 ? w->first * node->stride[0] / (d * (d + 1)) : 0;
    const char *a = g->nodes[node->in[0]].data + (size_t)(first * d * d) * g->bytes;
    char *out = node->data + (size_t)(first * d * (d + 1)) * g->bytes;
    double *matrix = (double *)(void *)w->scratch, *values = matrix + d * d;
    for (int64_t m = 0; m < all; m++, a += (size_t)(d * d) * g->bytes, out += (size_t)(d * (d + 1)) * g->bytes) {
        for (int64_t i = 0; i < d * d; i++) {
            matrix[i] = (lki_number_at(g, a, i) + lki_number_at(g, a, i % d * d + i / d)) / 2;
            if (!isfinite(matrix[i])) {
                return lki_fail(w->ctx, LK_ERROR_NUMERIC, "symmetric_eigen: matrix %lld has an entry that is not finite", (long long)m);
            }
        }
        if (lki_symmetric_eigen(d, matrix, values, 1) != 0) {
            return lki_fail(w->ctx, LK_ERROR_NUMERIC, "symmetric_eigen: matrix %lld: no convergence", (long long)m);
        }
        for (int64_t i = 0; i < d; i++) { /* each vector's largest entry is above 0: the sign is determined */
            int64_t largest = 0;
            for (int64_t j = 1; j < d; j++) {
                largest = fabs(matrix[i * d + j]) > fabs(matrix[i * d + largest]) ? j : largest;
            }
            double sign = matrix[i * d + largest] < 0 ? -1 : 1;
            for (int64_t j = 0; j < d; j++) {
                lki_number_put(g, out, i * d + j, sign * matrix[i * d + j]);
            }
            lki_number_put(g, out, d * d + i, values[i]);
        }
    }
    return LK_OK;
}

/* Eigenvalues nearer to each other than this part of the largest count as equal. */
static double tolerance(const lk_graph *g)
{
    return g->precision == LK_FLOAT32 ? 1e-5 : 1e-10;
}

static int matrix_axis(const lki_node *node)
{
    return node->axes - 2;
}

static lk_node vectors_of(lk_graph *g, lk_node y)
{
    const lki_node node = g->nodes[y];
    return lk_graph_slice(g, y, matrix_axis(&node), 0, node.shape[node.axes - 1], 1);
}

static lk_node values_of(lk_graph *g, lk_node y)
{
    const lki_node node = g->nodes[y];
    return lk_graph_slice(g, y, matrix_axis(&node), node.shape[node.axes - 1], 1, 1);
}

/* w_j - w_i, and 1 / that where the two count as different, else 0. */
static lk_node gaps(lk_graph *g, lk_node w)
{
    return lk_graph_binary(g, LK_SUBTRACT, w, transposed(g, w));
}

static lk_node inverse_gaps(lk_graph *g, lk_node w)
{
    const int last = g->nodes[w].axes - 1;
    lk_node gap = gaps(g, w), size = lk_graph_unary(g, LK_ABS, gap);
    lk_node limit = lk_graph_affine(g, lk_graph_max(g, lk_graph_unary(g, LK_ABS, w), 1 << last), tolerance(g), 0);
    lk_node apart = lk_graph_stop(g, lk_graph_binary(g, LK_GREATER, size, limit));
    lk_node safe = lk_graph_select(g, apart, gap, lk_graph_constant(g, 1));
    return lk_graph_select(g, apart, lk_graph_unary(g, LK_RECIPROCAL, safe), lk_graph_constant(g, 0));
}

/* 1 on the diagonal. */
static lk_node identity(lk_graph *g, lk_node like)
{
    const lki_node node = g->nodes[like];
    const int64_t d = node.shape[node.axes - 1];
    lk_node ones = lk_graph_expand(g, lk_graph_constant(g, 1), 2, (const int64_t[2]){d, d});
    return lk_graph_binary(g, LK_SUBTRACT, lki_graph_triangle(g, ones, 0, 1), lki_graph_triangle(g, ones, -1, 1));
}

/* With V the vectors as columns, G_V and g_w the gradients: V (diag g_w + F . (V' G_V)) V' with F_ij = 1 / (w_j - w_i) (Giles 2008,
 * section 3.1), symmetric since A's two triangles are read alike. */
static lk_node eigen_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    lk_node rows = vectors_of(g, y), w = values_of(g, y), of_rows = vectors_of(g, gradient), of_values = values_of(g, gradient);
    lk_node turned = lk_graph_binary(g, LK_MULTIPLY, inverse_gaps(g, w), lk_graph_matmul(g, rows, transposed(g, of_rows)));
    lk_node inner = lk_graph_binary(g, LK_ADD, turned, lk_graph_binary(g, LK_MULTIPLY, identity(g, rows), of_values));
    lk_node a = lk_graph_matmul(g, transposed(g, rows), lk_graph_matmul(g, inner, rows));
    return lk_graph_affine(g, lk_graph_binary(g, LK_ADD, a, transposed(g, a)), 0.5, 0);
}

/* dw = diag(V' dA V), dV = V (F . (V' dA V)). */
static lk_node eigen_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    lk_node rows = vectors_of(g, y), w = values_of(g, y);
    lk_node even = lk_graph_affine(g, lk_graph_binary(g, LK_ADD, tangents[0], transposed(g, tangents[0])), 0.5, 0);
    lk_node inner = lk_graph_matmul(g, rows, lk_graph_matmul(g, even, transposed(g, rows)));
    lk_node turned = lk_graph_binary(g, LK_MULTIPLY, inverse_gaps(g, w), inner);
    const int axis = matrix_axis(&g->nodes[y]);
    lk_node values = lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, inner, identity(g, rows)), 1 << axis);
    return lk_graph_concat(g, lk_graph_matmul(g, transposed(g, turned), rows), values, axis);
}

lk_node lk_graph_symmetric_eigen(lk_graph *g, lk_node a, lk_node *vectors, lk_node *smallest_gap)
{
    a = square(g, "symmetric_eigen", a) ? lki_graph_contiguous(g, a) : -1;
    if (a < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_EIGEN, .input_count = 1, .in = {a}, .axes = g->nodes[a].axes};
    memcpy(node.shape, g->nodes[a].shape, sizeof node.shape);
    node.shape[node.axes - 2]++;
    lk_node y = lki_graph_node(g, &node);
    if (y < 0) {
        return -1;
    }
    lk_node w = values_of(g, y);
    if (vectors != NULL) {
        *vectors = vectors_of(g, y);
    }
    if (smallest_gap != NULL) {
        lk_node most = lk_graph_max(g, lk_graph_unary(g, LK_ABS, w), 1 << (node.axes - 1)), wide = lk_graph_affine(g, most, 4, 0);
        lk_node apart = lk_graph_binary(g, LK_ADD, lk_graph_unary(g, LK_ABS, gaps(g, w)), lk_graph_binary(g, LK_MULTIPLY, identity(g, a), wide));
        lk_node least = lk_graph_affine(g, lk_graph_max(g, lk_graph_affine(g, apart, -1, 0), 3 << (node.axes - 2)), -1, 0);
        *smallest_gap = lk_graph_stop(g, lk_graph_binary(g, LK_DIVIDE, least, most));
    }
    int64_t shape[LK_AXES_MAX];
    memcpy(shape, node.shape, sizeof shape);
    shape[node.axes - 2] = node.shape[node.axes - 1];
    return lk_graph_reshape(g, w, node.axes - 1, shape);
}

extern const lki_op lki_cholesky_op, lki_solve_op, lki_eigen_op;
const lki_op lki_cholesky_op = {.name = "cholesky", .run = cholesky_run, .by_row = matrix_by_row, .units = matrix_units, .work = cube_work,
                                .scratch = square_scratch, .reverse = cholesky_reverse, .forward = cholesky_forward};
const lki_op lki_solve_op = {.name = "solve_triangular", .run = solve_run, .by_row = matrix_by_row, .units = matrix_units, .work = cube_work,
                             .scratch = row_scratch, .reverse = solve_reverse, .forward = solve_forward};
const lki_op lki_eigen_op = {.name = "symmetric_eigen", .run = eigen_run, .by_row = matrix_by_row, .units = matrix_units, .work = cube_work,
                             .scratch = square_scratch, .reverse = eigen_reverse, .forward = eigen_forward};
