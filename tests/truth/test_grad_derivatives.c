/* Derivatives of other kinds, where their closed forms are known: equal eigenvalues, divergences, straight-through, checkpoints; and fused
 * operations over many tiles and strips against their definitions. */
#include "check.h"
#include "core/philox.h"
#include <likely/grad.h>

static void fill(lk_graph *g, lk_node x, uint64_t seed, double size)
{
    int64_t shape[4], n = 1;
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 1);
    for (int i = lk_graph_shape(g, x, shape) - 1; i >= 0; i--) {
        n *= shape[i];
    }
    double *v = lk_graph_values(g, x);
    for (int64_t i = 0; i < n; i++) {
        v[i] = size * lki_random_normal(&s);
    }
}

/* sum_i f(w_i) has the gradient V f'(w) V' whatever the vectors of equal values are: here A = Q diag(1, 1, 1, 3) Q', so that with f = exp
 * the gradient is e 1 + (e^3 - e) q q' with q the last column. Of log det A by Cholesky it is A^-1 = 1 - 2/3 q q'. */
static void equal_eigenvalues(void **state)
{
    const int64_t shape[2] = {4, 4};
    const double q[4] = {0.1, -0.7, 0.5, 0.5};
    lk_graph *g;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    lk_node a = lk_graph_input(g, 2, shape), vectors, gap, gradient, of_vectors, inverse;
    lk_node w = lk_graph_symmetric_eigen(g, a, &vectors, &gap);
    lk_graph_gradient(g, lk_graph_sum(g, lk_graph_unary(g, LK_EXP, w), -1), &a, 1, &gradient);
    lk_graph_gradient(g, lk_graph_unary(g, LK_SQUARE, vectors), &a, 1, &of_vectors);
    lk_node l = lk_graph_cholesky(g, a);
    lk_graph_gradient(g, lk_graph_log_determinant(g, l), &a, 1, &inverse);
    gradient = lk_graph_output(g, gradient);
    of_vectors = lk_graph_output(g, of_vectors);
    inverse = lk_graph_output(g, inverse);
    gap = lk_graph_output(g, gap);
    check_ok(*state, lk_graph_plan(*state, g));
    double *pa = lk_graph_values(g, a);
    for (int i = 0; i < 16; i++) {
        pa[i] = (i % 5 == 0) + 2 * q[i / 4] * q[i % 4];
    }
    check_ok(*state, lk_graph_run(*state, g));
    const double *d = lk_graph_values(g, gradient), *v = lk_graph_values(g, of_vectors), *n = lk_graph_values(g, inverse);
    for (int i = 0; i < 16; i++) {
        check_near(d[i], exp(1) * (i % 5 == 0) + (exp(3) - exp(1)) * q[i / 4] * q[i % 4], 1e-12);
        assert_true(isfinite(v[i]));
        double wanted = (i % 5 == 0) - 2.0 / 3 * q[i / 4] * q[i % 4]; /* the lower triangle stands for both */
        check_near(n[i], i % 4 > i / 4 ? 0 : i % 5 == 0 ? wanted : 2 * wanted, 1e-12);
    }
    assert_true(*(const double *)lk_graph_values(g, gap) < 1e-14);
    lk_graph_free(g);
}

/* The field f(x)_i = sin(x_i) x_{i+1}: its divergence is sum cos(x_i) x_{i+1}; with probes e_i e_i' that add up to 1 the estimates add up
 * to it too, and over many random signs their mean comes near: within 5 of its standard errors. */
static void divergences(void **state)
{
    enum { N = 4000, D = 3 };
    const int64_t shape[2] = {N, D};
    lk_graph *g;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    lk_node x = lk_graph_rows(g, 2, shape);
    lk_node next = lk_graph_concat(g, lk_graph_slice(g, x, 1, 1, D - 1, 1), lk_graph_slice(g, x, 1, 0, 1, 1), 1);
    lk_node field = lk_graph_binary(g, LK_MULTIPLY, lk_graph_unary(g, LK_SIN, x), next);
    lk_node sign = lk_graph_unary(g, LK_SIGN, lk_graph_random(g, LK_LAW_NORMAL, 2, shape, 5, 1));
    lk_node exact = lk_graph_output(g, lk_graph_divergence(g, field, x, -1)), guess = lk_graph_output(g, lk_graph_divergence(g, field, x, sign));
    check_ok(*state, lk_graph_plan(*state, g));
    fill(g, x, 3, 1);
    check_ok(*state, lk_graph_run(*state, g));
    const double *p = lk_graph_values(g, x), *e = lk_graph_values(g, exact), *h = lk_graph_values(g, guess);
    double sum = 0, squares = 0;
    for (int i = 0; i < N; i++) {
        double wanted = 0;
        for (int j = 0; j < D; j++) {
            wanted += cos(p[i * D + j]) * p[i * D + (j + 1) % D];
        }
        check_near(e[i], wanted, 1e-13);
        sum += h[i] - e[i];
        squares += (h[i] - e[i]) * (h[i] - e[i]);
    }
    assert_true(squares > N * 0.1);
    assert_true(fabs(sum) < 5 * sqrt(squares));
    lk_graph_free(g);
}

/* The value is that of the step, the gradient that of x. */
static void straight_through(void **state)
{
    lk_graph *g;
    const int64_t shape[1] = {3};
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    lk_node x = lk_graph_input(g, 1, shape), y = lk_graph_straight_through(g, x, lk_graph_unary(g, LK_STEP, x)), gradient;
    lk_graph_gradient(g, lk_graph_unary(g, LK_SQUARE, y), &x, 1, &gradient);
    y = lk_graph_output(g, y);
    gradient = lk_graph_output(g, gradient);
    check_ok(*state, lk_graph_plan(*state, g));
    memcpy(lk_graph_values(g, x), (const double[3]){-0.5, 0.25, 3}, 3 * sizeof(double));
    check_ok(*state, lk_graph_run(*state, g));
    const double *v = lk_graph_values(g, y), *d = lk_graph_values(g, gradient);
    assert_true(v[0] == 0 && v[1] == 1 && v[2] == 1 && d[0] == 0 && d[1] == 2 && d[2] == 2);
    lk_graph_free(g);
}

/* Eight blocks of four layers each, plainly and as checkpoints: the same bits of value and gradient, in less memory. */
typedef struct net {
    lk_node gradient, loss, x, w;
    lk_graph *graph;
} net;

static lk_node block(lk_graph *g, const lk_node *x, void *state)
{
    (void)state;
    lk_node h = x[0];
    for (int i = 0; i < 4; i++) {
        h = lk_graph_unary(g, LK_TANH, lk_graph_matmul(g, h, x[1]));
    }
    return h;
}

static void net_make(lk_context *ctx, bool checkpoints, net *n)
{
    check_ok(ctx, lk_graph_new(ctx, LK_FLOAT64, &n->graph));
    lk_graph *g = n->graph;
    n->x = lk_graph_rows(g, 2, (const int64_t[2]){600, 24});
    n->w = lk_graph_parameter(g, 2, (const int64_t[2]){24, 24});
    lk_node h = n->x;
    for (int b = 0; b < 8; b++) {
        const lk_node in[2] = {h, n->w};
        h = checkpoints ? lk_graph_checkpoint(g, block, NULL, in, 2) : block(g, in, NULL);
    }
    lk_node loss = lk_graph_mean(g, lk_graph_unary(g, LK_SQUARE, h), -1);
    lk_graph_gradient(g, loss, &n->x, 1, &n->gradient);
    n->gradient = lk_graph_output(g, n->gradient);
    n->loss = lk_graph_output(g, loss);
    check_ok(ctx, lk_graph_plan(ctx, g));
    fill(g, n->x, 1, 1);
    fill(g, n->w, 2, 0.3);
    check_ok(ctx, lk_graph_run(ctx, g));
}

static void checkpoints(void **state)
{
    net plain, again;
    net_make(*state, false, &plain);
    net_make(*state, true, &again);
    assert_memory_equal(lk_graph_values(plain.graph, plain.gradient), lk_graph_values(again.graph, again.gradient), 600 * 24 * sizeof(double));
    assert_true(lk_graph_bytes(again.graph) * 3 < lk_graph_bytes(plain.graph) * 2);
    lk_graph_free(plain.graph);
    lk_graph_free(again.graph);
}

/* ---- many tiles: 70 and 300 queries and keys, whose tiles hold 64 and 256 ---- */

static lk_node softmax_attention(lk_graph *g, lk_node q, lk_node k, lk_node v, lk_node bias, double width)
{
    const int order[4] = {0, 2, 1, 3};
    lk_node s = lk_graph_matmul(g, lk_graph_transpose(g, q, order), lk_graph_transpose(g, lk_graph_transpose(g, k, order), NULL));
    s = lk_graph_binary(g, LK_ADD, lk_graph_affine(g, s, 1 / sqrt(width), 0), bias);
    return lk_graph_transpose(g, lk_graph_matmul(g, lk_graph_softmax(g, s, 3), lk_graph_transpose(g, v, order)), order);
}

static void long_attention(void **state)
{
    enum { Q = 300, K = 330, D = 8 };
    for (int causal = 0; causal < 2; causal++) {
        lk_graph *g;
        check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
        const int64_t sq[4] = {2, Q, 2, D}, sk[4] = {2, K, 2, D}, sb[2] = {Q, K};
        lk_node x[3] = {lk_graph_input(g, 4, sq), lk_graph_input(g, 4, sk), lk_graph_input(g, 4, sk)}, bias = lk_graph_input(g, 2, sb);
        lk_node c = lk_graph_input(g, 4, sq), y[2], out[2][4];
        y[0] = lk_graph_attention(g, x[0], x[1], x[2], -1, causal);
        y[1] = softmax_attention(g, x[0], x[1], x[2], bias, D);
        for (int i = 0; i < 2; i++) {
            lk_graph_vjp(g, y[i], c, x, 3, out[i]);
            out[i][3] = y[i];
            for (int k = 0; k < 4; k++) {
                out[i][k] = lk_graph_output(g, out[i][k]);
            }
        }
        check_ok(*state, lk_graph_plan(*state, g));
        for (int i = 0; i < 3; i++) {
            fill(g, x[i], (uint64_t)i + 1, i == 2 ? 1 : 3); /* scores of some tens: the running maximum moves */
        }
        fill(g, c, 9, 1);
        double *b = lk_graph_values(g, bias);
        for (int i = 0; i < Q * K && causal; i++) {
            b[i] = i % K > i / K + K - Q ? -1e30 : 0;
        }
        check_ok(*state, lk_graph_run(*state, g));
        for (int k = 0; k < 4; k++) {
            const double *fused = lk_graph_values(g, out[0][k]), *plain = lk_graph_values(g, out[1][k]);
            int64_t n = 2 * 2 * D * (k == 0 || k == 3 ? Q : K);
            for (int64_t i = 0; i < n; i++) {
                check_near(fused[i], plain[i], 1e-11 * (1 + fabs(plain[i])));
            }
        }
        lk_graph_free(g);
    }
}

/* A convolution whose patches need several strips, and one whose groups are neither one nor as many as channels, against a sum of
 * shifted products. */
static void wide_convolution(void **state)
{
    enum { N = 3, H = 40, W = 37, C = 24, O = 6, T = 3 };
    lk_graph *g;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    lk_node x = lk_graph_rows(g, 4, (const int64_t[4]){N, H, W, C}), w = lk_graph_input(g, 4, (const int64_t[4]){T, T, C, O}), sum = -1;
    lk_node y = lk_graph_convolution(g, x, w, 1, 0, 1), out[2][3], in[2] = {x, w};
    for (int t = 0; t < T * T; t++) {
        lk_node part = lk_graph_slice(g, lk_graph_slice(g, x, 1, t / T, H - T + 1, 1), 2, t % T, W - T + 1, 1);
        lk_node tap = lk_graph_reshape(g, lk_graph_slice(g, lk_graph_slice(g, w, 0, t / T, 1, 1), 1, t % T, 1, 1), 2, (const int64_t[2]){C, O});
        lk_node product = lk_graph_matmul(g, part, tap);
        sum = sum < 0 ? product : lk_graph_binary(g, LK_ADD, sum, product);
    }
    for (int i = 0; i < 2; i++) {
        out[i][2] = i == 0 ? y : sum;
        lk_graph_gradient(g, lk_graph_unary(g, LK_TANH, lk_graph_affine(g, out[i][2], 0.05, 0)), in, 2, out[i]);
        for (int k = 0; k < 3; k++) {
            out[i][k] = lk_graph_output(g, out[i][k]);
        }
    }
    check_ok(*state, lk_graph_plan(*state, g));
    fill(g, x, 1, 1);
    fill(g, w, 2, 1);
    check_ok(*state, lk_graph_run(*state, g));
    const int64_t sizes[3] = {N * H * W * C, T * T * C * O, N * (H - T + 1) * (W - T + 1) * O};
    for (int k = 0; k < 3; k++) {
        const double *fused = lk_graph_values(g, out[0][k]), *plain = lk_graph_values(g, out[1][k]);
        for (int64_t i = 0; i < sizes[k]; i++) {
            check_near(fused[i], plain[i], 1e-11 * (1 + fabs(plain[i])));
        }
    }
    lk_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_eigenvalues), cmocka_unit_test(divergences), cmocka_unit_test(straight_through), cmocka_unit_test(checkpoints),
        cmocka_unit_test(long_attention), cmocka_unit_test(wide_convolution),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
