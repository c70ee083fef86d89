/* Sums by a tree: every row's error within the bound, on 1000 random cases with rows far out, against plain loops in long double logarithms;
 * the same bits alone and among others, on any threads. */
#include "check.h"
#include "core/philox.h"
#include "math/tree_sum.h"

/* log sum_j w_j exp(-|x - y_j|^2 / 2), by compensated sums about the greatest term. */
static double truth_of(const double *y, const double *w, int64_t n, int64_t d, const double *h, const double *x)
{
    double largest = -(double)INFINITY, sum = 0.0, carry = 0.0;
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t j = 0; j < n; j++) {
            double s = 0.0;
            for (int64_t c = 0; c < d; c++) {
                const double u = (x[c] - y[j * d + c]) / h[c];
                s += u * u;
            }
            const double e = log(w != NULL ? w[j] : 1.0) - 0.5 * s;
            if (turn == 0) {
                largest = fmax(largest, e);
            } else {
                const double term = exp(e - largest) - carry, next = sum + term;
                carry = (next - sum) - term;
                sum = next;
            }
        }
    }
    return largest + log(sum);
}

typedef struct test_case {
    int64_t n, rows, d;
    double *y, *x, *w, h[LKI_TREE_COLUMNS], rtol;
} test_case;

/* Normal points, clusters, points all alike, a far offset; rows among them, and 3, 10, 100 and 1e4 bandwidths outside. */
static test_case draw_case(uint64_t number)
{
    lki_stream s = lki_stream_new(17, LKI_STREAM_TEST, number);
    test_case c = {.n = 1 + lki_random_below(&s, 3000), .rows = 24, .d = 1 + lki_random_below(&s, 6)};
    const int64_t kind = lki_random_below(&s, 4);
    const double offset = kind == 3 ? 1e8 : 0.0, h = exp(-3.0 + 4.0 * lki_random_uniform(&s)), far[] = {0.0, 0.0, 3.0, 10.0, 100.0, 1e4};
    c.rtol = exp(-18.0 * lki_random_uniform(&s)) * 0.5;
    c.y = malloc((size_t)(c.n * c.d) * sizeof(double));
    c.x = malloc((size_t)(c.rows * c.d) * sizeof(double));
    c.w = number % 2 == 0 ? malloc((size_t)c.n * sizeof(double)) : NULL;
    for (int64_t j = 0; j < c.d; j++) {
        c.h[j] = h * (1.0 + lki_random_uniform(&s));
    }
    for (int64_t i = 0; i < c.n; i++) {
        const double group = kind == 1 ? 8.0 * (double)lki_random_below(&s, 4) : 0.0;
        for (int64_t j = 0; j < c.d; j++) {
            c.y[i * c.d + j] = offset + (kind == 2 ? 0.5 : group + lki_random_normal(&s));
        }
        if (c.w != NULL) {
            c.w[i] = exp(6.0 * lki_random_normal(&s));
        }
    }
    for (int64_t i = 0; i < c.rows; i++) {
        const int64_t at = lki_random_below(&s, c.n);
        for (int64_t j = 0; j < c.d; j++) {
            c.x[i * c.d + j] = c.y[at * c.d + j] + (i % 6 > 0 ? (0.3 * lki_random_normal(&s) + far[i % 6]) * c.h[j] : 0.0);
        }
    }
    return c;
}

static void free_case(test_case *c)
{
    free(c->y);
    free(c->x);
    free(c->w);
}

static void test_bound(void **state)
{
    const lki_memory memory = lki_memory_of(*state);
    double worst = 0.0;
    for (int64_t number = 0; number < check_scaled(1000, 100); number++) {
        test_case c = draw_case((uint64_t)number);
        double out[24];
        lki_tree_sum *sum = NULL;
        check_ok(*state, lki_tree_sum_new(*state, c.y, c.w, c.n, c.d, c.h, c.rtol, &sum));
        check_ok(*state, lki_tree_sum_log(*state, sum, c.x, c.rows, out));
        for (int64_t i = 0; i < c.rows; i++) {
            const double truth = truth_of(c.y, c.w, c.n, c.d, c.h, c.x + i * c.d), error = fabs(expm1(out[i] - truth));
            const double offset = fabs(c.y[0]) > 1e7 ? 1e-7 : 0.0; /* x - y is a multiple of 1.5e-8 there, and so is each sum's rounding */
            if (!(error <= c.rtol + 1e-14 * fabs(truth) * (1.0 + fabs(truth)) + offset + 1e-13)) {
                fail_msg("case %lld, row %lld: %.17g instead of %.17g, bound %.3g", (long long)number, (long long)i, out[i], truth, c.rtol);
            }
            worst = offset == 0.0 && fabs(truth) < 100.0 ? fmax(worst, error / c.rtol) : worst;
        }
        lki_tree_sum_free(&memory, sum);
        free_case(&c);
    }
    print_message("worst error: %.3g of its bound\n", worst);
    assert_true(worst > 1e-4 && worst <= 1.0 + 1e-6); /* the bound is one that is used */
}

/* 20000 points in 2 columns: the series carry most of the sum. */
static void test_series(void **state)
{
    enum { N = 20000, ROWS = 200 };
    const lki_memory memory = lki_memory_of(*state);
    double *y = malloc(2 * N * sizeof *y), x[2 * ROWS], out[3][ROWS];
    const double h[] = {0.3, 0.4}, tolerances[] = {0.1, 1e-3, 1e-6, 1e-10};
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, 0);
    for (int i = 0; i < 2 * N; i++) {
        y[i] = lki_random_normal(&s);
    }
    for (int i = 0; i < 2 * ROWS; i++) {
        x[i] = (i < 40 ? 4.0 : 1.0) * lki_random_normal(&s);
    }
    for (int t = 0; t < 4; t++) {
        for (int way = 0; way < 3; way++) { /* two threads, one, row by row */
            lk_context *ctx = check_context(way == 0 ? 2 : 1);
            lki_tree_sum *sum = NULL;
            check_ok(ctx, lki_tree_sum_new(ctx, y, NULL, N, 2, h, tolerances[t], &sum));
            for (int i = 0; i < ROWS; i += way == 2 ? 1 : ROWS) {
                check_ok(ctx, lki_tree_sum_log(ctx, sum, x + 2 * i, way == 2 ? 1 : ROWS, out[way] + i));
            }
            double by_tree, by_pairs;
            lki_tree_sum_cost(sum, &by_tree, &by_pairs);
            assert_true(by_tree > 0.0 && by_pairs > 0.0);
            lki_tree_sum_free(&memory, sum);
            lk_context_free(ctx);
        }
        assert_memory_equal(out[0], out[1], sizeof out[0]);
        assert_memory_equal(out[0], out[2], sizeof out[0]);
        for (int i = 0; i < ROWS; i++) {
            check_near(out[0][i], truth_of(y, NULL, N, 2, h, x + 2 * i), tolerances[t] + 1e-12);
        }
    }
    free(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bound), cmocka_unit_test(test_series)};
    return cmocka_run_group_tests_name("tree_sum", tests, check_setup, check_teardown);
}
