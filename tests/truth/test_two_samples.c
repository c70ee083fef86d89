/* Tests of two samples: every statistic against plain sums over all pairs, closed forms between normal laws (Sutherland et al. 2018 and
 * Rustamov 2021 for the Gaussian kernel), exact permutation laws by enumeration. */
#include "two_sample_check.h"

#include "judge/testing.h"

enum { N = 37, M = 29, D = 3 };

/* ---- plain sums ---- */

typedef double (*kernel_of)(const double *x, const double *y, double h);

static double distance(const double *x, const double *y)
{
    double square = 0;
    for (int j = 0; j < D; j++) {
        square += (x[j] - y[j]) * (x[j] - y[j]);
    }
    return sqrt(square);
}

static double gaussian(const double *x, const double *y, double h)
{
    const double r = distance(x, y) / h;
    return exp(-0.5 * r * r);
}

static double laplace(const double *x, const double *y, double h)
{
    double sum = 0;
    for (int j = 0; j < D; j++) {
        sum += fabs(x[j] - y[j]);
    }
    return exp(-sum / h);
}

static double negative_distance(const double *x, const double *y, double h)
{
    (void)h;
    return -distance(x, y);
}

static double cubic(const double *x, const double *y, double h)
{
    double product = 0;
    (void)h;
    for (int j = 0; j < D; j++) {
        product += x[j] * y[j];
    }
    return pow(product / D + 1, 3);
}

/* The unbiased estimate; witness (N + M) may be NULL. */
static double plain(const double *a, const double *b, kernel_of k, double h, double *witness)
{
    double within_a = 0, within_b = 0, between = 0;
    for (int i = 0; i < N + M; i++) {
        const double *x = i < N ? a + i * D : b + (i - N) * D;
        double to_a = 0, to_b = 0;
        for (int j = 0; j < N; j++) {
            to_a += i == j ? 0 : k(x, a + j * D, h);
        }
        for (int j = 0; j < M; j++) {
            to_b += i - N == j ? 0 : k(x, b + j * D, h);
        }
        within_a += i < N ? to_a / N / (N - 1) : 0;
        within_b += i < N ? 0 : to_b / M / (M - 1);
        between += i < N ? to_b / N / M : 0;
        if (witness != NULL) {
            witness[i] = to_a / (i < N ? N - 1 : N) - to_b / (i < N ? M : M - 1);
        }
    }
    return within_a + within_b - 2 * between;
}

static void statistics_by_plain_sums(void **state)
{
    static const struct {
        const char *test, *kernel;
        kernel_of k;
    } cases[] = {{"mmd", "gaussian", gaussian}, {"mmd", "laplace", laplace}, {"energy", NULL, negative_distance}, {"kid", NULL, cubic}};
    lk_context *ctx = *state;
    double *a = normal_values(1, N, D, 0, 1), *b = normal_values(2, M, D, 0.4, 1.3), witness[N + M], centre[D] = {0};
    for (int j = 0; j < D; j++) { /* the cubic kernel depends on the origin: rows are centred together */
        for (int i = 0; i < N + M; i++) {
            centre[j] += (i < N ? a[i * D + j] : b[(i - N) * D + j]) / (N + M);
        }
    }
    for (int i = 0; i < (N + M) * D; i++) {
        *(i < N * D ? &a[i] : &b[i - N * D]) -= centre[i % D];
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const lk_test_options options = {.size = sizeof options, .test = cases[c].test, .kernel = cases[c].kernel, .bandwidth = "1.5", .unscaled = 1,
                                         .permutations = 1, .seed = 3};
        const double *values;
        int64_t first;
        lk_test *test = two_samples(ctx, a, N, b, M, D, &options);
        check_near(told(ctx, test, "statistic"), plain(a, b, cases[c].k, 1.5, witness), 1e-12);
        assert_int_equal(lk_test_witness(test, &values, NULL, &first), N + M);
        assert_int_equal(first, N);
        for (int i = 0; i < N + M; i++) {
            check_near(values[i], witness[i], 1e-11);
        }
        lk_test_free(ctx, test);
    }
    free(a);
    free(b);
}

/* Each feature is divided by the standard deviation of all rows: other units do not matter. */
static void scaled(void **state)
{
    lk_context *ctx = *state;
    double *a = normal_values(1, N, D, 0, 1), *b = normal_values(2, M, D, 0.4, 1.3), first[8];
    static const char *const tests[] = {"mmd", "mmd-agg", "cross-mmd", "kid", "energy", "sliced-energy", "c2st"};
    for (int turn = 0; turn < 2; turn++) {
        for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
            const lk_test_options options = {.size = sizeof options, .test = tests[t], .permutations = 99, .seed = 3};
            lk_test *test = two_samples(ctx, a, N, b, M, D, &options);
            if (turn == 0) {
                first[t] = told(ctx, test, "statistic");
            }
            check_near(told(ctx, test, "statistic"), first[t], 1e-9);
            lk_test_free(ctx, test);
        }
        for (int i = 0; i < N + M; i++) {
            double *row = i < N ? a + i * D : b + (i - N) * D;
            row[0] = 1e4 * row[0] + 7;
            row[2] *= 1e-3;
        }
    }
    free(a);
    free(b);
}

/* ---- closed forms ---- */

/* MMD^2 of the Gaussian kernel between N(0, I) and N(mean, s^2 I) in D dimensions: for X, Y with X - Y ~ N(u, v I), E k = (h^2 / (h^2 + v))^(D/2)
 * exp(-|u|^2 / 2 (h^2 + v)). */
static double expected_kernel(double h, double v, double square)
{
    return pow(h * h / (h * h + v), 0.5 * D) * exp(-0.5 * square / (h * h + v));
}

/* Means over repeated samples meet the closed form, within 4 of their standard errors (a right program fails once in 4000 runs of its three
 * checks, were the seeds not fixed); of kid the mean under equality is 0, and the block errors tell the spread of block means. */
static void closed_forms(void **state)
{
    lk_context *ctx = *state;
    const int64_t repeats = check_scaled(400, 60);
    const double shift = 0.3, s = 1.2, h = 1.1;
    const double truth = expected_kernel(h, 2, 0) + expected_kernel(h, 2 * s * s, 0) - 2 * expected_kernel(h, 1 + s * s, D * shift * shift);
    double mean = 0, square = 0, kid = 0, kid_square = 0, block = 0, block_square = 0, told_square = 0, cross = 0, cross_square = 0;
    for (int64_t r = 0; r < repeats; r++) {
        double *a = normal_values(100 + 3 * (uint64_t)r, 40, D, 0, 1), *b = normal_values(101 + 3 * (uint64_t)r, 40, D, shift, s),
               *c = normal_values(102 + 3 * (uint64_t)r, 40, D, 0, 1);
        lk_test_options options = {.size = sizeof options, .test = "mmd", .bandwidth = "1.1", .unscaled = 1, .permutations = 1, .seed = 1};
        lk_test *test = two_samples(ctx, a, 40, b, 40, D, &options);
        const double value = told(ctx, test, "statistic");
        lk_test_free(ctx, test);
        options.test = "cross-mmd";
        test = two_samples(ctx, a, 40, b, 40, D, &options);
        const double half = told(ctx, test, "statistic");
        lk_test_free(ctx, test);
        options.test = "kid";
        test = two_samples(ctx, a, 40, c, 40, D, &options);
        const double null = told(ctx, test, "statistic"), blocks = told(ctx, test, "block_mean"), error = told(ctx, test, "block_error");
        lk_test_free(ctx, test);
        mean += value;
        square += value * value;
        cross += half;
        cross_square += half * half;
        kid += null;
        kid_square += null * null;
        block += blocks;
        block_square += blocks * blocks;
        told_square += error * error;
        free(a);
        free(b);
        free(c);
    }
    const double n = (double)repeats;
    check_near(mean / n, truth, 4 * sqrt((square / n - mean * mean / n / n) / n));
    check_near(cross / n, truth, 4 * sqrt((cross_square / n - cross * cross / n / n) / n));
    check_near(kid / n, 0, 4 * sqrt(kid_square / n / n));
    check_near(block / n, 0, 4 * sqrt(block_square / n / n));
    const double ratio = told_square / block_square; /* of mean told variance to that of the block means: 1 but for their own errors */
    print_message("mmd %.5f, truth %.5f; kid %.4f; block variance told over found %.3f\n", mean / n, truth, kid / n, ratio);
    assert_true(ratio > 1 - 8 / sqrt(n) && ratio < 1 + 8 / sqrt(n));
}

/* The sliced distance: equal to the energy distance in one dimension; in more within its own error, which falls as slices^(-1/2). */
static void slices(void **state)
{
    lk_context *ctx = *state;
    double *a = normal_values(1, 60, 4, 0, 1), *b = normal_values(2, 50, 4, 0.5, 1.4), errors[2], log_ratio;
    lk_test_options options = {.size = sizeof options, .test = "energy", .permutations = 1, .seed = 2};
    lk_test *test = two_samples(ctx, a, 240, b, 200, 1, &options);
    const double line = told(ctx, test, "statistic");
    lk_test_free(ctx, test);
    options.test = "sliced-energy";
    test = two_samples(ctx, a, 240, b, 200, 1, &options);
    check_near(told(ctx, test, "statistic"), line, 1e-13);
    assert_true(told(ctx, test, "slice_error") == 0);
    lk_test_free(ctx, test);
    options.test = "energy";
    test = two_samples(ctx, a, 60, b, 50, 4, &options);
    const double exact = told(ctx, test, "statistic");
    lk_test_free(ctx, test);
    options.test = "sliced-energy";
    for (int turn = 0; turn < 2; turn++) {
        options.slices = turn == 0 ? 100 : 10000;
        test = two_samples(ctx, a, 60, b, 50, 4, &options);
        errors[turn] = told(ctx, test, "slice_error");
        check_near(told(ctx, test, "statistic"), exact, 4 * errors[turn]);
        lk_test_free(ctx, test);
    }
    log_ratio = log(errors[0] / errors[1]) / log(100);
    print_message("slope of the slice error %.3f\n", -log_ratio);
    check_near(log_ratio, 0.5, 0.06);
    free(a);
    free(b);
}

/* ---- p-values ---- */

/* Three rows against four: the p of many random labellings is the share of the 35 labellings whose energy distance is at least as large. */
static void permutation_p_by_enumeration(void **state)
{
    lk_context *ctx = *state;
    const double x[7] = {-1.3, 0.2, -0.9, 0.1, 1.7, 0.8, 2.2};
    enum { DRAWS = 20000 };
    int at_least = 0, all = 0;
    double observed = 0;
    for (int mask = 0; mask < 128; mask++) { /* 7 comes first: rows 0, 1 and 2 */
        const int set = mask == 0 ? 7 : mask == 7 ? 0 : mask;
        double a = 0, b = 0, cross = 0;
        if (__builtin_popcount((unsigned)set) != 3) {
            continue;
        }
        for (int i = 0; i < 7; i++) {
            for (int j = 0; j < 7; j++) {
                const int both = (set >> i & 1) + (set >> j & 1);
                *(both == 2 ? &a : both == 0 ? &b : &cross) += fabs(x[i] - x[j]);
            }
        }
        const double value = cross / 12 - a / 6 - b / 12;
        observed = set == 7 ? value : observed;
        at_least += value >= observed - 1e-12;
        all++;
    }
    assert_int_equal(all, 35);
    static const char *const tests[] = {"energy", "sliced-energy"};
    for (int t = 0; t < 2; t++) {
        const lk_test_options options = {.size = sizeof options, .test = tests[t], .permutations = DRAWS, .unscaled = 1, .seed = 5};
        lk_test *test = two_samples(ctx, x, 3, x + 3, 4, 1, &options);
        const double p = (double)at_least / 35;
        check_near(told(ctx, test, "statistic"), observed, 1e-12);
        check_near(told(ctx, test, "p"), p, 4.5 * sqrt(p * (1 - p) / DRAWS) + 1.0 / DRAWS);
        lk_test_free(ctx, test);
    }
}

/* p = (1 + count) / (1 + B): never 0, and 1 where all labellings tie. */
static void plus_one(void **state)
{
    lk_context *ctx = *state;
    double *a = normal_values(1, 30, 1, 0, 1), *b = normal_values(2, 30, 1, 9, 1), same[20] = {0};
    static const char *const tests[] = {"mmd", "mmd-agg", "kid", "energy", "sliced-energy"};
    for (size_t t = 0; t < sizeof tests / sizeof *tests; t++) {
        const lk_test_options options = {.size = sizeof options, .test = tests[t], .permutations = 19, .seed = 5};
        lk_test *test = two_samples(ctx, a, 30, b, 30, 1, &options);
        check_near(told(ctx, test, "p"), 0.05, 1e-12);
        lk_test_free(ctx, test);
        test = two_samples(ctx, same, 10, same + 10, 10, 1, &options);
        check_near(told(ctx, test, "p"), 1, 1e-12);
        check_near(told(ctx, test, "statistic"), 0, 1e-12);
        lk_test_free(ctx, test);
    }
    free(a);
    free(b);
}

/* A difference of small scale, which the median bandwidth smooths away, is seen by the aggregated test; samples far apart are told without error by
 * neighbours; there the exact p is 1 / C(60, 30). */
static void scales_and_neighbours(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 600 };
    double a[ROWS], b[ROWS], *x = normal_values(1, 60, 2, 0, 1), *y = normal_values(2, 60, 2, 40, 1);
    lki_stream s = gmm_stream(77);
    for (int i = 0; i < ROWS; i++) { /* sixteen narrow bumps against a uniform law */
        a[i] = lki_random_uniform(&s);
        b[i] = ((double)lki_random_below(&s, 16) + 0.5 + 0.1 * lki_random_normal(&s)) / 16;
    }
    lk_test_options options = {.size = sizeof options, .test = "mmd", .seed = 5};
    lk_test *test = two_samples(ctx, a, ROWS, b, ROWS, 1, &options);
    print_message("median bandwidth: p %g\n", told(ctx, test, "p"));
    assert_true(told(ctx, test, "p") > 0.05);
    lk_test_free(ctx, test);
    options.test = "mmd-agg";
    test = two_samples(ctx, a, ROWS, b, ROWS, 1, &options);
    print_message("aggregated: p %g, bandwidth %g\n", told(ctx, test, "p"), told(ctx, test, "bandwidth/0"));
    assert_true(told(ctx, test, "p") <= 0.01);
    assert_true(told(ctx, test, "bandwidth/0") < 0.1);
    lk_test_free(ctx, test);
    options.test = "c2st";
    test = two_samples(ctx, x, 60, y, 60, 2, &options);
    check_near(told(ctx, test, "statistic"), 1, 0);
    check_near(log(told(ctx, test, "p")), 2 * lgamma(31) - lgamma(61), 1e-9);
    lk_test_free(ctx, test);
    free(x);
    free(y);
}

/* The normal law of the studentized statistic comes from its own definition: half the rows against half, by plain sums. */
static void studentized(void **state)
{
    lk_context *ctx = *state;
    double *a = normal_values(1, N, D, 0, 1), *b = normal_values(2, M, D, 0.4, 1.3), f[N], g[M], mean[2] = {0}, variance[2] = {0};
    const lk_test_options options = {.size = sizeof options, .test = "cross-mmd", .bandwidth = "1.5", .unscaled = 1, .seed = 3};
    lk_test *test = two_samples(ctx, a, N, b, M, D, &options);
    int64_t order[N + M];
    lki_stream stream = lki_stream_new(3, LKI_STREAM_SPLIT, 0);
    lki_random_permutation(&stream, order, N);
    lki_random_permutation(&stream, order + N, M);
    for (int i = 0; i < N / 2 + M / 2; i++) {
        const double *x = i < N / 2 ? a + order[i] * D : b + order[N + i - N / 2] * D;
        double value = 0;
        for (int j = N / 2; j < N; j++) {
            value += gaussian(x, a + order[j] * D, 1.5) / (N - N / 2);
        }
        for (int j = M / 2; j < M; j++) {
            value -= gaussian(x, b + order[N + j] * D, 1.5) / (M - M / 2);
        }
        *(i < N / 2 ? &f[i] : &g[i - N / 2]) = value;
        mean[i >= N / 2] += value / (i < N / 2 ? N / 2 : M / 2);
    }
    for (int i = 0; i < N / 2; i++) {
        variance[0] += (f[i] - mean[0]) * (f[i] - mean[0]) / (N / 2);
    }
    for (int i = 0; i < M / 2; i++) {
        variance[1] += (g[i] - mean[1]) * (g[i] - mean[1]) / (M / 2);
    }
    const double z = (mean[0] - mean[1]) / sqrt(variance[0] / (N / 2) + variance[1] / (M / 2));
    check_near(told(ctx, test, "statistic"), mean[0] - mean[1], 1e-12);
    check_near(told(ctx, test, "z"), z, 1e-10);
    check_near(told(ctx, test, "p"), 0.5 * erfc(z / sqrt(2)), 1e-12);
    lk_test_free(ctx, test);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_by_plain_sums), cmocka_unit_test(scaled),   cmocka_unit_test(closed_forms),
        cmocka_unit_test(slices),                   cmocka_unit_test(plus_one), cmocka_unit_test(permutation_p_by_enumeration),
        cmocka_unit_test(scales_and_neighbours),    cmocka_unit_test(studentized),
    };
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
