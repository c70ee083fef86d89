/* Each allocation of a kernel density's fit and answers fails once: a clean error, nothing leaks. */
#include "check.h"

#include <likely/derived.h>
#include <likely/likely.h>

static lk_status work(lk_context *ctx, const char *kernel, const char *bandwidth)
{
    const double x[] = {1, 5, 2, 5.5, 3, 6, 4, 7, 2.5, 8, 1.5, 4}, at[] = {2.2, 6, 3.3, (double)NAN}, sigma[] = {0.1, 0.2}, level = 0.5;
    const lk_setting settings[] = {{"kernel", kernel}, {"bandwidth", bandwidth}, {"regression", "linear"}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings};
    const int64_t target = 1, given = 0;
    double out[8];
    char *info = NULL;
    lk_table *table = NULL;
    lk_model *model = NULL, *part = NULL;
    lk_status status = lk_table_from_array(ctx, x, 6, 2, NULL, &table);
    status = status == LK_OK ? lk_model_fit(ctx, "kde", table, &options, &model) : status;
    status = status == LK_OK ? lk_model_log_density(ctx, model, at, 2, out) : status;
    status = status == LK_OK ? lk_model_score(ctx, model, at, 2, out) : status;
    status = status == LK_OK ? lk_model_cdf(ctx, model, at, 2, out) : status;
    status = status == LK_OK ? lk_model_sample(ctx, model, 1, 0, 3, out) : status;
    status = status == LK_OK ? lk_model_info(ctx, model, &info) : status;
    status = status == LK_OK ? lk_model_condition(ctx, model, &given, at, 1, &part) : status;
    lk_model_free(part);
    part = NULL;
    if (strcmp(kernel, "gaussian") == 0) {
        status = status == LK_OK ? lk_model_predict(ctx, model, at, 2, &target, 1, &level, 1, out) : status;
        status = status == LK_OK ? lk_model_impute_draws(ctx, model, at, 2, 1, 0, 2, out) : status;
        status = status == LK_OK ? lk_model_smooth(ctx, model, sigma, &part) : status;
    }
    lk_free(ctx, info);
    lk_model_free(part);
    lk_model_free(model);
    lk_table_free(table);
    return status;
}

static void test_every_allocation(void **state)
{
    (void)state;
    const char *const cases[][2] = {{"gaussian", "lcv"}, {"gaussian", "sheather_jones"}, {"biweight", "nrd0"}};
    for (int c = 0; c < 3; c++) {
        check_memory counting = {0};
        long failures = 0, made_up_for = 0; /* few failures are made up for by ways with less memory */
        for (long at = 0; at == 0 || at <= counting.calls; at += at < 300 ? 1 : 37) { /* the search repeats itself */
            check_memory m = {.fail_at = at};
            const lk_allocator allocator = check_allocator(&m);
            const lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
            lk_context *ctx = NULL;
            lk_status status = lk_context_new(&ctx, &options);
            if (status == LK_OK) {
                status = work(ctx, cases[c][0], cases[c][1]);
                assert_true(status == LK_OK || (at > 0 && status == LK_ERROR_MEMORY && strlen(lk_error_message(ctx)) > 0));
                failures += at > 0;
                made_up_for += at > 0 && status == LK_OK;
            }
            lk_context_free(ctx);
            assert_int_equal(m.live, 0);
            counting = at == 0 ? m : counting;
        }
        assert_true(failures > 50 && made_up_for * 10 < failures);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("kde_faults", tests, NULL, NULL);
}
