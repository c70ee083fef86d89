/* The example method of docs/architecture.md does what the page says, against closed forms of the exponential distribution. */
#include "check.h"
#include "model/method.h"
#include <likely/likely.h>

extern const lki_method lki_method_exponential;
const lki_method *const lki_methods[] = {&lki_method_exponential, NULL};

/* Rows (1, 10), (2, 20), (3, 60): means 2 and 30, rates 1/2 and 1/30. */
static lk_model *fitted(lk_context *ctx)
{
    static const double values[] = {1, 10, 2, 20, 3, 60};
    static const char *const names[] = {"a", "b"};
    lk_table *table = NULL;
    lk_model *model = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, 3, 2, names, &table));
    check_ok(ctx, lk_model_fit(ctx, NULL, table, NULL, &model));
    lk_table_free(table);
    return model;
}

static void test_fit(void **state)
{
    lk_model *model = fitted(*state);
    char *info = NULL;
    check_ok(*state, lk_model_info(*state, model, &info));
    check_contains(info, "\"rates\":[0.5,0.03333333333333333]");
    json_t *object = json_loads(info, 0, NULL);
    /* log L = -n sum_j (log mean_j + 1) */
    double log_likelihood = -3 * (log(2) + log(30) + 2);
    check_near(json_number_value(json_object_get(object, "log_likelihood")), log_likelihood, 1e-12);
    check_near(json_number_value(json_object_get(object, "bic")), 2 * log_likelihood - 2 * log(3), 1e-12);
    json_decref(object);
    lk_free(*state, info);
    lk_model_free(model);
}

static void test_answers(void **state)
{
    lk_model *model = fitted(*state);
    double x[] = {1, 30, -1, 30}, density[2], score[4], u[4];
    static double draws[2 * 20000];
    check_ok(*state, lk_model_log_density(*state, model, x, 2, density));
    check_near(density[0], log(0.5) - 0.5 - log(30) - 1, 1e-14);
    assert_true(isinf(density[1]) && density[1] < 0);
    check_ok(*state, lk_model_score(*state, model, x, 1, score)); /* derived: -rate */
    check_near(score[0], -0.5, 1e-9);
    check_near(score[1], -1.0 / 30, 1e-10);
    check_ok(*state, lk_model_cdf(*state, model, x, 1, u)); /* derived from draws: 4 standard errors */
    check_near(u[0], 1 - exp(-0.5), 0.02);
    check_near(u[1], 1 - exp(-1), 0.02);
    check_ok(*state, lk_model_sample(*state, model, 1, 0, 20000, draws));
    double mean = 0;
    for (int i = 0; i < 20000; i++) {
        mean += draws[2 * i] / 20000;
    }
    check_near(mean, 2, 4 * 2 / sqrt(20000)); /* 4 standard errors */
    lk_model_free(model);
}

static void test_refusal(void **state)
{
    static const double values[] = {1, 2, -3};
    lk_table *table = NULL;
    lk_model *model = NULL;
    check_ok(*state, lk_table_from_array(*state, values, 3, 1, NULL, &table));
    check_status(*state, LK_ERROR_DATA, lk_model_fit(*state, "exponential", table, NULL, &model));
    check_contains(lk_error_message(*state), "row 3, column x1 is -3");
    lk_table_free(table);
}

static void test_file(void **state)
{
    char path[300];
    const char *folder = getenv("TMPDIR");
    sprintf(path, "%.200s/likely-%ld-example.lk", folder != NULL ? folder : "/tmp", (long)getpid());
    lk_model *model = fitted(*state), *again = NULL;
    double x[] = {1, 30}, a, b;
    check_ok(*state, lk_model_save(*state, model, path));
    check_ok(*state, lk_model_load(*state, path, &again));
    unlink(path);
    check_ok(*state, lk_model_log_density(*state, model, x, 1, &a));
    check_ok(*state, lk_model_log_density(*state, again, x, 1, &b));
    assert_true(a == b);
    lk_model_free(model);
    lk_model_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fit, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_answers, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_refusal, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(test_file, check_setup, check_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
