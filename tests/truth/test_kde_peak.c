/* The highest mode of a kernel density by random projection: against a grid in two dimensions, and against mean shift from every point in many. */
#include "check.h"
#include "core/philox.h"
#include "kernel/kde.h"

#include <likely/derived.h>
#include <likely/likely.h>
#include <time.h>

enum { N = 400, D = 150 };

static lki_kde *density(lk_context *ctx, const double *x, int64_t n, int64_t d, double h)
{
    double *weights = malloc((size_t)n * sizeof *weights), *bandwidth = malloc((size_t)d * sizeof *bandwidth);
    lki_kde *k = NULL;
    assert_true(weights != NULL && bandwidth != NULL);
    for (int64_t i = 0; i < n; i++) {
        weights[i] = 1.0;
    }
    for (int64_t j = 0; j < d; j++) {
        bandwidth[j] = h;
    }
    const lki_kde_shape shape = {.law = lki_kernel_law_find("gaussian"), .bandwidth = bandwidth};
    check_ok(ctx, lki_kde_new(ctx, &shape, x, weights, n, d, &k));
    free(weights);
    free(bandwidth);
    return k;
}

/* log of the mean kernel. */
static double height(const double *x, int64_t n, int64_t d, double h, const double *at)
{
    double most = -(double)INFINITY, sum = 0.0;
    static double logs[N];
    for (int64_t i = 0; i < n; i++) {
        logs[i] = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double u = (x[i * d + j] - at[j]) / h;
            logs[i] -= 0.5 * u * u;
        }
        most = fmax(most, logs[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        sum += exp(logs[i] - most);
    }
    return most + log(sum / (double)n);
}

/* Plain mean shift from a place; returns the height it ends at. */
static double climb(const double *x, int64_t n, int64_t d, double h, double *at)
{
    static double next[D], logs[N];
    for (int step = 0; step < 400; step++) {
        double most = -(double)INFINITY, total = 0.0, moved = 0.0;
        for (int64_t i = 0; i < n; i++) {
            logs[i] = 0.0;
            for (int64_t j = 0; j < d; j++) {
                const double u = (x[i * d + j] - at[j]) / h;
                logs[i] -= 0.5 * u * u;
            }
            most = fmax(most, logs[i]);
        }
        memset(next, 0, sizeof next);
        for (int64_t i = 0; i < n; i++) {
            const double p = exp(logs[i] - most);
            total += p;
            for (int64_t j = 0; j < d; j++) {
                next[j] += p * x[i * d + j];
            }
        }
        for (int64_t j = 0; j < d; j++) {
            moved = fmax(moved, fabs(next[j] / total - at[j]));
            at[j] = next[j] / total;
        }
        if (moved < 1e-6) {
            break;
        }
    }
    return height(x, n, d, h, at);
}

/* Three clusters of unlike size and width in 150 dimensions, whose highest mode is not that of the most points. */
static void clusters(double *x, uint64_t row)
{
    lki_stream s = lki_stream_new(51, LKI_STREAM_TEST, row);
    double centre[3][D];
    for (int c = 0; c < 3; c++) {
        for (int64_t j = 0; j < D; j++) {
            centre[c][j] = 0.8 * lki_random_normal(&s);
        }
    }
    for (int64_t i = 0; i < N; i++) {
        const int c = i % 10 < 5 ? 0 : i % 10 < 8 ? 1 : 2;
        const double width = c == 0 ? 1.0 : c == 1 ? 0.6 : 0.8;
        for (int64_t j = 0; j < D; j++) {
            x[i * D + j] = centre[c][j] + width * lki_random_normal(&s);
        }
    }
}

/* Lifted from 40 dimensions the density is at least (1 - epsilon) of the best over all starts in a broad kernel, where the mean kernel at the mode is not tiny: epsilon =
 * .25 without the climb; with it, the best itself. Faster than the plain ascents. */
static void test_many_dimensions(void **state)
{
    lk_context *ctx = *state;
    static double x[N * D], at[D], lifted[D];
    const double h = 9.0;
    const int64_t sets = check_scaled(3, 1), every = 8;
    for (int64_t set = 0; set < sets; set++) {
        double best = -(double)INFINITY;
        clusters(x, (uint64_t)set);
        clock_t start = clock();
        for (int64_t i = 0; i < N; i += every) {
            memcpy(at, x + i * D, sizeof at);
            best = fmax(best, climb(x, N, D, h, at));
        }
        const double plain = (double)(clock() - start) / CLOCKS_PER_SEC * (double)every;
        lki_kde *k = density(ctx, x, N, D, h);
        start = clock();
        check_ok(ctx, lki_kde_peak(ctx, k, 40, 7, false, lifted));
        check_ok(ctx, lki_kde_peak(ctx, k, 40, 7, true, at));
        const double ours = 0.5 * (double)(clock() - start) / CLOCKS_PER_SEC;
        print_message("best %.6f, lifted %.6f, climbed %.6f; %.3f s against %.3f s from all points\n", best, height(x, N, D, h, lifted), height(x, N, D, h, at), ours, plain);
        assert_true(height(x, N, D, h, lifted) > best + log(0.75));
        assert_true(height(x, N, D, h, at) > best - 1e-9);
        /* The place of the highest point of 400, the obvious start, is far lower than what is lifted. */
        double point = -(double)INFINITY;
        for (int64_t i = 0; i < N; i++) {
            point = fmax(point, height(x, N, D, h, x + i * D));
        }
        assert_true(height(x, N, D, h, lifted) > point + 0.2);
        lki_kde_free(&k->memory, k);
    }
}

/* In two dimensions, where nothing is projected, the mode of a fine grid; the verb's certificate holds there. */
static void test_grid(void **state)
{
    lk_context *ctx = *state;
    double x[120 * 2], best = -(double)INFINITY, place[2] = {0, 0}, at[2];
    lki_stream s = lki_stream_new(52, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < 120; i++) {
        x[2 * i] = (i % 3 == 0 ? -2.0 : 2.0) + lki_random_normal(&s) * (i % 3 == 0 ? 0.3 : 1.0);
        x[2 * i + 1] = lki_random_normal(&s);
    }
    for (int a = 0; a <= 400; a++) {
        for (int b = 0; b <= 400; b++) {
            const double y[2] = {-5.0 + 0.025 * a, -5.0 + 0.025 * b}, value = height(x, 120, 2, 0.5, y);
            if (value > best) {
                best = value;
                memcpy(place, y, sizeof place);
            }
        }
    }
    const lk_setting settings[] = {{"bandwidth", "0.5"}, {NULL, NULL}};
    const lk_fit_options options = {.size = sizeof options, .settings = settings};
    lk_table *table = NULL;
    lk_model *model = NULL;
    lk_modes *modes = NULL;
    check_ok(ctx, lk_table_from_array(ctx, x, 120, 2, NULL, &table));
    check_ok(ctx, lk_model_fit(ctx, "kde", table, &options, &model));
    check_ok(ctx, lk_model_peak(ctx, model, 5, 1, at));
    check_near(at[0], place[0], 0.026);
    check_near(at[1], place[1], 0.026);
    assert_true(height(x, 120, 2, 0.5, at) >= best);
    check_ok(ctx, lk_model_modes(ctx, model, at, 1, &modes));
    assert_int_equal(modes->count, 1);
    check_near(modes->x[0], at[0], 1e-6);
    lk_modes_free(modes);
    check_status(ctx, LK_ERROR_ARGUMENT, lk_model_peak(ctx, model, 0, 1, at));
    lk_model_free(model);
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_dimensions), cmocka_unit_test(test_grid)};
    return cmocka_run_group_tests_name("kde_peak", tests, check_setup, check_teardown);
}
