/* The kernel Stein discrepancy of a table from a model: against the definition by differences of the kernel, closed forms, and levels by simulation. A right
 * program fails one of the simulated bounds with probability below 1e-3 each, were the seeds not fixed. */
#include "two_sample_check.h"

static const char *const plain = "{\"weights\": [1], \"means\": [[0, 0]], \"covariances\": [[[1, 0], [0, 1]]]}";
static const char *const line = "{\"weights\": [1], \"means\": [[0]], \"covariances\": [[[1]]]}";

static lk_test *model_test(lk_context *ctx, const lk_model *model, const double *x, int64_t n, int64_t d, const double *boundary, int64_t m,
                           const lk_test_options *options)
{
    lk_table *table = gmm_table(ctx, x, n, d), *edge = boundary != NULL ? gmm_table(ctx, boundary, m, d) : NULL;
    lk_test *test = NULL;
    check_ok(ctx, lk_test_model(ctx, model, table, edge, options, &test));
    lk_table_free(table);
    lk_table_free(edge);
    return test;
}

/* ---- the definition ---- */

enum { N = 9, D = 2, M = 3 };
static const double edge[M * D] = {-1.5, 0.2, 0.4, 2.0, 1.8, -0.7}, widths[D] = {1.3, 0.8};

static double base(bool rational, const double *x, const double *y)
{
    double q = 0;
    for (int l = 0; l < D; l++) {
        q += (x[l] - y[l]) * (x[l] - y[l]) / widths[l] / widths[l];
    }
    return rational ? 1 / sqrt(1 + q) : exp(-q / 2);
}

/* k(x, y) - k(x, B) inverse(K_BB) k(B, y): the kernel of the functions that vanish at B, by elimination. */
static double vanishing(bool rational, const double *x, const double *y)
{
    double A[M][M + 1], value = base(rational, x, y);
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < M; j++) {
            A[i][j] = base(rational, edge + i * D, edge + j * D) + (i == j ? 1e-6 : 0);
        }
        A[i][M] = base(rational, edge + i * D, y);
    }
    for (int p = 0; p < M; p++) {
        for (int i = 0; i < M; i++) {
            const double factor = i == p ? 0 : A[i][p] / A[p][p];
            for (int j = p; j <= M; j++) {
                A[i][j] -= factor * A[p][j];
            }
        }
    }
    for (int i = 0; i < M; i++) {
        value -= base(rational, x, edge + i * D) * A[i][M] / A[i][i];
    }
    return value;
}

/* (s(x) + grad_x).(s(y) + grad_y) k of the standard normal score s(x) = - x, by central differences. */
static double stein(double (*k)(bool, const double *, const double *), bool rational, const double *x, const double *y)
{
    const double e = 1e-3;
    double sum = 0;
    for (int l = 0; l < D; l++) {
        double at[3][3];
        for (int i = 0; i < 3; i++) {
            for (int j = 0; j < 3; j++) {
                double p[D] = {x[0], x[1]}, q[D] = {y[0], y[1]};
                p[l] += (i - 1) * e;
                q[l] += (j - 1) * e;
                at[i][j] = k(rational, p, q);
            }
        }
        sum += x[l] * y[l] * at[1][1] - x[l] * (at[1][2] - at[1][0]) / (2 * e) - y[l] * (at[2][1] - at[0][1]) / (2 * e) +
               (at[2][2] - at[2][0] - at[0][2] + at[0][0]) / (4 * e * e);
    }
    return sum;
}

static void definition(void **state)
{
    lk_context *ctx = *state;
    double *x = normal_values(31, N, D, 0.2, 1.1);
    lk_model *model = gmm_build(ctx, plain);
    for (int turn = 0; turn < 4; turn++) {
        const bool rational = turn % 2, cut = turn / 2;
        const lk_test_options options = {.size = sizeof options, .kernel = rational ? "inverse_multiquadric" : "gaussian", .bandwidth = "1.3,0.8",
                                         .unscaled = 1, .permutations = 1};
        lk_test *test = model_test(ctx, model, x, N, D, cut ? edge : NULL, M, &options);
        const double *witness;
        double U = 0, first = 0, diagonal = 0, sizes = 0;
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < N; j++) {
                const double h = stein(cut ? vanishing : base, rational, x + i * D, x + j * D);
                U += i == j ? 0 : h / (N * (N - 1));
                first += i == 0 && j > 0 ? h / (N - 1) : 0;
                diagonal += i == j ? h / N : 0;
                sizes += fabs(h) / (N * N);
            }
        }
        check_near(told(ctx, test, "statistic"), U, 2e-5 * sizes);
        check_near(told(ctx, test, "effect"), U / diagonal, 1e-4);
        assert_int_equal(lk_test_witness(test, &witness, NULL, NULL), N);
        check_near(witness[0], first, 2e-5 * sizes);
        lk_test_free(ctx, test);
    }
    lk_model_free(model);
    free(x);
}

/* ---- closed forms ---- */

/* Of N(m, 1) from N(0, 1) the scores differ by m, so that the discrepancy is |m|^2 E k = |m|^2 prod (1 + 2 / h^2)^(-1/2) for the gaussian kernel; 0 of itself. The
 * mean of unbiased estimates has it within 4 standard errors. */
static void closed_forms(void **state)
{
    lk_context *ctx = *state;
    const double h = 1.2;
    const int64_t repeats = check_scaled(1000, 200), n = 20;
    lk_model *model = gmm_build(ctx, plain);
    for (int turn = 0; turn < 2; turn++) {
        const double shift = turn * 0.5, truth = 2 * shift * shift / (1 + 2 / h / h);
        double mean = 0, square = 0;
        for (int64_t r = 0; r < repeats; r++) {
            double *x = normal_values(900 + (uint64_t)r, n, 2, shift, 1);
            const lk_test_options options = {.size = sizeof options, .bandwidth = "1.2", .unscaled = 1, .permutations = 1};
            lk_test *test = model_test(ctx, model, x, n, 2, NULL, 0, &options);
            const double value = told(ctx, test, "statistic");
            mean += value / (double)repeats;
            square += value * value / (double)repeats;
            lk_test_free(ctx, test);
            free(x);
        }
        const double error = sqrt((square - mean * mean) / (double)repeats);
        print_message("shift %.1f: %.5f +- %.5f, true %.5f\n", shift, mean, error, truth);
        check_near(mean, truth, 4 * error);
    }
    lk_model_free(model);
}

/* ---- levels ---- */

static void draw(lki_stream *s, int64_t n, double low, double high, double *out)
{
    for (int64_t i = 0; i < n;) {
        out[i] = lki_random_normal(s);
        i += out[i] > low && out[i] < high;
    }
}

/* Rejections at .05 of `repeats` tests of 50 rows between low and high. fitted: the model is fitted to them. */
static int64_t rejections(lk_context *ctx, int64_t repeats, double low, double high, bool boundary, bool fitted, int refit)
{
    const double ends[2] = {low, high};
    lk_model *model = gmm_build(ctx, line);
    int64_t rejected = 0;
    for (int64_t r = 0; r < repeats; r++) {
        double x[50];
        lki_stream s = gmm_stream(4000 + (uint64_t)r);
        draw(&s, 50, low, high, x);
        lk_table *table = gmm_table(ctx, x, 50, 1);
        lk_model *own = fitted ? gmm_fit(ctx, table, "components=1", NULL, NULL, NULL) : NULL;
        const lk_test_options options = {.size = sizeof options, .permutations = 99, .seed = r + 1, .refit = refit};
        lk_test *test = model_test(ctx, fitted ? own : model, x, 50, 1, boundary ? ends : NULL, 2, &options);
        rejected += told(ctx, test, "p") <= 0.05;
        lk_test_free(ctx, test);
        lk_model_free(own);
        lk_table_free(table);
    }
    lk_model_free(model);
    return rejected;
}

static void levels(void **state)
{
    lk_context *ctx = check_context(1);
    (void)state;
    const int64_t repeats = check_scaled(300, 100);
    const double most = 0.05 * (double)repeats + 3.3 * sqrt(0.0475 * (double)repeats) + 1, least = 0.05 * (double)repeats - 3.1 * sqrt(0.0475 * (double)repeats);
    const int64_t held = rejections(ctx, repeats, -40, 40, false, false, 0), cut = rejections(ctx, repeats, -0.5, 1, true, false, 0);
    const int64_t uncut = rejections(ctx, repeats / 10, -0.5, 1, false, false, 0), refitted = rejections(ctx, repeats / 3, -40, 40, false, true, 1);
    const int64_t naive = rejections(ctx, repeats / 3, -40, 40, false, true, 0);
    print_message("of %lld: held out %lld, cut off %lld; of a tenth, cut off without boundary %lld; of a third, fitted %lld, fitted as if held out %lld\n",
                  (long long)repeats, (long long)held, (long long)cut, (long long)uncut, (long long)refitted, (long long)naive);
    assert_true((double)held <= most && (double)held >= least);
    assert_true((double)cut <= most && (double)cut >= least);
    assert_true(uncut == repeats / 10);
    const double third = 0.05 * (double)(repeats / 3), spread = sqrt(0.95 * third);
    assert_true((double)refitted <= third + 3.3 * spread + 1 && refitted > 0);
    assert_true(naive == 0); /* the bootstrap of held-out rows cannot see a fit to the same rows */
    lk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(definition), cmocka_unit_test(closed_forms), cmocka_unit_test(levels)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
