/* Draws from a model with classes: how often each class comes, that a row comes from the class told with it, and draws given values. Each
 * check fails for a right program in about one of 10^6 seeds (5 standard errors, chi-square .999999); the seeds are fixed. */
#include "gmm_check.h"

enum { N = 20000 };

static lk_model *model_of(lk_context *ctx, const char *priors)
{
    static const char *const names[] = {"x", "y", "k"};
    static double rows[90 * 3];
    lk_table *table = NULL;
    lk_model *model = NULL;
    lki_stream s = gmm_stream(9300);
    for (int i = 0; i < 90; i++) {
        double *r = rows + 3 * i;
        r[2] = i % 3;
        r[0] = 3 * r[2] + lki_random_normal(&s);
        r[1] = r[0] * (r[2] - 1) + 0.5 * lki_random_normal(&s);
    }
    lk_roles roles = {.size = sizeof roles, .label = "k"};
    lk_fit_options options = {.size = sizeof options, .settings = gmm_settings("components=1"), .roles = &roles, .priors = priors, .seed = 1};
    check_ok(ctx, lk_table_from_array(ctx, rows, 90, 3, names, &table));
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    lk_table_free(table);
    return model;
}

static void classes(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = model_of(ctx, ".2,.3,.5");
    static double x[2 * N], sum[3][2], square[3][2];
    static int64_t class[N];
    const double priors[3] = {0.2, 0.3, 0.5};
    double count[3] = {0}, chi = 0;
    check_ok(ctx, lk_model_sample(ctx, model, 11, 0, N, x));
    check_ok(ctx, lk_model_sample_classes(ctx, model, 11, 0, N, class));
    for (int i = 0; i < N; i++) {
        count[class[i]]++;
        for (int j = 0; j < 2; j++) {
            sum[class[i]][j] += x[2 * i + j];
            square[class[i]][j] += x[2 * i + j] * x[2 * i + j];
        }
    }
    for (int k = 0; k < 3; k++) {
        const lki_mixture *m = ((const lki_gmm *)((const lki_classes *)model->state)->states[k])->mixture;
        chi += (count[k] - N * priors[k]) * (count[k] - N * priors[k]) / (N * priors[k]);
        for (int j = 0; j < 2; j++) {
            double mean = sum[k][j] / count[k], variance = square[k][j] / count[k] - mean * mean, truth = m->covariances[3 * j];
            check_near(mean, m->means[j], 5 * sqrt(truth / count[k]));
            check_near(variance, truth, 5 * truth * sqrt(2 / count[k]));
        }
    }
    assert_true(chi < 27.6); /* chi-square of 2 degrees of freedom, .999999 */
    lk_model_free(model);
}

/* Draws of y given x have the mean and variance that predict gives, and fall to each side of a quantile as often as it says. */
static void given(void **state)
{
    lk_context *ctx = *state;
    lk_model *model = model_of(ctx, NULL);
    static double draws[2 * N];
    const double row[2] = {1.5, (double)NAN}, level[1] = {0.7};
    const int64_t target = 1;
    double want[3], sum = 0, square = 0, fourth = 0, below = 0;
    check_ok(ctx, lk_model_predict(ctx, model, row, 1, &target, 1, level, 1, want));
    check_ok(ctx, lk_model_impute_draws(ctx, model, row, 1, 4, 0, N, draws));
    for (int i = 0; i < N; i++) {
        double shift = draws[2 * i + 1] - want[0];
        assert_true(draws[2 * i] == row[0]);
        sum += shift;
        square += shift * shift;
        fourth += shift * shift * shift * shift;
        below += draws[2 * i + 1] < want[2] ? 1 : 0;
    }
    check_near(sum / N, 0, 5 * want[1] / sqrt(N));
    check_near(square / N, want[1] * want[1], 5 * sqrt((fourth / N - square / N * square / N) / N));
    check_near(below / N, 0.7, 5 * sqrt(0.21 / N));
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(given)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
