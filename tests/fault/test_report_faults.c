/* A report under faults: each allocation fails once, the user stops it, and columns are constant, empty or huge. */
#include "gmm_check.h"

static const char json[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0],[2,1]],\"covariances\":[[[1,0.1],[0.1,1]],[[2,0],[0,1]]],\"columns\":[\"a\",\"b\"]}";

enum { ROWS = 40 };

static lk_status everything(lk_context *ctx, bool page)
{
    double x[2 * ROWS];
    const char *const names[] = {"a", "b"};
    lk_report_options options = {.size = sizeof options, .points = 20, .strange = 3, .id = "a", .features = "b,a"};
    lk_model *model = NULL;
    lk_table *table = NULL;
    char *text = NULL;
    for (int i = 0; i < 2 * ROWS; i++) {
        x[i] = i == 7 ? (double)NAN : (double)(i * 37 % 11);
    }
    lk_status status = lk_model_build(ctx, "gmm", json, NULL, &model);
    status = status == LK_OK ? lk_table_from_array(ctx, x, ROWS, 2, names, &table) : status;
    if (status == LK_OK) {
        status = page ? lk_report_html(ctx, model, table, &options, &text) : lk_report_json(ctx, model, table, &options, &text);
    }
    lk_free(ctx, text);
    lk_table_free(table);
    lk_model_free(model);
    return status;
}

/* After the failure LK_ERROR_MEMORY with a text, or a report all the same, and nothing left behind. Every third is tried, from another one each time
 * the effort grows, because a report allocates often. */
static void allocations(void **state)
{
    long failures = 0, step = check_effort() >= 1 ? 3 : 17;
    (void)state;
    for (int page = 0; page < 2; page++) {
        for (long fail_at = 1;; fail_at += page ? 7 * step : step) {
            check_memory memory = {0};
            lk_allocator allocator = check_allocator(&memory);
            lk_context_options options = {.size = sizeof options, .threads = 2, .allocator = &allocator};
            lk_context *ctx = NULL;
            assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
            memory.calls = 0;
            memory.fail_at = fail_at;
            const lk_status status = everything(ctx, page != 0);
            const int failed = memory.calls >= fail_at;
            memory.fail_at = 0;
            assert_true(status == LK_OK || status == LK_ERROR_UNAVAILABLE || (failed && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
            lk_context_free(ctx);
            assert_int_equal(memory.live, 0);
            if (!failed) {
                break;
            }
            failures++;
        }
    }
    print_message("%ld failures\n", failures);
    assert_true(failures > 20);
}

static int stop_at(void *state)
{
    int *left = state;
    return (*left)-- <= 0;
}

/* Stopped at any poll it says so. */
static void stopped(void **state)
{
    (void)state;
    for (int polls = 0; polls < 40; polls += 3) {
        int left = polls;
        lk_context_options options = {.size = sizeof options, .threads = 1, .cancel = stop_at, .cancel_state = &left};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        const lk_status status = everything(ctx, false);
        assert_true(status == LK_OK || status == LK_ERROR_CANCELLED);
        assert_true(polls > 0 || status == LK_ERROR_CANCELLED);
        lk_context_free(ctx);
    }
}

/* One row, a constant column, a column without values, values of 1e300: a report without an error. */
static void extremes(void **state)
{
    lk_context *ctx = *state;
    const char *const names[] = {"a", "b"};
    const double nan = (double)NAN;
    const double cases[5][8] = {{1, 2, 1, 2, 1, 2, 1, 2}, {1, 5, 2, 5, 3, 5, 4, 5}, {nan, 1, nan, 2, nan, 3, nan, 4}, {1e300, 1, -1e300, 2, 3, 3, 4, 4},
                                {nan, nan, nan, nan, nan, nan, nan, nan}};
    lk_model *model = gmm_build(ctx, json);
    for (int c = 0; c < 5; c++) {
        for (int64_t rows = 1; rows <= 4; rows += 3) {
            lk_table *table = NULL;
            char *text = NULL;
            check_ok(ctx, lk_table_from_array(ctx, cases[c], rows, 2, names, &table));
            check_ok(ctx, lk_report_json(ctx, model, table, NULL, &text));
            assert_null(strstr(text, "nan"));
            lk_free(ctx, text);
            lk_table_free(table);
        }
    }
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(stopped), cmocka_unit_test(extremes)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
