/* Expressions: values against the C library, derivatives against differences, quadratic forms against what they were written from. */
#include "check.h"

#include "data/expression.h"

static const char *const names[] = {"x", "y", "a b"};

static double value(lk_context *ctx, const char *text, const double *x, double *gradient)
{
    lki_expression *e = NULL;
    double work[400];
    lki_memory memory = lki_memory_of(ctx);
    check_ok(ctx, lki_expression_new(ctx, text, names, 3, &e));
    assert_true(lki_expression_work(e) <= 400);
    double v = lki_expression_value(e, x, work);
    if (gradient != NULL) {
        assert_true(v == lki_expression_gradient(e, x, gradient, work));
    }
    lki_expression_free(&memory, e);
    return v;
}

static void values(void **state)
{
    const double p[] = {0.7, -1.3, 2.0}, x = p[0], y = p[1], z = p[2];
    const struct {
        const char *text;
        double wanted;
    } cases[] = {
        {"1 + 2 * 3 - 4 / 8", 6.5}, {"2^3^2", 512}, {"-2^2", -4}, {"2^-1", 0.5}, {"(1 + 2) * -3", -9}, {"x - y - 1", x - y - 1},
        {"exp(x) + log(\"a b\") * sin(y)", exp(x) + log(z) * sin(y)}, {"cos(x)^2 + tanh(y)", cos(x) * cos(x) + tanh(y)},
        {"sqrt(abs(y)) + min(x, y) * max(x, \"a b\")", sqrt(1.3) + y * z}, {"x > 0 and y > 0", 0}, {"x > 0 or y > 0", 1},
        {"not x > 0 or y < 0 and 1 == 1", 1}, {"(x >= .7) + (y <= -1.3) + (x != y) + (x == y)", 3}, {"2 * pi", 6.283185307179586},
        {"1e3 + .5e-1", 1000.05}, {"1-1", 0}, {"x*y/\"a b\"/2", x * y / z / 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_near(value(*state, cases[i].text, p, NULL), cases[i].wanted, 1e-14 * fmax(1, fabs(cases[i].wanted)));
    }
}

static void derivatives(void **state)
{
    static const char *const texts[] = {"exp(x*y) / (1 + x^2)", "log(\"a b\" + x) * tanh(y)", "sin(x)*cos(y)^3", "sqrt(x + 2) - abs(y) + max(x, y)^2",
                                        "\"a b\"^x + x^3 * y^2", "min(x * y, \"a b\")", "(x > 0) * x^2", "-x / y / \"a b\""};
    const double p[] = {0.7, -1.3, 2.0};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        double gradient[3];
        value(*state, texts[i], p, gradient);
        for (int j = 0; j < 3; j++) {
            double above[3], below[3], h = 1e-5;
            memcpy(above, p, sizeof p);
            memcpy(below, p, sizeof p);
            above[j] += h;
            below[j] -= h;
            double wanted = (value(*state, texts[i], above, NULL) - value(*state, texts[i], below, NULL)) / (2 * h);
            check_near(gradient[j], wanted, 1e-8 * fmax(1, fabs(wanted)));
        }
    }
}

static void quadratics(void **state)
{
    const struct {
        const char *text;
        bool is;
        double constant, linear[3], square[9];
    } cases[] = {
        {"3 - 2*x + x^2/2 + 4*x*y", true, 3, {-2, 0, 0}, {1, 4, 0, 4, 0, 0, 0, 0, 0}},
        {"-(x - 2*y + \"a b\" - 1)^2 / 2", true, -0.5, {1, -2, 1}, {-1, 2, -1, 2, -4, 2, -1, 2, -1}},
        {"exp(2) * x + log(1)", true, 0, {7.38905609893065, 0, 0}, {0}},
        {"x^3", false, 0, {0}, {0}}, {"x*y*x", false, 0, {0}, {0}}, {"exp(x)", false, 0, {0}, {0}}, {"1/x", false, 0, {0}, {0}},
        {"x > 0", false, 0, {0}, {0}}, {"x^2 - x^2 + 1/0", false, 0, {0}, {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lki_expression *e = NULL;
        bool is;
        double constant, linear[3], square[9];
        lki_memory memory = lki_memory_of(*state);
        check_ok(*state, lki_expression_new(*state, cases[i].text, names, 3, &e));
        check_ok(*state, lki_expression_quadratic(*state, e, &is, &constant, linear, square));
        assert_int_equal(is, cases[i].is);
        for (int j = 0; is && j < 9; j++) {
            check_near(square[j], cases[i].square[j], 1e-14);
            check_near(linear[j / 3], cases[i].linear[j / 3], 1e-14);
            check_near(constant, cases[i].constant, 1e-14);
        }
        lki_expression_free(&memory, e);
    }
}

static void refusals(void **state)
{
    static const char *const texts[][2] = {{"", "belongs here"}, {"x +", "belongs here"}, {"(x", "closing bracket"}, {"x y", "nothing joins"},
        {"z + 1", "no column"}, {"exp x", "no column"}, {"min(x)", "two arguments"}, {"exp(x, y)", "closing bracket"}, {"\"a", "does not end"},
        {"1e999", "no number"}, {"x $ y", "nothing joins"}, {"x = 1", "nothing joins"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        lki_expression *e = NULL;
        lki_begin(*state);
        check_status(*state, LK_ERROR_ARGUMENT, lki_expression_new(*state, texts[i][0], names, 3, &e));
        check_contains(lk_error_message(*state), texts[i][1]);
    }
    static char deep[4000];
    memset(deep, '(', 3000);
    lki_expression *e = NULL;
    lki_begin(*state);
    check_status(*state, LK_ERROR_ARGUMENT, lki_expression_new(*state, deep, names, 3, &e));
    check_contains(lk_error_message(*state), "too deep");
}

static void rates(void **state)
{
    lki_expression *field[2] = {NULL};
    lki_memory memory = lki_memory_of(*state);
    const double p[] = {2, 3, 0.5};
    double work[100];
    check_ok(*state, lki_rates_new(*state, "mu = 2 * 3 # stiff\n\ny' = mu*(1 - x^2)*y - x + \"a b\"\n x' = y", names, 2, 3, field));
    check_near(lki_expression_value(field[0], p, work), 3, 0);
    check_near(lki_expression_value(field[1], p, work), 6 * -3.0 * 3 - 2 + 0.5, 1e-13);
    lki_expression_free(&memory, field[0]);
    lki_expression_free(&memory, field[1]);
    static const char *const texts[][2] = {{"x' = y", "no line y'"}, {"x' = y\nx' = y", "line 2: x' is given twice"}, {"z' = 1", "of no feature"},
        {"x = y", "no column"}, {"x'", "a line reads"}, {"c = log(0)", "no finite number"}, {"x' = (y", "closing bracket"}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        lki_begin(*state);
        check_status(*state, LK_ERROR_ARGUMENT, lki_rates_new(*state, texts[i][0], names, 2, 3, field));
        check_contains(lk_error_message(*state), texts[i][1]);
        assert_null(field[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, check_setup, check_teardown), cmocka_unit_test_setup_teardown(derivatives, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(quadratics, check_setup, check_teardown), cmocka_unit_test_setup_teardown(refusals, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(rates, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
