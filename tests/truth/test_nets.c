/* Nets from descriptions: what each promises by its construction, and the gradient of all its parameters against differences. */
#include "check.h"
#include "core/philox.h"
#include <likely/nets.h>

enum { PARAMETERS_MOST = 400, ROWS = 6 };

/* A net in a graph of doubles, with its input, parameters and answer. */
typedef struct rig {
    lk_net *net;
    lk_graph *g;
    lk_node p[PARAMETERS_MOST], x, second, y, also;
    int count;
} rig;

static int64_t size_of(const lk_graph *g, lk_node x)
{
    int64_t shape[4], n = 1;
    for (int i = lk_graph_shape(g, x, shape) - 1; i >= 0; i--) {
        n *= shape[i];
    }
    return n;
}

static void fill(lk_graph *g, lk_node x, uint64_t seed, double size)
{
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 2);
    double *v = lk_graph_values(g, x);
    for (int64_t i = 0; i < size_of(g, x); i++) {
        v[i] = size * lki_random_normal(&s);
    }
}

static void rig_make(lk_context *ctx, const char *description, bool second, rig *r)
{
    *r = (rig){.second = -1};
    check_ok(ctx, lk_net_new(ctx, description, &r->net));
    r->count = lk_net_parameter_count(r->net);
    assert_true(r->count <= PARAMETERS_MOST);
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT64, &r->g));
    lk_net_parameters(r->net, r->g, r->p);
    r->x = lk_net_input(r->net, r->g, ROWS, 0);
    r->second = second ? lk_net_input(r->net, r->g, ROWS, 1) : -1;
    r->y = lk_net_apply(r->net, r->g, r->p, r->x, r->second, &r->also);
    if (r->y < 0) {
        check_ok(ctx, lk_graph_plan(ctx, r->g));
    }
}

/* Plans, starts, and moves every parameter away from its start, so that none is 0. */
static void rig_run(lk_context *ctx, rig *r)
{
    check_ok(ctx, lk_graph_plan(ctx, r->g));
    lk_net_start(r->net, r->g, r->p, 1);
    for (int i = 0; i < r->count; i++) {
        lki_stream s = lki_stream_new(7, LKI_STREAM_TEST, (uint64_t)i);
        double *v = lk_graph_values(r->g, r->p[i]);
        for (int64_t k = 0; k < size_of(r->g, r->p[i]); k++) {
            v[k] += 0.1 * lki_random_normal(&s);
        }
    }
    fill(r->g, r->x, 3, 1);
    if (r->second >= 0) {
        fill(r->g, r->second, 4, 0.3);
    }
    check_ok(ctx, lk_graph_run(ctx, r->g));
}

static void rig_free(rig *r)
{
    lk_graph_free(r->g);
    lk_net_free(r->net);
}

/* ---- all nets: the derivative along a random direction of all parameters against a central difference ---- */

static const struct {
    const char *description;
    bool second;
} nets[] = {
    {"{\"net\": \"mlp\", \"inputs\": 3, \"outputs\": 2, \"width\": 5}", false},
    {"{\"net\": \"residual\", \"inputs\": 3, \"outputs\": 2, \"width\": 6, \"time\": true}", true},
    {"{\"net\": \"convex\", \"inputs\": 3, \"width\": 5}", false},
    {"{\"net\": \"autoregressive\", \"inputs\": 4, \"outputs\": 3, \"width\": 7}", false},
    {"{\"net\": \"unet\", \"height\": 28, \"width\": 28, \"channels\": 4}", true},
    {"{\"net\": \"unet\", \"height\": 32, \"width\": 32, \"inputs\": 3, \"outputs\": 3, \"channels\": 4, \"levels\": 2, \"time\": 0}", false},
    {"{\"net\": \"attention\", \"inputs\": 3, \"places\": 5, \"width\": 8, \"heads\": 2, \"positions\": 1, \"causal\": 1}", false},
    {"{\"net\": \"attention\", \"inputs\": 3, \"places\": 5, \"width\": 8, \"heads\": 2, \"mask\": 1, \"pool\": 1}", true},
    {"{\"net\": \"coupling\", \"inputs\": 3, \"width\": 6, \"bins\": 4, \"couplings\": 3}", false},
    {"{\"net\": \"experts\", \"inputs\": 3, \"outputs\": 2, \"experts\": 4, \"width\": 5}", false},
};

static double number(const rig *r, lk_node x)
{
    return *(const double *)lk_graph_values(r->g, x);
}

static void all_gradients(void **state)
{
    for (size_t n = 0; n < sizeof nets / sizeof nets[0]; n++) {
        rig r;
        lk_node gradient[PARAMETERS_MOST];
        rig_make(*state, nets[n].description, nets[n].second, &r);
        lk_node loss = lk_graph_sum(r.g, lk_graph_unary(r.g, LK_TANH, r.y), -1);
        if (r.also >= 0) {
            loss = lk_graph_binary(r.g, LK_ADD, loss, lk_graph_sum(r.g, lk_graph_unary(r.g, LK_TANH, r.also), -1));
        }
        lk_graph_gradient(r.g, loss, r.p, r.count, gradient);
        for (int i = 0; i < r.count; i++) {
            gradient[i] = lk_graph_output(r.g, gradient[i]);
        }
        loss = lk_graph_output(r.g, loss);
        rig_run(*state, &r);
        double along = 0, value[2], h = 1e-5;
        for (int side = -1; side <= 1; side++) {
            for (int i = 0; i < r.count; i++) {
                lki_stream s = lki_stream_new(8, LKI_STREAM_TEST, (uint64_t)i);
                double *v = lk_graph_values(r.g, r.p[i]);
                const double *d = lk_graph_values(r.g, gradient[i]);
                for (int64_t k = 0; k < size_of(r.g, r.p[i]); k++) {
                    double u = lki_random_normal(&s);
                    along += side == -1 ? u * d[k] : 0;
                    v[k] += side == -1 ? -h * u : 2 * h * u * (side == 0);
                }
            }
            if (side < 1) {
                check_ok(*state, lk_graph_run(*state, r.g));
                value[side + 1] = number(&r, loss);
            }
        }
        double difference = (value[1] - value[0]) / (2 * h);
        if (!(fabs(difference - along) <= 1e-6 * (fabs(along) + 1)) || fabs(along) < 1e-3) {
            fail_msg("%s: %.10g by the gradient, %.10g by differences", lk_net_description(r.net), along, difference);
        }
        rig_free(&r);
    }
}

/* ---- what each promises ---- */

/* Outputs of dimension i do not depend on dimensions i and above, and do on the one before. */
static void autoregressive(void **state)
{
    enum { D = 5, O = 2 };
    rig r;
    rig_make(*state, "{\"net\": \"autoregressive\", \"inputs\": 5, \"outputs\": 2, \"width\": 23, \"layers\": 3}", false, &r);
    lk_node by[D];
    for (int i = 0; i < D; i++) {
        lk_node part = lk_graph_slice(r.g, lk_graph_slice(r.g, r.y, 1, i, 1, 1), 2, 1, 1, 1);
        lk_graph_gradient(r.g, part, &r.x, 1, &by[i]);
        by[i] = lk_graph_output(r.g, by[i]);
    }
    rig_run(*state, &r);
    for (int i = 0; i < D; i++) {
        const double *d = lk_graph_values(r.g, by[i]);
        for (int j = 0; j < D; j++) {
            assert_true(j >= i ? d[j] == 0 : d[j] != 0);
        }
    }
    rig_free(&r);
}

/* log |det J| with J row by row from forward products, by elimination. */
static double log_determinant(double *j, int d)
{
    double sum = 0;
    for (int k = 0; k < d; k++) {
        int pivot = k;
        for (int i = k + 1; i < d; i++) {
            pivot = fabs(j[i * d + k]) > fabs(j[pivot * d + k]) ? i : pivot;
        }
        for (int c = 0; c < d; c++) {
            double v = j[k * d + c];
            j[k * d + c] = j[pivot * d + c];
            j[pivot * d + c] = v;
        }
        sum += log(fabs(j[k * d + k]));
        for (int i = k + 1; i < d; i++) {
            double f = j[i * d + k] / j[k * d + k];
            for (int c = k; c < d; c++) {
                j[i * d + c] -= f * j[k * d + c];
            }
        }
    }
    return sum;
}

static void coupling(void **state)
{
    enum { D = 5 };
    static const char *const descriptions[2] = {"{\"net\": \"coupling\", \"inputs\": 5, \"width\": 16, \"bins\": 6}",
                                                "{\"net\": \"coupling\", \"inputs\": 5, \"width\": 16, \"bins\": 2, \"couplings\": 2}"};
    for (int which = 0; which < 2; which++) {
        rig r;
        rig_make(*state, descriptions[which], false, &r);
        lk_node back_log, back = lk_graph_output(r.g, lk_net_invert(r.net, r.g, r.p, r.y, &back_log)), column[D];
        back_log = lk_graph_output(r.g, back_log);
        for (int i = 0; i < D; i++) {
            lk_node unit = lk_graph_input(r.g, 2, (const int64_t[2]){ROWS, D});
            column[i] = lk_graph_output(r.g, lk_graph_jvp(r.g, r.y, &r.x, &unit, 1));
            r.p[PARAMETERS_MOST - D + i] = unit;
        }
        lk_node log_det = lk_graph_output(r.g, r.also), z = lk_graph_output(r.g, r.y);
        check_ok(*state, lk_graph_plan(*state, r.g));
        lk_net_start(r.net, r.g, r.p, 1);
        for (int i = 0; i < r.count; i++) {
            fill(r.g, r.p[i], 100 + (uint64_t)i, 0.3);
        }
        fill(r.g, r.x, 3, 1.5);
        double *x = lk_graph_values(r.g, r.x);
        x[0] = 7; /* outside of the splines */
        x[4] = -5;
        for (int i = 0; i < D; i++) {
            double *u = lk_graph_values(r.g, r.p[PARAMETERS_MOST - D + i]);
            for (int n = 0; n < ROWS; n++) {
                u[n * D + i] = 1;
            }
        }
        check_ok(*state, lk_graph_run(*state, r.g));
        const double *b = lk_graph_values(r.g, back), *l = lk_graph_values(r.g, log_det), *m = lk_graph_values(r.g, back_log);
        double moved = 0;
        for (int n = 0; n < ROWS; n++) {
            double jacobian[D * D];
            for (int i = 0; i < D * D; i++) {
                jacobian[i] = ((const double *)lk_graph_values(r.g, column[i % D]))[n * D + i / D];
            }
            for (int i = 0; i < D; i++) {
                check_near(b[n * D + i], x[n * D + i], 1e-10);
                moved += fabs(((const double *)lk_graph_values(r.g, z))[n * D + i] - x[n * D + i]);
            }
            check_near(log_determinant(jacobian, D), l[n], 1e-10);
            check_near(m[n], -l[n], 1e-9);
        }
        assert_true(moved > 1);
        rig_free(&r);
    }
}

/* v' H v is at least 0 everywhere, in all directions tried, and above it somewhere. */
static void convex(void **state)
{
    rig r;
    rig_make(*state, "{\"net\": \"convex\", \"inputs\": 4, \"width\": 12}", false, &r);
    lk_node v = lk_graph_rows(r.g, 2, (const int64_t[2]){ROWS, 4});
    lk_node product = lk_graph_hessian_vector(r.g, r.y, r.x, v);
    lk_node curve = lk_graph_output(r.g, lk_graph_sum(r.g, lk_graph_binary(r.g, LK_MULTIPLY, product, v), 2));
    rig_run(*state, &r);
    double most = 0;
    for (uint64_t t = 0; t < 50; t++) {
        fill(r.g, r.x, 50 + t, 3);
        fill(r.g, v, 150 + t, 1);
        check_ok(*state, lk_graph_run(*state, r.g));
        for (int i = 0; i < ROWS; i++) {
            double c = ((const double *)lk_graph_values(r.g, curve))[i];
            assert_true(c >= -1e-12);
            most = fmax(most, c);
        }
    }
    assert_true(most > 1e-3);
    rig_free(&r);
}

/* A set: what changes places keeps its answer. A mask: what is hidden changes nothing. A sequence: what comes later changes nothing. */
static void attention(void **state)
{
    enum { P = 5, W = 3 };
    rig r;
    rig_make(*state, "{\"net\": \"attention\", \"inputs\": 3, \"outputs\": 3, \"places\": 5, \"width\": 8, \"heads\": 2, \"mask\": 1}", true, &r);
    r.y = lk_graph_output(r.g, r.y);
    rig_run(*state, &r);
    double *x = lk_graph_values(r.g, r.x), *mask = lk_graph_values(r.g, r.second), before[ROWS * P * W];
    const double *y = lk_graph_values(r.g, r.y);
    for (int i = 0; i < ROWS * P; i++) {
        mask[i] = i % P < 4;
    }
    check_ok(*state, lk_graph_run(*state, r.g));
    memcpy(before, y, sizeof before);
    for (int row = 0; row < ROWS; row++) {
        for (int c = 0; c < W; c++) {
            double *v = x + row * P * W + c, keep = v[0];
            v[0] = v[2 * W];
            v[2 * W] = keep;
            v[4 * W] = 77; /* hidden */
        }
    }
    check_ok(*state, lk_graph_run(*state, r.g));
    for (int i = 0; i < ROWS * P * W; i++) {
        int place = i / W % P, from = place == 0 ? 2 : place == 2 ? 0 : place;
        if (place < 4) {
            check_near(y[i], before[i + (from - place) * W], 1e-12);
        }
    }
    rig_free(&r);
    rig_make(*state, "{\"net\": \"attention\", \"inputs\": 3, \"outputs\": 3, \"places\": 5, \"width\": 8, \"heads\": 2, \"causal\": 1, \"positions\": 1}",
             false, &r);
    lk_node third = lk_graph_slice(r.g, r.y, 1, 2, 1, 1), gradient;
    lk_graph_gradient(r.g, lk_graph_unary(r.g, LK_SQUARE, third), &r.x, 1, &gradient);
    gradient = lk_graph_output(r.g, gradient);
    rig_run(*state, &r);
    const double *d = lk_graph_values(r.g, gradient);
    for (int i = 0; i < P * W; i++) {
        assert_true((i / W > 2) == (d[i] == 0));
    }
    rig_free(&r);
}

/* A picture turned left to right, through kernels turned left to right, is the answer turned left to right; and time counts. */
static void unet(void **state)
{
    static const char *const descriptions[2] = {"{\"net\": \"unet\", \"height\": 28, \"width\": 28, \"channels\": 8}",
                                                "{\"net\": \"unet\", \"height\": 32, \"width\": 32, \"channels\": 8, \"activation\": \"gelu\"}"};
    for (int which = 0; which < 2; which++) {
        const int side = which == 0 ? 28 : 32;
        rig r;
        rig_make(*state, descriptions[which], true, &r);
        r.y = lk_graph_output(r.g, r.y);
        rig_run(*state, &r);
        double *x = lk_graph_values(r.g, r.x), *before = malloc((size_t)(ROWS * side * side) * sizeof *before);
        const double *y = lk_graph_values(r.g, r.y);
        memcpy(before, y, (size_t)(ROWS * side * side) * sizeof *before);
        for (int i = 0; i < ROWS * side * side; i++) {
            int mirrored = i / side * side + side - 1 - i % side;
            if (mirrored > i) {
                double v = x[i];
                x[i] = x[mirrored];
                x[mirrored] = v;
            }
        }
        for (int p = 0; p < r.count; p++) {
            int64_t shape[4];
            double *w = lk_graph_values(r.g, r.p[p]);
            for (int64_t i = 0; lk_graph_shape(r.g, r.p[p], shape) == 4 && i < size_of(r.g, r.p[p]); i++) {
                int64_t tap = i / (shape[2] * shape[3]);
                if (tap % 3 == 0) {
                    double v = w[i];
                    w[i] = w[i + 2 * shape[2] * shape[3]];
                    w[i + 2 * shape[2] * shape[3]] = v;
                }
            }
        }
        check_ok(*state, lk_graph_run(*state, r.g));
        double spread = 0;
        for (int i = 0; i < ROWS * side * side; i++) {
            check_near(y[i], before[i / side * side + side - 1 - i % side], 1e-10);
            spread = fmax(spread, fabs(y[i] - y[0]));
        }
        assert_true(spread > 0.01);
        memcpy(before, y, (size_t)(ROWS * side * side) * sizeof *before);
        fill(r.g, r.second, 9, 0.3);
        check_ok(*state, lk_graph_run(*state, r.g));
        assert_true(fabs(before[5] - y[5]) > 1e-6);
        free(before);
        rig_free(&r);
    }
}

/* Rows sorted by expert equal the dense loop over all experts with those not chosen masked away, in value and in all gradients. */
static void experts(void **state)
{
    enum { E = 5, IN = 4, W = 7, OUT = 3 };
    for (int chosen = 1; chosen <= 3; chosen++) {
        char description[160];
        rig r;
        snprintf(description, sizeof description, "{\"net\": \"experts\", \"inputs\": 4, \"outputs\": 3, \"experts\": 5, \"width\": 7, \"chosen\": %d}",
                 chosen);
        rig_make(*state, description, false, &r);
        lk_graph *g = r.g;
        lk_node scores = lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, r.x, r.p[0]), r.p[1]), p = lk_graph_softmax(g, scores, 1), dense = -1;
        for (int e = 0; e < E; e++) { /* parameters: router, its bias, W1, b1, W2, b2 */
            lk_node w1 = lk_graph_reshape(g, lk_graph_slice(g, r.p[2], 0, e, 1, 1), 2, (const int64_t[2]){IN, W});
            lk_node w2 = lk_graph_reshape(g, lk_graph_slice(g, r.p[4], 0, e, 1, 1), 2, (const int64_t[2]){W, OUT});
            lk_node h = lk_graph_binary(g, LK_ADD, lk_graph_matmul(g, r.x, w1), lk_graph_slice(g, r.p[3], 0, e, 1, 1));
            lk_node y = lk_graph_matmul(g, lk_graph_unary(g, LK_SILU, h), w2);
            y = lk_graph_binary(g, LK_ADD, y, lk_graph_slice(g, r.p[5], 0, e, 1, 1));
            lk_node mine = lk_graph_slice(g, scores, 1, e, 1, 1), better = lk_graph_sum(g, lk_graph_binary(g, LK_GREATER, scores, mine), 2);
            lk_node in = lk_graph_binary(g, LK_GREATER, lk_graph_constant(g, chosen - 0.5), better);
            y = lk_graph_binary(g, LK_MULTIPLY, y, lk_graph_binary(g, LK_MULTIPLY, in, lk_graph_slice(g, p, 1, e, 1, 1)));
            dense = dense < 0 ? y : lk_graph_binary(g, LK_ADD, dense, y);
        }
        lk_node of[2] = {r.y, dense}, gradient[2][7];
        lk_node x[7] = {r.p[0], r.p[1], r.p[2], r.p[3], r.p[4], r.p[5], r.x};
        for (int i = 0; i < 2; i++) {
            lk_graph_gradient(g, lk_graph_unary(g, LK_TANH, of[i]), x, 7, gradient[i]);
            for (int k = 0; k < 7; k++) {
                gradient[i][k] = lk_graph_output(g, gradient[i][k]);
            }
            of[i] = lk_graph_output(g, of[i]);
        }
        rig_run(*state, &r);
        for (int k = -1; k < 7; k++) {
            const double *a = lk_graph_values(g, k < 0 ? of[0] : gradient[0][k]), *b = lk_graph_values(g, k < 0 ? of[1] : gradient[1][k]);
            double most = 0;
            for (int64_t i = 0; i < size_of(g, k < 0 ? of[0] : x[k]); i++) {
                check_near(a[i], b[i], 1e-13 * (1 + fabs(b[i])));
                most = fmax(most, fabs(a[i]));
            }
            assert_true(most > 1e-6);
        }
        rig_free(&r);
    }
}

/* Layers by plain loops, and a description that reads back to itself. */
static void mlp(void **state)
{
    rig r;
    rig_make(*state, "{\"net\": \"mlp\", \"inputs\": 2, \"outputs\": 1, \"width\": 3, \"layers\": 1, \"activation\": \"tanh\"}", false, &r);
    assert_int_equal(r.count, 4);
    assert_int_equal(lk_net_size(r.net), 2 * 3 + 3 + 3 + 1);
    assert_string_equal(lk_net_description(r.net),
                        "{\"activation\":\"tanh\",\"inputs\":2,\"layers\":1,\"net\":\"mlp\",\"outputs\":1,\"width\":3}");
    r.y = lk_graph_output(r.g, r.y);
    rig_run(*state, &r);
    const double *w = lk_graph_values(r.g, r.p[0]), *b = lk_graph_values(r.g, r.p[1]), *v = lk_graph_values(r.g, r.p[2]);
    const double *x = lk_graph_values(r.g, r.x);
    for (int i = 0; i < ROWS; i++) {
        double sum = number(&r, r.p[3]);
        for (int k = 0; k < 3; k++) {
            sum += v[k] * tanh(x[2 * i] * w[k] + x[2 * i + 1] * w[3 + k] + b[k]);
        }
        check_near(((const double *)lk_graph_values(r.g, r.y))[i], sum, 1e-14);
    }
    rig_free(&r);
}

static void mistakes(void **state)
{
    static const struct {
        const char *description, *part;
        lk_status status;
    } wrong[] = {
        {"{\"net\": \"mlp\"", "line 1", LK_ERROR_FORMAT},
        {"[1]", "no JSON object", LK_ERROR_ARGUMENT},
        {"{\"net\": \"mpl\", \"inputs\": 2}", "'mpl' is none", LK_ERROR_ARGUMENT},
        {"{\"net\": \"mlp\"}", "inputs must be given", LK_ERROR_ARGUMENT},
        {"{\"net\": \"mlp\", \"inputs\": 2, \"depth\": 3}", "no option depth", LK_ERROR_ARGUMENT},
        {"{\"net\": \"mlp\", \"inputs\": 2, \"layers\": 99}", "layers is a whole number from 0 to 64", LK_ERROR_ARGUMENT},
        {"{\"net\": \"mlp\", \"inputs\": 2, \"activation\": \"sigmoid\"}", "activation is one of: silu relu", LK_ERROR_ARGUMENT},
        {"{\"net\": \"attention\", \"inputs\": 2, \"places\": 3, \"width\": 10}", "cannot be cut into 4 heads", LK_ERROR_ARGUMENT},
        {"{\"net\": \"unet\", \"height\": 30}", "30 x 28 pixels cannot be halved 2 times", LK_ERROR_ARGUMENT},
        {"{\"net\": \"experts\", \"inputs\": 2, \"experts\": 2, \"chosen\": 3}", "3 chosen of 2", LK_ERROR_ARGUMENT},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lk_net *net = NULL;
        check_status(*state, wrong[i].status, lk_net_new(*state, wrong[i].description, &net));
        check_contains(lk_error_message(*state), wrong[i].part);
        assert_null(net);
    }
    rig r;
    rig_make(*state, nets[0].description, false, &r);
    assert_int_equal(lk_net_invert(r.net, r.g, r.p, r.x, NULL), -1);
    check_status(*state, LK_ERROR_ARGUMENT, lk_graph_plan(*state, r.g));
    check_contains(lk_error_message(*state), "net mlp: it has no inverse");
    rig_free(&r);
}

/* Each allocation of making a net fails once. */
static void allocations(void **state)
{
    (void)state;
    bool done = false;
    for (long fail = 1; !done; fail++) {
        check_memory memory = {.fail_at = fail};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_net *net = NULL;
        if (lk_context_new(&ctx, &options) != LK_OK) {
            continue;
        }
        lk_status status = lk_net_new(ctx, nets[0].description, &net);
        assert_true(status == LK_OK || status == LK_ERROR_MEMORY);
        done = status == LK_OK;
        lk_net_free(net);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_gradients), cmocka_unit_test(mlp),       cmocka_unit_test(autoregressive), cmocka_unit_test(coupling),
        cmocka_unit_test(convex),        cmocka_unit_test(attention), cmocka_unit_test(unet),           cmocka_unit_test(experts),
        cmocka_unit_test(mistakes),      cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
