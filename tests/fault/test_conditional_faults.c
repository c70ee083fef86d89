/* Conditional questions under faults: each allocation fails once, and what cannot be asked is refused with the feature's name. */
#include "gmm_check.h"

static const char full_json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0,1],[2,1,0]],\"covariances\":[[[1,0.1,0],[0.1,1,0],[0,0,2]],"
                                "[[2,0,0],[0,1,0.3],[0,0.3,1]]],\"columns\":[\"a\",\"b\",\"c\"]}";
static const char diag_json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0,1],[2,1,0]],\"covariances\":[[1,2,3],[1,1,1]],"
                                "\"covariance\":\"diag\"}";

static lk_status everything(lk_context *ctx, const char *json)
{
    const double nan = (double)NAN, x[12] = {1, nan, 2, nan, nan, nan, 1, 2, 3, nan, 0, 1}, levels[2] = {0.1, 0.9};
    const int64_t target = 1, given[2] = {2, 0};
    double out[48], sd[12];
    lk_model *model = NULL, *part = NULL;
    lk_status status = lk_model_build(ctx, "gmm", json, NULL, &model);
    status = status == LK_OK ? lk_model_condition(ctx, model, given, x + 6, 2, &part) : status;
    status = status == LK_OK ? lk_model_log_density(ctx, model, x, 4, out) : status;
    status = status == LK_OK ? lk_model_responsibilities(ctx, model, x, 4, out) : status;
    status = status == LK_OK ? lk_model_score(ctx, model, x, 4, out) : status;
    status = status == LK_OK ? lk_model_predict(ctx, model, x, 4, &target, 1, levels, 2, out) : status;
    status = status == LK_OK ? lk_model_impute(ctx, model, x, 4, out, sd) : status;
    status = status == LK_OK ? lk_model_impute_draws(ctx, model, x, 4, 1, 0, 3, out) : status;
    lk_model_free(part);
    lk_model_free(model);
    return status;
}

/* After the failure LK_ERROR_MEMORY with a text, and nothing left behind. Few failures are made up for by ways with fewer threads. */
static void allocations(void **state)
{
    const char *const jsons[] = {full_json, diag_json};
    (void)state;
    for (int i = 0; i < 2; i++) {
        long failures = 0, made_up_for = 0;
        for (long fail_at = 1;; fail_at++) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
            lk_context *ctx = NULL;
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = everything(ctx, jsons[i]);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            assert_true(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
            made_up_for += failed && status == LK_OK;
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                break;
            }
            failures++;
        }
        print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
        assert_true(failures > 50 && made_up_for * 10 < failures);
    }
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double nan = (double)NAN, good[3] = {1, 2, 3}, missing[2] = {1, nan}, infinite[2] = {1, (double)INFINITY};
    const int64_t two[2] = {0, 2}, twice[2] = {1, 1}, beyond[2] = {0, 3}, all[3] = {0, 1, 2};
    double level = 1, out[12];
    lk_model *model = gmm_build(ctx, full_json), *part = NULL;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, two, missing, 2, &part));
    check_contains(lk_error_message(ctx), "c is missing");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, two, infinite, 2, &part));
    check_contains(lk_error_message(ctx), "c is infinite");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, twice, good, 2, &part));
    check_contains(lk_error_message(ctx), "(b) is asked for twice");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, beyond, good, 2, &part));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, all, good, 3, &part));
    check_contains(lk_error_message(ctx), "at least one must be left");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, all, good, 0, &part));
    assert_null(part);
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_predict(ctx, model, good, 1, beyond, 2, NULL, 0, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_predict(ctx, model, good, 1, two, 1, &level, 1, out));
    check_contains(lk_error_message(ctx), "level 1");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_predict(ctx, model, good, -1, two, 1, NULL, 0, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_impute_draws(ctx, model, good, 1, 1, 0, 0, out));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_impute_draws(ctx, model, good, 1, -1, 0, 1, out));
    lk_model_free(model);
}

/* Values outside of a logarithm's domain, and infinite ones: an error where there is one row, NaN among many. */
static void outside(void **state)
{
    lk_context *ctx = *state;
    enum { N = 60 };
    double values[N * 2], x[8] = {-1, (double)NAN, 1, (double)NAN, (double)INFINITY, (double)NAN, (double)NAN, (double)NAN}, mean[8], sd[8];
    lki_stream s = gmm_stream(9000);
    for (int i = 0; i < N * 2; i++) {
        values[i] = exp(lki_random_normal(&s));
    }
    lk_table *table = gmm_table(ctx, values, N, 2);
    lk_setting settings[] = {{"components", "1"}, {NULL, NULL}};
    lk_fit_options options = {.size = sizeof options, .settings = settings, .transform = "log"};
    lk_model *model = NULL, *part = NULL;
    const int64_t first = 0, second = 1;
    check_ok(ctx, lk_model_fit(ctx, "gmm", table, &options, &model));
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_condition(ctx, model, &first, x, 1, &part));
    check_contains(lk_error_message(ctx), "x1 = -1 is given; log takes values above 0");
    check_ok(ctx, lk_model_impute(ctx, model, x, 4, mean, sd));
    assert_true(mean[0] == -1 && isnan(mean[1]) && isnan(sd[1]) && isfinite(mean[3]) && isnan(mean[5]) && isfinite(mean[7]));
    check_ok(ctx, lk_model_predict(ctx, model, x, 4, &second, 1, NULL, 0, mean));
    assert_true(isnan(mean[0]) && isfinite(mean[2]) && isnan(mean[4]) && isfinite(mean[6]));
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(refused), cmocka_unit_test(outside)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
