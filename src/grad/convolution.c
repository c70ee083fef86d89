/* Convolutions over one and two axes, channels last: patches are gathered strip by strip and multiplied by BLAS. The convolution, its
 * adjoint (which is the transposed convolution) and the gradient of its weights are two operations closed under differentiation. */
#include "grad/graph.h"

#include "grad/tensor_kernel.h"
#include <string.h>

/* y[o] = sum_k x'[o stride + k - low] w[k] along each axis, where x' is x with dilation - 1 zeros between its entries and zeros around.
 * With k' = K - 1 - k its gradient by x is the same sum over y and the flipped weights: stride and dilation change places, and low
 * becomes K - 1 - low. */
enum { STRIDE = 0, DILATION = 1, LOW_Y = 2, LOW_X = 3, GROUPS = 4 };

/* Bytes of the strip of patches. */
enum { STRIP_BYTES = 512 * 1024 };

typedef struct geometry {
    int64_t height, width, channels; /* of the input; channels of all groups */
    int64_t rows, columns, out;      /* of the output; out of all groups */
    int64_t taps_y, taps_x, groups;
    int64_t in_group, out_group; /* channels of a group */
    int64_t stride, dilation, low_y, low_x;
} geometry;

/* x (n, height, width, channels), w (taps_y, taps_x, channels / groups, out), y (n, rows, columns, out). */
static geometry geometry_of(const lki_node *node, const lki_node *x, const lki_node *w, const lki_node *y)
{
    int64_t groups = node->whole[GROUPS];
    return (geometry){.height = x->shape[1], .width = x->shape[2], .channels = x->shape[3], .rows = y->shape[1], .columns = y->shape[2],
                      .out = y->shape[3], .taps_y = w->shape[0], .taps_x = w->shape[1], .groups = groups, .in_group = x->shape[3] / groups,
                      .out_group = y->shape[3] / groups, .stride = node->whole[STRIDE], .dilation = node->whole[DILATION],
                      .low_y = node->whole[LOW_Y], .low_x = node->whole[LOW_X]};
}

static bool depthwise(const geometry *s)
{
    return s->in_group == 1 && s->out_group == 1;
}

/* The input's place for tap k of output o, -1 in the zeros. */
static int64_t place_of(int64_t o, int64_t k, int64_t stride, int64_t dilation, int64_t low, int64_t length)
{
    int64_t at = o * stride + k - low;
    return at < 0 || at % dilation != 0 || at / dilation >= length ? -1 : at / dilation;
}

/* Taps [first_y, last_y) of one output pixel in one group: (last_y - first_y) x taps_x x in_group numbers. */
static void patch(const geometry *s, const char *image, int64_t group, int64_t oy, int64_t ox, int64_t first_y, int64_t last_y, size_t bytes,
                  char *to)
{
    const size_t pixel = (size_t)s->channels * bytes, part = (size_t)s->in_group * bytes;
    image += (size_t)group * part;
    for (int64_t ky = first_y; ky < last_y; ky++, to += (size_t)s->taps_x * part) {
        int64_t iy = place_of(oy, ky, s->stride, s->dilation, s->low_y, s->height), left = ox * s->stride - s->low_x;
        if (iy < 0) {
            memset(to, 0, (size_t)s->taps_x * part);
        } else if (s->dilation == 1 && s->groups == 1 && left >= 0 && left + s->taps_x <= s->width) {
            memcpy(to, image + (size_t)(iy * s->width + left) * pixel, (size_t)s->taps_x * part);
        } else {
            for (int64_t kx = 0; kx < s->taps_x; kx++) {
                int64_t ix = place_of(ox, kx, s->stride, s->dilation, s->low_x, s->width);
                if (ix < 0) {
                    memset(to + (size_t)kx * part, 0, part);
                } else {
                    memcpy(to + (size_t)kx * part, image + (size_t)(iy * s->width + ix) * pixel, part);
                }
            }
        }
    }
}

/* Patches of output pixels first..last-1, counted through all images. */
static void patches(const geometry *s, const char *x, int64_t group, int64_t first, int64_t last, int64_t first_y, int64_t last_y,
                    size_t bytes, char *to)
{
    const int64_t pixels = s->rows * s->columns;
    const size_t image = (size_t)(s->height * s->width * s->channels) * bytes;
    const size_t length = (size_t)((last_y - first_y) * s->taps_x * s->in_group) * bytes;
    for (int64_t p = first; p < last; p++, to += length) {
        patch(s, x + (size_t)(p / pixels) * image, group, p % pixels / s->columns, p % s->columns, first_y, last_y, bytes, to);
    }
}

static int64_t strip_length(int64_t patch_length, size_t bytes)
{
    int64_t strip = STRIP_BYTES / (patch_length * (int64_t)bytes);
    return strip < 1 ? 1 : strip > 1024 ? 1024 : strip;
}

/* ---- the convolution ---- */

static lk_node convolution_node(lk_graph *g, lk_node x, lk_node w, const int64_t *whole, int64_t rows, int64_t columns)
{
    x = lki_graph_contiguous(g, x);
    w = x < 0 ? -1 : lki_graph_contiguous(g, w);
    if (w < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_CONVOLUTION, .input_count = 2, .in = {x, w}, .axes = 4,
                     .shape = {g->nodes[x].shape[0], rows, columns, g->nodes[w].shape[3]}};
    memcpy(node.whole, whole, sizeof node.whole);
    return lki_graph_node(g, &node);
}

/* Each pixel's sum over its taps, channel by channel. */
static void depthwise_run(const lki_work *k, const geometry *s, const char *x, const char *w, char *y)
{
    const lki_tensor_kernels *kernels = lki_tensor_kernels_of(k->graph->precision);
    const size_t pixel = (size_t)s->channels * k->graph->bytes;
    const int64_t pixels = s->rows * s->columns;
    for (int64_t p = k->first * pixels; p < k->last * pixels; p++, y += pixel) {
        const char *image = x + (size_t)(p / pixels * s->height * s->width) * pixel;
        memset(y, 0, pixel);
        for (int64_t t = 0; t < s->taps_y * s->taps_x; t++) {
            int64_t iy = place_of(p % pixels / s->columns, t / s->taps_x, s->stride, s->dilation, s->low_y, s->height);
            int64_t ix = place_of(p % s->columns, t % s->taps_x, s->stride, s->dilation, s->low_x, s->width);
            if (iy >= 0 && ix >= 0) {
                kernels->multiply_add(s->channels, image + (size_t)(iy * s->width + ix) * pixel, w + (size_t)t * pixel, y);
            }
        }
    }
}

static lk_status convolution_run(const lki_work *k)
{
    const lk_graph *g = k->graph;
    const lki_node *node = k->node, *x = &g->nodes[node->in[0]], *w = &g->nodes[node->in[1]];
    const geometry s = geometry_of(node, x, w, node);
    const size_t bytes = g->bytes;
    const int64_t length = s.taps_y * s.taps_x * s.in_group, pixels = s.rows * s.columns, strip = strip_length(length, bytes);
    char *out = node->data + (size_t)(k->first * node->stride[0]) * bytes;
    if (depthwise(&s)) {
        depthwise_run(k, &s, x->data, w->data, out);
        return LK_OK;
    }
    for (int64_t p = k->first * pixels; p < k->last * pixels; p += strip) {
        int64_t end = p + strip < k->last * pixels ? p + strip : k->last * pixels;
        for (int64_t group = 0; group < s.groups; group++) {
            patches(&s, x->data, group, p, end, 0, s.taps_y, bytes, k->scratch);
            size_t column = (size_t)(group * s.out_group) * bytes;
            lki_product_run(g->precision, end - p, s.out_group, length, 1, (lki_factor){k->scratch, length, false},
                            (lki_factor){w->data + column, s.out, false}, 0, node->data + (size_t)(p * s.out) * bytes + column, s.out);
        }
    }
    return LK_OK;
}

static int64_t convolution_scratch(const lk_graph *g, const lki_node *node)
{
    const lki_node *w = &g->nodes[node->in[1]];
    int64_t length = w->shape[0] * w->shape[1] * w->shape[2];
    return strip_length(length, g->bytes) * length * (int64_t)g->bytes;
}

static double convolution_work(const lk_graph *g, const lki_node *node)
{
    const lki_node *w = &g->nodes[node->in[1]];
    return 2.0 * (double)lki_node_count(node) * (double)(w->shape[0] * w->shape[1] * w->shape[2]);
}

/* Weights (taps_y, taps_x, in, groups out) as those of the adjoint: taps backwards, and in each group the channels exchanged. */
static lk_node flipped(lk_graph *g, lk_node w, int64_t groups)
{
    static const int order[4] = {0, 3, 2, 1};
    if (!lki_graph_has(g, "convolution", w)) {
        return -1;
    }
    const int64_t *s = g->nodes[w].shape;
    const int64_t taps_y = s[0], taps_x = s[1], in = s[2], out = s[3] / groups;
    w = lki_graph_flip(g, lk_graph_reshape(g, w, 4, (const int64_t[4]){taps_y * taps_x, in, groups, out}), 0);
    return lk_graph_reshape(g, lk_graph_transpose(g, w, order), 4, (const int64_t[4]){taps_y, taps_x, out, groups * in});
}

/* The gradient by x, of x's height and width. */
static lk_node adjoint(lk_graph *g, const int64_t *whole, lk_node y, lk_node w, int64_t height, int64_t width)
{
    if (y < 0 || w < 0) {
        return -1;
    }
    const int64_t taps_y = g->nodes[w].shape[0], taps_x = g->nodes[w].shape[1];
    const int64_t back[LKI_WHOLE_MAX] = {[STRIDE] = whole[DILATION], [DILATION] = whole[STRIDE], [LOW_Y] = taps_y - 1 - whole[LOW_Y],
                                         [LOW_X] = taps_x - 1 - whole[LOW_X], [GROUPS] = whole[GROUPS]};
    return convolution_node(g, y, flipped(g, w, whole[GROUPS]), back, height, width);
}

static lk_node weight_node(lk_graph *g, const int64_t *whole, lk_node x, lk_node y, int64_t taps_y, int64_t taps_x)
{
    x = lki_graph_contiguous(g, x);
    y = x < 0 ? -1 : lki_graph_contiguous(g, y);
    if (y < 0) {
        return -1;
    }
    lki_node node = {.op = LKI_OP_CONVOLUTION_WEIGHT, .input_count = 2, .in = {x, y}, .axes = 4,
                     .shape = {taps_y, taps_x, g->nodes[x].shape[3] / whole[GROUPS], g->nodes[y].shape[3]}};
    memcpy(node.whole, whole, sizeof node.whole);
    return lki_graph_node(g, &node);
}

static lk_node convolution_reverse(lk_graph *g, lk_node y, int input, lk_node gradient)
{
    const lki_node node = g->nodes[y], x = g->nodes[node.in[0]], w = g->nodes[node.in[1]];
    return input == 0 ? adjoint(g, node.whole, gradient, node.in[1], x.shape[1], x.shape[2])
                      : weight_node(g, node.whole, node.in[0], gradient, w.shape[0], w.shape[1]);
}

static lk_node sum_of(lk_graph *g, lk_node a, lk_node b)
{
    return a < 0 ? b : b < 0 ? a : lk_graph_binary(g, LK_ADD, a, b);
}

static lk_node convolution_forward(lk_graph *g, lk_node y, const lk_node *tangents)
{
    const lki_node node = g->nodes[y];
    lk_node left = tangents[0] < 0 ? -1 : convolution_node(g, tangents[0], node.in[1], node.whole, node.shape[1], node.shape[2]);
    lk_node right = tangents[1] < 0 ? -1 : convolution_node(g, node.in[0], tangents[1], node.whole, node.shape[1], node.shape[2]);
    return sum_of(g, left, right);
}

/* ---- the gradient of the weights: sum over pixels of patch' y ---- */

static int64_t weight_units(const lk_graph *g, const lki_node *node)
{
    (void)g;
    return node->shape[0];
}

/* One row of taps of one channel after the other; sums over an image, then over images. */
static void depthwise_weight(const lki_work *k, const geometry *s, const lki_node *x, const lki_node *y)
{
    const lki_tensor_kernels *kernels = lki_tensor_kernels_of(k->graph->precision);
    const size_t pixel = (size_t)s->channels * k->graph->bytes;
    char *image_sum = k->scratch;
    memset(k->node->data + (size_t)(k->first * s->taps_x) * pixel, 0, (size_t)((k->last - k->first) * s->taps_x) * pixel);
    for (int64_t i = 0; i < x->shape[0]; i++) {
        const char *image = x->data + (size_t)(i * s->height * s->width) * pixel, *gradient = y->data + (size_t)(i * s->rows * s->columns) * pixel;
        for (int64_t t = k->first * s->taps_x; t < k->last * s->taps_x; t++) {
            memset(image_sum, 0, pixel);
            for (int64_t p = 0; p < s->rows * s->columns; p++) {
                int64_t iy = place_of(p / s->columns, t / s->taps_x, s->stride, s->dilation, s->low_y, s->height);
                int64_t ix = place_of(p % s->columns, t % s->taps_x, s->stride, s->dilation, s->low_x, s->width);
                if (iy >= 0 && ix >= 0) {
                    kernels->multiply_add(s->channels, image + (size_t)(iy * s->width + ix) * pixel, gradient + (size_t)p * pixel, image_sum);
                }
            }
            kernels->add(s->channels, image_sum, k->node->data + (size_t)t * pixel);
        }
    }
}

static lk_status weight_run(const lki_work *k)
{
    const lk_graph *g = k->graph;
    const lki_node *node = k->node, *x = &g->nodes[node->in[0]], *y = &g->nodes[node->in[1]];
    const geometry s = geometry_of(node, x, node, y);
    const size_t bytes = g->bytes;
    if (depthwise(&s)) {
        depthwise_weight(k, &s, x, y);
        return LK_OK;
    }
    const int64_t rows = k->last - k->first, length = rows * s.taps_x * s.in_group, pixels = x->shape[0] * s.rows * s.columns;
    const int64_t strip = strip_length(s.taps_y * s.taps_x * s.in_group, bytes);
    for (int64_t group = 0; group < s.groups; group++) {
        size_t column = (size_t)(group * s.out_group) * bytes;
        char *out = node->data + (size_t)(k->first * s.taps_x * s.in_group * s.out) * bytes + column;
        for (int64_t p = 0; p < pixels; p += strip) {
            int64_t end = p + strip < pixels ? p + strip : pixels;
            patches(&s, x->data, group, p, end, k->first, k->last, bytes, k->scratch);
            lki_product_run(g->precision, length, s.out_group, end - p, 1, (lki_factor){k->scratch, length, true},
                            (lki_factor){y->data + (size_t)(p * s.out) * bytes + column, s.out, false}, p > 0, out, s.out);
        }
    }
    return LK_OK;
}

static int64_t weight_scratch(const lk_graph *g, const lki_node *node)
{
    int64_t length = node->shape[0] * node->shape[1] * node->shape[2], pixel = g->nodes[node->in[0]].shape[3];
    int64_t strip = strip_length(length, g->bytes) * length;
    return (strip > pixel ? strip : pixel) * (int64_t)g->bytes;
}

static double weight_work(const lk_graph *g, const lki_node *node)
{
    const lki_node *y = &g->nodes[node->in[1]];
    return 2.0 * (double)lki_node_count(y) * (double)(node->shape[0] * node->shape[1] * node->shape[2]);
}

static lk_node weight_reverse(lk_graph *g, lk_node w, int input, lk_node gradient)
{
    const lki_node node = g->nodes[w], x = g->nodes[node.in[0]], y = g->nodes[node.in[1]];
    return input == 0 ? adjoint(g, node.whole, node.in[1], gradient, x.shape[1], x.shape[2])
                      : convolution_node(g, node.in[0], gradient, node.whole, y.shape[1], y.shape[2]);
}

static lk_node weight_forward(lk_graph *g, lk_node w, const lk_node *tangents)
{
    const lki_node node = g->nodes[w];
    lk_node left = tangents[0] < 0 ? -1 : weight_node(g, node.whole, tangents[0], node.in[1], node.shape[0], node.shape[1]);
    lk_node right = tangents[1] < 0 ? -1 : weight_node(g, node.whole, node.in[0], tangents[1], node.shape[0], node.shape[1]);
    return sum_of(g, left, right);
}

/* ---- the builders ---- */

/* A tensor of three axes with an axis of length 1 put in before `axis`. */
static lk_node widened(lk_graph *g, lk_node x, int axis)
{
    const int64_t *s = g->nodes[x].shape;
    const int64_t shape[4] = {axis == 0 ? 1 : s[0], axis == 0 ? s[0] : 1, s[1], s[2]};
    return lk_graph_reshape(g, x, 4, shape);
}

static bool fits(lk_graph *g, const char *name, lk_node x, lk_node w, int64_t stride, int64_t padding, int64_t groups, int channel_axis)
{
    char s[96], t[96];
    if (!lki_graph_has(g, name, x) || !lki_graph_has(g, name, w)) {
        return false;
    }
    const lki_node *a = &g->nodes[x], *b = &g->nodes[w];
    bool good = a->axes == b->axes && (a->axes == 3 || a->axes == 4) && stride >= 1 && padding >= 0 && groups >= 1 &&
                b->shape[b->axes - 1] % groups == 0;
    if (good) {
        int64_t channels = channel_axis == 0 ? b->shape[b->axes - 2] * groups : b->shape[b->axes - 1];
        good = a->shape[a->axes - 1] == channels;
    }
    if (!good) {
        lki_graph_mistake(g, "%s: shapes %s and %s with stride %lld, padding %lld and %lld groups do not match", name,
                          lki_shape_text(a, s, sizeof s), lki_shape_text(b, t, sizeof t), (long long)stride, (long long)padding, (long long)groups);
    }
    return good;
}

/* The result of a convolution over one axis without the axis that was put in. */
static lk_node narrowed(lk_graph *g, lk_node y, bool one_axis)
{
    if (y < 0 || !one_axis) {
        return y;
    }
    const int64_t *s = g->nodes[y].shape;
    return lk_graph_reshape(g, y, 3, (const int64_t[3]){s[0], s[2], s[3]});
}

lk_node lk_graph_convolution(lk_graph *g, lk_node x, lk_node w, int64_t stride, int64_t padding, int64_t groups)
{
    if (!fits(g, "convolution", x, w, stride, padding, groups, 0)) {
        return -1;
    }
    bool one_axis = g->nodes[x].axes == 3;
    x = one_axis ? widened(g, x, 1) : x;
    w = one_axis ? widened(g, w, 0) : w;
    if (w < 0) {
        return -1;
    }
    const int64_t low_y = one_axis ? 0 : padding, taps_y = g->nodes[w].shape[0], taps_x = g->nodes[w].shape[1];
    const int64_t rows = g->nodes[x].shape[1] + 2 * low_y - taps_y, columns = g->nodes[x].shape[2] + 2 * padding - taps_x;
    if (rows < 0 || columns < 0) {
        return lki_graph_mistake(g, "convolution: %lld x %lld taps are more than the input with its padding", (long long)taps_y, (long long)taps_x);
    }
    const int64_t whole[LKI_WHOLE_MAX] = {[STRIDE] = stride, [DILATION] = 1, [LOW_Y] = low_y, [LOW_X] = padding, [GROUPS] = groups};
    return narrowed(g, convolution_node(g, x, w, whole, rows / stride + 1, columns / stride + 1), one_axis);
}

lk_node lk_graph_transposed_convolution(lk_graph *g, lk_node x, lk_node w, int64_t stride, int64_t padding, int64_t groups)
{
    if (!fits(g, "transposed_convolution", x, w, stride, padding, groups, 1)) {
        return -1;
    }
    bool one_axis = g->nodes[x].axes == 3;
    x = one_axis ? widened(g, x, 1) : x;
    w = one_axis ? widened(g, w, 0) : w;
    if (w < 0) {
        return -1;
    }
    const int64_t low_y = one_axis ? 0 : padding, taps_y = g->nodes[w].shape[0], taps_x = g->nodes[w].shape[1];
    const int64_t rows = (g->nodes[x].shape[1] - 1) * stride + taps_y - 2 * low_y;
    const int64_t columns = (g->nodes[x].shape[2] - 1) * stride + taps_x - 2 * padding;
    if (rows < 1 || columns < 1) {
        return lki_graph_mistake(g, "transposed_convolution: padding %lld leaves nothing", (long long)padding);
    }
    const int64_t whole[LKI_WHOLE_MAX] = {[STRIDE] = stride, [DILATION] = 1, [LOW_Y] = low_y, [LOW_X] = padding, [GROUPS] = groups};
    return narrowed(g, adjoint(g, whole, x, w, rows, columns), one_axis);
}

extern const lki_op lki_convolution_op, lki_convolution_weight_op;
const lki_op lki_convolution_op = {.name = "convolution", .run = convolution_run, .by_row = lki_by_first, .work = convolution_work,
                                   .scratch = convolution_scratch, .reverse = convolution_reverse, .forward = convolution_forward};
const lki_op lki_convolution_weight_op = {.name = "convolution_weight", .run = weight_run, .units = weight_units, .work = weight_work,
                                          .scratch = weight_scratch, .reverse = weight_reverse, .forward = weight_forward};
