/* 95% intervals by the observed information cover the truth of a mixture in about 95 of 100 data sets. */
#include "gmm_check.h"

enum { ROWS = 2000, SETS = 400 };

/* Coverage of each of 12 numbers over SETS data sets, each fitted from the truth. The share of 400 sets has a standard error of .0109;
 * normal intervals cover less than .95 by an error that falls with the rows (measured here with 1000 sets and means 3 apart: .924 at
 * 500 rows, .941 at 2000, .950 at 8000), at most .01 here. So a share outside of .95 - .01 - 4.5 x .0109 to .995 has a probability below
 * 1e-4 for all 12 together, and their mean, of a smaller error, lies within .93 to .97. */
static void coverage(void **state)
{
    lk_context *ctx = *state;
    static const char truth_json[] = "{\"weights\":[0.35,0.65],\"means\":[[0,0],[4,1]],\"covariances\":[[[1,0.4],[0.4,1.5]],"
                                     "[[1.2,-0.5],[-0.5,0.8]]]}";
    lk_model *truth = gmm_build(ctx, truth_json);
    const int64_t sets = check_scaled(SETS, 100);
    int64_t covered[16] = {0}, all = 0;
    static double x[ROWS * 2];
    int64_t count = 0;
    for (int64_t set = 0; set < sets; set++) {
        lk_intervals out = {.size = sizeof out};
        check_ok(ctx, lk_model_sample(ctx, truth, 1000 + set, 0, ROWS, x));
        lk_table *table = gmm_table(ctx, x, ROWS, 2);
        lk_model *model = gmm_fit(ctx, table, "tol=1e-10", NULL, NULL, truth);
        check_ok(ctx, lk_model_intervals(ctx, model, table, NULL, &out));
        count = out.count;
        for (int64_t i = 0; i < count; i++) {
            const lk_interval *item = &out.items[i];
            const lki_quantity q = {.name = item->name, .group = item->group, .row = item->row, .column = item->column,
                                    .scale = strcmp(item->name, "weight") == 0 ? LKI_SCALE_SHARE : LKI_SCALE_REAL};
            const double value = truth->method->operations->quantity(truth->state, &q);
            covered[i] += item->lower <= value && value <= item->upper;
        }
        lk_free(ctx, out.items);
        lk_model_free(model);
        lk_table_free(table);
    }
    for (int64_t i = 0; i < count; i++) {
        const double share = (double)covered[i] / (double)sets;
        print_message("parameter %lld: %.4f\n", (long long)i, share);
        assert_true(share > 0.89 && share < 0.995);
        all += covered[i];
    }
    const double mean = (double)all / (double)(sets * count);
    print_message("mean %.4f\n", mean);
    assert_true(mean > 0.93 && mean < 0.97);
    lk_model_free(truth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(coverage)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
