/* Diagnoses of vector fields: nothing is found in exact scores, and planted faults are found where they are, at the size that theory gives. */
#include "gmm_check.h"

#include "score/affine.h"

#include <likely/judge.h>

enum { D = 2 };

static const char json[] = "{\"weights\": [0.4, 0.6], \"means\": [[-1, 0], [2, 1]], \"covariances\": [[[1, 0.3], [0.3, 0.5]], [[0.4, -0.1], [-0.1, 0.8]]]}";

/* The score of the model at noise of sigma spreads, times a factor, at a power of the noise, turned by `turn` times a right angle's matrix. */
typedef struct planted {
    const lk_model *model;
    double factor, turn, power;
    double spread[D];
} planted;

static lk_status field(lk_context *ctx, void *state, const double *x, int64_t rows, double sigma, double *out)
{
    const planted *p = state;
    double noise[D];
    lk_model *noisy = NULL;
    for (int j = 0; j < D; j++) {
        noise[j] = pow(sigma, p->power) * p->spread[j];
    }
    lk_status status = lk_model_smooth(ctx, p->model, noise, &noisy);
    status = status == LK_OK ? lk_model_score(ctx, noisy, x, rows, out) : status;
    for (int64_t i = 0; i < rows && status == LK_OK; i++) {
        double u = p->factor * out[i * D] * p->spread[0], v = p->factor * out[i * D + 1] * p->spread[1];
        out[i * D] = (u - p->turn * v) / p->spread[0]; /* in units of the spreads the turn is one */
        out[i * D + 1] = (v + p->turn * u) / p->spread[1];
    }
    lk_model_free(noisy);
    return status;
}

static lk_diagnosis diagnosed(lk_context *ctx, const lk_model *model, planted *p, double sigma)
{
    lk_diagnosis d = {.size = sizeof d};
    lk_diagnose_options o = {.size = sizeof o, .sigma = sigma, .function = p != NULL ? field : NULL, .state = p, .point_count = 1500, .features = 60, .seed = 2};
    check_ok(ctx, lk_model_diagnose(ctx, model, &o, &d));
    print_message("asymmetry %.2g, circulation %.2g, scale %.3f +- %.3f, Fokker-Planck %.2g, gauge %.2g, transport %.2g, dimension %.2f\n", d.asymmetry,
                  d.circulation, d.scale, d.scale_error, d.fokker_planck, d.gauge, d.transport, d.dimension);
    return d;
}

/* Spreads as the diagnosis measures them. */
static planted plant(lk_context *ctx, const lk_model *model, double factor, double turn, double power)
{
    lki_affine a;
    check_ok(ctx, lki_affine_new(ctx, model, "a test", &a));
    planted p = {model, factor, turn, power, {a.spread[0], a.spread[1]}};
    lki_affine_free(ctx, &a);
    return p;
}

static void exact_scores(void **state)
{
    lk_model *model = gmm_build(*state, json);
    const double sigmas[] = {0, 0.1, 0.5, 2};
    for (int i = 0; i < 4; i++) {
        lk_diagnosis d = diagnosed(*state, model, NULL, sigmas[i]);
        assert_true(d.asymmetry < 1e-6 && d.circulation < 1e-8 && d.gauge < 1e-6 && d.transport < 1e-10 && d.against_density == 1);
        assert_true(fabs(d.scale - 1) < 4.5 * d.scale_error);
        assert_true(i == 0 ? isnan(d.fokker_planck) : d.fokker_planck < 1e-4);
    }
    lk_model_free(model);
}

/* v = s + w R s, R a right angle: div(p R s) = 0, so that no mass moves, and the gauge share is w^2 / (1 + w^2) = 0.2 (its estimate is a few percent low: 65
 * test functions are fitted to 1500 points). */
static void rotation(void **state)
{
    lk_model *model = gmm_build(*state, json);
    planted p = plant(*state, model, 1, 0.5, 1);
    lk_diagnosis d = diagnosed(*state, model, &p, 0.5);
    assert_true(d.asymmetry > 0.1 && d.circulation > 0.05);
    check_near(d.gauge, 0.2, 0.03);
    assert_true(d.transport < 0.03);
    assert_true(fabs(d.scale - 1) < 4.5 * d.scale_error);
    lk_model_free(model);
}

/* v = 1.3 s is a gradient of the wrong size: (1.3 - 1)^2 of the score's energy moves mass wrongly, and no Fokker-Planck equation has it. */
static void wrong_scale(void **state)
{
    lk_model *model = gmm_build(*state, json);
    planted p = plant(*state, model, 1.3, 0, 1);
    lk_diagnosis d = diagnosed(*state, model, &p, 0.5);
    assert_true(d.asymmetry < 1e-6 && d.circulation < 1e-8 && d.gauge < 1e-6);
    check_near(d.scale, 1.3, 4.5 * d.scale_error);
    check_near(d.transport, 0.09, 0.005);
    assert_true(d.fokker_planck > 0.1);
    lk_model_free(model);
}

/* A true score at the wrong noise: only the equation over noise, scale and transport see it. */
static void wrong_noise(void **state)
{
    lk_model *model = gmm_build(*state, json);
    planted p = plant(*state, model, 1, 0, 1.5);
    lk_diagnosis d = diagnosed(*state, model, &p, 0.5);
    assert_true(d.asymmetry < 1e-6 && d.circulation < 1e-8);
    assert_true(d.fokker_planck > 0.05 && d.transport > 0.01);
    lk_model_free(model);
}

/* Nearly flat distributions in 3-d, aslant so that every feature varies: a plane (two directions within x3 = x1 + x2) and a line fill 2 and 1 directions at
 * noise far above what they are thick, and 3 below it. */
static void dimensions(void **state)
{
    static const char *const flat[] = {
        "{\"weights\": [0.5, 0.5], \"means\": [[-1, 0, -1], [1, 1, 2]], \"covariances\": [[[1, 0, 1], [0, 1, 1], [1, 1, 2.0000001]], [[1, 0.5, 1.5], [0.5, 1, 1.5], "
        "[1.5, 1.5, 3.0000001]]]}",
        "{\"weights\": [1], \"means\": [[0, 0, 0]], \"covariances\": [[[1.0000001, 2, -1], [2, 4.0000001, -2], [-1, -2, 1.0000001]]]}"};
    for (int i = 0; i < 2; i++) {
        lk_model *model = gmm_build(*state, flat[i]);
        lk_diagnosis d = {.size = sizeof d};
        lk_diagnose_options o = {.size = sizeof o, .sigma = 0.05, .point_count = 300, .features = 20};
        check_ok(*state, lk_model_diagnose(*state, model, &o, &d));
        print_message("dimension %.3f +- %.3f\n", d.dimension, d.dimension_sd);
        check_near(d.dimension, i == 0 ? 2 : 1, 0.02);
        lk_model_free(model);
    }
}

/* Formulas: the standard normal distribution's score at any noise, and the same with a turn. */
static void formulas(void **state)
{
    lk_model *model = gmm_build(*state, "{\"weights\": [1], \"means\": [[0, 0]], \"covariances\": [[[1, 0], [0, 1]]]}");
    lk_diagnosis d = {.size = sizeof d};
    lk_diagnose_options o = {.size = sizeof o, .sigma = 1, .field = "x1' = -x1 / (1 + sigma^2)\nx2' = -x2 / (1 + sigma^2)", .point_count = 500, .features = 30};
    check_ok(*state, lk_model_diagnose(*state, model, &o, &d));
    /* the spreads are those of 4096 draws: 1 within 3% */
    assert_true(d.asymmetry < 1e-6 && d.gauge < 1e-3 && d.transport < 2e-3 && d.fokker_planck < 0.05);
    o.field = "x1' = -(x1 + x2) / (1 + sigma^2)\nx2' = -(x2 - x1) / (1 + sigma^2)";
    check_ok(*state, lk_model_diagnose(*state, model, &o, &d));
    check_near(d.asymmetry, sqrt(0.5), 1e-3);
    check_near(d.gauge, 0.5, 0.06);
    /* and point by point, with less noise: where half of J is antisymmetric everywhere, and no direction is as thin as the noise */
    static double each[500 * 6];
    o.each = each;
    o.sigma = 0.5;
    check_ok(*state, lk_model_diagnose(*state, model, &o, &d));
    double mean = 0, square = 0;
    for (int i = 0; i < 500; i++) {
        const double *e = each + 6 * i;
        check_near(e[2], -(e[0] + e[1]) / 1.25, 1e-12);
        check_near(e[3], -(e[1] - e[0]) / 1.25, 1e-12);
        check_near(e[4], sqrt(0.5), 1e-3);
        assert_true(e[5] == 2);
        mean += e[0] / 500;
        square += e[0] * e[0] / 500;
    }
    check_near(mean, 0, 4.5 * sqrt(1.25 / 500)); /* the points have their noise: variance 1 + sigma^2 */
    check_near(square, 1.25, 4.5 * 1.25 * sqrt(2.0 / 500));
    o.sigma = 1.2; /* - sigma^2 J is sigma^2 / (1 + sigma^2) = .59 in both directions: no wider than the noise */
    check_ok(*state, lk_model_diagnose(*state, model, &o, &d));
    check_near(d.dimension, 0, 0);
    o.field = "x1' = -x1";
    check_status(*state, LK_ERROR_ARGUMENT, lk_model_diagnose(*state, model, &o, &d));
    check_contains(lk_error_message(*state), "no line x2'");
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(exact_scores, check_setup, check_teardown), cmocka_unit_test_setup_teardown(rotation, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(wrong_scale, check_setup, check_teardown), cmocka_unit_test_setup_teardown(wrong_noise, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(dimensions, check_setup, check_teardown), cmocka_unit_test_setup_teardown(formulas, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
