/* k-means against enumeration of all partitions, against plain Lloyd passes bit for bit, and against scikit-learn's result on the same start. */
#include "check.h"
#include "core/philox.h"
#include "math/lloyd.h"

static double *groups(int64_t n, int64_t d, int64_t centres, double offset, uint64_t seed)
{
    double *x = malloc((size_t)(n * d) * sizeof *x), *c = malloc((size_t)(centres * d) * sizeof *c);
    lki_stream s = lki_stream_new(seed, LKI_STREAM_TEST, 7);
    for (int64_t i = 0; i < centres * d; i++) {
        c[i] = 4.0 * lki_random_normal(&s);
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = lki_random_below(&s, centres);
        for (int64_t j = 0; j < d; j++) {
            x[i * d + j] = offset + c[k * d + j] + lki_random_normal(&s);
        }
    }
    free(c);
    return x;
}

/* The least inertia of all partitions of at most 9 rows into at most 3 groups. */
static double least_inertia(const double *x, const double *w, int64_t n, int64_t d, int64_t K)
{
    int64_t codes = 1;
    double least = (double)INFINITY;
    for (int64_t i = 0; i < n; i++) {
        codes *= K;
    }
    for (int64_t code = 0; code < codes; code++) {
        double weight[3] = {0}, sum[3][3] = {{0}}, inertia = 0.0;
        int64_t c = code;
        for (int64_t i = 0; i < n; i++, c /= K) {
            weight[c % K] += w[i];
            for (int64_t j = 0; j < d; j++) {
                sum[c % K][j] += w[i] * x[i * d + j];
            }
        }
        c = code;
        for (int64_t i = 0; i < n; i++, c /= K) {
            for (int64_t j = 0; j < d; j++) {
                const double u = x[i * d + j] - sum[c % K][j] / weight[c % K];
                inertia += w[i] * u * u;
            }
        }
        least = fmin(least, inertia);
    }
    return least;
}

/* 40 starts find the optimum of 9 rows. */
static void test_enumeration(void **state)
{
    for (int64_t trial = 0; trial < check_scaled(20, 4); trial++) {
        double *x = groups(9, 2, 3, 0.0, (uint64_t)trial), w[9], centres[6];
        int64_t labels[9];
        for (int i = 0; i < 9; i++) {
            w[i] = 1.0 + i % 3;
        }
        const lk_kmeans_options o = {.size = sizeof o, .restarts = 40, .tol = -1.0, .weights = w};
        lk_kmeans_result r = {.size = sizeof r};
        check_ok(*state, lk_kmeans(*state, x, 9, 2, 3, &o, centres, labels, &r));
        check_near(r.inertia, least_inertia(x, w, 9, 2, 3), 1e-12 * r.inertia);
        assert_true(r.converged);
        double inertia = 0.0;
        for (int i = 0; i < 9; i++) {
            const double a = x[2 * i] - centres[2 * labels[i]], b = x[2 * i + 1] - centres[2 * labels[i] + 1];
            inertia += w[i] * (a * a + b * b);
        }
        check_near(inertia, r.inertia, 1e-12 * r.inertia);
        free(x);
    }
}

/* Bounds spare distances and change no bit, on any threads, at any offset; a plain pass is that of the definition. */
static void one_case(int64_t n, int64_t d, int64_t K, double offset, uint64_t seed)
{
    double *x = groups(n, d, K, offset, seed), *values = malloc((size_t)(n * (d + 1)) * sizeof *values);
    double *centres[3], inertia[3][12], *sizes = malloc((size_t)K * sizeof *sizes);
    for (int64_t i = 0; i < n; i++) {
        memcpy(values + i * (d + 1), x + i * d, (size_t)d * sizeof *x);
        values[i * (d + 1) + d] = i % 11 == 0 ? 0.0 : 1.0 + (double)(i % 2);
    }
    lki_kmeans_array array = {values, n, d};
    const lki_kmeans_rows rows = lki_kmeans_rows_of(&array);
    for (int way = 0; way < 3; way++) {
        lk_context *ctx = check_context(way == 1 ? 3 : 1);
        lki_kmeans *km = NULL;
        centres[way] = malloc((size_t)(K * d) * sizeof(double));
        memcpy(centres[way], x, (size_t)(K * d) * sizeof(double)); /* the first K rows */
        check_ok(ctx, lki_kmeans_new(ctx, &rows, K, way < 2, &km));
        for (int pass = 0; pass < 12; pass++) {
            check_ok(ctx, lki_kmeans_pass(ctx, km, centres[way], &inertia[way][pass], sizes));
        }
        lki_kmeans_free(ctx, km);
        lk_context_free(ctx);
    }
    for (int way = 1; way < 3; way++) {
        assert_memory_equal(centres[0], centres[way], (size_t)(K * d) * sizeof(double));
        assert_memory_equal(inertia[0], inertia[way], sizeof inertia[0]);
    }
    for (int pass = 1; pass < 12; pass++) {
        assert_true(inertia[0][pass] <= inertia[0][pass - 1] * (1.0 + 1e-9));
    }
    /* The definition: 12 passes by plain loops. */
    double *plain = malloc((size_t)(K * d) * sizeof *plain), *sums = malloc((size_t)(K * (d + 1)) * sizeof *sums), total = 0.0;
    memcpy(plain, x, (size_t)(K * d) * sizeof(double));
    for (int pass = 0; pass < 12; pass++) {
        memset(sums, 0, (size_t)(K * (d + 1)) * sizeof *sums);
        total = 0.0;
        for (int64_t i = 0; i < n; i++) {
            double least = (double)INFINITY;
            int64_t label = 0;
            for (int64_t k = 0; k < K; k++) {
                double s = 0.0;
                for (int64_t j = 0; j < d; j++) {
                    s += (x[i * d + j] - plain[k * d + j]) * (x[i * d + j] - plain[k * d + j]);
                }
                label = s < least ? k : label;
                least = fmin(s, least);
            }
            const double w = values[i * (d + 1) + d];
            total += w * least;
            sums[label * (d + 1) + d] += w;
            for (int64_t j = 0; j < d; j++) {
                sums[label * (d + 1) + j] += w * x[i * d + j];
            }
        }
        for (int64_t k = 0; k < K * d; k++) {
            const double w = sums[k / d * (d + 1) + d];
            plain[k] = w > 0.0 ? sums[k / d * (d + 1) + k % d] / w : plain[k];
        }
    }
    check_near(inertia[0][11], total, 1e-9 * total);
    free(plain);
    free(sums);
    for (int way = 0; way < 3; way++) {
        free(centres[way]);
    }
    free(x);
    free(values);
    free(sizes);
}

static void test_bounds(void **state)
{
    (void)state;
    one_case(3000, 2, 7, 0.0, 1);
    one_case(2100, 9, 30, 0.0, 2);
    one_case(1500, 3, 1, 0.0, 3);
    one_case(2000, 3, 12, 1e8, 4);
    one_case(700, 40, 5, -1e4, 5);
}

/* iris from its rows 1, 51 and 101: scikit-learn 1.2.1, KMeans(3, init=X[[0, 50, 100]], n_init=1), gives inertia 78.85144142614601 with 50, 62
 * and 38 rows. */
static void test_scikit_learn(void **state)
{
    static double x[600];
    FILE *f = fopen(check_source("examples/data/iris.csv"), "r");
    char line[256];
    int n = 0;
    if (f == NULL) {
        print_message("skipped: examples/data/iris.csv is absent\n");
        skip();
    }
    while (fgets(line, sizeof line, f) != NULL && n < 150) {
        n += sscanf(line, "%lf,%lf,%lf,%lf", x + 4 * n, x + 4 * n + 1, x + 4 * n + 2, x + 4 * n + 3) == 4;
    }
    fclose(f);
    assert_int_equal(n, 150);
    double start[12], centres[12];
    int64_t labels[150], count[3] = {0};
    for (int k = 0; k < 3; k++) {
        memcpy(start + 4 * k, x + 200 * k, 4 * sizeof(double));
    }
    const lk_kmeans_options o = {.size = sizeof o, .start = start};
    lk_kmeans_result r = {.size = sizeof r};
    check_ok(*state, lk_kmeans(*state, x, 150, 4, 3, &o, centres, labels, &r));
    for (int i = 0; i < 150; i++) {
        count[labels[i]]++;
    }
    check_near(r.inertia, 78.85144142614601, 1e-10);
    assert_int_equal(count[0], 50);
    assert_int_equal(count[1], 62);
    assert_int_equal(count[2], 38);
}

/* Two centres begin at one place: the second loses all rows and is moved; where all rows stand on centres it stays. */
static void test_empty(void **state)
{
    const double x[] = {0, 1, 10, 11, 50}, start[] = {5, 5, 100};
    double centres[3];
    const lk_kmeans_options o = {.size = sizeof o, .start = start, .tol = -1.0};
    lk_kmeans_result r = {.size = sizeof r};
    check_ok(*state, lk_kmeans(*state, x, 5, 1, 3, &o, centres, NULL, &r));
    assert_true(r.moved >= 1);
    check_near(r.inertia, 1.0, 1e-12); /* {0, 1}, {10, 11}, {50} */
    const double same[] = {3, 3, 3};
    check_ok(*state, lk_kmeans(*state, same, 3, 1, 3, &o, centres, NULL, &r));
    check_near(r.inertia, 0.0, 0.0);
}

static void test_batches(void **state)
{
    const int64_t n = 20000, d = 3, K = 5;
    double *x = groups(n, d, K, 0.0, 11), a[15], b[15];
    lk_kmeans_options o = {.size = sizeof o, .restarts = 3, .seed = 3};
    lk_kmeans_result full = {.size = sizeof full}, small = full;
    check_ok(*state, lk_kmeans(*state, x, n, d, K, &o, a, NULL, &full));
    o.batch = 1000;
    check_ok(*state, lk_kmeans(*state, x, n, d, K, &o, a, NULL, &small));
    assert_true(small.inertia >= full.inertia * (1.0 - 1e-3) && small.inertia < 1.02 * full.inertia);
    lk_context *ctx = check_context(1);
    check_ok(ctx, lk_kmeans(ctx, x, n, d, K, &o, b, NULL, &small));
    assert_memory_equal(a, b, sizeof a);
    lk_context_free(ctx);
    free(x);
}

static void test_refusals(void **state)
{
    const double x[] = {1, 2, (double)NAN, 1, 1, 1}, w[] = {0, 0};
    double centres[4];
    const lk_kmeans_options o = {.size = sizeof o, .weights = w};
    check_status(*state, LK_ERROR_ARGUMENT, lk_kmeans(*state, x, 2, 1, 3, NULL, centres, NULL, NULL));
    check_contains(lk_error_message(*state), "3 centres of 2 rows");
    check_status(*state, LK_ERROR_DATA, lk_kmeans(*state, x, 3, 1, 1, NULL, centres, NULL, NULL));
    check_contains(lk_error_message(*state), "row 3, column 1 is nan");
    check_status(*state, LK_ERROR_DATA, lk_kmeans(*state, x + 3, 3, 1, 2, NULL, centres, NULL, NULL));
    check_contains(lk_error_message(*state), "only 1 distinct");
    check_status(*state, LK_ERROR_DATA, lk_kmeans(*state, x, 2, 1, 1, &o, centres, NULL, NULL));
    check_contains(lk_error_message(*state), "no row has a weight above 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_enumeration), cmocka_unit_test(test_bounds), cmocka_unit_test(test_scikit_learn),
                                       cmocka_unit_test(test_empty),       cmocka_unit_test(test_batches), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("kmeans", tests, check_setup, check_teardown);
}
