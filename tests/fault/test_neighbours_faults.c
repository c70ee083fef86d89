/* Each allocation of the neighbour search fails once: a clean error, nothing leaks. */
#include "check.h"
#include "core/core.h"
#include <likely/neighbours.h>

/* `method` over points in two blocks of leaves. */
static lk_status work(lk_context *ctx, const char *method)
{
    enum { D = 3, N = 40, K = 4 };
    double y[N * D], distance[N * K];
    int64_t index[N * K];
    for (int i = 0; i < N * D; i++) {
        y[i] = i % 11;
    }
    const lk_neighbours_options options = {.size = sizeof options, .method = method};
    lk_neighbours *nb = NULL;
    LKI_TRY(lk_neighbours_new(ctx, y, N, D, &options, &nb));
    const lk_status status = lk_neighbours_find(ctx, nb, y, N, K, NULL, distance, index);
    lk_neighbours_free(ctx, nb);
    return status;
}

static void every_allocation(const char *method)
{
    check_memory counting = {0};
    for (long at = 0; at == 0 || at <= counting.calls; at++) {
        check_memory m = {.fail_at = at};
        const lk_allocator allocator = check_allocator(&m);
        const lk_context_options options = {.size = sizeof options, .threads = 1, .allocator = &allocator};
        lk_context *ctx = NULL;
        lk_status status = lk_context_new(&ctx, &options);
        if (status == LK_OK) {
            status = work(ctx, method);
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
    every_allocation("tree");
    every_allocation("products");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("neighbours_faults", tests, NULL, NULL);
}
