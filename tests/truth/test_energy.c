/* Unnormalized models: quadratic energies against the normal distribution's maximum likelihood, quartic ones in one dimension against maximum likelihood by
 * quadrature, and the compositional estimate of a normalizing constant against its known variance. */
#include "gmm_check.h"

#include "math/cholesky.h"
#include "score/energy.h"

static lk_model *fit_energy(lk_context *ctx, const double *x, int64_t n, int64_t d, const char *settings)
{
    lk_table *table = gmm_table(ctx, x, n, d);
    lk_model *model = NULL;
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings(settings), .seed = 1};
    check_ok(ctx, lk_model_fit(ctx, "energy", table, &options, &model));
    lk_table_free(table);
    return model;
}

/* Correlated rows in 3-d that are not normal. */
static void rows3(double *x, int n)
{
    lki_stream s = gmm_stream(9500);
    for (int i = 0; i < n; i++) {
        double a = lki_random_normal(&s), b = lki_random_normal(&s), c = lki_random_gamma(&s, 3);
        x[i * 3] = 2 + a;
        x[i * 3 + 1] = -1 + 0.5 * a + 0.8 * b;
        x[i * 3 + 2] = 10 * (c + 0.3 * b);
    }
}

/* The largest difference of second derivatives from minus the inverse sample covariance, in units of the features' sds, and of the score's zero from the
 * sample mean. */
static double off_maximum_likelihood(lk_context *ctx, const lk_model *model, const double *x, int n)
{
    double mean[3] = {0}, C[9] = {0}, W[9], work[18], score[3], worst = 0, H[9];
    for (int i = 0; i < n * 3; i++) {
        mean[i % 3] += x[i] / n;
    }
    for (int i = 0; i < n; i++) {
        for (int e = 0; e < 9; e++) {
            C[e] += (x[i * 3 + e / 3] - mean[e / 3]) * (x[i * 3 + e % 3] - mean[e % 3]) / n;
        }
    }
    lki_spd spd;
    assert_int_equal(lki_spd_factor(3, C, W, NULL, &spd, work), 0);
    check_ok(ctx, model->operations.hessian(ctx, model->state, mean, 1, H));
    check_ok(ctx, lk_model_score(ctx, model, mean, 1, score));
    for (int e = 0; e < 9; e++) {
        double p = 0, unit = sqrt(C[e / 3 * 4] * C[e % 3 * 4]);
        for (int a = 0; a < 3; a++) {
            p += W[a * 3 + e / 3] * W[a * 3 + e % 3];
        }
        worst = fmax(worst, fabs(H[e] + p) * unit);
        worst = fmax(worst, fabs(score[e % 3]) * sqrt(C[e % 3 * 4]));
    }
    return worst;
}

/* Score matching of a quadratic energy is maximum likelihood, exactly, whatever the rows (Hyvarinen 2005, section 3.1); the others come near it: sliced with
 * many directions, likelihood and noise contrast by 200 000 draws (noise contrast is another estimator where rows are not normal; here they nearly are). The
 * normalizing constant is that of the normal distribution. */
static void quadratic(void **state)
{
    enum { N = 2000 };
    static double x[N * 3], z[N * 3];
    double density, wanted;
    rows3(x, N);
    lk_model *model = fit_energy(*state, x, N, 3, "degree=2");
    assert_true(off_maximum_likelihood(*state, model, x, N) < 1e-7);
    lk_table *table = gmm_table(*state, x, N, 3);
    lk_model *normal = gmm_fit(*state, table, "components=1", NULL, NULL, NULL);
    for (int i = 0; i < 20; i++) {
        check_ok(*state, lk_model_log_density(*state, model, x + i * 3, 1, &density));
        check_ok(*state, lk_model_log_density(*state, normal, x + i * 3, 1, &wanted));
        check_near(density, wanted, 1e-4);
    }
    lk_model_free(model);
    lk_model_free(normal);
    lk_table_free(table);
    model = fit_energy(*state, x, N, 3, "degree=2;estimator=likelihood;noise=100000");
    double likelihood = off_maximum_likelihood(*state, model, x, N);
    lk_model_free(model);
    lki_stream s = gmm_stream(9510); /* normal rows */
    for (int i = 0; i < N * 3; i++) {
        z[i] = lki_random_normal(&s) + (i % 3 > 0 ? 0.5 * z[i - 1] : 0);
    }
    model = fit_energy(*state, z, N, 3, "degree=2;estimator=nce;noise=100000");
    double contrast = off_maximum_likelihood(*state, model, z, N);
    lk_model_free(model);
    model = fit_energy(*state, z, N, 3, "degree=2;estimator=sliced;slices=100");
    double sliced = off_maximum_likelihood(*state, model, z, N);
    lk_model_free(model);
    print_message("off maximum likelihood: likelihood %.4f, noise contrast %.4f, sliced %.4f\n", likelihood, contrast, sliced);
    assert_true(likelihood < 0.05 && contrast < 0.06 && sliced < 0.05);
}

/* Rows of exp(- u^4 / 4 + u^2 + u / 4) by rejection. */
static void double_well(double *x, int n)
{
    lki_stream s = gmm_stream(9520);
    for (int i = 0; i < n;) {
        double u = 8 * lki_random_uniform(&s) - 4;
        if (lki_random_uniform(&s) < exp(-u * u * u * u / 4 + u * u + u / 4 - 1.4)) {
            x[i++] = u;
        }
    }
}

/* log of the integral of exp(t1 u + ... + t4 u^4), and the means of the powers, by the trapezoidal rule. */
static double integral(const double *t, double *means)
{
    double sum = 0, h = 0.002;
    memset(means, 0, 4 * sizeof *means);
    for (double u = -6; u <= 6; u += h) {
        double p = exp(u * (t[0] + u * (t[1] + u * (t[2] + u * t[3]))));
        sum += p;
        for (int k = 0; k < 4; k++) {
            means[k] += p * pow(u, k + 1);
        }
    }
    for (int k = 0; k < 4; k++) {
        means[k] /= sum;
    }
    return log(sum * h);
}

/* Powers of x from the model's log density at five places: its polynomial and normalizing constant. */
static void polynomial(lk_context *ctx, const lk_model *model, double *t, double *constant)
{
    double x[5] = {-2, -1, 0, 1, 2}, y[5];
    check_ok(ctx, lk_model_log_density(ctx, model, x, 5, y));
    *constant = y[2];
    double even1 = 0.5 * (y[3] + y[1]) - y[2], even2 = 0.5 * (y[4] + y[0]) - y[2], odd1 = 0.5 * (y[3] - y[1]), odd2 = 0.5 * (y[4] - y[0]);
    t[3] = (even2 - 4 * even1) / 12;
    t[1] = even1 - t[3];
    t[2] = (odd2 - 2 * odd1) / 6;
    t[0] = odd1 - t[2];
}

/* Of a double well: the compositional likelihood is the maximum likelihood, at which the means of u, ..., u^4 under the model are those of the rows, to the
 * error of its noise; score matching and noise contrast come within some standard errors of the law that made the rows; the normalizing constant is that
 * of quadrature to 1e-6. */
static void quartic(void **state)
{
    const int n = (int)check_scaled(20000, 8000);
    const char *const names[] = {"likelihood", "score-matching", "sliced", "nce"};
    const double truth[] = {0.25, 1, 0, -0.25};
    double *x = malloc((size_t)n * sizeof *x), mean[4] = {0}, t[4], got[4], constant;
    double_well(x, n);
    for (int i = 0; i < n * 4; i++) {
        mean[i % 4] += pow(x[i / 4], i % 4 + 1) / n;
    }
    for (int e = 0; e < 4; e++) {
        char settings[80];
        snprintf(settings, sizeof settings, "estimator=%s;noise=200000", names[e]);
        lk_model *model = fit_energy(*state, x, n, 1, settings);
        polynomial(*state, model, t, &constant);
        check_near(constant, -integral(t, got), 1e-6);
        print_message("%s: %.4f %.4f %.4f %.4f; means off by %.4f %.4f %.4f %.4f\n", names[e], t[0], t[1], t[2], t[3], got[0] - mean[0], got[1] - mean[1],
                      got[2] - mean[2], got[3] - mean[3]);
        for (int k = 0; k < 4; k++) {
            check_near(t[k], truth[k], 0.12);
            if (e == 0) {
                check_near(got[k], mean[k], 0.02 * pow(1.6, k));
            }
        }
        lk_model_free(model);
    }
    free(x);
}

/* Two dimensions: the normalizing constant by importance sampling within its told error, and the score as the gradient of the log density. */
static void plane(void **state)
{
    const int n = (int)check_scaled(8000, 4000);
    double *x = malloc((size_t)n * 2 * sizeof *x), sum = 0, h = 0.05;
    double_well(x, 2 * n);
    for (int i = 0; i < n; i++) {
        x[2 * i + 1] = 5 + 0.5 * x[2 * i + 1] + 0.3 * x[2 * i];
    }
    lk_model *model = fit_energy(*state, x, n, 2, "");
    double p[2], y, g[2], up, down;
    for (double a = -5; a <= 5; a += h) {
        for (double b = 0; b <= 10; b += h) {
            p[0] = a;
            p[1] = b;
            check_ok(*state, lk_model_log_density(*state, model, p, 1, &y));
            sum += h * h * exp(y);
        }
    }
    json_t *info = gmm_info(*state, model);
    const double error = json_real_value(json_object_get(info, "log_normalizer_error"));
    print_message("integral %.5f, told error %.5f\n", sum, error);
    assert_true(error > 0 && error < 0.05);
    check_near(log(sum), 0, 4.5 * error + 1e-6);
    json_decref(info);
    for (int j = 0; j < 2; j++) {
        double q[2] = {0.4, 5.3};
        check_ok(*state, lk_model_score(*state, model, q, 1, g));
        q[j] += 1e-5;
        check_ok(*state, lk_model_log_density(*state, model, q, 1, &up));
        q[j] -= 2e-5;
        check_ok(*state, lk_model_log_density(*state, model, q, 1, &down));
        check_near(g[j], (up - down) / 2e-5, 1e-6);
    }
    lk_model_free(model);
    free(x);
}

static void refusals(void **state)
{
    double flat[40], heavy[400];
    lk_model *model = NULL;
    lki_stream s = gmm_stream(9530);
    for (int i = 0; i < 40; i++) {
        flat[i] = i % 2 == 0 ? lki_random_normal(&s) : 3;
    }
    lk_table *table = gmm_table(*state, flat, 20, 2);
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("degree=2")};
    check_status(*state, LK_ERROR_DATA, lk_model_fit(*state, "energy", table, &options, &model));
    check_contains(lk_error_message(*state), "does not vary");
    lk_table_free(table);
    for (int i = 0; i < 400; i++) { /* tails that no polynomial of degree 4 falls like */
        heavy[i] = lki_random_normal(&s) / (0.02 + lki_random_uniform(&s));
    }
    table = gmm_table(*state, heavy, 400, 1);
    options.settings = gmm_settings("degree=4;estimator=nce");
    lk_status status = lk_model_fit(*state, "energy", table, &options, &model);
    assert_true(status == LK_OK || (status == LK_ERROR_NUMERIC && strstr(lk_error_message(*state), "no finite integral") != NULL));
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quadratic, check_setup, check_teardown), cmocka_unit_test_setup_teardown(quartic, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(plane, check_setup, check_teardown), cmocka_unit_test_setup_teardown(refusals, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
