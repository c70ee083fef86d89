/* The bootstrap likelihood-ratio test against R's mclust on its own example, with weights as repeated rows, and in known cases. */
#include "gmm_check.h"

static lk_ratio_test ask(lk_context *ctx, const lk_table *table, const char *settings, const char *features, const char *weight, int64_t draws)
{
    lk_ratio_test out = {.size = sizeof out};
    const lk_roles roles = {.size = sizeof roles, .features = features, .weight = weight};
    const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings(settings), .roles = &roles, .seed = 1};
    const lk_ratio_options options = {.size = sizeof options, .draws = draws};
    check_ok(ctx, lk_model_ratio_test(ctx, "gmm", table, &fit, &options, &out));
    return out;
}

/* mclustBootstrapLRT of mclust 6.0.0 (Debian) on the same file, modelName VVV, nboot 999, set.seed(1): statistics 361.167, 123.497, 16.762
 * with p-values .001, .001, .498. (Its documentation prints 369.985, 121.107, 19.901 with .001, .001, .283 of another version.) A peer's
 * statistic is of its own local maxima, so that ours are held to two things: no fit has less likelihood than the peer's, and the
 * decisions are the same. */
static void diabetes(void **state)
{
    lk_context *ctx = *state;
    const char *path = check_data("mixture/diabetes.csv");
    check_skip_without(path, "mixture/diabetes.csv");
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, path, NULL, &table));
    static const double peer[3] = {361.16739463, 123.49685443, 16.76160578};
    lk_ratio_test out = ask(ctx, table, "components=1..4;covariance=full", "glucose,insulin,sspg", NULL, 59);
    double theirs = out.steps[0].log_likelihood; /* one Gaussian has a closed form */
    check_near(theirs, -2545.8277, 1e-3);
    assert_int_equal(out.count, 3);
    for (int64_t i = 0; i < out.count; i++) {
        const lk_ratio_step *s = &out.steps[i];
        theirs += peer[i] / 2;
        print_message("%lld against %lld: %.3f, p %.3f\n", (long long)s->components, (long long)s->alternative, s->statistic, s->p_value);
        assert_true(s->log_likelihood_alternative > theirs - 1e-3);
        check_near(s->statistic, 2 * (s->log_likelihood_alternative - s->log_likelihood), 1e-9);
        assert_int_equal(s->used + s->left_out, 59);
        if (i < 2) {
            check_near(s->p_value, 1.0 / (1.0 + (double)s->used), 1e-15); /* no draw comes near */
        } else {
            assert_true(s->p_value > 0.1);
        }
    }
    assert_true(out.components == 3 && out.ended == 1 && out.trusted == 1);
    lk_free(ctx, out.steps);
    lk_table_free(table);
}

/* A weight of 2 is the row twice: the same statistic and, draws having as many rows, the same p-value. Missing values take part. */
static void weights(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 40 };
    static double once[ROWS * 3], twice[2 * ROWS * 3];
    lki_stream s = gmm_stream(9500);
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < 2; j++) {
            const int gap = j == 1 && i % 5 == 0;
            once[3 * i + j] = gap ? (double)NAN : lki_random_normal(&s) + (i % 2) * 2.0;
        }
        once[3 * i + 2] = 2;
        memcpy(twice + 6 * i, once + 3 * i, 3 * sizeof *once);
        memcpy(twice + 6 * i + 3, once + 3 * i, 3 * sizeof *once);
    }
    lk_table *a = gmm_table(ctx, once, ROWS, 3), *b = gmm_table(ctx, twice, 2 * ROWS, 3);
    const char *settings = "components=1..2;covariance=diag;tol=1e-9";
    lk_ratio_test p = ask(ctx, a, settings, "x1,x2", "x3", 19), q = ask(ctx, b, settings, "x1,x2", NULL, 19);
    check_near(p.steps[0].log_likelihood, q.steps[0].log_likelihood, 1e-6);
    check_near(p.steps[0].statistic, q.steps[0].statistic, 1e-4);
    check_near(p.steps[0].p_value, q.steps[0].p_value, 0.051); /* a draw within 1e-4 of the statistic may count or not */
    lk_free(ctx, p.steps);
    lk_free(ctx, q.steps);
    lk_table_free(a);
    lk_table_free(b);
}

/* Through a transform the statistic is that of the transformed rows, the log-likelihoods those of the data's units. */
static void transformed(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 60 };
    double x[ROWS], y[ROWS], jacobian = 0;
    lki_stream s = gmm_stream(9510);
    for (int i = 0; i < ROWS; i++) {
        x[i] = lki_random_normal(&s) + (i % 2) * 3.0;
        y[i] = exp(x[i]);
        jacobian -= x[i];
    }
    lk_table *plain = gmm_table(ctx, x, ROWS, 1), *curved = gmm_table(ctx, y, ROWS, 1);
    lk_ratio_test p = ask(ctx, plain, "components=1..2", NULL, NULL, 19), q = {.size = sizeof q};
    const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings("components=1..2"), .transform = "log", .seed = 1};
    const lk_ratio_options options = {.size = sizeof options, .draws = 19};
    check_ok(ctx, lk_model_ratio_test(ctx, "gmm", curved, &fit, &options, &q));
    check_near(p.steps[0].statistic, q.steps[0].statistic, 1e-6);
    check_near(p.steps[0].log_likelihood + jacobian, q.steps[0].log_likelihood, 1e-6);
    check_near(p.steps[0].log_likelihood_alternative + jacobian, q.steps[0].log_likelihood_alternative, 1e-6);
    check_near(p.steps[0].p_value, q.steps[0].p_value, 1e-12);
    lk_free(ctx, p.steps);
    lk_free(ctx, q.steps);
    lk_table_free(plain);
    lk_table_free(curved);
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double x[] = {0, 1, 3, 4, 5, 9};
    lk_table *table = gmm_table(ctx, x, 6, 1);
    lk_ratio_test out = {.size = sizeof out};
    lk_ratio_options options = {.size = sizeof options, .draws = 5};
    static const struct {
        const char *settings, *says;
    } cases[] = {{"components=2", "at least two numbers"}, {"components=1,3", "without gaps"}, {"components=1..2;covariance=E,V", "one covariance family"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings(cases[i].settings)};
        check_status(ctx, LK_ERROR_ARGUMENT, lk_model_ratio_test(ctx, "gmm", table, &fit, &options, &out));
        check_contains(lk_error_message(ctx), cases[i].says);
    }
    const lk_fit_options held = {.size = sizeof held, .settings = gmm_settings("components=1..2"), .folds = 2};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_ratio_test(ctx, "gmm", table, &held, &options, &out));
    const lk_fit_options plain = {.size = sizeof plain, .settings = gmm_settings("components=1..2")};
    const lk_roles roles = {.size = sizeof roles, .label = "x1"};
    const lk_fit_options labelled = {.size = sizeof labelled, .settings = gmm_settings("components=1..2"), .roles = &roles};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_ratio_test(ctx, "gmm", table, &labelled, &options, &out));
    check_contains(lk_error_message(ctx), "classes are not tested");
    options.alpha = 1;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_ratio_test(ctx, "gmm", table, &plain, &options, &out));
    assert_null(out.steps);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(diabetes), cmocka_unit_test(weights), cmocka_unit_test(transformed),
                                       cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
