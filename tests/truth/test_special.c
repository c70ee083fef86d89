/* Special functions against closed forms, 60-digit values and long double. */
#include "check.h"
#include "core/philox.h"
#include "math/special.h"

static void check_relative(double value, double wanted, double tolerance)
{
    check_near(value, wanted, tolerance * fabs(wanted));
}

/* Wanted values: the continued fraction (tails) and the power series (middle) in 60-digit decimal arithmetic. */
static void test_normal_cdf_values(void **state)
{
    (void)state;
    static const double table[][2] = {
        {-37.5, 4.6053530095819548438e-308},
        {-30, 4.9067139271481870595e-198},
        {-20, 2.7536241186062336951e-89},
        {-10, 7.6198530241605260660e-24},
        {-5, 2.8665157187919391167e-7},
        {-3, 1.3498980316300945267e-3},
        {-1.9599639845400540, 2.5000000000000010877e-2},
        {-1, 1.5865525393145705142e-1},
        {-0.5, 3.0853753872598689636e-1},
        {0.25, 5.9870632568292372424e-1},
        {1, 8.4134474606854294859e-1},
        {2.5, 9.9379033467422386483e-1},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        check_relative(lki_normal_cdf(table[i][0]), table[i][1], 1e-13);
    }
    check_near(lki_normal_cdf(-38), 2.8854283600687843084e-316, 0x1p-1074); /* denormal: exact to the last place */
    const double inf = (double)INFINITY;
    assert_true(lki_normal_cdf(0) == 0.5);
    assert_true(lki_normal_cdf(-inf) == 0 && lki_normal_cdf(inf) == 1);
    assert_true(lki_normal_cdf(-60) == 0 && lki_normal_cdf(60) == 1 && lki_normal_cdf(9) == 1);
    assert_true(isnan(lki_normal_cdf((double)NAN)));
    assert_true(lki_normal_cdf(-38.4) > 0);
}

static void test_normal_cdf_densely(void **state)
{
    (void)state;
    check_skip_without_long_double();
    const long double root = 0.707106781186547524400844362104849039L;
    int64_t n = check_scaled(200000, 10000);
    double worst = 0;
    for (int64_t i = 0; i <= n; i++) {
        double x = -37.5 + 47 * (double)i / (double)n;
        long double wanted = 0.5L * erfcl(-(long double)x * root);
        double error = (double)fabsl(((long double)lki_normal_cdf(x) - wanted) / wanted);
        worst = error > worst ? error : worst;
    }
    print_message("normal cdf: relative error at most %.2g\n", worst);
    assert_true(worst < 1e-13);
}

/* Phi(x) + Phi(-x) = 1, and Phi never decreases by more than its rounding. */
static void test_normal_cdf_properties(void **state)
{
    (void)state;
    double before = 0;
    for (int i = -4000; i <= 4000; i++) {
        double x = i * 0.01;
        double p = lki_normal_cdf(x);
        check_near(p + lki_normal_cdf(-x), 1, 3e-16);
        assert_true(p >= before);
        before = p;
    }
}

static void test_multivariate_log_gamma(void **state)
{
    (void)state;
    const double pi = 3.14159265358979323846;
    /* d = 1 is log Gamma; Gamma_2(a) = pi 2^(2 - 2 a) Gamma(2 a - 1) by Legendre's duplication, (2 a - 2)! for whole
     * 2 a. */
    double factorial = 1;
    for (int a = 2; a <= 20; a++) {
        factorial *= (2 * a - 2) * (2 * a - 3);
        check_relative(lki_multivariate_log_gamma(2, a), log(pi) + (2 - 2 * a) * log(2) + log(factorial), 1e-13);
    }
    check_relative(lki_multivariate_log_gamma(1, 5), log(24), 1e-14);
    check_relative(lki_multivariate_log_gamma(1, 0.5), 0.5 * log(pi), 1e-14);
    /* Gamma_3(2) = pi^(3/2) Gamma(2) Gamma(3/2) Gamma(1) = pi^2 / 2. */
    check_relative(lki_multivariate_log_gamma(3, 2), log(pi * pi / 2), 1e-14);
    /* The recurrence Gamma_d(a) = pi^((d-1)/2) Gamma(a) Gamma_{d-1}(a - 1/2). */
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, 0);
    for (int64_t d = 2; d <= 60; d++) {
        double a = 0.5 * (double)(d - 1) + 0.01 + 20 * lki_random_uniform(&s);
        double whole = lki_multivariate_log_gamma(d, a);
        double parts = 0.5 * (double)(d - 1) * log(pi) + lgamma(a) + lki_multivariate_log_gamma(d - 1, a - 0.5);
        check_near(whole, parts, 1e-13 * (1 + fabs(whole)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normal_cdf_values),
        cmocka_unit_test(test_normal_cdf_densely),
        cmocka_unit_test(test_normal_cdf_properties),
        cmocka_unit_test(test_multivariate_log_gamma),
    };
    return cmocka_run_group_tests_name("special", tests, NULL, NULL);
}
