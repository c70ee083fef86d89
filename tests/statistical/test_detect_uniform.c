/* p-values of exchangeable rows are uniform, whatever the model: by rows of a table, by those that a fit holds out, and where values are
 * missing. Fixed seeds; each share is compared with its binomial law within 4 standard deviations: over all 56 shares that are looked at,
 * a correct detector fails in fewer than 4 of 1000 seeds. */
#include "gmm_check.h"

enum { D = 2, M = 99 };

/* Skewed and dependent: no Gaussian mixture of few components is right. */
static void make_rows(lki_stream *s, double *x, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        x[i * D] = lki_random_gamma(s, 0.7);
        x[i * D + 1] = x[i * D] * lki_random_normal(s) + lki_random_uniform(s);
    }
}

/* The share of values at most a, for 8 values of a that (1 + rank) / 100 takes. */
static void check_uniform(const char *what, const double *p, int64_t count)
{
    static const double levels[8] = {0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75, 0.95};
    for (int a = 0; a < 8; a++) {
        double below = 0;
        for (int64_t i = 0; i < count; i++) {
            below += p[i] <= levels[a] + 1e-12;
        }
        const double expected = levels[a] * (double)count, sd = sqrt(expected * (1 - levels[a]));
        if (!(fabs(below - expected) <= 4 * sd + 0.5)) {
            fail_msg("%s: %g of %lld p-values are at most %g; %g +- %g are right", what, below, (long long)count, levels[a], expected, sd);
        }
    }
}

/* One new row for each set of reference rows: then p-values are independent. */
static void reference_table(void **state)
{
    lk_context *ctx = *state;
    const int64_t turns = check_scaled(1500, 300);
    double *p[4], x[(M + 4) * D], score[4], answer[4], training[80 * D];
    lki_stream s = gmm_stream(7100);
    make_rows(&s, training, 80);
    lk_table *table = gmm_table(ctx, training, 80, D);
    lk_model *model = gmm_fit(ctx, table, "components=1", NULL, NULL, NULL);
    lk_table_free(table);
    for (int i = 0; i < 4; i++) {
        assert_non_null(p[i] = malloc((size_t)turns * sizeof(double)));
    }
    for (int64_t t = 0; t < turns; t++) {
        /* Row M is complete; row M + 1 loses its second value and row M + 2 its first. */
        make_rows(&s, x, M + 4);
        table = gmm_table(ctx, x, M, D);
        lk_detect_options options = {.size = sizeof options, .calibrate = table};
        lk_detector *detector = NULL;
        check_ok(ctx, lk_detector_new(ctx, model, &options, &detector));
        x[(M + 1) * D + 1] = x[(M + 2) * D] = (double)NAN;
        check_ok(ctx, lk_detector_rows(ctx, detector, x + M * D, 4, score, answer));
        for (int i = 0; i < 4; i++) {
            p[i][t] = answer[i];
        }
        lk_detector_free(ctx, detector);
        lk_table_free(table);
    }
    check_uniform("complete rows", p[0], turns);
    check_uniform("rows without the second value", p[1], turns);
    check_uniform("rows without the first value", p[2], turns);
    check_uniform("more complete rows", p[3], turns);
    for (int i = 0; i < 4; i++) {
        free(p[i]);
    }
    lk_model_free(model);
}

/* The split of the fit: the held-out rows differ in number, so that p is made uniform within its step by a draw. Rows that the model
 * was fitted to would rank too low: that is seen too. */
static void kept_split(void **state)
{
    lk_context *ctx = *state;
    enum { N = 120 };
    const int64_t turns = check_scaled(600, 300);
    double *p = malloc((size_t)turns * sizeof *p), x[(N + 1) * D], score, answer;
    lki_stream s = gmm_stream(7200);
    assert_non_null(p);
    for (int64_t t = 0; t < turns; t++) {
        make_rows(&s, x, N + 1);
        lk_table *table = gmm_table(ctx, x, N, D);
        const lk_setting settings[] = {{"components", "3"}, {"restarts", "1"}, {"init", "random"}, {NULL, NULL}};
        lk_fit_options fit = {.size = sizeof fit, .settings = settings, .seed = t, .calibrate = 0.4};
        lk_model *model = NULL;
        lk_detector *detector = NULL;
        int64_t m = 0;
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &fit, &model));
        check_ok(ctx, lk_detector_new(ctx, model, NULL, &detector));
        assert_int_equal(lk_detector_reference(detector, &m), LK_REFERENCE_KEPT);
        assert_true(m > 20 && m < 80);
        check_ok(ctx, lk_detector_rows(ctx, detector, x + N * D, 1, &score, &answer));
        p[t] = answer - lki_random_uniform(&s) / (double)(m + 1);
        lk_detector_free(ctx, detector);
        lk_model_free(model);
        lk_table_free(table);
    }
    check_uniform("a split kept by the fit", p, turns);
    free(p);
}

/* Draws of a right model. */
static void own_draws(void **state)
{
    lk_context *ctx = *state;
    enum { N = 4000 };
    static double x[N * D], score[N], p[N];
    lki_stream s = gmm_stream(7300);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", 3, D, 10, 3);
    lk_model *model = gmm_model_of(ctx, m);
    lk_detector *detector = NULL;
    check_ok(ctx, lk_detector_new(ctx, model, NULL, &detector));
    check_ok(ctx, lk_model_sample(ctx, model, 0, 0, N, x));
    check_ok(ctx, lk_detector_rows(ctx, detector, x, N, score, p));
    check_uniform("draws", p, N);
    for (int i = 0; i < N; i++) {
        x[i * D + i % 2] = (double)NAN;
    }
    check_ok(ctx, lk_detector_rows(ctx, detector, x, N, score, p));
    check_uniform("draws with a value missing", p, N);
    lk_detector_free(ctx, detector);
    lk_model_free(model);
    lki_mixture_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reference_table), cmocka_unit_test(kept_split), cmocka_unit_test(own_draws)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
