/* Each allocation of the sums by a tree fails once: a clean error, nothing leaks. */
#include "check.h"
#include "math/tree_sum.h"

static lk_status work(lk_context *ctx)
{
    enum { D = 2, N = 300, ROWS = 9 };
    double y[N * D], out[ROWS];
    const double h[D] = {2.0, 3.0};
    for (int i = 0; i < N * D; i++) {
        y[i] = i % 17;
    }
    const lki_memory memory = lki_memory_of(ctx);
    lki_tree_sum *sum = NULL;
    LKI_TRY(lki_tree_sum_new(ctx, y, NULL, N, D, h, 1e-3, &sum));
    const lk_status status = lki_tree_sum_log(ctx, sum, y, ROWS, out);
    lki_tree_sum_free(&memory, sum);
    return status;
}

static void test_every_allocation(void **state)
{
    (void)state;
    check_memory counting = {0};
    for (long at = 0; at == 0 || at <= counting.calls; at++) {
        check_memory m = {.fail_at = at};
        const lk_allocator allocator = check_allocator(&m);
        const lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_status status = lk_context_new(&ctx, &options);
        if (status == LK_OK) {
            status = work(ctx);
            assert_true(at == 0 ? status == LK_OK : status == LK_ERROR_MEMORY);
        }
        lk_context_free(ctx);
        assert_int_equal(m.live, 0);
        counting = at == 0 ? m : counting;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("tree_sum_faults", tests, NULL, NULL);
}
