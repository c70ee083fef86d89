/* Kernel densities with a matrix for bandwidth and between ends: SciPy's gaussian_kde, plain sums over mirror images, integrals, and the rule that a
 * joint density is that of some features times that of the others given those. */
#include "check.h"
#include "core/philox.h"

#include <jansson.h>
#include <likely/derived.h>
#include <likely/likely.h>

static lk_status try_fit(lk_context *ctx, const double *x, int64_t n, int64_t d, const char *kernel, const char *bandwidth, const char *bounds, lk_model **out)
{
    const lk_setting settings[] = {{"kernel", kernel}, {"bandwidth", bandwidth}, {"bounds", bounds}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, n, d, NULL, &table));
    const lk_status status = lk_model_fit(ctx, "kde", table, &options, out);
    lk_table_free(table);
    return status;
}

static lk_model *fit(lk_context *ctx, const double *x, int64_t n, int64_t d, const char *kernel, const char *bandwidth, const char *bounds)
{
    lk_model *model = NULL;
    check_ok(ctx, try_fit(ctx, x, n, d, kernel, bandwidth, bounds, &model));
    return model;
}

static lk_model *again(lk_context *ctx, const lk_model *model)
{
    char path[] = "/tmp/likely-test-XXXXXX";
    const int file = mkstemp(path);
    lk_model *out = NULL;
    assert_true(file >= 0);
    close(file);
    check_ok(ctx, lk_model_save(ctx, model, path));
    check_ok(ctx, lk_model_load(ctx, path, &out));
    unlink(path);
    return out;
}

/* gaussian_kde(faithful.T).logpdf of SciPy 1.10.1: its bandwidth is Scott's factor times the whole covariance. */
static void test_scipy(void **state)
{
    lk_context *ctx = *state;
    double x[544], out[3], same[3];
    const int64_t columns[] = {0, 1};
    const double at[] = {2.0, 55.0, 4.4, 81.3, 9.0, 200.0}, peer[] = {-4.081329006602127, -3.5836856991579795, -341.1397542613165};
    lk_table *table = NULL;
    check_ok(ctx, lk_table_read(ctx, check_source("examples/data/faithful.csv"), NULL, &table));
    check_ok(ctx, lk_table_gather(ctx, table, 0, 272, columns, 2, x));
    lk_table_free(table);
    lk_model *model = fit(ctx, x, 272, 2, "gaussian", "full", ""), *loaded = again(ctx, model);
    lk_model *given = fit(ctx, x, 272, 2, "gaussian", "0.2010624131471184,2.157327591108761,2.157327591108761,28.525533873825378", "");
    check_ok(ctx, lk_model_log_density(ctx, model, at, 3, out));
    check_ok(ctx, lk_model_log_density(ctx, loaded, at, 3, same));
    assert_memory_equal(out, same, sizeof out);
    check_ok(ctx, lk_model_log_density(ctx, given, at, 3, same));
    for (int k = 0; k < 3; k++) {
        check_near(out[k] / peer[k], 1.0, 1e-12);
        check_near(same[k] / peer[k], 1.0, 1e-11);
    }
    lk_model_free(model);
    lk_model_free(loaded);
    lk_model_free(given);
}

enum { N = 60, D = 3 };

static void rows(double *x)
{
    lki_stream s = lki_stream_new(61, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < N; i++) {
        const double a = lki_random_normal(&s), b = lki_random_normal(&s);
        x[i * D] = fabs(a);                     /* at least 0 */
        x[i * D + 1] = lki_random_uniform(&s);  /* within 0 and 1 */
        x[i * D + 2] = a + 0.3 * b;
    }
}

/* The score is the slope of the log density; joint = marginal times conditional; draws have the mean of the points; the marginals' distribution functions
 * are those of quadrature. */
static void check_answers(lk_context *ctx, const lk_model *model, double spread)
{
    const double at[D] = {0.4, 0.7, 0.2};
    const int64_t given[] = {2, 0}, other = 1;
    double score[D], joint, part, rest, out[2], cdf[D];
    lk_model *marginal = NULL, *conditional = NULL, *single = NULL;
    check_ok(ctx, lk_model_score(ctx, model, at, 1, score));
    for (int j = 0; j < D; j++) {
        double moved[2 * D];
        memcpy(moved, at, sizeof at);
        memcpy(moved + D, at, sizeof at);
        moved[j] -= 1e-5;
        moved[D + j] += 1e-5;
        check_ok(ctx, lk_model_log_density(ctx, model, moved, 2, out));
        check_near(score[j], (out[1] - out[0]) / 2e-5, 1e-6);
    }
    const double values[] = {at[2], at[0]};
    check_ok(ctx, lk_model_marginal(ctx, model, given, 2, &marginal));
    check_ok(ctx, lk_model_condition(ctx, model, given, values, 2, &conditional));
    check_ok(ctx, lk_model_log_density(ctx, model, at, 1, &joint));
    check_ok(ctx, lk_model_log_density(ctx, marginal, values, 1, &part));
    check_ok(ctx, lk_model_log_density(ctx, conditional, &at[1], 1, &rest));
    check_near(joint, part + rest, 1e-11);
    check_ok(ctx, lk_model_marginal(ctx, model, &other, 1, &single));
    double sum = 0.0;
    enum { STEPS = 4000 };
    static double grid[STEPS + 1], density[STEPS + 1];
    const double low = -spread, high = at[1];
    for (int i = 0; i <= STEPS; i++) {
        grid[i] = low + (high - low) * i / STEPS;
    }
    check_ok(ctx, lk_model_log_density(ctx, single, grid, STEPS + 1, density));
    for (int i = 0; i <= STEPS; i++) {
        sum += (i == 0 || i == STEPS ? 0.5 : 1.0) * exp(density[i]) * (high - low) / STEPS;
    }
    check_ok(ctx, lk_model_cdf(ctx, model, at, 1, cdf));
    check_near(cdf[1], sum, 1e-5);
    lk_model_free(marginal);
    lk_model_free(conditional);
    lk_model_free(single);
}

/* A normal kernel of a given covariance, by plain sums; its conditional laws through predict are those of condition. */
static void test_matrix(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D];
    const double H[9] = {0.5, 0.2, -0.1, 0.2, 0.4, 0.05, -0.1, 0.05, 0.3}, at[] = {0.4, 0.7, 0.2};
    rows(x);
    lk_model *model = fit(ctx, x, N, D, "gaussian", "0.5,0.2,-0.1,0.2,0.4,0.05,-0.1,0.05,0.3", "");
    /* inverse and determinant by cofactors */
    double C[9], sum = 0.0, out;
    for (int a = 0; a < 3; a++) {
        for (int b = 0; b < 3; b++) {
            const int p = (a + 1) % 3, q = (a + 2) % 3, r = (b + 1) % 3, s = (b + 2) % 3;
            C[a * 3 + b] = H[p * 3 + r] * H[q * 3 + s] - H[p * 3 + s] * H[q * 3 + r];
        }
    }
    const double det = H[0] * C[0] + H[1] * C[1] + H[2] * C[2];
    for (int64_t i = 0; i < N; i++) {
        double square = 0.0;
        for (int a = 0; a < 3; a++) {
            for (int b = 0; b < 3; b++) {
                square += (at[a] - x[i * D + a]) * C[a * 3 + b] / det * (at[b] - x[i * D + b]);
            }
        }
        sum += exp(-0.5 * square) / N / sqrt(8.0 * M_PI * M_PI * M_PI * det);
    }
    check_ok(ctx, lk_model_log_density(ctx, model, at, 1, &out));
    check_near(out, log(sum), 1e-12);
    check_answers(ctx, model, 6.0);
    const int64_t given[] = {0, 2}, target = 1;
    const double values[] = {0.4, 0.2}, level = 0.3, asked[D] = {0.4, 99.0, 0.2};
    double told[3], cdf;
    lk_model *conditional = NULL;
    check_ok(ctx, lk_model_condition(ctx, model, given, values, 2, &conditional));
    check_ok(ctx, lk_model_predict(ctx, model, asked, 1, &target, 1, &level, 1, told));
    check_ok(ctx, lk_model_cdf(ctx, conditional, &told[2], 1, &cdf));
    check_near(cdf, level, 1e-12);
    double mean = 0.0, drawn = 0.0;
    enum { DRAWS = 20000 };
    static double draws[DRAWS];
    check_ok(ctx, lk_model_sample(ctx, conditional, 1, 0, DRAWS, draws));
    for (int i = 0; i < DRAWS; i++) {
        mean += draws[i] / DRAWS;
    }
    check_near(mean, told[0], 5.0 * told[1] / sqrt(DRAWS));
    static double filled[DRAWS * D];
    const double gap[D] = {0.4, (double)NAN, 0.2};
    check_ok(ctx, lk_model_impute_draws(ctx, model, gap, 1, 1, 0, DRAWS, filled));
    double square = 0.0;
    for (int i = 0; i < DRAWS; i++) {
        drawn += filled[i * D + 1] / DRAWS;
        square += (filled[i * D + 1] - told[0]) * (filled[i * D + 1] - told[0]) / DRAWS;
    }
    check_near(drawn, told[0], 5.0 * told[1] / sqrt(DRAWS));
    check_near(sqrt(square) / told[1], 1.0, 0.04);
    /* The covariance of draws is that of the points and of the kernel. */
    static double all[DRAWS * D];
    double have = 0.0, want = H[1], centre[4] = {0};
    check_ok(ctx, lk_model_sample(ctx, model, 2, 0, DRAWS, all));
    for (int i = 0; i < DRAWS; i++) {
        centre[0] += all[i * D] / DRAWS;
        centre[1] += all[i * D + 1] / DRAWS;
    }
    for (int i = 0; i < N; i++) {
        centre[2] += x[i * D] / N;
        centre[3] += x[i * D + 1] / N;
    }
    for (int i = 0; i < DRAWS; i++) {
        have += (all[i * D] - centre[0]) * (all[i * D + 1] - centre[1]) / DRAWS;
    }
    for (int i = 0; i < N; i++) {
        want += (x[i * D] - centre[2]) * (x[i * D + 1] - centre[3]) / N;
    }
    check_near(have, want, 0.03); /* five standard errors, some sqrt(.85 * .55 / 20000) each */
    const double sigma[D] = {0.1, 0.2, 0.0};
    lk_model *noisy = NULL, *wide = fit(ctx, x, N, D, "gaussian", "0.51,0.2,-0.1,0.2,0.44,0.05,-0.1,0.05,0.3", "");
    double two[2];
    check_ok(ctx, lk_model_smooth(ctx, model, sigma, &noisy));
    check_ok(ctx, lk_model_log_density(ctx, noisy, at, 1, &two[0]));
    check_ok(ctx, lk_model_log_density(ctx, wide, at, 1, &two[1]));
    check_near(two[0], two[1], 1e-12);
    lk_model_free(noisy);
    lk_model_free(wide);
    lk_model_free(conditional);
    lk_model_free(model);
}

/* The density between ends by plain sums over mirror images; it integrates to 1 there, is 0 beyond, and does not sink at the ends. */
static void test_bounds(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D];
    static const char *const kernels[] = {"gaussian", "epanechnikov", "laplace"};
    const char *const bounds = "x1=0:,x2=0:1";
    rows(x);
    for (int k = 0; k < 3; k++) {
        lk_model *model = fit(ctx, x, N, D, kernels[k], k == 2 ? "0.2,0.1,0.4" : "0.5,0.3,0.6", bounds), *loaded = again(ctx, model), *first = NULL;
        const double places[] = {0.0, 0.0, 0.1, 0.3, 1.0, -0.5, -0.01, 0.5, 0.0, 0.5, 1.01, 0.0};
        double out[4], same[4];
        check_ok(ctx, lk_model_log_density(ctx, model, places, 4, out));
        check_ok(ctx, lk_model_log_density(ctx, loaded, places, 4, same));
        assert_memory_equal(out, same, sizeof out);
        assert_true(isinf(out[2]) && isinf(out[3]));
        lk_model_free(loaded);
        if (k == 0) {
            for (int p = 0; p < 2; p++) {
                double sum = 0.0;
                for (int64_t i = 0; i < N; i++) {
                    const double *y = x + i * D, *at = places + p * D;
                    double one = 0.0, two = 0.0;
                    for (int side = -1; side <= 1; side += 2) {
                        one += exp(-0.5 * pow((at[0] - side * y[0]) / 0.5, 2));
                        for (int s = -6; s <= 6; s++) {
                            two += exp(-0.5 * pow((at[1] - side * y[1] - 2.0 * s) / 0.3, 2));
                        }
                    }
                    sum += one * two * exp(-0.5 * pow((at[2] - y[2]) / 0.6, 2)) / N / (0.5 * 0.3 * 0.6 * pow(2.0 * M_PI, 1.5));
                }
                check_near(out[p], log(sum), 1e-12);
            }
        }
        /* Over x1 and x2 on a grid of midpoints. */
        const int64_t two[] = {0, 1};
        enum { A = 600, B = 200 };
        static double grid[A * B * 2], density[A * B];
        double total = 0.0;
        check_ok(ctx, lk_model_marginal(ctx, model, two, 2, &first));
        for (int a = 0; a < A; a++) {
            for (int b = 0; b < B; b++) {
                grid[(a * B + b) * 2] = 8.0 * (a + 0.5) / A;
                grid[(a * B + b) * 2 + 1] = (b + 0.5) / B;
            }
        }
        check_ok(ctx, lk_model_log_density(ctx, first, grid, A * B, density));
        for (int i = 0; i < A * B; i++) {
            total += exp(density[i]) * 8.0 / A / B;
        }
        print_message("%s: integral %.8f\n", kernels[k], total);
        check_near(total, 1.0, k == 2 ? 3e-4 : 1e-4);
        lk_model_free(first);
        if (k < 2) {
            check_answers(ctx, model, 0.0);
        }
        static double draws[5000 * D];
        double mean = 0.0, below = 0.0, cdf[D];
        const double half[D] = {0.2, 0.25, 0.0};
        check_ok(ctx, lk_model_sample(ctx, model, 3, 0, 5000, draws));
        check_ok(ctx, lk_model_cdf(ctx, model, half, 1, cdf));
        for (int i = 0; i < 5000; i++) {
            assert_true(draws[i * D] >= 0.0 && draws[i * D + 1] >= 0.0 && draws[i * D + 1] <= 1.0);
            mean += draws[i * D] < half[0] ? 1.0 / 5000 : 0.0;
            below += draws[i * D + 1] < half[1] ? 1.0 / 5000 : 0.0;
        }
        check_near(mean, cdf[0], 5.0 * sqrt(0.25 / 5000));
        check_near(below, cdf[1], 5.0 * sqrt(0.25 / 5000));
        lk_model_free(model);
    }
}

static void test_refusals(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D];
    rows(x);
    const struct {
        const char *kernel, *bandwidth, *bounds, *text;
    } cases[] = {
        {"box", "full", "", "goes with kernel gaussian"},
        {"gaussian", "1,0,0,0,1,0,0,1,1", "", "symmetric"},
        {"gaussian", "1,2,0,2,1,0,0,0,1", "", "positive definite"},
        {"gaussian", "full", "x1=0:", "without bounds"},
        {"gaussian", "1", "x1=1:", "outside its bounds 1 to inf"},
        {"gaussian", "1", "x9=0:", "no feature"},
        {"gaussian", "1", "x1=0", "colon"},
        {"gaussian", "9", "x2=0:1", "too wide"},
        {"cauchy", ".1", "x2=0:1", "too wide"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_model *model = NULL;
        assert_int_not_equal(try_fit(ctx, x, N, D, cases[i].kernel, cases[i].bandwidth, cases[i].bounds, &model), LK_OK);
        check_contains(lk_error_message(ctx), cases[i].text);
    }
    lk_model *model = fit(ctx, x, N, D, "gaussian", "0.5", "x1=0:"), *part = NULL;
    double out[2];
    const int64_t target = 0;
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_predict(ctx, model, x, 1, &target, 1, NULL, 0, out));
    check_status(ctx, LK_ERROR_UNSUPPORTED, lk_model_smooth(ctx, model, (const double[]){1, 1, 1}, &part));
    const int64_t other = 2;
    check_ok(ctx, lk_model_predict(ctx, model, x, 1, &other, 1, NULL, 0, out));
    lk_model_free(model);
    for (int c = 0; c < 2; c++) { /* each allocation fails once */
        for (long at = 0, calls = 0; at <= calls; at++) {
            check_memory m = {.fail_at = at};
            const lk_allocator allocator = check_allocator(&m);
            const lk_context_options how = {.size = sizeof how, .threads = 1, .allocator = &allocator};
            lk_context *other_ctx = NULL;
            if (lk_context_new(&other_ctx, &how) == LK_OK) {
                const lk_setting settings[] = {{"bandwidth", c == 0 ? "full" : "0.5"}, {"bounds", c == 0 ? "" : "x1=0:,x2=0:1"}, {NULL, NULL}};
                const lk_fit_options options = {.size = sizeof options, .settings = settings};
                lk_table *table = NULL;
                lk_model *made = NULL, *cut = NULL;
                const double value = 0.3;
                lk_status status = lk_table_from_array(other_ctx, x, 12, D, NULL, &table);
                status = status == LK_OK ? lk_model_fit(other_ctx, "kde", table, &options, &made) : status;
                status = status == LK_OK ? lk_model_condition(other_ctx, made, &target, &value, 1, &cut) : status;
                assert_true(status == LK_OK || (at > 0 && status == LK_ERROR_MEMORY));
                lk_model_free(made);
                lk_model_free(cut);
                lk_table_free(table);
            }
            lk_context_free(other_ctx);
            assert_int_equal(m.live, 0);
            calls = at == 0 ? m.calls : calls;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scipy), cmocka_unit_test(test_matrix), cmocka_unit_test(test_bounds), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("kde_shape", tests, check_setup, check_teardown);
}
