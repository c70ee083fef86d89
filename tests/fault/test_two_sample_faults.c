/* Tests of two samples under faults: each allocation fails once, and what cannot be tested is refused by name. */
#include "two_sample_check.h"

static lk_status everything(lk_context *ctx, void *state)
{
    const double *values = state;
    static const char *const tests[] = {"mmd", "mmd-agg", "cross-mmd", "kid", "sliced-energy", "c2st"};
    lk_table *a = NULL, *b = NULL;
    lk_status status = lk_table_from_array(ctx, values, 24, 2, NULL, &a);
    status = status == LK_OK ? lk_table_from_array(ctx, values + 48, 20, 2, NULL, &b) : status;
    for (size_t t = 0; t < sizeof tests / sizeof *tests && status == LK_OK; t++) {
        const lk_test_options options = {.size = sizeof options, .test = tests[t], .permutations = 9, .slices = 3, .seed = 5};
        lk_test *test = NULL;
        status = lk_test_two_samples(ctx, a, b, &options, &test);
        lk_test_free(ctx, test);
    }
    lk_table *boundary = NULL;
    lk_model *model = NULL;
    status = status == LK_OK ? lk_table_from_array(ctx, values, 5, 2, NULL, &boundary) : status;
    status = status == LK_OK ? gmm_try(ctx, a, "components=1", NULL, NULL, NULL, &model) : status;
    for (int turn = 0; turn < 2 && status == LK_OK; turn++) {
        const lk_test_options options = {.size = sizeof options, .permutations = 9, .seed = 5, .refit = turn};
        lk_test *test = NULL;
        status = lk_test_model(ctx, model, b, turn == 0 ? boundary : NULL, &options, &test);
        lk_test_free(ctx, test);
    }
    lk_model_free(model);
    lk_table_free(boundary);
    lk_table_free(a);
    lk_table_free(b);
    return status;
}

static void allocations(void **state)
{
    double *values = normal_values(7600, 44, 2, 0, 1);
    long made_up_for = 0;
    (void)state;
    const long failures = check_allocations(2, everything, values, &made_up_for);
    print_message("%ld allocations, %ld failures made up for\n", failures, made_up_for);
    assert_true(failures > 50 && made_up_for * 10 < failures);
    free(values);
}

static void refuse(lk_context *ctx, const lk_table *a, const lk_table *b, lk_test_options options, const char *words)
{
    lk_test *test = NULL;
    options.size = options.size == 0 ? sizeof options : options.size;
    assert_true(lk_test_two_samples(ctx, a, b, &options, &test) != LK_OK);
    assert_null(test);
    if (strstr(lk_error_message(ctx), words) == NULL) {
        fail_msg("'%s' does not say '%s'", lk_error_message(ctx), words);
    }
}

static void refused(void **state)
{
    lk_context *ctx = *state;
    const double nan = (double)NAN, few[6] = {1, 2, nan, 1, 0, nan};
    static const char *const names[] = {"a", "b"}, *const others[] = {"b", "c"};
    double *values = normal_values(1, 10, 2, 0, 1);
    lk_table *a = NULL, *b = NULL, *c = NULL;
    lk_test *test = NULL;
    check_ok(ctx, lk_table_from_array(ctx, values, 10, 2, names, &a));
    check_ok(ctx, lk_table_from_array(ctx, values, 10, 2, others, &b));
    check_ok(ctx, lk_table_from_array(ctx, few, 3, 2, names, &c));
    refuse(ctx, a, b, (lk_test_options){.test = "student"}, "test is 'student'; it must be one of auto, mmd, mmd-agg");
    refuse(ctx, a, b, (lk_test_options){.kernel = "box"}, "kernel is 'box'; it must be one of gaussian, laplace");
    refuse(ctx, a, b, (lk_test_options){.bandwidth = "0"}, "bandwidth is '0'; it must be median, or numbers above 0");
    refuse(ctx, a, b, (lk_test_options){.features = "a"}, "the second table has no numeric column 'a'");
    refuse(ctx, a, a, (lk_test_options){.bandwidth = "1,2,3"}, "bandwidth");
    refuse(ctx, a, b, (lk_test_options){.permutations = -1}, "permutations is -1");
    refuse(ctx, a, b, (lk_test_options){.blocks = 1}, "blocks");
    refuse(ctx, a, b, (lk_test_options){.size = 8}, "lk_test_options.size is 8");
    refuse(ctx, a, c, (lk_test_options){.test = "mmd"}, "there are 10 and 1 complete rows");
    /* The common column alone is compared. */
    check_ok(ctx, lk_test_two_samples(ctx, a, b, NULL, &test));
    assert_true(isnan(told(ctx, test, "scale/1")) && told(ctx, test, "rows/0") == 10);
    lk_test_free(ctx, test);
    lk_test_free(ctx, NULL);
    lk_table_free(a);
    lk_table_free(b);
    lk_table_free(c);
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(allocations), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
