/* Each allocation of the pair engine fails once: a clean error, nothing leaks. */
#include "check.h"
#include "math/pair.h"

static lk_status work(lk_context *ctx, void *state)
{
    (void)state;
    enum { D = 13, M = 9, N = 30 };
    double y[M * D], x[N * D], metric[D * D] = {0}, out[N], slope[N * D];
    for (int i = 0; i < N * D; i++) {
        x[i] = i % 11;
        y[i % (M * D)] = i % 7;
        metric[i % (D * D)] = i % (D * D) % (D + 1) == 0;
    }
    const lki_pair_factor factors[] = {{.kernel = LKI_KERNEL_gaussian, .metric = metric}, {.kernel = LKI_KERNEL_matern12}};
    const lki_pair_term terms[] = {{1.0, factors, 2}, {0.5, factors + 1, 1}};
    const lki_memory memory = lki_memory_of(ctx);
    lki_pair *pair = NULL;
    LKI_TRY(lki_pair_new(ctx, terms, 2, y, M, D, &pair));
    const lki_pair_request r = {.reduction = LKI_PAIR_LOG_SUM, .derivative = LKI_PAIR_GRADIENT, .x = x, .rows = N, .out = out, .slope = slope};
    const lk_status status = lki_pair_run(ctx, pair, &r);
    lki_pair_free(&memory, pair);
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
    return cmocka_run_group_tests_name("pair_faults", tests, NULL, NULL);
}
