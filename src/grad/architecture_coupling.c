/* Coupling layers with rational-quadratic splines: an invertible net whose inverse and log-determinant are exact. */
#include "grad/architecture.h"

#include <math.h>

/* Half of the features, given the other half, go through monotonic splines of K bins over [-B, B] and stay as they are outside (Durkan et
 * al. 2019, arXiv:1906.04032); then the order of the features is turned around. In a bin of width w, height h and slope s = h / w, with
 * slopes d0 and d1 at its ends and u = (x - x0) / w:
 *   y = y0 + h (s u^2 + d0 u (1 - u)) / (s + (d0 + d1 - 2 s) u (1 - u))                                             (equation 4)
 *   dy/dx = s^2 (d1 u^2 + 2 s u (1 - u) + d0 (1 - u)^2) / (s + (d0 + d1 - 2 s) u (1 - u))^2                         (equation 5) */
static const double BOUND = 4, LEAST_SIZE = 1e-3, LEAST_SLOPE = 1e-3;

#define F(f, a) lk_graph_unary(g, f, a)
#define ADD(a, b) lk_graph_binary(g, LK_ADD, a, b)
#define SUB(a, b) lk_graph_binary(g, LK_SUBTRACT, a, b)
#define MUL(a, b) lk_graph_binary(g, LK_MULTIPLY, a, b)
#define DIV(a, b) lk_graph_binary(g, LK_DIVIDE, a, b)
#define AFFINE(a, scale, shift) lk_graph_affine(g, a, scale, shift)

/* Bins of sizes that add up to 2 B, and where each begins: (rows, d, K). */
static void bins_of(lk_graph *g, lk_node raw, int64_t count, lk_node *size, lk_node *start)
{
    lk_node share = AFFINE(lk_graph_softmax(g, raw, 2), 2 * BOUND * (1 - (double)count * LEAST_SIZE), 2 * BOUND * LEAST_SIZE);
    *size = share;
    *start = AFFINE(SUB(lk_graph_cumulative_sum(g, share), share), 1, -BOUND);
}

/* 1 in the bin that v (rows, d, 1) is in: the last one that begins before it, the first where there is none. */
static lk_node bin_mask(lk_graph *g, lk_node v, lk_node start, int64_t count)
{
    if (count == 1) {
        return AFFINE(start, 0, 1);
    }
    lk_node above = lk_graph_binary(g, LK_GREATER, v, lk_graph_slice(g, start, 2, 1, count - 1, 1)), one = AFFINE(v, 0, 1);
    return SUB(lk_graph_concat(g, one, above, 2), lk_graph_concat(g, above, AFFINE(v, 0, 0), 2));
}

static lk_node chosen(lk_graph *g, lk_node mask, lk_node values)
{
    return lk_graph_sum(g, MUL(mask, values), 4);
}

typedef struct bin {
    lk_node x, y, width, height, slope, left, right; /* each (rows, d, 1) */
} bin;

/* The bin of v, which is x (or y, for the inverse). raw: (rows, d, 3 K - 1). */
static bin bin_of(lk_graph *g, lk_node raw, lk_node v, int64_t count, bool inverse)
{
    lk_node width, height, x, y, slopes = -1;
    bins_of(g, lk_graph_slice(g, raw, 2, 0, count, 1), count, &width, &x);
    bins_of(g, lk_graph_slice(g, raw, 2, count, count, 1), count, &height, &y);
    lk_node mask = bin_mask(g, v, inverse ? y : x, count), one = AFFINE(v, 0, 1), left = one, right = one;
    if (count > 1) { /* softplus(raw + c) is 1 at 0, as outside */
        const double shift = log(expm1(1 - LEAST_SLOPE));
        slopes = AFFINE(F(LK_SOFTPLUS, AFFINE(lk_graph_slice(g, raw, 2, 2 * count, count - 1, 1), 1, shift)), 1, LEAST_SLOPE);
        left = chosen(g, mask, lk_graph_concat(g, one, slopes, 2));
        right = chosen(g, mask, lk_graph_concat(g, slopes, one, 2));
    }
    bin b = {.x = chosen(g, mask, x), .y = chosen(g, mask, y), .width = chosen(g, mask, width), .height = chosen(g, mask, height), .left = left,
             .right = right};
    b.slope = DIV(b.height, b.width);
    return b;
}

/* log dy/dx at u. */
static lk_node log_slope(lk_graph *g, const bin *b, lk_node u, lk_node below)
{
    lk_node rest = AFFINE(u, -1, 1), both = MUL(u, rest);
    lk_node top = ADD(ADD(MUL(b->right, F(LK_SQUARE, u)), AFFINE(MUL(b->slope, both), 2, 0)), MUL(b->left, F(LK_SQUARE, rest)));
    return ADD(AFFINE(SUB(F(LK_LOG, b->slope), F(LK_LOG, below)), 2, 0), F(LK_LOG, top));
}

/* s + (d0 + d1 - 2 s) u (1 - u) */
static lk_node denominator(lk_graph *g, const bin *b, lk_node bend, lk_node u)
{
    return ADD(b->slope, MUL(bend, MUL(u, AFFINE(u, -1, 1))));
}

static lk_node spline(lk_graph *g, lk_node raw, lk_node x, int64_t count, lk_node *log_derivative)
{
    bin b = bin_of(g, raw, x, count, false);
    lk_node bend = SUB(ADD(b.left, b.right), AFFINE(b.slope, 2, 0)), u = DIV(SUB(x, b.x), b.width), below = denominator(g, &b, bend, u);
    lk_node top = ADD(MUL(b.slope, F(LK_SQUARE, u)), MUL(b.left, MUL(u, AFFINE(u, -1, 1))));
    *log_derivative = log_slope(g, &b, u, below);
    return ADD(b.y, MUL(b.height, DIV(top, below)));
}

/* u = 2 c / (-b - sqrt(b^2 - 4 a c)) (equations 6 to 8). */
static lk_node inverse_spline(lk_graph *g, lk_node raw, lk_node y, int64_t count, lk_node *log_derivative)
{
    bin b = bin_of(g, raw, y, count, true);
    lk_node bend = SUB(ADD(b.left, b.right), AFFINE(b.slope, 2, 0)), up = SUB(y, b.y), turned = MUL(up, bend);
    lk_node a2 = ADD(MUL(b.height, SUB(b.slope, b.left)), turned), a1 = SUB(MUL(b.height, b.left), turned), a0 = AFFINE(MUL(b.slope, up), -1, 0);
    lk_node root = F(LK_SQRT, F(LK_RELU, SUB(F(LK_SQUARE, a1), AFFINE(MUL(a2, a0), 4, 0))));
    lk_node u = DIV(AFFINE(a0, 2, 0), AFFINE(ADD(a1, root), -1, 0));
    *log_derivative = AFFINE(log_slope(g, &b, u, denominator(g, &b, bend, u)), -1, 0);
    return ADD(b.x, MUL(u, b.width));
}

/* The second part of the features through splines that the first part sets; log_slope is the sum of each row. */
static lk_node couple(lki_builder *b, lk_node v, bool inverse, lk_node *log_determinant)
{
    lk_graph *g = b->g;
    const int64_t d = lki_net_value(b->net, "inputs"), fixed = d / 2, moved = d - fixed, count = lki_net_value(b->net, "bins");
    int64_t s[LK_AXES_MAX] = {1, 1};
    lk_graph_shape(g, v, s);
    lk_node first = fixed > 0 ? lk_graph_slice(g, v, 1, 0, fixed, 1) : -1, raw;
    if (fixed > 0) {
        lk_node h = first;
        for (int64_t l = 0; l < lki_net_value(b->net, "layers"); l++) {
            h = lki_net_activate(b, lki_net_dense(b, h, lki_net_value(b->net, "width"), 2));
        }
        raw = lki_net_dense(b, h, moved * (3 * count - 1), 0.01);
    } else {
        const int64_t size[2] = {1, 3 * count - 1};
        raw = lk_graph_expand(g, lki_net_parameter(b, 2, size, 0.01, 0), 2, (const int64_t[2]){s[0], size[1]});
    }
    raw = lk_graph_reshape(g, raw, 3, (const int64_t[3]){s[0], moved, 3 * count - 1});
    lk_node x = lk_graph_reshape(g, lk_graph_slice(g, v, 1, fixed, moved, 1), 3, (const int64_t[3]){s[0], moved, 1}), slope;
    lk_node inside = lk_graph_binary(g, LK_GREATER, lk_graph_constant(g, BOUND), F(LK_ABS, x)), zero = lk_graph_constant(g, 0);
    lk_node safe = lk_graph_select(g, inside, x, zero);
    lk_node y = inverse ? inverse_spline(g, raw, safe, count, &slope) : spline(g, raw, safe, count, &slope);
    y = lk_graph_reshape(g, lk_graph_select(g, inside, y, x), 2, (const int64_t[2]){s[0], moved});
    lk_node sum = lk_graph_reshape(g, lk_graph_sum(g, lk_graph_select(g, inside, slope, zero), 2), 2, (const int64_t[2]){s[0], 1});
    *log_determinant = *log_determinant < 0 ? sum : ADD(*log_determinant, sum);
    return fixed > 0 ? lk_graph_concat(g, first, y, 1) : y;
}

static lk_node coupling_build(lki_builder *b, lk_node x, lk_node second, lk_node *also)
{
    (void)second;
    for (int64_t l = 0; l < lki_net_value(b->net, "couplings"); l++) {
        x = lki_graph_flip(b->g, couple(b, x, false, also), 1);
    }
    return x < 0 ? -1 : lki_graph_contiguous(b->g, x);
}

/* The couplings backwards: their parameters were made in the order of the way there. */
static lk_node coupling_invert(lki_builder *b, lk_node z, lk_node *also)
{
    const int64_t couplings = lki_net_value(b->net, "couplings");
    const int each = b->net->count / (int)couplings;
    for (int64_t l = couplings - 1; l >= 0; l--) {
        b->next = (int)l * each;
        z = couple(b, lki_graph_flip(b->g, z, 1), true, also);
    }
    return z;
}

static int coupling_shape(const lk_net *net, int which, int64_t *shape)
{
    shape[1] = lki_net_value(net, "inputs");
    return which == 0 ? 2 : 0;
}

static const lki_net_option options[] = {
    {"inputs", 0, 1, 1 << 12, NULL}, {"couplings", 4, 1, 64, NULL}, {"bins", 8, 1, 256, NULL},
    {"width", 64, 1, 1 << 14, NULL}, {"layers", 2, 0, 64, NULL},    {"activation", 0, 0, 4, LKI_ACTIVATIONS},
};
const lki_architecture lki_coupling = {.name = "coupling", .options = options, .option_count = 6, .shape = coupling_shape,
                                       .build = coupling_build, .invert = coupling_invert};
