/* Noise taken away without clean rows: closed forms of conjugate priors, and models fitted to noisy rows. */
#include "gmm_check.h"

/* Counts of a mean that is gamma distributed, shape 2.5 and rate 0.7: the negative binomial law, whose posterior mean is (2.5 + y) / 1.7. */
static lk_status negative_binomial(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    (void)ctx;
    (void)state;
    for (int64_t i = 0; i < rows; i++) {
        out[i] = x[i] < 0 ? -(double)INFINITY : lgamma(x[i] + 2.5) - lgamma(x[i] + 1) - lgamma(2.5) + 2.5 * log(0.7 / 1.7) - x[i] * log(1.7);
    }
    return LK_OK;
}

/* A factor gamma(6) / 6 on a mean that is inverse gamma distributed, shape 3 and scale 4: E[1 / clean | y] = (3 + 6) / (4 + 6 y). */
static lk_status beta_prime_score(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    (void)ctx;
    (void)state;
    for (int64_t i = 0; i < rows; i++) {
        out[i] = 5 / x[i] - 6 * 9 / (4 + 6 * x[i]);
    }
    return LK_OK;
}

static void conjugate(void **state)
{
    lk_model *model = gmm_build(*state, "{\"weights\": [1], \"means\": [[0]], \"covariances\": [[[1]]]}"), plain = *model;
    double x[40], out[40], one = 1, six = 6, sd = 0.7;
    for (int i = 0; i < 40; i++) {
        x[i] = i;
    }
    plain.operations.log_density = negative_binomial;
    check_ok(*state, lk_model_denoise_marginal(*state, &plain, "poisson", &one, x, 40, out));
    for (int i = 0; i < 40; i++) {
        check_near(out[i], (2.5 + x[i]) / 1.7, 1e-10 * (1 + x[i]));
        x[i] = 0.1 + 0.3 * i;
    }
    plain.operations.score = beta_prime_score;
    check_ok(*state, lk_model_denoise_marginal(*state, &plain, "gamma", &six, x, 40, out));
    for (int i = 0; i < 40; i++) {
        check_near(1 / out[i], 9 / (4 + 6 * x[i]), 1e-12);
    }
    /* noisy rows N(0, 1) with noise of sd 0.7: clean ones have variance 0.51, posterior mean 0.51 x */
    check_ok(*state, lk_model_denoise_marginal(*state, model, "normal", &sd, x, 40, out));
    for (int i = 0; i < 40; i++) {
        check_near(out[i], 0.51 * x[i], 1e-12 * (1 + x[i]));
    }
    lk_model_free(model);
}

/* Mixtures of priors by quadrature: E[clean | y] of a two-point and of a uniform prior under Poisson noise, from the exact law of the counts. */
static double uniform_counts(double y)
{
    double sum = 0, h = 0.01; /* mean uniform on 1..9 */
    for (double m = 1 + h / 2; m < 9; m += h) {
        sum += h / 8 * exp(y * log(m) - m - lgamma(y + 1));
    }
    return sum;
}

static lk_status uniform_mean(lk_context *ctx, const void *state, const double *x, int64_t rows, double *out)
{
    (void)ctx;
    (void)state;
    for (int64_t i = 0; i < rows; i++) {
        out[i] = log(uniform_counts(x[i]));
    }
    return LK_OK;
}

static void quadrature(void **state)
{
    lk_model *model = gmm_build(*state, "{\"weights\": [1], \"means\": [[0]], \"covariances\": [[[1]]]}"), plain = *model;
    plain.operations.log_density = uniform_mean;
    for (double y = 0; y < 15; y++) {
        double one = 1, out, sum = 0, total = 0, h = 0.01;
        for (double m = 1 + h / 2; m < 9; m += h) {
            double w = exp(y * log(m) - m);
            sum += w * m;
            total += w;
        }
        check_ok(*state, lk_model_denoise_marginal(*state, &plain, "poisson", &one, &y, 1, &out));
        check_near(out, sum / total, 1e-10);
    }
    lk_model_free(model);
}

/* From noisy rows alone, by a mixture fitted to them: the mean squared error to the clean rows falls to near that of Bayes' rule with the known prior. */
static void fitted(void **state)
{
    const int n = (int)check_scaled(6000, 3000);
    double *clean = malloc((size_t)n * sizeof *clean), *noisy = malloc((size_t)n * sizeof *noisy), *out = malloc((size_t)n * sizeof *out);
    lki_stream s = gmm_stream(9600);
    double raw = 0, got = 0, bayes = 0, gain = 0.1;
    for (int i = 0; i < n; i++) { /* counts in tenths, of a gamma distributed mean: shape 40, rate 0.7 in counts */
        double mean = lki_random_gamma(&s, 40) / 0.7, limit = exp(-mean / 8), count = 0;
        for (int part = 0; part < 8; part++) { /* Poisson by products of uniform numbers, in eight parts */
            for (double product = lki_random_uniform(&s); product > limit; product *= lki_random_uniform(&s)) {
                count++;
            }
        }
        clean[i] = gain * mean;
        noisy[i] = gain * count;
    }
    lk_table *table = gmm_table(*state, noisy, n, 1);
    lk_model *model = gmm_fit(*state, table, "components=1..3", NULL, NULL, NULL);
    check_ok(*state, lk_model_denoise_marginal(*state, model, "poisson", &gain, noisy, n, out));
    for (int i = 0; i < n; i++) {
        double best = gain * (40 + noisy[i] / gain) / 1.7;
        raw += (noisy[i] - clean[i]) * (noisy[i] - clean[i]) / n;
        got += (out[i] - clean[i]) * (out[i] - clean[i]) / n;
        bayes += (best - clean[i]) * (best - clean[i]) / n;
    }
    print_message("mean squared error: noisy %.4f, denoised %.4f, Bayes with the known prior %.4f\n", raw, got, bayes);
    assert_true(got < 1.05 * bayes && bayes < 0.7 * raw);
    lk_model_free(model);
    lk_table_free(table);
    free(clean);
    free(noisy);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(conjugate, check_setup, check_teardown),
                                       cmocka_unit_test_setup_teardown(quadrature, check_setup, check_teardown),
                                       cmocka_unit_test_setup_teardown(fitted, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
