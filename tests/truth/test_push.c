/* Densities along dynamics: a linear system in closed form, Van der Pol's oscillator against draws, events against both. */
#include "gmm_check.h"

enum { D = 2 };

static const char start_json[] = "{\"weights\": [1], \"means\": [[1, -0.5]], \"covariances\": [[[0.5, 0.2], [0.2, 0.4]]], \"columns\": [\"x\", \"y\"]}";

static lk_push *pushed(lk_context *ctx, const lk_model *model, const char *dynamics, double time, const char *event)
{
    lk_push *p = NULL;
    lk_push_options o = {.size = sizeof o, .dynamics = dynamics, .time = time, .event = event, .seed = 3};
    check_ok(ctx, lk_push_new(ctx, model, &o, &p));
    return p;
}

/* exp(A t) by its series. */
static void exponential(const double *A, double t, double *out)
{
    double term[4] = {1, 0, 0, 1};
    memcpy(out, term, sizeof term);
    for (int k = 1; k < 60; k++) {
        double next[4];
        for (int e = 0; e < 4; e++) {
            next[e] = (term[e / 2 * 2] * A[e % 2] + term[e / 2 * 2 + 1] * A[2 + e % 2]) * t / k;
        }
        memcpy(term, next, sizeof term);
        for (int e = 0; e < 4; e++) {
            out[e] += term[e];
        }
    }
}

/* dx/dt = A x: N(m, C) becomes N(E m, E C E'), E = exp(A t), whose determinant is exp(t trace A), not 1 here. Log densities of draws and
 * of given places to 1e-6 nats; the event x > 0.8 by the normal distribution function. */
static void linear(void **state)
{
    const double A[4] = {-0.4, 1.1, -0.9, -0.3}, t = 1.7, m[2] = {1, -0.5}, C[4] = {0.5, 0.2, 0.2, 0.4};
    double E[4], mean[2], V[4], EC[4];
    lk_model *model = gmm_build(*state, start_json);
    const int n = (int)check_scaled(20000, 5000);
    double *rows = malloc((size_t)n * 3 * sizeof *rows), places[2 * D] = {0.3, -0.7, 1, 1}, got[2];
    exponential(A, t, E);
    for (int i = 0; i < 2; i++) {
        mean[i] = E[i * 2] * m[0] + E[i * 2 + 1] * m[1];
    }
    for (int e = 0; e < 4; e++) {
        EC[e] = E[e / 2 * 2] * C[e % 2] + E[e / 2 * 2 + 1] * C[2 + e % 2];
    }
    for (int e = 0; e < 4; e++) {
        V[e] = EC[e / 2 * 2] * E[e % 2 * 2] + EC[e / 2 * 2 + 1] * E[e % 2 * 2 + 1];
    }
    const double det = V[0] * V[3] - V[1] * V[2];
    lk_push *p = pushed(*state, model, "a = 1.1\nx' = -.4*x + a*y\ny' = -.9*x - .3*y # damped", t, "x > .8");
    check_ok(*state, lk_push_rows(*state, p, 0, n, rows));
    check_ok(*state, lk_push_log_density(*state, p, places, 2, got));
    for (int i = 0; i < n + 2; i++) {
        const double *x = i < n ? rows + i * 3 : places + (i - n) * D, u = x[0] - mean[0], v = x[1] - mean[1];
        const double wanted = -log(2 * 3.14159265358979323846) - 0.5 * log(det) - 0.5 * (V[3] * u * u - 2 * V[1] * u * v + V[0] * v * v) / det;
        check_near(i < n ? x[2] : got[i - n], wanted, 1e-6);
    }
    lk_event e;
    lk_push_event(p, &e);
    const double exact = 0.5 * erfc((0.8 - mean[0]) / sqrt(2 * V[0]));
    check_near(e.probability, exact, 4 * sqrt(exact * (1 - exact) / n));
    assert_true(e.low < e.probability && e.high > e.probability && e.draws == n);
    lk_push_free(p);
    lk_model_free(model);
    free(rows);
}

/* Van der Pol's oscillator has no closed form. Its density, back along paths from a grid, integrates to 1; over a box it gives the share of draws that
 * end there, within 4 standard errors (false alarm below 1 in 10^4, fixed seed). Without the divergence the integral is 0.3 or so. */
static void van_der_pol(void **state)
{
    lk_model *model = gmm_build(*state, start_json);
    const int n = (int)check_scaled(20000, 5000), grid = 150;
    double *rows = malloc((size_t)n * 3 * sizeof *rows), *x = malloc((size_t)(grid * grid) * D * sizeof *x), *got = malloc((size_t)(grid * grid) * sizeof *got);
    lk_push *p = pushed(*state, model, "x' = y\ny' = (1 - x^2)*y - x", 0.6, "x > 0.6 and y < -1");
    const double hx = 7.0 / grid, hy = 8.0 / grid;
    double all = 0, inside = 0;
    check_ok(*state, lk_push_rows(*state, p, 0, n, rows));
    for (int i = 0; i < grid * grid; i++) {
        x[i * D] = -2.5 + (i / grid + 0.5) * hx;
        x[i * D + 1] = -5 + (i % grid + 0.5) * hy;
    }
    check_ok(*state, lk_push_log_density(*state, p, x, grid * grid, got));
    for (int i = 0; i < grid * grid; i++) {
        all += hx * hy * exp(got[i]);
        inside += hx * hy * exp(got[i]) * (x[i * D] > 0.6 && x[i * D + 1] < -1);
    }
    lk_event e;
    lk_push_event(p, &e);
    print_message("integral %.5f; event %.4f by the density, %.4f (%.4f to %.4f) by draws\n", all, inside, e.probability, e.low, e.high);
    check_near(all, 1, 2e-3);
    check_near(e.probability, inside, 4 * sqrt(inside * (1 - inside) / n) + 2e-3);
    for (int i = 0; i < 50; i++) { /* draws know the same density */
        double again;
        check_ok(*state, lk_push_log_density(*state, p, rows + i * 3, 1, &again));
        check_near(again, rows[i * 3 + 2], 1e-5);
    }
    lk_push_free(p);
    lk_model_free(model);
    free(rows);
    free(x);
    free(got);
}

static void refusals(void **state)
{
    lk_model *model = gmm_build(*state, start_json);
    lk_push *p = NULL;
    double rows[30];
    const char *const wrong[][2] = {{"x' = y", "no line y'"}, {"x' = y\ny' = z", "no column"}, {"x' = y\ny' = x\nx' = 1", "line 3"}};
    for (int i = 0; i < 3; i++) {
        lk_push_options o = {.size = sizeof o, .dynamics = wrong[i][0], .time = 1};
        check_status(*state, LK_ERROR_ARGUMENT, lk_push_new(*state, model, &o, &p));
        check_contains(lk_error_message(*state), wrong[i][1]);
    }
    p = pushed(*state, model, "x' = exp(x^2) + 5\ny' = 0", 50, NULL);
    check_status(*state, LK_ERROR_NUMERIC, lk_push_rows(*state, p, 0, 10, rows));
    check_contains(lk_error_message(*state), "run off to infinity");
    lk_push_free(p);
    lk_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(linear, check_setup, check_teardown),
                                       cmocka_unit_test_setup_teardown(van_der_pol, check_setup, check_teardown),
                                       cmocka_unit_test_setup_teardown(refusals, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
