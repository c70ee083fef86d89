/* Regimes of kernel densities in high dimensions: thresholds against the exact law of distances between normal rows, simulated sums on both sides of
 * them, the rule and the participation of a fitted model against plain loops. The sources are Biroli and Mezard 2024 and, for the sums, Bovier, Kurkova
 * and Loewe 2002 (fluctuations of the random energy model). */
#include "check.h"
#include "core/philox.h"
#include "kernel/kde.h"

#include <jansson.h>
#include <likely/likely.h>

/* log of the regularized lower incomplete gamma function, x < a + 1: the series of Abramowitz and Stegun 6.5.29. */
static double log_gamma_below(double a, double x)
{
    double sum = 1.0, term = 1.0;
    for (int k = 1; k < 100000 && term > 1e-17 * sum; k++) {
        term *= x / (a + k);
        sum += term;
    }
    return a * log(x) - x - lgamma(a + 1.0) + log(sum);
}

/* (1/d) log P(|x - y|^2 <= d s) for y standard normal and |x|^2 = d: over the coordinate along x, by quadrature, of the chi-square law of the others. */
static double log_share(int64_t d, double s)
{
    const double reach = sqrt((double)d * s), root = sqrt((double)d);
    double most = -(double)INFINITY, sum = 0.0;
    enum { STEPS = 4000 };
    static double logs[STEPS];
    for (int i = 0; i < STEPS; i++) {
        const double t = reach * (2.0 * (i + 0.5) / STEPS - 1.0), g = root + t; /* y along x, t from x */
        logs[i] = -0.5 * g * g - 0.5 * log(2.0 * M_PI) + log_gamma_below(0.5 * (double)(d - 1), 0.5 * ((double)d * s - t * t)) + log(2.0 * reach / STEPS);
        most = fmax(most, logs[i]);
    }
    for (int i = 0; i < STEPS; i++) {
        sum += exp(logs[i] - most);
    }
    return (most + log(sum)) / (double)d;
}

/* With n = exp(alpha d) rows the nearest lies where the share of rows is 1/n, and the tail of the kernel's law has there the index of the stable
 * sums. Both converge at rate log d / d. */
static void test_thresholds(void **state)
{
    (void)state;
    static const double alphas[] = {0.05, 0.2, 0.5};
    const double one = 1.0;
    for (int a = 0; a < 3; a++) {
        double before = (double)INFINITY;
        lki_kde_regime r;
        lki_kde_thresholds(&one, 1, alphas[a], &r);
        check_near(log1p(r.tail_index) - r.tail_index / ((1.0 + r.tail_index) * (1.0 + r.tail_index)), 2.0 * alphas[a], 1e-12);
        check_near(r.central_limit / r.extreme, sqrt(2.0), 1e-14);
        assert_true(r.kl < r.extreme);
        for (int64_t d = 500; d <= 8000; d *= 4) {
            double low = 1e-3, high = 2.0;
            for (int i = 0; i < 60; i++) {
                const double middle = 0.5 * (low + high);
                *(log_share(d, middle) < -alphas[a] ? &low : &high) = middle;
            }
            const double off = fabs(low / (r.kl * r.kl) - 1.0);
            const double slope = (log_share(d, low * 1.001) - log_share(d, low * 0.999)) / (0.002 * low);
            print_message("alpha %g, d %lld: nearest %.4f against %.4f, slope %.4f against %.4f\n", alphas[a], (long long)d, low, r.kl * r.kl, slope,
                          0.5 * r.tail_index);
            assert_true(off < 0.6 * before);
            before = off;
            if (d == 8000) {
                check_near(low / (r.kl * r.kl), 1.0, 0.01);
                check_near(slope / (0.5 * r.tail_index), 1.0, 0.02);
            }
        }
    }
    /* Data of unlike variances: a mixture of coordinates is the mean over them. */
    const double l[] = {4.0, 4.0, 1.0, 0.25};
    lki_kde_regime r;
    lki_kde_thresholds(l, 4, 0.3, &r);
    double sum = 0.0, nearest = 0.0;
    for (int k = 0; k < 4; k++) {
        const double t = r.tail_index * l[k];
        sum += 0.125 * (log1p(t) - t / ((1.0 + t) * (1.0 + t)));
        nearest += 0.25 * l[k] * (2.0 + t) / ((1.0 + t) * (1.0 + t));
    }
    check_near(sum, 0.3, 1e-12);
    check_near(r.kl, sqrt(nearest), 1e-12);
}

/* Sums of kernels at a row of |x|^2 = d over n normal rows, many times: their kurtosis and the share of the greatest term. */
static void simulate(int64_t d, int64_t n, double h, int64_t repeats, double *kurtosis, double *share)
{
    double *sums = malloc((size_t)repeats * sizeof *sums), mean = 0.0, second = 0.0, fourth = 0.0;
    assert_non_null(sums);
    *share = 0.0;
    for (int64_t r = 0; r < repeats; r++) {
        lki_stream s = lki_stream_new(91, LKI_STREAM_TEST, (uint64_t)r);
        double sum = 0.0, most = 0.0;
        for (int64_t i = 0; i < n; i++) {
            const double along = lki_random_normal(&s) - sqrt((double)d), square = along * along + 2.0 * lki_random_gamma(&s, 0.5 * (double)(d - 1));
            const double k = exp(-0.5 * (square - (double)d) / (h * h));
            sum += k;
            most = fmax(most, k);
        }
        sums[r] = sum;
        *share += most / sum / (double)repeats;
        mean += sum / (double)repeats;
    }
    for (int64_t r = 0; r < repeats; r++) {
        const double u = sums[r] / mean - 1.0;
        second += u * u / (double)repeats;
        fourth += u * u * u * u / (double)repeats;
    }
    *kurtosis = fourth / (second * second);
    free(sums);
}

/* d = 60, n = 4000: twice above the first threshold sums are normal (kurtosis 3 +- 5 sqrt(24 / repeats)) and no row stands out; between the thresholds
 * they have heavy tails; below the second the nearest row has most of the sum. */
static void test_regimes(void **state)
{
    (void)state;
    const int64_t repeats = check_scaled(1000, 300);
    const double one = 1.0;
    double kurtosis, share;
    lki_kde_regime r;
    lki_kde_thresholds(&one, 1, log(4000.0) / 60.0, &r);
    simulate(60, 4000, 2.0 * r.central_limit, repeats, &kurtosis, &share);
    print_message("h_clt %.3f, h_g %.3f\nabove: kurtosis %.2f, greatest share %.4f\n", r.central_limit, r.extreme, kurtosis, share);
    check_near(kurtosis, 3.0, 5.0 * sqrt(24.0 / (double)repeats));
    assert_true(share < 0.01);
    simulate(60, 4000, sqrt(r.central_limit * r.extreme), repeats, &kurtosis, &share);
    print_message("between: kurtosis %.2f, greatest share %.4f\n", kurtosis, share);
    assert_true(kurtosis > 6.0);
    simulate(60, 4000, 0.6 * r.extreme, repeats, &kurtosis, &share);
    print_message("below: kurtosis %.2f, greatest share %.4f\n", kurtosis, share);
    assert_true(share > 0.5);
}

enum { N = 600, D = 200 };

static json_t *fit_info(lk_context *ctx, const double *x, int64_t n, int64_t d, const char *bandwidth)
{
    lk_table *table = NULL;
    lk_model *model = NULL;
    char *text = NULL;
    const lk_setting settings[] = {{"bandwidth", bandwidth}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings};
    check_ok(ctx, lk_table_from_array(ctx, x, n, d, NULL, &table));
    check_ok(ctx, lk_model_fit(ctx, "kde", table, &options, &model));
    check_ok(ctx, lk_model_info(ctx, model, &text));
    json_t *info = json_loads(text, 0, NULL);
    assert_non_null(info);
    lk_free(ctx, text);
    lk_model_free(model);
    lk_table_free(table);
    return info;
}

static double regime_number(const json_t *info, const char *key)
{
    return json_number_value(json_object_get(json_object_get(info, "regime"), key));
}

/* The rule is the root mean squared distance to the nearest other row over d, by plain loops; of normal rows in 200 dimensions that is the closed
 * form to some percent; and it loses little likelihood of left-out rows against the best factor. */
static void test_rule(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D];
    lki_stream s = lki_stream_new(92, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < N * D; i++) {
        x[i] = lki_random_normal(&s);
    }
    double sd[D], sum = 0.0;
    for (int64_t j = 0; j < D; j++) {
        double mean = 0.0, square = 0.0;
        for (int64_t i = 0; i < N; i++) {
            mean += x[i * D + j] / N;
        }
        for (int64_t i = 0; i < N; i++) {
            square += (x[i * D + j] - mean) * (x[i * D + j] - mean) / (N - 1);
        }
        sd[j] = sqrt(square);
    }
    for (int64_t i = 0; i < N; i++) {
        double least = (double)INFINITY;
        for (int64_t k = 0; k < N; k++) {
            double square = 0.0;
            for (int64_t j = 0; j < D; j++) {
                const double u = (x[i * D + j] - x[k * D + j]) / sd[j];
                square += u * u;
            }
            least = k != i ? fmin(least, square) : least;
        }
        sum += least / D / N;
    }
    json_t *info = fit_info(ctx, x, N, D, "kl"), *best = fit_info(ctx, x, N, D, "lcv");
    const double factor = json_number_value(json_array_get(json_object_get(info, "bandwidth"), 0)) / sd[0], one = 1.0;
    const double left = json_number_value(json_object_get(info, "leave_one_out")), most = json_number_value(json_object_get(best, "leave_one_out"));
    lki_kde_regime r;
    lki_kde_thresholds(&one, 1, log((double)N) / D, &r);
    print_message("kl %.4f, closed form %.4f; log density left out %.2f, best factor %.2f\n", factor, r.kl, left, most);
    check_near(factor, sqrt(sum), 1e-9);
    check_near(factor / r.kl, 1.0, 0.05);
    assert_true(most - left < 0.01 * D);
    assert_string_equal(json_string_value(json_object_get(json_object_get(info, "regime"), "name")), "extreme");
    json_decref(info);
    json_decref(best);
}

/* Participation by plain loops; thresholds scale with the bandwidth: as factors of it they halve where it doubles. */
static void test_info(void **state)
{
    lk_context *ctx = *state;
    enum { ROWS = 200 };
    double x[ROWS * 2], effective = 0.0;
    lki_stream s = lki_stream_new(93, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < 2 * ROWS; i++) {
        x[i] = lki_random_normal(&s);
    }
    for (int64_t i = 0; i < ROWS; i++) {
        double sum = 0.0, squares = 0.0;
        for (int64_t j = 0; j < ROWS; j++) {
            const double u = (x[2 * i] - x[2 * j]) / 0.4, v = (x[2 * i + 1] - x[2 * j + 1]) / 0.4, k = i == j ? 0.0 : exp(-0.5 * (u * u + v * v));
            sum += k;
            squares += k * k;
        }
        effective += sum * sum / squares / ROWS;
    }
    json_t *info = fit_info(ctx, x, ROWS, 2, "0.4"), *wide = fit_info(ctx, x, ROWS, 2, "0.8");
    check_near(regime_number(info, "participation") / effective, 1.0, 1e-12);
    check_near(regime_number(info, "alpha"), log(200.0) / 2.0, 1e-12);
    check_near(regime_number(info, "central_limit") / regime_number(wide, "central_limit"), 2.0, 1e-9);
    check_near(regime_number(info, "kl") / regime_number(wide, "kl"), 2.0, 1e-9);
    assert_string_equal(json_string_value(json_object_get(json_object_get(info, "regime"), "name")), "central limit");
    json_decref(info);
    json_decref(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_thresholds), cmocka_unit_test(test_regimes), cmocka_unit_test(test_rule),
                                       cmocka_unit_test(test_info)};
    return cmocka_run_group_tests_name("kde_regime", tests, check_setup, check_teardown);
}
