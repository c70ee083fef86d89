/* Optimal transport: the best of all permutations, exact row and column sums, and no gap to the dual program. */
#include "check.h"
#include "core/philox.h"
#include "math/transport.h"

enum { MOST = 6 };

/* The least mean cost of the permutations of n. */
static double brute_force(int n, const double *cost, int row, unsigned used)
{
    double best = (double)INFINITY;
    if (row == n) {
        return 0;
    }
    for (int j = 0; j < n; j++) {
        if ((used >> j & 1u) == 0) {
            best = fmin(best, cost[row * n + j] / n + brute_force(n, cost, row + 1, used | 1u << j));
        }
    }
    return best;
}

/* Masses that are multiples of 1 / 6 are atoms of 1 / 6: the same as permutations of the atoms. */
static void permutations(void **state)
{
    lk_context *ctx = *state;
    for (int64_t turn = 0; turn < check_scaled(300, 50); turn++) {
        lki_stream s = lki_stream_new(1, LKI_STREAM_TEST, (uint64_t)turn);
        double cost[MOST * MOST], atoms[MOST * MOST], supply[MOST] = {0}, demand[MOST] = {0}, plan[MOST * MOST], total, dual;
        int rows[MOST], columns[MOST];
        int64_t n = 1 + lki_random_below(&s, MOST), m = 1 + lki_random_below(&s, MOST);
        for (int a = 0; a < MOST; a++) { /* each row and column has an atom */
            rows[a] = a < n ? a : (int)lki_random_below(&s, n);
            columns[a] = a < m ? a : (int)lki_random_below(&s, m);
            supply[rows[a]] += 1;
            demand[columns[a]] += 1;
        }
        for (int64_t e = 0; e < n * m; e++) { /* some ties */
            cost[e] = turn % 3 == 0 ? (double)lki_random_below(&s, 4) : lki_random_uniform(&s);
        }
        for (int e = 0; e < MOST * MOST; e++) {
            atoms[e] = cost[rows[e / MOST] * m + columns[e % MOST]];
        }
        check_ok(ctx, lki_transport(ctx, n, m, supply, demand, cost, plan, &total, &dual));
        check_near(total, brute_force(MOST, atoms, 0, 0), 1e-13);
        check_near(total, dual, 1e-13);
    }
}

static void sums_and_dual(void **state)
{
    lk_context *ctx = *state;
    enum { N = 60, M = 90 };
    static double cost[N * M], plan[N * M];
    for (int turn = 0; turn < 5; turn++) {
        lki_stream s = lki_stream_new(2, LKI_STREAM_TEST, (uint64_t)turn);
        double supply[N], demand[M], rows = 0, columns = 0, total, dual, value = 0;
        for (int i = 0; i < N; i++) {
            rows += supply[i] = i == 3 ? 0 : lki_random_gamma(&s, 0.3);
        }
        for (int j = 0; j < M; j++) {
            columns += demand[j] = j == 5 ? 0 : lki_random_gamma(&s, 0.3);
        }
        for (int e = 0; e < N * M; e++) {
            cost[e] = pow(lki_random_normal(&s), 2) * 100;
        }
        check_ok(ctx, lki_transport(ctx, N, M, supply, demand, cost, plan, &total, &dual));
        int used = 0;
        for (int e = 0; e < N * M; e++) {
            assert_true(plan[e] >= 0);
            used += plan[e] > 0;
            value += plan[e] * cost[e];
        }
        assert_true(used < N + M); /* a vertex, by complementary slackness with distinct costs */
        for (int i = 0; i < N; i++) {
            double sum = 0;
            for (int j = 0; j < M; j++) {
                sum += plan[i * M + j];
            }
            check_near(sum, supply[i] / rows, N * 0x1p-50);
        }
        for (int j = 0; j < M; j++) {
            double sum = 0;
            for (int i = 0; i < N; i++) {
                sum += plan[i * M + j];
            }
            check_near(sum, demand[j] / columns, M * 0x1p-50);
        }
        check_near(value, total, 1e-12 * (1 + value));
        check_near(dual, total, 1e-12 * (1 + value));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(permutations), cmocka_unit_test(sums_and_dual)};
    return cmocka_run_group_tests(tests, check_setup, check_teardown);
}
