/* Standard errors and intervals are the same bits on 1 and 2 threads. */
#include "gmm_check.h"

enum { ROWS = 5000, D = 3 };

/* Rows of three groups, some with missing values, and a weight. */
static lk_table *make_table(lk_context *ctx, int64_t rows)
{
    lki_stream s = gmm_stream(9100);
    double *x = gmm_random_rows(&s, rows, D, 3, 4), *v = calloc((size_t)(rows * (D + 1)), sizeof *v);
    assert_non_null(v);
    for (int64_t i = 0; i < rows * (D + 1); i++) {
        const int64_t row = i / (D + 1), j = i % (D + 1);
        v[i] = j == D ? (double)(row % 3) : j > 0 && lki_random_uniform(&s) < 0.05 ? (double)NAN : x[row * D + j];
    }
    lk_table *table = gmm_table(ctx, v, rows, D + 1);
    free(x);
    free(v);
    return table;
}

static void information(void **state)
{
    static const char *const settings[] = {"components=3", "components=2;covariance=VEV"};
    (void)state;
    for (int f = 0; f < 2; f++) {
        lk_context *contexts[2] = {check_context(1), check_context(2)};
        lk_table *table = make_table(contexts[0], ROWS);
        lk_model *model = gmm_fit(contexts[0], table, settings[f], "x1,x2,x3", "x4", NULL);
        lk_intervals out[4];
        const lk_interval_options options = {.size = sizeof options, .weight = "x4"};
        for (int turn = 0; turn < 4; turn++) { /* threads take blocks in another order each time */
            lk_context *ctx = contexts[turn > 0];
            out[turn] = (lk_intervals){.size = sizeof out[turn]};
            check_ok(ctx, lk_model_intervals(ctx, model, table, &options, &out[turn]));
            assert_int_equal(out[turn].count, out[0].count);
            assert_memory_equal(out[turn].items, out[0].items, (size_t)out[0].count * sizeof *out[0].items);
            assert_memory_equal(&out[turn].distance, &out[0].distance, sizeof out[0].distance);
        }
        for (int turn = 0; turn < 4; turn++) {
            lk_free(contexts[turn > 0], out[turn].items);
        }
        lk_model_free(model);
        lk_table_free(table);
        lk_context_free(contexts[0]);
        lk_context_free(contexts[1]);
    }
}

static void bootstrap(void **state)
{
    (void)state;
    for (int m = 1; m < 3; m++) {
        lk_context *contexts[2] = {check_context(1), check_context(2)};
        lk_table *table = make_table(contexts[0], 1500);
        lk_model *model = gmm_fit(contexts[0], table, "components=1..3", "x1,x2,x3", "x4", NULL);
        lk_intervals out[3];
        const lk_interval_options options = {.size = sizeof options, .weight = "x4", .method = (lk_interval_method)m, .draws = 12, .seed = 3};
        for (int turn = 0; turn < 3; turn++) {
            lk_context *ctx = contexts[turn > 0];
            out[turn] = (lk_intervals){.size = sizeof out[turn]};
            check_ok(ctx, lk_model_intervals(ctx, model, table, &options, &out[turn]));
            assert_memory_equal(out[turn].items, out[0].items, (size_t)out[0].count * sizeof *out[0].items);
            assert_int_equal(out[turn].used, 12);
        }
        for (int turn = 0; turn < 3; turn++) {
            lk_free(contexts[turn > 0], out[turn].items);
        }
        lk_model_free(model);
        lk_table_free(table);
        lk_context_free(contexts[0]);
        lk_context_free(contexts[1]);
    }
}

static void stability(void **state)
{
    (void)state;
    lk_context *contexts[2] = {check_context(1), check_context(2)};
    lk_table *table = make_table(contexts[0], 400);
    lk_model *model = gmm_fit(contexts[0], table, "components=3;restarts=2", "x1,x2,x3", "x4", NULL);
    lk_stability out[3];
    const lk_stability_options options = {.size = sizeof options, .weight = "x4", .draws = 6};
    for (int turn = 0; turn < 3; turn++) {
        out[turn] = (lk_stability){.size = sizeof out[turn]};
        check_ok(contexts[turn > 0], lk_model_stability(contexts[turn > 0], model, table, &options, &out[turn]));
        assert_memory_equal(out[turn].groups, out[0].groups, 3 * sizeof *out[0].groups);
        assert_memory_equal(&out[turn].rand_mean, &out[0].rand_mean, 4 * sizeof(double));
    }
    for (int turn = 0; turn < 3; turn++) {
        lk_free(contexts[turn > 0], out[turn].groups);
    }
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(contexts[0]);
    lk_context_free(contexts[1]);
}

static void ratio_test(void **state)
{
    (void)state;
    lk_context *contexts[2] = {check_context(1), check_context(2)};
    lk_table *table = make_table(contexts[0], 300);
    lk_ratio_test out[3];
    const lk_roles roles = {.size = sizeof roles, .features = "x1,x2,x3", .weight = "x4"};
    const lk_ratio_options options = {.size = sizeof options, .draws = 5};
    for (int turn = 0; turn < 3; turn++) {
        const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings("components=1..2;restarts=2"), .roles = &roles, .seed = 2};
        out[turn] = (lk_ratio_test){.size = sizeof out[turn]};
        check_ok(contexts[turn > 0], lk_model_ratio_test(contexts[turn > 0], "gmm", table, &fit, &options, &out[turn]));
        assert_int_equal(out[turn].count, 1);
        assert_memory_equal(out[turn].steps, out[0].steps, sizeof *out[0].steps);
    }
    for (int turn = 0; turn < 3; turn++) {
        lk_free(contexts[turn > 0], out[turn].steps);
    }
    lk_table_free(table);
    lk_context_free(contexts[0]);
    lk_context_free(contexts[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(information), cmocka_unit_test(bootstrap), cmocka_unit_test(ratio_test),
                                       cmocka_unit_test(stability)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
