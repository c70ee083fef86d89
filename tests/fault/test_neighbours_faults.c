/* Each allocation of the neighbour search fails once: a clean error, nothing leaks. */
#include "check.h"
#include "core/core.h"
#include <likely/neighbours.h>

/* `method` over points in two blocks of leaves. */
static lk_status work(lk_context *ctx, void *state)
{
    const char *method = state;
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

static void test_every_allocation(void **state)
{
    long made_up_for = 0;
    (void)state;
    assert_true(check_allocations(1, work, "tree", &made_up_for) > 0);
    assert_int_equal(made_up_for, 0);
    assert_true(check_allocations(1, work, "products", &made_up_for) > 0);
    assert_int_equal(made_up_for, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_allocation)};
    return cmocka_run_group_tests_name("neighbours_faults", tests, NULL, NULL);
}
