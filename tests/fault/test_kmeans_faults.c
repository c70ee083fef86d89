/* Each allocation of the k-means fails once: a clean error, nothing leaks. */
#include "check.h"
#include "core/core.h"
#include <likely/kmeans.h>

static lk_status work(lk_context *ctx, const char *way)
{
    enum { D = 3, N = 40, K = 4 };
    double x[N * D], centres[K * D];
    int64_t labels[N];
    for (int i = 0; i < N * D; i++) {
        x[i] = i * i % 23;
    }
    const lk_kmeans_options options = {.size = sizeof options, .restarts = 2, .batch = way[0] == 'b' ? 8 : 0};
    return lk_kmeans(ctx, x, N, D, K, &options, centres, labels, NULL);
}

static void every_allocation(const char *way)
{
    check_memory counting = {0};
    for (long at = 0; at == 0 || at <= counting.calls; at++) {
        check_memory m = {.fail_at = at};
        const lk_allocator allocator = check_allocator(&m);
        const lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_status status = lk_context_new(&ctx, &options);
        if (status == LK_OK) {
            status = work(ctx, way);
            assert_true(at == 0 ? status == LK_OK : status == LK_ERROR_MEMORY);
        }
        lk_context_free(ctx);
        assert_int_equal(m.live, 0);
        counting = at == 0 ? m : counting;
    }
}

static void test_every_allocation(void **state)
{
    (void)state;
    every_allocation("lloyd");
    every_allocation("batches");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("kmeans_faults", tests, NULL, NULL);
}
