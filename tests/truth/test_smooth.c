/* Noise added and taken away: smoothed densities and scores, second derivatives and denoised rows of Gaussian mixtures
 * against their definitions, against differences, against a joint mixture of clean and noisy rows, and by Monte Carlo.
 */
#include "gmm_check.h"

#include "model/oracle.h"

enum { D = 3, K = 4, ROWS = 60 };

/* Leaves operations of a model out, so that the model layer has to derive them. */
static void leave_out(lk_model *model, int score)
{
    model->operations.score = score ? NULL : model->operations.score;
    model->operations.hessian = NULL;
}

static lk_model *random_model(lk_context *ctx, int family, lki_stream *s, double *x)
{
    lki_mixture *m = gmm_random_mixture(ctx, s, gmm_families[family], K, D, 20, 2);
    lk_model *model = gmm_model_of(ctx, m);
    lki_mixture_free(m);
    check_ok(ctx, lk_model_sample(ctx, model, 5, 0, ROWS, x));
    for (int i = 0; i < ROWS * D; i++) {
        x[i] += lki_random_normal(s); /* where noisy rows lie */
    }
    return model;
}

/* log p_sigma(x) of one feature as the integral of p(y) N(x - y; sigma^2) over y by the trapezoid rule, which for such
 * integrands is as exact as its sums; 1e-12 stands for their rounding. */
static void convolution(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(ctx, "{\"weights\":[0.3,0.7],\"means\":[[-1],[2]],\"covariances\":[[[0.25]],[[1.5]]]}"),
             *noisy = NULL;
    static double y[8001], log_p[8001];
    const double sigma = 0.8;
    check_ok(ctx, lk_model_smooth(ctx, model, &sigma, &noisy));
    for (int i = 0; i < 8001; i++) {
        y[i] = -20 + 0.005 * i;
    }
    check_ok(ctx, lk_model_log_density(ctx, model, y, 8001, log_p));
    for (double x = -4; x <= 6; x += 0.5) {
        double sum = 0, got;
        for (int i = 0; i < 8001; i++) {
            sum += 0.005 * exp(log_p[i] - 0.5 * pow((x - y[i]) / sigma, 2)) / (sigma * sqrt(2 * acos(-1.0)));
        }
        check_ok(ctx, lk_model_log_density(ctx, noisy, &x, 1, &got));
        check_near(got, log(sum), 1e-12);
    }
    lk_model_free(noisy);
    lk_model_free(model);
}

/* Every family, round noise and noise of its own size in each feature: components N(mean, C + diag(sigma^2)) built by
 * hand. */
static void components(void **state)
{
    lk_context *ctx = *state;
    for (int f = 0; f < 8; f++) {
        lki_stream s = gmm_stream(300 + (uint64_t)f);
        double x[ROWS * D], a[ROWS], b[ROWS], g[ROWS * D], h[ROWS * D], sigma[D] = {0.7, 0.7, 0.7};
        lk_model *model = random_model(ctx, f % 4, &s, x), *noisy = NULL;
        if (f >= 4) {
            sigma[0] = 0;
            sigma[2] = 3;
        }
        check_ok(ctx, lk_model_smooth(ctx, model, sigma, &noisy));
        const lki_mixture *m = gmm_mixture(model);
        lki_mixture *full;
        check_ok(ctx, lki_mixture_new(ctx, K, D, lki_covariance_find("full"), &full));
        memcpy(full->weights, m->weights, sizeof(double) * K);
        memcpy(full->means, m->means, sizeof(double) * K * D);
        for (int k = 0; k < K; k++) {
            lki_mixture_covariance(m, k, full->covariances + k * D * D);
            for (int j = 0; j < D; j++) {
                full->covariances[k * D * D + j * (D + 1)] += sigma[j] * sigma[j];
            }
        }
        lk_model *want = gmm_model_of(ctx, full);
        check_ok(ctx, lk_model_log_density(ctx, noisy, x, ROWS, a));
        check_ok(ctx, lk_model_log_density(ctx, want, x, ROWS, b));
        check_ok(ctx, lk_model_score(ctx, noisy, x, ROWS, g));
        check_ok(ctx, lk_model_score(ctx, want, x, ROWS, h));
        for (int i = 0; i < ROWS * D; i++) {
            check_near(a[i / D], b[i / D], 1e-12 * (1 + fabs(b[i / D])));
            check_near(g[i], h[i], 1e-12 * (1 + fabs(h[i])));
        }
        assert_true(lk_model_operations(noisy) == lk_model_operations(model));
        lk_model_free(want);
        lki_mixture_free(full);
        lk_model_free(noisy);
        lk_model_free(model);
    }
}

/* A score by differences of the log density against the closed form, plain and smoothed: some 1e-11 is what the
 * rounding of log densities of size 10 leaves. */
static void score_by_differences(void **state)
{
    lk_context *ctx = *state;
    for (int f = 0; f < 8; f++) {
        lki_stream s = gmm_stream(320 + (uint64_t)f);
        double x[ROWS * D], want[ROWS * D], got[ROWS * D], sigma[D] = {f < 4 ? 0 : 0.5, f < 4 ? 0 : 0.3, 0};
        lk_model *model = random_model(ctx, f % 4, &s, x), *noisy = NULL;
        check_ok(ctx, lk_model_smooth(ctx, model, sigma, &noisy));
        check_ok(ctx, lk_model_score(ctx, noisy, x, ROWS, want));
        leave_out(noisy, 1);
        check_ok(ctx, lk_model_score(ctx, noisy, x, ROWS, got));
        for (int i = 0; i < ROWS * D; i++) {
            check_near(got[i], want[i], 1e-10);
        }
        lk_model_free(noisy);
        lk_model_free(model);
    }
}

/* Second derivatives: closed form against differences of the score (1e-10) and, where that is derived too, of the log
 * density (1e-8: what two differences leave); of one normal -inverse(C), whose product with C is -1. */
static void second_derivatives(void **state)
{
    lk_context *ctx = *state;
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(340 + (uint64_t)f);
        static double x[ROWS * D], want[ROWS * D * D], got[ROWS * D * D];
        lk_model *model = random_model(ctx, f, &s, x);
        lki_oracle o = {0};
        check_ok(ctx, lki_oracle_open(ctx, model, NULL, &o));
        check_ok(ctx, lki_oracle_hessian(ctx, &o, x, ROWS, want));
        lki_oracle_close(ctx, &o);
        for (int derived = 0; derived < 2; derived++) {
            leave_out(model, derived);
            check_ok(ctx, lki_oracle_open(ctx, model, NULL, &o));
            check_ok(ctx, lki_oracle_hessian(ctx, &o, x, ROWS, got));
            lki_oracle_close(ctx, &o);
            for (int i = 0; i < ROWS * D * D; i++) {
                check_near(got[i], want[i], (derived ? 1e-8 : 1e-10) * (1 + fabs(want[i])));
            }
        }
        lk_model_free(model);
    }
    const double C[4] = {2, 0.6, 0.6, 0.5}, x[2] = {3, -1};
    double H[4];
    lk_model *one = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[[[2,0.6],[0.6,0.5]]]}");
    lki_oracle o = {0};
    check_ok(ctx, lki_oracle_open(ctx, one, NULL, &o));
    check_ok(ctx, lki_oracle_hessian(ctx, &o, x, 1, H));
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            check_near(C[2 * i] * H[j] + C[2 * i + 1] * H[2 + j], i == j ? -1 : 0, 1e-13);
        }
    }
    lki_oracle_close(ctx, &o);
    lk_model_free(one);
}

/* Clean and noisy rows together are a mixture of 2 D features with means (m, m) and covariances ((C, C), (C, C +
 * diag(sigma^2))). */
static lk_model *joint_model(lk_context *ctx, const lki_mixture *m, const double *sigma)
{
    const int64_t d = m->d, w = 2 * d;
    lki_mixture *joint;
    double *C = malloc((size_t)(d * d) * sizeof *C);
    check_ok(ctx, lki_mixture_new(ctx, m->K, w, lki_covariance_find("full"), &joint));
    memcpy(joint->weights, m->weights, (size_t)m->K * sizeof(double));
    for (int64_t k = 0; k < m->K; k++) {
        lki_mixture_covariance(m, k, C);
        for (int64_t i = 0; i < w; i++) {
            joint->means[k * w + i] = m->means[k * d + i % d];
            for (int64_t j = 0; j < w; j++) {
                joint->covariances[(k * w + i) * w + j] =
                    C[i % d * d + j % d] + (i == j && i >= d ? sigma[i - d] * sigma[i - d] : 0);
            }
        }
    }
    lk_model *model = gmm_model_of(ctx, joint);
    lki_mixture_free(joint);
    free(C);
    return model;
}

/* Tweedie's mean and sd against those of the conditional distribution in the joint mixture, which knows nothing of
 * scores; and with second derivatives by differences. */
static void denoised(void **state)
{
    lk_context *ctx = *state;
    const int64_t targets[D] = {0, 1, 2};
    for (int f = 0; f < 12; f++) {
        lki_stream s = gmm_stream(360 + (uint64_t)f);
        const double scale = f < 4 ? 0.3 : f < 8 ? 1 : 5, sigma[D] = {scale, 0.5 * scale, 2 * scale};
        static double x[ROWS * D], both[ROWS * 2 * D], want[ROWS * D * 2], mean[ROWS * D], sd[ROWS * D];
        lk_model *model = random_model(ctx, f % 4, &s, x), *joint = joint_model(ctx, gmm_mixture(model), sigma);
        for (int i = 0; i < ROWS * 2 * D; i++) {
            const int row = i / (2 * D), column = i % (2 * D);
            both[i] = column < D ? (double)NAN : x[row * D + column - D];
        }
        check_ok(ctx, lk_model_predict(ctx, joint, both, ROWS, targets, D, NULL, 0, want));
        for (int turn = 0; turn < 2; turn++) {
            check_ok(ctx, lk_model_denoise(ctx, model, sigma, x, ROWS, mean, sd));
            for (int i = 0; i < ROWS * D; i++) {
                check_near(mean[i], want[2 * i], 1e-10);
                check_near(sd[i], want[2 * i + 1], 1e-9);
            }
            leave_out(model, 0);
        }
        check_ok(ctx, lk_model_denoise(ctx, model, sigma, x, ROWS, x, NULL)); /* in place */
        assert_memory_equal(x, mean, sizeof x);
        lk_model_free(joint);
        lk_model_free(model);
    }
}

/* Rows drawn, noise added: what is left of x0 after its posterior mean has mean 0 whatever noisy x it is multiplied
 * with, and variance sd^2. Within 5 standard errors: a right program fails one of these 15 numbers in one of 100 000
 * seeds. */
static void monte_carlo(void **state)
{
    lk_context *ctx = *state;
    enum { N = 40000 };
    static double clean[N * D], noisy[N * D], mean[N * D], sd[N * D];
    const double sigma[D] = {0.6, 0.6, 1.2};
    lki_stream s = gmm_stream(380);
    lki_mixture *m = gmm_random_mixture(ctx, &s, "full", K, D, 10, 2);
    lk_model *model = gmm_model_of(ctx, m);
    check_ok(ctx, lk_model_sample(ctx, model, 9, 0, N, clean));
    for (int i = 0; i < N * D; i++) {
        noisy[i] = clean[i] + sigma[i % D] * lki_random_normal(&s);
    }
    check_ok(ctx, lk_model_denoise(ctx, model, sigma, noisy, N, mean, sd));
    for (int j = 0; j < D; j++) {
        for (int test = 0; test < D + 2; test++) {
            double sum = 0, squares = 0;
            for (int i = 0; i < N; i++) {
                const double rest = clean[i * D + j] - mean[i * D + j];
                const double v = test < D    ? rest * noisy[i * D + test]
                                 : test == D ? rest
                                             : rest * rest - sd[i * D + j] * sd[i * D + j];
                sum += v;
                squares += v * v;
            }
            check_near(sum / N, 0, 5 * sqrt(squares) / N);
        }
    }
    lk_model_free(model);
    lki_mixture_free(m);
}

/* standardize: the noise is a share of each feature's standard deviation. log: x exp(sigma z), whose density is known.
 */
static void transformed(void **state)
{
    lk_context *ctx = *state;
    enum { N = 200 };
    static double values[N * 2], shifted[N * 2];
    lki_stream s = gmm_stream(390);
    double mean[2] = {0, 0}, variance[2] = {0, 0};
    for (int i = 0; i < N * 2; i++) {
        values[i] = (i % 2 == 0 ? 3 : -40) + (i % 2 == 0 ? 0.5 : 20) * lki_random_normal(&s);
        mean[i % 2] += values[i] / N;
    }
    for (int i = 0; i < N * 2; i++) {
        variance[i % 2] += pow(values[i] - mean[i % 2], 2) / N;
        shifted[i] = exp(values[i] / 10);
    }
    const double share[2] = {0.4, 0.4}, sigma[2] = {0.4 * sqrt(variance[0]), 0.4 * sqrt(variance[1])};
    const char *const chains[] = {NULL, "standardize", "log"};
    lk_setting settings[] = {{"components", "1"}, {"covariance", "diag"}, {NULL, NULL}};
    double a[2], b[2], means[2][4], sds[2][4];
    for (int t = 0; t < 2; t++) {
        lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = chains[t]};
        lk_table *table = gmm_table(ctx, values, N, 2);
        lk_model *model = NULL, *noisy = NULL;
        check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
        check_ok(ctx, lk_model_smooth(ctx, model, t == 0 ? sigma : share, &noisy));
        check_ok(ctx, lk_model_log_density(ctx, noisy, values, 2, t == 0 ? a : b));
        check_ok(ctx, lk_model_denoise(ctx, model, t == 0 ? sigma : share, values, 2, means[t], sds[t]));
        lk_model_free(noisy);
        lk_model_free(model);
        lk_table_free(table);
    }
    for (int i = 0; i < 4; i++) {
        check_near(a[i / 2], b[i / 2], 1e-11);
        check_near(means[0][i], means[1][i], 1e-11 * fabs(means[0][i]));
        check_near(sds[0][i], sds[1][i], 1e-11);
        check_near(sds[0][i], sigma[i % 2] / sqrt(1 + 0.16), 1e-10); /* 1 / (1 / v + 1 / sigma^2) */
    }
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log"};
    lk_table *table = gmm_table(ctx, shifted, N, 2);
    lk_model *model = NULL, *noisy = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    check_ok(ctx, lk_model_smooth(ctx, model, share, &noisy));
    check_ok(ctx, lk_model_log_density(ctx, noisy, shifted, 1, a));
    check_ok(ctx, lk_model_denoise(ctx, model, share, shifted, 1, means[0], sds[0]));
    double want = 0;
    for (int j = 0; j < 2; j++) {
        const double v = variance[j] / 100, m = mean[j] / 10, z = values[j] / 10 - m, total = v + 0.16;
        want -= 0.5 * (log(2 * acos(-1.0) * total) + z * z / total) + values[j] / 10;
        check_near(means[0][j], exp(m + z * v / total), 1e-9 * means[0][j]);
        check_near(sds[0][j], means[0][j] * sqrt(v * 0.16 / total), 1e-9 * means[0][j]);
    }
    check_near(a[0], want, 1e-9);
    lk_model_free(noisy);
    lk_model_free(model);
    lk_table_free(table);
}

/* Rows that cannot be answered, and what cannot be asked. */
static void refused(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = gmm_build(
                 ctx,
                 "{\"weights\":[1],\"means\":[[0,1]],\"covariances\":[[[2,0.6],[0.6,0.5]]],\"columns\":[\"a\",\"b\"]}"),
             *noisy = NULL;
    const double good[2] = {1, 0}, below[2] = {1, -1}, infinite[2] = {(double)INFINITY, 1}, nan[2] = {1, (double)NAN};
    double x[6] = {1, (double)NAN, (double)INFINITY, 2, 3, 4}, mean[6], sd[6];
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_smooth(ctx, model, below, &noisy));
    check_contains(lk_error_message(ctx), "sigma of b is -1");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_smooth(ctx, model, infinite, &noisy));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_denoise(ctx, model, nan, x, 3, mean, sd));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_denoise(ctx, model, good, x, -1, mean, sd));
    assert_null(noisy);
    check_ok(ctx, lk_model_denoise(ctx, model, good, x, 3, mean, sd));
    for (int i = 0; i < 4; i++) {
        assert_true(isnan(mean[i]) && isnan(sd[i]));
    }
    check_near(mean[5], 4, 0); /* no noise in b */
    check_near(sd[5], 0, 0);
    model->operations.smooth = NULL;
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_smooth(ctx, model, good, &noisy));
    check_contains(lk_error_message(ctx), "it does not offer smooth");
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_denoise(ctx, model, good, x, 3, mean, sd));
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolution),        cmocka_unit_test(components), cmocka_unit_test(score_by_differences),
        cmocka_unit_test(second_derivatives), cmocka_unit_test(denoised),   cmocka_unit_test(monte_carlo),
        cmocka_unit_test(transformed),        cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
