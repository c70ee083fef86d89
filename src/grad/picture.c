/* What pictures need beside convolutions: norms by groups of channels, and sizes halved and doubled. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <math.h>
#include <string.h>

/* ---- group norm: rows (places x channels), each group of channels to mean 0 and variance 1 ---- */

/* y = (x - m) r with r = (variance + epsilon)^-1/2 of each row and group. With g the gradient of y, that of x is
 * r (g - mean g - y mean(g y)). */
static int64_t places_of(const lki_node *node)
{
    return lki_node_count(node) / (node->shape[0] * node->shape[node->axes - 1]);
}

/* Means m and r of each channel's group from sums of x and x^2 over places. */
static void group_moments(const lki_node *node, int64_t places, int64_t channels, const double *sum, const double *square, double *m, double *r)
{
    const int64_t width = channels / node->whole[0];
    for (int64_t c = 0; c < channels; c += width) {
        double mean = 0, power = 0, count = (double)(places * width);
        for (int64_t i = c; i < c + width; i++) {
            mean += sum[i] / count;
            power += square[i] / count;
        }
        double variance = power - mean * mean;
        for (int64_t i = c; i < c + width; i++) {
            m[i] = mean;
            r[i] = 1 / sqrt((variance > 0 ? variance : 0) + node->real[0]);
        }
    }
}

static lk_status norm_run(const lki_work *w)
{
    const lki_node *node = w->node;
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const int64_t channels = node->shape[node->axes - 1], places = places_of(node), size = places * channels;
    double *sum = (double *)(void *)w->scratch, *square = sum + channels, *m = sum + 2 * channels, *r = sum + 3 * channels;
    for (int64_t n = w->first; n < w->last; n++) {
        const char *x = w->graph->nodes[node->in[0]].data + (size_t)(n * size) * w->graph->bytes;
        k->channel_sums(places, channels, x, x, sum, square);
        group_moments(node, places, channels, sum, square, m, r);
        for (int64_t c = 0; c < channels; c++) { /* y = r x - r m */
            m[c] = -r[c] * m[c];
        }
        k->channel_affine(places, channels, x, r, NULL, NULL, m, node->data + (size_t)(n * size) * w->graph->bytes);
    }
    return LK_OK;
}

static lk_status norm_gradient_run(const lki_work *w)
{
    const lki_node *node = w->node;
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const int64_t channels = node->shape[node->axes - 1], places = places_of(node), size = places * channels, width = channels / node->whole[0];
    double *sum = (double *)(void *)w->scratch, *square = sum + channels, *m = sum + 2 * channels, *r = sum + 3 * channels;
    for (int64_t n = w->first; n < w->last; n++) {
        const size_t at = (size_t)(n * size) * w->graph->bytes;
        const char *x = w->graph->nodes[node->in[0]].data + at, *g = w->graph->nodes[node->in[1]].data + at;
        k->channel_sums(places, channels, x, x, sum, square);
        group_moments(node, places, channels, sum, square, m, r);
        k->channel_sums(places, channels, g, x, sum, square); /* of g, and of g x */
        for (int64_t c = 0; c < channels; c += width) {
            double mean = 0, with = 0, count = (double)(places * width);
            for (int64_t i = c; i < c + width; i++) {
                mean += sum[i] / count;
                with += (square[i] - m[i] * sum[i]) * r[i] / count; /* of g y */
            }
            for (int64_t i = c; i < c + width; i++) { /* r g - r^2 with x + r (r m with - mean) */
                double slope = -r[i] * r[i] * with;
                square[i] = r[i] * (r[i] * m[i] * with - mean);
                sum[i] = slope;
            }
        }
        k->channel_affine(places, channels, g, r, x, sum, square, node->data + at);
    }
    return LK_OK;
}

static int64_t norm_scratch(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return 4 * node->shape[node->axes - 1] * (int64_t)sizeof(double);
}

static double norm_work(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return 4.0 * (double)lki_node_count(node);
}

static lk_node define(lk_graph *g, const lki_node *node, const lk_node *in)
{
    const lki_node shape = g->nodes[in[0]];
    const int64_t groups = node->whole[0], n = shape.shape[0], channels = shape.shape[shape.axes - 1], places = places_of(&shape);
    lk_node parts = lk_graph_reshape(g, in[0], 4, (const int64_t[4]){n, places, groups, channels / groups});
    lk_node centred = lk_graph_binary(g, LK_SUBTRACT, parts, lk_graph_mean(g, parts, 2 | 8));
    lk_node variance = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, centred), 2 | 8);
    lk_node normed = lk_graph_binary(g, LK_DIVIDE, centred, lk_graph_unary(g, LK_SQRT, lk_graph_affine(g, variance, 1, node->real[0])));
    return lk_graph_reshape(g, normed, shape.axes, shape.shape);
}

static lk_node define_gradient(lk_graph *g, const lki_node *node, const lk_node *in)
{
    lk_node x = lki_graph_alias(g, in[0]), y = x < 0 ? -1 : define(g, node, &x), slope = -1;
    if (y >= 0) {
        lk_graph_vjp(g, y, in[1], &x, 1, &slope);
    }
    return slope;
}

static lk_node norm_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    const lki_node node = g->nodes[y];
    gradient = lki_graph_contiguous(g, gradient);
    if (gradient < 0) {
        return -1;
    }
    lki_node back = {.op = LKI_OP_NORM_GRADIENT, .input_count = 2, .in = {node.in[0], gradient}, .axes = node.axes, .whole = {node.whole[0]},
                     .real = {node.real[0]}};
    memcpy(back.shape, node.shape, sizeof back.shape);
    return lki_graph_node(g, &back);
}

static lk_node norm_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_defined_forward(g, y, tangents, define);
}

static lk_node norm_gradient_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    return lki_defined_reverse(g, y, input, gradient, define_gradient);
}

static lk_node norm_gradient_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return lki_defined_forward(g, y, tangents, define_gradient);
}

lk_node lk_graph_group_norm(lk_graph *g, lk_node x, int64_t groups, double epsilon)
{
    x = lki_graph_has(g, "group_norm", x) ? lki_graph_contiguous(g, x) : -1;
    if (x < 0) {
        return -1;
    }
    const lki_node shape = g->nodes[x];
    if (shape.axes < 2 || groups < 1 || shape.shape[shape.axes - 1] % groups != 0 || !(epsilon > 0.0) || !isfinite(epsilon)) {
        char s[96];
        return lki_graph_mistake(g, "group_norm: shape %s, %lld groups, epsilon %g; the last axis is cut into equal groups, epsilon is above 0",
                                 lki_shape_text(&shape, s, sizeof s), (long long)groups, epsilon);
    }
    lki_node node = {.op = LKI_OP_NORM, .input_count = 1, .in = {x}, .axes = shape.axes, .whole = {groups}, .real = {epsilon}};
    memcpy(node.shape, shape.shape, sizeof node.shape);
    return lki_graph_node(g, &node);
}

/* ---- sizes: the sum of each 2 x 2 (code 0), and each pixel four times (code 1), adjoint to each other ---- */

static lk_node resized(lk_graph *g, int code, lk_node x)
{
    x = lki_graph_contiguous(g, x);
    if (x < 0) {
        return -1;
    }
    const int64_t *s = g->nodes[x].shape;
    lki_node node = {.op = LKI_OP_RESIZE, .code = code, .input_count = 1, .in = {x}, .axes = 4,
                     .shape = {s[0], code ? 2 * s[1] : s[1] / 2, code ? 2 * s[2] : s[2] / 2, s[3]}};
    return lki_graph_node(g, &node);
}

static lk_status resize_run(const lki_work *w)
{
    const lki_node *node = w->node, *x = &w->graph->nodes[node->in[0]];
    const lki_tensor_kernels *k = lki_tensor_kernels_of(w->graph->precision);
    const size_t pixel = (size_t)node->shape[3] * w->graph->bytes;
    const int64_t rows = node->shape[1], columns = node->shape[2];
    char *out = node->data + (size_t)(w->first * node->stride[0]) * w->graph->bytes;
    for (int64_t i = w->first * rows; i < w->last * rows; i++) {
        for (int64_t j = 0; j < columns; j++, out += pixel) {
            if (node->code) {
                memcpy(out, x->data + (size_t)(i / 2 * x->shape[2] + j / 2) * pixel, pixel);
                continue;
            }
            const char *from = x->data + (size_t)(2 * i * x->shape[2] + 2 * j) * pixel, *below = from + (size_t)x->shape[2] * pixel;
            memcpy(out, from, pixel);
            k->add(node->shape[3], from + pixel, out);
            k->add(node->shape[3], below, out);
            k->add(node->shape[3], below + pixel, out);
        }
    }
    return LK_OK;
}

static lk_node resize_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    (void)input;
    return resized(g, !g->nodes[y].code, gradient);
}

static lk_node resize_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    return resized(g, g->nodes[y].code, tangents[0]);
}

static bool picture(lk_graph *g, const char *name, lk_node x, int64_t step)
{
    if (!lki_graph_has(g, name, x)) {
        return false;
    }
    const lki_node *node = &g->nodes[x];
    if (node->axes != 4 || node->shape[1] % step != 0 || node->shape[2] % step != 0) {
        char s[96];
        lki_graph_mistake(g, "%s: shape %s; there are rows, height, width and channels, height and width multiples of %lld", name,
                          lki_shape_text(node, s, sizeof s), (long long)step);
        return false;
    }
    return true;
}

lk_node lk_graph_halve(lk_graph *g, lk_node x)
{
    return picture(g, "halve", x, 2) ? lk_graph_affine(g, resized(g, 0, x), 0.25, 0) : -1;
}

lk_node lk_graph_double(lk_graph *g, lk_node x)
{
    return picture(g, "double", x, 1) ? resized(g, 1, x) : -1;
}

extern const lki_op lki_norm_op, lki_norm_gradient_op, lki_resize_op;
const lki_op lki_norm_op = {.name = "group_norm", .run = norm_run, .by_row = lki_by_place, .work = norm_work, .scratch = norm_scratch,
                            .reverse = norm_reverse, .forward = norm_forward};
const lki_op lki_norm_gradient_op = {.name = "group_norm_gradient", .run = norm_gradient_run, .by_row = lki_by_place, .work = norm_work,
                                     .scratch = norm_scratch, .reverse = norm_gradient_reverse, .forward = norm_gradient_forward};
const lki_op lki_resize_op = {.name = "resize", .run = resize_run, .by_row = lki_by_place, .reverse = resize_reverse, .forward = resize_forward};
