/* Particle flows by sorted slices: forces and energies against plain sums over pairs, the error of finitely many directions, closed-form posteriors. */
#include "check.h"
#include "core/philox.h"
#include "select/slices.h"

#include <likely/likely.h>

static void normal_rows(double *x, int64_t count, uint64_t row)
{
    lki_stream s = lki_stream_new(31, LKI_STREAM_TEST, row);
    for (int64_t i = 0; i < count; i++) {
        x[i] = lki_random_normal(&s);
    }
}

static double distance(const double *x, const double *y, int64_t d)
{
    double square = 0.0;
    for (int64_t j = 0; j < d; j++) {
        square += (x[j] - y[j]) * (x[j] - y[j]);
    }
    return sqrt(square);
}

static double energy(const double *x, int64_t n, const double *y, int64_t m, int64_t d)
{
    double sums[3] = {0.0, 0.0, 0.0};
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < m; j++) {
            sums[0] += distance(x + i * d, y + j * d, d) / (double)n / (double)m;
        }
        for (int64_t j = 0; j < n; j++) {
            sums[1] += distance(x + i * d, x + j * d, d) / (double)n / (double)n;
        }
    }
    for (int64_t i = 0; i < m; i++) {
        for (int64_t j = 0; j < m; j++) {
            sums[2] += distance(y + i * d, y + j * d, d) / (double)m / (double)m;
        }
    }
    return 2.0 * sums[0] - sums[1] - sums[2];
}

static double sign(double v)
{
    return (v > 0.0) - (v < 0.0);
}

/* Forces and energy of one direction against sums over all pairs, with values that are equal; particles behind the crowd only feel. */
static void test_slice(void **state)
{
    lk_context *ctx = *state;
    enum { N = 90, M = 130, D = 3, CROWD = 70 };
    double y[M * D], x[N * D], xi[D], force[N], told, within;
    lki_stream s = lki_stream_new(32, LKI_STREAM_TEST, 0);
    normal_rows(y, M * D, 1);
    normal_rows(x, N * D, 2);
    memcpy(x + 5 * D, y + 7 * D, sizeof(double) * D);
    memcpy(x + 6 * D, y + 7 * D, sizeof(double) * D);
    memcpy(x + 80 * D, x + 9 * D, sizeof(double) * D);
    lki_slice_direction(&s, D, xi);
    check_near(xi[0] * xi[0] + xi[1] * xi[1] + xi[2] * xi[2], 1.0, 1e-14);
    check_ok(ctx, lki_sliced_force(ctx, xi, D, y, M, x, CROWD, N, force));
    double u[N], v[M], cross = 0.0, own[2] = {0.0, 0.0};
    for (int64_t i = 0; i < N; i++) {
        u[i] = xi[0] * x[i * D] + xi[1] * x[i * D + 1] + xi[2] * x[i * D + 2];
    }
    for (int64_t i = 0; i < M; i++) {
        v[i] = xi[0] * y[i * D] + xi[1] * y[i * D + 1] + xi[2] * y[i * D + 2];
    }
    for (int64_t i = 0; i < N; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < M; j++) {
            sum += sign(u[i] - v[j]) / M;
            cross += i < CROWD ? fabs(u[i] - v[j]) / CROWD / M : 0.0;
        }
        for (int64_t j = 0; j < CROWD; j++) {
            sum -= sign(u[i] - u[j]) / CROWD;
            own[0] += i < CROWD ? fabs(u[i] - u[j]) / CROWD / CROWD : 0.0;
        }
        check_near(force[i], sum, 1e-13);
    }
    for (int64_t i = 0; i < M; i++) {
        for (int64_t j = 0; j < M; j++) {
            own[1] += fabs(v[i] - v[j]) / M / M;
        }
    }
    check_ok(ctx, lki_sliced_energy(ctx, xi, D, y, M, x, CROWD, &told, &within));
    check_near(told, 2.0 * cross - own[0] - own[1], 1e-13);
    check_near(within, own[1], 1e-13);
}

/* The mean over P directions, times the constant, is the gradient of the energy distance but for an error that falls as P^-1/2: its slope over a factor of
 * 64 is -.5 +- .1 (its own error is some .02). */
static void test_directions(void **state)
{
    lk_context *ctx = *state;
    enum { N = 20, M = 30, D = 5 };
    double y[M * D], x[N * D], force[N], xi[D], exact[N * D] = {0}, errors[2];
    normal_rows(y, M * D, 3);
    normal_rows(x, N * D, 4);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t j = 0; j < M; j++) {
            for (int64_t c = 0; c < D; c++) {
                exact[i * D + c] += (x[i * D + c] - y[j * D + c]) / distance(x + i * D, y + j * D, D) / M;
            }
        }
        for (int64_t j = 0; j < N; j++) {
            for (int64_t c = 0; c < D && j != i; c++) {
                exact[i * D + c] -= (x[i * D + c] - x[j * D + c]) / distance(x + i * D, x + j * D, D) / N;
            }
        }
    }
    const int64_t repeats = check_scaled(60, 30);
    for (int k = 0; k < 2; k++) {
        const int64_t P = k == 0 ? 16 : 1024;
        double squares = 0.0;
        for (int64_t r = 0; r < repeats; r++) {
            double sum[N * D] = {0};
            lki_stream s = lki_stream_new(33 + (uint64_t)k, LKI_STREAM_TEST, (uint64_t)r);
            for (int64_t p = 0; p < P; p++) {
                lki_slice_direction(&s, D, xi);
                check_ok(ctx, lki_sliced_force(ctx, xi, D, y, M, x, N, N, force));
                for (int64_t i = 0; i < N * D; i++) {
                    sum[i] += lki_slice_constant(D) / (double)P * force[i / D] * xi[i % D];
                }
            }
            for (int64_t i = 0; i < N * D; i++) {
                squares += (sum[i] - exact[i]) * (sum[i] - exact[i]) / (double)(N * D * repeats);
            }
        }
        errors[k] = sqrt(squares);
    }
    const double slope = log(errors[1] / errors[0]) / log(64.0);
    print_message("error %.4f, %.4f; slope %.3f\n", errors[0], errors[1], slope);
    check_near(slope, -0.5, 0.1);
}

/* To two clusters from one: the energy distance that is told is that of the pairs, and far below that of independent draws. */
static void test_to_data(void **state)
{
    lk_context *ctx = *state;
    enum { N = 1500, P = 150 };
    static double y[N * 2], out[2][P * 2];
    lk_flow_report report;
    double sd[2] = {0.0, 0.0}, mean[2] = {0.0, 0.0};
    normal_rows(y, N * 2, 5);
    for (int64_t i = 0; i < N; i++) {
        y[2 * i] += i % 5 < 2 ? -3.0 : 3.0;
        y[2 * i + 1] = 10.0 * y[2 * i + 1] + 100.0;
    }
    lk_flow_options options = {.size = sizeof options, .particles = P};
    check_ok(ctx, lk_flow(ctx, y, N, 2, &options, out[0], &report));
    for (int64_t i = 0; i < 2 * N; i++) {
        mean[i % 2] += y[i] / N;
    }
    for (int64_t i = 0; i < 2 * N; i++) {
        sd[i % 2] += (y[i] - mean[i % 2]) * (y[i] - mean[i % 2]) / N;
    }
    lk_context *other = check_context(3);
    check_ok(other, lk_flow(other, y, N, 2, &options, out[1], NULL));
    lk_context_free(other);
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    for (int64_t i = 0; i < 2 * N; i++) {
        y[i] /= sqrt(sd[i % 2]);
    }
    for (int64_t i = 0; i < 2 * P; i++) {
        out[0][i] /= sqrt(sd[i % 2]);
    }
    const double reached = energy(out[0], P, y, N, 2);
    print_message("energy distance %.5f, told %.5f; before %.3f, independent draws %.5f (%.5f)\n", reached, report.energy, report.energy_start,
                  report.energy_independent, (energy(y, P, y, N, 2)));
    check_near(report.energy / reached, 1.0, 0.2);
    assert_true(reached < 0.25 * report.energy_independent);
}

/* x of two normal components in the plane, y = x1 - x2 + noise of sd .3 observed as .2: the posterior is a mixture in closed form. Its energy distance to the
 * particles is that of few hundred independent draws or not much more, and a small part of the prior's. */
static const double share[2] = {0.4, 0.6}, means[2][2] = {{-2.0, -1.0}, {1.5, 1.0}}, roots[2][3] = {{0.7, 0.3, 0.55}, {0.8, -0.4, 0.55}};

static void draw(lki_stream *s, int k, double *x)
{
    const double a = lki_random_normal(s), b = lki_random_normal(s);
    x[0] = means[k][0] + roots[k][0] * a;
    x[1] = means[k][1] + roots[k][1] * a + roots[k][2] * b;
}

static void posterior(lki_stream *s, double y, double noise, double *x)
{
    double weights[2], gain[2], v[2];
    for (int k = 0; k < 2; k++) { /* y given the component: variance a'Ca + noise^2, a = (1, -1) */
        const double u = roots[k][0] - roots[k][1];
        v[k] = u * u + roots[k][2] * roots[k][2] + noise * noise;
        gain[k] = y - (means[k][0] - means[k][1]);
        weights[k] = share[k] / sqrt(v[k]) * exp(-0.5 * gain[k] * gain[k] / v[k]);
    }
    const int k = lki_random_uniform(s) * (weights[0] + weights[1]) < weights[0] ? 0 : 1;
    /* Matheron's rule: a draw of (x, y) moved by C a / v times what y lacks. */
    draw(s, k, x);
    const double lack = (y - (x[0] - x[1] + noise * lki_random_normal(s))) / v[k], u = roots[k][0] - roots[k][1];
    x[0] += roots[k][0] * u * lack;
    x[1] += (roots[k][1] * u - roots[k][2] * roots[k][2]) * lack;
}

static void test_posterior(void **state)
{
    lk_context *ctx = *state;
    enum { N = 4000, P = 300, TRUE = 1500 };
    static double prior[N * 2], out[P * 2], truth[TRUE * 2];
    lki_stream s = lki_stream_new(35, LKI_STREAM_TEST, 0);
    for (int64_t i = 0; i < N; i++) {
        draw(&s, lki_random_uniform(&s) < share[0] ? 0 : 1, prior + 2 * i);
    }
    const double A[] = {1.0, -1.0}, y = 0.2, noise = 0.3;
    for (int64_t i = 0; i < TRUE; i++) {
        posterior(&s, y, noise, truth + 2 * i);
    }
    const lk_flow_options options = {.size = sizeof options, .particles = P, .steps = check_scaled(300, 200), .observations = 1, .matrix = A, .observed = &y, .noise = noise};
    check_ok(ctx, lk_flow(ctx, prior, N, 2, &options, out, NULL));
    double mean[2][2] = {{0.0}};
    for (int64_t i = 0; i < 2 * P; i++) {
        mean[0][i % 2] += out[i] / P;
    }
    for (int64_t i = 0; i < 2 * TRUE; i++) {
        mean[1][i % 2] += truth[i] / TRUE;
    }
    const double reached = energy(out, P, truth, TRUE, 2), before = energy(prior, P, truth, TRUE, 2);
    print_message("energy distance from the posterior %.4f, of the prior %.4f; mean (%.3f, %.3f) against (%.3f, %.3f)\n", reached, before, mean[0][0], mean[0][1],
                  mean[1][0], mean[1][1]);
    assert_true(reached < 0.06 && reached < 0.25 * before);
    check_near(mean[0][0], mean[1][0], 0.3);
    check_near(mean[0][1], mean[1][1], 0.3);
}

static void test_refusals(void **state)
{
    lk_context *ctx = *state;
    double x[] = {0, 1, 2, (double)NAN}, out[8], one = 1.0;
    const struct {
        lk_flow_options options;
        int64_t rows;
        const char *text;
    } cases[] = {
        {{0}, 4, "row 4, feature 1 is missing"},
        {{0}, 1, "at least two rows"},
        {{.steps = -1}, 3, "at least 0"},
        {{.observations = 1, .matrix = &one}, 3, "given together"},
        {{.observations = 1, .matrix = &one, .observed = &one}, 3, "noise of the observations is 0"},
        {{.particles = 1, .start = x + 3}, 3, "particle 1 begins"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lk_flow_options options = cases[i].options;
        options.size = sizeof options;
        assert_int_not_equal(lk_flow(ctx, x, cases[i].rows, 1, &options, out, NULL), LK_OK);
        check_contains(lk_error_message(ctx), cases[i].text);
    }
    for (long at = 0, calls = 0; at <= calls; at++) { /* each allocation fails once */
        check_memory m = {.fail_at = at};
        const lk_allocator allocator = check_allocator(&m);
        const lk_context_options how = {.size = sizeof how, .threads = 1, .allocator = &allocator};
        lk_context *other = NULL;
        if (lk_context_new(&other, &how) == LK_OK) {
            const lk_flow_options options = {.size = sizeof options, .particles = 2, .steps = 2, .directions = 2, .observations = 1, .matrix = &one, .observed = &one, .noise = 1.0};
            const lk_status status = lk_flow(other, x, 3, 1, &options, out, NULL);
            assert_true(status == LK_OK || (at > 0 && status == LK_ERROR_MEMORY));
        }
        lk_context_free(other);
        assert_int_equal(m.live, 0);
        calls = at == 0 ? (m.calls < 60 ? m.calls : 60) : calls;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slice), cmocka_unit_test(test_directions), cmocka_unit_test(test_to_data),
                                       cmocka_unit_test(test_posterior), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests_name("flow", tests, check_setup, check_teardown);
}
