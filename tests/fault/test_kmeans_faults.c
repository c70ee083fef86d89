/* Each allocation of the k-means fails once: a clean error, nothing leaks. */
#include "check.h"
#include "core/core.h"
#include <likely/kmeans.h>

static lk_status work(lk_context *ctx, void *state)
{
    const char *way = state;
    enum { D = 3, N = 40, K = 4 };
    double x[N * D], centres[K * D];
    int64_t labels[N];
    for (int i = 0; i < N * D; i++) {
        x[i] = i * i % 23;
    }
    const lk_kmeans_options options = {.size = sizeof options, .restarts = 2, .batch = way[0] == 'b' ? 8 : 0};
    return lk_kmeans(ctx, x, N, D, K, &options, centres, labels, NULL);
}

static void test_every_allocation(void **state)
{
    long made_up_for = 0;
    (void)state;
    assert_true(check_allocations(1, work, "lloyd", &made_up_for) > 0);
    assert_int_equal(made_up_for, 0);
    assert_true(check_allocations(1, work, "batches", &made_up_for) > 0);
    assert_int_equal(made_up_for, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("kmeans_faults", tests, NULL, NULL);
}
