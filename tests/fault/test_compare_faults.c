/* Comparisons under faults: each allocation fails once, a run can be cancelled, and models that cannot be compared are refused by name. */
#include "gmm_check.h"

static const char json_a[] = "{\"weights\":[0.4,0.6],\"means\":[[0,0],[2,1]],\"covariances\":[[[1,0.1],[0.1,1]],[[2,0],[0,1]]],"
                             "\"columns\":[\"a\",\"b\"]}";
static const char json_b[] = "{\"weights\":[0.5,0.5],\"means\":[[1,0],[0,1]],\"covariances\":[[1,2],[2,1]],\"covariance\":\"diag\","
                             "\"columns\":[\"b\",\"a\"]}";

static lk_status everything(lk_context *ctx, void *state)
{
    (void)state;
    lk_model *a = NULL, *b = NULL;
    lk_comparison c = {.size = sizeof c};
    lk_compare_options options = {.size = sizeof options, .draws = 3000};
    lk_status status = lk_model_build(ctx, "gmm", json_a, NULL, &a);
    status = status == LK_OK ? lk_model_build(ctx, "gmm", json_b, NULL, &b) : status;
    status = status == LK_OK ? lk_model_compare(ctx, a, b, &options, &c) : status;
    assert_true(status == LK_OK || (c.plan == NULL && c.distances == NULL));
    lk_free(ctx, c.plan);
    lk_free(ctx, c.distances);
    lk_model_free(a);
    lk_model_free(b);
    return status;
}

static void allocations(void **state)
{
    long made_up_for = 0;
    (void)state;
    const long failures = check_allocations(2, everything, NULL, &made_up_for);
    print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
    assert_true(failures > 30 && made_up_for * 10 < failures);
}

static int cancel_after(void *state)
{
    return __atomic_sub_fetch((int *)state, 1, __ATOMIC_RELAXED) < 0;
}

static void cancelled(void **state)
{
    (void)state;
    for (int polls = 0; polls < 40; polls += 3) {
        int left = polls;
        lk_context_options options = {.size = sizeof options, .threads = 2, .cancel = cancel_after, .cancel_state = &left};
        lk_context *ctx = NULL;
        assert_int_equal(lk_context_new(&ctx, &options), LK_OK);
        const lk_status status = everything(ctx, NULL);
        assert_true(status == LK_ERROR_CANCELLED || (status == LK_OK && polls > 5));
        lk_context_free(ctx);
    }
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    lk_model *a = gmm_build(ctx, json_a), *one = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0]],\"covariances\":[[[1]]],\"columns\":[\"a\"]}");
    lk_comparison c = {.size = sizeof c};
    lk_compare_options options = {.size = sizeof options, .draws = 1};
    check_status(ctx, LK_ERROR_DATA, lk_model_compare(ctx, a, one, NULL, &c));
    check_contains(lk_error_message(ctx), "\"b\" of the first model");
    check_status(ctx, LK_ERROR_DATA, lk_model_compare(ctx, one, a, NULL, &c));
    check_contains(lk_error_message(ctx), "\"b\" of the second model");
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_compare(ctx, a, a, &options, &c));
    check_contains(lk_error_message(ctx), "draws is 1");
    options = (lk_compare_options){.size = 3};
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_compare(ctx, a, a, &options, &c));
    c.size = 8;
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_compare(ctx, a, a, NULL, &c));
    check_contains(lk_error_message(ctx), "lk_comparison.size");
    assert_null(c.plan);
    lk_model_free(a);
    lk_model_free(one);
}

/* Components so far apart that squares overflow: no closed forms, and it is said. */
static void out_of_range(void **state)
{
    lk_context *ctx = *state;
    lk_model *a = gmm_build(ctx, "{\"weights\":[1],\"means\":[[0]],\"covariances\":[[[1e-200]]]}");
    lk_model *b = gmm_build(ctx, "{\"weights\":[1],\"means\":[[1e120]],\"covariances\":[[[1]]]}");
    lk_comparison c = {.size = sizeof c};
    check_ok(ctx, lk_model_compare(ctx, a, b, NULL, &c));
    assert_true(c.unavailable != NULL && isnan(c.l2) && c.plan == NULL);
    check_contains(c.unavailable, "range of numbers");
    assert_true(!isfinite(c.kl.estimate) || c.kl.estimate > 1e200);
    lk_model_free(a);
    lk_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(cancelled), cmocka_unit_test(refused),
                                       cmocka_unit_test(out_of_range)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
