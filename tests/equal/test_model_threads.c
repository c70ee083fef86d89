/* The same bits on 1 and 2 threads for fits with transforms and held-out rows, evaluations and answers; and a row's answers are the
 * same bits alone, among others and at any place among them. */
#include "check.h"
#include "core/philox.h"
#include <likely/likely.h>

enum { ROWS = 2500, D = 3 };
static double values[ROWS * D];
static lk_table *table;

static int setup(void **state)
{
    lki_stream s = lki_stream_new(17, LKI_STREAM_TEST, 0);
    lk_context *ctx = check_context(1);
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        double centre = i % 3 == 0 ? 4 : 0, common = lki_random_normal(&s);
        for (int j = 0; j < D; j++) {
            values[i * D + j] = exp(0.1 * (centre + j + common + lki_random_normal(&s)));
        }
    }
    check_ok(ctx, lk_table_from_array(ctx, values, ROWS, D, NULL, &table));
    lk_context_free(ctx);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lk_table_free(table);
    return 0;
}

static lk_model *fitted(lk_context *ctx, const char *covariance)
{
    lk_setting settings[] = {{"components", "3"}, {"covariance", covariance}, {"restarts", "1"}, {"max_iter", "40"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log,standardize",
                              .holdout = strcmp(covariance, "full") == 0 ? 0.3 : 0, .seed = 5};
    lk_model *model = NULL;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    return model;
}

static const char *const covariances[] = {"full", "tied", "diag", "spherical"};

static void test_threads(void **state)
{
    (void)state;
    for (int c = 0; c < 4; c++) {
        char *info[2];
        lk_evaluation e[2] = {{.size = sizeof e[0]}, {.size = sizeof e[1]}};
        static double answers[2][ROWS * (1 + D + D + 3)];
        for (int k = 0; k < 2; k++) {
            lk_context *ctx = check_context(k + 1);
            lk_model *model = fitted(ctx, covariances[c]);
            check_ok(ctx, lk_model_info(ctx, model, &info[k]));
            check_ok(ctx, lk_model_evaluate(ctx, model, table, NULL, &e[k]));
            check_ok(ctx, lk_model_log_density(ctx, model, values, ROWS, answers[k]));
            check_ok(ctx, lk_model_score(ctx, model, values, ROWS, answers[k] + ROWS));
            check_ok(ctx, lk_model_cdf(ctx, model, values, ROWS, answers[k] + ROWS * (1 + D)));
            assert_true(lk_model_groups(model) <= 3);
            check_ok(ctx, lk_model_responsibilities(ctx, model, values, ROWS, answers[k] + ROWS * (1 + 2 * D)));
            lk_model_free(model);
            if (k == 1) {
                assert_string_equal(info[0], info[1]);
                assert_memory_equal(&e[0].rows, &e[1].rows, 5 * sizeof(double));
                assert_memory_equal(e[0].pit_ks, e[1].pit_ks, D * sizeof(double));
                assert_memory_equal(e[0].pit_mean, e[1].pit_mean, D * sizeof(double));
                assert_memory_equal(e[0].pit_sd, e[1].pit_sd, D * sizeof(double));
                assert_memory_equal(answers[0], answers[1], sizeof answers[0]);
                for (int i = 0; i < 2; i++) { /* malloc stands behind both contexts */
                    lk_free(ctx, info[i]);
                    lk_free(ctx, e[i].pit_ks);
                    lk_free(ctx, e[i].pit_mean);
                    lk_free(ctx, e[i].pit_sd);
                }
            }
            lk_context_free(ctx);
        }
    }
}

typedef lk_status answer(lk_context *, const lk_model *, const double *, int64_t, double *);

/* Rows at odd starts and in odd numbers, one of them with a missing value. */
static void check_alone(lk_context *ctx, const lk_model *model, answer *ask, int64_t columns)
{
    static double all[ROWS * D], some[ROWS * D], with_missing[ROWS * D];
    static const int64_t counts[] = {1, 2, 3, 5, 17, 1023, 1025};
    check_ok(ctx, ask(ctx, model, values, ROWS, all));
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        for (int64_t first = (int64_t)k; first + counts[k] <= ROWS; first += 609) {
            check_ok(ctx, ask(ctx, model, values + first * D, counts[k], some));
            assert_memory_equal(some, all + first * columns, (size_t)(counts[k] * columns) * sizeof *all);
        }
    }
    memcpy(with_missing, values, sizeof values);
    with_missing[D] = (double)NAN;
    with_missing[1500 * D] = -1.0; /* outside of the logarithm */
    check_ok(ctx, ask(ctx, model, with_missing, ROWS, some));
    for (int64_t i = 0; i < ROWS; i++) {
        if (i != 1 && i != 1500) {
            assert_memory_equal(some + i * columns, all + i * columns, (size_t)columns * sizeof *all);
        }
    }
}

static void test_alone(void **state)
{
    lk_context *ctx = check_context(2);
    (void)state;
    for (int c = 0; c < 4; c++) {
        lk_model *model = fitted(ctx, covariances[c]);
        check_alone(ctx, model, lk_model_log_density, 1);
        check_alone(ctx, model, lk_model_score, D);
        check_alone(ctx, model, lk_model_cdf, D);
        check_alone(ctx, model, lk_model_responsibilities, lk_model_groups(model));
        lk_model_free(model);
    }
    lk_context_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_alone)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
