/* The assignment of least cost against the enumeration of all permutations. */
#include "check.h"

#include "core/philox.h"
#include "math/assignment.h"

enum { MOST = 7 };

static double least_cost(int64_t n, const double *cost, int64_t row, unsigned used)
{
    double least = row == n ? 0 : (double)INFINITY;
    for (int64_t j = 0; row < n && j < n; j++) {
        if ((used >> j & 1u) == 0) {
            least = fmin(least, cost[row * n + j] + least_cost(n, cost, row + 1, used | 1u << j));
        }
    }
    return least;
}

static void enumeration(void **state)
{
    (void)state;
    const int64_t turns = check_scaled(400, 50);
    for (int64_t turn = 0; turn < turns; turn++) {
        lki_stream s = lki_stream_new(20240607, LKI_STREAM_TEST, 9300 + (uint64_t)turn);
        const int64_t n = 1 + turn % MOST;
        double cost[MOST * MOST], values[3 * (MOST + 1)], sum = 0;
        int64_t column[MOST], places[3 * (MOST + 1)];
        unsigned seen = 0;
        for (int64_t i = 0; i < n * n; i++) { /* negative and equal costs too */
            cost[i] = turn % 3 == 0 ? floor(4 * lki_random_uniform(&s)) : lki_random_normal(&s);
        }
        lki_assign(n, cost, column, values, places);
        for (int64_t i = 0; i < n; i++) {
            assert_true(column[i] >= 0 && column[i] < n);
            seen |= 1u << column[i];
            sum += cost[i * n + column[i]];
        }
        assert_int_equal(seen, (1u << n) - 1);
        check_near(sum, least_cost(n, cost, 0, 0), 1e-12);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(enumeration)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
