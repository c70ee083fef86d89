/* Ellipses of components against their definition: every point lies at the Mahalanobis distance whose chi-squared share is asked for,
 * mapped through the inverse of the transform. */
#include "check.h"
#include "plot/components.h"
#include <jansson.h>

static json_t *info_of(const char *transform)
{
    char text[600];
    snprintf(text, sizeof text, "{\"transform\": %s, \"components\": [{\"mean\": [0.5, 1, -1], \"covariance\": "
                                "[[0.04, 0, 0.03], [0, 1, 0], [0.03, 0, 0.09]]}, {\"mean\": [0, 0, 0], \"covariance\": null}]}", transform);
    json_t *info = json_loads(text, 0, NULL);
    assert_non_null(info);
    return info;
}

static double into(int transform, int j, double x)
{
    static const double location[] = {2, 0, -3}, scale[] = {0.5, 1, 4};
    switch (transform) {
    case 1:
        return (x - location[j]) / scale[j];
    case 2:
        return j == 0 ? (log(x) - 0.1) / 2 : x;
    case 3:
        return j == 0 ? log(x / (1 - x)) : asinh(x);
    case 4:
        return copysign(sqrt(fabs(x)), x);
    default:
        return x;
    }
}

static void ellipses(void **state)
{
    static const char *const transforms[] = {"null", "[[[\"standardize\", 2, 0.5]], [], [[\"standardize\", -3, 4]]]",
                                             "[[\"log\", [\"standardize\", 0.1, 2]], [], []]", "[[\"logit\"], [\"asinh\"], [\"asinh\"]]",
                                             "[[\"sqrt\"], [\"sqrt\"], [\"sqrt\"]]"};
    (void)state;
    for (int t = 0; t < 5; t++) {
        json_t *info = info_of(transforms[t]);
        const plot_components c = {info};
        assert_int_equal(plot_components_count(&c), 2);
        check_near(into(t, 2, plot_components_mean(&c, 0, 2)), -1, 1e-14);
        for (int share = 1; share < 10; share++) {
            double xy[2 * PLOT_ELLIPSE_POINTS], left = 0, right = 0;
            assert_true(plot_components_ellipse(&c, 0, 0, 2, share / 10.0, xy));
            for (int i = 0; i < PLOT_ELLIPSE_POINTS; i++) {
                const double u = into(t, 0, xy[2 * i]) - 0.5, v = into(t, 2, xy[2 * i + 1]) + 1;
                /* inverse of [[.04, .03], [.03, .09]]: determinant .0027 */
                const double square = (0.09 * u * u - 0.06 * u * v + 0.04 * v * v) / 0.0027;
                check_near(1 - exp(-square / 2), share / 10.0, 1e-10);
                left = fmin(left, u);
                right = fmax(right, u);
            }
            check_near(xy[0], xy[2 * PLOT_ELLIPSE_POINTS - 2], 1e-12); /* closed, and all the way round */
            check_near(right, 0.2 * sqrt(-2 * log1p(-share / 10.0)), 1e-12);
            check_near(left, -right, 1e-12);
        }
        double xy[2 * PLOT_ELLIPSE_POINTS];
        assert_false(plot_components_ellipse(&c, 1, 0, 2, 0.5, xy));
        json_decref(info);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ellipses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
