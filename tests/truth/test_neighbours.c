/* Nearest neighbours against enumeration, tree against products bit for bit (ties and hard inputs included), on any threads. */
#include "check.h"
#include "core/philox.h"
#include <likely/neighbours.h>

/* kind 0: normal; 1: whole numbers below 3, nearly all distances tied; 2: normal at an offset of 1e8; 3: all points alike; 4: clusters far
 * apart in one column. */
static double *points(int64_t n, int64_t d, int kind, uint64_t stream)
{
    double *x = malloc((size_t)(n * d) * sizeof *x);
    lki_stream s = lki_stream_new(5, LKI_STREAM_TEST, stream);
    for (int64_t i = 0; i < n * d; i++) {
        const double z = lki_random_normal(&s);
        x[i] = kind == 1 ? (double)lki_random_below(&s, 3) : kind == 2 ? 1e8 + z : kind == 3 ? 0.7 : z;
        x[i] += kind == 4 && i % d == 0 ? 1e6 * (double)lki_random_below(&s, 5) : 0.0;
    }
    return x;
}

/* By their definition: all distances, in order of distance, then index. */
static void enumerate(const double *y, int64_t n, int64_t d, const double *x, int64_t k, int64_t own, double *distance, int64_t *index)
{
    for (int64_t rank = 0; rank < k; rank++) {
        index[rank] = -1;
        for (int64_t j = 0; j < n; j++) {
            double s = 0.0;
            for (int64_t c = 0; c < d; c++) {
                s += (x[c] - y[j * d + c]) * (x[c] - y[j * d + c]);
            }
            s = sqrt(s);
            bool taken = j == own;
            for (int64_t r = 0; r < rank; r++) {
                taken = taken || index[r] == j;
            }
            if (!taken && (index[rank] < 0 || s < distance[rank])) {
                distance[rank] = s;
                index[rank] = j;
            }
        }
    }
}

static void one_case(int64_t n, int64_t d, int kind, int64_t k, bool leave_out)
{
    enum { ROWS = 70 };
    double *y = points(n, d, kind, 1), *x = points(ROWS, d, kind, 2), *want = calloc((size_t)k, sizeof *want);
    double *distance[3];
    int64_t own[ROWS], *index[3], *place = calloc((size_t)k, sizeof *place);
    const char *const methods[] = {"tree", "products", "tree"};
    for (int64_t i = 0; i < ROWS; i++) {
        own[i] = i % 4 == 0 ? -1 : i % n;
        if (own[i] >= 0) {
            memcpy(x + i * d, y + own[i] * d, (size_t)d * sizeof *x);
        }
    }
    for (int m = 0; m < 3; m++) {
        lk_context *ctx = check_context(m == 2 ? 3 : 1);
        const lk_neighbours_options options = {.size = sizeof options, .method = methods[m]};
        lk_neighbours *nb = NULL;
        distance[m] = calloc((size_t)(ROWS * k), sizeof(double));
        index[m] = calloc((size_t)(ROWS * k), sizeof(int64_t));
        check_ok(ctx, lk_neighbours_new(ctx, y, n, d, &options, &nb));
        const int64_t step = m == 2 ? 9 : ROWS; /* pieces */
        for (int64_t i = 0; i < ROWS; i += step) {
            check_ok(ctx, lk_neighbours_find(ctx, nb, x + i * d, step < ROWS - i ? step : ROWS - i, k, leave_out ? own + i : NULL,
                                             distance[m] + i * k, index[m] + i * k));
        }
        lk_neighbours_free(ctx, nb);
        lk_context_free(ctx);
    }
    for (int m = 1; m < 3; m++) {
        assert_memory_equal(distance[0], distance[m], (size_t)(ROWS * k) * sizeof(double));
        assert_memory_equal(index[0], index[m], (size_t)(ROWS * k) * sizeof(int64_t));
    }
    for (int64_t i = 0; i < ROWS; i++) {
        enumerate(y, n, d, x + i * d, k, leave_out ? own[i] : -1, want, place);
        for (int64_t r = 0; r < k; r++) { /* squares differ by the rounding of a fused operation */
            check_near(distance[0][i * k + r], want[r], 1e-14 * (double)(d + 1) * want[r]);
            if (kind != 2) { /* there differences of 1e8 + z are multiples of 1.5e-8: near ties */
                assert_int_equal(index[0][i * k + r], place[r]);
            }
        }
    }
    for (int m = 0; m < 3; m++) {
        free(distance[m]);
        free(index[m]);
    }
    free(y);
    free(x);
    free(want);
    free(place);
}

static void test_against_enumeration(void **state)
{
    const int64_t sizes[] = {1, 2, 15, 16, 17, 33, 300, 1100}, dimensions[] = {1, 2, 3, 7, 20};
    (void)state;
    for (size_t a = 0; a < sizeof sizes / sizeof sizes[0]; a++) {
        for (size_t b = 0; b < sizeof dimensions / sizeof dimensions[0]; b++) {
            for (int kind = 0; kind < 5; kind++) {
                const int64_t n = sizes[a], d = dimensions[b];
                one_case(n, d, kind, 1, n > 1);
                one_case(n, d, kind, n < 6 ? n : 6, false);
                if (n <= 33) {
                    one_case(n, d, kind, n, false);
                }
            }
        }
    }
}

/* What the tree's median and the products' centre see last: values at the ends of the range of numbers. */
static void test_ends(void **state)
{
    const double y[] = {1e200, -1e200, 1e-320, 0.0, 3e300}, x[] = {0.0, 1e200};
    const char *const methods[] = {"tree", "products"};
    for (int m = 0; m < 2; m++) {
        const lk_neighbours_options options = {.size = sizeof options, .method = methods[m]};
        lk_neighbours *nb = NULL;
        double distance[4];
        int64_t index[4];
        check_ok(*state, lk_neighbours_new(*state, y, 5, 1, &options, &nb));
        check_ok(*state, lk_neighbours_find(*state, nb, x, 2, 2, NULL, distance, index));
        assert_int_equal(index[0], 2); /* its square is 0, as that of 3, which comes later */
        assert_int_equal(index[1], 3);
        assert_int_equal(index[2], 0);
        assert_int_equal(index[3], 1); /* all others are at inf: the first of them */
        assert_true(isinf(distance[3]));
        lk_neighbours_free(*state, nb);
    }
}

static void test_refusals(void **state)
{
    const double y[] = {0, 1, (double)NAN, 2};
    const lk_neighbours_options wrong = {.size = sizeof wrong, .method = "ball"};
    lk_neighbours *nb = NULL;
    check_status(*state, LK_ERROR_DATA, lk_neighbours_new(*state, y, 2, 2, NULL, &nb));
    check_contains(lk_error_message(*state), "row 2, column 1 is nan");
    check_status(*state, LK_ERROR_ARGUMENT, lk_neighbours_new(*state, y, 1, 2, &wrong, &nb));
    check_contains(lk_error_message(*state), "'ball': there are tree, products and auto");
    check_status(*state, LK_ERROR_ARGUMENT, lk_neighbours_new(*state, y, 0, 2, NULL, &nb));
    check_ok(*state, lk_neighbours_new(*state, y, 1, 2, NULL, &nb));
    check_contains(lk_neighbours_method(nb), "microseconds");
    check_status(*state, LK_ERROR_ARGUMENT, lk_neighbours_find(*state, nb, y, 1, 2, NULL, NULL, NULL));
    check_contains(lk_error_message(*state), "2 neighbours among 1 points; ask for 1 to 1");
    check_status(*state, LK_ERROR_DATA, lk_neighbours_find(*state, nb, y + 2, 1, 1, NULL, NULL, NULL));
    check_ok(*state, lk_neighbours_find(*state, nb, y, 1, 1, NULL, NULL, NULL));
    lk_neighbours_free(*state, nb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_enumeration), cmocka_unit_test(test_ends), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("neighbours", tests, check_setup, check_teardown);
}
