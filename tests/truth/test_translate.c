/* Translation between two models: an interpolant's closed forms against the continuity equation, Monte Carlo and its ends; codes in noise against
 * the row that they came from and the target's law. */
#include "gmm_check.h"

#include "score/translate.h"

enum { D = 2 };

static const char from_json[] = "{\"weights\": [0.4, 0.6], \"means\": [[-2, 0], [1, 1]], \"covariances\": [[[1, 0.3], [0.3, 0.5]], [[0.4, -0.1], "
                                "[-0.1, 0.8]]]}";
static const char to_json[] = "{\"weights\": [0.3, 0.3, 0.4], \"means\": [[4, -1], [2, 3], [-1, 5]], \"covariances\": [[[0.3, 0.1], [0.1, 0.4]], "
                              "[[0.9, 0.5], [0.5, 0.6]], [[0.2, 0], [0, 1.5]]]}";

static lki_interpolant *interpolant(lk_context *ctx, const lk_model *a, const lk_model *b, const double *spread)
{
    lki_normal_set from, to;
    bool is;
    lki_interpolant *p = NULL;
    check_ok(ctx, lki_normal_set_new(ctx, a, &is, &from));
    check_ok(ctx, lki_normal_set_new(ctx, b, &is, &to));
    check_ok(ctx, lki_interpolant_new(ctx, &from, &to, spread, 10, &p));
    return p;
}

/* d log rho / dt + b . grad log rho + div b = 0 at any x and t, the score is the gradient of log rho, and at the ends rho is that of the
 * models: central differences. Without gamma gamma' in the velocity the first is off by 0.1 and more. */
static void continuity(void **state)
{
    lk_model *a = gmm_build(*state, from_json), *b = gmm_build(*state, to_json);
    const double spread[] = {1.5, 0.9}, h = 1e-4;
    lki_interpolant *p = interpolant(*state, a, b, spread);
    lki_memory memory = lki_memory_of(*state);
    lki_stream s = gmm_stream(9100);
    for (int i = 0; i < 40; i++) {
        double t = 0.05 + 0.9 * lki_random_uniform(&s), x[D] = {4 * lki_random_normal(&s), 2 + 3 * lki_random_normal(&s)};
        double v[D], g[D], divergence, now, later, before, work[200];
        lki_slice *at, *after, *ago;
        check_ok(*state, lki_slice_new(*state, p, t, &at));
        check_ok(*state, lki_slice_new(*state, p, t + h, &after));
        check_ok(*state, lki_slice_new(*state, p, t - h, &ago));
        assert_true(lki_slice_work(at) <= 200);
        lki_slice_ask(at, x, v, g, &divergence, &now, work);
        lki_slice_ask(after, x, NULL, NULL, NULL, &later, work);
        lki_slice_ask(ago, x, NULL, NULL, NULL, &before, work);
        double residual = (later - before) / (2 * h) + v[0] * g[0] + v[1] * g[1] + divergence;
        check_near(residual, 0, 2e-5 * (1 + fabs(divergence) + fabs(v[0] * g[0]) + fabs(v[1] * g[1])));
        double trace = 0;
        for (int j = 0; j < D; j++) {
            double up[D] = {x[0], x[1]}, down[D] = {x[0], x[1]}, lu, ld, vu[D], vd[D];
            up[j] += h;
            down[j] -= h;
            lki_slice_ask(at, up, vu, NULL, NULL, &lu, work);
            lki_slice_ask(at, down, vd, NULL, NULL, &ld, work);
            check_near(g[j], (lu - ld) / (2 * h), 1e-5 * (1 + fabs(g[j])));
            trace += (vu[j] - vd[j]) / (2 * h);
        }
        check_near(divergence, trace, 1e-5 * (1 + fabs(trace)));
        lki_slice_free(&memory, at);
        lki_slice_free(&memory, after);
        lki_slice_free(&memory, ago);
        for (int end = 0; end < 2; end++) {
            double wanted;
            check_ok(*state, lki_slice_new(*state, p, end, &at));
            lki_slice_ask(at, x, NULL, NULL, NULL, &now, work);
            check_ok(*state, lk_model_log_density(*state, end ? b : a, x, 1, &wanted));
            check_near(now, wanted, 1e-10 * (1 + fabs(wanted)));
            lki_slice_free(&memory, at);
        }
    }
    lki_interpolant_free(&memory, p);
    lk_model_free(a);
    lk_model_free(b);
}

/* The velocity is the conditional mean of dx_t/dt, and minus gamma times the score that of z: what is left after taking them off is
 * uncorrelated with any function of x_t. 24 averages within 4.5 standard errors: false alarms below 2 in 10^4, at a fixed seed. */
static void conditional_means(void **state)
{
    const int n = (int)check_scaled(40000, 8000);
    lk_model *a = gmm_build(*state, from_json), *b = gmm_build(*state, to_json);
    const double spread[] = {1.5, 0.9}, t = 0.3, gamma = sqrt(t * (1 - t)), rate = 0.5 * (1 - 2 * t) / gamma;
    double *x0 = malloc((size_t)n * D * sizeof *x0), *x1 = malloc((size_t)n * D * sizeof *x1), work[200], sum[24] = {0}, squares[24] = {0};
    lki_interpolant *p = interpolant(*state, a, b, spread);
    lki_slice *at;
    lki_memory memory = lki_memory_of(*state);
    lki_stream s = gmm_stream(9110);
    check_ok(*state, lk_model_sample(*state, a, 1, 0, n, x0));
    check_ok(*state, lk_model_sample(*state, b, 2, 0, n, x1));
    check_ok(*state, lki_slice_new(*state, p, t, &at));
    for (int i = 0; i < n; i++) {
        double x[D], v[D], g[D], z[D], left[2 * D];
        for (int j = 0; j < D; j++) {
            z[j] = lki_random_normal(&s);
            x[j] = (1 - t) * x0[i * D + j] + t * x1[i * D + j] + gamma * spread[j] * z[j];
        }
        lki_slice_ask(at, x, v, g, NULL, NULL, work);
        for (int j = 0; j < D; j++) {
            left[j] = x1[i * D + j] - x0[i * D + j] + rate * spread[j] * z[j] - v[j];
            left[D + j] = z[j] + gamma * spread[j] * g[j];
        }
        const double f[] = {1, x[0], x[1], sin(2 * x[0]), cos(x[1]), x[0] > 0.5};
        for (int e = 0; e < 24; e++) {
            double q = left[e % 4] * f[e / 4];
            sum[e] += q;
            squares[e] += q * q;
        }
    }
    for (int e = 0; e < 24; e++) {
        double mean = sum[e] / n, error = sqrt((squares[e] / n - mean * mean) / n);
        check_near(mean, 0, 4.5 * error);
    }
    lki_slice_free(&memory, at);
    lki_interpolant_free(&memory, p);
    lk_model_free(a);
    lk_model_free(b);
    free(x0);
    free(x1);
}

static void carried(lk_context *ctx, const lk_model *a, const lk_model *b, const lk_translate_options *o, const double *x, int64_t n, double *out)
{
    lk_translator *t = NULL;
    check_ok(ctx, lk_translator_new(ctx, a, b, o, &t));
    check_ok(ctx, lk_translator_rows(ctx, t, x, 0, n, out));
    lk_translator_free(t);
}

/* Shares of the rows on a grid of half-planes, beside those of exact draws: the largest difference in standard errors. */
static double worst_share(const double *x, const double *y, int n)
{
    double worst = 0;
    for (int k = 0; k < 60; k++) {
        double turn = 0.4 * k, level = -2 + 0.45 * (k % 15), a = 0, b = 0;
        for (int i = 0; i < n; i++) {
            a += cos(turn) * x[i * D] + sin(turn) * x[i * D + 1] > level;
            b += cos(turn) * y[i * D] + sin(turn) * y[i * D + 1] > level;
        }
        double share = (a + b) / (2 * n), error = sqrt(2 * share * (1 - share) / n + 1e-9);
        worst = fmax(worst, fabs(a - b) / n / error);
    }
    return worst;
}

/* Rows carried by the ordinary and by the stochastic differential equation are rows of the target: 60 shares within 4.5 standard errors (false alarms
 * below 5 in 10^4). The log density that the ordinary one gives is the target's, row by row, in nats. */
static void carried_rows(void **state)
{
    const int n = (int)check_scaled(6000, 1500);
    lk_model *a = gmm_build(*state, from_json), *b = gmm_build(*state, to_json);
    double *x = malloc((size_t)n * D * sizeof *x), *y = malloc((size_t)n * (D + 1) * sizeof *y), *z = malloc((size_t)n * D * sizeof *z);
    double *exact = malloc((size_t)n * sizeof *exact), mean = 0, most = 0;
    check_ok(*state, lk_model_sample(*state, a, 1, 0, n, x));
    carried(*state, a, b, &(lk_translate_options){.size = sizeof(lk_translate_options), .density = 1}, x, n, y);
    for (int i = 0; i < n; i++) {
        z[i * D] = y[i * 3];
        z[i * D + 1] = y[i * 3 + 1];
    }
    check_ok(*state, lk_model_log_density(*state, b, z, n, exact));
    for (int i = 0; i < n; i++) {
        mean += fabs(y[i * 3 + 2] - exact[i]) / n;
        most = fmax(most, fabs(y[i * 3 + 2] - exact[i]));
    }
    print_message("log density along the interpolant: off by %.2g nats on average, %.2g at most\n", mean, most);
    assert_true(mean < 1e-4);
    check_ok(*state, lk_model_sample(*state, b, 77, 0, n, y));
    assert_true(worst_share(z, y, n) < 4.5);
    carried(*state, a, b, &(lk_translate_options){.size = sizeof(lk_translate_options), .noise = 0.5, .steps = 400, .seed = 3}, x, n, z);
    assert_true(worst_share(z, y, n) < 4.5);
    carried(*state, a, b, &(lk_translate_options){.size = sizeof(lk_translate_options), .noise = 0.5, .steps = 6, .seed = 3}, x, n, z);
    assert_true(worst_share(z, y, n) > 4.5); /* too few steps are seen */
    lk_model_free(a);
    lk_model_free(b);
    free(x);
    free(y);
    free(z);
    free(exact);
}

/* A model decodes what it encoded: the row, to the last digits. Another model makes it one of its own, nearer than chance would. */
static void codes(void **state)
{
    const int n = (int)check_scaled(5000, 1500);
    lk_model *a = gmm_build(*state, from_json), *b = gmm_build(*state, to_json);
    double *x = malloc((size_t)n * D * sizeof *x), *y = malloc((size_t)n * D * sizeof *y), *exact = malloc((size_t)n * D * sizeof *exact);
    double most = 0, cost = 0, chance = 0;
    const lk_translate_options options = {.size = sizeof options, .method = "latent", .seed = 4, .steps = 200};
    check_ok(*state, lk_model_sample(*state, a, 1, 0, n, x));
    check_ok(*state, lk_model_sample(*state, b, 77, 0, n, exact));
    carried(*state, a, a, &options, x, n, y);
    for (int i = 0; i < n * D; i++) {
        most = fmax(most, fabs(x[i] - y[i]));
    }
    carried(*state, a, b, &options, x, n, y);
    for (int i = 0; i < n * D; i++) {
        cost += (x[i] - y[i]) * (x[i] - y[i]) / n;
        chance += (x[i] - exact[i]) * (x[i] - exact[i]) / n;
    }
    print_message("round trip: off by %.2g at most; squared distance to the other model's row %.3f, to a random one %.3f; worst share %.2f\n", most, cost,
                  chance, worst_share(y, exact, n));
    assert_true(most < 1e-12);
    assert_true(cost < 0.95 * chance);
    assert_true(worst_share(y, exact, n) < 4.5);
    lk_model_free(a);
    lk_model_free(b);
    free(x);
    free(y);
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(continuity, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(conditional_means, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(carried_rows, check_setup, check_teardown),
        cmocka_unit_test_setup_teardown(codes, check_setup, check_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
