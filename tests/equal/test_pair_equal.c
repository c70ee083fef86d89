/* A row's answer from the pair engine is the same bits on one thread and many, alone and among others. */
#include "check.h"
#include "core/philox.h"
#include "math/pair.h"

enum { N = 403, M = 333 };

static double *normals(int64_t n, uint64_t stream)
{
    double *x = malloc((size_t)n * sizeof *x);
    lki_stream s = lki_stream_new(3, LKI_STREAM_TEST, stream);
    for (int64_t i = 0; i < n; i++) {
        x[i] = lki_random_normal(&s);
    }
    return x;
}

static void one_case(lki_kernel_id kernel, int64_t d, lki_pair_request r)
{
    double *x = normals(N * d, 1), *y = normals(M * d, 2), *t = normals(N * d, 4), *v = normals(M * 3, 5);
    const int64_t width = r.nearest > 0 ? r.nearest : r.sides > 0 ? r.sides : 1;
    double *out[3], *slope[3];
    int64_t *index[3];
    const lki_pair_factor factor = {.kernel = kernel};
    const lki_pair_term term = {1.0, &factor, 1};
    if (d > LKI_PAIR_PRODUCTS) {
        x[5 * d] = 1e7; /* a row far out needs differences, its neighbours do not */
    }
    for (int k = 0; k < 3; k++) {
        lk_context *ctx = check_context(k == 1 ? 4 : 1);
        const lki_memory memory = lki_memory_of(ctx);
        lki_pair *pair = NULL;
        out[k] = calloc((size_t)(N * width), sizeof(double));
        slope[k] = calloc((size_t)(N * d), sizeof(double));
        index[k] = calloc((size_t)(N * width), sizeof(int64_t));
        check_ok(ctx, lki_pair_new(ctx, &term, 1, y, M, d, &pair));
        for (int64_t first = 0; first < N; first += k == 2 ? 1 + first % 5 : N) {
            const int64_t step = k == 2 ? 1 + first % 5 : N;
            lki_pair_request piece = r;
            piece.x = x + first * d;
            piece.direction = t + first * d;
            piece.v = r.sides > 0 ? v : NULL;
            piece.rows = first + step < N ? step : N - first;
            piece.out = out[k] + first * width;
            piece.slope = slope[k] + first * d;
            piece.index = index[k] + first * width;
            check_ok(ctx, lki_pair_run(ctx, pair, &piece));
        }
        lki_pair_free(&memory, pair);
        lk_context_free(ctx);
    }
    for (int k = 1; k < 3; k++) {
        assert_memory_equal(out[0], out[k], (size_t)(N * width) * sizeof(double));
        assert_memory_equal(slope[0], slope[k], (size_t)(N * d) * sizeof(double));
        assert_memory_equal(index[0], index[k], (size_t)(N * width) * sizeof(int64_t));
    }
    for (int k = 0; k < 3; k++) {
        free(out[k]);
        free(slope[k]);
        free(index[k]);
    }
    free(x);
    free(y);
    free(t);
    free(v);
}

/* Sums in single precision. */
static void test_single(void **state)
{
    double *x = normals(N * 3, 1), *y = normals(M * 3, 2), *out[3];
    const lki_pair_factor factor = {.kernel = LKI_KERNEL_gaussian};
    const lki_pair_term term = {1.0, &factor, 1};
    (void)state;
    for (int k = 0; k < 3; k++) {
        lk_context *ctx = check_context(k == 1 ? 4 : 1);
        const lki_memory memory = lki_memory_of(ctx);
        const int64_t step = k == 2 ? 7 : N;
        lki_pair *pair = NULL;
        out[k] = calloc(N, sizeof(double));
        check_ok(ctx, lki_pair_new(ctx, &term, 1, y, M, 3, &pair));
        for (int64_t first = 0; first < N; first += step) {
            check_ok(ctx, lki_pair_sum_single(ctx, pair, x + first * 3, step < N - first ? step : N - first, NULL, out[k] + first));
        }
        lki_pair_free(&memory, pair);
        lk_context_free(ctx);
    }
    assert_memory_equal(out[0], out[1], N * sizeof(double));
    assert_memory_equal(out[0], out[2], N * sizeof(double));
    for (int k = 0; k < 3; k++) {
        free(out[k]);
    }
    free(x);
    free(y);
}

static void test_bits(void **state)
{
    (void)state;
    const int64_t dimensions[] = {2, 13};
    for (int i = 0; i < 2; i++) {
        const int64_t d = dimensions[i];
        for (int derivative = 0; derivative <= LKI_PAIR_CURVATURE; derivative++) {
            one_case(LKI_KERNEL_gaussian, d, (lki_pair_request){.derivative = (lki_pair_derivative)derivative});
            one_case(LKI_KERNEL_matern52, d, (lki_pair_request){.reduction = LKI_PAIR_LOG_SUM, .derivative = (lki_pair_derivative)derivative});
        }
        one_case(LKI_KERNEL_epanechnikov, d, (lki_pair_request){.sides = 3});
        one_case(LKI_KERNEL_cauchy, d, (lki_pair_request){.reduction = LKI_PAIR_MEAN, .sides = 3});
        one_case(LKI_KERNEL_laplace, d, (lki_pair_request){.reduction = LKI_PAIR_MAX});
        one_case(LKI_KERNEL_gaussian, d, (lki_pair_request){.reduction = LKI_PAIR_NEAREST, .nearest = 4});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bits), cmocka_unit_test(test_single)};
    return cmocka_run_group_tests_name("pair_equal", tests, NULL, NULL);
}
