/* Each allocation of the sums by a tree fails once: a clean error, nothing leaks. */
#include "check.h"
#include "math/tree_sum.h"

static lk_status work(lk_context *ctx, void *state)
{
    (void)state;
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
    long made_up_for = 0;
    assert_true(check_allocations(1, work, NULL, &made_up_for) > 0);
    assert_int_equal(made_up_for, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("tree_sum_faults", tests, NULL, NULL);
}
