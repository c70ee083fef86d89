/* Draws of a kernel density follow its distribution functions: Kolmogorov's distance of 20 000 draws of fixed seeds, for each kernel. A
 * right sampler fails with probability 1e-4 a feature, 24e-4 in all. */
#include "check.h"

#include <likely/likely.h>

enum { DRAWS = 20000 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void test_draws(void **state)
{
    static const char *const kernels[] = {"gaussian", "laplace",  "matern32", "matern52", "cauchy", "epanechnikov",
                                          "biweight", "triweight", "tricube",  "cosine",   "box",    "triangle"};
    static double draws[DRAWS * 2], u[DRAWS * 2], column[DRAWS];
    const double points[] = {0.0, 10.0, 1.0, 30.0, 5.0, 20.0};
    lk_context *ctx = *state;
    lk_table *table = NULL;
    const double limit = 2.23 / sqrt(DRAWS); /* exp(-2 2.23^2) 2 = 1e-4 */
    check_ok(ctx, lk_table_from_array(ctx, points, 3, 2, NULL, &table));
    for (size_t k = 0; k < sizeof kernels / sizeof kernels[0]; k++) {
        const lk_setting settings[] = {{"kernel", kernels[k]}, {"bandwidth", "1.5,4"}, {NULL, NULL}};
        const lk_fit_options options = {.size = sizeof options, .settings = settings};
        lk_model *model = NULL;
        check_ok(ctx, lk_model_fit(ctx, "kde", table, &options, &model));
        check_ok(ctx, lk_model_sample(ctx, model, 7, 0, DRAWS, draws));
        check_ok(ctx, lk_model_cdf(ctx, model, draws, DRAWS, u));
        for (int j = 0; j < 2; j++) {
            double distance = 0.0;
            for (int i = 0; i < DRAWS; i++) {
                column[i] = u[2 * i + j];
            }
            qsort(column, DRAWS, sizeof column[0], ascending);
            for (int i = 0; i < DRAWS; i++) {
                distance = fmax(distance, fmax(column[i] - (double)i / DRAWS, (double)(i + 1) / DRAWS - column[i]));
            }
            if (distance > limit) {
                fail_msg("%s, feature %d: distance %g above %g", kernels[k], j, distance, limit);
            }
        }
        lk_model_free(model);
    }
    lk_table_free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_draws, check_setup, check_teardown)};
    return cmocka_run_group_tests_name("kde_sample", tests, NULL, NULL);
}
