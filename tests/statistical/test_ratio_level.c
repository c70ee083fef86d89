/* The level of the bootstrap likelihood-ratio test where the smaller model is right, and its power where it is not. */
#include "gmm_check.h"

enum { ROWS = 40, SETS = 150, DRAWS = 25 };

/* How many of `sets` data sets reject one component, and how many are to be expected where one is right: of u + 1 exchangeable statistics
 * that of the rows is the largest with probability 1 / (u + 1), which rejects at 5% where u >= 19 (u <= 25 here). Data sets and draws with a
 * degenerate fit of two components stand aside alike, which leaves the others exchangeable. */
static int64_t rejections(lk_context *ctx, int64_t sets, double apart, uint64_t first, double *expected, double *variance)
{
    int64_t rejected = 0;
    *expected = *variance = 0;
    for (int64_t set = 0; set < sets; set++) {
        double x[ROWS];
        lki_stream s = gmm_stream(first + (uint64_t)set);
        for (int i = 0; i < ROWS; i++) {
            x[i] = lki_random_normal(&s) + (i % 2) * apart;
        }
        lk_table *table = gmm_table(ctx, x, ROWS, 1);
        lk_ratio_test out = {.size = sizeof out};
        const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings("components=1..2;covariance=E;restarts=3"), .seed = set};
        const lk_ratio_options options = {.size = sizeof options, .draws = DRAWS};
        check_ok(ctx, lk_model_ratio_test(ctx, "gmm", table, &fit, &options, &out));
        const double p = 1.0 / (1.0 + (double)out.steps[0].used);
        if (p <= 0.05 && !isnan(out.steps[0].p_value)) {
            *expected += p;
            *variance += p * (1 - p);
        }
        rejected += out.components == 2;
        lk_free(ctx, out.steps);
        lk_table_free(table);
    }
    return rejected;
}

/* One Gaussian is pivotal, so that the test is exact: the number of rejections is within 4.5 standard deviations of what is expected in all
 * but about 1 of 20000 seeds (the seed is fixed). */
static void level(void **state)
{
    double expected, variance;
    const int64_t rejected = rejections(*state, check_scaled(SETS, 100), 0, 50000, &expected, &variance);
    print_message("%lld rejected, %.1f expected\n", (long long)rejected, expected);
    assert_true(expected > 3 && fabs((double)rejected - expected) < 4.5 * sqrt(variance) && rejected > 0);
}

/* Two groups 5 standard deviations apart are found in nearly all of 20 data sets. */
static void power(void **state)
{
    double expected, variance;
    assert_true(rejections(*state, 20, 5, 60000, &expected, &variance) >= 18);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(level), cmocka_unit_test(power)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
