/* Every operation of a graph: its value against a scalar reference, its gradient against differences, reverse against forward
 * accumulation, the gradient of its gradient, and floats against doubles. */
#include "check.h"
#include "core/philox.h"
#include "grad_examples.h"

/* ---- drawing ---- */

static int64_t size_of(const operand *o)
{
    int64_t size = 1;
    for (int i = 0; i < o->axes; i++) {
        size *= o->shape[i];
    }
    return size;
}

static void draw(const operand *o, uint64_t seed, double *out)
{
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < size_of(o); i++) {
        double v = lki_random_normal(&s);
        bool diagonal = o->kind == STRONG && i % o->shape[o->axes - 1] == i / o->shape[o->axes - 1] % o->shape[o->axes - 2];
        v = o->kind == STRONG ? 0.3 * v + (diagonal ? 2 + (double)(i % o->shape[o->axes - 1]) : 0) : v;
        out[i] = o->kind == POSITIVE ? exp(0.5 * v) : o->kind == AWAY ? v + (v < 0 ? -0.2 : 0.2) : o->kind == INDEX3 ? (double)(i * i % 3) : o->kind == GROUPS3 ? (double)(i / 2 * 2 % 6 / 2) : v;
    }
}

static bool varies(const operand *o)
{
    return o->kind != INDEX3 && o->kind != FIXED_NORMAL && o->kind != GROUPS3;
}

static void put(const lk_graph *g, lk_precision precision, lk_node x, const double *values, int64_t n)
{
    void *to = lk_graph_values(g, x);
    for (int64_t i = 0; i < n; i++) {
        if (precision == LK_FLOAT32) {
            ((float *)to)[i] = (float)values[i];
        } else {
            ((double *)to)[i] = values[i];
        }
    }
}

static double get(const lk_graph *g, lk_precision precision, lk_node x, int64_t i)
{
    const void *from = lk_graph_values(g, x);
    return precision == LK_FLOAT32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

/* A graph of one example: its value, L = sum w tanh(y) with fixed weights w, dL/dx, sum_i <dL/dx_i, u_i> by forward and by reverse
 * accumulation, S = sum of v . dL/dx and dS/dx: the gradient of a gradient. */
typedef struct rig {
    const example *e;
    lk_precision precision;
    lk_graph *graph;
    lk_node x[INPUTS_MAX], u[INPUTS_MAX], y, loss, w, gradient[INPUTS_MAX], forward, reverse, second[INPUTS_MAX];
    double values[INPUTS_MAX][MOST], directions[INPUTS_MAX][MOST];
    int64_t out_size;
} rig;

static void rig_make(lk_context *ctx, const example *e, lk_precision precision, bool rows, rig *r)
{
    *r = (rig){.e = e, .precision = precision};
    check_ok(ctx, lk_graph_new(ctx, precision, &r->graph));
    lk_graph *g = r->graph;
    int count = 0;
    lk_node x[INPUTS_MAX], u[INPUTS_MAX];
    for (int i = 0; i < e->inputs; i++) {
        const operand *o = &e->input[i];
        r->x[i] = rows && i == 0 ? lk_graph_rows(g, o->axes, o->shape) : lk_graph_input(g, o->axes, o->shape);
        r->u[i] = lk_graph_input(g, o->axes, o->shape);
        if (varies(o)) {
            x[count] = r->x[i];
            u[count++] = r->u[i];
        }
        draw(o, (uint64_t)i + 1, r->values[i]);
        draw(&(operand){o->axes, {o->shape[0], o->shape[1], o->shape[2], o->shape[3]}, NORMAL}, (uint64_t)i + 11, r->directions[i]);
    }
    lk_node y = e->build(g, r->x);
    int64_t shape[4];
    int axes = lk_graph_shape(g, y, shape);
    assert_true(axes >= 0);
    r->out_size = 1;
    for (int i = 0; i < axes; i++) {
        r->out_size *= shape[i];
    }
    r->w = lk_graph_input(g, axes, shape);
    lk_node loss = lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, r->w, lk_graph_unary(g, LK_TANH, y)), -1);
    lk_node gradient[INPUTS_MAX], second[INPUTS_MAX];
    lk_graph_gradient(g, loss, x, count, gradient);
    lk_node along = lk_graph_constant(g, 0);
    for (int i = 0; i < count; i++) {
        along = lk_graph_binary(g, LK_ADD, along, lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, gradient[i], u[i]), -1));
    }
    lk_graph_gradient(g, along, x, count, second);
    r->y = lk_graph_output(g, y);
    r->loss = lk_graph_output(g, loss);
    r->forward = lk_graph_output(g, lk_graph_jvp(g, loss, x, u, count));
    r->reverse = lk_graph_output(g, along);
    for (int i = 0, k = 0; i < e->inputs; i++) {
        r->gradient[i] = varies(&e->input[i]) ? lk_graph_output(g, gradient[k]) : -1;
        r->second[i] = varies(&e->input[i]) ? lk_graph_output(g, second[k++]) : -1;
    }
    check_ok(ctx, lk_graph_plan(ctx, g));
    for (int i = 0; i < e->inputs; i++) {
        put(g, precision, r->u[i], r->directions[i], size_of(&e->input[i]));
    }
    double w[MOST];
    draw(&(operand){axes, {shape[0], shape[1], shape[2], shape[3]}, POSITIVE}, 77, w);
    put(g, precision, r->w, w, r->out_size);
}

static void rig_run(lk_context *ctx, rig *r)
{
    for (int i = 0; i < r->e->inputs; i++) {
        put(r->graph, r->precision, r->x[i], r->values[i], size_of(&r->e->input[i]));
    }
    check_ok(ctx, lk_graph_run(ctx, r->graph));
}

/* ---- the modes ---- */

static void values(void **state)
{
    for (int k = 0; k < EXAMPLES; k++) {
        for (int rows = 0; rows < 2; rows++) {
            const example *e = &examples[k];
            const double *x[INPUTS_MAX];
            double wanted[MOST] = {0};
            rig r, f;
            rig_make(*state, e, LK_FLOAT64, rows && e->input[0].axes > 0, &r);
            rig_make(*state, e, LK_FLOAT32, rows && e->input[0].axes > 0, &f);
            rig_run(*state, &r);
            rig_run(*state, &f);
            for (int i = 0; i < e->inputs; i++) {
                x[i] = r.values[i];
            }
            if (e->reference != NULL) {
                e->reference(x, wanted);
            }
            for (int64_t i = 0; i < r.out_size; i++) {
                double y = get(r.graph, LK_FLOAT64, r.y, i), z = get(f.graph, LK_FLOAT32, f.y, i);
                if (e->reference != NULL && !(fabs(y - wanted[i]) <= 1e-13 * (1 + fabs(wanted[i])))) {
                    fail_msg("%s: value %lld is %.17g instead of %.17g", e->name, (long long)i, y, wanted[i]);
                }
                if (!(fabs(z - y) <= e->float_error * (fabs(y) + 0.1) + 6e-8 * fabs(y))) {
                    fail_msg("%s: value %lld in floats is %.9g instead of %.9g", e->name, (long long)i, z, y);
                }
            }
            lk_graph_free(r.graph);
            lk_graph_free(f.graph);
        }
    }
}

/* Central differences with one step of Richardson's extrapolation: the error is of order h^4. */
static double difference(lk_context *ctx, rig *r, lk_node of, double *at)
{
    const double h = 2e-3, x = *at;
    double d[2];
    for (int k = 0; k < 2; k++) {
        double step = h / (k + 1);
        *at = x + step;
        rig_run(ctx, r);
        double plus = get(r->graph, LK_FLOAT64, of, 0);
        *at = x - step;
        rig_run(ctx, r);
        d[k] = (plus - get(r->graph, LK_FLOAT64, of, 0)) / (2 * step);
    }
    *at = x;
    return (4 * d[1] - d[0]) / 3;
}

/* dL/dx against differences of L, and the gradient of a gradient against differences of u . dL/dx, to 1e-6 relative. */
static void gradients(void **state)
{
    for (int k = 0; k < EXAMPLES; k++) {
        for (int rows = 0; rows < 2; rows++) {
            const example *e = &examples[k];
            rig r;
            rig_make(*state, e, LK_FLOAT64, rows && e->input[0].axes > 0, &r);
            double largest = 0;
            for (int i = 0; i < e->inputs; i++) {
                for (int64_t j = 0; varies(&e->input[i]) && j < size_of(&e->input[i]); j++) {
                    double d = e->flat ? 0 : difference(*state, &r, r.loss, &r.values[i][j]);
                    double s = e->flat ? 0 : difference(*state, &r, r.reverse, &r.values[i][j]);
                    rig_run(*state, &r);
                    double gradient = get(r.graph, LK_FLOAT64, r.gradient[i], j), second = get(r.graph, LK_FLOAT64, r.second[i], j);
                    largest = fmax(largest, fabs(gradient));
                    if (!(fabs(gradient - d) <= 1e-6 * (fabs(d) + 1e-2))) {
                        fail_msg("%s: gradient %d, %lld is %.12g instead of %.12g", e->name, i, (long long)j, gradient, d);
                    }
                    if (!(fabs(second - s) <= 1e-6 * (fabs(s) + 1e-1))) {
                        fail_msg("%s: second gradient %d, %lld is %.12g instead of %.12g", e->name, i, (long long)j, second, s);
                    }
                }
            }
            if (e->flat != (largest == 0)) {
                fail_msg("%s: the largest entry of the gradient is %g", e->name, largest);
            }
            lk_graph_free(r.graph);
        }
    }
}

static void forward_is_reverse(void **state)
{
    for (int k = 0; k < EXAMPLES; k++) {
        rig r;
        rig_make(*state, &examples[k], LK_FLOAT64, false, &r);
        rig_run(*state, &r);
        double f = get(r.graph, LK_FLOAT64, r.forward, 0), b = get(r.graph, LK_FLOAT64, r.reverse, 0);
        if (!(fabs(f - b) <= 1e-13 * (1 + fabs(b)))) {
            fail_msg("%s: forward %.17g, reverse %.17g", examples[k].name, f, b);
        }
        lk_graph_free(r.graph);
    }
}

/* ---- floats over their whole range ---- */

static double wanted_of(lk_unary f, double v)
{
    switch (f) {
    case LK_EXP:
        return exp(v);
    case LK_LOG:
        return log(v);
    case LK_LOG1P:
        return log1p(v);
    case LK_TANH:
        return tanh(v);
    case LK_SIGMOID:
        return 1 / (1 + exp(-v));
    case LK_SOFTPLUS:
        return v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
    default:
        return erf(v);
    }
}

/* Against libm in doubles: relative errors over the range, and the edges as IEEE 754 would have them. */
static void float_functions(void **state)
{
    enum { N = 40000 };
    static const struct {
        lk_unary f;
        double low, high, relative, absolute;
    } cases[] = {{LK_EXP, -87, 88, 2.5e-7, 0}, {LK_EXP, -103, -87, 1, 1.5e-45}, {LK_LOG, 1e-38, 3e38, 2.5e-7, 0},
                 {LK_LOG, 0.5, 2, 2.5e-7, 0}, {LK_LOG1P, -0.9, 3, 4e-7, 0}, {LK_TANH, -12, 12, 2.5e-7, 0},
                 {LK_SIGMOID, -80, 80, 4e-7, 0}, {LK_SOFTPLUS, -80, 80, 5e-7, 0}, {LK_ERF, -6, 6, 3e-7, 0}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        lk_graph *g;
        check_ok(*state, lk_graph_new(*state, LK_FLOAT32, &g));
        lk_node x = lk_graph_input(g, 1, (const int64_t[1]){N}), y = lk_graph_output(g, lk_graph_unary(g, cases[c].f, x));
        check_ok(*state, lk_graph_plan(*state, g));
        float *in = lk_graph_values(g, x), *out = lk_graph_values(g, y);
        for (int i = 0; i < N; i++) {
            double u = (double)i / (N - 1), low = cases[c].low, high = cases[c].high;
            in[i] = (float)(cases[c].f == LK_LOG && high > 1e30 ? low * pow(high / low, u) : low + u * (high - low));
        }
        check_ok(*state, lk_graph_run(*state, g));
        for (int i = 0; i < N; i++) {
            double wanted = wanted_of(cases[c].f, (double)in[i]);
            if (!(fabs((double)out[i] - wanted) <= cases[c].relative * fabs(wanted) + cases[c].absolute)) {
                fail_msg("function %d of %.9g is %.9g instead of %.9g", (int)cases[c].f, (double)in[i], (double)out[i], wanted);
            }
        }
        lk_graph_free(g);
    }
}

static void float_edges(void **state)
{
    const float infinity = INFINITY, nan = NAN;
    static const lk_unary f[3] = {LK_EXP, LK_LOG, LK_TANH};
    const float in[7] = {infinity, -infinity, nan, 0, -1, 200, 1e-42f};
    float wanted[3][7] = {{infinity, 0, nan, 1, expf(-1), infinity, 1}, {infinity, nan, nan, -infinity, nan, logf(200), logf(1e-42f)},
                          {1, -1, nan, 0, tanhf(-1), 1, 1e-42f}};
    for (int k = 0; k < 3; k++) {
        lk_graph *g;
        check_ok(*state, lk_graph_new(*state, LK_FLOAT32, &g));
        lk_node x = lk_graph_input(g, 1, (const int64_t[1]){7}), y = lk_graph_output(g, lk_graph_unary(g, f[k], x));
        check_ok(*state, lk_graph_plan(*state, g));
        memcpy(lk_graph_values(g, x), in, sizeof in);
        check_ok(*state, lk_graph_run(*state, g));
        const float *out = lk_graph_values(g, y);
        for (int i = 0; i < 7; i++) {
            bool same = isnan(wanted[k][i]) ? isnan(out[i]) : out[i] == wanted[k][i] || fabsf(out[i] - wanted[k][i]) < 3e-7f * fabsf(wanted[k][i]);
            if (!same) {
                fail_msg("function %d of %g is %g instead of %g", (int)f[k], (double)in[i], (double)out[i], (double)wanted[k][i]);
            }
        }
        lk_graph_free(g);
    }
}

/* log-sum-exp far from 0, and where all or one is infinite. */
static void log_sum_exp_edges(void **state)
{
    const double infinity = (double)INFINITY;
    const double x[3][2] = {{1000, 1000 + log(3)}, {-infinity, -infinity}, {infinity, 0}}, wanted[3] = {1000 + log(4), -infinity, infinity};
    for (int k = 0; k < 3; k++) {
        lk_graph *g;
        check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
        lk_node in = lk_graph_input(g, 1, (const int64_t[1]){2}), y = lk_graph_output(g, lk_graph_log_sum_exp(g, in, -1));
        check_ok(*state, lk_graph_plan(*state, g));
        memcpy(lk_graph_values(g, in), x[k], sizeof x[k]);
        check_ok(*state, lk_graph_run(*state, g));
        double v = *(const double *)lk_graph_values(g, y);
        assert_true(v == wanted[k] || fabs(v - wanted[k]) < 1e-12);
        lk_graph_free(g);
    }
}

/* ---- derivatives whose closed form is known ---- */

/* f(x) = x' A x / 2 + sin(sum x): the Hessian-vector product is (A + A') v / 2 - sin(sum x) (sum v) 1, and the divergence of the
 * gradient, one forward product an axis, is tr A - d sin(sum x). */
static void hessian(void **state)
{
    enum { D = 5 };
    lk_graph *g;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    const int64_t vector[2] = {1, D}, matrix[2] = {D, D};
    lk_node x = lk_graph_input(g, 2, vector), a = lk_graph_input(g, 2, matrix), v = lk_graph_input(g, 2, vector);
    lk_node square = lk_graph_binary(g, LK_MULTIPLY, lk_graph_matmul(g, x, a), x);
    lk_node y = lk_graph_binary(g, LK_ADD, lk_graph_affine(g, lk_graph_sum(g, square, -1), 0.5, 0),
                                lk_graph_unary(g, LK_SIN, lk_graph_sum(g, x, -1)));
    lk_node gradient, product;
    lk_graph_gradient(g, y, &x, 1, &gradient);
    lk_node along = lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, gradient, v), -1);
    lk_graph_gradient(g, along, &x, 1, &product);
    product = lk_graph_output(g, product);
    lk_node forward = lk_graph_output(g, lk_graph_jvp(g, gradient, &x, &v, 1)), divergence = lk_graph_constant(g, 0), unit[D];
    for (int i = 0; i < D; i++) {
        unit[i] = lk_graph_input(g, 2, vector);
        lk_node column = lk_graph_jvp(g, gradient, &x, &unit[i], 1);
        divergence = lk_graph_binary(g, LK_ADD, divergence, lk_graph_sum(g, lk_graph_slice(g, column, 1, i, 1, 1), -1));
    }
    divergence = lk_graph_output(g, divergence);
    check_ok(*state, lk_graph_plan(*state, g));
    double *px = lk_graph_values(g, x), *pa = lk_graph_values(g, a), *pv = lk_graph_values(g, v), total = 0, sum_v = 0, trace = 0;
    draw(&(operand){2, {1, D}, NORMAL}, 5, px);
    draw(&(operand){2, {D, D}, NORMAL}, 6, pa);
    draw(&(operand){2, {1, D}, NORMAL}, 7, pv);
    for (int i = 0; i < D; i++) {
        ((double *)lk_graph_values(g, unit[i]))[i] = 1;
        total += px[i];
        sum_v += pv[i];
        trace += pa[i * D + i];
    }
    check_ok(*state, lk_graph_run(*state, g));
    const double *by_reverse = lk_graph_values(g, product), *by_forward = lk_graph_values(g, forward);
    for (int i = 0; i < D; i++) {
        double wanted = -sin(total) * sum_v;
        for (int j = 0; j < D; j++) {
            wanted += (pa[i * D + j] + pa[j * D + i]) * pv[j] / 2;
        }
        check_near(by_reverse[i], wanted, 1e-13);
        check_near(by_forward[i], wanted, 1e-13);
    }
    check_near(*(const double *)lk_graph_values(g, divergence), trace - D * sin(total), 1e-13);
    lk_graph_free(g);
}

/* Gradients of each row by itself: the weight is repeated for every row, so that its gradient has a row each. For y = tanh(w . x) it
 * is (1 - y^2) x. */
static void per_sample(void **state)
{
    enum { N = 6, D = 3 };
    lk_graph *g;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    const int64_t rows[2] = {N, D}, row[1] = {D};
    lk_node x = lk_graph_rows(g, 2, rows), w = lk_graph_parameter(g, 1, row), each = lk_graph_expand(g, w, 2, rows), gradient;
    lk_node y = lk_graph_unary(g, LK_TANH, lk_graph_sum(g, lk_graph_binary(g, LK_MULTIPLY, each, x), 2));
    lk_graph_gradient(g, y, &each, 1, &gradient);
    gradient = lk_graph_output(g, gradient);
    check_ok(*state, lk_graph_plan(*state, g));
    double *px = lk_graph_values(g, x), *pw = lk_graph_values(g, w);
    draw(&(operand){2, {N, D}, NORMAL}, 8, px);
    draw(&(operand){1, {D}, NORMAL}, 9, pw);
    check_ok(*state, lk_graph_run(*state, g));
    for (int i = 0; i < N * D; i++) {
        const double *r = px + i / D * D;
        double value = tanh(r[0] * pw[0] + r[1] * pw[1] + r[2] * pw[2]);
        check_near(((const double *)lk_graph_values(g, gradient))[i], (1 - value * value) * px[i], 1e-14);
    }
    lk_graph_free(g);
}

/* Steps of sharpness-aware minimization of f(w) = (a w0^2 + b w1^2) / 2, by hand: w -= rate H (w + rho H w / |H w|) (Foret et al. 2021,
 * arXiv:2010.01412), which without the climb would be w -= rate H w. */
static void sharpness(void **state)
{
    enum { STEPS = 5 };
    const double rate = 0.1, rho = 0.3, h[2] = {3.0, 0.5};
    double w[2] = {1.0, -2.0};
    lk_graph *g = NULL;
    lk_optimizer *optimizer = NULL;
    check_ok(*state, lk_graph_new(*state, LK_FLOAT64, &g));
    lk_node p[2], gradient[2], loss = -1;
    for (int i = 0; i < 2; i++) {
        p[i] = lk_graph_parameter(g, 0, NULL);
        lk_node term = lk_graph_affine(g, lk_graph_unary(g, LK_SQUARE, p[i]), h[i] / 2, 0);
        loss = i == 0 ? term : lk_graph_binary(g, LK_ADD, loss, term);
    }
    lk_graph_gradient(g, loss, p, 2, gradient);
    for (int i = 0; i < 2; i++) {
        gradient[i] = lk_graph_output(g, gradient[i]);
    }
    check_ok(*state, lk_graph_plan(*state, g));
    for (int i = 0; i < 2; i++) {
        *(double *)lk_graph_values(g, p[i]) = w[i];
    }
    lk_optimizer_options how = {.size = sizeof how, .rule = LK_RULE_MOMENTUM, .rate = rate, .beta1 = 1e-300, .sharpness = rho};
    check_ok(*state, lk_optimizer_new(*state, g, p, gradient, 2, &how, &optimizer));
    for (int s = 0; s < STEPS; s++) {
        const double norm = hypot(h[0] * w[0], h[1] * w[1]);
        check_ok(*state, lk_graph_run(*state, g));
        check_ok(*state, lk_optimizer_climb(*state, optimizer));
        check_status(*state, LK_ERROR_ARGUMENT, lk_optimizer_climb(*state, optimizer));
        check_ok(*state, lk_graph_run(*state, g));
        check_ok(*state, lk_optimizer_step(*state, optimizer));
        for (int i = 0; i < 2; i++) {
            w[i] -= rate * h[i] * (w[i] + rho * h[i] * w[i] / norm);
            check_near(*(const double *)lk_graph_values(g, p[i]), w[i], 1e-14);
        }
    }
    lk_optimizer_free(optimizer);
    lk_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values), cmocka_unit_test(gradients), cmocka_unit_test(forward_is_reverse), cmocka_unit_test(float_functions),
        cmocka_unit_test(float_edges), cmocka_unit_test(log_sum_exp_edges), cmocka_unit_test(hessian), cmocka_unit_test(per_sample),
        cmocka_unit_test(sharpness),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
