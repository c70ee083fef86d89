/* Permutation importance against closed forms: independent normal features and a linear target, where exchanging a feature of slope b costs
 * b^2 var(x) / var(y | x) nats a row; a feature without a slope costs nothing; classes told by one feature of two. */
#include "check.h"
#include "core/philox.h"
#include <likely/likely.h>

static lk_table *table_of(lk_context *ctx, const double *values, int64_t rows, const char *const *names, int64_t columns)
{
    lk_table *table = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, rows, columns, names, &table));
    return table;
}

/* y = a - b / 2 + e. Of a joint normal model the residual r of y given the others has variance v = .36; with the column of slope s exchanged it
 * becomes r + s (x - x'), so that log p falls by (2 s^2 - 0) / (2 v) = s^2 / v on average. By the sampling of 4000 rows and 10 exchanges the
 * standard error that is told holds: 4 of them. */
static void linear(void **state)
{
    enum { N = 4000, D = 4 };
    static double values[N * D];
    lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + D * i;
        v[0] = lki_random_normal(&s);
        v[1] = lki_random_normal(&s);
        v[2] = lki_random_normal(&s);
        v[3] = v[0] - v[1] / 2 + 0.6 * lki_random_normal(&s);
    }
    const char *const names[D] = {"a", "b", "c", "y"};
    const double wanted[3] = {1 / 0.36, 0.25 / 0.36, 0};
    const lk_setting settings[] = {{"components", "1"}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings};
    lk_importance_options o = {.size = sizeof o, .target = "y", .seed = 5};
    lk_table *table = table_of(*state, values, N, names, D);
    lk_model *model = NULL;
    lk_importance *all = NULL;
    int64_t count = 0;
    check_ok(*state, lk_model_fit(*state, "gmm", table, &options, &model));
    check_ok(*state, lk_model_importance(*state, model, table, &o, &all, &count));
    assert_int_equal(count, 3);
    for (int j = 0; j < 3; j++) {
        print_message("%s: %.4f +- %.4f, in theory %.4f\n", names[j], all[j].drop, all[j].standard_error, wanted[j]);
        assert_int_equal(all[j].feature, j);
        check_near(all[j].drop, wanted[j], 4 * all[j].standard_error + 0.02 * wanted[j] + 1e-3);
        assert_true(all[j].standard_error < 0.1);
    }
    lk_free(*state, all);
    /* The same numbers again, by one thread. */
    lk_context *one = check_context(1);
    lk_importance *again = NULL;
    check_ok(*state, lk_model_importance(*state, model, table, &o, &all, &count));
    check_ok(one, lk_model_importance(one, model, table, &o, &again, &count));
    assert_memory_equal(all, again, (size_t)count * sizeof *all);
    lk_free(one, again);
    lk_context_free(one);
    lk_free(*state, all);
    o.target = "z";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_importance(*state, model, table, &o, &all, &count));
    check_contains(lk_error_message(*state), "z is not what");
    o.target = NULL;
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_importance(*state, model, table, &o, &all, &count));
    check_contains(lk_error_message(*state), "no class and no target");
    lk_model_free(model);
    lk_table_free(table);
}

/* Two classes at -1 and 1 of feature a, the same law of b: log p(class) falls where a is exchanged, by the mean of log p over exchanged rows that is
 * computed here from the true posterior; not where b is. */
static void classes(void **state)
{
    enum { N = 3000 };
    static double values[N * 3];
    double wanted = 0;
    lki_stream s = lki_stream_new(2, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + 3 * i;
        v[2] = i % 2;
        v[0] = 2 * v[2] - 1 + lki_random_normal(&s);
        v[1] = lki_random_normal(&s);
    }
    for (int i = 0; i < N; i++) { /* p(1 | a) = 1 / (1 + exp(-2 a)); exchanged: any other row's a */
        const double sign = values[3 * i + 2] > 0 ? 2 : -2;
        wanted -= log1p(exp(-sign * values[3 * i])) / N;
        for (int j = 0; j < 50; j++) {
            wanted += log1p(exp(-sign * values[3 * ((i + 61 * j + 31) % N)])) / N / 50;
        }
    }
    const char *const names[3] = {"a", "b", "c"};
    const lk_setting settings[] = {{"components", "1"}, {"covariance", "diag"}, {NULL, NULL}};
    lk_roles roles = {.size = sizeof roles, .label = "c"};
    const lk_fit_options options = {.size = sizeof options, .settings = settings, .roles = &roles};
    lk_table *table = table_of(*state, values, N, names, 3);
    lk_model *model = NULL;
    lk_importance *all = NULL;
    int64_t count = 0;
    check_ok(*state, lk_model_fit(*state, "gmm", table, &options, &model));
    check_ok(*state, lk_model_importance(*state, model, table, NULL, &all, &count));
    assert_int_equal(count, 2);
    print_message("a: %.4f +- %.4f, in theory %.4f; b: %.4f\n", all[0].drop, all[0].standard_error, wanted, all[1].drop);
    check_near(all[0].drop, wanted, 0.1 * wanted);
    check_near(all[1].drop, 0, 4 * all[1].standard_error + 1e-4);
    lk_free(*state, all);
    lk_model_free(model);
    lk_table_free(table);
}

/* A net has a target of its own; each allocation fails once. */
static void net_and_faults(void **state)
{
    enum { N = 300 };
    static double values[N * 3];
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        double *v = values + 3 * i;
        v[0] = lki_random_normal(&s);
        v[1] = lki_random_normal(&s);
        v[2] = v[0] + 0.3 * lki_random_normal(&s);
    }
    const char *const names[3] = {"a", "b", "y"};
    const lk_setting settings[] = {{"layers", "0"}, {"members", "1"}, {"steps", "300"}, {"rate", "0.02"}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings, .target = "y"};
    lk_table *table = table_of(*state, values, N, names, 3);
    lk_model *model = NULL;
    check_ok(*state, lk_model_fit(*state, "net", table, &options, &model));
    for (long fail_at = 0;; fail_at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        const lk_context_options one = {.size = sizeof one, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_importance *all = NULL;
        int64_t count = 0;
        assert_int_equal(lk_context_new(&ctx, &one), LK_OK);
        memory.calls = 0;
        memory.fail_at = fail_at; /* 0 = none */
        const lk_status status = lk_model_importance(ctx, model, table, NULL, &all, &count);
        const int failed = fail_at > 0 && memory.calls >= fail_at;
        assert_true(status == LK_OK ? !failed && count == 2 : failed && status == LK_ERROR_MEMORY && all == NULL);
        assert_true(status != LK_OK || (all[0].drop > 1 && fabs(all[1].drop) < 0.2));
        lk_free(ctx, all);
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
        if (fail_at > 0 && !failed) {
            break;
        }
    }
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear), cmocka_unit_test(classes), cmocka_unit_test(net_and_faults)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
