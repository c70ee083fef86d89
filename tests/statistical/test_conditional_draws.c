/* Draws given values follow the conditional law: moments within 5 standard errors (a right program fails one of these some 1500 numbers in
 * one of 1000 seeds; the seed is fixed). */
#include "gmm_check.h"

enum { N = 20000, D = 4 };

/* Mean and second moments of N draws of `count` features, against those of `law`, from which they are expected. */
static void check_moments(const double *draws, int64_t stride, const int64_t *at, int64_t count, const lki_mixture *law)
{
    double want[D] = {0}, cross[D][D] = {{0}}, A[D * D], sum[D] = {0}, products[D][D] = {{0}}, squares[D][D] = {{0}};
    assert_int_equal(law->d, count);
    for (int64_t k = 0; k < law->K; k++) {
        lki_mixture_covariance(law, k, A);
        for (int64_t a = 0; a < count; a++) {
            want[a] += law->weights[k] * law->means[k * count + a];
            for (int64_t b = 0; b < count; b++) {
                cross[a][b] += law->weights[k] * (A[a * count + b] + law->means[k * count + a] * law->means[k * count + b]);
            }
        }
    }
    for (int64_t i = 0; i < N; i++) {
        for (int64_t a = 0; a < count; a++) {
            sum[a] += draws[i * stride + at[a]];
            for (int64_t b = 0; b < count; b++) {
                const double p = (draws[i * stride + at[a]] - want[a]) * (draws[i * stride + at[b]] - want[b]);
                products[a][b] += p;
                squares[a][b] += p * p;
            }
        }
    }
    for (int64_t a = 0; a < count; a++) {
        check_near(sum[a] / N, want[a], 5 * sqrt((cross[a][a] - want[a] * want[a]) / N));
        for (int64_t b = 0; b < count; b++) {
            const double p = products[a][b] / N, error = sqrt((squares[a][b] / N - p * p) / N);
            check_near(p, cross[a][b] - want[a] * want[b], 5 * error);
        }
    }
}

static void draws(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D], some[N * D], free_draws[N * 2];
    for (int f = 0; f < 4; f++) {
        lki_stream s = gmm_stream(7000 + (uint64_t)f);
        lki_mixture *m = gmm_random_mixture(ctx, &s, gmm_families[f], 3, D, 10, 1);
        lk_model *model = gmm_model_of(ctx, m), *part = NULL;
        const int64_t given[2] = {2, 0}, rest[2] = {1, 3}, both[2] = {0, 1};
        const double values[2] = {0.4, -0.3};
        check_ok(ctx, lk_model_condition(ctx, model, given, values, 2, &part));
        check_ok(ctx, lk_model_sample(ctx, part, 3, 0, N, free_draws));
        check_moments(free_draws, 2, both, 2, gmm_mixture(part));
        for (int i = 0; i < N; i++) {
            const double row[D] = {-0.3, (double)NAN, 0.4, (double)NAN};
            memcpy(x + i * D, row, sizeof row);
        }
        check_ok(ctx, lk_model_impute_draws(ctx, model, x, N, 5, 0, 1, some)); /* a draw for each of many rows */
        check_moments(some, D, rest, 2, gmm_mixture(part));
        check_ok(ctx, lk_model_impute_draws(ctx, model, x, 1, 6, 7, N, some)); /* many draws for one row */
        check_moments(some, D, rest, 2, gmm_mixture(part));
        for (int i = 0; i < N; i++) {
            assert_true(some[i * D] == x[0] && some[i * D + 2] == x[2]);
        }
        for (int i = 0; i < N * D; i++) {
            x[i] = (double)NAN;
        }
        const int64_t all[D] = {0, 1, 2, 3};
        check_ok(ctx, lk_model_impute_draws(ctx, model, x, N, 8, 0, 1, some)); /* nothing known: the model itself */
        check_moments(some, D, all, D, gmm_mixture(model));
        lk_model_free(part);
        lk_model_free(model);
        lki_mixture_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(draws)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
