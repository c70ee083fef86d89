/* Questions of how sure a model is, under faults: each allocation fails once, without a leak. */
#include "gmm_check.h"

enum { ROWS = 80 };

/* Work on a model and its rows; fails as its first call that does. */
typedef lk_status (*work)(lk_context *ctx, const lk_model *model, const lk_table *table);

static lk_status intervals(lk_context *ctx, const lk_model *model, const lk_table *table)
{
    lk_intervals out = {.size = sizeof out};
    lk_status status = lk_model_intervals(ctx, model, table, NULL, &out);
    lk_free(ctx, out.items);
    return status;
}

static lk_status bootstrap(lk_context *ctx, const lk_model *model, const lk_table *table)
{
    lk_intervals out = {.size = sizeof out};
    const lk_interval_options options = {.size = sizeof options, .method = LK_INTERVALS_BOOTSTRAP, .draws = 3};
    lk_status status = lk_model_intervals(ctx, model, table, &options, &out);
    lk_free(ctx, out.items);
    return status;
}

static lk_status stability(lk_context *ctx, const lk_model *model, const lk_table *table)
{
    lk_stability out = {.size = sizeof out};
    const lk_stability_options options = {.size = sizeof options, .draws = 1, .share = 0.7};
    lk_status status = lk_model_stability(ctx, model, table, &options, &out);
    lk_free(ctx, out.groups);
    return status;
}

static lk_status ratio_test(lk_context *ctx, const lk_model *model, const lk_table *table)
{
    lk_ratio_test out = {.size = sizeof out};
    const lk_fit_options fit = {.size = sizeof fit, .settings = gmm_settings("components=1..2;init=hierarchical;restarts=1;max_iter=5")};
    const lk_ratio_options options = {.size = sizeof options, .draws = 1};
    (void)model;
    lk_status status = lk_model_ratio_test(ctx, "gmm", table, &fit, &options, &out);
    lk_free(ctx, out.steps);
    return status;
}

/* After the failure LK_ERROR_MEMORY with a text, and nothing left behind. Few failures are made up for by ways with fewer threads. */
static void fail_each(work run, const char *settings)
{
    lk_context *plain = check_context(2);
    lki_stream s = gmm_stream(9200);
    double *x = gmm_random_rows(&s, ROWS, 2, 2, 6);
    x[5] = (double)NAN;
    lk_table *table = gmm_table(plain, x, ROWS, 2);
    lk_model *model = gmm_fit(plain, table, settings, NULL, NULL, NULL);
    long failures = 0, made_up_for = 0;
    for (long fail_at = 1;; fail_at++) {
        check_memory memory = {0};
        lk_allocator allocator = check_allocator(&memory);
        lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        memory.calls = 0;
        memory.fail_at = fail_at;
        const lk_status status = run(ctx, model, table);
        const int failed = memory.calls >= fail_at;
        memory.fail_at = 0;
        if (!(status == LK_OK || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0))) {
            fail_msg("allocation %ld: %s (%s)", fail_at, lk_status_name(status), lk_error_message(ctx));
        }
        made_up_for += failed && status == LK_OK;
        lk_context_free(ctx);
        assert_int_equal(memory.live, 0);
        if (!failed) {
            break;
        }
        failures++;
    }
    print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
    assert_true(failures > 10 && made_up_for * 10 < failures);
    free(x);
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(plain);
}

static void allocations(void **state)
{
    (void)state;
    fail_each(intervals, "components=2");
    fail_each(intervals, "components=2;covariance=VVE");
    fail_each(bootstrap, "components=2");
    fail_each(ratio_test, "components=2");
    fail_each(stability, "components=2;init=hierarchical;restarts=1;max_iter=5");
}

static int after_many(void *state)
{
    return __atomic_add_fetch((int *)state, 1, __ATOMIC_RELAXED) > 60;
}

/* A bootstrap that is told to stop stops, and says so. */
static void cancelled(void **state)
{
    (void)state;
    int polls = 0;
    lk_context_options options = {.size = sizeof options, .threads = 2, .cancel = after_many, .cancel_state = &polls};
    lk_context *plain = check_context(2), *ctx = NULL;
    assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
    lki_stream s = gmm_stream(9210);
    double *x = gmm_random_rows(&s, ROWS, 2, 2, 6);
    lk_table *table = gmm_table(plain, x, ROWS, 2);
    lk_model *model = gmm_fit(plain, table, "components=2", NULL, NULL, NULL);
    lk_intervals out = {.size = sizeof out};
    const lk_interval_options many = {.size = sizeof many, .method = LK_INTERVALS_BOOTSTRAP, .draws = 1000000};
    check_status(ctx, LK_ERROR_CANCELLED, lk_model_intervals(ctx, model, table, &many, &out));
    check_contains(lk_error_message(ctx), "cancelled");
    assert_null(out.items);
    free(x);
    lk_model_free(model);
    lk_table_free(table);
    lk_context_free(ctx);
    lk_context_free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(cancelled)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
