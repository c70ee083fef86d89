/* Contours and highest-density regions against areas known in closed form, and against their own complements. */
#include "../check.h"
#include "plot/plot.h"

#include <likely/likely.h>

static double total_area(const plot_regions *regions)
{
    double sum = 0;
    for (int64_t p = 0; p < regions->polygon_count; p++) {
        sum += regions->polygons[p].area;
    }
    return sum;
}

/* f on a grid over [-2, 2] x [-2, 2]. */
static double *make_grid(int64_t cells, double (*f)(double, double))
{
    int64_t side = cells + 1;
    double *values = malloc((size_t)(side * side) * sizeof *values);
    assert_non_null(values);
    for (int64_t p = 0; p < side * side; p++) {
        values[p] = f(-2 + 4.0 * (double)(p % side) / (double)cells, -2 + 4.0 * (double)(p / side) / (double)cells);
    }
    return values;
}

static double cone(double x, double y)
{
    return -sqrt(x * x + y * y);
}

static double ring(double x, double y)
{
    return -fabs(sqrt(x * x + y * y) - 1);
}

static const double low[2] = {-2, -2}, high[2] = {2, 2};

/* The disc of radius 1: pi. Linear interpolation of a cone leaves an error of the order of the squared cell. */
static void test_disc(void **state)
{
    plot_regions regions = {0};
    double *values = make_grid(200, cone);
    (void)state;
    assert_int_equal(plot_contour(values, 200, 200, low, high, -1, 0, &regions), LK_OK);
    assert_int_equal(regions.polygon_count, 1);
    assert_true(fabs(total_area(&regions) / acos(-1) - 1) < 2e-4);
    plot_regions_free(&regions);
    free(values);
}

/* The ring between radii 1/2 and 3/2: an outer polygon of positive area and a hole of negative area. */
static void test_ring(void **state)
{
    plot_regions regions = {0};
    double *values = make_grid(200, ring);
    (void)state;
    assert_int_equal(plot_contour(values, 200, 200, low, high, -0.5, 0, &regions), LK_OK);
    assert_int_equal(regions.polygon_count, 2);
    assert_true(regions.polygons[0].area * regions.polygons[1].area < 0);
    assert_true(fabs(total_area(&regions) / (2 * acos(-1)) - 1) < 5e-4);
    plot_regions_free(&regions);
    free(values);
}

/* What reaches over the border is closed along it: everything is 16. */
static void test_border(void **state)
{
    plot_regions regions = {0};
    double *values = make_grid(10, cone);
    (void)state;
    assert_int_equal(plot_contour(values, 10, 10, low, high, -100, 0, &regions), LK_OK);
    assert_int_equal(regions.polygon_count, 1);
    assert_true(fabs(total_area(&regions) - 16) < 1e-12);
    regions.polygon_count = regions.point_count = 0;
    assert_int_equal(plot_contour(values, 10, 10, low, high, 1, 0, &regions), LK_OK);
    assert_int_equal(regions.polygon_count, 0);
    plot_regions_free(&regions);
    free(values);
}

/* On any grid, saddles and all, {v >= t} and {-v >= -t} fill the rectangle together. */
static void test_complement(void **state)
{
    (void)state;
    uint64_t seed = 88172645463325252u;
    for (int64_t round = 0; round < check_scaled(200, 20); round++) {
        double values[12 * 9], negated[12 * 9];
        plot_regions inside = {0}, outside = {0};
        for (int p = 0; p < 12 * 9; p++) { /* xorshift */
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            values[p] = (double)(seed >> 11) / 9007199254740992.0;
            negated[p] = -values[p];
        }
        assert_int_equal(plot_contour(values, 11, 8, low, high, 0.5, 0, &inside), LK_OK);
        assert_int_equal(plot_contour(negated, 11, 8, low, high, -0.5, 0, &outside), LK_OK);
        assert_true(fabs(total_area(&inside) + total_area(&outside) - 16) < 1e-9);
        plot_regions_free(&inside);
        plot_regions_free(&outside);
    }
}

/* Of a standard normal in the plane, the region that holds m has area -2 pi log(1 - m). Its level is estimated from
 * 20 000 draws: the 99% region's area has a relative standard error of sqrt(m (1 - m) / N) / ((1 - m) (-log(1 - m))) =
 * 1.5%; five of them are allowed. */
static void test_normal(void **state)
{
    lk_context *context = NULL;
    lk_model *model = NULL;
    plot_regions regions = {0};
    const double wide_low[2] = {-6, -6}, wide_high[2] = {6, 6};
    (void)state;
    assert_int_equal(lk_context_new(&context, NULL), LK_OK);
    assert_int_equal(lk_model_build(context, NULL, "{\"weights\": [1], \"means\": [[0, 0]], \"covariances\": [[[1, 0], [0, 1]]]}",
                                    NULL, &model), LK_OK);
    assert_int_equal(plot_regions_make(context, model, 1, wide_low, wide_high, 200, &regions), LK_OK);
    assert_int_equal(regions.polygon_count, PLOT_LEVELS);
    for (int l = 0; l < PLOT_LEVELS; l++) { /* sorted by area: the level is the place */
        double m = plot_masses[l], truth = -2 * acos(-1) * log(1 - m);
        double error = sqrt(m * (1 - m) / 20000) / ((1 - m) * -log(1 - m));
        assert_int_equal(regions.polygons[l].level, l);
        assert_true(fabs(regions.polygons[l].area / truth - 1) < 5 * error + 1e-3);
    }
    plot_regions_free(&regions);
    lk_model_free(model);
    lk_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_disc),       cmocka_unit_test(test_ring),   cmocka_unit_test(test_border),
        cmocka_unit_test(test_complement), cmocka_unit_test(test_normal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
